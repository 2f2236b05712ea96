//! The dataflow IR of a network over images: layers that each work at every window of an image.
//!
//! Against the model, branches are edges of one graph, a convolution has become the [`Dataflow`] of one layer (its *kernel*)
//! over the elements of a window, and every edge carries the exact interval of each of its channels. It knows nothing of
//! streams, of engines or of clocks. Its meaning is [`interpret`].
//!
//! A network over sequences is one over images of one pixel. The gates of an LSTM or a highway layer are a kernel whose outputs
//! come unit by unit; what becomes of them is in [`gated`](super::gated). An LSTM has a [`State`], which goes from one input to the
//! next: the meaning of a sequence is [`step`]. A char-CNN reads an image of one row, a word; see [`words`](super::words).
//!
//! Invariants, checked by [`verify`]:
//! - layers are in topological order, layer i yields edge i + 1, and every edge but the last is read;
//! - shapes agree: a layer's windows lie on the image it reads, every one of them on at least one of its pixels, and the
//!   outputs of all windows are the image it yields, once what is beyond it is cropped;
//! - a kernel reads every element of a window in the order of (row, column, channel), is itself [valid](super::verify), and its
//!   intervals include 0 where a window has a pad;
//! - each channel's interval is what its layer makes of those it reads, within the format of its edge;
//! - the kernel of an LSTM reads x, then h, whose interval holds 0; tables are as long as the gates' format asks;
//! - the kernel of a char-CNN has the widest window as its input, row i of W_b reads no more than the width of filter i, no
//!   coefficient is negative, and output i is that of row i alone, or constant.

use super::gated::{Blend, Cell, Curve};
use super::{Dataflow, interpret_layer};
use crate::interval::{Interval, round_shift};
use std::collections::BTreeMap;
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::network::plan::{HIGHWAY_PRODUCTS, LSTM_PRODUCTS};
use strassenc_runtime::{Error, Extent, Format, Result, Shape};

/// An image on its way from one layer to others; edge 0 is the network's input, edge i + 1 what layer i yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub u32);

impl EdgeId {
    /// Position in [`Images::edges`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A whole network over images.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// The model's name.
    pub name: String,
    /// One more than layers.
    pub edges: Vec<Edge>,
    /// In topological order.
    pub layers: Vec<ImageLayer>,
}

/// What travels between two layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Elements lie row by row, pixel by pixel, channels innermost.
    pub shape: Shape,
    /// One format for all elements.
    pub format: Format,
    /// What an element can be, by channel.
    pub intervals: Vec<Interval>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageLayer {
    /// The model layer's name.
    pub name: String,
    /// One edge; two for a sum, and for a highway layer, which reads the same one as gates and as what it blends.
    pub reads: Vec<EdgeId>,
    /// The shape in which it reads: that of the edge, or a vector of all its elements.
    pub input: Shape,
    /// What it does.
    pub kind: Kind,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A sum-product network over every window.
    Spn(Box<Kernel>),
    /// The largest element or the sum of every window, channel by channel. Pads are the format's minimum, or 0.
    Pool {
        /// Which of the two.
        kind: PoolKind,
        /// Where.
        windows: Windows,
    },
    /// `saturate(round((a · 2^shifts_0 + b · 2^shifts_1) · 2^-shift))`, half up, of the two edges that it reads; a shift ≤ 0 is
    /// an exact left shift.
    Add {
        /// Left shifts that align the two.
        shifts: [u32; 2],
        /// Right shift of the sum.
        shift: i32,
    },
    /// Row `min(x, rows - 1)` of a table for each element x that enters: an image of one row.
    Embedding {
        /// At least one, as long as there are channels.
        rows: Vec<Vec<i64>>,
    },
    /// The largest output of each filter over a word, and its tanh.
    CharCnn {
        /// All filters over the widest window.
        filters: Box<Kernel>,
        /// Entry i: how many filters have the width i + 1; filters are in the order of their widths.
        widths: Vec<usize>,
        /// What leaves.
        tanh: Curve,
    },
    /// A blend of what enters and of its own gates.
    Highway {
        /// From x to t and h of each unit.
        gates: Box<Kernel>,
        /// From those to what leaves.
        blend: Blend,
    },
    /// A long short-term memory.
    Lstm {
        /// From x, then h, to i, f, g and o of each unit.
        gates: Box<Kernel>,
        /// From those to the next c and h.
        cell: Cell,
    },
}

