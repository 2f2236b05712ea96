//! The golden-model tests of one model: every rung of the ladder from the float network to gates.
//!
//! Each rung compares one level with golden on the same vectors, and says how many; a rung that cannot run here says why.

mod software;
mod vectors;

pub use vectors::{Vectors, random_vectors};

use serde::Serialize;
use std::time::Instant;
use strassenc_runtime::{Error, Kind, Result};

/// One rung, done.
#[derive(Clone, Debug, Serialize)]
pub struct Rung {
    /// What was compared or proved.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// What came of a rung.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// It holds; what was counted, e.g. `6 graphs, 25 112 adders`.
    Passed {
        /// The counts.
        counts: String,
    },
    /// It could not run here.
    Skipped {
        /// Why, and how it could.
        why: String,
    },
    /// It does not hold.
    Failed {
        /// The first thing that is wrong.
        error: String,
    },
}

/// Why a rung did not pass.
pub enum Stop {
    /// It cannot run here.
    Skip(String),
    /// It does not hold, or could not be tried.
    Fail(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Fail(error)
    }
}

impl Rung {
    /// Whether the rung does not hold.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }
}

/// Runs one rung. Whatever fails in it is its outcome.
///
/// # Errors
/// Only [`Kind::Interrupted`].
pub fn rung(name: &'static str, run: impl FnOnce() -> std::result::Result<String, Stop>) -> Result<Rung> {
    let start = Instant::now();
    let outcome = match run() {
        Ok(counts) => Outcome::Passed { counts },
        Err(Stop::Skip(why)) => Outcome::Skipped { why },
        Err(Stop::Fail(error)) if error.kind() == Kind::Interrupted => return Err(error),
        Err(Stop::Fail(error)) => Outcome::Failed { error: error.to_string() },
    };
    Ok(Rung { name, outcome, seconds: start.elapsed().as_secs_f64() })
}

/// The rungs that need nothing but this program, in order; `done` is called after each.
///
/// # Errors
/// Only [`Kind::Interrupted`], once `stop` says so.
pub fn software(
    compiled: &crate::compile::Compiled,
    vectors: &Vectors,
    done: &mut dyn FnMut(&Rung),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Rung>> {
    let mut rungs = vec![];
    let mut run = |name, body: &dyn Fn() -> std::result::Result<String, Stop>| -> Result<()> {
        if stop() {
            return Err(Error::new(Kind::Interrupted, "check", "was interrupted"));
        }
        let rung = rung(name, body)?;
        done(&rung);
        rungs.push(rung);
        Ok(())
    };
    run("fake-quantised f64 = golden", &|| software::fake_quantised(compiled, vectors))?;
    run("adder graphs = matrices", &|| software::proofs(compiled))?;
    run("golden = dataflow IR = circuit", &|| software::levels(compiled, vectors))?;
    run("golden = scheduled pipeline", &|| software::pipelines(compiled, vectors))?;
    run("rows of W_c at their ends", &|| software::row_ends(compiled))?;
    Ok(rungs)
}
