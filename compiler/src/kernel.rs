//! One constant matrix as hardware: y = x·W and nothing else.
//!
//! A kernel is made as an unrolled layer is, from adder graph to circuit to pipeline, each proved
//! or verified; it has no multipliers, no constants and no requantisers, and every output is
//! exactly the sum that its column says.

use crate::adder_graph::{self, AdderGraph, Matrix, Node};
use crate::circuit::{self, Circuit, Op};
use crate::device::{DEVICES, Device};
use crate::emit::signature::{Port, Vector};
use crate::emit::{self, Signature, TOOL};
use crate::engine::CLOCK;
use crate::figures;
use crate::folder::{self, Edits};
use crate::interval::Interval;
use crate::ir::{self, Chain, OpKind, Role, Value};
use crate::project::{self, Project};
use crate::schedule::{self, ADDERS_PER_STAGE, Limit, Pipeline, Stage};
use crate::stream::primitive::Segment;
use crate::synth::Design;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use strassenc_runtime::{Error, Format, Result, files, wording};

/// The schema of `report.json` that this version writes.
pub const SCHEMA: u32 = 1;

/// Name of the record: it marks a folder as a kernel's.
pub const RECORD: &str = "report.json";

/// Bits of the widest sum that a kernel may have.
const MOST_BITS: u32 = 63;

/// How a kernel is clocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Not at all: y follows x without a register.
    Combinational,
    /// Free-running: a register behind every stage, the last one included, a vector each clock.
    Pipelined(Limit),
    /// Such a pipeline between two AXI4-Streams, which may stall it.
    Stream(Limit),
}

/// What a kernel is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The format of the inputs, at most 32 bits; `frac` is 0.
    pub input: Format,
    /// How it is clocked.
    pub style: Style,
    /// Whether its clock has an enable; of a combinational one it has none.
    pub clock_enable: bool,
    /// The device that it is for, where one is asked for; LUTs are estimated for it or the first.
    pub device: Option<Device>,
    /// The kinds of project files; where none are named, all that fit the device.
    pub projects: Option<Vec<Project>>,
    /// Seed of the testbench's random vectors.
    pub seed: u64,
    /// The clock in MHz that `style` is for, where it is for one.
    pub clock_mhz: Option<f64>,
    /// SHA-256 of the file that the matrix was read from.
    pub sha256: String,
    /// All options that decide the text, as on a command line, for the headers.
    pub command: String,
}

/// A matrix down to a pipeline, proved and verified.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The matrix's name.
    pub name: String,
    /// W, transposed: `[n_out, n_in]`.
    pub matrix: Matrix,
    /// Its shared additions.
    pub graph: AdderGraph,
    /// The operations.
    pub circuit: Circuit,
    /// Their stages.
    pub pipeline: Pipeline,
    /// How it is clocked.
    pub style: Style,
}

impl Kernel {
    /// Makes the kernel of a matrix from its adder graph, which is proved here.
    ///
    /// # Errors
    /// - [`Input`](strassenc_runtime::Kind::Input) where the matrix has no elements, a sum may not
    ///   fit 63 bits, or a clock cannot be reached;
    /// - [`Mismatch`](strassenc_runtime::Kind::Mismatch) where the graph is not that of the matrix;
    /// - [`Internal`](strassenc_runtime::Kind::Internal) where a pass's result is refused: a bug of
    ///   ours.
    pub fn new(
        name: &str,
        matrix: &Matrix,
        graph: &AdderGraph,
        input: Format,
        style: Style,
    ) -> Result<Self> {
        if matrix.is_empty() {
            let (outputs, inputs) = matrix.dim();
            let cause = format!("has {inputs} inputs and {outputs} outputs, and hardware has some");
            return Err(Error::input(format_args!("matrix `{name}`"), cause));
        }
        check_fits(name, matrix, input)?;
        adder_graph::prove(graph, matrix)?;
        check_sums(name, graph, input)?;
        let chain = chain(name, matrix, input);
        let limit = match style {
            Style::Combinational => Limit::Adders(*ADDERS_PER_STAGE.end()),
            Style::Pipelined(limit) | Style::Stream(limit) => limit,
        };
        let mut circuit = circuit::build(&chain, &[graph], &BTreeSet::new())?;
        if !limit.chains_invert() {
            circuit::choose_polarity(&mut circuit);
        }
        circuit::verify(&circuit)?;
        circuit::prove(&circuit, &chain)?;
        let asked = schedule::Options { limit, ..schedule::Options::default() };
        let mut pipeline = schedule::schedule(&circuit, &asked)?;
        schedule::verify(&circuit, &pipeline, &asked)?;
        match style {
            Style::Combinational if pipeline.stages() > 1 => {
                let cause = format!("{} stages of a combinational kernel", pipeline.stages());
                return Err(Error::internal(format_args!("kernel `{name}`"), cause));
            }
            // The register behind the last stage, which is a FIFO's memory where there is one.
            Style::Pipelined(_) => {
                let behind = Stage(pipeline.stages());
                pipeline.leaves.fill(behind);
            }
            Style::Combinational | Style::Stream(_) => {}
        }
        let (name, matrix, graph) = (name.into(), matrix.clone(), graph.clone());
        Ok(Kernel { name, matrix, graph, circuit, pipeline, style })
    }

