//! What the channels of layers can be that are no sum-product networks. The verifier derives these
//! once more, without this.

use crate::interval::{Interval, round_shift};
use crate::ir::gated::{Blend, Curve, Function};
use crate::ir::{Edge, Kernel, Windows};
use strassenc_runtime::Format;
use strassenc_runtime::model::PoolKind;

/// The intervals of a pooled image.
pub(super) fn pooled(from: &Edge, kind: PoolKind, windows: Windows) -> Vec<Interval> {
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

/// The intervals of what an activation makes of an image.
pub(super) fn applied(from: &Edge, function: &Function) -> Vec<Interval> {
    from.intervals.iter().map(|v| function.interval(*v)).collect()
}

/// The intervals of a sum of two images.
pub(super) fn added(
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

/// The intervals of two images side by side.
pub(super) fn side_by_side(
    reads: [&Edge; 2],
    format: Format,
    shifts: [u32; 2],
    shift: i32,
) -> Vec<Interval> {
    let side = |(edge, up): (&Edge, u32)| -> Vec<Interval> {
        let one = |v: &Interval| v.scale(false, up).map(|v| format.saturate(round_shift(v, shift)));
        edge.intervals.iter().map(one).collect()
    };
    reads.into_iter().zip(shifts).flat_map(side).collect()
}

/// The intervals of the columns of a table.
pub(super) fn columns(rows: &[Vec<i64>]) -> Vec<Interval> {
    let of =
        |column: usize| rows.iter().map(|row| Interval::point(row[column])).reduce(Interval::hull);
    // A table has rows.
    (0..rows[0].len()).filter_map(of).collect()
}

/// The intervals of the units of a highway layer.
pub(super) fn blended(from: &Edge, gates: &Kernel, blend: &Blend) -> Vec<Interval> {
    let gates = &gates.chain.result().intervals;
    let x = |j: usize| from.intervals[j % from.shape.channels];
    gates.chunks(2).enumerate().map(|(j, gates)| blend.interval(gates[1], x(j))).collect()
}

/// The interval of an element of a window over a word; an element beyond the word is 0.
pub(super) fn pixel(from: &Edge, element: usize) -> Interval {
    from.intervals[element % from.shape.channels].hull(Interval::point(0))
}

/// The intervals of what a table makes of the outputs of filters.
pub(super) fn looked_up(filters: &Kernel, tanh: &Curve) -> Vec<Interval> {
    filters.chain.result().intervals.iter().map(|v| tanh.interval(*v)).collect()
}

/// The intervals of the indices of the largest scores of a pixel, place by place.
pub(super) fn best(from: &Edge, count: usize) -> Vec<Interval> {
    // In the order in which scores come: the larger one first, and of equal ones that of the lower
    // index.
    let key = |c: usize, z: i64| (std::cmp::Reverse(z), c);
    let keys = |of: fn(&Interval) -> i64| -> Vec<_> {
        let mut keys: Vec<_> =
            from.intervals.iter().enumerate().map(|(c, v)| key(c, of(v))).collect();
        keys.sort_unstable();
        keys
    };
    let (least, most) = (keys(|v| v.lo), keys(|v| v.hi));
    let mut places: Vec<Option<Interval>> = vec![None; count];
    for (c, v) in from.intervals.iter().enumerate() {
        // Those that come before it whatever they are, and those that may.
        let first = least.partition_point(|other| *other < key(c, v.hi));
        // It is itself among those that may, unless it is a constant.
        let may = most.partition_point(|other| *other < key(c, v.lo));
        let last = may - usize::from(v.lo < v.hi);
        let own = Interval::point(c as i64);
        for place in places.iter_mut().take(last + 1).skip(first) {
            *place = Some(place.map_or(own, |all| all.hull(own)));
        }
    }
    // Some score is in each place.
    places.into_iter().map(|place| place.unwrap_or(Interval::point(0))).collect()
}

/// The intervals of what says whether a score is above a bound.
pub(super) fn greater(from: &Edge, above: i64) -> Vec<Interval> {
    from.intervals.iter().map(|v| v.map(|v| i64::from(v > above))).collect()
}
