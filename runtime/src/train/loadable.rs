//! What a core can load at run time: the integers that training may choose from, so that its
//! result fits.

use super::quantise::{coefficient, nearest, power};
use crate::model::Model;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model of which coefficients, biases and shifts of outputs alone may change, and how far.
#[derive(Clone, Debug)]
pub struct Loadable {
    /// The model that the core begins with.
    pub model: Model,
    /// The ranges of its linear layers, by name.
    pub layers: BTreeMap<String, Ranges>,
    /// SHA-256 of the core's model and of its table: what tells it from others.
    pub sha256: String,
}

/// What of a linear layer can be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranges {
    /// Of the coefficient of each row of W_b.
    pub coefficients: Vec<Coefficient>,
    /// Of the bias of each output, of a patch in the order (row, column, channel), where it is
    /// shifted as in the model: both ends, in units of 2^-product_frac. With another shift, what
    /// is half a unit of the output there and here differs from them.
    pub biases: Vec<(i64, i64)>,
    /// Of the shift of each output: both ends. None where it has none, or all stay what they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<(i32, i32)>,
}

/// The coefficients `a · 2^-t` that a row may have: multiples of 2^-finest between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coefficient {
    /// The largest t.
    pub finest: i32,
    /// The least, in units of 2^-finest.
    pub least: i64,
    /// The largest, in units of 2^-finest: the opposite of the least, or the least itself, where
    /// the coefficient stays what it is.
    pub most: i64,
}

impl Coefficient {
    /// The one that stays what it is.
    pub fn fixed(a: i32, t: i32) -> Self {
        Coefficient { finest: t, least: a.into(), most: a.into() }
    }

    /// The ends as real values.
    pub(super) fn ends(self) -> (f64, f64) {
        let unit = power(-self.finest);
        (self.least as f64 * unit, self.most as f64 * unit)
    }

    /// The pair (a, t) as [`coefficient`] chooses it, nearest to `v` among those of the range.
    pub(super) fn nearest(self, v: f64, bits: u32, terms: u32) -> (i32, i32) {
        let Coefficient { finest, least, most } = self;
        if least == most {
            // A coefficient of a model.
            return (least as i32, finest);
        }
        let (low, high) = self.ends();
        let v = v.clamp(low, high);
        let (mut a, mut t) = coefficient(v, bits, terms);
        if t > finest {
            let x = v.abs() * power(finest);
            let rounded = if terms == 0 { x.round() } else { nearest(x, terms) };
            (a, t) = (rounded.copysign(v) as i32, finest);
        }
        if i64::from(a.abs()) << (finest - t).clamp(0, 32) <= most {
            return (a, t);
        }
        // Rounded up to the power of two above the end: the largest below it.
        let end = (most + 1).ilog2() as i32;
        let largest = if terms == 1 { 1 << (bits - 2) } else { (1 << (bits - 1)) - 1 };
        let t = (bits as i32 - 1 - end + finest).min(finest);
        ((largest as f64).min(most as f64).copysign(v) as i32, t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against every coefficient of 6 bits that the range has.
    #[test]
    fn coefficients_are_the_nearest_in_range() {
        for (terms, width, finest) in [(0, 6, 3), (0, 9, 4), (2, 8, 2), (1, 7, 5), (0, 7, -2)] {
            let most = (1 << (width - 1)) - 1;
            let range = Coefficient { finest, least: -most, most };
            let digits = |a: i64| (a ^ (3 * a)).count_ones();
            let all: Vec<f64> = (finest - 12..=finest)
                .flat_map(|t| (0..32i64).map(move |a| (a, t)))
                .filter(|(a, _)| terms == 0 || digits(*a) <= terms)
                .map(|(a, t)| a as f64 * power(-t))
                .filter(|v| *v <= range.ends().1)
                .collect();
            for i in -1500..1500 {
                let v = f64::from(i) / 1009.0 * range.ends().1;
                let (a, t) = range.nearest(v, 6, terms);
                assert!(t <= finest && a.abs() < 32, "{v}: {a}, {t}");
                let value = f64::from(a) * power(-t);
                assert!(value.abs() <= range.ends().1, "{v}: {value}");
                assert!(terms == 0 || digits(a.abs().into()) <= terms, "{v}: {a}");
                let best = all.iter().map(|b| (b - v.abs()).abs()).fold(f64::MAX, f64::min);
                assert!((value - v).abs() <= best, "{range:?}, {v}: {value}, off by {best}");
            }
        }
        let fixed = Coefficient::fixed(-5, 7);
        assert_eq!(fixed.nearest(0.3, 6, 0), (-5, 7));
    }
}
