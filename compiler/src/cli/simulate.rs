//! `strassenc simulate`.

use strassenc_runtime::{Error, Result};

/// Run a build in Verilator, bit for bit against golden
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("simulate", "not written yet"))
}
