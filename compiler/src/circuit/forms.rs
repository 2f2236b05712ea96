//! Exact coefficient vectors of a circuit's nodes: what [`verify`](super::verify) and
//! [`prove`](super::prove) stand on. Shares nothing with the builder.
//!
//! Every node is an affine form of variables: the constant 1, the inputs, and the results of nodes
//! that are not linear. Multipliers can be seen either way: as variables, or as exact products plus
//! a rounding error that is a variable; where both operands are data, the exact product is a form
//! of monomials, products of two inputs.

use super::{Circuit, Node, NodeId, Op, Term};
use crate::interval::half;
use crate::reach::{Reached, Readers};
use std::collections::{BTreeMap, BTreeSet};

/// A variable of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The constant 1.
    One,
    /// The value of a node.
    Node(NodeId),
    /// The rounding error of a multiplier.
    Error(NodeId),
    /// The product of two inputs.
    Monomial(NodeId, NodeId),
}

/// How multipliers are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    /// The results of multipliers are variables.
    Variables,
    /// `exact product + error`, in units of 2^-[`scale`].
    Linear,
}

/// Fractional bits that hold every exact product.
pub fn scale(circuit: &Circuit) -> i32 {
    let shift = |node: &Node| match node.op {
        Op::Multiply { shift, .. } | Op::Scale { shift, .. } => shift,
        _ => 0,
    };
    circuit.nodes.iter().map(shift).max().unwrap_or(0).max(0)
}

/// Whether the node's result is a variable whatever the view: an input, a clamp, a right shift; a
/// constant that is loaded, and a product with a coefficient that is.
pub fn is_variable(circuit: &Circuit, op: &Op) -> bool {
    match *op {
        _ if circuit.is_loaded(op) => true,
        Op::Input(_) | Op::Shift { .. } | Op::Clamp { .. } => true,
        Op::Offset { shift, .. } => shift > 0,
        Op::Add(..) | Op::Constant(_) => false,
        Op::Multiply { .. } | Op::Scale { .. } | Op::Product { .. } => false,
    }
}

/// How many variables are followed through the circuit at once.
pub const BLOCK: usize = 8;

/// The coefficients of [`BLOCK`] variables in the form of one node.
pub type Coefficients = [i128; BLOCK];

/// Coefficients of a block of variables in the forms of all nodes.
pub struct Forms<'a> {
    circuit: &'a Circuit,
    products: Products,
    forms: Vec<Coefficients>,
    /// Whether any of a node's coefficients is not 0.
    present: Vec<bool>,
    /// What the variables that were last followed lead to.
    reached: Reached,
    /// The operands of products, where those are linear.
    operands: &'a Operands,
    /// The monomials that are followed: lane, inputs, unit.
    monomials: Vec<(usize, [NodeId; 2], i128)>,
}

impl<'a> Forms<'a> {
    /// Room for the forms of a circuit.
    pub fn new(circuit: &'a Circuit, products: Products, operands: &'a Operands) -> Self {
        let n = circuit.nodes.len();
        let (forms, present) = (vec![[0; BLOCK]; n], vec![false; n]);
        Forms {
            circuit,
            products,
            forms,
            present,
            reached: Reached::new(n),
            operands,
            monomials: vec![],
        }
    }

    /// The nodes whose forms have a coefficient other than 0, in order, with their coefficients.
    pub fn all(&self) -> impl Iterator<Item = (NodeId, &Coefficients)> {
        let ids = self.reached.nodes().map(|i| NodeId(i as u32));
        ids.filter_map(|id| self.of(id).map(|form| (id, form)))
    }

    /// The coefficients of the variables that were last followed in the form of this node; `None`
    /// where all are 0.
    pub fn of(&self, node: NodeId) -> Option<&Coefficients> {
        self.present[node.index()].then(|| &self.forms[node.index()])
    }

