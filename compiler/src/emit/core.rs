//! A core: a module for each layer, the ROMs of the folded ones, and the streams that join them.

use super::layer::{Clock, Writer, count};
use super::names::{self, Modules};
use super::provenance::{Provenance, ascii};
use super::rom::Rom;
use super::serial;
use super::signature::{self, Head, Input, Layer as LayerSignature, Signature, Stream, Vector};
use super::testbench::Vectors;
use super::{Emitted, File, Options, PRIMITIVES, TOOL, axi, control, file, lists, testbench};
use crate::circuit::{self, Circuit, Op, Terms};
use crate::compile::{Compiled, LayerEngine};
use crate::decide::{self, Decision};
use crate::folded::{Bank, Folded};
use crate::ir::gated::Function;
use crate::ir::{Edge, Kind};
use crate::stream::primitive::{Rom as Lookups, Segment, Table};
use crate::stream::{self, Graph, Node, Primitive, StreamId};
use askama::Template;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use strassenc_runtime::{Error, Result, model_file};

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
    let emitted = |avoid: &BTreeSet<String>| {
        let Emitted { signature, mut files } = emit_named(compiled, options, avoid)?;
        if parts == Parts::All {
            let provenance = provenance(compiled, options)?;
            let vectors = Vectors::of_model(&compiled.model, &signature)?;
            let clken = options.clock_enable;
            files.extend(testbench::emit(&vectors, &signature, clken, &provenance)?);
            files.extend(control::files(&signature, &provenance)?);
            files.extend(lists(&signature));
        }
        Ok(Emitted { signature, files })
    };
    names::unhidden(emitted, |emitted| &emitted.files)
}

fn provenance(compiled: &Compiled, options: &Options) -> Result<Provenance> {
    Ok(Provenance {
        tool: TOOL.into(),
        of: ["network", "model"],
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
    let mut files = primitives(&core.primitives());
    files.extend(layers.into_iter().flatten());
    files.extend(core.table()?);
    files.push(core.top()?);
    let verilog = |file: &&File| file.path.ends_with(".v");
    let names = |which: &dyn Fn(&&File) -> bool| {
        files.iter().filter(which).map(|f| f.path.clone()).collect()
    };
    let signature = Signature {
        files: names(&verilog),
        memories: names(&|file| !verilog(file)),
        ..core.signature
    };
    Ok(Emitted { signature, files })
}

/// A module of instances.
#[derive(Template)]
#[template(path = "streams.v")]
pub(super) struct Module<'a> {
    pub header: String,
    pub summary: Vec<String>,
    pub module: &'a str,
    pub ports: Vec<Port>,
    pub before: Vec<String>,
    pub blocks: Vec<Block>,
    pub after: Vec<String>,
}

pub(super) struct Port {
    pub text: String,
    pub comment: String,
}

/// What stands under one banner.
#[derive(Default)]
pub(super) struct Block {
    pub banner: String,
    pub wires: Vec<Wire>,
    pub registers: Vec<Delayed>,
    pub instances: Vec<Instance>,
}

pub(super) struct Wire {
    pub name: String,
    pub bits: usize,
    /// Whether it is a vector even where it has one bit.
    pub vector: bool,
}

/// A register that nothing but `clken` stops.
pub(super) struct Delayed {
    pub name: String,
    pub bits: usize,
    pub of: String,
    /// The clock of the module that it is in.
    pub clk: &'static str,
    /// The condition on it, where there is one.
    pub enable: String,
}

pub(super) struct Instance {
    pub module: String,
    pub name: String,
    pub parameters: String,
    pub ports: Vec<String>,
}

struct Core<'a> {
    compiled: &'a Compiled,
    clken: bool,
    provenance: &'a Provenance,
    signature: Signature,
    /// Names of the modules that a layer's module instantiates.
    own: Vec<Own>,
    /// Where parameters are loaded, the module of their table, and what it holds at first.
    table: Option<(String, Vec<u32>)>,
}

#[derive(Template)]
#[template(path = "table.v")]
struct TableText<'a> {
    header: String,
    module: &'a str,
    words: usize,
    address_bits: usize,
    file: &'a str,
}

#[derive(Default)]
struct Own {
    kernel: String,
    /// The ROMs of its nodes.
    roms: Vec<OwnRom>,
}

/// A ROM's table, the name of its module, and whether it is read ahead.
struct OwnRom {
    table: Table,
    module: String,
    ahead: bool,
}

