//! The command `strassenc reload`.

use super::{Overwrite, output, verilog};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use strassenc::build::Build;
use strassenc::emit::control;
use strassenc::reload;
use strassenc_runtime::{Error, Model, Result, files};

/// Write the table that makes a core another model
///
/// The core is one whose parameters are loaded at run time (`strassenc verilog --reloadable`). The
/// model has the same ternary matrices and formats, and coefficients, biases and shifts of outputs
/// that the registers of the core hold: `strassenc train --frozen-from BUILD` makes such a model,
/// and its table with it. `signature.json` in the build says where the table is on
/// AXI4-Lite, and what each of its bits is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc verilog runs/digits -o core --reloadable
  strassenc train --frozen-from core --data csv:new.csv -o tuned    writes tuned/table.bin, too
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
    #[arg(short, long, value_name = "TABLE", value_parser = super::written())]
    output: PathBuf,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A table that was written.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    table: &'a Path,
    words: usize,
    bits: usize,
    parameters: usize,
    offset: u32,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { table, words, bits, parameters, .. } = self;
        write!(f, "{}: {parameters} parameters, {bits} bits in {words} words", table.display())
    }
}

pub fn run(args: &Args) -> Result<()> {
    args.overwrite.check(&args.output)?;
    let build = Build::open(&args.build)?;
    outside(&build, &args.output)?;
    reload::layout(&build)?;
    let report = write(&build, &verilog::load(&args.model)?, &args.output)?;
    if args.json { output::json(&report) } else { output::line(report) }
}

/// Checks that an output does not lie within a build, whose files are as they were written.
///
/// # Errors
/// Where it does.
pub(super) fn outside(build: &Build, output: &Path) -> Result<()> {
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let place = |folder: &Path| folder.canonicalize().ok();
    if let (Some(folder), Some(build)) = (place(folder), place(&build.folder))
        && folder.starts_with(build)
    {
        return Err(Error::input(output.display(), "lies within the build, which stays as it is")
            .help("name a place outside of it"));
    }
    Ok(())
}

/// Writes the table of a model.
///
/// # Errors
/// As [`reload::words`], and where the file cannot be written.
pub(super) fn write<'a>(build: &Build, model: &Model, table: &'a Path) -> Result<Report<'a>> {
    let layout = reload::layout(build)?;
    let words = reload::words(build, model)?;
    let bytes = match table.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("mem") => {
            control::memory(&words).into_bytes()
        }
        _ => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    };
    files::write(table, &bytes)?;
    let (words, bits, parameters) = (layout.words, layout.bits, layout.parameters.len());
    Ok(Report { table, words, bits, parameters, offset: layout.offset })
}
