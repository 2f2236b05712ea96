//! A network that begins where another one ended: at its weights, or at factors of them.

use super::float::{Float, Layer};
use super::spn::{Products, Spn};
use crate::error::Result;
use crate::network::plan::Linear;
use crate::train::factors::factors;
use crate::train::recurrent::Recurrent;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::Rng;

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
    /// output patch, group by group; false where there are none, since its groups leave inputs out
    /// that the ordinary layer reads. They span the dominant rows of W, so that they are exact
    /// where r reaches its rank. A frame turns them at random: all rows carry as much, and every
    /// entry of both has a sign and a size to be ternary by. With the identity as W_c, also exact
    /// where r suffices, what noise makes of its zeros is as large as Δ within a few steps.
    pub(super) fn factorise(
        &mut self,
        ordinary: &Spn<f32>,
        linear: &Linear,
        rng: &mut impl Rng,
    ) -> bool {
        let w = ordinary.w_b.weights.value.view();
        let (groups, output_groups) = self.groups();
        let c_out = self.bias.value.ncols();
        let Some(parts) = by_group(w, linear, output_groups, c_out) else {
            return false;
        };
        let (r, columns) = (linear.r / groups, self.patches().columns() / groups);
        let pixels = linear.patch.area();
        let own = c_out / groups;
        self.w_c.iter_mut().for_each(|w_c| w_c.weights.value.fill(0.0));
        for (g, part) in parts.into_iter().enumerate() {
            let part = patch_matrix(part.view(), linear, columns);
            let (w_b, w_c) = factors(part.view(), r, linear.plain, rng);
            self.w_b.weights.value.slice_mut(s![g * r..(g + 1) * r, ..]).assign(&w_b);
            let Some(matrix) = &mut self.w_c else { continue };
            let all = &mut matrix.weights.value;
            // Of a layer whose W_c has no groups, each group of products goes to its own outputs.
            let first = if output_groups > 1 { 0 } else { g * r };
            for pixel in 0..pixels {
                let to = pixel * c_out + g * own;
                all.slice_mut(s![to..to + own, first..first + r])
                    .assign(&w_c.slice(s![pixel * own..(pixel + 1) * own, ..]));
            }
        }
        if let Some(Products { a, norm }) = &mut self.products {
            a.value.fill(1.0);
            norm.pass();
        }
        self.bias.value.assign(&ordinary.bias.value);
        if let (Some((to, norm)), Some((from, of))) = (&mut self.output, &ordinary.output) {
            to.value.assign(&from.value);
            *norm = of.clone();
        }
        true
    }

    /// Gives both norms the statistics of samples, and makes up for it in W_c, or in ã where there
    /// is none, in γ and in the bias, so that the function stays. Pixels of a patch share an
    /// offset: the mean of their own is nearest.
    pub(super) fn settle(&mut self, x: ArrayView2<f32>) {
        let c_out = self.bias.value.ncols();
        let mut offset = Array1::<f32>::zeros(c_out);
        if let Some(Products { norm, .. }) = &self.products {
            let (mean, sigma) = (norm.mean.clone(), norm.deviation());
            self.calibrate_products(x);
            let output_groups = self.groups().1;
            let Some(Products { a, norm }) = &mut self.products else { return };
            let scale = norm.deviation() / &sigma;
            let shift = (&norm.mean - &mean) / &sigma * a.row();
            match &mut self.w_c {
                Some(w_c) => {
                    let rows = w_c.weights.value.nrows();
                    let reads = w_c.weights.value.ncols();
                    for (k, mut row) in w_c.weights.value.rows_mut().into_iter().enumerate() {
                        let c = k % c_out;
                        let g = c / (c_out / output_groups);
                        let of_group = s![g * reads..(g + 1) * reads];
                        offset[c] += row.dot(&shift.slice(of_group)) * (c_out as f32 / rows as f32);
                        row *= &scale.slice(of_group);
                    }
                }
                None => {
                    a.value *= &scale;
                    offset = shift;
                }
            }
        }
        let Some((gamma, norm)) = &mut self.output else {
            self.bias.value += &offset;
            return;
        };
        let (mean, sigma) = (&norm.mean - &offset, norm.deviation());
        let slope = &gamma.row() / &sigma;
        self.calibrate_output(x);
        let Some((gamma, norm)) = &mut self.output else { return };
        gamma.value.row_mut(0).assign(&(&slope * &norm.deviation()));
        self.bias.value += &(slope * (&norm.mean - &mean));
    }
}

