//! Training of SPN networks, and the same networks in f64 on real values.

mod checkpoint;
mod exact;
mod matmul;

pub use checkpoint::Checkpoint;
pub use exact::fake_quantised;
