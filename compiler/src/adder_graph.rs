//! The adder graphs of [`strassenc_adder_graph`], a crate of its own, with what its proof refuses
//! as an error of this project.

pub use strassenc_adder_graph::*;
use strassenc_runtime::{Error, Result};

/// Proves that `graph` computes `matrix · x` for every integer x.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) with the node or the row that is wrong.
pub fn prove(graph: &AdderGraph, matrix: &Matrix) -> Result<()> {
    strassenc_adder_graph::prove(graph, matrix).map_err(|Refusal { place, cause }| {
        Error::mismatch(format_args!("adder graph: {place}"), cause)
    })
}
