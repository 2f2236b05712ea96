//! The command `strassenc export`.

use super::{Overwrite, output, verilog};
use crate::front_end;
use std::path::PathBuf;
use strassenc_runtime::{Result, files, onnx};

/// The integer network as ONNX, for any runtime that has doubles; its front end in C
///
/// The graph takes x, int64 [samples, elements], integers of the network's input format (an image
/// by rows, columns and channels), and yields y, int64 [samples, outputs], bit for bit what golden
/// and the hardware yield. It is made of standard operators of operator set 13.
///
/// The graph of a network of texts, or of a build of --steps, is one step of a sequence: of each
/// recurrent layer it takes the state NAME_c and NAME_h, int64 [samples, units], zeros where a
/// sequence starts, and yields NAME_c_next and NAME_h_next.
///
/// Of a network of sounds, a file that ends in .c gets its front end in C99, which makes what
/// enters the network of the samples of a recording, bit for bit as in training.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc export runs/mnist -o mnist.onnx
  strassenc export runs/spoken-digits -o log_mel.c
  strassenc check runs/mnist                       compares ONNX Runtime with golden")]
pub struct Args {
    /// A model file, a run folder, or a build folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The ONNX file, or the file in C
    #[arg(short, long, value_name = "M.onnx or M.c", value_parser = super::written())]
    output: PathBuf,
    #[command(flatten)]
    overwrite: Overwrite,
}

pub fn run(args: &Args) -> Result<()> {
    args.overwrite.check(&args.output)?;
    let model = verilog::load(&args.model)?;
    let bytes = match args.output.extension() {
        Some(extension) if extension == "c" => {
            front_end::c_source(&model.name, &front_end::of_model(&model)?)?.into_bytes()
        }
        _ => onnx::to_bytes(&model)?,
    };
    files::write(&args.output, &bytes)?;
    output::line(args.output.display())
}
