//! The network of phase 3: W_b and W_c frozen, integer activations; the coefficients a and the biases train, straight
//! through every rounding, on exactly the integers that the hardware computes.

use super::exact::{Exact, Kind, Node, Trace, evaluate, power};
use super::loss::{Score, score_and_gradient};
use super::matmul::product;
use super::optimiser::{Parameter, Rule};
use super::patches::Patches;
use crate::format::Format;
use ndarray::{Array1, Array2, ArrayView2, Zip};

/// A dense layer with integer semantics. In real values, with A_i = a_i · unit_i:
/// `m_i = A_i u_i`, `z_c = max(0, 2^e_c Σ_i W_c,ci A_i (u_i - mean_i) + bias_c)`, where A, m, z and the sum of all offsets
/// are each quantised.
pub struct FrozenLayer {
    /// `[1, r]`: ã.
    pub a: Parameter<f64>,
    /// `[1, n_out]`: offset in the units of z; of y in the last layer.
    pub bias: Parameter<f64>,
    /// What is not trained.
    pub fixed: Fixed,
    exact: Exact,
    trace: Trace,
    /// `[n, n_out]`: dL/dz, then dL/dy.
    dz: Array2<f64>,
    /// `[n, r]`: dL/dm, then dL/du.
    dm: Array2<f64>,
}

/// What phase 3 leaves alone in a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    /// `[r, n_in]`, entries -1, 0, 1.
    pub w_b: Array2<f64>,
    /// `[n_out, r]`, entries -1, 0, 1.
    pub w_c: Array2<f64>,
    /// `[r]`: what a_i is multiplied by: 1/σ_i of the hidden norm, and more.
    pub units: Array1<f64>,
    /// `[r]`: what the hidden norm subtracts from u_i.
    pub means: Array1<f64>,
    /// `[n_out]`: e_c, the power of two that is left of the output norm's scale; 0 in the last layer.
    pub exponents: Array1<i32>,
    /// Fractional bits of the input.
    pub input_frac: i32,
    /// Fractional bits of m, y and the bias.
    pub product_frac: i32,
    /// Width of the integer coefficients.
    pub coefficient_bits: u32,
    /// The format of z; none in the last layer.
    pub format: Option<Format>,
}

/// The trained integers of a layer.
pub struct Integers {
    /// `[r]`.
    pub coefficients: Array1<i32>,
    /// `[r]`: t_i.
    pub shifts: Array1<i32>,
    /// `[n_out]`.
    pub bias: Array1<i64>,
}

/// a and t with a · 2^-t nearest to `v` and |a| < 2^(bits-1), all bits used; (0, 0) where v · 2^62 vanishes.
fn coefficient(v: f64, bits: u32) -> (i32, i32) {
    let limit = power(bits as i32 - 1);
    if v == 0.0 || !v.is_finite() {
        return (0, 0);
    }
    let mut t = bits as i32 - 2 - v.abs().log2().floor() as i32;
    // The logarithm, or the rounding up to a power of two, may be one off.
    while t > -31 && (v * power(t)).round().abs() >= limit {
        t -= 1;
    }
    let t = t.clamp(-31, 62);
    let a = (v * power(t)).round().clamp(1.0 - limit, limit - 1.0) as i32;
    if a == 0 { (0, 0) } else { (a, t) }
}

impl FrozenLayer {
    /// With initial coefficients and biases.
    pub fn new(fixed: Fixed, a: Parameter<f64>, bias: Parameter<f64>) -> Self {
        let (r, n_out) = (fixed.w_b.nrows(), fixed.w_c.nrows());
        let exact = Exact {
            patches: Patches::whole_samples(fixed.w_b.ncols(), n_out),
            groups: (1, 1),
            w_b: fixed.w_b.clone(),
            a: Array1::zeros(r),
            w_a: None,
            w_c: fixed.w_c.clone(),
            bias: Array1::zeros(n_out),
            product_frac: fixed.product_frac,
            output: fixed.format.map(|format| super::exact::Requantise { scales: fixed.exponents.mapv(power), format }),
        };
        let (dz, dm) = (Array2::zeros((0, n_out)), Array2::zeros((0, r)));
        let mut layer = FrozenLayer { a, bias, fixed, exact, trace: Trace::default(), dz, dm };
        layer.renew();
        layer
    }

