//! Assembles a stream graph from the layers of the dataflow IR and their engines.

use super::primitive::{
    Accumulate, Add, Array, Bank, Best, Cell, Collector, Concat, Curves, Fifo, Fork, FrameEnd,
    Framer, Highway, Last, Lines, Lookup, Patches, Primitive, Reader, Recall, Rectify, Register,
    Repack, Requantise, Reverse, Segment, Serialiser, Table, Threshold, Upsample, Widen, Window,
};
use super::{Graph, Head, Input, Node, Stream, StreamId};
use crate::emit::signature;
use crate::emit::signature::{BEAT_BYTES, Beat, Stream as Axi, Vector};
use crate::folded::Folded;
use crate::ir::gated::{self, Curve, Function};
use crate::ir::words::gcd;
use crate::ir::{Dataflow, Edge, EdgeId, Kernel, Kind, Layer, Windows};
use crate::schedule::Source;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{Along, Error, Format, Result, Shape};

/// What a layer works on.
#[derive(Clone, Copy, Debug)]
pub enum Engine<'a> {
    /// A pipeline whose weights are wiring; of the last layer of a segment, the whole segment.
    Unrolled {
        /// Clocks from the segment's input to this layer's output.
        stages: u32,
        /// The least clocks from one word to the next: more than 1 of a serial layer.
        interval: u32,
    },
    /// Weights in ROM.
    Folded(&'a Folded),
    /// A pooling, an activation, a sum, a concatenation or an embedding, of so many elements at a
    /// time.
    Elementwise {
        /// Elements at a time; one of [`Dataflow::lanes`].
        lanes: usize,
    },
}

/// The graph of a core; `engines` are those of the layers, in order. FIFOs hold any number of words
/// yet.
///
/// Beats are as `beats` asks for them, of all inputs and of all outputs; where it asks for none,
/// they have the channels of a pixel and the elements of the last layer's words, or the largest
/// part of those that fits [`BEAT_BYTES`].
///
/// Where there are several inputs, no frame is ever dropped, but made whole: else those behind it
/// would meet other frames of the other inputs.
///
/// # Errors
/// As [`Axi::new`], and internally where an engine is not one for its layer.
pub fn assemble(dataflow: &Dataflow, engines: &[Engine], beats: [Beat; 2]) -> Result<Graph> {
    let mut builder = Builder::new(dataflow);
    let [asked, asked_of_output] = beats;
    let edge = &dataflow.edges[0];
    let input = ports(edge, edge.shape.channels, asked).map_err(|e| e.within("input"))?;
    let mut x = builder.stream(input.beat_elements, edge.format, input.beats);
    // Where the whole input is one word, a frame that is not whole need not be made so.
    let whole =
        dataflow.inputs.is_empty() && edge.shape.pixels() == 1 && reads_whole(dataflow, engines);
    let interval = |number: usize| match engines[number] {
        Engine::Unrolled { interval, .. } => Some(interval),
        Engine::Folded(_) | Engine::Elementwise { .. } => None,
    };
    // A segment that nothing but the ports is in front of has a register of its own.
    let as_it_comes = dataflow.layers[0].kernel().is_some_and(Kernel::reads_pixels);
    builder.at_ports = whole
        && as_it_comes
        && input.beats == 1
        && interval(0).is_some()
        && readers(dataflow, EdgeId(0)) == 1;
    if !builder.at_ports {
        x = builder.then(None, "s_register", Register::Input, x);
    }
    if whole {
        let word = builder.stream(input.elements, edge.format, 1);
        builder.node(None, "collector", Collector { beats: input.beats }, &[x], &[word]);
        x = word;
    } else {
        x = builder.then(None, "framer", Framer, x);
        let lanes = pixels(input.beat_elements, edge.shape.channels);
        x = builder.pack("s", x, lanes, input.elements);
    }
    builder.offer(EdgeId(0), x, "input");
    let further = dataflow.inputs.iter().enumerate();
    let further = further.map(|(i, name)| builder.enter(EdgeId(i as u32 + 1), name, asked));
    let inputs: Vec<Input> = further.collect::<Result<_>>()?;
    let mut left = BTreeMap::new();
    for layers in segments(dataflow, &interval) {
        let last = *layers.end();
        let y = builder.layers(layers, engines[last])?;
        let name = &dataflow.layers[last].name;
        let edge = dataflow.edge_of(last);
        if let Some(head) = dataflow.heads.iter().find(|head| head.edge == edge) {
            left.insert(edge, builder.leave(edge, Some(&head.name), y, asked_of_output)?);
            continue;
        }
        // A segment ends in a FIFO, which breaks every combinational path.
        let y = if builder.ends_in_segment() || last + 1 == engines.len() {
            y
        } else {
            builder.then(None, &format!("register_{name}"), Register::Between, y)
        };
        builder.offer(edge, y, name);
    }
    let last = EdgeId(dataflow.edges.len() as u32 - 1);
    let y = builder.take(last);
    let (y, output) = builder.leave(last, None, y, asked_of_output)?;
    // Heads are in the order of the model, not in that of the layers that they end in.
    let mut heads: Vec<Head> = vec![];
    for of in &dataflow.heads {
        let (stream, beats) = left.remove(&of.edge).ok_or_else(|| {
            Error::internal("stream graph", format_args!("head `{}` ends nowhere", of.name))
        })?;
        heads.push(Head { name: of.name.clone(), stream, beats });
    }
    let (nodes, streams) = (builder.nodes, builder.streams);
    Ok(Graph { nodes, streams, output: y, beats: [input, output], inputs, heads })
}

