//! A training run in a folder: checkpoint, metrics, curves, and the model at the end.

use super::checkpoint::{Checkpoint, Tensors, Weights};
use super::curves;
use super::image::{self, ImageWeights};
use super::loadable::Loadable;
use super::loss::Score;
use super::schedule::{Epoch, Learner, Phase, Progress, Trainer};
use crate::artifact::{Artifact, read_as};
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::format::Format;
use crate::lock::Lock;
use crate::model::{self, Model};
use crate::model_file;
use crate::network::plan::{HIGHWAY_PRODUCTS, Step};
use crate::network::{Measure, Network};
use crate::onnx::{self, Classifier};
use crate::shape::{Extent, Shape};
use crate::wording;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the checkpoint in a run folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// Name of the model in a run folder.
pub const MODEL: &str = "model.safetensors";
/// Names of the teacher in a run folder: a network of ours, and one in ONNX.
const TEACHER: &str = "teacher.safetensors";
const ONNX_TEACHER: &str = "teacher.onnx";
/// Name of the table for the core that a run was trained for.
pub const TABLE: &str = "table.bin";
/// Name of the description in a run folder.
pub const NETWORK: &str = "network.toml";
const METRICS: &str = "metrics.csv";
const METRICS_JSON: &str = "metrics.json";
const CURVES: &str = "curves.svg";

/// Time since the last checkpoint after which the end of an epoch is worth one, or the end of any
/// step, so that little is lost of a long epoch.
pub fn checkpoint_interval(epoch_ended: bool) -> Duration {
    Duration::from_secs(if epoch_ended { 10 } else { 60 })
}

/// Other runs that a new one builds on: each a run folder, or a checkpoint ([`checkpoint_of`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// The run whose network teaches, or an ONNX file; the checkpoint or the file is copied into
    /// the run folder, so that a resumed run has it.
    pub teacher: Option<&'a Path>,
    /// What has a teacher in ONNX computed, that of a resumed run too.
    pub onnx: Option<onnx::Run>,
    /// The new run begins at the weights of its network, or at factors of them.
    pub from: Option<&'a Path>,
    /// The numbers that the new run begins with, trained elsewhere.
    pub weights: Option<&'a Tensors>,
    /// The core that the run is trained for, whose model it begins at: phase 3 alone, within what
    /// the core can load. A resumed run needs it too.
    pub core: Option<&'a Loadable>,
}

/// How to treat a folder that holds a run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A run that is there already is an error.
    New,
    /// Go on where it stands.
    Resume,
    /// Begin again in its place.
    Overwrite,
}

/// Watches a run, and may stop it.
pub trait Observer {
    /// Called after each step; `left` and `total` count steps of the run. False stops the run,
    /// which can be resumed.
    fn step(&mut self, progress: &Progress, left: usize, total: usize) -> bool;
    /// Called after each epoch; `last` where its phase ends with it.
    fn epoch(&mut self, epoch: &Epoch, last: bool);
    /// Something the user should know.
    fn warn(&mut self, warning: &str);
    /// Whether a checkpoint is written now, so long after the last one; `epoch_ended` where an
    /// epoch has just ended. One is written at the end of the run and when it is stopped in any
    /// case.
    fn saves(&self, since: Duration, epoch_ended: bool) -> bool {
        since >= checkpoint_interval(epoch_ended)
    }
}

/// What a run ended in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// What the accuracies below are.
    pub measure: Measure,
    /// Test accuracy of the ternary network with float activations, in 0..=1; or of the
    /// full-precision network.
    #[serde(rename = "test_accuracy_float")]
    pub float_accuracy: f64,
    /// What the test samples of a network of sequences are: `character` or `word`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    /// Bits per character or word of the float network on the test text, of a network of sequences.
    #[serde(rename = "test_bits_float", skip_serializing_if = "Option::is_none")]
    pub float_bits: Option<f64>,
    /// Test accuracy of the integer network, in 0..=1; a full-precision network has none.
    #[serde(rename = "test_accuracy_integer")]
    pub integer_accuracy: Option<f64>,
    /// Bits per character or word of the integer network on the test text, of a network of
    /// sequences.
    #[serde(rename = "test_bits_integer", skip_serializing_if = "Option::is_none")]
    pub integer_bits: Option<f64>,
    /// Test samples.
    pub test_samples: usize,
    /// Multiplications of one inference.
    pub multiplications: u64,
    /// Multiplications of a dense network of the same shape.
    pub dense_multiplications: u64,
    /// 1 - multiplications / dense multiplications.
    pub reduction: f64,
    /// The heads, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadSummary>,
    /// The layers of the model; none where the network is in full precision.
    pub layers: Vec<LayerSummary>,
}

