//! The command `strassenc eval`.

pub(super) mod text;

use super::data::{self, Origin};
use super::{INTERRUPTED, Overwrite, home, numbers, output, verilog};
use comfy_table::{CellAlignment, Table, presets};
use ndarray::{Array1, Array2, ArrayView2, s};
use serde::Serialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use strassenc::build;
use strassenc::tools::Tools;
use strassenc_runtime::data::{DataSet, Split, npy};
use strassenc_runtime::error::significant;
use strassenc_runtime::format::Format;
use strassenc_runtime::network::{Measure, Recipe, Task};
use strassenc_runtime::train::{
    self, CHECKPOINT, Confusion, ImageCheckpoint, Measures, SequenceCheckpoint,
};
use strassenc_runtime::{
    Columns, Error, Kind, Model, Result, Shape, files, golden, model_file, onnx,
};

/// Accuracy of golden and float, side by side
///
/// Runs the test split through the integer network (golden, the reference that the hardware equals
/// bit for bit), through the same network fake-quantised in f64, whose outputs must be golden's,
/// and through the float network of the training run where its checkpoint lies beside the model.
///
/// A language model is measured in bits per character, beside those of a smoothed 5-gram of the
/// same training text, and by how far float and integers drift apart in a long sequence.
///
/// A run in full precision has no integers: only the accuracy of the float network is measured.
///
/// Exit status: 1 where the fake-quantised outputs differ from golden's.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc eval runs/digits                       on the data it was trained on
  strassenc eval model.safetensors --data mnist --samples 1000
  strassenc eval runs/digits --confusion           and which classes are taken for which
  strassenc eval runs/digits --svg confusion.svg   that as a picture
  strassenc eval runs/austen                       a language model: bits per character
  strassenc eval runs/mnist --data mnist:FOLDER --json
  strassenc eval runs/mnist --vectors FOLDER       and keep what another program can check")]
pub struct Args {
    /// A model file, or a folder that holds model.safetensors
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The data set, as below [default: the one the model was trained on]
    #[arg(long, value_name = "SPEC", long_help = data::long_help())]
    data: Option<String>,
    /// Only the first N samples of the test split; of a text, only that many characters or words
    #[arg(long, value_name = "N", value_parser = numbers::count(1..=1_000_000_000))]
    samples: Option<usize>,
    /// Write inputs.npy, outputs.npy and labels.npy (int64, a row a sample; of a regression
    /// targets.npy, float64) and model.onnx into this folder; of a text a row a symbol, the first
    /// 2,000 at most, which are one sequence
    #[arg(long, value_name = "FOLDER", value_parser = super::written_folder())]
    vectors: Option<PathBuf>,
    /// Print how well each class is told, and which one it is most often taken for; of the last
    /// layer and of each head that tells one class of a sample
    #[arg(long)]
    confusion: bool,
    /// Draw the confusion matrix of the integer network, or of one in full precision; of the last
    /// layer, or else of the first head that tells one class of a sample
    #[arg(long, value_name = "FILE", value_parser = super::written())]
    svg: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    name: String,
    /// The hash of the model; a run in full precision has none, nor anything else about integers.
    sha256: Option<String>,
    data: String,
    samples: usize,
    /// What the network is judged by.
    measure: Measure,
    #[serde(flatten)]
    figures: Figures,
    /// The heads, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    heads: Vec<Head>,
    /// The share of input elements that saturate in the input format.
    saturated_inputs: f64,
}

/// How one output does.
#[derive(Serialize)]
struct Figures {
    golden: Option<Measures>,
    fake_quantised: Option<FakeQuantised>,
    /// The float network's figures; none where there is neither a checkpoint nor a recorded figure.
    float: Option<Float>,
    /// Of the integers, or of a run in full precision; none where samples have no one class.
    confusion: Option<Confusion>,
}

/// How a head does.
#[derive(Serialize)]
struct Head {
    name: String,
    measure: Measure,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Copy, Serialize)]
struct FakeQuantised {
    #[serde(flatten)]
    measures: Measures,
    /// Outputs that differ from golden's.
    differing: usize,
}

#[derive(Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
enum Float {
    /// Computed now, on the same samples.
    Checkpoint(Measures),
    /// Measured by the trainer on its whole test split.
    Provenance {
        #[serde(rename = "accuracy")]
        judged: f64,
    },
}

/// What `--vectors` writes: labels or targets.
const INPUTS: &str = "inputs.npy";
const OUTPUTS: &str = "outputs.npy";
const LABELS: &str = "labels.npy";
const TARGETS: &str = "targets.npy";
const ONNX: &str = "model.onnx";

