//! The schedule with the least register bits among those with the least latency. Exact.
//!
//! The stages obey difference constraints only: `stage(v) ≥ stage(u) + k`. The register bits, `Σ
//! bits · (last reading - stage)` over the nodes and the parts of their delay lines, are an
//! L♮-convex function of the stages, so that steepest descent ends in the optimum (Murota, Discrete
//! Convex Analysis, 2003, ch. 10): from the earliest schedule on, move that set of nodes one stage
//! later that saves the most, until none saves anything. Finding the set is a [closure
//! problem](super::closure). Each round moves a node at most one stage, and none beyond the
//! optimum, so that there are no more rounds than stages (Murota and Shioura 2014).

use super::closure::Closure;
use super::path::{Path, Paths};
use super::{Options, Pipeline, Source, Stage, latency};
use crate::circuit::{Circuit, Node, NodeId, Op, Term};
use strassenc_runtime::Result;

/// Schedules a circuit whose inputs come from registers with the least latency and, with that, the
/// least register bits.
///
/// # Errors
/// Where an option is out of range.
pub fn schedule(circuit: &Circuit, options: &Options) -> Result<Pipeline> {
    schedule_from(circuit, Source::Registers, options)
}

/// Schedules a circuit as [`schedule`] does, with inputs from wherever.
pub(super) fn schedule_from(
    circuit: &Circuit,
    source: Source,
    options: &Options,
) -> Result<Pipeline> {
    options.validate()?;
    let whole = &with_memory(circuit);
    let arcs = Arcs::new(whole, source, options)?;
    let earliest = arcs.earliest();
    let last = last(whole, &earliest);
    let latest = arcs.latest(whole, &earliest, last);
    let stages = descend(whole, options, &arcs, earliest, &latest);
    Ok(pipeline(circuit, stages, last, options))
}

/// The circuit with the ways of its results to the memory behind it, each a node of its own, so
/// that a register may stand before it.
fn with_memory(circuit: &Circuit) -> Circuit {
    let mut whole = circuit.clone();
    for output in &mut whole.outputs {
        let node = circuit.node(*output);
        let op = Op::Offset { x: Term::plain(*output), constant: 0, shift: 0 };
        *output = NodeId(whole.nodes.len() as u32);
        whole.nodes.push(Node { op, ..node.clone() });
    }
    whole
}

/// The schedule in which every node comes as early as it can: what [`schedule`] starts from, for
/// comparisons.
///
/// # Errors
/// Where an option is out of range.
pub fn earliest(circuit: &Circuit, options: &Options) -> Result<Pipeline> {
    options.validate()?;
    let whole = with_memory(circuit);
    let earliest = Arcs::new(&whole, Source::Registers, options)?.earliest();
    let last = last(&whole, &earliest);
    Ok(pipeline(circuit, earliest, last, options))
}

/// The stage of the last output.
fn last(circuit: &Circuit, stages: &[u32]) -> u32 {
    circuit.outputs.iter().map(|output| stages[output.index()]).max().unwrap_or(0)
}

fn pipeline(circuit: &Circuit, stages: Vec<u32>, last: u32, options: &Options) -> Pipeline {
    Pipeline {
        available: stages.into_iter().take(circuit.nodes.len()).map(Stage).collect(),
        leaves: vec![Stage(last); circuit.outputs.len()],
        multiplier_latency: options.multiplier_latency,
    }
}

/// All constraints: for each node v the pairs (u, k) with `stage(v) ≥ stage(u) + k`.
struct Arcs {
    before: Vec<Vec<(NodeId, u32)>>,
}

impl Arcs {
    fn new(circuit: &Circuit, source: Source, options: &Options) -> Result<Self> {
        let paths = Paths::new(circuit, source, true, options)?;
        let mut before: Vec<Vec<(NodeId, u32)>> = Vec::with_capacity(circuit.nodes.len());
        // For each node, where the paths that lead to it and may lie in its stage begin, each with
        // the longest from there.
        let mut reaching: Vec<Vec<(NodeId, Path)>> = Vec::with_capacity(circuit.nodes.len());
        for (id, node) in circuit.iter() {
            let operands =
                || node.op.operands().filter(|x| !matches!(circuit.node(*x).op, Op::Constant(_)));
            let delay = latency(&node.op, options.multiplier_latency);
            let mut arcs: Vec<(NodeId, u32)> = operands().map(|x| (x, delay)).collect();
            let mut starts: Vec<(NodeId, Path)> =
                operands().flat_map(|x| reaching[x.index()].iter().copied()).collect();
            Path::keep_longest(&mut starts, |start| *start);
            let own = paths.nodes[id.index()].then(paths.operands[id.index()]);
            // What is too long for one stage is in two at least.
            starts.retain_mut(|(start, path)| {
                *path = path.then(own);
                let fits = paths.fits(*path);
                if !fits {
                    arcs.push((*start, delay + 1));
                }
                fits
            });
            if delay > 0 {
                starts.clear();
            } else if !own.is_empty() {
                starts.push((id, own));
            }
            reaching.push(starts);
            // Of several arcs from one node the longest one says all.
            arcs.sort_unstable_by_key(|&(u, k)| (u, std::cmp::Reverse(k)));
            arcs.dedup_by_key(|&mut (u, _)| u);
            before.push(arcs);
        }
        Ok(Arcs { before })
    }

