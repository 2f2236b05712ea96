//! The command `strassenc check`.

use super::output::{BAD, GOOD, ODD, styled};
use super::{consent, data, home, numbers, output, verilog};
use serde::Serialize;
use std::path::{Path, PathBuf};
use strassenc::build::{self, Build};
use strassenc::check::{self, Outcome, Rung, Vectors};
use strassenc::report::thousands;
use strassenc_runtime::{Error, Result, files};

/// The golden-model tests on this very model
///
/// Climbs the ladder from the float network to gates: fake-quantised f64 = golden; NumPy and ONNX
/// Runtime = golden; every adder graph proved; dataflow IR, circuits, scheduled pipelines and the
/// emitted Verilog = golden on corner vectors, random vectors and real data, at full rate and under
/// random back pressure; small cores also in Icarus and proved equivalent by Yosys. A rung whose
/// tool is missing is skipped, and says so.
///
/// Exit status: 1 where a rung does not hold.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc check runs/digits                         a model, compiled with the default options
  strassenc check build/mnist --data mnist --samples 10000
  strassenc check build/digits --random 5000 --seed 7 --json")]
pub struct Args {
    /// A model file, a run folder, or a build folder
    #[arg(value_name = "MODEL|BUILD")]
    subject: PathBuf,
    /// The data set [default: the one the model was trained on, where it is installed]
    #[arg(long, value_name = "SPEC", long_help = data::long_help())]
    data: Option<String>,
    /// Only the first N samples of the test split
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        value_parser = numbers::count(0..=1_000_000_000),
    )]
    samples: usize,
    /// Random vectors, half of them at the ends of the format
    #[arg(
        long,
        value_name = "N",
        default_value_t = 256,
        value_parser = numbers::count(0..=1_000_000_000),
    )]
    random: usize,
    /// Seed of random vectors, gaps and back pressure
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    subject: &'a Path,
    model_sha256: &'a str,
    /// That of the build's record, by which a report knows whether it is about the same build.
    build_sha256: &'a str,
    passed: usize,
    failed: usize,
    skipped: usize,
    rungs: &'a [Rung],
}

pub fn run(args: Args) -> Result<()> {
    let tools = home::tools()?;
    // A model is compiled into a folder of its own, which goes when the check ends.
    let work = files::WorkFolder::new()?;
    let folder = if build::is_build(&args.subject) {
        args.subject.clone()
    } else {
        let folder = work.path().join("build");
        let (model, options) = (verilog::load(&args.subject)?, build::Options::default());
        consent::ask(&model, &options, false)?;
        verilog::write(&model, &options, &folder, build::Edits::Keep)?;
        folder
    };
    let build = Build::open(&folder)?;
    let samples = samples(&args, &build)?;
    numbers::check_vectors("--random", args.random, build.model.elements())?;
    let core = build.compiled()?;
    let vectors = Vectors::new(&core, args.random, args.seed, samples)?;
    let width = 34;
    let mut print = |rung: &Rung| {
        if args.json {
            return Ok(());
        }
        let (mark, text) = match &rung.outcome {
            Outcome::Passed { counts } => (styled(GOOD, "pass"), counts),
            Outcome::Skipped { why } => (styled(ODD, "skip"), why),
            Outcome::Failed { error } => (styled(BAD, "FAIL"), error),
        };
        // Beside the name where it fits 80 columns, else below it.
        let is_short = text.lines().count() == 1 && width + text.chars().count() + 16 <= 80;
        let text =
            if is_short { text.clone() } else { format!("\n{text}").replace('\n', "\n      ") };
        output::painted(format_args!(
            "{mark}  {:width$} {text}  [{:.1} s]",
            rung.name, rung.seconds
        ))
    };
    let rungs = check::climb(&build, &core, &vectors, args.seed, &tools, &mut print)?;
    let count = |f: fn(&Outcome) -> bool| rungs.iter().filter(|r| f(&r.outcome)).count();
    let passed = count(|o| matches!(o, Outcome::Passed { .. }));
    let failed = count(|o| matches!(o, Outcome::Failed { .. }));
    let skipped = rungs.len() - passed - failed;
    if args.json {
        let model_sha256 = &build.record.model_sha256;
        let build_sha256 = &build.record.sha256;
        let (subject, rungs) = (&args.subject, &rungs[..]);
        let report = Report { subject, model_sha256, build_sha256, passed, failed, skipped, rungs };
        output::json(&report)?;
    } else {
        let adders = thousands(build.record.figures.total.adders);
        output::line(format_args!(
            "{passed} rungs hold, {failed} do not, {skipped} were skipped;\n{adders} adders, {}",
            vectors.counts()
        ))?;
    }
    match rungs.iter().find(|r| r.failed()) {
        Some(rung) => Err(Error::mismatch(
            args.subject.display(),
            format_args!("`{}` does not hold", rung.name),
        )),
        None => Ok(()),
    }
}

/// The test samples as integers; none where the model names no data and none was asked for, or what
/// it names is not here.
fn samples(args: &Args, build: &Build) -> Result<Vec<Vec<i64>>> {
    if args.data.is_none() && build.model.provenance.data.is_none() {
        // It was not trained on any.
        return Ok(vec![]);
    }
    if build.model.provenance.alphabet.is_some() {
        return match data::text_of_model(&build.model, args.data.as_deref()) {
            Ok(text) => {
                let some = &text.test[..text.test.len().min(args.samples)];
                Ok(text.symbols.integers(some, build.model.input.elements()))
            }
            Err(error) if args.data.is_none() => {
                output::note(format_args!("without real data: {error}"));
                Ok(vec![])
            }
            Err(error) => Err(error),
        };
    }
    let set = match data::of_model(&build.model, args.data.as_deref()) {
        Ok(set) => set,
        Err(error) if args.data.is_none() => {
            output::note(format_args!("without real data: {error}"));
            return Ok(vec![]);
        }
        Err(error) => return Err(error),
    };
    let x = set.test.take(args.samples).x.integers(&set.columns(&build.model))?;
    // Of a model of one step, those of all samples are one sequence.
    let steps = x.outer_iter().flat_map(|row| {
        let row = row.to_vec();
        row.chunks(build.model.elements()).map(<[i64]>::to_vec).collect::<Vec<_>>()
    });
    Ok(steps.collect())
}
