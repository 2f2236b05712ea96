//! The schedule of a run, the same for both kinds of network: three phases, their epochs and steps,
//! averages and patience.

use super::checkpoint::{Checkpoint, Tensors, UNUSABLE, Weights};
use super::loadable::Loadable;
use super::loss::Score;
use super::optimiser::{Rule, average_share, learning_rate};
use crate::error::{Error, Result};
use crate::model::{Model, Provenance};
use crate::network::{self, Network, Plateau, Recipe, Schedule};
use crate::onnx::{self, Classifier};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The place where a run stands: a phase of the recipe, or past all of them.
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
    /// The recipe of the phase; a full-precision network has phase 1 only.
    pub fn recipe(self, network: &Network) -> Option<&network::Phase> {
        match self {
            Phase::Ternary | Phase::Frozen if network.train.full_precision => None,
            Phase::Full => Some(&network.train.full),
            Phase::Ternary => Some(&network.train.ternary),
            Phase::Frozen => Some(&network.train.frozen),
            Phase::Done => None,
        }
    }

    /// The one after it.
    fn next(self, network: &Network) -> Phase {
        match self {
            Phase::Full if !network.train.full_precision => Phase::Ternary,
            Phase::Ternary => Phase::Frozen,
            Phase::Full | Phase::Frozen | Phase::Done => Phase::Done,
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
    /// The accuracy while training, 0..=1; of a regression the share of the targets' spread that is
    /// explained.
    pub train_accuracy: f64,
    /// The accuracy on the slice held out, if there is one, after the epoch.
    pub validation_accuracy: Option<f64>,
    /// Mean cross entropy there in nats, of a network of sequences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// The accuracy of each head there, likewise.
    #[serde(
        rename = "validation_accuracy_of_heads",
        default,
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub validation_heads: BTreeMap<String, f64>,
    /// Nonzeros over entries of all W_b and W_c.
    pub density: f64,
}

/// A step's place in the run, for progress.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Epochs of the phase.
    pub epochs: usize,
    /// Steps done in the epoch.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// The score of the epoch so far.
    pub score: Score,
}

/// What one kind of network does in training, on its kind of data; [`Trainer`] does the rest.
pub trait Learner: Sized + Send {
    /// What it learns from.
    type Data;
    /// The weights that it trains.
    type Weights: Weights;
    /// What its data are called in messages.
    const DATA: &'static str;

