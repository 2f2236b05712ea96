//! Whether a lowered network is its model: every layer, every parameter.
//!
//! It goes through the model layer by layer and reads each entry of its tensors where the format's
//! specification (`docs/model-format.md`) says that it lies. What lowering left out as dead must
//! take a single value for every input, and that value must be where it belongs. Shares nothing
//! with lowering; the ranges are the verifier's.

use super::gated::{Cell, Curve, Function};
use super::verify::{Check, Range, products_of_data, shift, sums_of_products};
use super::{Chain, Dataflow, Edge, Kernel, Kind, Layer, OpKind, Windows};
use crate::adder_graph::Matrix;
use crate::decide::{Asked, Rule};
use strassenc_runtime::model::{
    self, Bilinear, Branches, Conv2d, Dense, Function as ModelFunction, Layer as ModelLayer,
    MAGNITUDE_LIMIT, Output, PoolKind, Table,
};
use strassenc_runtime::{Along, Error, Extent, Format, Join, Model, Result, Shape};

/// Proves that a dataflow of all channels, which [`verify`](super::verify()) accepts, computes what
/// the model does.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) with the first layer that differs: a bug
/// of ours.
pub fn prove(dataflow: &Dataflow, model: &Model) -> Result<()> {
    prove_decided(dataflow, model, &[])
}

/// Proves as [`prove`] does, of a dataflow that decides on what the model yields as it is asked
/// for.
///
/// # Errors
/// As [`prove`].
pub fn prove_decided(dataflow: &Dataflow, model: &Model, asked: &[Asked]) -> Result<()> {
    let mut walk = Walk { dataflow, asked, shapes: vec![], met: 0, heads: vec![] };
    walk.inputs(model).map_err(|cause| Error::mismatch("dataflow", cause))?;
    let last = walk.branch(&model.layers, 0)?;
    walk.decided(None, last)?;
    if walk.shapes.len() != dataflow.edges.len() {
        return Err(Error::mismatch("dataflow", "has layers that are none of the model's"));
    }
    let heads = dataflow.heads.iter().map(|head| (&*head.name, head.edge.index()));
    if !heads.eq(walk.heads) {
        return Err(Error::mismatch("dataflow", "has other heads than the model"));
    }
    Ok(())
}

/// The way through model and dataflow.
struct Walk<'a> {
    dataflow: &'a Dataflow,
    /// What is decided on outputs.
    asked: &'a [Asked],
    /// The shape in the model of each edge that was met.
    shapes: Vec<Shape>,
    /// How many of the further inputs were met.
    met: usize,
    /// The heads that were met, and the edges that they end in.
    heads: Vec<(&'a str, usize)>,
}

impl<'a> Walk<'a> {
    /// What enters: the first layer's input, and the further ones wherever they stand.
    fn inputs(&mut self, model: &'a Model) -> Check {
        if self.dataflow.name != model.name {
            return Err(format!("has another name than `{}`", model.name));
        }
        self.input(0, &model.input)?;
        let mut todo: Vec<&ModelLayer> = model.layers.iter().rev().collect();
        while let Some(layer) = todo.pop() {
            match layer {
                ModelLayer::Branches(branches) => {
                    todo.extend(branches.shortcut.iter().rev());
                    todo.extend(branches.body.iter().rev());
                }
                ModelLayer::Head(head) => todo.extend(head.layers.iter().rev()),
                ModelLayer::Input(input) => {
                    let number = self.shapes.len();
                    if self.dataflow.inputs.get(number - 1) != Some(&input.name) {
                        return Err(format!("lacks input `{}`, or has it elsewhere", input.name));
                    }
                    self.input(number, &input.edge)?;
                }
                _ => {}
            }
        }
        if self.shapes.len() != 1 + self.dataflow.inputs.len() {
            return Err("has inputs that are none of the model's".into());
        }
        Ok(())
    }

