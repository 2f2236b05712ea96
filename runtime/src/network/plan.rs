//! The layers of a description with everything resolved: names, shapes, defaults, what each reads.

use super::describe::{Place, Violation};
use super::{
    Branches, CharCnn, Conv2d, ConvTranspose2d, Dense, Embedding, FurtherInput, Head, Highway,
    Layer, MAX_ENTRIES, MAX_SIZE, Network, Recurrent, SeparableConv2d, Spn, Window, check_name,
    check_values, within,
};
use crate::model::Edge;
use crate::recurrent::{Along, Cell};
use crate::shape::{self, Extent, Join, Shape, Sizes, moving, pooling};

/// Height and width of the largest output patch of a convolution.
pub(super) const MAX_PATCH: usize = 8;
/// Height and width of the largest square kernel or window, and the largest square step.
const MAX_KERNEL: usize = 32;
/// Pixels of the largest kernel or window.
const MAX_AREA: usize = MAX_KERNEL * MAX_KERNEL;
/// Ternary matrices that a matrix is the sum of, at most: with more there is nothing left that a
/// float says of a weight.
const MAX_DIGITS: usize = 12;
/// Elements of any value, at most; a model file has the same limit.
const MAX_ELEMENTS: usize = 1 << 24;

/// One layer with its shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Unique: `dense_0`, `conv_0`, `pool_0`, `upsample_0`, `act_0`, `add_0`, `concat_0`, `lstm_0`,
    /// `gru_0`, `last_0`, `reverse_0`, counted by kind; of an input its own.
    pub name: String,
    /// The operation of the step.
    pub op: Op,
    /// The values it reads: 0 is the network's input, i + 1 the result of step i; none of an input.
    pub from: Vec<usize>,
    /// The shape of what it reads, of two values the first; for `dense` a vector.
    pub input: Shape,
    /// The shape of its result.
    pub output: Shape,
    /// Whether max(0, x) follows.
    pub relu: bool,
    /// The activation that the next step is, which alone reads this one's result; it decides the
    /// format.
    pub activation: Option<Activation>,
    /// The name of the head that it ends, whose output its sums are.
    pub head: Option<String>,
}

/// What a [`Step`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A linear layer, `dense` or `conv2d`.
    Linear(Linear),
    /// The largest of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AveragePool(Pool),
    /// Each pixel as often as this, down and across.
    Upsample(Extent),
    /// A function of each element.
    Activation(Activation),
    /// Two values as one.
    Join(Join),
    /// A further input of the network.
    Input(Edge),
    /// A row of a table for each index that enters.
    Embedding {
        /// Rows of the table.
        rows: usize,
    },
    /// Filters over the characters of a word, entry i those of width i + 1, and the largest value
    /// of each.
    CharCnn(Vec<usize>),
    /// A gated way around a linear layer.
    Highway(Gates),
    /// A layer with a state.
    Recurrent(Cell, Along, Gates),
    /// The last pixel of an image of one row.
    Last,
    /// The pixels of an image of one row in the opposite order.
    Reverse,
}

/// A function of each element that takes a layer of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// min(x, m); a max(0, x) is before it.
    Clip(f64),
    /// x, or x · 2^-k where it is negative.
    Leaky(u32),
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Whether it is a table, looked up with a format of its own.
    pub fn is_table(self) -> bool {
        matches!(self, Activation::Sigmoid | Activation::Tanh)
    }

    /// What it is, in a few words.
    fn kind(self) -> String {
        match self {
            Activation::Clip(_) => "clip".into(),
            Activation::Leaky(shift) => leaky(shift),
            Activation::Sigmoid => "sigmoid".into(),
            Activation::Tanh => "tanh".into(),
        }
    }
}

/// A leaky ReLU of slope 2^-shift below 0, in a few words.
pub(crate) fn leaky(shift: u32) -> String {
    format!("leaky ReLU 2^-{shift}")
}

/// The SPNs of a gated layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gates {
    /// The budget of each.
    pub r: usize,
    /// Whether W_c of each is the identity.
    pub plain: bool,
    /// Ternary threshold factor, where the layer has its own.
    pub threshold: Option<f64>,
}

/// Products of data by data for each unit of a highway layer: t·(h - x).
pub const HIGHWAY_PRODUCTS: usize = 1;

/// A linear layer. A dense one is a convolution of kernel 1 over an image of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// Whether it was described as `dense`.
    pub dense: bool,
    /// Whether it is a transposed convolution, which yields as many pixels for each that enters as
    /// `stride` and the output patch have.
    pub transposed: bool,
    /// The kernel k.
    pub kernel: Extent,
    /// Pixels between outputs; of a transposed convolution, output pixels between kernels.
    pub stride: Extent,
    /// Pixels from one of the kernel to the next.
    pub dilation: Extent,
    /// Zeros at the top and the left; of a transposed convolution, pixels of its output that are
    /// cut away there.
    pub pad: Extent,
    /// The output patch p.
    pub patch: Extent,
    /// Groups of W_b.
    pub groups: usize,
    /// The budget: multiplications per output patch.
    pub r: usize,
    /// Whether W_c is the identity.
    pub plain: bool,
    /// Ternary threshold factor, where the layer has its own.
    pub threshold: Option<f64>,
}

/// The windows of a pooling layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Height and width.
    pub size: Extent,
    /// Pixels between windows.
    pub stride: Extent,
    /// Pads on each side.
    pub pad: Extent,
}

impl Linear {
    /// The pixels that W_b reads, `K = (p - 1)·stride + k`; of a transposed convolution, those that
    /// a patch depends on.
    pub fn taps(&self) -> Extent {
        if self.transposed {
            return shape::reach(self.kernel, self.stride, self.pad);
        }
        self.step()
            .zip(self.stride, |step, stride| step - stride)
            .zip(self.kernel, |span, kernel| span + kernel)
    }

    /// The kernel of W_b, with the pixels between those that it reads.
    pub fn window(&self) -> Extent {
        self.taps().dilated(self.dilation)
    }

    /// Pixels between windows of W_b, `p·stride`; of a transposed convolution one.
    pub fn step(&self) -> Extent {
        if self.transposed {
            return Extent::ONE;
        }
        self.patch.zip(self.stride, |patch, stride| patch * stride)
    }

    /// Pixels of the first window before the image.
    pub fn lead(&self) -> Extent {
        if self.transposed {
            return shape::lead(self.kernel, self.stride, self.pad);
        }
        self.pad
    }

    /// Whether the pixel (y, x) of a patch depends on that at (down, across) of its window: of a
    /// transposed convolution, whether that one's kernel reaches it.
    pub fn reads(&self, (y, x): (usize, usize), (down, across): (usize, usize)) -> bool {
        let along =
            |kernel: usize, stride: usize, pad: usize, lead: usize, at: usize, tap: usize| {
                let from = lead * stride + pad + at;
                from.checked_sub(tap * stride).is_some_and(|k| k < kernel)
            };
        let (k, s, pad, lead) = (self.kernel, self.stride, self.pad, self.lead());
        !self.transposed
            || along(k.h, s.h, pad.h, lead.h, y, down) && along(k.w, s.w, pad.w, lead.w, x, across)
    }

    /// Whether each group is one input channel, and W_c is grouped too.
    pub fn depthwise(&self, input: Shape) -> bool {
        self.groups > 1 && self.groups == input.channels
    }

