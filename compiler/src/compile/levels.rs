//! What the passes up to one of them have made: the levels of one network.

use super::graphs::LayerGraph;
use super::passes::{Level, Pass};
use super::{Compiled, LayerEngine, SerialLayer, SharedMatrix, Unrolled};
use crate::circuit::Circuit;
use crate::engine::{Choice, Engines};
use crate::folded::Folded;
use crate::ir::{Dataflow, Layer};
use crate::schedule;
use crate::stream::Graph;
use crate::stream::depths::Depth;
use crate::stream::timing::Timing;
use std::collections::BTreeSet;
use std::fmt::Write;
use strassenc_runtime::{Error, Model, Result};

/// The levels of a network as they are after a pass.
#[derive(Clone, Debug)]
pub struct Levels {
    /// The last pass that has run.
    pub after: Pass,
    /// The network.
    pub dataflow: Dataflow,
    /// The engine of every layer; none before [`Pass::Engines`].
    pub engines: Engines,
    /// What is there of each layer; none before [`Pass::Share`].
    pub layers: Vec<Made>,
    /// The whole core; none before [`Pass::Assemble`].
    pub graph: Option<Graph>,
    /// The depth of every FIFO, and the core at full rate; none before [`Pass::Time`].
    pub timing: Option<(Vec<Depth>, Timing)>,
}

/// A layer as far as the passes have brought it.
#[derive(Clone, Debug)]
pub enum Made {
    /// Nothing yet: the layer is folded, and none of the passes has folded it.
    Nothing,
    /// The adder graphs of an unrolled layer, of W_b and of W_c, and the rows whose products are
    /// made of shifts and additions; none before [`Pass::Multiply`].
    Shared([SharedMatrix; 2], BTreeSet<u32>),
    /// The circuit of the layer beside them.
    Built([SharedMatrix; 2], Circuit),
    /// The whole engine of the layer.
    Engine(LayerEngine),
}

impl Made {
    /// The adder graphs of W_b and W_c.
    fn matrices(&self) -> Option<[&SharedMatrix; 2]> {
        match self {
            Made::Shared([wb, wc], _) | Made::Built([wb, wc], _) => Some([wb, wc]),
            Made::Engine(engine) => engine.matrices(),
            Made::Nothing => None,
        }
    }

    /// Products at a time: of hardware multipliers, and of shifts and additions.
    pub(super) fn products(&self) -> [usize; 2] {
        match self {
            Made::Shared([_, wc], shift_add) => {
                let columns = wc.matrix.ncols();
                [columns - shift_add.len(), shift_add.len()]
            }
            _ => self.engine().map_or([0; 2], LayerEngine::products),
        }
    }

    pub(super) fn circuit(&self) -> Option<&Circuit> {
        match self {
            Made::Built(_, circuit) => Some(circuit),
            Made::Engine(engine) => engine.circuit(),
            Made::Nothing | Made::Shared(..) => None,
        }
    }

    /// The whole engine of the layer, where it is all there.
    pub(super) fn engine(&self) -> Option<&LayerEngine> {
        if let Made::Engine(engine) = self { Some(engine) } else { None }
    }
}

impl Levels {
    /// The core, after the last pass; `model` is what was compiled.
    ///
    /// # Errors
    /// Where a level is not there.
    pub fn compiled(self, model: &Model, schedule: &schedule::Options) -> Result<Compiled> {
        let Levels { after, dataflow, engines, layers, graph, timing } = self;
        let layers = layers.into_iter().map(|made| match made {
            Made::Engine(engine) => Some(engine),
            Made::Nothing | Made::Shared(..) | Made::Built(..) => None,
        });
        let (Some(layers), Some(graph), Some((depths, timing))) =
            (layers.collect::<Option<Vec<_>>>(), graph, timing)
        else {
            return Err(Error::internal("compile", format_args!("`{after}` is not the last pass")));
        };
        let (model, schedule) = (model.clone(), *schedule);
        Ok(Compiled { model, schedule, dataflow, engines, layers, graph, depths, timing })
    }

    /// The text of a level as it is now; none where no pass has made it yet.
    pub fn text(&self, level: Level) -> Option<String> {
        if level.passes().next().is_none_or(|first| self.after < first) {
            return None;
        }
        let mut text = String::new();
        let mut add = |part: &dyn std::fmt::Display| {
            // Writing to a string never fails.
            let _ = write!(text, "{part}");
        };
        match level {
            Level::Dataflow => add(&self.dataflow),
            Level::Engines => add(&self.engines),
            Level::Folded => self.folded().for_each(|layer| add(layer)),
            Level::Streams => self.graph.iter().for_each(|graph| add(graph)),
            Level::AdderGraphs => self.graphs().for_each(|graph| add(&graph)),
            Level::Circuits => self.circuits().for_each(|circuit| add(circuit)),
            Level::Pipelines => {
                self.pipelines().for_each(|layer| add(&layer.pipeline.text(&layer.circuit)));
                self.serial().for_each(|layer| add(&layer.serial.text(&layer.circuit)));
            }
        }
        Some(text)
    }

