//! The network of phases 1 and 2: float activations, batch norms, W_b and W_c in full precision or ternary.

use super::loss::{Score, score_and_gradient};
use super::matmul::{Real, product};
use super::norm::Norm;
use super::optimiser::{Parameter, Rule};
use super::ternary::Matrix;
use crate::network::Network;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, Axis, Zip};
use rand::{Rng, RngExt};

/// A dense SPN layer: `y = W_c[a ⊙ norm(W_b x)]`, then `max(0, γ ⊙ norm(y) + b)`, or `y + b` in the last layer.
pub struct Spn<T> {
    /// `[r, n_in]`.
    pub w_b: Matrix<T>,
    /// `[1, r]`: ã.
    pub a: Parameter<T>,
    /// `[n_out, r]`.
    pub w_c: Matrix<T>,
    /// `[1, n_out]`: the offset of the output norm, or the bias of the last layer.
    pub bias: Parameter<T>,
    /// The norm between W_b and ã.
    pub hidden: Norm<T>,
    /// The norm after W_c and its scale γ, `[1, n_out]`; none in the last layer.
    pub output: Option<(Parameter<T>, Norm<T>)>,
    /// `[n, n_out]`: what the last forward pass gave.
    pub z: Array2<T>,
    u: Array2<T>,
    v: Array2<T>,
    y: Array2<T>,
    dz: Array2<T>,
    dv: Array2<T>,
}

impl<T: Real> Spn<T> {
    fn new(n_in: usize, r: usize, n_out: usize, last: bool, rng: &mut impl Rng) -> Self {
        let mut uniform = |rows: usize, columns: usize| {
            let bound = 1.0 / (columns.max(1) as f64).sqrt();
            Matrix::new(Array2::from_shape_simple_fn((rows, columns), || {
                T::real((rng.random::<f64>() * 2.0 - 1.0) * bound)
            }))
        };
        Spn {
            w_b: uniform(r, n_in),
            a: Parameter::vector(r, 1.0),
            w_c: uniform(n_out, r),
            bias: Parameter::vector(n_out, 0.0),
            hidden: Norm::new(r),
            output: (!last).then(|| (Parameter::vector(n_out, 1.0), Norm::new(n_out))),
            z: Array2::zeros((0, n_out)),
            u: Array2::zeros((0, r)),
            v: Array2::zeros((0, r)),
            y: Array2::zeros((0, n_out)),
            dz: Array2::zeros((0, n_out)),
            dv: Array2::zeros((0, r)),
        }
    }

    fn resize(&mut self, n: usize) {
        for buffer in [&mut self.z, &mut self.u, &mut self.v, &mut self.y, &mut self.dz, &mut self.dv] {
            if buffer.nrows() != n {
                *buffer = Array2::zeros((n, buffer.ncols()));
            }
        }
    }

    /// `[n, n_in]` to `self.z`, with batch statistics.
    fn forward(&mut self, x: ArrayView2<T>) {
        self.resize(x.nrows());
        self.w_b.renew();
        self.w_c.renew();
        product(x, self.w_b.effective().t(), self.u.view_mut());
        self.hidden.forward(self.u.view());
        for (mut v, x) in self.v.rows_mut().into_iter().zip(self.hidden.normalised.rows()) {
            Zip::from(&mut v).and(&x).and(&self.a.row()).for_each(|v, &x, &a| *v = x * a);
        }
        product(self.v.view(), self.w_c.effective().t(), self.y.view_mut());
        let bias = self.bias.row();
        if let Some((scale, norm)) = &mut self.output {
            norm.forward(self.y.view());
            for (mut z, y) in self.z.rows_mut().into_iter().zip(norm.normalised.rows()) {
                Zip::from(&mut z)
                    .and(&y)
                    .and(&scale.row())
                    .and(&bias)
                    .for_each(|z, &y, &s, &b| *z = (s * y + b).max(T::zero()));
            }
        } else {
            for (mut z, y) in self.z.rows_mut().into_iter().zip(self.y.rows()) {
                Zip::from(&mut z).and(&y).and(&bias).for_each(|z, &y, &b| *z = y + b);
            }
        }
    }

