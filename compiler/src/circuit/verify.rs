use super::forms::{BLOCK, Forms, Operands, Products, Variable, is_variable, scale, times};
use super::{Circuit, Node, NodeId, Op, Term, polarity};
use crate::interval::{Interval, floor_shift, half, round_shift};
use rayon::prelude::*;
use std::collections::HashSet;
use strassenc_runtime::{Error, Format, Result};

/// Checks the invariants that the [module](super) states.
///
/// # Errors
/// The first violation, with its layer and node: a bug of the pass that ran last.
pub fn verify(circuit: &Circuit) -> Result<()> {
    structure(circuit)?;
    widths(circuit)?;
    intervals(circuit)
}

fn fail(circuit: &Circuit, node: &Node, cause: impl std::fmt::Display) -> Error {
    Error::internal(
        format_args!("circuit of layer `{}`, node `{}`", circuit.name, node.name),
        cause,
    )
}

fn structure(circuit: &Circuit) -> Result<()> {
    let whole = |cause: String| {
        Err(Error::internal(format_args!("circuit of layer `{}`", circuit.name), cause))
    };
    let mut names = HashSet::new();
    let mut live = vec![false; circuit.nodes.len()];
    for &output in &circuit.outputs {
        match live.get_mut(output.index()) {
            Some(live) => *live = true,
            None => return whole(format!("an output is node {}, which is not there", output.0)),
        }
    }
    for (i, &id) in circuit.inputs.iter().enumerate() {
        if id.index() != i || circuit.nodes.get(i).map(|node| node.op) != Some(Op::Input(i as u32))
        {
            return whole(format!("input {i} is not node {i}"));
        }
    }
    let plain = polarity::plain(circuit);
    for (id, node) in circuit.iter() {
        if !is_verilog_safe(&node.name) {
            return Err(fail(circuit, node, "the name is not Verilog-safe"));
        }
        if !names.insert(&node.name) {
            return Err(fail(circuit, node, "the name is used twice"));
        }
        if node.op.operands().any(|operand| operand >= id) {
            return Err(fail(circuit, node, "reads itself or a later node"));
        }
        let cause = match node.op {
            _ if node.inverted && plain[id.index()] => "is inverted, and has to be held as it is",
            Op::Input(i) if circuit.inputs.get(i as usize) != Some(&id) => {
                "is not among the inputs"
            }
            Op::Add(terms) if terms[0].negate => "the first term is negated",
            Op::Add(terms) if terms.iter().all(|t| t.shift > 0) => "every term is shifted",
            Op::Multiply { coefficient, coefficient_bits, .. }
                if !(2..=63).contains(&coefficient_bits)
                    || coefficient.abs() >= 1 << (coefficient_bits - 1) =>
            {
                "the coefficient does not fit its width"
            }
            Op::Multiply { shift, .. } | Op::Offset { shift, .. } | Op::Scale { shift, .. }
                if !(-62..=62).contains(&shift) =>
            {
                "the shift is not within -62..=62"
            }
            Op::Scale { x, .. } if x.negate || x.shift > 0 => "the term is negated or shifted",
            Op::Shift { .. } if !circuit.loaded => "is shifted by what is not loaded",
            Op::Shift { by, bits, .. } if !(1..=5).contains(&bits) || by >> bits != 0 => {
                "the shift does not fit its width"
            }
            Op::Clamp { lo, hi, .. } if lo > hi => "the lower bound exceeds the upper one",
            _ => continue,
        };
        return Err(fail(circuit, node, cause));
    }
    for (id, node) in circuit.iter().collect::<Vec<_>>().into_iter().rev() {
        if live[id.index()] {
            node.op.operands().for_each(|operand| live[operand.index()] = true);
        } else if !matches!(node.op, Op::Input(_)) {
            return Err(fail(circuit, node, "serves no output"));
        }
    }
    Ok(())
}

