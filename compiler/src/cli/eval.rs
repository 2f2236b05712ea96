//! `strassenc eval`.

pub(super) mod text;

use super::{INTERRUPTED, Overwrite, check_folder, home, output, verilog};
use comfy_table::{CellAlignment, Table, presets};
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use strassenc::build;
use strassenc::tools::Tools;
use strassenc_runtime::data::{self, DataSet, npy};
use strassenc_runtime::train::{self, Checkpoint};
use strassenc_runtime::{Error, Kind, Model, Result, files, golden, model_file, onnx};

/// Accuracy of golden and float, side by side
///
/// Runs the test split through the integer network (golden, the reference that the hardware equals bit for bit), through the
/// same network fake-quantised in f64, whose outputs must be golden's, and through the float network of the training run where
/// its checkpoint lies beside the model.
///
/// Of a language model: bits per character, beside those of a smoothed 5-gram of the same training text, and how far float and
/// integers drift apart in a long sequence.
///
/// Exit status: 1 where the fake-quantised outputs differ from golden's.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc eval runs/digits                       on the data it was trained on
  strassenc eval model.safetensors --data mnist --samples 1000
  strassenc eval runs/austen                       a language model: bits per character
  strassenc eval runs/mnist --data mnist:FOLDER --json
  strassenc eval runs/mnist --vectors FOLDER       and keep what another program can check")]
