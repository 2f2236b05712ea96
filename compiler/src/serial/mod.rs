//! Digit-serial layers: the circuit of a layer, computed a digit a clock.
//!
//! Where a word comes every [`interval`](Serial::interval) clocks at most, the bits of a sum pass
//! one adder in as many clocks, least significant digit first. The nodes are those of the circuit,
//! each in the *form* in which it is there: *parallel*, all bits in one clock, as inputs, products
//! and outputs are, or *serial*, a digit of `digit` bits a clock, as all sums are. Between them
//! stand [`Op::Digits`], which holds a word and shows its digits, and [`Op::Gather`], a shift
//! register.
//!
//! Semantics: clocks are counted from the one in which a word enters. A *strobe* runs along with
//! the word: that of clock k is high in the k-th clock of every word. A parallel node is there in
//! clock `begins` alone. A serial one shows digit i in clock `begins + i`, for as many digits as
//! the interval has clocks: its value modulo 2^(interval · digit), so that the sign is extended
//! wherever an input's is. A hardware multiplier multiplies for as many nodes as a word has clocks,
//! one after the other ([`Op::Multiply`]). Clock by clock, a layer is [`Simulator`].
//!
//! Invariants, checked by [`verify`]:
//! - nodes are in topological order; a node stands for a node of the circuit, times a power of two
//!   behind a shift, and computes it as the circuit does, from nodes that stand for its operands;
//! - all that a node reads is there in the clock in which it reads it: digits meet those of their
//!   own place and of their own width;
//! - a sum's carry is set in the clock before the first digits meet, and so is what a shift moves
//!   in;
//! - no more digits are gathered than the interval has clocks, and as many as the bits need;
//! - a word is held for its digits until the last of them is chosen, and the next one comes no
//!   sooner;
//! - the words that share a multiplier come one a clock, less than an interval apart;
//! - a parallel node that becomes digits, is multiplied, clamped or leaves holds its value, and not
//!   only its low bits;
//! - outputs leave in one clock, the last one.

mod build;
mod simulate;
mod text;
mod verify;

pub use build::build;
pub use simulate::{Simulator, simulate};
pub use verify::verify;

use crate::adder_graph::Terms;
use crate::circuit::{self, Circuit};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Clocks from one word to the next that a layer may be asked for.
pub const INTERVAL: RangeInclusive<u32> = 1..=64;

/// A node of one [`Serial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in [`Serial::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A layer in digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial {
    /// The least clocks from one word to the next.
    pub interval: u32,
    /// Clocks from a multiplier's operand to its rounded product.
    pub multiplier_latency: u32,
    /// The clock in which the outputs are there.
    pub latency: u32,
    /// Topologically ordered.
    pub nodes: Vec<Node>,
    /// One for each output of the circuit.
    pub outputs: Vec<NodeId>,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The node of the circuit for which it stands.
    pub of: circuit::NodeId,
    /// It stands for that node times 2^shift.
    pub shift: u32,
    /// The clock in which it is there, or its first digit is.
    pub begins: u32,
    /// How it is there.
    pub form: Form,
    /// How it comes about.
    pub op: Op,
}

/// How a value is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// So many low bits in one clock.
    Parallel(u32),
    /// So many bits a clock.
    Serial(u32),
}

