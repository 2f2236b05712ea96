//! Compares a graph with the dataflow that it was assembled from: follows what each stream holds
//! from the core's input to its outputs, and derives from the definitions what each node must be.

use super::primitive::{
    Accumulate, Add, Array, Bank, Best, Cell, Collector, Concat, Curves, Fifo, FrameEnd, Framer,
    Highway, Last, Lines, Lookup, Patches, Primitive, Reader, Recall, Rectify, Register, Repack,
    Requantise, Reverse, Segment, Table, Threshold, Upsample, Window,
};
use super::{Engine, Graph, Node, Stream, StreamId};
use crate::folded::{FilterStep, Folded, Positions};
use crate::ir::gated::{Curve, Function};
use crate::ir::words::Words;
use crate::ir::{self, Dataflow, EdgeId, Kind, Layer, Windows};
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{Along, Error, Format, Result, Shape};

/// Checks a graph that [`verify`](super::verify()) accepts: it is the dataflow, each layer on its
/// engine. It shares nothing with [`assemble`](super::assemble()).
///
/// # Errors
/// The first node that is not what its layer asks for: a bug of ours.
pub fn prove(graph: &Graph, dataflow: &Dataflow, engines: &[Engine]) -> Result<()> {
    let due = Due { dataflow, engines };
    let mut holds = vec![None; graph.streams.len()];
    let mut come_back = vec![];
    let at = |node: &Node, cause: String| {
        let of = node.layer.and_then(|n| dataflow.layers.get(n)).map(|layer| &layer.name);
        let layer = of.map_or(String::new(), |name| format!(", layer `{name}`"));
        Error::internal(format_args!("stream graph{layer}, `{}`", node.name), cause)
    };
    if dataflow.layers.len() != engines.len() {
        return Err(Error::internal("stream graph", "a layer has no engine"));
    }
    let names = |of: &mut dyn Iterator<Item = &String>| of.cloned().collect::<Vec<_>>();
    let own = names(&mut graph.inputs.iter().map(|input| &input.name));
    if own != dataflow.inputs {
        return Err(Error::internal("stream graph", format_args!("has the inputs {own:?}")));
    }
    for (number, (stream, _, port)) in graph.inputs().enumerate() {
        let enters = Holds::Input(EdgeId(number as u32));
        due.travels(enters, &graph.streams[stream.index()])
            .map_err(|cause| Error::internal(format_args!("stream graph, {port}"), cause))?;
        holds[stream.index()] = Some(enters);
    }
    for node in &graph.nodes {
        let enters = if let (Primitive::Fifo(Fifo { hidden: true, .. }), Some(number)) =
            (&node.primitive, node.layer)
        {
            come_back.push((node, yielded(dataflow, number)));
            vec![Holds::Of(number, Step::Before)]
        } else {
            // An invariant of the verifier: what enters comes from an earlier node.
            node.inputs.iter().filter_map(|id| holds[id.index()]).collect()
        };
        let yields = due.node(graph, node, &enters).map_err(|cause| at(node, cause))?;
        for id in &node.outputs {
            due.travels(yields, &graph.streams[id.index()]).map_err(|cause| at(node, cause))?;
            holds[id.index()] = Some(yields);
        }
    }
    for (node, h) in come_back {
        let has = holds[node.inputs[0].index()];
        if has != Some(h) {
            return Err(at(node, format!("is given {has:?}, not {h:?}")));
        }
    }
    let own = names(&mut graph.heads.iter().map(|head| &head.name));
    if own != names(&mut dataflow.heads.iter().map(|head| &head.name)) {
        return Err(Error::internal("stream graph", format_args!("has the heads {own:?}")));
    }
    for ((stream, _, port), edge) in graph.outputs().zip(dataflow.outputs()) {
        match holds[stream.index()] {
            Some(Holds::Output(id)) if id == edge => {}
            other => {
                let place = format_args!("stream graph, {port}");
                return Err(Error::internal(place, format_args!("is {other:?}")));
            }
        }
    }
    Ok(())
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// An edge that enters the core, with frames that may not be whole.
    Input(EdgeId),
    /// The elements of an edge.
    Edge(EdgeId),
    /// What is between the nodes of a layer.
    Of(usize, Step),
    /// An edge that leaves the core, with its frames marked.
    Output(EdgeId),
}

