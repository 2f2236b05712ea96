//! Which multipliers are hardware, and which are built from shifts and additions: row by row of an
//! unrolled layer, all of a folded one.
//!
//! Unrolled, each coefficient is a graph of its own, `|a_i| · u_i`, proved like any other; sign and
//! rounding are one addition of a constant, as they are behind a hardware multiplier. Folded, a
//! lane serves many coefficients and adds as many shifted copies of its operand as the richest of
//! them has signed digits ([`Digits`]). The rows compute the same integers either way, and
//! count as multiplications either way; they take as many clocks, but for powers of two that
//! nothing rounds, which are wires and take none.
//!
//! Sharing W_c·diag(a) as one matrix would be exact only where no product is rounded (every shift
//! t_i ≤ 0), since the semantics round each product before W_c adds them up. Networks that quantise
//! to `coef_bits` have t_i > 0, so that is never done.

use crate::adder_graph::{self, AdderGraph, Matrix, Node};
use crate::circuit::Op;
use crate::compile::Unrolled;
use crate::folded::{Digits, Folded};
use crate::interval::Interval;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strassenc_runtime::{Error, Result};

/// What the rows of the multiplier arrays are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Multipliers {
    /// Each a hardware multiplier with its coefficient in a register.
    #[default]
    Dsp,
    /// Each shifts and additions.
    ShiftAdd,
    /// Shifts and additions where they are cheapest: beyond the budget of hardware multipliers, or,
    /// without one, where a coefficient takes at most one addition; those of a folded layer all or
    /// none.
    Auto,
}

impl fmt::Display for Multipliers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Multipliers::Dsp => "dsp",
            Multipliers::ShiftAdd => "shift-add",
            Multipliers::Auto => "auto",
        })
    }
}

impl Multipliers {
    /// Whether what has at most so many signed digits, each a shift, is built from them, where no
    /// budget says more.
    pub fn builds(self, digits: usize) -> bool {
        match self {
            Multipliers::Dsp => false,
            Multipliers::ShiftAdd => true,
            Multipliers::Auto => digits <= 2,
        }
    }
}

/// A row built from shifts and additions: `(-1)^negate · 2^shift · node` of a graph with one input,
/// the operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftAdd {
    /// Computes the coefficient's magnitude times the operand.
    pub graph: AdderGraph,
    /// The multiple of the operand that each node of the graph is.
    pub multiples: Vec<i64>,
    /// Whether the coefficient is negative.
    pub negate: bool,
}

impl ShiftAdd {
    /// The multiplier of a coefficient; none where it is 0 or has more than 31 bits and a sign.
    ///
    /// # Errors
    /// Where the graph is not that of the coefficient: a bug of ours.
    fn new(coefficient: i64) -> Result<Option<Self>> {
        let Some(magnitude) = i32::try_from(coefficient.unsigned_abs()).ok().filter(|&m| m != 0)
        else {
            return Ok(None);
        };
        let matrix = Matrix::from_elem((1, 1), magnitude);
        let graph = adder_graph::share(&matrix, &adder_graph::Options::default()).graph;
        adder_graph::prove(&graph, &matrix)?;
        let mut multiples: Vec<i64> = vec![];
        for node in &graph.nodes {
            let term = |t: &adder_graph::Term| {
                let v = multiples[t.node.index()] << t.shift;
                if t.negate { -v } else { v }
            };
            let sum = node.terms().iter().map(term).sum();
            multiples.push(if matches!(node, Node::Input(_)) { 1 } else { sum });
        }
        Ok(Some(ShiftAdd { graph, multiples, negate: coefficient < 0 }))
    }
}

impl ShiftAdd {
    /// Bits of its additions, each as wide as its result, for an operand within `x`.
    pub fn bits(&self, x: Interval) -> u64 {
        self.multiples.iter().skip(1).map(|&m| u64::from(x.times(Interval::point(m)).bits())).sum()
    }
}

/// Additions one after the other in the multiplier that is built for a coefficient; none for 0.
///
/// # Errors
/// As [`ShiftAdd::new`].
pub(crate) fn depth(coefficient: i64) -> Result<u32> {
    Ok(ShiftAdd::new(coefficient)?.map_or(0, |made| made.graph.depth()))
}

