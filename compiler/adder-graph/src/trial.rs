//! A step of the search, tried on a copy of one row before anything is changed.
//!
//! Most steps lead back to where they began or to something worse, and need no change at all then.

use super::network::Network;
use super::rng::Rng;
use super::sums::{Pair, Summand};

/// A pair of terms of the row that other rows hold too.
#[derive(Clone, Copy)]
struct Candidate {
    /// Rows that hold it, or more.
    count: u32,
    /// The row that holds it, if there is one.
    row: u32,
    x: Summand,
    y: Summand,
}

/// A common sum of the row and another one, to become a node.
struct Extract {
    row: u32,
    /// The terms of the sum as they stand in the other row.
    terms: Vec<Summand>,
}

/// What a trial came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The row is the same as before.
    Same,
    /// The row is another one, with so many terms more; [`Trial::carry_out`] makes the change.
    Other(i64),
}

/// One row under trial, and scratch.
#[derive(Default)]
pub struct Trial {
    row: u32,
    terms: Vec<Summand>,
    /// Σ 2^level of the terms under a depth limit.
    kraft: u64,
    candidates: Vec<Candidate>,
    /// Pairs and candidates that were looked at so far, in all trials.
    pub looks: u64,
    extracts: Vec<Extract>,
    common: Vec<Summand>,
}

/// Stands for the node of extract `i`.
fn stand_in(i: usize) -> u32 {
    (Summand::MAX_SIGNALS - 1 - i) as u32
}

/// Most new nodes of one step.
const EXTRACTS: usize = 8;

impl Trial {
    /// Opens a random use of a random node and up to `more` terms of the same row, then puts the
    /// row together again from what it has in common with other rows, at random among equals.
    /// `None` where there are no nodes.
    pub fn run(&mut self, network: &Network, more: usize, rng: &mut Rng) -> Option<Outcome> {
        let (node, row) = network.random_use(rng)?;
        self.row = row;
        self.extracts.clear();
        self.candidates.clear();
        self.terms.clear();
        self.terms.extend_from_slice(network.row(row));
        self.kraft = network.kraft(row);
        let at = self.terms.iter().position(|t| t.signal() == node)?;
        // Terms before this one were in the row already and have no pair in common with other rows.
        let mut old = self.open(network, at, self.terms.len());
        for _ in 0..more {
            let at = rng.below(self.terms.len());
            if network.is_node(self.terms[at].signal()) {
                old = self.open(network, at, old);
            }
        }
        for k in old..self.terms.len() {
            self.note(network, k, k);
        }
        while let Some(candidate) = self.pick(rng) {
            self.share(network, candidate);
        }
        let before = network.row(row);
        if self.terms.len() == before.len() && self.terms.iter().all(|t| before.contains(t)) {
            return Some(Outcome::Same);
        }
        let adders = |terms: usize| network.operands.adders(terms) as i64;
        let ours = adders(self.terms.len()) - adders(before.len());
        let theirs = self.extracts.iter().map(|extract| {
            let (all, common) = (network.row(extract.row).len(), extract.terms.len());
            adders(all - common + 1) + adders(common) - adders(all)
        });
        Some(Outcome::Other(ours + theirs.sum::<i64>()))
    }

    /// Opens the term at `at`; the first `old` terms are old, and so many still are.
    fn open(&mut self, network: &Network, at: usize, mut old: usize) -> usize {
        let term = self.terms[at];
        if at < old {
            // Keeps the old ones in front.
            old -= 1;
            self.terms.swap(at, old);
            self.terms.swap_remove(old);
        } else {
            self.terms.swap_remove(at);
        }
        self.kraft -= network.weight(term.signal());
        for &t in network.terms_of(term.signal()) {
            let t = Summand::new(t.signal(), t.shift() + term.shift(), t.negate() ^ term.negate());
            old = self.add(network, t, old);
        }
        old
    }

    /// Adds a term; equal ones become one of twice the weight, opposite ones vanish.
    fn add(&mut self, network: &Network, term: Summand, mut old: usize) -> usize {
        self.kraft += network.weight(term.signal());
        let same = |t: &Summand| t.signal() == term.signal() && t.shift() == term.shift();
        let Some(at) = self.terms.iter().position(same) else {
            self.terms.push(term);
            return old;
        };
        let same = self.terms[at];
        self.kraft -= 2 * network.weight(term.signal());
        if at < old {
            old -= 1;
            self.terms.swap(at, old);
            self.terms.swap_remove(old);
        } else {
            self.terms.swap_remove(at);
        }
        if same == term {
            old = self.add(
                network,
                Summand::new(term.signal(), term.shift() + 1, term.negate()),
                old,
            );
        }
        old
    }

    /// Notes which of the first `others` terms the term at `at` shares other rows with.
    fn note(&mut self, network: &Network, at: usize, others: usize) {
        let x = self.terms[at];
        let before = network.row(self.row);
        let was = before.contains(&x);
        self.looks += others as u64;
        for &y in &self.terms[..others] {
            let (mut count, mut row) = network.index.get(Pair::of(x, y));
            if count == 0 {
                continue;
            }
            if was && before.contains(&y) {
                // Counted for this row itself.
                count -= 1;
                row ^= self.row;
            }
            if count > 0 {
                self.candidates.push(Candidate { count, row, x, y });
            }
        }
    }

