//! The circuit of one layer: scalar operations, adder graphs opened and joined with multipliers and
//! requantisers.
//!
//! Against the dataflow IR, values are single integers, linear operations have become shared
//! additions, and each node has its width in bits and the origin it serves. It knows nothing of
//! clocks: that is the schedule's. Its meaning is [`evaluate`].
//!
//! Invariants, checked by [`verify`]:
//! - nodes are in topological order; names are unique and Verilog-safe; every node but an input
//!   serves an output;
//! - input number i is node i, within the input format; outputs are within the output format;
//! - an addition has two terms or three, of which the first is not negated and one is not shifted;
//! - every node's interval holds every value it takes (proved through exact coefficient vectors);
//! - where parameters are loaded, a constant holds any value of its interval, which has the
//!   opposite of each, a coefficient any of its bits but the one without an opposite, and what
//!   shifts an output any of its bits;
//! - a sum may be `inverted`, unless it leaves or anything but a sum of two signals reads it;
//! - a node as wide as its interval carries its value; a narrower one carries its value modulo
//!   2^width, and each of its readers needs no more than that: `width - shift` bits for an
//!   addition, `width + shift` for a right shift, and the value itself for multipliers, clamps and
//!   outputs.
//!
//! That a circuit computes its layer, for every input, is proved by [`prove`].

mod build;
mod evaluate;
mod forms;
mod polarity;
mod prove;
mod signs;
mod text;
mod verify;

pub use build::build;
pub use evaluate::{evaluate, wrap};
pub use polarity::{choose_polarity, inverters};
pub use prove::prove;
pub use verify::verify;

use crate::adder_graph;
use crate::interval::Interval;
use strassenc_runtime::Format;

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
    /// The format of every element that enters.
    pub input_format: Format,
    /// The format of every element that leaves.
    pub output_format: Format,
    /// Whether its coefficients, constants and shifts of outputs are loaded at run time: those that
    /// it has are the first ones, and intervals hold for all that their widths and bits can be.
    pub loaded: bool,
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
    /// Verilog-safe, unique within the circuit, telling operation and place, e.g. `wb_add_17`,
    /// `m_3_add_1`, `m_3`, `wc_add_5`, `y_2`, `z_2`.
    pub name: String,
    /// The operation that the node computes.
    pub op: Op,
    /// Every value it takes as an unbounded integer, for all inputs of the declared format.
    pub interval: Interval,
    /// Width of the signal in bits: the least of what `interval` and what the readers need. Where
    /// that is less than the interval needs, the signal is the value modulo 2^width, and readers
    /// take no more than its bits ("an intermediate may wrap where the final width is proved"). A
    /// reader that needs more bits than the width extends by `signed`.
    pub width: u32,
    /// Whether the signal is two's complement: whether `interval` has negative values.
    pub signed: bool,
    /// Whether the signal holds the complement of these bits, as a sum may where carry chains do
    /// not invert.
    pub inverted: bool,
    /// What of the model it serves, for comments and mismatch reports, e.g. `W_b rows 3, 17` or
    /// `output 2: bias`.
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

/// The terms of a sum.
pub type Terms = adder_graph::Terms<Term>;

/// What a scalar node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Element number `0` of the layer's input stream.
    Input(u32),
    /// A sum of two terms or three, one carry chain; the first is not negated, and at least one is
    /// not shifted.
    Add(Terms),
    /// `round(coefficient · x · 2^-shift)`, half up: one multiplier of the array. Shift ≤ 0 is an
    /// exact left shift.
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
    /// `floor(x · 2^-shift)`: the product of a row that is made of shifts and additions, of which
    /// x is the last; only wires. Shift ≤ 0 is an exact left shift, and then the sign of the
    /// coefficient is the readers'. Before a right shift, x holds what rounds it half up.
    Scale {
        /// The operand, neither negated nor shifted.
        x: Term,
        /// Right shift.
        shift: i32,
        /// Row of W_b in the model, `0..r`.
        row: u32,
    },
    /// `x · y`: one multiplier of the array, both operands data.
    Product {
        /// The operand from W_a.
        x: NodeId,
        /// The operand from W_b.
        y: NodeId,
        /// Row of W_a and W_b in the model, `0..r`.
        row: u32,
    },
    /// `floor((x + constant) · 2^-shift)` with x a term; shift ≤ 0 is an exact left shift. With `constant` 0 and no negation it is only wires. The
    /// sum before a right shift needs `width + shift` bits.
    Offset {
        /// The operand.
        x: Term,
        /// The constant that is added before the shift.
        constant: i64,
        /// Right shift.
        shift: i32,
    },
    /// A constant: a term of a sum, or the output of a row without any live term.
    Constant(i64),
    /// `floor(x · 2^-by)`: what an output is shifted by beyond the least that can be loaded.
    Shift {
        /// The operand.
        x: NodeId,
        /// Right shift, as the hardware holds it.
        by: u32,
        /// Width of its register.
        bits: u32,
    },
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

impl Term {
    /// The node itself.
    pub fn plain(node: NodeId) -> Self {
        Term { node, shift: 0, negate: false }
    }

    /// `(-1)^negate · value · 2^shift`.
    pub fn of(self, value: i64) -> i64 {
        let v = value << self.shift;
        if self.negate { -v } else { v }
    }
}

