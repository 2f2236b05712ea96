//! Sharing of common sums: from a matrix to a small adder graph.
//!
//! A portfolio of starts (greedy sharing of the matrix and of its transpose), the best of which the
//! local search improves.

use super::greedy::share_pairs;
use super::network::Network;
use super::search::{Plan, anneal};
use super::sums::{Sums, reduce};
use super::tree;
use super::widths::Widths;
use super::{AdderGraph, Matrix, signed_digits};
use crate::interval::Interval;

/// How hard to search: 0 is one greedy pass, 1 a short search of less than a second, 2 a
/// search of seconds, 3 one of many minutes, to be ended by the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effort(pub u8);

/// What is to be small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// The number of two-operand additions.
    Adders,
    /// The bits of all additions, each as wide as its exact result, for inputs `[n_in]` within
    /// these intervals.
    LutBits(Vec<Interval>),
}

/// How many terms one adder of the device takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operands {
    /// Two, in any FPGA.
    #[default]
    Two,
    /// Three in one carry chain, as in AMD's 7-series and UltraScale+ and in Intel's ALMs.
    Three,
}

impl Operands {
    /// The adders that take at most so many terms, 2 or 3; `None` of another number.
    pub fn of(most: u8) -> Option<Self> {
        match most {
            2 => Some(Operands::Two),
            3 => Some(Operands::Three),
            _ => None,
        }
    }

    /// The fewest adders of a sum of `terms` terms: each takes one or two terms off the list.
    #[inline]
    pub fn adders(self, terms: usize) -> usize {
        match self {
            Operands::Two => terms.saturating_sub(1),
            Operands::Three => terms / 2,
        }
    }

    /// The most terms that adders of this depth add up, for depths below [`depths`](Self::depths).
    #[inline]
    pub(crate) fn reach(self, depth: u32) -> u64 {
        match self {
            Operands::Two => 1 << depth,
            Operands::Three => 3u64.pow(depth),
        }
    }

    /// The least depth of adders that add up so many terms.
    pub fn depth(self, terms: u64) -> u32 {
        match self {
            Operands::Two => terms.max(1).next_power_of_two().trailing_zeros(),
            Operands::Three => (0..).find(|&depth| self.reach(depth) >= terms).unwrap_or(0),
        }
    }

    /// Limits from which on no limit is needed, and sums of [`reach`](Self::reach) do not overflow.
    pub(crate) fn depths(self) -> u32 {
        match self {
            Operands::Two => 48,
            Operands::Three => 30,
        }
    }
}

/// What [`share`] aims for.
#[derive(Clone, Debug)]
pub struct Options {
    /// How hard to search.
    pub effort: Effort,
    /// Largest depth in adders; `None`: no limit. A limit below [`minimum_depth`] counts as that.
    pub max_depth: Option<u32>,
    /// What is to be small.
    pub cost: Cost,
    /// The adders that the graph is made of.
    pub operands: Operands,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            effort: Effort(1),
            max_depth: None,
            cost: Cost::Adders,
            operands: Operands::Two,
            seed: 0,
        }
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

/// The caller's clock and ear.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// How much of the time that the caller grants is gone: the search ends soon after this is 1 or
    /// more.
    pub spent: &'a (dyn Fn() -> f64 + Sync),
    /// Hears of the least cost so far, now and then.
    pub found: &'a (dyn Fn(u64) + Sync),
}

/// The least depth of any graph of `matrix` in adders: ⌈log⌉, to the base of the adders' operands,
/// of the most signed digits in a row.
pub fn minimum_depth(matrix: &Matrix, operands: Operands) -> u32 {
    let digits = |row: ndarray::ArrayView1<i32>| row.iter().map(|&v| signed_digits(v)).sum();
    operands.depth(matrix.rows().into_iter().map(digits).max().unwrap_or(0) as u64)
}

/// Finds a small adder graph for `matrix`. Deterministic for equal options.
pub fn share(matrix: &Matrix, options: &Options) -> Solution {
    share_until(matrix, options, &|| false)
}

/// Does as [`share`], but returns the best graph so far soon after `stop` says so.
pub fn share_until(
    matrix: &Matrix,
    options: &Options,
    stop: &(dyn Fn() -> bool + Sync),
) -> Solution {
    share_watched(matrix, options, Watch { spent: &|| f64::from(u8::from(stop())), found: &|_| {} })
}

