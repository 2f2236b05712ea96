//! Project files: what a tool wants beside the Verilog before it takes a core in.
//!
//! Each [`Project`] is a kind, with a module and templates (`templates/project/`) of its own, and
//! its files lie flat in the build folder. `NAME` is the top module:
//!
//! | kind | files |
//! |---|---|
//! | `fusesoc` | `NAME.core` |
//! | `vivado` | `NAME_vivado.tcl`, `NAME_vivado_project.tcl`, `NAME_vivado_ip.tcl`, `NAME.xdc` |
//! | `quartus` | `NAME_quartus.tcl`, `NAME_hw.tcl`, `NAME.sdc` |
//! | `yosys` | `NAME_yosys.sh`, `NAME.ys` |
//! | `litex` | `NAME_litex.py` |
//! | `ipxact` | `NAME.xml` |
//! | `cocotb` | `NAME_cocotb.py`, `NAME_cocotb.txt` |
//! | `verilator` | `NAME_verilator.cpp`, `NAME_verilator.sh` |
//! | `c` | `NAME_driver.h`, `NAME_driver.c` |
//! | `pynq` | `NAME_pynq.py` |
//!
//! They are made of a [`Core`], which has what any kind needs to know, and say in their first lines
//! how they are run, and whether we could try that. What runs leaves its results in the folder
//! where it is started, never in the build folder.

mod cocotb;
mod driver;
mod fusesoc;
mod interface;
mod ipxact;
mod litex;
mod quartus;
mod verilator;
mod vivado;
mod yosys;

pub use interface::{Bus, BusKind, Interface, Role, Signal};

use crate::device::{DEVICES, Device, Family, Part};
use crate::emit::signature::Signature;
use crate::emit::{File, testbench_data};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use strassenc_runtime::{Error, Result};

/// A kind of project files.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Project {
    /// A FuseSoC core, with targets for simulation, lint and synthesis
    Fusesoc,
    /// AMD Vivado: scripts with and without a project, constraints, packaging as IP
    Vivado,
    /// Intel Quartus: a project, constraints, a component of Platform Designer
    Quartus,
    /// Yosys, and nextpnr where it places the part: one script
    Yosys,
    /// A LiteX module
    Litex,
    /// An IP-XACT component, IEEE 1685-2014
    Ipxact,
    /// A bench in cocotb, with the AXI models of cocotbext-axi
    Cocotb,
    /// A bench in C++ for Verilator, with a waveform
    Verilator,
    /// A driver in C, of the core behind an AXI DMA
    C,
    /// A driver in Python for PYNQ
    Pynq,
}

/// What stands on the command line for no kind at all.
pub const NONE: &str = "none";

impl Project {
    /// Every kind.
    pub const ALL: &[Project] = &[
        Project::Fusesoc,
        Project::Vivado,
        Project::Quartus,
        Project::Yosys,
        Project::Litex,
        Project::Ipxact,
        Project::Cocotb,
        Project::Verilator,
        Project::C,
        Project::Pynq,
    ];

    /// Whether kernels have it, of which there are neither vectors nor streams of a network.
    pub fn is_of_kernels(self) -> bool {
        match self {
            Project::Fusesoc | Project::Vivado | Project::Quartus => true,
            Project::Yosys | Project::Litex | Project::Ipxact => true,
            Project::Cocotb | Project::Verilator | Project::C | Project::Pynq => false,
        }
    }

    /// Whether cores with several inputs or outputs have it.
    pub fn takes_several(self) -> bool {
        match self {
            Project::Verilator | Project::C => false,
            Project::Fusesoc | Project::Vivado | Project::Quartus => true,
            Project::Yosys | Project::Litex | Project::Ipxact => true,
            Project::Cocotb | Project::Pynq => true,
        }
    }

    /// Whether it is of use for a device; of no device, any is.
    pub fn fits(self, device: Option<Device>) -> bool {
        let Some(Device { family, .. }) = device else { return true };
        match self {
            Project::Fusesoc | Project::Litex | Project::Ipxact => true,
            Project::Cocotb | Project::Verilator => true,
            Project::Vivado | Project::C | Project::Pynq => {
                matches!(family, Family::Xc7 | Family::Xcup)
            }
            Project::Quartus => matches!(family, Family::Agilex | Family::Max10),
            Project::Yosys => !matches!(family, Family::Agilex | Family::Max10),
        }
    }