impl Op {
    /// The nodes that are read, in order.
    pub fn operands(&self) -> impl Iterator<Item = NodeId> + use<> {
        let read = match *self {
            Op::Input(_) | Op::Constant(_) => [None; 3],
            Op::Add(terms) => [0, 1, 2].map(|i| terms.get(i).map(|t| t.node)),
            Op::Product { x, y, .. } => [Some(x), Some(y), None],
            Op::Offset { x, .. } | Op::Scale { x, .. } => [Some(x.node), None, None],
            Op::Multiply { x, .. } | Op::Shift { x, .. } | Op::Clamp { x, .. } => {
                [Some(x), None, None]
            }
        };
        read.into_iter().flatten()
    }

    /// The operation on other nodes.
    pub fn map_nodes(mut self, f: impl Fn(NodeId) -> NodeId) -> Self {
        let of = |t: Term| Term { node: f(t.node), ..t };
        match &mut self {
            Op::Input(_) | Op::Constant(_) => {}
            Op::Add(terms) => terms.iter_mut().for_each(|t| *t = of(*t)),
            Op::Offset { x, .. } | Op::Scale { x, .. } => *x = of(*x),
            Op::Product { x, y, .. } => (*x, *y) = (f(*x), f(*y)),
            Op::Multiply { x, .. } | Op::Shift { x, .. } | Op::Clamp { x, .. } => *x = f(*x),
        }
        self
    }

    /// The row of W_b whose product it is.
    pub fn row(&self) -> Option<u32> {
        match *self {
            Op::Multiply { row, .. } | Op::Scale { row, .. } | Op::Product { row, .. } => Some(row),
            _ => None,
        }
    }

    /// Whether it is a hardware multiplier, with registers of its own.
    pub fn is_multiplier(&self) -> bool {
        matches!(self, Op::Multiply { .. } | Op::Product { .. })
    }

    /// Whether it is a product that is made of shifts and additions.
    pub fn is_shift_add(&self) -> bool {
        matches!(self, Op::Scale { .. })
    }

    /// The low bits that a right shift drops.
    pub fn dropped(&self) -> u32 {
        match *self {
            Op::Offset { shift, .. } | Op::Scale { shift, .. } => shift.max(0).cast_unsigned(),
            _ => 0,
        }
    }

    /// Whether it is only wires: no logic and no delay.
    pub fn is_wires(&self) -> bool {
        matches!(
            self,
            Op::Input(_)
                | Op::Constant(_)
                | Op::Scale { .. }
                | Op::Offset { x: Term { negate: false, .. }, constant: 0, .. }
        )
    }

    /// How many of the low bits of operand `operand` decide the low `width` bits of the result;
    /// `None` where its exact value does.
    pub fn needed_bits(&self, operand: NodeId, width: u32) -> Option<u32> {
        match *self {
            Op::Add(terms) => {
                let read = terms.iter().filter(|t| t.node == operand);
                read.map(|t| width.saturating_sub(t.shift)).max().or(Some(0))
            }
            Op::Offset { x, shift, .. } | Op::Scale { x, shift, .. } => {
                Some((i64::from(width) + i64::from(shift) - i64::from(x.shift)).max(0) as u32)
            }
            Op::Multiply { .. } | Op::Product { .. } | Op::Shift { .. } | Op::Clamp { .. } => None,
            Op::Input(_) | Op::Constant(_) => Some(0),
        }
    }
}

impl Node {
    /// Whether it is an addition of a product that is made of shifts and additions.
    pub fn adds_to_product(&self) -> bool {
        matches!(self.op, Op::Add(_)) && self.name.starts_with("m_")
    }
}

impl Circuit {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// How many nodes are of a kind.
    pub fn count(&self, is: impl Fn(&Op) -> bool) -> usize {
        self.nodes.iter().filter(|node| is(&node.op)).count()
    }

    /// Every id with its node, in topological order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeId(i as u32), node))
    }

    /// Whether a node is a parameter that is loaded at run time, held in a register of its own: a
    /// constant, the coefficient of a multiplier, or what shifts an output.
    pub fn is_loaded(&self, op: &Op) -> bool {
        self.loaded && matches!(op, Op::Constant(_) | Op::Multiply { .. } | Op::Shift { .. })
    }

    /// Whether it is an addition of a constant to one other term.
    pub fn adds_constant(&self, op: &Op) -> bool {
        match op {
            _ if self.loaded => false,
            Op::Add(terms) => {
                let constant = |t: &Term| matches!(self.node(t.node).op, Op::Constant(_));
                terms.len() == 2 && terms.iter().any(constant)
            }
            Op::Offset { .. } => !op.is_wires(),
            _ => false,
        }
    }

    /// The nodes that read each node, in order; a node that reads another twice is listed once.
    pub fn readers(&self) -> Vec<Vec<NodeId>> {
        let mut readers: Vec<Vec<NodeId>> = vec![vec![]; self.nodes.len()];
        for (id, node) in self.iter() {
            for operand in node.op.operands() {
                let readers = &mut readers[operand.index()];
                if readers.last() != Some(&id) {
                    readers.push(id);
                }
            }
        }
        readers
    }
}