    /// The layer of a full-precision network in the place of this one: one matrix, with groups only
    /// where it is depthwise; of a transposed convolution that of a patch, with zeros in the place
    /// of groups.
    pub fn ordinary(&self, input: Shape, output: Shape) -> Linear {
        let groups = if self.depthwise(input) && !self.transposed { self.groups } else { 1 };
        let patch = if self.transposed { self.patch } else { Extent::ONE };
        Linear { patch, groups, r: patch.area() * output.channels, plain: true, ..*self }
    }

    /// Output patches in height and width; those at the lower and right edge may reach beyond the
    /// output.
    pub fn patches(&self, output: Shape) -> (usize, usize) {
        (output.height.div_ceil(self.patch.h), output.width.div_ceil(self.patch.w))
    }
}

impl Step {
    /// Elements of what a gated layer reads at a time, and its units: those of a pixel where it
    /// goes from pixel to pixel.
    fn sizes(&self) -> (usize, usize) {
        match self.op {
            Op::Recurrent(_, Along::Pixels, _) => (self.input.channels, self.output.channels),
            _ => (self.input.elements(), self.output.elements()),
        }
    }

    /// How often a gated layer computes in one inference: for each pixel where it goes from pixel
    /// to pixel.
    pub fn times(&self) -> usize {
        match self.op {
            Op::Recurrent(_, Along::Pixels, _) => self.output.pixels(),
            _ => 1,
        }
    }

    /// Multiplications of one inference: r for each output patch of a linear layer and for each SPN
    /// of a gated one, and the products of data by data of the latter.
    pub fn multiplications(&self) -> u64 {
        let (_, units) = self.sizes();
        let multiplications = match &self.op {
            Op::Linear(linear) => {
                let (down, across) = linear.patches(self.output);
                linear.r * down * across
            }
            // The largest sum of a filter is multiplied alone.
            Op::CharCnn(_) => units,
            Op::Highway(gates) => 2 * gates.r + HIGHWAY_PRODUCTS * units,
            Op::Recurrent(cell, _, gates) => {
                self.times() * (cell.spns() * gates.r + cell.products() * units)
            }
            _ => 0,
        };
        multiplications as u64
    }

    /// The filters of a char-CNN for each width: how many, their width, and the positions in a word
    /// at which they stand.
    pub fn positions(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let filters: &[usize] = if let Op::CharCnn(filters) = &self.op { filters } else { &[] };
        let length = self.input.pixels();
        filters.iter().enumerate().map(move |(i, n)| (*n, i + 1, length - i))
    }

    /// Multiplications of one inference of an ordinary layer in the place of this one: without W_c,
    /// and with groups only where it is depthwise.
    pub fn dense_multiplications(&self) -> u64 {
        let (inputs, units) = self.sizes();
        let multiplications = match &self.op {
            Op::Linear(linear) => {
                let inputs = if linear.depthwise(self.input) { 1 } else { self.input.channels };
                // Of a transposed convolution, each pixel that enters has a kernel of its own.
                let apart = if linear.transposed { linear.stride.area() } else { 1 };
                units / apart * inputs * linear.kernel.area()
            }
            Op::CharCnn(_) => self
                .positions()
                .map(|(filters, width, positions)| {
                    filters * width * self.input.channels * positions
                })
                .sum(),
            Op::Highway(_) => 2 * units * inputs + HIGHWAY_PRODUCTS * units,
            Op::Recurrent(cell, ..) => {
                let entries = self.ordinary_entries() as usize;
                self.times() * (entries + cell.products() * units)
            }
            _ => 0,
        };
        multiplications as u64
    }

    /// Entries of the matrices of an ordinary recurrent layer in its place; none of others.
    pub fn ordinary_entries(&self) -> u64 {
        let (inputs, units) = self.sizes();
        match self.op {
            Op::Recurrent(cell, ..) => (cell.spns() / 2 * units * (inputs + units)) as u64,
            _ => 0,
        }
    }

    /// Entries of W_b and of W_c; none where it has none.
    pub fn entries(&self) -> (u64, u64) {
        let (inputs, units) = self.sizes();
        let linear = match &self.op {
            Op::Linear(linear) => linear,
            Op::CharCnn(_) => {
                let entries: usize = self
                    .positions()
                    .map(|(filters, width, _)| filters * width * self.input.channels)
                    .sum();
                return (entries as u64, 0);
            }
            Op::Highway(gates) => {
                return ((2 * gates.r * inputs) as u64, (2 * gates.r * units) as u64);
            }
            Op::Recurrent(cell, _, gates) => {
                let rows = cell.spns() * gates.r;
                let w_c = if gates.plain { 0 } else { rows * units };
                return ((rows / 2 * (inputs + units)) as u64, w_c as u64);
            }
            _ => return (0, 0),
        };
        let w_b = linear.r * (self.input.channels / linear.groups) * linear.taps().area();
        let rows = if linear.depthwise(self.input) { linear.r / linear.groups } else { linear.r };
        let w_c = if linear.plain { 0 } else { self.output.channels * rows * linear.patch.area() };
        (w_b as u64, w_c as u64)
    }

    /// Weights that are trained of W_b and W_c: those of [`entries`](Self::entries), but of a plain
    /// layer one for all the ternary ones that it is the sum of.
    pub fn weights(&self) -> u64 {
        let (w_b, w_c) = self.entries();
        let digits = match &self.op {
            Op::Recurrent(_, _, gates) if gates.plain => gates.r / self.output.channels,
            Op::Linear(linear) if linear.plain && linear.dense => linear.r / self.output.elements(),
            _ => 1,
        };
        w_b / digits.max(1) as u64 + w_c
    }

    /// What it is, in the words of [`Layer::kind`](crate::model::Layer::kind).
    pub fn kind(&self) -> String {
        match &self.op {
            Op::Linear(linear) if linear.dense => "dense".into(),
            Op::Linear(linear) => {
                let word = match (linear.transposed, linear.depthwise(self.input)) {
                    (true, _) => "transposed conv",
                    (false, true) => "depthwise conv",
                    (false, false) => "conv",
                };
                let kind = moving(word, linear.kernel, linear.stride);
                match linear.dilation {
                    Extent::ONE => kind,
                    dilation => format!("{kind}, dilation {dilation}"),
                }
            }
            Op::MaxPool(pool) => pooling("max pool", pool.size, pool.stride),
            Op::AveragePool(pool) => pooling("average pool", pool.size, pool.stride),
            Op::Upsample(size) => moving("upsample", *size, Extent::ONE),
            Op::Activation(activation) => activation.kind(),
            Op::Join(join) => join.kind().into(),
            Op::Input(_) => "input".into(),
            Op::Embedding { .. } => "embedding".into(),
            Op::CharCnn(_) => "char-CNN".into(),
            Op::Highway(_) => "highway".into(),
            Op::Recurrent(cell, ..) => cell.kind().into(),
            Op::Last => "last".into(),
            Op::Reverse => "reverse".into(),
        }
    }

    /// Ternary threshold factor, where it has its own.
    pub fn threshold(&self) -> Option<f64> {
        match &self.op {
            Op::Linear(linear) => linear.threshold,
            Op::Highway(gates) | Op::Recurrent(_, _, gates) => gates.threshold,
            _ => None,
        }
    }

    /// Whether it is a linear or a recurrent layer.
    pub fn trains(&self) -> bool {
        matches!(self.op, Op::Linear(_) | Op::Recurrent(..))
    }

