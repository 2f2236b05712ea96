//! How fast training goes: `cargo bench -p strassenc-tests --bench train`, or with options, e.g.
//! `-- --network cnn --phase ternary --threads 2`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its figures are for people")]

use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;
use strassenc_runtime::data::{DataSet, Split, Text};
use strassenc_runtime::train::{ImageLearner, Learner, Phase, SequenceLearner, Trainer};
use strassenc_runtime::{Network, Result};

const HELP: &str = "\
options, each with its default:
  --network NAME   mnist (784-64-64-10), cnn, dense or lstm, whose samples are characters [all]
  --phase PHASE    full, ternary, frozen, or plain: full precision, without SPNs [all but plain]
  --threads N      [1, and one for each core]
  --batch N        samples a step [64]
  --windows N      measurements of each [3]
  --seconds S      length of a window [1]
  --json           a line of JSON a window
  --stdin          a window for each line of standard input instead, until it ends";

const NETWORKS: [(&str, &str); 5] = [
    ("mnist", include_str!("../../runtime/networks/mnist.toml")),
    ("cnn", include_str!("../../benches/networks/cnn.toml")),
    ("dense", include_str!("../../benches/networks/dense.toml")),
    ("lstm", include_str!("../../benches/networks/lstm.toml")),
    ("resnet20", include_str!("../../benches/networks/resnet20.toml")),
];

/// Steps of an epoch.
const STEPS: usize = 100;

struct Options {
    networks: Vec<&'static str>,
    phases: Vec<Phase>,
    /// Whether to train without SPNs.
    plain: bool,
    threads: Vec<usize>,
    batch: usize,
    windows: usize,
    seconds: f64,
    json: bool,
    stdin: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> std::result::Result<Options, String> {
        let mut options = Options {
            networks: NETWORKS.map(|(name, _)| name).into(),
            phases: vec![Phase::Full, Phase::Ternary, Phase::Frozen],
            plain: false,
            threads: vec![1, std::thread::available_parallelism().map_or(1, usize::from)],
            batch: 64,
            windows: 3,
            seconds: 1.0,
            json: false,
            stdin: false,
        };
        options.threads.dedup();
        while let Some(option) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{option} takes a value"));
            match option.as_str() {
                "--network" => options.networks = keep(&options.networks, &value()?)?,
                "--phase" => match value()?.as_str() {
                    "plain" => (options.phases, options.plain) = (vec![Phase::Full], true),
                    phase => options.phases = keep(&options.phases, phase)?,
                },
                "--threads" => options.threads = vec![number(&option, &value()?)?],
                "--batch" => options.batch = number(&option, &value()?)?,
                "--windows" => options.windows = number(&option, &value()?)?,
                "--seconds" => options.seconds = number(&option, &value()?)?,
                "--json" => options.json = true,
                "--stdin" => options.stdin = true,
                // Cargo's own.
                "--bench" => {}
                _ => return Err(format!("unknown option {option}")),
            }
        }
        Ok(options)
    }
}

/// The choice of that name alone.
fn keep<T: Copy + ToString>(choices: &[T], name: &str) -> std::result::Result<Vec<T>, String> {
    let names: Vec<_> = choices.iter().map(T::to_string).collect();
    let chosen = names.iter().position(|n| n == name);
    chosen
        .map(|i| vec![choices[i]])
        .ok_or_else(|| format!("`{name}` is none of {}", names.join(", ")))
}

fn number<T: FromStr>(option: &str, value: &str) -> std::result::Result<T, String> {
    value.parse().map_err(|_| format!("{option} takes a number, not `{value}`"))
}

/// The network, on a recipe that stays in one phase.
fn network(name: &str, phase: Phase, options: &Options) -> Result<Network> {
    let text = NETWORKS.iter().find(|(n, _)| *n == name).map_or("", |(_, text)| text);
    let mut network = Network::parse(name, text)?;
    network.train.batch = options.batch;
    network.train.full_precision = options.plain;
    network.train.validation = 0.0;
    for (p, recipe) in [
        (Phase::Full, &mut network.train.full),
        (Phase::Ternary, &mut network.train.ternary),
        (Phase::Frozen, &mut network.train.frozen),
    ] {
        recipe.epochs = if p == phase { 100_000 } else { 0 };
    }
    Ok(network)
}

fn noise(network: &Network) -> DataSet {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let (input, classes) = (&network.input, network.outputs());
    let mut split = |samples: usize| {
        let x = Array2::from_shape_simple_fn((samples, input.elements()), || {
            f32::from(rng.random::<u8>()) / 256.0
        });
        Split::of_classes(x.into(), (0..samples).map(|i| (i % classes) as u32).collect())
    };
    let (train, test) = (split(STEPS * network.train.batch), split(1));
    DataSet {
        name: "noise".into(),
        shape: input.shape.clone(),
        further: vec![],
        classes,
        class_names: None,
        notes: vec![],
        train,
        test,
    }
}

