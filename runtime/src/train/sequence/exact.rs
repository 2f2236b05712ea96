//! The integer network over sequences in f64, many sequences at a time; equal to golden integer for
//! integer.
//!
//! Every value is an integer of at most 53 bits, so f64 computes it exactly, in any order.

use super::network::{Tokens, windows};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::{self, Layer, Model, Output};
use crate::recurrent::Along;
use crate::train::cells::{Units, round_shift};
use crate::train::loss::{Score, score};
use crate::train::matmul::{Into, product_into};
use crate::train::recurrent::PIECE;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use rayon::prelude::*;

/// A recurrent model, ready to compute.
pub struct Exact<'a> {
    model: &'a Model,
    layers: Vec<Matrices>,
}

/// The numbers of a layer's linear part; empty where it has none.
#[derive(Default)]
struct Matrices {
    /// `[r, n_in]`.
    w_b: Array2<f64>,
    /// `[n_out, r]`.
    w_c: Sums,
    /// The factors a · 2^-t.
    a: Array1<f64>,
    bias: Array1<f64>,
    /// 2^-s, with the range; none where raw.
    output: Option<(Array1<f64>, Format)>,
    /// What becomes of the gates of a recurrent layer.
    units: Option<Units>,
}

/// W_c, `[n_out, r]`.
enum Sums {
    Dense(Array2<f64>),
    /// Of few nonzeros, as in a plain layer: the outputs, and row, column and sign of each nonzero.
    Sparse(usize, Vec<(usize, usize, f64)>),
}

impl Default for Sums {
    fn default() -> Self {
        Sums::Dense(Array2::default((0, 0)))
    }
}

impl Sums {
    /// Of fewer nonzeros than one in so many, sparse is quicker.
    const SPARSE: usize = 16;

    fn of(w_c: &Array2<i8>) -> Sums {
        let nonzeros = w_c.indexed_iter().filter(|(_, w)| **w != 0);
        if Self::SPARSE * nonzeros.clone().count() > w_c.len() {
            return Sums::Dense(w_c.mapv(f64::from));
        }
        let nonzeros = nonzeros.map(|((k, i), w)| (k, i, f64::from(*w)));
        Sums::Sparse(w_c.nrows(), nonzeros.collect())
    }

    fn outputs(&self) -> usize {
        match self {
            Sums::Dense(w_c) => w_c.nrows(),
            Sums::Sparse(outputs, _) => *outputs,
        }
    }

    /// Adds W_c u `[m, n_out]` of u `[m, r]` to y.
    fn add(&self, u: ArrayView2<f64>, y: &mut Array2<f64>) {
        match self {
            Sums::Dense(w_c) => product_into(u, w_c.t(), y.view_mut(), Into::Sum),
            Sums::Sparse(_, nonzeros) => {
                for (mut y, u) in y.rows_mut().into_iter().zip(u.rows()) {
                    nonzeros.iter().for_each(|&(k, i, w)| y[k] += w * u[i]);
                }
            }
        }
    }
}

/// The c and h of each recurrent layer, `[sequences, n]`, in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct State(pub Vec<[Array2<f64>; 2]>);

impl Matrices {
    fn of(dense: &model::Dense) -> Matrices {
        let power = |t: &i32| 2f64.powi(-t);
        Matrices {
            w_b: dense.w_b.mapv(f64::from),
            w_c: Sums::of(&dense.w_c),
            a: dense
                .coefficients
                .iter()
                .zip(&dense.coefficient_shifts)
                .map(|(a, t)| f64::from(*a) * power(t))
                .collect(),
            bias: dense.bias.mapv(|b| b as f64),
            output: match &dense.output {
                Output::Raw => None,
                Output::Requantised { shifts, format } => {
                    Some((shifts.iter().map(power).collect(), *format))
                }
            },
            units: None,
        }
    }

    /// `[m, n_out]` for `[m, n_in]`.
    fn compute(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut u = Array2::zeros((x.nrows(), self.w_b.nrows()));
        product_into(x, self.w_b.t(), u.view_mut(), Into::Place);
        self.outputs_of(u)
    }

