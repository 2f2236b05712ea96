//! A circuit in digits: which clock each node has, and what stands between two of them.
//!
//! Products take turns in as few multipliers as there can be, those first whose words are there
//! first. Sums come at the clock that saves the most registers, one sum after the other, from the
//! latest clocks on; those that something else takes in parallel come as early as they can.

use super::{Form, Node, NodeId, Op, Serial, clocks};
use crate::circuit::{self, Circuit, Term};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use strassenc_runtime::{Error, Result};

/// Brings a circuit into digits for words that come every `interval` clocks at most.
///
/// # Errors
/// Where the circuit multiplies data by data, or parameters of it are loaded; internally where it
/// has sums that are held as complements.
pub fn build(circuit: &Circuit, interval: u32, multiplier_latency: u32) -> Result<Serial> {
    let place = || format!("layer `{}`, engine", circuit.name);
    if circuit.count(|op| matches!(op, circuit::Op::Product { .. })) > 0 {
        let cause = "multiplies data by data, which is never serial: `unrolled`";
        return Err(Error::input(place(), cause));
    }
    if circuit.loaded {
        let cause = "is serial, and its parameters cannot be loaded";
        return Err(Error::input(place(), cause).help("leave out --reloadable or --ii"));
    }
    if circuit.nodes.iter().any(|node| node.inverted) {
        return Err(Error::internal(place(), "has sums that are held as their complements"));
    }
    let times = Times::new(circuit, interval, multiplier_latency);
    let mut builder = Builder { times: &times, nodes: vec![], made: HashMap::new() };
    let last = times.last;
    let outputs = circuit.outputs.iter().map(|&id| builder.parallel(id, last)).collect();
    Ok(Serial { interval, multiplier_latency, latency: last, nodes: builder.nodes, outputs })
}

/// The clocks of a circuit's nodes.
struct Times<'a> {
    circuit: &'a Circuit,
    interval: u32,
    multiplier_latency: u32,
    /// Bits of each node that are read at once; 0 where none are.
    bits: Vec<u32>,
    /// Bits of a digit of each sum, and of what is multiplied.
    digit: Vec<u32>,
    /// The clock in which each node's first digit, or all of it, is there first.
    at: Vec<u32>,
    /// The turns of products.
    turns: Vec<Option<Turn>>,
    /// The clocks in which nodes are read that are digits or become such, beside those of sums.
    due: Vec<Vec<u32>>,
    /// The nodes that read each one.
    readers: Vec<Vec<circuit::NodeId>>,
    /// The clock in which the digits of a word begin; of sums it is `at`.
    shown: Vec<u32>,
    /// The clock of the outputs.
    last: u32,
}

/// When a product has its multiplier.
#[derive(Clone, Copy)]
struct Turn {
    multiplier: u32,
    /// Digits of what is multiplied.
    digits: u32,
    /// The clock of the first of them.
    first: u32,
}

/// Whether a node is serial: a sum.
fn is_sum(circuit: &Circuit, id: circuit::NodeId) -> bool {
    matches!(circuit.node(id).op, circuit::Op::Add(_))
}

/// The terms of a sum, none of other nodes.
fn terms(op: &circuit::Op) -> Vec<Term> {
    if let circuit::Op::Add(terms) = op { terms.iter().copied().collect() } else { vec![] }
}

impl<'a> Times<'a> {
    fn new(circuit: &'a Circuit, interval: u32, multiplier_latency: u32) -> Self {
        let bits = parallel_bits(circuit);
        let digit = digits(circuit, &bits, interval);
        let none = vec![0; circuit.nodes.len()];
        let mut times = Times {
            circuit,
            interval,
            multiplier_latency,
            bits,
            digit,
            at: none.clone(),
            turns: vec![None; none.len()],
            due: vec![vec![]; none.len()],
            readers: circuit.readers(),
            shown: none,
            last: 0,
        };
        times.begin();
        // What is multiplied may itself depend on products.
        let mut ranks = vec![0; circuit.nodes.len()];
        for (id, node) in circuit.iter() {
            let read = node.op.operands().map(|x| ranks[x.index()]).max().unwrap_or(0);
            ranks[id.index()] = read + u32::from(node.op.is_multiplier());
        }
        for rank in 1..=ranks.iter().max().copied().unwrap_or(0) {
            let of_rank = |id: &circuit::NodeId| {
                circuit.node(*id).op.is_multiplier() && ranks[id.index()] == rank
            };
            times.take_turns(circuit.iter().map(|(id, _)| id).filter(of_rank).collect());
            times.begin();
        }
        times.last = circuit.outputs.iter().map(|&id| times.gathered(id)).max().unwrap_or(0);
        times.settle();
        for (id, _) in circuit.iter() {
            times.shown[id.index()] = times.begins(id, &times.readings(id));
        }
        times
    }

