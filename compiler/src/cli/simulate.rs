//! The command `strassenc simulate`.

use super::{INTERRUPTED, Overwrite, data, eval, home, numbers, output};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use strassenc::build::Build;
use strassenc::check::random_vectors;
use strassenc::decide::Rule;
use strassenc::emit;
use strassenc::ir::{self, State};
use strassenc::simulate::{Mismatch, Options, Place, Simulator, Sources};
use strassenc::tools::Tools;
use strassenc_runtime::data::Split;
use strassenc_runtime::error::count;
use strassenc_runtime::network::Measure;
use strassenc_runtime::train::Measures;
use strassenc_runtime::{Error, Model, Result};

/// Run a build in Verilator, bit for bit against golden
///
/// Streams test samples (or random vectors) through the core, compares every output with the
/// integer reference, and measures latency and initiation interval against what signature.json
/// promises. The compiled simulator is cached on the content of the Verilog. Changed Verilog is
/// simulated as it is.
///
/// Exit status: 1 where an output, the timing or a rule of the streams is wrong; the message names
/// the sample, the output and the first signal in the core that is wrong.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc simulate build/digits                          the test samples of its own data
  strassenc simulate build/mnist --data mnist --samples 1000
  strassenc simulate build/digits --random 5000 --seed 7   random vectors, half at the format's ends
  strassenc simulate build/digits --gaps --backpressure    with random pauses on both streams
  strassenc simulate build/digits --random 1000000 --gaps --backpressure --resets
  strassenc simulate build/digits --wave digits.vcd        and the first samples as a waveform
  strassenc simulate build/austen --samples 2000           the first characters of the test text
  strassenc simulate build/sensor --samples 9              of a core of --steps: nine signals
  strassenc simulate build/austen --layers lstm_0          its hidden states
  strassenc simulate build/vgg --layers conv_0,conv_1      layers of a large core, one by one")]
pub struct Args {
    /// A folder that `strassenc verilog` wrote
    #[arg(value_name = "BUILD")]
    build: PathBuf,
    /// The data set [default: the one the model was trained on, else random vectors]
    #[arg(long, value_name = "SPEC", long_help = data::long_help(), conflicts_with = "random")]
    data: Option<String>,
    /// Only the first N samples of the test split
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "random",
        value_parser = numbers::count(1..=1_000_000_000),
    )]
    samples: Option<usize>,
    /// N random vectors instead of data
    #[arg(long, value_name = "N", value_parser = numbers::count(1..=1_000_000_000))]
    random: Option<usize>,
    /// Seed of random vectors, pauses and what registers hold at power-on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hold the tready of every output low at random
    #[arg(long)]
    backpressure: bool,
    /// Hold the tvalid of every input low at random
    #[arg(long)]
    gaps: bool,
    /// Hold aclken low at random, where the core has it
    #[arg(long)]
    pauses: bool,
    /// Reset the core at a random clock of every 32 vectors, or of a sequence, and give it what was
    /// lost anew
    #[arg(long)]
    resets: bool,
    /// Only these layers, each as a core of its own: for cores that are too large to be simulated
    /// as one
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "wave")]
    layers: Vec<String>,
    /// Write the first samples as a waveform (VCD), every signal of it
    #[arg(long, value_name = "FILE", value_parser = super::written())]
    wave: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Cores that run side by side [default: one per processor]
    #[arg(long, value_name = "N", value_parser = numbers::threads())]
    threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Random vectors where neither data nor their number is given.
const RANDOM: usize = 1000;
/// Clocks that they take, at most.
const CLOCKS: usize = 2_000_000;

/// Characters or words of a text, where no number is given.
const SYMBOLS: usize = 2000;
/// Samples in a waveform.
const WAVE: usize = 4;

#[derive(Serialize)]
struct Report<'a> {
    build: &'a Path,
    /// That of the build's record, by which a report knows whether it is about the same build.
    build_sha256: &'a str,
    /// Name of the data set, or `random`.
    data: &'a str,
    samples: usize,
    /// The steps of a sequence, where samples are those of sequences of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    /// Whether outputs are decisions, which are compared with those on golden's scores.
    decisions: bool,
    /// Samples with a wrong output.
    mismatches: usize,
    first_mismatch: Option<Mismatch>,
    place: Option<&'a Place>,
    /// What the accuracy is.
    measure: Measure,
    /// Share of the samples that the core classifies rightly, within 0..=1; of a regression R².
    accuracy: Option<f64>,
    latency: Timing<i64>,
    ii: Option<Timing<f64>>,
    clocks: u64,
    seconds: f64,
    inferences_per_second: f64,
    simulator: SimulatorReport,
}

