//! The integer network: what training ends in, what golden computes, what the compiler lowers.
//!
//! Training, golden and the compiler all stand on this module; it holds data and its validation, no arithmetic of layers.

mod validate;

use crate::format::Format;
use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole network over integers: layers applied one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// A name for people and for Verilog modules: `[a-z][a-z0-9_]*`.
    pub name: String,
    /// What enters the first layer.
    pub input: Edge,
    /// At least one layer; only the last one has [`Output::Raw`].
    pub layers: Vec<Layer>,
    /// Where the model comes from.
    pub provenance: Provenance,
}

/// The shape and format of the values on an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Sizes of the axes in row-major order; their product is the number of elements.
    pub shape: Vec<usize>,
    /// One format for all elements.
    pub format: Format,
}

/// How a model came to be; copied into generated files, never interpreted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Version of strassenc that wrote the model.
    pub tool: String,
    /// The network description it was trained from (TOML text), if any.
    pub network: Option<String>,
    /// Name of the data set, if any.
    pub data: Option<String>,
    /// Seed of the training run, if any.
    pub seed: Option<u64>,
    /// Figures that the trainer measured, e.g. `test_accuracy_float` in 0..=1.
    pub metrics: BTreeMap<String, f64>,
}

/// One layer of a [`Model`].
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A dense sum-product network.
    Dense(Dense),
    /// A product of two operands that are both data.
    Bilinear(Bilinear),
}

/// A dense SPN layer, `y = W_c[round(a ⊙ (W_b x) · 2^-t)] + b` (StrassenNets, eq. 1 with ã = W_a vec(A) folded).
///
/// Sizes: `n_in` inputs, r rows (one multiplication each), `n_out` outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Unique name within the model, `[a-z][a-z0-9_]*`, e.g. `dense_0`.
    pub name: String,
    /// The multiplication budget r that was asked for; the rows present may be fewer, since dead rows are removed.
    pub budget: usize,
    /// `[r, n_in]`, entries in {-1, 0, 1}.
    pub w_b: Array2<i8>,
    /// `[r]`: integer coefficients a_i with |a_i| < 2^(coefficient_bits - 1).
    pub coefficients: Array1<i32>,
    /// Width of every coefficient in bits, sign included: 2..=25.
    pub coefficient_bits: u32,
    /// `[r]`: right shift t_i of every product, -31..=62; negative is an exact left shift.
    pub coefficient_shifts: Array1<i32>,
    /// `frac` of the rounded products m, of y and of the bias.
    pub product_frac: i32,
    /// `[n_out, r]`, entries in {-1, 0, 1}.
    pub w_c: Array2<i8>,
    /// `[n_out]`: b, in units of 2^-product_frac.
    pub bias: Array1<i64>,
    /// What leaves the layer.
    pub output: Output,
}

/// A two-operand SPN layer, `y = W_c[(W_a a) ⊙ (W_b b)]` (StrassenNets, eq. 1, with A and B both data): what enters is a,
/// then b, and r true multipliers multiply data by data, exactly.
///
/// Only a network's first layer may be one. Its y has twice the fractional bits of what enters.
#[derive(Clone, Debug, PartialEq)]
pub struct Bilinear {
    /// Unique name within the model, `[a-z][a-z0-9_]*`, e.g. `matmul`.
    pub name: String,
    /// `[r, n_a]`, entries in {-1, 0, 1}.
    pub w_a: Array2<i8>,
    /// `[r, n_b]`, entries in {-1, 0, 1}.
    pub w_b: Array2<i8>,
    /// `[n_out, r]`, entries in {-1, 0, 1}.
    pub w_c: Array2<i8>,
    /// What leaves the layer.
    pub output: Output,
}

/// What happens to y at the end of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// y itself, exact: the network's outputs.
    Raw,
    /// `z_c = saturate(round(y_c · 2^-s_c))`, round half up; an unsigned format is a ReLU.
    Requantised {
        /// `[n_out]`: right shift s_c, -31..=62; negative is an exact left shift.
        shifts: Array1<i32>,
        /// The format of z.
        format: Format,
    },
}

impl Dense {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.w_b.ncols()
    }

    /// Number of multiplications, r.
    pub fn rows(&self) -> usize {
        self.w_b.nrows()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.w_c.nrows()
    }
}

impl Bilinear {
    /// Elements of the first operand.
    pub fn inputs_a(&self) -> usize {
        self.w_a.ncols()
    }

    /// Elements of the second operand.
    pub fn inputs_b(&self) -> usize {
        self.w_b.ncols()
    }

    /// `[n_out][n_a, n_b]`: how often `a_k · b_l` is in output c, `Σ_i w_c[c, i] · w_a[i, k] · w_b[i, l]`.
    pub fn forms(&self) -> Vec<Array2<i32>> {
        let form = |row: ArrayView1<i8>| {
            let mut form = Array2::zeros((self.inputs_a(), self.inputs_b()));
            for (i, &c) in row.iter().enumerate().filter(|(_, c)| **c != 0) {
                for (k, &a) in self.w_a.row(i).iter().enumerate().filter(|(_, a)| **a != 0) {
                    for (l, &b) in self.w_b.row(i).iter().enumerate() {
                        form[[k, l]] += i32::from(c * a * b);
                    }
                }
            }
            form
        };
        self.w_c.outer_iter().map(form).collect()
    }
}

impl Layer {
    /// The layer's name.
    pub fn name(&self) -> &str {
        match self {
            Layer::Dense(d) => &d.name,
            Layer::Bilinear(b) => &b.name,
        }
    }

    /// Number of elements that enter.
    pub fn inputs(&self) -> usize {
        match self {
            Layer::Dense(d) => d.inputs(),
            Layer::Bilinear(b) => b.inputs_a() + b.inputs_b(),
        }
    }

    /// Number of multiplications, r.
    pub fn rows(&self) -> usize {
        self.w_c().ncols()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.w_c().nrows()
    }

    /// The multiplication budget that was asked for.
    pub fn budget(&self) -> usize {
        match self {
            Layer::Dense(d) => d.budget,
            Layer::Bilinear(b) => b.w_c.ncols(),
        }
    }

    /// `[n_out, r]`, from the products to the outputs.
    pub fn w_c(&self) -> &Array2<i8> {
        match self {
            Layer::Dense(d) => &d.w_c,
            Layer::Bilinear(b) => &b.w_c,
        }
    }

    /// b of output `c`.
    pub fn bias(&self, c: usize) -> i64 {
        match self {
            Layer::Dense(d) => d.bias[c],
            Layer::Bilinear(_) => 0,
        }
    }

    /// What leaves the layer.
    pub fn output(&self) -> &Output {
        match self {
            Layer::Dense(d) => &d.output,
            Layer::Bilinear(b) => &b.output,
        }
    }

    /// `frac` of y, where values with `input_frac` enter.
    pub fn product_frac(&self, input_frac: i32) -> i32 {
        match self {
            Layer::Dense(d) => d.product_frac,
            Layer::Bilinear(_) => 2 * input_frac,
        }
    }
}

impl Edge {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// No value of a valid model exceeds this in magnitude, so that golden's i64, NumPy's int64 and f64 are all exact.
pub const MAGNITUDE_LIMIT: i128 = 1 << 53;

impl Model {
    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, Layer::outputs)
    }

    /// `frac` of the outputs: their real values are integers · 2^-frac.
    pub fn output_frac(&self) -> i32 {
        self.layers.iter().fold(self.input.format.frac, |frac, layer| match layer.output() {
            Output::Raw => layer.product_frac(frac),
            Output::Requantised { format, .. } => format.frac,
        })
    }
}
