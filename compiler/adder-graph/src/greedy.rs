//! Greedy sharing: the two-term sum that occurs most often becomes a signal, until none occurs
//! twice.
//!
//! The pass follows Hartley, "Subexpression sharing in filters using canonic signed digit
//! multipliers" (1996). A pair of signals can only lose occurrences while other pairs are shared,
//! so each is counted once, when the newer of the two signals appears, waits in the bucket of that
//! count, and is counted again only when its turn comes. Among equals the newest signal's turn
//! comes first, which grows long common sums.

use super::occurrences::{Layout, Occurrences};
use super::share::Operands;
use super::sums::{Pair, Summand, Sums};
use std::collections::HashMap;

/// The state of one greedy pass.
struct Greedy {
    sums: Sums,
    layout: Layout,
    /// The place of each term in its sum: rows of wide matrices are too long to be searched.
    places_in_sums: Vec<HashMap<Summand, u32>>,
    /// The occurrences of each signal.
    occurrences: Vec<Occurrences>,
    /// The depths of signals and sums, where there is a depth limit.
    depths: Option<Depths>,
    /// Waiting pairs by an upper bound of their count.
    buckets: Vec<Vec<Pair>>,
    /// The number of pairs that wait.
    waiting: usize,
    /// No pair that occurs more often is left.
    level: usize,
    /// Pairs that occur less often do not wait: they are listed anew once none above is left.
    floor: usize,
    /// Scratch of [`Greedy::spawn`]: counts by (signal, distance, sign).
    counts: Vec<u32>,
    places: Vec<u32>,
}

/// Most pairs that wait: those of a wide layer would fill any memory, and most of them are gone
/// before their turn comes.
const MOST_WAITING: usize = 1 << 25;

/// Depths under a limit, after Kraft's inequality for adder trees: terms of depths d can be added
/// up within the limit if Σ 2^d ≤ 2^limit, or 3 in the place of 2 where adders take three operands.
struct Depths {
    /// The depth of each signal.
    of: Vec<u32>,
    /// The slack of each sum: 2^limit - Σ 2^depth of its terms.
    slack: Vec<u64>,
    operands: Operands,
}

impl Depths {
    /// What a sum loses of its slack when these signals are added first.
    fn penalty(&self, pair: Pair) -> u64 {
        let depths = [pair.newer(), pair.older()].map(|signal| self.of[signal as usize]);
        let [a, b] = depths.map(|depth| self.operands.reach(depth));
        self.operands.reach(1 + depths[0].max(depths[1])) - a - b
    }
}

/// Shares two-term sums among the outputs of `sums`, which has no nodes yet. With a limit, every
/// output can still be added up in `limit` adders' depth, if it could before. Ends early, with
/// fewer of them shared, once `stop` says so.
pub fn share_pairs(
    sums: Sums,
    limit: Option<u32>,
    operands: Operands,
    stop: &(dyn Fn() -> bool + Sync),
) -> Sums {
    share_with(sums, limit, operands, MOST_WAITING, stop)
}

