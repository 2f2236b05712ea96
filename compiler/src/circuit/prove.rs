use super::forms::{BLOCK, Forms, Operands, Products, Variable, is_variable, left, scale, term};
use super::{Circuit, NodeId, Op, Term};
use crate::adder_graph::Matrix;
use crate::interval::{Interval, half, round_shift};
use crate::ir::{Chain, Loaded, OpKind};
use strassenc_runtime::{Error, Result};

/// Proves that the circuit computes the chain for every input: its products have the chain's
/// coefficients of every input, its sums the chain's coefficients of every product, and it
/// requantises with the same constants.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) naming the row or output that differs.
pub fn prove(circuit: &Circuit, chain: &Chain) -> Result<()> {
    let fail =
        |cause: String| Error::mismatch(format_args!("circuit of layer `{}`", circuit.name), cause);
    let parts = Parts::of(chain).ok_or_else(|| fail("the layer is not an SPN layer".into()))?;
    if circuit.loaded != chain.loaded.is_some() {
        return Err(fail("its parameters are loaded, or not, against the layer".into()));
    }
    if let Some(of) = chain.loaded {
        // What follows proves it for the parameters at hand, none of which is a 0 that would leave
        // a row of W_b or the place of a constant open. So it holds for any others.
        loaded(circuit, chain, &parts, of).map_err(fail)?;
        return prove(
            &Circuit { loaded: false, ..circuit.clone() },
            &Chain { loaded: None, ..chain.clone() },
        );
    }
    let multipliers = multipliers(circuit, &parts).map_err(fail)?;
    let operands = Operands::new(circuit).ok_or_else(|| fail("a coefficient overflows".into()))?;
    if parts.is_kernel {
        // Its outputs are sums of its inputs as those of a layer are sums of products.
        let inputs = &circuit.inputs;
        return outputs(circuit, &operands, &parts, inputs, &vec![false; inputs.len()])
            .map_err(fail);
    }
    let negative = match parts.factors {
        Some(_) => {
            // A shift to the left leaves the sign of its coefficient to its readers.
            let negative = scaled(circuit, &operands, &parts, &multipliers).map_err(fail)?;
            products(circuit, &operands, &parts, &multipliers, &negative).map_err(fail)?;
            negative
        }
        None => products_of_data(circuit, &operands, &parts, &multipliers).map_err(fail)?,
    };
    outputs(circuit, &operands, &parts, &multipliers, &negative).map_err(fail)
}

/// Every coefficient can be whatever its layer's can be, and each output is the sum that it is, and
/// one constant of its own, which can be whatever a bias can be, shifted by whatever its shift can
/// be.
fn loaded(circuit: &Circuit, chain: &Chain, parts: &Parts, of: Loaded) -> Result<(), String> {
    let range = of.bias();
    let widest = chain.ops.iter().find_map(|op| match op.kind {
        OpKind::Multiply { coefficient_bits, .. } => Some(coefficient_bits),
        _ => None,
    });
    let mut variables = vec![];
    for (id, node) in circuit.iter() {
        match node.op {
            Op::Multiply { coefficient: 0, .. } => {
                return Err(format!("`{}` has the coefficient 0", node.name));
            }
            Op::Multiply { coefficient_bits, .. } if Some(coefficient_bits) != widest => {
                return Err(format!("`{}` has another width", node.name));
            }
            Op::Constant(_) if node.interval != range => {
                return Err(format!("`{}` is not within {range}", node.name));
            }
            Op::Constant(_) => variables.push((Variable::Node(id), 1)),
            _ => {}
        }
    }
    let mut own = vec![0; parts.w_c.nrows()];
    let operands = Operands::new(circuit).ok_or("a coefficient overflows")?;
    let mut forms = Forms::new(circuit, Products::Variables, &operands);
    for block in variables.chunks(BLOCK) {
        forms.follow(block).ok_or("a coefficient overflows")?;
        let mut places = vec![0; block.len()];
        for (c, &id) in circuit.outputs.iter().enumerate() {
            let node = circuit.node(id);
            let node = if let Op::Clamp { x, .. } = node.op { circuit.node(x) } else { node };
            let (node, bits) = match node.op {
                Op::Shift { x, bits, .. } => (circuit.node(x), bits),
                _ => (node, 0),
            };
            let Op::Offset { x, constant: 0, shift } = node.op else {
                return Err(format!("output {c} has a constant that is not loaded"));
            };
            let (due, least) = match parts.last {
                OpKind::Requantise { shifts, .. } => {
                    (of.shift_bits(), *of.shifts_of(shifts[c]).start())
                }
                _ => (0, 0),
            };
            if (bits, shift) != (due, least) {
                return Err(format!("output {c} cannot be shifted as it is loaded"));
            }
            for (lane, places) in places.iter_mut().enumerate() {
                let found = term(x, forms.of(x.node).map_or(0, |form| form[lane]));
                match found {
                    Some(0) => {}
                    Some(1 | -1) => (*places, own[c]) = (*places + 1, own[c] + 1),
                    _ => return Err(format!("output {c} has a multiple of a bias")),
                }
            }
        }
        if places.iter().any(|places| *places != 1) {
            return Err("a bias is not that of one output".into());
        }
    }
    match own.iter().position(|own| *own != 1) {
        Some(c) => Err(format!("output {c} has {} biases", own[c])),
        None => Ok(()),
    }
}