    /// The linear layer, if it is one.
    pub fn linear(&self) -> Option<&Linear> {
        match &self.op {
            Op::Linear(linear) => Some(linear),
            _ => None,
        }
    }
}

/// r of a layer with this many outputs that has none of its own.
pub(super) fn budget(ratio: f64, outputs: usize) -> usize {
    ((ratio * outputs as f64).round() as usize).clamp(1, MAX_SIZE)
}

/// The steps whose sums leave the network: the last one, then that of each head.
pub fn outputs(steps: &[Step]) -> impl Iterator<Item = usize> {
    last_then(steps, |step| step.head.is_some())
}

/// The place of the last item, then those of all that are heads.
pub fn last_then<T>(items: &[T], is_head: impl Fn(&T) -> bool) -> impl Iterator<Item = usize> {
    let heads = (0..items.len()).filter(move |i| is_head(&items[*i]));
    items.len().checked_sub(1).into_iter().chain(heads)
}

/// Whether each value that the steps read or yield can be negative; entry 0 is the input's.
pub fn signs(steps: &[Step], input: bool) -> Vec<bool> {
    let mut signs = vec![input];
    for step in steps {
        let signed = match step.op {
            Op::MaxPool(_) | Op::AveragePool(_) | Op::Upsample(_) | Op::Last | Op::Reverse => {
                signs[step.from[0]]
            }
            Op::Activation(activation) => {
                matches!(activation, Activation::Leaky(_) | Activation::Tanh)
            }
            Op::Input(ref edge) => edge.format.signed,
            // What a table or a leaky ReLU reads is signed, whatever is joined.
            Op::Join(_) => {
                !step.relu
                    && (step.activation.is_some() || step.from.iter().any(|value| signs[*value]))
            }
            _ => !step.relu,
        };
        signs.push(signed);
    }
    signs
}

pub(super) fn plan(network: &Network) -> Result<Vec<Step>, Violation> {
    let shapes = vec![network.image()];
    let mut planner = Planner {
        network,
        spn: &network.spn,
        along: network.along(),
        head: false,
        shortcut: false,
        steps: vec![],
        shapes,
    };
    let place = Place::new("layers");
    if network.layers.is_empty() {
        return Err(Violation::new(place, "there are no layers")
            .help("give at least one, e.g. `layers = [{ dense = { units = 10, r = 32 } }]`"));
    }
    planner.layers(&place, &network.layers, 0)?;
    planner.steps.iter().try_for_each(|step| is_of_size(&place, &step.name, step.output))?;
    ends_in_sums(&place, &network.layers, "network")?;
    let steps = planner.steps;
    let named = |name: &str| steps.iter().filter(|step| step.name == name).count();
    let twice = |what: &str, name: &str| {
        let cause = format!("{what} has the name of a layer or of another input, `{name}`");
        Err(Violation::new(place.clone(), cause).help("give it another name"))
    };
    for step in &steps {
        match &step.head {
            Some(head) if named(head) > 0 => return twice("a head", head),
            _ if matches!(step.op, Op::Input(_)) && named(&step.name) > 1 => {
                return twice("an input", &step.name);
            }
            _ => {}
        }
    }
    let elements = network.elements();
    if elements > MAX_ELEMENTS {
        let cause = format!("the inputs have {elements} elements, more than {MAX_ELEMENTS}");
        return Err(Violation::new(place, cause).help("choose smaller shapes"));
    }
    Ok(steps)
}

/// What a dilated kernel reaches over.
fn dilated(
    place: &Place,
    kernel: Extent,
    dilation: Extent,
    pad: Extent,
    input: Shape,
) -> Result<Extent, Violation> {
    // Before anything is computed from them.
    for (key, sizes, least) in [("kernel", kernel, 1), ("pad", pad, 0)] {
        for n in sizes.both() {
            within(place.clone().key(key), n, least..=MAX_AREA)?;
        }
    }
    let reach = kernel.dilated(dilation);
    let most = if reach.h == reach.w { MAX_KERNEL } else { MAX_AREA };
    let is_too_large = reach.area() > MAX_AREA || reach.both().into_iter().any(|n| n > most);
    if !is_too_large && input.windows(reach, Extent::ONE, pad).is_some() {
        return Ok(reach);
    }
    let limit = if is_too_large {
        "more than a kernel may".to_owned()
    } else {
        format!("which do not fit an image of {input} with pad {}", written(pad))
    };
    let cause = format!(
        "a kernel of {kernel} with dilation {dilation} reaches over {reach} pixels, {limit}"
    );
    Err(Violation::new(place.clone().key("dilation"), cause)
        .help("choose a smaller `dilation` or `kernel`, or more pad"))
}

struct Planner<'a> {
    network: &'a Network,
    spn: &'a Spn,
    /// Where the state of recurrent layers goes.
    along: Along,
    /// Whether the layers at hand are those of a head.
    head: bool,
    /// Whether the next layer is the first one of a shortcut.
    shortcut: bool,
    steps: Vec<Step>,
    /// The shape of every value.
    shapes: Vec<Shape>,
}

