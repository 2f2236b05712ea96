//! The scheme of a rank that needs the fewest additions.
//!
//! The schemes of one rank are very many, and they need very different numbers of additions once
//! common sums are shared. Walks in the flip graph, up to higher ranks and back, yield fresh
//! schemes; simulated annealing by flips, changes of basis and short detours over the next rank
//! improves each of them on a quick estimate; the adder-graph optimiser has the last word on the
//! best. (A. Perminov, "Parallel heuristic exploration for additive complexity reduction in fast
//! matrix multiplication", 2025, selects in the same way.)

use super::estimate::estimate;
use super::flip_graph::Vertex;
use super::scheme::Scheme;
use super::walk::{Patience, Walk};
use crate::adder_graph::{self, Effort, Matrix, Options};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use strassenc_runtime::{Error, Result};

/// Walks of a search.
const WALKS: usize = 8;
/// Steps of one annealing, and its first and last temperature in additions.
const STEPS: u64 = 20_000;
const HOT: f64 = 1.5;
const COLD: f64 = 0.25;
/// Share of steps that are detours over the next rank, and changes of basis.
const DETOURS: f64 = 0.03;
const BASES: f64 = 0.03;
/// Most flips of a detour, and of all detours of an annealing: from a scheme that no flip leads
/// away from, each step is one.
const DETOUR: u32 = 1_000;
const DETOURS_IN_ALL: u32 = 500_000;
/// Least flips between two annealings of a walk, and the most before it begins again.
const WANDER: u64 = 100_000;
/// Schemes that are kept for the adder-graph optimiser.
const CANDIDATES: usize = 24;
/// Candidates that the adder-graph optimiser works hard on.
const FINALISTS: usize = 4;
/// Rounds without a better estimate that end the search.
const IDLE_ROUNDS: u64 = 6;

/// A search for fewer additions at the rank of a given scheme. It can be written down after each
/// round.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Additions {
    rank: usize,
    seed: u64,
    walks: Vec<Walk>,
    /// The best ones so far by their estimates, best first.
    candidates: Vec<(u32, Scheme)>,
    rounds: u64,
    /// Rounds since the best estimate fell.
    idle: u64,
    schemes: u64,
}

/// Two-operand additions of a scheme's matrices, after sharing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Additions of W_a.
    pub w_a: usize,
    /// Additions of W_b.
    pub w_b: usize,
    /// Additions of W_c.
    pub w_c: usize,
    /// Additions of all three matrices.
    pub total: usize,
    /// Additions of all three matrices without sharing.
    pub without_sharing: usize,
}

/// Counts the additions of a scheme with the adder-graph optimiser; every graph is proved.
///
/// # Errors
/// Only by a bug of ours.
pub fn count(scheme: &Scheme, effort: Effort) -> Result<Count> {
    let options = Options { effort, ..Options::default() };
    let mut adders = [0; 3];
    let mut without_sharing = 0;
    for (f, adders) in adders.iter_mut().enumerate() {
        let matrix: Matrix = scheme.factor(f).mapv(i32::from);
        let matrix = if f == 2 { matrix.reversed_axes() } else { matrix };
        let solution = adder_graph::share(&matrix, &options);
        adder_graph::prove(&solution.graph, &matrix)?;
        *adders = solution.graph.adders();
        without_sharing += adder_graph::naive_adders(&matrix, adder_graph::Operands::Two);
    }
    let [w_a, w_b, w_c] = adders;
    Ok(Count { w_a, w_b, w_c, total: w_a + w_b + w_c, without_sharing })
}

impl Additions {
    /// A search from `scheme`.
    pub fn new(scheme: &Scheme, seed: u64) -> Self {
        let patience = Patience { restart: 20 * WANDER, ..Patience::default() };
        // Other streams than those of the search for the rank.
        let walk = |stream| Walk::new(scheme, patience, seed, (1 << 32) + stream);
        let candidates =
            vec![(estimated(&Vertex::new(scheme)).iter().sum(), scheme.clone().canonical())];
        let walks = (0..WALKS as u64).map(walk).collect();
        Additions { rank: scheme.rank(), seed, walks, candidates, rounds: 0, idle: 0, schemes: 0 }
    }

