//! The command `strassenc report`.

use super::choices::Choices;
use super::{Overwrite, home, output};
use serde::Serialize;
use std::path::{Path, PathBuf};
use strassenc::accounting::{Rules, accounting};
use strassenc::build::Build;
use strassenc::report::{Document, Family, Report};
use strassenc::synth::{self, Target};
use strassenc_runtime::{Error, Result, files, network};

/// Multipliers, DSP, adders before and after sharing, registers; estimated and synthesised
///
/// The report on a network description says what it costs before any training: multiplications,
/// additions, parameters, bits.
///
/// The counts of a build come from the compiled circuits, DSP blocks from the port widths of the
/// device family. With --synth Yosys maps the core to a target, out of context, and its LUTs,
/// flip-flops, carries and DSP blocks stand beside the estimate; the result is cached on the
/// content of the Verilog.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc report build/digits
  strassenc report build/digits --device ice40             DSP blocks of another family
  strassenc report build/digits --synth xc7                minutes for a large core
  strassenc report build/digits --html report.html --json
  strassenc report net.toml                                a description, or the name of a ready one
  strassenc report resnet20 --ratio 2 --p 2                with other budgets
  strassenc report st-resnet18 --accounting paper          counted as StrassenNets counts")]
pub struct Args {
    /// A folder that `strassenc verilog` wrote; or a network description, a .toml file or the name
    /// of a ready one
    #[arg(value_name = "BUILD|NET")]
    what: String,
    /// Whose rules count a description
    #[arg(long, value_name = "RULES", value_enum)]
    accounting: Option<Rules>,
    #[command(flatten)]
    choices: Choices,
    /// The device family that DSP blocks and LUTs are counted for [default: that of --synth, else
    /// xc7]
    #[arg(long, value_name = "FAMILY", value_enum)]
    device: Option<Family>,
    /// Synthesise with Yosys for this target
    #[arg(long, value_name = "TARGET", value_enum)]
    synth: Option<Target>,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    let what = Path::new(&args.what);
    let ready = network::ready().iter().any(|(name, _)| *name == args.what);
    // A word that is nothing yet is rather a slip of a name than a folder.
    let is_word = !what.exists() && what.components().count() == 1;
    if !what.is_dir()
        && (what.is_file() || is_word || ready || what.extension().is_some_and(|e| e == "toml"))
    {
        return describe(&args);
    }
    let only = args.accounting.map(|_| "--accounting").or(args.choices.given());
    if let Some(option) = only {
        return Err(Error::input(
            option,
            format_args!("is about network descriptions, and {} is none", args.what),
        )
        .help("give a .toml file or the name of a ready description"));
    }
    if let Some(path) = &args.html {
        args.overwrite.check(path)?;
    }
    let build = Build::open(what)?;
    let family = args.device.or(args.synth.map(Family::from)).unwrap_or(Family::Xc7);
    let mut report = Report::new(&build.record, &build.signature, family);
    if let Some(target) = args.synth {
        let tools = home::tools()?;
        report.synthesis =
            Some(synth::synthesise(&build.folder, &build.signature, target, &tools)?);
    }
    show(&args, &report, &report.document()?)
}

/// The page, if it is asked for, and then the JSON or the text.
fn show(args: &Args, report: &impl Serialize, document: &Document) -> Result<()> {
    if let Some(path) = &args.html {
        files::write(path, document.html()?.as_bytes())?;
    }
    if args.json {
        output::json(report)?;
    } else {
        output::line(document.text(output::width()))?;
        if let Some(path) = &args.html {
            output::line(path.display())?;
        }
    }
    Ok(())
}

fn describe(args: &Args) -> Result<()> {
    let builds = [(args.device.is_some(), "--device"), (args.synth.is_some(), "--synth")];
    if let Some((_, option)) = builds.into_iter().find(|(given, _)| *given) {
        return Err(Error::input(
            option,
            format_args!("is about builds, and {} is a network description", args.what),
        )
        .help("train it, then give the folder that `strassenc verilog` writes"));
    }
    let mut network = network::find(&args.what)?;
    args.choices.apply(&mut network)?;
    let accounting = accounting(&network, args.accounting.unwrap_or_default())?;
    show(args, &accounting, &accounting.document()?)
}
