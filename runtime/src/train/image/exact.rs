//! The integer network in f64 on real values: what phase 3 trains, and equal to golden integer for
//! integer.
//!
//! Every value is an integer times a power of two and stays within 53 bits, so f64 computes it
//! exactly, in any order.

use super::activation::Elementwise;
use super::concat::Concat;
use super::frozen::FrozenLayer;
use super::patches::direct::{Direct, Room};
use super::patches::{Patches, Windows, fit};
use super::spn::{by_groups, outputs_of};
use super::steps::{Passed, Steps};
use crate::error::{Error, Result};
use crate::format::{Columns, Format};
use crate::model;
use crate::network::plan;
use crate::recurrent::Along;
use crate::shape::{Extent, Join, Shape};
use crate::train::cells::Units;
use crate::train::kernels::Packed;
use crate::train::matmul::{product, vectorised};
use crate::train::quantise::{power, requantiser, round};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, CowArray, Ix2, Zip, s};

/// The outputs of a valid model for inputs of real values, both `[samples, elements]`.
pub fn outputs(model: &model::Model, x: ArrayView2<f64>) -> Result<Array2<f64>> {
    Ok(evaluate(&nodes(model)?, &model.columns(), x))
}

/// The layers of a valid model and what they read, in order.
///
/// # Errors
/// Where it is for sequences.
pub fn nodes(model: &model::Model) -> Result<Vec<Node<Exact>>> {
    let mut nodes = Vec::new();
    branch(&model.layers, (0, model.input()), &mut nodes)?;
    Ok(nodes)
}

/// A layer of an integer network, whose linear layers are L.
pub struct Node<L> {
    /// The operation of the node.
    pub kind: Kind<L>,
    /// The values it reads: 0 is the network's input, i + 1 the result of node i; none of an input.
    pub from: Vec<usize>,
    /// Elements of its result.
    pub outputs: usize,
    /// Whether that is the output of a head.
    pub head: bool,
}

/// What a [`Node`] does.
pub enum Kind<L> {
    /// A linear layer.
    Linear(L),
    /// A recurrent layer.
    Recurrent(Box<Steps<L>>),
    /// The largest of windows.
    MaxPool(Windows),
    /// The sums of windows, which stand for the means where a window's size is a power of two, as
    /// those of the single pixels of an upsampling are.
    SumPool(Windows),
    /// A function of each element.
    Activation(Elementwise),
    /// A sum, requantised.
    Add(Format),
    /// Two values side by side, requantised.
    Concat(Concat, Format),
    /// A further input of the network: which one, from 1.
    Input(usize),
}

impl Kind<FrozenLayer> {
    /// The format of what a linear layer yields, or what joins two values; none where sums leave
    /// the network.
    pub fn requantised(&self) -> Option<Format> {
        match self {
            Kind::Linear(layer) => layer.fixed.format,
            kind => kind.joined(),
        }
    }
}

impl<L> Kind<L> {
    /// The format of two values that it joins.
    pub fn joined(&self) -> Option<Format> {
        match self {
            Kind::Add(format) | Kind::Concat(_, format) => Some(*format),
            _ => None,
        }
    }
}

impl<L> Node<L> {
    /// The node's linear layer, or its gates, if it has any.
    pub fn linear(&self) -> Option<&L> {
        match &self.kind {
            Kind::Linear(layer) => Some(layer),
            Kind::Recurrent(steps) => Some(&steps.gates),
            _ => None,
        }
    }

    /// The node's linear layer, or its gates, if it has any.
    pub fn linear_mut(&mut self) -> Option<&mut L> {
        match &mut self.kind {
            Kind::Linear(layer) => Some(layer),
            Kind::Recurrent(steps) => Some(&mut steps.gates),
            _ => None,
        }
    }
}

