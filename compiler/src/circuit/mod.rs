//! The circuit of one layer: scalar operations, adder graphs opened and joined with multipliers and requantisers.
//!
//! Against the dataflow IR, values are single integers, linear operations have become shared additions, and each node has
//! its width in bits and the origin it serves. It knows nothing of clocks: that is the schedule's.

use crate::interval::Interval;

/// A node of one [`Circuit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in [`Circuit::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One layer as scalar operations in topological order.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// The layer's name.
    pub name: String,
    /// Topologically ordered; names are unique.
    pub nodes: Vec<Node>,
    /// One per element that enters, unused ones included.
    pub inputs: Vec<NodeId>,
    /// One per element that leaves.
    pub outputs: Vec<NodeId>,
}

/// One scalar operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Verilog-safe, unique within the circuit, telling operation and place, e.g. `wb_add_17`, `m_3`, `wc_add_5`, `y_2`, `z_2`.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Every value it takes as an unbounded integer, for all inputs of the declared format.
    pub interval: Interval,
    /// Width of the signal in bits. It holds `interval`, or, for an intermediate sum whose users all reduce modulo
    /// 2^width, at least what they need ("an intermediate may wrap where the final width is proved").
    pub width: u32,
    /// Whether the signal is two's complement.
    pub signed: bool,
    /// What of the model it serves, for comments and mismatch reports, e.g. `W_b rows 3, 17` or `output 2: bias`.
    pub origin: String,
}

/// `(-1)^negate · node · 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The node that is read.
    pub node: NodeId,
    /// Left shift in bits.
    pub shift: u32,
    /// Whether it is subtracted.
    pub negate: bool,
}

/// What a scalar node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Element number `0` of the layer's input stream.
    Input(u32),
    /// A two-operand addition.
    Add(Term, Term),
    /// `round(coefficient · x · 2^-shift)`, half up: one multiplier of the array. Shift ≤ 0 is an exact left shift.
    Multiply {
        /// The operand.
        x: NodeId,
        /// The coefficient as the hardware holds it (signs absorbed from the adder graph).
        coefficient: i64,
        /// Width of the coefficient register, sign included.
        coefficient_bits: u32,
        /// Right shift of the product.
        shift: i32,
        /// Row of W_b in the model, `0..r`.
        row: u32,
    },
    /// `floor((x + constant) · 2^-shift)` with x a term; shift ≤ 0 is an exact left shift. Bias and rounding in one constant
    /// addition; with `constant` 0, `shift` 0 and no negation it is a wire.
    Offset {
        /// The operand.
        x: Term,
        /// Added before the shift.
        constant: i64,
        /// Right shift.
        shift: i32,
    },
    /// A constant: the output of a row without any live term.
    Constant(i64),
    /// `min(max(x, lo), hi)`.
    Clamp {
        /// The operand.
        x: NodeId,
        /// Lower bound.
        lo: i64,
        /// Upper bound.
        hi: i64,
    },
}