impl Planner<'_> {
    /// Appends a branch that reads value `from`; returns the value it ends in.
    fn layers(&mut self, place: &Place, layers: &[Layer], from: usize) -> Result<usize, Violation> {
        let mut value = from;
        for (i, layer) in layers.iter().enumerate() {
            let begins_a_shortcut = std::mem::take(&mut self.shortcut);
            let at = place.clone().index(i);
            let before = i.checked_sub(1).map(|j| &layers[j]);
            value = match layer {
                Layer::Relu
                | Layer::Relu6
                | Layer::ClippedRelu(_)
                | Layer::LeakyRelu(_)
                | Layer::Sigmoid
                | Layer::Tanh => self.activation(at, &layers[..i], layer, value)?,
                Layer::Flatten => value,
                Layer::Dense(dense) => {
                    let linear = self.dense(&at.clone().key("dense"), dense, value)?;
                    self.separate(at, before, layer, &linear)?;
                    self.linear(linear, value, Shape::vector(dense.units))
                }
                Layer::Conv2d(conv) => {
                    let (linear, output) = self.conv2d(&at.clone().key("conv2d"), conv, value)?;
                    self.separate(at, before, layer, &linear)?;
                    self.linear(linear, value, output)
                }
                Layer::Conv1d(conv) => {
                    let place = at.clone().key("conv1d");
                    self.is_one_row(&place, "a `conv1d`", value).map_err(|v| {
                        v.help("use a `conv2d`, e.g. with `kernel = [1, 5]` and `pad = [0, 2]`")
                    })?;
                    let (linear, output) = self.conv2d(&place, &conv.over_a_row(), value)?;
                    self.separate(at, before, layer, &linear)?;
                    self.linear(linear, value, output)
                }
                Layer::ConvTranspose2d(conv) => {
                    let place = at.clone().key("conv_transpose2d");
                    let (linear, output) = self.transposed(&place, conv, value)?;
                    self.separate(at, before, layer, &linear)?;
                    self.linear(linear, value, output)
                }
                Layer::ConvTranspose1d(conv) => {
                    let place = at.clone().key("conv_transpose1d");
                    self.is_one_row(&place, "a `conv_transpose1d`", value).map_err(|v| {
                        v.help("use a `conv_transpose2d`, e.g. with `kernel = [1, 4]`")
                    })?;
                    let (linear, output) = self.transposed(&place, &conv.over_a_row(), value)?;
                    self.separate(at, before, layer, &linear)?;
                    self.linear(linear, value, output)
                }
                Layer::SeparableConv2d(separable) => {
                    let place = at.clone().key("separable_conv2d");
                    self.separable(place, (at, before, layer), separable, value)?
                }
                Layer::SeparableConv1d(separable) => {
                    let place = at.clone().key("separable_conv1d");
                    self.is_one_row(&place, "a `separable_conv1d`", value).map_err(|v| {
                        v.help("use a `separable_conv2d`, e.g. with `kernel = [1, 5]`")
                    })?;
                    self.separable(place, (at, before, layer), &separable.over_a_row(), value)?
                }
                Layer::MaxPool(window) => {
                    let (pool, output) = self.pool(&at.key("max_pool"), window, value)?;
                    self.push("pool", Op::MaxPool(pool), vec![value], output)
                }
                Layer::AveragePool(window) => {
                    let (pool, output) =
                        self.pool(&at.clone().key("average_pool"), window, value)?;
                    divides(at, pool, &layers[i + 1..])?;
                    self.push("pool", Op::AveragePool(pool), vec![value], output)
                }
                Layer::GlobalAveragePool => {
                    let shape = self.shapes[value];
                    let whole = Extent { h: shape.height, w: shape.width };
                    let pool = Pool { size: whole, stride: whole, pad: Extent::square(0) };
                    divides(at, pool, &layers[i + 1..])?;
                    self.push(
                        "pool",
                        Op::AveragePool(pool),
                        vec![value],
                        Shape::vector(shape.channels),
                    )
                }
                Layer::Upsample(sizes) => self.upsample(&at.key("upsample"), *sizes, value)?,
                Layer::Residual(branches) => {
                    self.join(&at.key("residual"), Join::Add, branches, value)?
                }
                Layer::Concat(branches) => {
                    self.join(&at.key("concat"), Join::Concat, branches, value)?
                }
                Layer::Head(head) => {
                    self.head(&at.key("head"), head, value)?;
                    value
                }
                Layer::Input(input) => self.input(&at.key("input"), input, begins_a_shortcut)?,
                Layer::Embedding(embedding) => {
                    self.embedding(&at.key("embedding"), embedding, value)?
                }
                Layer::CharCnn(filters) => self.char_cnn(&at.key("char_cnn"), filters, value)?,
                Layer::Highway(highway) => self.highway(&at.key("highway"), highway, value)?,
                Layer::Lstm(lstm) => self.recurrent(&at.key("lstm"), Cell::Lstm, lstm, value)?,
                Layer::Gru(gru) => self.recurrent(&at.key("gru"), Cell::Gru, gru, value)?,
                Layer::Last => self.last(&at, value)?,
                Layer::Reverse => {
                    self.goes_along_time(&at, "\"reverse\"", value)?;
                    self.push("reverse", Op::Reverse, vec![value], self.shapes[value])
                }
            };
        }
        Ok(value)
    }

    /// An activation, `layer`, right behind what yields sums. A relu is no step of its own.
    fn activation(
        &mut self,
        at: Place,
        before: &[Layer],
        layer: &Layer,
        value: usize,
    ) -> Result<usize, Violation> {
        let (word, activation) = (layer.word(), layer.activation());
        match activation {
            Some(Activation::Clip(most)) => within(at.clone().key(word), most, 1e-6..=1e6)?,
            Some(Activation::Leaky(shift)) => within(at.clone().key(word), shift, 1..=15)?,
            _ => {}
        }
        let is_activation = |layer: &Layer| *layer == Layer::Relu || layer.activation().is_some();
        let (cause, help) = match before.iter().rfind(|layer| !matches!(layer, Layer::Head(_))) {
            Some(sums) if is_linear(sums) || sums.branches().is_some() => {
                let Some(Layer::Head(head)) = before.last() else {
                    return Ok(self.activate(activation, value));
                };
                let cause = format!("head `{}` stands before this \"{word}\"", head.name);
                let help = format!(
                    "put it behind the \"{word}\", where it reads what the next layer reads"
                );
                return Err(Violation::new(at, cause).help(help));
            }
            None => (
                format!("a \"{word}\" cannot be the first layer"),
                "remove it: it belongs after a linear layer, a residual or a concat",
            ),
            Some(Layer::Relu) if activation.is_none() => {
                ("a second \"relu\" in a row does nothing".into(), "remove one")
            }
            Some(before) if is_activation(before) => {
                (format!("\"{word}\" is a second activation in a row"), "remove one")
            }
            Some(_) => (
                format!("this \"{word}\" follows no linear layer"),
                match activation {
                    None => {
                        "put it right after a linear layer, a residual or a concat, where it \
                             is free"
                    }
                    Some(_) => "put it right after a linear layer, a residual or a concat",
                },
            ),
        };
        Err(Violation::new(at, cause).help(help))
    }

    /// The value that an activation makes of the last step's.
    fn activate(&mut self, activation: Option<Activation>, value: usize) -> usize {
        let step = &mut self.steps[value - 1];
        step.activation = activation;
        let Some(activation) = activation else {
            step.relu = true;
            return value;
        };
        step.relu = matches!(activation, Activation::Clip(_));
        let shape = self.shapes[value];
        self.push("act", Op::Activation(activation), vec![value], shape)
    }

    /// Two linear layers without anything between them are one; with groups they are a separable
    /// convolution.
    fn separate(
        &self,
        at: Place,
        before: Option<&Layer>,
        layer: &Layer,
        linear: &Linear,
    ) -> Result<(), Violation> {
        let Some(before) = before.filter(|b| is_linear(b)) else { return Ok(()) };
        let grouped = self.steps.last().and_then(Step::linear).is_some_and(|l| l.groups > 1)
            || linear.groups > 1;
        if grouped {
            return Ok(());
        }
        let word = |layer: &Layer| match layer {
            Layer::Dense(_) => "dense",
            Layer::Conv1d(_) => "conv1d",
            Layer::ConvTranspose2d(_) => "conv_transpose2d",
            Layer::ConvTranspose1d(_) => "conv_transpose1d",
            Layer::SeparableConv2d(_) => "separable_conv2d",
            Layer::SeparableConv1d(_) => "separable_conv1d",
            _ => "conv2d",
        };
        let (a, b) = (word(before), word(layer));
        let cause = if a == b {
            format!("two `{a}` layers in a row are one linear map")
        } else {
            format!("a `{a}` and a `{b}` layer in a row are one linear map")
        };
        Err(Violation::new(at, cause).help("put a \"relu\" between them, or merge them"))
    }

    fn push(&mut self, kind: &str, op: Op, from: Vec<usize>, output: Shape) -> usize {
        let count = self.steps.iter().filter(|step| step.name.starts_with(kind)).count();
        let input = from.first().map_or(output, |value| self.shapes[*value]);
        self.steps.push(Step {
            name: format!("{kind}_{count}"),
            op,
            from,
            input,
            output,
            relu: false,
            activation: None,
            head: None,
        });
        self.shapes.push(output);
        self.steps.len()
    }

    fn linear(&mut self, linear: Linear, value: usize, output: Shape) -> usize {
        let kind = if linear.dense { "dense" } else { "conv" };
        let id = self.push(kind, Op::Linear(linear), vec![value], output);
        if linear.dense {
            self.steps[id - 1].input = Shape::vector(self.shapes[value].elements());
        }
        id
    }

    /// r of a layer with this many outputs, without a norm behind its products where `sums`.
    fn budget(
        &self,
        place: &Place,
        r: Option<usize>,
        outputs: usize,
        (plain, sums): (bool, bool),
    ) -> Result<usize, Violation> {
        let at = || place.clone().key("r");
        match r {
            Some(r) if plain && sums && (r % outputs != 0 || r / outputs > MAX_DIGITS) => {
                let cause = format!(
                    "a plain layer has as many products for each of its {outputs} outputs, at most \
                     {MAX_DIGITS}"
                );
                let most = MAX_DIGITS * outputs;
                Err(Violation::new(at(), cause).help(format_args!(
                    "choose a multiple of {outputs} up to {most}, or leave `r` out, or `plain`"
                )))
            }
            Some(r) if plain && !sums && r != outputs => Err(Violation::new(
                at(),
                format!("a plain layer has a coefficient for each of its {outputs} outputs"),
            )
            .help("leave `r` out, or `plain`")),
            Some(r) => within(at(), r, 1..=MAX_SIZE).map(|()| r),
            None if plain => Ok(outputs),
            None => Ok(budget(self.spn.ratio, outputs)),
        }
    }

    fn dense(&self, place: &Place, dense: &Dense, value: usize) -> Result<Linear, Violation> {
        let at = |key| place.clone().key(key);
        within(at("units"), dense.units, 1..=MAX_SIZE)?;
        let plain = dense.plain.unwrap_or(self.spn.plain);
        let rank = dense.rank.unwrap_or(1.0);
        within(at("rank"), rank, 1e-6..=64.0)?;
        let r = match dense.r {
            None if !plain => budget(self.spn.ratio * rank, dense.units),
            r => {
                let sums = self.along == Along::Inputs;
                self.budget(place, r, dense.units, (plain, sums))?
            }
        };
        within(at("threshold"), dense.threshold.unwrap_or(0.7), 0.0..=5.0)?;
        entries(
            at("r"),
            r,
            r.saturating_mul(self.shapes[value].elements().max(if plain {
                1
            } else {
                dense.units
            })),
        )?;
        let threshold = dense.threshold;
        let [kernel, stride, dilation, patch] = [Extent::ONE; 4];
        let (dense, transposed, groups, pad) = (true, false, 1, Extent::square(0));
        Ok(Linear {
            dense,
            transposed,
            kernel,
            stride,
            dilation,
            pad,
            patch,
            groups,
            r,
            plain,
            threshold,
        })
    }

    fn conv2d(
        &self,
        place: &Place,
        conv: &Conv2d,
        value: usize,
    ) -> Result<(Linear, Shape), Violation> {
        let at = |key| place.clone().key(key);
        let &Conv2d { channels, threshold, .. } = conv;
        let [kernel, stride, pad] = [conv.kernel, conv.stride, conv.pad].map(Sizes::square);
        let dilation = conv.dilation.square();
        within(at("channels"), channels, 1..=MAX_SIZE)?;
        for n in dilation.both() {
            within(at("dilation"), n, 1..=MAX_AREA)?;
        }
        let input = self.shapes[value];
        let mut reach = kernel;
        if dilation != Extent::ONE {
            reach = dilated(place, kernel, dilation, pad, input)?;
        }
        let (height, width) = self.windows(place, "kernel", reach, stride, pad, input)?;
        let plain = conv.plain.unwrap_or(self.spn.plain);
        let r = self.budget(place, conv.r, channels, (plain, false))?;
        let is_whole = plain || dilation != Extent::ONE;
        let p = conv.p.unwrap_or(Sizes::Number(if is_whole { 1 } else { self.spn.p }));
        let patch = if input.height == 1 { p.along(1) } else { p.square() };
        for p in patch.both() {
            within(at("p"), p, 1..=MAX_PATCH)?;
        }
        if is_whole && patch != Extent::ONE {
            let (word, key) = if plain { ("plain", "plain") } else { ("dilated", "dilation") };
            return Err(Violation::new(
                at("p"),
                format!("a {word} layer has no output patches, but p is {patch}"),
            )
            .help(format_args!("leave `p` out, or `{key}`")));
        }
        let groups = conv.groups.unwrap_or(self.spn.groups);
        let depthwise = is_depthwise(at("groups"), groups, input.channels, r, channels)?;
        within(at("threshold"), threshold.unwrap_or(0.7), 0.0..=5.0)?;
        let (dense, transposed) = (false, false);
        let linear = Linear {
            dense,
            transposed,
            kernel,
            stride,
            dilation,
            pad,
            patch,
            groups,
            r,
            plain,
            threshold,
        };
        let w_b = r * (input.channels / groups) * linear.taps().area();
        let w_c = if plain {
            0
        } else {
            channels * (if depthwise { r / groups } else { r }) * patch.area()
        };
        entries(at("r"), r, w_b.max(w_c))?;
        Ok((linear, Shape { height, width, channels }))
    }

    /// A convolution of windows one pixel apart to patches of `stride` pixels.
    fn transposed(
        &self,
        place: &Place,
        conv: &ConvTranspose2d,
        value: usize,
    ) -> Result<(Linear, Shape), Violation> {
        let at = |key| place.clone().key(key);
        let &ConvTranspose2d { channels, threshold, .. } = conv;
        let [kernel, stride, pad, output_pad] =
            [conv.kernel, conv.stride, conv.pad, conv.output_pad].map(Sizes::square);
        within(at("channels"), channels, 1..=MAX_SIZE)?;
        for (key, sizes, least, most) in [
            ("kernel", kernel, 1, if kernel.h == kernel.w { MAX_KERNEL } else { MAX_AREA }),
            ("stride", stride, 1, MAX_PATCH),
            ("pad", pad, 0, MAX_AREA),
            ("output_pad", output_pad, 0, MAX_PATCH),
        ] {
            for n in sizes.both() {
                within(at(key), n, least..=most)?;
            }
        }
        if kernel.area() > MAX_AREA {
            let cause = format!("a kernel of {kernel} has more than {MAX_AREA} pixels");
            return Err(Violation::new(at("kernel"), cause).help("choose a smaller one"));
        }
        let makes = kernel.zip(output_pad, |kernel, more| kernel + more);
        let is_whole = |makes: usize, pad: usize, stride: usize, more: usize| {
            makes == stride + 2 * pad && more < stride
        };
        if !is_whole(makes.h, pad.h, stride.h, output_pad.h)
            || !is_whole(makes.w, pad.w, stride.w, output_pad.w)
        {
            return Err(grows_otherwise(at("pad"), kernel, stride));
        }
        let input = self.shapes[value];
        let output =
            Shape { height: input.height * stride.h, width: input.width * stride.w, channels };
        // Before anything is computed from it: sizes multiply.
        is_of_size(place, "conv", output)?;
        let r = self.budget(place, conv.r, channels, (false, false))?;
        within(at("threshold"), threshold.unwrap_or(0.7), 0.0..=5.0)?;
        let groups = conv.groups.unwrap_or(self.spn.groups);
        let depthwise = is_depthwise(at("groups"), groups, input.channels, r, channels)?;
        let (dense, transposed, plain) = (false, true, false);
        let (dilation, patch) = (Extent::ONE, stride);
        let linear = Linear {
            dense,
            transposed,
            kernel,
            stride,
            dilation,
            pad,
            patch,
            groups,
            r,
            plain,
            threshold,
        };
        let w_b = r * (input.channels / groups) * linear.taps().area();
        let w_c = channels * (if depthwise { r / groups } else { r }) * patch.area();
        entries(at("r"), r, w_b.max(w_c))?;
        Ok((linear, output))
    }

    /// A convolution of each channel by itself, then one of kernel 1.
    fn separable(
        &mut self,
        place: Place,
        (at, before, layer): (Place, Option<&Layer>, &Layer),
        separable: &SeparableConv2d,
        value: usize,
    ) -> Result<usize, Violation> {
        let &SeparableConv2d { channels, kernel, stride, dilation, pad, threshold, .. } = separable;
        let (enter, each) = (self.shapes[value].channels, separable.depthwise_r);
        within(place.clone().key("channels"), channels, 1..=MAX_SIZE)?;
        within(place.clone().key("depthwise_r"), each, 1..=(MAX_SIZE / enter).max(1))?;
        let depthwise = Conv2d {
            channels: enter,
            kernel,
            stride,
            dilation,
            pad,
            r: Some(each * enter),
            p: Some(1.into()),
            groups: Some(enter),
            plain: Some(each == 1),
            threshold,
        };
        let (linear, output) = self.conv2d(&place, &depthwise, value)?;
        self.separate(at, before, layer, &linear)?;
        let value = self.linear(linear, value, output);
        self.steps[value - 1].relu = separable.relu;
        let one = Sizes::from(1);
        let pointwise = Conv2d {
            channels,
            kernel: one,
            stride: one,
            dilation: one,
            pad: 0.into(),
            r: separable.r,
            p: separable.p,
            groups: Some(1),
            plain: None,
            threshold,
        };
        let (linear, output) = self.conv2d(&place, &pointwise, value)?;
        Ok(self.linear(linear, value, output))
    }

    fn pool(
        &self,
        place: &Place,
        window: &Window,
        value: usize,
    ) -> Result<(Pool, Shape), Violation> {
        let input = self.shapes[value];
        let on = |sizes: Sizes, down: usize| {
            if input.height == 1 { sizes.along(down) } else { sizes.square() }
        };
        let (size, pad) = (on(window.size, 1), on(window.pad, 0));
        let stride = window.stride.map_or(size, |stride| on(stride, 1));
        let (height, width) = self.windows(place, "size", size, stride, pad, input)?;
        Ok((Pool { size, stride, pad }, Shape { height, width, ..input }))
    }

    fn upsample(&mut self, place: &Place, sizes: Sizes, value: usize) -> Result<usize, Violation> {
        let input = self.shapes[value];
        let size = if input.height == 1 { sizes.along(1) } else { sizes.square() };
        for n in size.both() {
            within(place.clone(), n, 1..=MAX_KERNEL)?;
        }
        if size == Extent::ONE {
            return Err(Violation::new(place.clone(), "an image as large as before is the same")
                .help("remove the layer, or choose a larger size, such as `upsample = 2`"));
        }
        let output = Shape { height: input.height * size.h, width: input.width * size.w, ..input };
        // Before anything is computed from it: sizes multiply.
        is_of_size(place, "upsample", output)?;
        Ok(self.push("upsample", Op::Upsample(size), vec![value], output))
    }

    /// How many windows there are down and across.
    fn windows(
        &self,
        place: &Place,
        key: &'static str,
        size: Extent,
        stride: Extent,
        pad: Extent,
        input: Shape,
    ) -> Result<(usize, usize), Violation> {
        let at = |key| place.clone().key(key);
        for (key, extent) in [(key, size), ("stride", stride)] {
            let most = if extent.h == extent.w { MAX_KERNEL } else { MAX_AREA };
            for n in extent.both() {
                within(at(key), n, 1..=most)?;
            }
        }
        if size.area() > MAX_AREA {
            let cause =
                format!("a window of {size} has {} pixels, more than {MAX_AREA}", size.area());
            return Err(Violation::new(at(key), cause).help("choose a smaller one"));
        }
        let most = size.zip(Extent::ONE, |size, one| size - one);
        if pad.h == pad.w && most.h == most.w {
            within(at("pad"), pad.h, 0..=most.h)?;
        }
        if pad.h > most.h || pad.w > most.w {
            let least = written(pad.zip(most, usize::min));
            let cause = format!("a pad of {pad} is as large as the window of {size}");
            return Err(
                Violation::new(at("pad"), cause).help(format_args!("choose e.g. `pad = {least}`"))
            );
        }
        let fits = input.windows(size, stride, pad);
        fits.map(|windows| (windows.h, windows.w)).ok_or_else(|| {
            let cause = format!(
                "a window of {size} does not fit an image of {input} with pad {}",
                written(pad)
            );
            let room = Extent { h: input.height, w: input.width }.zip(pad, |n, pad| n + 2 * pad);
            let fits = written(size.zip(room, usize::min));
            Violation::new(at(key), cause).help(if input.pixels() == 1 {
                "an image is [height, width] or [height, width, channels], and for `conv1d` [time] \
                 or [time, channels]; choose a smaller window or more pad"
                    .to_owned()
            } else {
                format!("choose more pad, or a window that fits, such as `{key} = {fits}`")
            })
        })
    }

    /// Whether a layer that goes along one row can read this value.
    fn is_one_row(&self, place: &Place, layer: &str, value: usize) -> Result<(), Violation> {
        let input = self.shapes[value];
        if input.height == 1 {
            return Ok(());
        }
        let cause = format!("{layer} goes along one row, but {input} enters");
        Err(Violation::new(place.clone(), cause))
    }

    fn embedding(
        &mut self,
        place: &Place,
        embedding: &Embedding,
        value: usize,
    ) -> Result<usize, Violation> {
        let at = |key| place.clone().key(key);
        let &Embedding { rows, units } = embedding;
        within(at("rows"), rows, 1..=MAX_SIZE)?;
        within(at("units"), units, 1..=MAX_SIZE)?;
        if value != 0 {
            return Err(Violation::new(place.clone(), "an embedding is not the first layer")
                .help("its input is an index, which only the network's input is: put it first"));
        }
        let input = self.shapes[value];
        let format = self.network.input.format();
        let most = 1usize << format.bits.min(16);
        if format.signed || format.frac != 0 || rows > most {
            let cause = format!("{rows} rows are chosen by indices, but the input is {format}");
            return Err(Violation::new(at("rows"), cause).help(format_args!(
                "set e.g. `input = {{ shape = [1], bits = {}, frac = 0 }}`",
                rows.next_power_of_two().trailing_zeros().max(1)
            )));
        }
        let output = Shape { height: 1, width: input.elements(), channels: units };
        Ok(self.push("embedding", Op::Embedding { rows }, vec![value], output))
    }

    fn char_cnn(&mut self, place: &Place, cnn: &CharCnn, value: usize) -> Result<usize, Violation> {
        let at = || place.clone().key("filters");
        let input = self.shapes[value];
        if cnn.filters.is_empty() || cnn.filters.len() > input.pixels() {
            let cause = format!(
                "has filters of {} widths for {} characters",
                cnn.filters.len(),
                input.pixels()
            );
            return Err(Violation::new(at(), cause)
                .help("give the number of filters of width 1, 2, …, at least of one"));
        }
        for &n in &cnn.filters {
            within(at(), n, 0..=MAX_SIZE)?;
        }
        within(at(), cnn.filters.iter().sum(), 1..=MAX_SIZE)?;
        let output = Shape::vector(cnn.filters.iter().sum());
        Ok(self.push("char_cnn", Op::CharCnn(cnn.filters.clone()), vec![value], output))
    }

    fn highway(
        &mut self,
        place: &Place,
        highway: &Highway,
        value: usize,
    ) -> Result<usize, Violation> {
        let units = self.shapes[value].elements();
        let gates = self.gates(place, (highway.r, false), highway.threshold, units, units)?;
        Ok(self.push("highway", Op::Highway(gates), vec![value], Shape::vector(units)))
    }

    fn recurrent(
        &mut self,
        place: &Place,
        cell: Cell,
        layer: &Recurrent,
        value: usize,
    ) -> Result<usize, Violation> {
        let &Recurrent { units, r, plain, threshold, bidirectional } = layer;
        let plain = plain.unwrap_or(self.spn.plain);
        within(place.clone().key("units"), units, 1..=MAX_SIZE / Cell::GATES)?;
        let (word, a_layer) = match cell {
            Cell::Lstm => ("lstm", "an `lstm`"),
            Cell::Gru => ("gru", "a `gru`"),
        };
        let (inputs, output) = match self.along {
            Along::Inputs if bidirectional => {
                let cause =
                    format!("{a_layer} goes along the time of a text, whose end it does not know");
                return Err(Violation::new(place.clone(), cause).help("leave `bidirectional` out"));
            }
            Along::Inputs => (self.shapes[value].elements(), Shape::vector(units)),
            Along::Pixels => {
                self.goes_along_time(place, a_layer, value)?;
                let input = self.shapes[value];
                (input.channels, Shape { channels: units, ..input })
            }
        };
        let gates = self.gates(place, (r, plain), threshold, inputs, units)?;
        let op = Op::Recurrent(cell, self.along, gates);
        let forward = self.push(word, op.clone(), vec![value], output);
        if !bidirectional {
            return Ok(forward);
        }
        // The steps of its branches.
        let from_end = self.push("reverse", Op::Reverse, vec![value], self.shapes[value]);
        let backward = self.push(word, op, vec![from_end], output);
        let backward = self.push("reverse", Op::Reverse, vec![backward], output);
        let both = Shape { channels: 2 * units, ..output };
        Ok(self.push("concat", Op::Join(Join::Concat), vec![forward, backward], both))
    }

    fn last(&mut self, place: &Place, value: usize) -> Result<usize, Violation> {
        if self.along == Along::Inputs {
            let cause = "\"last\" goes along the time of a signal, and this network is of texts";
            return Err(Violation::new(place.clone(), cause)
                .help("remove it: a recurrent layer yields what it makes of each symbol"));
        }
        self.goes_along_time(place, "\"last\"", value)?;
        let output = Shape::vector(self.shapes[value].channels);
        Ok(self.push("last", Op::Last, vec![value], output))
    }

    /// Whether a value has a time axis, which `layer` goes along.
    fn goes_along_time(&self, place: &Place, layer: &str, value: usize) -> Result<(), Violation> {
        let one_row = "the input of a signal is `shape = [time, channels]`";
        self.is_one_row(place, layer, value).map_err(|v| v.help(one_row))?;
        if self.shapes[value].width > 1 {
            return Ok(());
        }
        let cause =
            format!("{layer} goes along time, but {} enters, a single step", self.shapes[value]);
        let help = if self.shapes[0].pixels() == 1 {
            "the input is one step, too: give it two or more, `shape = [time, channels]`, or take \
             a `dense` layer"
        } else {
            "`dense`, \"last\" and global pooling leave one step, and a large `kernel` or `stride` \
             may: put the layer before them, or leave two steps or more"
        };
        Err(Violation::new(place.clone(), cause).help(help))
    }

    fn gates(
        &self,
        place: &Place,
        (r, plain): (Option<usize>, bool),
        threshold: Option<f64>,
        inputs: usize,
        units: usize,
    ) -> Result<Gates, Violation> {
        let at = |key| place.clone().key(key);
        let r = self.budget(place, r, units, (plain, true))?;
        within(at("threshold"), threshold.unwrap_or(0.7), 0.0..=5.0)?;
        entries(at("r"), r, r.saturating_mul(inputs.max(units)))?;
        Ok(Gates { r, plain, threshold })
    }

    fn head(&mut self, place: &Place, head: &Head, value: usize) -> Result<(), Violation> {
        let at = |key| place.clone().key(key);
        if self.head {
            return Err(Violation::new(place.clone(), "a head cannot be within a head")
                .help("put it before or after the other"));
        }
        check_name(at("name"), &head.name)?;
        check_port_name(&at, &head.name)?;
        if self.steps.iter().any(|step| step.head.as_ref() == Some(&head.name)) {
            let cause = format!("a second head is called `{}`", head.name);
            return Err(Violation::new(at("name"), cause).help("give each a name of its own"));
        }
        if head.layers.is_empty() {
            return Err(Violation::new(at("layers"), "a head has no layers")
                .help("give at least one, e.g. `layers = [{ dense = { units = 10 } }]`"));
        }
        self.head = true;
        self.layers(&at("layers"), &head.layers, value)?;
        self.head = false;
        ends_in_sums(&at("layers"), &head.layers, "head")?;
        if let Some(last) = self.steps.last_mut() {
            last.head = Some(head.name.clone());
        }
        Ok(())
    }

    fn input(
        &mut self,
        place: &Place,
        input: &FurtherInput,
        begins_a_shortcut: bool,
    ) -> Result<usize, Violation> {
        let at = |key| place.clone().key(key);
        if !begins_a_shortcut {
            let cause = "an input does not begin a shortcut";
            return Err(Violation::new(place.clone(), cause).help(
                "put it first in the `shortcut` of a `concat` or a `residual`, which joins it to \
                 what the body makes of what enters",
            ));
        }
        check_name(at("name"), &input.name)?;
        check_port_name(&at, &input.name)?;
        check_values(&at, &input.shape, input.bits, input.frac)?;
        let edge = Edge { shape: self.network.axes_of(&input.shape), format: input.format() };
        let (shape, _) = edge.image();
        let value = self.push("input", Op::Input(edge), vec![], shape);
        self.steps[value - 1].name = input.name.clone();
        Ok(value)
    }

    /// Whether an input of `[n]` is a signal of n steps.
    fn along_rows(&self) -> bool {
        self.network.axes_of(&[1]).len() > 1
    }

    fn join(
        &mut self,
        place: &Place,
        join: Join,
        branches: &Branches,
        value: usize,
    ) -> Result<usize, Violation> {
        let at = |key| place.clone().key(key);
        if join == Join::Add
            && let Some(Layer::Head(head)) = branches.body.last()
        {
            let cause = format!("head `{}` is at the end of the body of a residual", head.name);
            return Err(Violation::new(at("body").index(branches.body.len() - 1), cause)
                .help("put it before the body's last layer, or behind the residual"));
        }
        if join == Join::Add && !branches.body.last().is_some_and(is_linear) {
            return Err(Violation::new(
                at("body"),
                "the body of a residual does not end with a linear layer",
            )
            .help(
                "end it with `dense` or a convolution, and put the \"relu\" after the residual",
            ));
        }
        let body = self.layers(&at("body"), &branches.body, value)?;
        self.shortcut = !branches.shortcut.is_empty();
        let shortcut = self.layers(&at("shortcut"), &branches.shortcut, value)?;
        let joins_input = matches!(branches.shortcut.first(), Some(Layer::Input(_)));
        if body == value && !(branches.body.is_empty() && joins_input) {
            return Err(Violation::new(at("body"), "the body of a concat yields what enters it")
                .help("give it a layer, e.g. a convolution"));
        }
        let (a, b) = (self.shapes[body], self.shapes[shortcut]);
        let (name, same) = match join {
            Join::Add => ("add", "stride and channels"),
            Join::Concat => ("concat", "stride"),
        };
        let shape = join.shape(a, b).ok_or_else(|| {
            let cause = format!("the body yields {a}, the shortcut {b}");
            let help = match branches.shortcut.first() {
                Some(Layer::Input(input)) => fitting(&input.name, a, self.along_rows()),
                _ => format!("give the shortcut a convolution of kernel 1 with the body's {same}"),
            };
            Violation::new(at("shortcut"), cause).help(help)
        })?;
        // Before anything is computed from it: channels add up.
        is_of_size(place, name, shape)?;
        Ok(self.push(name, Op::Join(join), vec![body, shortcut], shape))
    }
}

