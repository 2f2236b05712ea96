//! The command `strassenc sweep`.

use super::train::{Training, Watch, share_out, train};
use super::{INTERRUPTED, numbers, output, verilog};
use ndarray::s;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;
use strassenc::adder_graph::{self, Effort};
use strassenc::build;
use strassenc::count::{Counts, count};
use strassenc::sweep::{Axis, Choices, Point, Sweep};
use strassenc_runtime::data::DataSet;
use strassenc_runtime::error::number;
use strassenc_runtime::lock::Lock;
use strassenc_runtime::onnx::Classifier;
use strassenc_runtime::train::{
    CHECKPOINT, ImageCheckpoint, ImageLearner, Measures, Start, checkpoint_of,
};
use strassenc_runtime::{Error, Kind, Network, Result, files, model_file, network, wording};

const JSON: &str = "sweep.json";
const CSV: &str = "sweep.csv";
const SVG: &str = "sweep.svg";

/// Train a network under many budgets, and count what each costs
///
/// Trains once for every combination of the lists that are given; what has no list stays as the
/// description says. Each training is a run in a folder of its own, FOLDER/ratio-0.25_p-1 and so
/// on, as `strassenc train` leaves it. After each one sweep.csv, sweep.json and sweep.svg are
/// written anew.
///
/// Counted are, of the integer network: multiplications of one inference; "adders", the two-operand
/// additions of W_b and W_c, each matrix once, as hardware has them that computes one window at a
/// time; and "additions" of one inference, which are the adders of each layer times the output
/// patches of an image (1 in dense layers). Each before sharing (nonzeros of every row less one)
/// and after it, in the adder graphs that `strassenc verilog --adder-operands 2 --cost adders`
/// finds at the same effort for layers that are unrolled. Biases, roundings, pooling and sums of
/// branches are not counted.
///
/// Ctrl-C, a crash or a failed point leave a state that --resume goes on from; --resume may also
/// bring longer lists.
///
/// Points are independent, so that machines can share them: --list prints them, --point K trains
/// one, as many side by side as there are machines with this folder, and goes on with it where it
/// was ended. It leaves FOLDER/RUN.json, which --resume makes a part of the sweep.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc sweep digits --ratio 1/2,1,2                  into sweeps/digits
  strassenc sweep fashion-cnn --ratio 1/4,1/2,1,2 --p 1,2 --from full --teacher full -o sweep
  strassenc sweep fashion-cnn --budget 4000,8000,16000 --from full --teacher full
  strassenc sweep mnist --threshold 0.7,1.2 --epochs 5,10,2
  strassenc sweep digits --ratio 1/2,1,2,4 --resume       go on after Ctrl-C, or with more points
  strassenc sweep digits --ratio 1/2,1 --list             a JSON line for each point
  strassenc sweep digits --ratio 1/2,1 --point 1          the second of them alone

A point whose training diverges is left out with a warning; the others are trained, and the exit
status is 2.")]
pub struct Args {
    /// A network description: a .toml file, or the name of a ready one, e.g. digits, mnist,
    /// fashion-cnn
    #[arg(value_name = "NET")]
    network: String,
    /// r over the output channels or units, of every linear layer, whatever the description says of
    /// it; the last layer takes at least as many as it has outputs, plain layers stay as they are
    #[arg(long, value_name = "R/C_OUT,…", value_delimiter = ',', value_parser = numbers::fraction)]
    ratio: Vec<f64>,
    /// Multiplications of an inference: r of each linear layer is chosen, as by `train --budget`,
    /// such that the layers together lose least of --from, a run in full precision
    #[arg(
        long,
        value_name = "MULTIPLICATIONS,…",
        value_delimiter = ',',
        requires = "from",
        conflicts_with = "ratio"
    )]
    budget: Vec<u32>,
    /// Output patches of P×P pixels, of every convolution, plain ones excepted
    #[arg(long, value_name = "P,…", value_delimiter = ',')]
    p: Vec<u32>,
    /// Ternary threshold factor Δ / mean|w|, of every linear layer; higher is sparser
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = numbers::fraction)]
    threshold: Vec<f64>,
    /// What each adder costs in training, 0 for nothing
    #[arg(long, value_name = "PENALTY,…", value_delimiter = ',', value_parser = numbers::fraction)]
    adder_penalty: Vec<f64>,
    #[command(flatten)]
    training: Training,
    /// The folder of the sweep [default: sweeps/NAME]
    #[arg(short, long, value_name = "FOLDER", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    /// How hard to search for common sums, 0 to 2
    #[arg(
        long,
        value_name = "E",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(0..=2),
    )]
    effort: u8,
    /// Go on with the sweep in the folder: take in what --point has finished, train the rest
    #[arg(long)]
    resume: bool,
    /// Print the points as JSON, one a line, and do nothing else
    #[arg(long, conflicts_with_all = ["resume", "point", "json"])]
    list: bool,
    /// Train point K of --list alone, counted from 0
    #[arg(long, value_name = "K", conflicts_with = "resume")]
    point: Option<usize>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    folder: &'a Path,
    seconds: f64,
    #[serde(flatten)]
    sweep: &'a Sweep,
}

