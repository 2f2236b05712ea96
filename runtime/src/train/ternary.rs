//! Ternary quantisers: that of Li, Zhang & Liu, "Ternary weight networks" (2016), with one
//! threshold per row, and its variants.

use super::matmul::Real;
use super::optimiser::Parameter;
use crate::network::Quantiser;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Zip, s};

/// A matrix that trains in full precision first, then in ternary.
pub struct Matrix<T> {
    /// The weights that are trained.
    pub weights: Parameter<T>,
    side: Side,
    /// Of a matrix that is a sum of ternary ones, how many.
    digits: Option<usize>,
    /// How it is quantised, and the result, α·t or the sum, from phase 2 on.
    ternary: Option<(Ternariser, Array2<T>)>,
}

/// The product that an entry of a matrix belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    /// Row i sums the operand of product i: W_b.
    Rows,
    /// Column j is product j; in `groups`, product j of the group of the row's channel, row modulo
    /// `channels`: W_c.
    Columns {
        /// Output channels, c_out.
        channels: usize,
        /// Groups of the channels.
        groups: usize,
    },
}

impl Side {
    /// The product of the first entry of a row.
    fn first(self, row: usize, columns: usize) -> usize {
        match self {
            Side::Rows => row,
            Side::Columns { channels, groups } => row % channels / (channels / groups) * columns,
        }
    }

    /// Products of a matrix of this shape.
    fn products(self, (rows, columns): (usize, usize)) -> usize {
        match self {
            Side::Rows => rows,
            Side::Columns { groups, .. } => groups * columns,
        }
    }
}

/// How weights become ternary: t_ij = sign(w_ij)·[|w_ij| > Δ_i], times a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ternariser {
    /// The rule of thresholds and scales.
    pub quantiser: Quantiser,
    /// The threshold over the mean of |w|, where thresholds go by that.
    pub factor: f64,
}

/// The threshold of [`Quantiser::Fixed`].
const FIXED: f64 = 0.5;
/// The least factor that weights are scaled by: a threshold near 0 would put them out of reach of
/// any step.
const LEAST_FACTOR: f64 = 0.01;
/// Entries of a matrix that one task quantises, at least.
const ENTRIES: usize = 1 << 14;

impl<T: Real> Matrix<T> {
    /// A matrix in full precision.
    pub fn new(weights: Array2<T>, side: Side) -> Self {
        Matrix { weights: Parameter::new(weights), side, digits: None, ternary: None }
    }

    /// A matrix that becomes a sum of so many ternary ones with a scale for each of their rows: as
    /// the digits of a number, each is what comes nearest to what those before it leave. Whatever
    /// the recipe's quantiser is, thresholds go by the mean of what is left, and a weight that
    /// crosses one of them moves the sum by a step of its last digit.
    pub fn of_digits(weights: Array2<T>, digits: usize) -> Self {
        let side = Side::Rows;
        Matrix { weights: Parameter::new(weights), side, digits: Some(digits), ternary: None }
    }

    /// Rows of all digits.
    pub fn products(&self) -> usize {
        self.digits.unwrap_or(1) * self.weights.value.nrows()
    }

    /// Makes the matrix ternary from here on.
    pub fn make_ternary(&mut self, ternariser: Ternariser) {
        self.ternary = Some((ternariser, Array2::zeros(self.weights.value.dim())));
        self.renew();
    }

    /// Scales each row such that its threshold factor · mean|w| comes to lie at the fixed one:
    /// phase 2 begins with the ternary matrix that TWN would begin with, whatever size the weights
    /// have grown to. Norms take the scales of rows out; where none follows, the returned α makes
    /// up for them.
    pub fn scale_to_fixed(&mut self, factor: f64) -> T {
        let factor = factor.max(LEAST_FACTOR);
        let mut quantised = Array2::zeros(self.weights.value.dim());
        let alpha = ternarise(self.weights.value.view(), factor, &mut quantised);
        for mut row in self.weights.value.rows_mut() {
            let threshold = relative_threshold(row.view(), factor);
            if threshold > T::zero() {
                row.mapv_inplace(|w| w * (T::real(FIXED) / threshold));
            }
        }
        alpha
    }

