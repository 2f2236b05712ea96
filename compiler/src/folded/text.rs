//! A text form of folded layers, for tests as files and for reading: how the layer is cut, then a
//! word of each ROM a line.
//!
//! ```text
//! folded conv: s3 0 -> s5 0 groups 1
//!   cut pe 2 simd 1 multipliers 1 wc_pe 1 wc_simd 2
//!   rows 0 _
//!   W_b rows 2 lanes 1 sums 2 bits 4
//!     + 0
//!     - 0
//!   bank lanes 1 shift 0 coefficient_bits 2 product_bits 4
//!     1
//!     0
//!   W_c rows 1 lanes 2 sums 1 bits 4
//!     +0
//!   requantise lanes 1 left 0 base 0 amount_bits 0 constant_bits 2 sum_bits 4
//!     + 1 >> 0
//! ```
//!
//! A word of an array is the signs of each row that it has in a clock. Where shifts and additions
//! multiply, `digits terms 2 amount_bits 3` and a line of `weight << amount` for each coefficient
//! stand behind the bank. A char-CNN has `positions` in the place of W_c.

use super::{Array, Bank, Digits, FilterStep, Folded, Folding, Positions, Requantiser};
use crate::text::{self, Lines, Text, format, parse_format, size};
use std::fmt;
use std::str::FromStr;
use strassenc_runtime::{Error, Result};

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [input, output] = [self.input, self.output].map(format);
        writeln!(f, "folded {}: {input} -> {output} groups {}", self.name, self.groups)?;
        let Folding { pe, simd, multipliers, wc_pe, wc_simd } = self.folding;
        writeln!(
            f,
            "  cut pe {pe} simd {simd} multipliers {multipliers} wc_pe {wc_pe} wc_simd {wc_simd}"
        )?;
        let row = |row: &Option<usize>| row.map_or("_".into(), |row| row.to_string());
        let rows: Vec<String> = self.rows.iter().map(row).collect();
        writeln!(f, "  rows {}", rows.join(" "))?;
        write!(f, "  W_b {}{}", self.wb, self.bank)?;
        if let Some(wc) = &self.wc {
            write!(f, "  W_c {wc}")?;
        }
        if let Some(Positions { characters, words, count, steps }) = &self.positions {
            writeln!(f, "  positions characters {characters} words {words} count {count}")?;
            for FilterStep { blocks, taps, last } in steps {
                writeln!(f, "    {blocks} blocks of {taps} up to {last}")?;
            }
        }
        write!(f, "{}", self.requantiser)
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Array { rows, lanes, sums, bits, weights } = self;
        writeln!(f, "rows {rows} lanes {lanes} sums {sums} bits {bits}")?;
        for word in weights.chunks((rows * lanes).max(1)) {
            let rows = word.chunks((*lanes).max(1));
            let rows: Vec<String> = rows.map(signs).collect();
            writeln!(f, "    {}", rows.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bank { lanes, shift, coefficient_bits, product_bits, coefficients, digits } = self;
        writeln!(
            f,
            "  bank lanes {lanes} shift {shift} coefficient_bits {coefficient_bits} \
             product_bits {product_bits}"
        )?;
        coefficients.iter().try_for_each(|a| writeln!(f, "    {a}"))?;
        let Some(Digits { terms, amount_bits, entries }) = digits else { return Ok(()) };
        writeln!(f, "  digits terms {terms} amount_bits {amount_bits}")?;
        for row in entries.chunks((*terms).max(1)) {
            let digit = |(weight, amount): &(i8, u32)| format!("{weight}<<{amount}");
            let row: Vec<String> = row.iter().map(digit).collect();
            writeln!(f, "    {}", row.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Requantiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requantiser { lanes, left, base, amount_bits, constant_bits, sum_bits, entries } = self;
        writeln!(
            f,
            "  requantise lanes {lanes} left {left} base {base} amount_bits {amount_bits} \
             constant_bits {constant_bits} sum_bits {sum_bits}"
        )?;
        entries
            .iter()
            .try_for_each(|(amount, constant)| writeln!(f, "    + {constant} >> {amount}"))
    }
}

impl FromStr for Folded {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes. The layer is not proved.
    fn from_str(text: &str) -> Result<Self> {
        text::one(text)
    }
}

impl Text for Folded {
    const WHAT: &'static str = "folded layer";

    fn read(lines: &mut Lines) -> Option<Self> {
        let (name, rest) = lines.after("folded")?.split_once(": ")?;
        let (input, rest) = rest.split_once(" -> ")?;
        let (output, groups) = rest.split_once(" groups ")?;
        let (input, output, groups) = (parse_format(input)?, parse_format(output)?, some(groups)?);
        let folding = folding(lines)?;
        let row = |word: &str| if word == "_" { Some(None) } else { size(word).map(Some) };
        let rows = lines.after("rows")?.split_whitespace().map(row).collect::<Option<_>>()?;
        let wb = array(lines, "W_b")?;
        let bank = bank(lines)?;
        let is = |lines: &mut Lines, word| lines.peek().is_some_and(|line| line.starts_with(word));
        let wc = if is(lines, "W_c") { Some(array(lines, "W_c")?) } else { None };
        let positions = if is(lines, "positions") { Some(positions(lines)?) } else { None };
        let requantiser = requantiser(lines)?;
        let name = name.into();
        Some(Folded {
            name,
            folding,
            input,
            output,
            groups,
            wb,
            bank,
            wc,
            positions,
            requantiser,
            rows,
        })
    }
}

/// Reads a number that is not 0.
fn some(text: &str) -> Option<usize> {
    size(text).filter(|n| *n > 0)
}

/// Reads the bits of a signal.
fn width(text: &str) -> Option<u32> {
    text.parse().ok().filter(|bits| (1..=63).contains(bits))
}

/// Reads a shift, or the bits of one.
fn shift(text: &str) -> Option<u32> {
    text.parse().ok().filter(|shift| *shift <= 63)
}

/// Reads the words of a ROM, each a line that `word` reads.
fn rom<T>(lines: &mut Lines, mut word: impl FnMut(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut words = vec![];
    let is_word = |line: &str| line.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c));
    while lines.peek().is_some_and(is_word) {
        words.push(word(lines.next()?)?);
    }
    Some(words)
}

fn folding(lines: &mut Lines) -> Option<Folding> {
    match lines.after("cut")?.split(' ').collect::<Vec<_>>()[..] {
        [
            "pe",
            pe,
            "simd",
            simd,
            "multipliers",
            multipliers,
            "wc_pe",
            wc_pe,
            "wc_simd",
            wc_simd,
        ] => Some(Folding {
            pe: some(pe)?,
            simd: some(simd)?,
            multipliers: some(multipliers)?,
            wc_pe: some(wc_pe)?,
            wc_simd: some(wc_simd)?,
        }),
        _ => None,
    }
}

fn array(lines: &mut Lines, name: &str) -> Option<Array> {
    match lines.after(name)?.split(' ').collect::<Vec<_>>()[..] {
        ["rows", rows, "lanes", lanes, "sums", sums, "bits", bits] => {
            let (rows, lanes, sums, bits) = (some(rows)?, some(lanes)?, some(sums)?, width(bits)?);
            // The weights of a result are counted.
            rows.checked_mul(lanes)?.checked_mul(sums)?;
            let row = |word: &str| word.split_whitespace().map(parse_signs).collect();
            let words: Vec<Vec<Vec<i8>>> = rom(lines, row)?;
            Some(Array { rows, lanes, sums, bits, weights: words.concat().concat() })
        }
        _ => None,
    }
}

/// Writes the weights of a row: signs, or integers with commas where there are others than 1, 0 and
/// -1, which only a broken pass yields.
fn signs(row: &[i8]) -> String {
    let sign = |w: &i8| {
        Some(match w {
            -1 => '-',
            0 => '0',
            1 => '+',
            _ => return None,
        })
    };
    let integers = || row.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
    row.iter().map(sign).collect::<Option<_>>().unwrap_or_else(integers)
}

/// Reads what [`signs`] writes.
fn parse_signs(text: &str) -> Option<Vec<i8>> {
    let sign = |c| {
        Some(match c {
            '-' => -1,
            '0' => 0,
            '+' => 1,
            _ => return None,
        })
    };
    let integers = || text.split(',').map(|w| w.parse().ok()).collect();
    text.chars().map(sign).collect::<Option<_>>().or_else(integers)
}

fn bank(lines: &mut Lines) -> Option<Bank> {
    let (lanes, amount, coefficient_bits, product_bits) =
        match lines.after("bank")?.split(' ').collect::<Vec<_>>()[..] {
            ["lanes", lanes, "shift", by, "coefficient_bits", of_a, "product_bits", of_m] => {
                (some(lanes)?, shift(by)?, width(of_a)?, width(of_m)?)
            }
            _ => return None,
        };
    let coefficients = rom(lines, |line| line.parse().ok())?;
    let has_digits = lines.peek().is_some_and(|line| line.starts_with("digits"));
    let digits = if has_digits { Some(digits(lines)?) } else { None };
    Some(Bank { lanes, shift: amount, coefficient_bits, product_bits, coefficients, digits })
}

fn digits(lines: &mut Lines) -> Option<Digits> {
    match lines.after("digits")?.split(' ').collect::<Vec<_>>()[..] {
        ["terms", terms, "amount_bits", bits] => {
            let (terms, amount_bits) = (some(terms)?, shift(bits).filter(|bits| *bits < 32)?);
            let digit = |word: &str| {
                let (weight, amount) = word.split_once("<<")?;
                Some((weight.parse().ok()?, shift(amount)?))
            };
            let row = |line: &str| line.split_whitespace().map(digit).collect();
            let rows: Vec<Vec<(i8, u32)>> = rom(lines, row)?;
            Some(Digits { terms, amount_bits, entries: rows.concat() })
        }
        _ => None,
    }
}

fn positions(lines: &mut Lines) -> Option<Positions> {
    match lines.after("positions")?.split(' ').collect::<Vec<_>>()[..] {
        ["characters", characters, "words", words, "count", count] => {
            let step = |line: &str| {
                let (blocks, rest) = line.split_once(" blocks of ")?;
                let (taps, last) = rest.split_once(" up to ")?;
                Some(FilterStep { blocks: some(blocks)?, taps: some(taps)?, last: size(last)? })
            };
            Some(Positions {
                characters: some(characters)?,
                words: some(words)?,
                count: some(count)?,
                steps: rom(lines, step)?,
            })
        }
        _ => None,
    }
}

fn requantiser(lines: &mut Lines) -> Option<Requantiser> {
    match lines.after("requantise")?.split(' ').collect::<Vec<_>>()[..] {
        [
            "lanes",
            lanes,
            "left",
            left,
            "base",
            base,
            "amount_bits",
            amount_bits,
            "constant_bits",
            constant_bits,
            "sum_bits",
            sum_bits,
        ] => {
            let entry = |line: &str| {
                let (constant, amount) = line.strip_prefix("+ ")?.split_once(" >> ")?;
                Some((shift(amount)?, constant.parse().ok()?))
            };
            Some(Requantiser {
                lanes: some(lanes)?,
                left: shift(left)?,
                base: shift(base)?,
                amount_bits: shift(amount_bits)?,
                constant_bits: width(constant_bits)?,
                sum_bits: width(sum_bits)?,
                entries: rom(lines, entry)?,
            })
        }
        _ => None,
    }
}
