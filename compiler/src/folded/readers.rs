//! Which outputs read which products: the groups that W_c falls into.

use super::Folding;
use super::build::Parts;
use crate::ir::Kernel;

/// The channels that read each live product of a kernel. Where the outputs side by side that a
/// plain layer has read products of their own, the array of W_c need not hold the zeros of all
/// others, nor take a clock for them.
pub struct Readers {
    /// How many groups there are, where no folding changes that.
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
        let settled =
            |groups| Readers { own: Some(groups), channels, first: vec![], groups: vec![] };
        let (1, 1, Ok(parts)) = (kernel.groups, groups, Parts::of("", kernel)) else {
            return settled(groups);
        };
        let mut groups: Vec<usize> =
            (1..=channels).rev().filter(|g| channels.is_multiple_of(*g)).collect();
        let mut first = vec![];
        for row in parts.w_c.columns() {
            let readers = row.indexed_iter().filter(|(_, w)| **w != 0).map(|(c, _)| c % channels);
            let (least, most) = readers.fold((channels - 1, 0), |(a, b), c| (a.min(c), b.max(c)));
            let most = most.max(least);
            groups.retain(|g| least / (channels / g) == most / (channels / g));
            // Mostly the first products say that outputs share them.
            if groups.len() == 1 {
                return settled(1);
            }
            first.push(least);
        }
        let most = |g: usize| {
            let mut rows = vec![0; g];
            first.iter().for_each(|c| rows[c / (channels / g)] += 1);
            rows.into_iter().max().unwrap_or(0)
        };
        let groups = groups.into_iter().map(|g| (g, most(g))).collect();
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
