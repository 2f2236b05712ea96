use super::forms::{Products, Variable, is_variable, left, respond, scale};
use super::{Circuit, NodeId, Op, Term};
use crate::adder_graph::Matrix;
use crate::interval::{Interval, half, round_shift};
use crate::ir::{Layer, OpKind};
use strassenc_runtime::{Error, Result};

/// Proves that the circuit computes the layer for every input: its products have the layer's coefficients of every input,
/// its sums the layer's coefficients of every product, and it requantises with the same constants.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) naming the row or output that differs.
pub fn prove(circuit: &Circuit, layer: &Layer) -> Result<()> {
    let fail = |cause: String| Error::mismatch(format_args!("circuit of layer `{}`", circuit.name), cause);
    let parts = Parts::of(layer).ok_or_else(|| fail("the layer is not an SPN layer".into()))?;
    let multipliers = multipliers(circuit, &parts).map_err(fail)?;
    products(circuit, &parts, &multipliers).map_err(fail)?;
    outputs(circuit, &parts, &multipliers).map_err(fail)
}

/// The parameters of an SPN layer.
struct Parts<'a> {
    w_b: &'a Matrix,
    offsets: Option<&'a [i64]>,
    coefficients: &'a [i64],
    shifts: &'a [i32],
    rows: &'a [usize],
    w_c: &'a Matrix,
    last: &'a OpKind,
}

impl<'a> Parts<'a> {
    fn of(layer: &'a Layer) -> Option<Self> {
        let (offsets, rest) = match layer.ops.as_slice() {
            [w_b, offset, rest @ ..] if rest.len() == 3 => match &offset.kind {
                OpKind::Offset { constants } => (Some(constants.as_slice()), [w_b, &rest[0], &rest[1], &rest[2]]),
                _ => return None,
            },
            [w_b, multiply, w_c, last] => (None, [w_b, multiply, w_c, last]),
            _ => return None,
        };
        let [w_b, multiply, w_c, last] = rest;
        match (&w_b.kind, &multiply.kind, &w_c.kind) {
            (
                OpKind::Linear { matrix: w_b, .. },
                OpKind::Multiply { coefficients, shifts, .. },
                OpKind::Linear { matrix: w_c, .. },
            ) => Some(Parts {
                w_b,
                offsets,
                coefficients,
                shifts,
                rows: &multiply.result.indices,
                w_c,
                last: &last.kind,
            }),
            _ => None,
        }
    }
}

/// The multiplier of each row, in order.
fn multipliers(circuit: &Circuit, parts: &Parts) -> Result<Vec<NodeId>, String> {
    let mut found = vec![None; parts.rows.len()];
    for (id, node) in circuit.iter() {
        if let Op::Multiply { row, .. } = node.op {
            let i = parts.rows.binary_search(&(row as usize)).map_err(|_| format!("`{}` has no row", node.name))?;
            if found[i].replace(id).is_some() {
                return Err(format!("row {row} has two multipliers"));
            }
        }
        // Whatever else is not linear must be at the end, where `outputs` looks at it.
        let early = |x: NodeId| {
            let operand = &circuit.node(x).op;
            is_variable(operand) && !matches!(operand, Op::Input(_)) && !matches!(node.op, Op::Clamp { .. })
        };
        if node.op.operands().any(early) {
            return Err(format!("`{}` reads a requantised value", node.name));
        }
    }
    let row = |(i, id): (usize, Option<NodeId>)| id.ok_or(format!("row {} has no multiplier", parts.rows[i]));
    found.into_iter().enumerate().map(row).collect()
}

fn products(circuit: &Circuit, parts: &Parts, multipliers: &[NodeId]) -> Result<(), String> {
    let scale = parts.shifts.iter().copied().fold(scale(circuit), i32::max);
    let check = |variable: Variable, wanted: &dyn Fn(usize) -> i64, what: &str| {
        let forms = respond(circuit, variable, Products::Linear, 1 << scale).ok_or("a coefficient overflows")?;
        for (i, id) in multipliers.iter().enumerate() {
            let exact = i128::from(parts.coefficients[i]) * i128::from(wanted(i));
            if left(exact, scale - parts.shifts[i]) != Some(forms[id.index()]) {
                return Err(format!("the product of row {} has another coefficient of {what}", parts.rows[i]));
            }
        }
        Ok(())
    };
    for (j, &input) in circuit.inputs.iter().enumerate() {
        check(Variable::Node(input), &|i| parts.w_b[[i, j]].into(), &circuit.node(input).name)?;
    }
    check(Variable::One, &|i| parts.offsets.map_or(0, |k| k[i]), "1")
}

fn outputs(circuit: &Circuit, parts: &Parts, multipliers: &[NodeId]) -> Result<(), String> {
    // Each output as `offset of a sum of products`, with or without a clamp after it.
    let mut sums: Vec<Option<Term>> = vec![];
    for (c, &id) in circuit.outputs.iter().enumerate() {
        let node = circuit.node(id);
        let (clamp, node) = match node.op {
            Op::Clamp { x, lo, hi } => (Some(Interval::new(lo, hi)), circuit.node(x)),
            _ => (None, node),
        };
        let wrong = |cause: &str| Err(format!("output {c}: {cause}"));
        let (bias, shift, range) = match parts.last {
            OpKind::Offset { constants } => (constants[c], 0, None),
            OpKind::Requantise { constants, shifts, format } => {
                (constants[c], shifts[c], Some(Interval::new(format.min(), format.max())))
            }
            _ => return wrong("the layer ends otherwise"),
        };
        let saturate = |v: i64| range.map_or(v, |r| v.clamp(r.lo, r.hi));
        match node.op {
            Op::Constant(v) => {
                if clamp.is_some() || v != saturate(round_shift(bias, shift)) {
                    return wrong("the constant differs");
                }
                sums.push(None);
            }
            Op::Offset { x, constant, shift: s } => {
                if (constant, s) != (bias + half(shift), shift) {
                    return wrong("the constant or the shift differs");
                }
                if range
                    .is_some_and(|range| clamp != Some(range) && !(clamp.is_none() && range.includes(node.interval)))
                {
                    return wrong("it does not saturate to the format");
                }
                if range.is_none() && clamp.is_some() {
                    return wrong("it saturates");
                }
                sums.push(Some(x));
            }
            _ => return wrong("it is not a bias addition"),
        }
    }
    let check = |variable: Variable, wanted: &dyn Fn(usize) -> i32, what: &str| {
        let forms = respond(circuit, variable, Products::Variables, 1).ok_or("a coefficient overflows")?;
        for (c, sum) in sums.iter().enumerate() {
            let actual = match sum {
                Some(x) => left(forms[x.node.index()], x.shift as i32).map(|v| if x.negate { -v } else { v }),
                None => Some(0),
            };
            if actual != Some(wanted(c).into()) {
                return Err(format!("output {c} has another coefficient of {what}"));
            }
        }
        Ok(())
    };
    for (i, &id) in multipliers.iter().enumerate() {
        check(Variable::Node(id), &|c| parts.w_c[[c, i]], &circuit.node(id).name)?;
    }
    for &id in &circuit.inputs {
        check(Variable::Node(id), &|_| 0, &circuit.node(id).name)?;
    }
    check(Variable::One, &|_| 0, "1")
}