    /// Clocks from x to y: 0 of a combinational kernel. Of one with streams, from the acceptance of
    /// a vector to its result being valid.
    pub fn latency(&self) -> u32 {
        match self.style {
            Style::Combinational => 0,
            Style::Pipelined(_) => self.pipeline.stages() - 1,
            Style::Stream(_) => self.pipeline.stages(),
        }
    }

    /// What stands around the pipeline of a kernel with streams.
    pub fn segment(&self) -> Segment {
        let stages = self.pipeline.stages();
        let mut segment =
            Segment { layers: 0..=0, registered: false, stages, depth: 0, interval: 1 };
        segment.depth = segment.full_rate();
        segment
    }

    /// x·W in exact integers, from the matrix alone; `x` has an element within the input's format
    /// for each input.
    pub fn product(&self, x: &[i64]) -> Vec<i64> {
        let of = |row: ArrayView1<i32>| row.iter().zip(x).map(|(&w, x)| i64::from(w) * x).sum();
        self.matrix.outer_iter().map(of).collect()
    }

    /// The vectors that drive each output to its least and to its greatest value.
    pub fn ends(&self) -> impl Iterator<Item = Vec<i64>> {
        let (lo, hi) = (self.circuit.input_format.min(), self.circuit.input_format.max());
        self.matrix.outer_iter().flat_map(move |row| {
            [false, true]
                .map(|up| row.iter().map(|&w| if (w > 0) == up { hi } else { lo }).collect())
        })
    }
}

/// Fails where a sum of this magnitude may not fit.
fn check_reach(name: &str, reach: u128) -> Result<()> {
    let bits = 129 - reach.leading_zeros();
    if bits <= MOST_BITS {
        return Ok(());
    }
    let cause = format!("a sum takes up to {bits} bits, and {MOST_BITS} are the most");
    Err(Error::input(format_args!("matrix `{name}`"), cause)
        .help("give fewer --input-bits, or a matrix of smaller elements"))
}

/// The largest magnitude of an input.
fn magnitude(input: Format) -> u128 {
    input.max().unsigned_abs().max(input.min().unsigned_abs()).into()
}

/// Fails where an output of matrix `name` may not fit 63 bits, so that a long search need not
/// begin.
///
/// # Errors
/// [`Kind::Input`](strassenc_runtime::Kind::Input).
pub fn check_fits(name: &str, matrix: &Matrix, input: Format) -> Result<()> {
    let term = |w: &i32| u128::from(w.unsigned_abs()) * magnitude(input);
    let rows = matrix.outer_iter().map(|row| row.iter().map(term).sum());
    check_reach(name, rows.max().unwrap_or(0))
}

/// As [`check_fits`] for the sums of a graph on the way to the outputs.
fn check_sums(name: &str, graph: &AdderGraph, input: Format) -> Result<()> {
    let mut reaches: Vec<u128> = vec![];
    for node in &graph.nodes {
        let term = |t: &adder_graph::Term| {
            reaches[t.node.index()].saturating_mul(1u128.checked_shl(t.shift).unwrap_or(u128::MAX))
        };
        reaches.push(match node {
            Node::Input(_) => magnitude(input),
            Node::Add(terms) => terms.iter().map(term).fold(0, u128::saturating_add),
        });
    }
    check_reach(name, reaches.into_iter().max().unwrap_or(0))
}

