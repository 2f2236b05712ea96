//! The figures of a compiled core.

use super::cells::{self, Cells};
use super::memory::{Memory, MemoryKind, Taken};
use super::serial;
use super::{Figures, LayerFigures, MatrixFigures, Products, Totals, circuit_figures, schoolbook};
use crate::circuit::Op;
use crate::compile::{Compiled, LayerEngine};
use crate::device::{Family, primitives};
use crate::emit::{is_loaded, rom_of};
use crate::engine::{self, Choice, Cost};
use crate::folded::{Array, Folded};
use crate::ir::gated::Function;
use crate::ir::words::Words;
use crate::ir::{Dataflow, Edge, Kernel, Kind, Layer};
use crate::schedule::{self, Limit};
use crate::stream::primitive::{Ends, Fifo, Part, Segment, Size};
use crate::stream::{self, Graph, Node, Primitive, Stream, StreamId};
use serde::{Deserialize, Serialize};
use std::ops::Add;
use strassenc_runtime::model::Layer as ModelLayer;
use strassenc_runtime::{Cell, Extent, Result, Shape};

/// The engine of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineFigures {
    /// The kind of engine, and how it is cut.
    pub choice: Choice,
    /// Clocks that the layer's own nodes need for a frame at least.
    pub clocks: u64,
    /// Bits of its ROMs.
    pub rom_bits: u64,
    /// What it was chosen by.
    pub estimate: Cost,
}

/// What stands around the layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreFigures {
    /// Clock in MHz that seconds are counted by.
    pub clock_mhz: f64,
    /// Clocks between frames at full rate.
    pub interval: u64,
    /// Frames a second at that clock.
    pub frames_per_second: f64,
    /// The layer whose own nodes take longest.
    pub bottleneck: String,
    /// The FIFOs where branches meet again.
    pub fifos: Vec<FifoFigures>,
    /// All primitives, with what their cells are estimated by.
    #[serde(default)]
    pub primitives: Vec<PrimitiveFigures>,
    /// The streams between them: the first is the core's input, the last one its output.
    #[serde(default)]
    pub streams: Vec<StreamFigures>,
    /// The pipelines.
    #[serde(default)]
    pub pipelines: Vec<PipelineFigures>,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamFigures {
    /// The primitive that it leaves; none of the core's input.
    pub from: Option<usize>,
    /// The primitive that it enters; none of the core's output.
    pub to: Option<usize>,
    /// Elements of a word.
    pub lanes: usize,
    /// Bits of an element.
    pub bits: u32,
    /// Words of a frame.
    pub words: usize,
}

/// A free-running pipeline over the kernels of one layer or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineFigures {
    /// Its first layer, counted from 0.
    pub first: usize,
    /// Its last layer.
    pub last: usize,
    /// The most that the longest path of a stage may take: additions, or picoseconds where
    /// `device` is given.
    pub limit: u32,
    /// The device by whose delays it is scheduled.
    pub device: Option<String>,
    /// What the longest path of each stage takes.
    pub stages: Vec<u32>,
}

/// A primitive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrimitiveFigures {
    /// Its instance, behind that of its layer.
    pub name: String,
    /// Its module.
    pub module: String,
    /// The layer to which it counts; none of what stands between layers.
    pub layer: Option<usize>,
    /// What it is made of, but for its ROMs.
    pub size: Size,
    /// The ROMs that it reads.
    pub roms: Vec<Memory>,
}

/// A FIFO, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FifoFigures {
    /// The name of the FIFO's instance in the core, without `u_`.
    pub name: String,
    /// How many it holds.
    pub depth: usize,
    /// The least depth without deadlock.
    pub live: usize,
    /// The least depth with which no word is later than with an unbounded one.
    pub rate: usize,
    /// Bits of a word.
    pub bits: usize,
}

/// Bits up to which the contents of a ROM are looked at.
const CONTENTS: usize = 1 << 17;

