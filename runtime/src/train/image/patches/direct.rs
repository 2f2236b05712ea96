//! Convolutions that read windows where they lie in the image: no window is copied.
//!
//! Numbers of one register belong to neighbouring channels of the result, so that each of its
//! elements is one chain of multiply-adds, in the same order on any processor.

use super::Patches;
use crate::shape::Extent;
use crate::train::lanes::{Lanes, MOST_LANES, OnLanes};
use crate::train::matmul::{Into, Real};
use ndarray::{Array2, ArrayView2};

/// The products of one sample's windows with a matrix of r rows, and the way back, for a layer
/// without groups.
#[derive(Clone, Debug)]
pub struct Direct {
    patches: Patches,
    r: usize,
    /// Numbers from one pixel of r channels to the next where r is filled up to whole registers.
    width: usize,
    /// The size of the image between its pads, as far as windows reach; none where it has no pads.
    padded: Option<Extent>,
    /// What of each window is in one stretch.
    windows: Vec<Stretch>,
    /// dL/du between pads: its size, and where it begins.
    gradient: (Extent, Extent),
    phases: Vec<Phase>,
}

/// Elements that lie side by side both in the source and in the matrix.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Where it begins in the source, from the window's beginning.
    at: usize,
    /// Its first row in the matrix.
    row: usize,
    length: usize,
}

/// The pixels of the image that windows reach with the same taps: those a step apart.
#[derive(Clone, Debug)]
struct Phase {
    /// The first one.
    first: Extent,
    /// Rows and columns of them.
    count: Extent,
    /// What they read of dL/du.
    windows: Vec<Stretch>,
}

/// What one sample is worked on with.
pub struct Room<T> {
    image: Vec<T>,
    gradient: Vec<T>,
    row: Vec<T>,
    /// `[columns, width]`: the gradient of the matrix, turned.
    weights: Vec<T>,
}

impl<T> Default for Room<T> {
    fn default() -> Self {
        Room { image: vec![], gradient: vec![], row: vec![], weights: vec![] }
    }
}

/// A matrix, turned, whose rows are whole registers.
pub struct Packed<T> {
    entries: Vec<T>,
    width: usize,
}

/// Fewer channels leave most of a register idle.
const LEAST_CHANNELS: usize = 8;
/// Elements of the image and of dL/du whose products are summed up in one go: what the first cache
/// holds.
const CACHED: usize = 6 << 10;

impl Direct {
    /// The direct way of W_b's r products of each window; none where there is another one that is
    /// as good.
    pub fn new(patches: &Patches, r: usize) -> Option<Self> {
        let &Patches { input, window, dilation, step, pad, down, across, groups, .. } = patches;
        if groups != 1 || patches.per_sample() == 1 || r < LEAST_CHANNELS {
            return None;
        }
        let reach = Extent {
            h: (down - 1) * step.h + (window.h - 1) * dilation.h + 1,
            w: (across - 1) * step.w + (window.w - 1) * dilation.w + 1,
        };
        let inside = pad == Extent::square(0) && reach.h <= input.height && reach.w <= input.width;
        let width = r.next_multiple_of(MOST_LANES);
        let row = if inside { input.width } else { reach.w } * input.channels;
        let taps = (0..window.h).flat_map(|ky| (0..window.w).map(move |kx| (ky, kx)));
        let windows = if dilation.w == 1 {
            let length = window.w * input.channels;
            let stretch = |ky| Stretch { at: ky * dilation.h * row, row: ky * length, length };
            (0..window.h).map(stretch).collect()
        } else {
            let length = input.channels;
            let stretch = |(ky, kx)| Stretch {
                at: ky * dilation.h * row + kx * dilation.w * length,
                row: (ky * window.w + kx) * length,
                length,
            };
            taps.clone().map(stretch).collect()
        };
        // A tap further on in the window reads further back in dL/du.
        let lead = |window: usize, dilation: usize, step: usize| (window - 1) * dilation / step;
        let lead =
            Extent { h: lead(window.h, dilation.h, step.h), w: lead(window.w, dilation.w, step.w) };
        let size = Extent {
            h: lead.h + down.max((input.height - 1 + pad.h) / step.h + 1),
            w: lead.w + across.max((input.width - 1 + pad.w) / step.w + 1),
        };
        let firsts = (0..step.h.min(input.height))
            .flat_map(|h| (0..step.w.min(input.width)).map(move |w| Extent { h, w }));
        let phases = firsts.map(|first| {
            let from = |first: usize, tap: usize, step: usize, lead: usize| {
                let apart = first.checked_sub(tap).map_or_else(
                    || (tap - first).is_multiple_of(step).then(|| lead - (tap - first) / step),
                    |apart| apart.is_multiple_of(step).then(|| lead + apart / step),
                );
                apart.map(|at| at * width)
            };
            let windows = taps.clone().filter_map(|(ky, kx)| {
                let y = from(first.h + pad.h, ky * dilation.h, step.h, lead.h)?;
                let x = from(first.w + pad.w, kx * dilation.w, step.w, lead.w)?;
                let row = (ky * window.w + kx) * r;
                Some(Stretch { at: y * size.w + x, row, length: r })
            });
            let count = Extent {
                h: (input.height - first.h).div_ceil(step.h),
                w: (input.width - first.w).div_ceil(step.w),
            };
            Phase { first, count, windows: windows.collect() }
        });
        Some(Direct {
            patches: patches.clone(),
            r,
            width,
            padded: (!inside).then_some(reach),
            windows,
            gradient: (size, lead),
            phases: phases.collect(),
        })
    }

