//! The compiled harness (`templates/harness.cpp`), loaded: the only foreign code that is called.
#![allow(unsafe_code)]

use libloading::{Library, Symbol};
use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use strassenc_runtime::{Error, Result};

/// Beats to drive into a core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stimulus {
    /// `tdata` of every beat, one after the other.
    pub data: Vec<u8>,
    /// One per beat: [`LAST`] and [`USER`].
    pub flags: Vec<u8>,
    /// Output beats that are waited for.
    pub expected: usize,
    /// Clocks to go on listening after the last of them.
    pub linger: u64,
    /// Clocks without any beat passing until the core counts as stuck.
    pub patience: u64,
    /// Decides gaps, stalls and pauses.
    pub seed: u64,
    /// Withholds `s_axis_tvalid` at random.
    pub gaps: bool,
    /// Withholds `m_axis_tready` at random.
    pub stalls: bool,
    /// Withholds `aclken` at random, where the core has it.
    pub pauses: bool,
    /// Holds `frame_error_clear` high during the first clock.
    pub clear: bool,
}

/// The bit of a beat's flags that is `tlast`.
pub const LAST: u8 = 1;
/// The bit of a beat's flags that is `tuser`.
pub const USER: u8 = 2;

/// What came of a [`Stimulus`]. Clocks are counted from the making of the core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// `tdata` of every output beat, one after the other; one more than expected at most.
    pub data: Vec<u8>,
    /// One per output beat: [`LAST`] and [`USER`].
    pub flags: Vec<u8>,
    /// One per output beat: the bytes that `tkeep` keeps, which are the low ones; all of them where
    /// there is no `tkeep`, and [`u32::MAX`] where others are kept, too.
    pub kept: Vec<u32>,
    /// The clock at which each output beat was first offered.
    pub shown: Vec<u64>,
    /// The clock at which each output beat passed.
    pub taken: Vec<u64>,
    /// The clock at which each input beat that passed did so.
    pub accepted: Vec<u64>,
    /// Output beats that passed, also those beyond what the fields above hold.
    pub produced: u64,
    /// The clock that comes next.
    pub clock: u64,
    /// The first clock with `frame_error` high, but for that of a clear.
    pub frame_error: Option<u64>,
    /// The first clock at which an output beat that waited for `tready` changed or vanished.
    pub unstable: Option<u64>,
    /// The first clock of the last reset, after its first one, with `s_axis_tready` or
    /// `m_axis_tvalid` high.
    pub open_in_reset: Option<u64>,
    /// `s_axis_tready` as last seen.
    pub s_ready: bool,
    /// `m_axis_tvalid` as last seen.
    pub m_valid: bool,
}

/// How a piece of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More clocks are needed.
    Running,
    /// Everything was accepted and everything expected came out.
    Done,
    /// Nothing passed for as long as the patience lasted.
    Stuck,
}

#[repr(C)]
struct RawStimulus {
    data: *const u8,
    flags: *const u8,
    beats: u64,
    expected: u64,
    linger: u64,
    patience: u64,
    seed: u64,
    s_bytes: u32,
    m_bytes: u32,
    gaps: u8,
    stalls: u8,
    pauses: u8,
    clear: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawResponse {
    data: *mut u8,
    flags: *mut u8,
    kept: *mut u32,
    shown: *mut u64,
    taken: *mut u64,
    accepted_at: *mut u64,
    capacity: u64,
    accepted: u64,
    produced: u64,
    clock: u64,
    frame_error_at: u64,
    unstable_at: u64,
    reset_broken_at: u64,
    s_ready: u8,
    m_valid: u8,
}

type New = unsafe extern "C" fn(u64, *const c_char, *mut c_char, usize) -> *mut c_void;
type Delete = unsafe extern "C" fn(*mut c_void);
type Message = unsafe extern "C" fn(*const c_void) -> *const c_char;
type Reset = unsafe extern "C" fn(*mut c_void, u32) -> u32;
type Start = unsafe extern "C" fn(*mut c_void, *const RawStimulus, *mut RawResponse) -> u32;
type Run = unsafe extern "C" fn(*mut c_void, u64) -> u32;

/// A loaded simulator.
#[derive(Debug)]
pub(super) struct Harness {
    new: New,
    delete: Delete,
    message: Message,
    reset: Reset,
    start: Start,
    run: Run,
    // Last, so that it is unloaded after everything that points into it is gone.
    _library: Library,
}

impl Harness {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// Where it cannot be loaded or lacks a function of the harness.
    pub fn load(path: &Path) -> Result<Arc<Self>> {
        let fail = |e: libloading::Error| Error::io(path, format_args!("cannot be loaded: {e}"));
        // SAFETY: the library was compiled by us from the harness and a verilated core, whose
        // initialisers only fill tables.
        let library = unsafe { Library::new(path) }.map_err(fail)?;
        // SAFETY: the types are those of the functions of that name in the harness.
        unsafe {
            let new = *symbol::<New>(&library, "strassenc_new").map_err(fail)?;
            let delete = *symbol::<Delete>(&library, "strassenc_delete").map_err(fail)?;
            let message = *symbol::<Message>(&library, "strassenc_message").map_err(fail)?;
            let reset = *symbol::<Reset>(&library, "strassenc_reset").map_err(fail)?;
            let start = *symbol::<Start>(&library, "strassenc_start").map_err(fail)?;
            let run = *symbol::<Run>(&library, "strassenc_run").map_err(fail)?;
            Ok(Arc::new(Harness { new, delete, message, reset, start, run, _library: library }))
        }
    }
}

/// # Safety
/// `T` must be the type of the function called `name`.
unsafe fn symbol<'a, T>(
    library: &'a Library,
    name: &str,
) -> std::result::Result<Symbol<'a, T>, libloading::Error> {
    // SAFETY: passed on to the caller.
    unsafe { library.get(name) }
}

