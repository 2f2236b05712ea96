//! Training of SPN networks, and the same networks in f64 on real values.
//!
//! [`run`] keeps a run in its folder, and [`Trainer`] leads it through the phases of its schedule,
//! step by step. What differs between single samples and sequences is a [`Learner`]: `image` and
//! `sequence` each have one.

mod cells;
mod checkpoint;
mod confusion;
mod curves;
mod exact;
mod factors;
mod image;
mod kernels;
mod lanes;
mod linear;
mod loadable;
mod loss;
mod matmul;
mod measures;
mod optimiser;
pub(crate) mod quantise;
mod recurrent;
mod run;
mod schedule;
mod sequence;
mod snapshot;
mod streams;
mod ternary;

pub use checkpoint::Tensors;
pub use confusion::{Confusion, Told};
pub use curves::{compare, svg as curves_of};
pub use exact::{fake_quantised, is_fake_quantised};
pub use image::{Given, ImageCheckpoint, ImageLearner, Share, given, share};
pub use loadable::{Coefficient, Loadable, Ranges};
pub use loss::Score;
pub use measures::Measures;
pub use run::{
    CHECKPOINT, HeadSummary, LayerSummary, MODEL, NETWORK, Observer, Sources, Start, Summary,
    TABLE, begin, checkpoint_interval, checkpoint_of, history, import, run,
};
pub use schedule::{Epoch, Learner, Phase, Progress, Trainer};
pub(crate) use sequence::{Drawn, check_symbols};
pub use sequence::{Exact, MEASURED, SequenceCheckpoint, SequenceLearner, measured};
