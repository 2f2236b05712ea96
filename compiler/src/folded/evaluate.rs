//! The meaning of a folded layer: the words of its ROMs, one after the other, at the declared
//! widths.

use super::{Array, FilterStep, Folded, Positions};
use crate::circuit::wrap;
use crate::ir::Kernel;

/// The outputs of a kernel for one window, or one word; its elements in the order of (row, column,
/// channel).
pub fn evaluate(folded: &Folded, kernel: &Kernel, x: &[i64]) -> Vec<i64> {
    let (channels, pixels) = (kernel.input.channels, kernel.patch.area());
    let u = match &folded.positions {
        Some(positions) => largest(&folded.wb, positions, x),
        None => {
            let per_group = channels / folded.groups;
            // What the reader yields: for each group the words of every tap, once for each block of
            // rows.
            let blocks = folded.wb.results() / folded.groups;
            let words = (0..folded.groups).flat_map(|group| {
                (0..blocks).flat_map(move |_| {
                    x.chunks(channels).flat_map(move |pixel| {
                        pixel[group * per_group..(group + 1) * per_group].iter()
                    })
                })
            });
            sums(&folded.wb, words.copied())
        }
    };
    let bank = &folded.bank;
    let m: Vec<i64> = (u.iter().zip(bank.factors()))
        .map(|(u, a)| {
            let half = if bank.shift > 0 { 1i128 << (bank.shift - 1) } else { 0 };
            let product = (i128::from(*u) * a + half) >> bank.shift;
            wrap(product as i64, bank.product_bits, true)
        })
        .collect();
    let y = match &folded.wc {
        Some(wc) => {
            // The products of a group for all its outputs of a pixel, group by group.
            let groups = folded.output_groups();
            let repeats = wc.results() / (pixels * groups);
            let read = m.chunks(m.len() / groups).flat_map(|m| (0..repeats).flat_map(move |_| m));
            sums(wc, (0..pixels).flat_map(|_| read.clone()).copied())
        }
        None => m,
    };
    let requantiser = &folded.requantiser;
    (y.iter().zip(&requantiser.entries))
        .map(|(y, (amount, constant))| {
            let sum = wrap((y << requantiser.left) + constant, requantiser.sum_bits, true);
            folded.output.saturate(sum >> (requantiser.base + amount))
        })
        .collect()
}

/// The results of an array, in order.
fn sums(array: &Array, mut x: impl Iterator<Item = i64>) -> Vec<i64> {
    array.blocks().flat_map(|weights| result(array, weights, &mut x)).collect()
}

/// The largest sum of each row over a word.
fn largest(array: &Array, positions: &Positions, word: &[i64]) -> Vec<i64> {
    let Positions { characters, words, count, .. } = *positions;
    let e = word.len() / characters;
    let mut weights = array.weights.as_slice();
    let block = |step: FilterStep| {
        let own = step.taps * words * array.rows * array.lanes;
        let weights = weights.split_off(..own).unwrap_or_default();
        let mut largest = vec![i64::MIN; array.rows];
        for first in (0..count).map(|position| position.min(step.last)) {
            let mut window = word[first * e..(first + step.taps) * e].iter().copied();
            for (largest, u) in largest.iter_mut().zip(result(array, weights, &mut window)) {
                *largest = u.max(*largest);
            }
        }
        largest
    };
    positions.step_of_each().flat_map(block).collect()
}

/// One result of an array: the words of x that it takes meet `weights`.
fn result(array: &Array, weights: &[i8], x: &mut impl Iterator<Item = i64>) -> Vec<i64> {
    let mut sums = vec![0i64; array.rows];
    for weights in weights.chunks(array.rows * array.lanes) {
        let x: Vec<i64> = x.by_ref().take(array.lanes).collect();
        for (sum, weights) in sums.iter_mut().zip(weights.chunks(array.lanes)) {
            *sum += weights.iter().zip(&x).map(|(w, x)| i64::from(*w) * x).sum::<i64>();
        }
    }
    sums.iter().map(|sum| wrap(*sum, array.bits, true)).collect()
}
