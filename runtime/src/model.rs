//! The integer network: what training ends in, what golden computes, what the compiler lowers.
//!
//! Training, golden and the compiler all stand on this module; it holds data and its validation, no
//! arithmetic of layers.

mod steps;
mod validate;

pub(crate) use validate::gate_format;

use crate::error::{Error, Result};
use crate::format::{Columns, Format};
use crate::network::plan::leaky;
use crate::network::{Network, Recipe};
use crate::recurrent::{Along, Cell};
use crate::shape::{Extent, Join, Shape, lead, moving, pooling};
use ndarray::{Array1, Array2, Array3, Array4, ArrayView1};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A whole network over integers: layers applied one after the other; each reads what the one
/// before yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// A name for people and for Verilog modules: `[a-z][a-z0-9_]*`.
    pub name: String,
    /// What enters the first layer; there may be [further inputs](Input).
    pub input: Edge,
    /// The layers: at least one; the last one is linear, and it and the last ones of heads alone
    /// have [`Output::Raw`].
    pub layers: Vec<Layer>,
    /// The origin of the model.
    pub provenance: Provenance,
}

/// The shape and format of the values on an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Sizes of the axes in row-major order; their product is the number of elements. An image is
    /// `[height, width]` or `[height, width, channels]`.
    pub shape: Vec<usize>,
    /// One format for all elements.
    pub format: Format,
}

/// How a model came to be; copied into generated files, never interpreted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Version of strassenc that wrote the model.
    pub tool: String,
    /// The network description it was trained from (TOML text), if any.
    #[serde(deserialize_with = "null_or")]
    pub network: Option<String>,
    /// Name of the data set, if any.
    #[serde(deserialize_with = "null_or")]
    pub data: Option<String>,
    /// Seed of the training run, if any.
    #[serde(deserialize_with = "null_or")]
    pub seed: Option<u64>,
    /// Figures that the trainer measured, e.g. `test_accuracy_float` in 0..=1.
    pub metrics: BTreeMap<String, f64>,
    /// The character of each index, where what enters and what leaves are characters of a text;
    /// where there are `words`, the characters of what enters, from index
    /// [`FIRST_CHARACTER`](crate::data::FIRST_CHARACTER) on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<String>,
    /// The word that each output stands for, where what leaves are words of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
}

impl Provenance {
    /// The description of the network that it was trained from, if it has one that can be read.
    pub fn described(&self) -> Option<Network> {
        Network::parse("provenance", self.network.as_deref()?).ok()
    }

    /// The recipe that it was trained by, if it is known, else that of classes.
    pub fn recipe(&self) -> Recipe {
        self.described().map(|network| network.train).unwrap_or_default()
    }
}

/// Reads a key that may be null, but not missing.
fn null_or<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// One layer of a [`Model`].
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A dense sum-product network.
    Dense(Dense),
    /// A product of two operands that are both data.
    Bilinear(Bilinear),
    /// A convolutional sum-product network.
    Conv2d(Conv2d),
    /// Windows of an image, channel by channel.
    Pool(Pool),
    /// A larger image of the same pixels.
    Upsample(Upsample),
    /// A function of each element.
    Activation(Activation),
    /// Two branches over the same input, joined.
    Branches(Branches),
    /// A further output of the network, beside what goes on.
    Head(Head),
    /// A further input of the network.
    Input(Input),
    /// A table of vectors.
    Embedding(Embedding),
    /// Filters over the characters of a word.
    CharCnn(CharCnn),
    /// A gated way around a linear layer.
    Highway(Highway),
    /// A layer with a state, which goes along the inputs of a sequence or the pixels of a row.
    Recurrent(Recurrent),
    /// The last pixel of a row.
    Last(Last),
    /// The pixels of a row in the opposite order.
    Reverse(Reverse),
}

