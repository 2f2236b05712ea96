//! Linear circuits whose nodes are sums of any number of terms: what the optimiser works on.
//!
//! Against an [`AdderGraph`], the order in which the terms of a sum are added is open, and so is
//! the choice of the two operands of each addition. A sum of p terms costs p - 1 adders.

use super::share::Operands;
use super::{AdderGraph, Matrix, Node, NodeId, Term, Terms};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// A signal with a sign and a shift, `(-1)^negate · signal · 2^shift`, in one word: signal, shift,
/// sign from the top down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Summand(u32);

impl Summand {
    /// Signals that can be told apart.
    pub const MAX_SIGNALS: usize = 1 << 25;

    /// `(-1)^negate · signal · 2^shift`, with `shift` below 64.
    #[inline]
    pub fn new(signal: u32, shift: u32, negate: bool) -> Self {
        debug_assert!((signal as usize) < Self::MAX_SIGNALS && shift < 64);
        Summand(signal << 7 | shift << 1 | u32::from(negate))
    }

    /// The signal.
    #[inline]
    pub fn signal(self) -> u32 {
        self.0 >> 7
    }

    /// The shift in bits.
    #[inline]
    pub fn shift(self) -> u32 {
        self.0 >> 1 & 63
    }

    /// Whether it is subtracted.
    #[inline]
    pub fn negate(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Two signals at a fixed distance: `newer + (-1)^negate · older · 2^distance`. Packed: newer,
/// older, distance, sign from the top down, so that the natural order prefers new signals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair(u64);

impl Pair {
    /// The pair of `newer` and `older`.
    pub fn new(newer: u32, older: u32, distance: i32, negate: bool) -> Self {
        Pair(
            u64::from(newer) << 39
                | u64::from(older) << 14
                | ((distance + 64) as u64) << 1
                | u64::from(negate),
        )
    }

    /// The pair of `newer` and `older`.
    pub fn newer(self) -> u32 {
        (self.0 >> 39) as u32
    }

    /// The older signal.
    #[inline]
    pub fn older(self) -> u32 {
        (self.0 >> 14) as u32 & (Summand::MAX_SIGNALS as u32 - 1)
    }

    /// The shift of the older against the newer.
    #[inline]
    pub fn distance(self) -> i32 {
        (self.0 >> 1 & 127) as i32 - 64
    }

    /// Whether their signs differ.
    #[inline]
    pub fn negate(self) -> bool {
        self.0 & 1 == 1
    }

    /// The pair that two terms of a sum are.
    #[inline]
    pub fn of(s: Summand, t: Summand) -> Self {
        let (newer, older) =
            if s.signal() > t.signal() || s.signal() == t.signal() && s.shift() < t.shift() {
                (s, t)
            } else {
                (t, s)
            };
        Pair::new(
            newer.signal(),
            older.signal(),
            older.shift() as i32 - newer.shift() as i32,
            newer.negate() ^ older.negate(),
        )
    }

    /// The whole pair in one word.
    #[inline]
    pub fn word(self) -> u64 {
        self.0
    }
}

/// A linear circuit of sums. Signal i is input i for `i < inputs` and node `i - inputs` from there
/// on.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Number of inputs.
    pub inputs: usize,
    /// The nodes in topological order, each with at least one term.
    pub nodes: Vec<Vec<Summand>>,
    /// The sums that are wanted.
    pub outputs: Vec<Vec<Summand>>,
}

impl Sums {
    /// Adders that the sums take.
    pub fn adders(&self, operands: Operands) -> usize {
        self.nodes.iter().chain(&self.outputs).map(|terms| operands.adders(terms.len())).sum()
    }

    /// Inputs that more than one term reads: those that sharing is about.
    pub fn shared_inputs(&self) -> usize {
        let mut reads = vec![0u32; self.inputs];
        for term in self.nodes.iter().chain(&self.outputs).flatten() {
            if let Some(reads) = reads.get_mut(term.signal() as usize) {
                *reads += 1;
            }
        }
        reads.into_iter().filter(|reads| *reads > 1).count()
    }

    /// The circuit of the transposed matrix: every edge reversed, inputs and outputs exchanged
    /// (Bordewijk 1957).
    ///
    /// If every input is used, every output is a sum and every node is used, `adders(Wᵀ) =
    /// adders(W) + n_in - n_out` with n_in and n_out those of Wᵀ.
    pub fn transpose(&self) -> Sums {
        let (n_in, n_nodes, n_out) = (self.inputs, self.nodes.len(), self.outputs.len());
        let mut transposed = Sums {
            inputs: n_out,
            nodes: vec![Vec::new(); n_nodes],
            outputs: vec![Vec::new(); n_in],
        };
        // Node i of n becomes node n - 1 - i.
        let rows = self.nodes.iter().enumerate().map(|(i, terms)| (n_out + n_nodes - 1 - i, terms));
        for (signal, terms) in rows.chain(self.outputs.iter().enumerate()) {
            for term in terms {
                let row = match (term.signal() as usize).checked_sub(n_in) {
                    Some(node) => &mut transposed.nodes[n_nodes - 1 - node],
                    None => &mut transposed.outputs[term.signal() as usize],
                };
                row.push(Summand::new(signal as u32, term.shift(), term.negate()));
            }
        }
        transposed
    }