impl Figures {
    /// Counts a core; `clock` is in MHz.
    ///
    /// # Errors
    /// As [`engine::costs`].
    pub fn new(compiled: &Compiled, clock: f64) -> Result<Self> {
        let made_of: Vec<_> = compiled.layers.iter().map(LayerEngine::multipliers).collect();
        let estimates = engine::costs(&compiled.dataflow, &compiled.engines, &made_of)?;
        let graph = &compiled.graph;
        let layers: Vec<LayerFigures> = (0..compiled.layers.len())
            .map(|number| layer(compiled, number, estimates[number]))
            .collect();
        let primitive = |node: &Node| -> Result<PrimitiveFigures> {
            // A segment has the name of its last layer.
            let layer = match &node.primitive {
                Primitive::Segment(segment) => Some(*segment.layers.end()),
                _ => node.layer,
            };
            let (part, ends) = (node.primitive.part(), graph.ends(node));
            let mut figures = PrimitiveFigures::new(&node.name, layer, part, &ends);
            for rom in part.roms(&ends) {
                let loaded = node.layer.filter(|number| is_loaded(compiled, *number, rom.table));
                if loaded.is_some() {
                    // The word that is being loaded, and where it goes.
                    figures.size.cells.registers += (rom.data + rom.address) as u64 + 1;
                }
                let memory = match node.layer.filter(|_| loaded.is_none()) {
                    // What a larger one holds changes nothing.
                    Some(number) if rom.data << rom.address <= CONTENTS => {
                        let (held, _) = rom_of(compiled, number, rom.table, ends.z().lanes)?;
                        Memory::new(held.varying_bits(), held.words.len(), MemoryKind::Rom)
                    }
                    _ => Memory::new(rom.data, 1 << rom.address, MemoryKind::Rom),
                };
                let copies = rom.lookups.len().max(1);
                if loaded.is_none() && rom.is_ahead(compiled.schedule.limit) {
                    figures.size.cells.registers += (copies * rom.data) as u64;
                }
                figures.roms.extend(std::iter::repeat_n(memory, copies));
            }
            Ok(figures)
        };
        let clocks = |layer: &LayerFigures| layer.engine.clocks;
        let slowest = layers.iter().max_by_key(|layer| clocks(layer));
        let interval = compiled.timing.interval();
        let fifo = |depth: &crate::stream::depths::Depth| {
            let node: &Node = &compiled.graph.nodes[depth.node];
            let words = if let Primitive::Fifo(fifo) = &node.primitive { fifo.depth } else { 0 };
            let bits = compiled.graph.streams[node.inputs[0].index()].bits();
            FifoFigures {
                name: node.name.clone(),
                depth: words,
                live: depth.live,
                rate: depth.rate,
                bits,
            }
        };
        let streams = CoreFigures {
            clock_mhz: clock,
            interval,
            frames_per_second: clock * 1e6 / interval as f64,
            bottleneck: slowest.map(|layer| layer.name.clone()).unwrap_or_default(),
            fifos: compiled.depths.iter().map(fifo).collect(),
            primitives: graph.nodes.iter().map(primitive).collect::<Result<_>>()?,
            streams: streams(graph),
            pipelines: pipelines(compiled)?,
        };
        let mut total = Totals::of(&layers);
        total.latency = graph.segments().map(|(_, segment)| segment.stages).sum();
        Ok(Figures { total, layers, streams }.of(Family::Xc7))
    }
}

/// What the primitives of a layer take on this engine of xc7, alone in its segment, whatever its
/// ROMs hold.
///
/// # Errors
/// As [`stream::alone`].
pub(crate) fn of_layer(
    dataflow: &Dataflow,
    number: usize,
    engine: stream::Engine,
) -> Result<Taken> {
    let (nodes, streams) = stream::alone(dataflow, number, engine)?;
    // FIFOs in front of what joins streams are of no layer, and are there on any engine.
    let joins =
        |node: &&Node| matches!(node.primitive, Primitive::Fifo(Fifo { hidden: false, .. }));
    let own = nodes.iter().filter(|node| !joins(node));
    Ok(own.fold(Taken::default(), |all, node| {
        let (part, ends) = (node.primitive.part(), node.ends(&streams));
        let mut figures = PrimitiveFigures::new(&node.name, node.layer, part, &ends);
        for rom in part.roms(&ends) {
            let memory = Memory::rom(rom.data, rom.words);
            figures.roms.extend(std::iter::repeat_n(memory, rom.lookups.len().max(1)));
        }
        all + figures.of(Family::Xc7)
    }))
}