/// Shares pairs while at most `most` of them wait, which changes nothing but the time it takes.
fn share_with(
    sums: Sums,
    limit: Option<u32>,
    operands: Operands,
    most: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Sums {
    debug_assert!(sums.nodes.is_empty());
    let mut greedy = Greedy::new(sums, limit.filter(|&limit| limit < operands.depths()), operands);
    greedy.list_all(most, stop);
    let mut turns = 0u32;
    while greedy.level >= 2 {
        let level = greedy.level;
        if level < greedy.floor {
            greedy.list_all(most, stop);
            continue;
        }
        // Later arrivals at this level belong to newer signals: they go on top, which keeps the
        // order.
        greedy.buckets[level].sort_unstable();
        while let Some(pair) = greedy.buckets[level].pop() {
            greedy.waiting -= 1;
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(1 << 12) && stop() {
                return greedy.sums;
            }
            match greedy.count(pair) {
                n if n == level => greedy.share(pair),
                n => greedy.wait(pair, n),
            }
        }
        greedy.buckets.truncate(level);
        greedy.level -= 1;
    }
    greedy.sums
}

impl Greedy {
    fn new(sums: Sums, limit: Option<u32>, operands: Operands) -> Self {
        let shift = sums.outputs.iter().flatten().map(|t| t.shift()).max().unwrap_or(0);
        let layout = Layout::new(sums.outputs.len(), shift);
        let mut places = vec![Vec::new(); sums.inputs];
        for (row, terms) in sums.outputs.iter().enumerate() {
            for &term in terms {
                places[term.signal() as usize].push(layout.place(row, term));
            }
        }
        let occurrences = places.into_iter().map(|mut places| {
            places.sort_unstable();
            layout.collect(places)
        });
        let depths = limit.map(|limit| Depths {
            of: vec![0; sums.inputs],
            slack: sums
                .outputs
                .iter()
                .map(|t| operands.reach(limit).saturating_sub(t.len() as u64))
                .collect(),
            operands,
        });
        let places_in_sums = |terms: &Vec<Summand>| terms.iter().copied().zip(0..).collect();
        Greedy {
            places_in_sums: sums.outputs.iter().map(places_in_sums).collect(),
            occurrences: occurrences.collect(),
            sums,
            layout,
            depths,
            buckets: vec![],
            waiting: 0,
            level: usize::MAX,
            floor: 2,
            counts: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Lets all pairs wait, or those that occur most often, where they are more than `most`.
    fn list_all(&mut self, most: usize, stop: &(dyn Fn() -> bool + Sync)) {
        self.floor = 2;
        for signal in 0..self.sums.inputs + self.sums.nodes.len() {
            if signal.is_multiple_of(64) && stop() {
                // As if none were left.
                self.level = 0;
                return;
            }
            self.list(signal as u32);
            self.spawn(signal as u32);
            while self.waiting > most && self.floor + 1 < self.buckets.len() {
                self.waiting -= std::mem::take(&mut self.buckets[self.floor]).len();
                self.floor += 1;
            }
        }
        self.level = self.level.min(self.buckets.len().saturating_sub(1));
    }

    /// Lets a pair wait that occurs so often at most.
    fn wait(&mut self, pair: Pair, count: usize) {
        // None that occurs more often is left: where it was counted so, places overlap, or are too
        // deep.
        let count = count.min(self.level);
        if count >= self.floor {
            if count >= self.buckets.len() {
                self.buckets.resize(count + 1, Vec::new());
            }
            self.buckets[count].push(pair);
            self.waiting += 1;
        }
    }

    /// Puts the places of a signal into the scratch list.
    fn list(&mut self, signal: u32) {
        self.places.clear();
        let occurrences = &self.occurrences[signal as usize];
        self.layout
            .for_each_pair(occurrences, occurrences, 0, false, |place| self.places.push(place));
    }

    /// Counts the pairs of `signal`, whose places are listed, with itself and all older ones, and
    /// lets those that occur twice wait.
    fn spawn(&mut self, signal: u32) {
        // Distances -span..=span, two signs each.
        let (layout, span) = (self.layout, self.layout.span() as usize);
        let kinds = 2 * (2 * span + 1);
        let mut counts = std::mem::take(&mut self.counts);
        counts.resize((signal as usize + 1) * kinds, 0);
        // The kinds that are counted, where those are few: else all are looked at, in order.
        let visits: usize =
            self.places.iter().map(|&place| self.sums.outputs[layout.row(place)].len()).sum();
        let mut touched = (visits < counts.len()).then(Vec::new);
        for &place in &self.places {
            let (row, shift) = (layout.row(place), layout.shift(place));
            for term in &self.sums.outputs[row] {
                let older = term.signal();
                if older > signal || older == signal && term.shift() <= shift {
                    continue;
                }
                let distance = term.shift() as usize + span - shift as usize;
                let negate = term.negate() ^ (place & 1 == 1);
                let kind = older as usize * kinds + 2 * distance + usize::from(negate);
                counts[kind] += 1;
                if let Some(touched) = touched.as_mut().filter(|_| counts[kind] == 1) {
                    touched.push(kind);
                }
            }
        }
        let mut wait = |kind: usize, count: u32| {
            let distance = (kind % kinds / 2) as i32 - span as i32;
            self.wait(
                Pair::new(signal, (kind / kinds) as u32, distance, kind % 2 == 1),
                count as usize,
            );
        };
        match touched {
            Some(mut touched) => {
                touched.sort_unstable();
                touched.into_iter().for_each(|kind| wait(kind, std::mem::take(&mut counts[kind])));
            }
            None => {
                for (kind, count) in counts.iter_mut().enumerate().filter(|(_, count)| **count > 0)
                {
                    wait(kind, std::mem::take(count));
                }
            }
        }
        self.counts = counts;
    }

    /// Counts the places at which the pair can be shared now.
    fn count(&mut self, pair: Pair) -> usize {
        let free = pair.newer() != pair.older()
            && self.depths.as_ref().is_none_or(|d| d.penalty(pair) == 0);
        if free {
            let (a, b) = (
                &self.occurrences[pair.newer() as usize],
                &self.occurrences[pair.older() as usize],
            );
            return self.layout.count_pairs(a, b, pair.distance(), pair.negate());
        }
        self.find(pair);
        self.places.len()
    }

    /// Lists the places of the newer signal at which the pair can be shared now, none of them
    /// overlapping.
    fn find(&mut self, pair: Pair) {
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let (layout, a, b) = (
            self.layout,
            &self.occurrences[pair.newer() as usize],
            &self.occurrences[pair.older() as usize],
        );
        layout.for_each_pair(a, b, pair.distance(), pair.negate(), |place| places.push(place));
        places.sort_unstable();
        if pair.newer() == pair.older() {
            let mut partners = Vec::new();
            places.retain(|&place| {
                let free = !partners.contains(&place);
                if free {
                    partners.push(
                        place.wrapping_add_signed(2 * pair.distance()) ^ u32::from(pair.negate()),
                    );
                }
                free
            });
        }
        if let Some(depths) = &self.depths
            && depths.penalty(pair) > 0
        {
            let penalty = depths.penalty(pair);
            // The slack left in the row of the last place.
            let (mut last, mut left) = (usize::MAX, 0);
            places.retain(|&place| {
                let row = layout.row(place);
                if row != last {
                    (last, left) = (row, depths.slack[row]);
                }
                let fits = left >= penalty;
                if fits {
                    left -= penalty;
                }
                fits
            });
        }
        self.places = places;
    }

    /// Makes the pair a signal and puts it in its places.
    fn share(&mut self, pair: Pair) {
        self.find(pair);
        let (layout, distance) = (self.layout, pair.distance());
        let signal = (self.sums.inputs + self.sums.nodes.len()) as u32;
        let (shift_a, shift_b) = ((-distance).max(0) as u32, distance.max(0) as u32);
        self.sums.nodes.push(vec![
            Summand::new(pair.newer(), shift_a, false),
            Summand::new(pair.older(), shift_b, pair.negate()),
        ]);
        if let Some(depths) = &mut self.depths {
            let penalty = depths.penalty(pair);
            depths
                .of
                .push(1 + depths.of[pair.newer() as usize].max(depths.of[pair.older() as usize]));
            for &place in &self.places {
                depths.slack[layout.row(place)] -= penalty;
            }
        }
        for place in &mut self.places {
            let partner = place.wrapping_add_signed(2 * distance) ^ u32::from(pair.negate());
            let row = layout.row(*place);
            for (signal, place) in [(pair.newer(), *place), (pair.older(), partner)] {
                layout.remove(&mut self.occurrences[signal as usize], place);
                let term = Summand::new(signal, layout.shift(place), place & 1 == 1);
                let (terms, places) = (&mut self.sums.outputs[row], &mut self.places_in_sums[row]);
                let at = places.remove(&term).expect("the row holds the term");
                terms.swap_remove(at as usize);
                if let Some(moved) = terms.get(at as usize) {
                    places.insert(*moved, at);
                }
            }
            *place -= 2 * shift_a;
            let term = Summand::new(signal, layout.shift(*place), *place & 1 == 1);
            self.places_in_sums[row].insert(term, self.sums.outputs[row].len() as u32);
            self.sums.outputs[row].push(term);
        }
        self.occurrences.push(layout.collect(self.places.clone()));
        self.spawn(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sums::reduce;
    use super::super::{Matrix, rng::Rng};
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Entries of all signs and a few shifts, so that pairs overlap and are told apart by their
    /// distance.
    fn sums(seed: u64, rows: usize, columns: usize) -> Sums {
        let mut rng = Rng::new(seed);
        let entry = || [0, 0, 1, -1, 1, -1, 3, 10][rng.below(8)];
        reduce(&Matrix::from_shape_simple_fn((rows, columns), entry)).sums
    }

    #[test]
    fn how_many_pairs_may_wait_changes_nothing() {
        for (seed, limit) in [(1, None), (2, Some(5)), (3, None), (4, Some(4))] {
            let sums = sums(seed, 12, 30);
            let [few, many] = [20, usize::MAX]
                .map(|most| share_with(sums.clone(), limit, Operands::Two, most, &|| false));
            assert!(many.nodes.len() > 20);
            assert_eq!((few.nodes, few.outputs), (many.nodes, many.outputs), "seed {seed}");
        }
    }

    #[test]
    fn a_pass_that_is_stopped_at_once_shares_nothing() {
        let sums = sums(5, 40, 200);
        let stopped = share_pairs(sums.clone(), None, Operands::Two, &|| true);
        assert_eq!((stopped.nodes.len(), stopped.outputs), (0, sums.outputs));
    }

    #[test]
    fn a_pass_that_is_stopped_in_its_turns_has_shared_what_came_first() {
        let sums = sums(5, 40, 200);
        let inputs: Vec<i64> = (0..200).map(|i| i * i % 101 - 50).collect();
        let whole = share_pairs(sums.clone(), None, Operands::Two, &|| false);
        // The pairs are listed: only the turns are left to look whether to stop.
        let polls_of_the_listing = sums.inputs.div_ceil(64);
        let polls = AtomicUsize::new(0);
        let stop = || polls.fetch_add(1, Ordering::Relaxed) >= polls_of_the_listing;
        let stopped = share_pairs(sums.clone(), None, Operands::Two, &stop);
        let shared = stopped.nodes.len();
        assert!(shared > 0 && shared < whole.nodes.len(), "{shared} of {}", whole.nodes.len());
        assert_eq!(stopped.nodes, whole.nodes[..shared]);
        assert_eq!(evaluated(&stopped, &inputs), evaluated(&sums, &inputs));
    }

    /// What the outputs are for these inputs.
    fn evaluated(sums: &Sums, inputs: &[i64]) -> Vec<i64> {
        let value = |values: &[i64], terms: &[Summand]| {
            let of = |term: &Summand| values[term.signal() as usize] << term.shift();
            terms.iter().map(|term| if term.negate() { -of(term) } else { of(term) }).sum::<i64>()
        };
        let mut values = inputs.to_vec();
        for node in &sums.nodes {
            values.push(value(&values, node));
        }
        sums.outputs.iter().map(|terms| value(&values, terms)).collect()
    }
}
