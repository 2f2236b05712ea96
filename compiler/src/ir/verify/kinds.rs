//! What each kind of layer makes of what it reads.

use super::range::{Range, exact, shift};
use super::{Around, Check, element, format_is_sound, has_pads, index, kernel_is_right, lie_on};
use crate::ir::gated::{Blend, Cell, Curve, Function};
use crate::ir::{Edge, Kernel, Kind, Layer, OpKind, Windows};
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{self as runtime, Along, Extent, Format, Shape};

/// Whether a layer yields what it makes of what it reads: at least one edge, two of a sum, a
/// concatenation or a highway layer.
pub(super) fn is_right(layer: &Layer, reads: &[&Edge], to: &Edge) -> Check {
    let (from, input) = (reads[0], layer.input);
    let flat = Shape::vector(from.shape.elements());
    if input != from.shape && input != flat {
        return Err(format!("reads {} as {input}", from.shape));
    }
    let as_it_is = || match input == from.shape {
        true => Ok(()),
        false => Err(format!("reads an image of {} as {input}", from.shape)),
    };
    match &layer.kind {
        Kind::Spn(kernel) => spn(input, from, to, kernel),
        Kind::Pool { kind, windows } => {
            as_it_is()?;
            pool(from, to, *kind, *windows)
        }
        Kind::Upsample { size } => {
            as_it_is()?;
            upsample(from, to, *size)
        }
        Kind::Activation { function } => {
            as_it_is()?;
            activation(from, to, function)
        }
        Kind::Add { shifts, shift } => {
            as_it_is()?;
            add([from, reads[1]], to, *shifts, *shift)
        }
        Kind::Concat { shifts, shift } => {
            as_it_is()?;
            concat([from, reads[1]], to, *shifts, *shift)
        }
        Kind::Embedding { rows } => embedding(from, to, rows),
        Kind::CharCnn { filters, widths, tanh } => {
            as_it_is()?;
            char_cnn(from, to, filters, widths, tanh)
        }
        Kind::Highway { gates, blend } => match layer.reads[0] == layer.reads[1] {
            true => highway(from, to, gates, blend),
            false => Err("blends another edge than it reads".into()),
        },
        Kind::Recurrent { along, gates, cell } => {
            let steps = match along {
                Along::Inputs if input == flat => 1,
                Along::Pixels if from.shape.height == 1 => {
                    as_it_is()?;
                    from.shape.width
                }
                _ => return Err(format!("goes along {along:?} of {}", from.shape)),
            };
            recurrent((from, steps), to, gates, cell)
        }
        Kind::Last => {
            as_it_is()?;
            of_a_row(from, to, 1)
        }
        Kind::Reverse => {
            as_it_is()?;
            of_a_row(from, to, from.shape.width)
        }
        Kind::Best { count } => {
            as_it_is()?;
            best(from, to, *count)
        }
        Kind::Threshold { above } => {
            as_it_is()?;
            threshold(from, to, *above)
        }
    }
}

/// Whether no other input may be beside that of a network with such a layer.
pub(super) fn is_of_one_input(layer: &Layer) -> bool {
    match &layer.kind {
        Kind::Recurrent { along, .. } => *along == Along::Inputs,
        Kind::Spn(kernel) => kernel.chain.ops.iter().any(|op| matches!(op.kind, OpKind::Product)),
        Kind::Embedding { .. } => true,
        _ => false,
    }
}

/// The channels of an edge can be just this.
fn channels(to: &Edge, of: &str, due: impl Fn(usize) -> Check<Range>) -> Check {
    for (c, declared) in to.intervals.iter().enumerate() {
        let due = due(c).map_err(|cause| format!("channel {c} {cause}"))?;
        if Range::of(declared) != due {
            return Err(format!(
                "declares channel {c} within {declared}, but {of} are within {due}"
            ));
        }
    }
    Ok(())
}

