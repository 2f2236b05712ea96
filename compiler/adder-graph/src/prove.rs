//! The proof that an adder graph equals its matrix, through exact coefficient vectors. Shares
//! nothing with the optimiser.
//!
//! A node of a linear circuit *is* its vector of coefficients, one per input. The proof computes
//! all of them, a block of columns at a time and each no longer than it is read, and compares those
//! of the outputs with the rows of the matrix.

use super::{AdderGraph, Matrix, Node, Term};
use std::fmt;

/// Columns proved at a time: a vector fills eight cache lines.
const BLOCK: usize = 64;

/// Coefficients must stay below 2^62 in magnitude; no graph of an i32 matrix has reason to come
/// near.
const MAGNITUDE_BITS: u32 = 62;

/// Why a graph is not that of its matrix, or a text none of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The node, the row, the list or the line that is wrong.
    pub place: String,
    /// What is wrong with it.
    pub cause: String,
}

impl Refusal {
    pub(crate) fn new(place: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Refusal { place: place.to_string(), cause: cause.to_string() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "adder graph: {}: {}", self.place, self.cause)
    }
}

impl std::error::Error for Refusal {}

/// Proves that `graph` computes `matrix · x` for every integer x.
///
/// # Errors
/// The node or the row that is wrong.
pub fn prove(graph: &AdderGraph, matrix: &Matrix) -> Result<(), Refusal> {
    let (n_out, n_in) = matrix.dim();
    structure(graph, n_out, n_in)?;
    let last_use = last_uses(graph);
    for first in (0..n_in).step_by(BLOCK) {
        block(graph, matrix, first, &last_use)?;
    }
    Ok(())
}

/// Checks the counts, the inputs and the topological order.
fn structure(graph: &AdderGraph, n_out: usize, n_in: usize) -> Result<(), Refusal> {
    let wrong = |place: String, cause: String| Err(Refusal { place, cause });
    if graph.inputs != n_in || graph.nodes.len() < n_in {
        return wrong(
            "inputs".into(),
            format!("{} of them for a matrix of {n_in} columns", graph.inputs),
        );
    }
    if graph.outputs.len() != n_out {
        return wrong(
            "outputs".into(),
            format!("{} of them for a matrix of {n_out} rows", graph.outputs.len()),
        );
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        match *node {
            Node::Input(column) if i < n_in && column as usize == i => {}
            Node::Add(_) if i >= n_in => {
                for term in node.terms() {
                    if term.node.index() >= i {
                        return wrong(
                            format!("node {i}"),
                            format!("reads node {}, which is not before it", term.node.0),
                        );
                    }
                    if term.shift >= MAGNITUDE_BITS {
                        return wrong(
                            format!("node {i}"),
                            format!("shifts by {} bits", term.shift),
                        );
                    }
                }
            }
            Node::Input(column) => {
                return wrong(format!("node {i}"), format!("is input {column}, out of its place"));
            }
            Node::Add(_) => {
                return wrong(
                    format!("node {i}"),
                    format!("is an addition in the place of input {i}"),
                );
            }
        }
    }
    for (row, term) in graph.outputs.iter().enumerate() {
        if let Some(term) = term {
            if term.node.index() >= graph.nodes.len() {
                return wrong(
                    format!("row {row}"),
                    format!("reads node {}, which does not exist", term.node.0),
                );
            }
            if term.shift >= MAGNITUDE_BITS {
                return wrong(format!("row {row}"), format!("shifts by {} bits", term.shift));
            }
        }
    }
    Ok(())
}

/// The last node that reads each node; `usize::MAX` where an output does, 0 where nothing does.
fn last_uses(graph: &AdderGraph) -> Vec<usize> {
    let mut last = vec![0; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        for term in node.terms() {
            last[term.node.index()] = i;
        }
    }
    for term in graph.outputs.iter().flatten() {
        last[term.node.index()] = usize::MAX;
    }
    last
}

/// The coefficients of one node in a block of columns.
#[derive(Clone)]
struct Vector {
    values: [i64; BLOCK],
    /// Bits that hold the magnitude of every value.
    bits: u32,
}

