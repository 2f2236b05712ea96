//! Compiles to a budget. Prices choose the engines, and the figures of the finished core, which are
//! those of the report, say whether it fits.

use super::Options;
use crate::adder_graph::{Matrix, Solution};
use crate::compile::{self, Levels, Problem, Progress};
use crate::device::DEVICES;
use crate::engine::{self, Allowed, Cost, Engines, Target};
use crate::figures::Figures;
use crate::interval::Interval;
use crate::ir::{Dataflow, Role};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use strassenc_runtime::{Error, Kind as ErrorKind, Model, Result};

/// Cores that are compiled until one fits, before those of one rate after another.
const ATTEMPTS: usize = 11;

/// Rates that are tried where none of those fits, beginning with a pixel a clock.
const RATES: u32 = 20;

/// Cores that are compiled beyond the first one that fits, for a quicker one.
const MORE: usize = 3;

/// Choices of engines, at most, many of which are the same.
const CHOICES: usize = 64;

/// The adder graphs of matrices that were found, with their inputs.
pub(super) type Found = HashMap<(usize, Role, bool), (Matrix, Vec<Interval>, Solution)>;

/// The adder graph of a matrix, which is sought once for all choices of engines.
pub(super) fn once(
    found: &Mutex<Found>,
    problem: Problem,
    share: &(dyn Fn(Problem) -> Solution + Sync),
) -> Solution {
    let Problem { layer, role, matrix, inputs, serial } = problem;
    let found = || found.lock().unwrap_or_else(PoisonError::into_inner);
    let known = found().get(&(layer, role, serial)).cloned();
    if let Some((of, with, solution)) = known
        && of == *matrix
        && with == inputs
    {
        return solution;
    }
    let solution = share(problem);
    let known = (matrix.clone(), inputs.to_vec(), solution.clone());
    found().insert((layer, role, serial), known);
    solution
}

/// A core that was compiled, what was asked for it, and what it takes.
struct Attempt {
    levels: Levels,
    asked: Target,
    cost: Cost,
}

impl Attempt {
    /// Clocks between frames, and then LUTs.
    fn key(&self) -> (u64, u64) {
        let clocks = self.levels.timing.as_ref().map_or(u64::MAX, |(_, timing)| timing.interval());
        (clocks, self.cost.luts)
    }
}

