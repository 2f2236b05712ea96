//! Training of SPN networks, and the same networks in f64 on real values.

mod checkpoint;
mod exact;
mod float;
mod loss;
mod matmul;
mod norm;
mod optimiser;
mod ternary;

pub use checkpoint::Checkpoint;
pub use exact::fake_quantised;
