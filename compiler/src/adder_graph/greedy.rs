//! Greedy sharing: the two-term sum that occurs most often becomes a signal, until none occurs twice.
//!
//! After Hartley, "Subexpression sharing in filters using canonic signed digit multipliers" (1996). A pair of signals can
//! only lose occurrences while other pairs are shared, so each is counted once, when the newer of the two signals appears,
//! waits in the bucket of that count, and is counted again only when its turn comes.

use super::sums::{Pair, Summand, Sums};

/// Where a signal occurs: position `row · stride + shift`, with the sign in the lowest bit; sorted.
type Occurrences = Vec<u64>;

/// The state of one greedy pass.
struct Greedy {
    sums: Sums,
    occurrences: Vec<Occurrences>,
    depths: Vec<u32>,
    /// Per row: 2^limit - Σ 2^depth of its terms; a row can be added up within the limit as long as this is not negative.
    slack: Option<Vec<u64>>,
    /// Positions per row, so that no distance leads into another row.
    stride: u64,
    /// Waiting pairs by an upper bound of their count.
    buckets: Vec<Vec<Pair>>,
    /// Scratch of [`Greedy::spawn`]: counts by (signal, distance, sign).
    counts: Vec<u32>,
    touched: Vec<usize>,
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
        let mut bucket = std::mem::take(&mut greedy.buckets[level]);
        bucket.sort_unstable();
        greedy.buckets[level] = bucket;
        while let Some(pair) = greedy.buckets[level].pop() {
            let places = greedy.places(pair);
            match places.len() {
                n if n == level => greedy.share(pair, &places),
                n if n >= 2 => greedy.buckets[n].push(pair),
                _ => {}
            }
        }
    }
    greedy.sums
}

impl Greedy {
    fn new(sums: Sums, limit: Option<u32>) -> Self {
        let digits = sums.outputs.iter().flatten().map(|t| t.shift()).max().unwrap_or(0);
        let mut occurrences = vec![Occurrences::new(); sums.inputs];
        let stride = u64::from(2 * digits + 1);
        for (row, terms) in sums.outputs.iter().enumerate() {
            for term in terms {
                let position = row as u64 * stride + u64::from(term.shift());
                occurrences[term.signal() as usize].push(position << 1 | u64::from(term.negate()));
            }
        }
        for list in &mut occurrences {
            list.sort_unstable();
        }
        let slack =
            limit.map(|limit| sums.outputs.iter().map(|t| (1u64 << limit).saturating_sub(t.len() as u64)).collect());
        let inputs = sums.inputs;
        let mut greedy = Greedy {
            sums,
            occurrences,
            depths: vec![0; inputs],
            slack,
            stride,
            buckets: vec![Vec::new(); 3],
            counts: Vec::new(),
            touched: Vec::new(),
        };
        for signal in 0..inputs {
            greedy.spawn(signal as u32);
        }
        greedy
    }

    fn row(&self, occurrence: u64) -> usize {
        (occurrence / (2 * self.stride)) as usize
    }

    fn shift(&self, occurrence: u64) -> u32 {
        (occurrence / 2 % self.stride) as u32
    }

    /// What a row loses of its slack when these signals are added first.
    fn penalty(&self, a: u32, b: u32) -> u64 {
        if self.slack.is_none() {
            return 0;
        }
        (1u64 << self.depths[a as usize]).abs_diff(1u64 << self.depths[b as usize])
    }

