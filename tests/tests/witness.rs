//! Golden = NumPy = ONNX Runtime: the integers of random models, computed by nobody's code of ours.

use ndarray::Array2;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::iter;
use std::path::Path;
use strassenc::tools::{Component, Tools};
use strassenc::witness::Witness;
use strassenc_runtime::model::{Function, Layer, PoolKind, Recurrent};
use strassenc_runtime::{Along, Cell, Extent, Join, Model, golden, model_file};
use strassenc_tests::{
    headed_model, image_model, inputs, random_model, recipes, row_model, sequence_model,
    signal_model,
};

/// How many models each witness computes; a Python start takes most of the time.
const MODELS: usize = 8;

/// The tools, with NumPy and ONNX Runtime among them.
fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("onnxruntime").unwrap()).unwrap();
    tools
}

/// Compares with golden; the vectors of a recurrent network are one sequence.
fn agrees(witness: Witness, tools: &Tools, model: &Model, vectors: &[Vec<i64>]) {
    let x = Array2::from_shape_fn((vectors.len(), model.elements()), |(i, j)| vectors[i][j]);
    let y = witness.outputs(tools, model, x.view()).unwrap();
    let golden = golden::outputs(model, x.view(), &|| Ok(())).unwrap();
    assert_eq!(y.dim(), golden.dim());
    for (i, (y, golden)) in y.outer_iter().zip(golden.outer_iter()).enumerate() {
        assert_eq!(y, golden, "sample {i} of `{}`, {:?}", model.name, model.input);
    }
}

/// Random models of vectors.
fn random_models_agree(witness: Witness) {
    let tools = tools();
    let mut runner = TestRunner::deterministic();
    for _ in 0..MODELS {
        let recipe = recipes().new_tree(&mut runner).unwrap().current();
        let model = random_model(&recipe);
        agrees(witness, &tools, &model, &inputs(&model, 100, recipe.seed));
    }
}

/// Witnesses' convolutions are products of tensors, golden's loops over pixels.
fn images_agree(witness: Witness) {
    let tools = tools();
    for seed in 0..28 {
        let of = [image_model, image_model, row_model, headed_model][seed as usize % 4];
        let model = of(seed);
        agrees(witness, &tools, &model, &inputs(&model, 100, seed));
    }
}

/// All inputs are one sequence; of most models whose state shows in what they yield.
fn sequences_agree(witness: Witness) {
    let tools = tools();
    // Recurrent layers of the others stand in branches and heads, too.
    let of = |seed: u64| match seed % 3 {
        2 => signal_model(seed).steps().unwrap(),
        _ => sequence_model(seed),
    };
    let shows = |seed: &u64| {
        let model = of(*seed);
        let mut state = golden::State::start();
        let differs = |vector: &Vec<i64>| {
            let in_sequence = golden::step(&model, &mut state, vector).unwrap().pop().unwrap();
            golden::infer(&model, vector).unwrap() != in_sequence
        };
        inputs(&model, 60, *seed).iter().map(differs).filter(|d| *d).count() > 10
    };
    for seed in (0..4).chain((4..).filter(shows).take(10)) {
        let model = of(seed);
        agrees(witness, &tools, &model, &inputs(&model, 60, seed));
    }
}

#[test]
fn numpy_computes_what_golden_does() {
    random_models_agree(Witness::NumPy);
}

#[test]
fn numpy_computes_images_as_golden_does() {
    images_agree(Witness::NumPy);
}

#[test]
fn numpy_computes_sequences_as_golden_does() {
    sequences_agree(Witness::NumPy);
}

#[test]
fn onnx_runtime_computes_what_golden_does() {
    random_models_agree(Witness::OnnxRuntime);
}

#[test]
fn onnx_runtime_computes_images_as_golden_does() {
    images_agree(Witness::OnnxRuntime);
}

#[test]
fn onnx_runtime_computes_sequences_as_golden_does() {
    sequences_agree(Witness::OnnxRuntime);
}

/// How many inputs of every shipped model, and of one for each kind of layer, ONNX Runtime is
/// compared on; of a recurrent one so many steps.
fn count() -> usize {
    let given = std::env::var("STRASSENC_WITNESS_INPUTS").ok();
    given.map_or(50, |count| count.parse().expect("STRASSENC_WITNESS_INPUTS is a number"))
}

/// So many random vectors.
fn random_inputs(model: &Model, count: usize) -> Vec<Vec<i64>> {
    let mut vectors = inputs(model, count, 1);
    vectors.split_off(vectors.len() - count)
}