    /// Name and SHA-256 of what is trained on.
    fn identity(data: &Self::Data) -> (String, String);
    /// What the samples are called where they are symbols of a text, whose measure is bits and not
    /// accuracy.
    fn unit(data: &Self::Data) -> Option<&'static str>;
    /// The description with all that its recipe leaves to the data.
    fn described(network: &Network, _: &Self::Data) -> Network {
        network.clone()
    }
    /// What the user should know about data and network.
    fn warning(network: &Network, data: &Self::Data) -> Option<String>;
    /// Begins with fresh weights for a valid description; `whole` where inputs that never vary have
    /// weights, too.
    ///
    /// # Errors
    /// Where the data do not fit the network, or hold nothing to learn from.
    fn begin(network: &Network, data: &Self::Data, whole: bool) -> Result<(Self, Self::Weights)>;
    /// Goes on with the weights of a checkpoint, whose run began with these data.
    ///
    /// # Errors
    /// Where the data do not fit the network, or hold nothing to learn from.
    fn resume(run: &Checkpoint<Self::Weights>, data: &Self::Data) -> Result<Self>;
    /// Gives a run that has just begun the weights of another one, or factors of them; may yield a
    /// warning. `place` names the other one in errors.
    ///
    /// # Errors
    /// Where that does not fit.
    fn begin_from(
        &mut self,
        run: &mut Checkpoint<Self::Weights>,
        other: Checkpoint<Self::Weights>,
        place: &str,
    ) -> Result<Option<String>>;
    /// Makes a run that has just begun, with weights of all inputs, the network of phase 3 that a
    /// core computes already.
    ///
    /// # Errors
    /// Where the description is not that of the core's model.
    fn begin_loaded(&mut self, run: &mut Checkpoint<Self::Weights>, of: &Loadable) -> Result<()>;
    /// Gives a run that began without data the statistics of them; its function stays.
    fn meet(&mut self, run: &mut Checkpoint<Self::Weights>);
    /// Has every step taught by another network, by the recipe's `distill`; `place` names it in
    /// errors.
    ///
    /// # Errors
    /// Where that has other inputs or classes.
    fn learn_from(
        &mut self,
        run: &mut Checkpoint<Self::Weights>,
        teacher: Checkpoint<Self::Weights>,
        place: &str,
    ) -> Result<()>;
    /// The same by a network in ONNX, which `start` has computed; may yield a warning.
    ///
    /// # Errors
    /// Where that takes other samples or yields other classes, cannot be run, or knows nothing of
    /// the data.
    fn learn_from_onnx(
        &mut self,
        run: &Checkpoint<Self::Weights>,
        teacher: &Classifier,
        start: onnx::Run,
    ) -> Result<Option<String>>;
    /// Steps of an epoch.
    fn steps(&self, recipe: &Recipe) -> usize;
    /// Makes the network one of phase 2 or 3, at rest.
    fn enter(&mut self, phase: Phase, network: &Network, weights: &mut Self::Weights);
    /// Leaves all gradients of the run's next step.
    ///
    /// # Errors
    /// Where the teacher's outputs cannot be computed.
    fn gradients(&mut self, run: &mut Checkpoint<Self::Weights>) -> Result<Score>;
    /// The scores on what is held out, of the last layer, then of each head; none where nothing is.
    fn validate(&self, network: &Network, weights: &Self::Weights) -> Vec<Score>;
    /// The scores of the float network on the test data: of the last layer, then of each head.
    ///
    /// # Errors
    /// Where the data do not fit.
    fn test(run: &Checkpoint<Self::Weights>, data: &Self::Data) -> Result<Vec<Score>>;
    /// The integer network of a run that is done; a full-precision one has none.
    fn model(&self, run: &Checkpoint<Self::Weights>, provenance: Provenance) -> Option<Model>;
    /// The scores of the integer network of a description on the test data, likewise.
    ///
    /// # Errors
    /// Where the model is not valid.
    fn test_integers(model: &Model, network: &Network, data: &Self::Data) -> Result<Vec<Score>>;
}

/// Trains a network step by step.
pub struct Trainer<L: Learner> {
    learner: L,
    run: Checkpoint<L::Weights>,
    warnings: Vec<String>,
}

impl<L: Learner> Trainer<L> {
    /// A fresh run; at the weights of the network of the checkpoint `from`, or at factors of them,
    /// where one is given. With `whole` it keeps inputs that never vary.
    ///
    /// # Errors
    /// Where the description, the data or the other network do not fit.
    pub fn begin(
        network: &Network,
        data: &L::Data,
        from: Option<&Path>,
        whole: bool,
    ) -> Result<Self> {
        network.validate()?;
        let (mut learner, weights) = L::begin(network, data, whole)?;
        let mut run = Checkpoint::start(network.clone(), L::identity(data), weights);
        let mut warnings: Vec<String> = L::warning(network, data).into_iter().collect();
        if let Some(path) = from {
            let other = Checkpoint::load(path)?;
            warnings.extend(learner.begin_from(&mut run, other, &path.display().to_string())?);
        }
        run.enter(Phase::Full);
        Trainer { learner, run, warnings }.ready()
    }

    /// A run at numbers that were trained elsewhere.
    ///
    /// # Errors
    /// Where the description, the data or the numbers do not fit.
    pub fn begin_at(network: &Network, data: &L::Data, weights: &Tensors) -> Result<Self> {
        network.validate()?;
        let (learner, own) = L::begin(network, data, true)?;
        let mut run = Checkpoint::start(network.clone(), L::identity(data), own);
        run.take(weights)?;
        run.enter(Phase::Full);
        let warnings = L::warning(network, data).into_iter().collect();
        Trainer { learner, run, warnings }.ready()
    }

