//! What stands between W_b's sums u and the relu, as the one affine map that it is.
//!
//! Once the mean m and the covariance C of u are known, so are the statistics of both norms: the
//! variance of a row w of W_c times v is that of `w ⊙ ã/σ_u` times u, whose square with C it is.
//! Then `z = A (u - m) + b`, `A = diag(γ/σ_y) W_c diag(ã/σ_u)`, and y is never computed. One
//! product of dL/dz with u gives the gradient of A; all others follow from that one by small
//! products in f64, and dL/du is affine in dL/dz and u.

use super::backward::{NormGradient, Through, joined, sum_columns, sum_rows, to_gradient};
use super::{Cut, Piece, Products, Spn};
use crate::train::image::norm::{Moments, Norm, wide};
use crate::train::image::patches::view;
use crate::train::kernels::{AffineMap, Source, correlate};
use crate::train::lanes::MOST_LANES;
use crate::train::matmul::{Into, Real, is_positive, vectorised};
use crate::train::optimiser::Parameter;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// What the forward pass leaves to the backward pass.
pub(super) struct Affine {
    /// Rows of u.
    n: f64,
    /// `[r]`: of u.
    mean: Array1<f64>,
    spread: Spread,
    /// `[r, 1]`: ã/σ_u.
    hidden: Array2<f64>,
    /// W_c times that: `[c_out, r]`, or `[r, 1]`, the diagonal, where W_c is the identity.
    linear: Array2<f64>,
    /// A, shaped alike.
    slope: Array2<f64>,
}

/// How numbers vary about their means.
pub(super) enum Spread {
    /// `[k, k]`: their covariance.
    Covariance(Array2<f64>),
    /// `[k, 1]`: their variances, for rows that read one of them each.
    Variances(Array2<f64>),
}

impl Spread {
    /// The covariance of `rows · x` with x: rows are `[…, k]`, or the `[k, 1]` diagonal.
    fn times(&self, rows: &Array2<f64>) -> Array2<f64> {
        match self {
            Spread::Covariance(covariance) => rows.dot(covariance),
            Spread::Variances(variances) => rows * variances,
        }
    }

    /// The variances of `rows · x`.
    fn of(&self, rows: &Array2<f64>) -> Array1<f64> {
        (self.times(rows) * rows).sum_axis(Axis(1))
    }
}

pub(super) fn exact<T: Real>(matrix: ArrayView2<T>) -> Array2<f64> {
    // NumCast of a float to f64 never fails.
    matrix.mapv(|v| v.to_f64().unwrap_or_default())
}

fn column<T: Real>(values: impl IntoIterator<Item = T>) -> Array2<f64> {
    let column: Array1<f64> = values.into_iter().map(|v| v.to_f64().unwrap_or_default()).collect();
    column.insert_axis(Axis(1))
}

/// Takes the statistics of `rows · x` over n numbers x into a norm; the rows times factor/σ.
pub(super) fn normalise<T: Real>(
    rows: &Array2<f64>,
    means: Array1<f64>,
    (n, spread): (f64, &Spread),
    (factor, norm): (&Parameter<T>, &mut Norm<T>),
) -> Array2<f64> {
    norm.take(&Moments::new(n, means.to_vec(), spread.of(rows)));
    rows * &column(norm.slope(factor))
}

/// The gradient of [`normalise`]: from that of its result to the factor's, the rows', and that of
/// the variances, `[…, 1]`.
pub(super) fn normalise_gradient<T: Real>(
    gradient: Array2<f64>,
    rows: &Array2<f64>,
    spread: &Spread,
    (factor, norm): (&mut Parameter<T>, &Norm<T>),
) -> (Array2<f64>, Array2<f64>) {
    let inverse = column(norm.inverse.iter().copied());
    let slope = column(norm.slope(factor));
    let along = (&gradient * rows).sum_axis(Axis(1)).insert_axis(Axis(1)) * &inverse;
    to_gradient(&along, &mut factor.gradient);
    let of_variances = &along * &inverse * &slope * -0.5;
    // Twice, since the rows stand on both sides of their variance.
    (gradient * slope + spread.times(rows) * 2.0 * &of_variances, of_variances)
}

