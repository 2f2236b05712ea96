//! The command `strassenc verilog`.

use super::projects::Projects;
use super::{INTERRUPTED, at_once, consent, numbers, output, parsed};
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::adder_graph::CostModel;
use strassenc::build::MARGIN;
use strassenc::build::{self, Build, Edits, MOST_EFFORT, Options, Record};
use strassenc::compile::{self, Compiled, Level, Pass};
use strassenc::decide::Asked;
use strassenc::device::{DEVICES, Device, Part};
use strassenc::emit::signature::Frames;
use strassenc::engine::{Allowed, CLOCK, Engines, Target};
use strassenc::multipliers::Multipliers;
use strassenc::progress::{self, style};
use strassenc::project;
use strassenc::report;
use strassenc::schedule::{ADDERS_PER_STAGE, MULTIPLIER_LATENCY};
use strassenc::serial::INTERVAL;
use strassenc_runtime::artifact::{Artifact, read_as};
use strassenc_runtime::train::CHECKPOINT;
use strassenc_runtime::{Error, Model, Result, model_file, network};

/// Lower, prove, schedule and emit a model as Verilog
///
/// Every matrix becomes a graph of shared additions, which is proved equal to it; every live row of
/// a layer one multiplier. The same model and options give the same bytes on any number of threads,
/// unless a time limit ends the search.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc verilog runs/digits                          the run's model, into build/digits
  strassenc verilog model.safetensors -o core            into the folder core
  strassenc verilog runs/mnist --adders-per-stage 2      fewer registers and clocks, longer paths
  strassenc verilog runs/mnist --device hx8k --clock 120 as few registers as that clock allows
  strassenc verilog runs/mnist --effort 3 --time-limit 60
  strassenc verilog runs/mnist --beat-elements 8 --aclken
  strassenc verilog runs/mnist --input-bits 64 --output-bits 32 --frames count
  strassenc verilog runs/sensor --steps                  an answer at every step of a signal
  strassenc verilog runs/mnist --decide argmax           the class in the place of its scores
  strassenc verilog runs/mnist --multipliers shift-add   no hardware multiplier
  strassenc verilog runs/mnist --multipliers auto --dsp-budget 48
  strassenc verilog runs/mnist --ii 16                   a vector every 16 clocks, for fewer LUTs
  strassenc verilog runs/cnn --target-fps 20000 --clock 200
  strassenc verilog runs/cnn --lut-budget 40000 --bram-budget 60
  strassenc verilog runs/cnn --device xc7a100t --max-fps what that part can do at most
  strassenc verilog runs/cnn --engines engines.toml      the engines of an earlier build, edited
  strassenc verilog runs/digits --project vivado,fusesoc project files for these tools alone
  strassenc verilog runs/digits --dump pipelines         the stage of every node, as text; no build
  strassenc verilog runs/cnn --dump dataflow --stop-after lower    the network before prune
  strassenc verilog runs/digits --stop-after share       how many adders the matrices take; no build

The folder holds the Verilog (files.f lists it), signature.json (ports, beats, latency), a testbench
with golden's answers for any simulator, project files for tools that take the core in (--project),
and build.json. `strassenc simulate`, `report` and `check`
take it from there.")]
pub struct Args {
    /// A model file, or a run folder of `strassenc train`
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The build folder [default: build/NAME]
    #[arg(short, long, value_name = "BUILD", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    /// Of a model of signals, a core of one step: a frame is [channels], the core answers each, and
    /// the state of its recurrent layers stays in it, until tuser begins another signal
    #[arg(long)]
    steps: bool,
    #[command(flatten)]
    options: BuildArgs,
    /// Compile however long it takes, and however much memory
    #[arg(long)]
    anyway: bool,
    /// Replace a build also where its files were changed since; what else is in its folder still
    /// keeps it
    #[arg(long)]
    overwrite: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Print this level as text, as the last pass that changes it leaves it, and write nothing
    #[arg(
        long,
        value_enum,
        value_name = "LEVEL",
        conflicts_with_all = ["json", "output", "overwrite"],
    )]
    dump: Option<Level>,
    /// Run the passes up to this one, with their checks; say what it found, and write nothing.
    /// With --dump: print the level as it is after this pass
    #[arg(long, value_enum, value_name = "PASS", conflicts_with_all = ["output", "overwrite"])]
    stop_after: Option<Pass>,
}

