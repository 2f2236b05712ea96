//! Sharing of common sums: from a matrix to a small adder graph.

use super::greedy::share_pairs;
use super::sums::reduce;
use super::{AdderGraph, Matrix, signed_digits};

/// How hard to search, 0 (fastest) to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effort(pub u8);

/// What [`share`] aims for.
#[derive(Clone, Debug)]
pub struct Options {
    /// How hard to search.
    pub effort: Effort,
    /// Largest depth in adders; `None`: no limit. A limit below [`minimum_depth`] counts as that.
    pub max_depth: Option<u32>,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { effort: Effort(1), max_depth: None, seed: 0 }
    }
}

/// What [`share`] found.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The graph.
    pub graph: AdderGraph,
    /// The method of the portfolio that won, for reports.
    pub method: &'static str,
}

/// The least depth of any graph of `matrix` in adders: ⌈log2⌉ of the most signed digits in a row.
pub fn minimum_depth(matrix: &Matrix) -> u32 {
    let digits = matrix.rows().into_iter().map(|row| row.iter().map(|&v| signed_digits(v)).sum::<usize>()).max();
    digits.unwrap_or(0).max(1).next_power_of_two().trailing_zeros()
}

/// Finds a small adder graph for `matrix`. Deterministic for equal options.
pub fn share(matrix: &Matrix, options: &Options) -> Solution {
    share_until(matrix, options, &|| false)
}

/// Like [`share`], but returns the best graph so far soon after `stop` says so (a time limit, an interrupt).
pub fn share_until(matrix: &Matrix, options: &Options, _stop: &(dyn Fn() -> bool + Sync)) -> Solution {
    let limit = options.max_depth.map(|depth| depth.max(minimum_depth(matrix)));
    let reduced = reduce(matrix);
    let sums = share_pairs(reduced.sums, limit);
    Solution { graph: sums.into_graph(&reduced.wanted), method: "greedy" }
}

#[cfg(test)]
mod tests {
    use super::super::{Node, naive_adders, prove};
    use super::*;
    use proptest::prelude::*;

    fn matrices(entries: impl Strategy<Value = i32> + Clone) -> impl Strategy<Value = Matrix> {
        (0usize..20, 0usize..20).prop_flat_map(move |(n_out, n_in)| {
            proptest::collection::vec(entries.clone(), n_out * n_in)
                .prop_map(move |values| Matrix::from_shape_vec((n_out, n_in), values).unwrap())
        })
    }

    fn ternary() -> impl Strategy<Value = Matrix> {
        (1u32..=10).prop_flat_map(|density| {
            matrices(prop_oneof![10 - density => Just(0), density => Just(1), density => Just(-1)])
        })
    }

    fn holds(matrix: &Matrix, options: &Options) -> Result<(), TestCaseError> {
        let solution = share(matrix, options);
        prove(&solution.graph, matrix).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(solution.graph.adders() <= naive_adders(matrix));
        if let Some(depth) = options.max_depth {
            prop_assert!(solution.graph.depth() <= depth.max(minimum_depth(matrix)));
        }
        for node in &solution.graph.nodes {
            if let Node::Add(a, b) = node {
                prop_assert!(!(a.negate && b.negate) && a.shift.min(b.shift) == 0);
            }
        }
        prop_assert_eq!(share(matrix, options).graph, solution.graph);
        Ok(())
    }

    fn options() -> impl Strategy<Value = Options> {
        (0u8..2, proptest::option::of(0u32..8), any::<u64>()).prop_map(|(effort, max_depth, seed)| Options {
            effort: Effort(effort),
            max_depth,
            seed,
        })
    }

    proptest! {
        #[test]
        fn ternary_graphs_equal_their_matrix(matrix in ternary(), options in options()) {
            holds(&matrix, &options)?;
        }

        #[test]
        fn integer_graphs_equal_their_matrix(matrix in matrices(-300..300), options in options()) {
            holds(&matrix, &options)?;
        }

        #[test]
        fn extreme_entries_are_handled(matrix in matrices(prop_oneof![Just(i32::MIN), Just(i32::MAX), Just(0), Just(-1)])) {
            holds(&matrix, &Options::default())?;
        }
    }

    #[test]
    fn rows_that_are_others_cost_nothing() {
        let matrix =
            ndarray::array![[1, 1, 0, 1], [-1, -1, 0, -1], [4, 4, 0, 4], [0, 0, 0, 0], [0, 0, -1, 0], [1, 1, 0, 1]];
        let solution = share(&matrix, &Options::default());
        prove(&solution.graph, &matrix).unwrap();
        assert_eq!(solution.graph.adders(), 2);
    }
}
