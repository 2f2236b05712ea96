//! The command `strassenc report`.

use super::choices::Choices;
use super::{Overwrite, home, output};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::path::{Path, PathBuf};
use strassenc::accounting::{Rules, accounting};
use strassenc::build::Build;
use strassenc::device::{DEVICES, Device};
use strassenc::engine::CLOCK;
use strassenc::kernel;
use strassenc::report::{self, Checked, Document, KernelReport, Picture, Report, Simulated};
use strassenc::synth;
use strassenc_runtime::error::closest;
use strassenc_runtime::{Error, Kind, Result, files, network};

/// Multipliers, DSP, adders before and after sharing, registers; estimated and synthesised
///
/// The report on a network description says what it costs before any training: multiplications,
/// additions, parameters, bits.
///
/// The counts of a build come from the compiled circuits, DSP blocks from the port widths of the
/// device family. Of a part, such as xc7a35t, the report says how much of each the core takes and
/// whether it fits. With --synth Yosys maps the core to a device, out of context, and its LUTs,
/// flip-flops, carries and DSP blocks stand beside the estimate, in total and by layer. With --pnr
/// nextpnr places and routes it on a part: the clock it reaches, and the slowest path in the names
/// of the Verilog. Both results are cached on the content of the Verilog.
///
/// The page holds everything: it has neither scripts nor anything from elsewhere, follows the
/// reader's light or dark, and can be printed. With --run it shows how the network was trained, and
/// with --simulated and --checked what those commands found.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc report build/digits
  strassenc report build/digits --device ice40             DSP blocks of another family
  strassenc report build/digits --device xc7a35t           whether it fits that part
  strassenc report build/digits --synth xc7                minutes for a large core
  strassenc report build/digits --pnr ecp5-85k             more minutes
  strassenc report build/digits --html report.html --json
  strassenc report build/digits --html report.html --run runs/digits
  strassenc report build/digits --graph core.svg           the core as a picture
  strassenc report resnet20 --svg resnet20.svg             the network as a picture
  strassenc report kernel --synth xc7                      a kernel of `strassenc matrix -o`
  strassenc report net.toml                                a description, or the name of a ready one
  strassenc report resnet20 --ratio 2 --p 2                with other budgets
  strassenc report st-resnet18 --accounting paper          counted as StrassenNets counts")]
pub struct Args {
    /// A folder that `strassenc verilog` or `matrix -o` wrote; or a network description, a .toml
    /// file or the name of a ready one
    #[arg(value_name = "BUILD|NET")]
    what: String,
    /// Whose rules count a description
    #[arg(long, value_name = "RULES", value_enum)]
    accounting: Option<Rules>,
    #[command(flatten)]
    choices: Choices,
    /// The part or family that DSP blocks and LUTs are counted for [default: that of --synth or
    /// --pnr, that of the build, else xc7]
    #[arg(long, value_name = "DEVICE", value_enum)]
    device: Option<Device>,
    /// Synthesise with Yosys for this part or family
    #[arg(long, value_name = "DEVICE", value_enum, hide_possible_values = true)]
    synth: Option<Device>,
    /// Place and route with nextpnr on this part, for the clock of the build
    #[arg(long, value_name = "PART", value_enum, hide_possible_values = true)]
    pnr: Option<Device>,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE", value_parser = super::written())]
    html: Option<PathBuf>,
    /// Write a picture of the network: its layers, shapes and multiplications
    #[arg(long, value_name = "FILE", value_parser = super::written())]
    svg: Option<PathBuf>,
    /// Write a picture of the core: its layers, FIFOs and streams, with their widths and rates
    #[arg(long, value_name = "FILE", value_parser = super::written())]
    graph: Option<PathBuf>,
    /// The run that the build's model came from, for the curves of its training
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// What `strassenc simulate BUILD --json` printed
    #[arg(long, value_name = "FILE")]
    simulated: Option<PathBuf>,
    /// What `strassenc check BUILD --json` printed
    #[arg(long, value_name = "FILE")]
    checked: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    args.overwrite.check_all(&[
        ("--html", args.html.as_deref()),
        ("--svg", args.svg.as_deref()),
        ("--graph", args.graph.as_deref()),
    ])?;
    let what = Path::new(&args.what);
    let ready = network::ready().iter().any(|(name, _)| *name == args.what);
    if !what.exists() && !ready {
        return Err(nothing_there(&args.what));
    }
    if !what.is_dir() {
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
    if kernel::is_kernel(what) {
        return of_kernel(&args, what);
    }
    let build = Build::open(what)?;
    let built_for = build.record.options.device;
    let device = args.device.or(args.synth).or(args.pnr).or(built_for).unwrap_or(DEVICES[0]);
    for (option, other) in [("--synth", args.synth), ("--pnr", args.pnr)] {
        if let Some(other) = other.filter(|other| other.family != device.family) {
            let cause =
                format_args!("is of another family than {}, which is counted for", device.name);
            return Err(Error::input(format_args!("{option} {}", other.name), cause)
                .help("give devices of one family, or one report for each"));
        }
    }
    let read = |path: &Path| report::epochs(path, &build.record);
    let epochs = args.run.as_deref().map(read).transpose()?.unwrap_or_default();
    let mut report = Report::new(&build.record, &build.signature, device)
        .with_provenance(&build.model.provenance, epochs);
    if let Some(path) = &args.simulated {
        report = report.with_simulation(Simulated::read(path, &build.record)?);
    }
    if let Some(path) = &args.checked {
        report.checked = Some(Checked::read(path, &build.record)?);
    }
    let (folder, signature) = (&build.folder, &build.signature);
    if let Some(device) = args.synth {
        let synthesis = synth::synthesise(folder, signature, device, &home::tools()?)?;
        report = report.with_synthesis(synthesis);
    }
    if let Some(device) = args.pnr {
        let mhz = report.clock_mhz;
        report.placement = Some(synth::place(folder, signature, device, mhz, &home::tools()?)?);
    }
    let drawn = |path: Option<&Path>, picture: fn(&Report) -> Result<Option<Picture>>| {
        let Some(path) = path else { return Ok(()) };
        let Some(picture) = picture(&report)? else {
            let cause = "was written before streams were recorded";
            return Err(Error::input(what.display(), cause).help("build it again"));
        };
        files::write(path, picture.file()?.as_bytes())
    };
    drawn(args.svg.as_deref(), Report::picture)?;
    drawn(args.graph.as_deref(), Report::core)?;
    let mut document = report.document()?;
    document.folder = args.html.as_ref().and_then(|page| seen_from(page, &build.folder));
    show(&args, &report, &document)
}

/// That what is asked about is not there.
fn nothing_there(what: &str) -> Error {
    let ready = network::ready().iter().map(|(name, _)| *name);
    let (near, help) = (closest(what, ready.clone()), "name a folder of `strassenc verilog` or ");
    let ready = ready.collect::<Vec<_>>().join(", ");
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{help}`matrix -o`, a .toml file, or a ready description: {ready}"),
    };
    // A word alone is rather a slip of a name than a file.
    let is_path = what.contains('/') || what.ends_with(".toml");
    let kind = if is_path { Kind::Io } else { Kind::Input };
    let cause = "there is neither a build nor a network description of this name";
    Error::new(kind, what, cause).help(help)
}