    /// Brings the ternary matrix up to date with the weights behind it.
    pub fn renew(&mut self) {
        let Some((Ternariser { quantiser, factor }, quantised)) = &mut self.ternary else { return };
        let w = self.weights.value.view();
        if let Some(digits) = self.digits {
            let rows = quantised.axis_iter_mut(Axis(0)).into_par_iter();
            return rows
                .zip(w.axis_iter(Axis(0)))
                .with_min_len(ENTRIES / w.ncols().max(1))
                .for_each(|(mut sum, w)| {
                    sum.fill(T::zero());
                    digits_of(w, *factor, digits, |_, scale, signs| {
                        sum.scaled_add(scale, &signs);
                    });
                });
        }
        match quantiser {
            Quantiser::Twn => {
                ternarise(w, *factor, quantised);
            }
            Quantiser::Fixed => {
                for (out, w) in quantised.rows_mut().into_iter().zip(w.rows()) {
                    ternarise_row(w, T::real(FIXED), out);
                }
            }
            Quantiser::Row => ternarise_products(w, *factor, self.side, quantised),
        }
    }

    /// Takes `share` of the mean magnitude of a row from each magnitude in it, down to 0: a step
    /// against an L1 norm, decoupled from the gradient as weight decay is in AdamW (Loshchilov &
    /// Hutter 2019), and relative, since a norm undoes every scale. What the loss does not hold up
    /// falls below the threshold: one adder less. Nothing happens before phase 2.
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

    /// Nonzeros and entries of the ternary matrices, or of the matrix where it is none yet.
    fn nonzeros(&self) -> (usize, usize) {
        let (Some(digits), Some((Ternariser { factor, .. }, _))) = (self.digits, &self.ternary)
        else {
            let entries = self.effective();
            return (entries.iter().filter(|w| **w != T::zero()).count(), entries.len());
        };
        let mut nonzeros = 0;
        for w in self.weights.value.rows() {
            digits_of(w, *factor, digits, |_, _, signs| {
                nonzeros += signs.iter().filter(|t| **t != T::zero()).count();
            });
        }
        (nonzeros, digits * self.weights.value.len())
    }

    /// The matrix as it multiplies.
    pub fn effective(&self) -> ArrayView2<'_, T> {
        self.ternary.as_ref().map_or(self.weights.value.view(), |(_, quantised)| quantised.view())
    }
}

impl Matrix<f32> {
    /// The ternary matrices of a [sum of digits](Self::of_digits) in phase 2, one above the other,
    /// and the scales of their rows; none of another matrix.
    pub fn digits(&self) -> Option<(Array2<i8>, Array1<f64>)> {
        let (digits, (Ternariser { factor, .. }, _)) = (self.digits?, self.ternary.as_ref()?);
        let (rows, columns) = self.weights.value.dim();
        let mut all = Array2::zeros((digits * rows, columns));
        let mut scales = Array1::zeros(digits * rows);
        for (i, w) in self.weights.value.rows().into_iter().enumerate() {
            digits_of(w, *factor, digits, |digit, scale, signs| {
                all.row_mut(digit * rows + i).assign(&signs.mapv(|t| t as i8));
                scales[digit * rows + i] = f64::from(scale);
            });
        }
        Some((all, scales))
    }

    /// The scale of a ternary matrix's entries, product by product; the largest where a product has
    /// none, 1 where no product has.
    pub fn scales(&self) -> Array1<f64> {
        let quantised = self.effective();
        let mut scales = Array1::zeros(self.side.products(quantised.dim()));
        for ((row, column), q) in quantised.indexed_iter().filter(|(_, q)| **q != 0.0) {
            let first = self.side.first(row, quantised.ncols());
            scales[if self.side == Side::Rows { first } else { first + column }] =
                f64::from(q.abs());
        }
        let largest = scales.fold(0.0f64, |a, b| a.max(*b));
        scales.mapv_inplace(|a| {
            if a > 0.0 {
                a
            } else if largest > 0.0 {
                largest
            } else {
                1.0
            }
        });
        scales
    }
}

