//! A module of LiteX: the core with endpoints for its streams.

use super::{BusKind, Core, Role, file};
use crate::emit::File;
use crate::emit::signature::Port;
use askama::Template;
use strassenc_runtime::Result;

#[derive(Template)]
#[template(path = "project/litex.py")]
struct Module<'a> {
    c: &'a Core<'a>,
    header: String,
    class: String,
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let top = &c.signature.top;
    let path = format!("{top}_litex.py");
    let header = c.header("", &path, "a LiteX module");
    let mut class = top.clone();
    class[..1].make_ascii_uppercase();
    Ok(vec![file(path, &Module { c, header, class })?])
}

/// What the buses are, a sentence each, and what says more.
fn sentences(c: &Core) -> Vec<String> {
    let mut sentences: Vec<String> = vec![];
    for bus in &c.interface.buses {
        let is = match (bus.kind, bus.role) {
            (BusKind::Stream, Role::Slave) => "takes frames",
            (BusKind::Stream, Role::Master) => "yields results",
            (BusKind::Lite, _) => "is an AXI4-Lite slave for `soc.bus.add_slave`",
        };
        sentences.push(format!("`{}` {is}.", bus.name));
    }
    if c.has_streams() && !c.asked.kernel {
        sentences.push("What the fields of its beats are, signature.json says.".into());
    }
    sentences
}

/// What Migen's instances put before the name of a port.
fn side(port: &Port) -> &'static str {
    if port.enters() { "i" } else { "o" }
}

/// Where LiteX's interfaces have a signal: `data` of a stream, `aw.addr` of a register bus.
fn field(kind: BusKind, logical: &str) -> String {
    let name = logical.to_lowercase();
    let channel = match (kind, name.as_bytes()) {
        (BusKind::Stream, _) => return name[1..].to_string(),
        (BusKind::Lite, [b'a', ..]) => 2,
        (BusKind::Lite, _) => 1,
    };
    format!("{}.{}", &name[..channel], &name[channel..])
}