impl Float<f32> {
    /// Begins where `other`, of the same description but perhaps for the budget, ended: with its
    /// numbers where layers have the same shapes, with factors of its matrices where it is in full
    /// precision. `x`, `[n, n_in]`, are samples for statistics. Returns how many layers
    /// begin afresh.
    pub(super) fn begin_from(
        &mut self,
        other: &mut Float<f32>,
        linear: &[Linear],
        x: ArrayView2<f32>,
        rng: &mut impl Rng,
    ) -> usize {
        let mut fresh = 0;
        for (to, from) in self.trained_mut().zip(other.trained_mut()) {
            if let (Layer::Recurrent(to), Layer::Recurrent(from)) = (to, from) {
                let (to, from) = (&mut to.layer, &mut from.layer);
                let is_there = to.take_over(from) || factorise_gates(to, from, rng);
                fresh += usize::from(!is_there);
            }
        }
        let (mut others, mut linear) = (other.spns_mut(), linear.iter());
        self.each_layer(x, |spn, x| {
            let (Some(from), Some(linear)) = (others.next(), linear.next()) else { return };
            if spn.take_over(from) {
                return;
            }
            if from.products.is_none() && spn.factorise(from, linear, rng) {
                spn.settle(x);
            } else {
                fresh += 1;
                spn.calibrate(x);
            }
        });
        fresh
    }

    /// Begins at factors of the matrices of `other`, which is in full precision, whatever the
    /// samples: no norm is of any effect yet. `done` is told how many layers have theirs, and may
    /// end the work.
    ///
    /// # Errors
    /// That of `done`.
    pub(super) fn factorise(
        &mut self,
        other: &Float<f32>,
        linear: &[Linear],
        rng: &mut impl Rng,
        mut done: impl FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let layers = self.spns_mut().zip(other.spns()).zip(linear);
        for (i, ((spn, from), linear)) in layers.enumerate() {
            done(i)?;
            spn.factorise(from, linear, rng);
        }
        Ok(())
    }

    /// Gives all norms the statistics of samples, `[n, n_in]`; the function stays.
    pub(super) fn settle(&mut self, x: ArrayView2<f32>) {
        self.each_layer(x, Spn::settle);
    }
}

/// The matrices of each group, `[c_out / groups, k_h · k_w · c_in / groups]`, of an ordinary
/// layer's, which has groups itself where it is depthwise and not transposed; none where it reads
/// more than those. Of a transposed convolution they have such rows for each pixel of a patch.
fn by_group(
    w: ArrayView2<f32>,
    linear: &Linear,
    output_groups: usize,
    c_out: usize,
) -> Option<Vec<Array2<f32>>> {
    let groups = linear.groups;
    let pixels = if linear.transposed { linear.taps() } else { linear.kernel };
    let c_in = w.ncols() / pixels.area();
    let rows = |g: usize| {
        let of_group = |row: &usize| row % c_out / (c_out / groups) == g;
        w.select(Axis(0), &(0..w.nrows()).filter(of_group).collect::<Vec<_>>())
    };
    if groups == 1 || output_groups == groups && !linear.transposed {
        return Some((0..groups).map(rows).collect());
    }
    let reads = c_in / groups;
    let part = |g: usize| {
        let of_group = |column: usize| column % c_in / reads == g;
        let rows = rows(g);
        let within = (0..w.ncols()).filter(|column| of_group(*column)).collect::<Vec<_>>();
        let others = rows.indexed_iter().any(|((_, column), v)| *v != 0.0 && !of_group(column));
        (!others).then(|| rows.select(Axis(1), &within))
    };
    (0..groups).map(part).collect()
}