/// Writes α·t into `out`, with t_ij = sign(w_ij)·[|w_ij| > Δ_i], Δ_i = factor · mean_j|w_ij| and α
/// the mean of |w| where t ≠ 0; returns α.
///
/// One α for the whole matrix: it is absorbed by the norm that follows, or by ã.
pub fn ternarise<T: Real>(w: ArrayView2<T>, factor: f64, out: &mut Array2<T>) -> T {
    let rows = (out.axis_iter_mut(Axis(0)).into_par_iter())
        .zip(w.axis_iter(Axis(0)))
        .with_min_len(ENTRIES / w.ncols().max(1));
    let of_rows = rows
        .map(|(out, w)| ternarise_row(w, relative_threshold(w, factor), out))
        .collect::<Vec<_>>();
    let (kept, count) =
        of_rows.into_iter().fold((0.0, 0.0), |(kept, count), (k, c)| (kept + k, count + c));
    let alpha = T::real(if count > 0.0 { kept / count } else { 1.0 });
    out.par_mapv_inplace(|t| t * alpha);
    alpha
}

/// Does as [`ternarise`], with an α for each product, which ã absorbs: one for each output would
/// not fold away where p > 1, since the pixels of a patch share the norm of their channel.
fn ternarise_products<T: Real>(w: ArrayView2<T>, factor: f64, side: Side, out: &mut Array2<T>) {
    let mean = |(kept, count): (f64, f64)| T::real(if count > 0.0 { kept / count } else { 1.0 });
    let mut sums = vec![(0.0, 0.0); side.products(w.dim())];
    for (i, (mut out, w)) in out.rows_mut().into_iter().zip(w.rows()).enumerate() {
        let of_row = ternarise_row(w, relative_threshold(w, factor), out.view_mut());
        if side == Side::Rows {
            sums[i] = of_row;
            continue;
        }
        for (((kept, count), w), t) in sums[side.first(i, w.len())..].iter_mut().zip(w).zip(&out) {
            // NumCast of a finite float to f64 never fails.
            *kept += (*w * *t).to_f64().unwrap_or_default();
            *count += t.abs().to_f64().unwrap_or_default();
        }
    }
    let scales: Array1<T> = sums.into_iter().map(mean).collect();
    let columns = w.ncols();
    for (i, mut out) in out.rows_mut().into_iter().enumerate() {
        let first = side.first(i, columns);
        match side {
            Side::Rows => out.mapv_inplace(|t| t * scales[first]),
            Side::Columns { .. } => Zip::from(out)
                .and(&scales.slice(s![first..first + columns]))
                .for_each(|t, &a| *t *= a),
        }
    }
}

/// The digits of a row, the first one first: their number, scale and signs.
fn digits_of<T: Real>(
    w: ArrayView1<T>,
    factor: f64,
    digits: usize,
    mut each: impl FnMut(usize, T, ArrayView1<T>),
) {
    let (mut rest, mut signs) = (w.to_owned(), Array1::zeros(w.len()));
    for digit in 0..digits {
        let threshold = relative_threshold(rest.view(), factor);
        let (kept, count) = ternarise_row(rest.view(), threshold, signs.view_mut());
        let scale = T::real(if count > 0.0 { kept / count } else { 0.0 });
        each(digit, scale, signs.view());
        rest.scaled_add(-scale, &signs);
    }
}

/// The threshold factor · mean|w|.
fn relative_threshold<T: Real>(w: ArrayView1<T>, factor: f64) -> T {
    T::real(factor) / T::real(w.len().max(1) as f64) * lane_sum(w, |w| w.abs())
}

