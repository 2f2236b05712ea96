//! Anytime local search by simulated annealing (Kirkpatrick, Gelatt, Vecchi 1983).
//!
//! A step opens a shared node in one of the sums that read it, opens a few more terms of the same
//! sum, and shares again greedily with random ties. Most steps that change anything lead to another
//! circuit of the same cost, and on these plateaus the search finds its way down. The temperature
//! decides how often a costlier circuit is kept.

use super::network::Network;
use super::rng::Rng;
use super::share::Operands;
use super::sums::Sums;
use super::trial::{Outcome, Trial};

/// How long to search, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of steps.
    pub steps: u64,
    /// Most pairs of terms that are looked at: a step takes some dozen of them, but the square of
    /// the terms where a few long sums share much.
    pub looks: u64,
    /// What of the cost is like one adder.
    pub adder: f64,
    /// The most that the temperature begins at, in adders.
    pub hottest: f64,
    pub seed: u64,
}

/// Adders of three operands that sharing may save behind a step.
const FOUND_AGAIN: i64 = 2;

/// Most terms that a step opens.
const OPENED: usize = 3;

/// Steps between looks at the clock.
const STRIDE: u64 = 256;

/// Times that the best circuit so far is kept aside.
const SNAPSHOTS: u64 = 32;

/// Anneals `network` and returns the best circuit it saw, with its cost. `spent` tells how much of
/// the caller's time is gone, 0 to 1: the temperature follows it where it is ahead of the steps,
/// and the search ends at 1. `found` hears of the cost now and then.
pub fn anneal(
    mut network: Network,
    plan: Plan,
    spent: &dyn Fn() -> f64,
    found: &dyn Fn(u64),
) -> (u64, Sums) {
    let mut rng = Rng::new(plan.seed);
    network.share(&mut rng);
    network.commit();
    let mut cost = network.cost();
    let mut best = (cost, network.sums());
    let mut snapshots = 0;
    let mut step = 0;
    let mut trial = Trial::default();
    // In adders of two operands a step's cost is known before anything is changed; of what three
    // take, so much may be found again by sharing.
    let known = network.counts_adders() && network.operands == Operands::Two;
    while step < plan.steps {
        let progress = spent()
            .max(step as f64 / plan.steps as f64)
            .max(trial.looks as f64 / plan.looks as f64);
        if progress >= 1.0 {
            break;
        }
        if (progress * SNAPSHOTS as f64) as u64 > snapshots {
            snapshots = (progress * SNAPSHOTS as f64) as u64;
            if cost < best.0 {
                best = (cost, network.sums());
            }
            found(best.0);
        }
        let cold = if network.operands == Operands::Two { 0.2 } else { 0.15 };
        let steps = step as f64 / cost as f64 * plan.adder;
        let temperature = plan.adder * temperature(progress, steps, cold, plan.hottest);
        for _ in 0..STRIDE.min(plan.steps - step) {
            if trial.looks >= plan.looks {
                break;
            }
            step += 1;
            let more = rng.below(OPENED);
            let Some(outcome) = trial.run(&network, more, &mut rng) else { return best };
            let Outcome::Other(more) = outcome else { continue };
            let worse =
                |more: f64, rng: &mut Rng| more > 0.0 && rng.unit() >= (-more / temperature).exp();
            let foreseen = match network.operands {
                Operands::Two => known && worse(more as f64, &mut rng),
                Operands::Three => worse((more - FOUND_AGAIN) as f64 * plan.adder, &mut rng),
            };
            if foreseen {
                continue;
            }
            trial.carry_out(&mut network);
            network.settle();
            network.share(&mut rng);
            let after = network.cost();
            if !known && worse(after as f64 - cost as f64, &mut rng) {
                network.rollback();
            } else {
                network.commit();
                cost = after;
            }
        }
    }
    if cost < best.0 {
        best = (cost, network.sums());
    }
    found(best.0);
    best
}

/// The temperature in adders when `progress` of the search is over, which took so many steps per
/// adder: from hot to cold geometrically, the hotter at first the longer the search is going to be.
/// Tuned on random matrices of 16 to 256 inputs.
fn temperature(progress: f64, steps: f64, cold: f64, hottest: f64) -> f64 {
    // A hundred steps per adder in all should begin at 0.3 adders.
    let in_all = if progress > 0.0 { steps / progress } else { 0.0 };
    let hot = (0.3 * (in_all / 100.0).cbrt()).clamp(cold, hottest);
    hot * (cold / hot).powf(progress)
}
