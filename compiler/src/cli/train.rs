//! The command `strassenc train`.

use super::choices::Choices;
use super::{INTERRUPTED, home, numbers, output, reload as tables};
use comfy_table::Table;
use indicatif::{HumanDuration, ProgressBar};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strassenc::build::Build;
use strassenc::progress::{self, style};
use strassenc::reload;
use strassenc::report::{reduced, table};
use strassenc::witness;
use strassenc_runtime::data::{self, DataSet, Text};
use strassenc_runtime::network::plan::Step;
use strassenc_runtime::network::{self, Network};
use strassenc_runtime::onnx;
use strassenc_runtime::train::{
    self, Epoch, HeadSummary, ImageLearner, Learner, Loadable, Observer, Phase, Progress,
    SequenceLearner, Share, Sources, Start, Summary, Tensors,
};
use strassenc_runtime::{Error, Kind, Model, Result};

/// Train a network under a multiplication budget
///
/// Three phases (StrassenNets): full precision, ternary with straight-through gradients, and frozen
/// ternary matrices with integer activations, where coefficients and biases learn to live with
/// every rounding of the hardware.
///
/// Ctrl-C leaves a state that --resume goes on from, bit for bit. The same description, data and
/// seed give the same model on any number of threads.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc train digits                                 a ready description, into runs/digits
  strassenc train mnist --data mnist:FOLDER -o my-run    data from a folder of IDX files
  strassenc train net.toml --data csv:table.csv --seed 7
  strassenc train mnist --epochs 2,2,1                   a quick look
  strassenc train fashion-cnn --full-precision -o full   the ordinary network, to compare with
  strassenc train fashion-cnn --from full --teacher full begin at factors of it, and learn from it
  strassenc train fashion-cnn --budget 8000 --from full  r of each layer is chosen
  strassenc train fashion-cnn --teacher net.onnx         learn from any classifier in ONNX
  strassenc train mnist --resume                         go on after Ctrl-C
  strassenc train --frozen-from core --data csv:new.csv  what that core can load, and its table

The run folder holds model.safetensors (see `strassenc eval`, `strassenc verilog`),
checkpoint.safetensors, metrics.csv, metrics.json, curves.svg and network.toml.")]
pub struct Args {
    /// A network description: a .toml file, or the name of a ready one, e.g. digits, mnist,
    /// fashion-mnist, letter, satellite
    #[arg(value_name = "NET", required_unless_present = "frozen_from")]
    network: Option<String>,
    #[command(flatten)]
    choices: Choices,
    #[command(flatten)]
    training: Training,
    /// Train what the core of a build can load, its coefficients, biases and shifts of outputs, and
    /// leave the rest as it is; the build is one of `strassenc verilog --reloadable`
    ///
    /// It is phase 3 alone, of --epochs N, from the model of the build on, within what the core's
    /// registers hold. The run has its table, table.bin, beside its model: `strassenc reload`
    /// writes the same. NET is the description that the model has in it, unless it is named.
    #[arg(
        long,
        value_name = "BUILD",
        conflicts_with_all = ["from", "teacher", "full_precision", "adder_penalty", "ratio", "p",
            "groups", "budget"],
    )]
    frozen_from: Option<PathBuf>,
    /// The run folder [default: runs/NAME]
    #[arg(short, long, value_name = "RUN", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    /// Train the ordinary network of the same shape instead: the accuracy that the budget is
    /// measured against, and a teacher
    ///
    /// It trains as long as phases full and ternary together, without a multiplication budget, and
    /// has no integer model.
    #[arg(long)]
    full_precision: bool,
    /// Share out so many multiplications of an inference: r of each linear layer is chosen,
    /// whatever the description says of it, so that the layers together lose least of --from, a
    /// run in full precision; plain and recurrent layers keep theirs
    #[arg(
        long,
        value_name = "MULTIPLICATIONS",
        requires = "from",
        conflicts_with_all = ["ratio", "full_precision"],
    )]
    budget: Option<u64>,
    /// Trade accuracy for adders: 0 is none, 5 is much; instead of the description's
    /// `adder_penalty`
    #[arg(long, value_name = "PENALTY")]
    adder_penalty: Option<f64>,
    /// Seconds after which a checkpoint is written, at the end of a step; 0: after every step
    /// [default: 10 at the end of an epoch, else 60]
    #[arg(long, value_name = "SECONDS", value_parser = |s: &str| numbers::real(s, 0.0..=1e9))]
    checkpoint_every: Option<f64>,
    /// Go on with the run in the folder
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Begin again in a folder that holds a run
    #[arg(long)]
    overwrite: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What every training takes.
