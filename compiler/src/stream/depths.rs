//! Depths of segments, and of the FIFOs where branches meet again: the least that never deadlocks,
//! and the least at full rate.

use super::primitive::Segment;
use super::timing::{self, Ending, Timing};
use super::{Graph, StreamId};
use std::collections::BTreeSet;
use strassenc_runtime::{Error, Result};

/// The depths of one FIFO in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The FIFO's position among the nodes.
    pub node: usize,
    /// The least depth without deadlock, where the others have theirs.
    pub live: usize,
    /// The least depth with which no word is ever later than with an unbounded one, at full rate.
    pub rate: usize,
}

/// How a core runs once it is full, with unbounded FIFOs: few frames of many words, more of few
/// words, more than a segment holds, and so many that at most half of them are inside at a time.
///
/// # Errors
/// Where the graph is stuck, a bug of ours, or the user interrupts.
pub fn full(graph: &Graph, stop: &(dyn Fn() -> bool + Sync)) -> Result<Timing> {
    let held = |(node, segment): (usize, &Segment)| {
        let words = graph.ends(&graph.nodes[node]).x().words;
        2 * segment.full_rate().div_ceil(words)
    };
    let held = graph.segments().map(held).max().unwrap_or(0);
    let words = graph.inputs().map(|(id, ..)| graph.streams[id.index()].words).max();
    let mut frames = (4000 / words.unwrap_or(1)).clamp(3, 24) + held;
    loop {
        let timing = unbounded(graph, frames, stop)?;
        let enough = 2 * timing.inside();
        if enough <= frames {
            return Ok(timing);
        }
        frames = enough;
    }
}

fn unbounded(graph: &Graph, frames: usize, stop: &(dyn Fn() -> bool + Sync)) -> Result<Timing> {
    match timing::simulate(graph, frames, stop)? {
        Ending::Done(timing) => Ok(timing),
        Ending::Deadlock(deadlock) => Err(Error::internal(
            "stream graph",
            format_args!("is stuck with unbounded FIFOs: {deadlock:?}"),
        )),
    }
}

/// Gives every segment, which has the depth of [`Segment::full_rate`], the least one with which no
/// result is ever later, one segment after the other, and yields how the core then runs. FIFOs are
/// unbounded yet.
///
/// # Errors
/// As [`full`].
///
/// [`Segment::full_rate`]: super::primitive::Segment::full_rate
pub fn segments(graph: &mut Graph, stop: &(dyn Fn() -> bool + Sync)) -> Result<Timing> {
    let due = full(graph, stop)?;
    let all: Vec<(usize, usize)> = graph.segments().map(|(i, of)| (i, of.depth)).collect();
    if all.is_empty() {
        return Ok(due);
    }
    let run = |graph: &Graph| unbounded(graph, due.shown.len(), stop);
    for (node, depth) in all {
        // Enough is known to be enough; what is less than `least` is not.
        let (mut least, mut enough) = (1, depth);
        while least < enough {
            let between = least.midpoint(enough);
            graph.set_depth(node, between);
            let own = run(graph)?;
            let in_time = own.shown == due.shown && own.heads == due.heads;
            if in_time { enough = between } else { least = between + 1 }
        }
        graph.set_depth(node, enough);
    }
    run(graph)
}

