//! Training runs as a user sees them: what is in the folder, what may interrupt it, and that its
//! integers are golden's.

use ndarray::Array2;
use std::path::Path;
use strassenc_runtime::data::{self, DataSet, Split};
use strassenc_runtime::model::{Layer, Model};
use strassenc_runtime::train::{
    self, Coefficient, Epoch, ImageCheckpoint, Loadable, Observer, Progress, Ranges, Sources,
    Start, Summary,
};
use strassenc_runtime::{Error, Kind, Network, files, golden, model_file};

fn digits() -> DataSet {
    data::load("digits", Path::new("/nowhere")).unwrap()
}

fn network(edit: impl Fn(&mut Network)) -> Network {
    let text = "name = \"small\"\ninput = { shape = [8, 8], bits = 5, frac = 4 }\nlayers = [{ \
        dense = { units = 12, r = 20 } }, \"relu\", { dense = { units = 10, r = 16 } }]\n\
        [train]\nvalidation = 0.1\nshift = 1\nfull = { epochs = 2, learning_rate = 1e-2 }\nternary \
        = { epochs = 2, learning_rate = 1e-2 }\nfrozen.epochs = 1\n";
    let mut network = Network::parse("small.toml", text).unwrap();
    edit(&mut network);
    network
}

/// Stops the run after as many steps.
struct Stop {
    after: usize,
    warnings: Vec<String>,
}

impl Stop {
    fn never() -> Self {
        Stop { after: usize::MAX, warnings: Vec::new() }
    }
}

impl Observer for Stop {
    fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
        self.after -= 1;
        self.after > 0
    }

    fn epoch(&mut self, _: &Epoch, _: bool) {}

    fn warn(&mut self, warning: &str) {
        self.warnings.push(warning.into());
    }
}