/// The layers that a network of vectors is made of: products of sums, and sums of those products.
#[derive(Clone, Copy, Debug)]
pub enum Spn<'a> {
    /// A [`Layer::Dense`].
    Dense(&'a Dense),
    /// A [`Layer::Bilinear`].
    Bilinear(&'a Bilinear),
}

/// A dense SPN layer, `y = W_c[round(a ⊙ (W_b x) · 2^-t)] + b` (StrassenNets, eq. 1 with ã = W_a
/// vec(A) folded).
///
/// Sizes: `n_in` inputs, r rows (one multiplication each), `n_out` outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Unique name within the model, `[a-z][a-z0-9_]*`, e.g. `dense_0`.
    pub name: String,
    /// The multiplication budget r that was asked for; the rows present may be fewer, since dead
    /// rows are removed.
    pub budget: usize,
    /// `[r, n_in]`, entries in {-1, 0, 1}.
    pub w_b: Array2<i8>,
    /// `[r]`: integer coefficients a_i with |a_i| < 2^(coefficient_bits - 1).
    pub coefficients: Array1<i32>,
    /// Width of every coefficient in bits, sign included: 2..=25.
    pub coefficient_bits: u32,
    /// `[r]`: right shift t_i of every product, -31..=62; negative is an exact left shift.
    pub coefficient_shifts: Array1<i32>,
    /// `frac` of the rounded products m, of y and of the bias.
    pub product_frac: i32,
    /// `[n_out, r]`, entries in {-1, 0, 1}.
    pub w_c: Array2<i8>,
    /// `[n_out]`: b, in units of 2^-product_frac.
    pub bias: Array1<i64>,
    /// What leaves the layer.
    pub output: Output,
}

/// A two-operand SPN layer, `y = W_c[(W_a a) ⊙ (W_b b)]` (StrassenNets, eq. 1, with A and B both
/// data): what enters is a, then b, and r true multipliers multiply data by data, exactly.
///
/// The model's first layer alone may be bilinear. Its y has twice the fractional bits of what
/// enters.
#[derive(Clone, Debug, PartialEq)]
pub struct Bilinear {
    /// Unique name within the model, `[a-z][a-z0-9_]*`, e.g. `matmul`.
    pub name: String,
    /// `[r, n_a]`, entries in {-1, 0, 1}.
    pub w_a: Array2<i8>,
    /// `[r, n_b]`, entries in {-1, 0, 1}.
    pub w_b: Array2<i8>,
    /// `[n_out, r]`, entries in {-1, 0, 1}.
    pub w_c: Array2<i8>,
    /// What leaves the layer.
    pub output: Output,
}

/// A convolutional SPN layer (StrassenNets, section 3.2): r products for each patch of p_h × p_w
/// output pixels.
///
/// Sizes: an image of `c_in` channels enters, one of `c_out` leaves; K = (p - 1)·stride + k for a
/// kernel k, down (K_h, p_h) and across (K_w, p_w).
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Unique name within the model, `[a-z][a-z0-9_]*`, e.g. `conv_0`.
    pub name: String,
    /// The multiplication budget r that was asked for, per output patch.
    pub budget: usize,
    /// `[r, c_in / groups, K_h, K_w]`, entries in {-1, 0, 1}: row i reads the channels of group `i
    /// / (r / groups)`.
    pub w_b: Array4<i8>,
    /// `[r]`: integer coefficients a_i with |a_i| < 2^(coefficient_bits - 1).
    pub coefficients: Array1<i32>,
    /// Width of every coefficient in bits, sign included: 2..=25.
    pub coefficient_bits: u32,
    /// `[r]`: right shift t_i of every product, -31..=62; negative is an exact left shift.
    pub coefficient_shifts: Array1<i32>,
    /// `frac` of the rounded products m, of y and of the bias.
    pub product_frac: i32,
    /// `[c_out, r, p_h, p_w]`, entries in {-1, 0, 1}; `[c_out, r / groups, p_h, p_w]` in a
    /// depthwise layer, where output channel c reads the rows of group `c / (c_out / groups)`.
    pub w_c: Array4<i8>,
    /// `[c_out, p_h, p_w]`: b, in units of 2^-product_frac.
    pub bias: Array3<i64>,
    /// Pixels between outputs; of a transposed convolution, output pixels for each that enters, p.
    pub stride: Extent,
    /// Zeros at each side of the image; of a transposed convolution, pixels that are cut away at
    /// each side of what it yields.
    pub pad: Extent,
    /// The kernel of a transposed convolution, k, which yields p_h × p_w pixels for each that
    /// enters; none of an ordinary one. Windows are one pixel apart, and have all pixels that a
    /// patch depends on: K = [`lead`](Self::lead) + 1 + ⌊(p - 1 + pad) / p⌋.
    pub transposed: Option<Extent>,
    /// Groups of W_b; as many as input channels, and more than one, make a depthwise layer.
    pub groups: usize,
    /// What leaves the layer; shifts are per channel.
    pub output: Output,
}

/// A pooling layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Unique name within the model, e.g. `pool_0`.
    pub name: String,
    /// What is taken of each window.
    pub kind: PoolKind,
    /// Height and width of a window.
    pub size: Extent,
    /// Pixels between windows.
    pub stride: Extent,
    /// Pads at each side of the image, fewer than `size`.
    pub pad: Extent,
}

