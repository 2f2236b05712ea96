//! What makes a model valid.

use super::{
    Activation, Bilinear, Branches, CharCnn, Conv2d, Dense, Edge, Embedding, Function, Head,
    Highway, Input, Layer, MAGNITUDE_LIMIT, Model, Output, PoolKind, Recurrent, Table,
};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::recurrent::{Along, Cell};
use crate::shape::{Extent, Join, Shape, reach};
use ndarray::{Array1, Array2, ArrayView1, ArrayViewD, Dimension};
use std::collections::HashSet;

impl Model {
    /// Checks every invariant stated on the fields: names, ternary values, shapes that fit, ranges,
    /// and that no product or sum can exceed [`MAGNITUDE_LIMIT`] for any input of the declared
    /// format.
    ///
    /// # Errors
    /// The first violation, with the layer, the field and the index.
    pub fn validate(&self) -> Result<()> {
        check_name("model", &self.name)?;
        if self.layers.is_empty() {
            return Err(Error::input("model", "has no layers"));
        }
        check_edge("model input", &self.input)?;
        check_layers(&self.layers, self.input(), Of::Network, &mut HashSet::new())?;
        let inputs = self.inputs();
        let several = inputs.len() > 1;
        // Each of them is in bounds by now.
        if inputs.iter().map(|(_, edge)| edge.elements()).sum::<usize>() > MOST_ELEMENTS {
            let cause = "the inputs have more than 2^24 elements together";
            return Err(Error::input("model input", cause));
        }
        match self.layers.first() {
            Some(first) if several && (self.is_recurrent() || takes_one_input(first)) => {
                let cause = "is for a network of one input, and this one has several";
                Err(Error::input(format_args!("layer `{}`", first.name()), cause))
            }
            _ => Ok(()),
        }
    }
}

impl Layer {
    /// Checks a linear layer by itself, for what it reads.
    ///
    /// # Errors
    /// As [`Model::validate`].
    #[cfg(feature = "train")]
    pub(crate) fn check(&self, edge: (Shape, Format)) -> Result<()> {
        let raw = matches!(self.output(), Some(Output::Raw));
        let of = if raw { Of::Network } else { Of::Body };
        check_layers(std::slice::from_ref(self), edge, of, &mut HashSet::new()).map(|_| ())
    }
}

/// Elements of any value, at most.
const MOST_ELEMENTS: usize = 1 << 24;
/// Multiplications that a layer was allowed, at most.
const MOST_BUDGET: usize = 1 << 32;
/// Kernels, windows, strides and pads, at most.
const MOST_PIXELS: usize = 1 << 12;
/// Pixels of a window that may reach over the edge of its image, at most: a larger one would see
/// little but padding, and pads are read as pixels are.
const MOST_PADDED: usize = 1 << 10;

fn check_edge(place: &str, edge: &Edge) -> Result<()> {
    let fail =
        |cause: &str| Err(Error::input(place, format_args!("shape {:?} has {cause}", edge.shape)));
    if edge.shape.is_empty() || edge.shape.contains(&0) {
        return fail("no elements");
    }
    let elements = edge.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    if elements.is_none_or(|n| n > MOST_ELEMENTS) {
        return fail("more than 2^24 elements");
    }
    check_format(place, edge.format)
}

/// Whether no network with further inputs begins with this layer.
fn takes_one_input(first: &Layer) -> bool {
    matches!(first, Layer::Bilinear(_) | Layer::Embedding(_))
}

/// Whether a layer is a head, or has one in its branches.
pub(super) fn holds_head(layer: &Layer) -> bool {
    matches!(layer, Layer::Head(_)) || layer.inner().any(holds_head)
}

/// What layers are those of.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Network,
    Body,
    Shortcut,
    Head,
}

impl Of {
    fn is_branch(self) -> bool {
        matches!(self, Of::Body | Of::Shortcut)
    }
}

/// Checks layers that read `edge`. Returns what leaves.
fn check_layers<'a>(
    layers: &'a [Layer],
    mut edge: (Shape, Format),
    of: Of,
    names: &mut HashSet<&'a str>,
) -> Result<(Shape, Format)> {
    let network = of == Of::Network;
    for (i, layer) in layers.iter().enumerate() {
        check_name(&format!("layer {i}"), layer.name())?;
        if !names.insert(layer.name()) {
            return Err(Error::input(
                format_args!("layer {i}"),
                format_args!("the name `{}` is used twice", layer.name()),
            ));
        }
        match layer {
            Layer::Dense(dense) => dense.validate(edge.0.elements(), edge.1)?,
            Layer::Bilinear(bilinear) => {
                bilinear.validate(edge.0.elements(), edge.1, network && i == 0)?
            }
            Layer::Conv2d(conv) => conv.validate(edge)?,
            Layer::Pool(_) | Layer::Upsample(_) | Layer::Last(_) | Layer::Reverse(_) => {}
            Layer::Activation(activation) => activation.validate(edge.1)?,
            Layer::Branches(branches) => branches.validate(edge, of, names)?,
            Layer::Head(head) => head.validate(edge, of, names)?,
            Layer::Input(input) => input.validate(of == Of::Shortcut && i == 0)?,
            Layer::Embedding(embedding) => embedding.validate(edge, network && i == 0)?,
            Layer::CharCnn(cnn) => cnn.validate(edge)?,
            Layer::Highway(highway) => highway.validate(edge)?,
            Layer::Recurrent(recurrent) => recurrent.validate(edge)?,
        }
        let last = !of.is_branch() && i + 1 == layers.len();
        match layer.output() {
            Some(output) => validate_output(layer.name(), output, last)?,
            None if last => {
                return Err(Error::input(
                    format_args!("layer `{}`", layer.name()),
                    "is the last, but not linear",
                ));
            }
            None => {}
        }
        edge = layer.yields(edge)?;
        if edge.0.elements() > MOST_ELEMENTS {
            return Err(Error::input(
                format_args!("layer `{}`", layer.name()),
                format_args!("yields {}, more than 2^24 elements", edge.0),
            ));
        }
    }
    Ok(edge)
}

