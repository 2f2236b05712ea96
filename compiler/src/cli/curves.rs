//! The command `strassenc curves`.

use super::{Overwrite, output};
use std::path::{Path, PathBuf};
use strassenc_runtime::train;
use strassenc_runtime::{Error, Result, files};

/// Draw the held-out errors of several runs, epoch by epoch, as one picture
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc curves runs/resnet20 runs/resnet20-full-precision -o both.svg")]
pub struct Args {
    /// Folders of training runs, finished or not
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The picture
    #[arg(
        short,
        long,
        value_name = "SVG",
        default_value = "curves.svg",
        value_parser = super::written(),
    )]
    output: PathBuf,
    #[command(flatten)]
    overwrite: Overwrite,
}

pub fn run(args: &Args) -> Result<()> {
    args.overwrite.check(&args.output)?;
    let name = |run: &Path| {
        run.file_name().map_or_else(|| run.display().to_string(), |n| n.to_string_lossy().into())
    };
    let runs: Vec<_> =
        args.runs.iter().map(|run| Ok((name(run), train::history(run)?))).collect::<Result<_>>()?;
    if let Some((empty, _)) = runs.iter().find(|(_, history)| history.is_empty()) {
        return Err(Error::input(empty, "has not finished an epoch yet")
            .help("wait for it, or leave it out"));
    }
    files::write(&args.output, train::compare(&runs)?.as_bytes())?;
    output::line(args.output.display())?;
    Ok(())
}
