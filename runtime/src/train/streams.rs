//! The random streams of a run, from which all chance comes.

use super::schedule::Phase;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Streams of the seed's generator; one for each use, so that nothing depends on what else was
/// drawn.
pub enum Stream {
    /// Draws the weights before any training.
    Weights,
    /// Draws the samples held out.
    Validation,
    /// Draws the factors of a network that begins from another one.
    Factors,
    /// Draws the samples that statistics are taken from.
    Calibration,
    /// Draws the order of the samples in an epoch.
    Order(Phase, usize),
    /// Draws the changes of the samples of a step, counted from the start of its phase.
    Augment(Phase, usize),
}

/// The generator of one stream.
pub fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        Stream::Weights => 0,
        Stream::Validation => 1,
        Stream::Factors => 2,
        Stream::Calibration => 3,
        Stream::Order(phase, epoch) => ((1 + phase as u64) << 48) | epoch as u64,
        Stream::Augment(phase, step) => ((5 + phase as u64) << 48) | step as u64,
    });
    rng
}
