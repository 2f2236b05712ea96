//! A core: a module for each layer, the ROMs of the folded ones, and the streams that join them.

use super::names::{self, Modules};
use super::provenance::{Provenance, ascii};
use super::rom::{Rom, address_bits};
use super::signature::{self, Frames, Layer as LayerSignature, Signature, Vector};
use super::{Emitted, File, Options, PRIMITIVES, TOOL, axi, file, layer, lists, testbench};
use crate::compile::{Compiled, LayerEngine};
use crate::folded::{Array, Bank, FilterStep, Folded, Positions};
use crate::ir::gated::{Blend, Cell, Curve};
use crate::ir::words::gcd;
use crate::ir::{Kind, Windows};
use crate::stream::{ArrayOf, Graph, Lines, Node, Primitive, StreamId};
use askama::Template;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use strassenc_runtime::{Error, Extent, Result, model_file};

/// What of a build folder is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// The Verilog and its signature alone.
    Verilog,
    /// The testbench with its vectors and the lists of files too.
    All,
}

/// The files of a core. The text does not depend on the number of threads.
pub(super) fn emit(compiled: &Compiled, options: &Options, parts: Parts) -> Result<Emitted> {
    names::unhidden(|avoid| {
        let Emitted { signature, mut files } = emit_named(compiled, options, avoid)?;
        if parts == Parts::All {
            let provenance = provenance(compiled, options)?;
            files.extend(testbench::emit(&compiled.model, &signature, options.clock_enable, &provenance)?);
            files.extend(lists(&signature));
        }
        Ok(Emitted { signature, files })
    })
}

fn provenance(compiled: &Compiled, options: &Options) -> Result<Provenance> {
    Ok(Provenance {
        tool: TOOL.into(),
        model: compiled.model.name.clone(),
        model_sha256: model_file::sha256(&compiled.model)?,
        options: options.command.clone(),
    })
}

fn emit_named(compiled: &Compiled, options: &Options, avoid: &BTreeSet<String>) -> Result<Emitted> {
    let provenance = provenance(compiled, options)?;
    let core = Core::new(compiled, options, &provenance, avoid);
    let layers: Vec<Vec<File>> = (0..compiled.layers.len())
        .into_par_iter()
        .map(|number| core.layer(number))
        .collect::<Vec<Result<_>>>()
        .into_iter()
        .collect::<Result<_>>()?;
    let used = core.primitives();
    let mut files: Vec<File> = (PRIMITIVES.iter().filter(|(name, _)| used.contains(name)))
        .map(|(name, text)| File { path: file(name), text: (*text).into() })
        .collect();
    files.extend(layers.into_iter().flatten());
    files.push(core.top()?);
    let verilog = |file: &&File| file.path.ends_with(".v");
    let names = |which: &dyn Fn(&&File) -> bool| files.iter().filter(which).map(|f| f.path.clone()).collect();
    let signature = Signature { files: names(&verilog), memories: names(&|file| !verilog(file)), ..core.signature };
    Ok(Emitted { signature, files })
}

#[derive(Template)]
#[template(path = "streams.v")]
struct Module<'a> {
    header: String,
    summary: Vec<String>,
    module: &'a str,
    ports: Vec<Port>,
    before: Vec<String>,
    blocks: Vec<Block>,
    after: Vec<String>,
}

struct Port {
    text: String,
    comment: String,
}

/// What stands under one banner.
#[derive(Default)]
struct Block {
    banner: String,
    wires: Vec<Wire>,
    instances: Vec<Instance>,
}

struct Wire {
    name: String,
    bits: usize,
    /// Whether it is a vector even where it has one bit.
    vector: bool,
}

struct Instance {
    module: String,
    name: String,
    parameters: String,
    ports: Vec<String>,
}

struct Core<'a> {
    compiled: &'a Compiled,
    clken: bool,
    provenance: &'a Provenance,
    signature: Signature,
    /// Names of the modules that a layer's module instantiates.
    own: Vec<Own>,
}

/// The ROMs of a folded layer.
const ROMS: [&str; 4] = ["wb_rom", "coefficient_rom", "wc_rom", "output_rom"];

#[derive(Default)]
struct Own {
    kernel: String,
    /// Of W_b, the coefficients, W_c and the outputs; empty where there is none.
    roms: [String; 4],
    /// Of σ, of an embedding or of a char-CNN's tanh, and of an LSTM's tanh.
    tables: [String; 2],
}

