//! The integer network: what training ends in, what golden computes, what the compiler lowers.
//!
//! Training, golden and the compiler all stand on this module; it holds data and its validation, no arithmetic of layers.

use crate::error::{Error, Result};
use crate::format::Format;
use ndarray::{Array1, Array2};
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

impl Layer {
    /// The layer's name.
    pub fn name(&self) -> &str {
        match self {
            Layer::Dense(d) => &d.name,
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
        match self.layers.last() {
            Some(Layer::Dense(d)) => d.outputs(),
            None => 0,
        }
    }

    /// Checks every invariant stated on the fields: names, ternary values, shapes that fit, ranges, and that no product or
    /// sum can exceed [`MAGNITUDE_LIMIT`] for any input of the declared format.
    ///
    /// # Errors
    /// The first violation, with the layer, the field and the index.
    pub fn validate(&self) -> Result<()> {
        check_name("model", &self.name)?;
        if self.layers.is_empty() {
            return Err(Error::input("model", "has no layers"));
        }
        if self.input.shape.is_empty() || self.input.shape.contains(&0) {
            return Err(Error::input("model input", format_args!("shape {:?} has no elements", self.input.shape)));
        }
        let elements = self.input.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        let Some(mut elements) = elements.filter(|&n| n <= 1 << 24) else {
            return Err(Error::input(
                "model input",
                format_args!("shape {:?} has more than 2^24 elements", self.input.shape),
            ));
        };
        check_format("model input", self.input.format)?;
        let mut format = self.input.format;
        for (i, layer) in self.layers.iter().enumerate() {
            let Layer::Dense(dense) = layer;
            check_name(&format!("layer {i}"), &dense.name)?;
            if self.layers[..i].iter().any(|l| l.name() == dense.name) {
                return Err(Error::input(
                    format_args!("layer {i}"),
                    format_args!("the name `{}` is used twice", dense.name),
                ));
            }
            let last = i + 1 == self.layers.len();
            dense.validate(elements, format, last)?;
            elements = dense.outputs();
            if let Output::Requantised { format: f, .. } = &dense.output {
                format = *f;
            }
        }
        Ok(())
    }
}

impl Dense {
    fn validate(&self, inputs: usize, input: Format, last: bool) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        let (r, n_in, n_out) = (self.rows(), self.inputs(), self.outputs());
        if n_in != inputs {
            return fail("w_b", format!("takes {n_in} inputs, but {inputs} arrive"));
        }
        if r > self.budget {
            return fail("w_b", format!("has {r} rows, more than the budget of {}", self.budget));
        }
        if n_out == 0 {
            return fail("w_c", "has no outputs".into());
        }
        for (field, length) in [
            ("coefficients", self.coefficients.len()),
            ("coefficient_shifts", self.coefficient_shifts.len()),
            ("w_c", self.w_c.ncols()),
        ] {
            if length != r {
                return fail(field, format!("has {length} entries for {r} rows of w_b"));
            }
        }
        if self.bias.len() != n_out {
            return fail("bias", format!("has {} entries for {n_out} outputs", self.bias.len()));
        }
        for (field, matrix) in [("w_b", &self.w_b), ("w_c", &self.w_c)] {
            if let Some((index, v)) = matrix.indexed_iter().find(|(_, v)| !(-1..=1).contains(*v)) {
                return fail(field, format!("the value {v} at [{}, {}] is not ternary (-1, 0 or 1)", index.0, index.1));
            }
        }
        if !(2..=25).contains(&self.coefficient_bits) {
            return fail("coefficient_bits", format!("{} is not within 2..=25", self.coefficient_bits));
        }
        if !(-64..=64).contains(&self.product_frac) {
            return fail("product_frac", format!("{} is not within -64..=64", self.product_frac));
        }
        let limit = 1i64 << (self.coefficient_bits - 1);
        for (i, &a) in self.coefficients.iter().enumerate() {
            if i64::from(a).abs() >= limit {
                return fail(
                    "coefficients",
                    format!("the value {a} at [{i}] does not fit {} bits", self.coefficient_bits),
                );
            }
        }
        let check_shifts =
            |field: &str, shifts: &Array1<i32>| match shifts.iter().enumerate().find(|(_, s)| !(-31..=62).contains(*s))
            {
                Some((i, s)) => fail(field, format!("the shift {s} at [{i}] is not within -31..=62")),
                None => Ok(()),
            };
        check_shifts("coefficient_shifts", &self.coefficient_shifts)?;
        match &self.output {
            Output::Raw if !last => {
                return fail("output", "is raw, which only the last layer may be".into());
            }
            Output::Requantised { .. } if last => {
                return fail("output", "is requantised, but the last layer's outputs are raw".into());
            }
            Output::Raw => {}
            Output::Requantised { shifts, format } => {
                if shifts.len() != n_out {
                    return fail("output_shifts", format!("has {} entries for {n_out} outputs", shifts.len()));
                }
                check_shifts("output_shifts", shifts)?;
                check_format(&at("output format"), *format)?;
            }
        }
        self.check_magnitudes(input)
    }

    /// Worst-case magnitudes by the triangle inequality; coarse, but what it admits is exact everywhere.
    fn check_magnitudes(&self, input: Format) -> Result<()> {
        let x = i128::from(input.max().max(-input.min()));
        let too_large = |field: &str, index: usize, magnitude: i128| {
            Err(Error::input(
                format_args!("layer `{}`, {field}", self.name),
                format_args!("row {index} can reach {magnitude}, beyond 2^53: a width overflow"),
            )
            .help("use fewer input or coefficient bits, or a smaller product_frac"))
        };
        let mut m = vec![0i128; self.rows()];
        for (i, row) in self.w_b.outer_iter().enumerate() {
            let nonzeros = row.iter().filter(|&&v| v != 0).count() as i128;
            let product = nonzeros * x * i128::from(self.coefficients[i].unsigned_abs());
            let t = self.coefficient_shifts[i];
            let rounded = if t > 0 { (product >> t) + 1 } else { product << -t };
            let half = if t > 0 { 1i128 << (t - 1) } else { 0 };
            if product + half > MAGNITUDE_LIMIT || rounded > MAGNITUDE_LIMIT {
                return too_large("product", i, (product + half).max(rounded));
            }
            m[i] = rounded;
        }
        for (c, row) in self.w_c.outer_iter().enumerate() {
            let sum: i128 = row.iter().zip(&m).filter(|(v, _)| **v != 0).map(|(_, m)| m).sum();
            let y = sum + i128::from(self.bias[c]).abs();
            let z = match &self.output {
                Output::Requantised { shifts, .. } if shifts[c] < 0 => y << -shifts[c],
                Output::Requantised { shifts, .. } if shifts[c] > 0 => y + (1i128 << (shifts[c] - 1)),
                _ => y,
            };
            if z > MAGNITUDE_LIMIT {
                return too_large("y", c, z);
            }
        }
        Ok(())
    }
}

fn check_name(place: &str, name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let ok = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 64;
    if ok {
        Ok(())
    } else {
        Err(Error::input(place, format_args!("the name {name:?} is not usable"))
            .help("use at most 64 lower-case letters, digits and underscores, a letter first"))
    }
}

fn check_format(place: &str, format: Format) -> Result<()> {
    if format.is_valid() {
        Ok(())
    } else {
        Err(Error::input(
            place,
            format_args!("the format {format} is outside 1..=32 bits and -64..=64 fractional bits"),
        ))
    }
}
