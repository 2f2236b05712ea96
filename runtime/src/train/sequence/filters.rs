//! Filters over the characters of a word, the largest value of each, and tanh (Kim et al. 2016);
//! W_c is the identity, as in StrassenNets.

use crate::train::matmul::{Into, Real, product_into, vectorised};
use crate::train::optimiser::Parameter;
use crate::train::recurrent::{column_sums, tanh};
use crate::train::ternary::{Matrix, Side};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};
use rand::{Rng, RngExt};
use rayon::prelude::*;

/// `z_f = tanh(max_p a_f (w_f · x[p..p + width]) + b_f)` for each filter f over the positions p
/// where the word has all its characters.
///
/// Sizes: L characters of E elements enter, n filters.
pub struct Filters<T> {
    /// The size E: elements of a character.
    elements: usize,
    /// The size L: characters of a word.
    length: usize,
    /// `[filters, width · E]` by width, in rising order; those of one width share a scale.
    pub w_b: Vec<(usize, Matrix<T>)>,
    /// `[1, n]`; none in full precision.
    pub a: Option<Parameter<T>>,
    /// `[1, n]`.
    pub bias: Parameter<T>,
}

/// What the forward pass keeps for the backward pass, `[words, n]` each: the sums at the best
/// position of each filter, that position, and room for the sums at one position.
pub(super) struct Best<T> {
    pub u: Array2<T>,
    pub at: Array2<u32>,
    pub room: Array2<T>,
}

impl<T: Real> Best<T> {
    pub fn new(words: usize, n: usize) -> Self {
        Best {
            u: Array2::zeros((words, n)),
            at: Array2::zeros((words, n)),
            room: Array2::zeros((words, n)),
        }
    }
}

/// Puts a · u into z where it is larger; `kept` becomes u there, and `at` the position.
fn take_larger<T: Real>(
    position: u32,
    a: &[T],
    u: &[T],
    z: &mut [T],
    kept: &mut [T],
    at: &mut [u32],
) {
    let n = a.len();
    // The lengths agree, and are seen to.
    let (u, z, kept, at) = (&u[..n], &mut z[..n], &mut kept[..n], &mut at[..n]);
    vectorised!(|| {
        for j in 0..n {
            let y = a[j] * u[j];
            let larger = y > z[j];
            z[j] = if larger { y } else { z[j] };
            kept[j] = if larger { u[j] } else { kept[j] };
            at[j] = if larger { position } else { at[j] };
        }
    });
}

impl<T: Real> Filters<T> {
    /// Random weights; `filters[i]` are those of width i + 1. A sum over inputs of variance 1 has
    /// about that variance.
    pub fn new(
        (length, elements): (usize, usize),
        filters: &[usize],
        full_precision: bool,
        rng: &mut impl Rng,
    ) -> Filters<T> {
        let n = filters.iter().sum();
        let mut uniform = |rows: usize, columns: usize| {
            let limit = (3.0 / columns as f64).sqrt();
            Array2::from_shape_simple_fn((rows, columns), || {
                T::real(limit * (2.0 * rng.random::<f64>() - 1.0))
            })
        };
        let widths = filters.iter().enumerate().filter(|(_, n)| **n > 0);
        let w_b = widths
            .map(|(i, n)| (i + 1, Matrix::new(uniform(*n, (i + 1) * elements), Side::Rows)))
            .collect();
        let a = (!full_precision).then(|| Parameter::vector(n, 1.0));
        Filters { elements, length, w_b, a, bias: Parameter::vector(n, 0.0) }
    }

    /// Takes over the matrices and the bias of filters of the same sizes; false where they differ.
    pub fn take_matrices(&mut self, from: &Filters<T>) -> bool {
        let sizes = |filters: &Filters<T>| -> Vec<_> {
            filters.w_b.iter().map(|(width, w)| (*width, w.weights.value.dim())).collect()
        };
        let same = sizes(self) == sizes(from);
        if same {
            for ((_, to), (_, from)) in self.w_b.iter_mut().zip(&from.w_b) {
                to.weights.value.assign(&from.weights.value);
            }
            self.bias.value.assign(&from.bias.value);
        }
        same
    }

    /// The size n: filters.
    pub fn outputs(&self) -> usize {
        self.bias.value.ncols()
    }

    /// The size E: elements of a character.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The matrices with their widths and the first of their filters.
    fn parts(&self) -> impl Iterator<Item = (usize, usize, ArrayView2<'_, T>)> {
        let mut first = 0;
        self.w_b.iter().map(move |(width, matrix)| {
            let w = matrix.effective();
            first += w.nrows();
            (*width, first - w.nrows(), w)
        })
    }

    fn factor(&self, filter: usize) -> T {
        self.a.as_ref().map_or(T::one(), |a| a.value[[0, filter]])
    }

