//! From a model over images to the image IR: branches become edges, a convolution the kernel of its windows.
//!
//! Dead products go, as in a network of vectors. Channels stay, even dead ones: a stream has all channels of its image.

use super::{Analysis, Kept};
use crate::interval::Interval;
use crate::ir::images::{Edge, EdgeId, ImageLayer, Images, Kernel, Kind, Windows, added, pooled};
use crate::ir::{Dataflow, Value, ValueId};
use ndarray::{Array1, Array2};
use strassenc_runtime::model::{Conv2d, Dense, Layer, Output, Residual, Spn};
use strassenc_runtime::{Error, Format, Model, Result, Shape};

/// Lowers a model over images.
///
/// # Errors
/// Where the model is not [valid](Model::validate), or multiplies two operands.
pub fn lower(model: &Model) -> Result<Images> {
    model.validate()?;
    let (shape, format) = model.input();
    let input = Edge { shape, format, intervals: vec![Interval::new(format.min(), format.max()); shape.channels] };
    let mut images = Images { name: model.name.clone(), edges: vec![input], layers: vec![] };
    branch(&mut images, &model.layers, EdgeId(0))?;
    Ok(images)
}

/// Adds layers one after the other, the first of which reads `from`; yields the edge that leaves the last.
fn branch(images: &mut Images, layers: &[Layer], from: EdgeId) -> Result<EdgeId> {
    layers.iter().try_fold(from, |from, layer| add(images, layer, from))
}

fn add(images: &mut Images, layer: &Layer, from: EdgeId) -> Result<EdgeId> {
    let edge = images.edges[from.index()].clone();
    let (shape, format) = layer.yields((edge.shape, edge.format))?;
    let (input, kind, intervals, format) = match layer {
        Layer::Residual(residual) => return add_residual(images, residual, from),
        Layer::Bilinear(bilinear) => {
            let cause = "multiplies two operands; in a network over images no layer can";
            return Err(Error::input(format_args!("layer `{}`", bilinear.name), cause));
        }
        Layer::Embedding(_) | Layer::Highway(_) | Layer::Lstm(_) => {
            return Err(Error::input(format_args!("layer `{}`", layer.name()), "has no hardware yet"));
        }
        Layer::Dense(dense) => {
            let n = edge.shape.elements();
            let x = (0..n).map(|i| edge.intervals[i % edge.shape.channels]).collect();
            let (rows, dataflow) = (dense.rows(), kernel(dense, x, &edge)?);
            let kernel = Kernel { windows: Windows::WHOLE, patch: 1, groups: 1, rows, dataflow };
            spn(Shape::vector(n), kernel, shape)
        }
        Layer::Conv2d(conv) => {
            let windows = windows_of(conv, shape);
            let padded = windows.padded(edge.shape);
            let with_pad = |v: &Interval| if padded { Interval::new(v.lo.min(0), v.hi.max(0)) } else { *v };
            let pixel: Vec<Interval> = edge.intervals.iter().map(with_pad).collect();
            let x = (0..windows.size * windows.size).flat_map(|_| pixel.iter().copied()).collect();
            let dataflow = kernel(&over_a_window(conv), x, &edge)?;
            let (patch, groups, rows) = (conv.patch(), conv.groups, conv.rows());
            spn(edge.shape, Kernel { windows, patch, groups, rows, dataflow }, shape)
        }
        Layer::Pool(pool) => {
            let (rows, columns) = (shape.height, shape.width);
            let windows = Windows { size: pool.size, stride: pool.stride, pad: pool.pad, rows, columns };
            (edge.shape, Kind::Pool { kind: pool.kind, windows }, pooled(&edge, pool.kind, windows), format)
        }
    };
    Ok(push(images, layer.name(), vec![from], input, kind, Edge { shape, format, intervals }))
}

fn push(images: &mut Images, name: &str, reads: Vec<EdgeId>, input: Shape, kind: Kind, yields: Edge) -> EdgeId {
    images.layers.push(ImageLayer { name: name.into(), reads, input, kind });
    images.edges.push(yields);
    EdgeId(images.edges.len() as u32 - 1)
}