impl<L: AsRef<Exact>> Node<L> {
    /// The node's result z for what it reads, both `[n, elements]`; of a pool also `which` elements
    /// were the largest of their windows. A node that reads one value leaves the second input
    /// alone.
    pub fn forward(
        &self,
        [a, b]: [ArrayView2<f64>; 2],
        trace: &mut Trace,
        which: &mut Array2<u32>,
        z: &mut Array2<f64>,
    ) {
        fit(z, (a.nrows(), self.outputs));
        match &self.kind {
            Kind::Linear(layer) => {
                layer.as_ref().forward(a, trace);
                std::mem::swap(z, &mut trace.z);
            }
            Kind::Recurrent(steps) => steps.forward(a, &mut trace.passed, z),
            Kind::MaxPool(windows) => {
                fit(which, z.dim());
                windows.largest(a, z, which);
            }
            Kind::SumPool(windows) => windows.share(a, z),
            Kind::Activation(function) => function.forward(a, z),
            Kind::Add(format) => {
                let requantise = requantiser(*format);
                Zip::from(z).and(&a).and(&b).for_each(|z, &a, &b| *z = requantise(a + b));
            }
            Kind::Concat(concat, format) => concat.forward([a, b], z, requantiser(*format)),
            Kind::Input(_) => z.assign(&a),
        }
    }

    /// What it reads of the network's inputs and the results of the nodes before it; of a single
    /// value twice.
    pub fn inputs<'a>(
        &self,
        x: &'a [CowArray<f64, Ix2>],
        before: &'a [Array2<f64>],
    ) -> [ArrayView2<'a, f64>; 2] {
        if let Kind::Input(k) = self.kind {
            return [x[k].view(), x[k].view()];
        }
        [self.from[0], self.from[self.from.len() - 1]].map(|value| match value.checked_sub(1) {
            Some(node) => before[node].view(),
            None => x[0].view(),
        })
    }
}

impl AsRef<Exact> for Exact {
    fn as_ref(&self) -> &Exact {
        self
    }
}

/// A value, its shape and its format.
type Edge = (usize, (Shape, Format));

/// Appends layers that read a value; returns the value they end in.
fn branch(
    layers: &[model::Layer],
    (mut value, mut edge): Edge,
    nodes: &mut Vec<Node<Exact>>,
) -> Result<Edge> {
    for layer in layers {
        let yields = layer.yields(edge)?;
        let mut from = vec![value];
        let kind = match layer {
            model::Layer::Dense(dense) => Kind::Linear(Exact::new(dense, edge.1.frac)),
            model::Layer::Bilinear(bilinear) => {
                Kind::Linear(Exact::two_operands(bilinear, edge.1.frac))
            }
            model::Layer::Conv2d(conv) => Kind::Linear(Exact::conv2d(conv, edge, yields.0)),
            model::Layer::Pool(pool) => {
                let geometry = plan::Pool { size: pool.size, stride: pool.stride, pad: pool.pad };
                let windows = Windows::new(&geometry, edge.0, yields.0);
                match pool.kind {
                    model::PoolKind::Max => Kind::MaxPool(windows),
                    model::PoolKind::Sum => Kind::SumPool(windows),
                }
            }
            model::Layer::Upsample(upsample) => {
                Kind::SumPool(Windows::nearest(upsample.size, edge.0, yields.0))
            }
            model::Layer::Activation(activation) => {
                Kind::Activation(Elementwise::new(activation.function.clone(), edge.1))
            }
            model::Layer::Branches(branches) => {
                let (body, (shape, _)) = branch(&branches.body, (value, edge), nodes)?;
                let (shortcut, _) = branch(&branches.shortcut, (value, edge), nodes)?;
                from = vec![body, shortcut];
                match branches.join {
                    Join::Add => Kind::Add(branches.format),
                    Join::Concat => Kind::Concat(Concat::new(shape, yields.0), branches.format),
                }
            }
            model::Layer::Head(head) => {
                // It ends in a layer, whose node is the last one.
                branch(&head.layers, (value, edge), nodes)?;
                nodes.iter_mut().last().into_iter().for_each(|node| node.head = true);
                continue;
            }
            model::Layer::Input(_) => {
                from = vec![];
                Kind::Input(further_inputs(nodes.as_slice()).count() + 1)
            }
            model::Layer::Recurrent(layer) if layer.along == Along::Pixels => {
                let (units, frac) = (Units::of(layer), edge.1.frac);
                let gates = Exact::new(&layer.gates, frac);
                Kind::Recurrent(Box::new(Steps { units, gates, pixels: edge.0.pixels(), frac }))
            }
            model::Layer::Last(_) => Kind::SumPool(Windows::last(edge.0)),
            model::Layer::Reverse(_) => Kind::SumPool(Windows::reversed(edge.0)),
            model::Layer::Embedding(_)
            | model::Layer::CharCnn(_)
            | model::Layer::Highway(_)
            | model::Layer::Recurrent(_) => {
                return Err(Error::input(
                    format_args!("layer `{}`", layer.name()),
                    "is for sequences, which single samples are not",
                ));
            }
        };
        nodes.push(Node { kind, from, outputs: yields.0.elements(), head: false });
        (value, edge) = (nodes.len(), yields);
    }
    Ok((value, edge))
}

