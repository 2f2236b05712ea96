//! What networks are trained to: numbers, several labels, classes that count alike.

use ndarray::{Array2, ArrayView1};
use std::path::Path;
use strassenc_runtime::data::{Split, Values, load_for};
use strassenc_runtime::network::{Loss, Measure, Scaling};
use strassenc_runtime::train::{self, Epoch, ImageLearner, Measures, Observer, Progress, Sources};
use strassenc_runtime::train::{Start, Summary};
use strassenc_runtime::{DataSet, Kind, Model, Network, Result, golden};

/// Stops a run after some steps.
struct Stop(usize);

impl Observer for Stop {
    fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
        self.0 -= 1;
        self.0 > 0
    }
    fn epoch(&mut self, _: &Epoch, _: bool) {}
    fn warn(&mut self, _: &str) {}
}

fn train(network: &Network, data: &DataSet, folder: &Path) -> Result<(Summary, Option<Model>)> {
    let sources = Sources::default();
    let mut never = Stop(usize::MAX);
    train::run::<ImageLearner>(network, data, folder, Start::New, sources, &mut never)
}

/// A network of 6 inputs that is trained to this, 2 outputs.
fn network(train: &str) -> Network {
    let text = format!(
        "name = \"task\"\ninput = {{ shape = [6], bits = 8, frac = 6, signed = true }}\n\
         layers = [{{ dense = {{ units = 16 }} }}, \"relu\", {{ dense = {{ units = 2 }} }}]\n\
         [train]\nbatch = 32\nvalidation = 0.1\n{train}\n\
         full = {{ epochs = 12, learning_rate = 0.02 }}\n\
         ternary = {{ epochs = 12, learning_rate = 0.02 }}\n\
         frozen = {{ epochs = 2, learning_rate = 1e-3 }}\n"
    );
    Network::parse("task.toml", &text).unwrap()
}

/// Samples within -1..1, and what is due of them.
fn data(due: impl Fn(ArrayView1<f64>) -> [f64; 2]) -> DataSet {
    let split = |n: usize, seed: usize| {
        let x = Array2::from_shape_fn((n, 6), |(i, j)| {
            let word = ((i + 1) * 2_654_435_761 + (j + seed) * 40_503) % 65_521;
            (word % 128) as f64 / 64.0 - 1.0
        });
        let targets = Array2::from_shape_fn((n, 2), |(i, k)| due(x.row(i))[k]);
        let x = Values::from(x.mapv(|v| v as f32));
        Split { x, labels: vec![], targets: Some(targets) }
    };
    DataSet {
        name: "made".into(),
        shape: vec![6],
        classes: 0,
        class_names: None,
        notes: vec![],
        train: split(800, 1),
        test: split(200, 9),
    }
}

fn measures(model: &Model, split: &Split) -> Measures {
    let inputs = split.x.integers(model.input.format).unwrap();
    let outputs = golden::outputs(model, inputs.view(), &|| Ok(())).unwrap();
    let unit = f64::powi(2.0, -model.output_frac());
    Measures::of(&model.provenance.recipe(), outputs.view(), |v| v as f64 * unit, split)
}

#[test]
fn a_network_is_trained_to_numbers_in_their_own_units() {
    // Far from 0, and of scales that differ.
    let data = data(|x| [1000.0 + 30.0 * x[0] - 20.0 * x[1], 0.02 * (x[2] * x[2] + x[3])]);
    for loss in [Loss::Squared, Loss::Absolute] {
        let network = network(&format!("loss = \"{}\"", loss.key()));
        let folder = tempfile::tempdir().unwrap();
        let (summary, model) = train(&network, &data, &folder.path().join("run")).unwrap();
        let model = model.unwrap();
        assert_eq!(summary.measure, Measure::R2);
        let Measures::Numbers { r2, rmse, .. } = measures(&model, &data.test) else { panic!() };
        assert!(summary.float_accuracy > 0.9 && r2 > 0.9 && rmse < 8.0, "{loss:?}: {r2}, {rmse}");
        // What the run says of the integers is what golden's outputs say.
        assert!((summary.integer_accuracy.unwrap() - r2).abs() < 1e-9);
        let recorded = model.provenance.metrics["test_r2_integer"];
        assert!((recorded - r2).abs() < 1e-9);
        let Scaling { offset, scale } = model.provenance.recipe().targets.unwrap();
        assert!((offset[0] - 1000.0).abs() < 5.0 && (10.0..40.0).contains(&scale[0]));
        assert!(offset[1].abs() < 0.02 && scale[1] < 0.1);
    }
}