/// Proves the columns from `first` on, at most [`BLOCK`] of them.
fn block(
    graph: &AdderGraph,
    matrix: &Matrix,
    first: usize,
    last_use: &[usize],
) -> Result<(), Refusal> {
    let width = BLOCK.min(graph.inputs - first);
    // The slot of each node, `NONE` where its vector is zero or no longer read; slots are reused.
    const NONE: u32 = u32::MAX;
    let mut slot_of = vec![NONE; graph.nodes.len()];
    let mut slots: Vec<Vector> = Vec::new();
    let mut free: Vec<u32> = Vec::new();
    let zero = Vector { values: [0; BLOCK], bits: 0 };
    for (i, node) in graph.nodes.iter().enumerate() {
        let vector = match *node {
            Node::Input(_) => {
                if !(first..first + width).contains(&i) {
                    continue;
                }
                let mut vector = zero.clone();
                vector.values[i - first] = 1;
                vector.bits = 1;
                vector
            }
            Node::Add(_) => {
                let read = |t: &Term| match slot_of[t.node.index()] {
                    NONE => &zero,
                    slot => &slots[slot as usize],
                };
                if node.terms().iter().all(|t| slot_of[t.node.index()] == NONE) {
                    continue;
                }
                let sum =
                    node.terms().iter().try_fold(zero.clone(), |sum, t| add(&sum, *t, read(t)));
                let sum = sum.ok_or_else(|| {
                    Refusal::new(
                        format_args!("node {i}"),
                        format_args!("a coefficient exceeds {MAGNITUDE_BITS} bits"),
                    )
                })?;
                for term in node.terms() {
                    let slot = &mut slot_of[term.node.index()];
                    if *slot != NONE && last_use[term.node.index()] == i {
                        free.push(*slot);
                        *slot = NONE;
                    }
                }
                sum
            }
        };
        if last_use[i] == 0 || vector.bits == 0 {
            continue;
        }
        slot_of[i] = match free.pop() {
            Some(slot) => {
                slots[slot as usize] = vector;
                slot
            }
            None => {
                slots.push(vector);
                (slots.len() - 1) as u32
            }
        };
    }
    for (row, term) in graph.outputs.iter().enumerate() {
        let slot = term.map_or(NONE, |t| slot_of[t.node.index()]);
        let vector = if slot == NONE { &zero } else { &slots[slot as usize] };
        let (shift, negate) = term.map_or((0, false), |t| (t.shift, t.negate));
        for (k, &value) in vector.values[..width].iter().enumerate() {
            let value = i128::from(value) << shift;
            let (value, wanted) = (if negate { -value } else { value }, matrix[[row, first + k]]);
            if value != i128::from(wanted) {
                return Err(Refusal::new(
                    format_args!("row {row}"),
                    format_args!(
                        "the coefficient of input {} is {value} where the matrix has {wanted}",
                        first + k
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// A sum and one more term; `None` where a coefficient might exceed [`MAGNITUDE_BITS`].
fn add(sum: &Vector, t: Term, x: &Vector) -> Option<Vector> {
    // Exact: the sum of two magnitudes below 2^n is below 2^(n+1).
    if sum.bits.max(x.bits + t.shift) >= MAGNITUDE_BITS {
        return None;
    }
    let factor = if t.negate { -(1i64 << t.shift) } else { 1i64 << t.shift };
    let mut values = sum.values;
    let mut magnitudes = 0u64;
    for (value, x) in values.iter_mut().zip(&x.values) {
        *value += factor * x;
        magnitudes |= value.unsigned_abs();
    }
    Some(Vector { values, bits: 64 - magnitudes.leading_zeros() })
}

#[cfg(test)]
mod tests {
    use super::super::{NodeId, Operands, Options, Terms, share};
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// Matrices of up to three column blocks with at least one addition.
    fn matrices() -> impl Strategy<Value = Matrix> {
        (1usize..12, 2usize..150).prop_flat_map(|(n_out, n_in)| {
            let entries = prop_oneof![3 => -1..=1, 1 => -20..=20];
            proptest::collection::vec(entries, n_out * n_in).prop_map(move |mut values| {
                values[..2].copy_from_slice(&[1, -1]);
                Matrix::from_shape_vec((n_out, n_in), values).unwrap()
            })
        })
    }

    fn refused(graph: &AdderGraph, matrix: &Matrix) -> Result<(), TestCaseError> {
        prop_assert!(prove(graph, matrix).is_err(), "a mutated graph was accepted");
        Ok(())
    }

    proptest! {
        #[test]
        fn a_mutated_graph_is_refused(
            matrix in matrices(),
            pick in any::<prop::sample::Index>(),
            three in any::<bool>(),
            which in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
        ) {
            let operands = if three { Operands::Three } else { Operands::Two };
            let graph = share(&matrix, &Options { operands, ..Options::default() }).graph;
            prove(&graph, &matrix).unwrap();
            let at = graph.inputs + pick.index(graph.adders());
            let mutate = |change: &dyn Fn(&mut Term)| {
                let mut mutant = graph.clone();
                if let Node::Add(terms) = &mut mutant.nodes[at] {
                    let which = which.index(terms.len());
                    change(&mut terms[which]);
                }
                mutant
            };
            refused(&mutate(&|term| term.negate ^= true), &matrix)?;
            refused(&mutate(&|term| term.shift += 1), &matrix)?;
            let node = NodeId(other.index(graph.nodes.len()) as u32);
            let mutant = mutate(&|term| term.node = node);
            if mutant != graph {
                refused(&mutant, &matrix)?;
            }
            let live: Vec<usize> =
                (0..graph.outputs.len()).filter(|&c| graph.outputs[c].is_some()).collect();
            let row = live[pick.index(live.len())];
            let mut mutant = graph.clone();
            mutant.outputs[row].as_mut().unwrap().negate ^= true;
            refused(&mutant, &matrix)?;
            mutant.outputs[row] = None;
            refused(&mutant, &matrix)?;
        }
    }

    #[test]
    fn errors_name_the_place() {
        let matrix = array![[1, 1, 0], [1, 1, -1]];
        let graph = share(&matrix, &Options::default()).graph;
        let cause = |change: &dyn Fn(&mut AdderGraph)| {
            let mut mutant = graph.clone();
            change(&mut mutant);
            prove(&mutant, &matrix).unwrap_err().to_string()
        };
        let add = |a, b| {
            let term = |node| Term { node: NodeId(node), shift: 0, negate: false };
            Node::Add(Terms::Two([term(a), term(b)]))
        };
        assert_eq!(
            cause(&|g| g.outputs[1] = g.outputs[0]),
            "adder graph: row 1: the coefficient of input 2 is 0 where the matrix \
             has -1"
        );
        assert_eq!(
            cause(&|g| g.nodes[3] = add(0, 4)),
            "adder graph: node 3: reads node 4, which is not before it"
        );
        assert_eq!(
            cause(&|g| g.nodes[1] = Node::Input(0)),
            "adder graph: node 1: is input 0, out of its place"
        );
        assert_eq!(
            cause(&|g| g.nodes[3] = Node::Input(3)),
            "adder graph: node 3: is input 3, out of its place"
        );
        assert_eq!(
            cause(&|g| g.outputs.truncate(1)),
            "adder graph: outputs: 1 of them for a matrix of 2 rows"
        );
        assert_eq!(
            cause(&|g| g.inputs = 2),
            "adder graph: inputs: 2 of them for a matrix of 3 columns"
        );
    }

    #[test]
    fn a_coefficient_that_overflows_is_refused() {
        let matrix = array![[1]];
        let double = |node| {
            let term = Term { node: NodeId(node), shift: 30, negate: false };
            Node::Add(Terms::Two([term, term]))
        };
        let last = Term { node: NodeId(3), shift: 0, negate: false };
        let nodes = vec![Node::Input(0), double(0), double(1), double(2)];
        let graph = AdderGraph { nodes, inputs: 1, outputs: vec![Some(last)] };
        assert!(
            prove(&graph, &matrix)
                .unwrap_err()
                .to_string()
                .contains("node 2: a coefficient exceeds 62 bits")
        );
    }
}