/// Samples evaluated at a time, at most.
const CHUNK: usize = 256;
/// Elements of all rows of the widest layer evaluated at a time, about.
const CHUNK_ELEMENTS: usize = 1 << 21;

/// Elements of all rows of one sample in the widest layer, at least 1.
pub fn widest<L: AsRef<Exact>>(nodes: &[Node<L>]) -> usize {
    let columns = |node: &Node<L>| match &node.kind {
        Kind::Linear(layer) => layer.as_ref().columns(),
        Kind::Recurrent(steps) => steps.columns(),
        _ => 1,
    };
    nodes.iter().map(columns).max().unwrap_or(1).max(1)
}

/// The elements of each further input, in order.
pub fn further_inputs<L>(nodes: &[Node<L>]) -> impl Iterator<Item = usize> {
    nodes.iter().filter(|node| matches!(node.kind, Kind::Input(_))).map(|node| node.outputs)
}

/// Samples, `[n, elements]`, input by input: those of the first layer, then the further ones, of
/// which each has so many elements.
pub fn by_input<T: Clone>(
    x: ArrayView2<T>,
    further: impl Iterator<Item = usize>,
) -> Vec<CowArray<T, Ix2>> {
    let further: Vec<usize> = further.collect();
    if further.is_empty() {
        return vec![x.into()];
    }
    let first = x.ncols() - further.iter().sum::<usize>();
    let mut at = 0;
    let part = |elements: usize| {
        let own = x.slice(s![.., at..at + elements]);
        at += elements;
        // What computes takes them in standard layout.
        own.as_standard_layout().into_owned().into()
    };
    std::iter::once(first).chain(further).map(part).collect()
}

/// The nodes whose sums leave the network: the last one, then that of each head.
pub fn leaving<L>(nodes: &[Node<L>]) -> impl Iterator<Item = usize> {
    plan::last_then(nodes, |node| node.head)
}

/// What leaves a network side by side, `[n, outputs]`, from the values of its nodes.
pub fn side_by_side<T: Clone>(
    values: &[Array2<T>],
    leaving: impl Iterator<Item = usize>,
    y: &mut ArrayViewMut2<T>,
) {
    let mut at = 0;
    for z in leaving.map(|i| &values[i]) {
        y.slice_mut(s![.., at..at + z.ncols()]).assign(z);
        at += z.ncols();
    }
}

/// [`fake_quantised`] for nodes at hand.
pub fn evaluate<L: AsRef<Exact> + Sync, A: Copy + Into<f64> + Sync>(
    nodes: &[Node<L>],
    columns: &Columns,
    x: ArrayView2<A>,
) -> Array2<f64> {
    let chunk = (CHUNK_ELEMENTS / widest(nodes)).clamp(1, CHUNK);
    let outputs = leaving(nodes).map(|i| nodes[i].outputs).sum();
    let mut y = Array2::zeros((x.nrows(), outputs));
    (y.axis_chunks_iter_mut(Axis(0), chunk).into_par_iter())
        .zip(x.axis_chunks_iter(Axis(0), chunk))
        .for_each(|(mut y, x)| {
            let x = by_input(x, further_inputs(nodes))
                .into_iter()
                .zip(columns)
                .map(|(x, (_, format))| {
                    let requantise = requantiser(*format);
                    x.mapv(|v| requantise(v.into())).into()
                })
                .collect::<Vec<_>>();
            let mut results: Vec<Array2<f64>> = vec![];
            let (mut trace, mut which) = (Trace::default(), Array2::zeros((0, 0)));
            for node in nodes {
                let mut z = Array2::zeros((0, 0));
                node.forward(node.inputs(&x, &results), &mut trace, &mut which, &mut z);
                results.push(z);
            }
            side_by_side(&results, leaving(nodes), &mut y);
        });
    y
}

