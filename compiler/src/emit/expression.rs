//! Verilog expressions of exactly known width: every extension and truncation is written out.

use crate::circuit::Term;
use std::borrow::Cow;

/// A value that an expression reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// A vector of `width` bits; where `inverted`, it holds the complement of the value.
    Signal { name: &'a str, width: u32, signed: bool, inverted: bool },
    /// A known value.
    Constant(i64),
}

impl Source<'_> {
    /// The low `bits` bits of `value · 2^shift`, `bits` wide, extended by its sign where it is
    /// narrower; at least 1 bit.
    pub(super) fn bits(self, shift: u32, bits: u32) -> String {
        self.either(false, shift, bits)
    }

    /// As [`bits`](Source::bits), or, with `complement`, each bit of a signal's value inverted.
    pub(super) fn either(self, complement: bool, shift: u32, bits: u32) -> String {
        let Source::Signal { name, width, signed, inverted } = self else {
            let Source::Constant(v) = self else { unreachable!("a constant or a signal") };
            return literal(if shift < 64 { v << shift } else { 0 }, bits);
        };
        let fill = |bits: u32| match (complement, bits) {
            (false, _) => literal(0, bits),
            (true, 1) => "1'b1".into(),
            (true, _) => format!("{{{bits}{{1'b1}}}}"),
        };
        let high = match bits.checked_sub(shift) {
            None | Some(0) => return fill(bits),
            Some(high) => high,
        };
        let not = if inverted != complement { "~" } else { "" };
        let low = match high < width {
            true => slice(name, high - 1, 0).into(),
            false => Cow::Borrowed(name),
        };
        let top = match (high.saturating_sub(width), signed) {
            (0, _) => None,
            (more, false) => Some(fill(more)),
            (1, true) => Some(format!("{not}{name}[{}]", width - 1)),
            (more, true) => Some(format!("{{{more}{{{not}{name}[{}]}}}}", width - 1)),
        };
        let mut pieces: Vec<String> = top.into_iter().chain([format!("{not}{low}")]).collect();
        pieces.extend((shift > 0).then(|| fill(shift)));
        if pieces.len() == 1 { pieces.remove(0) } else { format!("{{{}}}", pieces.join(", ")) }
    }
}

/// Bits `high` down to `low` of a vector.
pub(super) fn slice(name: &str, high: u32, low: u32) -> String {
    if high == low { format!("{name}[{low}]") } else { format!("{name}[{high}:{low}]") }
}

/// `value` modulo 2^bits as a literal of that width; negative where its top bit is set and `value`
/// is negative.
pub(super) fn literal(value: i64, bits: u32) -> String {
    let wrapped = if bits < 64 { (value << (64 - bits)) >> (64 - bits) } else { value };
    if value < 0 && wrapped < 0 {
        format!("-{bits}'sd{}", wrapped.unsigned_abs())
    } else {
        let mask = if bits < 64 { (1u64 << bits) - 1 } else { u64::MAX };
        format!("{bits}'d{}", value as u64 & mask)
    }
}

/// `a + b - c` of terms of one width, each with whether it is subtracted; those come last.
pub(super) fn sum(terms: impl Iterator<Item = (bool, String)>) -> String {
    let mut terms: Vec<_> = terms.collect();
    terms.sort_by_key(|(negate, _)| *negate);
    let mut text = String::new();
    for (negate, term) in terms {
        text += match (text.is_empty(), negate) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        text += &term;
    }
    text
}

/// `x + constant` modulo 2^bits, with x subtracted where `negate`.
pub(super) fn add_constant(x: &str, negate: bool, constant: i64, bits: u32) -> String {
    let wrapped = if bits < 64 { (constant << (64 - bits)) >> (64 - bits) } else { constant };
    match (wrapped, negate) {
        (0, false) => x.into(),
        (0, true) => format!("-{x}"),
        (c, true) => format!("{} - {x}", literal(c, bits)),
        (c, false) if c < 0 => format!("{x} - {bits}'d{}", c.unsigned_abs()),
        (c, false) => format!("{x} + {bits}'d{c}"),
    }
}

/// `(x + constant) · 2^-shift` of a term of this source, `bits` bits and the dropped ones below.
pub(super) fn shifted(source: Source, x: Term, constant: i64, shift: i32, bits: u32) -> String {
    if let Ok(dropped) = u32::try_from(shift) {
        let all = bits + dropped;
        return add_constant(&source.bits(x.shift, all), x.negate, constant, all);
    }
    let left = shift.unsigned_abs();
    if bits <= left {
        return literal(0, bits);
    }
    let moved = source.bits(x.shift + left, bits);
    if constant == 0 && !x.negate {
        return moved;
    }
    add_constant(&moved, x.negate, constant << left, bits)
}

