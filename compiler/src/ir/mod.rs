//! The dataflow IR: the network as one graph of layers, over integers with exact intervals.
//!
//! Against the model, branches are edges of one graph, and every sum-product network has become a
//! [`Chain`] of vector operations at every window of an image (its [`Kernel`]); dead rows are gone,
//! and every value carries the exact interval of each of its elements. A vector is an image of one
//! pixel, and so is each symbol of a sequence. The IR knows nothing of additions (those are the
//! adder graph's), of streams, of engines or of clocks. Its meaning is [`interpret`].
//!
//! The gates of a recurrent or a highway layer are a kernel whose outputs come unit by unit; what
//! becomes of them is in [`gated`]. The kernel of a recurrent one is over a column of pixels, one
//! for each step: its state goes from the one to the next. Along inputs there is one step, and a
//! [`State`] goes from one input to the next: the meaning of a sequence is [`step`]. A char-CNN
//! reads an image of one row, a word; see [`words`].
//!
//! Invariants, checked by [`verify`]:
//! - layers are in topological order and have different names, each yields an edge of its own, and
//!   every edge but the last and those of heads is read; a head's is not; no head and no further
//!   input has another's name, nor that of a layer;
//! - a network with further inputs has no state from one input to the next, no embedding, and no
//!   product of two operands;
//! - nothing exceeds 2^53 in magnitude, and no shift 62 bits: 64 bits hold all that is computed;
//! - an edge has an interval and a number in the model for each of its channels, in ascending
//!   order; the network's inputs, the last edge and those of heads have all channels of the model;
//! - shapes agree: a layer's windows lie on the image it reads, every one of them on at least one
//!   of its pixels, and the outputs of all windows are the image it yields, once what is beyond it
//!   is cropped;
//! - a chain is `Linear` (W_b), at most one `Offset`, `Multiply`, `Linear` (W_c), then `Requantise`
//!   or `Offset`; of two operands it is `Linear` (W_a and W_b, block-diagonal), `Product`, and the
//!   same end, and no element is part of both operands;
//! - lengths agree, and `indices` ascend; where an operation works element by element they are
//!   those of its operand;
//! - each interval of a chain is what its operation makes of the operand's intervals; rows of W_c,
//!   whose terms are correlated, may be narrower, as far as their form of what enters says;
//! - nothing dead is left in a chain: every product varies, and is read;
//! - of a chain whose parameters are loaded, intervals hold for all that can be loaded, and what is
//!   requantised is within no less than its format; it has no offset before its products, and no
//!   row without a product;
//! - a kernel reads every element of a window in the order of (row, column, channel), each with
//!   the interval and the number of its channel, and 0 where a window has a pad; its rows are of
//!   the model's, within its budget, and read the channels of their group;
//! - each channel's interval is what its layer makes of those it reads, within the format of its
//!   edge;
//! - what decides on scores reads all channels of the model;
//! - the kernel of a recurrent layer reads x, then h, whose interval holds 0; tables are as long as
//!   the gates' format asks;
//! - the kernel of a char-CNN has the widest window as its input, row i of W_b reads no more than
//!   the width of filter i, no coefficient is negative, and output i is that of row i alone, or
//!   constant;
//! - the function of an activation suits the format that it reads, and yields its own.

mod chain;
pub mod gated;
mod interpret;
mod kernel;
mod prove;
mod text;
mod verify;
pub mod words;

pub use chain::{Chain, Linear, Loaded, Op, OpKind, Role, Value, loadable};
pub use interpret::{State, interpret, step, step_with};
pub use kernel::{Kernel, Windows};
pub use prove::{prove, prove_decided};
pub(crate) use text::{cell_word, parse_cell};
pub use verify::verify;

use crate::interval::Interval;
use gated::{Blend, Cell, Curve, Function};
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::network::plan::HIGHWAY_PRODUCTS;
use strassenc_runtime::{Along, Extent, Format, Shape};
use words::gcd;

/// What travels from one layer to others; edge 0 is what enters the first layer, then come the
/// further inputs, then [what each layer yields](Dataflow::edge_of).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub u32);

impl EdgeId {
    /// Position in [`Dataflow::edges`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The whole network.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataflow {
    /// The model's name.
    pub name: String,
    /// Those that enter the network, then one for each layer.
    pub edges: Vec<Edge>,
    /// The names of the further inputs, in the order of the model: edges 1 and on.
    pub inputs: Vec<String>,
    /// The layers in topological order.
    pub layers: Vec<Layer>,
    /// The outputs beside the last edge, in the order of the model.
    pub heads: Vec<Head>,
}

