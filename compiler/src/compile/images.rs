//! The passes of a network over images, each checked: lower → choose engines → per layer share, build, schedule or fold →
//! choose multipliers → assemble → verify → depths and timing.

use super::{CompiledLayer, Problem, Progress, STEPS_PER_LAYER, Step};
use crate::adder_graph::Solution;
use crate::circuit;
use crate::emit::signature::Beat;
use crate::engine::{self, Choice, Engines, Target};
use crate::folded::{self, Folded};
use crate::ir;
use crate::ir::images::{EdgeId, ImageLayer, Images, Kernel, Kind, State};
use crate::lower;
use crate::multipliers::{self, Multipliers};
use crate::schedule;
use crate::stream::depths::{Depth, depths};
use crate::stream::timing::{self, Ending, Timing};
use crate::stream::{self, Engine, Graph, Primitive};
use rayon::prelude::*;
use strassenc_runtime::error::suggest;
use strassenc_runtime::model::Layer as ModelLayer;
use strassenc_runtime::{Error, Model, Result};

/// What decides a core over images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
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
    /// The beats of the input; [`Beat::Any`]: the channels of a pixel, or the largest part of them
    /// that fits.
    pub input: Beat,
    /// The beats of the output; [`Beat::Any`]: the words of the last layer, or the largest part of
    /// them that fits.
    pub output: Beat,
}

/// A network over images down to streams, proved and verified.
#[derive(Clone, Debug)]
pub struct CompiledImages {
    /// What was compiled.
    pub model: Model,
    /// The delay model of all pipelines.
    pub schedule: schedule::Options,
    /// The lowered network.
    pub images: Images,
    /// The engine of every layer, as it can be fed back.
    pub engines: Engines,
    /// One per layer.
    pub layers: Vec<LayerEngine>,
    /// The whole core.
    pub graph: Graph,
    /// Of every FIFO.
    pub depths: Vec<Depth>,
    /// The core at full rate.
    pub timing: Timing,
}

/// A layer on its engine.
#[derive(Clone, Debug)]
pub enum LayerEngine {
    /// A pipeline over one window.
    Unrolled(Box<CompiledLayer>),
    /// ROMs and arrays.
    Folded(Box<Folded>),
    /// A pooling, a sum or an embedding.
    Elementwise {
        /// Elements at a time.
        lanes: usize,
    },
}

impl LayerEngine {
    /// The pipeline, if it is one.
    pub fn unrolled(&self) -> Option<&CompiledLayer> {
        if let LayerEngine::Unrolled(layer) = self { Some(layer) } else { None }
    }

    /// What its products are made of: both where it says `Auto`.
    pub fn multipliers(&self) -> Multipliers {
        let (soft, hard) = match self {
            LayerEngine::Unrolled(layer) => {
                let all = layer.circuit.nodes.iter().filter(|node| node.op.is_multiplier()).count();
                (!layer.shift_add.is_empty(), all > layer.shift_add.len())
            }
            LayerEngine::Folded(folded) => (folded.bank.digits.is_some(), folded.bank.digits.is_none()),
            LayerEngine::Elementwise { .. } => (false, false),
        };
        match (soft, hard) {
            (false, _) => Multipliers::Dsp,
            (true, false) => Multipliers::ShiftAdd,
            (true, true) => Multipliers::Auto,
        }
    }

    /// As the stream graph sees it.
    fn engine(&self) -> Engine<'_> {
        match self {
            LayerEngine::Unrolled(layer) => Engine::Unrolled { stages: layer.pipeline.stages },
            LayerEngine::Folded(folded) => Engine::Folded(folded),
            LayerEngine::Elementwise { lanes } => Engine::Elementwise { lanes: *lanes },
        }
    }
}

