//! Learning from single samples: images and vectors with a class each.

use super::augment::Augment;
use super::float::Float;
use super::teaching::{Samples, Teaching};
use super::weights::{Weights, select_columns};
use super::{exact, loaded, quantise};
use crate::data::{DataSet, Split, Values};
use crate::error::{Error, Result};
use crate::model::{Edge, Model, Provenance};
use crate::network::{ClassWeights, Distill, Loss, Network, Recipe, Scaling, Task};
use crate::onnx::{self, Classifier};
use crate::train::checkpoint::{Checkpoint, hex};
use crate::train::loadable::Loadable;
use crate::train::loss::{Aims, Score, Targets, Teacher, score, score_values};
use crate::train::matmul::Real;
use crate::train::measures::scaled;
use crate::train::schedule::{Learner, Phase};
use crate::train::streams::{Stream, generator};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Learns from a data set.
pub struct ImageLearner {
    /// `[samples, live inputs]`: the train split as the input format sees it.
    x: Array2<f32>,
    /// What is due of the last layer, then of each head.
    due: Vec<Due>,
    /// `[classes]`: how much each counts, where that differs.
    class_weights: Vec<f64>,
    /// Samples to train on; in the order of the epoch once it has begun.
    train: Vec<usize>,
    /// Samples held out.
    validation: Vec<usize>,
    /// Epoch whose order `train` is in.
    shuffled: Option<(Phase, usize)>,
    augment: Option<Augment>,
    batch: Array2<f32>,
    exact_batch: Array2<f64>,
    teaching: Option<Teaching>,
    /// `[inputs]`: a sample, with the inputs that never vary.
    still: Array1<f32>,
}

/// What is due of one of the outputs.
struct Due {
    task: Task,
    /// `[samples]`: classes; none where values are due.
    labels: Vec<u32>,
    /// `[samples, outputs]`: numbers as the task scales them, or labels.
    values: Option<Array2<f32>>,
    /// Its columns among all outputs.
    columns: Range<usize>,
}

/// What is due of each output of a network, the last layer's first.
fn dues(network: &Network, split: &Split) -> Vec<Due> {
    let heads = network.heads().into_iter().map(|(name, outputs)| (Some(name), outputs));
    let all = std::iter::once((None, network.outputs())).chain(heads);
    let mut at = 0;
    let due = |(k, (head, outputs)): (usize, (Option<String>, usize))| {
        let columns = at..at + outputs;
        at = columns.end;
        let task = network.train.task(head.as_deref());
        let (labels, targets) = split.due(k);
        let values = targets.map(|targets| scaled(&task, targets));
        Due { task, labels: labels.to_vec(), values, columns }
    };
    all.enumerate().map(due).collect()
}

impl Due {
    fn select(&self, samples: &[usize]) -> Due {
        Due {
            task: self.task.clone(),
            labels: samples.iter().filter_map(|&i| self.labels.get(i)).copied().collect(),
            values: self.values.as_ref().map(|values| values.select(Axis(0), samples)),
            columns: self.columns.clone(),
        }
    }

    fn targets(&self) -> Targets<'_> {
        Targets {
            labels: &self.labels,
            values: self.values.as_ref().map(|values| (self.task.loss, values.view())),
            weights: &[],
            smoothing: 0.0,
            teacher: None,
        }
    }

    fn score<T: Real>(&self, outputs: ArrayView2<T>) -> Score {
        match &self.values {
            Some(values) => score_values(self.task.loss, outputs, values.view()),
            None => score(outputs, &self.labels),
        }
    }
}

/// The score of each output, of `[samples, outputs]`, those of all heads included.
fn scores<T: Real>(due: &[Due], outputs: ArrayView2<T>) -> Vec<Score> {
    due.iter().map(|due| due.score(outputs.slice(s![.., due.columns.clone()]))).collect()
}

/// Samples that statistics are taken from, at most.
const CALIBRATION: usize = 20_000;
/// Elements of the largest value over those samples, about.
const CALIBRATION_ELEMENTS: usize = 1 << 24;

/// How many samples the statistics of a network are taken from.
fn statistics(float: &Float<f32>) -> usize {
    (CALIBRATION_ELEMENTS / float.widest()).clamp(256, CALIBRATION)
}

