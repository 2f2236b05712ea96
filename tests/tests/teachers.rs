//! Teachers in ONNX: what ONNX Runtime teaches is what the same network of ours does, and a run
//! keeps it. `tests/onnx/make.py` made the files.

use ndarray::{Array2, ArrayView1, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use strassenc::tools::{Component, Tools};
use strassenc::witness;
use strassenc_runtime::data::{self, DataSet, Split};
use strassenc_runtime::onnx::{self, Classifier, Imported, Options};
use strassenc_runtime::shape::Shape;
use strassenc_runtime::train::{
    self, Epoch, ImageCheckpoint, ImageLearner, Observer, Progress, Sources, Start,
};
use strassenc_runtime::{Error, Kind, Network, model_file};
use strassenc_tests::{root, snapshot};

/// The tools, with ONNX Runtime.
fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("onnxruntime").unwrap()).unwrap();
    tools
}

fn by(teacher: &Path) -> Sources<'_> {
    let onnx: onnx::Run =
        |file, axes, ahead| witness::teacher(&strassenc_tests::tools(), file, axes, ahead);
    Sources { teacher: Some(teacher), onnx: Some(onnx), ..Sources::default() }
}

/// Stops the run after as many steps.
struct Stop(usize);

impl Observer for Stop {
    fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
        self.0 -= 1;
        self.0 > 0
    }
    fn epoch(&mut self, _: &Epoch, _: bool) {}
    fn warn(&mut self, warning: &str) {
        assert!(!warning.contains("teacher"), "{warning}");
    }
}

fn train(
    network: &Network,
    data: &DataSet,
    run: &Path,
    start: Start,
    sources: Sources,
    steps: usize,
) -> Result<(), Error> {
    let stop = &mut Stop(steps);
    train::run::<ImageLearner>(network, data, run, start, sources, stop).map(|_| ())
}

fn made(x: Array2<f32>, labels: Vec<u32>, shape: &[usize]) -> DataSet {
    let split = Split::of_classes(x.into(), labels);
    DataSet {
        name: "made".into(),
        shape: shape.to_vec(),
        further: vec![],
        classes: 4,
        class_names: None,
        notes: vec![],
        train: split.clone(),
        test: split,
    }
}

fn imported(name: &str) -> (PathBuf, Imported) {
    let path = root().join(format!("tests/onnx/{name}.onnx"));
    let options = Options { name: "net".into(), bits: 8, frac: 8, signed: false, ratio: 1.0, p: 1 };
    let imported = onnx::import(&path, &options).unwrap();
    (path, imported)
}

/// The run of an imported network, and its teacher.
fn begun(imported: &Imported, run: &Path) -> PathBuf {
    train::import(&imported.network, &imported.weights, run, Start::New, |_| Ok(())).unwrap();
    run.join("teacher.safetensors")
}

/// Samples of black and white, of each of which every channel has its own share.
fn samples(network: &Network) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut x = Array2::zeros((300, network.input.elements()));
    for mut sample in x.rows_mut() {
        let shares: [f32; 6] = rng.random();
        for (j, v) in sample.iter_mut().enumerate() {
            *v = if rng.random::<f32>() < shares[j % 6] { 255.0 / 256.0 } else { 0.0 };
        }
    }
    x
}

/// ONNX Runtime has the logits of the imported network, channels first or last, of one axis or
/// two, of probabilities too; whatever lay beside the file is in what the run keeps of it.
#[test]
fn teachers_have_the_logits_of_the_imported_network() {
    let run: onnx::Run = by(Path::new("")).onnx.unwrap();
    tools();
    for name in ["mlp", "cnn", "groups", "signal", "residual", "hand", "products"] {
        let (path, imported) = imported(name);
        let folder = tempfile::tempdir().unwrap();
        let teacher = begun(&imported, folder.path());
        let x = samples(&imported.network);
        let mut ours = ImageCheckpoint::load(&teacher).unwrap().float_outputs(x.view()).unwrap();
        let classifier = Classifier::read(&path).unwrap();
        let shape = Shape::of(&imported.network.axes());
        let mut theirs = classifier.start(run, shape, 4, 0).unwrap().logits(x.view()).unwrap();
        for logits in [&mut ours, &mut theirs] {
            logits.rows_mut().into_iter().for_each(|mut row| row -= row[0]);
        }
        assert!(ours.std_axis(Axis(0), 0.0).iter().any(|s| *s > 1e-3), "{name}: constant");
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{name}: {a} against {b}");
        }
    }
}