/// The sum of what all pieces have summed up.
pub(super) fn total<T>(pieces: &[Piece<T>]) -> Array2<f64> {
    let mut total = pieces[0].exact.clone();
    pieces[1..].iter().for_each(|piece| total += &piece.exact);
    total
}

/// With more of them their covariance, r² products a row, takes longer than the passes over y that
/// it saves.
const MOST_PRODUCTS: usize = 128;
/// Rows that a map takes at a time.
const ROWS: usize = 64;
/// Rows whose products are summed up in T.
const BLOCK: usize = 1 << 10;

/// `u - centre`, row by row, `[n, r]` to `[n, width]` with zeros behind; `centre` is [wide].
fn centred<'a, T: Real>(
    (u, r): (&[T], usize),
    centre: &[T],
    (v, width): (&'a mut [T], usize),
) -> &'a [T] {
    let v = &mut v[..u.len() / r * width];
    vectorised!(|| {
        if r == width {
            for (v, u) in v.chunks_mut(centre.len()).zip(u.chunks(centre.len())) {
                v.iter_mut().zip(u).zip(centre).for_each(|((v, &u), &m)| *v = u - m);
            }
            return;
        }
        for (v, u) in v.chunks_mut(width).zip(u.chunks(r)) {
            let (v, pads) = v.split_at_mut(r);
            v.iter_mut().zip(u).zip(centre).for_each(|((v, &u), &m)| *v = u - m);
            pads.fill(T::zero());
        }
    });
    v
}

/// Adds a sum over rows, `[inputs, width]`, to `total`, `[inputs, r]`, and clears it.
fn flush<T: Real>(part: &mut [T], width: usize, total: &mut Array2<f64>) {
    for (mut total, part) in total.rows_mut().into_iter().zip(part.chunks(width)) {
        // NumCast of a float to f64 never fails.
        total.iter_mut().zip(part).for_each(|(t, v)| *t += v.to_f64().unwrap_or_default());
    }
    part.fill(T::zero());
}

impl<T: Real> Piece<T> {
    /// The moments of the rows of u, `[n, r]`, and the sums of squares and products of their
    /// distances from the means, `[r, r]`.
    pub(super) fn measure(&mut self, cut: Cut, u: &[T], r: usize) {
        let width = r.next_multiple_of(MOST_LANES);
        // Distances from the first row, as of [`Moments`].
        let first = &u[..r];
        let centre = wide(first);
        let mut sums = vec![0.0; r];
        let part = &mut self.patch[..r * width];
        part.fill(T::zero());
        self.exact = Array2::zeros((r, r));
        for block in u.chunks(BLOCK * r) {
            for u in block.chunks(cut.tile * r) {
                let v = centred((u, r), &centre, (&mut self.v, width));
                sum_columns(v, width, &mut sums);
                let rows = Source::rows(v, width);
                correlate((rows, r), (rows, width), u.len() / r, part);
            }
            flush(part, width, &mut self.exact);
        }
        let n = (u.len() / r) as f64;
        let apart = Array1::from(sums) / n;
        add_outer_product(&mut self.exact, &apart, -n);
        let means = exact(view(first, (1, r))).row(0).to_owned() + apart;
        self.moments = Moments::new(n, means.to_vec(), self.exact.diag().mapv(|s| s / n));
    }

    /// Takes dL/dz through the relu where z is given, to the sums of dL/dy and to those of the
    /// products of its numbers, `[n, c_out]`, with those of `u - centre`, `[n, r]`, or of each with
    /// its own where W_c is the identity.
    fn correlate(
        &mut self,
        cut: Cut,
        (dz, z): (&mut [T], Option<&[T]>),
        (u, centre): (&[T], &[T]),
        (c_out, r): (usize, usize),
        identity: bool,
    ) {
        let width = r.next_multiple_of(MOST_LANES);
        self.sums = [vec![0.0; c_out], vec![0.0; r]];
        let part = &mut self.patch[..if identity { 0 } else { c_out * width }];
        part.fill(T::zero());
        self.exact = Array2::zeros(if identity { (0, 0) } else { (c_out, r) });
        let mut since = 0;
        for rows in cut.tiles(u.len() / r) {
            let (pixels, n) = (rows.start * c_out..rows.end * c_out, rows.len());
            let (dz, u) = (&mut dz[pixels.clone()], &u[rows.start * r..rows.end * r]);
            if let Some(z) = z {
                vectorised!(|| {
                    dz.iter_mut().zip(&z[pixels]).for_each(|(d, z)| *d *= is_positive(*z));
                });
            }
            if identity {
                sum_rows(dz, u, centre, &mut self.sums);
                continue;
            }
            sum_columns(dz, c_out, &mut self.sums[0]);
            let v = centred((u, r), centre, (&mut self.v, width));
            let rows = (Source::rows(dz, c_out), c_out);
            correlate(rows, (Source::rows(v, width), width), n, part);
            since += n;
            if since >= BLOCK {
                flush(part, width, &mut self.exact);
                since = 0;
            }
        }
        flush(part, width, &mut self.exact);
    }
}

