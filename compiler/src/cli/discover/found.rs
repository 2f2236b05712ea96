//! What was found: written, printed.

use super::super::output;
use super::solve::Effort;
use super::{Method, Task};
use serde::Serialize;
use std::path::Path;
use strassenc::adder_graph;
use strassenc::discover::additions::{self, Count};
use strassenc::discover::{Scheme, Shape, model};
use strassenc_runtime::{Model, Result, files, model_file};

/// Name of the model.
pub const MODEL: &str = "model.safetensors";
/// Name of the scheme's text.
pub const SCHEME: &str = "scheme.txt";

/// A scheme with its figures.
#[derive(Serialize)]
pub struct Found {
    shape: Shape,
    rank: usize,
    schoolbook: usize,
    method: Method,
    seed: u64,
    verified: bool,
    nonzeros: u32,
    additions: Count,
    seconds: f64,
    #[serde(flatten)]
    effort: Effort,
    w_a: Vec<Vec<i8>>,
    w_b: Vec<Vec<i8>>,
    w_c: Vec<Vec<i8>>,
    #[serde(skip)]
    scheme: Scheme,
}

impl Found {
    /// The figures of a scheme; its additions are counted where they are not known.
    ///
    /// # Errors
    /// Where it is not right.
    pub fn new(
        scheme: Scheme,
        task: &Task,
        additions: Option<Count>,
        effort: Effort,
        seconds: f64,
    ) -> Result<Self> {
        scheme.verify()?;
        let rows = |m: ndarray::Array2<i8>| m.outer_iter().map(|row| row.to_vec()).collect();
        let additions = match additions {
            Some(count) => count,
            None => additions::count(&scheme, adder_graph::Effort(1))?,
        };
        Ok(Found {
            shape: scheme.shape,
            rank: scheme.rank(),
            schoolbook: scheme.shape.schoolbook(),
            method: task.method,
            seed: task.seed,
            verified: true,
            nonzeros: scheme.nonzeros(),
            additions,
            seconds,
            effort,
            w_a: rows(scheme.factor(0)),
            w_b: rows(scheme.factor(1)),
            w_c: rows(scheme.factor(2).reversed_axes()),
            scheme,
        })
    }

    /// The model, for elements of `bits` bits.
    ///
    /// # Errors
    /// Where the elements are too wide.
    pub fn model(&self, bits: u32) -> Result<Model> {
        let mut model = model::model(&self.scheme, bits, Some(self.seed))?;
        model.provenance.metrics.insert("additions".into(), self.additions.total as f64);
        Ok(model)
    }

    /// Writes the model, for elements of `bits` bits, and the scheme's text.
    ///
    /// # Errors
    /// Where the elements are too wide, or the folder cannot be written.
    pub fn write(&self, folder: &Path, bits: u32) -> Result<()> {
        let model = self.model(bits)?;
        let text = format!(
            "# {} with {} multiplications, all Brent equations hold in integers\n{}",
            self.shape, self.rank, self.scheme
        );
        files::write(&folder.join(SCHEME), text.as_bytes())?;
        model_file::save(&model, &folder.join(MODEL))
    }

    /// Prints the figures.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn print(&self, folder: &Path, json: bool) -> Result<()> {
        if json {
            output::json(self)?;
            return Ok(());
        }
        let Found { shape, rank, schoolbook, nonzeros, seconds, effort, .. } = self;
        let Count { w_a, w_b, w_c, total, without_sharing } = self.additions;
        output::write(&self.scheme)?;
        output::line(format_args!(
            "{shape}: {rank} multiplications instead of {schoolbook}; all Brent equations hold in \
             integers"
        ))?;
        output::line(format_args!(
            "{total} additions ({w_a} + {w_b} + {w_c} for W_a, W_b, W_c), \n{without_sharing} \
             without sharing; {nonzeros} nonzeros"
        ))?;
        let what = if self.method == Method::Gradient { "attempts" } else { "restarts" };
        let short = if effort.cut_short { ", cut short" } else { "" };
        output::line(format_args!(
            "{} schemes seen, {} {what}, {seconds:.3} s{short}",
            effort.schemes, effort.restarts
        ))?;
        output::line(folder.display())?;
        Ok(())
    }
}