    /// A run in phase 3 that trains what a core can load, and nothing else.
    ///
    /// # Errors
    /// Where the description, the data or the core's model do not fit.
    pub fn begin_loaded(network: &Network, data: &L::Data, of: &Loadable) -> Result<Self> {
        network.validate()?;
        if network.train.full_precision {
            let place = format!("network `{}`", network.name);
            return Err(Error::input(place, "is in full precision, which no core can load")
                .help("set `full_precision = false` under `train`"));
        }
        // The core stays as it is, whatever the data are.
        let shape = &network.input.shape;
        let help = format!("name data of the shape {shape:?} and {} classes", network.outputs());
        let (mut learner, weights) = L::begin(network, data, true).map_err(|e| e.help(help))?;
        let mut run = Checkpoint::start(network.clone(), L::identity(data), weights);
        learner.begin_loaded(&mut run, of)?;
        run.core = Some(of.sha256.clone());
        run.enter(Phase::Frozen);
        let warnings = L::warning(network, data).into_iter().collect();
        Trainer { learner, run, warnings }.ready()
    }

    /// Goes on where a checkpoint stands; where it has met no data yet, these are its own from here
    /// on.
    ///
    /// # Errors
    /// Where the data are not the ones the run began with.
    pub fn resume(mut run: Checkpoint<L::Weights>, data: &L::Data) -> Result<Self> {
        let (name, sha256) = L::identity(data);
        let first = run.is_without_data();
        if first {
            run.data = (name.clone(), sha256.clone());
        }
        if run.data.1 != sha256 {
            return Err(Error::input(
                format_args!("{} `{name}`", L::DATA),
                format_args!(
                    "is not the one that this run began with (`{}`), or has changed since",
                    run.data.0
                ),
            )
            .help("resume with the same --data, or start a new run in another folder"));
        }
        let mut learner = L::resume(&run, data)?;
        if first {
            learner.meet(&mut run);
        }
        let warnings = L::warning(&run.network, data).into_iter().collect();
        Trainer { learner, run, warnings }.ready()
    }

    fn ready(mut self) -> Result<Self> {
        if self.run.step >= self.steps() {
            return Err(
                Error::input("checkpoint", "stands behind the end of its epoch").help(UNUSABLE)
            );
        }
        self.enter_phases();
        Ok(self)
    }

    /// Has every step taught by the network of a checkpoint with this SHA-256.
    ///
    /// # Errors
    /// Where that does not fit.
    pub fn learn_from(&mut self, path: &Path, sha256: String) -> Result<()> {
        let teacher = Checkpoint::load(path)?;
        self.learner.learn_from(&mut self.run, teacher, &path.display().to_string())?;
        self.run.teacher = Some(sha256);
        Ok(())
    }

    /// Has every step taught by a network in ONNX with this SHA-256, which `start` has computed.
    ///
    /// # Errors
    /// Where that does not fit, or cannot be run.
    pub fn learn_from_onnx(
        &mut self,
        teacher: &Classifier,
        start: onnx::Run,
        sha256: String,
    ) -> Result<()> {
        self.warnings.extend(self.learner.learn_from_onnx(&self.run, teacher, start)?);
        self.run.teacher = Some(sha256);
        Ok(())
    }

    /// What the user should know about data, network and teacher; taken once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The integer network of a run that is done, if it has one.
    pub(super) fn model(&self) -> Option<Model> {
        let Checkpoint { network, data, .. } = &self.run;
        let provenance = Provenance {
            tool: format!("strassenc {}", env!("CARGO_PKG_VERSION")),
            network: Some(network.to_toml()),
            data: Some(data.0.clone()),
            seed: Some(network.train.seed),
            ..Provenance::default()
        };
        self.learner.model(&self.run, provenance)
    }

    /// The state to save; everything that is needed to go on bit for bit.
    pub fn checkpoint(&mut self) -> &mut Checkpoint<L::Weights> {
        &mut self.run
    }

    /// The phase where the run stands.
    pub fn phase(&self) -> Phase {
        self.run.phase
    }

    fn steps(&self) -> usize {
        self.learner.steps(&self.run.network.train)
    }

    /// Steps of all that is left of the run, and of the whole run.
    pub fn steps_left(&self) -> (usize, usize) {
        let Checkpoint { network, phase, epoch, step, .. } = &self.run;
        let phases = [Phase::Full, Phase::Ternary, Phase::Frozen];
        let epochs = |p: Phase| p.recipe(network).map_or(0, |r| r.epochs);
        let total = phases.into_iter().map(epochs).sum::<usize>() * self.steps();
        let before: usize = phases.into_iter().filter(|p| p < phase).map(epochs).sum();
        let done = (before + epoch) * self.steps() + step;
        (total - done.min(total), total)
    }

