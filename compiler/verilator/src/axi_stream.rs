//! A bench in C++ for designs with AXI4-Stream inputs and outputs: beats in, beats out.
//!
//! The design has the clock `aclk`, the reset `aresetn`, and the streams `s_axis` and `m_axis`; see
//! [`PORTS`] for those of its ports that must be there. It may have more inputs, such as
//! `s_axis_age`, each driven as if it were alone, and more outputs, such as `m_axis_mask`.
//! `aclken`, `tkeep`, `tlast` and `tuser` of every stream are driven and heard where the design has
//! them, and so are `frame_error` and `frame_error_clear`, with which a design tells of a `tlast`
//! out of its place.

use crate::port::{Direction, Port};

pub use crate::foreign::Bench;

/// The ports that a design in a bench must have.
pub const PORTS: [&str; 8] = [
    "aclk",
    "aresetn",
    "s_axis_tvalid",
    "s_axis_tready",
    "s_axis_tdata",
    "m_axis_tvalid",
    "m_axis_tready",
    "m_axis_tdata",
];

/// The ports that a design in a bench may have; `frame_error` comes with `frame_error_clear`.
pub(crate) const OPTIONAL: [&str; 2] = ["aclken", "frame_error"];

/// What the ports of each input of a design begin with, in the order of the alphabet.
pub(crate) fn inputs(ports: &[Port]) -> Vec<&str> {
    streams(ports, Direction::Input, Direction::Output)
}

/// Those of each output.
pub(crate) fn outputs(ports: &[Port]) -> Vec<&str> {
    streams(ports, Direction::Output, Direction::Input)
}

/// The streams whose data have one direction, and what is ready for them the other.
fn streams(ports: &[Port], forward: Direction, backward: Direction) -> Vec<&str> {
    let is = |name: &str, signal: &str, direction| {
        let has = |port: &Port| {
            port.direction == direction && port.name.strip_prefix(name) == Some(signal)
        };
        ports.iter().any(has)
    };
    let mut streams: Vec<&str> =
        ports.iter().filter_map(|port| port.name.strip_suffix("_tvalid")).collect();
    streams.retain(|name| {
        is(name, "_tvalid", forward) && is(name, "_tdata", forward) && is(name, "_tready", backward)
    });
    streams.sort_unstable();
    streams
}

/// Beats to drive into a design.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stimulus {
    /// What is offered to each input.
    pub inputs: Vec<Given>,
    /// Beats that are waited for, of each output.
    pub expected: Vec<usize>,
    /// Clocks to go on listening after the last of them.
    pub linger: u64,
    /// Clocks without any beat passing until the design counts as stuck.
    pub patience: u64,
    /// Decides gaps, stalls and pauses.
    pub seed: u64,
    /// Withholds `tvalid` of each input at random, of one like of no other.
    pub gaps: bool,
    /// Withholds `tready` of each output at random, of one like of no other.
    pub stalls: bool,
    /// Withholds `aclken` at random, where the design has it.
    pub pauses: bool,
    /// Holds `frame_error_clear` high during the first clock.
    pub clear: bool,
}

/// The beats of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `tdata` of every beat, one after the other.
    pub data: Vec<u8>,
    /// One per beat: [`LAST`] and [`USER`].
    pub flags: Vec<u8>,
}

/// The bit of a beat's flags that is `tlast`.
pub const LAST: u8 = 1;
/// The bit of a beat's flags that is `tuser`.
pub const USER: u8 = 2;

/// What came of a [`Stimulus`]. Clocks are counted from the making of the bench.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// What went in, input by input.
    pub inputs: Vec<Accepted>,
    /// What came out, output by output.
    pub outputs: Vec<Beats>,
    /// The clock that comes next.
    pub clock: u64,
    /// The first clock with `frame_error` high, but for that of a clear.
    pub frame_error: Option<u64>,
    /// The first clock of the last reset, after its first one, with the `tready` of an input or the
    /// `tvalid` of an output high.
    pub open_in_reset: Option<u64>,
}

/// What became of the beats of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The clock at which each beat that passed did so.
    pub clocks: Vec<u64>,
    /// `tready` as last seen.
    pub ready: bool,
}

/// The beats of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beats {
    /// `tdata` of every beat, one after the other; one more than expected at most.
    pub data: Vec<u8>,
    /// One per beat: [`LAST`] and [`USER`].
    pub flags: Vec<u8>,
    /// One per beat: the bytes that `tkeep` keeps, which are the low ones; all of them where there
    /// is no `tkeep`, and [`u32::MAX`] where others are kept, too.
    pub kept: Vec<u32>,
    /// The clock at which each beat was first offered.
    pub shown: Vec<u64>,
    /// The clock at which each beat passed.
    pub taken: Vec<u64>,
    /// Beats that passed, also those beyond what the fields above hold.
    pub produced: u64,
    /// The first clock at which a beat that waited for `tready` changed or vanished.
    pub unstable: Option<u64>,
    /// `tvalid` as last seen.
    pub valid: bool,
}

/// How a piece of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More clocks are needed.
    Running,
    /// Everything was accepted and everything expected came out.
    Done,
    /// Nothing passed for as long as the patience lasted.
    Stuck,
}
