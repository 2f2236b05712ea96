//! The mapped netlist that Yosys writes, and how its cells are counted.

use super::Cells;
use crate::device::Family;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use strassenc_runtime::{Error, Result, files};

/// What a mapped cell is.
#[derive(Clone, Copy)]
enum Class {
    Lut,
    /// Look-up tables that are memory.
    Memory,
    /// Look-up tables that are shift registers.
    Shift,
    /// An inverter that no look-up table took in: it stands before a carry chain or a flip-flop,
    /// where it takes a look-up table of its own.
    Inverter,
    FlipFlop,
    /// A carry cell; what it counts are the look-up tables within it.
    Carry,
    Dsp,
    /// Block RAM; what it counts are halves of one.
    Block,
}

/// The cells of a family by the beginnings of their types, the first that fits; what each counts.
fn cells_of(family: Family) -> &'static [(&'static str, Class, u64)] {
    use Class::*;
    match family {
        Family::Xc7 | Family::Xcup => &[
            ("LUT", Lut, 1),
            ("SRL", Shift, 1),
            ("RAM32X1S", Memory, 1),
            ("RAM64X1S", Memory, 1),
            ("RAM32X1D", Memory, 2),
            ("RAM64X1D", Memory, 2),
            ("RAM128X1S", Memory, 2),
            ("RAM32M16", Memory, 8),
            ("RAM64M8", Memory, 8),
            ("RAM256X1D", Memory, 8),
            ("RAM512X1S", Memory, 8),
            ("RAM32M", Memory, 4),
            ("RAM64M", Memory, 4),
            ("RAM128X1D", Memory, 4),
            ("RAM256X1S", Memory, 4),
            ("INV", Inverter, 1),
            ("FD", FlipFlop, 1),
            ("CARRY", Carry, 0),
            ("DSP48", Dsp, 1),
            ("RAMB18", Block, 1),
            ("RAMB36", Block, 2),
        ],
        Family::Ecp5 => &[
            ("LUT4", Lut, 1),
            // Four for the bits, two for the port that writes.
            ("TRELLIS_DPR16X4", Memory, 6),
            ("TRELLIS_FF", FlipFlop, 1),
            ("CCU2C", Carry, 2),
            ("MULT18X18D", Dsp, 1),
            ("DP16KD", Block, 2),
            ("PDPW16KD", Block, 2),
        ],
        Family::Ice40 => &[
            ("SB_LUT4", Lut, 1),
            ("SB_DFF", FlipFlop, 1),
            ("SB_CARRY", Carry, 0),
            ("SB_MAC16", Dsp, 1),
            ("SB_RAM40", Block, 2),
            ("SB_SPRAM", Block, 2),
        ],
        Family::Gowin => &[
            ("LUT", Lut, 1),
            ("INV", Inverter, 1),
            ("RAM16S", Memory, 4),
            ("DFF", FlipFlop, 1),
            ("ALU54", Dsp, 1),
            ("ALU", Carry, 1),
            ("MULT", Dsp, 1),
            ("SDP", Block, 2),
            ("DP", Block, 2),
            ("SP", Block, 2),
            ("pROM", Block, 2),
        ],
        Family::Agilex | Family::Max10 => &[],
    }
}

impl Cells {
    /// Counts `n` cells of a type.
    fn add(&mut self, family: Family, cell: &str, n: u64) {
        let found = cells_of(family).iter().find(|(prefix, ..)| cell.starts_with(prefix));
        let Some(&(_, class, counts)) = found else { return };
        let counts = n * counts;
        match class {
            Class::Lut => self.luts += counts,
            Class::Memory => {
                (self.luts, self.lut_memories) = (self.luts + counts, self.lut_memories + counts)
            }
            Class::Shift => {
                (self.luts, self.shift_registers) =
                    (self.luts + counts, self.shift_registers + counts)
            }
            Class::Inverter => {
                (self.luts, self.inverters) = (self.luts + counts, self.inverters + counts)
            }
            Class::FlipFlop => self.flip_flops += counts,
            Class::Carry => {
                (self.luts, self.carry_cells) = (self.luts + counts, self.carry_cells + n)
            }
            Class::Dsp => self.dsp_blocks += counts,
            Class::Block => self.block_memories += counts as f64 / 2.0,
        }
    }