impl<'a> Core<'a> {
    fn new(compiled: &'a Compiled, options: &Options, provenance: &'a Provenance, avoid: &BTreeSet<String>) -> Self {
        let Options { clock_enable: clken, frames, .. } = *options;
        let Compiled { dataflow, graph, timing, .. } = compiled;
        let mut modules = Modules::new(avoid);
        let top = modules.take(dataflow.name.clone(), "core");
        let mut layers = vec![];
        let mut own = vec![];
        for (number, layer) in dataflow.layers.iter().enumerate() {
            let module = modules.take(format!("{}_{}", dataflow.name, layer.name), "layer");
            let mut part = |suffix: &str| modules.take(format!("{module}_{suffix}"), "part");
            let mut names = Own::default();
            let (multipliers, latency) = match &compiled.layers[number] {
                LayerEngine::Unrolled(layer) => {
                    // A layer that is nothing but its kernel is one module.
                    names.kernel = if is_kernel_alone(graph, number) { module.clone() } else { part("kernel") };
                    (layer.circuit.nodes.iter().filter(|n| n.op.is_multiplier()).count(), layer.pipeline.stages)
                }
                LayerEngine::Folded(folded) => {
                    let has = |rom: &str| rom != "wc_rom" || folded.wc.is_some();
                    names.roms = ROMS.map(|rom| if has(rom) { part(rom) } else { String::new() });
                    (folded.bank.lanes, 0)
                }
                LayerEngine::Elementwise { .. } => (0, 0),
            };
            let tables = ["sigmoid_rom", "tanh_rom"];
            match &layer.kind {
                Kind::Embedding { .. } => names.tables[0] = part("table_rom"),
                Kind::CharCnn { .. } => names.tables[0] = part(tables[1]),
                Kind::Highway { .. } => names.tables[0] = part(tables[0]),
                Kind::Lstm { .. } => names.tables = tables.map(&mut part),
                Kind::Spn(_) | Kind::Pool { .. } | Kind::Add { .. } => {}
            }
            let multipliers = multipliers + layer.products_of_a_unit();
            let (s, m) = ends(graph, number);
            let vector = |id: &StreamId| {
                let stream = &graph.streams[id.index()];
                Vector { elements: stream.lanes, format: stream.format }
            };
            layers.push(LayerSignature {
                name: layer.name.clone(),
                module,
                kernel: Some(names.kernel.clone()).filter(|kernel| !kernel.is_empty()),
                multipliers,
                latency,
                input: vector(&s[0]),
                output: vector(&m),
            });
            own.push(names);
        }
        let [input, output] = graph.beats.clone();
        let signature = Signature {
            schema: signature::SCHEMA,
            tool: provenance.tool.clone(),
            model: provenance.model.clone(),
            model_sha256: provenance.model_sha256.clone(),
            testbench: modules.take(format!("{top}_tb"), "testbench"),
            ports: axi::ports(&input, &output, frames, clken),
            frames,
            latency: timing.latency(),
            ii: timing.interval() as u32,
            warm_up: timing.warm_up(),
            whole_frames: graph.nodes.iter().any(|node| node.primitive == Primitive::Framer),
            recurrent: dataflow.is_recurrent(),
            top,
            input,
            output,
            layers,
            files: vec![],
            memories: vec![],
        };
        Core { compiled, clken, provenance, signature, own }
    }

