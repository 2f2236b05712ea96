//! strassenc's runtime: everything about networks before they become gates.
//!
//! `network` (description) and `data` feed `train`, which ends in a `model`; [`golden`] computes
//! the model's integers in plain loops. `train` and `golden` never import each other: both stand on
//! [`model`].

pub mod artifact;
pub mod data;
pub mod error;
pub mod files;
pub mod format;
pub mod golden;
pub mod lock;
pub mod log_mel;
pub mod model;
pub mod model_file;
pub mod network;
pub mod onnx;
#[cfg(feature = "train")]
pub mod plot;
#[cfg(feature = "train")]
pub mod random;
pub mod recurrent;
pub mod sampling;
pub mod shape;
pub mod tables;
#[cfg(feature = "train")]
pub mod train;
pub mod wording;

pub use data::DataSet;
pub use error::{Error, Kind, Result};
pub use format::{Columns, Format};
pub use model::Model;
pub use network::Network;
pub use recurrent::{Along, Cell};
pub use shape::{Extent, Join, Shape};
