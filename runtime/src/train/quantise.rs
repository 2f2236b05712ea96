//! Real numbers as integers: the rounding, the formats and the coefficients that both kinds of
//! network choose.

use super::cells::Units;
use crate::format::Format;
use crate::network::Bits;
use crate::network::plan::{Activation, Step};
use ndarray::Array2;

/// 2^n, exact for the exponents at hand.
pub fn power(n: i32) -> f64 {
    2f64.powi(n)
}

/// round(v), half up, exact for all values below 2^53.
#[inline(always)]
pub fn round(v: f64) -> f64 {
    // Adding 1.5·2^52 and taking it away rounds to the nearest integer, ties to even, without a
    // call.
    const SHIFT: f64 = 1.5 * (1u64 << 52) as f64;
    if v.abs() < (1u64 << 51) as f64 {
        let even = (v + SHIFT) - SHIFT;
        return if v - even == 0.5 { even + 1.0 } else { even };
    }
    let floor = v.floor();
    if v - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// Rounds real values half up to the multiples of a format's 2^-frac, and saturates.
pub fn requantiser(format: Format) -> impl Fn(f64) -> f64 + Copy {
    let (up, down) = (power(format.frac), power(-format.frac));
    let (min, max) = (format.min() as f64, format.max() as f64);
    #[inline(always)]
    move |v: f64| round(v * up).clamp(min, max) * down
}

/// The values before rounding whose gradient passes: those within a format. A ReLU at 0 is closed.
#[derive(Clone, Copy)]
pub struct Open {
    above: f64,
    up_to: f64,
}

impl Open {
    /// No value is stopped.
    pub const EVERYWHERE: Open = Open { above: f64::NEG_INFINITY, up_to: f64::INFINITY };

    /// Those of a format.
    pub fn of(format: Format) -> Self {
        let unit = power(-format.frac);
        let least = format.min() as f64 * unit;
        Open {
            above: if format.signed { least.next_down() } else { least },
            up_to: format.max() as f64 * unit,
        }
    }

    /// 1 or 0. A factor, and no choice, as [`is_positive`](super::matmul::is_positive) is.
    #[inline(always)]
    pub fn factor(self, y: f64) -> f64 {
        if y > self.above && y <= self.up_to { 1.0 } else { 0.0 }
    }
}

/// The frac with the least squared error for these values; saturation and rounding both count. Of
/// what a ReLU passes.
pub fn best_frac(y: &Array2<f64>, signed: bool, bits: u32) -> i32 {
    let error = |frac: i32| -> f64 {
        let round = requantiser(Format { signed, bits, frac });
        y.iter().map(|&v| if signed { v } else { v.max(0.0) }).map(|v| (v - round(v)).powi(2)).sum()
    };
    let largest = y.fold(0.0f64, |a, v| a.max(v.abs())).max(1e-9);
    // The frac at which the largest value just fits, and from there on finer.
    let coarsest = bits as i32 - 1 - largest.log2().ceil() as i32;
    let candidates = (coarsest - 1..coarsest + 8).map(|f| f.clamp(-32, 48));
    candidates.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(0)
}

/// The format of what a step yields, signed or not, of which samples are `y` before they are
/// rounded. What a table is looked up with has the format of gates; what is cut off above needs no
/// room there.
pub fn format_of(y: &Array2<f64>, signed: bool, step: &Step, bits: &Bits) -> Format {
    let format = |y: &Array2<f64>| {
        let bits = bits.activations;
        Format { signed, bits, frac: best_frac(y, signed, bits) }
    };
    match step.activation {
        Some(activation) if activation.is_table() => Units::gate_of(bits),
        Some(Activation::Clip(most)) => format(&y.mapv(|v| v.min(most))),
        _ => format(y),
    }
}

/// The pair (a, t) with a · 2^-t nearest to `v` and |a| < 2^(bits-1), all bits used, of all a with
/// at most `terms` nonzero signed digits (0 for any number).
pub fn coefficient(v: f64, bits: u32, terms: u32) -> (i32, i32) {
    let limit = power(bits as i32 - 1);
    if v == 0.0 || !v.is_finite() {
        return (0, 0);
    }
    let magnitude = |t: i32| {
        let x = v.abs() * power(t);
        if terms == 0 { x.round() } else { nearest(x, terms) }
    };
    let mut t = bits as i32 - 2 - v.abs().log2().floor() as i32;
    // The logarithm, or the rounding up to a power of two, may be one off.
    while t > -31 && magnitude(t) >= limit {
        t -= 1;
    }
    let t = t.clamp(-31, 62);
    // The largest of the width: 2^n - 1 is two digits.
    let largest = if terms == 1 { limit / 2.0 } else { limit - 1.0 };
    let a = magnitude(t).min(largest).copysign(v) as i32;
    if a == 0 { (0, 0) } else { (a, t) }
}

/// The integer nearest to x ≥ 0 that is a sum of at most `terms` powers of two, each with a sign.
pub(super) fn nearest(x: f64, terms: u32) -> f64 {
    if terms == 0 || x < 0.5 {
        return 0.0;
    }
    let round = x.round();
    // Of canonical signed digits, no two neighbours are other than 0.
    if round < power(2 * terms as i32 - 1) {
        return round;
    }
    // The leading digit is a power of two next to x: from any other one the rest would lead back to
    // these at best.
    let below = power(x.log2().floor() as i32);
    let with = |digit: f64| digit + nearest((x - digit).abs(), terms - 1).copysign(x - digit);
    let (low, high) = (with(below), with(2.0 * below));
    if (x - low).abs() < (x - high).abs() { low } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_up_everywhere() {
        let large = (1u64 << 51) as f64;
        for base in [0.0, 1.0, 2.0, 7.0, 1e6, large - 4.0, large, large + 1.0, 2.0 * large - 1.0] {
            for i in -64..=64 {
                let v = base + f64::from(i) / 16.0;
                for v in [v, -v] {
                    // Sixteenths below 2^48, coarser above: the integers around v decide.
                    let up = v.ceil();
                    let expected = if up - v <= 0.5 { up } else { up - 1.0 };
                    assert_eq!(round(v), expected, "{v}");
                }
            }
        }
    }

    /// Nonzero canonical signed digits.
    fn digits(a: i32) -> u32 {
        (a ^ (3 * a)).count_ones()
    }

    /// The check is against all integers of 8 bits, over two octaves of values and both signs.
    #[test]
    fn coefficients_of_few_terms_are_the_nearest() {
        assert_eq!([0, 1, 7, 64, 85, 127].map(digits), [0, 1, 2, 1, 4, 2]);
        for terms in 1..=8 {
            let all: Vec<i32> = (-127..=127).filter(|a: &i32| digits(a.abs()) <= terms).collect();
            for i in 0..2500 {
                let v = f64::from(50 + i / 10) * 1.003 + f64::from(i % 10) / 10.0;
                let v = if i % 3 == 0 { -v } else { v };
                let (a, t) = coefficient(v, 8, terms);
                assert!(all.contains(&a), "{v}: {a} has more than {terms} digits");
                let error = (f64::from(a) * power(-t) - v).abs();
                let best = (-3..4)
                    .flat_map(|t| all.iter().map(move |&b| (f64::from(b) * power(-t) - v).abs()));
                assert!(error <= best.fold(f64::MAX, f64::min), "{v}, {terms} terms: {a}, {t}");
                assert!(terms < 8 || (a, t) == coefficient(v, 8, 0), "{v}");
            }
        }
        assert_eq!(coefficient(100.0, 8, 1), (64, -1));
        assert_eq!(coefficient(-90.0, 8, 1), (-64, 0));
        assert_eq!(coefficient(1e30, 8, 1), (64, -31));
        assert_eq!(coefficient(1e30, 8, 2), (127, -31));
        assert_eq!(coefficient(1e-30, 8, 2), (0, 0));
        // 25 bits, as wide as a coefficient may be: each digit leaves a third of the one before at
        // most.
        for i in 1..500 {
            let v = 1.0 + f64::from(i) / 499.7;
            let (a, t) = coefficient(v, 25, 8);
            assert!(
                digits(a) <= 8 && (f64::from(a) * power(-t) - v).abs() < 2.0 * 3f64.powi(-8),
                "{v}: {a} {t}"
            );
        }
    }

    #[test]
    fn coefficients_use_their_bits() {
        let coefficient = |v, bits| coefficient(v, bits, 0);
        assert_eq!(coefficient(0.0, 8), (0, 0));
        assert_eq!(coefficient(1.0, 8), (64, 6));
        assert_eq!(coefficient(-0.999, 8), (-64, 6));
        assert_eq!(coefficient(127.4, 8), (127, 0));
        assert_eq!(coefficient(127.5, 8), (64, -1));
        assert_eq!(coefficient(0.75, 2), (1, 0));
        assert_eq!(coefficient(1e-30, 8), (0, 0));
        assert_eq!(coefficient(f64::NAN, 8), (0, 0));
        for i in 1..2000 {
            let v = 1.01f64.powi(i - 1000);
            let (a, t) = coefficient(v, 8);
            assert!((64..128).contains(&a), "{v}");
            assert!((f64::from(a) * power(-t) / v - 1.0).abs() <= 0.5 / 64.0, "{v}: {a} {t}");
        }
    }
}