    /// Names of all primitives of `hw/` that are used.
    fn primitives(&self) -> Vec<&'static str> {
        let mut used = vec![];
        for node in &self.compiled.graph.nodes {
            used.extend(node.primitive.module());
            if matches!(node.primitive, Primitive::Window(_) | Primitive::Reader { .. }) {
                used.push("strassenc_rows");
            }
            if matches!(node.primitive, Primitive::LstmCell | Primitive::Highway) {
                used.extend(["strassenc_curve", "strassenc_round"]);
            }
            if let Primitive::Tanh = node.primitive {
                used.push("strassenc_curve");
            }
        }
        for layer in self.compiled.layers.iter().filter_map(LayerEngine::unrolled) {
            let hardware = |node: &crate::circuit::Node| match node.op {
                crate::circuit::Op::Multiply { row, .. } => !layer.shift_add.contains_key(&row),
                _ => false,
            };
            if layer.circuit.nodes.iter().any(hardware) {
                used.extend(["strassenc_coefficient", "strassenc_multiplier"]);
            }
            if layer.circuit.nodes.iter().any(|node| matches!(node.op, crate::circuit::Op::Product { .. })) {
                used.push("strassenc_product");
            }
        }
        used
    }

    /// The modules of one layer.
    fn layer(&self, number: usize) -> Result<Vec<File>> {
        let signature = &self.signature.layers[number];
        let mut files = vec![];
        let mut summary = vec![];
        match &self.compiled.layers[number] {
            LayerEngine::Unrolled(layer) => {
                let module = &self.own[number].kernel;
                let text = layer::emit(layer, module, self.clken, self.provenance)?;
                files.push(File { path: file(module), text });
                if *module == signature.module {
                    return Ok(files);
                }
                summary.push(format!("Unrolled: a pipeline of {} stages, a window a clock.", layer.pipeline.stages));
            }
            LayerEngine::Folded(folded) => {
                files.extend(self.roms(number, folded)?);
                summary.push(told(folded));
            }
            LayerEngine::Elementwise { lanes } => summary.push(format!("{lanes} element{} at a time.", plural(*lanes))),
        }
        files.extend(self.tables(number)?);
        let (s, m) = ends(&self.compiled.graph, number);
        let mut names = BTreeMap::new();
        let sides: Vec<&str> = if s.len() == 2 { vec!["a", "b"] } else { vec!["s"] };
        let mut ports = vec![Port::new("input  wire clk")];
        if self.clken {
            ports.push(Port::new("input  wire clken"));
        }
        ports.push(Port { text: "input  wire rst".into(), comment: "synchronous, clears control only".into() });
        for (id, side) in s.iter().zip(sides) {
            names.insert(*id, side.to_string());
            ports.extend(self.stream_ports(*id, side, true));
        }
        names.insert(m, "m".into());
        ports.extend(self.stream_ports(m, "m", false));
        let blocks = self.blocks(Some(number), &mut names);
        let module = Module {
            header: self.provenance.header(&signature.module, &format!("layer `{}`", signature.name)),
            summary,
            module: &signature.module,
            ports,
            before: vec![],
            blocks,
            after: vec![],
        };
        files.push(File { path: file(&signature.module), text: module.text(&signature.name)? });
        Ok(files)
    }

    fn roms(&self, number: usize, folded: &Folded) -> Result<Vec<File>> {
        let roms = [
            Some(Rom::weights(&folded.wb, "W_b")),
            Some(Rom::coefficients(&folded.bank)),
            folded.wc.as_ref().map(|wc| Rom::weights(wc, "W_c")),
            Some(Rom::outputs(&folded.requantiser)),
        ];
        let what = format!("a ROM of layer `{}`", folded.name);
        let emit = |(rom, module): (&Option<Rom>, &String)| {
            rom.as_ref().map_or(Ok(vec![]), |rom| rom.emit(module, &what, self.provenance))
        };
        Ok(roms.iter().zip(&self.own[number].roms).map(emit).collect::<Result<Vec<_>>>()?.concat())
    }

    /// The ROMs of what is looked up.
    fn tables(&self, number: usize) -> Result<Vec<File>> {
        let (layer, to) = (&self.compiled.dataflow.layers[number], self.compiled.dataflow.yields(number));
        let lanes = self.signature.layers[number].output.elements;
        let roms = match &layer.kind {
            Kind::Embedding { rows } => vec![Rom::rows(rows, to.format.bits, lanes)],
            Kind::CharCnn { tanh, .. } => vec![Rom::curve(tanh)],
            Kind::Highway { blend, .. } => vec![Rom::curve(&blend.sigmoid)],
            Kind::Lstm { cell, .. } => vec![Rom::curve(&cell.sigmoid), Rom::curve(&cell.tanh)],
            Kind::Spn(_) | Kind::Pool { .. } | Kind::Add { .. } => vec![],
        };
        let what = format!("a table of layer `{}`", layer.name);
        let emit = |(rom, module): (&Rom, &String)| rom.emit(module, &what, self.provenance);
        Ok(roms.iter().zip(&self.own[number].tables).map(emit).collect::<Result<Vec<_>>>()?.concat())
    }

    fn stream_ports(&self, id: StreamId, side: &str, enters: bool) -> Vec<Port> {
        let stream = &self.compiled.graph.streams[id.index()];
        let (forward, backward) = if enters { ("input  wire", "output wire") } else { ("output wire", "input  wire") };
        let words = format!(
            "{} element{} of {}, {} words a frame",
            stream.lanes,
            plural(stream.lanes),
            ascii(&stream.format.to_string()),
            stream.words
        );
        vec![
            Port::new(format!("{forward} {side}_valid")),
            Port::new(format!("{backward} {side}_ready")),
            Port { text: format!("{forward} [{}:0] {side}_data", stream.bits() - 1), comment: words },
            Port::new(format!("{forward} {side}_user")),
        ]
    }

    /// The nodes of one layer, or those between layers, each under a banner of its own; streams get the names of the nodes that
    /// they leave.
    fn blocks(&self, layer: Option<usize>, names: &mut BTreeMap<StreamId, String>) -> Vec<Block> {
        let graph = &self.compiled.graph;
        let mut blocks: Vec<Block> = vec![];
        let mut entered: Vec<usize> = vec![];
        let mut declared: Vec<StreamId> = names.keys().copied().collect();
        for node in graph.nodes.iter().filter(|node| node.layer == layer) {
            for (i, id) in node.outputs.iter().enumerate() {
                let side = if node.outputs.len() == 1 { "" } else { ["_a", "_b"][i] };
                names.entry(*id).or_insert_with(|| format!("{}{side}", node.name));
            }
        }
        for node in &graph.nodes {
            if let (None, Some(number)) = (layer, node.layer) {
                // The core instantiates the layer's module where its first node stands.
                if !entered.contains(&number) {
                    entered.push(number);
                    blocks.push(self.layer_block(number, names));
                }
                continue;
            }
            if node.layer != layer {
                continue;
            }
            let mut block = Block { banner: self.banner(node), ..Block::default() };
            // What comes back to an earlier node is declared there.
            for id in node.inputs.iter().chain(&node.outputs) {
                let own = graph.nodes.iter().any(|other| other.layer == layer && other.outputs.contains(id));
                if own && !declared.contains(id) {
                    block.wires.extend(self.wires(*id, &names[id]));
                    declared.push(*id);
                }
            }
            let instance = self.instance(node, names, &mut block.wires);
            block.instances.extend(self.roms_of(node));
            block.instances.push(instance);
            blocks.push(block);
        }
        blocks
    }

    fn layer_block(&self, number: usize, names: &mut BTreeMap<StreamId, String>) -> Block {
        let graph = &self.compiled.graph;
        let signature = &self.signature.layers[number];
        let (s, m) = ends(graph, number);
        let engine = match &self.compiled.layers[number] {
            LayerEngine::Unrolled(_) => format!("unrolled, {} multipliers", signature.multipliers),
            LayerEngine::Folded(folded) => {
                format!("folded {}x{}, {}", folded.wb.rows, folded.wb.lanes, multipliers(&folded.bank))
            }
            LayerEngine::Elementwise { lanes } => format!("{lanes} element{} at a time", plural(*lanes)),
        };
        let name = format!("layer_{}", signature.name);
        let mut block = Block { banner: format!("Layer {}: {engine}", signature.name), ..Block::default() };
        block.wires.extend(self.wires(m, &name));
        names.insert(m, name.clone());
        let mut ports = vec![self.clock()];
        let sides: Vec<&str> = if s.len() == 2 { vec!["a", "b"] } else { vec!["s"] };
        for (id, side) in s.iter().zip(sides) {
            ports.push(connection(side, &names[id]));
        }
        ports.push(connection("m", &name));
        // As other instances, so that no layer is called like a wire of another one.
        let name = format!("u_{name}");
        block.instances.push(Instance { module: signature.module.clone(), name, parameters: String::new(), ports });
        block
    }

    fn wires(&self, id: StreamId, name: &str) -> Vec<Wire> {
        let bits = self.compiled.graph.streams[id.index()].bits();
        let bit = |suffix: &str| Wire { name: format!("{name}_{suffix}"), bits: 1, vector: false };
        let data = Wire { name: format!("{name}_data"), bits, vector: true };
        vec![bit("valid"), bit("ready"), data, bit("user")]
    }

    /// The clock ports of a module that is one of ours; primitives have their enable always.
    fn clock(&self) -> String {
        let clken = if self.clken { " .clken(aclken)," } else { "" };
        format!(".clk(aclk),{clken} .rst(rst)")
    }

    /// The clock ports of a primitive.
    fn primitive_clock(&self, layer: Option<usize>) -> String {
        let (clk, clken) = if layer.is_some() { ("clk", "clken") } else { ("aclk", "aclken") };
        let enable = if self.clken { clken } else { "1'b1" };
        format!(".clk({clk}), .clken({enable}), .rst(rst)")
    }

    fn banner(&self, node: &Node) -> String {
        let stream = |id: &StreamId| &self.compiled.graph.streams[id.index()];
        match &node.primitive {
            Primitive::Framer => "Input: every frame made whole".into(),
            Primitive::Collector { beats: 1 } => "Input: frames that are not whole are dropped".into(),
            Primitive::Collector { beats } => format!("Input: {beats} beats of a frame to one word"),
            Primitive::FrameEnd => "Output: the last word of each frame marked".into(),
            Primitive::Register => format!("Register {}: breaks every combinational path", node.name),
            Primitive::Fifo { depth } => {
                let found = self.compiled.depths.iter().find(|d| self.compiled.graph.nodes[d.node].name == node.name);
                let needs = found
                    .map_or_else(String::new, |d| format!("; {} without deadlock, {} at full rate", d.live, d.rate));
                let holds = if node.layer.is_some() { ": the h of the frame before" } else { "" };
                format!("FIFO {}: {depth} words{needs}{holds}", node.name)
            }
            Primitive::Fork => "Fork: one stream to two".into(),
            Primitive::Widen { words } => format!("{words} words to one"),
            Primitive::Repack { elements } => {
                let (from, to) = (stream(&node.inputs[0]).lanes, stream(&node.outputs[0]).lanes);
                format!("{elements} elements of a frame, {from} a word, packed to {to} a word")
            }
            Primitive::Serialiser { beats } => format!("One word to {beats}"),
            Primitive::Window(lines) | Primitive::Reader { lines, .. } => format!(
                "Windows of {} pixels, {} apart, pad {}: {}x{} on {}x{} pixels",
                across(lines.windows.size),
                sizes(lines.windows.stride),
                sizes(lines.windows.pad),
                lines.windows.rows,
                lines.windows.columns,
                lines.image.height,
                lines.image.width
            ),
            Primitive::Kernel { stages } => format!("The SPN of a window, latency {stages}"),
            Primitive::Positions(Positions { characters, taps, count, .. }) => {
                format!("Windows of {taps} of {characters} characters at {count} positions, block by block of filters")
            }
            Primitive::Tanh => "tanh, filter by filter".into(),
            Primitive::Array(ArrayOf::Wb { sums, .. }) => format!("W_b: {sums} words to a sum"),
            Primitive::Array(ArrayOf::Wc { sums }) => format!("W_c: {sums} words to a sum"),
            Primitive::MultiplierBank { shift_add: false } => {
                format!("Products: {} multipliers", stream(&node.inputs[0]).lanes)
            }
            Primitive::MultiplierBank { shift_add: true } => {
                format!("Products: {} lanes of shifts and additions", stream(&node.inputs[0]).lanes)
            }
            Primitive::Requantise => "Bias, shift, saturation".into(),
            Primitive::Accumulate { maximum, count } => {
                format!("The {} of {count} words", if *maximum { "largest elements" } else { "sum" })
            }
            Primitive::Patches { patch, .. } => format!("Patches of {} pixels to rows", across(*patch)),
            Primitive::Add { .. } => "Sum, aligned, shifted, saturated".into(),
            Primitive::Lookup { words } => format!("A row of the table: {words} words"),
            Primitive::Recall { words: [x, h] } => {
                format!("x of this frame, {x} words, then h of the frame before, {h} words")
            }
            Primitive::LstmCell => "Cell: c = f c + i g, h = o tanh(c), unit by unit".into(),
            Primitive::Highway => "Highway: t (h - x) + x, unit by unit".into(),
        }
    }

    /// The ROMs of a node.
    fn roms_of(&self, node: &Node) -> Vec<Instance> {
        let Some(number) = node.layer else { return vec![] };
        let rom = |module: &String, name: String, address: String, data: String, enable: &str| {
            let ports = vec![format!(".clk(clk), .enable({enable}), .address({address}), .data({data})")];
            Instance { module: module.clone(), name: format!("u_{name}"), parameters: String::new(), ports }
        };
        let own = &self.own[number];
        if let Some(which) = rom_number(&node.primitive) {
            let name = ROMS[which];
            let enable = format!("{name}_enable");
            return vec![rom(
                &own.roms[which],
                name.into(),
                format!("{name}_address"),
                format!("{name}_data"),
                &enable,
            )];
        }
        // A ROM for each lookup of a unit; the first one in the low bits.
        let lookups = |module: &String, curve: &Curve, kind: &str, names: &[&str]| -> Vec<Instance> {
            let (address, data) = (curve.bits() as usize - 1, curve.frac as usize + 1);
            let one = |(i, name): (usize, &&str)| {
                let part = |signal: &str, bits: usize| format!("{kind}_{signal}[{} +: {bits}]", i * bits);
                rom(module, format!("{kind}_{name}"), part("address", address), part("data", data), "table_enable")
            };
            names.iter().enumerate().map(one).collect()
        };
        match (&self.compiled.dataflow.layers[number].kind, &node.primitive) {
            (Kind::Embedding { .. }, Primitive::Lookup { .. }) => vec![rom(
                &own.tables[0],
                "table_rom".into(),
                "table_address".into(),
                "table_data".into(),
                "table_enable",
            )],
            (Kind::CharCnn { tanh, .. }, Primitive::Tanh) => lookups(&own.tables[0], tanh, "tanh", &["z"]),
            (Kind::Highway { blend, .. }, Primitive::Highway) => {
                lookups(&own.tables[0], &blend.sigmoid, "sigmoid", &["t"])
            }
            (Kind::Lstm { cell, .. }, Primitive::LstmCell) => {
                let mut roms = lookups(&own.tables[0], &cell.sigmoid, "sigmoid", &["i", "f", "o"]);
                roms.extend(lookups(&own.tables[1], &cell.tanh, "tanh", &["g", "c"]));
                roms
            }
            _ => vec![],
        }
    }

    /// The wires between a node that looks up and its ROMs, and its ports; by kind, the bits of all addresses and of all data.
    fn table_ports(tables: &[(&str, usize, usize)], wires: &mut Vec<Wire>, ports: &mut Vec<String>) {
        wires.push(Wire { name: "table_enable".into(), bits: 1, vector: false });
        let mut all = vec![".table_enable(table_enable)".to_string()];
        for (kind, address, data) in tables {
            for (signal, bits) in [("address", *address), ("data", *data)] {
                let name = format!("{kind}_{signal}");
                all.push(format!(".{name}({name})"));
                wires.push(Wire { name, bits, vector: true });
            }
        }
        ports.push(all.join(", "));
    }

    fn instance(&self, node: &Node, names: &BTreeMap<StreamId, String>, wires: &mut Vec<Wire>) -> Instance {
        let graph = &self.compiled.graph;
        let (x, z) = (&graph.streams[node.inputs[0].index()], &graph.streams[node.outputs[0].index()]);
        let (s, m) = (&names[&node.inputs[0]], &names[&node.outputs[0]]);
        let (bits, lanes, width) = (x.bits(), x.lanes, x.format.bits);
        let signed = |signed: bool| u8::from(signed);
        let folded = node.layer.and_then(|number| match &self.compiled.layers[number] {
            LayerEngine::Folded(folded) => Some(folded.as_ref()),
            _ => None,
        });
        let lines_of = |lines: &Lines| {
            let Windows { size, stride, pad, rows, columns } = lines.windows;
            let both = |name: &str, extent: Extent| format!(".{name}_H({}), .{name}_W({})", extent.h, extent.w);
            let windows = [both("K", size), both("STRIDE", stride), both("PAD", pad)].join(", ");
            format!(
                ".HEIGHT({}), .WIDTH({}), {windows}, .ROWS({rows}), .COLUMNS({columns}), .SLOTS({})",
                lines.image.height,
                lines.image.width,
                lines.slots()
            )
        };
        let fill = |lines: &Lines| {
            let mask = u64::MAX >> (64 - width);
            format!("{width}'d{}", lines.fill as u64 & mask)
        };
        let mut parameters = String::new();
        // FIFOs, registers and forks carry the user bit with the data.
        let carried = |name: &str| format!("{{{name}_user, {name}_data}}");
        let mut ports = vec![self.primitive_clock(node.layer)];
        match &node.primitive {
            Primitive::Framer | Primitive::FrameEnd => {
                parameters = format!(".BITS({bits}), .BEATS({})", x.words);
                if matches!(node.primitive, Primitive::Framer) && self.signature.frames == Frames::Count {
                    parameters += ", .BY_COUNT(1)";
                }
            }
            Primitive::Register | Primitive::Fifo { .. } => {
                parameters = format!(".BITS({})", bits + 1);
                if let Primitive::Fifo { depth } = node.primitive {
                    parameters += &format!(", .DEPTH({depth})");
                }
            }
            Primitive::Fork => parameters = format!(".BITS({})", bits + 1),
            Primitive::Widen { words } => parameters = format!(".BITS({bits}), .WORDS({words})"),
            Primitive::Repack { elements } => {
                let unit = gcd(gcd(lanes, z.lanes), *elements);
                parameters =
                    format!(".BITS({width}), .FROM({lanes}), .TO({}), .ELEMENTS({elements}), .UNIT({unit})", z.lanes);
            }
            Primitive::Collector { beats } => {
                parameters = format!(".BEAT_BITS({bits}), .BEATS({beats}), .BITS({})", z.bits());
                if self.signature.frames == Frames::Count {
                    parameters += ", .BY_COUNT(1)";
                }
            }
            Primitive::Serialiser { beats } => {
                parameters = format!(".BEAT_BITS({}), .BEATS({beats}), .BITS({bits})", z.bits());
            }
            Primitive::Window(lines) => {
                parameters = format!(
                    ".ELEMENT_BITS({width}), .FILL({}), .ELEMENTS({lanes}),\n        {}",
                    fill(lines),
                    lines_of(lines)
                );
            }
            Primitive::Reader { lines, groups, repeats } => {
                parameters = format!(
                    ".ELEMENT_BITS({width}), .FILL({}), .LANES({lanes}), .WORDS({}), .GROUPS({groups}), .REPEATS({repeats}),\n        {}",
                    fill(lines),
                    lines.words,
                    lines_of(lines)
                );
            }
            Primitive::Kernel { .. } | Primitive::Add { .. } | Primitive::LstmCell | Primitive::Highway => {}
            Primitive::Lookup { words } => {
                let rows = match node.layer.map(|number| &self.compiled.dataflow.layers[number].kind) {
                    Some(Kind::Embedding { rows }) => rows.len(),
                    _ => 1,
                };
                parameters = format!(".INDEX_BITS({width}), .ROWS({rows}), .WORDS({words}), .BITS({})", z.bits());
                let address = address_bits(rows * words.next_power_of_two());
                Self::table_ports(&[("table", address, z.bits())], wires, &mut ports);
            }
            Primitive::Recall { words: [x_words, h_words] } => {
                let h = &graph.streams[node.inputs[1].index()].format;
                parameters = format!(
                    ".LANES({lanes}), .X_BITS({width}), .X_SIGNED({}), .H_BITS({}), .Z_BITS({}),\n        \
                     .X_WORDS({x_words}), .H_WORDS({h_words})",
                    signed(x.format.signed),
                    h.bits,
                    z.format.bits
                );
            }
            Primitive::Array(array) => {
                let own = folded.and_then(|f| if let ArrayOf::Wb { .. } = array { Some(&f.wb) } else { f.wc.as_ref() });
                let depth = own.map_or(1, Array::depth);
                parameters = format!(
                    ".LANES({lanes}), .X_BITS({width}), .X_SIGNED({}), .ROWS({}), .SUMS({}), .DEPTH({depth}), .U_BITS({})",
                    signed(x.format.signed),
                    z.lanes,
                    array.sums(),
                    z.format.bits
                );
                if let ArrayOf::Wb { repeats: repeats @ 2.., .. } = array {
                    parameters += &format!(", .REPEATS({repeats})");
                }
            }
            Primitive::Positions(Positions { characters, words, taps, count, steps }) => {
                // Step 0 in the low bits.
                let all = |of: fn(&FilterStep) -> usize| {
                    let each: Vec<String> = steps.iter().rev().map(|step| format!("32'd{}", of(step))).collect();
                    format!("{{{}}}", each.join(", "))
                };
                parameters = format!(
                    ".BITS({bits}), .CHARACTERS({characters}), .WORDS({words}), .TAPS({taps}), .POSITIONS({count}), .STEPS({}),\n        \
                     .BLOCKS({}),\n        .LAST({})",
                    steps.len(),
                    all(|step| step.blocks),
                    all(|step| step.last)
                );
            }
            Primitive::Tanh => {
                if let Some(Kind::CharCnn { tanh, .. }) =
                    node.layer.map(|number| &self.compiled.dataflow.layers[number].kind)
                {
                    parameters = format!(".V_BITS({width}), .FRAC({})", tanh.frac);
                    let tables = [("tanh", width as usize - 1, tanh.frac as usize + 1)];
                    Self::table_ports(&tables, wires, &mut ports);
                }
            }
            Primitive::MultiplierBank { .. } => {
                if let Some(Folded { bank, .. }) = folded {
                    let factor = match &bank.digits {
                        Some(digits) => format!(".TERMS({}), .AMOUNT_BITS({})", digits.terms, digits.amount_bits),
                        None => format!(".COEFFICIENT_BITS({})", bank.coefficient_bits),
                    };
                    parameters = format!(
                        ".LANES({lanes}), .U_BITS({width}), {factor}, .SHIFT({}), .M_BITS({}), .DEPTH({})",
                        bank.shift,
                        bank.product_bits,
                        bank.coefficients.len() / lanes
                    );
                }
            }
            Primitive::Requantise => {
                if let Some(Folded { requantiser: r, .. }) = folded {
                    parameters = format!(
                        ".LANES({lanes}), .Y_BITS({width}), .CONSTANT_BITS({}), .AMOUNT_BITS({}), .LEFT({}), .BASE({}), .SUM_BITS({}),\n        \
                         .Z_BITS({}), .Z_SIGNED({}), .DEPTH({})",
                        r.constant_bits,
                        r.amount_bits,
                        r.left,
                        r.base,
                        r.sum_bits,
                        z.format.bits,
                        signed(z.format.signed),
                        r.entries.len() / lanes
                    );
                }
            }
            Primitive::Accumulate { maximum, count } => {
                parameters = format!(
                    ".LANES({lanes}), .X_BITS({width}), .X_SIGNED({}), .MAXIMUM({}), .COUNT({count}), .Z_BITS({})",
                    signed(x.format.signed),
                    signed(*maximum),
                    z.format.bits
                );
            }
            Primitive::Patches { patch, grid, image } => {
                parameters = format!(
                    ".BITS({bits}), .P_H({}), .P_W({}), .ROWS({}), .COLUMNS({}), .HEIGHT({}), .WIDTH({}), .WORDS({})",
                    patch.h,
                    patch.w,
                    grid.0,
                    grid.1,
                    image.height,
                    image.width,
                    image.channels / lanes
                );
            }
        }
        match &node.primitive {
            Primitive::Register | Primitive::Fifo { .. } => {
                let leaves = format!("{{{m}_user, {m}_data}}");
                ports.push(format!(".s_valid({s}_valid), .s_ready({s}_ready), .s_data({})", carried(s)));
                ports.push(format!(".m_valid({m}_valid), .m_ready({m}_ready), .m_data({leaves})"));
            }
            Primitive::Fork => {
                ports.push(format!(".s_valid({s}_valid), .s_ready({s}_ready), .s_data({})", carried(s)));
                for (side, id) in ["a", "b"].iter().zip(&node.outputs) {
                    let to = &names[id];
                    ports.push(format!(
                        ".{side}_valid({to}_valid), .{side}_ready({to}_ready), .{side}_data({})",
                        carried(to)
                    ));
                }
            }
            Primitive::Add { shifts, shift } => {
                let b = &graph.streams[node.inputs[1].index()];
                parameters = format!(
                    ".LANES({lanes}), .A_BITS({width}), .A_SIGNED({}), .B_BITS({}), .B_SIGNED({}),\n        \
                     .A_SHIFT({}), .B_SHIFT({}), .SHIFT({shift}), .Z_BITS({}), .Z_SIGNED({})",
                    signed(x.format.signed),
                    b.format.bits,
                    signed(b.format.signed),
                    shifts[0],
                    shifts[1],
                    z.format.bits,
                    signed(z.format.signed)
                );
                ports.push(connection("a", s));
                ports.push(connection("b", &names[&node.inputs[1]]));
                ports.push(connection("m", m));
            }
            Primitive::Recall { .. } => {
                ports.push(connection("s", s));
                ports.push(connection("h", &names[&node.inputs[1]]));
                ports.push(connection("m", m));
            }
            Primitive::LstmCell => {
                if let Some(Kind::Lstm { cell, .. }) =
                    node.layer.map(|number| &self.compiled.dataflow.layers[number].kind)
                {
                    parameters = cell_parameters(cell, x.words);
                    let (address, sigmoid, tanh) =
                        (cell.gate.bits as usize - 1, cell.sigmoid.frac as usize + 1, cell.tanh.frac as usize + 1);
                    let tables = [("sigmoid", 3 * address, 3 * sigmoid), ("tanh", 2 * address, 2 * tanh)];
                    Self::table_ports(&tables, wires, &mut ports);
                }
                ports.push(connection("s", s));
                ports.push(connection("m", m));
            }
            Primitive::Highway => {
                if let Some(Kind::Highway { blend, .. }) =
                    node.layer.map(|number| &self.compiled.dataflow.layers[number].kind)
                {
                    parameters = blend_parameters(blend, width);
                    Self::table_ports(
                        &[("sigmoid", width as usize - 1, blend.sigmoid.frac as usize + 1)],
                        wires,
                        &mut ports,
                    );
                }
                ports.push(connection("a", s));
                ports.push(connection("b", &names[&node.inputs[1]]));
                ports.push(connection("m", m));
            }
            Primitive::Framer | Primitive::Collector { .. } => {
                ports.push(connection("s", s));
                ports.push(connection("m", m));
                ports.push(match self.signature.frames {
                    Frames::Tlast => {
                        format!(".s_last({s}_last), .frame_error_clear(frame_error_clear), .frame_error(frame_error)")
                    }
                    Frames::Count => {
                        wires.push(Wire { name: "frame_error_unused".into(), bits: 1, vector: false });
                        ".s_last(1'b0), .frame_error_clear(1'b0), .frame_error(frame_error_unused)".into()
                    }
                });
            }
            Primitive::FrameEnd => {
                ports.push(connection("s", s));
                ports.push(connection("m", m));
                ports.push(format!(".m_last({m}_last)"));
                wires.push(Wire { name: format!("{m}_last"), bits: 1, vector: false });
            }
            Primitive::Serialiser { .. } => {
                ports.push(connection("s", s));
                ports.push(connection("m", m));
                ports.push(format!(".m_last({m}_last_unused)"));
                wires.push(Wire { name: format!("{m}_last_unused"), bits: 1, vector: false });
            }
            Primitive::Kernel { .. } => {
                let clken = if self.clken { " .clken(clken)," } else { "" };
                ports = vec![format!(".clk(clk),{clken} .rst(rst)"), connection("s", s), connection("m", m)];
            }
            _ => {
                ports.push(connection("s", s));
                ports.push(connection("m", m));
            }
        }
        if let (Some(which), Some(folded)) = (rom_number(&node.primitive), folded) {
            let name = ROMS[which];
            let rom = [
                (2 * folded.wb.rows * folded.wb.lanes, folded.wb.depth()),
                (folded.bank.lanes * folded.bank.entry_bits() as usize, folded.padded_rows() / folded.bank.lanes),
                folded.wc.as_ref().map_or((0, 0), |wc| (2 * wc.rows * wc.lanes, wc.depth())),
                (
                    folded.requantiser.lanes
                        * (folded.requantiser.amount_bits + folded.requantiser.constant_bits) as usize,
                    folded.requantiser.entries.len() / folded.requantiser.lanes,
                ),
            ][which];
            wires.push(Wire { name: format!("{name}_enable"), bits: 1, vector: false });
            wires.push(Wire { name: format!("{name}_address"), bits: address_bits(rom.1), vector: true });
            wires.push(Wire { name: format!("{name}_data"), bits: rom.0, vector: true });
            ports.push(format!(".rom_enable({name}_enable), .rom_address({name}_address), .rom_data({name}_data)"));
        }
        let module = match node.primitive.module() {
            Some(module) => module.into(),
            None => node.layer.map(|number| self.own[number].kernel.clone()).unwrap_or_default(),
        };
        Instance { module, name: format!("u_{}", node.name), parameters, ports }
    }

    /// The core itself.
    fn top(&self) -> Result<File> {
        let graph = &self.compiled.graph;
        let Signature { input, output, frames, .. } = &self.signature;
        let ports =
            axi::declarations(&self.signature).into_iter().map(|(text, comment)| Port { text, comment }).collect();

        let mut names = BTreeMap::from([(StreamId(0), "s_beat".to_string())]);
        let mut blocks = self.blocks(None, &mut names);
        // The registers at both ends carry tlast too.
        let x = &graph.streams[0];
        let y = &graph.streams[graph.output.index()];
        let tlast = *frames == Frames::Tlast;
        let mut before = vec!["wire rst = !aresetn;".into(), String::new()];
        before.push("// ==== Input: what carries information of each lane, registered".into());
        before.push(format!("wire [{}:0] s_beat_data;", x.bits() - 1));
        before.extend(axi::lanes_in(input, "s_beat_data"));
        let mut after = vec!["// ==== Output: each element extended to whole bytes".to_string()];
        after.extend(axi::lanes_out(output, "m_register_data"));
        for block in &mut blocks {
            for instance in &mut block.instances {
                let (bits, s, m) = match instance.name.as_str() {
                    "u_s_register" => (x.bits(), ["s_axis_t", "s_beat_"], ["s_register_", "s_register_"]),
                    "u_m_register" => (y.bits(), ["frame_end_", "frame_end_"], ["m_axis_t", "m_register_"]),
                    _ => continue,
                };
                let enters = instance.name == "u_s_register";
                let word = |[side, data]: [&str; 2]| {
                    let last = if enters && !tlast { String::new() } else { format!(" {side}last,") };
                    format!("{{{side}user,{last} {data}data}}")
                };
                instance.parameters = format!(".BITS({})", bits + if enters && !tlast { 1 } else { 2 });
                instance.ports = vec![
                    self.primitive_clock(None),
                    format!(".s_valid({0}valid), .s_ready({0}ready), .s_data({1})", s[0], word(s)),
                    format!(".m_valid({0}valid), .m_ready({0}ready), .m_data({1})", m[0], word(m)),
                ];
                if !enters {
                    block.wires.retain(|wire| wire.name == "m_register_data");
                } else if tlast {
                    block.wires.push(Wire { name: "s_register_last".into(), bits: 1, vector: false });
                }
            }
        }
        let latency = self.signature.latency;
        let summary = vec![format!(
            "A frame every {} clock{}; the first beat of a result {} clocks {} the last beat of its frame.",
            self.signature.ii,
            plural(self.signature.ii as usize),
            latency.unsigned_abs(),
            if latency < 0 { "before" } else { "after" }
        )];
        let top = &self.signature.top;
        let module = Module {
            header: self.provenance.header(top, "the AXI4-Stream core"),
            summary,
            module: top,
            ports,
            before,
            blocks,
            after,
        };
        Ok(File { path: file(top), text: module.text(top)? })
    }
}

