//! The command `strassenc discover`.

mod found;
mod rates;
mod solve;
mod state;

use super::{INTERRUPTED, numbers, parsed};
use clap::ValueEnum;
use found::Found;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use solve::{Solved, Stage, solve};
use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::discover::{Shape, kronecker, search};
use strassenc::progress::{self, style};
use strassenc::report::thousands;
use strassenc_runtime::lock::Lock;
use strassenc_runtime::{Error, Kind, Model, Result, files};

/// Find fast matrix products, and make networks of them
///
/// Looks for a bilinear scheme of A·B with fewer multiplications than the schoolbook's, by random
/// walks in its flip graph (Kauers and Moosbauer 2022; Arai, Ichikawa and Hukushima 2024) with
/// entries -1, 0 and 1 only. Every result satisfies all Brent equations in integers before it is
/// called one. It is a model like any other: `strassenc verilog`, `simulate`, `check` and `report`
/// work on it.
///
/// The same seed gives the same bytes on any number of threads, where no time limit cuts the search
/// short. Ctrl-C leaves a state that --resume goes on from.
///
/// Exit status: 1 where the rank was not reached; the best scheme so far is written all the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc discover 2x2x2                               7 multiplications, into runs/matmul_2x2x2
  strassenc discover 3x3x3 --rank 23 --seed 7 -o run     then: strassenc verilog run, and so on
  strassenc discover 3x3x3 --fewest-additions            of many schemes of rank 23
  strassenc discover 2x2x2 --seeds 1000                  how often it succeeds, and how fast
  strassenc discover 2x2x2 --method gradient             learned, as in the StrassenNets paper
  strassenc discover 4x4x4 --method kronecker            49, from two schemes of 2x2x2
  strassenc discover 2x2x2 --recursive --bits 16         a 4x4 core from 2x2 blocks, 16-bit elements
  strassenc discover 3x4x4 --method extend               38, by way of 3x3x4; minutes
  strassenc discover 5x5x5 --time-limit 600              then --resume for more
  strassenc discover 3x3x3 --method schoolbook           27 multipliers, to compare with

The folder holds model.safetensors and scheme.txt with W_a, W_b and W_c.")]
pub struct Args {
    /// NxMxP: A is N×M, B is M×P
    #[arg(value_name = "SHAPE")]
    shape: Shape,
    /// The number of multiplications looked for [default: the least that is known for small shapes]
    #[arg(long, value_name = "R", value_parser = numbers::count(1..=4096))]
    rank: Option<usize>,
    /// How to look
    #[arg(long, value_enum, default_value_t = Method::FlipGraph)]
    method: Method,
    /// Of the schemes of that rank, look for one that takes few additions; needs some seconds more
    #[arg(long)]
    fewest_additions: bool,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Try N seeds, from --seed on, and report how many succeed; nothing is written
    #[arg(long, value_name = "N", conflicts_with_all = ["resume", "overwrite", "output"],
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: Option<u64>,
    /// Threads; any number gives the same scheme [default: one for each core]
    #[arg(long, value_name = "N", value_parser = numbers::threads())]
    threads: Option<usize>,
    /// Seconds after which the search ends with what it has; with --seeds, for each seed
    #[arg(long, value_name = "SECONDS", value_parser = numbers::seconds)]
    time_limit: Option<f64>,
    /// Width of the matrices' elements in bits, two's complement
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=32),
    )]
    bits: u32,
    /// Use the scheme twice, on blocks and within them: a core of the squared shape
    #[arg(long)]
    recursive: bool,
    /// The output folder [default: runs/matmul_SHAPE]
    #[arg(short, long, value_name = "DIR", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    /// Go on with the search in the folder
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Begin again in a folder that holds a result or a search
    #[arg(long)]
    overwrite: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How to look for a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Method {
    /// Random walks by flips, reductions and plus transitions from the schoolbook scheme
    FlipGraph,
    /// The same for the shape that is smaller by one, extended, and on from there; for shapes
    /// beyond 3x3x4
    Extend,
    /// Gradient descent on the loss of random matrix pairs, drawn to -1, 0 and 1; as in the
    /// StrassenNets paper
    Gradient,
    /// Schemes of two smaller shapes, found by flip-graph, one on blocks of the other
    Kronecker,
    /// No search: the schoolbook scheme itself
    Schoolbook,
}

/// What is asked for, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    shape: Shape,
    method: Method,
    /// The rank asked for; none: as low as the time allows.
    rank: Option<usize>,
    fewest_additions: bool,
    seed: u64,
}

/// Finds a scheme, as these words behind `strassenc discover` say, and yields its model; nothing is
/// written.
///
/// # Errors
/// Where an option is impossible, the user interrupts, or the rank was not reached.
pub fn discover(words: impl IntoIterator<Item = OsString>) -> Result<Model> {
    let args: Args = parsed(words)?;
    let (task, limit) = args.task()?;
    let watch = Watch::new(limit);
    let solved = solve(&task, Stage::Begin, &watch)?;
    watch.bar.finish_and_clear();
    check_uninterrupted(solved.scheme.rank())?;
    check_reached(&task, solved.scheme.rank())?;
    found(solved, &args, &task, &watch)?.model(args.bits)
}