/// A time in clocks, as measured and as the signature promises it.
#[derive(Serialize)]
struct Timing<T> {
    measured: T,
    promised: i64,
}

#[derive(Serialize)]
struct SimulatorReport {
    verilator: String,
    cached: bool,
    build_seconds: f64,
}

/// What is driven, and what must come out.
struct Vectors {
    name: String,
    inputs: Vec<Vec<i64>>,
    outputs: Vec<Vec<i64>>,
    /// The inputs of a sequence, where a sample of the data is one; 0: all are one, or none is.
    sequence: usize,
    /// The samples with their answers, where those are known.
    due: Option<Split>,
}

pub fn run(args: Args) -> Result<()> {
    if let Some(file) = &args.wave {
        args.overwrite.check(file)?;
        if let Some(folder) =
            file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        {
            return Err(Error::io(folder, "is no folder that a waveform could be written into")
                .help("make it, or name a file elsewhere"));
        }
    }
    let tools = home::tools()?;
    let build = Build::open_edited(&args.build)?;
    for name in &build.edited {
        output::note(format_args!(
            "warning: {} was changed since it was written",
            build.folder.join(name).display()
        ));
    }
    if args.pauses && !build.record.options.aclken {
        return Err(Error::input("--pauses", "needs a core with aclken")
            .help("strassenc verilog MODEL --aclken"));
    }
    let mut vectors = vectors(&args, &build, &tools)?;
    vectors.outputs = vectors.outputs.iter().map(|golden| build.signature.due(golden)).collect();
    if !args.layers.is_empty() {
        return layers(&args, &build, &vectors, &tools);
    }
    let sources = Sources::read(&build.folder, &build.signature)?;
    let verilator = tools.verilator()?.version;
    let simulator = Simulator::build(&sources, &build.signature, false, &tools)?;
    let options = driven(&args, &vectors);
    if let Some(file) = &args.wave {
        let traced = Simulator::build(&sources, &build.signature, true, &tools)?;
        traced.record(&vectors.inputs[..vectors.inputs.len().min(WAVE)], &options, file)?;
    }
    let wrong = |sample| {
        output::note(format_args!("sample {sample} is wrong: looking for the first wrong signal"));
        build.compiled()
    };
    let Vectors { inputs, outputs, .. } = &vectors;
    let compared = simulator.compare(&sources, inputs, outputs, &options, &wrong)?;
    let (run, mismatch) = (&compared.run, compared.wrong.as_ref().map(|(mismatch, _)| *mismatch));
    let report = Report {
        build: &build.folder,
        build_sha256: &build.record.sha256,
        data: &vectors.name,
        samples: vectors.inputs.len(),
        steps: Some(vectors.sequence).filter(|steps| *steps > 0),
        decisions: build.signature.decides(),
        mismatches: mismatch.map_or(0, |m| m.samples),
        first_mismatch: mismatch,
        place: compared.wrong.as_ref().map(|(_, place)| place),
        measure: build.model.provenance.recipe().loss.measure(),
        accuracy: vectors.due.as_ref().and_then(|due| {
            let last = vectors.sequence.max(1);
            let at_the_end = run.outputs.iter().skip(last - 1).step_by(last);
            judged(at_the_end, due, &build)
        }),
        latency: Timing { measured: run.latency, promised: build.signature.latency },
        ii: run.ii.map(|measured| Timing { measured, promised: build.signature.ii.into() }),
        clocks: run.clocks,
        seconds: run.seconds,
        inferences_per_second: run.rate(),
        simulator: SimulatorReport {
            verilator,
            cached: simulator.cached,
            build_seconds: simulator.build_time.as_secs_f64(),
        },
    };
    if args.json {
        output::json(&report)?;
    } else {
        output::write(render(&report))?;
    }
    simulator.verdict(&compared)
}

/// How the streams are driven.
fn driven(args: &Args, vectors: &Vectors) -> Options {
    let Args { seed, gaps, backpressure, pauses, resets, threads, .. } = *args;
    let sequence = vectors.sequence;
    // 0 is one per processor.
    Options { seed, gaps, backpressure, pauses, resets, threads: threads.unwrap_or(0), sequence }
}

/// One layer of a core, alone in Verilator.
#[derive(Serialize)]
struct LayerReport {
    layer: String,
    samples: usize,
    mismatches: usize,
    latency: Timing<i64>,
    ii: Option<Timing<f64>>,
    clocks: u64,
    seconds: f64,
}

