//! Emission: pipelines as Verilog text, with everything a user of the core needs beside it.
//!
//! Against the pipeline, every register has a name and every width is written out; what stands around the layers (streams,
//! beats, frames) is added here. The meaning is what Verilog simulators make of it.

mod axi;
mod core;
mod expression;
pub mod images;
mod layer;
mod names;
mod provenance;
mod rom;
mod shift_add;
pub mod signature;
mod testbench;

pub use signature::Signature;

use crate::circuit::Op;
use crate::compile::Compiled;
use names::Modules;
use provenance::Provenance;
use rayon::prelude::*;
use signature::{Beat, Frames, Stream, Vector};
use std::collections::BTreeSet;
use strassenc_runtime::{Result, model_file};

/// A file of the build folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the build folder.
    pub path: String,
    /// Its whole contents.
    pub text: String,
}

/// What an emitted core is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The beats of the input; of a core over images they are decided when it is compiled.
    pub input: Beat,
    /// The beats of the output, likewise.
    pub output: Beat,
    /// What ends an input frame.
    pub frames: Frames,
    /// Whether the core has a clock enable, `aclken`.
    pub clock_enable: bool,
    /// All options that decide the text, as on a command line, for the headers.
    pub command: String,
}

/// Emits a core. The text does not depend on the number of threads.
///
/// # Errors
/// Where a beat cannot be as it is asked for, the model cannot be hashed, or a template or a name
/// fails: a bug of ours.
pub fn emit(compiled: &Compiled, options: &Options) -> Result<Emitted> {
    names::unhidden(|avoid| emit_named(compiled, options, avoid))
}

fn emit_named(compiled: &Compiled, options: &Options, avoid: &BTreeSet<String>) -> Result<Emitted> {
    let provenance = Provenance {
        tool: TOOL.into(),
        model: compiled.model.name.clone(),
        model_sha256: model_file::sha256(&compiled.model)?,
        options: options.command.clone(),
    };
    let signature = signature(compiled, options, &provenance, avoid)?;
    let layers: Vec<File> = (compiled.layers.par_iter().zip(&signature.layers))
        .map(|(layer, LayerSignature { module, .. })| {
            let text = layer::emit(layer, module, options.clock_enable, &provenance)?;
            Ok(File { path: format!("{module}.v"), text })
        })
        .collect::<Vec<Result<File>>>()
        .into_iter()
        .collect::<Result<_>>()?;
    let mut files: Vec<File> =
        primitives(compiled).map(|(name, text)| File { path: file(name), text: text.into() }).collect();
    files.extend(layers);
    files.push(File { path: file(&signature.top), text: core::emit(&signature, options.clock_enable, &provenance)? });
    files.extend(testbench::emit(&compiled.model, &signature, options.clock_enable, &provenance)?);
    files.extend(lists(&signature));
    Ok(Emitted { signature, files })
}

/// A core as text.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// Its promises.
    pub signature: Signature,
    /// The Verilog, the testbench with its vectors, the lists of files and `signature.json`.
    pub files: Vec<File>,
}

/// Name of the list of Verilog files.
pub const FILE_LIST: &str = "files.f";

/// Name of the list of what the Verilog reads with `$readmemh`, where there is any.
pub const MEMORY_LIST: &str = "memories.f";

/// What tells tools of a core: its lists of files, and its signature.
fn lists(signature: &Signature) -> impl Iterator<Item = File> {
    let list = |path: &str, names: &[String]| File { path: path.into(), text: names.join("\n") + "\n" };
    let files = list(FILE_LIST, &signature.files);
    let memories = (!signature.memories.is_empty()).then(|| list(MEMORY_LIST, &signature.memories));
    let signature = File { path: signature::FILE.into(), text: signature.to_json() };
    [files].into_iter().chain(memories).chain([signature])
}

/// `strassenc` and its version.
pub const TOOL: &str = concat!("strassenc ", env!("CARGO_PKG_VERSION"));

use signature::Layer as LayerSignature;

fn file(module: &str) -> String {
    format!("{module}.v")
}

