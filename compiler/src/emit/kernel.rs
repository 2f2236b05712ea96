//! A kernel: a pipeline as the top module, or one between two AXI4-Streams.

use super::core::{Block, Instance, Module, Port as Declared, Wire, of_circuit, primitives};
use super::layer::{Clock, Writer, count};
use super::names::{self, Modules};
use super::provenance::Provenance;
use super::signature::{
    Beat, Direction, Frames, INPUT, Layer, OUTPUT, Port, SCHEMA, Signature, Stream, Vector,
};
use super::testbench::{self, Vectors};
use super::{FILE_LIST, File, TOOL, axi, file};
use crate::kernel::{Kernel, Options, Style};
use crate::stream::primitive::Segment;
use askama::Template;
use std::collections::BTreeSet;
use strassenc_runtime::Result;

/// Random vectors beside the corners.
const RANDOM: usize = 100;

/// A kernel as text.
#[derive(Clone, Debug)]
pub struct EmittedKernel {
    /// What it promises as a core: its modules, ports and files; without streams, their beats are
    /// those that it would have with them.
    pub signature: Signature,
    /// Vectors of the testbench.
    pub vectors: usize,
    /// All files.
    pub files: Vec<File>,
}

/// The files of a kernel: its Verilog, the list of that, the testbench with its vectors and script.
pub(super) fn emit(kernel: &Kernel, options: &Options) -> Result<EmittedKernel> {
    names::unhidden(|avoid| emit_named(kernel, options, avoid), |emitted| &emitted.files)
}

fn emit_named(
    kernel: &Kernel,
    options: &Options,
    avoid: &BTreeSet<String>,
) -> Result<EmittedKernel> {
    let provenance = Provenance {
        tool: TOOL.into(),
        of: ["matrix", "array"],
        model: kernel.name.clone(),
        model_sha256: options.sha256.clone(),
        options: options.command.clone(),
    };
    let mut modules = Modules::new(avoid);
    let top = modules.take(kernel.name.clone(), "kernel");
    let names = Names {
        pipeline: match kernel.style {
            Style::Stream(_) => modules.take(format!("{top}_pipeline"), "part"),
            Style::Combinational | Style::Pipelined(_) => top.clone(),
        },
        testbench: modules.take(format!("{top}_tb"), "testbench"),
        top,
    };
    let clock = match (kernel.style, options.clock_enable) {
        (Style::Combinational, _) => Clock::None,
        (_, true) => Clock::Enabled,
        (_, false) => Clock::Free,
    };
    let (circuit, pipeline) = (&kernel.circuit, &kernel.pipeline);
    let what = match kernel.latency() {
        0 => "the combinational kernel y = x*W".to_string(),
        1 => "the kernel y = x*W, a clock long,".to_string(),
        n => format!("the kernel y = x*W, {n} clocks long,"),
    };
    let mut used: Vec<&str> = of_circuit(circuit).collect();
    if let Style::Stream(_) = kernel.style {
        used.extend(["strassenc_segment", "strassenc_fifo"]);
    }
    let mut files = primitives(&used);
    let text = Writer::new(circuit, pipeline).emit(&names.pipeline, &what, clock, &provenance)?;
    files.push(File { path: file(&names.pipeline), text });

    let vectors = vectors(kernel, options.seed);
    let [input, output] = [
        (circuit.inputs.len(), circuit.input_format),
        (circuit.outputs.len(), circuit.output_format),
    ]
    .map(|(elements, format)| Vector { elements, format });
    let mut signature = signature(kernel, &names, clock, [input, output], &provenance)?;
    let more = if let Style::Stream(_) = kernel.style {
        let module = stream(kernel, &names, clock, &signature, &what, &provenance);
        files.push(File { path: file(&names.top), text: module.text(&names.top)? });
        let clken = clock == Clock::Enabled;
        testbench::emit(&vectors, &signature, clken, &provenance)?
    } else {
        signature.ports = plain_ports(clock, [input, output]);
        plain_testbench(kernel, &names, clock, &vectors, &provenance)?
    };
    signature.files = files.iter().map(|file| file.path.clone()).collect();
    files.extend(more);
    files.push(File { path: FILE_LIST.into(), text: signature.files.join("\n") + "\n" });
    Ok(EmittedKernel { signature, vectors: vectors.inputs.len(), files })
}

