//! ROMs of folded layers: small ones with their contents in the text, large ones with a `$readmemh`
//! file beside it.

use super::File;
use super::layer::count;
use super::provenance::Provenance;
use crate::folded::{Array, Bank, Digits, Requantiser};
use crate::ir::gated::Curve;
use askama::Template;
use std::collections::BTreeSet;
use strassenc_runtime::{Error, Result};

/// Contents of at most this many bits stand in the text itself.
const IN_TEXT: usize = 64 << 10;

/// A ROM: words of equal width, each in hexadecimal digits.
pub(crate) struct Rom {
    /// Bits of a word.
    pub bits: usize,
    /// The words in order.
    pub words: Vec<String>,
    /// What a word holds, for people.
    pub held: String,
}

#[derive(Template)]
#[template(path = "rom.v")]
struct Text<'a> {
    header: String,
    module: &'a str,
    words: &'a str,
    depth: usize,
    bits: usize,
    address_bits: usize,
    file: Option<String>,
    contents: &'a [String],
    ahead: bool,
    /// Whether it is mapped alone.
    alone: bool,
}

/// Words of a ROM that a LUT of 6 inputs holds a bit of. Where ROMs of more are mapped with what is
/// around them, Yosys takes two to five times the LUTs.
const OF_A_LUT: usize = 64;

/// Bits of an address of so many words, at least 1.
pub(crate) fn address_bits(depth: usize) -> usize {
    depth.next_power_of_two().trailing_zeros().max(1) as usize
}

impl Rom {
    pub fn weights(array: &Array, matrix: &str) -> Self {
        let bits = 2 * array.rows * array.lanes;
        let word = |weights: &[i8]| hex(weights.iter().map(|w| (i64::from(*w), 2)), bits);
        let held = format!(
            "{} of {matrix}, lane by lane, two bits each, the first in the low bits",
            count(array.rows, "row")
        );
        Rom {
            bits,
            words: array.weights.chunks(array.rows * array.lanes).map(word).collect(),
            held,
        }
    }

    pub fn coefficients(bank: &Bank) -> Self {
        let bits = bank.lanes * bank.entry_bits() as usize;
        if let Some(Digits { terms, amount_bits, entries }) = &bank.digits {
            let parts = |(weight, amount): &(i8, u32)| {
                [(i64::from(*weight), 2), (i64::from(*amount), *amount_bits)]
            };
            let word = |words: &[(i8, u32)]| hex(words.iter().flat_map(parts), bits);
            let held = format!(
                "coefficients of {}, in units of 2^-{}: {terms} digits each, a shift above a \
                 weight of two bits",
                count(bank.lanes, "row"),
                bank.shift
            );
            return Rom {
                bits,
                words: entries.chunks(terms * bank.lanes).map(word).collect(),
                held,
            };
        }
        let word = |words: &[i64]| hex(words.iter().map(|a| (*a, bank.coefficient_bits)), bits);
        let held =
            format!("coefficients of {}, in units of 2^-{}", count(bank.lanes, "row"), bank.shift);
        Rom { bits, words: bank.coefficients.chunks(bank.lanes).map(word).collect(), held }
    }

    pub fn outputs(requantiser: &Requantiser) -> Self {
        let Requantiser { lanes, amount_bits, constant_bits, entries, .. } = requantiser;
        let bits = lanes * (amount_bits + constant_bits) as usize;
        let parts = |(amount, constant): &(u32, i64)| {
            [(*constant, *constant_bits), (i64::from(*amount), *amount_bits)]
        };
        let word = |words: &[(u32, i64)]| hex(words.iter().flat_map(parts), bits);
        let held =
            format!("bias and rounding of {}, and beyond it the shift", count(*lanes, "output"));
        Rom { bits, words: entries.chunks(*lanes).map(word).collect(), held }
    }

    /// The ROM of half of σ or tanh.
    pub fn curve(curve: &Curve) -> Self {
        let bits = curve.frac as usize + 1;
        let held = format!(
            "{} of 0 and up, in units of 2^-{}",
            if curve.sigmoid { "the logistic function" } else { "tanh" },
            curve.frac
        );
        Rom {
            bits,
            words: curve
                .values
                .iter()
                .map(|v| hex([(*v, curve.frac + 1)].into_iter(), bits))
                .collect(),
            held,
        }
    }