/// What is between the nodes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The h of the step before.
    Before,
    /// x, then that h.
    Joined,
    /// Whole windows.
    Windows,
    /// Windows in the order in which the next node reads them.
    Read,
    /// The sums of W_b at all positions of a word.
    AllSums,
    /// The sums of W_b, made up to whole words; of a char-CNN the largest ones.
    Sums,
    /// Their products.
    Products,
    /// The products of each window, as often as W_c reads them.
    ReadProducts,
    /// The sums of W_c.
    Outputs,
    /// Patches, which are not in the order of the image.
    Patches,
    /// What the kernel yields, of a gated layer.
    Gates,
}

/// What a node must be, take and yield.
struct Rule {
    is: Primitive,
    takes: Vec<Holds>,
    yields: Holds,
    /// Elements of the words that enter and leave first, where the verifier does not know them.
    lanes: Option<[usize; 2]>,
}

impl Rule {
    fn new(is: impl Into<Primitive>, takes: &[Holds], yields: Holds) -> Self {
        Rule { is: is.into(), takes: takes.to_vec(), yields, lanes: None }
    }

    fn lanes(self, x: usize, z: usize) -> Self {
        Rule { lanes: Some([x, z]), ..self }
    }
}

/// The edge that a layer yields.
fn yielded(dataflow: &Dataflow, number: usize) -> Holds {
    let (before, layers) = (dataflow.inputs.len() as u32, number as u32);
    Holds::Edge(EdgeId(1 + before + layers))
}

struct Due<'a> {
    dataflow: &'a Dataflow,
    engines: &'a [Engine<'a>],
}