/// What a [`Pool`] takes of each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest value; pads are the format's minimum.
    Max,
    /// The sum, exactly; pads are 0. It stands for the mean: where the window's pixels are a power
    /// of two, through the output's `frac`, else through the coefficients of the linear layer that
    /// follows.
    Sum,
}

/// A larger image: each pixel of what enters, as often as `size` says, down and across.
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample {
    /// Unique name within the model, e.g. `upsample_0`.
    pub name: String,
    /// How often each pixel is there.
    pub size: Extent,
}

/// A function of each element.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// Unique name within the model, e.g. `act_0`.
    pub name: String,
    /// The function.
    pub function: Function,
}

/// What an [`Activation`] makes of an integer x.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// min(x, max); the format stays.
    Clip {
        /// From 0 to the largest integer of the format.
        max: i64,
    },
    /// x, or where it is negative round(x · 2^-shift), half up; the format, which is signed, stays.
    Leaky {
        /// 1..=15.
        shift: u32,
    },
    /// σ of x, which has a signed format of 2 to 16 bits, in the table's format.
    Sigmoid(Table),
    /// tanh of such an x.
    Tanh(Table),
}

/// Two branches, each of which reads what enters, joined: a residual or a concatenation.
#[derive(Clone, Debug, PartialEq)]
pub struct Branches {
    /// Unique name within the model, e.g. `add_0` or `concat_0`.
    pub name: String,
    /// At least one layer; that of a residual ends with a linear one. That of a concat whose
    /// shortcut begins with an input may be empty.
    pub body: Vec<Layer>,
    /// Empty for what enters itself.
    pub shortcut: Vec<Layer>,
    /// How the two become one.
    pub join: Join,
    /// The format of what they become, which is aligned exactly to the larger frac and then
    /// requantised once; unsigned is a ReLU.
    pub format: Format,
}

/// A further output of the network: layers over what enters, which itself goes on unchanged to the
/// next layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The output's name, unique among those of the layers, e.g. `mask`.
    pub name: String,
    /// At least one layer; the last one is linear, and has [`Output::Raw`].
    pub layers: Vec<Layer>,
}

/// A further input of the network, which stands in the place of what enters: the first layer of a
/// shortcut alone may be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The input's name, unique among those of the layers, e.g. `age`.
    pub name: String,
    /// What enters there.
    pub edge: Edge,
}

/// A table of vectors: what enters are L indices, and what leaves is an image of one row, L pixels
/// wide, of those rows of the table; an index beyond the table takes its last row.
///
/// The model's first layer alone may be an embedding; its input is a vector, unsigned, with frac 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Unique name within the model, e.g. `embedding_0`.
    pub name: String,
    /// `[rows, n_out]`, integers of `format`.
    pub table: Array2<i32>,
    /// The format of what leaves.
    pub format: Format,
}

/// The logistic function or tanh as a table, from a signed format of `bits` bits to integers ·
/// 2^-frac. It saturates: its last entry stands for all that lies beyond the format.
///
/// Symmetry halves it: entry k is for +k · 2^-(frac of what enters), and -k is `1 - σ(k)`, or
/// `-tanh(k)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// `[2^(bits - 1)]`, from 0 to 2^frac: 1.0 is among the values.
    pub values: Array1<i32>,
    /// Fractional bits of the values, 1..=15.
    pub frac: i32,
}

/// Filters over the characters of a word, the largest value of each, and tanh (Kim et al. 2016): an
/// image of one row enters, of L pixels of E channels, and a vector of n elements leaves, one for
/// each filter, in the format of tanh.
///
/// A filter of width w stands at the L - w + 1 positions where the word has all its w pixels. Since
/// no coefficient is negative, a filter's largest sum is that of its largest output: it takes one
/// multiplication a word, whatever L is.
#[derive(Clone, Debug, PartialEq)]
pub struct CharCnn {
    /// The filters as one dense layer with the name of the char-CNN over the widest window, pixel
    /// by pixel: `widths.len()` · E inputs, n products and n outputs. W_c is the identity, no
    /// coefficient is negative, and row i of W_b reads no pixel beyond its width. Its output is
    /// requantised to the signed format in which tanh is looked up.
    pub filters: Dense,
    /// Entry i: how many filters of width i + 1 there are; filters are in the order of their
    /// widths.
    pub widths: Vec<usize>,
    /// The table of tanh.
    pub tanh: Table,
}