/// A run that ONNX Runtime teaches is that which the imported network does, of samples that are
/// moved by chance too.
#[test]
fn onnx_runtime_teaches_as_the_imported_network_does() {
    tools();
    for name in ["cnn", "hand"] {
        let (path, imported) = imported(name);
        let folder = tempfile::tempdir().unwrap();
        let [run, ours, theirs] = ["run", "ours", "theirs"].map(|name| folder.path().join(name));
        let teacher = begun(&imported, &run);
        let mut network = imported.network;
        let x = samples(&network);
        let y = ImageCheckpoint::load(&teacher).unwrap().float_outputs(x.view()).unwrap();
        let largest = |row: ArrayView1<f32>| {
            (0..4).max_by(|a, b| row[*a as usize].total_cmp(&row[*b as usize])).unwrap()
        };
        let labels = y.rows().into_iter().map(largest).collect();
        let data = made(x, labels, &network.input.shape.clone());
        let recipe = &mut network.train;
        (recipe.full.epochs, recipe.ternary.epochs, recipe.frozen.epochs) = (1, 1, 1);
        (recipe.distill.lambda, recipe.distill.temperature) = (1.0, 2.0);
        recipe.batch = 50;
        for shift in [0, 1] {
            network.train.shift = shift;
            for (run, teacher) in [(&ours, &teacher), (&theirs, &path)] {
                train(&network, &data, run, Start::Overwrite, by(teacher), usize::MAX).unwrap();
            }
            let [a, b] = [&ours, &theirs].map(|run| train::history(run).unwrap());
            assert_eq!((a.len(), b.len()), (3, 3));
            for (a, b) in a.iter().zip(&b) {
                let told = format!("{name} with shift {shift}: {a:?} against {b:?}");
                assert!((a.loss - b.loss).abs() < 1e-3 * b.loss, "{told}");
            }
        }
    }
}

fn digits() -> (Network, DataSet) {
    let text = "name = \"small\"\ninput = { shape = [8, 8], bits = 5, frac = 4 }\nlayers = [{ \
        dense = { units = 12, r = 20 } }, \"relu\", { dense = { units = 10, r = 16 } }]\n\
        [train]\nfull = { epochs = 2, learning_rate = 1e-2 }\nternary = { epochs = 1, \
        learning_rate = 1e-2 }\nfrozen.epochs = 1\ndistill = { lambda = 0.7, temperature = 2 }\n";
    let network = Network::parse("small.toml", text).unwrap();
    (network, data::load("digits", Path::new("/nowhere")).unwrap())
}

/// A network that no layers of ours are, and that takes seven samples at a time, teaches; the run
/// keeps it, and goes on with it wherever it was stopped.
#[test]
fn a_run_keeps_its_teacher() {
    tools();
    let (mut network, data) = digits();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = root().join("tests/onnx/teachers/digits.onnx");
    let options = Options { name: "net".into(), bits: 5, frac: 4, signed: false, ratio: 1.0, p: 1 };
    assert!(onnx::import(&file, &options).unwrap_err().to_string().contains("HardSwish"));
    for shift in [0, 1] {
        network.train.shift = shift;
        let [whole, alone, parts] = ["whole", "alone", "parts"].map(path);
        train(&network, &data, &whole, Start::Overwrite, by(&file), usize::MAX).unwrap();
        let none = Sources::default();
        train(&network, &data, &alone, Start::Overwrite, none, usize::MAX).unwrap();
        let losses = |run: &Path| -> Vec<f64> {
            train::history(run).unwrap().iter().map(|epoch| epoch.loss).collect()
        };
        assert_ne!(losses(&whole), losses(&alone), "the teacher is of no effect");
        // The file that taught at first may go.
        let lent = path("lent.onnx");
        std::fs::copy(&file, &lent).unwrap();
        let mut stopped = 0;
        let (mut start, mut sources) = (Start::Overwrite, by(&lent));
        while let Err(e) = train(&network, &data, &parts, start, sources, 20) {
            assert_eq!(e.kind(), Kind::Interrupted, "{e}");
            let _ = std::fs::remove_file(&lent);
            (start, sources, stopped) =
                (Start::Resume, Sources { teacher: None, ..by(&lent) }, stopped + 1);
        }
        assert!(stopped > 2, "{stopped}");
        for name in ["model.safetensors", "metrics.csv", "teacher.onnx"] {
            let [a, b] = [&whole, &parts].map(|run| std::fs::read(run.join(name)).unwrap());
            assert!(a == b, "{name} with shift {shift}");
        }
        model_file::load(&parts.join("model.safetensors")).unwrap();
        // Another teacher would teach something else.
        std::fs::copy(root().join("tests/onnx/mlp.onnx"), parts.join("teacher.onnx")).unwrap();
        let error = train(&network, &data, &parts, Start::Resume, sources, 1).unwrap_err();
        assert!(error.to_string().contains("not the teacher that this run began with"), "{error}");
    }
}