#[derive(clap::Args)]
pub(super) struct Training {
    /// The data set, e.g. digits, mnist, cifar10:FOLDER, idx:FOLDER, npy:FOLDER, csv:FILE; of
    /// networks of sequences austen, text:FILE, text:FOLDER [default: the description's]
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// The seed, instead of the description's
    #[arg(long)]
    seed: Option<u64>,
    /// A run whose network teaches, or a classifier in ONNX: its outputs are part of the loss, by
    /// `distill` in the description
    ///
    /// An ONNX file is run by ONNX Runtime (`strassenc doctor --install onnxruntime`), whatever its
    /// operators; it takes [batch, channels, height, width] or [batch, height, width, channels], and
    /// the values that the samples have by the `input` of the description. The run keeps it.
    #[arg(long, value_name = "RUN or NET.onnx")]
    pub teacher: Option<PathBuf>,
    /// A run to begin from: at its weights, or at factors of them where it is in full precision
    #[arg(long, value_name = "RUN")]
    pub from: Option<PathBuf>,
    /// Epochs of the three phases, e.g. 12,12,2, instead of the description's; one number of a
    /// network in full precision, or of one that is trained for a core
    #[arg(long, value_name = "FULL,TERNARY,FROZEN", value_delimiter = ',')]
    epochs: Option<Vec<usize>>,
    /// Threads; any number gives the same model [default: one for each core]
    #[arg(long, value_name = "N", value_parser = numbers::threads())]
    threads: Option<usize>,
}

impl Training {
    /// Changes data, seed and epochs; the network is not validated yet.
    ///
    /// # Errors
    /// Where there are too few or too many epochs, or the data are not in the grammar.
    pub fn apply(&self, network: &mut Network) -> Result<()> {
        self.apply_to(network, false)
    }

    /// Does as [`apply`](Self::apply); where `frozen`, phase 3 is the only one.
    fn apply_to(&self, network: &mut Network, frozen: bool) -> Result<()> {
        let recipe = &mut network.train;
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        // As the run keeps it, it means the same in every folder.
        recipe.data =
            self.data.as_deref().or(recipe.data.as_deref()).map(data::absolute).transpose()?;
        match (self.epochs.as_deref(), recipe.full_precision, frozen) {
            (None, ..) => {}
            (Some(&[full]), true, _) => recipe.full.epochs = full,
            (Some(&[frozen]), _, true) => recipe.frozen.epochs = frozen,
            (Some(&[full, ternary, frozen]), false, false) => {
                (recipe.full.epochs, recipe.ternary.epochs, recipe.frozen.epochs) =
                    (full, ternary, frozen);
            }
            (Some(epochs), full_precision, frozen) => {
                let one = full_precision || frozen;
                let needed = if one { "one is" } else { "three are" };
                let given = if epochs.len() == 1 {
                    "1 number is".into()
                } else {
                    format!("{} numbers are", epochs.len())
                };
                let cause = format!("{given} given, {needed} needed");
                let example = if one { "4" } else { "12,12,2" };
                return Err(
                    Error::input("--epochs", cause).help(format_args!("e.g. --epochs {example}"))
                );
            }
        }
        Ok(())
    }

    /// Starts the threads, and loads the data of the option or of the description.
    ///
    /// # Errors
    /// Where no data set is named, or it cannot be read.
    pub fn load(&self, network: &Network) -> Result<DataSet> {
        super::data::load(network, self.start(network, data::GRAMMAR)?)
    }

    /// Starts the threads, and loads the text of the option or of the description.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_text(&self, network: &Network) -> Result<Text> {
        text_of(network, self.start(network, data::text::GRAMMAR)?)
    }

    /// Starts the threads; yields what names the data.
    fn start<'a>(&self, network: &'a Network, grammar: &str) -> Result<&'a str> {
        // Fails only where a pool is there already, and then that one serves.
        let _ =
            rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0)).build_global();
        named(network, grammar)
    }

    /// The runs that are built on.
    pub fn sources(&self) -> Sources<'_> {
        let (teacher, from) = (self.teacher.as_deref(), self.from.as_deref());
        Sources { teacher, from, ..sources() }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    data: &'a str,
    seconds: f64,
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shares: Vec<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<tables::Report<'a>>,
}