impl<'a> Core<'a> {
    fn new(
        compiled: &'a Compiled,
        options: &Options,
        provenance: &'a Provenance,
        avoid: &BTreeSet<String>,
    ) -> Self {
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
                    names.kernel =
                        if has_module(graph, number) { part("kernel") } else { module.clone() };
                    (
                        layer.circuit.count(|op| op.row().is_some()),
                        layer.pipeline.latency(&layer.circuit),
                    )
                }
                LayerEngine::Serial(layer) => {
                    names.kernel =
                        if has_module(graph, number) { part("kernel") } else { module.clone() };
                    let shift_add = layer.circuit.count(Op::is_shift_add);
                    let hardware = layer.serial.multipliers(&layer.circuit).len();
                    (hardware + shift_add, layer.serial.latency + 1)
                }
                LayerEngine::Folded(folded) => (folded.bank.lanes, 0),
                LayerEngine::Elementwise { .. } => (0, 0),
            };
            let nodes = graph.nodes.iter().filter(|node| node.layer == Some(number));
            let roms = nodes.flat_map(|node| node.primitive.part().roms(&graph.ends(node)));
            let limit = compiled.schedule.limit;
            names.roms = roms
                .map(|rom| match is_loaded(compiled, number, rom.table) {
                    true => OwnRom { table: rom.table, module: LOADED.into(), ahead: false },
                    false => OwnRom {
                        table: rom.table,
                        module: part(rom.table.rom()),
                        ahead: rom.is_ahead(limit),
                    },
                })
                .collect();
            let multipliers = multipliers + layer.products_of_a_unit();
            let [input, output] = words(compiled, number);
            layers.push(LayerSignature {
                name: layer.name.clone(),
                module,
                kernel: Some(names.kernel.clone()).filter(|kernel| !kernel.is_empty()),
                multipliers,
                latency,
                input,
                output,
            });
            own.push(names);
        }
        let [input, output] = graph.beats.clone();
        let recipe = compiled.model.provenance.recipe();
        let decisions = decide::decisions(dataflow);
        // Only scores stand for numbers.
        let numbers = |head: Option<&str>, decision: Option<Decision>| {
            recipe.task(head).targets.filter(|_| decision.is_none())
        };
        let head = |((head, latency), decision): ((&stream::Head, i64), Option<Decision>)| Head {
            name: head.name.clone(),
            port: signature::head(&head.name),
            stream: head.beats.clone(),
            decision,
            latency,
            numbers: numbers(Some(&head.name), decision),
        };
        let further = |input: &stream::Input| Input {
            name: input.name.clone(),
            port: signature::input(&input.name),
            stream: input.beats.clone(),
        };
        let inputs: Vec<Input> = graph.inputs.iter().map(further).collect();
        let heads = graph.heads.iter().zip(timing.latencies_of_heads());
        let heads = heads.zip(decisions[1..].iter().copied()).map(head).collect();
        let module = modules.take(format!("{top}_table"), "table");
        let several = [!graph.inputs.is_empty(), !graph.heads.is_empty()];
        let found = control::table(compiled, format!("{module}.mem"));
        let table = found.as_ref().map(|(table, values)| (module, table.packed(values)));
        let found = found.map(|(table, _)| table);
        let control = (options.control || found.is_some())
            .then(|| control::control(frames, several, &provenance.model_sha256, found));
        let outputs: Vec<(StreamId, &Stream, String)> = graph.outputs().collect();
        let named: Vec<(&str, &Stream)> =
            outputs.iter().map(|(_, stream, port)| (port.as_str(), *stream)).collect();
        let enter: Vec<(&str, &Stream)> = std::iter::once((signature::INPUT, &input))
            .chain(inputs.iter().map(|input| (input.port.as_str(), &input.stream)))
            .collect();
        let mut ports = axi::ports(&enter, &named, frames, clken);
        ports.extend(control.iter().flat_map(control::ports));
        let signature = Signature {
            schema: signature::SCHEMA,
            tool: provenance.tool.clone(),
            model: provenance.model.clone(),
            model_sha256: provenance.model_sha256.clone(),
            testbench: modules.take(format!("{top}_tb"), "testbench"),
            ports,
            frames,
            latency: timing.latency(),
            ii: timing.interval() as u32,
            warm_up: timing.warm_up(),
            whole_frames: graph
                .nodes
                .iter()
                .any(|node| matches!(node.primitive, Primitive::Framer(_))),
            recurrent: dataflow.is_recurrent(),
            numbers: numbers(None, decisions[0]),
            control,
            top,
            input,
            inputs,
            output,
            decision: decisions[0],
            heads,
            layers,
            files: vec![],
            memories: vec![],
        };
        Core { compiled, clken, provenance, signature, own, table }
    }

    /// Names of all primitives of `hw/` that are used.
    fn primitives(&self) -> Vec<&'static str> {
        let modules = |node: &Node| node.primitive.part().modules();
        let mut used: Vec<&str> =
            self.compiled.graph.nodes.iter().flat_map(modules).copied().collect();
        for engine in &self.compiled.layers {
            let Some(circuit) = engine.circuit() else { continue };
            if let LayerEngine::Serial(layer) = engine {
                used.extend(serial::primitives((&layer.circuit, &layer.serial)));
                continue;
            }
            let hardware = |node: &circuit::Node| matches!(node.op, Op::Multiply { .. });
            if circuit.loaded {
                used.extend(["strassenc_parameter", "strassenc_scaled_product"]);
            } else if circuit.nodes.iter().any(hardware) {
                used.extend([
                    "strassenc_coefficient",
                    "strassenc_scaled_product",
                    "strassenc_multiplier",
                ]);
            }
            used.extend(of_circuit(circuit));
        }
        if self.signature.control.is_some() {
            used.push("strassenc_control");
        }
        if self.table.is_some() {
            used.push("strassenc_reload");
        }
        if self.own.iter().flat_map(|own| &own.roms).any(|rom| rom.module == LOADED) {
            used.push(LOADED);
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
                let what = format!("layer `{}`", layer.circuit.name);
                let clock = if self.clken { Clock::Enabled } else { Clock::Free };
                let writer = Writer::new(&layer.circuit, &layer.pipeline);
                let text = writer.emit(module, &what, clock, self.provenance)?;
                files.push(File { path: file(module), text });
                if *module == signature.module {
                    return Ok(files);
                }
                let stages = layer.pipeline.latency(&layer.circuit);
                summary.push(format!("Unrolled: a pipeline of {stages} stages."));
            }
            LayerEngine::Serial(layer) => {
                let module = &self.own[number].kernel;
                let what = format!("layer `{}`", layer.circuit.name);
                let both = (&layer.circuit, &layer.serial);
                let text = serial::emit(both, module, &what, self.clken, self.provenance)?;
                files.push(File { path: file(module), text });
                if *module == signature.module {
                    return Ok(files);
                }
                let interval = layer.serial.interval;
                summary.push(format!("Serial: a window every {interval} clocks."));
            }
            LayerEngine::Folded(folded) => summary.push(told(folded)),
            LayerEngine::Elementwise { lanes } => {
                summary.push(count(*lanes, "element") + " at a time.")
            }
        }
        for OwnRom { table, module, ahead } in &self.own[number].roms {
            let lanes = self.signature.layers[number].output.elements;
            if module == LOADED {
                continue;
            }
            let (rom, what) = rom_of(self.compiled, number, *table, lanes)?;
            let what = format!("a {what} of layer `{}`", signature.name);
            files.extend(rom.emit(module, &what, *ahead, self.provenance)?);
        }
        let (s, m) = ends(&self.compiled.graph, number);
        let mut names = BTreeMap::new();
        let sides: Vec<&str> = if s.len() == 2 { vec!["a", "b"] } else { vec!["s"] };
        let mut ports = vec![Port::new("input  wire clk")];
        if self.clken {
            ports.push(Port::new("input  wire clken"));
        }
        ports.push(Port {
            text: "input  wire rst".into(),
            comment: "synchronous, clears control only".into(),
        });
        if self.link(number).is_some() && self.pipelined_within(number) {
            ports.extend(
                ["input  wire load", "input  wire load_in", "output wire load_out"].map(Port::new),
            );
        }
        if self.entrance(number).is_some() {
            ports.extend(
                [
                    "input  wire load",
                    "input  wire load_begins",
                    "input  wire load_bit",
                    "input  wire load_enters",
                    "output wire load_full",
                ]
                .map(Port::new),
            );
        }
        for (id, side) in s.iter().zip(sides) {
            names.insert(*id, side.to_string());
            ports.extend(self.stream_ports(*id, side, true));
        }
        names.insert(m, "m".into());
        ports.extend(self.stream_ports(m, "m", false));
        let blocks = self.blocks(Some(number), &mut names)?;
        let module = Module {
            header: self
                .provenance
                .header(&signature.module, &format!("layer `{}`", signature.name)),
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

    fn stream_ports(&self, id: StreamId, side: &str, enters: bool) -> Vec<Port> {
        let stream = &self.compiled.graph.streams[id.index()];
        let (forward, backward) =
            if enters { ("input  wire", "output wire") } else { ("output wire", "input  wire") };
        let words = format!(
            "{} of {}, {} a frame",
            count(stream.lanes, "element"),
            ascii(&stream.format.to_string()),
            count(stream.words, "word")
        );
        vec![
            Port::new(format!("{forward} {side}_valid")),
            Port::new(format!("{backward} {side}_ready")),
            Port {
                text: format!("{forward} [{}:0] {side}_data", stream.bits() - 1),
                comment: words,
            },
            Port::new(format!("{forward} {side}_user")),
        ]
    }

    /// The nodes of one layer, or those between layers, each under a banner of its own; streams get
    /// the names of the nodes that they leave.
    fn blocks(
        &self,
        layer: Option<usize>,
        names: &mut BTreeMap<StreamId, String>,
    ) -> Result<Vec<Block>> {
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
            let (part, ends) = (node.primitive.part(), graph.ends(node));
            let depth = self
                .compiled
                .depths
                .iter()
                .find(|depth| std::ptr::eq(&graph.nodes[depth.node], node));
            let needs =
                depth.map(|d| format!("; {} without deadlock, {} at full rate", d.live, d.rate));
            let banner = part.banner(&ends) + &needs.unwrap_or_default();
            let mut block = Block { banner, ..Block::default() };
            // What comes back to an earlier node is declared there.
            for id in node.inputs.iter().chain(&node.outputs) {
                let own = graph
                    .nodes
                    .iter()
                    .any(|other| other.layer == layer && other.outputs.contains(id));
                if own && !declared.contains(id) {
                    block.wires.extend(self.wires(*id, &names[id]));
                    declared.push(*id);
                }
            }
            match &node.primitive {
                Primitive::Segment(segment) => self.segment(node, segment, names, &mut block),
                _ => self.instantiate(node, names, &mut block)?,
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn layer_block(&self, number: usize, names: &mut BTreeMap<StreamId, String>) -> Block {
        let graph = &self.compiled.graph;
        let signature = &self.signature.layers[number];
        let (s, m) = ends(graph, number);
        let engine = match &self.compiled.layers[number] {
            LayerEngine::Unrolled(_) => {
                format!("unrolled, {}", count(signature.multipliers, "multiplier"))
            }
            LayerEngine::Serial(layer) => {
                let every = layer.serial.interval;
                let n = count(signature.multipliers, "multiplier");
                format!("serial, a word every {every} clocks, {n}")
            }
            LayerEngine::Folded(folded) => {
                format!(
                    "folded {}x{}, {}",
                    folded.wb.rows,
                    folded.wb.lanes,
                    multipliers(&folded.bank)
                )
            }
            LayerEngine::Elementwise { lanes } => count(*lanes, "element") + " at a time",
        };
        // Of a layer that goes on in a segment these are its windows.
        let what = if graph.of_layer(number).any(|node| node.layer.is_none() && node.inputs == [m])
        {
            "windows"
        } else {
            "layer"
        };
        let name = format!("{what}_{}", signature.name);
        let mut block =
            Block { banner: format!("Layer {}: {engine}", signature.name), ..Block::default() };
        block.wires.extend(self.wires(m, &name));
        names.insert(m, name.clone());
        let mut ports = vec![self.clock()];
        if self.pipelined_within(number) {
            ports.extend(self.link(number));
        }
        ports.extend(self.entrance(number));
        let sides: Vec<&str> = if s.len() == 2 { vec!["a", "b"] } else { vec!["s"] };
        for (id, side) in s.iter().zip(sides) {
            ports.push(connection(side, &names[id]));
        }
        ports.push(connection("m", &name));
        // As other instances, so that no layer is called like a wire of another one.
        let name = format!("u_{name}");
        block.instances.push(Instance {
            module: signature.module.clone(),
            name,
            parameters: String::new(),
            ports,
        });
        block
    }

    /// The pipelines of a segment, one after the other, and the control around them.
    fn segment(
        &self,
        node: &Node,
        segment: &Segment,
        names: &BTreeMap<StreamId, String>,
        block: &mut Block,
    ) {
        let (s, m) = (&names[&node.inputs[0]], &names[&node.outputs[0]]);
        let (clk, clken) = clock_of(node.layer);
        let enabled = if self.clken { format!(", .clken({clken})") } else { String::new() };
        let clock = format!(".clk({clk}){enabled}");
        let mut data = format!("{s}_data");
        if segment.registered {
            let name = format!("{}_x", node.name);
            let bits = self.compiled.graph.ends(node).x().bits();
            let enable = if self.clken { format!("if ({clken}) ") } else { String::new() };
            block.registers.push(Delayed { name: name.clone(), bits, of: data, clk, enable });
            data = name;
        }
        let mut first = format!("{s}_valid & {s}_ready");
        for number in segment.layers.clone() {
            let (signature, kernel) = (&self.signature.layers[number], &self.own[number].kernel);
            let result = if number == *segment.layers.end() {
                format!("{}_result", node.name)
            } else {
                format!("layer_{}_data", signature.name)
            };
            let engine = &self.compiled.layers[number];
            let bits = engine
                .circuit()
                .map_or(0, |circuit| circuit.outputs.len() * circuit.output_format.bits as usize);
            block.wires.push(Wire { name: result.clone(), bits, vector: true });
            // In serial layers a strobe runs along with the word.
            let strobes = match engine {
                LayerEngine::Serial(_) => {
                    // Nothing takes that of the last one.
                    let last = number == *segment.layers.end();
                    let unused = if last { "_unused" } else { "" };
                    let leaves = format!("layer_{}_first{unused}", signature.name);
                    block.wires.push(Wire::bit(leaves.clone()));
                    let enters = std::mem::replace(&mut first, leaves.clone());
                    format!(".s_first({enters}), .m_first({leaves}), ")
                }
                _ => String::new(),
            };
            let name = if node.layer.is_some() {
                "u_pipeline".into()
            } else {
                format!("u_pipeline_{}", signature.name)
            };
            let link = match (self.link(number), node.layer) {
                (None, _) => String::new(),
                (Some(link), None) => format!("{link}, "),
                (Some(_), Some(_)) => {
                    ".load(load), .load_in(load_in), .load_out(load_out), ".into()
                }
            };
            let ports = vec![format!("{clock}, {link}{strobes}.s_data({data}), .m_data({result})")];
            let (module, parameters) = (kernel.clone(), String::new());
            block.instances.push(Instance { module, name, parameters, ports });
            data = result;
        }
        let ends = self.compiled.graph.ends(node);
        block.instances.push(Instance {
            module: "strassenc_segment".into(),
            name: format!("u_{}", node.name),
            parameters: node.primitive.part().parameters(&ends, self.signature.frames),
            ports: vec![
                self.primitive_clock(node.layer),
                format!(".s_valid({s}_valid), .s_ready({s}_ready), .s_user({s}_user)"),
                format!(".result({data})"),
                connection("m", m),
            ],
        });
    }

    fn wires(&self, id: StreamId, name: &str) -> Vec<Wire> {
        let bits = self.compiled.graph.streams[id.index()].bits();
        let bit = |suffix: &str| Wire::bit(format!("{name}_{suffix}"));
        let data = Wire { name: format!("{name}_data"), bits, vector: true };
        if self.compiled.graph.outputs().any(|(output, ..)| output == id) {
            // The rest are ports of the core.
            return vec![data];
        }
        vec![bit("valid"), bit("ready"), data, bit("user")]
    }

    /// The clock ports of a module that is one of ours; primitives have their enable always.
    fn clock(&self) -> String {
        let clken = if self.clken { " .clken(aclken)," } else { "" };
        format!(".clk(aclk),{clken} .rst(rst)")
    }

    /// The clock ports of a primitive.
    fn primitive_clock(&self, layer: Option<usize>) -> String {
        let (clk, clken) = clock_of(layer);
        let enable = if self.clken { clken } else { "1'b1" };
        format!(".clk({clk}), .clken({enable}), .rst(rst)")
    }

    /// A node, and before it its ROMs.
    fn instantiate(
        &self,
        node: &Node,
        names: &BTreeMap<StreamId, String>,
        block: &mut Block,
    ) -> Result<()> {
        let graph = &self.compiled.graph;
        let frames = self.signature.frames;
        let (part, ends) = (node.primitive.part(), graph.ends(node));
        let lost = |what: &str| {
            let layer = node.layer.map_or("", |number| self.signature.layers[number].name.as_str());
            Error::internal(
                format_args!("layer `{layer}`, node `{}`", node.name),
                format_args!("has no {what}"),
            )
        };
        let own = node.layer.map(|number| &self.own[number]);
        let module = part.modules().first().ok_or_else(|| lost("module"))?.to_string();
        let mut ports = vec![self.primitive_clock(node.layer)];
        let mut of_roms: Vec<String> = vec![];
        let roms = part.roms(&ends);
        for Lookups { table, address, data, lookups, .. } in &roms {
            let rom = own.and_then(|own| own.roms.iter().find(|rom| rom.table == *table));
            let OwnRom { module, ahead, .. } = rom.ok_or_else(|| lost(table.rom()))?;
            let rst = if *ahead { " .rst(rst)," } else { "" };
            let loads = match (node.layer, module == LOADED) {
                (Some(number), true) => self.loads(number, *table),
                _ => None,
            };
            let (parameters, loads) = match loads {
                Some((name, before, after)) => {
                    if after != "load_full" {
                        block.wires.push(Wire::bit(after.clone()));
                    }
                    let (rom, _) = rom_of(self.compiled, node.layer.unwrap_or(0), name, 1)?;
                    (
                        format!(".BITS({}), .DEPTH({})", rom.bits, rom.words.len()),
                        Some(format!(
                            ".begins(load_begins), .shift(load), .s(load_bit), .enters({before}), \
                             .full({after})"
                        )),
                    )
                }
                None => (String::new(), None),
            };
            let [enable_port, port] = table.ports();
            // A layer has one node that looks up, but up to four that read a ROM of weights.
            let [enable, wires] =
                if port == "rom" { [table.rom(); 2] } else { [enable_port, port] };
            if of_roms.is_empty() {
                of_roms.push(format!(".{enable_port}_enable({enable}_enable)"));
                block.wires.push(Wire::bit(format!("{enable}_enable")));
            }
            for (signal, bits) in [("address", *address), ("data", *data)] {
                let name = format!("{wires}_{signal}");
                of_roms.push(format!(".{port}_{signal}({name})"));
                block.wires.push(Wire { name, bits: bits * lookups.len().max(1), vector: true });
            }
            let mut instance = |name: String, [address, data]: [String; 2]| {
                let mut ports = vec![format!(
                    ".clk(clk),{rst} .enable({enable}_enable), .address({address}), .data({data})"
                )];
                ports.extend(loads.clone());
                let name = format!("u_{name}");
                let parameters = parameters.clone();
                block.instances.push(Instance { module: module.clone(), name, parameters, ports });
            };
            if lookups.is_empty() {
                instance(
                    table.rom().into(),
                    ["address", "data"].map(|signal| format!("{wires}_{signal}")),
                );
            }
            for (i, name) in lookups.iter().enumerate() {
                let slice = |(signal, bits): (&str, usize)| {
                    format!("{wires}_{signal}[{} +: {bits}]", i * bits)
                };
                instance(
                    format!("{wires}_{name}"),
                    [("address", *address), ("data", *data)].map(slice),
                );
            }
        }
        let of_weights = roms.iter().all(|rom| rom.table.ports()[1] == "rom");
        if !of_weights {
            ports.push(of_roms.join(", "));
        }
        let carried = part.carried(frames);
        let sides = part.sides();
        for (sides, ids) in sides.iter().zip([&node.inputs, &node.outputs]) {
            for (side, id) in sides.iter().zip(ids) {
                let name = &names[id];
                if carried.is_empty() {
                    ports.push(connection(side, name));
                    continue;
                }
                let mut ports_of = graph.inputs().chain(graph.outputs());
                let to = match ports_of.find(|(end, ..)| end == id) {
                    _ if *id == StreamId(0) => self.input().into(),
                    Some((.., port)) => format!("{port}_t"),
                    None => format!("{name}_"),
                };
                let beside: String =
                    carried.iter().map(|signal| format!("{to}{signal}, ")).collect();
                ports.push(in_pairs(&[
                    format!(".{side}_valid({to}valid)"),
                    format!(".{side}_ready({to}ready)"),
                    format!(".{side}_data({{{beside}{name}_data}})"),
                ]));
            }
        }
        let m = &names[&node.outputs[0]];
        let leaves = graph.outputs().any(|(output, ..)| output == node.outputs[0]);
        if carried.len() > 1 && !leaves {
            block
                .wires
                .extend(carried[1..].iter().map(|signal| Wire::bit(format!("{m}_{signal}"))));
        }
        if let Some((port, wire)) = part.ports(&names[&node.inputs[0]], m, frames) {
            let clear = ".frame_error_clear(frame_error_clear";
            let port = match &self.signature.control {
                Some(_) => port.replace(clear, &format!("{clear} | control_clear")),
                None => port,
            };
            let mut wire = wire;
            let mut all = vec![port];
            if !graph.inputs.is_empty() && module == FRAMER {
                // Of several inputs each tells of its own.
                let error = Self::frame_error_of(node);
                let own = format!(".frame_error({error}");
                let (last, errors) = all[0].split_once(", ").unwrap_or((&all[0], ""));
                let errors = errors.replace(".frame_error(frame_error", &own);
                all = vec![last.into(), errors];
                wire = Some(wire.map_or(error.clone(), |w| w.replace("frame_error", &error)));
            }
            ports.extend(all);
            block.wires.extend(wire.map(Wire::bit));
        }
        if of_weights && !of_roms.is_empty() {
            ports.push(of_roms.join(", "));
        }
        let (name, parameters) = (format!("u_{}", node.name), part.parameters(&ends, frames));
        block.instances.push(Instance { module, name, parameters, ports });
        Ok(())
    }

    /// The wire of what tells of wrong frames of one input among several.
    fn frame_error_of(framer: &Node) -> String {
        format!("{}_frame_error", framer.name)
    }

    /// How a layer whose parameters are loaded stands in the chain of all of them.
    fn link(&self, number: usize) -> Option<String> {
        let is_loaded = |number: &usize| {
            self.compiled.layers[*number].unrolled().is_some_and(|own| own.circuit.loaded)
        };
        let before = (0..number).filter(is_loaded).count();
        is_loaded(&number).then(|| {
            format!(".load(load), .load_in(load_{before}), .load_out(load_{})", before + 1)
        })
    }

    /// How a folded layer whose parameters are loaded stands in the row of all memories.
    fn entrance(&self, number: usize) -> Option<String> {
        let is = |number: &usize| self.own[*number].roms.iter().any(|rom| rom.module == LOADED);
        let before = (0..number).filter(is).count();
        is(&number).then(|| {
            format!(
                ".load(load), .load_begins(load_begins), .load_bit(load_0), \
                 .load_enters(load_enters_{before}), .load_full(load_enters_{})",
                before + 1
            )
        })
    }

    /// A memory of a layer that is loaded, and the wires that are high when those before it, and
    /// when it, are full.
    fn loads(&self, number: usize, table: Table) -> Option<(Table, String, String)> {
        let own = self.own[number].roms.iter().filter(|rom| rom.module == LOADED);
        let all: Vec<Table> = own.map(|rom| rom.table).collect();
        let at = all.iter().position(|other| *other == table)?;
        let before =
            if at == 0 { "load_enters".into() } else { format!("{}_full", all[at - 1].rom()) };
        let after =
            if at + 1 == all.len() { "load_full".into() } else { format!("{}_full", table.rom()) };
        Some((table, before, after))
    }

    /// Whether a layer's module has its pipeline in it; else that stands in the core.
    fn pipelined_within(&self, number: usize) -> bool {
        let own = self.compiled.graph.nodes.iter().filter(|node| node.layer == Some(number));
        own.into_iter().any(|node| matches!(node.primitive, Primitive::Segment(_)))
    }

    /// The table that parameters are loaded from, where they are, and its first contents.
    fn table(&self) -> Result<Vec<File>> {
        let Some((module, words)) = &self.table else { return Ok(vec![]) };
        let memory = format!("{module}.mem");
        let text = TableText {
            header: self.provenance.header(module, "the table of the parameters"),
            module,
            words: words.len(),
            address_bits: super::address_bits(words.len()),
            file: &memory,
        };
        let text = text.render().map_err(|e| Error::internal("template of the table", e))? + "\n";
        Ok(vec![
            File { path: file(module), text },
            File { path: memory, text: control::memory(words) },
        ])
    }

    /// What loads the parameters, where they are loaded.
    fn reload(&self) -> Option<Block> {
        let (module, words) = self.table.as_ref()?;
        let table = self.signature.control.as_ref()?.table.as_ref()?;
        let bits = super::address_bits(words.len());
        let address = Wire { name: "reload_address".into(), bits, vector: true };
        let wires = vec![Wire::bit("reload_read".into()), address];
        let instance = |module: &str, name: &str, parameters: String, ports: Vec<String>| {
            Instance { module: module.into(), name: name.into(), parameters, ports }
        };
        let enable = if self.clken { "aclken" } else { "1'b1" };
        let instances = vec![
            instance(
                "strassenc_reload",
                "u_reload",
                format!(".BITS({})", table.bits),
                vec![
                    self.primitive_clock(None),
                    ".load(reload_now), .between(reload_between), .empty(reload_empty)".into(),
                    ".hold(reload_hold), .loading(reload_loading), .loads(reload_loads)".into(),
                    ".read(reload_read), .address(reload_address), .word(table_word)".into(),
                    ".begins(load_begins), .shift(load_shift), .shifted(load_0)".into(),
                ],
            ),
            instance(
                module,
                "u_table",
                String::new(),
                vec![
                    format!(".clk(aclk), .clken({enable})"),
                    ".write(table_write), .write_address(table_write_address)".into(),
                    ".data(table_data), .read(table_read | reload_read)".into(),
                    ".read_address(reload_read ? reload_address : table_read_address)".into(),
                    ".word(table_word)".into(),
                ],
            ),
        ];
        let banner = "Reload: parameters from their table, between two frames".into();
        Some(Block { banner, wires, instances, ..Block::default() })
    }

    /// The wires between what loads parameters, and all others.
    fn reload_wires(&self) -> Vec<String> {
        let Some((_, words)) = &self.table else { return vec![] };
        let last = (0..self.compiled.layers.len()).filter(|n| self.link(*n).is_some()).count();
        let chain: Vec<String> = (0..=last).map(|i| format!("load_{i}")).collect();
        let rows = (0..self.compiled.layers.len()).filter(|n| self.entrance(*n).is_some()).count();
        let memories: Vec<String> = (0..=rows).map(|i| format!("load_enters_{i}")).collect();
        let high = super::address_bits(words.len()) - 1;
        let enable = if self.clken { " & aclken" } else { "" };
        let mut lines = vec![
            String::new(),
            "// ==== Parameters: the chain that they are loaded through, and their table".into(),
            "wire reload_now, reload_between, reload_empty, reload_hold, reload_loading;".into(),
            "wire load_shift, load_begins;".into(),
            "wire [31:0] reload_loads, table_data, table_word;".into(),
            "wire table_write, table_read;".into(),
            format!("wire [{high}:0] table_write_address, table_read_address;"),
            format!("wire load = load_shift{enable};"),
            format!("wire {};", chain.join(", ")),
            format!("wire {};", memories.join(", ")),
            "assign load_enters_0 = 1'b1;".into(),
            format!("wire load_unused = &{{1'b0, load_{last}, load_begins, load_enters_{rows}}};"),
            String::new(),
            "// ==== Input: closed while parameters are loaded".into(),
            "wire s_open_tvalid = s_axis_tvalid & !reload_hold;".into(),
            "wire s_open_tready;".into(),
            "assign s_axis_tready = s_open_tready & !reload_hold;".into(),
            "wire s_open_tuser = s_axis_tuser;".into(),
        ];
        if self.signature.frames == signature::Frames::Tlast {
            lines.push("wire s_open_tlast = s_axis_tlast;".into());
        }
        lines.push(String::new());
        lines
    }

    /// What the signals of the input's stream begin with.
    fn input(&self) -> &'static str {
        if self.table.is_some() { "s_open_t" } else { "s_axis_t" }
    }

    /// The registers, where there are any.
    fn control(&self) -> Option<Block> {
        let control = self.signature.control.as_ref()?;
        let axi: Vec<String> = (control::ports(control))
            .map(|port| {
                let short = port.name.trim_start_matches(control::PORT).trim_start_matches('_');
                format!(".{short}({})", port.name)
            })
            .collect();
        let tells = self.signature.frames == signature::Frames::Tlast;
        let of_frames =
            |port: &str, wire: &str| format!(".{port}({})", if tells { wire } else { "1'b0" });
        let mut wires = vec![];
        let mut unused = |port: &str, bits| {
            let name = format!("control_{port}_unused");
            wires.push(Wire { name: name.clone(), bits, vector: false });
            format!(".{port}({name})")
        };
        let mut ports = vec![self.primitive_clock(None)];
        ports.extend(axi.chunks(4).map(|ports| ports.join(", ")));
        ports.push(format!(
            ".s_valid(s_axis_tvalid), .s_ready(s_axis_tready), {}",
            of_frames("s_last", "s_axis_tlast")
        ));
        let of_outputs = |signal: &str| {
            let all: Vec<String> =
                self.signature.outputs().map(|(port, _)| format!("{port}_t{signal}")).collect();
            let all = match &all[..] {
                [one] => one.clone(),
                // The first one in the low bit.
                _ => format!("{{{}}}", all.into_iter().rev().collect::<Vec<_>>().join(", ")),
            };
            format!(".m_{signal}({all})")
        };
        ports.push(in_pairs(&["valid", "ready", "last"].map(of_outputs)));
        ports.push(if tells {
            ".frame_error(frame_error), .frame_error_clear(control_clear)".into()
        } else {
            format!(".frame_error(1'b0), {}", unused("frame_error_clear", 1))
        });
        ports.extend(match self.table {
            Some(_) => [
                ".between(reload_between), .empty(reload_empty)",
                ".loading(reload_loading), .loads(reload_loads), .load(reload_now)",
                ".table_write(table_write), .table_write_address(table_write_address)",
                ".table_data(table_data)",
                ".table_read(table_read), .table_read_address(table_read_address)",
                ".table_word(table_word)",
            ]
            .map(String::from),
            None => [
                format!("{}, {}", unused("between", 1), unused("empty", 1)),
                format!(".loading(1'b0), .loads(32'd0), {}", unused("load", 1)),
                format!("{}, {}", unused("table_write", 1), unused("table_write_address", 1)),
                unused("table_data", 32),
                format!("{}, {}", unused("table_read", 1), unused("table_read_address", 1)),
                ".table_word(32'd0)".into(),
            ],
        });
        let instance = Instance {
            module: "strassenc_control".into(),
            name: "u_control".into(),
            parameters: control::parameters(&self.signature, control).join(", "),
            ports,
        };
        let banner = "Control: the registers, on AXI4-Lite".into();
        Some(Block { banner, wires, instances: vec![instance], ..Block::default() })
    }

    /// The core itself.
    fn top(&self) -> Result<File> {
        let graph = &self.compiled.graph;
        let ports = axi::declarations(&self.signature)
            .into_iter()
            .map(|(text, comment)| Port { text, comment })
            .collect();

        let beat = |port: &str| port.replacen(signature::INPUT, "s_beat", 1);
        let mut names: BTreeMap<StreamId, String> =
            graph.inputs().map(|(id, _, port)| (id, beat(&port))).collect();
        let mut blocks = self.blocks(None, &mut names)?;
        blocks.extend(self.control());
        blocks.extend(self.reload());
        let mut before = vec!["wire rst = !aresetn;".into(), String::new()];
        before.extend(self.reload_wires());
        before.push("// ==== Input: what carries information of each lane, registered".into());
        for ((port, stream), (id, ..)) in self.signature.inputs().zip(graph.inputs()) {
            let target = format!("{}_data", beat(port));
            before.push(format!("wire [{}:0] {target};", graph.streams[id.index()].bits() - 1));
            before.extend(axi::lanes_in(port, stream, &target));
        }
        if self.signature.control.is_some() && self.signature.frames == signature::Frames::Tlast {
            before.push("wire control_clear;".into());
        }
        // Without a register it is the ports' words that go on.
        if !matches!(graph.nodes[0].primitive, Primitive::Register(_)) {
            before.extend(axi::words_in(self.signature.frames, self.input(), "s_beat"));
        }
        let mut after = vec!["// ==== Output: each element extended to whole bytes".to_string()];
        for ((port, stream), (id, ..)) in self.signature.outputs().zip(graph.outputs()) {
            after.extend(axi::lanes_out(port, stream, &format!("{}_data", names[&id])));
        }
        let framers = graph.nodes.iter().filter(|node| node.primitive.part().modules() == [FRAMER]);
        let errors: Vec<String> = framers.map(Self::frame_error_of).collect();
        if errors.len() > 1 && self.signature.frames == signature::Frames::Tlast {
            after.push(format!("assign frame_error = {};", errors.join(" | ")));
        }
        let latency = self.signature.latency;
        let mut summary = vec![format!(
            "A frame every {}; the first beat of a result {} {} the last beat of its frame.",
            count(self.signature.ii, "clock"),
            count(latency.unsigned_abs(), "clock"),
            if latency < 0 { "before" } else { "after" }
        )];
        if !self.signature.inputs.is_empty() {
            summary
                .push("A frame has beats of each input; all are offered, and none waits.".into());
        }
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

/// What makes frames whole, one at each input.
const FRAMER: &str = "strassenc_framer";

/// What is loaded at run time in the place of a ROM.
const LOADED: &str = "strassenc_loaded_memory";

/// Whether what a ROM of a layer would hold is loaded at run time.
pub(crate) fn is_loaded(compiled: &Compiled, number: usize, table: Table) -> bool {
    let kernel = compiled.dataflow.layers[number].kernel();
    kernel.is_some_and(|kernel| kernel.chain.loaded.is_some())
        && matches!(table, Table::Coefficients | Table::Outputs)
}

/// What a ROM of a layer holds, rows of a table in words of `lanes` elements, and whether it is a
/// ROM of weights or a table.
pub(crate) fn rom_of(
    compiled: &Compiled,
    number: usize,
    table: Table,
    lanes: usize,
) -> Result<(Rom, &'static str)> {
    let Compiled { dataflow, layers, .. } = compiled;
    let layer = &dataflow.layers[number];
    let folded =
        if let LayerEngine::Folded(folded) = &layers[number] { Some(folded) } else { None };
    let lost = || {
        let place = format_args!("layer `{}`, {}", layer.name, table.rom()).to_string();
        Error::internal(place, "there is nothing that it holds")
    };
    let curve = match (table, &layer.kind) {
        (Table::Sigmoid, Kind::Highway { blend, .. }) => Some(&blend.sigmoid),
        (Table::Sigmoid, Kind::Recurrent { cell, .. }) => Some(&cell.sigmoid),
        (Table::Tanh, Kind::Recurrent { cell, .. }) => Some(&cell.tanh),
        (Table::Curve, Kind::CharCnn { tanh: curve, .. })
        | (Table::Curve, Kind::Activation { function: Function::Curve(curve) }) => Some(curve),
        _ => None,
    };
    Ok(match (table, folded, &layer.kind) {
        (Table::Wb, Some(folded), _) => (Rom::weights(&folded.wb, "W_b"), "ROM"),
        (Table::Coefficients, Some(folded), _) => (Rom::coefficients(&folded.bank), "ROM"),
        (Table::Wc, Some(folded), _) => {
            (Rom::weights(folded.wc.as_ref().ok_or_else(lost)?, "W_c"), "ROM")
        }
        (Table::Outputs, Some(folded), _) => (Rom::outputs(&folded.requantiser), "ROM"),
        (Table::Rows, _, Kind::Embedding { rows }) => {
            (Rom::rows(rows, dataflow.yields(number).format.bits, lanes), "table")
        }
        _ => (Rom::curve(curve.ok_or_else(lost)?), "table"),
    })
}

impl Wire {
    fn bit(name: String) -> Self {
        Wire { name, bits: 1, vector: false }
    }
}

impl Module<'_> {
    pub fn text(&self, name: &str) -> Result<String> {
        let text =
            self.render().map_err(|e| Error::internal(format_args!("template of `{name}`"), e))?;
        // A template cannot leave out the blanks of an empty line.
        Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n")
    }
}

impl Port {
    pub fn new(text: impl Into<String>) -> Self {
        Port { text: text.into(), comment: String::new() }
    }
}

/// The primitives that the nodes of a circuit are, hardware multipliers excepted.
pub(super) fn of_circuit(circuit: &Circuit) -> impl Iterator<Item = &'static str> {
    circuit.nodes.iter().filter_map(|node| match node.op {
        Op::Product { .. } => Some("strassenc_product"),
        Op::Add(Terms::Three(_)) => Some("strassenc_add3"),
        _ => None,
    })
}

/// The files of primitives.
pub(super) fn primitives(used: &[&str]) -> Vec<File> {
    (PRIMITIVES.iter().filter(|(name, _)| used.contains(name)))
        .map(|(name, text)| File { path: file(name), text: (*text).into() })
        .collect()
}

/// The names of the clock and its enable: within a layer's module, or in the core.
fn clock_of(layer: Option<usize>) -> (&'static str, &'static str) {
    if layer.is_some() { ("clk", "clken") } else { ("aclk", "aclken") }
}

/// Whether a layer has nodes of its own, which are in its module.
fn has_module(graph: &Graph, number: usize) -> bool {
    graph.nodes.iter().any(|node| node.layer == Some(number))
}

/// The words that enter and leave a layer; within a segment whole pixels.
fn words(compiled: &Compiled, number: usize) -> [Vector; 2] {
    let Compiled { dataflow, graph, .. } = compiled;
    let whole = |edge: &Edge, elements: usize| Vector { elements, format: edge.format };
    let of = |id: &StreamId| {
        let stream = &graph.streams[id.index()];
        Vector { elements: stream.lanes, format: stream.format }
    };
    let segment = graph.segment_of(number).map(|(_, segment)| segment.layers.clone());
    let (first, last) = segment.unwrap_or(number..=number).into_inner();
    let (enters, leaves) = ends_of(graph.of_layer(number));
    let enters = enters.first().filter(|_| number == first);
    let leaves = leaves.as_ref().filter(|_| number == last);
    let (from, to) = (dataflow.reads(number), dataflow.yields(number));
    [
        enters.map_or_else(|| whole(from, from.shape.channels), of),
        leaves.map_or_else(|| whole(to, to.shape.channels), of),
    ]
}

/// The streams that enter and leave a layer.
fn ends(graph: &Graph, number: usize) -> (Vec<StreamId>, StreamId) {
    let own = graph.nodes.iter().filter(|node| node.layer == Some(number));
    let (enters, leaves) = ends_of(own);
    // An invariant: one stream leaves a layer.
    (enters, leaves.expect("a layer yields a stream"))
}

/// The streams that enter some nodes, and the one that leaves them, where there is any.
fn ends_of<'a>(nodes: impl Iterator<Item = &'a Node>) -> (Vec<StreamId>, Option<StreamId>) {
    let (mut made, mut read): (Vec<StreamId>, Vec<StreamId>) = (vec![], vec![]);
    for node in nodes {
        made.extend(&node.outputs);
        read.extend(&node.inputs);
    }
    let enters = read.iter().copied().filter(|id| !made.contains(id)).collect();
    (enters, made.into_iter().find(|id| !read.contains(id)))
}