/// `min(max(x, lo), hi)` as `bits` bits of a vector whose values are within `range`, and which bits
/// of the vector that does not read.
pub(super) fn clamp(
    x: Source,
    range: (i64, i64),
    lo: i64,
    hi: i64,
    bits: u32,
) -> (String, Option<String>) {
    let (name, width, signed) = match x {
        Source::Signal { name, width, signed, .. } => (name, width, signed),
        Source::Constant(v) => return (literal(v.clamp(lo, hi), bits), None),
    };
    let sign = slice(name, width - 1, width - 1);
    // Above a bound 2^n - 1: the bits from n on, without the sign.
    let magnitude = if signed { width - 1 } else { width };
    let n = 64 - hi.leading_zeros();
    let whole = hi >= 0 && (hi as u64 + 1).is_power_of_two() && n < magnitude;
    let above_bits = slice(name, magnitude.saturating_sub(1), n.min(magnitude.saturating_sub(1)));
    let any = if n + 1 == magnitude { above_bits.clone() } else { format!("|{above_bits}") };
    let all = if n + 1 == magnitude { above_bits } else { format!("(&{})", above_bits) };

    let mut text = String::new();
    let mut reads_all = false;
    // A negative value first: for a ReLU the test of the upper bound relies on it.
    if range.0 < lo {
        if lo == 0 {
            text += &sign;
        } else if whole && lo == -hi - 1 {
            text += &format!("{sign} & !{all}");
            reads_all = true;
        } else {
            text += &format!("$signed({name}) < {}", signed_literal(lo, width));
            reads_all = true;
        }
        text += &format!(" ? {} : ", literal(lo, bits));
    }
    if range.1 > hi {
        reads_all = true;
        if whole {
            let asked = !signed || (range.0 < lo && lo == 0);
            text += &if asked { any } else { format!("!{sign} & {any}") };
        } else if signed {
            text += &format!("$signed({name}) > {}", signed_literal(hi, width));
        } else {
            text += &format!("{name} > {}", literal(hi, width));
        }
        text += &format!(" ? {} : ", literal(hi, bits));
    }
    text += &x.bits(0, bits);
    let top = if range.0 < lo { width - 1 } else { width };
    let unread = (!reads_all && bits < top).then(|| slice(name, top - 1, bits));
    (text, unread)
}

fn signed_literal(value: i64, bits: u32) -> String {
    if value < 0 { literal(value, bits) } else { format!("{bits}'sd{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Source = Source::Signal { name: "x", width: 4, signed: true, inverted: false };
    const U: Source = Source::Signal { name: "x", width: 4, signed: false, inverted: false };

    #[test]
    fn extensions_and_truncations_are_written_out() {
        assert_eq!(S.bits(0, 4), "x");
        assert_eq!(S.bits(0, 5), "{x[3], x}");
        assert_eq!(S.bits(0, 7), "{{3{x[3]}}, x}");
        assert_eq!(U.bits(0, 7), "{3'd0, x}");
        assert_eq!(S.bits(0, 3), "x[2:0]");
        assert_eq!(S.bits(0, 1), "x[0]");
        assert_eq!(S.bits(2, 6), "{x, 2'd0}");
        assert_eq!(S.bits(2, 7), "{x[3], x, 2'd0}");
        assert_eq!(S.bits(2, 4), "{x[1:0], 2'd0}");
        assert_eq!(S.bits(4, 4), "4'd0");
        assert_eq!(Source::Constant(-3).bits(1, 5), "-5'sd6");
    }

    #[test]
    fn literals_wrap() {
        assert_eq!(literal(-8, 4), "-4'sd8");
        assert_eq!(literal(9, 4), "4'd9");
        assert_eq!(literal(16, 4), "4'd0");
        assert_eq!(literal(-9, 4), "4'd7");
        assert_eq!(add_constant("x", false, -5, 8), "x - 8'd5");
        assert_eq!(add_constant("x", true, 5, 8), "8'd5 - x");
        assert_eq!(add_constant("x", false, 256, 8), "x");
        assert_eq!(add_constant("x", true, 0, 8), "-x");
    }

    #[test]
    fn clamps_to_powers_of_two_look_at_bits_only() {
        let x = Source::Signal { name: "x", width: 8, signed: true, inverted: false };
        let text = |range, lo, hi| clamp(x, range, lo, hi, 4).0;
        assert_eq!(text((-128, 127), 0, 15), "x[7] ? 4'd0 : |x[6:4] ? 4'd15 : x[3:0]");
        assert_eq!(text((0, 127), 0, 15), "!x[7] & |x[6:4] ? 4'd15 : x[3:0]");
        assert_eq!(
            text((-128, 127), -8, 7),
            "x[7] & !(&x[6:3]) ? -4'sd8 : !x[7] & |x[6:3] ? 4'd7 : x[3:0]"
        );
        assert_eq!(
            text((-128, 127), -5, 6),
            "$signed(x) < -8'sd5 ? -4'sd5 : $signed(x) > 8'sd6 ? 4'd6 : x[3:0]"
        );
        assert_eq!(
            clamp(x, (-128, 15), 0, 15, 4),
            ("x[7] ? 4'd0 : x[3:0]".into(), Some("x[6:4]".into()))
        );
        let unsigned = Source::Signal { name: "x", width: 5, signed: false, inverted: false };
        assert_eq!(clamp(unsigned, (0, 31), 0, 15, 4), ("x[4] ? 4'd15 : x[3:0]".into(), None));
    }
}
