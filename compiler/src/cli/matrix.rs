//! The command `strassenc matrix`.

use super::projects::Projects;
use super::{INTERRUPTED, numbers, output, parsed};
use indicatif::ProgressBar;
use ndarray::Array2;
use serde::Serialize;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::adder_graph::{
    self, AdderGraph, Cost, CostModel, Effort, Matrix, Operands, Options, Solution, Watch,
};
use strassenc::build::Edits;
use strassenc::device::{Device, Family};
use strassenc::emit::count;
use strassenc::engine::CLOCK;
use strassenc::interval::Interval;
use strassenc::kernel::{self, Kernel, Record, Style};
use strassenc::progress::{self, style};
use strassenc::project::{self, Asked};
use strassenc::schedule::{ADDERS_PER_STAGE, Limit};
use strassenc_runtime::artifact::{Artifact, read_as};
use strassenc_runtime::data::npy::{self, Npy};
use strassenc_runtime::{Error, Format, Result, files};

/// One constant matrix as a shared adder graph
///
/// Reads y = x·W for a NumPy array W of small integers, ternary or not: rows are inputs, columns
/// are outputs. The graph is proved equal to the matrix before anything is printed. The same matrix
/// and options give the same graph on any number of threads, unless a time limit or Ctrl-C ends the
/// search, which then gives the best graph so far.
///
/// With -o it becomes hardware: Verilog of y = x·W alone, with a testbench.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc matrix W.npy                            a short search
  strassenc matrix W.npy --effort 3                 search for a minute
  strassenc matrix W.npy --effort 3 --time-limit 600
  strassenc matrix W.npy --extra-depth 0            as shallow as any graph of this matrix can be
  strassenc matrix W.npy --cost lut-bits --input-bits 4
  strassenc matrix W.npy --adder-operands 3         as AMD's slices and Intel's ALMs add
  strassenc matrix W.npy --json | jq .adders
  strassenc matrix W.npy -o kernel                  Verilog, a register behind each addition
  strassenc matrix W.npy -o kernel --device xc7a35t --clock 300
  strassenc matrix W.npy -o kernel --combinational --unsigned
  strassenc matrix W.npy -o kernel --stream         between two AXI4-Streams
  strassenc report kernel --synth xc7               what Yosys makes of it

The folder of -o holds the Verilog (files.f lists it), a testbench with its vectors and the script
that runs it, and report.json: ports, widths, latency, adders. Without --stream the ports are s_data
and m_data, elements side by side, element 0 in the low bits, and m_data follows s_data after the
latency.")]
pub struct Args {
    /// A .npy array of two axes, any number type, C or Fortran order
    #[arg(value_name = "W.npy")]
    matrix: PathBuf,
    /// Write Verilog of y = x·W into this folder, in place of an earlier kernel there
    #[arg(short, long, value_name = "KERNEL", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    #[command(flatten)]
    hardware: HardwareArgs,
    /// How hard to search: 0 one greedy pass, 1 short, 2 seconds, 3 until the time limit
    #[arg(long, value_name = "E", default_value_t = 1, value_parser = numbers::effort())]
    effort: u8,
    /// Largest depth in adders
    #[arg(long, value_name = "D", conflicts_with = "extra_depth", value_parser = numbers::depth())]
    max_depth: Option<u32>,
    /// Largest depth, in adders above the least possible
    #[arg(long, value_name = "K", value_parser = numbers::depth())]
    extra_depth: Option<u32>,
    /// What is to be small: the number of adders, or their bits, each adder as wide as its result
    #[arg(long, value_enum, default_value_t = CostModel::default())]
    cost: CostModel,
    /// Operands of an adder: 3 where the device adds three in one carry chain (AMD's 7-series and
    /// UltraScale+, Intel up to Arria 10 and Cyclone V), 2 elsewhere [default: as --device adds,
    /// else 2]
    #[arg(long, value_name = "N", value_parser = numbers::operands())]
    adder_operands: Option<u8>,
    /// Width of the inputs in bits, two's complement
    #[arg(
        long,
        value_name = "BITS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=32),
    )]
    input_bits: u32,
    /// The inputs are not negative
    #[arg(long)]
    unsigned: bool,
    /// Seed of the search, and of the testbench's random vectors
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = numbers::threads())]
    threads: Option<usize>,
    /// Seconds after which the search ends with what it has [default: 60 at effort 3, else none]
    #[arg(long, value_name = "SECONDS", value_parser = numbers::seconds)]
    time_limit: Option<f64>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What decides the Verilog
