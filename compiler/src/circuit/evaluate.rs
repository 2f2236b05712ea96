//! The meaning of a circuit.

use super::{Circuit, NodeId, Op};
use crate::interval::{floor_shift, round_shift};
use strassenc_runtime::{Error, Result};

/// The exact integer of every node for one vector that enters.
///
/// # Errors
/// Where the vector has the wrong length or an element outside its interval.
pub fn evaluate(circuit: &Circuit, x: &[i64]) -> Result<Vec<i64>> {
    if x.len() != circuit.inputs.len() {
        let cause = format!(
            "has {} elements, layer `{}` takes {}",
            x.len(),
            circuit.name,
            circuit.inputs.len()
        );
        return Err(Error::input("input vector", cause));
    }
    let mut values: Vec<i64> = Vec::with_capacity(circuit.nodes.len());
    for node in &circuit.nodes {
        let value = node.op.compute(x, |id| values[id.index()]);
        values.push(value);
    }
    for (i, &id) in circuit.inputs.iter().enumerate() {
        let within = circuit.node(id).interval;
        if !within.contains(x[i]) {
            let cause =
                format!("element {i} of layer `{}` is {}, outside {within}", circuit.name, x[i]);
            return Err(Error::input("input vector", cause));
        }
    }
    Ok(values)
}

impl Op {
    /// The result, from the vector that enters and the values of earlier nodes.
    pub fn compute(&self, x: &[i64], value: impl Fn(NodeId) -> i64) -> i64 {
        match *self {
            Op::Input(i) => x[i as usize],
            Op::Constant(v) => v,
            Op::Add(terms) => terms.iter().map(|t| t.of(value(t.node))).sum(),
            Op::Multiply { x, coefficient, shift, .. } => {
                round_shift(coefficient * value(x), shift)
            }
            Op::Scale { x, shift, .. } => floor_shift(x.of(value(x.node)), shift),
            Op::Product { x, y, .. } => value(x) * value(y),
            Op::Offset { x, constant, shift } => floor_shift(x.of(value(x.node)) + constant, shift),
            Op::Shift { x, by, .. } => value(x) >> by,
            Op::Clamp { x, lo, hi } => value(x).clamp(lo, hi),
        }
    }
}

/// `value` modulo 2^width, as a signal of that width carries it; `width` is 1..=63.
pub fn wrap(value: i64, width: u32, signed: bool) -> i64 {
    let high = value << (64 - width);
    if signed { high >> (64 - width) } else { (high as u64 >> (64 - width)) as i64 }
}
