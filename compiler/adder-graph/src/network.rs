//! A linear circuit of sums that changes quickly and can be changed back: what the local search
//! works on.
//!
//! Every signal knows its users, and an index counts in how many rows each pair of terms occurs.
//! Whenever a change makes a pair occur twice, it becomes a candidate for sharing (`sharing.rs`).
//!
//! Under a depth limit every signal has a level: inputs 0, nodes ⌈log2 Σ 2^level⌉ over their terms,
//! which is the least depth at which they can be added up. A wanted sum keeps Σ 2^level ≤ 2^limit:
//! Kraft's inequality for adder trees. Where adders take three operands it is 3 in the place of 2.

use super::pair_index::PairIndex;
use super::rng::Rng;
use super::share::Operands;
use super::sums::{Pair, Summand, Sums};
use super::widths::Widths;

/// A change, as the journal keeps it.
#[derive(Clone, Copy)]
enum Change {
    Added(u32, Summand),
    Removed(u32, Summand),
    Allocated(u32),
    Released(u32),
    /// The node, and the level it had.
    Levelled(u32, u8),
}

/// A pair that occurred more than once when it was noted, and one of its rows.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub pair: Pair,
    pub row: u32,
}

/// Levels under a depth limit.
struct Levels {
    limit: u32,
    /// The level of each signal.
    of: Vec<u8>,
    /// Σ 2^level over the terms of each row.
    kraft: Vec<u64>,
    /// Nodes that may be less deep than their level says.
    loose: Vec<u32>,
    operands: Operands,
}

impl Levels {
    /// 2^level, or 3^level.
    #[inline]
    fn reach(&self, level: u8) -> u64 {
        self.operands.reach(level.into())
    }

    /// 2^level of a signal, or 3^level.
    #[inline]
    fn weight(&self, signal: u32) -> u64 {
        self.reach(self.of[signal as usize])
    }

    /// The level of a sum whose terms weigh so much.
    #[inline]
    fn level(&self, kraft: u64) -> u8 {
        self.operands.depth(kraft) as u8
    }
}

/// The circuit. Rows are the wanted sums first, then the nodes; signals are the inputs first, then
/// the nodes.
pub struct Network {
    inputs: usize,
    outputs: usize,
    /// The terms of each row; none for a node that is not live.
    rows: Vec<Vec<Summand>>,
    /// The rows that read each signal, once per term.
    users: Vec<Vec<u32>>,
    /// Nodes that are not live, and those that were at the last commit.
    free: Vec<u32>,
    released: Vec<u32>,
    /// Nodes that are live, in any order, and where each stands in it.
    live: Vec<u32>,
    position: Vec<u32>,
    adders: usize,
    pub(super) operands: Operands,
    levels: Option<Levels>,
    widths: Option<Widths>,
    journal: Vec<Change>,
    /// Nodes that may be used once or be no sums.
    degenerate: Vec<u32>,
    pub(super) index: PairIndex,
    /// Candidates by an upper bound of their count.
    pub(super) candidates: Vec<Vec<Candidate>>,
    pub(super) places: Vec<(u32, Summand, Summand)>,
}

const DEAD: u32 = u32::MAX;