/// One head of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSummary {
    /// Name of the head.
    pub name: String,
    /// What its accuracies are.
    pub measure: Measure,
    /// As that of the network.
    #[serde(rename = "test_accuracy_float")]
    pub float_accuracy: f64,
    /// As that of the network.
    #[serde(rename = "test_accuracy_integer")]
    pub integer_accuracy: Option<f64>,
}

/// One layer of a [`Summary`].
#[derive(Clone, Debug, Serialize)]
pub struct LayerSummary {
    /// Name of the layer.
    pub name: String,
    /// Elements that enter.
    pub inputs: usize,
    /// Elements that a row of W_b can add up, on average.
    pub reads: usize,
    /// The budget r.
    pub budget: usize,
    /// Multiplications per sample of a dense layer, per output patch of a convolution, after dead
    /// rows were removed.
    pub rows: usize,
    /// Multiplications of one inference.
    pub multiplications: u64,
    /// Elements that leave.
    pub outputs: usize,
    /// Nonzeros of W_b.
    pub w_b_nonzeros: usize,
    /// Nonzeros of W_c.
    pub w_c_nonzeros: usize,
    /// Entries of both, but those that are 0 in every such layer.
    pub entries: usize,
    /// Nonzeros over entries of both.
    pub density: f64,
}

impl Summary {
    /// Nonzeros over entries of all W_b and W_c, 0..=1, after dead rows were removed; 1 where there
    /// are none.
    pub fn density(&self) -> f64 {
        let sum = |count: fn(&LayerSummary) -> usize| self.layers.iter().map(count).sum::<usize>();
        if self.layers.is_empty() {
            return 1.0;
        }
        sum(|l| l.w_b_nonzeros + l.w_c_nonzeros) as f64 / sum(|l| l.entries).max(1) as f64
    }
}

/// Trains `network` on `data` in the run folder `folder` until it is done, and leaves there
/// `model.safetensors`, `checkpoint.safetensors`, `metrics.csv`, `metrics.json`, `curves.svg` and
/// `network.toml`. A full-precision network has no model.
///
/// # Errors
/// Where the data do not fit, the training diverges, the folder is not a run, cannot be written or
/// is in another process's hands, or the observer stops the run ([`Kind::Interrupted`]; it can be
/// resumed).
pub fn run<L: Learner>(
    network: &Network,
    data: &L::Data,
    folder: &Path,
    start: Start,
    sources: Sources,
    observer: &mut dyn Observer,
) -> Result<(Summary, Option<Model>)> {
    let _lock = Lock::folder(folder)?;
    let mut trainer = open::<L>(network, data, folder, start, sources)?;
    for warning in trainer.take_warnings() {
        observer.warn(&warning);
    }
    let path = folder.join(CHECKPOINT);
    let mut saved = Instant::now();
    while trainer.phase() != Phase::Done {
        let (progress, epoch) = trainer.step()?;
        let (left, total) = trainer.steps_left();
        let go_on = observer.step(&progress, left, total);
        if let Some(epoch) = &epoch {
            observer.epoch(epoch, trainer.phase() != epoch.phase);
        }
        if observer.saves(saved.elapsed(), epoch.is_some()) {
            save(trainer.checkpoint(), folder)?;
            saved = Instant::now();
        }
        if !go_on && trainer.phase() != Phase::Done {
            save(trainer.checkpoint(), folder)?;
            let Progress { phase, epoch, step, steps, .. } = progress;
            return Err(Error::new(
                Kind::Interrupted,
                path.display(),
                format_args!(
                    "training stopped in phase {phase}, epoch {epoch}, after step {step} of {steps}"
                ),
            )
            .help("everything so far is kept: give the same command with --resume to go on"));
        }
    }
    save(trainer.checkpoint(), folder)?;
    let (summary, model) = finish(&mut trainer, data)?;
    for warning in collapse(&summary) {
        observer.warn(&warning);
    }
    if let Some(model) = &model {
        model_file::save(model, &folder.join(MODEL))?;
    }
    Ok((summary, model))
}

