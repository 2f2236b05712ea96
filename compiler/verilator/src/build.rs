//! Builds a shared library from Verilog: verilated, compiled with this crate's C++, kept in the
//! cache.
//!
//! A library is keyed on the content of everything that goes into it: the Verilog, the C++, the
//! flags and the versions of Verilator and of the C++ compiler. Time stamps and paths play no part.

use crate::host::{Failure, Host, Step};
use crate::port::{self, Direction, Port};
use crate::{Design, Error, Toolchain, axi_stream, seal};
use sha2::{Digest, Sha256};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The C++ around a design; the same text for every design.
const MODEL: [(&str, &str); 2] =
    [("model.h", include_str!("../cpp/model.h")), ("model.cpp", include_str!("../cpp/model.cpp"))];

/// The C++ around a design with streams.
const BENCH: (&str, &str) = ("axi_stream.cpp", include_str!("../cpp/axi_stream.cpp"));

/// Registers and other unknown values start as the model decides (random). Functions of at most
/// some thousand statements and files of some ten thousand: the C++ compiler's time grows faster
/// than either (measured on 24,000 adders: 23 s of CPU against 53 s with Verilator's defaults).
const VERILATE: &[&str] = &[
    "--cc",
    "--prefix",
    "Vmodel",
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

/// The flags of a traced library. Small memories are told word by word: the c of an LSTM.
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

/// Small C++ files are compiled together up to this size in bytes, or up to that of the design's
/// own headers, since each unit pays for these and for Verilator's: of a layer of 5,600 serial
/// adders, whose headers are 3 MB, three files took 9.4 s of CPU together and 12.7 s apart.
const UNIT: u64 = 200_000;

/// Compiled simulators beyond this number are removed, the longest unused first.
const KEPT: usize = 300;

/// The name of a shared library.
const LIBRARY: &str = "simulator.so";

/// A compiled library.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The shared library.
    pub library: PathBuf,
    /// Whether it was in the cache.
    pub cached: bool,
    /// How long it took to build it, or to find it.
    pub elapsed: Duration,
}

/// The library of `design`, from the cache or built into it.
pub(crate) fn build(
    design: &Design,
    traced: bool,
    toolchain: &Toolchain,
    cache: &Path,
    host: &dyn Host,
) -> Result<Built, Error> {
    let start = Instant::now();
    let job = Job { design, traced, toolchain, cache, host };
    job.check_names()?;
    let folder = cache.join("simulators").join(job.key());
    let library = folder.join(LIBRARY);
    let lock = job.lock(&folder)?;
    // A library that was cut would be a crash, memories that were changed a wrong answer.
    let names: Vec<&str> =
        design.memories.iter().map(|(name, _)| name.as_str()).chain([LIBRARY]).collect();
    let cached = seal::is_whole(&folder, &names);
    if cached {
        // Its time of modification is its time of use.
        let _ = File::open(&library).and_then(|f| f.set_modified(SystemTime::now()));
    } else {
        let built = job.build(&folder);
        host.told(Step::Done);
        built?;
        seal::seal(&folder, &names).map_err(|e| Error::unwritten(&folder, &e))?;
        prune(&folder);
    }
    // Closing the file is not enough: a process that is just being started holds it open, too.
    let _ = lock.unlock();
    Ok(Built { library, cached, elapsed: start.elapsed() })
}

/// Removes a library that cannot be loaded, so that the next [`build`] makes it anew.
pub(crate) fn discard(built: &Built) {
    let _ = fs::remove_file(&built.library);
}

struct Job<'a> {
    design: &'a Design,
    traced: bool,
    toolchain: &'a Toolchain,
    cache: &'a Path,
    host: &'a dyn Host,
}

