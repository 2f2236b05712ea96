//! What the nodes of a stream graph are: of each primitive of `hw/` all that the compiler knows, a
//! file for each family.
//!
//! The timing, the verifier, the emitter and the figures ask [`Part`].

mod decide;
mod ends;
mod folded;
mod lines;
mod order;
mod queue;
mod segment;
mod units;
mod width;

pub use decide::{Best, Threshold};
pub use ends::{Collector, FrameEnd, Framer};
pub use folded::{Accumulate, Array, Bank, Requantise};
pub use lines::{Lines, Reader, Upsample, Window};
pub use order::{Patches, Reverse};
pub use queue::{Fifo, Fork, Register};
pub use segment::Segment;
pub use units::{Add, Cell, Concat, Curves, Highway, Last, Lookup, Recall, Rectify};
pub use width::{Repack, Serialiser, Widen};

use super::Stream;
use crate::emit::address_bits;
use crate::emit::signature::Frames;
use crate::figures::{Cells, Memory, MemoryKind};
use crate::folded::Positions;
use crate::schedule::Limit;
use serde::{Deserialize, Serialize};

macro_rules! primitives {
    ($($name:ident),* $(,)?) => {
        /// What a node is: a primitive of `hw/`, a segment with the pipelines of its layers.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Primitive {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        impl Primitive {
            /// What is known of it.
            pub fn part(&self) -> &dyn Part {
                match self {
                    $(Primitive::$name(part) => part,)*
                }
            }
        }

        $(impl From<$name> for Primitive {
            fn from(part: $name) -> Self {
                Primitive::$name(part)
            }
        })*
    };
}

primitives! {
    Framer, Collector, FrameEnd, Register, Fifo, Fork, Widen, Repack, Serialiser, Window, Reader,
    Upsample, Segment, Array, Bank, Requantise, Accumulate, Patches, Positions, Rectify, Curves,
    Lookup, Recall, Cell, Highway, Add, Concat, Last, Best, Threshold, Reverse,
}

/// What is known of a primitive.
pub trait Part {
    /// The primitive's module in `hw/`, then those that it instantiates.
    fn modules(&self) -> &'static [&'static str];

    /// What its ports call the streams that enter, and those that leave.
    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["s"], &["m"]]
    }

    /// The storage of an image that it reads windows from.
    fn lines(&self) -> Option<&Lines> {
        None
    }

    /// Pairs of numbers that are equal where its streams fit it; a product beyond `usize` is
    /// `usize::MAX`.
    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]>;

    /// What it does, for people.
    fn banner(&self, ends: &Ends) -> String;

    /// What its parameters are set to, as Verilog text.
    fn parameters(&self, _ends: &Ends, _frames: Frames) -> String {
        String::new()
    }

    /// The primitive's ports beside the clock, streams and ROMs, as text, and the wires of one bit
    /// that they need, where its streams are called `s` and `m`.
    fn ports(&self, _s: &str, _m: &str, _frames: Frames) -> Option<(String, Option<String>)> {
        None
    }

    /// What travels with the data in one word, where it has no port of its own.
    fn carried(&self, _frames: Frames) -> &'static [&'static str] {
        &[]
    }

    /// The ROMs that it reads.
    fn roms(&self, _ends: &Ends) -> Vec<Rom> {
        vec![]
    }

    /// The primitive's timing, from power-on.
    fn state(&self, ends: &Ends) -> Box<dyn State>;

    /// Clocks of a frame, where they are more than its words.
    fn clocks(&self) -> usize {
        0
    }

    /// What it is made of but for its ROMs, for the estimates.
    fn size(&self, ends: &Ends) -> Size;
}

/// What a primitive is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Registers, but for `control`.
    pub cells: Cells,
    /// Bits of registers that count or are addresses.
    pub control: usize,
    /// Bits that are computed or chosen.
    pub work: usize,
    /// Its memories.
    pub memories: Vec<Memory>,
}

impl Size {
    /// So many bits of registers of each kind, and of work.
    fn new(registers: usize, control: usize, work: usize) -> Self {
        let cells = Cells { registers: registers as u64, ..Cells::default() };
        Size { cells, control, work, memories: vec![] }
    }

    /// With other cells beside them.
    fn and(mut self, cells: Cells) -> Self {
        self.cells = self.cells + cells;
        self
    }

    /// With a memory.
    fn with(mut self, memory: Memory) -> Self {
        self.memories.push(memory);
        self
    }
}

/// Bits of what counts so many.
fn counter(n: usize) -> usize {
    if n > 1 { address_bits(n) } else { 0 }
}

/// Those of a register that is there where there is nothing to count, too.
fn register(n: usize) -> usize {
    address_bits(n)
}

/// A user bit that goes through so many registers.
fn users(stages: usize) -> Cells {
    Cells::delay(1, stages as u64, 0)
}

/// The product of numbers, `usize::MAX` where it is that or more.
fn product<const N: usize>(numbers: [usize; N]) -> usize {
    numbers.into_iter().fold(1, usize::saturating_mul)
}

/// The streams of a node.
pub struct Ends<'a> {
    /// The node's name.
    pub name: &'a str,
    /// The streams that enter.
    pub inputs: Vec<&'a Stream>,
    /// The streams that leave.
    pub outputs: Vec<&'a Stream>,
}

