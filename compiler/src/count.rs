//! What a trained model costs in multiplications and additions: its matrices and their adder
//! graphs, without circuits.
//!
//! Counted are the additions of W_b and W_c, as in the [figures](crate::figures) of a
//! core whose layers are all unrolled. Not counted: additions of constants (biases, roundings),
//! sums of branches and of pooling.

use crate::adder_graph;
use crate::compile::{Problem, shared};
use crate::figures::MatrixFigures;
use crate::ir::Layer;
use crate::lower;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::Add;
use strassenc_runtime::{Error, Kind, Model, Result};

/// The counts of one linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCount {
    /// The layer's name.
    pub name: String,
    /// Evaluations of an inference: output patches of a convolution, else 1.
    pub windows: u64,
    /// Multiplications of one evaluation: the live rows of W_b, and the products of gated units.
    pub per_window: usize,
    /// Figures of W_b.
    pub wb: MatrixFigures,
    /// Figures of W_c.
    pub wc: MatrixFigures,
}

/// The counts of one layer, or their sums over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Multiplications of one inference.
    pub multiplications: u64,
    /// Additions of W_b and W_c without sharing, each matrix once.
    pub naive_adders: u64,
    /// Two-operand additions of their adder graphs, each matrix once: adders of hardware that
    /// computes a window at a time.
    pub adders: u64,
    /// Additions of one inference without sharing: those of each matrix times its layer's windows.
    pub naive_additions: u64,
    /// Additions of one inference after sharing.
    pub additions: u64,
}

impl From<&LayerCount> for Counts {
    fn from(layer: &LayerCount) -> Self {
        let LayerCount { windows, per_window, wb, wc, .. } = layer;
        let (naive_adders, adders) =
            ((wb.naive_adders + wc.naive_adders) as u64, (wb.adders + wc.adders) as u64);
        Counts {
            multiplications: *per_window as u64 * windows,
            naive_adders,
            adders,
            naive_additions: naive_adders * windows,
            additions: adders * windows,
        }
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            multiplications: self.multiplications + other.multiplications,
            naive_adders: self.naive_adders + other.naive_adders,
            adders: self.adders + other.adders,
            naive_additions: self.naive_additions + other.naive_additions,
            additions: self.additions + other.additions,
        }
    }
}

impl<'a> Sum<&'a LayerCount> for Counts {
    fn sum<I: Iterator<Item = &'a LayerCount>>(layers: I) -> Counts {
        layers.map(Counts::from).fold(Counts::default(), Counts::add)
    }
}

/// Lowers a model, and finds and proves the adder graph of every matrix as
/// [`compile`](crate::compile::compile) does with these options. The result does not depend on the
/// number of threads; `stop` is polled.
///
/// # Errors
/// Where the model is not valid, or `stop` said so ([`Kind::Interrupted`]).
pub fn count(
    model: &Model,
    options: &adder_graph::Options,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<LayerCount>> {
    let share = |problem: Problem| {
        adder_graph::share_until(problem.matrix, &problem.options(options), stop)
    };
    let mut dataflow = lower::lower(model)?;
    lower::prune(&mut dataflow, &|_| true);
    let one = |(number, layer): (usize, &Layer)| {
        let kernel = layer.kernel()?;
        let matrix = |last: bool| {
            shared(&kernel.chain, (number, false), last, &share)
                .map(|matrix| MatrixFigures::from(&matrix))
        };
        let (wb, wc) = rayon::join(|| matrix(false), || matrix(true));
        let of_units = layer.products_of_a_unit() * dataflow.yields(number).shape.elements();
        let (name, per_window) = (layer.name.clone(), kernel.chain.multiplications() + of_units);
        let windows = kernel.windows.count() as u64;
        Some(wb.and_then(|wb| Ok(LayerCount { name, windows, per_window, wb, wc: wc? })))
    };
    let counted: Vec<Result<LayerCount>> =
        dataflow.layers.par_iter().enumerate().filter_map(one).collect();
    if stop() {
        return Err(Error::new(Kind::Interrupted, "count", "was interrupted"));
    }
    // The first layer's error, whichever thread comes first.
    counted.into_iter().collect()
}
