//! The network over sequences: embedding, char-CNN, highway, recurrent and dense layers in f32,
//! trained by truncated back-propagation through time (Werbos 1990).
//!
//! A batch is cut into pieces of sequences, which go through the window each by itself, so that
//! nothing waits for another thread within a step in time; only the gradients are added up, in the
//! order of the pieces.

use super::filters::{Best, Filters};
use crate::network::plan::{Gates, Op};
use crate::network::{Network, Quantiser, Recipe};
use crate::train::linear::{Budget, Kept, Linear};
use crate::train::loss::{Score, Targets, Teacher, score, score_and_gradient};
use crate::train::matmul::{Into, Real};
use crate::train::optimiser::{Parameter, Rule};
use crate::train::recurrent::{Memory, PIECE, Recurrent, column_sums, sigmoid};
use crate::train::ternary::{Matrix, Ternariser, density};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// The layers in order.
pub struct Sequence<T> {
    layers: Vec<Layer<T>>,
    /// What enters for each symbol, `[symbols, characters]`: see
    /// [`Symbols::inputs`](crate::data::Symbols::inputs).
    inputs: Array2<u32>,
    dropout: f64,
    /// Whether matrices stay as they are.
    frozen: bool,
    /// What the pieces of a batch work in, kept from step to step.
    rooms: Vec<Room<T>>,
}

/// What one piece works in.
struct Room<T> {
    tapes: Vec<Tape<T>>,
    /// The gradients of all parameters, layer by layer.
    gradients: Vec<Vec<Array2<T>>>,
}

/// One layer with its parameters.
pub enum Layer<T> {
    /// `[rows, units]`.
    Embedding(Parameter<T>),
    /// Filters over the characters of a word.
    CharCnn(Box<Filters<T>>),
    /// T and H, and their biases `[1, 2n]`.
    Highway(Linear<T>, Parameter<T>),
    /// Gates of x, gates of h, and their biases `[1, 4n]`.
    Recurrent(Box<Recurrent<T>>),
    /// A dense layer, its bias `[1, n_out]`, and whether max(0, y) follows.
    Dense(Linear<T>, Parameter<T>, bool),
}

/// The c and h of each recurrent layer, `[sequences, n]`, in order; c is empty of a GRU.
#[derive(Clone, Debug, PartialEq)]
pub struct State<T>(pub Vec<[Array2<T>; 2]>);

/// The symbols that enter the network, of some sequences over some inputs: row t · sequences + s is
/// input t of sequence s.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    pub tokens: &'a [u32],
    pub sequences: usize,
}

/// The sequences from `first` on of a batch, and their state.
struct Piece<T> {
    first: usize,
    tokens: Vec<u32>,
    sequences: usize,
    state: State<T>,
}

/// What one layer keeps of a piece from the forward pass for the backward pass, and works in.
struct Tape<T> {
    /// `[steps · sequences, n]`: what leaves.
    z: Array2<T>,
    /// dL/dz.
    dz: Array2<T>,
    /// What the linear layer of a layer without a state keeps.
    kept: Kept<T>,
    /// The gates of a highway layer after σ and max(0, ·): `[steps · sequences, 2n]`.
    gates: Array2<T>,
    /// dL/d(gates before that).
    dgates: Array2<T>,
    /// What a recurrent layer keeps.
    memory: Option<Memory<T>>,
    /// What is largest in a char-CNN; empty in other layers.
    best: Best<T>,
    /// What dropout has multiplied the layer's input with; empty where there is none.
    mask: Array2<T>,
    /// The layer's input after it.
    dropped: Array2<T>,
}

impl<T: Real> Sequence<T> {
    /// Fresh weights for a valid network; `inputs` says which indices enter for each symbol,
    /// `[symbols, characters]`.
    pub fn new(network: &Network, inputs: Array2<u32>, rng: &mut impl Rng) -> Self {
        // An invariant: descriptions are validated when they are read.
        let steps = network.plan().expect("the network is valid");
        let full_precision = network.train.full_precision;
        let mut layers = vec![];
        for step in &steps {
            let (n_in, n_out) = (step.input.elements(), step.output.elements());
            let budget = |r: usize, plain| (!full_precision).then_some(Budget { r, plain });
            layers.push(match &step.op {
                Op::Embedding { rows } => {
                    let units = step.output.channels;
                    Layer::Embedding(Parameter::new(Array2::from_shape_simple_fn(
                        (*rows, units),
                        || T::real(rng.random::<f64>() * 2.0 - 1.0),
                    )))
                }
                Op::CharCnn(filters) => {
                    let size = (step.input.pixels(), step.input.channels);
                    Layer::CharCnn(Box::new(Filters::new(size, filters, full_precision, rng)))
                }
                &Op::Highway(Gates { r, plain, .. }) => {
                    let linear = Linear::new((n_in, n_out), 2, budget(r, plain), 1.0 / 3.0, rng);
                    let mut bias = Parameter::vector(2 * n_out, 0.0);
                    // What enters goes through at first (Srivastava et al. 2015).
                    bias.value.slice_mut(s![.., ..n_out]).fill(T::real(-2.0));
                    Layer::Highway(linear, bias)
                }
                &Op::Recurrent(cell, _, Gates { r, plain, .. }) => {
                    let layer = Recurrent::new(cell, (n_in, n_out), budget(r, plain), rng);
                    Layer::Recurrent(Box::new(layer))
                }
                Op::Linear(linear) => {
                    let budget = budget(linear.r, linear.plain);
                    let spn = Linear::new((n_in, n_out), 1, budget, 1.0 / 3.0, rng);
                    Layer::Dense(spn, Parameter::vector(n_out, 0.0), step.relu)
                }
                op => unreachable!("{op:?} is refused by the trainer"),
            });
        }
        Sequence { layers, inputs, dropout: network.train.dropout, frozen: false, rooms: vec![] }
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer<T>] {
        &self.layers
    }