impl Due<'_> {
    /// What a node yields of what enters, or what is wrong with the node.
    fn node(
        &self,
        graph: &Graph,
        node: &Node,
        enters: &[Holds],
    ) -> std::result::Result<Holds, String> {
        let of_segment = || match &node.primitive {
            Primitive::Segment(segment) => self.segment(graph, node, segment, enters),
            _ => None,
        };
        let rule = self.between(graph, node, enters).or_else(of_segment).or_else(|| {
            let number = node.layer?;
            let (layer, engine) = (self.dataflow.layers.get(number)?, self.engines.get(number)?);
            let lanes = graph.ends(node).z().lanes;
            match (engine, layer.kernel()) {
                (Engine::Elementwise { lanes }, None) => {
                    self.elementwise(number, layer, *lanes, &node.primitive)
                }
                (Engine::Unrolled { .. }, Some(kernel)) => {
                    unrolled(self.dataflow, number, kernel, &node.primitive)
                }
                (Engine::Folded(engine), Some(kernel)) => {
                    folded(self.dataflow, number, kernel, engine, &node.primitive, enters)
                }
                _ => None,
            }
            .or_else(|| gated(self.dataflow, number, lanes, &node.primitive))
        });
        let Some(Rule { is, takes, yields, lanes }) = rule else {
            return Err(format!("{:?} has no place where {enters:?} enters", node.primitive));
        };
        let ends = graph.ends(node);
        let has = [ends.x().lanes, ends.z().lanes];
        if node.primitive != is {
            Err(format!("is {:?}, not {is:?}", node.primitive))
        } else if enters != takes {
            Err(format!("is given {enters:?}, not {takes:?}"))
        } else if lanes.is_some_and(|due| due != has) {
            Err(format!("has words of {has:?} elements, not of {lanes:?}"))
        } else {
            Ok(yields)
        }
    }

    /// Whether a stream is as what it holds asks for.
    fn travels(&self, holds: Holds, stream: &Stream) -> std::result::Result<(), String> {
        let (format, elements) = self.shape(holds);
        // At the ports the last word of a frame may hold fewer elements than the others.
        let whole =
            stream.lanes > 0 && elements.is_none_or(|n| stream.words == n.div_ceil(stream.lanes));
        if stream.format != format || !whole {
            return Err(format!("{holds:?} is {elements:?} of {format}, not {stream:?}"));
        }
        Ok(())
    }

    /// The format of elements, and how many there are in a frame, where that does not follow from
    /// the nodes.
    fn shape(&self, holds: Holds) -> (Format, Option<usize>) {
        let edge = |at: usize| {
            let edge = &self.dataflow.edges[at];
            (edge.format, Some(edge.shape.elements()))
        };
        let (number, step) = match holds {
            Holds::Input(id) | Holds::Edge(id) | Holds::Output(id) => return edge(id.index()),
            Holds::Of(number, step) => (number, step),
        };
        let integers = |bits| Format { signed: true, bits, frac: 0 };
        let (layer, engine) = (&self.dataflow.layers[number], self.engines[number]);
        match (step, layer.kernel(), engine) {
            (Step::Before, ..) => {
                let h = self.dataflow.yields(number);
                (h.format, Some(h.shape.elements()))
            }
            (Step::Joined, Some(kernel), _) => (kernel.chain.input, Some(kernel.input.elements())),
            (Step::AllSums | Step::Sums, _, Engine::Folded(folded)) => {
                (integers(folded.wb.bits), None)
            }
            (Step::Products | Step::ReadProducts, _, Engine::Folded(folded)) => {
                (integers(folded.bank.product_bits), None)
            }
            (Step::Outputs, _, Engine::Folded(folded)) => (integers(folded.output_bits()), None),
            (Step::Patches | Step::Gates, Some(kernel), _) => (kernel.chain.output, None),
            (_, Some(kernel), _) => (kernel.chain.input, None),
            (_, None, _) => (self.dataflow.reads(number).format, None),
        }
    }

    /// The nodes that yield what enters, and those at the ports.
    fn between(&self, graph: &Graph, node: &Node, enters: &[Holds]) -> Option<Rule> {
        let (x, own) = (*enters.first()?, || node.primitive.clone());
        let rule = match &node.primitive {
            Primitive::Framer(_) => {
                let Holds::Input(id) = x else { return None };
                Rule::new(Framer, enters, Holds::Edge(id))
            }
            // It drops frames, which those of no other input may wait for.
            Primitive::Collector(_) if self.dataflow.inputs.is_empty() => {
                let (raw, input) = (Holds::Input(EdgeId(0)), Holds::Edge(EdgeId(0)));
                let elements = self.dataflow.edges[0].shape.elements();
                let from = graph.ends(node).x().lanes;
                let beats = elements.div_ceil(from.max(1));
                Rule::new(Collector { beats }, &[raw], input).lanes(from, elements)
            }
            Primitive::FrameEnd(_) => {
                let Holds::Edge(id) = x else { return None };
                let leaves = self.dataflow.outputs().any(|output| output == id);
                return leaves.then(|| Rule::new(FrameEnd, enters, Holds::Output(id)));
            }
            Primitive::Register(_) => {
                let register = match x {
                    Holds::Input(_) => Register::Input,
                    Holds::Edge(_) | Holds::Of(..) => Register::Between,
                    // One entry hands ready on: to a FIFO, past what marks the frame's end.
                    Holds::Output(_) => {
                        let giver = |node: &Node| {
                            let gives = |other: &&Node| other.outputs.contains(&node.inputs[0]);
                            graph.nodes.iter().find(gives)
                        };
                        let behind = giver(node).and_then(giver).map(|node| &node.primitive);
                        let of_fifo = matches!(behind, Some(Primitive::Segment(_)));
                        Register::Output { entries: if of_fifo { 1 } else { 2 } }
                    }
                };
                Rule::new(register, enters, x)
            }
            // The words of all other FIFOs are found by their timing.
            Primitive::Fifo(fifo) => {
                let hidden = matches!(x, Holds::Of(_, Step::Before));
                let depth = match (hidden, node.layer) {
                    (true, Some(number)) => {
                        let steps = self.dataflow.layers[number].steps();
                        graph.ends(node).x().words / steps
                    }
                    _ => fifo.depth,
                };
                Rule::new(Fifo { depth, hidden }, enters, x)
            }
            Primitive::Fork(_) if matches!(x, Holds::Edge(_)) => Rule::new(own(), enters, x),
            Primitive::Widen(_) | Primitive::Serialiser(_) if x.in_sequence() => {
                Rule::new(own(), enters, x)
            }
            Primitive::Repack(_) if x.in_sequence() => {
                Rule::new(Repack { elements: self.shape(x).1? }, enters, x)
            }
            _ => return None,
        };
        // What changes words within a layer stands before the layer's nodes, or behind them.
        let within = |number: usize, ids: &[StreamId], side: fn(&Node) -> &[StreamId]| {
            let mut own = graph.nodes.iter().filter(|other| other.layer == Some(number));
            own.any(|other| ids.iter().any(|id| side(other).contains(id)))
        };
        let owned = match (x, node.layer) {
            (Holds::Of(number, _), owner) => owner == Some(number),
            (_, None) => true,
            (Holds::Edge(_), Some(number)) if x == yielded(self.dataflow, number) => {
                within(number, &node.inputs, |other| &other.outputs)
            }
            (Holds::Edge(_), Some(number)) => within(number, &node.outputs, |other| &other.inputs),
            (Holds::Input(_) | Holds::Output(_), Some(_)) => false,
        };
        Some(rule).filter(|_| owned)
    }

    /// A segment: its layers follow one another, each reads the whole of what the one before
    /// yields, a pixel at a time, and nobody else does.
    fn segment(
        &self,
        graph: &Graph,
        node: &Node,
        segment: &Segment,
        enters: &[Holds],
    ) -> Option<Rule> {
        let (first, last) = (*segment.layers.start(), *segment.layers.end());
        let kernel = |number: usize| {
            let layer = self.dataflow.layers.get(number)?;
            match (self.engines[number], layer.kernel()) {
                (Engine::Unrolled { stages, interval }, Some(kernel)) => {
                    Some((layer, kernel, [stages, interval]))
                }
                _ => None,
            }
        };
        let readers = |number: usize| {
            let all = self.dataflow.layers.iter().flat_map(|layer| &layer.reads);
            all.filter(|id| Holds::Edge(**id) == yielded(self.dataflow, number)).count()
        };
        for number in first..last {
            let ((before, one, [_, every]), (after, next, [_, then])) =
                (kernel(number)?, kernel(number + 1)?);
            let joined = every == then
                && matches!((&before.kind, &after.kind), (Kind::Spn(_), Kind::Spn(_)))
                && results(self.dataflow, number, one) == read(number + 1, after)
                && one.patch.area() == 1
                && one.output.channels == next.input.channels
                && next.windows == Windows::pixels(next.input)
                && readers(number) == 1;
            if !joined {
                return None;
            }
        }
        let ((begins, one, _), (_, other, [stages, interval])) = (kernel(first)?, kernel(last)?);
        let (x, whole) = (read(first, begins), Holds::Of(first, Step::Windows));
        let as_it_is = one.windows == Windows::pixels(one.input) && enters == [x];
        // Within a layer's module only that layer.
        if node.layer.is_some_and(|owner| first != last || owner != first) {
            return None;
        }
        // The depth is found by its timing.
        let Segment { layers, depth, .. } = segment.clone();
        let at_ports = !matches!(graph.nodes[0].primitive, Primitive::Register(_));
        // What is serial holds its words itself.
        let registered = first == 0 && at_ports && interval == 1;
        let due = Segment { layers, registered, stages, depth, interval };
        let elements = one.windows.size.area() * one.input.channels;
        Some(
            Rule::new(
                due,
                &[if as_it_is { x } else { whole }],
                results(self.dataflow, last, other),
            )
            .lanes(elements, other.patch.area() * other.output.channels),
        )
    }

    /// The nodes of a layer without weights.
    fn elementwise(
        &self,
        number: usize,
        layer: &Layer,
        lanes: usize,
        is: &Primitive,
    ) -> Option<Rule> {
        let reads: Vec<Holds> = layer.reads.iter().map(|id| Holds::Edge(*id)).collect();
        let channels = |id: &EdgeId| self.dataflow.edges[id.index()].shape.channels;
        let z = yielded(self.dataflow, number);
        Some(match (is, &layer.kind) {
            (Primitive::Reader(_), Kind::Pool { kind, windows }) => {
                let fill = match kind {
                    PoolKind::Max => self.dataflow.reads(number).format.min(),
                    PoolKind::Sum => 0,
                };
                let words = layer.input.channels / lanes;
                let lines = Lines { image: layer.input, words, windows: *windows, fill };
                // Each word of a window's pixels is read on its own.
                let reader = Reader { lines, groups: words, repeats: 1, rounds: 1 };
                Rule::new(reader, &reads, Holds::Of(number, Step::Read)).lanes(lanes, lanes)
            }
            (Primitive::Accumulate(_), Kind::Pool { kind, windows }) => {
                let (maximum, count) = (*kind == PoolKind::Max, windows.size.h * windows.size.w);
                let all = [Holds::Of(number, Step::Read)];
                let pool = Accumulate { maximum, count, of_windows: true };
                Rule::new(pool, &all, z).lanes(lanes, lanes)
            }
            (Primitive::Upsample(_), Kind::Upsample { size }) => {
                let (image, words) = (layer.input, layer.input.channels / lanes);
                let upsample = Upsample { image, words, size: *size };
                Rule::new(upsample, &reads, z).lanes(lanes, lanes)
            }
            (Primitive::Rectify(_), Kind::Activation { function }) => {
                let format = self.dataflow.reads(number).format;
                let rectify = match function {
                    Function::Clip { max } => Rectify { max: *max, shift: 0 },
                    // Nothing is clipped.
                    Function::Leaky { shift } => Rectify { max: format.max(), shift: *shift },
                    Function::Curve(_) => return None,
                };
                Rule::new(rectify, &reads, z).lanes(lanes, lanes)
            }
            (
                Primitive::Curves(_),
                Kind::Activation { function: Function::Curve(Curve { sigmoid, frac, .. }) },
            ) => {
                let curves = Curves { sigmoid: *sigmoid, frac: *frac };
                Rule::new(curves, &reads, z).lanes(lanes, lanes)
            }
            (Primitive::Last(_), Kind::Last) => {
                let last = Last { pixels: layer.input.width, words: layer.input.channels / lanes };
                Rule::new(last, &reads, z).lanes(lanes, lanes)
            }
            (Primitive::Best(_), Kind::Best { count }) => {
                let best = Best { words: layer.input.channels / lanes };
                Rule::new(best, &reads, z).lanes(lanes, *count)
            }
            (Primitive::Threshold(_), Kind::Threshold { above }) => {
                Rule::new(Threshold { above: *above }, &reads, z).lanes(lanes, lanes)
            }
            (Primitive::Reverse(_), Kind::Reverse) => {
                let (pixels, words) = (layer.input.width, layer.input.channels / lanes);
                Rule::new(Reverse { pixels, words }, &reads, z).lanes(lanes, lanes)
            }
            (Primitive::Add(_), Kind::Add { shifts, shift }) => {
                let add = Add { shifts: *shifts, shift: *shift };
                Rule::new(add, &reads, z).lanes(lanes, lanes)
            }
            (Primitive::Concat(_), Kind::Concat { shifts, shift }) => {
                let sides: Vec<usize> = layer.reads.iter().map(channels).collect();
                let &[a, b] = sides.as_slice() else { return None };
                // Whole pixels of both, or words of one after words of the other.
                let together = lanes == a + b;
                let words = if together { [1, 1] } else { [a / lanes, b / lanes] };
                let concat = Concat { together, words, shifts: *shifts, shift: *shift };
                Rule::new(concat, &reads, z).lanes(if together { a } else { lanes }, lanes)
            }
            (Primitive::Lookup(_), Kind::Embedding { rows }) => {
                let words = self.dataflow.yields(number).shape.channels / lanes;
                Rule::new(Lookup { words, rows: rows.len() }, &reads, z).lanes(1, lanes)
            }
            _ => return None,
        })
    }
}