/// A highway layer (Srivastava, Greff & Schmidhuber 2015), `z = t ⊙ (max(0, h) - x) + x` with `t =
/// σ(T x)`, `h = H x`: n in, n out, in one format. One multiplication per unit, besides those of
/// the gates.
#[derive(Clone, Debug, PartialEq)]
pub struct Highway {
    /// T and H as one dense layer with the name of the highway: n inputs, 2n outputs, first all of
    /// T, then all of H. Its output is requantised to a signed format; the outputs of H are in
    /// units of what enters, those of T in units of 2^-`gate_frac`.
    pub gates: Dense,
    /// `frac` of what `sigmoid` looks up.
    pub gate_frac: i32,
    /// The table of σ.
    pub sigmoid: Table,
}

/// A layer with a state (c, h) of 2n integers for n units, 0 at the start: a long short-term memory
/// (Hochreiter & Schmidhuber 1997, with a forget gate), or a gated recurrent unit (Cho et al. 2014,
/// with its reset behind the product). h is what leaves.
///
/// The gates of an LSTM are `(i, f, g, o) = G [x; h]`, then `c' = saturate(round(σ(f)·c +
/// σ(i)·tanh(g)))` and `h' = saturate(round(σ(o)·tanh(c')))`.
///
/// Those of a GRU are `(r, z, n_x, n_h) = G [x; h]`, then `n = tanh(saturate(round(n_x +
/// σ(r)·n_h)))`, `c' = saturate(round(n + σ(z)·(c - n)))`, and h' is c' in the format of h: c is
/// the h that the next step starts from, before it is rounded for the products of the gates.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// What it makes of gates and state.
    pub kind: Cell,
    /// What its state goes along.
    pub along: Along,
    /// G as one dense layer with the name of this one: n_in + n inputs, x before h, and 4n outputs,
    /// all of i, then f, g and o, or all of r, then z, n_x and n_h. Its output is requantised to
    /// the signed format in which the tables are looked up. No row of W_b reads both x and h; of a
    /// GRU n_x has no product of h, and n_h none of x.
    pub gates: Dense,
    /// The table of σ.
    pub sigmoid: Table,
    /// The table of tanh.
    pub tanh: Table,
    /// The format of c, signed. The tanh(c) of an LSTM is looked up after c is requantised to the
    /// format of the gates.
    pub cell: Format,
    /// The format of h, signed.
    pub hidden: Format,
}

/// The last pixel of an image of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// Unique name within the model, e.g. `last_0`.
    pub name: String,
}

/// The pixels of an image of one row in the opposite order; the channels of each stay in theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    /// Unique name within the model, e.g. `reverse_0`.
    pub name: String,
}

/// What happens to y at the end of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// y itself, exact: the network's outputs.
    Raw,
    /// `z_c = saturate(round(y_c · 2^-s_c))`, round half up; an unsigned format is a ReLU.
    Requantised {
        /// `[n_out]`: right shift s_c, -31..=62; negative is an exact left shift.
        shifts: Array1<i32>,
        /// The format of z.
        format: Format,
    },
}

impl Dense {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.w_b.ncols()
    }

    /// Number of multiplications, r.
    pub fn rows(&self) -> usize {
        self.w_b.nrows()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.w_c.nrows()
    }
}

impl Bilinear {
    /// Elements of the first operand.
    pub fn inputs_a(&self) -> usize {
        self.w_a.ncols()
    }

    /// Elements of the second operand.
    pub fn inputs_b(&self) -> usize {
        self.w_b.ncols()
    }

    /// `[n_out][n_a, n_b]`: how often `a_k · b_l` is in output c, `Σ_i w_c[c, i] · w_a[i, k] ·
    /// w_b[i, l]`.
    pub fn forms(&self) -> Vec<Array2<i32>> {
        let form = |row: ArrayView1<i8>| {
            let mut form = Array2::zeros((self.inputs_a(), self.inputs_b()));
            for (i, &c) in row.iter().enumerate().filter(|(_, c)| **c != 0) {
                for (k, &a) in self.w_a.row(i).iter().enumerate().filter(|(_, a)| **a != 0) {
                    for (l, &b) in self.w_b.row(i).iter().enumerate() {
                        form[[k, l]] += i32::from(c * a * b);
                    }
                }
            }
            form
        };
        self.w_c.outer_iter().map(form).collect()
    }
}

