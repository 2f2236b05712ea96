//! Reading files of the user's, which may be anything, and writing files and folders so that nothing half-written is ever seen: a
//! temporary name first, then a rename.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::Path;

/// Bytes of the longest file that is read: a data set of the most elements, in f64, and a header.
const MOST: u64 = 8 * (1 << 30) + (1 << 20);
/// Bytes that are looked at before the others are read.
const BEGINNING: u64 = 4096;

/// Reads a whole file.
///
/// # Errors
/// [`Kind::Io`](crate::error::Kind::Io) naming the path where it cannot be read, is too long or is no file with an end, such as a pipe
/// or a device.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_if(path, |_| Ok(()))
}

/// Reads a whole file, of which `begins` has accepted the beginning: the first few thousand bytes, or all of them.
///
/// # Errors
/// As [`read`]; and where `begins` says what is wrong with the beginning, before the rest is read.
pub fn read_if(path: &Path, begins: impl FnOnce(&[u8]) -> std::result::Result<(), String>) -> Result<Vec<u8>> {
    let fail = |e: std::io::Error| Error::io(path, format_args!("cannot be read: {e}"));
    // Before it is opened, since a pipe that nobody writes to would not let go.
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(Error::io(path, "is a folder, where a file is expected"));
    }
    if !metadata.is_file() {
        return Err(
            Error::io(path, "is a pipe or a device, and no file").help("write what comes out of it into a file")
        );
    }
    if metadata.len() > MOST {
        return Err(Error::io(path, format_args!("is {} bytes long: at most {MOST} are read", metadata.len())));
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
    String::from_utf8(read_if(path, begins_text)?)
        .map_err(|e| Error::input(path.display(), format_args!("is not UTF-8 text: {e}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_looked_at_before_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(6 << 30).unwrap();
        let told = read_text(&path).unwrap_err().to_string();
        assert!(told.contains("sparse: is no text"), "{told}");
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
