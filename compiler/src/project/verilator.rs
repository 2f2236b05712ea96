//! A bench in C++ for Verilator, which writes a waveform, and the script that runs it.

use super::{Core, file};
use crate::emit::signature::{Frames, Signature};
use crate::emit::{File, starts_every};
use askama::Template;
use strassenc_runtime::Result;

#[derive(Template)]
#[template(path = "project/verilator.cpp")]
struct Bench<'a> {
    header: String,
    module: &'a str,
    s: &'a Signature,
    every: usize,
    clken: bool,
    by_tlast: bool,
}

#[derive(Template)]
#[template(path = "project/verilator.sh")]
struct Script<'a> {
    header: String,
    module: &'a str,
    s: &'a Signature,
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let s = c.signature;
    let module = &format!("{}_verilator", s.top);
    let (bench, script) = (format!("{module}.cpp"), format!("{module}.sh"));
    let header = c.header("// ", &bench, "a bench in C++");
    let clken = s.ports.iter().any(|port| port.name == "aclken");
    let by_tlast = s.frames == Frames::Tlast;
    let text = Bench { header, module, s, every: starts_every(s), clken, by_tlast };
    let header = c.header("# ", &script, "compiles and runs the bench in C++");
    Ok(vec![file(bench, &text)?, file(script, &Script { header, module, s })?])
}