impl Conv2d {
    /// Multiplications for each output patch, r.
    pub fn rows(&self) -> usize {
        self.w_b.dim().0
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.w_c.dim().0
    }

    /// The output patch, p.
    pub fn patch(&self) -> Extent {
        let (_, _, h, w) = self.w_c.dim();
        Extent { h, w }
    }

    /// The window of W_b, K.
    pub fn window(&self) -> Extent {
        let (_, _, h, w) = self.w_b.dim();
        Extent { h, w }
    }

    /// Pixels between windows.
    pub fn step(&self) -> Extent {
        match self.transposed {
            Some(_) => Extent::ONE,
            None => self.patch().zip(self.stride, |p, stride| p * stride),
        }
    }

    /// Pixels of a window before that of its patch: the pads of an ordinary convolution.
    pub fn lead(&self) -> Extent {
        match self.transposed {
            Some(kernel) => lead(kernel, self.stride, self.pad),
            None => self.pad,
        }
    }

    /// The kernel k; `None` where K is too small for the patch.
    pub fn kernel(&self) -> Option<Extent> {
        if self.transposed.is_some() {
            return self.transposed;
        }
        let kernel = |window: usize, patch: usize, stride: usize| {
            window.checked_sub(patch.checked_sub(1)?.checked_mul(stride)?).filter(|k| *k > 0)
        };
        let (window, patch) = (self.window(), self.patch());
        let h = kernel(window.h, patch.h, self.stride.h)?;
        let w = kernel(window.w, patch.w, self.stride.w)?;
        Some(Extent { h, w })
    }

    /// Whether each group is one input channel, and W_c is grouped too.
    pub fn depthwise(&self) -> bool {
        self.groups > 1 && self.w_b.dim().1 == 1
    }
}

