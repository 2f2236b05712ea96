//! Simulation of an emitted core in Verilator: thousands of vectors a call, bit for bit, with
//! timing measured.
//!
//! [`Simulator`] verilates and compiles a core (or finds it in the cache) and runs vectors through
//! it; [`Core`] is one such core under the caller's hand, for resets in mid-frame, wrong `tlast`
//! and the like; [`Stepper`] is one that is given an input at a time.

mod beats;
mod build;
mod library;
mod locate;
mod run;
mod step;
mod wave;

pub use library::{Core, LAST, Progress, Response, Stimulus, USER};
pub use locate::{FullFifo, Place, compare_words, locate};
pub use run::{Failure, Fault, Mismatch, Options, Run};
pub use step::Stepper;

use crate::emit::{Emitted, Signature};
use crate::tools::Tools;
use library::Harness;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strassenc_runtime::{Error, Kind, Result, files};

/// The Verilog of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The top module.
    pub top: String,
    /// The names of its ports.
    pub ports: Vec<String>,
    /// File names and contents, in the order tools want them.
    pub files: Vec<(String, Vec<u8>)>,
    /// Names and contents of what they read with `$readmemh`.
    pub memories: Vec<(String, Vec<u8>)>,
}

impl Sources {
    /// The Verilog in a build folder.
    ///
    /// # Errors
    /// Where a file that the signature names cannot be read.
    pub fn read(folder: &Path, signature: &Signature) -> Result<Self> {
        let read = |name: &String| {
            // A name is handed to tools and joined to other folders.
            if Path::new(name).file_name() != Some(name.as_ref()) || name.starts_with('-') {
                let place = folder.join(crate::emit::signature::FILE);
                return Err(Error::input(
                    place.display(),
                    format_args!("{name:?} is not the name of a file in it"),
                ));
            }
            Ok((name.clone(), files::read(&folder.join(name))?))
        };
        let files = signature.files.iter().map(read).collect::<Result<_>>()?;
        let memories = signature.memories.iter().map(read).collect::<Result<_>>()?;
        Ok(Sources { files, memories, ..Self::of(signature) })
    }

    fn of(signature: &Signature) -> Self {
        let ports = signature.ports.iter().map(|port| port.name.clone()).collect();
        Sources { top: signature.top.clone(), ports, files: vec![], memories: vec![] }
    }
}

impl From<&Emitted> for Sources {
    fn from(emitted: &Emitted) -> Self {
        let text = |name: &String| {
            let file = emitted.files.iter().find(|f| f.path == *name);
            (name.clone(), file.map(|f| f.text.clone().into_bytes()).unwrap_or_default())
        };
        let Signature { files, memories, .. } = &emitted.signature;
        Sources {
            files: files.iter().map(text).collect(),
            memories: memories.iter().map(text).collect(),
            ..Self::of(&emitted.signature)
        }
    }
}

/// A compiled simulator of one core.
#[derive(Clone, Debug)]
pub struct Simulator {
    harness: Arc<Harness>,
    signature: Signature,
    tools: Tools,
    /// Whether it was in the cache.
    pub cached: bool,
    /// How long it took to build it, or to find it.
    pub build_time: Duration,
}

impl Simulator {
    /// Builds the simulator of a core, or finds it in the cache. A traced one can write waveforms;
    /// it is slower and builds longer.
    ///
    /// # Errors
    /// Where Verilator or the C++ compiler is missing or refuses the Verilog, the cache cannot be
    /// written, or the user interrupts.
    pub fn build(
        sources: &Sources,
        signature: &Signature,
        traced: bool,
        tools: &Tools,
    ) -> Result<Self> {
        let mut built = build::build(sources, traced, tools)?;
        let harness = match Harness::load(&built.library) {
            Err(_) if built.cached => {
                // Damaged, or made for another machine that shares the folder.
                build::discard(&built);
                built = build::build(sources, traced, tools)?;
                Harness::load(&built.library)?
            }
            loaded => loaded?,
        };
        Ok(Simulator {
            harness,
            signature: signature.clone(),
            tools: tools.clone(),
            cached: built.cached,
            build_time: built.elapsed,
        })
    }

    /// The core's promises.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// A core just after power-on, its registers filled at random from `seed`; it needs a
    /// [reset](Core::reset). A traced simulator writes every signal to `wave`.
    ///
    /// # Errors
    /// Where the waveform cannot be written.
    pub fn core(&self, seed: u64, wave: Option<&Path>) -> Result<Core> {
        let bytes = (self.signature.input.beat_bytes(), self.signature.output.beat_bytes());
        Core::new(&self.harness, bytes, seed, wave)
    }
}

/// Checks every line of the Verilog with `verilator --lint-only -Wall`.
///
/// # Errors
/// [`Kind::Mismatch`] with the first warnings where there are any; where Verilator is missing.
pub fn lint(sources: &Sources, tools: &Tools) -> Result<()> {
    let verilator = tools.verilator()?;
    let folder = files::WorkFolder::new()?;
    for (name, text) in &sources.files {
        files::write(&folder.path().join(name), text)?;
    }
    let mut command = verilator.command();
    command.current_dir(folder.path()).args(["--lint-only", "-Wall", "--top-module", &sources.top]);
    command.args(sources.files.iter().map(|(name, _)| name));
    let finished = tools.run(&mut command)?;
    tools.check_interrupted()?;
    let warnings: Vec<&str> = finished.stderr.lines().filter(|l| l.starts_with('%')).collect();
    if finished.status.success() && warnings.is_empty() {
        return Ok(());
    }
    let shown = warnings.iter().take(5).copied().collect::<Vec<_>>().join("\n");
    let shown = if shown.is_empty() { finished.complaint() } else { shown };
    let cause = format!("{} lint messages, first of all\n{shown}", warnings.len());
    Err(Error::new(Kind::Mismatch, format_args!("Verilog of `{}`", sources.top), cause))
}
