//! The nodes that compute, as layers.

use super::view::View;
use super::{
    Became, Builder, Kind, Layout, MOST_AREA, MOST_ELEMENTS, MOST_ENTRIES, Node, Value, Weights,
};
use crate::error::{Error, Result};
use crate::network::{
    Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Dense, Layer, Window, plan,
};
use crate::shape::{self, Extent, Join, Shape};
use ndarray::Array2;

/// Windows that move over an image, down and across.
struct Moves {
    kernel: Extent,
    stride: Extent,
    dilation: Extent,
    /// Pads above and at the left, below and at the right.
    begin: Extent,
    end: Extent,
}

impl Moves {
    /// Pixels that a window spans.
    fn span(&self) -> Extent {
        self.kernel.dilated(self.dilation)
    }
}

/// Sizes down and across, from those that a node has: one along the one row there is.
fn extent(sizes: &[usize], down: usize) -> Extent {
    match *sizes {
        [h, w] => Extent { h, w },
        [w] => Extent { h: down, w },
        _ => Extent::ONE,
    }
}

/// Which of a matrix of one number a channel.
type PerChannel<'a> = (&'a [f32], &'a [f32]);

impl Builder<'_> {
    /// The windows of a node with these many axes of pixels; `total` are the pads of both sides
    /// that keep the image as it is but for the stride.
    fn windows(
        &self,
        node: &Node,
        kernel: &[usize],
        total: impl Fn(&Moves) -> Extent,
    ) -> Result<Moves> {
        let n = kernel.len();
        let sizes = |name: &str, default| node.sizes(name, n, default);
        let [stride, dilation] = [sizes("strides", 1)?, sizes("dilations", 1)?];
        let pads = node.sizes("pads", 2 * n, 0)?;
        let most = |sizes: &[usize]| sizes.iter().all(|size| *size <= MOST_AREA);
        let all = [kernel, &stride, &dilation, &pads].into_iter().all(most);
        let no_zero = [kernel, &stride, &dilation].into_iter().flatten().all(|size| *size > 0);
        if !all || !no_zero {
            let cause = format!("has sizes that are not between 1 and {MOST_AREA}");
            return Err(node.refused(cause));
        }
        let mut moves = Moves {
            kernel: extent(kernel, 1),
            stride: extent(&stride, 1),
            dilation: extent(&dilation, 1),
            begin: extent(&pads[..n], 0),
            end: extent(&pads[n..], 0),
        };
        let span = moves.span();
        if span.area() > MOST_AREA {
            let cause = format!("has windows of {span} pixels, more than {MOST_AREA}");
            return Err(node.refused(cause));
        }
        let auto = node.text("auto_pad").unwrap_or_default();
        match &*auto {
            "" | "NOTSET" => {}
            "VALID" => (moves.begin, moves.end) = (Extent::square(0), Extent::square(0)),
            "SAME_UPPER" | "SAME_LOWER" => {
                let pad = total(&moves);
                let less = Extent { h: pad.h / 2, w: pad.w / 2 };
                let more = pad.zip(less, |pad, less| pad - less);
                (moves.begin, moves.end) =
                    if auto == "SAME_UPPER" { (less, more) } else { (more, less) };
            }
            auto => return Err(node.refused(format_args!("has the unknown auto_pad {auto}"))),
        }
        Ok(moves)
    }

    pub(super) fn conv(&mut self, i: usize, node: &Node) -> Result<Became> {
        let weight = self.constant(node, 1, "weight")?.clone();
        let [c_out, per_group, ref kernel @ ..] = *weight.axes else {
            return Err(node.refused(format_args!("has a weight of axes {:?}", weight.axes)));
        };
        if !(1..=2).contains(&kernel.len()) {
            let cause = format!("goes along {} axes; one or two are understood", kernel.len());
            return Err(node.refused(cause));
        }
        let bias = self.optional(node, 2, "bias")?.map(|bias| bias.reals());
        let bias = bias.unwrap_or_else(|| vec![0.0; c_out]);
        let (value, shape, channels) = self.image(node, 0, kernel.len())?;
        let c_in = shape.channels;
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let divides = |n: usize| groups > 0 && n > 0 && n.is_multiple_of(groups);
        if !divides(c_in) || !divides(c_out) || c_in / groups != per_group || bias.len() != c_out {
            let cause = format!(
                "has a weight of axes {:?}, a bias of {} and {groups} groups for {c_in} channels",
                weight.axes,
                bias.len()
            );
            return Err(node.refused(cause));
        }
        let moves = self.windows(node, kernel, same(shape))?;
        // A pad that is larger on one side is one of both sides, before a kernel with zeros.
        let pad = moves.begin.zip(moves.end, usize::max);
        let before = pad.zip(moves.begin, |pad, begin| pad - begin);
        let after = pad.zip(moves.end, |pad, end| pad - end);
        let whole = before.zip(moves.span(), |before, span| before + span);
        let whole = whole.zip(after, |whole, after| whole + after);
        let Some(windows) = shape.windows(whole, moves.stride, pad) else {
            return Err(node.refused(format_args!("has no window of {whole} in {shape}")));
        };
        let depthwise = groups > 1 && groups == c_in;
        if groups > 1 && !depthwise && !in_order(&channels) {
            return Err(node.refused(OUT_OF_ORDER));
        }
        let columns = whole.area().checked_mul(if depthwise { 1 } else { c_in });
        let entries = columns.and_then(|n| n.checked_mul(c_out)).filter(|n| *n <= MOST_ENTRIES);
        self.make(node, entries)?;
        let mut matrix = Array2::zeros((c_out, columns.unwrap_or(0)));
        let mut own_bias = vec![0.0; c_out];
        let mut outputs = vec![0; c_out];
        let reals = weight.reals();
        let mut left = reals.chunks_exact(moves.kernel.area());
        for o in 0..c_out {
            let group = o / (c_out / groups);
            let row = if depthwise {
                channels[group] as usize * (c_out / groups) + o % (c_out / groups)
            } else {
                o
            };
            (own_bias[row], outputs[o]) = (bias[o], row as u32);
            for input in 0..per_group {
                let (channel, width) = if depthwise {
                    (0, 1)
                } else {
                    (channels[group * per_group + input] as usize, c_in)
                };
                for (k, v) in left.next().unwrap_or_default().iter().enumerate() {
                    let y = before.h + k / moves.kernel.w * moves.dilation.h;
                    let x = before.w + k % moves.kernel.w * moves.dilation.w;
                    matrix[[row, (y * whole.w + x) * width + channel]] = *v;
                }
            }
        }
        let given = (groups > 1).then_some(groups);
        let layer = conv_layer(kernel.len(), c_out, whole, moves.stride, pad, given);
        let output = Shape { height: windows.h, width: windows.w, channels: c_out };
        let mut view = View::image(output, kernel.len());
        view.0[0] = outputs;
        self.linear(i, node, &value, layer, Weights { matrix, bias: own_bias }, output, view)
    }

    /// A transposed convolution, which makes images exactly `stride` times as large.
    pub(super) fn conv_transpose(&mut self, i: usize, node: &Node) -> Result<Became> {
        let weight = self.constant(node, 1, "weight")?.clone();
        let [c_in, per_group, ref kernel @ ..] = *weight.axes else {
            return Err(node.refused(format_args!("has a weight of axes {:?}", weight.axes)));
        };
        if !(1..=2).contains(&kernel.len()) {
            let cause = format!("goes along {} axes; one or two are understood", kernel.len());
            return Err(node.refused(cause));
        }
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let c_out = per_group.saturating_mul(groups);
        let bias = self.optional(node, 2, "bias")?.map(|bias| bias.reals());
        let (value, shape, channels) = self.image(node, 0, kernel.len())?;
        let fits = groups > 0 && c_in == shape.channels && c_in.is_multiple_of(groups);
        let biases = bias.as_ref().map_or(c_out, Vec::len);
        if !fits || c_out == 0 || biases != c_out {
            let cause = format!(
                "has a weight of axes {:?}, a bias of {biases} and {groups} groups for {} channels",
                weight.axes, shape.channels
            );
            return Err(node.refused(cause));
        }
        let depthwise = groups > 1 && groups == c_in;
        if groups > 1 && !depthwise && !in_order(&channels) {
            return Err(node.refused(OUT_OF_ORDER));
        }
        if node.attribute("output_shape").is_some() {
            let help = "export it with `pads` and `output_padding`";
            return Err(node.refused("has an output_shape of its own").help(help));
        }
        let more = node.sizes("output_padding", kernel.len(), 0)?;
        if more.iter().any(|size| *size > MOST_AREA) {
            return Err(node.refused(format_args!("has an output_padding of {more:?}")));
        }
        let more = extent(&more, 0);
        let grown = |moves: &Moves| moves.span().zip(more, |span, more| span + more);
        let moves = self
            .windows(node, kernel, |moves| grown(moves).zip(moves.stride, usize::saturating_sub))?;
        let stride = moves.stride;
        let pads = moves.begin.zip(moves.end, |begin, end| begin + end);
        if grown(&moves) != stride.zip(pads, |stride, pads| stride + pads) {
            return Err(grows_otherwise(node, &moves));
        }
        // Where more is cut away behind than before, or less than can be put on, the kernel has
        // zeros there.
        let twice = moves.begin.zip(stride, |begin, stride| stride + 2 * begin);
        let before = moves.span().zip(twice, usize::saturating_sub);
        let pad = moves.begin.zip(before, |begin, zeros| begin + zeros);
        let whole = moves.span().zip(before, |span, zeros| span + zeros);
        let whole = whole.zip(pad, |whole, pad| whole.max(2 * pad + 1));
        let output_pad = stride.zip(pad, |stride, pad| stride + 2 * pad);
        let output_pad = output_pad.zip(whole, |all, whole| all - whole);
        let (taps, lead) = (shape::reach(whole, stride, pad), shape::lead(whole, stride, pad));
        let columns = taps.area().checked_mul(c_in);
        let rows = stride.area().checked_mul(c_out);
        let entries = columns.zip(rows).and_then(|(n, m)| n.checked_mul(m));
        self.make(node, entries)?;
        let mut matrix = Array2::zeros((rows.unwrap_or(0), columns.unwrap_or(0)));
        let reals = weight.reals();
        // The pixel of a patch that an entry of a kernel is for, and that of the window it is of.
        let at = |k: usize, pad: usize, stride: usize, lead: usize| {
            let from = k as i64 - pad as i64;
            let window = lead as i64 - from.div_euclid(stride as i64);
            (from.rem_euclid(stride as i64) as usize, window as usize)
        };
        let each = reals.chunks_exact(moves.kernel.area()).take(c_in * per_group);
        let mut outputs = vec![0; c_out];
        for (number, entries) in each.enumerate() {
            let (input, own) = (number / per_group, number % per_group);
            let group = input / (c_in / groups);
            let place = if depthwise { channels[group] as usize } else { group };
            let output = place * per_group + own;
            outputs[group * per_group + own] = output as u32;
            for (k, v) in entries.iter().enumerate() {
                let y = before.h + k / moves.kernel.w * moves.dilation.h;
                let x = before.w + k % moves.kernel.w * moves.dilation.w;
                let (y, down) = at(y, pad.h, stride.h, lead.h);
                let (x, across) = at(x, pad.w, stride.w, lead.w);
                let column = (down * taps.w + across) * c_in + channels[input] as usize;
                matrix[[(y * stride.w + x) * c_out + output, column]] = *v;
            }
        }
        let given = (groups > 1).then_some(groups);
        let layer = transposed_layer(kernel.len(), c_out, whole, stride, pad, output_pad, given);
        let (height, width) = (shape.height * stride.h, shape.width * stride.w);
        let output = Shape { height, width, channels: c_out };
        let mut own_bias = vec![0.0; c_out];
        for (place, bias) in outputs.iter().zip(bias.unwrap_or_default()) {
            own_bias[*place as usize] = bias;
        }
        let weights = Weights { matrix, bias: own_bias };
        let mut view = View::image(output, kernel.len());
        view.0[0] = outputs;
        self.linear(i, node, &value, layer, weights, output, view)
    }

    pub(super) fn gemm(&mut self, i: usize, node: &Node) -> Result<Became> {
        if node.int("transA", 0) != 0 {
            return Err(node.refused("transposes its data (transA)"));
        }
        let weight = self.constant(node, 1, "weight")?.clone();
        let [rows, columns] = *weight.axes else {
            return Err(node.refused(format_args!("has a weight of axes {:?}", weight.axes)));
        };
        let (alpha, beta) = (node.real("alpha", 1.0), node.real("beta", 1.0));
        let transposed = node.int("transB", 0) != 0;
        let units = if transposed { rows } else { columns };
        let bias = match self.optional(node, 2, "bias")? {
            None => vec![0.0; units],
            Some(bias) if bias.len() == 1 => vec![beta * bias.reals()[0]; units],
            Some(bias) => bias.reals().iter().map(|b| beta * b).collect(),
        };
        self.make(node, Some(weight.len()))?;
        let Ok(mut matrix) = Array2::from_shape_vec((rows, columns), weight.reals()) else {
            return Err(node.refused("has a weight without its numbers"));
        };
        if !transposed {
            matrix = matrix.reversed_axes();
        }
        matrix *= alpha;
        self.dense(i, node, matrix, bias)
    }

    /// A product with `[outputs, inputs]` of all elements of a sample.
    fn dense(&mut self, i: usize, node: &Node, w: Array2<f32>, bias: Vec<f32>) -> Result<Became> {
        let vector = |view: &View| (view.0.len() == 1).then_some(Layout::Vector);
        let value = self.value(node, 0, vector)?;
        let (axes, units) = (value.view.axes(), w.nrows());
        let shape = self.ops[value.op].output;
        let fits = *axes == [w.ncols()] && shape.elements() == w.ncols();
        if !fits || bias.len() != units || units == 0 {
            let cause = format!(
                "multiplies samples of axes {axes:?} by [{}, {units}], with {} biases",
                w.ncols(),
                bias.len()
            );
            return Err(node.refused(cause));
        }
        let mut matrix = Array2::zeros(w.dim());
        for (place, column) in value.view.0[0].iter().zip(w.columns()) {
            matrix.column_mut(*place as usize).assign(&column);
        }
        let layer = Layer::Dense(Dense { units, ..dense_layer() });
        let output = Shape::vector(units);
        let view = View::plain(&[units]);
        self.linear(i, node, &value, layer, Weights { matrix, bias }, output, view)
    }

    pub(super) fn mat_mul(&mut self, i: usize, node: &Node) -> Result<Became> {
        if !node.input(0).is_some_and(|name| self.is_data(name)) {
            return Err(node.refused("multiplies a constant by data: the data must come first"));
        }
        let weight = self.constant(node, 1, "weight")?.clone();
        let [rows, units] = *weight.axes else {
            return Err(node.refused(format_args!("has a weight of axes {:?}", weight.axes)));
        };
        self.make(node, Some(weight.len()))?;
        let Ok(w) = Array2::from_shape_vec((rows, units), weight.reals()) else {
            return Err(node.refused("has a weight without its numbers"));
        };
        let w = w.reversed_axes();
        if self.raw(node, 0)?.view.0.len() == 1 {
            return self.dense(i, node, w, vec![0.0; units]);
        }
        // The same product for every pixel.
        let pixels = |view: &View| (2..=3).contains(&view.0.len()).then_some(Layout::ChannelsLast);
        let value = self.value(node, 0, pixels)?;
        let shape = self.ops[value.op].output;
        let last = value.view.0.len() - 1;
        if value.view.channels(shape) != Some(last) || shape.channels != rows || units == 0 {
            let axes = value.view.axes();
            let cause = format!(
                "multiplies samples of axes {axes:?} by [{rows}, {units}], where the last axis is \
                 not the channels of an image"
            );
            return Err(node.refused(cause));
        }
        let mut matrix = Array2::zeros(w.dim());
        for (place, column) in value.view.0[last].iter().zip(w.columns()) {
            matrix.column_mut(*place as usize).assign(&column);
        }
        let spatial = if shape.height == 1 { 1 } else { 2 };
        let (one, none) = (Extent::ONE, Extent::square(0));
        let layer = conv_layer(spatial, units, one, one, none, None);
        let channels = (0..units as u32).collect();
        let view = value.view.with_channels(last, shape.channels, units, channels);
        let weights = Weights { matrix, bias: vec![0.0; units] };
        let output = Shape { channels: units, ..shape };
        self.linear(i, node, &value, layer, weights, output, view)
    }

    /// Adds a linear layer, or makes one of it and a linear layer right before it.
    #[allow(clippy::too_many_arguments)]
    fn linear(
        &mut self,
        i: usize,
        node: &Node,
        value: &Value,
        layer: Layer,
        weights: Weights,
        output: Shape,
        view: View,
    ) -> Result<Became> {
        if value.alone
            && is_pointwise(&layer)
            && let Kind::Linear(before, first) = &mut self.ops[value.op].kind
            && merges(before, &layer)
        {
            let bias = weights.matrix.dot(&ndarray::aview1(&first.bias));
            first.matrix = weights.matrix.dot(&first.matrix);
            first.bias = bias.iter().zip(&weights.bias).map(|(a, b)| a + b).collect();
            set_channels(before, output.channels);
            self.ops[value.op].output = output;
            self.yields(node, value.op, view);
            return Ok(Became::Folded(value.op));
        }
        let op = self.push(i, Kind::Linear(layer, weights), vec![value.op], output)?;
        self.yields(node, op, view);
        Ok(Became::Layer(op))
    }

    pub(super) fn batch_norm(&mut self, i: usize, node: &Node) -> Result<Became> {
        if node.int("training_mode", 0) != 0 {
            return Err(node
                .refused("is in training mode")
                .help("export the network after .eval()"));
        }
        let epsilon = node.real("epsilon", 1e-5);
        let names = ["scale", "bias", "mean", "variance"];
        let mut given = vec![];
        for (k, name) in names.into_iter().enumerate() {
            given.push(self.constant(node, k + 1, name)?.reals());
        }
        let [scale, bias, mean, variance] = &given[..] else { return Err(node.refused("")) };
        if [bias, mean, variance].iter().any(|v| v.len() != scale.len()) {
            return Err(node.refused("has statistics of different lengths"));
        }
        let slope = scale.iter().zip(variance);
        let slope: Vec<f32> = slope.map(|(s, v)| s / (v.max(0.0) + epsilon).sqrt()).collect();
        let shift = bias.iter().zip(mean).zip(&slope).map(|((b, m), s)| b - m * s);
        let shift: Vec<f32> = shift.collect();
        let value = self.value(node, 0, first_is_channels)?;
        self.affine(i, node, &value, 0, (&slope, &shift))
    }

    /// `x · scale + shift`, channel by channel: in the linear layer before, or a layer of one
    /// multiplication a channel.
    fn affine(
        &mut self,
        i: usize,
        node: &Node,
        value: &Value,
        axis: usize,
        (scale, shift): PerChannel,
    ) -> Result<Became> {
        let shape = self.ops[value.op].output;
        let table =
            value.view.0.get(axis).filter(|table| {
                value.view.channels(shape) == Some(axis) && table.len() == scale.len()
            });
        let Some(table) = table else {
            let axes = value.view.axes();
            let cause = format!(
                "has {} factors for samples of axes {axes:?}, where one for each channel of an image \
                 is due",
                scale.len()
            );
            return Err(node.refused(cause));
        };
        let c = shape.channels;
        let (mut own_scale, mut own_shift) = (vec![0.0; c], vec![0.0; c]);
        for (k, channel) in table.iter().enumerate() {
            own_scale[*channel as usize] = scale[k];
            own_shift[*channel as usize] = shift[k];
        }
        let view = value.view.clone();
        if value.alone
            && let Kind::Linear(_, weights) = &mut self.ops[value.op].kind
        {
            // Of a transposed convolution, those of each pixel of a patch.
            let rows = weights.matrix.rows_mut().into_iter().zip(own_scale.iter().cycle());
            rows.for_each(|(mut row, a)| row *= *a);
            for (bias, (a, b)) in weights.bias.iter_mut().zip(own_scale.iter().zip(&own_shift)) {
                *bias = *bias * a + b;
            }
            self.yields(node, value.op, view);
            return Ok(Became::Folded(value.op));
        }
        self.make(node, Some(c))?;
        let spatial = if shape.height == 1 { 1 } else { 2 };
        let (one, none) = (Extent::ONE, Extent::square(0));
        let mut layer = conv_layer(spatial, c, one, one, none, (c > 1).then_some(c));
        make_plain(&mut layer);
        let Ok(matrix) = Array2::from_shape_vec((c, 1), own_scale) else {
            return Err(node.refused("has a factor too many"));
        };
        let weights = Weights { matrix, bias: own_shift };
        let op = self.push(i, Kind::Linear(layer, weights), vec![value.op], shape)?;
        self.yields(node, op, view);
        Ok(Became::Layer(op))
    }

    /// A function of each element, `layer`; `told` is what became of the node.
    pub(super) fn activation(
        &mut self,
        i: usize,
        node: &Node,
        layer: Layer,
        told: String,
    ) -> Result<Became> {
        let value = self.raw(node, 0)?;
        if value.op == 0 {
            if self.options.signed || layer != Layer::Relu {
                let cause = format!("is a function of the network's input, {told}");
                return Err(node.refused(cause).help("put a linear layer before it"));
            }
            self.pass(node)?;
            return Ok(Became::Nothing("changes nothing: the input is not negative".into()));
        }
        if let Kind::Activation(Layer::Relu) = self.ops[value.op].kind
            && layer == Layer::Relu
        {
            self.pass(node)?;
            return Ok(Became::Nothing("changes nothing".into()));
        }
        let shape = self.ops[value.op].output;
        let op = self.push(i, Kind::Activation(layer), vec![value.op], shape)?;
        self.yields(node, op, value.view);
        Ok(Became::Activation(told))
    }

    /// The slope below 0 becomes the nearest power of two.
    pub(super) fn leaky_relu(&mut self, i: usize, node: &Node) -> Result<Became> {
        let alpha = node.real("alpha", 0.01);
        if alpha == 0.0 {
            return self.activation(i, node, Layer::Relu, "relu".into());
        }
        let shift = -alpha.log2().round();
        if !(1.0..=15.0).contains(&shift) {
            let cause = format!("has a slope of {alpha} below 0; understood are 2^-1 to 2^-15");
            return Err(node.refused(cause));
        }
        let mut told = format!("leaky_relu = {shift}");
        if alpha != (-shift).exp2() {
            told += &format!(": the slope 2^-{shift} in the place of {alpha}");
        }
        self.activation(i, node, Layer::LeakyRelu(shift as u32), told)
    }

    pub(super) fn clip(&mut self, i: usize, node: &Node) -> Result<Became> {
        let mut bounds = [f32::NEG_INFINITY, f32::INFINITY];
        for (bound, (k, name)) in bounds.iter_mut().zip([(1, "minimum"), (2, "maximum")]) {
            if let Some(given) = self.optional(node, k, name)? {
                *bound = given.reals().first().copied().unwrap_or(*bound);
            }
        }
        match bounds {
            [0.0, f32::INFINITY] => self.activation(i, node, Layer::Relu, "relu".into()),
            [0.0, 6.0] => self.activation(i, node, Layer::Relu6, "relu6".into()),
            [0.0, most] if (1e-6..=1e6).contains(&most) => {
                let told = format!("clipped_relu = {most}");
                self.activation(i, node, Layer::ClippedRelu(most.into()), told)
            }
            [least, most] => {
                let cause = format!("keeps values within {least} to {most}; understood is from 0");
                Err(node.refused(cause))
            }
        }
    }

    pub(super) fn pool(&mut self, i: usize, node: &Node) -> Result<Became> {
        let spatial = self.raw(node, 0)?.view.0.len().saturating_sub(1);
        if !(1..=2).contains(&spatial) {
            let cause = format!("pools along {spatial} axes; one or two are understood");
            return Err(node.refused(cause));
        }
        let (value, shape, channels) = self.image(node, 0, spatial)?;
        let kernel = node.sizes("kernel_shape", spatial, 0)?;
        let moves = self.windows(node, &kernel, same(shape))?;
        let Moves { kernel: size, stride, dilation, begin, end } = moves;
        let image = Extent { h: shape.height, w: shape.width };
        let padded = image.zip(begin, |n, pad| n + pad).zip(end, |n, pad| n + pad);
        let left =
            padded.zip(size, usize::saturating_sub).zip(stride, |rest, stride| rest % stride);
        let is_mean = node.operator() == "AveragePool";
        let odd = if dilation != Extent::ONE {
            Some("has dilations")
        } else if begin != end {
            Some("has other pads at the lower and right than at the upper and left side")
        } else if node.int("ceil_mode", 0) != 0 && left != Extent::square(0) {
            Some("has windows that reach beyond its pads (ceil_mode)")
        } else if is_mean && begin != Extent::square(0) && node.int("count_include_pad", 0) == 0 {
            Some("is a mean that leaves pads out (count_include_pad = 0)")
        } else {
            None
        };
        if let Some(cause) = odd {
            return Err(node.refused(cause));
        }
        if size == Extent::ONE && stride == Extent::ONE {
            self.pass(node)?;
            return Ok(Became::Nothing("changes nothing".into()));
        }
        let Some(windows) = shape.windows(size, stride, begin) else {
            return Err(node.refused(format_args!("has no window of {size} in {shape}")));
        };
        let window = Window { size: size.into(), stride: Some(stride.into()), pad: begin.into() };
        let layer = if is_mean { Layer::AveragePool(window) } else { Layer::MaxPool(window) };
        let output = Shape { height: windows.h, width: windows.w, channels: shape.channels };
        let mut view = View::image(output, spatial);
        view.0[0] = channels;
        let op = self.push(i, Kind::Pixels(layer), vec![value.op], output)?;
        self.yields(node, op, view);
        Ok(Became::Layer(op))
    }

    /// The mean of all pixels; the axes of pixels stay, with one index each, where `keeps`.
    pub(super) fn global_pool(&mut self, i: usize, node: &Node, keeps: bool) -> Result<Became> {
        let spatial = self.raw(node, 0)?.view.0.len().saturating_sub(1);
        let (value, shape, channels) = self.image(node, 0, spatial.clamp(1, 2))?;
        let axes = if keeps { spatial + 1 } else { 1 };
        let mut view = View(vec![vec![0]; axes]);
        view.0[0] = channels;
        if shape.pixels() == 1 {
            let value = Value { view, ..value };
            self.values.insert(node.output().to_owned(), value);
            return Ok(Became::Nothing("changes nothing: there is one pixel".into()));
        }
        let output = Shape::vector(shape.channels);
        let op = self.push(i, Kind::Pixels(Layer::GlobalAveragePool), vec![value.op], output)?;
        self.yields(node, op, view);
        Ok(Became::Layer(op))
    }

    pub(super) fn reduce_mean(&mut self, i: usize, node: &Node) -> Result<Became> {
        let rank = self.raw(node, 0)?.view.0.len() as i64 + 1;
        // An attribute up to operator set 17.
        let given = match node.attribute("axes") {
            Some(axes) => Some(axes.ints.clone()),
            None => self.wholes(node, 1, "axes")?,
        };
        let mut axes: Vec<i64> =
            given.unwrap_or_default().iter().map(|a| a.rem_euclid(rank)).collect();
        axes.sort_unstable();
        if axes.is_empty() || axes != (2..rank).collect::<Vec<_>>() {
            return Err(node.refused(format_args!(
                "is a mean along the axes {axes:?} of {rank}; understood is that of all pixels"
            )));
        }
        self.global_pool(i, node, node.int("keepdims", 1) != 0)
    }

    /// An upsampling to the nearest pixel, where each is repeated equally often.
    pub(super) fn resize(&mut self, i: usize, node: &Node) -> Result<Became> {
        let spatial = self.raw(node, 0)?.view.0.len().saturating_sub(1);
        let (value, shape, channels) = self.image(node, 0, spatial.clamp(1, 2))?;
        let own = [1, shape.channels, shape.height, shape.width];
        let own = if spatial == 1 { vec![1, shape.channels, shape.width] } else { own.to_vec() };
        let scales = self.optional(node, 2, "scales")?.map(|scales| scales.reals());
        let sizes = self.wholes(node, 3, "sizes")?;
        let axes: Vec<usize> = match node.attribute("axes") {
            Some(axes) => {
                axes.ints.iter().map(|a| a.rem_euclid(own.len() as i64) as usize).collect()
            }
            None => (0..own.len()).collect(),
        };
        // How often each axis is repeated; none where it is not, or not everywhere equally.
        let mut times = vec![Some(1); own.len()];
        for (k, &axis) in axes.iter().enumerate() {
            let n = own[axis];
            let whole =
                |scale: f32| (scale >= 1.0 && scale.fract() == 0.0).then_some(scale as usize);
            times[axis] = match (&sizes, &scales) {
                // The number of samples may be unknown.
                (Some(sizes), _) if !sizes.is_empty() && axis == 0 => Some(1),
                (Some(sizes), _) if !sizes.is_empty() => (sizes.get(k))
                    .and_then(|size| usize::try_from(*size).ok())
                    .and_then(|size| (size > 0 && size.is_multiple_of(n)).then_some(size / n)),
                (_, Some(scales)) => scales.get(k).copied().and_then(whole),
                _ => None,
            };
        }
        let asked = |name: &str, default: &str| node.text(name).unwrap_or_else(|| default.into());
        let nearest = Nearest {
            coordinates: asked("coordinate_transformation_mode", "half_pixel"),
            rounding: asked("nearest_mode", "round_prefer_floor"),
        };
        let repeats = asked("mode", "nearest") == "nearest"
            && times
                .iter()
                .zip(&own)
                .all(|(times, n)| times.is_some_and(|k| nearest.repeats(*n, k)));
        let times: Vec<usize> = times.into_iter().flatten().collect();
        let (true, [1, 1, along @ ..]) = (repeats, &*times) else {
            let cause = "does not repeat each pixel equally often: understood is the nearest of \
                         mode and coordinates, with whole scales";
            return Err(node.refused(cause));
        };
        let size = match *along {
            [h, w] => Extent { h, w },
            [w] => Extent { h: 1, w },
            _ => return Err(node.refused("is not along one or two axes of pixels")),
        };
        if size == Extent::ONE {
            self.pass(node)?;
            return Ok(Became::Nothing("changes nothing".into()));
        }
        let more = |n: usize, times: usize| {
            n.checked_mul(times).ok_or_else(|| node.refused("yields too many pixels"))
        };
        let (height, width) = (more(shape.height, size.h)?, more(shape.width, size.w)?);
        let output = Shape { height, width, channels: shape.channels };
        let layer = Layer::Upsample(size.into());
        let op = self.push(i, Kind::Pixels(layer), vec![value.op], output)?;
        let mut view = View::image(output, spatial);
        view.0[0] = channels;
        self.yields(node, op, view);
        Ok(Became::Layer(op))
    }

    pub(super) fn arithmetic(&mut self, i: usize, node: &Node) -> Result<Became> {
        let of_data = |builder: &Self, k| node.input(k).is_some_and(|name| builder.is_data(name));
        let operator = node.operator();
        let (data, constant) = match (of_data(self, 0), of_data(self, 1)) {
            (true, true) if operator == "Add" => return self.add(i, node),
            (true, true) => {
                let cause = format!("is a {operator} of two values that are computed");
                return Err(node.refused(cause));
            }
            (first, _) => (usize::from(!first), usize::from(first)),
        };
        let value = self.value(node, data, first_is_channels)?;
        let given = self.constant(node, constant, "operand")?;
        let (axes, given) = (given.axes.clone(), given.reals());
        let shape = self.ops[value.op].output;
        let rank = value.view.0.len() + 1;
        let axis = value.view.channels(shape);
        // A constant is of the last axes, and its sizes are 1 where all elements share a number.
        let own = axes.iter().rposition(|size| *size > 1).map(|k| k + rank - axes.len().min(rank));
        let is_of_channels = own.is_none() || own == axis.map(|axis| axis + 1);
        let (Some(axis), true) = (axis, is_of_channels && axes.len() <= rank) else {
            let cause = format!(
                "has a constant of axes {axes:?} for samples of axes {:?}: neither one number nor \
                 one for each channel",
                value.view.axes()
            );
            return Err(node.refused(cause));
        };
        let numbers = match *given {
            [number] => vec![number; shape.channels],
            _ => given,
        };
        let one = |c: &f32| match (operator, data) {
            ("Add", _) => Some((1.0, *c)),
            ("Sub", 0) => Some((1.0, -c)),
            ("Sub", _) => Some((-1.0, *c)),
            ("Mul", _) => Some((*c, 0.0)),
            ("Div", 0) if *c != 0.0 => Some((1.0 / c, 0.0)),
            _ => None,
        };
        let Some(both) = numbers.iter().map(one).collect::<Option<Vec<_>>>() else {
            return Err(node.refused("divides by data or by 0"));
        };
        let (scale, shift): (Vec<f32>, Vec<f32>) = both.into_iter().unzip();
        self.affine(i, node, &value, axis, (&scale, &shift))
    }

    /// The sum of two values.
    fn add(&mut self, i: usize, node: &Node) -> Result<Became> {
        let a = self.value(node, 0, first_is_channels)?;
        let b = self.value(node, 1, first_is_channels)?;
        let shapes = [&a, &b].map(|value| self.ops[value.op].output);
        if a.view != b.view || shapes[0] != shapes[1] {
            let cause = format!(
                "adds samples of axes {:?} and {:?}, whose elements do not lie in one order",
                a.view.axes(),
                b.view.axes()
            );
            return Err(node.refused(cause));
        }
        let op = self.push(i, Kind::Join(Join::Add), vec![a.op, b.op], shapes[0])?;
        self.yields(node, op, a.view);
        Ok(Became::Layer(op))
    }

    pub(super) fn concat(&mut self, i: usize, node: &Node) -> Result<Became> {
        let mut joined: Option<Value> = None;
        for k in 0..node.proto.input.len() {
            let next = self.value(node, k, first_is_channels)?;
            let rank = next.view.0.len() as i64 + 1;
            let axis = node.int("axis", 1);
            let axis = (if axis < 0 { axis.saturating_add(rank) } else { axis }) - 1;
            joined = Some(match joined {
                None => next,
                Some(before) => self.join(i, node, before, next, axis)?,
            });
        }
        let Some(joined) = joined else { return Err(node.refused("has no inputs")) };
        let op = joined.op;
        self.values.insert(node.output().to_owned(), joined);
        Ok(Became::Layer(op))
    }

    /// Two values side by side, along an axis that is that of channels.
    fn join(&mut self, i: usize, node: &Node, a: Value, b: Value, axis: i64) -> Result<Value> {
        let [own, other] = [&a, &b].map(|value| self.ops[value.op].output);
        let output = Join::Concat.shape(own, other);
        let along = |value: &Value, shape| {
            let channels = value.view.channels(shape)?;
            (channels as i64 == axis).then(|| value.view.0[channels].clone())
        };
        let (Some(output), Some(first), Some(second)) = (output, along(&a, own), along(&b, other))
        else {
            let cause = format!(
                "puts {own} and {other} side by side along axis {}, which is not that of the \
                 channels of two images of the same pixels",
                axis + 1
            );
            return Err(node.refused(cause));
        };
        // The first branch has a layer: where it has none, it becomes the second one.
        let swaps = self.meeting(&[a.op, b.op]) == a.op;
        let behind = |table: Vec<u32>, by: usize| table.into_iter().map(move |c| c + by as u32);
        let (from, channels): (_, Vec<u32>) = if swaps {
            (vec![b.op, a.op], behind(first, other.channels).chain(second).collect())
        } else {
            let second = behind(second, own.channels);
            (vec![a.op, b.op], first.into_iter().chain(second).collect())
        };
        let view = a.view.with_channels(axis as usize, own.channels, output.channels, channels);
        let op = self.push(i, Kind::Join(Join::Concat), from, output)?;
        Ok(Value { op, view, alone: true })
    }
}

