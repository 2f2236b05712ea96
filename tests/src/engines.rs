//! Random engines for the layers of a network over images, the same for the same seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc::engine::{Choice, Engines};
use strassenc::folded::{Folding, padded_rows};
use strassenc::ir::images::Images;

/// Any engine that fits each layer.
pub fn random_engines(images: &Images, seed: u64) -> Engines {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut engines = Engines::default();
    for (number, layer) in images.layers.iter().enumerate() {
        let choice = match layer.kernel() {
            Some(kernel) if padded_rows(kernel, 1) > 0 && rng.random_bool(0.6) => {
                let pe = rng.random_range(1..=padded_rows(kernel, 1) / kernel.groups + 1);
                Choice::Folded(Folding {
                    pe,
                    simd: divisor(&mut rng, kernel.input.channels / kernel.groups),
                    multipliers: divisor(&mut rng, pe),
                    wc_pe: divisor(&mut rng, kernel.output.channels),
                    wc_simd: divisor(&mut rng, padded_rows(kernel, pe)),
                })
            }
            Some(_) => Choice::Unrolled,
            None => {
                let channels = images.yields(number).shape.channels;
                Choice::Elementwise { lanes: divisor(&mut rng, channels) }
            }
        };
        engines.layers.insert(layer.name.clone(), choice);
    }
    engines
}

fn divisor(rng: &mut ChaCha8Rng, n: usize) -> usize {
    let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
    divisors[rng.random_range(0..divisors.len())]
}
