//! Standard output and standard error: the one place that writes to them, since both may be closed,
//! or full.
//!
//! A reader that goes away ([`Kind::Closed`]) ends what only prints, quietly, as it ends `cat`; a
//! full disk is an error. Notes on standard error are lost where nobody takes them: no work ends
//! for want of a reader.

use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use strassenc::progress;
use strassenc::report::WIDTH;
use strassenc_runtime::{Error, Kind, Result};

/// Writes a line to standard output.
///
/// # Errors
/// [`Kind::Closed`] where its reader has gone, [`Kind::Io`] where it cannot be written.
pub fn line(text: impl Display) -> Result<()> {
    write(format_args!("{text}\n"))
}

/// Writes a value to standard output, as JSON over several lines.
///
/// # Errors
/// As [`line`].
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value).map_err(|e| Error::internal("JSON", e))?)
}

/// Writes to standard output, at once and without a line's end of its own.
///
/// # Errors
/// As [`line`].
pub fn write(text: impl Display) -> Result<()> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(failed)
}

/// Writes a line for people to standard error, or tells the [listener](progress::listen).
pub fn note(text: impl Display) {
    if !progress::note(&text) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Columns of the terminal that standard output is, at least 40; [`WIDTH`] where it is none.
pub fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout())
        .map_or(WIDTH, |(width, _)| usize::from(width.0).max(40))
}

/// What a failure to write to standard output means.
pub fn failed(error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::Closed } else { Kind::Io };
    Error::new(kind, "standard output", format_args!("cannot be written: {error}"))
}
