//! Networks of other programs: what is imported computes what ONNX Runtime does, and what is not is
//! refused with its place. `tests/onnx/make.py` made the files.

use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use strassenc::tools::{Component, Tools};
use strassenc_runtime::data::npy::{self, Npy};
use strassenc_runtime::data::{DataSet, Split};
use strassenc_runtime::network::plan::Linear;
use strassenc_runtime::onnx::{self, Imported, Options};
use strassenc_runtime::train::{
    self, Epoch, ImageCheckpoint, ImageLearner, Observer, Progress, Sources, Start,
};
use strassenc_runtime::{Error, Network, golden};
use strassenc_tests::{root, snapshot};

const SAMPLES: usize = 200;

fn files(folder: &str) -> Vec<PathBuf> {
    let all = root().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    all.sort();
    assert!(all.len() > 6, "{all:?}");
    all
}

fn options(ratio: f64, p: usize) -> Options {
    Options { name: "net".into(), bits: 8, frac: 8, signed: false, ratio, p }
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Samples of the input format, `[n, elements]`, in the order of the network.
fn samples(network: &Network, n: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let elements = network.input.elements();
    Array2::from_shape_simple_fn((n, elements), || rng.random_range(0..256) as f32 / 256.0)
}

/// What ONNX Runtime computes for samples in the order of the network.
fn witness(tools: &Tools, path: &Path, imported: &Imported, x: &Array2<f32>) -> Array2<f64> {
    let mut theirs = Array2::<i64>::zeros(x.dim());
    for (own, at) in imported.order.iter().enumerate() {
        theirs.column_mut(*at).assign(&x.column(own).mapv(|v| (256.0 * v) as i64));
    }
    let folder = tempfile::tempdir().unwrap();
    let [inputs, outputs] = ["x.npy", "y.npy"].map(|name| folder.path().join(name));
    std::fs::write(&inputs, npy::to_bytes(&theirs.view())).unwrap();
    let mut python = tools.onnxruntime().unwrap().command();
    python.arg(root().join("tests/onnx/run.py")).args([path, &inputs]).arg("-o").arg(&outputs);
    tools.run_ok(&mut python).unwrap();
    Npy::read(&outputs).unwrap().values(0).unwrap().doubles().into_owned()
}

fn assert_close(a: &Array2<f32>, b: &Array2<f64>, told: &str) {
    assert_eq!(a.dim(), b.dim(), "{told}");
    for (a, b) in a.iter().zip(b) {
        assert!((f64::from(*a) - b).abs() < 1e-4 * b.abs().max(1.0), "{told}: {a} against {b}");
    }
}

/// The teacher computes what ONNX Runtime does; so does the run, where r reaches the rank of every
/// matrix, for any patch.
#[test]
fn imported_networks_compute_what_onnx_runtime_does() {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("onnxruntime").unwrap()).unwrap();
    for path in files("tests/onnx") {
        for (ratio, p) in [(1.0, 1), (2.0, 1), (9.0, 2)] {
            let imported = onnx::import(&path, &options(ratio, p)).unwrap();
            let x = samples(&imported.network, SAMPLES);
            let y = witness(&tools, &path, &imported, &x);
            assert!(y.std_axis(Axis(0), 0.0).iter().any(|s| *s > 1e-3), "{path:?}: constant");
            let folder = tempfile::tempdir().unwrap();
            let run = folder.path().join("run");
            let Imported { network, weights, .. } = &imported;
            train::import(network, weights, &run, Start::New, |_| Ok(())).unwrap();
            // All pixels of a patch have one budget: those of a transposed layer as well.
            let reaches = network.linear().iter().all(|step| {
                let rows = |linear: &Linear| linear.patch.area() * step.output.channels;
                step.linear().is_some_and(|linear| linear.r >= rows(linear))
            });
            assert!(reaches || name(&path).starts_with("growing") && ratio < 9.0, "{path:?}");
            let checkpoints = ["teacher.safetensors", "checkpoint.safetensors"];
            for checkpoint in &checkpoints[..1 + usize::from(reaches)] {
                let checkpoint = run.join(checkpoint);
                let told = format!("{} with ratio {ratio}, p {p}", checkpoint.display());
                let outputs = ImageCheckpoint::load(&checkpoint).unwrap();
                let mut outputs = outputs.float_outputs(x.view()).unwrap();
                if imported.nodes.iter().any(|fate| fate.operator == "Softmax") {
                    outputs.mapv_inplace(f32::exp);
                    outputs.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
                }
                assert_close(&outputs, &y, &format!("{path:?}: {told}"));
            }
        }
    }
}