/// `to += v vᵀ · factor`.
fn add_outer_product(to: &mut Array2<f64>, v: &Array1<f64>, factor: f64) {
    for (mut row, &left) in to.rows_mut().into_iter().zip(v) {
        row.scaled_add(left * factor, v);
    }
}

/// The covariance of the numbers of all n rows, of which this is the mean.
fn covariance<T>(pieces: &[Piece<T>], mean: &Array1<f64>, n: f64) -> Array2<f64> {
    let mut squares = total(pieces);
    for piece in pieces {
        add_outer_product(&mut squares, &(piece.moments.means() - mean), piece.moments.rows());
    }
    squares / n
}

impl<T: Real> Spn<T> {
    /// Whether to take this way.
    pub(super) fn may_be_affine(&self) -> bool {
        let r = self.w_b.weights.value.nrows();
        let narrow = self.output_groups == 1 && r <= MOST_PRODUCTS;
        self.direct.is_some()
            && self.patches.aligned()
            && self.products.is_some()
            && self.output.is_some()
            && (self.w_c.is_none() || narrow)
    }

    /// From the statistics of u, which pieces have, to the map that takes it to z before the relu.
    pub(super) fn begin_affine(&mut self) -> Map<T> {
        let Spn { products, w_c, bias, output, pieces, affine, .. } = self;
        let (Some(Products { a, norm }), Some((scale, outer))) = (products, output) else {
            unreachable!()
        };
        let moments = Moments::of_all(pieces.iter().map(|piece| &piece.moments));
        let (n, mean) = (moments.rows(), moments.means());
        norm.take(&moments);
        let hidden = column(norm.slope(a));
        let (spread, linear) = match w_c {
            None => {
                let variances = moments.variances().insert_axis(Axis(1));
                (Spread::Variances(variances), hidden.clone())
            }
            Some(w_c) => {
                let linear = exact(w_c.effective()) * hidden.t();
                (Spread::Covariance(covariance(pieces, &mean, n)), linear)
            }
        };
        // v has no mean, so y has none.
        let zeros = Array1::zeros(linear.nrows());
        let slope = normalise(&linear, zeros, (n, &spread), (scale, outer));
        let map = match &spread {
            Spread::Variances(_) => Map::Diagonal([
                wide(&norm.centre.to_vec()),
                wide(&numbers(&slope)),
                wide(&bias.row().to_vec()),
            ]),
            Spread::Covariance(_) => {
                let offset = &exact(bias.value.view()).row(0) - &slope.dot(&mean);
                Map::Matrix(AffineMap::new(&slope, &offset))
            }
        };
        *affine = Some(Affine { n, mean, spread, hidden, linear, slope });
        map
    }

