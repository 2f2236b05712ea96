//! The command `strassenc random`.

use super::choices::Choices;
use super::{INTERRUPTED, Overwrite, data, home, numbers, output};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::build;
use strassenc::progress::style;
use strassenc::report::{table, thousands};
use strassenc_runtime::data::{absolute, text};
use strassenc_runtime::lock::Lock;
use strassenc_runtime::network::Network;
use strassenc_runtime::random::{self, Figures, Options, Random, Stop};
use strassenc_runtime::{Result, files, model_file, network};

/// A random model of a network, to see its hardware before any training
///
/// W_b, W_c and the coefficients are drawn; shifts, biases and formats are then chosen layer by
/// layer on the integers that arrive over a few images, so that every layer shows at least 16
/// different values and saturates at most a fifth of them. What it computes means nothing; its
/// widths, adders, ROMs and clocks are those of a trained model of the same densities.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc random resnet20                              into runs/resnet20-random
  strassenc random st-resnet18 --p 2 --density 0.5 -o r18
  strassenc random fashion-cnn --data fashion-mnist      calibrated on real images
  strassenc random austen --data austen                  on the first symbols of a text
  strassenc verilog runs/resnet20-random --target-fps 1000")]
pub struct Args {
    /// A network description: a .toml file, or the name of a ready one
    #[arg(value_name = "NET")]
    network: String,
    #[command(flatten)]
    choices: Choices,
    /// Share of nonzeros of W_b and W_c
    #[arg(
        long,
        value_name = "D",
        default_value_t = 0.6,
        value_parser = |s: &str| numbers::real(s, 1e-6..=1.0),
    )]
    density: f64,
    /// Calibrate on this data set's test samples [default: seeded images of smooth blobs and noise]
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Images to calibrate on [default: 16, fewer of a large network], or symbols of a sequence
    /// [default: 512]
    #[arg(long, value_name = "N", value_parser = numbers::count(1..=100_000))]
    samples: Option<usize>,
    /// Decides weights and images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The run folder [default: runs/NAME-random]
    #[arg(short, long, value_name = "RUN", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    seconds: f64,
    samples: usize,
    /// Layers that show fewer values than aimed at, or saturate more.
    dull: Vec<&'a str>,
    layers: &'a [Figures],
}

pub fn run(args: Args) -> Result<()> {
    let mut network = network::find(&args.network)?;
    args.choices.apply(&mut network)?;
    let began = Instant::now();
    let samples = args.samples.unwrap_or_else(|| random::samples(&network));
    if network.is_of_sequences() {
        return sequence(&args, network, samples, began);
    }
    let (images, name): (Vec<Vec<i64>>, _) = match &args.data {
        Some(spec) => {
            let data = data::load(&network, spec)?;
            network.train.data = Some(absolute(spec)?);
            data.check_shape(
                &network.input.shape,
                &network.inputs()[1..],
                &format!("set `shape = {:?}` under `input`", data.shape),
            )?;
            let integers = data.test.take(samples).x.integers(&network.columns())?;
            (integers.outer_iter().map(|row| row.to_vec()).collect(), Some(data.name))
        }
        None => {
            numbers::check_vectors("--samples", samples, network.elements())?;
            (random::images(&network.inputs(), samples, args.seed), None)
        }
    };
    let (folder, _lock) = folder(&args, &network)?;
    let style = style("{prefix:11} {bar:30} {percent:>3} % {msg} {elapsed}");
    let bar = ProgressBar::new(1000).with_style(style).with_prefix("calibrating");
    bar.enable_steady_tick(Duration::from_millis(200));
    let progress = |layer: &str, share: f64| {
        bar.set_position((1000.0 * share) as u64);
        bar.set_message(layer.to_string());
    };
    let options = Options { density: args.density, seed: args.seed, data: name };
    let stop = || INTERRUPTED.load(Ordering::Relaxed);
    let made = random::random(&network, &images, &options, &progress, Stop(&stop));
    bar.finish_and_clear();
    let made = made?;
    write(&args, &folder, &made, images.len(), began)
}

/// Does as [`run`] for a network over sequences: on the symbols of a text, or on drawn ones.
fn sequence(args: &Args, mut network: Network, samples: usize, began: Instant) -> Result<()> {
    let text = match &args.data {
        Some(spec) => {
            let text = text::load(spec, &home::home()?)?;
            network.train.data = Some(absolute(spec)?);
            Some(if network.is_of_words() { text.of_words(network.outputs())? } else { text })
        }
        None => None,
    };
    let (folder, _lock) = folder(args, &network)?;
    let name = text.as_ref().map(|text| text.name.clone());
    let options = Options { density: args.density, seed: args.seed, data: name };
    let made = random::random_sequence(&network, text.as_ref(), samples, &options)?;
    write(args, &folder, &made, made.outputs.len(), began)
}

/// The run folder, which no other command writes as long as the lock lives.
fn folder(args: &Args, network: &Network) -> Result<(PathBuf, Lock)> {
    let named = || Path::new("runs").join(format!("{}-random", network.name));
    let folder = args.output.clone().unwrap_or_else(named);
    let lock = Lock::folder(&folder)?;
    files::check_ours(&folder, &[build::MODEL])?;
    args.overwrite.check(&folder.join(build::MODEL))?;
    Ok((folder, lock))
}

fn write(args: &Args, folder: &Path, made: &Random, samples: usize, began: Instant) -> Result<()> {
    files::write(&folder.join(build::MODEL), &model_file::to_bytes(&made.model)?)?;
    let dull = made
        .layers
        .iter()
        .filter(|layer| !layer.is_lively())
        .map(|layer| layer.name.as_str())
        .collect();
    let seconds = began.elapsed().as_secs_f64();
    let report = Report { run: folder, seconds, samples, dull, layers: &made.layers };
    if args.json {
        output::json(&report)?;
    } else {
        output::line(text(&report))?;
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let mut table =
        table(&["layer", "output", "r", "density\nb/c", "format", "values", "satu-\nrated"]);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    for layer in report.layers {
        let density = |d: Option<f64>| d.map_or_else(|| "-".into(), |d| format!("{d:.2}"));
        let output: Vec<String> = layer.output.iter().map(ToString::to_string).collect();
        table.add_row([
            layer.name.clone(),
            output.join("×"),
            layer.r.map(|r| r.to_string()).unwrap_or_default(),
            format!("{} {}", density(layer.density_b), density(layer.density_c)),
            layer.format.map_or_else(|| "raw".into(), |f| f.to_string()),
            thousands(layer.distinct),
            layer.saturated.map(percent).unwrap_or_default(),
        ]);
    }
    let lively = match report.dull.as_slice() {
        [] => "every layer shows 16 values or more and saturates at most 20 %".into(),
        dull => format!("fewer than 16 values or more than 20 % saturated: {}", dull.join(", ")),
    };
    format!(
        "{table}\n\n{} samples: {lively}\n{} in {:.1} s",
        report.samples,
        report.run.display(),
        report.seconds
    )
}