/// What can be built from shifts and additions.
enum Soft {
    /// A row of an unrolled layer.
    Row { layer: usize, row: u32, made: ShiftAdd },
    /// All multipliers of a folded layer.
    Bank { layer: usize, digits: Digits },
}

/// A multiplier that may be built from shifts and additions, with what it takes.
struct Candidate {
    /// LUTs for each multiplier that it saves.
    luts: u64,
    /// Multipliers that it saves.
    saves: usize,
    /// Signed digits, or the fewest that an adder graph is as good as.
    digits: usize,
    soft: Soft,
}

/// Chooses for every row of the unrolled layers and for every folded one: fills
/// [`Unrolled::shift_add`] and [`Bank::digits`]. `others` multiply data by data, and stay in
/// hardware as two-operand products do. `budget` is the most hardware multipliers of the network.
///
/// # Errors
/// Where the budget is less than what must be hardware multipliers.
///
/// [`Bank::digits`]: crate::folded::Bank::digits
pub fn choose(
    mut unrolled: Vec<&mut Unrolled>,
    mut folded: Vec<&mut Folded>,
    others: usize,
    multipliers: Multipliers,
    budget: Option<usize>,
) -> Result<()> {
    let mut hardware = others;
    let mut candidates: Vec<Candidate> = vec![];
    let mut made: BTreeMap<i64, Option<ShiftAdd>> = BTreeMap::new();
    for (number, layer) in unrolled.iter_mut().enumerate() {
        layer.shift_add.clear();
        for node in &layer.circuit.nodes {
            hardware += usize::from(node.op.is_multiplier());
            let Op::Multiply { x, coefficient, row, .. } = node.op else { continue };
            if multipliers == Multipliers::Dsp {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = made.entry(coefficient) {
                entry.insert(ShiftAdd::new(coefficient)?);
            }
            if let Some(Some(made)) = made.get(&coefficient) {
                candidates.push(Candidate {
                    luts: made.bits(layer.circuit.node(x).interval),
                    saves: 1,
                    digits: made.graph.adders() + 1,
                    soft: Soft::Row { layer: number, row, made: made.clone() },
                });
            }
        }
    }
    for (number, layer) in folded.iter_mut().enumerate() {
        let bank = &mut layer.bank;
        bank.digits = None;
        hardware += bank.lanes;
        let digits = Digits::of(&bank.coefficients);
        candidates.push(Candidate {
            luts: digits.lane_luts(layer.wb.bits.into(), (bank.product_bits + bank.shift).into()),
            saves: bank.lanes,
            digits: digits.terms,
            soft: Soft::Bank { layer: number, digits },
        });
    }
    // The cheapest first.
    candidates.sort_by_key(|candidate| match &candidate.soft {
        Soft::Row { layer, row, .. } => (candidate.luts, 0, *layer, *row),
        Soft::Bank { layer, .. } => (candidate.luts, 1, *layer, 0),
    });
    for Candidate { saves, digits, soft, .. } in candidates {
        let builds = match (multipliers, budget) {
            (Multipliers::Auto, Some(budget)) => hardware > budget,
            _ => multipliers.builds(digits),
        };
        if !builds {
            continue;
        }
        hardware -= saves;
        match soft {
            Soft::Row { layer, row, made } => drop(unrolled[layer].shift_add.insert(row, made)),
            Soft::Bank { layer, digits } => folded[layer].bank.digits = Some(digits),
        }
    }
    if let Some(budget) = budget.filter(|&budget| hardware > budget) {
        let cause =
            format_args!("{hardware} hardware multipliers are needed, the budget is {budget}");
        let help = match multipliers {
            Multipliers::Dsp => "`--multipliers auto` builds the others from shifts and additions",
            _ => {
                "products of two operands, and of coefficients beyond 31 bits, are always hardware \
                 multipliers"
            }
        };
        return Err(Error::input("--dsp-budget", cause).help(help));
    }
    Ok(())
}
