//! The golden-model tests of one model: every rung of the ladder from the float network to gates.
//!
//! Each rung compares one level with golden on the same vectors, and says how many; a rung that
//! cannot run here says why.

mod hardware;
mod software;
mod vectors;

pub use vectors::{Vectors, random_vectors, traces};

use crate::build::Build;
use crate::compile::Compiled;
use crate::simulate::Simulator;
use crate::tools::Tools;
use crate::witness::Witness;
use serde::Serialize;
use std::cell::OnceCell;
use std::time::Instant;
use strassenc_runtime::{Error, Kind, Result};

/// A rung that is done.
#[derive(Clone, Debug, Serialize)]
pub struct Rung {
    /// What was compared or proved.
    pub name: &'static str,
    /// What came of the rung.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// What came of a rung.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// The rung holds; what was counted is told, e.g. `6 graphs, 25 112 adders`.
    Passed {
        /// What was counted.
        counts: String,
    },
    /// The rung could not run here.
    Skipped {
        /// Why, and how it could.
        why: String,
    },
    /// The rung does not hold.
    Failed {
        /// The first thing that is wrong.
        error: String,
    },
}

/// Why a rung did not pass.
pub enum Stop {
    /// The rung cannot run here.
    Skip(String),
    /// The rung does not hold, or could not be tried.
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
fn rung(
    name: &'static str,
    run: impl FnOnce() -> std::result::Result<String, Stop>,
) -> Result<Rung> {
    let start = Instant::now();
    let outcome = match run() {
        Ok(counts) => Outcome::Passed { counts },
        Err(Stop::Skip(why)) => Outcome::Skipped { why },
        Err(Stop::Fail(error)) if error.kind() == Kind::Interrupted => return Err(error),
        Err(Stop::Fail(error)) => Outcome::Failed { error: error.to_string() },
    };
    Ok(Rung { name, outcome, seconds: start.elapsed().as_secs_f64() })
}

/// Climbs the ladder for one build; `done` is called after each rung, and may end the climb.
///
/// `seed` decides gaps and back pressure.
///
/// # Errors
/// Where the simulator cannot be built (but not where Verilator is missing: its rungs are skipped),
/// or the user interrupts, or what `done` fails with.
pub fn climb(
    build: &Build,
    compiled: &Compiled,
    vectors: &Vectors,
    seed: u64,
    tools: &Tools,
    done: &mut dyn FnMut(&Rung) -> Result<()>,
) -> Result<Vec<Rung>> {
    let mut rungs: Vec<Rung> = vec![];
    let mut run =
        |name: &'static str, body: &dyn Fn() -> std::result::Result<String, Stop>| -> Result<()> {
            tools.check_interrupted()?;
            let spinner = tools.spinner(name);
            let rung = rung(name, body);
            spinner.finish_and_clear();
            let rung = rung?;
            let told = done(&rung);
            rungs.push(rung);
            told
        };
    run("fake-quantised f64 = golden", &|| software::fake_quantised(&build.model, vectors))?;
    for witness in Witness::ALL {
        run(witness.name(), &|| hardware::witness(witness, build, vectors, tools))?;
    }
    run("adder graphs, ROMs = matrices", &|| software::proofs(compiled))?;
    run("dataflow IR, engines = golden", &|| software::levels(compiled, vectors))?;
    run("scheduled pipelines = golden", &|| software::pipelines(compiled, vectors))?;
    run("rows of W_c at both ends", &|| software::row_ends(compiled))?;
    run("lint", &|| hardware::lint(build, tools))?;
    let simulator: OnceCell<Simulator> = OnceCell::new();
    let simulator = || -> std::result::Result<&Simulator, Stop> {
        if let Some(simulator) = simulator.get() {
            return Ok(simulator);
        }
        let built = hardware::simulator(build, tools)?;
        Ok(simulator.get_or_init(|| built))
    };
    run("Verilator at full rate = golden", &|| hardware::full_rate(simulator()?, vectors))?;
    run("Verilator, gaps, back pressure", &|| {
        hardware::back_pressure(simulator()?, vectors, seed)
    })?;
    run("testbench in Icarus", &|| hardware::icarus(build, tools))?;
    run("equivalence in Yosys", &|| hardware::equivalence(build, compiled, tools))?;
    Ok(rungs)
}

/// Compares what something computed for one vector with what it should be.
fn same(
    vector: usize,
    what: &str,
    got: Option<&Vec<i64>>,
    expected: Option<&Vec<i64>>,
) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    let place = format!("{what}, vector {vector}");
    let (Some(got), Some(expected)) = (got, expected) else {
        return Err(Error::mismatch(place, "one of the two yields nothing"));
    };
    match got.iter().zip(expected).position(|(g, e)| g != e) {
        Some(c) => Err(Error::mismatch(
            place,
            format_args!("element {c} is {}, not {}", got[c], expected[c]),
        )),
        None => Err(Error::mismatch(
            place,
            format_args!("{} elements, not {}", got.len(), expected.len()),
        )),
    }
}
