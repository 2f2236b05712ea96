//! `strassenc eval` of networks of sequences: bits per character or word.

use super::super::{home, output};
use super::Args;
use comfy_table::{CellAlignment, Table, presets};
use ndarray::{ArrayView2, Axis};
use serde::Serialize;
use std::path::PathBuf;
use strassenc::build;
use strassenc_runtime::data::Symbols;
use strassenc_runtime::data::ngram::Ngram;
use strassenc_runtime::data::text::{self, Text};
use strassenc_runtime::model::Layer;
use strassenc_runtime::train::{Exact, SequenceCheckpoint, bits, measured};
use strassenc_runtime::{Error, Model, Result, golden, model_file};

/// Characters or words that golden computes, and over which the drift is measured.
const GOLDEN: usize = 2000;
/// Order of the n-gram that a language model must be better than.
const ORDER: usize = 5;

/// What was measured.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    name: String,
    sha256: String,
    data: String,
    /// What the text is a sequence of: `character` or `word`.
    unit: &'static str,
    /// Characters or words of the text.
    symbols: usize,
    /// Bits per character or word.
    integer_bits: f64,
    /// Of the float network; none where its checkpoint is not there.
    float_bits: Option<f64>,
    /// Of an interpolated Kneser-Ney 5-gram of the same training text.
    five_gram_bits: f64,
    golden: Golden,
    /// How far the integer network and the float network are apart, the further into one sequence.
    drift: Vec<Drift>,
}

#[derive(Serialize)]
struct Golden {
    /// Characters or words of one sequence.
    symbols: usize,
    /// Values that differ from the fake-quantised network's, hidden states and outputs.
    differing: usize,
}

/// Over the inputs `from` to `to` of a sequence, counted from 1.
#[derive(Serialize)]
struct Drift {
    from: usize,
    to: usize,
    /// Root mean square of the difference of h of the last LSTM layer.
    rms: f64,
    /// The largest difference.
    largest: f64,
    integer_bits: f64,
    float_bits: f64,
}

pub(super) fn run(args: Args, model: &Model) -> Result<()> {
    if let Some(folder) = &args.vectors {
        return Err(Error::input("--vectors", format_args!("{}: a text has no samples to write", folder.display()))
            .help("leave --vectors away"));
    }
    let path = if args.model.is_dir() { args.model.join(build::MODEL) } else { args.model.clone() };
    let text = load(model, args.data.as_deref())?;
    let all = &text.test[..text.test.len().min(args.samples.unwrap_or(usize::MAX).max(2))];
    let tools = home::tools()?;
    let exact = Exact::new(model)?;
    let checkpoint = path.with_file_name("checkpoint.safetensors");
    let float = if checkpoint.is_file() { Some(SequenceCheckpoint::load(&checkpoint)?) } else { None };

    let unit = text.symbols.unit();
    let inputs = text.symbols.inputs(model.input.elements());
    let spinner = tools.spinner(format!("{} {unit}s", all.len()));
    let integer_bits = bits(exact.evaluate(all, measured(all), inputs.view()));
    let float_bits = float.as_ref().map(|float| bits(float.score(all)));
    tools.check_interrupted()?;
    let five_gram_bits = Ngram::new(&text.train, ORDER, text.symbols.count()).bits(all);
    tools.check_interrupted()?;
    let (golden, integer) = compare(model, &exact, &all[..all.len().min(GOLDEN + 1)], inputs.view())?;
    let drift = float.map_or(vec![], |float| drift(model, &float, &integer, all));
    spinner.finish_and_clear();

    let report = Report {
        name: model.name.clone(),
        sha256: model_file::sha256(model)?,
        data: text.name.clone(),
        unit,
        symbols: all.len() - 1,
        integer_bits,
        float_bits,
        five_gram_bits,
        golden,
        drift,
        model: path,
    };
    if args.json {
        output::json(&report)?;
    } else {
        output::line(render(&report))?;
    }
    if report.golden.differing > 0 {
        let cause = format!("{} integers differ from golden's", report.golden.differing);
        return Err(Error::mismatch("fake-quantised", cause));
    }
    Ok(())
}

/// The text of the option, or the one that the model was trained on; its symbols are the model's.
pub(in crate::cli) fn load(model: &Model, spec: Option<&str>) -> Result<Text> {
    let known = model.provenance.data.as_deref().filter(|name| text::KNOWN.contains(name));
    let spec = spec.or(known).ok_or_else(|| {
        Error::input("--data", "is needed: the model was trained on no installed text").help(text::GRAMMAR)
    })?;
    let mut text = text::load(spec, &home::home()?)?;
    let symbols = Symbols::of_model(model);
    if symbols.as_ref().is_some_and(|symbols| symbols.words.is_some()) {
        text = text.of_words(model.outputs())?;
    }
    if symbols.as_ref() != Some(&text.symbols) {
        let cause = format!("has other {}s than the model was trained with", text.symbols.unit());
        return Err(
            Error::input(format_args!("text `{}`", text.name), cause).help("name the text that it was trained on")
        );
    }
    Ok(text)
}

