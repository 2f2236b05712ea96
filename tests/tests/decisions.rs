//! Decisions as outputs of a core: what is refused, and what the files of a build say of them.
//!
//! That they are golden's scores decided on, `streams.rs` holds of random cores in Verilator.

use std::process::Command;
use strassenc::build::{self, Options};
use strassenc::decide::{Asked, Decision, Rule};
use strassenc::lower::{decide, lower};
use strassenc_runtime::model::Layer;
use strassenc_runtime::{Error, Format, Model, golden, model_file};
use strassenc_tests::{headed_model, root, tools};

fn digits() -> Model {
    model_file::load(&root().join("runtime/models/digits.safetensors")).unwrap()
}

fn asked(rules: &[&str]) -> Vec<Asked> {
    rules.iter().map(|rule| rule.parse().unwrap()).collect()
}

fn decided(model: &Model, rules: &[&str]) -> (build::Record, build::Contents, Options) {
    let options = Options { decide: asked(rules), ..Options::default() };
    let core = build::compile(model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let (record, contents) = build::contents(&core, &options).unwrap();
    (record, contents, options)
}

fn text(contents: &build::Contents, name: &str) -> String {
    let (_, bytes) = contents.iter().find(|(own, _)| own == name).unwrap();
    String::from_utf8(bytes.clone()).unwrap()
}

#[test]
fn what_an_output_has_not_is_refused_with_a_way_out() {
    let (digits, headed) = (digits(), headed_model(3));
    let head = headed.streams()[1].0.unwrap().to_string();
    let told = |model: &Model, rules: &[&str]| -> Error {
        decide(&mut lower(model).unwrap(), &asked(rules)).unwrap_err()
    };
    assert_eq!(
        told(&digits, &["top=11"]).to_string(),
        "error[input]: --decide top=11: the output has 10 scores a pixel\n  \
         help: give top=10 at most"
    );
    assert_eq!(
        told(&digits, &["mask=argmax"]).to_string(),
        "error[input]: --decide mask=argmax: the network has no head `mask`\n  \
         help: it has none: give --decide argmax for its output"
    );
    assert_eq!(
        told(&digits, &["argmax", "threshold"]).to_string(),
        "error[input]: --decide threshold: is for an output that has a decision\n  \
         help: give one of them"
    );
    let other = told(&headed, &["none=argmax"]).to_string();
    assert!(other.contains(&format!("it has {head}")), "{other}");
}

/// A layer of the model may be called what a decision would be.
#[test]
fn a_decision_has_a_name_of_its_own() {
    let mut model = digits();
    let Layer::Dense(dense) = &mut model.layers[0] else { panic!("digits begins otherwise") };
    dense.name = "decide".into();
    let mut dataflow = lower(&model).unwrap();
    decide(&mut dataflow, &asked(&["argmax"])).unwrap();
    assert_eq!(dataflow.layers.last().unwrap().name, "decide_2");
    strassenc::ir::verify(&dataflow).unwrap();
    strassenc::ir::prove_decided(&dataflow, &model, &asked(&["argmax"])).unwrap();
}

#[test]
fn a_build_says_what_its_outputs_tell_and_how_it_was_asked() {
    let model = digits();
    let frac = model.output_frac();
    let unit = f64::powi(2.0, -frac);
    // Between two scores: what is above the lower one is above it.
    let threshold = format!("threshold={}", 2.5 * unit);
    for (rule, due, elements, bits) in [
        ("argmax", Rule::Argmax, 1, 4),
        ("top=3", Rule::Top { k: 3 }, 3, 4),
        (threshold.as_str(), Rule::Threshold { threshold: 2.0 * unit }, 10, 1),
    ] {
        let (record, contents, options) = decided(&model, &[rule]);
        let signature = text(&contents, "signature.json");
        let signature =
            strassenc::emit::Signature::parse(signature.as_bytes(), "signature.json").unwrap();
        let Some(Decision { rule: own, classes, score }) = signature.decision else {
            panic!("{rule}: a core without a decision")
        };
        assert_eq!((own, classes, score.frac), (due, 10, frac), "{rule}");
        assert_eq!(signature.output.elements, elements, "{rule}");
        assert_eq!(signature.output.format, Format { signed: false, bits, frac: 0 }, "{rule}");
        assert!(options.to_string().contains(&format!(" --decide {rule}")), "{options}");
        let json = serde_json::to_string(&record.options).unwrap();
        assert_eq!(serde_json::from_str::<Options>(&json).unwrap(), options);
    }
}

/// The testbench compares with what follows from golden's scores; the driver in C, which has no
/// real number for an index, compiles.
#[test]
fn the_files_beside_a_core_have_its_decisions() {
    let model = digits();
    let (_, contents, _) = decided(&model, &["argmax"]);
    let hex = |line: &str| -> Vec<i64> {
        let bytes = (0..line.len()).step_by(2).rev();
        bytes.map(|i| i64::from_str_radix(&line[i..i + 2], 16).unwrap()).collect()
    };
    let lines = |name: &str| -> Vec<Vec<i64>> {
        text(&contents, &format!("digits_tb_{name}.mem")).lines().map(hex).collect()
    };
    let (inputs, outputs) = (lines("input"), lines("output"));
    assert_eq!((inputs.len(), outputs.len()), (34, 34));
    for (x, told) in inputs.iter().zip(&outputs) {
        let scores = golden::infer(&model, x).unwrap();
        let largest = scores.iter().max().unwrap();
        let first = scores.iter().position(|z| z == largest).unwrap();
        assert_eq!(*told, [first as i64]);
    }
    assert!(outputs.iter().any(|told| *told != outputs[0]));

    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &contents {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let header = text(&contents, "digits_driver.h");
    assert!(header.contains("// The output is the index of the largest of 10 scores."), "{header}");
    assert!(!header.contains("digits_real"), "{header}");
    let mut compile = Command::new("cc");
    compile.args(["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-c"]);
    compile.current_dir(folder.path()).args(["digits_driver.c", "-o", "driver.o"]);
    tools().run_ok(&mut compile).unwrap();
    let python = text(&contents, "digits_pynq.py");
    assert!(python.contains("OUTPUT = Output(1, 1, False, None)"), "{python}");
    let mut compile = Command::new("python3");
    compile.current_dir(folder.path()).args(["-m", "py_compile", "digits_pynq.py"]);
    tools().run_ok(&mut compile).unwrap();
}
