//! The stream graph: a whole core as primitives of `hw/` and pipelines, joined by streams.
//!
//! Against the dataflow IR, every image travels as a stream of words, every layer has an engine,
//! and what stands between layers is there: line storage, changes of width, FIFOs, registers. Its
//! timing is [`timing::simulate`], clock by clock; the emitted text instantiates the nodes as they
//! are.
//!
//! Invariants, checked by [`verify`]:
//! - each stream leaves one node and enters one; only the core's inputs leave none, only its
//!   outputs enter none;
//! - the words of a frame agree at both ends of every node and at the core's ports, and so do lanes
//!   and bits;
//! - nodes are in topological order, but for the FIFO through which the h of an LSTM comes back: it
//!   stands before what fills it, and neither its valid nor its ready depends on what it is given.

mod assemble;
pub mod depths;
pub mod primitive;
mod prove;
mod text;
pub mod timing;
mod verify;

pub use assemble::{Engine, alone, assemble, segments, source};
pub use primitive::{Lines, Primitive};
pub use prove::prove;
pub use verify::verify;

use crate::emit::signature;
use crate::emit::signature::Stream as Axi;
use primitive::{Ends, Fifo, Segment};
use std::iter;
use strassenc_runtime::Format;

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
    /// The nodes in topological order.
    pub nodes: Vec<Node>,
    /// Stream 0 is the core's input.
    pub streams: Vec<Stream>,
    /// The stream that leaves the core.
    pub output: StreamId,
    /// The beats of both at the core's ports; the last one of a frame may hold fewer elements than
    /// the others.
    pub beats: [Axi; 2],
    /// The network's further inputs.
    pub inputs: Vec<Input>,
    /// The outputs of the network's heads.
    pub heads: Vec<Head>,
}

/// A stream that enters the core beside its input. It waits for no other: whatever of it the core
/// has no place for yet stays at the ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The name of the network's input.
    pub name: String,
    /// The stream.
    pub stream: StreamId,
    /// Its beats at the core's ports.
    pub beats: Axi,
}

/// A stream that leaves the core beside its output.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The name of the network's head.
    pub name: String,
    /// The stream.
    pub stream: StreamId,
    /// Its beats at the core's ports.
    pub beats: Axi,
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
    /// The primitive that the node is.
    pub primitive: Primitive,
    /// The streams that enter.
    pub inputs: Vec<StreamId>,
    /// The streams that leave.
    pub outputs: Vec<StreamId>,
}

impl Node {
    /// Its streams, of all of them.
    pub fn ends<'a>(&'a self, streams: &'a [Stream]) -> Ends<'a> {
        let of = |ids: &[StreamId]| ids.iter().map(|id| &streams[id.index()]).collect();
        Ends { name: &self.name, inputs: of(&self.inputs), outputs: of(&self.outputs) }
    }
}

impl Graph {
    /// The streams that enter the core, each with its beats and the names of its ports.
    pub fn inputs(&self) -> impl Iterator<Item = (StreamId, &Axi, String)> {
        let further = self.inputs.iter();
        let further = further.map(|of| (of.stream, &of.beats, signature::input(&of.name)));
        iter::once((StreamId(0), &self.beats[0], signature::INPUT.into())).chain(further)
    }

    /// The streams that leave the core, each with its beats and the names of its ports.
    pub fn outputs(&self) -> impl Iterator<Item = (StreamId, &Axi, String)> {
        let heads = self.heads.iter();
        let heads = heads.map(|head| (head.stream, &head.beats, signature::head(&head.name)));
        iter::once((self.output, &self.beats[1], signature::OUTPUT.into())).chain(heads)
    }

    /// The streams of a node.
    pub fn ends<'a>(&'a self, node: &'a Node) -> Ends<'a> {
        node.ends(&self.streams)
    }

    /// The FIFOs where branches meet again: their nodes' positions. Those within an LSTM, which
    /// hold its h, are not among them.
    pub fn fifos(&self) -> impl Iterator<Item = usize> {
        let is =
            |node: &Node| matches!(node.primitive, Primitive::Fifo(Fifo { hidden: false, .. }));
        self.nodes.iter().enumerate().filter(move |(_, node)| is(node)).map(|(i, _)| i)
    }

    /// The nodes of a layer, the segment that it is in among them.
    pub fn of_layer(&self, number: usize) -> impl Iterator<Item = &Node> {
        let has = move |node: &&Node| match &node.primitive {
            Primitive::Segment(segment) => segment.layers.contains(&number),
            _ => node.layer == Some(number),
        };
        self.nodes.iter().filter(has)
    }

    /// The segments: their nodes' positions.
    pub fn segments(&self) -> impl Iterator<Item = (usize, &Segment)> {
        self.nodes.iter().enumerate().filter_map(|(i, node)| match &node.primitive {
            Primitive::Segment(segment) => Some((i, segment)),
            _ => None,
        })
    }

    /// The segment that a layer is in, and its node's position.
    pub fn segment_of(&self, number: usize) -> Option<(usize, &Segment)> {
        self.segments().find(|(_, segment)| segment.layers.contains(&number))
    }

    /// Sets the depth of the FIFO or the segment at this position.
    pub fn set_depth(&mut self, node: usize, words: usize) {
        let of = match &mut self.nodes[node].primitive {
            Primitive::Fifo(Fifo { depth, .. }) | Primitive::Segment(Segment { depth, .. }) => {
                depth
            }
            _ => return,
        };
        *of = words;
    }
}