/// The streams, with the primitives at their ends.
fn streams(graph: &Graph) -> Vec<StreamFigures> {
    let end = |of: fn(&Node) -> &[StreamId], id: usize| {
        graph.nodes.iter().position(|node| of(node).iter().any(|stream| stream.index() == id))
    };
    let stream = |(id, stream): (usize, &Stream)| StreamFigures {
        from: end(|node| &node.outputs, id),
        to: end(|node| &node.inputs, id),
        lanes: stream.lanes,
        bits: stream.format.bits,
        words: stream.words,
    };
    graph.streams.iter().enumerate().map(stream).collect()
}

/// The pipelines, with the longest path of each of their stages.
fn pipelines(compiled: &Compiled) -> Result<Vec<PipelineFigures>> {
    let (limit, device) = match compiled.schedule.limit {
        Limit::Adders(most) => (most, None),
        Limit::Clock { device, period_ps } => (period_ps, Some(device.name.to_string())),
    };
    let pipeline = |(_, segment): (usize, &Segment)| {
        let layers: Vec<_> = compiled.layers[segment.layers.clone()]
            .iter()
            .filter_map(|layer| match layer {
                LayerEngine::Unrolled(layer) => Some((&layer.circuit, &layer.pipeline)),
                _ => None,
            })
            .collect();
        let (first, last) = (*segment.layers.start(), *segment.layers.end());
        let source = stream::source(&compiled.dataflow, first);
        let stages = schedule::verify_segment(&layers, source, &compiled.schedule)?;
        Ok(PipelineFigures { first, last, limit, device: device.clone(), stages })
    };
    // Serial layers have a LUT or two between any two registers.
    compiled.graph.segments().filter(|(_, segment)| segment.interval == 1).map(pipeline).collect()
}

impl PrimitiveFigures {
    /// Those of a primitive between these streams, without ROMs.
    pub(super) fn new(name: &str, layer: Option<usize>, part: &dyn Part, ends: &Ends) -> Self {
        let (module, size) = (part.modules()[0].into(), part.size(ends));
        PrimitiveFigures { name: name.into(), module, layer, size, roms: vec![] }
    }

    /// Its LUTs of this family that are fitted.
    pub fn fitted_luts(&self, family: Family) -> u64 {
        primitives::luts(&self.module, family, self.size.control, self.size.work)
    }

    /// What is counted of it: all but the fitted LUTs and its ROMs.
    pub fn counted(&self, family: Family) -> Taken {
        let Size { cells, control, memories, .. } = &self.size;
        let own = Taken {
            luts: family.luts(cells),
            flip_flops: family.flip_flops(cells) + *control as u64,
            blocks: 0,
        };
        memories.iter().map(|memory| memory.of(family)).fold(own, Add::add)
    }

    /// All that it takes of this family.
    pub(super) fn of(&self, family: Family) -> Taken {
        let fitted = Taken { luts: self.fitted_luts(family), ..Taken::default() };
        let roms = self.roms.iter().map(|memory| memory.of(family));
        roms.fold(self.counted(family) + fitted, Add::add)
    }
}

impl Figures {
    /// The figures with what this family takes.
    pub fn of(mut self, family: Family) -> Self {
        for layer in &mut self.layers {
            layer.luts = family.luts(&layer.cells);
            layer.flip_flops = family.flip_flops(&layer.cells);
            layer.block_rams = 0;
        }
        let mut between = Taken::default();
        for primitive in &self.streams.primitives {
            let taken = primitive.of(family);
            if let Some(layer) = primitive.layer.and_then(|number| self.layers.get_mut(number)) {
                layer.luts += taken.luts;
                layer.flip_flops += taken.flip_flops;
                layer.block_rams += taken.blocks;
            } else {
                between = between + taken;
            }
        }
        let sum = |of: fn(&LayerFigures) -> u64| self.layers.iter().map(of).sum::<u64>();
        self.total.luts = between.luts + sum(|layer| layer.luts);
        self.total.flip_flops = between.flip_flops + sum(|layer| layer.flip_flops);
        self.total.block_rams = between.blocks + sum(|layer| layer.block_rams);
        self
    }
}