/// A matrix of which every sum fits as a chain of one linear operation, whose outputs have no
/// constants.
pub fn chain(name: &str, matrix: &Matrix, input: Format) -> Chain {
    let value =
        |intervals: Vec<Interval>| Value { indices: (0..intervals.len()).collect(), intervals };
    let x = Interval::new(input.min(), input.max());
    let sum = |row: ArrayView1<i32>| {
        let terms = row.iter().map(|&w| x.times(Interval::point(w.into())));
        terms.fold(Interval::point(0), |sum, term| sum + term)
    };
    let y: Vec<Interval> = matrix.outer_iter().map(sum).collect();
    let all = y.iter().copied().reduce(Interval::hull).unwrap_or(Interval::point(0));
    let op = |kind: OpKind| ir::Op { kind, result: value(y.clone()) };
    Chain {
        name: name.into(),
        budget: 0,
        input,
        output: Format { signed: all.signed(), bits: all.bits(), frac: 0 },
        loaded: None,
        x: value(vec![x; matrix.ncols()]),
        ops: vec![
            op(OpKind::Linear { role: Role::W, matrix: matrix.clone() }),
            op(OpKind::Offset { constants: vec![0; y.len()] }),
        ],
    }
}

/// `report.json`: what a kernel is and what it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the record's form: [`SCHEMA`].
    pub schema: u32,
    /// [`TOOL`] of the version that wrote it.
    pub tool: String,
    /// The matrix's name.
    pub matrix: String,
    /// SHA-256 of the file that it was read from.
    pub matrix_sha256: String,
    /// What was asked for, as on a command line.
    pub options: String,
    /// The top module.
    pub top: String,
    /// Its ports in order.
    pub ports: Vec<Port>,
    /// The vectors that enter. On `s_data` each element is exactly as wide as its format, element 0
    /// in the low bits; on `s_axis_tdata` it is extended to whole bytes.
    pub input: Vector,
    /// The vectors that leave, likewise on `m_data` or `m_axis_tdata`: all elements are as wide as
    /// the widest.
    pub output: Vector,
    /// The bits that each output takes of its element, the others being its sign or 0.
    pub output_bits: Vec<u32>,
    /// Clocks from a vector to its result; a vector may enter at each clock.
    pub latency: u32,
    /// The clock in MHz that was asked for.
    pub clock_mhz: Option<f64>,
    /// Additions of the adder graph.
    pub adders: usize,
    /// Outputs that are negated behind their sums, each of which takes a carry chain more.
    pub negations: usize,
    /// Additions on the longest path, negations included.
    pub depth: u32,
    /// Σ over the additions of the width of the result.
    pub lut_bits: u64,
    /// What LUTs are estimated for.
    pub device: Device,
    /// Estimated LUTs, with what stands around a kernel with streams.
    pub luts: u64,
    /// Estimated flip-flops, likewise.
    pub flip_flops: u64,
    /// The testbench module; the script of its name, `.sh`, compiles and runs it.
    pub testbench: String,
    /// Vectors of the testbench.
    pub vectors: usize,
    /// Verilog files in the order tools want them, the testbench excluded; as in `files.f`.
    pub verilog: Vec<String>,
    /// SHA-256 of every other file, by name.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of this file with nothing in the place of these digits.
    pub sha256: String,
}

impl Record {
    fn to_json(&self) -> String {
        // Plain data with string keys always serialises.
        serde_json::to_string_pretty(self).expect("a record is plain data") + "\n"
    }
}

impl<'a> From<&'a Record> for Design<'a> {
    fn from(record: &'a Record) -> Self {
        let Record { top, ports, verilog, .. } = record;
        Design { top, ports, files: verilog, memories: &[], layers: vec![] }
    }
}

impl Options {
    /// What is asked of project files.
    pub fn project(&self) -> project::Asked<'_> {
        project::Asked {
            projects: self.projects.as_deref(),
            kernel: true,
            device: self.device,
            mhz: self.clock_mhz.unwrap_or(CLOCK),
            must_reach: self.clock_mhz.is_some(),
        }
    }
}

/// Whether `folder` is meant to be a kernel's: it holds a record, sound or not.
pub fn is_kernel(folder: &Path) -> bool {
    folder.join(RECORD).exists()
}

