//! The checkpoint of a training run: a safetensors file with every tensor, and a JSON document with
//! everything else.

use super::loss::Score;
use super::optimiser::{Parameter, Rule};
use super::schedule::{Epoch, Phase};
use super::snapshot::Snapshot;
use crate::artifact::{Artifact, read_as};
use crate::error::{Error, Result};
use crate::files;
use crate::model_file;
use crate::network::Network;
use crate::wording::of_json;
use ndarray::{Array, ArrayD, Dimension};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

/// A training run at one moment: everything that is needed to go on as if it had never stopped.
pub struct Checkpoint<W> {
    /// The description, with what the command line changed in it.
    pub network: Network,
    /// Name and SHA-256 of what is trained on; both empty before the run has met any data.
    pub(super) data: (String, String),
    /// SHA-256 of the teacher's checkpoint, where the run has one.
    pub(super) teacher: Option<String>,
    /// What tells the core from others that the run is trained for, where it is.
    pub(super) core: Option<String>,
    /// The network in training.
    pub(super) weights: W,
    pub(super) phase: Phase,
    /// Epochs of the phase that are done.
    pub(super) epoch: usize,
    /// Steps of the epoch that are done.
    pub(super) step: usize,
    /// The score of those steps.
    pub(super) partial: Score,
    pub(super) history: Vec<Epoch>,
    /// The moving average of the network in training, where the recipe has one.
    pub(super) average: Option<Snapshot>,
    /// The network as it was validated after the best epoch of the phase, where the recipe keeps it
    /// and there is one.
    best: Option<Snapshot>,
}

/// Numbers of a network in training, by name.
pub type Tensors = BTreeMap<String, ArrayD<f32>>;

/// The network in training, as one kind of network has it.
pub trait Weights: Sized + Send {
    /// What a file with it holds.
    const KIND: &'static str;
    /// The version of that kind of file.
    const VERSION: u32;
    /// The type of all that is no tensor.
    type Document: Serialize + DeserializeOwned;

    /// What is no tensor.
    fn document(&self) -> Self::Document;
    /// The weights of the right shapes for a valid description; their tensors are still to be
    /// filled from a file of `size` bytes.
    ///
    /// # Errors
    /// Where the document is damaged, or the file is too small.
    fn skeleton(
        document: Self::Document,
        network: &Network,
        phase: Phase,
        size: usize,
    ) -> Result<Self, String>;
    /// Every tensor, in one order, for saving and for loading.
    fn tensors(&mut self) -> Vec<Tensor<'_>>;
    /// Makes it the network of a phase, once the tensors are filled.
    fn restore(&mut self, network: &Network, phase: Phase);
    /// The numbers that training moves and evaluation reads, in one order; all are in standard
    /// layout.
    fn numbers(&mut self) -> Vec<Numbers<'_>>;
    /// Brings up to date what follows from the numbers.
    fn renew(&mut self);
    /// Moves every parameter by `rule`.
    fn update(&mut self, rule: Rule);
    /// Nonzeros over entries of all W_b and W_c.
    fn density(&self) -> f64;
    /// Whether the network takes all inputs, be it that some never vary.
    fn is_whole(&self, network: &Network) -> bool;
}

const KEY: &str = "strassenc";
/// How the header of every checkpoint begins. Behind it stands its hash, the first key of its
/// document.
const OPENING: &str = r#"{"__metadata__":{"strassenc":"{\"sha256\":\""#;
/// What stands in the place of the hash while it is computed.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The place of the hash in the file: behind the length of the header, and its opening.
const HASH: Range<usize> = 8 + OPENING.len()..8 + OPENING.len() + NO_HASH.len();
/// What to do about a checkpoint that is damaged.
pub(super) const UNUSABLE: &str = "copy it again, or start the training anew in another folder";
/// What to do about a checkpoint of another version.
const OF_ANOTHER_VERSION: &str =
    "use the strassenc that wrote it, or train again in another folder";

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
struct Document<D> {
    sha256: String,
    kind: String,
    version: u32,
    network: Network,
    data: (String, String),
    teacher: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    core: Option<String>,
    #[serde(flatten)]
    weights: D,
    phase: Phase,
    epoch: usize,
    step: usize,
    partial: Score,
    history: Vec<Epoch>,
}

/// The numbers of one tensor, with the type they are saved in.
pub enum Numbers<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    /// -1, 0 or 1, saved as i8.
    Ternary(&'a mut [f64]),
    I32(&'a mut [i32]),
}

pub struct Tensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub numbers: Numbers<'a>,
}