impl Network {
    /// A network that computes `sums`, which keep to the depth limit if one is given; nodes used
    /// once are merged into their users. With `widths` the cost is counted in bits.
    pub fn new(
        sums: &Sums,
        limit: Option<u32>,
        widths: Option<Widths>,
        operands: Operands,
    ) -> Self {
        let (inputs, outputs) = (sums.inputs, sums.outputs.len());
        let signals = inputs + sums.nodes.len();
        let rows: Vec<Vec<Summand>> = sums.outputs.iter().chain(&sums.nodes).cloned().collect();
        let mut users = vec![Vec::new(); signals];
        for (row, terms) in rows.iter().enumerate() {
            for term in terms {
                users[term.signal() as usize].push(row as u32);
            }
        }
        let levels = limit.filter(|&limit| limit < operands.depths()).map(|limit| {
            let mut levels = Levels {
                limit,
                of: vec![0; inputs],
                kraft: vec![0; rows.len()],
                loose: Vec::new(),
                operands,
            };
            let nodes = (outputs..rows.len()).chain(0..outputs);
            for row in nodes {
                levels.kraft[row] = rows[row].iter().map(|t| levels.weight(t.signal())).sum();
                if row >= outputs {
                    levels.of.push(levels.level(levels.kraft[row]));
                }
            }
            levels
        });
        let adders = rows.iter().map(|terms| operands.adders(terms.len())).sum();
        let mut network = Network {
            inputs,
            outputs,
            index: PairIndex::new(&rows),
            rows,
            users,
            free: Vec::new(),
            released: Vec::new(),
            live: (inputs as u32..signals as u32).collect(),
            position: (0..signals as u32).map(|s| s.wrapping_sub(inputs as u32)).collect(),
            adders,
            operands,
            levels,
            widths,
            journal: Vec::new(),
            degenerate: (inputs as u32..signals as u32).collect(),
            candidates: vec![Vec::new(); 3],
            places: Vec::new(),
        };
        if let Some(widths) = &mut network.widths {
            widths.start(inputs, outputs, &network.rows);
        }
        network.note_all();
        network.settle();
        network.commit();
        network
    }

    /// Notes every pair that occurs more than once.
    fn note_all(&mut self) {
        for (row, terms) in self.rows.iter().enumerate() {
            for (k, &a) in terms.iter().enumerate() {
                for &b in &terms[..k] {
                    let pair = Pair::of(a, b);
                    let count = self.index.get(pair).0 as usize;
                    if count >= 2 {
                        if count >= self.candidates.len() {
                            self.candidates.resize(count + 1, Vec::new());
                        }
                        self.candidates[count].push(Candidate { pair, row: row as u32 });
                    }
                }
            }
        }
    }

    /// Whether the cost is the number of adders.
    pub fn counts_adders(&self) -> bool {
        self.widths.is_none()
    }

    /// What the circuit costs: two-operand additions or, with widths, their bits.
    pub fn cost(&mut self) -> u64 {
        match &mut self.widths {
            Some(widths) => widths.cost(&self.rows),
            None => self.adders as u64,
        }
    }

    /// The sums as they are now.
    pub fn sums(&self) -> Sums {
        // Depth first, so that a node comes after its terms.
        let mut order: Vec<u32> = Vec::with_capacity(self.live.len());
        let mut number: Vec<u32> = (0..self.users.len() as u32).collect();
        let mut seen = vec![false; self.users.len()];
        let mut stack: Vec<(u32, bool)> = Vec::new();
        let mut roots = self.live.clone();
        roots.sort_unstable();
        for root in roots {
            stack.push((root, false));
            while let Some((signal, done)) = stack.pop() {
                if done {
                    number[signal as usize] = (self.inputs + order.len()) as u32;
                    order.push(signal);
                } else if !std::mem::replace(&mut seen[signal as usize], true) {
                    stack.push((signal, true));
                    let terms = self.rows[self.row_of(signal)].iter().map(|t| t.signal());
                    stack.extend(
                        terms.filter(|&s| self.is_node(s) && !seen[s as usize]).map(|s| (s, false)),
                    );
                }
            }
        }
        let renumber = |terms: &Vec<Summand>| {
            terms
                .iter()
                .map(|t| Summand::new(number[t.signal() as usize], t.shift(), t.negate()))
                .collect::<Vec<_>>()
        };
        Sums {
            inputs: self.inputs,
            nodes: order.iter().map(|&s| renumber(&self.rows[self.row_of(s)])).collect(),
            outputs: self.rows[..self.outputs].iter().map(renumber).collect(),
        }
    }

