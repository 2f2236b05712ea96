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
    let rows = w_c.axis_iter(Axis(0)).into_par_iter().enumerate();
    let numbered = |c: usize| move |cause: String| format!("element {c} {cause}");
    match multiply {
        OpKind::Multiply { coefficients, shifts, .. } => {
            let products = Products::new(w_b, offsets, coefficients, shifts)?;
            rows.map(|(c, row)| products.sum(row, &x).map_err(numbered(c))).collect()
        }
        _ => rows.map(|(c, row)| sum_of_data(w_b, row, &x).map_err(numbered(c))).collect(),
    }
}

/// The products of a chain, `factor_i · (W_b x + offset)_i + error_i`, all in units of 2^-scale.
struct Products<'a> {
    w_b: &'a Matrix,
    factors: Vec<i128>,
    /// `factor_i · offset_i`.
    constants: Vec<i128>,
    errors: Vec<Range>,
    scale: i32,
    /// Whether every form of any of them stays far below 2^63.
    narrow: bool,
}

const WIDE: &str = "has a form that exceeds 127 bits";

impl<'a> Products<'a> {
    fn new(
        w_b: &'a Matrix,
        offsets: Option<&Vec<i64>>,
        coefficients: &[i64],
        shifts: &[i32],
    ) -> Check<Self> {
        let scale = shifts.iter().copied().max().unwrap_or(0).max(0);
        let mut products = Products {
            w_b,
            factors: vec![],
            constants: vec![],
            errors: vec![],
            scale,
            narrow: false,
        };
        let mut reach = 0i128;
        for (i, row) in w_b.outer_iter().enumerate() {
            let (a, k) = (i128::from(coefficients[i]), offsets.map_or(0, |k| k[i].into()));
            // Shifts are within -62..=62, or an operation was refused.
            let unit = 1i128.checked_shl((scale - shifts[i]) as u32).filter(|unit| *unit > 0);
            let unit = unit.ok_or(WIDE)?;
            let factor = a.checked_mul(unit).ok_or(WIDE)?;
            products.factors.push(factor);
            products.constants.push(factor.checked_mul(k).ok_or(WIDE)?);
            // The exact product is a multiple of `step`, a power of two, in units of 2^-shift. Half
            // a unit more, cut to a whole one, leaves out 0, step, …, 2^shift - step.
            let all = row.iter().fold(a * k, |all, w| all | (a * i128::from(*w)));
            let step = if all == 0 { i128::MAX } else { all & all.wrapping_neg() };
            let half = if shifts[i] > 0 { 1i128 << (shifts[i] - 1) } else { 0 };
            products.errors.push(if step >= 2 * half {
                Range::point(0)
            } else {
                Range { lo: (step - half) * unit, hi: half * unit }
            });
            let widest = row.iter().map(|w| i128::from(*w).abs()).max().unwrap_or(0);
            reach = reach.saturating_add(factor.saturating_abs().saturating_mul(widest));
        }
        products.narrow = reach < 1 << 60;
        Ok(products)
    }

    /// The range of `Σ w_i · product_i`.
    fn sum(&self, weights: ArrayView1<i32>, x: &[Range]) -> Check<Range> {
        let read = || weights.iter().enumerate().filter(|(_, w)| **w != 0);
        let mut sum = Range::point(0);
        let mut add = |c: i128, x: Range| {
            let ends = [c.checked_mul(x.lo)?, c.checked_mul(x.hi)?];
            sum.lo = sum.lo.checked_add(ends[0].min(ends[1]))?;
            sum.hi = sum.hi.checked_add(ends[0].max(ends[1]))?;
            Some(())
        };
        for (i, w) in read() {
            add((*w).into(), self.errors[i]).ok_or(WIDE)?;
            add((*w).into(), Range::point(self.constants[i])).ok_or(WIDE)?;
        }
        if self.narrow && weights.iter().all(|w| w.abs() <= 1) {
            let mut form = vec![0i64; x.len()];
            for (i, w) in read() {
                let factor = self.factors[i] as i64 * i64::from(*w);
                for (form, w) in form.iter_mut().zip(self.w_b.row(i)) {
                    *form += factor * i64::from(*w);
                }
            }
            form.iter().zip(x).try_for_each(|(c, x)| add((*c).into(), *x)).ok_or(WIDE)?;
        } else {
            let mut form = vec![0i128; x.len()];
            for (i, w) in read() {
                let factor = self.factors[i].checked_mul((*w).into()).ok_or(WIDE)?;
                for (form, w) in form.iter_mut().zip(self.w_b.row(i)) {
                    let term = factor.checked_mul((*w).into()).ok_or(WIDE)?;
                    *form = form.checked_add(term).ok_or(WIDE)?;
                }
            }
            form.iter().zip(x).try_for_each(|(c, x)| add(*c, *x)).ok_or(WIDE)?;
        }
        // Sums are integers: the first one and the last one within.
        let unit = 1i128 << self.scale;
        Ok(Range { lo: -(-sum.lo).div_euclid(unit), hi: sum.hi.div_euclid(unit) })
    }
}

/// The range of a sum of products of data by data: of `Σ c_kl · (x_k · x_l)`.
fn sum_of_data(w_ab: &Matrix, weights: ArrayView1<i32>, x: &[Range]) -> Check<Range> {
    let (w_a, w_b) = w_ab.view().split_at(Axis(0), w_ab.nrows() / 2);
    let nonzeros = |row: ArrayView1<i32>| -> Vec<(usize, i128)> {
        row.iter().enumerate().filter(|(_, w)| **w != 0).map(|(j, w)| (j, (*w).into())).collect()
    };
    let mut form = std::collections::BTreeMap::new();
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