impl ImageLearner {
    fn with(network: &Network, x: Array2<f32>, live: &[usize], data: &DataSet) -> Result<Self> {
        let recipe = &network.train;
        let mut train: Vec<usize> = (0..x.nrows()).collect();
        train.shuffle(&mut generator(recipe.seed, Stream::Validation));
        let mut validation =
            train.split_off(x.nrows() - (x.nrows() as f64 * recipe.validation) as usize);
        // What is shuffled at each epoch starts from one order.
        train.sort_unstable();
        validation.sort_unstable();
        if train.len() < 2 {
            return Err(Error::input(
                format_args!("data set `{}`", data.name),
                format_args!("has {} samples to train on, at least 2 are needed", train.len()),
            ));
        }
        Ok(ImageLearner {
            still: x.row(0).to_owned(),
            augment: Augment::new(recipe, &network.axes(), live, x.row(0)),
            x: select_columns(x.view(), live),
            due: dues(network, &data.train),
            class_weights: class_weights(recipe, data),
            train,
            validation,
            shuffled: None,
            batch: Array2::zeros((0, 0)),
            exact_batch: Array2::zeros((0, 0)),
            teaching: None,
        })
    }

    /// Whether another run has the layers of this one, whatever their budgets.
    pub(super) fn check_layers(
        run: &Checkpoint<Weights>,
        other: &Checkpoint<Weights>,
        place: &str,
    ) -> Result<()> {
        check_like(run, other, place)?;
        let layers = |network: &Network| -> Vec<_> {
            network
                .linear()
                .iter()
                .map(|step| (step.name.clone(), step.input, step.output))
                .collect()
        };
        if layers(&other.network) != layers(&run.network) {
            return Err(Error::input(
                place,
                "is a network of other layers, so its weights are of no use here",
            )
            .help("begin from a network of the same description, whose budget alone may differ"));
        }
        Ok(())
    }

    fn batch_size(&self, recipe: &Recipe) -> usize {
        recipe.batch.min(self.train.len())
    }

    /// Training samples evenly spread over the split, `most` of them, changed by chance as in every
    /// step: a network that has never seen an unchanged image is another one with the statistics of
    /// such.
    pub(super) fn calibration(&mut self, recipe: &Recipe, most: usize) -> Array2<f32> {
        self.train.sort_unstable();
        self.shuffled = None;
        let n = self.train.len().min(most);
        let chosen: Vec<usize> = (0..n).map(|i| self.train[i * self.train.len() / n]).collect();
        let mut augment =
            self.augment.as_ref().map(|a| (a, generator(recipe.seed, Stream::Calibration)));
        let mut samples = Array2::zeros((0, 0));
        gather(&self.x, &chosen, augment.as_mut(), &mut samples);
        samples
    }
}

impl Learner for ImageLearner {
    type Data = DataSet;
    type Weights = Weights;
    const DATA: &'static str = "data set";

    fn identity(data: &DataSet) -> (String, String) {
        (data.name.clone(), fingerprint(data))
    }