/// What [`Layer::yields`] yields.
pub(super) fn yields(layer: &Layer, (shape, format): (Shape, Format)) -> Result<(Shape, Format)> {
    let at = |field: &str| format!("layer `{}`, {field}", layer.name());
    let leaves = |output: &Output, raw_frac: i32| match output {
        Output::Raw => Format { signed: true, bits: 54, frac: raw_frac },
        Output::Requantised { format, .. } => *format,
    };
    let sizes_are_right = |size: Extent, stride: Extent, pad: Extent| {
        for (field, extent, least) in [("size", size, 1), ("stride", stride, 1), ("pad", pad, 0)] {
            if let Some(n) = extent.both().into_iter().find(|n| !(least..=MOST_PIXELS).contains(n))
            {
                return Err(Error::input(
                    at(field),
                    format_args!("{n} is not within {least}..={MOST_PIXELS}"),
                ));
            }
        }
        if pad.h >= size.h || pad.w >= size.w {
            return Err(Error::input(
                at("pad"),
                format_args!("{pad} is not less than the window's size, {size}"),
            ));
        }
        if pad != Extent::square(0) && size.area() > MOST_PADDED {
            let cause = format!(
                "a window of {size} has more than {MOST_PADDED} pixels, so it takes no pad"
            );
            return Err(Error::input(at("pad"), cause).help("cut away what only ever sees padding"));
        }
        Ok(())
    };
    let windows = |size: Extent, stride: Extent, pad: Extent| {
        sizes_are_right(size, stride, pad)?;
        shape.windows(size, stride, pad).ok_or_else(|| {
            let cause = format!("a window of {size} does not fit an image of {shape}, pad {pad}");
            Error::input(at("size"), cause)
        })
    };
    let one_row = || match shape.height {
        1 => Ok(shape),
        _ => {
            let cause = format!("goes along an image of one row, but {shape} arrives");
            Err(Error::input(at("input"), cause))
        }
    };
    Ok(match layer {
        Layer::Dense(dense) => {
            (Shape::vector(dense.outputs()), leaves(&dense.output, dense.product_frac))
        }
        Layer::Bilinear(bilinear) => {
            (Shape::vector(bilinear.w_c.nrows()), leaves(&bilinear.output, 2 * format.frac))
        }
        Layer::Conv2d(conv @ Conv2d { transposed: Some(kernel), .. }) => {
            let kernel = *kernel;
            let (stride, pad, patch) = (conv.stride, conv.pad, conv.patch());
            sizes_are_right(kernel, stride, pad)?;
            let fail = |field, cause: String| Err(Error::input(at(field), cause));
            if stride != patch {
                return fail("stride", format!("{stride} is not the patch, {patch}"));
            }
            // What is left out at the end of PyTorch's output is less than a stride.
            let left = kernel.zip(pad, |kernel, pad| kernel.saturating_sub(2 * pad));
            if left.h == 0 || left.w == 0 || left.h > stride.h || left.w > stride.w {
                let cause = format!("a kernel of {kernel} with pad {pad} does not yield {stride}");
                return fail("transposed", format!("{cause} pixels for each that enters"));
            }
            let due = reach(kernel, stride, pad);
            if conv.window() != due {
                let cause = format!("has windows of {}, a kernel of {kernel}", conv.window());
                return fail("w_b", format!("{cause} has {due}"));
            }
            let (height, width) = (shape.height * patch.h, shape.width * patch.w);
            if height.saturating_mul(width).saturating_mul(conv.channels()) > MOST_ELEMENTS {
                return fail("w_c", format!("makes more than 2^24 elements of {shape}"));
            }
            let shape = Shape { height, width, channels: conv.channels() };
            (shape, leaves(&conv.output, conv.product_frac))
        }
        Layer::Conv2d(conv) => {
            let kernel = conv.kernel().ok_or_else(|| {
                Error::input(
                    at("w_b"),
                    format_args!("a window of {} is too small for the patch", conv.window()),
                )
            })?;
            let Extent { h: height, w: width } = windows(kernel, conv.stride, conv.pad)?;
            (
                Shape { height, width, channels: conv.channels() },
                leaves(&conv.output, conv.product_frac),
            )
        }
        Layer::Pool(pool) => {
            let Extent { h: height, w: width } = windows(pool.size, pool.stride, pool.pad)?;
            let format = match pool.kind {
                PoolKind::Max => format,
                PoolKind::Sum => {
                    let area = pool.size.area();
                    // A sum of n values of b bits has b + ⌈log2 n⌉ bits.
                    let more = area.next_power_of_two().trailing_zeros();
                    let frac = format.frac + if area.is_power_of_two() { more as i32 } else { 0 };
                    Format { bits: format.bits + more, frac, ..format }
                }
            };
            check_format(&at("output format"), format)?;
            (Shape { height, width, ..shape }, format)
        }
        Layer::Upsample(upsample) => {
            let Extent { h, w } = upsample.size;
            if let Some(n) = [h, w].into_iter().find(|n| !(1..=MOST_PIXELS).contains(n)) {
                let cause = format!("{n} is not within 1..={MOST_PIXELS}");
                return Err(Error::input(at("size"), cause));
            }
            if shape.elements().saturating_mul(h * w) > MOST_ELEMENTS {
                let cause = format!("makes more than 2^24 elements of {shape}");
                return Err(Error::input(at("size"), cause));
            }
            (Shape { height: shape.height * h, width: shape.width * w, ..shape }, format)
        }
        Layer::Activation(activation) => {
            let format = activation.function.yields(format);
            check_format(&at("output format"), format)?;
            (shape, format)
        }
        Layer::Branches(branches) => {
            let branch = |layers: &[Layer]| {
                layers.iter().try_fold((shape, format), |edge, layer| yields(layer, edge))
            };
            let (body, shortcut) = (branch(&branches.body)?.0, branch(&branches.shortcut)?.0);
            let joined = branches.join.shape(body, shortcut).ok_or_else(|| {
                let cause = format_args!("yields {shortcut}, the body {body}").to_string();
                Error::input(at("shortcut"), cause)
            })?;
            (joined, branches.format)
        }
        Layer::Head(_) => (shape, format),
        Layer::Input(input) => input.edge.image(),
        Layer::Embedding(embedding) => {
            let (width, channels) = (shape.elements(), embedding.table.ncols());
            (Shape { height: 1, width, channels }, embedding.format)
        }
        Layer::CharCnn(cnn) => (Shape::vector(cnn.filters.outputs()), cnn.tanh.tanh_format()),
        Layer::Highway(highway) => (Shape::vector(highway.units()), format),
        Layer::Recurrent(recurrent) => match recurrent.along {
            Along::Inputs => (Shape::vector(recurrent.units()), recurrent.hidden),
            Along::Pixels => {
                (Shape { channels: recurrent.units(), ..one_row()? }, recurrent.hidden)
            }
        },
        Layer::Last(_) => (Shape { width: 1, ..one_row()? }, format),
        Layer::Reverse(_) => (one_row()?, format),
    })
}