/// All elements of a buffer; buffers are in standard layout.
pub fn slices<const N: usize>(buffers: [&mut Array2<f64>; N]) -> [&mut [f64]; N] {
    buffers.map(|buffer| {
        let Some(slice) = buffer.as_slice_mut() else { unreachable!() };
        slice
    })
}

/// All elements of a vector; vectors are in standard layout.
pub fn slice(vector: &Array1<f64>) -> &[f64] {
    let Some(slice) = vector.as_slice() else { unreachable!() };
    slice
}

/// All elements of a vector, to be changed.
pub fn slice_mut(vector: &mut Array1<f64>) -> &mut [f64] {
    let Some(slice) = vector.as_slice_mut() else { unreachable!() };
    slice
}

/// One layer with quantised parameters, as real values.
pub struct Exact {
    /// Rows of its products: one a sample, or one an output patch.
    pub patches: Patches,
    /// Groups of W_b and of W_c.
    pub groups: (usize, usize),
    /// `[r, K · K · c_in / groups]`, entries -1, 0, 1; columns in the order row, column, channel.
    pub w_b: Array2<f64>,
    /// W_b where windows are read in the image.
    pub direct: Option<(Direct, Packed<f64>)>,
    /// `[r]`: a_i · 2^(frac_in - t_i - product_frac), so that m = round(a u); empty where there is
    /// a `w_a`.
    pub a: Array1<f64>,
    /// `[r, n_in]`, entries -1, 0, 1: where the other operand is data too, m = (W_a x) ⊙ (W_b x).
    pub w_a: Option<Array2<f64>>,
    /// `[p · p · c_out, r]`, entries -1, 0, 1; r / groups columns where W_c is grouped.
    pub w_c: Array2<f64>,
    /// `[p · p · c_out]`, multiples of 2^-product_frac.
    pub bias: Array1<f64>,
    /// Fractional bits of m, y and the bias.
    pub product_frac: i32,
    /// How z follows from y; `None` for the last layer.
    pub output: Option<Requantise>,
}

/// `z_c = saturate(round(y_c · 2^e_c))` in the units of `format`.
pub struct Requantise {
    /// `[p · p · c_out]`: 2^e_c.
    pub scales: Array1<f64>,
    /// The format of z.
    pub format: Format,
}

impl Requantise {
    /// The requantisation of patches of so many pixels.
    fn new(output: &model::Output, product_frac: i32, pixels: usize) -> Option<Self> {
        match output {
            model::Output::Raw => None,
            model::Output::Requantised { shifts, format } => {
                let scales = shifts.mapv(|s| power(product_frac - format.frac - s));
                Some(Requantise { scales: tiled(&scales, pixels), format: *format })
            }
        }
    }
}

/// What is the same for every pixel of a patch.
pub fn tiled<T: Clone>(channels: &Array1<T>, pixels: usize) -> Array1<T> {
    (0..pixels).flat_map(|_| channels.iter().cloned()).collect()
}

/// What one forward pass leaves for the backward pass; reused from step to step.
#[derive(Default)]
pub struct Trace {
    /// `[rows, K · K · c_in]`: the windows; empty where they are not copied.
    columns: Array2<f64>,
    room: Room<f64>,
    /// `[rows, r]`: W_b x.
    pub u: Array2<f64>,
    /// `[rows, r]`: the rounded products.
    pub m: Array2<f64>,
    /// `[rows, p · p · c_out]`: y · 2^e before rounding and saturation; y itself in the last layer.
    pub y: Array2<f64>,
    /// `[n, elements]`: the layer's output.
    pub z: Array2<f64>,
    /// What a recurrent layer leaves.
    pub passed: Passed,
    rows: Array2<f64>,
    cropped: Array2<f64>,
}

