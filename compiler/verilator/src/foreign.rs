//! The foreign code that is called: a compiled design, its models and their bench.
#![allow(unsafe_code)]

use crate::Error;
use crate::axi_stream::{Accepted, Beats, Given, Progress, Response, Stimulus};
use crate::port::{Direction, Input, Output, Place, Port};
use libloading::Symbol;
use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

type New = unsafe extern "C" fn(u64, *const c_char, *mut c_char, usize) -> *mut c_void;
type Delete = unsafe extern "C" fn(*mut c_void);
type Message = unsafe extern "C" fn(*const c_void) -> *const c_char;
type PortOf = unsafe extern "C" fn(u32, *mut u32, *mut u32) -> *const c_char;
type Set = unsafe extern "C" fn(*mut c_void, u32, *const u8, usize);
type Get = unsafe extern "C" fn(*mut c_void, u32, *mut u8, usize);
type Eval = unsafe extern "C" fn(*mut c_void) -> u32;
type Dump = unsafe extern "C" fn(*mut c_void, u64) -> u32;
type NewBench = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type Reset = unsafe extern "C" fn(*mut c_void, u32) -> u32;
type Start = unsafe extern "C" fn(*mut c_void, *const RawStimulus, *mut RawResponse) -> u32;
type Run = unsafe extern "C" fn(*mut c_void, u64) -> u32;

/// What a function yields that failed, as in `cpp/model.h`.
const FAILED: u32 = 3;

/// A loaded library.
#[derive(Debug)]
pub(crate) struct Library {
    new: New,
    delete: Delete,
    message: Message,
    set: Set,
    get: Get,
    eval: Eval,
    dump: Dump,
    /// The functions of a bench; none where the design lacks the ports.
    bench: Option<BenchFunctions>,
    ports: Vec<Port>,
    // The last, so that it is unloaded after everything that points into it is gone.
    _library: libloading::Library,
}

#[derive(Clone, Copy, Debug)]
struct BenchFunctions {
    new: NewBench,
    delete: Delete,
    reset: Reset,
    start: Start,
    run: Run,
}

impl Library {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// Where it cannot be loaded or lacks a function of a model.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let fail = |e: libloading::Error| Error::Io {
            path: path.into(),
            cause: format!("cannot be loaded: {e}"),
        };
        // SAFETY: `build` compiled the library from this crate's C++ and a verilated design, whose
        // initialisers only fill tables.
        let library = unsafe { libloading::Library::new(path) }.map_err(fail)?;
        // SAFETY: the types are those of the functions of that name in `cpp/`.
        unsafe {
            let bench = match symbol::<NewBench>(&library, "bench_new") {
                Ok(new) => Some(BenchFunctions {
                    new: *new,
                    delete: *symbol(&library, "bench_delete").map_err(fail)?,
                    reset: *symbol(&library, "bench_reset").map_err(fail)?,
                    start: *symbol(&library, "bench_start").map_err(fail)?,
                    run: *symbol(&library, "bench_run").map_err(fail)?,
                }),
                Err(_) => None,
            };
            Ok(Library {
                new: *symbol(&library, "new").map_err(fail)?,
                delete: *symbol(&library, "delete").map_err(fail)?,
                message: *symbol(&library, "message").map_err(fail)?,
                set: *symbol(&library, "set").map_err(fail)?,
                get: *symbol(&library, "get").map_err(fail)?,
                eval: *symbol(&library, "eval").map_err(fail)?,
                dump: *symbol(&library, "dump").map_err(fail)?,
                ports: ports(*symbol(&library, "port").map_err(fail)?),
                bench,
                _library: library,
            })
        }
    }

    /// The ports of the design.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn bench(&self) -> Result<BenchFunctions, Error> {
        self.bench.ok_or_else(|| Error::Model("the library was built without a bench".into()))
    }
}

/// # Safety
/// `T` must be the type of the exported function `verilator_rs_NAME`.
unsafe fn symbol<'a, T>(
    library: &'a libloading::Library,
    name: &str,
) -> Result<Symbol<'a, T>, libloading::Error> {
    // SAFETY: passed on to the caller.
    unsafe { library.get(format!("verilator_rs_{name}")) }
}