/// One core with its own state, clocked by the harness. It stays on the thread that made it.
pub struct Core {
    harness: Arc<Harness>,
    handle: NonNull<c_void>,
    /// Bytes of `tdata` of an input and of an output beat.
    bytes: (usize, usize),
    /// What the harness reads and writes while a stimulus is driven; boxed, since it keeps the
    /// addresses.
    active: Option<Box<Active>>,
}

struct Active {
    stimulus: Stimulus,
    response: Response,
    /// Written by the harness while it runs.
    raw: UnsafeCell<RawResponse>,
}

impl Active {
    fn raw(&self) -> RawResponse {
        // SAFETY: the harness writes only within `Core::run` and `Core::start`, and neither is
        // running while this is called.
        unsafe { *self.raw.get() }
    }
}

impl Core {
    /// A core in an unknown state: `seed` decides what its registers hold. `bytes` are those of an
    /// input and an output beat. A traced simulator writes every signal to `wave`.
    ///
    /// # Errors
    /// Where the waveform cannot be written, or the model fails.
    pub(super) fn new(
        harness: &Arc<Harness>,
        bytes: (usize, usize),
        seed: u64,
        wave: Option<&Path>,
    ) -> Result<Self> {
        let wave = match wave {
            Some(path) => {
                let text = CString::new(path.as_os_str().as_encoded_bytes());
                Some(text.map_err(|_| Error::input(path.display(), "is not a file name"))?)
            }
            None => None,
        };
        let mut message = [0u8; 512];
        let name = wave.as_ref().map_or(std::ptr::null(), |w| w.as_ptr());
        // SAFETY: both texts live through the call, and the message's size is its own.
        let handle =
            unsafe { (harness.new)(seed, name, message.as_mut_ptr().cast(), message.len()) };
        let handle = NonNull::new(handle).ok_or_else(|| {
            let text = CStr::from_bytes_until_nul(&message)
                .map_or("it failed".into(), |t| t.to_string_lossy());
            Error::tool("verilated core", text)
        })?;
        Ok(Core { harness: harness.clone(), handle, bytes, active: None })
    }

    /// Holds `aresetn` low for `clocks` clocks; what is on its way is lost.
    ///
    /// # Errors
    /// Where the model fails.
    pub fn reset(&mut self, clocks: u32) -> Result<()> {
        // SAFETY: the handle is alive.
        let status = unsafe { (self.harness.reset)(self.handle.as_ptr(), clocks) };
        self.progress(status).map(|_| ())
    }