impl Exact {
    fn new(dense: &model::Dense, input_frac: i32) -> Self {
        let pf = dense.product_frac;
        let a = Zip::from(&dense.coefficients)
            .and(&dense.coefficient_shifts)
            .map_collect(|&a, &t| f64::from(a) * power(input_frac - t - pf));
        let output = Requantise::new(&dense.output, pf, 1);
        Exact {
            patches: Patches::whole_samples(dense.inputs(), dense.outputs()),
            groups: (1, 1),
            w_b: dense.w_b.mapv(f64::from),
            direct: None,
            a,
            w_a: None,
            w_c: dense.w_c.mapv(f64::from),
            bias: dense.bias.mapv(|b| b as f64 * power(-pf)),
            product_frac: pf,
            output,
        }
    }

    /// Both operands are read from the whole of x, by matrices that are 0 where the other one
    /// stands.
    fn two_operands(bilinear: &model::Bilinear, input_frac: i32) -> Self {
        let (n_a, n, r) =
            (bilinear.inputs_a(), bilinear.inputs_a() + bilinear.inputs_b(), bilinear.w_c.ncols());
        let product_frac = 2 * input_frac;
        let mut w_a = Array2::zeros((r, n));
        w_a.slice_mut(s![.., ..n_a]).assign(&bilinear.w_a.mapv(f64::from));
        let mut w_b = Array2::zeros((r, n));
        w_b.slice_mut(s![.., n_a..]).assign(&bilinear.w_b.mapv(f64::from));
        Exact {
            patches: Patches::whole_samples(n, bilinear.w_c.nrows()),
            groups: (1, 1),
            w_b,
            direct: None,
            a: Array1::zeros(0),
            w_a: Some(w_a),
            w_c: bilinear.w_c.mapv(f64::from),
            bias: Array1::zeros(bilinear.w_c.nrows()),
            product_frac,
            output: Requantise::new(&bilinear.output, product_frac, 1),
        }
    }

    fn conv2d(conv: &model::Conv2d, (input, format): (Shape, Format), output: Shape) -> Self {
        let pf = conv.product_frac;
        let p = conv.patch();
        let linear = plan::Linear {
            dense: false,
            transposed: conv.transposed.is_some(),
            // A valid layer has a kernel.
            kernel: conv.kernel().unwrap_or(Extent::ONE),
            stride: conv.stride,
            dilation: Extent::ONE,
            pad: conv.pad,
            patch: p,
            groups: conv.groups,
            r: conv.rows(),
            plain: false,
            threshold: None,
        };
        let patches = Patches::new(&linear, input, output);
        let flat = |tensor: ndarray::ArrayView4<i8>| {
            // Where all rows were removed there are columns still.
            let (rows, channels, height, width) = tensor.dim();
            let columns = channels * height * width;
            let entries = tensor.outer_iter().flat_map(|row| {
                row.permuted_axes([1, 2, 0]).iter().map(|v| f64::from(*v)).collect::<Vec<_>>()
            });
            Array2::from_shape_vec((rows, columns), entries.collect()).unwrap_or_default()
        };
        // From [c_out, r, p_h, p_w] to rows of pixels, then channels.
        let w_c = conv.w_c.view().permuted_axes([2, 3, 0, 1]);
        let reads = conv.w_c.dim().1;
        let w_c = Array2::from_shape_vec(
            (p.area() * conv.channels(), reads),
            w_c.iter().map(|v| f64::from(*v)).collect(),
        );
        let bias = conv.bias.view().permuted_axes([1, 2, 0]);
        let w_b = flat(conv.w_b.view());
        Exact {
            direct: Exact::direct(&patches, w_b.view()),
            patches,
            groups: (conv.groups, if conv.depthwise() { conv.groups } else { 1 }),
            w_b,
            a: Zip::from(&conv.coefficients)
                .and(&conv.coefficient_shifts)
                .map_collect(|&a, &t| f64::from(a) * power(format.frac - t - pf)),
            w_a: None,
            w_c: w_c.unwrap_or_default(),
            bias: bias.iter().map(|b| *b as f64 * power(-pf)).collect(),
            product_frac: pf,
            output: Requantise::new(&conv.output, pf, p.area()),
        }
    }

