//! Builds a circuit from a chain of the dataflow IR and the adder graphs of its matrices, whose
//! last inputs are the constants that are added to their rows.

use super::{Circuit, Node, NodeId, Op, Term, Terms, signs};
use crate::adder_graph::{self, AdderGraph, Operands};
use crate::interval::{Interval, floor_shift, round_shift};
use crate::ir::{self, Chain, Linear, Loaded, OpKind, Role};
use crate::lower;
use crate::multipliers::ShiftAdd;
use crate::ranges::{self, Sum};
use std::collections::{BTreeMap, BTreeSet};
use strassenc_runtime::{Error, Result};

/// Opens a chain; `graphs` are the adder graphs of its matrices, in order. The products of the rows
/// `shift_add`, in the numbers of the model, are made of shifts and additions.
///
/// Signs and shifts at the outputs of a graph cost nothing: a multiplier takes them into its
/// coefficient and shift, and a sum that has a constant as a term is computed with the other sign.
///
/// # Errors
/// Where a graph does not fit its matrix: a bug of ours.
pub fn build(chain: &Chain, graphs: &[&AdderGraph], shift_add: &BTreeSet<u32>) -> Result<Circuit> {
    let x = &chain.x;
    let operands = graphs.first().map_or(Operands::Two, |graph| graph.operands());
    let mut builder = Builder { chain, shift_add, operands, nodes: vec![] };
    let mut elements: Vec<Element> = (0..x.len()).map(|i| builder.input(i)).collect();
    let inputs = (0..x.len()).map(|i| NodeId(i as u32)).collect();
    let mut graphs = chain.linear().zip(graphs);
    for op in &chain.ops {
        elements = match &op.kind {
            OpKind::Linear { .. } => {
                let (linear, graph) =
                    graphs.next().ok_or_else(|| builder.error("an adder graph is missing"))?;
                let columns = linear.matrix.ncols() + linear.constants.len();
                if (graph.outputs.len(), graph.inputs) != (linear.matrix.nrows(), columns) {
                    return Err(builder.error("an adder graph does not fit its matrix"));
                }
                builder.linear(&linear, graph, elements, &op.result.indices)?
            }
            OpKind::Product => builder.products(op, &elements)?,
            OpKind::Multiply { .. } | OpKind::Offset { .. } | OpKind::Requantise { .. } => elements
                .iter()
                .enumerate()
                .map(|(i, &element)| builder.element(op, i, element))
                .collect::<Result<_>>()?,
        };
    }
    let last = chain.ops.last().map(|op| &op.kind);
    let letter = if matches!(last, Some(OpKind::Offset { .. })) { 'y' } else { 'z' };
    let outputs = (elements.iter().zip(&chain.result().indices))
        .map(|(&element, index)| match element {
            Element::Term(Term { node, shift: 0, negate: false }) => Ok(node),
            Element::Term(_) => Err(builder.error("an output has a sign or a shift of its own")),
            Element::Constant(v) => {
                let origin = format!("output {index}: takes a single value");
                Ok(builder.push(
                    format!("{letter}_{index}"),
                    Op::Constant(v),
                    Interval::point(v),
                    origin,
                ))
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let mut circuit = Circuit {
        name: chain.name.clone(),
        input_format: chain.input,
        output_format: chain.output,
        loaded: chain.loaded.is_some(),
        nodes: builder.nodes,
        inputs,
        outputs,
    };
    signs::of_constants(&mut circuit);
    signs::choose(&mut circuit);
    narrow(&mut circuit);
    Ok(circuit)
}

/// An element of a vector while the circuit grows.
#[derive(Clone, Copy)]
enum Element {
    Term(Term),
    Constant(i64),
}

struct Builder<'a> {
    chain: &'a Chain,
    shift_add: &'a BTreeSet<u32>,
    operands: Operands,
    nodes: Vec<Node>,
}

impl Builder<'_> {
    fn error(&self, cause: &str) -> Error {
        Error::internal(format_args!("circuit of layer `{}`", self.chain.name), cause)
    }

    fn push(&mut self, name: String, op: Op, interval: Interval, origin: String) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        let (width, signed) = (interval.bits(), interval.signed());
        self.nodes.push(Node { name, op, interval, width, signed, inverted: false, origin });
        id
    }

    fn input(&mut self, i: usize) -> Element {
        let index = self.chain.x.indices[i];
        let op = Op::Input(i as u32);
        let id = self.push(
            format!("x_{index}"),
            op,
            self.chain.x.intervals[i],
            format!("input {index}"),
        );
        Element::Term(Term::plain(id))
    }

    /// Opens the part of `graph` that its outputs need; `rows` are the outputs' indices in the
    /// model.
    fn linear(
        &mut self,
        linear: &Linear,
        graph: &AdderGraph,
        mut x: Vec<Element>,
        rows: &[usize],
    ) -> Result<Vec<Element>> {
        let role = linear.role;
        let constants: Vec<i64> = linear.constants.iter().map(|&(_, constant)| constant).collect();
        for &(row, constant) in &linear.constants {
            let range = linear.loaded.unwrap_or(Interval::point(constant));
            x.push(self.constant(role, rows[row], constant, range));
        }
        let serves = Served::new(graph);
        // In a block-diagonal matrix, rows from this one on are those of W_b.
        let r = self.chain.budget;
        let numbers: Vec<usize> =
            rows.iter().map(|&i| if role == Role::Wab && i >= r { i - r } else { i }).collect();
        let part = |node: usize| match role {
            Role::Wb => ("wb_add", "W_b"),
            Role::Wc => ("wc_add", "W_c"),
            Role::W => ("add", "W"),
            Role::Wab if serves.first(node).is_some_and(|c| rows[c] < r) => ("wa_add", "W_a"),
            Role::Wab => ("wb_add", "W_b"),
        };
        let first = self.nodes.len();
        let named = |i: usize, k: usize| {
            let (prefix, matrix) = part(i);
            // It is W whose columns are the outputs, and its transpose that is shared.
            let line = if role == Role::W { "column" } else { "row" };
            (format!("{prefix}_{k}"), format!("{matrix} {}", serves.lines(i, &numbers, line)))
        };
        let (outputs, sums) = self.open(graph, &x, &|i| serves.is_dead(i), &named)?;
        self.intervals(role, &constants, &x, first, &sums);
        Ok(outputs)
    }

    /// Opens a graph of `x`, but for its nodes that are `dead`. `named` tells the name and the
    /// origin of a node of the graph that is so many nodes behind the first. Returns the outputs,
    /// and the additions, whose intervals are to be found, as sums of x and of additions before.
    fn open(
        &mut self,
        graph: &AdderGraph,
        x: &[Element],
        dead: &dyn Fn(usize) -> bool,
        named: &dyn Fn(usize, usize) -> (String, String),
    ) -> Result<(Vec<Element>, Vec<Sum>)> {
        let first = self.nodes.len();
        // Where each node of the graph is in the circuit.
        let mut terms: Vec<Option<Term>> = vec![None; graph.nodes.len()];
        let mut sums: Vec<Sum> = vec![];
        let mut leaves: BTreeMap<NodeId, (usize, bool)> = BTreeMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            terms[i] = match *node {
                adder_graph::Node::Input(j) => match x.get(j as usize) {
                    Some(&Element::Term(term @ Term { shift: 0, .. })) => {
                        leaves.insert(term.node, (j as usize, term.negate));
                        Some(term)
                    }
                    _ => return Err(self.error("a matrix reads something other than a node")),
                },
                adder_graph::Node::Add(_) if dead(i) => None,
                adder_graph::Node::Add(read) => {
                    let read = read.iter().map(|t| {
                        let term = terms.get(t.node.index()).copied().flatten();
                        term.map(|term| composed(term, *t))
                    });
                    let mut sum = read
                        .collect::<Option<Vec<_>>>()
                        .and_then(|terms| Terms::new(&terms))
                        .ok_or_else(|| self.error("an addition reads a later node"))?;
                    sum.sort_by_key(|t| t.negate);
                    // A sign or a shift that all terms have moves to the readers.
                    let shift = sum.iter().map(|t| t.shift).min().unwrap_or(0);
                    let outer = Term { node: NodeId(0), shift, negate: sum[0].negate };
                    for term in &mut *sum {
                        term.shift -= outer.shift;
                        term.negate ^= outer.negate;
                    }
                    let entry = |t: &Term| match leaves.get(&t.node) {
                        Some(&(leaf, negate)) => (leaf, if negate { -t.of(1) } else { t.of(1) }),
                        None => (x.len() + t.node.index() - first, t.of(1)),
                    };
                    sums.push(sum.iter().map(entry).collect());
                    let (name, origin) = named(i, self.nodes.len() - first);
                    let id = self.push(name, Op::Add(sum), Interval::point(0), origin);
                    Some(Term { node: id, ..outer })
                }
            };
        }
        let output = |t: &Option<adder_graph::Term>| match t {
            None => Ok(Element::Constant(0)),
            Some(t) => match terms.get(t.node.index()).copied().flatten() {
                Some(term) => Ok(Element::Term(composed(term, *t))),
                None => Err(self.error("an output reads a node that is missing")),
            },
        };
        let outputs = graph.outputs.iter().map(output).collect::<Result<_>>()?;
        Ok((outputs, sums))
    }

    /// The intervals of the additions from `first` on, which are `sums` of x.
    fn intervals(
        &mut self,
        role: Role,
        constants: &[i64],
        x: &[Element],
        first: usize,
        sums: &[Sum],
    ) {
        let products = match role {
            Role::Wb | Role::Wab | Role::W => None,
            // What is loaded is independent of all else.
            Role::Wc if self.chain.loaded.is_some() => None,
            Role::Wc => lower::products(self.chain).map(|p| p.with_constants(constants)),
        };
        let ranges = match products {
            Some(products) => products.ranges(sums),
            None => ranges::of_sums(&self.leaves(x), sums),
        };
        self.set_intervals(first, &ranges[x.len()..]);
    }

    fn leaves(&self, x: &[Element]) -> Vec<Interval> {
        let leaf = |element: &Element| match element {
            Element::Term(t) => self.nodes[t.node.index()].interval,
            Element::Constant(v) => Interval::point(*v),
        };
        x.iter().map(leaf).collect()
    }

    /// Gives the nodes from `first` on their intervals.
    fn set_intervals(&mut self, first: usize, intervals: &[Interval]) {
        for (node, interval) in self.nodes[first..].iter_mut().zip(intervals) {
            (node.interval, node.width, node.signed) =
                (*interval, interval.bits(), interval.signed());
        }
    }

    /// What is added to row `row` of a matrix.
    fn constant(&mut self, role: Role, row: usize, v: i64, range: Interval) -> Element {
        let (name, origin) = match role {
            Role::Wc => (format!("bias_{row}"), format!("output {row}: bias and rounding")),
            Role::Wb | Role::Wab | Role::W => (
                format!("constant_{row}"),
                format!("W_b row {row}: elements that take a single value"),
            ),
        };
        Element::Term(Term::plain(self.push(name, Op::Constant(v), range, origin)))
    }

    /// The products of a two-operand layer. Their operands' signs go to their readers: they cost
    /// nothing there.
    fn products(&mut self, op: &ir::Op, operands: &[Element]) -> Result<Vec<Element>> {
        let (a, b) = operands.split_at(operands.len() / 2);
        let mut products = vec![];
        for (i, pair) in a.iter().zip(b).enumerate() {
            let (Element::Term(a), Element::Term(b)) = pair else {
                return Err(self.error("a product has a constant operand"));
            };
            let row = op.result.indices[i];
            let negate = a.negate ^ b.negate;
            let product = Op::Product { x: a.node, y: b.node, row: row as u32 };
            let interval =
                self.nodes[a.node.index()].interval.times(self.nodes[b.node.index()].interval);
            let id =
                self.push(format!("m_{row}"), product, interval, format!("product of row {row}"));
            products.push(Element::Term(Term { node: id, shift: a.shift + b.shift, negate }));
        }
        Ok(products)
    }

    /// The product of row `row`, made of shifts and additions.
    fn shift_add(
        &mut self,
        x: NodeId,
        made: &ShiftAdd,
        row: usize,
        interval: Interval,
    ) -> Result<Element> {
        let origin = format!("product of row {row}");
        let mut inputs = vec![Element::Term(Term::plain(x))];
        if let Some(v) = made.constant {
            let rounding = format!("product of row {row}: rounding");
            let id =
                self.push(format!("m_{row}_half"), Op::Constant(v), Interval::point(v), rounding);
            inputs.push(Element::Term(Term::plain(id)));
        }
        let first = self.nodes.len();
        let named = |_, k| (format!("m_{row}_add_{k}"), origin.clone());
        let (outputs, sums) = self.open(&made.graph, &inputs, &|_| false, &named)?;
        let ranges = ranges::of_sums(&self.leaves(&inputs), &sums);
        self.set_intervals(first, &ranges[inputs.len()..]);
        let [Element::Term(sum)] = outputs[..] else {
            return Err(self.error("a product is not one sum"));
        };
        // Of what is not rounded, the sign is the readers'.
        let negate = sum.negate && made.constant.is_none();
        let x = Term { negate: sum.negate && !negate, shift: 0, ..sum };
        let scale = Op::Scale { x, shift: made.shift - sum.shift as i32, row: row as u32 };
        let id = self.push(format!("m_{row}"), scale, interval.scale(negate, 0), origin);
        Ok(Element::Term(Term { node: id, shift: 0, negate }))
    }

    /// Element `i` of an operation that works element by element.
    fn element(&mut self, op: &ir::Op, i: usize, x: Element) -> Result<Element> {
        let index = op.result.indices[i];
        let interval = op.result.intervals[i];
        let term = match x {
            Element::Term(term) => term,
            Element::Constant(v) => {
                return Ok(Element::Constant(match &op.kind {
                    OpKind::Linear { .. } | OpKind::Product => {
                        unreachable!("not element by element")
                    }
                    OpKind::Multiply { coefficients, shifts, .. } => {
                        round_shift(coefficients[i] * v, shifts[i])
                    }
                    OpKind::Offset { constants } => v + constants[i],
                    OpKind::Requantise { constants, shifts, format } => {
                        format.saturate(round_shift(v + constants[i], shifts[i]))
                    }
                }));
            }
        };
        let id = match &op.kind {
            OpKind::Linear { .. } | OpKind::Product => unreachable!("not element by element"),
            OpKind::Multiply { coefficients, coefficient_bits, shifts } => {
                let coefficient = if term.negate { -coefficients[i] } else { coefficients[i] };
                let shift = shifts[i] - term.shift as i32;
                if self.shift_add.contains(&(index as u32))
                    && let Some(made) = ShiftAdd::new(coefficient, shift, self.operands)?
                {
                    return self.shift_add(term.node, &made, index, interval);
                }
                let (x, coefficient_bits, row) = (term.node, *coefficient_bits, index as u32);
                let multiply = Op::Multiply { x, coefficient, coefficient_bits, shift, row };
                let origin = format!("product of row {index}");
                self.push(format!("m_{index}"), multiply, interval, origin)
            }
            // Its constant is a term of the sum.
            OpKind::Offset { .. } if !std::ptr::eq(op, self.chain.ops.last().unwrap_or(op)) => {
                return Ok(x);
            }
            OpKind::Offset { .. } => {
                let offset = Op::Offset { x: term, constant: 0, shift: 0 };
                self.push(format!("y_{index}"), offset, interval, format!("output {index}"))
            }
            OpKind::Requantise { shifts, format, .. } => {
                // The least that can be loaded is wiring; the rest is shifted by what is loaded.
                let shift =
                    self.chain.loaded.map_or(shifts[i], |of| *of.shifts_of(shifts[i]).start());
                let bits = self.chain.loaded.map_or(0, Loaded::shift_bits);
                let offset = Op::Offset { x: term, constant: 0, shift };
                let sum = self.nodes[term.node.index()].interval.scale(term.negate, term.shift);
                let mut rounded = sum.map(|y| floor_shift(y, shift));
                let full = Interval::new(format.min(), format.max());
                let mut origin = format!("output {index}: rounding");
                let mut last = offset;
                if bits > 0 {
                    let y = self.push(format!("y_{index}"), offset, rounded, origin);
                    origin = format!("output {index}: shift");
                    let most = (1 << bits) - 1;
                    rounded = rounded.hull(rounded.map(|y| y >> most));
                    last = Op::Shift { x: y, by: (shifts[i] - shift) as u32, bits };
                }
                if full.includes(rounded) {
                    self.push(format!("z_{index}"), last, rounded, origin)
                } else {
                    let name = if bits > 0 { "shifted" } else { "y" };
                    let y = self.push(format!("{name}_{index}"), last, rounded, origin);
                    let clamp = Op::Clamp { x: y, lo: full.lo, hi: full.hi };
                    self.push(
                        format!("z_{index}"),
                        clamp,
                        interval,
                        format!("output {index}: saturation"),
                    )
                }
            }
        };
        Ok(Element::Term(Term::plain(id)))
    }
}