fn spn(input: Shape, from: &Edge, to: &Edge, kernel: &Kernel) -> Check {
    if (kernel.input, kernel.output) != (input, to.shape) {
        return Err(format!("has a kernel from {} to {}", kernel.input, kernel.output));
    }
    lie_on(kernel.windows, input)?;
    let pads = has_pads(kernel.windows, input);
    let around = Around {
        formats: [from.format, to.format],
        enters: &|i| {
            let image = element(from, i);
            (if pads { image.hull(Range::point(0)) } else { image }, index(from, i))
        },
        leaves: &|i| index(to, i),
    };
    kernel_is_right(kernel, &around)?;
    // A channel is in each pixel of a patch.
    let made = outputs(kernel);
    channels(to, "its outputs", |c| {
        let of_channel = made.iter().skip(c).step_by(to.shape.channels).copied();
        of_channel.reduce(Range::hull).ok_or("has no output".into())
    })
}

/// What a kernel that is right yields.
fn outputs(kernel: &Kernel) -> Vec<Range> {
    let last = kernel.chain.ops.last();
    last.iter().flat_map(|op| &op.result.intervals).map(Range::of).collect()
}

/// The gates of a layer, from a vector to one of so many elements in this format, so many times.
fn gates(
    kernel: &Kernel,
    [from, to, steps]: [usize; 3],
    formats: [Format; 2],
    enters: &dyn Fn(usize) -> Range,
) -> Check {
    let column = |channels| Shape { height: steps, width: 1, channels };
    let (from, to) = (column(from), column(to));
    let windows = Windows::pixels(from);
    if (kernel.input, kernel.output, kernel.windows) != (from, to, windows) {
        return Err(format!(
            "has a kernel from {} to {}, not from {from} to {to}",
            kernel.input, kernel.output
        ));
    }
    kernel_is_right(kernel, &Around { formats, enters: &|i| (enters(i), i), leaves: &|i| i })
}

fn pool(from: &Edge, to: &Edge, kind: PoolKind, windows: Windows) -> Check {
    lie_on(windows, from.shape)?;
    let due = Shape { height: windows.rows, width: windows.columns, ..from.shape };
    if to.shape != due || to.whole != from.whole || to.channels != from.channels {
        return Err(format!("yields {}, or other channels than it reads", to.shape));
    }
    let pixels = (windows.size.h as i128).saturating_mul(windows.size.w as i128);
    if kind == PoolKind::Max && to.format != from.format {
        return Err(format!("makes {} of {}", to.format, from.format));
    }
    let pads = has_pads(windows, from.shape);
    channels(to, "its windows", |c| {
        let one = element(from, c);
        match kind {
            // Pads are never the largest, and each window holds a pixel.
            PoolKind::Max => Ok(one),
            // Each pixel is there, or is 0.
            PoolKind::Sum => {
                let one = if pads { one.hull(Range::point(0)) } else { one };
                one.image(|v| exact(exact(v)?.saturating_mul(pixels)))
            }
        }
    })
}

fn upsample(from: &Edge, to: &Edge, size: Extent) -> Check {
    let height = from.shape.height.saturating_mul(size.h);
    let width = from.shape.width.saturating_mul(size.w);
    let due = Shape { height, width, ..from.shape };
    if to.shape != due || to.whole != from.whole || to.channels != from.channels {
        return Err(format!("makes {} of {}, {size} times", to.shape, from.shape));
    }
    if to.format != from.format {
        return Err(format!("makes {} of {}", to.format, from.format));
    }
    channels(to, "its pixels", |c| Ok(element(from, c)))
}

