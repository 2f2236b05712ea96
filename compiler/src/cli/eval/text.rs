//! `strassenc eval` of networks of sequences: bits per character or word.

use super::super::data::{self, Origin};
use super::super::{home, output};
use super::{Args, NO_INTEGERS, shown_hash, write_vectors};
use comfy_table::{CellAlignment, Table, presets};
use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;
use std::path::PathBuf;
use strassenc::build;
use strassenc_runtime::data::Split;
use strassenc_runtime::data::ngram::Ngram;
use strassenc_runtime::model::Layer;
use strassenc_runtime::train::{CHECKPOINT, Exact, Score, SequenceCheckpoint, measured};
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
    sha256: Option<String>,
    data: String,
    /// What the text is a sequence of: `character` or `word`.
    unit: &'static str,
    /// Characters or words that were evaluated: those that follow another one.
    symbols: usize,
    /// Bits per character or word; none of a run in full precision.
    integer_bits: Option<f64>,
    /// Bits per character or word of the float network; none where its checkpoint is not there.
    float_bits: Option<f64>,
    /// Bits per character or word of an interpolated Kneser-Ney 5-gram of the same training text.
    five_gram_bits: f64,
    golden: Option<Golden>,
    /// How far the integer network and the float network are apart, the further into one sequence.
    drift: Vec<Drift>,
}

#[derive(Clone, Copy, Serialize)]
struct Golden {
    /// Characters or words of one sequence.
    symbols: usize,
    /// Values that differ from the fake-quantised network's, hidden states and outputs.
    differing: usize,
}

/// The drift over the inputs `from` to `to` of a sequence, counted from 1.
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

/// Evaluates a model, or the run in full precision that the arguments name.
pub(super) fn run(args: Args, model: Option<&Model>) -> Result<()> {
    let file = if args.model.is_dir() { args.model.join(build::MODEL) } else { args.model.clone() };
    let checkpoint = file.with_file_name(CHECKPOINT);
    let float =
        if checkpoint.is_file() { Some(SequenceCheckpoint::load(&checkpoint)?) } else { None };
    let text = match (model, &float) {
        (Some(model), _) => data::text_of_model(model, args.data.as_deref())?,
        (None, Some(float)) => {
            let origin = Origin::new(Some(float.data_name()), Some(&float.network));
            data::text_of(args.data.as_deref(), &origin, Some(float.symbols()))?
        }
        (None, None) => return Err(Error::internal("eval", "neither a model nor a checkpoint")),
    };
    let asked = &text.test
        [..text.test.len().min(args.samples.unwrap_or(usize::MAX).saturating_add(1).max(2))];
    // Sequences side by side are of one length. What is left over is one more where so many symbols
    // were asked for; of a whole text it is not evaluated, as in training, and so it is not
    // counted.
    let sequences = measured(asked);
    let (even, left) = asked.split_at((asked.len() - 1) / sequences * sequences);
    let even = &asked[..=even.len()];
    let mut parts = vec![(even, sequences)];
    let all = if args.samples.is_some() { asked } else { even };
    if args.samples.is_some() && left.len() > 1 {
        parts.push((left, 1));
    }
    let total = |score: &dyn Fn(&[u32], usize) -> Score| {
        let mut total = Score::default();
        parts.iter().for_each(|(text, sequences)| total += score(text, *sequences));
        total.bits()
    };
    let tools = home::tools()?;

    let unit = text.symbols.unit();
    let spinner = tools.spinner(format!("{} {unit}s", all.len() - 1));
    let float_bits =
        float.as_ref().map(|float| total(&|text, sequences| float.score(text, sequences)));
    tools.check_interrupted()?;
    let five_gram_bits = Ngram::new(&text.train, ORDER, text.symbols.count()).bits(all);
    tools.check_interrupted()?;
    let mut report = Report {
        name: model.map_or_else(
            || float.as_ref().map(|f| f.network.name.clone()).unwrap_or_default(),
            |m| m.name.clone(),
        ),
        sha256: model.map(model_file::sha256).transpose()?,
        data: text.name.clone(),
        unit,
        symbols: all.len() - 1,
        integer_bits: None,
        float_bits,
        five_gram_bits,
        golden: None,
        drift: vec![],
        model: if model.is_some() { file } else { args.model },
    };
    if let Some(model) = model {
        let exact = Exact::new(model)?;
        let inputs = text.symbols.inputs(model.input.elements());
        report.integer_bits =
            Some(total(&|text, sequences| exact.evaluate(text, sequences, inputs.view())));
        tools.check_interrupted()?;
        let first = &all[..all.len().min(GOLDEN + 1)];
        let (golden, integer) = compare(model, &exact, first, inputs.view())?;
        report.golden = Some(golden);
        report.drift = float.map_or(vec![], |float| drift(model, &float, &integer, all));
        if let Some(folder) = &args.vectors {
            let rows = inputs.select(
                Axis(0),
                &first[..integer.len()].iter().map(|s| *s as usize).collect::<Vec<_>>(),
            );
            let outputs =
                Array2::from_shape_fn((integer.len(), model.outputs()), |(t, i)| integer[t][1][i]);
            let rows = rows.mapv(i64::from);
            let labels = first[1..].to_vec();
            let due = Split::of_classes(Array2::<f32>::zeros((labels.len(), 0)).into(), labels);
            write_vectors(folder, model, [&rows, &outputs], &due, &args.overwrite)?;
        }
    }
    spinner.finish_and_clear();
    if args.json {
        output::json(&report)?;
    } else {
        output::line(render(&report))?;
    }
    match report.golden {
        Some(Golden { differing: 1.., .. }) => {
            let differing = report.golden.map_or(0, |golden| golden.differing);
            Err(Error::mismatch(
                "fake-quantised",
                format_args!("{differing} integers differ from golden's"),
            ))
        }
        _ => Ok(()),
    }
}

