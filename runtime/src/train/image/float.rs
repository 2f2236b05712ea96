//! The network of phases 1 and 2: float activations, batch norms, W_b and W_c in full precision or
//! ternary.

use super::concat::Concat;
use super::exact;
use super::norm::Norm;
use super::patches::{Patches, Windows, fit, piece};
use super::rows::Rows;
use super::spn::Spn;
use crate::network::Network;
use crate::network::plan::{self, Activation, Op};
use crate::shape::Join;
use crate::train::linear::{Budget, Linear};
use crate::train::loss::{Aims, Score};
use crate::train::matmul::{Into, Real, vectorised};
use crate::train::optimiser::{Parameter, Rule};
use crate::train::recurrent::Recurrent;
use crate::train::ternary::{Matrix, Ternariser, density};
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2};
use rand::Rng;
use rayon::prelude::*;

/// The layers of a network and what they read.
pub struct Float<T> {
    nodes: Vec<Node<T>>,
    /// Room that the backward passes of layers share.
    room: Vec<T>,
}

/// A layer, its last result and the gradient of that.
struct Node<T> {
    layer: Layer<T>,
    /// The values it reads: 0 is the network's input, i + 1 the result of node i; none of an input.
    from: Vec<usize>,
    /// Whether it is the output of a head.
    head: bool,
    /// `[n, elements]`: what the last forward pass gave.
    z: Array2<T>,
    /// `[n, elements]`: dL/dz, complete once all readers have added theirs.
    dz: Array2<T>,
}

/// What a node does.
pub enum Layer<T> {
    /// A linear layer.
    Spn(Box<Spn<T>>),
    /// A recurrent layer along pixels.
    Recurrent(Box<Rows<T>>),
    /// The largest of windows, and which elements those were.
    MaxPool(Windows, Array2<u32>),
    /// The mean of windows.
    AveragePool(Windows),
    /// A function of each element.
    Activation(Activation),
    /// The sum of two values, and whether max(0, x) follows.
    Add {
        /// Whether max(0, x) follows.
        relu: bool,
    },
    /// Two values side by side, and whether max(0, x) follows.
    Concat {
        /// Where their elements go.
        concat: Concat,
        /// Whether max(0, x) follows.
        relu: bool,
    },
    /// A further input of the network: which one, from 1.
    Input(usize),
}

/// Elements of a sum that one task works on.
const ELEMENTS: usize = 1 << 14;

impl<T: Real> Layer<T> {
    /// The linear layer, if it is one.
    pub fn spn(&self) -> Option<&Spn<T>> {
        if let Layer::Spn(spn) = self { Some(spn) } else { None }
    }

    /// What an integer layer in its place is like; none where it does not train.
    pub fn blank(&self) -> Option<Blank> {
        match self {
            Layer::Spn(spn) => {
                let w_b = spn.w_b.weights.value.dim();
                let (r, groups) = (w_b.0, spn.groups());
                let w_c = spn.w_c.as_ref().map_or((r, r / groups.1), |w| w.weights.value.dim());
                let (patches, outputs) = (spn.patches().clone(), spn.bias.value.ncols());
                Some(Blank { patches, groups, w_b, w_c, outputs })
            }
            Layer::Recurrent(rows) => {
                let Recurrent { x, h, bias, .. } = &rows.layer;
                let [x, h] = [x, h].map(Linear::sizes);
                let (columns, r, outputs) = (x.0 + h.0, x.1 + h.1, bias.value.ncols());
                let patches = Patches::whole_samples(columns, outputs);
                let (w_b, w_c) = ((r, columns), (outputs, r));
                Some(Blank { patches, groups: (1, 1), w_b, w_c, outputs })
            }
            _ => None,
        }
    }

    fn trains(&self) -> bool {
        matches!(self, Layer::Spn(_) | Layer::Recurrent(_))
    }

    /// Names, parameters, and whether they decay.
    fn parameters(&mut self) -> Vec<(String, &mut Parameter<T>, bool)> {
        self.parts().0
    }

    /// The parameters as [`parameters`](Self::parameters) yields them, and the norms with their
    /// names.
    pub fn parts(&mut self) -> Parts<'_, T> {
        match self {
            Layer::Spn(spn) => {
                let (parameters, norms) = spn.parts();
                let named = parameters.into_iter();
                (named.map(|(name, p, decays)| (name.to_owned(), p, decays)).collect(), norms)
            }
            Layer::Recurrent(rows) => (rows.layer.parameters(), vec![]),
            _ => (vec![], vec![]),
        }
    }

    fn matrices(&self) -> Vec<&Matrix<T>> {
        match self {
            Layer::Spn(spn) => spn.matrices().collect(),
            Layer::Recurrent(rows) => rows.layer.matrices().collect(),
            _ => vec![],
        }
    }

    fn matrices_mut(&mut self) -> Vec<&mut Matrix<T>> {
        match self {
            Layer::Spn(spn) => spn.matrices_mut().collect(),
            Layer::Recurrent(rows) => rows.layer.matrices_mut().collect(),
            _ => vec![],
        }
    }

    /// Computes `z` with batch statistics.
    fn forward(&mut self, inputs: &[ArrayView2<T>], z: &mut Array2<T>) {
        match self {
            Layer::Spn(spn) => spn.forward(inputs[0], z),
            Layer::Recurrent(rows) => rows.forward(inputs[0], z),
            Layer::MaxPool(windows, which) => {
                fit(which, z.dim());
                windows.largest(inputs[0], z, which);
            }
            Layer::AveragePool(windows) => windows.mean(inputs[0], z),
            Layer::Activation(activation) => activation.forward(inputs[0], z),
            Layer::Add { relu } => add(inputs, *relu, z),
            Layer::Concat { concat, relu } => side_by_side(*concat, inputs, *relu, z),
            Layer::Input(_) => z.assign(&inputs[0]),
        }
    }

    /// Computes the outputs with the running statistics.
    fn evaluate(&self, inputs: &[ArrayView2<T>], outputs: usize) -> Array2<T> {
        let mut z = Array2::zeros((inputs[0].nrows(), outputs));
        match self {
            Layer::Spn(spn) => return spn.evaluate(inputs[0]),
            Layer::Recurrent(rows) => return rows.evaluate(inputs[0]),
            Layer::MaxPool(windows, _) => {
                windows.largest(inputs[0], &mut z, &mut Array2::zeros((inputs[0].nrows(), outputs)))
            }
            Layer::AveragePool(windows) => windows.mean(inputs[0], &mut z),
            Layer::Activation(activation) => activation.forward(inputs[0], &mut z),
            Layer::Add { relu } => add(inputs, *relu, &mut z),
            Layer::Concat { concat, relu } => side_by_side(*concat, inputs, *relu, &mut z),
            Layer::Input(_) => z.assign(&inputs[0]),
        }
        z
    }
}