/// The matrix `[p_h · p_w · c_out, columns]`, columns K_h · K_w · c_in, that computes all pixels
/// of a patch, from that of one pixel, `[c_out, k_h · k_w · c_in]`; that of a transposed
/// convolution computes all of them already.
fn patch_matrix(w: ArrayView2<f32>, linear: &Linear, columns: usize) -> Array2<f32> {
    if linear.transposed {
        return w.to_owned();
    }
    let (p, k, window, c_out) = (linear.patch, linear.kernel, linear.taps(), w.nrows());
    let c_in = columns / window.area();
    let mut all = Array2::zeros((p.area() * c_out, columns));
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

/// Begins with factors of the matrices of an ordinary recurrent layer; false where it is none.
fn factorise_gates(to: &mut Recurrent<f32>, from: &Recurrent<f32>, rng: &mut impl Rng) -> bool {
    let done = to.x.factorise(&from.x, rng) && to.h.factorise(&from.h, rng);
    if done {
        to.bias.value.assign(&from.bias.value);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::train::image::float::tests::{growing, signals};
    use rand::{RngExt, SeedableRng};
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
        let samples = Array2::from_shape_simple_fn((200, 84), || rng.random::<f32>());
        let x = samples.view();
        let mut full = network("");
        full.train.full_precision = true;
        let mut ordinary = Float::<f32>::new(&full, 84, &mut rng);
        ordinary.calibrate(x);
        let expected = ordinary.evaluate(x);
        for spn in ["ratio = 1", "ratio = 2", "ratio = 1.5", "ratio = 5"] {
            let network = network(&format!("[spn]\n{spn}"));
            let mut float = Float::<f32>::new(&network, 84, &mut rng);
            let linear: Vec<Linear> =
                network.linear().iter().filter_map(|s| s.linear().copied()).collect();
            assert_eq!(float.begin_from(&mut ordinary, &linear, x, &mut rng), 0);
            let error =
                (&float.evaluate(x) - &expected).mapv(f32::abs).fold(0f32, |a, &b| a.max(b));
            assert!(error < 1e-4, "{spn}: {error}");
            for w_c in float.spns_mut().filter_map(|spn| spn.w_c.as_ref()) {
                assert!(
                    w_c.weights.value.iter().all(|w| *w != 0.0),
                    "{spn}: a zero, to be ternary by noise"
                );
            }
        }
        let mut along_rows = signals();
        along_rows.set_ratio(2.0);
        along_rows.set_p(1);
        let mut full = along_rows.clone();
        full.train.full_precision = true;
        let (n_in, x) = (full.input.elements(), x.slice(s![.., ..full.input.elements()]));
        let mut ordinary_rows = Float::<f32>::new(&full, n_in, &mut rng);
        ordinary_rows.calibrate(x);
        let mut float = Float::<f32>::new(&along_rows, n_in, &mut rng);
        let linear: Vec<Linear> =
            along_rows.linear().iter().filter_map(|s| s.linear().copied()).collect();
        assert_eq!(float.begin_from(&mut ordinary_rows, &linear, x, &mut rng), 0);
        let apart = &float.evaluate(x) - &ordinary_rows.evaluate(x);
        assert!(apart.iter().all(|d| d.abs() < 1e-3), "{apart}");

        let x = samples.view();
        // With less than that it is near; and with p = 2, where the norm between takes another
        // offset from each pixel of a patch.
        for spn in ["ratio = 2\np = 2", "ratio = 4\np = 2"] {
            let network = network(&format!("[spn]\n{spn}"));
            let mut float = Float::<f32>::new(&network, 84, &mut rng);
            let distance =
                |float: &Float<f32>| (&float.evaluate(x) - &expected).mapv(|d| d * d).sum();
            let fresh = distance(&float);
            let linear: Vec<Linear> =
                network.linear().iter().filter_map(|s| s.linear().copied()).collect();
            float.begin_from(&mut ordinary, &linear, x, &mut rng);
            let near = distance(&float);
            assert!(near < 0.3 * fresh, "{spn}: {near} against {fresh}");
        }
    }

    /// Depthwise layers have a factor for each group, and so have others whose groups leave out
    /// nothing that the ordinary layer reads; and data that come later change no function.
    #[test]
    fn begins_with_the_function_of_layers_with_groups() {
        let text = r#"name = "t"
input = { shape = [7, 6, 4], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 8, kernel = 3, pad = 1, groups = 4 } },
    { conv2d = { channels = 6, kernel = 1 } },
    "relu",
    { conv2d = { channels = 6, kernel = 2, groups = 3 } },
    "relu",
    { dense = { units = 3 } },
]
"#;
        for (spn, limit) in [("ratio = 1", 1e-4), ("ratio = 2", 1e-4), ("ratio = 4\np = 2", 1e9)] {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let x = Array2::from_shape_simple_fn((200, 168), || rng.random::<f32>());
            let network = Network::parse("t", &format!("{text}[spn]\n{spn}")).unwrap();
            let mut full = network.clone();
            full.train.full_precision = true;
            let mut ordinary = Float::<f32>::new(&full, 168, &mut rng);
            // The layer of three groups reads its own two channels of six alone.
            let w = &mut ordinary.spns_mut().nth(2).unwrap().w_b.weights.value;
            for ((row, column), v) in w.indexed_iter_mut() {
                *v *= f32::from(column % 6 / 2 == row / 2);
            }
            ordinary.calibrate(x.view());
            let expected = ordinary.evaluate(x.view());
            let linear: Vec<Linear> =
                network.linear().iter().filter_map(|s| s.linear().copied()).collect();
            let mut float = Float::<f32>::new(&network, 168, &mut rng);
            float.factorise(&ordinary, &linear, &mut rng, |_| Ok(())).unwrap();
            let error = |float: &Float<f32>| {
                let apart = &float.evaluate(x.view()) - &expected;
                apart.iter().fold(0f32, |a, &b| a.max(b.abs()))
            };
            assert!(error(&float) < 1e-4, "{spn}: {}", error(&float));
            float.settle(x.view());
            let settled = error(&float);
            assert!(settled < limit, "{spn}: {settled} with the statistics of samples");
        }
    }

    /// The factors of a transposed layer are those of the matrix of a patch.
    #[test]
    fn begins_with_the_function_of_transposed_layers() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let x = Array2::from_shape_simple_fn((50, 12), || rng.random::<f32>());
        let mut network = growing();
        network.set_ratio(6.0);
        let mut full = network.clone();
        full.train.full_precision = true;
        let mut ordinary = Float::<f32>::new(&full, 12, &mut rng);
        ordinary.calibrate(x.view());
        let linear: Vec<Linear> =
            network.linear().iter().filter_map(|s| s.linear().copied()).collect();
        let mut float = Float::<f32>::new(&network, 12, &mut rng);
        float.factorise(&ordinary, &linear, &mut rng, |_| Ok(())).unwrap();
        let apart = &float.evaluate(x.view()) - &ordinary.evaluate(x.view());
        assert!(apart.iter().all(|d| d.abs() < 1e-4), "{apart}");
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
