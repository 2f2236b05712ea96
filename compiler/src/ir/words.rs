//! The filters of a char-CNN over the characters of a word.
//!
//! No coefficient of theirs is negative, so that every output rises with its sum, and the largest
//! output of a filter is that of its largest sum. The IR takes the outputs at all positions and the
//! largest one of them; an engine may take the largest sum first.

use super::OpKind;
use super::gated::Curve;
use super::verify::{Check, kernel_is_right};
use super::{Edge, Kernel, Kind, Layer, Windows};
use crate::interval::Interval;
use strassenc_runtime::{Format, Shape};

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

    /// Where a filter of this width stands: at so many positions from the first character on.
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

    /// Whether filters are a layer's: see the [invariants](super).
    pub(super) fn are_right(
        &self,
        [from, to]: [&Edge; 2],
        filters: &Kernel,
        tanh: &Curve,
    ) -> Check {
        let (n, taps) = (self.filters(), self.widths.len());
        if from.shape.height != 1
            || !(1..=self.characters).contains(&taps)
            || n == 0
            || to.shape != Shape::vector(n)
        {
            return Err(format!(
                "makes {} of {} by filters {:?}",
                to.shape, from.shape, self.widths
            ));
        }
        let shapes = (Shape::vector(taps * self.elements), Shape::vector(n));
        if (filters.input, filters.output) != shapes
            || (filters.windows, filters.rows) != (Windows::WHOLE, n)
        {
            return Err(format!("has a kernel from {} to {}", filters.input, filters.output));
        }
        let gate = filters.chain.output;
        let format = Format { signed: true, bits: tanh.frac + 2, frac: tanh.frac as i32 };
        if !tanh.fits(gate) || tanh.sigmoid || to.format != format {
            return Err("has a table or a format that is not that of its filters".into());
        }
        kernel_is_right(filters, [from.format, gate], |i| pixel(from, i))?;
        let [w_b, m, w_c, _] = filters.chain.ops.as_slice() else {
            return Err("has filters that are not W_b, products, W_c, output".into());
        };
        let (
            OpKind::Linear { matrix, .. },
            OpKind::Multiply { coefficients, .. },
            OpKind::Linear { matrix: own, .. },
        ) = (&w_b.kind, &m.kind, &w_c.kind)
        else {
            return Err("has filters that are not W_b, products, W_c, output".into());
        };
        let rows = &w_b.result.indices;
        if let Some((a, row)) = coefficients.iter().zip(rows).find(|(a, _)| **a < 0) {
            return Err(format!("multiplies the largest sum of row {row} by {a}"));
        }
        let widths: Vec<usize> = self.width_of_each().collect();
        for (row, weights) in rows.iter().zip(matrix.outer_iter()) {
            let width = widths.get(*row).copied().unwrap_or(0);
            if weights.iter().skip(width * self.elements).any(|w| *w != 0) {
                return Err(format!("has a row {row} that reads beyond its width of {width}"));
            }
        }
        if let Some(((c, i), w)) =
            own.indexed_iter().find(|((c, i), w)| **w != 0 && (rows[*i], **w) != (*c, 1))
        {
            return Err(format!("has {w} for row {} in W_c of output {c}", rows[i]));
        }
        if to.intervals != looked_up(filters, tanh) {
            return Err("declares other intervals than those of its table".into());
        }
        Ok(())
    }
}

/// What an element of a window can be: 0 beyond the word.
pub(crate) fn pixel(from: &Edge, element: usize) -> Interval {
    from.intervals[element % from.shape.channels].hull(Interval::point(0))
}

/// What the table makes of what a kernel yields.
pub(crate) fn looked_up(filters: &Kernel, tanh: &Curve) -> Vec<Interval> {
    filters.chain.result().intervals.iter().map(|v| tanh.interval(*v)).collect()
}

/// The largest number that divides both; n of 0 and n.
pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