    /// Counts the pairs of `signal` with itself and all older ones, and lets those that occur twice wait.
    fn spawn(&mut self, signal: u32) {
        // Distances -span..=span, two signs each.
        let span = (self.stride as usize - 1) / 2;
        let kinds = 2 * (2 * span + 1);
        self.counts.resize((signal as usize + 1) * kinds, 0);
        for &occurrence in &self.occurrences[signal as usize] {
            let (row, shift) = (self.row(occurrence), self.shift(occurrence));
            for term in &self.sums.outputs[row] {
                let older = term.signal();
                if older > signal || older == signal && term.shift() <= shift {
                    continue;
                }
                if let Some(slack) = &self.slack
                    && slack[row] < self.penalty(signal, older)
                {
                    continue;
                }
                let distance = term.shift() as usize + span - shift as usize;
                let negate = term.negate() ^ (occurrence & 1 == 1);
                let kind = older as usize * kinds + 2 * distance + usize::from(negate);
                self.counts[kind] += 1;
                if self.counts[kind] == 1 {
                    self.touched.push(kind);
                }
            }
        }
        self.touched.sort_unstable();
        for &kind in &self.touched {
            let count = std::mem::take(&mut self.counts[kind]) as usize;
            if count < 2 {
                continue;
            }
            let distance = (kind % kinds / 2) as i32 - span as i32;
            if count >= self.buckets.len() {
                self.buckets.resize(count + 1, Vec::new());
            }
            self.buckets[count].push(Pair::new(signal, (kind / kinds) as u32, distance, kind % 2 == 1));
        }
        self.touched.clear();
    }

    /// The occurrences of the newer signal at which the pair can be shared now, none of them overlapping.
    fn places(&self, pair: Pair) -> Vec<u64> {
        let (newer, older) = (&self.occurrences[pair.newer() as usize], &self.occurrences[pair.older() as usize]);
        let step = 2 * i64::from(pair.distance());
        let penalty = self.penalty(pair.newer(), pair.older());
        let mut places: Vec<u64> = Vec::new();
        let mut used: Vec<u64> = Vec::new();
        // The slack left in the row of the last place.
        let (mut last_row, mut left) = (usize::MAX, 0);
        let mut k = 0;
        for &occurrence in newer {
            let partner = (occurrence as i64 + step) as u64 ^ u64::from(pair.negate());
            while k < older.len() && older[k] | 1 < partner | 1 {
                k += 1;
            }
            if k == older.len() {
                break;
            }
            if older[k] != partner {
                continue;
            }
            if pair.newer() == pair.older() && used.contains(&occurrence) {
                continue;
            }
            if let Some(slack) = &self.slack {
                let row = self.row(occurrence);
                if row != last_row {
                    (last_row, left) = (row, slack[row]);
                }
                if left < penalty {
                    continue;
                }
                left -= penalty;
            }
            places.push(occurrence);
            used.push(partner);
        }
        places
    }

    /// Makes the pair a signal and puts it in its places.
    fn share(&mut self, pair: Pair, places: &[u64]) {
        let (a, b, distance) = (pair.newer(), pair.older(), pair.distance());
        let signal = (self.sums.inputs + self.sums.nodes.len()) as u32;
        let (shift_a, shift_b) = ((-distance).max(0) as u32, distance.max(0) as u32);
        self.sums.nodes.push(vec![Summand::new(a, shift_a, false), Summand::new(b, shift_b, pair.negate())]);
        let depth = 1 + self.depths[a as usize].max(self.depths[b as usize]);
        let penalty = self.penalty(a, b);
        self.depths.push(depth);
        let mut occurrences = Occurrences::with_capacity(places.len());
        for &place in places {
            let partner = (place as i64 + 2 * i64::from(distance)) as u64 ^ u64::from(pair.negate());
            for (signal, occurrence) in [(a, place), (b, partner)] {
                let list = &mut self.occurrences[signal as usize];
                let at = list.binary_search(&occurrence).expect("the signal occurs in its places");
                list.remove(at);
                let (row, term) =
                    (self.row(occurrence), Summand::new(signal, self.shift(occurrence), occurrence & 1 == 1));
                let terms = &mut self.sums.outputs[row];
                let at = terms.iter().position(|&t| t == term).expect("the row holds the term");
                terms.swap_remove(at);
            }
            let (row, shift) = (self.row(place), self.shift(place) - shift_a);
            self.sums.outputs[row].push(Summand::new(signal, shift, place & 1 == 1));
            occurrences.push(place - 2 * u64::from(shift_a));
            if let Some(slack) = &mut self.slack {
                slack[row] -= penalty;
            }
        }
        self.occurrences.push(occurrences);
        self.spawn(signal);
    }
}
