//! The stream graph: a whole core as primitives of `hw/` and pipelines, joined by streams.
//!
//! Against the dataflow IR, every image travels as a stream of words, every layer has an engine, and what stands between layers is
//! there: line storage, changes of width, FIFOs, registers. Its timing is [`timing::simulate`], clock by clock; the emitted
//! text instantiates the nodes as they are.
//!
//! Invariants, checked by [`verify`]:
//! - each stream leaves one node and enters one; only the core's input enters none, only its output leaves to none;
//! - the words of a frame agree at both ends of every node and at the core's ports, and so do lanes
//!   and bits;
//! - nodes are in topological order, but for the FIFO through which the h of an LSTM comes back: it stands before what fills it,
//!   and neither its valid nor its ready depends on what it is given.

mod assemble;
pub mod depths;
pub mod timing;
mod verify;

pub use assemble::{Engine, assemble};
pub use verify::verify;

use crate::emit::signature::Stream as Axi;
use crate::folded::Positions;
use crate::ir::Windows;
use strassenc_runtime::{Extent, Format, Shape};

/// A stream of one [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

impl StreamId {
    /// Position in [`Graph::streams`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A core as a graph of streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// In topological order.
    pub nodes: Vec<Node>,
    /// Stream 0 is the core's input; the last one its output.
    pub streams: Vec<Stream>,
    /// The stream that leaves the core.
    pub output: StreamId,
    /// The beats of both at the core's ports; the last one of a frame may hold fewer elements than
    /// the others.
    pub beats: [Axi; 2],
}

/// What travels between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Elements of a word.
    pub lanes: usize,
    /// Format of every element.
    pub format: Format,
    /// Words of a frame.
    pub words: usize,
}

impl Stream {
    /// Bits of a word.
    pub fn bits(&self) -> usize {
        self.lanes * self.format.bits as usize
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique within its layer, or within the core where it is of no layer.
    pub name: String,
    /// The layer whose module it is in; none for what stands between layers.
    pub layer: Option<usize>,
    /// What it is.
    pub primitive: Primitive,
    /// What enters.
    pub inputs: Vec<StreamId>,
    /// What leaves.
    pub outputs: Vec<StreamId>,
}

/// What a node is; each but the kernel is a primitive of `hw/`.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// Makes every frame whole.
    Framer,
    /// The beats of a frame to one word; a frame that is not whole is dropped.
    Collector {
        /// How many.
        beats: usize,
    },
    /// Marks the last word of a frame.
    FrameEnd,
    /// Two entries; breaks every combinational path.
    Register,
    /// A queue of `depth` words.
    Fifo {
        /// Words.
        depth: usize,
    },
    /// One stream to two nodes.
    Fork,
    /// `words` words to one.
    Widen {
        /// How many.
        words: usize,
    },
    /// The elements of a frame in words of another width.
    Repack {
        /// Elements of a frame; the last word of either side may hold fewer than the others.
        elements: usize,
    },
    /// One word to `beats`.
    Serialiser {
        /// How many.
        beats: usize,
    },
    /// Whole windows, one a clock.
    Window(Lines),
    /// Windows, word by word.
    Reader {
        /// Storage and windows.
        lines: Lines,
        /// Parts in which the words of a pixel are read.
        groups: usize,
        /// How often each part of a window is read.
        repeats: usize,
    },
    /// The pipeline of an unrolled layer.
    Kernel {
        /// Clocks from input to output.
        stages: u32,
    },
    /// W_b of a folded layer, or its W_c.
    Array(ArrayOf),
    /// The multipliers of a folded layer, 3 clocks whatever they are made of.
    MultiplierBank {
        /// Of shifts and additions.
        shift_add: bool,
    },
    /// The outputs of a folded layer.
    Requantise,
    /// The largest element or the sum of `count` words.
    Accumulate {
        /// The largest one.
        maximum: bool,
        /// How many.
        count: usize,
    },
    /// Patches to a raster image of this shape.
    Patches {
        /// Pixels of a patch.
        patch: Extent,
        /// Patches down and across.
        grid: (usize, usize),
        /// The image, cropped; its channels are the elements of a pixel.
        image: Shape,
    },
    /// The words of characters as filters meet them.
    Positions(Positions),
    /// tanh of a filter's output, one a word.
    Tanh,
    /// The row of an embedding, word by word.
    Lookup {
        /// Words of a row.
        words: usize,
    },
    /// The words of x, then those of the h of the frame before.
    Recall {
        /// Of x and of h.
        words: [usize; 2],
    },
    /// An LSTM from the gates of a unit to its h, a unit a word; it keeps c.
    LstmCell,
    /// A highway layer from the gates of a unit and its x to what it yields, a unit a word.
    Highway,
    /// See [`Kind::Add`](crate::ir::Kind::Add).
    Add {
        /// Left shifts.
        shifts: [u32; 2],
        /// Right shift.
        shift: i32,
    },
}

