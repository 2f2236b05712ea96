//! Random engines for the layers of a network over images, and decisions on its outputs, the same
//! for the same seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc::decide::{Asked, Rule};
use strassenc::engine::{Choice, Engines};
use strassenc::folded::{Folding, padded_rows};
use strassenc::ir::{Dataflow, Layer};
use strassenc::lower;
use strassenc_runtime::Model;

/// Any engine that fits each layer.
pub fn random_engines(dataflow: &Dataflow, seed: u64) -> Engines {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut engines = Engines::default();
    for (number, layer) in dataflow.layers.iter().enumerate() {
        let choice = match layer.kernel() {
            Some(_) if layer.words().is_some() => Choice::Folded(filters(&mut rng, layer)),
            Some(kernel) if padded_rows(kernel, 1) > 0 && rng.random_bool(0.6) => {
                let pe = rng.random_range(1..=padded_rows(kernel, 1) / kernel.groups + 1);
                Choice::Folded(Folding {
                    pe,
                    simd: divisor(&mut rng, kernel.input.channels / kernel.groups),
                    multipliers: divisor(&mut rng, pe),
                    wc_pe: divisor(&mut rng, kernel.output.channels / kernel.output_groups()),
                    wc_simd: divisor(&mut rng, padded_rows(kernel, pe) / kernel.output_groups()),
                })
            }
            Some(_) => Choice::Unrolled,
            None => {
                let lanes: Vec<usize> = dataflow.lanes(number).collect();
                Choice::Elementwise { lanes: lanes[rng.random_range(0..lanes.len())] }
            }
        };
        engines.layers.insert(layer.name.clone(), choice);
    }
    engines
}

/// Decisions on some of the outputs of a model: any rules, with bounds on scores and between them.
pub fn any_decisions(model: &Model, seed: u64) -> Vec<Asked> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(9);
    let mut asked = vec![];
    for (head, shape, format) in model.streams() {
        let rule = match rng.random_range(0..5) {
            0 => continue,
            1 => Rule::Argmax,
            2 | 3 => Rule::Top { k: rng.random_range(1..=shape.channels.min(4)) },
            _ => {
                let halves = f64::from(rng.random_range(-60..=60));
                Rule::Threshold { threshold: halves * f64::powi(2.0, -format.frac - 1) }
            }
        };
        asked.push(Asked { head: head.map(String::from), rule });
    }
    asked
}

/// A network that is lowered, with what decides on its outputs.
pub fn lowered(model: &Model, asked: &[Asked]) -> Dataflow {
    let mut dataflow = lower::lower(model).expect("a random model is valid");
    lower::decide(&mut dataflow, asked).expect("a model has what is asked for");
    dataflow
}

/// Any folding of a char-CNN, which has no other engine.
fn filters(rng: &mut ChaCha8Rng, layer: &Layer) -> Folding {
    let words = layer.words().expect("a char-CNN reads words");
    let pe = divisor(rng, words.common());
    Folding {
        pe,
        simd: divisor(rng, words.elements),
        multipliers: divisor(rng, pe),
        wc_pe: 1,
        wc_simd: 1,
    }
}

fn divisor(rng: &mut ChaCha8Rng, n: usize) -> usize {
    let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
    divisors[rng.random_range(0..divisors.len())]
}