    fn earliest(&self) -> Vec<u32> {
        let mut stages: Vec<u32> = Vec::with_capacity(self.before.len());
        for arcs in &self.before {
            stages.push(arcs.iter().map(|(u, k)| stages[u.index()] + k).max().unwrap_or(0));
        }
        stages
    }

    /// Inputs and constants stay in stage 0; all outputs are in stage `last` at the latest. What no
    /// output of a segment reads may come later.
    fn latest(&self, circuit: &Circuit, earliest: &[u32], last: u32) -> Vec<u32> {
        let mut stages: Vec<u32> = earliest.iter().map(|&stage| stage.max(last)).collect();
        for v in (0..self.before.len()).rev() {
            if matches!(circuit.nodes[v].op, Op::Input(_) | Op::Constant(_)) {
                stages[v] = 0;
            }
            let stage = stages[v];
            for (u, k) in &self.before[v] {
                let slot = &mut stages[u.index()];
                *slot = (*slot).min(stage - k);
            }
        }
        stages
    }
}

/// A part of a node's delay line: so many bits, kept until the last of these readers.
struct Line {
    bits: u32,
    readers: Vec<NodeId>,
}

/// The delay line of each node as layers of bits: those that all readers need, then those that
/// fewer need, and so on. `None` for an output, which is kept to the end whoever reads it, and for
/// a constant, which has no registers.
fn lines(circuit: &Circuit) -> Vec<Option<Vec<Line>>> {
    let mut readings: Vec<Vec<(u32, NodeId)>> = vec![vec![]; circuit.nodes.len()];
    for (reader, node) in circuit.iter() {
        for operand in node.op.operands() {
            let width = circuit.node(operand).width;
            let bits =
                node.op.needed_bits(operand, node.width).map_or(width, |bits| bits.min(width));
            readings[operand.index()].push((bits, reader));
        }
    }
    let line = |mut readings: Vec<(u32, NodeId)>| {
        readings.sort_unstable();
        readings.dedup();
        let mut lines = vec![];
        let mut below = 0;
        for (i, &(bits, _)) in readings.iter().enumerate() {
            if bits > below {
                lines.push(Line {
                    bits: bits - below,
                    readers: readings[i..].iter().map(|(_, reader)| *reader).collect(),
                });
                below = bits;
            }
        }
        lines
    };
    let mut lines: Vec<Option<Vec<Line>>> =
        readings.into_iter().map(|readings| Some(line(readings))).collect();
    let constants =
        circuit.iter().filter(|(_, node)| matches!(node.op, Op::Constant(_))).map(|(id, _)| id);
    for id in constants.chain(circuit.outputs.iter().copied()) {
        lines[id.index()] = None;
    }
    lines
}

/// Moves sets of nodes later as long as that saves register bits.
fn descend(
    circuit: &Circuit,
    options: &Options,
    arcs: &Arcs,
    mut stages: Vec<u32>,
    latest: &[u32],
) -> Vec<u32> {
    let lines = lines(circuit);
    let delays: Vec<u32> =
        circuit.nodes.iter().map(|node| latency(&node.op, options.multiplier_latency)).collect();
    loop {
        let mut closure = Closure::default();
        let mut items: Vec<Option<u32>> = vec![None; stages.len()];
        for (u, node) in circuit.nodes.iter().enumerate() {
            if stages[u] < latest[u] {
                // One stage later: each bit of its delay line is kept one stage less.
                let bits = lines[u]
                    .as_ref()
                    .map_or(node.width, |lines| lines.iter().map(|line| line.bits).sum());
                items[u] = Some(closure.item(bits.into()));
            }
        }
        for (v, arcs) in arcs.before.iter().enumerate() {
            for &(u, k) in arcs {
                if let (Some(from), Some(to)) = (items[u.index()], items[v])
                    && stages[v] == stages[u.index()] + k
                {
                    closure.implies(from, to);
                }
            }
        }
        for line in lines.iter().flatten().flatten() {
            // When one of its last readers moves, they are kept one stage longer.
            let read = |v: &NodeId| stages[v.index()] - delays[v.index()];
            let until = line.readers.iter().map(read).max();
            let last = line
                .readers
                .iter()
                .filter(|v| Some(read(v)) == until)
                .filter_map(|v| items[v.index()]);
            let last: Vec<u32> = last.collect();
            let cost = -i64::from(line.bits);
            match last[..] {
                [] => {}
                [only] => closure.add_weight(only, cost),
                _ => {
                    let longer = closure.item(cost);
                    last.iter().for_each(|&reader| closure.implies(reader, longer));
                }
            }
        }
        let (moved, gain) = closure.solve();
        if gain == 0 {
            return stages;
        }
        for (stage, item) in stages.iter_mut().zip(&items) {
            if item.is_some_and(|item| moved[item as usize]) {
                *stage += 1;
            }
        }
    }
}
