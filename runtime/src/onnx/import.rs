//! Networks of other programs, from ONNX: a description of ours and the weights of its layers.
//!
//! Every value is an image of ours, row by row, pixel by pixel, channels innermost. What ONNX has
//! as a tensor over it is a [`View`]: for each axis a table of what an index adds to the place of
//! the element. Whatever moves elements only (Reshape, Transpose, Flatten) changes the view, and a
//! linear layer puts its columns in the order of ours, so nothing is moved when the network runs.

mod branches;
mod constants;
mod layers;
mod moves;
mod view;

use super::read::{self, Data, Graph, MOST_ENTRIES, Node, Tensor};
use crate::error::{Error, Result};
use crate::network::{Bits, Dense, Input, Layer, Network, Recipe, Spn};
use crate::shape::{Join, Shape};
use branches::{Chains, Item};
use ndarray::Array2;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;
use view::View;

/// What an ONNX file does not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the network.
    pub name: String,
    /// Format of the input: real value = integer · 2^-frac.
    pub bits: u32,
    /// Fractional bits of the input.
    pub frac: i32,
    /// Whether the input is two's complement.
    pub signed: bool,
    /// r over the outputs of a linear layer; the last one keeps at least as many as it has outputs.
    pub ratio: f64,
    /// Output patches of p × p pixels.
    pub p: usize,
}

/// A network that was read.
#[derive(Debug)]
pub struct Imported {
    /// The description.
    pub network: Network,
    /// The linear layers, as [`Network::linear`] has them, of the network in full precision.
    pub weights: Vec<Weights>,
    /// For each element of the network's input its index in the input of the ONNX file.
    pub order: Vec<usize>,
    /// What became of each node.
    pub nodes: Vec<Fate>,
}

/// An ordinary linear layer.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `[outputs, columns]`: columns in the order row, column, channel; of a depthwise layer
    /// without the last. Of a transposed convolution `[p_h · p_w · outputs, columns]`.
    pub matrix: Array2<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// What became of a node.
#[derive(Clone, Debug, Serialize)]
pub struct Fate {
    /// Name of the node.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Its first output.
    pub output: String,
    /// The layer that it is now, or why there is none.
    pub became: String,
}

/// Operators that are understood.
#[rustfmt::skip]
const OPERATORS: [&str; 35] = [
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv",
    "ConvTranspose", "DequantizeLinear", "Div", "Dropout", "Flatten", "Gather", "Gemm", "GlobalAveragePool",
    "Identity", "LeakyRelu", "LogSoftmax", "MatMul", "MaxPool", "Mul", "QuantizeLinear",
    "ReduceMean", "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Softmax", "Squeeze", "Sub",
    "Tanh", "Transpose", "Unsqueeze",
];
/// Nodes of a network, at most.
const MOST_NODES: usize = 1 << 16;
/// Refusals that are told one by one.
const TOLD: usize = 12;
/// Elements of a value, and pixels of a kernel, at most: those of a description.
const MOST_ELEMENTS: usize = 1 << 24;
const MOST_AREA: usize = 1 << 10;

/// A layer on the way to a description.
pub(super) struct Op {
    pub kind: Kind,
    /// The layers it reads; 0 is the input.
    pub from: Vec<usize>,
    pub output: Shape,
    /// The node that it was.
    pub node: usize,
}

pub(super) enum Kind {
    Input,
    Linear(Layer, Weights),
    /// A function of each element: a ReLU or another one.
    Activation(Layer),
    /// A layer without weights: a pooling, an upsampling.
    Pixels(Layer),
    Join(Join),
}

/// What a node yields.
#[derive(Clone)]
struct Value {
    op: usize,
    view: View,
    /// Whether nobody else reads what the layer yields.
    alone: bool,
}

/// What became of a node, before layers have names.
enum Became {
    Nothing(String),
    Layer(usize),
    Folded(usize),
    Activation(String),
}

