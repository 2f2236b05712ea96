//! Signs of sums, so that no output is a negated one.
//!
//! Where a constant is a term of an output's sum, as in most layers, its sign is free.
//!
//! Elsewhere a sum may be computed as its negative, as `b - a` for `a - b`, if its readers change
//! their signs; so may a product that is a shift to the left, and one of data by data, where one of
//! its operands is; a coefficient takes the sign of its operand. No addition may have negated terms
//! alone, and an output that is negated at its end costs one more. Which sums to negate is a
//! satisfiability problem, solved as such: B. Selman, H. Kautz, B. Cohen, "Noise strategies for
//! improving local search" (1994).

use super::{Circuit, NodeId, Op, Term};
use crate::interval::Interval;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Most changes that are tried.
const TRIES: usize = 5_000;
/// Most nodes that are looked at for that, all changes together.
const LOOKS: usize = 100_000_000;

/// Computes the sum of each negated output, or product of shifts and additions, with the other
/// sign, where one of its terms is a constant that nothing else reads.
pub(super) fn of_constants(circuit: &mut Circuit) {
    let mut reads = vec![0; circuit.nodes.len()];
    for operand in circuit.nodes.iter().flat_map(|node| node.op.operands()) {
        reads[operand.index()] += 1;
    }
    // The sums whose sign is free, and constants.
    let mut free = vec![false; circuit.nodes.len()];
    for (id, node) in circuit.iter() {
        free[id.index()] = reads[id.index()] == 1
            && match node.op {
                Op::Constant(_) => true,
                Op::Add(terms) => terms.iter().any(|t| free[t.node.index()]),
                _ => false,
            };
    }
    for i in 0..circuit.nodes.len() {
        if let Op::Offset { x, .. } | Op::Scale { x, .. } = &mut circuit.nodes[i].op
            && x.negate
            && free[x.node.index()]
        {
            x.negate = false;
            let sum = x.node;
            negate(circuit, sum, &free);
        }
    }
}

/// Negates a sum whose sign is free, and with it what keeps one of its terms from being negated.
fn negate(circuit: &mut Circuit, id: NodeId, free: &[bool]) {
    let node = &mut circuit.nodes[id.index()];
    node.interval = Interval::new(-node.interval.hi, -node.interval.lo);
    (node.width, node.signed) = (node.interval.bits(), node.interval.signed());
    let mut other = None;
    match &mut node.op {
        Op::Constant(v) => *v = -*v,
        Op::Add(terms) => {
            terms.iter_mut().for_each(|t| t.negate = !t.negate);
            if terms.iter().all(|t| t.negate)
                && let Some(t) = terms.iter_mut().find(|t| free[t.node.index()])
            {
                t.negate = false;
                other = Some(t.node);
            }
            terms.sort_by_key(|t| t.negate);
        }
        _ => {}
    }
    if let Some(other) = other {
        negate(circuit, other, free);
    }
}

/// Chooses the signs; each stays as it is where no better choice is found.
pub(super) fn choose(circuit: &mut Circuit) {
    let mut signs = Signs { circuit, negated: vec![false; circuit.nodes.len()] };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut best = (signs.violated(), signs.negated.clone());
    for _ in 0..TRIES.min(LOOKS / signs.circuit.nodes.len().max(1)) {
        let violated = signs.violated();
        // An addition of negated terms alone cannot be built at all.
        let feasible =
            violated.iter().all(|id| matches!(signs.circuit.node(*id).op, Op::Offset { .. }));
        if feasible && violated.len() < best.0.len() {
            best = (violated.clone(), signs.negated.clone());
        }
        if violated.is_empty() {
            break;
        }
        let ways = signs.ways(violated[rng.random_range(0..violated.len())]);
        if ways.is_empty() {
            // Nothing helps this one; try another.
            continue;
        }
        let change = if rng.random_bool(0.2) {
            ways[rng.random_range(0..ways.len())]
        } else {
            let after = |&id: &NodeId| {
                let mut changed = Signs { circuit: signs.circuit, negated: signs.negated.clone() };
                changed.flip(id);
                changed.violated().len()
            };
            // There is at least one.
            ways.iter().copied().min_by_key(after).unwrap_or(ways[0])
        };
        signs.flip(change);
    }
    let negated = best.1;
    apply(circuit, &negated);
}

struct Signs<'a> {
    circuit: &'a Circuit,
    /// Whether each node is computed as its negative.
    negated: Vec<bool>,
}

impl Signs<'_> {
    fn flip(&mut self, id: NodeId) {
        self.negated[id.index()] ^= true;
        for (reader, node) in self.circuit.iter() {
            match node.op {
                Op::Product { x, y, .. } => {
                    self.negated[reader.index()] =
                        self.negated[x.index()] ^ self.negated[y.index()];
                }
                Op::Scale { x, shift: ..=0, .. } => {
                    self.negated[reader.index()] = self.negated[x.node.index()];
                }
                _ => {}
            }
        }
    }

    /// Additions of negated terms alone, and outputs and rounded products that are negated.
    fn violated(&self) -> Vec<NodeId> {
        let negated = |t: Term| t.negate ^ self.negated[t.node.index()];
        let wrong = |(id, node): (NodeId, &super::Node)| match node.op {
            Op::Add(terms) => {
                let own = self.negated[id.index()];
                terms.iter().all(|&t| negated(t) ^ own).then_some(id)
            }
            Op::Offset { x, constant: 0, .. } | Op::Scale { x, shift: 1.., .. } => {
                negated(x).then_some(id)
            }
            _ => None,
        };
        self.circuit.iter().filter_map(wrong).collect()
    }

    /// The sums whose change would put right what is wrong at `id`.
    fn ways(&self, id: NodeId) -> Vec<NodeId> {
        let op = &self.circuit.node(id).op;
        let is_sum = |x: &NodeId| matches!(self.circuit.node(*x).op, Op::Add(..));
        let mut ways = vec![];
        if let Op::Add(..) = op {
            ways.push(id);
        }
        for operand in op.operands() {
            match self.circuit.node(operand).op {
                Op::Add(..) => ways.push(operand),
                Op::Product { x, y, .. } => ways.extend([x, y].into_iter().filter(is_sum)),
                Op::Scale { x, shift: ..=0, .. } => ways.extend(Some(x.node).filter(is_sum)),
                _ => {}
            }
        }
        ways
    }
}

fn apply(circuit: &mut Circuit, negated: &[bool]) {
    for (i, node) in circuit.nodes.iter_mut().enumerate() {
        match &mut node.op {
            Op::Add(terms) => {
                for t in &mut **terms {
                    t.negate ^= negated[t.node.index()] ^ negated[i];
                }
                terms.sort_by_key(|t| t.negate);
            }
            Op::Offset { x, .. } => x.negate ^= negated[x.node.index()],
            Op::Scale { x, shift: 1.., .. } => x.negate ^= negated[x.node.index()],
            Op::Multiply { x, coefficient, .. } if negated[x.index()] => {
                *coefficient = -*coefficient;
            }
            _ => {}
        }
        if negated[i] {
            node.interval = Interval::new(-node.interval.hi, -node.interval.lo);
            (node.width, node.signed) = (node.interval.bits(), node.interval.signed());
        }
    }
}
