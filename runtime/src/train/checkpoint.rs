//! The checkpoint of a training run.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use std::path::Path;

/// A training run at one moment: everything needed to go on as if it had never stopped.
pub struct Checkpoint {}

impl Checkpoint {
    /// Reads `RUN/checkpoint.safetensors`.
    ///
    /// # Errors
    /// Where the file cannot be read or is not a checkpoint of this version.
    pub fn load(path: &Path) -> Result<Checkpoint> {
        Err(Error::internal(path.display(), "not written yet"))
    }

    /// The outputs of the float network (ternary W_b and W_c once there are any, float activations) for inputs of real
    /// values, both `[samples, elements]`.
    ///
    /// # Errors
    /// Where the number of columns is not that of the network's inputs, or a value is not a number.
    pub fn float_outputs(&self, _x: ArrayView2<f32>) -> Result<Array2<f32>> {
        Err(Error::internal("checkpoint", "not written yet"))
    }
}
