//! The folded engine: a layer whose weights lie in ROM and whose adders and multipliers are shared
//! among its rows.
//!
//! Against the dataflow IR, a kernel is cut into what is done in one clock: `pe` rows of W_b meet
//! `simd` elements of a window, r products go through `multipliers` multipliers, and `wc_pe` rows
//! of W_c meet `wc_simd` products. What lies in each word of each ROM is decided here, and so is
//! every width; the primitives of `hw/` do the rest. Its meaning is [`evaluate`].
//!
//! A char-CNN has no W_c, and reads a whole word: for each block of `pe` filters of one width the
//! windows of that width at all positions, of whose sums the largest go on to the multipliers. Dead
//! filters have a row of zeros.
//!
//! Where outputs side by side read products of their own, as in a plain layer, W_c is read in
//! [groups](Readers), as that of a depthwise layer is: rows of W_b come in the order of the outputs
//! then.
//!
//! Invariants, checked by [`prove`], which reads the ROMs back:
//! - formats, groups and lanes are those of the layer and of how it is cut;
//! - the ROM of W_b, in the order in which `strassenc_reader` yields the words of a window, holds
//!   every live row once, and otherwise zeros; so does that of W_c for the products, group
//!   by group;
//! - `coefficient · 2^-shift` of every product is `a_i · 2^-t_i`; a padded row has the coefficient
//!   0; where shifts and additions multiply, the digits of every coefficient add up to it;
//! - every requantiser's constant and shift are those of its output;
//! - without W_c, output c is product c; each block's positions are those of its filters' width,
//!   and no coefficient is negative;
//! - where parameters are loaded, the memories of coefficients and outputs have bits for all that
//!   can be;
//! - every register holds every value it takes: sums modulo 2^bits, what is compared, multiplied,
//!   rounded or saturated in full.

mod build;
mod digits;
mod evaluate;
mod prove;
mod readers;
mod text;

pub use build::{blank, build, digits, padded_rows};
pub use digits::Digits;
pub use evaluate::evaluate;
pub use prove::prove;
pub use readers::Readers;

use serde::{Deserialize, Serialize};
use strassenc_runtime::Format;

/// How a layer is cut into clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folding {
    /// Rows of W_b that are summed at a time; divides the filters of each width of a char-CNN.
    pub pe: usize,
    /// Elements of a window that enter at a time; divides the channels of a group, or the elements
    /// of a character.
    pub simd: usize,
    /// Multipliers, of whatever they are made; divides `pe`.
    pub multipliers: usize,
    /// Rows of W_c that are summed at a time; divides the output channels, of a depthwise layer
    /// those of a group. 1 where there is no W_c.
    pub wc_pe: usize,
    /// Products that enter W_c at a time; divides the rows of W_b, made up to a multiple of `pe` in
    /// each group, of a depthwise layer those of a group. 1 where there is no W_c.
    pub wc_simd: usize,
}

/// A layer on the folded engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// The layer's name.
    pub name: String,
    /// How it is cut.
    pub folding: Folding,
    /// The format of every element that enters.
    pub input: Format,
    /// The format of every element that leaves.
    pub output: Format,
    /// Groups in which the words of a window are read.
    pub groups: usize,
    /// The array of W_b.
    pub wb: Array,
    /// The multipliers of the products.
    pub bank: Bank,
    /// W_c; none in a char-CNN, whose outputs are its products.
    pub wc: Option<Array>,
    /// How a char-CNN reads a word; none in other layers.
    pub positions: Option<Positions>,
    /// What becomes of y.
    pub requantiser: Requantiser,
    /// The live row that each padded row stands for; of a char-CNN, that of each filter.
    pub rows: Vec<Option<usize>>,
}

/// The order in which a char-CNN reads a word: for each step, each of its blocks, each position,
/// the characters of a window.
///
/// A step is one width. Wide filters stand at fewer positions, and read the last one again, which
/// changes no maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Characters of a word.
    pub characters: usize,
    /// Words of the stream that make a character.
    pub words: usize,
    /// Positions of the narrowest filters.
    pub count: usize,
    /// One for each width that has filters.
    pub steps: Vec<FilterStep>,
}

/// Filters of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterStep {
    /// Blocks of filters.
    pub blocks: usize,
    /// Characters of a window.
    pub taps: usize,
    /// The last position of these filters in a word.
    pub last: usize,
}

/// `rows` sums at a time over `sums` words of `lanes` elements each, with a ROM of ternary weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Rows that are summed at a time.
    pub rows: usize,
    /// Elements that enter at a time.
    pub lanes: usize,
    /// Words that make one result; in a char-CNN, those of each character of its window.
    pub sums: usize,
    /// Bits of a result, two's complement.
    pub bits: u32,
    /// `[depth, rows, lanes]`, entries in {-1, 0, 1}, in the order in which they are read.
    pub weights: Vec<i8>,
}

