//! The models that ship: each is whole, and as accurate on real data as it says.
#![expect(clippy::print_stdout, reason = "its figures are for people")]

use ndarray::{Array1, Array2};
use std::path::{Path, PathBuf};
use strassenc_runtime::data::{self, DataSet, text};
use strassenc_runtime::model::Model;
use strassenc_runtime::train::{Exact, MEASURED, fake_quantised};
use strassenc_runtime::{golden, model_file};

/// Test samples that each model classifies.
const SAMPLES: usize = 500;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    models.sort();
    models
}

/// The model's data, where they are installed.
fn data_of(model: &Model) -> Option<DataSet> {
    let spec = data::spec_of(model.provenance.data.as_deref()?)?;
    // What enters is made of recordings by the description.
    match model.provenance.described() {
        Some(network) => data::load_for(&network, spec, &home()?).ok(),
        None => data::load(spec, &home()?).ok(),
    }
}

fn home() -> Option<PathBuf> {
    let home =
        std::env::var("STRASSENC_HOME").ok().filter(|home| !home.is_empty()).map(PathBuf::from);
    home.or_else(|| Some(Path::new(&std::env::var("HOME").ok()?).join(".strassenc")))
}

fn largest(outputs: &[i64]) -> u32 {
    let best = outputs.iter().enumerate().rev().max_by_key(|(_, v)| **v);
    best.map_or(0, |(class, _)| class as u32)
}

#[test]
fn are_as_accurate_as_they_say() {
    let mut tested = 0;
    for path in shipped() {
        let model = model_file::load(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let metrics = &model.provenance.metrics;
        let Some(&promised) = metrics.get("test_accuracy_integer") else {
            language_model(&name, &model, metrics["test_bits_integer"]);
            continue;
        };
        let Some(data) = data_of(&model) else {
            println!(
                "{name} is loaded only: its data are missing, `strassenc doctor` says how to get \
                 them"
            );
            continue;
        };
        data.check_fits(&model).unwrap();
        let split = data.test.take(SAMPLES);
        let inputs = split.x.integers(&model.columns()).unwrap();
        let reals = fake_quantised(&model, split.x.doubles().view()).unwrap();
        let up = 2f64.powi(model.output_frac());
        let mut correct = 0;
        for ((x, real), label) in inputs.rows().into_iter().zip(reals.rows()).zip(&split.labels) {
            let outputs = golden::infer(&model, &x.to_vec()).unwrap();
            assert_eq!(Array1::from_iter(outputs.iter().map(|y| *y as f64)), &real * up, "{name}");
            correct += usize::from(largest(&outputs) == *label);
        }
        // Three standard deviations of a share of so many samples.
        let (n, share) = (split.labels.len() as f64, correct as f64 / split.labels.len() as f64);
        let slack = 3.0 * (promised * (1.0 - promised) / n).sqrt();
        assert!(
            (share - promised).abs() <= slack,
            "{name}: {share} of {n} samples, {promised} of all"
        );
        println!("{name}: {:.2} % of {n} samples", 100.0 * share);
        tested += 1;
    }
    // The digits are always there.
    assert!(tested > 0);
}

/// Golden's integers, and bits per character of a part of the text.
fn language_model(name: &str, model: &Model, promised: f64) {
    let Some(text) =
        home().and_then(|home| text::load(model.provenance.data.as_deref()?, &home).ok())
    else {
        println!(
            "{name} is loaded only: its text is missing, `strassenc doctor` says how to get it"
        );
        return;
    };
    assert_eq!(model.provenance.alphabet, Some(text.symbols.alphabet.iter().collect()), "{name}");
    let exact = Exact::new(model).unwrap();
    let (mut state, mut of_golden) = (exact.start(1), golden::State::start());
    for &token in &text.test[..200] {
        let values = exact.step(Array2::from_elem((1, 1), f64::from(token)), &mut state);
        let edges = golden::step(model, &mut of_golden, &[token.into()]).unwrap();
        for (value, edge) in values.iter().zip(&edges[1..]) {
            assert_eq!(value.iter().map(|v| *v as i64).collect::<Vec<_>>(), *edge, "{name}");
        }
    }
    // Chapters differ by some hundredths.
    let inputs = text.symbols.inputs(1);
    let found = exact.evaluate(&text.test[200_000..240_000], MEASURED, inputs.view()).bits();
    assert!((found - promised).abs() < 0.15, "{name}: {found} bits, {promised} of the whole text");
    println!("{name}: {found:.3} bits per character");
}

/// The list beside the models has them all.
#[test]
fn are_listed() {
    let list =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/README.md"))
            .unwrap();
    for path in shipped() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(list.contains(&format!("`{name}`")), "{name}");
    }
}