    /// Dates all nodes as early as they can be.
    fn begin(&mut self) {
        for (id, _) in self.circuit.iter() {
            self.at[id.index()] = self.earliest(id);
        }
    }

    /// Gives these products their turns, those of one kind of words in as few multipliers as can
    /// be: one a clock in each, those first whose digits are there first, and of these those from
    /// which the way to an output is the longest.
    fn take_turns(&mut self, products: Vec<circuit::NodeId>) {
        let circuit = self.circuit;
        let mut depths = vec![0; circuit.nodes.len()];
        for (id, node) in circuit.iter().collect::<Vec<_>>().into_iter().rev() {
            for x in node.op.operands() {
                depths[x.index()] = depths[x.index()].max(depths[id.index()] + 1);
            }
        }
        // Bits of a digit, and whether words are signed.
        let mut kinds: BTreeMap<(u32, bool), Vec<Row>> = BTreeMap::new();
        for product in products {
            let circuit::Op::Multiply { x, coefficient, shift, .. } = circuit.node(product).op
            else {
                continue;
            };
            let row = Row { product, x, coefficient, shift };
            let kind = (self.digit[x.index()], circuit.node(x).signed);
            kinds.entry(kind).or_default().push(row);
        }
        let taken = self.turns.iter().flatten().map(|turn| turn.multiplier + 1);
        let mut multipliers = taken.max().unwrap_or(0);
        for mut rows in kinds.into_values().flat_map(scales) {
            // Rows of as many digits share a multiplier, which chooses among no more.
            rows.sort_by_key(|row| (self.count(row.x), self.birth(row.x), row.product));
            let shared = rows.len().div_ceil(self.interval as usize);
            let each = rows.len().div_ceil(shared);
            for rows in rows.chunks_mut(each) {
                rows.sort_by_key(|row| {
                    (self.birth(row.x), Reverse(depths[row.product.index()]), row.product)
                });
                let digits = rows.iter().map(|row| self.count(row.x)).max().unwrap_or(1);
                let ready = |(turn, row): (u32, &Row)| self.birth(row.x).saturating_sub(turn);
                let first = (0..).zip(rows.iter()).map(ready).max().unwrap_or(0);
                for (first, row) in (first..).zip(rows.iter()) {
                    let turn = Turn { multiplier: multipliers, digits, first };
                    self.turns[row.product.index()] = Some(turn);
                    self.due[row.x.index()].push(first);
                }
                multipliers += 1;
            }
        }
    }

    fn is_constant(&self, id: circuit::NodeId) -> bool {
        matches!(self.circuit.node(id).op, circuit::Op::Constant(_))
    }

    /// Digits that are gathered.
    fn count(&self, id: circuit::NodeId) -> u32 {
        self.bits[id.index()].div_ceil(self.digit[id.index()])
    }

    /// The first clock in which all of a node is there at once.
    fn gathered(&self, id: circuit::NodeId) -> u32 {
        let at = self.at[id.index()];
        if is_sum(self.circuit, id) { at + self.count(id) - 1 } else { at }
    }

    /// The first clock of a node's digits.
    fn birth(&self, id: circuit::NodeId) -> u32 {
        self.at[id.index()] + if is_sum(self.circuit, id) { 0 } else { DIGITS }
    }

    /// The clock in which a node's digits begin where they are read in such clocks: a word that is
    /// held may wait until the next one comes.
    fn begins(&self, id: circuit::NodeId, readings: &[u32]) -> u32 {
        let birth = self.birth(id);
        if is_sum(self.circuit, id) {
            return birth;
        }
        let of_sums = self.readers[id.index()].iter().filter(|sum| is_sum(self.circuit, **sum));
        let digit = of_sums.map(|sum| self.digit[sum.index()]).chain([self.digit[id.index()]]);
        let digit = digit.min().unwrap_or(1);
        let (bits, signed) = (self.bits[id.index()], self.circuit.node(id).signed);
        // Of a signed word one place more is all sign.
        let places = bits.saturating_sub(u32::from(signed)).div_ceil(digit) + u32::from(signed);
        let latest = birth + self.interval.saturating_sub(places);
        readings.iter().min().map_or(birth, |read| (*read).clamp(birth, latest))
    }

