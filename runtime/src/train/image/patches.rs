//! How a convolution's images become rows of matrix products, and back (im2col, for output
//! patches).

use crate::network::plan::{Linear, Pool};
use crate::shape::{Extent, Shape};
use crate::train::matmul::{Into, Real, vectorised};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, LinalgScalar, concatenate};
use rayon::prelude::*;
use std::ops::Range;

pub mod direct;

/// The windows of a linear layer: a row for every output patch of every sample. A dense layer has
/// one patch of one pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    input: Shape,
    output: Shape,
    /// The pixels of a window, K.
    window: Extent,
    /// Pixels of the image from one of them to the next.
    dilation: Extent,
    /// Pixels between windows.
    step: Extent,
    pad: Extent,
    /// An output patch, p.
    patch: Extent,
    groups: usize,
    down: usize,
    across: usize,
}

impl Patches {
    /// The patches of a layer between images of these shapes.
    pub fn new(linear: &Linear, input: Shape, output: Shape) -> Self {
        let (down, across) = linear.patches(output);
        let (window, step, pad) = (linear.taps(), linear.step(), linear.lead());
        let Linear { dilation, patch, groups, .. } = *linear;
        Patches { input, output, window, dilation, step, pad, patch, groups, down, across }
    }

    /// The patches of a dense layer: a row is a sample.
    pub fn whole_samples(inputs: usize, outputs: usize) -> Self {
        let (input, output) = (Shape::vector(inputs), Shape::vector(outputs));
        let [window, dilation, step, patch] = [Extent::ONE; 4];
        let (pad, groups, down, across) = (Extent::square(0), 1, 1, 1);
        Patches { input, output, window, dilation, step, pad, patch, groups, down, across }
    }

    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.output.channels
    }

    /// Patches of one sample.
    pub fn per_sample(&self) -> usize {
        self.down * self.across
    }

    /// Elements of one window.
    pub fn columns(&self) -> usize {
        self.window.area() * self.input.channels
    }

    /// Whether every window is a whole sample, so that rows are samples as they are.
    pub fn whole(&self) -> bool {
        self.per_sample() == 1 && self.input.pixels() == 1 && self.window == Extent::ONE
    }

    /// Whether the pixels of patches are those of the image, in order.
    pub fn aligned(&self) -> bool {
        self.patch == Extent::ONE
    }

    /// Elements of one sample, and of its output.
    pub fn elements(&self) -> (usize, usize) {
        (self.input.elements(), self.output.elements())
    }

    /// The samples that rows belong to, and their patches.
    fn places(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
        let per_sample = self.per_sample();
        rows.map(move |row| (row / per_sample, row % per_sample))
    }

    /// `[n, elements]` to some of the rows of `[n · patches, columns]`, in the order group, row,
    /// column, channel; pads are 0. `buffer` holds the result where it is not x itself.
    pub fn gather_rows<'a, T: Real>(
        &self,
        x: &'a [T],
        rows: Range<usize>,
        buffer: &'a mut Vec<T>,
    ) -> ArrayView2<'a, T> {
        let (columns, elements) = (self.columns(), self.input.elements());
        let shape = (rows.len(), columns);
        if self.whole() {
            return view(&x[rows.start * columns..rows.end * columns], shape);
        }
        buffer.resize(rows.len() * columns, T::zero());
        for ((sample, patch), to) in self.places(rows).zip(buffer.chunks_mut(columns)) {
            self.gather_row(&x[sample * elements..][..elements], patch, to);
        }
        view(buffer, shape)
    }

    /// One patch of a sample.
    fn gather_row<T: Real>(&self, from: &[T], patch: usize, to: &mut [T]) {
        if !self.is_inside(patch) {
            to.fill(T::zero());
        }
        self.runs(patch, |at, pixel, length| {
            to[at..at + length].copy_from_slice(&from[pixel..pixel + length])
        });
    }

    /// The windows of one sample of a layer without groups, turned, `[columns + 1, patches]`: the
    /// last row is all ones.
    pub fn gather_turned<'a, T: Real>(&self, x: &[T], buffer: &'a mut Vec<T>) -> ArrayView2<'a, T> {
        let Shape { height, width, channels } = self.input;
        let (k, rows, stride) = (self.window.w, self.per_sample(), self.step.w * channels);
        buffer.resize((self.columns() + 1) * rows, T::zero());
        let (windows, ones) = buffer.split_at_mut(self.columns() * rows);
        ones.fill(T::one());
        for (i, to) in windows.chunks_mut(self.across).enumerate() {
            let (element, down) = (i / self.down, i % self.down);
            let (ky, kx, channel) =
                (element / channels / k, element / channels % k, element % channels);
            let (ky, kx) = (ky * self.dilation.h, kx * self.dilation.w);
            // Patches whose pixel lies within the image.
            let first = self.pad.w.saturating_sub(kx).div_ceil(self.step.w).min(self.across);
            let end = (width + self.pad.w)
                .saturating_sub(kx)
                .div_ceil(self.step.w)
                .clamp(first, self.across);
            let y = (down * self.step.h + ky)
                .checked_sub(self.pad.h)
                .filter(|y| *y < height && first < end);
            let Some(y) = y else {
                to.fill(T::zero());
                continue;
            };
            let from =
                &x[(y * width + first * self.step.w + kx - self.pad.w) * channels + channel..];
            to[..first].fill(T::zero());
            to[end..].fill(T::zero());
            let to = &mut to[first..end];
            if stride == 1 {
                to.copy_from_slice(&from[..end - first]);
            } else {
                to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
            }
        }
        view(buffer, (self.columns() + 1, rows))
    }

    /// Adds some of the rows of `[n · patches, columns]` back to where
    /// [`gather_rows`](Self::gather_rows) took them from.
    pub fn scatter_rows<T: Real>(&self, from: &[T], rows: Range<usize>, x: &mut [T]) {
        let (columns, elements) = (self.columns(), self.input.elements());
        vectorised!(|| {
            for ((sample, patch), from) in self.places(rows).zip(from.chunks(columns)) {
                let to = &mut x[sample * elements..][..elements];
                self.runs(patch, |at, pixel, length| {
                    for (to, from) in
                        to[pixel..pixel + length].iter_mut().zip(&from[at..at + length])
                    {
                        *to += *from;
                    }
                });
            }
        });
    }

    /// `[n, elements]` to `[n · patches, columns]`, see [`gather_rows`](Self::gather_rows).
    pub fn gather<'a, T: Real>(
        &self,
        x: ArrayView2<'a, T>,
        buffer: &'a mut Array2<T>,
    ) -> ArrayView2<'a, T> {
        if self.whole() {
            return x;
        }
        let (rows, columns, elements) = (self.per_sample(), self.columns(), self.input.elements());
        fit(buffer, (x.nrows() * rows, columns));
        // Batches and buffers are in standard layout.
        let (Some(from), Some(to)) = (x.to_slice(), buffer.as_slice_mut()) else { unreachable!() };
        (to.par_chunks_mut(rows * columns)).zip(from.par_chunks(elements)).for_each(
            |(to, from)| {
                to.chunks_mut(columns)
                    .enumerate()
                    .for_each(|(patch, to)| self.gather_row(from, patch, to));
            },
        );
        buffer.view()
    }

    /// Adds `[n · patches, columns]` back to where [`gather`](Self::gather) took it from: to what x
    /// holds, or in its place.
    pub fn scatter<T: Real>(&self, rows: ArrayView2<T>, x: &mut Array2<T>, into: Into) {
        let (Some(from), Some(to)) = (rows.to_slice(), x.as_slice_mut()) else { unreachable!() };
        (to.par_chunks_mut(self.input.elements()))
            .zip(from.par_chunks(self.per_sample() * self.columns()))
            .for_each(|(to, from)| {
                if into == Into::Place {
                    to.fill(T::zero());
                }
                self.scatter_rows(from, 0..self.per_sample(), to);
            });
    }

    /// Whether no pixel of the window is a pad.
    fn is_inside(&self, patch: usize) -> bool {
        let (y, x) = (patch / self.across * self.step.h, patch % self.across * self.step.w);
        let inside = |at: usize, window: usize, length: usize, pad: usize| {
            at >= pad && at + window <= length + pad
        };
        let Extent { h, w } = self.window.dilated(self.dilation);
        inside(y, h, self.input.height, self.pad.h) && inside(x, w, self.input.width, self.pad.w)
    }

    /// Every stretch of elements that lie side by side both in a patch's row and in the image:
    /// where in the row, where in the image, how many.
    #[inline(always)]
    fn runs(&self, patch: usize, mut run: impl FnMut(usize, usize, usize)) {
        let Shape { height, width, channels } = self.input;
        let (Extent { h, w: k }, group) = (self.window, channels / self.groups);
        let (y0, x0) = (patch / self.across * self.step.h, patch % self.across * self.step.w);
        let dilation = self.dilation;
        // Columns of the window that lie within the image.
        let first = self.pad.w.saturating_sub(x0).div_ceil(dilation.w).min(k);
        let end = (width + self.pad.w).saturating_sub(x0).div_ceil(dilation.w).min(k).max(first);
        if first == end {
            return;
        }
        for ky in 0..h {
            let y = (y0 + ky * dilation.h).checked_sub(self.pad.h);
            let Some(y) = y.filter(|y| *y < height) else {
                continue;
            };
            let row = ky * k * group;
            let pixel = (y * width + x0 + first * dilation.w - self.pad.w) * channels;
            if self.groups == 1 && dilation.w == 1 {
                run(row + first * channels, pixel, (end - first) * channels);
            } else {
                for (kx, g) in (first..end).flat_map(|kx| (0..self.groups).map(move |g| (kx, g))) {
                    let at = row + g * h * k * group + kx * group;
                    run(at, pixel + (kx - first) * dilation.w * channels + g * group, group);
                }
            }
        }
    }

    /// Some of the rows of `[n · patches, p_h · p_w · c_out]` to their pixels in `[n · pixels,
    /// c_out]`; what lies beyond is dropped.
    pub fn crop_rows<T: Real>(&self, from: &[T], rows: Range<usize>, to: &mut [T]) {
        let (p, c, elements) = (self.patch.area(), self.output.channels, self.output.elements());
        for ((sample, patch), from) in self.places(rows).zip(from.chunks(p * c)) {
            let to = &mut to[sample * elements..][..elements];
            self.pixels(patch, |pixel, at| {
                to[pixel * c..][..c].copy_from_slice(&from[at * c..][..c])
            });
        }
    }

    /// The gradient of [`crop_rows`](Self::crop_rows): what was dropped has none.
    pub fn uncrop_rows<T: Real>(&self, from: &[T], rows: Range<usize>, to: &mut [T]) {
        let (p, c, elements) = (self.patch.area(), self.output.channels, self.output.elements());
        for ((sample, patch), to) in self.places(rows).zip(to.chunks_mut(p * c)) {
            let from = &from[sample * elements..][..elements];
            to.fill(T::zero());
            self.pixels(patch, |pixel, at| {
                to[at * c..][..c].copy_from_slice(&from[pixel * c..][..c])
            });
        }
    }

    /// `[n · patches, p_h · p_w · c_out]` to the pixels of the images, `[n · pixels, c_out]`, see
    /// [`crop_rows`](Self::crop_rows).
    pub fn crop<'a, T: Real>(
        &self,
        y: ArrayView2<'a, T>,
        buffer: &'a mut Array2<T>,
    ) -> ArrayView2<'a, T> {
        if self.aligned() {
            return y;
        }
        let (rows, elements, c) = (self.per_sample(), self.output.elements(), self.output.channels);
        fit(buffer, (y.nrows() / rows * self.output.pixels(), c));
        let (Some(from), Some(to)) = (y.to_slice(), buffer.as_slice_mut()) else { unreachable!() };
        (to.par_chunks_mut(elements).zip(from.par_chunks(rows * y.ncols())))
            .for_each(|(to, from)| self.crop_rows(from, 0..rows, to));
        buffer.view()
    }

    /// The gradient of [`crop`](Self::crop).
    pub fn uncrop<'a, T: Real>(
        &self,
        dy: ArrayView2<'a, T>,
        buffer: &'a mut Array2<T>,
    ) -> ArrayView2<'a, T> {
        if self.aligned() {
            return dy;
        }
        let (rows, elements, c) = (self.per_sample(), self.output.elements(), self.output.channels);
        let columns = self.patch.area() * c;
        fit(buffer, (dy.nrows() / self.output.pixels() * rows, columns));
        let (Some(from), Some(to)) = (dy.to_slice(), buffer.as_slice_mut()) else { unreachable!() };
        (to.par_chunks_mut(rows * columns).zip(from.par_chunks(elements)))
            .for_each(|(to, from)| self.uncrop_rows(from, 0..rows, to));
        buffer.view()
    }

    /// Every pixel of a patch that lies within the output: its place there, and in the patch.
    fn pixels(&self, patch: usize, mut pixel: impl FnMut(usize, usize)) {
        let p = self.patch;
        let (y0, x0) = (patch / self.across * p.h, patch % self.across * p.w);
        for y in y0..(y0 + p.h).min(self.output.height) {
            for x in x0..(x0 + p.w).min(self.output.width) {
                pixel(y * self.output.width + x, (y - y0) * p.w + x - x0);
            }
        }
    }
}

