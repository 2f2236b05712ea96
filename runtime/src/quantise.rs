//! From the float network to integers: norms are folded away, formats chosen, dead rows removed.

use crate::format::Format;
use crate::model::{self, Edge, Model, Output, Provenance};
use crate::network::{Bits, Network};
use crate::train::exact::requantiser;
use crate::train::float::Float;
use crate::train::frozen::{Fixed, Frozen, FrozenLayer};
use crate::train::matmul::product;
use crate::train::norm::EPSILON;
use crate::train::optimiser::Parameter;
use crate::train::spn::Spn;
use crate::train::ternary::{scale, signs};
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

/// Folds a ternary float network into an integer one, layer by layer, on samples `[n, n_in]` of real values in the input
/// format. Each norm takes its statistics from the integers that really arrive, so that what earlier layers lost by
/// quantisation is made up for where a mean and a scale can.
pub(crate) fn fold(float: &Float<f32>, bits: &Bits, input: Format, samples: ArrayView2<f32>) -> Frozen {
    let mut x = samples.mapv(f64::from);
    let mut frac = input.frac;
    let mut layers = Vec::new();
    for spn in float.spns() {
        let mut layer = fold_layer(spn, bits, frac, x.view());
        let z = layer.forward(x.view()).to_owned();
        x = z;
        frac = layer.fixed.format.map_or(frac, |f| f.frac);
        layers.push(layer);
    }
    Frozen { layers }
}

/// Mean and variance of each column.
fn statistics(x: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
    let n = x.nrows().max(1) as f64;
    let mean = x.sum_axis(Axis(0)) / n;
    let variance = (x - &mean).mapv_into(|d| d * d).sum_axis(Axis(0)) / n;
    (mean, variance)
}

fn fold_layer(spn: &Spn<f32>, bits: &Bits, input_frac: i32, x: ArrayView2<f64>) -> FrozenLayer {
    let w_b = signs(spn.w_b.effective()).mapv(f64::from);
    let w_c = spn.w_c.as_ref().map(|w_c| (signs(w_c.effective()).mapv(f64::from), scale(w_c.effective())));
    let (mut w_c, alpha_c) = w_c.unwrap_or_else(|| (Array2::eye(w_b.nrows()), 1.0));
    let alpha_b = scale(spn.w_b.effective());

    // The hidden norm: A_i (u_i - mean_i).
    let mut v = Array2::zeros((x.nrows(), w_b.nrows()));
    product(x, w_b.t(), v.view_mut());
    let (means, variances) = statistics(&v);
    let mut a = spn.a.value.mapv(f64::from);
    let mut units = variances.mapv(|s| alpha_b / (alpha_b * alpha_b * s + EPSILON).sqrt());
    // A row that never moves says nothing, and its norm would only amplify what is not there.
    Zip::from(a.row_mut(0)).and(&variances).for_each(|a, &s| *a = if s > 0.0 { *a } else { 0.0 });
    v -= &means;
    v *= &(&a.row(0) * &units);
    let mut y = Array2::zeros((x.nrows(), w_c.nrows()));
    product(v.view(), w_c.t(), y.view_mut());

    let mut bias = spn.bias.value.mapv(f64::from);
    let mut exponents = Array1::zeros(w_c.nrows());
    let format = if let Some((gamma, _)) = &spn.output {
        // The output norm: g_c y_c + bias_c, with g_c > 0.
        let (y_means, y_variances) = statistics(&y);
        let gamma = gamma.value.row(0).mapv(f64::from);
        let mut scales = Zip::from(&gamma)
            .and(&y_variances)
            .map_collect(|g, s| g * alpha_c / (alpha_c * alpha_c * s + EPSILON).sqrt());
        Zip::from(bias.row_mut(0)).and(&scales).and(&y_means).for_each(|b, s, m| *b -= s * m);
        // A channel that the norm all but switches off has no power of two to speak of.
        let least = 1e-6 * scales.fold(0.0f64, |a, g| a.max(g.abs()));
        for (c, g) in scales.iter_mut().enumerate() {
            let sign = if g.abs() <= least { 0.0 } else { g.signum() };
            w_c.row_mut(c).mapv_inplace(|w| w * sign);
            y.column_mut(c).mapv_inplace(|y| y * sign);
            *g = if sign == 0.0 { 1.0 } else { g.abs() };
        }
        // Only powers of two are free: what is common to all channels goes into the coefficients.
        let common = common_scale(&scales);
        units *= common;
        y *= common;
        scales /= common;
        exponents = scales.mapv(|g| g.log2().round() as i32);
        // Where the scale changes, the offset changes with it, so that each ReLU opens where it did.
        let powers = exponents.mapv(|e| 2f64.powi(e));
        Zip::from(bias.row_mut(0)).and(&powers).and(&scales).for_each(|b, p, g| *b *= p / g);
        y *= &powers;
        y += &bias.row(0);
        Some(Format { signed: false, bits: bits.activations, frac: best_frac(&y, false, bits.activations) })
    } else {
        units *= alpha_c;
        y *= alpha_c;
        y += &bias.row(0);
        None
    };
    let output_frac = format.map_or_else(|| best_frac(&y, true, bits.activations), |f| f.frac);
    let product_frac = output_frac + bits.guard as i32 + exponents.iter().copied().max().unwrap_or(0);
    let fixed = Fixed {
        w_b,
        w_c,
        units,
        means,
        exponents,
        input_frac,
        product_frac,
        coefficient_bits: bits.coefficients,
        format,
    };
    FrozenLayer::new(fixed, Parameter::new(a), Parameter::new(bias))
}

