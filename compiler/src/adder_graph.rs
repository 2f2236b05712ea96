//! The adder graphs of [`strassenc_adder_graph`], a crate of its own, with what its proof refuses
//! as an error of this project.

use serde::{Deserialize, Serialize};
use std::fmt;
pub use strassenc_adder_graph::*;
use strassenc_runtime::{Error, Result};

/// What a search makes small, as users ask for it; see [`Cost`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CostModel {
    /// The number of additions.
    #[default]
    Adders,
    /// Their bits, each addition as wide as its result.
    LutBits,
}

impl CostModel {
    /// The cost for inputs within these intervals.
    pub fn of(self, inputs: &[interval::Interval]) -> Cost {
        match self {
            CostModel::Adders => Cost::Adders,
            CostModel::LutBits => Cost::LutBits(inputs.to_vec()),
        }
    }
}

impl fmt::Display for CostModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CostModel::Adders => "adders",
            CostModel::LutBits => "lut-bits",
        })
    }
}

/// Proves that `graph` computes `matrix · x` for every integer x.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) with the node or the row that is wrong.
pub fn prove(graph: &AdderGraph, matrix: &Matrix) -> Result<()> {
    strassenc_adder_graph::prove(graph, matrix).map_err(|Refusal { place, cause }| {
        Error::mismatch(format_args!("adder graph: {place}"), cause)
    })
}
