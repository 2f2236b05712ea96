//! Sizes of what travels between layers.

use std::fmt;

/// Sizes of an image: elements lie row by row, pixel by pixel, channels innermost. A vector is an image of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Elements of a pixel.
    pub channels: usize,
}

impl Shape {
    /// The image with these axes: `[n]` is a vector, `[h, w]` has one channel, `[h, w, c]` is an image; more axes are a vector.
    pub fn of(axes: &[usize]) -> Shape {
        match *axes {
            [height, width] => Shape { height, width, channels: 1 },
            [height, width, channels] => Shape { height, width, channels },
            _ => Shape::vector(axes.iter().product()),
        }
    }

    /// A vector of n elements.
    pub fn vector(n: usize) -> Shape {
        Shape { height: 1, width: 1, channels: n }
    }

    /// Where windows of `size` pixels, `stride` apart, with `pad` more pixels on each side, lie: how many down and across. `None`
    /// where not one fits.
    pub fn windows(self, size: usize, stride: usize, pad: usize) -> Option<(usize, usize)> {
        let count = |n: usize| (n + 2 * pad).checked_sub(size).map(|rest| rest / stride + 1);
        count(self.height).zip(count(self.width))
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Number of elements.
    pub fn elements(self) -> usize {
        self.pixels() * self.channels
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape { height: 1, width: 1, channels } => write!(f, "{channels}"),
            Shape { height, width, channels } => write!(f, "{height}×{width}×{channels}"),
        }
    }
}
