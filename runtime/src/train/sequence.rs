//! Training over sequences, such as the characters of a text.

pub(crate) mod exact;
mod filters;
pub(crate) mod linear;
pub(crate) mod network;
mod quantise;
mod trainer;

pub use exact::Exact;
pub(crate) use quantise::Drawn;
pub(crate) use trainer::check_symbols;
pub use trainer::{Checkpoint as SequenceCheckpoint, MEASURED, SequenceTrainer, bits, measured};