/// The primitives of `hw/` that a core instantiates: names and texts.
fn primitives(compiled: &Compiled) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has = |op: fn(&Op) -> bool| compiled.layers.iter().any(|layer| layer.circuit.nodes.iter().any(|n| op(&n.op)));
    let multiplies = compiled.layers.iter().any(|layer| {
        let hardware = |op: &Op| matches!(op, Op::Multiply { row, .. } if !layer.shift_add.contains_key(row));
        layer.circuit.nodes.iter().any(|node| hardware(&node.op))
    });
    let multiplies_data = has(|op| matches!(op, Op::Product { .. }));
    PRIMITIVES.into_iter().filter(move |(name, _)| match *name {
        "strassenc_coefficient" | "strassenc_multiplier" => multiplies,
        "strassenc_product" => multiplies_data,
        "strassenc_stream_register" | "strassenc_collector" | "strassenc_serialiser" => true,
        _ => false,
    })
}

macro_rules! primitives {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../hw/", $name, ".v")))),*]
    };
}

/// Every primitive, those first that others instantiate.
pub(crate) const PRIMITIVES: [(&str, &str); 30] = primitives! {
    "strassenc_stream_register"
    "strassenc_collector"
    "strassenc_serialiser"
    "strassenc_coefficient"
    "strassenc_multiplier"
    "strassenc_product"
    "strassenc_framer"
    "strassenc_frame_end"
    "strassenc_fifo"
    "strassenc_fork"
    "strassenc_widen"
    "strassenc_repack"
    "strassenc_rows"
    "strassenc_window"
    "strassenc_reader"
    "strassenc_array"
    "strassenc_multiplier_bank"
    "strassenc_shift_add_bank"
    "strassenc_requantise"
    "strassenc_accumulate"
    "strassenc_patches"
    "strassenc_add"
    "strassenc_lookup"
    "strassenc_recall"
    "strassenc_curve"
    "strassenc_round"
    "strassenc_lstm_cell"
    "strassenc_highway"
    "strassenc_positions"
    "strassenc_tanh"
};

/// Multipliers of each layer.
fn multipliers(compiled: &Compiled) -> impl Iterator<Item = usize> {
    let count = |layer: &crate::compile::CompiledLayer| {
        layer.circuit.nodes.iter().filter(|node| node.op.is_multiplier()).count()
    };
    compiled.layers.iter().map(count)
}

fn signature(
    compiled: &Compiled,
    options: &Options,
    provenance: &Provenance,
    avoid: &BTreeSet<String>,
) -> Result<Signature> {
    let mut modules = Modules::new(avoid);
    let top = modules.take(compiled.model.name.clone(), "core");
    let layers: Vec<LayerSignature> = (compiled.layers.iter().zip(multipliers(compiled)))
        .map(|(layer, multipliers)| {
            let circuit = &layer.circuit;
            LayerSignature {
                name: layer.name.clone(),
                module: modules.take(format!("{}_{}", compiled.model.name, layer.name), "layer"),
                multipliers,
                latency: layer.pipeline.stages,
                input: Vector { elements: circuit.inputs.len(), format: circuit.input_format },
                output: Vector { elements: circuit.outputs.len(), format: circuit.output_format },
            }
        })
        .collect();
    // A model has at least one layer.
    let (first, last) = (layers[0].input, layers[layers.len() - 1].output);
    let input = Stream::new(first, options.input).map_err(|e| e.within("input"))?;
    let output = Stream::new(last, options.output).map_err(|e| e.within("output"))?;
    let mut files: Vec<String> = primitives(compiled).map(|(name, _)| file(name)).collect();
    files.extend(layers.iter().map(|layer| file(&layer.module)));
    files.push(file(&top));
    Ok(Signature {
        schema: signature::SCHEMA,
        tool: provenance.tool.clone(),
        model: provenance.model.clone(),
        model_sha256: provenance.model_sha256.clone(),
        testbench: modules.take(format!("{top}_tb"), "testbench"),
        ports: axi::ports(&input, &output, options.frames, options.clock_enable),
        frames: options.frames,
        // A register at each end, and one between any two layers.
        latency: i64::from(layers.iter().map(|layer| layer.latency).sum::<u32>()) + layers.len() as i64 + 1,
        ii: input.beats.max(output.beats) as u32,
        warm_up: 0,
        whole_frames: false,
        recurrent: false,
        top,
        input,
        output,
        layers,
        files,
        memories: vec![],
    })
}