fn activation(from: &Edge, to: &Edge, function: &Function) -> Check {
    if to.shape != from.shape || to.whole != from.whole || to.channels != from.channels {
        return Err(format!("makes {} of {}, or other channels", to.shape, from.shape));
    }
    let (format, whole) = (from.format, Range::whole(from.format));
    let yields = match function {
        Function::Clip { max } if !(0..=whole.hi).contains(&i128::from(*max)) => {
            return Err(format!("clips {format} at {max}"));
        }
        Function::Leaky { shift } if !format.signed || !(1..=15).contains(shift) => {
            return Err(format!("makes {format} leaky by {shift}"));
        }
        Function::Clip { .. } | Function::Leaky { .. } => format,
        Function::Curve(Curve { sigmoid, frac, .. }) => {
            let bits = if *sigmoid { frac + 1 } else { frac + 2 };
            Format { signed: !sigmoid, bits, frac: *frac as i32 }
        }
    };
    if to.format != yields {
        return Err(format!("makes {} of {format}, not {yields}", to.format));
    }
    match function {
        Function::Clip { max } => {
            channels(to, "its values", |c| element(from, c).image(|v| Ok(v.min(i128::from(*max)))))
        }
        Function::Leaky { shift: right } => channels(to, "its values", |c| {
            element(from, c).image(|v| if v < 0 { shift(v, i64::from(*right)) } else { Ok(v) })
        }),
        Function::Curve(curve) => {
            let table = Table::of(curve, curve.sigmoid, format)?;
            channels(to, "values of its table", |c| {
                table.image(element(from, c)).ok_or("has no value".into())
            })
        }
    }
}

/// So many pixels of a row, as they are.
fn of_a_row(from: &Edge, to: &Edge, width: usize) -> Check {
    let due = Shape { width, ..from.shape };
    if from.shape.height != 1 || to.shape != due || to.whole != from.whole {
        return Err(format!("makes {} of {}", to.shape, from.shape));
    }
    if to.format != from.format || to.channels != from.channels {
        return Err(format!("makes {} of {}, or other channels", to.format, from.format));
    }
    channels(to, "its pixels", |c| Ok(element(from, c)))
}

/// What decides reads all scores, and yields numbers without a sign and a fraction.
fn decides(from: &Edge, to: &Edge, bits: u32) -> Check {
    if from.whole != from.shape.channels {
        return Err(format!("decides on {} of {} channels", from.shape.channels, from.whole));
    }
    match to.format == (Format { signed: false, bits, frac: 0 }) {
        true => Ok(()),
        false => Err(format!("makes {} of {} classes", to.format, from.whole)),
    }
}

fn best(from: &Edge, to: &Edge, count: usize) -> Check {
    let classes = from.shape.channels;
    decides(from, to, (1..).find(|bits| classes as u128 <= 1 << bits).unwrap_or(1))?;
    let due = Shape { channels: count, ..from.shape };
    if count > classes || to.shape != due || to.whole != count {
        return Err(format!("makes {} of {}, {count} times", to.shape, from.shape));
    }
    let all: Vec<Range> = (0..classes).map(|c| element(from, c)).collect();
    // Scores in falling order, equal ones in that of their classes: the least of each class, and
    // the largest.
    let [mut ends, mut begins]: [Vec<(i128, usize)>; 2] = Default::default();
    for (c, range) in all.iter().enumerate() {
        ends.push((-range.lo, c));
        begins.push((-range.hi, c));
    }
    ends.sort_unstable();
    begins.sort_unstable();
    let before = |sorted: &[(i128, usize)], own: (i128, usize)| {
        sorted.binary_search(&own).unwrap_or_else(|place| place)
    };
    let mut places = vec![None; count];
    for (c, range) in all.iter().enumerate() {
        // How many others are before it at its largest in any case, and how many may be at its
        // least; by that reckoning one that varies is before itself.
        let surely = before(&ends, (-range.hi, c));
        let maybe = before(&begins, (-range.lo, c));
        let last = if range.varies() { maybe - 1 } else { maybe };
        let own = Range::point(c as i128);
        for place in places.iter_mut().take(last + 1).skip(surely) {
            *place = Some(place.map_or(own, |all: Range| all.hull(own)));
        }
    }
    channels(to, "its places", |place| places[place].ok_or("has no class".into()))
}

fn threshold(from: &Edge, to: &Edge, above: i64) -> Check {
    decides(from, to, 1)?;
    if to.shape != from.shape || to.whole != from.whole {
        return Err(format!("makes {} of {}", to.shape, from.shape));
    }
    channels(to, "its bits", |c| element(from, c).image(|v| Ok(i128::from(v > i128::from(above)))))
}

