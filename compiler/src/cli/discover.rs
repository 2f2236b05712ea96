//! `strassenc discover`.

mod found;
mod rates;

use super::INTERRUPTED;
use clap::ValueEnum;
use found::Found;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::discover::{Scheme, Search, Shape, kronecker, search};
use strassenc::emit::TOOL;
use strassenc_runtime::{Error, Kind, Result, files};

/// Find fast matrix products, and make networks of them
///
/// Looks for a bilinear scheme of A·B with fewer multiplications than the schoolbook's, by random walks in its flip graph
/// (Kauers and Moosbauer 2022; Arai, Ichikawa and Hukushima 2024) with entries -1, 0 and 1 only. Every result satisfies all
/// Brent equations in integers before it is called one. It is a model like any other: `strassenc verilog`, `simulate`, `check`
/// and `report` work on it.
///
/// The same seed gives the same bytes on any number of threads, where no time limit cuts the search short. Ctrl-C leaves a
/// state that --resume goes on from.
///
/// Exit status: 1 where the rank was not reached; the best scheme so far is written all the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc discover 2x2x2                               Strassen's 7 multiplications, into runs/matmul_2x2x2
  strassenc discover 3x3x3 --rank 23 --seed 7 -o run     then: strassenc verilog run, simulate, check, report
  strassenc discover 2x2x2 --seeds 1000                  how often it succeeds, and how fast
  strassenc discover 4x4x4 --method kronecker            49, from two schemes of 2x2x2
  strassenc discover 2x2x2 --recursive --bits 16         a 4x4 core from 2x2 blocks, 16-bit elements
  strassenc discover 3x4x4 --time-limit 600              then --resume for more
  strassenc discover 3x3x3 --method schoolbook           27 multipliers, to compare with

The folder holds model.safetensors and scheme.txt with W_a, W_b and W_c.")]
pub struct Args {
    /// NxMxP: A is N×M, B is M×P
    #[arg(value_name = "SHAPE")]
    shape: Shape,
    /// The number of multiplications looked for [default: the least that is known for small shapes]
    #[arg(long, value_name = "R")]
    rank: Option<usize>,
    /// How to look
    #[arg(long, value_enum, default_value_t = Method::FlipGraph)]
    method: Method,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Try N seeds, from --seed on, and report how many succeed; nothing is written
    #[arg(long, value_name = "N", conflicts_with_all = ["resume", "overwrite", "output"])]
    seeds: Option<u64>,
    /// Threads; any number gives the same scheme [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// Seconds after which the search ends with what it has; with --seeds, for each seed
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<f64>,
    /// Width of the matrices' elements in bits, two's complement
    #[arg(long, value_name = "N", default_value_t = 8)]
    bits: u32,
    /// Use the scheme twice, on blocks and within them: a core of the squared shape
    #[arg(long)]
    recursive: bool,
    /// The output folder [default: runs/matmul_SHAPE]
    #[arg(short, long, value_name = "DIR")]
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
    /// Schemes of two smaller shapes, found by flip-graph, one on blocks of the other
    Kronecker,
    /// No search: the schoolbook scheme itself
    Schoolbook,
}

/// Name of the state that --resume goes on from.
const STATE: &str = "search.json";

/// What a search leaves where it was cut short.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    tool: String,
    shape: Shape,
    seed: u64,
    search: Search,
}

/// What is asked for, checked.
struct Task {
    shape: Shape,
    method: Method,
    /// None: as low as the time allows.
    rank: Option<usize>,
    seed: u64,
    limit: Option<Duration>,
}

