//! Batch normalisation without an affine part (Ioffe & Szegedy 2015, eq. 3).

use super::patches::in_pieces;
use crate::train::matmul::{Real, vectorised};
use crate::train::optimiser::Parameter;
use ndarray::{Array1, Array2, ArrayView2, Zip};

/// The number that is added to variances.
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
    /// `[c]`: mean of the last batch.
    pub centre: Array1<T>,
    /// `[c]`: 1/σ of the last batch.
    pub inverse: Array1<T>,
}

impl<T: Real> Norm<T> {
    /// The norm of c columns, before any batch.
    pub fn new(c: usize) -> Self {
        Norm {
            mean: Array1::zeros(c),
            variance: Array1::ones(c),
            centre: Array1::zeros(c),
            inverse: Array1::zeros(c),
        }
    }

    /// Leaves what it evaluates as it is.
    pub fn pass(&mut self) {
        self.mean.fill(T::zero());
        self.variance.fill(T::real(1.0 - EPSILON));
    }

    /// `[c]`: σ of the running statistics.
    pub fn deviation(&self) -> Array1<T> {
        self.variance.mapv(|v| (v + T::real(EPSILON)).sqrt())
    }

    /// Takes over the statistics of a batch, which also enter the running ones.
    pub fn take(&mut self, batch: &Moments) {
        let n = batch.n.max(1.0);
        let unbiased = MOMENTUM / (n - 1.0).max(1.0);
        let (new, old) = (T::real(MOMENTUM), T::real(1.0 - MOMENTUM));
        for (c, (mean, square)) in batch.means.iter().zip(&batch.squares).enumerate() {
            self.centre[c] = T::real(*mean);
            self.inverse[c] = T::real((square / n + EPSILON).sqrt().recip());
            self.mean[c] = old * self.mean[c] + new * self.centre[c];
            self.variance[c] = old * self.variance[c] + T::real(unbiased * square);
        }
    }

    /// `[c]`: a factor of each column over σ of the last batch.
    pub fn slope(&self, factor: &Parameter<T>) -> Vec<T> {
        factor.row().iter().zip(&self.inverse).map(|(f, i)| *f * *i).collect()
    }

    /// Replaces the running statistics by these.
    pub fn calibrate(&mut self, samples: &Moments) {
        self.mean = samples.means().mapv(T::real);
        self.variance = samples.variances().mapv(T::real);
    }

    /// `[n, c]`, normalised with the running statistics, in place.
    pub fn evaluate(&self, x: &mut Array2<T>) {
        let inverse = self.deviation().mapv(|sigma| sigma.recip());
        for mut row in x.rows_mut() {
            Zip::from(&mut row)
                .and(&self.mean)
                .and(&inverse)
                .for_each(|x, &m, &i| *x = (*x - m) * i);
        }
    }
}

/// Mean and spread of columns, gathered block by block (Chan, Golub & LeVeque 1979).
#[derive(Clone, Default)]
pub struct Moments {
    n: f64,
    means: Vec<f64>,
    /// Sums of squared distances from the means.
    squares: Vec<f64>,
}

/// Elements of a block of rows, about: few enough rows for a sum in T.
const BLOCK: usize = 1 << 14;

impl Moments {
    /// The moments of n rows with these means and variances.
    pub fn new(n: f64, means: Vec<f64>, variances: impl IntoIterator<Item = f64>) -> Self {
        // Rounding may leave less than 0 of a column that never changes.
        Moments { n, means, squares: variances.into_iter().map(|v| v.max(0.0) * n).collect() }
    }

    /// The moments of the rows of a matrix in standard layout.
    pub fn of<T: Real>(rows: &Array2<T>) -> Self {
        let mut moments = Moments::default();
        moments.clear(rows.ncols());
        let Some(rows) = rows.as_slice() else { unreachable!("matrices are in standard layout") };
        moments.add(rows);
        moments
    }