    /// W_b, `[r, columns]`, for [`sums`](Self::sums).
    pub fn pack<T: Real>(&self, w_b: ArrayView2<T>) -> Packed<T> {
        let mut entries = vec![T::zero(); w_b.ncols() * self.width];
        for (row, column) in entries.chunks_mut(self.width).zip(w_b.columns()) {
            row.iter_mut().zip(column).for_each(|(to, from)| *to = *from);
        }
        Packed { entries, width: self.width }
    }

    /// W_b, `[r, columns]`, for the way [back](Self::back).
    pub fn pack_back<T: Real>(&self, w_b: ArrayView2<T>) -> Packed<T> {
        let channels = self.patches.input.channels;
        let width = channels.next_multiple_of(MOST_LANES);
        let mut entries = vec![T::zero(); self.patches.window.area() * self.r * width];
        for (i, row) in entries.chunks_mut(width).enumerate() {
            let (tap, product) = (i / self.r, i % self.r);
            let from = w_b.row(product);
            row.iter_mut()
                .zip(from.iter().skip(tap * channels).take(channels))
                .for_each(|(to, from)| *to = *from);
        }
        Packed { entries, width }
    }

    /// A sample between its pads.
    fn image<'a, T: Real>(&self, x: &'a [T], room: &'a mut Vec<T>) -> Source<'a, T> {
        let Patches { input, step, pad, .. } = self.patches;
        let channels = input.channels;
        let source = |elements: &'a [T], width: usize| Source {
            elements,
            row: step.h * width * channels,
            pixel: step.w * channels,
        };
        let Some(padded) = self.padded else { return source(x, input.width) };
        // Pads are never written, so they stay 0.
        room.resize(padded.area() * channels, T::zero());
        let first = pad.w.min(padded.w);
        let within = input.width.min(padded.w - first) * channels;
        let rows = room.chunks_mut(padded.w * channels).skip(pad.h);
        for (to, from) in rows.zip(x.chunks(input.width * channels)) {
            to[first * channels..][..within].copy_from_slice(&from[..within]);
        }
        source(room, padded.w)
    }

    /// `u = W_b · x` of one sample: `[elements]` to `[patches, r]`.
    pub fn sums<T: Real>(&self, x: &[T], w_b: &Packed<T>, room: &mut Room<T>, u: &mut [T]) {
        let Patches { down, across, .. } = self.patches;
        T::on_lanes(Convolution {
            source: self.image(x, &mut room.image),
            windows: &self.windows,
            matrix: w_b,
            target: Target { elements: u, row: across * self.r, pixel: self.r, channels: self.r },
            count: Extent { h: down, w: across },
            into: Into::Place,
        });
    }

    /// Begins a sum of gradients.
    pub fn clear<T: Real>(&self, room: &mut Room<T>) {
        room.weights.clear();
        room.weights.resize(self.patches.columns() * self.width, T::zero());
    }

    /// Takes dL/du of one sample, `[patches, r]`, to that of W_b, which it adds to the sum, and to
    /// dL/dx, `[elements]`, where asked for. `finish` is given each row of patches, and the place
    /// of its first number, and does what is left to do to it.
    pub fn back<T: Real>(
        &self,
        x: &[T],
        (du, finish): (&[T], impl Fn(&mut [T], usize)),
        room: &mut Room<T>,
        dx: Option<(&mut [T], &Packed<T>, Into)>,
    ) {
        let Patches { input, step, down, across, .. } = self.patches;
        let (size, lead) = self.gradient;
        let (row, from) = (size.w * self.width, (lead.h * size.w + lead.w) * self.width);
        room.gradient.resize(size.area() * self.width, T::zero());
        let length = across * self.r;
        room.row.resize(length, T::zero());
        let rows = room.gradient[from..].chunks_mut(row).zip(du.chunks(length));
        for (first, (to, from)) in (0..).step_by(length).zip(rows) {
            if self.r == self.width {
                to[..length].copy_from_slice(from);
                finish(&mut to[..length], first);
                continue;
            }
            room.row.copy_from_slice(from);
            finish(&mut room.row, first);
            for (to, from) in to.chunks_mut(self.width).zip(room.row.chunks(self.r)) {
                to[..self.r].copy_from_slice(from);
            }
        }
        let image = self.image(x, &mut room.image);
        let together = (CACHED / (image.row + row)).max(1);
        for first in (0..down).step_by(together) {
            T::on_lanes(Correlation {
                source: Source { elements: &image.elements[first * image.row..], ..image },
                windows: &self.windows,
                gradient: Source {
                    elements: &room.gradient[from + first * row..],
                    row,
                    pixel: self.width,
                },
                width: self.width,
                count: Extent { h: together.min(down - first), w: across },
                sum: &mut room.weights,
            });
        }
        let Some((dx, w_b, into)) = dx else { return };
        let channels = input.channels;
        for phase in &self.phases {
            let first = (phase.first.h * input.width + phase.first.w) * channels;
            T::on_lanes(Convolution {
                source: Source { elements: &room.gradient, row, pixel: self.width },
                windows: &phase.windows,
                matrix: w_b,
                target: Target {
                    elements: &mut dx[first..],
                    row: step.h * input.width * channels,
                    pixel: step.w * channels,
                    channels,
                },
                count: phase.count,
                into,
            });
        }
    }

    /// The sum of gradients, `[r, columns]`.
    pub fn weights<T: Real>(&self, room: &Room<T>, gradient: &mut Array2<T>) {
        for (mut column, row) in
            gradient.columns_mut().into_iter().zip(room.weights.chunks(self.width))
        {
            column.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Windows that begin a row or a pixel apart.
#[derive(Clone, Copy)]
struct Source<'a, T> {
    elements: &'a [T],
    /// Elements from a row of windows to the next.
    row: usize,
    /// Elements from a window to the next one of its row.
    pixel: usize,
}

impl<T> Source<'_, T> {
    /// Whether so many windows of that size lie within.
    fn holds(&self, count: Extent, window: usize) -> bool {
        (count.h - 1) * self.row + (count.w - 1) * self.pixel + window <= self.elements.len()
    }
}

