//! Depths of the FIFOs where branches meet again: the least that never deadlocks, and the least at
//! full rate.

use super::timing::{self, Ending, Timing};
use super::{Graph, Primitive, StreamId};
use strassenc_runtime::{Error, Result};

/// The depths of one FIFO in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The FIFO's position among the nodes.
    pub node: usize,
    /// The least depth without deadlock.
    pub live: usize,
    /// The least depth with which no word is ever later than with an unbounded one, at full rate.
    pub rate: usize,
}

/// Frames that show how a core runs once it is full: few of many words, more of few words, of which
/// several are inside at a time.
pub fn frames(graph: &Graph) -> usize {
    (4000 / graph.streams[0].words).clamp(3, 24)
}

/// The depths of all FIFOs, and the timing with unbounded ones.
///
/// *Live*: all begin with one word. Where the graph is stuck, a full FIFO whose sum waits for its
/// other side becomes deeper by one word: with less, the graph is stuck for ever, whatever stands
/// around it, since the state in which a network of queues is stuck depends on their depths alone.
/// *Rate*: the most that each holds when it is unbounded.
///
/// # Errors
/// Where the graph is stuck for another reason, a bug of ours, or the user interrupts.
pub fn depths(graph: &Graph, stop: &(dyn Fn() -> bool + Sync)) -> Result<(Vec<Depth>, Timing)> {
    let mut least = graph.clone();
    let fifos: Vec<usize> = graph.fifos().collect();
    for &fifo in &fifos {
        least.set_depth(fifo, 1);
    }
    let mut grown = vec![1; graph.nodes.len()];
    let mut grow = |fifo: usize, valid: &[bool]| {
        let waits = other_side(graph, fifo).is_some_and(|other| !valid[other.index()]);
        grown[fifo] += usize::from(waits);
        waits
    };
    // Frames enter while others are still inside, of images of few rows several.
    let live = || {
        if fifos.is_empty() {
            Ok(None)
        } else {
            timing::run(&least, frames(graph), &mut grow, stop).map(Some)
        }
    };
    let (unbounded, live) = rayon::join(|| timing::simulate(graph, frames(graph), stop), live);
    let Ending::Done(timing) = unbounded? else {
        return Err(Error::internal("stream graph", "is stuck with unbounded FIFOs"));
    };
    if let Some(Ending::Deadlock(deadlock)) = live? {
        return Err(Error::internal(
            "stream graph",
            format_args!("is stuck whatever its FIFOs hold: {deadlock:?}"),
        ));
    }
    let between = timing.occupied.iter().filter(|(node, _)| fifos.contains(node));
    let depths = between.map(|&(node, rate)| Depth { node, live: grown[node], rate }).collect();
    Ok((depths, timing))
}

/// The stream that enters the sum that a FIFO leads to by its other side.
pub(crate) fn other_side(graph: &Graph, fifo: usize) -> Option<StreamId> {
    let mut stream = graph.nodes[fifo].outputs[0];
    for node in &graph.nodes[fifo + 1..] {
        let Some(side) = node.inputs.iter().position(|id| *id == stream) else { continue };
        match node.primitive {
            Primitive::Add(_) | Primitive::Highway(_) => return Some(node.inputs[1 - side]),
            _ => stream = node.outputs[0],
        }
    }
    None
}