    /// Makes the changes since the last commit final.
    pub fn commit(&mut self) {
        self.journal.clear();
        self.free.append(&mut self.released);
        if let Some(widths) = &mut self.widths {
            widths.commit();
        }
        if self.index.is_crowded() {
            self.index = PairIndex::new(&self.rows);
        }
    }

    /// Undoes the changes since the last commit.
    pub fn rollback(&mut self) {
        while let Some(change) = self.journal.pop() {
            match change {
                Change::Added(row, term) => self.raw_remove(row, term),
                Change::Removed(row, term) => self.raw_add(row, term, false),
                Change::Allocated(node) => {
                    self.leave(node);
                    self.free.push(node);
                }
                Change::Released(node) => self.enter(node),
                Change::Levelled(node, level) => self.raw_level(node, level),
            }
        }
        self.released.clear();
        self.degenerate.clear();
        if let Some(levels) = &mut self.levels {
            levels.loose.clear();
        }
        if let Some(widths) = &mut self.widths {
            widths.rollback();
        }
    }

    /// A node and one of its users, at random; `None` where there are no nodes.
    pub fn random_use(&self, rng: &mut Rng) -> Option<(u32, u32)> {
        if self.live.is_empty() {
            return None;
        }
        let node = self.live[rng.below(self.live.len())];
        let users = &self.users[node as usize];
        Some((node, users[rng.below(users.len())]))
    }

    /// Puts the terms of `node` in its place in one row that reads it.
    fn open(&mut self, node: u32, row: u32) {
        let own = self.row_of(node);
        let Some(&term) = self.rows[row as usize].iter().find(|t| t.signal() == node) else {
            return;
        };
        self.remove(row, term);
        for k in 0..self.rows[own].len() {
            let t = self.rows[own][k];
            self.add(
                row,
                Summand::new(t.signal(), t.shift() + term.shift(), t.negate() ^ term.negate()),
            );
        }
    }

    /// Dissolves nodes that are used once or are no sums, and lowers levels.
    pub fn settle(&mut self) {
        loop {
            if let Some(node) = self.degenerate.pop() {
                let live = self.position[node as usize] != DEAD;
                if live
                    && (self.users[node as usize].len() <= 1
                        || self.rows[self.row_of(node)].len() <= 1)
                {
                    self.dissolve(node);
                }
                continue;
            }
            let Some(levels) = &mut self.levels else { return };
            let Some(node) = levels.loose.pop() else { return };
            let kraft = levels.kraft[node as usize - self.inputs + self.outputs];
            let level = levels.level(kraft);
            if kraft > 0 && level < levels.of[node as usize] {
                self.set_level(node, level);
            }
        }
    }

    /// Opens `node` in every row that holds it.
    fn dissolve(&mut self, node: u32) {
        while let Some(&row) = self.users[node as usize].last() {
            self.open(node, row);
        }
        let own = self.row_of(node);
        while let Some(&term) = self.rows[own].last() {
            self.remove(own as u32, term);
        }
        self.leave(node);
        self.released.push(node);
        self.journal.push(Change::Released(node));
    }

    /// A new node that is the sum of `terms`, of no use yet.
    pub(super) fn create(&mut self, terms: &[Summand]) -> u32 {
        let node = self.free.pop().unwrap_or_else(|| {
            self.users.push(Vec::new());
            self.rows.push(Vec::new());
            self.position.push(DEAD);
            if let Some(levels) = &mut self.levels {
                levels.of.push(0);
                levels.kraft.push(0);
            }
            self.users.len() as u32 - 1
        });
        self.enter(node);
        self.journal.push(Change::Allocated(node));
        if let Some(levels) = &mut self.levels {
            levels.of[node as usize] =
                levels.level(terms.iter().map(|t| levels.weight(t.signal())).sum());
        }
        if let Some(widths) = &mut self.widths {
            widths.define(node, terms);
        }
        let own = self.row_of(node) as u32;
        for &term in terms {
            self.add(own, term);
        }
        node
    }