/// The shapes of an integer layer.
pub struct Blank {
    /// Rows of its products.
    pub patches: Patches,
    /// Groups of W_b and of W_c.
    pub groups: (usize, usize),
    /// Rows and columns of W_b.
    pub w_b: (usize, usize),
    /// Rows and columns of W_c.
    pub w_c: (usize, usize),
    /// Channels that leave.
    pub outputs: usize,
}

/// What [`Layer::parts`] yields.
type Parts<'a, T> =
    (Vec<(String, &'a mut Parameter<T>, bool)>, Vec<(&'static str, &'a mut Norm<T>)>);

/// What values are not below, where max(0, x) follows or does not.
fn least<T: Real>(relu: bool) -> T {
    if relu { T::zero() } else { T::neg_infinity() }
}

fn side_by_side<T: Real>(concat: Concat, inputs: &[ArrayView2<T>], relu: bool, z: &mut Array2<T>) {
    let &[a, b] = inputs else { return };
    let low = least(relu);
    concat.forward([a, b], z, |x| if x > low { x } else { low });
}

fn add<T: Real>(inputs: &[ArrayView2<T>], relu: bool, z: &mut Array2<T>) {
    let [a, b] = inputs else { return };
    let low = least(relu);
    // Values are in standard layout.
    let (Some(a), Some(b), Some(z)) = (a.to_slice(), b.to_slice(), z.as_slice_mut()) else {
        unreachable!()
    };
    let work = (z.par_chunks_mut(ELEMENTS), a.par_chunks(ELEMENTS), b.par_chunks(ELEMENTS));
    work.into_par_iter().for_each(|(z, a, b)| {
        vectorised!(|| {
            for ((z, &a), &b) in z.iter_mut().zip(a).zip(b) {
                let sum = a + b;
                *z = if sum > low { sum } else { low };
            }
        });
    });
}

/// The gradient of [`add`], added to dx or in its place.
fn add_gradient<T: Real>(
    dz: &Array2<T>,
    z: &Array2<T>,
    relu: bool,
    dx: &mut Array2<T>,
    into: Into,
) {
    let low = least(relu);
    let (Some(dz), Some(z), Some(dx)) = (dz.as_slice(), z.as_slice(), dx.as_slice_mut()) else {
        unreachable!()
    };
    let work = (dx.par_chunks_mut(ELEMENTS), dz.par_chunks(ELEMENTS), z.par_chunks(ELEMENTS));
    work.into_par_iter().for_each(|(dx, dz, z)| {
        let each = dx.iter_mut().zip(dz).zip(z);
        let passed = |dz, z| if z > low { dz } else { T::zero() };
        vectorised!(|| match into {
            Into::Place => each.for_each(|((dx, &dz), &z)| *dx = passed(dz, z)),
            Into::Sum => each.for_each(|((dx, &dz), &z)| *dx += passed(dz, z)),
        });
    });
}

impl<T: Real> Float<T> {
    /// Fresh weights for a valid network of which only `n_in` inputs are used, where it is one of
    /// vectors.
    pub fn new(network: &Network, n_in: usize, rng: &mut impl Rng) -> Self {
        // An invariant: descriptions are validated when they are read.
        let steps = network.plan().expect("the network is valid");
        let mut nodes: Vec<Node<T>> = Vec::with_capacity(steps.len());
        // The values of the steps, counted as those of nodes.
        let mut values = vec![0];
        for (i, step) in steps.iter().enumerate() {
            let mut step = step.clone();
            if i == 0 && network.is_of_vectors() {
                step.input = crate::Shape::vector(n_in);
            }
            step.from.iter_mut().for_each(|value| *value = values[*value]);
            let empty = || Array2::zeros((0, step.output.elements()));
            let layer = match &step.op {
                Op::Linear(linear) => Layer::Spn(Box::new(Spn::new(
                    &step,
                    linear,
                    plan::outputs(&steps).any(|output| output == i),
                    network.train.full_precision,
                    rng,
                ))),
                Op::MaxPool(pool) => {
                    let windows = Windows::new(pool, step.input, step.output);
                    // A linear layer that nothing else reads pools by itself.
                    let alone = steps
                        .iter()
                        .flat_map(|step| &step.from)
                        .filter(|value| **value == i)
                        .count()
                        == 1;
                    let direct = steps[i].from == [i]
                        && steps[..i].last().is_some_and(|step| step.linear().is_some());
                    if let Some(Node { layer: Layer::Spn(spn), z, dz, .. }) = nodes.last_mut()
                        && alone
                        && direct
                    {
                        spn.pool(windows);
                        (*z, *dz) = (empty(), empty());
                        values.push(values[i]);
                        continue;
                    }
                    Layer::MaxPool(windows, Array2::zeros((0, 0)))
                }
                Op::AveragePool(pool) => {
                    Layer::AveragePool(Windows::new(pool, step.input, step.output))
                }
                // Means of one pixel each.
                Op::Upsample(size) => {
                    Layer::AveragePool(Windows::nearest(*size, step.input, step.output))
                }
                Op::Activation(activation) => Layer::Activation(*activation),
                Op::Join(Join::Add) => Layer::Add { relu: step.relu },
                Op::Join(Join::Concat) => {
                    Layer::Concat { concat: Concat::new(step.input, step.output), relu: step.relu }
                }
                Op::Recurrent(cell, _, gates) => {
                    let sizes = (step.input.channels, step.output.channels);
                    let budget = Budget { r: gates.r, plain: gates.plain };
                    let budget = (!network.train.full_precision).then_some(budget);
                    let layer = Recurrent::new(*cell, sizes, budget, rng);
                    Layer::Recurrent(Box::new(Rows::new(layer, step.input.pixels())))
                }
                Op::Last => Layer::AveragePool(Windows::last(step.input)),
                Op::Reverse => Layer::AveragePool(Windows::reversed(step.input)),
                Op::Input(_) => {
                    let is = |node: &&Node<T>| matches!(node.layer, Layer::Input(_));
                    Layer::Input(nodes.iter().filter(is).count() + 1)
                }
                Op::Embedding { .. } | Op::CharCnn(_) | Op::Highway(_) => {
                    unreachable!("networks of sequences have a trainer of their own")
                }
            };
            let (from, head) = (step.from.clone(), step.head.is_some());
            nodes.push(Node { layer, from, head, z: empty(), dz: empty() });
            values.push(nodes.len());
        }
        Float { nodes, room: vec![] }
    }

    /// The layers that train, linear and recurrent ones, in order.
    pub fn trained(&self) -> impl Iterator<Item = &Layer<T>> {
        self.nodes.iter().map(|node| &node.layer).filter(|layer| layer.trains())
    }

    /// The layers that train, in order.
    pub fn trained_mut(&mut self) -> impl Iterator<Item = &mut Layer<T>> {
        self.nodes.iter_mut().map(|node| &mut node.layer).filter(|layer| layer.trains())
    }

    /// The linear layers, in order.
    pub fn spns(&self) -> impl Iterator<Item = &Spn<T>> {
        self.nodes
            .iter()
            .filter_map(|node| if let Layer::Spn(spn) = &node.layer { Some(&**spn) } else { None })
    }

    /// The linear layers, in order.
    pub fn spns_mut(&mut self) -> impl Iterator<Item = &mut Spn<T>> {
        self.nodes.iter_mut().filter_map(|node| {
            if let Layer::Spn(spn) = &mut node.layer { Some(&mut **spn) } else { None }
        })
    }

    /// Forward and backward over one batch `[n, n_in]`: leaves all gradients of the mean loss.
    pub fn gradients(&mut self, x: ArrayView2<T>, aims: &Aims) -> Score {
        let x = exact::by_input(x, self.further_inputs());
        for i in 0..self.nodes.len() {
            let (before, node) = self.nodes.split_at_mut(i);
            let reads = inputs(&node[0], &x, |i| before[i].z.view());
            let Node { layer, z, dz, .. } = &mut node[0];
            for buffer in [&mut *z, dz] {
                if buffer.nrows() != x[0].nrows() {
                    *buffer = Array2::zeros((x[0].nrows(), buffer.ncols()));
                }
            }
            layer.forward(&reads, z);
        }
        let Some((last, before)) = self.nodes.split_last_mut() else { return Score::default() };
        let heads = before.iter_mut().filter(|node| node.head);
        let outputs = std::iter::once(last).chain(heads);
        let score = aims.score_and_gradients(outputs.map(|node| (&node.z, &mut node.dz)));
        // Values whose gradient has something in it already.
        let mut begun = vec![false; self.nodes.len()];
        let into =
            |begun: &mut bool| if std::mem::replace(begun, true) { Into::Sum } else { Into::Place };
        for i in (0..self.nodes.len()).rev() {
            let (before, node) = self.nodes.split_at_mut(i);
            let Node { layer, from, z, dz, .. } = &mut node[0];
            if let Layer::Spn(spn) = layer {
                let (x, dx) = match from[0].checked_sub(1) {
                    None => (x[0].view(), None),
                    Some(j) => (before[j].z.view(), Some((&mut before[j].dz, into(&mut begun[j])))),
                };
                spn.backward(x, z, dz, dx, &mut self.room);
                continue;
            }
            if let Layer::Recurrent(rows) = layer {
                let dx = from[0].checked_sub(1);
                rows.backward(dz, dx.map(|j| (&mut before[j].dz, into(&mut begun[j]))));
                continue;
            }
            let sides = from.iter().map(|value| value.checked_sub(1)).enumerate();
            for (side, j) in sides.filter_map(|(side, j)| Some((side, j?))) {
                let Node { z: x, dz: dx, .. } = &mut before[j];
                let into = into(&mut begun[j]);
                match layer {
                    Layer::MaxPool(windows, which) => {
                        windows.to_largest(dz.view(), which, dx, into)
                    }
                    Layer::AveragePool(windows) => windows.to_all(dz.view(), dx, into),
                    Layer::Activation(activation) => {
                        activation.backward(dz.view(), [x.view(), z.view()], dx, into)
                    }
                    Layer::Add { relu } => add_gradient(dz, z, *relu, dx, into),
                    Layer::Concat { concat, relu } => {
                        let low = least(*relu);
                        let to = (dx, into);
                        concat.backward(side, dz.view(), x.view(), to, |x| x > low);
                    }
                    Layer::Spn(_) | Layer::Recurrent(_) | Layer::Input(_) => {}
                }
            }
        }
        score
    }

    /// Begins phase 2: from here on W_b and W_c are ternary.
    pub fn begin_ternary(&mut self, network: &Network) {
        for (layer, ternariser) in self.trained_mut().zip(ternarisers(network)) {
            match layer {
                Layer::Spn(spn) => spn.begin_ternary(ternariser),
                Layer::Recurrent(rows) => rows.begin_ternary(ternariser),
                _ => {}
            }
        }
    }

    /// Goes on within phase 2 or after it: W_b and W_c are ternary.
    pub fn make_ternary(&mut self, network: &Network) {
        for (layer, ternariser) in self.trained_mut().zip(ternarisers(network)) {
            layer.matrices_mut().into_iter().for_each(|matrix| matrix.make_ternary(ternariser));
        }
    }

    /// Forgets the optimiser's moments.
    pub fn rest(&mut self) {
        for layer in self.trained_mut() {
            layer.parameters().into_iter().for_each(|(_, parameter, _)| parameter.rest());
        }
    }

    /// Brings the ternary matrices up to date, for evaluation after a step.
    pub fn renew(&mut self) {
        let layers = self.trained_mut();
        layers.flat_map(Layer::matrices_mut).for_each(Matrix::renew);
    }

    /// The elements of each further input, in order.
    fn further_inputs(&self) -> impl Iterator<Item = usize> {
        let all = self.nodes.iter();
        all.filter(|node| matches!(node.layer, Layer::Input(_))).map(|node| node.z.ncols())
    }

    /// Elements of the largest value of one sample.
    pub fn widest(&self) -> usize {
        let inputs = self.spns().next().map_or(0, |spn| spn.patches().elements().0);
        self.nodes.iter().map(|node| node.z.ncols()).max().unwrap_or(0).max(inputs).max(1)
    }

    /// Nonzeros over entries of all matrices.
    pub fn density(&self) -> f64 {
        density(self.nodes.iter().flat_map(|node| node.layer.matrices()))
    }

    /// Gives all norms the statistics of these samples, `[n, n_in]`, instead of the running ones.
    pub fn calibrate(&mut self, x: ArrayView2<T>) {
        self.each_layer(x, Spn::calibrate);
    }

    /// Shows each linear layer, in order, the values that reach it from samples `[n, n_in]` through
    /// the layers before, as they are when it is their turn.
    pub fn each_layer(
        &mut self,
        x: ArrayView2<T>,
        mut visit: impl FnMut(&mut Spn<T>, ArrayView2<T>),
    ) {
        let x = exact::by_input(x, self.further_inputs());
        let mut values: Vec<Array2<T>> = vec![];
        for i in 0..self.nodes.len() {
            let (node, after) = self.nodes[i..].split_first_mut().expect("i is a node");
            let inputs = inputs(node, &x, |i| values[i].view());
            if let Layer::Spn(spn) = &mut node.layer {
                visit(spn, inputs[0]);
            }
            let z = node.layer.evaluate(&inputs, node.z.ncols());
            values.push(z);
            // Many samples of images are large: what nobody reads any more goes.
            for &v in node
                .from
                .iter()
                .filter(|&&v| v > 0 && !after.iter().any(|node| node.from.contains(&v)))
            {
                values[v - 1] = Array2::zeros((0, 0));
            }
        }
    }

    /// Moves every parameter.
    pub fn update(&mut self, rule: Rule) {
        for layer in self.trained_mut() {
            for (_, parameter, decays) in layer.parameters() {
                rule.apply(parameter, decays);
            }
            if rule.shrinkage() > 0.0 {
                let matrices = layer.matrices_mut().into_iter();
                matrices.for_each(|matrix| matrix.shrink(rule.shrinkage()));
            }
        }
    }

    /// `[samples, n_in]` to `[samples, outputs]`, those of the last layer, then those of each head,
    /// with the running statistics.
    pub fn evaluate(&self, x: ArrayView2<T>) -> Array2<T> {
        let leaving = || plan::last_then(&self.nodes, |node| node.head);
        let outputs = leaving().map(|i| self.nodes[i].z.ncols()).sum();
        let chunk = piece(self.spns().map(Spn::columns).max().unwrap_or(1));
        let mut y = Array2::zeros((x.nrows(), outputs));
        (y.axis_chunks_iter_mut(Axis(0), chunk).into_par_iter())
            .zip(x.axis_chunks_iter(Axis(0), chunk))
            .for_each(|(mut y, x)| {
                let x = exact::by_input(x, self.further_inputs());
                let mut values: Vec<Array2<T>> = vec![];
                for node in &self.nodes {
                    let inputs = inputs(node, &x, |i| values[i].view());
                    let z = node.layer.evaluate(&inputs, node.z.ncols());
                    values.push(z);
                }
                exact::side_by_side(&values, leaving(), &mut y);
            });
        y
    }
}

/// How the layers that train become ternary, in order.
pub(super) fn ternarisers(network: &Network) -> impl Iterator<Item = Ternariser> {
    let recipe = &network.train;
    network.trained().into_iter().map(|step| Ternariser {
        quantiser: recipe.quantiser,
        factor: step.threshold().unwrap_or(recipe.threshold),
    })
}

/// The values that a node reads, of the network's inputs and of the results of other nodes.
fn inputs<'a, T>(
    node: &Node<T>,
    x: &'a [CowArray<T, Ix2>],
    result: impl Fn(usize) -> ArrayView2<'a, T>,
) -> Vec<ArrayView2<'a, T>> {
    if let Layer::Input(k) = node.layer {
        return vec![x[k].view()];
    }
    let value = |value: &usize| value.checked_sub(1).map_or(x[0].view(), &result);
    node.from.iter().map(value).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::network::{Quantiser, Recipe};
    use crate::train::loss::{Targets, score};
    use ndarray::s;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn vectors() -> Network {
        let text = "name = \"t\"\ninput = { shape = [5], bits = 8, frac = 8 }\nlayers = [{ dense = \
            { units = 4, r = 6 } }, \"relu\", { dense = { units = 5, r = 4 } }, \"relu\", { dense \
            = { units = 3, r = 7 } }]";
        Network::parse("t", text).unwrap()
    }

    /// Every kind of layer: patches that are cropped, groups, strides and pads, depthwise and plain
    /// ones, pooling, both kinds of residuals, branches side by side, one of them the input, and
    /// upsampling.
    pub fn images() -> Network {
        let text = r#"name = "t"
input = { shape = [7, 6, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 4, kernel = 3, pad = 1, r = 6, p = 2, groups = 2 } },
    "relu",
    { max_pool = { size = 3, stride = 2, pad = 1 } },
    { residual = { body = [
        { conv2d = { channels = 4, kernel = 3, pad = 1, groups = 4, r = 8, p = 2 } },
        "relu",
        { conv2d = { channels = 4, kernel = 1, plain = true } },
    ] } },
    "relu",
    { residual = { body = [
        { conv2d = { channels = 3, kernel = 3, stride = 2, pad = 1, p = 2 } },
    ], shortcut = [
        { conv2d = { channels = 3, kernel = 1, stride = 2 } },
    ] } },
    { concat = { body = [
        { conv2d = { channels = 2, kernel = 3, pad = 1, r = 3 } },
    ] } },
    "relu",
    { concat = { body = [{ conv2d = { channels = 2, kernel = 1, r = 3 } }, "relu"], shortcut = [
        { max_pool = { size = 3, stride = 1, pad = 1 } },
    ] } },
    { upsample = [2, 3] },
    { average_pool = { size = [2, 4], stride = 2, pad = [0, 1] } },
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// A first layer that is computed as one map, poolings within linear layers and a pooling by
    /// itself.
    fn pooled() -> Network {
        let text = r#"name = "t"
input = { shape = [9, 8, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 3, kernel = 3, stride = 1, pad = 1, r = 16 } },
    "relu",
    { max_pool = { size = 3, stride = 2 } },
    { conv2d = { channels = 4, kernel = 2, pad = 1, r = 5 } },
    { max_pool = { size = 2 } },
    { max_pool = { size = 2, stride = 1, pad = 1 } },
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Kernels, strides, pads, patches and poolings that are not square, a mean of six pixels among
    /// them; the first layer is computed as one map.
    pub fn oblong() -> Network {
        let text = r#"name = "t"
input = { shape = [8, 16, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 3, kernel = [1, 4], stride = [1, 2], pad = [0, 3], r = 8 } },
    "relu",
    { max_pool = { size = [2, 3], stride = [1, 2], pad = [1, 0] } },
    { conv2d = { channels = 4, kernel = [3, 1], stride = [2, 1], pad = [1, 0], r = 6, p = [3, 2] }},
    "relu",
    { residual = { body = [
        { conv2d = { channels = 4, kernel = [3, 1], pad = [1, 0], groups = 4, r = 8, p = [2, 1] } },
    ] } },
    "relu",
    { average_pool = { size = [3, 2], stride = [2, 1], pad = [1, 0] } },
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Two heads, one of them within a branch, and dilated layers beside and behind them.
    pub fn headed() -> Network {
        let text = r#"name = "t"
input = { shape = [4, 5, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 3, kernel = 3, pad = 1, r = 5 } },
    "relu",
    { head = { name = "a", layers = [{ dense = { units = 3, r = 4 } }] } },
    { concat = { body = [
        { max_pool = { size = 2 } },
        { head = { name = "b", layers = [
            { conv2d = { channels = 2, kernel = 1, r = 3 } }, "relu",
            "global_average_pool", { dense = { units = 4, r = 3 } },
        ] } },
        { upsample = [2, 2] },
    ], shortcut = [
        { conv2d = { channels = 2, kernel = [3, 2], dilation = [2, 1], pad = [2, 0], r = 3 } },
        "relu",
    ] } },
    { conv2d = { channels = 4, kernel = 2, dilation = [1, 2], groups = 1, r = 4 } },
    "relu",
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Transposed convolutions, one before a pooling and one depthwise, and a separable one.
    pub fn growing() -> Network {
        let text = r#"name = "t"
input = { shape = [2, 3, 2], bits = 8, frac = 8 }
layers = [
    { conv_transpose2d = { channels = 3, kernel = 4, stride = 2, pad = 1, r = 5 } },
    "relu",
    { max_pool = { size = 2, stride = 1, pad = 1 } },
    { max_pool = { size = 3, stride = 2 } },
    { separable_conv2d = { channels = 2, kernel = 2, pad = 1, depthwise_r = 2, r = 3 } },
    "relu",
    { conv_transpose2d = { channels = 2, kernel = [3, 2], stride = [2, 3], pad = [1, 0],
        output_pad = [1, 1], r = 6, groups = 2 } },
    "relu",
    { average_pool = { size = [3, 4] } },
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Both cells along a row, in the order of a signal's layers: one of them reads the input, one
    /// yields every pixel, one goes both ways and is read at its last pixel.
    pub fn signals() -> Network {
        let text = r#"name = "t"
input = { shape = [12, 2], bits = 8, frac = 8 }
layers = [
    { gru = { units = 3, r = 4 } },
    { conv1d = { channels = 4, kernel = 3, stride = 2, pad = 1, r = 6, p = 2 } },
    "relu",
    { lstm = { units = 3, r = 2 } },
    { concat = { body = [{ conv1d = { channels = 2, kernel = 1, r = 3 } }] } },
    { gru = { units = 2, r = 3, bidirectional = true } },
    "last",
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Every activation, behind linear layers, a sum and concatenations, one of which has two sides
    /// that are never negative.
    pub fn activated() -> Network {
        let text = r#"name = "t"
input = { shape = [5, 4, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 3, kernel = 3, pad = 1, r = 5 } },
    { leaky_relu = 2 },
    { residual = { body = [
        { conv2d = { channels = 3, kernel = 1, r = 4 } },
        "tanh",
        { conv2d = { channels = 3, kernel = 3, pad = 1, r = 4 } },
    ] } },
    { clipped_relu = 0.75 },
    { concat = { body = [{ conv2d = { channels = 2, kernel = 1, r = 3 } }, "sigmoid"] } },
    { leaky_relu = 1 },
    { max_pool = { size = 2 } },
    { concat = { body = [{ conv2d = { channels = 2, kernel = 1, r = 3 } }, "tanh"] } },
    "tanh",
    { dense = { units = 5, r = 6 } },
    "relu6",
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Layers of so many products that windows are read in the image and norms become one map: W_c
    /// or none, with a pooling, without a relu, and with further readers.
    fn affine() -> Network {
        let text = r#"name = "t"
input = { shape = [5, 4, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 4, kernel = 1, r = 4 } },
    "relu",
    { conv2d = { channels = 10, kernel = 3, pad = 1, r = 9 } },
    "relu",
    { residual = { body = [
        { conv2d = { channels = 10, kernel = 3, pad = 1, r = 16 } },
        "relu",
        { conv2d = { channels = 10, kernel = 3, pad = 1, plain = true } },
    ] } },
    "relu",
    { conv2d = { channels = 17, kernel = 2, r = 11 } },
    "relu",
    { max_pool = { size = 2 } },
    { conv2d = { channels = 8, kernel = [2, 1], pad = [1, 0], plain = true } },
    "relu",
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// Further inputs: an image and a vector, one of them joined as it enters, one within a head.
    pub fn several() -> Network {
        let text = r#"name = "t"
input = { shape = [4, 5, 2], bits = 8, frac = 8 }
layers = [
    { concat = { body = [
        { conv2d = { channels = 3, kernel = 3, pad = 1, r = 5 } },
    ], shortcut = [
        { input = { name = "depth", shape = [4, 5], bits = 6, frac = 4, signed = true } },
    ] } },
    { head = { name = "a", layers = [
        { max_pool = { size = [4, 5] } },
        { residual = { body = [{ dense = { units = 3, r = 4 } }], shortcut = [
            { input = { name = "of_head", shape = [2], bits = 5, frac = 3 } },
            { dense = { units = 3, r = 3 } },
        ] } },
        "relu",
        { dense = { units = 3, r = 3 } },
    ] } },
    { conv2d = { channels = 4, kernel = 2, stride = 2, r = 5 } },
    "relu",
    { concat = { body = [{ dense = { units = 4, r = 5 } }], shortcut = [
        { input = { name = "age", shape = [3], bits = 8, frac = 5, signed = true } },
        { dense = { units = 3, r = 4 } },
    ] } },
    "relu",
    { dense = { units = 3, r = 5 } },
]
"#;
        Network::parse("t", text).unwrap()
    }

    /// [`signals`] with a head that reads one of them from its end.
    fn signals_with_a_head() -> Network {
        let text = r#"name = "t"
input = { shape = [12, 3], bits = 8, frac = 8 }
layers = [
    { head = { name = "early", layers = [
        "reverse",
        { lstm = { units = 2, plain = true, r = 6 } },
        { dense = { units = 3, r = 4 } },
    ] } },
    { dense = { units = 1 } },
]
"#;
        let (mut network, head) = (signals(), Network::parse("t", text).unwrap());
        // Behind the layer that yields as many channels.
        network.layers.insert(1, head.layers[0].clone());
        network
    }

    fn every_kind() -> [Network; 9] {
        [
            vectors(),
            images(),
            pooled(),
            oblong(),
            signals(),
            activated(),
            affine(),
            growing(),
            several(),
        ]
    }

    /// Aims of such a network: the same classes of all outputs, that count differently.
    pub fn aims<'a>(network: &Network, labels: &'a [u32]) -> Aims<'a> {
        let weights = [0.7, 2.0].into_iter();
        let heads = network.heads().into_iter().zip(weights);
        let heads = heads.map(|(_, weight)| (Targets::of(labels), weight)).collect();
        Aims { main: Targets::of(labels), heads }
    }

    fn batch(network: &Network, rng: &mut ChaCha8Rng) -> (Array2<f64>, Vec<u32>) {
        batch_of(9, network, rng)
    }

    fn batch_of(n: usize, network: &Network, rng: &mut ChaCha8Rng) -> (Array2<f64>, Vec<u32>) {
        let x = Array2::from_shape_simple_fn((n, network.elements()), || rng.random::<f64>());
        (x, (0..n as u32).map(|i| i % 3).collect())
    }

    fn fresh(network: &Network, rng: &mut ChaCha8Rng) -> Float<f64> {
        let mut float = Float::<f64>::new(network, network.elements(), rng);
        // No parameter at a special value.
        for layer in float.trained_mut() {
            for (name, p, _) in layer.parameters() {
                if !name.contains("w_") {
                    p.value.mapv_inplace(|v| v + 0.3 * rng.random::<f64>());
                }
            }
        }
        float
    }

    /// Every entry of every gradient against central differences of the loss.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (network, entries) in [
            (vectors(), 184),
            (images(), 600),
            (pooled(), 600),
            (oblong(), 600),
            (headed(), 200),
            (signals_with_a_head(), 600),
            (activated(), 200),
            (affine(), 3000),
            (growing(), 300),
            (several(), 150),
            (
                Network {
                    train: Recipe { full_precision: true, ..Recipe::default() },
                    ..growing()
                },
                150,
            ),
        ] {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let mut float = fresh(&network, &mut rng);
            let (x, labels) = batch(&network, &mut rng);
            let loss = |float: &mut Float<f64>| {
                float.gradients(x.view(), &aims(&network, &labels)).mean_loss()
            };
            let (mut checked, mut kinks) = (0, 0);
            for l in 0..float.trained().count() {
                let parameters = float.trained_mut().nth(l).unwrap().parameters().len();
                for p in 0..parameters {
                    loss(&mut float);
                    let parameter = |float: &mut Float<f64>, index, delta: f64| {
                        let layer = float.trained_mut().nth(l).unwrap();
                        layer.parameters().swap_remove(p).1.value[index] += delta;
                    };
                    let (name, gradient) = {
                        let (name, p, _) =
                            float.trained_mut().nth(l).unwrap().parameters().swap_remove(p);
                        (name, p.gradient.clone())
                    };
                    for (index, g) in gradient.indexed_iter() {
                        let layer = float.trained_mut().nth(l).unwrap();
                        let value = layer.parameters().swap_remove(p).1.value[index];
                        // Of a transposed convolution, what is no part of its kernel stays 0.
                        if value == 0.0 && network.train.full_precision {
                            assert_eq!(*g, 0.0);
                            continue;
                        }
                        let mut at = |delta: f64| {
                            parameter(&mut float, index, delta);
                            let loss = loss(&mut float);
                            parameter(&mut float, index, -delta);
                            loss
                        };
                        let [far, near] = [1e-6, 1e-7].map(|d| (at(d) - at(-d)) / (2.0 * d));
                        let close =
                            |difference: f64| (difference - g).abs() < 1e-6 + 1e-5 * g.abs();
                        // A relu or a maximum may change sides in between.
                        kinks += usize::from(!close(far));
                        assert!(
                            close(far) || (near - g).abs() < 1e-5 + 1e-4 * g.abs(),
                            "layer {l}, {name}{index:?}: {g} against {far}, {near}"
                        );
                        checked += 1;
                    }
                }
            }
            assert!(
                checked >= entries && kinks * 50 < checked,
                "{checked} checked, {kinks} with kinks"
            );
        }
    }

    /// The units of one direction, then those of the other, by PyTorch's equations in plain loops:
    /// what a `GRU` of its yields with `bidirectional=True`.
    #[test]
    fn a_bidirectional_gru_goes_along_a_row_and_from_its_end() {
        let (pixels, n_in, n) = (5, 2, 3);
        let text = r#"name = "t"
input = { shape = [5, 2], bits = 8, frac = 8 }
layers = [{ gru = { units = 3, bidirectional = true } }, { dense = { units = 3 } }]
[train]
full_precision = true
"#;
        let network = Network::parse("t", text).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut float = fresh(&network, &mut rng);
        let (x, labels) = batch_of(4, &network, &mut rng);
        float.gradients(x.view(), &aims(&network, &labels));
        let mut due = Array2::zeros((4, pixels * 2 * n));
        let cells = float.trained().filter_map(|layer| match layer {
            Layer::Recurrent(rows) => Some(&rows.layer),
            _ => None,
        });
        for (direction, cell) in cells.enumerate() {
            // Rows of x are those of n, r and z, those of h of r, z and n.
            let (w_x, w_h) = (&cell.x.w_b.weights.value, &cell.h.w_b.weights.value);
            let b = cell.bias.value.row(0);
            let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
            for (sample, mut due) in x.rows().into_iter().zip(due.rows_mut()) {
                let mut h = vec![0.0; n];
                for step in 0..pixels {
                    let pixel = if direction == 0 { step } else { pixels - 1 - step };
                    let of_x = |row: usize| -> f64 {
                        (0..n_in).map(|j| w_x[[row, j]] * sample[pixel * n_in + j]).sum()
                    };
                    let of_h = |row: usize| -> f64 { (0..n).map(|j| w_h[[row, j]] * h[j]).sum() };
                    let unit = |j: usize| {
                        let r = sigmoid(of_x(n + j) + of_h(j) + b[n + j]);
                        let z = sigmoid(of_x(2 * n + j) + of_h(n + j) + b[2 * n + j]);
                        let new = of_x(j) + b[j] + r * (of_h(2 * n + j) + b[3 * n + j]);
                        (1.0 - z) * new.tanh() + z * h[j]
                    };
                    h = (0..n).map(unit).collect();
                    for (j, h) in h.iter().enumerate() {
                        due[(pixel * 2 + direction) * n + j] = *h;
                    }
                }
            }
        }
        let both = float.nodes.iter().find(|node| matches!(node.layer, Layer::Concat { .. }));
        let apart = &both.unwrap().z - &due;
        assert!(due.iter().all(|h| *h != 0.0) && apart.iter().all(|d| d.abs() < 1e-9), "{apart}");
    }

    /// In full precision, outputs and gradients are those of PyTorch's `ConvTranspose2d`: each
    /// pixel adds its kernel to the output, whose edges are cut away.
    #[test]
    fn transposed_layers_are_those_of_pytorch() {
        for (k, s, pad, more) in [(4, 2, 1, 0), (3, 2, 1, 1), (2, 2, 0, 0), (5, 3, 1, 0)] {
            let text = format!(
                "name = \"t\"\ninput = {{ shape = [3, 3, 2], bits = 8, frac = 8 }}\nlayers = [{{ \
                 conv_transpose2d = {{ channels = 3, kernel = {k}, stride = {s}, pad = {pad}, \
                 output_pad = {more} }} }}]\ntrain = {{ full_precision = true }}"
            );
            let network = Network::parse("t", &text).unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            let mut float = fresh(&network, &mut rng);
            let spn = float.spns_mut().next().unwrap();
            let (n, side, c_in, c_out) = (5, 3 * s, 2, 3);
            let bias = spn.bias.value.row(0).to_owned();
            let run = |spn: &mut Spn<f64>, x: &Array2<f64>| {
                let mut z = Array2::zeros((x.nrows(), side * side * c_out));
                spn.forward(x.view(), &mut z);
                z
            };
            let output = |y: usize, x: usize, o: usize| (y * side + x) * c_out + o;
            // The kernel, as the pixel in the middle shows it whole.
            let middle = Array2::from_shape_fn((c_in, 18), |(c, i)| f64::from(i == 4 * c_in + c));
            let shown = run(spn, &middle);
            let entries: Vec<[usize; 4]> = (0..c_in * c_out * k * k)
                .map(|i| [i / (c_out * k * k), i / (k * k) % c_out, i / k % k, i % k])
                .collect();
            let kernel: Vec<f64> = (entries.iter())
                .map(|&[c, o, ky, kx]| shown[[c, output(s + ky - pad, s + kx - pad, o)]] - bias[o])
                .collect();

            let x = Array2::from_shape_simple_fn((n, 18), || rng.random::<f64>() - 0.5);
            let g = Array2::from_shape_simple_fn((n, side * side * c_out), || rng.random::<f64>());
            let mut due = Array2::from_shape_fn(g.dim(), |(_, i)| bias[i % c_out]);
            let (mut d_x, mut d_kernel) = (Array2::<f64>::zeros(x.dim()), vec![0.0; kernel.len()]);
            for sample in 0..n {
                for (i, &[c, o, ky, kx]) in entries.iter().enumerate() {
                    for (y, across) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
                        let at = [y * s + ky, across * s + kx].map(|at| at.wrapping_sub(pad));
                        if at.iter().any(|at| *at >= side) {
                            continue;
                        }
                        let (z, enters) = (output(at[0], at[1], o), (y * 3 + across) * c_in + c);
                        due[[sample, z]] += kernel[i] * x[[sample, enters]];
                        d_x[[sample, enters]] += kernel[i] * g[[sample, z]];
                        d_kernel[i] += x[[sample, enters]] * g[[sample, z]];
                    }
                }
            }
            let near = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().all(|d| d.abs() < 1e-9);
            let z = run(spn, &x);
            assert!(near(&z, &due), "kernel {k}");
            assert!(near(&spn.evaluate(x.view()), &due), "kernel {k}");
            let mut found = Array2::zeros(x.dim());
            let into = Some((&mut found, Into::Place));
            spn.backward(x.view(), &z, &mut g.clone(), into, &mut vec![]);
            assert!(near(&found, &d_x), "kernel {k}");
            let w_b = &spn.w_b.weights;
            let mut checked = 0;
            for (w, d) in w_b.value.iter().zip(&w_b.gradient).filter(|(w, _)| **w != 0.0) {
                let i = kernel.iter().position(|entry| (entry - w).abs() < 1e-12).unwrap();
                assert!((d - d_kernel[i]).abs() < 1e-9, "kernel {k}: {d} against {}", d_kernel[i]);
                checked += 1;
            }
            assert_eq!(checked, kernel.len());
        }
    }

    /// Gradients go straight through: that of W is the one a full-precision network has whose W
    /// *is* the ternary matrix.
    #[test]
    fn ternary_gradients_are_those_at_the_quantised_weights() {
        let quantisers = [Quantiser::Twn, Quantiser::Fixed, Quantiser::Row];
        let networks = every_kind();
        for (mut network, quantiser) in
            networks.iter().flat_map(|n| quantisers.map(|q| (n.clone(), q)))
        {
            (network.train.quantiser, network.train.threshold) = (quantiser, 0.9);
            let mut rng = ChaCha8Rng::seed_from_u64(8);
            let mut ternary = Float::<f64>::new(&network, network.elements(), &mut rng);
            let (x, labels) = batch(&network, &mut rng);
            ternary.begin_ternary(&network);
            let mut full = Float::<f64>::new(&network, network.elements(), &mut rng);
            for (f, t) in full.trained_mut().zip(ternary.trained_mut()) {
                for (f, t) in f.matrices_mut().into_iter().zip(t.matrices()) {
                    f.weights.value = t.effective().to_owned();
                    assert!(f.weights.value != t.weights.value);
                }
                for ((name, f, _), (_, t, _)) in f.parameters().into_iter().zip(t.parameters()) {
                    if !name.contains("w_") {
                        f.value.assign(&t.value);
                    }
                }
            }
            assert_eq!(
                ternary.gradients(x.view(), &Targets::of(&labels).into()),
                full.gradients(x.view(), &Targets::of(&labels).into())
            );
            for (f, t) in full.trained_mut().zip(ternary.trained_mut()) {
                for ((name, f, _), (_, t, _)) in f.parameters().into_iter().zip(t.parameters()) {
                    assert_eq!(f.gradient, t.gradient, "{name}");
                }
            }
        }
    }

    /// Where all rows of W_b x are the same, what stands behind its norm changes nothing.
    #[test]
    fn blank_images_have_no_gradients_but_rounding() {
        let text = r#"name = "t"
input = { shape = [6, 5, 1], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 4, kernel = 1, r = 4 } },
    "relu",
    { conv2d = { channels = 16, kernel = 2, r = 16 } },
    "relu",
    { conv2d = { channels = 10, kernel = 2, r = 9 } },
    "relu",
    { dense = { units = 3, r = 5 } },
]
"#;
        let network = Network::parse("t", text).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut float = Float::<f32>::new(&network, network.elements(), &mut rng);
        for spn in float.spns_mut() {
            spn.bias.value.fill(0.3);
        }
        let labels = [0, 1, 2, 1];
        float.gradients(Array2::zeros((4, 30)).view(), &Targets::of(&labels).into());
        for (l, layer) in float.trained_mut().enumerate().skip(1).take(2) {
            for (name, parameter, _) in layer.parameters() {
                let most = parameter.gradient.iter().fold(0.0f32, |most, g| most.max(g.abs()));
                assert!(name == "bias" || name == "w_b" || most < 1e-4, "{l} {name} {most}");
            }
        }
    }

    /// The fixed threshold begins with TWN's matrices, and with what those compute.
    #[test]
    fn a_fixed_threshold_begins_with_the_function_of_twn() {
        for network in [vectors(), images(), pooled(), oblong()] {
            let evaluated = |quantiser| {
                let mut rng = ChaCha8Rng::seed_from_u64(10);
                let mut float = Float::<f64>::new(&network, network.elements(), &mut rng);
                let mut network = network.clone();
                network.train.quantiser = quantiser;
                float.begin_ternary(&network);
                let (x, _) = batch(&network, &mut rng);
                float.calibrate(x.view());
                (float.evaluate(x.view()), float.density())
            };
            let ((twn, density), (fixed, same)) =
                (evaluated(Quantiser::Twn), evaluated(Quantiser::Fixed));
            assert_eq!(density, same);
            // Not the same, since a norm's ε is not scaled.
            let worst = (&twn - &fixed).iter().fold(0.0f64, |a, d| a.max(d.abs()));
            assert!(worst < 0.02 * twn.iter().fold(0.0f64, |a, y| a.max(y.abs())), "{worst}");
        }
    }

    /// However many pieces evaluation takes.
    #[test]
    fn evaluation_agrees_with_training_once_the_statistics_are_the_batch_s() {
        let networks = every_kind();
        for (network, n) in networks.into_iter().flat_map(|n| [(n.clone(), 9), (n, 1300)]) {
            let mut rng = ChaCha8Rng::seed_from_u64(9);
            let mut float = fresh(&network, &mut rng);
            let (x, labels) = batch_of(n, &network, &mut rng);
            let trained = float.gradients(x.view(), &Targets::of(&labels).into());
            float.calibrate(x.view());
            let outputs = float.evaluate(x.view());
            let of_last = outputs.slice(s![.., ..network.outputs()]);
            let evaluated = score(of_last, &labels);
            assert!((evaluated.loss - trained.loss).abs() < 1e-9, "{evaluated:?} {trained:?}");
            assert_eq!(evaluated.correct, trained.correct);
        }
    }

    /// The running statistics of many steps are those of the batch, up to the unbiased variance.
    #[test]
    fn running_statistics_converge() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut float = fresh(&vectors(), &mut rng);
        let (x, labels) = batch(&vectors(), &mut rng);
        for _ in 0..400 {
            float.gradients(x.view(), &Targets::of(&labels).into());
        }
        let variances = |float: &Float<f64>| -> Vec<_> {
            float
                .spns()
                .flat_map(|spn| &spn.products)
                .flat_map(|products| products.norm.variance.to_vec())
                .collect()
        };
        let running = variances(&float);
        float.calibrate(x.view());
        assert!(!running.is_empty());
        assert!(
            running.iter().zip(variances(&float)).all(|(a, b)| (a * (8.0 / 9.0) - b).abs() < 1e-9)
        );
    }
}
