//! The build folder: what `strassenc verilog` writes and what `simulate`, `report` and `check`
//! open.
//!
//! Everything in it follows from the model and the options in `build.json`; the adder graphs are
//! kept beside them, since a search may have taken long, or ended at a time limit.

mod budget;
mod graphs;
mod open;

pub use crate::folder::Edits;
pub use open::{Build, is_build};

use crate::adder_graph::{
    self, CostModel, Effort, Operands, Solution, Watch, minimum_depth, share_watched,
};
use crate::compile::{self, Compiled, Levels, Pass, Problem, Progress};
use crate::decide::Asked;
use crate::device::{DEVICES, Device};
use crate::emit::signature::{Beat, Frames};
use crate::emit::{self, TOOL};
use crate::engine::{Engines, Target};
use crate::estimate::Estimate;
use crate::figures::Figures;
use crate::multipliers::Multipliers;
use crate::project::{self, Project};
use crate::schedule::{self, Limit};
use rayon::current_num_threads;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Mutex;
use strassenc_runtime::{Error, Model, Result, files, model_file};

/// The schema of `build.json` that this version writes and reads.
pub const SCHEMA: u32 = 4;

/// Name of the record.
pub const RECORD: &str = "build.json";

/// Name of the model.
pub const MODEL: &str = "model.safetensors";

/// Name of the engines.
pub const ENGINES: &str = "engines.toml";

/// Name of the adder graphs.
pub const GRAPHS: &str = "adder_graphs.json";

/// `build.json`: what a build folder is made of and what its core costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the record's form: [`SCHEMA`].
    pub schema: u32,
    /// [`TOOL`] of the version that wrote it.
    pub tool: String,
    /// The model's hash, as [`model_file::sha256`] gives it.
    pub model_sha256: String,
    /// What was asked for.
    pub options: Options,
    /// SHA-256 of every other file, by name.
    pub files: BTreeMap<String, String>,
    /// What the core costs.
    pub figures: Figures,
    /// SHA-256 of this file with nothing in the place of these digits.
    pub sha256: String,
}

impl Record {
    fn to_json(&self) -> String {
        // Plain data with string keys always serialises.
        serde_json::to_string_pretty(self).expect("a record is plain data") + "\n"
    }

    fn sealed(self) -> Self {
        Record { sha256: sha256(self.to_json().as_bytes()), ..self }
    }
}

/// The most effort of a search for common sums.
pub const MOST_EFFORT: u8 = 3;

/// Powers of two by which parameters that are loaded may be larger, and finer or smaller, than the
/// model's.
pub const MARGIN: RangeInclusive<u32> = 0..=8;

/// The largest depth of an adder graph that can be asked for. None is deeper: a sum has at most
/// 2^25 signals.
pub const MOST_DEPTH: u32 = 48;

/// Everything that decides a build, beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Additions on a path between registers, at least 1.
    pub adders_per_stage: u32,
    /// The device that the core is for; of none, it is for any.
    #[serde(default)]
    pub device: Option<Device>,
    /// The device whose delays decide the schedule, for the clock of `target`; without one
    /// `adders_per_stage` does.
    #[serde(default)]
    pub scheduled_for: Option<Device>,
    /// Clocks from a multiplier's operand to its rounded product, 1..=4.
    pub multiplier_latency: u32,
    /// How hard to search for common sums, 0..=3.
    pub effort: u8,
    /// Largest depth of an adder graph.
    pub max_depth: Option<u32>,
    /// Largest depth of an adder graph above the least of its matrix; not beside `max_depth`.
    #[serde(default)]
    pub extra_depth: Option<u32>,
    /// The most operands of an adder, 2 or 3.
    #[serde(default = "two")]
    pub adder_operands: u8,
    /// What a search makes small.
    #[serde(default)]
    pub cost: CostModel,
    /// Seed of the search.
    pub seed: u64,
    /// Seconds after which the search ends with what it has; what that is depends on the machine.
    pub time_limit: Option<f64>,
    /// Elements of a beat on both sides, see [`Beat::Elements`].
    pub beat_elements: Option<usize>,
    /// Bits of `s_axis_tdata`, see [`Beat::Bits`]; before `beat_elements`.
    #[serde(default)]
    pub input_bits: Option<usize>,
    /// Bits of `m_axis_tdata`, likewise.
    #[serde(default)]
    pub output_bits: Option<usize>,
    /// What ends an input frame.
    #[serde(default)]
    pub frames: Frames,
    /// Whether the core has a clock enable.
    pub aclken: bool,
    /// Whether the core has an AXI4-Lite slave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub control: bool,
    /// Whether coefficients, biases and shifts of outputs are loaded at run time, see
    /// [`compile::Options::reloadable`]; then it has the slave, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reloadable: Option<u32>,
    /// What is told of outputs in the place of their scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decide: Vec<Asked>,
    /// What multipliers are made of.
    #[serde(default)]
    pub multipliers: Multipliers,
    /// Most hardware multipliers.
    #[serde(default)]
    pub dsp_budget: Option<usize>,
    /// What the core is asked for.
    #[serde(default)]
    pub target: Target,
    /// The engines of layers that the user gives.
    #[serde(default)]
    pub engines: Engines,
    /// The kinds of project files; where none are named, all that fit the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<Project>>,
}

