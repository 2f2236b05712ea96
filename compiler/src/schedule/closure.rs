//! The closed set of greatest weight in a graph of implications (the closure problem; Picard 1976),
//! by minimum cut.

use std::collections::VecDeque;

/// Items with weights, and implications between them: a set that has `a` must have all that `a`
/// implies.
#[derive(Default)]
pub struct Closure {
    weights: Vec<i64>,
    implications: Vec<(u32, u32)>,
}

impl Closure {
    /// Adds an item; items are numbered from 0.
    pub fn item(&mut self, weight: i64) -> u32 {
        self.weights.push(weight);
        self.weights.len() as u32 - 1
    }

    /// Adds to an item's weight.
    pub fn add_weight(&mut self, item: u32, weight: i64) {
        self.weights[item as usize] += weight;
    }

    /// A set with `from` must have `to`.
    pub fn implies(&mut self, from: u32, to: u32) {
        self.implications.push((from, to));
    }

    /// The smallest of the closed sets with the greatest weight, and that weight; empty where
    /// nothing is worth it.
    pub fn solve(self) -> (Vec<bool>, i64) {
        let mut flow = Flow::new(self);
        let cut = flow.run();
        let gain = flow.gain - cut;
        flow.levels();
        let set: Vec<bool> =
            flow.level[..flow.items].iter().map(|&level| level != u32::MAX).collect();
        (set, gain)
    }
}

/// Dinic's algorithm on: source → items of positive weight, items of negative weight → sink,
/// implications without limit.
struct Flow {
    items: usize,
    /// Sum of the positive weights.
    gain: i64,
    /// Edges of node v are `first[v]..first[v + 1]`.
    first: Vec<u32>,
    to: Vec<u32>,
    /// Position of the opposite edge.
    back: Vec<u32>,
    residual: Vec<i64>,
    level: Vec<u32>,
    next: Vec<u32>,
}

impl Flow {
    fn new(closure: Closure) -> Self {
        let items = closure.weights.len();
        let (source, sink) = (items as u32, items as u32 + 1);
        let gain: i64 = closure.weights.iter().filter(|w| **w > 0).sum();
        let mut edges: Vec<(u32, u32, i64)> = vec![];
        for (i, &w) in closure.weights.iter().enumerate() {
            match w {
                1.. => edges.push((source, i as u32, w)),
                0 => {}
                _ => edges.push((i as u32, sink, -w)),
            }
        }
        // No flow exceeds the gain.
        edges.extend(closure.implications.iter().map(|&(a, b)| (a, b, gain)));
        let mut first = vec![0u32; items + 3];
        for &(a, b, _) in &edges {
            first[a as usize + 1] += 1;
            first[b as usize + 1] += 1;
        }
        for v in 0..items + 2 {
            first[v + 1] += first[v];
        }
        let mut free = first.clone();
        let (mut to, mut back, mut residual) =
            (vec![0; 2 * edges.len()], vec![0; 2 * edges.len()], vec![0; 2 * edges.len()]);
        for (a, b, capacity) in edges {
            let (i, j) = (free[a as usize], free[b as usize]);
            free[a as usize] += 1;
            free[b as usize] += 1;
            (to[i as usize], to[j as usize]) = (b, a);
            (back[i as usize], back[j as usize]) = (j, i);
            residual[i as usize] = capacity;
        }
        Flow {
            items,
            gain,
            first,
            to,
            back,
            residual,
            level: vec![u32::MAX; items + 2],
            next: vec![],
        }
    }

    fn edges(&self, v: u32) -> std::ops::Range<usize> {
        self.first[v as usize] as usize..self.first[v as usize + 1] as usize
    }

    /// Distances from the source over edges with room; whether the sink is reached.
    fn levels(&mut self) -> bool {
        self.level.fill(u32::MAX);
        let source = self.items as u32;
        self.level[self.items] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(v) = queue.pop_front() {
            for e in self.edges(v) {
                let w = self.to[e];
                if self.residual[e] > 0 && self.level[w as usize] == u32::MAX {
                    self.level[w as usize] = self.level[v as usize] + 1;
                    queue.push_back(w);
                }
            }
        }
        self.level[self.items + 1] != u32::MAX
    }

    /// The maximum flow.
    fn run(&mut self) -> i64 {
        let mut flow = 0;
        while self.levels() {
            self.next = self.first.clone();
            flow += self.block();
        }
        flow
    }

    /// A blocking flow along shortest paths.
    fn block(&mut self) -> i64 {
        let (source, sink) = (self.items as u32, self.items as u32 + 1);
        let mut total = 0;
        // The edges of the path from the source to the node at hand.
        let mut path: Vec<usize> = vec![];
        loop {
            let v = path.last().map_or(source, |&e| self.to[e]);
            if v == sink {
                let amount = path.iter().map(|&e| self.residual[e]).min().unwrap_or(0);
                total += amount;
                let mut keep = path.len();
                for (depth, &e) in path.iter().enumerate().rev() {
                    self.residual[e] -= amount;
                    self.residual[self.back[e] as usize] += amount;
                    if self.residual[e] == 0 {
                        keep = depth;
                    }
                }
                path.truncate(keep);
                continue;
            }
            let end = self.first[v as usize + 1];
            let mut e = self.next[v as usize];
            while e < end {
                let w = self.to[e as usize] as usize;
                if self.residual[e as usize] > 0 && self.level[w] == self.level[v as usize] + 1 {
                    break;
                }
                e += 1;
            }
            self.next[v as usize] = e;
            if e < end {
                path.push(e as usize);
            } else {
                // A dead end: the edge that led here is done with.
                let Some(led) = path.pop() else { return total };
                let before = self.to[self.back[led] as usize];
                self.next[before as usize] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_closed_set_is_worth_more(
            weights in prop::collection::vec(-5i64..=5, 1..9),
            pairs in prop::collection::vec((0u32..9, 0u32..9), 0..16),
        ) {
            let n = weights.len() as u32;
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b)| *a < n && *b < n).collect();
            let mut closure = Closure::default();
            for &w in &weights {
                closure.item(w);
            }
            for &(a, b) in &pairs {
                closure.implies(a, b);
            }
            let (set, gain) = closure.solve();
            let weight = |set: u32| -> i64 {
                (0..n).filter(|i| set >> i & 1 == 1).map(|i| weights[i as usize]).sum()
            };
            let closed =
                |set: u32| pairs.iter().all(|(a, b)| set >> a & 1 == 0 || set >> b & 1 == 1);
            let best = (0..1u32 << n).filter(|&s| closed(s)).map(weight).max().unwrap();
            let found = set.iter().enumerate().fold(0, |s, (i, &x)| s | u32::from(x) << i);
            prop_assert!(closed(found));
            prop_assert_eq!((weight(found), gain), (best, best));
            let smallest = (0..1u32 << n)
                .filter(|&s| closed(s) && weight(s) == best)
                .map(u32::count_ones)
                .min();
            prop_assert_eq!(Some(found.count_ones()), smallest);
        }
    }
}
