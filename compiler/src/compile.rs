//! The passes in order, each checked: see [`Pass`]. Those from share to fold work layer by layer,
//! in parallel: an unrolled layer is shared, built and scheduled, any other one folded.

mod graphs;
mod levels;
mod passes;

pub use graphs::LayerGraph;
pub use levels::{Levels, Made};
pub use passes::{Level, Pass};

use crate::adder_graph::{self, Cost, Matrix, Solution};
use crate::circuit::{self, Circuit, Op};
use crate::decide::Asked;
use crate::emit::signature::Beat;
use crate::engine::{self, Choice, Engines, Target};
use crate::folded::{self, Folded};
use crate::interval::Interval;
use crate::ir::{self, Chain, Dataflow, EdgeId, Kind, Layer, Role, State};
use crate::lower;
use crate::multipliers::{self, Multipliers};
use crate::schedule::{self, Limit, Pipeline};
use crate::serial::{self, Serial};
use crate::stream::depths::{self, Depth};
use crate::stream::timing::{self, Ending, Timing};
use crate::stream::{self, Engine, Graph, Primitive};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use strassenc_runtime::error::{count, suggest};
use strassenc_runtime::model::Layer as ModelLayer;
use strassenc_runtime::{Error, Kind as ErrorKind, Model, Result};

/// What the passes are asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sharing of common sums; LUT bits are those of what enters each matrix.
    pub share: adder_graph::Options,
    /// The delay model.
    pub schedule: schedule::Options,
    /// What the core is asked for.
    pub target: Target,
    /// Engines that the user gives; the others are chosen.
    pub engines: Engines,
    /// What multipliers are made of.
    pub multipliers: Multipliers,
    /// Most hardware multipliers.
    pub dsp_budget: Option<usize>,
    /// Whether coefficients, biases and shifts of outputs are loaded at run time, and how many
    /// powers of two larger and finer, or smaller, than the model's they may be.
    pub reloadable: Option<u32>,
    /// What is told of outputs in the place of their scores.
    pub decide: Vec<Asked>,
    /// The beats of the input; [`Beat::Any`]: the channels of a pixel, or the largest part of them
    /// that fits.
    pub input: Beat,
    /// The beats of the output; [`Beat::Any`]: the words of the last layer, or the largest part of
    /// them that fits.
    pub output: Beat,
}

/// A network down to streams, proved and verified.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What was compiled.
    pub model: Model,
    /// The delay model of all pipelines.
    pub schedule: schedule::Options,
    /// The lowered network.
    pub dataflow: Dataflow,
    /// The engine of every layer, as it can be fed back.
    pub engines: Engines,
    /// One per layer.
    pub layers: Vec<LayerEngine>,
    /// The whole core.
    pub graph: Graph,
    /// The depth of every FIFO.
    pub depths: Vec<Depth>,
    /// The core at full rate.
    pub timing: Timing,
}

/// A layer on its engine.
#[derive(Clone, Debug)]
pub enum LayerEngine {
    /// A pipeline over one window.
    Unrolled(Box<Unrolled>),
    /// A pipeline through which a window passes digit by digit.
    Serial(Box<SerialLayer>),
    /// A folded layer: ROMs and arrays.
    Folded(Box<Folded>),
    /// A pooling, a sum or an embedding.
    Elementwise {
        /// Elements at a time.
        lanes: usize,
    },
}

/// A layer whose weights are wiring.
#[derive(Clone, Debug)]
pub struct Unrolled {
    /// The model layer's name.
    pub name: String,
    /// W_b, from the inputs to the multipliers; W_a and W_b, block-diagonal, in a two-operand
    /// layer.
    pub wb: SharedMatrix,
    /// W_c, from the multipliers to the outputs.
    pub wc: SharedMatrix,
    /// The layer's scalar operations.
    pub circuit: Circuit,
    /// The stages of these operations.
    pub pipeline: Pipeline,
}

/// A layer whose weights are wiring, and whose sums are of digits.
#[derive(Clone, Debug)]
pub struct SerialLayer {
    /// W_b and W_c, as in [`Unrolled`].
    pub matrices: [SharedMatrix; 2],
    /// The layer's scalar operations.
    pub circuit: Circuit,
    /// The same in digits.
    pub serial: Serial,
    /// Clocks from the segment's input to this layer's.
    pub starts: u32,
}

/// A matrix with its adder graph.
#[derive(Clone, Debug)]
pub struct SharedMatrix {
    /// The place of the matrix in its layer.
    pub role: Role,
    /// `[n_out, n_in]`, without dead rows and columns.
    pub matrix: Matrix,
    /// The adder graph, proved; behind the matrix's columns its inputs are the constants that are
    /// added to the rows, see [`Linear`](ir::Linear).
    pub solution: Solution,
}

