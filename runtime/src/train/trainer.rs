//! The three phases, step by step.

use super::augment::Augment;
use super::checkpoint::{Checkpoint, UNUSABLE};
use super::float::Float;
use super::loss::{Score, Targets, Teacher, score};
use super::optimiser::{Rule, average_share, learning_rate};
use super::ternary::Matrix;
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::model::{Model, Provenance};
use crate::network::{self, Distill, Network};
use crate::quantise;
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a run stands: a phase of the recipe, or past all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Full-precision W_b and W_c.
    Full,
    /// Ternary W_b and W_c with straight-through gradients.
    Ternary,
    /// W_b and W_c frozen, integer activations; coefficients and biases train.
    Frozen,
    /// Nothing is left to do.
    Done,
}

impl Phase {
    /// Its recipe; a full-precision network has phase 1 only.
    pub fn recipe(self, network: &Network) -> Option<&network::Phase> {
        match self {
            Phase::Ternary | Phase::Frozen if network.train.full_precision => None,
            Phase::Full => Some(&network.train.full),
            Phase::Ternary => Some(&network.train.ternary),
            Phase::Frozen => Some(&network.train.frozen),
            Phase::Done => None,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Full => "full",
            Phase::Ternary => "ternary",
            Phase::Frozen => "frozen",
            Phase::Done => "done",
        })
    }
}

/// What one epoch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// The phase it belongs to.
    pub phase: Phase,
    /// 1 for the first one of the phase.
    pub epoch: usize,
    /// Step size of its first step.
    pub learning_rate: f64,
    /// Mean loss while training: cross entropy with the targets of the recipe.
    #[serde(rename = "train_loss")]
    pub loss: f64,
    /// While training, in 0..=1.
    pub train_accuracy: f64,
    /// On the slice held out, if there is one, after the epoch.
    pub validation_accuracy: Option<f64>,
    /// Mean cross entropy there in nats, of a network of sequences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Nonzeros over entries of all W_b and W_c.
    pub density: f64,
}

/// A step's place in the run, for progress.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// 1-based.
    pub epoch: usize,
    /// Epochs of the phase.
    pub epochs: usize,
    /// Steps done in the epoch.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Of the epoch so far.
    pub score: Score,
}

/// Trains a network on a data set.
pub struct Trainer {
    state: Checkpoint,
    /// `[samples, live inputs]`: the train split as the input format sees it.
    x: Array2<f32>,
    labels: Vec<u32>,
    /// Samples to train on; in the order of the epoch once it has begun.
    train: Vec<usize>,
    /// Samples held out.
    validation: Vec<usize>,
    /// Epoch whose order `train` is in.
    shuffled: Option<(Phase, usize)>,
    augment: Option<Augment>,
    batch: Array2<f32>,
    exact_batch: Array2<f64>,
    batch_labels: Vec<u32>,
    teaching: Option<Teaching>,
    warnings: Vec<String>,
}

/// A full-precision network, and its logits.
struct Teaching {
    float: Float<f32>,
    /// `[samples, classes]`: for each training sample as it is; none where samples are augmented, since a teacher should see what
    /// its student sees (Beyer et al. 2022).
    cached: Option<Array2<f32>>,
    /// `[n, classes]`: of the batch.
    batch: Array2<f32>,
}

/// Streams of the seed's generator; one for each use, so that nothing depends on what else was drawn.
pub(super) enum Stream {
    Weights,
    Validation,
    /// Of a network that begins from another one.
    Factors,
    /// Of the samples that statistics are taken from.
    Calibration,
    /// Of the samples in an epoch.
    Order(Phase, usize),
    /// Of the samples of a step, counted from the start of its phase.
    Augment(Phase, usize),
}

pub(super) fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        Stream::Weights => 0,
        Stream::Validation => 1,
        Stream::Factors => 2,
        Stream::Calibration => 3,
        Stream::Order(phase, epoch) => ((1 + phase as u64) << 48) | epoch as u64,
        Stream::Augment(phase, step) => ((5 + phase as u64) << 48) | step as u64,
    });
    rng
}

/// Samples that statistics are taken from, at most.
const CALIBRATION: usize = 20_000;
/// Elements of the largest value over those samples, about.
const CALIBRATION_ELEMENTS: usize = 1 << 24;