fn train(network: &Network, data: &DataSet, folder: &Path) -> Result<(Summary, Model), Error> {
    train::run::<train::ImageLearner>(
        network,
        data,
        folder,
        Start::New,
        Sources::default(),
        &mut Stop::never(),
    )
    .map(|(summary, model)| (summary, model.unwrap()))
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = (folder.read_dir().unwrap())
        .map(|f| f.unwrap())
        .map(|f| (f.file_name().into_string().unwrap(), std::fs::read(f.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn interrupted_and_resumed_is_uninterrupted() {
    let (data, network) = (digits(), network(|_| ()));
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    train(&network, &data, &whole).unwrap();
    let mut start = Start::New;
    let mut interruptions = 0;
    // 20 steps an epoch: within epochs, at their ends, and across phases.
    loop {
        let mut stop = Stop { after: [7, 13, 20, 9, 24][interruptions % 5], warnings: Vec::new() };
        match train::run::<train::ImageLearner>(
            &network,
            &data,
            &parts,
            start,
            Sources::default(),
            &mut stop,
        ) {
            Ok(_) => break,
            Err(e) => assert_eq!(e.kind(), Kind::Interrupted, "{e}"),
        }
        start = Start::Resume;
        interruptions += 1;
    }
    assert_eq!(interruptions, 7);
    let names: Vec<_> = contents(&whole).into_iter().map(|f| f.0).collect();
    assert_eq!(
        names,
        [
            "checkpoint.safetensors",
            "curves.svg",
            "metrics.csv",
            "metrics.json",
            "model.safetensors",
            "network.toml"
        ]
    );
    assert!(contents(&whole) == contents(&parts));
    // A run that is done gives its result again.
    train::run::<train::ImageLearner>(
        &network,
        &data,
        &parts,
        Start::Resume,
        Sources::default(),
        &mut Stop::never(),
    )
    .unwrap();
    assert!(contents(&whole) == contents(&parts));
}

/// The recipe has everything that one can have.
#[test]
fn a_run_with_all_of_the_recipe_resumes_bit_for_bit() {
    let text = r#"name = "all"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [{ dense = { units = 12, r = 20 } }, "relu", { dense = { units = 10, r = 16 } }]
bits = { coefficient_terms = 2 }
[train]
quantiser = "fixed"
learn_scales = true
validation = 0.1
shift = 1
flip = true
cutout = 2
optimiser = "sgd"
nesterov = true
weight_decay = 1e-4
label_smoothing = 0.1
ema = 0.9
patience = 2
keep_best = true
full = { epochs = 3, learning_rate = 0.1, warmup = 0.5, schedule = { one_cycle = {} } }
ternary = { epochs = 3, learning_rate = 0.1, weight_decay = 0 }
frozen = { epochs = 2, learning_rate = 1e-2, warmup = 0.5 }
"#;
    let (data, network) = (digits(), Network::parse("all.toml", text).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let (summary, _) = train(&network, &data, &whole).unwrap();
    assert!(summary.integer_accuracy.unwrap() > 0.5, "{summary:?}");
    let mut start = Start::New;
    for after in (0..).map(|i: usize| [7, 13, 20, 9, 24][i % 5]) {
        let mut stop = Stop { after, warnings: Vec::new() };
        match train::run::<train::ImageLearner>(
            &network,
            &data,
            &parts,
            start,
            Sources::default(),
            &mut stop,
        ) {
            Ok(_) => break,
            Err(e) => assert_eq!(e.kind(), Kind::Interrupted, "{e}"),
        }
        start = Start::Resume;
    }
    assert!(contents(&whole) == contents(&parts));
    // What is averaged counts: another average is another model.
    let mut other = network.clone();
    other.train.ema = 0.8;
    train(&other, &data, &folder.path().join("other")).unwrap();
    let model =
        |run: &str| std::fs::read(folder.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("whole") != model("other"));
}

/// Keeps what was told of epochs.
struct Epochs(Vec<(Epoch, bool)>);

impl Observer for Epochs {
    fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
        true
    }

    fn epoch(&mut self, epoch: &Epoch, last: bool) {
        self.0.push((epoch.clone(), last));
    }

    fn warn(&mut self, _: &str) {}
}

/// With a step size that ruins more than it learns, phases end early, and in the state of their
/// best epochs.
#[test]
fn patience_ends_phases_and_the_best_epoch_is_kept() {
    let patient = |patience, keep_best, epochs| {
        network(|n| {
            (n.train.patience, n.train.keep_best, n.train.validation) = (patience, keep_best, 0.3);
            (n.train.full.epochs, n.train.ternary.epochs, n.train.frozen.epochs) = (0, epochs, 0);
            (n.train.ternary.learning_rate, n.train.ternary.warmup) = (0.02, 0.0);
            n.train.ternary.schedule = strassenc_runtime::network::Schedule::Constant;
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, network: &Network| {
        let mut told = Epochs(Vec::new());
        let path = folder.path().join(name);
        let (_, model) = train::run::<train::ImageLearner>(
            network,
            &digits(),
            &path,
            Start::New,
            Sources::default(),
            &mut told,
        )
        .unwrap();
        let json = std::fs::read(path.join("metrics.json")).unwrap();
        let records: Vec<Epoch> = serde_json::from_slice(&json).unwrap();
        assert_eq!(records, told.0.iter().map(|e| e.0.clone()).collect::<Vec<_>>());
        (told.0, model)
    };
    let (epochs, early) = run("early", &patient(2, true, 60));
    let accuracies: Vec<f64> = epochs.iter().map(|e| e.0.validation_accuracy.unwrap()).collect();
    let best = accuracies
        .iter()
        .enumerate()
        .fold(0, |best, (i, a)| if *a > accuracies[best] { i } else { best });
    assert!(epochs.len() < 60 && epochs.len() == best + 1 + 2, "{accuracies:?}");
    assert!(epochs.iter().enumerate().all(|(i, e)| e.1 == (i + 1 == epochs.len())));
    // A run that ends with that epoch has the same model.
    let (_, exact) = run("exact", &patient(0, false, best + 1));
    assert_eq!(early.unwrap().layers, exact.unwrap().layers);
}

#[test]
fn threads_do_not_change_a_bit_and_the_seed_does() {
    let folder = tempfile::tempdir().unwrap();
    let data = digits();
    // Wide enough for products to be cut into pieces.
    let wide = |seed| {
        network(|n| {
            n.train.seed = seed;
            n.train.batch = 256;
            n.layers[0] =
                strassenc_runtime::network::Layer::Dense(strassenc_runtime::network::Dense {
                    units: 100,
                    rank: None,
                    r: Some(200),
                    plain: None,
                    threshold: None,
                });
        })
    };
    let run = |name: &str, threads, seed| {
        let path = folder.path().join(name);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(&wide(seed), &data, &path)).unwrap();
        std::fs::read(path.join("model.safetensors")).unwrap()
    };
    let one = run("one", 1, 5);
    assert!(one == run("three", 3, 5));
    assert!(one != run("seed", 1, 6));
}

#[test]
fn the_trained_network_is_golden_s_integer_for_integer() {
    let folder = tempfile::tempdir().unwrap();
    let data = digits();
    let (summary, model) =
        train(&network(|n| n.train.shift = 0), &data, &folder.path().join("run")).unwrap();
    assert_eq!(model_file::load(&folder.path().join("run/model.safetensors")).unwrap(), model);
    let y = train::fake_quantised(&model, data.test.x.doubles().view()).unwrap();
    let inputs = data.test.x.integers(&model.columns()).unwrap();
    let Some(Layer::Dense(last)) = model.layers.last() else { unreachable!() };
    let mut correct = 0;
    for ((input, y), label) in inputs.rows().into_iter().zip(y.rows()).zip(&data.test.labels) {
        let integers = golden::infer(&model, &input.to_vec()).unwrap();
        assert_eq!(y.mapv(|v| (v * 2f64.powi(last.product_frac)) as i64).to_vec(), integers);
        correct += usize::from(golden::argmax(&integers) == *label as usize);
    }
    assert_eq!(correct as f64 / data.test.len() as f64, summary.integer_accuracy.unwrap());
    assert!(summary.integer_accuracy.unwrap() > 0.8, "{}", summary.integer_accuracy.unwrap());

    let float = ImageCheckpoint::load(&folder.path().join("run/checkpoint.safetensors")).unwrap();
    let y = float.float_outputs(data.test.x.singles().view()).unwrap();
    let best =
        |row: ndarray::ArrayView1<f32>| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let correct = y
        .rows()
        .into_iter()
        .zip(&data.test.labels)
        .filter(|(y, l)| best(y.view()) == **l as usize)
        .count();
    assert_eq!(correct as f64 / data.test.len() as f64, summary.float_accuracy);
    assert!(
        (summary.float_accuracy - summary.integer_accuracy.unwrap()).abs() < 0.03,
        "{summary:?}"
    );
}

/// A network of every kind of layer over images: interrupted, resumed, and golden's.
#[test]
fn a_network_of_images_trains_to_golden_s_integers() {
    let text = r#"name = "images"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [
    { conv2d = { channels = 6, kernel = 3, pad = 1, r = 8, p = 2 } },
    { leaky_relu = 3 },
    { residual = { body = [
        { conv2d = { channels = 8, kernel = 3, stride = 2, pad = 1 } },
    ], shortcut = [
        { max_pool = { size = 2 } },
        { conv2d = { channels = 8, kernel = 1 } },
    ] } },
    "relu6",
    { concat = { body = [
        { max_pool = { size = 2 } },
        { separable_conv2d = { channels = 3, kernel = 3, pad = 1 } },
        "tanh",
        { conv_transpose2d = { channels = 3, kernel = 4, stride = 2, pad = 1 } },
    ] } },
    { average_pool = { size = 2 } },
    { dense = { units = 10, r = 16 } },
]
[train]
seed = 2
validation = 0.1
shift = 1
quantiser = "row"
learn_scales = true
full = { epochs = 2, learning_rate = 1e-2 }
ternary = { epochs = 2, learning_rate = 1e-2 }
frozen = { epochs = 2, learning_rate = 6e-2, schedule = "constant" }
"#;
    let (data, network) = (digits(), Network::parse("images.toml", text).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let (summary, model) = train(&network, &data, &whole).unwrap();
    let mut start = Start::New;
    for after in [13, 50, 43] {
        let mut stop = Stop { after, warnings: Vec::new() };
        assert!(
            train::run::<train::ImageLearner>(
                &network,
                &data,
                &parts,
                start,
                Sources::default(),
                &mut stop
            )
            .is_err()
        );
        start = Start::Resume;
    }
    train::run::<train::ImageLearner>(
        &network,
        &data,
        &parts,
        start,
        Sources::default(),
        &mut Stop::never(),
    )
    .unwrap();
    assert!(contents(&whole) == contents(&parts));

    // Scales have moved: they are not the folded ones, which a run without phase 3 has.
    let mut folded = network.clone();
    folded.train.frozen.epochs = 0;
    let (_, folded) = train(&folded, &data, &folder.path().join("folded")).unwrap();
    let scales = |model: &Model| {
        let Layer::Branches(residual) = &model.layers[2] else { unreachable!() };
        [&residual.body, &residual.shortcut].map(|branch| branch.last().unwrap().output().cloned())
    };
    assert!(scales(&folded) != scales(&model), "{:?}", scales(&model));

    assert_eq!(model_file::load(&whole.join("model.safetensors")).unwrap(), model);
    let inputs = data.test.x.integers(&model.columns()).unwrap();
    let right = |(x, label): (ndarray::ArrayView1<i64>, &u32)| {
        golden::argmax(&golden::infer(&model, &x.to_vec()).unwrap()) == *label as usize
    };
    let correct = inputs
        .rows()
        .into_iter()
        .zip(&data.test.labels)
        .filter(|&(x, label)| right((x, label)))
        .count();
    assert_eq!(correct as f64 / data.test.len() as f64, summary.integer_accuracy.unwrap());
    assert!(summary.integer_accuracy.unwrap() > 0.7, "{summary:?}");
    assert_eq!(
        summary.multiplications,
        summary.layers.iter().map(|l| l.multiplications).sum::<u64>()
    );
    assert!(summary.multiplications <= 3 * 8 * 16 + (8 + 3 + 3) * 4 + 16);

    // An image stays whole: a list of inputs without the first pixel is damaged, and no panic.
    let mut bytes = std::fs::read(whole.join("checkpoint.safetensors")).unwrap();
    let list = b"\\\"live\\\":[0,1";
    let at = bytes.windows(list.len()).position(|w| w == list).unwrap() + list.len() - 3;
    bytes[at..at + 2].copy_from_slice(b"  ");
    seal(&mut bytes);
    let bad = folder.path().join("bad.safetensors");
    std::fs::write(&bad, bytes).unwrap();
    let text = ImageCheckpoint::load(&bad).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("leaves out pixels"), "{text}");
}

/// A network along rows, each of the digits a signal of eight pixels: interrupted, resumed, on any
/// number of threads, and golden's.
#[test]
fn a_network_along_rows_trains_to_golden_s_integers() {
    let text = r#"name = "rows"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [
    { conv1d = { channels = 10, kernel = 3, pad = 1, r = 12 } },
    "relu",
    { gru = { units = 12, r = 12 } },
    { lstm = { units = 10, r = 10, bidirectional = true } },
    "last",
    { dense = { units = 10, r = 16 } },
]
[train]
validation = 0.1
ema = 0.5
keep_best = true
learn_scales = true
full = { epochs = 2, learning_rate = 1e-2 }
ternary = { epochs = 3, learning_rate = 1e-2 }
frozen = { epochs = 1, learning_rate = 1e-3 }
"#;
    let (data, network) = (digits(), Network::parse("rows.toml", text).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (summary, model) = on(1).install(|| train(&network, &data, &whole)).unwrap();
    let mut start = Start::New;
    // In the first phase, in the second, and in the third.
    for after in [13, 50, 43, usize::MAX] {
        let mut stop = Stop { after, warnings: Vec::new() };
        let sources = Sources::default();
        let ended = on(3).install(|| {
            let (network, data) = (&network, &data);
            train::run::<train::ImageLearner>(network, data, &parts, start, sources, &mut stop)
        });
        assert_eq!(ended.is_err(), after < usize::MAX);
        start = Start::Resume;
    }
    assert!(contents(&whole) == contents(&parts));

    let inputs = data.test.x.integers(&model.columns()).unwrap();
    let y = train::fake_quantised(&model, data.test.x.doubles().view()).unwrap();
    let unit = 2f64.powi(model.output_frac());
    let mut correct = 0;
    for ((x, y), label) in inputs.rows().into_iter().zip(y.rows()).zip(&data.test.labels) {
        let integers = golden::infer(&model, &x.to_vec()).unwrap();
        assert_eq!(y.mapv(|y| (y * unit) as i64).to_vec(), integers);
        correct += usize::from(golden::argmax(&integers) == *label as usize);
    }
    assert_eq!(correct as f64 / data.test.len() as f64, summary.integer_accuracy.unwrap());
    assert!(summary.integer_accuracy.unwrap() > 0.7, "{summary:?}");
    assert!(
        (summary.float_accuracy - summary.integer_accuracy.unwrap()).abs() < 0.03,
        "{summary:?}"
    );
    // Eight pixels of each recurrent layer.
    let of = |name: &str| summary.layers.iter().find(|l| l.name == name).unwrap().multiplications;
    assert!(of("gru_0") <= 8 * (6 * 12 + 2 * 12) && of("lstm_0") <= 8 * (8 * 10 + 3 * 10));
}

#[test]
fn inputs_that_never_change_get_no_gates() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = digits();
    let mut x = data.train.x.singles().into_owned();
    x.column_mut(20).fill(0.5);
    data.train.x = x.clone().into();
    let dead: Vec<usize> =
        (0..64).filter(|&j| x.column(j).iter().all(|&v| v == x[[0, j]])).collect();
    assert!(dead.len() > 1 && dead.contains(&20), "{dead:?}");
    let (_, model) = train(&network(|_| ()), &data, &folder.path().join("run")).unwrap();
    let Layer::Dense(first) = &model.layers[0] else { unreachable!() };
    for j in 0..64 {
        assert_eq!(first.w_b.column(j).iter().all(|&w| w == 0), dead.contains(&j), "input {j}");
    }
}

#[test]
fn what_the_user_has_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, network) = (digits(), network(|n| n.train.full.epochs = 1));
    let told = |result: Result<(Summary, Option<Model>), Error>, part: &str| {
        let text = result.map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    let path = folder.path().join("mine");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("letter.txt"), "dear").unwrap();
    for start in [Start::New, Start::Overwrite] {
        let result = train::run::<train::ImageLearner>(
            &network,
            &data,
            &path,
            start,
            Sources::default(),
            &mut Stop::never(),
        );
        told(result, "exists and is not a training run");
    }
    let result = train::run::<train::ImageLearner>(
        &network,
        &data,
        &path,
        Start::Resume,
        Sources::default(),
        &mut Stop::never(),
    );
    told(result, "holds no training run to resume");
    assert_eq!(contents(&path), [("letter.txt".to_owned(), b"dear".to_vec())]);

    let path = folder.path().join("run");
    train(&network, &data, &path).unwrap();
    let before = contents(&path);
    told(train(&network, &data, &path).map(|(s, m)| (s, Some(m))), "holds a training run already");
    let other = Network { name: "other".into(), ..network.clone() };
    told(
        train::run::<train::ImageLearner>(
            &other,
            &data,
            &path,
            Start::Resume,
            Sources::default(),
            &mut Stop::never(),
        ),
        "another network description",
    );
    let mut less = data.clone();
    let mut x = data.train.x.singles().into_owned();
    x[[3, 30]] += 1.0;
    less.train.x = x.into();
    told(
        train::run::<train::ImageLearner>(
            &network,
            &less,
            &path,
            Start::Resume,
            Sources::default(),
            &mut Stop::never(),
        ),
        "is not the one",
    );
    assert!(before == contents(&path));
    train::run::<train::ImageLearner>(
        &network,
        &data,
        &path,
        Start::Overwrite,
        Sources::default(),
        &mut Stop::never(),
    )
    .unwrap();
    assert!(before == contents(&path));
}

#[test]
fn data_that_do_not_fit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |network: &Network, data: &DataSet| {
        train(network, data, &folder.path().join("run")).map(|_| ()).unwrap_err().to_string()
    };
    let (data, network) = (digits(), network(|_| ()));
    let shape = DataSet { shape: vec![4, 16], ..data.clone() };
    assert_eq!(
        told(&network, &shape),
        "error[input]: data set `digits`: has samples of shape [4, 16], the network takes [8, \
         8]\n  help: set `shape = [4, 16]` under `input`"
    );
    let classes = DataSet { classes: 11, ..data.clone() };
    assert_eq!(
        told(&network, &classes),
        "error[input]: network `small`: has 10 outputs, data set `digits` has 11 classes\n  \
         help: set `units = 11` in the last layer"
    );
    let mut nan = data.clone();
    let mut x = data.train.x.singles().into_owned();
    x[[7, 3]] = f32::NAN;
    nan.train.x = x.into();
    assert_eq!(told(&network, &nan), "error[input]: sample 7, element 3: is NaN, not a number");
    let flat = DataSet {
        train: Split::of_classes(Array2::ones((50, 64)).into(), vec![0; 50]),
        ..data.clone()
    };
    assert!(told(&network, &flat).contains("every input is the same in all training samples"));
    let one = DataSet { train: data.train.take(1), ..data };
    assert!(told(&network, &one).contains("every input is the same"));
    assert!(!folder.path().join("run").exists(), "nothing is left behind");
}

#[test]
fn a_diverged_loss_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(|n| {
        n.train.optimiser = strassenc_runtime::network::Optimiser::Sgd;
        n.train.full.learning_rate = 1e3;
        n.train.full.epochs = 200;
        n.train.weight_decay = 1e3;
    });
    let text =
        train(&network, &digits(), &folder.path().join("run")).map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("error[input]: training, phase full, epoch "), "{text}");
    assert!(
        text.contains("training diverged") && text.contains("lower `learning_rate` of `full`"),
        "{text}"
    );
}

