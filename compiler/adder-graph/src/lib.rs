//! Adder graphs: a constant matrix of small integers as few additions, and the proof of it.
//!
//! Multiplying a vector by a constant matrix takes only additions, subtractions and shifts, and
//! rows have partial sums in common. [`share`] looks for a graph with few additions, few result
//! bits or little depth, which is what such a product costs in an FPGA; [`prove`] shows, for every
//! integer input, that a graph computes its matrix, and shares no code with the search.
//!
//! ```
//! use strassenc_adder_graph::{Matrix, Operands, Options, naive_adders, prove, share};
//!
//! let matrix = ndarray::arr2(&[[1, 1, 1, 0], [1, 1, 0, -1], [0, 2, 1, 1]]);
//! let found = share(&matrix, &Options::default());
//! prove(&found.graph, &matrix)?;
//! assert!(found.graph.adders() < naive_adders(&matrix, Operands::Two));
//! # Ok::<(), strassenc_adder_graph::Refusal>(())
//! ```
//!
//! Where a device adds three operands in one carry chain, [`Options::operands`] says so, and the
//! search pays for such adders.
//!
//! Against the matrix it comes from, a graph fixes in which order terms are added and which partial
//! sums are shared. It knows nothing of clocks nor of multipliers.
//!
//! These invariants hold, and [`prove`](prove()) checks them:
//! - nodes are in topological order: an addition reads only nodes with a smaller id;
//! - the first `inputs` nodes are the inputs, one per column of the matrix, and no others are;
//! - output c computes row c of the matrix exactly.

mod greedy;
pub mod interval;
mod network;
mod occurrences;
mod pair_index;
mod prove;
mod rng;
mod search;
mod share;
mod sharing;
mod sums;
mod terms;
mod text;
mod tree;
mod trial;
mod widths;

pub use prove::{Refusal, prove};
pub use sums::each_digit;
pub use terms::Terms;

pub use share::{
    Cost, Effort, Operands, Options, Solution, Watch, minimum_depth, share, share_until,
    share_watched,
};

use crate::interval::Interval;
use ndarray::Array2;

/// A matrix of small integers, `[n_out, n_in]`: row c holds the coefficients of output c. Ternary
/// is the common case.
pub type Matrix = Array2<i32>;

/// A node of one [`AdderGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in [`AdderGraph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// `(-1)^negate · node · 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// The node that is read.
    pub node: NodeId,
    /// Left shift in bits; 0 throughout in graphs of ternary matrices.
    pub shift: u32,
    /// Whether the term is subtracted.
    pub negate: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Input number `0`, a column of the matrix.
    Input(u32),
    /// An addition; at least one term is not negated where the optimiser can arrange it.
    Add(Terms),
}

impl Node {
    /// The terms of an addition; none of an input.
    pub fn terms(&self) -> &[Term] {
        match self {
            Node::Input(_) => &[],
            Node::Add(terms) => terms,
        }
    }
}

/// A linear circuit; `outputs[c]` is row c of the matrix, `None` where that row is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdderGraph {
    /// Inputs first, then additions, in topological order.
    pub nodes: Vec<Node>,
    /// Number of inputs, the columns of the matrix (unused ones included).
    pub inputs: usize,
    /// One per row of the matrix.
    pub outputs: Vec<Option<Term>>,
}

impl AdderGraph {
    /// Number of additions, of two operands or three.
    pub fn adders(&self) -> usize {
        self.nodes.len() - self.inputs
    }

    /// What the largest of its additions takes.
    pub fn operands(&self) -> Operands {
        let three = self.nodes.iter().any(|node| matches!(node, Node::Add(Terms::Three(_))));
        if three { Operands::Three } else { Operands::Two }
    }

    /// Additions on the longest path from an input to each node.
    pub fn depths(&self) -> Vec<u32> {
        let mut depths = vec![0u32; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            let deepest = node.terms().iter().map(|t| depths[t.node.index()]).max();
            depths[i] = deepest.map_or(0, |depth| 1 + depth);
        }
        depths
    }

    /// Additions on the longest path from an input to an output.
    pub fn depth(&self) -> u32 {
        let depths = self.depths();
        self.outputs.iter().flatten().map(|t| depths[t.node.index()]).max().unwrap_or(0)
    }
}

impl AdderGraph {
    /// The interval of each node by interval arithmetic, for inputs `[inputs]` within theirs: what
    /// its adder has to hold. Exact where no node's terms have inputs in common, as in graphs of
    /// ternary matrices.
    pub fn intervals(&self, inputs: &[Interval]) -> Vec<Interval> {
        let mut intervals: Vec<Interval> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let term = |t: &Term| intervals[t.node.index()].scale(t.negate, t.shift);
            intervals.push(match node {
                Node::Input(i) => inputs[*i as usize],
                Node::Add(terms) => terms.iter().map(term).fold(Interval::point(0), |a, b| a + b),
            });
        }
        intervals
    }

    /// Bits of all additions, each as wide as its result, for inputs `[inputs]` within their
    /// intervals: about the LUTs that they take in an FPGA.
    pub fn lut_bits(&self, inputs: &[Interval]) -> u64 {
        self.intervals(inputs)[self.inputs..].iter().map(|i| u64::from(i.bits())).sum()
    }
}

/// Adders without any sharing: the sum over all rows of what the nonzero signed digits of a row
/// take, in canonical signed-digit form.
pub fn naive_adders(matrix: &Matrix, operands: Operands) -> usize {
    let digits = |row: ndarray::ArrayView1<i32>| row.iter().map(|&v| signed_digits(v)).sum();
    matrix.rows().into_iter().map(|row| operands.adders(digits(row))).sum()
}

/// Number of nonzero digits of the canonical signed-digit form of `v`.
pub fn signed_digits(v: i32) -> usize {
    let v = i64::from(v).unsigned_abs();
    ((v ^ (3 * v)) >> 1).count_ones() as usize
}
