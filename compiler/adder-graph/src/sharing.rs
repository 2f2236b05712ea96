//! Sharing of pairs in a network: the most frequent candidates first, at random among equals.

use super::network::{Candidate, Network};
use super::rng::Rng;
use super::share::Operands;
use super::sums::{Pair, Summand};

/// How often a pair is shared that saves as many adders of three operands as it takes.
const NEUTRAL: f64 = 0.2;

impl Network {
    /// Shares candidates until no noted pair occurs more than once.
    pub fn share(&mut self, rng: &mut Rng) {
        let mut level = self.candidates.len() - 1;
        while level >= 2 {
            let waiting = &mut self.candidates[level];
            if waiting.is_empty() {
                level -= 1;
                continue;
            }
            let at = rng.below(waiting.len());
            let candidate = waiting.swap_remove(at);
            self.find(candidate);
            let count = self.places.len();
            if count >= level {
                if !self.pays(rng) {
                    continue;
                }
                self.apply(candidate.pair);
                self.settle();
                level = self.candidates.len() - 1;
            } else if count >= 2 {
                self.candidates[count].push(candidate);
            }
        }
    }

    /// Whether the pair is to be shared in the places found. An adder of three operands takes two
    /// terms off a sum, so that a term less saves one only in a sum of an even number of terms: one
    /// such place pays for the pair's own adder, and more of them earn.
    fn pays(&self, rng: &mut Rng) -> bool {
        let even = |&&(row, ..): &&(u32, Summand, Summand)| self.row(row).len().is_multiple_of(2);
        match self.operands {
            Operands::Two => true,
            Operands::Three => match self.places.iter().filter(even).count() {
                0 => false,
                1 => rng.unit() < NEUTRAL,
                _ => true,
            },
        }
    }

    /// Finds the places at which the pair can be shared.
    fn find(&mut self, Candidate { pair, row }: Candidate) {
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        self.occurrences(pair, row, &mut places);
        if places.len() >= 2 {
            let level = self.level_of_pair(pair);
            places.retain(|&(row, a, b)| self.fits(row, a, b, level));
        }
        self.places = places;
    }

    /// Finds where the pair occurs; `row` is one of its rows if any is.
    fn occurrences(&self, pair: Pair, row: u32, places: &mut Vec<(u32, Summand, Summand)>) {
        let (count, rows) = self.index.get(pair);
        if count < 2 {
            return;
        }
        let other = rows ^ row;
        if count == 2 && other != row && (other as usize) < self.rows() {
            // No other pair is counted here if both rows have this one.
            if find_in_row(self.row(row), row, pair, places) == 1
                && find_in_row(self.row(other), other, pair, places) == 1
            {
                return;
            }
            places.clear();
        }
        let (a, b) = (self.users(pair.newer()), self.users(pair.older()));
        let users = if a.len() <= b.len() { a } else { b };
        for (k, &row) in users.iter().enumerate() {
            let n = find_in_row(self.row(row), row, pair, places);
            // A row that holds a signal more than once is listed more than once.
            if n > 0 && users[..k].contains(&row) {
                places.truncate(places.len() - n);
            }
        }
    }

    /// Makes the pair a node, if none is that sum yet, and puts it in its places.
    fn apply(&mut self, pair: Pair) {
        let places = std::mem::take(&mut self.places);
        let (base_a, base_b) = ((-pair.distance()).max(0) as u32, pair.distance().max(0) as u32);
        let existing = places.iter().find(|&&(row, a, b)| {
            self.node_at(row).is_some()
                && self.row(row).len() == 2
                && a.shift() == base_a
                && b.shift() == base_b
                && !a.negate()
        });
        let existing = existing.map(|&(row, ..)| row);
        let node = match existing.and_then(|row| self.node_at(row)) {
            Some(node) => node,
            None => self.create(&[
                Summand::new(pair.newer(), base_a, false),
                Summand::new(pair.older(), base_b, pair.negate()),
            ]),
        };
        let level = self.level_of_pair(pair);
        for &(row, a, b) in &places {
            // One replacement may have taken another's room.
            if Some(row) != existing && self.fits(row, a, b, level) {
                self.remove(row, a);
                self.remove(row, b);
                self.add(row, Summand::new(node, a.shift() - base_a, a.negate()));
            }
        }
        self.places = places;
    }
}

/// Notes where the pair occurs in a row, none of the occurrences overlapping; returns how many.
#[inline]
fn find_in_row(
    terms: &[Summand],
    row: u32,
    pair: Pair,
    places: &mut Vec<(u32, Summand, Summand)>,
) -> usize {
    let first = places.len();
    for &a in terms {
        if a.signal() != pair.newer() {
            continue;
        }
        let shift = a.shift() as i32 + pair.distance();
        if !(0..64).contains(&shift) {
            continue;
        }
        let b = Summand::new(pair.older(), shift as u32, a.negate() ^ pair.negate());
        let overlaps =
            || places[first..].iter().any(|&(_, c, d)| c == a || c == b || d == a || d == b);
        if terms.contains(&b) && !(pair.newer() == pair.older() && overlaps()) {
            places.push((row, a, b));
        }
    }
    places.len() - first
}