/// The nodes of layer `number` as they are where it is alone in its segment and is given as many
/// elements at a time as it takes, and their streams.
///
/// # Errors
/// Internally where the engine is not one for the layer.
pub fn alone(
    dataflow: &Dataflow,
    number: usize,
    engine: Engine,
) -> Result<(Vec<Node>, Vec<Stream>)> {
    let mut builder = Builder::new(dataflow);
    for &id in &dataflow.layers[number].reads {
        let Edge { shape, format, .. } = dataflow.edges[id.index()];
        let lanes = match engine {
            Engine::Unrolled { .. } => shape.channels,
            Engine::Folded(folded) => folded.wb.lanes,
            Engine::Elementwise { lanes } => lanes,
        };
        let fits = shape.elements().is_multiple_of(lanes);
        let lanes = if fits { lanes } else { shape.channels };
        let x = builder.stream(lanes, format, shape.elements() / lanes);
        builder.offered.entry(id).or_default().push(x);
    }
    builder.layers(number..=number, engine)?;
    Ok((builder.nodes, builder.streams))
}

/// All layers in order, those together that are one segment: kernels that are pipelines, each of
/// which takes every word of the one before as it comes, alone. `interval` has the least clocks
/// from word to word of a layer that is one.
pub fn segments(
    dataflow: &Dataflow,
    interval: &dyn Fn(usize) -> Option<u32>,
) -> Vec<RangeInclusive<usize>> {
    let mut segments: Vec<RangeInclusive<usize>> = vec![];
    for number in 0..dataflow.layers.len() {
        match segments.last_mut() {
            Some(segment)
                if interval(number).is_some()
                    && interval(number) == interval(number - 1)
                    && follows(dataflow, number) =>
            {
                *segment = *segment.start()..=number;
            }
            _ => segments.push(number..=number),
        }
    }
    segments
}

/// Whether a layer is a kernel over single pixels that the kernel before it yields one by one, and
/// nothing else reads.
fn follows(dataflow: &Dataflow, number: usize) -> bool {
    let edge = dataflow.edge_of(number - 1);
    match (&dataflow.layers[number - 1].kind, &dataflow.layers[number].kind) {
        (Kind::Spn(before), Kind::Spn(kernel)) => {
            before.patch.area() == 1
                && before.output == kernel.input
                && kernel.reads_pixels()
                && dataflow.layers[number].reads == [edge]
                && readers(dataflow, edge) == 1
        }
        _ => false,
    }
}

/// What a segment that begins with this layer reads: of the core's one input, as one word,
/// registers.
pub fn source(dataflow: &Dataflow, number: usize) -> Source {
    let layer = &dataflow.layers[number];
    let input = EdgeId(0);
    let as_it_comes = layer.kernel().is_some_and(Kernel::reads_pixels);
    let of_one_pixel = dataflow.edges[input.index()].shape.pixels() == 1;
    let alone = dataflow.inputs.is_empty();
    if layer.reads == [input] && alone && of_one_pixel && as_it_comes {
        Source::Registers
    } else {
        Source::Memory
    }
}

