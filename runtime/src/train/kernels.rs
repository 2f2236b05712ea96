//! Products of windows with a matrix, and of windows with gradients. A row of a matrix is a window
//! of one stretch.
//!
//! Numbers of one register belong to neighbouring channels of the result, so that each of its
//! elements is one chain of multiply-adds, in the same order on any processor; the bits are the
//! same on all that fuse a multiply-add.

use crate::shape::Extent;
use crate::train::lanes::{Lanes, MOST_LANES, OnLanes};
use crate::train::matmul::{Into, Real};
use ndarray::{Array1, Array2, ArrayView2, s};
use rayon::prelude::*;
use std::ops::Range;

/// Elements that lie side by side both in the source and in the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Where it begins in the source, from the window's beginning.
    pub at: usize,
    /// Its first row in the matrix.
    pub row: usize,
    /// Elements of it.
    pub length: usize,
}

/// A matrix, turned and cut into panels of columns: the rows of a panel follow one another. They
/// are filled up with zeros to whole registers.
pub struct Packed<T> {
    entries: Vec<T>,
    rows: usize,
    width: usize,
}

/// Columns of a panel.
const PANEL: usize = 2 * MOST_LANES;

impl<T: Real> Packed<T> {
    /// The matrix, `[rows, columns]`, of which `numbers` yields those columns of a row.
    pub fn new<N: Iterator<Item = T>>(
        (rows, columns): (usize, usize),
        numbers: impl Fn(usize, Range<usize>) -> N + Sync,
    ) -> Self {
        let width = columns.next_multiple_of(MOST_LANES);
        let mut entries = vec![T::zero(); rows * width];
        entries.par_chunks_mut(rows * PANEL).enumerate().for_each(|(i, panel)| {
            let first = i * PANEL;
            let of_panel = first..(first + PANEL).min(columns);
            for (i, row) in panel.chunks_mut(PANEL.min(width - first)).enumerate() {
                row.iter_mut().zip(numbers(i, of_panel.clone())).for_each(|(to, v)| *to = v);
            }
        });
        Packed { entries, rows, width }
    }

    /// The matrix that a, `[columns, rows]`, is when it is turned.
    pub fn turned(a: ArrayView2<T>) -> Self {
        Packed::new((a.ncols(), a.nrows()), |i, of_panel| {
            a.slice_move(s![of_panel, i]).into_iter().copied()
        })
    }

    /// Where the numbers of a row from column v on begin, and how far it is from there to those of
    /// the next row.
    fn address(&self, row: usize, v: usize) -> (usize, usize) {
        let first = v / PANEL * PANEL;
        let panel_width = PANEL.min(self.width - first);
        (first * self.rows + row * panel_width + v - first, panel_width)
    }
}

/// Windows that begin a row or a pixel apart.
#[derive(Clone, Copy)]
pub struct Source<'a, T> {
    /// All that windows read.
    pub elements: &'a [T],
    /// Elements from a row of windows to the next.
    pub row: usize,
    /// Elements from a window to the next one of its row.
    pub pixel: usize,
}

impl<'a, T> Source<'a, T> {
    /// Rows of so many elements.
    pub fn rows(elements: &'a [T], pixel: usize) -> Self {
        Source { elements, row: 0, pixel }
    }

    /// Whether so many windows of that size lie within.
    fn holds(&self, count: Extent, window: usize) -> bool {
        (count.h - 1) * self.row + (count.w - 1) * self.pixel + window <= self.elements.len()
    }
}

/// Where results go.
pub struct Target<'a, T> {
    /// From the first result on.
    pub elements: &'a mut [T],
    /// Elements from the results of a row of windows to those of the next.
    pub row: usize,
    /// Elements from the results of a window to those of the next one of its row.
    pub pixel: usize,
    /// Results of one window.
    pub channels: usize,
}

/// How far a window reaches in its source, and in the matrix.
fn reach(windows: &[Stretch]) -> (usize, usize) {
    let end = |end: fn(&Stretch) -> usize| windows.iter().map(end).max().unwrap_or_default();
    (end(|s| s.at + s.length), end(|s| s.row + s.length))
}

