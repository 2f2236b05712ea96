//! Models, files and training from outside, in one program, which is linked once.

#[cfg(feature = "train")]
mod fake_quantised;
mod files;
#[cfg(feature = "train")]
mod models;
#[cfg(feature = "train")]
mod sequences;
#[cfg(feature = "train")]
mod tasks;
#[cfg(feature = "train")]
mod training;
#[cfg(feature = "train")]
mod two_operands;
