//! The checkpoint of a training run: a safetensors file with every tensor, and a JSON document with everything else.

use super::float::Float;
use super::frozen::{Fixed, Frozen, FrozenLayer};
use super::loss::Score;
use super::optimiser::Parameter;
use super::snapshot::Snapshot;
use super::spn::{Products, Spn};
use super::trainer::{Epoch, Phase, select_columns};
use crate::artifact::{Artifact, read_as};
use crate::data::{DataSet, Values};
use crate::error::{Error, Result};
use crate::files;
use crate::format::Format;
use crate::model_file;
use crate::network::Network;
use crate::network::plan::Op;
use ndarray::{Array, Array1, Array2, ArrayView2, Dimension};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// A training run at one moment: everything that is needed to go on as if it had never stopped.
pub struct Checkpoint {
    /// The description, with what the command line changed in it.
    pub network: Network,
    /// Name and SHA-256 of the train split.
    pub(super) data: (String, String),
    /// SHA-256 of the teacher's checkpoint, where the run has one.
    pub(super) teacher: Option<String>,
    /// The inputs that are not constant over the train split; the float network takes only them.
    pub(super) live: Vec<usize>,
    pub(super) float: Float<f32>,
    /// Present from phase 3 on.
    pub(super) frozen: Option<Frozen>,
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
    /// The network as it was validated after the best epoch of the phase, where the recipe keeps it and there is one.
    pub(super) best: Option<Snapshot>,
}

const KEY: &str = "strassenc";
/// How the header of every checkpoint begins. Behind it stands its hash, the first key of its document.
const OPENING: &str = r#"{"__metadata__":{"strassenc":"{\"sha256\":\""#;
/// What stands in the place of the hash while it is computed.
pub(super) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Where the hash stands in the file: behind the length of the header, and its opening.
const HASH: Range<usize> = 8 + OPENING.len()..8 + OPENING.len() + NO_HASH.len();
/// What to do about a checkpoint that is damaged.
pub(super) const UNUSABLE: &str = "copy it again, or start the training anew in another folder";
/// What to do about a checkpoint of another version.
const OF_ANOTHER_VERSION: &str = "use the strassenc that wrote it, or train again in another folder";
const VERSION: u32 = 4;

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    sha256: String,
    kind: String,
    version: u32,
    network: Network,
    data: (String, String),
    teacher: Option<String>,
    live: Vec<usize>,
    phase: Phase,
    epoch: usize,
    step: usize,
    partial: Score,
    history: Vec<Epoch>,
    frozen: Option<Vec<FrozenDocument>>,
    /// The formats of the sums of branches in the frozen network, in order.
    sums: Vec<Format>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrozenDocument {
    input_frac: i32,
    product_frac: i32,
    format: Option<Format>,
}

/// The numbers of one tensor, with the type they are saved in.
pub(super) enum Numbers<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    /// -1, 0 or 1, saved as i8.
    Ternary(&'a mut [f64]),
    I32(&'a mut [i32]),
}

pub(super) struct Tensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub numbers: Numbers<'a>,
}

impl Checkpoint {
    pub(super) fn start(network: Network, data: &DataSet, live: Vec<usize>, float: Float<f32>) -> Self {
        let mut checkpoint = Checkpoint {
            network,
            data: (data.name.clone(), fingerprint(data)),
            teacher: None,
            live,
            float,
            frozen: None,
            phase: Phase::Full,
            epoch: 0,
            step: 0,
            partial: Score::default(),
            history: Vec::new(),
            average: None,
            best: None,
        };
        checkpoint.begin(Phase::Full);
        checkpoint
    }

    /// Begins a phase with the network as it is.
    pub(super) fn begin(&mut self, phase: Phase) {
        (self.phase, self.epoch) = (phase, 0);
        self.copy();
    }

    /// Makes the copies that belong to this place in the training, of the network as it is.
    fn copy(&mut self) {
        let averages = self.network.train.ema > 0.0 && !self.is_done();
        self.average = averages.then(|| self.snapshot());
        let keeps = self.network.train.keep_best && !self.is_done() && self.best_epoch().is_some();
        self.best = keeps.then(|| self.snapshot());
    }

