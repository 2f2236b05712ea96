//! The front end of a network of sounds as a program in C: see [`strassenc_runtime::log_mel`].

use crate::emit::TOOL;
use askama::Template;
use strassenc_runtime::log_mel::FrontEnd;
use strassenc_runtime::{Error, Model, Result};

#[derive(Template)]
#[template(path = "log_mel.c", escape = "none")]
struct Source<'a> {
    title: String,
    tool: &'static str,
    name: &'a str,
    front: &'a FrontEnd,
    /// The type of what it yields.
    word: &'static str,
    cosines: String,
    logarithms: String,
    bins: String,
    weights: String,
}

/// The front end that makes what enters the model of recordings.
///
/// # Errors
/// Where the model's description has none.
pub fn of_model(model: &Model) -> Result<FrontEnd> {
    let network = model.provenance.described();
    network.and_then(|network| FrontEnd::of(&network.input)).ok_or_else(|| {
        let cause = "was trained on no recordings: its description has no `log_mel`";
        Error::input(format_args!("model `{}`", model.name), cause)
            .help("name a file that ends in .onnx, for the network itself")
    })
}

/// The front end of the network of this name, in C99: it defines `NAME_log_mel`.
///
/// # Errors
/// Where the template fails, which is a bug.
pub fn c_source(name: &str, front: &FrontEnd) -> Result<String> {
    let filters = &front.filters;
    let source = Source {
        title: format!("{name}_log_mel.c"),
        tool: TOOL,
        name,
        front,
        word: if front.most < 256 { "uint8_t" } else { "uint16_t" },
        cosines: rows(front.cosines.iter()),
        logarithms: rows(front.logarithms.iter()),
        bins: rows(filters.iter().map(|f| format!("{{{}, {}}}", f.first, f.weights.len()))),
        weights: rows(filters.iter().flat_map(|filter| &filter.weights)),
    };
    source.render().map_err(|e| Error::internal("log_mel.c", e))
}

/// Numbers in lines.
fn rows(of: impl Iterator<Item = impl ToString>) -> String {
    let all: Vec<String> = of.map(|v| v.to_string()).collect();
    let lines = all.chunks(8).map(|line| format!("    {}", line.join(", ")));
    lines.collect::<Vec<_>>().join(",\n")
}