    /// Takes one of the most frequent candidates, at random.
    fn pick(&mut self, rng: &mut Rng) -> Option<Candidate> {
        self.looks += self.candidates.len() as u64;
        let most = self.candidates.iter().map(|c| c.count).max()?;
        let equals = self.candidates.iter().filter(|c| c.count == most).count();
        let nth = if equals == 1 { 0 } else { rng.below(equals) };
        let mut at =
            self.candidates.iter().enumerate().filter(|(_, c)| c.count == most).map(|(i, _)| i);
        let at = at.nth(nth)?;
        Some(self.candidates.swap_remove(at))
    }

    /// Replaces what the row and the candidate's row have in common by one term.
    fn share(&mut self, network: &Network, Candidate { row, x, y, .. }: Candidate) {
        if row == self.row
            || row as usize >= network.rows()
            || !self.terms.contains(&x)
            || !self.terms.contains(&y)
        {
            return;
        }
        let theirs = network.row(row);
        // Ours are theirs times ±2^distance.
        let relation = theirs.iter().filter(|t| t.signal() == x.signal()).find_map(|t| {
            let (distance, negate) = (x.shift() as i32 - t.shift() as i32, x.negate() ^ t.negate());
            let y = back(y, distance, negate)?;
            theirs.contains(&y).then_some((distance, negate))
        });
        let Some((distance, negate)) = relation else { return };
        self.common.clear();
        self.common.extend(
            self.terms
                .iter()
                .filter_map(|&t| back(t, distance, negate))
                .filter(|t| theirs.contains(t)),
        );
        let (term, weight) = if let Some(node) =
            network.node_at(row).filter(|_| self.common.len() == theirs.len())
        {
            if distance < 0 {
                return;
            }
            (Summand::new(node, distance as u32, negate), network.weight(node))
        } else {
            if self.extracts.len() == EXTRACTS || self.extracts.iter().any(|e| e.row == row) {
                return;
            }
            let sum: u64 = self.common.iter().map(|t| network.weight(t.signal())).sum();
            // Without a limit there are no weights.
            let operands = network.operands;
            let weight = if sum == 0 { 0 } else { operands.reach(operands.depth(sum)) };
            if !network.has_room(row, weight - sum) {
                return;
            }
            let base = self.common.iter().map(|t| t.shift()).min().unwrap_or(0);
            let term = Summand::new(
                stand_in(self.extracts.len()),
                (base as i32 + distance) as u32,
                negate,
            );
            (term, weight)
        };
        let sum: u64 = self.common.iter().map(|t| network.weight(t.signal())).sum();
        if self.kraft - sum + weight > network.bound(self.row) {
            return;
        }
        self.kraft = self.kraft - sum + weight;
        let common = &self.common;
        self.terms.retain(|&t| back(t, distance, negate).is_none_or(|t| !common.contains(&t)));
        if term.signal() == stand_in(self.extracts.len()) {
            self.extracts.push(Extract { row, terms: self.common.clone() });
            self.terms.push(term);
        } else {
            // Its weight is in already.
            self.kraft -= weight;
            let terms = self.terms.len();
            self.add(network, term, 0);
            if self.terms.len() > terms {
                self.note(network, terms, terms);
            }
        }
    }

    /// Makes the change.
    pub fn carry_out(&mut self, network: &mut Network) {
        let row = self.row;
        let gone: Vec<Summand> =
            network.row(row).iter().filter(|t| !self.terms.contains(t)).copied().collect();
        for &term in &gone {
            network.remove(row, term);
        }
        let mut nodes = Vec::with_capacity(self.extracts.len());
        for extract in &self.extracts {
            for &term in &extract.terms {
                network.remove(extract.row, term);
            }
            let base = extract.terms.iter().map(|t| t.shift()).min().unwrap_or(0);
            let terms: Vec<_> = extract
                .terms
                .iter()
                .map(|t| Summand::new(t.signal(), t.shift() - base, t.negate()))
                .collect();
            let node = network.create(&terms);
            network.add(extract.row, Summand::new(node, base, false));
            nodes.push(node);
        }
        for &term in &self.terms {
            if network.row(row).contains(&term) {
                continue;
            }
            let extract = (0..nodes.len()).find(|&i| term.signal() == stand_in(i));
            let signal = extract.map_or(term.signal(), |i| nodes[i]);
            network.add(row, Summand::new(signal, term.shift(), term.negate()));
        }
    }
}

/// The term without a factor `±2^distance`.
#[inline]
fn back(term: Summand, distance: i32, negate: bool) -> Option<Summand> {
    let shift = term.shift() as i32 - distance;
    (0..64)
        .contains(&shift)
        .then(|| Summand::new(term.signal(), shift as u32, term.negate() ^ negate))
}
