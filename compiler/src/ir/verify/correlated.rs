//! What sums of products can be, whose terms are correlated: rows of W_c.
//!
//! A product is its exact value plus a rounding error. So a sum is a form of what enters, whose
//! range over independent elements is that of its terms, plus what the errors can add up to; of two
//! operands, a form of their elements' products.

use super::Check;
use super::range::Range;
use crate::adder_graph::Matrix;
use crate::ir::{Chain, OpKind};
use ndarray::{ArrayView1, Axis};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};

/// What each sum of products can be, by its form alone: as exact as it is without rounding.
pub(super) fn sums(chain: &Chain) -> Check<Vec<Range>> {
    let x: Vec<Range> = chain.x.intervals.iter().map(Range::of).collect();
    let kinds: Vec<&OpKind> = chain.ops.iter().map(|op| &op.kind).collect();
    let (w_b, offsets, multiply, w_c) = match kinds[..] {
        [OpKind::Linear { matrix: w_b, .. }, m, OpKind::Linear { matrix: w_c, .. }, _] => {
            (w_b, None, m, w_c)
        }
        [
            OpKind::Linear { matrix: w_b, .. },
            OpKind::Offset { constants },
            m,
            OpKind::Linear { matrix: w_c, .. },
            _,
        ] => (w_b, Some(constants), m, w_c),
        _ => return Err("is no sum of products".into()),
    };
    match multiply {
        OpKind::Multiply { coefficients, shifts, .. } => {
            Products::new(w_b, offsets, coefficients, shifts)?.sums(w_c, &x)
        }
        _ => products_of_data(w_b, w_c, &x),
    }
}

/// What `W_c · round(a · (W_b x) · 2^-t)` can be.
pub fn sums_of_products(
    w_b: &Matrix,
    coefficients: &[i64],
    shifts: &[i32],
    w_c: &Matrix,
    x: &[Range],
) -> Check<Vec<Range>> {
    Products::new(w_b, None, coefficients, shifts)?.sums(w_c, x)
}

/// What `W_c · ((W_a x) ⊙ (W_b x))` can be, where W_a is above W_b.
pub fn products_of_data(w_ab: &Matrix, w_c: &Matrix, x: &[Range]) -> Check<Vec<Range>> {
    (w_c.axis_iter(Axis(0)).into_par_iter().enumerate())
        .map(|(c, row)| sum_of_data(w_ab, row, x).map_err(|why| format!("element {c} {why}")))
        .collect()
}

/// The products of a chain, `factor_i · (W_b x + offset)_i + error_i`, all in units of 2^-scale.
struct Products<'a> {
    w_b: &'a Matrix,
    factors: Vec<i128>,
    /// `factor_i · offset_i + error_i`.
    others: Vec<Range>,
    scale: i32,
    /// What the coefficients of all products together do not exceed in magnitude.
    reach: i128,
}

const WIDE: &str = "has a form that exceeds 127 bits";

/// Elements of x that are followed at once: their coefficients in all products stay in cache.
const BLOCK: usize = 64;

impl<'a> Products<'a> {
    fn new(
        w_b: &'a Matrix,
        offsets: Option<&Vec<i64>>,
        coefficients: &[i64],
        shifts: &[i32],
    ) -> Check<Self> {
        let scale = shifts.iter().copied().max().unwrap_or(0).max(0);
        let mut products = Products { w_b, factors: vec![], others: vec![], scale, reach: 0 };
        for (i, row) in w_b.outer_iter().enumerate() {
            let (a, k) = (i128::from(coefficients[i]), offsets.map_or(0, |k| k[i].into()));
            // Shifts are within -62..=62, or an operation was refused.
            let unit = 1i128 << (scale - shifts[i]);
            let factor = a.checked_mul(unit).ok_or(WIDE)?;
            // The exact product is a multiple of `step`, a power of two, in units of 2^-shift. Half
            // a unit more, cut to a whole one, leaves out 0, step, …, 2^shift - step.
            let all = row.iter().fold(a * k, |all, w| all | (a * i128::from(*w)));
            let step = if all == 0 { i128::MAX } else { all & all.wrapping_neg() };
            let half = if shifts[i] > 0 { 1i128 << (shifts[i] - 1) } else { 0 };
            let mut other = Range::point(factor.checked_mul(k).ok_or(WIDE)?);
            if step < 2 * half {
                other.lo = other.lo.checked_add((step - half) * unit).ok_or(WIDE)?;
                other.hi = other.hi.checked_add(half * unit).ok_or(WIDE)?;
            }
            let widest = row.iter().map(|w| i128::from(*w).abs()).max().unwrap_or(0);
            products.factors.push(factor);
            products.others.push(other);
            products.reach =
                products.reach.saturating_add(factor.saturating_abs().saturating_mul(widest));
        }
        Ok(products)
    }