/// The parameters of an SPN layer, or the matrix of a kernel.
struct Parts<'a> {
    /// Whether it is `w_c` of what enters alone, without multipliers.
    is_kernel: bool,
    /// W_b, or W_a and W_b, block-diagonal.
    w_b: &'a Matrix,
    offsets: Option<&'a [i64]>,
    /// Coefficients and shifts; none where data multiplies data.
    factors: Option<(&'a [i64], &'a [i32])>,
    rows: &'a [usize],
    w_c: &'a Matrix,
    last: &'a OpKind,
}

impl<'a> Parts<'a> {
    fn of(chain: &'a Chain) -> Option<Self> {
        let (offsets, rest) = match chain.ops.as_slice() {
            [w, last] => {
                let OpKind::Linear { matrix, .. } = &w.kind else { return None };
                return Some(Parts {
                    is_kernel: true,
                    w_b: matrix,
                    offsets: None,
                    factors: Some((&[], &[])),
                    rows: &[],
                    w_c: matrix,
                    last: &last.kind,
                });
            }
            [w_b, offset, rest @ ..] if rest.len() == 3 => match &offset.kind {
                OpKind::Offset { constants } => {
                    (Some(constants.as_slice()), [w_b, &rest[0], &rest[1], &rest[2]])
                }
                _ => return None,
            },
            [w_b, multiply, w_c, last] => (None, [w_b, multiply, w_c, last]),
            _ => return None,
        };
        let [w_b, multiply, w_c, last] = rest;
        match (&w_b.kind, &multiply.kind, &w_c.kind) {
            (OpKind::Linear { matrix: w_b, .. }, kind, OpKind::Linear { matrix: w_c, .. }) => {
                let factors = match kind {
                    OpKind::Multiply { coefficients, shifts, .. } => {
                        Some((coefficients.as_slice(), shifts.as_slice()))
                    }
                    OpKind::Product if offsets.is_none() => None,
                    _ => return None,
                };
                Some(Parts {
                    is_kernel: false,
                    w_b,
                    offsets,
                    factors,
                    rows: &multiply.result.indices,
                    w_c,
                    last: &last.kind,
                })
            }
            _ => None,
        }
    }
}

/// The multiplier of each row, in order.
fn multipliers(circuit: &Circuit, parts: &Parts) -> Result<Vec<NodeId>, String> {
    let mut found = vec![None; parts.rows.len()];
    for (id, node) in circuit.iter() {
        if let Some(row) = node.op.row() {
            if matches!(node.op, Op::Product { .. }) != parts.factors.is_none() {
                return Err(format!("`{}` is not the layer's kind of multiplier", node.name));
            }
            let i = parts
                .rows
                .binary_search(&(row as usize))
                .map_err(|_| format!("`{}` has no row", node.name))?;
            if found[i].replace(id).is_some() {
                return Err(format!("row {row} has two multipliers"));
            }
        }
        // Whatever else is not linear must be at the end, where `outputs` looks at it.
        let early = |x: NodeId| {
            let operand = &circuit.node(x).op;
            is_variable(circuit, operand)
                && !matches!(operand, Op::Input(_))
                && !matches!(node.op, Op::Shift { .. } | Op::Clamp { .. })
        };
        if node.op.operands().any(early) {
            return Err(format!("`{}` reads a requantised value", node.name));
        }
    }
    let row = |(i, id): (usize, Option<NodeId>)| {
        id.ok_or(format!("row {} has no multiplier", parts.rows[i]))
    };
    found.into_iter().enumerate().map(row).collect()
}

