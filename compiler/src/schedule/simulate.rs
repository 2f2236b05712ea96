//! The meaning of a pipeline: its registers, clock by clock.

use super::Pipeline;
use crate::circuit::{Circuit, NodeId, Op, wrap};

/// A pipeline in operation, free-running: what enters at a clock has left it [`Pipeline::stages`]
/// clocks later, whatever comes behind. All inputs are given at once and all outputs shown at
/// once: those that the pipeline takes later wait in front of it, those that leave earlier wait
/// behind it.
pub struct Simulator<'a> {
    circuit: &'a Circuit,
    stages: Vec<Stage>,
    outputs: Vec<Output>,
    /// `[k]`: what the registers at the end of stage k hold, in the order of its `registers`;
    /// `None` where nothing entered.
    boundaries: Vec<Option<Vec<i64>>>,
    /// The value of each node in the stage at hand; 0 for what is not known there.
    values: Vec<i64>,
}

/// What a stage does.
#[derive(Clone, Default)]
struct Stage {
    /// The nodes it computes, in order.
    nodes: Vec<NodeId>,
    /// The products of data by data that take in their operands here: their inner registers hold
    /// the product, which is due later.
    products: Vec<NodeId>,
    /// The registers at its end.
    registers: Vec<Register>,
}

/// A register: `width` bits of the value of `from`, which the next stage knows as `node`'s. The two
/// differ where a multiplier takes in its operand: its inner registers hold that until its result
/// is due.
#[derive(Clone, Copy)]
struct Register {
    from: NodeId,
    node: NodeId,
    width: u32,
    signed: bool,
}

/// The source of an output.
enum Output {
    Constant(i64),
    /// A register of the last boundary.
    Register(usize),
}

impl<'a> Simulator<'a> {
    /// An empty pipeline; it must be [verified](super::verify).
    pub fn new(circuit: &'a Circuit, pipeline: &Pipeline) -> Self {
        let mut stages = vec![Stage::default(); pipeline.stages() as usize];
        let mut lines = pipeline.delay_lines(circuit);
        for output in &circuit.outputs {
            let length = stages.len() - pipeline.available(*output) as usize;
            lines[output.index()] = vec![circuit.node(*output).width; length];
        }
        for ((id, node), line) in circuit.iter().zip(lines) {
            if matches!(node.op, Op::Constant(_)) {
                continue;
            }
            let available = pipeline.available(id) as usize;
            let (computed, line) = match node.op {
                Op::Input(_) => (0, [vec![node.width; available], line].concat()),
                _ => (available, line),
            };
            stages[computed].nodes.push(id);
            // An input that nothing reads may come after all else.
            for (stage, width) in (computed..stages.len()).zip(line) {
                let register = Register { from: id, node: id, width, signed: node.signed };
                stages[stage].registers.push(register);
            }
            if let Op::Multiply { x, .. } = node.op {
                let operand = circuit.node(x);
                let (width, signed) = (operand.width, operand.signed);
                let reads = pipeline.reads(circuit, id) as usize;
                for (stage, from) in
                    (reads..available).zip(std::iter::once(x).chain(std::iter::repeat(id)))
                {
                    stages[stage].registers.push(Register { from, node: id, width, signed });
                }
            }
            if let Op::Product { .. } = node.op {
                let reads = pipeline.reads(circuit, id) as usize;
                stages[reads].products.push(id);
                for stage in &mut stages[reads..available] {
                    stage.registers.push(Register { from: id, node: id, width: 63, signed: true });
                }
            }
        }
        let last = stages.last().map_or(&[][..], |stage| &stage.registers);
        let output = |&id: &NodeId| match circuit.node(id).op {
            Op::Constant(v) => Output::Constant(v),
            _ => Output::Register(
                last.iter().position(|r| r.node == id).expect("an output is kept to the end"),
            ),
        };
        let outputs = circuit.outputs.iter().map(output).collect();
        let boundaries = vec![None; stages.len()];
        let constant = |op: &Op| if let Op::Constant(v) = *op { v } else { 0 };
        let values = circuit.nodes.iter().map(|node| constant(&node.op)).collect();
        Simulator { circuit, stages, outputs, boundaries, values }
    }

    /// One rising edge with `input` on offer, one element per input of the circuit; the vector that
    /// was shown before it.
    pub fn clock(&mut self, input: Option<&[i64]>) -> Option<Vec<i64>> {
        let output = self.boundaries.last().and_then(Option::as_ref).map(|registers| {
            let value = |output: &Output| match *output {
                Output::Constant(v) => v,
                Output::Register(i) => registers[i],
            };
            self.outputs.iter().map(value).collect()
        });
        // From the last boundary to the first: each loads what the one before it still holds.
        for k in (0..self.boundaries.len()).rev() {
            self.boundaries[k] = match k.checked_sub(1) {
                None => input.map(|x| self.stage(0, x)),
                Some(before) => self.boundaries[before].take().map(|held| {
                    for (register, value) in self.stages[before].registers.iter().zip(held) {
                        self.values[register.node.index()] = value;
                    }
                    let next = self.stage(k, &[]);
                    self.stages[before]
                        .registers
                        .iter()
                        .for_each(|r| self.values[r.node.index()] = 0);
                    next
                }),
            };
        }
        output
    }

    /// What stage `k` puts into the registers at its end, from the values that it finds.
    fn stage(&mut self, k: usize, x: &[i64]) -> Vec<i64> {
        let values = &mut self.values;
        for &id in &self.stages[k].nodes {
            let node = self.circuit.node(id);
            let value = match node.op {
                // The operand came in the multiplier's own registers.
                Op::Multiply { .. } => node.op.compute(x, |_| values[id.index()]),
                Op::Product { .. } => values[id.index()],
                _ => node.op.compute(x, |operand| values[operand.index()]),
            };
            values[id.index()] = wrap(value, node.width, node.signed);
        }
        for &id in &self.stages[k].products {
            values[id.index()] =
                self.circuit.node(id).op.compute(x, |operand| values[operand.index()]);
        }
        let registers = self.stages[k].registers.iter();
        let held = registers.map(|r| wrap(values[r.from.index()], r.width, r.signed)).collect();
        // What no register holds is lost.
        let Stage { nodes, products, .. } = &self.stages[k];
        nodes.iter().chain(products).for_each(|id| values[id.index()] = 0);
        held
    }
}

/// Streams `vectors` through the pipeline at an initiation interval of 1; what comes out, in order.
pub fn simulate(circuit: &Circuit, pipeline: &Pipeline, vectors: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut simulator = Simulator::new(circuit, pipeline);
    let mut outputs = vec![];
    for clock in 0..vectors.len() + pipeline.stages() as usize {
        outputs.extend(simulator.clock(vectors.get(clock).map(Vec::as_slice)));
    }
    outputs
}