    /// The clocks in which a node's digits are read.
    fn readings(&self, id: circuit::NodeId) -> Vec<u32> {
        let mut all = self.due[id.index()].clone();
        for &sum in &self.readers[id.index()] {
            let own = terms(&self.circuit.node(sum).op);
            let of_node = own.iter().filter(|t| t.node == id);
            all.extend(of_node.map(|t| self.needs(sum, t, self.at[sum.index()])));
        }
        all
    }

    /// The clock in which a sum that begins at `at` needs the first digit of a term's node, not
    /// shifted: digits that a shift moves on are there later than those that they become.
    fn needs(&self, sum: circuit::NodeId, term: &Term, at: u32) -> u32 {
        match term.shift {
            0 => at - 1,
            shift => at - 2 + shift / self.digit[sum.index()],
        }
    }

    /// The earliest clock of a node after those that it reads.
    fn earliest(&self, id: circuit::NodeId) -> u32 {
        let op = &self.circuit.node(id).op;
        if let Some(turn) = self.turns[id.index()] {
            return turn.first + turn.digits - 1 + self.multiplier_latency;
        }
        if !is_sum(self.circuit, id) {
            let read = op.operands().filter(|x| !self.is_constant(*x));
            let begins = read.map(|x| self.gathered(x)).max().unwrap_or(0);
            return begins + clocks(op, self.multiplier_latency);
        }
        let of = |term: &Term| match term.shift {
            // Digits of constants are there at any time, but their place is not before clock 1.
            _ if self.is_constant(term.node) => 3,
            0 => self.birth(term.node) + 1,
            shift => {
                (self.birth(term.node) + 2).saturating_sub(shift / self.digit[id.index()]).max(2)
            }
        };
        terms(op).iter().map(of).max().unwrap_or(2)
    }

    /// What the delay line of a node takes that is read in such clocks, in flip-flops for each bit:
    /// three and more that nothing reads between are a LUT, which counts for two.
    fn line(&self, id: circuit::NodeId, mut readings: Vec<u32>) -> u32 {
        if self.is_constant(id) {
            return 0;
        }
        let mut from = self.begins(id, &readings);
        readings.sort_unstable();
        let mut takes = 0;
        for read in readings {
            let clocks = read.saturating_sub(from);
            takes += clocks.min(2 * clocks.div_ceil(SHIFT_REGISTER));
            from = read.max(from);
        }
        takes
    }

    /// Moves sums to where that saves registers.
    fn settle(&mut self) {
        let circuit = self.circuit;
        // Sums that something else than an output or a multiplier takes in parallel stay where they
        // are.
        let mut fixed = vec![false; circuit.nodes.len()];
        let leads = self.leads_out();
        for &output in &circuit.outputs {
            let (mut id, mut clock) = (output, self.last);
            while !is_sum(circuit, id) && !circuit.node(id).op.is_multiplier() {
                clock -= clocks(&circuit.node(id).op, self.multiplier_latency);
                match circuit.node(id).op.operands().next() {
                    Some(x) => id = x,
                    None => break,
                }
            }
            if is_sum(circuit, id) {
                let first = clock + 1 - self.count(id);
                self.due[id.index()].push(first);
            }
        }
        for (id, _) in circuit.iter() {
            let taken = |r: &circuit::NodeId| {
                let digits = is_sum(circuit, *r) || circuit.node(*r).op.is_multiplier();
                !digits && !leads[r.index()]
            };
            fixed[id.index()] = !is_sum(circuit, id) || self.readers[id.index()].iter().any(taken);
        }
        let sums: Vec<circuit::NodeId> =
            circuit.iter().map(|(id, _)| id).filter(|id| !fixed[id.index()]).collect();
        let multiplied = |id: circuit::NodeId| {
            self.readers[id.index()].iter().any(|r| circuit.node(*r).op.is_multiplier())
        };
        let roots: Vec<bool> = circuit.iter().map(|(id, _)| multiplied(id)).collect();
        for &id in sums.iter().rev().filter(|id| !roots[id.index()]) {
            if let Some(latest) = self.readings(id).into_iter().min() {
                self.at[id.index()] = latest;
            }
        }
        for _ in 0..SWEEPS {
            let mut moved = false;
            for &id in sums.iter().rev().chain(&sums) {
                let own = self.readings(id);
                let Some(&latest) = own.iter().min() else { continue };
                let before = self.at[id.index()];
                let read = terms(&circuit.node(id).op);
                let cost = |times: &mut Times, at: u32| {
                    times.at[id.index()] = at;
                    let line = |term: &Term| times.line(term.node, times.readings(term.node));
                    times.line(id, own.clone()) + read.iter().map(line).sum::<u32>()
                };
                self.at[id.index()] = before;
                let first = self.earliest(id);
                let best = (first..=latest).rev().min_by_key(|&at| cost(self, at));
                self.at[id.index()] = best.unwrap_or(before);
                moved |= self.at[id.index()] != before;
            }
            if !moved {
                break;
            }
        }
    }