/// Samples to work on at a time where all rows of one have so many elements, `columns`: images go
/// in fewer.
pub fn piece(columns: usize) -> usize {
    ((1 << 18) / columns.max(1)).clamp(1, 512)
}

/// Works on samples, `[n, elements]`, a few at a time, on all threads; the results in order.
/// `columns` are the elements of all rows of one sample, of which no more are in memory than the
/// threads work on.
pub fn in_pieces<T: Sync, R: Send>(
    x: ArrayView2<T>,
    columns: usize,
    work: impl Fn(ArrayView2<T>) -> R + Sync + Send,
) -> Vec<R> {
    x.axis_chunks_iter(Axis(0), piece(columns)).into_par_iter().map(work).collect()
}

/// The rows of all pieces; there is at least one, and all have as many columns.
pub fn stack<T: Clone>(mut pieces: Vec<Array2<T>>) -> Array2<T> {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let views: Vec<_> = pieces.iter().map(|piece| piece.view()).collect();
    concatenate(Axis(0), &views).expect("pieces have as many columns")
}

/// Gives a buffer a shape.
pub fn fit<T: LinalgScalar>(buffer: &mut Array2<T>, shape: (usize, usize)) {
    if buffer.dim() != shape {
        *buffer = Array2::zeros(shape);
    }
}