/// A line of --list.
#[derive(Serialize)]
struct Listed<'a> {
    point: usize,
    run: String,
    choices: &'a Choices,
}

pub fn run(args: Args) -> Result<()> {
    let mut network = network::find(&args.network)?;
    if network.train.full_precision {
        return Err(Error::input(&args.network, "is in full precision: it has no budget to sweep")
            .help("remove `full_precision` from the description"));
    }
    args.training.apply(&mut network)?;
    network.validate()?;
    let whole = |list: &[u32]| list.iter().map(|&p| p.into()).collect();
    let lists = [
        (Axis::Budget, whole(&args.budget)),
        (Axis::Ratio, args.ratio.clone()),
        (Axis::P, whole(&args.p)),
        (Axis::Threshold, args.threshold.clone()),
        (Axis::AdderPenalty, args.adder_penalty.clone()),
    ];
    let lists: BTreeMap<_, _> =
        lists.into_iter().filter(|(_, values)| !values.is_empty()).collect();
    // All of them first, so that a mistake is told before hours of training.
    let points = Choices::all(&lists)?
        .into_iter()
        .map(|choices| choices.apply(&network).map(|network| (choices, network)))
        .collect::<Result<Vec<_>>>()?;
    are_different(&points)?;

    if args.list {
        for (point, (choices, _)) in points.iter().enumerate() {
            let listed = Listed { point, run: choices.name(), choices };
            output::line(
                serde_json::to_string(&listed).map_err(|e| Error::internal("--list", e))?,
            )?;
        }
        return Ok(());
    }
    let folder = args.output.clone().unwrap_or_else(|| Path::new("sweeps").join(&network.name));
    let runs: Vec<String> = points.iter().map(|(choices, _)| choices.name()).collect();
    let began = Instant::now();
    if let Some(k) = args.point {
        let count = points.len();
        let Some((choices, of_point)) = points.into_iter().nth(k) else {
            let cause = format!("{k} is not within 0..={}", count - 1);
            return Err(Error::input("--point", cause).help("--list prints all points"));
        };
        return one_point(&args, &network, choices, &of_point, (&folder, &runs), began);
    }
    let _lock = Lock::folder(&folder)?;
    check_folder(&folder, &runs, args.resume)?;
    let data = args.training.load(&network)?;
    let mut sweep = asked(&args, &network, &data)?;
    files::tidy(&folder);
    if args.resume {
        if folder.join(JSON).is_file() {
            sweep.points = read(&folder.join(JSON), &sweep)?;
        }
        for file in runs.iter().map(|run| folder.join(format!("{run}.json"))) {
            if file.is_file() {
                read(&file, &sweep)?.into_iter().for_each(|point| sweep.insert(point));
            }
        }
    }
    write(&sweep, &folder)?;

    let (mut failed, total) = (vec![], points.len());
    for (i, (choices, network)) in points.into_iter().enumerate() {
        let name = choices.name();
        if is_done(&sweep, &choices, &folder) {
            continue;
        }
        output::note(format_args!("{name} ({} of {total})", i + 1));
        match point(choices, &network, &data, &folder, &args) {
            Ok(point) => {
                sweep.insert(point);
                write(&sweep, &folder)?;
            }
            // The training diverged, or does not fit what it begins from; the others may do better.
            Err(e) if e.kind() == Kind::Input => {
                output::error(e.within(format_args!("point {name}")));
                failed.push(name);
            }
            Err(e) => return Err(e),
        }
    }
    show(&args, &folder, &sweep, began)?;
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::input(
        folder.display(),
        format_args!("{} of {total} points failed: {}", failed.len(), failed.join(", ")),
    )
    .help("each says why above; --resume tries them again"))
}