    fn unit(_: &DataSet) -> Option<&'static str> {
        None
    }

    fn described(network: &Network, data: &DataSet) -> Network {
        let mut network = network.clone();
        let scaling = |head: Option<&str>, k: usize, outputs: usize| {
            // Numbers that do not fit the outputs are told later.
            let targets = data.train.due(k).1.filter(|all| all.ncols() == outputs)?;
            scaling(&network.train.task(head), targets)
        };
        let of_last = scaling(None, 0, network.outputs());
        let heads = network.heads().into_iter().enumerate();
        let of_heads: Vec<_> = heads
            .filter_map(|(k, (name, outputs))| {
                let of_head = scaling(Some(&name), k + 1, outputs)?;
                Some((name, of_head))
            })
            .collect();
        network.train.targets = of_last.or(network.train.targets);
        for (name, scaling) in of_heads {
            network.train.heads.entry(name).or_default().targets = Some(scaling);
        }
        network
    }

    /// A warning where the input format cuts off a good part of the data.
    fn warning(network: &Network, data: &DataSet) -> Option<String> {
        let x = data.train.x.singles();
        let mut at = 0;
        let warning = |(name, edge): (Option<&str>, Edge)| {
            let format = edge.format;
            let unit = 2f64.powi(-format.frac);
            let (low, high) = (format.min() as f64 * unit, format.max() as f64 * unit);
            // Data that do not fit are told later.
            let own = at.min(x.ncols())..(at + edge.elements()).min(x.ncols());
            at = own.end;
            let x = x.slice(s![.., own]);
            let outside = |v: &&f32| f64::from(**v) < low - unit || f64::from(**v) > high + unit;
            let share = x.iter().filter(outside).count() as f64 / x.len().max(1) as f64;
            let of = name.map_or(String::new(), |name| format!(" of `{name}`"));
            (share > 0.01).then(|| {
                format!(
                    "{:.0} % of the input values{of} lie outside {low} to {high}, the range of \
                     {format}: consider another `frac` or `bits`",
                    100.0 * share
                )
            })
        };
        network.inputs().into_iter().find_map(warning)
    }

    fn begin(network: &Network, data: &DataSet, whole: bool) -> Result<(Self, Weights)> {
        if network.is_of_sequences() {
            return Err(Error::input(
                format_args!("network `{}`", network.name),
                "is for sequences, and the data are single samples",
            )
            .help("name a text: --data text:FILE"));
        }
        let x = inputs(network, data)?;
        let varies = |&j: &usize| x.column(j).iter().any(|&v| v != x[[0, j]]);
        let mut live: Vec<usize> = (0..x.ncols()).filter(varies).collect();
        if !live.is_empty() && (whole || !network.is_of_vectors()) {
            // An image stays whole.
            live = (0..x.ncols()).collect();
        }
        if live.is_empty() {
            return Err(Error::input(
                format_args!("data set `{}`", data.name),
                "every input is the same in all training samples, as the input format sees it",
            )
            .help("give the format more bits or another `frac` in the network description"));
        }
        let float =
            Float::new(network, live.len(), &mut generator(network.train.seed, Stream::Weights));
        let learner = Self::with(network, x, &live, data)?;
        Ok((learner, Weights { live, float, frozen: None }))
    }

    fn resume(run: &Checkpoint<Weights>, data: &DataSet) -> Result<Self> {
        Self::with(&run.network, inputs(&run.network, data)?, &run.weights.live, data)
    }

    fn begin_from(
        &mut self,
        run: &mut Checkpoint<Weights>,
        mut other: Checkpoint<Weights>,
        place: &str,
    ) -> Result<Option<String>> {
        Self::check_layers(run, &other, place)?;
        let linear: Vec<_> =
            run.network.linear().iter().filter_map(|step| step.linear().copied()).collect();
        let float = &mut run.weights.float;
        let samples = self.calibration(&run.network.train, statistics(float));
        let mut rng = generator(run.network.train.seed, Stream::Factors);
        let fresh = float.begin_from(&mut other.weights.float, &linear, samples.view(), &mut rng);
        Ok((fresh > 0).then(|| {
            format!(
                "{fresh} of {} layers begin afresh: those of {place} have other shapes, or the new \
                 ones have groups",
                run.network.trained().len()
            )
        }))
    }

    fn begin_loaded(&mut self, run: &mut Checkpoint<Weights>, of: &Loadable) -> Result<()> {
        let Weights { float, frozen, .. } = &mut run.weights;
        let samples = self.calibration(&run.network.train, statistics(float));
        *frozen = Some(loaded::loaded(&run.network, of, float, samples.view())?);
        Ok(())
    }

    fn meet(&mut self, run: &mut Checkpoint<Weights>) {
        let float = &mut run.weights.float;
        let samples = self.calibration(&run.network.train, statistics(float));
        float.settle(samples.view());
    }

    fn learn_from(
        &mut self,
        run: &mut Checkpoint<Weights>,
        teacher: Checkpoint<Weights>,
        place: &str,
    ) -> Result<()> {
        check_like(run, &teacher, place)?;
        let cached = self.augment.is_none() && !run.is_done();
        self.teaching = Some(Teaching::of(teacher.weights.float, cached.then(|| self.x.view())));
        Ok(())
    }

    fn learn_from_onnx(
        &mut self,
        run: &Checkpoint<Weights>,
        teacher: &Classifier,
        start: onnx::Run,
    ) -> Result<Option<String>> {
        if run.is_done() {
            return Ok(None);
        }
        if run.network.inputs().len() > 1 {
            return Err(Error::input(&teacher.path, "has one input, and the network has several")
                .help("name the run of a network of ours: --teacher RUN"));
        }
        let [due] = &self.due[..] else {
            return Err(Error::input(&teacher.path, "has one output, and the network has heads")
                .help("name the run of a network of ours: --teacher RUN"));
        };
        if due.values.is_some() {
            return Err(Error::input(&teacher.path, "teaches classes, and the loss is of numbers")
                .help("name the run of a network of ours: --teacher RUN"));
        }
        let samples = Samples {
            x: self.x.view(),
            labels: &due.labels,
            live: &run.weights.live,
            still: &self.still,
            are_augmented: self.augment.is_some(),
        };
        let (teaching, warning) = Teaching::by_onnx(teacher, start, &run.network, &samples)?;
        self.teaching = Some(teaching);
        Ok(warning)
    }

    fn steps(&self, recipe: &Recipe) -> usize {
        self.train.len() / self.batch_size(recipe)
    }

    fn enter(&mut self, phase: Phase, network: &Network, weights: &mut Weights) {
        let float = &mut weights.float;
        if phase == Phase::Ternary {
            float.begin_ternary(network);
            float.rest();
        } else {
            let samples = self.calibration(&network.train, statistics(float));
            float.calibrate(samples.view());
            weights.frozen = Some(quantise::fold(float, network, samples.view()));
        }
    }

    fn gradients(&mut self, run: &mut Checkpoint<Weights>) -> Result<Score> {
        let Checkpoint { network, weights, phase, epoch, step, .. } = run;
        let recipe = &network.train;
        let (steps, size) = (self.steps(recipe), self.batch_size(recipe));
        if self.shuffled != Some((*phase, *epoch)) {
            self.train.sort_unstable();
            self.train.shuffle(&mut generator(recipe.seed, Stream::Order(*phase, *epoch)));
            self.shuffled = Some((*phase, *epoch));
        }
        let samples = &self.train[*step * size..][..size];
        let due: Vec<Due> = self.due.iter().map(|due| due.select(samples)).collect();
        let chance = Stream::Augment(*phase, *epoch * steps + *step);
        let mut augment = self.augment.as_ref().map(|a| (a, generator(recipe.seed, chance)));
        gather(&self.x, samples, augment.as_mut(), &mut self.batch);
        let teaching = self.teaching.as_mut();
        let logits = teaching.map(|t| t.logits(self.batch.view(), samples)).transpose()?;
        let Distill { lambda, temperature } = recipe.distill;
        let mut targets = due.iter().map(|due| {
            let own = s![.., due.columns.clone()];
            let logits = logits.as_ref().map(|logits| logits.slice(own));
            let teacher = logits.map(|logits| Teacher { logits, lambda, temperature });
            let smoothing = recipe.label_smoothing;
            (Targets { smoothing, teacher, ..due.targets() }, due.task.weight)
        });
        let main = targets.next().map(|(main, _)| main);
        let Some(main) = main.map(|main| Targets { weights: &self.class_weights, ..main }) else {
            unreachable!("a network has a last layer")
        };
        let aims = Aims { main, heads: targets.collect() };
        let Some(frozen) = &mut weights.frozen else {
            return Ok(weights.float.gradients(self.batch.view(), &aims));
        };
        if self.exact_batch.dim() != self.batch.dim() {
            self.exact_batch = Array2::zeros(self.batch.dim());
        }
        self.exact_batch.zip_mut_with(&self.batch, |exact, &v| *exact = v.into());
        Ok(frozen.gradients(self.exact_batch.view(), &aims))
    }

    fn validate(&self, network: &Network, weights: &Weights) -> Vec<Score> {
        if self.validation.is_empty() {
            return vec![];
        }
        let x = self.x.select(Axis(0), &self.validation);
        let due: Vec<Due> = self.due.iter().map(|due| due.select(&self.validation)).collect();
        match &weights.frozen {
            Some(frozen) => scores(&due, frozen.evaluate(&network.columns(), x.view()).view()),
            None => scores(&due, weights.float.evaluate(x.view()).view()),
        }
    }

    fn test(run: &Checkpoint<Weights>, data: &DataSet) -> Result<Vec<Score>> {
        let outputs = run.float_outputs(data.test.x.singles().view())?;
        Ok(scores(&dues(&run.network, &data.test), outputs.view()))
    }

    fn model(&self, run: &Checkpoint<Weights>, provenance: Provenance) -> Option<Model> {
        let Weights { live, frozen, .. } = &run.weights;
        Some(quantise::to_model(&run.network, live, frozen.as_ref()?, provenance))
    }

    fn test_integers(model: &Model, network: &Network, data: &DataSet) -> Result<Vec<Score>> {
        let outputs = exact::outputs(model, data.test.x.doubles().view())?;
        Ok(scores(&dues(network, &data.test), outputs.view()))
    }
}

