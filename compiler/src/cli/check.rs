//! `strassenc check`.

use strassenc_runtime::{Error, Result};

/// The golden-model tests on this very model
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("check", "not written yet"))
}
