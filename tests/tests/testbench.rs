//! The emitted testbench, run as its user runs it, by its script: it passes from any folder, and
//! whatever is wrong ends it with a word and a status, in Icarus Verilog, in the Verilator that
//! strassenc uses and in the one on the search path.

#![expect(clippy::print_stderr, reason = "a simulator that is missing is told")]

use ndarray::arr2;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::adder_graph;
use strassenc::build::{self, Build, Edits, Options};
use strassenc::emit::Signature;
use strassenc::engine::{Allowed, Target};
use strassenc::kernel::{self, Kernel, Record, Style};
use strassenc::schedule::Limit;
use strassenc::simulate::{self, Simulator, Sources};
use strassenc::tools::{Finished, Tools};
use strassenc_runtime::model::Layer;
use strassenc_runtime::{Format, Model, model_file};
use strassenc_tests::{
    described, image_model, inputs, large_table_model, sequence_answers, sequence_model, tools,
};

/// How a script is told to use one simulator.
struct Simulation {
    name: &'static str,
    /// The script's first argument.
    with: &'static str,
    environment: BTreeMap<&'static str, String>,
}

/// Every simulator of this machine.
fn simulators(tools: &Tools) -> Vec<Simulation> {
    let ours = tools.verilator_or_install().unwrap();
    let mut list =
        vec![Simulation { name: "verilator", with: "verilator", environment: tools.environment() }];
    match tools.icarus() {
        Ok(_) => list.push(Simulation {
            name: "icarus",
            with: "icarus",
            environment: tools.environment(),
        }),
        Err(_) => eprintln!("skipped: no Icarus Verilog is installed"),
    }
    let on_path = Tools::new("/nowhere").verilator();
    match on_path {
        Ok(other) if other.program != ours.program => {
            list.push(Simulation {
                name: "verilator-on-the-path",
                with: "verilator",
                environment: BTreeMap::new(),
            });
        }
        Ok(_) => {}
        Err(_) => eprintln!("skipped: no Verilator is on the search path"),
    }
    // What runs for a second need not be optimised.
    for Simulation { environment, .. } in list.iter_mut().filter(|s| s.with == "verilator") {
        *environment.entry("VERILATOR").or_insert("verilator".into()) +=
            " -MAKEFLAGS OPT_FAST=-O0 -MAKEFLAGS OPT_SLOW=-O0 -MAKEFLAGS OPT_GLOBAL=-O0";
    }
    list
}

/// A build or a kernel in a temporary folder, with a place for what simulators make of it.
struct Bench {
    parent: tempfile::TempDir,
    folder: PathBuf,
    top: String,
    testbench: String,
    memories: Vec<String>,
    tools: Tools,
}

