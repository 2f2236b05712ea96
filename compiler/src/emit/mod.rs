//! Emission: circuits and their pipelines as Verilog text, with everything a user of the core needs beside it.

pub mod signature;

pub use signature::Signature;

/// A file of the build folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the build folder.
    pub path: String,
    /// Its whole contents.
    pub text: String,
}