    /// Its files.
    fn files(self, core: &Core) -> Result<Vec<File>> {
        match self {
            Project::Fusesoc => fusesoc::files(core),
            Project::Vivado => vivado::files(core),
            Project::Quartus => quartus::files(core),
            Project::Yosys => yosys::files(core),
            Project::Litex => litex::files(core),
            Project::Ipxact => ipxact::files(core),
            Project::Cocotb => cocotb::files(core),
            Project::Verilator => verilator::files(core),
            Project::C => driver::c(core),
            Project::Pynq => driver::pynq(core),
        }
    }
}

/// Kinds as they stand on the command line, behind what is there already.
pub fn told(kinds: &[Project]) -> String {
    let names: Vec<String> = kinds.iter().map(Project::to_string).collect();
    format!(" --project {}", if names.is_empty() { NONE.into() } else { names.join(",") })
}

impl fmt::Display for Project {
    /// Writes it as it stands on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self);
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// What is asked of project files.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The kinds; where none are named, all that fit.
    pub projects: Option<&'a [Project]>,
    /// Whether they are of a kernel, not of a network's core.
    pub kernel: bool,
    /// What the core is for.
    pub device: Option<Device>,
    /// The clock in MHz that constraints are for.
    pub mhz: f64,
    /// Whether somebody asked for that clock, so that a core that misses it is a fault.
    pub must_reach: bool,
}

impl Asked<'_> {
    /// Whether a kind is there for what is asked.
    fn fits(&self, project: Project) -> bool {
        project.fits(self.device) && (project.is_of_kernels() || !self.kernel)
    }

    /// Fails where a kind is named that is of no use for the device, or for a kernel.
    ///
    /// # Errors
    /// Then, with the kinds that are.
    pub fn validate(&self) -> Result<()> {
        let unfit = |project: &&Project| !self.fits(**project);
        let Some(project) = self.projects.and_then(|all| all.iter().find(unfit)) else {
            return Ok(());
        };
        let fit = Project::ALL.iter().filter(|project| self.fits(**project));
        let fit = fit.map(Project::to_string).collect::<Vec<_>>().join(", ");
        let error = |cause: String| Error::input(format_args!("--project {project}"), cause);
        Err(match self.device {
            Some(Device { name, told, .. }) if !project.fits(self.device) => {
                error(format!("is of no use for {name}, {told}"))
                    .help(format_args!("for this device there are {fit}"))
            }
            _ => {
                error("is for the frames of a network's core, which a kernel does not have".into())
                    .help(format_args!("for a kernel there are {fit}"))
            }
        })
    }

    /// The kinds for a core with this signature.
    fn kinds(&self, signature: &Signature) -> Vec<Project> {
        let fits = |project: &Project| {
            self.fits(*project) && (!has_several(signature) || project.takes_several())
        };
        match self.projects {
            Some(named) => named.to_vec(),
            None => Project::ALL.iter().copied().filter(fits).collect(),
        }
    }
}

/// What a kind of project files may know.
pub struct Core<'a> {
    /// The promises of the core.
    pub signature: &'a Signature,
    /// Its ports as clock, reset, buses and the rest.
    pub interface: Interface<'a>,
    /// What is asked for.
    pub asked: Asked<'a>,
}

impl<'a> Core<'a> {
    fn new(signature: &'a Signature, asked: Asked<'a>) -> Self {
        Core { signature, interface: Interface::new(&signature.ports), asked }
    }

    /// The first lines of a file, which holds `what`, each behind `comment`.
    fn header(&self, comment: &str, file: &str, what: &str) -> String {
        let Signature { tool, model_sha256, .. } = self.signature;
        let (told, from) = (self.told(), if self.asked.kernel { "array" } else { "model" });
        format!(
            "{comment}{file}: {what} of the {told}.\n\
             {comment}Written by {tool} from the {from} with SHA-256\n\
             {comment}{model_sha256}."
        )
    }