/// Writes t_j = sign(w_j)·[|w_j| > Δ], and returns the sum of |w| where t ≠ 0, and how many those
/// are.
///
/// The largest weight always stays, so that no row comes out empty unless all its weights are 0.
fn ternarise_row<T: Real>(w: ArrayView1<T>, threshold: T, mut out: ArrayViewMut1<T>) -> (f64, f64) {
    let larger = |a: T, v: T| if v.abs() > a { v.abs() } else { a };
    let largest = lanes(w, larger).into_iter().fold(T::zero(), larger);
    // Half of the largest, where nothing lies above the threshold: it and its near equals stay.
    let threshold = if largest > threshold { threshold } else { largest / T::real(2.0) };
    out.zip_mut_with(&w, |t, &w| {
        let positive = if w > threshold { T::one() } else { T::zero() };
        *t = if w < -threshold { -T::one() } else { positive };
    });
    let above = |w: T| if w.abs() > threshold { w.abs() } else { T::zero() };
    // NumCast of a finite float to f64 never fails.
    let kept = lane_sum(w, above).to_f64().unwrap_or_default();
    (kept, lane_sum(out.view(), |t| t.abs()).to_f64().unwrap_or_default())
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

/// Nonzeros over entries of matrices as they multiply.
pub fn density<'a, T: Real>(matrices: impl Iterator<Item = &'a Matrix<T>>) -> f64 {
    let (mut nonzeros, mut entries) = (0, 0);
    for matrix in matrices {
        let (own, of) = matrix.nonzeros();
        nonzeros += own;
        entries += of;
    }
    nonzeros as f64 / entries.max(1) as f64
}

