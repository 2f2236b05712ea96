//! The meaning of a pipeline: its registers, clock by clock.

use super::Pipeline;
use crate::circuit::{Circuit, NodeId, Op, wrap};

/// A pipeline in operation. Each boundary between stages has one valid bit and one enable, so that bubbles collapse: a boundary
/// loads when it is empty or when the next one loads.
pub struct Simulator<'a> {
    circuit: &'a Circuit,
    pipeline: &'a Pipeline,
    delay_lines: Vec<Vec<u32>>,
    /// `[k - 1]`: what the registers at boundary k hold, by node; `None` for a bubble. A multiplier's inner registers hold its
    /// operand.
    boundaries: Vec<Option<Vec<i64>>>,
    /// Nodes in the order in which each stage computes them.
    stages: Vec<Vec<NodeId>>,
}

/// What happens at one rising edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Whether the vector on offer was accepted (`s_ready`; also true when none was on offer).
    pub ready: bool,
    /// The vector that leaves (`m_valid`); it is gone after this edge only where the receiver was ready.
    pub output: Option<Vec<i64>>,
}

impl<'a> Simulator<'a> {
    /// An empty pipeline.
    pub fn new(circuit: &'a Circuit, pipeline: &'a Pipeline) -> Self {
        let mut stages = vec![vec![]; pipeline.stages as usize];
        for (id, _) in circuit.iter() {
            if let Some(stage) = stages.get_mut(pipeline.available(id) as usize) {
                stage.push(id);
            }
        }
        let delay_lines = pipeline.delay_lines(circuit);
        Simulator { circuit, pipeline, delay_lines, boundaries: vec![None; pipeline.stages as usize], stages }
    }

    /// One rising edge with `input` on offer and a receiver that is ready or not.
    ///
    /// `input` has one element per input of the circuit.
    pub fn clock(&mut self, input: Option<&[i64]>, receiver_ready: bool) -> Clock {
        let last = self.boundaries.len() - 1;
        let output = self.boundaries[last].as_ref().map(|registers| {
            let value = |id: &NodeId| match self.circuit.node(*id).op {
                Op::Constant(v) => v,
                _ => registers[id.index()],
            };
            self.circuit.outputs.iter().map(value).collect()
        });
        // From the last boundary to the first: each loads what the one before it still holds.
        let mut enable = receiver_ready;
        for k in (0..=last).rev() {
            enable |= self.boundaries[k].is_none();
            if enable {
                self.boundaries[k] = match k.checked_sub(1) {
                    None => input.map(|x| self.stage(0, x, &[])),
                    Some(before) => {
                        let registers = self.boundaries[before].take();
                        registers.map(|registers| self.stage(k, &[], &registers))
                    }
                };
            }
        }
        Clock { ready: enable, output }
    }

    /// What stage `stage` puts into the registers at its end, from those at its beginning.
    fn stage(&self, stage: usize, x: &[i64], registers: &[i64]) -> Vec<i64> {
        let stage_number = stage as u32;
        let mut values = if registers.is_empty() { vec![0; self.circuit.nodes.len()] } else { registers.to_vec() };
        for &id in &self.stages[stage] {
            let node = self.circuit.node(id);
            let value = match node.op {
                // Its inner registers hold the operand.
                Op::Multiply { .. } => node.op.compute(x, |_| values[id.index()]),
                _ => node.op.compute(x, |operand| match self.circuit.node(operand).op {
                    Op::Constant(v) => v,
                    _ => values[operand.index()],
                }),
            };
            values[id.index()] = wrap(value, node.width, node.signed);
        }
        // What no register holds is lost.
        let mut held = vec![0; values.len()];
        for (id, node) in self.circuit.iter() {
            let available = self.pipeline.available(id);
            if let Op::Multiply { x: operand, .. } = node.op {
                let reads = self.pipeline.reads(self.circuit, id);
                if reads == stage_number {
                    held[id.index()] = values[operand.index()];
                } else if reads < stage_number && stage_number < available {
                    held[id.index()] = values[id.index()];
                }
            }
            let register =
                stage_number.checked_sub(available).and_then(|k| self.delay_lines[id.index()].get(k as usize));
            if let Some(&width) = register {
                held[id.index()] = wrap(values[id.index()], width, node.signed);
            }
        }
        held
    }
}

/// Streams `vectors` through the pipeline at an initiation interval of 1; what comes out, in order.
pub fn simulate(circuit: &Circuit, pipeline: &Pipeline, vectors: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut simulator = Simulator::new(circuit, pipeline);
    let mut outputs = vec![];
    for clock in 0..vectors.len() + pipeline.stages as usize {
        let input = vectors.get(clock).map(Vec::as_slice);
        outputs.extend(simulator.clock(input, true).output);
    }
    outputs
}