/// Reads the network of `path`.
///
/// # Errors
/// Where the file cannot be read or is damaged, or the network holds what no layer of ours is: then
/// every operator that is not understood is named, with its place.
pub fn import(path: &Path, options: &Options) -> Result<Imported> {
    let graph = read::read(path)?;
    understood(&graph)?;
    let mut builder = Builder::new(&graph, options);
    for i in 0..graph.nodes.len() {
        builder.node(i)?;
    }
    builder.finish()
}

/// Fails with all operators that are not understood.
fn understood(graph: &Graph) -> Result<()> {
    let known = |node: &&Node| {
        matches!(&*node.proto.domain, "" | "ai.onnx") && OPERATORS.contains(&node.operator())
    };
    let unknown: Vec<&Node> = graph.nodes.iter().filter(|node| !known(node)).collect();
    if unknown.is_empty() && graph.nodes.len() <= MOST_NODES {
        return Ok(());
    }
    if unknown.is_empty() {
        let cause = format!("has {} nodes, more than {MOST_NODES}", graph.nodes.len());
        return Err(Error::input(&graph.path, cause));
    }
    let mut told: Vec<String> = (unknown.iter().take(TOLD))
        .map(|node| {
            let domain = &node.proto.domain;
            let domain = if domain.is_empty() { String::new() } else { format!(" of {domain}") };
            let (name, output) = (&node.proto.name, node.output());
            format!("  {}{domain}: node `{name}`, output `{output}`", node.operator())
        })
        .collect();
    if unknown.len() > TOLD {
        told.push(format!("  and {} more", unknown.len() - TOLD));
    }
    let count = match unknown.len() {
        1 => "an operator that is".into(),
        n => format!("{n} nodes whose operators are"),
    };
    let cause = format!("has {count} not understood:\n{}", told.join("\n"));
    let known = OPERATORS.join(", ");
    Err(Error::input(&graph.path, cause).help(format_args!("understood are {known}")))
}