    /// Takes dL/dz through the relu, and sums up all gradients but W_b's.
    pub(super) fn affine_backward(&mut self, cut: Cut, z: &[T], dz: &mut [T]) -> Through<T> {
        let Spn {
            w_b, products, w_c, bias, output, relu, pool, patches, u, pieces, affine, ..
        } = self;
        let (Some(Products { a, norm }), Some((scale, outer)), Some(affine)) =
            (products, output, affine)
        else {
            unreachable!()
        };
        let Affine { n, mean, spread, hidden, linear, slope } = &*affine;
        let (r, c_out) = (w_b.weights.value.nrows(), bias.value.ncols());
        let rows = cut.samples * patches.per_sample();
        let centre = wide(&norm.centre.to_vec());
        let masks = *relu && pool.is_none();
        let identity = w_c.is_none();
        let work = (pieces.par_iter_mut(), u.par_chunks(rows * r), dz.par_chunks_mut(rows * c_out));
        work.into_par_iter().enumerate().for_each(|(i, (piece, u, dz))| {
            let z = masks.then(|| &z[i * rows * c_out..][..dz.len()]);
            piece.correlate(cut, (dz, z), (u, &centre), (c_out, r), identity);
        });
        let sums = joined(pieces, None);
        to_gradient(&sums[0], &mut bias.gradient);
        let d_offset = Array1::from(sums[0].clone());
        let d_slope = match spread {
            Spread::Variances(_) => column(sums[1].iter().copied()),
            Spread::Covariance(_) => {
                // The centre is the mean as T has it.
                let apart = mean - &exact(norm.centre.view().insert_axis(Axis(0))).row(0);
                let mut d_slope = total(pieces);
                for (mut row, d) in d_slope.rows_mut().into_iter().zip(&d_offset) {
                    row.scaled_add(-d, &apart);
                }
                d_slope
            }
        };
        let (d_linear, d_outer) = normalise_gradient(d_slope, linear, spread, (scale, outer));
        let d_hidden = match w_c {
            None => d_linear,
            Some(w_c) => {
                to_gradient(&(&d_linear * &hidden.t()), &mut w_c.weights.gradient);
                (d_linear * exact(w_c.effective())).sum_axis(Axis(0)).insert_axis(Axis(1))
            }
        };
        // ã/σ_u, as rows that read one number each, of which all is in σ_u.
        let inverse = column(norm.inverse.iter().copied());
        let d_a = d_hidden * &inverse;
        to_gradient(&d_a, &mut a.gradient);
        let d_inner = d_a * inverse * hidden * -0.5;
        // The covariance is the mean of products of distances from the mean: each row of u is on
        // both sides of its own.
        match spread {
            Spread::Variances(_) => {
                let d_spread = linear * linear * d_outer + d_inner;
                let offset = &slope.column(0) * &d_offset / -*n;
                let of_u = d_spread * 2.0 / *n;
                let factors = [numbers(slope), numbers(&of_u), numbers(&offset)];
                Through::Norm(NormGradient::of(norm, factors.each_ref().map(Vec::as_slice)))
            }
            Spread::Covariance(_) => {
                let mut d_spread = linear.t().dot(&(linear * &d_outer));
                d_spread.diag_mut().zip_mut_with(&d_inner.column(0), |d, inner| *d += inner);
                let of_u = d_spread * 2.0 / *n;
                let offset = -(of_u.dot(mean) + slope.t().dot(&d_offset) / *n);
                Through::Map {
                    of_d: AffineMap::new(&slope.t().to_owned(), &offset),
                    of_u: AffineMap::linear(of_u.mapv(T::real).view()),
                }
            }
        }
    }
}

fn numbers<'a, T: Real>(values: impl IntoIterator<Item = &'a f64>) -> Vec<T> {
    values.into_iter().map(|v| T::real(*v)).collect()
}

/// What takes u, `[n, r]`, or y, `[n, c_out]`, to what stands before the relu, `[n, c_out]`.
pub(super) enum Map<T> {
    /// What mixes the numbers of a row.
    Matrix(AffineMap<T>),
    /// `(u - centre) · slope + offset`, column by column, all [wide].
    Diagonal([Vec<T>; 3]),
}

impl<T: Real> Map<T> {
    /// Takes rows there; what is below `low` becomes that.
    pub(super) fn apply(&self, u: &[T], z: &mut [T], low: T) {
        match self {
            Map::Matrix(map) => {
                // So few rows that they stay in the first cache.
                let (inputs, outputs) = map.sizes();
                for (u, z) in u.chunks(ROWS * inputs).zip(z.chunks_mut(ROWS * outputs)) {
                    map.apply(u, z, Into::Place);
                    vectorised!(|| z.iter_mut().for_each(|z| *z = if *z > low { *z } else { low }));
                }
            }
            Map::Diagonal([centre, slope, offset]) => vectorised!(|| {
                for (z, u) in z.chunks_mut(centre.len()).zip(u.chunks(centre.len())) {
                    for ((((z, &u), &c), &s), &b) in
                        z.iter_mut().zip(u).zip(centre).zip(slope).zip(offset)
                    {
                        let v = (u - c) * s + b;
                        *z = if v > low { v } else { low };
                    }
                }
            }),
        }
    }
}
