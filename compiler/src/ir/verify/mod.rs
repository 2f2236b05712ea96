//! The invariants of the dataflow IR, checked.
//!
//! It shares no rule with what lowers and prunes: what a layer yields, where its windows lie, which
//! elements it reads and what those can be is derived here once more, from the specification of the
//! model file (`docs/model-format.md`, section 6) and in numbers of its own ([`range`]). Shared are
//! the types of the IR with their fields, and how shapes, formats and intervals are printed: they
//! decide nothing. So a fault in a rule of either side is a refusal, and never goes unseen.
//!
//! A dataflow may come from a text, with any numbers: none of them makes this wrap or panic.

mod chain;
mod correlated;
mod kinds;
mod range;

pub(super) use correlated::{products_of_data, sums_of_products};
pub(super) use range::{Range, shift};

use super::{Dataflow, Edge, Kernel, Kind, Layer, Windows};
use std::collections::BTreeSet;
use strassenc_runtime::{Error, Format, Result, Shape};

/// Checks the invariants that the [module](super) states.
///
/// # Errors
/// The first violation, with its layer: a bug of the pass that ran last.
pub fn verify(dataflow: &Dataflow) -> Result<()> {
    let whole = |cause: String| Err(Error::internal("dataflow", cause));
    let fail = |layer: &Layer, cause: String| {
        Err(Error::internal(format_args!("dataflow, layer `{}`", layer.name), cause))
    };
    let (edges, layers) = (&dataflow.edges, &dataflow.layers);
    // Edges from this one on are those of layers.
    let first = dataflow.inputs.len() + 1;
    if layers.is_empty() || edges.len() != layers.len() + first {
        let (edges, layers, inputs) = (edges.len(), layers.len(), first);
        return whole(format!("{edges} edges for {layers} layers and {inputs} inputs"));
    }
    let of_head = |edge: usize| dataflow.heads.iter().any(|head| head.edge.index() == edge);
    let last = edges.len() - 1;
    for (number, edge) in edges.iter().enumerate() {
        let inner = first <= number && number < last && !of_head(number);
        if let Err(cause) = edge_is_right(edge, inner) {
            return whole(format!("{} {cause}", named(dataflow, number)));
        }
    }
    let mut names = BTreeSet::new();
    let mut read = vec![false; edges.len()];
    for (number, layer) in layers.iter().enumerate() {
        if !names.insert(&layer.name) {
            return fail(layer, "has the name of an earlier layer".into());
        }
        let arity = match layer.kind {
            Kind::Add { .. } | Kind::Concat { .. } | Kind::Highway { .. } => 2,
            _ => 1,
        };
        if layer.reads.len() != arity {
            return fail(layer, format!("reads {} edges, not {arity}", layer.reads.len()));
        }
        let mut reads = vec![];
        for id in layer.reads.iter().map(|id| id.index()) {
            if id >= number + first {
                let cause = format!("reads {}, which is not there yet", named(dataflow, id));
                return fail(layer, cause);
            }
            read[id] = true;
            reads.push(&edges[id]);
        }
        if let Err(cause) = kinds::is_right(layer, &reads, &edges[number + first]) {
            return fail(layer, cause);
        }
        if first > 1 && kinds::is_of_one_input(layer) {
            return fail(layer, "is in a network of several inputs".into());
        }
    }
    for input in &dataflow.inputs {
        if !names.insert(input) {
            return whole(format!("input `{input}` has the name of another, or of a layer"));
        }
    }
    for head in &dataflow.heads {
        // The last edge is an output already.
        match read.get(head.edge.index()) {
            Some(false) if (first..last).contains(&head.edge.index()) => {}
            _ => return whole(format!("head `{}` has an edge that goes elsewhere", head.name)),
        }
        read[head.edge.index()] = true;
        if !names.insert(&head.name) {
            let name = &head.name;
            return whole(format!("head `{name}` has the name of another, of a layer or an input"));
        }
    }
    match read[..last].iter().position(|read| !read) {
        Some(edge) => whole(format!("nobody reads {}", named(dataflow, edge))),
        None => Ok(()),
    }
}

