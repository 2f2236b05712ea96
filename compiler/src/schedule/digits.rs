//! Whether a layer in digits meets the clock: its registers stand where they stand.

use super::path::{Path, Paths, sum, too_slow};
use super::{Limit, Options};
use crate::circuit::{self, Circuit};
use crate::device::{Device, Family};
use crate::serial::{Form, Node, Op, Serial};
use std::collections::BTreeMap;
use strassenc_runtime::Result;

/// Whether a layer in digits of so many bits, of which a word has up to `interval`, is too slow for
/// the clock that was asked for, whatever it sums up: its sums of three terms, the choice of a
/// digit that is multiplied, a product of so many bits, or the bounds of an output.
pub fn are_digits_too_slow(
    (digit, interval): (u32, u32),
    (product, output): (u32, u32),
    options: &Options,
) -> bool {
    let Limit::Clock { device, .. } = options.limit else { return false };
    let paths = Paths::empty(options);
    let (before, within) = paths.multiplier(product, options);
    let all = [
        sum(digit, 3, &paths.delays),
        choice(interval, device, &paths).then(before),
        within,
        sum(output, 2, &paths.delays).then(paths.memory()),
    ];
    !all.into_iter().all(|path| paths.fits(path))
}

/// A choice among so many places; 16 with the multiplexers behind LUTs of 6 inputs.
fn choice(places: u32, device: Device, paths: &Paths) -> Path {
    let levels = match device.family {
        Family::Xc7 | Family::Xcup => places.checked_ilog2().map_or(0, |log| log / 4 + 1),
        _ => places.next_power_of_two().ilog2(),
    };
    Path { sum: levels * paths.delays.sum, widest: 0 }
}

/// Checks that each path between two registers of a layer in digits takes no longer than the clock
/// that was asked for lets it. Where none was, nothing is checked: one sum of digits lies between
/// two registers.
///
/// # Errors
/// With the fastest clock where a path is longer.
pub fn digits_fit(circuit: &Circuit, serial: &Serial, options: &Options) -> Result<()> {
    let Limit::Clock { device, .. } = options.limit else { return Ok(()) };
    let paths = Paths::empty(options);
    let choice = |places| choice(places, device, &paths);
    let mut rows: BTreeMap<u32, u32> = BTreeMap::new();
    for node in &serial.nodes {
        if let Op::Multiply { multiplier, .. } = node.op {
            *rows.entry(multiplier).or_default() += 1;
        }
    }
    // The way from the last register to what a node shows.
    let mut shown = vec![Path::default(); serial.nodes.len()];
    let mut longest: (u32, Option<&Node>) = (0, None);
    for (i, node) in serial.nodes.iter().enumerate() {
        let own = circuit.node(node.of);
        let read = node.op.operands().map(|x| shown[x.index()]).fold(Path::default(), Path::worst);
        // The longest way that ends in the node's registers, and what follows them.
        let (way, after) = match (node.op, node.form) {
            (Op::Add { terms, .. }, Form::Serial(digit)) => {
                (read.then(sum(digit, terms.len(), &paths.delays)), Path::default())
            }
            (Op::Digits { x, .. }, Form::Serial(digit)) => {
                let places = serial.node(x).form.bits().div_ceil(digit).min(serial.interval);
                (read.worst(choice(places)), Path::default())
            }
            // Few bits of a place decide a constant's.
            (Op::Constant, _) => (choice(2), Path::default()),
            (Op::Shift { .. } | Op::Delay(_), _) => (read, Path::default()),
            (Op::Multiply { multiplier, .. }, _) => {
                let (before, within) = paths.multiplier(own.width, options);
                // Each row's digit is chosen, from a register that says whose turn it is.
                let rows = rows.get(&multiplier).copied().unwrap_or(1);
                let chosen = read.worst(choice(rows));
                let word = if rows > 1 { chosen } else { read };
                (word.then(before).worst(within), Path::default())
            }
            (Op::Parallel(_), form) => match own.op {
                circuit::Op::Clamp { .. } => {
                    let bounded = read.then(sum(form.bits(), 2, &paths.delays));
                    (bounded, bounded)
                }
                circuit::Op::Offset { .. } if !own.op.is_wires() => {
                    (read.then(sum(form.bits(), 2, &paths.delays)), Path::default())
                }
                _ => (read, read),
            },
            _ => (read, read),
        };
        let takes = paths.takes(way);
        if takes > longest.0 {
            longest = (takes, Some(node));
        }
        shown[i] = after;
    }
    for &output in &serial.outputs {
        let takes = paths.takes(shown[output.index()].then(paths.memory()));
        if takes > longest.0 {
            longest = (takes, Some(serial.node(output)));
        }
    }
    match longest {
        (takes, Some(node)) if takes > paths.most => {
            let own = circuit.node(node.of);
            let multiplies = own.op.is_multiplier();
            Err(too_slow(takes, paths.most, &circuit.name, &own.name, multiplies))
        }
        _ => Ok(()),
    }
}
