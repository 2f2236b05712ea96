//! One input at a time: what comes out decides what goes in next.

use super::Simulator;
use super::run::{Failure, Options, RESET};
use super::{Bench, Stimulus, refused};
use crate::emit::signature::Stream;
use strassenc_runtime::{Error, Result};

/// A core that is given one input at a time, as a network that generates a sequence is. Between
/// inputs its clock stands still, so the same inputs give the same outputs.
pub struct Stepper {
    simulator: Simulator,
    core: Bench,
    /// The number of inputs so far.
    steps: usize,
}

impl Simulator {
    /// A core after reset, to be given one input at a time; of a recurrent one a sequence begins.
    ///
    /// # Errors
    /// Where the model fails.
    pub fn stepper(&self) -> Result<Stepper> {
        let mut core = self.core(1, None)?;
        core.reset(RESET).map_err(refused)?;
        Ok(Stepper { simulator: self.clone(), core, steps: 0 })
    }
}

impl Stepper {
    /// What comes out for the next input; `start` begins a sequence with it.
    ///
    /// # Errors
    /// Where the input has the wrong length or an element outside its format; [`Failure::Fault`]
    /// where the core gets stuck or breaks a rule of its streams; where the user interrupts.
    pub fn step(&mut self, input: &[i64], start: bool) -> Result<Vec<i64>, Failure> {
        let signature = &self.simulator.signature;
        let elements = signature.elements();
        if input.len() != elements {
            let cause = format_args!("has {} elements, the core takes {elements}", input.len());
            return Err(Error::input("input vector", cause).into());
        }
        for (Stream { format, .. }, own) in signature.split(input) {
            if let Some(v) = own.iter().find(|v| !(format.min()..=format.max()).contains(v)) {
                let cause = format_args!("{v} is outside {format}");
                return Err(Error::input("input vector", cause).into());
            }
        }
        let stimulus = self.simulator.stimulus(&[input], &[start], &Options::default());
        let stimulus = Stimulus { linger: 0, ..stimulus };
        let response =
            self.simulator.go_on(&mut self.core, stimulus, &[start], self.steps, |_| ())?;
        let output = self.simulator.decode(&response, &[start], self.steps)?.pop();
        self.steps += 1;
        // One vector was waited for.
        Ok(output.unwrap_or_default())
    }
}