/// The operands of every product are its rows of W_a and W_b, up to a sign; whether the product has
/// the other sign.
fn products_of_data(
    circuit: &Circuit,
    operands: &Operands,
    parts: &Parts,
    multipliers: &[NodeId],
) -> Result<Vec<bool>, String> {
    let r = multipliers.len();
    let mut negative = vec![false; r];
    for (i, &id) in multipliers.iter().enumerate() {
        let forms = operands
            .of(id)
            .ok_or(format!("the product of row {} is not one of inputs", parts.rows[i]))?;
        for (form, row) in forms.iter().zip([parts.w_b.row(i), parts.w_b.row(i + r)]) {
            let equals = |sign: i128| {
                form.len() == row.len()
                    && form.iter().zip(row).all(|(&f, &w)| f == sign * i128::from(w))
            };
            match (equals(1), equals(-1)) {
                (true, _) => {}
                (false, true) => negative[i] ^= true,
                (false, false) => {
                    let j = form
                        .iter()
                        .zip(row)
                        .position(|(&f, &w)| f.abs() != i128::from(w).abs())
                        .unwrap_or(0);
                    let what = &circuit.node(circuit.inputs[j]).name;
                    return Err(format!(
                        "the product of row {} has another coefficient of {what}",
                        parts.rows[i]
                    ));
                }
            }
        }
    }
    Ok(negative)
}

/// Whether the row's shift stands for the negated product: as the first live element of the row
/// says, to which `products` then holds all others.
fn scaled(
    circuit: &Circuit,
    operands: &Operands,
    parts: &Parts,
    multipliers: &[NodeId],
) -> Result<Vec<bool>, String> {
    let mut negative = vec![false; multipliers.len()];
    let is_scale =
        |i: usize| matches!(circuit.node(multipliers[i]).op, Op::Scale { shift: ..=0, .. });
    let (coefficients, shifts) = parts.factors.unwrap_or_default();
    let unit = 1 << shifts.iter().copied().fold(scale(circuit), i32::max);
    let mut forms = Forms::new(circuit, Products::Linear, operands);
    let mut open: Vec<usize> = (0..multipliers.len()).filter(|&i| is_scale(i)).collect();
    for (first, block) in (0..).step_by(BLOCK).zip(circuit.inputs.chunks(BLOCK)) {
        if open.is_empty() {
            break;
        }
        let units: Vec<_> = block.iter().map(|&id| (Variable::Node(id), unit)).collect();
        forms.follow(&units).ok_or("a coefficient overflows")?;
        open.retain(|&i| {
            let Some(form) = forms.of(multipliers[i]) else { return true };
            let Some(lane) = form.iter().position(|&v| v != 0) else { return true };
            let due = coefficients[i].signum() * i64::from(parts.w_b[[i, first + lane]]);
            negative[i] = (form[lane] < 0) != (due < 0);
            false
        });
    }
    Ok(negative)
}

fn products(
    circuit: &Circuit,
    operands: &Operands,
    parts: &Parts,
    multipliers: &[NodeId],
    negative: &[bool],
) -> Result<(), String> {
    let (coefficients, shifts) = parts.factors.unwrap_or_default();
    let scale = shifts.iter().copied().fold(scale(circuit), i32::max);
    let mut variables = vec![(Variable::One, "1")];
    variables.extend(
        circuit.inputs.iter().map(|&id| (Variable::Node(id), circuit.node(id).name.as_str())),
    );
    let wanted = |i: usize, variable: usize| match variable.checked_sub(1) {
        None => parts.offsets.map_or(0, |k| k[i]),
        Some(j) => parts.w_b[[i, j]].into(),
    };
    let product = |forms: &Forms, i: usize, lane: usize| {
        forms.of(multipliers[i]).map_or(Some(0), |form| Some(form[lane]))
    };
    let exact = |i: usize, variable: usize| {
        let sign = if negative[i] { -1 } else { 1 };
        let product = i128::from(coefficients[i]) * i128::from(wanted(i, variable));
        left(sign * product, scale - shifts[i])
    };
    let forms = Forms::new(circuit, Products::Linear, operands);
    let found = differ(forms, &variables, 1 << scale, multipliers.len(), product, exact)?;
    match found {
        None => Ok(()),
        Some((i, what)) => {
            Err(format!("the product of row {} has another coefficient of {what}", parts.rows[i]))
        }
    }
}