/// The h of the last LSTM layer and the outputs, in integers, for each input of one sequence; and
/// how often golden differs in any value.
fn compare(
    model: &Model,
    exact: &Exact,
    text: &[u32],
    inputs: ArrayView2<u32>,
) -> Result<(Golden, Vec<[Vec<i64>; 2]>)> {
    let (mut state, mut of_golden) = (exact.start(1), golden::State::start());
    let last =
        model.layers.iter().rposition(|layer| matches!(layer, Layer::Recurrent(_))).unwrap_or(0);
    let (mut differing, mut steps) = (0, vec![]);
    let tokens = &text[..text.len() - 1];
    for &token in tokens {
        let input = inputs.row(token as usize);
        let values = exact.step(input.mapv(f64::from).insert_axis(Axis(0)), &mut state);
        let edges = golden::step(
            model,
            &mut of_golden,
            &input.iter().map(|v| i64::from(*v)).collect::<Vec<_>>(),
        )?;
        for (value, edge) in values.iter().zip(&edges[1..]) {
            differing += value.iter().zip(edge).filter(|(v, g)| **v != **g as f64).count();
        }
        steps.push([edges[last + 1].clone(), edges[edges.len() - 1].clone()]);
    }
    Ok((Golden { symbols: tokens.len(), differing }, steps))
}

/// The drift by powers of ten.
fn drift(
    model: &Model,
    float: &SequenceCheckpoint,
    integer: &[[Vec<i64>; 2]],
    text: &[u32],
) -> Vec<Drift> {
    let lstm = model
        .layers
        .iter()
        .rev()
        .find_map(|l| if let Layer::Recurrent(lstm) = l { Some(lstm) } else { None });
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
    let Report { name, data, unit, symbols, .. } = report;
    let of_words = *unit == "word";
    let mut header = vec!["network".to_owned(), format!("bits per {unit}"), String::new()];
    header.extend(of_words.then(|| "perplexity".to_owned()));
    table.set_header(header);
    let mut add = |what: &str, bits: f64, beside: String| {
        let mut row = vec![what.to_owned(), format!("{bits:.4}"), beside];
        row.extend(of_words.then(|| format!("{:.1}", bits.exp2())));
        table.add_row(row);
    };
    let beside = |other: f64| {
        report.integer_bits.map(|bits| format!("integer {:+.4}", bits - other)).unwrap_or_default()
    };
    if let Some(bits) = report.integer_bits {
        add("integer", bits, String::new());
    }
    if let Some(float) = report.float_bits {
        add("float", float, beside(float));
    }
    add("5-gram, Kneser-Ney", report.five_gram_bits, beside(report.five_gram_bits));
    let hash = shown_hash(report.sha256.as_deref());
    let mut text = format!("{name}{hash} on {symbols} {unit}s of the test text of {data}\n{table}");
    text += &match report.golden {
        Some(Golden { symbols, differing: 0 }) => {
            format!(
                "\ngolden: every state and output of {symbols} {unit}s is the fake-quantised \
                 network's"
            )
        }
        Some(Golden { symbols, differing }) => {
            format!(
                "\ngolden: {differing} values of {symbols} {unit}s DIFFER from the fake-quantised \
                 network's"
            )
        }
        None => format!("\ninteger: none, {NO_INTEGERS}"),
    };
    if !report.drift.is_empty() {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            &format!("{unit}s"),
            "h apart, rms",
            "largest",
            "integer bits",
            "float bits",
        ]);
        for d in &report.drift {
            let figures =
                [d.rms, d.largest, d.integer_bits, d.float_bits].map(|v| format!("{v:.4}"));
            table.add_row([format!("{}-{}", d.from, d.to)].into_iter().chain(figures));
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        text += &format!("\nfloat and integer side by side, from the start of the text:\n{table}");
    }
    text
}
