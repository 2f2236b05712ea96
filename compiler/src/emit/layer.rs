//! One layer's pipeline as a module.

use super::expression::{Source, clamp, literal, shifted, slice, sum};
use super::names;
use super::provenance::{Provenance, ascii};
use crate::circuit::{Circuit, Node, NodeId, Op, Term, Terms};
use crate::schedule::{self, Pipeline};
use askama::Template;
use std::borrow::Cow;
use std::collections::BTreeMap;
pub(crate) use strassenc_runtime::error::count;
use strassenc_runtime::{Error, Format, Result};

/// The clock of a pipeline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// There is none, since there is no register.
    None,
    /// `clk`.
    Free,
    /// `clk`, where `clken` is high.
    Enabled,
}

#[derive(Template)]
#[template(path = "layer.v")]
struct Layer<'a> {
    header: String,
    summary: String,
    module: &'a str,
    clock: Clock,
    clken: bool,
    input_bits: u32,
    input: String,
    output_bits: u32,
    output: String,
    /// Whether there is any register.
    clocked: bool,
    inputs: Vec<Input<'a>>,
    /// What is loaded at run time, the first one where the chain enters.
    parameters: Vec<Parameter<'a>>,
    /// The bits of `s_data` and the inputs that nothing reads.
    unused: String,
    stages: Vec<Stage<'a>>,
    outputs: String,
}

struct Input<'a> {
    name: &'a str,
    high: u32,
    value: String,
}

/// A parameter that is loaded at run time.
struct Parameter<'a> {
    name: Cow<'a, str>,
    origin: Cow<'a, str>,
    bits: u32,
    /// The ends of its part of the chain.
    enters: String,
    leaves: String,
}

struct Stage<'a> {
    number: u32,
    summary: String,
    wires: Vec<Wire<'a>>,
    multipliers: Vec<Multiplier<'a>>,
    products: Vec<Product<'a>>,
    /// What this stage computes into the boundary at its end.
    registers: Vec<Register<'a>>,
    /// What it hands on to that boundary, declared by width.
    copies: Vec<Copies>,
    copied: Vec<Copy<'a>>,
    /// The bits that its clamps do not read.
    unused: String,
}

struct Wire<'a> {
    name: &'a str,
    high: u32,
    value: String,
    /// Low bits of `value` that are dropped.
    dropped: u32,
    /// The terms of a sum of three, which is a `strassenc_add3`; `value` is for people then.
    terms: Vec<Addend>,
    origin: Cow<'a, str>,
}

/// A term of a sum of three.
struct Addend {
    port: char,
    /// The port in the names of parameters.
    letter: char,
    value: String,
    bits: u32,
    signed: u8,
    shift: u32,
    negate: u8,
}

struct Multiplier<'a> {
    instance: String,
    product: String,
    product_bits: u32,
    origin: Cow<'a, str>,
    x: String,
    operand_bits: u32,
    operand_signed: u8,
    coefficient: String,
    /// Whether `coefficient` is a register's name, and not a value.
    loaded: bool,
    coefficient_value: i64,
    coefficient_bits: u32,
    shift: i32,
    latency: u32,
}

/// A multiplier of data by data.
struct Product<'a> {
    instance: String,
    product: String,
    product_bits: u32,
    origin: Cow<'a, str>,
    operands: [Operand; 2],
    latency: u32,
}

struct Operand {
    value: String,
    bits: u32,
    signed: u8,
}

struct Register<'a> {
    name: &'a str,
    high: u32,
    value: String,
    origin: Cow<'a, str>,
}

struct Copy<'a> {
    name: &'a str,
    from: String,
}

struct Copies {
    high: u32,
    names: String,
}

pub(super) struct Writer<'a> {
    circuit: &'a Circuit,
    pipeline: &'a Pipeline,
    delay_lines: Vec<Vec<u32>>,
    /// Whether another node reads the value in the very stage that computes it.
    read_at_once: Vec<bool>,
    /// Whether anything reads it.
    read: Vec<bool>,
}

