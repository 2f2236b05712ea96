//! Progress on standard error, or to who listens in its place, in one style: no figure is shown
//! before it means something.

use indicatif::{HumanDuration, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use std::cell::RefCell;
use std::fmt::{self, Display, Write};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time after which the speed so far says something about the rest.
const SETTLED: Duration = Duration::from_secs(3);

/// The style of a template that may have, beside indicatif's own keys, `{steps}`: how many of how
/// many, once that is known; and `{left}`: `, about 3 minutes left`, once the speed tells.
pub fn style(template: &str) -> ProgressStyle {
    // The templates are constants, so that a wrong one shows at the first use; the default is a way
    // out.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("steps", |state: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(&steps(state.pos(), state.len()));
        })
        .with_key("left", |state: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(&left(state.pos(), state.len(), state.elapsed(), state.eta()));
        })
}

thread_local! {
    /// Who is told of the work of this thread.
    static LISTENER: RefCell<Option<Arc<Listener>>> = const { RefCell::new(None) };
}

/// Whether no bars are drawn.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// Draws no bars from now on, or draws them again.
pub fn hide(now: bool) {
    HIDDEN.store(now, Ordering::Relaxed);
}

/// Who is told of a thread's work where standard error is not what people look at.
#[derive(Default)]
pub struct Listener {
    /// The line that is shown, empty where there is none.
    pub line: Mutex<String>,
    /// What was told beside it, and not taken yet.
    pub notes: Mutex<Vec<String>>,
}

/// From now on this thread's bars and notes go to `listener`.
pub fn listen(listener: Arc<Listener>) {
    LISTENER.set(Some(listener));
}

/// Where this thread's bars are drawn: its listener, else standard error, if that is a terminal and
/// they are not [hidden](hide).
pub fn target() -> ProgressDrawTarget {
    match LISTENER.with_borrow(Option::clone) {
        Some(listener) => {
            ProgressDrawTarget::term_like(Box::new(Line { listener, drawn: Mutex::default() }))
        }
        None if HIDDEN.load(Ordering::Relaxed) => ProgressDrawTarget::hidden(),
        None => ProgressDrawTarget::stderr(),
    }
}

/// Tells this thread's listener; false where there is none.
pub fn note(text: &impl Display) -> bool {
    LISTENER.with_borrow(|listener| {
        let Some(listener) = listener else { return false };
        listener.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_string());
        true
    })
}

/// A terminal of one line, which a listener reads once it is drawn.
struct Line {
    listener: Arc<Listener>,
    drawn: Mutex<String>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    fn drawn(&self) -> MutexGuard<'_, String> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        100
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.drawn().push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.drawn().clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = self.drawn().trim_end().to_string();
        *self.listener.line.lock().unwrap_or_else(PoisonError::into_inner) = drawn;
        Ok(())
    }
}

fn steps(done: u64, all: Option<u64>) -> String {
    all.filter(|all| *all > 0).map(|all| format!("{done}/{all}")).unwrap_or_default()
}

fn left(done: u64, all: Option<u64>, elapsed: Duration, left: Duration) -> String {
    let is_known = done > 0
        && all.is_some_and(|all| done < all)
        && elapsed >= SETTLED
        && left >= Duration::from_secs(1);
    if is_known { format!(", about {} left", HumanDuration(left)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_before_it_is_known() {
        let seconds = Duration::from_secs;
        assert_eq!(steps(0, None), "");
        assert_eq!(steps(0, Some(0)), "");
        assert_eq!(steps(0, Some(3)), "0/3");
        assert_eq!(left(0, Some(0), seconds(9), seconds(0)), "");
        assert_eq!(left(0, Some(9), seconds(9), seconds(0)), "");
        assert_eq!(left(1, None, seconds(9), seconds(9)), "");
        assert_eq!(
            left(1, Some(9), seconds(1), seconds(500)),
            "",
            "the first steps are no measure"
        );
        assert_eq!(left(9, Some(9), seconds(9), seconds(5)), "", "done");
        assert_eq!(left(1, Some(9), seconds(9), seconds(72)), ", about 72 seconds left");
    }
}