    /// The state of so many sequences at their start.
    pub fn start(&self, sequences: usize) -> State<T> {
        let states = self
            .layers
            .iter()
            .filter_map(|layer| if let Layer::Recurrent(own) = layer { Some(own) } else { None });
        State(states.map(|own| own.start(sequences)).collect())
    }

    /// Logits `[steps · sequences, n_out]`, and the state after the inputs.
    pub fn evaluate(&self, x: Tokens, state: &mut State<T>) -> Array2<T> {
        let outputs = self.layers.last().map_or(0, Layer::outputs);
        let steps = x.tokens.len() / x.sequences;
        let mut y = Array2::zeros((x.tokens.len(), outputs));
        let results: Vec<_> = (self.pieces(x, state).into_par_iter())
            .map(|Piece { first, tokens, sequences, mut state }| {
                let mut tapes = vec![];
                self.forward(Tokens { tokens: &tokens, sequences }, &mut state, None, &mut tapes);
                (first, sequences, state, tapes.pop().map(|tape| tape.z))
            })
            .collect();
        for (first, sequences, piece, z) in results {
            for t in 0..steps {
                let rows = t * x.sequences + first..t * x.sequences + first + sequences;
                if let Some(z) = &z {
                    y.slice_mut(s![rows, ..])
                        .assign(&z.slice(s![t * sequences..(t + 1) * sequences, ..]));
                }
            }
            state.place(first, &piece);
        }
        y
    }

    /// The values that leave each layer for one piece, `[steps · sequences, n]` each; for the
    /// choice of formats.
    pub fn values(&self, x: Tokens, state: &mut State<T>) -> Vec<LayerValues<T>> {
        let mut tapes = vec![];
        self.forward(x, state, None, &mut tapes);
        tapes
            .into_iter()
            .map(|tape| {
                let cells = match tape.memory {
                    Some(Memory { state: [cells, _], .. }) => cells,
                    None => Array2::zeros((0, 0)),
                };
                LayerValues { z: tape.z, cells }
            })
            .collect()
    }

    /// Forward and backward over a window: leaves all gradients of the mean loss, scaled down to a
    /// norm of `clip` where that is above 0, and moves the state on. `drop` seeds dropout.
    pub fn gradients(
        &mut self,
        x: Tokens,
        targets: &Targets,
        state: &mut State<T>,
        clip: f64,
        drop: Option<u64>,
    ) -> Score {
        let steps = x.tokens.len() / x.sequences;
        let mut rooms = std::mem::take(&mut self.rooms);
        let pieces = self.pieces(x, state);
        rooms.resize_with(pieces.len(), || Room { tapes: vec![], gradients: vec![] });
        let this = &*self;
        let results: Vec<_> = (pieces.into_par_iter().zip(&mut rooms))
            .map(|(Piece { first, tokens, sequences, mut state }, room)| {
                let rows: Vec<usize> = (0..steps)
                    .flat_map(|t| (0..sequences).map(move |s| t * x.sequences + first + s))
                    .collect();
                let labels: Vec<u32> = rows.iter().map(|&row| targets.labels[row]).collect();
                let taught = targets.teacher.map(|teacher| teacher.logits.select(Axis(0), &rows));
                let teacher = (targets.teacher.zip(taught.as_ref()))
                    .map(|(teacher, logits)| Teacher { logits: logits.view(), ..teacher });
                let targets = Targets { labels: &labels, teacher, ..*targets };
                let share = T::real(sequences as f64 / x.sequences as f64);
                let drop = drop.map(|seed| (seed, first as u64));
                let piece = Tokens { tokens: &tokens, sequences };
                this.forward(piece, &mut state, drop, &mut room.tapes);
                let score = this.backward(piece, room, &targets, share);
                (first, state, score)
            })
            .collect();
        let mut total = Score::default();
        for (first, piece, score) in results {
            total += score;
            state.place(first, &piece);
        }
        let mut gradients = rooms.iter().map(|room| room.gradients.iter().flatten());
        if let Some(first) = gradients.next() {
            for ((_, parameter, _), gradient) in self.parameters().zip(first) {
                parameter.gradient.assign(gradient);
            }
        }
        for more in gradients {
            for ((_, parameter, _), gradient) in self.parameters().zip(more) {
                parameter.gradient += gradient;
            }
        }
        self.rooms = rooms;
        if self.frozen {
            self.parameters()
                .filter(|(_, _, of_a_matrix)| *of_a_matrix)
                .for_each(|(_, p, _)| p.gradient.fill(T::zero()));
        }
        if clip > 0.0 {
            // NumCast of a float to f64 never fails.
            let square = |v: &T| v.to_f64().unwrap_or(f64::NAN).powi(2);
            let norm = self
                .parameters()
                .map(|(_, p, _)| p.gradient.iter().map(square).sum::<f64>())
                .sum::<f64>()
                .sqrt();
            if norm > clip {
                let scale = T::real(clip / norm);
                self.parameters().for_each(|(_, p, _)| p.gradient.mapv_inplace(|v| v * scale));
            }
        }
        total
    }

