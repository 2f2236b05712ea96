//! Finds the first wrong signal behind a wrong output: one sample is run again with every signal
//! recorded, and each node of each layer is compared with what [`circuit::evaluate`] says, in the
//! order in which the clock reaches them.

use super::run::{Failure, Options};
use super::wave::Wave;
use super::{Simulator, Sources};
use crate::circuit::{self, Circuit, Op};
use crate::compile::{Compiled, LayerEngine, SerialLayer, Unrolled};
use crate::emit::Signature;
use crate::ir::{self, State};
use crate::serial::{self, Form};
use crate::stream::depths;
use crate::stream::timing::{self, Ending};
use crate::stream::{Graph, Node, Primitive};
use crate::tools::Tools;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};

/// The place where a core first leaves the circuit it was written from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Place {
    /// A signal of a layer.
    Signal {
        /// The layer's name.
        layer: String,
        /// The pipeline stage that computes it, or hands it on; of a serial layer the clock.
        stage: u32,
        /// Name of the circuit's node.
        node: String,
        /// What of the model the node serves.
        origin: String,
        /// The signal in the layer's module: the node itself, or the register that holds it.
        signal: String,
        /// What the circuit computes, as many bits of it as the signal has.
        expected: i64,
        /// What the signal holds.
        got: i64,
    },
    /// Every layer is right; the fault lies in what stands around them.
    Streams,
    /// A word of a layer's image.
    Word {
        /// The input: its number among those that were run.
        sample: usize,
        /// The layer's name.
        layer: String,
        /// What computes it: the engine.
        engine: String,
        /// Row and column of the pixel.
        pixel: (usize, usize),
        /// The channel.
        channel: usize,
        /// What the engine computes.
        expected: i64,
        /// What the stream carries.
        got: i64,
    },
    /// Words wait for ever.
    Blocked {
        /// FIFOs that are full while the sum behind them waits for its other side.
        full: Vec<FullFifo>,
        /// Streams on which a word waits, by the node that they leave; empty where the FIFOs say
        /// enough.
        waiting: Vec<String>,
    },
    /// The sample does not enter this layer.
    Lost {
        /// The layer's name.
        layer: String,
    },
    /// The sample comes out right where it is run again: the fault depends on what went before, or
    /// on pauses.
    Passes,
}

/// A FIFO that is full, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FullFifo {
    /// The FIFO's name in the core, without `u_`.
    pub name: String,
    /// Words that the FIFO holds.
    pub depth: usize,
    /// The least depth without deadlock.
    pub live: usize,
}

impl Place {
    /// The place, where the samples are those behind so many others.
    pub(super) fn behind(mut self, others: usize) -> Self {
        if let Place::Word { sample, .. } = &mut self {
            *sample += others;
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Signal { layer, stage, node, origin, signal, expected, got } => {
                write!(
                    f,
                    "first wrong signal: layer `{layer}`, stage {stage}, `{node}` ({origin}): "
                )?;
                write!(f, "{signal} is {got}, the circuit says {expected}")
            }
            Place::Word { sample, layer, engine, pixel, channel, expected, got } => {
                write!(
                    f,
                    "first wrong word: sample {sample}, layer `{layer}` ({engine}), pixel \
                     {pixel:?}, channel {channel}: "
                )?;
                write!(f, "is {got}, the engine's definition says {expected}")
            }
            Place::Blocked { full, waiting } => {
                let told = |fifo: &FullFifo| {
                    let FullFifo { name, depth, live } = fifo;
                    format!(
                        "deadlock: `{name}` is full with {depth} words while its sum waits for the \
                         other side; it needs {live}"
                    )
                };
                let mut parts: Vec<String> = full.iter().map(told).collect();
                if !waiting.is_empty() {
                    parts.push(format!("words wait behind {}", waiting.join(", ")));
                }
                write!(f, "{}", parts.join("; "))
            }
            Place::Streams => {
                write!(
                    f,
                    "every signal of every layer is right: the fault lies in the streams around \
                     them"
                )
            }
            Place::Lost { layer } => write!(f, "the sample does not enter layer `{layer}`"),
            Place::Passes => write!(
                f,
                "the sample comes out right when it is run again alone and after its predecessors: \
                 the fault depends on what went before or on pauses"
            ),
        }
    }
}