impl Holds {
    /// Whether only the order of elements counts, however they are cut into words.
    fn in_sequence(self) -> bool {
        match self {
            Holds::Input(_) | Holds::Output(_) => false,
            Holds::Edge(_) => true,
            Holds::Of(_, step) => {
                !matches!(step, Step::Read | Step::AllSums | Step::ReadProducts | Step::Outputs)
            }
        }
    }
}

/// What the kernel of a layer reads.
fn read(number: usize, layer: &Layer) -> Holds {
    match layer.kind {
        Kind::Recurrent { .. } => Holds::Of(number, Step::Joined),
        _ => Holds::Edge(layer.reads[0]),
    }
}

/// The image that a kernel makes.
fn image(dataflow: &Dataflow, number: usize) -> Holds {
    match dataflow.layers[number].kind {
        Kind::Spn(_) => yielded(dataflow, number),
        _ => Holds::Of(number, Step::Gates),
    }
}

/// What leaves a kernel, patch by patch: the image where every pixel is in its place.
fn results(dataflow: &Dataflow, number: usize, kernel: &ir::Kernel) -> Holds {
    let ir::Kernel { patch, windows, output, .. } = kernel;
    let pixel = |y: usize, x: usize| {
        (0..patch.h)
            .flat_map(move |i| (0..patch.w).map(move |j| (y * patch.h + i, x * patch.w + j)))
    };
    let pixels = windows.iter().flat_map(|(y, x)| pixel(y, x));
    let raster = (0..output.height).flat_map(|y| (0..output.width).map(move |x| (y, x)));
    if pixels.eq(raster) { image(dataflow, number) } else { Holds::Of(number, Step::Patches) }
}

