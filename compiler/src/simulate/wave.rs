//! Reading a waveform back (VCD, IEEE 1364-2005 clause 18): the value of chosen signals at chosen
//! times.

use std::collections::HashMap;
use strassenc_runtime::{Error, Result};

/// A waveform: every signal of at most 64 bits, and those wider ones that were asked for.
#[derive(Debug, Default)]
pub(super) struct Wave {
    /// The wide signals by path: the width, and the place in `wide_changes`, whose values are
    /// binary digits without leading zeros.
    wide: HashMap<String, (u32, usize)>,
    wide_changes: Vec<Vec<(u64, String)>>,
    /// The signals by path, which is the scopes and the name joined with dots: the width in bits,
    /// and the place in `changes`.
    signals: HashMap<String, (u32, usize)>,
    /// The changes of each signal in order of time.
    changes: Vec<Vec<(u64, u64)>>,
    /// The last time.
    pub end: u64,
}

impl Wave {
    /// Reads the text of a VCD file, with the wide signals whose names `keep` admits.
    ///
    /// # Errors
    /// Where it is not one that Verilator writes.
    pub fn parse(text: &str, keep: &dyn Fn(&str) -> bool) -> Result<Self> {
        let fail = |cause: &str| Error::tool("waveform", format_args!("cannot be read: {cause}"));
        let mut wave = Wave::default();
        let mut codes: HashMap<&str, usize> = HashMap::new();
        let mut wide_codes: HashMap<&str, usize> = HashMap::new();
        let mut scopes: Vec<&str> = Vec::new();
        let mut words = text.split_ascii_whitespace();
        // Declarations.
        loop {
            match words.next().ok_or_else(|| fail("the declarations do not end"))? {
                "$scope" => {
                    words.next();
                    scopes.push(words.next().ok_or_else(|| fail("a scope has no name"))?);
                }
                "$upscope" => {
                    scopes.pop();
                }
                "$var" => {
                    let declared = (words.next(), words.next(), words.next(), words.next());
                    let (Some(_), Some(bits), Some(code), Some(name)) = declared else {
                        return Err(fail("a variable is not whole"));
                    };
                    let bits = bits.parse::<u32>().ok();
                    if let Some(bits) = bits.filter(|b| *b > 64 && keep(name)) {
                        let index = *wide_codes.entry(code).or_insert_with(|| {
                            wave.wide_changes.push(Vec::new());
                            wave.wide_changes.len() - 1
                        });
                        let path =
                            scopes.iter().chain(&[name]).copied().collect::<Vec<_>>().join(".");
                        wave.wide.insert(path, (bits, index));
                    }
                    if let Some(bits) = bits.filter(|b| *b <= 64) {
                        let index = *codes.entry(code).or_insert_with(|| {
                            wave.changes.push(Vec::new());
                            wave.changes.len() - 1
                        });
                        let path =
                            scopes.iter().chain(&[name]).copied().collect::<Vec<_>>().join(".");
                        wave.signals.insert(path, (bits, index));
                    }
                }
                "$enddefinitions" => break,
                _ => continue,
            }
            while words.next().ok_or_else(|| fail("a declaration does not end"))? != "$end" {}
        }
        // Changes.
        while let Some(word) = words.next() {
            let (code, value) = match word.as_bytes()[0] {
                b'#' => {
                    wave.end = word[1..].parse().map_err(|_| fail("a time is not a number"))?;
                    continue;
                }
                b'b' | b'B' => (words.next().unwrap_or_default(), &word[1..]),
                b'0' | b'1' | b'x' | b'z' => (&word[1..], &word[..1]),
                _ => continue,
            };
            if let Some(&index) = wide_codes.get(code) {
                wave.wide_changes[index].push((wave.end, value.into()));
            }
            if let Some(&index) = codes.get(code) {
                // Verilator knows no x and no z; any other digit counts as 0.
                let value = value.bytes().fold(0u64, |v, digit| v << 1 | u64::from(digit == b'1'));
                wave.changes[index].push((wave.end, value));
            }
        }
        Ok(wave)
    }

    /// The path that ends in the scope `name` (or scopes, joined with dots).
    pub fn scope(&self, name: &str) -> Option<String> {
        let part = format!(".{name}.");
        self.signals
            .keys()
            .filter_map(|path| path.find(&part).map(|at| &path[..at + part.len() - 1]))
            .min()
            .map(Into::into)
    }

    /// The width of a signal.
    pub fn width(&self, path: &str) -> Option<u32> {
        self.signals.get(path).map(|(bits, _)| *bits)
    }

    /// Bits `low` to `low + bits - 1` of a signal at a time, at most 64 of them; none where there
    /// is no such signal.
    pub fn part(&self, path: &str, time: u64, low: usize, bits: usize) -> Option<u64> {
        let mask = u64::MAX >> (64 - bits);
        let Some((_, index)) = self.wide.get(path) else {
            return Some(self.at(path, time)? >> low & mask);
        };
        let changes = &self.wide_changes[*index];
        let next = changes.partition_point(|(t, _)| *t <= time);
        let digits = changes[next.checked_sub(1)?].1.as_bytes();
        let digit = |bit: usize| {
            digits.len().checked_sub(bit + 1).map(|at| digits[at] == b'1').unwrap_or(false)
        };
        Some((low..low + bits).rev().fold(0, |v, bit| v << 1 | u64::from(digit(bit))))
    }

    /// The bits of a signal at a time; none where there is no such signal, or it had no value yet.
    pub fn at(&self, path: &str, time: u64) -> Option<u64> {
        let changes = &self.changes[self.signals.get(path)?.1];
        let next = changes.partition_point(|(t, _)| *t <= time);
        Some(changes[next.checked_sub(1)?].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "$version Generated by VerilatedVcd $end\n$timescale 1ps $end\n\
        $scope module core $end\n$var wire 1 # aclk $end\n$scope module net $end\n\
        $var wire 5 $ sum [4:0] $end\n$var wire 100 % wide [99:0] $end\n$upscope $end\n$upscope \
        $end\n\
        $enddefinitions $end\n#0\n0#\nb00101 $\nb1 %\n#5\n1#\n#10\n0#\nb11111 $\n";

    #[test]
    fn values_hold_until_they_change() {
        let wave = Wave::parse(TEXT, &|_| false).unwrap();
        assert_eq!(wave.scope("net").as_deref(), Some("core.net"));
        assert_eq!(wave.scope("ne"), None);
        let sum = |time| wave.at("core.net.sum", time);
        assert_eq!([sum(0), sum(9), sum(10), sum(99)], [Some(5), Some(5), Some(31), Some(31)]);
        assert_eq!([0, 5, 9, 10].map(|t| wave.at("core.aclk", t)), [0, 1, 1, 0].map(Some));
        assert_eq!(wave.at("core.net.other", 0), None);
        assert_eq!(wave.at("core.net.wide", 0), None);
        let wave = Wave::parse(TEXT, &|name| name == "wide").unwrap();
        assert_eq!(
            [(0, 1), (0, 64), (36, 64)].map(|(low, n)| wave.part("core.net.wide", 5, low, n)),
            [1, 1, 0].map(Some)
        );
        assert_eq!(wave.part("core.net.sum", 0, 2, 2), Some(1));
    }

    #[test]
    fn what_is_no_waveform_is_an_error() {
        for text in ["", "$var wire 1", "$scope module x $end $enddefinitions $end #z"] {
            assert!(Wave::parse(text, &|_| false).is_err(), "{text}");
        }
    }
}