impl Module<'_> {
    fn text(&self, name: &str) -> Result<String> {
        let text = self.render().map_err(|e| Error::internal(format_args!("template of `{name}`"), e))?;
        // A template cannot leave out the blanks of an empty line.
        Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n")
    }
}

impl Port {
    fn new(text: impl Into<String>) -> Self {
        Port { text: text.into(), comment: String::new() }
    }
}

/// Whether a layer is the pipeline of its kernel and nothing else.
fn is_kernel_alone(graph: &Graph, number: usize) -> bool {
    let mut own = graph.nodes.iter().filter(|node| node.layer == Some(number));
    matches!((own.next(), own.next()), (Some(Node { primitive: Primitive::Kernel { .. }, .. }), None))
}

/// The streams that enter and leave a layer.
fn ends(graph: &Graph, number: usize) -> (Vec<StreamId>, StreamId) {
    let own = |node: &&Node| node.layer == Some(number);
    let made: Vec<StreamId> = graph.nodes.iter().filter(own).flat_map(|node| node.outputs.clone()).collect();
    let read: Vec<StreamId> = graph.nodes.iter().filter(own).flat_map(|node| node.inputs.clone()).collect();
    let enters = read.iter().copied().filter(|id| !made.contains(id)).collect();
    // An invariant: one stream leaves a layer.
    let leaves = made.iter().copied().find(|id| !read.contains(id)).expect("a layer yields a stream");
    (enters, leaves)
}