    /// One that enters, and the edge that it is.
    fn input(&mut self, number: usize, due: &model::Edge) -> Check {
        let edge = self.dataflow.edges.get(number).ok_or("has no input")?;
        let shape = match due.shape[..] {
            [height, width, channels] => Shape { height, width, channels },
            [height, width] => Shape { height, width, channels: 1 },
            _ => Shape::vector(due.shape.iter().product()),
        };
        // It may be one pixel, where all who read it take it as a vector: see `kernel`.
        if edge.shape != shape && edge.shape != Shape::vector(shape.elements()) {
            return Err(format!("has an input of {}, not {shape}", edge.shape));
        }
        let whole = Range::whole(due.format);
        if edge.format != due.format || edge.intervals.iter().any(|v| Range::of(v) != whole) {
            return Err("has an input of another format than the model".into());
        }
        self.shapes.push(shape);
        Ok(())
    }

    /// The edge that leaves these layers, the first of which reads `from`.
    fn branch(&mut self, layers: &'a [ModelLayer], from: usize) -> Result<usize> {
        layers.iter().try_fold(from, |from, layer| match layer {
            ModelLayer::Branches(branches) => {
                let body = self.branch(&branches.body, from)?;
                let shortcut = self.branch(&branches.shortcut, from)?;
                self.layer(layer, &[body, shortcut], |walk, own, to| {
                    walk.joined(branches, own, to, [body, shortcut])
                })
            }
            ModelLayer::Head(head) => {
                let edge = self.branch(&head.layers, from)?;
                let edge = self.decided(Some(&head.name), edge)?;
                self.heads.push((&head.name, edge));
                Ok(from)
            }
            ModelLayer::Input(_) => {
                // Met in the same order as those of the dataflow were compared.
                self.met += 1;
                Ok(self.met)
            }
            ModelLayer::Highway(_) => {
                self.layer(layer, &[from, from], |walk, own, to| walk.one(layer, own, to, from))
            }
            _ => self.layer(layer, &[from], |walk, own, to| walk.one(layer, own, to, from)),
        })
    }

    /// Compares the next layer, which must read these edges; the edge that it yields.
    fn layer(
        &mut self,
        layer: &ModelLayer,
        reads: &[usize],
        compare: impl Fn(&Self, &'a Layer, &'a Edge) -> Check<Shape>,
    ) -> Result<usize> {
        let dataflow = self.dataflow;
        let place = format!("dataflow, layer `{}`", layer.name());
        let wrong = |cause: String| Error::mismatch(&place, cause);
        let edge = self.shapes.len();
        let number = edge - 1 - dataflow.inputs.len();
        let (Some(own), Some(to)) = (dataflow.layers.get(number), dataflow.edges.get(edge)) else {
            return Err(wrong("is missing".into()));
        };
        if own.name != layer.name() || !own.reads.iter().map(|id| id.index()).eq(reads.to_vec()) {
            return Err(wrong(format!("is `{}`, or reads something else", own.name)));
        }
        let shape = compare(self, own, to).map_err(&wrong)?;
        if to.shape != shape || to.whole != shape.channels {
            return Err(wrong(format!("yields {}, not {shape}", to.shape)));
        }
        self.shapes.push(shape);
        Ok(edge)
    }

    /// The edge of an output whose scores are these: what decides on them, where that is asked for.
    fn decided(&mut self, head: Option<&str>, scores: usize) -> Result<usize> {
        let (dataflow, shape) = (self.dataflow, self.shapes[scores]);
        let Some(Asked { rule, .. }) = self.asked.iter().find(|own| own.head.as_deref() == head)
        else {
            return Ok(scores);
        };
        let place = format!("dataflow, --decide {rule}");
        let wrong = |cause: String| Error::mismatch(&place, cause);
        let edge = self.shapes.len();
        let number = edge - 1 - dataflow.inputs.len();
        let (Some(own), Some(to), Some(from)) =
            (dataflow.layers.get(number), dataflow.edges.get(edge), dataflow.edges.get(scores))
        else {
            return Err(wrong("is missing".into()));
        };
        let mut name = head.map_or("decide".to_string(), |head| format!("decide_{head}"));
        let mut others: Vec<&str> = dataflow.heads.iter().map(|head| &*head.name).collect();
        let layers = dataflow.layers.iter().enumerate().filter(|(other, _)| *other != number);
        others.extend(layers.map(|(_, layer)| &*layer.name));
        others.extend(dataflow.inputs.iter().map(String::as_str));
        while others.contains(&&*name) {
            name += "_2";
        }
        if own.name != name
            || !own.reads.iter().map(|id| id.index()).eq([scores])
            || own.input != shape
        {
            return Err(wrong(format!("is `{}`, or reads something else", own.name)));
        }
        let channels = match (&own.kind, *rule) {
            (Kind::Best { count: 1 }, Rule::Argmax) => 1,
            (Kind::Best { count }, Rule::Top { k }) if *count == k => k,
            (Kind::Threshold { above }, Rule::Threshold { threshold }) => {
                // Scores are within 2^53: what lies beyond is above all of them, or below.
                let unit = f64::powi(2.0, -from.format.frac);
                let [low, high] = [*above as f64 * unit, (*above as f64 + 1.0) * unit];
                let far = (MAGNITUDE_LIMIT as f64) * unit;
                let is = low <= threshold && threshold < high
                    || threshold >= far && low >= far
                    || threshold < -far && low < -far;
                if !is {
                    return Err(wrong(format!("is above {above} units of {unit}")));
                }
                shape.channels
            }
            (other, _) => return Err(wrong(format!("is {other:?}"))),
        };
        let due = Shape { channels, ..shape };
        if to.shape != due || to.whole != channels {
            return Err(wrong(format!("yields {}, not {due}", to.shape)));
        }
        self.shapes.push(due);
        Ok(edge)
    }