/// The record of a kernel's folder, of which every file is as it was written.
///
/// # Errors
/// Where a file is missing, damaged or changed, or another version wrote it; the error names it.
pub fn open(folder: &Path) -> Result<Record> {
    let path = folder.join(RECORD);
    let again = |place: &Path, cause: &str| {
        Error::input(place.display(), cause)
            .help("write the kernel into another folder with `strassenc matrix W.npy -o KERNEL`")
    };
    let text = files::read_text(&path)?;
    let record: Record = serde_json::from_str(&text).map_err(|e| {
        again(&path, &format!("is not the record of a kernel: {}", wording::of_json(&e)))
    })?;
    if record.schema != SCHEMA || !folder::is_sealed(&text, &record.sha256) {
        return Err(again(&path, "is not as this version writes it: damaged or changed"));
    }
    for (name, hash) in &record.files {
        let path = folder.join(name);
        if files::sha256(&files::read(&path)?) != *hash {
            return Err(again(&path, "is not as it was written: damaged or changed"));
        }
    }
    Ok(record)
}

/// The files of a kernel, and its record, which is one of them.
///
/// # Errors
/// Where a template or a name fails: a bug of ours.
pub fn contents(kernel: &Kernel, options: &Options) -> Result<(Record, Vec<emit::File>)> {
    let emit::EmittedKernel { signature, vectors, mut files } = emit::emit_kernel(kernel, options)?;
    files.extend(project::files(&signature, options.project())?);
    let Signature { top, testbench, ports, files: verilog, .. } = signature;
    let Kernel { circuit, graph, .. } = kernel;
    let format = circuit.input_format;
    let x = vec![Interval::new(format.min(), format.max()); graph.inputs];
    let negated = |op: &Op| matches!(op, Op::Offset { .. }) && !op.is_wires();
    let device = options.device.unwrap_or(DEVICES[0]);
    let taken = figures::of_kernel(kernel, device.family);
    let projects = options.projects.as_ref().map(|kinds| project::told(kinds));
    let record = Record {
        schema: SCHEMA,
        tool: TOOL.into(),
        matrix: kernel.name.clone(),
        matrix_sha256: options.sha256.clone(),
        options: options.command.clone() + &projects.unwrap_or_default(),
        top,
        ports,
        input: Vector { elements: circuit.inputs.len(), format },
        output: Vector { elements: circuit.outputs.len(), format: circuit.output_format },
        output_bits: circuit.outputs.iter().map(|&id| circuit.node(id).width).collect(),
        latency: kernel.latency(),
        clock_mhz: options.clock_mhz,
        adders: graph.adders(),
        negations: circuit.count(negated),
        depth: figures::depth(circuit),
        lut_bits: graph.lut_bits(&x),
        device,
        luts: taken.luts,
        flip_flops: taken.flip_flops,
        testbench,
        vectors,
        verilog,
        files: files.iter().map(|f| (f.path.clone(), files::sha256(f.text.as_bytes()))).collect(),
        sha256: String::new(),
    };
    let sha256 = files::sha256(record.to_json().as_bytes());
    let record = Record { sha256, ..record };
    files.push(emit::File { path: RECORD.into(), text: record.to_json() });
    Ok((record, files))
}

/// Writes the folder of a kernel, atomically. One that is there is replaced where every file of it
/// is as it was written, or, with [`Edits::Overwrite`], as it was named.
///
/// # Errors
/// As [`contents`] and [`check_replaceable`]; what was there is untouched then.
pub fn write(folder: &Path, kernel: &Kernel, options: &Options, edits: Edits) -> Result<Record> {
    check_replaceable(folder, edits)?;
    let (record, contents) = contents(kernel, options)?;
    let named = contents.iter().map(|file| (file.path.as_str(), file.text.as_bytes()));
    let read_back = |new: &Path| match open(new)? == record {
        true => Ok(()),
        false => Err(Error::internal("kernel", "its record is read back as another")),
    };
    files::write_folder(folder, named, read_back, |_| check_replaceable(folder, edits))?;
    Ok(record)
}

/// Fails where [`write()`] could not write or would not replace what is at `folder`, so that a long
/// search need not begin.
///
/// # Errors
/// [`Kind::Io`](strassenc_runtime::Kind::Io) where `folder` holds anything that strassenc did not
/// write, or cannot be written.
pub fn check_replaceable(folder: &Path, edits: Edits) -> Result<()> {
    folder::check_replaceable(folder, RECORD, edits, &[])
}
