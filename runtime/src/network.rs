//! The network description: a TOML file with the input, the layers, the bits and the training
//! recipe.
//!
//! ```toml
//! name = "mnist"
//! input = { shape = [28, 28], bits = 8, frac = 8 }
//! layers = [
//!     { conv2d = { channels = 16, kernel = 3, pad = 1, r = 32, p = 2 } },
//!     "relu",
//!     { max_pool = { size = 2 } },
//!     { dense = { units = 10, r = 64 } },
//! ]
//! bits = { activations = 8, coefficients = 8, guard = 2 }
//!
//! [train]
//! data = "mnist"
//! full = { epochs = 12, learning_rate = 1e-3 }
//! ```
//! Everything under `bits` and `train` has a default. Unknown keys and impossible shapes are errors
//! that name the line.

mod describe;
pub mod plan;
mod ready;
#[cfg(test)]
mod tests;
mod vary;

pub use ready::{find, ready};

use crate::error::{Result, number};
use crate::format::{Columns, Format};
use crate::log_mel::{self, LogMel};
use crate::model::Edge;
use crate::recurrent::Along;
use crate::shape::{Extent, Join, Shape, Sizes};
use crate::wording;
use describe::{Place, Violation};
use plan::Activation;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A network under a multiplication budget, and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A name for people and for Verilog modules: `[a-z][a-z0-9_]*`, at most 64 characters.
    pub name: String,
    /// What enters the first layer.
    pub input: Input,
    /// The layers in the order data flows: a linear layer (`dense`, `conv2d` or `conv1d`) last, a
    /// `relu` or another activation only right after one, after a `residual` or after a `concat`.
    pub layers: Vec<Layer>,
    /// What a linear layer takes that does not say otherwise.
    #[serde(default, skip_serializing_if = "Spn::is_default")]
    pub spn: Spn,
    /// Widths of the integer network.
    #[serde(default)]
    pub bits: Bits,
    /// How it is trained.
    #[serde(default)]
    pub train: Recipe,
}

/// Shape and number format of the input: real value = integer · 2^-frac.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Sizes of the axes, row-major. An image is `[height, width]` or `[height, width, channels]`:
    /// pixels in raster order, as they stream through the hardware. Of a network over
    /// signals, with a `conv1d` or a recurrent layer, `[time]` and `[time, channels]` are images of
    /// one row.
    pub shape: Vec<usize>,
    /// Width in bits, 1..=16.
    pub bits: u32,
    /// Fractional bits, -32..=32.
    pub frac: i32,
    /// Whether the values are two's complement.
    #[serde(default)]
    pub signed: bool,
    /// What makes them of the samples of a recording, where it is one of sounds; then the shape is
    /// `[frames, mel bands]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_mel: Option<LogMel>,
}

/// One layer of a [`Network`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A dense sum-product network, with batch norms that fold away (the last layer has a bias
    /// instead). It takes all elements of an image.
    Dense(Dense),
    /// A convolutional sum-product network, with batch norms that fold away.
    Conv2d(Conv2d),
    /// A convolution along an image of one row: a [`Conv2d`] whose sizes are 1 down.
    Conv1d(Conv1d),
    /// A transposed convolution, to an image of `stride` times as many pixels down and across.
    ConvTranspose2d(ConvTranspose2d),
    /// The same along an image of one row: a [`ConvTranspose2d`] whose sizes are 1 down.
    ConvTranspose1d(ConvTranspose1d),
    /// A depthwise [`Conv2d`], a ReLU, and a pointwise one.
    SeparableConv2d(SeparableConv2d),
    /// The same along an image of one row: a [`SeparableConv2d`] whose sizes are 1 down.
    SeparableConv1d(SeparableConv1d),
    /// max(0, x); free, since it is the lower end of the saturation.
    Relu,
    /// min(max(0, x), 6).
    Relu6,
    /// min(max(0, x), m) for this m, > 0.
    ClippedRelu(f64),
    /// x where it is positive, else x · 2^-k for this k, 1..=15.
    LeakyRelu(u32),
    /// The logistic function, from a table.
    Sigmoid,
    /// The hyperbolic tangent, from a table.
    Tanh,
    /// The largest of each window, channel by channel; pads are below every value.
    MaxPool(Window),
    /// The mean of each window, channel by channel; pads are 0 and count.
    AveragePool(Window),
    /// The mean of all pixels, channel by channel.
    GlobalAveragePool,
    /// Each pixel as often as it says, down and across: the nearest one of a larger image.
    Upsample(Sizes),
    /// The step from an image to a vector, row by row, pixel by pixel; `dense` does it by itself.
    Flatten,
    /// The sum of two branches over the same input.
    Residual(Branches),
    /// Two branches over the same input side by side: the channels of the body, then those of the
    /// shortcut.
    Concat(Branches),
    /// A further output of the network: layers over the value at hand, which itself goes on to the
    /// next layer.
    Head(Head),
    /// A further input of the network, in the place of what enters: the first layer of a shortcut.
    Input(FurtherInput),
    /// A table of vectors, one row for each index; the first layer of a network whose input is one
    /// index or several, as of the characters of a text.
    Embedding(Embedding),
    /// Filters over the characters of a word, the largest value of each, and tanh (Kim et al.
    /// 2016).
    CharCnn(CharCnn),
    /// A gated way around a linear layer (Srivastava et al. 2015); as many outputs as inputs.
    Highway(Highway),
    /// A long short-term memory, whose state goes from one pixel of a signal to the next, or from
    /// one input of a sequence.
    Lstm(Recurrent),
    /// A gated recurrent unit that resets after the product, along a signal.
    Gru(Recurrent),
    /// The last pixel of a signal.
    Last,
    /// The pixels of a signal in the opposite order.
    Reverse,
}

/// A table of vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Rows: how many different indices there are, 1..=65536.
    pub rows: usize,
    /// Elements of a row, 1..=65536.
    pub units: usize,
}

/// Filters over the characters of a word: entry i of `filters` counts those of width i + 1. W_c is
/// the identity, as in StrassenNets: a coefficient for each filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharCnn {
    /// Filters of width 1, 2, …
    pub filters: Vec<usize>,
}

/// A highway layer; an SPN for each of its two matrices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Highway {
    /// The multiplication budget of each of the two, 1..=65536. By default `spn.ratio · units`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// A recurrent layer: an SPN for each matrix of its gates, eight in an LSTM, six in a GRU, each
/// over its input or its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recurrent {
    /// Number of outputs, 1..=16384.
    pub units: usize,
    /// The multiplication budget of each SPN, 1..=65536. By default `spn.ratio · units`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// Whether each unit of an SPN has products of its own, as many as the others: a sum of r /
    /// units ternary rows with a coefficient each. r is 1 to 12 times the units, by default as many
    /// as they are. By default `spn.plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<bool>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether a second layer of as many units goes along the signal from its end, and yields its
    /// channels behind those of the first, pixel by pixel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bidirectional: bool,
}