/// Names of modules.
struct Names {
    top: String,
    pipeline: String,
    testbench: String,
}

/// Corners, both ends of each output, and random vectors, with x·W.
fn vectors(kernel: &Kernel, seed: u64) -> Vectors {
    let (n, format) = (kernel.circuit.inputs.len(), kernel.circuit.input_format);
    let most = testbench::most(n);
    let mut inputs = testbench::corners(n, format);
    inputs.extend(kernel.ends().take(most / 2));
    inputs.extend(testbench::random(n, format, RANDOM, seed));
    inputs.truncate(most);
    let outputs = inputs.iter().map(|x| kernel.product(x)).collect();
    Vectors { inputs, outputs }
}

/// Bits of a whole vector, each element exactly as wide as its format.
fn bits(vector: &Vector) -> u32 {
    vector.elements as u32 * vector.format.bits
}

fn plain_ports(clock: Clock, [input, output]: [Vector; 2]) -> Vec<Port> {
    let port = |name: &str, direction, bits| Port { name: name.into(), direction, bits };
    let mut ports = vec![];
    if clock != Clock::None {
        ports.push(port("clk", Direction::Input, 1));
    }
    if clock == Clock::Enabled {
        ports.push(port("clken", Direction::Input, 1));
    }
    ports.push(port("s_data", Direction::Input, bits(&input)));
    ports.push(port("m_data", Direction::Output, bits(&output)));
    ports
}

/// What the core with streams promises: that of a vector in a beat, counted in beats.
fn signature(
    kernel: &Kernel,
    names: &Names,
    clock: Clock,
    [input, output]: [Vector; 2],
    provenance: &Provenance,
) -> Result<Signature> {
    let whole = |vector: Vector| Stream::new(vector, Beat::Elements(vector.elements));
    let (s, m) = (whole(input)?, whole(output)?);
    Ok(Signature {
        schema: SCHEMA,
        tool: provenance.tool.clone(),
        model: provenance.model.clone(),
        model_sha256: provenance.model_sha256.clone(),
        top: names.top.clone(),
        ports: axi::ports(&[(INPUT, &s)], &[(OUTPUT, &m)], Frames::Count, clock == Clock::Enabled),
        frames: Frames::Count,
        input: s,
        output: m,
        decision: None,
        inputs: vec![],
        heads: vec![],
        latency: kernel.latency().into(),
        ii: 1,
        warm_up: 0,
        whole_frames: false,
        recurrent: false,
        numbers: None,
        control: None,
        layers: vec![Layer {
            name: kernel.name.clone(),
            module: names.pipeline.clone(),
            kernel: Some(names.pipeline.clone()),
            multipliers: 0,
            latency: kernel.latency(),
            input,
            output,
        }],
        testbench: names.testbench.clone(),
        files: vec![],
        memories: vec![],
    })
}

