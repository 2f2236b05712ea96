//! The units of recurrent layers in integers, which golden's equal, and the way back through them.

use super::quantise::{Open, power};
use crate::format::Format;
use crate::model::{self, Output, Table};
use crate::network::Bits;
use crate::recurrent::{Along, Cell};

/// Bits before the binary point of what gates look up, sign included: σ and tanh are all but flat
/// beyond ±8.
pub const GATE_RANGE: i32 = 4;

/// What the units of a layer have in common.
pub struct Units {
    cell: Cell,
    /// The format of the gates.
    pub gate: Format,
    /// The table of σ.
    pub sigmoid: Table,
    /// The table of tanh.
    pub tanh: Table,
    /// The format of c.
    pub state: Format,
    /// The format of h.
    pub hidden: Format,
}

/// v · 2^-shift, half up.
pub fn round_shift(v: i64, shift: i32) -> i64 {
    if shift > 0 { (v + (1 << (shift - 1))) >> shift } else { v << -shift }
}

impl Units {
    /// Those of a network with these bits, whose c has this format.
    pub fn new(cell: Cell, bits: &Bits, state: Format) -> Self {
        let gate = Self::gate_of(bits);
        let frac = bits.activations.min(15) as i32;
        Units {
            cell,
            gate,
            sigmoid: Table::of_sigmoid(gate, frac),
            tanh: Table::of_tanh(gate, frac),
            state,
            hidden: Self::hidden_of(bits),
        }
    }

    /// Those of a layer of a valid model.
    pub fn of(layer: &model::Recurrent) -> Self {
        // An invariant: gates are requantised.
        let Output::Requantised { format: gate, .. } = layer.gates.output else {
            unreachable!("gates are requantised")
        };
        let (sigmoid, tanh) = (layer.sigmoid.clone(), layer.tanh.clone());
        let (cell, state, hidden) = (layer.kind, layer.cell, layer.hidden);
        Units { cell, gate, sigmoid, tanh, state, hidden }
    }

    /// A layer of them whose gates are these.
    pub fn layer(&self, gates: model::Dense, along: Along) -> model::Recurrent {
        model::Recurrent {
            kind: self.cell,
            along,
            gates,
            sigmoid: self.sigmoid.clone(),
            tanh: self.tanh.clone(),
            cell: self.state,
            hidden: self.hidden,
        }
    }

    /// The format of gates.
    pub fn gate_of(bits: &Bits) -> Format {
        Format { signed: true, bits: bits.gates, frac: bits.gates as i32 - GATE_RANGE }
    }

    /// The format of h, which is within ±1.
    pub fn hidden_of(bits: &Bits) -> Format {
        let bits = bits.activations.max(2);
        Format { signed: true, bits, frac: bits as i32 - 1 }
    }

    /// The format of a c of which this is the largest that samples have shown: that of a GRU is
    /// within ±1, that of an LSTM may be larger where samples are that were not seen, and saturates
    /// beyond.
    pub fn state_of(cell: Cell, bits: &Bits, largest: f64) -> Format {
        let whole = match cell {
            Cell::Lstm => (1.5 * largest.max(0.25)).log2().ceil() as i32,
            Cell::Gru => 0,
        };
        Format { signed: true, bits: bits.cell, frac: bits.cell as i32 - 1 - whole }
    }

    /// The next c and h of a unit, from its gates in the order of a model.
    #[inline]
    pub fn step(&self, gates: [i64; 4], c: i64) -> (i64, i64) {
        let Units { sigmoid, tanh, state, hidden, gate, .. } = self;
        let frac = state.frac.max(tanh.frac);
        let (from_c, from_tanh) = (frac - state.frac, frac - tanh.frac);
        match self.cell {
            Cell::Lstm => {
                let [i, f, g, o] = gates;
                let kept = (sigmoid.sigmoid(f) * c) << from_c;
                let new = (sigmoid.sigmoid(i) * tanh.tanh(g)) << from_tanh;
                let next = state.saturate(round_shift(kept + new, sigmoid.frac + from_c));
                let index = gate.saturate(round_shift(next, state.frac - gate.frac));
                let h = sigmoid.sigmoid(o) * tanh.tanh(index);
                let shift = sigmoid.frac + tanh.frac - hidden.frac;
                (next, hidden.saturate(round_shift(h, shift)))
            }
            Cell::Gru => {
                let [r, z, n_x, n_h] = gates;
                let v = (n_x << sigmoid.frac) + sigmoid.sigmoid(r) * n_h;
                let n = tanh.tanh(gate.saturate(round_shift(v, sigmoid.frac))) << from_tanh;
                let sum = (n << sigmoid.frac) + sigmoid.sigmoid(z) * ((c << from_c) - n);
                let next = state.saturate(round_shift(sum, sigmoid.frac + from_c));
                (next, hidden.saturate(round_shift(next, state.frac - hidden.frac)))
            }
        }
    }

    /// The way back through [`step`](Self::step): dL/dgates and dL/dc before, from dL/dc and dL/dh
    /// after. Roundings pass the gradient through, saturations stop it.
    pub fn back(&self, gates: [i64; 4], c: i64, [dc, dh]: [f64; 2]) -> ([f64; 4], f64) {
        let real = |v: i64, frac: i32| v as f64 * power(-frac);
        let sigmoid = |v: i64| real(self.sigmoid.sigmoid(v), self.sigmoid.frac);
        let tanh = |v: i64| real(self.tanh.tanh(v), self.tanh.frac);
        let open = |format: Format, v: f64| Open::of(format).factor(v);
        let slope = |s: f64| s * (1.0 - s);
        let (next, before) = (self.step(gates, c).0, real(c, self.state.frac));
        let after = real(next, self.state.frac);
        match self.cell {
            Cell::Lstm => {
                let [i, f, o] = [gates[0], gates[1], gates[3]].map(sigmoid);
                let g = tanh(gates[2]);
                let index = round_shift(next, self.state.frac - self.gate.frac);
                let t = tanh(self.gate.saturate(index));
                let dh = dh * open(self.hidden, o * t);
                let through = open(self.gate, after) * (1.0 - t * t);
                let d = (dc + dh * o * through) * open(self.state, f * before + i * g);
                let of_gates = [
                    d * g * slope(i),
                    d * before * slope(f),
                    d * i * (1.0 - g * g),
                    dh * t * slope(o),
                ];
                (of_gates, d * f)
            }
            Cell::Gru => {
                let [r, z] = [gates[0], gates[1]].map(sigmoid);
                let [n_x, n_h] = [gates[2], gates[3]].map(|v| real(v, self.gate.frac));
                let v = n_x + r * n_h;
                let index = self.gate.saturate((v * power(self.gate.frac) + 0.5).floor() as i64);
                let n = tanh(index);
                let sum = n + z * (before - n);
                let d = (dc + dh * open(self.hidden, after)) * open(self.state, sum);
                let dv = d * (1.0 - z) * (1.0 - n * n) * open(self.gate, v);
                ([dv * n_h * slope(r), d * (before - n) * slope(z), dv, dv * r], d * z)
            }
        }
    }
}
