//! The programs that make a library of Verilog: Verilator and a C++ compiler.

use crate::{Error, Host};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Verilator that this crate's flags and C++ work with.
const OLDEST: (u32, u32) = (5, 6);

/// Verilator and a C++ compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Verilator.
    pub verilator: Verilator,
    /// The C++ compiler.
    pub cxx: Cxx,
}

/// A C++ compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cxx {
    /// The program.
    pub program: PathBuf,
    /// The first line of `--version`.
    pub version: String,
}

/// A Verilator, called without its Perl wrapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verilator {
    /// `verilator_bin`.
    pub program: PathBuf,
    /// `$VERILATOR_ROOT`: the folder that holds `include/verilated.h`.
    pub root: PathBuf,
    /// The version as in `include/verilated_config.h`; some packages' `--version` names none.
    pub version: String,
    /// Major and minor version.
    pub number: (u32, u32),
}

impl Toolchain {
    /// The first of each on the search path that fits: `verilator_bin`, and `$CXX`, `c++`, `g++` or
    /// `clang++`.
    ///
    /// # Errors
    /// Where one is missing, or none fits.
    pub fn find(host: &dyn Host) -> Result<Self, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut unfit = None;
        let mut found = None;
        for program in folders.iter().flat_map(|folder| Verilator::programs(folder)) {
            match Verilator::at(&program, host) {
                Ok(verilator) => {
                    found = Some(verilator);
                    break;
                }
                Err(error) => unfit = unfit.or(Some(error)),
            }
        }
        let missing = |name: &str| Error::tool(name, "was not found on the search path");
        let verilator = found.ok_or_else(|| unfit.unwrap_or_else(|| missing("verilator")))?;
        let chosen = std::env::var_os("CXX").filter(|v| !v.is_empty()).map(PathBuf::from);
        let on_path = |name: &&str| {
            folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file())
        };
        let cxx = chosen.or_else(|| Cxx::NAMES.iter().find_map(on_path));
        let cxx = Cxx::at(&cxx.ok_or_else(|| missing("c++"))?, host)?;
        Ok(Toolchain { verilator, cxx })
    }
}

impl Cxx {
    /// What compilers are called on the search path, where `$CXX` names none.
    pub const NAMES: [&str; 3] = ["c++", "g++", "clang++"];

    /// The compiler `program`.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn at(program: &Path, host: &dyn Host) -> Result<Self, Error> {
        let said = host.run(Command::new(program).arg("--version"));
        let said = said.map_err(|e| e.of(&program.display().to_string()))?;
        let version = said.lines().next().unwrap_or_default().trim().to_string();
        Ok(Cxx { program: program.into(), version })
    }
}

impl Verilator {
    /// The program that the Perl wrapper `verilator` starts, which lies beside what it points to;
    /// any other program is itself.
    pub fn beside(program: &Path) -> PathBuf {
        match program.canonicalize() {
            Ok(wrapper) if program.file_name() == Some("verilator".as_ref()) => {
                wrapper.with_file_name("verilator_bin")
            }
            _ => program.into(),
        }
    }

    /// The programs in `folder` that may be a Verilator.
    pub fn programs(folder: &Path) -> Vec<PathBuf> {
        let mut list =
            vec![folder.join("verilator_bin"), Verilator::beside(&folder.join("verilator"))];
        list.retain(|p| p.is_file());
        list
    }

    /// The Verilator whose `verilator_bin` is `program`.
    ///
    /// # Errors
    /// Where it does not run, its include folder is not found, or it is older than 5.006.
    pub fn at(program: &Path, host: &dyn Host) -> Result<Self, Error> {
        let place = program.display().to_string();
        let wrong = |cause: String| Error::tool(&place, cause);
        host.run(Command::new(program).arg("--version")).map_err(|e| e.of(&place))?;
        // A relocated one knows no root and says so on standard error.
        let own = host.run(Command::new(program).args(["--getenv", "VERILATOR_ROOT"]));
        let own = own.unwrap_or_default();
        let beside = |up: usize, rest: &str| {
            program.ancestors().nth(up).map(|p| p.join(rest)).unwrap_or_default()
        };
        let roots = [PathBuf::from(own.trim()), beside(2, ""), beside(2, "share/verilator")];
        let root = roots.into_iter().find(|r| r.join("include/verilated.h").is_file());
        let root = root.ok_or_else(|| wrong("its include folder was not found".into()))?;
        let config = root.join("include/verilated_config.h");
        let text = std::fs::read_to_string(&config).map_err(|e| Error::unread(&config, &e))?;
        let version =
            text.lines().find_map(|l| l.trim().strip_prefix("#define VERILATOR_VERSION "));
        let version = version.unwrap_or_default().trim().trim_matches('"').to_string();
        match number(&version) {
            Some(number) if number >= OLDEST => {
                Ok(Verilator { program: program.into(), root, version, number })
            }
            Some(_) => {
                Err(wrong(format!("version {version} is too old, 5.006 or newer is needed")))
            }
            None => Err(wrong("its version was not found".into())),
        }
    }

    /// A command that runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("VERILATOR_ROOT", &self.root);
        command
    }

    /// The folder of its C++ headers and sources.
    pub fn include(&self) -> PathBuf {
        self.root.join("include")
    }
}

/// Major and minor of `5.006 2023-01-22`, `5.049 devel` or `5.49`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