/// Fails where the folder holds vectors that may not be replaced, or anything else.
fn check_vectors(folder: &Path, overwrite: &Overwrite) -> Result<()> {
    let ours = [INPUTS, OUTPUTS, LABELS, TARGETS, ONNX];
    files::check_ours(folder, &ours)?;
    ours.iter().try_for_each(|name| overwrite.check(&folder.join(name)))
}

pub fn run(args: Args) -> Result<()> {
    args.overwrite.check_all(&[("--svg", args.svg.as_deref())])?;
    let asked = Asked { json: args.json, confusion: args.confusion, svg: args.svg.clone() };
    if let Some(checkpoint) = full_precision(&args.model) {
        return run_full_precision(args, &checkpoint, &asked);
    }
    let model = verilog::load(&args.model)?;
    if let Some(folder) = &args.vectors {
        check_vectors(folder, &args.overwrite)?;
    }
    if model.provenance.alphabet.is_some() {
        asked.check(&[])?;
        return text::run(args, Some(&model));
    }
    let recipe = model.provenance.recipe();
    let streams = streams_of(&model, &recipe);
    asked.check(&streams)?;
    let path = if args.model.is_dir() { args.model.join(build::MODEL) } else { args.model };
    let tools = home::tools()?;
    let data = data::of_model(&model, args.data.as_deref())?;
    let split = data.test.take(args.samples.unwrap_or(usize::MAX));
    let steps = data.steps(&model);
    if steps > 1 && args.vectors.is_some() {
        let cause = "writes one sequence, and here every sample is one";
        return Err(Error::input("--vectors", cause).help("take the model of whole signals"));
    }
    let inputs = in_steps(split.x.integers(&data.columns(&model))?, steps)?;
    let outputs = golden_outputs(&model, inputs.view(), sequence_of(steps, &inputs), &tools)?;
    // What is due is known at the end of a sample.
    let outputs = outputs.slice_move(s![steps - 1..; steps, ..]);

    if let Some(head) = streams.get(1 + split.heads.len()).and_then(|output| output.head.as_ref()) {
        let cause = format!("says nothing that is due of head `{head}`");
        return Err(Error::input(format_args!("data set `{}`", data.name), cause).help(
            "a model that was trained here knows what its heads are trained to; of others \
             `strassenc check` compares all outputs in hardware with the integer reference",
        ));
    }
    let reals = (steps == 1)
        .then(|| train::fake_quantised(&model, split.x.doubles().view()))
        .transpose()?;
    tools.check_interrupted()?;
    let float = float_outputs(&path, &split, outputs.ncols());
    let figures = |output: &Stream, k: usize| {
        let Stream { columns, unit, task, .. } = output;
        let own = s![.., columns.clone()];
        let z = outputs.slice(own);
        let due = split.due(k);
        let fake_quantised = reals.as_ref().map(|reals| {
            let y = reals.slice(own);
            let differing = y.iter().zip(&z).filter(|(y, z)| **y != **z as f64 * unit).count();
            FakeQuantised { measures: Measures::of(task, y, |v| v, due), differing }
        });
        let of_float = float.as_ref().map(|y| y.slice(own));
        Figures {
            golden: Some(Measures::of(task, z, |v| v as f64 * unit, due)),
            fake_quantised,
            float: match of_float {
                Some(y) => Some(Float::Checkpoint(Measures::of(task, y, f64::from, due))),
                None => recorded(&model, output),
            },
            confusion: confusion(task, z, due.0, class_names(&data, k)),
        }
    };
    let (figures, heads) = of_each(&streams, figures);
    let all = std::iter::once(&figures).chain(heads.iter().map(|head| &head.figures));
    let differing: usize = all.flat_map(|of| &of.fake_quantised).map(|fake| fake.differing).sum();
    let (worst, column) = saturated(&split, &data.columns(&model));
    let report = Report {
        name: model.name.clone(),
        sha256: Some(model_file::sha256(&model)?),
        data: data.name.clone(),
        samples: split.len(),
        measure: recipe.loss.measure(),
        figures,
        heads,
        saturated_inputs: worst,
        model: path,
    };
    if let Some(folder) = &args.vectors {
        write_vectors(folder, &model, [&inputs, &outputs], &split, &args.overwrite)?;
    }
    show(&report, &asked)?;
    if report.saturated_inputs > 0.01 {
        let inputs = model.inputs();
        let (name, edge) = &inputs[column % inputs.len()];
        let of = name.map_or(String::new(), |name| format!(" of `{name}`"));
        output::note(format_args!(
            "warning: {:.1} % of the input values{of} lie outside the input format {} and \
             saturate: is this the right data?",
            100.0 * report.saturated_inputs,
            edge.format
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

/// The checkpoint of a finished run in full precision, which has no integer model.
fn full_precision(run: &Path) -> Option<PathBuf> {
    let path = run.join(CHECKPOINT);
    if run.join(build::MODEL).is_file() || !path.is_file() {
        return None;
    }
    let vectors =
        ImageCheckpoint::load(&path).is_ok_and(|c| c.is_done() && c.network.train.full_precision);
    let is_text = || {
        SequenceCheckpoint::load(&path).is_ok_and(|c| c.is_done() && c.network.train.full_precision)
    };
    (vectors || is_text()).then_some(path)
}

fn run_full_precision(args: Args, path: &Path, asked: &Asked) -> Result<()> {
    if let Some(folder) = &args.vectors {
        let cause =
            format!("{}: a run in full precision has no integers to write", folder.display());
        return Err(Error::input("--vectors", cause).help("leave --vectors away"));
    }
    let Ok(checkpoint) = ImageCheckpoint::load(path) else {
        asked.check(&[])?;
        return text::run(args, None);
    };
    let network = &checkpoint.network;
    let heads = network.heads().into_iter().map(|(name, n)| (Some(name), n, 0));
    let streams = std::iter::once((None, network.outputs(), 0)).chain(heads);
    let streams = with_tasks(streams, &network.train);
    asked.check(&streams)?;
    let origin = Origin::new(Some(checkpoint.data_name()), Some(network));
    let data = data::of_origin(args.data.as_deref(), &origin)?;
    data.check_shape(&network.input.shape, &network.inputs()[1..], "give samples of that shape")?;
    let split = data.test.take(args.samples.unwrap_or(usize::MAX));
    let outputs = checkpoint.float_outputs(split.x.singles().view())?;
    let (figures, heads) = of_each(&streams, |output, k| {
        let own = outputs.slice(s![.., output.columns.clone()]);
        let due = split.due(k);
        let measures = Measures::of(&output.task, own, f64::from, due);
        Figures {
            golden: None,
            fake_quantised: None,
            float: Some(Float::Checkpoint(measures)),
            confusion: confusion(&output.task, own, due.0, class_names(&data, k)),
        }
    });
    let report = Report {
        name: network.name.clone(),
        sha256: None,
        data: data.name.clone(),
        samples: split.len(),
        measure: network.train.loss.measure(),
        figures,
        heads,
        saturated_inputs: saturated(&split, &network.columns()).0,
        model: args.model,
    };
    show(&report, asked)
}

/// One of the outputs of a network, as [`Model::streams`] has them.
struct Stream {
    /// The name of the head that it is, if it is one.
    head: Option<String>,
    /// Its columns among all outputs.
    columns: Range<usize>,
    /// The real value of an integer of 1.
    unit: f64,
    task: Task,
}

/// The outputs of a network: of each the name, how many columns it has, and its frac.
fn with_tasks(
    streams: impl Iterator<Item = (Option<String>, usize, i32)>,
    recipe: &Recipe,
) -> Vec<Stream> {
    let mut at = 0;
    let of = |(head, columns, frac): (Option<String>, usize, i32)| {
        let task = recipe.task(head.as_deref());
        let columns = at..at + columns;
        at = columns.end;
        Stream { head, columns, unit: f64::powi(2.0, -frac), task }
    };
    streams.map(of).collect()
}

/// Those of a model.
fn streams_of(model: &Model, recipe: &Recipe) -> Vec<Stream> {
    let streams = model.streams().into_iter();
    let of = |(head, shape, format): (Option<&str>, Shape, Format)| {
        (head.map(str::to_owned), shape.elements(), format.frac)
    };
    with_tasks(streams.map(of), recipe)
}

/// The largest share of saturated values of one format, and which one that is.
fn saturated(split: &Split, columns: &Columns) -> (f64, usize) {
    let shares = split.x.saturated(columns).into_iter().zip(0..);
    shares.fold((0.0, 0), |worst, own| if own.0 > worst.0 { own } else { worst })
}

/// The figures of the last layer, and of each head; `figures` is told the place of an output.
fn of_each(all: &[Stream], figures: impl Fn(&Stream, usize) -> Figures) -> (Figures, Vec<Head>) {
    let heads = all.iter().enumerate().skip(1).map(|(k, output)| Head {
        name: output.head.clone().unwrap_or_default(),
        measure: output.task.loss.measure(),
        figures: figures(output, k),
    });
    (figures(&all[0], 0), heads.collect())
}

/// The confusion matrix of outputs `[samples, classes]`, where samples have one class each.
fn confusion<T: Copy + PartialOrd>(
    task: &Task,
    outputs: ArrayView2<T>,
    labels: &[u32],
    names: Option<&[String]>,
) -> Option<Confusion> {
    let classes = || Confusion::of(outputs, labels, names);
    (task.loss.measure() == Measure::Accuracy).then(classes)
}

/// The names of the classes of an output, of which data have those of the last layer.
fn class_names(data: &DataSet, output: usize) -> Option<&[String]> {
    data.class_names.as_deref().filter(|_| output == 0)
}

/// How the report is shown.
struct Asked {
    json: bool,
    confusion: bool,
    svg: Option<PathBuf>,
}

impl Asked {
    /// Fails where classes are asked for of a network of which no output tells one class of a
    /// sample.
    fn check(&self, streams: &[Stream]) -> Result<()> {
        let tells = |stream: &Stream| stream.task.loss.measure() == Measure::Accuracy;
        let options = [(self.confusion, "--confusion"), (self.svg.is_some(), "--svg")];
        match options.into_iter().find(|(given, _)| *given) {
            Some((_, option)) if !streams.iter().any(tells) => {
                let cause = "is about networks that tell one class of a sample";
                Err(Error::input(option, cause).help("leave it out"))
            }
            _ => Ok(()),
        }
    }
}

fn show(report: &Report, asked: &Asked) -> Result<()> {
    let heads = report.heads.iter().map(|head| (Some(&head.name), &head.figures));
    let all = std::iter::once((None, &report.figures)).chain(heads);
    let told_of: Vec<_> =
        all.filter_map(|(head, of)| Some((head, of.confusion.as_ref()?))).collect();
    if let (Some(path), Some((_, confusion))) = (&asked.svg, told_of.first()) {
        files::write(path, confusion.svg()?.as_bytes())?;
    }
    if asked.json {
        return output::json(report);
    }
    output::line(render(report))?;
    for (head, confusion) in told_of.into_iter().filter(|_| asked.confusion) {
        if let Some(head) = head {
            output::line(format_args!("\nhead {head}"))?;
        }
        output::line(told(confusion))?;
    }
    asked.svg.iter().try_for_each(|path| output::line(path.display()))
}

/// A row for each class.
fn told(confusion: &Confusion) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["class", "samples", "recall", "precision", "most often taken for"]);
    let percent =
        |share: Option<f64>| share.map_or("none".into(), |s| format!("{:.2} %", 100.0 * s));
    for (name, told) in confusion.classes.iter().zip(confusion.told()) {
        let other = |(class, n): (usize, usize)| format!("{} ({n})", confusion.classes[class]);
        let other = told.taken_for.map(other).unwrap_or_default();
        let (recall, precision) = (percent(told.recall), percent(told.precision));
        table.add_row([name.clone(), told.samples.to_string(), recall, precision, other]);
    }
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("\n{table}")
}

/// Writes what another program can check, all or nothing: inputs and outputs, `[samples, elements]`
/// and `[samples, n_out]`, `[samples]` labels, and the model.
fn write_vectors(
    folder: &Path,
    model: &Model,
    [inputs, outputs]: [&Array2<i64>; 2],
    split: &Split,
    overwrite: &Overwrite,
) -> Result<()> {
    let labels: Array1<i64> = split.labels.iter().map(|l| i64::from(*l)).collect();
    let due = match &split.targets {
        Some(targets) => (TARGETS, npy::to_bytes_of_reals(targets)),
        None => (LABELS, npy::to_bytes(&labels)),
    };
    let (inputs, outputs, onnx) =
        (npy::to_bytes(inputs), npy::to_bytes(outputs), onnx::to_bytes(model)?);
    let files = [(INPUTS, &inputs), (OUTPUTS, &outputs), (due.0, &due.1), (ONNX, &onnx)];
    let files = files.into_iter().map(|(name, bytes)| (name, bytes.as_slice()));
    files::write_folder(folder, files, |_| Ok(()), |folder| check_vectors(folder, overwrite))
}

/// Samples, `[samples, steps · elements]`, step by step: `[samples · steps, elements]`.
pub(super) fn in_steps(samples: Array2<i64>, steps: usize) -> Result<Array2<i64>> {
    let shape = (samples.nrows() * steps, samples.ncols() / steps);
    samples.into_shape_with_order(shape).map_err(|e| Error::internal("data, steps", e))
}

/// The inputs of a sequence, where samples have so many steps: those of a single one are one
/// sequence together.
pub(super) fn sequence_of(steps: usize, inputs: &Array2<i64>) -> usize {
    if steps > 1 { steps } else { inputs.nrows() }
}

/// [Golden's outputs](golden::sequences), with progress and Ctrl-C; `length` inputs of a recurrent
/// network are a sequence.
///
/// # Errors
/// As there, and where the user interrupts.
pub fn golden_outputs(
    model: &Model,
    inputs: ArrayView2<i64>,
    length: usize,
    tools: &Tools,
) -> Result<Array2<i64>> {
    let bar = tools.bar("golden", inputs.nrows() as u64, "samples");
    let result = golden::sequences(model, inputs, length, &|| {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "eval", "interrupted by the user"));
        }
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    result
}

/// The float network's outputs, where its checkpoint stands beside the model.
fn float_outputs(path: &Path, split: &Split, columns: usize) -> Option<Array2<f32>> {
    let checkpoint = path.with_file_name(CHECKPOINT);
    if !checkpoint.is_file() {
        return None;
    }
    let outputs =
        ImageCheckpoint::load(&checkpoint).and_then(|c| c.float_outputs(split.x.singles().view()));
    outputs
        .and_then(|y| match y.ncols() {
            n if n == columns => Ok(y),
            n => {
                let cause = format!("is of another network: it has {n} outputs, not {columns}");
                Err(Error::input(checkpoint.display(), cause))
            }
        })
        .map_err(|e| output::note(format_args!("warning: the float network is left out\n{e}")))
        .ok()
}

/// What the trainer recorded of the float network.
fn recorded(model: &Model, output: &Stream) -> Option<Float> {
    let of_head = output.head.as_ref().map(|name| format!("_{name}")).unwrap_or_default();
    let recorded = format!("test_{}_float{of_head}", output.task.loss.measure().key());
    model.provenance.metrics.get(&recorded).map(|judged| Float::Provenance { judged: *judged })
}

/// What is said in the place of figures of integers.
const NO_INTEGERS: &str = "a run in full precision has no integer model";

/// A model's hash in parentheses, where there is one.
fn shown_hash(sha256: Option<&str>) -> String {
    sha256.map(|hash| format!(" (sha256 {}…)", &hash[..12])).unwrap_or_default()
}

fn render(report: &Report) -> String {
    let Report { name, data, samples, .. } = report;
    let mut text = format!(
        "{name}{} on {samples} test samples of {data}\n{}",
        shown_hash(report.sha256.as_deref()),
        figures_table(report.measure, &report.figures, *samples)
    );
    for Head { name, measure, figures } in &report.heads {
        text += &format!("\n\nhead {name}\n{}", figures_table(*measure, figures, *samples));
    }
    text
}

fn figures_table(measure: Measure, figures: &Figures, samples: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    table.set_header(match measure {
        Measure::Accuracy => ["network", "correct", "accuracy", ""],
        Measure::R2 => ["network", "R²", "RMSE, MAE", ""],
        Measure::AllLabels => ["network", "F1", "all labels right", ""],
    });
    let mut row = |name: &str, measures: Measures, remark: String| {
        let [one, other] = match measures {
            Measures::Classes { correct, accuracy } => {
                [format!("{correct}/{samples}"), percent(accuracy)]
            }
            Measures::Numbers { r2, rmse, mae } => {
                [format!("{r2:.4}"), format!("{}, {}", significant(rmse), significant(mae))]
            }
            Measures::Labels { accuracy, f1, .. } => [format!("{f1:.4}"), percent(accuracy)],
        };
        table.add_row([name.into(), one, other, remark]);
    };
    if let Some(golden) = figures.golden {
        row("integer (golden)", golden, String::new());
    }
    if let Some(FakeQuantised { measures, differing }) = figures.fake_quantised {
        let agreement = match differing {
            0 => "every output is golden's".into(),
            n => format!("{n} outputs DIFFER"),
        };
        row("fake-quantised, f64", measures, agreement);
    }
    match &figures.float {
        Some(Float::Checkpoint(float)) => {
            let more = figures.golden.map(|golden| golden.judged() - float.judged());
            let told = more.map(|more| match measure {
                Measure::R2 => format!("integer {more:+.4}"),
                _ => format!("integer {:+.2} points", 100.0 * more),
            });
            row("float", *float, told.unwrap_or_default());
        }
        Some(Float::Provenance { judged }) => {
            let (told, why) = (measure.told(*judged), "as recorded in training");
            let [one, other] = if measure == Measure::R2 { [&told, ""] } else { ["", &told] };
            table.add_row(["float", one, other, why]);
        }
        None => {}
    }
    if figures.golden.is_none() {
        table.add_row(["integer", "", "none", NO_INTEGERS]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