impl Args {
    /// What is asked for, checked, and the time that it may take.
    fn task(&self) -> Result<(Task, Option<Duration>)> {
        let limit = self.time_limit.map(Duration::from_secs_f64);
        let searched = matches!(self.method, Method::FlipGraph | Method::Extend | Method::Gradient);
        let rank = self.rank.or_else(|| search::known_rank(self.shape).filter(|_| searched));
        if self.method == Method::Gradient && rank.is_none() {
            return Err(Error::input("--rank", "is needed: attempts are made at one rank"));
        }
        if matches!(self.method, Method::FlipGraph | Method::Extend)
            && rank.is_none()
            && limit.is_none()
        {
            let cause = format_args!(
                "or --time-limit is needed: no rank of {} stands in our table",
                self.shape
            );
            return Err(Error::input("--rank", cause)
                .help("e.g. --time-limit 60 takes the least rank of a minute"));
        }
        let task = Task {
            shape: self.shape,
            method: self.method,
            rank,
            fewest_additions: self.fewest_additions,
            seed: self.seed,
        };
        Ok((task, limit))
    }
}

pub fn run(args: Args) -> Result<()> {
    let (task, limit) = args.task()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build();
    let pool = pool.map_err(|e| Error::internal("discover", e))?;
    if let Some(seeds) = args.seeds {
        return pool.install(|| rates::run(&task, limit, seeds, args.json));
    }
    pool.install(|| find(&args, &task, limit))
}

fn find(args: &Args, task: &Task, limit: Option<Duration>) -> Result<()> {
    let shape = if args.recursive { kronecker::shape(args.shape, args.shape) } else { args.shape };
    let folder =
        args.output.clone().unwrap_or_else(|| Path::new("runs").join(format!("matmul_{shape}")));
    let _lock = Lock::folder(&folder)?;
    let ours = [state::FILE, found::MODEL, found::SCHEME];
    files::check_ours(&folder, &ours)?;
    let taken = ours.into_iter().find(|name| folder.join(name).exists());
    if let Some(name) = taken.filter(|_| !args.resume && !args.overwrite) {
        let cause = format_args!("holds {name} already");
        return Err(Error::io(&folder, cause)
            .help("--resume goes on, --overwrite begins again, -o names another folder"));
    }
    let stage = if args.resume { state::read(&folder, task)? } else { Stage::Begin };
    let watch = Watch::new(limit);
    let solved = solve(task, stage, &watch)?;
    watch.bar.finish_and_clear();
    let again = format!("--resume -o {} goes on from there", folder.display());
    match &solved.unfinished {
        Some(stage) => state::write(&folder, task, stage)?,
        None => state::remove(&folder)?,
    }
    let rank = solved.scheme.rank();
    check_uninterrupted(rank).map_err(|e| e.help(&again))?;
    let is_unfinished = solved.unfinished.is_some();
    let found = found(solved, args, task, &watch)?;
    found.write(&folder, args.bits)?;
    found.print(&folder, args.json)?;
    check_reached(task, rank).map_err(|e| if is_unfinished { e.help(again) } else { e })
}

fn check_uninterrupted(rank: usize) -> Result<()> {
    if !INTERRUPTED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let cause = format_args!("was interrupted at rank {rank}");
    Err(Error::new(Kind::Interrupted, "discover", cause))
}

fn check_reached(task: &Task, rank: usize) -> Result<()> {
    match task.rank.filter(|wanted| rank > *wanted) {
        Some(wanted) => {
            let cause = format_args!("rank {rank} was reached, not {wanted}");
            Err(Error::mismatch(format_args!("discover {}", task.shape), cause))
        }
        None => Ok(()),
    }
}

/// The scheme that was asked for, with its figures.
fn found(solved: Solved, args: &Args, task: &Task, watch: &Watch) -> Result<Found> {
    let scheme = match args.recursive {
        true => kronecker::compose(&solved.scheme, &solved.scheme)?,
        false => solved.scheme,
    };
    // Counted anew: the other matrices of a composed scheme are larger.
    let additions = solved.additions.filter(|_| !args.recursive);
    Found::new(scheme, task, additions, solved.effort, watch.began.elapsed().as_secs_f64())
}

/// The clock, Ctrl-C, and a live line on stderr.
struct Watch {
    began: Instant,
    limit: Option<Duration>,
    bar: ProgressBar,
    /// Schemes that an earlier run had seen, which say nothing about the speed of this one.
    seen: Cell<Option<u64>>,
}

impl Watch {
    fn new(limit: Option<Duration>) -> Self {
        let bar = ProgressBar::with_draw_target(None, progress::target());
        bar.set_style(style("{spinner} {elapsed} {msg}"));
        Watch { began: Instant::now(), limit, bar, seen: Cell::new(None) }
    }

    fn is_over(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
            || self.limit.is_some_and(|limit| self.began.elapsed() >= limit)
    }

    fn show(&self, text: String, schemes: u64) {
        // The first rounds of a stage set the mark; where a stage begins to count anew, so does the
        // rate.
        let seen = self.seen.get().filter(|seen| *seen <= schemes).unwrap_or(schemes);
        self.seen.set(Some(seen));
        let rate = (schemes - seen) as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        let rate = if rate < 1.0 {
            String::new()
        } else {
            format!(", {} schemes/s", thousands(rate as u64))
        };
        self.bar.set_message(text + &rate);
        self.bar.tick();
    }
}