    /// The network in training as it is.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        Snapshot::of(&mut self.float, self.frozen.as_mut())
    }

    /// The epoch of the present phase, counted from 1, with the highest validation accuracy: the first of equals.
    pub(super) fn best_epoch(&self) -> Option<usize> {
        let of_phase = self.history.iter().filter(|e| e.phase == self.phase);
        let validated = of_phase.filter_map(|e| Some((e.validation_accuracy?, e.epoch)));
        validated.reduce(|best, e| if e.0 > best.0 { e } else { best }).map(|best| best.1)
    }

    /// Whether no epoch of the present phase is left, or none would help, by the recipe's patience.
    pub(super) fn phase_is_over(&self) -> bool {
        let patience = self.network.train.patience;
        let in_vain = self.best_epoch().map_or(0, |best| self.epoch.saturating_sub(best));
        self.phase.recipe(&self.network).is_some_and(|r| self.epoch >= r.epochs) || patience > 0 && in_vain >= patience
    }

    /// Ends the present phase in the state that its recipe hands on: the best, the average or the last one.
    pub(super) fn settle(&mut self) {
        match self.best.take().or(self.average.take()) {
            Some(mut state) => state.exchange(&mut self.float, self.frozen.as_mut()),
            None => self.float.renew(),
        }
        self.average = None;
    }

    /// Exchanges the weights for their averages, or back; ready for evaluation in any case.
    pub(super) fn exchange_average(&mut self) {
        match &mut self.average {
            Some(average) => average.exchange(&mut self.float, self.frozen.as_mut()),
            None => self.float.renew(),
        }
    }

    pub(super) fn check_data(&self, data: &DataSet) -> Result<()> {
        if self.data.1 == fingerprint(data) {
            return Ok(());
        }
        Err(Error::input(
            format_args!("data set `{}`", data.name),
            format_args!("is not the one that this run began with (`{}`), or has changed since", self.data.0),
        )
        .help("resume with the same --data, or start a new run in another folder"))
    }

    /// Name of the data set of the run.
    pub fn data_name(&self) -> &str {
        &self.data.0
    }

    /// Epochs so far.
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// Whether all phases are done.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The outputs of the float network (ternary W_b and W_c once there are any, float activations) for inputs of real
    /// values, both `[samples, elements]`.
    ///
    /// # Errors
    /// Where the number of columns is not that of the network's inputs, or a value is not a number.
    pub fn float_outputs(&self, x: ArrayView2<f32>) -> Result<Array2<f32>> {
        let inputs = self.network.input.elements();
        if x.ncols() != inputs {
            return Err(Error::input(
                "inputs",
                format_args!("have {} elements, the network takes {inputs}", x.ncols()),
            ));
        }
        if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::input("inputs", format_args!("element {j} of sample {i} is {v}")));
        }
        let requantise = super::exact::requantiser(self.network.input.format());
        let mut x = select_columns(x, &self.live);
        x.mapv_inplace(|v| requantise(v.into()) as f32);
        Ok(self.float.evaluate(x.view()))
    }

    /// Writes the checkpoint, atomically.
    ///
    /// # Errors
    /// Where the file cannot be written; the old one is untouched then.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        files::write(path, &self.serialise()?)
    }

    fn serialise(&mut self) -> Result<Vec<u8>> {
        let document = Document {
            sha256: NO_HASH.into(),
            kind: "checkpoint".into(),
            version: VERSION,
            network: self.network.clone(),
            data: self.data.clone(),
            teacher: self.teacher.clone(),
            live: self.live.clone(),
            phase: self.phase,
            epoch: self.epoch,
            step: self.step,
            partial: self.partial,
            history: self.history.clone(),
            sums: self.frozen.iter().flat_map(Frozen::sums).collect(),
            frozen: self.frozen.as_ref().map(|frozen| {
                let layer = |l: &FrozenLayer| FrozenDocument {
                    input_frac: l.fixed.input_frac,
                    product_frac: l.fixed.product_frac,
                    format: l.fixed.format,
                };
                frozen.layers().map(layer).collect()
            }),
        };
        pack(&document, self.tensors())
    }

    /// Reads `RUN/checkpoint.safetensors`.
    ///
    /// # Errors
    /// Where the file cannot be read, or is not a whole checkpoint of this version.
    pub fn load(path: &Path) -> Result<Checkpoint> {
        load(path, Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Checkpoint, Unusable> {
        let (json, file) = unpack(bytes, "checkpoint", VERSION)?;
        let document: Document = serde_json::from_str(&json).map_err(|e| e.to_string())?;
        let mut checkpoint = document.skeleton(bytes.len())?;
        fill(checkpoint.tensors(), &file)?;
        if checkpoint.phase > Phase::Full && !checkpoint.network.train.full_precision {
            checkpoint.float.make_ternary(&checkpoint.network);
        }
        if let Some(frozen) = &mut checkpoint.frozen {
            frozen.layers_mut().for_each(FrozenLayer::rebuild);
        }
        Ok(checkpoint)
    }

    /// Every tensor, in one order, for saving and for loading.
    fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut all = Vec::new();
        for (i, Spn { w_b, products, w_c, bias, output, .. }) in self.float.spns_mut().enumerate() {
            let mut parameters = vec![("w_b", &mut w_b.weights)];
            let mut norms = vec![];
            if let Some(Products { a, norm }) = products {
                parameters.push(("a", a));
                norms.push(("hidden", norm));
            }
            parameters.extend(w_c.as_mut().map(|w_c| ("w_c", &mut w_c.weights)));
            parameters.push(("bias", bias));
            if let Some((scale, norm)) = output {
                parameters.push(("scale", scale));
                norms.push(("output", norm));
            }
            for (name, parameter) in parameters {
                push_parameter(&mut all, &format!("float.{i}.{name}"), parameter, Numbers::F32);
            }
            for (name, norm) in norms {
                push(&mut all, format!("float.{i}.{name}.mean"), &mut norm.mean, Numbers::F32);
                push(&mut all, format!("float.{i}.{name}.variance"), &mut norm.variance, Numbers::F32);
            }
        }
        let frozen = self.frozen.iter_mut().flat_map(Frozen::layers_mut);
        for (i, FrozenLayer { a, bias, log_scales, fixed, .. }) in frozen.enumerate() {
            push_parameter(&mut all, &format!("frozen.{i}.a"), a, Numbers::F64);
            push_parameter(&mut all, &format!("frozen.{i}.bias"), bias, Numbers::F64);
            if let Some(log_scales) = log_scales {
                push_parameter(&mut all, &format!("frozen.{i}.log_scales"), log_scales, Numbers::F64);
            }
            push(&mut all, format!("frozen.{i}.w_b"), &mut fixed.w_b, Numbers::Ternary);
            push(&mut all, format!("frozen.{i}.w_c"), &mut fixed.w_c, Numbers::Ternary);
            push(&mut all, format!("frozen.{i}.units"), &mut fixed.units, Numbers::F64);
            push(&mut all, format!("frozen.{i}.means"), &mut fixed.means, Numbers::F64);
            push(&mut all, format!("frozen.{i}.exponents"), &mut fixed.exponents, Numbers::I32);
        }
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
pub(super) fn pack(document: &impl Serialize, all: Vec<Tensor>) -> Result<Vec<u8>> {
    let internal = |e: &dyn std::fmt::Display| Error::internal("checkpoint", e);
    let json = serde_json::to_string(document).map_err(|e| internal(&e))?;
    let mut tensors = Vec::new();
    for Tensor { name, shape, numbers } in all {
        let (dtype, bytes): (_, Vec<u8>) = match numbers {
            Numbers::F32(v) => (Dtype::F32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Numbers::F64(v) => (Dtype::F64, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Numbers::Ternary(v) => (Dtype::I8, v.iter().flat_map(|v| (*v as i8).to_le_bytes()).collect()),
            Numbers::I32(v) => (Dtype::I32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        tensors.push((name, dtype, shape, bytes));
    }
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in &tensors {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| internal(&e))?));
    }
    let mut bytes =
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)]))).map_err(|e| internal(&e))?;
    let hash = hash(&bytes).ok_or_else(|| internal(&"its hash has no place"))?;
    bytes[HASH].copy_from_slice(hash.as_bytes());
    Ok(bytes)
}