/// The depths of all FIFOs of a core that runs as `timing` says where they are unbounded.
///
/// *Live*: all begin with one word. Where the graph is stuck, a full FIFO whose join waits for its
/// other side becomes deeper by one word, the inner one first where a branch holds branches: with
/// less, the graph is stuck for ever, whatever stands around it, since the state in which a network
/// of queues is stuck depends on their depths alone. Where one FIFO leads to another, a word more
/// in either may do, so that in the end each becomes as short as the others let it be.
/// *Rate*: the most that each holds when it is unbounded. Where there are several inputs, the words
/// of one would run ahead of the other's for ever: where they meet it is the least with which no
/// result is later, one FIFO after the other.
///
/// # Errors
/// Where the graph is stuck for another reason, a bug of ours, or the user interrupts.
pub fn depths(
    graph: &Graph,
    timing: &Timing,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Depth>> {
    let mut least = graph.clone();
    let fifos: Vec<usize> = graph.fifos().collect();
    for &fifo in &fifos {
        least.set_depth(fifo, 1);
    }
    let mut grown = vec![1; graph.nodes.len()];
    let mut grow = |fifo: usize| {
        grown[fifo] += 1;
        true
    };
    // Frames enter while others are still inside, of images of few rows several.
    let frames = timing.shown.len();
    if !fifos.is_empty()
        && let Ending::Deadlock(deadlock) = timing::run(&least, frames, &mut grow, stop)?
    {
        return Err(Error::internal(
            "stream graph",
            format_args!("is stuck whatever its FIFOs hold: {deadlock:?}"),
        ));
    }
    let runs = |graph: &Graph| -> Result<bool> {
        Ok(matches!(timing::simulate(graph, frames, stop)?, Ending::Done(_)))
    };
    fifos.iter().for_each(|&fifo| least.set_depth(fifo, grown[fifo]));
    for &fifo in &fifos {
        // Less than `few` is known to be too few; nearly always it is one word less.
        let (mut few, mut enough) = (1, grown[fifo]);
        let mut tried = enough - 1;
        while few < enough {
            least.set_depth(fifo, tried);
            if runs(&least)? {
                enough = tried
            } else {
                few = tried + 1
            }
            tried = few.midpoint(enough);
        }
        least.set_depth(fifo, enough);
        grown[fifo] = enough;
    }
    let between = timing.occupied.iter().filter(|(node, _)| fifos.contains(node));
    let depth = |&(node, rate): &(usize, usize)| Depth { node, live: grown[node], rate };
    let mut depths: Vec<Depth> = between.map(depth).collect();
    if !graph.inputs.is_empty() {
        shorten(graph, timing, &mut depths, stop)?;
    }
    Ok(depths)
}

/// The depths at full rate where there are several inputs: of a FIFO whose join waits for what
/// comes from other inputs alone, the least one, not below the live one, with which no result is
/// later than it is with unbounded FIFOs; then of all others the most that they hold.
fn shorten(
    graph: &Graph,
    due: &Timing,
    depths: &mut [Depth],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<()> {
    let sources = sources(graph);
    let runs_ahead = |depth: &Depth| {
        let own = &sources[graph.nodes[depth.node].outputs[0].index()];
        other_side(graph, depth.node).is_some_and(|id| own.is_disjoint(&sources[id.index()]))
    };
    let mut trial = graph.clone();
    for depth in depths.iter_mut().filter(|depth| runs_ahead(depth)) {
        let (mut least, mut enough) = (depth.live, depth.rate.max(depth.live));
        while least < enough {
            let between = least.midpoint(enough);
            trial.set_depth(depth.node, between);
            let own = timing::simulate(&trial, due.shown.len(), stop)?;
            let in_time = matches!(&own, Ending::Done(own) if own.shown == due.shown
                && own.heads == due.heads);
            if in_time { enough = between } else { least = between + 1 }
        }
        trial.set_depth(depth.node, enough);
        depth.rate = enough;
    }
    let own = unbounded(&trial, due.shown.len(), stop)?;
    for depth in depths.iter_mut().filter(|depth| !runs_ahead(depth)) {
        let most = own.occupied.iter().find(|(node, _)| *node == depth.node);
        depth.rate = most.map_or(depth.rate, |(_, most)| *most);
    }
    Ok(())
}

/// The inputs that the words of each stream come from.
fn sources(graph: &Graph) -> Vec<BTreeSet<StreamId>> {
    let mut sources = vec![BTreeSet::new(); graph.streams.len()];
    for (id, ..) in graph.inputs() {
        sources[id.index()].insert(id);
    }
    for node in &graph.nodes {
        let all: BTreeSet<StreamId> =
            node.inputs.iter().flat_map(|id| sources[id.index()].clone()).collect();
        node.outputs.iter().for_each(|id| sources[id.index()].clone_from(&all));
    }
    sources
}

/// Of FIFOs that are full in a graph that is stuck, those whose joins wait for their other sides,
/// but not because the join of another one of them does.
pub(super) fn too_short(graph: &Graph, full: &[usize], valid: &[bool]) -> Vec<usize> {
    let awaited = |&fifo: &usize| {
        let other = other_side(graph, fifo).filter(|other| !valid[other.index()])?;
        let join = graph.nodes.iter().position(|node| node.inputs.contains(&other))?;
        Some((fifo, join, other))
    };
    let waits: Vec<_> = full.iter().filter_map(awaited).collect();
    let is_held_up = |own: usize, other: StreamId| {
        let (mut empty, mut seen) = (vec![other], vec![false; graph.streams.len()]);
        while let Some(stream) = empty.pop() {
            if std::mem::replace(&mut seen[stream.index()], true) {
                continue;
            }
            let from = graph.nodes.iter().position(|node| node.outputs.contains(&stream));
            if waits.iter().any(|(_, join, _)| *join != own && Some(*join) == from) {
                return true;
            }
            let inputs = from.map_or(&[][..], |from| &graph.nodes[from].inputs);
            empty.extend(inputs.iter().filter(|input| !valid[input.index()]));
        }
        false
    };
    let short = waits.iter().filter(|(_, join, other)| !is_held_up(*join, *other));
    short.map(|(fifo, ..)| *fifo).collect()
}

/// The stream that enters the join that a FIFO leads to by its other side.
pub(crate) fn other_side(graph: &Graph, fifo: usize) -> Option<StreamId> {
    let mut stream = graph.nodes[fifo].outputs[0];
    for node in &graph.nodes[fifo + 1..] {
        let Some(side) = node.inputs.iter().position(|id| *id == stream) else { continue };
        if let [_, _] = node.inputs[..] {
            return Some(node.inputs[1 - side]);
        }
        stream = node.outputs[0];
    }
    None
}