impl<'a> Writer<'a> {
    pub fn new(circuit: &'a Circuit, pipeline: &'a Pipeline) -> Self {
        let mut read_at_once = vec![false; circuit.nodes.len()];
        let mut read = read_at_once.clone();
        for (id, node) in circuit.iter() {
            let stage = pipeline.reads(circuit, id);
            for operand in node.op.operands() {
                read[operand.index()] = true;
                read_at_once[operand.index()] |= pipeline.available(operand) == stage;
            }
        }
        for (output, leaves) in circuit.outputs.iter().zip(&pipeline.leaves) {
            read[output.index()] = true;
            read_at_once[output.index()] |= pipeline.available(*output) == leaves.0;
        }
        Writer { circuit, pipeline, delay_lines: pipeline.delay_lines(circuit), read_at_once, read }
    }

    /// The text of module `module`, which is `what`.
    ///
    /// # Errors
    /// Where the names of the circuit clash with those of the module: a bug of ours.
    pub fn emit(
        &self,
        module: &str,
        what: &str,
        clock: Clock,
        provenance: &Provenance,
    ) -> Result<String> {
        check_names(self.circuit)?;
        let text = self.layer(module, what, clock, provenance).render();
        text.map(|text| text + "\n")
            .map_err(|e| Error::internal(format_args!("template of {what}"), e))
    }

