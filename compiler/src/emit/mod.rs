//! Emission: pipelines and streams as Verilog text, with everything a user of the core needs beside
//! it.
//!
//! Against the pipeline, every register has a name and every width is written out; what stands
//! around the layers (streams, beats, frames) is added here. The meaning is what Verilog simulators
//! make of it.

mod axi;
pub mod control;
mod core;
mod expression;
pub(crate) mod harness;
mod kernel;
mod layer;
mod names;
mod provenance;
mod rom;
mod serial;
pub mod signature;
mod testbench;

pub(crate) use core::{is_loaded, rom_of};
pub use kernel::EmittedKernel;
pub(crate) use layer::count;
pub(crate) use rom::address_bits;
pub use signature::Signature;
pub(crate) use testbench::starts_every;

use crate::compile::Compiled;
use signature::Frames;
use strassenc_runtime::Result;

/// A file of the build folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative to the build folder.
    pub path: String,
    /// The whole contents of the file.
    pub text: String,
}

/// What an emitted core is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What ends an input frame.
    pub frames: Frames,
    /// Whether the core has a clock enable, `aclken`.
    pub clock_enable: bool,
    /// Whether the core has an AXI4-Lite slave.
    pub control: bool,
    /// All options that decide the text, as on a command line, for the headers.
    pub command: String,
}

/// Emits a core. The text does not depend on the number of threads.
///
/// # Errors
/// Where the model cannot be hashed, or a template or a name fails: a bug of ours.
pub fn emit(compiled: &Compiled, options: &Options) -> Result<Emitted> {
    core::emit(compiled, options, core::Parts::All)
}

/// The Verilog of a core alone, with its signature: no testbench, no lists.
///
/// # Errors
/// As [`emit`].
pub fn emit_core(compiled: &Compiled, options: &Options) -> Result<Emitted> {
    core::emit(compiled, options, core::Parts::Verilog)
}

/// Emits the kernel of one matrix, with its testbench.
///
/// # Errors
/// Where a template or a name fails: a bug of ours.
pub fn emit_kernel(
    kernel: &crate::kernel::Kernel,
    options: &crate::kernel::Options,
) -> Result<EmittedKernel> {
    kernel::emit(kernel, options)
}

/// A core as text.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The promises of the core.
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
    let list =
        |path: &str, names: &[String]| File { path: path.into(), text: names.join("\n") + "\n" };
    let files = list(FILE_LIST, &signature.files);
    let memories = (!signature.memories.is_empty()).then(|| list(MEMORY_LIST, &signature.memories));
    let signature = File { path: signature::FILE.into(), text: signature.to_json() };
    [files].into_iter().chain(memories).chain([signature])
}

/// The files that the testbench of a core reads: what enters, and what has to leave.
pub(crate) fn testbench_data(signature: &Signature) -> Vec<String> {
    let module = &signature.testbench;
    let testbench::Files { input, output, .. } = testbench::Files::of(module);
    let inputs = signature.inputs.iter().map(|input| testbench::of_input(module, input));
    let heads = signature.heads.iter().map(|head| testbench::of_head(module, head));
    [input, output].into_iter().chain(inputs).chain(heads).collect()
}

/// `strassenc` and its version.
pub const TOOL: &str = concat!("strassenc ", env!("CARGO_PKG_VERSION"));

fn file(module: &str) -> String {
    format!("{module}.v")
}

macro_rules! primitives {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../hw/", $name, ".v")))),*]
    };
}

/// Every primitive, those first that others instantiate.
pub(crate) const PRIMITIVES: &[(&str, &str)] = primitives! {
    "strassenc_stream_register"
    "strassenc_collector"
    "strassenc_serialiser"
    "strassenc_add3"
    "strassenc_coefficient"
    "strassenc_scaled_product"
    "strassenc_multiplier"
    "strassenc_serial_add"
    "strassenc_serial_add3"
    "strassenc_select"
    "strassenc_serial_digits"
    "strassenc_serial_multiplier"
    "strassenc_saturate"
    "strassenc_product"
    "strassenc_framer"
    "strassenc_frame_end"
    "strassenc_fifo"
    "strassenc_segment"
    "strassenc_fork"
    "strassenc_widen"
    "strassenc_repack"
    "strassenc_rows"
    "strassenc_window"
    "strassenc_reader"
    "strassenc_gated_add"
    "strassenc_array"
    "strassenc_multiplier_bank"
    "strassenc_shift_add_bank"
    "strassenc_requantise"
    "strassenc_accumulate"
    "strassenc_patches"
    "strassenc_add"
    "strassenc_concat"
    "strassenc_last"
    "strassenc_merge"
    "strassenc_best"
    "strassenc_threshold"
    "strassenc_reverse"
    "strassenc_lookup"
    "strassenc_starts"
    "strassenc_recall"
    "strassenc_curve"
    "strassenc_round"
    "strassenc_lstm_cell"
    "strassenc_gru_cell"
    "strassenc_highway"
    "strassenc_positions"
    "strassenc_curves"
    "strassenc_rectify"
    "strassenc_control"
    "strassenc_parameter"
    "strassenc_loaded_memory"
    "strassenc_reload"
};
