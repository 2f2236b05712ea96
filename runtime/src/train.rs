//! Training of SPN networks, and the same networks in f64 on real values.

mod augment;
mod checkpoint;
mod curves;
pub(crate) mod exact;
pub(crate) mod float;
mod from;
pub(crate) mod frozen;
mod loss;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod optimiser;
pub(crate) mod patches;
mod run;
mod sequence;
mod snapshot;
pub(crate) mod spn;
pub(crate) mod ternary;
mod trainer;

pub use checkpoint::Checkpoint;
pub use curves::compare;
pub use exact::fake_quantised;
pub use loss::Score;
pub use run::{
    CHECKPOINT, LayerSummary, Learner, MODEL, NETWORK, Observer, Sources, Start, Summary, checkpoint_interval,
    checkpoint_of, history, run,
};
pub use sequence::{Exact, MEASURED, SequenceCheckpoint, SequenceTrainer, bits, measured};
pub use trainer::{Epoch, Phase, Progress, Trainer};
