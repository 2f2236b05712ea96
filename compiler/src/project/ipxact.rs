//! A component of IP-XACT, IEEE 1685-2014.

use super::{Bus, BusKind, Core, Interface, Role, file};
use crate::emit::File;
use askama::Template;
use strassenc_runtime::Result;

#[derive(Template)]
#[template(path = "project/ipxact.xml")]
struct Component<'a> {
    c: &'a Core<'a>,
    header: String,
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let path = format!("{}.xml", c.signature.top);
    let header = c.header("", &path, "an IP-XACT component");
    Ok(vec![file(path, &Component { c, header })?])
}

/// Name and version of ARM's definition of a bus.
fn definition(kind: BusKind) -> (&'static str, &'static str) {
    match kind {
        BusKind::Stream => ("AXI4Stream", "r0p0_1"),
        BusKind::Lite => ("AXI4-Lite", "r0p0_0"),
    }
}

/// The element that says which side of a bus the component is.
fn side(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Slave => "slave",
    }
}

/// The signals of a bus by the names of its definition, clock and reset among them, each with the
/// port that it is.
fn mapped<'a>(interface: &'a Interface, bus: &'a Bus) -> Vec<(&'a str, &'a str)> {
    let common = [("ACLK", interface.clock), ("ARESETn", interface.reset)];
    let common = common.into_iter().filter_map(|(name, port)| Some((name, port?)));
    let own = bus.signals.iter().map(|signal| (signal.logical.as_str(), signal.port));
    common.chain(own).map(|(name, port)| (name, port.name.as_str())).collect()
}