impl Bench {
    fn new(model: &Model, options: &Options) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("the build");
        let core = build::compile(model, options, &|_| {}, &|| false, &|| 0.0).unwrap();
        build::write(&folder, &core, options).unwrap();
        let Signature { top, testbench, memories, .. } = Build::open(&folder).unwrap().signature;
        Bench { parent, folder, top, testbench, memories, tools: tools() }
    }

    fn of_kernel(style: Style, clock_enable: bool) -> Self {
        let matrix = arr2(&[[1, 1, -1, 0], [3, 0, 2, -7], [0, 0, 0, 0]]);
        let graph = adder_graph::share(&matrix, &adder_graph::Options::default()).graph;
        let input = Format { signed: true, bits: 5, frac: 0 };
        let kernel = Kernel::new("w", &matrix, &graph, input, style).unwrap();
        let options = kernel::Options {
            input,
            style,
            clock_enable,
            device: None,
            projects: None,
            seed: 1,
            clock_mhz: None,
            sha256: String::new(),
            command: String::new(),
        };
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("the kernel");
        let Record { top, testbench, .. } =
            kernel::write(&folder, &kernel, &options, Edits::Keep).unwrap();
        Bench { parent, folder, top, testbench, memories: vec![], tools: tools() }
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}{suffix}", self.testbench))
    }

    fn run(&self, simulator: &Simulation, from: &Path, options: &[&str]) -> Finished {
        let mut command = Command::new("sh");
        command.current_dir(from).arg(self.path(".sh")).arg(simulator.with).args(options);
        command
            .envs(&simulator.environment)
            .env("OBJECTS", self.parent.path().join(simulator.name));
        self.tools.run(&mut command).unwrap()
    }

    fn passes(&self, simulator: &Simulation, from: &Path, options: &[&str], vectors: usize) {
        let run = self.run(simulator, from, options);
        let told = format!("PASS {}: {vectors} vectors", self.top);
        assert!(run.status.success() && run.stdout.contains(&told), "{}: {run:?}", simulator.name);
    }

    /// The testbench ends with another status than 0, and says so and why.
    fn fails(&self, simulator: &Simulation, options: &[&str], why: &str) {
        let run = self.run(simulator, self.parent.path(), options);
        let told = run.stdout.contains("FAIL ")
            && run.stdout.contains(why)
            && !run.stdout.contains("PASS");
        assert!(!run.status.success() && told, "{}, {options:?}, {why}: {run:?}", simulator.name);
    }

    /// Puts another text into a file of the build until `then` is done.
    fn with(&self, file: &Path, change: impl Fn(&str) -> String, then: impl Fn()) {
        let text = std::fs::read_to_string(file).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text, "{}", file.display());
        std::fs::write(file, changed).unwrap();
        then();
        std::fs::write(file, text).unwrap();
    }

    /// Everything that is asked of a testbench, with `old` in `file` as the adder that becomes a
    /// subtracter.
    fn proves_itself(&self, vectors: usize, (file, old, new): (&str, &str, &str)) {
        let (inputs, answers) = (self.path("_input.mem"), self.path("_output.mem"));
        let last = answers.metadata().unwrap().len() as usize - 1;
        for simulator in &simulators(&self.tools) {
            self.passes(simulator, &self.folder, &[], vectors);
            self.passes(simulator, self.parent.path(), &["+vectors=2"], 2);
            for number in ["0", "1000", "many"] {
                self.fails(simulator, &[&format!("+vectors={number}")], "N is 1 to ");
            }
            for file in [&inputs, &answers] {
                let name = file.file_name().unwrap().to_str().unwrap();
                self.with(
                    file,
                    |_| String::new(),
                    || self.fails(simulator, &[], &format!("{name}: line 1 is not")),
                );
                let elsewhere = file.with_extension("gone");
                std::fs::rename(file, &elsewhere).unwrap();
                self.fails(simulator, &[], &format!("{name} cannot be read"));
                std::fs::rename(&elsewhere, file).unwrap();
            }
            let unknown = |text: &str| text.replacen(text.lines().nth(1).unwrap(), "x", 1);
            let cut = |text: &str| text[..last].to_string();
            let longer = |text: &str| format!("{text}0\n");
            let wrong = |text: &str| {
                format!("{}{}", if text.starts_with('0') { '1' } else { '0' }, &text[1..])
            };
            self.with(&answers, unknown, || {
                self.fails(simulator, &[], "is not a beat of hexadecimal digits")
            });
            self.with(&answers, cut, || {
                self.fails(simulator, &[], "is not a beat of hexadecimal digits")
            });
            self.with(&answers, longer, || self.fails(simulator, &[], "has more than "));
            self.with(&answers, wrong, || {
                self.fails(simulator, &["+vectors=1"], "vector 0, beat 0: got")
            });
            for memory in &self.memories {
                let (file, elsewhere) = (self.folder.join(memory), self.folder.join("gone"));
                std::fs::rename(&file, &elsewhere).unwrap();
                self.fails(simulator, &[], &format!("{memory} cannot be read"));
                std::fs::rename(&elsewhere, &file).unwrap();
            }
            let subtract = |text: &str| text.replacen(old, new, 1);
            self.with(&self.folder.join(file), subtract, || {
                self.fails(simulator, &[], "golden says")
            });
            // And again as it was.
            self.passes(simulator, self.parent.path(), &["+vectors=1"], 1);
        }
    }
}

#[test]
fn that_of_digits_passes_and_fails_as_it_must() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/models/digits.safetensors");
    let bench = Bench::new(&model_file::load(&file).unwrap(), &Options::default());
    bench.proves_itself(34, ("digits_dense_0.v", " + {", " - {"));
}

#[test]
fn that_of_a_folded_network_over_images_passes_and_fails_as_it_must() {
    let target = Target { engine: Allowed::Folded, ..Target::default() };
    let options = Options { target, aclken: true, ..Options::default() };
    let conv =
        |layer: &Layer| matches!(layer, Layer::Conv2d(conv) if conv.w_b.iter().any(|w| *w != 0));
    let model =
        (0..).map(image_model).find(|m| m.layers.len() == 2 && m.layers.iter().all(conv)).unwrap();
    Bench::new(&model, &options).proves_itself(34, ("strassenc_gated_add.v", "+ {b", "- {b"));
}

#[test]
fn that_of_a_kernel_passes_and_fails_as_it_must() {
    let (limit, vectors) = (Limit::Adders(1), 8 + 2 * 3 + 100);
    let pipelined = Bench::of_kernel(Style::Pipelined(limit), true);
    pipelined.proves_itself(vectors, ("w.v", " + {", " - {"));
    // That of the others reads its vectors alike.
    for (style, clock_enable, file) in
        [(Style::Combinational, false, "w.v"), (Style::Stream(limit), true, "w_pipeline.v")]
    {
        let bench = Bench::of_kernel(style, clock_enable);
        for simulator in &simulators(&bench.tools) {
            bench.passes(simulator, bench.parent.path(), &[], vectors);
            let subtract = |text: &str| text.replacen(" + {", " - {", 1);
            bench.with(&bench.folder.join(file), subtract, || {
                bench.fails(simulator, &[], "golden says")
            });
        }
    }
}