#[test]
fn onnx_runtime_computes_every_shipped_model() {
    let (tools, count) = (tools(), count());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/models");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "safetensors"));
    assert!(files.len() >= 8);
    for file in files {
        let model = model_file::load(&file).unwrap();
        agrees(Witness::OnnxRuntime, &tools, &model, &random_inputs(&model, count));
        println!("{}: {count} inputs", file.display());
    }
}

/// What layers there are, each with what makes it another graph.
const KINDS: [&str; 29] = [
    "bilinear",
    "char-CNN",
    "clip",
    "concatenation",
    "convolution",
    "convolution, depthwise",
    "convolution, groups",
    "convolution, pad",
    "convolution, patches",
    "convolution, stride",
    "convolution, transposed",
    "dense",
    "embedding",
    "GRU",
    "GRU along pixels",
    "head",
    "highway",
    "last pixel",
    "leaky ReLU",
    "LSTM",
    "LSTM along pixels",
    "pooling, largest",
    "pooling, pad",
    "pooling, sum",
    "residual",
    "reverse",
    "sigmoid",
    "tanh",
    "upsampling",
];

fn kinds(layers: &[Layer]) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    for layer in layers {
        match layer {
            Layer::Dense(_) => drop(kinds.insert("dense")),
            Layer::Bilinear(_) => drop(kinds.insert("bilinear")),
            Layer::Conv2d(conv) => {
                let grouped = conv.groups > 1 && !conv.depthwise();
                kinds.extend(
                    [
                        (true, "convolution"),
                        (conv.depthwise(), "convolution, depthwise"),
                        (grouped, "convolution, groups"),
                        (conv.pad != Extent::square(0), "convolution, pad"),
                        (conv.patch() != Extent::ONE, "convolution, patches"),
                        (conv.stride != Extent::ONE, "convolution, stride"),
                        (conv.transposed.is_some(), "convolution, transposed"),
                    ]
                    .into_iter()
                    .filter_map(|(is, kind)| is.then_some(kind)),
                );
            }
            Layer::Pool(pool) => {
                kinds.insert(match pool.kind {
                    PoolKind::Max => "pooling, largest",
                    PoolKind::Sum => "pooling, sum",
                });
                kinds.extend((pool.pad != Extent::square(0)).then_some("pooling, pad"));
            }
            Layer::Upsample(_) => drop(kinds.insert("upsampling")),
            Layer::Activation(activation) => {
                kinds.insert(match activation.function {
                    Function::Clip { .. } => "clip",
                    Function::Leaky { .. } => "leaky ReLU",
                    Function::Sigmoid(_) => "sigmoid",
                    Function::Tanh(_) => "tanh",
                });
            }
            Layer::Branches(branches) => {
                kinds.insert(match branches.join {
                    Join::Add => "residual",
                    Join::Concat => "concatenation",
                });
                kinds.append(&mut self::kinds(&branches.body));
                kinds.append(&mut self::kinds(&branches.shortcut));
            }
            Layer::Head(head) => {
                kinds.insert("head");
                kinds.append(&mut self::kinds(&head.layers));
            }
            Layer::Input(_) => drop(kinds.insert("input")),
            Layer::Embedding(_) => drop(kinds.insert("embedding")),
            Layer::CharCnn(_) => drop(kinds.insert("char-CNN")),
            Layer::Highway(_) => drop(kinds.insert("highway")),
            Layer::Recurrent(Recurrent { kind, along: Along::Inputs, .. }) => {
                kinds.insert(kind.kind());
            }
            Layer::Recurrent(Recurrent { kind: Cell::Lstm, .. }) => {
                kinds.insert("LSTM along pixels");
            }
            Layer::Recurrent(_) => drop(kinds.insert("GRU along pixels")),
            Layer::Last(_) => drop(kinds.insert("last pixel")),
            Layer::Reverse(_) => drop(kinds.insert("reverse")),
        }
    }
    kinds
}

/// One model for each kind: the first random one that has it.
#[test]
fn onnx_runtime_computes_every_kind_of_layer() {
    let (tools, count) = (tools(), count());
    let mut runner = TestRunner::deterministic();
    let mut models = (0..).flat_map(|seed| {
        let vectors = random_model(&recipes().new_tree(&mut runner).unwrap().current());
        let others = [image_model, headed_model, row_model, sequence_model];
        iter::once(vectors).chain(others.map(|model| model(seed)))
    });
    let mut missing = BTreeSet::from(KINDS);
    while !missing.is_empty() {
        let model = models.next().unwrap();
        let new = &kinds(&model.layers) & &missing;
        if !new.is_empty() {
            agrees(Witness::OnnxRuntime, &tools, &model, &random_inputs(&model, count));
            println!("{new:?}: {count} inputs");
            missing = &missing - &new;
        }
    }
}
