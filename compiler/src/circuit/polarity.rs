//! Which sums a signal holds as their complements, for devices whose carry chains add but do not
//! invert: there an inverter behind a sum is free, within the LUT that yields it, and one before it
//! is a LUT a bit.
//!
//! A sum of x and y needs no inverter where both are held alike and both are added, or where they
//! differ and one is subtracted: `~x + ~y = ~(x + y) - 1`, and a carry in is free, too. That is an
//! equation over each sum's two operands, `p_x ^ p_y = s_x ^ s_y`; most equations can be satisfied
//! together, since there are hardly more of them than operands.

use super::{Circuit, NodeId, Op, Term, Terms};

/// Chooses the sums that are held as their complements; their names end with `_n` then. Where not
/// all equations can hold, narrow operands have the inverters.
pub fn choose_polarity(circuit: &mut Circuit) {
    // What has to be held as it is differs in nothing from the ground.
    let ground = circuit.nodes.len();
    let mut parities = Parities((0..=ground).map(|x| (x, false)).collect());
    for (x, plain) in plain(circuit).into_iter().enumerate() {
        if plain {
            parities.join(x, ground, false);
        }
    }
    let mut sums: Vec<[Term; 2]> =
        circuit.nodes.iter().filter_map(|node| of_signals(circuit, &node.op)).collect();
    let bits = |terms: &[Term; 2]| terms.map(|t| circuit.node(t.node).width).into_iter().min();
    sums.sort_by_key(|terms| std::cmp::Reverse(bits(terms)));
    for [a, b] in sums {
        parities.join(a.node.index(), b.node.index(), a.negate ^ b.negate);
    }
    let (root, from_ground) = parities.find(ground);
    for (x, node) in circuit.nodes.iter_mut().enumerate() {
        let (own, differs) = parities.find(x);
        if differs ^ (own == root && from_ground) {
            node.inverted = true;
            node.name += "_n";
        }
    }
}

/// Whether a term is none of a constant, which is as good inverted.
fn is_signal(circuit: &Circuit, t: &Term) -> bool {
    !matches!(circuit.node(t.node).op, Op::Constant(_))
}

/// The terms of a sum of two signals.
fn of_signals(circuit: &Circuit, op: &Op) -> Option<[Term; 2]> {
    match op {
        Op::Add(Terms::Two(terms)) if terms.iter().all(|t| is_signal(circuit, t)) => Some(*terms),
        _ => None,
    }
}

/// Of each node whether it has to be held as it is: what is no sum, what leaves, and what anything
/// but a sum of two signals reads.
pub(super) fn plain(circuit: &Circuit) -> Vec<bool> {
    let mut plain: Vec<bool> =
        circuit.nodes.iter().map(|node| !matches!(node.op, Op::Add(_))).collect();
    circuit.outputs.iter().for_each(|output| plain[output.index()] = true);
    let others = circuit.nodes.iter().filter(|node| of_signals(circuit, &node.op).is_none());
    others.flat_map(|node| node.op.operands()).for_each(|x| plain[x.index()] = true);
    plain
}

/// The operands of an operation that need an inverter before a chain that does not invert.
pub fn inverters(circuit: &Circuit, op: &Op) -> Vec<NodeId> {
    let inverts = |t: &Term| t.negate ^ circuit.node(t.node).inverted;
    let terms = match op {
        _ if let Some([a, b]) = of_signals(circuit, op) => {
            return if inverts(&a) == inverts(&b) { vec![] } else { vec![b.node] };
        }
        Op::Add(terms) => terms.to_vec(),
        Op::Offset { x, .. } => vec![*x],
        _ => vec![],
    };
    terms.iter().filter(|t| inverts(t) && is_signal(circuit, t)).map(|t| t.node).collect()
}

/// A forest of nodes: of each its parent, and whether it differs from that.
struct Parities(Vec<(usize, bool)>);

impl Parities {
    /// The root of a node, and whether it differs from that.
    fn find(&mut self, x: usize) -> (usize, bool) {
        let (parent, differs) = self.0[x];
        if parent == x {
            return (x, false);
        }
        let (root, more) = self.find(parent);
        self.0[x] = (root, differs ^ more);
        self.0[x]
    }

    /// Says that two nodes differ, or do not, unless it is known already what they do.
    fn join(&mut self, x: usize, y: usize, differ: bool) {
        let ((x, from_x), (y, from_y)) = (self.find(x), self.find(y));
        if x != y {
            self.0[x] = (y, from_x ^ from_y ^ differ);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adder_graph::{Matrix, share};
    use crate::{kernel, text};
    use strassenc_runtime::Format;

    /// Inverters before additions, of the circuit of a random ternary matrix, and of those the ones
    /// behind inputs, which are what they are.
    fn inverters_of(circuit: &Circuit) -> (usize, usize) {
        let operands = circuit.nodes.iter().flat_map(|node| inverters(circuit, &node.op));
        let operands: std::collections::BTreeSet<_> = operands.collect();
        let inputs = operands.iter().filter(|x| matches!(circuit.node(**x).op, Op::Input(_)));
        (operands.len(), inputs.count())
    }

    #[test]
    fn few_sums_need_an_inverter() {
        // Entries of -1, 0 and 1, as a linear congruence scatters them.
        let mut state = 1u32;
        let matrix = Matrix::from_shape_simple_fn((24, 24), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i32 % 3 - 1
        });
        let graph = share(&matrix, &Default::default()).graph;
        let chain = kernel::chain("w", &matrix, Format { signed: true, bits: 8, frac: 0 });
        let mut circuit = crate::circuit::build(&chain, &[&graph], &Default::default()).unwrap();
        let (before, _) = inverters_of(&circuit);
        choose_polarity(&mut circuit);
        crate::circuit::verify(&circuit).unwrap();
        let (after, of_inputs) = inverters_of(&circuit);
        assert!(4 * (after - of_inputs) < before, "{after}, {of_inputs} of inputs; {before}");
        assert_eq!(text::one::<Circuit>(&circuit.to_string()).unwrap(), circuit);
    }
}
