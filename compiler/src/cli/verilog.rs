//! `strassenc verilog`.

use strassenc_runtime::{Error, Result};

/// Lower, prove, schedule and emit a model as Verilog
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("verilog", "not written yet"))
}
