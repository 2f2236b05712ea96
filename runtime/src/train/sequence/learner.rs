//! Learning from a text, window by window.
//!
//! A text is read as `batch` sequences side by side, whose states go on from window to window; each
//! epoch begins at another place near its start. In phase 3 the ternary matrices stay as they are;
//! formats are chosen by what the network yields in the end.

use super::exact::Exact;
use super::network::{Sequence, State, Tokens, evaluate};
use super::quantise::quantise;
use super::weights::{Weights, check_symbols};
use crate::data::Text;
use crate::error::{Error, Result};
use crate::model::{Model, Provenance};
use crate::network::{Distill, Network, Recipe};
use crate::onnx::{self, Classifier};
use crate::train::checkpoint::{Checkpoint, hex};
use crate::train::loadable::Loadable;
use crate::train::loss::{Score, Targets, Teacher};
use crate::train::schedule::{Learner, Phase};
use crate::train::streams::{Stream, generator};
use rand::RngExt;
use sha2::{Digest, Sha256};

/// Sequences that a text is read as where it is measured; each begins at the start state.
pub const MEASURED: usize = 32;

/// Learns from a text.
pub struct SequenceLearner {
    text: Text,
    teacher: Option<Teaching>,
}

/// The network that teaches, and where it is in the text.
struct Teaching {
    float: Sequence<f32>,
    state: State<f32>,
}

impl SequenceLearner {
    fn with(network: &Network, text: &Text) -> Result<Self> {
        let learner = SequenceLearner { text: text.clone(), teacher: None };
        let recipe = &network.train;
        if learner.steps(recipe) == 0 {
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
        Ok(learner)
    }

    /// Characters of each of the sequences in an epoch.
    fn length(&self, recipe: &Recipe) -> usize {
        self.text.train.len().saturating_sub(1 + recipe.window) / recipe.batch
    }
}

impl Learner for SequenceLearner {
    type Data = Text;
    type Weights = Weights;
    const DATA: &'static str = "text";

    fn identity(text: &Text) -> (String, String) {
        (text.name.clone(), fingerprint(text))
    }

    fn unit(text: &Text) -> Option<&'static str> {
        Some(text.symbols.unit())
    }

    fn warning(_: &Network, _: &Text) -> Option<String> {
        None
    }

    fn begin(network: &Network, text: &Text, _: bool) -> Result<(Self, Weights)> {
        if !network.is_of_sequences() {
            return Err(Error::input(
                format_args!("network `{}`", network.name),
                "takes single samples, and the data are a text",
            )
            .help("name a data set, e.g. --data digits, or begin the layers with an embedding"));
        }
        check_symbols(network, &text.symbols)
            .map_err(|e| e.within(format_args!("text `{}`", text.name)))?;
        let inputs = text.symbols.inputs(network.input.elements());
        let float =
            Sequence::new(network, inputs, &mut generator(network.train.seed, Stream::Weights));
        let (symbols, state) = (text.symbols.clone(), float.start(network.train.batch));
        Ok((Self::with(network, text)?, Weights { symbols, float, state, taught: None }))
    }

    fn resume(run: &Checkpoint<Weights>, text: &Text) -> Result<Self> {
        Self::with(&run.network, text)
    }

    fn begin_from(
        &mut self,
        run: &mut Checkpoint<Weights>,
        mut other: Checkpoint<Weights>,
        place: &str,
    ) -> Result<Option<String>> {
        let shapes = |c: &mut Checkpoint<Weights>| -> Vec<_> {
            c.weights.float.parameters().map(|(n, p, _)| (n, p.value.dim())).collect()
        };
        let foreign = || {
            Error::input(place, "is a network of other layers or characters")
                .help("begin from a run of the same description")
        };
        if other.symbols() != run.symbols() {
            return Err(foreign());
        }
        if shapes(&mut other) != shapes(run) {
            let mut rng = generator(run.network.train.seed, Stream::Factors);
            let (to, from) = (&mut run.weights.float, &mut other.weights.float);
            return to.factorise(from, &mut rng).then_some(None).ok_or_else(foreign);
        }
        for ((_, to, _), (_, from, _)) in
            run.weights.float.parameters().zip(other.weights.float.parameters())
        {
            to.value.assign(&from.value);
        }
        Ok(None)
    }

    fn begin_loaded(&mut self, run: &mut Checkpoint<Weights>, _: &Loadable) -> Result<()> {
        let place = format_args!("network `{}`", run.network.name).to_string();
        Err(Error::input(place, "is for sequences, and no core of one has what can be loaded")
            .help("name the description that the model of the build was trained from, or none"))
    }

    /// No run over texts begins without one, and there are no norms.
    fn meet(&mut self, _: &mut Checkpoint<Weights>) {}

