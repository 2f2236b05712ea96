//! `strassenc random`.

use super::choices::Choices;
use super::{INTERRUPTED, Overwrite, check_folder, home, output};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::build;
use strassenc::report::{table, thousands};
use strassenc_runtime::random::{self, Figures, Options, Stop};
use strassenc_runtime::train::CHECKPOINT;
use strassenc_runtime::{Error, Result, data, files, model_file, network};

/// A random model of a network, to see its hardware before any training
///
/// W_b, W_c and the coefficients are drawn; shifts, biases and formats are then chosen layer by layer on the integers that arrive
/// over a few images, so that every layer shows at least 16 different values and saturates at most a fifth of them. What it
/// computes means nothing; its widths, adders, ROMs and clocks are those of a trained model of the same densities.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc random resnet20                              into runs/resnet20-random
  strassenc random st-resnet18 --p 2 --density 0.5 -o r18
  strassenc random fashion-cnn --data fashion-mnist      calibrated on real images
  strassenc verilog runs/resnet20-random --target-fps 1000")]
pub struct Args {
    /// A network description: a .toml file, or the name of a ready one
    #[arg(value_name = "NET")]
    network: String,
    #[command(flatten)]
    choices: Choices,
    /// Share of nonzeros of W_b and W_c
    #[arg(long, value_name = "D", default_value_t = 0.6)]
    density: f64,
    /// Calibrate on this data set's test samples [default: seeded images of smooth blobs and noise]
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Images to calibrate on [default: 16, fewer of a large network]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Decides weights and images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The run folder [default: runs/NAME-random]
    #[arg(short, long, value_name = "RUN")]
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
    let (images, name) = match &args.data {
        Some(spec) => {
            let data = data::load(spec, &home::home()?)?;
            let integers = data::integers(&data.test.take(samples).x, network.input.format())?;
            (integers.outer_iter().map(|row| row.to_vec()).collect(), Some(data.name))
        }
        None => (random::images(&network.input.shape, network.input.format(), samples, args.seed), None),
    };
    let folder = args.output.unwrap_or_else(|| Path::new("runs").join(format!("{}-random", network.name)));
    let file = folder.join(build::MODEL);
    check_folder(&folder)?;
    if folder.join(CHECKPOINT).exists() {
        let cause = "holds a training run, so it is left alone";
        return Err(Error::io(&folder, cause).help("name another folder with -o"));
    }
    args.overwrite.check(&file)?;
    let style = ProgressStyle::with_template("{prefix:11} {bar:30} {percent:>3} % {msg} {elapsed}")
        .map_err(|e| Error::internal("progress", e))?;
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
    files::write(&file, &model_file::to_bytes(&made.model)?)?;
    let dull = made.layers.iter().filter(|layer| !layer.is_lively()).map(|layer| layer.name.as_str()).collect();
    let seconds = began.elapsed().as_secs_f64();
    let report = Report { run: &folder, seconds, samples, dull, layers: &made.layers };
    if args.json {
        output::json(&report)?;
    } else {
        output::line(text(&report))?;
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let mut table = table(&["layer", "output", "r", "density b/c", "format", "values", "saturated", "above 0"]);
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
            percent(layer.positive),
        ]);
    }
    let lively = match report.dull.as_slice() {
        [] => "every layer shows at least 16 values and saturates at most 20 % of them".into(),
        dull => format!("fewer than 16 values or more than 20 % saturated: {}", dull.join(", ")),
    };
    format!("{table}\n\n{} images: {lively}\n{} in {:.1} s", report.samples, report.run.display(), report.seconds)
}
