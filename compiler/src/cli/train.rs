//! `strassenc train`.

use strassenc_runtime::{Error, Result};

/// Train a network under a multiplication budget
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("train", "not written yet"))
}