/// Does as [`share`], but ends when the caller's time is spent, with the best graph so far. The
/// result then depends on the machine's speed.
///
/// # Panics
/// Where the cost has not one interval per column.
pub fn share_watched(matrix: &Matrix, options: &Options, watch: Watch) -> Solution {
    let limit = options.max_depth.map(|depth| depth.max(minimum_depth(matrix, options.operands)));
    let widths = match &options.cost {
        Cost::Adders => None,
        Cost::LutBits(inputs) => {
            assert_eq!(inputs.len(), matrix.ncols(), "one interval per column");
            Some(Widths::new(inputs, options.operands))
        }
    };
    let reduced = reduce(matrix);
    let (start_method, start) =
        start(&reduced.sums, limit, options.operands, &|| (watch.spent)() >= 1.0);
    let adders = start.adders(options.operands) as u64;
    // A step is quicker where only adders of two operands are counted.
    let short = if widths.is_some() || options.operands == Operands::Three {
        (600 * adders).min(60_000).max(12 * adders)
    } else {
        (400 * adders).min(80_000).max(4 * adders)
    };
    let (steps, looks) = match options.effort.0 {
        0 => (0, 0),
        1 => (short, LOOKS),
        2 => ((10_000 * adders).min(1_000_000).max(250 * adders), 10 * LOOKS),
        _ => (u64::MAX, u64::MAX),
    };
    if steps == 0 || (watch.spent)() >= 1.0 {
        return Solution {
            graph: start.into_graph(&reduced.wanted, options.operands),
            method: start_method,
        };
    }
    // A temperature of one adder is one of about ten bits.
    let adder = if widths.is_some() { 10.0 } else { 1.0 };
    let chain = |start: &Sums, across: bool, plan: Plan| {
        let sums = if across { start.transpose() } else { start.clone() };
        let (ours, theirs) =
            (start.adders(options.operands) as u64, sums.adders(options.operands) as u64);
        let found = |cost: u64| (watch.found)(if across { cost + ours - theirs } else { cost });
        // Bits take longer to count: adders come first.
        let sums = if widths.is_some() && options.operands == Operands::Three {
            let adders = Network::new(&sums, limit, None, options.operands);
            anneal(adders, Plan { adder: 1.0, ..plan }, &|| 2.0 * (watch.spent)(), &|_| {}).1
        } else {
            sums
        };
        let network = Network::new(&sums, limit, widths.clone(), options.operands);
        let (cost, sums) = anneal(network, plan, watch.spent, &found);
        let sums = if across { sums.transpose() } else { sums };
        (if widths.is_some() { cost } else { sums.adders(options.operands) as u64 }, sums, across)
    };
    // The transposed circuit has another depth and other intervals. Short sums are quicker to
    // change.
    let reversible = limit.is_none() && widths.is_none() && options.operands == Operands::Two;
    let across = reversible && start.shared_inputs() > start.outputs.len();
    let plan = Plan { steps: short, looks: LOOKS, adder, hottest: HOTTEST, seed: options.seed };
    let mut best = chain(&start, across, plan);
    // Longer searches begin hotter, which may lose what a good start or a short search found: they
    // never end with more, and one of two goes on from there.
    if options.effort.0 > 1 {
        let plan = Plan { steps, looks, ..plan };
        let afresh = || chain(&start, across, plan);
        let onward = || {
            let seed = options.seed.wrapping_add(1);
            chain(&best.1, across ^ reversible, Plan { hottest: WARM, seed, ..plan })
        };
        let longer = if options.effort.0 < 3 {
            vec![afresh()]
        } else {
            let (a, b) = rayon::join(afresh, onward);
            vec![a, b]
        };
        for other in longer {
            if other.0 < best.0 {
                best = other;
            }
        }
    }
    let (_, sums, across) = best;
    let method = match (start_method, across) {
        (GREEDY, false) => "greedy, search",
        (GREEDY, true) => "greedy, search of the transpose",
        (TREE, false) => "tree of rows, search",
        (TREE, true) => "tree of rows, search of the transpose",
        (_, false) => "transposed greedy, search",
        (_, true) => "transposed greedy, search of the transpose",
    };
    Solution { graph: sums.into_graph(&reduced.wanted, options.operands), method }
}

/// Pairs that a short search looks at: a fraction of a second.
const LOOKS: u64 = 200_000_000;

/// The temperature in adders at which a search may begin, afresh and from a good graph.
const HOTTEST: f64 = 1.5;
const WARM: f64 = 0.4;

const GREEDY: &str = "greedy";
const TREE: &str = "tree of rows";

