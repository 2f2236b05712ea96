//! The schedule of a segment: one for all its layers, as if they were one circuit.

use super::optimise::schedule_from;
use super::path::Paths;
use super::{Options, Pipeline, Stage};
use crate::circuit::{Circuit, Node, NodeId, Op, Term};
use strassenc_runtime::{Error, Result};

/// What the inputs of a segment come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Registers.
    Registers,
    /// A memory that is read in the same clock, or what masks the pads of a window.
    Memory,
}

/// Schedules layers, each of which reads the outputs of the one before, as one pipeline: with the
/// least latency and, with that, the least register bits.
///
/// # Errors
/// Where an option is out of range, or a layer has other inputs than the one before has outputs.
pub fn segment(circuits: &[&Circuit], source: Source, options: &Options) -> Result<Vec<Pipeline>> {
    let Some(last) = circuits.last() else { return Ok(vec![]) };
    // Joined, all nodes are of one layer: what is too slow by itself is told with its own.
    for circuit in circuits {
        Paths::new(circuit, Source::Registers, false, options)?;
    }
    let joined = join(circuits)?;
    let whole = schedule_from(&joined, source, options)?;
    let mut rest = whole.available.as_slice();
    let mut layers: Vec<Pipeline> = vec![];
    for circuit in circuits {
        let (own, after) = rest.split_at(circuit.nodes.len());
        rest = after;
        let arrive = |id: &NodeId| own[id.index()];
        if let Some(before) = layers.last_mut() {
            before.leaves = circuit.inputs.iter().map(arrive).collect();
        }
        let (available, multiplier_latency) = (own.to_vec(), options.multiplier_latency);
        layers.push(Pipeline { available, leaves: vec![], multiplier_latency });
    }
    if let Some(layer) = layers.last_mut() {
        layer.leaves = vec![Stage(whole.stages() - 1); last.outputs.len()];
    }
    Ok(layers)
}

/// The layers as one circuit, the nodes of one after those of the other. What a layer reads of the
/// one before is a node of its own, which is only wires.
fn join(circuits: &[&Circuit]) -> Result<Circuit> {
    let mut joined = circuits[0].clone();
    for circuit in &circuits[1..] {
        let (first, before) = (joined.nodes.len() as u32, std::mem::take(&mut joined.outputs));
        if circuit.inputs.len() != before.len() {
            let cause = "has other inputs than the layer before has outputs";
            return Err(Error::internal(format_args!("segment, layer `{}`", circuit.name), cause));
        }
        let moved = |id: NodeId| NodeId(first + id.0);
        joined.nodes.extend(circuit.nodes.iter().map(|node| {
            let op = match node.op {
                Op::Input(i) => {
                    Op::Offset { x: Term::plain(before[i as usize]), constant: 0, shift: 0 }
                }
                op => op.map_nodes(moved),
            };
            Node { op, ..node.clone() }
        }));
        joined.outputs = circuit.outputs.iter().copied().map(moved).collect();
    }
    Ok(joined)
}