/// The products of windows with a matrix.
pub struct Convolution<'a, T> {
    /// Where windows lie.
    pub source: Source<'a, T>,
    /// What of each window is in one stretch.
    pub windows: &'a [Stretch],
    /// What they are multiplied with.
    pub matrix: &'a Packed<T>,
    /// Where results go.
    pub target: Target<'a, T>,
    /// Rows and columns of windows.
    pub count: Extent,
    /// What is added to the results of each window, as wide as the matrix.
    pub offset: Option<&'a [T]>,
    /// Whether results are added to what is there.
    pub into: Into,
}

impl<T: Real> OnLanes<T> for Convolution<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T>>(mut self, lanes: L) {
        let Convolution { source, windows, matrix, target, count, offset, .. } = &self;
        let ((window, rows), width) = (reach(windows), matrix.width);
        let (count, channels) = (*count, target.channels);
        let last = (count.h - 1) * target.row + (count.w - 1) * target.pixel;
        assert!(source.holds(count, window));
        assert!(rows <= matrix.rows && width.is_multiple_of(L::COUNT));
        assert!(last + channels <= target.elements.len() && channels <= width);
        assert!(offset.is_none_or(|offset| offset.len() == width));
        for y in 0..count.h {
            for v in (0..channels).step_by(2 * L::COUNT) {
                if v + L::COUNT < channels {
                    self.row::<L, 2>(lanes, y, v);
                } else {
                    self.row::<L, 1>(lanes, y, v);
                }
            }
        }
    }
}

#[allow(unsafe_code)]
impl<T: Real> Convolution<'_, T> {
    /// V registers of results, from channel v on, of one row of windows.
    #[inline(always)]
    fn row<L: Lanes<T>, const V: usize>(&mut self, lanes: L, y: usize, v: usize) {
        let mut x = 0;
        while x < self.count.w {
            let rest = self.count.w - x;
            // As many windows as registers of sums allow, beside those of a matrix's row, and so
            // that none is left to itself: its few sums would wait for one another.
            let most = if L::MANY || V == 1 { 8 } else { 4 };
            let windows = if rest <= most { rest } else { most.min(rest.div_ceil(2)) };
            x += match windows {
                8 if L::MANY && V == 1 && rest >= 16 => self.windows_at::<L, V, 16>(lanes, y, x, v),
                8 => self.windows_at::<L, V, 8>(lanes, y, x, v),
                7 => self.windows_at::<L, V, 7>(lanes, y, x, v),
                6 => self.windows_at::<L, V, 6>(lanes, y, x, v),
                5 => self.windows_at::<L, V, 5>(lanes, y, x, v),
                4 => self.windows_at::<L, V, 4>(lanes, y, x, v),
                3 => self.windows_at::<L, V, 3>(lanes, y, x, v),
                2 => self.windows_at::<L, V, 2>(lanes, y, x, v),
                _ => self.windows_at::<L, V, 1>(lanes, y, x, v),
            };
        }
    }

    /// The same of W windows.
    #[inline(always)]
    fn windows_at<L: Lanes<T>, const V: usize, const W: usize>(
        &mut self,
        lanes: L,
        y: usize,
        x: usize,
        v: usize,
    ) -> usize {
        let Convolution { source, windows, matrix, target, offset, into, .. } = self;
        // SAFETY: `run` asserts that an offset is whole registers, as many as the matrix has; v is
        // the first of V of them.
        let first: [L::Register; V] = std::array::from_fn(|i| match offset {
            Some(offset) => unsafe { lanes.load(offset.as_ptr().add(v + i * L::COUNT)) },
            None => lanes.splat(T::zero()),
        });
        let mut sums = [first; W];
        for stretch in windows.iter() {
            // SAFETY: `run` asserts that the last window lies within the source, all rows that
            // windows name within the matrix, and that its rows are whole registers. V registers
            // divide a panel, so those from v on are in one.
            unsafe {
                let first = y * source.row + x * source.pixel + stretch.at;
                let from: [*const T; W] =
                    std::array::from_fn(|i| source.elements.as_ptr().add(first + i * source.pixel));
                let (at, apart) = matrix.address(stretch.row, v);
                let mut row = matrix.entries.as_ptr().add(at);
                for k in 0..stretch.length {
                    let entries: [L::Register; V] =
                        std::array::from_fn(|v| lanes.load(row.add(v * L::COUNT)));
                    for (sums, from) in sums.iter_mut().zip(from) {
                        let element = lanes.splat(*from.add(k));
                        for (sum, entry) in sums.iter_mut().zip(entries) {
                            *sum = lanes.multiply_add(element, entry, *sum);
                        }
                    }
                    row = row.wrapping_add(apart);
                }
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            let first = y * target.row + (x + i) * target.pixel;
            for (channel, sum) in (v..).step_by(L::COUNT).zip(sums) {
                let to = &mut target.elements[first + channel..first + target.channels];
                place(lanes, sum, to, *into);
            }
        }
        W
    }
}