/// The SPN of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// What it reads.
    pub input: Shape,
    /// What it yields.
    pub output: Shape,
    /// Where it works. Pads are 0.
    pub windows: Windows,
    /// It yields patches of so many pixels, in the order of (row, column, channel).
    pub patch: Extent,
    /// Groups of W_b: row i of the model's `rows` reads the channels of group `i / (rows / groups)` only.
    pub groups: usize,
    /// Rows of W_b in the model, dead ones included.
    pub rows: usize,
    /// One layer over the elements of a window.
    pub dataflow: Dataflow,
}

/// Windows over an image: window (y, x) covers the rows from `y · stride.h - pad.h` on and the columns from
/// `x · stride.w - pad.w` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Height and width of a window.
    pub size: Extent,
    /// Pixels between windows.
    pub stride: Extent,
    /// Pads above and at the left.
    pub pad: Extent,
    /// Windows down.
    pub rows: usize,
    /// Windows across.
    pub columns: usize,
}

impl Windows {
    /// The only window on a vector.
    pub const WHOLE: Windows = Windows::pixels(Shape { height: 1, width: 1, channels: 1 });

    /// A window on each pixel of an image.
    pub const fn pixels(image: Shape) -> Windows {
        let (rows, columns) = (image.height, image.width);
        Windows { size: Extent::ONE, stride: Extent::ONE, pad: Extent::square(0), rows, columns }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.rows * self.columns
    }

    /// Whether any window holds a pixel beyond an image of this shape.
    pub fn padded(self, image: Shape) -> bool {
        let Windows { size, stride, pad, rows, columns } = self;
        let end = Extent { h: rows - 1, w: columns - 1 }.zip(stride, |n, stride| n * stride).zip(size, |at, n| at + n);
        pad != Extent::square(0) || end.h > image.height || end.w > image.width
    }

    /// The elements of window (y, x) of an image in the order of (row, column, channel), pads as `pad`.
    pub fn read(self, image: &[i64], shape: Shape, y: usize, x: usize, pad: i64) -> Vec<i64> {
        let mut elements = vec![pad; self.size.area() * shape.channels];
        let inside = |at: usize, pad: usize, n: usize| at.checked_sub(pad).filter(|i| *i < n);
        for ky in 0..self.size.h {
            let Some(row) = inside(y * self.stride.h + ky, self.pad.h, shape.height) else { continue };
            for kx in 0..self.size.w {
                let Some(column) = inside(x * self.stride.w + kx, self.pad.w, shape.width) else { continue };
                let (from, to) = (row * shape.width + column, ky * self.size.w + kx);
                let c = shape.channels;
                elements[to * c..(to + 1) * c].copy_from_slice(&image[from * c..(from + 1) * c]);
            }
        }
        elements
    }

    /// All windows in raster order.
    pub fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).flat_map(move |y| (0..self.columns).map(move |x| (y, x)))
    }
}

impl Images {
    /// The edge that a layer yields.
    pub fn yields(&self, layer: usize) -> &Edge {
        &self.edges[layer + 1]
    }

    /// The first edge that a layer reads.
    pub fn reads(&self, layer: usize) -> &Edge {
        &self.edges[self.layers[layer].reads[0].index()]
    }
}

impl Edge {
    /// What an element of the whole image can be: all channels together.
    pub fn interval(&self) -> Interval {
        self.intervals.iter().fold(self.intervals[0], |a, b| a.hull(*b))
    }
}

