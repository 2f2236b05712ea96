//! strassenc's compiler: from an integer network to gates.
//!
//! Data flows one way: [`lower`] (model → [`ir`]) → [`adder_graph`] (share, prove) → [`circuit`] →
//! [`schedule`], or [`folded`] → [`stream`] → [`emit`]; [`compile`] runs the passes. All of that is
//! pure: no clock, no unseeded randomness, no environment. Processes are started only by
//! `simulate`, `synth`, `witness` and `tools`.

pub mod accounting;
pub mod adder_graph;
pub mod build;
pub mod check;
pub mod circuit;
pub mod compile;
pub mod count;
pub mod discover;
pub mod emit;
pub mod engine;
pub mod estimate;
pub mod figures;
pub mod folded;
pub mod ir;
pub mod lower;
pub mod multipliers;
pub mod progress;
pub mod ranges;
mod reach;
pub mod report;
pub mod schedule;
pub mod simulate;
pub mod stream;
pub mod sweep;
pub mod synth;
pub mod text;
pub mod tools;
pub mod witness;

pub use strassenc_adder_graph::interval;
