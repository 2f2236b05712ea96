//! Exact integer intervals: the only source of widths in the compiler.

use std::fmt;

/// All integers from `lo` to `hi`, both included. Bounds of a valid model stay below 2^53 in magnitude
/// ([`MAGNITUDE_LIMIT`](strassenc_runtime::model::MAGNITUDE_LIMIT)), so i64 arithmetic on them is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Smallest value.
    pub lo: i64,
    /// Largest value.
    pub hi: i64,
}

impl Interval {
    /// The interval from `lo` to `hi`; `lo` must not exceed `hi`.
    pub fn new(lo: i64, hi: i64) -> Self {
        assert!(lo <= hi, "an interval needs lo <= hi, not {lo}..={hi}");
        Interval { lo, hi }
    }

    /// The single value `v`.
    pub fn point(v: i64) -> Self {
        Interval { lo: v, hi: v }
    }

    /// Whether two's complement is needed: some value is negative.
    pub fn signed(self) -> bool {
        self.lo < 0
    }

    /// Bits that hold every value: two's complement where [`signed`](Self::signed), plain binary otherwise; at least 1.
    pub fn bits(self) -> u32 {
        let magnitude = |v: i64| 64 - v.leading_zeros();
        if self.signed() {
            // -2^(n-1) fits n bits, and so does 2^(n-1) - 1.
            1 + magnitude(!self.lo).max(magnitude(self.hi.max(0)))
        } else {
            magnitude(self.hi).max(1)
        }
    }

    /// Whether `v` is in the interval.
    pub fn contains(self, v: i64) -> bool {
        (self.lo..=self.hi).contains(&v)
    }

    /// The values of `(-1)^negate · x · 2^shift`.
    pub fn scale(self, negate: bool, shift: u32) -> Self {
        let (lo, hi) = (self.lo << shift, self.hi << shift);
        if negate { Interval { lo: -hi, hi: -lo } } else { Interval { lo, hi } }
    }

    /// The values in both; `None` where there are none.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Interval { lo, hi })
    }
}

impl std::ops::Add for Interval {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Interval { lo: self.lo + other.lo, hi: self.hi + other.hi }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.lo, self.hi)
    }
}