    /// One round: each walk goes on to another scheme, which is annealed. Whether the search is
    /// over.
    pub fn round(&mut self) -> bool {
        let (rank, seed, rounds) = (self.rank, self.seed, self.rounds);
        let anneal = |(number, walk): (usize, &mut Walk)| {
            // In the first round the given scheme itself.
            let found = rounds == 0 || wander(walk, rank);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream((2 << 32) + rounds * WALKS as u64 + number as u64);
            found.then(|| anneal(Vertex::new(&walk.scheme()), &mut rng))
        };
        let found: Vec<_> = self.walks.par_iter_mut().enumerate().map(anneal).collect();
        let before = self.estimate();
        for (cost, scheme, schemes) in found.into_iter().flatten() {
            self.schemes += schemes;
            self.candidates.push((cost, scheme.canonical()));
        }
        self.candidates.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.factors.cmp(&y.factors)));
        self.candidates.dedup();
        self.candidates.truncate(CANDIDATES);
        self.rounds += 1;
        self.idle = if self.estimate() < before { 0 } else { self.idle + 1 };
        self.idle >= IDLE_ROUNDS
    }

    /// About how many additions the best scheme so far takes.
    pub fn estimate(&self) -> usize {
        // There is always one, and W_c takes as many additions as its transpose and one more per
        // product than outputs.
        let (cost, scheme) = &self.candidates[0];
        *cost as usize + scheme.rank().saturating_sub(scheme.shape.entries()[2])
    }

    /// Rounds done, and schemes looked at.
    pub fn reached(&self) -> (u64, u64) {
        (self.rounds, self.schemes)
    }

    /// The best scheme, by the adder-graph optimiser.
    ///
    /// # Errors
    /// Where a scheme is not right: a bug of ours.
    pub fn best(&self) -> Result<(Scheme, Count)> {
        let counted = |effort: u8, schemes: &[Scheme]| -> Result<Vec<(Count, Scheme)>> {
            let count = |scheme: &Scheme| {
                scheme.verify().and_then(|()| Ok((count(scheme, Effort(effort))?, scheme.clone())))
            };
            let mut counted = schemes
                .par_iter()
                .map(count)
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<Result<Vec<_>>>()?;
            counted.sort_by_key(|(count, _)| count.total);
            Ok(counted)
        };
        let schemes: Vec<Scheme> =
            self.candidates.iter().map(|(_, scheme)| scheme.clone()).collect();
        let finalists: Vec<Scheme> =
            counted(1, &schemes)?.into_iter().take(FINALISTS).map(|(_, scheme)| scheme).collect();
        let best = counted(2, &finalists)?.into_iter().next();
        best.map(|(count, scheme)| (scheme, count))
            .ok_or_else(|| Error::internal("additions", "no scheme is left"))
    }

    /// Checks a search that was read from a file.
    ///
    /// # Errors
    /// Where a scheme in it is not right or not one of `start`'s shape and rank.
    pub fn validate(&self, start: &Scheme) -> Result<()> {
        let other = self
            .candidates
            .iter()
            .any(|(_, scheme)| scheme.shape != start.shape || scheme.rank() != self.rank);
        if self.rank != start.rank()
            || self.candidates.is_empty()
            || self.walks.len() != WALKS
            || other
        {
            return Err(Error::input("additions", "are those of another scheme"));
        }
        self.candidates.iter().try_for_each(|(_, scheme)| scheme.verify())?;
        self.walks.iter().try_for_each(|walk| walk.validate(start.shape))
    }
}

/// Goes on to another scheme of the rank; whether it got there.
fn wander(walk: &mut Walk, rank: usize) -> bool {
    walk.run(WANDER, 0);
    walk.run(20 * WANDER, rank) && walk.rank() == rank
}

/// The estimate of each matrix, W_c's by its transpose.
fn estimated(vertex: &Vertex) -> [u32; 3] {
    let entries = vertex.shape().entries();
    [0, 1, 2].map(|f| estimate(&vertex.factors()[f], entries[f]))
}

