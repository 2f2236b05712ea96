//! The dataflow IR: the network as vector operations over integers with exact intervals.
//!
//! Against the model, dead rows and columns are gone, every value carries the interval of each of its elements, and the
//! layers are opened into their linear, multiplying and requantising parts. It knows nothing of additions (that is the
//! adder graph's) nor of clocks.

use crate::adder_graph::Matrix;
use crate::interval::Interval;
use strassenc_runtime::Format;

/// A vector value: the input or the result of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// The whole network in topological order; operation i yields `ValueId(i + 1)`, `ValueId(0)` is the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataflow {
    /// The model's name.
    pub name: String,
    /// Value 0: the network's input.
    pub input: Value,
    /// The format of the input.
    pub input_format: Format,
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
        /// The model's row of each element, for names and comments.
        rows: Vec<usize>,
    },
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
    /// W_c: from the multipliers to the layer's outputs.
    Wc,
}

/// A vector of integers: one interval per element.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// One per element.
    pub intervals: Vec<Interval>,
}