/// The predecessors that a sample is run again with, where it comes out right alone.
const PREDECESSORS: usize = 7;

/// Clocks beyond which a run is not recorded: the waveform would be too large.
const MOST_CLOCKS: u64 = 400_000;

/// Time steps of a clock in the waveform; a step that is a multiple of it is just before a rising
/// edge.
const TICKS: u64 = 10;

/// Finds where sample `index` of `inputs`, whose outputs should be `expected`, first goes wrong, or
/// where its words wait: the first wrong word of a layer, and within a pipeline the first wrong
/// signal. A core that gets stuck by the depths of its FIFOs is recognised without running it
/// again.
///
/// # Errors
/// As [`Simulator::build`]; where the core is too slow to be recorded.
pub fn locate(
    compiled: &Compiled,
    sources: &Sources,
    signature: &Signature,
    inputs: &[Vec<i64>],
    index: usize,
    expected: &[i64],
    tools: &Tools,
) -> Result<Place> {
    let graph = &compiled.graph;
    if let Ending::Deadlock(deadlock) =
        timing::simulate(graph, 2, &|| tools.check_interrupted().is_err())?
    {
        let full = deadlock.full.iter().map(|&i| full(compiled, i)).collect();
        return Ok(Place::Blocked { full, waiting: vec![] });
    }
    // What a recurrent core says depends on all that it heard.
    let firsts =
        if signature.recurrent { vec![0] } else { vec![index, index.saturating_sub(PREDECESSORS)] };
    for first in firsts {
        let inputs = &inputs[first..=index];
        let starts: Vec<bool> = (0..inputs.len()).map(|i| i == 0).collect();
        let (place, outputs) = recorded(compiled, sources, signature, inputs, &starts, tools)?;
        if let Some(place) = place {
            return Ok(place.behind(first));
        }
        if outputs.as_ref().and_then(|outputs| outputs.last()).map(Vec::as_slice) != Some(expected)
        {
            return Ok(Place::Streams);
        }
    }
    Ok(Place::Passes)
}

/// Streams `inputs` with every signal recorded, a sequence starting where `starts` says so, and
/// compares every word that leaves a layer with what its engine computes: the hidden states of a
/// recurrent network too. The first one that is wrong or does not come; none where all are right.
///
/// # Errors
/// As [`Simulator::build`]; where the run is too long to be recorded.
pub fn compare_words(
    compiled: &Compiled,
    sources: &Sources,
    signature: &Signature,
    inputs: &[Vec<i64>],
    starts: &[bool],
    tools: &Tools,
) -> Result<Option<Place>> {
    recorded(compiled, sources, signature, inputs, starts, tools).map(|(place, _)| place)
}

/// The outputs of a run, where all came out whole.
type Outputs = Option<Vec<Vec<i64>>>;

/// Compares as [`compare_words`] does, and yields the outputs too.
fn recorded(
    compiled: &Compiled,
    sources: &Sources,
    signature: &Signature,
    inputs: &[Vec<i64>],
    starts: &[bool],
    tools: &Tools,
) -> Result<(Option<Place>, Outputs)> {
    if signature.latency.unsigned_abs() + (1 + inputs.len() as u64) * u64::from(signature.ii)
        > MOST_CLOCKS
    {
        return Err(Error::input(
            format_args!("core `{}`", signature.top),
            "takes too many clocks to be recorded",
        )
        .help("write a waveform of what you want to see with --wave"));
    }
    let simulator = Simulator::build(sources, signature, true, tools)?;
    let folder = WorkFolder::new()?;
    let file = folder.path().join("wave.vcd");
    let outputs = simulator.record_sequences(inputs, starts, &Options::default(), &file)?;
    let wave = Wave::parse(&files::read_text(&file)?, &|name| name.starts_with("layer_"))?;
    let Some(top) = wave.scope(&signature.top) else {
        return Err(Error::internal(
            "simulate",
            format_args!("the waveform lacks `{}`", signature.top),
        ));
    };
    Ok((Recording { compiled, signature, wave, top }.first_wrong(inputs, starts)?, outputs))
}

/// A run of a core, every signal of it.
struct Recording<'a> {
    compiled: &'a Compiled,
    signature: &'a Signature,
    wave: Wave,
    /// The path of the core.
    top: String,
}

