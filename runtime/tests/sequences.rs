//! Training over a text as a user sees it: what is in the folder, what may interrupt it, and that
//! its integers are golden's.

use ndarray::{Array2, Axis};
use std::path::Path;
use strassenc_runtime::data::{Symbols, Text};
use strassenc_runtime::model::Layer;
use strassenc_runtime::network::{Layer as Description, Schedule};
use strassenc_runtime::train::{
    self, CHECKPOINT, Epoch, Exact, Observer, Progress, SequenceCheckpoint, SequenceLearner,
    Sources, Start, Summary, measured,
};
use strassenc_runtime::{Error, Kind, Model, Network, golden};

/// Words that follow each other by rules, so that there is something to learn.
fn text() -> Text {
    let words = ["the cat sat. ", "a dog ran off. ", "the dog sat on a mat. ", "off it ran. "];
    let mut state = 1u32;
    let mut next = |n: usize| -> String {
        let mut pick = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            words[(state >> 30) as usize]
        };
        (0..n).map(|_| pick()).collect()
    };
    Text::new("words".into(), [&next(500), &next(40), &next(60)]).unwrap()
}

fn network(edit: impl Fn(&mut Network)) -> Network {
    let text = r#"name = "words"
input = { shape = [1], bits = 5, frac = 0 }
layers = [
    { embedding = { rows = 16, units = 6 } },
    { highway = { r = 6 } },
    { lstm = { units = 10, r = 12 } },
    { dense = { units = 12, r = 12 } },
    "relu",
    { lstm = { units = 8, plain = true } },
    { dense = { units = 16, r = 16 } },
]
[train]
batch = 34
window = 8
clip = 1.0
dropout = 0.1
full = { epochs = 5, learning_rate = 2e-2, schedule = { plateau = { gain = 0.5, factor = 0.5 } } }
ternary = { epochs = 2, learning_rate = 1e-2 }
frozen = { epochs = 1, learning_rate = 3e-3 }
"#;
    let mut network = Network::parse("words.toml", text).unwrap();
    edit(&mut network);
    network
}

/// Has each weight of plain recurrent layers be so many ternary ones.
fn of_digits(network: &mut Network, digits: usize) {
    for layer in &mut network.layers {
        if let Description::Lstm(lstm) = layer
            && lstm.plain == Some(true)
        {
            lstm.r = Some(digits * lstm.units);
        }
    }
}

/// A network of words of up to six characters, of which the nine most frequent are known.
fn network_of_words() -> Network {
    let text = r#"name = "spelled"
input = { shape = [6], bits = 5, frac = 0 }
layers = [
    { embedding = { rows = 32, units = 4 } },
    { char_cnn = { filters = [3, 0, 5] } },
    { highway = { r = 8 } },
    { gru = { units = 10, r = 12 } },
    { dense = { units = 10, r = 12 } },
]
[train]
batch = 20
window = 6
clip = 1.0
dropout = 0.1
full = { epochs = 5, learning_rate = 2e-2 }
ternary = { epochs = 2, learning_rate = 1e-2 }
frozen = { epochs = 1, learning_rate = 3e-3 }
"#;
    Network::parse("spelled.toml", text).unwrap()
}

/// The text as the network takes it.
fn text_for(network: &Network) -> Text {
    if network.is_of_words() { text().of_words(network.outputs()).unwrap() } else { text() }
}

/// Stops the run after as many steps, and remembers its epochs.
struct Stop {
    after: usize,
    epochs: Vec<Epoch>,
}

impl Stop {
    fn after(after: usize) -> Self {
        Stop { after, epochs: vec![] }
    }
}

impl Observer for Stop {
    fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
        self.after -= 1;
        self.after > 0
    }

    fn epoch(&mut self, epoch: &Epoch, _: bool) {
        self.epochs.push(epoch.clone());
    }

    fn warn(&mut self, _: &str) {}
}