/// Begins a run as [`run`] does, and leaves it there to be resumed. Phases without epochs are over
/// at once.
///
/// # Errors
/// As there.
pub fn begin<L: Learner>(
    network: &Network,
    data: &L::Data,
    folder: &Path,
    start: Start,
    sources: Sources,
) -> Result<()> {
    let _lock = Lock::folder(folder)?;
    let mut trainer = open::<L>(network, data, folder, start, sources)?;
    save(trainer.checkpoint(), folder)
}

/// The checkpoint of a run: that in its folder, or the file itself.
pub fn checkpoint_of(run: &Path) -> PathBuf {
    if run.is_dir() { run.join(CHECKPOINT) } else { run.to_owned() }
}

/// A network that teaches, as the run keeps it.
enum Teacher {
    Ours(PathBuf, Vec<u8>),
    Onnx(Classifier),
}

impl Teacher {
    /// Reads a run's network, or an ONNX file.
    fn read(path: &Path) -> Result<Self> {
        if Classifier::is_at(path) {
            return Classifier::read(path).map(Teacher::Onnx);
        }
        let path = checkpoint_of(path);
        let bytes = files::read(&path)?;
        Ok(Teacher::Ours(path, bytes))
    }

    /// The name and the bytes of its file in the run folder.
    fn kept(&self) -> (&str, &[u8]) {
        match self {
            Teacher::Ours(_, bytes) => (TEACHER, bytes),
            Teacher::Onnx(classifier) => (ONNX_TEACHER, &classifier.file),
        }
    }

    /// Has the trainer learn from it.
    fn teach<L: Learner>(&self, trainer: &mut Trainer<L>, run: Option<onnx::Run>) -> Result<()> {
        let sha256 = files::sha256(self.kept().1);
        match self {
            Teacher::Ours(path, _) => trainer.learn_from(path, sha256),
            Teacher::Onnx(classifier) => {
                let run = run.ok_or_else(|| {
                    Error::input(&classifier.path, "is an ONNX file, and nothing here runs those")
                })?;
                trainer.learn_from_onnx(classifier, run, sha256)
            }
        }
    }
}

/// A trainer for the folder, which holds a checkpoint then.
fn open<L: Learner>(
    network: &Network,
    data: &L::Data,
    folder: &Path,
    start: Start,
    sources: Sources,
) -> Result<Trainer<L>> {
    let network = &L::described(network, data);
    let path = folder.join(CHECKPOINT);
    let place = folder.display();
    let is_run = look::<L::Weights>(folder, start)?;
    match start {
        Start::Resume => {
            let mut run = Checkpoint::<L::Weights>::load(&path)?;
            is_for(run.core.as_deref(), sources.core, folder)?;
            if run.is_without_data() && run.network.layers == network.layers {
                // It has done no step by any recipe.
                run.network.train = network.train.clone();
            }
            let mut trainer = Trainer::<L>::resume(run, data)?;
            let run = trainer.checkpoint();
            // The data are compared by what is in them, and may lie in another place by now.
            run.network.train.data.clone_from(&network.train.data);
            if run.network != *network {
                return Err(Error::input(
                    place,
                    "this run was begun with another network description or other options",
                )
                .help(format_args!(
                    "give the same ones, or its own description: {}",
                    folder.join(NETWORK).display()
                )));
            }
            write_network(network, folder)?;
            if let Some(sha256) = run.teacher.clone() {
                let onnx = folder.join(ONNX_TEACHER);
                let path = if onnx.is_file() { onnx } else { folder.join(TEACHER) };
                let teacher = Teacher::read(&path)?;
                if files::sha256(teacher.kept().1) != sha256 {
                    return Err(Error::input(
                        path.display(),
                        "is not the teacher that this run began with",
                    )
                    .help("begin again with --overwrite and --teacher"));
                }
                teacher.teach(&mut trainer, sources.onnx)?;
            }
            Ok(trainer)
        }
        Start::New | Start::Overwrite => {
            let from = sources.from.map(checkpoint_of);
            let mut trainer = match (sources.weights, sources.core) {
                (Some(weights), _) => Trainer::<L>::begin_at(network, data, weights)?,
                (_, Some(core)) => Trainer::<L>::begin_loaded(network, data, core)?,
                _ => Trainer::<L>::begin(network, data, from.as_deref(), whole::<L>(sources))?,
            };
            let teacher = sources.teacher.map(Teacher::read).transpose()?;
            if let Some(teacher) = &teacher {
                teacher.teach(&mut trainer, sources.onnx)?;
            }
            let teacher = teacher.as_ref().map(Teacher::kept);
            write_run(trainer.checkpoint(), teacher, folder, is_run)?;
            Ok(trainer)
        }
    }
}