impl Trainer {
    /// A fresh run.
    ///
    /// # Errors
    /// Where the data do not fit the network, or hold nothing to learn from.
    pub fn new(network: &Network, data: &DataSet) -> Result<Trainer> {
        network.validate()?;
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
        if !live.is_empty() && !network.is_of_vectors() {
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
        let float = Float::new(network, live.len(), &mut generator(network.train.seed, Stream::Weights));
        let state = Checkpoint::start(network.clone(), data, live, float);
        Self::with(state, x, data)
    }

    /// Goes on where a checkpoint stands.
    ///
    /// # Errors
    /// Where the data are not the ones the run began with.
    pub fn resume(state: Checkpoint, data: &DataSet) -> Result<Trainer> {
        state.check_data(data)?;
        let x = inputs(&state.network, data)?;
        Self::with(state, x, data)
    }

    fn with(state: Checkpoint, x: Array2<f32>, data: &DataSet) -> Result<Trainer> {
        let recipe = &state.network.train;
        let mut train: Vec<usize> = (0..x.nrows()).collect();
        train.shuffle(&mut generator(recipe.seed, Stream::Validation));
        let mut validation = train.split_off(x.nrows() - (x.nrows() as f64 * recipe.validation) as usize);
        // What is shuffled at each epoch starts from one order.
        train.sort_unstable();
        validation.sort_unstable();
        if train.len() < 2 {
            return Err(Error::input(
                format_args!("data set `{}`", data.name),
                format_args!("has {} samples to train on, at least 2 are needed", train.len()),
            ));
        }
        let augment = Augment::new(recipe, &state.network.axes(), &state.live, x.row(0));
        let warnings = saturation(&state.network, data).into_iter().collect();
        let mut trainer = Trainer {
            x: select_columns(x.view(), &state.live),
            labels: data.train.labels.clone(),
            train,
            validation,
            shuffled: None,
            augment,
            batch: Array2::zeros((0, 0)),
            exact_batch: Array2::zeros((0, 0)),
            batch_labels: Vec::new(),
            teaching: None,
            warnings,
            state,
        };
        if trainer.state.step >= trainer.steps() {
            return Err(Error::input("checkpoint", "stands behind the end of its epoch").help(UNUSABLE));
        }
        trainer.enter_phases();
        Ok(trainer)
    }

    /// Begins at the weights of another network, or at factors of them, see [`Checkpoint`]; `place` names it in errors.
    ///
    /// # Errors
    /// Where that is a network of other layers or inputs.
    pub fn begin_from(&mut self, mut other: Checkpoint, place: &str) -> Result<()> {
        self.check_like(&other, place)?;
        let layers = |network: &Network| -> Vec<_> {
            network.linear().iter().map(|step| (step.name.clone(), step.input, step.output)).collect()
        };
        if layers(&other.network) != layers(&self.state.network) {
            return Err(Error::input(place, "is a network of other layers, so its weights are of no use here")
                .help("begin from a network of the same description, whose budget alone may differ"));
        }
        // Phases without epochs may have been entered already.
        self.state.frozen = None;
        self.state.float.spns_mut().for_each(|spn| spn.matrices_mut().for_each(Matrix::make_full));
        let linear: Vec<_> = self.state.network.linear().iter().filter_map(|step| step.linear().copied()).collect();
        let samples = self.calibration();
        let mut rng = generator(self.state.network.train.seed, Stream::Factors);
        let fresh = self.state.float.begin_from(&mut other.float, &linear, samples.view(), &mut rng);
        if fresh > 0 {
            self.warnings.push(format!(
                "{fresh} of {} linear layers begin afresh: those of {place} have other shapes, or the new ones have groups",
                linear.len()
            ));
        }
        self.state.begin(Phase::Full);
        self.enter_phases();
        Ok(())
    }

    /// Has every batch taught by a network, by the recipe's `distill`; `place` names it in errors.
    ///
    /// # Errors
    /// Where that has other inputs or classes.
    pub fn learn_from(&mut self, teacher: Checkpoint, place: &str) -> Result<()> {
        self.check_like(&teacher, place)?;
        let float = teacher.float;
        let cached = (self.augment.is_none() && !self.is_done()).then(|| float.evaluate(self.x.view()));
        self.teaching = Some(Teaching { float, cached, batch: Array2::zeros((0, 0)) });
        Ok(())
    }

    fn check_like(&self, other: &Checkpoint, place: &str) -> Result<()> {
        let mine = &self.state;
        let (a, b) = (&mine.network, &other.network);
        if a.input == b.input && a.outputs() == b.outputs() && mine.live == other.live {
            return Ok(());
        }
        Err(Error::input(place, "is a network of other inputs or classes")
            .help("name a run on the same data, with the same `input`"))
    }

    /// The state to save; everything that is needed to go on bit for bit.
    pub fn checkpoint(&mut self) -> &mut Checkpoint {
        &mut self.state
    }

    /// Epochs so far.
    pub fn history(&self) -> &[Epoch] {
        &self.state.history
    }

    /// What the user should know about data and network; taken once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The description, with what the command line changed in it.
    pub fn network(&self) -> &Network {
        &self.state.network
    }

    /// SHA-256 of the teacher's checkpoint, where the run has one.
    pub fn teacher(&self) -> Option<&str> {
        self.state.teacher.as_deref()
    }

    /// Where the run stands.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// Whether all phases are done.
    pub fn is_done(&self) -> bool {
        self.state.phase == Phase::Done
    }

    /// Steps of an epoch.
    fn steps(&self) -> usize {
        self.train.len() / self.batch_size()
    }

    fn batch_size(&self) -> usize {
        self.state.network.train.batch.min(self.train.len())
    }

    /// Steps of all that is left of the run, and of the whole run.
    pub fn steps_left(&self) -> (usize, usize) {
        let phases = [Phase::Full, Phase::Ternary, Phase::Frozen];
        let epochs = |p: Phase| p.recipe(&self.state.network).map_or(0, |r| r.epochs);
        let total: usize = phases.into_iter().map(epochs).sum();
        let done: usize = phases.into_iter().filter(|p| *p < self.state.phase).map(epochs).sum();
        let done = (done + self.state.epoch) * self.steps() + self.state.step;
        (total * self.steps() - done.min(total * self.steps()), total * self.steps())
    }

    /// One step of the optimiser, and with the last one of an epoch its record. Does nothing when all is done.
    ///
    /// # Errors
    /// Where the loss is no longer a number.
    pub fn step(&mut self) -> Result<(Progress, Option<Epoch>)> {
        // Within the pool of threads from beginning to end, instead of once for every loop.
        rayon::scope(|_| self.step_in_pool())
    }

    fn step_in_pool(&mut self) -> Result<(Progress, Option<Epoch>)> {
        let (steps, size) = (self.steps(), self.batch_size());
        let state = &mut self.state;
        let (phase, epoch) = (state.phase, state.epoch);
        let Some(recipe) = phase.recipe(&state.network) else {
            let progress = Progress { phase, epoch: 0, epochs: 0, step: 0, steps: 0, score: Score::default() };
            return Ok((progress, None));
        };
        if self.shuffled != Some((phase, epoch)) {
            self.train.sort_unstable();
            self.train.shuffle(&mut generator(state.network.train.seed, Stream::Order(phase, epoch)));
            self.shuffled = Some((phase, epoch));
        }
        let samples = &self.train[state.step * size..][..size];
        self.batch_labels.clear();
        self.batch_labels.extend(samples.iter().map(|&i| self.labels[i]));
        let step = epoch * steps + state.step;
        let mut augment =
            self.augment.as_ref().map(|a| (a, generator(state.network.train.seed, Stream::Augment(phase, step))));
        let rule = Rule::new(&state.network.train, recipe, step, steps);
        gather(&self.x, samples, augment.as_mut(), &mut self.batch);
        if let Some(Teaching { float, cached, batch }) = &mut self.teaching {
            match cached {
                Some(logits) => gather(logits, samples, None, batch),
                None => *batch = float.evaluate(self.batch.view()),
            }
        }
        let Distill { lambda, temperature } = state.network.train.distill;
        let teacher = self.teaching.as_ref().map(|t| Teacher { logits: t.batch.view(), lambda, temperature });
        let smoothing = state.network.train.label_smoothing;
        let targets = Targets { labels: &self.batch_labels, smoothing, teacher };
        let score = if let Some(frozen) = &mut state.frozen {
            if self.exact_batch.dim() != self.batch.dim() {
                self.exact_batch = Array2::zeros(self.batch.dim());
            }
            self.exact_batch.zip_mut_with(&self.batch, |exact, &v| *exact = v.into());
            let score = frozen.gradients(self.exact_batch.view(), &targets);
            if score.loss.is_finite() {
                frozen.update(rule);
            }
            score
        } else {
            let score = state.float.gradients(self.batch.view(), &targets);
            if score.loss.is_finite() {
                state.float.update(rule);
            }
            score
        };
        if let Some(average) = &mut state.average {
            average.approach(&mut state.float, state.frozen.as_mut(), average_share(state.network.train.ema, step));
        }
        if !score.loss.is_finite() {
            return Err(Error::input(
                format_args!("training, phase {phase}, epoch {}, step {}", epoch + 1, state.step + 1),
                format_args!("the loss is {}: training diverged", score.loss),
            )
            .help(format_args!(
                "lower `learning_rate` of `{phase}` (now {}) in the description",
                recipe.learning_rate
            )));
        }
        state.partial += score;
        state.step += 1;
        let progress =
            Progress { phase, epoch: epoch + 1, epochs: recipe.epochs, step: state.step, steps, score: state.partial };
        let learning_rate = learning_rate(recipe, epoch * steps, steps);
        let record = (state.step == steps).then(|| self.end_epoch(learning_rate));
        Ok((progress, record))
    }

    fn end_epoch(&mut self, learning_rate: f64) -> Epoch {
        self.state.exchange_average();
        let validation_accuracy = (!self.validation.is_empty()).then(|| {
            let x = self.x.select(Axis(0), &self.validation);
            let labels: Vec<u32> = self.validation.iter().map(|&i| self.labels[i]).collect();
            match &self.state.frozen {
                Some(frozen) => score(frozen.evaluate(self.state.network.input.format(), x.view()).view(), &labels),
                None => score(self.state.float.evaluate(x.view()).view(), &labels),
            }
            .accuracy()
        });
        let state = &mut self.state;
        let epoch = Epoch {
            phase: state.phase,
            epoch: state.epoch + 1,
            learning_rate,
            loss: state.partial.mean_loss(),
            train_accuracy: state.partial.accuracy(),
            validation_accuracy,
            validation_loss: None,
            density: state.float.density(),
        };
        state.history.push(epoch.clone());
        if state.network.train.keep_best && state.best_epoch() == Some(epoch.epoch) {
            state.best = Some(state.snapshot());
        }
        state.exchange_average();
        state.partial = Score::default();
        state.step = 0;
        state.epoch += 1;
        self.enter_phases();
        epoch
    }

    /// Goes over to the next phase, and the one after it, where the present one is over.
    fn enter_phases(&mut self) {
        while !self.is_done() && self.state.phase_is_over() {
            self.state.settle();
            match self.state.phase {
                Phase::Full if self.state.network.train.full_precision => self.state.begin(Phase::Done),
                Phase::Full => {
                    self.state.float.begin_ternary(&self.state.network);
                    self.state.float.rest();
                    self.state.begin(Phase::Ternary);
                }
                Phase::Ternary => {
                    let samples = self.calibration();
                    self.state.float.calibrate(samples.view());
                    self.state.frozen = Some(quantise::fold(&self.state.float, &self.state.network, samples.view()));
                    self.state.begin(Phase::Frozen);
                }
                Phase::Frozen | Phase::Done => self.state.begin(Phase::Done),
            }
        }
    }

    /// Training samples evenly spread over the split, changed by chance as in every step: a network that has never seen an
    /// unchanged image is another one with the statistics of such.
    fn calibration(&mut self) -> Array2<f32> {
        self.train.sort_unstable();
        self.shuffled = None;
        let most = (CALIBRATION_ELEMENTS / self.state.float.widest()).clamp(256, CALIBRATION);
        let n = self.train.len().min(most);
        let chosen: Vec<usize> = (0..n).map(|i| self.train[i * self.train.len() / n]).collect();
        let mut augment =
            self.augment.as_ref().map(|a| (a, generator(self.state.network.train.seed, Stream::Calibration)));
        let mut samples = Array2::zeros((0, 0));
        gather(&self.x, &chosen, augment.as_mut(), &mut samples);
        samples
    }

    /// The integer network, once phase 3 has begun.
    pub fn model(&self, provenance: Provenance) -> Option<Model> {
        let Checkpoint { network, live, frozen, .. } = &self.state;
        Some(quantise::to_model(network, live, frozen.as_ref()?, provenance))
    }
}

/// Some columns, in standard layout, so that samples stay contiguous.
pub(super) fn select_columns(x: ArrayView2<f32>, columns: &[usize]) -> Array2<f32> {
    let mut selected = Array2::zeros((x.nrows(), columns.len()));
    for (mut to, from) in selected.rows_mut().into_iter().zip(x.rows()) {
        for (to, &j) in to.iter_mut().zip(columns) {
            *to = from[j];
        }
    }
    selected
}

/// The train split as the input format sees it, as real values.
fn inputs(network: &Network, data: &DataSet) -> Result<Array2<f32>> {
    let place = format!("network `{}`", network.name);
    data.check_shape(&network.input.shape, &format!("set `shape = {:?}` under `input`", data.shape))?;
    if data.classes < 2 {
        let cause = format!("data set `{}` has one class only, so there is nothing to tell apart", data.name);
        return Err(Error::input(place, cause)
            .help("are these the labels? name the column of a table's with label=NAME or label=N"));
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
    let format = network.input.format();
    let down = 2f64.powi(-format.frac);
    // At most 16 bits, which f32 holds.
    Ok(data.train.x.integers(format)?.mapv(|v| (v as f64 * down) as f32))
}

/// A warning where the input format cuts off a good part of the data.
fn saturation(network: &Network, data: &DataSet) -> Option<String> {
    let format = network.input.format();
    let unit = 2f64.powi(-format.frac);
    let (low, high) = (format.min() as f64 * unit, format.max() as f64 * unit);
    let x = data.train.x.singles();
    let outside = x.iter().filter(|v| f64::from(**v) < low - unit || f64::from(**v) > high + unit).count();
    let share = outside as f64 / x.len() as f64;
    (share > 0.01).then(|| {
        format!(
            "{:.0} % of the input values lie outside {low} to {high}, the range of {format}: consider another `frac` or `bits`",
            100.0 * share
        )
    })
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
        let (Some(to), Some(from)) = (row.as_slice_mut(), x.row(sample).to_slice()) else { unreachable!() };
        match &mut augment {
            Some((augment, rng)) => augment.apply(from, rng, to),
            None => to.copy_from_slice(from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    #[test]
    fn statistics_are_of_images_as_training_changes_them() {
        let text = "name = \"t\"\ninput = { shape = [2, 2, 1], bits = 8, frac = 8 }\n\
            layers = [{ conv2d = { channels = 2, kernel = 1 } }, \"flatten\", { dense = { units = 2 } }]\n\
            [train]\nvalidation = 0\nflip = true\n";
        let mut network = Network::parse("t", text).unwrap();
        let x = Array2::from_shape_fn((600, 4), |(i, j)| if j % 2 == 0 { i as f32 / 1024.0 } else { 0.0 });
        let split = Split { x: x.into(), labels: (0..600).map(|i| i % 2).collect() };
        let data = DataSet {
            name: "left".into(),
            shape: vec![2, 2, 1],
            classes: 2,
            class_names: None,
            notes: vec![],
            train: split.clone(),
            test: split,
        };
        let right = |network: &Network| {
            let samples = Trainer::new(network, &data).unwrap().calibration();
            assert_eq!(samples.nrows(), 600);
            samples.rows().into_iter().filter(|image| image[1] > 0.0).count()
        };
        let mirrored = right(&network);
        assert!((200..400).contains(&mirrored), "{mirrored} of 600 images");
        network.train.flip = false;
        assert_eq!(right(&network), 0);
    }
}