/// How a Resize finds the pixel that it reads.
struct Nearest {
    coordinates: String,
    rounding: String,
}

impl Nearest {
    /// Whether each of n pixels is read so many times in a row.
    fn repeats(&self, n: usize, times: usize) -> bool {
        let Some(last) = n.checked_mul(times).filter(|size| *size <= MOST_ELEMENTS) else {
            return false;
        };
        let (n, k) = (n as f64, times as f64);
        let read = |x: usize| {
            let x = x as f64;
            let place = match &*self.coordinates {
                "asymmetric" => x / k,
                "half_pixel" | "half_pixel_symmetric" => (x + 0.5) / k - 0.5,
                "pytorch_half_pixel" if last > 1 => (x + 0.5) / k - 0.5,
                "align_corners" if last > 1 => x * (n - 1.0) / (last as f64 - 1.0),
                _ => return None,
            };
            let rounded = match &*self.rounding {
                "floor" => place.floor(),
                "ceil" => place.ceil(),
                "round_prefer_floor" => (place - 0.5).ceil(),
                "round_prefer_ceil" => (place + 0.5).floor(),
                _ => return None,
            };
            Some(rounded.clamp(0.0, n - 1.0))
        };
        times == 1 || (0..last).all(|x| read(x) == Some((x / times) as f64))
    }
}

