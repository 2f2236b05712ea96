//! A text form of serial layers, for people: a node a line.

use super::{Form, Node, NodeId, Op, Serial};
use crate::circuit::{self, Circuit};
use std::fmt;

/// The text of a serial layer beside its circuit.
pub struct Text<'a> {
    circuit: &'a Circuit,
    serial: &'a Serial,
}

impl Serial {
    /// The text form, with the names of the circuit.
    pub fn text<'a>(&'a self, circuit: &'a Circuit) -> Text<'a> {
        Text { circuit, serial: self }
    }

    /// The name of a node: the clock in which it begins, the circuit's node, and how it differs
    /// from that. In Verilog it is that of a signal.
    pub fn name(&self, circuit: &Circuit, id: NodeId) -> String {
        let Node { of, shift, begins, form, .. } = *self.node(id);
        let node = circuit.node(of);
        let shifted = if shift > 0 { format!("_by_{shift}") } else { String::new() };
        let form = match (form, node.op) {
            (Form::Serial(_), circuit::Op::Add(_)) => String::new(),
            (Form::Parallel(_), circuit::Op::Add(_)) => "_word".into(),
            (Form::Serial(digit), _) => format!("_d{digit}"),
            (Form::Parallel(_), _) => String::new(),
        };
        format!("p{begins}_{}{form}{shifted}", node.name)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text { circuit, serial } = *self;
        let name = |id: NodeId| serial.name(circuit, id);
        let Serial { interval, multiplier_latency, latency, .. } = serial;
        writeln!(
            f,
            "serial {}: interval {interval} multiplier latency {multiplier_latency} latency \
             {latency}",
            circuit.name
        )?;
        for (id, node) in serial.iter() {
            let form = match node.form {
                Form::Parallel(bits) => format!("{bits} bits"),
                Form::Serial(digit) => format!("digits of {digit}"),
            };
            let op = match node.op {
                Op::Parallel(None) => "parallel".into(),
                Op::Parallel(Some(x)) => format!("parallel {}", name(x)),
                Op::Digits { x, holds } => format!("digits {} held {holds}", name(x)),
                Op::Constant => "constant".into(),
                Op::Add { terms, negates, restarts } => {
                    let of = |(x, negate): (&NodeId, &bool)| {
                        format!(" {}{}", if *negate { "-" } else { "" }, name(*x))
                    };
                    let terms: String = terms.iter().zip(negates.iter()).map(of).collect();
                    format!("add{terms} restarts {restarts}")
                }
                Op::Shift { x, clears } => format!("shift {} clears {clears}", name(x)),
                Op::Delay(x) => format!("delay {}", name(x)),
                Op::Gather { x, digits } => format!("gather {} digits {digits}", name(x)),
                Op::Multiply { x, digits, multiplier } => {
                    format!("multiply {} digits {digits} by {multiplier}", name(x))
                }
            };
            writeln!(f, "{}: {form} = {op}", name(id))?;
        }
        let outputs: Vec<String> = serial.outputs.iter().map(|id| name(*id)).collect();
        writeln!(f, "outputs {}", outputs.join(" "))
    }
}