impl<W: Weights> Checkpoint<W> {
    /// A run that has still to enter its first phase.
    pub(super) fn start(network: Network, data: (String, String), weights: W) -> Self {
        Checkpoint {
            network,
            data,
            teacher: None,
            core: None,
            weights,
            phase: Phase::Full,
            epoch: 0,
            step: 0,
            partial: Score::default(),
            history: vec![],
            average: None,
            best: None,
        }
    }

    /// Takes over numbers from elsewhere, by the names that they have in a checkpoint: those of the
    /// float network, without the optimiser's.
    ///
    /// # Errors
    /// Where one is missing, too many, of another shape, or not a number.
    pub(super) fn take(&mut self, given: &Tensors) -> Result<()> {
        let mut left = given.clone();
        let of_optimiser = |name: &str| name.ends_with(".first") || name.ends_with(".second");
        for Tensor { name, shape, numbers } in self.weights.tensors() {
            let Numbers::F32(numbers) = numbers else { continue };
            // A network of sequences has the state of those in training, too.
            if !name.starts_with("float.") || of_optimiser(&name) {
                continue;
            }
            let place = format!("tensor `{name}`");
            let given = left.remove(&name).ok_or_else(|| Error::input(&place, "is missing"))?;
            if given.shape() != shape {
                let cause = format!("has the shape {:?}, not {shape:?}", given.shape());
                return Err(Error::input(place, cause));
            }
            if let Some(v) = given.iter().find(|v| !v.is_finite()) {
                return Err(Error::input(place, format_args!("holds {v}")));
            }
            numbers.iter_mut().zip(&given).for_each(|(to, from)| *to = *from);
        }
        match left.keys().next() {
            Some(name) => {
                Err(Error::input(format_args!("tensor `{name}`"), "is not one of this network"))
            }
            None => Ok(()),
        }
    }

    /// Begins a phase with the network as it is.
    pub(super) fn enter(&mut self, phase: Phase) {
        (self.phase, self.epoch) = (phase, 0);
        self.copy();
    }

    /// Makes the copies that belong to this place in the training, of the network as it is.
    fn copy(&mut self) {
        let averages = self.network.train.ema > 0.0 && !self.is_done();
        self.average = averages.then(|| Snapshot::of(self.weights.numbers()));
        let keeps = self.network.train.keep_best && !self.is_done() && self.best_epoch().is_some();
        self.best = keeps.then(|| Snapshot::of(self.weights.numbers()));
    }

    /// Epochs of the present phase so far.
    pub(super) fn epochs_of_phase(&self) -> impl Iterator<Item = &Epoch> {
        self.history.iter().filter(|e| e.phase == self.phase)
    }

    /// The epoch of the present phase, counted from 1, that did best on what is held out: the first
    /// of equals. The measure of a network of sequences is the loss, and of any other the accuracy.
    fn best_epoch(&self) -> Option<usize> {
        let quality = |e: &Epoch| e.validation_loss.map(|loss| -loss).or(e.validation_accuracy);
        let validated = self.epochs_of_phase().filter_map(|e| Some((quality(e)?, e.epoch)));
        validated.reduce(|best, e| if e.0 > best.0 { e } else { best }).map(|best| best.1)
    }

    /// Whether no epoch of the present phase is left, or none would help, by the recipe's patience.
    pub(super) fn phase_is_over(&self) -> bool {
        let patience = self.network.train.patience;
        let in_vain = self.best_epoch().map_or(0, |best| self.epoch.saturating_sub(best));
        self.phase.recipe(&self.network).is_some_and(|r| self.epoch >= r.epochs)
            || patience > 0 && in_vain >= patience
    }

    /// Ends the present phase in the state that its recipe hands on: the best, the average or the
    /// last one.
    pub(super) fn settle(&mut self) {
        if let Some(mut state) = self.best.take().or(self.average.take()) {
            state.exchange(self.weights.numbers());
        }
        self.weights.renew();
        self.average = None;
    }