#[test]
fn inputs_outside_the_format_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(|n| n.input.frac = 6);
    let mut watch = Stop::never();
    train::run::<train::ImageLearner>(
        &network,
        &digits(),
        &folder.path().join("run"),
        Start::New,
        Sources::default(),
        &mut watch,
    )
    .unwrap();
    assert!(
        watch.warnings[0].contains("% of the input values lie outside 0 to 0.484375"),
        "{:?}",
        watch.warnings
    );
}

/// The place of the hash of a checkpoint, if its key is whole.
fn hash_at(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let key = b"\\\"sha256\\\":\\\"";
    let at = bytes.windows(key.len()).position(|w| w == key)? + key.len();
    Some(at..at + 64)
}

/// Makes the hash of a changed checkpoint right, as who wants to deceive would.
fn seal(bytes: &mut [u8]) {
    let Some(at) = hash_at(bytes) else { return };
    bytes[at.clone()].fill(b'0');
    let hash = files::sha256(bytes);
    bytes[at].copy_from_slice(hash.as_bytes());
}

#[test]
fn a_damaged_checkpoint_is_told_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(&network(|_| ()), &digits(), &run).unwrap();
    let good = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    let path = folder.path().join("bad.safetensors");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        ImageCheckpoint::load(&path).map(|_| ())
    };
    load(&good).unwrap();
    for length in [0, 7, 8, 100, 1000, good.len() / 2, good.len() - 1] {
        let text = load(&good[..length]).unwrap_err().to_string();
        assert!(text.contains("bad.safetensors: is not a usable checkpoint"), "{text}");
    }
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    // One bit anywhere, of the hash or of what it is of.
    for at in (0..good.len()).step_by(29) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(load(&bytes).is_err(), "bit {} of byte {at}", at % 8);
    }
    // What has a hash of its own is still read with suspicion.
    for at in (0..header).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x11;
        seal(&mut bytes);
        let _ = load(&bytes);
    }
    let with = |tensor: &str, value: &[u8]| {
        let mut bytes = good.clone();
        let file = safetensors::SafeTensors::deserialize(&good).unwrap();
        let data = file.tensor(tensor).unwrap().data();
        let at = data.as_ptr() as usize - good.as_ptr() as usize;
        bytes[at..at + value.len()].copy_from_slice(value);
        seal(&mut bytes);
        load(&bytes).map_err(|e| e.to_string())
    };
    with("frozen.0.exponents", &64i32.to_le_bytes()).unwrap();
    for (tensor, value) in [
        ("frozen.0.exponents", &65i32.to_le_bytes()[..]),
        ("frozen.0.exponents", &i32::MIN.to_le_bytes()),
        ("frozen.0.w_b", &[2]),
        ("frozen.0.w_b", &[0x80]),
        ("frozen.0.a", &f64::NAN.to_le_bytes()),
        ("frozen.0.a.second", &(-1f64).to_le_bytes()),
        ("float.0.bias", &f32::INFINITY.to_le_bytes()),
    ] {
        let text = with(tensor, value).unwrap_err();
        assert!(
            text.contains(&format!("tensor `{tensor}` holds a value that cannot be")),
            "{text}"
        );
    }
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = good.clone();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        seal(&mut bytes);
        load(&bytes).unwrap_err().to_string()
    };
    // Another copy of one of another version is no better.
    for (version, told) in
        [(7, "format version 7; this"), (3, "format version 3, without a checksum")]
    {
        let text = replaced("\\\"version\\\":4", &format!("\\\"version\\\":{version}"));
        assert!(
            text.contains(told) && text.contains("use the strassenc that wrote it, or train again"),
            "{text}"
        );
        assert!(!text.contains("copy"), "{text}");
    }
    assert!(replaced("\\\"r\\\":20", "\\\"r\\\":21").contains("has shape"));
    assert!(replaced("\\\"r\\\":20", "\\\"r\\\": 0").contains("out of range"));
    assert!(load(std::fs::read(run.join("model.safetensors")).unwrap().as_slice()).is_err());
}

