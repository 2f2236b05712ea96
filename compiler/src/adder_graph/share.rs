//! Sharing of common sums: from a matrix to a small adder graph.

use super::{AdderGraph, Matrix};
use std::time::Duration;

/// How hard to search, 0 (fastest) to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effort(pub u8);

/// What [`share`] aims for.
#[derive(Clone, Debug)]
pub struct Options {
    /// How hard to search.
    pub effort: Effort,
    /// Largest depth in adders; `None`: no limit.
    pub max_depth: Option<u32>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Stop after this much time with the best graph so far; the result then depends on the machine's speed.
    pub time_limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Options { effort: Effort(1), max_depth: None, seed: 0, time_limit: None }
    }
}

/// What [`share`] found.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The graph.
    pub graph: AdderGraph,
    /// The method of the portfolio that won, for reports.
    pub method: &'static str,
}

/// Finds a small adder graph for `matrix`. Deterministic for equal options without a time limit.
pub fn share(_matrix: &Matrix, _options: &Options) -> Solution {
    todo!("written by the share slice")
}
