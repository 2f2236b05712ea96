//! Golden: the integer reference. Plain loops over the definition of each layer; it shares no code with the compiler
//! and none with training, so that it can witness against both.

use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::{Bilinear, Conv2d, Dense, Layer, Model, Output, Pool, PoolKind, Residual};
use crate::shape::Shape;

/// The integers on every edge for one input: `[0]` is the input, `[i + 1]` what layer i yields; images as [`Shape`] says.
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
    let mut edge = model.input();
    for (i, z) in model.layers.iter().enumerate() {
        edges.push(layer(z, &edges[i], edge)?);
        edge = z.yields(edge)?;
    }
    Ok(edges)
}

/// What a layer yields for x, of this shape and format.
fn layer(layer: &Layer, x: &[i64], (shape, format): (Shape, Format)) -> Result<Vec<i64>> {
    Ok(match layer {
        Layer::Dense(d) => dense(d, x),
        Layer::Bilinear(b) => bilinear(b, x),
        Layer::Conv2d(c) => conv2d(c, x, shape, layer.yields((shape, format))?.0),
        Layer::Pool(p) => pool(p, x, (shape, format), layer.yields((shape, format))?.0),
        Layer::Residual(r) => residual(r, x, (shape, format))?,
    })
}

/// Element c of the pixel at row y and column x of an image; `None` outside.
fn pixel(image: &[i64], shape: Shape, y: isize, x: isize, c: usize) -> Option<i64> {
    let inside = (0..shape.height as isize).contains(&y) && (0..shape.width as isize).contains(&x);
    inside.then(|| image[(y as usize * shape.width + x as usize) * shape.channels + c])
}

fn conv2d(layer: &Conv2d, x: &[i64], input: Shape, output: Shape) -> Vec<i64> {
    let (r, per_group, window, _) = layer.w_b.dim();
    let (c_out, reads, p, _) = layer.w_c.dim();
    let mut z = vec![0; output.elements()];
    for patch_y in 0..output.height.div_ceil(p) {
        for patch_x in 0..output.width.div_ceil(p) {
            let mut m = Vec::with_capacity(r);
            for i in 0..r {
                let group = i / (r / layer.groups);
                let mut u = 0;
                for ky in 0..window {
                    for kx in 0..window {
                        let at_y = (patch_y * p * layer.stride + ky) as isize - layer.pad as isize;
                        let at_x = (patch_x * p * layer.stride + kx) as isize - layer.pad as isize;
                        for c in 0..per_group {
                            // A pad is 0.
                            let x = pixel(x, input, at_y, at_x, group * per_group + c).unwrap_or(0);
                            u += i64::from(layer.w_b[[i, c, ky, kx]]) * x;
                        }
                    }
                }
                m.push(round_shift(i64::from(layer.coefficients[i]) * u, layer.coefficient_shifts[i]));
            }
            for py in 0..p {
                for px in 0..p {
                    let (at_y, at_x) = (patch_y * p + py, patch_x * p + px);
                    if at_y >= output.height || at_x >= output.width {
                        continue;
                    }
                    for c in 0..c_out {
                        let first = if layer.depthwise() { c / (c_out / layer.groups) * reads } else { 0 };
                        let mut y = layer.bias[[c, py, px]];
                        for i in 0..reads {
                            y += i64::from(layer.w_c[[c, i, py, px]]) * m[first + i];
                        }
                        z[(at_y * output.width + at_x) * c_out + c] = leave(&layer.output, c, y);
                    }
                }
            }
        }
    }
    z
}

fn pool(layer: &Pool, x: &[i64], (input, format): (Shape, Format), output: Shape) -> Vec<i64> {
    let mut z = Vec::with_capacity(output.elements());
    for y in 0..output.height {
        for across in 0..output.width {
            for c in 0..output.channels {
                let (mut largest, mut sum) = (format.min(), 0);
                for ky in 0..layer.size {
                    for kx in 0..layer.size {
                        let at_y = (y * layer.stride + ky) as isize - layer.pad as isize;
                        let at_x = (across * layer.stride + kx) as isize - layer.pad as isize;
                        if let Some(v) = pixel(x, input, at_y, at_x, c) {
                            largest = largest.max(v);
                            sum += v;
                        }
                    }
                }
                z.push(match layer.kind {
                    PoolKind::Max => largest,
                    PoolKind::Sum => sum,
                });
            }
        }
    }
    z
}

fn residual(layer: &Residual, x: &[i64], edge: (Shape, Format)) -> Result<Vec<i64>> {
    let (a, a_format) = branch(&layer.body, x, edge)?;
    let (b, b_format) = branch(&layer.shortcut, x, edge)?;
    let frac = a_format.frac.max(b_format.frac);
    let mut z = Vec::with_capacity(a.len());
    for (a, b) in a.iter().zip(&b) {
        let sum = (a << (frac - a_format.frac)) + (b << (frac - b_format.frac));
        z.push(layer.format.saturate(round_shift(sum, frac - layer.format.frac)));
    }
    Ok(z)
}

fn branch(layers: &[Layer], x: &[i64], mut edge: (Shape, Format)) -> Result<(Vec<i64>, Format)> {
    let mut x = x.to_vec();
    for z in layers {
        x = layer(z, &x, edge)?;
        edge = z.yields(edge)?;
    }
    Ok((x, edge.1))
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
