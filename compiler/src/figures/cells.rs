//! The cells that a circuit becomes, counted as Yosys maps it.

use crate::circuit::{self, Circuit, NodeId, Op, Term};
use crate::compile::Unrolled;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::iter::Sum;
use std::ops::Add;

/// Look-up tables and flip-flops, as far as they do not depend on what a family has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cells {
    /// LUTs of 6 inputs, where carry chains add three operands and pass constants on.
    pub luts6: u64,
    /// LUTs of 4 inputs, where each bit of a carry chain of two operands is one.
    pub luts4: u64,
    /// Bits of the operands that are subtracted, each counted once: where carry chains cannot
    /// invert, each is a LUT more.
    pub subtracted_bits: u64,
    /// Bits of all registers.
    pub registers: u64,
    /// Those of them that lie in DSP blocks, where tools pack them.
    pub packed: u64,
    /// Those of them that lie in shift registers, where LUTs can be some.
    pub shifted: u64,
    /// The LUTs of these.
    pub shift_registers: u64,
    /// Bits of memories that are LUTs, where LUTs can be memory; else they are registers.
    pub stored: u64,
    /// LUTs of 6 inputs of these memories.
    pub memories6: u64,
    /// LUTs of 4 inputs of these memories, with what writes them.
    pub memories4: u64,
}

impl Add for Cells {
    type Output = Cells;

    fn add(self, other: Cells) -> Cells {
        Cells {
            luts6: self.luts6 + other.luts6,
            luts4: self.luts4 + other.luts4,
            subtracted_bits: self.subtracted_bits + other.subtracted_bits,
            registers: self.registers + other.registers,
            packed: self.packed + other.packed,
            shifted: self.shifted + other.shifted,
            shift_registers: self.shift_registers + other.shift_registers,
            stored: self.stored + other.stored,
            memories6: self.memories6 + other.memories6,
            memories4: self.memories4 + other.memories4,
        }
    }
}

impl Sum for Cells {
    fn sum<I: Iterator<Item = Cells>>(all: I) -> Cells {
        all.fold(Cells::default(), Add::add)
    }
}

impl Cells {
    /// Registers that follow one another without anything between, of which the first `fixed` are
    /// none of a shift register: they are reset, or lie in a DSP block.
    pub fn delay(bits: u64, stages: u64, fixed: u64) -> Self {
        let free = stages.saturating_sub(fixed);
        let shifts = free >= SHORTEST_SHIFT;
        Cells {
            registers: bits * stages,
            shifted: if shifts { bits * free } else { 0 },
            shift_registers: if shifts { bits * free.div_ceil(LONGEST_SHIFT) } else { 0 },
            ..Cells::default()
        }
    }

    /// A memory with a register at its output, which is in it where it is block RAM.
    pub fn memory(bits: usize, words: usize) -> Self {
        if block_rams(bits as u64, words as u64) > 0 {
            return Cells::default();
        }
        let register = Cells { registers: bits as u64, ..Cells::default() };
        Cells::lut_memory(bits, words) + register
    }

    /// A ROM with a register at its output, of 2^`address` words of `bits` bits.
    pub fn rom(bits: usize, address: usize) -> Self {
        let (bits, words) = (bits as u64, 1u64 << address);
        if bits * words > ROM_OF_LUTS {
            return Cells::default();
        }
        // Beyond what a slice chooses from, another LUT does.
        let of =
            |inputs: u32| bits * (words.div_ceil(1 << inputs) + u64::from(words > 2 << inputs));
        Cells { luts6: of(6), luts4: of(4), registers: bits, ..Cells::default() }
    }

    /// A memory of LUTs.
    pub fn lut_memory(bits: usize, words: usize) -> Self {
        let (bits, words) = (bits as u64, words as u64);
        // Beyond one LUT's words, others choose.
        let chosen = |deepest: u64| bits * (words.div_ceil(deepest) - 1);
        Cells {
            stored: bits * words,
            memories6: 4 * lut_groups(bits, words) + chosen(64).div_ceil(3),
            memories4: 6 * bits.div_ceil(4) * words.div_ceil(16) + chosen(16),
            ..Cells::default()
        }
    }
}

/// Groups of four LUTs that a memory takes: each holds 32 words of 6 bits, or 64 of 3.
fn lut_groups(bits: u64, words: u64) -> u64 {
    if words <= 32 { bits.div_ceil(6) } else { bits.div_ceil(3) * words.div_ceil(64) }
}