/// What enters, the layer, what each channel of `output` can be, and its format.
fn spn(input: Shape, kernel: Kernel, output: Shape) -> (Shape, Kind, Vec<Interval>, Format) {
    let layer = &kernel.dataflow.layers[0];
    let all = &layer.result().intervals;
    let channel = |c: usize| {
        let of_patch = all.iter().skip(c).step_by(output.channels);
        of_patch.copied().reduce(|a, b| Interval::new(a.lo.min(b.lo), a.hi.max(b.hi)))
    };
    // A patch has at least one pixel.
    let intervals = (0..output.channels).map(|c| channel(c).unwrap_or(Interval::point(0))).collect();
    let format = layer.output;
    (input, Kind::Spn(Box::new(kernel)), intervals, format)
}

fn add_residual(images: &mut Images, residual: &Residual, from: EdgeId) -> Result<EdgeId> {
    let body = branch(images, &residual.body, from)?;
    let shortcut = branch(images, &residual.shortcut, from)?;
    let [a, b] = [body, shortcut].map(|id| images.edges[id.index()].clone());
    let frac = a.format.frac.max(b.format.frac);
    let shifts = [a.format.frac, b.format.frac].map(|f| (frac - f) as u32);
    let shift = frac - residual.format.frac;
    let intervals = added([&a, &b], residual.format, shifts, shift);
    let yields = Edge { shape: a.shape, format: residual.format, intervals };
    Ok(push(images, &residual.name, vec![body, shortcut], a.shape, Kind::Add { shifts, shift }, yields))
}

/// Where the windows of a convolution that yields this image lie.
fn windows_of(conv: &Conv2d, output: Shape) -> Windows {
    let p = conv.patch();
    Windows {
        size: conv.w_b.dim().2,
        stride: p * conv.stride,
        pad: conv.pad,
        rows: output.height.div_ceil(p),
        columns: output.width.div_ceil(p),
    }
}

/// The convolution at one window: a dense layer from its elements, in the order of (row, column, channel), to those of a patch.
fn over_a_window(conv: &Conv2d) -> Dense {
    let (r, per_group, size, _) = conv.w_b.dim();
    let (c_out, reads, p, _) = conv.w_c.dim();
    let c_in = per_group * conv.groups;
    let mut w_b = Array2::zeros((r, size * size * c_in));
    for ((i, c, ky, kx), w) in conv.w_b.indexed_iter() {
        let channel = i / (r / conv.groups) * per_group + c;
        w_b[[i, (ky * size + kx) * c_in + channel]] = *w;
    }
    let mut w_c = Array2::zeros((p * p * c_out, r));
    for ((c, i, py, px), w) in conv.w_c.indexed_iter() {
        let first = if conv.depthwise() { c / (c_out / conv.groups) * reads } else { 0 };
        w_c[[(py * p + px) * c_out + c, first + i]] = *w;
    }
    let of_patch = |i: usize| (i % c_out, i / c_out / p, i / c_out % p);
    Dense {
        name: conv.name.clone(),
        budget: conv.budget,
        w_b,
        coefficients: conv.coefficients.clone(),
        coefficient_bits: conv.coefficient_bits,
        coefficient_shifts: conv.coefficient_shifts.clone(),
        product_frac: conv.product_frac,
        w_c,
        bias: Array1::from_shape_fn(p * p * c_out, |i| conv.bias[of_patch(i)]),
        output: match &conv.output {
            Output::Raw => Output::Raw,
            Output::Requantised { shifts, format } => Output::Requantised {
                shifts: Array1::from_shape_fn(p * p * c_out, |i| shifts[i % c_out]),
                format: *format,
            },
        },
    }
}

/// A dense layer as a dataflow of its own, with all of its inputs and outputs; `x` is what its inputs can be.
fn kernel(dense: &Dense, x: Vec<Interval>, edge: &Edge) -> Result<Dataflow> {
    let analysis = Analysis::new(Spn::Dense(dense), &x);
    let Kept { rows, .. } = analysis.kept((0..dense.outputs()).collect());
    let kept = Kept { inputs: (0..x.len()).collect(), rows, outputs: (0..dense.outputs()).collect() };
    let layer = analysis.open(&kept, edge.format, &mut ValueId(0))?;
    let input = Value { indices: (0..x.len()).collect(), intervals: x };
    Ok(Dataflow { name: dense.name.clone(), input, layers: vec![layer] })
}
