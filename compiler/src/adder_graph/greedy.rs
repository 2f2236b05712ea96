//! Greedy sharing: the two-term sum that occurs most often becomes a signal, until none occurs twice.
//!
//! After Hartley, "Subexpression sharing in filters using canonic signed digit multipliers" (1996). A pair of signals can
//! only lose occurrences while other pairs are shared, so each is counted once, when the newer of the two signals appears,
//! waits in the bucket of that count, and is counted again only when its turn comes. Among equals the newest signal's turn
//! comes first, which grows long common sums.

use super::occurrences::{Layout, Occurrences};
use super::sums::{Pair, Summand, Sums};

/// The state of one greedy pass.
struct Greedy {
    sums: Sums,
    layout: Layout,
    /// Of each signal.
    occurrences: Vec<Occurrences>,
    /// Under a depth limit.
    depths: Option<Depths>,
    /// Waiting pairs by an upper bound of their count.
    buckets: Vec<Vec<Pair>>,
    /// Scratch of [`Greedy::spawn`]: counts by (signal, distance, sign).
    counts: Vec<u32>,
    touched: Vec<u32>,
    places: Vec<u32>,
}

/// Depths under a limit, after Kraft's inequality for adder trees: terms of depths d can be added up within the limit if
/// Σ 2^d ≤ 2^limit.
struct Depths {
    /// Of each signal.
    of: Vec<u32>,
    /// Of each sum: 2^limit - Σ 2^depth of its terms.
    slack: Vec<u64>,
}

impl Depths {
    /// What a sum loses of its slack when these signals are added first.
    fn penalty(&self, pair: Pair) -> u64 {
        (1u64 << self.of[pair.newer() as usize]).abs_diff(1u64 << self.of[pair.older() as usize])
    }
}

/// Shares two-term sums among the outputs of `sums`, which has no nodes yet. With a limit, every output can still be added
/// up in `limit` adders' depth, if it could before.
pub fn share_pairs(sums: Sums, limit: Option<u32>) -> Sums {
    debug_assert!(sums.nodes.is_empty());
    let mut greedy = Greedy::new(sums, limit.filter(|&limit| limit < 48));
    let mut level = greedy.buckets.len();
    while level > 2 {
        level -= 1;
        // Later arrivals at this level belong to newer signals: they go on top, which keeps the order.
        greedy.buckets[level].sort_unstable();
        while let Some(pair) = greedy.buckets[level].pop() {
            match greedy.count(pair) {
                n if n == level => greedy.share(pair),
                n if n >= 2 => greedy.buckets[n].push(pair),
                _ => {}
            }
        }
        greedy.buckets.truncate(level);
    }
    greedy.sums
}

impl Greedy {
    fn new(sums: Sums, limit: Option<u32>) -> Self {
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
            slack: sums.outputs.iter().map(|t| (1u64 << limit).saturating_sub(t.len() as u64)).collect(),
        });
        let mut greedy = Greedy {
            occurrences: occurrences.collect(),
            sums,
            layout,
            depths,
            buckets: vec![Vec::new(); 3],
            counts: Vec::new(),
            touched: Vec::new(),
            places: Vec::new(),
        };
        for signal in 0..greedy.sums.inputs {
            greedy.list(signal as u32);
            greedy.spawn(signal as u32);
        }
        greedy
    }

    /// Puts the places of a signal into the scratch list.
    fn list(&mut self, signal: u32) {
        self.places.clear();
        let occurrences = &self.occurrences[signal as usize];
        self.layout.for_each_pair(occurrences, occurrences, 0, false, |place| self.places.push(place));
    }

    /// Counts the pairs of `signal`, whose places are listed, with itself and all older ones, and lets those that occur
    /// twice wait.
    fn spawn(&mut self, signal: u32) {
        // Distances -span..=span, two signs each.
        let (layout, span) = (self.layout, self.layout.span() as usize);
        let kinds = 2 * (2 * span + 1);
        self.counts.resize((signal as usize + 1) * kinds, 0);
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
                self.counts[kind] += 1;
                if self.counts[kind] == 1 {
                    self.touched.push(kind as u32);
                }
            }
        }
        let most = self.places.len() + 1;
        if most > self.buckets.len() {
            self.buckets.resize(most, Vec::new());
        }
        self.touched.retain(|&kind| {
            let kept = self.counts[kind as usize] >= 2;
            if !kept {
                self.counts[kind as usize] = 0;
            }
            kept
        });
        self.touched.sort_unstable();
        for &kind in &self.touched {
            let kind = kind as usize;
            let count = std::mem::take(&mut self.counts[kind]) as usize;
            let distance = (kind % kinds / 2) as i32 - span as i32;
            self.buckets[count].push(Pair::new(signal, (kind / kinds) as u32, distance, kind % 2 == 1));
        }
        self.touched.clear();
    }

    /// Counts the places at which the pair can be shared now.
    fn count(&mut self, pair: Pair) -> usize {
        let free = pair.newer() != pair.older() && self.depths.as_ref().is_none_or(|d| d.penalty(pair) == 0);
        if free {
            let (a, b) = (&self.occurrences[pair.newer() as usize], &self.occurrences[pair.older() as usize]);
            return self.layout.count_pairs(a, b, pair.distance(), pair.negate());
        }
        self.find(pair);
        self.places.len()
    }

    /// Lists the places of the newer signal at which the pair can be shared now, none of them overlapping.
    fn find(&mut self, pair: Pair) {
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let (layout, a, b) =
            (self.layout, &self.occurrences[pair.newer() as usize], &self.occurrences[pair.older() as usize]);
        layout.for_each_pair(a, b, pair.distance(), pair.negate(), |place| places.push(place));
        places.sort_unstable();
        if pair.newer() == pair.older() {
            let mut partners = Vec::new();
            places.retain(|&place| {
                let free = !partners.contains(&place);
                if free {
                    partners.push(place.wrapping_add_signed(2 * pair.distance()) ^ u32::from(pair.negate()));
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
        self.sums
            .nodes
            .push(vec![Summand::new(pair.newer(), shift_a, false), Summand::new(pair.older(), shift_b, pair.negate())]);
        if let Some(depths) = &mut self.depths {
            let penalty = depths.penalty(pair);
            depths.of.push(1 + depths.of[pair.newer() as usize].max(depths.of[pair.older() as usize]));
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
                let terms = &mut self.sums.outputs[row];
                let at = terms.iter().position(|&t| t == term).expect("the row holds the term");
                terms.swap_remove(at);
            }
            *place -= 2 * shift_a;
            self.sums.outputs[row].push(Summand::new(signal, layout.shift(*place), *place & 1 == 1));
        }
        self.occurrences.push(layout.collect(self.places.clone()));
        self.spawn(signal);
    }
}
