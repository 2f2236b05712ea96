//! Integers between two ends, as the verifier computes them: exactly, in 128 bits, and refused
//! where one exceeds 2^53 in magnitude. So nothing here wraps, whatever numbers a dataflow has, and
//! nothing that works on a verified one in 64 bits does.

use super::Check;
use crate::interval::Interval;
use std::fmt;
use strassenc_runtime::Format;
use strassenc_runtime::model::MAGNITUDE_LIMIT;

/// All integers from `lo` to `hi`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub lo: i128,
    pub hi: i128,
}

/// A number that does not exceed the limit.
pub(super) fn exact(v: i128) -> Check<i128> {
    if v.abs() > MAGNITUDE_LIMIT { Err(format!("reaches {v}, beyond 2^53")) } else { Ok(v) }
}

/// shift(v, k) of the specification: `floor((v + 2^(k-1)) / 2^k)`, or `v · 2^-k` where k ≤ 0.
pub fn shift(v: i128, k: i64) -> Check<i128> {
    let half = if (1..=62).contains(&k) { 1i128 << (k - 1) } else { 0 };
    floor(exact(v)? + half, k)
}

/// `floor(v · 2^-k)`.
pub fn floor(v: i128, k: i64) -> Check<i128> {
    if k.abs() > 62 {
        return Err(format!("has a shift of {k} bits"));
    }
    let power = 1i128 << k.abs();
    exact(if k > 0 { v.div_euclid(power) } else { exact(v)? * power })
}

impl Range {
    pub fn of(interval: &Interval) -> Range {
        Range { lo: interval.lo.into(), hi: interval.hi.into() }
    }

    pub fn point(v: i128) -> Range {
        Range { lo: v, hi: v }
    }

    /// All integers of a format, whose width must be [sound](super::format_is_sound).
    pub fn whole(format: Format) -> Range {
        let count = 1i128 << format.bits;
        if format.signed {
            Range { lo: -count / 2, hi: count / 2 - 1 }
        } else {
            Range { lo: 0, hi: count - 1 }
        }
    }

    /// The range from the least of these numbers to the greatest.
    pub fn spanned(values: impl IntoIterator<Item = i128>) -> Option<Range> {
        values.into_iter().map(Range::point).reduce(Range::hull)
    }

    pub fn hull(self, other: Range) -> Range {
        Range { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// What is in both; nothing, with its ends the wrong way round, where they lie apart.
    pub fn and(self, other: Range) -> Range {
        Range { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) }
    }

    pub fn includes(self, other: Range) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    pub fn varies(self) -> bool {
        self.lo < self.hi
    }

    pub fn cut(self, v: i128) -> i128 {
        v.max(self.lo).min(self.hi)
    }

    /// What a function that rises, or one that falls, makes of all of them.
    pub fn image(self, f: impl Fn(i128) -> Check<i128>) -> Check<Range> {
        let (a, b) = (f(self.lo)?, f(self.hi)?);
        Ok(Range { lo: a.min(b), hi: a.max(b) })
    }

    /// `Σ w · x` of independent x.
    pub fn sum(terms: impl IntoIterator<Item = (i128, Range)>) -> Check<Range> {
        let mut sum = Range::point(0);
        for (w, x) in terms.into_iter().filter(|(w, _)| *w != 0) {
            let (least, greatest) = if w > 0 { (x.lo, x.hi) } else { (x.hi, x.lo) };
            sum = Range {
                lo: exact(sum.lo + w * exact(least)?)?,
                hi: exact(sum.hi + w * exact(greatest)?)?,
            };
        }
        Ok(sum)
    }

    /// `x · y` of independent x and y: its ends are among those of their ends.
    pub fn times(self, other: Range) -> Check<Range> {
        let mut products = vec![];
        for a in [self.lo, self.hi] {
            for b in [other.lo, other.hi] {
                products.push(exact(exact(a)? * exact(b)?)?);
            }
        }
        Ok(Range::spanned(products).unwrap_or(Range::point(0)))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.lo, self.hi)
    }
}