/// Whether a run that is resumed is trained for the core that is given, or for none.
fn is_for(sha256: Option<&str>, core: Option<&Loadable>, folder: &Path) -> Result<()> {
    if sha256 == core.map(|core| core.sha256.as_str()) {
        return Ok(());
    }
    let place = folder.display();
    Err(match (sha256, core) {
        (Some(_), None) => Error::input(place, "is trained for the core of a build")
            .help("name that build again: --frozen-from BUILD --resume"),
        (Some(_), Some(_)) => Error::input(place, "is trained for the core of another build")
            .help("name the build that it was begun with, or begin again with --overwrite"),
        (None, _) => Error::input(place, "is not trained for the core of a build")
            .help("leave --frozen-from away, or name another folder with -o"),
    })
}

/// Writes an imported network as a run, `onnx::Weights` of each linear layer: its ordinary network
/// is the teacher, and it begins at factors of that. It has met no data yet; [`Start::Resume`]
/// takes the first ones, and the recipe that comes with them. `done` is told how many layers have
/// their factors, and may end the work.
///
/// # Errors
/// Where the weights are not those of the layers, the folder is not a run, cannot be written or is
/// in another process's hands; that of `done`.
pub fn import(
    network: &Network,
    weights: &[onnx::Weights],
    folder: &Path,
    start: Start,
    done: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let _lock = Lock::folder(folder)?;
    let is_run = look::<ImageWeights>(folder, start)?;
    network.validate()?;
    let mut ordinary = image::ordinary(network, weights)?;
    let mut run = image::factors(network, &ordinary, done)?;
    let teacher = ordinary.pack()?;
    run.teacher = Some(files::sha256(&teacher));
    write_run(&mut run, Some((TEACHER, &teacher)), folder, is_run)
}

/// Whether the folder holds a run.
///
/// # Errors
/// Where it may not be begun in, or gone on with, then.
fn look<W: Weights>(folder: &Path, start: Start) -> Result<bool> {
    let path = folder.join(CHECKPOINT);
    // A process that was killed at its start leaves less than a run, but a checkpoint, once it is
    // there, is all that a run needs.
    let is_run =
        path.is_file() && (folder.join(NETWORK).is_file() || Checkpoint::<W>::load(&path).is_ok());
    let is_left =
        |name: &OsStr| files::is_temporary(name) || name == TEACHER || name == ONNX_TEACHER;
    let is_free = !folder.exists()
        || folder
            .read_dir()
            .is_ok_and(|mut all| all.all(|entry| entry.is_ok_and(|e| is_left(&e.file_name()))));
    let place = folder.display();
    if is_run || is_free {
        files::tidy(folder);
    }
    match start {
        Start::Resume if !is_run => Err(Error::input(place, "holds no training run to resume")
            .help("leave --resume away to begin one, or name the folder of the run with -o")),
        Start::New if is_run => Err(Error::input(place, "holds a training run already").help(
            "go on with it: --resume; begin again: --overwrite; or name another folder with -o",
        )),
        Start::New | Start::Overwrite if !is_run && !is_free => {
            Err(Error::input(place, "exists and is not a training run, so it is left alone")
                .help("name another folder with -o"))
        }
        _ => Ok(is_run),
    }
}

/// Writes a run that has just begun, in the place of one where `is_run`.
fn write_run<W: Weights>(
    run: &mut Checkpoint<W>,
    teacher: Option<(&str, &[u8])>,
    folder: &Path,
    is_run: bool,
) -> Result<()> {
    // What an earlier run left would no longer belong together.
    for old in [MODEL, TABLE, METRICS, METRICS_JSON, CURVES, TEACHER, ONNX_TEACHER] {
        let old = folder.join(old);
        if is_run && old.is_file() {
            std::fs::remove_file(&old).map_err(|e| files::unwritable(&old, &e))?;
        }
    }
    // The teacher comes first: with the checkpoint the run has begun.
    if let Some((name, bytes)) = teacher {
        files::write(&folder.join(name), bytes)?;
    }
    run.save(&folder.join(CHECKPOINT))?;
    write_network(&run.network, folder)
}

