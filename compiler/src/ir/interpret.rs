//! The meaning of the dataflow IR.

use super::{Dataflow, Layer, Op, OpKind};
use crate::interval::round_shift;
use strassenc_runtime::{Error, Result};

/// Every value for one input vector, by [`ValueId`](super::ValueId); the last one is the network's output.
///
/// # Errors
/// Where the input has the wrong length or an element outside its interval.
pub fn interpret(dataflow: &Dataflow, input: &[i64]) -> Result<Vec<Vec<i64>>> {
    let intervals = &dataflow.input.intervals;
    if input.len() != intervals.len() {
        let cause = format!("has {} elements, the network takes {}", input.len(), intervals.len());
        return Err(Error::input("input vector", cause));
    }
    if let Some((i, (v, within))) = input.iter().zip(intervals).enumerate().find(|(_, (v, i))| !i.contains(**v)) {
        return Err(Error::input("input vector", format_args!("element {i} is {v}, outside {within}")));
    }
    let mut values = vec![input.to_vec()];
    for (_, op) in dataflow.ops() {
        values.push(apply(op, &values[op.x.index()]));
    }
    Ok(values)
}

/// The results of the operations of one layer for one vector that enters it; the last one is the layer's output.
///
/// `x` must have one element per element of the layer's input.
pub fn interpret_layer(layer: &Layer, x: &[i64]) -> Vec<Vec<i64>> {
    let mut values: Vec<Vec<i64>> = vec![];
    for op in &layer.ops {
        values.push(apply(op, values.last().map_or(x, |v| v)));
    }
    values
}

fn apply(op: &Op, x: &[i64]) -> Vec<i64> {
    match &op.kind {
        OpKind::Linear { matrix, .. } => {
            matrix.outer_iter().map(|row| row.iter().zip(x).map(|(&w, x)| i64::from(w) * x).sum()).collect()
        }
        OpKind::Multiply { coefficients, shifts, .. } => {
            (0..x.len()).map(|i| round_shift(coefficients[i] * x[i], shifts[i])).collect()
        }
        OpKind::Product => {
            let (a, b) = x.split_at(x.len() / 2);
            a.iter().zip(b).map(|(a, b)| a * b).collect()
        }
        OpKind::Offset { constants } => x.iter().zip(constants).map(|(x, b)| x + b).collect(),
        OpKind::Requantise { constants, shifts, format } => {
            (0..x.len()).map(|c| format.saturate(round_shift(x[c] + constants[c], shifts[c]))).collect()
        }
    }
}
