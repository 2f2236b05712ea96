//! Turns the float network over sequences into integers: formats are chosen, scales go into
//! coefficients, dead rows go.

use super::filters::Filters;
use super::network::{Layer, Sequence, Tokens, windows};
use crate::format::Format;
use crate::model::{self, Edge, Model, Output, Provenance, Table};
use crate::network::plan::{Op, Step};
use crate::network::{Bits, Network, Quantiser};
use crate::recurrent::{Along, Cell};
use crate::train::cells::{GATE_RANGE, Units};
use crate::train::linear::{Linear, Ternary};
use crate::train::quantise::{best_frac, coefficient, power};
use crate::train::recurrent::{order, readers};
use crate::train::streams::{Stream, generator};
use crate::train::ternary::signs;

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s};

/// Sequences and inputs of each that formats are chosen by.
const CALIBRATION: (usize, usize) = (32, 256);
/// Fractional bits of the network's outputs, without guard bits: natural logarithms of odds, of
/// which a hundredth is nothing.
const LOGIT_FRAC: i32 = 8;

/// The integer network; `text` is what it was trained on.
pub fn quantise(
    float: &Sequence<f32>,
    network: &Network,
    text: &[u32],
    provenance: Provenance,
) -> Model {
    // An invariant: descriptions are validated when they are read.
    let steps = network.plan().expect("the network is valid");
    let bits = &network.bits;
    let sequences = CALIBRATION.0.min(text.len() / 2).max(1);
    let tokens = windows(text, sequences, CALIBRATION.1).next().map(|w| w.0).unwrap_or_default();
    let values = float.values(Tokens { tokens: &tokens, sequences }, &mut float.start(sequences));
    let mut x = network.input.format();
    let mut layers = vec![];
    for (i, ((layer, step), value)) in float.layers().iter().zip(&steps).zip(&values).enumerate() {
        let z = || value.z.mapv(f64::from);
        layers.push(match layer {
            Layer::Embedding(table) => {
                let table = table.value.mapv(f64::from);
                let frac = best_frac(&table, true, bits.activations);
                let format = Format { signed: true, bits: bits.activations, frac };
                x = format;
                let round = |v: f64| format.saturate((v * power(frac) + 0.5).floor() as i64) as i32;
                model::Layer::Embedding(model::Embedding {
                    name: step.name.clone(),
                    table: table.mapv(round),
                    format,
                })
            }
            Layer::CharCnn(filters) => {
                let cnn = char_cnn(step, bits, filters, x.frac);
                x = cnn.tanh.tanh_format();
                model::Layer::CharCnn(cnn)
            }
            Layer::Highway(linear, bias) => {
                let gate_frac = bits.gates as i32 - GATE_RANGE;
                let format = Format {
                    signed: true,
                    bits: bits.gates.max(x.bits + u32::from(!x.signed)),
                    frac: x.frac,
                };
                let product_frac = gate_frac.max(x.frac) + bits.guard as i32;
                let n = layer.outputs();
                let shifts = Array1::from_shape_fn(2 * n, |c| {
                    product_frac - if c < n { gate_frac } else { x.frac }
                });
                let output = Output::Requantised { shifts, format };
                let parts = [(linear, x.frac, &[0, 1][..])];
                let gates = dense(step, bits, &parts, bias.row(), product_frac, output);
                let lookup = Format { frac: gate_frac, ..format };
                let sigmoid = Table::of_sigmoid(lookup, bits.activations.min(15) as i32);
                model::Layer::Highway(model::Highway { gates, gate_frac, sigmoid })
            }
            Layer::Recurrent(own) => {
                let largest = value.cells.iter().fold(0.0f64, |a, c| a.max(f64::from(c.abs())));
                let cell = own.cell();
                let units = Units::new(cell, bits, Units::state_of(cell, bits, largest));
                let (format, hidden) = (units.gate, units.hidden);
                let product_frac = format.frac + bits.guard as i32;
                let shifts = Array1::from_elem(4 * layer.outputs(), product_frac - format.frac);
                let output = Output::Requantised { shifts, format };
                let (order, [of_x, of_h]) = (order(cell), readers(cell));
                let parts = [(&own.x, x.frac, &order[of_x]), (&own.h, hidden.frac, &order[of_h])];
                let n = layer.outputs();
                let mut bias = Array1::zeros(Cell::GATES * n);
                for (gate, place) in order.into_iter().enumerate() {
                    let from = own.bias.value.slice(s![0, gate * n..(gate + 1) * n]);
                    bias.slice_mut(s![place * n..(place + 1) * n]).assign(&from);
                }
                let gates = dense(step, bits, &parts, bias.view(), product_frac, output);
                x = hidden;
                model::Layer::Recurrent(units.layer(gates, Along::Inputs))
            }
            Layer::Dense(linear, bias, relu) => {
                let (product_frac, output, format) = if i + 1 == steps.len() {
                    (LOGIT_FRAC + bits.guard as i32, Output::Raw, x)
                } else {
                    let frac = best_frac(&z(), !relu, bits.activations);
                    let format = Format { signed: !relu, bits: bits.activations, frac };
                    let shifts = Array1::from_elem(layer.outputs(), bits.guard as i32);
                    (frac + bits.guard as i32, Output::Requantised { shifts, format }, format)
                };
                let parts = [(linear, x.frac, &[0][..])];
                let layer = dense(step, bits, &parts, bias.row(), product_frac, output);
                x = format;
                model::Layer::Dense(layer)
            }
        });
    }
    let input = Edge { shape: network.axes(), format: network.input.format() };
    Model { name: network.name.clone(), input, layers, provenance }
}