/// # Safety
/// `port` must be the function of that name in `cpp/model.cpp`.
unsafe fn ports(port: PortOf) -> Vec<Port> {
    let one = |number: u32| {
        let (mut bits, mut direction) = (0, 0);
        // SAFETY: the list ends in a null, behind which no number is asked for; names are texts
        // that live as long as the library.
        let name = unsafe {
            let name = port(number, &mut bits, &mut direction);
            (!name.is_null()).then(|| CStr::from_ptr(name))
        };
        let direction = match direction {
            0 => Direction::Input,
            1 => Direction::Output,
            _ => Direction::Both,
        };
        name.map(|name| Port { name: name.to_string_lossy().into_owned(), bits, direction })
    };
    (0..).map_while(one).collect()
}

/// One instance of a design, with its own state. It stays on the thread that made it.
pub struct Model {
    library: Arc<Library>,
    handle: NonNull<c_void>,
    time: u64,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("time", &self.time).finish_non_exhaustive()
    }
}

impl Model {
    pub(crate) fn new(
        library: &Arc<Library>,
        seed: u64,
        wave: Option<&Path>,
    ) -> Result<Self, Error> {
        let text = |path: &Path| {
            CString::new(path.as_os_str().as_encoded_bytes())
                .map_err(|_| Error::Io { path: path.into(), cause: "is not a file name".into() })
        };
        let wave = wave.map(text).transpose()?;
        let mut message = [0u8; 512];
        let name = wave.as_ref().map_or(std::ptr::null(), |w| w.as_ptr());
        // SAFETY: both texts live through the call, and the message's size is its own.
        let handle =
            unsafe { (library.new)(seed, name, message.as_mut_ptr().cast(), message.len()) };
        let handle = NonNull::new(handle).ok_or_else(|| {
            let text = CStr::from_bytes_until_nul(&message);
            Error::Model(text.map_or("it failed".into(), |t| t.to_string_lossy().into_owned()))
        })?;
        Ok(Model { library: library.clone(), handle, time: 0 })
    }

