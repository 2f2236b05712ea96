//! The network of phase 3: W_b and W_c frozen, integer activations; the coefficients a and the
//! biases train, straight through every rounding, on exactly the integers that the hardware
//! computes.

use super::activation::Elementwise;
use super::concat::Concat;
use super::exact::{
    Exact, Kind, Node, Requantise, Trace, by_input, evaluate, further_inputs, leaving, slice,
    slice_mut, slices, tiled, widest,
};
use super::patches::direct;
use super::patches::{Patches, Windows, fit};
use super::spn::{columns_of, products_of};
use super::steps::Steps;
use crate::format::{Columns, Format};
use crate::network::Network;
use crate::network::plan::Op;
use crate::shape::Join;
use crate::train::cells::Units;
use crate::train::kernels::Packed;
use crate::train::loadable::Ranges;
use crate::train::loss::{Aims, Score};
use crate::train::matmul::{Into, vectorised};
use crate::train::optimiser::{Parameter, Rule};
use crate::train::quantise::{Open, coefficient, power};
use ndarray::{Array1, Array2, ArrayView2, CowArray, Ix2, Zip, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// A linear layer with integer semantics. In real values, with A_i = a_i · unit_i and e_c = E_c:
/// `m_i = A_i u_i`, `z_c = max(0, 2^e_c (Σ_i W_c,ci A_i (u_i - mean_i) + 2^-E_c bias_c))`, where A,
/// m, z and the sum of all offsets are each quantised, and e_c = round(l_c) instead where scales
/// are learned.
pub struct FrozenLayer {
    /// `[1, r]`: ã.
    pub a: Parameter<f64>,
    /// `[1, c_out]`: offset in the units of z at the folded scale 2^E_c, so that a ReLU opens where
    /// it did whatever e_c becomes; of y in the last layer.
    pub bias: Parameter<f64>,
    /// `[1, c_out]`: l_c, binary logarithms of the output scales, where those are learned.
    pub log_scales: Option<Parameter<f64>>,
    /// What is not trained.
    pub fixed: Fixed,
    exact: Exact,
    /// W_b for the way back, where windows are read in the image.
    back: Option<Packed<f64>>,
}

/// What a way back through a layer works in; reused from step to step.
#[derive(Default)]
pub struct Work {
    /// `[rows, p_h · p_w · c_out]`: dL/dz, then dL/dy, patch by patch.
    dy: Array2<f64>,
    /// `[rows, r]`: dL/dm, then dL/du.
    dm: Array2<f64>,
    uncropped: Array2<f64>,
    d_columns: Array2<f64>,
    room: direct::Room<f64>,
}

/// A piece's part of a layer's gradients: of ã, `[r]`, of the bias, `[c_out]`, and of l, `[c_out]`,
/// or empty where no scales are learned.
pub type Gradients = [Array1<f64>; 3];

/// What phase 3 leaves alone in a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    /// Rows of its products: one a sample, or one an output patch.
    pub patches: Patches,
    /// Groups of W_b and of W_c.
    pub groups: (usize, usize),
    /// `[r, K · K · c_in / groups]`, entries -1, 0, 1.
    pub w_b: Array2<f64>,
    /// `[p · p · c_out, r]`, entries -1, 0, 1; r / groups columns where W_c is grouped.
    pub w_c: Array2<f64>,
    /// `[r]`: what a_i is multiplied by: 1/σ_i of the hidden norm, and more.
    pub units: Array1<f64>,
    /// `[r]`: what the hidden norm subtracts from u_i.
    pub means: Array1<f64>,
    /// `[c_out]`: E_c, the power of two that is left of the output norm's scale; 0 in the last
    /// layer.
    pub exponents: Array1<i32>,
    /// Fractional bits of the input.
    pub input_frac: i32,
    /// Fractional bits of m, y and the bias.
    pub product_frac: i32,
    /// Width of the integer coefficients.
    pub coefficient_bits: u32,
    /// Signed digits of a coefficient, at most; 0 for any number.
    pub coefficient_terms: u32,
    /// The format of z; none in the last layer.
    pub format: Option<Format>,
    /// What of it a core can load, where it is trained for one.
    pub loadable: Option<LoadableLayer>,
}

/// A layer of a model that a core has: its first rows and outputs; there are no others that do
/// anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadableLayer {
    /// What its coefficients and biases may be.
    pub ranges: Ranges,
    /// What each bias of the model has besides what follows from that of its channel and the means
    /// of the hidden norm, in units of 2^-product_frac: each pixel of a patch has its own.
    pub rests: Vec<i64>,
}

impl LoadableLayer {
    /// Rows of W_b.
    pub fn rows(&self) -> usize {
        self.ranges.coefficients.len()
    }

    /// Rows of W_c.
    pub fn outputs(&self) -> usize {
        self.ranges.biases.len()
    }

    /// Whether it is one of a layer with so many rows of W_b and of W_c.
    pub fn is_of(&self, rows: usize, outputs: usize) -> bool {
        let Ranges { coefficients, biases, shifts } = &self.ranges;
        let within = |least: i64, most: i64, bits: u32| {
            least <= most && [least, most].iter().all(|v| v.unsigned_abs() <= 1 << bits)
        };
        self.rows() <= rows
            && self.outputs() <= outputs
            && self.rests.len() == self.outputs()
            && self.rests.iter().all(|rest| within(*rest, *rest, 54))
            && biases.iter().all(|(least, most)| within(*least, *most, 53))
            && (coefficients.iter()).all(|c| c.finest.abs() <= 128 && within(c.least, c.most, 31))
            && (shifts.is_empty() || shifts.len() == self.outputs())
            && shifts.iter().all(|(least, most)| least <= most && -62 <= *least && *most <= 62)
    }
}

/// Largest right shift of an output whose scale is learned.
const MOST_SHIFT: f64 = 40.0;