    /// Exchanges the weights for their averages, or back; ready for evaluation in any case.
    pub(super) fn exchange_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.exchange(self.weights.numbers());
        }
        self.weights.renew();
    }

    /// Ends an epoch with the record of it. The averages are in the place of the weights, and go
    /// back.
    pub(super) fn end_epoch(&mut self, record: Epoch) {
        self.history.push(record);
        self.epoch += 1;
        if self.network.train.keep_best && self.best_epoch() == Some(self.epoch) {
            self.best = Some(Snapshot::of(self.weights.numbers()));
        }
        self.exchange_average();
        self.partial = Score::default();
        self.step = 0;
    }

    /// Name of the data of the run.
    pub fn data_name(&self) -> &str {
        &self.data.0
    }

    /// Whether the run has still to meet its data.
    pub(super) fn is_without_data(&self) -> bool {
        self.data.1.is_empty()
    }

    /// Whether all phases are done.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Writes the checkpoint, atomically.
    ///
    /// # Errors
    /// Where the file cannot be written; the old one is untouched then.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        files::write(path, &self.pack()?)
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// Where they cannot be made, which is a bug.
    pub(super) fn pack(&mut self) -> Result<Vec<u8>> {
        let document = Document {
            sha256: NO_HASH.into(),
            kind: W::KIND.into(),
            version: W::VERSION,
            network: self.network.clone(),
            data: self.data.clone(),
            teacher: self.teacher.clone(),
            core: self.core.clone(),
            weights: self.weights.document(),
            phase: self.phase,
            epoch: self.epoch,
            step: self.step,
            partial: self.partial,
            history: self.history.clone(),
        };
        pack(&document, self.tensors())
    }

    /// Reads `RUN/checkpoint.safetensors`.
    ///
    /// # Errors
    /// Where the file cannot be read, or is not a whole checkpoint of this kind and version.
    pub fn load(path: &Path) -> Result<Self> {
        read_as(Artifact::Checkpoint, path, |path| {
            Self::from_bytes(&files::read_if(path, model_file::begins)?).map_err(|unusable| {
                let cause = format!("is not a usable checkpoint: {}", unusable.cause);
                Error::input(path.display(), cause).help(unusable.help)
            })
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let (json, file) = unpack(bytes, W::KIND, W::VERSION)?;
        let document: Document<W::Document> =
            serde_json::from_str(&json).map_err(|e| of_json(&e))?;
        let Document {
            network,
            data,
            teacher,
            core,
            weights,
            phase,
            epoch,
            step,
            partial,
            history,
            ..
        } = document;
        network.validate().map_err(|e| e.to_string())?;
        let exists = match phase.recipe(&network) {
            Some(recipe) => epoch < recipe.epochs,
            None => phase == Phase::Done && epoch == 0,
        };
        if !exists || !partial.is_valid() {
            return Err("its place in the training is damaged".into());
        }
        let weights = W::skeleton(weights, &network, phase, bytes.len())?;
        let (average, best) = (None, None);
        let mut run = Checkpoint {
            network,
            data,
            teacher,
            core,
            weights,
            phase,
            epoch,
            step,
            partial,
            history,
            average,
            best,
        };
        run.copy();
        fill(run.tensors(), &file)?;
        run.weights.restore(&run.network, phase);
        Ok(run)
    }

    /// Every tensor, in one order, for saving and for loading.
    fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut all = self.weights.tensors();
        for (name, copy) in [("average", &mut self.average), ("best", &mut self.best)] {
            let Some(Snapshot { float, frozen }) = copy else { continue };
            let mut add = |part: &str, shape: usize, numbers| {
                all.push(Tensor { name: format!("{name}.{part}"), shape: vec![shape], numbers });
            };
            add("float", float.len(), Numbers::F32(float));
            add("frozen", frozen.len(), Numbers::F64(frozen));
        }
        all
    }
}

/// The bytes of a checkpoint: its document, whose first field is `sha256`, and its tensors.
fn pack(document: &impl Serialize, all: Vec<Tensor>) -> Result<Vec<u8>> {
    let internal = |e: &dyn std::fmt::Display| Error::internal("checkpoint", e);
    let json = serde_json::to_string(document).map_err(|e| internal(&e))?;
    let mut tensors = Vec::new();
    for Tensor { name, shape, numbers } in all {
        let (dtype, bytes): (_, Vec<u8>) = match numbers {
            Numbers::F32(v) => (Dtype::F32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Numbers::F64(v) => (Dtype::F64, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Numbers::Ternary(v) => {
                (Dtype::I8, v.iter().flat_map(|v| (*v as i8).to_le_bytes()).collect())
            }
            Numbers::I32(v) => (Dtype::I32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        tensors.push((name, dtype, shape, bytes));
    }
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in &tensors {
        views
            .push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| internal(&e))?));
    }
    let mut bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)])))
        .map_err(|e| internal(&e))?;
    let hash = hash(&bytes).ok_or_else(|| internal(&"its hash has no place"))?;
    bytes[HASH].copy_from_slice(hash.as_bytes());
    Ok(bytes)
}

/// SHA-256 of the whole file with [`NO_HASH`] in the place of its hash; none where it has no such
/// place.
fn hash(bytes: &[u8]) -> Option<String> {
    let (before, rest) = bytes.split_at_checked(HASH.start)?;
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(NO_HASH);
    hash.update(rest.get(NO_HASH.len()..).filter(|_| before.ends_with(OPENING.as_bytes()))?);
    Some(hex(hash))
}

/// Why a checkpoint cannot be used, and what to do about it.
struct Unusable {
    cause: String,
    help: &'static str,
}

