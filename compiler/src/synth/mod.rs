//! Yosys and nextpnr: what a core takes on a device and the clock that it reaches there; and proofs
//! that emitted text equals its matrices.

mod equivalence;
mod netlist;
mod place;

pub use equivalence::{Equivalence, equivalence};
pub use place::{Placement, Step, Use, place};

use crate::device::{Device, Family};
use crate::emit::Signature;
use crate::emit::signature::Port;
use crate::tools::{Finished, OpenTool, Tools};
use askama::Template;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};
use strassenc_verilator::seal;

/// Name of a result in the cache.
const CACHED: &str = "result.json";
/// The netlist that Yosys writes.
const NETLIST: &str = "netlist.json";
/// What the cells of no layer are called.
const BETWEEN: &str = "between";

/// What Yosys found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthesis {
    /// Name of the device.
    pub device: String,
    /// Version of Yosys.
    pub yosys: String,
    /// `$mul` cells of the whole core as read, before any optimisation.
    pub multiply_cells: u64,
    /// What the core takes.
    pub total: Cells,
    /// What each layer takes, and last what stands between them.
    pub layers: Vec<LayerCells>,
    /// Every cell of the mapped core by type.
    pub cells: BTreeMap<String, u64>,
    /// Seconds that Yosys took.
    pub seconds: f64,
}

/// Mapped cells, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// Look-up tables, the three kinds below and those within carry cells included.
    pub luts: u64,
    /// Look-up tables that are memory.
    pub lut_memories: u64,
    /// Look-up tables that are shift registers.
    pub shift_registers: u64,
    /// Inverters that no look-up table took in.
    pub inverters: u64,
    /// Flip-flops.
    pub flip_flops: u64,
    /// Carry cells: of 4 bits on xc7, 8 on xcup, 2 on ecp5, 1 on ice40 and gowin.
    pub carry_cells: u64,
    /// Multiplier blocks.
    pub dsp_blocks: u64,
    /// Block RAMs of [`Family::memory_kbit`](crate::device::Family::memory_kbit); those of AMD's
    /// devices come in halves.
    pub block_memories: f64,
}

/// The cells of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerCells {
    /// The layer's name, or that of what stands between the layers.
    pub name: String,
    /// Its cells.
    #[serde(flatten)]
    pub cells: Cells,
}

/// What the tools are given: the Verilog of a core or of a kernel.
#[derive(Clone, Debug)]
pub struct Design<'a> {
    /// The top module.
    pub top: &'a str,
    /// Its ports.
    pub ports: &'a [Port],
    /// The Verilog in the order tools want it.
    pub files: &'a [String],
    /// What it reads with `$readmemh`.
    pub memories: &'a [String],
    /// The names of the layers, whose cells are counted apart.
    pub layers: Vec<&'a str>,
}

impl<'a> From<&'a Signature> for Design<'a> {
    fn from(core: &'a Signature) -> Self {
        let Signature { top, ports, files, memories, layers, .. } = core;
        let layers = layers.iter().map(|layer| layer.name.as_str()).collect();
        Design { top, ports, files, memories, layers }
    }
}

/// What Yosys is told.
#[derive(Template)]
#[template(path = "synthesise.ys", ext = "ys")]
struct Script<'a> {
    files: &'a [String],
    top: &'a str,
    device: Device,
    /// The command that maps to the device's family, and its options.
    command: &'a str,
    options: &'a [&'a str],
    /// Whether the design is to be placed: with pads, where the family's tool makes none.
    placed: bool,
}

/// Yosys's command that maps to the device's family, and its options.
pub(crate) fn mapping(device: Device) -> (&'static str, &'static [&'static str]) {
    match device.family {
        Family::Xc7 => ("synth_xilinx", &["-family", "xc7", "-flatten", "-noiopad", "-noclkbuf"]),
        Family::Xcup => ("synth_xilinx", &["-family", "xcup", "-flatten", "-noiopad", "-noclkbuf"]),
        Family::Ecp5 => ("synth_ecp5", &[]),
        Family::Ice40 if device.name == "hx8k" => ("synth_ice40", &["-device", "hx"]),
        Family::Ice40 => ("synth_ice40", &["-device", "u", "-dsp"]),
        _ => ("synth_gowin", &["-family", "gw2a", "-noiopads"]),
    }
}

/// The script that maps the module `top` of these files to a device; `placed` says whether it is to
/// be placed, too, and so needs pads.
///
/// # Errors
/// Where the template fails: a bug of ours.
pub(crate) fn script(files: &[String], top: &str, device: Device, placed: bool) -> Result<String> {
    let (command, options) = mapping(device);
    let script = Script { files, top, device, command, options, placed };
    script.render().map_err(|e| Error::internal("synthesise.ys", e))
}

/// Synthesises the design in `folder`, out of context. Minutes for a large core; the result is
/// cached under the home folder by content, version of Yosys and device.
///
/// # Errors
/// Where Yosys is missing, fails, or does not map to the device, a file cannot be read, or the user
/// interrupts.
pub fn synthesise<'a>(
    folder: &Path,
    design: impl Into<Design<'a>>,
    device: Device,
    tools: &Tools,
) -> Result<Synthesis> {
    let design = design.into();
    if matches!(device.family, Family::Agilex | Family::Max10) {
        let cause = format_args!("Yosys does not map to {}", device.told);
        return Err(Error::input(format_args!("--synth {}", device.name), cause));
    }
    let yosys = tools.yosys()?;
    let Design { files, top, .. } = design;
    let script = script(files, top, device, false)?;
    let texts = texts(folder, &design)?;
    let key = key(&["netlist 1", device.name, &yosys.version, &script], &texts);
    // What is kept is what Yosys says; which layer a cell belongs to is read from it each time.
    let mapped: Mapped = cached(&tools.home().join("cache/synth").join(key), || {
        let work = WorkFolder::new()?;
        let run = run_yosys(&yosys, &script, &texts, work.path(), tools)?;
        let read = read_cells(&work.path().join("read.json"))?;
        Ok(Mapped {
            multiply_cells: read.get("$mul").copied().unwrap_or(0),
            cells: netlist::cells(&work.path().join(NETLIST), top)?,
            seconds: run.elapsed.as_secs_f64(),
        })
    })?;
    let names: Vec<String> = design.layers.iter().map(|name| name.to_string()).collect();
    let owned = netlist::by_layer(&mapped.cells, &names);
    let mut cells = BTreeMap::new();
    for (cell, n) in owned.iter().flatten() {
        *cells.entry(cell.clone()).or_insert(0) += n;
    }
    let layers = names
        .into_iter()
        .chain([BETWEEN.into()])
        .zip(&owned)
        .map(|(name, types)| LayerCells { name, cells: Cells::of(device.family, types) });
    Ok(Synthesis {
        device: device.name.into(),
        yosys: yosys.version.clone(),
        multiply_cells: mapped.multiply_cells,
        total: Cells::of(device.family, &cells),
        layers: layers.collect(),
        seconds: mapped.seconds,
        cells,
    })
}

