//! Sizes of what travels between layers, and of what moves over it.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Sizes of an image: elements lie row by row, pixel by pixel, channels innermost. A vector is an
/// image of one pixel.
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
    /// The image with these axes: `[n]` is a vector, `[h, w]` has one channel, `[h, w, c]` is an
    /// image; more axes are a vector.
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

    /// How many windows of `size` pixels, `stride` apart, with `pad` more pixels on each side,
    /// there are down and across. `None` where not one fits.
    pub fn windows(self, size: Extent, stride: Extent, pad: Extent) -> Option<Extent> {
        let count = |n: usize, size: usize, stride: usize, pad: usize| {
            (n + 2 * pad).checked_sub(size).map(|rest| rest / stride + 1)
        };
        let h = count(self.height, size.h, stride.h, pad.h)?;
        let w = count(self.width, size.w, stride.w, pad.w)?;
        Some(Extent { h, w })
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

/// How two branches over the same input become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Their sum, element by element.
    Add,
    /// The channels of the first, then those of the second, pixel by pixel.
    Concat,
}

impl Join {
    /// What it is, in a word.
    pub fn kind(self) -> &'static str {
        match self {
            Join::Add => "sum",
            Join::Concat => "concat",
        }
    }

    /// The shape of two values joined; `None` where they do not fit each other.
    pub fn shape(self, a: Shape, b: Shape) -> Option<Shape> {
        let channels = match self {
            Join::Add => Some(a.channels).filter(|channels| *channels == b.channels),
            Join::Concat => a.channels.checked_add(b.channels),
        }?;
        let pixels = [a.height, a.width] == [b.height, b.width];
        pixels.then_some(Shape { channels, ..a })
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

/// Two sizes, down and across: of a window, a step, a pad, a patch. Files have a number where the
/// two are equal, else `[h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sizes", into = "Sizes")]
pub struct Extent {
    /// The size in rows.
    pub h: usize,
    /// The size in columns.
    pub w: usize,
}

impl Extent {
    /// One row and one column.
    pub const ONE: Extent = Extent::square(1);

    /// The extent of as many rows as columns.
    pub const fn square(n: usize) -> Extent {
        Extent { h: n, w: n }
    }

    /// Pixels within.
    pub fn area(self) -> usize {
        self.h * self.w
    }

    /// Both sizes, rows first.
    pub fn both(self) -> [usize; 2] {
        [self.h, self.w]
    }

    /// What so many pixels, at least one, span that are `dilation` apart.
    pub fn dilated(self, dilation: Extent) -> Extent {
        self.zip(dilation, |n, dilation| (n - 1) * dilation + 1)
    }

    /// What `f` makes of both axes of two extents.
    pub fn zip(self, other: Extent, f: impl Fn(usize, usize) -> usize) -> Extent {
        Extent { h: f(self.h, other.h), w: f(self.w, other.w) }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.h, self.w)
    }
}

/// Pixels before the one that a patch of a transposed convolution belongs to which the patch
/// depends on: those whose kernels, `stride` output pixels apart, reach into it once `pad` are cut
/// away.
pub(crate) fn lead(kernel: Extent, stride: Extent, pad: Extent) -> Extent {
    kernel.zip(pad, |kernel, pad| kernel - 1 - pad).zip(stride, |reach, stride| reach / stride)
}

/// All pixels that such a patch depends on.
pub(crate) fn reach(kernel: Extent, stride: Extent, pad: Extent) -> Extent {
    let behind = stride.zip(pad, |stride, pad| pad.div_ceil(stride));
    lead(kernel, stride, pad).zip(behind, |lead, behind| lead + 1 + behind)
}

/// What moves over an image, in a few words: `conv 3×3`, with ` / 2` where it takes steps of two
/// pixels.
pub(crate) fn moving(word: &str, size: Extent, stride: Extent) -> String {
    match stride {
        Extent::ONE => format!("{word} {size}"),
        Extent { h, w } if h == w => format!("{word} {size} / {h}"),
        stride => format!("{word} {size} / {stride}"),
    }
}

/// A pooling likewise: what is to be told of it is a stride that is not its size.
pub(crate) fn pooling(word: &str, size: Extent, stride: Extent) -> String {
    moving(word, size, if stride == size { Extent::ONE } else { stride })
}

/// An [`Extent`] as it is written: a number, or `[h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// `n`.
    Number(usize),
    /// `[h, w]`.
    Pair(Extent),
}

impl Sizes {
    /// What is meant where a number stands for the same size down and across.
    pub fn square(self) -> Extent {
        match self {
            Sizes::Number(n) => Extent::square(n),
            Sizes::Pair(extent) => extent,
        }
    }

    /// What is meant where a number goes along the row, and there are `h` of it down.
    pub fn along(self, h: usize) -> Extent {
        match self {
            Sizes::Number(w) => Extent { h, w },
            Sizes::Pair(extent) => extent,
        }
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes::Number(0)
    }
}

impl From<usize> for Sizes {
    fn from(n: usize) -> Self {
        Sizes::Number(n)
    }
}

impl From<Sizes> for Extent {
    fn from(sizes: Sizes) -> Self {
        sizes.square()
    }
}

impl From<Extent> for Sizes {
    fn from(extent: Extent) -> Self {
        if extent.h == extent.w { Sizes::Number(extent.h) } else { Sizes::Pair(extent) }
    }
}

impl Serialize for Sizes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Sizes::Number(n) => n.serialize(serializer),
            Sizes::Pair(extent) => extent.both().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Sizes;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number ≥ 0, or two of them, `[down, across]`")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Sizes, E> {
                let unexpected = de::Unexpected::Unsigned(n);
                usize::try_from(n)
                    .map(Sizes::Number)
                    .map_err(|_| E::invalid_value(unexpected, &self))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Sizes, E> {
                let unexpected = de::Unexpected::Signed(n);
                usize::try_from(n)
                    .map(Sizes::Number)
                    .map_err(|_| E::invalid_value(unexpected, &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sizes: A) -> Result<Sizes, A::Error> {
                let missing = |n| de::Error::invalid_length(n, &self);
                let h = sizes.next_element()?.ok_or_else(|| missing(0))?;
                let w = sizes.next_element()?.ok_or_else(|| missing(1))?;
                match sizes.next_element::<usize>()? {
                    Some(_) => Err(missing(3)),
                    None => Ok(Sizes::Pair(Extent { h, w })),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}