struct Builder<'a> {
    graph: &'a Graph,
    options: &'a Options,
    constants: HashMap<String, Tensor>,
    values: HashMap<String, Value>,
    /// How many nodes read each value.
    readers: HashMap<&'a str, usize>,
    ops: Vec<Op>,
    /// The nearest layer through which all that each layer reads has come.
    before: Vec<usize>,
    /// The input's layout, once a layer has asked for one, and the view that it asked with.
    input: Option<(Vec<usize>, View, View)>,
    became: Vec<Became>,
    /// Entries of tables and matrices that were made.
    made: usize,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph, options: &'a Options) -> Self {
        let mut readers = HashMap::new();
        let read = graph.nodes.iter().flat_map(|node| &node.proto.input);
        for name in read.chain([&graph.output]) {
            *readers.entry(name.as_str()).or_default() += 1;
        }
        let input = Op { kind: Kind::Input, from: vec![], output: Shape::vector(0), node: 0 };
        Builder {
            graph,
            options,
            constants: graph.constants.clone(),
            values: HashMap::new(),
            readers,
            ops: vec![input],
            before: vec![0],
            input: None,
            became: vec![],
            made: 0,
        }
    }

    /// Takes in one node.
    fn node(&mut self, i: usize) -> Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[i];
        let inputs = || (0..node.proto.input.len()).filter_map(|i| node.input(i));
        let became = if inputs().any(|name| self.is_data(name)) {
            self.data_node(i, node)?
        } else {
            self.constant_node(node)?;
            Became::Nothing("a constant".into())
        };
        self.became.push(became);
        Ok(())
    }

    /// Whether a value depends on the network's input.
    fn is_data(&self, name: &str) -> bool {
        self.values.contains_key(name) || name == self.graph.input.0
    }

    /// Room for so many more entries.
    fn make(&mut self, node: &Node, entries: Option<usize>) -> Result<()> {
        let made = entries.and_then(|n| self.made.checked_add(n)).filter(|n| *n <= MOST_ENTRIES);
        self.made = made.ok_or_else(|| node.refused("makes the network too large"))?;
        Ok(())
    }

    /// A constant input.
    fn constant(&self, node: &Node, i: usize, what: &str) -> Result<&Tensor> {
        self.optional(node, i, what)?.ok_or_else(|| node.refused(format_args!("has no {what}")))
    }

    /// A constant input that may be left out.
    fn optional(&self, node: &Node, i: usize, what: &str) -> Result<Option<&Tensor>> {
        let Some(name) = node.input(i) else { return Ok(None) };
        self.constants.get(name).map(Some).ok_or_else(|| {
            let cause = if self.is_data(name) {
                format!("has a {what} that is computed from the network's input")
            } else {
                format!("reads `{name}`, which nothing before it yields")
            };
            node.refused(cause)
        })
    }

    /// A constant input of whole numbers.
    fn wholes(&self, node: &Node, i: usize, what: &str) -> Result<Option<Vec<i64>>> {
        let Some(tensor) = self.optional(node, i, what)? else { return Ok(None) };
        let wholes = tensor.wholes().map(<[i64]>::to_vec);
        wholes.map(Some).ok_or_else(|| node.refused(format_args!("has a {what} of no integers")))
    }

    /// The value that input i is, as it lies; of the network's input its own order.
    fn raw(&self, node: &Node, i: usize) -> Result<Value> {
        let Some(name) = node.input(i) else {
            return Err(node.refused(format_args!("has no input {i}")));
        };
        let readers = self.readers.get(name).copied().unwrap_or_default();
        if let Some(value) = self.values.get(name) {
            return Ok(Value { alone: value.alone && readers == 1, ..value.clone() });
        }
        if name != self.graph.input.0 {
            let cause = if self.constants.contains_key(name) {
                format!("reads the constant `{name}` where data are due")
            } else {
                format!("reads `{name}`, which nothing before it yields")
            };
            return Err(node.refused(cause));
        }
        let axes = self.input_axes()?;
        Ok(Value { op: 0, view: View::plain(&axes), alone: false })
    }

    /// Axes of the network's input but that of the samples.
    fn input_axes(&self) -> Result<Vec<usize>> {
        let (name, axes) = &self.graph.input;
        let sizes: Option<Vec<usize>> = axes.iter().skip(1).copied().collect();
        let elements = |sizes: &Vec<usize>| {
            let elements = sizes.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
            elements.is_some_and(|n| n <= MOST_ELEMENTS)
        };
        sizes.filter(|sizes| !sizes.is_empty() && elements(sizes)).ok_or_else(|| {
            let cause = format!(
                "its input `{name}` is no batch of samples of one size: [batch, channels, height, \
                 width], [batch, channels, time] or [batch, features]"
            );
            Error::input(&self.graph.path, cause)
                .help("export it with fixed sizes for all axes but the first")
        })
    }

    /// Input i, where it is no longer the network's input in an order of its own: the first layer
    /// that reads that says what its axes are.
    fn value(
        &mut self,
        node: &Node,
        i: usize,
        as_is: impl Fn(&View) -> Option<Layout>,
    ) -> Result<Value> {
        let mut value = self.raw(node, i)?;
        if value.op != 0 {
            return Ok(value);
        }
        if let Some((_, asked, view)) = &self.input {
            if *asked != value.view {
                let cause = "reads the network's input in another layout than the layer before";
                return Err(node.refused(cause));
            }
            value.view = view.clone();
            return Ok(value);
        }
        let Some(layout) = as_is(&value.view) else {
            let axes = value.view.axes();
            return Err(node.refused(format_args!("reads the network's input as {axes:?}")));
        };
        self.make(node, Some(2 * value.view.elements()))?;
        let (shape, view) = self.lay_out(&value.view, layout)?;
        self.ops[0].output = shape;
        let mut order = vec![0; shape.elements()];
        for (own, theirs) in view.places().into_iter().zip(value.view.places()) {
            order[own as usize] = theirs as usize;
        }
        self.input = Some((order, value.view, view.clone()));
        value.view = view;
        Ok(value)
    }

    /// The image that the network's input is, and the view of it that a layer asked for.
    fn lay_out(&self, asked: &View, layout: Layout) -> Result<(Shape, View)> {
        let axes = asked.axes();
        let image = |channels, height, width| Shape { height, width, channels };
        Ok(match (layout, &*axes) {
            (Layout::ChannelsFirst, &[c, h, w]) => {
                let shape = image(c, h, w);
                (shape, View::image(shape, 2))
            }
            (Layout::ChannelsFirst, &[c, w]) => {
                let shape = image(c, 1, w);
                (shape, View::image(shape, 1))
            }
            (Layout::ChannelsLast, &[h, w, c]) => (image(c, h, w), View::plain(&axes)),
            (Layout::ChannelsLast, &[w, c]) => (image(c, 1, w), View::plain(&axes)),
            _ => {
                // All elements at once: the axes are those of the file's input.
                let shape = match *self.input_axes()? {
                    [c, h, w] => image(c, h, w),
                    [h, w] => image(1, h, w),
                    _ => Shape::vector(asked.elements()),
                };
                let theirs = View::image(shape, 2).places();
                let places = asked.places().into_iter();
                let table = places.map(|i| theirs.get(i as usize).copied().unwrap_or(0)).collect();
                (shape, View(vec![table]))
            }
        })
    }

    /// Input i as an image, with the channel of ours that each of its channels is.
    fn image(&mut self, node: &Node, i: usize, spatial: usize) -> Result<(Value, Shape, Vec<u32>)> {
        let first = |view: &View| (view.0.len() == spatial + 1).then_some(Layout::ChannelsFirst);
        let value = self.value(node, i, first)?;
        let shape = self.ops[value.op].output;
        let Some(channels) = value.view.as_image(shape, spatial) else {
            let axes = value.view.axes();
            let cause = format!(
                "reads a tensor of axes {axes:?} that is no image of ours, [channels, height, \
                 width] or [channels, time], any more"
            );
            return Err(node.refused(cause));
        };
        let channels = channels.to_vec();
        Ok((value, shape, channels))
    }

    /// Adds a layer, and yields its number.
    fn push(&mut self, node: usize, kind: Kind, from: Vec<usize>, output: Shape) -> Result<usize> {
        let elements = (output.height.checked_mul(output.width))
            .and_then(|pixels| pixels.checked_mul(output.channels));
        if elements.is_none_or(|n| n == 0 || n > MOST_ELEMENTS) {
            let cause =
                format!("yields {output}: between 1 and {MOST_ELEMENTS} elements are possible");
            return Err(self.graph.nodes[node].refused(cause));
        }
        let before = self.meeting(&from);
        self.ops.push(Op { kind, from, output, node });
        self.before.push(before);
        Ok(self.ops.len() - 1)
    }

    /// The nearest layer through which all of these have come.
    fn meeting(&self, from: &[usize]) -> usize {
        let nearest = |mut a: usize, mut b: usize| {
            while a != b {
                if a > b { a = self.before[a] } else { b = self.before[b] }
            }
            a
        };
        from.iter().copied().reduce(nearest).unwrap_or(0)
    }

    fn yields(&mut self, node: &Node, op: usize, view: View) {
        self.values.insert(node.output().to_owned(), Value { op, view, alone: true });
    }

    /// A node that reads what depends on the input.
    fn data_node(&mut self, i: usize, node: &Node) -> Result<Became> {
        let same = |why: &str| Ok(Became::Nothing(why.into()));
        match node.operator() {
            "Conv" => self.conv(i, node),
            "ConvTranspose" => self.conv_transpose(i, node),
            "Gemm" => self.gemm(i, node),
            "MatMul" => self.mat_mul(i, node),
            "BatchNormalization" => self.batch_norm(i, node),
            "Relu" => self.activation(i, node, Layer::Relu, "relu".into()),
            "LeakyRelu" => self.leaky_relu(i, node),
            // It is as the softmax below.
            "Sigmoid" if node.output() == self.graph.output => {
                self.pass(node)?;
                same("left out: a label holds where what enters is positive")
            }
            "Sigmoid" => self.activation(i, node, Layer::Sigmoid, "sigmoid".into()),
            "Tanh" => self.activation(i, node, Layer::Tanh, "tanh".into()),
            "Clip" => self.clip(i, node),
            "MaxPool" | "AveragePool" => self.pool(i, node),
            "GlobalAveragePool" => self.global_pool(i, node, true),
            "ReduceMean" => self.reduce_mean(i, node),
            "Resize" => self.resize(i, node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(i, node),
            "Concat" => self.concat(i, node),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose" => {
                self.moves(node)?;
                same("moves no element of ours")
            }
            "Identity" | "Dropout" | "Cast" => {
                self.pass(node)?;
                same("changes nothing")
            }
            "QuantizeLinear" | "DequantizeLinear" => {
                self.pass(node)?;
                same("left out: the integers of this network take its place")
            }
            "Softmax" | "LogSoftmax" if node.output() == self.graph.output => {
                self.pass(node)?;
                same("left out: it does not change which output is largest")
            }
            "Shape" => {
                let axes = self.raw(node, 0)?.view.axes().into_iter().map(|size| size as i64);
                let data: Vec<i64> = [-1].into_iter().chain(axes).collect();
                let from = node.int("start", 0);
                let to = node.attribute("end").map_or(i64::MAX, |end| end.i);
                let count = data.len() as i64;
                let at = |i: i64| (if i < 0 { i + count } else { i }).clamp(0, count) as usize;
                let data = data.get(at(from)..at(to)).unwrap_or_default().to_vec();
                let tensor = Tensor { axes: vec![data.len()], data: Data::Whole(data) };
                self.constants.insert(node.output().to_owned(), tensor);
                same("a constant")
            }
            "Softmax" | "LogSoftmax" => {
                Err(node
                    .refused("is within the network, where it is more than an order of outputs"))
            }
            operator => Err(node.refused(format_args!("is a {operator} of data: not understood"))),
        }
    }

    fn pass(&mut self, node: &Node) -> Result<()> {
        let value = self.raw(node, 0)?;
        self.values.insert(node.output().to_owned(), value);
        Ok(())
    }
}