    /// Both sides come to the larger number of fractional bits, and from there to those of the
    /// join.
    fn joined(
        &self,
        branches: &Branches,
        own: &Layer,
        to: &Edge,
        reads: [usize; 2],
    ) -> Check<Shape> {
        let [a, b] = reads.map(|edge| self.shapes[edge]);
        let (shifts, shift, shape) = match (branches.join, &own.kind) {
            (Join::Add, Kind::Add { shifts, shift }) => (shifts, *shift, a),
            (Join::Concat, Kind::Concat { shifts, shift }) => {
                (shifts, *shift, Shape { channels: a.channels + b.channels, ..a })
            }
            _ => return Err("joins its branches otherwise".into()),
        };
        let fractional = |edge: usize| i64::from(self.dataflow.edges[edge].format.frac);
        let [f, g] = reads.map(fractional);
        let most = f.max(g);
        let due = [most - f, most - g, most - i64::from(branches.format.frac)];
        equal("its shifts", &[shifts[0].into(), shifts[1].into(), i64::from(shift)], &due)?;
        equal("its format", &to.format, &branches.format)?;
        Ok(shape)
    }

    /// A layer that reads one edge; the shape that it yields.
    fn one(&self, layer: &ModelLayer, own: &Layer, to: &Edge, from: usize) -> Check<Shape> {
        let (edge, shape) = (&self.dataflow.edges[from], self.shapes[from]);
        let vector = Shape::vector(shape.elements());
        match (layer, &own.kind) {
            (ModelLayer::Dense(dense), Kind::Spn(kernel)) => {
                equal("its input", &kernel.input, &vector)?;
                due_of(dense, 1).compare(kernel, &dense.name)?;
                Ok(Shape::vector(dense.w_c.nrows()))
            }
            (ModelLayer::Bilinear(bilinear), Kind::Spn(kernel)) => {
                equal("its input", &kernel.input, &vector)?;
                due_of_data(bilinear, edge).compare(kernel, &bilinear.name)?;
                Ok(Shape::vector(bilinear.w_c.nrows()))
            }
            (ModelLayer::Conv2d(conv), Kind::Spn(kernel)) => {
                equal("its input", &kernel.input, &shape)?;
                let yields = conv_yields(conv, shape)?;
                due_of_conv(conv, shape, yields).compare(kernel, &conv.name)?;
                Ok(yields)
            }
            (ModelLayer::Pool(pool), Kind::Pool { kind, windows }) => {
                equal("its input", &own.input, &shape)?;
                let area = pool.size.h * pool.size.w;
                let j = (0..32).find(|j| 1 << j >= area).ok_or("has too large a window")?;
                let format = match pool.kind {
                    PoolKind::Max => edge.format,
                    PoolKind::Sum => Format {
                        bits: (edge.format.bits + j).min(32),
                        frac: edge.format.frac + if 1 << j == area { j as i32 } else { 0 },
                        ..edge.format
                    },
                };
                let yields = fits(shape, pool.size, pool.stride, pool.pad)?;
                let due = Windows {
                    size: pool.size,
                    stride: pool.stride,
                    pad: pool.pad,
                    rows: yields.h,
                    columns: yields.w,
                };
                equal("its windows", windows, &due)?;
                equal("what it takes of each", kind, &pool.kind)?;
                equal("its format", &to.format, &format)?;
                Ok(Shape { height: yields.h, width: yields.w, ..shape })
            }
            (ModelLayer::Upsample(upsample), Kind::Upsample { size }) => {
                equal("its input", &own.input, &shape)?;
                equal("its size", size, &upsample.size)?;
                equal("its format", &to.format, &edge.format)?;
                let (height, width) = (shape.height * size.h, shape.width * size.w);
                Ok(Shape { height, width, ..shape })
            }
            (ModelLayer::Activation(layer), Kind::Activation { function }) => {
                equal("its input", &own.input, &shape)?;
                let format = match (&layer.function, function) {
                    (ModelFunction::Clip { max: due }, Function::Clip { max }) => {
                        equal("where it clips", max, due)?;
                        edge.format
                    }
                    (ModelFunction::Leaky { shift: due }, Function::Leaky { shift }) => {
                        equal("its shift", shift, due)?;
                        edge.format
                    }
                    (ModelFunction::Sigmoid(due), Function::Curve(curve)) if curve.sigmoid => {
                        table(curve, due)?;
                        Format { signed: false, bits: due.frac as u32 + 1, frac: due.frac }
                    }
                    (ModelFunction::Tanh(due), Function::Curve(curve)) if !curve.sigmoid => {
                        table(curve, due)?;
                        Format { signed: true, bits: due.frac as u32 + 2, frac: due.frac }
                    }
                    _ => return Err("is another function".into()),
                };
                equal("its format", &to.format, &format)?;
                Ok(shape)
            }
            (ModelLayer::Embedding(embedding), Kind::Embedding { rows }) => {
                let table = embedding.table.outer_iter();
                if !table.map(|row| row.mapv(i64::from).to_vec()).eq(rows.iter().cloned()) {
                    return Err("has another table".into());
                }
                equal("its format", &to.format, &embedding.format)?;
                let (width, channels) = (shape.elements(), embedding.table.ncols());
                Ok(Shape { height: 1, width, channels })
            }
            (ModelLayer::CharCnn(cnn), Kind::CharCnn { filters, widths, tanh }) => {
                equal("its input", &own.input, &shape)?;
                due_of(&cnn.filters, 1).compare(filters, &cnn.filters.name)?;
                equal("its widths", widths, &cnn.widths)?;
                table(tanh, &cnn.tanh)?;
                Ok(Shape::vector(cnn.widths.iter().sum()))
            }
            (ModelLayer::Highway(highway), Kind::Highway { gates, blend }) => {
                due_of(&highway.gates, 2).compare(gates, &highway.gates.name)?;
                table(&blend.sigmoid, &highway.sigmoid)?;
                equal("its format", &to.format, &edge.format)?;
                Ok(vector)
            }
            (ModelLayer::Recurrent(layer), Kind::Recurrent { along, gates, cell }) => {
                let steps = match layer.along {
                    Along::Inputs => {
                        equal("its input", &own.input, &vector)?;
                        1
                    }
                    Along::Pixels => {
                        equal("its input", &own.input, &shape)?;
                        shape.width
                    }
                };
                due_of(&layer.gates, 4).every(steps).compare(gates, &layer.gates.name)?;
                let Cell { kind, sigmoid, tanh, gate, state, hidden } = cell;
                equal("what its state goes along", along, &layer.along)?;
                equal("its cell", kind, &layer.kind)?;
                table(sigmoid, &layer.sigmoid)?;
                table(tanh, &layer.tanh)?;
                equal("its gates' format", gate, &gates.chain.output)?;
                equal("the format of c", state, &layer.cell)?;
                equal("the format of h", hidden, &layer.hidden)?;
                let channels = layer.gates.w_c.nrows() / 4;
                Ok(Shape { height: 1, width: steps, channels })
            }
            (ModelLayer::Last(_), Kind::Last) => {
                equal("its input", &own.input, &shape)?;
                equal("its format", &to.format, &edge.format)?;
                Ok(Shape { height: 1, width: 1, ..shape })
            }
            (ModelLayer::Reverse(_), Kind::Reverse) => {
                equal("its input", &own.input, &shape)?;
                equal("its format", &to.format, &edge.format)?;
                Ok(shape)
            }
            _ => Err("is another kind of layer".into()),
        }
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, own: &T, due: &T) -> Check {
    if own == due { Ok(()) } else { Err(format!("{what} is {own:?}, not {due:?}")) }
}

fn table(own: &Curve, due: &Table) -> Check {
    let same = own.values.iter().copied().eq(due.values.iter().map(|v| i64::from(*v)));
    if same && own.frac as i32 == due.frac { Ok(()) } else { Err("has another table".into()) }
}

/// How often windows fit: `⌊(n + 2 · pad - size) / stride⌋ + 1`.
fn fits(image: Shape, size: Extent, stride: Extent, pad: Extent) -> Check<Extent> {
    let along = |n: usize, size: usize, stride: usize, pad: usize| {
        (n + 2 * pad).checked_sub(size).map(|rest| rest / stride + 1)
    };
    let h = along(image.height, size.h, stride.h, pad.h);
    match (h, along(image.width, size.w, stride.w, pad.w)) {
        (Some(h), Some(w)) => Ok(Extent { h, w }),
        _ => Err(format!("has windows of {size} that do not fit {image}")),
    }
}

/// Patches and strides make a window of `(p - 1) · stride + k` pixels.
fn conv_yields(conv: &Conv2d, image: Shape) -> Check<Shape> {
    let (channels, _, p_h, p_w) = conv.w_c.dim();
    let (_, _, k_h, k_w) = conv.w_b.dim();
    if conv.transposed.is_some() {
        return Ok(Shape { height: image.height * p_h, width: image.width * p_w, channels });
    }
    let kernel = Extent { h: k_h - (p_h - 1) * conv.stride.h, w: k_w - (p_w - 1) * conv.stride.w };
    let Extent { h: height, w: width } = fits(image, kernel, conv.stride, conv.pad)?;
    Ok(Shape { height, width, channels })
}

/// What the model says of each row, or of each output.
type Of<'a, T> = Box<dyn Fn(usize) -> T + 'a>;

/// What a kernel must be, in the model's terms.
struct Due<'a> {
    windows: Windows,
    patch: Extent,
    groups: usize,
    rows: usize,
    budget: usize,
    /// Fractional bits of raw outputs.
    frac: i32,
    /// Elements of a window, and whether any window has such an element on the image.
    elements: usize,
    seen: Vec<bool>,
    /// Of row i and an element; rows of W_b of a second operand are behind those of W_a.
    w_b: Box<dyn Fn(usize, usize) -> i32 + 'a>,
    /// Width of coefficients; coefficient and shift of row i. None where data multiplies data.
    factors: Option<(u32, Of<'a, (i64, i32)>)>,
    outputs: usize,
    /// Of an output and a row.
    w_c: Box<dyn Fn(usize, usize) -> i32 + 'a>,
    bias: Of<'a, i64>,
    /// Format, and shift of an output; none where outputs are raw.
    requantised: Option<(Format, Of<'a, i32>)>,
}

/// A dense layer; outputs of gates come unit by unit, `parts` of each.
fn due_of(dense: &Dense, parts: usize) -> Due<'_> {
    let units = dense.w_c.nrows() / parts;
    let of = move |output: usize| output % parts * units + output / parts;
    Due {
        windows: Windows::WHOLE,
        patch: Extent::ONE,
        groups: 1,
        rows: dense.w_b.nrows(),
        budget: dense.budget,
        frac: dense.product_frac,
        elements: dense.w_b.ncols(),
        seen: vec![true; dense.w_b.ncols()],
        w_b: Box::new(|i, j| dense.w_b[[i, j]].into()),
        factors: Some((
            dense.coefficient_bits,
            Box::new(|i| (dense.coefficients[i].into(), dense.coefficient_shifts[i])),
        )),
        outputs: dense.w_c.nrows(),
        w_c: Box::new(move |c, i| dense.w_c[[of(c), i]].into()),
        bias: Box::new(move |c| dense.bias[of(c)]),
        requantised: requantised(&dense.output, of),
    }
}

fn due_of_data<'a>(bilinear: &'a Bilinear, from: &Edge) -> Due<'a> {
    let (r, n_a) = (bilinear.w_c.ncols(), bilinear.w_a.ncols());
    Due {
        windows: Windows::WHOLE,
        patch: Extent::ONE,
        groups: 1,
        rows: r,
        budget: r,
        frac: 2 * from.format.frac,
        elements: n_a + bilinear.w_b.ncols(),
        seen: vec![true; n_a + bilinear.w_b.ncols()],
        w_b: Box::new(move |i, j| match (i < r, j < n_a) {
            (true, true) => bilinear.w_a[[i, j]].into(),
            (false, false) => bilinear.w_b[[i - r, j - n_a]].into(),
            _ => 0,
        }),
        factors: None,
        outputs: bilinear.w_c.nrows(),
        w_c: Box::new(|c, i| bilinear.w_c[[c, i]].into()),
        bias: Box::new(|_| 0),
        requantised: requantised(&bilinear.output, |c| c),
    }
}