/// The ordinary network comes first, has no model, and is what a budgeted network may begin from
/// and learn from; the teacher goes along, so that a run resumes without it.
#[test]
fn a_full_precision_network_gives_start_and_teacher() {
    let data = digits();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let full = network(|n| {
        n.train.full_precision = true;
        n.train.full.epochs = 8;
    });
    let (summary, model) = train::run::<train::ImageLearner>(
        &full,
        &data,
        &path("full"),
        Start::New,
        Sources::default(),
        &mut Stop::never(),
    )
    .unwrap();
    assert!(
        model.is_none() && summary.integer_accuracy.is_none() && summary.float_accuracy > 0.7,
        "{summary:?}"
    );
    assert_eq!((summary.multiplications, summary.reduction), (64 * 12 + 12 * 10, 0.0));
    let again = train::run::<train::ImageLearner>(
        &full,
        &data,
        &path("full"),
        Start::Resume,
        Sources::default(),
        &mut Stop::never(),
    )
    .unwrap();
    assert_eq!(again.0.float_accuracy, summary.float_accuracy);

    // Without a step of phase 1 the factors alone are the start.
    let short = network(|n| (n.train.full.epochs, n.train.ternary.epochs) = (0, 1));
    let run = |name: &str, sources, stop: &mut Stop| {
        let start = if path(name).exists() { Start::Resume } else { Start::New };
        train::run::<train::ImageLearner>(&short, &data, &path(name), start, sources, stop)
    };
    let (fp, none) = (path("full"), Sources::default());
    let accuracy = |result: Result<(Summary, Option<Model>), Error>| {
        result.unwrap().0.integer_accuracy.unwrap()
    };
    let afresh = accuracy(run("afresh", none, &mut Stop::never()));
    let begun = accuracy(run("begun", Sources { from: Some(&fp), ..none }, &mut Stop::never()));
    assert!(begun > afresh, "{begun} against {afresh}");

    let both = Sources { from: Some(&fp), teacher: Some(&fp), ..Sources::default() };
    run("taught", both, &mut Stop::never()).unwrap();
    assert!(contents(&path("taught")).len() == contents(&path("begun")).len() + 1);
    assert_ne!(
        std::fs::read(path("taught/metrics.csv")).unwrap(),
        std::fs::read(path("begun/metrics.csv")).unwrap()
    );
    let mut sources = both;
    while let Err(e) = run("parts", sources, &mut Stop { after: 9, warnings: vec![] }) {
        assert_eq!(e.kind(), Kind::Interrupted, "{e}");
        sources = none;
    }
    assert!(contents(&path("taught")) == contents(&path("parts")));

    // Phase 3 alone, on the weights of a finished run.
    let frozen = network(|n| (n.train.full.epochs, n.train.ternary.epochs) = (0, 0));
    let taught = path("taught");
    let sources = Sources { from: Some(&taught), ..none };
    let (tuned, model) = train::run::<train::ImageLearner>(
        &frozen,
        &data,
        &path("tuned"),
        Start::New,
        sources,
        &mut Stop::never(),
    )
    .unwrap();
    assert!(tuned.integer_accuracy.unwrap() > begun - 0.1);
    let signs = |model: &Model| match &model.layers[1] {
        Layer::Dense(dense) => dense.w_b.clone(),
        _ => unreachable!(),
    };
    assert_eq!(
        signs(&model.unwrap()),
        signs(&model_file::load(&taught.join(train::MODEL)).unwrap())
    );

    // What does not fit is refused, and a teacher that was changed.
    let mut other = Network::parse("small.toml", &short.to_toml()).unwrap();
    other.input.frac = 3;
    for sources in [Sources { from: Some(&fp), ..none }, Sources { teacher: Some(&fp), ..none }] {
        let result = train::run::<train::ImageLearner>(
            &other,
            &data,
            &path("other"),
            Start::New,
            sources,
            &mut Stop::never(),
        );
        assert!(result.unwrap_err().to_string().contains("other inputs or classes"));
        assert!(!path("other").exists());
    }
    std::fs::copy(path("afresh").join(train::CHECKPOINT), path("taught/teacher.safetensors"))
        .unwrap();
    let result = run("taught", none, &mut Stop::never());
    assert!(result.unwrap_err().to_string().contains("not the teacher"));
}

