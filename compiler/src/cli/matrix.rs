//! The command `strassenc matrix`.

use super::{INTERRUPTED, numbers, output};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::adder_graph::{
    self, Cost, CostModel, Effort, Matrix, Operands, Options, Solution, Watch,
};
use strassenc::interval::Interval;
use strassenc::progress::style;
use strassenc_runtime::artifact::{Artifact, read_as};
use strassenc_runtime::data::npy::Npy;
use strassenc_runtime::{Error, Result};

/// One constant matrix as a shared adder graph
///
/// Reads y = x·W for a NumPy array W of small integers, ternary or not: rows are inputs, columns
/// are outputs. The graph is proved equal to the matrix before anything is printed. The same matrix
/// and options give the same graph on any number of threads, unless a time limit or Ctrl-C ends the
/// search, which then gives the best graph so far.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc matrix W.npy                            a short search
  strassenc matrix W.npy --effort 3                 search for a minute
  strassenc matrix W.npy --effort 3 --time-limit 600
  strassenc matrix W.npy --extra-depth 0            as shallow as any graph of this matrix can be
  strassenc matrix W.npy --cost lut-bits --input-bits 4
  strassenc matrix W.npy --adder-operands 3         as AMD's slices and Intel's ALMs add
  strassenc matrix W.npy --json | jq .adders")]
pub struct Args {
    /// A .npy array of two axes, any number type, C or Fortran order
    #[arg(value_name = "W.npy")]
    matrix: PathBuf,
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
    /// UltraScale+, Intel up to Arria 10 and Cyclone V), 2 elsewhere
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = numbers::operands(),
    )]
    adder_operands: u8,
    /// Width of the inputs in bits, two's complement; decides the LUT bits
    #[arg(
        long,
        value_name = "BITS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=32),
    )]
    input_bits: u32,
    /// Seed of the search
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
}

pub fn run(args: Args) -> Result<()> {
    let matrix = read(&args.matrix)?;
    let operands = Operands::of(args.adder_operands).unwrap_or_default();
    let least_depth = adder_graph::minimum_depth(&matrix, operands);
    if let Some(depth) = args.max_depth.filter(|&depth| depth < least_depth) {
        return Err(Error::input(
            "--max-depth",
            format_args!("no graph of this matrix has depth {depth}"),
        )
        .help(format_args!("the least is {least_depth}")));
    }
    let time_limit = args.time_limit.or((args.effort == 3).then_some(60.0));
    let half = 1i64 << (args.input_bits - 1);
    let intervals = vec![Interval::new(-half, half - 1); matrix.ncols()];
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
        adder_operands: args.adder_operands,
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
    };
    if args.json { output::json(&report) } else { print(&report, args.input_bits) }
}

/// The matrix of the array, `[n_out, n_in]`.
fn read(path: &std::path::Path) -> Result<Matrix> {
    let integers = read_as(Artifact::Npy, path, Npy::read)?.integers()?;
    let shape = integers.shape().to_vec();
    let array = integers.into_dimensionality::<ndarray::Ix2>().map_err(|_| {
        Error::input(
            path.display(),
            format_args!("has the shape {shape:?}: a matrix has two axes, [inputs, outputs]"),
        )
    })?;
    if let Some(((i, j), v)) = array.indexed_iter().find(|(_, v)| i32::try_from(**v).is_err()) {
        return Err(Error::input(
            path.display(),
            format_args!("the element [{i}, {j}] is {v}: beyond 32 bits"),
        ));
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
        let bar = ProgressBar::new_spinner();
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
        "matrix    {inputs} inputs, {outputs} outputs, density {:.3}",
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