impl<T: Into<String>> From<T> for Unusable {
    /// The cause and the help for a damaged checkpoint.
    fn from(cause: T) -> Self {
        Unusable { cause: cause.into(), help: UNUSABLE }
    }
}

/// The document of a checkpoint of this kind and version, and its tensors.
fn unpack<'a>(
    bytes: &'a [u8],
    kind: &str,
    version: u32,
) -> Result<(String, SafeTensors<'a>), Unusable> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let json = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or("it was not written by strassenc")?;
    let found: Version = serde_json::from_str(json).map_err(|e| of_json(&e))?;
    if found.kind != kind {
        return Err(format!("it holds a {}, not a {kind}", found.kind).into());
    }
    if found.version != version {
        let unseen = if found.version < version {
            ", without a checksum, so that damage would go unseen"
        } else {
            ""
        };
        let cause = format!(
            "it has format version {}{unseen}; this strassenc reads version {version}",
            found.version
        );
        return Err(Unusable { cause, help: OF_ANOTHER_VERSION });
    }
    if hash(bytes).is_none_or(|hash| bytes[HASH] != *hash.as_bytes()) {
        return Err("its contents do not agree with its checksum: it was changed or damaged".into());
    }
    Ok((json.clone(), SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?))
}

/// Fills all tensors from a file that holds them and no others.
fn fill(tensors: Vec<Tensor>, file: &SafeTensors) -> Result<(), String> {
    let names = tensors.len();
    tensors.into_iter().try_for_each(|tensor| tensor.fill(file))?;
    if names == file.len() {
        Ok(())
    } else {
        Err(format!("it holds {} tensors, {names} were expected", file.len()))
    }
}

/// Adds an array; all arrays of a run are in standard layout.
pub(super) fn push<'a, T, D: Dimension>(
    all: &mut Vec<Tensor<'a>>,
    name: String,
    array: &'a mut Array<T, D>,
    wrap: fn(&'a mut [T]) -> Numbers<'a>,
) {
    let shape = array.shape().to_vec();
    if let Some(slice) = array.as_slice_mut() {
        all.push(Tensor { name, shape, numbers: wrap(slice) });
    }
}

pub(super) fn push_parameter<'a, T>(
    all: &mut Vec<Tensor<'a>>,
    name: &str,
    parameter: &'a mut Parameter<T>,
    wrap: fn(&'a mut [T]) -> Numbers<'a>,
) {
    push(all, name.to_owned(), &mut parameter.value, wrap);
    push(all, format!("{name}.first"), &mut parameter.first, wrap);
    push(all, format!("{name}.second"), &mut parameter.second, wrap);
}

#[derive(Deserialize)]
struct Version {
    kind: String,
    version: u32,
}

impl Tensor<'_> {
    /// Takes the numbers from a file.
    fn fill(self, file: &SafeTensors) -> Result<(), String> {
        let Tensor { name, shape, numbers } = self;
        let view = file.tensor(&name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if view.shape() != shape {
            return Err(format!(
                "tensor `{name}` has shape {:?}, expected {shape:?}",
                view.shape()
            ));
        }
        let bytes = view.data();
        // Adam's second moments are means of squares.
        let least = if name.ends_with(".second") { 0.0 } else { f64::MIN };
        let ok = match (numbers, view.dtype()) {
            (Numbers::F32(v), Dtype::F32) => {
                read(v, bytes, f32::from_le_bytes, |v| v.is_finite() && f64::from(v) >= least)
            }
            (Numbers::F64(v), Dtype::F64) => {
                read(v, bytes, f64::from_le_bytes, |v| v.is_finite() && v >= least)
            }
            (Numbers::I32(v), Dtype::I32) => {
                read(v, bytes, i32::from_le_bytes, |v| (-64..=64).contains(&v))
            }
            (Numbers::Ternary(v), Dtype::I8) => {
                read(v, bytes, |b| f64::from(i8::from_le_bytes(b)), |v| v.abs() <= 1.0)
            }
            (_, dtype) => return Err(format!("tensor `{name}` is of type {dtype:?}")),
        };
        if ok { Ok(()) } else { Err(format!("tensor `{name}` holds a value that cannot be")) }
    }
}

/// Reads little-endian numbers; false where one is not `valid`.
fn read<T: Copy, const N: usize>(
    to: &mut [T],
    bytes: &[u8],
    from: impl Fn([u8; N]) -> T,
    valid: impl Fn(T) -> bool,
) -> bool {
    // The shapes agree, so both have the same number of entries.
    for (v, bytes) in to.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *v = from(*bytes);
        if !valid(*v) {
            return false;
        }
    }
    true
}

/// The digits of a hash.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