/// Work that is ended between two layers leaves nothing.
#[test]
fn an_interrupted_import_leaves_no_run() {
    let path = root().join("tests/onnx/residual.onnx");
    let Imported { network, weights, .. } = onnx::import(&path, &options(1.0, 1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let stop = |layers| if layers < 2 { Ok(()) } else { Err(Error::input("import", "ended")) };
    let error = train::import(&network, &weights, &run, Start::New, stop).unwrap_err();
    assert_eq!(error.cause(), "ended");
    assert!(!run.join("checkpoint.safetensors").exists());
    train::import(&network, &weights, &run, Start::New, |_| Ok(())).unwrap();
}

struct Quiet;

impl Observer for Quiet {
    fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
        true
    }
    fn epoch(&mut self, _: &Epoch, _: bool) {}
    fn warn(&mut self, _: &str) {}
}

/// An imported run meets its data, with a recipe of that moment, and ends in a model.
#[test]
fn imported_runs_are_trained() {
    for path in files("tests/onnx") {
        let Imported { mut network, weights, .. } = onnx::import(&path, &options(1.0, 1)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        train::import(&network, &weights, &run, Start::New, |_| Ok(())).unwrap();
        let x = samples(&network, 64);
        let labels = (0..64).map(|i| i % 4).collect();
        let split = Split::of_classes(x.into(), labels);
        let data = DataSet {
            name: "made".into(),
            shape: network.input.shape.clone(),
            further: vec![],
            classes: 4,
            class_names: None,
            notes: vec![],
            train: split.clone(),
            test: split,
        };
        let recipe = &mut network.train;
        (recipe.full.epochs, recipe.ternary.epochs, recipe.frozen.epochs) = (1, 1, 1);
        let none = Sources::default();
        let trained = |network: &Network| {
            train::run::<ImageLearner>(network, &data, &run, Start::Resume, none, &mut Quiet)
        };
        let (_, model) = trained(&network).unwrap();
        let model = model.unwrap();
        let vector = vec![1; network.input.elements()];
        assert_eq!(golden::infer(&model, &vector).unwrap().len(), 4, "{path:?}");
        // With its data it has its recipe.
        network.train.seed += 1;
        assert!(trained(&network).unwrap_err().to_string().contains("another"), "{path:?}");
    }
}

/// Each file in `refused/` with what is said of it, and the layers of the others.
#[test]
fn networks_are_refused_with_their_place() {
    let base = root().canonicalize().unwrap();
    let mut told = String::new();
    for path in files("tests/onnx/refused") {
        let error = onnx::import(&path, &options(1.0, 1)).map(|i| i.network).unwrap_err();
        let error = error.to_string().replace(&*root().to_string_lossy(), "");
        let error = error.replace(&*base.to_string_lossy(), "");
        told += &format!("{}:\n{error}\n\n", name(&path));
    }
    for path in files("tests/onnx") {
        told += &format!("{}:\n", name(&path));
        for fate in onnx::import(&path, &options(1.0, 1)).unwrap().nodes {
            told += &format!("  {:<20} {}\n", fate.operator, fate.became);
        }
        told += "\n";
    }
    snapshot("import", told.trim_end());
}

/// Bytes that were changed or cut are refused, or read as another network: nothing panics, and
/// nothing is written where something is refused.
#[test]
fn damaged_files_are_no_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.onnx");
    let mut refused = 0;
    for path in files("tests/onnx") {
        let bytes = std::fs::read(&path).unwrap();
        for round in 0..400 {
            let mut bytes = bytes.clone();
            if round % 4 == 0 {
                bytes.truncate(rng.random_range(0..bytes.len()));
            } else {
                // What is not weights is most worth changing: of each file a half at most.
                for _ in 0..rng.random_range(1..6) {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = rng.random();
                }
            }
            std::fs::write(&damaged, &bytes).unwrap();
            refused += usize::from(onnx::import(&damaged, &options(1.0, 1)).is_err());
        }
    }
    assert!(refused > 500, "{refused}");
    let run = folder.path().join("run");
    std::fs::write(&damaged, b"\x08\x07\x12\x07pytorch").unwrap();
    let words = ["strassenc", "import"].map(Into::into).into_iter();
    let words = words.chain([damaged.into(), "-o".into(), run.clone().into_os_string()]);
    assert_eq!(strassenc::cli::main(words), 2);
    assert!(!run.exists());
}
