//! `strassenc doctor`.

use strassenc_runtime::{Error, Result};

/// What is installed, what is missing, and how to get it
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("doctor", "not written yet"))
}
