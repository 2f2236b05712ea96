//! The proof that an adder graph equals its matrix, through exact coefficient vectors. Shares nothing with the optimiser.

use super::{AdderGraph, Matrix};
use strassenc_runtime::{Error, Result};

/// Proves that `graph` computes `matrix · x` for every integer x.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) naming the node or the row that is wrong.
pub fn prove(_graph: &AdderGraph, _matrix: &Matrix) -> Result<()> {
    Err(Error::internal("prove", "not written yet"))
}