    fn pieces(&self, x: Tokens, state: &State<T>) -> Vec<Piece<T>> {
        let firsts = (0..x.sequences).step_by(PIECE);
        let piece = |first: usize| {
            let last = (first + PIECE).min(x.sequences);
            let tokens =
                x.tokens.chunks(x.sequences).flat_map(|step| &step[first..last]).copied().collect();
            Piece { first, tokens, sequences: last - first, state: state.of(first..last) }
        };
        firsts.map(piece).collect()
    }

    fn forward(
        &self,
        x: Tokens,
        state: &mut State<T>,
        drop: Option<(u64, u64)>,
        tapes: &mut Vec<Tape<T>>,
    ) {
        let Tokens { tokens, sequences: b } = x;
        let rows = tokens.len();
        if tapes.first().is_none_or(|tape| tape.z.nrows() != rows) {
            let characters = self.inputs.ncols();
            *tapes =
                self.layers.iter().map(|layer| Tape::new((rows, b, characters), layer)).collect();
        }
        let mut states = state.0.iter_mut();
        for (number, layer) in self.layers.iter().enumerate() {
            let (earlier, tape) = tapes.split_at_mut(number);
            let tape = &mut tape[0];
            if let Layer::Embedding(table) = layer {
                for (mut z, &token) in tape.z.rows_mut().into_iter().zip(tokens) {
                    let parts = z.exact_chunks_mut(table.value.ncols()).into_iter();
                    for (mut z, &index) in parts.zip(self.inputs.row(token as usize)) {
                        z.assign(&table.value.row(index as usize));
                    }
                }
                continue;
            }
            // An invariant: an embedding comes first.
            let Some(before) = earlier.last() else { unreachable!("what enters is an index") };
            // All of a word's characters are there.
            let drops = self.dropout > 0.0 && !matches!(layer, Layer::CharCnn(_));
            if let (Some((seed, first)), true) = (drop, drops) {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(first << 16 | number as u64);
                let kept = T::real(1.0 / (1.0 - self.dropout));
                tape.drop(before.z.dim());
                tape.mask.mapv_inplace(|_| {
                    if rng.random::<f32>() < self.dropout as f32 { T::zero() } else { kept }
                });
                Zip::from(&mut tape.dropped)
                    .and(&before.z)
                    .and(&tape.mask)
                    .for_each(|d, &z, &mask| *d = z * mask);
            }
            let dropped = std::mem::replace(&mut tape.dropped, Array2::zeros((0, 0)));
            let x =
                if drop.is_none() || dropped.is_empty() { before.z.view() } else { dropped.view() };
            match layer {
                Layer::Embedding(_) => {}
                Layer::CharCnn(filters) => filters.forward(x, &mut tape.best, &mut tape.z),
                Layer::Dense(linear, bias, relu) => {
                    tape.z.assign(&bias.row());
                    let Kept { u, m, .. } = &mut tape.kept;
                    linear.forward(x, u.view_mut(), m.view_mut(), tape.z.view_mut());
                    if *relu {
                        tape.z.mapv_inplace(|y| if y > T::zero() { y } else { T::zero() });
                    }
                }
                Layer::Highway(linear, bias) => {
                    tape.gates.assign(&bias.row());
                    let Kept { u, m, .. } = &mut tape.kept;
                    linear.forward(x, u.view_mut(), m.view_mut(), tape.gates.view_mut());
                    let (mut t, mut h) = tape.gates.view_mut().split_at(Axis(1), x.ncols());
                    t.mapv_inplace(sigmoid);
                    h.mapv_inplace(|y| if y > T::zero() { y } else { T::zero() });
                    Zip::from(&mut tape.z)
                        .and(&x)
                        .and(&t)
                        .and(&h)
                        .for_each(|z, &x, &t, &h| *z = t * (h - x) + x);
                }
                Layer::Recurrent(own) => {
                    // An invariant: a state for each recurrent layer, and room.
                    let (Some(state), Some(memory)) = (states.next(), &mut tape.memory) else {
                        unreachable!("a state for each layer")
                    };
                    own.forward(x, b, state, memory, &mut tape.z);
                }
            }
            tape.dropped = dropped;
        }
    }

