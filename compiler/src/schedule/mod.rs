//! The schedule of circuits: which pipeline stage each node computes in. Data of its own, beside
//! the circuits.
//!
//! Kernels with nothing between them that stores or reorders are one *segment*: one free-running
//! pipeline, without an enable, whose registers are placed across its layers.
//!
//! Semantics: a segment's inputs arrive in stage 0. A node scheduled in stage s computes,
//! combinationally, between the registers of boundary s and those of boundary s + 1; its value is
//! available within stage s to nodes of the same stage and, delayed by t - s registers, to nodes of
//! any later stage t. A multiplier scheduled in stage s reads its operand there and its (rounded)
//! product is available in stage s + `multiplier_latency`, from a register of its own. An output
//! leaves its layer in a stage of its own, without a register; the next layer reads it there.
//! Those of the last layer leave together, in the last stage; what takes them is the register of
//! the boundary behind it, so that the segment's latency is its number of stages. Clock by clock,
//! a layer is [`Simulator`].
//!
//! Invariants, checked by [`verify`] and [`verify_segment`]:
//! - inputs are available where the layer before hands them over, in stage 0 those of the first;
//!   constants are available in stage 0, need no registers, and no node waits for them;
//! - a node is available no earlier than its operands, a multiplier `multiplier_latency` stages
//!   after its operand's reading;
//! - no path between registers is longer than [`Limit`] says, through whichever layers;
//! - outputs are available where they leave, and those of the last layer leave in one stage.

mod closure;
mod digits;
mod optimise;
mod path;
mod segment;
mod simulate;
mod text;
mod verify;

pub use digits::{are_digits_too_slow, digits_fit};
pub use optimise::{earliest, schedule};
pub use path::{is_sum_too_slow, is_too_slow, stages};
pub use segment::{Source, segment};
pub use simulate::{Simulator, simulate};
pub use verify::{verify, verify_segment};

use crate::circuit::{Circuit, NodeId, Op};
use crate::device::{Device, Family};
use std::ops::RangeInclusive;
use strassenc_runtime::{Error, Result};

/// A stage of one pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(pub u32);

/// The schedule of one [`Circuit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// One per node: the stage in which the node's value is first available (for a multiplier: the
    /// stage in which its operand is read, plus `multiplier_latency`).
    pub available: Vec<Stage>,
    /// One per output: the stage in which it leaves the layer.
    pub leaves: Vec<Stage>,
    /// Clocks from a multiplier's operand to its rounded product, 1..=4.
    pub multiplier_latency: u32,
}

/// What [`Limit::Adders`] may be.
pub const ADDERS_PER_STAGE: RangeInclusive<u32> = 1..=1024;
/// What [`Options::multiplier_latency`] may be.
pub const MULTIPLIER_LATENCY: RangeInclusive<u32> = 1..=4;

/// What decides a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most that may lie between two registers.
    pub limit: Limit,
    /// Clocks from a multiplier's operand to its rounded product.
    pub multiplier_latency: u32,
}

/// The most that may lie on a combinational path between registers. A multiplier's registers are
/// its own, so that its operand may come at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many additions: constant ones and clamps count as one, wires as none.
    Adders(u32),
    /// What a clock leaves time for, by the device's [`Delays`](crate::device::Delays).
    Clock {
        /// Where the core is to run.
        device: Device,
        /// The clock's period in picoseconds.
        period_ps: u32,
    },
}

impl Limit {
    /// Whether the device's carry chains subtract as easily as they add; where none is given, yes.
    pub fn chains_invert(self) -> bool {
        !matches!(self, Limit::Clock { device, .. } if device.family == Family::Ice40)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options { limit: Limit::Adders(1), multiplier_latency: 3 }
    }
}