/// The best scheme of an annealing from `at`, its cost, and how many schemes were looked at.
fn anneal(mut at: Vertex, rng: &mut ChaCha8Rng) -> (u32, Scheme, u64) {
    let (rank, entries) = (at.rank(), at.shape().entries());
    let mut costs = estimated(&at);
    let mut best = (costs.iter().sum::<u32>(), at.clone());
    let mut schemes = 0;
    let mut detours = 0;
    for step in 0..STEPS {
        let progress =
            (step as f64 / STEPS as f64).max(f64::from(detours) / f64::from(DETOURS_IN_ALL));
        if progress >= 1.0 {
            break;
        }
        let temperature = HOT * (COLD / HOT).powf(progress);
        let Some(next) = neighbour(&at, rank, &mut detours, rng) else { continue };
        schemes += 1;
        let same = |f: usize| next.factors()[f] == at.factors()[f];
        let changed = [0, 1, 2]
            .map(|f| if same(f) { costs[f] } else { estimate(&next.factors()[f], entries[f]) });
        let (before, after) = (costs.iter().sum::<u32>(), changed.iter().sum::<u32>());
        if after <= before
            || rng.random::<f64>() < ((f64::from(before) - f64::from(after)) / temperature).exp()
        {
            (at, costs) = (next, changed);
            if after < best.0 {
                best = (after, at.clone());
            }
        }
    }
    (best.0, best.1.scheme(), schemes)
}

/// A scheme of the same rank nearby; `None` where the move led elsewhere. Counts the flips of
/// detours.
fn neighbour(at: &Vertex, rank: usize, detours: &mut u32, rng: &mut ChaCha8Rng) -> Option<Vertex> {
    let kind = rng.random::<f64>();
    let mut next = at.clone();
    if kind < DETOURS || at.is_isolated() {
        next.plus(rng);
        for _ in 0..DETOUR {
            if next.rank() <= rank {
                break;
            }
            next.flip(rng);
            *detours += 1;
        }
    } else if kind < DETOURS + BASES {
        next = at.change_basis(rng)?;
    } else {
        next.flip(rng);
        if rng.random_bool(0.3) {
            next.flip(rng);
        }
    }
    (next.rank() == rank).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::Search;
    use proptest::prelude::*;

    #[test]
    fn strassens_rank_takes_fifteen_additions_on_any_number_of_threads() {
        let find = || {
            let mut search = Search::new("2x2x2".parse().unwrap(), 7, 3);
            while !search.round() {}
            let mut additions = Additions::new(search.best(), 3);
            additions.round();
            let copy: Additions =
                serde_json::from_str(&serde_json::to_string(&additions).unwrap()).unwrap();
            copy.validate(search.best()).unwrap();
            additions.best().unwrap()
        };
        let on = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(find)
        };
        let (scheme, count) = on(1);
        assert_eq!((scheme.rank(), count.total), (7, 15));
        assert_eq!(on(3), (scheme, count));
    }

    proptest! {
        #![proptest_config(crate::discover::property(20))]

        #[test]
        fn neighbours_are_right_and_of_the_same_rank(seed: u64) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut at = Vertex::new(&Scheme::schoolbook("2x3x2".parse().unwrap()));
            for _ in 0..60 {
                if let Some(next) = neighbour(&at, 12, &mut 0, &mut rng) {
                    prop_assert!(next.scheme().verify().is_ok() && next.rank() == 12);
                    at = next;
                }
            }
        }

        #[test]
        fn changes_of_basis_keep_the_brent_equations(seed: u64) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut at = Vertex::new(&Scheme::schoolbook("2x3x2".parse().unwrap()));
            let mut changed = 0;
            for _ in 0..200 {
                if let Some(next) = at.change_basis(&mut rng) {
                    prop_assert!(next.scheme().verify().is_ok());
                    changed += usize::from(next.scheme() != at.scheme());
                    at = next;
                }
            }
            prop_assert!(changed > 0);
        }
    }
}