    /// The adder graphs of the unrolled layers.
    pub fn graphs(&self) -> impl Iterator<Item = LayerGraph> {
        let layers = self.dataflow.layers.iter().zip(&self.layers);
        layers.flat_map(|(layer, made)| {
            made.matrices().into_iter().flatten().map(|SharedMatrix { role, solution, .. }| {
                let (layer, graph) = (layer.name.clone(), solution.graph.clone());
                LayerGraph { layer, role: *role, graph }
            })
        })
    }

    /// The circuits of the unrolled layers.
    pub fn circuits(&self) -> impl Iterator<Item = &Circuit> {
        self.layers.iter().filter_map(Made::circuit)
    }

    /// The unrolled layers that have a pipeline.
    pub fn pipelines(&self) -> impl Iterator<Item = &Unrolled> {
        self.layers.iter().filter_map(Made::engine).filter_map(LayerEngine::unrolled)
    }

    /// The layers in digits.
    pub fn serial(&self) -> impl Iterator<Item = &SerialLayer> {
        self.layers.iter().filter_map(Made::engine).filter_map(LayerEngine::serial)
    }

    /// The folded layers.
    pub fn folded(&self) -> impl Iterator<Item = &Folded> {
        self.layers.iter().filter_map(Made::engine).filter_map(LayerEngine::folded)
    }

    /// Counts of what the last pass has found, by name.
    pub fn sizes(&self) -> Vec<(&'static str, i64)> {
        fn sum(numbers: impl Iterator<Item = usize>) -> i64 {
            numbers.sum::<usize>() as i64
        }
        fn most(numbers: impl Iterator<Item = u32>) -> i64 {
            numbers.max().unwrap_or(0).into()
        }
        let Levels { dataflow, engines, graph, timing, .. } = self;
        match self.after {
            Pass::Lower | Pass::Prune => {
                let kernels = dataflow.layers.iter().filter_map(|layer| layer.kernel());
                let channels = dataflow.edges.iter().map(|edge| edge.channels.len());
                vec![
                    ("layers", dataflow.layers.len() as i64),
                    ("channels", sum(channels)),
                    ("products", sum(kernels.map(|kernel| kernel.chain.multiplications()))),
                ]
            }
            Pass::Engines => {
                let count = |is: fn(&Choice) -> bool| {
                    sum(engines.layers.values().map(|choice| usize::from(is(choice))))
                };
                vec![
                    ("unrolled", count(|choice| matches!(choice, Choice::Unrolled))),
                    ("serial", count(|choice| matches!(choice, Choice::Serial { .. }))),
                    ("folded", count(|choice| matches!(choice, Choice::Folded(_)))),
                    ("elementwise", count(|choice| matches!(choice, Choice::Elementwise { .. }))),
                ]
            }
            Pass::Share => {
                let graphs = || {
                    let matrices = self.layers.iter().filter_map(Made::matrices).flatten();
                    matrices.map(|matrix| &matrix.solution.graph)
                };
                vec![
                    ("matrices", graphs().count() as i64),
                    ("adders", sum(graphs().map(|graph| graph.adders()))),
                    ("depth", most(graphs().map(|graph| graph.depth()))),
                ]
            }
            Pass::Build => {
                let nodes = || self.circuits().flat_map(|circuit| &circuit.nodes);
                let multipliers = nodes().filter(|node| node.op.row().is_some());
                vec![
                    ("circuits", self.circuits().count() as i64),
                    ("nodes", nodes().count() as i64),
                    ("multipliers", multipliers.count() as i64),
                ]
            }
            Pass::Schedule => {
                let bits = self.pipelines().map(|l| l.pipeline.register_bits(&l.circuit));
                let of_digits = self.serial().map(|l| l.serial.register_bits(&l.circuit));
                let stages = self.pipelines().map(|l| l.pipeline.latency(&l.circuit));
                let latency = self.serial().map(|l| l.serial.latency);
                vec![
                    ("pipelines", (self.pipelines().count() + self.serial().count()) as i64),
                    ("stages", stages.chain(latency).map(i64::from).sum()),
                    ("register_bits", bits.chain(of_digits).sum::<u64>() as i64),
                ]
            }
            Pass::Fold => vec![
                ("folded", self.folded().count() as i64),
                ("multipliers", sum(self.folded().map(|folded| folded.bank.lanes))),
                ("rom_bits", self.folded().map(|folded| folded.rom_bits() as i64).sum()),
            ],
            Pass::Multiply => {
                let (mut hardware, mut made) = (0, 0);
                for layer in &self.layers {
                    let [h, m] = layer.products();
                    (hardware, made) = (hardware + h, made + m);
                }
                hardware += dataflow.layers.iter().map(Layer::products_of_a_unit).sum::<usize>();
                vec![("hardware_multipliers", hardware as i64), ("shift_add", made as i64)]
            }
            Pass::Assemble => graph
                .iter()
                .flat_map(|graph| {
                    [
                        ("nodes", graph.nodes.len() as i64),
                        ("streams", graph.streams.len() as i64),
                        ("fifos", graph.fifos().count() as i64),
                    ]
                })
                .collect(),
            Pass::Time => timing
                .iter()
                .flat_map(|(depths, timing)| {
                    [
                        ("latency", timing.latency()),
                        ("interval", timing.interval() as i64),
                        ("fifos", depths.len() as i64),
                    ]
                })
                .collect(),
        }
    }
}