fn check_like(run: &Checkpoint<Weights>, other: &Checkpoint<Weights>, place: &str) -> Result<()> {
    let (a, b) = (&run.network, &other.network);
    if a.heads() != b.heads() {
        return Err(Error::input(place, "is a network of other heads")
            .help("name a run of a network with the same heads"));
    }
    // How much each counts is up to either.
    let is_other = |head: Option<&str>| {
        let [a, b] = [a, b].map(|network| network.train.task(head));
        (a.loss, a.targets) != (b.loss, b.targets)
    };
    if is_other(None) || a.heads().iter().any(|(name, _)| is_other(Some(name))) {
        return Err(Error::input(place, "is trained to another loss, or to other numbers")
            .help("name a run on the same data, with the same `loss` under `train`"));
    }
    if (&a.input, a.further_inputs()) == (&b.input, b.further_inputs())
        && a.outputs() == b.outputs()
        && run.weights.live == other.weights.live
    {
        return Ok(());
    }
    Err(Error::input(place, "is a network of other inputs or classes")
        .help("name a run on the same data, with the same `input`"))
}

/// How numbers are scaled: as the task says, else to a mean of 0 and a standard deviation of 1.
fn scaling(task: &Task, targets: &Array2<f64>) -> Option<Scaling> {
    if !task.loss.is_regression() || task.targets.is_some() {
        return task.targets.clone();
    }
    let mean = |v: ArrayView1<f64>| v.mean().unwrap_or(0.0);
    let offset: Vec<f64> = targets.columns().into_iter().map(mean).collect();
    let deviation =
        |(v, offset): (ArrayView1<f64>, &f64)| mean(v.mapv(|v| (v - offset).powi(2)).view()).sqrt();
    let scale = targets.columns().into_iter().zip(&offset).map(deviation);
    // Numbers that are all alike need no scale.
    let scale = scale.map(|v| if v.is_normal() { v } else { 1.0 }).collect();
    Some(Scaling { offset, scale })
}

