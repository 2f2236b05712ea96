//! Reading files of the user's, which may be anything, and writing files and folders so that
//! nothing half-written is ever seen: a temporary name first, then a rename.
//!
//! What is temporary is locked by its process for as long as that lives, so that [`tidy`] can tell
//! what killed processes left from what others are at work on. Symbolic links stay: what they lead
//! to is written.

use crate::error::{Error, Result};
use crate::wording::of_system;
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Bytes of the longest file that is read: a data set of the most elements, in f64, and a header.
const MOST: u64 = 8 * (1 << 30) + (1 << 20);
/// Bytes that are looked at before the others are read.
const BEGINNING: u64 = 4096;

/// Reads a whole file.
///
/// # Errors
/// [`Kind::Io`](crate::error::Kind::Io) naming the path where it cannot be read, is too long or is
/// no file with an end, such as a pipe or a device.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_if(path, |_| Ok(()))
}

/// Reads a whole file, of which `begins` has accepted the beginning: the first few thousand bytes,
/// or all of them.
///
/// # Errors
/// As [`read`]; and where `begins` says what is wrong with the beginning, before the rest is read.
pub fn read_if(
    path: &Path,
    begins: impl FnOnce(&[u8]) -> std::result::Result<(), String>,
) -> Result<Vec<u8>> {
    let fail = |e: io::Error| unreadable(path, &e);
    // Before it is opened, since a pipe that nobody writes to would not let go.
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(Error::io(path, "is a folder, where a file is expected")
            .help("name a file, such as one in it"));
    }
    if !metadata.is_file() {
        return Err(Error::io(path, "is a pipe or a device, and no file")
            .help("write what comes out of it into a file"));
    }
    if metadata.len() > MOST {
        return Err(Error::io(
            path,
            format_args!("is {} bytes long: at most {MOST} are read", metadata.len()),
        )
        .help("give a part of it"));
    }
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    (&file).take(BEGINNING).read_to_end(&mut bytes).map_err(fail)?;
    begins(&bytes).map_err(|cause| Error::input(path.display(), cause))?;
    bytes.reserve_exact((metadata.len() as usize).saturating_sub(bytes.len()));
    file.take(MOST).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Whether what a file begins with may be the beginning of a text in UTF-8.
///
/// # Errors
/// Where it holds a NUL, as files of other kinds do.
pub fn begins_text(bytes: &[u8]) -> std::result::Result<(), String> {
    if bytes.contains(&0) { Err("is no text: it holds NUL characters".into()) } else { Ok(()) }
}

/// Reads a whole text file.
///
/// # Errors
/// Where the file cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_if(path, begins_text)?).map_err(|e| {
        Error::input(path.display(), format_args!("is not UTF-8 text: {e}"))
            .help("write it in UTF-8, or name another file")
    })
}

/// SHA-256 in 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes `bytes` to `path` atomically: a reader sees the old file or the new one, never a part.
/// Folders that are missing are made. A device or a pipe is written to as it is, and what standard
/// output goes to at its end.
///
/// # Errors
/// Where a folder cannot be made or written, or the disk is full; the old file is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |e: io::Error| unwritable(path, &e);
    if is_device(path) {
        return File::options()
            .append(true)
            .open(path)
            .and_then(|mut device| device.write_all(bytes))
            .map_err(fail);
    }
    let path = resolve(path).map_err(fail)?;
    let folder = parent(&path);
    fs::create_dir_all(folder).map_err(fail)?;
    tidy(folder);
    let make = || tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder);
    let (mut file, _lock) = locked(make, |file| file.path().into()).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    // Temporary files are private by default; results are ordinary files.
    let permissions = path.metadata().map_or_else(|_| mode(0o644), |old| Some(old.permissions()));
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions).map_err(fail)?;
    }
    file.persist(&path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// Puts the file `new` in the place of `path`, as [`write()`] does; see [`WorkFolder::beside`].
///
/// # Errors
/// As [`write()`].
pub fn place(new: &Path, path: &Path) -> Result<()> {
    let placed = match is_device(path) {
        true => File::open(new)
            .and_then(|mut new| io::copy(&mut new, &mut File::options().append(true).open(path)?))
            .map(|_| ()),
        false => resolve(path).and_then(|path| fs::rename(new, path)),
    };
    placed.map_err(|e| unwritable(path, &e))
}

/// The whole path of a file that is there or is to be written, by which two names of one are equal.
pub fn whole(path: &Path) -> PathBuf {
    let path = resolve(path).unwrap_or_else(|_| path.into());
    let folder = parent(&path).canonicalize().unwrap_or_else(|_| parent(&path).into());
    path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name))
}

/// Whether there is something at `path` that is written to and not replaced: a device, a pipe, a
/// socket.
pub fn is_device(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| !found.is_dir() && (!found.is_file() || path.starts_with("/dev")))
}

