//! The cells that a circuit becomes, counted as Yosys maps it.

use crate::circuit::{self, Circuit, NodeId, Op, Term};
use crate::compile::Unrolled;
use crate::schedule::Pipeline;
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
    /// Of these, carry chains of an odd number of bits, where a cell holds two.
    pub odd_chains: u64,
    /// LUTs of 4 inputs of sums that are terms of one sum alone, in the same stage, beyond those:
    /// Yosys adds such terms up by two LUTs a bit and has one chain for all.
    pub merged: u64,
    /// Bits of the operands that sums which are chains of their own subtract, each counted once:
    /// where carry chains cannot invert, each is a LUT more.
    pub subtracted_bits: u64,
    /// Bits of all registers.
    pub registers: u64,
    /// Those of them that lie in DSP blocks, where tools pack them.
    pub packed: u64,
    /// Those of them that lie in shift registers, where LUTs can be some.
    pub shifted: u64,
    /// The LUTs of these.
    pub shift_registers: u64,
    /// Bits of registers right behind a FIFO: where that is block RAM, they are its own.
    pub fetched: u64,
}

impl Add for Cells {
    type Output = Cells;

    fn add(self, other: Cells) -> Cells {
        Cells {
            luts6: self.luts6 + other.luts6,
            luts4: self.luts4 + other.luts4,
            odd_chains: self.odd_chains + other.odd_chains,
            merged: self.merged + other.merged,
            subtracted_bits: self.subtracted_bits + other.subtracted_bits,
            registers: self.registers + other.registers,
            packed: self.packed + other.packed,
            shifted: self.shifted + other.shifted,
            shift_registers: self.shift_registers + other.shift_registers,
            fetched: self.fetched + other.fetched,
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
}

/// Registers that Yosys makes a shift register of, and how many one LUT holds.
const SHORTEST_SHIFT: u64 = 3;
const LONGEST_SHIFT: u64 = 32;

/// The cells of a layer's circuit. Of the inputs, those for which `reset` holds come from a clamp
/// of the layer before, whose register is reset where it clamps.
pub(super) fn of_circuit(layer: &Unrolled, reset: &dyn Fn(usize) -> bool) -> Cells {
    logic(&layer.circuit, &layer.pipeline) + registers(&layer.circuit, &layer.pipeline, reset)
}

/// The LUTs of a circuit.
pub(super) fn logic(circuit: &Circuit, pipeline: &Pipeline) -> Cells {
    let merged = merged(circuit, pipeline);
    let luts = circuit.iter().map(|(id, node)| {
        let luts4 = luts4(circuit, id);
        let merges = merged[id.index()];
        let is_sum = matches!(node.op, Op::Add(_));
        Cells {
            luts6: luts6(circuit, id),
            luts4,
            odd_chains: if is_sum && !merges { luts4 % 2 } else { 0 },
            merged: if merges { (2 * compressed(circuit, node)).saturating_sub(luts4) } else { 0 },
            ..Cells::default()
        }
    });
    let subtracted_bits = subtracted_bits(circuit, &merged);
    luts.sum::<Cells>() + Cells { subtracted_bits, ..Cells::default() }
}

/// The bits from which a merged sum takes two LUTs each: above the terms, whose signs repeat, they
/// would be the same again.
fn compressed(circuit: &Circuit, node: &circuit::Node) -> u64 {
    let Op::Add(terms) = node.op else { return 0 };
    let top = terms.iter().map(|t| t.shift + circuit.node(t.node).width).max().unwrap_or(0);
    let above_terms = node.width.saturating_sub(top);
    above(circuit, node, &terms, 2).saturating_sub(above_terms.into())
}

/// The nodes that are read once, by a sum of their own stage, and are sums themselves.
fn merged(circuit: &Circuit, pipeline: &Pipeline) -> Vec<bool> {
    let is_sum = |id: NodeId| matches!(circuit.node(id).op, Op::Add(_));
    let at = |id: NodeId| pipeline.available(id);
    let readers = circuit.readers();
    let merges = circuit.iter().map(|(id, _)| match readers[id.index()][..] {
        [reader] => {
            let leaves = circuit.outputs.contains(&id);
            is_sum(id) && is_sum(reader) && at(id) == at(reader) && !leaves
        }
        _ => false,
    });
    merges.collect()
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
        let endless = node.signed || is_constant(circuit, &node.op).is_some();
        Operand { low: t.shift, top: t.shift + node.width, endless, negate: t.negate }
    }

    fn reaches(&self, bit: u32) -> bool {
        bit >= self.low && (bit < self.top || self.endless)
    }
}

/// The value of a constant that synthesis knows.
fn is_constant(circuit: &Circuit, op: &Op) -> Option<i64> {
    match *op {
        Op::Constant(v) if !circuit.loaded => Some(v),
        _ => None,
    }
}

fn luts6(circuit: &Circuit, id: NodeId) -> u64 {
    let node = circuit.node(id);
    match node.op {
        Op::Add(terms) => {
            let operand = |t: &Term| Operand::new(circuit, t);
            let constant =
                |t: &Term| is_constant(circuit, &circuit.node(t.node).op).map(|v| t.of(v));
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
        Op::Shift { bits, .. } => chosen(node.width, bits, 2),
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

/// Each bit is chosen by the bits of the shift, of which a LUT takes so many.
fn chosen(width: u32, bits: u32, of_one: u32) -> u64 {
    u64::from(width) * u64::from(bits.div_ceil(of_one))
}

/// What is cut off below is reset in the register behind, if that is zero; else each bit is chosen.
/// What is above is found by LUTs of so many inputs.
pub(super) fn clamp(circuit: &Circuit, node: &circuit::Node, x: NodeId, inputs: u32) -> u64 {
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
    let low = |t: &Term| match is_constant(circuit, &circuit.node(t.node).op) {
        Some(v) => t.shift + v.trailing_zeros(),
        None => t.shift,
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
        Op::Shift { bits, .. } => chosen(node.width, bits, 1),
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

/// Bits of the operands of additions that chains which do not invert want inverted, each once. What
/// merged sums add up goes through LUTs, which invert.
fn subtracted_bits(circuit: &Circuit, merged: &[bool]) -> u64 {
    let alone = circuit.iter().filter(|(id, node)| {
        !merged[id.index()] && !node.op.operands().any(|operand| merged[operand.index()])
    });
    let once: BTreeSet<_> =
        alone.flat_map(|(_, node)| circuit::inverters(circuit, &node.op)).collect();
    once.into_iter().map(|id| u64::from(circuit.node(id).width)).sum()
}

/// A reading of the bits of a node from `low` up to `top`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    stage: u32,
    low: u32,
    top: u32,
    /// Whether a multiplier reads them.
    multiplied: bool,
}

impl Reading {
    /// Those of its bits within a range, as they are numbered where bit `from` is bit 0.
    fn within(self, low: u32, top: u32, from: i64) -> Option<Reading> {
        let number = |bit: u32| (i64::from(bit) - from).clamp(0, i64::from(u32::MAX)) as u32;
        let (low, top) = (number(self.low.max(low)), number(self.top.min(top)));
        (low < top).then_some(Reading { low, top, ..self })
    }
}

/// A sum, and how many of its low bits are cut off.
fn sum_of(op: &Op) -> Option<(Vec<Term>, Option<i64>, i64)> {
    match *op {
        Op::Add(terms) => Some((terms.iter().copied().collect(), None, 0)),
        Op::Offset { x, constant, shift } => Some((vec![x], Some(constant), shift.into())),
        Op::Scale { x, shift, .. } => Some((vec![x], None, shift.into())),
        _ => None,
    }
}

/// The registers of the delay lines, bit by bit, and those of multipliers. Where a line is read on
/// its way, a shift register ends. A multiplier's block takes in the registers before it that
/// nothing else reads, two with its own. A bit of a sum that one term alone reaches is that term's,
/// and is held once; one that no reader needs is not held.
pub(super) fn registers(
    circuit: &Circuit,
    pipeline: &Pipeline,
    reset: &dyn Fn(usize) -> bool,
) -> Cells {
    let latency = pipeline.multiplier_latency;
    let mut readings: Vec<Vec<Reading>> = vec![vec![]; circuit.nodes.len()];
    for (output, leaves) in circuit.outputs.iter().zip(&pipeline.leaves) {
        let all = Reading { stage: leaves.0, low: 0, top: u32::MAX, multiplied: false };
        readings[output.index()].push(all);
    }
    let mut cells = Cells::default();
    let nodes: Vec<(NodeId, &circuit::Node)> = circuit.iter().collect();
    // What reads a node comes behind it.
    for (id, node) in nodes.into_iter().rev() {
        let mut own = std::mem::take(&mut readings[id.index()]);
        let Some(lowest) = own.iter().map(|reading| reading.low).min() else { continue };
        cells = cells + multiplier(circuit, node, latency);
        let (stage, multiplied) = (pipeline.reads(circuit, id), node.op.is_multiplier());
        let Some((terms, constant, cut)) = sum_of(&node.op) else {
            for x in node.op.operands() {
                readings[x.index()].push(Reading { stage, low: 0, top: u32::MAX, multiplied });
            }
            hold(&own, node, pipeline.available(id), latency, reset, &mut cells);
            continue;
        };
        // The lowest bit of each term, and that from which two reach, or one is negated.
        let low = |t: &Term| match is_constant(circuit, &circuit.node(t.node).op) {
            Some(v) => t.shift.saturating_add(v.trailing_zeros()),
            None => t.shift,
        };
        let mut lows: Vec<u32> = terms.iter().map(low).collect();
        lows.extend(constant.filter(|v| *v != 0).map(i64::trailing_zeros));
        lows.sort_unstable();
        let negated = terms.iter().filter(|t| t.negate).map(low).min().unwrap_or(u32::MAX);
        let begins = lows.get(1).copied().unwrap_or(u32::MAX).min(negated);
        let behind = |bit: u32| (i64::from(bit) - cut).clamp(0, u32::MAX.into()) as u32;
        for t in &terms {
            let from = (i64::from(lowest) + cut).min(begins.into());
            let [low_bit, top] = [from, i64::from(node.width) + cut]
                .map(|bit| (bit - i64::from(t.shift)).clamp(0, u32::MAX.into()) as u32);
            let to = &mut readings[t.node.index()];
            to.push(Reading { stage, low: low_bit, top, multiplied });
            // Below, this term alone reaches.
            if Some(&low(t)) == lows.first() && low(t) < begins {
                let passed = own.iter().filter_map(|reading| {
                    reading.within(behind(t.shift), behind(begins), i64::from(t.shift) - cut)
                });
                to.extend(passed);
            }
        }
        if begins < u32::MAX {
            own = own.iter().filter_map(|r| r.within(behind(begins), u32::MAX, 0)).collect();
            hold(&own, node, pipeline.available(id), latency, reset, &mut cells);
        }
    }
    cells
}

/// Adds the registers of a node from where it is available to where it is read.
fn hold(
    readings: &[Reading],
    node: &circuit::Node,
    available: u32,
    latency: u32,
    reset: &dyn Fn(usize) -> bool,
    cells: &mut Cells,
) {
    let is_reset = match node.op {
        Op::Constant(_) => return,
        Op::Clamp { .. } => true,
        Op::Input(i) => reset(i as usize),
        _ => false,
    };
    let mut readings = readings.to_vec();
    readings.sort_unstable();
    for bit in 0..node.width {
        let of_bit = readings.iter().filter(|r| (r.low..r.top).contains(&bit));
        let mut from = available;
        let mut stages = of_bit.clone().map(|r| r.stage).collect::<Vec<u32>>();
        stages.dedup();
        for &stage in stages.iter().filter(|stage| **stage > available) {
            let first = u32::from(is_reset && from == available);
            let mut here = of_bit.clone().filter(|r| r.stage == stage);
            let only = (here.next(), here.next());
            let in_block = match only {
                (Some(Reading { multiplied: true, .. }), None) if stages.last() == Some(&stage) => {
                    (stage - from).min(OPERAND_REGISTERS.saturating_sub(latency.saturating_sub(2)))
                }
                _ => 0,
            };
            *cells = *cells
                + Cells {
                    packed: in_block.into(),
                    ..Cells::delay(1, (stage - from).into(), (first + in_block).into())
                };
            from = stage;
        }
    }
}

/// Registers that a DSP block has for an operand.
const OPERAND_REGISTERS: u32 = 2;

/// The registers of a multiplier, or of a constant or a shift that is loaded.
fn multiplier(circuit: &Circuit, node: &circuit::Node, latency: u32) -> Cells {
    let bits = |x: NodeId| u64::from(circuit.node(x).width);
    match node.op {
        Op::Multiply { .. } | Op::Product { .. } => {
            of_multiplier(&node.op, node.width, node.op.operands().map(bits).sum(), latency)
        }
        Op::Constant(_) if circuit.loaded => {
            Cells { registers: node.width.into(), ..Cells::default() }
        }
        Op::Shift { bits, .. } => Cells { registers: bits.into(), ..Cells::default() },
        _ => Cells::default(),
    }
}

/// The registers of a multiplier of that latency, with operands of so many bits and a result of
/// `width`: those of its coefficient stand beside its block. Of the product as many bits are held as
/// the rounding reads.
pub(super) fn of_multiplier(op: &Op, width: u32, operands: u64, latency: u32) -> Cells {
    let (coefficient, shift) = match *op {
        Op::Multiply { coefficient_bits, shift, .. } => (u64::from(coefficient_bits), shift),
        _ => (0, 0),
    };
    let result = u64::from(width.saturating_sub(shift.min(0).unsigned_abs()));
    let product = if latency >= 2 { result + u64::from(shift > 0) } else { 0 };
    let packed = operands * u64::from(latency.saturating_sub(2)) + product + result;
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
    /// A sum of three in one stage, and in two: merged, it needs no inverter, and Yosys adds the
    /// bits of three terms up by two LUTs each.
    #[test]
    fn what_a_merged_sum_subtracts_needs_no_inverter() {
        let text = "circuit sum: s4 0 -> s6 0\n\
                    a: s4 -8..=7 = input 0 ; a\n\
                    b: s4 -8..=7 = input 1 ; b\n\
                    c: s4 -8..=7 = input 2 ; c\n\
                    d: s5 -16..=14 = add a b ; a + b\n\
                    e: s6 -23..=22 = add d -c ; a + b - c\n\
                    outputs e\n";
        let circuit = crate::text::one::<Circuit>(text).unwrap();
        crate::circuit::verify(&circuit).unwrap();
        let [one, two] = [2, 1].map(|adders| {
            let limit = crate::schedule::Limit::Adders(adders);
            let options = crate::schedule::Options { limit, ..Default::default() };
            let cells = logic(&circuit, &crate::schedule::schedule(&circuit, &options).unwrap());
            (cells.luts4 + cells.merged, cells.subtracted_bits)
        });
        assert_eq!((one, two), ((6 + 2 * 4, 0), (6 + 5, 4)));
    }
}
