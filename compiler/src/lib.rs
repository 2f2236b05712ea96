//! strassenc's compiler: from an integer network to gates.
//!
//! Data flows one way: [`lower`] (model → [`ir`]) → [`adder_graph`] (share, prove) → [`circuit`] →
//! [`schedule`], or [`folded`] → [`stream`] → [`emit`]; [`compile`] runs the passes. All of that is
//! pure: no clock, no unseeded randomness, no environment. Processes are started only by
//! `simulate`, `synth`, `witness` and `tools`; [`cli`] has the clock, the environment and Ctrl-C.
//!
//! ```
//! use strassenc::{compile, emit};
//! use strassenc_runtime::{Result, golden, model_file};
//!
//! # fn main() -> Result<()> {
//! let model = model_file::load("../runtime/models/digits.safetensors".as_ref())?;
//! let compiled = compile::compile(&model, &Default::default(), &|_| {}, &|| false)?;
//! // The compiled network computes what the integer reference does.
//! let pixels: Vec<i64> = (0..64).map(|i| i % 17).collect();
//! assert_eq!(compiled.evaluate(&pixels)?.pop().unwrap(), golden::infer(&model, &pixels)?);
//! // Its Verilog, as text, and what it promises.
//! let core = emit::emit_core(&compiled, &Default::default())?;
//! assert_eq!(core.signature.ii, 1);
//! assert!(core.files.iter().any(|file| file.path == "digits.v"));
//! # Ok(())
//! # }
//! ```

pub mod accounting;
pub mod adder_graph;
pub mod build;
pub mod check;
pub mod circuit;
pub mod cli;
pub mod compile;
pub mod count;
pub mod decide;
pub mod device;
pub mod discover;
pub mod emit;
pub mod engine;
pub mod estimate;
pub mod figures;
pub mod folded;
mod folder;
pub mod front_end;
pub mod ir;
pub mod kernel;
pub mod lower;
pub mod multipliers;
pub mod progress;
pub mod project;
pub mod ranges;
mod reach;
pub mod reload;
pub mod report;
pub mod schedule;
pub mod serial;
pub mod simulate;
pub mod stream;
pub mod sweep;
pub mod synth;
pub mod text;
pub mod tools;
pub mod witness;

pub use strassenc_adder_graph::interval;

// The command line names the library as whoever else uses it.
extern crate self as strassenc;