/// Whether no two points would train the same network, which is nothing to compare.
fn are_different(points: &[(Choices, Network)]) -> Result<()> {
    for (i, (choices, network)) in points.iter().enumerate() {
        let plan = network.plan()?;
        for (other, earlier) in &points[..i] {
            let budget = |choices: &Choices| choices.0.get(&Axis::Budget).copied();
            let shares = budget(choices) != budget(other);
            if shares || network.train != earlier.train || plan != earlier.plan()? {
                continue;
            }
            let differs = |(axis, value): (&Axis, &f64)| {
                let other = *other.0.get(axis)?;
                (other != *value).then(|| (*axis, [other, *value].map(number)))
            };
            let Some((axis, [a, b])) = choices.0.iter().find_map(differs) else { continue };
            let cause = format!("no layer of this network is another one with {b} than with {a}");
            return Err(Error::input(format!("--{axis}"), cause)
                .help("give one value, or leave it out: both would train the same network"));
        }
    }
    Ok(())
}

/// Trains one point and leaves it as a sweep of its own beside the run, which others may do with
/// other points meanwhile; where it is done already, nothing more is done.
fn one_point(
    args: &Args,
    network: &Network,
    choices: Choices,
    of_point: &Network,
    (folder, runs): (&Path, &[String]),
    began: Instant,
) -> Result<()> {
    if !folder.join(JSON).is_file() && !holds_only(folder, runs) {
        return Err(not_ours(folder));
    }
    let data = args.training.load(network)?;
    let mut sweep = asked(args, network, &data)?;
    let file = folder.join(format!("{}.json", choices.name()));
    if file.is_file() {
        sweep.points = read(&file, &sweep)?;
    }
    if !is_done(&sweep, &choices, folder) {
        sweep.insert(point(choices, of_point, &data, folder, args)?);
        files::write(&file, json(&sweep)?.as_bytes())?;
    }
    show(args, folder, &sweep, began)
}

fn show(args: &Args, folder: &Path, sweep: &Sweep, began: Instant) -> Result<()> {
    let seconds = began.elapsed().as_secs_f64();
    if args.json {
        return output::json(&Report { folder, seconds, sweep });
    }
    if !sweep.points.is_empty() {
        output::line(sweep.text())?;
        output::line(format_args!("{} in {seconds:.1} s", folder.display()))?;
    }
    Ok(())
}

/// Whether the folder is not there, or holds only what these runs of a sweep leave in it.
fn holds_only(folder: &Path, runs: &[String]) -> bool {
    let is_of_run = |name: &str| {
        runs.iter().any(|run| {
            name.strip_prefix(run.as_str()).is_some_and(|end| ["", ".json"].contains(&end))
        })
    };
    !folder.exists()
        || folder.read_dir().is_ok_and(|mut all| {
            all.all(|entry| {
                entry.is_ok_and(|e| {
                    let name = e.file_name();
                    files::is_temporary(&name) || is_of_run(&name.to_string_lossy())
                })
            })
        })
}

fn not_ours(folder: &Path) -> Error {
    Error::input(folder.display(), "exists and is not a sweep, so it is left alone")
        .help("name another folder with -o")
}

/// Whether the folder can take the sweep of these runs.
fn check_folder(folder: &Path, runs: &[String], resume: bool) -> Result<()> {
    let of_point = |run: &String| folder.join(format!("{run}.json")).is_file();
    let is_sweep = folder.join(JSON).is_file() || runs.iter().any(of_point);
    let place = folder.display();
    match (resume, is_sweep) {
        (true, false) => Err(Error::input(place, "holds no sweep to resume")
            .help("leave --resume away to begin one, or name the folder of the sweep with -o")),
        (false, true) => Err(Error::input(place, "holds a sweep already")
            .help("go on with it: --resume; or name another folder with -o")),
        (false, false) if !holds_only(folder, &[]) => Err(not_ours(folder)),
        _ => Ok(()),
    }
}