    /// Follows variables, in topological order (1, monomials, nodes) and at most [`BLOCK`] of them,
    /// with their units, through the circuit.
    ///
    /// `None` where a coefficient does not fit 127 bits, or is not a whole number of units (a
    /// product of products).
    pub fn follow(&mut self, variables: &[(Variable, i128)]) -> Option<()> {
        self.reached.nodes().for_each(|i| self.present[i] = false);
        self.reach(variables);
        let mut lanes = variables.iter().enumerate().peekable();
        let one =
            lanes.next_if(|(_, (v, _))| *v == Variable::One).map(|(lane, (_, unit))| (lane, *unit));
        self.monomials.clear();
        while let Some((lane, &(variable, unit))) =
            lanes.next_if(|(_, (v, _))| matches!(v, Variable::Monomial(..)))
        {
            let Variable::Monomial(j, k) = variable else { continue };
            self.monomials.push((lane, [j, k], unit));
        }
        for i in self.reached.nodes() {
            let id = NodeId(i as u32);
            let mut form = self.node(id, self.circuit.node(id), one)?;
            let own = |v: Variable| matches!(v, Variable::Node(x) | Variable::Error(x) if x == id);
            while let Some((lane, (_, unit))) = lanes.next_if(|(_, (v, _))| own(*v)) {
                form.get_or_insert([0; BLOCK])[lane] = *unit;
            }
            self.present[id.index()] = form.is_some();
            if let Some(form) = form {
                self.forms[id.index()] = form;
            }
        }
        assert!(lanes.next().is_none(), "variables come in topological order, and each is one");
        Some(())
    }

    /// Finds what the variables lead to.
    fn reach(&mut self, variables: &[(Variable, i128)]) {
        if variables.iter().any(|(v, _)| matches!(v, Variable::One | Variable::Monomial(..))) {
            // Constants and products may be anywhere.
            return self.reached.everything();
        }
        let starts = variables.iter().filter_map(|(v, _)| match v {
            Variable::Node(x) | Variable::Error(x) => Some(x.index()),
            Variable::One | Variable::Monomial(..) => None,
        });
        let passes = |i: usize| match &self.circuit.nodes[i].op {
            Op::Product { .. } => false,
            op if self.products == Products::Variables => {
                !is_variable(self.circuit, op) && op.row().is_none()
            }
            op => !is_variable(self.circuit, op),
        };
        self.reached.follow(&self.operands.readers, starts, passes);
    }

    /// The form of a node from those of its operands; the outer `None` is an overflow, the inner
    /// one all zeros.
    fn node(
        &self,
        id: NodeId,
        node: &Node,
        one: Option<(usize, i128)>,
    ) -> Option<Option<Coefficients>> {
        if is_variable(self.circuit, &node.op) {
            return Some(None);
        }
        let with = |form: Option<Coefficients>, constant: i64| match one {
            Some((lane, unit)) if constant != 0 => {
                let mut form = form.unwrap_or([0; BLOCK]);
                form[lane] = form[lane].checked_add(times(unit, constant.into())?)?;
                Some(Some(form))
            }
            _ => Some(form),
        };
        match node.op {
            Op::Input(_) | Op::Shift { .. } | Op::Clamp { .. } => Some(None),
            Op::Constant(v) => with(None, v),
            Op::Add(terms) => {
                let mut sum: Option<Coefficients> = None;
                for form in terms.iter().map(|t| self.term(*t)) {
                    let Some(form) = form? else { continue };
                    match &mut sum {
                        None => sum = Some(form),
                        Some(sum) => {
                            for (sum, v) in sum.iter_mut().zip(form) {
                                *sum = sum.checked_add(v)?;
                            }
                        }
                    }
                }
                Some(sum)
            }
            Op::Offset { x, constant, shift } => {
                each(with(self.term(x)?, constant)?, |v| left(v, -shift))
            }
            _ if node.op.row().is_some() && self.products == Products::Variables => Some(None),
            // What rounds the exact product is in its sum.
            Op::Scale { x, shift, .. } => {
                each(with(self.term(x)?, -half(shift))?, |v| left(v, -shift))
            }
            Op::Product { .. } => self.product(id),
            Op::Multiply { x, coefficient, shift, .. } => {
                each(self.of(x).copied(), |v| left(times(v, coefficient.into())?, -shift))
            }
        }
    }

    /// `Σ_j p_j x_j · Σ_k q_k x_k`: monomial jk has the coefficient `p_j q_k + p_k q_j`, or `p_j
    /// q_j` where j = k.
    fn product(&self, id: NodeId) -> Option<Option<Coefficients>> {
        let [p, q] = self.operands.of(id)?;
        let mut form = None;
        for &(lane, [j, k], unit) in &self.monomials {
            let (j, k) = (j.index(), k.index());
            let crossed = if j == k { 0 } else { times(p[k], q[j])? };
            let coefficient = times(p[j], q[k])?.checked_add(crossed)?;
            if coefficient != 0 {
                form.get_or_insert([0; BLOCK])[lane] = times(unit, coefficient)?;
            }
        }
        Some(form)
    }