/// Ports on one line, or two on each.
fn in_pairs(ports: &[String]) -> String {
    let line = ports.join(", ");
    if line.len() <= 90 {
        return line;
    }
    ports.chunks(2).map(|pair| pair.join(", ")).collect::<Vec<_>>().join(",\n        ")
}

fn connection(side: &str, stream: &str) -> String {
    let ports =
        ["valid", "ready", "data", "user"].map(|port| format!(".{side}_{port}({stream}_{port})"));
    in_pairs(&ports)
}

fn told(folded: &Folded) -> String {
    let Some(wc) = &folded.wc else {
        return format!(
            "Folded: {} by {}, {}; a word every {}.",
            count(folded.wb.rows, "filter"),
            count(folded.wb.lanes, "element"),
            multipliers(&folded.bank),
            count(folded.interval(), "clock")
        );
    };
    format!(
        "Folded: {} of W_b by {}, {}, {} of W_c by {}; a window every {}.",
        count(folded.wb.rows, "row"),
        count(folded.wb.lanes, "element"),
        multipliers(&folded.bank),
        count(wc.rows, "row"),
        count(wc.lanes, "product"),
        count(folded.interval(), "clock")
    )
}

/// `4 multipliers`, and what they are made of where that is not hardware.
fn multipliers(bank: &Bank) -> String {
    match &bank.digits {
        Some(digits) => {
            format!("{} of {} each", count(bank.lanes, "multiplier"), count(digits.terms, "shift"))
        }
        None => count(bank.lanes, "multiplier"),
    }
}