/// A dense SPN layer, `y = W_c[a ⊙ (W_b x)]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Number of outputs, 1..=65536.
    pub units: usize,
    /// The multiplication budget, 1..=65536: rows of W_b, entries of a. By default `ratio · units`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// r over the units where `spn.ratio` is 1, instead of 1: a layer of many outputs, but few
    /// products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<f64>,
    /// Whether W_c is the identity (r = units): a ternary layer with a coefficient per output. Over
    /// a text, r may be a multiple of the units, as in a [`Recurrent`] layer. By default
    /// `spn.plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<bool>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// A convolutional SPN layer (StrassenNets, section 3.2): a `p·stride`-strided ternary convolution
/// W_b of kernel `(p-1)·stride + kernel` to r channels, a coefficient per channel, and a ternary
/// matrix W_c from them to output patches of `p × p` pixels. Sizes that p does not divide are
/// padded and cropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Output channels, 1..=65536.
    pub channels: usize,
    /// The kernel, `n` for n × n, 1..=32, or `[h, w]`, at most 1024 pixels.
    pub kernel: Sizes,
    /// Pixels between outputs, down and across, 1..=1024.
    #[serde(default = "one")]
    pub stride: Sizes,
    /// Pixels from one of the kernel to the next, down and across, 1 for those side by side: a
    /// kernel of k reaches over (k - 1) · dilation + 1 pixels, at most as many as `kernel` may
    /// have. With any other than 1 there are no output patches.
    #[serde(default = "one", skip_serializing_if = "is_one_pixel")]
    pub dilation: Sizes,
    /// Zeros on each side, above and below as well as left and right, fewer than the kernel reaches
    /// over.
    #[serde(default)]
    pub pad: Sizes,
    /// The multiplications per output patch, 1..=65536: channels of W_b, entries of a. By default
    /// `spn.ratio · channels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// The output patch, `n` for n × n, on an image of one row 1 × n, or `[h, w]`; each 1..=8. By
    /// default `spn.p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<Sizes>,
    /// Groups of input channels in W_b; divides them and r. As many groups as input channels are a
    /// depthwise convolution, which groups W_c too. By default `spn.groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Whether W_c is the identity (r = channels, p = 1): a ternary convolution with a coefficient
    /// per channel. By default `spn.plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<bool>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// A convolution along an image of one row. What is not said here is as in [`Conv2d`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1d {
    /// Output channels, 1..=65536.
    pub channels: usize,
    /// Pixels of the kernel, 1..=1024.
    pub kernel: usize,
    /// Pixels between outputs, 1..=1024.
    #[serde(default = "one")]
    pub stride: usize,
    /// Pixels from one of the kernel to the next.
    #[serde(default = "one", skip_serializing_if = "is_one_pixel")]
    pub dilation: usize,
    /// Zeros on each side, fewer than `kernel`.
    #[serde(default)]
    pub pad: usize,
    /// The multiplications per output patch, 1..=65536. By default `spn.ratio · channels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// Pixels of the output patch, 1..=8. By default `spn.p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<usize>,
    /// Groups of input channels in W_b.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Whether W_c is the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<bool>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl Conv1d {
    /// The same layer over images of one row.
    fn over_a_row(&self) -> Conv2d {
        let &Conv1d { channels, kernel, stride, dilation, pad, r, p, groups, plain, threshold } =
            self;
        let along = |w, h| Sizes::Pair(Extent { h, w });
        Conv2d {
            channels,
            kernel: along(kernel, 1),
            stride: along(stride, 1),
            dilation: along(dilation, 1),
            pad: along(pad, 0),
            r,
            p: p.map(|p| along(p, 1)),
            groups,
            plain,
            threshold,
        }
    }
}

/// A transposed convolutional SPN layer, of PyTorch's semantics: each pixel that enters adds its
/// kernel to the output, `stride` pixels from one to the next, of which `pad` are cut away at each
/// side, and `output_pad` put on below and at the right. Exactly `stride` times as large images
/// leave: `kernel - 2·pad + output_pad = stride`.
///
/// W_b is a convolution of stride 1 to r channels, whose kernel has all pixels that a patch of
/// `stride × stride` output pixels depends on, and W_c a matrix from them to that patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Output channels, 1..=65536.
    pub channels: usize,
    /// The kernel, `n` for n × n, 1..=32, or `[h, w]`, at most 1024 pixels.
    pub kernel: Sizes,
    /// Output pixels from one kernel to the next, each 1..=8.
    pub stride: Sizes,
    /// Pixels of the output that are cut away at each side.
    #[serde(default)]
    pub pad: Sizes,
    /// Pixels of the output below and at the right, fewer than `stride`.
    #[serde(default)]
    pub output_pad: Sizes,
    /// The multiplications for each pixel that enters, 1..=65536. By default
    /// `spn.ratio · channels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// Groups of input channels, a divisor of them and of r; as many as channels is a depthwise
    /// one, whose output channels it divides too. By default `spn.groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// A transposed convolution along an image of one row. What is not said here is as in
/// [`ConvTranspose2d`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose1d {
    /// Output channels, 1..=65536.
    pub channels: usize,
    /// Pixels of the kernel, 1..=1024.
    pub kernel: usize,
    /// Output pixels from one kernel to the next, 1..=8.
    pub stride: usize,
    /// Pixels of the output that are cut away at each side.
    #[serde(default)]
    pub pad: usize,
    /// Pixels of the output at the right, fewer than `stride`.
    #[serde(default)]
    pub output_pad: usize,
    /// The multiplications for each pixel that enters, 1..=65536.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// Groups of input channels, a divisor of them and of r; as many as channels is a depthwise
    /// one, whose output channels it divides too. By default `spn.groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl ConvTranspose1d {
    /// The same layer over images of one row.
    fn over_a_row(&self) -> ConvTranspose2d {
        let &ConvTranspose1d { channels, kernel, stride, pad, output_pad, r, groups, threshold } =
            self;
        let along = |w, h| Sizes::Pair(Extent { h, w });
        ConvTranspose2d {
            channels,
            kernel: along(kernel, 1),
            stride: along(stride, 1),
            pad: along(pad, 0),
            output_pad: along(output_pad, 0),
            r,
            groups,
            threshold,
        }
    }
}

/// A depthwise-separable convolution, as of MobileNet: a convolution of each channel by itself, a
/// ReLU, and one of kernel 1 over all channels. What is not said here is as in [`Conv2d`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparableConv2d {
    /// Output channels of the second one, 1..=65536; the first one has those that enter.
    pub channels: usize,
    /// The kernel of the first one.
    pub kernel: Sizes,
    /// Pixels between outputs.
    #[serde(default = "one")]
    pub stride: Sizes,
    /// Pixels from one of the kernel to the next.
    #[serde(default = "one", skip_serializing_if = "is_one_pixel")]
    pub dilation: Sizes,
    /// Zeros on each side.
    #[serde(default)]
    pub pad: Sizes,
    /// Multiplications for each channel and pixel of the first one, at least one and together
    /// 65536 at most. With 1, W_c is the identity.
    #[serde(default = "one")]
    pub depthwise_r: usize,
    /// Whether the ReLU is there.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub relu: bool,
    /// The multiplications per output patch of the second one, 1..=65536. By default
    /// `spn.ratio · channels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// The output patch of the second one; the first one has none. By default `spn.p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<Sizes>,
    /// Ternary threshold factor of both, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// A depthwise-separable convolution along an image of one row. What is not said here is as in
