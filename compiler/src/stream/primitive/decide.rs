//! What decides on scores: the indices of the largest, and what is above a bound.

use super::folded::Sums;
use super::{Ends, Part, Pipe, Size, State, counter, product, users};
use crate::emit::signature::Frames;
use crate::figures::Cells;
use crate::stream::Stream;
use strassenc_runtime::error::count;

/// The indices of the largest elements of each pixel, as many as its words have elements; see
/// [`Kind::Best`](crate::ir::Kind::Best).
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Words of a pixel.
    pub words: usize,
}

/// Whether each element is above a bound; see [`Kind::Threshold`](crate::ir::Kind::Threshold).
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The bound.
    pub above: i64,
}

/// Levels of a tree over the elements of a word.
fn levels(x: &Stream) -> u32 {
    x.lanes.next_power_of_two().trailing_zeros()
}

impl Part for Best {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_best", "strassenc_merge"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, product([ends.z().words, self.words])]]
    }

    fn banner(&self, ends: &Ends) -> String {
        let scores = count(product([ends.x().lanes, self.words]), "score");
        match ends.z().lanes {
            1 => format!("The largest of {scores}"),
            k => format!("The {k} largest of {scores}"),
        }
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (x, z) = (ends.x(), ends.z());
        format!(
            ".LANES({}), .X_BITS({}), .X_SIGNED({}), .WORDS({}), .K({}), .Z_BITS({})",
            x.lanes,
            x.format.bits,
            u8::from(x.format.signed),
            self.words,
            z.lanes,
            z.format.bits
        )
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Sums::of(levels(ends.x()), self.words))
    }

    fn size(&self, ends: &Ends) -> Size {
        let (x, k) = (ends.x(), ends.z().lanes);
        let (key, index) = (x.format.bits as usize, ends.z().format.bits as usize);
        let lane = counter(x.lanes).max(1);
        let (mut held, mut work) = (levels(x) as usize + 2, 0);
        // What each node of the tree keeps, level by level.
        let kept = |level: u32, node: usize| {
            let own = (x.lanes - (node << level)).min(1 << level);
            own.min(k)
        };
        for level in 1..=levels(x) {
            for node in 0..x.lanes.div_ceil(1 << level) {
                let best = kept(level, node);
                // Of a lane's number only the low bits vary; of the one word's best no element is
                // read.
                let last = level == levels(x) && self.words == 1;
                held += best * (level as usize + if last { 0 } else { key });
                let right = 2 * node + 1;
                if right << (level - 1) < x.lanes {
                    let sides = [2 * node, right].map(|below| kept(level - 1, below));
                    work += merged(sides, best, (key, lane));
                }
            }
        }
        let of_word = x.lanes.min(k);
        let mut control = 0;
        if self.words == 1 {
            held += ends.z().bits();
        } else {
            held += k * (1 + key + index);
            work += of_word * index + merged([k, of_word], k, (1 + key, index));
            control = counter(self.words) + index;
        }
        Size::new(held, control, work).and(users(levels(x) as usize + 1))
    }
}

/// Bits that are computed or chosen where two lists become one of so many entries: comparisons, and
/// for each place a choice of the entries that may be there.
fn merged([a, b]: [usize; 2], count: usize, (key, tag): (usize, usize)) -> usize {
    let pairs = (0..a).map(|i| b.min(count.saturating_sub(i))).sum::<usize>();
    let choices: usize = (0..count).map(|p| (p + 1).min(a) + (p + 1).min(b) - 1).sum();
    pairs * key.div_ceil(2) + choices * (key + tag)
}

impl Part for Threshold {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_threshold"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        vec![[x.words, z.words], [x.lanes, z.lanes], [z.format.bits as usize, 1]]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("Whether each score is above {}", self.above)
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let x = ends.x();
        // Of what lies beyond all elements the nearest says the same.
        let above = self.above.clamp(x.format.min() - 1, x.format.max());
        let bits = x.format.bits + 1;
        format!(
            ".LANES({}), .X_BITS({}), .X_SIGNED({}), .ABOVE({bits}'h{:x})",
            x.lanes,
            x.format.bits,
            u8::from(x.format.signed),
            above as u64 & (u64::MAX >> (64 - bits))
        )
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(1, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let x = ends.x();
        // A comparison with a constant: a LUT for every few bits.
        let luts = |bits: usize| (x.lanes * (x.format.bits as usize).div_ceil(bits)) as u64;
        let cells = Cells { luts4: luts(3), luts6: luts(4), ..Cells::default() };
        Size::new(ends.z().bits() + 1, 0, 0).and(users(1)).and(cells)
    }
}
