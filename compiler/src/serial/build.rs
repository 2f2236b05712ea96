//! A circuit in digits: which clock each node has, and what stands between two of them.
//!
//! Sums that something multiplies come as early as they can. Every other sum comes at the clock
//! that saves the most registers, one sum after the other, from the latest clocks on.

use super::{Form, Node, NodeId, Op, Serial, clocks};
use crate::circuit::{self, Circuit, Term};
use std::collections::HashMap;
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
    multiplier_latency: u32,
    /// Bits of each node that are read at once; 0 where none are.
    bits: Vec<u32>,
    /// Bits of a digit of each sum.
    digit: Vec<u32>,
    /// The clock in which each node's first digit, or all of it, is there first.
    at: Vec<u32>,
    /// The clock of the outputs.
    last: u32,
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
        let at = vec![0; circuit.nodes.len()];
        let mut times = Times { circuit, multiplier_latency, bits, digit, at, last: 0 };
        for (id, _) in circuit.iter() {
            times.at[id.index()] = times.earliest(id);
        }
        times.last = circuit.outputs.iter().map(|&id| times.gathered(id)).max().unwrap_or(0);
        times.settle();
        times
    }

    fn is_constant(&self, id: circuit::NodeId) -> bool {
        matches!(self.circuit.node(id).op, circuit::Op::Constant(_))
    }

    /// Digits of a sum that are gathered.
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
        if !is_sum(self.circuit, id) {
            let read = op.operands().filter(|x| !self.is_constant(*x));
            let begins = read.map(|x| self.gathered(x)).max().unwrap_or(0);
            return begins + clocks(op, self.multiplier_latency);
        }
        let of = |term: &Term| match term.shift {
            // Digits of constants are there at any time, but their place is not before clock 1.
            _ if self.is_constant(term.node) => 2,
            0 => self.birth(term.node) + 1,
            shift => {
                (self.birth(term.node) + 2).saturating_sub(shift / self.digit[id.index()]).max(2)
            }
        };
        terms(op).iter().map(of).max().unwrap_or(2)
    }

    /// Moves sums later where that saves registers.
    fn settle(&mut self) {
        let circuit = self.circuit;
        let readers = circuit.readers();
        // The clock in which the digits of each sum that leads to an output have to be there; sums
        // that are multiplied, or that something else takes in parallel, stay where they are.
        let mut due: Vec<Option<u32>> = vec![None; circuit.nodes.len()];
        let mut fixed = vec![false; circuit.nodes.len()];
        let leads = self.leads_out(&readers);
        for &output in &circuit.outputs {
            let (mut id, mut clock) = (output, self.last);
            while !is_sum(circuit, id) {
                clock -= clocks(&circuit.node(id).op, self.multiplier_latency);
                match circuit.node(id).op.operands().next() {
                    Some(x) => id = x,
                    None => break,
                }
            }
            if is_sum(circuit, id) {
                due[id.index()] = Some(clock + 1 - self.count(id));
            }
        }
        for (id, _) in circuit.iter() {
            let taken = |r: &circuit::NodeId| !is_sum(circuit, *r) && !leads[r.index()];
            fixed[id.index()] = !is_sum(circuit, id) || readers[id.index()].iter().any(taken);
        }
        // When each reading of a node's digits is.
        let readings = |times: &Times, id: circuit::NodeId| -> Vec<u32> {
            let mut all: Vec<u32> = due[id.index()].into_iter().collect();
            for &sum in &readers[id.index()] {
                let own = terms(&circuit.node(sum).op);
                let of_node = own.iter().filter(|t| t.node == id);
                all.extend(of_node.map(|t| times.needs(sum, t, times.at[sum.index()])));
            }
            all
        };
        let sums: Vec<circuit::NodeId> =
            circuit.iter().map(|(id, _)| id).filter(|id| !fixed[id.index()]).collect();
        for &id in sums.iter().rev() {
            if let Some(latest) = readings(self, id).into_iter().min() {
                self.at[id.index()] = latest;
            }
        }
        for _ in 0..SWEEPS {
            let mut moved = false;
            for &id in sums.iter().rev().chain(&sums) {
                let own = readings(self, id);
                let Some(&latest) = own.iter().min() else { continue };
                let until = own.iter().max().copied().unwrap_or(latest);
                let before = self.at[id.index()];
                let read = terms(&circuit.node(id).op);
                let cost = |times: &mut Times, at: u32| {
                    times.at[id.index()] = at;
                    let line = |term: &Term| {
                        if times.is_constant(term.node) {
                            return 0;
                        }
                        let last = readings(times, term.node).into_iter().max().unwrap_or(0);
                        last.saturating_sub(times.birth(term.node))
                    };
                    (until - at) + read.iter().map(line).sum::<u32>()
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
    fn leads_out(&self, readers: &[Vec<circuit::NodeId>]) -> Vec<bool> {
        let mut leads = vec![false; readers.len()];
        for i in (0..readers.len()).rev() {
            let id = circuit::NodeId(i as u32);
            leads[i] = !is_sum(self.circuit, id) && readers[i].iter().all(|r| leads[r.index()]);
        }
        leads
    }
}

/// Clocks from a word to the first of its digits.
const DIGITS: u32 = 2;

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

/// Bits of a digit for each sum: the least with which all words that are gathered from sums that
/// read one another fit the interval.
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
        // An input, or what follows from one without a sum between, waits here.
        if begins > times.at[of.index()] && self.rests_on_input(of) {
            let x = self.parallel(of, begins - 1);
            return self.push(key, form, Op::Delay(x));
        }
        let takes = clocks(&node.op, times.multiplier_latency);
        let x = node.op.operands().next().map(|x| self.parallel(x, begins - takes));
        self.push(key, form, Op::Parallel(x))
    }

    /// Whether no sum is between a node and the input that it follows from.
    fn rests_on_input(&self, mut id: circuit::NodeId) -> bool {
        let circuit = self.times.circuit;
        loop {
            match circuit.node(id).op.operands().next() {
                _ if is_sum(circuit, id) => return false,
                Some(x) => id = x,
                None => return true,
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
        if begins > times.birth(of) {
            let x = self.serial(of, 0, digit, begins - 1);
            return self.push(key, form, Op::Delay(x));
        }
        if let circuit::Op::Add(terms) = times.circuit.node(of).op {
            let negates = terms.map(|t| t.negate);
            let terms = terms.map(|t| self.serial(t.node, t.shift, digit, begins - 1));
            return self.push(key, form, Op::Add { terms, negates, restarts: begins - 2 });
        }
        let holds = begins - DIGITS;
        let x = self.parallel(of, holds);
        self.push(key, form, Op::Digits { x, holds })
    }
}