    /// Sets an input to the low bits of `value`; a signed value is given as `value as u64`. What
    /// follows from it is there after [`eval`](Self::eval).
    ///
    /// # Panics
    /// Where the input is not of this design.
    pub fn set(&mut self, input: Input, value: u64) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&value.to_le_bytes());
        self.set_bytes(input, &bytes);
    }

    /// Sets an input of any width to the low bits of `bytes`, the least significant first; the bits
    /// above them become 0.
    ///
    /// # Panics
    /// Where the input is not of this design.
    pub fn set_bytes(&mut self, input: Input, bytes: &[u8]) {
        let place = self.checked(input.0, Direction::Input);
        // Verilator wants the bits above the port's width to be 0.
        let mut whole = vec![0; place.bytes()];
        for (i, (to, from)) in whole.iter_mut().zip(bytes).enumerate() {
            let left = (place.bits as usize).saturating_sub(8 * i).min(8);
            *to = from & (0xffu16 >> (8 - left)) as u8;
        }
        // SAFETY: the number is that of a port of this library, and its variable has that size.
        unsafe {
            (self.library.set)(self.handle.as_ptr(), place.number, whole.as_ptr(), whole.len())
        }
    }

    /// The low 64 bits of an output.
    ///
    /// # Panics
    /// Where the output is not of this design.
    pub fn get(&self, output: Output) -> u64 {
        let mut low = [0; 8];
        let bytes = self.get_bytes(output);
        let size = bytes.len().min(8);
        low[..size].copy_from_slice(&bytes[..size]);
        u64::from_le_bytes(low)
    }

    /// An output of at most 64 bits as a number in two's complement.
    ///
    /// # Panics
    /// Where the output is not of this design.
    pub fn get_signed(&self, output: Output) -> i64 {
        let unused = 64 - output.0.bits.clamp(1, 64);
        (self.get(output) << unused).cast_signed() >> unused
    }

    /// All bits of an output, the least significant byte first, up to a multiple of what Verilator
    /// holds it in.
    ///
    /// # Panics
    /// Where the output is not of this design.
    pub fn get_bytes(&self, output: Output) -> Vec<u8> {
        let place = self.checked(output.0, Direction::Output);
        let mut bytes = vec![0; place.bytes()];
        // SAFETY: the number is that of a port of this library, and its variable has that size.
        unsafe {
            (self.library.get)(self.handle.as_ptr(), place.number, bytes.as_mut_ptr(), bytes.len())
        }
        bytes
    }

    fn checked(&self, place: Place, direction: Direction) -> Place {
        let port = self.library.ports.get(place.number as usize);
        let fits = port.is_some_and(|p| p.bits == place.bits && p.direction == direction);
        assert!(fits, "a port of another design");
        place
    }

    /// Evaluates the design: everything that follows from its inputs.
    ///
    /// # Errors
    /// Where the design ends the simulation.
    pub fn eval(&mut self) -> Result<(), Error> {
        // SAFETY: the handle is alive.
        let status = unsafe { (self.library.eval)(self.handle.as_ptr()) };
        self.checked_status(status).map(|_| ())
    }

    /// Writes all signals to the waveform, if there is one, at `time`, which only grows.
    ///
    /// # Errors
    /// Where the waveform cannot be written.
    pub fn dump(&mut self, time: u64) -> Result<(), Error> {
        // SAFETY: the handle is alive.
        let status = unsafe { (self.library.dump)(self.handle.as_ptr(), time) };
        self.checked_status(status).map(|_| ())
    }

    /// A clock: the design settles while `clock` is low, and again after it has risen, at a time
    /// that is 10 units later with each call. Outputs are then those behind the rising edge.
    ///
    /// # Errors
    /// Where the design ends the simulation, or the waveform cannot be written.
    pub fn tick(&mut self, clock: Input) -> Result<(), Error> {
        for level in [0, 1] {
            self.set(clock, level);
            self.eval()?;
            self.dump(self.time)?;
            self.time += 5;
        }
        Ok(())
    }

    fn checked_status(&self, status: u32) -> Result<u32, Error> {
        if status != FAILED {
            return Ok(status);
        }
        // SAFETY: the model yields a text that ends in a zero and lives until the next call.
        let text = unsafe { CStr::from_ptr((self.library.message)(self.handle.as_ptr())) };
        Err(Error::Model(text.to_string_lossy().into_owned()))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the handle came from `new` and is not used again.
        unsafe { (self.library.delete)(self.handle.as_ptr()) }
    }
}

#[repr(C)]
struct RawStimulus {
    linger: u64,
    patience: u64,
    seed: u64,
    gaps: u8,
    stalls: u8,
    pauses: u8,
    clear: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawResponse {
    inputs: *mut RawGiven,
    outputs: *mut RawBeats,
    clock: u64,
    frame_error_at: u64,
    reset_broken_at: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawGiven {
    data: *const u8,
    flags: *const u8,
    accepted_at: *mut u64,
    beats: u64,
    accepted: u64,
    bytes: u32,
    ready: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawBeats {
    data: *mut u8,
    flags: *mut u8,
    kept: *mut u32,
    shown: *mut u64,
    taken: *mut u64,
    expected: u64,
    produced: u64,
    unstable_at: u64,
    bytes: u32,
    valid: u8,
}

/// A model with its AXI4-Stream ports driven and heard. It stays on the thread that made it.
pub struct Bench {
    handle: NonNull<c_void>,
    /// The model, which must end after the handle: [`Drop`] sees to that.
    model: Model,
    /// Of each input the place among those of the design, and the bytes of `tdata` of a beat.
    inputs: Vec<(usize, usize)>,
    /// The same of each output.
    outputs: Vec<(usize, usize)>,
    /// What the bench reads and writes while a stimulus is driven; boxed, since it keeps the
    /// addresses.
    active: Option<Box<Active>>,
}

struct Active {
    stimulus: Stimulus,
    response: Response,
    /// Written by the bench while it runs.
    raw: UnsafeCell<RawResponse>,
    /// What that points to: the inputs and the outputs in the order of the design.
    raw_inputs: Vec<UnsafeCell<RawGiven>>,
    raw_outputs: Vec<UnsafeCell<RawBeats>>,
}

impl Active {
    fn raw(&self) -> RawResponse {
        // SAFETY: the bench writes only within `Bench::run` and `Bench::start`, and neither is
        // running while this is called.
        unsafe { *self.raw.get() }
    }

    fn raw_input(&self, place: usize) -> RawGiven {
        // SAFETY: as in `raw`.
        unsafe { *self.raw_inputs[place].get() }
    }

    fn raw_output(&self, place: usize) -> RawBeats {
        // SAFETY: as in `raw`.
        unsafe { *self.raw_outputs[place].get() }
    }
}

/// What is at its place, in order.
fn in_place<T>(mut all: Vec<(usize, T)>) -> Vec<UnsafeCell<T>> {
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, raw)| UnsafeCell::new(raw)).collect()
}

impl Bench {
    pub(crate) fn new(
        model: Model,
        inputs: Vec<(usize, usize)>,
        outputs: Vec<(usize, usize)>,
    ) -> Result<Self, Error> {
        let new = model.library.bench()?.new;
        // SAFETY: the model is alive, stays where it is, and outlives the bench.
        let handle = NonNull::new(unsafe { new(model.handle.as_ptr()) });
        match handle {
            Some(handle) => Ok(Bench { handle, model, inputs, outputs, active: None }),
            None => {
                Err(model.checked_status(FAILED).err().unwrap_or(Error::Model("it failed".into())))
            }
        }
    }

