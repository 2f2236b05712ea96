//! Helpers of the tests that cross stages; the tests themselves are in `tests/tests/`.

pub mod models;

pub use models::{Recipe, inputs, random_model, recipes};
