//! One process at a time: files that are locked while work goes on beside them.

use super::Tools;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;
use strassenc_runtime::{Error, Result};

/// Keeps other processes out until it is dropped, or its process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Tools {
    /// Waits until no other process (or thread) holds the lock file `path`, which is made where it is missing, and takes it.
    ///
    /// # Errors
    /// Where it cannot be written, or the user interrupts the waiting.
    pub fn lock(&self, path: &Path) -> Result<Lock> {
        let fail = |e: std::io::Error| {
            Error::io(path, format_args!("cannot be written: {e}"))
                .help("set STRASSENC_HOME to a folder that can be written and has room")
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        let file = File::options().create(true).append(true).open(path).map_err(fail)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    self.check_interrupted()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::Error(e)) => return Err(fail(e)),
            }
        }
    }
}