/// How what works on images or vectors alike takes the axes of the network's input.
fn first_is_channels(view: &View) -> Option<Layout> {
    match view.0.len() {
        1 => Some(Layout::Vector),
        2 | 3 => Some(Layout::ChannelsFirst),
        _ => None,
    }
}

/// A dense layer that says nothing but that it is one.
pub(super) fn dense_layer() -> Dense {
    Dense { units: 1, r: None, rank: None, plain: None, threshold: None }
}

/// A convolution, along one row where there is one axis of pixels.
fn conv_layer(
    spatial: usize,
    channels: usize,
    kernel: Extent,
    stride: Extent,
    pad: Extent,
    groups: Option<usize>,
) -> Layer {
    let (r, plain, threshold) = (None, None, None);
    if spatial == 1 {
        let (kernel, stride, pad, p) = (kernel.w, stride.w, pad.w, None);
        let dilation = 1;
        let conv =
            Conv1d { channels, kernel, stride, dilation, pad, r, p, groups, plain, threshold };
        return Layer::Conv1d(conv);
    }
    let (kernel, stride, pad, p) = (kernel.into(), stride.into(), pad.into(), None);
    let dilation = 1.into();
    Layer::Conv2d(Conv2d {
        channels,
        kernel,
        stride,
        dilation,
        pad,
        r,
        p,
        groups,
        plain,
        threshold,
    })
}