fn add(reads: [&Edge; 2], to: &Edge, shifts: [u32; 2], right: i32) -> Check {
    let [a, b] = reads;
    if a.shape != b.shape || a.shape != to.shape {
        return Err(format!("makes {} of {} and {}", to.shape, a.shape, b.shape));
    }
    if [a, b].iter().any(|edge| edge.channels != to.channels || edge.whole != to.whole) {
        return Err("adds channels that are not the same in the model".into());
    }
    let whole = Range::whole(to.format);
    channels(to, "its sums", |c| {
        let aligned =
            |side: usize| element(reads[side], c).image(|v| shift(v, -i64::from(shifts[side])));
        let sum = Range::sum([(1, aligned(0)?), (1, aligned(1)?)])?;
        sum.image(|v| Ok(whole.cut(shift(v, right.into())?)))
    })
}

fn concat(reads: [&Edge; 2], to: &Edge, shifts: [u32; 2], right: i32) -> Check {
    let [a, b] = reads;
    let first = a.shape.channels;
    let due = Shape { channels: first.saturating_add(b.shape.channels), ..a.shape };
    if (b.shape.height, b.shape.width) != (due.height, due.width) || to.shape != due {
        return Err(format!("makes {} of {} and {}", to.shape, a.shape, b.shape));
    }
    let of_b = b.channels.iter().map(|c| c.saturating_add(a.whole));
    let of_both = a.channels.iter().copied().chain(of_b);
    if !of_both.eq(to.channels.iter().copied()) || to.whole != a.whole.saturating_add(b.whole) {
        return Err("yields other channels than those of its two edges".into());
    }
    let whole = Range::whole(to.format);
    channels(to, "its two sides", |c| {
        let (x, left) = match c.checked_sub(first) {
            None => (element(a, c), shifts[0]),
            Some(c) => (element(b, c), shifts[1]),
        };
        let aligned = x.image(|v| shift(v, -i64::from(left)))?;
        aligned.image(|v| Ok(whole.cut(shift(v, right.into())?)))
    })
}

fn embedding(from: &Edge, to: &Edge, rows: &[Vec<i64>]) -> Check {
    let n = to.shape.channels;
    let yields = Shape { height: 1, width: from.shape.elements(), channels: n };
    let vector = from.shape == Shape::vector(from.shape.channels);
    if !vector || from.format.signed || to.shape != yields {
        return Err(format!("makes {} of {} of {}", to.shape, from.shape, from.format));
    }
    if rows.is_empty() || rows.iter().any(|row| row.len() != n) {
        return Err("has rows of other lengths than it yields".into());
    }
    channels(to, "rows of its table", |c| {
        Range::spanned(rows.iter().map(|row| row[c].into())).ok_or("has no rows".into())
    })
}

/// The values of a table: of the integers from 0 on, and of those from -1 down.
struct Table<'a> {
    values: &'a [i64],
    sigmoid: bool,
    one: i128,
}

impl<'a> Table<'a> {
    /// A table of σ or tanh for such gates.
    fn of(curve: &'a Curve, sigmoid: bool, gates: Format) -> Check<Self> {
        let Curve { values, frac, sigmoid: own } = curve;
        let fits = gates.signed && (1..=32).contains(&gates.bits) && *frac < 32;
        if !fits || *own != sigmoid || values.len() as u64 != 1 << (gates.bits - 1) {
            return Err("has a table that is not that of its gates".into());
        }
        let one = 1i128 << frac;
        if let Some(v) = values.iter().find(|v| !(0..=one).contains(&i128::from(**v))) {
            return Err(format!("has a table with {v}, which is not from 0 to {one}"));
        }
        Ok(Table { values, sigmoid, one })
    }

    /// The values that the table can yield for these gates.
    fn image(&self, gate: Range) -> Option<Range> {
        let last = self.values.len() as i128 - 1;
        let entry = |k: i128| i128::from(self.values[k as usize]);
        // A gate's minimum is one beyond the table, and takes the last entry too.
        let [lo, hi] = [gate.lo, gate.hi].map(|v| v.clamp(-last, last));
        Range::spanned((lo..=hi).map(|v| match (v < 0, self.sigmoid) {
            (false, _) => entry(v),
            (true, true) => self.one - entry(-v),
            (true, false) => -entry(-v),
        }))
    }
}