fn layer(compiled: &Compiled, number: usize, estimate: Cost) -> LayerFigures {
    let ir = &compiled.dataflow.layers[number];
    let (from, to) = (compiled.dataflow.reads(number), compiled.dataflow.yields(number));
    let choice = compiled.engines.layers[&ir.name];
    // A sum reads elements of one number twice.
    let inputs = match ir.kind {
        Kind::Concat { .. } => to.elements_of_model(),
        _ => from.elements_of_model(),
    };
    let whole = |edge: &Edge| Shape { channels: edge.whole, ..edge.shape };
    let mut figures = LayerFigures {
        name: ir.name.clone(),
        kind: match ir.kind {
            // The model has no such layer.
            Kind::Best { count: 1 } => "argmax".into(),
            Kind::Best { count } => format!("top {count}"),
            Kind::Threshold { .. } => "threshold".into(),
            _ => compiled.model_layer(&ir.name).map(ModelLayer::kind).unwrap_or_default(),
        },
        reads: ir.reads.iter().map(|edge| edge.index()).collect(),
        input_shape: whole(from).to_string(),
        output_shape: whole(to).to_string(),
        output_format: to.format.to_string(),
        inputs,
        outputs: to.elements_of_model(),
        budget: 0,
        per_window: 0,
        windows: 1,
        dense_multiplications: 0,
        schoolbook: None,
        shift_add: 0,
        shift_add_adders: 0,
        products: vec![],
        wb: MatrixFigures::default(),
        wc: MatrixFigures::default(),
        constant_additions: 0,
        clamps: 0,
        depth: 0,
        latency: 0,
        register_bits: 0,
        luts: 0,
        flip_flops: 0,
        block_rams: 0,
        cells: Cells::default(),
        engine: EngineFigures { choice, clocks: compiled.clocks(number), rom_bits: 0, estimate },
    };
    let mut rom_bits = 0;
    if let Some(kernel) = ir.kernel() {
        match &compiled.layers[number] {
            LayerEngine::Unrolled(layer) => {
                circuit_figures(&mut figures, &compiled.layers[number]);
                figures.cells = cells::of_circuit(layer, &|input| clamped(compiled, number, input));
            }
            LayerEngine::Serial(layer) => {
                circuit_figures(&mut figures, &compiled.layers[number]);
                figures.cells = serial::of_serial(&layer.circuit, &layer.serial);
            }
            LayerEngine::Folded(folded) => {
                folded_figures(&mut figures, kernel, folded);
                rom_bits = folded.rom_bits();
            }
            LayerEngine::Elementwise { .. } => {}
        }
        figures.budget = kernel.chain.budget;
        figures.per_window = kernel.chain.multiplications();
        figures.windows = kernel.windows.count() as u64;
        // One for each output and each input that its window holds: a patch of a larger window is
        // several windows. Of a transposed convolution, each input has a window of outputs.
        let per_output = match (compiled.model_layer(&ir.name), &ir.kind) {
            (Some(ModelLayer::Conv2d(conv)), _) => {
                let kernel = conv.kernel().map_or(0, Extent::area);
                kernel * if conv.depthwise() { 1 } else { from.whole }
            }
            (_, Kind::Spn(_)) => from.elements_of_model(),
            _ => kernel.input.channels,
        };
        let outputs = match &ir.kind {
            Kind::Spn(_) => to.elements_of_model(),
            // Each SPN of a gate is over x or h: half of what the ordinary gate reads.
            Kind::Recurrent { cell, .. } => to.shape.elements() * cell.kind.spns() / 2,
            _ => kernel.output.elements(),
        };
        let outputs = match compiled.model_layer(&ir.name) {
            Some(ModelLayer::Conv2d(conv)) if conv.transposed.is_some() => {
                outputs / conv.stride.area()
            }
            _ => outputs,
        };
        // A filter is one for each position and each element within its width.
        let of_filters = |words: Words| {
            words
                .by_width()
                .map(|(width, n)| n * width * words.elements * words.positions(width))
                .sum()
        };
        figures.dense_multiplications = ir.words().map_or(outputs * per_output, of_filters) as u64;
        if let Some(ModelLayer::Bilinear(bilinear)) = compiled.model_layer(&ir.name) {
            // Bits of an element as a signed number.
            let bits = from.format.bits + u32::from(!from.format.signed);
            let of_terms = schoolbook(bilinear, bits);
            figures.dense_multiplications = of_terms.multipliers;
            figures.schoolbook = Some(of_terms);
        }
    }
    let products = ir.products_of_a_unit() * to.shape.channels;
    figures.per_window += products;
    figures.dense_multiplications += (products * ir.steps()) as u64;
    figures.products.extend(products_of_units(ir));
    rom_bits += match &ir.kind {
        Kind::Embedding { rows } => {
            (rows.len() * to.shape.channels) as u64 * u64::from(to.format.bits)
        }
        Kind::CharCnn { tanh, .. } => tanh.rom_bits(),
        // A table for each element of a word.
        Kind::Activation { function: Function::Curve(curve) } => match choice {
            Choice::Elementwise { lanes } => lanes as u64 * curve.rom_bits(),
            _ => 0,
        },
        Kind::Highway { blend, .. } => blend.sigmoid.rom_bits(),
        // A table for each lookup of a unit.
        Kind::Recurrent { cell, .. } => {
            let [sigmoid, tanh] = match cell.kind {
                Cell::Lstm => [3, 2],
                Cell::Gru => [2, 1],
            };
            sigmoid * cell.sigmoid.rom_bits() + tanh * cell.tanh.rom_bits()
        }
        _ => 0,
    };
    figures.engine.rom_bits = rom_bits;
    figures
}