impl Builder<'_> {
    /// The network of all nodes.
    fn finish(mut self) -> Result<Imported> {
        let graph = self.graph;
        let end = self.values.get(&graph.output).map_or(0, |value| value.op);
        if end == 0 {
            let cause = format!("computes nothing for its output `{}`", graph.output);
            return Err(Error::input(&graph.path, cause));
        }
        let used = vec![false; self.ops.len()];
        let mut chains = Chains { ops: &self.ops, before: &self.before, used };
        let mut items = chains
            .chain(0, end, 0)
            .map_err(|(op, cause)| graph.nodes[self.ops[op].node].refused(cause))?;
        // A network ends with a linear layer: here one that yields what it reads.
        let mut added = false;
        if !matches!(items.last(), Some(Item::Layer(_, layer)) if branches::is_linear(layer)) {
            let units = self.ops[end].output.elements();
            let entries = units.checked_mul(units).filter(|n| *n <= MOST_ENTRIES);
            let node = &graph.nodes[self.ops[end].node];
            self.make(node, entries)?;
            let layer = Layer::Dense(Dense { units, plain: Some(true), ..layers::dense_layer() });
            let weights = Weights { matrix: Array2::eye(units), bias: vec![0.0; units] };
            let (node, output) = (self.ops[end].node, Shape::vector(units));
            added = true;
            let op = self.push(node, Kind::Linear(layer.clone(), weights), vec![end], output)?;
            items.push(Item::Layer(op, layer));
        }
        let mut order = vec![];
        let mut layers = branches::layers(items, &mut order);
        let own = self.ops[0].output;
        budget(&mut layers, self.options.ratio, true);
        let options = self.options;
        let mut network = Network {
            name: options.name.clone(),
            input: Input {
                shape: match own {
                    Shape { height: 1, width: 1, channels } => vec![channels],
                    Shape { height, width, channels: 1 } => vec![height, width],
                    Shape { height, width, channels } => vec![height, width, channels],
                },
                bits: options.bits,
                frac: options.frac,
                signed: options.signed,
                log_mel: None,
            },
            layers,
            spn: Spn { ratio: options.ratio, p: options.p, ..Spn::default() },
            bits: Bits::default(),
            train: Recipe::default(),
        };
        let one_row = |layer: &Layer| matches!(layer, Layer::Conv1d(_) | Layer::ConvTranspose1d(_));
        if own.height == 1 && network.layers.iter().any(one_row) {
            network.input.shape.remove(0);
        }
        let steps = network.plan().map_err(|e| e.within(&graph.path))?;
        network.validate().map_err(|e| e.within(&graph.path))?;
        // The plan has the same layers in the same order.
        let names: HashMap<usize, &str> =
            order.iter().copied().zip(steps.iter().map(|step| &*step.name)).collect();
        let nodes = graph.nodes.iter().zip(&self.became);
        let mut nodes: Vec<Fate> = nodes.map(|(node, became)| fate(node, became, &names)).collect();
        if added && let Some(last) = steps.last() {
            nodes.push(Fate {
                node: String::new(),
                operator: "(the end)".into(),
                output: graph.output.clone(),
                became: format!("{}: added, since a network ends with a linear layer", last.name),
            });
        }
        let mut ops: Vec<Option<Op>> = self.ops.into_iter().map(Some).collect();
        let weights = order.iter().filter_map(|op| match ops.get_mut(*op)?.take()?.kind {
            Kind::Linear(_, weights) => Some(weights),
            _ => None,
        });
        let weights: Vec<Weights> = weights.collect();
        let Some((order, ..)) = self.input else {
            return Err(Error::input(&graph.path, "has no layer that reads its input"));
        };
        for (step, weights) in network.linear().iter().zip(&weights) {
            let finite = weights.matrix.iter().chain(&weights.bias).all(|w| w.is_finite());
            if !finite {
                let cause = format!("has weights of `{}` that are no numbers", step.name);
                return Err(Error::input(&graph.path, cause));
            }
        }
        Ok(Imported { network, weights, order, nodes })
    }
}