fn two() -> u8 {
    2
}

impl Default for Options {
    fn default() -> Self {
        let (share, schedule) = (adder_graph::Options::default(), schedule::Options::default());
        Options {
            adders_per_stage: 1,
            device: None,
            scheduled_for: None,
            multiplier_latency: schedule.multiplier_latency,
            effort: share.effort.0,
            max_depth: share.max_depth,
            extra_depth: None,
            adder_operands: DEVICES[0].family.adder_operands(),
            cost: CostModel::LutBits,
            seed: share.seed,
            time_limit: None,
            beat_elements: None,
            input_bits: None,
            output_bits: None,
            frames: Frames::default(),
            aclken: false,
            control: false,
            reloadable: None,
            decide: vec![],
            multipliers: Multipliers::default(),
            dsp_budget: None,
            target: Target::default(),
            engines: Engines::default(),
            projects: None,
        }
    }
}

impl fmt::Display for Options {
    /// Writes the options as they stand on the command line of `strassenc verilog`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { adders_per_stage, multiplier_latency, effort, seed, .. } = self;
        let Options { adder_operands, cost, .. } = self;
        match self.scheduled_for {
            Some(device) => write!(f, "--device {}", device.name)?,
            None => write!(f, "--adders-per-stage {adders_per_stage}")?,
        }
        if let Some(device) = self.device.filter(|_| self.scheduled_for.is_none()) {
            write!(f, " --device {}", device.name)?;
        }
        write!(
            f,
            " --multiplier-latency {multiplier_latency} --adder-operands {adder_operands} \
             --cost {cost} --effort {effort} --seed {seed}"
        )?;
        if let Some(depth) = self.max_depth {
            write!(f, " --max-depth {depth}")?;
        }
        if let Some(depth) = self.extra_depth {
            write!(f, " --extra-depth {depth}")?;
        }
        if let Some(seconds) = self.time_limit {
            write!(f, " --time-limit {seconds}")?;
        }
        if let Some(elements) = self.beat_elements {
            write!(f, " --beat-elements {elements}")?;
        }
        if let Some(bits) = self.input_bits {
            write!(f, " --input-bits {bits}")?;
        }
        if let Some(bits) = self.output_bits {
            write!(f, " --output-bits {bits}")?;
        }
        if self.frames != Frames::default() {
            write!(f, " --frames {}", self.frames)?;
        }
        if self.aclken {
            write!(f, " --aclken")?;
        }
        match self.reloadable {
            Some(margin) => write!(f, " --reloadable={margin}")?,
            None if self.control => write!(f, " --control")?,
            None => {}
        }
        for asked in &self.decide {
            write!(f, " --decide {asked}")?;
        }
        if self.multipliers != Multipliers::default() {
            write!(f, " --multipliers {}", self.multipliers)?;
        }
        if let Some(budget) = self.dsp_budget {
            write!(f, " --dsp-budget {budget}")?;
        }
        write!(f, "{}", self.target)?;
        if self.engines != Engines::default() {
            write!(f, " --engines {ENGINES}")?;
        }
        if let Some(projects) = &self.projects {
            write!(f, "{}", project::told(projects))?;
        }
        Ok(())
    }
}

