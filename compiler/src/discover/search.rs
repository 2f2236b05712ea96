//! Many walks side by side, in rounds, so that the result does not depend on the number of threads.

use super::scheme::{Scheme, Shape};
use super::walk::{Patience, Walk};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use strassenc_runtime::{Error, Result};

/// Walks of a search.
pub const WALKS: usize = 8;

/// Flips of each walk in the first round; each later round is half as long again, up to
/// [`MOST_FLIPS`].
const FIRST_FLIPS: u64 = 500;

/// Most flips of a walk in a round.
const MOST_FLIPS: u64 = 200_000;

/// Flips between looks at the other walks.
const STRIDE: u64 = 500;

/// The least rank that is known for integer schemes over {-1, 0, 1}, as a goal where none is given;
/// the order of the sizes does not matter. From the tables of the papers that
/// [`flip_graph`](super::flip_graph) names.
pub fn known_rank(shape: Shape) -> Option<usize> {
    let mut sizes = [shape.n, shape.m, shape.p];
    sizes.sort_unstable();
    let rank = match sizes {
        [1, a, b] => a * b,
        [2, 2, 2] => 7,
        [2, 2, 3] => 11,
        [2, 2, 4] => 14,
        [2, 2, 5] => 18,
        [2, 3, 3] => 15,
        [2, 3, 4] => 20,
        [2, 3, 5] => 25,
        [3, 3, 3] => 23,
        [3, 3, 4] => 29,
        [3, 4, 4] => 38,
        [4, 4, 4] => 49,
        _ => return None,
    };
    Some(rank)
}

/// A search for a scheme of rank `target` or less. It can be written down after each round, and
/// goes on from there as if it had never been interrupted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    target: usize,
    walks: Vec<Walk>,
    flips_a_round: u64,
    rounds: u64,
    best: Scheme,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The least rank so far.
    pub rank: usize,
    /// Rounds done.
    pub rounds: u64,
    /// Flips done, each of which made another scheme.
    pub flips: u64,
    /// How often walks began again.
    pub restarts: u64,
}

impl Search {
    /// A search from the schoolbook scheme.
    pub fn new(shape: Shape, target: usize, seed: u64) -> Self {
        Self::from(&Scheme::schoolbook(shape), target, seed)
    }

    /// A search from any scheme.
    pub fn from(start: &Scheme, target: usize, seed: u64) -> Self {
        let walk = |stream| Walk::new(start, Patience::default(), seed, stream);
        let walks = (0..WALKS as u64).map(walk).collect();
        Search { target, walks, flips_a_round: FIRST_FLIPS, rounds: 0, best: start.clone() }
    }

    /// One round. Whether the target is reached.
    pub fn round(&mut self) -> bool {
        if self.best.rank() <= self.target {
            return true;
        }
        let (target, flips) = (self.target, self.flips_a_round);
        // The first walk in order that arrives wins, whoever is quicker: only those after it may
        // stop early.
        let first = AtomicUsize::new(usize::MAX);
        self.walks.par_iter_mut().enumerate().for_each(|(number, walk)| {
            let mut done = 0;
            while done < flips && number < first.load(Ordering::Relaxed) {
                let now = STRIDE.min(flips - done);
                done += now;
                if walk.run(now, target) {
                    first.fetch_min(number, Ordering::Relaxed);
                    return;
                }
            }
        });
        let first = first.into_inner();
        let arrived = if first < self.walks.len() { Some(&self.walks[first]) } else { None };
        if let Some(walk) =
            arrived.or_else(|| self.walks.iter().min_by_key(|walk| walk.best().rank()))
            && walk.best().rank() < self.best.rank()
        {
            self.best = walk.best().clone();
        }
        self.rounds += 1;
        self.flips_a_round = (flips + flips / 2).min(MOST_FLIPS);
        self.best.rank() <= self.target
    }

    /// The scheme of the least rank so far.
    pub fn best(&self) -> &Scheme {
        &self.best
    }

    /// How far the search is.
    pub fn reached(&self) -> Reached {
        let sum = |f: fn(&Walk) -> u64| self.walks.iter().map(f).sum();
        Reached {
            rank: self.best.rank(),
            rounds: self.rounds,
            flips: sum(|w| w.flips),
            restarts: sum(|w| w.restarts),
        }
    }

    /// Whether it looks for a scheme of this shape and rank.
    pub fn is_of(&self, shape: Shape, target: usize) -> bool {
        self.best.shape == shape && self.target == target
    }

    /// Checks a search that was read from a file.
    ///
    /// # Errors
    /// Where a scheme in it is not right, or it cannot go on.
    pub fn validate(&self) -> Result<()> {
        self.best.verify()?;
        if self.walks.is_empty() || self.flips_a_round == 0 || self.flips_a_round > MOST_FLIPS {
            return Err(Error::input("search", "has no walks or no flips"));
        }
        self.walks.iter().try_for_each(|walk| walk.validate(self.best.shape))
    }
}