    /// From `self.dz`, which it consumes, to all gradients and, where asked for, to dL/dx. Straight through the quantiser:
    /// the gradient of the ternary matrix is taken for that of the weights behind it.
    fn backward(&mut self, x: ArrayView2<T>, dx: Option<&mut Array2<T>>) {
        self.bias.gradient.fill(T::zero());
        if let Some((scale, norm)) = &mut self.output {
            scale.gradient.fill(T::zero());
            for ((mut dz, z), y) in self.dz.rows_mut().into_iter().zip(self.z.rows()).zip(norm.normalised.rows()) {
                Zip::from(&mut dz).and(&z).for_each(|d, &z| *d = if z > T::zero() { *d } else { T::zero() });
                let mut gradient = scale.gradient.row_mut(0);
                Zip::from(&mut gradient).and(&dz).and(&y).for_each(|g, &d, &y| *g += d * y);
                self.bias.gradient += &dz;
                dz *= &scale.row();
            }
            norm.backward(&mut self.dz);
        } else {
            for dz in self.dz.rows() {
                self.bias.gradient += &dz;
            }
        }
        product(self.dz.t(), self.v.view(), self.w_c.weights.gradient.view_mut());
        product(self.dz.view(), self.w_c.effective(), self.dv.view_mut());
        self.a.gradient.fill(T::zero());
        for (mut dv, x) in self.dv.rows_mut().into_iter().zip(self.hidden.normalised.rows()) {
            let mut gradient = self.a.gradient.row_mut(0);
            Zip::from(&mut gradient).and(&dv).and(&x).for_each(|g, &d, &x| *g += d * x);
            dv *= &self.a.row();
        }
        self.hidden.backward(&mut self.dv);
        product(self.dv.t(), x, self.w_b.weights.gradient.view_mut());
        if let Some(dx) = dx {
            product(self.dv.view(), self.w_b.effective(), dx.view_mut());
        }
    }

    /// `[n, n_in]` to `[n, n_out]`, with the running statistics.
    fn evaluate(&self, x: ArrayView2<T>) -> Array2<T> {
        let mut u = Array2::zeros((x.nrows(), self.a.value.ncols()));
        product(x, self.w_b.effective().t(), u.view_mut());
        self.hidden.evaluate(&mut u);
        u *= &self.a.row();
        let mut y = Array2::zeros((x.nrows(), self.bias.value.ncols()));
        product(u.view(), self.w_c.effective().t(), y.view_mut());
        if let Some((scale, norm)) = &self.output {
            norm.evaluate(&mut y);
            y *= &scale.row();
            y += &self.bias.row();
            y.mapv_inplace(|z| z.max(T::zero()));
        } else {
            y += &self.bias.row();
        }
        y
    }

    /// Gives both norms the statistics of a batch.
    fn calibrate(&mut self, x: ArrayView2<T>) {
        let mut u = Array2::zeros((x.nrows(), self.a.value.ncols()));
        product(x, self.w_b.effective().t(), u.view_mut());
        self.hidden.calibrate(u.view());
        self.hidden.evaluate(&mut u);
        u *= &self.a.row();
        if let Some((_, norm)) = &mut self.output {
            let mut y = Array2::zeros((x.nrows(), self.bias.value.ncols()));
            product(u.view(), self.w_c.effective().t(), y.view_mut());
            norm.calibrate(y.view());
        }
    }

    /// Each parameter with its name and whether it decays.
    pub fn parameters(&mut self) -> impl Iterator<Item = (&'static str, &mut Parameter<T>, bool)> {
        [("w_b", &mut self.w_b.weights, true), ("a", &mut self.a, false), ("w_c", &mut self.w_c.weights, true)]
            .into_iter()
            .chain([("bias", &mut self.bias, false)])
            .chain(self.output.as_mut().map(|(scale, _)| ("scale", scale, false)))
    }
}

/// The layers of a network, one after the other.
pub struct Float<T> {
    /// In the order data flows.
    pub layers: Vec<Spn<T>>,
}

/// Samples evaluated at a time.
const CHUNK: usize = 512;

