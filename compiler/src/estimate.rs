//! How long a compile will take and how much memory, from the sizes of its matrices: what can be
//! said before it is begun.
//!
//! Only matrices whose sums are built as wiring count: sharing, proving and scheduling them is
//! nearly all of a compile. The constants follow from random ternary matrices of 8 and 16 rows and
//! 6,144 to 24,576 columns; a figure is right within a factor of two or three.

use crate::build::Options;
use crate::compile;
use ndarray::Array2;
use strassenc_runtime::{Model, Result};

/// CPU seconds for each pair of terms that meet in a sum, all of which the search for common sums
/// begins with.
const PAIR: f64 = 10e-9;
/// CPU seconds for each nonzero, which becomes about a third of an addition that is built, proved,
/// scheduled and emitted.
const NONZERO: f64 = 20e-6;
/// CPU seconds for a step of the search.
const STEP: f64 = 2e-6;
/// Bytes for each nonzero: circuit, pipeline and text.
const BYTES: f64 = 1500.0;
/// Additions that are left of each nonzero, about.
const ADDERS: f64 = 0.35;

/// What a compile will take, about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The estimate for each layer whose sums are wiring.
    pub layers: Vec<LayerEstimate>,
    /// Whether its layers could have another engine, whose weights lie in ROM, so that no sums need
    /// to be found.
    pub foldable: bool,
}

/// What a layer will take.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerEstimate {
    /// The layer's name.
    pub name: String,
    /// The sizes of the layer's matrices.
    pub sizes: Vec<Size>,
}

/// The size of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows of the matrix, each a sum.
    pub rows: usize,
    /// What they are sums of.
    pub columns: usize,
    /// Entries that are not 0.
    pub nonzeros: usize,
}

impl Size {
    /// The size of a matrix `[rows, columns]` of these entries.
    pub fn new<T: Default + PartialEq>(
        (rows, columns): (usize, usize),
        entries: impl Iterator<Item = T>,
    ) -> Self {
        Size { rows, columns, nonzeros: entries.filter(|v| *v != T::default()).count() }
    }

    /// CPU seconds of sharing with this effort, and of all that follows. Effort 3 ends by the
    /// clock: its search is not counted.
    pub fn seconds(self, effort: u8) -> f64 {
        let nonzeros = self.nonzeros as f64;
        // Matrices that are taller than wide are solved as their transpose.
        let terms = nonzeros / self.rows.min(self.columns).max(1) as f64;
        let adders = ADDERS * nonzeros;
        let steps = match effort {
            1 => (200.0 * adders).min(20_000.0).max(4.0 * adders),
            2 => (10_000.0 * adders).min(1_000_000.0).max(250.0 * adders),
            _ => 0.0,
        };
        PAIR * nonzeros * terms / 2.0 + STEP * steps + NONZERO * nonzeros
    }

    /// Bytes in use at the most.
    fn bytes(self) -> f64 {
        BYTES * self.nonzeros as f64 + 16.0 * self.rows as f64 * self.columns as f64
    }
}

impl LayerEstimate {
    /// CPU seconds; see [`Size::seconds`].
    pub fn seconds(&self, effort: u8) -> f64 {
        self.sizes.iter().map(|size| size.seconds(effort)).sum()
    }
}

impl Estimate {
    /// The estimate for compiling `model` as `options` say.
    ///
    /// # Errors
    /// Where the model is not valid, or the engines that `options` ask for cannot be chosen.
    pub fn new(model: &Model, options: &Options) -> Result<Self> {
        let (dataflow, engines) = compile::plan(model, &options.compile())?;
        let unrolled = dataflow
            .layers
            .iter()
            .filter(|layer| engines.layers.get(&layer.name).is_some_and(|of| of.is_wired()));
        let layers = unrolled.filter_map(|layer| {
            let sizes = layer.kernel()?.chain.matrices().map(|(_, matrix)| size(matrix)).collect();
            Some(LayerEstimate { name: layer.name.clone(), sizes })
        });
        Ok(Estimate { layers: layers.collect(), foldable: true })
    }

    /// CPU seconds; see [`Size::seconds`].
    pub fn seconds(&self, effort: u8) -> f64 {
        self.layers.iter().map(|layer| layer.seconds(effort)).sum()
    }

    /// Entries of all matrices that are not 0.
    pub fn nonzeros(&self) -> usize {
        self.layers.iter().flat_map(|layer| &layer.sizes).map(|size| size.nonzeros).sum()
    }

    /// Bytes in use at the most.
    pub fn bytes(&self) -> f64 {
        self.layers.iter().flat_map(|layer| &layer.sizes).map(|size| size.bytes()).sum()
    }

    /// The layer that takes longest.
    pub fn longest(&self, effort: u8) -> Option<&LayerEstimate> {
        self.layers.iter().max_by(|a, b| a.seconds(effort).total_cmp(&b.seconds(effort)))
    }
}

fn size<T: Copy + Default + PartialEq>(matrix: &Array2<T>) -> Size {
    Size::new(matrix.dim(), matrix.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_takes_longer_and_more_effort_too() {
        let size =
            |rows: usize, columns: usize| Size { rows, columns, nonzeros: rows * columns / 2 };
        assert_eq!(size(64, 3000).seconds(1), size(3000, 64).seconds(1));
        assert!(size(64, 3000).seconds(1) < size(64, 6000).seconds(1));
        assert!(size(64, 3000).seconds(0) < size(64, 3000).seconds(1));
        assert!(size(64, 3000).seconds(1) < size(64, 3000).seconds(2));
        // Of digits' layers, a moment; of a hundred thousand inputs and three thousand products,
        // days.
        assert!(size(64, 64).seconds(1) < 2.0);
        assert!(size(3000, 100_000).seconds(0) > 3600.0 && size(3000, 100_000).bytes() > 64e9);
    }
}