/// The description that a build's model was trained from.
fn described(build: &Build) -> Result<Network> {
    let place = build.folder.display().to_string();
    let text = build.model.provenance.network.as_deref().ok_or_else(|| {
        Error::input(&place, "has a model without a description of the network")
            .help("name it: strassenc train NET --frozen-from BUILD")
    })?;
    Network::parse(&place, text)
}

/// Leaves phase 3 alone of a recipe, and in it what a core can load.
fn freeze(network: &mut Network, core: &Loadable) -> Result<()> {
    let recipe = &mut network.train;
    if recipe.full_precision {
        let place = format!("network `{}`", network.name);
        return Err(Error::input(place, "is in full precision, and no core has it")
            .help("name the description that the model of the build was trained from, or none"));
    }
    (recipe.full.epochs, recipe.ternary.epochs) = (0, 0);
    let mut shifts = core.layers.values().flat_map(|ranges| &ranges.shifts);
    recipe.learn_scales = shifts.any(|(least, most)| least < most);
    Ok(())
}

pub fn run(args: Args) -> Result<()> {
    let build = args.frozen_from.as_deref().map(Build::open).transpose()?;
    let core = build.as_ref().map(reload::loadable).transpose()?;
    let mut network = match (&args.network, &build) {
        (Some(network), _) => network::find(network)?,
        (None, Some(build)) => described(build)?,
        (None, None) => return Err(Error::internal("NET", "is needed")),
    };
    if let Some(core) = &core {
        freeze(&mut network, core)?;
    }
    let recipe = &mut network.train;
    recipe.adder_penalty = args.adder_penalty.unwrap_or(recipe.adder_penalty);
    if args.full_precision && !recipe.full_precision {
        recipe.full_precision = true;
        recipe.full.epochs += recipe.ternary.epochs;
    }
    let suffix = match (&core, network.train.full_precision) {
        (Some(_), _) => "-reload",
        (None, true) => "-full-precision",
        (None, false) => "",
    };
    let folder =
        args.output.unwrap_or_else(|| Path::new("runs").join(format!("{}{suffix}", network.name)));
    if let Some(build) = &build {
        tables::outside(build, &folder)?;
    }
    let description = folder.join(train::NETWORK);
    if args.resume && description.is_file() {
        // A run goes on with its own data, where no others are named.
        network.train.data =
            network::find(&description.to_string_lossy())?.train.data.or(network.train.data);
    }
    args.training.apply_to(&mut network, core.is_some())?;
    args.choices.apply(&mut network)?;
    let start = match (args.resume, args.overwrite) {
        (true, _) => Start::Resume,
        (_, true) => Start::Overwrite,
        _ => Start::New,
    };
    let watch = Watch {
        checkpoint_every: args.checkpoint_every.map(Duration::from_secs_f64),
        ..Watch::new()
    };
    let sources = Sources { core: core.as_ref(), ..args.training.sources() };
    let began = Instant::now();
    let mut shares = vec![];
    let (name, (summary, model)) = if network.is_of_sequences() {
        if args.budget.is_some() {
            let cause = "is shared out among the layers of images and vectors alone";
            return Err(Error::input("--budget", cause)
                .help("give layers their own `r` in the description, or all of them --ratio"));
        }
        let text = args.training.load_text(&network)?;
        (
            text.name.clone(),
            train::<SequenceLearner>(&network, &text, &folder, start, sources, watch)?,
        )
    } else {
        let data = args.training.load(&network)?;
        if let Some(total) = args.budget {
            shares = share_out(&mut network, &data, &args.training, total, (&folder, start))?;
        }
        (data.name.clone(), train::<ImageLearner>(&network, &data, &folder, start, sources, watch)?)
    };
    let file = folder.join(train::TABLE);
    let table = match (&build, &model) {
        (Some(build), Some(model)) => Some(tables::write(build, model, &file)?),
        _ => None,
    };
    let seconds = began.elapsed().as_secs_f64();
    if args.json {
        let report =
            Report { run: &folder, data: &name, seconds, summary: &summary, shares, table };
        output::json(&report)?;
    } else {
        output::line(render(&summary))?;
        if let Some(table) = &table {
            output::line(format_args!("table {table}"))?;
        }
        output::line(format_args!(
            "{} in {}",
            folder.display(),
            HumanDuration(Duration::from_secs_f64(seconds))
        ))?;
    }
    Ok(())
}

