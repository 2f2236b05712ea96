//! Lowers the model to the dataflow IR: branches, heads and further inputs become edges, a
//! convolution the kernel of its windows.
//!
//! Dead products go. Channels stay, even dead ones: see [`prune`].
//!
//! The gates of a recurrent or a highway layer come out of its model layer gate by gate, out of the
//! kernel unit by unit.

mod bilinear;
mod chain;
mod decide;
mod intervals;
mod prune;
mod reload;

pub use chain::{corners, products};
pub use decide::decide;
pub use prune::prune;
pub use reload::{MOST_BITS, reload};

use crate::interval::Interval;
use crate::ir::gated::{Blend, Cell, Curve, Function};
use crate::ir::{self, Dataflow, Edge, EdgeId, Kernel, Kind, Windows};
use intervals::{added, applied, blended, columns, looked_up, pixel, pooled, side_by_side};
use ndarray::{Array1, Array2, Axis};
use strassenc_runtime::model::{
    self, Branches, Conv2d, Dense, Highway, Layer, Output, Recurrent, Spn, Table,
};
use strassenc_runtime::{Along, Error, Extent, Format, Join, Model, Result, Shape};

/// Lowers a model.
///
/// # Errors
/// Where the model is not [valid](Model::validate): a width overflow among others, naming layer and
/// row.
pub fn lower(model: &Model) -> Result<Dataflow> {
    model.validate()?;
    let enters = |(_, edge): (Option<&str>, &model::Edge)| {
        let (shape, format) = edge.image();
        let intervals = vec![Interval::new(format.min(), format.max()); shape.channels];
        Edge::whole(shape, format, intervals)
    };
    let mut dataflow = Dataflow {
        name: model.name.clone(),
        edges: model.inputs().into_iter().map(enters).collect(),
        inputs: model.inputs().iter().filter_map(|(name, _)| name.map(String::from)).collect(),
        layers: vec![],
        heads: vec![],
    };
    branch(&mut dataflow, &model.layers, EdgeId(0))?;
    for input in 0..=dataflow.inputs.len() {
        flatten_input(&mut dataflow, EdgeId(input as u32));
    }
    Ok(dataflow)
}

/// Makes an input one pixel, where every layer that reads it takes it as a vector.
fn flatten_input(dataflow: &mut Dataflow, input: EdgeId) {
    let edge = &dataflow.edges[input.index()];
    let whole = Shape::vector(edge.shape.elements());
    let mut readers = dataflow.layers.iter().filter(|layer| layer.reads.contains(&input));
    if readers.all(|layer| layer.input == whole) {
        dataflow.edges[input.index()] = Edge::whole(whole, edge.format, elements(edge).collect());
    }
}

/// Adds layers one after the other, the first of which reads `from`; yields the edge that leaves
/// the last.
fn branch(dataflow: &mut Dataflow, layers: &[Layer], from: EdgeId) -> Result<EdgeId> {
    layers.iter().try_fold(from, |from, layer| add(dataflow, layer, from))
}