/// What the LSTMs of a network keep from one input of a sequence to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// c and h by layer; all 0 for one that is not there yet.
    cells: BTreeMap<usize, [Vec<i64>; 2]>,
}

/// The integers on every edge for one input image; the last one is the network's output. In a recurrent network it begins a
/// sequence.
///
/// # Errors
/// Where the input has the wrong length or an element outside its format.
pub fn interpret(images: &Images, input: &[i64]) -> Result<Vec<Vec<i64>>> {
    step(images, &mut State::default(), input)
}

/// Like [`interpret`], for the next input of a sequence; it moves the state on.
///
/// # Errors
/// As [`interpret`].
pub fn step(images: &Images, state: &mut State, input: &[i64]) -> Result<Vec<Vec<i64>>> {
    step_with(images, state, input, |number, _, x| Ok(images.layers[number].compute(x)))
}

/// Like [`step`]; `compute` yields what the kernel of a layer, by number, [makes](ImageLayer::compute) of a window or a word.
///
/// # Errors
/// As [`interpret`], and the first one of `compute`.
pub fn step_with(
    images: &Images,
    state: &mut State,
    input: &[i64],
    mut compute: impl FnMut(usize, &Kernel, &[i64]) -> Result<Vec<i64>>,
) -> Result<Vec<Vec<i64>>> {
    let edge = &images.edges[0];
    if input.len() != edge.shape.elements() {
        let cause = format!("has {} elements, the network takes {}", input.len(), edge.shape.elements());
        return Err(Error::input("input image", cause));
    }
    if let Some((i, v)) = input.iter().enumerate().find(|(_, v)| !edge.interval().contains(**v)) {
        return Err(Error::input("input image", format_args!("element {i} is {v}, outside {}", edge.interval())));
    }
    let mut edges = vec![input.to_vec()];
    for (number, layer) in images.layers.iter().enumerate() {
        let x = edges[layer.reads[0].index()].as_slice();
        let mut kernel = |kernel: &Kernel, x: &[i64]| kernel.map(x, |window| compute(number, kernel, window));
        let z = match &layer.kind {
            Kind::Spn(spn) => kernel(spn, x)?,
            Kind::CharCnn { filters, tanh, .. } => {
                compute(number, filters, x)?.into_iter().map(|v| tanh.at(v)).collect()
            }
            Kind::Highway { gates, blend } => {
                let gates = kernel(gates, x)?;
                gates.chunks(2).zip(x).map(|(gates, x)| blend.apply(gates[0], gates[1], *x)).collect()
            }
            Kind::Lstm { gates, cell } => {
                let n = images.yields(number).shape.channels;
                let [c, h] = state.cells.entry(number).or_insert_with(|| [vec![0; n], vec![0; n]]);
                let gates = kernel(gates, &[x, h].concat())?;
                for (j, gates) in gates.chunks(4).enumerate() {
                    (c[j], h[j]) = cell.step([gates[0], gates[1], gates[2], gates[3]], c[j]);
                }
                h.clone()
            }
            Kind::Pool { .. } | Kind::Add { .. } | Kind::Embedding { .. } => {
                let reads: Vec<&[i64]> = layer.reads.iter().map(|id| edges[id.index()].as_slice()).collect();
                without_kernel(layer, images.yields(number), &reads)
            }
        };
        edges.push(z);
    }
    Ok(edges)
}

