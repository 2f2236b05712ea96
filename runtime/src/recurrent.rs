//! Which recurrent layers there are, and what they go along: the words that descriptions, models
//! and the compiler share.

use serde::{Deserialize, Serialize};

/// What a recurrent layer makes of its gates and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// A long short-term memory: the gates i, f, g and o.
    Lstm,
    /// A gated recurrent unit that resets after the product: the gates r, z, and two that make n,
    /// one of x alone and one of h alone.
    Gru,
}

impl Cell {
    /// Outputs of its gates' kernel for each unit.
    pub const GATES: usize = 4;

    /// What it is, in a word.
    pub fn kind(self) -> &'static str {
        match self {
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
        }
    }

    /// The SPNs of its gates, of one budget each: one over x and one over h for each gate of an
    /// LSTM, and for r, z and n of a GRU.
    pub fn spns(self) -> usize {
        match self {
            Cell::Lstm => 8,
            Cell::Gru => 6,
        }
    }

    /// Products of data by data for each unit: σ(f)·c, σ(i)·tanh(g) and σ(o)·tanh(c) of an LSTM,
    /// σ(r)·n_h and σ(z)·(h - n) of a GRU.
    pub fn products(self) -> usize {
        match self {
            Cell::Lstm => 3,
            Cell::Gru => 2,
        }
    }

    /// Additions for each unit behind the gates: f·c + i·g of an LSTM; n_x + r·n_h, h - n and n +
    /// z·(h - n) of a GRU.
    pub fn additions(self) -> usize {
        match self {
            Cell::Lstm => 1,
            Cell::Gru => 3,
        }
    }
}

/// What the state of a recurrent layer goes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Along {
    /// From one input to the next, as long as a sequence lasts.
    #[default]
    Inputs,
    /// From one pixel of an image of one row to the next, from zeros at the first.
    Pixels,
}
