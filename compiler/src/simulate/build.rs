//! From Verilog to a shared library: verilated, compiled with the harness, kept in the cache.
//!
//! A library is keyed on the content of everything that goes into it: the Verilog, the harness, the
//! flags and the versions of Verilator and of the C++ compiler. Time stamps and paths play no part.

use super::Sources;
use crate::tools::{Cxx, Tools, Verilator, cache};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};

/// The C++ around the core; the same text for every core.
const HARNESS: &str = include_str!("../../../templates/harness.cpp");

/// Registers and other unknown values start as the harness decides (random). Functions of at most
/// some thousand statements and files of some ten thousand: the C++ compiler's time grows faster
/// than either (measured on 24,000 adders: 23 s of CPU against 53 s with Verilator's defaults).
const VERILATE: &[&str] = &[
    "--cc",
    "--prefix",
    "Vcore",
    "--Mdir",
    "cpp",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--output-split",
    "40000",
    "--output-split-cfuncs",
    "500",
];

/// Of a traced library. Small memories are told word by word: the c of an LSTM.
const TRACE: &[&str] = &["--trace", "--trace-max-array", "256"];

/// C++ that runs at each clock. -O1 compiles faster than -O2 and runs no slower here.
const FAST: &str = "-O1";
/// C++ that runs once.
const SLOW: &str = "-O0";

const COMPILE: &[&str] = &[
    "-std=c++17",
    "-fPIC",
    "-w",
    "-pthread",
    "-DVL_USER_FATAL",
    "-DVL_USER_STOP",
    "-DVL_USER_FINISH",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TIMING=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_SAIF=0",
];

/// Small C++ files are compiled together up to this size in bytes, since each pays for Verilator's
/// headers.
const UNIT: u64 = 200_000;

/// Compiled simulators beyond this number are removed, the longest unused first.
const KEPT: usize = 300;

/// The name of a shared library.
const LIBRARY: &str = "simulator.so";

/// A compiled simulator.
#[derive(Clone, Debug)]
pub(super) struct Built {
    /// The shared library.
    pub library: PathBuf,
    /// Whether it was in the cache.
    pub cached: bool,
    /// How long it took to build it, or to find it.
    pub elapsed: Duration,
}

/// The library of `sources`, from the cache or built into it. A traced one can write waveforms and
/// is slower.
///
/// # Errors
/// Where a tool is missing or refuses the Verilog, the cache cannot be written, or the user
/// interrupts.
pub(super) fn build(sources: &Sources, traced: bool, tools: &Tools) -> Result<Built> {
    let start = std::time::Instant::now();
    let (verilator, cxx) = (tools.verilator()?, tools.cxx()?);
    let job = Job { sources, traced, tools, verilator, cxx };
    let all = tools.home().join("cache/simulators");
    let folder = all.join(job.key());
    let library = folder.join(LIBRARY);
    let _lock = tools.lock(&folder.join("lock"))?;
    files::tidy(&all);
    // A library that was cut would be a crash, memories that were changed a wrong answer.
    let names: Vec<&str> =
        sources.memories.iter().map(|(name, _)| name.as_str()).chain([LIBRARY]).collect();
    let cached = cache::is_whole(&folder, &names);
    if cached {
        // Its time of modification is its time of use.
        let _ = fs::File::open(&library).and_then(|f| f.set_modified(SystemTime::now()));
    } else {
        job.build(&all, &folder)?;
        cache::seal(&folder, &names)?;
        prune(&folder);
    }
    Ok(Built { library, cached, elapsed: start.elapsed() })
}

/// Removes a library that cannot be loaded, so that the next [`build`] makes it anew.
pub(super) fn discard(built: &Built) {
    let _ = fs::remove_file(&built.library);
}

struct Job<'a> {
    sources: &'a Sources,
    traced: bool,
    tools: &'a Tools,
    verilator: Verilator,
    cxx: Cxx,
}

/// The ports that not every core has.
const OPTIONAL: [&str; 5] =
    ["aclken", "s_axis_tkeep", "s_axis_tlast", "m_axis_tkeep", "frame_error"];