/// What a layer that has no kernel makes of what it reads.
fn without_kernel(layer: &ImageLayer, output: &Edge, reads: &[&[i64]]) -> Vec<i64> {
    let x = reads[0];
    match &layer.kind {
        Kind::Pool { kind, windows } => {
            let pad = if *kind == PoolKind::Max { output.format.min() } else { 0 };
            let channels = layer.input.channels;
            let one = |(y, across)| {
                let window = windows.read(x, layer.input, y, across, pad);
                let channel = move |c| {
                    let taps = window.iter().skip(c).step_by(channels);
                    if *kind == PoolKind::Max { taps.copied().max().unwrap_or(pad) } else { taps.sum() }
                };
                (0..channels).map(channel)
            };
            windows.iter().flat_map(one).collect()
        }
        Kind::Add { shifts, shift } => (x.iter().zip(reads[1]))
            .map(|(a, b)| output.format.saturate(round_shift((a << shifts[0]) + (b << shifts[1]), *shift)))
            .collect(),
        // Indices are within an unsigned format.
        Kind::Embedding { rows } => x.iter().flat_map(|x| &rows[(*x as usize).min(rows.len() - 1)]).copied().collect(),
        Kind::Spn(_) | Kind::CharCnn { .. } | Kind::Highway { .. } | Kind::Lstm { .. } => vec![],
    }
}

impl Images {
    /// Whether it has a state, which goes from one input to the next.
    pub fn is_recurrent(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.kind, Kind::Lstm { .. }))
    }
}

impl ImageLayer {
    /// The kernel of a layer that has one.
    pub fn kernel(&self) -> Option<&Kernel> {
        match &self.kind {
            Kind::Spn(kernel)
            | Kind::CharCnn { filters: kernel, .. }
            | Kind::Highway { gates: kernel, .. }
            | Kind::Lstm { gates: kernel, .. } => Some(kernel),
            Kind::Pool { .. } | Kind::Add { .. } | Kind::Embedding { .. } => None,
        }
    }

    /// What its kernel makes of a window; of a word, the largest output of each filter. Nothing where it has none.
    pub fn compute(&self, x: &[i64]) -> Vec<i64> {
        match (self.kernel(), self.words()) {
            (Some(kernel), Some(words)) => words.largest(x, |window| kernel.apply(window)),
            (Some(kernel), None) => kernel.apply(x),
            (None, _) => vec![],
        }
    }

    /// Data by data: products of a highway layer or an LSTM, for each of its units.
    pub fn products_of_a_unit(&self) -> usize {
        match self.kind {
            Kind::Highway { .. } => HIGHWAY_PRODUCTS,
            Kind::Lstm { .. } => LSTM_PRODUCTS,
            _ => 0,
        }
    }
}

impl Kernel {
    /// What it makes of one window.
    pub fn apply(&self, window: &[i64]) -> Vec<i64> {
        interpret_layer(&self.dataflow.layers[0], window).pop().unwrap_or_default()
    }

    /// The image that `compute` makes of the windows of another one: patches put in their places, the surplus cropped.
    ///
    /// # Errors
    /// The first one of `compute`.
    pub fn map(&self, x: &[i64], mut compute: impl FnMut(&[i64]) -> Result<Vec<i64>>) -> Result<Vec<i64>> {
        let patches = self.windows.iter().map(|(y, across)| compute(&self.windows.read(x, self.input, y, across, 0)));
        Ok(self.place(&patches.collect::<Result<Vec<_>>>()?))
    }

    /// Whether patches, one after the other, are the image as they are.
    pub fn in_order(&self) -> bool {
        let rows = self.patch.h == 1 && self.output.width.is_multiple_of(self.patch.w);
        rows || (self.patch.w == 1 && self.output.width == 1 && self.output.height.is_multiple_of(self.patch.h))
    }

    /// Puts the patches of all windows in their places.
    pub fn place(&self, patches: &[Vec<i64>]) -> Vec<i64> {
        let output = self.output;
        let mut z = vec![0; output.elements()];
        for ((y, across), patch) in self.windows.iter().zip(patches) {
            for (i, pixel) in patch.chunks(output.channels).enumerate() {
                let row = y * self.patch.h + i / self.patch.w;
                let column = across * self.patch.w + i % self.patch.w;
                if row < output.height && column < output.width {
                    let at = (row * output.width + column) * output.channels;
                    z[at..at + output.channels].copy_from_slice(pixel);
                }
            }
        }
        z
    }
}