/// The ternary matrix behind [`ternarise`]'s output.
pub fn signs<T: Real>(quantised: ArrayView2<T>) -> Array2<i8> {
    quantised.mapv(|q| i8::from(q > T::zero()) - i8::from(q < T::zero()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn shrinking_takes_a_share_of_the_mean() {
        let mut matrix =
            Matrix::new(array![[4.0, -3.0, 1.0, 0.0], [0.5, 0.5, -0.5, 0.5]], Side::Rows);
        matrix.shrink(0.75);
        assert_eq!(matrix.weights.value, array![[4.0, -3.0, 1.0, 0.0], [0.5, 0.5, -0.5, 0.5]]);
        matrix.make_ternary(Ternariser { quantiser: Quantiser::Twn, factor: 0.7 });
        matrix.shrink(0.75);
        assert_eq!(
            matrix.weights.value,
            array![[2.5, -1.5, 0.0, 0.0], [0.125, 0.125, -0.125, 0.125]]
        );
    }

    /// The first digit is Li and Liu's ternary row, each further one leaves less, and a row that
    /// the first ones say whole needs no more.
    #[test]
    fn digits_come_nearer_and_nearer() {
        let w = Array2::from_shape_fn((3, 40), |(i, j)| match i {
            0 => ((j * 37 + 11) % 64) as f32 / 64.0 - 0.4,
            1 => [0.5, -0.5, 0.0][j % 3],
            _ => 0.0,
        });
        let mut before = f32::INFINITY;
        for digits in 1..5 {
            let mut matrix = Matrix::of_digits(w.clone(), digits);
            assert!(matrix.digits().is_none());
            matrix.make_ternary(Ternariser { quantiser: Quantiser::Twn, factor: 0.7 });
            let (signs_of_all, scales) = matrix.digits().unwrap();
            assert_eq!((signs_of_all.dim(), scales.len()), ((3 * digits, 40), 3 * digits));
            let mut sum = Array2::<f64>::zeros(w.dim());
            for (i, (signs, scale)) in signs_of_all.rows().into_iter().zip(&scales).enumerate() {
                let mut row = sum.row_mut(i % 3);
                row.scaled_add(*scale, &signs.mapv(f64::from));
            }
            assert!((&sum - &matrix.effective().mapv(f64::from)).iter().all(|d| d.abs() < 1e-6));
            let mut twn = Array2::zeros(w.dim());
            ternarise(w.view(), 0.7, &mut twn);
            assert_eq!(signs_of_all.slice(s![..3, ..]), signs(twn.view()));
            let apart = |i| (&matrix.effective().row(i) - &w.row(i)).mapv(|d| d * d).sum();
            assert!(apart(0) < 0.4 * before && apart(1) == 0.0 && apart(2) == 0.0);
            before = apart(0);
            let nonzeros = signs_of_all.iter().filter(|t| **t != 0).count();
            assert_eq!(matrix.nonzeros(), (nonzeros, 120 * digits));
        }
    }

    #[test]
    fn thresholds_are_per_row_and_no_row_is_empty() {
        let w = array![
            [1.0, -0.5, 0.1, 0.0],
            [0.01, 0.01, -0.01, 0.01],
            [100.0, -1.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.0]
        ];
        let mut q = Array2::zeros((4, 4));
        ternarise(w.view(), 1.2, &mut q);
        let t = signs(q.view());
        assert_eq!(t, array![[1, -1, 0, 0], [1, 1, -1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]);
        let alpha = (1.0 + 0.5 + 0.04 + 100.0) / 7.0;
        assert!((&q - &t.mapv(|t| f64::from(t) * alpha)).iter().all(|d| d.abs() < 1e-12));
        ternarise(w.view(), 5.0, &mut q);
        assert_eq!(signs(q.view()).row(0), array![1, 0, 0, 0]);
    }

    /// Thresholds as above; α by the definition, product by product, with W_c in two groups of its
    /// four channels.
    #[test]
    fn a_scale_for_each_product() {
        let w = Array2::from_shape_fn((8, 3), |(i, j)| {
            ((i * 37 + j * 71 + 11) % 64) as f32 / 64.0 - 0.4
        });
        let ternariser = Ternariser { quantiser: Quantiser::Row, factor: 0.9 };
        for side in [
            Side::Rows,
            Side::Columns { channels: 4, groups: 2 },
            Side::Columns { channels: 2, groups: 1 },
        ] {
            let mut matrix = Matrix::new(w.clone(), side);
            matrix.make_ternary(ternariser);
            let mut twn = Array2::zeros(w.dim());
            ternarise(w.view(), 0.9, &mut twn);
            assert_eq!(signs(matrix.effective()), signs(twn.view()));
            let product = |(i, j): (usize, usize)| match side {
                Side::Rows => i,
                Side::Columns { groups: 1, .. } => j,
                // Channels 0 and 1 of each pixel are the first group.
                Side::Columns { .. } => i % 4 / 2 * 3 + j,
            };
            let products = [8, 6, 3][[Side::Rows, Side::Columns { channels: 4, groups: 2 }]
                .iter()
                .position(|s| *s == side)
                .unwrap_or(2)];
            for p in 0..products {
                let of: Vec<_> = twn
                    .indexed_iter()
                    .filter(|&(at, &t)| product(at) == p && t != 0.0)
                    .map(|e| e.0)
                    .collect();
                let alpha = of.iter().map(|&at| w[at].abs()).sum::<f32>() / of.len() as f32;
                assert!(
                    of.iter().all(|&at| (matrix.effective()[at].abs() - alpha).abs() < 1e-6),
                    "{side:?} {p}"
                );
                assert!(of.is_empty() || (matrix.scales()[p] - f64::from(alpha)).abs() < 1e-6);
            }
            assert_eq!(matrix.scales().len(), products);
        }
    }

    #[test]
    fn a_fixed_threshold_begins_where_twn_is() {
        let w = Array2::from_shape_fn((6, 9), |(i, j)| {
            (((i * 37 + j * 71 + 11) % 64) as f64 / 64.0 - 0.4) * 4f64.powi(i as i32 - 3)
        });
        let mut matrix = Matrix::new(w.clone(), Side::Rows);
        let alpha = matrix.scale_to_fixed(1.1);
        matrix.make_ternary(Ternariser { quantiser: Quantiser::Fixed, factor: 1.1 });
        let mut twn = Array2::zeros(w.dim());
        assert_eq!(ternarise(w.view(), 1.1, &mut twn), alpha);
        assert!((&twn - &(&matrix.effective() * alpha)).iter().all(|d| d.abs() < 1e-12));
        // By the definition from then on; a row below the threshold keeps its largest.
        matrix.weights.value = array![[0.5, -0.51, 3.0], [0.2, -0.4, 0.1]];
        matrix.make_ternary(Ternariser { quantiser: Quantiser::Fixed, factor: 1.1 });
        assert_eq!(matrix.effective(), array![[0.0, -1.0, 1.0], [0.0, -1.0, 0.0]]);
        // Rows of zeros stay, and a factor of 0 divides nothing by 0.
        let mut matrix = Matrix::new(array![[0.0, 0.0], [1.0, -2.0]], Side::Rows);
        matrix.scale_to_fixed(0.0);
        assert!(matrix.weights.value.iter().all(|w: &f64| w.is_finite()));
    }
}