fn add(dataflow: &mut Dataflow, layer: &Layer, from: EdgeId) -> Result<EdgeId> {
    let edge = dataflow.edges[from.index()].clone();
    let (shape, format) = layer.yields((edge.shape, edge.format))?;
    let (input, kind, intervals, format) = match layer {
        Layer::Branches(branches) => return add_branches(dataflow, branches, from),
        Layer::Head(head) => {
            let edge = branch(dataflow, &head.layers, from)?;
            dataflow.heads.push(ir::Head { name: head.name.clone(), edge });
            return Ok(from);
        }
        Layer::Input(input) => {
            let number = dataflow.inputs.iter().position(|name| *name == input.name);
            let lost = || Error::internal(format_args!("layer `{}`", input.name), "is no input");
            return Ok(EdgeId(1 + number.ok_or_else(lost)? as u32));
        }
        Layer::Bilinear(bilinear) => {
            let whole = Spn::Bilinear(bilinear);
            spn(over_a_vector(whole, elements(&edge).collect(), edge.format))
        }
        Layer::Highway(highway) => return add_highway(dataflow, highway, from),
        Layer::Dense(dense) => {
            spn(over_a_vector(Spn::Dense(dense), elements(&edge).collect(), edge.format))
        }
        Layer::Conv2d(conv) => {
            let windows = windows_of(conv, shape);
            let padded = windows.padded(edge.shape);
            let with_pad = |v: &Interval| if padded { v.hull(Interval::point(0)) } else { *v };
            let pixel: Vec<Interval> = edge.intervals.iter().map(with_pad).collect();
            let x = (0..windows.size.area()).flat_map(|_| pixel.iter().copied()).collect();
            let dense = on_the_image(over_a_window(conv), windows, edge.shape);
            let chain = chain::open(Spn::Dense(&dense), x, edge.format);
            let (patch, groups, rows) = (conv.patch(), conv.groups, conv.rows());
            spn(Kernel { input: edge.shape, output: shape, windows, patch, groups, rows, chain })
        }
        Layer::Embedding(embedding) => {
            let rows: Vec<Vec<i64>> = embedding
                .table
                .outer_iter()
                .map(|row| row.iter().map(|v| i64::from(*v)).collect())
                .collect();
            let intervals = columns(&rows);
            (edge.shape, Kind::Embedding { rows }, intervals, format)
        }
        Layer::CharCnn(cnn) => {
            let x = (0..cnn.filters.inputs()).map(|i| pixel(&edge, i)).collect();
            let filters = Box::new(over_a_vector(Spn::Dense(&cnn.filters), x, edge.format));
            let tanh = curve(&cnn.tanh, false);
            let intervals = looked_up(&filters, &tanh);
            (
                edge.shape,
                Kind::CharCnn { filters, widths: cnn.widths.clone(), tanh },
                intervals,
                format,
            )
        }
        Layer::Recurrent(recurrent) => {
            let cell = cell(recurrent)?;
            let (n_in, h) = (recurrent.inputs(), cell.hidden_interval());
            let x = elements(&edge).take(n_in).chain(vec![h; recurrent.units()]).collect();
            let gates = by_unit(&recurrent.gates, 4);
            let gates = over_a_vector(Spn::Dense(&gates), x, recurrent.joined(edge.format));
            // A row for each step: what stores rows stores a step at a time.
            let column = |of: Shape| Shape { height: shape.pixels(), ..of };
            let (input, output) = (column(gates.input), column(gates.output));
            let windows = Windows::pixels(input);
            let gates = Box::new(Kernel { input, output, windows, ..gates });
            let reads = match recurrent.along {
                Along::Inputs => Shape::vector(n_in),
                Along::Pixels => edge.shape,
            };
            let kind = Kind::Recurrent { along: recurrent.along, gates, cell };
            (reads, kind, vec![h; recurrent.units()], format)
        }
        Layer::Last(_) => (edge.shape, Kind::Last, edge.intervals.clone(), format),
        Layer::Reverse(_) => (edge.shape, Kind::Reverse, edge.intervals.clone(), format),
        Layer::Upsample(upsample) => {
            let kind = Kind::Upsample { size: upsample.size };
            (edge.shape, kind, edge.intervals.clone(), format)
        }
        Layer::Activation(activation) => {
            let function = match &activation.function {
                model::Function::Clip { max } => Function::Clip { max: *max },
                model::Function::Leaky { shift } => Function::Leaky { shift: *shift },
                model::Function::Sigmoid(table) => Function::Curve(curve(table, true)),
                model::Function::Tanh(table) => Function::Curve(curve(table, false)),
            };
            let intervals = applied(&edge, &function);
            (edge.shape, Kind::Activation { function }, intervals, format)
        }
        Layer::Pool(pool) => {
            let (rows, columns) = (shape.height, shape.width);
            let windows =
                Windows { size: pool.size, stride: pool.stride, pad: pool.pad, rows, columns };
            (
                edge.shape,
                Kind::Pool { kind: pool.kind, windows },
                pooled(&edge, pool.kind, windows),
                format,
            )
        }
    };
    Ok(push(dataflow, layer.name(), vec![from], input, kind, Edge::whole(shape, format, intervals)))
}