/// Block RAMs of 18 Kbit that Yosys makes of a memory: none where fewer than 16 groups of LUTs for
/// each do.
pub fn block_rams(bits: u64, words: u64) -> u64 {
    let shape = |(width, depth): (u64, u64)| bits.div_ceil(width) * words.div_ceil(depth);
    let shapes = [(1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512)];
    let blocks = shapes.into_iter().map(shape).min().unwrap_or(0);
    if lut_groups(bits, words) <= 16 * blocks { 0 } else { blocks }
}

/// Bits up to which Yosys makes a ROM of LUTs.
const ROM_OF_LUTS: u64 = 8192;

/// Registers that Yosys makes a shift register of, and how many one LUT holds.
const SHORTEST_SHIFT: u64 = 3;
const LONGEST_SHIFT: u64 = 32;

/// The cells of a layer's circuit. Of the inputs, those for which `reset` holds come from a clamp
/// of the layer before, whose register is reset where it clamps.
pub(super) fn of_circuit(layer: &Unrolled, reset: &dyn Fn(usize) -> bool) -> Cells {
    logic(&layer.circuit) + registers(layer, reset)
}

/// The LUTs of a circuit.
pub(super) fn logic(circuit: &Circuit) -> Cells {
    let luts = circuit.iter().map(|(id, _)| Cells {
        luts6: luts6(circuit, id),
        luts4: luts4(circuit, id),
        ..Cells::default()
    });
    let subtracted_bits = subtracted_bits(circuit);
    luts.sum::<Cells>() + Cells { subtracted_bits, ..Cells::default() }
}

/// A term of a sum: its bits, whether it goes on above them, and whether it is subtracted.
struct Operand {
    low: u32,
    top: u32,
    endless: bool,
    negate: bool,
}

impl Operand {
    fn new(circuit: &Circuit, t: &Term) -> Self {
        let node = circuit.node(t.node);
        let endless = node.signed || matches!(node.op, Op::Constant(_));
        Operand { low: t.shift, top: t.shift + node.width, endless, negate: t.negate }
    }

    fn reaches(&self, bit: u32) -> bool {
        bit >= self.low && (bit < self.top || self.endless)
    }
}

fn luts6(circuit: &Circuit, id: NodeId) -> u64 {
    let node = circuit.node(id);
    match node.op {
        Op::Add(terms) => {
            let operand = |t: &Term| Operand::new(circuit, t);
            let constant = |t: &Term| match circuit.node(t.node).op {
                Op::Constant(v) => Some(t.of(v)),
                _ => None,
            };
            let terms: Vec<&Term> = terms.iter().collect();
            match terms[..] {
                [a, b] => match (constant(a), constant(b)) {
                    (Some(v), _) => inverted(&operand(b), v, node.width),
                    (_, Some(v)) => inverted(&operand(a), v, node.width),
                    _ => sum_of_two(&operand(a), &operand(b), node.width),
                },
                [a, b, c] => sum_of_three(&[operand(a), operand(b), operand(c)], node.width),
                _ => 0,
            }
        }
        Op::Offset { x, constant, shift } if !node.op.is_wires() => {
            inverted(&Operand::new(circuit, &x), constant, node.width + shift.max(0) as u32)
        }
        Op::Clamp { x, .. } => clamp(circuit, node, x, 6),
        Op::Offset { .. }
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Product { .. } => 0,
    }
}

/// A constant is added by the chain alone, which wants each bit inverted where the constant has a
/// one.
fn inverted(x: &Operand, constant: i64, width: u32) -> u64 {
    let bits = constant.trailing_zeros().max(x.low)..width.min(x.top).min(63);
    bits.map(|bit| u64::from((constant >> bit & 1 == 1) != x.negate)).sum()
}

/// A LUT for each bit that both have. Where one is subtracted, what one has alone is inverted, and
/// what goes into the chain takes one more.
fn sum_of_two(a: &Operand, b: &Operand, width: u32) -> u64 {
    let negates = u64::from(a.negate || b.negate);
    let bits = (0..width.min(a.top.max(b.top))).map(|bit| match [a, b].map(|t| t.reaches(bit)) {
        [true, true] => 1,
        [false, false] => 0,
        _ => negates,
    });
    bits.sum::<u64>() + negates
}

