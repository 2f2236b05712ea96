//! A bench in cocotb, and the packages that it needs.

use super::{Core, file};
use crate::emit::{File, starts_every};
use askama::Template;
use strassenc_runtime::Result;

/// Pinned, with their hashes; the same for every core.
const REQUIREMENTS: &str = include_str!("../../../templates/project/cocotb.txt");

#[derive(Template)]
#[template(path = "project/cocotb.py")]
struct Bench<'a> {
    header: String,
    module: &'a str,
    every: usize,
    loading: u64,
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let module = &format!("{}_cocotb", c.signature.top);
    let path = format!("{module}.py");
    let header = c.header("# ", &path, "a bench in cocotb");
    let (every, loading) = (starts_every(c.signature), c.signature.loading());
    let bench = Bench { header, module, every, loading };
    let requirements = File { path: format!("{module}.txt"), text: REQUIREMENTS.into() };
    Ok(vec![file(path, &bench)?, requirements])
}