/// What an address has to spell in another way.
const OF_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a folder is, seen from a page.
fn seen_from(page: &Path, folder: &Path) -> Option<String> {
    let page = std::path::absolute(page).ok()?;
    let page = page.parent()?.canonicalize().ok()?;
    let folder = folder.canonicalize().ok()?;
    let same = page.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = page.components().skip(same).map(|_| "..".into());
    let down = folder.components().skip(same);
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    let down = down.map(|part| utf8_percent_encode(&part, OF_PATHS).to_string());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

fn of_kernel(args: &Args, folder: &Path) -> Result<()> {
    if let Some(option) = args.of_builds() {
        let cause = format_args!("is about builds, and {} is a kernel", folder.display());
        return Err(Error::input(option, cause).help("leave it out"));
    }
    if args.svg.is_some() {
        let cause = format_args!("is about networks, and {} is a kernel", folder.display());
        return Err(Error::input("--svg", cause).help("leave it out"));
    }
    if args.device.is_some() {
        let cause = format_args!("is about builds, and {} is a kernel", folder.display());
        return Err(Error::input("--device", cause).help("`strassenc matrix` takes it"));
    }
    let record = kernel::open(folder)?;
    let tools = home::tools()?;
    let synthesis =
        args.synth.map(|device| synth::synthesise(folder, &record, device, &tools)).transpose()?;
    let mhz = record.clock_mhz.unwrap_or(CLOCK);
    let place = |device| synth::place(folder, &record, device, mhz, &tools);
    let placement = args.pnr.map(place).transpose()?;
    let report = KernelReport { record, synthesis, placement };
    show(args, &report, &report.document()?)
}

/// The page, if it is asked for, and then the JSON or the text.
fn show(args: &Args, report: &impl Serialize, document: &Document) -> Result<()> {
    if let Some(path) = &args.html {
        files::write(path, document.html()?.as_bytes())?;
    }
    if args.json {
        output::json(report)?;
    } else {
        output::painted(document.painted(output::width()))?;
        for path in [&args.html, &args.svg, &args.graph].into_iter().flatten() {
            output::line(path.display())?;
        }
    }
    Ok(())
}

impl Args {
    /// An option that was given and that only a build of a network answers.
    fn of_builds(&self) -> Option<&'static str> {
        let builds = [
            (self.graph.is_some(), "--graph"),
            (self.run.is_some(), "--run"),
            (self.simulated.is_some(), "--simulated"),
            (self.checked.is_some(), "--checked"),
        ];
        builds.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }
}

fn describe(args: &Args) -> Result<()> {
    let hardware = [
        (args.device.is_some(), "--device"),
        (args.synth.is_some(), "--synth"),
        (args.pnr.is_some(), "--pnr"),
    ];
    let hardware = hardware.into_iter().find(|(given, _)| *given).map(|(_, option)| option);
    if let Some(option) = hardware.or(args.of_builds()) {
        return Err(Error::input(
            option,
            format_args!("is about builds, and {} is a network description", args.what),
        )
        .help("train it, then give the folder that `strassenc verilog` writes"));
    }
    let mut network = network::find(&args.what)?;
    args.choices.apply(&mut network)?;
    let accounting = accounting(&network, args.accounting.unwrap_or_default())?;
    if let Some(path) = &args.svg {
        files::write(path, accounting.picture()?.file()?.as_bytes())?;
    }
    show(args, &accounting, &accounting.document()?)
}
