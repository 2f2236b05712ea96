//! What gated layers do with their gates, unit by unit, and activations with their elements.

use crate::interval::{Interval, round_shift};
use strassenc_runtime::{self as runtime, Format};

/// σ or tanh of the signed integers of a format, as a table of half of them: symmetry gives the
/// other half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// σ, where -v yields 1 - σ(v); else tanh, where it yields -tanh(v).
    pub sigmoid: bool,
    /// `[2^(bits - 1)]`, each within 0..=2^frac; the last one is for the format's minimum too.
    pub values: Vec<i64>,
    /// Fractional bits of the values.
    pub frac: u32,
}

/// What an activation makes of each element x.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Function {
    /// min(x, max), in the format of x.
    Clip {
        /// From 0 to the largest integer of the format.
        max: i64,
    },
    /// x, or where it is negative round(x · 2^-shift), half up, in the format of x, which is
    /// signed.
    Leaky {
        /// 1 to 15.
        shift: u32,
    },
    /// σ or tanh, in the format of its values.
    Curve(Curve),
}

/// `x + round(σ(t) · (clamp(h) - x) · 2^-frac)`, half up: a mean of x and of h, which is cut to
/// 0..=max of their format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blend {
    /// σ, looked up with t.
    pub sigmoid: Curve,
    /// The format of x and of what leaves.
    pub format: Format,
}

/// One unit of a recurrent layer: from its four gates and its c to the next c and h.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What it makes of them.
    pub kind: runtime::Cell,
    /// σ of i, f and o, or of r and z.
    pub sigmoid: Curve,
    /// tanh of g, and of the next c in the format of the gates; or of the v that becomes n.
    pub tanh: Curve,
    /// The format of the gates.
    pub gate: Format,
    /// The format of c.
    pub state: Format,
    /// The format of h.
    pub hidden: Format,
}

/// The shifts of a [`Cell`]; right shifts round half up, and where they are negative they are exact
/// left shifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shifts {
    /// The left shift of σ(f)·c, or of c.
    pub kept: u32,
    /// The left shift of σ(i)·tanh(g), or of n.
    pub new: u32,
    /// The right shift of their sum to c, or of n and σ(z)·(c - n).
    pub state: i32,
    /// The right shift to the format of the gates: of c, or of n_x and σ(r)·n_h.
    pub index: i32,
    /// The right shift to h: of σ(o)·tanh(c), or of c.
    pub hidden: i32,
}

impl Curve {
    /// The value of the curve at v.
    pub fn at(&self, v: i64) -> i64 {
        let value = self.values[(v.unsigned_abs() as usize).min(self.values.len() - 1)];
        match (v < 0, self.sigmoid) {
            (false, _) => value,
            (true, true) => (1 << self.frac) - value,
            (true, false) => -value,
        }
    }

    /// What it can be for any value of v: a table need not rise.
    pub fn interval(&self, v: Interval) -> Interval {
        (v.lo..=v.hi)
            .map(|v| Interval::point(self.at(v)))
            .reduce(Interval::hull)
            .unwrap_or(Interval::point(0))
    }

    /// Bits of what is looked up.
    pub fn bits(&self) -> u32 {
        self.values.len().trailing_zeros() + 1
    }

    /// Bits of the table.
    pub fn rom_bits(&self) -> u64 {
        self.values.len() as u64 * u64::from(self.frac + 1)
    }
}

impl Function {
    /// What it makes of x.
    pub fn at(&self, x: i64) -> i64 {
        match self {
            Function::Clip { max } => x.min(*max),
            Function::Leaky { shift } if x < 0 => round_shift(x, *shift as i32),
            Function::Leaky { .. } => x,
            Function::Curve(curve) => curve.at(x),
        }
    }

    /// What it can be for any value of x.
    pub fn interval(&self, x: Interval) -> Interval {
        match self {
            Function::Curve(curve) => curve.interval(x),
            // They never fall.
            Function::Clip { .. } | Function::Leaky { .. } => x.map(|x| self.at(x)),
        }
    }
}

impl Blend {
    /// What the unit yields.
    pub fn apply(&self, t: i64, h: i64, x: i64) -> i64 {
        x + round_shift(self.sigmoid.at(t) * (self.cut(h) - x), self.sigmoid.frac as i32)
    }

    fn cut(&self, h: i64) -> i64 {
        h.clamp(0, self.format.max())
    }

    /// What the unit can yield: anything between x and h.
    pub fn interval(&self, h: Interval, x: Interval) -> Interval {
        let h = h.map(|h| self.cut(h));
        Interval::new(h.lo.min(x.lo), h.hi.max(x.hi))
    }
}

impl Cell {
    /// The shifts that bring the binary points of sums and products together.
    pub fn shifts(&self) -> Shifts {
        let (sigmoid, tanh) = (self.sigmoid.frac as i32, self.tanh.frac as i32);
        let frac = self.state.frac.max(tanh);
        let (index, hidden) = match self.kind {
            runtime::Cell::Lstm => {
                (self.state.frac - self.gate.frac, sigmoid + tanh - self.hidden.frac)
            }
            runtime::Cell::Gru => (sigmoid, self.state.frac - self.hidden.frac),
        };
        Shifts {
            kept: (frac - self.state.frac) as u32,
            new: (frac - tanh) as u32,
            state: sigmoid + frac - self.state.frac,
            index,
            hidden,
        }
    }

    /// The next c and h.
    pub fn step(&self, gates: [i64; 4], c: i64) -> (i64, i64) {
        match self.kind {
            runtime::Cell::Lstm => self.lstm(gates, c),
            runtime::Cell::Gru => self.gru(gates, c),
        }
    }

    fn lstm(&self, [i, f, g, o]: [i64; 4], c: i64) -> (i64, i64) {
        let shifts = self.shifts();
        let (kept, new) = (self.sigmoid.at(f) * c, self.sigmoid.at(i) * self.tanh.at(g));
        let c = self
            .state
            .saturate(round_shift((kept << shifts.kept) + (new << shifts.new), shifts.state));
        let index = self.gate.saturate(round_shift(c, shifts.index));
        let h = self.sigmoid.at(o) * self.tanh.at(index);
        (c, self.hidden.saturate(round_shift(h, shifts.hidden)))
    }

    fn gru(&self, [r, z, n_x, n_h]: [i64; 4], c: i64) -> (i64, i64) {
        let (shifts, one) = (self.shifts(), self.sigmoid.frac);
        let v = (n_x << one) + self.sigmoid.at(r) * n_h;
        let n = self.tanh.at(self.gate.saturate(round_shift(v, shifts.index))) << shifts.new;
        let mean = (n << one) + self.sigmoid.at(z) * ((c << shifts.kept) - n);
        let c = self.state.saturate(round_shift(mean, shifts.state));
        (c, self.hidden.saturate(round_shift(c, shifts.hidden)))
    }

    /// What h can be, 0 before the first input included.
    pub fn hidden_interval(&self) -> Interval {
        let Shifts { state, hidden, .. } = self.shifts();
        let one = 1i64 << (self.sigmoid.frac + self.tanh.frac);
        let shown = match self.kind {
            runtime::Cell::Lstm => Interval::new(-one, one),
            // c begins at 0, and each c is a mean of the one before and of a tanh.
            runtime::Cell::Gru => {
                let one = one << self.shifts().new;
                Interval::new(-one, one).map(|v| self.state.saturate(round_shift(v, state)))
            }
        };
        shown.map(|h| self.hidden.saturate(round_shift(h, hidden)))
    }
}