fn char_cnn(from: &Edge, to: &Edge, filters: &Kernel, widths: &[usize], tanh: &Curve) -> Check {
    let (characters, e) = (from.shape.width, from.shape.channels);
    let taps = widths.len();
    let n = widths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n)).unwrap_or(0);
    if from.shape.height != 1
        || !(1..=characters).contains(&taps)
        || n == 0
        || to.shape != Shape::vector(n)
    {
        return Err(format!("makes {} of {} by filters {widths:?}", to.shape, from.shape));
    }
    if filters.rows != n || filters.groups != 1 {
        return Err(format!("has {} rows for {n} filters", filters.rows));
    }
    let gate = filters.chain.output;
    format_is_sound(gate)?;
    let table = Table::of(tanh, false, gate)?;
    if to.format != (Format { signed: true, bits: tanh.frac + 2, frac: tanh.frac as i32 }) {
        return Err(format!("yields {}, which is not the format of tanh", to.format));
    }
    gates(filters, [taps.saturating_mul(e), n, 1], [from.format, gate], &|i| {
        element(from, i).hull(Range::point(0))
    })?;
    let [w_b, m, w_c, _] = filters.chain.ops.as_slice() else {
        return Err("has filters that are not W_b, products, W_c, output".into());
    };
    let (
        OpKind::Linear { matrix, .. },
        OpKind::Multiply { coefficients, .. },
        OpKind::Linear { matrix: own, .. },
    ) = (&w_b.kind, &m.kind, &w_c.kind)
    else {
        return Err("has filters that are not W_b, products, W_c, output".into());
    };
    let rows = &w_b.result.indices;
    if let Some((a, row)) = coefficients.iter().zip(rows).find(|(a, _)| **a < 0) {
        return Err(format!("multiplies the largest sum of row {row} by {a}"));
    }
    // Filters are in the order of their widths: this one is of the first width with which there are
    // more than come before it.
    let width = |filter: usize| {
        (1..=taps).find(|w| widths[..*w].iter().sum::<usize>() > filter).unwrap_or(0)
    };
    for (row, weights) in rows.iter().zip(matrix.outer_iter()) {
        if weights.iter().skip(width(*row) * e).any(|w| *w != 0) {
            return Err(format!("has a row {row} that reads beyond its width of {}", width(*row)));
        }
    }
    if let Some(((c, i), w)) =
        own.indexed_iter().find(|((c, i), w)| **w != 0 && (rows[*i], **w) != (*c, 1))
    {
        return Err(format!("has {w} for row {} in W_c of output {c}", rows[i]));
    }
    let made = outputs(filters);
    channels(to, "values of its table", |c| table.image(made[c]).ok_or("has no output".into()))
}

fn highway(from: &Edge, to: &Edge, kernel: &Kernel, blend: &Blend) -> Check {
    let n = from.shape.elements();
    if to.shape != Shape::vector(n) {
        return Err(format!("makes {} of {}", to.shape, from.shape));
    }
    let gate = kernel.chain.output;
    format_is_sound(gate)?;
    Table::of(&blend.sigmoid, true, gate)?;
    if [blend.format; 2] != [from.format, to.format] {
        return Err(format!("blends {}, and yields {}", from.format, to.format));
    }
    let whole = Range::whole(from.format);
    if Range::whole(gate).hi < whole.hi {
        return Err(format!("has gates of {gate} for {}", from.format));
    }
    gates(kernel, [n, n.saturating_mul(2), 1], [from.format, gate], &|i| element(from, i))?;
    let made = outputs(kernel);
    // A mean of x and of h, cut to 0 and the largest x: it is between the two, and either one where
    // σ is 0 or 1.
    let positive = Range { lo: 0, hi: whole.hi };
    channels(to, "its means", |j| {
        let x = element(from, j);
        let h = made[2 * j + 1].image(|h| Ok(positive.cut(h)))?;
        // The largest product and sum on the way.
        let most = exact(x.hi.max(h.hi) - x.lo.min(h.lo))?;
        exact(most << blend.sigmoid.frac)?;
        Ok(x.hull(h))
    })
}