/// How a node comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The operation of its node in the circuit, on parallel values: an input or a constant, what
    /// is only wires, a clamp, or an addition of a constant with a register behind it.
    Parallel(Option<NodeId>),
    /// The digits of a parallel value, from a register; the value is held from the strobe of clock
    /// `holds` on.
    Digits {
        /// The parallel value.
        x: NodeId,
        /// The clock whose strobe lets it in.
        holds: u32,
    },
    /// The digits of a constant, from a register.
    Constant,
    /// `a ± b`, or `a ± b ± c`, from a register.
    Add {
        /// All terms.
        terms: Terms<NodeId>,
        /// Which of them are subtracted.
        negates: Terms<bool>,
        /// The clock whose strobe sets the carry for the next clock.
        restarts: u32,
    },
    /// `x · 2^shift`, from a register.
    Shift {
        /// What is shifted.
        x: NodeId,
        /// The first clock whose strobe moves zeros in for the next clock.
        clears: u32,
    },
    /// x a clock later.
    Delay(NodeId),
    /// The parallel value of so many digits.
    Gather {
        /// The digits.
        x: NodeId,
        /// How many of them.
        digits: u32,
    },
    /// The product of the parallel value of so many digits, as a hardware multiplier has it that
    /// serves other nodes in other clocks.
    Multiply {
        /// The digits.
        x: NodeId,
        /// How many of them.
        digits: u32,
        /// The number of the multiplier.
        multiplier: u32,
    },
}

impl Op {
    /// The nodes that are read, in order.
    pub fn operands(&self) -> impl Iterator<Item = NodeId> + use<> {
        let read = match *self {
            Op::Constant | Op::Parallel(None) => [None; 3],
            Op::Add { terms, .. } => [0, 1, 2].map(|i| terms.get(i).copied()),
            Op::Parallel(Some(x))
            | Op::Digits { x, .. }
            | Op::Shift { x, .. }
            | Op::Delay(x)
            | Op::Gather { x, .. }
            | Op::Multiply { x, .. } => [Some(x), None, None],
        };
        read.into_iter().flatten()
    }
}

impl Form {
    /// The bits of its signal.
    pub fn bits(self) -> u32 {
        let (Form::Parallel(bits) | Form::Serial(bits)) = self;
        bits
    }
}

impl Serial {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Every id with its node, in topological order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeId(i as u32), node))
    }

    /// The widest digits, in bits; 0 where nothing is serial.
    pub fn digit(&self) -> u32 {
        let digits = self.nodes.iter().filter_map(|node| match node.form {
            Form::Serial(digit) => Some(digit),
            Form::Parallel(_) => None,
        });
        digits.max().unwrap_or(0)
    }

    /// The hardware multipliers, by their numbers.
    pub fn multipliers(&self, circuit: &Circuit) -> Vec<Multiplier> {
        let mut rows: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
        for (id, node) in self.iter() {
            if let Op::Multiply { multiplier, .. } = node.op {
                rows.entry(multiplier).or_default().push(id);
            }
        }
        let made = rows.into_values().filter_map(|mut rows| {
            rows.sort_by_key(|id| self.node(*id).begins);
            Multiplier::of(self, circuit, rows)
        });
        made.collect()
    }

    /// The clocks from which the places of digits are counted: those of the first digits that
    /// multipliers read, and the ones before those that words and constants show from a register.
    pub fn places(&self, circuit: &Circuit) -> BTreeSet<u32> {
        let of_node = |node: &Node| match node.op {
            Op::Digits { .. } | Op::Constant => Some(node.begins - 1),
            _ => None,
        };
        let turns = self.multipliers(circuit).into_iter().map(|multiplier| multiplier.first);
        self.nodes.iter().filter_map(of_node).chain(turns).collect()
    }

    /// Bits of all registers but those within multipliers.
    pub fn register_bits(&self, circuit: &Circuit) -> u64 {
        let own = self.nodes.iter().map(|node| u64::from(self.registers(circuit, node)));
        // Digits wait for the last one in lines that are shorter by one for each.
        let waits = |m: &Multiplier| u64::from(m.digit * m.digits * (m.digits - 1) / 2);
        own.sum::<u64>() + self.multipliers(circuit).iter().map(waits).sum::<u64>()
    }

    /// Bits of the registers of a node, those within a multiplier excepted.
    pub fn registers(&self, circuit: &Circuit, node: &Node) -> u32 {
        let bits = node.form.bits();
        match node.op {
            Op::Parallel(_) if clocks(&circuit.node(node.of).op, 0) > 0 => bits,
            Op::Parallel(_) | Op::Multiply { .. } => 0,
            Op::Digits { x, .. } => self.node(x).form.bits() + bits,
            // A carry less than it has terms.
            Op::Add { terms, .. } => bits + terms.len() as u32 - 1,
            Op::Shift { .. } => bits + node.shift % bits,
            Op::Delay(_) | Op::Constant => bits,
            Op::Gather { x, digits } => (digits - 1) * self.node(x).form.bits(),
        }
    }
}