/// Whether a run that another one is built on keeps inputs that never vary: then so does this one.
fn whole<L: Learner>(sources: Sources) -> bool {
    let is_whole = |path: &Path| {
        Checkpoint::<L::Weights>::load(&checkpoint_of(path))
            .is_ok_and(|run| run.weights.is_whole(&run.network))
    };
    sources.from.or(sources.teacher).is_some_and(is_whole)
}

/// Writes the description, where it is not there already.
fn write_network(network: &Network, folder: &Path) -> Result<()> {
    let (path, text) = (folder.join(NETWORK), network.to_toml());
    if std::fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    files::write(&path, text.as_bytes())
}

fn save<W: Weights>(run: &mut Checkpoint<W>, folder: &Path) -> Result<()> {
    let json =
        serde_json::to_string_pretty(&run.history).map_err(|e| Error::internal(METRICS_JSON, e))?;
    files::write(&folder.join(METRICS_JSON), (json + "\n").as_bytes())?;
    files::write(&folder.join(METRICS), metrics(&run.history).as_bytes())?;
    if !run.history.is_empty() {
        files::write(&folder.join(CURVES), curves::svg(&run.history, curves::WIDTH)?.as_bytes())?;
    }
    run.save(&folder.join(CHECKPOINT))
}

/// The epochs of a run so far, from its metrics.json.
///
/// # Errors
/// Where `folder` is not the folder of a run, or its metrics are damaged.
pub fn history(folder: &Path) -> Result<Vec<Epoch>> {
    let path = folder.join(METRICS_JSON);
    let read = |_: &Path| {
        files::read(&path)
            .map_err(|e| e.help("name the folder of a run that has finished an epoch"))
    };
    let bytes = read_as(Artifact::Run, folder, read)?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::input(path.display(), format_args!("is damaged: {}", wording::of_json(&e)))
            .help("resume the run: it is written anew")
    })
}

/// metrics.csv: a line per epoch; accuracies and density in 0..=1; last what heads reach on what is
/// held out. metrics.json has the same records, unrounded.
fn metrics(history: &[Epoch]) -> String {
    let mut text = String::from(
        "phase,epoch,learning_rate,train_loss,train_accuracy,validation_accuracy,density",
    );
    let heads = history.first().map(|e| e.validation_heads.keys());
    text.extend(heads.into_iter().flatten().map(|head| format!(",validation_accuracy_{head}")));
    text += "\n";
    for e in history {
        let validation = e.validation_accuracy.map(|v| format!("{v:.6}")).unwrap_or_default();
        text += &format!(
            "{},{},{},{:.6},{:.6},{validation},{:.6}",
            e.phase, e.epoch, e.learning_rate, e.loss, e.train_accuracy, e.density
        );
        text.extend(e.validation_heads.values().map(|accuracy| format!(",{accuracy:.6}")));
        text += "\n";
    }
    text
}