/// How often the edge is read.
fn readers(dataflow: &Dataflow, edge: EdgeId) -> usize {
    dataflow.layers.iter().flat_map(|layer| &layer.reads).filter(|id| **id == edge).count()
}

/// Whether every layer that reads the network's input takes all of its elements at once.
fn reads_whole(dataflow: &Dataflow, engines: &[Engine]) -> bool {
    let whole = |(layer, engine): (&Layer, &Engine)| {
        !layer.reads.contains(&EdgeId(0))
            || matches!((&layer.kind, engine), (Kind::Spn(_), Engine::Unrolled { .. }))
    };
    dataflow.layers.iter().zip(engines).all(whole)
}

/// The beats of an image that travels in words of `lanes` elements.
fn ports(edge: &Edge, lanes: usize, asked: Beat) -> Result<Axi> {
    let vector = Vector { elements: edge.shape.elements(), format: edge.format };
    let most = BEAT_BYTES / edge.format.bits.div_ceil(8) as usize;
    // 1 always divides.
    let largest = (1..=lanes.min(most)).rev().find(|n| lanes.is_multiple_of(*n)).unwrap_or(1);
    Axi::new(vector, if asked == Beat::Any { Beat::Elements(largest) } else { asked })
}

/// Elements of the words that beats become: parts of a pixel that keep up with them, as far as one
/// pixel a clock does.
fn pixels(beat: usize, channels: usize) -> usize {
    // A pixel always divides itself.
    (beat..channels).find(|n| channels.is_multiple_of(*n)).unwrap_or(channels)
}

struct Builder<'a> {
    dataflow: &'a Dataflow,
    nodes: Vec<Node>,
    streams: Vec<Stream>,
    /// The streams of each edge that no layer has taken yet.
    offered: BTreeMap<EdgeId, Vec<StreamId>>,
    /// Whether the input enters the first segment as it comes.
    at_ports: bool,
}

impl<'a> Builder<'a> {
    fn new(dataflow: &'a Dataflow) -> Self {
        let offered = BTreeMap::new();
        Builder { dataflow, nodes: vec![], streams: vec![], offered, at_ports: false }
    }

    /// Whether the last node is a segment.
    fn ends_in_segment(&self) -> bool {
        matches!(self.nodes.last(), Some(Node { primitive: Primitive::Segment(_), .. }))
    }

    fn stream(&mut self, lanes: usize, format: Format, words: usize) -> StreamId {
        self.streams.push(Stream { lanes, format, words });
        StreamId(self.streams.len() as u32 - 1)
    }

    fn node(
        &mut self,
        layer: Option<usize>,
        name: &str,
        primitive: impl Into<Primitive>,
        inputs: &[StreamId],
        outputs: &[StreamId],
    ) {
        let (name, primitive) = (name.into(), primitive.into());
        self.nodes.push(Node {
            name,
            layer,
            primitive,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
        });
    }

    /// A node whose words leave as they enter.
    fn then(
        &mut self,
        layer: Option<usize>,
        name: &str,
        primitive: impl Into<Primitive>,
        x: StreamId,
    ) -> StreamId {
        let Stream { lanes, format, words } = self.streams[x.index()].clone();
        let y = self.stream(lanes, format, words);
        self.node(layer, name, primitive, &[x], &[y]);
        y
    }

    /// A node that yields other words.
    fn into(
        &mut self,
        layer: usize,
        name: &str,
        primitive: impl Into<Primitive>,
        x: StreamId,
        to: (usize, Format, usize),
    ) -> StreamId {
        let y = self.stream(to.0, to.1, to.2);
        self.node(Some(layer), name, primitive, &[x], &[y]);
        y
    }

    /// What stands between the ports of a further input and those that read it.
    fn enter(&mut self, edge: EdgeId, name: &str, asked: Beat) -> Result<Input> {
        let of = &self.dataflow.edges[edge.index()];
        let port = signature::input(name);
        let beats = ports(of, of.shape.channels, asked).map_err(|e| e.within(&port))?;
        let stream = self.stream(beats.beat_elements, of.format, beats.beats);
        let x = self.then(None, &format!("s_register_{name}"), Register::Input, stream);
        let x = self.then(None, &format!("framer_{name}"), Framer, x);
        let x = self.pack(&port, x, pixels(beats.beat_elements, of.shape.channels), beats.elements);
        self.offer(edge, x, &port);
        Ok(Input { name: name.into(), stream, beats })
    }

