//! A multiplication built from shifts and additions, as text.

use super::expression::{Source, add_constant, slice, sum};
use super::layer::Writer;
use super::provenance::ascii;
use crate::adder_graph::{Node, Term};
use crate::circuit::{NodeId, Op};
use crate::interval::{Interval, half};
use crate::multipliers::ShiftAdd;
use std::borrow::Cow;

/// What the template needs: wires, registers behind them, and the rounding in front of the last
/// register.
pub(super) struct ShiftAdded<'a> {
    pub product: String,
    pub high: u32,
    pub origin: Cow<'a, str>,
    pub coefficient: i64,
    pub x: String,
    pub shift: i32,
    pub wires: Vec<Wire>,
    pub registers: Vec<Register>,
    /// The rounded product with the bits that are dropped below it, where there are any.
    pub sum: Option<Wire>,
    pub value: String,
    /// The bits that nothing reads, and the name of the wire for them.
    pub unused: String,
    pub unused_name: String,
}

pub(super) struct Wire {
    pub name: String,
    pub high: u32,
    pub value: String,
}

pub(super) struct Register {
    pub name: String,
    pub high: u32,
    pub value: String,
}

impl<'a> Writer<'a> {
    /// The multiplication of node `id`, read in stage `stage`; `None` where a hardware multiplier
    /// does it.
    pub(super) fn shift_added(&self, id: NodeId, stage: u32) -> Option<ShiftAdded<'a>> {
        let node = self.circuit.node(id);
        let Op::Multiply { x, coefficient, shift, row, .. } = node.op else { return None };
        let ShiftAdd { graph, multiples, negate } = self.shift_add.get(&row)?;
        let output = graph.outputs.first().copied().flatten()?;
        let name = format!("multiplier_{row}");
        let latency = self.pipeline.multiplier_latency;

        // The sum has the dropped bits below the product. A node carries its multiple, modulo what
        // is read of it.
        let dropped = shift.max(0) as u32;
        let bits = node.width + dropped;
        let left = output.shift + (-shift).max(0) as u32;
        let last = output.node.index();
        let interval =
            |k: usize| self.circuit.node(x).interval.times(Interval::point(multiples[k]));
        let mut widths = vec![0u32; graph.nodes.len()];
        widths[last] = bits.saturating_sub(left);
        for k in (0..graph.nodes.len()).rev() {
            widths[k] = widths[k].min(interval(k).bits());
            for t in graph.nodes[k].terms() {
                let read = widths[k].saturating_sub(t.shift);
                widths[t.node.index()] = widths[t.node.index()].max(read);
            }
        }

        let wire = |k: usize| format!("{name}_a{k}");
        let source = |t: Term, bits: u32| match t.node.index() {
            0 => self.with_source(x, stage, |source| source.bits(t.shift, bits)),
            k => Source::Signal { name: &wire(k), width: widths[k], signed: interval(k).signed() }
                .bits(t.shift, bits),
        };
        let mut wires = vec![];
        for (k, node) in graph.nodes.iter().enumerate() {
            if let Node::Add(terms) = node
                && widths[k] > 0
            {
                let value = sum(terms.iter().map(|t| (t.negate, source(*t, widths[k]))));
                wires.push(Wire { name: wire(k), high: widths[k] - 1, value });
            }
        }
        // Registers of the whole multiple; the last one of the latency holds the rounded product.
        let width = widths[last].max(1);
        let mut registers: Vec<Register> = vec![];
        for i in 1..latency {
            let value = match registers.last() {
                None => source(Term { node: output.node, shift: 0, negate: false }, width),
                Some(before) => before.name.clone(),
            };
            let name = format!("{name}_p{}", stage + i);
            registers.push(Register { name, high: width - 1, value });
        }
        let full = match registers.last() {
            None => source(Term { shift: left, ..output }, bits),
            Some(r) => Source::Signal { name: &r.name, width, signed: interval(last).signed() }
                .bits(left, bits),
        };
        let rounded = add_constant(&full, *negate != output.negate, half(shift), bits);
        let mut unused = vec![];
        let (sum, value) = if dropped == 0 {
            (None, rounded)
        } else {
            let sum = Wire { name: format!("{name}_sum"), high: bits - 1, value: rounded };
            unused.push(slice(&sum.name, dropped - 1, 0));
            let value = slice(&sum.name, bits - 1, dropped);
            (Some(sum), value)
        };
        let operand = self.with_source(x, stage, |source| match source {
            Source::Signal { name, width, .. } => {
                if widths[0] < width {
                    unused.push(slice(name, width - 1, widths[0]));
                }
                name.to_string()
            }
            Source::Constant(v) => v.to_string(),
        });
        Some(ShiftAdded {
            product: format!("p{}_{}", stage + latency, node.name),
            high: node.width - 1,
            origin: ascii(&node.origin),
            coefficient,
            x: operand,
            shift,
            wires,
            registers,
            sum,
            value,
            unused_name: format!("{name}_unused"),
            unused: unused.join(", "),
        })
    }
}
