//! Descriptions that ship with strassenc.

use super::Network;
use crate::artifact::{Artifact, read_as};
use crate::error::{Error, Kind, Result, suggest};
use crate::files;
use std::path::Path;

/// Name and text of each ready description.
pub fn ready() -> &'static [(&'static str, &'static str)] {
    macro_rules! embed {
        ($($name:literal),*) => {
            &[$(($name, include_str!(concat!("../../networks/", $name, ".toml")))),*]
        };
    }
    embed!(
        "digits",
        "mnist",
        "fashion-mnist",
        "letter",
        "satellite",
        "lenet",
        "fashion-cnn",
        "vgg7",
        "ternary-vgg",
        "resnet20",
        "st-resnet18",
        "spoken-digits",
        "vowels",
        "unet",
        "ptb",
        "austen"
    )
}

/// The description that `what` names: a file, or else one of the [`ready`] ones.
///
/// # Errors
/// Where it is neither, with what was probably meant; or where the description is wrong.
pub fn find(what: &str) -> Result<Network> {
    let path = Path::new(what);
    if path.exists() {
        return read_as(Artifact::Description, path, |path| {
            Network::parse(what, &files::read_text(path)?)
        });
    }
    if let Some((name, text)) = ready().iter().find(|(name, _)| *name == what) {
        return Network::parse(&format!("{name}.toml (ready)"), text);
    }
    if what.ends_with(".toml") || what.contains('/') {
        let ready = ready().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(Error::new(Kind::Io, what, "there is no such network description")
            .help(format_args!("name a .toml file that is there, or a ready one: {ready}")));
    }
    let help = suggest(what, ready().iter().map(|(name, _)| *name));
    Err(Error::input(what, "is neither a file nor a ready network description").help(help))
}
