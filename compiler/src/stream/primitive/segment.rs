//! Pipelines that the compiler makes itself.

use super::{Around, Ends, Fifo, Part, Size, State, counter, users};
use crate::emit::signature::Frames;
use crate::figures::Cells;
use std::ops::RangeInclusive;

/// A free-running pipeline: the kernels of layers that follow one another, credits in front of them
/// and a FIFO behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The numbers of the layers.
    pub layers: RangeInclusive<usize>,
    /// Clocks from input to output.
    pub stages: u32,
    /// Words that are under way or wait in the FIFO, at most.
    pub depth: usize,
}

impl Segment {
    /// The depth with which it takes a word each clock: a word's slot is free again in the clock
    /// after it was taken.
    pub fn full_rate(&self) -> usize {
        self.stages as usize + 1
    }
}

impl Part for Segment {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_segment", "strassenc_fifo"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, ends.z().words]]
    }

    fn banner(&self, _: &Ends) -> String {
        let Segment { layers, stages, depth } = self;
        let of = match layers.clone().count() {
            1 => "The SPN of a window".into(),
            n => format!("{n} layers"),
        };
        format!("{of}: a free-running pipeline of {stages} stages, {depth} words at most")
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".STAGES({}), .BITS({}), .DEPTH({})", self.stages, ends.z().bits(), self.depth)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        let under_way = vec![false; self.stages as usize - 1];
        Box::new(Credits { given: 0, depth: self.depth, under_way, next: 0, waiting: 0 })
    }

    fn size(&self, ends: &Ends) -> Size {
        let fifo = Fifo { depth: self.depth, hidden: false };
        let (mut size, boundaries) = (fifo.size(&ends.behind()), self.stages as usize - 1);
        size.control += counter(self.depth + 1);
        // A valid bit for each boundary is reset, a user bit is not.
        size.and(users(boundaries)).and(Cells { registers: boundaries as u64, ..Cells::default() })
    }
}

/// The credits, the valid bits that run along, and the words in the FIFO.
struct Credits {
    /// Words that were admitted and not taken yet.
    given: usize,
    depth: usize,
    /// The valid bits of all boundaries but the last one: a ring, in which `next` is the oldest.
    under_way: Vec<bool>,
    next: usize,
    waiting: usize,
}

impl State for Credits {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.waiting > 0, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.given < self.depth, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let (accept, leave) = (around.accept(), around.leave());
        // Whether anything is on its way to the FIFO.
        let moves = self.given > self.waiting;
        let arrives = match self.under_way.get_mut(self.next) {
            Some(oldest) => std::mem::replace(oldest, accept),
            None => accept,
        };
        self.next = (self.next + 1) % self.under_way.len().max(1);
        self.given = self.given + usize::from(accept) - usize::from(leave);
        self.waiting = self.waiting + usize::from(arrives) - usize::from(leave);
        accept || leave || moves
    }
}
