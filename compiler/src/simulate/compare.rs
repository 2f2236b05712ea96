//! Simulation against golden: what a core makes of vectors, and the first wrong signal where that
//! is not what it should be.

use super::{Failure, Mismatch, Options, Place, Run, Simulator, Sources, locate};
use crate::compile::Compiled;
use strassenc_runtime::{Error, Result};

/// A run beside what golden says.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What came of the run.
    pub run: Run,
    /// The first wrong output and the first wrong signal; none where every output is golden's.
    pub wrong: Option<(Mismatch, Place)>,
}

impl Simulator {
    /// Streams `inputs` through the core of `sources` and compares what comes out with golden's
    /// outputs, or what is decided on them, `golden`. Where a sample is wrong, `compiled` is asked
    /// for what the core was written from, and the first wrong signal is looked for.
    ///
    /// # Errors
    /// As [`Simulator::run`], with the place in the core where it breaks a rule of its streams; as
    /// [`locate()`].
    pub fn compare(
        &self,
        sources: &Sources,
        inputs: &[Vec<i64>],
        golden: &[Vec<i64>],
        options: &Options,
        compiled: &dyn Fn(usize) -> Result<Compiled>,
    ) -> Result<Compared> {
        let place = |sample: usize| -> Result<Place> {
            let core = compiled(sample)?;
            let (signature, tools) = (&self.signature, &self.tools);
            // What a sequence begins with.
            let first = match signature.recurrent {
                true => sample - sample % self.sequence(inputs.len(), options),
                false => 0,
            };
            let (inputs, due) = (&inputs[first..], &golden[sample]);
            let place = locate(&core, sources, signature, inputs, sample - first, due, tools)?;
            Ok(place.behind(first))
        };
        match self.run(inputs, options) {
            Ok(run) => {
                let wrong = run.mismatch(golden);
                let wrong = wrong.map(|m| place(m.sample).map(|place| (m, place))).transpose()?;
                Ok(Compared { run, wrong })
            }
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Fault(fault)) => {
                let sample = fault.sample.min(inputs.len().saturating_sub(1));
                Err(match place(sample) {
                    Ok(place) => {
                        let place_of = format!("core `{}`, sample {sample}", fault.core);
                        Error::mismatch(place_of, format_args!("{}\n  {place}", fault.cause))
                    }
                    Err(_) => Failure::Fault(fault).into(),
                })
            }
        }
    }

    /// Whether every output was golden's, and the timing as the signature promises.
    ///
    /// # Errors
    /// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) where one is not.
    pub fn verdict(&self, compared: &Compared) -> Result<()> {
        let Some((mismatch, place)) = &compared.wrong else {
            return compared.run.check_promises(&self.signature);
        };
        let Mismatch { sample, output, expected, got, samples: wrong } = mismatch;
        let samples = compared.run.outputs.len();
        Err(Error::mismatch(
            format_args!("core `{}`, sample {sample}", self.signature.top),
            format_args!(
                "output {} is {got}, golden{} {expected} ({wrong} of {samples} samples \
                 are wrong)\n  {place}",
                self.signature.named(*output),
                if self.signature.decides() { "'s scores lead to" } else { " says" }
            ),
        ))
    }
}
