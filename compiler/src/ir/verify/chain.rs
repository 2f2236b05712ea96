//! The invariants of one chain.

use super::correlated;
use super::range::{Range, exact, floor, shift};
use super::{Check, format_is_sound};
use crate::ir::{Chain, Op, OpKind, Role, Value};

/// Checks those that the IR's [module](crate::ir) states of a chain.
pub(super) fn is_right(chain: &Chain) -> Check {
    let at = |op: usize, cause: String| format!("operation {op}: {cause}");
    [chain.input, chain.output].into_iter().try_for_each(format_is_sound)?;
    shape(chain).map_err(|cause| at(0, cause))?;
    let mut x = &chain.x;
    ascending(x).map_err(|cause| at(0, cause))?;
    within(x, Range::whole(chain.input)).map_err(|cause| at(0, cause))?;
    for (i, op) in chain.ops.iter().enumerate() {
        operation(chain, op, x).map_err(|cause| at(i, cause))?;
        x = &op.result;
        if let (OpKind::Multiply { .. } | OpKind::Product, Some(next)) =
            (&op.kind, chain.ops.get(i + 1))
        {
            read(next, x).map_err(|cause| at(i, cause))?;
        }
    }
    let last = chain.ops.len() - 1;
    match &chain.ops[last].kind {
        OpKind::Requantise { format, .. } if *format != chain.output => {
            Err(at(last, format!("requantises to {format}, not to {}", chain.output)))
        }
        _ => within(x, Range::whole(chain.output)).map_err(|cause| at(last, cause)),
    }
}

fn shape(chain: &Chain) -> Check {
    let kinds: String = (chain.ops.iter())
        .map(|op| match op.kind {
            OpKind::Linear { role: Role::Wb, .. } => 'b',
            OpKind::Linear { role: Role::Wab, .. } => 'a',
            OpKind::Product => 'p',
            OpKind::Linear { role: Role::Wc, .. } => 'c',
            OpKind::Linear { role: Role::W, .. } => 'w',
            OpKind::Multiply { .. } => 'm',
            OpKind::Offset { .. } => 'o',
            OpKind::Requantise { .. } => 'q',
        })
        .collect();
    match kinds.strip_suffix(['o', 'q']) {
        Some("apc") if chain.loaded.is_none() => operands_apart(chain),
        Some("bmc") => Ok(()),
        Some("bomc") if chain.loaded.is_none() => Ok(()),
        _ => Err(format!("the operations are {kinds}")),
    }
}

/// No input is part of both operands of a product, so that the two are independent.
fn operands_apart(chain: &Chain) -> Check {
    let Some((_, matrix)) = chain.matrices().next() else {
        return Err("a matrix is missing".into());
    };
    let (a, b) = matrix.view().split_at(ndarray::Axis(0), matrix.nrows() / 2);
    let read = |rows: ndarray::ArrayView2<i32>, j: usize| rows.column(j).iter().any(|&w| w != 0);
    match (0..matrix.ncols()).find(|&j| read(a, j) && read(b, j)) {
        Some(j) => Err(format!("element {j} is part of both operands")),
        None => Ok(()),
    }
}

/// Each element of `x` is read by the linear operation `op`.
fn read(op: &Op, x: &Value) -> Check {
    let OpKind::Linear { matrix, .. } = &op.kind else {
        return Err("a matrix is expected here".into());
    };
    match matrix.columns().into_iter().position(|column| column.iter().all(|&w| w == 0)) {
        Some(j) => Err(format!("nobody reads element {j} ({} in the model)", x.indices[j])),
        None => Ok(()),
    }
}

fn ascending(x: &Value) -> Check {
    if x.indices.len() != x.len() {
        return Err(format!("{} indices for {} elements", x.indices.len(), x.len()));
    }
    if x.indices.windows(2).any(|w| w[0] >= w[1]) {
        return Err("indices do not ascend".into());
    }
    Ok(())
}

fn within(x: &Value, format: Range) -> Check {
    match x.intervals.iter().position(|v| !format.includes(Range::of(v))) {
        Some(i) => Err(format!("element {i} is within {}, outside the format", x.intervals[i])),
        None => Ok(()),
    }
}

