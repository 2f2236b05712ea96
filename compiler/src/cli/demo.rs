//! `strassenc demo`.

use strassenc_runtime::{Error, Result};

/// Train, compile, simulate and report a small network on real digits
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("demo", "not written yet"))
}