/// The first of `items` that has another coefficient of some variable than it should have, and that
/// variable.
fn differ<'a>(
    mut forms: Forms,
    variables: &[(Variable, &'a str)],
    unit: i128,
    items: usize,
    actual: impl Fn(&Forms, usize, usize) -> Option<i128>,
    wanted: impl Fn(usize, usize) -> Option<i128>,
) -> Result<Option<(usize, &'a str)>, String> {
    for (first, block) in (0..).step_by(BLOCK).zip(variables.chunks(BLOCK)) {
        let units: Vec<_> = block.iter().map(|&(variable, _)| (variable, unit)).collect();
        forms.follow(&units).ok_or("a coefficient overflows")?;
        for item in 0..items {
            for (lane, &(_, name)) in block.iter().enumerate() {
                let (actual, wanted) = (actual(&forms, item, lane), wanted(item, first + lane));
                if actual.is_none() || actual != wanted {
                    return Ok(Some((item, name)));
                }
            }
        }
    }
    Ok(None)
}

/// Each output is the sum of `products` that W_c says, with its constant, rounding and saturation.
fn outputs(
    circuit: &Circuit,
    operands: &Operands,
    parts: &Parts,
    products: &[NodeId],
    negative: &[bool],
) -> Result<(), String> {
    // Each output as `offset of a sum of products`, with or without a clamp after it.
    let mut sums: Vec<Option<Term>> = vec![];
    let mut constants: Vec<i64> = vec![];
    for (c, &id) in circuit.outputs.iter().enumerate() {
        let node = circuit.node(id);
        let (clamp, node) = match node.op {
            Op::Clamp { x, lo, hi } => (Some(Interval::new(lo, hi)), circuit.node(x)),
            _ => (None, node),
        };
        let (by, last) = match node.op {
            Op::Shift { x, by, .. } => (by as i32, circuit.node(x)),
            _ => (0, node),
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
        match last.op {
            Op::Constant(v) => {
                if clamp.is_some() || v != saturate(round_shift(bias, shift)) {
                    return wrong("the constant differs");
                }
                sums.push(None);
                constants.push(0);
            }
            Op::Offset { x, constant, shift: s } => {
                if s + by != shift {
                    return wrong("the shift differs");
                }
                if range.is_some_and(|range| {
                    clamp != Some(range) && !(clamp.is_none() && range.includes(node.interval))
                }) {
                    return wrong("it does not saturate to the format");
                }
                if range.is_none() && clamp.is_some() {
                    return wrong("it saturates");
                }
                sums.push(Some(x));
                // Bias and rounding are added here, or are terms of the sum.
                constants.push(bias + half(shift) - constant);
            }
            _ => return wrong("it is not a sum that is shifted"),
        }
    }
    // In topological order: 1, the inputs, the products.
    let mut variables = vec![(Variable::One, "1", None)];
    let others: &[NodeId] = if parts.is_kernel { &[] } else { &circuit.inputs };
    variables.extend(
        others.iter().map(|&id| (Variable::Node(id), circuit.node(id).name.as_str(), None)),
    );
    let product =
        |(i, &id): (usize, &NodeId)| (Variable::Node(id), circuit.node(id).name.as_str(), Some(i));
    variables.extend(products.iter().enumerate().map(product));
    variables.sort_by_key(
        |&(variable, ..)| if let Variable::Node(id) = variable { Some(id) } else { None },
    );
    let named: Vec<_> = variables.iter().map(|&(variable, name, _)| (variable, name)).collect();
    let sum = |forms: &Forms, c: usize, lane: usize| match sums[c] {
        Some(x) => term(x, forms.of(x.node).map_or(0, |form| form[lane])),
        None => Some(0),
    };
    let wanted = |c: usize, variable: usize| {
        let coefficient =
            |i: usize| i128::from(if negative[i] { -parts.w_c[[c, i]] } else { parts.w_c[[c, i]] });
        Some(match variables[variable] {
            (Variable::One, ..) => constants[c].into(),
            (.., product) => product.map_or(0, coefficient),
        })
    };
    let forms = Forms::new(circuit, Products::Variables, operands);
    match differ(forms, &named, 1, sums.len(), sum, wanted)? {
        None => Ok(()),
        Some((c, "1")) => Err(format!("output {c} has another constant")),
        Some((c, what)) => Err(format!("output {c} has another coefficient of {what}")),
    }
}