/// Why something is refused.
pub(super) type Check<T = ()> = std::result::Result<T, String>;

/// An edge, in words.
fn named(dataflow: &Dataflow, edge: usize) -> String {
    let Some(further) = edge.checked_sub(1) else { return "the network's input".into() };
    if let Some(name) = dataflow.inputs.get(further) {
        return format!("input `{name}`");
    }
    match dataflow.layers.get(further - dataflow.inputs.len()) {
        Some(layer) => format!("what layer `{}` yields", layer.name),
        None => format!("edge {edge}, which no layer yields"),
    }
}

/// Channels may be left out of edges within the network alone.
fn edge_is_right(edge: &Edge, inner: bool) -> Check {
    let Edge { shape, format, whole, channels, intervals } = edge;
    format_is_sound(*format)?;
    let elements = [shape.height, shape.width, shape.channels]
        .iter()
        .try_fold(1usize, |product, n| product.checked_mul(*n));
    if elements.is_none_or(|n| n == 0) {
        return Err(format!("has no such shape as {shape}"));
    }
    let ascend = channels.windows(2).all(|pair| pair[0] < pair[1])
        && channels.last().is_some_and(|last| last < whole);
    if [intervals.len(), channels.len()] != [shape.channels; 2] || !ascend {
        return Err("has a channel that lacks its interval or its number".into());
    }
    if !inner && channels.len() != *whole {
        return Err(format!("has {} of {whole} channels", channels.len()));
    }
    let full = Range::whole(*format);
    match intervals.iter().find(|v| v.lo > v.hi || !full.includes(Range::of(v))) {
        Some(v) => Err(format!("has a channel within {v}, outside {format}")),
        None => Ok(()),
    }
}

/// Widths of 1 to 63 bits, and fractional bits that are within -64 to 64.
fn format_is_sound(format: Format) -> Check {
    if !(1..=63).contains(&format.bits) || !(-64..=64).contains(&format.frac) {
        return Err(format!(
            "has a format of {} bits and {} fractional ones",
            format.bits, format.frac
        ));
    }
    Ok(())
}

/// Windows are there, on an image that has pixels, and each of them holds one of its pixels.
fn lie_on(windows: Windows, image: Shape) -> Check {
    let Windows { size, stride, pad, rows, columns } = windows;
    let on = |[size, stride, pad, count, n]: [usize; 5]| {
        // The first pixel of the last window.
        let last = count.checked_sub(1).and_then(|last| last.checked_mul(stride));
        size > 0 && stride > 0 && pad < size && last.is_some_and(|last| last < n + pad)
    };
    let down = on([size.h, stride.h, pad.h, rows, image.height]);
    if !down || !on([size.w, stride.w, pad.w, columns, image.width]) {
        return Err(format!("has {windows} on an image of {image}"));
    }
    Ok(())
}

/// Whether the first window begins before the image, or the last one ends behind it.
fn has_pads(windows: Windows, image: Shape) -> bool {
    let Windows { size, stride, pad, rows, columns } = windows;
    let beyond = |[size, stride, pad, count, n]: [usize; 5]| {
        pad > 0 || ((count - 1) * stride).saturating_add(size) > n
    };
    beyond([size.h, stride.h, pad.h, rows, image.height])
        || beyond([size.w, stride.w, pad.w, columns, image.width])
}

/// What element i of a flattened edge can be.
fn element(edge: &Edge, i: usize) -> Range {
    Range::of(&edge.intervals[i % edge.shape.channels])
}

/// The number in the model of element i of an edge: elements lie pixel by pixel.
fn index(edge: &Edge, i: usize) -> usize {
    let channels = edge.shape.channels;
    (i / channels).saturating_mul(edge.whole).saturating_add(edge.channels[i % channels])
}

