//! How long logic takes on a device: the delay model of the schedule.

use super::{Device, Family};

/// Delays in picoseconds. A path between two registers takes
///
/// ```text
/// register + Σ sum + Σ third + bit · (the widest carry chain on it)
/// ```
///
/// since a bit of a later sum waits for that bit of the earlier one alone. Each of `sum` and
/// `third` has the way to it through the fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// From the clock to a register's output, and the setup of another.
    pub register: u32,
    /// A sum of two operands, a constant's or a clamp: to it, onto its carry chain and off it.
    pub sum: u32,
    /// A third operand.
    pub third: u32,
    /// A bit of a carry chain.
    pub bit: u32,
    /// From a result to the memory behind a pipeline, or out of the one before it, beyond what a
    /// register takes.
    pub memory: u32,
    /// From the clock to the output of a block RAM, and the setup of a register.
    pub block: u32,
    /// A multiplier without registers of its own: to it and through it.
    pub product: u32,
    /// The longest path within a multiplier that has an operand register and a product register.
    pub pipelined_product: u32,
}

impl Delays {
    /// The model in which a path takes one for each addition.
    pub(crate) const ADDITIONS: Delays = Delays {
        register: 0,
        sum: 1,
        third: 0,
        bit: 0,
        memory: 0,
        block: 0,
        product: 0,
        pipelined_product: 0,
    };
}

impl Device {
    /// The delays of the part, or of the family's usual speed grade.
    ///
    /// Those of iCE40, ECP5 and Gowin are fitted to nextpnr by `benches/delays.py`: to chains of
    /// sums by themselves, a tenth added for UP5K; the registers and sums of HX8K and ECP5 to the
    /// slowest of the thousands of paths of whole kernels, whose ways are longer. Their
    /// multipliers, but for ECP5's, and all memories are guesses; block RAMs are those of nextpnr's
    /// databases and of data sheets. Those of 7 series follow Yosys's
    /// models of its cells (speed grade -1), with 600 ps for a way, those of UltraScale+ are half
    /// as long. Those of MAX 10 and Agilex follow Yosys's models of Cyclone V, made longer by a
    /// quarter and shorter by half. None of these four was measured.
    pub fn delays(self) -> Delays {
        let delays =
            |[register, sum, third, bit, memory, block, product, pipelined_product]: [u32; 8]| {
                Delays { register, sum, third, bit, memory, block, product, pipelined_product }
            };
        delays(match (self.family, self.name) {
            (Family::Xc7, _) => [350, 1_820, 1_000, 29, 700, 2_600, 4_400, 1_800],
            (Family::Xcup, _) => [180, 910, 500, 15, 350, 1_300, 2_200, 900],
            (Family::Ecp5, _) => [700, 2_850, 1_900, 56, 1_300, 6_300, 7_800, 7_800],
            (Family::Ice40, "hx8k") => [700, 2_850, 2_300, 130, 1_000, 2_700, 15_000, 15_000],
            (Family::Ice40, _) => [5_600, 4_000, 3_880, 496, 2_000, 11_000, 15_000, 15_000],
            (Family::Gowin, _) => [1_300, 1_580, 1_370, 42, 1_000, 3_500, 6_000, 6_000],
            (Family::Max10, _) => [900, 2_600, 2_600, 45, 1_000, 3_500, 5_500, 3_500],
            (Family::Agilex, _) => [370, 1_000, 1_000, 18, 500, 1_200, 2_500, 1_500],
        })
    }
}