fn push(
    dataflow: &mut Dataflow,
    name: &str,
    reads: Vec<EdgeId>,
    input: Shape,
    kind: Kind,
    yields: Edge,
) -> EdgeId {
    dataflow.layers.push(ir::Layer { name: name.into(), reads, input, kind });
    dataflow.edges.push(yields);
    EdgeId(dataflow.edges.len() as u32 - 1)
}

/// What each element of an edge can be.
fn elements(edge: &Edge) -> impl Iterator<Item = Interval> {
    (0..edge.shape.elements()).map(|i| edge.intervals[i % edge.shape.channels])
}

/// What enters, the layer, what each channel of its output can be, and its format.
fn spn(kernel: Kernel) -> (Shape, Kind, Vec<Interval>, Format) {
    let chain = &kernel.chain;
    let (all, channels) = (&chain.result().intervals, kernel.output.channels);
    let channel = |c: usize| all.iter().skip(c).step_by(channels).copied().reduce(Interval::hull);
    // A patch has at least one pixel.
    let intervals = (0..channels).map(|c| channel(c).unwrap_or(Interval::point(0))).collect();
    let format = chain.output;
    (kernel.input, Kind::Spn(Box::new(kernel)), intervals, format)
}

fn add_highway(dataflow: &mut Dataflow, highway: &Highway, from: EdgeId) -> Result<EdgeId> {
    let edge = dataflow.edges[from.index()].clone();
    let gates = over_a_vector(
        Spn::Dense(&by_unit(&highway.gates, 2)),
        elements(&edge).collect(),
        edge.format,
    );
    let blend = Blend { sigmoid: curve(&highway.sigmoid, true), format: edge.format };
    let intervals = blended(&edge, &gates, &blend);
    let yields = Edge::whole(Shape::vector(highway.units()), edge.format, intervals);
    let input = Shape::vector(edge.shape.elements());
    let kind = Kind::Highway { gates: Box::new(gates), blend };
    Ok(push(dataflow, &highway.gates.name, vec![from, from], input, kind, yields))
}

fn cell(layer: &Recurrent) -> Result<Cell> {
    let Output::Requantised { format, .. } = layer.gates.output else {
        return Err(Error::internal(
            format_args!("layer `{}`", layer.gates.name),
            "has gates that are not requantised",
        ));
    };
    let (sigmoid, tanh) = (curve(&layer.sigmoid, true), curve(&layer.tanh, false));
    let (kind, state, hidden) = (layer.kind, layer.cell, layer.hidden);
    Ok(Cell { kind, sigmoid, tanh, gate: format, state, hidden })
}

fn curve(table: &Table, sigmoid: bool) -> Curve {
    Curve {
        sigmoid,
        values: table.values.iter().map(|v| i64::from(*v)).collect(),
        frac: table.frac as u32,
    }
}

/// The outputs of gates in another order: all `parts` of the first unit, then those of the next.
fn by_unit(gates: &Dense, parts: usize) -> Dense {
    let units = gates.outputs() / parts;
    let order: Vec<usize> = (0..gates.outputs()).map(|i| i % parts * units + i / parts).collect();
    Dense {
        w_c: gates.w_c.select(Axis(0), &order),
        bias: gates.bias.select(Axis(0), &order),
        output: match &gates.output {
            Output::Raw => Output::Raw,
            Output::Requantised { shifts, format } => {
                Output::Requantised { shifts: shifts.select(Axis(0), &order), format: *format }
            }
        },
        ..gates.clone()
    }
}

fn add_branches(dataflow: &mut Dataflow, branches: &Branches, from: EdgeId) -> Result<EdgeId> {
    let body = branch(dataflow, &branches.body, from)?;
    let shortcut = branch(dataflow, &branches.shortcut, from)?;
    let [a, b] = [body, shortcut].map(|id| dataflow.edges[id.index()].clone());
    let (name, format, frac) = (&branches.name, branches.format, a.format.frac.max(b.format.frac));
    let shifts = [a.format.frac, b.format.frac].map(|f| (frac - f) as u32);
    let shift = frac - format.frac;
    let (kind, intervals) = match branches.join {
        Join::Add => (Kind::Add { shifts, shift }, added([&a, &b], format, shifts, shift)),
        Join::Concat => {
            (Kind::Concat { shifts, shift }, side_by_side([&a, &b], format, shifts, shift))
        }
    };
    let shape = branches.join.shape(a.shape, b.shape).ok_or_else(|| {
        Error::internal(format_args!("layer `{name}`"), "has branches of other shapes")
    })?;
    let yields = Edge::whole(shape, format, intervals);
    Ok(push(dataflow, name, vec![body, shortcut], a.shape, kind, yields))
}

