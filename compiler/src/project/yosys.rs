//! Yosys and nextpnr: a script for the part, with the core in a harness, since no part has as many
//! pins as a core has ports.

use super::{Core, file};
use crate::device::{Family, Part};
use crate::emit::{File, harness};
use crate::synth;
use askama::Template;
use strassenc_runtime::Result;

/// What scripts are for where no device is asked for.
pub(super) const DEFAULT: &str = "ecp5-85k";

/// The file of the harness's pins, where a part needs it.
pub(super) const PINS: &str = "strassenc_harness.cst";

#[derive(Template)]
#[template(path = "project/yosys.sh")]
struct Script<'a> {
    c: &'a Core<'a>,
    header: String,
    told: &'a str,
    part: Part,
    harness: &'a str,
    /// The file of its pins, where the part's tool chooses none.
    pins: Option<&'a str>,
}

pub(super) fn files(c: &Core) -> Result<Vec<File>> {
    let s = c.signature;
    let (device, part) = c.part(DEFAULT);
    let placed = part.nextpnr.is_some();
    let around = harness::around(&s.top, &s.ports)?.file;
    let files: Vec<String> = if placed {
        s.files.iter().chain([&around.path]).cloned().collect()
    } else {
        s.files.clone()
    };
    let top = if placed { harness::MODULE } else { &s.top };
    let text = synth::script(&files, top, device, placed)?;
    let path = format!("{}.ys", s.top);
    let header = c.header("# ", &path, "what Yosys is told");
    let yosys = File { text: format!("{header}\n{}\n", text.trim_end()), path };
    let path = format!("{}_yosys.sh", s.top);
    let header = c.header("# ", &path, "synthesis, place and route by Yosys and nextpnr");
    let told = device.told;
    let pins = (device.family == Family::Gowin).then_some(PINS);
    let mut files =
        vec![file(path, &Script { c, header, told, part, harness: &around.path, pins })?, yosys];
    if placed {
        files.push(around);
    }
    if let Some(path) = pins {
        files.push(File { path: path.into(), text: harness::GOWIN_PINS.into() });
    }
    Ok(files)
}
