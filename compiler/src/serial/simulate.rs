//! The meaning of a serial layer: its registers, clock by clock.

use super::{Node, NodeId, Op, Serial, clocks};
use crate::circuit::{self, Circuit, wrap};
use std::collections::VecDeque;

/// A serial layer in operation, free-running: what enters at a clock is shown
/// [`latency`](Serial::latency) clocks later.
pub struct Simulator<'a> {
    circuit: &'a Circuit,
    serial: &'a Serial,
    /// What each node holds.
    held: Vec<Held>,
    /// The hardware multipliers.
    multipliers: Vec<Turns>,
    /// The strobes of clock 0 and later ones.
    strobes: VecDeque<bool>,
    /// What each node shows in the clock at hand: its bits, or its value where it is parallel.
    shown: Vec<i64>,
}

/// Whose product a hardware multiplier shows.
struct Turns {
    /// The rows, in the order of their turns.
    rows: Vec<NodeId>,
    /// The clock of the first one's product.
    begins: u32,
    /// Clocks since the strobe of that clock.
    position: usize,
}

/// The registers of a node.
#[derive(Clone, Default)]
struct Held {
    /// Words, the newest first: one, or as many as a multiplier has under way.
    words: VecDeque<i64>,
    /// A carry, the bits that a shift keeps for the next digit, the word that is in digits, or the
    /// digits that a multiplier has of one.
    carry: i64,
    /// Clocks since the strobe of the node's first digit.
    position: u32,
}

/// The low bits of a value.
fn low(value: i64, bits: u32) -> i64 {
    wrap(value, bits, false)
}

impl<'a> Simulator<'a> {
    /// A layer that holds 0 everywhere; it must be [verified](super::verify).
    pub fn new(circuit: &'a Circuit, serial: &'a Serial) -> Self {
        let held = serial.nodes.iter().map(|node| {
            let words = match node.op {
                Op::Parallel(_) | Op::Multiply { .. } => {
                    clocks(&circuit.node(node.of).op, serial.multiplier_latency)
                }
                _ => 1,
            };
            Held { words: VecDeque::from(vec![0; words.max(1) as usize]), ..Held::default() }
        });
        let turns = |m: super::Multiplier| Turns {
            begins: m.first + m.digits - 1 + serial.multiplier_latency,
            rows: m.rows,
            position: usize::MAX,
        };
        let multipliers = serial.multipliers(circuit).into_iter().map(turns).collect();
        let strobes = VecDeque::from(vec![false; serial.latency as usize + 1]);
        let shown = vec![0; serial.nodes.len()];
        Simulator { circuit, serial, held: held.collect(), multipliers, strobes, shown }
    }

    /// A clock, in which a word enters or none, which then are zeros; what is shown in it, where
    /// that is a word.
    pub fn clock(&mut self, input: Option<&[i64]>) -> Option<Vec<i64>> {
        self.strobes.push_front(input.is_some());
        self.strobes.pop_back();
        let zeros = vec![0; self.circuit.inputs.len()];
        let input = input.unwrap_or(&zeros);
        for number in 0..self.multipliers.len() {
            let first = self.strobe(self.multipliers[number].begins);
            let position = &mut self.multipliers[number].position;
            *position = if first { 0 } else { position.saturating_add(1) };
        }
        for (i, node) in self.serial.nodes.iter().enumerate() {
            if self.strobe(node.begins) {
                self.held[i].position = 0;
            }
            // What its multiplier shows, whosever turn it is.
            let own = match node.op {
                Op::Multiply { .. } => self.turn(NodeId(i as u32)),
                _ => Some(i),
            };
            self.shown[i] = own.map_or(0, |own| self.show(node, &self.held[own], input));
        }
        for (i, node) in self.serial.nodes.iter().enumerate() {
            let mut held = std::mem::take(&mut self.held[i]);
            self.step(node, &mut held);
            held.position = (held.position + 1).min(self.serial.interval);
            self.held[i] = held;
        }
        let outputs = self.serial.outputs.iter().map(|id| self.shown[id.index()]).collect();
        self.strobe(self.serial.latency).then_some(outputs)
    }

    /// The row whose product is shown where that of `product` may be expected.
    fn turn(&self, product: NodeId) -> Option<usize> {
        let own = self.multipliers.iter().find(|turns| turns.rows.contains(&product))?;
        own.rows.get(own.position).map(|row| row.index())
    }

    /// The strobe of a clock; there is none after the last one.
    fn strobe(&self, clock: u32) -> bool {
        self.strobes.get(clock as usize).copied().unwrap_or(false)
    }

    /// The place of the digit that a node shows in the next clock.
    fn next_place(&self, node: &Node, held: &Held) -> u32 {
        if self.strobe(node.begins - 1) { 0 } else { held.position + 1 }
    }

