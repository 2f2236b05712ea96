//! How often a search succeeds, over many seeds.

use super::{INTERRUPTED, Method, Task, Watch, solve};
use serde::Serialize;
use std::sync::atomic::Ordering;
use std::time::Instant;
use strassenc::discover::Shape;
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
    successes: usize,
    /// The least rank of any.
    least_rank: usize,
    /// Wall clock of a seed, all threads working on it.
    mean_seconds: f64,
    worst_seconds: f64,
    total_seconds: f64,
}

/// Tries each seed, one after the other, and prints the rates.
pub fn run(task: &Task, seeds: u64, json: bool) -> Result<()> {
    if seeds == 0 {
        return Err(Error::input("--seeds", "0 seeds have no rate").help("give at least 1"));
    }
    let mut seconds: Vec<f64> = vec![];
    let (mut successes, mut least_rank) = (0, usize::MAX);
    let began = Instant::now();
    for seed in (0..seeds).map(|i| task.seed.wrapping_add(i)) {
        let watch = Watch::new(task.limit);
        let start = Instant::now();
        let (scheme, _) = solve(&Task { seed, ..*task }, None, &watch)?;
        seconds.push(start.elapsed().as_secs_f64());
        watch.bar.finish_and_clear();
        scheme.verify()?;
        least_rank = least_rank.min(scheme.rank());
        successes += usize::from(task.rank.is_none_or(|rank| scheme.rank() <= rank));
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "discover", format_args!("was interrupted at seed {seed}")));
        }
    }
    let rates = Rates {
        shape: task.shape,
        method: task.method,
        rank: task.rank,
        first_seed: task.seed,
        seeds: seconds.len(),
        successes,
        least_rank,
        mean_seconds: seconds.iter().sum::<f64>() / seconds.len() as f64,
        worst_seconds: seconds.iter().copied().fold(0.0, f64::max),
        total_seconds: began.elapsed().as_secs_f64(),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&rates).map_err(|e| Error::internal("discover", e))?);
    } else {
        let rank = rates.rank.map_or_else(|| format!("{least_rank}, the least of any"), |rank| rank.to_string());
        println!(
            "{} rank {rank}: {successes}/{} seeds, mean {:.4} s, worst {:.4} s; every scheme verified",
            rates.shape, rates.seeds, rates.mean_seconds, rates.worst_seconds
        );
    }
    Ok(())
}
