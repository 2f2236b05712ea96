//! The filters of a char-CNN over the characters of a word.
//!
//! No coefficient of theirs is negative, so that every output rises with its sum, and the largest
//! output of a filter is that of its largest sum. The IR takes the outputs at all positions and the
//! largest one of them; an engine may take the largest sum first.

use super::{Kind, Layer};

/// The words that filters stand on, and how wide these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    /// Characters of a word: the pixels of an image of one row.
    pub characters: usize,
    /// Elements of a character.
    pub elements: usize,
    /// Entry i: how many filters have the width i + 1; filters are in the order of their widths.
    pub widths: &'a [usize],
}

impl Layer {
    /// What the filters of a char-CNN stand on.
    pub fn words(&self) -> Option<Words<'_>> {
        match &self.kind {
            Kind::CharCnn { widths, .. } => {
                Some(Words { characters: self.input.width, elements: self.input.channels, widths })
            }
            _ => None,
        }
    }
}

impl Words<'_> {
    /// Number of filters.
    pub fn filters(&self) -> usize {
        self.widths.iter().sum()
    }

    /// The widths that have filters, with their number.
    pub fn by_width(&self) -> impl Iterator<Item = (usize, usize)> {
        self.widths.iter().enumerate().map(|(i, n)| (i + 1, *n)).filter(|(_, n)| *n > 0)
    }

    /// The width of each filter.
    pub fn width_of_each(&self) -> impl Iterator<Item = usize> {
        self.by_width().flat_map(|(width, n)| std::iter::repeat_n(width, n))
    }

    /// The number of positions, from the first character on, at which a filter of this width
    /// stands.
    pub fn positions(&self, width: usize) -> usize {
        self.characters + 1 - width
    }

    /// Positions of the narrowest filters.
    pub fn most_positions(&self) -> usize {
        self.by_width().map(|(width, _)| self.positions(width)).max().unwrap_or(0)
    }

    /// The largest number of filters that divides those of each width.
    pub fn common(&self) -> usize {
        self.by_width().fold(0, |common, (_, n)| gcd(common, n))
    }

    /// The widest window from each position on, 0 beyond the word.
    fn windows(&self, word: &[i64]) -> impl Iterator<Item = Vec<i64>> {
        let (e, taps) = (self.elements, self.widths.len());
        (0..self.most_positions()).map(move |position| {
            let mut window: Vec<i64> =
                word[position * e..].iter().copied().take(taps * e).collect();
            window.resize(taps * e, 0);
            window
        })
    }

    /// The largest output of each filter at all positions where the word has all its characters;
    /// `outputs` makes those of all filters of one window.
    pub fn largest(&self, word: &[i64], outputs: impl Fn(&[i64]) -> Vec<i64>) -> Vec<i64> {
        let mut largest = vec![i64::MIN; self.filters()];
        for (position, window) in self.windows(word).enumerate() {
            for ((largest, y), width) in
                largest.iter_mut().zip(outputs(&window)).zip(self.width_of_each())
            {
                if position < self.positions(width) {
                    *largest = y.max(*largest);
                }
            }
        }
        largest
    }
}

/// The largest number that divides both; n of 0 and n.
pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