/// What became of a node, in words.
fn fate(node: &Node, became: &Became, names: &HashMap<usize, &str>) -> Fate {
    let name = |op: &usize| names.get(op).copied();
    let unread = || "left out: nothing reads it".to_owned();
    let became = match became {
        Became::Nothing(why) => why.clone(),
        Became::Layer(op) => name(op).map_or_else(unread, str::to_owned),
        Became::Folded(op) => name(op).map_or_else(unread, |layer| format!("within {layer}")),
        Became::Activation(layer) => layer.clone(),
    };
    Fate {
        node: node.proto.name.clone(),
        operator: node.operator().into(),
        output: node.output().into(),
        became,
    }
}

/// Gives layers with groups, and the last one, the r that they can have.
fn budget(layers: &mut [Layer], ratio: f64, ends: bool) {
    let r = |channels: usize, groups: usize| {
        let r = ((ratio * channels as f64).round() as usize).max(1);
        Some(r.next_multiple_of(groups))
    };
    let count = layers.len();
    for (i, layer) in layers.iter_mut().enumerate() {
        let last = ends && i + 1 == count && ratio < 1.0;
        match layer {
            Layer::Dense(dense) if last && dense.plain.is_none() => dense.r = Some(dense.units),
            Layer::Conv2d(conv) if conv.plain.is_none() => match conv.groups {
                Some(groups) => conv.r = r(conv.channels, groups),
                None if last => conv.r = Some(conv.channels),
                None => {}
            },
            Layer::Conv1d(conv) if conv.plain.is_none() => match conv.groups {
                Some(groups) => conv.r = r(conv.channels, groups),
                None if last => conv.r = Some(conv.channels),
                None => {}
            },
            Layer::ConvTranspose2d(conv) => match conv.groups {
                Some(groups) => conv.r = r(conv.channels, groups),
                None if last => conv.r = Some(conv.channels),
                None => {}
            },
            Layer::ConvTranspose1d(conv) => match conv.groups {
                Some(groups) => conv.r = r(conv.channels, groups),
                None if last => conv.r = Some(conv.channels),
                None => {}
            },
            Layer::Residual(branches) | Layer::Concat(branches) => {
                budget(&mut branches.body, ratio, false);
                budget(&mut branches.shortcut, ratio, false);
            }
            _ => {}
        }
    }
}

/// What a layer takes the axes of the network's input for.
#[derive(Clone, Copy)]
enum Layout {
    ChannelsFirst,
    ChannelsLast,
    Vector,
}
