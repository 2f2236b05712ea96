//! Waiting for other processes: files that are locked while work goes on beside them.

use super::Tools;
use std::path::Path;
use std::time::Duration;
use strassenc_runtime::lock::Lock;
use strassenc_runtime::{Result, files};

impl Tools {
    /// Waits until no other process (or thread) holds the lock file `path`, which is made where it
    /// is missing, and takes it.
    ///
    /// # Errors
    /// Where it cannot be written, or the user interrupts the waiting.
    pub fn lock(&self, path: &Path) -> Result<Lock> {
        let fail = |e| {
            files::unwritable(path, &e)
                .help("set STRASSENC_HOME to a folder that can be written and has room")
        };
        loop {
            if let Some(lock) = Lock::file(path).map_err(fail)? {
                return Ok(lock);
            }
            self.check_interrupted()?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