/// A transposed convolution, along one row where there is one axis of pixels.
fn transposed_layer(
    spatial: usize,
    channels: usize,
    kernel: Extent,
    stride: Extent,
    pad: Extent,
    output_pad: Extent,
    groups: Option<usize>,
) -> Layer {
    let (r, threshold) = (None, None);
    if spatial == 1 {
        let (kernel, stride, pad, output_pad) = (kernel.w, stride.w, pad.w, output_pad.w);
        let conv =
            ConvTranspose1d { channels, kernel, stride, pad, output_pad, r, groups, threshold };
        return Layer::ConvTranspose1d(conv);
    }
    let [kernel, stride, pad, output_pad] = [kernel, stride, pad, output_pad].map(Into::into);
    let conv = ConvTranspose2d { channels, kernel, stride, pad, output_pad, r, groups, threshold };
    Layer::ConvTranspose2d(conv)
}

/// What is wrong with groups where channels are not [in order](in_order).
const OUT_OF_ORDER: &str = "has groups of channels that do not lie side by side any more";

/// Whether each channel is the one of ours that has its number.
fn in_order(channels: &[u32]) -> bool {
    channels.iter().enumerate().all(|(i, c)| i == *c as usize)
}

/// The pads of both sides with which as many windows fit an image as it has pixels, but for the
/// stride.
fn same(shape: Shape) -> impl Fn(&Moves) -> Extent {
    let image = Extent { h: shape.height, w: shape.width };
    move |moves| {
        let windows = image.zip(moves.stride, usize::div_ceil);
        let reach = windows.zip(moves.stride, |windows, stride| (windows - 1) * stride);
        let reach = reach.zip(moves.span(), |reach, span| reach + span);
        reach.zip(image, usize::saturating_sub)
    }
}

