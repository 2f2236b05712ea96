//! A network that begins where another one ended: at its weights, or at factors of them.

use super::float::Float;
use super::norm::EPSILON;
use super::patches::Patches;
use super::spn::{Products, Spn};
use crate::network::plan::Linear;
use crate::train::matmul::product;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::{Rng, RngExt};

/// Rounds of the power method: the subspace need not be exact, it is trained on.
const ROUNDS: usize = 12;

impl Spn<f32> {
    /// Takes over all numbers of a layer of the same shapes; false where the shapes differ.
    pub(super) fn take_over(&mut self, other: &mut Spn<f32>) -> bool {
        let shapes = |spn: &mut Spn<f32>| -> Vec<_> {
            spn.parameters().map(|(n, p, _)| (n, p.value.dim())).collect()
        };
        if shapes(self) != shapes(other) {
            return false;
        }
        for ((_, to, _), (_, from, _)) in self.parameters().zip(other.parameters()) {
            to.value.assign(&from.value);
        }
        for (to, from) in self.norms_mut().zip(other.norms_mut()) {
            to.mean.assign(&from.mean);
            to.variance.assign(&from.variance);
        }
        true
    }

    /// Begins with factors of an ordinary layer's matrix, `W_c W_b ≈ W` for every pixel of an
    /// output patch; false where there are none, since its groups leave inputs out. They span the
    /// dominant rows of W, so that they are exact where r reaches its rank. A frame turns them at
    /// random: all rows carry as much, and every entry of both has a sign and a size to be ternary
    /// by. With the identity as W_c, also exact where r suffices, what noise makes of its zeros is
    /// as large as Δ within a few steps.
    pub(super) fn factorise(
        &mut self,
        ordinary: &Spn<f32>,
        linear: &Linear,
        rng: &mut impl Rng,
    ) -> bool {
        if linear.groups > 1 {
            return false;
        }
        let w = patch_matrix(ordinary.w_b.weights.value.view(), linear, self.patches());
        let (r, c_out) = (linear.r, w.nrows());
        let (w_b, w_c) = if linear.plain {
            (w, Array2::eye(c_out))
        } else {
            let q = dominant_rows(w.view(), r.min(w.nrows()).min(w.ncols()), rng);
            let frame = orthonormal_rows(random(q.nrows(), r, rng));
            let (mut w_b, mut wq, mut w_c) = (
                Array2::zeros((r, q.ncols())),
                Array2::zeros((c_out, q.nrows())),
                Array2::zeros((c_out, r)),
            );
            product(frame.t(), q.view(), w_b.view_mut());
            product(w.view(), q.t(), wq.view_mut());
            product(wq.view(), frame.view(), w_c.view_mut());
            (w_b, w_c)
        };
        self.w_b.weights.value.assign(&w_b);
        if let Some(matrix) = &mut self.w_c {
            matrix.weights.value.assign(&w_c);
        }
        self.bias.value.assign(&ordinary.bias.value);
        if let (Some((to, _)), Some((from, _))) = (&mut self.output, &ordinary.output) {
            to.value.assign(&from.value);
        }
        true
    }

    /// Makes up in W_c, or in ã where there is none, for what the norm between divides by, given
    /// its statistics; and in the last layer, where no other norm does, in the bias for what it
    /// subtracts.
    pub(super) fn undo_norm(&mut self) {
        let Some(Products { a, norm }) = &mut self.products else { return };
        let sigma: Array1<f32> = norm.variance.mapv(|v| (v + EPSILON as f32).sqrt());
        let offsets = match &mut self.w_c {
            Some(w_c) => {
                let offsets = w_c.weights.value.dot(&norm.mean);
                w_c.weights.value *= &sigma;
                offsets
            }
            None => {
                a.value.row_mut(0).assign(&sigma);
                norm.mean.clone()
            }
        };
        if self.output.is_none() {
            // Pixels of a patch share a bias: the mean of their offsets is nearest.
            let c_out = self.bias.value.ncols();
            let share = c_out as f32 / offsets.len() as f32;
            for (k, offset) in offsets.into_iter().enumerate() {
                self.bias.value[[0, k % c_out]] += offset * share;
            }
        }
    }
}

impl Float<f32> {
    /// Begins where `other`, of the same description but perhaps for the budget, ended: with its
    /// numbers where layers have the same shapes, with factors of its matrices where it is in full
    /// precision. `x`, `[n, n_in]`, are samples for statistics. Returns how many linear layers
    /// begin afresh.
    pub(super) fn begin_from(
        &mut self,
        other: &mut Float<f32>,
        linear: &[Linear],
        x: ArrayView2<f32>,
        rng: &mut impl Rng,
    ) -> usize {
        let mut fresh = 0;
        let (mut others, mut linear) = (other.spns_mut(), linear.iter());
        self.each_layer(x, |spn, x| {
            let (Some(from), Some(linear)) = (others.next(), linear.next()) else { return };
            if spn.take_over(from) {
                return;
            }
            if from.products.is_none() && spn.factorise(from, linear, rng) {
                spn.calibrate(x);
                spn.undo_norm();
            } else {
                fresh += 1;
            }
            spn.calibrate(x);
        });
        fresh
    }
}

