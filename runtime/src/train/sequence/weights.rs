//! What a checkpoint of a network of sequences holds: the network, its symbols, and where it is in
//! the text.

use super::network::{Sequence, State, Tokens, evaluate};
use crate::data::Symbols;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::network::plan::{Op, Step};
use crate::train::checkpoint::{self, Checkpoint, Numbers, Tensor, push, push_parameter};
use crate::train::loss::Score;
use crate::train::optimiser::Rule;
use crate::train::schedule::Phase;
use crate::train::streams::{Stream, generator};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// The network in training, and where it is in the text.
pub struct Weights {
    /// What the text is a sequence of.
    pub symbols: Symbols,
    pub float: Sequence<f32>,
    /// The state of the sequences in training.
    pub state: State<f32>,
    /// The state of the teacher, where there is one and it has read something.
    pub taught: Option<State<f32>>,
}

/// What of the weights is no tensor.
#[derive(Serialize, Deserialize)]
pub struct Document {
    alphabet: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<Vec<String>>,
    /// The teacher's recurrent layers, whose state is among the tensors.
    taught: Option<Vec<Taught>>,
}

/// The units of a recurrent layer of the teacher.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Taught {
    Lstm(usize),
    Gru { gru: usize },
}

impl Taught {
    fn of([c, h]: &[Array2<f32>; 2]) -> Self {
        let units = h.ncols();
        if c.is_empty() { Taught::Gru { gru: units } } else { Taught::Lstm(units) }
    }

    /// Columns of c and of h.
    fn columns(&self) -> [usize; 2] {
        match *self {
            Taught::Lstm(units) => [units; 2],
            Taught::Gru { gru: units } => [0, units],
        }
    }
}

impl checkpoint::Weights for Weights {
    const KIND: &'static str = "checkpoint of sequences";
    const VERSION: u32 = 2;
    type Document = Document;

    fn document(&self) -> Document {
        let units = |state: &State<f32>| state.0.iter().map(Taught::of).collect();
        Document {
            alphabet: self.symbols.alphabet.iter().collect(),
            words: self.symbols.words.clone(),
            taught: self.taught.as_ref().map(units),
        }
    }

    fn skeleton(
        document: Document,
        network: &Network,
        _: Phase,
        size: usize,
    ) -> Result<Self, String> {
        if !network.is_of_sequences() {
            return Err("its network is not one of sequences".into());
        }
        let steps = network.plan().map_err(|e| e.to_string())?;
        let entries: u64 = steps.iter().map(Step::weights).sum();
        if !network.train.full_precision
            && entries.saturating_mul(3 * size_of::<f32>() as u64) > size as u64
        {
            return Err("tensors are missing".into());
        }
        let symbols =
            Symbols { alphabet: document.alphabet.chars().collect(), words: document.words };
        check_symbols(network, &symbols).map_err(|e| e.to_string())?;
        let inputs = symbols.inputs(network.input.elements());
        let float = Sequence::new(network, inputs, &mut generator(0, Stream::Weights));
        let batch = network.train.batch;
        let taught = |layers: Vec<Taught>| {
            let columns: Vec<_> = layers.iter().map(Taught::columns).collect();
            let fits = columns.as_flattened().iter().all(|n| n.saturating_mul(batch) <= size);
            let zeros = |columns: [usize; 2]| columns.map(|n| Array2::zeros((batch, n)));
            fits.then(|| State(columns.into_iter().map(zeros).collect()))
        };
        let taught = document
            .taught
            .map(|units| taught(units).ok_or("the teacher's state is damaged"))
            .transpose()?;
        Ok(Weights { symbols, state: float.start(batch), float, taught })
    }

    fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut all = vec![];
        for (name, parameter, _) in self.float.parameters() {
            push_parameter(&mut all, &format!("float.{name}"), parameter, Numbers::F32);
        }
        for (what, state) in [("state", Some(&mut self.state)), ("taught", self.taught.as_mut())] {
            for (i, [c, h]) in state.into_iter().flat_map(|s| &mut s.0).enumerate() {
                // A GRU has none.
                if !c.is_empty() {
                    push(&mut all, format!("{what}.{i}.c"), c, Numbers::F32);
                }
                push(&mut all, format!("{what}.{i}.h"), h, Numbers::F32);
            }
        }
        all
    }

    fn restore(&mut self, network: &Network, phase: Phase) {
        if phase > Phase::Full && !network.train.full_precision {
            self.float.make_ternary(network);
        }
        if phase == Phase::Frozen {
            self.float.freeze();
        }
    }

    fn numbers(&mut self) -> Vec<Numbers<'_>> {
        self.float
            .parameters()
            .filter_map(|(_, p, _)| p.value.as_slice_mut())
            .map(Numbers::F32)
            .collect()
    }

    fn renew(&mut self) {
        self.float.renew();
    }

    fn update(&mut self, rule: Rule) {
        self.float.update(rule);
    }

    fn density(&self) -> f64 {
        self.float.density()
    }

    fn is_whole(&self, _: &Network) -> bool {
        true
    }
}

impl Checkpoint<Weights> {
    /// What the text is a sequence of.
    pub fn symbols(&self) -> &Symbols {
        &self.weights.symbols
    }

    /// The score of the float network on a text, read as so many sequences side by side, each from
    /// the start.
    pub fn score(&self, text: &[u32], sequences: usize) -> Score {
        evaluate(&self.weights.float, text, sequences, &self.network.train)
    }

    /// The logits of the float network, `[steps · sequences, outputs]`, row t · sequences + s those
    /// of input t of sequence s, for symbols `[sequences, steps]`, each sequence from the start.
    ///
    /// # Errors
    /// Where there is a symbol that the network does not know.
    pub fn float_outputs(&self, x: ArrayView2<u32>) -> Result<Array2<f32>> {
        let count = self.symbols().count() as u32;
        if let Some(((s, t), symbol)) = x.indexed_iter().find(|(_, symbol)| **symbol >= count) {
            return Err(Error::input(
                format_args!("sequence {s}"),
                format_args!("input {t} is {symbol}, the network knows {count} symbols"),
            ));
        }
        let (tokens, sequences) = (x.t().iter().copied().collect::<Vec<_>>(), x.nrows());
        let tokens = Tokens { tokens: &tokens, sequences };
        Ok(self.weights.float.evaluate(tokens, &mut self.weights.float.start(sequences)))
    }

    /// The float network: what it yields for the next input of one sequence from the start, h of
    /// each recurrent layer, and the logits.
    pub fn trace(&self, text: &[u32]) -> Vec<Vec<Array2<f32>>> {
        let mut state = self.weights.float.start(1);
        let mut step = |token: &u32| {
            let logits =
                self.weights.float.evaluate(Tokens { tokens: &[*token], sequences: 1 }, &mut state);
            state.0.iter().map(|[_, h]| h.clone()).chain([logits]).collect()
        };
        text.iter().map(&mut step).collect()
    }
}

/// Whether a network has an embedding and outputs for these symbols.
pub(crate) fn check_symbols(network: &Network, symbols: &Symbols) -> Result<()> {
    let place = format!("network `{}`", network.name);
    let rows = network
        .plan()?
        .iter()
        .find_map(|s| if let Op::Embedding { rows } = s.op { Some(rows) } else { None });
    let (rows, outputs) = (rows.unwrap_or(0), network.outputs());
    let (characters, count) = (symbols.characters(), symbols.count());
    if symbols.words.is_some() != network.is_of_words() {
        return Err(Error::input(
            place,
            "takes other symbols, characters or words, than those of the text",
        ));
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
        "has {rows} rows of the embedding for {characters} characters{marks}, and {outputs} \
         outputs for {count} {what}"
    );
    Err(Error::input(place, cause).help(format_args!(
        "set `rows = {characters}` of the embedding and `units = {count}` of the last layer"
    )))
}