/// The factor s in 1..2 for which all g/s are nearest to powers of two, in the least squares of logarithms.
fn common_scale(scales: &Array1<f64>) -> f64 {
    let error = |s: f64| -> f64 {
        let distance = |g: &f64| {
            let log = g.log2() - s;
            log - log.round()
        };
        scales.iter().map(|g| distance(g).powi(2)).sum()
    };
    let steps = (0..64).map(|i| f64::from(i) / 64.0);
    // f64::total_cmp orders the sums; there are 64 of them.
    let best = steps.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(0.0);
    best.exp2()
}

/// The frac with the least squared error for these values; saturation and rounding both count. Of what a ReLU passes.
fn best_frac(y: &Array2<f64>, signed: bool, bits: u32) -> i32 {
    let error = |frac: i32| -> f64 {
        let round = requantiser(Format { signed, bits, frac });
        y.iter().map(|&v| if signed { v } else { v.max(0.0) }).map(|v| (v - round(v)).powi(2)).sum()
    };
    let largest = y.fold(0.0f64, |a, v| a.max(v.abs())).max(1e-9);
    // The frac at which the largest value just fits, and from there on finer.
    let coarsest = bits as i32 - 1 - largest.log2().ceil() as i32;
    let candidates = (coarsest - 1..coarsest + 8).map(|f| f.clamp(-32, 48));
    candidates.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(0)
}

