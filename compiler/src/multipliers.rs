//! Which multipliers are hardware, and which are built from shifts and additions: row by row of an
//! unrolled layer, all of a folded one.
//!
//! Unrolled, each product is sums of its own in the circuit, `a_i · u_i` and what rounds it, which
//! the schedule places like any other ([`ShiftAdd`]). Folded, a lane serves many coefficients and
//! adds as many shifted copies of its operand as the richest of them has signed digits
//! ([`Digits`]). The rows compute the same integers either way, and count as multiplications either
//! way.
//!
//! Sharing W_c·diag(a) as one matrix would be exact only where no product is rounded (every shift
//! t_i ≤ 0), since the semantics round each product before W_c adds them up. Networks that quantise
//! to `coef_bits` have t_i > 0, so that is never done.

use crate::adder_graph::{self, AdderGraph, Effort, Matrix, Operands, signed_digits};
use crate::engine;
use crate::folded::{Digits, Folded};
use crate::interval::{Interval, half};
use crate::ir::{Chain, OpKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use strassenc_runtime::error::count;
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
    /// Shifts and additions where hardware multipliers are too slow for the clock that is asked
    /// for, and where they are cheapest: beyond the budget of hardware multipliers, or, without
    /// one, where a coefficient takes at most one addition; those of a folded layer all or none.
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

/// A product `round(coefficient · x · 2^-shift)`, half up, as sums of shifted operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftAdd {
    /// One sum of x and, where the product is rounded, of [`constant`](Self::constant).
    pub graph: AdderGraph,
    /// What rounds.
    pub constant: Option<i64>,
    /// The product is the sum times 2^-shift, rounded down.
    pub shift: i32,
    /// Signed digits of the coefficient.
    pub digits: usize,
}

impl ShiftAdd {
    /// The sums of a product; none where the coefficient is 0 or has more than 31 bits and a sign.
    ///
    /// # Errors
    /// Where the graph is not that of the coefficient: a bug of ours.
    pub fn new(coefficient: i64, shift: i32, operands: Operands) -> Result<Option<Self>> {
        if coefficient == 0 {
            return Ok(None);
        }
        let zeros = coefficient.trailing_zeros();
        let (Ok(odd), shift) = (i32::try_from(coefficient >> zeros), shift - zeros as i32) else {
            return Ok(None);
        };
        let constant = Some(half(shift)).filter(|half| *half > 0);
        let mut row = vec![odd];
        row.extend(constant.map(|_| 1));
        let matrix = Matrix::from_shape_fn((1, row.len()), |(_, j)| row[j]);
        // Of a few digits there is little to search.
        let effort = Effort(u8::from(signed_digits(odd) > 3));
        let options = adder_graph::Options { operands, effort, ..Default::default() };
        let graph = adder_graph::share(&matrix, &options).graph;
        adder_graph::prove(&graph, &matrix)?;
        Ok(Some(ShiftAdd { graph, constant, shift, digits: signed_digits(odd) }))
    }

    /// The bits and the terms of each of its additions, each as wide as its result, for an operand
    /// within `x`.
    fn sums(&self, x: Interval) -> impl Iterator<Item = (u32, usize)> {
        let mut inputs = vec![x];
        inputs.extend(self.constant.map(Interval::point));
        let bits = self.graph.intervals(&inputs).into_iter().map(Interval::bits);
        let terms = self.graph.nodes.iter().map(|node| node.terms().len());
        bits.zip(terms).skip(inputs.len())
    }
}

/// The rows of an unrolled or a serial layer, whose products may be of either kind.
pub struct Rows<'a> {
    /// The layer.
    pub chain: &'a Chain,
    /// The adder graph of W_b: a row that is 0 has no multiplier.
    pub wb: &'a AdderGraph,
    /// The rows that are made of shifts and additions, in the numbers of the model.
    pub shift_add: &'a mut BTreeSet<u32>,
    /// The rows that a hardware multiplier serves: as many as a word has clocks.
    pub interval: u32,
}

/// What can be built from shifts and additions.
enum Soft {
    /// A row of an unrolled layer.
    Row { layer: usize, row: u32 },
    /// All multipliers of a folded layer.
    Bank { layer: usize, digits: Digits },
}

/// A multiplier that may be built from shifts and additions, with what it takes.
struct Candidate {
    /// LUTs for each multiplication that it saves.
    luts: u64,
    /// Multiplications that it saves.
    saves: usize,
    /// Signed digits.
    digits: usize,
    /// Whether a hardware multiplier is too slow for the clock.
    slow: bool,
    soft: Soft,
}

/// What decides what the multipliers of a network are made of.
pub struct Asked<'a> {
    /// What is asked for.
    pub multipliers: Multipliers,
    /// The adders of the sums.
    pub operands: Operands,
    /// Whether a hardware multiplier with such products is too slow for the clock.
    pub slow: &'a dyn Fn(Interval) -> bool,
    /// Whether a sum of so many bits and terms is too slow for the clock.
    pub slow_sum: &'a dyn Fn(u32, usize) -> bool,
    /// Multipliers of data by data, which stay in hardware as two-operand products do.
    pub others: usize,
    /// The most hardware multipliers.
    pub budget: Option<usize>,
}

