//! Writing files and folders so that nothing half-written is ever seen: a temporary name first, then a rename.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;

/// Reads a whole file.
///
/// # Errors
/// [`Kind::Io`](crate::error::Kind::Io) naming the path where it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path, format_args!("cannot be read: {e}")))
}

/// Reads a whole text file.
///
/// # Errors
/// Where the file cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|e| Error::input(path.display(), format_args!("is not UTF-8 text: {e}")))
}

/// SHA-256 in 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes `bytes` to `path` atomically: a reader sees the old file or the new one, never a part.
///
/// # Errors
/// Where the folder is missing or read-only, or the disk is full; the old file is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(path, format_args!("cannot be written: {e}"));
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    set_default_mode(file.as_file()).map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// Prefix of temporary names.
const TEMPORARY: &str = ".strassenc-";

/// Whether this is the name of a temporary file, which a process that was killed leaves behind.
pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TEMPORARY))
}

/// Removes the temporary files that killed processes left in `folder`, if there is one; only for a folder that no other process
/// writes to.
///
/// # Errors
/// Where the folder cannot be read, or a file cannot be removed.
pub fn remove_temporary(folder: &Path) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(folder, format_args!("cannot be read: {e}"));
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in folder.read_dir().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(|e| Error::io(&path, format_args!("cannot be removed: {e}")))?;
        }
    }
    Ok(())
}

/// Writes a folder of `(relative path, bytes)` atomically; an existing folder at `path` is replaced as a whole, and only
/// when `may_replace(path)` says so (so that a user's own folder is never lost).
///
/// # Errors
/// Where anything cannot be written, or the folder exists and may not be replaced; what was there is untouched then.
pub fn write_folder<'a>(
    path: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    may_replace: impl Fn(&Path) -> bool,
) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(path, format_args!("cannot be written: {e}"));
    if path.exists() && !may_replace(path) {
        return Err(Error::io(path, "exists and was not made by strassenc, so it is left alone")
            .help("name another folder, or remove this one"));
    }
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(fail)?;
    let new = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent).map_err(fail)?;
    for (name, bytes) in files {
        let target = new.path().join(name);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        std::fs::write(&target, bytes).map_err(fail)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(new.path(), std::fs::Permissions::from_mode(0o755)).map_err(fail)?;
    }
    if path.exists() {
        // Two renames with the old folder kept aside: a crash between them loses nothing.
        let old = tempfile::Builder::new().prefix(".strassenc-old-").tempdir_in(parent).map_err(fail)?;
        let aside = old.path().join("folder");
        std::fs::rename(path, &aside).map_err(fail)?;
        if let Err(e) = std::fs::rename(new.path(), path) {
            std::fs::rename(&aside, path).map_err(fail)?;
            return Err(fail(e));
        }
    } else {
        std::fs::rename(new.path(), path).map_err(fail)?;
    }
    // The folder now lives under its final name: the guard must not try to remove it.
    let _ = new.keep();
    Ok(())
}

/// Temporary files are private by default; results are ordinary files.
fn set_default_mode(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