    /// Offers an edge to all layers that read it; the last one leaves the core.
    fn offer(&mut self, edge: EdgeId, x: StreamId, name: &str) {
        let readers = readers(self.dataflow, edge);
        let Stream { lanes, format, words } = self.streams[x.index()].clone();
        let (mut rest, mut streams) = (x, vec![]);
        for i in 1..readers {
            let (a, b) = (self.stream(lanes, format, words), self.stream(lanes, format, words));
            let name = if i == 1 { format!("fork_{name}") } else { format!("fork_{name}_{i}") };
            self.node(None, &name, Fork, &[rest], &[a, b]);
            streams.push(a);
            rest = b;
        }
        streams.push(rest);
        self.offered.insert(edge, streams);
    }

    fn take(&mut self, edge: EdgeId) -> StreamId {
        // An invariant: as many streams are offered as layers read the edge.
        self.offered
            .get_mut(&edge)
            .map(|streams| streams.remove(0))
            .expect("the edge was offered to this reader")
    }

    /// What stands between an edge that leaves the core, as that of a head or without a name, and
    /// its ports; the stream at them, and its beats.
    fn leave(
        &mut self,
        edge: EdgeId,
        head: Option<&str>,
        y: StreamId,
        asked: Beat,
    ) -> Result<(StreamId, Axi)> {
        let lanes = self.streams[y.index()].lanes;
        let output = ports(&self.dataflow.edges[edge.index()], lanes, asked)
            .map_err(|e| e.within("output"))?;
        let (m, of_head) = match head {
            Some(head) => (signature::head(head), format!("_{head}")),
            None => ("m".into(), String::new()),
        };
        let y = self.pack(&m, y, output.beat_elements, output.elements);
        // A FIFO takes ready as it comes.
        let entries = if self.ends_in_segment() { 1 } else { 2 };
        let y = self.then(None, &format!("frame_end{of_head}"), FrameEnd, y);
        let y = self.then(None, &format!("m_register{of_head}"), Register::Output { entries }, y);
        Ok((y, output))
    }

    /// Words of `lanes` elements.
    fn convert(&mut self, layer: Option<usize>, name: &str, x: StreamId, lanes: usize) -> StreamId {
        let Stream { lanes: from, format, words } = self.streams[x.index()].clone();
        let common = gcd(from, lanes);
        let mut y = x;
        if from > common {
            let beats = from / common;
            let narrow = self.stream(common, format, words * beats);
            self.node(layer, &format!("{name}_narrow"), Serialiser { beats }, &[y], &[narrow]);
            y = narrow;
        }
        if lanes > common {
            let more = lanes / common;
            let wide = self.stream(lanes, format, words * from / common / more);
            self.node(layer, &format!("{name}_widen"), Widen { words: more }, &[y], &[wide]);
            y = wide;
        }
        y
    }

    /// Words of `lanes` elements of a frame that does not fill its last word, or whose last word
    /// shall not be full.
    fn pack(&mut self, name: &str, x: StreamId, lanes: usize, elements: usize) -> StreamId {
        let Stream { lanes: from, format, words } = self.streams[x.index()].clone();
        if words == 1 && from == elements && lanes < elements {
            // What is beyond the last element is wired to 0.
            let beats = elements.div_ceil(lanes);
            let y = self.stream(lanes, format, beats);
            self.node(None, &format!("{name}_narrow"), Serialiser { beats }, &[x], &[y]);
            return y;
        }
        let whole = elements.is_multiple_of(from) && elements.is_multiple_of(lanes);
        if whole && (from.is_multiple_of(lanes) || lanes.is_multiple_of(from)) {
            return self.convert(None, name, x, lanes);
        }
        let y = self.stream(lanes, format, elements.div_ceil(lanes));
        self.node(None, &format!("{name}_repack"), Repack { elements }, &[x], &[y]);
        y
    }