/// A slice as a matrix of its size.
pub fn view<T>(slice: &[T], shape: (usize, usize)) -> ArrayView2<'_, T> {
    let Ok(view) = ArrayView2::from_shape(shape, slice) else {
        unreachable!("{} entries as {shape:?}", slice.len())
    };
    view
}

/// A slice as a matrix of its size.
pub fn view_mut<T>(slice: &mut [T], shape: (usize, usize)) -> ArrayViewMut2<'_, T> {
    let Ok(view) = ArrayViewMut2::from_shape(shape, slice) else {
        unreachable!("a matrix of {shape:?}")
    };
    view
}

/// The larger of two pixels, channel by channel, and which one that is.
#[inline(always)]
fn first_of_two<T: Real>(x0: &[T], x1: &[T], z: &mut [T], which: &mut [u32]) {
    for ((which, x0), x1) in which.iter_mut().zip(x0).zip(x1) {
        *which = u32::from(x1 > x0);
    }
    for ((z, &x0), &x1) in z.iter_mut().zip(x0).zip(x1) {
        *z = if x1 > x0 { x1 } else { x0 };
    }
}

/// The larger of z and pixel i, channel by channel; `which`, below i before, becomes i where that
/// is pixel i.
#[inline(always)]
fn larger_of_two<T: Real>(x: &[T], i: u32, z: &mut [T], which: &mut [u32]) {
    for ((which, x), z) in which.iter_mut().zip(x).zip(z.iter()) {
        // No choice, for the reason that `is_positive` gives.
        *which += u32::from(x > z) * (i - *which);
    }
    for (z, &x) in z.iter_mut().zip(x) {
        *z = if x > *z { x } else { *z };
    }
}

