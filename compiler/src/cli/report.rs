//! `strassenc report`.

use super::{INTERRUPTED, home};
use std::path::PathBuf;
use strassenc::build::Build;
use strassenc::report::{Family, Report};
use strassenc::synth::{self, Target};
use strassenc::tools::Tools;
use strassenc_runtime::{Error, Result, files};

/// Multipliers, DSP, adders before and after sharing, registers; estimated and synthesised
///
/// Counts come from the compiled circuits, DSP blocks from the port widths of the device family. With --synth Yosys maps the
/// core to a target, out of context, and its LUTs, flip-flops, carries and DSP blocks stand beside the estimate; the result is
/// cached on the content of the Verilog.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc report build/digits
  strassenc report build/digits --device ice40             DSP blocks of another family
  strassenc report build/digits --synth xc7                minutes for a large core
  strassenc report build/digits --html report.html --json")]
pub struct Args {
    /// A folder that `strassenc verilog` wrote
    #[arg(value_name = "BUILD")]
    build: PathBuf,
    /// The device family that DSP blocks are counted for [default: that of --synth, else xc7]
    #[arg(long, value_name = "FAMILY", value_enum)]
    device: Option<Family>,
    /// Synthesise with Yosys for this target
    #[arg(long, value_name = "TARGET", value_enum)]
    synth: Option<Target>,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    let build = Build::open(&args.build)?;
    let family = args.device.or(args.synth.map(Family::from)).unwrap_or(Family::Xc7);
    let mut report = Report::new(build.record.figures.clone(), &build.signature, family);
    if let Some(target) = args.synth {
        let tools = Tools::new(home::home()?).interrupted_by(&INTERRUPTED).with_progress(true);
        report.synthesis = Some(synth::synthesise(&build.folder, &build.signature, target, &tools)?);
    }
    if let Some(path) = &args.html {
        files::write(path, report.html()?.as_bytes())?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|e| Error::internal("report", e))?);
    } else {
        println!("{}", report.text());
        if let Some(path) = &args.html {
            println!("{}", path.display());
        }
    }
    Ok(())
}