#[derive(clap::Args)]
#[command(next_help_heading = "Verilog")]
struct HardwareArgs {
    /// No clock: y follows x
    #[arg(
        long,
        requires = "output",
        conflicts_with_all = ["adders_per_stage", "clock", "stream", "clken"],
    )]
    combinational: bool,
    /// Additions on a path between two registers, in place of a clock [default: 1]
    #[arg(
        long,
        value_name = "N",
        requires = "output",
        conflicts_with = "clock",
        value_parser = numbers::whole(ADDERS_PER_STAGE),
    )]
    adders_per_stage: Option<u32>,
    /// The device that the kernel is for
    #[arg(long, value_enum, value_name = "NAME")]
    device: Option<Device>,
    /// The clock in MHz that the kernel is pipelined for, with as few registers as it lets it
    #[arg(
        long,
        value_name = "MHZ",
        requires_all = ["output", "device"],
        value_parser = |text: &str| numbers::real(text, 1.0..=10_000.0),
    )]
    clock: Option<f64>,
    /// Between two AXI4-Streams, which may stall it: a vector a beat
    #[arg(long, requires = "output")]
    stream: bool,
    #[command(flatten)]
    project: Projects<true>,
    /// Add a clock enable: clken, with --stream aclken
    #[arg(long, requires = "output")]
    clken: bool,
    /// Replace a kernel also where its files were changed since
    #[arg(long, requires = "output")]
    overwrite: bool,
}

impl HardwareArgs {
    fn style(&self) -> Style {
        let limit = match (self.device, self.clock) {
            (Some(device), Some(mhz)) => Limit::Clock { device, period_ps: (1e6 / mhz) as u32 },
            _ => Limit::Adders(self.adders_per_stage.unwrap_or(1)),
        };
        match (self.combinational, self.stream) {
            (true, _) => Style::Combinational,
            (false, true) => Style::Stream(limit),
            (false, false) => Style::Pipelined(limit),
        }
    }

    /// The options that decide the Verilog, as on a command line.
    fn told(&self) -> String {
        let HardwareArgs { combinational, adders_per_stage, device, clock, stream, clken, .. } =
            self;
        let mut told = match (combinational, clock) {
            (true, _) => " --combinational".to_string(),
            (_, Some(mhz)) => format!(" --clock {mhz}"),
            (_, None) => format!(" --adders-per-stage {}", adders_per_stage.unwrap_or(1)),
        };
        if let Some(device) = device {
            told += &format!(" --device {}", device.name);
        }
        if *stream {
            told += " --stream";
        }
        if *clken {
            told += " --clken";
        }
        told
    }

    /// Fails where project files are asked for that there are not, before any search.
    fn check_projects(&self, is_written: bool) -> Result<()> {
        self.project.validate()?;
        let kinds = self.project.kinds();
        if kinds.is_some() && !is_written {
            return Err(Error::input("--project", "is about a kernel, and none is written")
                .help("name a folder for it with -o"));
        }
        let (projects, device) = (kinds.as_deref(), self.device);
        Asked { projects, kernel: true, device, mhz: CLOCK, must_reach: false }.validate()
    }

    fn edits(&self) -> Edits {
        if self.overwrite { Edits::Overwrite } else { Edits::Keep }
    }
}

