//! The command `strassenc reload`.

use super::{Overwrite, output, verilog};
use serde::Serialize;
use std::path::{Path, PathBuf};
use strassenc::build::Build;
use strassenc::emit::control;
use strassenc::reload;
use strassenc_runtime::{Result, files};

/// Write the table that makes a core another model
///
/// The core is one whose parameters are loaded at run time (`strassenc verilog --reloadable`). The
/// model has the same ternary matrices, formats and shifts of outputs, as another third phase of
/// its training yields (`strassenc train --from RUN --epochs 0,0,N`), and coefficients and biases
/// that the registers of the core hold. `signature.json` in the build says where the table is on
/// AXI4-Lite, and what each of its bits is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc verilog runs/digits -o core --reloadable
  strassenc train digits --from runs/digits --epochs 0,0,4 --seed 2 -o tuned
  strassenc reload core tuned -o tuned.bin     words of 32 bits, the low byte first
  strassenc reload core tuned -o tuned.mem     a word in hexadecimal digits a line, for $readmemh")]
pub struct Args {
    /// A build folder
    #[arg(value_name = "BUILD")]
    build: PathBuf,
    /// A model file, a run folder, or a build folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The table; text where its name ends with .mem
    #[arg(short, long, value_name = "TABLE")]
    output: PathBuf,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    table: &'a Path,
    words: usize,
    bits: usize,
    parameters: usize,
    offset: u32,
}

pub fn run(args: &Args) -> Result<()> {
    args.overwrite.check(&args.output)?;
    let build = Build::open(&args.build)?;
    let words = reload::words(&build, &verilog::load(&args.model)?)?;
    let bytes = match args.output.extension() {
        Some(extension) if extension == "mem" => control::memory(&words).into_bytes(),
        _ => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    };
    files::write(&args.output, &bytes)?;
    let layout = reload::layout(&build)?;
    let (words, bits, parameters) = (layout.words, layout.bits, layout.parameters.len());
    if args.json {
        let table = &args.output;
        return output::json(&Report { table, words, bits, parameters, offset: layout.offset });
    }
    output::line(format_args!(
        "{}: {parameters} parameters, {bits} bits in {words} words",
        args.output.display()
    ))
}
