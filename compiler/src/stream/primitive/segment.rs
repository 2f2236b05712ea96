//! Pipelines that the compiler makes itself.

use super::{Around, Ends, Fifo, Part, Size, State, counter, users};
use crate::emit::signature::Frames;
use crate::figures::Cells;
use std::ops::RangeInclusive;
use strassenc_runtime::error::count;

/// A free-running pipeline: the kernels of layers that follow one another, credits in front of them
/// and a FIFO behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The numbers of the layers.
    pub layers: RangeInclusive<usize>,
    /// Whether a register stands before the pipeline, which has no enable either: where the core's
    /// ports are all that is in front of it.
    pub registered: bool,
    /// Clocks from the pipeline's input to its output.
    pub stages: u32,
    /// Words that are under way or wait in the FIFO, at most.
    pub depth: usize,
    /// The least clocks from one word to the next: more than 1 where layers are serial.
    pub interval: u32,
}

impl Segment {
    /// Clocks from input to output.
    fn clocks(&self) -> usize {
        self.stages as usize + usize::from(self.registered)
    }

    /// The depth with which it takes words as they may come, one each clock if it is not serial: a
    /// word's slot is free again two clocks after it was taken. Where words come more slowly, one
    /// may wait meanwhile for the beats of the one before to leave.
    pub fn full_rate(&self) -> usize {
        let round = self.clocks() + 2;
        match self.interval as usize {
            0 | 1 => round,
            interval => round.div_ceil(interval) + 1,
        }
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
        let Segment { layers, depth, interval, .. } = self;
        let stages = self.clocks();
        let of = match layers.clone().count() {
            1 => "The SPN of a window".into(),
            n => format!("{n} layers"),
        };
        let every = match interval {
            1 => String::new(),
            n => format!(", a word every {n} clocks"),
        };
        format!(
            "{of}: a free-running pipeline of {}{every}, {} at most",
            count(stages, "stage"),
            count(*depth, "word")
        )
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Segment { depth, interval, .. } = self;
        let every = match interval {
            1 => String::new(),
            n => format!(", .INTERVAL({n})"),
        };
        let bits = ends.z().bits();
        format!(".STAGES({}), .BITS({bits}), .DEPTH({depth}){every}", self.clocks())
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        let under_way = vec![false; self.clocks() - 1];
        let depth = self.depth;
        Box::new(Credits {
            ready: false,
            given: 0,
            returned: false,
            depth,
            under_way,
            next: 0,
            waiting: 0,
            interval: self.interval,
            rest: 0,
        })
    }

    fn size(&self, ends: &Ends) -> Size {
        let fifo = Fifo { depth: self.depth, hidden: false };
        let (mut size, boundaries) = (fifo.size(&ends.behind()), self.clocks() - 1);
        size.control += counter(self.depth + 1) + counter(self.interval as usize);
        // A valid bit for each boundary is reset, a user bit is not.
        let registers = boundaries + 1 + if self.registered { ends.x().bits() } else { 0 };
        size.and(users(boundaries)).and(Cells { registers: registers as u64, ..Cells::default() })
    }
}

/// The credits, the valid bits that run along, and the words in the FIFO.
struct Credits {
    /// Fewer than the depth are given, and reset is over.
    ready: bool,
    /// Words that were admitted and not taken yet, and one that was at the last clock.
    given: usize,
    returned: bool,
    depth: usize,
    /// The valid bits of all boundaries but the last one: a ring, in which `next` is the oldest.
    under_way: Vec<bool>,
    next: usize,
    waiting: usize,
    /// Clocks from one word to the next, and until the next one may come.
    interval: u32,
    rest: u32,
}

impl State for Credits {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.waiting > 0, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.ready && self.rest == 0, false]
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
        let returned = std::mem::replace(&mut self.returned, leave);
        self.given = self.given + usize::from(accept) - usize::from(returned);
        let rests = self.rest > 0;
        self.rest =
            if accept { self.interval.saturating_sub(1) } else { self.rest.saturating_sub(1) };
        let was_ready = std::mem::replace(&mut self.ready, self.given < self.depth);
        self.waiting = self.waiting + usize::from(arrives) - usize::from(leave);
        accept || leave || moves || rests || was_ready != self.ready
    }
}