impl Dense {
    fn validate(&self, inputs: usize, input: Format) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        let (r, n_in, n_out) = (self.rows(), self.inputs(), self.outputs());
        if n_in != inputs {
            return fail("w_b", format!("takes {n_in} inputs, but {inputs} arrive"));
        }
        check_budget(&at, r, self.budget)?;
        if n_out == 0 {
            return fail("w_c", "has no outputs".into());
        }
        for (field, length) in [
            ("coefficients", self.coefficients.len()),
            ("coefficient_shifts", self.coefficient_shifts.len()),
            ("w_c", self.w_c.ncols()),
        ] {
            if length != r {
                return fail(field, format!("has {length} entries for {r} rows of w_b"));
            }
        }
        if self.bias.len() != n_out {
            return fail("bias", format!("has {} entries for {n_out} outputs", self.bias.len()));
        }
        for (field, matrix) in [("w_b", &self.w_b), ("w_c", &self.w_c)] {
            check_ternary(&at(field), &matrix.view().into_dyn())?;
        }
        check_coefficients(
            &at,
            &self.coefficients,
            self.coefficient_bits,
            &self.coefficient_shifts,
            self.product_frac,
        )?;
        if let Output::Requantised { shifts, .. } = &self.output {
            // Magnitudes depend on them.
            check_output_shifts(&at("output_shifts"), shifts, n_out)?;
        }
        self.check_magnitudes(input)
    }

    /// Worst-case magnitudes by the triangle inequality; coarse, but what it admits is exact
    /// everywhere.
    fn check_magnitudes(&self, input: Format) -> Result<()> {
        let nonzeros = self
            .w_b
            .outer_iter()
            .map(|row| row.iter().filter(|v| **v != 0).count())
            .collect::<Vec<_>>();
        let m = product_magnitudes(
            &self.name,
            &nonzeros,
            &self.coefficients,
            &self.coefficient_shifts,
            input,
        )?;
        check_sums(&self.name, &self.w_c, &m, |c| i128::from(self.bias[c]).abs(), &self.output)
    }
}

