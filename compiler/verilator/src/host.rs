//! How programs are started and who hears of the work: the part that a caller may want its own way.

use crate::Error;
use std::process::{Command, Output};

/// What runs programs for this crate, hears of progress, and may stop the work.
pub trait Host: Sync {
    /// Runs `command` to its end, and yields what it wrote to standard output.
    ///
    /// # Errors
    /// Where it cannot be started, ends with another status than 0, or the work is to stop.
    fn run(&self, command: &mut Command) -> Result<String, Failure>;

    /// Asked now and then while the work waits.
    ///
    /// # Errors
    /// Where the work is to stop.
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Hears what begins, or how far it is; from any thread.
    fn told(&self, _step: Step) {}
}

/// Why a program did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The program failed; the lines are what it said.
    Failed(String),
    /// The host stops the work.
    Stopped(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    pub(crate) fn of(self, program: &str) -> Error {
        match self {
            Failure::Failed(cause) => Error::tool(program, cause),
            Failure::Stopped(cause) => Error::Stopped(cause),
        }
    }
}

/// A step of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Verilator makes C++ of the Verilog.
    Verilate,
    /// Verilator's own C++ is compiled, once for all designs.
    Runtime,
    /// The design's C++ is compiled: so many bytes of all are done.
    Compile {
        /// Bytes of C++ that are compiled.
        done: u64,
        /// Bytes of C++ in all.
        total: u64,
    },
    /// The build is at its end, with an error or without.
    Done,
}

/// The plain host: programs run until they end, nobody hears of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Host for Alone {
    fn run(&self, command: &mut Command) -> Result<String, Failure> {
        let failed = |cause: String| Err(Failure::Failed(cause));
        match command.output() {
            Ok(Output { status, stdout, .. }) if status.success() => {
                Ok(String::from_utf8_lossy(&stdout).into_owned())
            }
            Ok(Output { status, stdout, stderr }) => {
                let said = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
                let said = String::from_utf8_lossy(&said);
                failed(format!("{status}: {}", said.trim()))
            }
            Err(e) => failed(format!("cannot be started: {e}")),
        }
    }
}
