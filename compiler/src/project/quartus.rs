//! Intel Quartus: a script that makes a project, constraints, and a component of Platform Designer.

use super::{Bus, BusKind, Core, Role, file};
use crate::device::Family;
use crate::emit::File;
use crate::emit::signature::Port;
use askama::Template;
use strassenc_runtime::Result;

/// What scripts are for where no device is asked for.
const DEFAULT: &str = "10m50";

/// The family and the part of Agilex, of which none has a name of ours.
const AGILEX: (&str, &str) = ("Agilex 7", "AGFB014R24B2E2V");

#[derive(Template)]
#[template(path = "project/quartus.tcl")]
struct Script<'a> {
    c: &'a Core<'a>,
    header: String,
    family: &'a str,
    part: &'a str,
}

#[derive(Template)]
#[template(path = "project/quartus.sdc")]
struct Constraints<'a> {
    c: &'a Core<'a>,
    header: String,
}

#[derive(Template)]
#[template(path = "project/quartus_hw.tcl")]
struct Component<'a> {
    c: &'a Core<'a>,
    header: String,
}

/// The family and the part that scripts are for.
pub(super) fn part(c: &Core) -> (&'static str, &'static str) {
    match c.asked.device {
        Some(device) if device.family == Family::Agilex => AGILEX,
        _ => ("MAX 10", c.part(DEFAULT).1.code),
    }
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let top = &c.signature.top;
    let (family, part) = part(c);
    let path = format!("{top}_quartus.tcl");
    let header = c.header("# ", &path, "a Quartus project");
    let script = file(path, &Script { c, header, family, part })?;
    let path = format!("{top}.sdc");
    let header = c.header("# ", &path, "constraints for Quartus");
    let constraints = file(path, &Constraints { c, header })?;
    let path = format!("{top}_hw.tcl");
    let header = c.header("# ", &path, "a component for Platform Designer");
    Ok(vec![script, constraints, file(path, &Component { c, header })?])
}

/// What stands behind the file of the top module.
fn if_top(c: &Core, name: &str) -> &'static str {
    let is_top = name.strip_suffix(".v") == Some(&c.signature.top);
    if is_top { " TOP_LEVEL_FILE" } else { "" }
}

/// A bus's protocol and side, as Platform Designer has them.
fn kind(bus: &Bus) -> String {
    let kind = match bus.kind {
        BusKind::Stream => "axi4stream",
        BusKind::Lite => "axi4lite",
    };
    let side = match bus.role {
        Role::Slave => "end",
        Role::Master => "start",
    };
    format!("{kind} {side}")
}

/// A port's direction and width, as Platform Designer has them.
fn told(port: &Port) -> String {
    format!("{} {}", if port.enters() { "Input" } else { "Output" }, port.bits)
}