/// A convolution at one window: elements are in the order of (row, column, channel), and so are the
/// outputs of a patch.
fn due_of_conv(conv: &Conv2d, image: Shape, yields: Shape) -> Due<'_> {
    let (r, per_group, k_h, k_w) = conv.w_b.dim();
    let (c_out, reads, p_h, p_w) = conv.w_c.dim();
    let c_in = image.channels;
    // Of a transposed convolution a window for each pixel that enters, which begins with the first
    // one whose kernel reaches its patch.
    let (stride, pad) = match conv.transposed {
        None => (Extent { h: p_h * conv.stride.h, w: p_w * conv.stride.w }, conv.pad),
        Some(k) => {
            let first = |k: usize, pad: usize, p: usize| (k - 1 - pad) / p;
            (Extent::ONE, Extent { h: first(k.h, conv.pad.h, p_h), w: first(k.w, conv.pad.w, p_w) })
        }
    };
    let windows = Windows {
        size: Extent { h: k_h, w: k_w },
        stride,
        pad,
        rows: yields.height.div_ceil(p_h),
        columns: yields.width.div_ceil(p_w),
    };
    let on = |at: usize, count: usize, stride: usize, pad: usize, n: usize| {
        (0..count).any(|window| (pad..pad + n).contains(&(window * stride + at)))
    };
    let on_image = |y: usize, x: usize| {
        on(y, windows.rows, windows.stride.h, pad.h, image.height)
            && on(x, windows.columns, windows.stride.w, pad.w, image.width)
    };
    let taps = (0..k_h * k_w).map(|tap| on_image(tap / k_w, tap % k_w));
    let seen = taps.flat_map(|seen| std::iter::repeat_n(seen, c_in)).collect();
    let place = move |c: usize| (c % c_out, c / c_out / p_w, c / c_out % p_w);
    let depthwise = conv.groups > 1 && per_group == 1;
    Due {
        windows,
        patch: Extent { h: p_h, w: p_w },
        groups: conv.groups,
        rows: r,
        budget: conv.budget,
        frac: conv.product_frac,
        elements: k_h * k_w * c_in,
        seen,
        w_b: Box::new(move |i, j| {
            let (y, x, group) = (j / c_in / k_w, j / c_in % k_w, i / (r / conv.groups));
            match (j % c_in).checked_sub(group * per_group).filter(|c| *c < per_group) {
                Some(c) => conv.w_b[[i, c, y, x]].into(),
                None => 0,
            }
        }),
        factors: Some((
            conv.coefficient_bits,
            Box::new(|i| (conv.coefficients[i].into(), conv.coefficient_shifts[i])),
        )),
        outputs: p_h * p_w * c_out,
        w_c: Box::new(move |output, i| {
            let (c, y, x) = place(output);
            let first = if depthwise { c / (c_out / conv.groups) * reads } else { 0 };
            match i.checked_sub(first).filter(|i| *i < reads) {
                Some(i) => conv.w_c[[c, i, y, x]].into(),
                None => 0,
            }
        }),
        bias: Box::new(move |output| conv.bias[place(output)]),
        requantised: requantised(&conv.output, move |output| output % c_out),
    }
}

