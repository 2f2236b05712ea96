//! AMD Vivado: scripts for a core out of context, with and without a project, and one that packages
//! it as IP for block designs.

use super::{Core, file};
use crate::emit::File;
use askama::Template;
use strassenc_runtime::Result;

/// What scripts are for where no device is asked for.
const DEFAULT: &str = "xc7a35t";

#[derive(Template)]
#[template(path = "project/vivado.tcl")]
struct Script<'a> {
    c: &'a Core<'a>,
    header: String,
    part: &'a str,
}

#[derive(Template)]
#[template(path = "project/vivado_project.tcl")]
struct InProject<'a> {
    c: &'a Core<'a>,
    header: String,
    part: &'a str,
}

#[derive(Template)]
#[template(path = "project/vivado_ip.tcl")]
struct Package<'a> {
    c: &'a Core<'a>,
    header: String,
    part: &'a str,
}

#[derive(Template)]
#[template(path = "project/vivado.xdc")]
struct Constraints<'a> {
    c: &'a Core<'a>,
    header: String,
}

/// The part that scripts are for.
pub(super) fn part(c: &Core) -> &'static str {
    c.part(DEFAULT).1.code
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let top = &c.signature.top;
    let part = part(c);
    let named = |suffix: &str, what: &str| {
        let path = format!("{top}{suffix}");
        let header = c.header("# ", &path, what);
        (path, header)
    };
    let (path, header) = named("_vivado.tcl", "synthesis, place and route in Vivado");
    let script = file(path, &Script { c, header, part })?;
    let (path, header) = named("_vivado_project.tcl", "a Vivado project");
    let project = file(path, &InProject { c, header, part })?;
    let (path, header) =
        named("_vivado_ip.tcl", "packages as IP for Vivado's block designs the core");
    let package = file(path, &Package { c, header, part })?;
    let (path, header) = named(".xdc", "constraints for Vivado");
    let constraints = file(path, &Constraints { c, header })?;
    Ok(vec![script, project, package, constraints])
}