/// The windows of a convolution that yields this image.
fn windows_of(conv: &Conv2d, output: Shape) -> Windows {
    let p = conv.patch();
    Windows {
        size: conv.window(),
        stride: conv.step(),
        pad: conv.lead(),
        rows: output.height.div_ceil(p.h),
        columns: output.width.div_ceil(p.w),
    }
}

/// The convolution at one window: a dense layer from its elements, in the order of (row, column,
/// channel), to those of a patch.
pub fn over_a_window(conv: &Conv2d) -> Dense {
    let (r, per_group, ..) = conv.w_b.dim();
    let (c_out, reads, ..) = conv.w_c.dim();
    let (size, p) = (conv.window(), conv.patch());
    let c_in = per_group * conv.groups;
    let mut w_b = Array2::zeros((r, size.area() * c_in));
    for ((i, c, ky, kx), w) in conv.w_b.indexed_iter() {
        let channel = i / (r / conv.groups) * per_group + c;
        w_b[[i, (ky * size.w + kx) * c_in + channel]] = *w;
    }
    let mut w_c = Array2::zeros((p.area() * c_out, r));
    for ((c, i, py, px), w) in conv.w_c.indexed_iter() {
        let first = if conv.depthwise() { c / (c_out / conv.groups) * reads } else { 0 };
        w_c[[(py * p.w + px) * c_out + c, first + i]] = *w;
    }
    let of_patch = |i: usize| (i % c_out, i / c_out / p.w, i / c_out % p.w);
    Dense {
        name: conv.name.clone(),
        budget: conv.budget,
        w_b,
        coefficients: conv.coefficients.clone(),
        coefficient_bits: conv.coefficient_bits,
        coefficient_shifts: conv.coefficient_shifts.clone(),
        product_frac: conv.product_frac,
        w_c,
        bias: Array1::from_shape_fn(p.area() * c_out, |i| conv.bias[of_patch(i)]),
        output: match &conv.output {
            Output::Raw => Output::Raw,
            Output::Requantised { shifts, format } => Output::Requantised {
                shifts: Array1::from_shape_fn(p.area() * c_out, |i| shifts[i % c_out]),
                format: *format,
            },
        },
    }
}

/// The layer without the entries of W_b at taps that no window has on the image, as those above and
/// below the middle of a square kernel over one row: all that they are ever multiplied by is 0.
fn on_the_image(mut dense: Dense, windows: Windows, image: Shape) -> Dense {
    if !windows.padded(image) {
        return dense;
    }
    let pixels = Shape { channels: 1, ..image };
    let ones = vec![1; pixels.pixels()];
    let mut seen = vec![0; dense.inputs() / image.channels];
    for (y, x) in windows.iter() {
        seen.iter_mut()
            .zip(windows.read(&ones, pixels, y, x, 0))
            .for_each(|(seen, pixel)| *seen |= pixel);
    }
    for (column, mut entries) in dense.w_b.axis_iter_mut(Axis(1)).enumerate() {
        if seen[column / image.channels] == 0 {
            entries.fill(0);
        }
    }
    dense
}

/// The kernel of a layer over a vector, whose inputs can be `x` and have this format.
fn over_a_vector(spn: Spn, x: Vec<Interval>, format: Format) -> Kernel {
    Kernel {
        input: Shape::vector(spn.inputs()),
        output: Shape::vector(spn.outputs()),
        windows: Windows::WHOLE,
        patch: Extent::ONE,
        groups: 1,
        rows: spn.rows(),
        chain: chain::open(spn, x, format),
    }
}