/// What becomes of outputs; `of` is an output's place among the shifts.
fn requantised<'a>(
    output: &'a Output,
    of: impl Fn(usize) -> usize + 'a,
) -> Option<(Format, Of<'a, i32>)> {
    match output {
        Output::Raw => None,
        Output::Requantised { shifts, format } => {
            Some((*format, Box::new(move |output| shifts[of(output)])))
        }
    }
}

impl Due<'_> {
    /// So many times, one below the other.
    fn every(self, steps: usize) -> Self {
        Due { windows: Windows { rows: steps, ..self.windows }, ..self }
    }

    fn compare(&self, kernel: &Kernel, name: &str) -> Check {
        equal("its windows", &kernel.windows, &self.windows)?;
        equal("its patch", &kernel.patch, &self.patch)?;
        equal("its groups", &kernel.groups, &self.groups)?;
        equal("its rows", &kernel.rows, &self.rows)?;
        equal("its budget", &kernel.chain.budget, &self.budget)?;
        equal("its chain's name", &kernel.chain.name.as_str(), &name)?;
        equal("its elements", &kernel.chain.x.len(), &self.elements)?;
        equal("its outputs", &kernel.chain.result().len(), &self.outputs)?;
        self.chain(&kernel.chain)
    }

    fn chain(&self, chain: &Chain) -> Check {
        let [first, multiply, second, last] = chain.ops.as_slice() else {
            return Err("is no W_b, products, W_c, output".into());
        };
        let (OpKind::Linear { matrix: w_b, .. }, OpKind::Linear { matrix: w_c, .. }) =
            (&first.kind, &second.kind)
        else {
            return Err("lacks a matrix".into());
        };
        for ((i, j), w) in w_b.indexed_iter() {
            let row = first.result.indices[i];
            let due = (self.w_b)(row, j);
            // A pad is 0, whatever its weight is.
            if *w != due && (*w != 0 || self.seen[j]) {
                return Err(format!("row {row} of W_b has {w} for element {j}, not {due}"));
            }
        }
        let live = &multiply.result.indices;
        match (&multiply.kind, &self.factors) {
            (OpKind::Product, None) => {}
            (OpKind::Multiply { coefficients, coefficient_bits, shifts }, Some((bits, of))) => {
                // Those that are loaded have one shift, and bits enough for that.
                if chain.loaded.is_none() {
                    equal("its width of coefficients", coefficient_bits, bits)?;
                }
                for ((a, t), row) in coefficients.iter().zip(shifts).zip(live) {
                    let (of_row, own) = of(*row);
                    let up = if chain.loaded.is_some() { (t - own).clamp(0, 62) } else { 0 };
                    let due = (of_row << up, own + up);
                    equal("a row's coefficient and shift", &(*a, *t), &due)?;
                }
            }
            _ => return Err("multiplies something else".into()),
        }
        self.outputs(chain, live, w_c, &last.kind)
    }

    fn outputs(&self, chain: &Chain, live: &[usize], w_c: &Matrix, last: &OpKind) -> Check {
        let x: Vec<Range> = chain.x.intervals.iter().map(Range::of).collect();
        let mut all = vec![];
        for row in 0..self.rows {
            all.push(self.product(row, &x)?);
        }
        let (constants, shifts) = match (last, &self.requantised) {
            (OpKind::Offset { constants }, None) => {
                self.narrowest(chain)?;
                (constants, None)
            }
            (OpKind::Requantise { constants, shifts, format }, Some((due, of))) => {
                equal("its format", format, due)?;
                (constants, Some((shifts, of)))
            }
            _ => return Err("ends otherwise".into()),
        };
        let mut single = vec![];
        for c in 0..self.outputs {
            if !Range::of(&chain.result().intervals[c]).varies() {
                single.push(c);
                continue;
            }
            let mut bias = i128::from((self.bias)(c));
            let mut own = live.iter().zip(w_c.row(c)).peekable();
            for (row, m) in all.iter().enumerate() {
                let due = (self.w_c)(c, row);
                match own.next_if(|(live, _)| **live == row) {
                    Some((_, w)) if *w == due => {}
                    Some((_, w)) => {
                        return Err(format!("output {c} has {w} of row {row}, not {due}"));
                    }
                    None if due != 0 && m.varies() => {
                        return Err(format!("output {c} lacks row {row}, which varies"));
                    }
                    None => bias += i128::from(due) * m.lo,
                }
            }
            if i128::from(constants[c]) != bias {
                return Err(format!("output {c} adds {}, not {bias}", constants[c]));
            }
            if let Some((own, of)) = &shifts {
                equal("an output's shift", &own[c], &of(c))?;
            }
        }
        self.constants(chain, &all, &x, &single)
    }

    /// What a product can be.
    fn product(&self, row: usize, x: &[Range]) -> Check<Range> {
        let sum = |row: usize| {
            let terms = (0..self.elements).filter(|j| self.seen[*j]);
            Range::sum(terms.map(|j| ((self.w_b)(row, j).into(), x[j])))
        };
        match &self.factors {
            None => sum(row)?.times(sum(row + self.rows)?),
            // A coefficient of 0 makes 0 of the largest sum too.
            Some((_, of)) if of(row).0 == 0 => Ok(Range::point(0)),
            Some((_, of)) => {
                let (a, t) = of(row);
                sum(row)?.image(|u| shift(i128::from(a) * u, t.into()))
            }
        }
    }

    /// Outputs that are said to take a single value do.
    fn constants(&self, chain: &Chain, all: &[Range], x: &[Range], single: &[usize]) -> Check {
        let varying: Vec<usize> = (0..self.rows).filter(|row| all[*row].varies()).collect();
        let w_c = Matrix::from_shape_fn((single.len(), varying.len()), |(c, i)| {
            (self.w_c)(single[c], varying[i])
        });
        let entry = |row: usize, j: usize| if self.seen[j] { (self.w_b)(row, j) } else { 0 };
        let forms = match &self.factors {
            Some((_, of)) => {
                let w_b = Matrix::from_shape_fn((varying.len(), self.elements), |(i, j)| {
                    entry(varying[i], j)
                });
                let (a, t): (Vec<i64>, Vec<i32>) = varying.iter().map(|row| of(*row)).unzip();
                sums_of_products(&w_b, &a, &t, &w_c, x)?
            }
            None => {
                let k = varying.len();
                let w_ab = Matrix::from_shape_fn((2 * k, self.elements), |(i, j)| {
                    entry(varying[i % k] + if i < k { 0 } else { self.rows }, j)
                });
                products_of_data(&w_ab, &w_c, x)?
            }
        };
        for (form, (weights, c)) in forms.into_iter().zip(w_c.outer_iter().zip(single)) {
            let terms = weights.iter().zip(&varying).map(|(w, row)| ((*w).into(), all[*row]));
            let mut bias = i128::from((self.bias)(*c));
            for (row, m) in all.iter().enumerate().filter(|(_, m)| !m.varies()) {
                bias += i128::from((self.w_c)(*c, row)) * m.lo;
            }
            let y = Range::sum(terms)?.and(form);
            let z = match &self.requantised {
                None => y.image(|y| Ok(y + bias))?,
                Some((format, of)) => {
                    let whole = Range::whole(*format);
                    y.image(|y| Ok(whole.cut(shift(y + bias, of(*c).into())?)))?
                }
            };
            if z != Range::of(&chain.result().intervals[*c]) {
                return Err(format!(
                    "output {c} is said to be {} always, but is within {z}",
                    chain.result().intervals[*c].lo
                ));
            }
        }
        Ok(())
    }

    /// Raw outputs have the narrowest signed format that holds them all.
    fn narrowest(&self, chain: &Chain) -> Check {
        let Format { signed, bits, frac } = chain.output;
        let all = chain.result().intervals.iter().map(Range::of).reduce(Range::hull);
        let narrower = Range::whole(Format { signed: true, bits: (bits - 1).max(1), frac });
        let less = bits > 1 && all.is_some_and(|all| narrower.includes(all));
        if !signed || frac != self.frac || less {
            return Err(format!("yields {}, which is not the format of raw outputs", chain.output));
        }
        Ok(())
    }
}
