//! A layer that reads the network's input, as the one affine map of its windows that it is.
//!
//! Between the windows x and the relu all is affine once the statistics of the batch are known, and
//! those of W_b x and of W_c v follow from the mean and the covariance C of the windows: the
//! variance of a row w is wᵀCw. Where windows are narrow, C costs little, and neither u nor y is
//! ever computed: one product of the windows gives z, one gives the map's gradient. All others
//! follow from that one by small products in f64. dL/dx, which would need C's gradient too, nobody
//! asks for at the input.

use super::affine::{Spread, exact, normalise, normalise_gradient, total};
use super::backward::to_gradient;
use super::{Products, Spn};
use crate::train::image::patches::{view, view_mut};
use crate::train::matmul::{Into, Real, is_positive, product, product_into, vectorised};
use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

/// What the forward pass leaves to the backward pass.
pub(super) struct Collapsed {
    /// `[k]`: of the windows.
    mean: Array1<f64>,
    /// Of the windows.
    spread: Spread,
    /// `[r, k]`: W_b, normalised and times ã.
    hidden: Array2<f64>,
    /// `[c_out, k]`: W_c times that.
    linear: Array2<f64>,
}

/// Windows of a sample, at least: it is worked on by itself.
const WINDOWS: usize = 64;

impl<T: Real> Spn<T> {
    /// Whether to take this way at the network's input: where it has fewer multiply-adds for a
    /// window.
    pub(super) fn may_collapse(&self) -> bool {
        let (k, r, c) =
            (self.patches.columns(), self.w_b.weights.value.nrows(), self.bias.value.ncols());
        let pays = self.patches.per_sample() >= WINDOWS && k * (k + 2 * c) < r * (2 * k + 3 * c);
        pays && self.groups == 1
            && self.patches.aligned()
            && self.products.is_some()
            && self.output.is_some()
    }

    /// The forward pass of a layer that collapses, with so many `samples` a piece.
    pub(super) fn collapsed_forward(&mut self, x: &[T], z: &mut [T], samples: usize) {
        let Spn {
            w_b, products, w_c, bias, output, relu, patches, pool, pieces, collapsed, ..
        } = self;
        let (Some(Products { a, norm }), Some((scale, outer))) = (products, output) else {
            unreachable!()
        };
        let (inputs, k, rows) = (patches.elements().0, patches.columns(), patches.per_sample());
        let pool = pool.as_ref();
        let outputs = pool.map_or(patches.elements().1, |pool| pool.outputs());
        (pieces.par_iter_mut()).zip(x.par_chunks(samples * inputs)).for_each(|(piece, x)| {
            piece.exact = Array2::zeros((k + 1, k + 1));
            for x in x.chunks(inputs) {
                let windows = exact(patches.gather_turned(x, &mut piece.columns));
                product_into(windows.view(), windows.t(), piece.exact.view_mut(), Into::Sum);
            }
        });
        let total = total(pieces);
        let n = total[[k, k]];
        let mean = &total.slice(s![k, ..k]) / n;
        let outer_product = mean.view().insert_axis(Axis(1)).dot(&mean.view().insert_axis(Axis(0)));
        let spread = Spread::Covariance(&total.slice(s![..k, ..k]) / n - outer_product);
        let w_b = exact(w_b.effective());
        let hidden = normalise(&w_b, w_b.dot(&mean), (n, &spread), (a, norm));
        let linear = w_c.as_ref().map_or(hidden.clone(), |w_c| exact(w_c.effective()).dot(&hidden));
        // v has no mean, so y has none.
        let slope = normalise(&linear, Array1::zeros(linear.nrows()), (n, &spread), (scale, outer));
        // z = map · (x, 1).
        let mut map = Array2::zeros((linear.nrows(), k + 1));
        let offset = exact(bias.value.view()).row(0).to_owned() - slope.dot(&mean);
        map.slice_mut(s![.., ..k]).assign(&slope.mapv(T::real));
        map.column_mut(k).assign(&offset.mapv(T::real));
        *collapsed = Some(Collapsed { mean, spread, hidden, linear });

        let work = (
            pieces.par_iter_mut(),
            x.par_chunks(samples * inputs),
            z.par_chunks_mut(samples * outputs),
        );
        work.into_par_iter().for_each(|(piece, x, z)| {
            for (i, (x, z)) in x.chunks(inputs).zip(z.chunks_mut(outputs)).enumerate() {
                let windows = patches.gather_turned(x, &mut piece.columns);
                let y = if pool.is_some() { &mut piece.patch[..] } else { &mut *z };
                product(windows.t(), map.t(), view_mut(y, (rows, map.nrows())));
                if let Some(pool) = pool {
                    pool.largest_of(&piece.patch, z, &mut piece.which[i * outputs..][..outputs]);
                }
                if *relu {
                    vectorised!(|| z.iter_mut().for_each(|z| *z = z.max(T::zero())));
                }
            }
        });
    }

    pub(super) fn collapsed_backward(&mut self, x: &[T], z: &[T], dz: &mut [T], samples: usize) {
        let Spn {
            w_b, products, w_c, bias, output, relu, patches, pool, pieces, collapsed, ..
        } = self;
        let (Some(Products { a, norm }), Some((scale, outer))) = (products, output) else {
            unreachable!()
        };
        let Some(Collapsed { mean, spread, hidden, linear }) = collapsed else { return };
        let (inputs, k, rows, c) =
            (patches.elements().0, patches.columns(), patches.per_sample(), linear.nrows());
        let pool = pool.as_ref();
        let outputs = pool.map_or(patches.elements().1, |pool| pool.outputs());
        let gradients = (dz.par_chunks_mut(samples * outputs), z.par_chunks(samples * outputs));
        let work =
            (pieces.par_iter_mut(), x.par_chunks(samples * inputs)).into_par_iter().zip(gradients);
        work.for_each(|((piece, x), (dz, z))| {
            piece.exact = Array2::zeros((c, k + 1));
            let mut part = Array2::zeros((c, k + 1));
            let of_samples = x.chunks(inputs).zip(dz.chunks_mut(outputs)).zip(z.chunks(outputs));
            for (i, ((x, dz), z)) in of_samples.enumerate() {
                if *relu {
                    vectorised!(|| dz.iter_mut().zip(z).for_each(|(d, z)| *d *= is_positive(*z)));
                }
                let windows = patches.gather_turned(x, &mut piece.columns);
                let dy = match pool {
                    None => &*dz,
                    Some(pool) => {
                        let which = &piece.which[i * outputs..][..outputs];
                        pool.to_largest_of(dz, which, &mut piece.patch, Into::Place);
                        &piece.patch
                    }
                };
                product(view(dy, (rows, c)).t(), windows.t(), part.view_mut());
                piece.exact += &exact(part.view());
            }
        });
        let total = total(pieces);
        let (d_map, d_offset) = (total.slice(s![.., ..k]), total.slice(s![.., k..]));
        to_gradient(&d_offset.to_owned(), &mut bias.gradient);
        let d_slope = &d_map - &d_offset.dot(&mean.view().insert_axis(Axis(0)));
        let d_linear = normalise_gradient(d_slope, linear, spread, (scale, outer)).0;
        let d_hidden = match w_c {
            None => d_linear,
            Some(w_c) => {
                to_gradient(&d_linear.dot(&hidden.t()), &mut w_c.weights.gradient);
                exact(w_c.effective()).t().dot(&d_linear)
            }
        };
        let d_w_b = normalise_gradient(d_hidden, &exact(w_b.effective()), spread, (a, norm)).0;
        to_gradient(&d_w_b, &mut w_b.weights.gradient);
    }
}
