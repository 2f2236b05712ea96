//! Memories: what Yosys makes of them, family by family.

use crate::device::Family;
use serde::{Deserialize, Serialize};
use std::ops::Add;

/// A memory that is written at one address and read at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Bits of a word.
    pub bits: u64,
    /// How many words there are.
    pub words: u64,
    /// What kind it is.
    pub kind: MemoryKind,
}

/// The kinds of memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryKind {
    /// Read in the clock in which it is addressed; where it is block RAM, Yosys takes the register
    /// of its address for the one in it.
    Direct,
    /// With a register at its output, which is in it where it is block RAM.
    Registered,
    /// As that, of constants.
    Rom,
}

/// What a memory takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// LUTs, those that are memory and those that choose.
    pub luts: u64,
    /// Flip-flops, those of a register at the output included.
    pub flip_flops: u64,
    /// Block RAMs, AMD's of 18 Kbit.
    pub blocks: u64,
}

impl Add for Taken {
    type Output = Taken;

    fn add(self, other: Taken) -> Taken {
        Taken {
            luts: self.luts + other.luts,
            flip_flops: self.flip_flops + other.flip_flops,
            blocks: self.blocks + other.blocks,
        }
    }
}

/// What memories of a family are made of, and what Yosys takes a block RAM for.
struct Kinds {
    /// Bits of a word and words of a block RAM.
    blocks: &'static [(u64, u64)],
    /// Bits of a word, words, and LUTs of the least memory of LUTs; none where LUTs are no memory.
    luts: Option<&'static [(u64, u64, u64)]>,
    /// What Yosys reckons a block RAM, and the least memory of LUTs, or a flip-flop, to cost; one
    /// that chooses a bit of two costs half.
    cost: [u64; 2],
    /// Bits of constants that cost as much as a block RAM.
    dear_rom: u64,
    /// Inputs of a LUT, and LUTs of which a slice chooses one.
    inputs: u32,
    slice: u64,
}

/// Block RAMs of 18 Kbit.
const KBIT18: &[(u64, u64)] = &[(1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512)];

fn kinds(family: Family) -> Kinds {
    match family {
        Family::Xc7 | Family::Xcup => Kinds {
            blocks: KBIT18,
            luts: Some(&[(6, 32, 4), (3, 64, 4)]),
            cost: [129, 8],
            dear_rom: 8192,
            inputs: 6,
            slice: 4,
        },
        Family::Ecp5 | Family::Agilex | Family::Max10 => Kinds {
            blocks: KBIT18,
            // Two of them are the port that writes.
            luts: Some(&[(4, 16, 6)]),
            cost: [128, 4],
            dear_rom: 2048,
            inputs: 4,
            slice: 8,
        },
        Family::Gowin => Kinds {
            blocks: KBIT18,
            luts: Some(&[(4, 16, 4)]),
            cost: [128, 4],
            dear_rom: 2048,
            inputs: 4,
            slice: 16,
        },
        Family::Ice40 => Kinds {
            blocks: &[(2, 2048), (4, 1024), (8, 512), (16, 256)],
            luts: None,
            cost: [64, 1],
            dear_rom: 1024,
            inputs: 4,
            slice: 1,
        },
    }
}

impl Memory {
    /// Of so many bits and words.
    pub fn new(bits: usize, words: usize, kind: MemoryKind) -> Self {
        Memory { bits: bits as u64, words: words as u64, kind }
    }

    /// A ROM of words that are not known yet. Of few words many bits are equal in all of them: of n
    /// bits, each of which is one of d that differ, about d · (1 - e^(-n/d)) differ.
    pub fn rom(bits: usize, words: usize) -> Self {
        // Two never change.
        let all = 2f64.powi(words.min(64) as i32) - 2.0;
        let differ = all * -(-(bits as f64) / all.max(1.0)).exp_m1();
        Memory::new(differ.round() as usize, words, MemoryKind::Rom)
    }

    /// What it takes of this family.
    pub fn of(self, family: Family) -> Taken {
        let Memory { bits, words, kind } = self;
        let kinds = kinds(family);
        let shape = |&(width, depth): &(u64, u64)| bits.div_ceil(width) * words.div_ceil(depth);
        let blocks = kinds.blocks.iter().map(shape).min().unwrap_or(0);
        // The fewest memories of LUTs, their words, and their LUTs.
        let parts = kinds.luts.and_then(|parts| {
            let count = |&(width, depth, luts): &(u64, u64, u64)| {
                (bits.div_ceil(width) * words.div_ceil(depth), depth, luts)
            };
            parts.iter().map(count).min()
        });
        let [block, part] = kinds.cost;
        let dear = match (kind, parts) {
            (MemoryKind::Rom, _) => bits * words > kinds.dear_rom * blocks,
            (_, Some((parts, depth, _))) => {
                2 * part * parts + bits * (words.div_ceil(depth) - 1) > 2 * block * blocks
            }
            (_, None) => part * bits * words > block * blocks,
        };
        if dear {
            return Taken { blocks, ..Taken::default() };
        }
        let register = if kind == MemoryKind::Direct { 0 } else { bits };
        match (kind, parts) {
            (MemoryKind::Rom, _) => {
                // A slice chooses one of so many LUTs; beyond, others choose one of the slices.
                let parts = words.div_ceil(1 << kinds.inputs);
                let choosers = if parts > kinds.slice { parts.div_ceil(kinds.slice) } else { 0 };
                let luts = bits * (parts + choosers);
                Taken { luts, flip_flops: register, blocks: 0 }
            }
            (_, Some((parts, depth, luts))) => {
                let chosen = bits * (words.div_ceil(depth) - 1);
                let choosers = if kinds.inputs == 6 { chosen.div_ceil(3) } else { chosen };
                Taken { luts: luts * parts + choosers, flip_flops: register, blocks: 0 }
            }
            // A LUT chooses one of two, and one writes a word.
            (_, None) => Taken {
                luts: bits * (words - 1) + words,
                flip_flops: bits * words + register,
                blocks: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_luts_until_block_ram_is_cheaper() {
        let of = |bits, words, kind| Memory::new(bits, words, kind).of(Family::Xc7);
        assert_eq!(of(97, 20, MemoryKind::Direct).luts, 68);
        let registered = |bits, words| of(bits, words, MemoryKind::Registered).blocks;
        assert_eq!([registered(8, 64), registered(16, 128), registered(96, 64)], [0; 3]);
        assert_eq!([registered(16, 512), registered(16, 2048)], [1, 2]);
        assert!(of(8, 64, MemoryKind::Registered).luts > 0);
        assert_eq!(of(16, 1024, MemoryKind::Registered).luts, 0);
    }

    #[test]
    fn few_words_have_few_bits_that_differ() {
        let bits = |bits, words| Memory::rom(bits, words).bits;
        // Four words have 14 bits that differ and change; 1,152 bits of eight have most of 254.
        assert_eq!([bits(9, 1), bits(500, 4), bits(1152, 8), bits(768, 32)], [0, 14, 251, 768]);
    }

    #[test]
    fn ice40_has_no_memory_but_block_ram_and_flip_flops() {
        let of = |bits, words, kind| Memory::new(bits, words, kind).of(Family::Ice40);
        assert_eq!(of(8, 4, MemoryKind::Direct).flip_flops, 32);
        assert_eq!(of(8, 12, MemoryKind::Direct).blocks, 1);
        assert_eq!(of(16, 20, MemoryKind::Registered), Taken { blocks: 1, ..Taken::default() });
        assert_eq!(of(8, 64, MemoryKind::Rom).blocks, 0);
    }
}
