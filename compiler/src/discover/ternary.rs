//! Vectors over {-1, 0, 1} as two bit masks.

use serde::{Deserialize, Serialize};
use std::ops::Neg;

/// A vector of at most [`Ternary::MOST`] entries, each -1, 0 or 1. No entry is in both masks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(into = "[u64; 2]", try_from = "[u64; 2]")]
pub struct Ternary {
    plus: u64,
    minus: u64,
}

impl Ternary {
    /// The most entries that a vector has.
    pub const MOST: usize = 64;

    /// All entries 0.
    pub const ZERO: Ternary = Ternary { plus: 0, minus: 0 };

    /// 1 at `index`, 0 elsewhere.
    pub fn unit(index: usize) -> Self {
        Ternary { plus: 1 << index, minus: 0 }
    }

    /// The vector of these entries; `None` where there are too many, or one is not ternary.
    pub fn from_entries(entries: impl IntoIterator<Item = i8>) -> Option<Self> {
        let mut vector = Ternary::ZERO;
        for (i, entry) in entries.into_iter().enumerate() {
            match entry {
                _ if i >= Self::MOST => return None,
                0 => {}
                1 => vector.plus |= 1 << i,
                -1 => vector.minus |= 1 << i,
                _ => return None,
            }
        }
        Some(vector)
    }

    /// Entry `index`.
    #[inline]
    pub fn get(self, index: usize) -> i8 {
        ((self.plus >> index) & 1) as i8 - ((self.minus >> index) & 1) as i8
    }

    /// Bit i is set where entry i is -1.
    #[inline]
    pub fn negatives(self) -> u64 {
        self.minus
    }

    /// Bit i is set where entry i is not 0.
    #[inline]
    pub fn support(self) -> u64 {
        self.plus | self.minus
    }

    /// Whether all entries are 0.
    #[inline]
    pub fn is_zero(self) -> bool {
        self.support() == 0
    }

    /// Number of entries other than 0.
    #[inline]
    pub fn nonzeros(self) -> u32 {
        self.support().count_ones()
    }

    /// `self + other`; `None` where that is not ternary.
    #[inline]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if (self.plus & other.plus) | (self.minus & other.minus) != 0 {
            return None;
        }
        let (plus, minus) = (self.plus | other.plus, self.minus | other.minus);
        Some(Ternary { plus: plus & !minus, minus: minus & !plus })
    }

    /// `self` where `sign` is false, else `-self`.
    #[inline]
    pub fn signed(self, negate: bool) -> Self {
        if negate { -self } else { self }
    }

    /// Whether the first entry other than 0 is -1.
    #[inline]
    pub fn leads_negative(self) -> bool {
        let support = self.support();
        self.minus & support & support.wrapping_neg() != 0
    }

    /// A matrix of `rows × columns` whose entries stand row by row, with row (or column) `from`
    /// added to row (or column) `to`, or subtracted. `None` where that is not ternary.
    pub fn add_line(
        self,
        (rows, columns): (usize, usize),
        of_rows: bool,
        from: usize,
        to: usize,
        negate: bool,
    ) -> Option<Self> {
        let (count, step, pitch) = if of_rows { (columns, 1, columns) } else { (rows, columns, 1) };
        let mask = (0..count).fold(0u64, |mask, i| mask | 1 << (from * pitch + i * step));
        let moved = |bits: u64| {
            let bits = bits & mask;
            if to > from { bits << ((to - from) * pitch) } else { bits >> ((from - to) * pitch) }
        };
        self.checked_add(
            Ternary { plus: moved(self.plus), minus: moved(self.minus) }.signed(negate),
        )
    }

    /// The Kronecker product: of matrices whose entries stand row by row, `self` of `rows ×
    /// columns`, `inner` of `inner_rows × inner_columns`. `None` where it has too many entries.
    pub fn kronecker(
        self,
        (rows, columns): (usize, usize),
        inner: Self,
        (p, q): (usize, usize),
    ) -> Option<Self> {
        let mut product = Ternary::ZERO;
        if rows * columns * p * q > Self::MOST {
            return None;
        }
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            for (k, l) in (0..p).flat_map(|k| (0..q).map(move |l| (k, l))) {
                let index = (i * p + k) * columns * q + j * q + l;
                match self.get(i * columns + j) * inner.get(k * q + l) {
                    1 => product.plus |= 1 << index,
                    -1 => product.minus |= 1 << index,
                    _ => {}
                }
            }
        }
        Some(product)
    }
}

impl From<Ternary> for [u64; 2] {
    fn from(v: Ternary) -> Self {
        [v.plus, v.minus]
    }
}

impl TryFrom<[u64; 2]> for Ternary {
    type Error = &'static str;

    fn try_from([plus, minus]: [u64; 2]) -> Result<Self, Self::Error> {
        if plus & minus == 0 {
            Ok(Ternary { plus, minus })
        } else {
            Err("an entry is both 1 and -1")
        }
    }
}

impl Neg for Ternary {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Ternary { plus: self.minus, minus: self.plus }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<i8>> {
        prop::collection::vec(-1i8..=1, 12)
    }

    proptest! {
        #![proptest_config(crate::discover::property(128))]

        #[test]
        fn sums_are_those_of_the_entries(a in entries(), b in entries()) {
            let vector = |v: &[i8]| Ternary::from_entries(v.iter().copied()).unwrap();
            let sum: Vec<i8> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
            let expected = Ternary::from_entries(sum);
            prop_assert_eq!(vector(&a).checked_add(vector(&b)), expected);
            prop_assert_eq!((-vector(&a)).checked_add(vector(&a)), Some(Ternary::ZERO));
            let first = a.iter().find(|v| **v != 0);
            prop_assert_eq!(vector(&a).leads_negative(), first == Some(&-1));
            for (i, v) in a.iter().enumerate() {
                prop_assert_eq!(vector(&a).get(i), *v);
            }
        }
    }
}
