//! Running vectors through a simulator: beats in, beats out, every rule of the streams checked,
//! timing measured.

use super::{
    Accepted, Beats, Bench, Given, LAST, Progress, Response, Simulator, Stimulus, USER, refused,
};
use crate::emit::Signature;
use crate::emit::signature::Stream;
use serde::Serialize;
use std::time::Instant;
use strassenc_runtime::error::count;
use strassenc_runtime::{Error, Result};

/// How vectors are streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Decides what registers hold at power-on, gaps, stalls and pauses, and, of a core that is not
    /// recurrent, `tuser`.
    pub seed: u64,
    /// Withholds `tvalid` of each input at random.
    pub gaps: bool,
    /// Withholds `tready` of each output at random.
    pub backpressure: bool,
    /// Withholds `aclken` at random, where the core has it.
    pub pauses: bool,
    /// Resets the core at random clocks: every so many vectors are begun, lost and given anew.
    pub resets: bool,
    /// Cores that work side by side, each on a share of the vectors, of a recurrent core whole
    /// sequences; 0: one per processor.
    pub threads: usize,
    /// Vectors of a sequence of a recurrent core; 0: all are one.
    pub sequence: usize,
}

impl Default for Options {
    fn default() -> Self {
        let (gaps, backpressure, pauses, resets) = (false, false, false, false);
        Options { seed: 1, gaps, backpressure, pauses, resets, threads: 1, sequence: 0 }
    }
}

impl Options {
    /// Whether the core runs at full rate, so that its II can be measured.
    pub fn full_rate(&self) -> bool {
        !self.gaps && !self.backpressure && !self.pauses && !self.resets
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// One vector per input vector.
    pub outputs: Vec<Vec<i64>>,
    /// Clocks from a vector's last input beat, on whatever input, to its first output beat,
    /// measured on the first vector in an empty core; negative where that comes before.
    pub latency: i64,
    /// The same of each head.
    pub heads: Vec<i64>,
    /// Clocks between vectors, measured at full rate; none where gaps, stalls or pauses were asked
    /// for, or there was only one vector; of a core that fills at first, from the first vector
    /// after that on.
    pub ii: Option<f64>,
    /// Clocks that all cores together ran.
    pub clocks: u64,
    /// Seconds that the simulation took, without building it.
    pub seconds: f64,
}

impl Run {
    /// Compares the measured timing with what the signature promises.
    ///
    /// # Errors
    /// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) where a promise is broken.
    pub fn check_promises(&self, signature: &Signature) -> Result<()> {
        let broken = |what: &str, measured: f64, promised: i64| {
            Error::mismatch(
                format_args!("core `{}`", signature.top),
                format_args!(
                    "{what} is {}, signature.json promises {promised}",
                    count(measured, "clock")
                ),
            )
        };
        if self.latency != signature.latency {
            return Err(broken("the latency", self.latency as f64, signature.latency));
        }
        for (measured, head) in self.heads.iter().zip(&signature.heads) {
            if *measured != head.latency {
                let what = format!("the latency of {}", head.port);
                return Err(broken(&what, *measured as f64, head.latency));
            }
        }
        match self.ii {
            // The most is promised.
            Some(ii)
                if ii > f64::from(signature.ii)
                    || (ii != f64::from(signature.ii) && !signature.whole_frames) =>
            {
                Err(broken("the initiation interval", ii, signature.ii.into()))
            }
            _ => Ok(()),
        }
    }

    /// Compares the outputs with what they should be.
    pub fn mismatch(&self, expected: &[Vec<i64>]) -> Option<Mismatch> {
        let wrong = |(_, (got, due)): &(usize, (&Vec<i64>, &Vec<i64>))| got != due;
        let mut differing = self.outputs.iter().zip(expected).enumerate().filter(wrong);
        let (sample, (got, due)) = differing.next()?;
        let output = got.iter().zip(due).position(|(a, b)| a != b).unwrap_or_default();
        Some(Mismatch {
            sample,
            output,
            expected: due[output],
            got: got[output],
            samples: 1 + differing.count(),
        })
    }

    /// Vectors per second of simulation.
    pub fn rate(&self) -> f64 {
        self.outputs.len() as f64 / self.seconds.max(1e-9)
    }
}

/// The first output that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The position of the sample.
    pub sample: usize,
    /// The element of its output vector.
    pub output: usize,
    /// The value that the output should have.
    pub expected: i64,
    /// The value that the output has.
    pub got: i64,
    /// Samples of which any output is wrong.
    pub samples: usize,
}