    fn term(&self, t: Term) -> Option<Option<Coefficients>> {
        match (self.of(t.node).copied(), t) {
            (form, Term { shift: 0, negate: false, .. }) => Some(form),
            (form, t) => each(form, |v| term(t, v)),
        }
    }
}

/// The coefficients of all inputs in both operands of each product of data by data.
pub struct Operands {
    readers: Readers,
    forms: BTreeMap<NodeId, [Vec<i128>; 2]>,
}

impl Operands {
    /// The operands of a circuit's products; a product whose operands hold more than inputs has
    /// none. `None` where a coefficient overflows.
    pub fn new(circuit: &Circuit) -> Option<Self> {
        let reads = |i: usize| circuit.nodes[i].op.operands().map(NodeId::index);
        let readers = Readers::new(circuit.nodes.len(), reads);
        let none = Operands { readers, forms: BTreeMap::new() };
        let products = circuit.iter().filter_map(|(id, node)| match node.op {
            Op::Product { x, y, .. } => Some((id, [x, y])),
            _ => None,
        });
        let mut found: BTreeMap<NodeId, _> =
            products.map(|(id, operands)| (id, (operands, [vec![], vec![]]))).collect();
        if found.is_empty() {
            return Some(none);
        }
        let mut forms = Forms::new(circuit, Products::Variables, &none);
        let mut others = vec![(Variable::One, 1)];
        let variable = |(id, node): (NodeId, &Node)| {
            let other = !matches!(node.op, Op::Input(_))
                && (is_variable(circuit, &node.op) || node.op.row().is_some());
            other.then_some((Variable::Node(id), 1))
        };
        others.extend(circuit.iter().filter_map(variable));
        for block in others.chunks(BLOCK) {
            forms.follow(block)?;
            found.retain(|_, (operands, _)| operands.iter().all(|&x| forms.of(x).is_none()));
        }
        for block in circuit.inputs.chunks(BLOCK) {
            forms.follow(&block.iter().map(|&id| (Variable::Node(id), 1)).collect::<Vec<_>>())?;
            for (operands, vectors) in found.values_mut() {
                for (x, vector) in operands.iter().zip(vectors) {
                    let form = forms.of(*x).copied().unwrap_or([0; BLOCK]);
                    vector.extend(&form[..block.len()]);
                }
            }
        }
        let forms = found.into_iter().map(|(id, (_, vectors))| (id, vectors)).collect();
        Some(Operands { forms, ..none })
    }

    /// `[2][inputs]`: those of one product; `None` where its operands hold more than inputs.
    pub fn of(&self, product: NodeId) -> Option<&[Vec<i128>; 2]> {
        self.forms.get(&product)
    }

    /// Every product of two inputs that any of these products holds, in order.
    pub fn monomials(&self) -> BTreeSet<(NodeId, NodeId)> {
        let mut monomials = BTreeSet::new();
        for [p, q] in self.forms.values() {
            let live = |v: &[i128]| {
                v.iter()
                    .enumerate()
                    .filter(|(_, c)| **c != 0)
                    .map(|(j, _)| j as u32)
                    .collect::<Vec<_>>()
            };
            let (p, q) = (live(p), live(q));
            monomials.extend(
                p.iter()
                    .flat_map(|&j| q.iter().map(move |&k| (NodeId(j.min(k)), NodeId(j.max(k))))),
            );
        }
        monomials
    }
}

fn each(
    form: Option<Coefficients>,
    f: impl Fn(i128) -> Option<i128>,
) -> Option<Option<Coefficients>> {
    let Some(mut form) = form else { return Some(None) };
    for v in &mut form {
        *v = f(*v)?;
    }
    Some(Some(form))
}

/// `(-1)^negate · v · 2^shift` where that fits.
pub fn term(t: Term, v: i128) -> Option<i128> {
    let v = left(v, t.shift as i32)?;
    if t.negate { v.checked_neg() } else { Some(v) }
}

/// `v · 2^shift` where that is a whole number that fits.
pub fn left(v: i128, shift: i32) -> Option<i128> {
    match shift {
        _ if v == 0 => Some(0),
        0..127 => ((v << shift) >> shift == v).then_some(v << shift),
        -126..0 => ((v >> -shift) << -shift == v).then_some(v >> -shift),
        _ => None,
    }
}

/// `a · b` where that fits; fast where both fit 64 bits.
pub fn times(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}