fn class_weights(recipe: &Recipe, data: &DataSet) -> Vec<f64> {
    if recipe.class_weights == ClassWeights::None {
        return vec![];
    }
    let mut counts = vec![0usize; data.classes];
    data.train.labels.iter().for_each(|label| counts[*label as usize] += 1);
    let all = data.train.labels.len() as f64;
    counts.iter().map(|n| all / (counts.len() as f64 * (*n).max(1) as f64)).collect()
}

/// The train split as the input format sees it, as real values.
fn inputs(network: &Network, data: &DataSet) -> Result<Array2<f32>> {
    let place = format!("network `{}`", network.name);
    data.check_shape(
        &network.input.shape,
        &network.inputs()[1..],
        &format!("set `shape = {:?}` under `input`", data.shape),
    )?;
    network
        .heads()
        .iter()
        .enumerate()
        .try_for_each(|(k, head)| check_head(network, data, k, head))?;
    if let Some(targets) = &data.train.targets {
        if network.outputs() != targets.ncols() {
            let (has, due) = (network.outputs(), targets.ncols());
            let cause =
                format!("has {has} outputs, data set `{}` has {due} numbers a sample", data.name);
            return Err(Error::input(place, cause).help(format_args!(
                "set `units = {due}` in the last layer, or name the columns of the labels: \
                 label=NAME for each"
            )));
        }
        check_labels(network.train.loss, targets, "train", || format!("data set `{}`", data.name))?;
        return inputs_of(network, data);
    }
    if network.train.loss != Loss::CrossEntropy {
        let cause = format!("is trained to numbers, data set `{}` has classes", data.name);
        return Err(Error::input(place, cause).help("remove `loss` under `train`"));
    }
    if data.classes < 2 {
        let cause = format!(
            "data set `{}` has one class only, so there is nothing to tell apart",
            data.name
        );
        return Err(Error::input(place, cause).help(
            "are these the labels? name the column of a table's with label=NAME or label=N",
        ));
    }
    if network.outputs() != data.classes {
        return Err(Error::input(
            place,
            format_args!(
                "has {} outputs, data set `{}` has {} classes{}",
                network.outputs(),
                data.name,
                data.classes,
                data.shown_classes()
            ),
        )
        .help(format_args!("set `units = {}` in the last layer", data.classes)));
    }
    inputs_of(network, data)
}

/// Fails where values are no labels, and the loss is of labels.
fn check_labels(
    loss: Loss,
    values: &Array2<f64>,
    key: &str,
    place: impl Fn() -> String,
) -> Result<()> {
    let mut other = values.indexed_iter().filter(|(_, v)| **v != 0.0 && **v != 1.0);
    match other.next() {
        Some(((sample, output), v)) if loss == Loss::BinaryCrossEntropy => {
            let cause = format!("sample {sample} has {v} for label {output}, not 0 or 1");
            Err(Error::input(place(), cause)
                .help(format_args!("set `loss = \"squared\"` under `{key}` for numbers")))
        }
        _ => Ok(()),
    }
}

