//! `strassenc eval`.

use strassenc_runtime::{Error, Result};

/// Accuracy of golden and float, side by side
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("eval", "not written yet"))
}
