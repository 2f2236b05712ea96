//! The benches that lie beside a core for tools that people know: cocotb's with AXI models that are
//! not ours, and one in C++ for Verilator. They run as their headers say.

#![expect(clippy::print_stderr, reason = "what is missing is told")]

use ndarray::Array2;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::build::{self, Build, Options};
use strassenc::discover::{Search, model};
use strassenc::emit::Signature;
use strassenc::emit::signature::Frames;
use strassenc::engine::{Allowed, Target};
use strassenc::tools::Finished;
use strassenc_runtime::data::{self, npy};
use strassenc_runtime::{Model, golden, model_file};
use strassenc_tests::{described, image_model, large_table_model, packages, root, tools};

/// The oldest Verilator that cocotb takes.
const VERILATOR: (u32, u32) = (5, 36);

/// A build in a temporary folder.
struct Core {
    parent: tempfile::TempDir,
    folder: PathBuf,
    signature: Signature,
}

impl Core {
    fn new(model: &Model, options: &Options) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("the build");
        let compiled = build::compile(model, options, &|_| {}, &|| false, &|| 0.0).unwrap();
        build::write(&folder, &compiled, options).unwrap();
        let signature = Build::open(&folder).unwrap().signature;
        Core { parent, folder, signature }
    }

    /// A file that is named after the core.
    fn file(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}{suffix}", self.signature.top))
    }

    /// Puts `new` into the place of the first `old` in a file.
    fn mutate(&self, file: &str, old: &str, new: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        fs::write(path, text.replacen(old, new, 1)).unwrap();
    }

    /// Runs a bench from another folder.
    fn run(&self, mut command: Command) -> Finished {
        let tools = tools();
        command.current_dir(self.parent.path()).envs(tools.environment());
        // What runs for a second need not be optimised.
        command.env(
            "MAKEFLAGS",
            "CFG_CXXFLAGS_PCH_I=-include PYTHON3=python3 OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0",
        );
        tools.run(&mut command).unwrap()
    }

    /// The bench in cocotb: of so many tests, so many fail, and results.xml agrees.
    fn cocotb(&self, site: &Path, options: &[&str], [tests, failures]: [usize; 2], told: &str) {
        let work = self.parent.path().join("work");
        let mut command = Command::new(tools().python().unwrap().program);
        command.env("PYTHONPATH", site).arg(self.file("_cocotb.py"));
        command.args(options).arg("--work").arg(&work);
        let run = self.run(command);
        let all = format!("{options:?}: {}\n{}", run.stdout, run.stderr);
        assert_eq!(run.status.success(), failures == 0, "{all}");
        assert!(all.contains(&format!("{tests} tests, {failures} failed")), "{all}");
        assert!(all.contains(told), "{told}: {all}");
        let results = fs::read_to_string(work.join("results.xml")).unwrap();
        let count = |tag: &str| results.matches(tag).count();
        assert_eq!([count("<testcase"), count("<failure")], [tests, failures], "{results}");
        fs::remove_dir_all(work).unwrap();
    }
}

/// The packages of cocotb, and the simulators of this machine that it takes; none where they cannot
/// be had.
fn cocotb() -> Option<(PathBuf, Vec<&'static str>)> {
    let tools = tools();
    let requirements = root().join("templates/project/cocotb.txt");
    let site = packages(&tools, "cocotb", &requirements)
        .inspect_err(|cause| eprintln!("skipped: cocotb and its packages cannot be had: {cause}"))
        .ok()?;
    let icarus = tools.icarus().is_ok().then_some("icarus");
    let verilator = tools.verilator().is_ok_and(|v| v.number >= VERILATOR).then_some("verilator");
    let simulators: Vec<&str> = icarus.into_iter().chain(verilator).collect();
    if simulators.is_empty() {
        eprintln!("skipped: there is neither Icarus nor a Verilator that cocotb takes");
    }
    (!simulators.is_empty()).then_some((site, simulators))
}

fn digits() -> Model {
    model_file::load(&root().join("runtime/models/digits.safetensors")).unwrap()
}

/// C = A·B for matrices of 2×2.
fn product() -> Model {
    let mut search = Search::new("2x2x2".parse().unwrap(), 7, 0);
    while !search.round() {}
    model::model(search.best(), 8, None).unwrap()
}

/// Every vector passes in all four tests, and a core with one wrong operation in none.
fn passes_and_finds(model: &Model, options: &Options, mutation: [&str; 3]) {
    let Some((site, simulators)) = cocotb() else { return };
    let core = Core::new(model, options);
    let simulator = ["--simulator", simulators[0]];
    core.cocotb(&site, &simulator, [4, 0], "34 vectors, every one golden's");
    let [file, old, new] = mutation;
    core.mutate(file, old, new);
    core.cocotb(&site, &simulator, [4, 4], "golden says");
}

#[test]
fn cocotb_passes_digits_and_finds_a_wrong_sum() {
    let mutation = ["digits_dense_0.v", " + ", " - "];
    passes_and_finds(&digits(), &Options { reloadable: Some(0), ..Options::default() }, mutation);
}