    /// Holds `aresetn` low for `clocks` clocks; what is on its way is lost.
    ///
    /// # Errors
    /// Where the design ends the simulation.
    pub fn reset(&mut self, clocks: u32) -> Result<(), Error> {
        let reset = self.model.library.bench()?.reset;
        // SAFETY: the handle is alive.
        let status = unsafe { reset(self.handle.as_ptr(), clocks) };
        self.progress(status).map(|_| ())
    }

    /// Begins to drive `stimulus`; what a former one still had to drive or to hear is forgotten,
    /// the design's state is not.
    ///
    /// # Errors
    /// Where the beats are not whole, or the design's ports are too narrow for them.
    pub fn start(&mut self, stimulus: Stimulus) -> Result<(), Error> {
        if stimulus.inputs.len() != self.inputs.len() {
            let (n, due) = (stimulus.inputs.len(), self.inputs.len());
            return Err(Error::Model(format!("beats of {n} inputs are given, and it has {due}")));
        }
        for (given, (_, bytes)) in stimulus.inputs.iter().zip(&self.inputs) {
            let (n, beats) = (given.data.len(), given.flags.len());
            if n != beats * bytes {
                return Err(Error::Model(format!("{n} bytes are not {beats} beats of {bytes}")));
            }
        }
        if stimulus.expected.len() != self.outputs.len() {
            let (n, due) = (stimulus.expected.len(), self.outputs.len());
            return Err(Error::Model(format!("beats of {n} outputs are due, and it has {due}")));
        }
        let room = |(expected, (_, bytes)): (&usize, &(usize, usize))| {
            let capacity = expected + 1;
            Beats {
                data: vec![0; capacity * bytes],
                flags: vec![0; capacity],
                kept: vec![0; capacity],
                shown: vec![0; capacity],
                taken: vec![0; capacity],
                ..Beats::default()
            }
        };
        let none_yet =
            |of: &Given| Accepted { clocks: vec![0; of.flags.len()], ..Accepted::default() };
        let mut response = Response {
            inputs: stimulus.inputs.iter().map(none_yet).collect(),
            outputs: stimulus.expected.iter().zip(&self.outputs).map(room).collect(),
            ..Response::default()
        };
        let mut raw_inputs: Vec<(usize, RawGiven)> = vec![];
        for ((of, given), (place, bytes)) in
            response.inputs.iter_mut().zip(&stimulus.inputs).zip(&self.inputs)
        {
            let raw = RawGiven {
                data: given.data.as_ptr(),
                flags: given.flags.as_ptr(),
                accepted_at: of.clocks.as_mut_ptr(),
                beats: given.flags.len() as u64,
                accepted: 0,
                bytes: *bytes as u32,
                ready: 0,
            };
            raw_inputs.push((*place, raw));
        }
        let mut raw_outputs: Vec<(usize, RawBeats)> = vec![];
        for ((of, expected), (place, bytes)) in
            response.outputs.iter_mut().zip(&stimulus.expected).zip(&self.outputs)
        {
            let raw = RawBeats {
                data: of.data.as_mut_ptr(),
                flags: of.flags.as_mut_ptr(),
                kept: of.kept.as_mut_ptr(),
                shown: of.shown.as_mut_ptr(),
                taken: of.taken.as_mut_ptr(),
                expected: *expected as u64,
                produced: 0,
                unstable_at: u64::MAX,
                bytes: *bytes as u32,
                valid: 0,
            };
            raw_outputs.push((*place, raw));
        }
        let (raw_inputs, raw_outputs) = (in_place(raw_inputs), in_place(raw_outputs));
        let raw = RawResponse {
            inputs: UnsafeCell::raw_get(raw_inputs.as_ptr()),
            outputs: UnsafeCell::raw_get(raw_outputs.as_ptr()),
            clock: 0,
            frame_error_at: u64::MAX,
            reset_broken_at: u64::MAX,
        };
        let raw = UnsafeCell::new(raw);
        let active = Active { stimulus, response, raw, raw_inputs, raw_outputs };
        let active = self.active.insert(Box::new(active));
        let stimulus = &active.stimulus;
        let raw_stimulus = RawStimulus {
            linger: stimulus.linger,
            patience: stimulus.patience,
            seed: stimulus.seed,
            gaps: stimulus.gaps.into(),
            stalls: stimulus.stalls.into(),
            pauses: stimulus.pauses.into(),
            clear: stimulus.clear.into(),
        };
        // SAFETY: the bench copies the stimulus and keeps the addresses of the beats and of the
        // response, which live in `self.active` until the next start, `finish` or the end of the
        // bench; none of them calls `run` in between.
        let start = self.model.library.bench()?.start;
        let status = unsafe { start(self.handle.as_ptr(), &raw_stimulus, active.raw.get()) };
        self.progress(status).map(|_| ())
    }