impl Options {
    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// Where one is out of range.
    pub fn validate(&self) -> Result<()> {
        if let Limit::Adders(most) = self.limit
            && !ADDERS_PER_STAGE.contains(&most)
        {
            let cause = format!("{most} is not within {ADDERS_PER_STAGE:?}");
            return Err(Error::input("adders per stage", cause));
        }
        if !MULTIPLIER_LATENCY.contains(&self.multiplier_latency) {
            let cause = format!("{} is not within {MULTIPLIER_LATENCY:?}", self.multiplier_latency);
            return Err(Error::input("multiplier latency", cause));
        }
        Ok(())
    }
}

impl Pipeline {
    /// The stages of the segment up to that in which the last output leaves. Of a segment's last
    /// layer it is the segment's latency in clocks.
    pub fn stages(&self) -> u32 {
        1 + self.leaves.iter().map(|stage| stage.0).max().unwrap_or(0)
    }

    /// The first stage in which an input arrives.
    pub fn first(&self, circuit: &Circuit) -> u32 {
        circuit.inputs.iter().map(|&id| self.available(id)).min().unwrap_or(0)
    }

    /// How many stages the layer is part of; a stage may be part of two layers.
    pub fn latency(&self, circuit: &Circuit) -> u32 {
        // Of constants alone it is part of none.
        self.stages().saturating_sub(self.first(circuit))
    }

    /// The stage in which the node's value is first available.
    pub fn available(&self, node: NodeId) -> u32 {
        self.available[node.index()].0
    }

    /// The stage in which the node reads its operands: before `available` for a multiplier, the
    /// same for all others.
    pub fn reads(&self, circuit: &Circuit, node: NodeId) -> u32 {
        self.available(node) - latency(&circuit.node(node).op, self.multiplier_latency)
    }

    /// Each node's delay line, which all its readers share: the widths in bits of its registers at
    /// the boundaries `available + 1`, `available + 2` and so on, up to the last stage that reads
    /// it or in which it leaves. A register is as wide as what is read from it or behind it.
    /// Constants need none, whatever reads them.
    pub fn delay_lines(&self, circuit: &Circuit) -> Vec<Vec<u32>> {
        let mut lines: Vec<Vec<u32>> = vec![vec![]; circuit.nodes.len()];
        let mut read = |id: NodeId, stage: u32, bits: Option<u32>| {
            let node = circuit.node(id);
            if matches!(node.op, Op::Constant(_)) {
                return;
            }
            let bits = bits.map_or(node.width, |bits| bits.min(node.width));
            let (line, length) = (&mut lines[id.index()], (stage - self.available(id)) as usize);
            line.resize(length.max(line.len()), 0);
            for register in &mut line[..length] {
                *register = bits.max(*register);
            }
        };
        for (id, node) in circuit.iter() {
            for operand in node.op.operands() {
                read(operand, self.reads(circuit, id), node.op.needed_bits(operand, node.width));
            }
        }
        for (&output, leaves) in circuit.outputs.iter().zip(&self.leaves) {
            read(output, leaves.0, None);
        }
        // An addition whose result is cut may need nothing of an operand.
        for line in &mut lines {
            while line.last() == Some(&0) {
                line.pop();
            }
        }
        lines
    }

    /// Bits of all delay lines. The registers within multipliers are not counted: they belong to
    /// DSP blocks.
    pub fn register_bits(&self, circuit: &Circuit) -> u64 {
        self.delay_lines(circuit).iter().flatten().map(|&bits| u64::from(bits)).sum()
    }
}

/// Stages from reading the operands to the result.
fn latency(op: &Op, multiplier_latency: u32) -> u32 {
    if op.is_multiplier() { multiplier_latency } else { 0 }
}

/// Additions that the node puts on a path.
pub(crate) fn additions(op: &Op) -> u32 {
    match op {
        Op::Add(_) | Op::Shift { .. } | Op::Clamp { .. } => 1,
        Op::Offset { .. } if !op.is_wires() => 1,
        Op::Offset { .. }
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Product { .. } => 0,
    }
}
