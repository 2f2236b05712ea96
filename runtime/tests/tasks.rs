//! What networks are trained to: numbers, several labels, classes that count alike.

use ndarray::{Array2, ArrayView1, s};
use std::path::Path;
use strassenc_runtime::data::{Due, Split, Values, load_for};
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
        Split::of_targets(x, targets)
    };
    DataSet {
        name: "made".into(),
        shape: vec![6],
        further: vec![],
        classes: 0,
        class_names: None,
        notes: vec![],
        train: split(800, 1),
        test: split(200, 9),
    }
}

fn measures(model: &Model, split: &Split) -> Measures {
    let inputs = split.x.integers(&model.columns()).unwrap();
    let outputs = golden::outputs(model, inputs.view(), &|| Ok(())).unwrap();
    let unit = f64::powi(2.0, -model.output_frac());
    let task = model.provenance.recipe().task(None);
    Measures::of(&task, outputs.view(), |v| v as f64 * unit, split.due(0))
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

/// A network whose last layer says two numbers, one of its heads one class of three, and another a
/// number.
fn with_heads(train: &str) -> Result<Network> {
    let head = |name: &str, units: usize| {
        format!(
            "{{ head = {{ name = \"{name}\", layers = [{{ dense = {{ units = {units} }} }}] }} }}"
        )
    };
    let text = format!(
        "name = \"task\"\ninput = {{ shape = [6], bits = 8, frac = 6, signed = true }}\n\
         layers = [{{ dense = {{ units = 16 }} }}, \"relu\", {}, {}, \
         {{ dense = {{ units = 2 }} }}]\n\
         [train]\nbatch = 32\nvalidation = 0.1\nloss = \"squared\"\n{train}\n\
         full = {{ epochs = 12, learning_rate = 0.02 }}\n\
         ternary = {{ epochs = 12, learning_rate = 0.02 }}\n\
         frozen = {{ epochs = 2, learning_rate = 1e-3 }}\n",
        head("class", 3),
        head("sum", 1)
    );
    Network::parse("task.toml", &text)
}

/// Data for it.
fn with_dues() -> DataSet {
    let mut data = data(|x| [5.0 * x[0] + x[4], x[1] - x[5]]);
    for split in [&mut data.train, &mut data.test] {
        let x = split.x.doubles().into_owned();
        let class =
            |x: ArrayView1<f64>| u32::from(x[0] > 0.0) + u32::from(x[0] > 0.0 && x[1] > 0.0);
        let sum = x.outer_iter().map(|x| 100.0 + 40.0 * (x[2] + x[3]));
        let sum = Array2::from_shape_vec((x.nrows(), 1), sum.collect()).unwrap();
        let classes = x.outer_iter().map(class).collect();
        split.heads = vec![Due::Classes(classes), Due::Values(sum)];
    }
    data
}

#[test]
fn heads_learn_beside_the_last_layer() {
    let (data, folder) = (with_dues(), tempfile::tempdir().unwrap());
    let network = with_heads("heads = { sum = { loss = \"squared\", weight = 0.5 } }").unwrap();
    let run = folder.path().join("run");
    let (summary, model) = train(&network, &data, &run).unwrap();
    let model = model.unwrap();
    let inputs = data.test.x.integers(&model.columns()).unwrap();
    let outputs = golden::outputs(&model, inputs.view(), &|| Ok(())).unwrap();
    let reals = train::fake_quantised(&model, data.test.x.doubles().view()).unwrap();
    let recipe = model.provenance.recipe();
    let (fracs, names) = (model.output_fracs(), [None, Some("class"), Some("sum")]);
    for (k, columns) in [0..2, 2..5, 5..6].into_iter().enumerate() {
        let unit = f64::powi(2.0, -fracs[columns.start]);
        let own = s![.., columns];
        // Each output is golden's, in units of its own.
        let (z, y) = (outputs.slice(own), reals.slice(own));
        assert!(z.iter().zip(y).all(|(z, y)| *z as f64 * unit == *y));
        let task = recipe.task(names[k]);
        let due = data.test.due(k);
        let judged = Measures::of(&task, z, |v| v as f64 * unit, due).judged();
        assert!(judged > 0.9, "{k}: {judged}");
        let told = match k.checked_sub(1) {
            None => summary.integer_accuracy,
            Some(head) => summary.heads[head].integer_accuracy,
        };
        assert!((told.unwrap() - judged).abs() < 1e-9, "{k}: {told:?}, {judged}");
    }
    let recorded = &model.provenance.metrics["test_accuracy_integer_class"];
    assert_eq!(Some(*recorded), summary.heads[0].integer_accuracy);
    let Scaling { offset, scale } = recipe.task(Some("sum")).targets.unwrap();
    assert!((offset[0] - 100.0).abs() < 5.0 && (20.0..50.0).contains(&scale[0]));
    // Ordinary networks teach all of their outputs, however much each counts.
    let heads = "heads = { class = { weight = 0.5 }, sum = { loss = \"squared\" } }";
    let network = with_heads(heads).unwrap();
    let sources = Sources { teacher: Some(&run), ..Sources::default() };
    let (start, mut never) = (Start::New, Stop(usize::MAX));
    let taught = folder.path().join("taught");
    let (summary, _) =
        train::run::<ImageLearner>(&network, &data, &taught, start, sources, &mut never).unwrap();
    assert!(summary.heads.iter().all(|head| head.integer_accuracy.unwrap() > 0.85), "{summary:?}");
}

/// The loss of a head is as much of what is learned as its weight says.
#[test]
fn a_head_counts_by_its_weight() {
    let (data, folder) = (with_dues(), tempfile::tempdir().unwrap());
    let of_sum = |weight: &str| {
        let task = format!("sum = {{ loss = \"squared\", weight = {weight} }}");
        let mut network = with_heads(&format!("heads = {{ {task} }}")).unwrap();
        network.train.full_precision = true;
        network.train.full.epochs = 3;
        let run = folder.path().join(weight);
        let (summary, _) = train(&network, &data, &run).unwrap();
        (summary.heads[1].float_accuracy, summary.heads[1].measure)
    };
    let [(hardly, _), (well, measure)] = [of_sum("1e-6"), of_sum("3")];
    assert!(hardly < 0.8 && well > 0.95 && measure == Measure::R2, "{hardly}, {well}");
}

#[test]
fn what_does_not_fit_a_head_is_refused() {
    let (data, folder) = (with_dues(), tempfile::tempdir().unwrap());
    let of_sum = "heads = { sum = { loss = \"squared\" } }";
    type Edit = fn(&mut DataSet);
    let edits: [(&str, Edit, &str); 5] = [
        (of_sum, |data| data.train.heads.clear(), "head `class`: has nothing that is due"),
        (
            of_sum,
            |data| data.train.heads[0] = Due::Classes(vec![3; 800]),
            "has 4 classes, for 3 outputs",
        ),
        (
            of_sum,
            |data| data.train.heads[1] = Due::Values(Array2::zeros((800, 2))),
            "has 2 numbers a sample, for 1 outputs",
        ),
        (
            "heads = { sum = { loss = \"binary_cross_entropy\" } }",
            |_| (),
            "head `sum`: sample 0 has",
        ),
        ("", |data| data.train.heads[1] = Due::Classes(vec![1; 800]), "has 2 classes, for 1 out"),
    ];
    for (recipe, edit, told) in edits {
        let mut data = data.clone();
        edit(&mut data);
        let run = folder.path().join("run");
        let error =
            train(&with_heads(recipe).unwrap(), &data, &run).map(drop).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(!run.exists(), "nothing is left behind");
    }
    for (recipe, told) in [
        ("heads = { mask = {} }", "the network has no head `mask`\n  help: its heads: class, sum"),
        ("heads = { sum = { weight = 0 } }", "weight = 0 is out of range"),
        ("heads = { sum = { targets = { offset = [0], scale = [1] } } }", "loss is of classes"),
    ] {
        let error = with_heads(recipe).unwrap_err().to_string();
        assert!(error.contains(told), "{recipe}: {error}");
    }
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

/// What a network has of a further input is learned, kept by the run, and golden's.
#[test]
fn a_further_input_is_learned() {
    // Half of what is due enters apart from the rest, in a format of its own.
    let both = data(|x| [5.0 * x[0] + x[4], x[1] - x[5]]);
    let text = "name = \"two\"\ninput = { shape = [4], bits = 8, frac = 6, signed = true }\n\
         layers = [{ concat = { body = [{ dense = { units = 12 } }], shortcut = [\n\
         { input = { name = \"rest\", shape = [2], bits = 9, frac = 7, signed = true } },\n\
         { dense = { units = 6 } }] } }, \"relu\", { dense = { units = 2 } }]\n\
         [train]\nbatch = 32\nloss = \"squared\"\nfull = { epochs = 12, learning_rate = 0.02 }\n\
         ternary = { epochs = 12, learning_rate = 0.02 }\n\
         frozen = { epochs = 2, learning_rate = 1e-3 }\n";
    let network = Network::parse("two.toml", text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = train(&network, &both, &folder.path().join("none")).unwrap_err().to_string();
    assert!(told.contains("has the further inputs none, the network takes rest"), "{told}");
    let further = vec![("rest".to_owned(), vec![2])];
    let data = DataSet { shape: vec![4], further, ..both };
    let run = folder.path().join("run");
    let (summary, model) = train(&network, &data, &run).unwrap();
    let model = model.unwrap();
    let inputs = data.test.x.integers(&model.columns()).unwrap();
    assert!(inputs.column(5).iter().any(|v| *v > 100), "in units of 2^-7");
    let Measures::Numbers { r2, .. } = measures(&model, &data.test) else { panic!() };
    assert!(r2 > 0.9 && (summary.integer_accuracy.unwrap() - r2).abs() < 1e-9, "{r2}");
    // The run begins another one, and teaches it.
    let sources = Sources { teacher: Some(&run), from: Some(&run), ..Sources::default() };
    let (start, mut never) = (Start::New, Stop(usize::MAX));
    let taught = folder.path().join("taught");
    let (summary, _) =
        train::run::<ImageLearner>(&network, &data, &taught, start, sources, &mut never).unwrap();
    assert!(summary.integer_accuracy.unwrap() > 0.9, "{summary:?}");
}