/// [`SeparableConv2d`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparableConv1d {
    /// Output channels, 1..=65536.
    pub channels: usize,
    /// Pixels of the kernel, 1..=1024.
    pub kernel: usize,
    /// Pixels between outputs, 1..=1024.
    #[serde(default = "one")]
    pub stride: usize,
    /// Pixels from one of the kernel to the next.
    #[serde(default = "one", skip_serializing_if = "is_one_pixel")]
    pub dilation: usize,
    /// Zeros on each side, fewer than the kernel reaches over.
    #[serde(default)]
    pub pad: usize,
    /// Multiplications for each channel and pixel of the first one.
    #[serde(default = "one")]
    pub depthwise_r: usize,
    /// Whether the ReLU is there.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub relu: bool,
    /// The multiplications per output patch of the second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<usize>,
    /// Pixels of the output patch of the second one, 1..=8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<usize>,
    /// Ternary threshold factor of both, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl SeparableConv1d {
    /// The same layer over images of one row.
    fn over_a_row(&self) -> SeparableConv2d {
        let &SeparableConv1d { channels, depthwise_r, relu, r, threshold, .. } = self;
        let along = |w, h| Sizes::Pair(Extent { h, w });
        SeparableConv2d {
            channels,
            kernel: along(self.kernel, 1),
            stride: along(self.stride, 1),
            dilation: along(self.dilation, 1),
            pad: along(self.pad, 0),
            depthwise_r,
            relu,
            r,
            p: self.p.map(|p| along(p, 1)),
            threshold,
        }
    }
}

/// What pooling looks at. On an image of one row, numbers go along it: `size = 4` is 1 × 4, with no
/// pad above and below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// `n` for n × n, 1..=32, or `[h, w]`, at most 1024 pixels.
    pub size: Sizes,
    /// Pixels between windows, down and across, 1..=1024; by default `size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Sizes>,
    /// Pads on each side, fewer than `size`.
    #[serde(default)]
    pub pad: Sizes,
}

/// Two branches over the same input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branches {
    /// At least one layer; that of a residual ends with a linear one. That of a concat whose
    /// shortcut begins with an input may be empty, for what enters itself.
    pub body: Vec<Layer>,
    /// The layers of the shortcut; none for the input itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<Layer>,
}

/// A further output of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The output's name: `[a-z][a-z0-9_]*`, at most 64 characters, unlike that of any other.
    pub name: String,
    /// At least one layer; the last one is linear, and its sums are the output.
    pub layers: Vec<Layer>,
}

/// A further input of the network. What is not said here is as in [`Input`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherInput {
    /// The input's name: `[a-z][a-z0-9_]*`, at most 64 characters, unlike that of any other.
    pub name: String,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Width in bits, 1..=16.
    pub bits: u32,
    /// Fractional bits, -32..=32.
    pub frac: i32,
    /// Whether the values are two's complement.
    #[serde(default)]
    pub signed: bool,
}

impl FurtherInput {
    /// The number format.
    pub fn format(&self) -> Format {
        Format { signed: self.signed, bits: self.bits, frac: self.frac }
    }
}

impl Layer {
    /// The branches that it joins, and how; those of a bidirectional layer are one for each
    /// direction.
    pub fn branches(&self) -> Option<(Cow<'_, Branches>, Join)> {
        match self {
            Layer::Residual(branches) => Some((Cow::Borrowed(branches), Join::Add)),
            Layer::Concat(branches) => Some((Cow::Borrowed(branches), Join::Concat)),
            Layer::Lstm(layer) | Layer::Gru(layer) if layer.bidirectional => {
                let mut one = self.clone();
                if let Layer::Lstm(layer) | Layer::Gru(layer) = &mut one {
                    layer.bidirectional = false;
                }
                let (body, shortcut) =
                    (vec![one.clone()], vec![Layer::Reverse, one, Layer::Reverse]);
                Some((Cow::Owned(Branches { body, shortcut }), Join::Concat))
            }
            _ => None,
        }
    }

    /// How many steps of a plan it is by itself.
    #[cfg(feature = "train")]
    fn steps(&self) -> usize {
        match self {
            Layer::Relu | Layer::Flatten => 0,
            Layer::SeparableConv2d(_) | Layer::SeparableConv1d(_) => 2,
            _ => 1,
        }
    }

    /// Each of these layers, as often as it is a step of a plan; heads once.
    #[cfg(feature = "train")]
    pub(crate) fn of_steps(layers: &[Layer]) -> impl Iterator<Item = &Layer> {
        layers.iter().flat_map(|layer| std::iter::repeat_n(layer, layer.steps()))
    }

    /// The layers of its branches, or of a head.
    fn inner(&self) -> impl Iterator<Item = &Layer> {
        let (first, second): (&[Layer], &[Layer]) = match self {
            Layer::Residual(branches) | Layer::Concat(branches) => {
                (&branches.body, &branches.shortcut)
            }
            Layer::Head(head) => (&head.layers, &[]),
            _ => (&[], &[]),
        };
        first.iter().chain(second)
    }

    /// The function of each element, where it is one that takes a layer of its own: all but a
    /// `relu`.
    fn activation(&self) -> Option<Activation> {
        match *self {
            Layer::Relu6 => Some(Activation::Clip(6.0)),
            Layer::ClippedRelu(most) => Some(Activation::Clip(most)),
            Layer::LeakyRelu(shift) => Some(Activation::Leaky(shift)),
            Layer::Sigmoid => Some(Activation::Sigmoid),
            Layer::Tanh => Some(Activation::Tanh),
            _ => None,
        }
    }

    /// The name of an activation in a description.
    fn word(&self) -> &'static str {
        match self {
            Layer::Relu6 => "relu6",
            Layer::ClippedRelu(_) => "clipped_relu",
            Layer::LeakyRelu(_) => "leaky_relu",
            Layer::Sigmoid => "sigmoid",
            Layer::Tanh => "tanh",
            _ => "relu",
        }
    }

    /// Whether it is a head, or has one in its branches.
    fn holds_head(&self) -> bool {
        matches!(self, Layer::Head(_)) || self.inner().any(Layer::holds_head)
    }
}

/// What linear layers take that do not say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spn {
    /// r over the output channels or units, above 0, at most 64.
    pub ratio: f64,
    /// Height and width of the output patch of a convolution, 1..=8; on an image of one row its
    /// width.
    pub p: usize,
    /// Groups of a convolution.
    pub groups: usize,
    /// Whether W_c is the identity.
    pub plain: bool,
}

impl Default for Spn {
    fn default() -> Self {
        Spn { ratio: 1.0, p: 1, groups: 1, plain: false }
    }
}

impl Spn {
    fn is_default(&self) -> bool {
        *self == Spn::default()
    }
}

