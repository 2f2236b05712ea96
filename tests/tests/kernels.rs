//! Kernels, y = x·W alone: their Verilog computes the product, when it says it does, and whatever
//! is wrong in a circuit is refused.

use ndarray::{Array2, arr2};
use proptest::prelude::*;
use proptest::sample::Index;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::process::Command;
use strassenc::adder_graph::{self, Matrix, Operands};
use strassenc::circuit::{self, Circuit, Op};
use strassenc::device::DEVICES;
use strassenc::emit::{self, EmittedKernel};
use strassenc::kernel::{self, Kernel, Options, Style};
use strassenc::schedule::{self, Limit};
use strassenc::synth::synthesise;
use strassenc::tools::Component;
use strassenc_runtime::{Format, Kind};
use strassenc_tests::{property, tools, verilators};
use strassenc_verilator::{Alone, Design, Simulator, Toolchain};

/// `[n_out, n_in]`, entries of a few digits or only signs, with rows and columns of zeros at times.
fn matrix(rng: &mut impl Rng) -> Matrix {
    let shape = (rng.random_range(1..=8), rng.random_range(1..=8));
    let most = [1, 1, 3, 100][rng.random_range(0..4)];
    let mut matrix = Array2::from_shape_fn(shape, |_| {
        if rng.random_bool(0.3) { 0 } else { rng.random_range(-most..=most) }
    });
    if rng.random_bool(0.3) {
        matrix.row_mut(0).fill(0);
    }
    if rng.random_bool(0.3) {
        matrix.column_mut(0).fill(0);
    }
    matrix
}

fn graph(matrix: &Matrix, operands: Operands) -> adder_graph::AdderGraph {
    adder_graph::share(matrix, &adder_graph::Options { operands, ..Default::default() }).graph
}

fn options(kernel: &Kernel, clock_enable: bool) -> Options {
    Options {
        input: kernel.circuit.input_format,
        style: kernel.style,
        clock_enable,
        device: None,
        projects: None,
        seed: 0,
        clock_mhz: None,
        sha256: String::new(),
        command: String::new(),
    }
}

/// A kernel without streams, with what enters it and has to leave.
struct Case {
    kernel: Kernel,
    emitted: EmittedKernel,
    clken: bool,
    inputs: Vec<Vec<i64>>,
    outputs: Vec<Vec<i64>>,
}

impl Case {
    fn new(number: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let (matrix, bits) = (matrix(&mut rng), rng.random_range(1..=12));
        let input = Format { signed: rng.random_bool(0.5), bits, frac: 0 };
        let operands = if rng.random_bool(0.5) { Operands::Two } else { Operands::Three };
        let device = DEVICES.into_iter().find(|device| device.name == "hx8k").unwrap();
        let style = match number % 4 {
            0 => Style::Combinational,
            1 => Style::Pipelined(Limit::Adders(1)),
            2 => Style::Pipelined(Limit::Adders(3)),
            _ => Style::Pipelined(Limit::Clock { device, period_ps: 9_000 }),
        };
        let clken = style != Style::Combinational && rng.random_bool(0.5);
        let graph = graph(&matrix, operands);
        let kernel = Kernel::new(&format!("k{number}"), &matrix, &graph, input, style).unwrap();
        let emitted = emit::emit_kernel(&kernel, &options(&kernel, clken)).unwrap();
        let mut inputs: Vec<Vec<i64>> = kernel.ends().collect();
        let random = |_| {
            let element = |_| rng.random_range(input.min()..=input.max());
            (0..matrix.ncols()).map(element).collect()
        };
        inputs.extend((0..60).map(random));
        let product = |x: &Vec<i64>| -> Vec<i64> {
            let sum = |c: usize| (0..x.len()).map(|j| i64::from(matrix[[c, j]]) * x[j]).sum();
            (0..matrix.nrows()).map(sum).collect()
        };
        let outputs = inputs.iter().map(product).collect();
        Case { kernel, emitted, clken, inputs, outputs }
    }

    /// The ports of the kernel as those of a module that holds them all.
    fn ports(&self) -> [(String, u32); 2] {
        let name = &self.kernel.name;
        let bits = |port: &str| {
            self.emitted.signature.ports.iter().find(|p| p.name == port).map(|p| p.bits).unwrap()
        };
        [(format!("s_{name}"), bits("s_data")), (format!("m_{name}"), bits("m_data"))]
    }

    fn instance(&self) -> String {
        let [(s, _), (m, _)] = self.ports();
        let connected = |port: &strassenc::emit::signature::Port| {
            let to = match port.name.as_str() {
                "s_data" => &s,
                "m_data" => &m,
                other => other,
            };
            format!(".{}({to})", port.name)
        };
        let ports: Vec<String> = self.emitted.signature.ports.iter().map(connected).collect();
        format!("{0} u_{0} ({1});\n", self.emitted.signature.top, ports.join(", "))
    }
}

