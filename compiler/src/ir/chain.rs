//! The vector operations of one sum-product network, in order: W_b, products, W_c, outputs.
//!
//! Its meaning is [`Chain::apply`].

use crate::adder_graph::Matrix;
use crate::interval::{Interval, half, round_shift};
use std::fmt;
use std::ops::RangeInclusive;
use strassenc_runtime::Format;

/// A sum-product network over a vector, opened into its linear, multiplying and requantising parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The name of the layer that it is of.
    pub name: String,
    /// r as the model declares it.
    pub budget: usize,
    /// The format of every element that enters.
    pub input: Format,
    /// The format of every element that leaves; for raw outputs the narrowest signed one that
    /// holds them all.
    pub output: Format,
    /// Where its coefficients, biases and shifts of outputs are loaded at run time, what they can
    /// be; those that it has are the first ones.
    pub loaded: Option<Loaded>,
    /// What enters.
    pub x: Value,
    /// The operations in order: each reads what the one before it yields, the first one `x`.
    pub ops: Vec<Op>,
}

/// What can be loaded at run time into a chain, beside its coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The bits of a bias, with the half of its rounding in it, sign included.
    pub bias_bits: u32,
    /// By how many powers of two, at least, an output may be shifted less and more than at first.
    pub shifts: u32,
}

/// One operation and its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The operation itself.
    pub kind: OpKind,
    /// The vector it yields.
    pub result: Value,
}

/// What an operation does, element by element or as a matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum OpKind {
    /// `matrix · x`.
    Linear {
        /// The place of the matrix in its layer.
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
    /// `x_i · x_(i + k)` of 2k elements: one multiplication of data by data per element of the
    /// result.
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

/// The place of a linear operation's matrix in an SPN layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// W_b: from the layer's inputs to the multipliers.
    Wb,
    /// W_a and W_b of a two-operand layer, block-diagonal, W_a first: from the two operands to the
    /// multipliers. The index of a row of W_b is its number in the model plus r.
    Wab,
    /// W_c: from the multipliers to the layer's outputs.
    Wc,
    /// W, transposed: the one matrix of a [`Kernel`](crate::kernel::Kernel), from its inputs to its
    /// outputs. No layer has it.
    W,
}

/// A linear operation with what is added to its result: biases and the halves of roundings.
#[derive(Clone, Debug)]
pub struct Linear<'a> {
    /// The place of the matrix in its layer.
    pub role: Role,
    /// `[n_out, n_in]`.
    pub matrix: &'a Matrix,
    /// What each column is multiplied by.
    pub inputs: &'a [Interval],
    /// A row that is not zero, and the constant other than 0 that is added to it; rows ascend.
    pub constants: Vec<(usize, i64)>,
    /// Where they are loaded, all that each of them can be.
    pub loaded: Option<Interval>,
}

impl Loaded {
    /// What a bias can be.
    pub fn bias(self) -> Interval {
        loadable(self.bias_bits)
    }

    /// The bits of what an output is shifted by beyond the least; none where shifts stay.
    pub fn shift_bits(self) -> u32 {
        u32::BITS - (2 * self.shifts).leading_zeros()
    }

    /// What the shift of an output can be that is `shift` at first: all that the bits hold.
    pub fn shifts_of(self, shift: i32) -> RangeInclusive<i32> {
        let least = shift - self.shifts as i32;
        least..=least + (1 << self.shift_bits()) - 1
    }
}

/// What a parameter of so many bits can be that is loaded at run time. What is negated fits, too:
/// of n bits, -2^(n-1) is not reached.
pub fn loadable(bits: u32) -> Interval {
    let most = (1i64 << (bits - 1)) - 1;
    Interval::new(-most, most)
}

