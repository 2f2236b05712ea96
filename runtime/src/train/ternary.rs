//! The ternary quantiser of Li, Zhang & Liu, "Ternary weight networks" (2016), with one threshold per row.

use super::matmul::Real;
use super::optimiser::Parameter;
use ndarray::{Array2, ArrayView1, ArrayView2};

/// A matrix that trains in full precision first, then in ternary.
pub struct Matrix<T> {
    /// What is trained.
    pub weights: Parameter<T>,
    /// The threshold factor and α·t (see [`ternarise`]), from phase 2 on.
    ternary: Option<(f64, Array2<T>)>,
}

impl<T: Real> Matrix<T> {
    /// In full precision.
    pub fn new(weights: Array2<T>) -> Self {
        Matrix { weights: Parameter::new(weights), ternary: None }
    }

    /// From here on the matrix is ternary.
    pub fn make_ternary(&mut self, factor: f64) {
        self.ternary = Some((factor, Array2::zeros(self.weights.value.dim())));
        self.renew();
    }

    /// From here on the matrix is in full precision again.
    pub fn make_full(&mut self) {
        self.ternary = None;
    }

    /// Brings the ternary matrix up to date with the weights behind it.
    pub fn renew(&mut self) {
        if let Some((factor, quantised)) = &mut self.ternary {
            ternarise(self.weights.value.view(), *factor, quantised);
        }
    }

    /// Takes `share` of the mean magnitude of a row from each magnitude in it, down to 0: a step against an L1 norm, decoupled from
    /// the gradient as weight decay is in AdamW (Loshchilov & Hutter 2019), and relative, since a norm undoes every scale.
    /// What the loss does not hold up falls below the threshold: one adder less. Nothing happens before phase 2.
    pub fn shrink(&mut self, share: f64) {
        if self.ternary.is_none() {
            return;
        }
        let columns = self.weights.value.ncols().max(1);
        let share = T::real(share / columns as f64);
        for mut row in self.weights.value.rows_mut() {
            let less = share * lane_sum(row.view(), |w| w.abs());
            row.mapv_inplace(|w| {
                let rest = w.abs() - less;
                if rest > T::zero() { rest.copysign(w) } else { T::zero() }
            });
        }
    }

    /// The matrix as it multiplies.
    pub fn effective(&self) -> ArrayView2<'_, T> {
        self.ternary.as_ref().map_or(self.weights.value.view(), |(_, quantised)| quantised.view())
    }
}

/// Writes α·t into `out`, with t_ij = sign(w_ij)·[|w_ij| > Δ_i], Δ_i = factor · mean_j|w_ij| and α the mean of |w| where
/// t ≠ 0.
///
/// The largest weight of a row always stays, so that no row comes out empty unless all its weights are 0. One α for the
/// whole matrix: it is absorbed by the norm that follows, or by ã.
pub fn ternarise<T: Real>(w: ArrayView2<T>, factor: f64, out: &mut Array2<T>) {
    let factor = T::real(factor) / T::real(w.ncols().max(1) as f64);
    let (mut kept, mut count) = (0.0, 0.0);
    for (mut out, w) in out.rows_mut().into_iter().zip(w.rows()) {
        let larger = |a: T, v: T| if v.abs() > a { v.abs() } else { a };
        let largest = lanes(w, larger).into_iter().fold(T::zero(), larger);
        let threshold = factor * lane_sum(w, |w| w.abs());
        // Half of the largest, where nothing lies above the threshold: it and its near equals stay.
        let threshold = if largest > threshold { threshold } else { largest / T::real(2.0) };
        out.zip_mut_with(&w, |t, &w| {
            let positive = if w > threshold { T::one() } else { T::zero() };
            *t = if w < -threshold { -T::one() } else { positive };
        });
        let above = |w: T| if w.abs() > threshold { w.abs() } else { T::zero() };
        // NumCast of a finite float to f64 never fails.
        kept += lane_sum(w, above).to_f64().unwrap_or_default();
        count += lane_sum(out.view(), |t| t.abs()).to_f64().unwrap_or_default();
    }
    if count > 0.0 {
        let alpha = T::real(kept / count);
        out.mapv_inplace(|t| t * alpha);
    }
}

/// Combines a row in eight lanes, which the processor works on side by side; from 0.
fn lanes<T: Real>(row: ArrayView1<T>, combine: impl Fn(T, T) -> T) -> [T; 8] {
    let mut lanes = [T::zero(); 8];
    // Rows of matrices in standard layout.
    let Some(row) = row.to_slice() else { unreachable!() };
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, v);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, v);
    }
    lanes
}

fn lane_sum<T: Real>(row: ArrayView1<T>, f: impl Fn(T) -> T) -> T {
    lanes(row, |sum, v| sum + f(v)).into_iter().fold(T::zero(), |a, b| a + b)
}

/// The ternary matrix behind [`ternarise`]'s output.
pub fn signs<T: Real>(quantised: ArrayView2<T>) -> Array2<i8> {
    quantised.mapv(|q| i8::from(q > T::zero()) - i8::from(q < T::zero()))
}

/// α of [`ternarise`]'s output.
pub fn scale(quantised: ArrayView2<f32>) -> f64 {
    quantised.iter().find(|q| **q != 0.0).map_or(1.0, |q| f64::from(q.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn shrinking_takes_a_share_of_the_mean() {
        let mut matrix = Matrix::new(array![[4.0, -3.0, 1.0, 0.0], [0.5, 0.5, -0.5, 0.5]]);
        matrix.shrink(0.75);
        assert_eq!(matrix.weights.value, array![[4.0, -3.0, 1.0, 0.0], [0.5, 0.5, -0.5, 0.5]]);
        matrix.make_ternary(0.7);
        matrix.shrink(0.75);
        assert_eq!(matrix.weights.value, array![[2.5, -1.5, 0.0, 0.0], [0.125, 0.125, -0.125, 0.125]]);
    }

    #[test]
    fn thresholds_are_per_row_and_no_row_is_empty() {
        let w = array![[1.0, -0.5, 0.1, 0.0], [0.01, 0.01, -0.01, 0.01], [100.0, -1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]];
        let mut q = Array2::zeros((4, 4));
        ternarise(w.view(), 1.2, &mut q);
        let t = signs(q.view());
        assert_eq!(t, array![[1, -1, 0, 0], [1, 1, -1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]);
        let alpha = (1.0 + 0.5 + 0.04 + 100.0) / 7.0;
        assert!((&q - &t.mapv(|t| f64::from(t) * alpha)).iter().all(|d| d.abs() < 1e-12));
        ternarise(w.view(), 5.0, &mut q);
        assert_eq!(signs(q.view()).row(0), array![1, 0, 0, 0]);
    }
}
