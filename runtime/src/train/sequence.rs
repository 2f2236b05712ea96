//! Training over sequences, such as the characters of a text.

mod exact;
mod filters;
mod learner;
mod network;
mod quantise;
mod weights;

use super::checkpoint::Checkpoint;
pub use exact::Exact;
pub use learner::{MEASURED, SequenceLearner, measured};
pub(crate) use quantise::Drawn;
pub(crate) use weights::check_symbols;

/// A run over a text at one moment.
pub type SequenceCheckpoint = Checkpoint<weights::Weights>;