/// The figures of a run that is done, and its integer network, if it has one.
fn finish<L: Learner>(
    trainer: &mut Trainer<L>,
    data: &L::Data,
) -> Result<(Summary, Option<Model>)> {
    let run = trainer.checkpoint();
    let (of_float, unit) = (L::test(run, data)?, L::unit(data));
    let float = of_float.first().copied().unwrap_or_default();
    let dense_multiplications = run.network.dense_multiplications();
    let mut summary = Summary {
        float_accuracy: float.accuracy(),
        measure: run.network.train.loss.measure(),
        unit,
        float_bits: unit.map(|_| float.bits()),
        test_samples: float.samples,
        multiplications: dense_multiplications,
        dense_multiplications,
        ..Summary::default()
    };
    let network = run.network.clone();
    let names = network.heads().into_iter().map(|(name, _)| name);
    summary.heads = names
        .zip(of_float.iter().skip(1))
        .map(|(name, float)| {
            let measure = network.train.task(Some(&name)).loss.measure();
            HeadSummary { name, measure, float_accuracy: float.accuracy(), integer_accuracy: None }
        })
        .collect();
    let Some(mut model) = trainer.model() else { return Ok((summary, None)) };
    let of_integers = L::test_integers(&model, &network, data)?;
    let integer = of_integers.first().copied().unwrap_or_default();
    for (head, score) in summary.heads.iter_mut().zip(of_integers.iter().skip(1)) {
        head.integer_accuracy = Some(score.accuracy());
        let (key, name) = (head.measure.key(), &head.name);
        let figures = [("float", head.float_accuracy), ("integer", score.accuracy())];
        let figures = figures.map(|(of, v)| (format!("test_{key}_{of}_{name}"), v));
        model.provenance.metrics.extend(figures);
    }
    let measures = |name: &str, of: fn(Score) -> f64| {
        [(format!("test_{name}_float"), of(float)), (format!("test_{name}_integer"), of(integer))]
    };
    let measures = match unit {
        Some(_) => measures("bits", |score| score.bits()),
        None => measures(network.train.loss.measure().key(), |score| score.accuracy()),
    };
    model.provenance.metrics.extend(measures);
    let plan = network.plan()?;
    summarise(&model.layers, model.input(), &plan, &mut summary.layers)?;
    summary.integer_accuracy = Some(integer.accuracy());
    summary.integer_bits = unit.map(|_| integer.bits());
    summary.multiplications = summary.layers.iter().map(|l| l.multiplications).sum();
    summary.reduction = 1.0 - summary.multiplications as f64 / dense_multiplications as f64;
    Ok((summary, Some(model)))
}

/// Appends the linear layers that read a value of this shape and format, those of branches and
/// heads included; `plan` is that of the network.
fn summarise(
    layers: &[model::Layer],
    mut edge: (Shape, Format),
    plan: &[Step],
    summaries: &mut Vec<LayerSummary>,
) -> Result<()> {
    for layer in layers {
        let yields = layer.yields(edge)?;
        let linear = plan.iter().find(|step| step.name == layer.name()).and_then(Step::linear);
        let entries = layer.entries(linear.map_or(Extent::ONE, |linear| linear.dilation));
        let mut add =
            |budget, (w_b, w_c): (&[i8], &[i8]), rows: usize, patches: usize, more: usize| {
                let nonzeros = |w: &[i8]| w.iter().filter(|v| **v != 0).count();
                let (w_b_nonzeros, w_c_nonzeros) = (nonzeros(w_b), nonzeros(w_c));
                let reads = entries[0] / rows.max(1);
                let entries: usize = entries.iter().sum();
                summaries.push(LayerSummary {
                    name: layer.name().into(),
                    inputs: edge.0.elements(),
                    reads,
                    budget,
                    rows,
                    multiplications: (rows * patches + more) as u64,
                    outputs: yields.0.elements(),
                    w_b_nonzeros,
                    w_c_nonzeros,
                    entries,
                    density: (w_b_nonzeros + w_c_nonzeros) as f64 / entries.max(1) as f64,
                });
            };
        match layer {
            // Matrices of a trained model are in standard layout.
            model::Layer::Dense(dense) => {
                let matrices = dense.w_b.as_slice().zip(dense.w_c.as_slice());
                add(dense.budget, matrices.unwrap_or_default(), dense.rows(), 1, 0);
            }
            model::Layer::CharCnn(cnn) => {
                // W_c is the identity, so that only W_b is learned.
                let w_b = cnn.filters.w_b.as_slice().unwrap_or_default();
                add(cnn.filters.budget, (w_b, &[]), cnn.filters.rows(), 1, 0);
            }
            model::Layer::Highway(model::Highway { gates, .. })
            | model::Layer::Recurrent(model::Recurrent { gates, .. }) => {
                let products = match layer {
                    model::Layer::Recurrent(recurrent) => recurrent.kind.products(),
                    _ => HIGHWAY_PRODUCTS,
                };
                let matrices = gates.w_b.as_slice().zip(gates.w_c.as_slice());
                let (steps, more) = (yields.0.pixels(), products * yields.0.elements());
                add(gates.budget, matrices.unwrap_or_default(), gates.rows(), steps, more);
            }
            model::Layer::Conv2d(conv) => {
                let matrices = conv.w_b.as_slice().zip(conv.w_c.as_slice());
                let p = conv.patch();
                let patches = yields.0.height.div_ceil(p.h) * yields.0.width.div_ceil(p.w);
                add(conv.budget, matrices.unwrap_or_default(), conv.rows(), patches, 0);
            }
            model::Layer::Branches(branches) => {
                summarise(&branches.body, edge, plan, summaries)?;
                summarise(&branches.shortcut, edge, plan, summaries)?;
            }
            model::Layer::Head(head) => summarise(&head.layers, edge, plan, summaries)?,
            _ => {}
        }
        edge = yields;
    }
    Ok(())
}