impl Options {
    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// Where one is out of range.
    pub fn validate(&self) -> Result<()> {
        self.schedule().validate()?;
        self.target.validate()?;
        self.project().validate()?;
        if self.effort > MOST_EFFORT {
            return Err(Error::input(
                "effort",
                format_args!("{} is not within 0..={MOST_EFFORT}", self.effort),
            ));
        }
        if self.reloadable.is_some() && self.multipliers != Multipliers::Dsp {
            let cause = "takes hardware multipliers: shifts and additions have one coefficient";
            return Err(Error::input("--reloadable", cause).help("give --multipliers dsp"));
        }
        if self.reloadable.is_some()
            && let Some(device) = self.device.filter(|device| !device.multiplies())
        {
            let cause = format_args!(
                "takes a hardware multiplier for each coefficient, and {} has none",
                device.name
            );
            return Err(Error::input("--reloadable", cause)
                .help("name another --device, or leave out --reloadable"));
        }
        if Operands::of(self.adder_operands).is_none() {
            let cause = format_args!("{} is neither 2 nor 3", self.adder_operands);
            return Err(Error::input("operands of an adder", cause));
        }
        let depths = self.max_depth.max(self.extra_depth);
        if let Some(depth) = depths.filter(|depth| *depth > MOST_DEPTH) {
            return Err(Error::input(
                "largest depth",
                format_args!("{depth} is not within 0..={MOST_DEPTH}"),
            ));
        }
        if let Some(seconds) = self.time_limit.filter(|s| !(s.is_finite() && *s >= 0.0)) {
            return Err(Error::input(
                "time limit",
                format_args!("{seconds} is not a number of seconds"),
            ));
        }
        Ok(())
    }

    /// The options of the search for common sums.
    fn share(&self) -> adder_graph::Options {
        adder_graph::Options {
            effort: Effort(self.effort),
            max_depth: self.max_depth,
            cost: self.cost.of(&[]),
            operands: Operands::of(self.adder_operands).unwrap_or_default(),
            seed: self.seed,
        }
    }

    /// The options of the schedule.
    pub fn schedule(&self) -> schedule::Options {
        schedule::Options {
            limit: match self.scheduled_for {
                None => Limit::Adders(self.adders_per_stage),
                Some(device) => {
                    Limit::Clock { device, period_ps: (1e6 / self.target.clock()) as u32 }
                }
            },
            multiplier_latency: self.multiplier_latency,
        }
    }

    /// The options of the passes.
    pub fn compile(&self) -> compile::Options {
        let [input, output] = self.beats();
        compile::Options {
            share: self.share(),
            schedule: self.schedule(),
            target: self.target,
            engines: self.engines.clone(),
            multipliers: match self.multipliers {
                Multipliers::Auto if self.device.is_some_and(|d| !d.multiplies()) => {
                    Multipliers::ShiftAdd
                }
                asked => asked,
            },
            dsp_budget: self.dsp_budget,
            reloadable: self.reloadable,
            decide: self.decide.clone(),
            input,
            output,
        }
    }

    /// The options of the emission.
    pub fn emit(&self) -> emit::Options {
        // Project files change nothing in the Verilog.
        let command = Options { projects: None, ..self.clone() }.to_string();
        let Options { frames, aclken: clock_enable, .. } = *self;
        let control = self.control || self.reloadable.is_some();
        emit::Options { frames, clock_enable, control, command }
    }

    /// What is asked of project files.
    pub fn project(&self) -> project::Asked<'_> {
        project::Asked {
            projects: self.projects.as_deref(),
            kernel: false,
            device: self.device,
            mhz: self.target.clock(),
            must_reach: self.target.clock.is_some(),
        }
    }

    /// What is asked of the beats of the input and of the output.
    fn beats(&self) -> [Beat; 2] {
        [self.input_bits, self.output_bits].map(|bits| match (bits, self.beat_elements) {
            (Some(bits), _) => Beat::Bits(bits),
            (None, Some(elements)) => Beat::Elements(elements),
            (None, None) => Beat::Any,
        })
    }
}

/// Compiles a model as `options` say.
///
/// `progress` and `stop` are those of [`compile::compile`]. `spent` says how much of the time limit
/// is gone, 0 to 1: the caller has the clock. Each matrix gets a part of that time by its size, in
/// which its search cools from hot to cold.
///
/// # Errors
/// As [`compile::compile`], and where an option is out of range.
pub fn compile(
    model: &Model,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
    spent: &(dyn Fn() -> f64 + Sync),
) -> Result<Compiled> {
    compile_until(Pass::Time, model, options, progress, stop, spent)?
        .compiled(model, &options.schedule())
}

