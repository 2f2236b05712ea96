//! One layer in digits as a module.

use super::expression::{Source, clamp, literal, shifted, slice};
use super::layer::{check_names, count, signed, wrapped};
use super::provenance::{Provenance, ascii};
use crate::adder_graph::Terms;
use crate::circuit::{self, Circuit};
use crate::serial::{self, Form, Node, NodeId, Op, Serial, saturates};
use askama::Template;
use std::borrow::Cow;
use std::collections::BTreeMap;
use strassenc_runtime::{Error, Result};

#[derive(Template)]
#[template(path = "serial.v")]
struct Layer<'a> {
    header: String,
    summary: String,
    module: &'a str,
    clken: bool,
    input_bits: u32,
    input: String,
    output_bits: u32,
    output: String,
    latency: u32,
    /// The number of the last strobe.
    strobes: u32,
    position_bits: u32,
    positions: Vec<Position>,
    /// The products of each multiplier: their bits, and the rows.
    products: Vec<(u32, String)>,
    clocks: Vec<Clock<'a>>,
    outputs: String,
}

/// The place of the digits that are chosen in a clock.
struct Position {
    clock: u32,
    next: String,
}

/// What is there in a clock, or begins in it.
#[derive(Default)]
struct Clock<'a> {
    number: u32,
    summary: String,
    tables: Vec<Table>,
    wires: Vec<Wire<'a>>,
    sums: Vec<Sum<'a>>,
    digits: Vec<Digits<'a>>,
    /// Products, as slices of what their multipliers show.
    products: Vec<Wire<'a>>,
    /// The multipliers whose last row begins.
    multipliers: Vec<Multiplier>,
    bounds: Vec<Bounds<'a>>,
    registers: Vec<Register<'a>>,
    /// What reads these registers.
    gathered: Vec<Wire<'a>>,
    /// Bits that nothing reads.
    unused: String,
}

/// A bit of the digits of a constant.
struct Table {
    name: String,
    places: u32,
    value: String,
}

struct Wire<'a> {
    name: String,
    high: u32,
    value: String,
    /// Low bits of `value` that are dropped.
    dropped: u32,
    origin: Cow<'a, str>,
}

struct Sum<'a> {
    name: String,
    high: u32,
    /// Each term, and whether it is subtracted.
    terms: Vec<(String, u8)>,
    restarts: u32,
    origin: Cow<'a, str>,
}

struct Digits<'a> {
    name: String,
    high: u32,
    x: String,
    bits: u32,
    signed: u8,
    holds: u32,
    origin: Cow<'a, str>,
}

struct Multiplier {
    number: usize,
    rows: usize,
    /// The clock of the first digit of the first row.
    first: u32,
    digit: u32,
    digits: u32,
    operand_bits: u32,
    operand_signed: u8,
    coefficient_bits: u32,
    /// One for each number of a turn, the last one first.
    coefficients: String,
    shift: i32,
    bits: u32,
    latency: u32,
    /// The digits of the rows, the last one first.
    words: String,
}

/// A signed value within 0 and all ones of its bits.
struct Bounds<'a> {
    name: String,
    high: u32,
    x: String,
    bits: u32,
    origin: Cow<'a, str>,
}

struct Register<'a> {
    name: String,
    high: u32,
    value: String,
    origin: Cow<'a, str>,
}

/// The text of module `module`, which is `what`.
///
/// # Errors
/// Where the names of the circuit clash with those of the module: a bug of ours.
pub(super) fn emit(
    (circuit, serial): (&Circuit, &Serial),
    module: &str,
    what: &str,
    clken: bool,
    provenance: &Provenance,
) -> Result<String> {
    check_names(circuit)?;
    let text = Writer { circuit, serial }.layer(module, what, clken, provenance).render();
    text.map(|text| text + "\n").map_err(|e| Error::internal(format_args!("template of {what}"), e))
}

struct Writer<'a> {
    circuit: &'a Circuit,
    serial: &'a Serial,
}