/// A further output of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The output's name.
    pub name: String,
    /// The edge that it is.
    pub edge: EdgeId,
}

/// What travels between two layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Elements lie row by row, pixel by pixel, channels innermost.
    pub shape: Shape,
    /// One format for all elements.
    pub format: Format,
    /// Channels in the model.
    pub whole: usize,
    /// The number that each channel has in the model; those that nobody needs may be left out.
    pub channels: Vec<usize>,
    /// What an element can be, by channel.
    pub intervals: Vec<Interval>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The model layer's name.
    pub name: String,
    /// One edge; two for a sum or a concatenation, and for a highway layer, which reads the same
    /// one as gates and as what it blends.
    pub reads: Vec<EdgeId>,
    /// The shape in which it reads: that of the edge, or a vector of all its elements.
    pub input: Shape,
    /// The kind of the layer.
    pub kind: Kind,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A sum-product network over every window.
    Spn(Box<Kernel>),
    /// The largest element or the sum of every window, channel by channel. Pads are the format's
    /// minimum, or 0.
    Pool {
        /// The kind of the pooling: the largest element or the sum.
        kind: PoolKind,
        /// The windows it works on.
        windows: Windows,
    },
    /// A larger image: each pixel as often as `size` says, down and across.
    Upsample {
        /// How often each pixel is there.
        size: Extent,
    },
    /// A function of each element.
    Activation {
        /// The function.
        function: Function,
    },
    /// `saturate(round((a · 2^shifts_0 + b · 2^shifts_1) · 2^-shift))`, half up, of the two edges
    /// that it reads; a shift ≤ 0 is an exact left shift.
    Add {
        /// Left shifts that align the two.
        shifts: [u32; 2],
        /// Right shift of the sum.
        shift: i32,
    },
    /// The channels of the first edge that it reads, then those of the second, pixel by pixel:
    /// `saturate(round(x · 2^shifts_i · 2^-shift))` of each element of edge i, half up; a shift ≤ 0
    /// is an exact left shift.
    Concat {
        /// Left shifts that align the two.
        shifts: [u32; 2],
        /// Right shift of both.
        shift: i32,
    },
    /// Row `min(x, rows - 1)` of a table for each element x that enters: an image of one row.
    Embedding {
        /// The rows of the table: at least one, as long as there are channels.
        rows: Vec<Vec<i64>>,
    },
    /// The largest output of each filter over a word, and its tanh.
    CharCnn {
        /// All filters over the widest window.
        filters: Box<Kernel>,
        /// Entry i: how many filters have the width i + 1; filters are in the order of their
        /// widths.
        widths: Vec<usize>,
        /// What leaves.
        tanh: Curve,
    },
    /// A blend of what enters and of its own gates.
    Highway {
        /// The kernel from x to t and h of each unit.
        gates: Box<Kernel>,
        /// What makes the outputs from x, t and h.
        blend: Blend,
    },
    /// A layer with a state.
    Recurrent {
        /// What the state goes along.
        along: Along,
        /// The kernel from x, then h, to the four gates of each unit: a column of pixels, one for
        /// each step.
        gates: Box<Kernel>,
        /// What makes the next c and h from the gates and c.
        cell: Cell,
    },
    /// The last pixel of an image of one row.
    Last,
    /// The indices of the largest elements of each pixel, the largest first, of equal ones the
    /// first: what is told of scores.
    Best {
        /// How many of them.
        count: usize,
    },
    /// Of each element whether it is greater: 1 or 0.
    Threshold {
        /// Than this.
        above: i64,
    },
    /// The pixels of an image of one row in the opposite order; the channels of each stay in
    /// theirs.
    Reverse,
}

impl Dataflow {
    /// Whether parameters are loaded at run time.
    pub fn is_loaded(&self) -> bool {
        let mut kernels = self.layers.iter().filter_map(Layer::kernel);
        kernels.any(|kernel| kernel.chain.loaded.is_some())
    }

    /// The edge that a layer yields.
    pub fn edge_of(&self, layer: usize) -> EdgeId {
        EdgeId((1 + self.inputs.len() + layer) as u32)
    }

    /// The layer that yields an edge; none of what enters the network.
    pub fn layer_of(&self, edge: EdgeId) -> Option<usize> {
        edge.index().checked_sub(1 + self.inputs.len())
    }

    /// Elements of what enters the network: those of each input in turn.
    pub fn elements(&self) -> usize {
        self.edges[..=self.inputs.len()].iter().map(|edge| edge.shape.elements()).sum()
    }

    /// The edges that leave the network: the last one, and those of the heads.
    pub fn outputs(&self) -> impl Iterator<Item = EdgeId> {
        let last = EdgeId(self.edges.len() as u32 - 1);
        std::iter::once(last).chain(self.heads.iter().map(|head| head.edge))
    }

