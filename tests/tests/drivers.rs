//! The drivers that lie beside a core, in C and for PYNQ, on a board that is simulated: an AXI DMA
//! engine around the verilated core (`tests/drivers/shim.cpp`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::build::{self, Build, Options};
use strassenc::check::random_vectors;
use strassenc::discover::{Search, model};
use strassenc::reload;
use strassenc::tools::{Component, Finished};
use strassenc_runtime::model::Layer;
use strassenc_runtime::{Model, golden, model_file};
use strassenc_tests::{described, root, tools};

const INFERENCES: usize = 1000;

/// A core of digits on a board: a build, the library of the board, what golden says, and the table
/// of another model.
struct Board {
    folder: tempfile::TempDir,
    core: PathBuf,
    library: PathBuf,
    /// Of the core's model, and then of the other one.
    vectors: [PathBuf; 2],
    table: PathBuf,
}

/// Inputs and golden's outputs, as integers of 64 bits.
fn golden_s(model: &Model) -> Vec<u8> {
    let numbers = random_vectors(model, INFERENCES, 1).into_iter().flat_map(|mut x| {
        let y = golden::infer(model, &x).unwrap();
        x.extend(y);
        x
    });
    numbers.flat_map(i64::to_le_bytes).collect()
}

impl Board {
    /// Results of digits do not fill their last beat, so that the engine needs tkeep.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let digits = model_file::load(&root().join("runtime/models/digits.safetensors")).unwrap();
        let bits = Some(64);
        let options = Options {
            input_bits: bits,
            output_bits: bits,
            reloadable: Some(0),
            ..Options::default()
        };
        let core = folder.path().join("core");
        let compiled = build::compile(&digits, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
        build::write(&core, &compiled, &options).unwrap();
        let build = Build::open(&core).unwrap();
        assert!(build.signature.output.has_keep());
        let mut other = digits.clone();
        for layer in &mut other.layers {
            let Layer::Dense(dense) = layer else { unreachable!() };
            dense.coefficients.mapv_inplace(|a| -a);
        }
        let words = reload::words(&build, &other).unwrap();
        let table = folder.path().join("table.bin");
        fs::write(&table, words.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
            .unwrap();

        let mut verilate = tools().verilator_or_install().unwrap().command();
        verilate.current_dir(&core).args(["--cc", "--exe", "--build", "--prefix", "Vcore"]);
        verilate.args(["-CFLAGS", "-std=c++17 -fPIC", "-LDFLAGS", "-shared", "-j", "2"]);
        for flag in ["CFG_CXXFLAGS_PCH_I=-include", "PYTHON3=python3"] {
            verilate.args(["-MAKEFLAGS", flag]);
        }
        // What runs for a second need not be optimised.
        for flag in ["OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0"] {
            verilate.args(["-MAKEFLAGS", flag]);
        }
        verilate.args(["--top-module", "digits", "-o", "libboard.so", "-Mdir"]);
        verilate.arg(folder.path().join("objects")).args(["-f", "files.f"]);
        verilate.arg(drivers().join("shim.cpp"));
        tools().run_ok(&mut verilate).unwrap();

        let vectors = ["vectors", "both"].map(|name| folder.path().join(name));
        let [own, others] = [&digits, &other].map(golden_s);
        fs::write(&vectors[0], &own).unwrap();
        fs::write(&vectors[1], [own, others].concat()).unwrap();
        let library = folder.path().join("objects/libboard.so");
        Board { core, library, vectors, table, folder }
    }

    /// Runs on all vectors, of so many models, and on those of which the last output is another.
    fn is_golden_s(&self, models: usize, run: &dyn Fn(&Path) -> Finished) {
        let told = format!("{} inferences, every one golden's", models * INFERENCES);
        let vectors = &self.vectors[models - 1];
        let right = run(vectors);
        assert!(right.status.success() && right.stdout.contains(&told), "{right:?}");
        let mut bytes = fs::read(vectors).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let other = self.folder.path().join("other");
        fs::write(&other, bytes).unwrap();
        let wrong = run(&other);
        assert!(!wrong.status.success() && !wrong.stdout.contains(&told), "{wrong:?}");
    }
}

fn drivers() -> PathBuf {
    root().join("tests/drivers").canonicalize().unwrap()
}

/// Compiles a program of a driver in `core` with all warnings as errors, and with sanitizers.
fn compile(core: &Path, [main, driver]: &[&str; 2], library: Option<&Path>, program: &Path) {
    let mut compile = Command::new("cc");
    compile.args(["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-O1"]);
    compile.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I"]);
    compile.arg(core).arg(drivers().join(main)).arg(core.join(driver)).args(library);
    tools().run_ok(compile.arg("-o").arg(program)).unwrap();
}

/// Python with NumPy, the driver in `core` and what the tests have for it.
fn python(core: &Path) -> Command {
    // NumPy comes with it.
    tools().install(Component::named("onnxruntime").unwrap()).unwrap();
    let python = tools().numpy().unwrap();
    let folders = [core.to_path_buf(), drivers()].into_iter().chain(python.site);
    let mut command = Command::new(python.program);
    command.env("PYTHONPATH", std::env::join_paths(folders).unwrap());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn in_c(board: &Board) {
    let program = board.folder.path().join("main");
    compile(&board.core, &["main.c", "digits_driver.c"], Some(&board.library), &program);
    board.is_golden_s(2, &|vectors| {
        let mut command = Command::new(&program);
        // Where the simulated core finds its table.
        command.current_dir(&board.core);
        command.arg(vectors).arg(INFERENCES.to_string()).arg(&board.table);
        tools().run(&mut command).unwrap()
    });
}

fn for_pynq(board: &Board) {
    board.is_golden_s(2, &|vectors| {
        let mut command = python(&board.core);
        command.current_dir(&board.core);
        command.env("BOARD", &board.library).arg(drivers().join("main.py"));
        command.arg(vectors).arg(INFERENCES.to_string()).arg(&board.table);
        tools().run(&mut command).unwrap()
    });
}

#[test]
fn both_drivers_get_golden_s_answers_from_a_core_on_a_board() {
    let board = Board::new();
    in_c(&board);
    for_pynq(&board);
}

/// Elements of three bytes have their signs, in C and in Python.
#[test]
fn both_drivers_pack_elements_that_no_processor_has() {
    let mut search = Search::new("2x2x2".parse().unwrap(), 7, 0);
    while !search.round() {}
    let model = model::model(search.best(), 8, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (core, program) = (folder.path().join("core"), folder.path().join("odd"));
    let options = Options::default();
    let compiled = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    build::write(&core, &compiled, &options).unwrap();
    assert_eq!(Build::open(&core).unwrap().signature.output.element_bytes, 3);
    let bytes: Vec<u8> = (0..12).map(|i| (77 * i + 120) as u8).collect();
    let outputs = bytes.chunks(3).map(|b| i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8);
    let inputs = (0..8).map(|i| i32::from((35 * i - 128) as i8 as u8));
    let due: String = outputs.chain(inputs).map(|v| format!("{v} ")).collect();
    compile(&core, &["odd.c", "matmul_2x2x2_driver.c"], None, &program);
    assert_eq!(tools().run_ok(&mut Command::new(&program)).unwrap().stdout, due);
    let printed = tools().run_ok(python(&core).arg(drivers().join("odd.py"))).unwrap().stdout;
    assert_eq!(printed, due);
}

/// Each further input has an engine of its own, and each head.
#[test]
fn the_driver_for_pynq_has_an_engine_for_each_stream() {
    let model = described(
        "name = \"heads\"\ninput = { shape = [4, 4], bits = 8, frac = 8 }\nlayers = [{ conv2d = { \
         channels = 3, kernel = 2 } }, \"relu\", { concat = { body = [{ conv2d = { channels = 2, \
         kernel = 1 } }, \"relu\"], shortcut = [{ input = { name = \"depth\", shape = [3, 3], bits \
         = 6, frac = 3, signed = true } }] } }, { head = { name = \"mask\", layers = [{ conv2d = \
         { channels = 1, kernel = 1 } }] } }, { dense = { units = 2 } }]\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let core = folder.path().join("core");
    let compiled =
        build::compile(&model, &Options::default(), &|_| {}, &|| false, &|| 0.0).unwrap();
    build::write(&core, &compiled, &Options::default()).unwrap();
    let vectors = folder.path().join("vectors");
    let line = |mut x: Vec<i64>| {
        let y = golden::infer(&model, &x).unwrap();
        x.extend(y);
        x.iter().map(|v| format!("{v} ")).collect::<String>() + "\n"
    };
    let lines: String = random_vectors(&model, 20, 1).into_iter().map(line).collect();
    fs::write(&vectors, lines).unwrap();
    let mut command = python(&core);
    command.arg(drivers().join("heads.py")).arg(&vectors);
    let told = tools().run_ok(&mut command).unwrap().stdout;
    assert_eq!(told, "20 inferences, every one golden's\n");
}
