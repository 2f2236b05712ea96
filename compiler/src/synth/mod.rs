//! Yosys: what a core takes on a device, and proofs that emitted text equals its matrices.

mod equivalence;

pub use equivalence::{Equivalence, equivalence};

use crate::emit::Signature;
use crate::tools::{Tools, Yosys};
use askama::Template;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};
use strassenc_verilator::seal;

/// Name of a result in the cache.
const CACHED: &str = "synthesis.json";

/// What Yosys maps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// AMD 7 series.
    Xc7,
    /// Lattice ECP5.
    Ecp5,
    /// Lattice iCE40 UltraPlus.
    Ice40,
}

/// What Yosys found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthesis {
    /// The target.
    pub target: Target,
    /// Version of Yosys.
    pub yosys: String,
    /// `$mul` cells of the whole core as read, before any optimisation.
    pub multiply_cells: u64,
    /// Look-up tables, those used as shift registers, as memory or within carry cells included.
    pub luts: u64,
    /// Flip-flops.
    pub flip_flops: u64,
    /// Carry cells: of 4 bits on xc7, 2 on ecp5, 1 on ice40.
    pub carry_cells: u64,
    /// Multiplier blocks.
    pub dsp_blocks: u64,
    /// Block memories.
    pub block_memories: u64,
    /// Every cell of the mapped core by type.
    pub cells: BTreeMap<String, u64>,
    /// Seconds that Yosys took.
    pub seconds: f64,
}

#[derive(Template)]
#[template(path = "synthesise.ys", ext = "ys")]
struct Script<'a> {
    files: &'a [String],
    top: &'a str,
    target: Target,
}

impl Target {
    /// A carry cell of ECP5 is two look-up tables; the others stand beside those that Yosys counts.
    fn luts_of_a_carry_cell(self) -> u64 {
        if self == Target::Ecp5 { 2 } else { 0 }
    }

    /// Whether a mapped cell of this type counts as look-up table, flip-flop, carry, DSP or memory.
    fn class(self, cell: &str) -> Option<Class> {
        use Class::*;
        let classes: &[(&str, Class)] = match self {
            Target::Xc7 => &[
                ("LUT", Lut),
                ("SRL", Lut),
                ("FD", FlipFlop),
                ("CARRY4", Carry),
                ("DSP48", Dsp),
                ("RAMB", Memory),
            ],
            Target::Ecp5 => &[
                ("LUT4", Lut),
                ("TRELLIS_DPR16X4", Lut),
                ("TRELLIS_FF", FlipFlop),
                ("CCU2C", Carry),
                ("MULT18X18D", Dsp),
                ("DP16KD", Memory),
            ],
            Target::Ice40 => &[
                ("SB_LUT4", Lut),
                ("SB_DFF", FlipFlop),
                ("SB_CARRY", Carry),
                ("SB_MAC16", Dsp),
                ("SB_RAM40", Memory),
                ("SB_SPRAM", Memory),
            ],
        };
        classes.iter().find(|(prefix, _)| cell.starts_with(prefix)).map(|(_, class)| *class)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lut,
    FlipFlop,
    Carry,
    Dsp,
    Memory,
}

/// Synthesises the core in `folder`, out of context. Minutes for a large core; the result is cached
/// under the home folder by content, version of Yosys and target.
///
/// # Errors
/// Where Yosys is missing or fails, a file cannot be read, or the user interrupts.
pub fn synthesise(
    folder: &Path,
    signature: &Signature,
    target: Target,
    tools: &Tools,
) -> Result<Synthesis> {
    let yosys = tools.yosys()?;
    let script = Script { files: &signature.files, top: &signature.top, target };
    let script = script.render().map_err(|e| Error::internal("synthesise.ys", e))?;
    let names = || signature.files.iter().chain(&signature.memories);
    let texts = names().map(|name| files::read(&folder.join(name))).collect::<Result<Vec<_>>>()?;
    let kept = tools.home().join("cache/synth").join(key(&yosys, &script, &texts));
    let (cached, whole) = (kept.join(CACHED), seal::is_whole(&kept, &[CACHED]));
    if let Some(synthesis) =
        std::fs::read(&cached).ok().and_then(|text| serde_json::from_slice(&text).ok())
        && whole
    {
        return Ok(synthesis);
    }
    let work = WorkFolder::new()?;
    for (name, text) in names().zip(&texts) {
        files::write(&work.path().join(name), text)?;
    }
    files::write(&work.path().join("synthesise.ys"), script.as_bytes())?;
    let spinner = tools.spinner(format!("Yosys, {}", signature.top));
    let run =
        tools.run_ok(yosys.command().current_dir(work.path()).args(["-q", "-s", "synthesise.ys"]));
    spinner.finish_and_clear();
    let run = run?;
    let read = cells(&work.path().join("read.json"))?;
    let cells = cells(&work.path().join("mapped.json"))?;
    let count = |class: Class| -> u64 {
        cells.iter().filter(|(cell, _)| target.class(cell) == Some(class)).map(|(_, n)| n).sum()
    };
    let synthesis = Synthesis {
        target,
        yosys: yosys.version.clone(),
        multiply_cells: read.get("$mul").copied().unwrap_or(0),
        luts: count(Class::Lut) + target.luts_of_a_carry_cell() * count(Class::Carry),
        flip_flops: count(Class::FlipFlop),
        carry_cells: count(Class::Carry),
        dsp_blocks: count(Class::Dsp),
        block_memories: count(Class::Memory),
        seconds: run.elapsed.as_secs_f64(),
        cells,
    };
    let text =
        serde_json::to_vec_pretty(&synthesis).map_err(|e| Error::internal("synthesis", e))?;
    files::write(&cached, &text)?;
    seal::seal(&kept, &[CACHED])
        .map_err(|e| Error::io(&kept, format_args!("cannot be written: {e}")))?;
    Ok(synthesis)
}

/// How cells are counted; another way of counting has another name, so that no older count is read.
const COUNTS: &str = "carry cells of ecp5 are two tables each";

fn key(yosys: &Yosys, script: &str, texts: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    for part in [COUNTS.as_bytes(), yosys.version.as_bytes(), script.as_bytes()]
        .into_iter()
        .chain(texts.iter().map(Vec::as_slice))
    {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The cells of a whole design by type, from the file that `stat -json` wrote.
fn cells(path: &Path) -> Result<BTreeMap<String, u64>> {
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