    /// `[m, n_out]` for u = W_b x `[m, r]`.
    fn outputs_of(&self, mut u: Array2<f64>) -> Array2<f64> {
        for mut row in u.rows_mut() {
            // a · u is exact; products that t ≤ 0 shifts left have nothing to round.
            row.zip_mut_with(&self.a, |u, a| *u = (*u * a + 0.5).floor());
        }
        let mut y = Array2::zeros((u.nrows(), self.w_c.outputs()));
        y.assign(&self.bias);
        self.w_c.add(u.view(), &mut y);
        if let Some((scales, format)) = &self.output {
            let (low, high) = (format.min() as f64, format.max() as f64);
            for mut row in y.rows_mut() {
                row.zip_mut_with(scales, |y, scale| {
                    *y = (*y * scale + 0.5).floor().clamp(low, high)
                });
            }
        }
        y
    }
}

impl<'a> Exact<'a> {
    /// The exact network of a valid model of dense, embedding, char-CNN, highway and recurrent
    /// layers along inputs.
    ///
    /// # Errors
    /// Where it has a layer of another kind, or is not valid.
    pub fn new(model: &'a Model) -> Result<Exact<'a>> {
        model.validate()?;
        let matrices = |layer: &Layer| match layer {
            Layer::Dense(dense) => Ok(Matrices::of(dense)),
            Layer::CharCnn(cnn) => Ok(Matrices::of(&cnn.filters)),
            Layer::Highway(highway) => Ok(Matrices::of(&highway.gates)),
            Layer::Recurrent(layer) if layer.along == Along::Inputs => {
                Ok(Matrices { units: Some(Units::of(layer)), ..Matrices::of(&layer.gates) })
            }
            Layer::Embedding(_) => Ok(Matrices::default()),
            other => {
                Err(Error::input(format_args!("layer `{}`", other.name()), "is not for sequences"))
            }
        };
        Ok(Exact { model, layers: model.layers.iter().map(matrices).collect::<Result<_>>()? })
    }

    /// The state of so many sequences at their start.
    pub fn start(&self, sequences: usize) -> State {
        let layers = self
            .model
            .layers
            .iter()
            .filter_map(|l| if let Layer::Recurrent(own) = l { Some(own) } else { None });
        let zeros = |n| Array2::zeros((sequences, n));
        State(layers.map(|own| [zeros(own.units()), zeros(own.units())]).collect())
    }

    /// What leaves each layer for the next input `[sequences, n_in]` of each sequence.
    pub fn step(&self, x: Array2<f64>, state: &mut State) -> Vec<Array2<f64>> {
        let mut format = self.model.input.format;
        let mut states = state.0.iter_mut();
        let mut values = vec![x];
        for (layer, matrices) in self.model.layers.iter().zip(&self.layers) {
            // An invariant: there is what enters.
            let x = &values[values.len() - 1];
            values.push(match layer {
                Layer::Embedding(embedding) => {
                    let (last, e) = (embedding.table.nrows() - 1, embedding.table.ncols());
                    format = embedding.format;
                    Array2::from_shape_fn((x.nrows(), x.ncols() * e), |(s, i)| {
                        let row = (x[[s, i / e]] as usize).min(last);
                        f64::from(embedding.table[[row, i % e]])
                    })
                }
                Layer::CharCnn(cnn) => {
                    format = cnn.tanh.tanh_format();
                    let z = matrices.outputs_of(largest_sums(cnn, &matrices.w_b, x));
                    z.mapv(|z| cnn.tanh.tanh(z as i64) as f64)
                }
                Layer::Highway(highway) => {
                    let gates = matrices.compute(x.view());
                    let (n, sigmoid) = (x.ncols(), &highway.sigmoid);
                    Array2::from_shape_fn(x.dim(), |(s, j)| {
                        let (t, h) = (
                            gates[[s, j]] as i64,
                            (gates[[s, n + j]] as i64).clamp(0, format.max()),
                        );
                        let x = x[[s, j]] as i64;
                        (x + round_shift(sigmoid.sigmoid(t) * (h - x), sigmoid.frac)) as f64
                    })
                }
                Layer::Recurrent(layer) => {
                    // An invariant: a state for each recurrent layer.
                    let (Some([c, h]), Some(units)) = (states.next(), &matrices.units) else {
                        unreachable!("a state for each layer")
                    };
                    let gates = matrices.compute(concatenate![Axis(1), *x, *h].view());
                    format = layer.hidden;
                    let n = layer.units();
                    for ((s, j), c) in c.indexed_iter_mut() {
                        let gates = [0, 1, 2, 3].map(|k| gates[[s, k * n + j]] as i64);
                        let (next, z) = units.step(gates, *c as i64);
                        (*c, h[[s, j]]) = (next as f64, z as f64);
                    }
                    h.clone()
                }
                _ => {
                    if let Some((_, to)) = &matrices.output {
                        format = *to;
                    }
                    matrices.compute(x.view())
                }
            });
        }
        values.remove(0);
        values
    }

    /// The outputs as real values, `[inputs, n_out]`, for integers `[inputs, n_in]` that are one
    /// sequence.
    pub fn outputs(&self, inputs: ArrayView2<f64>) -> Array2<f64> {
        let unit = 2f64.powi(-self.model.output_frac());
        let mut outputs = Array2::zeros((inputs.nrows(), self.model.outputs()));
        let mut state = self.start(1);
        for (input, mut output) in inputs.rows().into_iter().zip(outputs.rows_mut()) {
            if let Some(y) = self.step(input.to_owned().insert_axis(Axis(0)), &mut state).pop() {
                output.assign(&(y.row(0).to_owned() * unit));
            }
        }
        outputs
    }

    /// The score of a text, read as so many sequences side by side, each from the start: what each
    /// symbol says about the next one. `inputs` says what enters for each symbol, `[symbols,
    /// n_in]`.
    pub fn evaluate(&self, text: &[u32], sequences: usize, inputs: ArrayView2<u32>) -> Score {
        let unit = 2f64.powi(-self.model.output_frac());
        // One window of one input a sequence: row t of the text's rows.
        let all: Vec<(Vec<u32>, Vec<u32>)> = windows(text, sequences, 64).collect();
        let pieces: Vec<usize> = (0..sequences).step_by(PIECE).collect();
        let scores: Vec<Score> = (pieces.into_par_iter())
            .map(|first| {
                let last = (first + PIECE).min(sequences);
                let (mut total, mut state) = (Score::default(), self.start(last - first));
                for (tokens, labels) in &all {
                    let x = Tokens { tokens, sequences };
                    for (tokens, labels) in x.tokens.chunks(sequences).zip(labels.chunks(sequences))
                    {
                        let symbols: Vec<usize> =
                            tokens[first..last].iter().map(|t| *t as usize).collect();
                        let x = inputs.select(Axis(0), &symbols).mapv(f64::from);
                        let Some(y) = self.step(x, &mut state).pop() else { continue };
                        total += score((y * unit).view(), &labels[first..last]);
                    }
                }
                total
            })
            .collect();
        let mut total = Score::default();
        scores.into_iter().for_each(|score| total += score);
        total
    }
}

/// The largest sum of each filter over the positions of its words `[m, L · E]`, `[m, n]`; W_b as
/// `[n, widest · E]`.
fn largest_sums(cnn: &model::CharCnn, w_b: &Array2<f64>, x: &Array2<f64>) -> Array2<f64> {
    let e = w_b.ncols() / cnn.widths.len();
    let length = x.ncols() / e;
    let mut largest = Array2::from_elem((x.nrows(), w_b.nrows()), f64::NEG_INFINITY);
    for position in 0..length {
        // Filters come in the order of their widths: those that fit are the first ones.
        let taps = cnn.widths.len().min(length - position);
        let fit: usize = cnn.widths[..taps].iter().sum();
        let mut u = Array2::zeros((x.nrows(), fit));
        let window = x.slice(s![.., position * e..(position + taps) * e]);
        product_into(window, w_b.slice(s![..fit, ..taps * e]).t(), u.view_mut(), Into::Place);
        largest.slice_mut(s![.., ..fit]).zip_mut_with(&u, |largest, u| *largest = largest.max(*u));
    }
    largest
}
