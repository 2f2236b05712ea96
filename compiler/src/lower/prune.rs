//! Channels that never matter are taken out of the streams between sum-product networks.
//!
//! Dead are channels that take a single value: it goes into the sums that read it; and channels
//! that nobody reads. Each may make products dead, and these other channels.

use super::chain::sum;
use crate::adder_graph::Matrix;
use crate::interval::Interval;
use crate::ir::{Chain, Dataflow, EdgeId, Kind, Op, OpKind, Value};
use ndarray::Axis;
use strassenc_runtime::Shape;

/// Takes dead channels out of every edge between layers of which `may` says that any number of
/// channels suits them: sum-product networks whose weights are wiring. The network's own inputs
/// and outputs stay as they are. Yields whether there were any.
pub fn prune(dataflow: &mut Dataflow, may: &dyn Fn(usize) -> bool) -> bool {
    let mut changed = false;
    let spn = |layer: usize| match &dataflow.layers[layer].kind {
        Kind::Spn(kernel) => kernel.groups == 1 && may(layer),
        _ => false,
    };
    let spns: Vec<bool> = (0..dataflow.layers.len()).map(spn).collect();
    // Backwards, so that what reads an edge has lost its own dead rows before.
    for layer in (0..dataflow.layers.len() - 1).rev() {
        let edge = dataflow.edge_of(layer);
        let readers: Vec<usize> = (0..dataflow.layers.len())
            .filter(|i| dataflow.layers[*i].reads.contains(&edge))
            .collect();
        let leaves = dataflow.outputs().any(|id| id == edge);
        if leaves || !spns[layer] || readers.iter().any(|reader| !spns[*reader]) {
            continue;
        }
        let alive: Vec<bool> = (0..dataflow.edges[edge.index()].shape.channels)
            .map(|channel| readers.iter().any(|reader| is_alive(dataflow, *reader, edge, channel)))
            .collect();
        let mut kept: Vec<usize> = (0..alive.len()).filter(|channel| alive[*channel]).collect();
        if kept.len() == alive.len() {
            continue;
        }
        if kept.is_empty() {
            // Nothing is read, but a stream carries at least one element.
            kept.push(0);
        }
        keep(dataflow, layer, edge, &readers, &kept);
        changed = true;
    }
    changed
}

/// Whether `reader` needs a channel: it reads an element of it that varies.
fn is_alive(dataflow: &Dataflow, reader: usize, edge: EdgeId, channel: usize) -> bool {
    let (edge, layer) = (&dataflow.edges[edge.index()], &dataflow.layers[reader]);
    let Some(kernel) = layer.kernel() else { return true };
    let Some((_, matrix)) = kernel.chain.matrices().next() else { return true };
    let elements = (channel..matrix.ncols()).step_by(edge.shape.channels);
    // Beside a constant channel the pads are 0: it varies where a window has one.
    let varies = |element: usize| kernel.chain.x.intervals[element].value().is_none();
    elements.into_iter().any(|i| varies(i) && matrix.column(i).iter().any(|w| *w != 0))
}

/// Keeps these channels of an edge alone.
fn keep(dataflow: &mut Dataflow, layer: usize, edge: EdgeId, readers: &[usize], kept: &[usize]) {
    let own = &mut dataflow.edges[edge.index()];
    let channels = own.shape.channels;
    own.shape.channels = kept.len();
    own.intervals = kept.iter().map(|c| own.intervals[*c]).collect();
    own.channels = kept.iter().map(|c| own.channels[*c]).collect();
    let shape = own.shape;
    // The elements of these channels in an image, window or patch of n elements.
    let elements = |n: usize| -> Vec<usize> {
        (0..n / channels).flat_map(|pixel| kept.iter().map(move |c| pixel * channels + c)).collect()
    };
    if let Kind::Spn(kernel) = &mut dataflow.layers[layer].kind {
        let outputs = elements(kernel.chain.result().len());
        keep_outputs(&mut kernel.chain, &outputs);
        kernel.output = shape;
    }
    for reader in readers {
        let layer = &mut dataflow.layers[*reader];
        let Kind::Spn(kernel) = &mut layer.kind else { continue };
        let inputs = elements(kernel.chain.x.len());
        keep_inputs(&mut kernel.chain, &inputs);
        layer.input = if layer.input.pixels() == shape.pixels() {
            shape
        } else {
            Shape::vector(shape.elements())
        };
        kernel.input = layer.input;
    }
}

/// Keeps these outputs of a chain alone, and the products that they read.
fn keep_outputs(chain: &mut Chain, outputs: &[usize]) {
    let [.., w_c, last] = chain.ops.as_mut_slice() else { return };
    select(w_c, outputs);
    select(last, outputs);
    let OpKind::Linear { matrix, .. } = &mut w_c.kind else { return };
    let read = |row: &usize| matrix.column(*row).iter().any(|w| *w != 0);
    let rows: Vec<usize> = (0..matrix.ncols()).filter(read).collect();
    *matrix = matrix.select(Axis(1), &rows);
    let before = chain.ops.len() - 2;
    let r = chain.ops[before - 1].result.len();
    for op in &mut chain.ops[..before] {
        // Two operands have two rows of sums for each product.
        let of_both = op.result.len() != r;
        let second = rows.iter().map(|row| row + r).take(if of_both { rows.len() } else { 0 });
        select(op, &rows.iter().copied().chain(second).collect::<Vec<_>>());
    }
}

/// Keeps these inputs of a chain alone; the others take a single value, or nobody reads them.
fn keep_inputs(chain: &mut Chain, inputs: &[usize]) {
    let Some(Op { kind: OpKind::Linear { matrix, .. }, result }) = chain.ops.first_mut() else {
        return;
    };
    let mut constants = vec![0; matrix.nrows()];
    for (i, x) in
        chain.x.intervals.iter().enumerate().filter(|(i, _)| inputs.binary_search(i).is_err())
    {
        let value = x.value().unwrap_or(0);
        constants
            .iter_mut()
            .zip(matrix.column(i))
            .for_each(|(sum, w)| *sum += i64::from(*w) * value);
    }
    chain.x = chosen(&chain.x, inputs);
    let whole = result.clone();
    *matrix = matrix.select(Axis(1), inputs);
    result.intervals = sums(matrix, &chain.x.intervals);
    if constants.iter().any(|k| *k != 0) {
        chain.ops.insert(1, Op { kind: OpKind::Offset { constants }, result: whole });
    }
}

fn sums(matrix: &Matrix, x: &[Interval]) -> Vec<Interval> {
    matrix.outer_iter().map(|row| sum(row, x)).collect()
}

/// Keeps these elements of what an operation yields alone.
fn select(op: &mut Op, kept: &[usize]) {
    fn of<T: Copy>(all: &mut Vec<T>, kept: &[usize]) {
        *all = kept.iter().map(|i| all[*i]).collect();
    }
    op.result = chosen(&op.result, kept);
    match &mut op.kind {
        OpKind::Linear { matrix, .. } => *matrix = matrix.select(Axis(0), kept),
        OpKind::Multiply { coefficients, shifts, .. } => {
            of(coefficients, kept);
            of(shifts, kept);
        }
        OpKind::Product => {}
        OpKind::Offset { constants } => of(constants, kept),
        OpKind::Requantise { constants, shifts, .. } => {
            of(constants, kept);
            of(shifts, kept);
        }
    }
}

fn chosen(value: &Value, kept: &[usize]) -> Value {
    let intervals = kept.iter().map(|i| value.intervals[*i]).collect();
    Value { indices: kept.iter().map(|i| value.indices[*i]).collect(), intervals }
}
