//! Folders that are written as a whole, with a record of every file: one takes the place of another
//! only where that is as it was written.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use strassenc_runtime::artifact::Artifact;
use strassenc_runtime::files::{self, WorkFolder, sha256};
use strassenc_runtime::{Error, Result};

/// What becomes of files that were changed since, where another folder is to replace theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edits {
    /// The folder is left alone.
    #[default]
    Keep,
    /// They go as the others do.
    Overwrite,
}

/// Whether a record is as it was written.
pub(crate) fn is_sealed(text: &str, sha256: &str) -> bool {
    files::sha256(text.replacen(sha256, "", 1).as_bytes()) == sha256
}

/// What a record of any schema holds.
#[derive(Deserialize)]
struct Ours {
    tool: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    sha256: Option<String>,
    /// Whether it is as it was written, as far as its schema can tell.
    #[serde(skip)]
    sealed: bool,
}

impl Ours {
    fn read(record: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(record).ok()?;
        let ours: Ours = serde_json::from_str(&text).ok()?;
        let sealed = ours.sha256.as_ref().is_none_or(|sha256| is_sealed(&text, sha256));
        ours.tool.starts_with("strassenc ").then_some(Ours { sealed, ..ours })
    }

    /// What an entry of the folder is.
    fn found(&self, folder: &Path, name: &str, record: &str, given_back: &[GivenBack]) -> Found {
        let path = folder.join(name);
        if (name != record && !self.files.contains_key(name))
            || !path.symlink_metadata().is_ok_and(|entry| entry.is_file())
        {
            return Found::Foreign;
        }
        let as_written = match self.files.get(name) {
            Some(hash) => std::fs::read(&path).is_ok_and(|bytes| sha256(&bytes) == *hash),
            None => self.sealed,
        };
        let is_kept = given_back.iter().any(|given| given.name == name && given.is_kept);
        if as_written || is_kept { Found::Written } else { Found::Edited }
    }
}

enum Found {
    Written,
    Edited,
    Foreign,
}

/// A file that is there to be edited and given back.
pub(crate) struct GivenBack {
    pub name: &'static str,
    /// Whether it was given back as it is now, so that it is in the new folder, too.
    pub is_kept: bool,
    /// How it is given back.
    pub help: &'static str,
}

/// Fails where nothing can be written at `folder`, or where what is there has no record of that
/// name, holds anything else than that says, or was changed and `edits` keep that.
///
/// # Errors
/// [`Kind::Io`](strassenc_runtime::Kind::Io), with what is in the way.
pub(crate) fn check_replaceable(
    folder: &Path,
    record: &str,
    edits: Edits,
    given_back: &[GivenBack],
) -> Result<()> {
    check_writable(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    let left_alone = |cause: String, help: &str| {
        Err(Error::io(folder, format_args!("{cause}, so it is left alone")).help(help))
    };
    let elsewhere = "name another folder, or move that away";
    if !folder.is_dir() {
        return left_alone("is a file".into(), elsewhere);
    }
    let entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(|e| files::unreadable(folder, &e))?;
    let mut names: Vec<String> =
        entries.iter().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let Some(ours) = Ours::read(&folder.join(record)) else {
        return match Artifact::of(folder) {
            _ if names.is_empty() => Ok(()),
            _ if folder.join(record).exists() => {
                left_alone(format!("holds a {record} that cannot be read"), elsewhere)
            }
            Some(found) => left_alone(format!("is {found}"), elsewhere),
            None => left_alone("was not made by strassenc".into(), elsewhere),
        };
    };
    let (mut foreign, mut edited) = (vec![], vec![]);
    for name in names {
        match ours.found(folder, &name, record, given_back) {
            Found::Written => {}
            Found::Edited => edited.push(name),
            Found::Foreign => foreign.push(name),
        }
    }
    if !foreign.is_empty() {
        return left_alone(
            format!("holds {}, which strassenc did not write", foreign.join(", ")),
            elsewhere,
        );
    }
    if !edited.is_empty() && edits == Edits::Keep {
        let cause = format!("{} changed since strassenc wrote it", edited.join(", "));
        let taken_up = |given: &&GivenBack| edited.iter().any(|name| name == given.name);
        let mut help: String = given_back.iter().filter(taken_up).map(|given| given.help).collect();
        help += "--overwrite replaces it all the same; or name another folder, or move that away";
        return left_alone(cause, &help);
    }
    Ok(())
}

/// Tries to make a folder where that folder shall be put together: in the nearest ancestor
/// that exists.
fn check_writable(folder: &Path) -> Result<()> {
    let ancestors = folder
        .ancestors()
        .skip(1)
        .map(|a| if a.as_os_str().is_empty() { Path::new(".") } else { a });
    let Some(ancestor) = ancestors.into_iter().find(|a| a.exists()) else { return Ok(()) };
    match WorkFolder::new_in(ancestor) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::io(folder, e.cause()).help("name another folder with -o")),
    }
}