    fn layer<'b>(
        &'b self,
        module: &'b str,
        what: &str,
        clock: Clock,
        provenance: &Provenance,
    ) -> Layer<'b> {
        let circuit = self.circuit;
        let (input, output) = (circuit.input_format, circuit.output_format);
        let (inputs, unused) = self.inputs();
        let multipliers = circuit.count(|op| op.row().is_some());
        let additions = circuit.nodes.iter().filter(|n| matches!(n.op, Op::Add(_)));
        let additions = additions.filter(|n| !circuit.adds_constant(&n.op)).count();
        let description = |n: usize, format: Format, stages: Vec<u32>, verb: &str| {
            let (first, last) = (stages.iter().min(), stages.iter().max());
            let (first, last) = (first.unwrap_or(&0), last.unwrap_or(&0));
            let stages = if first == last {
                format!("stage {first}")
            } else {
                format!("stages {first} to {last}, each in its own")
            };
            let (elements, format) = (count(n, "element"), format.to_string());
            format!("{elements} of {}, which {verb} in {stages}", ascii(&format))
        };
        let arrive = circuit.inputs.iter().map(|&id| self.pipeline.available(id)).collect();
        let leave = self.pipeline.leaves.iter().map(|stage| stage.0).collect();
        let latency = self.pipeline.latency(circuit);
        Layer {
            header: provenance.header(module, what),
            summary: format!(
                "{}{}, {}, {} register bits",
                if multipliers > 0 { count(multipliers, "multiplier") + ", " } else { "".into() },
                count(additions, "addition"),
                count(latency as usize, "stage"),
                self.pipeline.register_bits(circuit),
            ),
            module,
            clock,
            clken: clock == Clock::Enabled,
            input_bits: circuit.inputs.len() as u32 * input.bits,
            input: description(circuit.inputs.len(), input, arrive, "arrive"),
            output_bits: circuit.outputs.len() as u32 * output.bits,
            output: description(circuit.outputs.len(), output, leave, "leave"),
            clocked: circuit.count(Op::is_multiplier) > 0
                || self.delay_lines.iter().any(|line| !line.is_empty()),
            inputs,
            parameters: self.parameters(),
            unused,
            stages: self.stages(),
            outputs: self.outputs(),
        }
    }

    /// The wires of the inputs that are read, and what of `s_data` is not.
    fn inputs(&self) -> (Vec<Input<'a>>, String) {
        let bits = self.circuit.input_format.bits;
        let mut inputs = vec![];
        let mut unused = vec![];
        for (i, &id) in self.circuit.inputs.iter().enumerate() {
            let node = self.circuit.node(id);
            let low = i as u32 * bits;
            let width = if self.read[id.index()] { node.width.min(bits) } else { 0 };
            if width > 0 {
                let value = slice("s_data", low + width - 1, low);
                inputs.push(Input { name: &node.name, high: width - 1, value });
            }
            if width < bits {
                unused.push(slice("s_data", low + bits - 1, low + width));
            }
        }
        (inputs, wrapped(&unused, "        "))
    }

    fn parameters(&self) -> Vec<Parameter<'a>> {
        let own = self.circuit.nodes.iter().filter(|node| self.circuit.is_loaded(&node.op));
        let last = own.clone().count();
        let mut parameters = vec![];
        for (i, node) in (1..).zip(own) {
            let (name, bits) = match node.op {
                Op::Multiply { row, coefficient_bits, .. } => {
                    (format!("coefficient_{row}").into(), coefficient_bits)
                }
                Op::Shift { bits, .. } => (shift_of(node).into(), bits),
                _ => (node.name.as_str().into(), node.width),
            };
            let link = |i: usize| match i {
                0 => "load_in".into(),
                i if i == last => "load_out".into(),
                i => format!("load_{i}"),
            };
            let (enters, leaves) = (link(i - 1), link(i));
            parameters.push(Parameter { name, origin: ascii(&node.origin), bits, enters, leaves });
        }
        parameters
    }

    fn stages(&self) -> Vec<Stage<'a>> {
        let (first, stages) = (self.pipeline.first(self.circuit), self.pipeline.stages());
        // What each stage computes, reads into multipliers, and hands on, in the circuit's order.
        // Inputs that nothing reads may come after the last stage.
        let last = self.pipeline.available.iter().map(|stage| stage.0).max().unwrap_or(0);
        let mut computed = vec![vec![]; last.max(stages) as usize + 1];
        let mut multiplied = computed.clone();
        let mut handed_on = computed.clone();
        for (id, node) in self.circuit.iter() {
            let available = self.pipeline.available(id);
            match node.op {
                _ if node.op.is_multiplier() => {
                    multiplied[self.pipeline.reads(self.circuit, id) as usize].push(id)
                }
                _ => computed[available as usize].push(id),
            }
            for stage in (available..).take(self.delay_lines[id.index()].len()) {
                handed_on[stage as usize].push(id);
            }
        }
        (first..stages)
            .map(|s| {
                self.stage(
                    s,
                    &computed[s as usize],
                    &multiplied[s as usize],
                    &handed_on[s as usize],
                )
            })
            .collect()
    }

    fn stage(
        &self,
        number: u32,
        computed: &[NodeId],
        multiplied: &[NodeId],
        held: &[NodeId],
    ) -> Stage<'a> {
        let mut wires = vec![];
        for &id in computed {
            let node = self.circuit.node(id);
            if matches!(node.op, Op::Input(_) | Op::Constant(_)) || !self.is_wire(id) {
                continue;
            }
            let terms = self.addends(id, number);
            wires.push(Wire {
                name: &node.name,
                high: node.width - 1,
                value: if terms.is_empty() { self.value(id, number) } else { self.told(id) },
                dropped: self.circuit.node(id).op.dropped(),
                terms,
                origin: ascii(&node.origin),
            });
        }
        let multipliers = multiplied.iter().filter_map(|&id| self.multiplier(id, number)).collect();
        let products = multiplied.iter().filter_map(|&id| self.product(id, number)).collect();

        let mut registers = vec![];
        let mut copied = vec![];
        let mut widths: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for &id in held {
            let node = self.circuit.node(id);
            let width = self.width(id, number + 1);
            if self.pipeline.available(id) == number
                && !node.op.is_multiplier()
                && !self.is_wire(id)
            {
                registers.push(Register {
                    name: &node.name,
                    high: width - 1,
                    value: self.value(id, number),
                    origin: ascii(&node.origin),
                });
            } else {
                let from = self.with_source(id, number, |x| x.either(node.inverted, 0, width));
                copied.push(Copy { name: &node.name, from });
                widths.entry(width).or_default().push(format!("p{}_{}", number + 1, node.name));
            }
        }
        let copies = widths
            .into_iter()
            .map(|(width, names)| Copies { high: width - 1, names: wrapped(&names, "        ") })
            .collect();
        let unused: Vec<_> = computed.iter().filter_map(|&id| self.clamp(id, number).1).collect();
        Stage {
            number,
            unused: wrapped(&unused, "        "),
            summary: self.summary(computed, multiplied.len(), held.len()),
            wires,
            multipliers,
            products,
            registers,
            copies,
            copied,
        }
    }

    fn summary(&self, computed: &[NodeId], multipliers: usize, held: usize) -> String {
        let ops = |f: &dyn Fn(&Op) -> bool| {
            computed.iter().filter(|id| f(&self.circuit.node(**id).op)).count()
        };
        let adds_constant = |op: &Op| self.circuit.adds_constant(op);
        let parts = [
            (ops(&|op| matches!(op, Op::Add(_)) && !adds_constant(op)), "addition"),
            (ops(&adds_constant), "constant addition"),
            (ops(&|op| matches!(op, Op::Shift { .. })), "shift"),
            (ops(&|op| matches!(op, Op::Clamp { .. })), "clamp"),
            (multipliers, "multiplier"),
            (held, "register"),
        ];
        let named: Vec<_> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| count(*n, what)).collect();
        if named.is_empty() { "nothing is computed".into() } else { named.join(", ") }
    }

    /// Whether the value is a wire of its own, not only what a register loads.
    fn is_wire(&self, id: NodeId) -> bool {
        let op = &self.circuit.node(id).op;
        matches!(op, Op::Input(_) | Op::Add(Terms::Three(_)))
            || self.read_at_once[id.index()]
            || self.circuit.node(id).op.dropped() > 0
    }

    /// The terms of a sum of three, as stage `stage` reads them, the subtracted ones last; none of
    /// any other node.
    fn addends(&self, id: NodeId, stage: u32) -> Vec<Addend> {
        let node = self.circuit.node(id);
        let Op::Add(Terms::Three(terms)) = node.op else { return vec![] };
        let addend = |t: &Term| {
            let room = node.width.saturating_sub(t.shift);
            let (bits, signed, shift) = match self.circuit.node(t.node).op {
                _ if room == 0 => return (1, 0, 0, t.negate, literal(0, 1)),
                Op::Constant(_) if !self.circuit.loaded => (room, 0, t.shift),
                _ => {
                    let width = self.width(t.node, stage);
                    (width.min(room), self.circuit.node(t.node).signed.into(), t.shift)
                }
            };
            let value = self.term(Term::plain(t.node), stage, bits);
            (bits, signed, shift, t.negate, value)
        };
        let ports = [('a', 'A'), ('b', 'B'), ('c', 'C')];
        let addends = terms.iter().map(addend).zip(ports);
        addends
            .map(|((bits, signed, shift, negate, value), (port, letter))| Addend {
                port,
                letter,
                value,
                bits,
                signed,
                shift,
                negate: negate.into(),
            })
            .collect()
    }

    /// A sum as people read it.
    fn told(&self, id: NodeId) -> String {
        let Op::Add(terms) = self.circuit.node(id).op else { return String::new() };
        sum(terms.iter().map(|t| {
            let node = self.circuit.node(t.node);
            let value = match node.op {
                Op::Constant(v) if !self.circuit.loaded => v.to_string(),
                _ => node.name.clone(),
            };
            (t.negate, if t.shift > 0 { format!("{value} * 2^{}", t.shift) } else { value })
        }))
    }

    /// The name under which stage `stage` reads a node.
    fn name(&self, id: NodeId, stage: u32) -> Cow<'a, str> {
        let node = self.circuit.node(id);
        if self.pipeline.available(id) == stage && !node.op.is_multiplier() {
            node.name.as_str().into()
        } else {
            format!("p{stage}_{}", node.name).into()
        }
    }

    /// The low `bits` bits of a term, as stage `stage` reads it, and whether they are subtracted.
    fn signed(&self, term: Term, stage: u32, bits: u32) -> (bool, String) {
        match self.circuit.node(term.node).op {
            Op::Constant(v) if v < 0 && !self.circuit.loaded => {
                (!term.negate, Source::Constant(-v).bits(term.shift, bits))
            }
            _ => (term.negate, self.term(term, stage, bits)),
        }
    }

    /// The low `bits` bits of a term, as stage `stage` reads it, without its sign.
    fn term(&self, term: Term, stage: u32, bits: u32) -> String {
        self.with_source(term.node, stage, |source| source.bits(term.shift, bits))
    }

    fn with_source<T>(&self, id: NodeId, stage: u32, f: impl FnOnce(Source) -> T) -> T {
        let node = self.circuit.node(id);
        match node.op {
            Op::Constant(v) if !self.circuit.loaded => f(Source::Constant(v)),
            Op::Constant(_) => f(Source::Signal {
                name: &node.name,
                width: node.width,
                signed: node.signed,
                inverted: false,
            }),
            _ => f(Source::Signal {
                name: &self.name(id, stage),
                width: self.width(id, stage),
                signed: node.signed,
                inverted: node.inverted,
            }),
        }
    }

    /// Bits of a node as stage `stage` reads it.
    fn width(&self, id: NodeId, stage: u32) -> u32 {
        match stage - self.pipeline.available(id) {
            // It needs no register on the way.
            _ if matches!(self.circuit.node(id).op, Op::Constant(_)) => self.circuit.node(id).width,
            0 => self.circuit.node(id).width,
            // Beyond the line, readers need no bit at all.
            delay => self.delay_lines[id.index()].get(delay as usize - 1).copied().unwrap_or(1),
        }
    }

    /// What a node of stage `stage` computes, `width` bits and the dropped ones below.
    fn value(&self, id: NodeId, stage: u32) -> String {
        let node = self.circuit.node(id);
        let width = node.width;
        match node.op {
            Op::Input(_) => node.name.clone(),
            Op::Constant(v) => literal(v, width),
            Op::Multiply { .. } | Op::Product { .. } => self.name(id, stage).into_owned(),
            Op::Add(Terms::Two(terms)) => self.add(node, terms, stage),
            Op::Add(terms) => sum(terms.iter().map(|t| self.signed(*t, stage, width))),
            Op::Scale { x, shift, .. } => self.shifted((x, 0, shift), stage, width),
            Op::Offset { x, constant, shift } => self.shifted((x, constant, shift), stage, width),
            Op::Shift { x, .. } => {
                let (x, by) = (self.term(Term::plain(x), stage, width), shift_of(node));
                if node.signed { format!("$signed({x}) >>> {by}") } else { format!("{x} >> {by}") }
            }
            Op::Clamp { .. } => self.clamp(id, stage).0,
        }
    }

    /// A sum of two terms as its signal holds it. Signals that hold complements, m of x = -m - 1,
    /// are added as they are wherever that makes no difference but a carry in and the complement of
    /// the sum; `m + n + 1` is written as `m - ~n`.
    fn add(&self, node: &Node, terms: [Term; 2], stage: u32) -> String {
        let inverted = |t: Term| self.circuit.node(t.node).inverted;
        let constant = |t: &Term| matches!(self.circuit.node(t.node).op, Op::Constant(_));
        let [a, b] = terms;
        if !(node.inverted || inverted(a) || inverted(b)) || terms.iter().any(constant) {
            let sum = sum(terms.iter().map(|t| self.signed(*t, stage, node.width)));
            return if node.inverted { format!("~({sum})") } else { sum };
        }
        // The first is read as it is held, the second so that both are added or both subtracted.
        let read_inverted = [inverted(a), inverted(a) ^ a.negate ^ b.negate];
        let subtracted = a.negate ^ read_inverted[0];
        let text = |t: Term, complement| {
            let bits = |source: Source| source.either(complement, t.shift, node.width);
            self.with_source(t.node, stage, bits)
        };
        // x = m, -x = -m, ~m = -m - 1 and -~m = m + 1: what is added to the sum of both, or, where
        // both are subtracted, to the complement of the whole.
        let ones = terms.iter().zip(read_inverted);
        let carry = match subtracted {
            false => ones.filter(|(t, inverted)| t.negate && *inverted).count() == 1,
            true => ones.filter(|(t, inverted)| !t.negate && *inverted).count() == 2,
        };
        let first = text(a, read_inverted[0]);
        let sum = match carry {
            false => format!("{first} + {}", text(b, read_inverted[1])),
            true => format!("{first} - {}", text(b, !read_inverted[1])),
        };
        if node.inverted ^ subtracted { format!("~({sum})") } else { sum }
    }

    /// `(x + constant) · 2^-shift`, `width` bits and the dropped ones below.
    fn shifted(&self, (x, constant, shift): (Term, i64, i32), stage: u32, width: u32) -> String {
        self.with_source(x.node, stage, |source| shifted(source, x, constant, shift, width))
    }

    /// The expression of a clamp, and the bits that it does not read.
    fn clamp(&self, id: NodeId, stage: u32) -> (String, Option<String>) {
        let node = self.circuit.node(id);
        let Op::Clamp { x, lo, hi } = node.op else { return (String::new(), None) };
        let range = self.circuit.node(x).interval;
        self.with_source(x, stage, |x| clamp(x, (range.lo, range.hi), lo, hi, node.width))
    }

    fn multiplier(&self, id: NodeId, stage: u32) -> Option<Multiplier<'a>> {
        let node = self.circuit.node(id);
        let Op::Multiply { x, coefficient, coefficient_bits, shift, row } = node.op else {
            return None;
        };
        let operand = self.circuit.node(x);
        let latency = self.pipeline.multiplier_latency;
        Some(Multiplier {
            instance: format!("multiplier_{row}"),
            product: format!("p{}_{}", stage + latency, node.name),
            product_bits: node.width,
            origin: ascii(&node.origin),
            x: self.term(Term::plain(x), stage, operand.width),
            operand_bits: operand.width,
            operand_signed: operand.signed.into(),
            coefficient: match self.circuit.loaded {
                true => format!("coefficient_{row}"),
                false => signed(coefficient, coefficient_bits),
            },
            loaded: self.circuit.loaded,
            coefficient_value: coefficient,
            coefficient_bits,
            shift,
            latency,
        })
    }

    fn product(&self, id: NodeId, stage: u32) -> Option<Product<'a>> {
        let node = self.circuit.node(id);
        let Op::Product { x, y, row } = node.op else { return None };
        let operand = |id: NodeId| {
            let operand = self.circuit.node(id);
            let value = self.term(Term::plain(id), stage, operand.width);
            Operand { value, bits: operand.width, signed: operand.signed.into() }
        };
        let latency = self.pipeline.multiplier_latency;
        Some(Product {
            instance: format!("multiplier_{row}"),
            product: format!("p{}_{}", stage + latency, node.name),
            product_bits: node.width,
            origin: ascii(&node.origin),
            operands: [operand(x), operand(y)],
            latency,
        })
    }

    /// `m_data`, the last element first.
    fn outputs(&self) -> String {
        let bits = self.circuit.output_format.bits;
        let all = self.circuit.outputs.iter().zip(&self.pipeline.leaves);
        let read =
            |(id, stage): (&NodeId, &schedule::Stage)| self.term(Term::plain(*id), stage.0, bits);
        wrapped(&all.rev().map(read).collect::<Vec<_>>(), "        ")
    }
}