    /// W_b, `[r, columns]`, where windows are read in the image.
    pub fn direct(patches: &Patches, w_b: ArrayView2<f64>) -> Option<(Direct, Packed<f64>)> {
        let direct = Direct::new(patches, w_b.nrows())?;
        let packed = direct.pack(w_b);
        Some((direct, packed))
    }

    /// Elements of all rows of one sample.
    pub fn columns(&self) -> usize {
        self.patches.per_sample() * self.patches.columns()
    }

    /// `[n, elements]` real values of the input format to `trace.z`, `[n, elements]`.
    pub fn forward(&self, x: ArrayView2<f64>, trace: &mut Trace) {
        let n = x.nrows();
        let rows = n * self.patches.per_sample();
        for (buffer, columns) in [
            (&mut trace.u, self.w_b.nrows()),
            (&mut trace.m, self.w_b.nrows()),
            (&mut trace.y, self.w_c.nrows()),
            (&mut trace.rows, self.w_c.nrows()),
        ] {
            if buffer.dim() != (rows, columns) {
                *buffer = Array2::zeros((rows, columns));
            }
        }
        let Trace { columns, room, u, m, y, z, rows, cropped, .. } = trace;
        if let Some((direct, w_b)) = &self.direct {
            // Batches are in standard layout.
            let (Some(x), [u]) = (x.to_slice(), slices([&mut *u])) else { unreachable!() };
            let of_sample = self.patches.per_sample() * self.w_b.nrows();
            let samples = x.chunks(self.patches.elements().0).zip(u.chunks_mut(of_sample));
            samples.for_each(|(x, u)| direct.sums(x, w_b, room, u));
        } else {
            let columns = self.patches.gather(x, columns);
            by_groups(columns, self.w_b.view(), self.groups.0, u.view_mut());
        }
        if let Some(w_a) = &self.w_a {
            product(x, w_a.t(), m.view_mut());
            *m *= &*u;
        } else {
            let (up, down) = (power(self.product_frac), power(-self.product_frac));
            let ([m, u], a) = (slices([&mut *m, &mut *u]), slice(&self.a));
            vectorised!(|| {
                for (m, u) in m.chunks_mut(a.len().max(1)).zip(u.chunks(a.len().max(1))) {
                    m.iter_mut()
                        .zip(u)
                        .zip(a)
                        .for_each(|((m, u), a)| *m = round(a * u * up) * down);
                }
            });
        }
        outputs_of(
            m.view(),
            self.w_c.view(),
            (self.groups.1, self.patches.channels()),
            y.view_mut(),
        );
        match &self.output {
            Some(Requantise { scales, format }) => {
                let requantise = requantiser(*format);
                let ([y, z], bias, scales) =
                    (slices([&mut *y, &mut *rows]), slice(&self.bias), slice(scales));
                vectorised!(|| {
                    for (y, z) in
                        y.chunks_mut(bias.len().max(1)).zip(z.chunks_mut(bias.len().max(1)))
                    {
                        for (((y, z), bias), scale) in y.iter_mut().zip(z).zip(bias).zip(scales) {
                            *y = (*y + bias) * scale;
                            *z = requantise(*y);
                        }
                    }
                });
            }
            None => {
                *y += &self.bias;
                rows.assign(y);
            }
        }
        let pixels = self.patches.crop(rows.view(), cropped);
        let elements = pixels.len() / n.max(1);
        if z.dim() != (n, elements) {
            *z = Array2::zeros((n, elements));
        }
        if let Ok(pixels) = pixels.into_shape_with_order((n, elements)) {
            z.assign(&pixels);
        }
    }
}