/// Compiles a network over images; `share` is that of [`compile_with`](super::compile_with).
///
/// # Errors
/// As [`compile_with`](super::compile_with); where a beat cannot be as it is asked for, the target
/// cannot be met, or a given engine does not fit its layer.
pub fn compile(
    model: &Model,
    options: &Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    progress: &(dyn Fn(Progress) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<CompiledImages> {
    options.schedule.validate()?;
    let (images, engines) = plan(model, options)?;

    let step = super::steps(STEPS_PER_LAYER * images.layers.len() + 1, progress, stop);
    let mut layers = (images.layers.par_iter().enumerate())
        .map(|(number, layer)| {
            let compiled = one(&images, number, engines.layers[&layer.name], &options.schedule, share, &step)?;
            if !matches!(compiled, LayerEngine::Unrolled(_)) {
                (0..STEPS_PER_LAYER).try_for_each(|_| step(&layer.name, Step::Fold))?;
            }
            Ok(compiled)
        })
        .collect::<Vec<Result<_>>>()
        .into_iter()
        .collect::<Result<Vec<_>>>()?;

    multiply(&images, &mut layers, options)?;

    let stages: Vec<Engine> = layers.iter().map(LayerEngine::engine).collect();
    let mut graph = stream::assemble(&images, &stages, [options.input, options.output])?;
    stream::verify(&graph).map_err(|e| e.within("after assemble"))?;
    let (depths, mut timing) = at_full_rate(&mut graph, stop)?;
    for (name, &words) in &engines.fifos {
        let fifo = graph.fifos().find(|&i| graph.nodes[i].name == *name);
        let Some(fifo) = fifo else {
            let names: Vec<String> = graph.fifos().map(|i| format!("`{}`", graph.nodes[i].name)).collect();
            return Err(Error::input(format_args!("engines, FIFO `{name}`"), "is not in this core")
                .help(format!("it has {}", if names.is_empty() { "none".into() } else { names.join(", ") })));
        };
        if let Some(least) = depths.iter().find(|depth| depth.node == fifo && words < depth.live) {
            let cause = format_args!("{words} words are too few: with fewer than {} the core deadlocks", least.live);
            return Err(Error::input(format_args!("engines, FIFO `{name}`"), cause).help(format_args!(
                "with {} words no word is ever late; that is what it gets when it is left out",
                least.rate
            )));
        }
        graph.set_depth(fifo, words);
    }
    if !engines.fifos.is_empty() {
        timing = match timing::simulate(&graph, stream::depths::frames(&graph), stop)? {
            Ending::Done(own) => own,
            Ending::Deadlock(deadlock) => {
                let cause = format_args!("is stuck with FIFOs that are deep enough: {deadlock:?}");
                return Err(Error::internal("stream graph", cause));
            }
        };
    }
    step("core", Step::Time)?;
    Ok(CompiledImages {
        model: model.clone(),
        schedule: options.schedule,
        images,
        engines,
        layers,
        graph,
        depths,
        timing,
    })
}

/// The lowered network and the engine of every layer: what is decided before the long work begins.
///
/// # Errors
/// Where the model is not valid, the target cannot be met, or a given engine is not of this network.
pub fn plan(model: &Model, options: &Options) -> Result<(Images, Engines)> {
    let images = lower::images::lower(model)?;
    ir::images::verify(&images).map_err(|e| e.within("after lower"))?;
    let engines = chosen(&images, options)?;
    Ok((images, engines))
}

/// Gives every FIFO the words that full rate needs.
fn at_full_rate(graph: &mut Graph, stop: &(dyn Fn() -> bool + Sync)) -> Result<(Vec<Depth>, Timing)> {
    let (depths, timing) = depths(graph, stop)?;
    for depth in &depths {
        graph.set_depth(depth.node, depth.rate.max(depth.live));
    }
    Ok((depths, timing))
}

/// The engines that the user gives, and for the other layers those that the target asks for.
fn chosen(images: &Images, options: &Options) -> Result<Engines> {
    let given = &options.engines;
    if let Some(name) = given.layers.keys().find(|name| images.layers.iter().all(|l| l.name != **name)) {
        let names: Vec<String> = images.layers.iter().map(|l| format!("`{}`", l.name)).collect();
        return Err(Error::input(format_args!("engines, layer `{name}`"), "is not in the network")
            .help(format!("it has {}", names.join(", "))));
    }
    // Which multipliers a budget leaves is known only when the engines are.
    let expected = if options.dsp_budget.is_some() && options.multipliers == Multipliers::Auto {
        Multipliers::Dsp
    } else {
        options.multipliers
    };
    let mut engines = given.clone();
    if images.layers.iter().any(|l| !engines.layers.contains_key(&l.name)) {
        for (name, choice) in engine::choose(images, &options.target, expected)?.layers {
            engines.layers.entry(name).or_insert(choice);
        }
    }
    Ok(engines)
}

/// Chooses what multiplies, and proves the ROMs that this changes.
fn multiply(images: &Images, layers: &mut [LayerEngine], options: &Options) -> Result<()> {
    let (mut unrolled, mut folded) = (vec![], vec![]);
    for layer in layers.iter_mut() {
        match layer {
            LayerEngine::Unrolled(layer) => unrolled.push(layer.as_mut()),
            LayerEngine::Folded(layer) => folded.push(layer.as_mut()),
            LayerEngine::Elementwise { .. } => {}
        }
    }
    let others = images.layers.iter().map(ImageLayer::products_of_a_unit).sum();
    multipliers::choose_among(unrolled, folded, others, options.multipliers, options.dsp_budget)?;
    (layers.par_iter().zip(&images.layers)).try_for_each(|(layer, ir)| match layer {
        LayerEngine::Folded(folded) if folded.bank.digits.is_some() => {
            folded::prove(folded, ir).map_err(|e| e.within("after the choice of multipliers"))
        }
        _ => Ok(()),
    })
}

fn one(
    images: &Images,
    number: usize,
    choice: Choice,
    schedule: &schedule::Options,
    share: &(dyn Fn(Problem) -> Solution + Sync),
    step: &(dyn Fn(&str, Step) -> Result<()> + Sync),
) -> Result<LayerEngine> {
    let layer: &ImageLayer = &images.layers[number];
    let channels = images.yields(number).shape.channels;
    match (layer.kernel(), choice) {
        (Some(_), Choice::Unrolled) if layer.words().is_some() => {
            let cause = "has filters at many positions of a word, which are never unrolled: `folded`";
            Err(Error::input(format_args!("layer `{}`, engine", layer.name), cause))
        }
        (Some(kernel), Choice::Unrolled) => {
            let share = |problem: Problem| share(Problem { layer: number, ..problem });
            let compiled = super::layer(&kernel.dataflow, 0, schedule, &share, step)?;
            Ok(LayerEngine::Unrolled(Box::new(compiled)))
        }
        (Some(_), Choice::Folded(folding)) => {
            let folded = folded::build(layer, folding)?;
            folded::prove(&folded, layer).map_err(|e| e.within("after fold"))?;
            Ok(LayerEngine::Folded(Box::new(folded)))
        }
        (None, Choice::Elementwise { lanes }) => {
            if lanes == 0 || !channels.is_multiple_of(lanes) {
                let cause = format_args!("{lanes} does not divide the {channels} channels");
                return Err(Error::input(format_args!("layer `{}`, lanes", layer.name), cause));
            }
            Ok(LayerEngine::Elementwise { lanes })
        }
        (Some(_), Choice::Elementwise { .. }) => {
            Err(Error::input(format_args!("layer `{}`, engine", layer.name), "is linear: `unrolled` or `folded`"))
        }
        (None, _) => Err(Error::input(format_args!("layer `{}`, engine", layer.name), "has no weights: `elementwise`")),
    }
}

impl CompiledImages {
    /// The layer of the model with this name, in whatever branch it is.
    pub fn model_layer(&self, name: &str) -> Option<&ModelLayer> {
        fn find<'a>(layers: &'a [ModelLayer], name: &str) -> Option<&'a ModelLayer> {
            layers.iter().find_map(|layer| match layer {
                _ if layer.name() == name => Some(layer),
                ModelLayer::Residual(residual) => find(&residual.body, name).or_else(|| find(&residual.shortcut, name)),
                _ => None,
            })
        }
        find(&self.model.layers, name)
    }

    /// A core of one layer alone, as it is compiled; its input is what the layer reads. For cores that are too large to be
    /// simulated as one.
    ///
    /// # Errors
    /// Where there is no such layer, or it is a sum, which reads two images; where `stop` says so.
    pub fn alone(&self, layer: &str, stop: &(dyn Fn() -> bool + Sync)) -> Result<(usize, CompiledImages)> {
        let place = || format!("layer `{layer}`");
        let Some(number) = self.images.layers.iter().position(|l| l.name == layer) else {
            let names = self.images.layers.iter().map(|l| l.name.as_str());
            return Err(Error::input(place(), "is not in the network").help(suggest(layer, names)));
        };
        let ir = &self.images.layers[number];
        if ir.reads.iter().any(|id| *id != ir.reads[0]) {
            return Err(Error::input(place(), "is a sum of two images, which is not simulated alone"));
        }
        let images = Images {
            name: format!("{}_{layer}_alone", self.images.name),
            edges: vec![self.images.reads(number).clone(), self.images.yields(number).clone()],
            layers: vec![ImageLayer { reads: vec![EdgeId(0); ir.reads.len()], ..ir.clone() }],
        };
        ir::images::verify(&images)?;
        let mut graph = stream::assemble(&images, &[self.layers[number].engine()], [Beat::Any; 2])?;
        stream::verify(&graph)?;
        let (depths, timing) = at_full_rate(&mut graph, stop)?;
        let layers = vec![self.layers[number].clone()];
        Ok((number, CompiledImages { images, layers, graph, depths, timing, ..self.clone() }))
    }

    /// The integers on every edge for one input image, each layer as its engine computes it; in a recurrent network it begins a
    /// sequence.
    ///
    /// # Errors
    /// As [`ir::images::interpret`].
    pub fn evaluate(&self, input: &[i64]) -> Result<Vec<Vec<i64>>> {
        self.step(&mut State::default(), input)
    }

    /// Like [`evaluate`](Self::evaluate), for the next input of a sequence; it moves the state on.
    ///
    /// # Errors
    /// As [`ir::images::interpret`].
    pub fn step(&self, state: &mut State, input: &[i64]) -> Result<Vec<Vec<i64>>> {
        ir::images::step_with(&self.images, state, input, |number, kernel: &Kernel, x| {
            match &self.layers[number] {
                LayerEngine::Unrolled(layer) => {
                    let values = circuit::evaluate(&layer.circuit, x)?;
                    Ok(layer.circuit.outputs.iter().map(|id| values[id.index()]).collect())
                }
                LayerEngine::Folded(folded) => Ok(folded::evaluate(folded, x, kernel.input.channels)),
                // An invariant: no layer with a kernel is on it.
                LayerEngine::Elementwise { .. } => Ok(self.images.layers[number].compute(x)),
            }
        })
    }

    /// Clocks that a layer's own nodes need for a frame at least: as its geometry says, or, where its state must come round before
    /// the next frame, as the timing of the layer alone says.
    pub fn clocks(&self, number: usize) -> u64 {
        let layer = &self.images.layers[number];
        if matches!(layer.kind, Kind::Lstm { .. })
            && let Ok((_, alone)) = self.alone(&layer.name, &|| false)
        {
            return alone.timing.interval();
        }
        let words = |id: &stream::StreamId| self.graph.streams[id.index()].words as u64;
        let own = self.graph.nodes.iter().filter(|node| node.layer == Some(number));
        let clocks = own.map(|node| {
            let steps = match &node.primitive {
                Primitive::Window(lines) => (lines.windows.rows * lines.steps()) as u64,
                _ => 0,
            };
            node.inputs.iter().chain(&node.outputs).map(words).max().unwrap_or(0).max(steps)
        });
        clocks.max().unwrap_or(0)
    }
}