    /// Nodes that nothing reads but what leads to an output without a sum between.
    fn leads_out(&self) -> Vec<bool> {
        let mut leads = vec![false; self.readers.len()];
        for i in (0..leads.len()).rev() {
            let id = circuit::NodeId(i as u32);
            let out = self.readers[i].iter().all(|r| leads[r.index()]);
            leads[i] = !is_sum(self.circuit, id) && out;
        }
        leads
    }
}

/// What is multiplied by one coefficient.
struct Row {
    product: circuit::NodeId,
    x: circuit::NodeId,
    coefficient: i64,
    shift: i32,
}

/// Rows that one multiplier can have: their coefficients fit its operand when they are brought to
/// one scale.
fn scales(mut rows: Vec<Row>) -> Vec<Vec<Row>> {
    rows.sort_by_key(|row| (Reverse(row.shift), row.product));
    let mut all: Vec<Vec<Row>> = vec![];
    for row in rows {
        let fits = |of: &&mut Vec<Row>| {
            let more = of[0].shift.abs_diff(row.shift);
            more < COEFFICIENT && row.coefficient.unsigned_abs() < 1 << (COEFFICIENT - 1 - more)
        };
        match all.last_mut().filter(fits) {
            Some(rows) => rows.push(row),
            None => all.push(vec![row]),
        }
    }
    all
}

/// Bits of a coefficient that every part's multipliers have.
const COEFFICIENT: u32 = 18;

/// Clocks from a word to the first of its digits.
const DIGITS: u32 = 2;

/// Clocks of a delay line that one LUT holds.
const SHIFT_REGISTER: u32 = 32;

/// How often all sums are moved, at most.
const SWEEPS: usize = 8;

/// Bits of each node that are read at once.
fn parallel_bits(circuit: &Circuit) -> Vec<u32> {
    let exact = |id: circuit::NodeId| circuit.node(id).interval.bits();
    let mut bits = vec![0; circuit.nodes.len()];
    for &output in &circuit.outputs {
        bits[output.index()] = exact(output);
    }
    for (id, node) in circuit.iter().collect::<Vec<_>>().into_iter().rev() {
        for x in node.op.operands() {
            let needs = match node.op {
                // Its digits go on as far as the words of the layer do.
                circuit::Op::Add(_) if is_sum(circuit, x) => 0,
                circuit::Op::Add(_) => exact(x),
                // What reads no bit of it reads one all the same.
                _ => node.op.needed_bits(x, bits[id.index()]).map_or(exact(x), |n| n.max(1)),
            };
            let slot: &mut u32 = &mut bits[x.index()];
            *slot = needs.min(exact(x)).max(*slot);
        }
    }
    bits
}

/// Bits of a digit for each sum and each node that is multiplied: the least with which all words
/// that are gathered from sums that read one another fit the interval.
fn digits(circuit: &Circuit, bits: &[u32], interval: u32) -> Vec<u32> {
    let mut group: Vec<usize> = (0..circuit.nodes.len()).collect();
    fn root(group: &mut [usize], mut i: usize) -> usize {
        while group[i] != i {
            group[i] = group[group[i]];
            i = group[i];
        }
        i
    }
    for (id, node) in circuit.iter() {
        for x in terms(&node.op).iter().map(|t| t.node).filter(|x| is_sum(circuit, *x)) {
            let (a, b) = (root(&mut group, id.index()), root(&mut group, x.index()));
            group[a] = b;
        }
    }
    let mut digit = vec![1; circuit.nodes.len()];
    for (id, _) in circuit.iter().filter(|(id, _)| is_sum(circuit, *id)) {
        let of = root(&mut group, id.index());
        digit[of] = bits[id.index()].div_ceil(interval).max(digit[of]);
    }
    // What is multiplied and no sum has the digits of those that are, if those suffice.
    let multiplied: Vec<usize> = (circuit.nodes.iter())
        .filter(|node| node.op.is_multiplier())
        .flat_map(|node| node.op.operands().map(circuit::NodeId::index))
        .collect();
    let most = multiplied.iter().map(|&i| digit[root(&mut group, i)]).max().unwrap_or(1);
    for i in multiplied {
        if !matches!(circuit.nodes[i].op, circuit::Op::Add(_)) {
            digit[i] = bits[i].div_ceil(interval).max(most);
        }
    }
    (0..digit.len()).map(|i| digit[root(&mut group, i)]).collect()
}