/// The register of what an output is shifted by.
fn shift_of(node: &Node) -> String {
    format!("shift_of_{}", node.name)
}

/// `-8'sd5`.
pub(super) fn signed(value: i64, bits: u32) -> String {
    if value < 0 {
        format!("-{bits}'sd{}", value.unsigned_abs())
    } else {
        format!("{bits}'sd{value}")
    }
}

/// A list with commas, in lines that end at 100 characters, behind a short beginning of the first.
pub(super) fn wrapped(items: &[String], indent: &str) -> String {
    let mut text = String::new();
    let mut column = indent.len();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            text.push(',');
            if column + item.len() + 2 > 88 {
                text.push('\n');
                text.push_str(indent);
                column = indent.len();
            } else {
                text.push(' ');
            }
        }
        text.push_str(item);
        column += item.len() + 2;
    }
    text
}

/// The nodes' names are neither reserved words nor names that the module declares for itself.
pub(super) fn check_names(circuit: &Circuit) -> Result<()> {
    for node in &circuit.nodes {
        let name = node.name.as_str();
        let stage = name
            .strip_prefix('p')
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        let own = PORTS.contains(&name)
            || name.ends_with("unused")
            || name.starts_with("multiplier_")
            || name.starts_with("coefficient_")
            || name.starts_with("shift_of_")
            || name.starts_with("load_")
            || stage.is_some_and(|rest| rest.starts_with('_'));
        if own || names::is_reserved(name) {
            return Err(Error::internal(
                format_args!("Verilog of layer `{}`", circuit.name),
                format_args!("the name `{name}` is taken"),
            ));
        }
    }
    Ok(())
}

const PORTS: [&str; 5] = ["clk", "clken", "load", "s_data", "m_data"];
