//! Adders weighed by their width: what a sum of terms costs in bits, from exact intervals.

use super::share::Operands;
use super::sums::Summand;
use crate::interval::Interval;

/// The intervals of all signals and the cost of all rows of a network.
#[derive(Clone)]
pub struct Widths {
    /// The interval of each signal: the inputs first, then the nodes. A node keeps its interval as
    /// long as it lives.
    intervals: Vec<Interval>,
    cost: u64,
    /// The cost of each row, as of the last count.
    rows: Vec<u32>,
    /// Rows that have changed since the last count.
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// Rows whose cost has changed since the last commit, and what it was.
    before: Vec<(u32, u32)>,
    terms: Vec<Interval>,
    operands: Operands,
}

impl Widths {
    /// The widths of a network without rows whose inputs lie within these intervals.
    pub fn new(inputs: &[Interval], operands: Operands) -> Self {
        Widths {
            intervals: inputs.to_vec(),
            cost: 0,
            rows: Vec::new(),
            touched: Vec::new(),
            is_touched: Vec::new(),
            before: Vec::new(),
            terms: Vec::new(),
            operands,
        }
    }

    /// Takes the rows of a network: the wanted sums, then the nodes in topological order.
    pub(super) fn start(&mut self, inputs: usize, outputs: usize, rows: &[Vec<Summand>]) {
        self.intervals.truncate(inputs);
        for terms in &rows[outputs..] {
            let sum = terms.iter().map(|&t| self.term(t)).reduce(|a, b| a + b);
            self.intervals.push(sum.unwrap_or(Interval::point(0)));
        }
        self.rows = vec![0; rows.len()];
        self.is_touched = vec![true; rows.len()];
        self.touched = (0..rows.len() as u32).collect();
        self.cost(rows);
        self.commit();
    }

    fn term(&self, term: Summand) -> Interval {
        self.intervals[term.signal() as usize].scale(term.negate(), term.shift())
    }

    /// A node is the sum of `terms`.
    pub(super) fn define(&mut self, node: u32, terms: &[Summand]) {
        let sum =
            terms.iter().map(|&t| self.term(t)).reduce(|a, b| a + b).unwrap_or(Interval::point(0));
        match self.intervals.get_mut(node as usize) {
            Some(interval) => *interval = sum,
            None => {
                self.intervals.push(sum);
                self.rows.push(0);
                self.is_touched.push(false);
            }
        }
    }

    #[inline]
    pub(super) fn touch(&mut self, row: u32) {
        if !std::mem::replace(&mut self.is_touched[row as usize], true) {
            self.touched.push(row);
        }
    }

    /// Counts anew what has changed; returns the cost of all rows.
    pub(super) fn cost(&mut self, rows: &[Vec<Summand>]) -> u64 {
        while let Some(row) = self.touched.pop() {
            self.is_touched[row as usize] = false;
            self.terms.clear();
            for &term in &rows[row as usize] {
                let interval = self.term(term);
                self.terms.push(interval);
            }
            let cost = bits(&mut self.terms, self.operands);
            let before = std::mem::replace(&mut self.rows[row as usize], cost);
            if before != cost {
                self.before.push((row, before));
                self.cost = self.cost + u64::from(cost) - u64::from(before);
            }
        }
        self.cost
    }

    pub(super) fn commit(&mut self) {
        self.before.clear();
    }

    pub(super) fn rollback(&mut self) {
        for row in self.touched.drain(..) {
            self.is_touched[row as usize] = false;
        }
        while let Some((row, before)) = self.before.pop() {
            let cost = std::mem::replace(&mut self.rows[row as usize], before);
            self.cost = self.cost + u64::from(before) - u64::from(cost);
        }
    }
}

/// Bits of the additions of a sum, the narrowest terms first. Shifted terms are counted as wide as
/// they are.
fn bits(terms: &mut [Interval], operands: Operands) -> u32 {
    let mut bits = 0;
    let mut rest = terms;
    // Of an even number of terms, three at a time, the first adder takes two.
    let mut taken = if operands == Operands::Three && rest.len() % 2 == 1 { 3 } else { 2 };
    while rest.len() > 1 {
        // The narrowest to the front.
        for k in 0..taken {
            let least = (k..rest.len()).min_by_key(|&i| rest[i].hi - rest[i].lo).unwrap_or(k);
            rest.swap(k, least);
        }
        let sum = rest[..taken].iter().copied().reduce(|a, b| a + b).unwrap_or(rest[0]);
        bits += sum.bits();
        rest[taken - 1] = sum;
        rest = &mut rest[taken - 1..];
        taken = if operands == Operands::Three { 3 } else { 2 };
    }
    bits
}