/// Weights before any training.
pub(crate) struct Drawn {
    /// The share of nonzeros in matrices of layers without a threshold of their own, above 0, at
    /// most 1.
    pub density: f64,
    /// Decides the weights.
    pub seed: u64,
}

impl Drawn {
    /// The integer network of such weights; `inputs` says what enters for each symbol, and formats
    /// are chosen on a text of them.
    pub fn model(
        &self,
        network: &Network,
        inputs: Array2<u32>,
        text: &[u32],
        provenance: Provenance,
    ) -> Model {
        let mut recipe = network.clone();
        recipe.train.full_precision = false;
        recipe.train.quantiser = Quantiser::Twn;
        // Of weights that are as likely anywhere up to the largest, |w| is half of that in the
        // mean.
        recipe.train.threshold = 2.0 * (1.0 - self.density);
        let mut float = Sequence::new(&recipe, inputs, &mut generator(self.seed, Stream::Weights));
        float.begin_ternary(&recipe);
        float.freeze();
        quantise(&float, &recipe, text, provenance)
    }
}

/// Filters as one dense layer, each with its own product. A negative coefficient turns the signs of
/// its row.
fn char_cnn(step: &Step, bits: &Bits, filters: &Filters<f32>, frac: i32) -> model::CharCnn {
    let format = Format { signed: true, bits: bits.gates, frac: bits.gates as i32 - GATE_RANGE };
    let product_frac = format.frac + bits.guard as i32;
    // An invariant: full-precision networks have no integers.
    let Some(a) = &filters.a else { unreachable!("a filter has a coefficient") };
    let (n, e) = (filters.outputs(), filters.elements());
    let widest = filters.w_b.last().map_or(1, |(width, _)| *width);
    let mut w_b = Array2::<i8>::zeros((n, widest * e));
    let (mut coefficients, mut shifts, mut widths) = (vec![], vec![], vec![0; widest]);
    for (width, matrix) in &filters.w_b {
        widths[width - 1] = matrix.weights.value.nrows();
        let scales = matrix.scales();
        for (row, scale) in signs(matrix.effective()).rows().into_iter().zip(scales) {
            let i = coefficients.len();
            let value = f64::from(a.value[[0, i]]) * scale * power(product_frac - frac);
            let (a, t) = coefficient(value, bits.coefficients, bits.coefficient_terms);
            let mut to = w_b.slice_mut(s![i, ..width * e]);
            to.assign(&row);
            if a < 0 {
                to.mapv_inplace(|w| -w);
            }
            coefficients.push(a.abs());
            shifts.push(t);
        }
    }
    let bias = filters.bias.row().mapv(|b| (f64::from(b) * power(product_frac)).round() as i64);
    let filters = model::Dense {
        name: step.name.clone(),
        budget: n,
        w_b,
        coefficients: coefficients.into(),
        coefficient_bits: bits.coefficients,
        coefficient_shifts: shifts.into(),
        product_frac,
        w_c: Array2::eye(n),
        bias,
        output: Output::Requantised { shifts: Array1::from_elem(n, bits.guard as i32), format },
    };
    // As many bits as other activations have: a sign, 1.0, and the fraction.
    let tanh = Table::of_tanh(format, (bits.activations as i32 - 2).clamp(1, 15));
    model::CharCnn { filters, widths, tanh }
}