/// A step that is done, for progress bars.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The layer, or the core.
    pub place: &'a str,
    /// The pass that was done to it, or a part of that.
    pub pass: Pass,
    /// The matrix that was shared.
    pub role: Option<Role>,
    /// Steps done so far, of all layers.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// Steps of an unrolled layer: two matrices are shared, then the circuit is built and scheduled.
/// Any other layer does as many at once.
const STEPS_PER_LAYER: usize = 4;

/// Choices of engines that are tried until a core keeps up with its target.
const ATTEMPTS: usize = 12;

/// A matrix to be shared.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Number of its layer.
    pub layer: usize,
    /// The place of the matrix in its layer.
    pub role: Role,
    /// `[n_out, n_in]`, without dead rows and columns, and with a column for each constant that is
    /// added to a row, see [`Linear`](ir::Linear).
    pub matrix: &'a Matrix,
    /// What each column is multiplied by.
    pub inputs: &'a [Interval],
    /// Whether its sums pass digit by digit: all adders then are of one size.
    pub serial: bool,
}

impl Problem<'_> {
    /// These options for this matrix: LUT bits are those of what enters it.
    pub fn options(self, share: &adder_graph::Options) -> adder_graph::Options {
        let cost = match share.cost {
            Cost::Adders => Cost::Adders,
            Cost::LutBits(_) => Cost::LutBits(self.inputs.to_vec()),
        };
        let cost = if self.serial { Cost::Adders } else { cost };
        adder_graph::Options { cost, ..share.clone() }
    }
}

impl LayerEngine {
    /// The pipeline, if it is one.
    pub fn unrolled(&self) -> Option<&Unrolled> {
        if let LayerEngine::Unrolled(layer) = self { Some(layer) } else { None }
    }

    /// The serial layer, if it is one.
    pub fn serial(&self) -> Option<&SerialLayer> {
        if let LayerEngine::Serial(layer) = self { Some(layer) } else { None }
    }

    /// The scalar operations, where the weights are wiring.
    pub fn circuit(&self) -> Option<&Circuit> {
        match self {
            LayerEngine::Unrolled(layer) => Some(&layer.circuit),
            LayerEngine::Serial(layer) => Some(&layer.circuit),
            LayerEngine::Folded(_) | LayerEngine::Elementwise { .. } => None,
        }
    }

    /// W_b and W_c, where they are wiring.
    pub fn matrices(&self) -> Option<[&SharedMatrix; 2]> {
        match self {
            LayerEngine::Unrolled(layer) => Some([&layer.wb, &layer.wc]),
            LayerEngine::Serial(layer) => Some(layer.matrices.each_ref()),
            LayerEngine::Folded(_) | LayerEngine::Elementwise { .. } => None,
        }
    }

    /// Streams words through the pipeline, where there is one, as quickly as it takes them; what
    /// comes out.
    pub fn stream(&self, words: &[Vec<i64>]) -> Option<Vec<Vec<i64>>> {
        match self {
            LayerEngine::Unrolled(l) => Some(schedule::simulate(&l.circuit, &l.pipeline, words)),
            LayerEngine::Serial(l) => Some(serial::simulate(&l.circuit, &l.serial, words)),
            LayerEngine::Folded(_) | LayerEngine::Elementwise { .. } => None,
        }
    }

    /// The folded layer, if it is one.
    pub fn folded(&self) -> Option<&Folded> {
        if let LayerEngine::Folded(layer) = self { Some(layer) } else { None }
    }

    /// Products at a time: of hardware multipliers, and of shifts and additions.
    fn products(&self) -> [usize; 2] {
        if let LayerEngine::Serial(layer) = self {
            let SerialLayer { circuit, serial, .. } = layer.as_ref();
            return [serial.multipliers(circuit).len(), circuit.count(Op::is_shift_add)];
        }
        if let Some(circuit) = self.circuit() {
            return [circuit.count(Op::is_multiplier), circuit.count(Op::is_shift_add)];
        }
        match self {
            LayerEngine::Folded(folded) if folded.bank.digits.is_some() => [0, folded.bank.lanes],
            LayerEngine::Folded(folded) => [folded.bank.lanes, 0],
            _ => [0, 0],
        }
    }

    /// What its products are made of: both where it says `Auto`.
    pub fn multipliers(&self) -> Multipliers {
        match self.products() {
            [_, 0] => Multipliers::Dsp,
            [0, _] => Multipliers::ShiftAdd,
            _ => Multipliers::Auto,
        }
    }

    /// The engine as the stream graph sees it.
    pub fn engine(&self) -> Engine<'_> {
        match self {
            LayerEngine::Unrolled(layer) => {
                Engine::Unrolled { stages: layer.pipeline.stages(), interval: 1 }
            }
            LayerEngine::Serial(layer) => {
                let SerialLayer { serial, starts, .. } = layer.as_ref();
                // Its outputs go on to the memory behind in their clock.
                Engine::Unrolled { stages: starts + serial.latency + 1, interval: serial.interval }
            }
            LayerEngine::Folded(folded) => Engine::Folded(folded),
            LayerEngine::Elementwise { lanes } => Engine::Elementwise { lanes: *lanes },
        }
    }
}

