//! What was found: written, printed.

use super::{Method, Task};
use serde::Serialize;
use std::path::Path;
use strassenc::adder_graph::{self, Effort, Matrix, Options, Solution};
use strassenc::discover::search::Reached;
use strassenc::discover::{Scheme, Search, Shape, model};
use strassenc_runtime::{Error, Result, files, model_file};

/// Name of the model.
pub const MODEL: &str = "model.safetensors";
/// Name of the scheme's text.
const SCHEME: &str = "scheme.txt";

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
    additions: Additions,
    seconds: f64,
    cut_short: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<Reached>,
    w_a: Vec<Vec<i8>>,
    w_b: Vec<Vec<i8>>,
    w_c: Vec<Vec<i8>>,
    #[serde(skip)]
    scheme: Scheme,
}

/// Two-operand additions of the three matrices.
#[derive(Serialize)]
pub struct Additions {
    without_sharing: usize,
    w_a: usize,
    w_b: usize,
    w_c: usize,
    total: usize,
}

impl Additions {
    fn of(scheme: &Scheme) -> Self {
        let matrix = |factor: usize| -> Matrix {
            let matrix = scheme.factor(factor).mapv(i32::from);
            if factor == 2 { matrix.reversed_axes() } else { matrix }
        };
        let matrices = [0, 1, 2].map(matrix);
        let options = Options { effort: Effort(1), ..Options::default() };
        let shared = |m: &Matrix| -> Solution { adder_graph::share(m, &options) };
        let [w_a, w_b, w_c] = [0, 1, 2].map(|f| shared(&matrices[f]).graph.adders());
        Additions {
            without_sharing: matrices.iter().map(adder_graph::naive_adders).sum(),
            w_a,
            w_b,
            w_c,
            total: w_a + w_b + w_c,
        }
    }
}

impl Found {
    /// The figures of a scheme.
    ///
    /// # Errors
    /// Where it is not right.
    pub fn new(scheme: Scheme, task: &Task, search: Option<&Search>, seconds: f64, cut_short: bool) -> Result<Self> {
        scheme.verify()?;
        let rows = |m: ndarray::Array2<i8>| m.outer_iter().map(|row| row.to_vec()).collect();
        Ok(Found {
            shape: scheme.shape,
            rank: scheme.rank(),
            schoolbook: scheme.shape.schoolbook(),
            method: task.method,
            seed: task.seed,
            verified: true,
            nonzeros: scheme.nonzeros(),
            additions: Additions::of(&scheme),
            seconds,
            cut_short,
            search: search.map(Search::reached),
            w_a: rows(scheme.factor(0)),
            w_b: rows(scheme.factor(1)),
            w_c: rows(scheme.factor(2).reversed_axes()),
            scheme,
        })
    }

    /// Writes the model, for elements of `bits` bits, and the scheme's text.
    ///
    /// # Errors
    /// Where the elements are too wide, or the folder cannot be written.
    pub fn write(&self, folder: &Path, bits: u32) -> Result<()> {
        let mut model = model::model(&self.scheme, bits, Some(self.seed))?;
        model.provenance.metrics.insert("additions".into(), self.additions.total as f64);
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
            println!("{}", serde_json::to_string_pretty(self).map_err(|e| Error::internal("discover", e))?);
            return Ok(());
        }
        let Found { shape, rank, schoolbook, nonzeros, additions, seconds, .. } = self;
        print!("{}", self.scheme);
        println!("{shape}: {rank} multiplications instead of {schoolbook}; all Brent equations hold in integers");
        let Additions { without_sharing, w_a, w_b, w_c, total } = additions;
        println!(
            "{total} additions ({w_a} + {w_b} + {w_c} for W_a, W_b, W_c), {without_sharing} without sharing; {nonzeros} nonzeros"
        );
        if let Some(Reached { flips, restarts, .. }) = self.search {
            println!("{flips} schemes seen, {restarts} restarts, {seconds:.3} s");
        }
        println!("{}", folder.display());
        Ok(())
    }
}