/// Linear layers that each read a part of what enters, with its frac, and whose outputs are added
/// up, as one dense layer; for each of their groups its place among the outputs.
fn dense(
    step: &Step,
    bits: &Bits,
    parts: &[(&Linear<f32>, i32, &[usize])],
    bias: ArrayView1<f32>,
    product_frac: i32,
    output: Output,
) -> model::Dense {
    let n_in: usize = parts.iter().map(|(linear, ..)| linear.w_b.weights.value.ncols()).sum();
    let n_out = bias.len();
    let (mut w_b, mut w_c) = (Array2::zeros((0, n_in)), Array2::zeros((n_out, 0)));
    let (mut coefficients, mut shifts) = (vec![], vec![]);
    let mut first = 0;
    for (linear, frac, places) in parts {
        // An invariant: full-precision networks have no integers.
        let Some(Ternary { w_b: t_b, w_c: t_c, a, scales }) = linear.ternary() else {
            unreachable!("an SPN has products")
        };
        let (r, groups) = (t_c.ncols(), linear.groups());
        let n = t_c.nrows() / groups;
        let up = power(product_frac - frac);
        for i in 0..groups * r {
            let (group, j) = (i / r, i % r);
            let (a, t) =
                coefficient(a[i] * scales[i] * up, bits.coefficients, bits.coefficient_terms);
            let (mut column, place) = (Array2::<i8>::zeros((n_out, 1)), places[group]);
            column
                .slice_mut(s![place * n..(place + 1) * n, 0])
                .assign(&t_c.slice(s![group * n..(group + 1) * n, j]));
            let mut row = Array2::<i8>::zeros((1, n_in));
            row.slice_mut(s![0, first..first + t_b.ncols()]).assign(&t_b.row(i));
            // A row that cannot matter is none.
            if a == 0 || row.iter().all(|w| *w == 0) || column.iter().all(|w| *w == 0) {
                continue;
            }
            coefficients.push(a);
            shifts.push(t);
            // Both have the right sizes.
            w_b.append(Axis(0), row.view()).expect("a row of W_b");
            w_c = concatenate![Axis(1), w_c, column];
        }
        first += t_b.ncols();
    }
    let budget = match &step.op {
        Op::Linear(linear) => linear.r,
        Op::Highway(gates) => 2 * gates.r,
        Op::Recurrent(cell, _, gates) => cell.spns() * gates.r,
        _ => 0,
    };
    model::Dense {
        name: step.name.clone(),
        budget,
        w_b: w_b.as_standard_layout().into_owned(),
        coefficients: coefficients.into(),
        coefficient_bits: bits.coefficients,
        coefficient_shifts: shifts.into(),
        product_frac,
        w_c: w_c.as_standard_layout().into_owned(),
        bias: bias.mapv(|b| (f64::from(b) * power(product_frac)).round() as i64),
        output,
    }
}