    /// The network's outputs among the integers on all edges: those of the last edge, then those of
    /// the heads.
    pub fn outputs_of(&self, edges: &[Vec<i64>]) -> Vec<i64> {
        self.outputs().flat_map(|id| &edges[id.index()]).copied().collect()
    }

    /// The edge that a layer yields.
    pub fn yields(&self, layer: usize) -> &Edge {
        &self.edges[self.edge_of(layer).index()]
    }

    /// The first edge that a layer reads.
    pub fn reads(&self, layer: usize) -> &Edge {
        &self.edges[self.layers[layer].reads[0].index()]
    }

    /// How many elements at a time a layer without a kernel can yield, the fewest first: parts of a
    /// pixel, of a concatenation parts of both of its sides or all of both. Where it is the largest
    /// of a pixel that it yields, so many it reads.
    pub fn lanes(&self, layer: usize) -> impl Iterator<Item = usize> {
        let channels = match self.layers[layer].kind {
            Kind::Best { .. } => self.reads(layer).shape.channels,
            _ => self.yields(layer).shape.channels,
        };
        let parts = match self.layers[layer].kind {
            Kind::Concat { .. } => gcd(self.reads(layer).shape.channels, channels),
            _ => channels,
        };
        let is_one = move |n: &usize| parts.is_multiple_of(*n) || *n == channels;
        (1..=channels).filter(is_one)
    }

    /// Whether it has a state, which goes from one input to the next.
    pub fn is_recurrent(&self) -> bool {
        let along_inputs =
            |layer: &Layer| matches!(layer.kind, Kind::Recurrent { along: Along::Inputs, .. });
        self.layers.iter().any(along_inputs)
    }
}

impl Edge {
    /// An edge with all channels of the model.
    pub fn whole(shape: Shape, format: Format, intervals: Vec<Interval>) -> Edge {
        let whole = shape.channels;
        Edge { shape, format, whole, channels: (0..whole).collect(), intervals }
    }

    /// What an element of the whole image can be: all channels together.
    pub fn interval(&self) -> Interval {
        self.intervals.iter().fold(self.intervals[0], |a, b| a.hull(*b))
    }

    /// The elements of this edge out of all those that the model has in its place.
    pub fn of(&self, whole: &[i64]) -> Vec<i64> {
        let pixel = |pixel: &[i64]| self.channels.iter().map(|&c| pixel[c]).collect::<Vec<_>>();
        whole.chunks_exact(self.whole).flat_map(pixel).collect()
    }

    /// The numbers in the model of all elements of so many pixels.
    pub fn indices(&self, pixels: usize) -> impl Iterator<Item = usize> {
        (0..pixels).flat_map(move |pixel| self.channels.iter().map(move |c| pixel * self.whole + c))
    }

    /// Elements of the whole image in the model.
    pub fn elements_of_model(&self) -> usize {
        self.shape.pixels() * self.whole
    }
}

impl Layer {
    /// The kernel of a layer that has one.
    pub fn kernel(&self) -> Option<&Kernel> {
        match &self.kind {
            Kind::Spn(kernel)
            | Kind::CharCnn { filters: kernel, .. }
            | Kind::Highway { gates: kernel, .. }
            | Kind::Recurrent { gates: kernel, .. } => Some(kernel),
            Kind::Pool { .. }
            | Kind::Upsample { .. }
            | Kind::Activation { .. }
            | Kind::Last
            | Kind::Best { .. }
            | Kind::Threshold { .. }
            | Kind::Reverse
            | Kind::Add { .. }
            | Kind::Concat { .. }
            | Kind::Embedding { .. } => None,
        }
    }

    /// What its kernel makes of a window; of a word, the largest output of each filter. Nothing
    /// where it has none.
    pub fn compute(&self, x: &[i64]) -> Vec<i64> {
        match (self.kernel(), self.words()) {
            (Some(kernel), Some(words)) => words.largest(x, |window| kernel.apply(window)),
            (Some(kernel), None) => kernel.apply(x),
            (None, _) => vec![],
        }
    }

    /// Data by data: products of a highway or a recurrent layer, for each of its units.
    pub fn products_of_a_unit(&self) -> usize {
        match &self.kind {
            Kind::Highway { .. } => HIGHWAY_PRODUCTS,
            Kind::Recurrent { cell, .. } => cell.kind.products(),
            _ => 0,
        }
    }

    /// Steps of a recurrent layer for each input.
    pub fn steps(&self) -> usize {
        self.kernel().map_or(1, |kernel| kernel.windows.count())
    }
}