    /// The integers that the parameters stand for.
    pub fn integers(&self) -> Integers {
        let f = &self.fixed;
        let up = power(f.product_frac - f.input_frac);
        let pairs: Vec<(i32, i32)> = (self.a.row().iter().zip(&f.units))
            .map(|(a, unit)| coefficient(a * unit * up, f.coefficient_bits))
            .collect();
        let real = |&(a, t): &(i32, i32)| f64::from(a) * power(f.input_frac - t - f.product_frac);
        // The hidden norm's offset, through W_c, with the coefficients as they are quantised.
        let offsets: Array1<f64> = pairs.iter().zip(&f.means).map(|(pair, mean)| real(pair) * mean).collect();
        let limit = power(52);
        let bias = Zip::from(self.bias.row()).and(f.w_c.rows()).and(&f.exponents).map_collect(|&b, w_c, &e| {
            let offset: f64 = w_c.iter().zip(&offsets).map(|(w, o)| w * o).sum();
            ((b * power(-e) - offset) * power(f.product_frac)).round().clamp(-limit, limit) as i64
        });
        Integers {
            coefficients: pairs.iter().map(|p| p.0).collect(),
            shifts: pairs.iter().map(|p| p.1).collect(),
            bias,
        }
    }

    /// Brings what computes up to date with the parameters.
    pub fn renew(&mut self) {
        let Integers { coefficients, shifts, bias } = self.integers();
        let f = &self.fixed;
        Zip::from(&mut self.exact.a)
            .and(&coefficients)
            .and(&shifts)
            .for_each(|r, &a, &t| *r = f64::from(a) * power(f.input_frac - t - f.product_frac));
        Zip::from(&mut self.exact.bias).and(&bias).for_each(|r, &b| *r = b as f64 * power(-f.product_frac));
    }

    /// `[n, n_in]` real values of the input format to those of the output.
    pub fn forward(&mut self, x: ArrayView2<f64>) -> ArrayView2<'_, f64> {
        self.exact.forward(x, &mut self.trace);
        self.trace.z.view()
    }

    /// From `self.dz`, which it consumes, to the gradients and, where asked for, to dL/dx. Roundings pass the gradient
    /// through, saturations stop it.
    fn backward(&mut self, dx: Option<&mut Array2<f64>>) {
        self.bias.gradient.fill(0.0);
        let mut gradient = self.bias.gradient.row_mut(0);
        for (mut dz, y) in self.dz.rows_mut().into_iter().zip(self.trace.y.rows()) {
            if let Some(super::exact::Requantise { scales, format }) = &self.exact.output {
                let largest = format.max() as f64 * power(-format.frac);
                Zip::from(&mut dz).and(&y).for_each(|d, &y| *d = if y > 0.0 && y <= largest { *d } else { 0.0 });
                gradient += &dz;
                dz *= scales;
            } else {
                gradient += &dz;
            }
        }
        let n = self.dz.nrows();
        if self.dm.nrows() != n {
            self.dm = Array2::zeros((n, self.dm.ncols()));
        }
        product(self.dz.view(), self.exact.w_c.view(), self.dm.view_mut());
        self.a.gradient.fill(0.0);
        let mut gradient = self.a.gradient.row_mut(0);
        for (mut dm, u) in self.dm.rows_mut().into_iter().zip(self.trace.u.rows()) {
            Zip::from(&mut gradient)
                .and(&dm)
                .and(&u)
                .and(&self.fixed.means)
                .for_each(|g, &d, &u, &m| *g += d * (u - m));
            dm *= &self.exact.a;
        }
        gradient *= &self.fixed.units;
        if let Some(dx) = dx {
            product(self.dm.view(), self.exact.w_b.view(), dx.view_mut());
        }
    }
}

/// The layers of an integer network in training.
pub struct Frozen {
    /// In the order data flows.
    pub layers: Vec<FrozenLayer>,
}

impl Frozen {
    /// Forward and backward over one batch `[n, n_in]` of real values of the input format.
    pub fn gradients(&mut self, x: ArrayView2<f64>, labels: &[u32]) -> Score {
        let n = x.nrows();
        for i in 0..self.layers.len() {
            let (before, layer) = self.layers.split_at_mut(i);
            layer[0].forward(before.last().map_or(x, |b| b.trace.z.view()));
            if layer[0].dz.nrows() != n {
                layer[0].dz = Array2::zeros(layer[0].trace.z.dim());
            }
        }
        let Some(last) = self.layers.last_mut() else { return Score::default() };
        last.dz.assign(&last.trace.z);
        let score = score_and_gradient(&mut last.dz, labels);
        for i in (0..self.layers.len()).rev() {
            let (before, layer) = self.layers.split_at_mut(i);
            layer[0].backward(before.last_mut().map(|b| &mut b.dz));
        }
        score
    }