/// A linear layer: its name, coefficients with their shifts, and biases, pixel by pixel.
type Parameters = (String, Vec<(i32, i32)>, Vec<i64>);

/// The linear layers of a model, in order.
fn parameters(layers: &[Layer]) -> Vec<Parameters> {
    let pairs = |a: &ndarray::Array1<i32>, t: &ndarray::Array1<i32>| {
        a.iter().copied().zip(t.iter().copied()).collect()
    };
    let mut all = vec![];
    for layer in layers {
        match layer {
            Layer::Dense(l) => all.push((
                l.name.clone(),
                pairs(&l.coefficients, &l.coefficient_shifts),
                l.bias.to_vec(),
            )),
            Layer::Conv2d(l) => all.push((
                l.name.clone(),
                pairs(&l.coefficients, &l.coefficient_shifts),
                l.bias.view().permuted_axes([1, 2, 0]).iter().copied().collect(),
            )),
            Layer::Branches(l) => {
                all.extend(parameters(&l.body));
                all.extend(parameters(&l.shortcut));
            }
            _ => {}
        }
    }
    all
}

/// A core that can load this model, and ones whose parameters are at most so much larger, in
/// powers of two; the first row and the first output of each layer stay.
fn core(model: &Model, powers: u32) -> Loadable {
    let ranges = |coefficients: &[(i32, i32)], biases: &[i64]| {
        let finest = coefficients.iter().map(|(_, t)| *t).max().unwrap_or(0);
        let of = |(a, t): &(i32, i32)| i64::from(a.abs()) << (finest - t);
        let largest = coefficients.iter().map(of).max().unwrap_or(0);
        let most = (((largest + 1) as u64).next_power_of_two() << powers) as i64 - 1;
        let bias = biases.iter().map(|b| b.abs()).max().unwrap_or(0) << powers;
        let mut ranges = Ranges {
            coefficients: vec![Coefficient { finest, least: -most, most }; coefficients.len()],
            biases: vec![(-bias, bias); biases.len()],
            shifts: vec![],
        };
        let (a, t) = coefficients[0];
        ranges.coefficients[0] = Coefficient::fixed(a, t);
        ranges.biases[0] = (biases[0], biases[0]);
        ranges
    };
    let layers = parameters(&model.layers).into_iter();
    let layers = layers.map(|(name, a, b)| (name, ranges(&a, &b))).collect();
    Loadable { model: model.clone(), layers, sha256: format!("core {powers}") }
}