/// Samples a second of one step's matrix products alone, on one thread.
fn products(network: &Network) -> f64 {
    let mut shapes = Vec::new();
    for step in network.linear() {
        let Some(linear) = step.linear() else { continue };
        let (down, across) = if linear.dense { (1, 1) } else { linear.patches(step.output) };
        let rows = network.train.batch * down * across;
        let columns = linear.window().area() * step.input.channels;
        let (r, outputs) = (linear.r, linear.patch.area() * step.output.channels);
        let first = shapes.is_empty();
        shapes.extend([
            (rows, columns, r),
            (rows, r, outputs),
            (outputs, rows, r),
            (rows, outputs, r),
        ]);
        shapes.push((r, rows, columns));
        if !first {
            shapes.push((rows, r, columns));
        }
    }
    let matrix = |m, n| Array2::<f32>::from_elem((m, n), 0.5);
    let mut operands: Vec<_> =
        shapes.into_iter().map(|(m, k, n)| (matrix(m, k), matrix(k, n), matrix(m, n))).collect();
    speed(network, 1.0, || {
        for (a, b, c) in &mut operands {
            general_mat_mul(1.0, a, b, 0.0, c);
        }
        Ok(())
    })
    .unwrap_or(f64::NAN)
}

/// Samples a second of a step that is repeated for so long.
fn speed(network: &Network, seconds: f64, mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let (start, mut steps) = (Instant::now(), 0);
    while steps == 0 || start.elapsed().as_secs_f64() < seconds {
        step()?;
        steps += 1;
    }
    let samples = if network.is_of_sequences() {
        network.train.batch * network.train.window
    } else {
        network.train.batch
    };
    Ok((steps * samples) as f64 / start.elapsed().as_secs_f64())
}

/// Characters drawn at random.
fn noise_text(network: &Network) -> Result<Text> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let characters: Vec<char> = ('!'..).take(network.outputs()).collect();
    let mut draw = |n: usize| -> String {
        let drawn = (0..n).map(|_| characters[rng.random_range(0..characters.len())]);
        // Every character is there.
        characters.iter().copied().chain(drawn).collect()
    };
    let train = draw(STEPS * network.train.batch * network.train.window);
    Text::new("noise".into(), [&train, &draw(10), &draw(10)])
}

/// Calls `report` with the samples a second of each window.
fn measure(
    options: &Options,
    network: &Network,
    pool: &ThreadPool,
    report: impl FnMut(f64),
) -> Result<()> {
    if network.is_of_sequences() {
        let trainer = pool.install(|| {
            Trainer::<SequenceLearner>::begin(network, &noise_text(network)?, None, false)
        })?;
        return windows(options, network, pool, trainer, report);
    }
    let trainer =
        pool.install(|| Trainer::<ImageLearner>::begin(network, &noise(network), None, false))?;
    windows(options, network, pool, trainer, report)
}

fn windows<L: Learner>(
    options: &Options,
    network: &Network,
    pool: &ThreadPool,
    mut trainer: Trainer<L>,
    mut report: impl FnMut(f64),
) -> Result<()> {
    let mut window =
        |seconds| pool.install(|| speed(network, seconds, || trainer.step().map(|_| ())));
    window(options.seconds / 4.0)?;
    if options.stdin {
        std::io::stdin().lines().try_for_each(|_| window(options.seconds).map(&mut report))
    } else {
        (0..options.windows).try_for_each(|_| window(options.seconds).map(&mut report))
    }
}

fn run(options: &Options) -> Result<()> {
    for &name in &options.networks {
        let shape = network(name, Phase::Full, options)?;
        let products =
            if options.json || shape.is_of_sequences() { f64::NAN } else { products(&shape) };
        for &threads in &options.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.map_err(|e| strassenc_runtime::Error::internal("threads", e))?;
            for &phase in &options.phases {
                let network = network(name, phase, options)?;
                if network.is_of_sequences() && phase == Phase::Frozen {
                    continue;
                }
                let mut windows = Vec::new();
                measure(options, &network, &pool, |speed| {
                    if options.json {
                        println!(
                            "{}",
                            serde_json::json!({
                                "network": name,
                                "phase": phase.to_string(),
                                "threads": threads,
                                "batch": options.batch,
                                "samples_per_second": speed,
                            })
                        );
                    }
                    windows.push(speed);
                })?;
                windows.sort_by(f64::total_cmp);
                if let (false, Some(median)) = (options.json, windows.get(windows.len() / 2)) {
                    let (least, most) = (windows[0], windows[windows.len() - 1]);
                    println!(
                        "{name:<5} {threads} threads, {phase:<7} {median:>8.0} samples/s \
                         ({least:.0} to {most:.0}), {:.2} times its f32 products alone",
                        products / median
                    );
                }
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let fail = |message: String| {
        eprintln!("{message}");
        ExitCode::FAILURE
    };
    match Options::parse(std::env::args().skip(1)) {
        Err(message) => fail(format!("{message}\n{HELP}")),
        Ok(options) => run(&options).map_or_else(|e| fail(e.to_string()), |()| ExitCode::SUCCESS),
    }
}
