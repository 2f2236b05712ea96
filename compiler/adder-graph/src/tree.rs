//! A start for dense matrices: most rows from another one.
//!
//! Two rows of ±1 are equal in half of their columns and opposite in the others, so that one is the
//! other, negated or not, and half as many terms. The rows form a tree of least terms, in Prim's
//! order; what each adds to the row before it is then shared as the rows of a matrix are.

use super::signed_digits;
use super::sums::{Summand, Sums, each_digit};

/// Entries that are looked at, at the most.
const WORK: usize = 1 << 28;

/// What each sum adds to another one: sums over the inputs and, behind them, the sums themselves.
/// `None` where that is hardly less, or there is too much to look at.
pub fn differences(sums: &Sums) -> Option<Sums> {
    let (n_in, n_out) = (sums.inputs, sums.outputs.len());
    if n_out.checked_mul(n_out)?.checked_mul(n_in)? > WORK {
        return None;
    }
    let mut rows = vec![vec![0i64; n_in]; n_out];
    for (row, terms) in rows.iter_mut().zip(&sums.outputs) {
        for t in terms {
            let v = 1i64 << t.shift();
            row[t.signal() as usize] += if t.negate() { -v } else { v };
        }
    }
    let terms = |row: &[i64]| -> Option<usize> {
        row.iter().map(|&v| i32::try_from(v).ok().map(signed_digits)).sum()
    };
    let less = |row: &[i64], other: &[i64], negate: bool| -> Vec<i64> {
        row.iter().zip(other).map(|(a, b)| if negate { a + b } else { a - b }).collect()
    };
    // Of each row that is not in the tree: its fewest terms, and the row that is one of them.
    let mut best: Vec<(usize, Option<(usize, bool)>)> =
        rows.iter().map(|row| Some((terms(row)?, None))).collect::<Option<_>>()?;
    let whole: usize = best.iter().map(|(terms, _)| terms).sum();
    let mut outside: Vec<usize> = (0..n_out).collect();
    let mut all = 0;
    let mut outputs = vec![vec![]; n_out];
    while let Some(at) = (0..outside.len()).min_by_key(|&at| best[outside[at]].0) {
        let i = outside.swap_remove(at);
        let (count, parent) = best[i];
        all += count;
        let rest = parent.map(|(p, negate)| less(&rows[i], &rows[p], negate));
        for (column, &v) in rest.as_ref().unwrap_or(&rows[i]).iter().enumerate() {
            each_digit(v, |shift, negate| {
                outputs[i].push(Summand::new(column as u32, shift, negate));
            });
        }
        if let Some((p, negate)) = parent {
            outputs[i].push(Summand::new((n_in + p) as u32, 0, negate));
        }
        // A longer way through the tree is depth, and shares hardly more.
        for &j in outside.iter().filter(|_| parent.is_none()) {
            for negate in [false, true] {
                let count = terms(&less(&rows[j], &rows[i], negate))? + 1;
                if count < best[j].0 {
                    best[j] = (count, Some((i, negate)));
                }
            }
        }
    }
    (10 * all < 9 * whole).then_some(Sums { inputs: n_in + n_out, nodes: vec![], outputs })
}

/// Puts the sums themselves in the place of the inputs that stand for them.
pub fn joined(shared: &Sums) -> Sums {
    let n_out = shared.outputs.len();
    let n_in = shared.inputs - n_out;
    let sum = |signal: usize| match signal.checked_sub(n_in + n_out) {
        Some(node) => &shared.nodes[node],
        None => &shared.outputs[signal - n_in],
    };
    let mut number: Vec<Option<u32>> = (0..n_in as u32).map(Some).collect();
    number.resize(shared.inputs + shared.nodes.len(), None);
    let renumbered = |terms: &[Summand], number: &[Option<u32>]| -> Vec<Summand> {
        let signal = |t: &Summand| number[t.signal() as usize].unwrap_or_default();
        terms.iter().map(|t| Summand::new(signal(t), t.shift(), t.negate())).collect()
    };
    let mut nodes = vec![];
    for terms in &shared.outputs {
        let mut stack: Vec<usize> = terms.iter().map(|t| t.signal() as usize).collect();
        while let Some(&signal) = stack.last() {
            let open = |t: &&Summand| number[t.signal() as usize].is_none();
            if number[signal].is_some() {
                stack.pop();
            } else if let Some(t) = sum(signal).iter().find(open) {
                stack.push(t.signal() as usize);
            } else {
                nodes.push(renumbered(sum(signal), &number));
                number[signal] = Some((n_in + nodes.len() - 1) as u32);
            }
        }
    }
    let output = |(row, terms): (usize, &Vec<Summand>)| match number[n_in + row] {
        Some(node) => vec![Summand::new(node, 0, false)],
        None => renumbered(terms, &number),
    };
    let outputs = shared.outputs.iter().enumerate().map(output).collect();
    Sums { inputs: n_in, nodes, outputs }
}