/// h of the last LSTM layer and the outputs, in integers, for each input of one sequence; and how often golden differs in any value.
fn compare(
    model: &Model,
    exact: &Exact,
    text: &[u32],
    inputs: ArrayView2<u32>,
) -> Result<(Golden, Vec<[Vec<i64>; 2]>)> {
    let (mut state, mut of_golden) = (exact.start(1), golden::State::start());
    let last = model.layers.iter().rposition(|layer| matches!(layer, Layer::Lstm(_))).unwrap_or(0);
    let (mut differing, mut steps) = (0, vec![]);
    let tokens = &text[..text.len() - 1];
    for &token in tokens {
        let input = inputs.row(token as usize);
        let values = exact.step(input.mapv(f64::from).insert_axis(Axis(0)), &mut state);
        let edges = golden::step(model, &mut of_golden, &input.iter().map(|v| i64::from(*v)).collect::<Vec<_>>())?;
        for (value, edge) in values.iter().zip(&edges[1..]) {
            differing += value.iter().zip(edge).filter(|(v, g)| **v != **g as f64).count();
        }
        steps.push([edges[last + 1].clone(), edges[edges.len() - 1].clone()]);
    }
    Ok((Golden { symbols: tokens.len(), differing }, steps))
}

/// By powers of ten.
fn drift(model: &Model, float: &SequenceCheckpoint, integer: &[[Vec<i64>; 2]], text: &[u32]) -> Vec<Drift> {
    let lstm = model.layers.iter().rev().find_map(|l| if let Layer::Lstm(lstm) = l { Some(lstm) } else { None });
    let Some(lstm) = lstm else { return vec![] };
    let (unit, logit) = (2f64.powi(-lstm.hidden.frac), 2f64.powi(-model.output_frac()));
    let reals = float.trace(&text[..integer.len()]);
    let mut all = vec![];
    let mut from = 0;
    while from < integer.len() {
        let to = (10 * from).max(10).min(integer.len());
        let (mut squares, mut count, mut largest, mut bits) = (0.0, 0, 0.0f64, [0.0; 2]);
        for t in from..to {
            let [h, y] = &integer[t];
            // The states, and then the logits.
            let [.., real_h, real_y] = reals[t].as_slice() else { continue };
            for (h, real) in h.iter().zip(real_h) {
                let difference = *h as f64 * unit - f64::from(*real);
                squares += difference * difference;
                largest = largest.max(difference.abs());
                count += 1;
            }
            let next = text[t + 1] as usize;
            bits[0] += surprise(y.iter().map(|y| *y as f64 * logit), next);
            bits[1] += surprise(real_y.iter().map(|y| f64::from(*y)), next);
        }
        let [integer_bits, float_bits] = bits.map(|b| b / (to - from) as f64);
        let rms = (squares / f64::from(count.max(1))).sqrt();
        all.push(Drift { from: from + 1, to, rms, largest, integer_bits, float_bits });
        from = to;
    }
    all
}

/// -log2 of the probability of what comes next.
fn surprise(logits: impl Iterator<Item = f64> + Clone, next: usize) -> f64 {
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.clone().map(|z| (z - largest).exp()).sum();
    let of_next = logits.clone().nth(next).unwrap_or(f64::NEG_INFINITY);
    (sum.ln() + largest - of_next) / std::f64::consts::LN_2
}

fn render(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let Report { name, data, unit, symbols, golden, .. } = report;
    let of_words = *unit == "word";
    let mut header = vec!["network".to_owned(), format!("bits per {unit}"), String::new()];
    header.extend(of_words.then(|| "perplexity".to_owned()));
    table.set_header(header);
    let mut add = |what: &str, bits: f64, beside: String| {
        let mut row = vec![what.to_owned(), format!("{bits:.4}"), beside];
        row.extend(of_words.then(|| format!("{:.1}", bits.exp2())));
        table.add_row(row);
    };
    let beside = |other: f64| format!("integer {:+.4}", report.integer_bits - other);
    add("integer", report.integer_bits, String::new());
    if let Some(float) = report.float_bits {
        add("float", float, beside(float));
    }
    add("5-gram, Kneser-Ney", report.five_gram_bits, beside(report.five_gram_bits));
    let mut text =
        format!("{name} (sha256 {}…) on {symbols} {unit}s of the test text of {data}\n{table}", &report.sha256[..12]);
    let Golden { symbols, differing } = golden;
    text += &match differing {
        0 => format!("\ngolden: every state and output of {symbols} {unit}s is the fake-quantised network's"),
        n => format!("\ngolden: {n} values of {symbols} {unit}s DIFFER from the fake-quantised network's"),
    };
    if !report.drift.is_empty() {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([&format!("{unit}s"), "h apart, rms", "largest", "integer bits", "float bits"]);
        for d in &report.drift {
            let figures = [d.rms, d.largest, d.integer_bits, d.float_bits].map(|v| format!("{v:.4}"));
            table.add_row([format!("{}-{}", d.from, d.to)].into_iter().chain(figures));
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        text += &format!("\nfloat and integer side by side, from the start of the text:\n{table}");
    }
    text
}
