//! How often a search succeeds, over many seeds.

use super::super::output;
use super::solve::{Solved, Stage, solve};
use super::{INTERRUPTED, Method, Task, Watch};
use serde::Serialize;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::discover::gradient::{self, Recipe};
use strassenc::discover::{Scheme, Shape};
use strassenc_runtime::{Error, Kind, Result};

/// What came of many seeds.
#[derive(Serialize)]
struct Rates {
    shape: Shape,
    method: Method,
    rank: Option<usize>,
    first_seed: u64,
    seeds: usize,
    /// Seeds whose scheme has the rank, every one verified.
    successes: u32,
    /// The least rank of any.
    least_rank: usize,
    /// The least and the most additions, where few were asked for.
    additions: Option<[usize; 2]>,
    /// Wall clock of a seed, all threads working on it.
    mean_seconds: f64,
    worst_seconds: f64,
    seconds_per_success: f64,
    total_seconds: f64,
}

/// Tries each seed, one after the other, and prints the rates. By gradient descent, a seed is one
/// attempt.
pub fn run(task: &Task, limit: Option<Duration>, seeds: u64, json: bool) -> Result<()> {
    let mut seconds: Vec<f64> = vec![];
    let (mut successes, mut least_rank, mut additions) = (0u32, usize::MAX, None);
    let mut first: Option<Scheme> = None;
    let began = Instant::now();
    for seed in (0..seeds).map(|i| task.seed.wrapping_add(i)) {
        let watch = Watch::new(limit);
        let start = Instant::now();
        let solved = solve_one(&Task { seed, ..*task }, &watch)?;
        seconds.push(start.elapsed().as_secs_f64());
        watch.bar.finish_and_clear();
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(Error::new(
                Kind::Interrupted,
                "discover",
                format_args!("was interrupted at seed {seed}"),
            ));
        }
        let Some((scheme, count)) = solved else { continue };
        scheme.verify()?;
        least_rank = least_rank.min(scheme.rank());
        if task.rank.is_none_or(|rank| scheme.rank() <= rank) {
            successes += 1;
            first.get_or_insert(scheme);
        }
        if let Some(n) = count {
            let [least, most] = additions.unwrap_or([n, n]);
            additions = Some([n.min(least), n.max(most)]);
        }
    }
    let total_seconds = began.elapsed().as_secs_f64();
    let rates = Rates {
        shape: task.shape,
        method: task.method,
        rank: task.rank,
        first_seed: task.seed,
        seeds: seconds.len(),
        successes,
        least_rank: if least_rank == usize::MAX { task.shape.schoolbook() } else { least_rank },
        additions,
        mean_seconds: seconds.iter().sum::<f64>() / seconds.len() as f64,
        worst_seconds: seconds.iter().copied().fold(0.0, f64::max),
        seconds_per_success: total_seconds / f64::from(successes.max(1)),
        total_seconds,
    };
    if json {
        output::json(&rates)?;
        return Ok(());
    }
    if let Some(scheme) = &first {
        output::write(format_args!("the first one:\n{scheme}"))?;
    }
    let rank = rates.rank.map_or_else(
        || format!("{}, the least of any seed", rates.least_rank),
        |rank| rank.to_string(),
    );
    let share = 100.0 * f64::from(successes) / rates.seeds as f64;
    output::line(format_args!(
        "{} rank {rank}: {successes}/{} seeds ({share:.1} %); every scheme verified",
        rates.shape, rates.seeds
    ))?;
    output::line(format_args!(
        "mean {:.4} s, worst {:.4} s, {:.4} s per success",
        rates.mean_seconds, rates.worst_seconds, rates.seconds_per_success
    ))?;
    if let Some([least, most]) = additions {
        output::line(format_args!("additions: {least} to {most}"))?;
    }
    Ok(())
}

/// The scheme of one seed, with its additions where few were asked for; none where gradient descent
/// failed.
fn solve_one(task: &Task, watch: &Watch) -> Result<Option<(Scheme, Option<usize>)>> {
    if let (Method::Gradient, Some(rank), false) = (task.method, task.rank, task.fewest_additions) {
        return Ok(gradient::attempt(task.shape, rank, &Recipe::default(), task.seed, 0)
            .map(|scheme| (scheme, None)));
    }
    let Solved { scheme, additions, .. } = solve(task, Stage::Begin, watch)?;
    Ok(Some((scheme, additions.map(|count| count.total))))
}