/// What cannot teach is refused with its reason, and no run is begun.
#[test]
fn what_cannot_teach_is_told() {
    tools();
    let (network, data) = digits();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = root().join("tests/onnx/teachers/digits.onnx");
    let bytes = std::fs::read(&file).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(path(name), bytes).unwrap();
        path(name)
    };
    let replaced = |from: &[u8], to: &[u8]| {
        let mut bytes = bytes.clone();
        let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
        bytes[at..at + from.len()].copy_from_slice(to);
        bytes
    };
    let mut told = String::new();
    let mut refused = |network: &Network, data: &DataSet, teacher: &Path| {
        let run = path("run");
        let error = train(network, data, &run, Start::New, by(teacher), usize::MAX)
            .unwrap_err()
            .to_string();
        told += &(error
            .replace(&*folder.path().to_string_lossy(), "")
            .replace(&*root().to_string_lossy(), "")
            + "\n");
        assert!(!run.join("checkpoint.safetensors").exists() && !run.join("teacher.onnx").exists());
    };
    // Values that it does not know.
    let mut scaled = network.clone();
    scaled.input.frac = 16;
    refused(&scaled, &data, &file);
    // Other classes than it has, in shape or in meaning.
    let rows = Array2::from_shape_fn((40, 64), |(i, j)| (i * j % 16) as f32 / 16.0);
    let four = made(rows, (0..40).map(|i| i % 4).collect(), &[8, 8]);
    let mut few = network.clone();
    few.layers[2] = Network::parse(
        "few",
        "name = \"few\"\ninput = { shape = [4], bits = 5, frac = \
        4 }\nlayers = [{ dense = { units = 4 } }]\n",
    )
    .unwrap()
    .layers[0]
        .clone();
    refused(&few, &four, &file);
    let mut turned = data.clone();
    turned.train.labels.iter_mut().for_each(|label| *label = (*label + 5) % 10);
    refused(&network, &turned, &file);
    // Samples of another shape, or in an order that nobody knows.
    refused(&network, &data, &root().join("tests/onnx/cnn.onnx"));
    // What is no classifier, damaged, or too much for ONNX Runtime.
    refused(&network, &data, &write("integers.onnx", &integers()));
    refused(&network, &data, &write("cut.onnx", &bytes[..5000]));
    refused(&network, &data, &write("text.onnx", b"layers"));
    refused(&network, &data, &path("missing.onnx"));
    refused(&network, &data, &write("unknown.onnx", &replaced(b"HardSwish", b"HardSwash")));
    snapshot("teachers.txt", &told);
    let nobody = Sources { teacher: Some(&file), ..Sources::default() };
    assert!(train(&network, &data, &path("run"), Start::New, nobody, 1).is_err());
}

/// A network of integers, as `strassenc export` writes it.
fn integers() -> Vec<u8> {
    let model = root().join("runtime/models/digits.safetensors");
    onnx::to_bytes(&model_file::load(&model).unwrap()).unwrap()
}
