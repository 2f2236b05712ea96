//! Golden: the integer reference. Plain loops over the definition of each layer; it shares no code
//! with the compiler and none with training, so that it can witness against both.

use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::{
    Bilinear, Branches, CharCnn, Conv2d, Dense, Function, Highway, Layer, Model, Output, Pool,
    PoolKind, Recurrent, Upsample,
};
use crate::recurrent::{Along, Cell};
use crate::shape::{Join, Shape};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The integers on every edge for one input vector: `[0]` is that vector, `[i + 1]` what layer i
/// yields; images as [`Shape`] says. Behind what the last layer yields are the outputs of the
/// heads, in the order of [`Model::streams`].
pub type Trace = Vec<Vec<i64>>;

/// round(v · 2^-shift), half up; a shift ≤ 0 is an exact left shift.
fn round_shift(v: i64, shift: i32) -> i64 {
    if shift > 0 { (v + (1 << (shift - 1))) >> shift } else { v << -shift }
}

/// The state of a recurrent network: what its recurrent layers keep from one input of a sequence to
/// the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// By layer; all 0 for a layer that is not there yet.
    cells: BTreeMap<String, Kept>,
}

/// c and h of one layer.
type Kept = (Vec<i64>, Vec<i64>);

impl State {
    /// That of the start of a sequence.
    pub fn start() -> State {
        State::default()
    }

    /// The c and h of the layer with this name; `None` before its first input.
    pub fn of(&self, layer: &str) -> Option<(&[i64], &[i64])> {
        self.cells.get(layer).map(|(c, h)| (c.as_slice(), h.as_slice()))
    }
}

/// The outputs of the network for one input vector, flattened in row-major order; of a recurrent
/// one at the start of a sequence.
///
/// The model must be [valid](Model::validate), which also rules out overflow.
///
/// ```
/// let model = strassenc_runtime::model_file::load("models/digits.safetensors".as_ref())?;
/// let scores = strassenc_runtime::golden::infer(&model, &[16; 64])?;
/// assert_eq!(scores.len(), 10);
/// # Ok::<(), strassenc_runtime::Error>(())
/// ```
///
/// # Errors
/// Where the input has the wrong length or a value outside the input format.
pub fn infer(model: &Model, input: &[i64]) -> Result<Vec<i64>> {
    // A valid model has a layer, and so a last edge.
    Ok(trace(model, input)?.pop().unwrap_or_default())
}