/// What `strassenc_add3` is of xc7's cells: a LUT for each bit from which a majority goes on, and
/// elsewhere for each bit of two signals, or of one that is inverted.
fn sum_of_three(terms: &[Operand; 3], width: u32) -> u64 {
    let mut luts = 0;
    let mut below = false;
    for bit in 0..width {
        // Above its bits, the opposite of an unsigned operand has ones.
        let has = |t: &Operand| t.reaches(bit) || t.negate && bit >= t.low;
        let here = terms.iter().filter(|t| has(t)).count();
        let ones = terms.iter().any(|t| t.negate && bit == t.low);
        let majority = here == 3 || here == 2 && (ones || below);
        let signals = terms.iter().filter(|t| t.reaches(bit)).count() + usize::from(below);
        let inverts = terms.iter().any(|t| t.negate && has(t));
        luts += u64::from(majority && bit + 1 < width || signals > 1 || signals == 1 && inverts);
        below = majority;
    }
    luts
}

/// What is cut off below is reset in the register behind, if that is zero; else each bit is chosen.
/// What is above is found by LUTs of so many inputs.
fn clamp(circuit: &Circuit, node: &circuit::Node, x: NodeId, inputs: u32) -> u64 {
    let Op::Clamp { lo, hi, .. } = node.op else { return 0 };
    let circuit::Node { interval, width, .. } = circuit.node(x);
    let cut = u64::from(width.saturating_sub(node.width).div_ceil(inputs - 1));
    match (interval.lo < lo, interval.hi > hi) {
        (true, false) if lo == 0 => 1,
        (_, true) => u64::from(node.width) + cut,
        (true, false) => u64::from(node.width) + 1,
        (false, false) => 0,
    }
}

/// From the lowest bit of a sum that `operands` of its terms reach up to its top.
fn above(circuit: &Circuit, sum: &circuit::Node, terms: &[Term], operands: usize) -> u64 {
    let low = |t: &Term| match circuit.node(t.node).op {
        Op::Constant(v) => t.shift + v.trailing_zeros(),
        _ => t.shift,
    };
    let mut lows: Vec<u32> = terms.iter().map(low).collect();
    lows.sort_unstable();
    lows.get(operands - 1).map_or(0, |low| sum.width.saturating_sub(*low).into())
}

/// Each bit of a carry chain is a LUT. Three operands become two by two LUTs a bit.
fn luts4(circuit: &Circuit, id: NodeId) -> u64 {
    let node = circuit.node(id);
    match node.op {
        Op::Add(terms) => above(circuit, node, &terms, 2) + 2 * above(circuit, node, &terms, 3),
        Op::Offset { constant, shift, .. } if !node.op.is_wires() => (node.width
            + shift.max(0).cast_unsigned())
        .saturating_sub(constant.trailing_zeros() % 64)
        .into(),
        Op::Clamp { x, .. } => clamp(circuit, node, x, 4),
        // The rounding stands behind the block that multiplies.
        Op::Multiply { shift: 1.., .. } => (node.width + 1).into(),
        Op::Offset { .. }
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Product { .. } => 0,
    }
}

/// Bits of the operands of additions that chains which do not invert want inverted, each once.
fn subtracted_bits(circuit: &Circuit) -> u64 {
    let inverted = circuit.nodes.iter().flat_map(|node| circuit::inverters(circuit, &node.op));
    let once: BTreeSet<_> = inverted.collect();
    once.into_iter().map(|id| u64::from(circuit.node(id).width)).sum()
}

