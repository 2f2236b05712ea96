//! Where strassenc keeps what it installs and caches.

use std::path::{Path, PathBuf};
use strassenc_runtime::{Error, Result};

/// `$STRASSENC_HOME`, by default `~/.strassenc`. The folder need not exist.
///
/// # Errors
/// Where neither `STRASSENC_HOME` nor `HOME` is set.
pub fn home() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty());
    if let Some(home) = variable("STRASSENC_HOME") {
        // Absolute, so that a tool started in another folder finds it too.
        return std::path::absolute(&home).map_err(|e| Error::io(Path::new(&home), e));
    }
    let user = variable("HOME").ok_or_else(|| {
        Error::input("STRASSENC_HOME", "is not set, and neither is HOME")
            .help("set STRASSENC_HOME to the folder that tools and data shall be installed in")
    })?;
    Ok(Path::new(&user).join(".strassenc"))
}