    /// The gradients of all parameters, `share` of those of the mean loss over the rows of the
    /// piece.
    fn backward(&self, x: Tokens, room: &mut Room<T>, targets: &Targets, share: T) -> Score {
        let Tokens { tokens, sequences: b } = x;
        let Room { tapes, gradients } = room;
        if gradients.is_empty() {
            *gradients = self.layers.iter().map(Layer::gradients).collect();
        }
        let Some(last) = tapes.last_mut() else { return Score::default() };
        last.dz.assign(&last.z);
        let score = score_and_gradient(&mut last.dz, targets);
        last.dz.mapv_inplace(|v| v * share);
        for number in (0..self.layers.len()).rev() {
            let (earlier, tape) = tapes.split_at_mut(number);
            let (tape, gradients) = (&mut tape[0], &mut gradients[number]);
            let Some(from) = earlier.last_mut() else {
                // An embedding.
                gradients[0].fill(T::zero());
                let units = gradients[0].ncols();
                for (dz, &token) in tape.dz.rows().into_iter().zip(tokens) {
                    for (dz, &index) in
                        dz.exact_chunks(units).into_iter().zip(self.inputs.row(token as usize))
                    {
                        let mut row = gradients[0].row_mut(index as usize);
                        row += &dz;
                    }
                }
                break;
            };
            let Tape { z, dz, kept, gates, dgates, memory, best, mask, dropped } = tape;
            let x = if mask.is_empty() { from.z.view() } else { dropped.view() };
            let dx = &mut from.dz;
            match &self.layers[number] {
                Layer::Embedding(_) => {}
                Layer::CharCnn(filters) => {
                    filters.backward(x, best, z, dz, gradients, dx.view_mut())
                }
                Layer::Dense(linear, _, relu) => {
                    if *relu {
                        Zip::from(&mut *dz).and(&*z).for_each(|dz, &z| {
                            if z <= T::zero() {
                                *dz = T::zero();
                            }
                        });
                    }
                    linear_gradients(linear, x, kept, dz, gradients, (dx.view_mut(), Into::Place));
                }
                Layer::Highway(linear, _) => {
                    highway_back(gates.view(), x, dz.view(), dgates, dx);
                    linear_gradients(
                        linear,
                        x,
                        kept,
                        dgates,
                        gradients,
                        (dx.view_mut(), Into::Sum),
                    );
                }
                Layer::Recurrent(own) => {
                    let Some(memory) = memory else { unreachable!("a recurrent layer has room") };
                    own.backward(x, b, dz, memory, gradients, Some(dx.view_mut()));
                }
            }
            if !mask.is_empty() {
                *dx *= &*mask;
            }
        }
        score
    }

    /// Begins phase 2: from here on the matrices are ternary.
    pub fn begin_ternary(&mut self, network: &Network) {
        if network.train.quantiser == Quantiser::Fixed {
            let factor = network.train.threshold;
            let linears = self.layers.iter_mut().flat_map(Layer::linears_mut);
            linears.for_each(|linear| linear.scale_to_fixed(factor));
            for layer in &mut self.layers {
                if let Layer::CharCnn(filters) = layer {
                    filters.scale_to_fixed(factor);
                }
            }
        }
        self.make_ternary(network);
    }

    /// Goes on within phase 2 or after it: the matrices are ternary.
    pub fn make_ternary(&mut self, network: &Network) {
        let recipe = &network.train;
        // An invariant: descriptions are validated when they are read.
        let steps = network.plan().expect("the network is valid");
        for (layer, step) in self.layers.iter_mut().zip(&steps) {
            let ternariser = Ternariser {
                quantiser: recipe.quantiser,
                factor: step.threshold().unwrap_or(recipe.threshold),
            };
            layer.matrices_mut().into_iter().for_each(|m| m.make_ternary(ternariser));
        }
    }

    /// Begins phase 3: from here on the matrices stay as they are.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Forgets the optimiser's moments.
    pub fn rest(&mut self) {
        self.parameters().for_each(|(_, parameter, _)| parameter.rest());
    }