    /// The moments of the rows of all pieces; there is at least one.
    pub fn of_all<'a>(mut pieces: impl Iterator<Item = &'a Moments>) -> Self {
        let mut total = pieces.next().cloned().unwrap_or_default();
        pieces.for_each(|piece| total.join(piece));
        total
    }

    /// The moments of the rows, in standard layout, that samples give; see [`in_pieces`].
    pub fn of_samples<T: Real>(
        x: ArrayView2<T>,
        columns: usize,
        rows: impl Fn(ArrayView2<T>) -> Array2<T> + Sync + Send,
    ) -> Self {
        Moments::of_all(in_pieces(x, columns, |x| Moments::of(&rows(x))).iter())
    }

    /// How many rows there are.
    pub fn rows(&self) -> f64 {
        self.n
    }

    /// `[c]`: the means.
    pub fn means(&self) -> Array1<f64> {
        Array1::from(self.means.clone())
    }

    /// `[c]`: the biased variances.
    pub fn variances(&self) -> Array1<f64> {
        self.squares.iter().map(|square| square / self.n.max(1.0)).collect()
    }

    /// Begins anew, with no row of c columns.
    pub fn clear(&mut self, c: usize) {
        self.n = 0.0;
        for sums in [&mut self.means, &mut self.squares] {
            sums.clear();
            sums.resize(c, 0.0);
        }
    }

    /// Adds more rows, `[n, c]`.
    pub fn add<T: Real>(&mut self, rows: &[T]) {
        let c = self.means.len();
        for block in rows.chunks((BLOCK / c).max(1) * c) {
            // Distances from the first row: no sum is so large that the squares of a small spread
            // would be lost in it.
            let centre = wide(&block[..c]);
            let mut sums = vec![T::zero(); centre.len()];
            let mut squares = sums.clone();
            vectorised!(|| {
                for chunk in block.chunks(centre.len()) {
                    for (((sum, square), &v), &m) in
                        sums.iter_mut().zip(&mut squares).zip(chunk).zip(&centre)
                    {
                        let apart = v - m;
                        *sum += apart;
                        *square += apart * apart;
                    }
                }
            });
            let n = (block.len() / c) as f64;
            // NumCast of a float to f64 never fails.
            let real =
                |row: &[T]| row.iter().map(|v| v.to_f64().unwrap_or_default()).collect::<Vec<_>>();
            let (mut means, mut squares) = (real(&narrow(&sums, c)), real(&narrow(&squares, c)));
            for ((mean, square), first) in means.iter_mut().zip(&mut squares).zip(real(&block[..c]))
            {
                *square = (*square - *mean * *mean / n).max(0.0);
                *mean = first + *mean / n;
            }
            self.merge(n, &means, &squares);
        }
    }

    /// Adds the rows of other moments.
    pub fn join(&mut self, other: &Moments) {
        self.merge(other.n, &other.means, &other.squares);
    }

    fn merge(&mut self, n: f64, means: &[f64], squares: &[f64]) {
        let total = self.n + n;
        for (((mean, square), m), s) in
            self.means.iter_mut().zip(&mut self.squares).zip(means).zip(squares)
        {
            let apart = m - *mean;
            *mean += apart * n / total;
            *square += s + apart * apart * self.n * n / total;
        }
        self.n = total;
    }
}

/// A row repeated until it has at least 64 entries, so that loops over many short rows become loops
/// over fewer long ones.
pub fn wide<T: Copy>(row: &[T]) -> Vec<T> {
    row.repeat(64usize.div_ceil(row.len().max(1)))
}

/// The sums of what stands in the same column of a [wide](wide) row of c columns.
pub fn narrow<T: Real>(row: &[T], c: usize) -> Vec<T> {
    let mut sums = row[..c].to_vec();
    for repeat in row[c..].chunks(c) {
        sums.iter_mut().zip(repeat).for_each(|(sum, v)| *sum += *v);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_definition_however_rows_arrive() {
        // Far from 0, where sums of squares would cancel.
        let x = Array2::from_shape_fn((3000, 3), |(i, j)| {
            1e4 + ((i * 7 + j * 5) % 31) as f64 * 0.25 + (j * i) as f64 * 1e-3
        });
        for cut in [1, 17, 3000] {
            let mut all = Moments::default();
            all.clear(3);
            for rows in x.axis_chunks_iter(ndarray::Axis(0), cut) {
                let mut part = Moments::default();
                part.clear(3);
                part.add(rows.to_slice().unwrap());
                all.join(&part);
            }
            let mut norm = Norm::<f64>::new(3);
            norm.take(&all);
            for (c, column) in x.columns().into_iter().enumerate() {
                let mean = column.mean().unwrap();
                let square: f64 = column.iter().map(|v| (v - mean).powi(2)).sum();
                assert!((norm.centre[c] - mean).abs() < 1e-9);
                assert!((norm.inverse[c] * (square / 3000.0 + EPSILON).sqrt() - 1.0).abs() < 1e-9);
                assert!((norm.mean[c] - 0.1 * mean).abs() < 1e-9);
                assert!((norm.variance[c] - (0.9 + 0.1 * square / 2999.0)).abs() < 1e-9);
            }
        }
    }
}