/// Gives the layers of a network their shares of a budget; a run in the folder that goes on has
/// them already.
pub fn share_out(
    network: &mut Network,
    data: &DataSet,
    training: &Training,
    total: u64,
    (folder, start): (&Path, Start),
) -> Result<Vec<Share>> {
    let description = folder.join(train::NETWORK);
    if start == Start::Resume && description.is_file() {
        network.layers = network::find(&description.to_string_lossy())?.layers;
        return Ok(vec![]);
    }
    let Some(from) = &training.from else { return Err(Error::internal("--from", "is needed")) };
    let bar = ProgressBar::new(0).with_style(style("layers measured {pos} of {len}"));
    let (shared, shares) =
        train::share(network, data, &train::checkpoint_of(from), total, &mut |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            match INTERRUPTED.load(Ordering::Relaxed) {
                true => Err(Error::new(Kind::Interrupted, "--budget", "interrupted by the user")),
                false => Ok(()),
            }
        })?;
    bar.finish_and_clear();
    *network = shared;
    let mut table = table(&["layer", "r", "multiplications", "lost before training"]);
    for Share { name, r, multiplications, loss } in &shares {
        let lost = format!("{:.1} %", 100.0 * loss);
        table.add_row([name, &r.to_string(), &multiplications.to_string(), &lost]);
    }
    let takes: u64 = network.plan()?.iter().map(Step::multiplications).sum();
    output::note(format_args!("{table}\n{takes} of {total} multiplications"));
    Ok(shares)
}

/// Begins a run at weights that were trained elsewhere; see [`train::begin`].
///
/// # Errors
/// As there, and where the data of the description cannot be read.
pub fn begin(network: &Network, folder: &Path, weights: &Tensors, overwrite: bool) -> Result<()> {
    let start = if overwrite { Start::Overwrite } else { Start::New };
    let sources = Sources { weights: Some(weights), ..sources() };
    if network.is_of_sequences() {
        let text = text_of(network, named(network, data::text::GRAMMAR)?)?;
        return train::begin::<SequenceLearner>(network, &text, folder, start, sources);
    }
    let data = super::data::load(network, named(network, data::GRAMMAR)?)?;
    train::begin::<ImageLearner>(network, &data, folder, start, sources)
}

/// Goes on with a run to its end, as `strassenc train --resume` does, and yields its model.
///
/// # Errors
/// As [`train::run`], and where its data cannot be read.
pub fn go_on(folder: &Path) -> Result<Option<Model>> {
    let network = network::find(&folder.join(train::NETWORK).to_string_lossy())?;
    let (start, sources) = (Start::Resume, sources());
    if network.is_of_sequences() {
        let text = text_of(&network, named(&network, data::text::GRAMMAR)?)?;
        let watch = Watch::new();
        return Ok(train::<SequenceLearner>(&network, &text, folder, start, sources, watch)?.1);
    }
    let data = super::data::load(&network, named(&network, data::GRAMMAR)?)?;
    Ok(train::<ImageLearner>(&network, &data, folder, start, sources, Watch::new())?.1)
}

/// No other runs; a teacher in ONNX is computed by ONNX Runtime.
fn sources() -> Sources<'static> {
    let onnx: onnx::Run = |file, axes, ahead| witness::teacher(&home::tools()?, file, axes, ahead);
    Sources { onnx: Some(onnx), ..Sources::default() }
}

/// The text of characters that `spec` names.
///
/// # Errors
/// As [`data::text::load`].
pub fn text(spec: &str) -> Result<Text> {
    data::text::load(spec, &home::home()?)
}

/// The text that `spec` names, as a network reads it.
fn text_of(network: &Network, spec: &str) -> Result<Text> {
    let text = text(spec)?;
    if network.is_of_words() { text.of_words(network.outputs()) } else { Ok(text) }
}