/// A greedy start.
fn start(
    sums: &Sums,
    limit: Option<u32>,
    operands: Operands,
    stop: &(dyn Fn() -> bool + Sync),
) -> (&'static str, Sums) {
    if limit.is_none()
        && !stop()
        && let Some(differences) = tree::differences(sums)
    {
        let tree = tree::joined(&share_pairs(differences, None, operands, stop));
        let plain = share_pairs(sums.clone(), None, operands, stop);
        if 20 * tree.adders(operands) < 19 * plain.adders(operands) {
            return (TREE, tree);
        }
    }
    // The transposed circuit has another depth.
    if limit.is_none() && sums.shared_inputs() < sums.outputs.len() {
        return (
            "transposed greedy",
            share_pairs(sums.transpose(), None, operands, stop).transpose(),
        );
    }
    (GREEDY, share_pairs(sums.clone(), limit, operands, stop))
}

#[cfg(test)]
mod tests {
    use super::super::{Node, naive_adders, prove};
    use super::*;
    use proptest::prelude::*;

    fn matrices(entries: impl Strategy<Value = i32> + Clone) -> impl Strategy<Value = Matrix> {
        (0usize..16, 0usize..16).prop_flat_map(move |(n_out, n_in)| {
            proptest::collection::vec(entries.clone(), n_out * n_in)
                .prop_map(move |values| Matrix::from_shape_vec((n_out, n_in), values).unwrap())
        })
    }

    fn ternary() -> impl Strategy<Value = Matrix> {
        (1u32..=10).prop_flat_map(|density| {
            matrices(prop_oneof![10 - density => Just(0), density => Just(1), density => Just(-1)])
        })
    }

    fn holds(matrix: &Matrix, (options, wide): &(Options, bool)) -> Result<(), TestCaseError> {
        let inputs = vec![Interval::new(-8, 7); matrix.ncols()];
        let cost = if *wide { Cost::LutBits(inputs) } else { Cost::Adders };
        let options = &Options { cost, ..options.clone() };
        let solution = share(matrix, options);
        prove(&solution.graph, matrix).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(solution.graph.adders() <= naive_adders(matrix, options.operands));
        if let Some(depth) = options.max_depth {
            prop_assert!(
                solution.graph.depth() <= depth.max(minimum_depth(matrix, options.operands))
            );
        }
        for node in &solution.graph.nodes {
            if !matches!(node, Node::Input(_)) {
                let terms = node.terms();
                prop_assert!(terms.iter().any(|t| !t.negate) && terms.iter().any(|t| t.shift == 0));
            }
            prop_assert!(options.operands == Operands::Three || node.terms().len() < 3);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        prop_assert_eq!(pool.install(|| share(matrix, options)).graph, solution.graph);
        Ok(())
    }

    /// The options of a search, and whether bits are counted.
    fn options() -> impl Strategy<Value = (Options, bool)> {
        let operands = prop_oneof![Just(Operands::Two), Just(Operands::Three)];
        (0u8..2, proptest::option::of(0u32..8), operands, any::<u64>(), any::<bool>()).prop_map(
            |(effort, max_depth, operands, seed, wide)| {
                let effort = Effort(effort);
                (Options { effort, max_depth, operands, seed, ..Options::default() }, wide)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64,
            rng_seed: proptest::test_runner::RngSeed::Fixed(4),
            ..Default::default()
        })]

        #[test]
        fn ternary_graphs_equal_their_matrix(matrix in ternary(), options in options()) {
            holds(&matrix, &options)?;
        }

        #[test]
        fn integer_graphs_equal_their_matrix(matrix in matrices(-300..300), options in options()) {
            holds(&matrix, &options)?;
        }

        #[test]
        fn extreme_entries_are_handled(
            matrix in matrices(prop_oneof![Just(i32::MIN), Just(i32::MAX), Just(0), Just(-1)]),
        ) {
            holds(&matrix, &Default::default())?;
        }
    }

    #[test]
    fn rows_that_are_others_cost_nothing() {
        let matrix = ndarray::array![
            [1, 1, 0, 1],
            [-1, -1, 0, -1],
            [4, 4, 0, 4],
            [0, 0, 0, 0],
            [0, 0, -1, 0],
            [1, 1, 0, 1]
        ];
        let solution = share(&matrix, &Options::default());
        prove(&solution.graph, &matrix).unwrap();
        assert_eq!(solution.graph.adders(), 2);
    }