/// A core that breaks a rule of its streams, or gets stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the core.
    pub core: String,
    /// The sample during which it showed.
    pub sample: usize,
    /// What the core did, and at which clock.
    pub cause: String,
}

/// Why a run ended early.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The core is wrong.
    Fault(Fault),
    /// The core could not be run.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Error::from(self.clone()))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fault(f) => {
                Error::mismatch(format_args!("core `{}`, sample {}", f.core, f.sample), f.cause)
            }
            Failure::Error(error) => error,
        }
    }
}

/// Clocks that `aresetn` is held low for before each stimulus.
pub(super) const RESET: u32 = 4;

/// Clocks between looks at the interrupt flag.
const SLICE: u64 = 256;

/// Clocks that are waited for surplus outputs, at most.
const LINGER: u64 = 1 << 16;

/// Vectors between two resets, where resets are asked for.
const RUN: usize = 32;

/// The fewest vectors that a thread of its own is worth.
const SHARE: usize = 32;

impl Simulator {
    /// Streams `inputs` through the core and yields what comes out, in order.
    ///
    /// # Errors
    /// [`Failure::Fault`] where the core gets stuck or breaks a rule of its streams (a wrong
    /// `tlast` or `tuser`, an output that changes while it waits, too many outputs, `frame_error`
    /// for no reason), with the vector and the clock; where the user interrupts.
    pub fn run(&self, inputs: &[Vec<i64>], options: &Options) -> Result<Run, Failure> {
        self.run_sequences(inputs, &self.starts(inputs.len(), options), options)
    }