impl<T: Real> Float<T> {
    /// Fresh weights for a network of which only `n_in` inputs are used.
    pub fn new(network: &Network, n_in: usize, rng: &mut impl Rng) -> Self {
        let steps = network.linear();
        let mut inputs = n_in;
        let layers = steps.iter().enumerate().map(|(i, step)| {
            let (r, units) = (step.linear().map_or(0, |l| l.r), step.output.channels);
            Spn::new(std::mem::replace(&mut inputs, units), r, units, i + 1 == steps.len(), rng)
        });
        Float { layers: layers.collect() }
    }

    /// Forward and backward over one batch `[n, n_in]`: leaves all gradients of the mean loss.
    pub fn gradients(&mut self, x: ArrayView2<T>, labels: &[u32]) -> Score {
        for i in 0..self.layers.len() {
            let (before, layer) = self.layers.split_at_mut(i);
            layer[0].forward(before.last().map_or(x, |b| b.z.view()));
        }
        let Some(last) = self.layers.last_mut() else { return Score::default() };
        last.dz.assign(&last.z);
        let score = score_and_gradient(&mut last.dz, labels);
        for i in (0..self.layers.len()).rev() {
            let (before, layer) = self.layers.split_at_mut(i);
            match before.last_mut() {
                Some(before) => layer[0].backward(before.z.view(), Some(&mut before.dz)),
                None => layer[0].backward(x, None),
            }
        }
        score
    }

    /// From here on W_b and W_c are ternary; the optimiser starts anew.
    pub fn make_ternary(&mut self, network: &Network) {
        for (layer, step) in self.layers.iter_mut().zip(network.linear()) {
            let factor = step.linear().and_then(|l| l.threshold).unwrap_or(network.train.threshold);
            layer.w_b.make_ternary(factor);
            layer.w_c.make_ternary(factor);
        }
    }

    /// Forgets the optimiser's moments.
    pub fn rest(&mut self) {
        for layer in &mut self.layers {
            layer.parameters().for_each(|(_, parameter, _)| parameter.rest());
        }
    }

    /// Brings the ternary matrices up to date, for evaluation after a step.
    pub fn renew(&mut self) {
        for layer in &mut self.layers {
            layer.w_b.renew();
            layer.w_c.renew();
        }
    }

    /// Nonzeros over entries of all matrices.
    pub fn density(&self) -> f64 {
        let (mut nonzeros, mut entries) = (0, 0);
        for matrix in self.layers.iter().flat_map(|l| [l.w_b.effective(), l.w_c.effective()]) {
            nonzeros += matrix.iter().filter(|w| **w != T::zero()).count();
            entries += matrix.len();
        }
        nonzeros as f64 / entries.max(1) as f64
    }

    /// Gives all norms the statistics of these samples, `[n, n_in]`, instead of the running ones.
    pub fn calibrate(&mut self, x: ArrayView2<T>) {
        let mut x = x.to_owned();
        for layer in &mut self.layers {
            layer.calibrate(x.view());
            x = layer.evaluate(x.view());
        }
    }

    /// Moves every parameter.
    pub fn update(&mut self, rule: Rule) {
        for layer in &mut self.layers {
            for (_, parameter, decays) in layer.parameters() {
                rule.apply(parameter, decays);
            }
        }
    }