/// Fails where a folder is to be written and something else is there.
///
/// # Errors
/// Where that is.
pub fn check_folder(path: &Path) -> Result<()> {
    if path.is_dir() || !path.exists() {
        return Ok(());
    }
    Err(Error::io(path, "is a file, so it is left alone").help("name another folder"))
}

/// Checks as [`check_folder`] does, and fails also where the folder holds anything but temporary
/// files and what `ours` names, so that results are not mixed with what is a user's.
///
/// # Errors
/// Where it does, or it cannot be read.
pub fn check_ours(folder: &Path, ours: &[&str]) -> Result<()> {
    check_folder(folder)?;
    if !folder.exists() {
        return Ok(());
    }
    let entries = folder.read_dir().map_err(|e| unreadable(folder, &e))?;
    let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| !is_temporary(name) && !ours.iter().any(|ours| name == ours));
    names.sort();
    let Some(name) = names.first() else { return Ok(()) };
    let more = if names.len() > 1 { " and more" } else { "" };
    let cause = format_args!("holds {}{more}, so it is left alone", name.display());
    Err(Error::io(folder, cause).help("name another folder, or move that away"))
}

/// Prefix of temporary names.
const TEMPORARY: &str = ".strassenc-";

/// The part of a temporary name between [`TEMPORARY`] and the name of a folder that is being
/// replaced.
const ASIDE: &str = "old-";

/// Whether this is a temporary name, which a process that was killed leaves behind.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Removes the temporary files and folders that killed processes left in `folder`, and brings a
/// folder back that was being replaced. What a living process is at work on is left alone, and so
/// is what cannot be removed.
pub fn tidy(folder: &Path) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Ok(kind) = entry.file_type() else { continue };
        if !is_temporary(&name) || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        match replaced(&name).map(|name| folder.join(name)) {
            Some(missing) if !missing.exists() => drop(fs::rename(&path, missing)),
            _ if kind.is_dir() => drop(fs::remove_dir_all(&path)),
            _ => drop(fs::remove_file(&path)),
        }
    }
}

/// Does as [`tidy`] for the folder that `path` is in.
pub fn tidy_beside(path: &Path) {
    tidy(parent(path));
}

/// The name of the folder that stands aside under `name`.
fn replaced(name: &OsStr) -> Option<&str> {
    name.to_str()?.strip_prefix(TEMPORARY)?.strip_prefix(ASIDE)
}

/// A folder to work in, which is removed when it is dropped; by the next [`tidy`] where its process
/// was killed.
#[derive(Debug)]
pub struct WorkFolder {
    folder: TempDir,
    _lock: File,
}

impl WorkFolder {
    /// Makes a work folder in `parent`, which is tidied.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new_in(parent: &Path) -> Result<Self> {
        tidy(parent);
        let make = || tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent);
        let made = locked(make, |folder| folder.path().into());
        let (folder, _lock) = made.map_err(|e| unwritable(parent, &e))?;
        Ok(WorkFolder { folder, _lock })
    }

    /// Makes a work folder in the system's folder of temporary files.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new() -> Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    /// Makes a work folder beside the file that `path` leads to, so that a file within it can be
    /// put in its [`place()`].
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn beside(path: &Path) -> Result<Self> {
        if is_device(path) {
            return Self::new();
        }
        Self::new_in(parent(&resolve(path).map_err(|e| unwritable(path, &e))?))
            .map_err(|e| e.within(path.display()))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What `make` makes, locked until the file that comes with it is dropped or its process ends.
/// Where the file system knows no locks it is not, and nobody takes it for left behind either.
fn locked<T>(
    make: impl Fn() -> io::Result<T>,
    path: impl Fn(&T) -> PathBuf,
) -> io::Result<(T, File)> {
    loop {
        let made = make()?;
        let path = path(&made);
        // Until it is locked, another process may take it for left behind and remove it.
        let file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && path.exists() {
            return Ok((made, file));
        }
    }
}

/// Writes a folder of `(relative path, bytes)` atomically. `read_back` sees it under its temporary
/// name before anything is replaced. An existing folder at `path` is replaced as a whole, in one
/// step where the system has it, and only when `may_replace` has no objection to it (so that
/// nothing of a user's is lost).
///
/// # Errors
/// Where anything cannot be written, and those of `read_back` and `may_replace`; what was there is
/// untouched then.
pub fn write_folder<'a>(
    path: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    read_back: impl FnOnce(&Path) -> Result<()>,
    may_replace: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let fail = |e: io::Error| unwritable(path, &e);
    let target = resolve(path).map_err(fail)?;
    let parent = parent(&target);
    fs::create_dir_all(parent).map_err(fail)?;
    let new = WorkFolder::new_in(parent)?;
    for (name, bytes) in files {
        let target = new.path().join(name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        fs::write(&target, bytes).map_err(fail)?;
    }
    if let Some(permissions) = mode(0o755) {
        fs::set_permissions(new.path(), permissions).map_err(fail)?;
    }
    read_back(new.path())?;
    if !target.exists() {
        fs::rename(new.path(), &target).map_err(fail)?;
        // It lives under its final name now: the guard must not try to remove it.
        let _ = new.folder.keep();
        return Ok(());
    }
    may_replace(&target)?;
    // Afterwards the old folder, if it is anywhere, is where the new one was, and goes with the
    // guard.
    match exchange(new.path(), &target) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => Err(fail(e)
            .help("it is a mount point or the folder that you are in: name a folder within it")),
        Err(_) => exchange_in_steps(new.path(), &target).map_err(fail),
    }
}