/// The figures.
#[derive(Serialize)]
struct Report {
    /// Rows of the array.
    inputs: usize,
    /// Columns of the array.
    outputs: usize,
    nonzeros: usize,
    /// The most operands of an adder.
    adder_operands: u8,
    /// Adders without sharing.
    naive_adders: usize,
    adders: usize,
    depth: u32,
    least_depth: u32,
    /// Σ over the adders of the width of the result.
    lut_bits: u64,
    method: &'static str,
    /// The graph equals the matrix.
    proved: bool,
    /// Seconds of the search.
    seconds: f64,
    proof_seconds: f64,
    /// Whether a time limit or Ctrl-C ended the search.
    cut_short: bool,
    /// Least cost in the unit of the cost model, by seconds since the start.
    trace: Vec<(f64, u64)>,
    /// What was written, where Verilog was asked for.
    kernel: Option<Record>,
}

/// A matrix whose shared additions were found and proved.
pub struct Shared {
    args: Args,
    name: String,
    matrix: Matrix,
    sha256: String,
    graph: AdderGraph,
    report: Report,
}

/// Shares the additions of y = x·W for an array `[inputs, outputs]`, as these words say, which
/// stand behind `strassenc matrix W.npy`; `name` is that of the kernel.
///
/// # Errors
/// Where an option is impossible, or an entry beyond 32 bits.
pub fn matrix(
    words: impl IntoIterator<Item = OsString>,
    name: &str,
    array: &Array2<i64>,
) -> Result<Shared> {
    // Whether there is a kernel is a matter of who writes it.
    let file = ["W.npy", "--output", "W"].map(OsString::from);
    let args = parsed(file.into_iter().chain(words))?;
    let matrix = transposed(array, name)?;
    Shared::new(args, module_name(Path::new(name)), matrix, files::sha256(&npy::to_bytes(array)))
}

impl Shared {
    fn new(args: Args, name: String, matrix: Matrix, sha256: String) -> Result<Self> {
        let input = args.input();
        kernel::check_fits(&name, &matrix, input)?;
        let (adder_operands, operands) = args.operands();
        let least_depth = adder_graph::minimum_depth(&matrix, operands);
        if let Some(depth) = args.max_depth.filter(|&depth| depth < least_depth) {
            return Err(Error::input(
                "--max-depth",
                format_args!("no graph of this matrix has depth {depth}"),
            )
            .help(format_args!("the least is {least_depth}")));
        }
        let time_limit = args.time_limit.or((args.effort == 3).then_some(60.0));
        let intervals = vec![Interval::new(input.min(), input.max()); matrix.ncols()];
        let options = Options {
            effort: Effort(args.effort),
            max_depth: args.max_depth.or(args.extra_depth.map(|extra| least_depth + extra)),
            cost: args.cost.of(&intervals),
            operands,
            seed: args.seed,
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build();
        let pool = pool.map_err(|e| Error::internal("matrix", e))?;

        let search = Search::new(time_limit);
        let solution = pool.install(|| search.run(&matrix, &options));
        let seconds = search.began.elapsed().as_secs_f64();
        let began = Instant::now();
        adder_graph::prove(&solution.graph, &matrix)?;
        let proof_seconds = began.elapsed().as_secs_f64();
        let report = Report {
            inputs: matrix.ncols(),
            outputs: matrix.nrows(),
            nonzeros: matrix.iter().filter(|&&v| v != 0).count(),
            adder_operands,
            naive_adders: adder_graph::naive_adders(&matrix, operands),
            adders: solution.graph.adders(),
            depth: solution.graph.depth(),
            least_depth,
            lut_bits: solution.graph.lut_bits(&intervals),
            method: solution.method,
            proved: true,
            seconds,
            proof_seconds,
            cut_short: search.is_over(),
            trace: search.trace.into_inner().unwrap_or_default(),
            kernel: None,
        };
        Ok(Shared { args, name, matrix, sha256, graph: solution.graph, report })
    }

    /// The figures, as JSON.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(&self.report).map_err(|e| Error::internal("JSON", e))
    }

