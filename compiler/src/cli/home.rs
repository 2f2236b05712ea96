//! The folder where strassenc keeps what it installs and caches, and the tools that it finds there.

use super::{INTERRUPTED, config, output};
use std::path::{Path, PathBuf};
use std::time::Duration;
use strassenc::tools::Tools;
use strassenc_runtime::{Error, Result, files};

/// `$STRASSENC_HOME`, by default `~/.strassenc`. The folder need not exist.
///
/// # Errors
/// Where neither `STRASSENC_HOME` nor `HOME` is set.
pub fn home() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty());
    if let Some(home) = variable("STRASSENC_HOME") {
        // Absolute, so that a tool started in another folder finds it too.
        return std::path::absolute(&home).map_err(|e| files::unreadable(Path::new(&home), &e));
    }
    let user = variable("HOME").ok_or_else(|| {
        Error::input("STRASSENC_HOME", "is not set, and neither is HOME")
            .help("set STRASSENC_HOME to the folder that tools and data shall be installed in")
    })?;
    Ok(Path::new(&user).join(".strassenc"))
}

/// The tools under `$STRASSENC_HOME`, by default `~/.strassenc`, on the search path, and named in
/// the configuration file, which Ctrl-C ends, and `$STRASSENC_TOOL_LIMIT` seconds.
///
/// # Errors
/// Where neither `STRASSENC_HOME` nor `HOME` is set; where the limit is not a positive number, or
/// the configuration file is not one.
pub fn tools() -> Result<Tools> {
    let (seconds, named) = config::read(&config::path()?)?;
    let tools = Tools::new(home()?)
        .with_named(named)
        .interrupted_by(&INTERRUPTED)
        .with_progress(true)
        .with_told(output::detail);
    let limit = limit()?.or_else(|| Duration::try_from_secs_f64(seconds?).ok());
    Ok(limit.into_iter().fold(tools, Tools::with_limit))
}

/// What the environment says of the time that a tool may take.
fn limit() -> Result<Option<Duration>> {
    const LIMIT: &str = "STRASSENC_TOOL_LIMIT";
    let Some(text) = std::env::var_os(LIMIT).filter(|v| !v.is_empty()) else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0.0);
    let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    limit.map(Some).ok_or_else(|| {
        Error::input(LIMIT, format_args!("{} is not a positive number of seconds", text.display()))
            .help(format_args!("unset {LIMIT} for an hour, or set it to seconds, e.g. 7200"))
    })
}