fn check_coefficients(
    at: &impl Fn(&str) -> String,
    coefficients: &Array1<i32>,
    bits: u32,
    shifts: &Array1<i32>,
    product_frac: i32,
) -> Result<()> {
    if !(2..=25).contains(&bits) {
        return Err(Error::input(
            at("coefficient_bits"),
            format_args!("{bits} is not within 2..=25"),
        ));
    }
    if !(-64..=64).contains(&product_frac) {
        return Err(Error::input(
            at("product_frac"),
            format_args!("{product_frac} is not within -64..=64"),
        ));
    }
    let limit = 1i64 << (bits - 1);
    if let Some((i, a)) =
        coefficients.iter().enumerate().find(|(_, a)| i64::from(**a).abs() >= limit)
    {
        return Err(Error::input(
            at("coefficients"),
            format_args!("the value {a} at [{i}] does not fit {bits} bits"),
        ));
    }
    check_shifts(&at("coefficient_shifts"), shifts)
}

/// Whether r rows keep to the budget that was asked for, which sums of budgets can hold.
fn check_budget(at: &impl Fn(&str) -> String, r: usize, budget: usize) -> Result<()> {
    if budget > MOST_BUDGET {
        return Err(Error::input(at("budget"), format_args!("{budget} is more than 2^32")));
    }
    if r > budget {
        return Err(Error::input(
            at("w_b"),
            format_args!("has {r} rows, more than the budget of {budget}"),
        ));
    }
    Ok(())
}

/// What each rounded product can reach, where row i sums `nonzeros[i]` inputs.
fn product_magnitudes(
    layer: &str,
    nonzeros: &[usize],
    coefficients: &Array1<i32>,
    shifts: &Array1<i32>,
    input: Format,
) -> Result<Vec<i128>> {
    let x = i128::from(input.max().max(-input.min()));
    let mut m = Vec::with_capacity(nonzeros.len());
    for (i, &nonzeros) in nonzeros.iter().enumerate() {
        let product = nonzeros as i128 * x * i128::from(coefficients[i].unsigned_abs());
        let t = shifts[i];
        let rounded = if t > 0 { (product >> t) + 1 } else { product << -t };
        let half = if t > 0 { 1i128 << (t - 1) } else { 0 };
        if product + half > MAGNITUDE_LIMIT || rounded > MAGNITUDE_LIMIT {
            return Err(too_large(layer, "product", i, (product + half).max(rounded)));
        }
        m.push(rounded);
    }
    Ok(m)
}

impl Conv2d {
    fn validate(&self, (shape, input): (Shape, Format)) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        let ((r, per_group, ..), (c_out, ..)) = (self.w_b.dim(), self.w_c.dim());
        let (window, p) = (self.window(), self.patch());
        for (field, what, extent) in [("w_b", "windows", window), ("w_c", "patches", p)] {
            if !extent.both().iter().all(|n| (1..=MOST_PIXELS).contains(n)) {
                return fail(
                    field,
                    format!("has {what} of {extent}, which are empty or too large"),
                );
            }
        }
        if self.groups == 0 || per_group.checked_mul(self.groups) != Some(shape.channels) {
            let (groups, channels) = (self.groups, shape.channels);
            return fail(
                "w_b",
                format!(
                    "takes {groups} groups of {per_group} channels, but {channels} channels arrive"
                ),
            );
        }
        if !r.is_multiple_of(self.groups) {
            return fail(
                "groups",
                format!("{} groups do not divide the {r} rows of w_b", self.groups),
            );
        }
        if self.depthwise() && !c_out.is_multiple_of(self.groups) {
            return fail(
                "groups",
                format!("{} groups do not divide the {c_out} output channels", self.groups),
            );
        }
        check_budget(&at, r, self.budget)?;
        if c_out == 0 {
            return fail("w_c", "has no outputs".into());
        }
        let reads = if self.depthwise() { r / self.groups } else { r };
        for (field, length, due) in [
            ("coefficients", self.coefficients.len(), r),
            ("coefficient_shifts", self.coefficient_shifts.len(), r),
            ("w_c", self.w_c.dim().1, reads),
        ] {
            if length != due {
                return fail(field, format!("has {length} entries for {due} rows of w_b"));
            }
        }
        if self.bias.dim() != (c_out, p.h, p.w) {
            return fail(
                "bias",
                format!("has shape {:?}, it must be {:?}", self.bias.shape(), [c_out, p.h, p.w]),
            );
        }
        check_ternary(&at("w_b"), &self.w_b.view().into_dyn())?;
        check_ternary(&at("w_c"), &self.w_c.view().into_dyn())?;
        check_coefficients(
            &at,
            &self.coefficients,
            self.coefficient_bits,
            &self.coefficient_shifts,
            self.product_frac,
        )?;
        if let Output::Requantised { shifts, .. } = &self.output {
            check_output_shifts(&at("output_shifts"), shifts, c_out)?;
        }
        let nonzeros = self
            .w_b
            .outer_iter()
            .map(|row| row.iter().filter(|v| **v != 0).count())
            .collect::<Vec<_>>();
        let m = product_magnitudes(
            &self.name,
            &nonzeros,
            &self.coefficients,
            &self.coefficient_shifts,
            input,
        )?;
        for c in 0..c_out {
            let first = if self.depthwise() { c / (c_out / self.groups) * reads } else { 0 };
            for (y, x) in (0..p.h).flat_map(|y| (0..p.w).map(move |x| (y, x))) {
                let terms =
                    (0..reads).filter(|&i| self.w_c[[c, i, y, x]] != 0).map(|i| m[first + i]);
                let sum = i128::from(self.bias[[c, y, x]]).abs() + terms.sum::<i128>();
                check_sum(&self.name, c, sum, &self.output)?;
            }
        }
        Ok(())
    }
}