/// The integer network as a model: `live` are the inputs that the first layer takes, the others have no weights.
///
/// Rows that cannot matter are removed (W_b row or W_c column empty, or a = 0), and then the units that nobody reads; the
/// integers on all edges that remain are unchanged.
pub(crate) fn to_model(network: &Network, live: &[usize], frozen: &Frozen, provenance: Provenance) -> Model {
    let mut layers = Vec::new();
    // Outputs of the layer at hand that the next one reads; from the last layer to the first.
    let mut read: Vec<usize> = (0..network.outputs()).collect();
    for ((i, layer), linear) in frozen.layers.iter().enumerate().zip(network.linear()).rev() {
        let fixed = &layer.fixed;
        let integers = layer.integers();
        let w_c = fixed.w_c.select(Axis(0), &read);
        let rows: Vec<usize> = (0..fixed.w_b.nrows())
            .filter(|&i| {
                integers.coefficients[i] != 0
                    && fixed.w_b.row(i).iter().any(|&w| w != 0.0)
                    && w_c.column(i).iter().any(|&w| w != 0.0)
            })
            .collect();
        let mut w_b = fixed.w_b.select(Axis(0), &rows).mapv(|w| w as i8);
        let outputs = std::mem::take(&mut read);
        if i == 0 {
            let mut all = Array2::zeros((rows.len(), network.input.elements()));
            for (j, &input) in live.iter().enumerate() {
                all.column_mut(input).assign(&w_b.column(j));
            }
            w_b = all;
        } else {
            read = (0..w_b.ncols()).filter(|&j| w_b.column(j).iter().any(|&w| w != 0)).collect();
            if read.is_empty() {
                // A layer has at least one output, even if training collapsed.
                read.push(0);
            }
            w_b = w_b.select(Axis(1), &read).as_standard_layout().into_owned();
        }
        let output = match fixed.format {
            None => Output::Raw,
            Some(format) => Output::Requantised {
                shifts: outputs.iter().map(|&c| fixed.product_frac - format.frac - fixed.exponents[c]).collect(),
                format,
            },
        };
        layers.push(model::Layer::Dense(model::Dense {
            name: format!("dense_{i}"),
            budget: linear.linear().map_or(0, |l| l.r),
            w_b,
            coefficients: integers.coefficients.select(Axis(0), &rows),
            coefficient_bits: fixed.coefficient_bits,
            coefficient_shifts: integers.shifts.select(Axis(0), &rows),
            product_frac: fixed.product_frac,
            w_c: w_c.select(Axis(1), &rows).mapv(|w| w as i8).as_standard_layout().into_owned(),
            bias: integers.bias.select(Axis(0), &outputs),
            output,
        }));
    }
    layers.reverse();
    let input = Edge { shape: network.input.shape.clone(), format: network.input.format() };
    Model { name: network.name.clone(), input, layers, provenance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use ndarray::array;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const NETWORK: &str = "name = \"t\"\ninput = { shape = [9], bits = 8, frac = 8 }\nlayers = [\
        { dense = { units = 8, r = 12 } }, \"relu\", { dense = { units = 7, r = 9 } }, \"relu\", \
        { dense = { units = 3, r = 8 } }]\nbits = { activations = 16, coefficients = 20, guard = 8 }";

    /// A ternary network with statistics of random samples, and the samples.
    fn ternary(rng: &mut ChaCha8Rng, network: &Network, live: usize) -> (Float<f32>, Array2<f32>) {
        let mut float = Float::new(network, live, rng);
        float.make_ternary(network);
        for layer in float.spns_mut() {
            for (name, p, _) in layer.parameters() {
                if !name.starts_with("w_") {
                    p.value.mapv_inplace(|v| v + rng.random::<f32>() - 0.7);
                }
            }
        }
        let x = Array2::from_shape_simple_fn((300, live), || f32::from(rng.random::<u8>()) / 256.0);
        float.calibrate(x.view());
        (float, x)
    }

    /// With many bits, folding changes nothing but the powers of two, which the last layer's norm makes up for where
    /// there is one channel only.
    #[test]
    fn folding_keeps_the_function_where_bits_are_plenty() {
        let text = NETWORK.replace("units = 8", "units = 1").replace("units = 7", "units = 1");
        let network = Network::parse("t", &text).unwrap();
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (float, x) = ternary(&mut rng, &network, 9);
            let frozen = fold(&float, &network.bits, network.input.format(), x.view());
            let (exact, float) = (frozen.evaluate(network.input.format(), x.view()), float.evaluate(x.view()));
            let worst = Zip::from(&exact).and(&float).fold(0.0f64, |w, &e, &f| w.max((e - f64::from(f)).abs()));
            let spread = float.fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(worst < 1e-2 * f64::from(spread), "seed {seed}: {worst} of {spread}");
        }
    }

    #[test]
    fn removing_what_is_dead_changes_no_output() {
        let network = Network::parse("t", NETWORK).unwrap();
        let live = [0, 2, 3, 4, 6, 7];
        let mut removed = 0;
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (float, x) = ternary(&mut rng, &network, live.len());
            let mut frozen = fold(&float, &network.bits, network.input.format(), x.view());
            // All sorts of dead: a = 0, nobody reads the row, the row reads nothing, nobody reads the unit.
            for (i, layer) in frozen.layers.iter_mut().enumerate() {
                layer.a.value[[0, 1]] = 0.0;
                layer.fixed.w_c.column_mut(2).fill(0.0);
                layer.fixed.w_b.row_mut(3).fill(0.0);
                if i > 0 {
                    layer.fixed.w_b.column_mut(5).fill(0.0);
                }
            }
            let anew = |l: FrozenLayer| FrozenLayer::new(l.fixed, l.a, l.bias);
            let frozen = Frozen { layers: frozen.layers.into_iter().map(anew).collect() };
            let model = to_model(&network, &live, &frozen, Provenance::default());
            model.validate().unwrap();
            let model::Layer::Dense(first) = &model.layers[0] else { unreachable!() };
            assert!(first.rows() <= 9 && first.outputs() <= 7 && first.budget == 12);
            removed += 8 - first.outputs();
            let expected = frozen.evaluate(network.input.format(), x.view());
            let unit = 2f64.powi(frozen.layers[2].fixed.product_frac);
            for (x, y) in x.rows().into_iter().zip(expected.rows()) {
                let mut input = vec![77; 9];
                for (&j, x) in live.iter().zip(x) {
                    input[j] = (x * 256.0) as i64;
                }
                let integers = golden::infer(&model, &input).unwrap();
                assert_eq!(y.mapv(|y| (y * unit) as i64).to_vec(), integers);
            }
        }
        assert!(removed >= 50);
    }

    #[test]
    fn scales_and_fracs_are_the_best_ones() {
        let common = common_scale(&array![3.0, 6.0, 0.75]);
        assert!((common.log2() - 1.5f64.log2()).abs() < 1.0 / 64.0, "{common}");
        let y = Array2::from_shape_fn((100, 1), |(i, _)| i as f64 / 100.0 * 3.9);
        assert_eq!(best_frac(&y, false, 8), 6);
        assert_eq!(best_frac(&y, true, 8), 5);
        // Two of a thousand saturate: finer steps for the others win.
        let mut y = Array2::from_shape_fn((1000, 1), |(i, _)| i as f64 / 1000.0);
        y[[0, 0]] = 1.05;
        assert_eq!(best_frac(&y, false, 4), 4);
        assert_eq!(
            best_frac(&Array2::zeros((3, 1)), false, 8).clamp(-32, 48),
            best_frac(&Array2::zeros((3, 1)), false, 8)
        );
    }
}
