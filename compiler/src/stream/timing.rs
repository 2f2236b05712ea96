//! The timing of a stream graph: valid and ready of every stream, clock by clock, without data.
//!
//! Each node is what its primitive's header in `hw/` promises; tests compare the clocks with those
//! of Verilator. A graph whose state no longer changes while words are due is deadlocked for ever,
//! since nothing in it depends on data or on chance.

use super::primitive::{Around, Hands, State};
use super::{Graph, Node, StreamId};
use strassenc_runtime::{Error, Kind, Result};

/// The clocks at which frames pass, from power-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The clock at which the last word of each frame was taken, on whatever input that was.
    pub taken: Vec<u64>,
    /// The clock at which the first word of each result was shown.
    pub shown: Vec<u64>,
    /// The clock at which the last word of each result was taken.
    pub done: Vec<u64>,
    /// The clock at which the first word of each frame of each head was shown.
    pub heads: Vec<Vec<u64>>,
    /// The most words that each FIFO held, by position among the nodes.
    pub occupied: Vec<(usize, usize)>,
}

impl Timing {
    /// Clocks from the last input word of the first frame to its first output word; negative where
    /// that comes before.
    pub fn latency(&self) -> i64 {
        self.shown[0] as i64 - self.taken[0] as i64
    }

    /// The same of each head.
    pub fn latencies_of_heads(&self) -> impl Iterator<Item = i64> {
        self.heads.iter().map(|shown| shown[0] as i64 - self.taken[0] as i64)
    }

    /// The most clocks between two frames once the core is full: the largest interval of the later
    /// half of the run. In a core of few words a frame intervals may differ by a few clocks, frame
    /// by frame.
    pub fn interval(&self) -> u64 {
        let intervals: Vec<u64> = self.shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
        intervals[intervals.len() / 2..].iter().copied().max().unwrap_or(self.done[0] + 1)
    }

    /// Frames that have entered as a whole and not left, once the core is full and none waits for
    /// its turn: as many as enter while the first one is inside.
    pub fn inside(&self) -> usize {
        let heads = self.heads.iter().map(|shown| shown[0]);
        let left = heads.fold(self.done[0], u64::max);
        left.saturating_sub(self.taken[0]).div_ceil(self.interval()) as usize
    }

    /// The first frame from which on no interval is larger than that.
    pub fn warm_up(&self) -> u32 {
        let interval = self.interval();
        let kept =
            self.shown.windows(2).rev().take_while(|pair| pair[1] - pair[0] <= interval).count();
        (self.shown.len() - 1 - kept) as u32
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All frames came out.
    Done(Timing),
    /// No word moves any more.
    Deadlock(Deadlock),
}

/// A graph that is stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The clock since which nothing moves.
    pub clock: u64,
    /// The FIFOs that are full while the join that they lead to waits for its other side, and by
    /// no fault of another of them: positions among the nodes.
    pub full: Vec<usize>,
    /// Streams on which a word waits.
    pub waiting: Vec<StreamId>,
}

/// Clocks between looks at `stop`.
const SLICE: u64 = 1 << 14;

/// Streams `frames` frames through the graph at full rate: words of every input are always there,
/// and taken at once.
///
/// # Errors
/// [`Kind::Interrupted`] where `stop` said so.
pub fn simulate(graph: &Graph, frames: usize, stop: &(dyn Fn() -> bool + Sync)) -> Result<Ending> {
    run(graph, frames, &mut |_| false, stop)
}

