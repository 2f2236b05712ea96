//! The programs and data sets that strassenc uses but does not contain: where they are, which
//! versions fit, how to get them.
//!
//! [`Tools`] is handed to everything that starts a process. A tool that [`install`](Tools::install)
//! put under the home folder is preferred, then one on the search path whose version fits. The
//! pinned Python packages stand in `pins/`, with hashes.

mod component;
mod dialogue;
mod find;
mod host;
mod install;
mod lock;
mod novels;
mod process;
mod tables;

pub use component::{COMPONENTS, Component, Found, Status};
pub use dialogue::Dialogue;
pub use find::{Icarus, OpenTool, Python};
pub use install::Install;
pub use process::{Finished, kill_all};
pub use strassenc_verilator::{Cxx, Verilator};

use crate::progress::{self, style};
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strassenc_runtime::{Error, Kind, Result};

/// A program that the user named, in the place of what would be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `cxx`, `python`, `verilator`, `yosys`, `nextpnr-FAMILY` or `iverilog`.
    pub tool: &'static str,
    /// Its path, or a name on the search path.
    pub program: PathBuf,
    /// Where it is named: a file and the line.
    pub by: String,
}

/// Who is told of each program that is run.
#[derive(Clone, Copy)]
struct Told(fn(&dyn Display));

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// The places where tools are looked for and installed, and how long work is watched.
#[derive(Clone, Debug)]
pub struct Tools {
    home: PathBuf,
    path: Vec<PathBuf>,
    named: Vec<Named>,
    told: Told,
    interrupted: Option<&'static AtomicBool>,
    limit: Duration,
    progress: bool,
}

impl Tools {
    /// Tools under `home` (`$STRASSENC_HOME`, which need not exist) and on `$PATH`. Silent and not
    /// interruptible until told otherwise.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let path = std::env::var_os("PATH")
            .map(|p| std::env::split_paths(&p).collect())
            .unwrap_or_default();
        Tools {
            home: home.into(),
            path,
            named: vec![],
            told: Told(|_| {}),
            interrupted: None,
            limit: process::LIMIT,
            progress: false,
        }
    }

    /// Looks in these folders instead of those of `$PATH`.
    pub fn with_path(mut self, path: Vec<PathBuf>) -> Self {
        self.path = path;
        self
    }

    /// Takes these programs, and looks for no others in their place.
    pub fn with_named(mut self, named: Vec<Named>) -> Self {
        self.named = named;
        self
    }

    /// Tells `told` of each program that is run, and how long it took.
    pub fn with_told(mut self, told: fn(&dyn Display)) -> Self {
        self.told = Told(told);
        self
    }

    /// Long work ends with [`Kind::Interrupted`] soon after `flag` is set.
    pub fn interrupted_by(mut self, flag: &'static AtomicBool) -> Self {
        self.interrupted = Some(flag);
        self
    }

    /// No program runs for longer, by the wall clock; an hour where nothing else is said.
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long any program may run.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether long work draws progress bars on standard error (only ever where that is a
    /// terminal).
    pub fn with_progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// `$STRASSENC_HOME`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Fails with [`Kind::Interrupted`] once the user has interrupted.
    ///
    /// # Errors
    /// Only then.
    pub fn check_interrupted(&self) -> Result<()> {
        match self.interrupted {
            Some(flag) if flag.load(Ordering::SeqCst) => {
                Err(Error::new(Kind::Interrupted, "strassenc", "interrupted by the user"))
            }
            _ => Ok(()),
        }
    }

    /// A spinner with a message and the seconds that passed.
    pub fn spinner(&self, message: impl Into<String>) -> ProgressBar {
        let bar =
            ProgressBar::with_draw_target(None, self.draw_target()).with_message(message.into());
        bar.set_style(style("{spinner} {msg} [{elapsed}]"));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A bar over `length` steps, each a `unit`.
    pub fn bar(&self, message: impl Into<String>, length: u64, unit: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(length), self.draw_target())
            .with_message(message.into());
        bar.set_style(style(&format!("{{msg}} {{bar:30}} {{steps}} {unit} [{{elapsed}}{{left}}]")));
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }

    fn draw_target(&self) -> ProgressDrawTarget {
        if self.progress { progress::target() } else { ProgressDrawTarget::hidden() }
    }
}
