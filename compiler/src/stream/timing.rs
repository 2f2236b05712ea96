//! The timing of a stream graph: valid and ready of every stream, clock by clock, without data.
//!
//! Each node is what its primitive's header in `hw/` promises; tests compare the clocks with those of Verilator. A graph whose
//! state no longer changes while words are due is deadlocked for ever, since nothing in it depends on data or on chance.

use super::{Graph, Lines, Node, Primitive, StreamId};
use crate::ir::Windows;
use strassenc_runtime::{Error, Extent, Kind, Result};

/// The clocks at which frames pass, from power-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// When the last word of each frame was taken.
    pub taken: Vec<u64>,
    /// When the first word of each result was shown.
    pub shown: Vec<u64>,
    /// When the last word of each result was taken.
    pub done: Vec<u64>,
    /// The most words that each FIFO held, by position among the nodes.
    pub occupied: Vec<(usize, usize)>,
}

impl Timing {
    /// Clocks from the last input word of the first frame to its first output word; negative where that comes before.
    pub fn latency(&self) -> i64 {
        self.shown[0] as i64 - self.taken[0] as i64
    }

    /// The most clocks between two frames once the core is full: the largest interval of the later half of the run. In a core of
    /// few words a frame intervals may differ by a few clocks, frame by frame.
    pub fn interval(&self) -> u64 {
        let intervals: Vec<u64> = self.shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
        intervals[intervals.len() / 2..].iter().copied().max().unwrap_or(self.done[0] + 1)
    }