    /// What the core computes, by its name.
    pub fn told(&self) -> String {
        let Signature { model, .. } = self.signature;
        if self.asked.kernel { format!("matrix {model}") } else { format!("network {model}") }
    }

    /// Whether it stands between two AXI4-Streams.
    pub fn has_streams(&self) -> bool {
        self.interface.buses.iter().any(|bus| bus.kind == BusKind::Stream)
    }

    /// The version of strassenc, which is that of what it writes.
    pub fn version(&self) -> &str {
        self.signature.tool.split(' ').next_back().unwrap_or_default()
    }

    /// The part that files are for: the one asked for, or one of the family asked for; `default`
    /// where nothing is, or none of the family has a name.
    fn part(&self, default: &str) -> (Device, Part) {
        let named = DEVICES.into_iter().find(|device| device.name == default);
        let part =
            self.asked.device.and_then(Device::any_part).or(named.and_then(Device::any_part));
        part.expect("a default that is in the table, and a part")
    }

    /// Whether files of this kind are there, too.
    fn has(&self, project: Project) -> bool {
        self.asked.kinds(self.signature).contains(&project)
    }

    /// The files that the testbench reads.
    pub fn testbench_data(&self) -> Vec<String> {
        testbench_data(self.signature)
    }

    /// The period of the clock in nanoseconds.
    pub fn period(&self) -> String {
        format!("{:.3}", 1e3 / self.asked.mhz)
    }
}

/// The project files of a core.
///
/// # Errors
/// As [`Asked::validate`]; where a kind is named that is for one input and one output, of a core
/// with several; and where a template fails: a bug of ours.
pub fn files(signature: &Signature, asked: Asked) -> Result<Vec<File>> {
    asked.validate()?;
    let kinds = asked.kinds(signature);
    if has_several(signature)
        && let Some(project) = kinds.iter().find(|project| !project.takes_several())
    {
        let fit: Vec<String> = (Project::ALL.iter())
            .filter(|project| project.takes_several() && asked.fits(**project))
            .map(Project::to_string)
            .collect();
        let several = if signature.heads.is_empty() { "input" } else { "output" };
        let cause = format_args!("is for cores with one {several}, and this network has several");
        return Err(Error::input(format_args!("--project {project}"), cause)
            .help(format_args!("for this network there are {}", fit.join(", "))));
    }
    let core = Core::new(signature, asked);
    let files: Vec<Vec<File>> =
        kinds.into_iter().map(|project| project.files(&core)).collect::<Result<_>>()?;
    Ok(files.into_iter().flatten().collect())
}

/// Whether a core has more streams than one in and one out.
fn has_several(signature: &Signature) -> bool {
    !(signature.inputs.is_empty() && signature.heads.is_empty())
}

/// The commands that run the benches of a build, which lies in `folder`, in a shell.
pub fn benches(signature: &Signature, asked: Asked, folder: &Path) -> Vec<String> {
    let Signature { top, testbench, .. } = signature;
    let kinds = asked.kinds(signature);
    let bench = |kind| match kind {
        None => Some(("sh", format!("{testbench}.sh"), " icarus")),
        Some(Project::Cocotb) => Some(("python3", format!("{top}_cocotb.py"), "")),
        Some(Project::Verilator) => Some(("sh", format!("{top}_verilator.sh"), " wave.vcd")),
        _ => None,
    };
    let all = [None].into_iter().chain(kinds.into_iter().map(Some)).filter_map(bench);
    let path = |file: String| in_a_shell(&folder.join(file));
    all.map(|(program, file, words)| format!("{program} {}{words}", path(file))).collect()
}

/// A path as a command in a shell takes it: in quotes where it has to be, and never for an option.
pub fn in_a_shell(path: &Path) -> String {
    let mut path = path.display().to_string();
    if path.starts_with('-') {
        path.insert_str(0, "./");
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// A file of a template.
fn file(path: String, template: &impl askama::Template) -> Result<File> {
    let text = template.render().map_err(|e| Error::internal(&path, e))?;
    Ok(File { path, text: text.trim_end().to_string() + "\n" })
}
