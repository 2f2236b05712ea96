//! Training over single samples: images, and vectors, which are images of one pixel.

mod activation;
mod augment;
mod budget;
mod concat;
mod exact;
mod float;
mod from;
mod frozen;
mod given;
mod imported;
mod learner;
mod loaded;
mod norm;
mod patches;
mod quantise;
mod rows;
mod spn;
mod steps;
mod teaching;
mod weights;

use super::checkpoint::Checkpoint;
pub use budget::{Share, share};
pub use exact::outputs;
pub use given::{Given, given};
pub(super) use imported::{factors, ordinary};
pub use learner::ImageLearner;

pub(super) use weights::Weights as ImageWeights;

/// A run over samples at one moment.
pub type ImageCheckpoint = Checkpoint<weights::Weights>;