impl Job<'_> {
    /// Which of [`OPTIONAL`] the core has, as flags for the harness.
    fn ports(&self) -> Vec<String> {
        let has = |port: &str| u8::from(self.sources.ports.iter().any(|name| name == port));
        OPTIONAL.map(|port| format!("-DHAS_{}={}", port.to_uppercase(), has(port))).to_vec()
    }

    fn key(&self) -> String {
        let mut hash = Sha256::new();
        // Every part with its length, so that no two lists of parts run together to the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.verilator.version.as_bytes());
        part(self.cxx.version.as_bytes());
        for flag in VERILATE.iter().chain(COMPILE).chain(&[FAST, SLOW, HARNESS]) {
            part(flag.as_bytes());
        }
        if self.traced {
            part(TRACE.join(" ").as_bytes());
        }
        part(&[u8::from(self.traced)]);
        part(self.ports().join(" ").as_bytes());
        part(self.sources.top.as_bytes());
        for (name, text) in self.sources.files.iter().chain(&self.sources.memories) {
            part(name.as_bytes());
            part(text);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    fn build(&self, all: &Path, folder: &Path) -> Result<()> {
        let work = WorkFolder::new_in(all)?;
        let work = work.path();
        for (name, text) in &self.sources.memories {
            files::write(&folder.join(name), text)?;
        }
        for (name, text) in &self.sources.files {
            fs::write(work.join(name), text).map_err(|e| no_room(work, e))?;
        }
        let spinner = self.tools.spinner(format!("verilating {}", self.sources.top));
        self.verilate(work, folder)?;
        spinner.finish_and_clear();
        fs::write(work.join("cpp/harness.cpp"), HARNESS).map_err(|e| no_room(work, e))?;
        let units = units(&work.join("cpp"))?;
        let runtime = self.runtime()?;
        let bytes = units.iter().map(|u| u.bytes / 1024).sum();
        let bar = self.tools.bar(format!("compiling {}", self.sources.top), bytes, "KiB");
        let mut objects = self.compile(&units, work, &bar)?;
        bar.finish_and_clear();
        objects.extend(runtime);
        let linked = work.join(LIBRARY);
        let mut link = Command::new(&self.cxx.program);
        link.args(["-shared", "-pthread", "-o"]).arg(&linked).args(&objects);
        self.tools.run_ok(&mut link)?;
        let library = folder.join(LIBRARY);
        fs::rename(&linked, &library).map_err(|e| no_room(&library, e))
    }

    /// Makes C++ of the Verilog in `work`, which finds its memories in `memories`: a library may
    /// run anywhere.
    fn verilate(&self, work: &Path, memories: &Path) -> Result<()> {
        let mut command = self.verilator.command();
        command.current_dir(work).args(VERILATE).args(["--top-module", &self.sources.top]);
        let memories = memories.canonicalize().unwrap_or_else(|_| memories.into());
        command.arg(format!("-DSTRASSENC_FOLDER=\"{}\"", memories.display()));
        if self.traced {
            command.args(TRACE);
        }
        command.args(self.sources.files.iter().map(|(name, _)| name));
        self.tools.run_ok(&mut command).map(|_| ()).map_err(|e| {
            if e.kind() != strassenc_runtime::Kind::Tool {
                return e;
            }
            Error::tool(
                "verilator",
                format_args!("refused the Verilog of `{}`: {}", self.sources.top, e.cause()),
            )
            .help("write the build folder anew with `strassenc verilog MODEL -o BUILD`")
        })
    }

    fn cxx(&self, optimise: &str, include: &[&Path]) -> Command {
        let mut command = Command::new(&self.cxx.program);
        let trace = u8::from(self.traced);
        command.arg(optimise).args(COMPILE).args([
            format!("-DTRACE={trace}"),
            format!("-DVM_TRACE={trace}"),
            format!("-DVM_TRACE_VCD={trace}"),
        ]);
        command.args(self.ports());
        let own = self.verilator.include();
        for folder in
            [own.join("vltstd"), own].iter().map(PathBuf::as_path).chain(include.iter().copied())
        {
            command.arg("-I").arg(folder);
        }
        command
    }

    /// Compiles the units, the largest first, as many at a time as there are processors.
    fn compile(&self, units: &[Unit], work: &Path, bar: &ProgressBar) -> Result<Vec<PathBuf>> {
        let queue = Mutex::new(units.iter().enumerate());
        let next = || queue.lock().ok().and_then(|mut q| q.next());
        let cpp = work.join("cpp");
        let one = || -> Result<Vec<PathBuf>> {
            let mut objects = Vec::new();
            while let Some((i, unit)) = next() {
                let source = work.join(format!("unit_{i}.cpp"));
                let text: String =
                    unit.files.iter().map(|f| format!("#include \"{f}\"\n")).collect();
                fs::write(&source, text).map_err(|e| no_room(work, e))?;
                let object = source.with_extension("o");
                let mut command = self.cxx(if unit.slow { SLOW } else { FAST }, &[&cpp]);
                command.arg("-c").arg(&source).arg("-o").arg(&object);
                if let Err(error) = self.tools.run_ok(&mut command) {
                    // The others need not begin what is left.
                    while next().is_some() {}
                    return Err(error);
                }
                bar.inc(unit.bytes / 1024);
                objects.push(object);
            }
            Ok(objects)
        };
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(units.len());
        let results: Vec<Result<Vec<PathBuf>>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..workers).map(|_| scope.spawn(one)).collect();
            handles
                .into_iter()
                .map(|h| {
                    h.join().unwrap_or_else(|_| {
                        Err(Error::internal("simulate", "a compiling thread panicked"))
                    })
                })
                .collect()
        });
        Ok(results.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    /// Verilator's own C++, compiled once for all cores.
    fn runtime(&self) -> Result<Vec<PathBuf>> {
        let mut names = vec!["verilated", "verilated_threads"];
        if self.traced {
            names.push("verilated_vcd_c");
        }
        let mut hash = Sha256::new();
        for part in [&self.verilator.version, &self.cxx.version]
            .map(String::as_str)
            .into_iter()
            .chain(COMPILE.iter().copied())
        {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update([u8::from(self.traced)]);
        let key: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let folder = self.tools.home().join("cache/runtime").join(key);
        let _lock = self.tools.lock(&folder.join("lock"))?;
        let objects: Vec<String> = names.iter().map(|name| format!("{name}.o")).collect();
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        if !cache::is_whole(&folder, &objects) {
            let spinner = self.tools.spinner("compiling Verilator's runtime, once");
            for (name, object) in names.iter().zip(&objects) {
                let source = self.verilator.include().join(name).with_extension("cpp");
                let mut command = self.cxx(FAST, &[]);
                command.arg("-c").arg(source).arg("-o").arg(folder.join(object));
                self.tools.run_ok(&mut command)?;
            }
            spinner.finish_and_clear();
            cache::seal(&folder, &objects)?;
        }
        Ok(objects.iter().map(|object| folder.join(object)).collect())
    }
}

/// C++ files that are compiled together.
struct Unit {
    files: Vec<String>,
    bytes: u64,
    slow: bool,
}

/// The C++ in `folder` in units, the largest first.
fn units(folder: &Path) -> Result<Vec<Unit>> {
    let fail = |e: std::io::Error| Error::io(folder, format_args!("cannot be read: {e}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".cpp") {
            files.push((name.contains("Slow"), entry.metadata().map_err(fail)?.len(), name));
        }
    }
    files.sort();
    if files.iter().map(|(_, bytes, _)| bytes).sum::<u64>() <= UNIT {
        // A core this small is not worth a unit of its own for what runs once.
        files.iter_mut().for_each(|(slow, ..)| *slow = false);
    }
    let mut units: Vec<Unit> = Vec::new();
    for (slow, bytes, name) in files {
        match units.last_mut() {
            Some(unit) if unit.slow == slow && unit.bytes + bytes <= UNIT => {
                unit.files.push(name);
                unit.bytes += bytes;
            }
            _ => units.push(Unit { files: vec![name], bytes, slow }),
        }
    }
    units.sort_by_key(|u| std::cmp::Reverse(u.bytes));
    Ok(units)
}

/// Removes the simulators that were not used for longest, down to [`KEPT`]. What cannot be removed
/// stays.
fn prune(newest: &Path) {
    let Some(parent) = newest.parent() else { return };
    let Ok(entries) = fs::read_dir(parent) else { return };
    let mut list: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|e| Some((e.path().join(LIBRARY).metadata().ok()?.modified().ok()?, e.path())))
        .filter(|(_, path)| path != newest)
        .collect();
    list.sort();
    let surplus = (list.len() + 1).saturating_sub(KEPT);
    for (_, path) in &list[..surplus] {
        let _ = fs::remove_dir_all(path);
    }
}

fn no_room(path: &Path, error: std::io::Error) -> Error {
    Error::io(path, format_args!("cannot be written: {error}"))
        .help("set STRASSENC_HOME to a folder that can be written and has room")
}