/// Whether an input of a layer comes from a clamp of the layer before in its segment.
fn clamped(compiled: &Compiled, number: usize, input: usize) -> bool {
    let segment = compiled.graph.segment_of(number);
    let Some(before) = segment.and_then(|(_, s)| (number > *s.layers.start()).then(|| number - 1))
    else {
        return false;
    };
    let LayerEngine::Unrolled(layer) = &compiled.layers[before] else { return false };
    let output = layer.circuit.outputs.get(input);
    output.is_some_and(|id| matches!(layer.circuit.node(*id).op, Op::Clamp { .. }))
}

/// The time-shared multipliers of gated units: data by data.
fn products_of_units(layer: &Layer) -> Vec<Products> {
    // σ and tanh, each with a sign.
    let products = |operands: &[(u32, u32)]| {
        let one = |&(a, b): &(u32, u32)| Products {
            operand_bits: a.max(b),
            coefficient_bits: a.min(b),
            count: 1,
        };
        operands.iter().map(one).collect()
    };
    match &layer.kind {
        Kind::Highway { blend, .. } => products(&[(
            blend.sigmoid.frac + 2,
            blend.format.bits + 1 + u32::from(!blend.format.signed),
        )]),
        Kind::Recurrent { cell, .. } => {
            let (sigmoid, tanh) = (cell.sigmoid.frac + 2, cell.tanh.frac + 2);
            match cell.kind {
                Cell::Lstm => {
                    products(&[(sigmoid, cell.state.bits), (sigmoid, tanh), (sigmoid, tanh)])
                }
                Cell::Gru => {
                    let shifts = cell.shifts();
                    let aligned = (cell.state.bits + shifts.kept).max(tanh + shifts.new);
                    products(&[(sigmoid, cell.gate.bits), (sigmoid, aligned + 1)])
                }
            }
        }
        _ => vec![],
    }
}

fn folded_figures(figures: &mut LayerFigures, kernel: &Kernel, folded: &Folded) {
    let matrices: Vec<_> = kernel.chain.matrices().map(|(_, matrix)| matrix).collect();
    // What is there of adders: one for each lane, and an accumulator's.
    let of = |matrix: &crate::adder_graph::Matrix, array: &Array| MatrixFigures {
        adders: array.rows * array.lanes,
        depth: array.lanes.next_power_of_two().trailing_zeros() + 1,
        ..MatrixFigures::of(matrix, "folded")
    };
    if let [w_b, w_c] = matrices[..] {
        figures.wb = of(w_b, &folded.wb);
        if let Some(wc) = &folded.wc {
            figures.wc = of(w_c, wc);
        }
    }
    let bank = &folded.bank;
    match &bank.digits {
        Some(digits) => {
            figures.shift_add = kernel.chain.multiplications();
            figures.shift_add_adders = bank.lanes * (digits.terms - 1);
        }
        None => {
            let (operand_bits, coefficient_bits) = (folded.wb.bits, bank.coefficient_bits);
            figures.products = vec![Products { operand_bits, coefficient_bits, count: bank.lanes }];
        }
    }
    figures.clamps = folded.requantiser.lanes;
    figures.constant_additions = folded.requantiser.lanes;
}
