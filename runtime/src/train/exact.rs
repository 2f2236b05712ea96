//! The integer network in f64 on real values: what phase 3 trains, and equal to golden integer for integer.
//!
//! Every value is an integer times a power of two and stays within 53 bits, so f64 computes it exactly, in any order.

use super::matmul::product;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::model;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};

/// The outputs of a model for inputs of real values, both `[samples, elements]`, where real value = integer · 2^-frac.
///
/// Inputs are rounded (half up) and saturated to the input format first. The outputs times 2^product_frac of the last
/// layer are golden's integers, exactly.
///
/// # Errors
/// Where the model is not valid or works on images, the number of columns is not that of its inputs, or a value is not a number.
pub fn fake_quantised(model: &model::Model, x: ArrayView2<f64>) -> Result<Array2<f64>> {
    model.validate()?;
    let inputs = model.input.elements();
    if x.ncols() != inputs {
        return Err(Error::input("inputs", format_args!("have {} elements, the network takes {inputs}", x.ncols())));
    }
    if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| v.is_nan()) {
        return Err(Error::input("inputs", format_args!("element {j} of sample {i} is {v}")));
    }
    let mut frac = model.input.format.frac;
    let mut layers = Vec::new();
    for layer in model.spns()? {
        layers.push(match layer {
            model::Spn::Dense(dense) => Exact::new(dense, frac),
            model::Spn::Bilinear(bilinear) => Exact::two_operands(bilinear, frac),
        });
        if let model::Output::Requantised { format, .. } = layer.output() {
            frac = format.frac;
        }
    }
    Ok(evaluate(layers.iter(), model.input.format, x))
}

/// Samples evaluated at a time.
const CHUNK: usize = 256;

/// [`fake_quantised`] for layers at hand.
pub(crate) fn evaluate<'a, A: Copy + Into<f64> + Sync>(
    layers: impl Iterator<Item = &'a Exact> + Clone + Sync,
    input: Format,
    x: ArrayView2<A>,
) -> Array2<f64> {
    let outputs = layers.clone().last().map_or(0, |l| l.w_c.nrows());
    let mut y = Array2::zeros((x.nrows(), outputs));
    (y.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter()).zip(x.axis_chunks_iter(Axis(0), CHUNK)).for_each(
        |(mut y, x)| {
            let requantise = requantiser(input);
            let mut z = x.mapv(|v| requantise(v.into()));
            let mut trace = Trace::default();
            for layer in layers.clone() {
                layer.forward(z.view(), &mut trace);
                std::mem::swap(&mut z, &mut trace.z);
            }
            y.assign(&z);
        },
    );
    y
}