/// The elements side by side, each so wide, element 0 in the low bits.
fn packed(vector: &[i64], bits: u32) -> Vec<u8> {
    let bit = |i: usize| (vector[i / bits as usize] >> (i % bits as usize) & 1) as u8;
    let mut bytes = vec![0; (vector.len() * bits as usize).div_ceil(8)];
    (0..vector.len() * bits as usize).for_each(|i| bytes[i / 8] |= bit(i) << (i % 8));
    bytes
}

/// Many kernels in one module, since that is compiled once.
#[test]
fn verilog_is_the_product_after_its_latency() {
    let cases: Vec<Case> = (0..32).map(Case::new).collect();
    let mut text = "module all (input wire clk, input wire clken".to_string();
    for [(s, s_bits), (m, m_bits)] in cases.iter().map(Case::ports) {
        text += &format!(", input wire [{}:0] {s}, output wire [{}:0] {m}", s_bits - 1, m_bits - 1);
    }
    text += ");\n";
    cases.iter().for_each(|case| text += &case.instance());
    text += "endmodule\n";
    let mut files = vec![("all.v".to_string(), text)];
    for file in cases.iter().flat_map(|case| &case.emitted.files) {
        let is_core = file.path.ends_with(".v") && !file.path.ends_with("_tb.v");
        if is_core && files.iter().all(|(path, _)| *path != file.path) {
            files.push((file.path.clone(), file.text.clone()));
        }
    }
    let named = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let tools = tools();
    let toolchain =
        Toolchain { verilator: tools.verilator_or_install().unwrap(), cxx: tools.cxx().unwrap() };
    let cache = tools.home().join("cache");
    let simulator =
        Simulator::build(&Design::of("all", named), false, &toolchain, cache, &Alone).unwrap();
    let mut model = simulator.model(1, None).unwrap();
    let (clk, clken) = (simulator.input("clk").unwrap(), simulator.input("clken").unwrap());
    let ports: Vec<_> = cases
        .iter()
        .map(|case| {
            let [(s, _), (m, _)] = case.ports();
            (simulator.input(&s).unwrap(), simulator.output(&m).unwrap())
        })
        .collect();
    let mut clocks = vec![0; cases.len()];
    let mut compared = 0;
    for step in 0..200 {
        let runs = step % 3 != 1;
        model.set(clken, runs.into());
        for ((case, (s, _)), &clock) in cases.iter().zip(&ports).zip(&clocks) {
            let format = case.kernel.circuit.input_format;
            let x = case.inputs.get(clock).map(|x| packed(x, format.bits));
            model.set_bytes(*s, &x.unwrap_or(vec![0]));
        }
        model.eval().unwrap();
        for ((case, (_, m)), clock) in cases.iter().zip(&ports).zip(&mut clocks) {
            let due = clock.checked_sub(case.kernel.latency() as usize);
            if let Some(y) = due.and_then(|due| case.outputs.get(due)) {
                let wanted = packed(y, case.kernel.circuit.output_format.bits);
                assert_eq!(model.get_bytes(*m)[..wanted.len()], wanted, "{}", case.kernel.name);
                compared += 1;
            }
            *clock += usize::from(runs || !case.clken);
        }
        model.tick(clk).unwrap();
    }
    let all: usize = cases.iter().map(|case| case.inputs.len()).sum();
    assert!(compared >= all, "{compared} of {all}");
    let widest = cases.iter().map(|case| case.ports()[1].1).max();
    assert!(widest > Some(64), "words of more than 64 bits are among them");
}

#[test]
fn verilog_of_every_style_is_free_of_warnings() {
    for number in 0..12 {
        let case = Case::new(number);
        let styles = [case.kernel.style, Style::Stream(Limit::Adders(1 + number as u32 % 2))];
        for style in styles {
            let Kernel { name, matrix, graph, circuit, .. } = &case.kernel;
            let kernel = Kernel::new(name, matrix, graph, circuit.input_format, style).unwrap();
            let emitted = emit::emit_kernel(&kernel, &options(&kernel, case.clken)).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for file in &emitted.files {
                std::fs::write(folder.path().join(&file.path), &file.text).unwrap();
            }
            for tools in verilators() {
                let mut lint: Command = tools.verilator().unwrap().command();
                lint.current_dir(&folder).args(["--lint-only", "--timing", "-Wall"]);
                lint.args(["--top-module", &emitted.signature.testbench, "-f", "files.f"]);
                tools.run_ok(lint.arg(format!("{}.v", emitted.signature.testbench))).unwrap();
            }
        }
    }
}