impl Fixed {
    /// The logarithm of a channel's scale, brought to where the shift of the output is one that
    /// can be loaded; or else 0..=40: such a shift makes no sum larger, and rounds it with at most
    /// 2^39, so that widths stay valid.
    fn within_shifts(&self, channel: usize, log_scale: f64) -> f64 {
        let unshifted = f64::from(self.shift_of(0));
        let (least, most) = match &self.loadable {
            None => (0.0, MOST_SHIFT),
            Some(loadable) => {
                let own = self.shift_of(self.exponents[channel]);
                let (least, most) =
                    loadable.ranges.shifts.get(channel).copied().unwrap_or((own, own));
                (f64::from(least), f64::from(most))
            }
        };
        log_scale.clamp(unshifted - most, unshifted - least)
    }

    /// The shift of an output of the scale 2^e.
    fn shift_of(&self, e: i32) -> i32 {
        let frac = self.format.map_or(0, |format| format.frac);
        (self.product_frac - frac).saturating_sub(e)
    }

    /// Half of the unit of an output of the scale 2^e, in units of 2^-product_frac.
    fn half_of(&self, e: i32) -> i64 {
        match (self.format, self.shift_of(e)) {
            (Some(_), shift @ 1..=62) => 1 << (shift - 1),
            _ => 0,
        }
    }
}

/// The trained integers of a layer.
pub struct Integers {
    /// `[r]`.
    pub coefficients: Array1<i32>,
    /// The shifts t_i, `[r]`.
    pub shifts: Array1<i32>,
    /// `[p · p · c_out]`.
    pub bias: Array1<i64>,
}

impl FrozenLayer {
    /// A layer with initial coefficients and biases, and scales if they are learned.
    pub fn new(
        fixed: Fixed,
        a: Parameter<f64>,
        bias: Parameter<f64>,
        log_scales: Option<Parameter<f64>>,
    ) -> Self {
        let (r, n_out) = (fixed.w_b.nrows(), fixed.w_c.nrows());
        let exact = Exact {
            patches: fixed.patches.clone(),
            groups: fixed.groups,
            w_b: fixed.w_b.clone(),
            direct: Exact::direct(&fixed.patches, fixed.w_b.view()),
            a: Array1::zeros(r),
            w_a: None,
            w_c: fixed.w_c.clone(),
            bias: Array1::zeros(n_out),
            product_frac: fixed.product_frac,
            output: fixed.format.map(|format| Requantise { scales: Array1::zeros(n_out), format }),
        };
        let back = exact.direct.as_ref().map(|(direct, _)| direct.pack_back(fixed.w_b.view()));
        let mut layer = FrozenLayer { a, bias, log_scales, fixed, exact, back };
        layer.renew();
        layer
    }

    /// Takes over what was changed in `fixed` and the parameters.
    pub fn rebuild(&mut self) {
        *self = FrozenLayer::new(
            self.fixed.clone(),
            self.a.clone(),
            self.bias.clone(),
            self.log_scales.clone(),
        );
    }

    /// The exponents e_c, `[c_out]`.
    pub fn exponents(&self) -> Array1<i32> {
        let Some(log_scales) = &self.log_scales else { return self.fixed.exponents.clone() };
        let one = |(c, l): (usize, &f64)| self.fixed.within_shifts(c, *l).round() as i32;
        log_scales.row().iter().enumerate().map(one).collect()
    }

    /// The integers that the parameters stand for.
    pub fn integers(&self) -> Integers {
        let f = &self.fixed;
        let up = power(f.product_frac - f.input_frac);
        let (bits, terms) = (f.coefficient_bits, f.coefficient_terms);
        let range = |i: usize| f.loadable.as_ref()?.ranges.coefficients.get(i);
        let pairs: Vec<(i32, i32)> = (self.a.row().iter().zip(&f.units).enumerate())
            .map(|(i, (a, unit))| match range(i) {
                Some(range) => range.nearest(a * unit * up, bits, terms),
                None => coefficient(a * unit * up, bits, terms),
            })
            .collect();
        let real = |&(a, t): &(i32, i32)| f64::from(a) * power(f.input_frac - t - f.product_frac);
        // The hidden norm's offset, through W_c, with the coefficients as they are quantised.
        let offsets: Array1<f64> =
            pairs.iter().zip(&f.means).map(|(pair, mean)| real(pair) * mean).collect();
        let limit = power(52);
        // Row k of W_c is pixel k / c_out of the patch, channel k % c_out, and reads the products
        // of its group.
        let (c_out, reads) = (f.exponents.len(), f.w_c.ncols());
        let exponents = self.exponents();
        let bias = f.w_c.rows().into_iter().enumerate().map(|(k, w_c)| {
            let c = k % c_out;
            let first = c / (c_out / f.groups.1) * if f.groups.1 > 1 { reads } else { 0 };
            let offset: f64 = w_c.iter().zip(offsets.iter().skip(first)).map(|(w, o)| w * o).sum();
            let bias = ((self.bias.value[[0, c]] * power(-f.exponents[c]) - offset)
                * power(f.product_frac))
            .round()
            .clamp(-limit, limit) as i64;
            match f.loadable.as_ref().and_then(|l| Some((l.rests.get(k)?, l.ranges.biases.get(k)?)))
            {
                Some((rest, (least, most))) => {
                    // What is loaded has the half of the rounding in it.
                    let more = f.half_of(f.exponents[c]) - f.half_of(exponents[c]);
                    (bias + rest).clamp(least + more, most + more)
                }
                None => bias,
            }
        });
        let bias = bias.collect();
        Integers {
            coefficients: pairs.iter().map(|p| p.0).collect(),
            shifts: pairs.iter().map(|p| p.1).collect(),
            bias,
        }
    }