#[test]
fn a_regression_resumes_bit_for_bit_and_teaches_itself() {
    let data = data(|x| [5.0 * x[0] + x[4], x[1] - x[5]]);
    let network = network("loss = \"squared\"\nkeep_best = true\nema = 0.9");
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts, taught] = ["whole", "parts", "taught"].map(|name| folder.path().join(name));
    train(&network, &data, &whole).unwrap();
    let mut start = Start::New;
    for after in (0..).map(|i: usize| [111, 37, 202][i % 3]) {
        let (sources, mut stop) = (Sources::default(), Stop(after));
        match train::run::<ImageLearner>(&network, &data, &parts, start, sources, &mut stop) {
            Ok(_) => break,
            Err(e) => assert_eq!(e.kind(), Kind::Interrupted, "{e}"),
        }
        start = Start::Resume;
    }
    let model = |run: &Path| std::fs::read(run.join(train::MODEL)).unwrap();
    assert!(model(&whole) == model(&parts));
    let sources = Sources { teacher: Some(&whole), ..Sources::default() };
    let (summary, _) = train::run::<ImageLearner>(
        &network,
        &data,
        &taught,
        Start::New,
        sources,
        &mut Stop(usize::MAX),
    )
    .unwrap();
    assert!(summary.integer_accuracy.unwrap() > 0.9, "{summary:?}");
    // Numbers of another scale are other numbers, and so is their teacher.
    let mut other = data.clone();
    other.train.targets.iter_mut().for_each(|targets| *targets *= 2.0);
    let sources = Sources { teacher: Some(&whole), ..Sources::default() };
    let path = folder.path().join("other");
    let error = train::run::<ImageLearner>(
        &network,
        &other,
        &path,
        Start::New,
        sources,
        &mut Stop(usize::MAX),
    )
    .unwrap_err();
    assert!(error.to_string().contains("is trained to another loss, or to other numbers"));
    assert!(!path.exists(), "nothing is left behind");
}

#[test]
fn a_network_is_trained_to_several_labels() {
    let holds = |v: f64| f64::from(u8::from(v > 0.0));
    let data = data(|x| [holds(x[0] - x[1]), holds(x[2] + 0.5)]);
    let network = network("loss = \"binary_cross_entropy\"");
    let folder = tempfile::tempdir().unwrap();
    let (summary, model) = train(&network, &data, &folder.path().join("run")).unwrap();
    let Measures::Labels { accuracy, f1, .. } = measures(&model.unwrap(), &data.test) else {
        panic!()
    };
    assert!(accuracy > 0.85 && f1 > 0.9, "{accuracy}, {f1}");
    assert_eq!(summary.integer_accuracy, Some(accuracy));
    assert_eq!(summary.measure, Measure::AllLabels);
}

#[test]
fn what_does_not_fit_a_loss_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [table, words] = ["table.csv", "words.csv"].map(|name| folder.path().join(name));
    std::fs::write(&table, "a,b,y,z\n".to_owned() + &"1,2,0.5,1\n3,4,1.5,0\n".repeat(6)).unwrap();
    std::fs::write(&words, "1,2,cat\n".repeat(6)).unwrap();
    let (table, words) = (table.display(), words.display());
    let load = |loss, spec: &str| load_for(loss, spec, Path::new("/nowhere"));
    for (loss, spec, told) in [
        (Loss::Squared, "digits".to_owned(), "one class a sample, which the loss `squared`"),
        (Loss::Squared, format!("csv:{words}"), "sample 0 has `cat`, no number"),
        (Loss::CrossEntropy, format!("csv:{table},label=y,label=z"), "given several labels"),
        (Loss::Squared, format!("csv:{table},label=y,label=3"), "named as a label twice"),
        (Loss::Squared, format!("csv:{table},label=1,label=2,label=3,label=4"), "a single column"),
    ] {
        let error = load(loss, &spec).unwrap_err().to_string();
        assert!(error.contains(told), "{spec}: {error}");
    }
    let two = load(Loss::Squared, &format!("csv:{table},label=z,label=y")).unwrap();
    assert_eq!(two.shape, [2]);
    let targets = two.train.targets.as_ref().unwrap();
    assert_eq!((targets.dim(), targets[[0, 0]], targets[[1, 1]]), ((10, 2), 0.5, 0.0));
    let refused = |train_by: &str, data: &DataSet| {
        let mut network = network(train_by);
        network.input.shape = data.shape.clone();
        train(&network, data, &folder.path().join("run")).map(drop).unwrap_err().to_string()
    };
    let one = load(Loss::Squared, &format!("csv:{table},label=y")).unwrap();
    for (train_by, data, told) in [
        ("loss = \"squared\"", &one, "has 2 outputs, data set `table` has 1 numbers a sample"),
        ("loss = \"binary_cross_entropy\"", &two, "has 0.5 for label 0, not 0 or 1"),
    ] {
        let error = refused(train_by, data);
        assert!(error.contains(told), "{error}");
    }
    let parse = |train_by: &str| {
        let text = format!(
            "name = \"task\"\ninput = {{ shape = [6], bits = 8, frac = 6 }}\n\
             layers = [{{ dense = {{ units = 2 }} }}]\n[train]\n{train_by}\n"
        );
        Network::parse("task.toml", &text).unwrap_err().to_string()
    };
    for (train_by, told) in [
        ("loss = \"squared\"\nlabel_smoothing = 0.1", "is for samples of one class each"),
        ("loss = \"squared\"\nclass_weights = \"balanced\"", "is for samples of one class each"),
        ("targets = { offset = [0], scale = [1] }", "the loss is of classes"),
        ("loss = \"squared\"\ntargets = { offset = [0], scale = [1] }", "1 numbers for 2 outputs"),
        ("loss = \"squared\"\ntargets = { offset = [0, 0], scale = [1, 0] }", "above 0"),
    ] {
        let error = parse(train_by);
        assert!(error.contains(told), "{train_by}: {error}");
    }
    assert!(!folder.path().join("run").exists(), "nothing is left behind");
}