/// What decides a build.
#[derive(clap::Args)]
pub(super) struct BuildArgs {
    /// Additions on a path between two registers, in place of a clock [default: 1]
    #[arg(long, value_name = "N", value_parser = numbers::whole(ADDERS_PER_STAGE))]
    adders_per_stage: Option<u32>,
    /// The device that the core is for
    #[arg(long, value_enum, value_name = "NAME")]
    device: Option<Device>,
    /// Clocks from a multiplier's operand to its rounded product, 1 to 4
    #[arg(long, value_name = "L", default_value_t = Options::default().multiplier_latency,
        value_parser = numbers::whole(MULTIPLIER_LATENCY))]
    multiplier_latency: u32,
    /// Elements of a beat on both streams [default: the whole vector, or equal beats of at most 512
    /// bytes]
    #[arg(long, value_name = "N", value_parser = numbers::count(1..=1 << 24))]
    beat_elements: Option<usize>,
    /// Width of tdata of every input, as of a DMA engine: 32, 64, 128, …; as many elements as fit,
    /// each in 1, 2, 4 or 8 bytes, and tkeep where the last beat of a frame is not full
    #[arg(long, value_name = "BITS")]
    input_bits: Option<usize>,
    /// Width of tdata of every output, likewise
    #[arg(long, value_name = "BITS")]
    output_bits: Option<usize>,
    /// What ends an input frame: s_axis_tlast, or the number of its beats, for sources without
    /// tlast
    #[arg(long, value_enum, default_value_t = Frames::default())]
    frames: Frames,
    /// How hard to search for common sums, 0 to 3
    #[arg(long, value_name = "E", default_value_t = Options::default().effort,
        value_parser = numbers::effort())]
    effort: u8,
    /// Largest depth of a matrix in additions; one that takes more at least gets its least
    #[arg(long, value_name = "D", conflicts_with = "extra_depth", value_parser = numbers::depth())]
    max_depth: Option<u32>,
    /// Largest depth of a matrix, in additions above the least possible
    #[arg(long, value_name = "K", value_parser = numbers::depth())]
    extra_depth: Option<u32>,
    /// Operands of an adder: 3 where the device adds three in one carry chain (AMD's 7-series and
    /// UltraScale+, Intel up to Arria 10 and Cyclone V), 2 elsewhere [default: as the device adds]
    #[arg(long, value_name = "N", value_parser = numbers::operands())]
    adder_operands: Option<u8>,
    /// What the search makes small: the number of additions, or their bits, each addition as wide
    /// as its result
    #[arg(long, value_enum, default_value_t = Options::default().cost)]
    cost: CostModel,
    /// Seconds after which the search ends with what it has; a matrix gets its part of them
    /// [default: 60 at effort 3, else none]
    #[arg(long, value_name = "SECONDS", value_parser = numbers::seconds)]
    time_limit: Option<f64>,
    /// Seed of the search
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Add a clock enable, aclken
    #[arg(long)]
    aclken: bool,
    /// Add an AXI4-Lite slave, s_axi_control: status, counts of frames, clear of an error, version
    /// and hash of the model; NAME_control.md and NAME_control.h in the build have its registers
    #[arg(long)]
    control: bool,
    /// Load the coefficients, biases and shifts of outputs of all layers at run time, through
    /// --control, between two frames. In a new model, coefficients and biases may be larger, and
    /// coefficients finer, by so many powers of two, and outputs shifted by so many bits less or
    /// more; with 0, shifts stay what they are, and cost nothing. Neither layers of sequences nor
    /// serial ones; `strassenc reload` writes the table of a model
    #[arg(long, value_name = "POWERS", num_args = 0..=1, require_equals = true,
        default_missing_value = "1", value_parser = numbers::whole(MARGIN))]
    reloadable: Option<u32>,
    /// Tell, in the place of the scores of the last layer, what follows from them: argmax, the
    /// index of the largest score; top=K, those of the K largest; threshold=T, of each score
    /// whether it is greater than T, or threshold, than 0, which is a sigmoid of a half. Of images
    /// that is told pixel by pixel. HEAD=argmax and so on: of a head; may be given for each output
    #[arg(long, value_name = "[HEAD=]RULE")]
    decide: Vec<Asked>,
    /// What multiplies: hardware multipliers, shifts and additions, or, with auto, shifts and
    /// additions where they are cheapest: beyond --dsp-budget, or without one where a coefficient
    /// takes at most one addition. The multipliers of a folded layer are all of one kind, as its
    /// richest coefficient has it. A part without DSP blocks takes none [default: dsp; auto for
    /// such a part, and for a --device with a --clock, which hardware multipliers may be too slow
    /// for; dsp with --reloadable]
    #[arg(long, value_enum)]
    multipliers: Option<Multipliers>,
    /// Most hardware multipliers of the network
    #[arg(long, value_name = "N")]
    dsp_budget: Option<usize>,
    #[command(flatten)]
    project: Projects,
    #[command(flatten)]
    engines: EngineArgs,
}