    /// Brings what computes up to date with the parameters.
    pub fn renew(&mut self) {
        let Integers { coefficients, shifts, bias } = self.integers();
        let f = &self.fixed;
        Zip::from(&mut self.exact.a)
            .and(&coefficients)
            .and(&shifts)
            .for_each(|r, &a, &t| *r = f64::from(a) * power(f.input_frac - t - f.product_frac));
        Zip::from(&mut self.exact.bias)
            .and(&bias)
            .for_each(|r, &b| *r = b as f64 * power(-f.product_frac));
        let scales = self.exponents().mapv(power);
        if let Some(Requantise { scales: of_outputs, .. }) = &mut self.exact.output {
            *of_outputs = tiled(&scales, of_outputs.len() / scales.len().max(1));
        }
    }

    /// Moves every parameter.
    fn update(&mut self, rule: Rule) {
        rule.apply(&mut self.a, false);
        rule.apply(&mut self.bias, false);
        if let Some(log_scales) = &mut self.log_scales {
            rule.apply(log_scales, false);
            // Not beyond the ends, so that the way back is as short.
            let all = log_scales.value.iter_mut().enumerate();
            all.for_each(|(c, l)| *l = self.fixed.within_shifts(c, *l));
        }
        if let Some(loadable) = &self.fixed.loadable {
            let down = power(self.fixed.input_frac - self.fixed.product_frac);
            let ranges = loadable.ranges.coefficients.iter();
            for ((a, unit), range) in self.a.value.iter_mut().zip(&self.fixed.units).zip(ranges) {
                let (low, high) = range.ends();
                *a = a.max(low * down / unit).min(high * down / unit);
            }
        }
        self.renew();
    }

    /// `[n, elements]` real values of the input format to those of the output, `trace.z`.
    pub fn forward(&self, x: ArrayView2<f64>, trace: &mut Trace) {
        self.exact.forward(x, trace);
    }

    /// Gradients of the layer's shapes, all 0.
    pub fn no_gradients(&self) -> Gradients {
        let of = |parameter: &Parameter<f64>| Array1::zeros(parameter.value.ncols());
        [of(&self.a), of(&self.bias), self.log_scales.as_ref().map(of).unwrap_or_default()]
    }

    /// Leads dL/dz, `[n, elements]`, back to the gradients and, where asked for, to dL/dx, added to
    /// what is there or in its place. Roundings pass the gradient through, saturations stop it.
    pub fn backward(
        &self,
        dz: ArrayView2<f64>,
        trace: &mut Trace,
        work: &mut Work,
        gradients: &mut Gradients,
        dx: Option<(&mut Array2<f64>, Into)>,
    ) {
        let Work { dy, dm, uncropped, d_columns, room } = work;
        let (c_out, rows) = (self.bias.value.ncols(), trace.y.nrows());
        // Gradients are in standard layout.
        let Ok(pixels) = dz.into_shape_with_order((dz.len() / c_out, c_out)) else {
            unreachable!()
        };
        fit(dy, trace.y.dim());
        dy.assign(&self.fixed.patches.uncrop(pixels, uncropped));
        let exponents = self.exponents();
        let [of_a, of_bias, of_scales] = gradients;
        for gradient in [&mut *of_a, &mut *of_bias, &mut *of_scales] {
            gradient.fill(0.0);
        }
        // Scales are the same for every pixel of a patch; the last layer has none, and saturates
        // nowhere.
        let (open, scales) = match &self.exact.output {
            Some(Requantise { format, scales }) => {
                (Open::of(*format), scales.slice(s![..c_out]).to_vec())
            }
            None => (Open::EVERYWHERE, vec![1.0; c_out]),
        };
        {
            let [dy, y] = slices([&mut *dy, &mut trace.y]);
            let (of_bias, of_scales) = (slice_mut(of_bias), slice_mut(of_scales));
            vectorised!(|| {
                for (dy, y) in dy.chunks_mut(c_out).zip(y.chunks(c_out)) {
                    for ((dy, y), of_bias) in dy.iter_mut().zip(y).zip(&mut *of_bias) {
                        *dy *= open.factor(*y);
                        *of_bias += *dy;
                    }
                    // y has its scale already: d(2^l y)/dl = ln 2 · 2^l y.
                    for ((dy, y), of_scales) in dy.iter().zip(y).zip(&mut *of_scales) {
                        *of_scales += std::f64::consts::LN_2 * dy * y;
                    }
                    dy.iter_mut().zip(&scales).for_each(|(dy, scale)| *dy *= scale);
                }
            });
        }
        // The bias is in the units of the folded scales.
        Zip::from(of_bias)
            .and(&exponents)
            .and(&self.fixed.exponents)
            .for_each(|g, e, folded| *g *= power(e - folded));
        fit(dm, (rows, trace.m.ncols()));
        products_of(dy.view(), self.exact.w_c.view(), (self.fixed.groups.1, c_out), dm.view_mut());
        {
            let [dm, u] = slices([&mut *dm, &mut trace.u]);
            let (a, means, of_a) =
                (slice(&self.exact.a), slice(&self.fixed.means), slice_mut(of_a));
            vectorised!(|| {
                for (dm, u) in dm.chunks_mut(a.len().max(1)).zip(u.chunks(a.len().max(1))) {
                    for ((((dm, u), a), mean), of_a) in
                        dm.iter_mut().zip(u).zip(a).zip(means).zip(&mut *of_a)
                    {
                        *of_a += *dm * (u - mean);
                        *dm *= a;
                    }
                }
            });
        }
        *of_a *= &self.fixed.units;
        let Some((dx, into)) = dx else { return };
        if let (Some((direct, _)), Some(w_b)) = (&self.exact.direct, &self.back) {
            let [dm, dx] = slices([dm, dx]);
            let of_sample = self.fixed.patches.per_sample() * self.exact.w_b.nrows();
            let samples = dm.chunks(of_sample).zip(dx.chunks_mut(self.fixed.patches.elements().0));
            for (dm, dx) in samples {
                let du = |du: &mut [f64], first: usize| {
                    du.copy_from_slice(&dm[first..first + du.len()]);
                };
                direct.back_to_inputs(du, room, (dx, w_b, into));
            }
            return;
        }
        fit(d_columns, (rows, self.fixed.patches.columns()));
        columns_of(
            dm.view(),
            self.exact.w_b.view(),
            self.fixed.groups.0,
            d_columns.view_mut(),
            Into::Place,
        );
        self.fixed.patches.scatter(d_columns.view(), dx, into);
    }