/// Ports begin with the name of a head or an input, and their own names go on behind an underscore.
fn check_port_name(at: &dyn Fn(&'static str) -> Place, name: &str) -> Result<(), Violation> {
    if !name.ends_with('_') && !name.contains("__") {
        return Ok(());
    }
    Err(Violation::new(at("name"), format!("the name {name:?} is not usable"))
        .help("use single underscores, and a letter or a digit at the end"))
}

/// How what an input makes comes to fit a body that yields `body`; of signals where so said.
fn fitting(input: &str, body: Shape, of_signals: bool) -> String {
    if body.pixels() > 1 {
        return format!(
            "give `{input}` the height and width {}×{}, or layers behind it that yield them: a \
             pooling, a convolution with a stride, or `upsample`",
            body.height, body.width
        );
    }
    let signals = if of_signals {
        "; in this network, a shape of [n] is a signal of n steps, and [1, n] a vector of n numbers"
    } else {
        ""
    };
    let channels = body.channels;
    format!("put `{{ dense = {{ units = {channels} }} }}` behind `{input}`{signals}")
}

/// Whether the layers of a network or a head, `what`, end with a linear one.
fn ends_in_sums(place: &Place, layers: &[Layer], what: &str) -> Result<(), Violation> {
    let at = place.clone().index(layers.len().saturating_sub(1));
    let sums = "a linear layer, `dense` or a convolution, whose sums are the outputs";
    match layers.last() {
        Some(layer) if is_linear(layer) => Ok(()),
        Some(layer) if *layer == Layer::Relu || layer.activation().is_some() => {
            let cause = format!("a \"{}\" cannot be the last layer", layer.word());
            let help = format!("remove it: a {what} ends with {sums}");
            Err(Violation::new(at, cause).help(help))
        }
        Some(Layer::Head(head)) => {
            let cause = format!("head `{}` is behind the last layer of the {what}", head.name);
            Err(Violation::new(at, cause)
                .help("put it before the last layer: it reads what that layer reads"))
        }
        _ => Err(Violation::new(at, "the last layer is not linear")
            .help(format_args!("end with {sums}"))),
    }
}

fn is_of_size(place: &Place, name: &str, shape: Shape) -> Result<(), Violation> {
    if shape.elements() <= MAX_ELEMENTS {
        return Ok(());
    }
    let cause = format!("`{name}` yields {shape}, more than {MAX_ELEMENTS} elements");
    let help = "choose a larger stride, less pad, fewer channels or less upsampling";
    Err(Violation::new(place.clone(), cause).help(help))
}

/// Whether so many groups, which must divide what they divide, make a layer depthwise.
fn is_depthwise(
    at: Place,
    groups: usize,
    enter: usize,
    r: usize,
    leave: usize,
) -> Result<bool, Violation> {
    let depthwise = groups > 1 && groups == enter;
    for (what, n) in [("input channels", enter), ("rows of W_b (r)", r)]
        .into_iter()
        .chain(depthwise.then_some(("output channels", leave)))
    {
        if groups == 0 || !n.is_multiple_of(groups) {
            return Err(Violation::new(
                at,
                format!("{groups} groups do not divide the {n} {what}"),
            )
            .help("choose a common divisor, or `groups = 1`"));
        }
    }
    Ok(depthwise)
}

/// What is wrong with a transposed convolution that does not yield `stride` pixels for each that
/// enters, and which pads do.
fn grows_otherwise(at: Place, kernel: Extent, stride: Extent) -> Violation {
    let times = written(stride);
    let cause = format!(
        "the image must become exactly {times} times as large: kernel - 2 · pad + output_pad = \
         stride, with an output_pad less than the stride"
    );
    let violation = Violation::new(at, cause);
    let Some((pad, more)) = grows(kernel, stride) else {
        return violation.help("with stride 1, choose an odd kernel");
    };
    let (pad, more) = (written(pad), written(more));
    violation.help(format_args!("choose `pad = {pad}, output_pad = {more}`"))
}

/// The pad and the output pad with which a transposed convolution yields `stride` pixels for each
/// that enters; none where there are none.
pub(crate) fn grows(kernel: Extent, stride: Extent) -> Option<(Extent, Extent)> {
    // (k - s) / 2 and its rest, which takes a pixel at the end; less than the stride.
    let pad = kernel.zip(stride, |kernel, stride| kernel.saturating_sub(stride).div_ceil(2));
    let whole = stride.zip(pad, |stride, pad| stride + 2 * pad);
    let more = whole.zip(kernel, |whole, kernel| whole - kernel);
    let fits = more.zip(stride, |more, stride| usize::from(more < stride));
    (fits == Extent::ONE).then_some((pad, more))
}

/// Sizes as a description has them.
fn written(extent: Extent) -> String {
    if extent.h == extent.w {
        extent.h.to_string()
    } else {
        format!("[{}, {}]", extent.h, extent.w)
    }
}

fn is_linear(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::Dense(_)
            | Layer::Conv2d(_)
            | Layer::Conv1d(_)
            | Layer::ConvTranspose2d(_)
            | Layer::ConvTranspose1d(_)
            | Layer::SeparableConv2d(_)
            | Layer::SeparableConv1d(_)
    )
}

/// The divisor of a mean that is no power of two goes into the coefficients of what follows.
fn divides(at: Place, pool: Pool, after: &[Layer]) -> Result<(), Violation> {
    let next = after.iter().find(|layer| !matches!(layer, Layer::Flatten));
    let area = pool.size.area();
    if area.is_power_of_two() || next.is_some_and(is_linear) {
        return Ok(());
    }
    Err(Violation::new(
        at,
        format!(
            "a mean of {area} pixels, which is no power of two, is followed by no linear \
            layer"
        ),
    )
    .help(
        "put `dense` or a convolution right after it, whose coefficients take the division in, \
        or change the size",
    ))
}

fn entries(place: Place, r: usize, entries: usize) -> Result<(), Violation> {
    if entries <= MAX_ENTRIES {
        return Ok(());
    }
    let cause = format!("r = {r} needs a matrix of {entries} entries, more than {MAX_ENTRIES}");
    let help = match (r as u128) * (MAX_ENTRIES as u128) / (entries as u128) {
        0 => "choose a smaller layer".into(),
        most => format!("choose an r of at most {most}"),
    };
    Err(Violation::new(place, cause).help(help))
}
