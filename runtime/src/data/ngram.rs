//! Smoothed n-grams: what a language model must be better than.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Orders, at most: contexts of one character fewer.
const MOST: usize = 5;

/// An interpolated Kneser-Ney model of a sequence (Chen & Goodman 1999), one discount for each
/// order, n1 / (n1 + 2 n2).
pub struct Ngram {
    /// The counts of each order from 1 on.
    orders: Vec<Order>,
    alphabet: usize,
}

/// Counts of n-grams, and of what follows their contexts.
#[derive(Default)]
struct Order {
    /// How often each n-gram stands; in lower orders, after how many different characters.
    counts: HashMap<u128, u32>,
    /// The contexts: the sum of the counts of each, and how many different characters follow it.
    contexts: HashMap<u128, (u32, u32)>,
    discount: f64,
}

/// Characters as one number; of at most five, each below 2^16.
fn key(gram: &[u32]) -> u128 {
    gram.iter().fold(gram.len() as u128, |key, &c| key << 16 | u128::from(c))
}

impl Ngram {
    /// Counts a sequence of characters below `alphabet`, at most 2^16; `n` is the order, 1..=5.
    pub fn new(text: &[u32], n: usize, alphabet: usize) -> Ngram {
        let n = n.clamp(1, MOST);
        let mut orders: Vec<Order> = (0..n).map(|_| Order::default()).collect();
        for gram in text.windows(n) {
            *orders[n - 1].counts.entry(key(gram)).or_default() += 1;
        }
        // An n-gram of a lower order counts once for each character that it follows.
        for m in (1..n).rev() {
            let mut counts = HashMap::new();
            let mut seen: HashMap<u128, ()> = HashMap::new();
            for gram in text.windows(m + 1) {
                if let Entry::Vacant(vacant) = seen.entry(key(gram)) {
                    vacant.insert(());
                    *counts.entry(key(&gram[1..])).or_default() += 1;
                }
            }
            orders[m - 1].counts = counts;
        }
        for (m, order) in orders.iter_mut().enumerate() {
            let mut of_count = [0u64; 2];
            let context_of =
                |gram: u128| (gram >> 16 & !(0xffff << (16 * m))) | (m as u128) << (16 * m);
            for (&gram, &count) in &order.counts {
                let context = order.contexts.entry(context_of(gram)).or_default();
                context.0 += count;
                context.1 += 1;
                if let Some(n) = of_count.get_mut(count as usize - 1) {
                    *n += 1;
                }
            }
            let [n1, n2] = of_count.map(|n| n as f64);
            order.discount = if n1 > 0.0 { n1 / (n1 + 2.0 * n2) } else { 0.0 };
        }
        Ngram { orders, alphabet }
    }

    /// The probability of `next` after `before`, of which the last characters count.
    pub fn probability(&self, before: &[u32], next: u32) -> f64 {
        let mut p = 1.0 / self.alphabet.max(1) as f64;
        for (m, order) in self.orders.iter().enumerate() {
            let Some(from) = before.len().checked_sub(m) else { break };
            let context = &before[from..];
            let Some(&(total, followers)) = order.contexts.get(&key(context)) else { break };
            let mut gram = [0; MOST];
            gram[..m].copy_from_slice(context);
            gram[m] = next;
            let count = order.counts.get(&key(&gram[..=m])).copied().unwrap_or(0);
            let kept = (f64::from(count) - order.discount).max(0.0);
            p = (kept + order.discount * f64::from(followers) * p) / f64::from(total);
        }
        p
    }

    /// Bits per character of a text: the mean of -log2 of the probability of each character but the
    /// first.
    pub fn bits(&self, text: &[u32]) -> f64 {
        let of = |i: usize| -self.probability(&text[i.saturating_sub(MOST)..i], text[i]).log2();
        (1..text.len()).map(of).sum::<f64>() / text.len().saturating_sub(1).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Vec<u32> {
        // A drawn-out sequence of four characters that depends on its past.
        let mut state = 7u32;
        let next = |_| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            let noise = state >> 29;
            if noise < 5 { (state >> 16) % 3 } else { 3 }
        };
        (0..5000).map(next).collect()
    }

    #[test]
    fn probabilities_sum_to_one_in_every_context() {
        let text = text();
        for n in 1..=5 {
            let model = Ngram::new(&text, n, 5);
            for i in [0, 1, 2, 3, 10, 400] {
                // 4 never stands in the text, and [4, 4] is no context.
                for before in [&text[..i], &[4, 4][..], &[4, 0][..]] {
                    let sum: f64 = (0..5).map(|next| model.probability(before, next)).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "order {n} after {before:?}: {sum}");
                }
            }
        }
    }

    #[test]
    fn contexts_help_where_there_is_something_in_them() {
        let text: Vec<u32> = (0..3000u32).map(|i| (i % 7 + i % 3) % 5).collect();
        let bits: Vec<f64> =
            (1..=5).map(|n| Ngram::new(&text[..2000], n, 5).bits(&text[2000..])).collect();
        assert!(bits.windows(2).all(|pair| pair[1] < pair[0]) && bits[4] < 0.1, "{bits:?}");
    }

    /// The figures by hand: "abab", order 2, alphabet of 3. Bigrams ab 2, ba 1: n1 = n2 = 1,
    /// discount 1/3. Unigrams follow: b one, a one.
    #[test]
    fn a_small_text_by_hand() {
        let model = Ngram::new(&[0, 1, 0, 1], 2, 3);
        // Order 1: both once, total 2, discount 1: (0 + 1·2·1/3) / 2 = 1/3.
        assert!((model.probability(&[], 0) - 1.0 / 3.0).abs() < 1e-12);
        // (2 - 1/3 + 1/3·1·1/3) / 2.
        assert!((model.probability(&[0], 1) - (5.0 / 3.0 + 1.0 / 9.0) / 2.0).abs() < 1e-12);
    }
}