    /// Sums the parts of the gradients, in order.
    fn gather<'a>(&mut self, parts: impl Iterator<Item = &'a Gradients>) {
        let mut parameters = [Some(&mut self.a), Some(&mut self.bias), self.log_scales.as_mut()];
        for parameter in parameters.iter_mut().flatten() {
            parameter.gradient.fill(0.0);
        }
        for part in parts {
            for (parameter, part) in parameters.iter_mut().zip(part) {
                if let Some(parameter) = parameter {
                    parameter.gradient += part;
                }
            }
        }
    }
}

impl AsRef<Exact> for FrozenLayer {
    fn as_ref(&self) -> &Exact {
        &self.exact
    }
}

/// An integer network in training.
pub struct Frozen {
    /// The layers and what they read.
    pub nodes: Vec<Node<FrozenLayer>>,
    /// What the pieces of the last batch gave.
    parts: Vec<Part>,
    /// One for each piece that was under way at the same time.
    rooms: Mutex<Vec<Room>>,
}

/// What one piece of a batch gives.
#[derive(Default)]
struct Part {
    score: Score,
    /// The gradients of the linear layers, in order.
    gradients: Vec<Gradients>,
}

/// What a piece of a batch is computed in; kept from step to step.
#[derive(Default)]
struct Room {
    /// What every node leaves.
    traces: Vec<Trace>,
    /// One for all layers, in turn.
    work: Work,
    /// `[n, elements]`: what the last forward pass gave, node by node.
    z: Vec<Array2<f64>>,
    /// `[n, elements]`: dL/dz.
    dz: Vec<Array2<f64>>,
    /// The elements that were the largest of their windows.
    which: Vec<Array2<u32>>,
}

/// Elements of all rows of the widest layer in a piece of a batch, about: a piece stays in the
/// cache, and there are pieces for all threads. Where batches are cut depends on shapes alone, so
/// the number of threads does not change a bit.
const PIECE_ELEMENTS: usize = 1 << 18;

impl Frozen {
    /// A network of these nodes.
    pub fn new(nodes: Vec<Node<FrozenLayer>>) -> Self {
        Frozen { nodes, parts: vec![], rooms: Mutex::default() }
    }

    /// A network with the linear layers of a valid description in order, gates among them, the
    /// formats of its joined branches, and those of the c of its recurrent layers; none where there
    /// are too few.
    pub fn of(
        network: &Network,
        layers: Vec<FrozenLayer>,
        joins: Vec<Format>,
        states: Vec<Format>,
    ) -> Option<Self> {
        let (mut layers, mut joins) = (layers.into_iter(), joins.into_iter());
        let mut states = states.into_iter();
        let mut nodes: Vec<Node<FrozenLayer>> = vec![];
        for step in &network.plan().ok()? {
            let kind = match &step.op {
                Op::Linear(_) => Kind::Linear(layers.next()?),
                Op::MaxPool(pool) => Kind::MaxPool(Windows::new(pool, step.input, step.output)),
                Op::AveragePool(pool) => Kind::SumPool(Windows::new(pool, step.input, step.output)),
                Op::Upsample(size) => {
                    Kind::SumPool(Windows::nearest(*size, step.input, step.output))
                }
                Op::Activation(activation) => {
                    // It is right behind what it reads.
                    let format = nodes.last().and_then(|node| node.kind.requantised());
                    Kind::Activation(Elementwise::of(*activation, format, &network.bits)?)
                }
                Op::Join(Join::Add) => Kind::Add(joins.next()?),
                Op::Join(Join::Concat) => {
                    Kind::Concat(Concat::new(step.input, step.output), joins.next()?)
                }
                Op::Recurrent(cell, ..) => {
                    let units = Units::new(*cell, &network.bits, states.next()?);
                    Kind::Recurrent(Box::new(Steps::of(units, layers.next()?, step)))
                }
                Op::Last => Kind::SumPool(Windows::last(step.input)),
                Op::Reverse => Kind::SumPool(Windows::reversed(step.input)),
                Op::Input(_) => Kind::Input(further_inputs(&nodes).count() + 1),
                Op::Embedding { .. } | Op::CharCnn(_) | Op::Highway(_) => return None,
            };
            let (from, outputs) = (step.from.clone(), step.output.elements());
            nodes.push(Node { kind, from, outputs, head: step.head.is_some() });
        }
        (layers.next().is_none() && joins.next().is_none() && states.next().is_none())
            .then(|| Frozen::new(nodes))
    }

    /// The linear layers, gates among them, in order.
    pub fn layers(&self) -> impl Iterator<Item = &FrozenLayer> {
        self.nodes.iter().filter_map(Node::linear)
    }

    /// The linear layers, gates among them, in order.
    pub fn layers_mut(&mut self) -> impl Iterator<Item = &mut FrozenLayer> {
        self.nodes.iter_mut().filter_map(Node::linear_mut)
    }

    /// The formats of the joined branches, in order.
    pub fn joins(&self) -> impl Iterator<Item = Format> {
        self.nodes.iter().filter_map(|node| node.kind.joined())
    }