/// The windows of a pooling layer, channel by channel.
#[derive(Clone, Debug)]
pub struct Windows {
    /// The input pixels in the window of every output pixel.
    pixels: Vec<Vec<usize>>,
    input: Shape,
    output: Shape,
    /// Elements of a window, pads included.
    area: usize,
    /// Whether every input pixel is in one window.
    tiles: bool,
}

impl Windows {
    /// The windows of a layer between images of these shapes.
    pub fn new(pool: &Pool, input: Shape, output: Shape) -> Self {
        let inside =
            |at: usize, pad: usize, length: usize| at.checked_sub(pad).filter(|at| *at < length);
        let pixels = (0..output.pixels())
            .map(|pixel| {
                let (y, x) =
                    (pixel / output.width * pool.stride.h, pixel % output.width * pool.stride.w);
                let rows = (y..y + pool.size.h).filter_map(|y| inside(y, pool.pad.h, input.height));
                rows.flat_map(|y| {
                    let columns =
                        (x..x + pool.size.w).filter_map(|x| inside(x, pool.pad.w, input.width));
                    columns.map(move |x| y * input.width + x)
                })
                .collect()
            })
            .collect::<Vec<Vec<_>>>();
        let tiles = pool.stride == pool.size
            && pixels.iter().map(Vec::len).sum::<usize>() == input.pixels();
        Windows { pixels, input, output, area: pool.size.area(), tiles }
    }

