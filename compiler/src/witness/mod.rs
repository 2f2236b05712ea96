//! Witnesses: a network's integers computed by other people's arithmetic, to be compared with
//! golden's.
//!
//! Each witness is a Python script that reads a file of ours and an `.npy` array of inputs, and
//! writes an `.npy` array of outputs; the scripts also work by hand.

mod teacher;

pub use teacher::teacher;

use crate::tools::{Python, Tools};
use ndarray::{Array2, ArrayView2, Ix2};
use strassenc_runtime::data::npy::{self, Npy};
use strassenc_runtime::{Error, Model, Result, files, model_file, onnx};

/// The software that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// ONNX Runtime, from the exported graph.
    OnnxRuntime,
    /// NumPy, from the model file, by a program written from `docs/model-format.md` alone.
    NumPy,
}

impl Witness {
    /// All witnesses.
    pub const ALL: [Witness; 2] = [Witness::OnnxRuntime, Witness::NumPy];

    /// The name of the software that computes.
    pub fn name(self) -> &'static str {
        match self {
            Witness::OnnxRuntime => "ONNX Runtime",
            Witness::NumPy => "NumPy",
        }
    }

    /// The outputs of `model`, `[samples, n_out]`, for `inputs` of its input format, `[samples,
    /// elements]`; the samples of a recurrent network are one sequence.
    ///
    /// # Errors
    /// Where the model is not valid, Python or the package is missing (the help says how to get
    /// it), or the script fails.
    pub fn outputs(
        self,
        tools: &Tools,
        model: &Model,
        inputs: ArrayView2<i64>,
    ) -> Result<Array2<i64>> {
        let (script, bytes) = match self {
            Witness::OnnxRuntime => (include_str!("onnx_runtime.py"), onnx::to_bytes(model)?),
            Witness::NumPy => (include_str!("recompute.py"), model_file::to_bytes(model)?),
        };
        let python = self.python(tools)?;
        let folder = files::WorkFolder::new()?;
        let [program, network, x, y] =
            ["witness.py", "model", "inputs.npy", "outputs.npy"].map(|n| folder.path().join(n));
        files::write(&program, script.as_bytes())?;
        files::write(&network, &bytes)?;
        files::write(&x, &npy::to_bytes(&inputs))?;
        tools
            .run_ok(python.command().args([&program, &network, &x]).arg("-o").arg(&y))
            .map_err(|e| e.within(self.name()))?;
        let outputs = Npy::read(&y)?.integers()?;
        outputs.into_dimensionality::<Ix2>().map_err(|e| Error::internal(self.name(), e))
    }

    /// The interpreter with the package at hand.
    fn python(self, tools: &Tools) -> Result<Python> {
        match self {
            Witness::OnnxRuntime => tools.onnxruntime(),
            Witness::NumPy => tools.numpy(),
        }
    }
}