impl Head {
    fn validate<'a>(
        &'a self,
        edge: (Shape, Format),
        of: Of,
        names: &mut HashSet<&'a str>,
    ) -> Result<()> {
        let fail = |cause: &str| Err(Error::input(format_args!("layer `{}`", self.name), cause));
        if of == Of::Head {
            return fail("is a head within a head");
        }
        if self.layers.is_empty() {
            return fail("is a head that has no layers");
        }
        check_port_name("a head", &self.name)?;
        check_layers(&self.layers, edge, Of::Head, names).map(|_| ())
    }
}

/// Ports begin with the name of a head or an input, and their own names go on behind an underscore.
fn check_port_name(kind: &str, name: &str) -> Result<()> {
    if !name.ends_with('_') && !name.contains("__") {
        return Ok(());
    }
    let cause = format_args!("is {kind} whose name has an underscore at its end, or two in a row");
    Err(Error::input(format_args!("layer `{name}`"), cause))
}

impl Input {
    fn validate(&self, begins_a_shortcut: bool) -> Result<()> {
        if !begins_a_shortcut {
            let cause = "is an input, which the first layer of a shortcut alone may be";
            return Err(Error::input(format_args!("layer `{}`", self.name), cause));
        }
        check_port_name("an input", &self.name)?;
        check_edge(&format!("input `{}`", self.name), &self.edge)
    }
}

impl Branches {
    fn validate<'a>(
        &'a self,
        edge: (Shape, Format),
        of: Of,
        names: &mut HashSet<&'a str>,
    ) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        match (self.join, self.body.last()) {
            (Join::Add, Some(Layer::Dense(_) | Layer::Conv2d(_))) | (Join::Concat, Some(_)) => {}
            (Join::Add, _) => {
                return Err(Error::input(at("body"), "does not end with a linear layer"));
            }
            (Join::Concat, None) if matches!(self.shortcut.first(), Some(Layer::Input(_))) => {}
            (Join::Concat, None) => return Err(Error::input(at("body"), "has no layers")),
        }
        // No head is within a head, branches between them or not.
        let within = |layers: &[Layer]| layers.iter().any(holds_head);
        if of == Of::Head && (within(&self.body) || within(&self.shortcut)) {
            return Err(Error::input(at("body"), "has a head, within a head"));
        }
        let (_, a) = check_layers(&self.body, edge, Of::Body, names)?;
        let (_, b) = check_layers(&self.shortcut, edge, Of::Shortcut, names)?;
        check_format(&at("format"), self.format)?;
        let frac = a.frac.max(b.frac);
        // Shifted further, no value but 0 would stay within the limit; and what is shifted has at
        // most 54 bits.
        let shl = |v: i128, by: i32| (by <= 62).then(|| v << by);
        let reach = |f: Format| shl(f.max().max(-f.min()).into(), frac - f.frac);
        let joined = |(a, b): (i128, i128)| match self.join {
            Join::Add => a + b,
            Join::Concat => a.max(b),
        };
        let value = reach(a).zip(reach(b)).map(joined).filter(|v| *v <= MAGNITUDE_LIMIT);
        let shift = frac - self.format.frac;
        let whole = value.filter(|_| (-31..=62).contains(&shift)).and_then(|v| {
            if shift < 0 { shl(v, -shift) } else { Some(v + ((1i128 << shift) >> 1)) }
        });
        if whole.is_some_and(|v| v <= MAGNITUDE_LIMIT) {
            return Ok(());
        }
        let what = match self.join {
            Join::Add => "the sum of ",
            Join::Concat => "",
        };
        Err(Error::input(
            at("format"),
            format_args!("{} cannot hold {what}{a} and {b} within 2^53", self.format),
        )
        .help("give the branches formats of similar frac"))
    }
}