    /// The nodes of layers that are one segment, on the engine of the last; the stream that leaves
    /// them.
    fn layers(&mut self, layers: RangeInclusive<usize>, engine: Engine) -> Result<StreamId> {
        let dataflow = self.dataflow;
        let number = *layers.start();
        let layer = &dataflow.layers[number];
        let to = dataflow.yields(number);
        let format = to.format;
        Ok(match (&layer.kind, engine) {
            (Kind::Spn(kernel), Engine::Unrolled { stages, interval }) => {
                let x = self.take(layer.reads[0]);
                let last = dataflow.layers[*layers.end()].kernel().unwrap_or(kernel);
                self.segment(layers, [kernel, last], [stages, interval], x)
            }
            (Kind::Spn(kernel), engine) => {
                let x = self.take(layer.reads[0]);
                self.kernel(number, kernel, engine, x)?
            }
            (Kind::CharCnn { tanh, .. }, Engine::Folded(folded)) => {
                let x = self.take(layer.reads[0]);
                self.filters(number, folded, tanh, x)?
            }
            (Kind::Highway { gates, blend }, engine) => {
                let [x, kept] = [0, 1].map(|side| self.take(layer.reads[side]));
                let kept = self.then(
                    None,
                    &format!("fifo_{}_x", layer.name),
                    Fifo { depth: usize::MAX, hidden: false },
                    kept,
                );
                let kept = self.convert(Some(number), "kept", kept, 1);
                let y = self.kernel(number, gates, engine, x)?;
                let y = self.convert(Some(number), "gates", y, 2);
                let z = self.stream(1, format, to.shape.elements());
                self.node(Some(number), "highway", Highway::from(blend), &[y, kept], &[z]);
                z
            }
            (Kind::Recurrent { along, gates, cell }, engine) => {
                self.recurrent(number, *along, (gates, cell), engine)?
            }
            (Kind::Embedding { rows }, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, 1);
                let words = to.shape.channels / lanes;
                self.into(
                    number,
                    "lookup",
                    Lookup { words, rows: rows.len() },
                    x,
                    (lanes, format, to.shape.pixels() * words),
                )
            }
            (Kind::Pool { kind, windows }, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let from = self.streams[x.index()].format;
                let words = layer.input.channels / lanes;
                let fill = if *kind == PoolKind::Max { from.min() } else { 0 };
                let lines = Lines { image: layer.input, words, windows: *windows, fill };
                let count = windows.size.area();
                let pixels = to.shape.pixels();
                let reader = Reader { lines, groups: words, repeats: 1, rounds: 1 };
                let taps =
                    self.into(number, "reader", reader, x, (lanes, from, pixels * words * count));
                let maximum = *kind == PoolKind::Max;
                let pool = Accumulate { maximum, count, of_windows: true };
                self.into(number, "accumulate", pool, taps, (lanes, format, pixels * words))
            }
            (Kind::Upsample { size }, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let (image, words) = (layer.input, layer.input.channels / lanes);
                let upsample = Upsample { image, words, size: *size };
                let to = (lanes, format, to.shape.pixels() * words);
                self.into(number, "upsample", upsample, x, to)
            }
            (Kind::Activation { function }, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let to = (lanes, format, to.shape.elements() / lanes);
                match function {
                    Function::Curve(curve) => {
                        self.into(number, "curves", Curves::from(curve), x, to)
                    }
                    Function::Clip { max } => {
                        self.into(number, "clip", Rectify { max: *max, shift: 0 }, x, to)
                    }
                    Function::Leaky { shift } => {
                        let leaky = Rectify { max: format.max(), shift: *shift };
                        self.into(number, "leaky", leaky, x, to)
                    }
                }
            }
            (Kind::Last, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let (pixels, words) = (layer.input.pixels(), layer.input.channels / lanes);
                self.into(number, "last", Last { pixels, words }, x, (lanes, format, words))
            }
            (Kind::Best { count }, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let best = Best { words: layer.input.channels / lanes };
                self.into(number, "best", best, x, (*count, format, to.shape.pixels()))
            }
            (Kind::Threshold { above }, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let to = (lanes, format, to.shape.elements() / lanes);
                self.into(number, "threshold", Threshold { above: *above }, x, to)
            }
            (Kind::Reverse, Engine::Elementwise { lanes }) => {
                let x = self.take(layer.reads[0]);
                let x = self.convert(Some(number), "x", x, lanes);
                let (pixels, words) = (layer.input.pixels(), layer.input.channels / lanes);
                self.then(Some(number), "reverse", Reverse { pixels, words }, x)
            }
            (Kind::Add { shifts, shift }, Engine::Elementwise { lanes }) => {
                let sides = self.branches(number, [lanes; 2]);
                let words = to.shape.elements() / lanes;
                let z = self.stream(lanes, format, words);
                self.node(
                    Some(number),
                    "add",
                    Add { shifts: *shifts, shift: *shift },
                    &sides,
                    &[z],
                );
                z
            }
            (Kind::Concat { shifts, shift }, Engine::Elementwise { lanes }) => {
                let of = layer.reads.iter().map(|id| dataflow.edges[id.index()].shape.channels);
                let channels: Vec<usize> = of.collect();
                let &[a, b] = channels.as_slice() else { return Err(self.lost(number)) };
                let together = lanes == a + b;
                let sides = self.branches(number, if together { [a, b] } else { [lanes; 2] });
                let z = self.stream(lanes, format, to.shape.elements() / lanes);
                let words = [a, b].map(|channels| if together { 1 } else { channels / lanes });
                let (shifts, shift) = (*shifts, *shift);
                let concat = Concat { together, words, shifts, shift };
                self.node(Some(number), "concat", concat, &sides, &[z]);
                z
            }
            (
                Kind::Pool { .. }
                | Kind::Upsample { .. }
                | Kind::Activation { .. }
                | Kind::Last
                | Kind::Best { .. }
                | Kind::Threshold { .. }
                | Kind::Reverse
                | Kind::Add { .. }
                | Kind::Concat { .. }
                | Kind::Embedding { .. }
                | Kind::CharCnn { .. },
                _,
            ) => {
                return Err(self.lost(number));
            }
        })
    }

    /// The two streams that a layer joins, each in words of so many elements. Words of either wait
    /// in a FIFO for those of the other.
    fn branches(&mut self, number: usize, lanes: [usize; 2]) -> [StreamId; 2] {
        const SIDES: [&str; 2] = ["body", "shortcut"];
        let layer = &self.dataflow.layers[number];
        let sides = [0, 1].map(|side| {
            let x = self.take(layer.reads[side]);
            // A body has layers, so a shortcut without any is always ahead of it.
            if side == 0 && layer.reads[1] < layer.reads[0] {
                return x;
            }
            let name = format!("fifo_{}_{}", layer.name, SIDES[side]);
            self.then(None, &name, Fifo { depth: usize::MAX, hidden: false }, x)
        });
        [0, 1].map(|side| self.convert(Some(number), SIDES[side], sides[side], lanes[side]))
    }

    /// The nodes of a kernel that reads x.
    fn kernel(
        &mut self,
        number: usize,
        kernel: &Kernel,
        engine: Engine,
        x: StreamId,
    ) -> Result<StreamId> {
        match engine {
            Engine::Folded(folded) => self.folded(number, kernel, folded, x),
            Engine::Unrolled { stages, interval } => {
                Ok(self.segment(number..=number, [kernel; 2], [stages, interval], x))
            }
            Engine::Elementwise { .. } => Err(self.lost(number)),
        }
    }

    /// Engines are chosen by the kind of their layer.
    fn lost(&self, number: usize) -> Error {
        let name = &self.dataflow.layers[number].name;
        Error::internal(
            format_args!("stream graph, layer `{name}`"),
            "has an engine of another kind of layer",
        )
    }

    /// x and h joined, the gates, and what they do with each unit; h leaves, and comes back for the
    /// next step.
    fn recurrent(
        &mut self,
        number: usize,
        along: Along,
        (gates, cell): (&Kernel, &gated::Cell),
        engine: Engine,
    ) -> Result<StreamId> {
        let (dataflow, joined) = (self.dataflow, gates.chain.input);
        let (layer, format) = (&dataflow.layers[number], dataflow.yields(number).format);
        let (n, all) = (dataflow.yields(number).shape.channels, gates.windows.count());
        let n_in = gates.input.channels - n;
        let steps = match along {
            Along::Inputs => None,
            Along::Pixels => Some(all),
        };
        // As many elements a word as part both x and h, and the words of the kernel.
        let lanes = match engine {
            Engine::Folded(folded) => gcd(gcd(n_in, n), folded.wb.lanes),
            _ => gcd(n_in, n),
        };
        let words = [n_in / lanes, n / lanes];
        let kept = self.stream(lanes, format, all * words[1]);
        // All of h, so that a step leaves before the next one comes.
        let h = self.then(Some(number), "hidden", Fifo { depth: words[1], hidden: true }, kept);
        let x = self.take(layer.reads[0]);
        let x = self.convert(Some(number), "given", x, lanes);
        let both = self.stream(lanes, joined, all * (words[0] + words[1]));
        self.node(Some(number), "recall", Recall { words, steps }, &[x, h], &[both]);
        let y = self.kernel(number, gates, engine, both)?;
        let y = self.convert(Some(number), "gates", y, 4);
        let z = self.into(number, "cell", Cell::of(cell, n, steps), y, (1, format, all * n));
        let leaves = self.stream(1, format, all * n);
        let returns = if lanes == 1 { kept } else { self.stream(1, format, all * n) };
        self.node(Some(number), "fork", Fork, &[z], &[leaves, returns]);
        if lanes > 1 {
            self.node(Some(number), "kept_widen", Widen { words: lanes }, &[returns], &[kept]);
        }
        Ok(leaves)
    }

    /// A free-running pipeline of layers, whose first and last kernels these are, and what stands
    /// around it.
    fn segment(
        &mut self,
        layers: RangeInclusive<usize>,
        [kernel, last]: [&Kernel; 2],
        [stages, interval]: [u32; 2],
        x: StreamId,
    ) -> StreamId {
        let (number, end) = (*layers.start(), *layers.end());
        let input = kernel.input;
        // What nothing of the layer but a segment of several reads stands before all of these.
        let mut x = if number != end && kernel.reads_pixels() {
            let name = format!("{}_x", self.dataflow.layers[number].name);
            self.convert(None, &name, x, input.channels)
        } else {
            self.convert(Some(number), "x", x, input.channels)
        };
        let (windows, from) = (kernel.windows, self.streams[x.index()].format);
        // Windows of one pixel each, all of them, need no storage.
        if windows != Windows::pixels(input) {
            let lines = Lines { image: input, words: 1, windows, fill: 0 };
            let elements = windows.size.area() * input.channels;
            x = self.into(number, "window", Window(lines), x, (elements, from, windows.count()));
        }
        let before = self.nodes.iter().any(|node| node.layer == Some(number));
        let (elements, format) = (last.patch.area() * last.output.channels, last.chain.output);
        let behind = elements > last.output.channels || !last.in_order();
        let y = self.stream(elements, format, windows.count());
        // A segment that is all there is of its layers stands between the layers.
        let gated = !matches!(self.dataflow.layers[end].kind, Kind::Spn(_));
        let within = number == end && (before || behind || gated);
        let name = &self.dataflow.layers[end].name;
        let (owner, name) = match (within, behind) {
            (true, _) => (Some(number), "kernel".into()),
            (false, true) => (None, format!("segment_{name}")),
            (false, false) => (None, format!("layer_{name}")),
        };
        // A serial layer holds its words itself.
        let registered = number == 0 && self.at_ports && interval == 1;
        let mut segment = Segment { layers, registered, stages, depth: 0, interval };
        segment.depth = segment.full_rate();
        self.node(owner, &name, segment, &[x], &[y]);
        // What several layers yield in an image's order is between the layers already.
        let y = if number != end && last.in_order() {
            let name = format!("{}_y", self.dataflow.layers[end].name);
            self.convert(None, &name, y, last.output.channels)
        } else {
            self.convert(Some(end), "y", y, last.output.channels)
        };
        self.patches(end, last, y)
    }

    /// Appends what turns patches, pixel by pixel, into rows.
    fn patches(&mut self, number: usize, kernel: &Kernel, y: StreamId) -> StreamId {
        if kernel.in_order() {
            return y;
        }
        let Stream { lanes, format, .. } = self.streams[y.index()];
        let image: Shape = kernel.output;
        let grid = (kernel.windows.rows, kernel.windows.columns);
        let patches = Patches { patch: kernel.patch, grid, image };
        self.into(number, "patches", patches, y, (lanes, format, image.elements() / lanes))
    }

    fn folded(
        &mut self,
        number: usize,
        kernel: &Kernel,
        folded: &Folded,
        x: StreamId,
    ) -> Result<StreamId> {
        let (input, format) = (kernel.input, folded.output);
        let (windows, count) = (kernel.windows, kernel.windows.count());
        let Some(wc) = &folded.wc else { return Err(self.lost(number)) };
        let (wb, bank) = (&folded.wb, &folded.bank);

        let x = self.convert(Some(number), "x", x, wb.lanes);
        let from = self.streams[x.index()].format;
        let lines = Lines { image: input, words: input.channels / wb.lanes, windows, fill: 0 };
        let repeats = wb.results() / folded.groups;
        let reader = Reader { lines, groups: folded.groups, repeats, rounds: 1 };
        let words = self.into(number, "reader", reader, x, (wb.lanes, from, count * wb.depth()));
        let array = Array::new(Table::Wb, wb);
        let u = self.into(
            number,
            "wb_array",
            array,
            words,
            (wb.rows, integers(wb.bits), count * wb.results()),
        );
        let rows = folded.padded_rows();
        let m = self.products(number, folded, u, wb.sums);
        let m = self.convert(Some(number), "m", m, wc.lanes);
        let vector = Lines {
            image: Shape::vector(rows),
            words: rows / wc.lanes,
            windows: Windows::WHOLE,
            fill: 0,
        };
        // Of each pixel of a patch the outputs of a group, group by group.
        let groups = folded.output_groups();
        let rounds = if groups > 1 { kernel.patch.area() } else { 1 };
        let repeats = wc.results() / (rounds * groups);
        let reader = Reader { lines: vector, groups, repeats, rounds };
        let words = self.into(
            number,
            "m_reader",
            reader,
            m,
            (wc.lanes, integers(bank.product_bits), count * wc.depth()),
        );
        let array = Array::new(Table::Wc, wc);
        let y = self.into(
            number,
            "wc_array",
            array,
            words,
            (wc.rows, integers(wc.bits), count * wc.results()),
        );
        let z = self.into(
            number,
            "requantise",
            Requantise::from(&folded.requantiser),
            y,
            (wc.rows, format, count * wc.results()),
        );
        Ok(self.patches(number, kernel, z))
    }

    /// Appends what turns the sums of W_b, each of which takes so many clocks, into products.
    fn products(&mut self, number: usize, folded: &Folded, u: StreamId, clocks: usize) -> StreamId {
        let (wb, bank) = (&folded.wb, &folded.bank);
        // What is before sums on while its last result is handed out part by part.
        let u = if bank.lanes < wb.rows && clocks > 1 {
            self.then(Some(number), "u_register", Register::Between, u)
        } else {
            u
        };
        let u = self.convert(Some(number), "u", u, bank.lanes);
        let words = self.streams[u.index()].words;
        self.into(
            number,
            "bank",
            Bank::from(bank),
            u,
            (bank.lanes, integers(bank.product_bits), words),
        )
    }

    /// The filters of a char-CNN: the sums at all positions, the largest ones, their products, and
    /// tanh.
    fn filters(
        &mut self,
        number: usize,
        folded: &Folded,
        tanh: &Curve,
        x: StreamId,
    ) -> Result<StreamId> {
        let Some(positions) = &folded.positions else { return Err(self.lost(number)) };
        let wb = &folded.wb;
        let (count, sums) = (positions.count, integers(wb.bits));
        let x = self.convert(Some(number), "x", x, wb.lanes);
        let from = self.streams[x.index()].format;
        let words = self.into(
            number,
            "positions",
            positions.clone(),
            x,
            (wb.lanes, from, positions.reads()),
        );
        let (array, blocks) = (Array::of_filters(wb, positions), positions.blocks());
        let all = self.into(number, "wb_array", array, words, (wb.rows, sums, blocks * count));
        let largest = Accumulate { maximum: true, count, of_windows: false };
        let u = self.into(number, "largest", largest, all, (wb.rows, sums, blocks));
        let m = self.products(number, folded, u, positions.reads() / blocks);
        let Stream { lanes, words, .. } = self.streams[m.index()];
        let z = self.into(
            number,
            "requantise",
            Requantise::from(&folded.requantiser),
            m,
            (lanes, folded.output, words),
        );
        let z = self.convert(Some(number), "z", z, 1);
        let to = self.dataflow.yields(number);
        Ok(self.into(number, "tanh", Curves::from(tanh), z, (1, to.format, to.shape.elements())))
    }
}

/// The format of sums and products of so many bits.
fn integers(bits: u32) -> Format {
    Format { signed: true, bits, frac: 0 }
}