/// Checks the invariants that the [module](self) states.
///
/// # Errors
/// The first violation, with its layer: a bug of the pass that ran last.
pub fn verify(images: &Images) -> Result<()> {
    let fail = |layer: &str, cause: String| Err(Error::internal(format_args!("image IR, layer `{layer}`"), cause));
    if images.layers.is_empty() || images.edges.len() != images.layers.len() + 1 {
        return fail("", format!("{} edges for {} layers", images.edges.len(), images.layers.len()));
    }
    let mut read = vec![false; images.edges.len()];
    for (number, layer) in images.layers.iter().enumerate() {
        let arity = if matches!(layer.kind, Kind::Add { .. } | Kind::Highway { .. }) { 2 } else { 1 };
        if layer.reads.len() != arity || layer.reads.iter().any(|id| id.index() > number) {
            return fail(&layer.name, format!("reads {:?}", layer.reads));
        }
        for id in &layer.reads {
            read[id.index()] = true;
        }
        let (from, to) = (images.reads(number), images.yields(number));
        if from.intervals.len() != from.shape.channels || to.intervals.len() != to.shape.channels {
            return fail(&layer.name, "a channel lacks its interval".into());
        }
        if layer.input != from.shape && layer.input != Shape::vector(from.shape.elements()) {
            return fail(&layer.name, format!("reads {} as {}", from.shape, layer.input));
        }
        let full = Interval::new(to.format.min(), to.format.max());
        if let Some(v) = to.intervals.iter().find(|v| !full.includes(**v)) {
            return fail(&layer.name, format!("yields {v}, outside {}", to.format));
        }
        let checked = match &layer.kind {
            Kind::Spn(kernel) => spn_is_right(layer, [from, to], kernel),
            Kind::Pool { kind, windows } => {
                lie_on(*windows, layer.input).and_then(|()| pool_is_right(from, to, *kind, *windows))
            }
            Kind::Add { shifts, shift } => {
                add_is_right([from, &images.edges[layer.reads[1].index()]], to, *shifts, *shift)
            }
            Kind::Embedding { rows } => embedding_is_right(from, to, rows),
            Kind::CharCnn { filters, tanh, .. } => match layer.words() {
                Some(words) if layer.input == from.shape => words.are_right([from, to], filters, tanh),
                _ => Err(format!("reads {} as {}", from.shape, layer.input)),
            },
            Kind::Highway { gates, blend } if layer.reads[0] == layer.reads[1] => {
                highway_is_right([from, to], gates, blend)
            }
            Kind::Highway { .. } => Err(format!("reads {:?}", layer.reads)),
            Kind::Lstm { gates, cell } => lstm_is_right([from, to], gates, cell),
        };
        if let Err(cause) = checked {
            return fail(&layer.name, cause);
        }
    }
    match read[..images.layers.len()].iter().position(|read| !read) {
        Some(edge) => fail("", format!("nobody reads edge {edge}")),
        None => Ok(()),
    }
}

pub(super) type Check = std::result::Result<(), String>;

fn lie_on(windows: Windows, image: Shape) -> Check {
    let Windows { size, stride, pad, rows, columns } = windows;
    let on = |[size, stride, pad]: [usize; 3], count: usize, n: usize| {
        size > 0 && stride > 0 && pad < size && count > 0 && (count - 1) * stride < n + pad
    };
    let down = on([size.h, stride.h, pad.h], rows, image.height);
    if !down || !on([size.w, stride.w, pad.w], columns, image.width) {
        return Err(format!("has windows {windows:?} on an image of {image}"));
    }
    Ok(())
}