fn is_verilog_safe(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn widths(circuit: &Circuit) -> Result<()> {
    let exact = |node: &Node| node.width == node.interval.bits();
    for node in &circuit.nodes {
        if node.signed != node.interval.signed() {
            return Err(fail(circuit, node, "is signed without negative values, or the reverse"));
        }
        if !(1..=63).contains(&node.width) || node.width > node.interval.bits() {
            let cause = format!(
                "is {} bits wide, its interval {} needs {}",
                node.width,
                node.interval,
                node.interval.bits()
            );
            return Err(fail(circuit, node, cause));
        }
        for id in node.op.operands() {
            let operand = circuit.node(id);
            let enough = exact(operand)
                || node.op.needed_bits(id, node.width).is_some_and(|bits| bits <= operand.width);
            if !enough {
                let cause =
                    format!("is {} bits wide, which `{}` needs more of", operand.width, node.name);
                return Err(fail(circuit, operand, cause));
            }
        }
    }
    let formatted = |ids: &[NodeId], format: Format| {
        let within = Interval::new(format.min(), format.max());
        let outside = |node: &&Node| !within.includes(node.interval) || !exact(node);
        match ids.iter().map(|&id| circuit.node(id)).find(outside) {
            Some(node) => Err(fail(
                circuit,
                node,
                format_args!("does not carry its value in the format {format}"),
            )),
            None => Ok(()),
        }
    };
    // An input's signal may be narrower than its value, but its value is within the format.
    let inputs = |id: &&NodeId| {
        let format = circuit.input_format;
        !Interval::new(format.min(), format.max()).includes(circuit.node(**id).interval)
    };
    if let Some(&id) = circuit.inputs.iter().find(inputs) {
        return Err(fail(circuit, circuit.node(id), "is outside the input format"));
    }
    formatted(&circuit.outputs, circuit.output_format)
}

/// Every declared interval holds every value, given the intervals of the inputs.
///
/// The check goes by induction along the topological order, so the declared interval of an operand
/// may be relied on.
fn intervals(circuit: &Circuit) -> Result<()> {
    let overflow = || {
        Error::internal(
            format_args!("circuit of layer `{}`", circuit.name),
            "a coefficient overflows",
        )
    };
    let scale = scale(circuit);
    let range = |node: &Node| (i128::from(node.interval.lo), i128::from(node.interval.hi));
    let operands = Operands::new(circuit).ok_or_else(overflow)?;
    let mut variables = vec![(Variable::One, (1, 1))];
    for (id, node) in circuit.iter() {
        if matches!(node.op, Op::Product { .. }) && operands.of(id).is_none() {
            return Err(fail(circuit, node, "multiplies more than sums of inputs"));
        }
        if is_variable(circuit, &node.op) || node.op.row().is_some() {
            variables.push((Variable::Node(id), range(node)));
        }
    }
    let plain =
        forms(circuit, Products::Variables, &operands, &variables, 0).ok_or_else(overflow)?;
    let mut linear = vec![(Variable::One, (1, 1))];
    for (j, k) in operands.monomials() {
        // A square is within this too.
        let product = circuit.node(j).interval.times(circuit.node(k).interval);
        linear.push((Variable::Monomial(j, k), (product.lo.into(), product.hi.into())));
    }
    for &(variable, range) in &variables[1..] {
        let Variable::Node(id) = variable else { continue };
        match circuit.node(id).op {
            op if is_variable(circuit, &op) => linear.push((variable, range)),
            Op::Multiply { x, coefficient, shift, .. } => {
                let zeros = coefficient.trailing_zeros() + plain[x.index()].zeros(0);
                linear.push((Variable::Error(id), rounding_error(zeros, shift, scale)));
            }
            Op::Scale { x, shift, .. } => {
                let zeros = plain[x.node.index()].zeros(half(shift));
                linear.push((Variable::Error(id), rounding_error(zeros, shift, scale)));
            }
            Op::Product { .. } => {}
            _ => linear.push((variable, range)),
        }
    }
    let linear =
        forms(circuit, Products::Linear, &operands, &linear, scale).ok_or_else(overflow)?;
    for (id, node) in circuit.iter() {
        let of = |x: NodeId| circuit.node(x).interval;
        let image = |x: Interval, f: &dyn Fn(i64) -> i64| {
            let (a, b) = (f(x.lo), f(x.hi));
            (i128::from(a.min(b)), i128::from(a.max(b)))
        };
        let actual = match node.op {
            Op::Input(_) => continue,
            Op::Constant(v) if circuit.loaded => {
                // As many bits as hold it, and no value without an opposite.
                let most = (1i128 << (node.interval.bits() - 1)) - 1;
                let (lo, hi) = range(node);
                if (lo, hi) != (-most, most) || !node.interval.contains(v) {
                    return Err(fail(circuit, node, "is loaded, with an interval that is not"));
                }
                continue;
            }
            Op::Multiply { x, coefficient_bits, shift, .. } if circuit.loaded => {
                let most = (1i128 << (coefficient_bits - 1)) - 1;
                let ends = [of(x).lo, of(x).hi].map(|x| i128::from(x).abs() * most);
                let greatest = ends[0].max(ends[1]);
                match i64::try_from(greatest) {
                    Ok(v) => image(Interval::new(-v, v), &|v| round_shift(v, shift)),
                    Err(_) => return Err(fail(circuit, node, "exceeds 64 bits")),
                }
            }
            Op::Multiply { x, coefficient, shift, .. } => {
                image(of(x), &|x| round_shift(coefficient * x, shift))
            }
            Op::Product { x, y, .. } => {
                let product = of(x).times(of(y));
                (product.lo.into(), product.hi.into())
            }
            Op::Shift { x, bits, .. } => {
                // From not at all to as far as the bits say, and all that lies between.
                let (lo, hi) = range(circuit.node(x));
                let most = (1 << bits) - 1;
                (lo.min(lo >> most), hi.max(hi >> most))
            }
            Op::Clamp { x, lo, hi } => image(of(x), &|x| x.clamp(lo, hi)),
            Op::Offset { x: Term { node: x, shift: left, negate }, constant, shift } => {
                image(of(x).scale(negate, left), &|x| floor_shift(x + constant, shift))
            }
            Op::Scale { x, shift, .. } => {
                image(of(x.node).scale(x.negate, x.shift), &|x| floor_shift(x, shift))
            }
            Op::Add(..) | Op::Constant(_) => {
                let (plain, linear) = (plain[id.index()], linear[id.index()]);
                (plain.lo.max(-(-linear.lo >> scale)), plain.hi.min(linear.hi >> scale))
            }
        };
        if actual.0 < node.interval.lo.into() || actual.1 > node.interval.hi.into() {
            let cause = format!(
                "takes values from {} to {}, declared is {}",
                actual.0, actual.1, node.interval
            );
            return Err(fail(circuit, node, cause));
        }
    }
    Ok(())
}

/// `round(v · 2^-shift) - v · 2^-shift` over all multiples v of 2^zeros, in units of 2^-scale.
fn rounding_error(zeros: u32, shift: i32, scale: i32) -> (i128, i128) {
    if i64::from(shift) <= i64::from(zeros) {
        return (0, 0);
    }
    let half = i128::from(half(shift));
    (((1i128 << zeros) - half) << (scale - shift), half << (scale - shift))
}

/// What the form of a node says of its values, in units of 2^-scale.
#[derive(Clone, Copy)]
struct Form {
    lo: i128,
    hi: i128,
    /// The constant.
    one: i128,
    /// All other coefficients are multiples of 2^zeros.
    zeros: u32,
}

impl Form {
    const NONE: Form = Form { lo: 0, hi: 0, one: 0, zeros: 64 };

    /// Without so much of its constant, all values are multiples of 2^zeros.
    fn zeros(self, constant: i64) -> u32 {
        self.zeros.min((self.one - i128::from(constant)).trailing_zeros())
    }

    fn plus(self, other: Form) -> Option<Form> {
        let (lo, hi) = (self.lo.checked_add(other.lo)?, self.hi.checked_add(other.hi)?);
        let one = self.one.checked_add(other.one)?;
        Some(Form { lo, hi, one, zeros: self.zeros.min(other.zeros) })
    }
}

/// The form of every node over the ranges of its variables; those of errors are in units of
/// 2^-scale already.
fn forms(
    circuit: &Circuit,
    products: Products,
    operands: &Operands,
    variables: &[(Variable, (i128, i128))],
    scale: i32,
) -> Option<Vec<Form>> {
    let none = || vec![Form::NONE; circuit.nodes.len()];
    variables
        .par_chunks(BLOCK)
        .fold(
            || Some((none(), Forms::new(circuit, products, operands))),
            |state, variables| {
                let (mut sums, mut forms) = state?;
                add(&mut sums, &mut forms, variables, scale)?;
                Some((sums, forms))
            },
        )
        .map(|state| state.map(|(sums, _)| sums))
        .reduce(|| Some(none()), |a, b| a?.into_iter().zip(b?).map(|(a, b)| a.plus(b)).collect())
}

/// Adds to the form of every node what a block of variables contributes.
fn add(
    sums: &mut [Form],
    forms: &mut Forms,
    variables: &[(Variable, (i128, i128))],
    scale: i32,
) -> Option<()> {
    let unit = |v: Variable| if matches!(v, Variable::Error(_)) { 1 } else { 1i128 << scale };
    let units: Vec<_> = variables.iter().map(|&(v, _)| (v, unit(v))).collect();
    forms.follow(&units)?;
    for (id, form) in forms.all() {
        let sum = &mut sums[id.index()];
        for (&c, &(variable, (lo, hi))) in form.iter().zip(variables) {
            if c != 0 {
                let (a, b) = (times(c, lo)?, times(c, hi)?);
                let (one, zeros) = match variable {
                    Variable::One => (c, Form::NONE.zeros),
                    _ => (0, c.trailing_zeros()),
                };
                *sum = sum.plus(Form { lo: a.min(b), hi: a.max(b), one, zeros })?;
            }
        }
    }
    Some(())
}