impl Layer {
    /// What it works on: `vectors`, `images` or `sequences`; branches and heads on what their
    /// layers do, but never on vectors.
    pub fn domain(&self) -> &'static str {
        match self {
            Layer::Dense(_) | Layer::Bilinear(_) => "vectors",
            Layer::Conv2d(_)
            | Layer::Pool(_)
            | Layer::Upsample(_)
            | Layer::Activation(_)
            | Layer::Input(_)
            | Layer::Last(_)
            | Layer::Reverse(_) => "images",
            Layer::Recurrent(Recurrent { along: Along::Pixels, .. }) => "images",
            Layer::Embedding(_) | Layer::CharCnn(_) | Layer::Highway(_) | Layer::Recurrent(_) => {
                "sequences"
            }
            Layer::Branches(_) | Layer::Head(_) => {
                if self.inner().any(|layer| layer.domain() == "sequences") {
                    "sequences"
                } else {
                    "images"
                }
            }
        }
    }

    /// The layers of its branches, or of a head, in order.
    pub fn inner(&self) -> impl Iterator<Item = &Layer> {
        let (first, second): (&[Layer], &[Layer]) = match self {
            Layer::Branches(branches) => (&branches.body, &branches.shortcut),
            Layer::Head(head) => (&head.layers, &[]),
            _ => (&[], &[]),
        };
        first.iter().chain(second)
    }

    /// Entries of its W_b and of its W_c but those that are 0 in every such layer; a convolution
    /// reads pixels that are `dilation` apart. Those of branches and heads are none of its own.
    pub fn entries(&self, dilation: Extent) -> [usize; 2] {
        match self {
            Layer::Dense(dense) => [dense.w_b.len(), dense.w_c.len()],
            Layer::Conv2d(conv) => {
                let (r, group, h, w) = conv.w_b.dim();
                [r * group * h.div_ceil(dilation.h) * w.div_ceil(dilation.w), conv.w_c.len()]
            }
            // A filter reads no pixel beyond its width, and W_c is the identity.
            Layer::CharCnn(CharCnn { filters, widths, .. }) => {
                let channels = filters.inputs() / widths.len().max(1);
                let reads = widths.iter().zip(1..).map(|(n, width)| n * width * channels);
                [reads.sum(), 0]
            }
            // Each product is of one gate.
            Layer::Highway(Highway { gates, .. }) => {
                [gates.w_b.len(), gates.rows() * gates.outputs() / 2]
            }
            // And reads either x or h.
            Layer::Recurrent(recurrent) => {
                let (x, n, gates) = (recurrent.inputs(), recurrent.units(), &recurrent.gates);
                let rows = gates.w_b.rows();
                let of_x = rows.into_iter().filter(|row| row.iter().take(x).any(|w| *w != 0));
                let of_x = of_x.count();
                [of_x * x + (gates.rows() - of_x) * n, gates.rows() * n]
            }
            _ => [0; 2],
        }
    }

    /// What it is, in a few words: `dense`, `conv 3×3 / 2`, `max pool 2×2`, `sum`.
    pub fn kind(&self) -> String {
        match self {
            Layer::Dense(_) => "dense".into(),
            Layer::Bilinear(_) => "product".into(),
            Layer::Conv2d(conv) => {
                let word = match (conv.transposed, conv.depthwise()) {
                    (Some(_), _) => "transposed conv",
                    (None, true) => "depthwise conv",
                    (None, false) => "conv",
                };
                moving(word, conv.kernel().unwrap_or(conv.window()), conv.stride)
            }
            Layer::Pool(Pool { kind: PoolKind::Max, size, stride, .. }) => {
                pooling("max pool", *size, *stride)
            }
            Layer::Pool(Pool { size, stride, .. }) => pooling("average pool", *size, *stride),
            Layer::Upsample(upsample) => moving("upsample", upsample.size, Extent::ONE),
            Layer::Activation(Activation { function, .. }) => match function {
                Function::Clip { .. } => "clip".into(),
                Function::Leaky { shift } => leaky(*shift),
                Function::Sigmoid(_) => "sigmoid".into(),
                Function::Tanh(_) => "tanh".into(),
            },
            Layer::Branches(branches) => branches.join.kind().into(),
            Layer::Head(_) => "head".into(),
            Layer::Input(_) => "input".into(),
            Layer::Embedding(_) => "embedding".into(),
            Layer::CharCnn(_) => "char-CNN".into(),
            Layer::Highway(_) => "highway".into(),
            Layer::Recurrent(layer) => layer.kind.kind().into(),
            Layer::Last(_) => "last pixel".into(),
            Layer::Reverse(_) => "reverse".into(),
        }
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        match self {
            Layer::Dense(d) => &d.name,
            Layer::Bilinear(b) => &b.name,
            Layer::Conv2d(c) => &c.name,
            Layer::Pool(p) => &p.name,
            Layer::Upsample(u) => &u.name,
            Layer::Activation(a) => &a.name,
            Layer::Branches(b) => &b.name,
            Layer::Head(h) => &h.name,
            Layer::Input(i) => &i.name,
            Layer::Embedding(e) => &e.name,
            Layer::CharCnn(c) => &c.filters.name,
            Layer::Highway(h) => &h.gates.name,
            Layer::Recurrent(r) => &r.gates.name,
            Layer::Last(l) => &l.name,
            Layer::Reverse(r) => &r.name,
        }
    }

    /// The layer, if it is one of a network of vectors.
    pub fn spn(&self) -> Option<Spn<'_>> {
        match self {
            Layer::Dense(d) => Some(Spn::Dense(d)),
            Layer::Bilinear(b) => Some(Spn::Bilinear(b)),
            _ => None,
        }
    }

    /// What leaves the layer, where it is linear.
    pub fn output(&self) -> Option<&Output> {
        match self {
            Layer::Dense(d) => Some(&d.output),
            Layer::Bilinear(b) => Some(&b.output),
            Layer::Conv2d(c) => Some(&c.output),
            _ => None,
        }
    }

    /// The shape and format of what leaves, where `input` enters. Raw outputs have the format of
    /// the narrowest signed integers that any raw output needs, 54 bits.
    ///
    /// # Errors
    /// The first size that does not fit, in this layer or a branch of it.
    pub fn yields(&self, input: (Shape, Format)) -> Result<(Shape, Format)> {
        validate::yields(self, input)
    }
}

impl Table {
    /// σ of v, an integer of the signed format that is looked up.
    pub fn sigmoid(&self, v: i64) -> i64 {
        let value = self.at(v);
        if v < 0 { (1 << self.frac) - value } else { value }
    }

    /// tanh of v.
    pub fn tanh(&self, v: i64) -> i64 {
        let value = self.at(v);
        if v < 0 { -value } else { value }
    }

    fn at(&self, v: i64) -> i64 {
        let last = self.values.len() as u64 - 1;
        i64::from(self.values[v.unsigned_abs().min(last) as usize])
    }

    /// The format of σ, 0 to 1.
    pub fn sigmoid_format(&self) -> Format {
        Format { signed: false, bits: self.frac as u32 + 1, frac: self.frac }
    }

    /// The format of tanh, -1 to 1.
    pub fn tanh_format(&self) -> Format {
        Format { signed: true, bits: self.frac as u32 + 2, frac: self.frac }
    }
}