/// round(v), half up, exact for all values below 2^53.
fn round(v: f64) -> f64 {
    // Adding 1.5·2^52 and taking it away rounds to the nearest integer, ties to even, without a call.
    const SHIFT: f64 = 1.5 * (1u64 << 52) as f64;
    if v.abs() < (1u64 << 51) as f64 {
        let even = (v + SHIFT) - SHIFT;
        return if v - even == 0.5 { even + 1.0 } else { even };
    }
    let floor = v.floor();
    if v - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// 2^n, exact for the exponents at hand.
pub(crate) fn power(n: i32) -> f64 {
    2f64.powi(n)
}

/// Rounds real values half up to the multiples of a format's 2^-frac, and saturates.
pub(crate) fn requantiser(format: Format) -> impl Fn(f64) -> f64 + Copy {
    let (up, down) = (power(format.frac), power(-format.frac));
    let (min, max) = (format.min() as f64, format.max() as f64);
    move |v| round(v * up).clamp(min, max) * down
}

/// One layer with quantised parameters, as real values.
pub(crate) struct Exact {
    /// `[r, n_in]`, entries -1, 0, 1.
    pub w_b: Array2<f64>,
    /// `[r]`: a_i · 2^(frac_in - t_i - product_frac), so that m = round(a u); empty where there is a `w_a`.
    pub a: Array1<f64>,
    /// `[r, n_in]`, entries -1, 0, 1: where the other operand is data too, m = (W_a x) ⊙ (W_b x).
    pub w_a: Option<Array2<f64>>,
    /// `[n_out, r]`, entries -1, 0, 1.
    pub w_c: Array2<f64>,
    /// `[n_out]`, multiples of 2^-product_frac.
    pub bias: Array1<f64>,
    /// Fractional bits of m, y and the bias.
    pub product_frac: i32,
    /// How z follows from y; `None` for the last layer.
    pub output: Option<Requantise>,
}

/// `z_c = saturate(round(y_c · 2^e_c))` in the units of `format`.
pub(crate) struct Requantise {
    /// `[n_out]`: 2^e_c.
    pub scales: Array1<f64>,
    /// The format of z.
    pub format: Format,
}

impl Requantise {
    fn new(output: &model::Output, product_frac: i32) -> Option<Self> {
        match output {
            model::Output::Raw => None,
            model::Output::Requantised { shifts, format } => {
                Some(Requantise { scales: shifts.mapv(|s| power(product_frac - format.frac - s)), format: *format })
            }
        }
    }
}

/// What one forward pass leaves for the backward pass; reused from step to step.
#[derive(Default)]
pub(crate) struct Trace {
    /// `[n, r]`: W_b x.
    pub u: Array2<f64>,
    /// `[n, r]`: the rounded products.
    pub m: Array2<f64>,
    /// `[n, n_out]`: y · 2^e before rounding and saturation; y itself in the last layer.
    pub y: Array2<f64>,
    /// `[n, n_out]`: the layer's output.
    pub z: Array2<f64>,
}

impl Exact {
    fn new(dense: &model::Dense, input_frac: i32) -> Self {
        let pf = dense.product_frac;
        let a = Zip::from(&dense.coefficients)
            .and(&dense.coefficient_shifts)
            .map_collect(|&a, &t| f64::from(a) * power(input_frac - t - pf));
        let output = Requantise::new(&dense.output, pf);
        Exact {
            w_b: dense.w_b.mapv(f64::from),
            a,
            w_a: None,
            w_c: dense.w_c.mapv(f64::from),
            bias: dense.bias.mapv(|b| b as f64 * power(-pf)),
            product_frac: pf,
            output,
        }
    }

    /// Both operands are read from the whole of x, by matrices that are 0 where the other one stands.
    fn two_operands(bilinear: &model::Bilinear, input_frac: i32) -> Self {
        let (n_a, n, r) = (bilinear.inputs_a(), bilinear.inputs_a() + bilinear.inputs_b(), bilinear.w_c.ncols());
        let product_frac = 2 * input_frac;
        let mut w_a = Array2::zeros((r, n));
        w_a.slice_mut(s![.., ..n_a]).assign(&bilinear.w_a.mapv(f64::from));
        let mut w_b = Array2::zeros((r, n));
        w_b.slice_mut(s![.., n_a..]).assign(&bilinear.w_b.mapv(f64::from));
        Exact {
            w_b,
            a: Array1::zeros(0),
            w_a: Some(w_a),
            w_c: bilinear.w_c.mapv(f64::from),
            bias: Array1::zeros(bilinear.w_c.nrows()),
            product_frac,
            output: Requantise::new(&bilinear.output, product_frac),
        }
    }

    /// `[n, n_in]` real values of the input format to `trace.z`, `[n, n_out]`.
    pub fn forward(&self, x: ArrayView2<f64>, trace: &mut Trace) {
        let n = x.nrows();
        for (buffer, columns) in [
            (&mut trace.u, self.w_b.nrows()),
            (&mut trace.m, self.w_b.nrows()),
            (&mut trace.y, self.w_c.nrows()),
            (&mut trace.z, self.w_c.nrows()),
        ] {
            if buffer.dim() != (n, columns) {
                *buffer = Array2::zeros((n, columns));
            }
        }
        let Trace { u, m, y, z } = trace;
        product(x, self.w_b.t(), u.view_mut());
        if let Some(w_a) = &self.w_a {
            product(x, w_a.t(), m.view_mut());
            *m *= &*u;
        } else {
            let (up, down) = (power(self.product_frac), power(-self.product_frac));
            for (mut m, u) in m.rows_mut().into_iter().zip(u.rows()) {
                Zip::from(&mut m).and(&u).and(&self.a).for_each(|m, &u, &a| *m = round(a * u * up) * down);
            }
        }
        product(m.view(), self.w_c.t(), y.view_mut());
        for (mut z, mut y) in z.rows_mut().into_iter().zip(y.rows_mut()) {
            y += &self.bias;
            if let Some(Requantise { scales, format }) = &self.output {
                y *= scales;
                let requantise = requantiser(*format);
                Zip::from(&mut z).and(&y).for_each(|z, &y| *z = requantise(y));
            } else {
                z.assign(&y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_up_everywhere() {
        let large = (1u64 << 51) as f64;
        for base in [0.0, 1.0, 2.0, 7.0, 1e6, large - 4.0, large, large + 1.0, 2.0 * large - 1.0] {
            for i in -64..=64 {
                let v = base + f64::from(i) / 16.0;
                for v in [v, -v] {
                    // Sixteenths below 2^48, coarser above: the integers around v decide.
                    let up = v.ceil();
                    let expected = if up - v <= 0.5 { up } else { up - 1.0 };
                    assert_eq!(round(v), expected, "{v}");
                }
            }
        }
    }
}