/// What decides the engines
#[derive(clap::Args)]
#[command(next_help_heading = "Engines")]
pub(super) struct EngineArgs {
    /// Frames a second; every layer gets the cheapest engine that keeps up [default: one input
    /// pixel a clock, or as near to it as the layers come]
    #[arg(long, value_name = "F")]
    target_fps: Option<f64>,
    /// Clock that frames a second are counted by; with --device, the one that unrolled layers are
    /// pipelined for, with as few registers as it lets them [default: 200]
    #[arg(long, value_name = "MHZ")]
    clock: Option<f64>,
    /// The quickest core for the part that --device names: as --lut-budget with 80 % of its LUTs,
    /// which leaves room to route, and all its block RAMs and DSP blocks
    #[arg(long, requires = "device",
        conflicts_with_all = ["target_fps", "lut_budget", "bram_budget", "ii"])]
    max_fps: bool,
    /// Most LUTs, estimated: the quickest core that fits
    #[arg(long, value_name = "N")]
    lut_budget: Option<u64>,
    /// Most block RAMs of 36 Kbit, estimated
    #[arg(long, value_name = "N")]
    bram_budget: Option<u64>,
    /// Which engine linear layers may have
    #[arg(long, value_enum, default_value_t = Allowed::Auto)]
    engine: Allowed,
    /// Clocks for each pixel of the input, 1 to 64, which for vectors are those from one to the
    /// next; every layer gets the cheapest engine that keeps up
    #[arg(long, value_name = "N", value_parser = numbers::whole(INTERVAL),
        conflicts_with_all = ["target_fps", "lut_budget", "bram_budget"])]
    ii: Option<u32>,
    /// Engines and FIFOs of an earlier build, edited; what it leaves out is chosen
    #[arg(long, value_name = "FILE")]
    engines: Option<PathBuf>,
}

impl BuildArgs {
    /// The options.
    ///
    /// # Errors
    /// Where one is out of range, or `--engines` cannot be read.
    fn options(self) -> Result<Options> {
        let engines = match &self.engines.engines {
            Some(file) => Engines::load(file)?,
            None => Engines::default(),
        };
        self.project.validate()?;
        if self.engines.max_fps
            && let Some(device) = self.device.filter(|device| device.part.is_none())
        {
            let parts = DEVICES.iter().filter(|d| d.family == device.family && d.part.is_some());
            let names: Vec<&str> = parts.map(|device| device.name).collect();
            let cause = format_args!("asks what a part can do, and {} is a family", device.name);
            let help = match names.is_empty() {
                true => "give --lut-budget, --bram-budget and --dsp-budget instead".into(),
                false => format!("name a part of it with --device: {}", names.join(", ")),
            };
            return Err(Error::input("--max-fps", cause).help(help));
        }
        let options = Options { engines, ..self.into() };
        options.validate()?;
        Ok(options)
    }
}

/// Per cent of a part's LUTs that a core may take and still be routed with ease.
const ROUTED: u64 = 80;