/// What puts patches in their places, in words of so many elements.
fn patches(dataflow: &Dataflow, number: usize, kernel: &ir::Kernel, lanes: usize) -> Rule {
    let grid = (kernel.windows.rows, kernel.windows.columns);
    let patches = Patches { patch: kernel.patch, grid, image: kernel.output };
    // What is in its place already stays there.
    let (of, to) = (results(dataflow, number, kernel), image(dataflow, number));
    Rule::new(patches, &[of], to).lanes(lanes, lanes)
}

/// The nodes around a kernel that is wiring.
fn unrolled(
    dataflow: &Dataflow,
    number: usize,
    kernel: &ir::Kernel,
    is: &Primitive,
) -> Option<Rule> {
    let layer = &dataflow.layers[number];
    let ir::Kernel { input, windows, output, .. } = *kernel;
    Some(match is {
        Primitive::Window(_) => {
            let lines = Lines { image: input, words: 1, windows, fill: 0 };
            let elements = windows.size.area() * input.channels;
            Rule::new(Window(lines), &[read(number, layer)], Holds::Of(number, Step::Windows))
                .lanes(input.channels, elements)
        }
        Primitive::Patches(_) => patches(dataflow, number, kernel, output.channels),
        _ => return None,
    })
}

/// The nodes of a kernel whose weights lie in ROM.
fn folded(
    dataflow: &Dataflow,
    number: usize,
    kernel: &ir::Kernel,
    folded: &Folded,
    is: &Primitive,
    enters: &[Holds],
) -> Option<Rule> {
    let layer = &dataflow.layers[number];
    let of = |step| Holds::Of(number, step);
    let (x, rows) = (read(number, layer), folded.rows.len());
    let (wb, wc, bank) = (&folded.wb, folded.wc.as_ref(), &folded.bank);
    let words = layer.words();
    let positions = words.map_or(1, |words| words.most_positions());
    Some(match (is, wc) {
        (Primitive::Reader(_), Some(wc)) if enters == [of(Step::Products)] => {
            let image = Shape { height: 1, width: 1, channels: rows };
            let words = rows / wc.lanes;
            let lines = Lines { image, words, windows: Windows::WHOLE, fill: 0 };
            // Where outputs read a part of the products, so do those beside them, and all parts
            // are of one size.
            let (pixels, blocks) = (kernel.patch.area(), kernel.output.channels / wc.rows);
            let (groups, rounds, repeats) = match folded.output_groups() {
                1 => (1, 1, blocks * pixels),
                groups => (groups, pixels, blocks / groups),
            };
            let reader = Reader { lines, groups, repeats, rounds };
            Rule::new(reader, &[of(Step::Products)], of(Step::ReadProducts))
                .lanes(wc.lanes, wc.lanes)
        }
        (Primitive::Reader(_), Some(_)) => {
            let words = kernel.input.channels / wb.lanes;
            let lines = Lines { image: kernel.input, words, windows: kernel.windows, fill: 0 };
            let repeats = rows / wb.rows / kernel.groups;
            let reader = Reader { lines, groups: kernel.groups, repeats, rounds: 1 };
            Rule::new(reader, &[x], of(Step::Read)).lanes(wb.lanes, wb.lanes)
        }
        (Primitive::Positions(_), None) => {
            let words = words?;
            let steps = words.by_width().map(|(width, filters)| FilterStep {
                blocks: filters / wb.rows,
                taps: width,
                last: words.characters - width,
            });
            let positions = Positions {
                characters: words.characters,
                words: words.elements / wb.lanes,
                count: positions,
                steps: steps.collect(),
            };
            Rule::new(positions, &[x], of(Step::Read)).lanes(wb.lanes, wb.lanes)
        }
        (Primitive::Array(_), Some(wc)) if enters == [of(Step::ReadProducts)] => {
            let (sums, depth) = (wc.sums, wc.weights.len() / wc.rows / wc.lanes);
            let array = Array { table: Table::Wc, sums, repeats: 1, depth, ends: vec![] };
            Rule::new(array, enters, of(Step::Outputs)).lanes(wc.lanes, wc.rows)
        }
        (Primitive::Array(_), _) => {
            let window = kernel.windows.size.area() * kernel.input.channels / kernel.groups;
            let depth = wb.weights.len() / wb.rows / wb.lanes;
            // Filters read as many characters as they are wide, at all positions.
            let told = |(width, filters): (usize, usize), words: &Words| {
                (filters / wb.rows * positions, width * words.elements / wb.lanes)
            };
            let (sums, ends) = match &words {
                Some(words) => {
                    let ends = words.by_width().map(|width| told(width, words));
                    (words.elements / wb.lanes, ends.collect())
                }
                None => (window / wb.lanes, vec![]),
            };
            let array = Array { table: Table::Wb, sums, repeats: positions, depth, ends };
            let yields = of(if wc.is_some() { Step::Sums } else { Step::AllSums });
            Rule::new(array, &[of(Step::Read)], yields).lanes(wb.lanes, wb.rows)
        }
        (Primitive::Accumulate(_), None) => {
            let largest = Accumulate { maximum: true, count: positions, of_windows: false };
            Rule::new(largest, &[of(Step::AllSums)], of(Step::Sums)).lanes(wb.rows, wb.rows)
        }
        (Primitive::Bank(_), _) => {
            let bank = Bank {
                shift: bank.shift,
                coefficient_bits: bank.coefficient_bits,
                digits: bank.digits.as_ref().map(|digits| (digits.terms, digits.amount_bits)),
                entry_bits: bank.entry_bits(),
                depth: rows / bank.lanes,
            };
            let lanes = folded.bank.lanes;
            Rule::new(bank, &[of(Step::Sums)], of(Step::Products)).lanes(lanes, lanes)
        }
        (Primitive::Requantise(_), _) => {
            let (takes, yields, lanes) = match wc {
                Some(wc) => (Step::Outputs, results(dataflow, number, kernel), wc.rows),
                None => (Step::Products, of(Step::Gates), bank.lanes),
            };
            let all = &folded.requantiser;
            let requantise = Requantise {
                left: all.left,
                base: all.base,
                amount_bits: all.amount_bits,
                constant_bits: all.constant_bits,
                sum_bits: all.sum_bits,
                depth: all.entries.len() / lanes,
            };
            Rule::new(requantise, &[of(takes)], yields).lanes(lanes, lanes)
        }
        (Primitive::Patches(_), Some(wc)) => patches(dataflow, number, kernel, wc.rows),
        _ => return None,
    })
}

