//! Golden = NumPy = ONNX Runtime: the integers of random models, computed by nobody's code of ours.

use ndarray::Array2;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use strassenc::tools::{Component, Tools};
use strassenc::witness::Witness;
use strassenc_runtime::{Model, golden};
use strassenc_tests::{image_model, inputs, random_model, recipes, sequence_model};

/// How many models each witness computes; a Python start takes most of the time.
const MODELS: usize = 8;

/// The tools, with NumPy and ONNX Runtime among them.
fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("onnxruntime").unwrap()).unwrap();
    tools
}

fn agrees(witness: Witness, tools: &Tools, model: &Model, seed: u64) {
    let vectors = inputs(model, 100, seed);
    let x = Array2::from_shape_fn((vectors.len(), model.input.elements()), |(i, j)| vectors[i][j]);
    let y = witness.outputs(tools, model, x.view()).unwrap();
    assert_eq!(y.nrows(), vectors.len());
    for (i, vector) in vectors.iter().enumerate() {
        assert_eq!(
            y.row(i).to_vec(),
            golden::infer(model, vector).unwrap(),
            "sample {i} of {model:?}"
        );
    }
}

fn random_models_agree(witness: Witness) {
    let tools = tools();
    let mut runner = TestRunner::deterministic();
    for _ in 0..MODELS {
        let recipe = recipes().new_tree(&mut runner).unwrap().current();
        agrees(witness, &tools, &random_model(&recipe), recipe.seed);
    }
}

#[test]
fn numpy_computes_what_golden_does() {
    random_models_agree(Witness::NumPy);
}

/// Golden's convolutions are loops over pixels, NumPy's are products of tensors.
#[test]
fn numpy_computes_images_as_golden_does() {
    let tools = tools();
    for seed in 0..24 {
        agrees(Witness::NumPy, &tools, &image_model(seed), seed);
    }
}

/// All inputs are one sequence; of most models whose state shows in what they yield.
#[test]
fn numpy_computes_sequences_as_golden_does() {
    let tools = tools();
    let in_sequence = |seed: u64| {
        let model = sequence_model(seed);
        let vectors = inputs(&model, 60, seed);
        let mut state = golden::State::start();
        let step =
            |vector: &Vec<i64>| golden::step(&model, &mut state, vector).unwrap().pop().unwrap();
        let outputs: Vec<Vec<i64>> = vectors.iter().map(step).collect();
        (model, vectors, outputs)
    };
    let shows = |seed: &u64| {
        let (model, vectors, outputs) = in_sequence(*seed);
        let differs =
            |(vector, y): (&Vec<i64>, &Vec<i64>)| golden::infer(&model, vector).unwrap() != *y;
        vectors.iter().zip(&outputs).filter(|pair| differs(*pair)).count() > 10
    };
    for seed in (0..4).chain((4..).filter(shows).take(10)) {
        let (model, vectors, outputs) = in_sequence(seed);
        let x =
            Array2::from_shape_fn((vectors.len(), model.input.elements()), |(i, j)| vectors[i][j]);
        let y = Witness::NumPy.outputs(&tools, &model, x.view()).unwrap();
        for (i, outputs) in outputs.into_iter().enumerate() {
            assert_eq!(y.row(i).to_vec(), outputs, "step {i} of seed {seed}: {model:?}");
        }
    }
}

#[test]
fn onnx_runtime_computes_what_golden_does() {
    random_models_agree(Witness::OnnxRuntime);
}