/// What is wrong with a transposed convolution that makes no image `stride` times as large.
fn grows_otherwise(node: &Node, moves: &Moves) -> Error {
    let (span, stride) = (moves.span(), moves.stride);
    let cause = format!(
        "makes images that are not exactly {stride} times as large: its kernel of {span}, less \
         both pads, and the output_padding are not the stride"
    );
    let error = node.refused(cause);
    match plan::grows(span, stride) {
        Some((pad, more)) => {
            error.help(format_args!("make it with a padding of {pad}, an output_padding of {more}"))
        }
        None => error.help("with stride 1, make it with an odd kernel"),
    }
}

fn make_plain(layer: &mut Layer) {
    match layer {
        Layer::Dense(dense) => dense.plain = Some(true),
        Layer::Conv1d(conv) => conv.plain = Some(true),
        Layer::Conv2d(conv) => conv.plain = Some(true),
        _ => {}
    }
}

fn set_channels(layer: &mut Layer, channels: usize) {
    match layer {
        Layer::Dense(dense) => dense.units = channels,
        Layer::Conv1d(conv) => conv.channels = channels,
        Layer::Conv2d(conv) => conv.channels = channels,
        _ => {}
    }
}

/// Whether each pixel that it yields follows from one that it reads, or it reads vectors.
fn is_pointwise(layer: &Layer) -> bool {
    let none = Extent::square(0);
    match layer {
        Layer::Dense(_) => true,
        Layer::Conv1d(c) => (c.kernel, c.stride, c.pad) == (1, 1, 0),
        Layer::Conv2d(c) => {
            let [kernel, stride, pad] = [c.kernel, c.stride, c.pad].map(|size| size.square());
            kernel == Extent::ONE && stride == Extent::ONE && pad == none
        }
        _ => false,
    }
}