    /// The ranges of `W_c · products`.
    fn sums(&self, w_c: &Matrix, x: &[Range]) -> Check<Vec<Range>> {
        let widest = w_c.iter().map(|w| i128::from(*w).abs()).max().unwrap_or(0);
        // Almost every layer's coefficients fit 32 bits, in which this is many times as fast.
        let linear = match self.reach.saturating_mul(widest) {
            reach if reach < 1 << 31 => self.linear::<i32>(w_c, x),
            reach if reach < 1 << 126 => self.linear::<i128>(w_c, x),
            _ => None,
        };
        let mut sums = linear.ok_or(WIDE)?;
        let unit = 1i128 << self.scale;
        for (sum, weights) in sums.iter_mut().zip(w_c.outer_iter()) {
            let rest = weights.iter().zip(&self.others);
            let rest = rest.filter(|(w, _)| **w != 0);
            rest.map(|(w, other)| add(sum, (*w).into(), *other))
                .collect::<Option<()>>()
                .ok_or(WIDE)?;
            // Sums are integers: the first one and the last one within.
            *sum = Range { lo: -(-sum.lo).div_euclid(unit), hi: sum.hi.div_euclid(unit) };
        }
        Ok(sums)
    }

    /// The ranges of `W_c · diag(factors) · W_b · x`, whose coefficients fit N.
    fn linear<N: Number>(&self, w_c: &Matrix, x: &[Range]) -> Option<Vec<Range>> {
        let none = || Some(vec![Range::point(0); w_c.nrows()]);
        let blocks: Vec<usize> = (0..x.len()).step_by(BLOCK).collect();
        let of_block = |sums: Option<Vec<Range>>, &first: &usize| {
            let mut sums = sums?;
            let x = &x[first..x.len().min(first + BLOCK)];
            let coefficients = |i: usize| {
                let mut of_row = [N::of(0); BLOCK];
                for (k, c) in of_row[..x.len()].iter_mut().enumerate() {
                    *c = N::of(self.factors[i] * i128::from(self.w_b[[i, first + k]]));
                }
                of_row
            };
            let products: Vec<[N; BLOCK]> = (0..self.factors.len()).map(coefficients).collect();
            for (sum, weights) in sums.iter_mut().zip(w_c.outer_iter()) {
                let mut form = [N::of(0); BLOCK];
                for (w, product) in weights.iter().zip(&products) {
                    let terms = form.iter_mut().zip(product);
                    match *w {
                        0 => {}
                        1 => terms.for_each(|(c, term)| *c += *term),
                        -1 => terms.for_each(|(c, term)| *c -= *term),
                        w => {
                            terms.for_each(|(c, term)| *c += N::of((*term).into() * i128::from(w)))
                        }
                    }
                }
                form.iter().zip(x).try_for_each(|(c, x)| add(sum, (*c).into(), *x))?;
            }
            Some(sums)
        };
        let both = |a: Option<Vec<Range>>, b: Option<Vec<Range>>| {
            let (mut a, b) = (a?, b?);
            a.iter_mut().zip(b).try_for_each(|(a, b)| add(a, 1, b))?;
            Some(a)
        };
        blocks.par_iter().fold(none, of_block).reduce(none, both)
    }
}

/// Adds `c · x` to a sum; none where that does not fit.
fn add(sum: &mut Range, c: i128, x: Range) -> Option<()> {
    let (a, b) = (c.checked_mul(x.lo)?, c.checked_mul(x.hi)?);
    sum.lo = sum.lo.checked_add(a.min(b))?;
    sum.hi = sum.hi.checked_add(a.max(b))?;
    Some(())
}

/// Integers of 32 or 128 bits.
trait Number: Copy + Send + Sync + AddAssign + SubAssign + Into<i128> {
    /// A number that is known to fit.
    fn of(v: i128) -> Self;
}

impl Number for i32 {
    fn of(v: i128) -> Self {
        v as i32
    }
}

impl Number for i128 {
    fn of(v: i128) -> Self {
        v
    }
}

/// The range of a sum of products of data by data: of `Σ c_kl · (x_k · x_l)`.
fn sum_of_data(w_ab: &Matrix, weights: ArrayView1<i32>, x: &[Range]) -> Check<Range> {
    let (w_a, w_b) = w_ab.view().split_at(Axis(0), w_ab.nrows() / 2);
    let nonzeros = |row: ArrayView1<i32>| -> Vec<(usize, i128)> {
        row.iter().enumerate().filter(|(_, w)| **w != 0).map(|(j, w)| (j, (*w).into())).collect()
    };
    let mut form = BTreeMap::new();
    for (i, w) in nonzeros(weights) {
        let b = nonzeros(w_b.row(i));
        for (k, a) in nonzeros(w_a.row(i)) {
            for (l, b) in &b {
                let term = (w * a).checked_mul(*b).ok_or(WIDE)?;
                let c: &mut i128 = form.entry((k, *l)).or_insert(0);
                *c = c.checked_add(term).ok_or(WIDE)?;
            }
        }
    }
    let mut terms = vec![];
    for ((k, l), c) in form {
        terms.push((c, x[k].times(x[l])?));
    }
    Range::sum(terms)
}