#[test]
fn that_of_an_lstm_core_passes_and_fails_as_it_must() {
    let bench = Bench::new(&large_table_model(), &Options::default());
    assert_eq!(bench.memories, ["random_embedding_0_table_rom.mem"]);
    let listed = std::fs::read_to_string(bench.folder.join("memories.f")).unwrap();
    assert_eq!(listed, "random_embedding_0_table_rom.mem\n");
    bench.proves_itself(
        34,
        ("strassenc_lstm_cell.v", "kept_wide + new_wide", "kept_wide - new_wide"),
    );
}

#[test]
fn a_simulator_finds_its_memories_wherever_it_was_built() {
    let (model, parent) = (large_table_model(), tempfile::tempdir().unwrap());
    // Verilator would take some of these signs for its own.
    let home = parent.path().join("a home+with signs");
    std::fs::create_dir_all(&home).unwrap();
    let tools = tools();
    for shared in ["tools", "cache/runtime"] {
        let (from, to) = (tools.home().join(shared), home.join(shared));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        if from.is_dir() {
            std::os::unix::fs::symlink(from, to).unwrap();
        }
    }
    let options = Options::default();
    let core = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let emitted = strassenc::emit::emit(&core, &options.emit()).unwrap();
    let simulator =
        Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &Tools::new(&home))
            .unwrap();
    let inputs = inputs(&model, 20, 1);
    let run = simulator.run(&inputs, &simulate::Options::default()).unwrap();
    assert_eq!(run.outputs, sequence_answers(&model, &inputs));
}

#[test]
fn a_core_that_hangs_or_yields_unknown_bits_fails_with_its_place() {
    let bench = Bench::new(&sequence_model(0), &Options::default());
    let top = bench.folder.join(format!("{}.v", bench.top));
    for simulator in &simulators(&bench.tools) {
        let asleep = |text: &str| text.replacen("rst = !aresetn", "rst = 1'b1", 1);
        bench.with(&top, asleep, || {
            bench.fails(simulator, &["+vectors=2"], "vector 0, beat 0: stuck")
        });
        if simulator.with == "icarus" {
            for (port, what) in [
                ("m_axis_tlast", "unknown bits"),
                ("m_axis_tuser", "unknown bits"),
                ("m_axis_tdata", "unknown bits"),
                ("m_axis_tvalid", "m_axis_tvalid x"),
                ("s_axis_tready", "s_axis_tready x"),
                ("frame_error", "frame_error x"),
            ] {
                let forced = |text: &str| {
                    let unknown = format!("    initial force {port} = {{512{{1'bx}}}};\nendmodule");
                    text.replace("endmodule", &unknown)
                };
                bench.with(&top, forced, || bench.fails(simulator, &["+vectors=2"], what));
            }
        }
    }
}

/// Each input is driven as if it were alone, also with wrong frames, and a wrong element of any is
/// noticed.
#[test]
fn the_testbench_of_several_inputs_drives_each() {
    let model = described(
        "name = \"beside\"\ninput = { shape = [5, 5], bits = 8, frac = 8 }\nlayers = [{ conv2d = { \
         channels = 2, kernel = 2, r = 2 } }, \"relu\", { concat = { body = [{ conv2d = { channels \
         = 2, kernel = 1, r = 2 } }, \"relu\"], shortcut = [{ input = { name = \"depth\", shape = \
         [4, 4], bits = 6, frac = 3 } }] } }, { head = { name = \"mask\", layers = [{ conv2d = { \
         channels = 1, kernel = 1, r = 2 } }] } }, { concat = { body = [{ dense = { units = 3, r = \
         4 } }, \"relu\"], shortcut = [{ input = { name = \"age\", shape = [2], bits = 6, frac = 3, \
         signed = true } }, { dense = { units = 2, r = 2 } }] } }, { dense = { units = 2, r = 2 } \
         }]\n",
    );
    let bench = Bench::new(&model, &Options { aclken: true, ..Options::default() });
    for simulator in &simulators(&bench.tools) {
        bench.passes(simulator, &bench.folder, &[], 34);
        for name in ["depth", "age"] {
            // Zeros in the place of what is greatest.
            let wrong = |text: &str| {
                text.lines().map(|line| "0".repeat(line.len()) + "\n").collect::<String>()
            };
            bench.with(&bench.path(&format!("_input_{name}.mem")), wrong, || {
                bench.fails(simulator, &[], "golden says")
            });
        }
    }
}