/// Checks what is due of a head, its name and its outputs.
fn check_head(
    network: &Network,
    data: &DataSet,
    k: usize,
    (name, outputs): &(String, usize),
) -> Result<()> {
    let place = || format!("data set `{}`, head `{name}`", data.name);
    let loss = network.train.task(Some(name)).loss;
    let cause = match data.train.due(k + 1) {
        (_, Some(values)) => {
            check_labels(loss, values, &format!("train.heads.{name}"), place)?;
            let has = values.ncols();
            (has != *outputs).then(|| format!("has {has} numbers a sample, for {outputs} outputs"))
        }
        ([], None) => Some("has nothing that is due of it".into()),
        (labels, None) => {
            let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
            (classes > *outputs).then(|| format!("has {classes} classes, for {outputs} outputs"))
        }
    };
    let help = || {
        format!(
            "give the last layer of the head as many outputs, or set its `loss` under \
             `train.heads.{name}` to what y_train_{name} is"
        )
    };
    cause.map_or(Ok(()), |cause| Err(Error::input(place(), cause).help(help())))
}

fn inputs_of(network: &Network, data: &DataSet) -> Result<Array2<f32>> {
    // At most 16 bits, which f32 holds.
    Ok(data.train.x.reals(&network.columns())?.mapv(|v| v as f32))
}

fn gather(
    x: &Array2<f32>,
    samples: &[usize],
    mut augment: Option<&mut (&Augment, ChaCha8Rng)>,
    batch: &mut Array2<f32>,
) {
    if batch.dim() != (samples.len(), x.ncols()) {
        *batch = Array2::zeros((samples.len(), x.ncols()));
    }
    for (mut row, &sample) in batch.rows_mut().into_iter().zip(samples) {
        // Both are in standard layout.
        let (Some(to), Some(from)) = (row.as_slice_mut(), x.row(sample).to_slice()) else {
            unreachable!()
        };
        match &mut augment {
            Some((augment, rng)) => augment.apply(from, rng, to),
            None => to.copy_from_slice(from),
        }
    }
}

/// SHA-256 of the train split.
fn fingerprint(data: &DataSet) -> String {
    let mut hash = Sha256::new();
    let mut update = |bytes: Vec<u8>| hash.update(&bytes);
    match &data.train.x {
        Values::Single(x) => x
            .rows()
            .into_iter()
            .for_each(|r| update(r.iter().flat_map(|v| v.to_le_bytes()).collect())),
        Values::Double(x) => x
            .rows()
            .into_iter()
            .for_each(|r| update(r.iter().flat_map(|v| v.to_le_bytes()).collect())),
    }
    for label in &data.train.labels {
        hash.update(label.to_le_bytes());
    }
    for v in data.train.targets.iter().flatten() {
        hash.update(v.to_le_bytes());
    }
    hex(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    #[test]
    fn statistics_are_of_images_as_training_changes_them() {
        let text = "name = \"t\"\ninput = { shape = [2, 2, 1], bits = 8, frac = 8 }\n\
            layers = [{ conv2d = { channels = 2, kernel = 1 } }, \"flatten\", { dense = { units = \
            2 } }]\n\
            [train]\nvalidation = 0\nflip = true\n";
        let mut network = Network::parse("t", text).unwrap();
        let x = Array2::from_shape_fn(
            (600, 4),
            |(i, j)| if j % 2 == 0 { i as f32 / 1024.0 } else { 0.0 },
        );
        let split = Split::of_classes(x.into(), (0..600).map(|i| i % 2).collect());
        let data = DataSet {
            name: "left".into(),
            shape: vec![2, 2, 1],
            further: vec![],
            classes: 2,
            class_names: None,
            notes: vec![],
            train: split.clone(),
            test: split,
        };
        let right = |network: &Network| {
            let (mut learner, weights) = ImageLearner::begin(network, &data, false).unwrap();
            let samples = learner.calibration(&network.train, statistics(&weights.float));
            assert_eq!(samples.nrows(), 600);
            samples.rows().into_iter().filter(|image| image[1] > 0.0).count()
        };
        let mirrored = right(&network);
        assert!((200..400).contains(&mirrored), "{mirrored} of 600 images");
        network.train.flip = false;
        assert_eq!(right(&network), 0);
    }
}