pub fn run(args: Args) -> Result<()> {
    if args.threads == Some(0) {
        return Err(Error::input("--threads", "0 threads cannot work").help("give at least 1"));
    }
    if !(1..=32).contains(&args.bits) {
        return Err(Error::input("--bits", format_args!("{} is not within 1..=32", args.bits)));
    }
    let limit = match args.time_limit {
        Some(seconds) if seconds.is_nan() || seconds <= 0.0 => {
            return Err(Error::input("--time-limit", "must be a positive number of seconds"));
        }
        limit => limit.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
    };
    if args.rank == Some(0) {
        return Err(Error::input("--rank", "no scheme has 0 multiplications").help("give at least 1"));
    }
    let rank = args.rank.or_else(|| search::known_rank(args.shape));
    if args.method == Method::FlipGraph && rank.is_none() && limit.is_none() {
        let cause = format_args!("or --time-limit is needed: no rank of {} stands in our table", args.shape);
        return Err(Error::input("--rank", cause).help("e.g. --time-limit 60 takes the least rank of a minute"));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build();
    let pool = pool.map_err(|e| Error::internal("discover", e))?;
    let task = Task { shape: args.shape, method: args.method, rank, seed: args.seed, limit };
    if let Some(seeds) = args.seeds {
        return pool.install(|| rates::run(&task, seeds, args.json));
    }
    pool.install(|| find(&args, &task))
}

fn find(args: &Args, task: &Task) -> Result<()> {
    let shape = if args.recursive { kronecker::shape(args.shape, args.shape) } else { args.shape };
    let folder = args.output.clone().unwrap_or_else(|| Path::new("runs").join(format!("matmul_{shape}")));
    let taken = [STATE, found::MODEL].into_iter().find(|name| folder.join(name).exists());
    if let Some(name) = taken.filter(|_| !args.resume && !args.overwrite) {
        let cause = format_args!("holds {name} already");
        return Err(
            Error::io(&folder, cause).help("--resume goes on, --overwrite begins again, -o names another folder")
        );
    }
    let state = if args.resume { Some(read_state(&folder, task)?) } else { None };
    let began = Instant::now();
    let watch = Watch::new(task.limit);
    let (scheme, search) = solve(task, state, &watch)?;
    let seconds = began.elapsed().as_secs_f64();
    let cut_short = watch.is_over();
    watch.bar.finish_and_clear();

    let unfinished = search.as_ref().filter(|search| task.rank.is_none_or(|rank| search.best().rank() > rank));
    match unfinished {
        Some(search) => {
            let state = State { tool: TOOL.into(), shape: task.shape, seed: task.seed, search: search.clone() };
            let text = serde_json::to_string(&state).map_err(|e| Error::internal("discover", e))?;
            files::write(&folder.join(STATE), text.as_bytes())?;
        }
        None => remove(&folder.join(STATE))?,
    }
    if INTERRUPTED.load(Ordering::Relaxed) {
        let cause = format_args!("was interrupted at rank {}", scheme.rank());
        return Err(Error::new(Kind::Interrupted, "discover", cause)
            .help(format_args!("--resume -o {} goes on from there", folder.display())));
    }
    let scheme = if args.recursive { kronecker::compose(&scheme, &scheme)? } else { scheme };
    let found = Found::new(scheme, task, search.as_ref(), seconds, cut_short)?;
    found.write(&folder, args.bits)?;
    found.print(&folder, args.json)?;
    match (task.rank, &unfinished) {
        (Some(rank), Some(search)) => {
            let cause = format_args!("rank {} was reached, not {rank}", search.best().rank());
            Err(Error::mismatch(format_args!("discover {}", task.shape), cause)
                .help(format_args!("--resume -o {} goes on from there", folder.display())))
        }
        _ => Ok(()),
    }
}

/// The scheme that the task's method finds, and its search where it has one.
fn solve(task: &Task, state: Option<Search>, watch: &Watch) -> Result<(Scheme, Option<Search>)> {
    match task.method {
        Method::Schoolbook => Ok((Scheme::schoolbook(task.shape), None)),
        Method::Kronecker => Ok((composed(task, watch)?, None)),
        Method::FlipGraph => {
            let search = walk(task.shape, task.rank.unwrap_or(1), task.seed, state, watch);
            search.best().verify()?;
            Ok((search.best().clone(), Some(search)))
        }
    }
}

/// Rounds until the rank is reached or the time is over.
fn walk(shape: Shape, rank: usize, seed: u64, state: Option<Search>, watch: &Watch) -> Search {
    let mut search = state.unwrap_or_else(|| Search::new(shape, rank, seed));
    while !watch.is_over() && !search.round() {
        watch.show(&search, shape, rank);
    }
    search
}

/// The composition of least rank, of schemes that flip-graph finds for both parts.
fn composed(task: &Task, watch: &Watch) -> Result<Scheme> {
    let known = |shape: Shape| search::known_rank(shape).unwrap_or(shape.schoolbook());
    let least = |(outer, inner): &(Shape, Shape)| known(*outer) * known(*inner);
    let (outer, inner) = kronecker::splits(task.shape).into_iter().min_by_key(least).ok_or_else(|| {
        let cause = "is no product of smaller shapes";
        Error::input(format_args!("shape `{}`", task.shape), cause).help("--method flip-graph needs none")
    })?;
    let part = |shape: Shape| walk(shape, known(shape), task.seed, None, watch).best().clone();
    let outer_scheme = part(outer);
    let inner_scheme = if inner == outer { outer_scheme.clone() } else { part(inner) };
    let scheme = kronecker::compose(&outer_scheme, &inner_scheme)?;
    scheme.verify()?;
    Ok(scheme)
}

fn read_state(folder: &Path, task: &Task) -> Result<Search> {
    let path = folder.join(STATE);
    if !path.exists() {
        return Err(Error::io(&path, "is not there: no search was cut short here").help("leave out --resume"));
    }
    let place = path.display();
    let state: State = serde_json::from_slice(&files::read(&path)?)
        .map_err(|e| Error::input(&place, format_args!("is damaged: {e}")).help("--overwrite begins again"))?;
    if state.tool != TOOL {
        return Err(Error::input(&place, format_args!("was written by {}, this is {TOOL}", state.tool)));
    }
    state.search.validate().map_err(|e| e.within(&place).help("--overwrite begins again"))?;
    let target = task.rank.unwrap_or(1);
    if task.method != Method::FlipGraph || state.seed != task.seed || !state.search.is_of(task.shape, target) {
        let cause = format_args!("is of shape {}, seed {} and another rank or method", state.shape, state.seed);
        return Err(Error::input(&place, cause).help("give the options that the search began with"));
    }
    Ok(state.search)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, format_args!("cannot be removed: {e}")))
        }
        _ => Ok(()),
    }
}

/// The clock, Ctrl-C, and a live line on stderr.
struct Watch {
    began: Instant,
    limit: Option<Duration>,
    bar: ProgressBar,
}

impl Watch {
    fn new(limit: Option<Duration>) -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Watch { began: Instant::now(), limit, bar }
    }

    fn is_over(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed) || self.limit.is_some_and(|limit| self.began.elapsed() >= limit)
    }

    fn show(&self, search: &Search, shape: Shape, rank: usize) {
        let reached = search.reached();
        let rate = reached.flips as f64 / self.began.elapsed().as_secs_f64().max(1e-9) / 1e6;
        let text = format!(
            "{shape}: rank {} (wanted {rank}), {} restarts, {rate:.2} M schemes/s",
            reached.rank, reached.restarts
        );
        self.bar.set_message(text);
        self.bar.tick();
    }
}
