//! Devices: whole parts, and families of them. How many DSP blocks one product takes, how many LUTs
//! the additions, and what a part has of each.

mod delays;
pub mod primitives;
mod table;

pub use delays::Delays;

use crate::figures::Cells;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a core is built for: a part, or any of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is, in words.
    pub told: &'static str,
    /// Decides what cells there are, and what they cost.
    pub family: Family,
    /// What the part has; none of a whole family.
    pub part: Option<Part>,
}

/// What a part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What its maker calls it, in a package and a speed grade that boards have.
    pub code: &'static str,
    /// Look-up tables.
    pub luts: u64,
    /// Flip-flops of the logic cells.
    pub flip_flops: u64,
    /// Blocks of [`Family::block`].
    pub dsp_blocks: u64,
    /// Block RAMs of [`Family::memory_kbit`].
    pub memories: u64,
    /// What nextpnr calls it: the suffix of the program's name, and options. None where it places
    /// no such part.
    pub nextpnr: Option<(&'static str, &'static [&'static str])>,
}

/// A kind of devices with the same cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AMD 7 series.
    Xc7,
    /// AMD UltraScale+.
    Xcup,
    /// Lattice ECP5.
    Ecp5,
    /// Lattice iCE40.
    Ice40,
    /// Intel Agilex and Stratix 10.
    Agilex,
    /// Intel MAX 10.
    Max10,
    /// Gowin GW2A.
    Gowin,
}

/// Every device that has a name: the families, then the parts. Numbers are those of the vendors'
/// data sheets.
pub const DEVICES: [Device; 18] = [
    family("xc7", "AMD 7 series: DSP48E1, 25×18", Family::Xc7),
    family("xcup", "AMD UltraScale+: DSP48E2, 27×18", Family::Xcup),
    family("ecp5", "Lattice ECP5: MULT18X18D", Family::Ecp5),
    family("ice40", "Lattice iCE40 UltraPlus: SB_MAC16, 16×16", Family::Ice40),
    family("agilex", "Intel Agilex and Stratix 10: 18×19, two of them in a block", Family::Agilex),
    family("max10", "Intel MAX 10: 18×18", Family::Max10),
    family("gowin", "Gowin GW2A: MULT18X18", Family::Gowin),
    part("xc7a35t", "AMD Artix-7", Family::Xc7, "xc7a35tcpg236-1", [20_800, 41_600, 90, 50], None),
    part(
        "xc7a100t",
        "AMD Artix-7",
        Family::Xc7,
        "xc7a100tcsg324-1",
        [63_400, 126_800, 240, 135],
        None,
    ),
    part(
        "xc7a200t",
        "AMD Artix-7",
        Family::Xc7,
        "xc7a200tsbg484-1",
        [133_800, 267_600, 740, 365],
        None,
    ),
    part(
        "xc7z010",
        "AMD Zynq-7000",
        Family::Xc7,
        "xc7z010clg400-1",
        [17_600, 35_200, 80, 60],
        None,
    ),
    part(
        "xc7z020",
        "AMD Zynq-7000",
        Family::Xc7,
        "xc7z020clg400-1",
        [53_200, 106_400, 220, 140],
        None,
    ),
    part(
        "xcku5p",
        "AMD Kintex UltraScale+",
        Family::Xcup,
        "xcku5p-ffvb676-2-e",
        [216_960, 433_920, 1_824, 480],
        None,
    ),
    part(
        "ecp5-85k",
        "Lattice LFE5U-85F, speed grade 6",
        Family::Ecp5,
        "LFE5U-85F-6BG381C",
        [83_640, 83_640, 156, 208],
        Some((
            "ecp5",
            &["--85k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"],
        )),
    ),
    part(
        "up5k",
        "Lattice iCE40UP5K",
        Family::Ice40,
        "iCE40UP5K-SG48",
        [5_280, 5_280, 8, 30],
        Some(("ice40", &["--up5k", "--package", "sg48"])),
    ),
    part(
        "hx8k",
        "Lattice iCE40HX8K, which has no DSP block",
        Family::Ice40,
        "iCE40HX8K-CT256",
        [7_680, 7_680, 0, 32],
        Some(("ice40", &["--hx8k", "--package", "ct256"])),
    ),
    part(
        "gw2a-18",
        "Gowin GW2AR-18C, speed grade 8/7",
        Family::Gowin,
        "GW2AR-LV18QN88C8/I7",
        [20_736, 15_552, 48, 46],
        Some((
            "himbaechel-gowin",
            &[
                "--device",
                "GW2AR-LV18QN88C8/I7",
                "--vopt",
                "family=GW2A-18C",
                "--vopt",
                "cst=pins.cst",
            ],
        )),
    ),
    part(
        "10m50",
        "Intel MAX 10 10M50",
        Family::Max10,
        "10M50DAF484C7G",
        [49_760, 49_760, 144, 182],
        None,
    ),
];

const fn family(name: &'static str, told: &'static str, family: Family) -> Device {
    Device { name, told, family, part: None }
}