    /// The formats of the c of recurrent layers, in order.
    pub fn states(&self) -> impl Iterator<Item = Format> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Recurrent(steps) => Some(steps.units.state),
            _ => None,
        })
    }

    /// Forward and backward over one batch `[n, n_in]` of real values of the input format: leaves
    /// all gradients of the mean loss.
    pub fn gradients(&mut self, x: ArrayView2<f64>, aims: &Aims) -> Score {
        let piece = (PIECE_ELEMENTS / widest(&self.nodes)).clamp(1, x.nrows().max(1));
        self.gradients_by(piece, x, aims)
    }

    /// [`gradients`](Self::gradients), so many samples at a time.
    fn gradients_by(&mut self, piece: usize, x: ArrayView2<f64>, aims: &Aims) -> Score {
        let n = x.nrows();
        self.parts.resize_with(n.div_ceil(piece), Part::default);
        let Frozen { nodes, parts, rooms } = self;
        let (shared, rooms) = (&nodes[..], &*rooms);
        let of_rooms = || rooms.lock().unwrap_or_else(PoisonError::into_inner);
        parts.par_iter_mut().enumerate().for_each(|(i, part)| {
            let rows = i * piece..((i + 1) * piece).min(n);
            let mut room = of_rooms().pop().unwrap_or_default();
            let share = rows.len() as f64 / n as f64;
            let x = by_input(x.slice(s![rows.clone(), ..]), further_inputs(shared));
            room.forward(shared, &x);
            room.backward(shared, &x, &aims.rows(rows), share, part);
            of_rooms().push(room);
        });
        for (i, layer) in nodes.iter_mut().filter_map(Node::linear_mut).enumerate() {
            layer.gather(parts.iter().map(|part| &part.gradients[i]));
        }
        let mut total = Score::default();
        for part in &self.parts {
            total += part.score;
        }
        total
    }

    /// Moves every parameter.
    pub fn update(&mut self, rule: Rule) {
        for layer in self.layers_mut() {
            layer.update(rule);
        }
    }

    /// `[samples, n_in]` real values to `[samples, outputs]`.
    pub fn evaluate(&self, columns: &Columns, x: ArrayView2<f32>) -> Array2<f64> {
        evaluate(&self.nodes, columns, x)
    }
}

impl Room {
    /// Computes the nodes for `[n, n_in]`, input by input.
    fn forward(&mut self, nodes: &[Node<FrozenLayer>], x: &[CowArray<f64, Ix2>]) {
        let empty = || Array2::zeros((0, 0));
        self.traces.resize_with(nodes.len(), Trace::default);
        self.z.resize_with(nodes.len(), empty);
        self.dz.resize_with(nodes.len(), empty);
        self.which.resize_with(nodes.len(), || Array2::zeros((0, 0)));
        for (i, node) in nodes.iter().enumerate() {
            let (before, z) = self.z.split_at_mut(i);
            node.forward(
                node.inputs(x, before),
                &mut self.traces[i],
                &mut self.which[i],
                &mut z[0],
            );
        }
    }

