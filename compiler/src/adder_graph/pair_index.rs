//! How often each pair of terms occurs in the rows of a network.

use super::sums::{Pair, Summand};

/// Counters by hash, without keys. Pairs whose hashes collide are counted together, so that a count is an upper bound:
/// what is shared is always looked up in its rows first.
pub struct PairIndex {
    /// Occurrences, and the exclusive or of their rows: of two occurrences, one row tells the other.
    entries: Vec<(u32, u32)>,
    /// 64 - log2 of the number of entries.
    shift: u32,
    /// Pairs counted.
    pairs: usize,
}

impl PairIndex {
    /// The index of `rows`.
    pub fn new(rows: &[Vec<Summand>]) -> Self {
        let pairs: usize = rows.iter().map(|terms| terms.len() * terms.len().saturating_sub(1) / 2).sum();
        // Where few slots are taken, few candidates are false.
        let bits = (8 * pairs.max(128)).next_power_of_two().trailing_zeros();
        let mut index = PairIndex { entries: vec![(0, 0); 1 << bits], shift: 64 - bits, pairs: 0 };
        for (row, terms) in rows.iter().enumerate() {
            for (k, &a) in terms.iter().enumerate() {
                for &b in &terms[..k] {
                    index.insert(Pair::of(a, b), row as u32);
                }
            }
        }
        index
    }

    /// Whether so many pairs have come since that a new index would serve better.
    pub fn is_crowded(&self) -> bool {
        self.pairs * 3 > self.entries.len()
    }

    #[inline]
    fn slot(&self, pair: Pair) -> usize {
        (pair.word().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// At least the number of rows that hold the pair, and, if it is exact, the exclusive or of these rows.
    #[inline]
    pub fn get(&self, pair: Pair) -> (u32, u32) {
        self.entries[self.slot(pair)]
    }

    /// Counts an occurrence; returns the new count.
    #[inline]
    pub fn insert(&mut self, pair: Pair, row: u32) -> u32 {
        let slot = self.slot(pair);
        let entry = &mut self.entries[slot];
        entry.0 += 1;
        entry.1 ^= row;
        self.pairs += 1;
        entry.0
    }

    /// Takes an occurrence back.
    #[inline]
    pub fn remove(&mut self, pair: Pair, row: u32) {
        let slot = self.slot(pair);
        let entry = &mut self.entries[slot];
        entry.0 -= 1;
        entry.1 ^= row;
        self.pairs -= 1;
    }
}