    /// The first frame from which on no interval is larger than that.
    pub fn warm_up(&self) -> u32 {
        let interval = self.interval();
        let kept = self.shown.windows(2).rev().take_while(|pair| pair[1] - pair[0] <= interval).count();
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
    /// Since when.
    pub clock: u64,
    /// The FIFOs that are full while the sum that they lead to waits for its other side: positions among the nodes.
    pub full: Vec<usize>,
    /// Streams on which a word waits.
    pub waiting: Vec<StreamId>,
}

/// Clocks between looks at `stop`.
const SLICE: u64 = 1 << 14;

/// Streams `frames` frames through the graph at full rate: words are always there, and taken at once.
///
/// # Errors
/// [`Kind::Interrupted`] where `stop` said so.
pub fn simulate(graph: &Graph, frames: usize, stop: &(dyn Fn() -> bool + Sync)) -> Result<Ending> {
    run(graph, frames, &mut |_, _| false, stop)
}

/// Like [`simulate`]; where the graph is stuck, every FIFO for which `grow` says so becomes deeper by one word, and it goes on.
pub(super) fn run(
    graph: &Graph,
    frames: usize,
    grow: &mut dyn FnMut(usize, &[bool]) -> bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Ending> {
    let mut states: Vec<State> = graph.nodes.iter().map(|node| State::new(node, graph)).collect();
    let n = graph.streams.len();
    let (mut valid, mut ready) = (vec![false; n], vec![false; n]);
    let (source, sink) = (0, graph.output.index());
    let (in_words, out_words) = ((frames * graph.streams[source].words) as u64, graph.streams[sink].words as u64);
    let (mut given, mut taken) = (0u64, 0u64);
    let mut timing = Timing { taken: vec![], shown: vec![], done: vec![], occupied: vec![] };
    let frame = graph.streams[source].words as u64;
    let ends = Ends::new(graph);
    // FIFOs that stand before what fills them.
    let later =
        |&i: &usize| graph.nodes[i].inputs.iter().any(|id| ends.out_of[id.index()].is_some_and(|from| from > i));
    let loops: Vec<usize> = (0..graph.nodes.len()).filter(later).collect();
    // A node whose state did not change at the last edge, and around which nothing changed since, does what it did: nothing.
    let mut changed = Set::full(graph.nodes.len());
    ready[sink] = true;
    for clock in 0.. {
        if clock % SLICE == 0 && stop() {
            return Err(Error::new(Kind::Interrupted, "timing", "was interrupted"));
        }
        let (mut forward, mut backward, mut stepped) = (changed.clone(), changed.clone(), changed.clone());
        if valid[source] != (given < in_words) {
            valid[source] = given < in_words;
            if let Some(to) = ends.into[source] {
                forward.insert(to);
                backward.insert(to);
                stepped.insert(to);
            }
        }
        for &i in &loops {
            // What fills it comes before it on the way back.
            let input = graph.nodes[i].inputs[0].index();
            let before = ready[input];
            states[i].backward(&graph.nodes[i], &valid, &mut ready);
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
            let before = [0, 1].map(|k| node.outputs.get(k).map(|id| valid[id.index()]));
            states[i].forward(node, &mut valid);
            for (id, before) in node.outputs.iter().zip(before) {
                if before != Some(valid[id.index()]) {
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
            let before = [0, 1].map(|k| node.inputs.get(k).map(|id| ready[id.index()]));
            states[i].backward(node, &valid, &mut ready);
            for (id, before) in node.inputs.iter().zip(before) {
                if before != Some(ready[id.index()]) {
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
            if states[i].step(&graph.nodes[i], &valid, &ready) {
                changed.insert(i);
                moved = true;
            }
        }
        if valid[source] && ready[source] {
            moved = true;
            given += 1;
            if given % frame == 0 {
                timing.taken.push(clock);
            }
        }
        if valid[sink] {
            moved = true;
            if taken % out_words == 0 {
                timing.shown.push(clock);
            }
            taken += 1;
            if taken % out_words == 0 {
                timing.done.push(clock);
                if timing.done.len() == frames {
                    break;
                }
            }
        }
        if !moved {
            let full =
                graph.fifos().filter(|&i| matches!(&states[i], State::Fifo { count, depth, .. } if count == depth));
            let full: Vec<usize> = full.filter(|&i| valid[graph.nodes[i].inputs[0].index()]).collect();
            for &i in &full {
                if let State::Fifo { depth, .. } = &mut states[i]
                    && grow(i, &valid)
                {
                    *depth += 1;
                    changed.insert(i);
                    moved = true;
                }
            }
            if !moved {
                let waits = |&i: &usize| super::depths::other_side(graph, i).is_some_and(|other| !valid[other.index()]);
                let full = full.into_iter().filter(waits).collect();
                let waiting = (0..n).filter(|&s| valid[s] && !ready[s]).map(|s| StreamId(s as u32)).collect();
                return Ok(Ending::Deadlock(Deadlock { clock, full, waiting }));
            }
        }
    }
    timing.occupied = (states.iter().enumerate())
        .filter_map(|(i, state)| if let State::Fifo { most, .. } = state { Some((i, *most)) } else { None })
        .collect();
    Ok(Ending::Done(timing))
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
        let of = |i: usize, word: u64| (word != 0).then(|| 64 * i + 63 - word.leading_zeros() as usize);
        let part = if rest > 0 { of(whole, self.0[whole] & ((1 << rest) - 1)) } else { None };
        part.or_else(|| (0..whole).rev().find_map(|i| of(i, self.0[i])))
    }
}

/// What a node remembers.
enum State {
    /// Combinational, and without memory that matters here.
    Through,
    /// A word waits in front, and another one where it is not ready then.
    Register {
        front: bool,
        ready: bool,
    },
    Fifo {
        count: usize,
        depth: usize,
        most: usize,
    },
    Fork {
        a: bool,
        b: bool,
    },
    Widen {
        count: usize,
        words: usize,
    },
    Serialiser {
        count: usize,
        beats: usize,
    },
    Repack(Repack),
    /// Stages of their own valid bits, in which bubbles collapse; bit 0 is the first.
    Kernel {
        stages: u32,
        valid: Vec<bool>,
    },
    /// Stages with one enable; the last one is what is shown.
    Pipe {
        stages: u32,
        bits: u64,
    },
    /// Such stages, and behind them a sum over several words.
    Array {
        stages: u32,
        bits: u64,
        count: usize,
        sums: usize,
        shown: bool,
    },
    Accumulate {
        count: usize,
        words: usize,
        shown: bool,
    },
    Lookup {
        count: usize,
        words: usize,
        shown: bool,
    },
    /// `at` is the next word of a frame, of which the first `x` come from x; in the first frame nothing comes back.
    Recall {
        at: usize,
        x: usize,
        words: usize,
        first: bool,
    },
    /// Whole frames in storage, and words of the next one; the next word to read of `reads`.
    Positions {
        frames: usize,
        written: usize,
        frame: usize,
        at: usize,
        reads: usize,
        shown: bool,
    },
    Window(Box<Window>),
    Reader(Box<Reader>),
    Patches(Box<Patches>),
}

impl State {
    fn new(node: &Node, graph: &Graph) -> Self {
        let lanes = |i: usize| graph.streams[node.inputs[i].index()].lanes;
        match &node.primitive {
            Primitive::Framer | Primitive::FrameEnd => State::Through,
            Primitive::Register => State::Register { front: false, ready: false },
            Primitive::Fifo { depth } => State::Fifo { count: 0, depth: *depth, most: 0 },
            Primitive::Fork => State::Fork { a: false, b: false },
            Primitive::Widen { words } | Primitive::Collector { beats: words } => {
                State::Widen { count: 0, words: *words }
            }
            Primitive::Repack { elements } => {
                let to = graph.streams[node.outputs[0].index()].lanes;
                State::Repack(Repack { from: lanes(0), to, elements: *elements, entered: 0, left: 0 })
            }
            Primitive::Serialiser { beats } => State::Serialiser { count: 0, beats: *beats },
            Primitive::Kernel { stages } => State::Kernel { stages: *stages, valid: vec![false; *stages as usize] },
            Primitive::MultiplierBank { .. } => State::Pipe { stages: 3, bits: 0 },
            Primitive::Requantise => State::Pipe { stages: 4, bits: 0 },
            Primitive::Add { .. } => State::Pipe { stages: 2, bits: 0 },
            Primitive::LstmCell => State::Pipe { stages: 14, bits: 0 },
            Primitive::Highway => State::Pipe { stages: 6, bits: 0 },
            Primitive::Tanh => State::Pipe { stages: 3, bits: 0 },
            Primitive::Positions(positions) => State::Positions {
                frames: 0,
                written: 0,
                frame: positions.characters * positions.words,
                at: 0,
                reads: positions.reads(),
                shown: false,
            },
            Primitive::Lookup { words } => State::Lookup { count: 0, words: *words, shown: false },
            Primitive::Recall { words: [x, h] } => State::Recall { at: 0, x: *x, words: x + h, first: true },
            Primitive::Array(array) => {
                let levels = lanes(0).next_power_of_two().trailing_zeros().max(1);
                State::Array { stages: 1 + levels, bits: 0, count: 0, sums: array.sums(), shown: false }
            }
            Primitive::Accumulate { count, .. } => State::Accumulate { count: 0, words: *count, shown: false },
            Primitive::Window(lines) => State::Window(Box::new(Window::new(*lines))),
            Primitive::Reader { lines, groups, repeats } => {
                let words = repeats * lines.windows.size.area() * lines.words;
                debug_assert!(lines.words.is_multiple_of(*groups));
                State::Reader(Box::new(Reader { rows: Rows::new(*lines), y: 0, x: 0, word: 0, words, shown: false }))
            }
            Primitive::Patches { patch, grid, image } => {
                let words = graph.streams[node.outputs[0].index()].words / image.pixels();
                State::Patches(Box::new(Patches::new(*patch, *grid, (image.height, image.width), words)))
            }
        }
    }

    /// What is valid, from inputs to outputs.
    fn forward(&self, node: &Node, valid: &mut [bool]) {
        let m = node.outputs[0].index();
        let s = valid[node.inputs[0].index()];
        valid[m] = match self {
            State::Through | State::Serialiser { .. } => s,
            State::Register { front, .. } => *front,
            State::Fifo { count, .. } => *count > 0,
            State::Fork { a, b } => {
                valid[node.outputs[1].index()] = s && !b;
                s && !a
            }
            State::Widen { count, words } => s && count + 1 == *words,
            State::Repack(repack) => repack.valid(),
            State::Kernel { stages, valid } => valid[*stages as usize - 1],
            State::Pipe { stages, bits } => bits >> (stages - 1) & 1 == 1,
            State::Array { shown, .. }
            | State::Accumulate { shown, .. }
            | State::Lookup { shown, .. }
            | State::Positions { shown, .. } => *shown,
            State::Recall { at, x, first, .. } => {
                if at < x {
                    s
                } else {
                    *first || valid[node.inputs[1].index()]
                }
            }
            State::Window(w) => w.pipe[1],
            State::Reader(r) => r.shown,
            State::Patches(p) => p.shown,
        };
    }

    /// What is ready, from outputs to inputs.
    fn backward(&self, node: &Node, valid: &[bool], ready: &mut [bool]) {
        let m = ready[node.outputs[0].index()];
        let shown = valid[node.outputs[0].index()];
        let advance = !shown || m;
        ready[node.inputs[0].index()] = match self {
            State::Through => m,
            State::Register { ready, .. } => *ready,
            State::Fifo { count, depth, .. } => count < depth,
            State::Fork { a, b } => (*a || m) && (*b || ready[node.outputs[1].index()]),
            State::Widen { count, words } => m || count + 1 != *words,
            State::Repack(repack) => repack.ready(m),
            State::Serialiser { count, beats } => m && count + 1 == *beats,
            State::Kernel { valid, .. } => m || valid.contains(&false),
            State::Pipe { .. } => match node.inputs.as_slice() {
                // A join takes both at once.
                [a, b] => {
                    ready[b.index()] = advance && valid[a.index()];
                    advance && valid[b.index()]
                }
                _ => advance,
            },
            State::Array { .. } | State::Accumulate { .. } => advance,
            State::Lookup { count, words, .. } => advance && count + 1 == *words,
            State::Recall { at, x, first, .. } => {
                ready[node.inputs[1].index()] = m && at >= x && !first;
                m && at < x
            }
            State::Positions { frames, .. } => *frames < 2,
            State::Window(w) => w.rows.ready(),
            State::Reader(r) => r.rows.ready(),
            State::Patches(p) => p.stripes < 2,
        };
    }

    /// One rising edge; whether anything changed.
    fn step(&mut self, node: &Node, valid: &[bool], ready: &[bool]) -> bool {
        let (s, m) = (node.inputs[0].index(), node.outputs[0].index());
        let accept = valid[s] && ready[s];
        let leave = valid[m] && ready[m];
        let advance = !valid[m] || ready[m];
        match self {
            State::Through => accept,
            State::Register { front, ready: open } => {
                let before = (*front, *open);
                let free = !*front || ready[m];
                let more = accept || *front && !*open;
                if free {
                    *front = more;
                }
                *open = free || !more;
                accept || before != (*front, *open)
            }
            State::Fifo { count, most, .. } => {
                if accept {
                    // A word enters only where there is room before another one leaves.
                    *most = (*most).max(*count + 1);
                }
                *count = *count + usize::from(accept) - usize::from(leave);
                accept || leave
            }
            State::Fork { a, b } => {
                let b_leaves = valid[node.outputs[1].index()] && ready[node.outputs[1].index()];
                *a = !accept && (*a || leave);
                *b = !accept && (*b || b_leaves);
                leave || b_leaves
            }
            State::Widen { count, words } => {
                if accept {
                    *count = (*count + 1) % *words;
                }
                accept
            }
            State::Repack(repack) => {
                repack.step(accept, leave);
                accept || leave
            }
            State::Serialiser { count, beats } => {
                if leave {
                    *count = (*count + 1) % *beats;
                }
                leave
            }
            State::Kernel { valid: bits, .. } => {
                // All up to the last bubble move; all of them where the last one leaves.
                let moves = if ready[m] { Some(bits.len() - 1) } else { bits.iter().rposition(|v| !v) };
                let Some(end) = moves else { return false };
                let changed = accept || bits[..=end].contains(&true);
                bits[..=end].rotate_right(1);
                bits[0] = accept;
                changed
            }
            State::Pipe { stages, bits } => {
                if !advance {
                    return false;
                }
                let before = *bits;
                let enters = node.inputs.iter().all(|s| valid[s.index()] && ready[s.index()]);
                *bits = (*bits << 1 | u64::from(enters)) & ((1 << *stages) - 1);
                before != *bits || enters
            }
            State::Array { stages, bits, count, sums, shown } => {
                if !advance {
                    return false;
                }
                let changed = accept || *bits != 0 || *shown;
                *shown = false;
                if *bits >> (*stages - 1) & 1 == 1 {
                    *count += 1;
                    *shown = *count == *sums;
                    *count %= *sums;
                }
                *bits = (*bits << 1 | u64::from(accept)) & ((1 << *stages) - 1);
                changed
            }
            State::Accumulate { count, words, shown } => {
                if !advance {
                    return false;
                }
                let changed = accept || *shown;
                *shown = false;
                if accept {
                    *count += 1;
                    *shown = *count == *words;
                    *count %= *words;
                }
                changed
            }
            State::Lookup { count, words, shown } => {
                if !advance {
                    return false;
                }
                let changed = valid[s] || *shown;
                *shown = valid[s];
                if valid[s] {
                    *count = (*count + 1) % *words;
                }
                changed
            }
            State::Recall { at, words, first, .. } => {
                if leave {
                    *at = (*at + 1) % *words;
                    *first &= *at > 0;
                }
                leave
            }
            State::Positions { frames, written, frame, at, reads, shown } => {
                let mut changed = accept;
                if advance {
                    changed |= *shown || *frames > 0;
                    *shown = *frames > 0;
                    if *shown {
                        *at = (*at + 1) % *reads;
                        *frames -= usize::from(*at == 0);
                    }
                }
                if accept {
                    *written = (*written + 1) % *frame;
                    *frames += usize::from(*written == 0);
                }
                changed
            }
            State::Window(w) => w.step(accept, advance),
            State::Reader(r) => r.step(accept, advance),
            State::Patches(p) => p.step(accept, advance),
        }
    }
}

/// A frame in words of another width.
struct Repack {
    from: usize,
    to: usize,
    elements: usize,
    /// Elements of the frame that have entered, and those that have left.
    entered: usize,
    left: usize,
}

impl Repack {
    /// Whether the word that leaves next is the last one of the frame, and there.
    fn finishing(&self) -> bool {
        self.entered == self.elements && self.left + self.to >= self.elements
    }

    fn valid(&self) -> bool {
        self.entered - self.left >= self.to || self.finishing()
    }

    fn ready(&self, m: bool) -> bool {
        let waiting = self.entered - self.left;
        if self.entered == self.elements {
            self.finishing() && m
        } else {
            waiting < self.to || (m && waiting < 2 * self.to)
        }
    }

    fn step(&mut self, accept: bool, leave: bool) {
        if leave && self.finishing() {
            (self.entered, self.left) = (0, 0);
        } else if leave {
            self.left += self.to;
        }
        if accept {
            self.entered = (self.entered + self.from).min(self.elements);
        }
    }
}

/// Rows of an image in storage: what both readers share.
struct Rows {
    lines: Lines,
    /// Rows completely written, less those that are no longer needed.
    occupied: i64,
    /// Pixels of the row that is being written.
    column: usize,
    /// Words of its next pixel.
    word: usize,
}

impl Rows {
    fn new(lines: Lines) -> Self {
        Rows { lines, occupied: 0, column: 0, word: 0 }
    }

    fn ready(&self) -> bool {
        self.occupied < self.lines.slots() as i64
    }

    fn accept(&mut self) {
        self.word += 1;
        if self.word == self.lines.words {
            (self.word, self.column) = (0, self.column + 1);
        }
        if self.column == self.lines.image.width {
            (self.column, self.occupied) = (0, self.occupied + 1);
        }
    }

    fn available(&self, y: usize, column: usize) -> bool {
        let reach = self.lines.reach(y) as i64;
        self.occupied > reach || (self.occupied == reach && self.column > column)
    }

    /// Goes on to the next row of windows.
    fn release(&mut self, y: &mut usize) {
        self.occupied -= self.lines.released(*y) as i64;
        *y = (*y + 1) % self.lines.windows.rows;
    }
}

struct Window {
    rows: Rows,
    y: usize,
    /// The next column of this row of windows.
    step: usize,
    /// The next column of the row before, counted on; beyond the last window where none of it is due.
    tail: usize,
    /// Whether a window is complete in each column, counted on.
    completes: Vec<bool>,
    steps: usize,
    read: usize,
    pipe: [bool; 2],
}

impl Window {
    fn new(lines: Lines) -> Self {
        let steps = lines.steps();
        let mut completes = vec![false; lines.completes().last().unwrap_or(0) + 1];
        lines.completes().for_each(|q| completes[q] = true);
        Window {
            rows: Rows::new(lines),
            y: 0,
            step: 0,
            tail: completes.len(),
            completes,
            steps,
            read: lines.columns_read(),
            pipe: [false; 2],
        }
    }

    fn step(&mut self, accept: bool, advance: bool) -> bool {
        let mut changed = accept;
        if advance {
            // A row of windows begins once nothing can part its columns: what the row before still wants comes between them.
            let wanted = self.completes.len().saturating_sub(self.tail);
            let due = wanted > 0;
            let column = (self.step + wanted.max(1) - 1).min(self.read - 1);
            let complete = |column: usize| self.completes.get(column).copied().unwrap_or(false);
            let mut completes = false;
            let mut ends = false;
            if self.step >= self.read || self.rows.available(self.y, column) {
                completes = complete(self.step) || complete(self.tail);
                self.tail += usize::from(due);
                self.step += 1;
                ends = self.step == self.steps;
                changed = true;
            } else if due {
                completes = complete(self.tail);
                self.tail += 1;
                changed = true;
            }
            changed |= self.pipe != [false; 2];
            self.pipe = [completes, self.pipe[0]];
            if ends {
                self.step = 0;
                self.tail = self.steps;
                self.rows.release(&mut self.y);
            }
        }
        if accept {
            self.rows.accept();
        }
        changed
    }
}

struct Reader {
    rows: Rows,
    y: usize,
    x: usize,
    /// The next word of the window.
    word: usize,
    /// Words of a window, with all repetitions.
    words: usize,
    shown: bool,
}

impl Reader {
    fn step(&mut self, accept: bool, advance: bool) -> bool {
        let mut changed = accept;
        if advance {
            let lines = self.rows.lines;
            let Windows { size, stride, pad, .. } = lines.windows;
            let last = (self.x * stride.w + size.w - 1 - pad.w).min(lines.image.width - 1);
            changed |= self.shown;
            self.shown = self.word > 0 || self.rows.available(self.y, last);
            if self.shown {
                changed = true;
                self.word += 1;
                if self.word == self.words {
                    (self.word, self.x) = (0, self.x + 1);
                    if self.x == lines.windows.columns {
                        self.x = 0;
                        self.rows.release(&mut self.y);
                    }
                }
            }
        }
        if accept {
            self.rows.accept();
        }
        changed
    }
}

struct Patches {
    patch: Extent,
    grid: (usize, usize),
    image: (usize, usize),
    /// Words of a pixel.
    words: usize,
    stripes: usize,
    /// Whole patches of the stripe that is being written.
    patches: usize,
    /// Words of its next patch.
    written: usize,
    /// The next word to read: row of patches, row within, column, word.
    at: [usize; 4],
    shown: bool,
}

impl Patches {
    fn new(patch: Extent, grid: (usize, usize), image: (usize, usize), words: usize) -> Self {
        Patches { patch, grid, image, words, stripes: 0, patches: 0, written: 0, at: [0; 4], shown: false }
    }

    fn step(&mut self, accept: bool, advance: bool) -> bool {
        let mut changed = accept;
        let mut released = false;
        if advance {
            changed |= self.shown;
            let [stripe, row, column, word] = self.at;
            self.shown = self.stripes > 0 || column / self.patch.w < self.patches;
            if self.shown {
                changed = true;
                let rows = (self.image.0 - stripe * self.patch.h).min(self.patch.h);
                self.at = match (word + 1 == self.words, column + 1 == self.image.1, row + 1 == rows) {
                    (false, ..) => [stripe, row, column, word + 1],
                    (_, false, _) => [stripe, row, column + 1, 0],
                    (.., false) => [stripe, row + 1, 0, 0],
                    _ => {
                        released = true;
                        [(stripe + 1) % self.grid.0, 0, 0, 0]
                    }
                };
            }
        }
        let mut complete = false;
        if accept {
            self.written += 1;
            if self.written == self.patch.area() * self.words {
                (self.written, self.patches) = (0, self.patches + 1);
                complete = self.patches == self.grid.1;
                self.patches %= self.grid.1;
            }
        }
        self.stripes = self.stripes + usize::from(complete) - usize::from(released);
        changed
    }
}
