//! Makes the parameters of a lowered network ones that are loaded at run time: coefficients, biases
//! and shifts of outputs of all sum-product networks, where what they are no longer decides any
//! width.
//!
//! A row multiplies by `a · 2^-t` with a t of its own. So that no shift has to move, all rows of a
//! layer get its largest t, and coefficients as many bits more as its t spread. Outputs have no
//! such way: what they are shifted by moves, within a few powers of two; they are said to be
//! whatever their format has.

use super::intervals::{added, applied, best, greater, pooled, side_by_side};
use crate::interval::{Interval, half, round_shift};
use crate::ir::{Chain, Dataflow, Edge, Kernel, Kind, Loaded, OpKind, loadable};
use strassenc_runtime::model::MAGNITUDE_LIMIT;
use strassenc_runtime::{Error, Format, Result};

/// The most bits of a coefficient or a bias that is loaded: those of a word of the table.
pub const MOST_BITS: u32 = 32;

/// The largest shift that the IR has, either way.
const MOST_SHIFT: i32 = 62;

/// Opens all sum-product networks to other parameters, whose magnitudes may be up to 2^`margin`
/// times as large as the largest of a layer is, coefficients as much finer, and outputs shifted by
/// as much less or more.
///
/// # Errors
/// Where a layer is of a kind whose parameters cannot be loaded, or has an output that is constant,
/// or where all that can be loaded would be too wide.
pub fn reload(dataflow: &mut Dataflow, margin: u32) -> Result<()> {
    if !dataflow.inputs.is_empty() {
        // Between two frames of one input there may be half a frame of another.
        let cause = "has several inputs, whose frames do not begin and end together";
        return Err(Error::input(format_args!("network `{}`", dataflow.name), cause)
            .help("leave out --reloadable"));
    }
    for number in 0..dataflow.layers.len() {
        let layer = &dataflow.layers[number];
        let reads: Vec<Edge> =
            layer.reads.iter().map(|id| dataflow.edges[id.index()].clone()).collect();
        let place = format!("layer `{}`", layer.name);
        let fail = |cause: String| {
            Err(Error::input(&place, cause).help("leave out --reloadable, or change the network"))
        };
        let to = dataflow.yields(number).clone();
        let (intervals, format) = match &mut dataflow.layers[number].kind {
            Kind::Spn(kernel) if kernel.chain.multiplies_data() => {
                return fail("multiplies data by data: it has no coefficients to load".into());
            }
            Kind::Spn(kernel) => {
                if let Err(cause) = open(kernel, &reads[0], margin) {
                    return fail(cause);
                }
                let (all, channels) = (&kernel.chain.result().intervals, to.shape.channels);
                let one =
                    |c: usize| all.iter().skip(c).step_by(channels).copied().reduce(Interval::hull);
                let all = (0..channels).map(|c| one(c).unwrap_or(Interval::point(0))).collect();
                (all, kernel.chain.output)
            }
            Kind::Pool { kind, windows } => (pooled(&reads[0], *kind, *windows), to.format),
            Kind::Upsample { .. } | Kind::Last | Kind::Reverse => {
                (reads[0].intervals.clone(), to.format)
            }
            Kind::Best { count } => (best(&reads[0], *count), to.format),
            Kind::Threshold { above } => (greater(&reads[0], *above), to.format),
            Kind::Activation { function } => (applied(&reads[0], function), to.format),
            Kind::Add { shifts, shift } => {
                (added([&reads[0], &reads[1]], to.format, *shifts, *shift), to.format)
            }
            Kind::Concat { shifts, shift } => {
                (side_by_side([&reads[0], &reads[1]], to.format, *shifts, *shift), to.format)
            }
            Kind::Embedding { .. }
            | Kind::CharCnn { .. }
            | Kind::Highway { .. }
            | Kind::Recurrent { .. } => {
                return fail("is of a kind whose parameters cannot be loaded at run time".into());
            }
        };
        let own = dataflow.edge_of(number);
        let edge = &mut dataflow.edges[own.index()];
        (edge.intervals, edge.format) = (intervals, format);
    }
    Ok(())
}