impl Function {
    /// The format of what leaves, where integers of this one enter.
    pub fn yields(&self, format: Format) -> Format {
        match self {
            Function::Clip { .. } | Function::Leaky { .. } => format,
            Function::Sigmoid(table) => table.sigmoid_format(),
            Function::Tanh(table) => table.tanh_format(),
        }
    }
}

impl CharCnn {
    /// The width of each filter, in order.
    pub fn width_of_each(&self) -> impl Iterator<Item = usize> {
        self.widths.iter().enumerate().flat_map(|(i, n)| std::iter::repeat_n(i + 1, *n))
    }
}

impl Highway {
    /// Units n: elements that enter and leave.
    pub fn units(&self) -> usize {
        self.gates.outputs() / 2
    }
}

impl Recurrent {
    /// Units n: elements of h and of c.
    pub fn units(&self) -> usize {
        self.gates.outputs() / 4
    }

    /// Elements of x.
    pub fn inputs(&self) -> usize {
        self.gates.inputs().saturating_sub(self.units())
    }

    /// The signed format that holds the integers of x and of h alike; its frac means nothing, since
    /// the fractional bits of the two differ and each row of W_b reads one of them.
    pub fn joined(&self, x: Format) -> Format {
        let bits = x.bits + u32::from(!x.signed);
        Format { signed: true, bits: bits.max(self.hidden.bits), frac: 0 }
    }
}

impl<'a> Spn<'a> {
    /// The layer's name.
    pub fn name(self) -> &'a str {
        match self {
            Spn::Dense(d) => &d.name,
            Spn::Bilinear(b) => &b.name,
        }
    }

    /// Number of elements that enter.
    pub fn inputs(self) -> usize {
        match self {
            Spn::Dense(d) => d.inputs(),
            Spn::Bilinear(b) => b.inputs_a() + b.inputs_b(),
        }
    }

    /// Number of multiplications, r.
    pub fn rows(self) -> usize {
        self.w_c().ncols()
    }

    /// Number of outputs.
    pub fn outputs(self) -> usize {
        self.w_c().nrows()
    }

    /// The multiplication budget that was asked for.
    pub fn budget(self) -> usize {
        match self {
            Spn::Dense(d) => d.budget,
            Spn::Bilinear(b) => b.w_c.ncols(),
        }
    }

    /// `[n_out, r]`, from the products to the outputs.
    pub fn w_c(self) -> &'a Array2<i8> {
        match self {
            Spn::Dense(d) => &d.w_c,
            Spn::Bilinear(b) => &b.w_c,
        }
    }

    /// The bias b of output `c`.
    pub fn bias(self, c: usize) -> i64 {
        match self {
            Spn::Dense(d) => d.bias[c],
            Spn::Bilinear(_) => 0,
        }
    }

    /// What leaves the layer.
    pub fn output(self) -> &'a Output {
        match self {
            Spn::Dense(d) => &d.output,
            Spn::Bilinear(b) => &b.output,
        }
    }

    /// `frac` of y, where values with `input_frac` enter.
    pub fn product_frac(self, input_frac: i32) -> i32 {
        match self {
            Spn::Dense(d) => d.product_frac,
            Spn::Bilinear(_) => 2 * input_frac,
        }
    }
}

impl Edge {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The values as an image, and their format.
    pub fn image(&self) -> (Shape, Format) {
        (Shape::of(&self.shape), self.format)
    }
}

/// No value of a valid model exceeds this in magnitude, so that golden's i64, NumPy's int64 and f64
/// are all exact.
pub const MAGNITUDE_LIMIT: i128 = 1 << 53;

impl Model {
    /// What enters the first layer, as an image.
    pub fn input(&self) -> (Shape, Format) {
        self.input.image()
    }

    /// What enters: the first layer's input, without a name, then the further ones, in the order in
    /// which the layers stand. An input vector has the elements of each in turn.
    pub fn inputs(&self) -> Vec<(Option<&str>, &Edge)> {
        let mut inputs = vec![(None, &self.input)];
        further_inputs(&self.layers, &mut inputs);
        inputs
    }

    /// The format of each element of an input vector: how many have it, input by input.
    pub fn columns(&self) -> Columns {
        self.inputs().into_iter().map(|(_, edge)| (edge.elements(), edge.format)).collect()
    }

    /// Number of elements of an input vector.
    pub fn elements(&self) -> usize {
        self.inputs().iter().map(|(_, edge)| edge.elements()).sum()
    }

