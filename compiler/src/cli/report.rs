//! `strassenc report`.

use strassenc_runtime::{Error, Result};

/// Multipliers, DSP, adders, registers; estimated and synthesised
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("report", "not written yet"))
}