/// Simulates layers one by one: what enters them is what the dataflow IR computes, whose outputs
/// are compared with golden's.
fn layers(args: &Args, build: &Build, vectors: &Vectors, tools: &Tools) -> Result<()> {
    let core = build.compiled()?;
    let edges: Vec<Vec<Vec<i64>>> = if core.dataflow.is_recurrent() {
        let mut state = State::default();
        let step = |(i, x): (usize, &Vec<i64>)| {
            if i.checked_rem(vectors.sequence) == Some(0) {
                state = State::default();
            }
            ir::step(&core.dataflow, &mut state, x)
        };
        vectors.inputs.iter().enumerate().map(step).collect::<Result<_>>()?
    } else {
        vectors
            .inputs
            .par_iter()
            .map(|x| ir::interpret(&core.dataflow, x))
            .collect::<Result<_>>()?
    };
    let mut both = edges.iter().zip(&vectors.outputs);
    if both.any(|(edges, due)| core.dataflow.outputs_of(edges) != *due) {
        return Err(Error::mismatch("dataflow IR", "its outputs are not golden's"));
    }
    let mut reports = vec![];
    for layer in &args.layers {
        let (number, alone) = core.alone(layer, &|| INTERRUPTED.load(Ordering::Relaxed))?;
        let options =
            emit::Options { clock_enable: build.record.options.aclken, ..emit::Options::default() };
        let emitted = emit::emit_core(&alone, &options)?;
        let simulator =
            Simulator::build(&Sources::from(&emitted), &emitted.signature, false, tools)?;
        let read = core.dataflow.layers[number].reads[0].index();
        let inputs: Vec<Vec<i64>> = edges.iter().map(|edges| edges[read].clone()).collect();
        let yields = core.dataflow.edge_of(number).index();
        let outputs: Vec<Vec<i64>> = edges.iter().map(|edges| edges[yields].clone()).collect();
        let run = simulator.run(&inputs, &driven(args, vectors)).map_err(Error::from)?;
        if let Some(Mismatch { sample, output, expected, got, .. }) = run.mismatch(&outputs) {
            let cause = format_args!("output {output} is {got}, golden says {expected}");
            return Err(Error::mismatch(format_args!("layer `{layer}`, sample {sample}"), cause));
        }
        run.check_promises(&emitted.signature)?;
        let report = LayerReport {
            layer: layer.clone(),
            samples: inputs.len(),
            mismatches: 0,
            latency: Timing { measured: run.latency, promised: emitted.signature.latency },
            ii: run.ii.map(|measured| Timing { measured, promised: emitted.signature.ii.into() }),
            clocks: run.clocks,
            seconds: run.seconds,
        };
        if !args.json {
            let LayerReport { layer, samples, latency, clocks, seconds, .. } = &report;
            output::line(format_args!(
                "{layer}: {}, every output is golden's; latency {} as promised; {} in \
                 {seconds:.1} s",
                count(*samples, "sample"),
                count(latency.measured, "clock"),
                count(*clocks, "clock")
            ))?;
        }
        reports.push(report);
    }
    if args.json {
        output::json(&reports)?;
    }
    Ok(())
}

/// The vectors that the options ask for, with golden's outputs.
fn vectors(args: &Args, build: &Build, tools: &Tools) -> Result<Vectors> {
    let model = &build.model;
    let trained_on = model.provenance.data.is_some();
    if args.random.is_none() && model.provenance.alphabet.is_some() {
        let text = data::text_of_model(model, args.data.as_deref())?;
        // Every symbol but the last is an input, whose label is the next one.
        let count = text.test.len().saturating_sub(1).min(args.samples.unwrap_or(SYMBOLS));
        let inputs = text.symbols.integers(&text.test[..count], model.input.elements());
        let labels: Vec<u32> = text.test.iter().skip(1).take(count).copied().collect();
        let outputs = golden_outputs(model, &inputs, tools)?;
        let due = Split::of_classes(ndarray::Array2::<f32>::zeros((count, 0)).into(), labels);
        return Ok(Vectors { name: text.name, inputs, outputs, sequence: 0, due: Some(due) });
    }
    if args.random.is_none() && (args.data.is_some() || trained_on) {
        let data = data::of_model(model, args.data.as_deref())?;
        let split = data.test.take(args.samples.unwrap_or(usize::MAX));
        let steps = data.steps(model);
        let inputs = eval::in_steps(split.x.integers(&data.columns(model))?, steps)?;
        let length = eval::sequence_of(steps, &inputs);
        let outputs = rows(eval::golden_outputs(model, inputs.view(), length, tools)?);
        let (sequence, due) = (if steps > 1 { steps } else { 0 }, Some(split));
        return Ok(Vectors { name: data.name, inputs: rows(inputs), outputs, sequence, due });
    }
    if let Some(n) = args.samples {
        let cause = "are those of data, and this network was trained on none";
        let help = format_args!("name data with --data, or give --random {n}");
        return Err(Error::input("--samples", cause).help(help));
    }
    let count = args.random.unwrap_or((CLOCKS / build.signature.ii as usize).clamp(1, RANDOM));
    numbers::check_vectors("--random", count, model.elements())?;
    let inputs = random_vectors(model, count, args.seed);
    let outputs = golden_outputs(model, &inputs, tools)?;
    Ok(Vectors { name: "random".into(), inputs, outputs, sequence: 0, due: None })
}

