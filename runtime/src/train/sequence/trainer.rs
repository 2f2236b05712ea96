//! The three phases over the characters or words of a text, window by window.
//!
//! A text is read as `batch` sequences side by side, whose states go on from window to window; each epoch begins at another place near
//! its start. In phase 3 the ternary matrices stay as they are; formats are chosen by what the network yields in the end.

use super::exact::Exact;
use super::network::{Sequence, State, Tokens, evaluate};
use super::quantise::quantise;
use crate::data::{Symbols, Text};
use crate::error::{Error, Result};
use crate::files;
use crate::model::{Model, Provenance};
use crate::network::plan::Op;
use crate::network::{self, Distill, Network, Plateau, Schedule};
use crate::train::checkpoint::{
    NO_HASH, Numbers, Tensor, UNUSABLE, Unusable, fill, load, pack, push, push_parameter, unpack,
};
use crate::train::loss::{Score, Targets, Teacher};
use crate::train::optimiser::{Rule, learning_rate};
use crate::train::run::{Learner, Summary, summarise};
use crate::train::trainer::{Epoch, Phase, Progress, Stream, generator};
use ndarray::Array2;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Sequences that a text is read as where it is measured; each begins at the start state.
pub const MEASURED: usize = 32;

const KIND: &str = "checkpoint of sequences";
const VERSION: u32 = 2;

/// Trains a network on a text.
pub struct SequenceTrainer {
    text: Text,
    state: Checkpoint,
    teacher: Option<Teaching>,
}

/// Another network, and where it is in the text.
struct Teaching {
    float: Sequence<f32>,
    state: State<f32>,
}

/// A run over a text at one moment.
pub struct Checkpoint {
    /// The description, with what the command line changed in it.
    pub network: Network,
    /// What the text is a sequence of.
    pub symbols: Symbols,
    /// Name and SHA-256 of the text.
    data: (String, String),
    /// SHA-256 of the teacher's checkpoint, where the run has one.
    teacher: Option<String>,
    float: Sequence<f32>,
    phase: Phase,
    epoch: usize,
    step: usize,
    partial: Score,
    history: Vec<Epoch>,
    /// Of the sequences in training.
    state: State<f32>,
    /// Of the teacher, where there is one and it has read something.
    taught: Option<State<f32>>,
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    sha256: String,
    kind: String,
    version: u32,
    network: Network,
    alphabet: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<Vec<String>>,
    data: (String, String),
    teacher: Option<String>,
    phase: Phase,
    epoch: usize,
    step: usize,
    partial: Score,
    history: Vec<Epoch>,
    /// Units of the teacher's LSTM layers, whose state is among the tensors.
    taught: Option<Vec<usize>>,
}

