//! What makes a model valid.

use super::{Bilinear, Dense, Layer, MAGNITUDE_LIMIT, Model, Output};
use crate::error::{Error, Result};
use crate::format::Format;
use ndarray::{Array1, Array2, ArrayView1};

impl Model {
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
            check_name(&format!("layer {i}"), layer.name())?;
            if self.layers[..i].iter().any(|l| l.name() == layer.name()) {
                return Err(Error::input(
                    format_args!("layer {i}"),
                    format_args!("the name `{}` is used twice", layer.name()),
                ));
            }
            match layer {
                Layer::Dense(dense) => dense.validate(elements, format)?,
                Layer::Bilinear(bilinear) => bilinear.validate(elements, format, i == 0)?,
            }
            validate_output(layer, i + 1 == self.layers.len())?;
            elements = layer.outputs();
            if let Output::Requantised { format: f, .. } = layer.output() {
                format = *f;
            }
        }
        Ok(())
    }
}

impl Dense {
    fn validate(&self, inputs: usize, input: Format) -> Result<()> {
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
            check_ternary(&at(field), matrix)?;
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
        check_shifts(&at("coefficient_shifts"), &self.coefficient_shifts)?;
        if let Output::Requantised { shifts, .. } = &self.output {
            // Magnitudes depend on them.
            check_output_shifts(&at("output_shifts"), shifts, n_out)?;
        }
        self.check_magnitudes(input)
    }

    /// Worst-case magnitudes by the triangle inequality; coarse, but what it admits is exact everywhere.
    fn check_magnitudes(&self, input: Format) -> Result<()> {
        let x = i128::from(input.max().max(-input.min()));
        let mut m = vec![0i128; self.rows()];
        for (i, row) in self.w_b.outer_iter().enumerate() {
            let nonzeros = row.iter().filter(|&&v| v != 0).count() as i128;
            let product = nonzeros * x * i128::from(self.coefficients[i].unsigned_abs());
            let t = self.coefficient_shifts[i];
            let rounded = if t > 0 { (product >> t) + 1 } else { product << -t };
            let half = if t > 0 { 1i128 << (t - 1) } else { 0 };
            if product + half > MAGNITUDE_LIMIT || rounded > MAGNITUDE_LIMIT {
                return Err(too_large(&self.name, "product", i, (product + half).max(rounded)));
            }
            m[i] = rounded;
        }
        check_sums(&self.name, &self.w_c, &m, |c| i128::from(self.bias[c]).abs(), &self.output)
    }
}

impl Bilinear {
    fn validate(&self, inputs: usize, input: Format, first: bool) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        if !first {
            return fail("kind", "is bilinear, which only the first layer may be".into());
        }
        let (r, n_out) = (self.w_c.ncols(), self.w_c.nrows());
        for (field, matrix) in [("w_a", &self.w_a), ("w_b", &self.w_b), ("w_c", &self.w_c)] {
            check_ternary(&at(field), matrix)?;
        }
        for (field, matrix) in [("w_a", &self.w_a), ("w_b", &self.w_b)] {
            if matrix.nrows() != r {
                return fail(field, format!("has {} rows for {r} columns of w_c", matrix.nrows()));
            }
            if matrix.ncols() == 0 {
                return fail(field, "takes no inputs".into());
            }
        }
        if self.inputs_a() + self.inputs_b() != inputs {
            let cause = format!("take {} and {} inputs, but {inputs} arrive", self.inputs_a(), self.inputs_b());
            return fail("w_a and w_b", cause);
        }
        if n_out == 0 {
            return fail("w_c", "has no outputs".into());
        }
        if !(-32..=32).contains(&input.frac) {
            return fail("input", format!("has frac {}, a product would have twice that", input.frac));
        }
        if let Output::Requantised { shifts, .. } = &self.output {
            check_output_shifts(&at("output_shifts"), shifts, n_out)?;
        }
        let x = i128::from(input.max().max(-input.min()));
        let reach = |row: ArrayView1<i8>| x * row.iter().filter(|v| **v != 0).count() as i128;
        let m: Vec<i128> = (0..r).map(|i| reach(self.w_a.row(i)) * reach(self.w_b.row(i))).collect();
        if let Some((i, &m)) = m.iter().enumerate().find(|(_, m)| **m > MAGNITUDE_LIMIT) {
            return Err(too_large(&self.name, "product", i, m));
        }
        check_sums(&self.name, &self.w_c, &m, |_| 0, &self.output)
    }
}

/// What holds of the end of every layer.
fn validate_output(layer: &Layer, last: bool) -> Result<()> {
    let at = |field: &str| format!("layer `{}`, {field}", layer.name());
    match layer.output() {
        Output::Raw if !last => Err(Error::input(at("output"), "is raw, which only the last layer may be")),
        Output::Requantised { .. } if last => {
            Err(Error::input(at("output"), "is requantised, but the last layer's outputs are raw"))
        }
        Output::Raw => Ok(()),
        Output::Requantised { format, .. } => check_format(&at("output format"), *format),
    }
}

fn check_ternary(place: &str, matrix: &Array2<i8>) -> Result<()> {
    match matrix.indexed_iter().find(|(_, v)| !(-1..=1).contains(*v)) {
        Some(((i, j), v)) => {
            Err(Error::input(place, format_args!("the value {v} at [{i}, {j}] is not ternary (-1, 0 or 1)")))
        }
        None => Ok(()),
    }
}

fn check_shifts(place: &str, shifts: &Array1<i32>) -> Result<()> {
    match shifts.iter().enumerate().find(|(_, s)| !(-31..=62).contains(*s)) {
        Some((i, s)) => Err(Error::input(place, format_args!("the shift {s} at [{i}] is not within -31..=62"))),
        None => Ok(()),
    }
}

fn check_output_shifts(place: &str, shifts: &Array1<i32>, n_out: usize) -> Result<()> {
    if shifts.len() != n_out {
        return Err(Error::input(place, format_args!("has {} entries for {n_out} outputs", shifts.len())));
    }
    check_shifts(place, shifts)
}

/// Worst-case magnitudes of y and of its shifts, where product i reaches `m[i]`.
fn check_sums(layer: &str, w_c: &Array2<i8>, m: &[i128], bias: impl Fn(usize) -> i128, output: &Output) -> Result<()> {
    for (c, row) in w_c.outer_iter().enumerate() {
        let y = bias(c) + row.iter().zip(m).filter(|(v, _)| **v != 0).map(|(_, m)| m).sum::<i128>();
        let z = match output {
            Output::Requantised { shifts, .. } if shifts[c] < 0 => y << -shifts[c],
            Output::Requantised { shifts, .. } if shifts[c] > 0 => y + (1i128 << (shifts[c] - 1)),
            _ => y,
        };
        if z > MAGNITUDE_LIMIT {
            return Err(too_large(layer, "y", c, z));
        }
    }
    Ok(())
}

fn too_large(layer: &str, field: &str, index: usize, magnitude: i128) -> Error {
    Error::input(
        format_args!("layer `{layer}`, {field}"),
        format_args!("row {index} can reach {magnitude}, beyond 2^53: a width overflow"),
    )
    .help("use fewer input or coefficient bits, or a smaller product_frac")
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
