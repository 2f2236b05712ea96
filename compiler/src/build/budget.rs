//! Compiles to a budget. Prices choose the engines, and the figures of the finished core, which are
//! those of the report, say whether it fits.

use super::Options;
use crate::adder_graph::{Matrix, Solution};
use crate::compile::{self, Levels, Problem, Progress};
use crate::device::DEVICES;
use crate::engine::{self, Cost, Engines};
use crate::figures::Figures;
use crate::interval::Interval;
use crate::ir::Role;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use strassenc_runtime::{Error, Model, Result};

/// Choices of engines that are tried, the smallest core among them.
const ATTEMPTS: usize = 12;

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

/// The quickest core whose figures are within the budget, of those that are tried: one that is too
/// large lets the next have less, and the last is the smallest.
///
/// # Errors
/// As [`compile::compile_with`], and where the smallest core is too large.
pub(super) fn compile(
    model: &Model,
    options: &Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Levels> {
    let mut asked = options.compile();
    let given = |name: &str| options.engines.layers.contains_key(name);
    // The engines of the core before, and what it takes.
    let mut before: Option<(Engines, Cost)> = None;
    for attempt in 1..=ATTEMPTS {
        if attempt == ATTEMPTS {
            asked.target = asked.target.exhausted();
        }
        let plan = compile::plan(model, &asked)?;
        let engines = plan.1.clone();
        let is_again = before.as_ref().is_some_and(|(before, _)| *before == engines);
        let is_fixed = plan.0.layers.iter().all(|layer| given(&layer.name));
        let cost = match before {
            Some((_, cost)) if is_again => cost,
            _ => {
                let levels =
                    compile::from_plan(compile::Pass::Time, plan, &asked, share, progress, stop)?;
                let cost = cost(&levels, model, options)?;
                if options.target.over(cost).is_none() {
                    return Ok(levels);
                }
                cost
            }
        };
        asked.target = asked.target.tightened(cost, &options.target, is_again);
        before = Some((engines, cost));
        if is_fixed {
            break;
        }
    }
    let over = before.and_then(|(_, cost)| options.target.over(cost));
    let (option, over) = over.ok_or_else(|| Error::internal("compile", "has no budget"))?;
    let help = if options.reloadable.is_some() {
        engine::LOADED
    } else if !options.engines.layers.is_empty() {
        "raise the budget, or take layers out of the file of --engines"
    } else {
        "raise the budget, or lower the r of the largest layers"
    };
    Err(Error::input(option, format_args!("the smallest core needs {over}")).help(help))
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