/// Whether one layer right before a pointwise one is one linear map with it.
fn merges(before: &Layer, after: &Layer) -> bool {
    match (before, after) {
        (Layer::Dense(_), Layer::Dense(_)) => true,
        (Layer::Conv1d(a), Layer::Conv1d(b)) => a.groups.or(b.groups).is_none(),
        (Layer::Conv2d(a), Layer::Conv2d(b)) => a.groups.or(b.groups).is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resize_repeats_pixels_or_does_not() {
        let repeats = |coordinates: &str, rounding: &str, times| {
            let (coordinates, rounding) = (coordinates.into(), rounding.into());
            Nearest { coordinates, rounding }.repeats(5, times)
        };
        for times in 1..=6 {
            assert!(repeats("asymmetric", "floor", times), "{times}");
            assert!(repeats("half_pixel", "round_prefer_floor", times), "{times}");
            assert!(repeats("pytorch_half_pixel", "round_prefer_ceil", times), "{times}");
        }
        // Pixel 1 of 2 lies between two, and goes to the second one.
        assert!(!repeats("asymmetric", "round_prefer_ceil", 2));
        assert!(!repeats("asymmetric", "ceil", 3));
        assert!(!repeats("align_corners", "floor", 2));
        assert!(!repeats("tf_crop_and_resize", "floor", 2));
    }
}