    fn learn_from(
        &mut self,
        run: &mut Checkpoint<Weights>,
        teacher: Checkpoint<Weights>,
        place: &str,
    ) -> Result<()> {
        if teacher.symbols() != run.symbols() {
            return Err(Error::input(place, "is a network of other characters")
                .help("name a run on the same text"));
        }
        let float = teacher.weights.float;
        let fresh = float.start(run.network.train.batch);
        let taught = run.weights.taught.take().filter(|state| same_shape(state, &fresh));
        self.teacher = Some(Teaching { state: taught.unwrap_or(fresh), float });
        Ok(())
    }

    fn learn_from_onnx(
        &mut self,
        _: &Checkpoint<Weights>,
        teacher: &Classifier,
        _: onnx::Run,
    ) -> Result<Option<String>> {
        Err(Error::input(&teacher.path, "is an ONNX file, which teaches no network of sequences")
            .help("name a run on the same text"))
    }

    fn steps(&self, recipe: &Recipe) -> usize {
        self.length(recipe) / recipe.window
    }

    fn enter(&mut self, phase: Phase, network: &Network, weights: &mut Weights) {
        if phase == Phase::Ternary {
            weights.float.begin_ternary(network);
        } else {
            weights.float.freeze();
        }
        weights.float.rest();
    }

    fn gradients(&mut self, run: &mut Checkpoint<Weights>) -> Result<Score> {
        let Checkpoint { network, weights, phase, epoch, step, .. } = run;
        let recipe = &network.train;
        let (seed, sequences, window) = (recipe.seed, recipe.batch, recipe.window);
        let (length, steps) = (self.length(recipe), self.steps(recipe));
        if *step == 0 {
            weights.state = weights.float.start(sequences);
            weights.taught = None;
            if let Some(teacher) = &mut self.teacher {
                teacher.state = teacher.float.start(sequences);
            }
        }
        let offset = generator(seed, Stream::Order(*phase, *epoch)).random_range(0..=window);
        let text = &self.text.train[offset..];
        let from = *step * window;
        let rows = |ahead: usize| -> Vec<u32> {
            (from..from + window)
                .flat_map(|t| (0..sequences).map(move |s| text[s * length + t + ahead]))
                .collect()
        };
        let (tokens, labels) = (rows(0), rows(1));
        let x = Tokens { tokens: &tokens, sequences };
        let logits = self.teacher.as_mut().map(|t| t.float.evaluate(x, &mut t.state));
        weights.taught = self.teacher.as_ref().map(|t| t.state.clone());
        let Distill { lambda, temperature } = recipe.distill;
        let teacher =
            logits.as_ref().map(|logits| Teacher { logits: logits.view(), lambda, temperature });
        let smoothing = recipe.label_smoothing;
        let targets = Targets { labels: &labels, values: None, weights: &[], smoothing, teacher };
        let drop = generator(seed, Stream::Augment(*phase, *epoch * steps + *step)).random();
        Ok(weights.float.gradients(x, &targets, &mut weights.state, recipe.clip, Some(drop)))
    }

    fn validate(&self, network: &Network, weights: &Weights) -> Vec<Score> {
        let text = &self.text.valid;
        vec![evaluate(&weights.float, text, measured(text), &network.train)]
    }

    fn test(run: &Checkpoint<Weights>, text: &Text) -> Result<Vec<Score>> {
        Ok(vec![run.score(&text.test, measured(&text.test))])
    }

    fn model(&self, run: &Checkpoint<Weights>, mut provenance: Provenance) -> Option<Model> {
        if run.network.train.full_precision {
            return None;
        }
        provenance.alphabet = Some(run.symbols().alphabet.iter().collect());
        provenance.words = run.symbols().words.clone();
        Some(quantise(&run.weights.float, &run.network, &self.text.train, provenance))
    }

    fn test_integers(model: &Model, _: &Network, text: &Text) -> Result<Vec<Score>> {
        let inputs = text.symbols.inputs(model.input.elements());
        Ok(vec![Exact::new(model)?.evaluate(&text.test, measured(&text.test), inputs.view())])
    }
}

/// Sequences that a text is read as where it is measured: [`MEASURED`], or fewer where it is short.
pub fn measured(text: &[u32]) -> usize {
    MEASURED.min(text.len() / 64).max(1)
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
    hex(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::sequence::network::windows;

    #[test]
    fn a_short_text_is_one_sequence() {
        assert_eq!(
            [measured(&[0; 10]), measured(&[0; 640]), measured(&[0; 100_000])],
            [1, 10, MEASURED]
        );
        assert_eq!(
            windows(&[0; 10], measured(&[0; 10]), 4).map(|w| w.0.len()).collect::<Vec<_>>(),
            [4, 4, 1]
        );
    }
}