/// Compiles as [`compile()`] does, up to the pass `last`.
///
/// # Errors
/// As [`compile()`].
pub fn compile_until(
    last: Pass,
    model: &Model,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
    spent: &(dyn Fn() -> f64 + Sync),
) -> Result<Levels> {
    options.validate()?;
    let wanted = options.compile();
    let all = match options.time_limit {
        Some(_) => Estimate::new(model, options)?.nonzeros(),
        None => 1,
    };
    let share = |problem: Problem| -> Solution {
        let mut asked = problem.options(&wanted.share);
        if let Some(extra) = options.extra_depth {
            asked.max_depth = Some(minimum_depth(problem.matrix, asked.operands) + extra);
        }
        // As many matrices as there are threads are searched at once.
        let nonzeros = problem.matrix.iter().filter(|v| **v != 0).count() * current_num_threads();
        let begun = spent();
        let part = (nonzeros as f64 / all as f64).min(1.0 - begun);
        let spent = || if stop() || part <= 0.0 { 1.0 } else { (spent() - begun) / part };
        share_watched(problem.matrix, &asked, Watch { spent: &spent, found: &|_| {} })
    };
    let found = Mutex::default();
    let share = |problem: Problem| budget::once(&found, problem, &share);
    if last == Pass::Time && options.target.budgeted() {
        return budget::compile(model, options, &share, progress, stop);
    }
    compile::compile_until(last, model, &wanted, &share, progress, stop)
}

/// Writes the build folder of a compiled model, atomically. A build folder that is already there is
/// replaced where every file of it is as it was written; an edited `engines.toml` also where
/// `options` say what it says.
///
/// # Errors
/// - [`Kind::Io`](strassenc_runtime::Kind::Io) where `folder` holds anything that strassenc did not
///   write, or cannot be written; what was there is untouched then;
/// - as [`emit::emit`].
pub fn write(folder: &Path, compiled: &Compiled, options: &Options) -> Result<Record> {
    replace(folder, compiled, options, Edits::Keep)
}

/// Writes as [`write()`] does; with [`Edits::Overwrite`] files of the build may have been changed.
///
/// # Errors
/// As [`write()`].
pub fn replace(
    folder: &Path,
    compiled: &Compiled,
    options: &Options,
    edits: Edits,
) -> Result<Record> {
    check_replaceable(folder, options, edits)?;
    let (record, contents) = contents(compiled, options)?;
    let named = contents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let read_back = |new: &Path| {
        let fault = |cause: &str| {
            Err(Error::internal("build", format_args!("cannot be read back: {cause}")))
        };
        match Build::open(new) {
            Ok(build) if build.record == record => Ok(()),
            Ok(_) => fault("its record says something else"),
            Err(e) => fault(e.cause()),
        }
    };
    files::write_folder(folder, named, read_back, |_| check_replaceable(folder, options, edits))?;
    Ok(record)
}

/// Names and bytes of files.
pub type Contents = Vec<(String, Vec<u8>)>;

/// Every file of a build folder; equal models and options give equal bytes.
///
/// # Errors
/// As [`emit::emit`] and [`Figures::new`].
pub fn contents(compiled: &Compiled, options: &Options) -> Result<(Record, Contents)> {
    let emitted = emit::emit(compiled, &options.emit())?;
    let figures = Figures::new(compiled, options.target.clock())?;
    let projects = project::files(&emitted.signature, options.project())?;
    let files = emitted.files.into_iter().chain(projects);
    let mut contents: Contents = files.map(|file| (file.path, file.text.into_bytes())).collect();
    contents.push((MODEL.into(), model_file::to_bytes(&compiled.model)?));
    contents.push((GRAPHS.into(), graphs::to_json(compiled).into_bytes()));
    contents.push((ENGINES.into(), compiled.engines.to_toml(&figures).into_bytes()));
    let record = Record {
        schema: SCHEMA,
        tool: TOOL.into(),
        model_sha256: emitted.signature.model_sha256,
        options: options.clone(),
        files: contents.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect(),
        figures,
        sha256: String::new(),
    }
    .sealed();
    contents.push((RECORD.into(), record.to_json().into_bytes()));
    Ok((record, contents))
}

/// Fails where [`replace()`] could not write or would not replace what is at `folder`, so that long
/// work need not begin.
///
/// # Errors
/// As [`replace()`].
pub fn check_replaceable(folder: &Path, options: &Options, edits: Edits) -> Result<()> {
    open::check_replaceable(folder, options, edits)
}

pub use strassenc_runtime::files::sha256;