    /// Three operands: fewer adders than two, with every cost and depth.
    #[test]
    fn adders_of_three_operands_are_fewer() {
        let matrix = example();
        let inputs = vec![Interval::new(-128, 127); 24];
        let with = |operands, cost, max_depth| {
            share(&matrix, &Options { operands, cost, max_depth, ..Options::default() }).graph
        };
        for cost in [Cost::Adders, Cost::LutBits(inputs.clone())] {
            for depth in [None, Some(0)] {
                let two = with(Operands::Two, cost.clone(), depth);
                let three = with(Operands::Three, cost.clone(), depth);
                assert!(4 * three.adders() < 3 * two.adders());
                assert!(4 * three.lut_bits(&inputs) < 3 * two.lut_bits(&inputs));
                assert!(three.depth() < two.depth());
            }
        }
        assert_eq!(minimum_depth(&matrix, Operands::Three), 3);
    }

    /// Random ternary 24×24 at density 2/3.
    fn example() -> Matrix {
        let mut rng = super::super::rng::Rng::new(5);
        Matrix::from_shape_simple_fn((24, 24), || rng.below(3) as i32 - 1)
    }

    /// Rows of ±1 are made from one another, which takes depth that must be allowed.
    #[test]
    fn dense_rows_are_made_from_one_another() {
        let mut rng = super::super::rng::Rng::new(6);
        let dense = Matrix::from_shape_simple_fn((32, 32), || 1 - 2 * (rng.below(2) as i32));
        for operands in [Operands::Two, Operands::Three] {
            let with =
                |max_depth| share(&dense, &Options { operands, max_depth, ..Options::default() });
            let (tree, limited) = (with(None), with(Some(29)));
            prove(&tree.graph, &dense).unwrap();
            assert_eq!(tree.method, "tree of rows, search");
            assert_eq!(limited.method, "greedy, search");
            assert!(10 * tree.graph.adders() < 9 * limited.graph.adders());
        }
    }

    /// A filter's coefficients are one long sum, of which each step looks at every pair.
    #[test]
    fn a_short_search_is_short_where_one_sum_is_long() {
        let mut rng = super::super::rng::Rng::new(7);
        let filter = Matrix::from_shape_simple_fn((1, 100), || rng.below(19) as i32 - 9);
        let strides = std::sync::atomic::AtomicU32::new(0);
        let spent = || {
            strides.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            0.0
        };
        let solution =
            share_watched(&filter, &Options::default(), Watch { spent: &spent, found: &|_| {} });
        prove(&solution.graph, &filter).unwrap();
        // Unbounded, it makes 400 steps for each of some 90 adders.
        let strides = strides.into_inner();
        assert!(strides < 60, "{strides} strides of 256 steps");
    }

    #[test]
    fn a_search_ends_with_the_callers_time_and_keeps_the_best() {
        let matrix = example();
        let looks = std::sync::atomic::AtomicU32::new(0);
        let spent = || f64::from(looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) / 40.0;
        let heard = std::sync::Mutex::new(vec![]);
        let watch = Watch { spent: &spent, found: &|cost| heard.lock().unwrap().push(cost) };
        // Without the caller's clock, effort 3 would not end.
        let solution =
            share_watched(&matrix, &Options { effort: Effort(3), ..Options::default() }, watch);
        prove(&solution.graph, &matrix).unwrap();
        let least = heard.into_inner().unwrap().into_iter().min();
        assert_eq!(least, Some(solution.graph.adders() as u64));
        let greedy =
            share_until(&matrix, &Options { effort: Effort(3), ..Options::default() }, &|| true);
        assert_eq!(greedy.method, GREEDY);
        assert!(solution.graph.adders() < greedy.graph.adders());
    }

    #[test]
    fn what_is_to_be_small_is_smaller() {
        let matrix = example();
        // Widths count where inputs differ: every other one is a single bit.
        let inputs: Vec<_> = (0..24)
            .map(|i| if i % 2 == 0 { Interval::new(0, 1) } else { Interval::new(-32768, 32767) })
            .collect();
        let with = |cost: Cost, max_depth| {
            share(&matrix, &Options { effort: Effort(2), cost, max_depth, ..Options::default() })
                .graph
        };
        let (adders, bits) = (with(Cost::Adders, None), with(Cost::LutBits(inputs.clone()), None));
        assert!(bits.lut_bits(&inputs) * 100 < adders.lut_bits(&inputs) * 99);
        assert!(adders.adders() <= bits.adders());
        // The tighter the depth, the more adders; one level costs some per cent, not a cliff.
        let least = minimum_depth(&matrix, Operands::Two);
        let shallow = with(Cost::Adders, Some(least));
        assert_eq!(shallow.depth(), least);
        assert!(
            adders.adders() <= shallow.adders() && 10 * shallow.adders() <= 11 * adders.adders()
        );
    }
}