/// Where results go.
struct Target<'a, T> {
    elements: &'a mut [T],
    row: usize,
    pixel: usize,
    /// Results of one window.
    channels: usize,
}

/// How far a window reaches in its source, and in the matrix.
fn reach(windows: &[Stretch]) -> (usize, usize) {
    let end = |end: fn(&Stretch) -> usize| windows.iter().map(end).max().unwrap_or_default();
    (end(|s| s.at + s.length), end(|s| s.row + s.length))
}

/// The products of windows with a matrix.
struct Convolution<'a, T> {
    source: Source<'a, T>,
    windows: &'a [Stretch],
    matrix: &'a Packed<T>,
    target: Target<'a, T>,
    count: Extent,
    into: Into,
}

impl<T: Real> OnLanes<T> for Convolution<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T>>(mut self, lanes: L) {
        let Convolution { source, windows, matrix, target, count, .. } = &self;
        let ((window, rows), width) = (reach(windows), matrix.width);
        let (count, channels) = (*count, target.channels);
        let last = (count.h - 1) * target.row + (count.w - 1) * target.pixel;
        assert!(source.holds(count, window));
        assert!(rows * width <= matrix.entries.len() && width.is_multiple_of(L::COUNT));
        assert!(last + channels <= target.elements.len() && channels <= width);
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
            // As many registers of sums as there are, less those of a matrix's row.
            x += if L::MANY && V == 1 && rest >= 16 {
                self.windows_at::<L, V, 16>(lanes, y, x, v)
            } else if (L::MANY || V == 1) && rest >= 8 {
                self.windows_at::<L, V, 8>(lanes, y, x, v)
            } else if rest >= 4 {
                self.windows_at::<L, V, 4>(lanes, y, x, v)
            } else {
                self.windows_at::<L, V, 1>(lanes, y, x, v)
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
        let Convolution { source, windows, matrix, target, into, .. } = self;
        let mut sums = [[lanes.splat(T::zero()); V]; W];
        for stretch in windows.iter() {
            // SAFETY: `run` asserts that the last window lies within the source, all rows that
            // windows name within the matrix, and that its rows are whole registers.
            unsafe {
                let first = y * source.row + x * source.pixel + stretch.at;
                let from: [*const T; W] =
                    std::array::from_fn(|i| source.elements.as_ptr().add(first + i * source.pixel));
                let mut row = matrix.entries.as_ptr().add(stretch.row * matrix.width + v);
                for k in 0..stretch.length {
                    let entries: [L::Register; V] =
                        std::array::from_fn(|v| lanes.load(row.add(v * L::COUNT)));
                    for (sums, from) in sums.iter_mut().zip(from) {
                        let element = lanes.splat(*from.add(k));
                        for (sum, entry) in sums.iter_mut().zip(entries) {
                            *sum = lanes.multiply_add(element, entry, *sum);
                        }
                    }
                    row = row.add(matrix.width);
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
struct Correlation<'a, T> {
    source: Source<'a, T>,
    windows: &'a [Stretch],
    gradient: Source<'a, T>,
    /// Numbers of a gradient, and of a row of the sum: whole registers.
    width: usize,
    count: Extent,
    sum: &'a mut [T],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::image::patches::{tests::any_patches, view};
    use ndarray::Array1;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Numbers whose products and sums are exact.
    fn whole<T: Real>(n: usize, seed: usize) -> Vec<T> {
        (0..n).map(|i| T::real(((i * 31 + seed * 17 + i * i % 7) % 9) as f64 - 4.0)).collect()
    }

    fn are_those_of_gathered_windows<T: Real>() {
        let mut met = 0;
        for seed in 0..600 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let patches = any_patches(&mut rng);
            let r = 8 + seed as usize % 31;
            let Some(direct) = Direct::new(&patches, r) else { continue };
            met += 1;
            let (elements, columns) = (patches.elements().0, patches.columns());
            let x = whole::<T>(elements, 1);
            let w_b = Array2::from_shape_vec((r, columns), whole::<T>(r * columns, 2)).unwrap();
            let mut buffer = vec![];
            let windows = patches.gather_rows(&x, 0..patches.per_sample(), &mut buffer);
            let mut room = Room::default();
            // What a sample before has left is nothing to the next.
            for sample in 0..2 {
                let mut u = vec![T::real(7.0); patches.per_sample() * r];
                direct.sums(&x, &direct.pack(w_b.view()), &mut room, &mut u);
                let due = windows.dot(&w_b.t());
                assert_eq!(view(&u, due.dim()), due, "{seed}: {patches:?}");
                let du = whole::<T>(patches.per_sample() * r, 3 + sample);
                let du = Array2::from_shape_vec((patches.per_sample(), r), du).unwrap();
                let (rows, back) =
                    (du.dot(&w_b).as_standard_layout().into_owned(), direct.pack_back(w_b.view()));
                for into in [Into::Place, Into::Sum] {
                    let begun = Array1::from_elem(elements, T::real(5.0));
                    let (mut due, mut dx) = (begun.to_vec(), begun.to_vec());
                    if into == Into::Place {
                        due.fill(T::zero());
                    }
                    patches.scatter_rows(
                        rows.as_slice().unwrap(),
                        0..patches.per_sample(),
                        &mut due,
                    );
                    direct.clear(&mut room);
                    let asked = Some((&mut dx[..], &back, into));
                    // What is left to do turns the signs back.
                    let turned = du.mapv(|d| -d);
                    let finish = |row: &mut [T], first: usize| {
                        for (d, due) in row.iter_mut().zip(&turned.as_slice().unwrap()[first..]) {
                            assert_eq!(d, due);
                            *d = -*d;
                        }
                    };
                    let du = (turned.as_slice().unwrap(), finish);
                    direct.back(&x, du, &mut room, asked);
                    assert_eq!(dx, due, "{seed}: {patches:?}");
                }
                direct.back(&x, (du.as_slice().unwrap(), |_: &mut [T], _| ()), &mut room, None);
                let mut gradient = Array2::zeros((r, columns));
                direct.weights(&room, &mut gradient);
                assert_eq!(gradient, du.t().dot(&windows) * T::real(2.0), "{seed}: {patches:?}");
            }
        }
        assert!(met > 300, "{met}");
    }

    #[test]
    fn sums_and_gradients_are_those_of_gathered_windows() {
        are_those_of_gathered_windows::<f32>();
        are_those_of_gathered_windows::<f64>();
    }
}