    /// What a node shows.
    fn show(&self, node: &Node, held: &Held, input: &[i64]) -> i64 {
        let own = self.circuit.node(node.of);
        let bits = node.form.bits();
        let last = held.words.back().copied().unwrap_or(0);
        match node.op {
            Op::Parallel(_) if clocks(&own.op, self.serial.multiplier_latency) > 0 => last,
            Op::Parallel(x) => {
                let value = own.op.compute(input, |_| x.map_or(0, |x| self.shown[x.index()]));
                wrap(value, bits, own.signed)
            }
            Op::Gather { x, digits } => {
                let digit = self.serial.node(x).form.bits();
                let word = last | self.shown[x.index()] << (digit * (digits - 1));
                wrap(word, bits, own.signed)
            }
            Op::Constant
            | Op::Digits { .. }
            | Op::Add { .. }
            | Op::Shift { .. }
            | Op::Delay(_)
            | Op::Multiply { .. } => last,
        }
    }

    /// A rising edge.
    fn step(&self, node: &Node, held: &mut Held) {
        let own = self.circuit.node(node.of);
        let bits = node.form.bits();
        let shown = |x: super::NodeId| self.shown[x.index()];
        let next = match node.op {
            Op::Parallel(Some(x)) => wrap(own.op.compute(&[], |_| shown(x)), bits, own.signed),
            Op::Parallel(None) => return,
            Op::Constant => {
                let circuit::Op::Constant(value) = own.op else { return };
                let below = self.next_place(node, held) * bits;
                // In two steps: what is shifted in is beyond 64 bits only in its sign.
                let value = i128::from(value) << node.shift >> below.min(127);
                low(value as i64, bits)
            }
            Op::Digits { x, holds } => {
                // Above the word the register stays as it is, all sign.
                let place = self.next_place(node, held);
                let word = self.serial.node(x).form.bits() - u32::from(own.signed);
                let digit = if place < word.div_ceil(bits) + u32::from(own.signed) {
                    low(held.carry >> (place * bits).min(63), bits)
                } else if own.signed {
                    held.words[0]
                } else {
                    0
                };
                if self.strobe(holds) {
                    held.carry = shown(x);
                }
                digit
            }
            Op::Add { terms, negates, restarts } => {
                let of = |(x, negate): (&super::NodeId, &bool)| {
                    if *negate { low(!shown(*x), bits) } else { shown(*x) }
                };
                let sum = terms.iter().zip(negates.iter()).map(of).sum::<i64>() + held.carry;
                // As many as are inverted, or what goes on to the next digit: up to 2.
                let ones = negates.iter().filter(|negate| **negate).count() as i64;
                held.carry = if self.strobe(restarts) { ones } else { sum >> bits };
                low(sum, bits)
            }
            Op::Shift { x, clears } => {
                let (whole, rest) = (node.shift / bits, node.shift % bits);
                // Digits that are still those of the word before, and the bits kept from one.
                let cleared = (0..whole).any(|k| self.strobe(clears + k));
                let below = (0..=whole).any(|k| self.strobe(clears + k));
                let kept = if below { 0 } else { held.carry };
                held.carry = shown(x) >> (bits - rest);
                let moved = if cleared { 0 } else { low(shown(x) << rest, bits) };
                moved | kept
            }
            Op::Delay(x) => shown(x),
            Op::Gather { x, digits } => {
                let digit = self.serial.node(x).form.bits();
                let word = held.words.front().copied().unwrap_or(0);
                (word | shown(x) << (digit * (digits - 1))) >> digit
            }
            Op::Multiply { x, digits, .. } => {
                let from = self.serial.node(x);
                let digit = from.form.bits();
                let word = held.carry | shown(x) << (digit * (digits - 1));
                held.carry = word >> digit;
                let operand = wrap(word, digit * digits, self.circuit.node(from.of).signed);
                wrap(own.op.compute(&[], |_| operand), bits, own.signed)
            }
        };
        held.words.push_front(next);
        held.words.pop_back();
    }
}

/// Streams `words` through the layer, one every [`interval`](Serial::interval) clocks; what comes
/// out, in order.
pub fn simulate(circuit: &Circuit, serial: &Serial, words: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut simulator = Simulator::new(circuit, serial);
    let mut outputs = vec![];
    for word in words {
        for clock in 0..serial.interval {
            outputs.extend(simulator.clock(Some(word.as_slice()).filter(|_| clock == 0)));
        }
    }
    for _ in 0..serial.latency {
        outputs.extend(simulator.clock(None));
    }
    outputs.truncate(words.len());
    outputs
}
