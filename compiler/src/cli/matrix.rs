//! `strassenc matrix`.

use strassenc_runtime::{Error, Result};

/// One constant matrix as a shared adder graph
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::internal("matrix", "not written yet"))
}