/// Opens one kernel that reads this edge.
fn open(kernel: &mut Kernel, from: &Edge, margin: u32) -> Result<(), String> {
    let padded = kernel.windows.padded(kernel.input);
    let element = |i: usize| {
        let own = from.intervals[i % from.shape.channels];
        if padded { own.hull(Interval::point(0)) } else { own }
    };
    let chain = &mut kernel.chain;
    let mut x: Vec<Interval> = (0..chain.x.len()).map(element).collect();
    chain.x.intervals.clone_from(&x);
    if chain.ops.len() != 4 {
        return Err("adds constants before its products".into());
    }
    let loaded = Loaded { bias_bits: bias_bits(chain, margin), shifts: margin };
    chain.loaded = Some(loaded);
    let bias = loaded.bias();
    for op in &mut chain.ops {
        let whole: Result<Vec<(i128, i128)>, String> = match &mut op.kind {
            OpKind::Linear { matrix, .. } => {
                Ok(matrix.outer_iter().map(|row| sum(row.iter().zip(&x))).collect())
            }
            OpKind::Multiply { coefficients, coefficient_bits, shifts } => {
                let (most, least) =
                    (shifts.iter().max().copied().unwrap_or(0), shifts.iter().min().copied());
                // A folded layer has no shift to the left.
                let to = (most + margin as i32).max(0);
                let bits = *coefficient_bits + (to - least.unwrap_or(0)).unsigned_abs() + margin;
                if bits > MOST_BITS {
                    let (own, of_margin) = (bits - 2 * margin, 2 * margin);
                    return Err(format!(
                        "has coefficients of {own} bits where all have one shift, and \
                         --reloadable={margin} adds {of_margin}; {MOST_BITS} can be loaded"
                    ));
                }
                for (a, t) in coefficients.iter_mut().zip(shifts.iter_mut()) {
                    *a <<= to - *t;
                    *t = to;
                }
                *coefficient_bits = bits;
                let most = i128::from(loadable(bits).hi);
                let product = |x: &Interval| {
                    let v = i128::from(x.lo).abs().max(i128::from(x.hi).abs()) * most;
                    let v = i64::try_from(v).map_err(|_| "has products of 64 bits".to_string())?;
                    Ok((round_shift(-v, to).into(), round_shift(v, to).into()))
                };
                x.iter().map(product).collect()
            }
            OpKind::Offset { .. } => {
                Ok(x.iter().map(|x| sum([(&1, x), (&1, &bias)].into_iter())).collect())
            }
            OpKind::Requantise { shifts, format, .. } => {
                let one = |(x, s): (&Interval, &i32)| {
                    let (lo, hi) = sum([(&1, x), (&1, &bias)].into_iter());
                    let of = loaded.shifts_of(*s);
                    let (least, most) = (*of.start(), *of.end());
                    if least < -MOST_SHIFT || most > MOST_SHIFT {
                        return Err(format!(
                            "has an output that is shifted by {s}, and --reloadable={margin} \
                             would reach {least} to {most}"
                        ));
                    }
                    let moved = |v: i128, s: i32| if s > 0 { v >> s } else { v << -s };
                    // The largest magnitude is that of the least shift.
                    within((moved(lo, least), moved(hi, least)))?;
                    Ok((format.min().into(), format.max().into()))
                };
                x.iter().zip(shifts.iter()).map(one).collect()
            }
            OpKind::Product => Err("multiplies data by data".into()),
        };
        x = whole?.into_iter().map(within).collect::<Result<_, _>>()?;
        if let OpKind::Linear { .. } = &op.kind
            && let Some(row) = x.iter().position(|x| x.value().is_some())
        {
            return Err(format!("has a sum that is constant, row {row}"));
        }
        op.result.intervals.clone_from(&x);
    }
    if let Some(OpKind::Offset { .. }) = chain.ops.last().map(|op| &op.kind) {
        let all = x.iter().copied().reduce(Interval::hull).unwrap_or(Interval::point(0));
        let bits = Interval::new(all.lo.min(-1), all.hi.max(0)).bits();
        chain.output = Format { signed: true, bits, ..chain.output };
    }
    Ok(())
}

/// An interval whose ends are within what integers of a model may reach.
fn within((lo, hi): (i128, i128)) -> Result<Interval, String> {
    let largest = lo.abs().max(hi.abs());
    if largest > MAGNITUDE_LIMIT {
        return Err("reaches beyond 2^53 with what can be loaded".to_string());
    }
    // They are within 2^53.
    Ok(Interval::new(lo as i64, hi as i64))
}

/// `Σ w · x` of independent x.
fn sum<'a>(terms: impl Iterator<Item = (&'a i32, &'a Interval)>) -> (i128, i128) {
    let ends = |w: i32, x: &Interval| {
        let (a, b) = (i128::from(w) * i128::from(x.lo), i128::from(w) * i128::from(x.hi));
        (a.min(b), a.max(b))
    };
    terms.fold((0, 0), |(lo, hi), (w, x)| {
        let (a, b) = ends(*w, x);
        (lo + a, hi + b)
    })
}

/// Bits of a bias and the half of its rounding, whatever the shift of its output is.
fn bias_bits(chain: &Chain, margin: u32) -> u32 {
    let larger = |b: &i64| b.unsigned_abs() << margin;
    let largest = match chain.ops.last().map(|op| &op.kind) {
        Some(OpKind::Offset { constants }) => constants.iter().map(larger).max(),
        Some(OpKind::Requantise { constants, shifts, .. }) => {
            let half = |s: &i32| half((s + margin as i32).min(MOST_SHIFT)).unsigned_abs();
            constants.iter().zip(shifts).map(|(b, s)| larger(b) + half(s)).max()
        }
        _ => None,
    };
    (u64::BITS - largest.unwrap_or(0).leading_zeros()).max(1) + 1
}