fn connection(side: &str, stream: &str) -> String {
    ["valid", "ready", "data", "user"].map(|signal| format!(".{side}_{signal}({stream}_{signal})")).join(", ")
}

/// Which ROM a primitive reads.
fn rom_number(primitive: &Primitive) -> Option<usize> {
    match primitive {
        Primitive::Array(ArrayOf::Wb { .. }) => Some(0),
        Primitive::MultiplierBank { .. } => Some(1),
        Primitive::Array(ArrayOf::Wc { .. }) => Some(2),
        Primitive::Requantise => Some(3),
        _ => None,
    }
}

fn cell_parameters(cell: &Cell, units: usize) -> String {
    let shifts = cell.shifts();
    format!(
        ".UNITS({units}), .GATE_BITS({}), .SIGMOID_FRAC({}), .TANH_FRAC({}), .C_BITS({}), .H_BITS({}),\n        \
         .KEPT_SHIFT({}), .NEW_SHIFT({}), .C_SHIFT({}), .INDEX_SHIFT({}), .H_SHIFT({})",
        cell.gate.bits,
        cell.sigmoid.frac,
        cell.tanh.frac,
        cell.state.bits,
        cell.hidden.bits,
        shifts.kept,
        shifts.new,
        shifts.state,
        shifts.index,
        shifts.hidden
    )
}