    /// 2^level of a signal; 0 without a limit.
    #[inline]
    pub(super) fn weight(&self, signal: u32) -> u64 {
        self.levels.as_ref().map_or(0, |levels| levels.weight(signal))
    }

    /// Σ 2^level over the terms of a row; 0 without a limit.
    #[inline]
    pub(super) fn kraft(&self, row: u32) -> u64 {
        self.levels.as_ref().map_or(0, |levels| levels.kraft[row as usize])
    }

    /// What [`kraft`](Self::kraft) of a row may be.
    #[inline]
    pub(super) fn bound(&self, row: u32) -> u64 {
        let bound = |levels: &Levels| match self.node_at(row) {
            None => levels.reach(levels.limit as u8),
            Some(node) => levels.weight(node),
        };
        self.levels.as_ref().map_or(0, bound)
    }

    /// Whether [`kraft`](Self::kraft) of a row may grow by `more`.
    #[inline]
    pub(super) fn has_room(&self, row: u32, more: u64) -> bool {
        self.kraft(row) + more <= self.bound(row)
    }

    /// Whether a pair of terms in `row` may give way to a signal of level `level`. May raise the
    /// level of the row's node.
    pub(super) fn fits(&mut self, row: u32, a: Summand, b: Summand, level: u8) -> bool {
        let Some(levels) = &self.levels else { return true };
        let pair = levels.weight(a.signal()) + levels.weight(b.signal());
        let kraft = levels.kraft[row as usize] - pair + levels.reach(level);
        if (row as usize) < self.outputs {
            return kraft <= levels.reach(levels.limit as u8);
        }
        let node = (row as usize - self.outputs + self.inputs) as u32;
        let level = levels.level(kraft);
        level <= levels.of[node as usize] || self.raise(node, level)
    }

    /// The level of the sum of two signals; 0 without a limit.
    pub(super) fn level_of_pair(&self, pair: Pair) -> u8 {
        self.levels
            .as_ref()
            .map_or(0, |l| 1 + l.of[pair.newer() as usize].max(l.of[pair.older() as usize]))
    }

    /// Raises the level of a node if its users have room.
    fn raise(&mut self, node: u32, level: u8) -> bool {
        let Some(levels) = &self.levels else { return true };
        let before = levels.of[node as usize];
        let more = levels.reach(level) - levels.reach(before);
        let users = &self.users[node as usize];
        let room = users.iter().all(|&user| {
            let times = users.iter().filter(|&&u| u == user).count() as u64;
            self.has_room(user, times * more)
        });
        if room {
            self.set_level(node, level);
        }
        room
    }

    fn set_level(&mut self, node: u32, level: u8) {
        let Some(levels) = &mut self.levels else { return };
        let before = levels.of[node as usize];
        if level < before {
            let nodes =
                self.users[node as usize].iter().filter(|&&user| user as usize >= self.outputs);
            levels
                .loose
                .extend(nodes.map(|&user| (user as usize - self.outputs + self.inputs) as u32));
        }
        self.journal.push(Change::Levelled(node, before));
        self.raw_level(node, level);
    }

    fn raw_level(&mut self, node: u32, level: u8) {
        let Some(levels) = &mut self.levels else { return };
        let before = std::mem::replace(&mut levels.of[node as usize], level);
        for &user in &self.users[node as usize] {
            levels.kraft[user as usize] += levels.operands.reach(level.into());
            levels.kraft[user as usize] -= levels.operands.reach(before.into());
        }
    }

    #[inline]
    fn row_of(&self, node: u32) -> usize {
        node as usize - self.inputs + self.outputs
    }

    /// The node whose terms a row holds; `None` for a wanted sum.
    #[inline]
    pub(super) fn node_at(&self, row: u32) -> Option<u32> {
        (row as usize).checked_sub(self.outputs).map(|node| (node + self.inputs) as u32)
    }