/// The quickest core whose figures are within the budget, of those that are tried. Prices choose
/// the engines, and are off by some per cent: a core that is too large lets the next be asked to
/// take less, and once one fits, others are sought between it and the last that did not.
///
/// # Errors
/// As [`compile::compile_with`], and where no core that was found is small enough.
pub(super) fn compile(
    model: &Model,
    options: &Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Levels> {
    let budget = &options.target;
    let given = |name: &str| options.engines.layers.contains_key(name);
    let planned =
        |target: Target| compile::plan(model, &compile::Options { target, ..options.compile() });
    let made = |plan: (Dataflow, Engines), asked: Target| -> Result<Attempt> {
        let wanted = compile::Options { target: asked, ..options.compile() };
        let levels = compile::from_plan(compile::Pass::Time, plan, &wanted, share, progress, stop)?;
        let cost = cost(&levels, model, options)?;
        Ok(Attempt { levels, asked, cost })
    };
    let mut asked = *budget;
    // The least of those that are too large.
    let mut over: Option<Attempt> = None;
    let mut fits: Option<Attempt> = None;
    let mut tried: Vec<(Engines, Cost)> = vec![];
    for _ in 0..CHOICES {
        let plan = planned(asked)?;
        let is_fixed = plan.0.layers.iter().all(|layer| given(&layer.name));
        let again = over.as_ref().filter(|over| over.levels.engines == plan.1);
        let (cost, price, is_again) = match again {
            Some(over) => (over.cost, Cost::default(), true),
            None => {
                let price = price(&plan, options)?;
                let attempt = made(plan, asked)?;
                if budget.over(attempt.cost).is_none() {
                    fits = Some(attempt);
                    break;
                }
                let cost = attempt.cost;
                tried.push((attempt.levels.engines.clone(), cost));
                over = Some(attempt);
                (cost, price, false)
            }
        };
        if is_fixed || tried.len() == ATTEMPTS {
            break;
        }
        let next = asked.tightened(cost, price, budget, is_again);
        if next == asked {
            break;
        }
        asked = next;
    }
    let Some(best) = fits else {
        return smallest(options, tried, &planned, &made);
    };
    quicker(best, over, budget, &planned, &made).map(|best| best.levels)
}

/// A quicker core than one that fits, asked for between that and one that does not, or else the
/// same.
fn quicker(
    mut best: Attempt,
    over: Option<Attempt>,
    budget: &Target,
    planned: &dyn Fn(Target) -> Result<(Dataflow, Engines)>,
    made: &dyn Fn((Dataflow, Engines), Target) -> Result<Attempt>,
) -> Result<Attempt> {
    let Some(over) = over else { return Ok(best) };
    let (mut low, mut high) = (best.asked, over.asked);
    let mut too_large = vec![over.levels.engines];
    let mut tried = 0;
    for _ in 0..CHOICES {
        let middle = low.halfway(high);
        if middle == low || middle == high || tried == MORE {
            break;
        }
        let plan = planned(middle)?;
        if plan.1 == best.levels.engines {
            low = middle;
        } else if too_large.contains(&plan.1) {
            high = middle;
        } else {
            tried += 1;
            let attempt = made(plan, middle)?;
            if budget.over(attempt.cost).is_some() {
                too_large.push(attempt.levels.engines);
                high = middle;
            } else {
                low = middle;
                if attempt.key() < best.key() {
                    best = attempt;
                }
            }
        }
    }
    Ok(best)
}

/// A core that fits where those asked for in turn did not: that of the highest rate, or else the
/// smallest one by prices, of all engines that may be chosen or of one of them alone.
fn smallest(
    options: &Options,
    mut tried: Vec<(Engines, Cost)>,
    planned: &dyn Fn(Target) -> Result<(Dataflow, Engines)>,
    made: &dyn Fn((Dataflow, Engines), Target) -> Result<Attempt>,
) -> Result<Levels> {
    let budget = &options.target;
    let exhausted = budget.exhausted();
    // Each rate is half the one before.
    let pixels = engine::pixels_in(&planned(exhausted)?.0);
    let rates = (0..RATES).map(|k| exhausted.at_rate(pixels << k));
    // What an error names is enough another time, too: no other budget leads to other engines.
    let mut named: Vec<Cost> = vec![];
    let alone = [Allowed::Folded, Allowed::Serial, Allowed::Unrolled].into_iter();
    let alone = alone.map(|engine| Target { engine, ..exhausted });
    let is_auto = budget.engine == Allowed::Auto;
    let cheapest = [exhausted].into_iter().chain(alone.filter(|_| is_auto));
    for asked in rates.chain(cheapest) {
        let plan = match planned(asked) {
            // Not every layer can have that engine, or is as quick.
            Err(e) if asked != exhausted && e.kind() == ErrorKind::Input => continue,
            plan => plan?,
        };
        let price = price(&plan, options)?;
        // Prices are not off by half: what is worse is not worth a compilation.
        if asked != exhausted && budget.lut.is_some_and(|most| price.luts / 2 > most) {
            continue;
        }
        let known = tried.iter().find(|(engines, _)| *engines == plan.1).map(|(_, cost)| *cost);
        let cost = match known {
            Some(cost) => cost,
            None => {
                let attempt = made(plan, asked)?;
                if budget.over(attempt.cost).is_none() {
                    return Ok(attempt.levels);
                }
                tried.push((attempt.levels.engines, attempt.cost));
                attempt.cost
            }
        };
        named.extend(asked.fps.is_none().then_some(cost));
    }
    let least = named.into_iter().min_by_key(|cost| (cost.luts, cost.half_brams, cost.multipliers));
    let over = least.and_then(|cost| budget.over(cost));
    let (option, over) = over.ok_or_else(|| Error::internal("compile", "has no budget"))?;
    let help = if options.reloadable.is_some() {
        engine::LOADED
    } else if !options.engines.layers.is_empty() {
        "raise the budget, or take layers out of the file of --engines"
    } else {
        "raise the budget, name a larger part, or lower the r of the largest layers"
    };
    let cause = format_args!("the core of the cheapest engines needs {over}");
    Err(Error::input(option, cause).help(help))
}

/// What the engines of a network were chosen by.
fn price((dataflow, engines): &(Dataflow, Engines), options: &Options) -> Result<Cost> {
    let made_of = vec![options.compile().expected(); dataflow.layers.len()];
    Ok(Cost::sum(&engine::costs(dataflow, engines, &made_of)?))
}

/// What a core takes of that which has a budget. Its multipliers were counted when they were
/// chosen.
fn cost(levels: &Levels, model: &Model, options: &Options) -> Result<Cost> {
    let compiled = levels.clone().compiled(model, &options.schedule())?;
    let family = options.device.unwrap_or(DEVICES[0]).family;
    let total = Figures::new(&compiled, options.target.clock())?.of(family).total;
    let half_brams = (total.block_rams * u64::from(family.counted_kbit())).div_ceil(18);
    Ok(Cost { luts: total.luts, half_brams, ..Cost::default() })
}