    /// Goes on for at most `clocks` clocks.
    ///
    /// # Errors
    /// Where the design ends the simulation, or no stimulus was started.
    pub fn run(&mut self, clocks: u64) -> Result<Progress, Error> {
        if self.active.is_none() {
            return Err(Error::Model("no stimulus was started".into()));
        }
        let run = self.model.library.bench()?.run;
        // SAFETY: the handle is alive, and so is what `start` handed over.
        let status = unsafe { run(self.handle.as_ptr(), clocks) };
        self.progress(status)
    }

    /// Beats taken of the first output so far.
    pub fn passed(&self) -> u64 {
        let first = self.outputs.first().map_or(0, |(place, _)| *place);
        self.active.as_ref().map_or(0, |active| active.raw_output(first).produced)
    }

    /// Ends the stimulus and yields what came of it so far.
    pub fn finish(&mut self) -> Response {
        let Some(mut active) = self.active.take() else { return Response::default() };
        let raw = active.raw();
        let some = |clock: u64| (clock != u64::MAX).then_some(clock);
        let mut response = std::mem::take(&mut active.response);
        for (of, (place, bytes)) in response.outputs.iter_mut().zip(&self.outputs) {
            let raw = active.raw_output(*place);
            let held = raw.produced.min(raw.expected + 1) as usize;
            of.data.truncate(held * bytes);
            of.flags.truncate(held);
            of.kept.truncate(held);
            of.shown.truncate(held);
            of.taken.truncate(held);
            of.produced = raw.produced;
            of.unstable = some(raw.unstable_at);
            of.valid = raw.valid != 0;
        }
        for (of, (place, _)) in response.inputs.iter_mut().zip(&self.inputs) {
            let raw = active.raw_input(*place);
            of.clocks.truncate(raw.accepted as usize);
            of.ready = raw.ready != 0;
        }
        Response {
            clock: raw.clock,
            frame_error: some(raw.frame_error_at),
            open_in_reset: some(raw.reset_broken_at),
            ..response
        }
    }

    fn progress(&self, status: u32) -> Result<Progress, Error> {
        Ok(match self.model.checked_status(status)? {
            0 => Progress::Running,
            1 => Progress::Done,
            _ => Progress::Stuck,
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(bench) = self.model.library.bench {
            // SAFETY: the handle came from `new` and is not used again; the model is still alive.
            unsafe { (bench.delete)(self.handle.as_ptr()) }
        }
    }
}