/// What an operation makes of its operand's intervals is what it declares; of sums that are
/// correlated it may declare less, as far as they are.
fn operation(chain: &Chain, op: &Op, x: &Value) -> Check {
    let result = &op.result;
    ascending(result)?;
    lengths(op, x)?;
    let sums = match op.kind {
        // Coefficients that are loaded may be any, each of them.
        OpKind::Linear { role: Role::Wc, .. } if chain.loaded.is_none() => {
            Some(correlated::sums(chain)?)
        }
        _ => None,
    };
    let of = |i: usize| Range::of(&x.intervals[i]);
    for (i, declared) in result.intervals.iter().enumerate() {
        let own = || match &op.kind {
            OpKind::Linear { matrix, .. } => {
                Range::sum(matrix.row(i).iter().enumerate().map(|(j, &w)| (w.into(), of(j))))
            }
            OpKind::Multiply { coefficients, coefficient_bits, shifts } => {
                let (a, t) = (i128::from(coefficients[i]), shifts[i].into());
                if !(1..=63).contains(coefficient_bits) || a.abs() >= 1 << (coefficient_bits - 1) {
                    return Err(format!(
                        "has the coefficient {a}, which does not fit {coefficient_bits} bits"
                    ));
                }
                match chain.loaded {
                    None => of(i).image(|u| shift(a * exact(u)?, t)),
                    Some(_) => {
                        of(i).times(of_bits(*coefficient_bits))?.image(|product| shift(product, t))
                    }
                }
            }
            OpKind::Product => of(i).times(of(i + result.len())),
            OpKind::Offset { constants } => {
                let b = bias(chain, of(i), constants[i].into(), 0)?;
                Range::sum([(1, of(i)), (1, b)])
            }
            OpKind::Requantise { constants, shifts, format } => {
                format_is_sound(*format)?;
                let (whole, s) = (Range::whole(*format), i64::from(shifts[i]));
                let Some(loaded) = chain.loaded else {
                    let sum = Range::sum([(1, of(i)), (1, Range::point(constants[i].into()))])?;
                    return sum.image(|v| Ok(whole.cut(shift(exact(v)?, s)?)));
                };
                let half = if s > 0 { 1i128 << i64::min(s - 1, 62) } else { 0 };
                let b = bias(chain, of(i), constants[i].into(), half)?;
                let sum = Range::sum([(1, of(i)), (1, b)])?;
                // Powers of two below and above, and what else as many bits hold.
                let least = s - i64::from(loaded.shifts);
                let count = (2 * loaded.shifts + 1).next_power_of_two();
                for s in least..least + i64::from(count) {
                    sum.image(|v| floor(v, s))?;
                }
                Ok(whole)
            }
        };
        let own = own().map_err(|cause| format!("element {i} {cause}"))?;
        let multiplies = matches!(op.kind, OpKind::Multiply { .. } | OpKind::Product);
        if multiplies && !own.varies() {
            return Err(format!("product {i} does not vary"));
        }
        let least = sums.as_ref().map_or(own, |sums| own.and(sums[i]));
        let declared = Range::of(declared);
        for (holds, due) in [(own.includes(declared), own), (declared.includes(least), least)] {
            if !holds {
                let cause =
                    format!("element {i} is declared within {declared}, but is within {due}");
                return Err(cause);
            }
        }
    }
    Ok(())
}

/// All numbers of so many bits, but for the one without an opposite.
fn of_bits(bits: u32) -> Range {
    let most = (1i128 << (bits - 1)) - 1;
    Range { lo: -most, hi: most }
}

/// What can be added to a sum within `sum`: `b`, or, where it is loaded, whatever the bits hold,
/// which is b and the half of a rounding at first.
fn bias(chain: &Chain, sum: Range, b: i128, half: i128) -> Check<Range> {
    let Some(loaded) = chain.loaded else { return Ok(Range::point(b)) };
    let (bits, range) = (loaded.bias_bits, of_bits(loaded.bias_bits));
    if !sum.varies() {
        return Err("has no product, while parameters are loaded".into());
    }
    if !range.includes(Range::point(b + half)) {
        return Err(format!("has the bias {b}, which does not fit {bits} bits"));
    }
    Ok(range)
}

/// Parameters and results have as many elements as the operand asks for.
fn lengths(op: &Op, x: &Value) -> Check {
    let (result, n) = (&op.result, x.len());
    let parameters = match &op.kind {
        OpKind::Linear { matrix, .. } => {
            if matrix.dim() != (result.len(), n) {
                let (rows, columns) = matrix.dim();
                return Err(format!(
                    "the matrix is {rows}×{columns} for {} sums of {n} elements",
                    result.len()
                ));
            }
            return Ok(());
        }
        OpKind::Product => {
            if n != 2 * result.len() || result.indices != x.indices[..result.len()] {
                return Err(format!(
                    "{} products of {n} operands, or others' indices",
                    result.len()
                ));
            }
            return Ok(());
        }
        OpKind::Multiply { coefficients, shifts, .. } => vec![coefficients.len(), shifts.len()],
        OpKind::Offset { constants } => vec![constants.len()],
        OpKind::Requantise { constants, shifts, .. } => vec![constants.len(), shifts.len()],
    };
    if result.len() != n || parameters.iter().any(|&own| own != n) {
        return Err(format!(
            "parameters of {parameters:?} elements between {n} and {}",
            result.len()
        ));
    }
    if result.indices != x.indices {
        return Err("indices differ from the operand's".into());
    }
    Ok(())
}