/// What a node is made by.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    of: circuit::NodeId,
    shift: u32,
    begins: u32,
    /// Bits of a digit; none of what is parallel.
    digit: Option<u32>,
}

struct Builder<'a> {
    times: &'a Times<'a>,
    nodes: Vec<Node>,
    made: HashMap<Key, NodeId>,
}

impl Builder<'_> {
    fn push(&mut self, key: Key, form: Form, op: Op) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { of: key.of, shift: key.shift, begins: key.begins, form, op });
        self.made.insert(key, id);
        id
    }

    /// All of a node at once, in clock `begins`.
    fn parallel(&mut self, of: circuit::NodeId, begins: u32) -> NodeId {
        let key = Key { of, shift: 0, begins, digit: None };
        if let Some(&id) = self.made.get(&key) {
            return id;
        }
        let times = self.times;
        let node = times.circuit.node(of);
        let form = Form::Parallel(times.bits[of.index()]);
        if is_sum(times.circuit, of) {
            let digits = times.count(of);
            let x = self.serial(of, 0, times.digit[of.index()], begins + 1 - digits);
            return self.push(key, form, Op::Gather { x, digits });
        }
        if times.is_constant(of) {
            return self.push(key, form, Op::Parallel(None));
        }
        // An input or a product, or what follows from one without a sum between, waits here.
        if begins > times.at[of.index()] && self.stays(of) {
            let x = self.parallel(of, begins - 1);
            return self.push(key, form, Op::Delay(x));
        }
        let x = node.op.operands().next();
        if let (Some(turn), Some(x)) = (times.turns[of.index()], x) {
            let x = self.serial(x, 0, times.digit[x.index()], turn.first);
            let Turn { multiplier, digits, .. } = turn;
            return self.push(key, form, Op::Multiply { x, digits, multiplier });
        }
        let takes = clocks(&node.op, times.multiplier_latency);
        let x = x.map(|x| self.parallel(x, begins - takes));
        self.push(key, form, Op::Parallel(x))
    }

    /// Whether no sum is between a node and the input or the product that it follows from, so that
    /// it stays in its clock.
    fn stays(&self, mut id: circuit::NodeId) -> bool {
        let circuit = self.times.circuit;
        loop {
            match circuit.node(id).op.operands().next() {
                _ if is_sum(circuit, id) => return false,
                Some(x) if !circuit.node(id).op.is_multiplier() => id = x,
                _ => return true,
            }
        }
    }

    /// The digits of a node times 2^shift, the first one in clock `begins`.
    fn serial(&mut self, of: circuit::NodeId, shift: u32, digit: u32, begins: u32) -> NodeId {
        let key = Key { of, shift, begins, digit: Some(digit) };
        if let Some(&id) = self.made.get(&key) {
            return id;
        }
        let times = self.times;
        let form = Form::Serial(digit);
        if times.is_constant(of) {
            return self.push(key, form, Op::Constant);
        }
        if shift > 0 {
            let x = self.serial(of, 0, digit, begins - 1 + shift / digit);
            return self.push(key, form, Op::Shift { x, clears: begins - 1 });
        }
        if begins > times.shown[of.index()] {
            let x = self.serial(of, 0, digit, begins - 1);
            return self.push(key, form, Op::Delay(x));
        }
        if let circuit::Op::Add(terms) = times.circuit.node(of).op {
            let negates = terms.map(|t| t.negate);
            let terms = terms.map(|t| self.serial(t.node, t.shift, digit, begins - 1));
            return self.push(key, form, Op::Add { terms, negates, restarts: begins - 2 });
        }
        let holds = times.at[of.index()];
        let x = self.parallel(of, holds);
        self.push(key, form, Op::Digits { x, holds })
    }
}
