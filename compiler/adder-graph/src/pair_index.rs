//! How often each pair of terms occurs in the rows of a network.

use super::sums::{Pair, Summand};

/// Counters by hash, without keys. Pairs whose hashes collide are counted together, so that a count
/// is an upper bound: what is shared is always looked up in its rows first.
pub struct PairIndex {
    /// Occurrences in the upper bits, modulo 2^COUNT_BITS; below, the exclusive or of their rows:
    /// of two occurrences, one row tells the other. Small entries, since most of the search is
    /// looking up pairs that do not occur.
    entries: Vec<u32>,
    /// A bit for each entry that says whether it is not 0: these fit a cache.
    present: Vec<u64>,
    /// 64 - log2 of the number of entries.
    shift: u32,
    /// The number of pairs counted.
    pairs: usize,
}

const COUNT_BITS: u32 = 8;
const ROW_BITS: u32 = 32 - COUNT_BITS;
const ROW: u32 = (1 << ROW_BITS) - 1;

impl PairIndex {
    /// The index of `rows`.
    pub fn new(rows: &[Vec<Summand>]) -> Self {
        let pairs: usize =
            rows.iter().map(|terms| terms.len() * terms.len().saturating_sub(1) / 2).sum();
        // Where few slots are taken, few candidates are false.
        let bits = (8 * pairs.max(128)).next_power_of_two().trailing_zeros();
        let mut index = PairIndex {
            entries: vec![0; 1 << bits],
            present: vec![0; 1 << (bits - 6)],
            shift: 64 - bits,
            pairs: 0,
        };
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

    /// The number of rows that hold the pair, or more (modulo 2^8), and, where it is exact, the
    /// exclusive or of these rows.
    #[inline]
    pub fn get(&self, pair: Pair) -> (u32, u32) {
        let slot = self.slot(pair);
        if self.present[slot / 64] >> (slot % 64) & 1 == 0 {
            return (0, 0);
        }
        let entry = self.entries[slot];
        (entry >> ROW_BITS, entry & ROW)
    }

    /// Counts an occurrence; returns the new count.
    #[inline]
    pub fn insert(&mut self, pair: Pair, row: u32) -> u32 {
        self.pairs += 1;
        self.change(pair, row, 1 << ROW_BITS)
    }

    /// Takes an occurrence back.
    #[inline]
    pub fn remove(&mut self, pair: Pair, row: u32) {
        self.pairs -= 1;
        self.change(pair, row, (1u32 << ROW_BITS).wrapping_neg());
    }

    #[inline]
    fn change(&mut self, pair: Pair, row: u32, by: u32) -> u32 {
        let slot = self.slot(pair);
        let entry = &mut self.entries[slot];
        *entry = entry.wrapping_add(by) ^ (row & ROW);
        let count = *entry >> ROW_BITS;
        let bit = 1 << (slot % 64);
        match count {
            0 => self.present[slot / 64] &= !bit,
            _ => self.present[slot / 64] |= bit,
        }
        count
    }
}
