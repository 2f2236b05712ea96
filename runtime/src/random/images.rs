//! Seeded images to calibrate on, where no data are at hand.

use crate::format::Format;
use crate::model::Edge;
use crate::shape::Shape;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::borrow::Borrow;

/// The share of white noise in the amplitude of an image.
const NOISE: f32 = 0.05;
/// How much a channel has of its own, against what all channels have in common.
const COLOUR: f32 = 0.5;
/// The share of elements that saturate at each end, so that images use the whole range.
const CLIPPED: f32 = 0.01;

/// Samples of a network with these inputs, side by side: images over the whole range of the format,
/// smooth blobs of all sizes, the large ones the strongest, as in photographs, which channels
/// largely share, and noise. Where an input is no image, each element is uniform.
///
/// The first samples of more are those of fewer.
pub fn images<E: Borrow<Edge>>(
    inputs: &[(Option<&str>, E)],
    samples: usize,
    seed: u64,
) -> Vec<Vec<i64>> {
    let mut all = vec![vec![]; samples];
    for ((_, edge), k) in inputs.iter().zip(0..) {
        let (shape, format) = edge.borrow().image();
        let own = of_one(shape, format, samples, seed.wrapping_add(k));
        all.iter_mut().zip(own).for_each(|(sample, own)| sample.extend(own));
    }
    all
}

fn of_one(shape: Shape, format: Format, samples: usize, seed: u64) -> Vec<Vec<i64>> {
    let image = |sample: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(sample as u64);
        // Stretched over the whole range, two values would be its ends.
        if shape.pixels() == 1 || shape.elements() == 2 {
            return (0..shape.elements())
                .map(|_| rng.random_range(format.min()..=format.max()))
                .collect();
        }
        let common = blobs(shape, &mut rng);
        let mut image = vec![0.0; shape.elements()];
        for c in 0..shape.channels {
            let own = blobs(shape, &mut rng);
            for (pixel, (common, own)) in common.iter().zip(&own).enumerate() {
                let noise = NOISE * symmetric(&mut rng);
                image[pixel * shape.channels + c] = common + COLOUR * own + noise;
            }
        }
        let mut sorted = image.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let clipped = (CLIPPED * sorted.len() as f32) as usize;
        let (low, high) = (sorted[clipped], sorted[sorted.len() - 1 - clipped]);
        let (min, max) = (format.min() as f32, format.max() as f32);
        let scale = (max - min) / (high - low).max(f32::MIN_POSITIVE);
        image.iter().map(|v| format.saturate((min + (v - low) * scale).round() as i64)).collect()
    };
    (0..samples).map(image).collect()
}

fn symmetric(rng: &mut impl Rng) -> f32 {
    rng.random_range(-1.0..1.0)
}

/// A value for each pixel: random grids, bilinear between their points, from one cell over the
/// image down to cells of two pixels; amplitudes are as the cells' sizes.
fn blobs(shape: Shape, rng: &mut impl Rng) -> Vec<f32> {
    let mut sum = vec![0.0; shape.pixels()];
    let longest = shape.height.max(shape.width).next_power_of_two();
    let mut cell = longest.max(2);
    while cell >= 2 {
        let (down, across) = (shape.height / cell + 2, shape.width / cell + 2);
        let grid: Vec<f32> = (0..down * across).map(|_| symmetric(rng)).collect();
        for (pixel, sum) in sum.iter_mut().enumerate() {
            let (y, x) = (pixel / shape.width, pixel % shape.width);
            let (fy, fx) = ((y % cell) as f32 / cell as f32, (x % cell) as f32 / cell as f32);
            let at = y / cell * across + x / cell;
            let upper = grid[at] * (1.0 - fx) + grid[at + 1] * fx;
            let lower = grid[at + across] * (1.0 - fx) + grid[at + across + 1] * fx;
            *sum += (upper * (1.0 - fy) + lower * fy) * cell as f32 / longest as f32;
        }
        cell /= 2;
    }
    sum
}
