//! The configuration file: `config.toml` in the home folder, where a user names the tools that
//! shall be run, in the place of those that are found.

use super::home;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use strassenc::tools::Named;
use strassenc_runtime::wording::{line_of, of_toml};
use strassenc_runtime::{Error, Result, files};
use toml::Spanned;

/// What the file may hold; every key may be left out, and the file too.
///
/// ```toml
/// tool_limit = 7200                       # seconds that a tool may run
///
/// [tools]
/// cxx = "g++-14"                          # on the search path
/// verilator = "/opt/verilator/bin/verilator"
/// yosys = "~/oss-cad-suite/bin/yosys"
/// ```
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    tool_limit: Option<Spanned<f64>>,
    #[serde(default)]
    tools: Programs,
}

/// A program each: its path, or a name on the search path.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Programs {
    cxx: Option<Spanned<PathBuf>>,
    python: Option<Spanned<PathBuf>>,
    verilator: Option<Spanned<PathBuf>>,
    yosys: Option<Spanned<PathBuf>>,
    nextpnr_ice40: Option<Spanned<PathBuf>>,
    nextpnr_ecp5: Option<Spanned<PathBuf>>,
    nextpnr_himbaechel_gowin: Option<Spanned<PathBuf>>,
    iverilog: Option<Spanned<PathBuf>>,
}

/// Where the file is, or would be.
///
/// # Errors
/// As [`home::home`].
pub fn path() -> Result<PathBuf> {
    Ok(home::home()?.join("config.toml"))
}

/// The seconds that a tool may run, and the programs that are named.
///
/// # Errors
/// Where the file is there and cannot be read, or holds anything else.
pub fn read(path: &Path) -> Result<(Option<f64>, Vec<Named>)> {
    // A link to nothing is a slip of the user's, and no file that is left out.
    if path.symlink_metadata().is_err() {
        return Ok((None, vec![]));
    }
    parse(&files::read_text(path)?, path)
}

fn parse(text: &str, path: &Path) -> Result<(Option<f64>, Vec<Named>)> {
    let file = path.display().to_string();
    let Config { tool_limit, tools } =
        toml::from_str(text).map_err(|e| of_toml(&file, text, &e))?;
    let place = |span: std::ops::Range<usize>| format!("{file}:{}", line_of(text, span.start));
    if let Some(limit) = &tool_limit
        && !(*limit.get_ref() > 0.0 && limit.get_ref().is_finite())
    {
        return Err(Error::input(
            place(limit.span()),
            format_args!("tool_limit = {} is not a positive number of seconds", limit.get_ref()),
        )
        .help("leave it out for an hour, or set it to seconds, e.g. 7200"));
    }
    let named = [
        ("cxx", tools.cxx),
        ("python", tools.python),
        ("verilator", tools.verilator),
        ("yosys", tools.yosys),
        ("nextpnr-ice40", tools.nextpnr_ice40),
        ("nextpnr-ecp5", tools.nextpnr_ecp5),
        ("nextpnr-himbaechel-gowin", tools.nextpnr_himbaechel_gowin),
        ("iverilog", tools.iverilog),
    ];
    let named = named.into_iter().filter_map(|(tool, program)| Some((tool, program?)));
    let named = named.map(|(tool, program)| {
        let by = place(program.span());
        let program = from_home(program.into_inner());
        let is_name = program.components().count() == 1;
        if program.is_absolute() || is_name {
            return Ok(Named { tool, program, by });
        }
        Err(Error::input(
            by,
            format_args!("{tool} = \"{}\" depends on the folder at hand", program.display()),
        )
        .help("write a whole path from / or ~/, or a name that is on the search path"))
    });
    Ok((tool_limit.map(Spanned::into_inner), named.collect::<Result<_>>()?))
}

/// A path that begins with `~/`, as a shell takes it.
fn from_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(user)) => Path::new(&user).join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(Option<f64>, Vec<Named>)> {
        parse(text, Path::new("/h/config.toml"))
    }

    #[test]
    fn what_is_named_is_read_with_its_line() {
        let text = "tool_limit = 90\n[tools]\ncxx = \"g++-14\"\nnextpnr-ecp5 = \"/opt/n\"\n";
        let named = |tool, program: &str, line: u32| Named {
            tool,
            program: program.into(),
            by: format!("/h/config.toml:{line}"),
        };
        let all = vec![named("cxx", "g++-14", 3), named("nextpnr-ecp5", "/opt/n", 4)];
        assert_eq!(parsed(text), Ok((Some(90.0), all)));
        assert_eq!(parsed(""), Ok((None, vec![])));
    }

    #[test]
    fn a_bad_file_is_one_error_with_its_line() {
        let told = |text| parsed(text).unwrap_err().to_string();
        assert_eq!(
            [
                "[tools]\nverilater = \"/opt/v\"",
                "[tool]\n",
                "[tools]\n\nyosys = 7",
                "[tools]\nyosys = \"bin/yosys\"",
                "tool_limit = -1",
                "tool_limit = \"long\"",
                "tools = {",
            ]
            .map(told),
            [
                [":2: unknown key `verilater`", "did you mean `verilator`?"],
                [":1: unknown key `tool`", "did you mean `tools`?"],
                [":3: a path in quotes is expected, not `7`", "write e.g. `\"/usr/bin/yosys\"`"],
                [
                    ":2: yosys = \"bin/yosys\" depends on the folder at hand",
                    "write a whole path from / or ~/, or a name that is on the search path",
                ],
                [
                    ":1: tool_limit = -1 is not a positive number of seconds",
                    "leave it out for an hour, or set it to seconds, e.g. 7200",
                ],
                [":1: a number is expected, not \"long\"", "write e.g. `0.5`"],
                [
                    ":1: unclosed inline table, expected `}`",
                    "https://toml.io says how the line is to be written",
                ],
            ]
            .map(|[cause, help]| format!("error[input]: /h/config.toml{cause}\n  help: {help}"))
        );
    }
}
