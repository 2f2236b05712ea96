//! How long a path between two registers is.

use super::{Limit, Options, Source};
use crate::circuit::{Circuit, Node, Op};
use crate::device::Delays;
use crate::interval::Interval;
use std::cmp::Reverse;
use strassenc_runtime::{Error, Result};

/// A way through nodes, as the schedule sees it: what they take one after the other, and the widest
/// of their carry chains. Chains that follow one another overlap, since a bit of the later one
/// waits for that bit of the earlier one alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) sum: u32,
    pub(super) widest: u32,
}

impl Path {
    /// This way, and then that one.
    pub(super) fn then(self, next: Path) -> Path {
        Path { sum: self.sum.saturating_add(next.sum), widest: self.widest.max(next.widest) }
    }

    /// A way that takes as long as either at least.
    pub(super) fn worst(self, other: Path) -> Path {
        Path { sum: self.sum.max(other.sum), widest: self.widest.max(other.widest) }
    }

    /// Keeps, of the ways with one key, those that are not shorter than another in every respect.
    pub(super) fn keep_longest<T, K: Ord>(ways: &mut Vec<T>, of: impl Fn(&T) -> (K, Path)) {
        ways.sort_by_key(|way| {
            let (key, path) = of(way);
            (key, Reverse((path.sum, path.widest)))
        });
        let mut widest: Option<(K, u32)> = None;
        ways.retain(|way| {
            let (key, path) = of(way);
            let longer = widest.as_ref().is_none_or(|(k, bits)| *k != key || *bits < path.widest);
            if longer {
                widest = Some((key, path.widest));
            }
            longer
        });
    }

    /// Whether nothing is on it.
    pub(super) fn is_empty(self) -> bool {
        self.sum == 0
    }
}

/// Of each node of a circuit, what lies on paths through it.
pub(super) struct Paths {
    pub(super) delays: Delays,
    /// The most that a path may take.
    pub(super) most: u32,
    /// The node's own way; of a multiplier none, since it begins at a register.
    pub(super) nodes: Vec<Path>,
    /// What lies between a multiplier's operand and the first of its registers.
    pub(super) operands: Vec<Path>,
    /// The longest way between two of a multiplier's registers.
    pub(super) within: Vec<Path>,
}

impl Paths {
    /// Those of no circuit.
    pub(super) fn empty(options: &Options) -> Self {
        let (delays, most) = match options.limit {
            Limit::Adders(most) => (Delays::ADDITIONS, most),
            Limit::Clock { device, period_ps } => (device.delays(), period_ps),
        };
        Paths { delays, most, nodes: vec![], operands: vec![], within: vec![] }
    }

    /// The paths of a circuit whose inputs come from `source`; where that is `stored`, its outputs
    /// go on to a memory.
    ///
    /// # Errors
    /// Where a node alone takes longer than a path may.
    pub(super) fn new(
        circuit: &Circuit,
        source: Source,
        stored: bool,
        options: &Options,
    ) -> Result<Self> {
        let mut paths = Paths::empty(options);
        let delays = paths.delays;
        let mut nodes: Vec<Path> = circuit.nodes.iter().map(|node| own(node, &delays)).collect();
        for output in circuit.outputs.iter().filter(|_| stored) {
            let path = &mut nodes[output.index()];
            *path = path.then(paths.memory());
        }
        if source == Source::Memory {
            for input in &circuit.inputs {
                nodes[input.index()] = paths.memory();
            }
        }
        paths.nodes = nodes;
        let most = paths.most;
        let mut longest = (0, None);
        for (id, node) in circuit.iter() {
            let (before, within) = match node.op {
                _ if node.op.is_multiplier() => paths.multiplier(node.width, options),
                _ => (Path::default(), Path::default()),
            };
            let takes = [paths.nodes[id.index()], before, within].map(|path| paths.takes(path));
            let takes = takes.into_iter().max().unwrap_or(0);
            if takes > longest.0 {
                longest = (takes, Some(node));
            }
            paths.operands.push(before);
            paths.within.push(within);
        }
        if let (takes, Some(Node { name: node, op, .. })) = longest
            && takes > most
        {
            return Err(too_slow(takes, most, &circuit.name, node, op.is_multiplier()));
        }
        Ok(paths)
    }

