//! What a search leaves where it was cut short, in a file that --resume reads with suspicion.

use super::Task;
use super::solve::Stage;
use serde::{Deserialize, Serialize};
use std::path::Path;
use strassenc::emit::TOOL;
use strassenc_runtime::{Error, Result, files, wording};

/// Name of the file.
pub const FILE: &str = "search.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    tool: String,
    task: Task,
    stage: Stage,
}

/// Writes the state, atomically.
pub fn write(folder: &Path, task: &Task, stage: &Stage) -> Result<()> {
    let state = State { tool: TOOL.into(), task: *task, stage: stage.clone() };
    let text = serde_json::to_string(&state).map_err(|e| Error::internal("discover", e))?;
    files::write(&folder.join(FILE), text.as_bytes())
}

/// The state that a search of the same task left.
pub fn read(folder: &Path, task: &Task) -> Result<Stage> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Err(Error::io(&path, "is not there: no search was cut short here")
            .help("leave out --resume"));
    }
    let place = path.display();
    let anew = "--overwrite begins again";
    let state: State = serde_json::from_slice(&files::read(&path)?).map_err(|e| {
        Error::input(&place, format_args!("is damaged: {}", wording::of_json(&e))).help(anew)
    })?;
    if state.tool != TOOL {
        return Err(Error::input(
            &place,
            format_args!("was written by {}, this is {TOOL}", state.tool),
        )
        .help(anew));
    }
    if state.task != *task {
        let Task { shape, rank, seed, .. } = state.task;
        let rank = rank.map_or_else(String::new, |rank| format!(", rank {rank}"));
        let cause = format_args!(
            "is a search for {shape}{rank}, seed {seed}, with other options than these"
        );
        return Err(Error::input(&place, cause).help("give the options that the search began with"));
    }
    state.stage.validate(task).map_err(|e| e.within(&place).help(anew))?;
    Ok(state.stage)
}

/// Removes the state of a search that has come to its end.
pub fn remove(folder: &Path) -> Result<()> {
    let path = folder.join(FILE);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(files::unwritable(&path, &e)),
        _ => Ok(()),
    }
}