#[test]
fn cocotb_passes_a_folded_cnn_and_finds_a_wrong_sum() {
    let target = Target { engine: Allowed::Folded, ..Target::default() };
    let options = Options { target, aclken: true, ..Options::default() };
    let model = (0..).map(image_model).find(|m| m.layers.len() == 3).unwrap();
    passes_and_finds(&model, &options, ["strassenc_gated_add.v", "+ {b", "- {b"]);
}

/// Each input is driven, and each output compared, also that of a head, which alone is wrong.
#[test]
fn cocotb_passes_several_streams_and_finds_a_wrong_one() {
    let model = described(
        "name = \"heads\"\ninput = { shape = [4, 4], bits = 8, frac = 8 }\nlayers = [{ conv2d = { \
         channels = 3, kernel = 2 } }, \"relu\", { concat = { body = [{ conv2d = { channels = 2, \
         kernel = 1 } }, \"relu\"], shortcut = [{ input = { name = \"depth\", shape = [3, 3], bits \
         = 6, frac = 3, signed = true } }] } }, { head = { name = \"mask\", layers = [{ conv2d = \
         { channels = 1, kernel = 1, r = 4 } }] } }, { dense = { units = 2 } }]\n",
    );
    let target = Target { engine: Allowed::Unrolled, ..Target::default() };
    let options = Options { target, control: true, ..Options::default() };
    let mask = "m_axis_mask +: 16] = {";
    passes_and_finds(&model, &options, ["heads.v", mask, "m_axis_mask +: 16] = ~{"]);
}

#[test]
fn cocotb_passes_sequences_and_finds_a_wrong_state() {
    let mutation = ["strassenc_lstm_cell.v", "kept_wide + new_wide", "kept_wide - new_wide"];
    passes_and_finds(&large_table_model(), &Options::default(), mutation);
}

/// A product of two operands passes in each simulator; no test is of errors where frames end by
/// count.
#[test]
fn cocotb_passes_a_matrix_product_and_finds_a_wrong_sum() {
    let Some((site, simulators)) = cocotb() else { return };
    let options = Options { input_bits: Some(32), frames: Frames::Count, ..Options::default() };
    let core = Core::new(&product(), &options);
    for simulator in &simulators {
        let options = ["--simulator", simulator];
        core.cocotb(&site, &options, [4, 0], "34 vectors, every one golden's");
    }
    let layer = core.signature.files.iter().rev().nth(1).unwrap().clone();
    core.mutate(&layer, " + ", " - ");
    for simulator in &simulators {
        core.cocotb(&site, &["--simulator", simulator], [4, 3], "golden says");
    }
}

/// Data of one's own, as `strassenc eval --vectors` writes them, pass as those of the testbench do.
#[test]
fn cocotb_takes_vectors_of_a_data_set() {
    let Some((site, simulators)) = cocotb() else { return };
    let model = digits();
    let options =
        Options { input_bits: Some(64), output_bits: Some(64), effort: 0, ..Options::default() };
    let core = Core::new(&model, &options);
    let test = data::load("digits", tools().home()).unwrap().test;
    let inputs = test.x.integers(&model.columns()).unwrap();
    let answers: Vec<i64> =
        inputs.outer_iter().flat_map(|x| golden::infer(&model, &x.to_vec()).unwrap()).collect();
    let answers = Array2::from_shape_vec((355, 10), answers).unwrap();
    let folder = core.parent.path().join("vectors");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("inputs.npy"), npy::to_bytes(&inputs)).unwrap();
    fs::write(folder.join("outputs.npy"), npy::to_bytes(&answers)).unwrap();
    let options = ["--simulator", simulators[0], "--data", "vectors", "--vectors", "9"];
    core.cocotb(&site, &options, [4, 0], "9 vectors, every one golden's");
}

/// The bench in C++ passes and writes a waveform, and ends with a status where an answer is another
/// or a file is cut.
#[test]
fn the_bench_in_cpp_passes_and_finds_a_wrong_answer() {
    let core = Core::new(&product(), &Options { aclken: true, ..Options::default() });
    tools().verilator_or_install().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(core.file("_verilator.sh")).args(arguments).env("OBJECTS", "objects");
        core.run(command)
    };
    let told = format!("PASS {}: 34 vectors", core.signature.top);
    let passed = run(&["wave.vcd"]);
    assert!(passed.status.success() && passed.stdout.contains(&told), "{passed:?}");
    let wave = fs::read_to_string(core.parent.path().join("wave.vcd")).unwrap();
    assert!(wave.contains("m_axis_tvalid") && wave.contains("$enddefinitions"));
    let answers = format!("{}_output.mem", core.signature.testbench);
    let text = fs::read_to_string(core.folder.join(&answers)).unwrap();
    let digit = if text.starts_with('0') { '1' } else { '0' };
    for (wrong, why) in [
        (format!("{digit}{}", &text[1..]), "vector 0, beat 0: got"),
        (text[1..].into(), "does not hold whole vectors"),
    ] {
        fs::write(core.folder.join(&answers), wrong).unwrap();
        let failed = run(&[]);
        assert!(!failed.status.success() && failed.stdout.contains(why), "{failed:?}");
        assert!(failed.stdout.contains("FAIL") && !failed.stdout.contains("PASS"), "{failed:?}");
    }
}