impl From<BuildArgs> for Options {
    fn from(args: BuildArgs) -> Self {
        let BuildArgs {
            adders_per_stage,
            device,
            multiplier_latency,
            beat_elements,
            input_bits,
            output_bits,
            frames,
            effort,
            max_depth,
            extra_depth,
            adder_operands,
            cost,
            time_limit,
            seed,
            aclken,
            control,
            reloadable,
            decide,
            multipliers,
            dsp_budget,
            project,
            engines,
        } = args;
        let scheduled_for =
            device.filter(|_| adders_per_stage.is_none() && engines.clock.is_some());
        // Where hardware multipliers may be too slow, or there are none.
        let may_lack = reloadable.is_none()
            && (scheduled_for.is_some() || device.is_some_and(|d| !d.multiplies()));
        let multipliers =
            multipliers.unwrap_or(if may_lack { Multipliers::Auto } else { Multipliers::Dsp });
        let adders_of = device.unwrap_or(DEVICES[0]);
        let part = device.and_then(|device| device.part).filter(|_| engines.max_fps);
        let dsp_budget = dsp_budget.or(part.map(|part| part.dsp_blocks as usize));
        let memory = |part: Part| part.memories * u64::from(adders_of.family.memory_kbit()) / 36;
        let target = Target {
            fps: engines.target_fps,
            ii: engines.ii,
            clock: engines.clock.filter(|clock| scheduled_for.is_some() || *clock != CLOCK),
            lut: engines.lut_budget.or(part.map(|part| part.luts * ROUTED / 100)),
            bram: engines.bram_budget.or(part.map(memory)),
            dsp: dsp_budget.filter(|_| multipliers == Multipliers::Dsp).map(|n| n as u64),
            engine: engines.engine,
        };
        let default = Options::default();
        Options {
            adders_per_stage: adders_per_stage.unwrap_or(default.adders_per_stage),
            device,
            scheduled_for,
            multiplier_latency,
            beat_elements,
            input_bits,
            output_bits,
            frames,
            effort,
            max_depth,
            extra_depth,
            adder_operands: adder_operands.unwrap_or(adders_of.family.adder_operands()),
            cost,
            time_limit: time_limit.or((effort == MOST_EFFORT).then_some(60.0)),
            seed,
            aclken,
            control,
            reloadable,
            decide,
            multipliers,
            dsp_budget,
            target,
            engines: Engines::default(),
            projects: project.kinds(),
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    build: &'a Path,
    seconds: f64,
    #[serde(flatten)]
    record: &'a Record,
}

pub fn run(args: Args) -> Result<()> {
    let model = load(&args.model)?;
    let model = if args.steps { model.steps()? } else { model };
    let device = args.options.device;
    let options = args.options.options()?;
    let yields = |level: Level| level.passes().next_back();
    if let Some(last) = args.stop_after.or_else(|| args.dump.and_then(yields)) {
        return stop_after(last, args.dump, args.json, &model, &options, args.anyway);
    }
    let folder = args.output.unwrap_or_else(|| Path::new("build").join(&model.name));
    consent::ask(&model, &options, args.anyway)?;
    let began = Instant::now();
    let edits = if args.overwrite { Edits::Overwrite } else { Edits::Keep };
    let record = write(&model, &options, &folder, edits)?;
    let seconds = began.elapsed().as_secs_f64();
    let signature = Build::open(&folder)?.signature;
    let asked = options.target.asked(model.input().0);
    if let Some(asked) = asked.filter(|asked| *asked < u64::from(signature.ii)) {
        output::note(format_args!(
            "warning: an inference takes {} clocks, and {asked} were asked for; the table of \
             layers says which takes the most",
            signature.ii
        ));
    }
    if args.json {
        let report = Report { build: &folder, seconds, record: &record };
        output::json(&report)?;
    } else {
        let device = device.unwrap_or(DEVICES[0]);
        let report = report::Report::new(&record, &signature, device);
        output::painted(format_args!("{}\n", report.document()?.painted(output::width())))?;
        output::line(format_args!("{} in {seconds:.1} s", folder.display()))?;
        for command in project::benches(&signature, options.project(), &folder) {
            output::line(format_args!("to run a bench: {command}"))?;
        }
    }
    Ok(())
}

/// What a pass found.
#[derive(Serialize)]
struct Found<'a> {
    pass: String,
    sizes: BTreeMap<&'a str, i64>,
}

/// Runs the passes up to `last`, and prints a level, or what `last` found.
fn stop_after(
    last: Pass,
    dump: Option<Level>,
    json: bool,
    model: &Model,
    options: &Options,
    anyway: bool,
) -> Result<()> {
    if let Some(level) = dump
        && let Some(first) = level.passes().next().filter(|first| last < *first)
    {
        let cause = format_args!("comes before `{first}`, which makes the {level}");
        return Err(Error::input(format_args!("--stop-after {last}"), cause).help(format_args!(
            "leave it out, or stop after {}",
            level.passes().map(|pass| format!("`{pass}`")).collect::<Vec<_>>().join(" or ")
        )));
    }
    if last >= Pass::Share {
        consent::ask(model, options, anyway)?;
    }
    let levels = compiling(options, |progress, stop, spent| {
        at_once(|| build::compile_until(last, model, options, progress, stop, spent))
    })?;
    match dump {
        Some(level) => output::write(levels.text(level).unwrap_or_default()),
        None if json => {
            let sizes = levels.sizes().into_iter().collect();
            output::json(&Found { pass: last.to_string(), sizes })
        }
        None => {
            let sizes = levels.sizes().into_iter();
            let sizes = sizes.map(|(name, n)| format!("{} {n}", name.replace('_', " ")));
            output::line(format_args!("{last}: {}", sizes.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// The model in a file or in a run folder.
///
/// # Errors
/// Where there is none, with what there is instead.
pub fn load(path: &Path) -> Result<Model> {
    let named =
        path.to_str().and_then(|name| network::ready().iter().find(|(ready, _)| *ready == name));
    if let Some((name, _)) = named.filter(|_| !path.exists()) {
        let cause = "is a network description that ships with strassenc, and no model";
        let help =
            format_args!("strassenc train {name}\nmakes one, in runs/{name}: give that folder");
        return Err(Error::input(name, cause).help(help));
    }
    if !path.is_dir() {
        let absent = |e: Error| e.help("name a model file, or a folder of a run or of a build");
        return model_file::load(path).map_err(|e| if path.exists() { e } else { absent(e) });
    }
    let file = path.join(build::MODEL);
    if !file.is_file() && path.join(CHECKPOINT).is_file() {
        let found = Artifact::Training;
        let cause = format_args!("is {found}, not {}", Artifact::Model);
        return Err(Error::input(path.display(), cause).help(found.taken_by()));
    }
    read_as(Artifact::Run, path, |_| model_file::load(&file))
}

/// What these words, as they stand on the command line of `strassenc verilog`, ask for: the
/// options, and the device that reports count for.
///
/// # Errors
/// Where an option is unknown, or its value impossible.
pub fn options(words: impl IntoIterator<Item = OsString>) -> Result<(Options, Device)> {
    let words: BuildArgs = parsed(words)?;
    let device = words.device.unwrap_or(DEVICES[0]);
    Ok((words.options()?, device))
}

/// Compiles with progress and Ctrl-C; says so first where that takes long, and refuses where it
/// takes hours or more memory than there is, unless `anyway`.
///
/// # Errors
/// Then, and as [`build::compile`].
pub fn compile(model: &Model, options: &Options, anyway: bool) -> Result<Compiled> {
    consent::ask(model, options, anyway)?;
    compiled(model, options)
}

fn compiled(model: &Model, options: &Options) -> Result<Compiled> {
    compiling(options, |progress, stop, spent| {
        at_once(|| build::compile(model, options, progress, stop, spent))
    })
}

/// Compiles with progress on stderr and writes the build folder.
pub(super) fn write(
    model: &Model,
    options: &Options,
    folder: &Path,
    edits: Edits,
) -> Result<Record> {
    build::check_replaceable(folder, options, edits)?;
    build::replace(folder, &compiled(model, options)?, options, edits)
}

/// Does work that compiles, with its progress on stderr, the search within its time limit, and
/// Ctrl-C.
fn compiling<T>(
    options: &Options,
    work: impl FnOnce(
        &(dyn Fn(compile::Progress) + Sync),
        &(dyn Fn() -> bool + Sync),
        &(dyn Fn() -> f64 + Sync),
    ) -> Result<T>,
) -> Result<T> {
    let style = style("{prefix:10} {bar:30} {steps} {msg} {elapsed}");
    let bar = ProgressBar::with_draw_target(None, progress::target());
    let bar = bar.with_style(style).with_prefix("compiling");
    // Drawn on a terminal only; the sharing of a large matrix is one long step.
    bar.enable_steady_tick(Duration::from_millis(200));
    let began = Instant::now();
    let progress = |p: compile::Progress| {
        bar.set_length(p.total as u64);
        bar.set_position(p.done as u64);
        let of = p.role.map(|role| format!(" {role}")).unwrap_or_default();
        bar.set_message(format!("{}: {}{of}", p.place, p.pass));
        output::detail(&format_args!(
            "{}: {}{of}: step {} of {}, after {:.1} s",
            p.place,
            p.pass,
            p.done,
            p.total,
            began.elapsed().as_secs_f64()
        ));
    };
    let stop = || INTERRUPTED.load(Ordering::Relaxed);
    let spent = || options.time_limit.map_or(0.0, |limit| began.elapsed().as_secs_f64() / limit);
    let done = work(&progress, &stop, &spent);
    bar.finish_and_clear();
    done
}