/// A hardware multiplier of a serial layer, and the rows that it multiplies in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// The products, one a clock.
    pub rows: Vec<NodeId>,
    /// The clock of the first row's first digit.
    pub first: u32,
    /// Bits of a digit.
    pub digit: u32,
    /// Digits of a row that is multiplied.
    pub digits: u32,
    /// Bits of what is multiplied, and whether the upper one is its sign.
    pub operand: (u32, bool),
    /// The coefficients of the rows, all of them times 2^-shift.
    pub coefficients: Vec<i64>,
    /// Bits of each of them.
    pub coefficient_bits: u32,
    /// By how many bits a product is shifted to the right.
    pub shift: i32,
    /// Bits of a product.
    pub bits: u32,
}

impl Multiplier {
    /// The multiplier of these rows, in the order of their turns; none where they have no common
    /// scale, which [`verify`] refuses.
    fn of(serial: &Serial, circuit: &Circuit, rows: Vec<NodeId>) -> Option<Self> {
        let row = |id: &NodeId| match (serial.node(*id).op, &circuit.node(serial.node(*id).of).op) {
            (Op::Multiply { x, digits, .. }, circuit::Op::Multiply { coefficient, shift, .. }) => {
                Some((serial.node(x), digits, *coefficient, *shift))
            }
            _ => None,
        };
        let all = rows.iter().map(row).collect::<Option<Vec<_>>>()?;
        let (x, digits, ..) = *all.first()?;
        let shift = all.iter().map(|(.., shift)| *shift).max()?;
        let scaled = |&(_, _, a, t): &(_, _, i64, i32)| a.checked_mul(1 << (shift - t).min(62));
        let coefficients = all.iter().map(scaled).collect::<Option<Vec<i64>>>()?;
        let own = |x: &Node| circuit.node(x.of);
        let operand_bits = all.iter().map(|(x, ..)| own(x).interval.bits()).max()?;
        // Two's complement, the sign included.
        let signed_bits = |a: &i64| (65 - (a ^ (a >> 63)).leading_zeros()).max(2);
        Some(Multiplier {
            first: x.begins,
            digit: x.form.bits(),
            digits,
            operand: (operand_bits, own(x).signed),
            coefficient_bits: coefficients.iter().map(signed_bits).max()?,
            coefficients,
            shift,
            bits: rows.iter().map(|id| serial.node(*id).form.bits()).max()?,
            rows,
        })
    }
}

/// The bits by which a signed value may exceed those of a clamp, where that keeps it within 0 and
/// all ones of its bits: `strassenc_saturate`.
pub(crate) fn saturates(circuit: &Circuit, node: &Node) -> Option<u32> {
    let circuit::Op::Clamp { x, lo: 0, hi } = circuit.node(node.of).op else { return None };
    let (bits, range) = (node.form.bits(), circuit.node(x).interval);
    let above = range.bits().checked_sub(bits + 1)?;
    let all_ones = i128::from(hi) + 1 == 1 << bits;
    (all_ones && range.lo < 0 && range.hi > hi && above > 0).then_some(above)
}

/// Clocks from the operands of a parallel operation to its result.
fn clocks(op: &circuit::Op, multiplier_latency: u32) -> u32 {
    match op {
        _ if op.is_multiplier() => multiplier_latency,
        circuit::Op::Offset { .. } if !op.is_wires() => 1,
        _ => 0,
    }
}
