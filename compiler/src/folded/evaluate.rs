//! The meaning of a folded layer: the words of its ROMs, one after the other, at the declared widths.

use super::{Array, Folded};
use crate::circuit::wrap;

/// The outputs for one window; its elements in the order of (row, column, channel), of `channels` channels.
pub fn evaluate(folded: &Folded, window: &[i64], channels: usize) -> Vec<i64> {
    let per_group = channels / folded.groups;
    // What the reader yields: for each group the words of every tap, once for each block of rows.
    let blocks = folded.wb.results() / folded.groups;
    let words = (0..folded.groups).flat_map(|group| {
        (0..blocks).flat_map(move |_| {
            window.chunks(channels).flat_map(move |pixel| pixel[group * per_group..(group + 1) * per_group].iter())
        })
    });
    let u = sums(&folded.wb, words.copied());
    let bank = &folded.bank;
    let m: Vec<i64> = (u.iter().zip(bank.factors()))
        .map(|(u, a)| {
            let half = if bank.shift > 0 { 1i128 << (bank.shift - 1) } else { 0 };
            let product = (i128::from(*u) * a + half) >> bank.shift;
            wrap(product as i64, bank.product_bits, true)
        })
        .collect();
    let repeated = (0..folded.wc.results()).flat_map(|_| m.iter().copied());
    let requantiser = &folded.requantiser;
    (sums(&folded.wc, repeated).iter().zip(&requantiser.entries))
        .map(|(y, (amount, constant))| {
            let sum = wrap((y << requantiser.left) + constant, requantiser.sum_bits, true);
            folded.output.saturate(sum >> (requantiser.base + amount))
        })
        .collect()
}

/// All results of an array, in order.
fn sums(array: &Array, mut x: impl Iterator<Item = i64>) -> Vec<i64> {
    let word = array.rows * array.lanes;
    let mut results = vec![];
    for result in array.weights.chunks(word * array.sums) {
        let mut sums = vec![0i64; array.rows];
        for weights in result.chunks(word) {
            let x: Vec<i64> = x.by_ref().take(array.lanes).collect();
            for (sum, weights) in sums.iter_mut().zip(weights.chunks(array.lanes)) {
                *sum += weights.iter().zip(&x).map(|(w, x)| i64::from(*w) * x).sum::<i64>();
            }
        }
        results.extend(sums.iter().map(|sum| wrap(*sum, array.bits, true)));
    }
    results
}