/// The matrix `[p_h · p_w · c_out, K_h · K_w · c_in]` that computes all pixels of a patch, from
/// that of one pixel, `[c_out, k_h · k_w · c_in]`.
fn patch_matrix(w: ArrayView2<f32>, linear: &Linear, patches: &Patches) -> Array2<f32> {
    let (p, k, window, c_out) = (linear.patch, linear.kernel, linear.window(), w.nrows());
    let c_in = patches.columns() / window.area();
    let mut all = Array2::zeros((p.area() * c_out, patches.columns()));
    for (pixel, mut rows) in all.axis_chunks_iter_mut(Axis(0), c_out).enumerate() {
        let (y, x) = (pixel / p.w * linear.stride.h, pixel % p.w * linear.stride.w);
        let row = k.w * c_in;
        for ky in 0..k.h {
            let at = ((y + ky) * window.w + x) * c_in;
            rows.slice_mut(s![.., at..at + row]).assign(&w.slice(s![.., ky * row..(ky + 1) * row]));
        }
    }
    all
}

fn random(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || rng.random::<f32>() - 0.5)
}

/// q orthonormal rows that span about what the first q right singular vectors of w do (power
/// method).
fn dominant_rows(w: ArrayView2<f32>, q: usize, rng: &mut impl Rng) -> Array2<f32> {
    let mut rows = orthonormal_rows(random(q, w.ncols(), rng));
    let mut images = Array2::zeros((q, w.nrows()));
    for _ in 0..ROUNDS {
        product(rows.view(), w.t(), images.view_mut());
        product(images.view(), w, rows.view_mut());
        rows = orthonormal_rows(rows);
    }
    rows
}

/// Gram and Schmidt, twice for each row.
fn orthonormal_rows(mut m: Array2<f32>) -> Array2<f32> {
    let norm = |row: ArrayView1<f32>| row.dot(&row).sqrt();
    for i in 0..m.nrows() {
        let (before, mut rest) = m.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        let long = norm(row.view()).max(1e-30);
        row /= long;
        for _ in 0..2 {
            let along = before.dot(&row);
            row -= &along.dot(&before);
        }
        // What the rows before span already gets no row of its own.
        let left = norm(row.view());
        row.mapv_inplace(|v| if left > 1e-4 { v / left } else { 0.0 });
    }
    m
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn network(spn: &str) -> Network {
        let text = format!(
            r#"name = "t"
input = {{ shape = [7, 6, 2], bits = 8, frac = 8 }}
layers = [
    {{ conv2d = {{ channels = 4, kernel = 3, pad = 1 }} }},
    "relu",
    {{ max_pool = {{ size = 2 }} }},
    {{ residual = {{ body = [{{ conv2d = {{ channels = 4, kernel = 3, pad = 1 }} }}] }} }},
    "relu",
    {{ dense = {{ units = 3 }} }},
]
{spn}
"#
        );
        Network::parse("t", &text).unwrap()
    }

    /// A network that began at a full-precision one computes what that does, where r suffices for
    /// exact factors.
    #[test]
    fn begins_with_the_function_of_a_full_precision_network() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let x = Array2::from_shape_simple_fn((200, 84), || rng.random::<f32>());
        let mut full = network("");
        full.train.full_precision = true;
        let mut ordinary = Float::<f32>::new(&full, 84, &mut rng);
        ordinary.calibrate(x.view());
        let expected = ordinary.evaluate(x.view());
        for spn in ["ratio = 1", "ratio = 2", "ratio = 1.5", "ratio = 5"] {
            let network = network(&format!("[spn]\n{spn}"));
            let mut float = Float::<f32>::new(&network, 84, &mut rng);
            let linear: Vec<Linear> =
                network.linear().iter().filter_map(|s| s.linear().copied()).collect();
            assert_eq!(float.begin_from(&mut ordinary, &linear, x.view(), &mut rng), 0);
            let error =
                (&float.evaluate(x.view()) - &expected).mapv(f32::abs).fold(0f32, |a, &b| a.max(b));
            assert!(error < 1e-2, "{spn}: {error}");
            for w_c in float.spns_mut().filter_map(|spn| spn.w_c.as_ref()) {
                assert!(
                    w_c.weights.value.iter().all(|w| *w != 0.0),
                    "{spn}: a zero, to be ternary by noise"
                );
            }
        }
        // With less than that it is near; and with p = 2, where the norm between takes another
        // offset from each pixel of a patch.
        for spn in ["ratio = 2\np = 2", "ratio = 4\np = 2"] {
            let network = network(&format!("[spn]\n{spn}"));
            let mut float = Float::<f32>::new(&network, 84, &mut rng);
            let distance =
                |float: &Float<f32>| (&float.evaluate(x.view()) - &expected).mapv(|d| d * d).sum();
            let fresh = distance(&float);
            let linear: Vec<Linear> =
                network.linear().iter().filter_map(|s| s.linear().copied()).collect();
            float.begin_from(&mut ordinary, &linear, x.view(), &mut rng);
            let near = distance(&float);
            assert!(near < 0.3 * fresh, "{spn}: {near} against {fresh}");
        }
    }

    #[test]
    fn begins_with_the_numbers_of_a_network_of_the_same_shapes() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let x = Array2::from_shape_simple_fn((50, 84), || rng.random::<f32>());
        let network = network("[spn]\nratio = 2\np = 2");
        let mut other = Float::<f32>::new(&network, 84, &mut rng);
        other.calibrate(x.view());
        let mut float = Float::<f32>::new(&network, 84, &mut rng);
        let linear: Vec<Linear> =
            network.linear().iter().filter_map(|s| s.linear().copied()).collect();
        assert_eq!(float.begin_from(&mut other, &linear, x.view(), &mut rng), 0);
        assert_eq!(float.evaluate(x.view()), other.evaluate(x.view()));
    }
}
