//! Training over single samples: images, and vectors, which are images of one pixel.

mod augment;
mod concat;
mod exact;
mod float;
mod from;
mod frozen;
mod learner;
mod norm;
mod patches;
mod quantise;
mod spn;
mod weights;

use super::checkpoint::Checkpoint;
pub use exact::outputs;
pub use learner::ImageLearner;

/// A run over samples at one moment.
pub type ImageCheckpoint = Checkpoint<weights::Weights>;