/// The registers of the delay lines, bit by bit, and those of multipliers. Where a line is read on
/// its way, a shift register ends. A multiplier's block takes in the registers before it that
/// nothing else reads, two with its own.
fn registers(layer: &Unrolled, reset: &dyn Fn(usize) -> bool) -> Cells {
    let (circuit, pipeline) = (&layer.circuit, &layer.pipeline);
    let latency = pipeline.multiplier_latency;
    // Of each node the stages in which it is read, the bits that are, and whether by a multiplier.
    let mut readings: Vec<Vec<(u32, u32, bool)>> = vec![vec![]; circuit.nodes.len()];
    let mut cells = Cells::default();
    for (id, node) in circuit.iter() {
        for x in node.op.operands() {
            let bits = node.op.needed_bits(x, node.width).unwrap_or(u32::MAX);
            let reading = (pipeline.reads(circuit, id), bits, node.op.is_multiplier());
            readings[x.index()].push(reading);
        }
        cells = cells + multiplier(circuit, node, latency);
    }
    for (output, leaves) in circuit.outputs.iter().zip(&pipeline.leaves) {
        readings[output.index()].push((leaves.0, u32::MAX, false));
    }
    for ((id, node), mut readings) in circuit.iter().zip(readings) {
        if matches!(node.op, Op::Constant(_)) {
            continue;
        }
        readings.sort_unstable();
        let is_reset = match node.op {
            Op::Clamp { .. } => true,
            Op::Input(i) => reset(i as usize),
            _ => false,
        };
        for bit in 0..node.width {
            let of_bit = readings.iter().filter(|(_, bits, _)| *bits > bit);
            let mut from = pipeline.available(id);
            let mut stages = of_bit.clone().map(|(stage, ..)| *stage).collect::<Vec<u32>>();
            stages.dedup();
            for &stage in stages.iter().filter(|stage| **stage > pipeline.available(id)) {
                let first = u32::from(is_reset && from == pipeline.available(id));
                let mut here = of_bit.clone().filter(|(s, ..)| *s == stage);
                let only = (here.next(), here.next());
                let in_block = match only {
                    (Some((.., true)), None) if stages.last() == Some(&stage) => (stage - from)
                        .min(OPERAND_REGISTERS.saturating_sub(latency.saturating_sub(2))),
                    _ => 0,
                };
                cells = cells
                    + Cells {
                        packed: in_block.into(),
                        ..Cells::delay(1, (stage - from).into(), (first + in_block).into())
                    };
                from = stage;
            }
        }
    }
    cells
}

/// Registers that a DSP block has for an operand.
const OPERAND_REGISTERS: u32 = 2;

/// The registers of a multiplier of that latency: those of its coefficient stand beside its block.
fn multiplier(circuit: &Circuit, node: &circuit::Node, latency: u32) -> Cells {
    let bits = |x: NodeId| u64::from(circuit.node(x).width) + u64::from(!circuit.node(x).signed);
    let (operands, coefficient) = match node.op {
        Op::Multiply { x, coefficient_bits, .. } => (bits(x), u64::from(coefficient_bits)),
        Op::Product { x, y, .. } => (bits(x) + bits(y), 0),
        _ => return Cells::default(),
    };
    let product = if latency >= 2 { operands + coefficient } else { 0 };
    let packed = operands * u64::from(latency.saturating_sub(2)) + product + u64::from(node.width);
    Cells { registers: coefficient + packed, packed, ..Cells::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operand(bits: u32, signed: bool, negate: bool) -> Operand {
        Operand { low: 0, top: bits, endless: signed, negate }
    }

    /// As Yosys 0.70 maps them to xc7, inverters included.
    #[test]
    fn additions_take_what_yosys_maps() {
        let [u7, s9] = [(7, false), (9, true)].map(|(n, s)| move |neg| operand(n, s, neg));
        let s12 = |negate| operand(12, true, negate);
        assert_eq!(sum_of_two(&u7(false), &u7(false), 8), 7);
        assert_eq!(sum_of_two(&u7(false), &u7(true), 8), 8);
        assert_eq!(sum_of_two(&u7(false), &s9(false), 10), 7);
        assert_eq!(sum_of_two(&u7(false), &s9(true), 10), 10);
        assert_eq!(sum_of_two(&s12(false), &s12(true), 12), 13);
        assert_eq!(sum_of_three(&[u7(false), u7(false), u7(true)], 9), 8);
        assert_eq!(sum_of_three(&[s9(false), u7(true), u7(true)], 10), 10);
    }

    #[test]
    fn three_registers_in_a_row_are_a_shift_register_and_two_are_none() {
        let of = |stages, fixed| {
            let cells = Cells::delay(8, stages, fixed);
            (cells.registers, cells.shifted, cells.shift_registers)
        };
        assert_eq!([of(2, 0), of(3, 0)], [(16, 0, 0), (24, 24, 8)]);
        assert_eq!([of(3, 1), of(5, 1)], [(24, 0, 0), (40, 32, 8)]);
    }

    #[test]
    fn a_memory_is_luts_until_block_ram_is_cheaper() {
        assert_eq!(Cells::lut_memory(97, 20).memories6, 68);
        assert_eq!([block_rams(8, 64), block_rams(16, 128), block_rams(96, 64)], [0; 3]);
        assert_eq!([block_rams(16, 512), block_rams(16, 2048)], [1, 2]);
        assert!(Cells::memory(8, 64).memories6 > 0 && Cells::memory(16, 1024).memories6 == 0);
    }
}