impl<'a> Writer<'a> {
    fn layer<'b>(
        &self,
        module: &'b str,
        what: &str,
        clken: bool,
        provenance: &Provenance,
    ) -> Layer<'b>
    where
        'a: 'b,
    {
        let Writer { circuit, serial } = *self;
        let (input, output) = (circuit.input_format, circuit.output_format);
        let elements = |n: usize, format: strassenc_runtime::Format| {
            format!("{} of {}", count(n, "element"), ascii(&format.to_string()))
        };
        let multipliers = serial.multipliers(circuit);
        let sums = serial.nodes.iter().filter(|node| matches!(node.op, Op::Add { .. })).count();
        let summary = format!(
            "A word every {} clocks, digit by digit: {}, {}, {} register bits",
            serial.interval,
            count(multipliers.len(), "multiplier"),
            count(sums, "addition"),
            serial.register_bits(circuit),
        );
        // Where places are counted from a clock, the strobe before it says so.
        let counted = serial.places(circuit).into_iter().map(|clock| clock - 1);
        let strobes = serial.nodes.iter().map(last_strobe).chain(counted).max().unwrap_or(0);
        Layer {
            header: provenance.header(module, what),
            summary,
            module,
            clken,
            input_bits: circuit.inputs.len() as u32 * input.bits,
            input: elements(circuit.inputs.len(), input),
            output_bits: circuit.outputs.len() as u32 * output.bits,
            output: elements(circuit.outputs.len(), output),
            latency: serial.latency,
            strobes: strobes.max(serial.latency).max(1),
            position_bits: self.position_bits(),
            positions: self.positions(),
            products: multipliers.iter().map(|m| (m.bits, self.rows(m))).collect(),
            clocks: self.clocks(&multipliers),
            outputs: self.outputs(),
        }
    }

    fn name(&self, id: NodeId) -> String {
        self.serial.name(self.circuit, id)
    }

    fn position_bits(&self) -> u32 {
        (self.serial.interval - 1).checked_ilog2().unwrap_or(0) + 1
    }

    /// Where a word's digits are, for all clocks in which such are chosen.
    fn positions(&self) -> Vec<Position> {
        let clocks = self.serial.places(self.circuit);
        let next = |clock: u32| {
            let before = clock - 1;
            if clocks.contains(&before) {
                return format!("position_{before}");
            }
            let bits = self.position_bits();
            format!("strobe[{before}] ? {bits}'d0 : position_{clock} + {bits}'d1")
        };
        clocks.iter().map(|&clock| Position { clock, next: next(clock) }).collect()
    }

    fn clocks(&self, multipliers: &[serial::Multiplier]) -> Vec<Clock<'a>> {
        let mut clocks: BTreeMap<u32, (Clock, Vec<String>)> = BTreeMap::new();
        for (id, node) in self.serial.iter() {
            let (clock, unused) = clocks.entry(node.begins).or_default();
            self.add(id, node, clock, unused);
        }
        for (number, multiplier) in multipliers.iter().enumerate() {
            let last = multiplier.first + multiplier.rows.len() as u32 - 1;
            let own = self.multiplier(number, multiplier);
            clocks.entry(last).or_default().0.multipliers.push(own);
            for &id in &multiplier.rows {
                let (clock, _) = clocks.entry(self.serial.node(id).begins).or_default();
                clock.products.push(self.product(number, multiplier, id));
            }
        }
        let (bits, mut read) = (self.circuit.input_format.bits, BTreeMap::new());
        for node in &self.serial.nodes {
            if let circuit::Op::Input(i) = self.circuit.node(node.of).op
                && node.op == Op::Parallel(None)
            {
                read.insert(i, node.form.bits());
            }
        }
        let rest = (0..self.circuit.inputs.len() as u32).filter_map(|i| {
            let low = read.get(&i).copied().unwrap_or(0);
            (low < bits).then(|| slice("s_data", (i + 1) * bits - 1, i * bits + low))
        });
        clocks.entry(0).or_default().1.extend(rest);
        for (id, low) in self.unread() {
            let (begins, bits) = (self.serial.node(id).begins, self.serial.node(id).form.bits());
            let unread = slice(&self.name(id), bits - 1, low);
            clocks.entry(begins).or_default().1.push(unread);
        }
        let told = |(number, (clock, unused)): (u32, (Clock<'a>, Vec<String>))| {
            let parts = [
                (clock.sums.len(), "addition"),
                (clock.digits.len(), "word in digits"),
                (clock.gathered.len(), "gathered word"),
                (clock.products.len(), "product"),
                (clock.registers.len(), "register"),
            ];
            let named: Vec<String> = parts
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, what)| match (*n, *what) {
                    (n, "word in digits") if n > 1 => format!("{n} words in digits"),
                    (n, what) => count(n, what),
                })
                .collect();
            let summary = if named.is_empty() { "wires".into() } else { named.join(", ") };
            Clock { number, summary, unused: wrapped(&unused, "        "), ..clock }
        };
        clocks.into_iter().map(told).collect()
    }

    /// Words whose upper bits nothing reads, where every sum of them wraps below, and how many
    /// lower bits are read.
    fn unread(&self) -> Vec<(NodeId, u32)> {
        let mut read = vec![0; self.serial.nodes.len()];
        for node in &self.serial.nodes {
            let bits = match (node.op, self.circuit.node(node.of).op) {
                (
                    Op::Parallel(Some(_)),
                    circuit::Op::Scale { x, shift, .. } | circuit::Op::Offset { x, shift, .. },
                ) => {
                    let from = i64::from(shift) - i64::from(x.shift);
                    (i64::from(node.form.bits()) + from).clamp(0, u32::MAX.into()) as u32
                }
                _ => u32::MAX,
            };
            for x in node.op.operands() {
                read[x.index()] = bits.max(read[x.index()]);
            }
        }
        for x in &self.serial.outputs {
            read[x.index()] = u32::MAX;
        }
        let words = self.serial.iter().filter(|(_, node)| matches!(node.form, Form::Parallel(_)));
        words
            .map(|(id, node)| (id, node.form.bits(), read[id.index()]))
            .filter(|(_, bits, read)| read < bits)
            .map(|(id, _, read)| (id, read))
            .collect()
    }

    /// A node as its clock has it.
    fn add(&self, id: NodeId, node: &Node, clock: &mut Clock<'a>, unused: &mut Vec<String>) {
        let own = self.circuit.node(node.of);
        let (name, high, origin) = (self.name(id), node.form.bits() - 1, ascii(&own.origin));
        let wire = |value: String| Wire { name: name.clone(), high, value, dropped: 0, origin };
        match node.op {
            Op::Parallel(_) => self.parallel(node, name, clock, unused),
            // Its multiplier has it.
            Op::Multiply { .. } => {}
            Op::Digits { x, holds } => clock.digits.push(Digits {
                high,
                x: self.name(x),
                bits: self.serial.node(x).form.bits(),
                signed: own.signed.into(),
                holds,
                origin: ascii(&own.origin),
                name,
            }),
            Op::Constant => {
                let (value, origin) = (self.constant(node, &name, clock), ascii(&own.origin));
                clock.registers.push(Register { name, high, value, origin });
            }
            Op::Add { terms, negates, restarts } => {
                let of = |(x, negate): (&NodeId, &bool)| (self.name(*x), u8::from(*negate));
                let terms = terms.iter().zip(negates.iter()).map(of).collect();
                clock.sums.push(Sum { high, terms, restarts, origin: ascii(&own.origin), name });
            }
            Op::Shift { x, clears } => {
                let (x, digit) = (self.name(x), node.form.bits());
                let (whole, rest) = (node.shift / digit, node.shift % digit);
                let any = |count: u32| match count {
                    0 => None,
                    1 => Some(slice("strobe", clears, clears)),
                    _ => Some(format!("|{}", slice("strobe", clears + count - 1, clears))),
                };
                let cleared = |value: String, bits: u32, by: Option<String>| match by {
                    Some(by) => format!("({by} ? {} : {value})", literal(0, bits)),
                    None => value,
                };
                let moved = slice(&x, digit - rest - 1, 0);
                let moved = if rest == 0 { x.clone() } else { moved };
                let moved = cleared(moved, digit - rest, any(whole));
                let mut value = moved;
                if rest > 0 {
                    let kept = format!("{name}_kept");
                    value = format!("{{{value}, {}}}", cleared(kept.clone(), rest, any(whole + 1)));
                    let upper = slice(&x, digit - 1, digit - rest);
                    let (high, origin) = (rest - 1, "".into());
                    clock.registers.push(Register { name: kept, high, value: upper, origin });
                }
                let origin = ascii(&own.origin);
                clock.registers.push(Register { name, high, value, origin });
            }
            Op::Delay(x) => {
                let (value, origin) = (self.name(x), "".into());
                clock.registers.push(Register { name, high, value, origin });
            }
            Op::Gather { x, digits } => {
                let digit = self.serial.node(x).form.bits();
                let (x, below) = (self.name(x), (digits - 1) * digit);
                let top = node.form.bits() - below;
                let newest = if top == digit { x.clone() } else { slice(&x, top - 1, 0) };
                if below == 0 {
                    if top < digit {
                        unused.push(slice(&x, digit - 1, top));
                    }
                    clock.gathered.push(wire(newest));
                    return;
                }
                let held = format!("{name}_low");
                let value = match below - digit {
                    0 => x,
                    _ => format!("{{{x}, {}}}", slice(&held, below - 1, digit)),
                };
                clock.gathered.push(wire(format!("{{{newest}, {held}}}")));
                let (high, origin) = (below - 1, "".into());
                clock.registers.push(Register { name: held, high, value, origin });
            }
        }
    }

    /// A hardware multiplier.
    fn multiplier(&self, number: usize, multiplier: &serial::Multiplier) -> Multiplier {
        let operand = |id: &NodeId| self.serial.node(*id).op.operands().next();
        let words = multiplier.rows.iter().rev().filter_map(operand).map(|x| self.name(x));
        let bits = multiplier.coefficient_bits;
        let of_turn = |turn: usize| match multiplier.coefficients.get(turn) {
            Some(value) => signed(*value, bits),
            None => literal(0, bits),
        };
        let coefficients: Vec<String> =
            (0..1usize << self.position_bits()).rev().map(of_turn).collect();
        Multiplier {
            number,
            rows: multiplier.rows.len(),
            first: multiplier.first,
            digit: multiplier.digit,
            digits: multiplier.digits,
            operand_bits: multiplier.operand.0,
            operand_signed: multiplier.operand.1.into(),
            coefficient_bits: bits,
            coefficients: wrapped(&coefficients, "            "),
            shift: multiplier.shift,
            bits: multiplier.bits,
            latency: self.serial.multiplier_latency,
            words: wrapped(&words.collect::<Vec<_>>(), "            "),
        }
    }

    /// What a multiplier shows in the turn of a product.
    fn product(&self, number: usize, multiplier: &serial::Multiplier, id: NodeId) -> Wire<'a> {
        let node = self.serial.node(id);
        let own = self.circuit.node(node.of);
        let (bus, high) = (format!("multiplier_{number}"), node.form.bits() - 1);
        let value = if node.form.bits() < multiplier.bits { slice(&bus, high, 0) } else { bus };
        let of = match (own.op, node.op) {
            (circuit::Op::Multiply { coefficient, shift, .. }, Op::Multiply { x, .. }) => {
                let scale = if shift == 0 { String::new() } else { format!(" * 2^{}", -shift) };
                let x = &self.circuit.node(self.serial.node(x).of).name;
                format!(": round({coefficient} * {x}{scale})")
            }
            _ => String::new(),
        };
        let origin = Cow::Owned(ascii(&own.origin).into_owned() + &of);
        Wire { name: self.name(id), high, value, dropped: 0, origin }
    }

    /// The products of a multiplier, in words.
    fn rows(&self, multiplier: &serial::Multiplier) -> String {
        let name = |id: &NodeId| &*self.circuit.node(self.serial.node(*id).of).name;
        match &multiplier.rows[..] {
            [one] => name(one).into(),
            [first, .., last] => {
                let clocks = multiplier.rows.len();
                format!("{} to {} in {clocks} clocks", name(first), name(last))
            }
            [] => String::new(),
        }
    }

    /// A node that is computed at once.
    fn parallel(&self, node: &Node, name: String, clock: &mut Clock<'a>, unused: &mut Vec<String>) {
        let own = self.circuit.node(node.of);
        let (bits, origin) = (node.form.bits(), ascii(&own.origin));
        let high = bits - 1;
        let x = match node.op {
            Op::Parallel(Some(x)) => Some(x),
            _ => None,
        };
        let with = |f: &dyn Fn(Source) -> String| match x {
            Some(x) => {
                let (name, (width, signed)) = (self.name(x), self.held(x));
                f(Source::Signal { name: &name, width, signed, inverted: false })
            }
            None => String::new(),
        };
        let wire = |value: String, dropped: u32| Wire {
            name: name.clone(),
            high,
            value,
            dropped,
            origin: ascii(&own.origin),
        };
        match own.op {
            circuit::Op::Input(i) => {
                let low = i * self.circuit.input_format.bits;
                clock.wires.push(wire(slice("s_data", low + high, low), 0));
            }
            circuit::Op::Constant(value) => clock.wires.push(wire(literal(value, bits), 0)),
            circuit::Op::Scale { x, shift, .. } => {
                let value = with(&|source| shifted(source, x, 0, shift, bits));
                clock.wires.push(wire(value, own.op.dropped()));
            }
            circuit::Op::Offset { x, constant, shift } => {
                let value = with(&|source| shifted(source, x, constant, shift, bits));
                if own.op.is_wires() {
                    clock.wires.push(wire(value, own.op.dropped()));
                    return;
                }
                // Its register stands behind the sum.
                let (sum, dropped) = (format!("{name}_sum"), own.op.dropped());
                let top = bits + dropped;
                let wire = Wire { name: sum.clone(), high: top - 1, dropped: 0, ..wire(value, 0) };
                clock.wires.push(wire);
                if dropped > 0 {
                    unused.push(slice(&sum, dropped - 1, 0));
                }
                let value = if dropped > 0 { slice(&sum, top - 1, dropped) } else { sum };
                clock.registers.push(Register { name, high, value, origin });
            }
            circuit::Op::Clamp { .. } if saturates(self.circuit, node).is_some() => {
                let Some(x) = x else { return };
                let (name_of, bits) = (self.name(x), self.held(x).0);
                clock.bounds.push(Bounds { high, x: name_of, bits, origin, name });
            }
            circuit::Op::Clamp { x: of, lo, hi } => {
                let range = self.circuit.node(of).interval;
                let range = (range.lo, range.hi);
                let value = with(&|source| clamp(source, range, lo, hi, bits).0);
                let unread =
                    with(&|source| clamp(source, range, lo, hi, bits).1.unwrap_or_default());
                clock.wires.push(wire(value, 0));
                unused.extend(Some(unread).filter(|unread| !unread.is_empty()));
            }
            // The verifier refuses them.
            circuit::Op::Add(_)
            | circuit::Op::Multiply { .. }
            | circuit::Op::Product { .. }
            | circuit::Op::Shift { .. } => {}
        }
    }

    /// Bits of a parallel node, and whether the upper one is its sign.
    fn held(&self, id: NodeId) -> (u32, bool) {
        let node = self.serial.node(id);
        (node.form.bits(), self.circuit.node(node.of).signed)
    }

    /// The digit of a constant: of each of its bits a table, chosen from by the digit's place.
    fn constant(&self, node: &Node, name: &str, clock: &mut Clock<'a>) -> String {
        let circuit::Op::Constant(value) = self.circuit.node(node.of).op else {
            return String::new();
        };
        let (digit, places) = (node.form.bits(), 1u32 << self.position_bits());
        // Above its 64 bits there is its sign.
        let bit = |i: u32| {
            let place = i.checked_sub(node.shift).map(|place| place.min(63));
            place.is_some_and(|place| value >> place & 1 == 1)
        };
        let mut columns: Vec<String> = vec![];
        for j in (0..digit).rev() {
            let all = (0..places).rev().map(|k| if bit(k * digit + j) { '1' } else { '0' });
            let table = format!("{name}_bit_{j}");
            columns.push(format!("{table}[position_{}]", node.begins - 1));
            clock.tables.push(Table { name: table, places, value: all.collect() });
        }
        if columns.len() == 1 { columns.remove(0) } else { format!("{{{}}}", columns.join(", ")) }
    }

    /// `m_data`, the last element first.
    fn outputs(&self) -> String {
        let bits = self.circuit.output_format.bits;
        let read = |id: &NodeId| {
            let (name, (width, signed)) = (self.name(*id), self.held(*id));
            Source::Signal { name: &name, width, signed, inverted: false }.bits(0, bits)
        };
        wrapped(&self.serial.outputs.iter().rev().map(read).collect::<Vec<_>>(), "        ")
    }
}