    /// Moves every parameter, and brings the ternary matrices up to date.
    pub fn update(&mut self, rule: Rule) {
        let frozen = self.frozen;
        for (_, parameter, of_a_matrix) in self.parameters() {
            if !(frozen && of_a_matrix) {
                rule.apply(parameter, of_a_matrix);
            }
        }
        if frozen {
            return;
        }
        if rule.shrinkage() > 0.0 {
            self.matrices_mut().for_each(|matrix| matrix.shrink(rule.shrinkage()));
        }
        self.renew();
    }

    /// Brings the ternary matrices up to date.
    pub fn renew(&mut self) {
        let mut matrices: Vec<_> = self.matrices_mut().collect();
        matrices.par_iter_mut().for_each(|matrix| matrix.renew());
    }

    /// Nonzeros over entries of all matrices.
    pub fn density(&self) -> f64 {
        density(self.layers.iter().flat_map(Layer::matrices))
    }

    /// All parameters with their names, layer by layer, and whether they are matrices of linear
    /// layers, which decay.
    pub fn parameters(&mut self) -> impl Iterator<Item = (String, &mut Parameter<T>, bool)> {
        let layers = self.layers.iter_mut().enumerate();
        layers.flat_map(|(i, layer)| {
            layer.parameters().map(move |(name, p, decays)| (format!("{i}.{name}"), p, decays))
        })
    }

    fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix<T>> {
        self.layers.iter_mut().flat_map(Layer::matrices_mut)
    }
}

/// The values of a layer; see [`Sequence::values`].
pub struct LayerValues<T> {
    /// The values that leave.
    pub z: Array2<T>,
    /// The c of an LSTM, else empty.
    pub cells: Array2<T>,
}

/// The gradients of a linear layer and its bias.
fn linear_gradients<T: Real>(
    linear: &Linear<T>,
    x: ArrayView2<T>,
    kept: &mut Kept<T>,
    dy: &Array2<T>,
    gradients: &mut [Array2<T>],
    dx: (ArrayViewMut2<T>, Into),
) {
    linear.backward(dy.view(), kept.du.view_mut(), kept.dm.view_mut(), Some(dx));
    // The bias comes last.
    let Some((bias, weights)) = gradients.split_last_mut() else { return };
    linear.weight_gradients(x, kept, dy.view(), weights);
    column_sums(dy, bias);
}

/// The way back through a highway: dL/d(gates before σ and max(0, ·)), and what of dL/dx goes past
/// them.
fn highway_back<T: Real>(
    gates: ArrayView2<T>,
    x: ArrayView2<T>,
    dz: ArrayView2<T>,
    dgates: &mut Array2<T>,
    dx: &mut Array2<T>,
) {
    let n = x.ncols();
    for row in 0..x.nrows() {
        for j in 0..n {
            let (t, h, d) = (gates[[row, j]], gates[[row, n + j]], dz[[row, j]]);
            dgates[[row, j]] = d * (h - x[[row, j]]) * t * (T::one() - t);
            dgates[[row, n + j]] = if h > T::zero() { d * t } else { T::zero() };
            dx[[row, j]] = d * (T::one() - t);
        }
    }
}

impl Sequence<f32> {
    /// Begins at factors of the matrices of a network in full precision; false where that has other
    /// layers, or is none.
    pub fn factorise(&mut self, from: &Sequence<f32>, rng: &mut impl Rng) -> bool {
        fn assign(to: &mut Parameter<f32>, from: &Parameter<f32>) -> bool {
            let same = to.value.dim() == from.value.dim();
            if same {
                to.value.assign(&from.value);
            }
            same
        }
        self.layers.len() == from.layers.len()
            && self.layers.iter_mut().zip(&from.layers).all(|pair| match pair {
                (Layer::Embedding(to), Layer::Embedding(from)) => assign(to, from),
                (Layer::CharCnn(to), Layer::CharCnn(from)) => to.take_matrices(from),
                (Layer::Highway(to, bias), Layer::Highway(from, own))
                | (Layer::Dense(to, bias, _), Layer::Dense(from, own, _)) => {
                    assign(bias, own) && to.factorise(from, rng)
                }
                (Layer::Recurrent(to), Layer::Recurrent(from)) => {
                    assign(&mut to.bias, &from.bias)
                        && to.x.factorise(&from.x, rng)
                        && to.h.factorise(&from.h, rng)
                }
                _ => false,
            })
    }
}

impl<T: Real> Layer<T> {
    /// Elements that leave; of an embedding for one index.
    pub fn outputs(&self) -> usize {
        match self {
            Layer::Embedding(table) => table.value.ncols(),
            Layer::CharCnn(filters) => filters.outputs(),
            Layer::Highway(_, bias) => bias.value.ncols() / 2,
            Layer::Recurrent(own) => own.units(),
            Layer::Dense(_, bias, _) => bias.value.ncols(),
        }
    }

