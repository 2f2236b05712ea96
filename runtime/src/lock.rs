//! One process at a time: locks of the operating system, which die with their process.

use crate::error::{Error, Result};
use crate::files;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Keeps other processes (and threads) out until it is dropped, or its process ends in whatever
/// way.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Folders that were made for the lock, the innermost first; they go with it where nothing was
    /// put in.
    made: Vec<PathBuf>,
}

impl Lock {
    /// Takes the lock file `path`, which is made where it is missing; none where somebody else
    /// holds it.
    ///
    /// # Errors
    /// Where it cannot be written, or the file system knows no locks.
    pub fn file(path: &Path) -> io::Result<Option<Lock>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file, made: vec![] })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Takes a folder that this process writes to for a while, and makes it where it is missing. No
    /// file is left in it: the folder itself is locked. Who only reads takes no lock.
    ///
    /// # Errors
    /// Where another process writes to it, or it cannot be made.
    pub fn folder(folder: &Path) -> Result<Lock> {
        let fail = |e: io::Error| files::unwritable(folder, &e);
        files::check_folder(folder)?;
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = folder.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        fs::create_dir_all(folder).map_err(fail)?;
        let file = File::open(folder).map_err(fail)?;
        match file.try_lock() {
            // A file system that knows no locks of folders (some are on a network) is no reason to
            // do nothing.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Lock { file, made }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::io(folder, "another strassenc is at work in this folder")
                    .help("wait until it has ended, or name another folder with -o"))
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that this one is just starting holds it open
        // until it runs.
        let _ = self.file.unlock();
        // Refused where a folder holds anything.
        let _ = self.made.iter().try_for_each(fs::remove_dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/lock");
        let held = Lock::file(&file).unwrap().unwrap();
        assert!(Lock::file(&file).unwrap().is_none());
        drop(held);
        assert!(Lock::file(&file).unwrap().is_some());

        let run = folder.path().join("runs/one");
        let held = Lock::folder(&run).unwrap();
        let error = Lock::folder(&run).unwrap_err().to_string();
        assert!(
            error.contains("runs/one: another strassenc is at work") && error.contains("-o"),
            "{error}"
        );
        Lock::folder(&folder.path().join("runs/two")).unwrap();
        drop(held);
        assert!(!folder.path().join("runs").exists(), "an empty folder is left");
        fs::create_dir_all(&run).unwrap();
        drop(Lock::folder(&run).unwrap());
        assert!(run.exists(), "a folder of the user's is gone");
    }
}
