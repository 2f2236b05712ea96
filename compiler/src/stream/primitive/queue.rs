//! What holds words as they are, or hands them to two.

use super::{Around, Ends, Part, Size, State, counter};
use crate::emit::signature::Frames;
use crate::figures::{Cells, Memory, MemoryKind};
use strassenc_runtime::error::count;

/// Two entries break every combinational path, one the forward ones alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Register {
    /// What the core's input enters, of two entries.
    Input,
    /// Any other register, of two entries.
    Between,
    /// What the core's output leaves.
    Output {
        /// 2, or 1 behind a segment, whose FIFO takes ready as it comes.
        entries: usize,
    },
}

/// A queue of words.
#[derive(Clone, Debug, PartialEq)]
pub struct Fifo {
    /// Words that the queue holds.
    pub depth: usize,
    /// Whether it holds the h of an LSTM, which comes back; it stands before what fills it.
    pub hidden: bool,
}

/// One stream to two nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fork;

impl Part for Register {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_stream_register"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        ends.same()
    }

    fn banner(&self, ends: &Ends) -> String {
        let breaks = if self.entries() == 1 { "forward" } else { "combinational" };
        format!("Register {}: breaks every {breaks} path", ends.name)
    }

    fn parameters(&self, ends: &Ends, frames: Frames) -> String {
        let bits = ends.x().bits() + self.carried(frames).len();
        match self.entries() {
            2 => format!(".BITS({bits})"),
            entries => format!(".BITS({bits}), .ENTRIES({entries})"),
        }
    }

    fn carried(&self, frames: Frames) -> &'static [&'static str] {
        match (self, frames) {
            (Register::Output { .. }, _) | (Register::Input, Frames::Tlast) => &["user", "last"],
            (Register::Between, _) | (Register::Input, Frames::Count) => &["user"],
        }
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        match self.entries() {
            1 => Box::new(Front { valid: false }),
            _ => Box::new(Skid { front: false, ready: false }),
        }
    }

    fn size(&self, ends: &Ends) -> Size {
        let bits = ends.x().bits() + self.carried(Frames::Tlast).len();
        match self.entries() {
            1 => {
                let fetched = Cells { fetched: ends.x().bits() as u64, ..Cells::default() };
                Size::new(bits + 1, 0, 0).and(fetched)
            }
            _ => Size::new(2 * bits + 2, 0, bits),
        }
    }
}

impl Register {
    fn entries(&self) -> usize {
        match self {
            Register::Input | Register::Between => 2,
            Register::Output { entries } => *entries,
        }
    }
}

/// A word, which leaves as the next one enters.
struct Front {
    valid: bool,
}

impl State for Front {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.valid, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [!self.valid || around.m[0].ready, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let (accept, before) = (around.accept(), self.valid);
        if !self.valid || around.m[0].ready {
            self.valid = accept;
        }
        accept || before != self.valid
    }
}

/// A word waits in front, and another one where it is not ready then.
struct Skid {
    front: bool,
    ready: bool,
}

impl State for Skid {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.front, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.ready, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        let before = (self.front, self.ready);
        let free = !self.front || around.m[0].ready;
        let more = accept || self.front && !self.ready;
        if free {
            self.front = more;
        }
        self.ready = free || !more;
        accept || before != (self.front, self.ready)
    }
}

impl Part for Fifo {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_fifo"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        ends.same()
    }

    fn banner(&self, ends: &Ends) -> String {
        let holds = if self.hidden { ": the h of the step before" } else { "" };
        format!("FIFO {}: {}{holds}", ends.name, count(self.depth, "word"))
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".BITS({}), .DEPTH({})", ends.x().bits() + 1, self.depth)
    }

    fn carried(&self, _: Frames) -> &'static [&'static str] {
        &["user"]
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Held { count: 0, depth: self.depth, most: 0 })
    }

    fn size(&self, ends: &Ends) -> Size {
        let (bits, depth) = (ends.x().bits() + 1, self.depth);
        let control = counter(depth + 1) + 2 * counter(depth);
        match depth {
            1 => Size::new(bits + 2, control, 0),
            2..=AT_ONCE => {
                Size::new(2, control, 0).with(Memory::new(bits, depth, MemoryKind::Direct))
            }
            // Beside the memory's own register stands one for the word that arrives.
            _ => Size::new(bits + 3, control, bits).with(Memory::new(
                bits,
                depth,
                MemoryKind::Registered,
            )),
        }
    }
}

/// Words up to which a FIFO is read in the clock in which they are seen.
const AT_ONCE: usize = 64;

/// What a FIFO holds.
pub struct Held {
    /// Words that are held now.
    pub count: usize,
    /// How many there may be.
    pub depth: usize,
    /// The most there were.
    pub most: usize,
}

impl State for Held {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.count > 0, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.count < self.depth, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let (accept, leave) = (around.accept(), around.leave());
        if accept {
            // A word enters only where there is room before another one leaves.
            self.most = self.most.max(self.count + 1);
        }
        self.count = self.count + usize::from(accept) - usize::from(leave);
        accept || leave
    }

    fn fifo(&mut self) -> Option<&mut Held> {
        Some(self)
    }
}

impl Part for Fork {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_fork"]
    }

    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["s"], &["a", "b"]]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        ends.same()
    }

    fn banner(&self, _: &Ends) -> String {
        "Fork: one stream to two".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".BITS({})", ends.x().bits() + 1)
    }

    fn carried(&self, _: Frames) -> &'static [&'static str] {
        &["user"]
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Given([false; 2]))
    }

    fn size(&self, _: &Ends) -> Size {
        Size::new(2, 0, 0)
    }
}

/// Whether each of the two has the word already.
struct Given([bool; 2]);

impl State for Given {
    fn valid(&self, around: &Around) -> [bool; 2] {
        self.0.map(|given| around.s[0].valid && !given)
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [(0..2).all(|i| self.0[i] || around.m[i].ready), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let leaves = around.m.map(|m| m.pass());
        let accept = around.accept();
        self.0 = [0, 1].map(|i| !accept && (self.0[i] || leaves[i]));
        leaves.contains(&true)
    }
}
