//! Golden = NumPy = ONNX Runtime: the integers of random models, computed by nobody's code of ours.

use ndarray::Array2;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use strassenc::tools::Tools;
use strassenc::witness::Witness;
use strassenc_runtime::{Kind, Model, golden};
use strassenc_tests::{inputs, random_model, recipes};

/// How many models each witness computes; a Python start takes most of the time.
const MODELS: usize = 8;

/// Whether `witness` could be called: it agrees with golden on `model` then.
fn agrees(witness: Witness, tools: &Tools, model: &Model, seed: u64) -> bool {
    let vectors = inputs(model, 100, seed);
    let x = Array2::from_shape_fn((vectors.len(), model.input.elements()), |(i, j)| vectors[i][j]);
    let y = match witness.outputs(tools, model, x.view()) {
        Err(e) if e.kind() == Kind::Tool && e.to_string().contains("was not found") => {
            eprintln!("skipped: {e}");
            return false;
        }
        result => result.unwrap(),
    };
    assert_eq!(y.nrows(), vectors.len());
    for (i, vector) in vectors.iter().enumerate() {
        assert_eq!(y.row(i).to_vec(), golden::infer(model, vector).unwrap(), "sample {i} of {model:?}");
    }
    true
}

fn random_models_agree(witness: Witness) {
    let tools = strassenc_tests::tools();
    let mut runner = TestRunner::deterministic();
    for _ in 0..MODELS {
        let recipe = recipes().new_tree(&mut runner).unwrap().current();
        if !agrees(witness, &tools, &random_model(&recipe), recipe.seed) {
            return;
        }
    }
}

#[test]
fn numpy_computes_what_golden_does() {
    random_models_agree(Witness::NumPy);
}

#[test]
fn onnx_runtime_computes_what_golden_does() {
    random_models_agree(Witness::OnnxRuntime);
}