fn one<T: From<usize>>() -> T {
    T::from(1)
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn is_one_pixel<T: From<usize> + PartialEq>(size: &T) -> bool {
    *size == T::from(1)
}

/// Widths of the integer network, in bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bits {
    /// Bits of every activation between layers, 1..=16.
    pub activations: u32,
    /// Bits of every coefficient a_i, sign included, 2..=25.
    pub coefficients: u32,
    /// Nonzero signed digits of every coefficient, at most, 1..=8: a coefficient of k digits is k -
    /// 1 additions at most where it is built from shifts and additions. 0 for any number.
    pub coefficient_terms: u32,
    /// Fractional bits that products keep below the least bit of the layer's output, 0..=16; fewer
    /// are fewer gates.
    pub guard: u32,
    /// Bits of what the tables of σ and tanh are looked up with, 4..=14; tables have half as many
    /// entries as there are such integers.
    #[serde(skip_serializing_if = "is_default_gates")]
    pub gates: u32,
    /// Bits of the state of an LSTM or a GRU, 4..=24.
    #[serde(skip_serializing_if = "is_default_cell")]
    pub cell: u32,
}

fn is_default_gates(bits: &u32) -> bool {
    *bits == Bits::default().gates
}

fn is_default_cell(bits: &u32) -> bool {
    *bits == Bits::default().cell
}

impl Default for Bits {
    fn default() -> Self {
        Bits {
            activations: 8,
            coefficients: 8,
            coefficient_terms: 0,
            guard: 2,
            gates: 11,
            cell: 16,
        }
    }
}

/// How a network is trained: three phases over one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The data set used when none is named: a name or a path as `--data` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Whether every linear layer is an ordinary one of the same shape instead of an SPN: the
    /// network whose accuracy the budget is measured against, and which can teach. Its training
    /// ends after phase 1.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full_precision: bool,
    /// Decides initial weights, the order of samples and the validation slice.
    pub seed: u64,
    /// Samples per step, 2..=65536; of a recurrent network the sequences that are read side by
    /// side.
    pub batch: usize,
    /// Inputs of a sequence per step, 1..=4096, over which gradients go back in time; states go on
    /// from step to step.
    #[serde(skip_serializing_if = "is_default_window")]
    pub window: usize,
    /// The largest norm of the gradient of a recurrent network, all its parameters together; a
    /// larger one is scaled down. 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub clip: f64,
    /// Share of what enters each layer but the first of a recurrent network that is set to 0 at
    /// random in training, 0..=0.9.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// The share of the training split held out for validation, 0..=0.5; not of a text, which has a
    /// validation part.
    pub validation: f64,
    /// Random shifts of each training image by up to so many pixels over a border of zeros, which
    /// is what pad and crop do; 0 for none, at most half of the shorter side.
    pub shift: usize,
    /// Mirrors each training image left to right with probability 1/2.
    pub flip: bool,
    /// Sets a square of so many pixels a side, at random in each training image and clipped at its
    /// edges, to 0 (cutout, DeVries & Taylor 2017); 0 for none, at most the shorter side.
    pub cutout: usize,
    /// The optimiser of the phases that name none.
    pub optimiser: Optimiser,
    /// Decoupled (AdamW) or plain (SGD) weight decay of W_b and W_c in the first two phases,
    /// 0..=1000.
    pub weight_decay: f64,
    /// Momentum of SGD, 0..1.
    pub momentum: f64,
    /// Nesterov's momentum for SGD (Sutskever et al. 2013): the step looks ahead along the
    /// velocity.
    pub nesterov: bool,
    /// What the network is trained to: one class of several, numbers, or any of several labels.
    #[serde(skip_serializing_if = "is_default")]
    pub loss: Loss,
    /// How the numbers of a regression are seen in training; by default by their mean and standard
    /// deviation over the training split, which the run keeps here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Scaling>,
    /// What each head is trained to, by its name; one that is not named here to a class.
    #[serde(skip_serializing_if = "is_default")]
    pub heads: BTreeMap<String, Task>,
    /// How much each class counts.
    #[serde(skip_serializing_if = "is_default")]
    pub class_weights: ClassWeights,
    /// The share of each target that is spread evenly over all classes (Szegedy et al. 2016), 0..1;
    /// 0 for none.
    pub label_smoothing: f64,
    /// Decay per step of the exponential moving average of all that trains, running statistics of
    /// norms included, 0..1; 0 for none. What is validated, and what a phase hands on, is the
    /// average then (Polyak & Juditsky 1992).
    pub ema: f64,
    /// Ends a phase when the validation accuracy has not risen for so many epochs, or the
    /// perplexity of a network of sequences not fallen; 0 for never. Needs `validation`, but for
    /// sequences, whose texts have a validation part.
    pub patience: usize,
    /// Ends each phase in the state after its best epoch by that measure, the first of equals, and
    /// not after its last one. Needs `validation` likewise.
    pub keep_best: bool,
    /// How much of the loss is a teacher's, where there is one.
    pub distill: Distill,
    /// Ternary threshold Δ = threshold · mean|w|, per row, 0..=5; higher is sparser. Li & Liu (TWN)
    /// use 0.7.
    pub threshold: f64,
    /// The penalty on adders: in phase 2, each step takes learning rate · `adder_penalty` of the
    /// mean magnitude of its row from every weight of W_b and W_c, 0..=1000; 0 for none. Weights
    /// that the loss does not hold up become 0: fewer adders for some accuracy.
    pub adder_penalty: f64,
    /// How W_b and W_c become ternary in phase 2.
    pub quantiser: Quantiser,
    /// Whether the power-of-two scale of each output channel goes on training in phase 3, as the
    /// rounded value of a trained logarithm; products, formats and biases stay as they were folded.
    pub learn_scales: bool,
    /// Phase 1, full-precision W_b and W_c.
    pub full: Phase,
    /// Phase 2, ternary W_b and W_c with straight-through gradients.
    pub ternary: Phase,
    /// Phase 3, W_b and W_c frozen, integer activations: coefficients and biases train.
    pub frozen: Phase,
}

fn is_default_window(window: &usize) -> bool {
    *window == Recipe::default().window
}

fn is_zero(v: &f64) -> bool {
    *v == 0.0
}

fn is_default<T: Default + PartialEq>(v: &T) -> bool {
    *v == T::default()
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            data: None,
            full_precision: false,
            seed: 1,
            batch: 64,
            window: 64,
            clip: 0.0,
            dropout: 0.0,
            validation: 0.0,
            shift: 0,
            flip: false,
            cutout: 0,
            optimiser: Optimiser::Adamw,
            weight_decay: 0.0,
            momentum: 0.9,
            nesterov: false,
            loss: Loss::CrossEntropy,
            targets: None,
            heads: BTreeMap::new(),
            class_weights: ClassWeights::None,
            label_smoothing: 0.0,
            ema: 0.0,
            patience: 0,
            keep_best: false,
            distill: Distill::default(),
            threshold: 0.7,
            adder_penalty: 0.0,
            quantiser: Quantiser::Twn,
            learn_scales: false,
            full: Phase { epochs: 12, ..Phase::default() },
            ternary: Phase { epochs: 12, ..Phase::default() },
            frozen: Phase { epochs: 2, ..Phase::default() },
        }
    }
}

/// What a sample's loss is; over several outputs the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax cross entropy, -ln p(class): one of several classes.
    #[default]
    CrossEntropy,
    /// (z - target)²: numbers.
    Squared,
    /// |z - target|: numbers, of which a few may be far out.
    Absolute,
    /// Logistic cross entropy, -ln p(label) for each label on its own: several labels at a time,
    /// each of which holds where its output is positive.
    BinaryCrossEntropy,
}

