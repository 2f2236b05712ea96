//! The text forms of the levels: what they have in common, and how they are read back.

use crate::interval::Interval;
use std::fmt;
use std::iter::Peekable;
use std::str::FromStr;
use strassenc_runtime::{Error, Extent, Format, Result, Shape};

/// Most elements of an image, a window or a matrix: what they are multiplied by stays within 64
/// bits.
const MOST: usize = 1 << 32;

/// `s8` or `u8`.
pub(crate) fn width(signed: bool, bits: u32) -> String {
    format!("{}{bits}", if signed { 's' } else { 'u' })
}

/// Widths of signals and formats are 1..=63.
pub(crate) fn parse_width(text: &str) -> Option<(bool, u32)> {
    let signed = text.starts_with('s');
    let bits = text.strip_prefix(if signed { 's' } else { 'u' })?.parse().ok()?;
    (1..=63).contains(&bits).then_some((signed, bits))
}

/// `s8 4`: the width, and the fractional bits.
pub(crate) fn format(format: Format) -> String {
    format!("{} {}", width(format.signed, format.bits), format.frac)
}

/// Reads what [`format`] writes.
pub(crate) fn parse_format(text: &str) -> Option<Format> {
    let (bits, frac) = text.split_once(' ')?;
    let (signed, bits) = parse_width(bits)?;
    Some(Format { signed, bits, frac: frac.parse().ok()? })
}

/// Reads `-8..=7`.
pub(crate) fn parse_interval(text: &str) -> Option<Interval> {
    let (lo, hi) = text.split_once("..=")?;
    let (lo, hi) = (lo.parse().ok()?, hi.parse().ok()?);
    (lo <= hi).then(|| Interval::new(lo, hi))
}

/// Numbers with a blank between each two.
pub(crate) fn numbers<T: fmt::Display>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// Reads what [`numbers`] writes.
pub(crate) fn parse_numbers<T: FromStr>(text: &str) -> Option<Vec<T>> {
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

/// `2x3x8`: height, width and channels.
pub(crate) fn shape(Shape { height, width, channels }: Shape) -> String {
    format!("{height}x{width}x{channels}")
}

/// `2x3`: down, then across.
pub(crate) fn extent(Extent { h, w }: Extent) -> String {
    format!("{h}x{w}")
}

/// Reads a number of elements.
pub(crate) fn size(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n| *n <= MOST)
}

/// Reads what [`extent`] writes.
pub(crate) fn parse_extent(text: &str) -> Option<Extent> {
    let (h, w) = text.split_once('x')?;
    let (h, w) = (size(h)?, size(w)?);
    h.checked_mul(w).filter(|n| *n <= MOST).map(|_| Extent { h, w })
}

/// Reads what [`shape`] writes.
pub(crate) fn parse_shape(text: &str) -> Option<Shape> {
    let (pixels, channels) = text.rsplit_once('x')?;
    let (Extent { h, w }, channels) = (parse_extent(pixels)?, size(channels)?);
    (h * w).checked_mul(channels).filter(|n| *n <= MOST)?;
    Some(Shape { height: h, width: w, channels })
}

/// A level, or a part of one, of which a text may hold several, one after the other.
pub trait Text: Sized {
    /// The place that errors name.
    const WHAT: &'static str;

    /// Reads one value, and none of the lines behind it.
    fn read(lines: &mut Lines) -> Option<Self>;
}

/// Reads all values that a text holds. Values are not verified.
///
/// # Errors
/// Where a line is not understood, or the last one ends too early.
pub fn all<T: Text>(text: &str) -> Result<Vec<T>> {
    let mut lines = Lines::of(T::WHAT, text);
    let mut read = || {
        let mut all = vec![];
        while lines.peek().is_some() {
            all.push(T::read(&mut lines)?);
        }
        Some(all)
    };
    let all = read();
    lines.or_refuse(all)
}

/// Reads the one value that a text holds.
///
/// # Errors
/// As [`all`], and where something stands behind it.
pub(crate) fn one<T: Text>(text: &str) -> Result<T> {
    let mut lines = Lines::of(T::WHAT, text);
    let one = T::read(&mut lines).filter(|_| lines.next().is_none());
    lines.or_refuse(one)
}

/// The lines of a text that are not blank, without their indents.
pub struct Lines<'a> {
    /// What the text is, for errors.
    what: &'static str,
    lines: Peekable<Box<dyn Iterator<Item = (usize, &'a str)> + 'a>>,
    last: Option<(usize, &'a str)>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`, which is a `what`.
    pub(crate) fn of(what: &'static str, text: &'a str) -> Self {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let lines: Box<dyn Iterator<Item = _>> = Box::new(lines);
        Lines { what, lines: lines.peekable(), last: None }
    }

    /// The next line, which is not taken.
    pub(crate) fn peek(&mut self) -> Option<&'a str> {
        self.lines.peek().map(|(_, line)| *line)
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        self.last = self.lines.next();
        self.last.map(|(_, line)| line)
    }

    /// The rest of the next line, where it begins with this word.
    pub(crate) fn after(&mut self, word: &str) -> Option<&'a str> {
        let rest = self.next()?.strip_prefix(word)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
    }

    /// What was made of the lines, or an error at the last one taken.
    pub(crate) fn or_refuse<T>(self, read: Option<T>) -> Result<T> {
        read.ok_or_else(|| match self.last {
            Some((number, line)) => Error::input(
                format_args!("{}, line {}", self.what, number + 1),
                format_args!("`{line}` is not understood"),
            ),
            None => Error::input(self.what, "ends too early"),
        })
    }
}