#[test]
fn yosys_finds_the_registers_that_the_report_says() {
    let matrix = arr2(&[[1, 1, -1, 1, 0], [3, 0, 2, -7, 1], [0, 1, 1, -1, 1], [1, 1, 0, 0, 1]]);
    let input = Format { signed: true, bits: 6, frac: 0 };
    let graph = graph(&matrix, Operands::Three);
    let tools = tools();
    tools.install(Component::named("yosys").unwrap()).unwrap();
    for style in [Style::Pipelined(Limit::Adders(1)), Style::Stream(Limit::Adders(1))] {
        let kernel = Kernel::new("w", &matrix, &graph, input, style).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("kernel");
        let record =
            kernel::write(&folder, &kernel, &options(&kernel, false), Default::default()).unwrap();
        let cells = synthesise(&folder, &record, DEVICES[0], &tools).unwrap().total;
        let near = |found: u64, of: u64| 10 * found.abs_diff(of) <= of;
        let told = (record.flip_flops, record.luts);
        assert!(near(told.0, cells.flip_flops), "{style:?}: {told:?} for {cells:?}");
        assert!(near(told.1, cells.luts), "{style:?}: {told:?} for {cells:?}");
    }
}

#[test]
fn what_does_not_fit_and_what_is_no_matrix_is_refused() {
    let input = Format { signed: false, bits: 32, frac: 0 };
    let refused = |matrix: &Matrix| {
        let graph = graph(matrix, Operands::Two);
        let e = Kernel::new("w", matrix, &graph, input, Style::Combinational).unwrap_err();
        (e.kind(), e.to_string())
    };
    for (matrix, told) in [
        (Array2::from_elem((2, 3), i32::MAX), "a sum takes up to 66 bits, and 63 are the most"),
        (Array2::zeros((0, 3)), "has 3 inputs and 0 outputs"),
        (Array2::zeros((2, 0)), "has 0 inputs and 2 outputs"),
    ] {
        let (kind, cause) = refused(&matrix);
        assert!(kind == Kind::Input && cause.contains(told), "{cause}");
    }
    // The graph of another matrix.
    let (a, b) = (Array2::from_elem((1, 2), 1), Array2::from_elem((1, 2), -1));
    let graph = graph(&a, Operands::Two);
    let e = Kernel::new("w", &b, &graph, input, Style::Combinational).unwrap_err();
    assert_eq!(e.kind(), Kind::Mismatch);
}

/// Changes a term of an addition: its sign, its shift or what it reads.
fn inject(circuit: &mut Circuit, place: Index, change: u32) -> bool {
    let sums: Vec<usize> =
        (0..circuit.nodes.len()).filter(|&i| matches!(circuit.nodes[i].op, Op::Add(_))).collect();
    if sums.is_empty() {
        return false;
    }
    let i = *place.get(&sums);
    let Op::Add(terms) = &mut circuit.nodes[i].op else { return false };
    let term = terms.last_mut().unwrap();
    match change {
        0 => term.negate ^= true,
        1 => term.shift += 1,
        _ => {
            let other = circuit::NodeId(place.index(i) as u32);
            if other == term.node {
                return false;
            }
            term.node = other;
        }
    }
    true
}

proptest! {
    #![proptest_config(property(600, 12))]

    #[test]
    fn circuits_are_products_and_what_is_not_is_refused(
        seed in 0u64..1 << 40,
        place: Index,
        change in 0u32..3,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (matrix, bits) = (matrix(&mut rng), rng.random_range(1..=12));
        let input = Format { signed: rng.random_bool(0.5), bits, frac: 0 };
        let operands = if rng.random_bool(0.5) { Operands::Two } else { Operands::Three };
        let graph = graph(&matrix, operands);
        let style = Style::Pipelined(Limit::Adders(1));
        let kernel = Kernel::new("w", &matrix, &graph, input, style).unwrap();
        let inputs: Vec<Vec<i64>> = kernel.ends().collect();
        let outputs: Vec<Vec<i64>> = inputs.iter().map(|x| kernel.product(x)).collect();
        prop_assert_eq!(schedule::simulate(&kernel.circuit, &kernel.pipeline, &inputs), outputs);
        // No output needs a bit more or less than its ends do.
        for (c, id) in kernel.circuit.outputs.iter().enumerate() {
            let ends = [2 * c, 2 * c + 1].map(|i| kernel.product(&inputs[i])[c]);
            let interval = kernel.circuit.node(*id).interval;
            prop_assert_eq!((interval.lo, interval.hi), (ends[0], ends[1]));
        }

        let mut broken = kernel.circuit.clone();
        prop_assume!(inject(&mut broken, place, change));
        let accepted = circuit::verify(&broken).is_ok()
            && circuit::prove(&broken, &kernel::chain("w", &matrix, input)).is_ok();
        prop_assert!(!accepted);
    }
}
