//! The data of a command: those that were asked for, or those that a model or a run was made with.

use super::{home, output};
use strassenc_runtime::data::text::{self, Symbols, Text};
use strassenc_runtime::data::{self, DataSet, Wanted};
use strassenc_runtime::network::{Input, Loss, Network};
use strassenc_runtime::{Error, Kind, Model, Result};

/// What `--data` takes, where it may be left away.
pub fn long_help() -> String {
    format!("The data set [default: the one the model was trained on]\n\n{}", data::grammar())
}

/// The data set that a text names, for a network; notes on how it was read go to standard error.
///
/// # Errors
/// Where it cannot be read.
pub fn load<'a>(wanted: impl Into<Wanted<'a>>, spec: &str) -> Result<DataSet> {
    let data = data::load_for(wanted, spec, &home::home()?)?;
    data.notes.iter().for_each(|note| output::note(format_args!("note: {note}")));
    Ok(data)
}

/// The samples that were asked for, or those that the model was trained on; they can enter it.
///
/// # Errors
/// Where none were asked for and the model names none, or they cannot be read or do not fit.
pub fn of_model(model: &Model, asked: Option<&str>) -> Result<DataSet> {
    let data = of_origin(asked, &Origin::of(model))?;
    data.check_fits(model)?;
    Ok(data)
}

/// The samples that were asked for, or those of an origin.
///
/// # Errors
/// As [`of_model`], but for the fit.
pub fn of_origin(asked: Option<&str>, origin: &Origin) -> Result<DataSet> {
    of(asked, origin, |spec| load(origin.wanted(), spec), data::GRAMMAR)
}

/// The text that was asked for, or that of a model, whose symbols it has.
///
/// # Errors
/// As [`of_model`].
pub fn text_of_model(model: &Model, asked: Option<&str>) -> Result<Text> {
    text_of(asked, &Origin::of(model), Symbols::of_model(model).as_ref())
}

/// The text that was asked for, or that of an origin, in these symbols.
///
/// # Errors
/// As [`text_of_model`].
pub fn text_of(asked: Option<&str>, origin: &Origin, symbols: Option<&Symbols>) -> Result<Text> {
    let mut text = of(asked, origin, |spec| text::load(spec, &home::home()?), text::GRAMMAR)?;
    if let Some(words) = symbols.and_then(|symbols| symbols.words.as_ref()) {
        text = text.of_words(words.len())?;
    }
    if symbols != Some(&text.symbols) {
        let cause = format!("has other {}s than the model was trained with", text.symbols.unit());
        return Err(Error::input(format_args!("text `{}`", text.name), cause)
            .help("name the text that it was trained on"));
    }
    Ok(text)
}

/// What a model or a run says of the data that it was made with.
pub struct Origin {
    /// The name of the data.
    pub name: Option<String>,
    /// The text that names them for `--data`.
    pub spec: Option<String>,
    /// The loss that the network was trained to.
    loss: Loss,
    /// What entered it.
    input: Option<Input>,
    /// The heads, and what each was trained to.
    heads: Vec<(String, Loss)>,
    /// The further inputs.
    further: Vec<String>,
}

impl Origin {
    fn of(model: &Model) -> Origin {
        let described = model.provenance.described();
        let further = model.inputs().into_iter().filter_map(|(name, _)| name.map(str::to_owned));
        Origin {
            further: further.collect(),
            ..Origin::new(model.provenance.data.as_deref(), described.as_ref())
        }
    }

    /// The origin of the data of this name, which the description may specify.
    pub fn new(name: Option<&str>, network: Option<&Network>) -> Origin {
        let described = network.and_then(|network| network.train.data.as_deref());
        let spec = name.and_then(|name| data::trained_on(name, described));
        let wanted = network.map_or(Loss::default().into(), Wanted::from);
        let (loss, input, heads) = (wanted.loss, wanted.input.cloned(), wanted.heads);
        let (name, further) = (name.map(str::to_owned), wanted.further);
        Origin { name, spec, loss, input, heads, further }
    }

    fn wanted(&self) -> Wanted<'_> {
        let (heads, further) = (self.heads.clone(), self.further.clone());
        Wanted { loss: self.loss, input: self.input.as_ref(), heads, further }
    }
}

fn of<T>(
    asked: Option<&str>,
    origin: &Origin,
    load: impl Fn(&str) -> Result<T>,
    grammar: &str,
) -> Result<T> {
    if let Some(asked) = asked {
        return load(asked);
    }
    let Some(spec) = &origin.spec else {
        let trained = match &origin.name {
            Some(name) => {
                format!("the model was trained on `{name}`, and does not say where that is")
            }
            None => "the model does not say what it was trained on".into(),
        };
        return Err(Error::input("--data", format_args!("is needed: {trained}")).help(grammar));
    };
    load(spec).map_err(|e| match (e.kind(), spec.contains(':')) {
        (Kind::Io, true) => e.help(format_args!(
            "the model was trained on {spec}\nif it has moved, or to use other data, name them: \
             --data SPEC"
        )),
        _ => e,
    })
}