/// `outer` of what `inner` stands for.
fn composed(inner: Term, outer: adder_graph::Term) -> Term {
    Term { node: inner.node, shift: inner.shift + outer.shift, negate: inner.negate ^ outer.negate }
}

/// Narrows every node to what its readers need, last node first.
fn narrow(circuit: &mut Circuit) {
    // None: the exact value.
    let mut needed: Vec<Option<u32>> = vec![Some(0); circuit.nodes.len()];
    for output in &circuit.outputs {
        needed[output.index()] = None;
    }
    for i in (0..circuit.nodes.len()).rev() {
        let node = &mut circuit.nodes[i];
        match needed[i] {
            Some(bits) if bits > 0 => node.width = node.width.min(bits),
            _ => {}
        }
        for operand in node.op.operands() {
            let needs = node.op.needed_bits(operand, node.width);
            let slot = &mut needed[operand.index()];
            *slot = slot.zip(needs).map(|(a, b)| a.max(b));
        }
    }
}

/// The outputs of an adder graph that each of its nodes is part of.
struct Served {
    /// One bit per output.
    sets: Vec<Vec<u64>>,
}

impl Served {
    fn new(graph: &AdderGraph) -> Self {
        let mut sets = vec![vec![0u64; graph.outputs.len().div_ceil(64)]; graph.nodes.len()];
        for (c, output) in graph.outputs.iter().enumerate() {
            if let Some(term) = output {
                sets[term.node.index()][c / 64] |= 1 << (c % 64);
            }
        }
        for i in (0..graph.nodes.len()).rev() {
            let set = std::mem::take(&mut sets[i]);
            for operand in graph.nodes[i].terms() {
                for (to, from) in sets[operand.node.index()].iter_mut().zip(&set) {
                    *to |= from;
                }
            }
            sets[i] = set;
        }
        Served { sets }
    }