/// Adds to a slice, or places in it, as many numbers as it takes.
#[allow(unsafe_code)]
#[inline(always)]
fn place<T: Real, L: Lanes<T>>(lanes: L, numbers: L::Register, to: &mut [T], into: Into) {
    // SAFETY: COUNT numbers are loaded from and stored to arrays and slices of at least as many.
    unsafe {
        if to.len() >= L::COUNT {
            let numbers = match into {
                Into::Place => numbers,
                Into::Sum => {
                    lanes.multiply_add(numbers, lanes.splat(T::one()), lanes.load(to.as_ptr()))
                }
            };
            lanes.store(to.as_mut_ptr(), numbers);
            return;
        }
        let mut all = [T::zero(); MOST_LANES];
        lanes.store(all.as_mut_ptr(), numbers);
        for (to, number) in to.iter_mut().zip(all) {
            *to = if into == Into::Sum { *to + number } else { number };
        }
    }
}

/// The sum of windows times gradients, over all windows.
pub struct Correlation<'a, T> {
    /// Where windows lie.
    pub source: Source<'a, T>,
    /// What of each window is in one stretch.
    pub windows: &'a [Stretch],
    /// Where the gradients of windows lie.
    pub gradient: Source<'a, T>,
    /// Numbers of a gradient, and of a row of the sum: whole registers.
    pub width: usize,
    /// Rows and columns of windows.
    pub count: Extent,
    /// What it is added to.
    pub sum: &'a mut [T],
}

impl<T: Real> OnLanes<T> for Correlation<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T>>(mut self, lanes: L) {
        let Correlation { source, windows, gradient, width, count, .. } = self;
        let (window, rows) = reach(windows);
        assert!(source.holds(count, window) && gradient.holds(count, width));
        assert!(rows * width <= self.sum.len() && width.is_multiple_of(L::COUNT));
        for stretch in windows {
            for v in (0..width).step_by(2 * L::COUNT) {
                if v + L::COUNT < width {
                    self.stretch::<L, 2>(lanes, stretch, v);
                } else {
                    self.stretch::<L, 1>(lanes, stretch, v);
                }
            }
        }
    }
}