fn spn_is_right(layer: &ImageLayer, [from, to]: [&Edge; 2], kernel: &Kernel) -> Check {
    if (kernel.input, kernel.output) != (layer.input, to.shape) {
        return Err(format!("has a kernel from {} to {}", kernel.input, kernel.output));
    }
    let padded = kernel.windows.padded(layer.input);
    let leaves = kernel_is_right(kernel, [from.format, to.format], |i| {
        // Flattened images repeat their channels.
        let channel = from.intervals[i % from.shape.channels];
        if padded { channel.hull(Interval::point(0)) } else { channel }
    })?;
    for (i, interval) in leaves.iter().enumerate() {
        if !to.intervals[i % to.shape.channels].includes(*interval) {
            return Err(format!("yields {interval} in output {i}, more than its channel says"));
        }
    }
    Ok(())
}

/// Whether a kernel has these formats, and holds what element i of a window can be; the intervals of what leaves.
pub(super) fn kernel_is_right(
    kernel: &Kernel,
    formats: [Format; 2],
    enters: impl Fn(usize) -> Interval,
) -> std::result::Result<&[Interval], String> {
    let (windows, p, output) = (kernel.windows, kernel.patch, kernel.output);
    lie_on(windows, kernel.input)?;
    super::verify(&kernel.dataflow).map_err(|e| e.to_string())?;
    let [inner] = kernel.dataflow.layers.as_slice() else { return Err("has a kernel of several layers".into()) };
    if [inner.input, inner.output] != formats {
        return Err("has a kernel of other formats".into());
    }
    if (windows.rows, windows.columns) != (output.height.div_ceil(p.h), output.width.div_ceil(p.w)) {
        return Err(format!("has {}×{} patches for an image of {output}", windows.rows, windows.columns));
    }
    let elements = windows.size.area() * kernel.input.channels;
    let (read, leaves) = (&kernel.dataflow.input, inner.result());
    if read.indices != (0..elements).collect::<Vec<_>>() {
        return Err(format!("has a kernel of other inputs than {elements} elements"));
    }
    if leaves.indices != (0..p.area() * output.channels).collect::<Vec<_>>() {
        return Err("has a kernel of other outputs than a patch".into());
    }
    for (i, interval) in read.intervals.iter().enumerate() {
        if !interval.includes(enters(i)) {
            return Err(format!("declares element {i} of a window within {interval}, but {} arrives", enters(i)));
        }
    }
    Ok(&leaves.intervals)
}

fn embedding_is_right(from: &Edge, to: &Edge, rows: &[Vec<i64>]) -> Check {
    let n = to.shape.channels;
    let yields = Shape { height: 1, width: from.shape.elements(), channels: n };
    if from.shape.pixels() != 1 || from.format.signed || to.shape != yields {
        return Err(format!("makes {} of {} of {}", to.shape, from.shape, from.format));
    }
    if rows.is_empty() || rows.iter().any(|row| row.len() != n) || to.intervals != columns(rows) {
        return Err("has rows of other lengths or intervals than it yields".into());
    }
    Ok(())
}

/// What each column of a table can be.
pub(crate) fn columns(rows: &[Vec<i64>]) -> Vec<Interval> {
    let of = |column: usize| rows.iter().map(|row| Interval::point(row[column])).reduce(Interval::hull);
    // A table has rows.
    (0..rows[0].len()).filter_map(of).collect()
}

fn highway_is_right([from, to]: [&Edge; 2], gates: &Kernel, blend: &Blend) -> Check {
    let n = from.shape.elements();
    if (gates.input, gates.output, to.shape) != (Shape::vector(n), Shape::vector(2 * n), Shape::vector(n)) {
        return Err(format!("makes {} of {} by {} gates", to.shape, from.shape, gates.output));
    }
    let gate = gates.dataflow.layers[0].output;
    if !blend.sigmoid.fits(gate) || !blend.sigmoid.sigmoid || [blend.format; 2] != [from.format, to.format] {
        return Err("has a table or a format that is not that of its gates".into());
    }
    kernel_is_right(gates, [from.format, gate], |i| from.intervals[i % from.shape.channels])?;
    if to.intervals != blended(from, gates, blend) {
        return Err("declares other intervals than those of its means".into());
    }
    Ok(())
}