    /// Begins to drive `stimulus`; what a former one still had to drive or to hear is forgotten,
    /// the core's state is not.
    ///
    /// # Errors
    /// Where the beats are not whole, or the core's ports are too narrow for them.
    pub fn start(&mut self, stimulus: Stimulus) -> Result<()> {
        let (s_bytes, m_bytes) = self.bytes;
        let beats = stimulus.flags.len();
        if stimulus.data.len() != beats * s_bytes {
            let n = stimulus.data.len();
            return Err(Error::internal(
                "simulate",
                format_args!("{n} bytes are not {beats} beats of {s_bytes}"),
            ));
        }
        let capacity = stimulus.expected + 1;
        let mut response = Response {
            data: vec![0; capacity * m_bytes],
            flags: vec![0; capacity],
            kept: vec![0; capacity],
            shown: vec![0; capacity],
            taken: vec![0; capacity],
            accepted: vec![0; beats],
            ..Response::default()
        };
        let raw = RawResponse {
            data: response.data.as_mut_ptr(),
            flags: response.flags.as_mut_ptr(),
            kept: response.kept.as_mut_ptr(),
            shown: response.shown.as_mut_ptr(),
            taken: response.taken.as_mut_ptr(),
            accepted_at: response.accepted.as_mut_ptr(),
            capacity: capacity as u64,
            accepted: 0,
            produced: 0,
            clock: 0,
            frame_error_at: u64::MAX,
            unstable_at: u64::MAX,
            reset_broken_at: u64::MAX,
            s_ready: 0,
            m_valid: 0,
        };
        let active =
            self.active.insert(Box::new(Active { stimulus, response, raw: UnsafeCell::new(raw) }));
        let stimulus = &active.stimulus;
        let raw_stimulus = RawStimulus {
            data: stimulus.data.as_ptr(),
            flags: stimulus.flags.as_ptr(),
            beats: beats as u64,
            expected: stimulus.expected as u64,
            linger: stimulus.linger,
            patience: stimulus.patience,
            seed: stimulus.seed,
            s_bytes: s_bytes as u32,
            m_bytes: m_bytes as u32,
            gaps: stimulus.gaps.into(),
            stalls: stimulus.stalls.into(),
            pauses: stimulus.pauses.into(),
            clear: stimulus.clear.into(),
        };
        // SAFETY: the harness copies the stimulus and keeps the addresses of the beats and of the
        // response, which live in `self.active` until the next start, `finish` or the end of the
        // core; none of them calls `run` in between.
        let status =
            unsafe { (self.harness.start)(self.handle.as_ptr(), &raw_stimulus, active.raw.get()) };
        self.progress(status).map(|_| ())
    }

    /// Goes on for at most `clocks` clocks.
    ///
    /// # Errors
    /// Where the model fails, or no stimulus was started.
    pub fn run(&mut self, clocks: u64) -> Result<Progress> {
        if self.active.is_none() {
            return Err(Error::internal("simulate", "no stimulus was started"));
        }
        // SAFETY: the handle is alive, and so is what `start` handed over.
        let status = unsafe { (self.harness.run)(self.handle.as_ptr(), clocks) };
        self.progress(status)
    }

    /// Input beats accepted and output beats taken so far.
    pub fn passed(&self) -> (u64, u64) {
        self.active.as_ref().map_or((0, 0), |a| (a.raw().accepted, a.raw().produced))
    }

    /// Ends the stimulus and yields what came of it so far.
    pub fn finish(&mut self) -> Response {
        let Some(active) = self.active.take() else { return Response::default() };
        let raw = active.raw();
        let mut response = active.response;
        let held = raw.produced.min(raw.capacity) as usize;
        response.data.truncate(held * self.bytes.1);
        response.flags.truncate(held);
        response.kept.truncate(held);
        response.shown.truncate(held);
        response.taken.truncate(held);
        response.accepted.truncate(raw.accepted as usize);
        let some = |clock: u64| (clock != u64::MAX).then_some(clock);
        Response {
            produced: raw.produced,
            clock: raw.clock,
            frame_error: some(raw.frame_error_at),
            unstable: some(raw.unstable_at),
            open_in_reset: some(raw.reset_broken_at),
            s_ready: raw.s_ready != 0,
            m_valid: raw.m_valid != 0,
            ..response
        }
    }

    fn progress(&self, status: u32) -> Result<Progress> {
        match status {
            0 => Ok(Progress::Running),
            1 => Ok(Progress::Done),
            2 => Ok(Progress::Stuck),
            _ => {
                // SAFETY: the harness yields a text that ends in a zero and lives until the next
                // call.
                let text = unsafe { CStr::from_ptr((self.harness.message)(self.handle.as_ptr())) };
                Err(Error::tool("verilated core", text.to_string_lossy()))
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: the handle came from `new` and is not used again.
        unsafe { (self.harness.delete)(self.handle.as_ptr()) }
    }
}