    /// The one window of one pixel: the last of an image of one row.
    pub fn last(input: Shape) -> Self {
        let pixels = vec![vec![input.pixels() - 1]];
        let output = Shape::vector(input.channels);
        Windows { pixels, input, output, area: 1, tiles: false }
    }

    /// A window of one pixel for each pixel of an image of one row, from the last one on.
    pub fn reversed(input: Shape) -> Self {
        let pixels = (0..input.pixels()).rev().map(|pixel| vec![pixel]).collect();
        Windows { pixels, input, output: input, area: 1, tiles: true }
    }

    /// A window of one pixel for each pixel of an image that is larger by `size`: the nearest one.
    pub fn nearest(size: Extent, input: Shape, output: Shape) -> Self {
        let nearest = |pixel: usize| {
            pixel / output.width / size.h * input.width + pixel % output.width / size.w
        };
        let pixels = (0..output.pixels()).map(|pixel| vec![nearest(pixel)]).collect();
        Windows { pixels, input, output, area: 1, tiles: false }
    }

    /// Elements of an output.
    pub fn outputs(&self) -> usize {
        self.output.elements()
    }

    /// The largest of each window, and which pixel of the window it is: the first where several are
    /// equal.
    pub fn largest<T: Real>(&self, x: ArrayView2<T>, z: &mut Array2<T>, which: &mut Array2<u32>) {
        let slices = (x.to_slice(), z.as_slice_mut(), which.as_slice_mut());
        let (Some(x), Some(z), Some(which)) = slices else { unreachable!() };
        (z.par_chunks_mut(self.outputs()).zip(which.par_chunks_mut(self.outputs())))
            .zip(x.par_chunks(self.input.elements()))
            .for_each(|((z, which), x)| self.largest_of(x, z, which));
    }