/// Time-shared multipliers: `round(coefficient · u · 2^-shift)`, half up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank {
    /// Multipliers that work at a time.
    pub lanes: usize,
    /// The right shift of all rows: what a row is shifted less by is in its coefficient.
    pub shift: u32,
    /// Bits of a coefficient, two's complement.
    pub coefficient_bits: u32,
    /// Bits of a product, two's complement.
    pub product_bits: u32,
    /// One per padded row.
    pub coefficients: Vec<i64>,
    /// The same coefficients, where shifts and additions multiply: these lie in the ROM then. None
    /// until [`multipliers::choose`](crate::multipliers::choose()).
    pub digits: Option<Digits>,
}

/// `saturate(floor((y · 2^left + constant) · 2^-(base + amount)))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requantiser {
    /// Outputs at a time.
    pub lanes: usize,
    /// Left shift of y.
    pub left: u32,
    /// Right shift that all outputs share.
    pub base: u32,
    /// Bits of an amount, at least 0.
    pub amount_bits: u32,
    /// Bits of a constant, two's complement.
    pub constant_bits: u32,
    /// Bits of a sum, two's complement.
    pub sum_bits: u32,
    /// Amount and constant of each output.
    pub entries: Vec<(u32, i64)>,
}

impl Array {
    /// Words of the ROM.
    pub fn depth(&self) -> usize {
        self.weights.len() / (self.rows * self.lanes)
    }

    /// Results of one evaluation, but in a char-CNN.
    pub fn results(&self) -> usize {
        self.depth() / self.sums
    }

    /// The weights of each result, but in a char-CNN.
    fn blocks(&self) -> impl Iterator<Item = &[i8]> {
        self.weights.chunks(self.rows * self.lanes * self.sums)
    }

    /// Bits of the ROM, two for each weight.
    pub fn rom_bits(&self) -> u64 {
        2 * self.weights.len() as u64
    }
}

impl Positions {
    /// Blocks of filters; `usize::MAX` where they are that many or more.
    pub fn blocks(&self) -> usize {
        self.steps.iter().fold(0, |all, step| all.saturating_add(step.blocks))
    }

    /// Words of the stream in which a word is read; `usize::MAX` where they are that many or more.
    pub fn reads(&self) -> usize {
        let taps = |step: &FilterStep| step.blocks.saturating_mul(step.taps);
        let taps = self.steps.iter().map(taps).fold(0, usize::saturating_add);
        [self.count, self.words].into_iter().fold(taps, usize::saturating_mul)
    }

    /// Results in a row of so many words each: a step's at all positions.
    pub fn ends(&self) -> Vec<(usize, usize)> {
        let of = |step: &FilterStep| (step.blocks * self.count, step.taps * self.words);
        self.steps.iter().map(of).collect()
    }

    /// The step of each block.
    fn step_of_each(&self) -> impl Iterator<Item = FilterStep> {
        self.steps.iter().flat_map(|step| std::iter::repeat_n(*step, step.blocks))
    }
}

impl Bank {
    /// Bits of a row in ROM: a coefficient or its digits.
    pub fn entry_bits(&self) -> u32 {
        self.digits.as_ref().map_or(self.coefficient_bits, Digits::entry_bits)
    }

    /// What each padded row is multiplied by, as the ROM has it.
    fn factors(&self) -> Vec<i128> {
        match &self.digits {
            Some(digits) => digits.values().collect(),
            None => self.coefficients.iter().map(|a| i128::from(*a)).collect(),
        }
    }
}

impl Folded {
    /// Rows of W_b, made up to whole words.
    pub fn padded_rows(&self) -> usize {
        self.rows.len()
    }

    /// Groups of W_c, in each of which a result reads the products of its own group.
    pub fn output_groups(&self) -> usize {
        self.wc.as_ref().map_or(1, |wc| self.padded_rows() / (wc.sums * wc.lanes))
    }

    /// Clocks between two windows, or two words: the most that any of its parts takes.
    pub fn interval(&self) -> usize {
        let reads = self.positions.as_ref().map_or(self.wb.depth(), Positions::reads);
        // tanh takes a clock an output.
        let last = self.wc.as_ref().map_or(self.padded_rows(), Array::depth);
        reads.max(self.padded_rows() / self.bank.lanes).max(last)
    }

    /// Bits of what is requantised: a sum of W_c, or a product.
    pub fn output_bits(&self) -> u32 {
        self.wc.as_ref().map_or(self.bank.product_bits, |wc| wc.bits)
    }

    /// Bits of all ROMs.
    pub fn rom_bits(&self) -> u64 {
        let Requantiser { amount_bits, constant_bits, entries, .. } = &self.requantiser;
        self.wb.rom_bits()
            + self.wc.as_ref().map_or(0, Array::rom_bits)
            + self.bank.coefficients.len() as u64 * u64::from(self.bank.entry_bits())
            + entries.len() as u64 * u64::from(amount_bits + constant_bits)
    }
}
