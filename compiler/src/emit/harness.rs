//! A harness for place and route: the core between three pins.

use super::File;
use super::signature::{Direction, Port};
use askama::Template;
use strassenc_runtime::{Error, Result};

/// The harness's module.
pub(crate) const MODULE: &str = "strassenc_harness";

/// Pins for Gowin's tools, which choose none themselves.
pub(crate) const GOWIN_PINS: &str =
    "IO_LOC \"clk\" 4;\nIO_LOC \"serial_in\" 15;\nIO_LOC \"serial_out\" 16;\n";

/// A harness around a core.
pub(crate) struct Harness {
    /// Its module.
    pub file: File,
    /// Registers around the core.
    pub flip_flops: usize,
}

#[derive(Template)]
#[template(path = "harness.v", ext = "v")]
struct Text<'a> {
    top: &'a str,
    inputs: u32,
    outputs: u32,
    ports: Vec<String>,
}

/// The harness around the module `top`.
///
/// # Errors
/// Where the template fails: a bug of ours.
pub(crate) fn around(top: &str, all: &[Port]) -> Result<Harness> {
    let (mut inputs, mut outputs) = (0, 0);
    let mut ports = vec![];
    for port in all {
        if ["aclk", "clk"].contains(&port.name.as_str()) {
            ports.push(format!(".{}(clk)", port.name));
            continue;
        }
        let (bus, low) = match port.direction {
            Direction::Input => ("in", &mut inputs),
            Direction::Output => ("out", &mut outputs),
        };
        ports.push(format!(".{}({bus}[{low} +: {}])", port.name, port.bits));
        *low += port.bits;
    }
    let text = Text { top, inputs, outputs, ports }.render();
    let text = text.map_err(|e| Error::internal("harness.v", e))?;
    // The template engine takes the last line break away.
    let file = File { path: format!("{MODULE}.v"), text: text + "\n" };
    Ok(Harness { file, flip_flops: (inputs + 2 * outputs) as usize })
}
