//! Device families: how many DSP blocks one product takes, and how many LUTs the additions.

use crate::figures::LayerFigures;
use crate::synth::Target;
use serde::Serialize;

/// A device family whose multiplier blocks the report counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AMD 7 series: DSP48E1, 25×18.
    Xc7,
    /// AMD UltraScale+: DSP48E2, 27×18.
    Xcup,
    /// Lattice ECP5: MULT18X18D.
    Ecp5,
    /// Lattice iCE40 UltraPlus: SB_MAC16, 16×16.
    Ice40,
    /// Intel Agilex and Stratix 10: 18×19, two of them in a block.
    Agilex,
    /// Gowin GW2A: MULT18X18.
    Gowin,
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
            Family::Gowin => ("MULT18X18", 18, 18),
        }
    }

    /// Estimated LUTs of a layer. On AMD's devices a bit that only one operand of an addition has
    /// is carried on without a LUT, and so are constants; elsewhere LUTs have 4 inputs, and each
    /// bit of a carry chain is one. The chains of iCE40 do not invert: a subtracted operand goes
    /// through LUTs of its own.
    pub fn luts(self, layer: &LayerFigures) -> u64 {
        match self {
            Family::Xc7 | Family::Xcup => layer.luts,
            Family::Ecp5 | Family::Agilex | Family::Gowin => layer.luts4,
            Family::Ice40 => layer.luts4 + layer.subtracted_bits,
        }
    }

    /// Estimated LUTs of so many bits of stream registers: one each, but for AMD's devices, where
    /// they fit in with what is counted too much elsewhere.
    pub fn stream_luts(self, bits: u64) -> u64 {
        match self {
            Family::Xc7 | Family::Xcup => 0,
            Family::Ecp5 | Family::Ice40 | Family::Agilex | Family::Gowin => bits,
        }
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

impl From<Target> for Family {
    fn from(target: Target) -> Self {
        match target {
            Target::Xc7 => Family::Xc7,
            Target::Ecp5 => Family::Ecp5,
            Target::Ice40 => Family::Ice40,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