/// What the units of a highway layer can yield.
pub(crate) fn blended(from: &Edge, gates: &Kernel, blend: &Blend) -> Vec<Interval> {
    let gates = &gates.dataflow.layers[0].result().intervals;
    let x = |j: usize| from.intervals[j % from.shape.channels];
    gates.chunks(2).enumerate().map(|(j, gates)| blend.interval(gates[1], x(j))).collect()
}

fn lstm_is_right([from, to]: [&Edge; 2], gates: &Kernel, cell: &Cell) -> Check {
    let (n_in, n) = (from.shape.elements(), to.shape.elements());
    if (gates.input, gates.output, to.shape) != (Shape::vector(n_in + n), Shape::vector(4 * n), Shape::vector(n)) {
        return Err(format!("makes {} of {} by {} gates", to.shape, from.shape, gates.output));
    }
    let inner = &gates.dataflow.layers[0];
    let tables =
        cell.sigmoid.fits(cell.gate) && cell.sigmoid.sigmoid && cell.tanh.fits(cell.gate) && !cell.tanh.sigmoid;
    if !tables || !cell.state.signed || !cell.hidden.signed || (to.format, inner.output) != (cell.hidden, cell.gate) {
        return Err("has a table or a format that is not that of its gates".into());
    }
    let h = cell.hidden_interval();
    kernel_is_right(gates, [inner.input, cell.gate], |i| {
        if i < n_in { from.intervals[i % from.shape.channels] } else { h }
    })?;
    if to.intervals.iter().any(|v| *v != h) {
        return Err(format!("declares other intervals than {h}"));
    }
    Ok(())
}

fn pool_is_right(from: &Edge, to: &Edge, kind: PoolKind, windows: Windows) -> Check {
    if to.shape != (Shape { height: windows.rows, width: windows.columns, ..from.shape }) {
        return Err(format!("yields {}", to.shape));
    }
    if to.intervals != pooled(from, kind, windows) {
        return Err("declares other intervals than those of its windows".into());
    }
    Ok(())
}

/// What the channels of a pooled image can be.
pub(crate) fn pooled(from: &Edge, kind: PoolKind, windows: Windows) -> Vec<Interval> {
    let padded = windows.padded(from.shape);
    let area = windows.size.area() as i64;
    let one = |v: &Interval| match kind {
        // A pad is never larger than what lies beside it.
        PoolKind::Max => *v,
        PoolKind::Sum if padded => Interval::new(v.lo.min(0) * area, v.hi.max(0) * area),
        PoolKind::Sum => Interval::new(v.lo * area, v.hi * area),
    };
    from.intervals.iter().map(one).collect()
}

fn add_is_right(reads: [&Edge; 2], to: &Edge, shifts: [u32; 2], shift: i32) -> Check {
    if reads[0].shape != reads[1].shape || reads[0].shape != to.shape {
        return Err(format!("adds {} to {}", reads[0].shape, reads[1].shape));
    }
    if to.intervals != added(reads, to.format, shifts, shift) {
        return Err("declares other intervals than those of its sums".into());
    }
    Ok(())
}

/// What the channels of a sum can be.
pub(crate) fn added(reads: [&Edge; 2], format: Format, shifts: [u32; 2], shift: i32) -> Vec<Interval> {
    let [a, b] = reads;
    let sum = |(a, b): (&Interval, &Interval)| {
        let sum = a.scale(false, shifts[0]) + b.scale(false, shifts[1]);
        sum.map(|v| format.saturate(round_shift(v, shift)))
    };
    a.intervals.iter().zip(&b.intervals).map(sum).collect()
}
