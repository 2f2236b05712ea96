//! Convolutions that read windows where they lie in the image: no window is copied.

use super::Patches;
use crate::shape::Extent;
use crate::train::kernels::{Convolution, Correlation, Packed, Source, Stretch, Target};
use crate::train::lanes::MOST_LANES;
use crate::train::matmul::{Into, Real, vectorised};
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

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

/// What one sample is worked on with; what is left in it means nothing.
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

/// Fewer channels leave most of a register idle.
const LEAST_CHANNELS: usize = 8;
/// Elements of a sum of gradients that one task works on.
const CHUNK: usize = 1 << 12;
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
        Packed::turned(w_b)
    }

    /// W_b, `[r, columns]`, for the way [back](Self::back).
    pub fn pack_back<T: Real>(&self, w_b: ArrayView2<T>) -> Packed<T> {
        let channels = self.patches.input.channels;
        Packed::new((self.patches.window.area() * self.r, channels), |i, of_panel| {
            let first = i / self.r * channels;
            let columns = first + of_panel.start..first + of_panel.end;
            w_b.slice_move(s![i % self.r, columns]).into_iter().copied()
        })
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
        room.resize(padded.area() * channels, T::zero());
        let first = pad.w.min(padded.w);
        let (first, within) = (first * channels, input.width.min(padded.w - first) * channels);
        let (above, rows) = room.split_at_mut(pad.h.min(padded.h) * padded.w * channels);
        above.fill(T::zero());
        let mut from = x.chunks(input.width * channels);
        for to in rows.chunks_mut(padded.w * channels) {
            let Some(from) = from.next() else {
                to.fill(T::zero());
                continue;
            };
            to[..first].fill(T::zero());
            to[first..][..within].copy_from_slice(&from[..within]);
            to[first + within..].fill(T::zero());
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
            offset: None,
            into: Into::Place,
        });
    }

    /// Begins a sum of gradients.
    pub fn clear<T: Real>(&self, room: &mut Room<T>) {
        room.weights.clear();
        room.weights.resize(self.patches.columns() * self.width, T::zero());
    }

    /// Takes dL/du of one sample, `[patches, r]`, to that of W_b, which it adds to the sum, and to
    /// dL/dx, `[elements]`, where asked for. `du` places the numbers of a row of patches, of which
    /// it is given the place of the first.
    pub fn back<T: Real>(
        &self,
        x: &[T],
        du: impl Fn(&mut [T], usize),
        room: &mut Room<T>,
        dx: Option<(&mut [T], &Packed<T>, Into)>,
    ) {
        self.take(du, room);
        let Patches { down, across, .. } = self.patches;
        let (row, from) = self.gradient();
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
        if let Some((dx, w_b, into)) = dx {
            self.inputs(room, dx, w_b, into);
        }
    }

    /// The same to dL/dx alone.
    pub fn back_to_inputs<T: Real>(
        &self,
        du: impl Fn(&mut [T], usize),
        room: &mut Room<T>,
        (dx, w_b, into): (&mut [T], &Packed<T>, Into),
    ) {
        self.take(du, room);
        self.inputs(room, dx, w_b, into);
    }

    /// Elements from a row of dL/du to the next, and before the first one.
    fn gradient(&self) -> (usize, usize) {
        let (size, lead) = self.gradient;
        (size.w * self.width, (lead.h * size.w + lead.w) * self.width)
    }

    /// Takes dL/du between its pads.
    fn take<T: Real>(&self, du: impl Fn(&mut [T], usize), room: &mut Room<T>) {
        let Patches { down, across, .. } = self.patches;
        let (row, from) = self.gradient();
        room.gradient.resize(self.gradient.0.area() * self.width, T::zero());
        room.row.resize(across * self.r, T::zero());
        let (before, rows) = room.gradient.split_at_mut(from);
        before.fill(T::zero());
        for (y, to) in rows.chunks_mut(row).enumerate() {
            if y >= down {
                to.fill(T::zero());
                continue;
            }
            let (to, pads) = to.split_at_mut(across * self.width);
            pads.fill(T::zero());
            let first = y * across * self.r;
            if self.r == self.width {
                du(to, first);
                continue;
            }
            du(&mut room.row, first);
            for (to, from) in to.chunks_mut(self.width).zip(room.row.chunks(self.r)) {
                to[..self.r].copy_from_slice(from);
                to[self.r..].fill(T::zero());
            }
        }
    }

    /// From dL/du to dL/dx.
    fn inputs<T: Real>(&self, room: &Room<T>, dx: &mut [T], w_b: &Packed<T>, into: Into) {
        let Patches { input, step, .. } = self.patches;
        let channels = input.channels;
        for phase in &self.phases {
            let first = (phase.first.h * input.width + phase.first.w) * channels;
            T::on_lanes(Convolution {
                source: Source {
                    elements: &room.gradient,
                    row: self.gradient().0,
                    pixel: self.width,
                },
                windows: &phase.windows,
                matrix: w_b,
                target: Target {
                    elements: &mut dx[first..],
                    row: step.h * input.width * channels,
                    pixel: step.w * channels,
                    channels,
                },
                count: phase.count,
                offset: None,
                into,
            });
        }
    }

    /// The sum of gradients that all rooms have summed up, `[r, columns]`.
    pub fn weights<'a, T: Real>(
        &self,
        rooms: impl Iterator<Item = &'a Room<T>>,
        gradient: &mut Array2<T>,
    ) {
        let rooms: Vec<&[T]> = rooms.map(|room| &room.weights[..]).collect();
        let mut sum = rooms[0].to_vec();
        sum.par_chunks_mut(CHUNK).enumerate().for_each(|(i, sum)| {
            for room in &rooms[1..] {
                let part = &room[i * CHUNK..];
                vectorised!(|| sum.iter_mut().zip(part).for_each(|(sum, v)| *sum += *v));
            }
        });
        for (mut column, row) in gradient.columns_mut().into_iter().zip(sum.chunks(self.width)) {
            column.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
        }
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
        let (mut met, mut room) = (0, Room::default());
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
            // What samples and layers before have left is nothing to the next.
            for sample in 0..2 {
                let mut u = vec![T::real(7.0); patches.per_sample() * r];
                direct.sums(&x, &direct.pack(w_b.view()), &mut room, &mut u);
                let due = windows.dot(&w_b.t());
                assert_eq!(view(&u, due.dim()), due, "{seed}: {patches:?}");
                let du = whole::<T>(patches.per_sample() * r, 3 + sample);
                let du = Array2::from_shape_vec((patches.per_sample(), r), du).unwrap();
                let placed = |row: &mut [T], first: usize| {
                    row.copy_from_slice(&du.as_slice().unwrap()[first..first + row.len()]);
                };
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
                    direct.back(&x, placed, &mut room, asked);
                    assert_eq!(dx, due, "{seed}: {patches:?}");
                }
                direct.back(&x, placed, &mut room, None);
                let mut gradient = Array2::zeros((r, columns));
                direct.weights([&room].into_iter(), &mut gradient);
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