/// Chooses for every row of the unrolled layers and for every folded one: fills
/// [`Rows::shift_add`] and [`Bank::digits`].
///
/// # Errors
/// Where the budget is less than what must be hardware multipliers.
///
/// [`Bank::digits`]: crate::folded::Bank::digits
pub fn choose(mut unrolled: Vec<Rows>, mut folded: Vec<&mut Folded>, asked: &Asked) -> Result<()> {
    let &Asked { multipliers, operands, slow, slow_sum, others, budget } = asked;
    // The multiplications of each wired layer, and the multipliers of all other ones.
    let mut rows: Vec<usize> = vec![0; unrolled.len()];
    let mut hardware = others;
    let intervals: Vec<usize> = unrolled.iter().map(|rows| rows.interval as usize).collect();
    let all = |rows: &[usize], hardware: usize| {
        let shared = rows.iter().zip(&intervals).map(|(rows, interval)| rows.div_ceil(*interval));
        hardware + shared.sum::<usize>()
    };
    let mut candidates: Vec<Candidate> = vec![];
    let mut made: BTreeMap<(i64, i32), Option<ShiftAdd>> = BTreeMap::new();
    for (layer, Rows { chain, wb, .. }) in unrolled.iter().enumerate() {
        for pair in chain.ops.windows(2) {
            let [before, op] = pair else { continue };
            let live = wb.outputs.iter().map(Option::is_some);
            let (coefficients, shifts) = match &op.kind {
                OpKind::Multiply { coefficients, shifts, .. } => (coefficients, shifts),
                OpKind::Product => {
                    hardware += live.take(op.result.len()).filter(|live| *live).count();
                    continue;
                }
                _ => continue,
            };
            for (i, _) in live.enumerate().filter(|(_, live)| *live) {
                rows[layer] += 1;
                if multipliers == Multipliers::Dsp {
                    continue;
                }
                let key = (coefficients[i], shifts[i]);
                if let Entry::Vacant(entry) = made.entry(key) {
                    entry.insert(ShiftAdd::new(key.0, key.1, operands)?);
                }
                if let Some(Some(made)) = made.get(&key) {
                    let (x, slow) = (before.result.intervals[i], slow(op.result.intervals[i]));
                    // Where one of both is quick enough, `auto` takes that one.
                    if multipliers == Multipliers::Auto
                        && !slow
                        && made.sums(x).any(|(bits, terms)| slow_sum(bits, terms))
                    {
                        continue;
                    }
                    candidates.push(Candidate {
                        luts: made.sums(x).map(|(bits, _)| u64::from(bits)).sum(),
                        saves: 1,
                        digits: made.digits,
                        slow,
                        soft: Soft::Row { layer, row: op.result.indices[i] as u32 },
                    });
                }
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
            slow: false,
            soft: Soft::Bank { layer: number, digits },
        });
    }
    // The cheapest first.
    candidates.sort_by_key(|candidate| match &candidate.soft {
        Soft::Row { layer, row } => (candidate.luts, 0, *layer, *row),
        Soft::Bank { layer, .. } => (candidate.luts, 1, *layer, 0),
    });
    for Candidate { luts, saves, digits, slow, soft } in candidates {
        let builds = match (multipliers, budget) {
            (Multipliers::Auto, _) if slow || luts == 0 => true,
            (Multipliers::Auto, Some(budget)) => all(&rows, hardware) > budget,
            _ => multipliers.builds(digits),
        };
        if !builds {
            continue;
        }
        match soft {
            Soft::Row { layer, row } => {
                rows[layer] -= saves;
                unrolled[layer].shift_add.insert(row);
            }
            Soft::Bank { layer, digits } => {
                hardware -= saves;
                folded[layer].bank.digits = Some(digits);
            }
        }
    }
    within(budget, all(&rows, hardware)).map_err(|error| {
        error.help(match multipliers {
            _ if unrolled.iter().any(|rows| rows.chain.loaded.is_some()) => engine::LOADED,
            Multipliers::Dsp => "`--multipliers auto` builds the others from shifts and additions",
            _ => {
                "products of two operands, and of coefficients beyond 31 bits, are always hardware \
                 multipliers"
            }
        })
    })
}

/// Checks that there are no more hardware multipliers than a budget has.
///
/// # Errors
/// With how many more there are.
pub fn within(budget: Option<usize>, hardware: usize) -> Result<()> {
    let Some(budget) = budget.filter(|&budget| hardware > budget) else { return Ok(()) };
    let (needs, more) = (count(hardware, "hardware multiplier"), hardware - budget);
    let cause = format!("the core needs {needs}, {more} more than the {budget} there are");
    Err(Error::input("--dsp-budget", cause).help(format_args!("give --dsp-budget {hardware}")))
}