    /// [`largest`](Self::largest) of one sample.
    pub fn largest_of<T: Real>(&self, x: &[T], z: &mut [T], which: &mut [u32]) {
        let c = self.input.channels;
        vectorised!(|| {
            for ((z, which), window) in z.chunks_mut(c).zip(which.chunks_mut(c)).zip(&self.pixels) {
                let pixel = |i: usize| &x[window[i] * c..][..c];
                first_of_two(pixel(0), pixel(1.min(window.len() - 1)), z, which);
                for i in 2..window.len() {
                    larger_of_two(pixel(i), i as u32, z, which);
                }
            }
        });
    }

    /// The mean of each window; pads are 0 and count.
    pub fn mean<T: Real>(&self, x: ArrayView2<T>, z: &mut Array2<T>) {
        self.sums(x, 1.0 / self.area as f64, z);
    }

    /// The mean of each window where its size is a power of two, else the sum: exact either way.
    pub fn share<T: Real>(&self, x: ArrayView2<T>, z: &mut Array2<T>) {
        self.sums(x, self.scale(), z);
    }

    fn sums<T: Real>(&self, x: ArrayView2<T>, share: f64, z: &mut Array2<T>) {
        let (c, share) = (self.input.channels, T::real(share));
        let (Some(x), Some(z)) = (x.to_slice(), z.as_slice_mut()) else { unreachable!() };
        z.par_chunks_mut(self.outputs()).zip(x.par_chunks(self.input.elements())).for_each(
            |(z, x)| {
                for (z, window) in z.chunks_mut(c).zip(&self.pixels) {
                    z.fill(T::zero());
                    for pixel in window {
                        z.iter_mut().zip(&x[pixel * c..]).for_each(|(z, x)| *z += *x * share);
                    }
                }
            },
        );
    }

    /// The gradient of [`largest`](Self::largest), added to dx or in its place.
    pub fn to_largest<T: Real>(
        &self,
        dz: ArrayView2<T>,
        which: &Array2<u32>,
        dx: &mut Array2<T>,
        into: Into,
    ) {
        let (Some(dz), Some(which), Some(dx)) =
            (dz.to_slice(), which.as_slice(), dx.as_slice_mut())
        else {
            unreachable!()
        };
        (dx.par_chunks_mut(self.input.elements()))
            .zip(dz.par_chunks(self.outputs()).zip(which.par_chunks(self.outputs())))
            .for_each(|(dx, (dz, which))| self.to_largest_of(dz, which, dx, into));
    }

    /// [`to_largest`](Self::to_largest) of one sample.
    pub fn to_largest_of<T: Real>(&self, dz: &[T], which: &[u32], dx: &mut [T], into: Into) {
        if into == Into::Place && self.tiles {
            return self.each_chosen(dz, which, dx, |_, dz| dz);
        }
        if into == Into::Place {
            dx.fill(T::zero());
        }
        self.each_chosen(dz, which, dx, |dx, dz| dx + dz);
    }

    /// Replaces each element of each window by that function of it and of what reaches it.
    #[inline(always)]
    fn each_chosen<T: Real>(&self, dz: &[T], which: &[u32], dx: &mut [T], f: impl Fn(T, T) -> T) {
        let c = self.input.channels;
        vectorised!(|| {
            for ((dz, which), window) in dz.chunks(c).zip(which.chunks(c)).zip(&self.pixels) {
                for (i, pixel) in (0..).zip(window) {
                    for ((dx, &dz), &which) in dx[pixel * c..][..c].iter_mut().zip(dz).zip(which) {
                        *dx = f(*dx, if which == i { dz } else { T::zero() });
                    }
                }
            }
        });
    }