    /// The count of all these types.
    pub(super) fn of(family: Family, types: &BTreeMap<String, u64>) -> Self {
        let mut cells = Cells::default();
        types.iter().for_each(|(cell, n)| cells.add(family, cell, *n));
        cells
    }
}

/// A design as `write_json` writes it: of each module the types of its cells by name.
#[derive(Deserialize)]
struct Design {
    modules: BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    attributes: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(default)]
    cells: BTreeMap<String, Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "type")]
    kind: String,
}

/// The types of the cells of the flattened module `top` by name. Those of a module whose hierarchy
/// is kept follow the name of its instance.
pub(super) fn cells(path: &Path, top: &str) -> Result<BTreeMap<String, String>> {
    let design: Design = serde_json::from_slice(&files::read(path)?)
        .map_err(|e| Error::tool("yosys", format_args!("its netlist cannot be read: {e}")))?;
    let module = |name: &str| {
        design
            .modules
            .get(name)
            .ok_or_else(|| Error::tool("yosys", format_args!("its netlist has no module `{name}`")))
    };
    let mut cells = BTreeMap::new();
    let mut inside = vec![(module(top)?, String::new())];
    while let Some((each, within)) = inside.pop() {
        for (name, Cell { kind }) in &each.cells {
            let name = format!("{within}{name}");
            // A module of ours whose hierarchy is kept, and no cell of the device.
            let own = design.modules.get(kind).is_some_and(|module| {
                !["blackbox", "whitebox"].iter().any(|is| module.attributes.contains_key(*is))
            });
            if own {
                inside.push((module(kind)?, format!("{name}.")));
            } else if !kind.starts_with('$') {
                cells.insert(name, kind.clone());
            }
        }
    }
    Ok(cells)
}

/// The cells of each layer by type, and last those of none.
pub(super) fn by_layer(
    cells: &BTreeMap<String, String>,
    layers: &[String],
) -> Vec<BTreeMap<String, u64>> {
    let mut counts = vec![BTreeMap::new(); layers.len() + 1];
    for (name, kind) in cells {
        *counts[owner(name, layers)].entry(kind.clone()).or_insert(0) += 1;
    }
    counts
}

/// The place in `layers` of the layer within which a cell's name lies, or whose output has its
/// name; `layers.len()` where none does. The emitted text calls a layer's instances `u_layer_NAME`
/// and `u_pipeline_NAME`, and its streams `layer_NAME_…`.
fn owner(cell: &str, layers: &[String]) -> usize {
    let cell = cell.strip_prefix("u_").unwrap_or(cell);
    let Some(cell) = cell.strip_prefix("layer_").or(cell.strip_prefix("pipeline_")) else {
        return layers.len();
    };
    let own = |name: &str| cell.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '_']));
    let owners = layers.iter().enumerate().filter(|(_, name)| own(name));
    owners.max_by_key(|(_, name)| name.len()).map_or(layers.len(), |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_belongs_to_the_layer_of_the_longest_name() {
        let layers = ["conv", "conv_1"].map(String::from);
        let found = [
            "u_layer_conv.p1_x_FDRE_Q",
            "layer_conv_1_data_FDRE_Q",
            "u_pipeline_conv_1.p2_wb_add_0",
            "u_layer_convolved.x",
            "u_register_conv.full",
        ];
        assert_eq!(found.map(|cell| owner(cell, &layers)), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn tables_that_are_memory_shift_or_invert_are_tables_and_half_a_block_is_half() {
        let types =
            [("LUT6", 5), ("SRL16E", 3), ("RAM32M", 2), ("INV", 4), ("RAMB18E1", 1), ("FDRE", 7)];
        let types = types.map(|(name, n)| (name.to_string(), n)).into_iter().collect();
        let cells = Cells::of(Family::Xc7, &types);
        assert_eq!((cells.luts, cells.shift_registers, cells.lut_memories), (20, 3, 8));
        assert_eq!((cells.inverters, cells.flip_flops, cells.block_memories), (4, 7, 0.5));
    }
}
