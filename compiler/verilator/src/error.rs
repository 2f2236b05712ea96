//! What can go wrong between Verilog and an instance of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a design could not be built, loaded or run.
#[derive(Debug)]
pub enum Error {
    /// A program is missing, or failed.
    Tool {
        /// The program's name.
        program: String,
        /// What it said, or what is wrong with it.
        cause: String,
    },
    /// Verilator refused the Verilog.
    Refused {
        /// The top module.
        top: String,
        /// What Verilator said.
        cause: String,
    },
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The design has no such port.
    Port {
        /// The port's name.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The model ended the simulation (`$finish`, `$stop`, `$fatal`), or was not used as it is to
    /// be.
    Model(String),
    /// The host stopped the work.
    Stopped(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn port(name: &str, cause: impl fmt::Display) -> Self {
        Error::Port { name: name.into(), cause: cause.to_string() }
    }

    pub(crate) fn tool(program: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Error::Tool { program: program.to_string(), cause: cause.to_string() }
    }

    pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Self {
        Error::Io { path: path.into(), cause: format!("cannot be written: {error}") }
    }

    pub(crate) fn unread(path: &Path, error: &io::Error) -> Self {
        Error::Io { path: path.into(), cause: format!("cannot be read: {error}") }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Tool { program, cause } => write!(f, "{program}: {cause}"),
            Error::Refused { top, cause } => {
                write!(f, "verilator refused the Verilog of `{top}`: {cause}")
            }
            Error::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
            Error::Port { name, cause } => write!(f, "port `{name}`: {cause}"),
            Error::Model(cause) => write!(f, "verilated model: {cause}"),
            Error::Stopped(cause) => write!(f, "{cause}"),
        }
    }
}

impl std::error::Error for Error {}