    /// Opens every sum into two-operand additions, each as shallow as its terms allow.
    ///
    /// `outputs[i]` of the result is the sum `wanted[i].0` with the shift and sign given there.
    pub fn into_graph(
        self,
        wanted: &[Option<(usize, u32, bool)>],
        operands: Operands,
    ) -> AdderGraph {
        let mut builder = Builder {
            nodes: (0..self.inputs as u32).map(Node::Input).collect(),
            depths: vec![0; self.inputs],
            operands,
        };
        // What each signal has become.
        let mut terms: Vec<Term> = (0..self.inputs as u32)
            .map(|i| Term { node: NodeId(i), shift: 0, negate: false })
            .collect();
        for sum in &self.nodes {
            let term = builder.sum(sum, &terms).expect("a node has terms");
            terms.push(term);
        }
        let outputs: Vec<Option<Term>> =
            self.outputs.iter().map(|sum| builder.sum(sum, &terms)).collect();
        let outputs = wanted
            .iter()
            .map(|want| {
                let (sum, shift, negate) = (*want)?;
                outputs[sum].map(|t| Term {
                    node: t.node,
                    shift: t.shift + shift,
                    negate: t.negate ^ negate,
                })
            })
            .collect();
        AdderGraph { nodes: builder.nodes, inputs: self.inputs, outputs }
    }
}

/// Two-operand additions under construction.
struct Builder {
    nodes: Vec<Node>,
    depths: Vec<u32>,
    operands: Operands,
}

impl Builder {
    /// Adds the terms up, always the two of least depth: no order of additions is shallower.
    fn sum(&mut self, sum: &[Summand], terms: &[Term]) -> Option<Term> {
        let mut heap: BinaryHeap<Reverse<(u32, u32, u32, bool)>> = sum
            .iter()
            .map(|s| {
                let t = terms[s.signal() as usize];
                Reverse((
                    self.depths[t.node.index()],
                    t.node.0,
                    t.shift + s.shift(),
                    t.negate ^ s.negate(),
                ))
            })
            .collect();
        // Of an even number of terms, three at a time, one adder takes two: the first, which is the
        // shallowest.
        let mut three = self.operands == Operands::Three && heap.len() % 2 == 1;
        let next = |heap: &mut BinaryHeap<Reverse<(u32, u32, u32, bool)>>| {
            let Reverse((depth, node, shift, negate)) = heap.pop()?;
            Some((depth, Term { node: NodeId(node), shift, negate }))
        };
        while let Some((_, a)) = next(&mut heap) {
            let Some((depth, b)) = next(&mut heap) else { return Some(a) };
            let (depth, c) = match three.then(|| next(&mut heap)).flatten() {
                Some((depth, c)) => (depth, Some(c)),
                None => (depth, None),
            };
            three = self.operands == Operands::Three;
            let sum = self.add(a, b, c);
            heap.push(Reverse((depth + 1, sum.node.0, sum.shift, sum.negate)));
        }
        None
    }

    /// One addition. Common shifts and signs are taken out, so that a term without a sign comes
    /// first.
    fn add(&mut self, a: Term, b: Term, c: Option<Term>) -> Term {
        let mut terms = c.map_or(Terms::Two([a, b]), |c| Terms::Three([a, b, c]));
        let shift = terms.iter().map(|t| t.shift).min().unwrap_or(0);
        let negate = terms.iter().all(|t| t.negate);
        terms.iter_mut().for_each(|t| {
            t.shift -= shift;
            t.negate ^= negate;
        });
        terms.sort_by_key(|t| t.negate);
        let depth = terms.iter().map(|t| self.depths[t.node.index()]).max().unwrap_or(0);
        self.depths.push(1 + depth);
        self.nodes.push(Node::Add(terms));
        Term { node: NodeId(self.nodes.len() as u32 - 1), shift, negate }
    }
}

/// The distinct rows of a matrix, and where each row went.
pub struct Reduced {
    /// One output per distinct row, in canonical signed digits; rows that are zero, or a distinct
    /// row negated or times a power of two, are left out.
    pub sums: Sums,
    /// The output that each row of the matrix is, times `2^shift`, negated or not; `None` for a
    /// zero row.
    pub wanted: Vec<Option<(usize, u32, bool)>>,
}

/// Reduces a matrix to its distinct rows.
pub fn reduce(matrix: &Matrix) -> Reduced {
    let mut index: HashMap<Vec<Summand>, usize> = HashMap::new();
    let mut sums = Sums { inputs: matrix.ncols(), ..Sums::default() };
    let wanted = matrix
        .rows()
        .into_iter()
        .map(|row| {
            let shift = row.iter().filter(|&&v| v != 0).map(|v| v.trailing_zeros()).min()?;
            let negate = row.iter().find(|&&v| v != 0).is_some_and(|&v| v < 0);
            let mut terms = Vec::new();
            for (column, &v) in row.iter().enumerate() {
                let v = i64::from(v) >> shift;
                each_digit(if negate { -v } else { v }, |shift, minus| {
                    terms.push(Summand::new(column as u32, shift, minus));
                });
            }
            let next = sums.outputs.len();
            let sum = *index.entry(terms).or_insert_with_key(|terms| {
                sums.outputs.push(terms.clone());
                next
            });
            Some((sum, shift, negate))
        })
        .collect();
    Reduced { sums, wanted }
}

/// Calls `digit(shift, negative)` for each nonzero digit of the canonical signed-digit form of `v`.
pub fn each_digit(mut v: i64, mut digit: impl FnMut(u32, bool)) {
    let mut shift = 0;
    while v != 0 {
        let zeros = v.trailing_zeros();
        v >>= zeros;
        shift += zeros;
        // The odd rest is 1 or -1 modulo 4: subtracting that digit leaves the next one zero.
        let negative = v & 3 == 3;
        digit(shift, negative);
        v -= if negative { -1 } else { 1 };
    }
}