/// What names the data of a description.
fn named<'a>(network: &'a Network, grammar: &str) -> Result<&'a str> {
    (network.train.data.as_deref()).ok_or_else(|| {
        Error::input("--data", "is needed: the description names no data set").help(grammar)
    })
}

/// Trains with progress on stderr; see [`train::run`].
pub(super) fn train<L: Learner>(
    network: &Network,
    data: &L::Data,
    folder: &Path,
    start: Start,
    sources: Sources,
    mut watch: Watch,
) -> Result<(Summary, Option<Model>)> {
    let result = train::run::<L>(network, data, folder, start, sources, &mut watch);
    watch.bar.finish_and_clear();
    result
}

/// The figures of a run, as people read them.
pub(super) fn render(summary: &Summary) -> String {
    let Summary { measure, float_accuracy, test_samples, .. } = summary;
    if let Some(bits) = summary.float_bits {
        return render_bits(summary, bits, summary.unit.unwrap_or("character"));
    }
    let heads: String = summary.heads.iter().map(told_of_head).collect();
    let Some(integer_accuracy) = summary.integer_accuracy else {
        return format!(
            "full precision, {} multiplications\ntest {} ({test_samples} samples): {}{heads}",
            summary.multiplications,
            measure.name(),
            measure.told(*float_accuracy)
        );
    };
    format!(
        "{}\nmultiplications {} against {} of a dense network, {}\n\
         test {} ({test_samples} samples): float {}, integer {}{heads}",
        layers_table(summary),
        summary.multiplications,
        summary.dense_multiplications,
        reduced(summary.reduction),
        measure.name(),
        measure.told(*float_accuracy),
        measure.told(integer_accuracy),
    )
}

/// The line of a head.
fn told_of_head(head: &HeadSummary) -> String {
    let HeadSummary { name, measure, float_accuracy, integer_accuracy } = head;
    let float = measure.told(*float_accuracy);
    let told = match integer_accuracy {
        Some(integer) => format!("float {float}, integer {}", measure.told(*integer)),
        None => float,
    };
    format!("\nhead {name}: {} {told}", measure.name())
}

/// The layers of a run's model, in at most 80 columns.
fn layers_table(summary: &Summary) -> Table {
    let mut table = table(&[
        "layer",
        "r",
        "live\nrows",
        "multi-\nplications",
        "nonzeros\nof W_b",
        "\nof W_c",
        "density",
    ]);
    for l in &summary.layers {
        table.add_row([
            l.name.clone(),
            l.budget.to_string(),
            l.rows.to_string(),
            l.multiplications.to_string(),
            l.w_b_nonzeros.to_string(),
            l.w_c_nonzeros.to_string(),
            format!("{:.3}", l.density),
        ]);
    }
    table
}

/// The figures of a run over a text of characters or of words.
fn render_bits(summary: &Summary, float_bits: f64, unit: &str) -> String {
    let told = |bits: f64| match unit {
        "word" => format!("{bits:.4} bits (perplexity {:.1})", bits.exp2()),
        _ => format!("{bits:.4} bits"),
    };
    let Summary { multiplications, dense_multiplications, test_samples, .. } = summary;
    let Some(integer_bits) = summary.integer_bits else {
        return format!(
            "full precision, {multiplications} multiplications a {unit}\n\
             test text ({test_samples} {unit}s): {} per {unit}",
            told(float_bits)
        );
    };
    format!(
        "{}\n{multiplications} multiplications a {unit}, {dense_multiplications} in a dense \
         network: {}\n\
         test text ({test_samples} {unit}s), per {unit}:\n  float {}, integer {}",
        layers_table(summary),
        reduced(summary.reduction),
        told(float_bits),
        told(integer_bits),
    )
}

/// An epoch as a line of at most 80 columns: which samples its figures are of, and what a network
/// of sequences is judged by.
fn told(e: &Epoch) -> String {
    let held_out = match (e.validation_loss, e.validation_accuracy) {
        (Some(loss), _) => format!("  held out {:.4} bits", loss / std::f64::consts::LN_2),
        (None, Some(accuracy)) => format!("  held out {:.2} %", 100.0 * accuracy),
        (None, None) => String::new(),
    };
    let density =
        if e.phase == Phase::Full { String::new() } else { format!("  density {:.3}", e.density) };
    let training = format!("training {:.2} % (loss {:.4})", 100.0 * e.train_accuracy, e.loss);
    format!("{:<7} {:>3}  {training}{held_out}{density}", e.phase, e.epoch)
}