fn blend_parameters(blend: &Blend, gate_bits: u32) -> String {
    format!(
        ".GATE_BITS({gate_bits}), .SIGMOID_FRAC({}), .X_BITS({}), .X_SIGNED({})",
        blend.sigmoid.frac,
        blend.format.bits,
        u8::from(blend.format.signed)
    )
}

fn told(folded: &Folded) -> String {
    let Some(wc) = &folded.wc else {
        return format!(
            "Folded: {} filters by {} elements, {}; a word every {} clocks.",
            folded.wb.rows,
            folded.wb.lanes,
            multipliers(&folded.bank),
            folded.interval()
        );
    };
    format!(
        "Folded: {} rows of W_b by {} elements, {}, {} rows of W_c by {} products; a window every {} clocks.",
        folded.wb.rows,
        folded.wb.lanes,
        multipliers(&folded.bank),
        wc.rows,
        wc.lanes,
        folded.interval()
    )
}

/// `4 multipliers`, and what they are made of where that is not hardware.
fn multipliers(bank: &Bank) -> String {
    match &bank.digits {
        Some(digits) => format!("{} multipliers of {} shift{} each", bank.lanes, digits.terms, plural(digits.terms)),
        None => format!("{} multipliers", bank.lanes),
    }
}

/// Pixels down and across, in ASCII.
fn across(extent: Extent) -> String {
    format!("{}x{}", extent.h, extent.w)
}

/// The number where both sizes are equal.
fn sizes(extent: Extent) -> String {
    if extent.h == extent.w { extent.h.to_string() } else { across(extent) }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