/// SHA-256 of the whole file with [`NO_HASH`] in the place of its hash; none where it has no such place.
fn hash(bytes: &[u8]) -> Option<String> {
    let (before, rest) = bytes.split_at_checked(HASH.start)?;
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(NO_HASH);
    hash.update(rest.get(NO_HASH.len()..).filter(|_| before.ends_with(OPENING.as_bytes()))?);
    Some(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Reads a checkpoint of the kind that `parse` knows.
///
/// # Errors
/// Where the file cannot be read, is something else, or is refused by `parse`.
pub(super) fn load<T>(path: &Path, parse: fn(&[u8]) -> Result<T, Unusable>) -> Result<T> {
    read_as(Artifact::Checkpoint, path, |path| {
        parse(&files::read_if(path, model_file::begins)?).map_err(|Unusable { cause, help }| {
            let cause = format!("is not a usable checkpoint: {cause}");
            Error::input(path.display(), cause).help(help)
        })
    })
}

/// Why a checkpoint cannot be used, and what to do about it.
pub(super) struct Unusable {
    cause: String,
    help: &'static str,
}

impl<T: Into<String>> From<T> for Unusable {
    /// Of one that is damaged.
    fn from(cause: T) -> Self {
        Unusable { cause: cause.into(), help: UNUSABLE }
    }
}

/// The document of a checkpoint of this kind and version, and its tensors.
pub(super) fn unpack<'a>(bytes: &'a [u8], kind: &str, version: u32) -> Result<(String, SafeTensors<'a>), Unusable> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or("it was not written by strassenc")?;
    let found: Version = serde_json::from_str(json).map_err(|e| e.to_string())?;
    if found.kind != kind {
        return Err(format!("it holds a {}, not a {kind}", found.kind).into());
    }
    if found.version != version {
        let unseen = if found.version < version { ", without a checksum, so that damage would go unseen" } else { "" };
        let cause = format!("it has format version {}{unseen}; this strassenc reads version {version}", found.version);
        return Err(Unusable { cause, help: OF_ANOTHER_VERSION });
    }
    if hash(bytes).is_none_or(|hash| bytes[HASH] != *hash.as_bytes()) {
        return Err("its contents do not agree with its checksum: it was changed or damaged".into());
    }
    Ok((json.clone(), SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?))
}

/// Fills all tensors from a file that holds them and no others.
pub(super) fn fill(tensors: Vec<Tensor>, file: &SafeTensors) -> Result<(), String> {
    let names = tensors.len();
    tensors.into_iter().try_for_each(|tensor| tensor.fill(file))?;
    if names == file.len() { Ok(()) } else { Err(format!("it holds {} tensors, {names} were expected", file.len())) }
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

impl Document {
    /// A checkpoint of the right shapes whose tensors are still to be filled from a file of `size` bytes.
    fn skeleton(self, size: usize) -> Result<Checkpoint, String> {
        self.network.validate().map_err(|e| e.to_string())?;
        let ordered = self.live.windows(2).all(|w| w[0] < w[1]);
        if self.live.is_empty() || !ordered || self.live.last() >= Some(&self.network.input.elements()) {
            return Err("its list of live inputs is damaged".into());
        }
        if !self.network.is_of_vectors() && self.live.len() != self.network.input.elements() {
            return Err("its list of live inputs leaves out pixels of an image".into());
        }
        let layers = self.network.linear().len();
        let epochs = self.phase.recipe(&self.network).map_or(1, |r| r.epochs);
        let full_precision = self.network.train.full_precision;
        let frozen = self.frozen.is_some() == (self.phase >= Phase::Frozen && !full_precision);
        if self.epoch >= epochs
            || !self.partial.is_valid()
            || !frozen
            || self.frozen.as_ref().is_some_and(|f| f.len() != layers)
        {
            return Err("its place in the training is damaged".into());
        }
        let fracs = self.frozen.iter().flatten().flat_map(|l| [l.input_frac, l.product_frac]);
        let mut formats = self.frozen.iter().flatten().filter_map(|l| l.format).chain(self.sums.iter().copied());
        if !fracs.into_iter().all(|frac| (-64..=64).contains(&frac)) || !formats.all(Format::is_valid) {
            return Err("its formats are out of range".into());
        }
        let mut entries = 0u64;
        for (i, mut step) in self.network.linear().into_iter().enumerate() {
            if i == 0 && step.from == [0] && step.linear().is_some_and(|l| l.dense) {
                step.input = crate::Shape::vector(self.live.len());
            }
            if let Op::Linear(linear) = &mut step.op
                && full_precision
            {
                *linear = linear.ordinary(step.input, step.output);
            }
            let (w_b, w_c) = step.entries();
            entries = entries.saturating_add(w_b + w_c);
        }
        if entries.saturating_mul(3 * size_of::<f32>() as u64) > size as u64 {
            return Err("tensors are missing".into());
        }
        let float = Float::new(&self.network, self.live.len(), &mut ChaCha8Rng::seed_from_u64(0));
        let frozen = self.frozen.map(|documents| {
            let layer = |(document, spn): (FrozenDocument, &Spn<f32>)| {
                let (r, columns) = spn.w_b.weights.value.dim();
                let n_out = spn.bias.value.ncols();
                let w_c = spn.w_c.as_ref().map_or((r, r), |w_c| w_c.weights.value.dim());
                let fixed = Fixed {
                    patches: spn.patches().clone(),
                    groups: spn.groups(),
                    w_b: Array2::zeros((r, columns)),
                    w_c: Array2::zeros(w_c),
                    units: Array1::zeros(r),
                    means: Array1::zeros(r),
                    exponents: Array1::zeros(n_out),
                    input_frac: document.input_frac,
                    product_frac: document.product_frac,
                    coefficient_bits: self.network.bits.coefficients,
                    coefficient_terms: self.network.bits.coefficient_terms,
                    format: document.format,
                };
                let learns = self.network.train.learn_scales && fixed.format.is_some();
                let [a, bias] = [r, n_out].map(|n| Parameter::vector(n, 0.0));
                FrozenLayer::new(fixed, a, bias.clone(), learns.then_some(bias))
            };
            let layers = documents.into_iter().zip(float.spns()).map(layer).collect();
            Frozen::of(&self.network, layers, self.sums)
        });
        if matches!(frozen, Some(None)) {
            return Err("its formats of sums are damaged".into());
        }
        let frozen = frozen.flatten();
        let mut checkpoint = Checkpoint {
            network: self.network,
            data: self.data,
            teacher: self.teacher,
            live: self.live,
            float,
            frozen,
            phase: self.phase,
            epoch: self.epoch,
            step: self.step,
            partial: self.partial,
            history: self.history,
            average: None,
            best: None,
        };
        checkpoint.copy();
        Ok(checkpoint)
    }
}

impl Tensor<'_> {
    /// Takes the numbers from a file.
    fn fill(self, file: &SafeTensors) -> Result<(), String> {
        let Tensor { name, shape, numbers } = self;
        let view = file.tensor(&name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if view.shape() != shape {
            return Err(format!("tensor `{name}` has shape {:?}, expected {shape:?}", view.shape()));
        }
        let bytes = view.data();
        // Adam's second moments are means of squares.
        let least = if name.ends_with(".second") { 0.0 } else { f64::MIN };
        let ok = match (numbers, view.dtype()) {
            (Numbers::F32(v), Dtype::F32) => {
                read(v, bytes, f32::from_le_bytes, |v| v.is_finite() && f64::from(v) >= least)
            }
            (Numbers::F64(v), Dtype::F64) => read(v, bytes, f64::from_le_bytes, |v| v.is_finite() && v >= least),
            (Numbers::I32(v), Dtype::I32) => read(v, bytes, i32::from_le_bytes, |v| (-64..=64).contains(&v)),
            (Numbers::Ternary(v), Dtype::I8) => read(v, bytes, |b| f64::from(i8::from_le_bytes(b)), |v| v.abs() <= 1.0),
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

/// SHA-256 of the train split.
fn fingerprint(data: &DataSet) -> String {
    let mut hash = Sha256::new();
    let mut update = |bytes: Vec<u8>| hash.update(&bytes);
    match &data.train.x {
        Values::Single(x) => {
            x.rows().into_iter().for_each(|r| update(r.iter().flat_map(|v| v.to_le_bytes()).collect()))
        }
        Values::Double(x) => {
            x.rows().into_iter().for_each(|r| update(r.iter().flat_map(|v| v.to_le_bytes()).collect()))
        }
    }
    for label in &data.train.labels {
        hash.update(label.to_le_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