/// Which array of a folded layer; what the timing needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayOf {
    /// W_b.
    Wb {
        /// Words of a result.
        sums: usize,
        /// Results in a row of the same weights.
        repeats: usize,
    },
    /// W_c.
    Wc {
        /// Words of a result.
        sums: usize,
    },
}

impl ArrayOf {
    /// Words of a result.
    pub fn sums(self) -> usize {
        match self {
            ArrayOf::Wb { sums, .. } | ArrayOf::Wc { sums } => sums,
        }
    }
}

/// Rows of an image in storage, and the windows that are read from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The image.
    pub image: Shape,
    /// Words of a pixel.
    pub words: usize,
    /// Where windows lie.
    pub windows: Windows,
    /// What a pad holds, as bits of an element.
    pub fill: i64,
}

impl Lines {
    /// Rows in storage: those of a window, and those that arrive while it is read.
    pub fn slots(&self) -> usize {
        self.windows.size.h + self.windows.stride.h
    }

    /// Pixel columns, counted on beyond the row, at which each window of a row is complete.
    pub(crate) fn completes(&self) -> impl Iterator<Item = usize> {
        let Windows { size, stride, pad, columns, .. } = self.windows;
        (0..columns).map(move |x| x * stride.w + size.w - 1 - pad.w)
    }

    /// Columns of a row that the windows read.
    pub(crate) fn columns_read(&self) -> usize {
        self.image.width.min(self.completes().last().unwrap_or(0) + 1)
    }

    /// Steps in which the window primitive goes through a row.
    pub fn steps(&self) -> usize {
        let Windows { stride, columns, .. } = self.windows;
        let last = self.completes().last().unwrap_or(0);
        self.columns_read().max((columns - 1) * stride.w + 1).max((last + 1).div_ceil(2))
    }

    /// The first row that windows of row `y` read.
    pub(crate) fn base(&self, y: usize) -> usize {
        (y * self.windows.stride.h).saturating_sub(self.windows.pad.h)
    }

    /// The last row that windows of row `y` read, counted from their base.
    pub(crate) fn reach(&self, y: usize) -> usize {
        let end = y * self.windows.stride.h + self.windows.size.h - 1 - self.windows.pad.h;
        end.min(self.image.height - 1) - self.base(y)
    }

    /// Rows that are free once the windows of row `y` are read.
    pub(crate) fn released(&self, y: usize) -> usize {
        let next = if y + 1 < self.windows.rows { self.base(y + 1) } else { self.image.height };
        next - self.base(y)
    }
}

impl Primitive {
    /// Name of the module in `hw/`; none for a pipeline, which is a module of its own.
    pub fn module(&self) -> Option<&'static str> {
        Some(match self {
            Primitive::Framer => "strassenc_framer",
            Primitive::Collector { .. } => "strassenc_collector",
            Primitive::FrameEnd => "strassenc_frame_end",
            Primitive::Register => "strassenc_stream_register",
            Primitive::Fifo { .. } => "strassenc_fifo",
            Primitive::Fork => "strassenc_fork",
            Primitive::Widen { .. } => "strassenc_widen",
            Primitive::Repack { .. } => "strassenc_repack",
            Primitive::Serialiser { .. } => "strassenc_serialiser",
            Primitive::Window(_) => "strassenc_window",
            Primitive::Reader { .. } => "strassenc_reader",
            Primitive::Kernel { .. } => return None,
            Primitive::Array(_) => "strassenc_array",
            Primitive::MultiplierBank { shift_add: false } => "strassenc_multiplier_bank",
            Primitive::MultiplierBank { shift_add: true } => "strassenc_shift_add_bank",
            Primitive::Requantise => "strassenc_requantise",
            Primitive::Accumulate { .. } => "strassenc_accumulate",
            Primitive::Patches { .. } => "strassenc_patches",
            Primitive::Add { .. } => "strassenc_add",
            Primitive::Positions(_) => "strassenc_positions",
            Primitive::Tanh => "strassenc_tanh",
            Primitive::Lookup { .. } => "strassenc_lookup",
            Primitive::Recall { .. } => "strassenc_recall",
            Primitive::LstmCell => "strassenc_lstm_cell",
            Primitive::Highway => "strassenc_highway",
        })
    }
}

impl Graph {
    /// The FIFOs where branches meet again: their nodes' positions. Those within an LSTM, which hold its h, are not among them.
    pub fn fifos(&self) -> impl Iterator<Item = usize> {
        let is = |node: &Node| matches!(node.primitive, Primitive::Fifo { .. }) && node.layer.is_none();
        self.nodes.iter().enumerate().filter(move |(_, node)| is(node)).map(|(i, _)| i)
    }

    /// Sets the depth of the FIFO at this position.
    pub fn set_depth(&mut self, fifo: usize, words: usize) {
        if let Primitive::Fifo { depth } = &mut self.nodes[fifo].primitive {
            *depth = words;
        }
    }
}