#[allow(unsafe_code)]
impl<T: Real> Correlation<'_, T> {
    /// V registers, from channel v on, of the rows that a stretch names.
    #[inline(always)]
    fn stretch<L: Lanes<T>, const V: usize>(&mut self, lanes: L, stretch: &Stretch, v: usize) {
        let mut k = 0;
        while k < stretch.length {
            let rest = stretch.length - k;
            k += if L::MANY && V == 1 && rest >= 24 {
                self.rows_at::<L, V, 24>(lanes, stretch, k, v)
            } else if (L::MANY || V == 1) && rest >= 12 {
                self.rows_at::<L, V, 12>(lanes, stretch, k, v)
            } else if rest >= 4 {
                self.rows_at::<L, V, 4>(lanes, stretch, k, v)
            } else {
                self.rows_at::<L, V, 1>(lanes, stretch, k, v)
            };
        }
    }

    /// The same of K rows.
    #[inline(always)]
    fn rows_at<L: Lanes<T>, const V: usize, const K: usize>(
        &mut self,
        lanes: L,
        stretch: &Stretch,
        k: usize,
        v: usize,
    ) -> usize {
        let Correlation { source, gradient, width, count, sum, .. } = self;
        // SAFETY: `run` asserts that the last window and the last gradient lie within their
        // sources, all rows that windows name within the sum, and that its rows are whole
        // registers; v is the first of V of them.
        unsafe {
            let to = sum.as_mut_ptr().add((stretch.row + k) * *width + v);
            let mut sums: [[L::Register; V]; K] = std::array::from_fn(|i| {
                std::array::from_fn(|v| lanes.load(to.add(i * *width + v * L::COUNT)))
            });
            for y in 0..count.h {
                let mut element = source.elements.as_ptr().add(y * source.row + stretch.at + k);
                let mut gradients = gradient.elements.as_ptr().add(y * gradient.row + v);
                for _ in 0..count.w {
                    let factors: [L::Register; V] =
                        std::array::from_fn(|v| lanes.load(gradients.add(v * L::COUNT)));
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let element = lanes.splat(*element.add(i));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = lanes.multiply_add(element, factor, *sum);
                        }
                    }
                    element = element.wrapping_add(source.pixel);
                    gradients = gradients.wrapping_add(gradient.pixel);
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    lanes.store(to.add(i * *width + v * L::COUNT), sum);
                }
            }
        }
        K
    }
}

/// An affine map of rows, `y = A x + b`.
pub struct AffineMap<T> {
    matrix: Packed<T>,
    offset: Option<Vec<T>>,
    inputs: usize,
    outputs: usize,
}

impl<T: Real> AffineMap<T> {
    /// The map of A, `[outputs, inputs]`, and b, `[outputs]`.
    pub fn new(a: &Array2<f64>, b: &Array1<f64>) -> Self {
        let map = AffineMap::linear(a.mapv(T::real).view());
        let mut offset: Vec<T> = b.iter().map(|b| T::real(*b)).collect();
        offset.resize(map.matrix.width, T::zero());
        AffineMap { offset: Some(offset), ..map }
    }

    /// The map of A, `[outputs, inputs]`, alone.
    pub fn linear(a: ArrayView2<T>) -> Self {
        let (outputs, inputs) = a.dim();
        AffineMap { matrix: Packed::turned(a), offset: None, inputs, outputs }
    }

    /// Inputs and outputs.
    pub fn sizes(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// Takes rows `[n, inputs]` to `[n, outputs]`.
    pub fn apply(&self, x: &[T], y: &mut [T], into: Into) {
        assert!(!x.is_empty() && x.len().is_multiple_of(self.inputs), "rows are whole");
        T::on_lanes(Convolution {
            source: Source::rows(x, self.inputs),
            windows: &[Stretch { at: 0, row: 0, length: self.inputs }],
            matrix: &self.matrix,
            count: Extent { h: 1, w: x.len() / self.inputs },
            target: Target { elements: y, row: 0, pixel: self.outputs, channels: self.outputs },
            offset: self.offset.as_deref(),
            into,
        });
    }
}

/// Adds to `sum`, `[inputs, width]`, the sum over n rows of the products of each of `inputs`
/// numbers of x with each of `width` numbers of y, which are whole registers.
pub fn correlate<T: Real>(
    (x, inputs): (Source<T>, usize),
    (y, width): (Source<T>, usize),
    n: usize,
    sum: &mut [T],
) {
    T::on_lanes(Correlation {
        source: x,
        windows: &[Stretch { at: 0, row: 0, length: inputs }],
        gradient: y,
        width,
        count: Extent { h: 1, w: n },
        sum,
    });
}