fn run(
    network: &Network,
    folder: &Path,
    start: Start,
    sources: Sources,
    stop: &mut Stop,
) -> Result<(Summary, Option<Model>), Error> {
    train::run::<SequenceLearner>(network, &text_for(network), folder, start, sources, stop)
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = (folder.read_dir().unwrap())
        .map(|f| f.unwrap())
        .map(|f| (f.file_name().into_string().unwrap(), std::fs::read(f.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A full-precision teacher, and a run that it teaches, stopped again and again on other numbers of
/// threads.
#[test]
fn interrupted_and_resumed_is_uninterrupted_on_any_number_of_threads() {
    interrupt_and_resume(&network(|_| ()), 3.0, 29);
}

/// A checkpoint has one weight for all digits of it.
#[test]
fn so_is_one_of_many_digits() {
    interrupt_and_resume(&network(|n| of_digits(n, 12)), 3.0, 29);
}

#[test]
fn so_is_one_of_words() {
    interrupt_and_resume(&network_of_words(), 2.2, 19);
}

/// A run with averages, of which the best epoch's is kept, and with phases that end early.
#[test]
fn so_is_one_with_averages_and_patience() {
    let network = network(|n| {
        (n.train.ema, n.train.patience, n.train.keep_best) = (0.9, 2, true);
        n.train.ternary.epochs = 3;
    });
    interrupt_and_resume(&network, 3.0, 29);
}

/// With a step size that ruins more than it learns, a phase ends early, and in the state of the
/// epoch of the least loss.
#[test]
fn patience_ends_phases_and_the_best_epoch_is_kept() {
    let patient = |patience, keep_best, epochs| {
        network(|n| {
            (n.train.patience, n.train.keep_best, n.train.seed) = (patience, keep_best, 2);
            (n.train.full.epochs, n.train.ternary.epochs, n.train.frozen.epochs) = (0, epochs, 0);
            (n.train.ternary.learning_rate, n.train.ternary.schedule) = (0.05, Schedule::Constant);
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let trained = |name: &str, network: &Network| {
        let mut stop = Stop::after(usize::MAX);
        let (_, model) =
            run(network, &folder.path().join(name), Start::New, Sources::default(), &mut stop)
                .unwrap();
        (stop.epochs, model.unwrap())
    };
    let (epochs, early) = trained("early", &patient(2, true, 60));
    let best_by = |quality: fn(&Epoch) -> f64| {
        let quality: Vec<f64> = epochs.iter().map(quality).collect();
        quality.iter().enumerate().fold(0, |best, (i, q)| if *q > quality[best] { i } else { best })
    };
    let best = best_by(|e| -e.validation_loss.unwrap());
    assert!(epochs.len() < 60 && epochs.len() == best + 1 + 2, "{epochs:?}");
    assert_ne!(best, best_by(|e| e.validation_accuracy.unwrap()), "{epochs:?}");
    // A run that ends with that epoch has the same model.
    let (_, exact) = trained("exact", &patient(0, false, best + 1));
    assert_eq!(early.layers, exact.layers);
    // An average of the steps is another model.
    let mut averaged = patient(0, false, best + 1);
    averaged.train.ema = 0.9;
    assert!(trained("averaged", &averaged).1.layers != exact.layers);
}

/// `bound` is in bits a symbol, below those of a guess; it is stopped after so many steps, five
/// times.
fn interrupt_and_resume(network: &Network, bound: f64, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let [full, whole, parts] = ["full", "whole", "parts"].map(|name| folder.path().join(name));
    let mut ordinary = network.clone();
    ordinary.train.full_precision = true;
    let never = || Stop::after(usize::MAX);
    let (summary, none) =
        run(&ordinary, &full, Start::New, Sources::default(), &mut never()).unwrap();
    assert!(none.is_none() && summary.float_bits.unwrap() < 2.0 && summary.reduction == 0.0);
    let sources = Sources { teacher: Some(&full), ..Sources::default() };
    let (summary, _) = run(network, &whole, Start::New, sources, &mut never()).unwrap();
    assert!(summary.integer_bits.unwrap() < bound, "{summary:?}");
    let mut start = Start::New;
    for threads in [1, 3, 2, 1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let sources = if start == Start::New { sources } else { Sources::default() };
        let result = pool.install(|| run(network, &parts, start, sources, &mut Stop::after(steps)));
        assert_eq!(result.unwrap_err().kind(), Kind::Interrupted);
        start = Start::Resume;
    }
    run(network, &parts, start, Sources::default(), &mut never()).unwrap();
    assert!(contents(&whole) == contents(&parts));
    // Without the teacher it is another run.
    let alone = folder.path().join("alone");
    run(network, &alone, Start::New, Sources::default(), &mut never()).unwrap();
    assert!(contents(&alone) != contents(&whole));
}

#[test]
fn the_integers_are_golden_s_and_near_the_float_network() {
    let of_two_digits = network(|n| {
        of_digits(n, 2);
        n.train.full.epochs = 6;
    });
    let epochs = integers_are_golden_s(&of_two_digits, 3.0);
    // A learning rate that goes by perplexity: once for each epoch that brought less than half a
    // unit.
    let full: Vec<&Epoch> = epochs.iter().filter(|e| e.phase == train::Phase::Full).collect();
    let perplexity = |e: &Epoch| e.validation_loss.unwrap().exp();
    let mut rate = 2e-2;
    for (i, epoch) in full.iter().enumerate() {
        if i >= 2 && perplexity(full[i - 2]) - perplexity(full[i - 1]) < 0.5 {
            rate *= 0.5;
        }
        assert_eq!(epoch.learning_rate, rate);
    }
    assert!(rate < 2e-2, "no epoch was in vain: {full:?}");
}

#[test]
fn so_are_those_of_words() {
    integers_are_golden_s(&network_of_words(), 2.2);
}

/// The epochs of the run; `bound` is in bits a symbol.
fn integers_are_golden_s(network: &Network, bound: f64) -> Vec<Epoch> {
    let folder = tempfile::tempdir().unwrap();
    let mut stop = Stop::after(usize::MAX);
    let (summary, model) =
        run(network, folder.path(), Start::New, Sources::default(), &mut stop).unwrap();
    let (model, text) = (model.unwrap(), text_for(network));
    assert_eq!(Symbols::of_model(&model).as_ref(), Some(&text.symbols));
    let inputs = text.symbols.inputs(network.input.elements());
    let input = |symbol: u32| inputs.row(symbol as usize);
    let integers = |symbol: u32| input(symbol).iter().map(|v| i64::from(*v)).collect::<Vec<_>>();
    let (float, integer) = (summary.float_bits.unwrap(), summary.integer_bits.unwrap());
    assert!(float < bound && (integer - float).abs() < 0.1, "{float} {integer}");
    assert!(summary.reduction > 0.5 && summary.multiplications < summary.dense_multiplications);
    let planned: u64 = network.plan().unwrap().iter().map(|step| step.multiplications()).sum();
    assert!(summary.multiplications <= planned);

    let exact = Exact::new(&model).unwrap();
    let (mut state, mut of_golden) = (exact.start(1), golden::State::start());
    let (mut loss, mut moved) = (0.0, 0);
    for pair in text.test.windows(2) {
        let values = exact.step(input(pair[0]).mapv(f64::from).insert_axis(Axis(0)), &mut state);
        let edges = golden::step(&model, &mut of_golden, &integers(pair[0])).unwrap();
        for (value, edge) in values.iter().zip(&edges[1..]) {
            assert_eq!(value.iter().map(|v| *v as i64).collect::<Vec<_>>(), *edge);
        }
        let lstm =
            model.layers.iter().position(|layer| matches!(layer, Layer::Recurrent(_))).unwrap();
        moved += usize::from(edges[lstm + 1].iter().any(|h| *h != 0));
        let unit = 2f64.powi(-model.output_frac());
        let logits: Vec<f64> = edges[edges.len() - 1].iter().map(|y| *y as f64 * unit).collect();
        loss += logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[pair[1] as usize];
    }
    assert!(moved > 100);
    let x = Array2::from_shape_fn((50, inputs.ncols()), |(i, j)| f64::from(input(text.test[i])[j]));
    let y = train::fake_quantised(&model, x.view()).unwrap();
    // Rows of samples are one sequence for both.
    let unit = 2f64.powi(model.output_frac());
    let outputs = golden::outputs(&model, x.mapv(|v| v as i64).view(), &|| Ok(())).unwrap();
    assert_eq!(y.mapv(|y| (y * unit) as i64), outputs);
    let mut state = golden::State::start();
    for (i, row) in outputs.rows().into_iter().enumerate() {
        let due = golden::step(&model, &mut state, &integers(text.test[i])).unwrap().pop().unwrap();
        assert_eq!(row.to_vec(), due);
    }
    let score = exact.evaluate(&text.test, 1, inputs.view());
    assert!((score.loss - loss).abs() < 1e-6 && score.samples == text.test.len() - 1);
    // In parts side by side there is less to remember.
    let parts = exact.evaluate(&text.test, measured(&text.test), inputs.view());
    assert!(parts.mean_loss() > score.mean_loss() - 0.05);
    stop.epochs
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |network: &Network| {
        let result = run(
            network,
            &folder.path().join("run"),
            Start::New,
            Sources::default(),
            &mut Stop::after(1),
        );
        result.unwrap_err().to_string()
    };
    let with = |from: &str, to: &str| {
        let text = network(|_| ()).to_toml().replacen(from, to, 1);
        Network::parse("words.toml", &text).unwrap()
    };
    assert!(told(&with("rows = 16", "rows = 20")).contains("set `rows = 16`"));
    assert!(told(&network(|n| n.train.batch = 4000)).contains("too few"));
    let samples = "name = \"d\"\ninput = { shape = [1], bits = 5, frac = 0 }\nlayers = [{ dense = \
        { units = 16 } }]";
    assert!(told(&Network::parse("d", samples).unwrap()).contains("takes single samples"));
    let spelled = |from: &str, to: &str| {
        let text = network_of_words().to_toml().replacen(from, to, 1);
        Network::parse("spelled.toml", &text).unwrap()
    };
    assert!(told(&spelled("rows = 32", "rows = 9")).contains("rows of the embedding"));
}

#[test]
fn a_damaged_checkpoint_is_told_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    run(&network(|_| ()), folder.path(), Start::New, Sources::default(), &mut Stop::after(3))
        .unwrap_err();
    let path = folder.path().join(CHECKPOINT);
    let bytes = std::fs::read(&path).unwrap();
    assert!(SequenceCheckpoint::load(&path).is_ok());
    let step = bytes.len() / 60;
    for at in (0..bytes.len()).step_by(step) {
        std::fs::write(&path, &bytes[..at]).unwrap();
        assert!(SequenceCheckpoint::load(&path).is_err());
    }
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for at in (8..header).step_by(header / 200) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let _ = SequenceCheckpoint::load(&path);
    }
}