    /// Runs as [`run`](Self::run) does; `starts` holds the `tuser` of each input: whether a
    /// sequence starts with it. Where the options have sequences, one starts with each of these.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_sequences(
        &self,
        inputs: &[Vec<i64>],
        starts: &[bool],
        options: &Options,
    ) -> Result<Run, Failure> {
        let start = Instant::now();
        let Some(first) = inputs.first() else {
            return Ok(Run {
                outputs: vec![],
                latency: 0,
                heads: vec![],
                ii: None,
                clocks: 0,
                seconds: 0.0,
            });
        };
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n,
        };
        let share = inputs.len().div_ceil(threads).max(SHARE);
        let share = share.next_multiple_of(self.sequence(inputs.len(), options));
        let bar = self.tools.bar("simulating", inputs.len() as u64, "vectors");
        let parts: Vec<Result<Part, Failure>> = std::thread::scope(|scope| {
            let work = |(i, (part, starts))| {
                let bar = &bar;
                scope.spawn(move || self.part(part, starts, i * share, options, bar))
            };
            let handles: Vec<_> =
                inputs.chunks(share).zip(starts.chunks(share)).enumerate().map(work).collect();
            let panicked =
                |_| Err(Error::internal("simulate", "a simulating thread panicked").into());
            handles.into_iter().map(|h| h.join().unwrap_or_else(panicked)).collect()
        });
        bar.finish_and_clear();
        let (mut outputs, mut clocks, mut ii, mut latencies) =
            (Vec::with_capacity(inputs.len()), 0, None, None);
        for part in parts {
            let part = part?;
            clocks += part.clocks;
            ii = ii.or(part.ii);
            latencies = latencies.or(part.latencies);
            outputs.extend(part.outputs);
        }
        let mut heads = match latencies {
            Some(latencies) => latencies,
            None => self.latencies(first, options.seed)?,
        };
        let latency = heads.remove(0);
        Ok(Run { outputs, latency, heads, ii, clocks, seconds: start.elapsed().as_secs_f64() })
    }

    /// Clocks from the last input beat of `vector`, alone in the core, to the first beat of each
    /// output.
    fn latencies(&self, vector: &[i64], seed: u64) -> Result<Vec<i64>, Failure> {
        let mut core = self.core(seed, None)?;
        let stimulus = self.stimulus(
            std::slice::from_ref(&vector),
            &[true],
            &Options { seed, ..Options::default() },
        );
        let response = self.drive(&mut core, stimulus, &[true], 0, |_| ())?;
        self.decode(&response, &[true], 0)?;
        Ok(self.latencies_of(&response))
    }

    /// Clocks from the last beat of the first input vector to the first beat of the first vector of
    /// each output.
    fn latencies_of(&self, response: &Response) -> Vec<i64> {
        let last = |((_, stream), of): ((&str, &Stream), &Accepted)| of.clocks[stream.beats - 1];
        let inputs = self.signature.inputs().zip(&response.inputs);
        let last = inputs.map(last).max().unwrap_or(0) as i64;
        response.outputs.iter().map(|beats| beats.shown[0] as i64 - last).collect()
    }

    fn part(
        &self,
        inputs: &[Vec<i64>],
        users: &[bool],
        offset: usize,
        options: &Options,
        bar: &indicatif::ProgressBar,
    ) -> Result<Part, Failure> {
        let seed = options.seed.wrapping_add(offset as u64);
        let mut core = self.core(seed, None)?;
        self.streamed(&mut core, inputs, users, offset, &Options { seed, ..*options }, bar)
    }

    /// Streams `inputs`, the first of them number `offset`, through one core.
    pub(super) fn streamed(
        &self,
        core: &mut Bench,
        inputs: &[Vec<i64>],
        users: &[bool],
        offset: usize,
        options: &Options,
        bar: &indicatif::ProgressBar,
    ) -> Result<Part, Failure> {
        if options.resets {
            return self.part_with_resets(core, inputs, users, offset, *options, bar);
        }
        let stimulus = self.stimulus(inputs, users, options);
        let beats = self.signature.output.beats as u64;
        let mut told = 0;
        let response = self.drive(core, stimulus, users, offset, |produced| {
            bar.inc(produced / beats - told);
            told = produced / beats;
        })?;
        let outputs = self.decode(&response, users, offset)?;
        let first = self.signature.warm_up as usize;
        let ii = (options.full_rate() && inputs.len() > first + 1).then(|| {
            let taken = |vector: usize| response.outputs[0].taken[vector * beats as usize];
            (taken(inputs.len() - 1) - taken(first)) as f64 / (inputs.len() - 1 - first) as f64
        });
        // Words behind the first vector do not delay it.
        let latencies = options.full_rate().then(|| self.latencies_of(&response));
        Ok(Part { outputs, clocks: response.clock, ii, latencies })
    }

    /// Runs of vectors, each of them cut short by a reset first. A sequence is part of one run.
    fn part_with_resets(
        &self,
        core: &mut Bench,
        inputs: &[Vec<i64>],
        users: &[bool],
        offset: usize,
        options: Options,
        bar: &indicatif::ProgressBar,
    ) -> Result<Part, Failure> {
        let (ii, latency) = (self.signature.ii, self.longest());
        let run = RUN.next_multiple_of(self.sequence(inputs.len(), &options));
        let mut part = Part { outputs: vec![], clocks: 0, ii: None, latencies: None };
        for (inputs, users) in inputs.chunks(run).zip(users.chunks(run)) {
            let offset = offset + part.outputs.len();
            let options = Options { seed: mix(options.seed, offset as u64), ..options };
            let busy = latency + u64::from(ii) * inputs.len() as u64;
            core.reset(RESET).map_err(refused)?;
            core.start(self.stimulus(inputs, users, &options)).map_err(refused)?;
            core.run(1 + options.seed % (busy + 1)).map_err(refused)?;
            let stimulus = self.stimulus(inputs, users, &options);
            let response = self.drive(core, stimulus, users, offset, |_| ())?;
            part.outputs.extend(self.decode(&response, users, offset)?);
            part.clocks = response.clock;
            bar.inc(inputs.len() as u64);
        }
        Ok(part)
    }

    /// Each vector's `tuser`: of a recurrent core only that of the first one of a sequence is high,
    /// of others any may be.
    pub(super) fn starts(&self, count: usize, options: &Options) -> Vec<bool> {
        let length = self.sequence(count, options);
        let start = |i: usize| match self.signature.recurrent {
            true => i.is_multiple_of(length),
            false => mix(options.seed, i as u64) & 1 == 1,
        };
        (0..count).map(start).collect()
    }

    /// The vectors, of so many, of a sequence, which only one core after the other can work on.
    pub(super) fn sequence(&self, count: usize, options: &Options) -> usize {
        match (self.signature.recurrent, options.sequence) {
            (false, _) => 1,
            (true, 0) => count.max(1),
            (true, length) => length,
        }
    }

    /// The most clocks between a frame's last beat and the first beat of an output.
    fn longest(&self) -> u64 {
        self.signature.latencies().map(i64::unsigned_abs).max().unwrap_or(0)
    }

    /// The beats of `inputs`, with each vector's `tuser`.
    pub(super) fn stimulus(
        &self,
        inputs: &[impl AsRef<[i64]>],
        users: &[bool],
        options: &Options,
    ) -> Stimulus {
        let ii = self.signature.ii;
        let mut given: Vec<Given> = self.signature.inputs().map(|_| Given::default()).collect();
        for (vector, user) in inputs.iter().zip(users) {
            for ((stream, own), given) in self.signature.split(vector.as_ref()).zip(&mut given) {
                stream.encode(own, *user, &mut given.data, &mut given.flags);
            }
        }
        let enter: usize = self.signature.inputs().map(|(_, of)| of.beats).sum();
        let outputs: Vec<usize> = self.signature.outputs().map(|(_, of)| of.beats).collect();
        let beats = (enter + outputs.iter().sum::<usize>()) as u64;
        let quiet = self.longest() + beats + u64::from(ii);
        Stimulus {
            inputs: given,
            expected: outputs.iter().map(|beats| inputs.len() * beats).collect(),
            linger: quiet.min(LINGER) + 8,
            // Gates withhold three quarters of all clocks in the long run and up to some hundred in
            // a row.
            patience: 16 * quiet + 2000 + 8 * self.signature.loading(),
            seed: options.seed,
            gaps: options.gaps,
            stalls: options.backpressure,
            pauses: options.pauses && self.signature.ports.iter().any(|p| p.name == "aclken"),
            clear: false,
        }
    }

    /// Resets the core and drives the stimulus to its end; `users` are its vectors' `tuser`.
    pub(super) fn drive(
        &self,
        core: &mut Bench,
        stimulus: Stimulus,
        users: &[bool],
        offset: usize,
        progress: impl FnMut(u64),
    ) -> Result<Response, Failure> {
        core.reset(RESET).map_err(refused)?;
        self.go_on(core, stimulus, users, offset, progress)
    }

    /// Drives the stimulus to its end from where the core is.
    pub(super) fn go_on(
        &self,
        core: &mut Bench,
        stimulus: Stimulus,
        users: &[bool],
        offset: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Response, Failure> {
        let given: Vec<usize> = stimulus.inputs.iter().map(|of| of.flags.len()).collect();
        let due = stimulus.expected.clone();
        let beats_out = due.first().map_or(0, |beats| *beats as u64);
        core.start(stimulus).map_err(refused)?;
        loop {
            let state = core.run(SLICE).map_err(refused)?;
            let produced = core.passed();
            progress(produced.min(beats_out));
            self.tools.check_interrupted()?;
            match state {
                Progress::Running => {}
                Progress::Done => return Ok(core.finish()),
                Progress::Stuck => {
                    let response = core.finish();
                    // A rule that was broken before says more.
                    self.check_rules(&response, users, offset)?;
                    let sample = offset + (produced / self.signature.output.beats as u64) as usize;
                    let told = |(((port, _), beats), due): (((&str, _), &Beats), &usize)| {
                        let (came, valid) = (beats.produced, u8::from(beats.valid));
                        format!("; {came} of {due} beats came of {port}, whose tvalid is {valid}")
                    };
                    let outputs: String = (self.signature.outputs())
                        .zip(&response.outputs)
                        .zip(&due)
                        .map(told)
                        .collect();
                    let told = |(((port, _), of), given): (((&str, _), &Accepted), &usize)| {
                        let (accepted, ready) = (of.clocks.len(), u8::from(of.ready));
                        format!("{accepted} of {given} beats of {port}, whose tready is {ready}")
                    };
                    let inputs: Vec<String> = (self.signature.inputs())
                        .zip(&response.inputs)
                        .zip(&given)
                        .map(told)
                        .collect();
                    let (clock, inputs) = (response.clock, inputs.join(", and "));
                    let cause =
                        format_args!("is stuck at clock {clock}: it took {inputs}{outputs}");
                    return Err(self.fault(sample, cause));
                }
            }
        }
    }

    /// Whether the output streams, as far as they came, kept every rule; `users` are the input
    /// vectors' `tuser`.
    fn check_rules(
        &self,
        response: &Response,
        users: &[bool],
        offset: usize,
    ) -> Result<(), Failure> {
        // The vector that is passing a stream at a clock.
        let passing = |clocks: &[u64], beats: usize, clock: u64| {
            offset + (clocks.partition_point(|c| *c < clock) / beats).min(users.len() - 1)
        };
        if let Some(clock) = response.open_in_reset {
            let cause = format_args!(
                "has the tready of an input or the tvalid of an output high in reset, at clock \
                 {clock}"
            );
            return Err(self.fault(offset, cause));
        }
        if let Some(clock) = response.frame_error {
            let first = response.inputs.first().map_or(&[][..], |of| &of.clocks);
            let sample = passing(first, self.signature.input.beats, clock);
            return Err(self.fault(
                sample,
                format_args!("raised frame_error at clock {clock}, though every tlast was right"),
            ));
        }
        for ((port, output), beats) in self.signature.outputs().zip(&response.outputs) {
            if let Some(clock) = beats.unstable {
                let sample = passing(&beats.taken, output.beats, clock);
                let cause = format_args!(
                    "changed or withdrew an output beat at clock {clock} while {port}_tready was \
                     low"
                );
                return Err(self.fault(sample, cause));
            }
            self.check_beats((port, output), beats, users, offset)?;
        }
        Ok(())
    }

    /// Whether the beats of an output are whole frames with the right `tuser`.
    fn check_beats(
        &self,
        (port, output): (&str, &Stream),
        beats: &Beats,
        users: &[bool],
        offset: usize,
    ) -> Result<(), Failure> {
        let expected = users.len() * output.beats;
        for (i, flags) in beats.flags.iter().take(expected).enumerate() {
            let (vector, beat) = (i / output.beats, i % output.beats);
            let last = beat + 1 == output.beats;
            let user = beat == 0 && users[vector];
            for (name, bit, due) in [("tlast", LAST, last), ("tuser", USER, user)] {
                if (flags & bit != 0) != due {
                    let (clock, due) = (beats.taken[i], u8::from(due));
                    let cause = format_args!(
                        "has {port}_{name} wrong on beat {beat} at clock {clock}: it should be \
                         {due}"
                    );
                    return Err(self.fault(offset + vector, cause));
                }
            }
            let due = if last { output.last_bytes() } else { output.beat_bytes() };
            if beats.kept[i] != due as u32 {
                let clock = beats.taken[i];
                let cause = format_args!(
                    "has {port}_tkeep wrong on beat {beat} at clock {clock}: {due} bytes are due"
                );
                return Err(self.fault(offset + vector, cause));
            }
        }
        if beats.produced > expected as u64 {
            let clock = beats.taken.get(expected).copied().unwrap_or_default();
            let cause = format_args!(
                "gave more than the {expected} beats of {port} that are due, at clock {clock}"
            );
            return Err(self.fault(offset + users.len() - 1, cause));
        }
        Ok(())
    }

    /// The output vectors of a stimulus that came to its end, those of the heads behind that of the
    /// last layer; every rule of the output streams checked.
    pub(super) fn decode(
        &self,
        response: &Response,
        users: &[bool],
        offset: usize,
    ) -> Result<Vec<Vec<i64>>, Failure> {
        self.check_rules(response, users, offset)?;
        let mut all: Vec<Vec<i64>> = vec![vec![]; users.len()];
        for ((port, output), beats) in self.signature.outputs().zip(&response.outputs) {
            let vectors = beats.data.chunks(output.beats * output.beat_bytes());
            for (i, (bytes, all)) in vectors.zip(&mut all).enumerate() {
                let fault =
                    |cause| self.fault(offset + i, format_args!("has {port}_tdata wrong: {cause}"));
                all.extend(output.decode(bytes).map_err(fault)?);
            }
        }
        Ok(all)
    }

    fn fault(&self, sample: usize, cause: impl std::fmt::Display) -> Failure {
        Failure::Fault(Fault { core: self.signature.top.clone(), sample, cause: cause.to_string() })
    }
}

/// What one core made of its share.
pub(super) struct Part {
    pub(super) outputs: Vec<Vec<i64>>,
    clocks: u64,
    ii: Option<f64>,
    /// The latencies of the first vector, at full rate.
    latencies: Option<Vec<i64>>,
}

/// splitmix64 of two numbers.
fn mix(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