/// Compiles a model. The result does not depend on the number of threads. Engines are chosen by
/// their prices; [`build::compile`](crate::build::compile()) holds the core to a budget.
///
/// `progress` is called after each step, from any thread. `stop` is polled; once it says so, the
/// compilation ends early.
///
/// # Errors
/// - [`Input`](ErrorKind::Input) where the model is not valid, an option is out of range, a beat
///   cannot be as it is asked for, the target cannot be met, or a given engine does not fit its
///   layer;
/// - [`Interrupted`](ErrorKind::Interrupted) where `stop` said so;
/// - [`Internal`](ErrorKind::Internal) or [`Mismatch`](ErrorKind::Mismatch) where a pass's result
///   is refused: a bug of ours. The place names the pass.
pub fn compile(
    model: &Model,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Compiled> {
    let share = |problem: Problem| {
        adder_graph::share_until(problem.matrix, &problem.options(&options.share), stop)
    };
    compile_with(model, options, &share, progress, stop)
}

/// Compiles as [`compile`] does, with the adder graphs from `share`, whatever it does: they are
/// proved.
///
/// # Errors
/// As [`compile`]; [`Mismatch`](ErrorKind::Mismatch) where a graph is not that of its matrix.
pub fn compile_with(
    model: &Model,
    options: &Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Compiled> {
    compile_until(Pass::Time, model, options, share, progress, stop)?
        .compiled(model, &options.schedule)
}

/// Compiles as [`compile_with`] does, up to the pass `last`, with its check.
///
/// # Errors
/// As [`compile_with`].
pub fn compile_until(
    last: Pass,
    model: &Model,
    options: &Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Levels> {
    let mut asked = options.clone();
    let mut quickest: Option<u64> = None;
    for _ in 0..ATTEMPTS {
        // A target beyond the user's own may be out of reach, which says nothing of the user's.
        let plan = match (plan_until(last, model, &asked), quickest) {
            (Err(e), Some(quickest)) if e.kind() == ErrorKind::Input => {
                return Err(missed(&options.target, quickest));
            }
            (plan, _) => plan?,
        };
        let levels = from_plan(last, plan, &asked, share, progress, stop)?;
        let Some(interval) = late(&levels, options) else { return Ok(levels) };
        quickest = Some(quickest.map_or(interval, |least| least.min(interval)));
        // Estimates do not see what streams of awkward widths cost: more is asked of them.
        asked.target.fps = asked.target.fps.map(|fps| {
            let allowed = options.target.interval().unwrap_or(interval).max(1);
            fps * (interval as f64 / allowed as f64).min(1.25)
        });
    }
    Err(missed(&options.target, quickest.unwrap_or_default()))
}

/// The clocks between frames where they are more than the target allows; none where the user gave
/// every engine.
fn late(levels: &Levels, options: &Options) -> Option<u64> {
    let allowed = options.target.interval()?;
    let interval = levels.timing.as_ref()?.1.interval();
    let given = |layer: &Layer| options.engines.layers.contains_key(&layer.name);
    (interval > allowed && !levels.dataflow.layers.iter().all(given)).then_some(interval)
}

/// No core that was found keeps up with the target; the quickest takes so many clocks for a frame.
fn missed(target: &Target, quickest: u64) -> Error {
    let most = target.clock() * 1e6 / quickest as f64;
    let cause = format_args!(
        "no choice of engines that was tried keeps up: the quickest core takes {} for a \
         frame, and the target allows {}",
        count(quickest, "clock"),
        target.interval().unwrap_or_default()
    );
    Error::input("--target-fps", cause).help(format_args!(
        "ask for --target-fps {}, or give engines of your own with --engines",
        (1e3 * most).floor() / 1e3
    ))
}

/// Compiles from a network that is lowered and has its engines already, as [`plan`] yields them:
/// the passes from share on.
///
/// # Errors
/// As [`compile_with`].
pub fn from_plan(
    last: Pass,
    (dataflow, engines): (Dataflow, Engines),
    options: &Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Levels> {
    options.schedule.validate()?;
    let mut levels =
        Levels { after: last, dataflow, engines, layers: vec![], graph: None, timing: None };
    let step = steps(STEPS_PER_LAYER * levels.dataflow.layers.len() + 1, progress, stop);
    if last >= Pass::Share {
        let Levels { dataflow, engines, .. } = &levels;
        levels.layers = (dataflow.layers.par_iter().enumerate())
            .map(|(number, layer)| {
                let choice = *engines.layers.get(&layer.name).ok_or_else(|| {
                    Error::input(format_args!("layer `{}`", layer.name), "has no engine")
                })?;
                let made = one(last, dataflow, number, choice, share, &step)?;
                if last >= Pass::Fold && !choice.is_wired() {
                    (0..STEPS_PER_LAYER).try_for_each(|_| step(&layer.name, Pass::Fold, None))?;
                }
                Ok(made)
            })
            .collect::<Vec<Result<_>>>()
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
    }
    if last >= Pass::Multiply {
        let Levels { dataflow, engines, layers, .. } = &mut levels;
        multiply((dataflow, engines), layers, options)?;
    }
    if last >= Pass::Build {
        let Levels { dataflow, engines, layers, .. } = &mut levels;
        build((dataflow, engines), layers, options.schedule.limit, &step)?;
    }
    if last >= Pass::Schedule {
        let Levels { dataflow, engines, layers, .. } = &mut levels;
        schedule((dataflow, engines), layers, &options.schedule, &step)?;
        let made: usize = layers.iter().map(|layer| layer.products()[0]).sum();
        multipliers::within(options.dsp_budget, made + of_units(dataflow))?;
    }
    if last >= Pass::Assemble {
        let stages: Vec<Engine> =
            levels.layers.iter().filter_map(Made::engine).map(LayerEngine::engine).collect();
        let graph = stream::assemble(&levels.dataflow, &stages, [options.input, options.output])?;
        let proved =
            stream::verify(&graph).and_then(|()| stream::prove(&graph, &levels.dataflow, &stages));
        Pass::Assemble.checked(proved)?;
        levels.graph = Some(graph);
    }
    if last >= Pass::Time
        && let Some(graph) = &mut levels.graph
    {
        levels.timing = Some(time(graph, &levels.engines, stop)?);
        step("core", Pass::Time, None)?;
    }
    Ok(levels)
}

/// The lowered network and the engine of every layer: what is decided before the long work begins.
///
/// # Errors
/// Where the model is not valid, the target cannot be met, or a given engine is not of this
/// network.
pub fn plan(model: &Model, options: &Options) -> Result<(Dataflow, Engines)> {
    plan_until(Pass::Prune, model, options)
}

fn plan_until(last: Pass, model: &Model, options: &Options) -> Result<(Dataflow, Engines)> {
    let mut dataflow = lower::lower(model)?;
    let is_right = |dataflow: &Dataflow| {
        let proved = || ir::prove_decided(dataflow, model, &options.decide);
        Pass::Lower.checked(ir::verify(dataflow).and_then(|()| proved()))
    };
    lower::decide(&mut dataflow, &options.decide)?;
    is_right(&dataflow)?;
    if let Some(margin) = options.reloadable {
        lower::reload(&mut dataflow, margin)?;
        is_right(&dataflow)?;
    }
    if last < Pass::Engines {
        return Ok((dataflow, Engines::default()));
    }
    let engines = chosen(&dataflow, options)?;
    if options.reloadable.is_some()
        && let Some((name, _)) = engines.layers.iter().find(|(name, choice)| {
            let layer = dataflow.layers.iter().find(|layer| layer.name == **name);
            layer.is_some_and(|layer| layer.kernel().is_some())
                && matches!(choice, Choice::Serial { .. })
        })
    {
        let cause = "is serial, and its parameters cannot be loaded";
        let help = if options.engines.layers.contains_key(name) {
            "take the layer out of the file of --engines, or leave out --reloadable"
        } else {
            "leave out --engine serial, or --reloadable"
        };
        return Err(Error::input(format_args!("layer `{name}`"), cause).help(help));
    }
    if last >= Pass::Prune {
        let unrolled: Vec<bool> = dataflow
            .layers
            .iter()
            .map(|layer| engines.layers.get(&layer.name).is_some_and(|choice| choice.is_wired()))
            .collect();
        if lower::prune(&mut dataflow, &|layer| unrolled[layer]) {
            Pass::Prune.checked(ir::verify(&dataflow))?;
        }
    }
    Ok((dataflow, engines))
}

/// Counts the steps of all layers, `total` in all, tells each, and ends the compilation where
/// `stop` says so.
fn steps(
    total: usize,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> impl Fn(&str, Pass, Option<Role>) -> Result<()> + Sync {
    let done = AtomicUsize::new(0);
    move |place, pass, role| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress(Progress { place, pass, role, done, total });
        if stop() {
            Err(Error::new(ErrorKind::Interrupted, "compile", "was interrupted"))
        } else {
            Ok(())
        }
    }
}

/// Gives every FIFO its words: those that `engines` has, else those that full rate needs.
fn time(
    graph: &mut Graph,
    engines: &Engines,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<Depth>, Timing)> {
    let (depths, timing) = at_full_rate(graph, stop)?;
    if engines.fifos.is_empty() {
        return Ok((depths, timing));
    }
    for (name, &words) in &engines.fifos {
        let fifo = graph.fifos().find(|&i| graph.nodes[i].name == *name);
        let Some(fifo) = fifo else {
            let names: Vec<String> =
                graph.fifos().map(|i| format!("`{}`", graph.nodes[i].name)).collect();
            return Err(Error::input(
                format_args!("engines, FIFO `{name}`"),
                "is not in this core",
            )
            .help(format!(
                "it has {}",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            )));
        };
        if let Some(least) = depths.iter().find(|depth| depth.node == fifo && words < depth.live) {
            let cause = format_args!(
                "{words} words are too few: with fewer than {} the core deadlocks",
                least.live
            );
            return Err(Error::input(format_args!("engines, FIFO `{name}`"), cause).help(
                format_args!(
                    "with {} words no word is ever late; that is what it gets when it is left out",
                    least.rate
                ),
            ));
        }
        graph.set_depth(fifo, words);
    }
    let timing = as_deep(graph, timing.shown.len(), stop)?;
    Ok((depths, timing))
}

/// Gives every segment and every FIFO the words that full rate needs.
fn at_full_rate(
    graph: &mut Graph,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Vec<Depth>, Timing)> {
    let timing = depths::segments(graph, stop)?;
    let depths = depths::depths(graph, &timing, stop)?;
    for depth in &depths {
        graph.set_depth(depth.node, depth.rate.max(depth.live));
    }
    if graph.inputs.is_empty() {
        return Ok((depths, timing));
    }
    // What waits in no FIFO is taken later.
    let timing = as_deep(graph, timing.shown.len(), stop)?;
    Ok((depths, timing))
}

/// How a core runs whose FIFOs are deep enough.
fn as_deep(graph: &Graph, frames: usize, stop: &(dyn Fn() -> bool + Sync)) -> Result<Timing> {
    match timing::simulate(graph, frames, stop)? {
        Ending::Done(own) => Ok(own),
        Ending::Deadlock(deadlock) => {
            let cause = format_args!("is stuck with FIFOs that are deep enough: {deadlock:?}");
            Err(Error::internal("stream graph", cause))
        }
    }
}

/// The engines that the user gives, and for the other layers those that the target asks for.
fn chosen(dataflow: &Dataflow, options: &Options) -> Result<Engines> {
    let given = &options.engines;
    if let Some(name) =
        given.layers.keys().find(|name| dataflow.layers.iter().all(|l| l.name != **name))
    {
        let names: Vec<String> = dataflow.layers.iter().map(|l| format!("`{}`", l.name)).collect();
        return Err(Error::input(format_args!("engines, layer `{name}`"), "is not in the network")
            .help(format!("it has {}", names.join(", "))));
    }
    for (number, layer) in dataflow.layers.iter().enumerate() {
        if let Some(choice) = given.layers.get(&layer.name) {
            fits(dataflow, number, *choice)?;
            if let Choice::Folded(folding) = choice {
                folded::build(layer, *folding)?;
            }
        }
    }
    engine::choose(dataflow, &options.target, options.expected(), &options.schedule, given)
}

impl Options {
    /// What multipliers are taken for where engines are priced: which of them a budget leaves is
    /// known only when the engines are.
    pub(crate) fn expected(&self) -> Multipliers {
        if self.dsp_budget.is_some() && self.multipliers == Multipliers::Auto {
            Multipliers::Dsp
        } else {
            self.multipliers
        }
    }
}

/// Chooses what multiplies, and proves the ROMs that this changes.
fn multiply(
    (dataflow, engines): (&Dataflow, &Engines),
    layers: &mut [Made],
    options: &Options,
) -> Result<()> {
    let (mut unrolled, mut folded) = (vec![], vec![]);
    for (layer, ir) in layers.iter_mut().zip(&dataflow.layers) {
        match (layer, ir.kernel()) {
            (Made::Shared([wb, _], shift_add), Some(kernel)) => {
                let wb = &wb.solution.graph;
                let interval = interval_of(engines, &ir.name);
                unrolled.push(multipliers::Rows { chain: &kernel.chain, wb, shift_add, interval });
            }
            (Made::Engine(LayerEngine::Folded(layer)), _) => folded.push(layer.as_mut()),
            _ => {}
        }
    }
    let asked = multipliers::Asked {
        multipliers: options.multipliers,
        operands: options.share.operands,
        slow: &|product| schedule::is_too_slow(product, &options.schedule),
        slow_sum: &|bits, terms| schedule::is_sum_too_slow(bits, terms, &options.schedule),
        others: of_units(dataflow),
        budget: options.dsp_budget,
    };
    multipliers::choose(unrolled, folded, &asked)?;
    (layers.par_iter().zip(&dataflow.layers)).try_for_each(|(layer, ir)| match layer {
        Made::Engine(LayerEngine::Folded(folded)) if folded.bank.digits.is_some() => {
            Pass::Multiply.checked(folded::prove(folded, ir))
        }
        _ => Ok(()),
    })
}

/// Hardware multipliers of gated units.
fn of_units(dataflow: &Dataflow) -> usize {
    dataflow.layers.iter().map(Layer::products_of_a_unit).sum()
}

/// Told after each step of a place: its pass, and the matrix where it is one of several.
type Step<'a> = &'a (dyn Fn(&str, Pass, Option<Role>) -> Result<()> + Sync);

/// Checks that layer `number` can have this engine, which a user has written.
fn fits(dataflow: &Dataflow, number: usize, choice: Choice) -> Result<()> {
    let layer: &Layer = &dataflow.layers[number];
    let place = |what: &str| format!("layer `{}`, {what}", layer.name);
    let engine = |cause: &str| Err(Error::input(place("engine"), cause));
    match (layer.kernel(), choice) {
        (Some(_), _) if choice.is_wired() && layer.words().is_some() => {
            engine("has filters at many positions of a word, which are never unrolled: `folded`")
        }
        (Some(kernel), Choice::Serial { .. }) if kernel.chain.multiplies_data() => {
            engine("multiplies data by data, which is never serial: `unrolled`")
        }
        (Some(_), Choice::Serial { interval })
            if interval < 2 || !serial::INTERVAL.contains(&interval) =>
        {
            let cause = format_args!("{interval} is not within 2 to {}", serial::INTERVAL.end());
            Err(Error::input(place("interval"), cause)
                .help("give a number in that range, or engine = \"unrolled\" for a word a clock"))
        }
        (Some(_), Choice::Unrolled | Choice::Serial { .. }) => Ok(()),
        (Some(kernel), Choice::Folded(_)) if kernel.chain.multiplies_data() => {
            engine("multiplies data by data, which is never folded: `unrolled`")
        }
        // What a folding must be, building it says.
        (Some(_), Choice::Folded(_)) => Ok(()),
        (None, Choice::Elementwise { lanes }) => {
            if dataflow.lanes(number).any(|n| n == lanes) {
                return Ok(());
            }
            let can: Vec<String> = dataflow.lanes(number).map(|n| n.to_string()).collect();
            let cause = format_args!("are {lanes}, but can be {}", can.join(", ")).to_string();
            Err(Error::input(place("lanes"), cause))
        }
        (Some(_), Choice::Elementwise { .. }) => {
            engine("is linear: `unrolled`, `serial` or `folded`")
        }
        (None, _) => engine("has no weights: `elementwise`"),
    }
}

/// What the passes share and fold make of layer `number`, as far as `last` lets them.
fn one(
    last: Pass,
    dataflow: &Dataflow,
    number: usize,
    choice: Choice,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    step: Step,
) -> Result<Made> {
    fits(dataflow, number, choice)?;
    let layer: &Layer = &dataflow.layers[number];
    match (layer.kernel(), choice) {
        (Some(kernel), Choice::Unrolled | Choice::Serial { .. }) => {
            let serial = choice != Choice::Unrolled;
            let shared = |last: bool| -> Result<SharedMatrix> {
                let matrix = shared(&kernel.chain, (number, serial), last, share)?;
                step(&layer.name, Pass::Share, Some(matrix.role))?;
                Ok(matrix)
            };
            let (wb, wc) = rayon::join(|| shared(false), || shared(true));
            Ok(Made::Shared([wb?, wc?], BTreeSet::new()))
        }
        (Some(_), Choice::Folded(_)) if last < Pass::Fold => Ok(Made::Nothing),
        (Some(_), Choice::Folded(folding)) => {
            let folded = folded::build(layer, folding)?;
            Pass::Fold.checked(folded::prove(&folded, layer))?;
            Ok(Made::Engine(LayerEngine::Folded(Box::new(folded))))
        }
        (None, Choice::Elementwise { lanes }) => {
            Ok(Made::Engine(LayerEngine::Elementwise { lanes }))
        }
        _ => Err(Error::internal(format_args!("layer `{}`", layer.name), "lacks its engine")),
    }
}

/// Shares the last matrix of a chain, which is that of layer `number`, serial or not, or the one
/// before the multipliers, and proves the graph.
pub(crate) fn shared(
    chain: &Chain,
    (number, serial): (usize, bool),
    last: bool,
    share: &(dyn Fn(Problem) -> Solution + Sync),
) -> Result<SharedMatrix> {
    let name = &chain.name;
    let lost = || Error::internal("share", format_args!("layer `{name}` lacks a matrix"));
    let linear =
        chain.linear().find(|linear| (linear.role == Role::Wc) == last).ok_or_else(lost)?;
    let role = linear.role;
    let (matrix, inputs) = linear.with_constants();
    let solution = share(Problem { layer: number, role, matrix: &matrix, inputs: &inputs, serial });
    let proved = adder_graph::prove(&solution.graph, &matrix)
        .map_err(|e| e.within(format_args!("layer `{name}`, {role}")));
    Pass::Share.checked(proved)?;
    Ok(SharedMatrix { role, matrix: linear.matrix.clone(), solution })
}

/// Builds the circuits of the unrolled layers.
fn build(
    (dataflow, engines): (&Dataflow, &Engines),
    layers: &mut [Made],
    limit: Limit,
    step: Step,
) -> Result<()> {
    (layers.par_iter_mut().zip(&dataflow.layers)).try_for_each(|(made, layer)| {
        let (Some(kernel), Made::Shared(..)) = (layer.kernel(), &made) else { return Ok(()) };
        let Made::Shared([wb, wc], shift_add) = std::mem::replace(made, Made::Nothing) else {
            return Ok(());
        };
        let graphs = [&wb.solution.graph, &wc.solution.graph];
        let mut circuit = circuit::build(&kernel.chain, &graphs, &shift_add)?;
        if !limit.chains_invert() && interval_of(engines, &layer.name) == 1 {
            circuit::choose_polarity(&mut circuit);
        }
        Pass::Build.checked(circuit::verify(&circuit))?;
        Pass::Build.checked(circuit::prove(&circuit, &kernel.chain))?;
        step(&layer.name, Pass::Build, None)?;
        *made = Made::Built([wb, wc], circuit);
        Ok(())
    })
}

/// The least clocks from one word of a wired layer to the next.
fn interval_of(engines: &Engines, layer: &str) -> u32 {
    match engines.layers.get(layer) {
        Some(Choice::Serial { interval }) => *interval,
        _ => 1,
    }
}

/// Schedules the circuits, those of a segment together, and makes engines of them.
fn schedule(
    (dataflow, engines): (&Dataflow, &Engines),
    layers: &mut [Made],
    options: &schedule::Options,
    step: Step,
) -> Result<()> {
    let interval = |number: usize| {
        let built = matches!(layers[number], Made::Built(..));
        built.then(|| interval_of(engines, &dataflow.layers[number].name))
    };
    let segments = stream::segments(dataflow, &interval);
    let circuits = |segment: &RangeInclusive<usize>| -> Vec<&Circuit> {
        layers[segment.clone()].iter().filter_map(Made::circuit).collect()
    };
    let scheduled = (segments.par_iter())
        .map(|segment| {
            let circuits = circuits(segment);
            let every = interval(*segment.start()).unwrap_or(1);
            if every > 1 {
                return circuits
                    .iter()
                    .map(|circuit| in_digits(circuit, every, options, step))
                    .collect();
            }
            let source = stream::source(dataflow, *segment.start());
            let pipelines = schedule::segment(&circuits, source, options)?;
            let both: Vec<_> = circuits.iter().copied().zip(&pipelines).collect();
            Pass::Schedule.checked(schedule::verify_segment(&both, source, options))?;
            for circuit in circuits {
                step(&circuit.name, Pass::Schedule, None)?;
            }
            Ok(pipelines.into_iter().map(Scheduled::Pipeline).collect())
        })
        .collect::<Vec<Result<Vec<Scheduled>>>>();
    let starts: Vec<usize> = segments.iter().map(|segment| *segment.start()).collect();
    let mut clock = 0;
    let mut pipelines = scheduled.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten();
    for (number, made) in layers.iter_mut().enumerate() {
        if starts.contains(&number) {
            clock = 0;
        }
        match std::mem::replace(made, Made::Nothing) {
            Made::Built([wb, wc], circuit) => {
                // An invariant of the segments: every circuit is in one.
                *made = match pipelines.next().expect("every circuit has its pipeline") {
                    Scheduled::Pipeline(pipeline) => {
                        let name = circuit.name.clone();
                        let layer = Unrolled { name, wb, wc, circuit, pipeline };
                        Made::Engine(LayerEngine::Unrolled(Box::new(layer)))
                    }
                    Scheduled::Serial(serial) => {
                        let starts = clock;
                        clock += serial.latency;
                        let layer = SerialLayer { matrices: [wb, wc], circuit, serial, starts };
                        Made::Engine(LayerEngine::Serial(Box::new(layer)))
                    }
                };
            }
            other => *made = other,
        }
    }
    Ok(())
}

/// What a circuit becomes.
enum Scheduled {
    Pipeline(Pipeline),
    Serial(Serial),
}

/// A circuit in digits, for a word every so many clocks, verified.
fn in_digits(
    circuit: &Circuit,
    interval: u32,
    options: &schedule::Options,
    step: Step,
) -> Result<Scheduled> {
    options.validate()?;
    let serial = serial::build(circuit, interval, options.multiplier_latency)?;
    Pass::Schedule.checked(serial::verify(circuit, &serial))?;
    schedule::digits_fit(circuit, &serial, options)?;
    step(&circuit.name, Pass::Schedule, None)?;
    Ok(Scheduled::Serial(serial))
}

impl Compiled {
    /// The layer of the model with this name, in whatever branch it is.
    pub fn model_layer(&self, name: &str) -> Option<&ModelLayer> {
        fn find<'a>(layer: &'a ModelLayer, name: &str) -> Option<&'a ModelLayer> {
            if layer.name() == name {
                return Some(layer);
            }
            layer.inner().find_map(|inner| find(inner, name))
        }
        self.model.layers.iter().find_map(|layer| find(layer, name))
    }

    /// A core of one layer alone, as it is compiled; its input is what the layer reads. For cores
    /// that are too large to be simulated as one.
    ///
    /// # Errors
    /// Where there is no such layer, or it joins two images; where `stop` says so.
    pub fn alone(
        &self,
        layer: &str,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(usize, Compiled)> {
        let place = || format!("layer `{layer}`");
        let Some(number) = self.dataflow.layers.iter().position(|l| l.name == layer) else {
            let names = self.dataflow.layers.iter().map(|l| l.name.as_str());
            return Err(Error::input(place(), "is not in the network").help(suggest(layer, names)));
        };
        let ir = &self.dataflow.layers[number];
        if ir.reads.iter().any(|id| *id != ir.reads[0]) {
            return Err(Error::input(place(), "joins two images, and is not simulated alone"));
        }
        let dataflow = Dataflow {
            name: format!("{}_{layer}_alone", self.dataflow.name),
            edges: vec![self.dataflow.reads(number).clone(), self.dataflow.yields(number).clone()],
            layers: vec![Layer { reads: vec![EdgeId(0); ir.reads.len()], ..ir.clone() }],
            inputs: vec![],
            heads: vec![],
        };
        ir::verify(&dataflow)?;
        let mut own = self.layers[number].clone();
        if let LayerEngine::Unrolled(layer) = &mut own {
            // It is no longer a part of a segment.
            layer.pipeline = schedule::schedule(&layer.circuit, &self.schedule)?;
            schedule::verify(&layer.circuit, &layer.pipeline, &self.schedule)?;
        }
        if let LayerEngine::Serial(layer) = &mut own {
            layer.starts = 0;
        }
        let engines = [own.engine()];
        let mut graph = stream::assemble(&dataflow, &engines, [Beat::Any; 2])?;
        stream::verify(&graph)?;
        stream::prove(&graph, &dataflow, &engines)?;
        let (depths, timing) = at_full_rate(&mut graph, stop)?;
        let layers = vec![own];
        Ok((number, Compiled { dataflow, layers, graph, depths, timing, ..self.clone() }))
    }

    /// The integers on every edge for one input image, each layer as its engine computes it; in a
    /// recurrent network it begins a sequence.
    ///
    /// # Errors
    /// As [`ir::interpret`].
    pub fn evaluate(&self, input: &[i64]) -> Result<Vec<Vec<i64>>> {
        self.step(&mut State::default(), input)
    }

    /// Evaluates as [`evaluate`](Self::evaluate) does, for the next input of a sequence, and moves
    /// the state on.
    ///
    /// # Errors
    /// As [`ir::interpret`].
    pub fn step(&self, state: &mut State, input: &[i64]) -> Result<Vec<Vec<i64>>> {
        ir::step_with(&self.dataflow, state, input, |number, _, x| self.compute(number, x))
    }

    /// What the engine of layer `number` makes of a window or a word.
    ///
    /// # Errors
    /// As [`circuit::evaluate`].
    pub fn compute(&self, number: usize, x: &[i64]) -> Result<Vec<i64>> {
        let layer = &self.dataflow.layers[number];
        if let Some(circuit) = self.layers[number].circuit() {
            let values = circuit::evaluate(circuit, x)?;
            return Ok(circuit.outputs.iter().map(|id| values[id.index()]).collect());
        }
        match (&self.layers[number], layer.kernel()) {
            (LayerEngine::Folded(folded), Some(kernel)) => Ok(folded::evaluate(folded, kernel, x)),
            // An invariant: no layer with a kernel is elementwise, none without one is folded.
            _ => Ok(layer.compute(x)),
        }
    }

    /// The unrolled layers, those of a segment together; none of a segment of serial ones.
    pub fn segments(&self) -> impl Iterator<Item = Vec<&Unrolled>> {
        self.graph.segments().map(|(_, segment)| {
            self.layers[segment.layers.clone()].iter().filter_map(LayerEngine::unrolled).collect()
        })
    }

    /// Clocks that a layer's own nodes need for a frame at least: as its geometry says, or, where
    /// its state must come round before the next step, as the timing of the layer alone says.
    pub fn clocks(&self, number: usize) -> u64 {
        let layer = &self.dataflow.layers[number];
        if matches!(layer.kind, Kind::Recurrent { .. })
            && let Ok((_, alone)) = self.alone(&layer.name, &|| false)
        {
            return alone.timing.interval();
        }
        let words = |id: &stream::StreamId| self.graph.streams[id.index()].words as u64;
        let clocks = self.graph.of_layer(number).map(|node| {
            let steps = node.primitive.part().clocks() as u64;
            let every = match &node.primitive {
                Primitive::Segment(segment) => u64::from(segment.interval),
                _ => 1,
            };
            let words = |id: &stream::StreamId| every * words(id);
            node.inputs.iter().chain(&node.outputs).map(words).max().unwrap_or(0).max(steps)
        });
        clocks.max().unwrap_or(0)
    }
}