    /// The recipe of the phase, with what a plateau takes from its learning rate.
    fn recipe(&self) -> Option<network::Phase> {
        let mut recipe = self.run.phase.recipe(&self.run.network)?.clone();
        if let Schedule::Plateau(Plateau { gain, factor }) = recipe.schedule {
            let losses = self.run.epochs_of_phase().filter_map(|e| e.validation_loss);
            let perplexities: Vec<f64> = losses.map(f64::exp).collect();
            let in_vain = perplexities.windows(2).filter(|pair| pair[0] - pair[1] < gain).count();
            recipe.learning_rate *= factor.powi(in_vain as i32);
        }
        Some(recipe)
    }

    /// One step of the optimiser, and with the last one of an epoch its record. Does nothing when
    /// all is done.
    ///
    /// # Errors
    /// Where the loss is no longer a number, or the teacher's outputs cannot be computed.
    pub fn step(&mut self) -> Result<(Progress, Option<Epoch>)> {
        // Within the pool of threads from beginning to end, instead of once for every loop.
        rayon::scope(|_| self.step_in_pool())
    }

    fn step_in_pool(&mut self) -> Result<(Progress, Option<Epoch>)> {
        let steps = self.steps();
        let Checkpoint { phase, epoch, .. } = self.run;
        let Some(recipe) = self.recipe() else {
            let progress =
                Progress { phase, epoch: 0, epochs: 0, step: 0, steps: 0, score: Score::default() };
            return Ok((progress, None));
        };
        let score = self.learner.gradients(&mut self.run)?;
        let run = &mut self.run;
        if !score.loss.is_finite() {
            let clip = if run.network.is_of_sequences() { ", or set `clip`" } else { "" };
            return Err(Error::input(
                format_args!("training, phase {phase}, epoch {}, step {}", epoch + 1, run.step + 1),
                format_args!("the loss is {}: training diverged", score.loss),
            )
            .help(format_args!(
                "lower `learning_rate` of `{phase}` (now {}) in the description{clip}",
                recipe.learning_rate
            )));
        }
        let step = epoch * steps + run.step;
        let train = &run.network.train;
        run.weights.update(Rule::new(train, &recipe, step, steps));
        if let Some(average) = &mut run.average {
            average.approach(run.weights.numbers(), average_share(train.ema, step));
        }
        run.partial += score;
        run.step += 1;
        let progress = Progress {
            phase,
            epoch: epoch + 1,
            epochs: recipe.epochs,
            step: run.step,
            steps,
            score: run.partial,
        };
        let learning_rate = learning_rate(&recipe, epoch * steps, steps);
        let record = (run.step == steps).then(|| self.end_epoch(learning_rate));
        Ok((progress, record))
    }

    fn end_epoch(&mut self, learning_rate: f64) -> Epoch {
        let run = &mut self.run;
        run.exchange_average();
        let scores = self.learner.validate(&run.network, &run.weights);
        let validation = scores.first();
        let heads = run.network.heads().into_iter().map(|(name, _)| name);
        let of_heads = scores.iter().skip(1).map(|score| score.accuracy());
        let epoch = Epoch {
            phase: run.phase,
            epoch: run.epoch + 1,
            learning_rate,
            loss: run.partial.mean_loss(),
            train_accuracy: run.partial.accuracy(),
            validation_accuracy: validation.map(|score| score.accuracy()),
            validation_loss: validation
                .filter(|_| run.network.is_of_sequences())
                .map(|score| score.mean_loss()),
            validation_heads: heads.zip(of_heads).collect(),
            density: run.weights.density(),
        };
        run.end_epoch(epoch.clone());
        self.enter_phases();
        epoch
    }

    /// Goes over to the next phase, and the one after it, where the present one is over.
    fn enter_phases(&mut self) {
        let run = &mut self.run;
        while run.phase != Phase::Done && run.phase_is_over() {
            run.settle();
            let next = run.phase.next(&run.network);
            if next != Phase::Done {
                self.learner.enter(next, &run.network, &mut run.weights);
            }
            run.enter(next);
        }
    }
}