/// A progress bar and a line a phase on a terminal, a line an epoch elsewhere.
pub(super) struct Watch {
    bar: ProgressBar,
    /// When the bar's text was last renewed.
    drawn: Instant,
    /// The time between checkpoints, where the user gives one.
    checkpoint_every: Option<Duration>,
}

impl Watch {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, progress::target());
        bar.set_style(style("{bar:12} {percent:>3} %  {msg}{left}"));
        Watch { bar, drawn: Instant::now(), checkpoint_every: None }
    }

    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            output::note(text);
        } else {
            self.bar.println(text);
        }
    }
}

impl Observer for Watch {
    fn step(&mut self, p: &Progress, left: usize, total: usize) -> bool {
        if self.drawn.elapsed() > Duration::from_millis(100) {
            self.drawn = Instant::now();
            if self.bar.length() != Some(total as u64) {
                // The part of a resumed run that was done before says nothing about the speed.
                self.bar.set_length(total as u64);
                self.bar.set_position((total - left) as u64);
                self.bar.reset_eta();
            }
            self.bar.set_position((total - left) as u64);
            self.bar.set_message(format!(
                "{} {}/{}  training {:.2} % (loss {:.4})",
                p.phase,
                p.epoch,
                p.epochs,
                100.0 * p.score.accuracy(),
                p.score.mean_loss(),
            ));
        }
        !INTERRUPTED.load(Ordering::SeqCst)
    }

    fn epoch(&mut self, e: &Epoch, last: bool) {
        if !last && !self.bar.is_hidden() {
            return;
        }
        self.line(&told(e));
    }

    fn warn(&mut self, warning: &str) {
        self.line(&format!("warning: {warning}"));
    }

    fn saves(&self, since: Duration, epoch_ended: bool) -> bool {
        since >= self.checkpoint_every.unwrap_or_else(|| train::checkpoint_interval(epoch_ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strassenc_runtime::network::Measure;
    use strassenc_runtime::train::LayerSummary;

    /// The widest line of a text.
    fn columns(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn what_a_run_tells_fits_80_columns() {
        let layer = LayerSummary {
            name: "conv_19".into(),
            inputs: 802_816,
            reads: 4608,
            budget: 4096,
            rows: 4096,
            multiplications: 115_605_504,
            outputs: 802_816,
            w_b_nonzeros: 10_616_832,
            w_c_nonzeros: 10_616_832,
            entries: 21_233_664,
            density: 0.5,
        };
        let mut summary = Summary {
            measure: Measure::Accuracy,
            float_accuracy: 0.98765,
            unit: None,
            float_bits: None,
            integer_bits: None,
            integer_accuracy: Some(0.98765),
            test_samples: 10_000,
            multiplications: 115_605_504,
            dense_multiplications: 1_814_073_344,
            reduction: 0.9363,
            heads: vec![],
            layers: vec![layer; 20],
        };
        let text = render(&summary);
        assert!(columns(&text) <= 80 && text.contains("test accuracy (10000 samples)"), "{text}");
        summary.unit = Some("word");
        (summary.float_bits, summary.integer_bits) = (Some(7.12345), Some(7.12345));
        let text = render(&summary);
        assert!(columns(&text) <= 80 && text.contains("test text (10000 words)"), "{text}");

        let mut epoch = Epoch {
            phase: Phase::Ternary,
            epoch: 10_000,
            learning_rate: 1e-3,
            loss: 12.3456,
            train_accuracy: 1.0,
            validation_accuracy: Some(1.0),
            validation_loss: None,
            validation_heads: Default::default(),
            density: 0.612,
        };
        assert_eq!(
            told(&epoch),
            "ternary 10000  training 100.00 % (loss 12.3456)  held out 100.00 %  density 0.612"
        );
        epoch.validation_loss = Some(2.0 * std::f64::consts::LN_2);
        assert_eq!(
            told(&epoch),
            "ternary 10000  training 100.00 % (loss 12.3456)  held out 2.0000 bits  density 0.612"
        );
        assert!(columns(&told(&epoch)) <= 84);
        (epoch.validation_loss, epoch.validation_accuracy) = (None, None);
        assert!(!told(&epoch).contains("held out"));
    }
}