/// Warnings where ternary training lost a layer: most of its rows, or most of what they add up, so
/// that a row is hardly more than one of its inputs. Of few inputs that is no loss: a row of one
/// input has one nonzero, and of four it may need no more.
fn collapse(summary: &Summary) -> impl Iterator<Item = String> {
    let is_collapsed = |l: &&LayerSummary| {
        let is_thin =
            l.w_b_nonzeros < l.rows * 3 / 2 && l.w_b_nonzeros < (l.rows * l.reads).div_ceil(4);
        l.rows * 2 < l.budget || is_thin
    };
    summary.layers.iter().filter(is_collapsed).map(|l| {
        format!(
            "layer {} collapsed: {} of {} rows are left, with {} nonzeros of W_b (density {:.3}); \
             lower `threshold` or r",
            l.name, l.rows, l.budget, l.w_b_nonzeros, l.density
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    /// Of matrices without a zero that could be another number all entries are nonzeros.
    #[test]
    fn zeros_that_every_such_layer_has_count_for_nothing() {
        let text = "name = \"t\"\ninput = { shape = [12, 3], bits = 8, frac = 7, signed = true }\n\
            layers = [{ conv1d = { channels = 4, kernel = 2, dilation = 3 } }, \"relu\", { gru = { \
            units = 5 } }, { lstm = { units = 3, r = 2 } }, \"last\", { dense = { units = 2 } }]\n";
        let network = Network::parse("t", text).unwrap();
        let images = random::images(&network.inputs(), 4, 1);
        let options = random::Options { density: 1.0, seed: 1, data: None };
        let stop = random::Stop(&|| false);
        let made = random::random(&network, &images, &options, &|_, _| (), stop).unwrap();
        for drawn in made.layers.iter().filter(|layer| layer.r.is_some()) {
            assert_eq!((drawn.density_b, drawn.density_c), (Some(1.0), Some(1.0)), "{drawn:?}");
        }
        let (model, plan, mut told) = (&made.model, network.plan().unwrap(), vec![]);
        summarise(&model.layers, model.input(), &plan, &mut told).unwrap();
        assert_eq!(told.len(), 4);
        assert!(told.iter().all(|layer| layer.density == 1.0), "{told:?}");
        // Six taps, three or four channels, five or three units.
        let reads: Vec<usize> = told.iter().map(|layer| layer.reads).collect();
        assert_eq!(reads, [6, 4, 4, 3]);
    }

    #[test]
    fn collapsed_layers_are_told() {
        let layer = |rows, w_b_nonzeros| LayerSummary {
            name: "dense_0".into(),
            inputs: 64,
            reads: 64,
            budget: 32,
            rows,
            multiplications: 10,
            outputs: 10,
            w_b_nonzeros,
            w_c_nonzeros: 100,
            entries: 10_000,
            density: 0.05,
        };
        let told = |layer: LayerSummary| {
            let summary = Summary { layers: vec![layer], ..Summary::default() };
            collapse(&summary).next()
        };
        assert_eq!(told(layer(32, 400)), None);
        assert_eq!(told(layer(16, 400)), None);
        let expected = "layer dense_0 collapsed: 15 of 32 rows are left, with 400 nonzeros of W_b \
            (density 0.050); lower `threshold` or r";
        assert_eq!(told(layer(15, 400)).as_deref(), Some(expected));
        assert!(told(layer(32, 40)).is_some());
        assert!(told(layer(0, 0)).is_some());
        // A row of one input, or of few, has lost nothing where it has one nonzero.
        for reads in [1, 2, 4] {
            let few = |rows, w_b_nonzeros| LayerSummary {
                inputs: reads,
                reads,
                ..layer(rows, w_b_nonzeros)
            };
            assert_eq!(told(few(32, 32)), None, "{reads}");
            assert!(told(few(15, 15)).is_some(), "{reads}");
        }
    }
}