impl Job<'_> {
    /// Names are handed to programs and joined to folders.
    fn check_names(&self) -> Result<(), Error> {
        let Design { files, memories, .. } = self.design;
        for (name, _) in files.iter().chain(memories) {
            if Path::new(name).file_name() != Some(name.as_ref()) || name.starts_with('-') {
                let cause = "is not the name of a file in a folder".to_string();
                return Err(Error::Io { path: name.into(), cause });
            }
        }
        Ok(())
    }

    /// Takes the lock of a folder, which is made where it is missing.
    fn lock(&self, folder: &Path) -> Result<File, Error> {
        let path = folder.join("lock");
        let fail = |e: std::io::Error| Error::unwritten(&path, &e);
        fs::create_dir_all(folder).map_err(fail)?;
        let file = File::options().create(true).append(true).open(&path).map_err(fail)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    self.host.check().map_err(|e| e.of("waiting for another process"))?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::Error(e)) => return Err(fail(e)),
            }
        }
    }

    fn key(&self) -> String {
        let mut hash = Sha256::new();
        // Every part with its length, so that no two lists of parts run together to the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let Toolchain { verilator, cxx } = self.toolchain;
        part(verilator.version.as_bytes());
        part(cxx.version.as_bytes());
        let own = MODEL.iter().chain([&BENCH]).map(|(_, text)| text);
        for flag in VERILATE.iter().chain(COMPILE).chain(&[FAST, SLOW]).chain(own) {
            part(flag.as_bytes());
        }
        if self.traced {
            part(TRACE.join(" ").as_bytes());
        }
        part(&[u8::from(self.traced)]);
        part(self.design.top.as_bytes());
        part(self.design.memory_macro.as_deref().unwrap_or_default().as_bytes());
        for (name, text) in self.design.files.iter().chain(&self.design.memories) {
            part(name.as_bytes());
            part(text);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Builds in a folder within `folder`, which is removed, also by the next one who holds the
    /// lock where this process is killed.
    fn build(&self, folder: &Path) -> Result<(), Error> {
        let work = folder.join("work");
        let _ = fs::remove_dir_all(&work);
        let built = self.build_in(&work, folder);
        let _ = fs::remove_dir_all(&work);
        built
    }

    fn build_in(&self, work: &Path, folder: &Path) -> Result<(), Error> {
        let cpp = work.join("cpp");
        fs::create_dir_all(&cpp).map_err(|e| Error::unwritten(&cpp, &e))?;
        for (name, text) in &self.design.memories {
            write(&folder.join(name), text)?;
        }
        for (name, text) in &self.design.files {
            write(&work.join(name), text)?;
        }
        self.host.told(Step::Verilate);
        self.verilate(work, folder)?;
        let flags = self.own(&cpp)?;
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
        let units = units(&cpp, workers)?;
        let runtime = self.runtime()?;
        let mut objects = self.compile(&units, workers, &flags, work)?;
        objects.extend(runtime);
        let linked = work.join(LIBRARY);
        let mut link = Command::new(&self.toolchain.cxx.program);
        link.args(["-shared", "-pthread", "-o"]).arg(&linked).args(&objects);
        self.run(&mut link, "the linker")?;
        let library = folder.join(LIBRARY);
        fs::rename(&linked, &library).map_err(|e| Error::unwritten(&library, &e))
    }

    fn run(&self, command: &mut Command, name: &str) -> Result<String, Error> {
        self.host.run(command).map_err(|e| e.of(name))
    }

    /// Makes C++ of the Verilog in `work`, which finds its memories in `memories`: a library may
    /// run anywhere.
    fn verilate(&self, work: &Path, memories: &Path) -> Result<(), Error> {
        let Design { top, files, memory_macro, .. } = self.design;
        let mut command = self.toolchain.verilator.command();
        command.current_dir(work).args(VERILATE).args(["--top-module", top]);
        if let Some(name) = memory_macro {
            let memories = memories.canonicalize().unwrap_or_else(|_| memories.into());
            command.arg(format!("-D{name}=\"{}\"", memories.display()));
        }
        if self.traced {
            command.args(TRACE);
        }
        command.args(files.iter().map(|(name, _)| name));
        match self.host.run(&mut command) {
            Ok(_) => Ok(()),
            Err(Failure::Failed(cause)) => Err(Error::Refused { top: top.clone(), cause }),
            Err(stopped) => Err(stopped.of("verilator")),
        }
    }

    /// Puts this crate's own C++ beside the verilated, and yields its flags: which of the bench's
    /// optional ports there are.
    fn own(&self, cpp: &Path) -> Result<Vec<String>, Error> {
        let header = cpp.join("Vmodel.h");
        let text = fs::read_to_string(&header).map_err(|e| Error::unread(&header, &e))?;
        let ports = port::in_header(&text);
        let line = |(number, (variable, port)): (usize, &(String, port::Port))| {
            let direction = match port.direction {
                Direction::Input => 0,
                Direction::Output => 1,
                Direction::Both => 2,
            };
            format!("PORT({number}, {variable}, {:?}, {}, {direction})\n", port.name, port.bits)
        };
        let list: String = ports.iter().enumerate().map(line).collect();
        write(&cpp.join("ports.inc"), list.as_bytes())?;
        let named: Vec<Port> = ports.iter().map(|(_, port)| port.clone()).collect();
        let list = |what: &str, streams: Vec<&str>| -> String {
            streams.iter().map(|name| format!("{what}({name})\n")).collect()
        };
        let [inputs, outputs] = [
            list("INPUT", axi_stream::inputs(&named)),
            list("OUTPUT", axi_stream::outputs(&named)),
        ];
        write(&cpp.join("inputs.inc"), inputs.as_bytes())?;
        write(&cpp.join("outputs.inc"), outputs.as_bytes())?;
        let has = |name: &str| ports.iter().any(|(_, port)| port.name == name);
        let bench = axi_stream::PORTS.iter().all(|name| has(name)).then_some(BENCH);
        for (name, text) in MODEL.into_iter().chain(bench) {
            write(&cpp.join(name), text.as_bytes())?;
        }
        let flag = |name: &&str| format!("-DHAS_{}={}", name.to_uppercase(), u8::from(has(name)));
        Ok(axi_stream::OPTIONAL.iter().map(flag).collect())
    }

    fn cxx(&self, optimise: &str, include: &[&Path]) -> Command {
        let mut command = Command::new(&self.toolchain.cxx.program);
        let trace = u8::from(self.traced);
        command.arg(optimise).args(COMPILE).args([
            format!("-DTRACE={trace}"),
            format!("-DVM_TRACE={trace}"),
            format!("-DVM_TRACE_VCD={trace}"),
        ]);
        let own = self.toolchain.verilator.include();
        for folder in
            [own.join("vltstd"), own].iter().map(PathBuf::as_path).chain(include.iter().copied())
        {
            command.arg("-I").arg(folder);
        }
        command
    }

    /// Compiles the units, the largest first, as many at a time as there are processors.
    fn compile(
        &self,
        units: &[Unit],
        workers: usize,
        flags: &[String],
        work: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let total = units.iter().map(|u| u.bytes).sum();
        let done = AtomicU64::new(0);
        self.host.told(Step::Compile { done: 0, total });
        let queue = Mutex::new(units.iter().enumerate());
        let next = || queue.lock().ok().and_then(|mut q| q.next());
        let cpp = work.join("cpp");
        let one = || -> Result<Vec<PathBuf>, Error> {
            let mut objects = Vec::new();
            while let Some((i, unit)) = next() {
                let source = work.join(format!("unit_{i}.cpp"));
                let text: String =
                    unit.files.iter().map(|f| format!("#include \"{f}\"\n")).collect();
                write(&source, text.as_bytes())?;
                let object = source.with_extension("o");
                let mut command = self.cxx(if unit.slow { SLOW } else { FAST }, &[&cpp]);
                command.args(flags).arg("-c").arg(&source).arg("-o").arg(&object);
                if let Err(error) = self.run(&mut command, "the C++ compiler") {
                    // The others need not begin what is left.
                    while next().is_some() {}
                    return Err(error);
                }
                let done = done.fetch_add(unit.bytes, Ordering::Relaxed) + unit.bytes;
                self.host.told(Step::Compile { done, total });
                objects.push(object);
            }
            Ok(objects)
        };
        let results: Vec<Result<Vec<PathBuf>, Error>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..workers.min(units.len())).map(|_| scope.spawn(one)).collect();
            let panicked = || Error::Model("a compiling thread panicked".into());
            handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        Ok(results.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Verilator's own C++, compiled once for all designs.
    fn runtime(&self) -> Result<Vec<PathBuf>, Error> {
        let mut names = vec!["verilated", "verilated_threads"];
        if self.traced {
            names.push("verilated_vcd_c");
        }
        let Toolchain { verilator, cxx } = self.toolchain;
        let mut hash = Sha256::new();
        let versions = [&verilator.version, &cxx.version].map(String::as_str);
        for part in versions.into_iter().chain(COMPILE.iter().copied()) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update([u8::from(self.traced)]);
        let key: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let folder = self.cache.join("runtime").join(key);
        let lock = self.lock(&folder)?;
        let objects: Vec<String> = names.iter().map(|name| format!("{name}.o")).collect();
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        if !seal::is_whole(&folder, &objects) {
            self.host.told(Step::Runtime);
            for (name, object) in names.iter().zip(&objects) {
                let source = verilator.include().join(name).with_extension("cpp");
                let mut command = self.cxx(FAST, &[]);
                command.arg("-c").arg(source).arg("-o").arg(folder.join(object));
                self.run(&mut command, "the C++ compiler")?;
            }
            seal::seal(&folder, &objects).map_err(|e| Error::unwritten(&folder, &e))?;
        }
        let _ = lock.unlock();
        Ok(objects.iter().map(|object| folder.join(object)).collect())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|e| Error::unwritten(path, &e))
}

/// C++ files that are compiled together.
struct Unit {
    files: Vec<String>,
    bytes: u64,
    slow: bool,
}

/// The C++ in `folder` in units for so many processors, the largest first.
fn units(folder: &Path, workers: usize) -> Result<Vec<Unit>, Error> {
    let fail = |e: std::io::Error| Error::unread(folder, &e);
    let (mut files, mut headers) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = entry.metadata().map_err(fail)?.len();
        if name.ends_with(".cpp") {
            files.push((name.contains("Slow"), bytes, name));
        } else if name.ends_with(".h") {
            headers += bytes;
        }
    }
    files.sort();
    let total = files.iter().map(|(_, bytes, _)| bytes).sum::<u64>();
    let most = headers.min(total / workers as u64).max(UNIT);
    if total <= UNIT {
        // A core this small is not worth a unit of its own for what runs once.
        files.iter_mut().for_each(|(slow, ..)| *slow = false);
    }
    let mut units: Vec<Unit> = Vec::new();
    for (slow, bytes, name) in files {
        match units.last_mut() {
            Some(unit) if unit.slow == slow && unit.bytes + bytes <= most => {
                unit.files.push(name);
                unit.bytes += bytes;
            }
            _ => units.push(Unit { files: vec![name], bytes, slow }),
        }
    }
    units.sort_by_key(|u| std::cmp::Reverse(u.bytes));
    Ok(units)
}

/// Removes the libraries that were not used for longest, down to [`KEPT`], and what is left of
/// builds that were killed. What cannot be removed stays.
fn prune(newest: &Path) {
    let Some(parent) = newest.parent() else { return };
    let Ok(entries) = fs::read_dir(parent) else { return };
    let mut list: Vec<(SystemTime, PathBuf)> = Vec::new();
    for folder in entries.flatten().map(|e| e.path()).filter(|path| path != newest) {
        let work = folder.join("work");
        if work.exists() {
            let lock = File::open(folder.join("lock"));
            if let Ok(lock) = lock
                && lock.try_lock().is_ok()
            {
                let _ = fs::remove_dir_all(work);
                let _ = lock.unlock();
            }
        }
        if let Ok(used) = folder.join(LIBRARY).metadata().and_then(|m| m.modified()) {
            list.push((used, folder));
        }
    }
    list.sort();
    let surplus = (list.len() + 1).saturating_sub(KEPT);
    for (_, path) in &list[..surplus] {
        let _ = fs::remove_dir_all(path);
    }
}
