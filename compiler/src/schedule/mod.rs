//! The schedule of one circuit: which pipeline stage each node computes in. Data of its own, beside the circuit.
//!
//! Semantics: the layer's inputs arrive in stage 0. A node scheduled in stage s computes, combinationally, between the
//! registers of boundary s and those of boundary s + 1; its value is available within stage s to nodes of the same stage and,
//! delayed by t - s registers, to nodes of any later stage t. A multiplier scheduled in stage s reads its operand there and
//! its (rounded) product is available in stage s + `multiplier_latency`, from a register of its own. The outputs are
//! available, registered, at boundary `stages`: the layer's latency is `stages` clocks.

/// A stage of one pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(pub u32);

/// The schedule of one [`Circuit`](crate::circuit::Circuit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// One per node: the stage in which the node's value is first available (for a multiplier: the stage in which its
    /// operand is read, plus `multiplier_latency`).
    pub available: Vec<Stage>,
    /// Number of stages = latency of the layer in clocks.
    pub stages: u32,
    /// Clocks from a multiplier's operand to its rounded product, 1..=4.
    pub multiplier_latency: u32,
}

/// The delay model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Two-operand additions (clamps count as one) on a combinational path between registers, at least 1.
    pub adders_per_stage: u32,
    /// Clocks from a multiplier's operand to its rounded product, 1..=4.
    pub multiplier_latency: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { adders_per_stage: 1, multiplier_latency: 3 }
    }
}
