//! Golden: the integer reference. Plain loops over the definition of each layer; it shares no code with the compiler
//! and none with training, so that it can witness against both.

use crate::error::{Error, Result};
use crate::model::{Bilinear, Dense, Layer, Model, Output};

/// The integers on every edge for one input: `[0]` is the input, `[i + 1]` what layer i yields.
pub type Trace = Vec<Vec<i64>>;

/// round(v · 2^-shift), half up; a shift ≤ 0 is an exact left shift.
fn round_shift(v: i64, shift: i32) -> i64 {
    if shift > 0 { (v + (1 << (shift - 1))) >> shift } else { v << -shift }
}

/// The outputs of the network for one input vector, flattened in row-major order.
///
/// The model must be [valid](Model::validate), which also rules out overflow.
///
/// # Errors
/// Where the input has the wrong length or a value outside the input format.
pub fn infer(model: &Model, input: &[i64]) -> Result<Vec<i64>> {
    // A valid model has a layer, and so a last edge.
    Ok(trace(model, input)?.pop().unwrap_or_default())
}

/// The integers on every edge for one input vector.
///
/// # Errors
/// As [`infer`].
pub fn trace(model: &Model, input: &[i64]) -> Result<Trace> {
    let format = model.input.format;
    if input.len() != model.input.elements() {
        return Err(Error::input(
            "input vector",
            format_args!("has {} elements, the network takes {}", input.len(), model.input.elements()),
        ));
    }
    if let Some((i, v)) = input.iter().enumerate().find(|(_, v)| **v < format.min() || **v > format.max()) {
        return Err(Error::input(
            "input vector",
            format_args!("element {i} is {v}, outside the input format {format}"),
        ));
    }
    let mut edges = vec![input.to_vec()];
    for (i, layer) in model.layers.iter().enumerate() {
        let z = match layer {
            Layer::Dense(d) => dense(d, &edges[i]),
            Layer::Bilinear(b) => bilinear(b, &edges[i]),
        };
        edges.push(z);
    }
    Ok(edges)
}

fn dense(layer: &Dense, x: &[i64]) -> Vec<i64> {
    let mut m = Vec::with_capacity(layer.rows());
    for i in 0..layer.rows() {
        let mut u = 0;
        for (j, x) in x.iter().enumerate() {
            u += i64::from(layer.w_b[[i, j]]) * x;
        }
        m.push(round_shift(i64::from(layer.coefficients[i]) * u, layer.coefficient_shifts[i]));
    }
    let mut z = Vec::with_capacity(layer.outputs());
    for c in 0..layer.outputs() {
        let mut y = layer.bias[c];
        for (i, m) in m.iter().enumerate() {
            y += i64::from(layer.w_c[[c, i]]) * m;
        }
        z.push(leave(&layer.output, c, y));
    }
    z
}

/// W_c[(W_a a) ⊙ (W_b b)], where x is a, then b.
fn bilinear(layer: &Bilinear, x: &[i64]) -> Vec<i64> {
    let (a, b) = x.split_at(layer.inputs_a());
    let mut m = Vec::with_capacity(layer.w_c.ncols());
    for i in 0..layer.w_c.ncols() {
        let (mut u, mut v) = (0, 0);
        for (k, a) in a.iter().enumerate() {
            u += i64::from(layer.w_a[[i, k]]) * a;
        }
        for (l, b) in b.iter().enumerate() {
            v += i64::from(layer.w_b[[i, l]]) * b;
        }
        m.push(u * v);
    }
    let mut z = Vec::with_capacity(layer.w_c.nrows());
    for c in 0..layer.w_c.nrows() {
        let mut y = 0;
        for (i, m) in m.iter().enumerate() {
            y += i64::from(layer.w_c[[c, i]]) * m;
        }
        z.push(leave(&layer.output, c, y));
    }
    z
}

/// Output c of a layer.
fn leave(output: &Output, c: usize, y: i64) -> i64 {
    match output {
        Output::Raw => y,
        Output::Requantised { shifts, format } => format.saturate(round_shift(y, shifts[c])),
    }
}

/// Index of the largest output; the first one where several are equal.
pub fn argmax(outputs: &[i64]) -> usize {
    let mut best = 0;
    for (i, v) in outputs.iter().enumerate() {
        if *v > outputs[best] {
            best = i;
        }
    }
    best
}