/// A part, which its maker calls `code`, with so many LUTs, flip-flops, DSP blocks and block RAMs.
const fn part(
    name: &'static str,
    told: &'static str,
    family: Family,
    code: &'static str,
    [luts, flip_flops, dsp_blocks, memories]: [u64; 4],
    nextpnr: Option<(&'static str, &'static [&'static str])>,
) -> Device {
    let part = Part { code, luts, flip_flops, dsp_blocks, memories, nextpnr };
    Device { name, told, family, part: Some(part) }
}

impl Device {
    /// The part itself, or the first part of the family, with what it has; none of a family of
    /// which no part has a name here.
    pub fn any_part(self) -> Option<(Device, Part)> {
        let of_family = DEVICES.into_iter().filter(|device| device.family == self.family);
        [self].into_iter().chain(of_family).find_map(|device| Some((device, device.part?)))
    }

    /// Whether it has blocks that multiply, as all do but some parts.
    pub fn multiplies(self) -> bool {
        self.part.is_none_or(|part| part.dsp_blocks > 0)
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || D::Error::custom(format_args!("unknown device `{name}`"));
        DEVICES.iter().find(|device| device.name == name).copied().ok_or_else(unknown)
    }
}

impl clap::ValueEnum for Device {
    fn value_variants<'a>() -> &'a [Self] {
        &DEVICES
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name).help(self.told))
    }
}

impl Family {
    /// The block's name and the widths in bits of its two signed operands, the wider one first.
    pub fn block(self) -> (&'static str, u32, u32) {
        match self {
            Family::Xc7 => ("DSP48E1", 25, 18),
            Family::Xcup => ("DSP48E2", 27, 18),
            Family::Ecp5 => ("MULT18X18D", 18, 18),
            Family::Ice40 => ("SB_MAC16", 16, 16),
            Family::Agilex => ("18x19 multiplier", 19, 18),
            Family::Max10 => ("18x18 multiplier", 18, 18),
            Family::Gowin => ("MULT18X18", 18, 18),
        }
    }

    /// Kbit of a block RAM.
    pub fn memory_kbit(self) -> u32 {
        match self {
            Family::Xc7 | Family::Xcup => 36,
            Family::Ecp5 | Family::Gowin => 18,
            Family::Ice40 => 4,
            Family::Agilex => 20,
            Family::Max10 => 9,
        }
    }

    /// Kbit of a block RAM as figures count them: AMD's by their halves.
    pub fn counted_kbit(self) -> u32 {
        match self.memory_kbit() {
            36 => 18,
            kbit => kbit,
        }
    }

    /// Estimated LUTs. On AMD's devices a bit that only one operand of an addition has is carried
    /// on without a LUT, and so are constants; elsewhere LUTs have 4 inputs, and each bit of a
    /// carry chain is one; ECP5 has them in pairs. The chains of iCE40 do not invert: a subtracted
    /// operand goes through LUTs of its own.
    pub fn luts(self, cells: &Cells) -> u64 {
        match self {
            Family::Xc7 | Family::Xcup => cells.luts6 + cells.shift_registers,
            Family::Ecp5 => cells.luts4 + cells.merged + cells.odd_chains,
            Family::Agilex | Family::Max10 => cells.luts4,
            Family::Gowin => cells.luts4 + cells.merged,
            Family::Ice40 => cells.luts4 + cells.merged + cells.subtracted_bits,
        }
    }

    /// Estimated flip-flops.
    pub fn flip_flops(self, cells: &Cells) -> u64 {
        let registers = cells.registers;
        match self {
            Family::Xc7 | Family::Xcup => registers.saturating_sub(cells.packed + cells.shifted),
            Family::Agilex | Family::Max10 => registers.saturating_sub(cells.packed),
            Family::Ecp5 | Family::Gowin => registers,
            Family::Ice40 => registers.saturating_sub(cells.fetched),
        }
    }

    /// The most operands of an adder that is one carry chain.
    pub fn adder_operands(self) -> u8 {
        if matches!(self, Family::Xc7 | Family::Xcup) { 3 } else { 2 }
    }

    /// Blocks that one signed product of operands of `a` and `b` bits (signs included) takes. A
    /// wider product is cut into pieces; all but the top piece of an operand lose one bit, since
    /// they are unsigned in a signed multiplier.
    pub fn blocks(self, a: u32, b: u32) -> usize {
        let (_, wide, narrow) = self.block();
        let pieces = |bits: u32, port: u32| (bits.max(2) - 1).div_ceil(port - 1) as usize;
        (pieces(a, wide) * pieces(b, narrow)).min(pieces(b, wide) * pieces(a, narrow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn each_device_has_a_name_of_its_own() {
        for device in DEVICES {
            assert_eq!(Device::from_str(device.name, false), Ok(device));
        }
    }

    #[test]
    fn a_product_that_fits_takes_one_block() {
        assert_eq!(Family::Xc7.blocks(25, 18), 1);
        assert_eq!(Family::Xc7.blocks(18, 25), 1);
        assert_eq!(Family::Ice40.blocks(16, 8), 1);
    }

    #[test]
    fn a_wider_product_takes_one_block_a_piece() {
        assert_eq!(Family::Xc7.blocks(26, 8), 2);
        assert_eq!(Family::Xc7.blocks(26, 19), 2);
        assert_eq!(Family::Ice40.blocks(17, 17), 4);
    }
}
