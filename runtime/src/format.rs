//! Number formats of the edges between layers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The format of every integer on an edge: real value = v · 2^-frac. There are no zero points.
///
/// `bits` is 1..=32 and counts the sign bit where there is one; `frac` is -64..=64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// Two's complement when true; an unsigned format is how a ReLU is expressed.
    pub signed: bool,
    /// Width in bits.
    pub bits: u32,
    /// Number of fractional bits.
    pub frac: i32,
}

/// The formats of values side by side: how many there are of each.
pub type Columns = Vec<(usize, Format)>;

impl Format {
    /// The smallest integer of the format.
    pub fn min(self) -> i64 {
        if self.signed { -(1i64 << (self.bits - 1)) } else { 0 }
    }

    /// The largest integer of the format.
    pub fn max(self) -> i64 {
        if self.signed { (1i64 << (self.bits - 1)) - 1 } else { (1i64 << self.bits) - 1 }
    }

    /// Clamps to the range of the format.
    pub fn saturate(self, v: i64) -> i64 {
        v.clamp(self.min(), self.max())
    }

    /// Whether tables of σ and tanh can be looked up with its integers: it is signed, of 2 to 16
    /// bits.
    pub fn is_looked_up(self) -> bool {
        self.signed && (2..=16).contains(&self.bits)
    }

    /// Whether the width and the fraction are within their stated ranges.
    pub fn is_valid(self) -> bool {
        (1..=32).contains(&self.bits) && (-64..=64).contains(&self.frac)
    }
}

impl fmt::Display for Format {
    /// `u8 · 2^-4`: signedness, width, scale.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{} · 2^{}",
            if self.signed { 's' } else { 'u' },
            self.bits,
            -i64::from(self.frac)
        )
    }
}