    /// The gradient of [`mean`](Self::mean), added to dx or in its place.
    pub fn to_all<T: Real>(&self, dz: ArrayView2<T>, dx: &mut Array2<T>, into: Into) {
        self.to_sums(dz, 1.0 / self.area as f64, dx, into);
    }

    /// The gradient of [`share`](Self::share), added to dx or in its place.
    pub fn to_share<T: Real>(&self, dz: ArrayView2<T>, dx: &mut Array2<T>, into: Into) {
        self.to_sums(dz, self.scale(), dx, into);
    }

    /// What [`share`](Self::share) multiplies sums by.
    fn scale(&self) -> f64 {
        if self.area.is_power_of_two() { 1.0 / self.area as f64 } else { 1.0 }
    }

    /// How many means [`share`](Self::share) yields.
    pub fn means(&self) -> f64 {
        self.scale() * self.area as f64
    }

    /// Fractional bits that the sums have more than the values: none where they do not stand for
    /// means.
    pub fn more_frac(&self) -> i32 {
        if self.area.is_power_of_two() { self.area.trailing_zeros() as i32 } else { 0 }
    }

    fn to_sums<T: Real>(&self, dz: ArrayView2<T>, share: f64, dx: &mut Array2<T>, into: Into) {
        let (c, share) = (self.input.channels, T::real(share));
        let (Some(dz), Some(dx)) = (dz.to_slice(), dx.as_slice_mut()) else { unreachable!() };
        dx.par_chunks_mut(self.input.elements()).zip(dz.par_chunks(self.outputs())).for_each(
            |(dx, dz)| {
                if into == Into::Place {
                    dx.fill(T::zero());
                }
                for (dz, window) in dz.chunks(c).zip(&self.pixels) {
                    for pixel in window {
                        dx[pixel * c..].iter_mut().zip(dz).for_each(|(dx, dz)| *dx += *dz * share);
                    }
                }
            },
        );
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::network::plan::Linear;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Windows of any kind on an image of any size, some of them wholly outside it.
    pub fn any_patches(rng: &mut ChaCha8Rng) -> Patches {
        let mut extent =
            |most| Extent { h: rng.random_range(1..=most), w: rng.random_range(1..=most) };
        let (kernel, stride, patch) = (extent(4), extent(3), extent(3));
        let pad = extent(3).zip(Extent::ONE, |pad, one| pad - one);
        let dilation = extent(3);
        let (image, output) = (extent(7), extent(6));
        let channels = rng.random_range(1..=3);
        let shape = |image: Extent, channels| Shape { height: image.h, width: image.w, channels };
        let (dense, transposed, groups, r, plain, threshold) = (false, false, 1, 1, false, None);
        let linear = Linear {
            dense,
            transposed,
            kernel,
            stride,
            dilation,
            pad,
            patch,
            groups,
            r,
            plain,
            threshold,
        };
        Patches::new(&linear, shape(image, channels), shape(output, 2))
    }

    #[test]
    fn turned_windows_are_those_of_gather_turned_with_a_row_of_ones() {
        for seed in 0..500 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let patches = any_patches(&mut rng);
            // Pixels are told apart, and from pads. What buffers hold before is nothing to it.
            let x = Array2::from_shape_fn((1, patches.elements().0), |(_, i)| (i + 2) as f32);
            let mut straight = Array2::zeros((0, 0));
            let straight = patches.gather(x.view(), &mut straight);
            let mut buffer = vec![-1.0; rng.random_range(0..400)];
            let turned = patches.gather_turned(x.as_slice().unwrap(), &mut buffer);
            let (windows, ones) = turned.split_at(Axis(0), patches.columns());
            assert_eq!(windows, straight.t(), "seed {seed}: {patches:?}");
            assert!(
                ones.dim() == (1, patches.per_sample()) && ones.iter().all(|one| *one == 1.0),
                "seed {seed}"
            );
        }
    }
}