    /// The score and the gradients of what [`forward`](Self::forward) computed: `share` of those of
    /// the piece's mean loss.
    fn backward(
        &mut self,
        nodes: &[Node<FrozenLayer>],
        x: &[CowArray<f64, Ix2>],
        aims: &Aims,
        share: f64,
        part: &mut Part,
    ) {
        if part.gradients.is_empty() {
            part.gradients =
                nodes.iter().filter_map(Node::linear).map(FrozenLayer::no_gradients).collect();
        }
        for (dz, node) in self.dz.iter_mut().zip(nodes) {
            fit(dz, (x[0].nrows(), node.outputs));
        }
        let mut outputs: Vec<_> = self.z.iter().zip(&mut self.dz).map(Some).collect();
        let of = leaving(nodes).filter_map(|i| outputs[i].take());
        part.score = aims.score_and_gradients(of);
        leaving(nodes).for_each(|i| self.dz[i] *= share);
        let mut gradients = part.gradients.iter_mut().rev();
        // Values whose gradient has something in it already.
        let mut begun = vec![false; nodes.len()];
        let into =
            |begun: &mut bool| if std::mem::replace(begun, true) { Into::Sum } else { Into::Place };
        for (i, node) in nodes.iter().enumerate().rev() {
            let (before, dz) = self.dz.split_at_mut(i);
            let dz = &dz[0];
            if let Kind::Linear(layer) = &node.kind {
                let dx = node.from[0].checked_sub(1).map(|j| (&mut before[j], into(&mut begun[j])));
                // As many as linear layers.
                let Some(gradients) = gradients.next() else { unreachable!() };
                layer.backward(dz.view(), &mut self.traces[i], &mut self.work, gradients, dx);
                continue;
            }
            if let Kind::Recurrent(steps) = &node.kind {
                let dx = node.from[0].checked_sub(1).map(|j| (&mut before[j], into(&mut begun[j])));
                let Some(gradients) = gradients.next() else { unreachable!() };
                let passed = &mut self.traces[i].passed;
                steps.backward(dz.view(), passed, &mut self.work, gradients, dx);
                continue;
            }
            let sides = node.from.iter().map(|value| value.checked_sub(1)).enumerate();
            for (side, j) in sides.filter_map(|(side, j)| Some((side, j?))) {
                let (dx, into) = (&mut before[j], into(&mut begun[j]));
                match &node.kind {
                    Kind::MaxPool(windows) => {
                        windows.to_largest(dz.view(), &self.which[i], dx, into)
                    }
                    Kind::SumPool(windows) => windows.to_share(dz.view(), dx, into),
                    Kind::Activation(function) => {
                        let values = [node.inputs(x, &self.z)[0], self.z[i].view()];
                        function.backward(dz.view(), values, dx, into);
                    }
                    Kind::Add(format) => {
                        if into == Into::Place {
                            dx.fill(0.0);
                        }
                        let open = Open::of(*format);
                        let [a, b] = node.inputs(x, &self.z);
                        Zip::from(dx)
                            .and(dz)
                            .and(&a)
                            .and(&b)
                            .for_each(|dx, &dz, &a, &b| *dx += dz * open.factor(a + b));
                    }
                    Kind::Concat(concat, format) => {
                        let open = Open::of(*format);
                        let x = node.inputs(x, &self.z)[side];
                        let to = (dx, into);
                        concat.backward(side, dz.view(), x, to, |x| open.factor(x) > 0.0);
                    }
                    Kind::Linear(_) | Kind::Recurrent(_) | Kind::Input(_) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Function, Table};
    use crate::train::checkpoint::Weights as _;
    use crate::train::image::float::Float;
    use crate::train::image::float::tests::{activated, aims, headed, images, signals};
    use crate::train::image::weights::Weights;
    use crate::train::loss::{Targets, Teacher};
    use crate::train::snapshot::Snapshot;
    use ndarray::array;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn layer(last: bool) -> FrozenLayer {
        let fixed = Fixed {
            patches: Patches::whole_samples(3, 3),
            groups: (1, 1),
            w_b: array![[1.0, -1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [-1.0, 1.0, -1.0]],
            w_c: array![[1.0, 0.0, -1.0, 1.0], [0.0, -1.0, 1.0, 0.0], [1.0, 1.0, 1.0, -1.0]],
            units: array![0.7, 1.3, 0.9, 2.1],
            means: array![0.1, 0.5, -0.2, 0.3],
            exponents: if last { array![0, 0, 0] } else { array![-1, 1, 0] },
            input_frac: 8,
            product_frac: 30,
            coefficient_bits: 25,
            coefficient_terms: 0,
            format: (!last).then_some(Format { signed: false, bits: 32, frac: 28 }),
            loadable: None,
        };
        let a = Parameter::new(array![[1.1, -0.6, 0.8, 1.4]]);
        FrozenLayer::new(fixed, a, Parameter::new(array![[0.3, -0.2, 0.4]]), None)
    }

    fn two_layers() -> Frozen {
        let node = |i: usize| Node {
            kind: Kind::Linear(layer(i == 1)),
            from: vec![i],
            outputs: 3,
            head: false,
        };
        Frozen::new(vec![node(0), node(1)])
    }

    /// With many bits, rounding is too small to matter, and straight-through gradients are the true
    /// ones.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut frozen = two_layers();
        let x =
            Array2::from_shape_fn((8, 3), |(i, j)| ((i * 37 + j * 71 + 5) % 256) as f64 / 256.0);
        let labels = [0, 1, 2, 0, 1, 2, 0, 1];
        let mut checked = 0;
        for l in 0..2 {
            for p in 0..2 {
                let n = [4, 3][p];
                for j in 0..n {
                    let at = |frozen: &mut Frozen, delta: f64| {
                        let layer = &mut frozen.layers_mut().nth(l).unwrap();
                        [&mut layer.a, &mut layer.bias][p].value[[0, j]] += delta;
                        layer.renew();
                        frozen.gradients(x.view(), &Targets::of(&labels).into()).mean_loss()
                    };
                    let high = at(&mut frozen, 1e-3);
                    let low = at(&mut frozen, -2e-3);
                    at(&mut frozen, 1e-3);
                    let layer = &frozen.layers_mut().nth(l).unwrap();
                    let gradient = [&layer.a, &layer.bias][p].gradient[[0, j]];
                    let difference = (high - low) / 2e-3;
                    assert!(
                        (difference - gradient).abs() < 1e-4,
                        "layer {l}, {p}, {j}: {gradient}, {difference}"
                    );
                    checked += usize::from(gradient.abs() > 1e-2);
                }
            }
        }
        assert!(checked > 8, "{checked} gradients of some size");
    }

    /// A network with every kind of layer over images and learned scales, folded; and 9 samples.
    fn over_images(activations: u32, rng: &mut ChaCha8Rng) -> (Float<f32>, Frozen, Array2<f64>) {
        folded(images(), activations, rng)
    }

    fn folded(
        mut network: Network,
        activations: u32,
        rng: &mut ChaCha8Rng,
    ) -> (Float<f32>, Frozen, Array2<f64>) {
        (network.train.learn_scales, network.bits.activations) = (true, activations);
        let mut float = Float::<f32>::new(&network, network.elements(), rng);
        float.begin_ternary(&network);
        for layer in float.trained_mut() {
            let parameters = layer.parts().0.into_iter();
            for (name, p, _) in parameters.filter(|(name, ..)| !name.contains("w_")) {
                p.value.mapv_inplace(|v| {
                    v + 0.3 * rng.random::<f32>() - if name == "scale" { 0.6 } else { 0.0 }
                });
            }
        }
        let x = Array2::from_shape_simple_fn((9, network.elements()), || {
            f32::from(rng.random::<u8>()) / 256.0
        });
        float.calibrate(x.view());
        let frozen = crate::train::image::quantise::fold(&float, &network, x.view());
        (float, frozen, x.mapv(f64::from))
    }

    #[test]
    fn gradients_along_rows_are_those_of_finite_differences() {
        let (checked, kinks) = gradients_through_tables(signals());
        assert!(checked > 100 && kinks * 30 < checked, "{kinks} kinks in {checked}");
    }

    #[test]
    fn gradients_through_activations_are_those_of_finite_differences() {
        let (checked, kinks) = gradients_through_tables(activated());
        // There are more of them where what is clipped bends, and what is leaky.
        assert!(checked > 40 && kinks * 10 < checked, "{kinks} kinks in {checked}");
    }

    /// Gradients against central differences, through σ and tanh from tables so fine that their
    /// steps are too small to matter; how many there are, and of how many a relu or a saturation
    /// changes sides in between.
    fn gradients_through_tables(network: Network) -> (usize, usize) {
        let (_, mut frozen, x) = folded(network, 16, &mut ChaCha8Rng::seed_from_u64(13));
        let finer =
            |format: &mut Format| (format.bits, format.frac) = (format.bits + 14, format.frac + 14);
        let looked_up = Format { signed: true, bits: 22, frac: 18 };
        for i in 0..frozen.nodes.len() {
            // What is looked up behind it.
            let table = |node: &Node<FrozenLayer>| match &node.kind {
                Kind::Activation(of) => {
                    matches!(of.function, Function::Sigmoid(_) | Function::Tanh(_))
                }
                _ => false,
            };
            let before_table = frozen.nodes.get(i + 1).is_some_and(table);
            let finer = |format: &mut Format| match before_table {
                true => *format = looked_up,
                false => finer(format),
            };
            let layer = match &mut frozen.nodes[i].kind {
                Kind::Linear(layer) => {
                    layer.fixed.format.as_mut().map(finer);
                    layer
                }
                Kind::Activation(of) => {
                    match &mut of.function {
                        Function::Clip { max } => *max <<= 14,
                        Function::Leaky { .. } => {}
                        Function::Sigmoid(table) => *table = Table::of_sigmoid(looked_up, 24),
                        Function::Tanh(table) => *table = Table::of_tanh(looked_up, 24),
                    }
                    match of.function {
                        Function::Sigmoid(_) | Function::Tanh(_) => of.format = looked_up,
                        _ => finer(&mut of.format),
                    }
                    continue;
                }
                Kind::Recurrent(steps) => {
                    let Steps { units, gates, .. } = &mut **steps;
                    units.gate = looked_up;
                    units.sigmoid = Table::of_sigmoid(units.gate, 24);
                    units.tanh = Table::of_tanh(units.gate, 24);
                    finer(&mut units.state);
                    finer(&mut units.hidden);
                    // Those of what reads h.
                    let x = gates.fixed.w_b.ncols() - gates.fixed.w_c.nrows() / 4;
                    for (unit, row) in gates.fixed.units.iter_mut().zip(gates.fixed.w_b.rows()) {
                        *unit *=
                            if row.iter().skip(x).any(|w| *w != 0.0) { power(-14) } else { 1.0 };
                    }
                    gates.fixed.format = Some(units.gate);
                    gates
                }
                Kind::Add(format) | Kind::Concat(_, format) => {
                    finer(format);
                    continue;
                }
                _ => continue,
            };
            (layer.fixed.product_frac, layer.fixed.coefficient_bits) =
                (layer.fixed.product_frac + 20, 31);
            layer.rebuild();
        }
        let labels = [0, 1, 2, 0, 1, 2, 0, 1, 2];
        let (mut checked, mut kinks, mut large) = (0, 0, 0);
        for l in 0..frozen.layers().count() {
            for p in 0..2 {
                let parameter = |frozen: &mut Frozen| {
                    let layer = frozen.layers_mut().nth(l).unwrap();
                    [&layer.a, &layer.bias][p].clone()
                };
                frozen.gradients(x.view(), &Targets::of(&labels).into());
                let gradient = parameter(&mut frozen).gradient;
                for (j, g) in gradient.row(0).iter().enumerate() {
                    let mut at = |delta: f64| {
                        let layer = frozen.layers_mut().nth(l).unwrap();
                        [&mut layer.a, &mut layer.bias][p].value[[0, j]] += delta;
                        layer.renew();
                        let loss =
                            frozen.gradients(x.view(), &Targets::of(&labels).into()).mean_loss();
                        let layer = frozen.layers_mut().nth(l).unwrap();
                        [&mut layer.a, &mut layer.bias][p].value[[0, j]] -= delta;
                        layer.renew();
                        loss
                    };
                    let close = |step: f64, at: &mut dyn FnMut(f64) -> f64| {
                        let difference = (at(step) - at(-step)) / (2.0 * step);
                        (difference - g).abs() < 1e-3 + 2e-2 * g.abs()
                    };
                    // A relu or a saturation may change sides in between.
                    kinks += usize::from(!close(5e-3, &mut at) && !close(1e-3, &mut at));
                    (checked, large) = (checked + 1, large + usize::from(g.abs() > 1e-2));
                }
            }
        }
        assert!(large * 4 > checked, "{large} large of {checked}");
        (checked, kinks)
    }

    /// Every gradient of a network with every kind of layer over images, against central
    /// differences; the l_c as real numbers.
    #[test]
    fn gradients_over_images_are_those_of_finite_differences() {
        let (float, mut frozen, x) = over_images(16, &mut ChaCha8Rng::seed_from_u64(11));
        // So fine that rounding is too small to matter; values saturate where they did.
        let finer =
            |format: &mut Format| (format.bits, format.frac) = (format.bits + 28, format.frac + 28);
        for node in &mut frozen.nodes {
            match &mut node.kind {
                Kind::Linear(layer) => {
                    layer.fixed.format.as_mut().map(finer);
                    (layer.fixed.product_frac, layer.fixed.coefficient_bits) =
                        (layer.fixed.product_frac + 28, 31);
                    layer.rebuild();
                }
                Kind::Add(format) | Kind::Concat(_, format) => finer(format),
                _ => {}
            }
        }
        // Scales that are no longer the folded ones.
        for layer in frozen.layers_mut() {
            if let Some(log_scales) = &mut layer.log_scales {
                log_scales.value[[0, 0]] -= 1.0;
                assert_ne!(layer.exponents(), layer.fixed.exponents);
            }
            layer.renew();
        }
        let labels = [0, 1, 2, 0, 1, 2, 0, 1, 2];
        let (mut checked, mut kinks, mut large) = ([0; 3], 0, 0);
        for l in 0..frozen.layers().count() {
            for p in 0..3 {
                frozen.gradients(x.view(), &Targets::of(&labels).into());
                let layer = frozen.layers().nth(l).unwrap();
                let Some(gradient) =
                    [Some(&layer.a), Some(&layer.bias), layer.log_scales.as_ref()][p]
                else {
                    continue;
                };
                let gradient = gradient.gradient.row(0).to_owned();
                for (j, &g) in gradient.iter().enumerate() {
                    let mut at = |delta: f64| {
                        let layer = frozen.layers_mut().nth(l).unwrap();
                        match p {
                            0 => layer.a.value[[0, j]] += delta,
                            1 => layer.bias.value[[0, j]] += delta,
                            _ => {}
                        }
                        layer.renew();
                        if p == 2
                            && let Some(Requantise { scales, .. }) = &mut layer.exact.output
                        {
                            scales
                                .iter_mut()
                                .skip(j)
                                .step_by(gradient.len())
                                .for_each(|s| *s *= delta.exp2());
                        }
                        let loss =
                            frozen.gradients(x.view(), &Targets::of(&labels).into()).mean_loss();
                        let layer = frozen.layers_mut().nth(l).unwrap();
                        match p {
                            0 => layer.a.value[[0, j]] -= delta,
                            1 => layer.bias.value[[0, j]] -= delta,
                            _ => {}
                        }
                        layer.renew();
                        loss
                    };
                    let [far, near] = [1e-4, 1e-5].map(|d| (at(d) - at(-d)) / (2.0 * d));
                    let close = |difference: f64| (difference - g).abs() < 1e-5 + 1e-3 * g.abs();
                    // A relu, a maximum or a saturation may change sides in between.
                    kinks += usize::from(!close(far));
                    assert!(
                        close(far) || (near - g).abs() < 1e-4 + 1e-2 * g.abs(),
                        "layer {l}, {p}, {j}: {g} against {far}, {near}"
                    );
                    checked[p] += 1;
                    large += usize::from(g.abs() > 1e-3);
                }
            }
        }
        let all = checked.iter().sum::<usize>();
        let mut weights = Weights { live: vec![], float, frozen: Some(frozen) };
        // All of these are in the copies that are averaged and kept.
        assert_eq!(Snapshot::of(weights.numbers()).frozen.len(), all);
        assert!(checked[0] > 25 && checked[1] == 25 && checked[2] == 22, "{checked:?}");
        assert!(kinks * 10 < all && large * 2 > all, "{kinks} kinks, {large} large of {checked:?}");
    }

    /// What reaches the first layers is the sum of what all outputs ask for: the gradients of the
    /// outputs one by one, each as much as it counts, add up to those of all.
    #[test]
    fn heads_add_their_gradients() {
        let network = headed();
        let (_, mut frozen, x) = folded(network.clone(), 8, &mut ChaCha8Rng::seed_from_u64(13));
        let labels = [0, 1, 2, 0, 1, 2, 0, 1, 2];
        let mut gradients = |factors: [f64; 3]| {
            let mut all = aims(&network, &labels);
            // A class that is due by no weight leaves nothing.
            for ((_, weight), factor) in all.heads.iter_mut().zip(&factors[1..]) {
                *weight *= factor;
            }
            let none = [factors[0]; 3];
            all.main.weights = &none;
            let score = frozen.gradients(x.view(), &all);
            let of = |layer: &FrozenLayer| layer.a.gradient.clone();
            let of = frozen.layers().flat_map(of).collect::<Array1<f64>>();
            (score.loss, of)
        };
        let (loss, whole) = gradients([1.0; 3]);
        let parts = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(gradients);
        let none = Array1::<f64>::zeros(whole.len());
        let sum = parts.iter().fold(none, |sum, (_, part)| sum + part);
        assert!((&sum - &whole).iter().all(|d| d.abs() < 1e-9), "{sum} against {whole}");
        assert!((parts.iter().map(|(loss, _)| loss).sum::<f64>() - loss).abs() < 1e-9);
        for (_, part) in &parts {
            // Each asks the first layer for something.
            assert!(part.iter().take(5).any(|g| g.abs() > 1e-6), "{part}");
        }
    }

    /// Pieces of a batch give what the batch gives as a whole; in rooms that pieces of other sizes
    /// left, too.
    #[test]
    fn pieces_add_up() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let (_, mut frozen, x) = over_images(8, &mut rng);
        let labels = [0, 1, 2, 0, 1, 2, 0, 1, 2];
        let logits = Array2::from_shape_simple_fn((9, 3), || rng.random::<f32>());
        let teacher = Teacher { logits: logits.view(), lambda: 0.5, temperature: 2.0 };
        let targets = Targets { smoothing: 0.1, teacher: Some(teacher), ..Targets::of(&labels) };
        let aims = targets.into();
        let mut of = |piece: usize| {
            let score = frozen.gradients_by(piece, x.view(), &aims);
            let parameters = |layer: &FrozenLayer| {
                [Some(&layer.a), Some(&layer.bias), layer.log_scales.as_ref()]
                    .map(|p| p.map(|p| p.gradient.clone()))
            };
            (
                score,
                frozen.layers().flat_map(parameters).flatten().flatten().collect::<Array1<f64>>(),
            )
        };
        let (score, whole) = of(9);
        assert!(whole.iter().filter(|g| g.abs() > 1e-3).count() > 20);
        for piece in [1, 2, 4, 9] {
            let (of_pieces, gradients) = of(piece);
            assert_eq!((of_pieces.samples, of_pieces.correct), (score.samples, score.correct));
            assert!((of_pieces.loss - score.loss).abs() < 1e-9);
            assert!(
                (&gradients - &whole).iter().all(|d| d.abs() < 1e-9),
                "{piece}: {gradients} against {whole}"
            );
        }
    }

    #[test]
    fn saturation_stops_the_gradient() {
        let mut frozen = two_layers();
        frozen.layers_mut().next().unwrap().bias.value = array![[-50.0, 50.0, 0.0]];
        frozen.layers_mut().next().unwrap().renew();
        frozen.gradients(array![[0.5, 0.25, 0.75]].view(), &Targets::of(&[0]).into());
        let gradient = &frozen.layers_mut().next().unwrap().bias.gradient;
        assert_eq!((gradient[[0, 0]], gradient[[0, 1]]), (0.0, 0.0));
        assert!(gradient[[0, 2]] != 0.0);
    }
}
