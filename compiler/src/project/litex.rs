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