/// What a core can load is trained from the very integers that it has, within what it can hold, and
/// nothing else changes.
#[test]
fn a_run_for_a_core_changes_what_that_can_load() {
    let images = r#"name = "images"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [
    { conv2d = { channels = 6, kernel = 3, pad = 1, r = 8, p = 2 } },
    "relu",
    { residual = { body = [
        { conv2d = { channels = 6, kernel = 3, pad = 1, groups = 3, r = 9 } },
    ] } },
    { clipped_relu = 1.5 },
    { concat = { body = [
        { max_pool = { size = [1, 2] } },
        { conv2d = { channels = 3, kernel = 1 } },
        "sigmoid",
        { upsample = [1, 2] },
    ] } },
    { average_pool = { size = 3 } },
    { dense = { units = 10, r = 16 } },
]
bits = { coefficient_terms = 2 }
[train]
learn_scales = true
shift = 1
"#;
    // The second layer of the vectors has units that nobody reads, and rows that are dead.
    let vectors = "name = \"vectors\"\ninput = { shape = [8, 8], bits = 5, frac = 4 }\nlayers = [\
        { dense = { units = 24, r = 40 } }, \"relu\", { dense = { units = 24, r = 3 } }, \"relu\", \
        { dense = { units = 10, r = 4 } }]\n[train]\nthreshold = 1.6\n";
    let data = digits();
    let run = |network: &Network, folder: &Path, start, core: Option<&Loadable>, after| {
        let sources = Sources { core, ..Sources::default() };
        let mut stop = Stop { after, warnings: Vec::new() };
        train::run::<train::ImageLearner>(network, &data, folder, start, sources, &mut stop)
    };
    for text in [images, vectors] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut network = Network::parse("net.toml", text).unwrap();
        for phase in [&mut network.train.full, &mut network.train.ternary] {
            (phase.epochs, phase.learning_rate) = (1, 1e-2);
        }
        network.train.frozen.epochs = 1;
        let (_, mut model) = train(&network, &data, &at("first")).unwrap();
        let mut own = parameters(&model.layers);
        // A row that does nothing is a row of the core all the same.
        own.iter_mut().for_each(|(_, pairs, _)| pairs[1] = (0, 0));
        copy(&mut model.layers, &mut own.iter());

        // Scales stay what they are, even where they could be learned: no shift can be loaded.
        (network.train.full.epochs, network.train.ternary.epochs) = (0, 0);
        network.train.frozen.epochs = 0;
        let same = run(&network, &at("same"), Start::New, Some(&core(&model, 1)), usize::MAX);
        let (summary, same) = same.unwrap();
        assert_eq!(same.unwrap().layers, model.layers);
        // Float activations, the same ternary matrices.
        let apart = summary.float_accuracy - summary.integer_accuracy.unwrap();
        assert!(apart.abs() < 0.1, "{summary:?}");

        (network.train.frozen.epochs, network.train.frozen.learning_rate) = (2, 3e-2);
        let narrow = &core(&model, 0);
        let (_, tuned) = run(&network, &at("whole"), Start::New, Some(narrow), usize::MAX).unwrap();
        let tuned = tuned.unwrap();
        tuned.validate().unwrap();
        assert!(tuned.layers != model.layers);
        let (mut bounded, mut moved) = (0, 0);
        for (new, old) in parameters(&tuned.layers).iter().zip(&own) {
            let Ranges { coefficients, biases, .. } = &narrow.layers[&new.0];
            for ((new, old), range) in new.1.iter().zip(&old.1).zip(coefficients) {
                let (a, t) = *new;
                assert!(t <= range.finest, "{new:?} {range:?}");
                let value = i64::from(a) << (range.finest - t);
                assert!((range.least..=range.most).contains(&value), "{new:?} {range:?}");
                bounded +=
                    usize::from(range.least < range.most && value.abs() >= range.most / 4 * 3);
                moved += usize::from(new != old);
            }
            assert!(new.2.iter().zip(biases).all(|(b, (least, most))| (least..=most).contains(&b)));
        }
        assert!(bounded > 0 && moved > 5, "{bounded} {moved}");
        let mut bare = tuned.clone();
        copy(&mut bare.layers, &mut own.iter());
        assert_eq!(bare.layers, model.layers);

        // Interrupted and resumed it is the same; for another core, or for none, it is no run.
        assert!(run(&network, &at("parts"), Start::New, Some(narrow), 7).is_err());
        let other = core(&model, 1);
        for (core, told) in [(None, "is trained for the core"), (Some(&other), "another build")] {
            let e = run(&network, &at("parts"), Start::Resume, core, usize::MAX).unwrap_err();
            assert!(e.to_string().contains(told), "{e}");
        }
        run(&network, &at("parts"), Start::Resume, Some(narrow), usize::MAX).unwrap();
        assert!(contents(&at("whole")) == contents(&at("parts")));
    }
}

/// Gives layers these parameters, in order.
fn copy<'a>(layers: &mut [Layer], from: &mut impl Iterator<Item = &'a Parameters>) {
    for layer in layers {
        let (coefficients, shifts) = match layer {
            Layer::Dense(l) => (&mut l.coefficients, &mut l.coefficient_shifts),
            Layer::Conv2d(l) => (&mut l.coefficients, &mut l.coefficient_shifts),
            Layer::Branches(l) => {
                copy(&mut l.body, from);
                copy(&mut l.shortcut, from);
                continue;
            }
            _ => continue,
        };
        let (_, pairs, biases) = from.next().unwrap();
        for ((a, t), pair) in coefficients.iter_mut().zip(shifts).zip(pairs) {
            (*a, *t) = *pair;
        }
        let mut biases = biases.iter();
        match layer {
            Layer::Dense(l) => l.bias.iter_mut().for_each(|b| *b = *biases.next().unwrap()),
            Layer::Conv2d(l) => {
                let pixels = l.bias.view_mut().permuted_axes([1, 2, 0]);
                pixels.into_iter().for_each(|b| *b = *biases.next().unwrap());
            }
            _ => {}
        }
    }
}