impl Recording<'_> {
    /// The first place where the core leaves its engines' definitions.
    fn first_wrong(&self, inputs: &[Vec<i64>], starts: &[bool]) -> Result<Option<Place>> {
        let Recording { compiled, signature, wave, top } = self;
        let end = wave.end / TICKS + 1;
        // The clocks at which the words of each layer move.
        let moves: Vec<Vec<u64>> = (compiled.dataflow.layers.iter())
            .map(|layer| {
                let high = |signal: &str, clock: u64| {
                    wave.at(&format!("{top}.layer_{}_{signal}", layer.name), TICKS * clock)
                        == Some(1)
                };
                // Before reset anything may be on the wires.
                let runs = |clock: u64| wave.at(&format!("{top}.rst"), TICKS * clock) == Some(0);
                (0..end)
                    .filter(|&clock| runs(clock) && high("valid", clock) && high("ready", clock))
                    .collect()
            })
            .collect();
        let mut state = State::default();
        for (sample, (input, start)) in inputs.iter().zip(starts).enumerate() {
            if *start || !signature.recurrent {
                state = State::default();
            }
            let before = state.clone();
            let edges = compiled.step(&mut state, input)?;
            for (number, layer) in compiled.dataflow.layers.iter().enumerate() {
                if within(&compiled.graph, number) {
                    continue;
                }
                let to = compiled.dataflow.yields(number);
                let (lanes, bits) = (signature.layers[number].output.elements, to.format.bits);
                let words = to.shape.elements() / lanes;
                let of_layer = &edges[compiled.dataflow.edge_of(number).index()];
                for word in 0..words {
                    let Some(clock) = moves[number].get(sample * words + word) else {
                        let place = self.in_pipeline(number, before, input, sample)?;
                        return Ok(Some(place.unwrap_or_else(|| blocked(compiled, wave, top))));
                    };
                    for lane in 0..lanes {
                        let name = format!("{top}.layer_{}_data", layer.name);
                        let raw =
                            wave.part(&name, TICKS * clock, lane * bits as usize, bits as usize);
                        let got = circuit::wrap(raw.unwrap_or(0) as i64, bits, to.format.signed);
                        let (element, expected) =
                            (word * lanes + lane, of_layer[word * lanes + lane]);
                        if got == expected {
                            continue;
                        }
                        let at = element / to.shape.channels;
                        let word = Place::Word {
                            sample,
                            layer: layer.name.clone(),
                            engine: compiled.engines.layers[&layer.name]
                                .told(layer.words().is_none()),
                            pixel: (at / to.shape.width, at % to.shape.width),
                            channel: to.channels[element % to.shape.channels],
                            expected,
                            got,
                        };
                        return Ok(Some(
                            self.in_pipeline(number, before, input, sample)?.unwrap_or(word),
                        ));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The first wrong signal in the segment that layer `number` ends while it works on this
    /// sample, or that a window of it does not enter; none where the layer has no pipeline, or all
    /// is right. `state` is that before the sample.
    fn in_pipeline(
        &self,
        number: usize,
        mut state: State,
        input: &[i64],
        sample: usize,
    ) -> Result<Option<Place>> {
        let Recording { compiled, wave, top, .. } = self;
        let Compiled { dataflow, graph, .. } = compiled;
        let Some((node, segment)) = graph.segment_of(number) else { return Ok(None) };
        let layers: Vec<(&LayerEngine, &Circuit)> = compiled.layers[segment.layers.clone()]
            .iter()
            .filter_map(|layer| Some((layer, layer.circuit()?)))
            .collect();
        // Those that enter each of the layers.
        let mut windows: Vec<Vec<Vec<i64>>> = vec![vec![]; layers.len()];
        ir::step_with(dataflow, &mut state, input, |layer, _, x| {
            if segment.layers.contains(&layer) {
                windows[layer - segment.layers.start()].push(x.to_vec());
            }
            compiled.compute(layer, x)
        })?;
        let node = &graph.nodes[node];
        let outer = match node.layer {
            Some(owner) => format!("{top}.u_layer_{}", dataflow.layers[owner].name),
            None => top.clone(),
        };
        let control = format!("{outer}.u_{}", node.name);
        let high = |signal: &str, clock: u64| {
            wave.at(&format!("{control}.{signal}"), TICKS * clock) == Some(1)
        };
        let enters: Vec<u64> = (0..wave.end / TICKS + 1)
            .filter(|&clock| {
                !high("rst", clock) && high("s_valid", clock) && high("s_ready", clock)
            })
            .collect();
        let count = windows[0].len();
        for window in 0..count {
            let Some(&clock) = enters.get(sample * count + window) else {
                // What does not enter a later one is lost before.
                let lost = *segment.layers.start() == 0 && window == 0;
                return Ok(lost.then(|| Place::Lost { layer: layers[0].1.name.clone() }));
            };
            for (&(layer, circuit), windows) in layers.iter().zip(&windows) {
                let scope = match node.layer {
                    Some(_) => format!("{outer}.u_pipeline"),
                    None => format!("{outer}.u_pipeline_{}", circuit.name),
                };
                let values = circuit::evaluate(circuit, &windows[window])?;
                let clock = clock + u64::from(segment.registered);
                let place = match layer {
                    LayerEngine::Unrolled(l) => first_wrong(l, &values, wave, &scope, clock),
                    LayerEngine::Serial(l) => first_wrong_digit(l, &values, wave, &scope, clock),
                    LayerEngine::Folded(_) | LayerEngine::Elementwise { .. } => None,
                };
                if place.is_some() {
                    return Ok(place);
                }
            }
        }
        Ok(None)
    }
}

/// Whether the layer is within a segment, so that no stream carries what it yields.
fn within(graph: &Graph, number: usize) -> bool {
    graph.segment_of(number).is_some_and(|(_, segment)| *segment.layers.end() != number)
}

/// What waits at the end of a waveform.
fn blocked(compiled: &Compiled, wave: &Wave, top: &str) -> Place {
    let graph = &compiled.graph;
    let last = |path: String| wave.at(&format!("{top}.{path}"), wave.end);
    let held = |&i: &usize| {
        last(format!("u_{}.count", graph.nodes[i].name)) == Some(depth(graph, i) as u64)
    };
    let starved = |&i: &usize| {
        let other = depths::other_side(graph, i);
        let giver = other.and_then(|id| graph.nodes.iter().find(|node| node.outputs.contains(&id)));
        giver.is_some_and(|node| last(format!("{}_valid", in_core(compiled, node))) == Some(0))
    };
    let full = graph.fifos().filter(held).filter(starved).map(|i| full(compiled, i)).collect();
    let waits = |node: &&Node| {
        let name = in_core(compiled, node);
        last(format!("{name}_valid")) == Some(1) && last(format!("{name}_ready")) == Some(0)
    };
    let mut waiting: Vec<String> =
        graph.nodes.iter().filter(waits).map(|node| in_core(compiled, node)).collect();
    waiting.dedup();
    Place::Blocked { full, waiting }
}

/// A FIFO as a message tells it.
fn full(compiled: &Compiled, node: usize) -> FullFifo {
    let live = compiled.depths.iter().find(|d| d.node == node).map_or(0, |d| d.live);
    FullFifo {
        name: compiled.graph.nodes[node].name.clone(),
        depth: depth(&compiled.graph, node),
        live,
    }
}

fn depth(graph: &Graph, node: usize) -> usize {
    if let Primitive::Fifo(fifo) = &graph.nodes[node].primitive { fifo.depth } else { 0 }
}

/// The name of what a node yields in the core.
fn in_core(compiled: &Compiled, node: &Node) -> String {
    match node.layer {
        Some(number) => format!("layer_{}", compiled.dataflow.layers[number].name),
        None => node.name.clone(),
    }
}

impl Simulator {
    /// Streams `inputs` and writes every signal to `file` (VCD), atomically, also where the core is
    /// at fault. Needs a traced simulator.
    ///
    /// # Errors
    /// Where the file cannot be written, or the user interrupts.
    pub fn record(
        &self,
        inputs: &[Vec<i64>],
        options: &Options,
        file: &Path,
    ) -> Result<Option<Vec<Vec<i64>>>> {
        self.record_sequences(inputs, &self.starts(inputs.len(), options), options, file)
    }

    /// Records as [`record`](Self::record) does, with the `tuser` of each input.
    fn record_sequences(
        &self,
        inputs: &[Vec<i64>],
        users: &[bool],
        options: &Options,
        file: &Path,
    ) -> Result<Outputs> {
        let folder = WorkFolder::beside(file)?;
        let new = folder.path().join("wave.vcd");
        let mut core = self.core(options.seed, Some(&new))?;
        let bar = indicatif::ProgressBar::hidden();
        let outputs = self.streamed(&mut core, inputs, users, 0, options, &bar);
        // The file is whole once the core is gone.
        drop(core);
        files::place(&new, file)?;
        match outputs {
            Ok(part) => Ok(Some(part.outputs)),
            Err(Failure::Fault(_)) => Ok(None),
            Err(Failure::Error(error)) => Err(error),
        }
    }
}

/// The first signal of a layer that is not what `values` say, where the sample enters its segment
/// at `clock`: what a stage computes is there as many clocks later.
fn first_wrong(
    layer: &Unrolled,
    values: &[i64],
    wave: &Wave,
    scope: &str,
    clock: u64,
) -> Option<Place> {
    let Unrolled { circuit, pipeline, .. } = layer;
    let lines = pipeline.delay_lines(circuit);
    // At each boundary the registers were loaded one clock ago, and only then are the wires
    // computed.
    for stage in pipeline.first(circuit)..pipeline.stages() {
        let clock = clock + u64::from(stage);
        for registers in [true, false] {
            for (id, node) in circuit.iter() {
                let available = pipeline.available(id);
                let product = node.op.is_multiplier();
                let here = if registers {
                    let held = stage.wrapping_sub(available + 1) < lines[id.index()].len() as u32;
                    held || (product && stage == available)
                } else {
                    !product && stage == available
                };
                if !here || matches!(node.op, Op::Constant(_)) {
                    continue;
                }
                let signal =
                    if registers { format!("p{stage}_{}", node.name) } else { node.name.clone() };
                let path = format!("{scope}.{signal}");
                let (Some(bits), Some(got)) = (wave.width(&path), wave.at(&path, TICKS * clock))
                else {
                    // A value that only a register loads is no wire of its own.
                    continue;
                };
                // Delay lines hold no more bits than are still read.
                let signed = node.signed && bits == node.width;
                let got = circuit::wrap(got as i64, bits, signed);
                let value = values[id.index()];
                let held = if node.inverted { !value } else { value };
                let expected = circuit::wrap(held, bits, signed);
                if got != expected {
                    return Some(Place::Signal {
                        layer: layer.name.clone(),
                        stage: if registers && !product { stage - 1 } else { stage },
                        node: node.name.clone(),
                        origin: node.origin.clone(),
                        signal,
                        expected,
                        got,
                    });
                }
            }
        }
    }
    None
}

/// The first signal of a serial layer that is not what `values` say, where the sample enters its
/// segment at `clock`: a word, or a digit of one.
fn first_wrong_digit(
    layer: &SerialLayer,
    values: &[i64],
    wave: &Wave,
    scope: &str,
    clock: u64,
) -> Option<Place> {
    let SerialLayer { circuit, serial, starts, .. } = layer;
    // What is there in each clock, in the order of nodes: after what it is computed from.
    let mut due: Vec<(u32, serial::NodeId, i64)> = vec![];
    for (id, node) in serial.iter() {
        let value = i128::from(values[node.of.index()]) << node.shift.min(63);
        match node.form {
            _ if matches!(circuit.node(node.of).op, Op::Constant(_)) => {}
            Form::Parallel(_) => due.push((node.begins, id, values[node.of.index()])),
            Form::Serial(digit) => due.extend((0..serial.interval).map(|i| {
                let low = i.saturating_mul(digit).min(127);
                (node.begins + i, id, (value >> low) as i64)
            })),
        }
    }
    due.sort_by_key(|&(offset, id, _)| (offset, id));
    due.into_iter().find_map(|(offset, id, value)| {
        let node = serial.node(id);
        let own = circuit.node(node.of);
        let signal = serial.name(circuit, id);
        let path = format!("{scope}.{signal}");
        let time = TICKS * (clock + u64::from(starts + offset));
        let (bits, got) = (wave.width(&path)?, wave.at(&path, time)?);
        let signed = own.signed && node.form == Form::Parallel(own.width);
        let [got, expected] = [got as i64, value].map(|v| circuit::wrap(v, bits, signed));
        (got != expected).then(|| Place::Signal {
            layer: circuit.name.clone(),
            stage: offset,
            node: own.name.clone(),
            origin: own.origin.clone(),
            signal,
            expected,
            got,
        })
    })
}