/// What a kernel that is right must agree with.
struct Around<'a> {
    /// Formats of what enters its chain and of what leaves.
    formats: [Format; 2],
    /// The interval and the number of element i of a window.
    enters: &'a dyn Fn(usize) -> (Range, usize),
    /// The number of element i of a patch.
    leaves: &'a dyn Fn(usize) -> usize,
}

/// Whether a kernel fits what is around it.
fn kernel_is_right(kernel: &Kernel, around: &Around) -> Check {
    let Kernel { input, output, windows, patch, groups, rows, chain } = kernel;
    lie_on(*windows, *input)?;
    chain::is_right(chain)?;
    if [chain.input, chain.output] != around.formats {
        return Err("has a kernel of other formats".into());
    }
    let across = |whole: usize, part: usize| (part > 0).then(|| whole.div_ceil(part));
    let patches = [across(output.height, patch.h), across(output.width, patch.w)];
    if patches != [Some(windows.rows), Some(windows.columns)] {
        return Err(format!(
            "has {}×{} patches for an image of {output}",
            windows.rows, windows.columns
        ));
    }
    let (read, made) = (&chain.x, &chain.ops[chain.ops.len() - 1].result);
    let product = |a: usize, b: usize, c: usize| a.checked_mul(b).and_then(|ab| ab.checked_mul(c));
    if product(windows.size.h, windows.size.w, input.channels) != Some(read.len()) {
        return Err(format!("has a kernel that reads {} elements of a window", read.len()));
    }
    if product(patch.h, patch.w, output.channels) != Some(made.len()) {
        return Err(format!("has a kernel that yields {} elements of a patch", made.len()));
    }
    for (i, (interval, index)) in read.intervals.iter().zip(&read.indices).enumerate() {
        let (enters, number) = (around.enters)(i);
        if Range::of(interval) != enters {
            return Err(format!(
                "declares element {i} of a window within {interval}, but {enters} arrives"
            ));
        }
        if *index != number {
            return Err(format!("calls element {i} of a window {index}, not {number}"));
        }
    }
    for (i, index) in made.indices.iter().enumerate() {
        if *index != (around.leaves)(i) {
            return Err(format!("calls element {i} of a patch {index}"));
        }
    }
    rows_are_right(kernel, *rows, *groups)
}

/// A kernel's products are rows of the model, no more than its budget, and read the channels of
/// their group.
fn rows_are_right(kernel: &Kernel, rows: usize, groups: usize) -> Check {
    let (chain, channels) = (&kernel.chain, kernel.input.channels);
    let Some((_, matrix)) = chain.matrices().next() else {
        return Err("has no matrix".into());
    };
    let indices = &chain.ops[0].result.indices;
    let divided = groups > 0 && channels.is_multiple_of(groups) && rows.is_multiple_of(groups);
    if rows > chain.budget || !divided {
        return Err(format!(
            "has {rows} rows in {groups} groups, a budget of {} and {channels} channels",
            chain.budget
        ));
    }
    let of_data = chain.multiplies_data();
    let (first, second) = indices.split_at(if of_data { indices.len() / 2 } else { indices.len() });
    if first.iter().any(|i| *i >= rows) {
        return Err(format!("multiplies a row that is none of {rows}"));
    }
    if of_data && !second.iter().copied().eq(first.iter().map(|i| i + rows)) {
        return Err("has an operand that is not that of its row".into());
    }
    for (row, weights) in first.iter().zip(matrix.outer_iter()).filter(|_| groups > 1) {
        let group = row / (rows / groups);
        let foreign = |j: usize| j % channels / (channels / groups) != group;
        if weights.iter().enumerate().any(|(j, w)| *w != 0 && foreign(j)) {
            return Err(format!("has a row {row} that reads beyond its group"));
        }
    }
    Ok(())
}