/// The pipeline between two streams.
fn stream<'a>(
    kernel: &Kernel,
    names: &'a Names,
    clock: Clock,
    signature: &Signature,
    what: &str,
    provenance: &Provenance,
) -> Module<'a> {
    let [Layer { input, output, .. }] = &signature.layers[..] else { unreachable!("one layer") };
    let Segment { stages, depth, .. } = kernel.segment();
    let enabled = clock == Clock::Enabled;
    let vector =
        |name: &str, bits: u32| Wire { name: name.into(), bits: bits as usize, vector: true };
    let pipeline = Instance {
        module: names.pipeline.clone(),
        name: format!("u_pipeline_{}", kernel.name),
        parameters: String::new(),
        ports: vec![
            format!(".clk(aclk),{}", if enabled { " .clken(aclken)," } else { "" })
                + " .s_data(s_data), .m_data(result)",
        ],
    };
    let segment = Instance {
        module: "strassenc_segment".into(),
        name: "u_segment".into(),
        parameters: format!(".STAGES({stages}), .BITS({}), .DEPTH({depth})", bits(output)),
        ports: vec![
            format!(".clk(aclk), .clken({}), .rst(rst)", if enabled { "aclken" } else { "1'b1" }),
            ".s_valid(s_axis_tvalid), .s_ready(s_ready), .s_user(s_axis_tuser)".into(),
            ".result(result)".into(),
            ".m_valid(m_axis_tvalid), .m_ready(m_axis_tready), .m_data(m_data), \
             .m_user(m_axis_tuser)"
                .into(),
        ],
    };
    let mut before = vec!["wire rst = !aresetn;".to_string()];
    before.push(format!("wire [{}:0] s_data;", bits(input) - 1));
    before.extend(axi::lanes_in(INPUT, &signature.input, "s_data"));
    let mut after =
        vec!["assign s_axis_tready = s_ready;".to_string(), "assign m_axis_tlast  = 1'b1;".into()];
    after.extend(axi::lanes_out(OUTPUT, &signature.output, "m_data"));
    Module {
        header: provenance.header(&names.top, &format!("{what} between AXI4-Streams,")),
        summary: vec!["A vector is a beat, and may come each clock.".into()],
        module: &names.top,
        ports: axi::declarations(signature)
            .into_iter()
            .map(|(text, comment)| Declared { text, comment })
            .collect(),
        before,
        blocks: vec![
            Block {
                banner: format!("A free-running pipeline of {}", count(stages, "stage")),
                wires: vec![vector("result", bits(output))],
                registers: vec![],
                instances: vec![pipeline],
            },
            Block {
                banner: format!("Credits before it, a FIFO behind it: {depth} vectors at most"),
                wires: vec![
                    Wire { name: "s_ready".into(), bits: 1, vector: false },
                    vector("m_data", bits(output)),
                ],
                registers: vec![],
                instances: vec![segment],
            },
        ],
        after,
    }
}

#[derive(Template)]
#[template(path = "kernel_testbench.v")]
struct Testbench<'a> {
    header: String,
    module: &'a str,
    top: &'a str,
    clocked: bool,
    clken: bool,
    input_bits: u32,
    output_bits: u32,
    latency: u32,
    vectors: usize,
    input_file: &'a str,
    output_file: &'a str,
}

/// The testbench of a kernel without streams.
fn plain_testbench(
    kernel: &Kernel,
    names: &Names,
    clock: Clock,
    vectors: &Vectors,
    provenance: &Provenance,
) -> Result<Vec<File>> {
    let circuit = &kernel.circuit;
    let (input, output) = (circuit.input_format.bits, circuit.output_format.bits);
    let module = &names.testbench;
    let files = testbench::Files::of(module);
    let testbench = Testbench {
        header: provenance.header(module, "a self-checking testbench"),
        module,
        top: &names.top,
        clocked: clock != Clock::None,
        clken: clock == Clock::Enabled,
        input_bits: circuit.inputs.len() as u32 * input,
        output_bits: circuit.outputs.len() as u32 * output,
        latency: kernel.latency(),
        vectors: vectors.inputs.len(),
        input_file: &files.input,
        output_file: &files.output,
    };
    let lines = [packed(&vectors.inputs, input), packed(&vectors.outputs, output)];
    files.with(&testbench, lines, provenance)
}

/// One vector a line, in hexadecimal digits: the last element first, each exactly so wide.
fn packed(vectors: &[Vec<i64>], bits: u32) -> String {
    let bits = bits as usize;
    let mut text = String::new();
    for vector in vectors {
        let bit = |i: usize| vector.get(i / bits).map_or(0, |v| v >> (i % bits) & 1);
        let digit = |d: usize| (0..4).map(|k| bit(4 * d + k) << k).sum::<i64>();
        for d in (0..(vector.len() * bits).div_ceil(4)).rev() {
            text += &format!("{:x}", digit(d));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_packed_from_the_low_digits_up() {
        assert_eq!(packed(&[vec![1, -2, 3]], 4), "3e1\n");
        assert_eq!(packed(&[vec![1, -2, 3], vec![0, 0, -1]], 3), "0f1\n1c0\n");
        assert_eq!(packed(&[vec![-1, 0]], 1), "1\n");
    }
}
