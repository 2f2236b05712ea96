//! Which outputs read which products: the groups that W_c falls into.

use super::Folding;
use super::build::Parts;
use crate::ir::Kernel;

/// Products that are looked at first.
const SAMPLE: usize = 4;

/// The channels that read each live product of a kernel. Where the outputs side by side that a
/// plain layer has read products of their own, the array of W_c need not hold the zeros of all
/// others, nor take a clock for them.
pub struct Readers {
    /// The group of W_c that each live row belongs to, where the kernel says that.
    own: Option<usize>,
    /// Output channels.
    channels: usize,
    /// First channel that reads each live row.
    first: Vec<usize>,
    /// Numbers of groups, the largest first, and the most live rows of one.
    groups: Vec<(usize, usize)>,
}

impl Readers {
    /// The readers of a kernel's products.
    pub fn of(kernel: &Kernel) -> Readers {
        let channels = kernel.output.channels;
        let groups = kernel.output_groups();
        let own = (kernel.groups > 1 || groups > 1).then_some(groups);
        let parts = if own.is_none() { Parts::of("", kernel).ok() } else { None };
        let Some(parts) = parts else {
            return Readers { own: Some(groups), channels, first: vec![], groups: vec![] };
        };
        // Mostly the first products say that outputs share them.
        let shared = |row: usize| {
            let readers = parts.w_c.column(row);
            let readers = readers.indexed_iter().filter(|(_, w)| **w != 0);
            let channels: Vec<usize> = readers.map(|(c, _)| c % channels).collect();
            let [first, last] = [channels.iter().min(), channels.iter().max()];
            first.zip(last).map(|(first, last)| (*first, *last))
        };
        let apart = |groups: usize| {
            let mut spans = (0..parts.indices.len().min(SAMPLE)).filter_map(shared);
            channels.is_multiple_of(groups)
                && spans.all(|(a, b)| a / (channels / groups) == b / (channels / groups))
        };
        if !(2..=channels).any(apart) {
            return Readers { own: Some(1), channels, first: vec![], groups: vec![] };
        }
        let mut spans = vec![(usize::MAX, 0); parts.indices.len()];
        for (c, row) in parts.w_c.outer_iter().enumerate() {
            let c = c % channels;
            for (span, _) in spans.iter_mut().zip(row).filter(|(_, w)| **w != 0) {
                *span = (span.0.min(c), span.1.max(c));
            }
        }
        let count = |groups: usize| {
            let mut rows = vec![0; groups];
            for (first, last) in &spans {
                let [first, last] =
                    [first, last].map(|c| c.min(&(channels - 1)) / (channels / groups));
                if first != last {
                    return None;
                }
                rows[first] += 1;
            }
            rows.into_iter().max().map(|most| (groups, most))
        };
        let groups = (1..=channels).rev().filter(|g| channels.is_multiple_of(*g)).filter_map(count);
        let groups = groups.collect();
        let first = spans.into_iter().map(|(first, _)| first.min(channels - 1)).collect();
        Readers { own: None, channels, first, groups }
    }

    /// In how many groups a folding with so many rows of W_b, made up to whole words, reads the
    /// products: the most that it fits without further rows of zeros.
    pub fn groups(&self, rows: usize, folding: Folding) -> usize {
        let Folding { pe, wc_pe, wc_simd, .. } = folding;
        let fits = |(groups, most): &&(usize, usize)| {
            let each = rows / groups;
            let whole = rows.is_multiple_of(*groups) && each.is_multiple_of(pe);
            let lanes =
                each.is_multiple_of(wc_simd) && (self.channels / groups).is_multiple_of(wc_pe);
            whole && lanes && *most <= each
        };
        self.own.or_else(|| Some(self.groups.iter().find(fits)?.0)).unwrap_or(1)
    }

    /// The live rows of each of so many groups, made up to `each`.
    pub fn rows(&self, groups: usize, each: usize) -> Vec<Option<usize>> {
        let mut all = vec![vec![]; groups];
        for (row, first) in self.first.iter().enumerate() {
            all[first / (self.channels / groups)].push(Some(row));
        }
        all.iter_mut().for_each(|rows| rows.resize(each, None));
        all.concat()
    }
}