    /// Writes Verilog of it into a folder, in place of an earlier kernel there.
    ///
    /// # Errors
    /// As [`Kernel::new`] and [`kernel::write`].
    pub fn write(&self, folder: &Path, edits: Edits) -> Result<Record> {
        let Shared { args, name, matrix, sha256, graph, report } = self;
        let (input, style) = (args.input(), args.hardware.style());
        let kernel = Kernel::new(name, matrix, graph, input, style)?;
        let options = kernel::Options {
            input,
            style,
            clock_enable: args.hardware.clken,
            device: args.hardware.device,
            projects: args.hardware.project.kinds(),
            seed: args.seed,
            clock_mhz: args.hardware.clock,
            sha256: sha256.clone(),
            command: args.told(report.adder_operands),
        };
        kernel::write(folder, &kernel, &options, edits)
    }
}

pub fn run(args: Args) -> Result<()> {
    args.hardware.check_projects(args.output.is_some())?;
    let (matrix, sha256) = read(&args.matrix)?;
    let (folder, edits) = (args.output.clone(), args.hardware.edits());
    let (name, json, input_bits) = (module_name(&args.matrix), args.json, args.input_bits);
    if let Some(folder) = &folder {
        kernel::check_replaceable(folder, edits)?;
    }
    let mut shared = Shared::new(args, name, matrix, sha256)?;
    if let Some(folder) = &folder {
        shared.report.kernel = Some(shared.write(folder, edits)?);
    }
    let report = &shared.report;
    if json {
        return output::json(report);
    }
    print(report, input_bits)?;
    match folder.as_deref().zip(report.kernel.as_ref()) {
        Some((folder, record)) => print_kernel(folder, record),
        None => Ok(()),
    }
}

impl Args {
    /// The format of the inputs.
    fn input(&self) -> Format {
        Format { signed: !self.unsigned, bits: self.input_bits, frac: 0 }
    }

    /// The most operands of an adder.
    fn operands(&self) -> (u8, Operands) {
        let family = self.hardware.device.map(|device| device.family);
        let n = self.adder_operands.or(family.map(Family::adder_operands)).unwrap_or(2);
        (n, Operands::of(n).unwrap_or_default())
    }

    /// The options that decide the Verilog, as on a command line.
    fn told(&self, adder_operands: u8) -> String {
        let mut told = format!("--input-bits {}", self.input_bits);
        if self.unsigned {
            told += " --unsigned";
        }
        told += &self.hardware.told();
        told += &format!(
            " --adder-operands {adder_operands} --cost {} --effort {} --seed {}",
            self.cost, self.effort, self.seed
        );
        for (option, depth) in [("max-depth", self.max_depth), ("extra-depth", self.extra_depth)] {
            told += &depth.map(|depth| format!(" --{option} {depth}")).unwrap_or_default();
        }
        told + &self.time_limit.map(|limit| format!(" --time-limit {limit}")).unwrap_or_default()
    }
}

/// A Verilog name from that of the file.
fn module_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = stem.chars().map(safe).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("w_{name}") }
}

/// The matrix of the array, `[n_out, n_in]`, and the SHA-256 of its file.
fn read(path: &Path) -> Result<(Matrix, String)> {
    let integers = read_as(Artifact::Npy, path, Npy::read)?.integers()?;
    let shape = integers.shape().to_vec();
    let array = integers.into_dimensionality::<ndarray::Ix2>().map_err(|_| {
        Error::input(
            path.display(),
            format_args!("has the shape {shape:?}: a matrix has two axes, [inputs, outputs]"),
        )
    })?;
    Ok((transposed(&array, path.display())?, files::sha256(&files::read(path)?)))
}

/// The matrix of an array `[inputs, outputs]`.
fn transposed(array: &Array2<i64>, place: impl Display) -> Result<Matrix> {
    if let Some(((i, j), v)) = array.indexed_iter().find(|(_, v)| i32::try_from(**v).is_err()) {
        let cause = format_args!("the element [{i}, {j}] is {v}: beyond 32 bits").to_string();
        return Err(Error::input(place, cause));
    }
    Ok(array.t().mapv(|v| v as i32))
}

/// A search with a clock, a progress line on stderr and a trace.
struct Search {
    began: Instant,
    limit: Option<Duration>,
    bar: ProgressBar,
    trace: Mutex<Vec<(f64, u64)>>,
}

