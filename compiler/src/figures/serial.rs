//! The cells that a layer in digits becomes, counted as Yosys maps it.

use super::cells::{self, Cells};
use crate::adder_graph::Terms;
use crate::circuit::{self, Circuit};
use crate::serial::{self, Form, Multiplier, Node, NodeId, Op, Serial};

/// Bits of a digit up to which an adder is of LUTs alone, and not a carry chain.
const WITHOUT_CHAIN: u32 = 4;

/// The cells of a serial layer.
pub(super) fn of_serial(circuit: &Circuit, serial: &Serial) -> Cells {
    let nodes = serial.iter().map(|(_, node)| of_node(circuit, serial, node));
    let words = nodes.sum::<Cells>() + delays(serial);
    let strobes = Cells { registers: serial.latency.into(), ..Cells::default() };
    let multipliers = serial.multipliers(circuit);
    let shared = multipliers.iter().map(|multiplier| of_multiplier(serial, multiplier));
    words + strobes + positions(circuit, serial) + shared.sum()
}

/// A multiplier, with what chooses digits and coefficients for it by whose turn it is.
fn of_multiplier(serial: &Serial, multiplier: &Multiplier) -> Cells {
    let Multiplier { digit, digits, coefficient_bits, bits, .. } = *multiplier;
    let rows = multiplier.rows.len() as u32;
    let latency = serial.multiplier_latency;
    let chosen = u64::from(multiplier.operand.0);
    let waits = (0..digits).map(|waits| Cells::delay(digit.into(), waits.into(), 0));
    let op = circuit::Op::Multiply {
        x: circuit::NodeId(0),
        coefficient: 1,
        coefficient_bits,
        shift: multiplier.shift,
        row: 0,
    };
    let block = cells::of_multiplier(&op, bits, multiplier.operand.0.into(), latency);
    // The turns of all places but the first.
    let turns = if rows > 1 { u64::from((digits - 1) * position_bits(serial)) } else { 0 };
    let table = u64::from(coefficient_bits);
    // The rounding stands behind a block that cannot add.
    let rounding = if multiplier.shift > 0 { u64::from(bits + 1) } else { 0 };
    let choices = Cells {
        luts6: chosen * choice6(rows) + table * rows.div_ceil(64).min(rows - 1) as u64,
        luts4: chosen * choice4(rows)
            + table * u64::from(rows.div_ceil(16).min(rows - 1))
            + rounding,
        registers: turns,
        ..Cells::default()
    };
    block + choices + waits.sum()
}

/// Bits of the place of a digit.
fn position_bits(serial: &Serial) -> u32 {
    (serial.interval - 1).checked_ilog2().unwrap_or(0) + 1
}

/// What counts the places of digits: for each clock in which such begin, the counter is a copy of
/// that of the clock before, or counts itself.
fn positions(circuit: &Circuit, serial: &Serial) -> Cells {
    let clocks = serial.places(circuit);
    let bits = u64::from(position_bits(serial));
    let counters = clocks.iter().filter(|clock| !clocks.contains(&(*clock - 1))).count() as u64;
    let registers = bits * clocks.len() as u64;
    Cells { luts6: counters * bits, luts4: counters * bits, registers, ..Cells::default() }
}

/// LUTs of 4 inputs that choose one of so many bits: one for two of them.
fn choice4(bits: u32) -> u64 {
    let (mut luts, mut left) = (0, bits);
    while left > 1 {
        left = left.div_ceil(2);
        luts += u64::from(left);
    }
    luts
}

/// LUTs of 6 inputs that do: one for four of them, up to sixteen with the multiplexers behind LUTs,
/// and what chooses one of these sixteens.
fn choice6(bits: u32) -> u64 {
    match bits {
        0 | 1 => 0,
        2..=16 => bits.div_ceil(4).into(),
        _ => u64::from(bits.div_ceil(4)) + choice6(bits.div_ceil(16)),
    }
}

fn of_node(circuit: &Circuit, serial: &Serial, node: &Node) -> Cells {
    let own = circuit.node(node.of);
    let registers = u64::from(serial.registers(circuit, node));
    let bits = node.form.bits();
    let held = |luts6: u64, luts4: u64| Cells { luts6, luts4, registers, ..Cells::default() };
    match node.op {
        // A LUT of 6 inputs yields a sum's bit and the carry, or of two bits the upper one.
        // Of three terms a LUT and a place of a carry chain; with 4 inputs three for a bit.
        Op::Add { terms: Terms::Three(_), .. } => held(bits.into(), (3 * bits + 1).into()),
        Op::Add { .. } if bits <= WITHOUT_CHAIN => held(bits.into(), (2 * bits).into()),
        Op::Add { .. } => held((bits + 1).into(), (bits + 1).into()),
        Op::Digits { x, .. } => {
            // Of a signed word one place more may be all sign; above, the register sees to it.
            let word = serial.node(x).form.bits();
            let places =
                if own.signed { (word + bits - 2) / bits + 1 } else { word.div_ceil(bits) };
            // No digit is asked for beyond those of the interval.
            let places = places.min(serial.interval);
            let each = u64::from(bits);
            held(each * choice6(places), each * choice4(places))
        }
        Op::Constant => held(bits.into(), bits.into()),
        Op::Shift { .. } => held(0, 0),
        // Those that follow one another are counted together.
        Op::Delay(_) => Cells::default(),
        Op::Gather { .. } => held(0, 0),
        Op::Parallel(Some(_)) => match own.op {
            circuit::Op::Clamp { x, .. } => {
                let of = |inputs: u32| cells::clamp(circuit, own, x, inputs);
                // Two bits share what is above, where that is up to two bits, or what finds it.
                let in_pairs = |above: u32| {
                    let found = if above > 2 { (above - 1).div_ceil(5) } else { 0 };
                    u64::from(bits.div_ceil(2) + found)
                };
                held(serial::saturates(circuit, node).map_or_else(|| of(6), in_pairs), of(4))
            }
            circuit::Op::Offset { .. } if registers > 0 => held(bits.into(), bits.into()),
            _ => Cells::default(),
        },
        // Counted with its multiplier.
        Op::Parallel(None) | Op::Multiply { .. } => Cells::default(),
    }
}

/// The delay lines: registers that follow one another, and that nothing else reads between.
fn delays(serial: &Serial) -> Cells {
    let mut readers = vec![0; serial.nodes.len()];
    let outputs = serial.outputs.iter().copied();
    for x in serial.nodes.iter().flat_map(|node| node.op.operands()).chain(outputs) {
        readers[x.index()] += 1;
    }
    let delayed = |id: NodeId| match serial.node(id).op {
        Op::Delay(x) => Some(x),
        _ => None,
    };
    let mut delays_on = vec![false; serial.nodes.len()];
    for (id, _) in serial.iter() {
        if let Some(x) = delayed(id) {
            delays_on[x.index()] = true;
        }
    }
    let mut cells = Cells::default();
    // The length of each line up to a register of it.
    let mut lengths = vec![0u64; serial.nodes.len()];
    for (id, node) in serial.iter() {
        let Some(x) = delayed(id) else { continue };
        let goes_on = delayed(x).is_some() && readers[x.index()] == 1;
        lengths[id.index()] = 1 + if goes_on { lengths[x.index()] } else { 0 };
        let ends = readers[id.index()] != 1 || !delays_on[id.index()];
        if ends {
            let (Form::Parallel(bits) | Form::Serial(bits)) = node.form;
            cells = cells + Cells::delay(bits.into(), lengths[id.index()], 0);
        }
    }
    cells
}