/// Exchanges two folders in one step.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        Ok(renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE)?)
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        let _ = (new, old);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Puts `new` in the place of `old` where that takes two steps: a process that is killed between
/// them leaves the old folder under a name from which [`tidy`] brings it back.
fn exchange_in_steps(new: &Path, old: &Path) -> io::Result<()> {
    let mut name = OsString::from(format!("{TEMPORARY}{ASIDE}"));
    name.push(old.file_name().unwrap_or_default());
    let aside = old.with_file_name(name);
    // Until the new one is in its place, no other process is to bring the old one back.
    let lock = File::open(old)?;
    let _ = lock.try_lock();
    fs::rename(old, &aside)?;
    if let Err(e) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(e);
    }
    fs::rename(&aside, new)
}

/// The path that `path` leads to when its last part is a symbolic link, or a chain of them.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    // Without a slash at its end, behind which the link itself is not seen.
    let mut path: PathBuf = path.components().collect();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its symbolic links go round in a circle"))
}

/// The folder that `path` is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What it means that the system does not let `path` be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "check its spelling, and the folder that it is looked for in",
        io::ErrorKind::PermissionDenied => "name one that you may read, or have its mode changed",
        _ => "name another one",
    };
    Error::io(path, format_args!("cannot be read: {}", of_system(error))).help(help)
}

/// What it means that the system does not let `path` be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "make room there, or name a place that has it"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "name a place that you may write to"
        }
        _ => "name another place",
    };
    let cause = match error.kind() {
        // That is what the system says of a folder that is to be made there.
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "a part of its path is a file".into()
        }
        _ => of_system(error),
    };
    Error::io(path, format_args!("cannot be written: {cause}")).help(help)
}

/// Unix permissions, where there are any.
fn mode(bits: u32) -> Option<Permissions> {
    #[cfg(unix)]
    let permissions = Some(std::os::unix::fs::PermissionsExt::from_mode(bits));
    #[cfg(not(unix))]
    let permissions = Some(bits).and(None);
    permissions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The system need not be able to exchange two folders in one step.
    #[test]
    fn a_folder_is_replaced_in_steps_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["old", "new"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("a"), name).unwrap();
        }
        assert!(exchange_in_steps(&at("nowhere"), &at("old")).is_err());
        assert_eq!(read_text(&at("old/a")).unwrap(), "old");
        exchange_in_steps(&at("new"), &at("old")).unwrap();
        assert_eq!(read_text(&at("old/a")).unwrap(), "new");
        assert_eq!(read_text(&at("new/a")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_beginning_is_looked_at_before_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(6 << 30).unwrap();
        let told = read_text(&path).unwrap_err().to_string();
        assert!(told.contains("sparse: is no text"), "{told}");
        let seen = std::cell::Cell::new(0);
        let refuse = |bytes: &[u8]| {
            seen.set(bytes.len());
            Err("is not wanted".into())
        };
        let told = read_if(&path, refuse).unwrap_err().to_string();
        assert!(told.contains("sparse: is not wanted") && seen.get() as u64 == BEGINNING, "{told}");
        for load in [
            |path: &Path| crate::model_file::load(path).map(drop),
            |path: &Path| crate::data::load(&format!("csv:{}", path.display()), path).map(drop),
        ] {
            let told = load(&path).unwrap_err();
            assert_eq!(told.kind(), crate::Kind::Input, "{told}");
        }
        file.set_len(1 << 40).unwrap();
        let told = read(&path).unwrap_err().to_string();
        assert!(told.contains("is 1099511627776 bytes long"), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, cause) in [
            (pipe.as_path(), "is a pipe or a device"),
            (Path::new("/dev/zero"), "is a pipe"),
            (folder.path(), "is a folder"),
        ] {
            let told = read(path).unwrap_err();
            assert_eq!(told.kind(), crate::Kind::Io);
            assert!(told.to_string().contains(cause), "{told}");
        }
    }
}