impl Search {
    fn new(limit: Option<f64>) -> Self {
        let bar = ProgressBar::with_draw_target(None, progress::target());
        bar.set_style(style("{spinner} {elapsed} {msg}"));
        Search {
            began: Instant::now(),
            limit: limit.map(Duration::from_secs_f64),
            bar,
            trace: Mutex::new(Vec::new()),
        }
    }

    fn run(&self, matrix: &Matrix, options: &Options) -> Solution {
        let unit = if options.cost == Cost::Adders { "adders" } else { "LUT bits" };
        let spent = || {
            if INTERRUPTED.load(Ordering::Relaxed) {
                return 1.0;
            }
            self.limit.map_or(0.0, |limit| self.began.elapsed().as_secs_f64() / limit.as_secs_f64())
        };
        let found = |cost: u64| {
            if let Ok(mut trace) = self.trace.lock()
                && trace.last().is_none_or(|&(_, least)| cost < least)
            {
                trace.push((self.began.elapsed().as_secs_f64(), cost));
                self.bar.set_message(format!("{cost} {unit}"));
            }
            self.bar.tick();
        };
        let solution =
            adder_graph::share_watched(matrix, options, Watch { spent: &spent, found: &found });
        self.bar.finish_and_clear();
        solution
    }

    fn is_over(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
            || self.limit.is_some_and(|limit| self.began.elapsed() >= limit)
    }
}

fn print(report: &Report, input_bits: u32) -> Result<()> {
    let Report {
        inputs,
        outputs,
        nonzeros,
        naive_adders,
        adders,
        depth,
        least_depth,
        lut_bits,
        ..
    } = report;
    let entries = (inputs * outputs).max(1);
    let share = 100.0 * *adders as f64 / (*naive_adders).max(1) as f64;
    output::line(format_args!(
        "matrix    {}, {}, density {:.3}",
        count(*inputs, "input"),
        count(*outputs, "output"),
        *nonzeros as f64 / entries as f64
    ))?;
    output::line(format_args!(
        "adders    {adders} of {} operands, {share:.1} % of the {naive_adders} without sharing",
        ["two", "up to three"][usize::from(report.adder_operands == 3)]
    ))?;
    output::line(format_args!("depth     {depth} adders, of at least {least_depth}"))?;
    output::line(format_args!("LUT bits  {lut_bits} for {input_bits}-bit inputs"))?;
    output::line(format_args!("method    {}", report.method))?;
    output::line(format_args!("proved    equal to the matrix, in {:.3} s", report.proof_seconds))?;
    let ended = if report.cut_short { ", ended early" } else { "" };
    output::line(format_args!("searched  {:.3} s{ended}", report.seconds))
}

fn print_kernel(folder: &Path, record: &Record) -> Result<()> {
    let Record { top, input, output, output_bits, testbench, .. } = record;
    let widest = output_bits.iter().max().unwrap_or(&0);
    let least = output_bits.iter().min().unwrap_or(&0);
    let widths = if least == widest { format!("{least}") } else { format!("{least} to {widest}") };
    let sign = |format: Format| if format.signed { "signed" } else { "unsigned" };
    output::line(format_args!(
        "module    {top}: {} of {} bits, {} of {widths}",
        count(input.elements, &format!("{} input", sign(input.format))),
        input.format.bits,
        count(output.elements, &format!("{} output", sign(output.format))),
    ))?;
    output::line(match record.latency {
        0 => "latency   none: combinational".into(),
        1 => "latency   1 clock, a vector each clock".into(),
        n => format!("latency   {n} clocks, a vector each clock"),
    })?;
    output::line(format_args!(
        "estimated {} LUTs and {} flip-flops on {}",
        record.luts, record.flip_flops, record.device.name
    ))?;
    output::line(format_args!("written   {}", folder.display()))?;
    output::line(format_args!(
        "test      sh {} icarus    {} vectors; or verilator, or lint",
        project::in_a_shell(&folder.join(format!("{testbench}.sh"))),
        record.vectors
    ))
}