/// The sweep without any points.
fn asked(args: &Args, network: &Network, data: &DataSet) -> Result<Sweep> {
    let [from, teacher] =
        [&args.training.from, &args.training.teacher].map(|run| run.as_deref().map(checkpoint_of));
    let sha256 = |path: &Option<PathBuf>| -> Result<Option<String>> {
        path.as_deref().map(|p| Ok(files::sha256(&files::read(p)?))).transpose()
    };
    let mut full_precision_accuracy = None;
    // What is known of one in ONNX is known once it runs.
    if let Some(path) = teacher.as_ref().filter(|path| !Classifier::is_at(path)).or(from.as_ref()) {
        let checkpoint = ImageCheckpoint::load(path)?;
        if checkpoint.network.train.full_precision {
            let outputs = checkpoint
                .float_outputs(data.test.x.singles().view())
                .map_err(|e| e.within(path.display()))?;
            let task = checkpoint.network.train.task(None);
            let outputs = outputs.slice(s![.., ..checkpoint.network.outputs()]);
            let measures = Measures::of(&task, outputs, f64::from, data.test.due(0));
            full_precision_accuracy = Some(measures.judged());
        }
    }
    Ok(Sweep {
        name: network.name.clone(),
        network: network.to_toml(),
        data: data.name.clone(),
        effort: args.effort,
        from: sha256(&from)?,
        teacher: sha256(&teacher)?,
        full_precision_accuracy,
        dense_multiplications: network.dense_multiplications(),
        points: vec![],
    })
}

/// The points of the sweep in a file, which must have been asked for likewise.
fn read(path: &Path, asked: &Sweep) -> Result<Vec<Point>> {
    let mut old: Sweep = serde_json::from_slice(&files::read(path)?).map_err(|e| {
        Error::input(path.display(), format_args!("is no sweep: {}", wording::of_json(&e)))
            .help("begin another one with -o")
    })?;
    let points = std::mem::take(&mut old.points);
    if old != (Sweep { points: vec![], ..asked.clone() }) {
        return Err(Error::input(
            path.parent().unwrap_or(path).display(),
            "this sweep was begun with another network description or other options",
        )
        .help("give the same ones (the lists may differ), or name another folder with -o"));
    }
    Ok(points)
}

fn write(sweep: &Sweep, folder: &Path) -> Result<()> {
    if !sweep.points.is_empty() {
        files::write(&folder.join(CSV), sweep.csv().as_bytes())?;
        files::write(&folder.join(SVG), sweep.svg()?.as_bytes())?;
    }
    files::write(&folder.join(JSON), json(sweep)?.as_bytes())
}

fn json(sweep: &Sweep) -> Result<String> {
    let json = serde_json::to_string_pretty(sweep).map_err(|e| Error::internal(JSON, e))?;
    Ok(json + "\n")
}

/// Whether the point was counted, and its model is still the one.
fn is_done(sweep: &Sweep, choices: &Choices, folder: &Path) -> bool {
    let point = sweep.points.iter().find(|point| point.choices == *choices);
    point.is_some_and(|point| {
        let model = model_file::load(&folder.join(&point.run).join(build::MODEL));
        model
            .and_then(|model| model_file::sha256(&model))
            .is_ok_and(|sha256| sha256 == point.model_sha256)
    })
}

/// Trains the network of a point and counts what it costs.
fn point(
    choices: Choices,
    network: &Network,
    data: &DataSet,
    folder: &Path,
    args: &Args,
) -> Result<Point> {
    let run = choices.name();
    let folder = folder.join(&run);
    let start = if folder.join(CHECKPOINT).is_file() { Start::Resume } else { Start::New };
    let mut network = network.clone();
    if let Some(total) = choices.0.get(&Axis::Budget) {
        share_out(&mut network, data, &args.training, *total as u64, (&folder, start))?;
    }
    let (summary, _) = train::<ImageLearner>(
        &network,
        data,
        &folder,
        start,
        args.training.sources(),
        Watch::new(),
    )?;
    let model = verilog::load(&folder)?;
    let options = adder_graph::Options { effort: Effort(args.effort), ..Default::default() };
    let counts: Counts = count(&model, &options, &|| INTERRUPTED.load(Ordering::Relaxed))
        .map_err(|e| {
            let interrupted = e.kind() == Kind::Interrupted;
            if interrupted { e.help("give the same command with --resume to go on") } else { e }
        })?
        .iter()
        .sum();
    let integer_accuracy = summary
        .integer_accuracy
        .ok_or_else(|| Error::internal("sweep", "a run under a budget has no integers"))?;
    Ok(Point {
        run,
        choices,
        model_sha256: model_file::sha256(&model)?,
        counts,
        reduction: 1.0
            - counts.multiplications as f64 / summary.dense_multiplications.max(1) as f64,
        density: summary.density(),
        float_accuracy: summary.float_accuracy,
        integer_accuracy,
        heads: summary.heads,
    })
}
