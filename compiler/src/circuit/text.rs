//! A text form of circuits, for tests as files and for reading: one node a line,
//! `name: width interval = operation ; origin`.

use super::{Circuit, Node, NodeId, Op, Term, Terms};
use crate::text::{self, Lines, Text, format, parse_format, parse_interval, parse_width, width};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use strassenc_runtime::{Error, Result};

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "circuit {}: {} -> {}{}",
            self.name,
            format(self.input_format),
            format(self.output_format),
            if self.loaded { " loaded" } else { "" }
        )?;
        let name = |id: NodeId| &self.node(id).name;
        let term = |t: Term| {
            let sign = if t.negate { "-" } else { "" };
            let shift = if t.shift > 0 { format!("<<{}", t.shift) } else { String::new() };
            format!("{sign}{}{shift}", name(t.node))
        };
        for node in &self.nodes {
            let (not, bits) = (if node.inverted { "~" } else { "" }, node.width);
            write!(f, "{}: {not}{} {} = ", node.name, width(node.signed, bits), node.interval)?;
            match node.op {
                Op::Input(i) => write!(f, "input {i}")?,
                Op::Constant(v) => write!(f, "constant {v}")?,
                Op::Add(terms) => {
                    write!(f, "add")?;
                    terms.iter().try_for_each(|t| write!(f, " {}", term(*t)))?;
                }
                Op::Multiply { x, coefficient, coefficient_bits, shift, row } => {
                    let x = name(x);
                    write!(
                        f,
                        "multiply {x} {coefficient} bits {coefficient_bits} shift {shift} row {row}"
                    )?;
                }
                Op::Scale { x, shift, row } => {
                    write!(f, "scale {} shift {shift} row {row}", term(x))?
                }
                Op::Product { x, y, row } => {
                    write!(f, "product {} {} row {row}", name(x), name(y))?
                }
                Op::Offset { x, constant, shift } => {
                    write!(f, "offset {} {constant} shift {shift}", term(x))?
                }
                Op::Shift { x, by, bits } => write!(f, "shift {} {by} bits {bits}", name(x))?,
                Op::Clamp { x, lo, hi } => write!(f, "clamp {} {lo} {hi}", name(x))?,
            }
            writeln!(f, " ; {}", node.origin)?;
        }
        let outputs: Vec<&str> = self.outputs.iter().map(|&id| name(id).as_str()).collect();
        writeln!(f, "outputs {}", outputs.join(" "))
    }
}

impl FromStr for Circuit {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes. The circuit is not verified.
    fn from_str(text: &str) -> Result<Self> {
        text::one(text)
    }
}

impl Text for Circuit {
    const WHAT: &'static str = "circuit";

    fn read(lines: &mut Lines) -> Option<Self> {
        let mut parser = Parser { ids: HashMap::new() };
        let mut circuit = header(lines.next()?)?;
        loop {
            let line = lines.next()?;
            if let Some(outputs) = line.strip_prefix("outputs").filter(|rest| !rest.contains(':')) {
                circuit.outputs = outputs
                    .split_whitespace()
                    .map(|name| parser.id(name))
                    .collect::<Option<_>>()?;
                return Some(circuit);
            }
            let node = parser.node(line)?;
            let id = NodeId(u32::try_from(circuit.nodes.len()).ok()?);
            if matches!(node.op, Op::Input(_)) {
                circuit.inputs.push(id);
            }
            parser.ids.insert(node.name.clone(), id);
            circuit.nodes.push(node);
        }
    }
}

fn header(line: &str) -> Option<Circuit> {
    let (name, formats) = line.strip_prefix("circuit ")?.split_once(": ")?;
    let (input, output) = formats.split_once(" -> ")?;
    let (output, loaded) = match output.strip_suffix(" loaded") {
        Some(output) => (output, true),
        None => (output, false),
    };
    Some(Circuit {
        name: name.into(),
        input_format: parse_format(input)?,
        output_format: parse_format(output)?,
        loaded,
        nodes: vec![],
        inputs: vec![],
        outputs: vec![],
    })
}

struct Parser {
    ids: HashMap<String, NodeId>,
}

impl Parser {
    fn id(&self, name: &str) -> Option<NodeId> {
        self.ids.get(name).copied()
    }

    fn term(&self, text: &str) -> Option<Term> {
        let (negate, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, shift) = match text.split_once("<<") {
            Some((name, shift)) => (name, shift.parse().ok().filter(|shift| *shift < 63)?),
            None => (text, 0),
        };
        Some(Term { node: self.id(name)?, shift, negate })
    }

    fn node(&self, line: &str) -> Option<Node> {
        let (left, origin) = line.split_once(" ; ")?;
        let (name, rest) = left.split_once(": ")?;
        let (declared, op) = rest.split_once(" = ")?;
        let (bits, interval) = declared.split_once(' ')?;
        let interval = parse_interval(interval)?;
        let (inverted, bits) = match bits.strip_prefix('~') {
            Some(bits) => (true, bits),
            None => (false, bits),
        };
        let (signed, width) = parse_width(bits)?;
        let op = match op.split_whitespace().collect::<Vec<_>>()[..] {
            ["input", i] => Op::Input(i.parse().ok()?),
            ["constant", v] => Op::Constant(v.parse().ok()?),
            ["add", ref terms @ ..] => {
                let terms = terms.iter().map(|t| self.term(t)).collect::<Option<Vec<_>>>()?;
                Op::Add(Terms::new(&terms)?)
            }
            ["multiply", x, coefficient, "bits", coefficient_bits, "shift", shift, "row", row] => {
                Op::Multiply {
                    x: self.id(x)?,
                    coefficient: coefficient.parse().ok()?,
                    coefficient_bits: coefficient_bits.parse().ok()?,
                    shift: shift.parse().ok()?,
                    row: row.parse().ok()?,
                }
            }
            ["scale", x, "shift", shift, "row", row] => {
                Op::Scale { x: self.term(x)?, shift: shift.parse().ok()?, row: row.parse().ok()? }
            }
            ["product", x, y, "row", row] => {
                Op::Product { x: self.id(x)?, y: self.id(y)?, row: row.parse().ok()? }
            }
            ["offset", x, constant, "shift", shift] => Op::Offset {
                x: self.term(x)?,
                constant: constant.parse().ok()?,
                shift: shift.parse().ok()?,
            },
            ["shift", x, by, "bits", bits] => {
                Op::Shift { x: self.id(x)?, by: by.parse().ok()?, bits: bits.parse().ok()? }
            }
            ["clamp", x, lo, hi] => {
                Op::Clamp { x: self.id(x)?, lo: lo.parse().ok()?, hi: hi.parse().ok()? }
            }
            _ => return None,
        };
        let (name, origin) = (name.into(), origin.into());
        Some(Node { name, op, interval, width, signed, inverted, origin })
    }
}