/// Simulates as [`simulate`] does; where the graph is stuck, every [full](Deadlock::full) FIFO for
/// which `grow` says so becomes deeper by one word, and it goes on.
pub(super) fn run(
    graph: &Graph,
    frames: usize,
    grow: &mut dyn FnMut(usize) -> bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Ending> {
    let mut states: Vec<Box<dyn State>> =
        graph.nodes.iter().map(|node| node.primitive.part().state(&graph.ends(node))).collect();
    let n = graph.streams.len();
    let (mut valid, mut ready) = (vec![false; n], vec![false; n]);
    let mut sources: Vec<Source> =
        graph.inputs().map(|(id, ..)| Source::new(graph, id, frames)).collect();
    let mut sinks: Vec<Sink> = graph.outputs().map(|(id, ..)| Sink::new(graph, id)).collect();
    let ends = Ends::new(graph);
    // FIFOs that stand before what fills them.
    let later = |&i: &usize| {
        graph.nodes[i].inputs.iter().any(|id| ends.out_of[id.index()].is_some_and(|from| from > i))
    };
    let loops: Vec<usize> = (0..graph.nodes.len()).filter(later).collect();
    // A node whose state did not change at the last edge, and around which nothing changed since,
    // does what it did: nothing.
    let mut changed = Set::full(graph.nodes.len());
    sinks.iter().for_each(|sink| ready[sink.stream] = true);
    for clock in 0.. {
        if clock % SLICE == 0 && stop() {
            return Err(Error::new(Kind::Interrupted, "timing", "was interrupted"));
        }
        let (mut forward, mut backward, mut stepped) =
            (changed.clone(), changed.clone(), changed.clone());
        for source in &sources {
            if std::mem::replace(&mut valid[source.stream], source.is_open()) == source.is_open() {
                continue;
            }
            if let Some(to) = ends.into[source.stream] {
                forward.insert(to);
                backward.insert(to);
                stepped.insert(to);
            }
        }
        for &i in &loops {
            // What fills it comes before it on the way back.
            let input = graph.nodes[i].inputs[0].index();
            let before = ready[input];
            ready[input] = states[i].ready(&around(&graph.nodes[i], &valid, &ready))[0];
            if before != ready[input]
                && let Some(from) = ends.out_of[input]
            {
                backward.insert(from);
                stepped.insert(from);
                stepped.insert(i);
            }
        }
        let mut at = 0;
        while let Some(i) = forward.next_from(at) {
            at = i + 1;
            let node = &graph.nodes[i];
            let now = states[i].valid(&around(node, &valid, &ready));
            for (id, now) in node.outputs.iter().zip(now) {
                if std::mem::replace(&mut valid[id.index()], now) != now {
                    backward.insert(i);
                    stepped.insert(i);
                    if let Some(to) = ends.into[id.index()] {
                        forward.insert(to);
                        backward.insert(to);
                        stepped.insert(to);
                    }
                }
            }
        }
        let mut at = graph.nodes.len();
        while let Some(i) = backward.last_before(at) {
            at = i;
            let node = &graph.nodes[i];
            let now = states[i].ready(&around(node, &valid, &ready));
            for (id, now) in node.inputs.iter().zip(now) {
                if std::mem::replace(&mut ready[id.index()], now) != now {
                    stepped.insert(i);
                    if let Some(from) = ends.out_of[id.index()] {
                        backward.insert(from);
                        stepped.insert(from);
                    }
                }
            }
        }
        changed = Set::empty(graph.nodes.len());
        let mut moved = false;
        let mut at = 0;
        while let Some(i) = stepped.next_from(at) {
            at = i + 1;
            if states[i].step(&around(&graph.nodes[i], &valid, &ready)) {
                changed.insert(i);
                moved = true;
            }
        }
        for source in sources.iter_mut().filter(|of| valid[of.stream] && ready[of.stream]) {
            moved = true;
            source.give(clock);
        }
        for sink in sinks.iter_mut().filter(|sink| valid[sink.stream]) {
            moved = true;
            sink.take(clock);
        }
        if sinks.iter().all(|sink| sink.done.len() >= frames) {
            break;
        }
        if !moved {
            let full: Vec<usize> = (graph.fifos())
                .filter(|&i| states[i].fifo().is_some_and(|held| held.count == held.depth))
                .filter(|&i| valid[graph.nodes[i].inputs[0].index()])
                .collect();
            let full = super::depths::too_short(graph, &full, &valid);
            for &i in &full {
                if let Some(held) = states[i].fifo()
                    && grow(i)
                {
                    held.depth += 1;
                    changed.insert(i);
                    moved = true;
                }
            }
            if !moved {
                let waiting =
                    (0..n).filter(|&s| valid[s] && !ready[s]).map(|s| StreamId(s as u32)).collect();
                return Ok(Ending::Deadlock(Deadlock { clock, full, waiting }));
            }
        }
    }
    let occupied = (states.iter_mut().enumerate())
        .filter_map(|(i, state)| Some((i, state.fifo()?.most)))
        .collect();
    let mut sinks = sinks.into_iter();
    // A graph has an output.
    let (shown, done) = sinks.next().map_or_else(Default::default, |main| (main.shown, main.done));
    let heads = sinks.map(|sink| sink.shown).collect();
    // A frame is inside once that of each input is.
    let all = sources.iter().map(|source| source.taken.len()).min().unwrap_or(0);
    let last = |frame: usize| sources.iter().map(|source| source.taken[frame]).max();
    let taken = (0..all).filter_map(last).collect();
    Ok(Ending::Done(Timing { taken, shown, done, heads, occupied }))
}

/// What enters the core, a word as soon as the one before it was taken.
struct Source {
    stream: usize,
    /// Words of a frame, and of all frames.
    words: u64,
    all: u64,
    given: u64,
    taken: Vec<u64>,
}

impl Source {
    fn new(graph: &Graph, id: StreamId, frames: usize) -> Self {
        let words = graph.streams[id.index()].words as u64;
        Source { stream: id.index(), words, all: frames as u64 * words, given: 0, taken: vec![] }
    }

    fn is_open(&self) -> bool {
        self.given < self.all
    }

    fn give(&mut self, clock: u64) {
        self.given += 1;
        if self.given.is_multiple_of(self.words) {
            self.taken.push(clock);
        }
    }
}

/// Who takes what leaves the core, at once.
struct Sink {
    stream: usize,
    /// Words of a frame.
    words: u64,
    taken: u64,
    shown: Vec<u64>,
    done: Vec<u64>,
}

impl Sink {
    fn new(graph: &Graph, id: StreamId) -> Self {
        let words = graph.streams[id.index()].words as u64;
        Sink { stream: id.index(), words, taken: 0, shown: vec![], done: vec![] }
    }

    fn take(&mut self, clock: u64) {
        if self.taken.is_multiple_of(self.words) {
            self.shown.push(clock);
        }
        self.taken += 1;
        if self.taken.is_multiple_of(self.words) {
            self.done.push(clock);
        }
    }
}

/// What happens around a node.
fn around(node: &Node, valid: &[bool], ready: &[bool]) -> Around {
    let hands = |ids: &[StreamId]| {
        let of = |id: &StreamId| Hands { valid: valid[id.index()], ready: ready[id.index()] };
        [0, 1].map(|i| ids.get(i).map(of).unwrap_or_default())
    };
    Around { s: hands(&node.inputs), m: hands(&node.outputs) }
}

/// The node that each stream leaves, and the one that it enters.
struct Ends {
    out_of: Vec<Option<usize>>,
    into: Vec<Option<usize>>,
}

impl Ends {
    fn new(graph: &Graph) -> Self {
        let n = graph.streams.len();
        let mut ends = Ends { out_of: vec![None; n], into: vec![None; n] };
        for (i, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|id| ends.into[id.index()] = Some(i));
            node.outputs.iter().for_each(|id| ends.out_of[id.index()] = Some(i));
        }
        ends
    }
}

/// A set of nodes.
#[derive(Clone)]
struct Set(Vec<u64>);

impl Set {
    fn empty(n: usize) -> Self {
        Set(vec![0; n.div_ceil(64)])
    }

    fn full(n: usize) -> Self {
        let mut set = Set::empty(n);
        (0..n).for_each(|i| set.insert(i));
        set
    }

    fn insert(&mut self, i: usize) {
        self.0[i / 64] |= 1 << (i % 64);
    }

    /// The first one from `at` on.
    fn next_from(&self, at: usize) -> Option<usize> {
        let mut mask = u64::MAX << (at % 64);
        for (i, word) in self.0.iter().enumerate().skip(at / 64) {
            if word & mask != 0 {
                return Some(64 * i + (word & mask).trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    /// The last one before `at`.
    fn last_before(&self, at: usize) -> Option<usize> {
        let (whole, rest) = (at / 64, at % 64);
        let of =
            |i: usize, word: u64| (word != 0).then(|| 64 * i + 63 - word.leading_zeros() as usize);
        let part = if rest > 0 { of(whole, self.0[whole] & ((1 << rest) - 1)) } else { None };
        part.or_else(|| (0..whole).rev().find_map(|i| of(i, self.0[i])))
    }
}