impl Bilinear {
    fn validate(&self, inputs: usize, input: Format, first: bool) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        if !first {
            return fail("kind", "is bilinear, which only the first layer may be".into());
        }
        let (r, n_out) = (self.w_c.ncols(), self.w_c.nrows());
        for (field, matrix) in [("w_a", &self.w_a), ("w_b", &self.w_b), ("w_c", &self.w_c)] {
            check_ternary(&at(field), &matrix.view().into_dyn())?;
        }
        for (field, matrix) in [("w_a", &self.w_a), ("w_b", &self.w_b)] {
            if matrix.nrows() != r {
                return fail(field, format!("has {} rows for {r} columns of w_c", matrix.nrows()));
            }
            if matrix.ncols() == 0 {
                return fail(field, "takes no inputs".into());
            }
        }
        if self.inputs_a() + self.inputs_b() != inputs {
            let cause = format!(
                "take {} and {} inputs, but {inputs} arrive",
                self.inputs_a(),
                self.inputs_b()
            );
            return fail("w_a and w_b", cause);
        }
        if n_out == 0 {
            return fail("w_c", "has no outputs".into());
        }
        if !(-32..=32).contains(&input.frac) {
            return fail(
                "input",
                format!("has frac {}, a product would have twice that", input.frac),
            );
        }
        if let Output::Requantised { shifts, .. } = &self.output {
            check_output_shifts(&at("output_shifts"), shifts, n_out)?;
        }
        let x = i128::from(input.max().max(-input.min()));
        let reach = |row: ArrayView1<i8>| x * row.iter().filter(|v| **v != 0).count() as i128;
        let m: Vec<i128> =
            (0..r).map(|i| reach(self.w_a.row(i)) * reach(self.w_b.row(i))).collect();
        if let Some((i, &m)) = m.iter().enumerate().find(|(_, m)| **m > MAGNITUDE_LIMIT) {
            return Err(too_large(&self.name, "product", i, m));
        }
        check_sums(&self.name, &self.w_c, &m, |_| 0, &self.output)
    }
}

impl Embedding {
    fn validate(&self, (shape, input): (Shape, Format), first: bool) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        if !first {
            return Err(Error::input(
                at("kind"),
                "is an embedding, which only the first layer may be",
            ));
        }
        if shape.pixels() != 1 || input.signed || input.frac != 0 || input.bits > 16 {
            let cause = format!(
                "takes indices, unsigned integers of at most 16 bits, but {shape} of {input} arrive"
            );
            return Err(Error::input(at("input"), cause));
        }
        check_format(&at("format"), self.format)?;
        if self.table.is_empty() || self.table.nrows() > 1 << input.bits {
            let (rows, columns, most) =
                (self.table.nrows(), self.table.ncols(), 1u32 << input.bits);
            return Err(Error::input(
                at("table"),
                format_args!("is {rows}×{columns}; it has 1 to {most} rows, not empty"),
            ));
        }
        let (lo, hi) = (self.format.min(), self.format.max());
        match self.table.indexed_iter().find(|(_, v)| !(lo..=hi).contains(&i64::from(**v))) {
            Some((at_, v)) => Err(Error::input(
                at("table"),
                format_args!("the value {v} at {at_:?} is outside {}", self.format),
            )),
            None => Ok(()),
        }
    }
}

impl Table {
    /// `bits` are those of the signed format that is looked up.
    fn validate(&self, place: &str, bits: u32) -> Result<()> {
        let fail = |cause: String| Err(Error::input(place, cause));
        if !(1..=15).contains(&self.frac) {
            return fail(format!("has frac {}, which is not within 1..=15", self.frac));
        }
        if self.values.len() != 1 << (bits - 1) {
            return fail(format!(
                "has {} values for a format of {bits} bits, it must have {}",
                self.values.len(),
                1 << (bits - 1)
            ));
        }
        match self.values.iter().enumerate().find(|(_, v)| !(0..=1 << self.frac).contains(*v)) {
            Some((i, v)) => {
                fail(format!("the value {v} at [{i}] is not within 0..=2^{}", self.frac))
            }
            None => Ok(()),
        }
    }
}

impl Activation {
    fn validate(&self, format: Format) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        match &self.function {
            Function::Clip { max } if !(0..=format.max()).contains(max) => {
                fail("max", format!("{max} is not within 0..={}, those of {format}", format.max()))
            }
            Function::Leaky { shift } if !(1..=15).contains(shift) => {
                fail("shift", format!("{shift} is not within 1..=15"))
            }
            Function::Leaky { .. } if !format.signed => {
                fail("input", format!("is {format}, which has nothing below 0"))
            }
            Function::Clip { .. } | Function::Leaky { .. } => Ok(()),
            Function::Sigmoid(_) | Function::Tanh(_) if !format.is_looked_up() => {
                fail("input", format!("is {format}, tables take signed formats of 2 to 16 bits"))
            }
            Function::Sigmoid(table) => table.validate(&at("sigmoid"), format.bits),
            Function::Tanh(table) => table.validate(&at("tanh"), format.bits),
        }
    }
}

/// The signed format of the outputs of gates, in which tables are looked up.
pub(crate) fn gate_format(gates: &Dense) -> Result<Format> {
    let at = || format!("layer `{}`, output", gates.name);
    match &gates.output {
        Output::Requantised { format, .. } if format.is_looked_up() => {
            check_format(&at(), *format)?;
            Ok(*format)
        }
        _ => Err(Error::input(at(), "gates are requantised to a signed format of 2 to 16 bits")),
    }
}

