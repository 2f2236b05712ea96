//! The invariants of one chain.

use super::Check;
use crate::interval::{Interval, round_shift};
use crate::ir::{Chain, Op, OpKind, Role, Value};

/// Checks those that the IR's [module](crate::ir) states of a chain.
pub(super) fn is_right(chain: &Chain) -> Check {
    let at = |op: usize, cause: String| format!("operation {op}: {cause}");
    shape(chain).map_err(|cause| at(0, cause))?;
    let mut x = &chain.x;
    ascending(x).map_err(|cause| at(0, cause))?;
    within(x, chain.input.min(), chain.input.max()).map_err(|cause| at(0, cause))?;
    for (i, op) in chain.ops.iter().enumerate() {
        operation(op, x).map_err(|cause| at(i, cause))?;
        x = &op.result;
        if let (OpKind::Multiply { .. } | OpKind::Product, Some(next)) =
            (&op.kind, chain.ops.get(i + 1))
        {
            read(next, x).map_err(|cause| at(i, cause))?;
        }
    }
    within(x, chain.output.min(), chain.output.max())
        .map_err(|cause| at(chain.ops.len() - 1, cause))
}

fn shape(chain: &Chain) -> Check {
    let kinds: String = (chain.ops.iter())
        .map(|op| match op.kind {
            OpKind::Linear { role: Role::Wb, .. } => 'b',
            OpKind::Linear { role: Role::Wab, .. } => 'a',
            OpKind::Product => 'p',
            OpKind::Linear { role: Role::Wc, .. } => 'c',
            OpKind::Multiply { .. } => 'm',
            OpKind::Offset { .. } => 'o',
            OpKind::Requantise { .. } => 'q',
        })
        .collect();
    match kinds.strip_suffix(['o', 'q']) {
        Some("apc") => operands_apart(chain),
        Some("bmc" | "bomc") => Ok(()),
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

fn within(x: &Value, lo: i64, hi: i64) -> Check {
    match x.intervals.iter().position(|v| !Interval::new(lo, hi).includes(*v)) {
        Some(i) => Err(format!("element {i} is within {}, outside the format", x.intervals[i])),
        None => Ok(()),
    }
}

fn operation(op: &Op, x: &Value) -> Check {
    let result = &op.result;
    ascending(result)?;
    let lengths = match &op.kind {
        OpKind::Linear { matrix, .. } => {
            if matrix.dim() != (result.len(), x.len()) {
                return Err(format!(
                    "the matrix is {:?} between {} and {}",
                    matrix.dim(),
                    x.len(),
                    result.len()
                ));
            }
            vec![]
        }
        OpKind::Multiply { coefficients, shifts, .. } => vec![coefficients.len(), shifts.len()],
        OpKind::Product => {
            if x.len() != 2 * result.len() || result.indices != x.indices[..result.len()] {
                return Err(format!(
                    "{} products of {} operands, or others' indices",
                    result.len(),
                    x.len()
                ));
            }
            vec![]
        }
        OpKind::Offset { constants } => vec![constants.len()],
        OpKind::Requantise { constants, shifts, .. } => vec![constants.len(), shifts.len()],
    };
    if lengths.iter().any(|&n| n != x.len()) || (!lengths.is_empty() && result.len() != x.len()) {
        return Err(format!(
            "parameters of {lengths:?} elements between {} and {}",
            x.len(),
            result.len()
        ));
    }
    if !lengths.is_empty()
        && !matches!(op.kind, OpKind::Linear { .. })
        && result.indices != x.indices
    {
        return Err("indices differ from the operand's".into());
    }
    for (i, declared) in result.intervals.iter().enumerate() {
        let (least, exact) = match &op.kind {
            OpKind::Linear { role, matrix } => {
                let mut sum = (0, 0);
                for (&w, x) in matrix.row(i).iter().zip(&x.intervals) {
                    let ends = (i64::from(w) * x.lo, i64::from(w) * x.hi);
                    sum = (sum.0 + ends.0.min(ends.1), sum.1 + ends.0.max(ends.1));
                }
                (Interval::new(sum.0, sum.1), *role != Role::Wc)
            }
            OpKind::Multiply { coefficients, coefficient_bits, shifts } => {
                let a = coefficients[i];
                if a.abs() >= 1 << (coefficient_bits - 1) {
                    return Err(format!(
                        "coefficient {a} of element {i} does not fit {coefficient_bits} bits"
                    ));
                }
                let ends =
                    [x.intervals[i].lo, x.intervals[i].hi].map(|u| round_shift(a * u, shifts[i]));
                if ends[0] == ends[1] {
                    return Err(format!("product {i} does not vary"));
                }
                (Interval::new(ends[0].min(ends[1]), ends[0].max(ends[1])), true)
            }
            OpKind::Product => {
                let product = x.intervals[i].times(x.intervals[i + result.len()]);
                if product.value().is_some() {
                    return Err(format!("product {i} does not vary"));
                }
                (product, true)
            }
            OpKind::Offset { constants } => (x.intervals[i].map(|v| v + constants[i]), true),
            OpKind::Requantise { constants, shifts, format } => {
                let z = |v: i64| format.saturate(round_shift(v + constants[i], shifts[i]));
                (x.intervals[i].map(z), true)
            }
        };
        if (exact && *declared != least) || !least.includes(*declared) {
            return Err(format!(
                "element {i} is declared within {declared}, but is within {least}"
            ));
        }
    }
    Ok(())
}
