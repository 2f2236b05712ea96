//! The dataflow IR: the network as vector operations over integers with exact intervals.
//!
//! Against the model, dead rows and columns are gone, every value carries the interval of each of its elements, and the
//! layers are opened into their linear, multiplying and requantising parts. It knows nothing of additions (that is the
//! adder graph's) nor of clocks. Its meaning is [`interpret`].
//!
//! Invariants, checked by [`verify`]:
//! - operations form a chain: each reads the value just before its own, across layers too;
//! - lengths agree, and `indices` ascend; where an operation works element by element they are those of its operand;
//! - a layer is `Linear` (W_b), at most one `Offset`, `Multiply`, `Linear` (W_c), then `Requantise`, or, only in the last, `Offset`;
//!   a two-operand layer, which only the first can be, begins with `Linear` (W_a and W_b, block-diagonal) and `Product`;
//! - each interval is what its operation makes of the operand's intervals; rows of W_c, whose terms are correlated, may be
//!   narrower (the [circuit](crate::circuit::verify) proves those);
//! - every interval that leaves a layer is within its format;
//! - nothing dead is left: every product varies, and is read; every value between layers is read, if it is not the only one.

pub mod gated;
pub mod images;
mod interpret;
mod verify;
pub mod words;

pub use interpret::{interpret, interpret_layer};
pub use verify::verify;

use crate::adder_graph::Matrix;
use crate::interval::Interval;
use std::fmt;
use strassenc_runtime::Format;

/// A vector value: the input or the result of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

impl ValueId {
    /// Position among all values: 0 is the network's input.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The whole network in topological order; operation i yields `ValueId(i + 1)`, `ValueId(0)` is the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataflow {
    /// The model's name.
    pub name: String,
    /// Value 0: the network's input.
    pub input: Value,
    /// The layers in order; the operations of a layer are contiguous and become one pipeline.
    pub layers: Vec<Layer>,
}

/// A layer of the model, opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The model layer's name.
    pub name: String,
    /// r as the model declares it.
    pub budget: usize,
    /// The format of every element that enters.
    pub input: Format,
    /// The format of every element that leaves; for raw outputs the narrowest signed one that holds them all.
    pub output: Format,
    /// In order.
    pub ops: Vec<Op>,
}

/// One operation and its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The value it reads.
    pub x: ValueId,
    /// What it does.
    pub kind: OpKind,
    /// The value it yields.
    pub result: Value,
}

/// What an operation does, element by element or as a matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum OpKind {
    /// `matrix · x`.
    Linear {
        /// Which of the layer's matrices this is.
        role: Role,
        /// `[n_out, n_in]`.
        matrix: Matrix,
    },
    /// `round(a_i · x_i · 2^-t_i)`, half up; one multiplication per element.
    Multiply {
        /// a, one per element.
        coefficients: Vec<i64>,
        /// Width of every coefficient in bits, sign included.
        coefficient_bits: u32,
        /// t, one per element; negative is an exact left shift.
        shifts: Vec<i32>,
    },
    /// `x_i · x_(i + k)` of 2k elements: one multiplication of data by data per element of the result.
    Product,
    /// `x_c + constants_c`.
    Offset {
        /// One per element.
        constants: Vec<i64>,
    },
    /// `saturate(round((x_c + constants_c) · 2^-s_c))`, half up.
    Requantise {
        /// The bias, one per element.
        constants: Vec<i64>,
        /// s, one per element; negative is an exact left shift.
        shifts: Vec<i32>,
        /// The format saturated to.
        format: Format,
    },
}

/// Which matrix of an SPN layer a linear operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// W_b: from the layer's inputs to the multipliers.
    Wb,
    /// W_a and W_b of a two-operand layer, block-diagonal, W_a first: from the two operands to the multipliers. The index of
    /// a row of W_b is its number in the model plus r.
    Wab,
    /// W_c: from the multipliers to the layer's outputs.
    Wc,
}

/// A vector of integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What each element is in the model: the number of the input element, of the row of W_b, or of the output.
    pub indices: Vec<usize>,
    /// What each element can be.
    pub intervals: Vec<Interval>,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Wb => "W_b",
            Role::Wab => "W_a, W_b",
            Role::Wc => "W_c",
        })
    }
}

impl Value {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }
}

impl Dataflow {
    /// Every operation with its layer, in order.
    pub fn ops(&self) -> impl Iterator<Item = (&Layer, &Op)> {
        self.layers.iter().flat_map(|layer| layer.ops.iter().map(move |op| (layer, op)))
    }

    /// The value with this id.
    pub fn value(&self, id: ValueId) -> &Value {
        match id.index().checked_sub(1) {
            None => &self.input,
            Some(i) => &self.ops().nth(i).expect("the id is of this dataflow").1.result,
        }
    }

    /// The value that enters layer number `layer`.
    pub fn layer_input(&self, layer: usize) -> &Value {
        match layer.checked_sub(1) {
            None => &self.input,
            Some(before) => self.layers[before].result(),
        }
    }
}

impl Layer {
    /// The value that leaves the layer.
    pub fn result(&self) -> &Value {
        // An invariant: a layer has operations.
        &self.ops.last().expect("a layer has operations").result
    }

    /// The layer's matrices in order.
    pub fn matrices(&self) -> impl Iterator<Item = (Role, &Matrix)> {
        self.ops.iter().filter_map(|op| match &op.kind {
            OpKind::Linear { role, matrix } => Some((*role, matrix)),
            _ => None,
        })
    }

    /// Number of multiplications: the live rows of W_b.
    pub fn multiplications(&self) -> usize {
        let products =
            |op: &Op| matches!(op.kind, OpKind::Multiply { .. } | OpKind::Product).then_some(op.result.len());
        self.ops.iter().filter_map(products).sum()
    }
}