impl Loss {
    /// Whether numbers are due, and not classes or labels.
    pub fn is_regression(self) -> bool {
        matches!(self, Loss::Squared | Loss::Absolute)
    }

    /// What tells how well a network does that is trained to it.
    pub fn measure(self) -> Measure {
        match self {
            Loss::CrossEntropy => Measure::Accuracy,
            Loss::Squared | Loss::Absolute => Measure::R2,
            Loss::BinaryCrossEntropy => Measure::AllLabels,
        }
    }

    /// The loss as a description has it.
    pub fn key(self) -> &'static str {
        match self {
            Loss::CrossEntropy => "cross_entropy",
            Loss::Squared => "squared",
            Loss::Absolute => "absolute",
            Loss::BinaryCrossEntropy => "binary_cross_entropy",
        }
    }
}

/// What tells how well a network does; the larger, the better, and 1 at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The share of samples whose class is right.
    #[default]
    Accuracy,
    /// R², the share of the targets' spread about their mean that is explained, below 0 where the
    /// mean would do better; of several outputs of all together, each in units of its scale.
    R2,
    /// The share of samples all of whose labels are right.
    AllLabels,
}

impl Measure {
    /// The measure as names of figures have it.
    pub fn key(self) -> &'static str {
        match self {
            Measure::Accuracy => "accuracy",
            Measure::R2 => "r2",
            Measure::AllLabels => "all_labels",
        }
    }

    /// The measure as tables head it.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Accuracy => "accuracy",
            Measure::R2 => "R²",
            Measure::AllLabels => "all labels right",
        }
    }

    /// A figure as people read it.
    pub fn told(self, v: f64) -> String {
        match self {
            Measure::R2 => format!("{v:.4}"),
            _ => format!("{:.2} %", 100.0 * v),
        }
    }
}

/// What the last layer or a head is trained to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Task {
    /// What a sample's loss is.
    pub loss: Loss,
    /// What the loss of a head is multiplied by before it is added to that of the last layer,
    /// 1e-6..=1e6.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: f64,
    /// How the numbers of a regression are seen in training, as [`Recipe::targets`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Scaling>,
}

impl Default for Task {
    fn default() -> Self {
        Task { loss: Loss::CrossEntropy, weight: 1.0, targets: None }
    }
}

fn is_one(v: &f64) -> bool {
    *v == 1.0
}

/// How the numbers of a regression are seen in training: an output z stands for offset + scale · z.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// `[outputs]`: what an output of 0 stands for.
    pub offset: Vec<f64>,
    /// `[outputs]`: what an output of 1 stands for, less the offset; > 0.
    pub scale: Vec<f64>,
}

/// How much the classes count in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Every sample counts alike.
    #[default]
    None,
    /// Every class counts alike: a sample of a class that is one of k counts n / (k · n_class).
    Balanced,
}

/// Knowledge distillation (Hinton, Vinyals & Dean 2015): the loss is
/// (1 - λ)·CE(z, label) + λ·T²·CE(z/T, softmax(z_teacher/T)), and of numbers
/// (1 - λ)·L(z, target) + λ·L(z, z_teacher).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distill {
    /// λ, in 0..=1.
    pub lambda: f64,
    /// T, 0.1..=100.
    pub temperature: f64,
}

impl Default for Distill {
    fn default() -> Self {
        Distill { lambda: 0.5, temperature: 1.0 }
    }
}

/// One phase of a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phase {
    /// Passes over the training samples.
    pub epochs: usize,
    /// The largest step size, > 0; that of the start, unless it rises first.
    pub learning_rate: f64,
    /// The optimiser of this phase, instead of the recipe's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimiser: Option<Optimiser>,
    /// Epochs over which the step size rises linearly from 0 to what the schedule says, which goes
    /// on under it (Goyal et al. 2017); fractions count, 0..=100000.
    pub warmup: f64,
    /// Weight decay of this phase, 0..=1000, instead of the recipe's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// How the step size changes over the phase.
    pub schedule: Schedule,
}

impl Default for Phase {
    fn default() -> Self {
        Phase {
            epochs: 10,
            learning_rate: 1e-3,
            optimiser: None,
            warmup: 0.0,
            weight_decay: None,
            schedule: Schedule::Cosine,
        }
    }
}

/// The optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019), β = 0.9, 0.999.
    Adamw,
    /// Stochastic gradient descent with momentum, Nesterov's or the classical one.
    Sgd,
}

/// How weights become ternary: t = sign(w)·[|w| > Δ], times a scale that folds away; gradients pass
/// straight through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantiser {
    /// Δ = threshold · mean|w| per row, one scale per matrix, the mean of |w| where t ≠ 0 (Li,
    /// Zhang & Liu 2016).
    Twn,
    /// Δ = 0.5 and no scale, as in the code published with StrassenNets (Tschannen et al. 2018).
    /// `threshold` says how the weights are scaled when phase 2 begins: such that Δ is where TWN
    /// has it.
    Fixed,
    /// The rule is that of `twn`, with a scale per product: one for each row of W_b, and for each
    /// column of W_c.
    Row,
}

/// How the learning rate changes within a phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The learning rate does not change.
    Constant,
    /// The rate falls by half a cosine, step by step, down to 0 (Loshchilov & Hutter 2017).
    Cosine,
    /// The rate is multiplied by `factor` every `every` epochs.
    Step(Step),
    /// The rate rises from 1/25 in a line, then falls to 0 by half a cosine (Smith 2018).
    OneCycle(OneCycle),
    /// The rate is multiplied by `factor` after each epoch that lowers the validation perplexity by
    /// less than `gain`: the rule of StrassenNets for language models. For recurrent networks only.
    Plateau(Plateau),
}

/// The numbers of [`Schedule::Plateau`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plateau {
    /// The least gain of an epoch, in units of perplexity, 0..=1000.
    pub gain: f64,
    /// The factor of a reduction, 0..=1.
    pub factor: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau { gain: 0.5, factor: 0.5 }
    }
}

/// The numbers of [`Schedule::OneCycle`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OneCycle {
    /// The share of the phase in which the step size rises, 0..1.
    pub rise: f64,
}

impl Default for OneCycle {
    fn default() -> Self {
        OneCycle { rise: 0.3 }
    }
}

/// The numbers of [`Schedule::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Epochs between reductions, ≥ 1.
    pub every: usize,
    /// The factor of a reduction, 0..=1.
    pub factor: f64,
}