    /// The shape and format of what leaves the last layer, which labels and targets are about;
    /// those of the input where a size does not fit.
    pub fn output(&self) -> (Shape, Format) {
        let input = self.input();
        self.layers.iter().try_fold(input, |edge, layer| layer.yields(edge)).unwrap_or(input)
    }

    /// The layers of a network of vectors, in order.
    ///
    /// # Errors
    /// The first layer that is of another kind.
    pub fn spns(&self) -> Result<Vec<Spn<'_>>> {
        let other = |layer: &Layer| {
            let cause =
                format_args!("works on {}; only layers of vectors serve here", layer.domain())
                    .to_string();
            Error::input(format_args!("layer `{}`", layer.name()), cause)
        };
        self.layers.iter().map(|layer| layer.spn().ok_or_else(|| other(layer))).collect()
    }

    /// What it works on: `vectors`, `images` or `sequences`.
    pub fn domain(&self) -> &'static str {
        let domains = || self.layers.iter().map(Layer::domain);
        ["sequences", "images"]
            .into_iter()
            .find(|domain| domains().any(|of| of == *domain))
            .unwrap_or("vectors")
    }

    /// Whether it works on sequences: it has a state, which goes from one input to the next.
    pub fn is_recurrent(&self) -> bool {
        !self.states().is_empty()
    }

    /// The layers whose state goes from one input to the next, those of branches and heads too, in
    /// the order in which they stand.
    pub fn states(&self) -> Vec<&Recurrent> {
        fn states<'a>(layers: impl Iterator<Item = &'a Layer>, all: &mut Vec<&'a Recurrent>) {
            for layer in layers {
                match layer {
                    Layer::Recurrent(own) if own.along == Along::Inputs => all.push(own),
                    _ => states(layer.inner(), all),
                }
            }
        }
        let mut all = vec![];
        states(self.layers.iter(), &mut all);
        all
    }

    /// Number of outputs: those of the last layer, then those of each head.
    pub fn outputs(&self) -> usize {
        self.streams().iter().map(|(_, shape, _)| shape.elements()).sum()
    }

    /// What leaves: the last layer's outputs, without a name, then those of each head, in the order
    /// in which the layers stand, with their shapes and formats.
    pub fn streams(&self) -> Vec<(Option<&str>, Shape, Format)> {
        let (shape, format) = self.output();
        let mut streams = vec![(None, shape, format)];
        heads(&self.layers, self.input(), &mut streams);
        streams
    }

    /// `[outputs]`: the frac of each output; its real value is its integer · 2^-frac.
    pub fn output_fracs(&self) -> Vec<i32> {
        let of = |(_, shape, format): (_, Shape, Format)| vec![format.frac; shape.elements()];
        self.streams().into_iter().flat_map(of).collect()
    }

    /// Whether it has outputs beside those of its last layer.
    pub fn has_heads(&self) -> bool {
        self.layers.iter().any(validate::holds_head)
    }

    /// `frac` of the last layer's outputs: their real values are integers · 2^-frac.
    pub fn output_frac(&self) -> i32 {
        self.output().1.frac
    }
}

/// Appends the further inputs among layers.
fn further_inputs<'a>(layers: &'a [Layer], inputs: &mut Vec<(Option<&'a str>, &'a Edge)>) {
    for layer in layers {
        match layer {
            Layer::Branches(branches) => {
                further_inputs(&branches.body, inputs);
                further_inputs(&branches.shortcut, inputs);
            }
            Layer::Head(head) => further_inputs(&head.layers, inputs),
            Layer::Input(input) => inputs.push((Some(&input.name), &input.edge)),
            _ => {}
        }
    }
}

/// Appends the outputs of the heads among layers that read `edge`; stops at a size that does not
/// fit.
fn heads<'a>(
    layers: &'a [Layer],
    mut edge: (Shape, Format),
    streams: &mut Vec<(Option<&'a str>, Shape, Format)>,
) {
    for layer in layers {
        match layer {
            Layer::Branches(branches) => {
                heads(&branches.body, edge, streams);
                heads(&branches.shortcut, edge, streams);
            }
            Layer::Head(head) => {
                let leaves = head.layers.iter().try_fold(edge, |edge, layer| layer.yields(edge));
                let Ok((shape, format)) = leaves else { return };
                streams.push((Some(&head.name), shape, format));
            }
            _ => {}
        }
        let Ok(next) = layer.yields(edge) else { return };
        edge = next;
    }
}