    /// Computes z `[words, n]` for x `[words, L · E]`.
    pub(super) fn forward(&self, x: ArrayView2<T>, best: &mut Best<T>, z: &mut Array2<T>) {
        z.fill(T::neg_infinity());
        let Best { u: kept, at, room } = best;
        for (width, first, w) in self.parts() {
            let (n, e) = (w.nrows(), self.elements);
            let a: Vec<T> = (first..first + n).map(|f| self.factor(f)).collect();
            for position in 0..=self.length - width {
                let window = x.slice(s![.., position * e..(position + width) * e]);
                let mut u = room.slice_mut(s![.., first..first + n]);
                product_into(window, w.t(), u.view_mut(), Into::Place);
                for (word, u) in u.rows().into_iter().enumerate() {
                    let own = s![word, first..first + n];
                    // All are rows in standard layout.
                    let (Some(u), Some(z), Some(kept), Some(at)) = (
                        u.to_slice(),
                        z.slice_mut(own).into_slice(),
                        kept.slice_mut(own).into_slice(),
                        at.slice_mut(own).into_slice(),
                    ) else {
                        unreachable!()
                    };
                    take_larger(position as u32, &a, u, z, kept, at);
                }
            }
        }
        let bias = self.bias.row();
        z.rows_mut()
            .into_iter()
            .for_each(|mut row| row.zip_mut_with(&bias, |z, b| *z = tanh(*z + *b)));
    }

    /// Leads z and dL/dz back to the gradients of all parameters, in their order, and to dL/dx in
    /// `dx`. `dz` becomes dL/d(what tanh is of).
    pub(super) fn backward(
        &self,
        x: ArrayView2<T>,
        best: &Best<T>,
        z: &Array2<T>,
        dz: &mut Array2<T>,
        gradients: &mut [Array2<T>],
        mut dx: ArrayViewMut2<T>,
    ) {
        let (e, one) = (self.elements, T::one());
        Zip::from(&mut *dz).and(z).for_each(|d, &z| *d *= one - z * z);
        let dy = &*dz;
        let (weights, vectors) = gradients.split_at_mut(self.w_b.len());
        // The bias comes last, a before it.
        let Some((bias, a)) = vectors.split_last_mut() else { return };
        column_sums(dy, bias);
        if let Some(a) = a.first_mut() {
            a.fill(T::zero());
            let mut sums = a.row_mut(0);
            for (dy, u) in dy.rows().into_iter().zip(best.u.rows()) {
                Zip::from(&mut sums).and(&dy).and(&u).for_each(|sum, &dy, &u| *sum += dy * u);
            }
        }
        // Only the best position of a filter has a gradient.
        for ((width, first, _), gradient) in self.parts().zip(weights) {
            gradient.fill(T::zero());
            gradient.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(j, mut row)| {
                let f = first + j;
                for word in 0..x.nrows() {
                    let from = best.at[[word, f]] as usize * e;
                    let d = self.factor(f) * dy[[word, f]];
                    let window = x.slice(s![word, from..from + width * e]);
                    row.zip_mut_with(&window, |g, x| *g += d * *x);
                }
            });
        }
        dx.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(word, mut dx)| {
            dx.fill(T::zero());
            for (width, first, w) in self.parts() {
                for (j, row) in w.rows().into_iter().enumerate() {
                    let f = first + j;
                    let from = best.at[[word, f]] as usize * e;
                    let d = self.factor(f) * dy[[word, f]];
                    dx.slice_mut(s![from..from + width * e])
                        .zip_mut_with(&row, |dx, w| *dx += d * *w);
                }
            }
        });
    }

    /// Names, parameters, and whether they decay: the matrices by width, a, the bias.
    pub fn parameters(&mut self) -> impl Iterator<Item = (String, &mut Parameter<T>, bool)> {
        let weights =
            self.w_b.iter_mut().map(|(width, m)| (format!("w_b.{width}"), &mut m.weights, true));
        let a = self.a.iter_mut().map(|a| ("a".to_owned(), a, false));
        weights.chain(a).chain(std::iter::once(("bias".to_owned(), &mut self.bias, false)))
    }

    /// Zeros of the shapes of the parameters, in order.
    pub fn gradients(&self) -> Vec<Array2<T>> {
        let weights = self.w_b.iter().map(|(_, m)| m.weights.value.dim());
        let rest = self.a.iter().chain([&self.bias]).map(|p| p.value.dim());
        weights.chain(rest).map(Array2::zeros).collect()
    }

    /// Scales as [`Matrix::scale_to_fixed`] does; a makes up for it.
    pub fn scale_to_fixed(&mut self, factor: f64) {
        let mut first = 0;
        for (_, matrix) in &mut self.w_b {
            let alpha = matrix.scale_to_fixed(factor);
            let end = first + matrix.weights.value.nrows();
            if let Some(a) = &mut self.a {
                a.value.slice_mut(s![.., first..end]).mapv_inplace(|a| a * alpha);
            }
            first = end;
        }
    }
}