/// The nodes around the kernel of a gated layer; words of x and of h have so many elements.
fn gated(dataflow: &Dataflow, number: usize, lanes: usize, is: &Primitive) -> Option<Rule> {
    let layer = &dataflow.layers[number];
    let of = |step| Holds::Of(number, step);
    let (x, z) = (Holds::Edge(layer.reads[0]), yielded(dataflow, number));
    Some(match (is, &layer.kind) {
        (Primitive::Curves(_), Kind::CharCnn { tanh, .. }) => {
            Rule::new(Curves { sigmoid: false, frac: tanh.frac }, &[of(Step::Gates)], z).lanes(1, 1)
        }
        (Primitive::Highway(_), Kind::Highway { blend, .. }) => {
            let highway = Highway { frac: blend.sigmoid.frac, format: blend.format };
            Rule::new(highway, &[of(Step::Gates), Holds::Edge(layer.reads[1])], z)
        }
        (Primitive::Recall(_), Kind::Recurrent { along, gates, .. }) => {
            // There are four gates for each element of h.
            let h = gates.output.channels / 4;
            let all = [gates.input.channels - h, h];
            let words = all.map(|n| n.checked_div(lanes).unwrap_or(0));
            let recall = Recall { words, steps: counted(*along, layer) };
            Rule::new(recall, &[x, of(Step::Before)], of(Step::Joined))
        }
        (Primitive::Cell(_), Kind::Recurrent { along, gates, cell }) => {
            let cell = Cell {
                kind: cell.kind,
                units: gates.output.channels / 4,
                steps: counted(*along, layer),
                frac: [cell.sigmoid.frac, cell.tanh.frac],
                bits: [cell.state.bits, cell.hidden.bits],
                shifts: cell.shifts(),
            };
            Rule::new(cell, &[of(Step::Gates)], z)
        }
        _ => return None,
    })
}

/// The steps of a frame, where it starts a sequence by itself.
fn counted(along: Along, layer: &Layer) -> Option<usize> {
    (along == Along::Pixels).then_some(layer.input.width)
}