    /// The way from a memory, or to the one behind a segment.
    pub(super) fn memory(&self) -> Path {
        Path { sum: self.delays.memory, widest: 0 }
    }

    /// Whether such a path fits between two registers.
    pub(super) fn fits(&self, path: Path) -> bool {
        self.takes(path) <= self.most
    }

    /// How long the path is, in words.
    pub(super) fn told(&self, path: Path) -> String {
        let takes = self.takes(path);
        if self.delays == Delays::ADDITIONS {
            return format!("{takes} additions");
        }
        format!("a path of {:.2} ns", f64::from(takes) / 1000.0)
    }

    /// How long the path is, in the unit of the limit.
    pub(super) fn takes(&self, path: Path) -> u32 {
        if path.is_empty() {
            return 0;
        }
        let carries = self.delays.bit.saturating_mul(path.widest);
        self.delays.register.saturating_add(path.sum).saturating_add(carries)
    }

    /// What lies between a multiplier's operand and its first register, and the longest path
    /// between two of its registers, with products of so many bits.
    pub(super) fn multiplier(&self, width: u32, options: &Options) -> (Path, Path) {
        let none = Path::default();
        if matches!(options.limit, Limit::Adders(_)) {
            return (none, none);
        }
        let rounds = sum(width, 2, &self.delays);
        let block = Path { sum: self.delays.product, widest: 0 };
        match options.multiplier_latency {
            1 => (block.then(rounds), none),
            2 => (block, rounds),
            _ => {
                let inside = Path { sum: self.delays.pipelined_product, widest: 0 };
                (none, inside.worst(rounds))
            }
        }
    }
}

/// A node that takes longer than a path may, in picoseconds, and whether it is a multiplier.
pub(super) fn too_slow(takes: u32, most: u32, layer: &str, node: &str, multiplies: bool) -> Error {
    let cause = format!(
        "{:.1} MHz cannot be reached: node `{node}` of layer `{layer}` alone takes {:.2} ns",
        1e6 / f64::from(most),
        f64::from(takes) / 1000.0,
    );
    let fastest = (1e6 / f64::from(takes)).floor();
    let mut help = format!("the fastest clock of this layer is {fastest} MHz");
    if multiplies {
        help += "; `--multipliers auto` builds what is slower from shifts and additions";
    }
    Error::input("--clock", cause).help(help)
}

/// Whether a hardware multiplier with products in this interval has a path that is too long.
pub fn is_too_slow(product: Interval, options: &Options) -> bool {
    let paths = Paths::empty(options);
    let (before, within) = paths.multiplier(product.bits(), options);
    !paths.fits(before) || !paths.fits(within)
}

/// Whether a sum of so many bits and terms is a path that is too long.
pub fn is_sum_too_slow(bits: u32, terms: usize, options: &Options) -> bool {
    let paths = Paths::empty(options);
    !paths.fits(sum(bits, terms, &paths.delays))
}

/// Stages of so many sums of three terms and so many bits, one after the other.
pub fn stages(sums: u32, bits: u32, options: &Options) -> u32 {
    let paths = Paths::empty(options);
    let one = sum(bits, 3, &paths.delays);
    let fits = |n: &u32| paths.fits(Path { sum: one.sum.saturating_mul(*n), ..one });
    sums.div_ceil((1..=sums).take_while(fits).last().unwrap_or(1))
}

/// A sum of so many bits and terms.
pub(super) fn sum(bits: u32, terms: usize, delays: &Delays) -> Path {
    let third = if terms > 2 { delays.third } else { 0 };
    Path { sum: delays.sum + third, widest: bits }
}

/// What a node puts on a path that goes through it.
fn own(node: &Node, delays: &Delays) -> Path {
    match node.op {
        Op::Add(terms) => sum(node.width, terms.len(), delays),
        // Each of its bits chooses one of several, without a carry chain.
        Op::Shift { .. } => Path { sum: delays.sum, widest: 0 },
        Op::Clamp { .. } => sum(node.width, 2, delays),
        Op::Offset { .. } if !node.op.is_wires() => sum(node.width, 2, delays),
        Op::Offset { .. }
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Scale { .. }
        | Op::Multiply { .. }
        | Op::Product { .. } => Path::default(),
    }
}