    /// Rows of a table in words of `lanes` elements; each row is made up to a power of two of
    /// words.
    pub fn rows(rows: &[Vec<i64>], element_bits: u32, lanes: usize) -> Self {
        let bits = lanes * element_bits as usize;
        let mut words = vec![];
        for row in rows {
            let end = words.len() + (row.len() / lanes).next_power_of_two();
            words.extend(
                row.chunks(lanes).map(|word| hex(word.iter().map(|v| (*v, element_bits)), bits)),
            );
            words.resize(end, hex(std::iter::empty(), bits));
        }
        let held = format!("{} of a row", count(lanes, "element"));
        Rom { bits, words, held }
    }

    /// Bits of a word that differ from word to word, each of those that are always equal once.
    pub fn varying_bits(&self) -> usize {
        let bit = |word: &String, at: usize| {
            let digit = word.as_bytes()[word.len() - 1 - at / 4];
            char::from(digit).to_digit(16).unwrap_or(0) >> (at % 4) & 1 == 1
        };
        let column = |at| self.words.iter().map(|word| bit(word, at)).collect::<Vec<bool>>();
        let columns: BTreeSet<Vec<bool>> = (0..self.bits).map(column).collect();
        columns.iter().filter(|column| column.contains(&true) && column.contains(&false)).count()
    }

    /// The module, and the file of its contents where it is large. Where it is read `ahead`, its
    /// data come from a second register, and the words stand one address earlier.
    pub(super) fn emit(
        mut self,
        module: &str,
        what: &str,
        ahead: bool,
        provenance: &Provenance,
    ) -> Result<Vec<File>> {
        if ahead {
            self.words.rotate_left(1);
        }
        let depth = self.words.len();
        let large = self.bits * depth > IN_TEXT;
        let file = large.then(|| format!("{module}.mem"));
        let text = Text {
            header: provenance.header(module, what),
            module,
            words: &self.held,
            depth,
            bits: self.bits,
            address_bits: address_bits(depth),
            file: file.clone(),
            contents: if large { &[] } else { &self.words },
            ahead,
            alone: depth > OF_A_LUT,
        };
        let text = text
            .render()
            .map_err(|e| Error::internal(format_args!("template of `{module}`"), e))?
            + "\n";
        let mut files = vec![File { path: format!("{module}.v"), text }];
        files.extend(file.map(|path| File { path, text: self.words.join("\n") + "\n" }));
        Ok(files)
    }
}

/// Numbers of so many bits each, the first one in the low bits, as `bits` bits in hexadecimal.
fn hex(parts: impl Iterator<Item = (i64, u32)>, bits: usize) -> String {
    let mut digits = vec![0u8; bits.div_ceil(4)];
    let mut at = 0;
    for (value, width) in parts {
        for bit in 0..width as usize {
            digits[(at + bit) / 4] |= ((value >> bit & 1) as u8) << ((at + bit) % 4);
        }
        at += width as usize;
    }
    digits.iter().rev().map(|d| char::from(b"0123456789abcdef"[usize::from(*d)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_in_their_bits() {
        assert_eq!(hex([(1, 2), (-1, 2), (0, 2), (-1, 2)].into_iter(), 8), "cd");
        assert_eq!(hex([(-3, 5), (2, 3)].into_iter(), 8), "5d");
        assert_eq!(hex([(1, 3)].into_iter(), 3), "1");
        assert_eq!(hex([(0, 4), (-1, 3)].into_iter(), 7), "70");
    }

    #[test]
    fn bits_that_never_change_or_are_always_equal_are_no_bits() {
        let words = ["19", "1f", "10", "19"].map(String::from).to_vec();
        let rom = Rom { bits: 5, words, held: String::new() };
        assert_eq!(rom.varying_bits(), 2);
    }

    #[test]
    fn addresses_reach_every_word() {
        assert_eq!([1, 2, 3, 4, 5, 256, 257].map(address_bits), [1, 1, 2, 2, 3, 8, 9]);
    }
}
