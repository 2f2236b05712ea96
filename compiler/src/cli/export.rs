//! The command `strassenc export`.

use super::{Overwrite, output, verilog};
use std::path::PathBuf;
use strassenc_runtime::{Result, files, onnx};

/// The integer network as ONNX, for any runtime that has doubles
///
/// The graph takes x, int64 [samples, elements], integers of the network's input format (an image
/// by rows, columns and channels), and yields y, int64 [samples, outputs], bit for bit what golden
/// and the hardware yield. It is made of standard operators of operator set 13.
///
/// The graph of a network with LSTMs is one step of a sequence: of each it takes the state NAME_c
/// and NAME_h, int64 [samples, units], zeros where a sequence starts, and yields NAME_c_next and
/// NAME_h_next.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc export runs/mnist -o mnist.onnx
  strassenc check runs/mnist                       compares ONNX Runtime with golden")]
pub struct Args {
    /// A model file, a run folder, or a build folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The ONNX file
    #[arg(short, long, value_name = "M.onnx", value_parser = super::written())]
    output: PathBuf,
    #[command(flatten)]
    overwrite: Overwrite,
}

pub fn run(args: &Args) -> Result<()> {
    args.overwrite.check(&args.output)?;
    let bytes = onnx::to_bytes(&verilog::load(&args.model)?)?;
    files::write(&args.output, &bytes)?;
    output::line(args.output.display())
}