    #[inline]
    pub(super) fn is_node(&self, signal: u32) -> bool {
        signal as usize >= self.inputs
    }

    #[inline]
    pub(super) fn row(&self, row: u32) -> &[Summand] {
        &self.rows[row as usize]
    }

    /// The terms of a node.
    #[inline]
    pub(super) fn terms_of(&self, node: u32) -> &[Summand] {
        &self.rows[self.row_of(node)]
    }

    /// Number of rows, live or not.
    #[inline]
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub(super) fn users(&self, signal: u32) -> &[u32] {
        &self.users[signal as usize]
    }

    /// Takes a term out of a row.
    pub(super) fn remove(&mut self, row: u32, term: Summand) {
        self.raw_remove(row, term);
        self.journal.push(Change::Removed(row, term));
        let signal = term.signal();
        if self.is_node(signal) && self.users[signal as usize].len() <= 1 {
            self.degenerate.push(signal);
        }
        if let Some(node) = self.node_at(row) {
            if self.rows[row as usize].len() <= 1 {
                self.degenerate.push(node);
            }
            if let Some(levels) = &mut self.levels {
                levels.loose.push(node);
            }
        }
    }

    /// Adds a term to a row; equal terms become one of twice the weight, opposite ones vanish.
    pub(super) fn add(&mut self, row: u32, term: Summand) {
        let same = |t: &&Summand| t.signal() == term.signal() && t.shift() == term.shift();
        if let Some(&same) = self.rows[row as usize].iter().find(same) {
            self.remove(row, same);
            if same == term {
                self.add(row, Summand::new(term.signal(), term.shift() + 1, term.negate()));
            }
            return;
        }
        self.raw_add(row, term, true);
        self.journal.push(Change::Added(row, term));
    }

    #[inline]
    fn raw_add(&mut self, row: u32, term: Summand, note: bool) {
        let terms = &mut self.rows[row as usize];
        for &other in terms.iter() {
            let pair = Pair::of(term, other);
            let count = self.index.insert(pair, row) as usize;
            if note && count >= 2 {
                if count >= self.candidates.len() {
                    self.candidates.resize(count + 1, Vec::new());
                }
                self.candidates[count].push(Candidate { pair, row });
            }
        }
        self.adders += self.operands.adders(terms.len() + 1) - self.operands.adders(terms.len());
        terms.push(term);
        self.users[term.signal() as usize].push(row);
        if let Some(levels) = &mut self.levels {
            levels.kraft[row as usize] += levels.weight(term.signal());
        }
        if let Some(widths) = &mut self.widths {
            widths.touch(row);
        }
    }

    #[inline]
    fn raw_remove(&mut self, row: u32, term: Summand) {
        let terms = &mut self.rows[row as usize];
        let at = terms.iter().position(|&t| t == term).expect("the row has the term");
        terms.swap_remove(at);
        for &other in terms.iter() {
            self.index.remove(Pair::of(term, other), row);
        }
        self.adders -= self.operands.adders(terms.len() + 1) - self.operands.adders(terms.len());
        let users = &mut self.users[term.signal() as usize];
        let at = users.iter().position(|&r| r == row).expect("the signal knows the row");
        users.swap_remove(at);
        if let Some(levels) = &mut self.levels {
            levels.kraft[row as usize] -= levels.weight(term.signal());
        }
        if let Some(widths) = &mut self.widths {
            widths.touch(row);
        }
    }

    /// Makes a node live.
    fn enter(&mut self, node: u32) {
        self.position[node as usize] = self.live.len() as u32;
        self.live.push(node);
    }

    /// Makes a node dead.
    fn leave(&mut self, node: u32) {
        let at = std::mem::replace(&mut self.position[node as usize], DEAD) as usize;
        self.live.swap_remove(at);
        if let Some(&moved) = self.live.get(at) {
            self.position[moved as usize] = at as u32;
        }
    }
}
