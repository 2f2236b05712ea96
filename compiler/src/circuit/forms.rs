//! Exact coefficient vectors of a circuit's nodes, one variable at a time: what [`verify`](super::verify) and
//! [`prove`](super::prove) stand on. Shares nothing with the builder.
//!
//! Every node is an affine form of variables: the constant 1, the inputs, and the results of nodes that are not linear.
//! Multipliers can be seen either way: as variables, or as exact products plus a rounding error that is a variable.

use super::{Circuit, Node, NodeId, Op};

/// What [`respond`] follows through the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The constant 1.
    One,
    /// The value of a node.
    Node(NodeId),
    /// The rounding error of a multiplier.
    Error(NodeId),
}

/// How multipliers are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    /// Their results are variables.
    Variables,
    /// `exact product + error`; forms are in units of 2^-[`scale`].
    Linear,
}

/// Fractional bits that hold every exact product.
pub fn scale(circuit: &Circuit) -> i32 {
    let shift = |node: &Node| if let Op::Multiply { shift, .. } = node.op { shift } else { 0 };
    circuit.nodes.iter().map(shift).max().unwrap_or(0).max(0)
}

/// Whether the node's result is a variable whatever the view: an input, a clamp, a right shift.
pub fn is_variable(op: &Op) -> bool {
    match *op {
        Op::Input(_) | Op::Clamp { .. } => true,
        Op::Offset { shift, .. } => shift > 0,
        Op::Add(..) | Op::Constant(_) | Op::Multiply { .. } => false,
    }
}

/// The coefficient of `variable`, times `unit`, in the form of every node; `None` where one does not fit 127 bits, or is
/// not a whole number (a product of products).
pub fn respond(circuit: &Circuit, variable: Variable, products: Products, unit: i128) -> Option<Vec<i128>> {
    let mut forms = vec![0i128; circuit.nodes.len()];
    let first = match variable {
        Variable::One => 0,
        Variable::Node(id) | Variable::Error(id) => id.index(),
    };
    let one = |v: i64| if variable == Variable::One { i128::from(v).checked_mul(unit) } else { Some(0) };
    for (i, node) in circuit.nodes.iter().enumerate().skip(first) {
        let itself = variable == Variable::Node(NodeId(i as u32));
        forms[i] = match node.op {
            _ if itself => unit,
            ref op if is_variable(op) => 0,
            Op::Constant(v) => one(v)?,
            Op::Add(a, b) => {
                let (a, b) = (term(a, forms[a.node.index()])?, term(b, forms[b.node.index()])?);
                a.checked_add(b)?
            }
            Op::Offset { x, constant, shift } => {
                let sum = term(x, forms[x.node.index()])?.checked_add(one(constant)?)?;
                left(sum, -shift)?
            }
            Op::Multiply { x, coefficient, shift, .. } => match products {
                Products::Variables => 0,
                Products::Linear => {
                    let product = forms[x.index()].checked_mul(i128::from(coefficient))?;
                    let error = if variable == Variable::Error(NodeId(i as u32)) { unit } else { 0 };
                    left(product, -shift)?.checked_add(error)?
                }
            },
            Op::Input(_) | Op::Clamp { .. } => 0,
        };
    }
    Some(forms)
}

fn term(t: super::Term, form: i128) -> Option<i128> {
    let v = left(form, t.shift as i32)?;
    if t.negate { v.checked_neg() } else { Some(v) }
}

/// `v · 2^shift` where that is a whole number that fits.
pub fn left(v: i128, shift: i32) -> Option<i128> {
    match shift {
        _ if v == 0 => Some(0),
        0..127 => v.checked_mul(1i128 << shift),
        -126..0 => ((v >> -shift) << -shift == v).then_some(v >> -shift),
        _ => None,
    }
}
