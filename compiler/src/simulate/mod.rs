//! Simulation of an emitted core in Verilator: thousands of vectors a call, bit for bit, with
//! timing measured.
//!
//! [`Simulator`] verilates and compiles a core (or finds it in the cache) and runs vectors through
//! it; [`Bench`] is one such core under the caller's hand, for resets in mid-frame, wrong `tlast`
//! and the like; [`Stepper`] is one that is given an input at a time.

mod beats;
mod compare;
mod locate;
mod run;
mod step;
mod wave;

pub use compare::Compared;
pub use locate::{FullFifo, Place, compare_words, locate};
pub use run::{Failure, Fault, Mismatch, Options, Run};
pub use step::Stepper;
pub use strassenc_verilator::axi_stream::{
    Accepted, Beats, Bench, Given, LAST, Progress, Response, Stimulus, USER,
};

use crate::emit::signature::Stream;
use crate::emit::{Emitted, Signature};
use crate::tools::Tools;
use std::path::Path;
use std::time::Duration;
use strassenc_runtime::{Error, Kind, Result, files};
use strassenc_verilator::{Design, Toolchain};

/// The Verilog of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The top module.
    pub top: String,
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
        Sources { top: signature.top.clone(), files: vec![], memories: vec![] }
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
    verilated: strassenc_verilator::Simulator,
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
        let design = Design {
            top: sources.top.clone(),
            files: sources.files.clone(),
            memories: sources.memories.clone(),
            memory_macro: Some("STRASSENC_FOLDER".into()),
        };
        let toolchain = Toolchain { verilator: tools.verilator()?, cxx: tools.cxx()? };
        let host = tools.host(&sources.top);
        let cache = tools.home().join("cache");
        let verilated =
            strassenc_verilator::Simulator::build(&design, traced, &toolchain, cache, &host)
                .map_err(refused)?;
        Ok(Simulator {
            cached: verilated.cached,
            build_time: verilated.elapsed,
            verilated,
            signature: signature.clone(),
            tools: tools.clone(),
        })
    }

    /// The core's promises.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// A core in its bench just after power-on, its registers filled at random from `seed`; it
    /// needs a [reset](Bench::reset). A traced simulator writes every signal to `wave`.
    ///
    /// # Errors
    /// Where the waveform cannot be written.
    pub fn core(&self, seed: u64, wave: Option<&Path>) -> Result<Bench> {
        let bytes = |(port, stream)| (port, Stream::beat_bytes(stream));
        let inputs: Vec<(&str, usize)> = self.signature.inputs().map(bytes).collect();
        let outputs: Vec<(&str, usize)> = self.signature.outputs().map(bytes).collect();
        self.verilated.bench(&inputs, &outputs, seed, wave).map_err(refused)
    }
}

/// What building and running a verilated core may come to, as an error of this project.
pub(crate) fn refused(error: strassenc_verilator::Error) -> Error {
    use strassenc_verilator::Error as Verilated;
    match error {
        Verilated::Tool { program, cause } => Error::tool(program, cause),
        Verilated::Refused { top, cause } => {
            let cause = format_args!("refused the Verilog of `{top}`: {cause}");
            Error::tool("verilator", cause)
                .help("write the build folder anew with `strassenc verilog MODEL -o BUILD`")
        }
        Verilated::Io { path, cause } => Error::io(path, cause)
            .help("set STRASSENC_HOME to a folder that can be written and has room"),
        Verilated::Port { name, cause } => {
            Error::tool("verilated core", format_args!("port `{name}` {cause}"))
        }
        Verilated::Model(cause) => Error::tool("verilated core", cause),
        Verilated::Stopped(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::internal("simulate", error),
        },
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
