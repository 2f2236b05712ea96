//! Exact integer intervals: the only source of widths.

use std::fmt;

/// All integers from `lo` to `hi`, both included. Arithmetic on them is that of i64: it is exact as
/// long as every bound of a result stays below 2^63 in magnitude, which callers see to.
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

    /// Bits that hold every value: two's complement where [`signed`](Self::signed), plain binary
    /// otherwise; at least 1.
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

    /// The values of `x · y` for independent x and y. Exact: both ends are taken at ends of x and
    /// y.
    pub fn times(self, other: Self) -> Self {
        let ends =
            [(self.lo, other.lo), (self.lo, other.hi), (self.hi, other.lo), (self.hi, other.hi)];
        let ends = ends.map(|(a, b): (i64, i64)| a.saturating_mul(b));
        let (lo, hi) = ends.iter().fold((ends[0], ends[0]), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        Interval { lo, hi }
    }

    /// The values of `f(x)` for a non-decreasing `f`.
    pub fn map(self, f: impl Fn(i64) -> i64) -> Self {
        Interval { lo: f(self.lo), hi: f(self.hi) }
    }

    /// Whether every value of `other` is in this interval.
    pub fn includes(self, other: Self) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// The least interval that includes both.
    pub fn hull(self, other: Self) -> Self {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The only value, where there is only one.
    pub fn value(self) -> Option<i64> {
        (self.lo == self.hi).then_some(self.lo)
    }

    /// The values in both; `None` where there are none.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Interval { lo, hi })
    }
}

/// `floor(v · 2^-shift)`; a shift ≤ 0 is an exact left shift.
pub fn floor_shift(v: i64, shift: i32) -> i64 {
    if shift > 0 { v >> shift } else { v << -shift }
}

/// `round(v · 2^-shift)`, half up; a shift ≤ 0 is an exact left shift.
pub fn round_shift(v: i64, shift: i32) -> i64 {
    floor_shift(v + half(shift), shift)
}

/// What rounding half up adds before a right shift by `shift`.
pub fn half(shift: i32) -> i64 {
    if shift > 0 { 1 << (shift - 1) } else { 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_hold_exactly_the_ends() {
        for (lo, hi, bits) in [
            (0, 0, 1),
            (0, 1, 1),
            (0, 255, 8),
            (0, 256, 9),
            (-1, 0, 1),
            (-128, 127, 8),
            (-129, 0, 9),
            (-1, 128, 9),
            (3, 4, 3),
        ] {
            assert_eq!(Interval::new(lo, hi).bits(), bits, "{lo}..={hi}");
        }
    }

    #[test]
    fn rounding_is_half_up() {
        let rounded: Vec<i64> = (-6..=6).map(|v| round_shift(v, 2)).collect();
        assert_eq!(rounded, [-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2]);
        assert_eq!(round_shift(-3, -2), -12);
    }
}