pub struct Args {
    /// A model file, or a folder that holds model.safetensors
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The data set, as below [default: the one the model was trained on]
    #[arg(long, value_name = "SPEC", long_help = long_help())]
    data: Option<String>,
    /// Only the first N samples of the test split
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Write inputs.npy, outputs.npy and labels.npy (int64, a row a sample) and, for a network of
    /// vectors, model.onnx into this folder
    #[arg(long, value_name = "FOLDER")]
    vectors: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn long_help() -> String {
    format!("The data set [default: the one the model was trained on]\n\n{}", data::GRAMMAR)
}

/// What was measured; accuracies are within 0..=1.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    name: String,
    sha256: String,
    data: String,
    samples: usize,
    golden: Accuracy,
    fake_quantised: FakeQuantised,
    /// None where there is neither a checkpoint nor a recorded figure.
    float: Option<Float>,
    /// The share of input elements that saturate in the input format.
    saturated_inputs: f64,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Accuracy {
    correct: usize,
    pub accuracy: f64,
}

#[derive(Serialize)]
struct FakeQuantised {
    #[serde(flatten)]
    accuracy: Accuracy,
    /// Outputs that differ from golden's.
    differing: usize,
}

#[derive(Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
enum Float {
    /// Computed now, on the same samples.
    Checkpoint(Accuracy),
    /// Measured by the trainer on its whole test split.
    Provenance { accuracy: f64 },
}

/// What `--vectors` writes, first the arrays.
const VECTORS: [&str; 3] = ["inputs.npy", "outputs.npy", "labels.npy"];
const ONNX: &str = "model.onnx";

/// Fails where the folder holds vectors that may not be replaced, or anything else.
fn check_vectors(folder: &Path, overwrite: &Overwrite) -> Result<()> {
    check_folder(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    let entries = folder.read_dir().map_err(|e| Error::io(folder, format_args!("cannot be read: {e}")))?;
    let mut names = entries.flatten().map(|entry| entry.file_name());
    if let Some(name) = names.find(|name| !VECTORS.iter().chain([&ONNX]).any(|ours| name == ours)) {
        let cause = format_args!("holds {}, so it is left alone", name.display());
        return Err(Error::io(folder, cause).help("name another folder"));
    }
    [&VECTORS[..], &[ONNX]].concat().iter().try_for_each(|name| overwrite.check(&folder.join(name)))
}

pub fn run(args: Args) -> Result<()> {
    if args.samples == Some(0) {
        return Err(Error::input("--samples", "0 samples have no accuracy").help("give at least 1"));
    }
    let model = verilog::load(&args.model)?;
    if let Some(folder) = &args.vectors {
        check_vectors(folder, &args.overwrite)?;
    }
    if model.provenance.alphabet.is_some() {
        return text::run(args, &model);
    }
    let path = if args.model.is_dir() { args.model.join(build::MODEL) } else { args.model };
    let tools = home::tools()?;
    let data = load_data(&model, args.data.as_deref(), tools.home())?;
    data.check_fits(&model)?;
    let split = data.test.take(args.samples.unwrap_or(usize::MAX));
    let inputs = data::integers(&split.x, model.input.format)?;
    let outputs = golden_outputs(&model, inputs.view(), &tools)?;

    let reals = train::fake_quantised(&model, split.x.mapv(f64::from).view())?;
    let fake = reals.mapv(|y| y * f64::powi(2.0, model.output_frac()));
    let differing = fake.iter().zip(&outputs).filter(|(y, z)| **y != **z as f64).count();
    tools.check_interrupted()?;

    let report = Report {
        name: model.name.clone(),
        sha256: model_file::sha256(&model)?,
        data: data.name.clone(),
        samples: split.len(),
        golden: accuracy(outputs.view(), &split.labels),
        fake_quantised: FakeQuantised { accuracy: accuracy(fake.view(), &split.labels), differing },
        float: float(&model, &path, &split),
        saturated_inputs: saturated(&split.x, &model),
        model: path,
    };
    if let Some(folder) = &args.vectors {
        let labels: Array1<i64> = split.labels.iter().map(|l| i64::from(*l)).collect();
        let arrays = [npy::to_bytes(&inputs), npy::to_bytes(&outputs), npy::to_bytes(&labels)];
        let mut all: Vec<_> = VECTORS.into_iter().zip(arrays).collect();
        if model.spns().is_ok() {
            all.push((ONNX, onnx::to_bytes(&model)?));
        } else {
            output::note("model.onnx is not written: a network of images cannot be exported to ONNX yet");
        }
        let named = all.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        files::write_folder(folder, named, |_| Ok(()), |folder| check_vectors(folder, &args.overwrite))?;
    }
    if args.json {
        output::json(&report)?;
    } else {
        output::line(render(&report))?;
    }
    if report.saturated_inputs > 0.01 {
        output::note(format_args!(
            "warning: {:.1} % of the input values lie outside the input format {} and saturate: is this the right data?",
            100.0 * report.saturated_inputs,
            model.input.format
        ));
    }
    if differing > 0 {
        let total = outputs.len();
        return Err(Error::mismatch(
            "fake-quantised",
            format_args!("{differing} of {total} outputs differ from golden's"),
        ));
    }
    Ok(())
}

/// The data set of the option, or the one that the model was trained on.
pub(super) fn load_data(model: &Model, spec: Option<&str>, home: &Path) -> Result<DataSet> {
    let spec = spec.or(model.provenance.data.as_deref().and_then(data::spec_of)).ok_or_else(|| {
        let trained = match &model.provenance.data {
            Some(name) => format!("the model was trained on `{name}`, which is no installed set"),
            None => "the model does not say what it was trained on".into(),
        };
        Error::input("--data", format_args!("is needed: {trained}")).help(data::GRAMMAR)
    })?;
    data::load(spec, home)
}

/// Golden's outputs, `[samples, n_out]`, for `inputs`, `[samples, elements]`, on all cores.
pub(super) fn golden_outputs(model: &Model, inputs: ArrayView2<i64>, tools: &Tools) -> Result<Array2<i64>> {
    let bar = tools.bar("golden", inputs.nrows() as u64, "samples");
    let mut outputs = Array2::zeros((inputs.nrows(), model.outputs()));
    let rows: Vec<_> = outputs.outer_iter_mut().zip(inputs.outer_iter()).collect();
    let result = rows.into_par_iter().try_for_each(|(mut z, x)| {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "eval", "interrupted by the user"));
        }
        z.assign(&Array1::from(golden::infer(model, &x.to_vec())?));
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    result.map(|()| outputs)
}

/// The float network's accuracy: from the checkpoint beside the model, else as the trainer recorded it.
fn float(model: &Model, path: &Path, split: &data::Split) -> Option<Float> {
    let checkpoint = path.with_file_name("checkpoint.safetensors");
    if checkpoint.is_file() {
        match Checkpoint::load(&checkpoint).and_then(|c| c.float_outputs(split.x.view())) {
            Ok(y) => return Some(Float::Checkpoint(accuracy(y.view(), &split.labels))),
            Err(e) => output::note(format_args!("warning: the float network is left out\n{e}")),
        }
    }
    model.provenance.metrics.get("test_accuracy_float").map(|accuracy| Float::Provenance { accuracy: *accuracy })
}

/// Accuracy of outputs `[samples, n_out]`; the first of equal outputs counts.
pub(super) fn accuracy<T: PartialOrd>(outputs: ArrayView2<T>, labels: &[u32]) -> Accuracy {
    let right = outputs.outer_iter().zip(labels).filter(|(y, label)| {
        let mut best = 0;
        for (i, v) in y.iter().enumerate() {
            if *v > y[best] {
                best = i;
            }
        }
        best == **label as usize
    });
    let correct = right.count();
    Accuracy { correct, accuracy: correct as f64 / labels.len() as f64 }
}

/// The share of values beyond the input format by half a step or more.
fn saturated(x: &Array2<f32>, model: &Model) -> f64 {
    let format = model.input.format;
    let scale = f64::powi(2.0, format.frac);
    let (low, high) = (format.min() as f64 - 0.5, format.max() as f64 + 0.5);
    let out = x.iter().filter(|v| !(low..high).contains(&(f64::from(**v) * scale))).count();
    out as f64 / x.len() as f64
}

fn render(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["network", "correct", "accuracy", ""]);
    let percent = |accuracy: f64| format!("{:.2} %", 100.0 * accuracy);
    let mut row = |name: &str, a: Accuracy, remark: String| {
        table.add_row([name.into(), format!("{}/{}", a.correct, report.samples), percent(a.accuracy), remark]);
    };
    let agreement = match report.fake_quantised.differing {
        0 => "every output is golden's".into(),
        n => format!("{n} outputs DIFFER from golden's"),
    };
    row("integer (golden)", report.golden, String::new());
    row("fake-quantised, f64", report.fake_quantised.accuracy, agreement);
    match &report.float {
        Some(Float::Checkpoint(a)) => {
            let points = 100.0 * (report.golden.accuracy - a.accuracy);
            row("float", *a, format!("integer {points:+.2} points"));
        }
        Some(Float::Provenance { accuracy }) => {
            table.add_row(["float", "", &percent(*accuracy), "as recorded in training"]);
        }
        None => {}
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let Report { name, data, samples, .. } = report;
    let hash = &report.sha256[..12];
    format!("{name} (sha256 {hash}…) on {samples} test samples of {data}\n{table}")
}
