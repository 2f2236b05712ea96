//! The passes in order, each checked: lower → share → prove → build → verify, prove → schedule → verify.

pub mod images;

use crate::adder_graph::{self, Matrix, Solution};
use crate::circuit::{self, Circuit};
use crate::ir::{self, Dataflow, Role};
use crate::lower::lower;
use crate::multipliers::ShiftAdd;
use crate::schedule::{self, Pipeline};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use strassenc_runtime::{Error, Kind, Model, Result};

/// What the passes are asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sharing of common sums.
    pub share: adder_graph::Options,
    /// The delay model.
    pub schedule: schedule::Options,
}

/// A network down to pipelines, proved and verified.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What was compiled.
    pub model: Model,
    /// The delay model of all pipelines.
    pub schedule: schedule::Options,
    /// The lowered network.
    pub dataflow: Dataflow,
    /// One per layer of `dataflow`.
    pub layers: Vec<CompiledLayer>,
}

/// A layer down to its pipeline.
#[derive(Clone, Debug)]
pub struct CompiledLayer {
    /// The model layer's name.
    pub name: String,
    /// W_b, from the inputs to the multipliers; W_a and W_b, block-diagonal, in a two-operand layer.
    pub wb: SharedMatrix,
    /// W_c, from the multipliers to the outputs.
    pub wc: SharedMatrix,
    /// Scalar operations.
    pub circuit: Circuit,
    /// Their stages.
    pub pipeline: Pipeline,
    /// The rows whose multiplications are built from shifts and additions; none until
    /// [`multipliers::choose`](crate::multipliers::choose).
    pub shift_add: BTreeMap<u32, ShiftAdd>,
}

/// A matrix with its adder graph.
#[derive(Clone, Debug)]
pub struct SharedMatrix {
    /// Which of the layer's matrices.
    pub role: Role,
    /// `[n_out, n_in]`, without dead rows and columns.
    pub matrix: Matrix,
    /// The adder graph, proved.
    pub solution: Solution,
}

/// A step that is done, for progress bars.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The layer.
    pub layer: &'a str,
    /// What was done to it.
    pub step: Step,
    /// Steps done so far, of all layers.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// The steps of every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A matrix was shared, and its graph proved.
    Share(Role),
    /// The circuit was built, verified and proved.
    Circuit,
    /// The pipeline was scheduled and verified.
    Schedule,
    /// A folded layer was cut and proved, a step of several.
    Fold,
    /// The core was assembled and timed.
    Time,
}

pub(crate) const STEPS_PER_LAYER: usize = 4;

/// A matrix to be shared.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Number of its layer.
    pub layer: usize,
    /// Which of the layer's matrices.
    pub role: Role,
    /// `[n_out, n_in]`, without dead rows and columns.
    pub matrix: &'a Matrix,
}

/// Compiles a model. The result does not depend on the number of threads.
///
/// `progress` is called after each step, from any thread. `stop` is polled; once it says so, the compilation ends early.
///
/// # Errors
/// - [`Kind::Input`] where the model is not valid, or an option is out of range;
/// - [`Kind::Interrupted`] where `stop` said so;
/// - [`Kind::Internal`] or [`Kind::Mismatch`] where a pass's result is refused: a bug of ours. The place names the pass.
pub fn compile(
    model: &Model,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Compiled> {
    let share = |problem: Problem| adder_graph::share_until(problem.matrix, &options.share, stop);
    compile_with(model, &options.schedule, &share, progress, stop)
}

/// Like [`compile`], with the adder graphs from `share`, whatever it does: they are proved.
///
/// # Errors
/// As [`compile`]; [`Kind::Mismatch`] where a graph is not that of its matrix.
pub fn compile_with(
    model: &Model,
    schedule: &schedule::Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Compiled> {
    schedule.validate()?;
    let dataflow = lower(model)?;
    ir::verify(&dataflow).map_err(|e| e.within("after lower"))?;
    let step = steps(STEPS_PER_LAYER * dataflow.layers.len(), progress, stop);
    let layers = (0..dataflow.layers.len())
        .into_par_iter()
        .map(|number| layer(&dataflow, number, schedule, share, &step))
        // The first layer's error, whichever thread comes first.
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    Ok(Compiled { model: model.clone(), schedule: *schedule, dataflow, layers })
}

/// Counts the steps of all layers, `total` in all, tells each, and ends the compilation where `stop` says so.
fn steps(
    total: usize,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> impl Fn(&str, Step) -> Result<()> + Sync {
    let done = AtomicUsize::new(0);
    move |layer, step| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress(Progress { layer, step, done, total });
        if stop() { Err(Error::new(Kind::Interrupted, "compile", "was interrupted")) } else { Ok(()) }
    }
}

/// Shares the last matrix of layer `number` or the one before the multipliers, and proves the graph.
pub(crate) fn shared(
    layer: &ir::Layer,
    number: usize,
    last: bool,
    share: &(dyn Fn(Problem) -> Solution + Sync),
) -> Result<SharedMatrix> {
    let name = &layer.name;
    let lost = || Error::internal("share", format_args!("layer `{name}` lacks a matrix"));
    let (role, matrix) = layer.matrices().find(|(role, _)| (*role == Role::Wc) == last).ok_or_else(lost)?;
    let solution = share(Problem { layer: number, role, matrix });
    let pass = || format!("after share, layer `{name}`, {role}");
    adder_graph::prove(&solution.graph, matrix).map_err(|e| e.within(pass()))?;
    Ok(SharedMatrix { role, matrix: matrix.clone(), solution })
}

/// Compiles layer `number` of a dataflow; `step` is called after each of its steps.
pub(crate) fn layer(
    dataflow: &Dataflow,
    number: usize,
    schedule: &schedule::Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    step: &(dyn Fn(&str, Step) -> Result<()> + Sync),
) -> Result<CompiledLayer> {
    let layer = &dataflow.layers[number];
    let name = layer.name.as_str();
    let solved = |last: bool| -> Result<SharedMatrix> {
        let matrix = shared(layer, number, last, share)?;
        step(name, Step::Share(matrix.role))?;
        Ok(matrix)
    };
    let (wb, wc) = rayon::join(|| solved(false), || solved(true));
    let (wb, wc) = (wb?, wc?);

    let circuit = circuit::build(dataflow, number, &[&wb.solution.graph, &wc.solution.graph])?;
    circuit::verify(&circuit).map_err(|e| e.within("after build"))?;
    circuit::prove(&circuit, layer).map_err(|e| e.within("after build"))?;
    step(name, Step::Circuit)?;

    let pipeline = schedule::schedule(&circuit, schedule)?;
    schedule::verify(&circuit, &pipeline, schedule).map_err(|e| e.within("after schedule"))?;
    step(name, Step::Schedule)?;
    Ok(CompiledLayer { name: name.into(), wb, wc, circuit, pipeline, shift_add: BTreeMap::new() })
}
