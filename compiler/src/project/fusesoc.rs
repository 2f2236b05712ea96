//! A core of FuseSoC: <https://fusesoc.readthedocs.io>.

use super::{Core, Project, file, quartus, vivado, yosys};
use crate::device::Family;
use crate::emit::{File, harness};
use crate::synth;
use askama::Template;
use strassenc_runtime::Result;

#[derive(Template)]
#[template(path = "project/fusesoc.core")]
struct Description<'a> {
    c: &'a Core<'a>,
    header: String,
    /// The part for Vivado, whose constraints are there.
    vivado: Option<&'a str>,
    /// The family and the part for Quartus, likewise.
    quartus: Option<(&'a str, &'a str)>,
    /// What Yosys and nextpnr are told, where a harness is there for them.
    open: Option<Open>,
}

/// A flow of Yosys and nextpnr.
struct Open {
    flow: &'static str,
    code: &'static str,
    yosys: Vec<&'static str>,
    nextpnr: Vec<&'static str>,
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let path = format!("{}.core", c.signature.top);
    let header = c.header("# ", &path, "the FuseSoC core");
    let description = Description {
        c,
        header,
        vivado: c.has(Project::Vivado).then(|| vivado::part(c)),
        quartus: c.has(Project::Quartus).then(|| quartus::part(c)),
        open: c.has(Project::Yosys).then(|| open(c)).flatten(),
    };
    Ok(vec![file(path, &description)?])
}

/// The flow for the part; none where nextpnr places no such part.
fn open(c: &Core) -> Option<Open> {
    let (device, part) = c.part(yosys::DEFAULT);
    let (_, nextpnr) = part.nextpnr?;
    let (_, mapping) = synth::mapping(device);
    let flow = match device.family {
        Family::Ice40 => "icestorm",
        Family::Ecp5 => "trellis",
        _ => "apicula",
    };
    // FuseSoC's flow for Gowin names the device and the pins, and Yosys puts in the pads.
    let (yosys, nextpnr) = match flow {
        "apicula" => (&mapping[..2], &[][..]),
        _ => (mapping, nextpnr),
    };
    Some(Open { flow, code: part.code, yosys: yosys.to_vec(), nextpnr: nextpnr.to_vec() })
}