    fn is_dead(&self, node: usize) -> bool {
        self.sets[node].iter().all(|&word| word == 0)
    }

    /// The first output that a node is part of.
    fn first(&self, node: usize) -> Option<usize> {
        let set = &self.sets[node];
        let word = set.iter().position(|&word| word != 0)?;
        Some(64 * word + set[word].trailing_zeros() as usize)
    }

    /// `row 3`, or `rows 3, 17-19 and 12 more`, in the numbers of the model; `line` is `row`, or
    /// whatever a row is called.
    fn lines(&self, node: usize, rows: &[usize], line: &str) -> String {
        const RUNS: usize = 4;
        let set = &self.sets[node];
        let served: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(c, _)| set[c / 64] >> (c % 64) & 1 == 1)
            .map(|(_, &row)| row)
            .collect();
        let mut runs: Vec<(usize, usize)> = vec![];
        for &row in &served {
            match runs.last_mut() {
                Some((_, end)) if *end + 1 == row => *end = row,
                _ => runs.push((row, row)),
            }
        }
        let named: usize = runs.iter().take(RUNS).map(|(a, b)| b - a + 1).sum();
        let text: Vec<String> = runs
            .iter()
            .take(RUNS)
            .map(|&(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") })
            .collect();
        let plural = if served.len() == 1 { "" } else { "s" };
        let more = if named < served.len() {
            format!(" and {} more", served.len() - named)
        } else {
            String::new()
        };
        format!("{line}{plural} {}{more}", text.join(", "))
    }
}