impl Ends<'_> {
    /// The first stream that enters.
    pub fn x(&self) -> &Stream {
        self.inputs[0]
    }

    /// The first stream that leaves.
    pub fn z(&self) -> &Stream {
        self.outputs[0]
    }

    /// Those of a node that passes on what leaves this one.
    fn behind(&self) -> Ends<'_> {
        Ends { name: self.name, inputs: self.outputs.clone(), outputs: self.outputs.clone() }
    }

    /// What is equal where the same words leave as enter.
    fn same(&self) -> Vec<[usize; 2]> {
        let numbers = |s: &Stream| {
            [
                s.words,
                s.lanes,
                s.format.bits as usize,
                s.format.frac as u32 as usize,
                s.format.signed.into(),
            ]
        };
        let x = numbers(self.x());
        self.outputs
            .iter()
            .flat_map(|z| x.into_iter().zip(numbers(z)).map(|(x, z)| [x, z]))
            .collect()
    }
}

/// What a ROM holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// W_b of a folded layer.
    Wb,
    /// The coefficients of a folded layer.
    Coefficients,
    /// W_c of a folded layer.
    Wc,
    /// The biases and shifts of a folded layer.
    Outputs,
    /// The rows of an embedding.
    Rows,
    /// The table of σ.
    Sigmoid,
    /// The table of tanh.
    Tanh,
    /// The table of the one curve that a layer has.
    Curve,
}

impl Table {
    /// What its module is called, behind the name of its layer's.
    pub fn rom(self) -> &'static str {
        match self {
            Table::Wb => "wb_rom",
            Table::Coefficients => "coefficient_rom",
            Table::Wc => "wc_rom",
            Table::Outputs => "output_rom",
            Table::Rows => "table_rom",
            Table::Sigmoid => "sigmoid_rom",
            Table::Tanh => "tanh_rom",
            Table::Curve => "curve_rom",
        }
    }

    /// What the ports of the node that reads it are called: those of its enable, and of its address
    /// and data.
    pub fn ports(self) -> [&'static str; 2] {
        match self {
            Table::Wb | Table::Coefficients | Table::Wc | Table::Outputs => ["rom", "rom"],
            Table::Rows | Table::Curve => ["table", "table"],
            Table::Sigmoid => ["table", "sigmoid"],
            Table::Tanh => ["table", "tanh"],
        }
    }
}

/// A ROM that a node reads.
pub struct Rom {
    /// The table that the ROM holds.
    pub table: Table,
    /// Words, all of which an address reaches.
    pub words: usize,
    /// Bits of an address.
    pub address: usize,
    /// Bits of a word.
    pub data: usize,
    /// Whether its words are read in turn, from the first one after reset, again and again.
    pub in_turn: bool,
    /// What is looked up in a clock, each in a ROM of its own, the first in the low bits of the
    /// wires; empty where the ROM is one of a kind.
    pub lookups: Vec<String>,
}

impl Rom {
    /// Whether it is read a word ahead, so that its data come from a register behind that of the
    /// block RAM: where a clock is asked for that leaves no time for a sum behind a block RAM.
    pub fn is_ahead(&self, limit: Limit) -> bool {
        let Limit::Clock { device, period_ps } = limit else { return false };
        let delays = device.delays();
        let rom = Memory::new(self.data, self.words, MemoryKind::Rom);
        let in_block = rom.of(device.family).blocks > 0;
        self.in_turn && in_block && delays.block + delays.sum > period_ps
    }
}

/// Valid and ready of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hands {
    /// Whether a word is there.
    pub valid: bool,
    /// Whether it would be taken.
    pub ready: bool,
}

impl Hands {
    /// Whether a word passes.
    pub fn pass(self) -> bool {
        self.valid && self.ready
    }
}

/// What happens around a node in a clock; a second stream that is not there is never valid nor
/// ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around {
    /// The hands of the streams that enter.
    pub s: [Hands; 2],
    /// The hands of the streams that leave.
    pub m: [Hands; 2],
}

impl Around {
    fn accept(&self) -> bool {
        self.s[0].pass()
    }

    fn leave(&self) -> bool {
        self.m[0].pass()
    }

    /// Whether stages with one enable move.
    fn advance(&self) -> bool {
        !self.m[0].valid || self.m[0].ready
    }
}

/// What a node remembers from clock to clock.
pub trait State {
    /// Whether what leaves is valid; it may depend on what enters.
    fn valid(&self, around: &Around) -> [bool; 2];
    /// Whether it takes what enters; it may depend on what leaves.
    fn ready(&self, around: &Around) -> [bool; 2];
    /// One rising edge; whether anything changed.
    fn step(&mut self, around: &Around) -> bool;
    /// The FIFO that it is.
    fn fifo(&mut self) -> Option<&mut queue::Held> {
        None
    }
}

/// Stages with one enable; the last one is what is shown.
struct Pipe {
    stages: u32,
    inputs: usize,
    bits: u64,
}

impl Pipe {
    fn new(stages: u32, ends: &Ends) -> Self {
        Pipe { stages, inputs: ends.inputs.len(), bits: 0 }
    }
}

impl State for Pipe {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.bits >> (self.stages - 1) & 1 == 1, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        let advance = around.advance();
        // A join takes both at once.
        if self.inputs == 2 {
            [1, 0].map(|other| advance && around.s[other].valid)
        } else {
            [advance, false]
        }
    }

    fn step(&mut self, around: &Around) -> bool {
        if !around.advance() {
            return false;
        }
        let before = self.bits;
        let enters = around.s[..self.inputs].iter().all(|s| s.pass());
        self.bits = (self.bits << 1 | u64::from(enters)) & ((1 << self.stages) - 1);
        before != self.bits || enters
    }
}

/// Words that are counted; the last one shows a result.
struct Count {
    count: usize,
    words: usize,
}

impl Count {
    fn of(words: usize) -> Self {
        Count { count: 0, words }
    }

    fn at_last(&self) -> bool {
        self.count + 1 == self.words
    }

    /// Counts on; whether that was the last one.
    fn next(&mut self) -> bool {
        let last = self.at_last();
        self.count = if last { 0 } else { self.count + 1 };
        last
    }
}