fn recurrent((from, steps): (&Edge, usize), to: &Edge, kernel: &Kernel, cell: &Cell) -> Check {
    let (n_in, n) = (from.shape.elements() / steps, to.shape.channels);
    if to.shape != (Shape { height: 1, width: steps, channels: n }) {
        return Err(format!("makes {} of {}", to.shape, from.shape));
    }
    let Cell { kind, sigmoid, tanh, gate, state, hidden } = cell;
    [*gate, *state, *hidden].into_iter().try_for_each(format_is_sound)?;
    Table::of(sigmoid, true, *gate)?;
    Table::of(tanh, false, *gate)?;
    if !state.signed || !hidden.signed || to.format != *hidden {
        return Err(format!("keeps {state}, and yields {} of {hidden}", to.format));
    }
    // What holds both x and h.
    let bits = from.format.bits + u32::from(!from.format.signed);
    let joined = Format { signed: true, bits: bits.max(hidden.bits), frac: 0 };
    let h = match kind {
        runtime::Cell::Lstm => lstm(cell)?,
        runtime::Cell::Gru => gru(cell)?,
    };
    let sizes = [n_in.saturating_add(n), n.saturating_mul(4), steps];
    gates(kernel, sizes, [joined, *gate], &|i| if i < n_in { element(from, i) } else { h })?;
    channels(to, "all h", |_| Ok(h))
}

/// What the h of an LSTM can be.
fn lstm(Cell { sigmoid, tanh, gate, state, hidden, .. }: &Cell) -> Check<Range> {
    let (s, t) = (i64::from(sigmoid.frac), i64::from(tanh.frac));
    let (one, both) = (1i128 << s, 1i128 << (s + t));
    // The new c: σ(f) · c + σ(i) · tanh(g), at the larger number of fractional bits.
    let c = Range::whole(*state);
    let most = i64::from(state.frac).max(t);
    let kept = c.image(|c| shift(exact(c)? * one, i64::from(state.frac) - most))?;
    let new = Range { lo: -both, hi: both }.image(|v| shift(v, t - most))?;
    let sum = Range::sum([(1, kept), (1, new)])?;
    sum.image(|v| shift(v, s + most - i64::from(state.frac)))?;
    c.image(|c| shift(c, i64::from(state.frac) - i64::from(gate.frac)))?;
    // h: σ(o) · tanh(c).
    let whole = Range::whole(*hidden);
    Range { lo: -both, hi: both }
        .image(|v| Ok(whole.cut(shift(v, s + t - i64::from(hidden.frac))?)))
}

/// What the h of a GRU can be.
fn gru(Cell { sigmoid, tanh, gate, state, hidden, .. }: &Cell) -> Check<Range> {
    let (s, t) = (i64::from(sigmoid.frac), i64::from(tanh.frac));
    let (one, most) = (1i128 << s, i64::from(state.frac).max(t));
    // v: n_x + σ(r) · n_h.
    let n = Range::whole(*gate).image(|n| exact(exact(n)? * one))?;
    Range::sum([(1, n), (1, n)])?;
    // The new c: n + σ(z) · (c - n), at the larger number of fractional bits.
    let c = Range::whole(*state).image(|c| shift(c, i64::from(state.frac) - most))?;
    let n = Range { lo: -(1 << t), hi: 1 << t }.image(|n| shift(n, t - most))?;
    let share = Range::sum([(1, c), (-1, n)])?.image(|v| exact(exact(v)? * one))?;
    let of_all = n.image(|n| exact(exact(n)? * one))?;
    Range::sum([(1, of_all), (1, share)])?;
    // Means of 0 and of tanh, from the first step on: never beyond what 1 becomes.
    let [of_c, of_h] = [Range::whole(*state), Range::whole(*hidden)];
    let c = of_all.image(|v| Ok(of_c.cut(shift(v, s + most - i64::from(state.frac))?)))?;
    c.image(|c| Ok(of_h.cut(shift(c, i64::from(state.frac) - i64::from(hidden.frac))?)))
}