impl CharCnn {
    fn validate(&self, (shape, format): (Shape, Format)) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.filters.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        let (dense, e, widest) = (&self.filters, shape.channels, self.widths.len());
        let n = self.widths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        if shape.height != 1 || widest == 0 || widest > shape.width {
            return fail("widths", format!("has filters of {widest} widths, but {shape} arrives"));
        }
        if n != Some(dense.outputs()) || dense.rows() != dense.outputs() {
            let (rows, outputs) = (dense.rows(), dense.outputs());
            return fail(
                "widths",
                format!("{:?} do not add up to {rows} rows and {outputs} outputs", self.widths),
            );
        }
        dense.validate(widest * e, format)?;
        if let Some(((c, i), w)) =
            dense.w_c.indexed_iter().find(|((c, i), w)| **w != i8::from(c == i))
        {
            return fail("w_c", format!("has {w} at [{c}, {i}], which is not the identity"));
        }
        if let Some((i, a)) = dense.coefficients.iter().enumerate().find(|(_, a)| **a < 0) {
            return fail("coefficients", format!("the value {a} at [{i}] is negative"));
        }
        for (i, (row, width)) in dense.w_b.outer_iter().zip(self.width_of_each()).enumerate() {
            if row.iter().skip(width * e).any(|w| *w != 0) {
                return fail("w_b", format!("row {i} reads beyond its width of {width}"));
            }
        }
        let gate = gate_format(dense)?;
        self.tanh.validate(&at("tanh"), gate.bits)
    }
}

impl Highway {
    fn validate(&self, (shape, format): (Shape, Format)) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.gates.name);
        let n = shape.elements();
        if self.gates.outputs() != 2 * n {
            let cause = format!(
                "has {} outputs for {n} units, it must have twice as many",
                self.gates.outputs()
            );
            return Err(Error::input(at("w_c"), cause));
        }
        self.gates.validate(n, format)?;
        let gate = gate_format(&self.gates)?;
        if gate.frac != format.frac || gate.max() < format.max() {
            let cause =
                format!("is {gate}, which does not hold what enters, {format}, with the same frac");
            return Err(Error::input(at("output format"), cause));
        }
        if !(-64..=64).contains(&self.gate_frac) {
            return Err(Error::input(
                at("gate_frac"),
                format_args!("{} is not within -64..=64", self.gate_frac),
            ));
        }
        self.sigmoid.validate(&at("sigmoid"), gate.bits)
    }
}