impl Input {
    /// The number format.
    pub fn format(&self) -> Format {
        Format { signed: self.signed, bits: self.bits, frac: self.frac }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Network {
    /// Parses and validates a description; `place` (a path) stands in front of the line in errors.
    ///
    /// # Errors
    /// The first thing wrong, as `place:line`, with the way out.
    pub fn parse(place: &str, text: &str) -> Result<Network> {
        let network: Network =
            toml::from_str(text).map_err(|e| wording::of_toml(place, text, &e))?;
        network.check().map_err(|v| v.at(place, text))?;
        Ok(network)
    }

    /// The description as TOML that [`Network::parse`] reads back.
    pub fn to_toml(&self) -> String {
        // Every field is a plain value, which TOML can express.
        toml::to_string(self).expect("a description is TOML")
    }

    /// Checks shapes and ranges of a description made in code.
    ///
    /// # Errors
    /// The first violation.
    pub fn validate(&self) -> Result<()> {
        self.check().map_err(|v| v.in_network(&self.name))
    }

    /// The layers with their names and shapes, branches side by side.
    ///
    /// # Errors
    /// The first shape that does not fit.
    pub fn plan(&self) -> Result<Vec<plan::Step>> {
        plan::plan(self).map_err(|v| v.in_network(&self.name))
    }

    /// Sizes of the input's axes as a model has them. Those of a network over signals are an image
    /// of one row.
    pub fn axes(&self) -> Vec<usize> {
        self.axes_of(&self.input.shape)
    }

    /// The same of an input of this shape.
    fn axes_of(&self, shape: &[usize]) -> Vec<usize> {
        match *shape {
            [time] if self.is_of_signals() => vec![1, time, 1],
            [time, channels] if self.is_of_signals() => vec![1, time, channels],
            _ => shape.to_vec(),
        }
    }

    /// What enters, as a model has it: the first layer's input, without a name, then the further
    /// ones, in the order in which the layers stand. A sample has the elements of each in turn.
    pub fn inputs(&self) -> Vec<(Option<&str>, Edge)> {
        let edge = |shape: &[usize], format| Edge { shape: self.axes_of(shape), format };
        let first = (None, edge(&self.input.shape, self.input.format()));
        let further = self.further_inputs();
        let further = further.iter().map(|i| (Some(i.name.as_str()), edge(&i.shape, i.format())));
        std::iter::once(first).chain(further).collect()
    }

    /// The further inputs, in the order in which the layers stand.
    pub fn further_inputs(&self) -> Vec<&FurtherInput> {
        fn add<'a>(layers: &mut dyn Iterator<Item = &'a Layer>, all: &mut Vec<&'a FurtherInput>) {
            for layer in layers {
                match layer {
                    Layer::Input(input) => all.push(input),
                    layer => add(&mut layer.inner(), all),
                }
            }
        }
        let mut all = vec![];
        add(&mut self.layers.iter(), &mut all);
        all
    }

    /// The format of each element of a sample: how many have it, input by input.
    pub fn columns(&self) -> Columns {
        self.inputs().into_iter().map(|(_, edge)| (edge.elements(), edge.format)).collect()
    }

    /// Number of elements of a sample, all inputs included.
    pub fn elements(&self) -> usize {
        self.columns().iter().map(|(elements, _)| elements).sum()
    }

    /// Whether a layer goes along the time of a signal. An LSTM does, but in texts and on vectors.
    fn is_of_signals(&self) -> bool {
        let along_time = |layer: &Layer| match layer {
            Layer::Conv1d(_) | Layer::ConvTranspose1d(_) | Layer::SeparableConv1d(_) => true,
            Layer::Gru(_) | Layer::Last | Layer::Reverse => true,
            Layer::Lstm(_) => self.input.shape.len() > 1,
            _ => false,
        };
        !self.is_of_texts() && self.has(&along_time)
    }

    /// Whether a layer belongs to networks over texts.
    fn is_of_texts(&self) -> bool {
        self.has(&|layer| {
            matches!(layer, Layer::Embedding(_) | Layer::CharCnn(_) | Layer::Highway(_))
        })
    }

    /// Whether a layer, of branches and heads too, is of this kind.
    fn has(&self, kind: &dyn Fn(&Layer) -> bool) -> bool {
        fn holds(layer: &Layer, kind: &dyn Fn(&Layer) -> bool) -> bool {
            kind(layer) || layer.inner().any(|layer| holds(layer, kind))
        }
        self.layers.iter().any(|layer| holds(layer, kind))
    }

    /// What enters, as an image.
    pub fn image(&self) -> Shape {
        Shape::of(&self.axes())
    }

    /// Whether it is for sequences, such as the characters of a text: it has a layer whose state
    /// goes from one input to the next, or one that belongs to such networks.
    pub fn is_of_sequences(&self) -> bool {
        self.is_of_texts()
            || !self.is_of_signals() && self.has(&|layer| matches!(layer, Layer::Lstm(_)))
    }

    /// Whether it has a recurrent layer, or one that looks at the end of a signal.
    pub fn has_memory(&self) -> bool {
        self.has(&|layer| matches!(layer, Layer::Lstm(_) | Layer::Gru(_) | Layer::Last))
    }

    /// Where the state of its recurrent layers goes.
    pub fn along(&self) -> Along {
        if self.is_of_sequences() { Along::Inputs } else { Along::Pixels }
    }

    /// Whether it is for sequences of words, each given by its characters.
    pub fn is_of_words(&self) -> bool {
        self.is_of_sequences() && self.input.elements() > 1
    }

    /// The linear layers of the [plan](Network::plan), in order; none where shapes do not fit.
    pub fn linear(&self) -> Vec<plan::Step> {
        let mut steps = self.plan().unwrap_or_default();
        steps.retain(|step| step.linear().is_some());
        steps
    }

    /// The linear and recurrent layers of the [plan](Network::plan), in order; none where shapes do
    /// not fit.
    pub fn trained(&self) -> Vec<plan::Step> {
        let mut steps = self.plan().unwrap_or_default();
        steps.retain(plan::Step::trains);
        steps
    }

    /// Whether it is a chain of dense layers.
    pub fn is_of_vectors(&self) -> bool {
        self.layers
            .iter()
            .all(|layer| matches!(layer, Layer::Dense(_) | Layer::Relu | Layer::Flatten))
    }

    /// Multiplications of one inference of an ordinary network of the same shape.
    pub fn dense_multiplications(&self) -> u64 {
        self.plan().unwrap_or_default().iter().map(plan::Step::dense_multiplications).sum()
    }

    /// Number of outputs of the last layer; 0 where shapes do not fit.
    pub fn outputs(&self) -> usize {
        self.linear().last().map_or(0, |step| step.output.elements())
    }

    /// The name and the number of outputs of each head, in order; none where shapes do not fit.
    pub fn heads(&self) -> Vec<(String, usize)> {
        let linear = self.linear().into_iter();
        linear.filter_map(|step| Some((step.head?, step.output.elements()))).collect()
    }

    /// Whether it has outputs beside those of its last layer.
    pub fn has_heads(&self) -> bool {
        self.layers.iter().any(Layer::holds_head)
    }

    fn check(&self) -> Result<(), Violation> {
        check_name(Place::new("name"), &self.name)?;
        self.check_input()?;
        let at = |key| Place::new("spn").key(key);
        within(at("ratio"), self.spn.ratio, 1e-6..=64.0)?;
        within(at("p"), self.spn.p, 1..=plan::MAX_PATCH)?;
        within(at("groups"), self.spn.groups, 1..=MAX_SIZE)?;
        plan::plan(self)?;
        let Bits { activations, coefficients, coefficient_terms, guard, gates, cell } = self.bits;
        let bits = |key| Place::new("bits").key(key);
        within(bits("activations"), activations, 1..=16)?;
        within(bits("coefficients"), coefficients, 2..=25)?;
        within(bits("coefficient_terms"), coefficient_terms, 0..=8)?;
        within(bits("guard"), guard, 0..=16)?;
        within(bits("gates"), gates, 4..=14)?;
        within(bits("cell"), cell, 4..=24)?;
        if self.is_of_sequences() {
            self.check_sequence()?;
        }
        self.train.check(&self.axes(), self.outputs(), self.is_of_sequences())?;
        self.train.check_heads(&self.heads())
    }

    /// Whether its layers are those that a network of sequences can have.
    fn check_sequence(&self) -> Result<(), Violation> {
        let known = |layer: &Layer| {
            use Layer::*;
            matches!(
                layer,
                Embedding(_)
                    | CharCnn(_)
                    | Highway(_)
                    | Lstm(_)
                    | Gru(_)
                    | Dense(_)
                    | Relu
                    | Flatten
            )
        };
        let at = |i| Place::new("layers").index(i);
        if let Some(i) = self.layers.iter().position(|layer| !known(layer)) {
            return Err(Violation::new(at(i), "a network of sequences cannot have this layer")
                .help("use embedding, char_cnn, highway, lstm, gru and dense layers"));
        }
        if !matches!(self.layers.first(), Some(Layer::Embedding(_))) {
            return Err(Violation::new(
                at(0),
                "a network of sequences begins with the embedding of \
                its characters",
            )
            .help(
                "set `input = { shape = [1], … }`, and put `{ embedding = { rows = …, units \
                    = … } }` first; the input of a signal is `shape = [time, channels]`",
            ));
        }
        if self.is_of_words() != self.layers.iter().any(|layer| matches!(layer, Layer::CharCnn(_)))
        {
            let cause = format!(
                "a network of sequences takes {} characters at a time",
                self.input.elements()
            );
            return Err(Violation::new(Place::new("input").key("shape"), cause).help(
                "a network of characters takes one, `shape = [1]`; one of words puts `{ char_cnn = \
                 … }` second",
            ));
        }
        Ok(())
    }

    fn check_input(&self) -> Result<(), Violation> {
        let at = |key| Place::new("input").key(key);
        let Input { shape, bits, frac, .. } = &self.input;
        check_values(&at, shape, *bits, *frac)?;
        self.check_log_mel()
    }

    fn check_log_mel(&self) -> Result<(), Violation> {
        let Input { shape, frac, signed, log_mel, .. } = &self.input;
        let Some(cut) = log_mel else { return Ok(()) };
        let input = |key| Place::new("input").key(key);
        let at = |key| input("log_mel").key(key);
        let &[_, mels] = &shape[..] else {
            let cause = format!("`log_mel` yields frames of mel bands, and the shape is {shape:?}");
            return Err(Violation::new(input("shape"), cause)
                .help("give the numbers of both, e.g. `shape = [64, 16]`"));
        };
        if *signed {
            return Err(Violation::new(input("signed"), "what `log_mel` yields is never negative")
                .help("remove `signed`"));
        }
        within(input("frac"), *frac, 0..=6)?;
        within(at("rate"), cut.rate, 1000..=192_000)?;
        within(at("window"), cut.window, 32..=1024)?;
        if !cut.window.is_power_of_two() {
            let cause = format!("window = {} is no power of two", cut.window);
            return Err(Violation::new(at("window"), cause)
                .help(format_args!("take {}", cut.window.next_power_of_two())));
        }
        within(at("step"), cut.step, 1..=cut.window)?;
        // No more than bins, so that there is an end to what is tried here.
        let empty = |mels: usize| {
            mels > cut.window / 2
                || log_mel::filters(*cut, mels).iter().any(|filter| filter.weights.is_empty())
        };
        if empty(mels) {
            let most = (1..mels.min(cut.window / 2)).rev().find(|mels| !empty(*mels)).unwrap_or(1);
            let cause = format!(
                "some of {mels} mel bands lie between the {} bins of a window of {} samples",
                cut.window / 2 + 1,
                cut.window
            );
            return Err(Violation::new(input("shape"), cause)
                .help(format_args!("take {most} bands at most, or a longer `window`")));
        }
        Ok(())
    }
}

/// Checks the values of an input.
fn check_values(
    at: &dyn Fn(&'static str) -> Place,
    shape: &[usize],
    bits: u32,
    frac: i32,
) -> Result<(), Violation> {
    if shape.is_empty() || shape.contains(&0) {
        return Err(Violation::new(at("shape"), format!("the shape {shape:?} has no elements"))
            .help("give the sizes of the axes, e.g. `shape = [28, 28]`"));
    }
    if shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).is_none_or(|n| n > MAX_INPUT) {
        let cause = format!("the shape {shape:?} has more than {MAX_INPUT} elements");
        return Err(Violation::new(at("shape"), cause));
    }
    within(at("bits"), bits, 1..=16)?;
    within(at("frac"), frac, -32..=32)
}

/// Largest number of elements of an input.
const MAX_INPUT: usize = 1 << 22;
/// Largest number of units or channels of a layer, budget r, and batch.
pub(crate) const MAX_SIZE: usize = 1 << 16;
/// Largest number of entries of one ternary matrix.
const MAX_ENTRIES: usize = 1 << 28;
/// Largest number of epochs of a phase.
const MAX_EPOCHS: usize = 100_000;
/// What weight decay may be, of a recipe or a phase.
const WEIGHT_DECAY: RangeInclusive<f64> = 0.0..=1e3;

impl Recipe {
    fn check(&self, shape: &[usize], outputs: usize, sequences: bool) -> Result<(), Violation> {
        let at = |key| Place::new("train").key(key);
        for (key, is_on) in
            [("shift", self.shift > 0), ("flip", self.flip), ("cutout", self.cutout > 0)]
        {
            if is_on && !(2..=3).contains(&shape.len()) {
                let cause =
                    format!("inputs of shape {shape:?} are no images, which `{key}` is for");
                return Err(Violation::new(at(key), cause).help(format_args!("remove `{key}`")));
            }
        }
        let side = shape.iter().take(2).min().copied().unwrap_or(0);
        within(at("shift"), self.shift, 0..=side / 2)?;
        within(at("cutout"), self.cutout, 0..=side)?;
        // A batch norm needs two samples.
        within(at("batch"), self.batch, 2..=MAX_SIZE)?;
        for (key, is_on) in [
            ("window", !is_default_window(&self.window)),
            ("clip", self.clip != 0.0),
            ("dropout", self.dropout != 0.0),
        ] {
            if is_on && !sequences {
                let cause = format!("`{key}` is for networks of sequences alone");
                return Err(Violation::new(at(key), cause).help(format_args!("remove `{key}`")));
            }
        }
        within(at("window"), self.window, 1..=4096)?;
        within(at("clip"), self.clip, 0.0..=1e6)?;
        within(at("dropout"), self.dropout, 0.0..=0.9)?;
        within(at("validation"), self.validation, 0.0..=0.5)?;
        within(at("weight_decay"), self.weight_decay, WEIGHT_DECAY)?;
        within(at("momentum"), self.momentum, 0.0..=0.9999)?;
        let mut phases = [&self.full, &self.ternary, &self.frozen].into_iter();
        if self.nesterov
            && phases.all(|phase| phase.optimiser.unwrap_or(self.optimiser) != Optimiser::Sgd)
        {
            return Err(Violation::new(at("nesterov"), "only SGD has Nesterov's momentum")
                .help("set `optimiser = \"sgd\"`, or remove `nesterov`"));
        }
        within(at("label_smoothing"), self.label_smoothing, 0.0..=0.99)?;
        within(at("ema"), self.ema, 0.0..=0.999_999)?;
        within(at("patience"), self.patience, 0..=MAX_EPOCHS)?;
        for (key, is_on, why) in [
            ("validation", self.validation > 0.0, "a text has a validation part of its own"),
            ("learn_scales", self.learn_scales, "their outputs have no scales"),
        ] {
            if is_on && sequences {
                let cause = format!("`{key}` is not for networks of sequences: {why}");
                return Err(Violation::new(at(key), cause).help(format_args!("remove `{key}`")));
            }
        }
        self.check_loss(outputs, sequences)?;
        for (key, is_on) in [("patience", self.patience > 0), ("keep_best", self.keep_best)] {
            if is_on && self.validation == 0.0 && !sequences {
                let cause =
                    format!("`{key}` goes by the validation accuracy, but no samples are held out");
                return Err(Violation::new(at(key), cause)
                    .help(format_args!("set e.g. `validation = 0.1`, or remove `{key}`")));
            }
        }
        within(at("distill").key("lambda"), self.distill.lambda, 0.0..=1.0)?;
        within(at("distill").key("temperature"), self.distill.temperature, 0.1..=100.0)?;
        within(at("seed"), self.seed, 0..=i64::MAX as u64)?;
        within(at("threshold"), self.threshold, 0.0..=5.0)?;
        within(at("adder_penalty"), self.adder_penalty, 0.0..=1e3)?;
        for (key, phase) in
            [("full", &self.full), ("ternary", &self.ternary), ("frozen", &self.frozen)]
        {
            phase.check(&at(key))?;
            if !sequences && matches!(phase.schedule, Schedule::Plateau(_)) {
                let cause =
                    "only networks of sequences have a learning rate that goes by perplexity";
                return Err(Violation::new(at(key).key("schedule"), cause)
                    .help("choose e.g. `schedule = \"cosine\"`"));
            }
        }
        Ok(())
    }
}

impl Recipe {
    /// Checks the loss, and what goes with it alone.
    fn check_loss(&self, outputs: usize, sequences: bool) -> Result<(), Violation> {
        let at = |key| Place::new("train").key(key);
        if sequences && self.loss != Loss::CrossEntropy {
            let cause = "networks of sequences say the next character or word, one of several";
            return Err(Violation::new(at("loss"), cause).help("remove `loss`"));
        }
        for (key, is_on) in [
            ("label_smoothing", self.label_smoothing > 0.0),
            ("class_weights", self.class_weights != ClassWeights::None),
        ] {
            if is_on && (sequences && key != "label_smoothing" || self.loss != Loss::CrossEntropy) {
                let cause = format!("`{key}` is for samples of one class each");
                return Err(Violation::new(at(key), cause).help(format_args!("remove `{key}`")));
            }
        }
        check_scaling(&at("targets"), self.loss, self.targets.as_ref(), outputs)
    }