    /// The layer's linear layers.
    pub fn linears(&self) -> impl Iterator<Item = &Linear<T>> {
        let (a, b) = match self {
            Layer::Embedding(_) | Layer::CharCnn(_) => (None, None),
            Layer::Highway(linear, _) | Layer::Dense(linear, ..) => (Some(linear), None),
            Layer::Recurrent(own) => (Some(&own.x), Some(&own.h)),
        };
        a.into_iter().chain(b)
    }

    fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear<T>> {
        let (a, b) = match self {
            Layer::Embedding(_) | Layer::CharCnn(_) => (None, None),
            Layer::Highway(linear, _) | Layer::Dense(linear, ..) => (Some(linear), None),
            Layer::Recurrent(own) => (Some(&mut own.x), Some(&mut own.h)),
        };
        a.into_iter().chain(b)
    }

    /// The layer's matrices.
    fn matrices(&self) -> Vec<&Matrix<T>> {
        match self {
            Layer::CharCnn(filters) => filters.w_b.iter().map(|(_, matrix)| matrix).collect(),
            _ => self.linears().flat_map(Linear::matrices).collect(),
        }
    }

    fn matrices_mut(&mut self) -> Vec<&mut Matrix<T>> {
        match self {
            Layer::CharCnn(filters) => filters.w_b.iter_mut().map(|(_, matrix)| matrix).collect(),
            _ => self.linears_mut().flat_map(Linear::matrices_mut).collect(),
        }
    }

    fn parameters(&mut self) -> impl Iterator<Item = (String, &mut Parameter<T>, bool)> {
        let mut all: Vec<(String, &mut Parameter<T>, bool)> = vec![];
        match self {
            Layer::Embedding(table) => all.push(("table".into(), table, false)),
            Layer::CharCnn(filters) => all.extend(filters.parameters()),
            Layer::Highway(linear, bias) | Layer::Dense(linear, bias, _) => {
                let named = linear.parameters();
                all.extend(named.map(|(name, p, decays)| (name.to_owned(), p, decays)));
                all.push(("bias".into(), bias, false));
            }
            Layer::Recurrent(own) => all.extend(own.parameters()),
        }
        all.into_iter()
    }

    /// Zeros of the shapes of the parameters, in order.
    fn gradients(&self) -> Vec<Array2<T>> {
        let mut all: Vec<Array2<T>> = self.linears().flat_map(Linear::gradients).collect();
        let last = match self {
            Layer::Recurrent(own) => return own.gradients(),
            Layer::CharCnn(filters) => return filters.gradients(),
            Layer::Embedding(table) => table,
            Layer::Highway(_, bias) | Layer::Dense(_, bias, _) => bias,
        };
        all.push(Array2::zeros(last.value.dim()));
        all
    }
}

impl<T: Real> Tape<T> {
    /// The tape of a layer for `rows` symbols of `b` sequences, each of so many characters.
    fn new((rows, b, characters): (usize, usize, usize), layer: &Layer<T>) -> Self {
        let zeros = |rows: usize, columns: usize| Array2::zeros((rows, columns));
        let n = if let Layer::Embedding(_) = layer {
            characters * layer.outputs()
        } else {
            layer.outputs()
        };
        let gates = match layer {
            Layer::Highway(..) => 2 * n,
            _ => 0,
        };
        let (own, memory) = match layer {
            Layer::Recurrent(own) => (None, Some(Memory::new(rows, b, own))),
            _ => (layer.linears().next(), None),
        };
        Tape {
            z: zeros(rows, n),
            dz: zeros(rows, n),
            kept: Kept::new(rows, own),
            gates: zeros(rows, gates),
            dgates: zeros(rows, gates),
            memory,
            best: if let Layer::CharCnn(_) = layer { Best::new(rows, n) } else { Best::new(0, 0) },
            mask: zeros(0, 0),
            dropped: zeros(0, 0),
        }
    }

    /// Makes room for dropout of what enters.
    fn drop(&mut self, shape: (usize, usize)) {
        if self.mask.dim() != shape {
            (self.mask, self.dropped) = (Array2::zeros(shape), Array2::zeros(shape));
        }
    }
}

impl<T: Real> State<T> {
    /// The state of some of the sequences.
    fn of(&self, sequences: std::ops::Range<usize>) -> State<T> {
        let part = |a: &Array2<T>| a.slice(s![sequences.clone(), ..]).to_owned();
        State(self.0.iter().map(|[c, h]| [part(c), part(h)]).collect())
    }

    /// Puts the state of some sequences in its place, from `first` on.
    fn place(&mut self, first: usize, piece: &State<T>) {
        for (all, piece) in self.0.iter_mut().zip(&piece.0) {
            for (all, piece) in all.iter_mut().zip(piece) {
                all.slice_mut(s![first..first + piece.nrows(), ..]).assign(piece);
            }
        }
    }
}

