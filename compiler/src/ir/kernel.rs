//! A chain at every window of an image.

use super::Chain;
use strassenc_runtime::{Extent, Result, Shape};

/// The SPN of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// The shape of what it reads.
    pub input: Shape,
    /// The shape of what it yields.
    pub output: Shape,
    /// The windows it works on. Pads are 0.
    pub windows: Windows,
    /// It yields patches of so many pixels, in the order of (row, column, channel).
    pub patch: Extent,
    /// Groups of W_b: row i of the model's `rows` reads the channels of group `i / (rows / groups)`
    /// only.
    pub groups: usize,
    /// Rows of W_b in the model, dead ones included.
    pub rows: usize,
    /// What it makes of the elements of a window, in the order of (row, column, channel).
    pub chain: Chain,
}

/// Windows over an image: window (y, x) covers the rows from `y · stride.h - pad.h` on and the
/// columns from `x · stride.w - pad.w` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Height and width of a window.
    pub size: Extent,
    /// Pixels between windows.
    pub stride: Extent,
    /// Pads above and at the left.
    pub pad: Extent,
    /// Windows down.
    pub rows: usize,
    /// Windows across.
    pub columns: usize,
}

impl Windows {
    /// The only window on a vector.
    pub const WHOLE: Windows = Windows::pixels(Shape { height: 1, width: 1, channels: 1 });

    /// A window on each pixel of an image.
    pub const fn pixels(image: Shape) -> Windows {
        let (rows, columns) = (image.height, image.width);
        Windows { size: Extent::ONE, stride: Extent::ONE, pad: Extent::square(0), rows, columns }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.rows * self.columns
    }

    /// Whether any window holds a pixel beyond an image of this shape.
    pub fn padded(self, image: Shape) -> bool {
        let Windows { size, stride, pad, rows, columns } = self;
        let end = Extent { h: rows - 1, w: columns - 1 }
            .zip(stride, |n, stride| n * stride)
            .zip(size, |at, n| at + n);
        pad != Extent::square(0) || end.h > image.height || end.w > image.width
    }

    /// The elements of window (y, x) of an image in the order of (row, column, channel), pads as
    /// `pad`.
    pub fn read(self, image: &[i64], shape: Shape, y: usize, x: usize, pad: i64) -> Vec<i64> {
        let mut elements = vec![pad; self.size.area() * shape.channels];
        let inside = |at: usize, pad: usize, n: usize| at.checked_sub(pad).filter(|i| *i < n);
        for ky in 0..self.size.h {
            let Some(row) = inside(y * self.stride.h + ky, self.pad.h, shape.height) else {
                continue;
            };
            for kx in 0..self.size.w {
                let Some(column) = inside(x * self.stride.w + kx, self.pad.w, shape.width) else {
                    continue;
                };
                let (from, to) = (row * shape.width + column, ky * self.size.w + kx);
                let c = shape.channels;
                elements[to * c..(to + 1) * c].copy_from_slice(&image[from * c..(from + 1) * c]);
            }
        }
        elements
    }

    /// All windows in raster order.
    pub fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).flat_map(move |y| (0..self.columns).map(move |x| (y, x)))
    }
}

impl Kernel {
    /// Groups of W_c: those of W_b in a depthwise layer, whose outputs read the rows of their group
    /// only, else one.
    pub fn output_groups(&self) -> usize {
        if self.groups == self.input.channels { self.groups } else { 1 }
    }

    /// Whether its windows are the pixels of what it reads, one after the other.
    pub fn reads_pixels(&self) -> bool {
        self.windows == Windows::pixels(self.input)
    }

    /// What it makes of one window.
    pub fn apply(&self, window: &[i64]) -> Vec<i64> {
        self.chain.apply(window).pop().unwrap_or_default()
    }

    /// The image that `compute` makes of the windows of another one: patches put in their places,
    /// the surplus cropped.
    ///
    /// # Errors
    /// The first one of `compute`.
    pub fn map(
        &self,
        x: &[i64],
        mut compute: impl FnMut(&[i64]) -> Result<Vec<i64>>,
    ) -> Result<Vec<i64>> {
        let patches = self
            .windows
            .iter()
            .map(|(y, across)| compute(&self.windows.read(x, self.input, y, across, 0)));
        Ok(self.place(&patches.collect::<Result<Vec<_>>>()?))
    }

    /// Whether patches, one after the other, are the image as they are.
    pub fn in_order(&self) -> bool {
        let rows = self.patch.h == 1 && self.output.width.is_multiple_of(self.patch.w);
        rows || (self.patch.w == 1
            && self.output.width == 1
            && self.output.height.is_multiple_of(self.patch.h))
    }

    /// Puts the patches of all windows in their places.
    pub fn place(&self, patches: &[Vec<i64>]) -> Vec<i64> {
        let output = self.output;
        let mut z = vec![0; output.elements()];
        for ((y, across), patch) in self.windows.iter().zip(patches) {
            for (i, pixel) in patch.chunks(output.channels).enumerate() {
                let row = y * self.patch.h + i / self.patch.w;
                let column = across * self.patch.w + i % self.patch.w;
                if row < output.height && column < output.width {
                    let at = (row * output.width + column) * output.channels;
                    z[at..at + output.channels].copy_from_slice(pixel);
                }
            }
        }
        z
    }
}