    /// Moves every parameter.
    pub fn update(&mut self, rule: Rule) {
        for layer in &mut self.layers {
            rule.apply(&mut layer.a, false);
            rule.apply(&mut layer.bias, false);
            layer.renew();
        }
    }

    /// `[samples, n_in]` real values to `[samples, outputs]`.
    pub fn evaluate(&self, input: Format, x: ArrayView2<f32>) -> Array2<f64> {
        let node = |(i, layer): (usize, _)| {
            let layer: &FrozenLayer = layer;
            Node { kind: Kind::Linear(&layer.exact), from: vec![i], outputs: layer.fixed.w_c.nrows() }
        };
        let nodes: Vec<Node<&Exact>> = self.layers.iter().enumerate().map(node).collect();
        evaluate(&nodes, input, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn coefficients_use_their_bits() {
        assert_eq!(coefficient(0.0, 8), (0, 0));
        assert_eq!(coefficient(1.0, 8), (64, 6));
        assert_eq!(coefficient(-0.999, 8), (-64, 6));
        assert_eq!(coefficient(127.4, 8), (127, 0));
        assert_eq!(coefficient(127.5, 8), (64, -1));
        assert_eq!(coefficient(0.75, 2), (1, 0));
        assert_eq!(coefficient(1e-30, 8), (0, 0));
        assert_eq!(coefficient(f64::NAN, 8), (0, 0));
        for i in 1..2000 {
            let v = 1.01f64.powi(i - 1000);
            let (a, t) = coefficient(v, 8);
            assert!((64..128).contains(&a), "{v}");
            assert!((f64::from(a) * power(-t) / v - 1.0).abs() <= 0.5 / 64.0, "{v}: {a} {t}");
        }
    }

    fn layer(last: bool) -> FrozenLayer {
        let fixed = Fixed {
            w_b: array![[1.0, -1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [-1.0, 1.0, -1.0]],
            w_c: array![[1.0, 0.0, -1.0, 1.0], [0.0, -1.0, 1.0, 0.0], [1.0, 1.0, 1.0, -1.0]],
            units: array![0.7, 1.3, 0.9, 2.1],
            means: array![0.1, 0.5, -0.2, 0.3],
            exponents: if last { array![0, 0, 0] } else { array![-1, 1, 0] },
            input_frac: 8,
            product_frac: 30,
            coefficient_bits: 25,
            format: (!last).then_some(Format { signed: false, bits: 32, frac: 28 }),
        };
        let a = Parameter::new(array![[1.1, -0.6, 0.8, 1.4]]);
        FrozenLayer::new(fixed, a, Parameter::new(array![[0.3, -0.2, 0.4]]))
    }

    /// With many bits, rounding is too small to matter, and straight-through gradients are the true ones.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut frozen = Frozen { layers: vec![layer(false), layer(true)] };
        let x = Array2::from_shape_fn((8, 3), |(i, j)| ((i * 37 + j * 71 + 5) % 256) as f64 / 256.0);
        let labels = [0, 1, 2, 0, 1, 2, 0, 1];
        let mut checked = 0;
        for l in 0..2 {
            for p in 0..2 {
                let n = [4, 3][p];
                for j in 0..n {
                    let at = |frozen: &mut Frozen, delta: f64| {
                        let layer = &mut frozen.layers[l];
                        [&mut layer.a, &mut layer.bias][p].value[[0, j]] += delta;
                        layer.renew();
                        frozen.gradients(x.view(), &labels).mean_loss()
                    };
                    let high = at(&mut frozen, 1e-3);
                    let low = at(&mut frozen, -2e-3);
                    at(&mut frozen, 1e-3);
                    let layer = &frozen.layers[l];
                    let gradient = [&layer.a, &layer.bias][p].gradient[[0, j]];
                    let difference = (high - low) / 2e-3;
                    assert!((difference - gradient).abs() < 1e-4, "layer {l}, {p}, {j}: {gradient}, {difference}");
                    checked += usize::from(gradient.abs() > 1e-2);
                }
            }
        }
        assert!(checked > 8, "{checked} gradients of some size");
    }

    #[test]
    fn saturation_stops_the_gradient() {
        let mut frozen = Frozen { layers: vec![layer(false), layer(true)] };
        frozen.layers[0].bias.value = array![[-50.0, 50.0, 0.0]];
        frozen.layers[0].renew();
        frozen.gradients(array![[0.5, 0.25, 0.75]].view(), &[0]);
        let gradient = &frozen.layers[0].bias.gradient;
        assert_eq!((gradient[[0, 0]], gradient[[0, 1]]), (0.0, 0.0));
        assert!(gradient[[0, 2]] != 0.0);
    }
}
