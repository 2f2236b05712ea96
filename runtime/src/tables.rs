//! The tables of σ and tanh that gated layers and activations look up, and what else activations
//! are in integers.

use crate::format::Format;
use crate::model::{Function, Table};
use crate::network::Bits;
use crate::network::plan::Activation;

/// σ(x) = 1 / (1 + e^-x).
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Function {
    /// What an activation makes of the integers of a format in a network with these bits; none
    /// where it does not take such integers.
    pub fn of(activation: Activation, format: Format, bits: &Bits) -> Option<Function> {
        // What leaves has the bits of activations where 1 is among them.
        let frac = |whole: i32| (bits.activations as i32 - whole).clamp(1, 15);
        Some(match activation {
            Activation::Clip(most) => {
                let max = (most * 2f64.powi(format.frac)).round();
                Function::Clip { max: max.clamp(0.0, format.max() as f64) as i64 }
            }
            Activation::Leaky(shift) if format.signed => Function::Leaky { shift },
            Activation::Sigmoid if format.is_looked_up() => {
                Function::Sigmoid(Table::of_sigmoid(format, frac(1)))
            }
            Activation::Tanh if format.is_looked_up() => {
                Function::Tanh(Table::of_tanh(format, frac(2)))
            }
            _ => return None,
        })
    }
}

impl Table {
    /// σ for a signed format of what is looked up, with `frac` fractional bits of the values.
    pub fn of_sigmoid(input: Format, frac: i32) -> Table {
        Table::of(input, frac, sigmoid)
    }

    /// tanh for a signed format of what is looked up, with `frac` fractional bits of the values.
    pub fn of_tanh(input: Format, frac: i32) -> Table {
        Table::of(input, frac, f64::tanh)
    }

    fn of(input: Format, frac: i32, f: impl Fn(f64) -> f64) -> Table {
        let (unit, scale) = (2f64.powi(-input.frac), 2f64.powi(frac));
        let value = |k: usize| (f(k as f64 * unit) * scale).round() as i32;
        Table { values: (0..1 << (input.bits - 1)).map(value).collect(), frac }
    }

    /// The largest |σ(x) - value| over all real x, which are rounded to the format that is looked
    /// up and saturate at its ends.
    pub fn sigmoid_error(&self, input: Format) -> f64 {
        self.error(input, sigmoid)
    }

    /// The largest |tanh(x) - value| over all real x.
    pub fn tanh_error(&self, input: Format) -> f64 {
        self.error(input, f64::tanh)
    }

    /// f rises, so that the error is largest at the ends of what is rounded to one entry. -x errs
    /// as x does.
    fn error(&self, input: Format, f: impl Fn(f64) -> f64) -> f64 {
        let (unit, scale) = (2f64.powi(-input.frac), 2f64.powi(-self.frac));
        let last = self.values.len() - 1;
        let of_entry = |(k, &value): (usize, &i32)| {
            let low = (k as f64 - 0.5).max(0.0) * unit;
            let high = if k == last { f64::INFINITY } else { (k as f64 + 0.5) * unit };
            let value = f64::from(value) * scale;
            (f(low) - value).abs().max((f(high) - value).abs())
        };
        self.values.iter().enumerate().map(of_entry).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound is half a step of the values, half a step of what is looked up times the steepest
    /// slope, and what lies beyond the ends.
    #[test]
    fn tables_are_as_near_as_their_formats_allow() {
        for (bits, frac, out) in [(11, 7, 8), (8, 4, 7), (6, 2, 12), (14, 10, 15)] {
            let input = Format { signed: true, bits, frac };
            let half = 0.5 * 2f64.powi(-frac);
            let end = input.max() as f64 * 2f64.powi(-frac);
            let (s, t) = (Table::of_sigmoid(input, out), Table::of_tanh(input, out));
            let bound =
                |slope: f64, beyond: f64| 0.5 * 2f64.powi(-out) + (slope * half).max(beyond);
            assert!(s.sigmoid_error(input) <= bound(0.25, 1.0 - sigmoid(end - half)));
            assert!(t.tanh_error(input) <= bound(1.0, 1.0 - (end - half).tanh()));
            for i in -5000..5000 {
                let x = f64::from(i) * 0.0037;
                let v = input.saturate((x * 2f64.powi(frac) + 0.5).floor() as i64);
                let unit = 2f64.powi(-out);
                assert!(
                    (s.sigmoid(v) as f64 * unit - sigmoid(x)).abs()
                        <= s.sigmoid_error(input) + 1e-12
                );
                assert!((t.tanh(v) as f64 * unit - x.tanh()).abs() <= t.tanh_error(input) + 1e-12);
            }
            assert_eq!([s.sigmoid(0), t.tanh(0)], [1 << (out - 1), 0]);
            assert_eq!(s.sigmoid(input.min()), (1 << out) - s.sigmoid(input.max()));
        }
    }
}