    /// Checks the tasks of heads, of which there are these, with so many outputs each.
    fn check_heads(&self, heads: &[(String, usize)]) -> Result<(), Violation> {
        for (name, Task { loss, weight, targets }) in &self.heads {
            let at = Place::new("train").key("heads").key(name.clone());
            let Some((_, outputs)) = heads.iter().find(|(head, _)| head == name) else {
                let cause = format!("the network has no head `{name}`");
                let names: Vec<&str> = heads.iter().map(|(name, _)| name.as_str()).collect();
                return Err(Violation::new(at, cause).help(match &names[..] {
                    [] => "remove `heads`, or add a head to the layers".to_owned(),
                    names => format!("its heads: {}", names.join(", ")),
                }));
            };
            within(at.clone().key("weight"), *weight, 1e-6..=1e6)?;
            check_scaling(&at.key("targets"), *loss, targets.as_ref(), *outputs)?;
        }
        Ok(())
    }

    /// The task of a head, or of the last layer where none is named.
    pub fn task(&self, head: Option<&str>) -> Task {
        match head {
            Some(head) => self.heads.get(head).cloned().unwrap_or_default(),
            None => Task { loss: self.loss, weight: 1.0, targets: self.targets.clone() },
        }
    }
}

/// Checks how the numbers of so many outputs are scaled.
fn check_scaling(
    place: &Place,
    loss: Loss,
    targets: Option<&Scaling>,
    outputs: usize,
) -> Result<(), Violation> {
    let Some(Scaling { offset, scale }) = targets else { return Ok(()) };
    let cause = if !loss.is_regression() {
        "`targets` scales the numbers of a regression, and the loss is of classes".into()
    } else if offset.len() != outputs || scale.len() != outputs {
        format!("`targets` has {} and {} numbers for {outputs} outputs", offset.len(), scale.len())
    } else if offset.iter().any(|v| !v.is_finite())
        || scale.iter().any(|v| !(v.is_normal() && *v > 0.0))
    {
        "`offset` must be finite, and `scale` finite and above 0".into()
    } else {
        return Ok(());
    };
    Err(Violation::new(place.clone(), cause)
        .help("remove `targets`: training takes them from the data"))
}

impl Phase {
    fn check(&self, place: &Place) -> Result<(), Violation> {
        let at = |key| place.clone().key(key);
        within(at("epochs"), self.epochs, 0..=MAX_EPOCHS)?;
        within(at("learning_rate"), self.learning_rate, 1e-9..=1e3)?;
        // More than the phase has is no mistake: `--epochs` may have cut the phase short.
        within(at("warmup"), self.warmup, 0.0..=MAX_EPOCHS as f64)?;
        if let Some(weight_decay) = self.weight_decay {
            within(at("weight_decay"), weight_decay, WEIGHT_DECAY)?;
        }
        match self.schedule {
            Schedule::Constant | Schedule::Cosine => Ok(()),
            Schedule::Step(Step { every, factor }) => {
                let step = at("schedule").key("step");
                within(step.clone().key("every"), every, 1..=MAX_EPOCHS)?;
                within(step.key("factor"), factor, 0.0..=1.0)
            }
            Schedule::OneCycle(OneCycle { rise }) => {
                within(at("schedule").key("one_cycle").key("rise"), rise, 0.0..=0.99)
            }
            Schedule::Plateau(Plateau { gain, factor }) => {
                let plateau = at("schedule").key("plateau");
                within(plateau.clone().key("gain"), gain, 0.0..=1e3)?;
                within(plateau.key("factor"), factor, 0.0..=1.0)
            }
        }
    }
}

fn within<T: PartialOrd + Display + Copy>(
    place: Place,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Violation> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    let cause = format!("{} = {} is out of range", place.last_key(), number(value));
    Err(Violation::new(place, cause).help(format_args!("choose a value from {low} to {high}")))
}

fn check_name(place: Place, name: &str) -> Result<(), Violation> {
    let mut bytes = name.bytes();
    let ok = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 64;
    if ok {
        return Ok(());
    }
    Err(Violation::new(place, format!("the name {name:?} is not usable"))
        .help("use at most 64 lower-case letters, digits and underscores, a letter first"))
}
