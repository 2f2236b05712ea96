//! Standard output and standard error: the one place that writes to them, since both may be closed,
//! or full, and that knows whether colours are shown.
//!
//! A reader that goes away ([`Kind::Closed`]) ends what only prints, quietly, as it ends `cat`; a
//! full disk is an error. Notes on standard error are lost where nobody takes them: no work ends
//! for want of a reader.
//!
//! Colours are shown on a terminal, unless `NO_COLOR` is set, and everywhere with `CLICOLOR_FORCE`.

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use strassenc::progress;
use strassenc::report::WIDTH;
use strassenc_runtime::{Error, Kind, Result, files, wording};

/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What needs a look.
pub const ODD: Style = AnsiColor::Yellow.on_default();
/// What is right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What leads on.
pub const WAY: Style = AnsiColor::Cyan.on_default();

static QUIET: AtomicBool = AtomicBool::new(false);
static VERBOSE: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicBool = AtomicBool::new(false);

/// How much is told on standard error. Standard output is the same in any case.
#[derive(clap::Args)]
pub struct Volume {
    /// Tell nothing but errors on standard error: no progress and no notes
    #[arg(short, long, global = true, display_order = 998)]
    quiet: bool,
    /// Tell on standard error each program that is run and each step of a compile, with its time
    #[arg(short, long, global = true, display_order = 998)]
    verbose: bool,
}

impl Volume {
    /// Holds from now on.
    ///
    /// # Errors
    /// Where both are asked for.
    pub fn set(&self) -> Result<()> {
        if self.quiet && self.verbose {
            return Err(Error::input("--quiet", "cannot be used with --verbose")
                .help("leave one of them out"));
        }
        QUIET.store(self.quiet, Ordering::Relaxed);
        VERBOSE.store(self.verbose, Ordering::Relaxed);
        // Bars would be drawn over the lines of --verbose.
        progress::hide(self.quiet || self.verbose);
        Ok(())
    }
}

/// Whether a file that is to be written is standard output, which then holds it alone: from now on,
/// what else is printed goes to standard error.
pub fn is_taken_by(path: &Path) -> bool {
    let place = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let taken = files::is_device(path)
        && place(path).is_some_and(|place_of| Some(place_of) == place(Path::new("/dev/stdout")));
    if taken {
        TAKEN.store(true, Ordering::Relaxed);
    }
    taken
}

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
    if TAKEN.load(Ordering::Relaxed) {
        let _ = write!(io::stderr().lock(), "{text}");
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(failed)
}

/// Writes a line with escapes of colours to standard output, without them where they are not shown.
///
/// # Errors
/// As [`line`].
pub fn painted(text: impl Display) -> Result<()> {
    if TAKEN.load(Ordering::Relaxed) {
        let _ = writeln!(anstream::stderr().lock(), "{text}");
        return Ok(());
    }
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(failed)
}

/// Writes an error to standard error, or tells the [listener](progress::listen).
pub fn error(text: impl Display) {
    if !progress::note(&text) {
        let _ = writeln!(anstream::stderr().lock(), "{}", led(&text.to_string()));
    }
}

/// As [`error`], what is no error: not with `--quiet`.
pub fn note(text: impl Display) {
    if !QUIET.load(Ordering::Relaxed) {
        error(text);
    }
}

/// As [`note`], with `--verbose` alone.
pub fn detail(text: &dyn Display) {
    if VERBOSE.load(Ordering::Relaxed) {
        note(text);
    }
}

/// `text` in a style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The text with colours for the words that its lines begin with.
fn led(text: &str) -> String {
    let line = |line: &str| {
        for (lead, style) in
            [("error[", BAD), ("error:", BAD), ("warning:", ODD), ("note:", ODD), ("  help:", WAY)]
        {
            let ends = line.find(':').filter(|_| line.starts_with(lead));
            if let Some(end) = ends {
                return styled(style, &line[..=end]) + &line[end + 1..];
            }
        }
        line.to_string()
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Columns of the terminal that standard output is, at least 40; [`WIDTH`] where it is none.
pub fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout())
        .map_or(WIDTH, |(width, _)| usize::from(width.0).max(40))
}

/// What a failure to write to standard output means.
pub fn failed(error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::Closed } else { Kind::Io };
    let cause = format!("cannot be written: {}", wording::of_system(&error));
    Error::new(kind, "standard output", cause).help("send it to a place that has room for it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_lead_a_line_are_painted_and_nothing_else_is_changed() {
        let error = Error::input("net.toml:7", "unknown key `unitz`").help("did you mean `units`?");
        let painted = led(&error.to_string());
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), error.to_string());
        assert!(
            painted.starts_with("\u{1b}[1m\u{1b}[31merror[input]:\u{1b}[0m net"),
            "{painted:?}"
        );
        assert!(painted.contains("\u{1b}[36m  help:\u{1b}[0m did"), "{painted:?}");
        assert_eq!(led("a line: of its own"), "a line: of its own");
    }
}
