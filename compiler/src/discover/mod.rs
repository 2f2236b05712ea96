//! Discovery of fast matrix products, as schemes of ternary vectors: `vec(C) = W_c [(W_b vec(B)) ⊙
//! (W_a vec(A))]`.
//!
//! [`flip_graph`] has the moves between schemes of a shape, [`walk`] goes by them from the
//! schoolbook scheme to lower ranks, [`search`] runs many walks side by side; [`gradient`] is the
//! StrassenNets paper's way; [`join`] extends them from shape to shape, [`kronecker`] composes
//! schemes of larger shapes; [`additions`] looks for the scheme of a rank that the adder-graph
//! optimiser needs the fewest additions for; [`model`] makes a network of a scheme. No known scheme
//! is stored: every search begins at the schoolbook scheme or at random, and every result satisfies
//! all Brent equations ([`Scheme::verify`]). Pure: no clock; equal seeds give equal schemes on any
//! number of threads.

pub mod additions;
mod estimate;
pub mod flip_graph;
pub mod gradient;
pub mod join;
pub mod kronecker;
pub mod model;
pub mod scheme;
pub mod search;
pub mod ternary;
pub mod walk;

pub use additions::Additions;
pub use scheme::{Scheme, Shape};
pub use search::Search;
pub use ternary::Ternary;

/// Property tests that run the same cases each time.
#[cfg(test)]
fn property(cases: u32) -> proptest::test_runner::Config {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(1);
    proptest::test_runner::Config {
        cases,
        rng_seed,
        failure_persistence: None,
        ..Default::default()
    }
}
