//! Two values side by side, pixel by pixel, and the gradient of each. Real values need no
//! alignment.

use crate::shape::Shape;
use crate::train::matmul::{Into, Real};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// The channels of both values.
#[derive(Clone, Copy)]
pub struct Concat([usize; 2]);

/// Elements that one task works on, about.
const ELEMENTS: usize = 1 << 14;

impl Concat {
    /// From the shapes of the first value and of both together.
    pub fn new(first: Shape, both: Shape) -> Self {
        Concat([first.channels, both.channels - first.channels])
    }

    /// What `each` makes of every element, to z.
    pub fn forward<T: Real>(
        self,
        [a, b]: [ArrayView2<T>; 2],
        z: &mut Array2<T>,
        each: impl Fn(T) -> T + Sync,
    ) {
        let Concat([of_a, of_b]) = self;
        // Values are in standard layout.
        let (Some(a), Some(b), Some(z)) = (a.to_slice(), b.to_slice(), z.as_slice_mut()) else {
            unreachable!()
        };
        let pixels = (ELEMENTS / (of_a + of_b)).max(1);
        let work = (
            z.par_chunks_mut(pixels * (of_a + of_b)),
            a.par_chunks(pixels * of_a),
            b.par_chunks(pixels * of_b),
        );
        work.into_par_iter().for_each(|(z, a, b)| {
            let pixels = z.chunks_mut(of_a + of_b).zip(a.chunks(of_a)).zip(b.chunks(of_b));
            for ((z, a), b) in pixels {
                let (z_a, z_b) = z.split_at_mut(of_a);
                for (z, x) in [(z_a, a), (z_b, b)] {
                    z.iter_mut().zip(x).for_each(|(z, x)| *z = each(*x));
                }
            }
        });
    }

    /// The gradient of one side, added to dx or in its place: dL/dz where the side's value x is
    /// one that `passes`.
    pub fn backward<T: Real>(
        self,
        side: usize,
        dz: ArrayView2<T>,
        x: ArrayView2<T>,
        (dx, into): (&mut Array2<T>, Into),
        passes: impl Fn(T) -> bool + Sync,
    ) {
        let Concat([of_a, of_b]) = self;
        let (own, all) = ([of_a, of_b][side], of_a + of_b);
        let part = [0..of_a, of_a..all][side].clone();
        let (Some(dz), Some(x), Some(dx)) = (dz.to_slice(), x.to_slice(), dx.as_slice_mut()) else {
            unreachable!()
        };
        let pixels = (ELEMENTS / all).max(1);
        let work = (
            dx.par_chunks_mut(pixels * own),
            dz.par_chunks(pixels * all),
            x.par_chunks(pixels * own),
        );
        work.into_par_iter().for_each(|(dx, dz, x)| {
            if into == Into::Place {
                dx.fill(T::zero());
            }
            for ((dx, dz), x) in dx.chunks_mut(own).zip(dz.chunks(all)).zip(x.chunks(own)) {
                for ((dx, dz), x) in dx.iter_mut().zip(&dz[part.clone()]).zip(x) {
                    *dx += if passes(*x) { *dz } else { T::zero() };
                }
            }
        });
    }
}
