//! The invariants of the dataflow IR, checked.

mod chain;

use super::gated::{Blend, Cell};
use super::{Dataflow, Edge, Kernel, Kind, Layer, Windows};
use crate::interval::{Interval, round_shift};
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{Error, Format, Result, Shape};

/// Checks the invariants that the [module](super) states.
///
/// # Errors
/// The first violation, with its layer: a bug of the pass that ran last.
pub fn verify(dataflow: &Dataflow) -> Result<()> {
    let fail = |layer: &str, cause: String| {
        Err(Error::internal(format_args!("dataflow, layer `{layer}`"), cause))
    };
    if dataflow.layers.is_empty() || dataflow.edges.len() != dataflow.layers.len() + 1 {
        return fail(
            "",
            format!("{} edges for {} layers", dataflow.edges.len(), dataflow.layers.len()),
        );
    }
    let mut read = vec![false; dataflow.edges.len()];
    for (number, layer) in dataflow.layers.iter().enumerate() {
        let arity =
            if matches!(layer.kind, Kind::Add { .. } | Kind::Highway { .. }) { 2 } else { 1 };
        if layer.reads.len() != arity || layer.reads.iter().any(|id| id.index() > number) {
            return fail(&layer.name, format!("reads {:?}", layer.reads));
        }
        for id in &layer.reads {
            read[id.index()] = true;
        }
        let (from, to) = (dataflow.reads(number), dataflow.yields(number));
        for edge in [from, to] {
            let ascend = edge.channels.windows(2).all(|pair| pair[0] < pair[1])
                && edge.channels.last().is_some_and(|last| *last < edge.whole);
            if [edge.intervals.len(), edge.channels.len()] != [edge.shape.channels; 2] || !ascend {
                return fail(&layer.name, "a channel lacks its interval or its number".into());
            }
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
            Kind::Pool { kind, windows } => lie_on(*windows, layer.input)
                .and_then(|()| pool_is_right(from, to, *kind, *windows)),
            Kind::Add { shifts, shift } => {
                add_is_right([from, &dataflow.edges[layer.reads[1].index()]], to, *shifts, *shift)
            }
            Kind::Embedding { rows } => embedding_is_right(from, to, rows),
            Kind::CharCnn { filters, tanh, .. } => match layer.words() {
                Some(words) if layer.input == from.shape => {
                    words.are_right([from, to], filters, tanh)
                }
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
    match read[..dataflow.layers.len()].iter().position(|read| !read) {
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
        return Err(format!("has {windows} on an image of {image}"));
    }
    Ok(())
}

fn spn_is_right(layer: &Layer, [from, to]: [&Edge; 2], kernel: &Kernel) -> Check {
    if (kernel.input, kernel.output) != (layer.input, to.shape) {
        return Err(format!("has a kernel from {} to {}", kernel.input, kernel.output));
    }
    let padded = kernel.windows.padded(layer.input);
    let leaves = kernel_is_right(kernel, [from.format, to.format], |i| {
        // Flattened images repeat their channels.
        let channel = from.intervals[i % from.shape.channels];
        if padded { channel.hull(Interval::point(0)) } else { channel }
    })?;
    let (read, made) = (&kernel.chain.x, kernel.chain.result());
    let pixels = |elements: usize, edge: &Edge| elements / edge.shape.channels;
    if !from.indices(pixels(read.len(), from)).eq(read.indices.iter().copied())
        || !to.indices(pixels(made.len(), to)).eq(made.indices.iter().copied())
    {
        return Err("has a kernel of other elements than its edges have".into());
    }
    for (i, interval) in leaves.iter().enumerate() {
        if !to.intervals[i % to.shape.channels].includes(*interval) {
            return Err(format!("yields {interval} in output {i}, more than its channel says"));
        }
    }
    Ok(())
}

/// Whether a kernel has these formats, and holds what element i of a window can be; the intervals
/// of what leaves.
pub(super) fn kernel_is_right(
    kernel: &Kernel,
    formats: [Format; 2],
    enters: impl Fn(usize) -> Interval,
) -> std::result::Result<&[Interval], String> {
    let (windows, p, output) = (kernel.windows, kernel.patch, kernel.output);
    lie_on(windows, kernel.input)?;
    let inner = &kernel.chain;
    chain::is_right(inner)?;
    if [inner.input, inner.output] != formats {
        return Err("has a kernel of other formats".into());
    }
    if (windows.rows, windows.columns) != (output.height.div_ceil(p.h), output.width.div_ceil(p.w))
    {
        return Err(format!(
            "has {}×{} patches for an image of {output}",
            windows.rows, windows.columns
        ));
    }
    let elements = windows.size.area() * kernel.input.channels;
    let (read, leaves) = (&inner.x, inner.result());
    if read.len() != elements {
        return Err(format!("has a kernel of other inputs than {elements} elements"));
    }
    if leaves.len() != p.area() * output.channels {
        return Err("has a kernel of other outputs than a patch".into());
    }
    for (i, interval) in read.intervals.iter().enumerate() {
        if !interval.includes(enters(i)) {
            return Err(format!(
                "declares element {i} of a window within {interval}, but {} arrives",
                enters(i)
            ));
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
    let of =
        |column: usize| rows.iter().map(|row| Interval::point(row[column])).reduce(Interval::hull);
    // A table has rows.
    (0..rows[0].len()).filter_map(of).collect()
}

fn highway_is_right([from, to]: [&Edge; 2], gates: &Kernel, blend: &Blend) -> Check {
    let n = from.shape.elements();
    if (gates.input, gates.output, to.shape)
        != (Shape::vector(n), Shape::vector(2 * n), Shape::vector(n))
    {
        return Err(format!("makes {} of {} by {} gates", to.shape, from.shape, gates.output));
    }
    let gate = gates.chain.output;
    if !blend.sigmoid.fits(gate)
        || !blend.sigmoid.sigmoid
        || [blend.format; 2] != [from.format, to.format]
    {
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
    let gates = &gates.chain.result().intervals;
    let x = |j: usize| from.intervals[j % from.shape.channels];
    gates.chunks(2).enumerate().map(|(j, gates)| blend.interval(gates[1], x(j))).collect()
}

fn lstm_is_right([from, to]: [&Edge; 2], gates: &Kernel, cell: &Cell) -> Check {
    let (n_in, n) = (from.shape.elements(), to.shape.elements());
    if (gates.input, gates.output, to.shape)
        != (Shape::vector(n_in + n), Shape::vector(4 * n), Shape::vector(n))
    {
        return Err(format!("makes {} of {} by {} gates", to.shape, from.shape, gates.output));
    }
    let inner = &gates.chain;
    let tables = cell.sigmoid.fits(cell.gate)
        && cell.sigmoid.sigmoid
        && cell.tanh.fits(cell.gate)
        && !cell.tanh.sigmoid;
    if !tables
        || !cell.state.signed
        || !cell.hidden.signed
        || (to.format, inner.output) != (cell.hidden, cell.gate)
    {
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
        return Err(format!("makes {} of {} and {}", to.shape, reads[0].shape, reads[1].shape));
    }
    if to.intervals != added(reads, to.format, shifts, shift) {
        return Err("declares other intervals than those of its sums".into());
    }
    Ok(())
}

/// What the channels of a sum can be.
pub(crate) fn added(
    reads: [&Edge; 2],
    format: Format,
    shifts: [u32; 2],
    shift: i32,
) -> Vec<Interval> {
    let [a, b] = reads;
    let sum = |(a, b): (&Interval, &Interval)| {
        let sum = a.scale(false, shifts[0]) + b.scale(false, shifts[1]);
        sum.map(|v| format.saturate(round_shift(v, shift)))
    };
    a.intervals.iter().zip(&b.intervals).map(sum).collect()
}
