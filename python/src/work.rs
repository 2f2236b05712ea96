//! Work without the interpreter's lock, in a thread of its own: meanwhile the caller's thread looks
//! for Ctrl-C, and tells Python of the work's bars and notes.

use crate::convert::raised;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;
use strassenc::cli;
use strassenc::progress::{self, Listener};
use strassenc_runtime::{Error, Result};

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// The stack of a program's first thread, which the work is used to.
const STACK: usize = 8 << 20;

/// Does the work. Ctrl-C, or an exception of who is told of it, ends it at its next step.
pub fn work<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let (listener, caller) = (Arc::new(Listener::default()), thread::current());
    let (done, mut shown, mut stopped) = (AtomicBool::new(false), String::new(), None);
    let result = thread::scope(|scope| {
        let (own, done) = (listener.clone(), &done);
        let worker = Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
            progress::listen(own);
            let result = work();
            done.store(true, Ordering::Release);
            caller.unpark();
            result
        });
        let worker = match worker {
            Ok(worker) => worker,
            Err(e) => return Err(Error::tool("thread", format_args!("cannot be started: {e}"))),
        };
        while !done.load(Ordering::Acquire) && !worker.is_finished() {
            py.detach(|| thread::park_timeout(LOOK));
            if let Err(e) = py.check_signals().and_then(|()| tell(py, &listener, &mut shown)) {
                cli::interrupt(true);
                stopped.get_or_insert(e);
            }
        }
        py.detach(|| worker.join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    if let Some(stopped) = stopped {
        cli::interrupt(false);
        return Err(stopped);
    }
    listener.line.lock().unwrap_or_else(PoisonError::into_inner).clear();
    tell(py, &listener, &mut shown)?;
    result.map_err(|e| raised(py, &e))
}

/// Tells Python the line, where it is another than `shown`, and the notes.
fn tell(py: Python<'_>, listener: &Listener, shown: &mut String) -> PyResult<()> {
    let line = listener.line.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let notes = std::mem::take(&mut *listener.notes.lock().unwrap_or_else(PoisonError::into_inner));
    if line == *shown && notes.is_empty() {
        return Ok(());
    }
    let told = py.import("strassenc._progress")?;
    for note in notes {
        told.call_method1("note", (note,))?;
    }
    if line != *shown {
        told.call_method1("tell", (&line,))?;
        *shown = line;
    }
    Ok(())
}