impl Linear<'_> {
    /// The matrix with one more column for each constant, and what each column is multiplied by: a
    /// constant is a term of its row as others are.
    pub fn with_constants(&self) -> (Matrix, Vec<Interval>) {
        let n = self.matrix.ncols();
        let shape = (self.matrix.nrows(), n + self.constants.len());
        let matrix = Matrix::from_shape_fn(shape, |(i, j)| match j.checked_sub(n) {
            None => self.matrix[[i, j]],
            Some(k) => i32::from(self.constants[k].0 == i),
        });
        let range = |v: i64| self.loaded.unwrap_or(Interval::point(v));
        let constants = self.constants.iter().map(|&(_, constant)| range(constant));
        (matrix, self.inputs.iter().copied().chain(constants).collect())
    }
}

/// A vector of integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What each element is in the model: the number of the input element, of the row of W_b, or of
    /// the output.
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
            Role::W => "W",
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

impl Chain {
    /// The value that leaves.
    pub fn result(&self) -> &Value {
        // An invariant: a chain has operations.
        &self.ops.last().expect("a chain has operations").result
    }

    /// The linear operations in order, each with the constants of the operation behind it.
    pub fn linear(&self) -> impl Iterator<Item = Linear<'_>> {
        self.ops.iter().enumerate().filter_map(|(i, op)| {
            let OpKind::Linear { role, matrix } = &op.kind else { return None };
            let reads = i.checked_sub(1).map_or(&self.x, |before| &self.ops[before].result);
            let constant = |row: usize| match self.ops.get(i + 1).map(|op| &op.kind) {
                Some(OpKind::Offset { constants }) => constants[row],
                Some(OpKind::Requantise { constants, shifts, .. }) => {
                    constants[row] + half(shifts[row])
                }
                _ => 0,
            };
            let loaded = self.loaded.filter(|_| *role == Role::Wc).map(Loaded::bias);
            let rows = matrix.outer_iter().enumerate();
            let constants = rows
                .filter(|(_, entries)| entries.iter().any(|v| *v != 0))
                .map(|(row, _)| (row, constant(row)))
                .filter(|(_, constant)| *constant != 0 || loaded.is_some());
            let constants = constants.collect();
            Some(Linear { role: *role, matrix, inputs: &reads.intervals, constants, loaded })
        })
    }

    /// The matrices in order.
    pub fn matrices(&self) -> impl Iterator<Item = (Role, &Matrix)> {
        self.ops.iter().filter_map(|op| match &op.kind {
            OpKind::Linear { role, matrix } => Some((*role, matrix)),
            _ => None,
        })
    }

    /// Whether both operands of its products are data.
    pub fn multiplies_data(&self) -> bool {
        self.ops.iter().any(|op| matches!(op.kind, OpKind::Product))
    }

    /// Number of multiplications: the live rows of W_b.
    pub fn multiplications(&self) -> usize {
        let products = |op: &Op| {
            matches!(op.kind, OpKind::Multiply { .. } | OpKind::Product).then_some(op.result.len())
        };
        self.ops.iter().filter_map(products).sum()
    }

    /// What every operation yields for one vector; the last one is the output.
    ///
    /// `x` must have an element for each element of [`Chain::x`].
    pub fn apply(&self, x: &[i64]) -> Vec<Vec<i64>> {
        let mut values: Vec<Vec<i64>> = vec![];
        for op in &self.ops {
            values.push(op.apply(values.last().map_or(x, |v| v)));
        }
        values
    }
}

impl Op {
    fn apply(&self, x: &[i64]) -> Vec<i64> {
        match &self.kind {
            OpKind::Linear { matrix, .. } => matrix
                .outer_iter()
                .map(|row| row.iter().zip(x).map(|(&w, x)| i64::from(w) * x).sum())
                .collect(),
            OpKind::Multiply { coefficients, shifts, .. } => {
                (0..x.len()).map(|i| round_shift(coefficients[i] * x[i], shifts[i])).collect()
            }
            OpKind::Product => {
                let (a, b) = x.split_at(x.len() / 2);
                a.iter().zip(b).map(|(a, b)| a * b).collect()
            }
            OpKind::Offset { constants } => x.iter().zip(constants).map(|(x, b)| x + b).collect(),
            OpKind::Requantise { constants, shifts, format } => (0..x.len())
                .map(|c| format.saturate(round_shift(x[c] + constants[c], shifts[c])))
                .collect(),
        }
    }
}