impl Checkpoint {
    fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut all = vec![];
        for (name, parameter, _) in self.float.parameters() {
            push_parameter(&mut all, &format!("float.{name}"), parameter, Numbers::F32);
        }
        for (what, state) in [("state", Some(&mut self.state)), ("taught", self.taught.as_mut())] {
            for (i, [c, h]) in state.into_iter().flat_map(|s| &mut s.0).enumerate() {
                push(&mut all, format!("{what}.{i}.c"), c, Numbers::F32);
                push(&mut all, format!("{what}.{i}.h"), h, Numbers::F32);
            }
        }
        all
    }

    fn save(&mut self, path: &Path) -> Result<()> {
        let units = |state: &State<f32>| state.0.iter().map(|[c, _]| c.ncols()).collect();
        let document = Document {
            sha256: NO_HASH.into(),
            kind: KIND.into(),
            version: VERSION,
            network: self.network.clone(),
            alphabet: self.symbols.alphabet.iter().collect(),
            words: self.symbols.words.clone(),
            data: self.data.clone(),
            teacher: self.teacher.clone(),
            phase: self.phase,
            epoch: self.epoch,
            step: self.step,
            partial: self.partial,
            history: self.history.clone(),
            taught: self.taught.as_ref().map(units),
        };
        files::write(path, &pack(&document, self.tensors())?)
    }

    /// Reads `RUN/checkpoint.safetensors`.
    ///
    /// # Errors
    /// Where the file cannot be read, or is not a whole checkpoint of this version.
    pub fn load(path: &Path) -> Result<Checkpoint> {
        load(path, Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Checkpoint, Unusable> {
        let (json, file) = unpack(bytes, KIND, VERSION)?;
        let document: Document = serde_json::from_str(&json).map_err(|e| e.to_string())?;
        let network = document.network;
        network.validate().map_err(|e| e.to_string())?;
        check_layers(&network).map_err(|e| e.to_string())?;
        let entries: u64 = network.plan().unwrap_or_default().iter().map(|s| s.entries().0 + s.entries().1).sum();
        let full_precision = network.train.full_precision;
        if !full_precision && entries.saturating_mul(3 * size_of::<f32>() as u64) > bytes.len() as u64 {
            return Err("tensors are missing".into());
        }
        let phases = [Phase::Full, Phase::Ternary, Phase::Frozen, Phase::Done];
        let epochs = document.phase.recipe(&network).map_or(1, |r| r.epochs);
        if !phases.contains(&document.phase) || document.epoch >= epochs || !document.partial.is_valid() {
            return Err("its place in the training is damaged".into());
        }
        let symbols = Symbols { alphabet: document.alphabet.chars().collect(), words: document.words };
        check_symbols(&network, &symbols).map_err(|e| e.to_string())?;
        let inputs = symbols.inputs(network.input.elements());
        let float = Sequence::new(&network, inputs, &mut generator(0, Stream::Weights));
        let batch = network.train.batch;
        let taught = |units: Vec<usize>| {
            let fits = units.iter().all(|n| n.saturating_mul(batch) <= bytes.len());
            fits.then(|| State(units.iter().map(|n| [(); 2].map(|()| Array2::zeros((batch, *n)))).collect()))
        };
        let taught = document.taught.map(|units| taught(units).ok_or("the teacher's state is damaged")).transpose()?;
        let state = float.start(batch);
        let mut checkpoint = Checkpoint {
            symbols,
            data: document.data,
            teacher: document.teacher,
            float,
            phase: document.phase,
            epoch: document.epoch,
            step: document.step,
            partial: document.partial,
            history: document.history,
            state,
            taught,
            network,
        };
        fill(checkpoint.tensors(), &file)?;
        if checkpoint.phase > Phase::Full && !full_precision {
            checkpoint.float.make_ternary(&checkpoint.network);
        }
        if checkpoint.phase == Phase::Frozen {
            checkpoint.float.freeze();
        }
        Ok(checkpoint)
    }

    /// Whether all phases are done.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Name of the text of the run.
    pub fn data_name(&self) -> &str {
        &self.data.0
    }

    /// The score of the float network on a text, read as so many sequences side by side, each from the start.
    pub fn score(&self, text: &[u32], sequences: usize) -> Score {
        evaluate(&self.float, text, sequences, &self.network.train)
    }

    /// The float network: what it yields for the next input of one sequence from the start, h of each LSTM layer, and the logits.
    pub fn trace(&self, text: &[u32]) -> Vec<Vec<Array2<f32>>> {
        let mut state = self.float.start(1);
        let mut step = |token: &u32| {
            let logits = self.float.evaluate(Tokens { tokens: &[*token], sequences: 1 }, &mut state);
            state.0.iter().map(|[_, h]| h.clone()).chain([logits]).collect()
        };
        text.iter().map(&mut step).collect()
    }
}

/// Sequences that a text is read as where it is measured: [`MEASURED`], or fewer where it is short.
pub fn measured(text: &[u32]) -> usize {
    MEASURED.min(text.len() / 64).max(1)
}

/// Whether a network has an embedding and outputs for these symbols.
pub(crate) fn check_symbols(network: &Network, symbols: &Symbols) -> Result<()> {
    let place = format!("network `{}`", network.name);
    let rows = network.plan()?.iter().find_map(|s| if let Op::Embedding { rows } = s.op { Some(rows) } else { None });
    let (rows, outputs) = (rows.unwrap_or(0), network.outputs());
    let (characters, count) = (symbols.characters(), symbols.count());
    if symbols.words.is_some() != network.is_of_words() {
        return Err(Error::input(place, "takes other symbols, characters or words, than those of the text"));
    }
    // A network of words may know characters that no word has.
    let fits = if network.is_of_words() { rows >= characters } else { rows == characters };
    if fits && outputs == count {
        return Ok(());
    }
    let (what, marks) = match symbols.words {
        Some(_) => ("words", " and marks"),
        None => ("characters", ""),
    };
    let cause = format!(
        "has {rows} rows of the embedding for {characters} characters{marks}, and {outputs} outputs for {count} {what}"
    );
    Err(Error::input(place, cause)
        .help(format_args!("set `rows = {characters}` of the embedding and `units = {count}` of the last layer")))
}

/// Whether the layers are those that this trainer knows.
fn check_layers(network: &Network) -> Result<()> {
    let steps = network.plan()?;
    let known = |op: &Op| match op {
        Op::Embedding { .. } | Op::CharCnn(_) | Op::Highway(_) | Op::Lstm(_) => true,
        Op::Linear(linear) => linear.dense && !linear.plain,
        _ => false,
    };
    if let Some(step) = steps.iter().find(|step| !known(&step.op)) {
        let cause = "cannot be trained in a network of sequences";
        return Err(Error::input(format_args!("network `{}`, layer `{}`", network.name, step.name), cause)
            .help("use embedding, char_cnn, highway, lstm and dense layers with a budget"));
    }
    let place = format!("network `{}`", network.name);
    if !matches!(steps.first().map(|s| &s.op), Some(Op::Embedding { .. })) {
        return Err(Error::input(place, "does not begin with the embedding of characters")
            .help("set `input = { shape = [1], … }`, and put `{ embedding = { rows = …, units = … } }` first"));
    }
    if network.is_of_words() != steps.iter().any(|step| matches!(step.op, Op::CharCnn(_))) {
        let cause = format!("takes {} characters at a time", network.input.elements());
        return Err(Error::input(place, cause)
            .help("a network of characters takes one, `shape = [1]`; one of words puts `{ char_cnn = … }` second"));
    }
    let recipe = &network.train;
    for (key, is_on) in [
        ("ema", recipe.ema > 0.0),
        ("patience", recipe.patience > 0),
        ("keep_best", recipe.keep_best),
        ("validation", recipe.validation > 0.0),
        ("learn_scales", recipe.learn_scales),
    ] {
        if is_on {
            let cause = format!("`{key}` does nothing for a network of sequences");
            return Err(Error::input(format_args!("{place}, train.{key}"), cause).help(format_args!("remove `{key}`")));
        }
    }
    Ok(())
}

impl SequenceTrainer {
    fn with(state: Checkpoint, text: &Text) -> Result<Self> {
        let mut trainer = SequenceTrainer { text: text.clone(), state, teacher: None };
        let recipe = &trainer.state.network.train;
        if trainer.steps() == 0 {
            return Err(Error::input(
                format_args!("text `{}`", text.name),
                format_args!(
                    "has {} characters to train on, too few for {} sequences of {}",
                    text.train.len(),
                    recipe.batch,
                    recipe.window
                ),
            )
            .help("lower `batch` or `window` in the description"));
        }
        if trainer.state.step >= trainer.steps() {
            return Err(Error::input("checkpoint", "stands behind the end of its epoch").help(UNUSABLE));
        }
        trainer.enter_phases();
        Ok(trainer)
    }

    /// Characters of each of the sequences in an epoch.
    fn length(&self) -> usize {
        let Network { train, .. } = &self.state.network;
        (self.text.train.len().saturating_sub(1 + train.window)) / train.batch
    }

    /// Steps of an epoch.
    fn steps(&self) -> usize {
        self.length() / self.state.network.train.window
    }

    fn enter_phases(&mut self) {
        let state = &mut self.state;
        while state.phase.recipe(&state.network).is_some_and(|r| state.epoch >= r.epochs) {
            state.phase = match state.phase {
                Phase::Full if !state.network.train.full_precision => {
                    state.float.begin_ternary(&state.network);
                    state.float.rest();
                    Phase::Ternary
                }
                Phase::Ternary => {
                    state.float.freeze();
                    state.float.rest();
                    Phase::Frozen
                }
                _ => Phase::Done,
            };
            state.epoch = 0;
        }
    }

    /// The learning rate of the phase, with what a plateau takes from it.
    fn phase_recipe(&self) -> Option<network::Phase> {
        let mut phase = self.state.phase.recipe(&self.state.network)?.clone();
        if let Schedule::Plateau(Plateau { gain, factor }) = phase.schedule {
            let of_phase = self.state.history.iter().filter(|e| e.phase == self.state.phase);
            let perplexities: Vec<f64> = of_phase.filter_map(|e| e.validation_loss).map(f64::exp).collect();
            let in_vain = perplexities.windows(2).filter(|pair| pair[0] - pair[1] < gain).count();
            phase.learning_rate *= factor.powi(in_vain as i32);
        }
        Some(phase)
    }

    fn step_in_pool(&mut self) -> Result<(Progress, Option<Epoch>)> {
        let steps = self.steps();
        let (phase, epoch) = (self.state.phase, self.state.epoch);
        let Some(recipe) = self.phase_recipe() else {
            let progress = Progress { phase, epoch: 0, epochs: 0, step: 0, steps: 0, score: Score::default() };
            return Ok((progress, None));
        };
        let length = self.length();
        let state = &mut self.state;
        let train = &state.network.train;
        let (seed, sequences, window) = (train.seed, train.batch, train.window);
        if state.step == 0 {
            state.state = state.float.start(sequences);
            state.taught = None;
            if let Some(teacher) = &mut self.teacher {
                teacher.state = teacher.float.start(sequences);
            }
        }
        let offset = generator(seed, Stream::Order(phase, epoch)).random_range(0..=window);
        let text = &self.text.train[offset..];
        let from = state.step * window;
        let rows = |ahead: usize| -> Vec<u32> {
            (from..from + window).flat_map(|t| (0..sequences).map(move |s| text[s * length + t + ahead])).collect()
        };
        let (tokens, labels) = (rows(0), rows(1));
        let x = Tokens { tokens: &tokens, sequences };
        let logits = self.teacher.as_mut().map(|t| t.float.evaluate(x, &mut t.state));
        let Distill { lambda, temperature } = train.distill;
        let teacher = logits.as_ref().map(|logits| Teacher { logits: logits.view(), lambda, temperature });
        let targets = Targets { labels: &labels, smoothing: train.label_smoothing, teacher };
        let step = epoch * steps + state.step;
        let drop = generator(seed, Stream::Augment(phase, step)).random();
        let rule = Rule::new(train, &recipe, step, steps);
        let score = state.float.gradients(x, &targets, &mut state.state, train.clip, Some(drop));
        if !score.loss.is_finite() {
            return Err(Error::input(
                format_args!("training, phase {phase}, epoch {}, step {}", epoch + 1, state.step + 1),
                format_args!("the loss is {}: training diverged", score.loss),
            )
            .help(format_args!("lower `learning_rate` of `{phase}` (now {}), or set `clip`", recipe.learning_rate)));
        }
        state.float.update(rule);
        state.taught = self.teacher.as_ref().map(|t| t.state.clone());
        state.partial += score;
        state.step += 1;
        let progress =
            Progress { phase, epoch: epoch + 1, epochs: recipe.epochs, step: state.step, steps, score: state.partial };
        let rate = learning_rate(&recipe, epoch * steps, steps);
        let record = (state.step == steps).then(|| self.end_epoch(rate));
        Ok((progress, record))
    }

    fn end_epoch(&mut self, learning_rate: f64) -> Epoch {
        let validation = self.state.score(&self.text.valid, measured(&self.text.valid));
        let state = &mut self.state;
        let epoch = Epoch {
            phase: state.phase,
            epoch: state.epoch + 1,
            learning_rate,
            loss: state.partial.mean_loss(),
            train_accuracy: state.partial.accuracy(),
            validation_accuracy: Some(validation.accuracy()),
            validation_loss: Some(validation.mean_loss()),
            density: state.float.density(),
        };
        state.history.push(epoch.clone());
        state.partial = Score::default();
        state.step = 0;
        state.epoch += 1;
        self.enter_phases();
        epoch
    }
}

impl Learner for SequenceTrainer {
    type Data = Text;

    fn new(network: &Network, text: &Text) -> Result<Self> {
        network.validate()?;
        check_layers(network)?;
        check_symbols(network, &text.symbols).map_err(|e| e.within(format_args!("text `{}`", text.name)))?;
        let inputs = text.symbols.inputs(network.input.elements());
        let float = Sequence::new(network, inputs, &mut generator(network.train.seed, Stream::Weights));
        let state = Checkpoint {
            network: network.clone(),
            symbols: text.symbols.clone(),
            data: (text.name.clone(), fingerprint(text)),
            teacher: None,
            state: float.start(network.train.batch),
            taught: None,
            float,
            phase: Phase::Full,
            epoch: 0,
            step: 0,
            partial: Score::default(),
            history: vec![],
        };
        Self::with(state, text)
    }

    fn is_checkpoint(path: &Path) -> bool {
        Checkpoint::load(path).is_ok()
    }

    fn resume(path: &Path, text: &Text) -> Result<Self> {
        let state = Checkpoint::load(path)?;
        if state.data.1 != fingerprint(text) {
            return Err(Error::input(
                format_args!("text `{}`", text.name),
                format_args!("is not the one that this run began with (`{}`), or has changed since", state.data.0),
            )
            .help("resume with the same --data, or start a new run in another folder"));
        }
        Self::with(state, text)
    }

    fn network(&self) -> &Network {
        &self.state.network
    }

    fn set_data(&mut self, spec: Option<String>) {
        self.state.network.train.data = spec;
    }

    fn teacher(&self) -> Option<&str> {
        self.state.teacher.as_deref()
    }

    fn begin_from(&mut self, path: &Path) -> Result<()> {
        let mut other = Checkpoint::load(path)?;
        let shapes =
            |c: &mut Checkpoint| -> Vec<_> { c.float.parameters().map(|(n, p, _)| (n, p.value.dim())).collect() };
        if shapes(&mut other) != shapes(&mut self.state) || other.symbols != self.state.symbols {
            return Err(Error::input(path.display(), "is a network of other layers or characters")
                .help("begin from a run of the same description"));
        }
        for ((_, to, _), (_, from, _)) in self.state.float.parameters().zip(other.float.parameters()) {
            to.value.assign(&from.value);
        }
        self.state.float.renew();
        Ok(())
    }

    fn learn_from(&mut self, path: &Path, sha256: String) -> Result<()> {
        let teacher = Checkpoint::load(path)?;
        if teacher.symbols != self.state.symbols {
            return Err(
                Error::input(path.display(), "is a network of other characters").help("name a run on the same text")
            );
        }
        let batch = self.state.network.train.batch;
        let fresh = teacher.float.start(batch);
        let taught = self.state.taught.take().filter(|state| same_shape(state, &fresh));
        self.teacher = Some(Teaching { state: taught.unwrap_or(fresh), float: teacher.float });
        self.state.teacher = Some(sha256);
        Ok(())
    }

    fn take_warnings(&mut self) -> Vec<String> {
        vec![]
    }

    fn step(&mut self) -> Result<(Progress, Option<Epoch>)> {
        rayon::scope(|_| self.step_in_pool())
    }

    fn steps_left(&self) -> (usize, usize) {
        let epochs = |p: Phase| p.recipe(&self.state.network).map_or(0, |r| r.epochs);
        let phases = [Phase::Full, Phase::Ternary, Phase::Frozen];
        let total: usize = phases.into_iter().map(epochs).sum();
        let done: usize = phases.into_iter().filter(|p| *p < self.state.phase).map(epochs).sum();
        let done = (done + self.state.epoch) * self.steps() + self.state.step;
        (total * self.steps() - done.min(total * self.steps()), total * self.steps())
    }

    fn phase(&self) -> Phase {
        self.state.phase
    }

    fn history(&self) -> &[Epoch] {
        &self.state.history
    }

    fn save(&mut self, path: &Path) -> Result<()> {
        self.state.save(path)
    }

    fn finish(&mut self, text: &Text) -> Result<(Summary, Option<Model>)> {
        let state = &self.state;
        let network = &state.network;
        let float = state.score(&text.test, measured(&text.test));
        let dense_multiplications = network.dense_multiplications();
        let mut summary = Summary {
            float_accuracy: float.accuracy(),
            unit: Some(text.symbols.unit()),
            float_bits: Some(bits(float)),
            integer_accuracy: None,
            integer_bits: None,
            test_samples: float.samples,
            multiplications: dense_multiplications,
            dense_multiplications,
            reduction: 0.0,
            layers: vec![],
        };
        if network.train.full_precision {
            return Ok((summary, None));
        }
        let provenance = Provenance {
            tool: format!("strassenc {}", env!("CARGO_PKG_VERSION")),
            network: Some(network.to_toml()),
            data: Some(state.data.0.clone()),
            seed: Some(network.train.seed),
            metrics: BTreeMap::new(),
            alphabet: Some(state.symbols.alphabet.iter().collect()),
            words: state.symbols.words.clone(),
        };
        let mut model = quantise(&state.float, network, &text.train, provenance);
        let inputs = text.symbols.inputs(network.input.elements());
        let integer = Exact::new(&model)?.evaluate(&text.test, measured(&text.test), inputs.view());
        model.provenance.metrics.insert("test_bits_float".into(), bits(float));
        model.provenance.metrics.insert("test_bits_integer".into(), bits(integer));
        summarise(&model.layers, model.input(), &mut summary.layers)?;
        summary.integer_accuracy = Some(integer.accuracy());
        summary.integer_bits = Some(bits(integer));
        summary.multiplications = summary.layers.iter().map(|l| l.multiplications).sum();
        summary.reduction = 1.0 - summary.multiplications as f64 / dense_multiplications as f64;
        Ok((summary, Some(model)))
    }
}

/// Bits per character.
pub fn bits(score: Score) -> f64 {
    score.mean_loss() / std::f64::consts::LN_2
}

fn same_shape(a: &State<f32>, b: &State<f32>) -> bool {
    let shape = |s: &State<f32>| -> Vec<_> { s.0.iter().map(|[c, _]| c.dim()).collect() };
    shape(a) == shape(b)
}

/// SHA-256 of a text: its symbols, and what is trained on and validated.
fn fingerprint(text: &Text) -> String {
    let mut hash = Sha256::new();
    hash.update(text.symbols.alphabet.iter().collect::<String>());
    text.symbols.words.iter().flatten().for_each(|word| hash.update(format!("{word}\n")));
    for part in [&text.train, &text.valid] {
        hash.update((part.len() as u64).to_le_bytes());
        part.iter().for_each(|token| hash.update(token.to_le_bytes()));
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::sequence::network::windows;

    #[test]
    fn a_short_text_is_one_sequence() {
        assert_eq!([measured(&[0; 10]), measured(&[0; 640]), measured(&[0; 100_000])], [1, 10, MEASURED]);
        assert_eq!(windows(&[0; 10], measured(&[0; 10]), 4).map(|w| w.0.len()).collect::<Vec<_>>(), [4, 4, 1]);
    }
}
