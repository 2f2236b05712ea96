//! Programs that the Verilator crate starts: with the limit, the interrupts and the progress bars
//! of all others.

use super::Tools;
use indicatif::ProgressBar;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use strassenc_runtime::Error;
use strassenc_verilator::{Failure, Host, Step};

/// A build of one design.
pub(crate) struct Build<'a> {
    tools: &'a Tools,
    /// What is built, for people.
    name: &'a str,
    bar: Mutex<Option<ProgressBar>>,
}

impl Tools {
    /// What runs programs for a build of `name`, and draws its progress.
    pub(crate) fn host<'a>(&'a self, name: &'a str) -> Build<'a> {
        Build { tools: self, name, bar: Mutex::new(None) }
    }
}

fn stopped(error: Error) -> Failure {
    Failure::Stopped(Box::new(error))
}

impl Host for Build<'_> {
    fn run(&self, command: &mut Command) -> Result<String, Failure> {
        let finished = self.tools.run(command).map_err(stopped)?;
        if finished.status.success() {
            return Ok(finished.stdout);
        }
        // A child that the terminal's Ctrl-C reached first must not be reported as a failure.
        self.tools.check_interrupted().map_err(stopped)?;
        Err(Failure::Failed(finished.complaint()))
    }

    fn check(&self) -> Result<(), Failure> {
        self.tools.check_interrupted().map_err(stopped)
    }

    fn told(&self, step: Step) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.name;
        let next = match step {
            Step::Verilate => self.tools.spinner(format!("verilating {name}")),
            Step::Runtime => self.tools.spinner("compiling Verilator's runtime, once"),
            Step::Compile { done: 0, total } => {
                self.tools.bar(format!("compiling {name}"), total / 1024, "KiB")
            }
            Step::Compile { done, .. } => {
                bar.iter().for_each(|bar| bar.set_position(done / 1024));
                return;
            }
            Step::Done => {
                bar.take().iter().for_each(ProgressBar::finish_and_clear);
                return;
            }
        };
        bar.replace(next).iter().for_each(ProgressBar::finish_and_clear);
    }
}
