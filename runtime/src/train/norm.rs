//! Batch normalisation without an affine part (Ioffe & Szegedy 2015, eq. 3).

use super::matmul::Real;
use ndarray::{Array1, Array2, ArrayView2, Zip};

/// Added to variances.
pub const EPSILON: f64 = 1e-5;
/// Share of a batch's statistics in the running ones.
const MOMENTUM: f64 = 0.1;

/// Normalises each column over the batch in training, and with running statistics in evaluation.
#[derive(Clone)]
pub struct Norm<T> {
    /// `[c]`: running mean.
    pub mean: Array1<T>,
    /// `[c]`: running (unbiased) variance.
    pub variance: Array1<T>,
    /// `[n, c]`: what the last forward pass gave.
    pub normalised: Array2<T>,
    /// `[c]`: 1/σ of the last batch.
    inverse: Array1<T>,
    /// `[2, c]`: column sums.
    sums: Array2<T>,
}

impl<T: Real> Norm<T> {
    /// For c columns.
    pub fn new(c: usize) -> Self {
        Norm {
            mean: Array1::zeros(c),
            variance: Array1::ones(c),
            normalised: Array2::zeros((0, c)),
            inverse: Array1::zeros(c),
            sums: Array2::zeros((2, c)),
        }
    }

    /// `[n, c]` to `self.normalised`, with the batch's own statistics, which also enter the running ones.
    pub fn forward(&mut self, x: ArrayView2<T>) {
        let n = T::real(x.nrows() as f64);
        if self.normalised.dim() != x.dim() {
            self.normalised = Array2::zeros(x.dim());
        }
        let (mut mean, mut square) = self.sums.multi_slice_mut((ndarray::s![0, ..], ndarray::s![1, ..]));
        mean.fill(T::zero());
        square.fill(T::zero());
        for row in x.rows() {
            mean += &row;
        }
        mean.mapv_inplace(|s| s / n);
        for (mut centred, row) in self.normalised.rows_mut().into_iter().zip(x.rows()) {
            Zip::from(&mut centred).and(&mut square).and(&row).and(&mean).for_each(|c, s, &x, &mean| {
                *c = x - mean;
                *s += *c * *c;
            });
        }
        Zip::from(&mut self.inverse).and(&square).for_each(|i, &s| *i = (s / n + T::real(EPSILON)).sqrt().recip());
        for mut row in self.normalised.rows_mut() {
            row *= &self.inverse;
        }
        let (new, old) = (T::real(MOMENTUM), T::real(1.0 - MOMENTUM));
        let unbiased = new / (n - T::one()).max(T::one());
        Zip::from(&mut self.mean).and(&mean).for_each(|r, &m| *r = old * *r + new * m);
        Zip::from(&mut self.variance).and(&square).for_each(|r, &s| *r = old * *r + unbiased * s);
    }

    /// dL/dnormalised to dL/dx, in place.
    pub fn backward(&mut self, d: &mut Array2<T>) {
        let n = T::real(d.nrows() as f64);
        let (mut sum, mut along) = self.sums.multi_slice_mut((ndarray::s![0, ..], ndarray::s![1, ..]));
        sum.fill(T::zero());
        along.fill(T::zero());
        for (d, x) in d.rows().into_iter().zip(self.normalised.rows()) {
            Zip::from(&mut sum).and(&mut along).and(&d).and(&x).for_each(|s, a, &d, &x| {
                *s += d;
                *a += d * x;
            });
        }
        sum.mapv_inplace(|s| s / n);
        along.mapv_inplace(|s| s / n);
        for (mut d, x) in d.rows_mut().into_iter().zip(self.normalised.rows()) {
            Zip::from(&mut d).and(&x).and(&sum).and(&along).for_each(|d, &x, &s, &a| *d = *d - s - x * a);
            d *= &self.inverse;
        }
    }

    /// Replaces the running statistics by those of `[n, c]`.
    pub fn calibrate(&mut self, x: ArrayView2<T>) {
        let n = x.nrows() as f64;
        for (c, column) in x.columns().into_iter().enumerate() {
            // NumCast of a float to f64 never fails. f64, since n may be large.
            let values = || column.iter().map(|v| v.to_f64().unwrap_or_default());
            let mean = values().sum::<f64>() / n;
            let square = values().map(|v| (v - mean) * (v - mean)).sum::<f64>();
            self.mean[c] = T::real(mean);
            self.variance[c] = T::real(square / n);
        }
    }

    /// `[n, c]`, normalised with the running statistics, in place.
    pub fn evaluate(&self, x: &mut Array2<T>) {
        let inverse = self.variance.mapv(|v| (v + T::real(EPSILON)).sqrt().recip());
        for mut row in x.rows_mut() {
            Zip::from(&mut row).and(&self.mean).and(&inverse).for_each(|x, &m, &i| *x = (*x - m) * i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dL/dx for L = Σ w ⊙ normalised against central differences.
    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let x = Array2::from_shape_fn((7, 3), |(i, j)| ((i * 5 + j * 3) % 11) as f64 * 0.1 + (i * i) as f64 * 0.05);
        let w = Array2::from_shape_fn((7, 3), |(i, j)| ((i * 7 + j * 2) % 5) as f64 - 1.7);
        let mut norm = Norm::new(3);
        norm.forward(x.view());
        let mut gradient = w.clone();
        norm.backward(&mut gradient);
        for (index, g) in gradient.indexed_iter() {
            let mut at = |delta: f64| {
                let mut x = x.clone();
                x[index] += delta;
                norm.forward(x.view());
                (&norm.normalised * &w).sum()
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((difference - g).abs() < 1e-8, "{index:?}: {g} against {difference}");
        }
    }
}