    /// `[samples, n_in]` to `[samples, outputs]`, with the running statistics.
    pub fn evaluate(&self, x: ArrayView2<T>) -> Array2<T> {
        let outputs = self.layers.last().map_or(0, |l| l.bias.value.ncols());
        let mut y = Array2::zeros((x.nrows(), outputs));
        (y.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter()).zip(x.axis_chunks_iter(Axis(0), CHUNK)).for_each(
            |(mut y, x)| {
                let mut z = None;
                for layer in &self.layers {
                    z = Some(layer.evaluate(z.as_ref().map_or(x, |z: &Array2<T>| z.view())));
                }
                if let Some(z) = z {
                    y.assign(&z);
                }
            },
        );
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::score;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn network() -> Network {
        let text = "name = \"t\"\ninput = { shape = [5], bits = 8, frac = 8 }\nlayers = [\
            { dense = { units = 4, r = 6 } }, \"relu\", { dense = { units = 5, r = 4 } }, \"relu\", \
            { dense = { units = 3, r = 7 } }]";
        Network::parse("t", text).unwrap()
    }

    fn batch(rng: &mut ChaCha8Rng) -> (Array2<f64>, Vec<u32>) {
        (Array2::from_shape_simple_fn((9, 5), || rng.random::<f64>()), (0..9).map(|i| i % 3).collect())
    }

    /// Every entry of every gradient against central differences of the loss.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut float = Float::<f64>::new(&network(), 5, &mut rng);
        let (x, labels) = batch(&mut rng);
        // No parameter at a special value.
        for layer in &mut float.layers {
            for (name, p, _) in layer.parameters() {
                if !name.starts_with("w_") {
                    p.value.mapv_inplace(|v| v + 0.3 * rng.random::<f64>());
                }
            }
        }
        let loss = |float: &mut Float<f64>| float.gradients(x.view(), &labels).mean_loss();
        let mut checked = 0;
        for l in 0..float.layers.len() {
            for p in 0..float.layers[l].parameters().count() {
                loss(&mut float);
                let (name, gradient) =
                    float.layers[l].parameters().nth(p).map(|(n, p, _)| (n, p.gradient.clone())).unwrap();
                for (index, g) in gradient.indexed_iter() {
                    let mut at = |delta: f64| {
                        float.layers[l].parameters().nth(p).unwrap().1.value[index] += delta;
                        let loss = loss(&mut float);
                        float.layers[l].parameters().nth(p).unwrap().1.value[index] -= delta;
                        loss
                    };
                    let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                    assert!(
                        (difference - g).abs() < 1e-7 + 1e-5 * g.abs(),
                        "layer {l}, {name}{index:?}: {g} against {difference}"
                    );
                    checked += 1;
                }
            }
        }
        assert_eq!(checked, 5 * 6 + 6 + 6 * 4 + 8 + 4 * 4 + 4 + 4 * 5 + 10 + 5 * 7 + 7 + 7 * 3 + 3);
    }

    /// Straight through: the gradient of W is the one a full-precision network has whose W *is* the ternary matrix.
    #[test]
    fn ternary_gradients_are_those_at_the_quantised_weights() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut ternary = Float::<f64>::new(&network(), 5, &mut rng);
        let (x, labels) = batch(&mut rng);
        for layer in &mut ternary.layers {
            layer.w_b.make_ternary(0.9);
            layer.w_c.make_ternary(0.9);
        }
        let mut full = Float::<f64>::new(&network(), 5, &mut rng);
        for (f, t) in full.layers.iter_mut().zip(&ternary.layers) {
            f.w_b.weights.value = t.w_b.effective().to_owned();
            f.w_c.weights.value = t.w_c.effective().to_owned();
            assert!(f.w_b.weights.value != t.w_b.weights.value);
        }
        assert_eq!(ternary.gradients(x.view(), &labels), full.gradients(x.view(), &labels));
        for (f, t) in full.layers.iter_mut().zip(&mut ternary.layers) {
            for ((name, f, _), (_, t, _)) in f.parameters().zip(t.parameters()) {
                assert_eq!(f.gradient, t.gradient, "{name}");
            }
        }
    }

    #[test]
    fn evaluation_agrees_with_training_once_the_running_statistics_are_the_batch_s() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut float = Float::<f64>::new(&network(), 5, &mut rng);
        let (x, labels) = batch(&mut rng);
        let mut trained = Score::default();
        for _ in 0..400 {
            trained = float.gradients(x.view(), &labels);
        }
        // The running variance is the unbiased one.
        for layer in &mut float.layers {
            layer.hidden.variance *= 8.0 / 9.0;
            if let Some((_, norm)) = &mut layer.output {
                norm.variance *= 8.0 / 9.0;
            }
        }
        let evaluated = score(float.evaluate(x.view()).view(), &labels);
        assert!((evaluated.loss - trained.loss).abs() < 1e-9);
        assert_eq!(evaluated.correct, trained.correct);
    }
}