impl Recurrent {
    fn validate(&self, (shape, format): (Shape, Format)) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.gates.name);
        let fail = |field: &str, cause: String| Err(Error::input(at(field), cause));
        let outputs = self.gates.outputs();
        if !outputs.is_multiple_of(4) {
            return fail("w_c", format!("has {outputs} outputs, which are not four gates"));
        }
        for (field, format) in [("cell", self.cell), ("hidden", self.hidden)] {
            check_format(&at(field), format)?;
            if !format.signed {
                return fail(field, format!("is {format}, it must be signed"));
            }
        }
        let x = match self.along {
            Along::Inputs => shape.elements(),
            Along::Pixels => shape.channels,
        };
        self.gates.validate(x + self.units(), self.joined(format))?;
        self.check_rows()?;
        let gate = gate_format(&self.gates)?;
        self.sigmoid.validate(&at("sigmoid"), gate.bits)?;
        self.tanh.validate(&at("tanh"), gate.bits)?;
        let within = |shift: &i32| (-31..=62).contains(shift);
        let (shifts, bits) = self.alignment(gate);
        if shifts.iter().all(within) && bits.iter().all(|bits| *bits < 53) {
            return Ok(());
        }
        Err(Error::input(
            at("cell"),
            format_args!("{} and {gate} cannot be aligned within 2^53", self.cell),
        )
        .help("give the cell and the gates formats of similar frac"))
    }

    /// No row of W_b reads both x and h; of a GRU n_x has products of x alone, n_h of h alone.
    fn check_rows(&self) -> Result<()> {
        let at = |field: &str| format!("layer `{}`, {field}", self.gates.name);
        let n_in = self.inputs();
        let reads = |row: ArrayView1<i8>| {
            [row.iter().take(n_in).any(|w| *w != 0), row.iter().skip(n_in).any(|w| *w != 0)]
        };
        let rows: Vec<[bool; 2]> = self.gates.w_b.outer_iter().map(reads).collect();
        if let Some(i) = rows.iter().position(|reads| *reads == [true; 2]) {
            return Err(Error::input(
                at("w_b"),
                format_args!("row {i} reads both x and h, which have formats of their own"),
            ));
        }
        if self.kind == Cell::Lstm {
            return Ok(());
        }
        let n = self.units();
        // What n_x has no products of, and what n_h has none of.
        for (gate, other, [name, of]) in [(2, 1, ["n_x", "h"]), (3, 0, ["n_h", "x"])] {
            for (c, row) in self.gates.w_c.outer_iter().enumerate().skip(gate * n).take(n) {
                if let Some(i) = (0..rows.len()).find(|i| row[*i] != 0 && rows[*i][other]) {
                    return Err(Error::input(
                        at("w_c"),
                        format_args!("output {c} is of {name}, but has product {i}, of {of}"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The shifts from gates and c to the next c and h, and the bits of what they shift or yield.
    fn alignment(&self, gate: Format) -> (Vec<i32>, Vec<i64>) {
        let (sigmoid, tanh, cell) = (self.sigmoid.frac, self.tanh.frac, self.cell);
        let shifted = |bits: i64, right: i32| bits + i64::from((-right).max(0));
        let c = i64::from(cell.bits);
        let frac = cell.frac.max(tanh);
        // c, aligned.
        let kept = c + i64::from(frac) - i64::from(cell.frac);
        let new = sigmoid + tanh;
        match self.kind {
            Cell::Lstm => {
                let (index, h) = (cell.frac - gate.frac, new - self.hidden.frac);
                // σ(f)·c + σ(i)·tanh(g); the index of tanh(c); σ(o)·tanh(c').
                let sum = (kept + i64::from(sigmoid)).max(i64::from(sigmoid + frac)) + 1;
                let bits = vec![sum, shifted(c, index), shifted(i64::from(new) + 1, h)];
                (vec![sigmoid + frac - cell.frac, index, h], bits)
            }
            Cell::Gru => {
                let h = cell.frac - self.hidden.frac;
                // tanh + σ(z)·(c - tanh).
                let mean = i64::from(sigmoid) + kept.max(i64::from(frac) + 1) + 1;
                (vec![sigmoid + frac - cell.frac, h], vec![mean, shifted(c, h)])
            }
        }
    }
}

/// What holds of the end of every linear layer.
fn validate_output(name: &str, output: &Output, last: bool) -> Result<()> {
    let at = |field: &str| format!("layer `{name}`, {field}");
    match output {
        Output::Raw if !last => Err(Error::input(
            at("output"),
            "is raw, which only the last layer of the network or of a head may be",
        )),
        Output::Requantised { .. } if last => {
            Err(Error::input(at("output"), "is requantised, but the last layer's outputs are raw"))
        }
        Output::Raw => Ok(()),
        Output::Requantised { format, .. } => check_format(&at("output format"), *format),
    }
}

fn check_ternary(place: &str, tensor: &ArrayViewD<i8>) -> Result<()> {
    match tensor.indexed_iter().find(|(_, v)| !(-1..=1).contains(*v)) {
        Some((index, v)) => Err(Error::input(
            place,
            format_args!("the value {v} at {:?} is not ternary (-1, 0 or 1)", index.slice()),
        )),
        None => Ok(()),
    }
}

fn check_shifts(place: &str, shifts: &Array1<i32>) -> Result<()> {
    match shifts.iter().enumerate().find(|(_, s)| !(-31..=62).contains(*s)) {
        Some((i, s)) => {
            Err(Error::input(place, format_args!("the shift {s} at [{i}] is not within -31..=62")))
        }
        None => Ok(()),
    }
}

fn check_output_shifts(place: &str, shifts: &Array1<i32>, n_out: usize) -> Result<()> {
    if shifts.len() != n_out {
        return Err(Error::input(
            place,
            format_args!("has {} entries for {n_out} outputs", shifts.len()),
        ));
    }
    check_shifts(place, shifts)
}

/// Worst-case magnitudes of y and of its shifts, where product i reaches `m[i]`.
fn check_sums(
    layer: &str,
    w_c: &Array2<i8>,
    m: &[i128],
    bias: impl Fn(usize) -> i128,
    output: &Output,
) -> Result<()> {
    for (c, row) in w_c.outer_iter().enumerate() {
        let y = bias(c) + row.iter().zip(m).filter(|(v, _)| **v != 0).map(|(_, m)| m).sum::<i128>();
        check_sum(layer, c, y, output)?;
    }
    Ok(())
}

/// Whether output c of a layer, which reaches y, stays within the limit with its shift.
fn check_sum(layer: &str, c: usize, y: i128, output: &Output) -> Result<()> {
    let z = match output {
        Output::Requantised { shifts, .. } if shifts[c] < 0 => y << -shifts[c],
        Output::Requantised { shifts, .. } if shifts[c] > 0 => y + (1i128 << (shifts[c] - 1)),
        _ => y,
    };
    if z > MAGNITUDE_LIMIT { Err(too_large(layer, "y", c, z)) } else { Ok(()) }
}

fn too_large(layer: &str, field: &str, index: usize, magnitude: i128) -> Error {
    Error::input(
        format_args!("layer `{layer}`, {field}"),
        format_args!("row {index} can reach {magnitude}, beyond 2^53: a width overflow"),
    )
    .help("use fewer input or coefficient bits, or a smaller product_frac")
}

fn check_name(place: &str, name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let ok = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 64;
    if ok {
        Ok(())
    } else {
        Err(Error::input(place, format_args!("the name {name:?} is not usable"))
            .help("use at most 64 lower-case letters, digits and underscores, a letter first"))
    }
}

fn check_format(place: &str, format: Format) -> Result<()> {
    if format.is_valid() {
        Ok(())
    } else {
        Err(Error::input(
            place,
            format_args!("the format {format} is outside 1..=32 bits and -64..=64 fractional bits"),
        ))
    }
}