/// The primitives that a serial layer instantiates.
pub(super) fn primitives(
    (circuit, serial): (&Circuit, &Serial),
) -> impl Iterator<Item = &'static str> {
    let of_node = |node: &Node| -> &'static [&'static str] {
        match node.op {
            Op::Parallel(Some(_)) if saturates(circuit, node).is_some() => &["strassenc_saturate"],
            Op::Add { terms: Terms::Two(_), .. } => &["strassenc_serial_add"],
            Op::Add { terms: Terms::Three(_), .. } => &["strassenc_serial_add3"],
            Op::Digits { .. } => &["strassenc_serial_digits", "strassenc_select"],
            Op::Multiply { .. } => &[
                "strassenc_serial_multiplier",
                "strassenc_select",
                "strassenc_coefficient",
                "strassenc_scaled_product",
            ],
            _ => &[],
        }
    };
    serial.nodes.iter().flat_map(of_node).copied()
}

/// The last strobe that a node needs.
fn last_strobe(node: &Node) -> u32 {
    match (node.op, node.form) {
        (Op::Digits { holds, .. }, _) => holds,
        (Op::Add { restarts, .. }, _) => restarts,
        (Op::Shift { clears, .. }, Form::Serial(digit)) => clears + node.shift / digit,
        _ => 0,
    }
}