/// The score of a text of tokens, read as so many sequences side by side, each from the start: what
/// each token says about the next one. The text is cut into equal parts; what is left over at its
/// end is not counted.
pub fn evaluate<T: Real>(
    network: &Sequence<T>,
    text: &[u32],
    sequences: usize,
    recipe: &Recipe,
) -> Score {
    let mut state = network.start(sequences);
    let mut total = Score::default();
    for (tokens, labels) in windows(text, sequences, recipe.window) {
        let logits = network.evaluate(Tokens { tokens: &tokens, sequences }, &mut state);
        total += score(logits.view(), &labels);
    }
    total
}

/// The windows of a text that is read as so many sequences side by side: tokens and the tokens that
/// follow them, row t · sequences + s for input t of sequence s. The last window may be shorter.
pub fn windows(
    text: &[u32],
    sequences: usize,
    window: usize,
) -> impl Iterator<Item = (Vec<u32>, Vec<u32>)> + '_ {
    let length = text.len().saturating_sub(1) / sequences;
    let rows = move |from: usize, to: usize, ahead: usize| -> Vec<u32> {
        (from..to).flat_map(|t| (0..sequences).map(move |s| text[s * length + t + ahead])).collect()
    };
    (0..length).step_by(window).map(move |from| {
        let to = (from + window).min(length);
        (rows(from, to, 0), rows(from, to, 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(full_precision: bool) -> Network {
        let text = r#"name = "t"
input = { shape = [1], bits = 3, frac = 0 }
layers = [
    { embedding = { rows = 7, units = 4 } },
    { highway = { r = 3 } },
    { lstm = { units = 5, r = 4 } },
    { dense = { units = 6, r = 5 } },
    "relu",
    { lstm = { units = 3, r = 6 } },
    { gru = { units = 4, plain = true, r = 8 } },
    { dense = { units = 7, plain = true, r = 21 } },
]
"#;
        let mut network = Network::parse("t", text).unwrap();
        network.train.full_precision = full_precision;
        network
    }

    /// A network of seven words of up to five characters, with filters of widths 1 and 3.
    fn network_of_words(full_precision: bool) -> Network {
        let text = r#"name = "t"
input = { shape = [5], bits = 3, frac = 0 }
layers = [
    { embedding = { rows = 6, units = 3 } },
    { char_cnn = { filters = [2, 0, 3] } },
    { highway = { r = 3 } },
    { gru = { units = 4, r = 3 } },
    { dense = { units = 7, r = 4 } },
]
"#;
        let mut network = Network::parse("t", text).unwrap();
        network.train.full_precision = full_precision;
        network
    }

    /// What enters for each of seven symbols.
    fn inputs(network: &Network) -> Array2<u32> {
        let length = network.input.elements() as u32;
        Array2::from_shape_fn((7, length as usize), |(i, j)| {
            let i = i as u32;
            if length == 1 { i } else { (i * i + j as u32 * (i + 1)) % 6 }
        })
    }

    fn text() -> Vec<u32> {
        (0..200u32).map(|i| (i * i + i / 3) % 7).collect()
    }

    /// Every entry of every gradient against central differences, for a window that begins in a
    /// state; more sequences than a piece has.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (of_words, full_precision, sequences) in [
            (false, false, 3),
            (false, true, 3),
            (false, false, PIECE + 2),
            (true, false, 3),
            (true, true, 3),
            (true, false, PIECE + 2),
        ] {
            let network =
                if of_words { network_of_words(full_precision) } else { network(full_precision) };
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let mut net = Sequence::<f64>::new(&network, inputs(&network), &mut rng);
            for (_, p, _) in net.parameters() {
                p.value.mapv_inplace(|v| v + 0.2 * (rng.random::<f64>() - 0.5));
            }
            net.dropout = 0.3;
            let text = text();
            let mut all = windows(&text, sequences, 4);
            let mut state = net.start(sequences);
            let (first, _) = all.next().unwrap();
            net.evaluate(Tokens { tokens: &first, sequences }, &mut state);
            let (tokens, labels) = all.next().unwrap();
            let loss = |net: &mut Sequence<f64>| {
                let mut state = state.clone();
                let x = Tokens { tokens: &tokens, sequences };
                net.gradients(x, &Targets::of(&labels), &mut state, 0.0, Some(5)).mean_loss()
            };
            let count = net.parameters().count();
            let mut checked = 0;
            for k in 0..count {
                loss(&mut net);
                let (name, gradient) = {
                    let (name, p, _) = net.parameters().nth(k).unwrap();
                    (name, p.gradient.clone())
                };
                for (index, g) in gradient.indexed_iter() {
                    let mut at = |delta: f64| {
                        net.parameters().nth(k).unwrap().1.value[index] += delta;
                        let loss = loss(&mut net);
                        net.parameters().nth(k).unwrap().1.value[index] -= delta;
                        loss
                    };
                    let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                    assert!(
                        (difference - g).abs() < 1e-7 + 1e-5 * g.abs(),
                        "{name}{index:?}: {g} against {difference}"
                    );
                    checked += 1;
                }
            }
            assert!(checked > if of_words { 250 } else { 400 }, "{checked}");
        }
    }

    /// Windows, pieces and threads are no matter of the function: a text in one window is that text
    /// in many.
    #[test]
    fn states_go_on_from_window_to_window() {
        let network = network(false);
        let net =
            Sequence::<f64>::new(&network, inputs(&network), &mut ChaCha8Rng::seed_from_u64(4));
        let text = text();
        let recipe = |window| Recipe { window, ..Recipe::default() };
        let (whole, parts) =
            (evaluate(&net, &text, 2, &recipe(100)), evaluate(&net, &text, 2, &recipe(7)));
        assert_eq!(whole.samples, 2 * 99);
        assert!((whole.loss - parts.loss).abs() < 1e-9 && whole.correct == parts.correct);
        let alone = evaluate(&net, &text[..100], 1, &recipe(50));
        let other = evaluate(&net, &text[99..199], 1, &recipe(50));
        assert!((alone.loss + other.loss - whole.loss).abs() < 1e-9);
    }

    /// In phase 3 matrices neither move nor count for the norm of the gradient, and all else moves.
    #[test]
    fn frozen_matrices_stay_as_they_are() {
        let network = network_of_words(false);
        let mut net =
            Sequence::<f64>::new(&network, inputs(&network), &mut ChaCha8Rng::seed_from_u64(6));
        net.begin_ternary(&network);
        net.freeze();
        let values = |net: &mut Sequence<f64>| -> Vec<_> {
            net.parameters()
                .map(|(name, p, of_a_matrix)| (name, p.value.clone(), of_a_matrix))
                .collect()
        };
        let before = values(&mut net);
        let (tokens, labels) = windows(&text(), 4, 8).next().unwrap();
        let x = Tokens { tokens: &tokens, sequences: 4 };
        let mut state = net.start(4);
        net.gradients(x, &Targets::of(&labels), &mut state, 1e-3, None);
        let square: f64 = net
            .parameters()
            .flat_map(|(_, p, _)| p.gradient.iter().map(|g| g * g).collect::<Vec<_>>())
            .sum();
        assert!((square.sqrt() - 1e-3).abs() < 1e-12);
        net.update(Rule::new(&network.train, &network.train.frozen, 0, 10));
        for ((name, was, of_a_matrix), (_, is, _)) in before.into_iter().zip(values(&mut net)) {
            assert_eq!(was == is, of_a_matrix, "{name}");
        }
    }

    /// Where r reaches the rank, and in plain layers.
    #[test]
    fn factors_compute_what_the_matrices_do() {
        for of_words in [false, true] {
            let network = |full_precision| {
                let mut network = if of_words {
                    network_of_words(full_precision)
                } else {
                    network(full_precision)
                };
                network.set_ratio(2.0);
                network
            };
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let mut fresh = |full_precision| {
                let network = network(full_precision);
                Sequence::<f32>::new(&network, inputs(&network), &mut rng)
            };
            let (full, mut factors, other) = (fresh(true), fresh(false), fresh(false));
            assert!(factors.factorise(&full, &mut ChaCha8Rng::seed_from_u64(8)));
            let (tokens, _) = windows(&text(), 4, 8).next().unwrap();
            let x = Tokens { tokens: &tokens, sequences: 4 };
            let outputs = |net: &Sequence<f32>| net.evaluate(x, &mut net.start(4));
            let apart = (&outputs(&full) - &outputs(&factors)).fold(0.0f32, |a, v| a.max(v.abs()));
            assert!(apart < 1e-4, "{apart}");
            assert!(!factors.factorise(&other, &mut ChaCha8Rng::seed_from_u64(8)));
        }
    }

    #[test]
    fn a_gradient_is_clipped_to_its_norm() {
        let network = network(false);
        let mut net =
            Sequence::<f64>::new(&network, inputs(&network), &mut ChaCha8Rng::seed_from_u64(5));
        let (tokens, labels) = windows(&text(), 4, 8).next().map(|(a, b)| (a.to_vec(), b)).unwrap();
        let mut run = |clip| {
            let mut state = net.start(4);
            let x = Tokens { tokens: &tokens, sequences: 4 };
            net.gradients(x, &Targets::of(&labels), &mut state, clip, None);
            net.parameters()
                .flat_map(|(_, p, _)| p.gradient.clone().into_iter())
                .collect::<Vec<f64>>()
        };
        let (free, clipped) = (run(0.0), run(0.01));
        let norm = |g: &[f64]| g.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!(norm(&free) > 0.02 && (norm(&clipped) - 0.01).abs() < 1e-12);
        assert!(free.iter().zip(&clipped).all(|(a, b)| (a * 0.01 / norm(&free) - b).abs() < 1e-12));
        assert_eq!(run(1e3), free);
    }
}
