//! Recurrent layers along the pixels of a row, with weights that are drawn.

use crate::format::Format;
use crate::model::{Dense, Output, Recurrent, Table};
use crate::network::Bits;
use crate::network::plan::{Gates, Step};
use crate::recurrent::{Along, Cell};
use crate::train::quantise::{coefficient, power};
use ndarray::{Array1, Array2, s};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Bits before the binary point of what gates look up, sign included.
const GATE_RANGE: i32 = 4;
/// The standard deviation of gates: σ and tanh bend there, and are not flat.
const SPREAD: f64 = 1.5;
/// That of h, about.
const HIDDEN: f64 = 0.4;

/// The format in which tables are looked up.
pub fn gates(bits: &Bits) -> Format {
    Format { signed: true, bits: bits.gates, frac: bits.gates as i32 - GATE_RANGE }
}

/// A layer whose gates spread as those of a trained one, where the elements of x, in this format,
/// have this standard deviation.
pub fn recurrent(
    (step, cell, of): (&Step, Cell, &Gates),
    bits: &Bits,
    (x, deviation): (Format, f64),
    density: f64,
    rng: &mut ChaCha8Rng,
) -> Recurrent {
    let (n_in, n, r) = (step.input.channels, step.output.channels, of.r);
    let signed = |bits: u32, frac: i32| Format { signed: true, bits, frac };
    let format = gates(bits);
    let activations = bits.activations.max(2);
    let hidden = signed(activations, activations as i32 - 1);
    // The h of a GRU is within ±1; the c of an LSTM grows beyond.
    let range = match cell {
        Cell::Lstm => GATE_RANGE,
        Cell::Gru => 2,
    };
    let rows = cell.spns() * r;
    let (mut w_b, mut w_c) = (Array2::zeros((rows, n_in + n)), Array2::zeros((4 * n, rows)));
    let (mut coefficients, mut shifts) = (vec![], vec![]);
    let product_frac = format.frac + bits.guard as i32;
    for gate in 0..Cell::GATES {
        // n_x of a GRU is of x alone, n_h of h alone.
        let parts = match (cell, gate) {
            (Cell::Gru, 2) => 0..1,
            (Cell::Gru, 3) => 1..2,
            _ => 0..2,
        };
        let terms = if of.plain { (r / n) as f64 } else { density * r as f64 };
        let size = SPREAD / (terms * parts.len() as f64).sqrt();
        for part in parts {
            let (columns, frac, deviation) = match part {
                0 => (0..n_in, x.frac, deviation),
                _ => (n_in..n_in + n, hidden.frac, HIDDEN),
            };
            let first = coefficients.len();
            for i in first..first + r {
                let mut row = w_b.slice_mut(s![i, columns.clone()]);
                draw(&mut row.iter_mut(), density, rng);
                let terms = row.iter().filter(|w| **w != 0).count() as f64;
                let value = size / (deviation * terms.sqrt()) * rng.random_range(0.5..1.5);
                let value = if rng.random() { value } else { -value };
                let up = power(product_frac - frac);
                let (a, t) = coefficient(value * up, bits.coefficients, bits.coefficient_terms);
                coefficients.push(a);
                shifts.push(t);
            }
            for c in gate * n..(gate + 1) * n {
                let mut row = w_c.slice_mut(s![c, first..first + r]);
                if of.plain {
                    (c % n..r).step_by(n).for_each(|i| row[i] = 1);
                } else {
                    draw(&mut row.iter_mut(), density, rng);
                }
            }
        }
    }
    let out = bits.activations.min(15) as i32;
    Recurrent {
        kind: cell,
        along: Along::Pixels,
        gates: Dense {
            name: step.name.clone(),
            budget: rows,
            w_b,
            coefficients: coefficients.into(),
            coefficient_bits: bits.coefficients,
            coefficient_shifts: shifts.into(),
            product_frac,
            w_c,
            bias: Array1::zeros(4 * n),
            output: Output::Requantised {
                shifts: Array1::from_elem(4 * n, bits.guard as i32),
                format,
            },
        },
        sigmoid: Table::of_sigmoid(format, out),
        tanh: Table::of_tanh(format, out),
        cell: signed(bits.cell, bits.cell as i32 - range),
        hidden,
    }
}

/// Draws entries, of which at least one is not 0.
fn draw(entries: &mut dyn ExactSizeIterator<Item = &mut i8>, density: f64, rng: &mut ChaCha8Rng) {
    let alive = rng.random_range(0..entries.len());
    for (i, w) in entries.enumerate() {
        if i == alive || rng.random_bool(density) {
            *w = if rng.random() { 1 } else { -1 };
        }
    }
}