/// The outputs of golden; those of a recurrent network as one sequence.
fn golden_outputs(model: &Model, inputs: &[Vec<i64>], tools: &Tools) -> Result<Vec<Vec<i64>>> {
    let shape = (inputs.len(), model.elements());
    let inputs = ndarray::Array2::from_shape_vec(shape, inputs.concat())
        .map_err(|e| Error::internal("simulate, vectors", e))?;
    Ok(rows(eval::golden_outputs(model, inputs.view(), inputs.nrows(), tools)?))
}

fn rows(all: ndarray::Array2<i64>) -> Vec<Vec<i64>> {
    all.outer_iter().map(|row| row.to_vec()).collect()
}

/// How well the core does with its answers to samples of which it is known what is due; nothing
/// where what it tells of scores is not what is judged.
fn judged<'a>(
    answers: impl Iterator<Item = &'a Vec<i64>>,
    due: &Split,
    build: &Build,
) -> Option<f64> {
    let model = &build.model;
    let task = model.provenance.recipe().task(None);
    let last = model.output().0.elements();
    let told = |all: &[i64]| -> Vec<i64> {
        let own = &all[..build.signature.output.elements];
        build.signature.decision.map_or_else(|| own.to_vec(), |decision| decision.stand_ins(own))
    };
    let judged = matches!(
        (build.signature.decision.map(|own| own.rule), task.loss.measure()),
        (None, _)
            | (Some(Rule::Argmax | Rule::Top { .. }), Measure::Accuracy)
            | (Some(Rule::Threshold { .. }), Measure::AllLabels)
    );
    if !judged {
        return None;
    }
    let scores: Vec<Vec<i64>> = answers.map(|all| told(all)).collect();
    let outputs = ndarray::Array2::from_shape_fn((scores.len(), last), |(i, k)| scores[i][k]);
    let unit = f64::powi(2.0, -model.output_frac());
    Some(Measures::of(&task, outputs.view(), |v| v as f64 * unit, due.due(0)).judged())
}

fn render(report: &Report) -> String {
    let Report { data, samples, latency, simulator, .. } = report;
    let what = match report.steps {
        _ if *data == "random" => "random vectors".into(),
        Some(steps) => format!("steps, {steps} of each test sample of {data}"),
        None => format!("test samples of {data}"),
    };
    let mut text = format!("{samples} {what}: ");
    text += &match report.mismatches {
        0 if report.decisions => "every decision is that on golden's scores\n".to_string(),
        0 => "every output is golden's\n".to_string(),
        n => format!("{n} DIFFER from golden\n"),
    };
    if let Some(accuracy) = report.accuracy {
        let what = format!("test {}", report.measure.name());
        text += &format!("{what:<21} {}\n", report.measure.told(accuracy));
    }
    text += &format!(
        "latency               {}, {} promised\n",
        count(latency.measured, "clock"),
        latency.promised
    );
    if let Some(ii) = &report.ii {
        text += &format!(
            "initiation interval   {}, {} promised\n",
            count(ii.measured, "clock"),
            ii.promised
        );
    }
    let rate = report.inferences_per_second;
    let digits = if rate < 10.0 { 2 } else { 0 };
    text += &format!(
        "simulated             {} in {:.2} s, {rate:.digits$} inferences per second\n",
        count(report.clocks, "clock"),
        report.seconds
    );
    let how = if simulator.cached { "from the cache" } else { "built" };
    text + &format!(
        "simulator             Verilator {}, {how} in {:.1} s\n",
        simulator.verilator, simulator.build_seconds
    )
}