/// The outputs, `[samples, n_out]`, for `inputs`, `[samples, elements]`, on all threads; the
/// samples of a recurrent network are one sequence. `next` is called before each sample, and may
/// end the work.
///
/// # Errors
/// As [`infer`], and what `next` says.
pub fn outputs(
    model: &Model,
    inputs: ArrayView2<i64>,
    next: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Array2<i64>> {
    sequences(model, inputs, inputs.nrows(), next)
}

/// The [`outputs`] where so many samples at a time, `length`, are a sequence of a recurrent
/// network.
///
/// # Errors
/// As [`outputs`].
pub fn sequences(
    model: &Model,
    inputs: ArrayView2<i64>,
    length: usize,
    next: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Array2<i64>> {
    let mut outputs = Array2::zeros((inputs.nrows(), model.outputs()));
    fn dense(layer: &Layer) -> Option<&Dense> {
        if let Layer::Dense(dense) = layer { Some(dense) } else { None }
    }
    let rows: Vec<_> = outputs.outer_iter_mut().zip(inputs.outer_iter()).collect();
    if let Some(layers) = model.layers.iter().map(dense).collect::<Option<Vec<_>>>() {
        inputs.outer_iter().try_for_each(|x| check(model, &x.to_vec()))?;
        let terms: Vec<[Terms; 2]> =
            layers.iter().map(|l| [&l.w_b, &l.w_c].map(|w| Terms::of(w.view()))).collect();
        rows.into_par_iter().chunks(SIDE_BY_SIDE).try_for_each(|mut rows| {
            rows.iter().try_for_each(|_| next())?;
            let at = |sample: usize, j: usize| rows.get(sample).map_or(0, |(_, x)| x[j]);
            let x: Vec<[i64; SIDE_BY_SIDE]> =
                (0..inputs.ncols()).map(|j| std::array::from_fn(|sample| at(sample, j))).collect();
            let z = layers.iter().zip(&terms).fold(x, |x, (layer, terms)| {
                dense_of(layer, &x, |matrix, i, y, x| terms[matrix].sum(i, y, x))
            });
            for (sample, (row, _)) in rows.iter_mut().enumerate() {
                row.iter_mut().zip(&z).for_each(|(slot, z)| *slot = z[sample]);
            }
            Ok(())
        })?;
        return Ok(outputs);
    }
    let infer = |state: &mut State, (mut z, x): (ArrayViewMut1<i64>, ArrayView1<i64>)| {
        next()?;
        // A valid model has a layer, and so a last edge.
        z.assign(&Array1::from(step(model, state, &x.to_vec())?.pop().unwrap_or_default()));
        Ok(())
    };
    let length = if model.is_recurrent() { length.max(1) } else { 1 };
    rows.into_par_iter().chunks(length).try_for_each(|rows| {
        let mut state = State::start();
        rows.into_iter().try_for_each(|row| infer(&mut state, row))
    })?;
    Ok(outputs)
}

/// Samples of a dense network that are computed at a time.
const SIDE_BY_SIDE: usize = 16;

/// The integers on every edge for one input vector; of a recurrent network at the start of a
/// sequence.
///
/// # Errors
/// As [`infer`].
pub fn trace(model: &Model, input: &[i64]) -> Result<Trace> {
    step(model, &mut State::start(), input)
}

/// The integers on every edge for the next input of a sequence, which moves the state on.
///
/// # Errors
/// As [`infer`].
pub fn step(model: &Model, state: &mut State, input: &[i64]) -> Result<Trace> {
    check(model, input)?;
    let mut edges = vec![input.to_vec()];
    let mut edge = model.input();
    let (mut x, further) = input.split_at(edge.0.elements());
    let mut sides = Sides { inputs: further.iter(), heads: vec![] };
    for z in &model.layers {
        edges.push(layer(z, x, edge, state, &mut sides)?);
        x = &edges[edges.len() - 1];
        edge = z.yields(edge)?;
    }
    if let Some(last) = edges.last_mut() {
        last.extend(sides.heads);
    }
    Ok(edges)
}

/// What enters and leaves a network beside the first layer's input and the last one's outputs.
#[derive(Default)]
struct Sides<'a> {
    /// What is left of the further inputs' elements.
    inputs: std::slice::Iter<'a, i64>,
    /// The outputs of the heads so far.
    heads: Vec<i64>,
}

/// What a layer that is no head yields for several values of this shape and format, one after the
/// other.
///
/// # Errors
/// Where a size does not fit.
#[cfg(feature = "train")]
pub(crate) fn of_layer(layer: &Layer, x: &[i64], edge: (Shape, Format)) -> Result<Vec<i64>> {
    let values = x.chunks_exact(edge.0.elements());
    let of_each =
        values.map(|x| self::layer(layer, x, edge, &mut State::start(), &mut Sides::default()));
    Ok(of_each.collect::<Result<Vec<_>>>()?.concat())
}

/// Checks that an input vector is one of the network's.
fn check(model: &Model, input: &[i64]) -> Result<()> {
    if input.len() != model.elements() {
        return Err(Error::input(
            "input vector",
            format_args!("has {} elements, the network takes {}", input.len(), model.elements()),
        ));
    }
    let formats =
        model.columns().into_iter().flat_map(|(n, format)| std::iter::repeat_n(format, n));
    let outside =
        |(_, (v, format)): &(usize, (&i64, Format))| **v < format.min() || **v > format.max();
    if let Some((i, (v, format))) = input.iter().zip(formats).enumerate().find(outside) {
        return Err(Error::input(
            "input vector",
            format_args!("element {i} is {v}, outside the input format {format}"),
        ));
    }
    Ok(())
}

/// What a layer yields for x, of this shape and format; the outputs of heads go to `sides`, and
/// further inputs come from there.
fn layer(
    layer: &Layer,
    x: &[i64],
    (shape, format): (Shape, Format),
    state: &mut State,
    sides: &mut Sides,
) -> Result<Vec<i64>> {
    Ok(match layer {
        Layer::Dense(d) => dense(d, x),
        Layer::Bilinear(b) => bilinear(b, x),
        Layer::Conv2d(c) => conv2d(c, x, shape, layer.yields((shape, format))?.0),
        Layer::Pool(p) => pool(p, x, (shape, format), layer.yields((shape, format))?.0),
        Layer::Upsample(u) => upsample(u, x, shape),
        Layer::Activation(a) => activation(&a.function, x),
        Layer::Branches(b) => branches(b, x, (shape, format), state, sides)?,
        Layer::Head(h) => {
            let (outputs, _) = branch(&h.layers, x, (shape, format), state, sides)?;
            sides.heads.extend(outputs);
            x.to_vec()
        }
        Layer::Input(input) => sides.inputs.by_ref().take(input.edge.elements()).copied().collect(),
        Layer::Embedding(e) => {
            let mut z = vec![];
            for index in x {
                let row = (*index as usize).min(e.table.nrows() - 1);
                z.extend(e.table.row(row).iter().map(|v| i64::from(*v)));
            }
            z
        }
        Layer::CharCnn(c) => char_cnn(c, x, shape),
        Layer::Highway(h) => highway(h, x, format),
        Layer::Recurrent(r) if r.along == Along::Inputs => {
            let kept = state.cells.entry(r.gates.name.clone()).or_insert_with(|| zeros(r));
            recurrent(r, x, kept)
        }
        Layer::Recurrent(r) => {
            let mut kept = zeros(r);
            let pixels = x.chunks_exact(r.inputs());
            pixels.flat_map(|pixel| recurrent(r, pixel, &mut kept)).collect()
        }
        Layer::Last(_) => x[x.len() - shape.channels..].to_vec(),
        Layer::Reverse(_) => x.chunks_exact(shape.channels).rev().flatten().copied().collect(),
    })
}

/// Element c of the pixel at row y and column x of an image; `None` outside.
fn pixel(image: &[i64], shape: Shape, y: isize, x: isize, c: usize) -> Option<i64> {
    let inside = (0..shape.height as isize).contains(&y) && (0..shape.width as isize).contains(&x);
    inside.then(|| image[(y as usize * shape.width + x as usize) * shape.channels + c])
}

fn conv2d(layer: &Conv2d, x: &[i64], input: Shape, output: Shape) -> Vec<i64> {
    let (r, per_group, window_h, window_w) = layer.w_b.dim();
    let (c_out, reads, p_h, p_w) = layer.w_c.dim();
    let mut z = vec![0; output.elements()];
    // Pixels between windows, and those of the first one before the image.
    let (step_y, step_x, before_y, before_x) = match layer.transposed {
        None => (p_h * layer.stride.h, p_w * layer.stride.w, layer.pad.h, layer.pad.w),
        Some(k) => (
            1,
            1,
            (k.h - 1 - layer.pad.h) / layer.stride.h,
            (k.w - 1 - layer.pad.w) / layer.stride.w,
        ),
    };
    for patch_y in 0..output.height.div_ceil(p_h) {
        for patch_x in 0..output.width.div_ceil(p_w) {
            let mut m = Vec::with_capacity(r);
            for i in 0..r {
                let group = i / (r / layer.groups);
                let mut u = 0;
                for ky in 0..window_h {
                    for kx in 0..window_w {
                        let at_y = (patch_y * step_y + ky) as isize - before_y as isize;
                        let at_x = (patch_x * step_x + kx) as isize - before_x as isize;
                        for c in 0..per_group {
                            // A pad is 0.
                            let x = pixel(x, input, at_y, at_x, group * per_group + c).unwrap_or(0);
                            u += i64::from(layer.w_b[[i, c, ky, kx]]) * x;
                        }
                    }
                }
                m.push(round_shift(
                    i64::from(layer.coefficients[i]) * u,
                    layer.coefficient_shifts[i],
                ));
            }
            for py in 0..p_h {
                for px in 0..p_w {
                    let (at_y, at_x) = (patch_y * p_h + py, patch_x * p_w + px);
                    if at_y >= output.height || at_x >= output.width {
                        continue;
                    }
                    for c in 0..c_out {
                        let first =
                            if layer.depthwise() { c / (c_out / layer.groups) * reads } else { 0 };
                        let mut y = layer.bias[[c, py, px]];
                        for i in 0..reads {
                            y += i64::from(layer.w_c[[c, i, py, px]]) * m[first + i];
                        }
                        [z[(at_y * output.width + at_x) * c_out + c]] =
                            leave(&layer.output, c, [y]);
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
                for ky in 0..layer.size.h {
                    for kx in 0..layer.size.w {
                        let at_y = (y * layer.stride.h + ky) as isize - layer.pad.h as isize;
                        let at_x = (across * layer.stride.w + kx) as isize - layer.pad.w as isize;
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

fn upsample(layer: &Upsample, x: &[i64], input: Shape) -> Vec<i64> {
    let mut z = vec![];
    for y in 0..input.height * layer.size.h {
        for across in 0..input.width * layer.size.w {
            for c in 0..input.channels {
                let (from_y, from_x) = (y / layer.size.h, across / layer.size.w);
                z.push(x[(from_y * input.width + from_x) * input.channels + c]);
            }
        }
    }
    z
}

fn activation(function: &Function, x: &[i64]) -> Vec<i64> {
    let mut z = vec![];
    for &x in x {
        z.push(match function {
            Function::Clip { max } => x.min(*max),
            Function::Leaky { shift } => {
                if x < 0 {
                    round_shift(x, *shift as i32)
                } else {
                    x
                }
            }
            Function::Sigmoid(table) => table.sigmoid(x),
            Function::Tanh(table) => table.tanh(x),
        });
    }
    z
}

fn branches(
    layer: &Branches,
    x: &[i64],
    edge: (Shape, Format),
    state: &mut State,
    sides: &mut Sides,
) -> Result<Vec<i64>> {
    let (mut a, (a_shape, a_format)) = branch(&layer.body, x, edge, state, sides)?;
    let (mut b, (b_shape, b_format)) = branch(&layer.shortcut, x, edge, state, sides)?;
    let frac = a_format.frac.max(b_format.frac);
    for v in &mut a {
        *v <<= frac - a_format.frac;
    }
    for v in &mut b {
        *v <<= frac - b_format.frac;
    }
    let mut z = vec![];
    match layer.join {
        Join::Add => {
            for (a, b) in a.iter().zip(&b) {
                z.push(a + b);
            }
        }
        Join::Concat => {
            for pixel in 0..a_shape.height * a_shape.width {
                for c in 0..a_shape.channels {
                    z.push(a[pixel * a_shape.channels + c]);
                }
                for c in 0..b_shape.channels {
                    z.push(b[pixel * b_shape.channels + c]);
                }
            }
        }
    }
    for v in &mut z {
        *v = layer.format.saturate(round_shift(*v, frac - layer.format.frac));
    }
    Ok(z)
}

/// What a branch yields, its shape and its format.
fn branch(
    layers: &[Layer],
    x: &[i64],
    mut edge: (Shape, Format),
    state: &mut State,
    sides: &mut Sides,
) -> Result<(Vec<i64>, (Shape, Format))> {
    let mut x = x.to_vec();
    for z in layers {
        x = layer(z, &x, edge, state, sides)?;
        edge = z.yields(edge)?;
    }
    Ok((x, edge))
}

fn dense(layer: &Dense, x: &[i64]) -> Vec<i64> {
    let x: Vec<[i64; 1]> = x.iter().map(|x| [*x]).collect();
    let sum = |matrix, i, [y]: [i64; 1], x: &[[i64; 1]]| {
        let w: &Array2<i8> = [&layer.w_b, &layer.w_c][matrix];
        [w.row(i).iter().zip(x).fold(y, |y, (w, [x])| y + i64::from(*w) * x)]
    };
    dense_of(layer, &x, sum).into_iter().map(|[z]| z).collect()
}

/// A dense layer of N samples side by side. `sum` is told 0 for W_b or 1 for W_c, a row of it, y
/// and x, and yields `y + Σ_j w_j · x_j`.
fn dense_of<const N: usize>(
    layer: &Dense,
    x: &[[i64; N]],
    sum: impl Fn(usize, usize, [i64; N], &[[i64; N]]) -> [i64; N],
) -> Vec<[i64; N]> {
    let mut m = Vec::with_capacity(layer.rows());
    for i in 0..layer.rows() {
        let (a, t) = (i64::from(layer.coefficients[i]), layer.coefficient_shifts[i]);
        m.push(sum(0, i, [0; N], x).map(|u| round_shift(a * u, t)));
    }
    let mut z = Vec::with_capacity(layer.outputs());
    for c in 0..layer.outputs() {
        z.push(leave(&layer.output, c, sum(1, c, [layer.bias[c]; N], &m)));
    }
    z
}

/// Of each row of a ternary matrix the columns that are added, and those that are subtracted: to
/// look at every entry for each sample takes longer than to add.
struct Terms(Vec<[Vec<usize>; 2]>);

impl Terms {
    fn of(w: ArrayView2<i8>) -> Self {
        let columns = |row: &ArrayView1<i8>, sign: i8| -> Vec<usize> {
            row.iter().enumerate().filter(|(_, w)| **w == sign).map(|(j, _)| j).collect()
        };
        Terms(w.outer_iter().map(|row| [1, -1].map(|sign| columns(&row, sign))).collect())
    }

    /// `y + Σ_j w_j · x_j` of N samples, for row i.
    fn sum<const N: usize>(&self, i: usize, mut y: [i64; N], x: &[[i64; N]]) -> [i64; N] {
        let [added, subtracted] = &self.0[i];
        added.iter().for_each(|&j| y.iter_mut().zip(&x[j]).for_each(|(y, x)| *y += x));
        subtracted.iter().for_each(|&j| y.iter_mut().zip(&x[j]).for_each(|(y, x)| *y -= x));
        y
    }
}

/// Every filter at every position where the word has all its pixels; the largest output of each,
/// and its tanh.
fn char_cnn(layer: &CharCnn, x: &[i64], shape: Shape) -> Vec<i64> {
    let (taps, e) = (layer.widths.len(), shape.channels);
    let mut largest = vec![i64::MIN; layer.filters.outputs()];
    for position in 0..shape.width {
        // What lies beyond the word is read by no filter that counts here.
        let mut window = vec![0; taps * e];
        let end = shape.width.min(position + taps);
        window[..(end - position) * e].copy_from_slice(&x[position * e..end * e]);
        let y = dense(&layer.filters, &window);
        for ((largest, y), width) in largest.iter_mut().zip(y).zip(layer.width_of_each()) {
            if position + width <= shape.width {
                *largest = (*largest).max(y);
            }
        }
    }
    largest.into_iter().map(|y| layer.tanh.tanh(y)).collect()
}

/// t (max(0, h) - x) + x, rounded once; a mean of the two, so that it stays in their format.
fn highway(layer: &Highway, x: &[i64], format: Format) -> Vec<i64> {
    let gates = dense(&layer.gates, x);
    let (t, h) = gates.split_at(x.len());
    let mut z = Vec::with_capacity(x.len());
    for j in 0..x.len() {
        let h = h[j].clamp(0, format.max());
        z.push(x[j] + round_shift(layer.sigmoid.sigmoid(t[j]) * (h - x[j]), layer.sigmoid.frac));
    }
    z
}

/// c and h at the start.
fn zeros(layer: &Recurrent) -> Kept {
    (vec![0; layer.units()], vec![0; layer.units()])
}

/// The next h, for the next x; c and h become the next ones.
fn recurrent(layer: &Recurrent, x: &[i64], (c, h): &mut Kept) -> Vec<i64> {
    let n = layer.units();
    let gates = dense(&layer.gates, &[x, h].concat());
    let gate_format = match &layer.gates.output {
        Output::Requantised { format, .. } => *format,
        // A valid model has none here.
        Output::Raw => layer.cell,
    };
    for j in 0..n {
        let unit = [0, 1, 2, 3].map(|k| gates[k * n + j]);
        (c[j], h[j]) = match layer.kind {
            Cell::Lstm => lstm(layer, gate_format, unit, c[j]),
            Cell::Gru => gru(layer, gate_format, unit, c[j]),
        };
    }
    h.clone()
}

/// The next c and h of a unit.
fn lstm(layer: &Recurrent, gate_format: Format, [i, f, g, o]: [i64; 4], c: i64) -> (i64, i64) {
    let (sigmoid, tanh) = (&layer.sigmoid, &layer.tanh);
    let (kept, new) = (sigmoid.sigmoid(f) * c, sigmoid.sigmoid(i) * tanh.tanh(g));
    let (kept_frac, new_frac) = (sigmoid.frac + layer.cell.frac, sigmoid.frac + tanh.frac);
    let frac = kept_frac.max(new_frac);
    let sum = (kept << (frac - kept_frac)) + (new << (frac - new_frac));
    let c = layer.cell.saturate(round_shift(sum, frac - layer.cell.frac));
    let index = gate_format.saturate(round_shift(c, layer.cell.frac - gate_format.frac));
    let h = sigmoid.sigmoid(o) * tanh.tanh(index);
    (c, layer.hidden.saturate(round_shift(h, new_frac - layer.hidden.frac)))
}

/// The next c and h of a unit: n + z (c - n), and the same in the format of h.
fn gru(layer: &Recurrent, gate_format: Format, [r, z, n_x, n_h]: [i64; 4], c: i64) -> (i64, i64) {
    let (sigmoid, tanh) = (&layer.sigmoid, &layer.tanh);
    let v = (n_x << sigmoid.frac) + sigmoid.sigmoid(r) * n_h;
    let n = tanh.tanh(gate_format.saturate(round_shift(v, sigmoid.frac)));
    let frac = layer.cell.frac.max(tanh.frac);
    let n = n << (frac - tanh.frac);
    let difference = (c << (frac - layer.cell.frac)) - n;
    let sum = (n << sigmoid.frac) + sigmoid.sigmoid(z) * difference;
    let c = layer.cell.saturate(round_shift(sum, frac + sigmoid.frac - layer.cell.frac));
    (c, layer.hidden.saturate(round_shift(c, layer.cell.frac - layer.hidden.frac)))
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
        z.extend(leave(&layer.output, c, [y]));
    }
    z
}

/// Output c of a layer, of N samples.
fn leave<const N: usize>(output: &Output, c: usize, y: [i64; N]) -> [i64; N] {
    match output {
        Output::Raw => y,
        Output::Requantised { shifts, format } => {
            let shift = shifts[c];
            y.map(|y| format.saturate(round_shift(y, shift)))
        }
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