/// What Yosys says of a core, of whichever layers it is.
#[derive(Serialize, Deserialize)]
struct Mapped {
    multiply_cells: u64,
    /// The types of the mapped cells by name.
    cells: BTreeMap<String, String>,
    seconds: f64,
}

/// Names and contents of what Yosys reads of a design.
fn texts(folder: &Path, design: &Design) -> Result<Vec<(String, Vec<u8>)>> {
    let names = design.files.iter().chain(design.memories);
    names.map(|name| Ok((name.clone(), files::read(&folder.join(name))?))).collect()
}

fn run_yosys(
    yosys: &OpenTool,
    script: &str,
    texts: &[(String, Vec<u8>)],
    work: &Path,
    tools: &Tools,
) -> Result<Finished> {
    for (name, text) in texts {
        files::write(&work.join(name), text)?;
    }
    files::write(&work.join("synthesise.ys"), script.as_bytes())?;
    let spinner = tools.spinner("Yosys");
    let run = tools.run_ok(yosys.command().current_dir(work).args(["-q", "-s", "synthesise.ys"]));
    spinner.finish_and_clear();
    run
}

/// A result that lies sealed in the folder `kept`, else one made now and kept there.
fn cached<T: Serialize + DeserializeOwned>(
    kept: &Path,
    make: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (file, whole) = (kept.join(CACHED), seal::is_whole(kept, &[CACHED]));
    let read = || serde_json::from_slice(&std::fs::read(&file).ok()?).ok();
    if let Some(result) = whole.then(read).flatten() {
        return Ok(result);
    }
    let result = make()?;
    let text = serde_json::to_vec_pretty(&result).map_err(|e| Error::internal("cache", e))?;
    files::write(&file, &text)?;
    seal::seal(kept, &[CACHED]).map_err(|e| files::unwritable(kept, &e))?;
    Ok(result)
}

/// The hash of all that a result depends on. What is counted otherwise has another name in front,
/// so that no older count is read.
fn key(parts: &[&str], texts: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    let parts = parts.iter().map(|part| part.as_bytes());
    for part in parts.chain(texts.iter().flat_map(|(name, text)| [name.as_bytes(), text])) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The cells of a whole design by type, from the file that `stat -json` wrote.
fn read_cells(path: &Path) -> Result<BTreeMap<String, u64>> {
    parse_cells(&files::read_text(path)?)
        .map_err(|e| Error::tool("yosys", format_args!("its statistics cannot be read: {e}")))
}

fn parse_cells(text: &str) -> serde_json::Result<BTreeMap<String, u64>> {
    #[derive(Deserialize)]
    struct Stat {
        design: Design,
    }
    #[derive(Deserialize)]
    struct Design {
        num_cells_by_type: BTreeMap<String, u64>,
    }
    // Yosys 0.23 prints its table of submodules in the midst of the JSON.
    let is_json = |line: &&str| line.trim_start().starts_with(['"', '{', '}', '[', ']']);
    let text: String = text.lines().filter(is_json).collect();
    let stat: Stat = serde_json::from_str(&text)?;
    // A module of ours is not a cell of the device; its own cells are counted in their place.
    Ok(stat
        .design
        .num_cells_by_type
        .into_iter()
        .filter(|(cell, _)| !cell.contains("strassenc_"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_the_midst_of_the_statistics_is_passed_over() {
        let text = "{\n   \"modules\": {\n   },\n     $paramod\\strassenc_coefficient\\BITS=4      \
            1\n   \"design\": {\n      \"num_cells_by_type\": {\n         \"$mul\": 2,\n         \
            \"$paramod\\\\strassenc_x\": 2\n      }\n   }\n}\n";
        assert_eq!(parse_cells(text).unwrap(), BTreeMap::from([("$mul".to_string(), 2)]));
        assert!(parse_cells("{").is_err());
    }
}
