//! What is known of a build beside its own figures: how its network was trained and how well it
//! does, what was proved as it was compiled, and what a simulation and a check found.

use crate::build::Record;
use crate::engine::Choice;
use crate::figures::Figures;
use serde::{Deserialize, Serialize};
use std::path::Path;
use strassenc_runtime::model::Provenance;
use strassenc_runtime::network::Measure as Judged;
use strassenc_runtime::train::{self, Epoch, Phase};
use strassenc_runtime::{Error, Result, files, model_file, wording};

/// How well the network does, from its training to its core: a step of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// What was measured.
    pub of: String,
    /// The samples that it was measured on, in words.
    pub on: String,
    /// The share that is right, 0..=1; of a regression R².
    pub accuracy: Option<f64>,
    /// Bits a symbol, of a network over a text.
    pub bits: Option<f64>,
}

/// What was proved as the build was compiled; every count is of proofs that hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// Adder graphs that equal their matrices.
    pub graphs: usize,
    /// Adders in them.
    pub adders: usize,
    /// Circuits that equal their layers for every input.
    pub circuits: usize,
    /// Folded layers whose ROMs, read back, give their matrices.
    pub folded: usize,
    /// Pipelines whose every path was followed.
    pub pipelines: usize,
    /// Their stages.
    pub stages: usize,
    /// Primitives that are what the dataflow and the engines ask for.
    pub primitives: usize,
    /// Streams between them.
    pub streams: usize,
}

/// What `strassenc simulate BUILD --json` printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// The build, as its record has it.
    pub build_sha256: String,
    /// What was streamed through the core.
    pub data: String,
    /// How many samples.
    pub samples: usize,
    /// How many outputs were wrong.
    pub mismatches: usize,
    /// The share of samples that the core classifies rightly.
    pub accuracy: Option<f64>,
    /// The latency in clocks.
    pub latency: Timing,
    /// The clocks between inferences.
    pub ii: Option<Timing>,
    /// All clocks.
    pub clocks: u64,
    /// What simulated.
    pub simulator: Simulator,
}

/// A time in clocks, as measured and as the signature promises it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// As measured.
    pub measured: f64,
    /// As promised.
    pub promised: i64,
}

/// What simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulator {
    /// Verilator's version.
    pub verilator: String,
}

/// What `strassenc check BUILD --json` printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The build, as its record has it.
    pub build_sha256: String,
    /// Rungs that hold.
    pub passed: usize,
    /// Rungs that do not.
    pub failed: usize,
    /// Rungs that could not run.
    pub skipped: usize,
    /// All of them in order.
    pub rungs: Vec<Rung>,
}

/// A rung of the ladder from the float network to gates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// What was compared or proved.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `passed`, `skipped` or `failed`.
    pub outcome: String,
    /// What was counted.
    #[serde(default)]
    pub counts: Option<String>,
    /// Why it was skipped.
    #[serde(default)]
    pub why: Option<String>,
    /// What is wrong.
    #[serde(default)]
    pub error: Option<String>,
}

impl Proved {
    pub(super) fn new(figures: &Figures) -> Self {
        let Figures { layers, streams, .. } = figures;
        let of =
            |is: fn(&Choice) -> bool| layers.iter().filter(move |layer| is(&layer.engine.choice));
        let graphs = || of(|choice| choice.is_wired()).flat_map(|l| [&l.wb, &l.wc]);
        Proved {
            graphs: graphs().filter(|graph| graph.rows > 0).count(),
            adders: graphs().map(|graph| graph.adders).sum(),
            circuits: of(|choice| choice.is_wired()).count(),
            folded: of(|choice| matches!(choice, Choice::Folded(_))).count(),
            pipelines: streams.pipelines.len(),
            stages: streams.pipelines.iter().map(|pipeline| pipeline.stages.len()).sum(),
            primitives: streams.primitives.len(),
            streams: streams.streams.len(),
        }
    }
}

/// The measures that the model brings with it, those of the run before them.
pub(super) fn ladder(provenance: &Provenance, epochs: &[Epoch]) -> Vec<Measure> {
    let phase = |phase: Phase, of: &str| {
        let last = epochs.iter().rev().find(|epoch| epoch.phase == phase)?;
        let (on, accuracy) = match last.validation_accuracy {
            Some(accuracy) => ("samples held out", accuracy),
            None => ("training samples", last.train_accuracy),
        };
        let bits = last.validation_loss.map(|nats| nats / std::f64::consts::LN_2);
        Some(Measure { of: of.into(), on: on.into(), accuracy: Some(accuracy), bits })
    };
    let tested = |kind: &str, of: &str| {
        let measure = |what: &str| provenance.metrics.get(&format!("test_{what}_{kind}")).copied();
        let judged = [Judged::Accuracy, Judged::R2, Judged::AllLabels];
        let accuracy = judged.into_iter().find_map(|by| measure(by.key()));
        let bits = measure("bits");
        let one = Measure { of: of.into(), on: "test samples".into(), accuracy, bits };
        (accuracy.is_some() || bits.is_some()).then_some(one)
    };
    [
        phase(Phase::Full, "in full precision"),
        phase(Phase::Ternary, "with ternary matrices"),
        phase(Phase::Frozen, "with integer activations"),
        tested("float", "trained network in floats"),
        tested("integer", "integers, which the core computes"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The epochs of the run that the build's model came from.
///
/// # Errors
/// Where `folder` is no run, or one of another model.
pub fn epochs(folder: &Path, record: &Record) -> Result<Vec<Epoch>> {
    let history = train::history(folder)?;
    let model = model_file::load(&folder.join(crate::build::MODEL))?;
    if model_file::sha256(&model)? != record.model_sha256 {
        return Err(Error::input(folder.display(), "is the run of another model than the build's")
            .help("give the run that the build was made of, or build that run's model"));
    }
    Ok(history)
}

impl Simulated {
    /// How well the core does, where the samples have labels.
    pub(super) fn measure(&self) -> Option<Measure> {
        let accuracy = Some(self.accuracy?);
        let on = format!("first {} test samples", super::thousands(self.samples));
        Some(Measure { of: "simulated core".into(), on, accuracy, bits: None })
    }

    /// What a file holds.
    ///
    /// # Errors
    /// Where it is no such file, or about another build.
    pub fn read(path: &Path, record: &Record) -> Result<Self> {
        let one: Self = read(path, "simulate")?;
        of_build(path, &one.build_sha256, record)?;
        Ok(one)
    }
}

impl Checked {
    /// What a file holds.
    ///
    /// # Errors
    /// Where it is no such file, or about another build.
    pub fn read(path: &Path, record: &Record) -> Result<Self> {
        let one: Self = read(path, "check")?;
        of_build(path, &one.build_sha256, record)?;
        Ok(one)
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path, command: &str) -> Result<T> {
    serde_json::from_slice(&files::read(path)?).map_err(|e| {
        let cause = format_args!(
            "is not what `strassenc {command} --json` prints: {}",
            wording::of_json(&e)
        );
        Error::input(path.display(), cause)
            .help(format_args!("strassenc {command} BUILD --json > FILE\nwrites one"))
    })
}

fn of_build(path: &Path, sha256: &str, record: &Record) -> Result<()> {
    if sha256 == record.sha256 {
        return Ok(());
    }
    Err(Error::input(path.display(), "is about another build")
        .help("run the command again on this one"))
}
