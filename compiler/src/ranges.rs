//! Exact ranges of sums: of independent values, and of the products of one SPN layer, which are
//! correlated.

use crate::interval::{Interval, half, round_shift};
use crate::reach::{Reached, Readers};
use ndarray::Array2;
use rayon::prelude::*;
use std::ops::Range;

/// `Σ coefficient · entry`, where the entries are the leaves, followed by the sums before this one.
pub type Sum = Vec<(usize, i64)>;

/// Axes are taken in blocks of this many, so that the coefficients of tens of thousands of sums
/// stay in cache.
const BLOCK: usize = 16;

/// What the leaves of sums are.
#[derive(Clone, Copy)]
enum Leaves<'a> {
    /// Leaf i is `v_i`.
    Axes,
    /// Leaf i is `Σ_j form(i, j) · v_j`; the number says how many leaves there are.
    Forms(usize, &'a (dyn Fn(usize, usize) -> i128 + Sync)),
}

impl Leaves<'_> {
    fn of(self, leaf: usize, axis: usize) -> i128 {
        match self {
            Leaves::Axes => i128::from(leaf == axis),
            Leaves::Forms(_, form) => form(leaf, axis),
        }
    }

    /// How many there are over so many axes.
    fn count(self, axes: usize) -> usize {
        if let Leaves::Forms(count, _) = self { count } else { axes }
    }

    /// The axes that a leaf depends on, of so many.
    fn axes(self, leaf: usize, axes: usize) -> Range<usize> {
        if let Leaves::Axes = self { leaf..leaf + 1 } else { 0..axes }
    }

    /// The leaves that depend on these axes.
    fn on(self, axes: Range<usize>) -> Range<usize> {
        if let Leaves::Forms(count, _) = self { 0..count } else { axes }
    }
}

/// The range of each leaf and of each sum, where `v_j` is anything within `axes[j]`.
///
/// It computes in 64 bits where nothing can exceed them, which is several times as fast.
fn over_box(axes: &[(i128, i128)], leaves: Leaves, sums: &[Sum]) -> Vec<(i128, i128)> {
    if fits_64_bits(axes, leaves, sums) {
        let ranges = over_blocks::<i64>(axes, leaves, sums);
        ranges.into_iter().map(|(lo, hi)| (lo.into(), hi.into())).collect()
    } else {
        over_blocks::<i128>(axes, leaves, sums)
    }
}

/// Whether every form and every range, and all that is added up on the way, stays below 2^62.
fn fits_64_bits(axes: &[(i128, i128)], leaves: Leaves, sums: &[Sum]) -> bool {
    const LIMIT: i128 = 1 << 62;
    let reach = |i: usize| {
        let terms = leaves.axes(i, axes.len()).map(|j| {
            let (lo, hi) = axes[j];
            leaves.of(i, j).saturating_abs().saturating_mul(lo.abs().max(hi.abs()).max(1))
        });
        terms.fold(0i128, i128::saturating_add)
    };
    let mut reaches: Vec<i128> = (0..leaves.count(axes.len())).into_par_iter().map(reach).collect();
    for sum in sums {
        let terms =
            sum.iter().map(|&(entry, c)| i128::from(c).abs().saturating_mul(reaches[entry]));
        reaches.push(terms.fold(0, i128::saturating_add));
    }
    reaches.iter().all(|reach| *reach < LIMIT)
}

/// Blocks of axes side by side; integers add up to the same in any order. Of each block, only what
/// depends on it is looked at.
fn over_blocks<N: Number>(axes: &[(i128, i128)], leaves: Leaves, sums: &[Sum]) -> Vec<(N, N)> {
    let count = leaves.count(axes.len());
    let entries = count + sums.len();
    let reads = |i: usize| {
        i.checked_sub(count).into_iter().flat_map(|sum| sums[sum].iter().map(|&(entry, _)| entry))
    };
    let readers = Readers::new(entries, reads);
    let block = |start: usize,
                 block: &[(i128, i128)],
                 ranges: &mut [(N, N)],
                 forms: &mut [[N; BLOCK]],
                 reached: &mut Reached| {
        reached.follow(&readers, leaves.on(start..start + block.len()), |_| true);
        for i in reached.nodes() {
            let mut form = [N::ZERO; BLOCK];
            match i.checked_sub(count) {
                None => {
                    for (k, form) in form.iter_mut().enumerate().take(block.len()) {
                        *form = N::of(leaves.of(i, start + k));
                    }
                }
                Some(sum) => {
                    for &(entry, coefficient) in &sums[sum] {
                        let coefficient = N::of(coefficient.into());
                        for (form, term) in form.iter_mut().zip(&forms[entry]) {
                            *form += coefficient * *term;
                        }
                    }
                }
            }
            for (&c, &(lo, hi)) in form.iter().zip(block) {
                let (lo, hi) = (c * N::of(lo), c * N::of(hi));
                ranges[i].0 += lo.min(hi);
                ranges[i].1 += lo.max(hi);
            }
            forms[i] = form;
        }
        reached.nodes().for_each(|i| forms[i] = [N::ZERO; BLOCK]);
    };
    let blocks: Vec<(usize, &[(i128, i128)])> =
        (0..).step_by(BLOCK).zip(axes.chunks(BLOCK)).collect();
    let share = blocks.len().div_ceil(rayon::current_num_threads()).max(1);
    let of_share = |blocks: &[(usize, &[(i128, i128)])]| {
        let mut ranges = vec![(N::ZERO, N::ZERO); entries];
        let mut forms = vec![[N::ZERO; BLOCK]; entries];
        let mut reached = Reached::new(entries);
        for (start, axes) in blocks {
            block(*start, axes, &mut ranges, &mut forms, &mut reached);
        }
        ranges
    };
    let sum = |mut a: Vec<(N, N)>, b: Vec<(N, N)>| {
        for (a, b) in a.iter_mut().zip(b) {
            a.0 += b.0;
            a.1 += b.1;
        }
        a
    };
    let none = || vec![(N::ZERO, N::ZERO); entries];
    blocks.par_chunks(share).map(of_share).reduce(none, sum)
}

/// Integers of 64 or 128 bits.
trait Number: Copy + Ord + Send + Sync + std::ops::AddAssign + std::ops::Mul<Output = Self> {
    const ZERO: Self;

    /// A number that is known to fit.
    fn of(v: i128) -> Self;
}

impl Number for i64 {
    const ZERO: Self = 0;

    fn of(v: i128) -> Self {
        v as i64
    }
}

impl Number for i128 {
    const ZERO: Self = 0;

    fn of(v: i128) -> Self {
        v
    }
}

/// The interval of each leaf and of each sum of leaves that are independent of each other. Exact.
pub fn of_sums(leaves: &[Interval], sums: &[Sum]) -> Vec<Interval> {
    let axes: Vec<_> = leaves.iter().map(|i| (i128::from(i.lo), i128::from(i.hi))).collect();
    let ranges = over_box(&axes, Leaves::Axes, sums);
    ranges.into_iter().map(|(lo, hi)| interval(lo, hi)).collect()
}

/// The products of an SPN layer, `m_i = round(Σ_j forms[i, j] · x_j · 2^-shifts[i])`, half up, over
/// a box of x.
#[derive(Clone, Debug)]
pub struct Products {
    /// What enters, one interval per column of `forms`.
    pub x: Vec<Interval>,
    /// `[r, n_in]`: `diag(a) · W_b`.
    pub forms: Array2<i64>,
    /// `[r]`; negative is an exact left shift.
    pub shifts: Vec<i32>,
    /// `[r]`: the exact interval of each product by itself, where its form over the box does not
    /// say it: where the x are themselves products of what enters, and so not independent.
    pub alone: Option<Vec<Interval>>,
}

impl Products {
    /// These products, and behind them so many constants.
    pub fn with_constants(self, constants: &[i64]) -> Self {
        let (r, n) = self.forms.dim();
        let shape = (r + constants.len(), n + 1);
        let forms = Array2::from_shape_fn(shape, |(i, j)| match i.checked_sub(r) {
            None if j < n => self.forms[[i, j]],
            Some(k) if j == n => constants[k],
            _ => 0,
        });
        let (mut x, mut shifts, mut alone) = (self.x, self.shifts, self.alone);
        x.push(Interval::point(1));
        shifts.extend(constants.iter().map(|_| 0));
        if let Some(alone) = &mut alone {
            alone.extend(constants.iter().map(|v| Interval::point(*v)));
        }
        Products { x, forms, shifts, alone }
    }

    /// The interval of each product, and of each sum of products. Sums are exact up to the rounding
    /// of their terms.
    ///
    /// A sum is within its linear form over the box plus the rounding errors, and within the sum of
    /// its products' intervals.
    pub fn ranges(&self, sums: &[Sum]) -> Vec<Interval> {
        let scale = self.scale();
        let r = self.shifts.len();
        let axes: Vec<_> = self.x.iter().map(|i| (i128::from(i.lo), i128::from(i.hi))).collect();
        let linear = over_box(&axes, Leaves::Forms(r, &|i, j| self.scaled(i, j, scale)), sums);
        let errors: Vec<_> = (0..r).map(|i| self.error(i, scale)).collect();
        let rounding = over_box(&errors, Leaves::Axes, sums);
        let products: Vec<_> = (0..r).map(|i| self.product(i)).collect();
        let plain = of_sums(&products, sums);
        plain
            .into_iter()
            .zip(linear.iter().zip(&rounding))
            .map(|(plain, (linear, rounding))| {
                // Integers lie between the ends: round them inwards.
                let lo = -(-(linear.0 + rounding.0) >> scale);
                let hi = (linear.1 + rounding.1) >> scale;
                plain
                    .intersect(interval(lo, hi))
                    .expect("both intervals hold every value of the sum")
            })
            .collect()
    }

    /// The two vectors x that drive `Σ coefficient · product`, before rounding, to its least and to
    /// its greatest value.
    pub fn drive(&self, sum: &[(usize, i64)]) -> [Vec<i64>; 2] {
        let scale = self.scale();
        let end = |up: bool| {
            let pick = |(j, x): (usize, &Interval)| {
                let c: i128 =
                    sum.iter().map(|&(i, k)| i128::from(k) * self.scaled(i, j, scale)).sum();
                if (c > 0) == up { x.hi } else { x.lo }
            };
            self.x.iter().enumerate().map(pick).collect()
        };
        [end(false), end(true)]
    }

    /// Exact: a sum of independent values takes both its ends, and rounding keeps order.
    fn product(&self, i: usize) -> Interval {
        if let Some(alone) = &self.alone {
            return alone[i];
        }
        let terms = self.forms.row(i).into_iter().zip(&self.x).map(|(&c, x)| {
            let (a, b) = (c * x.lo, c * x.hi);
            Interval { lo: a.min(b), hi: a.max(b) }
        });
        terms
            .fold(Interval::point(0), |sum, term| sum + term)
            .map(|v| round_shift(v, self.shifts[i]))
    }

    /// All forms have integer coefficients in units of 2^-scale.
    fn scale(&self) -> i32 {
        self.shifts.iter().copied().max().unwrap_or(0).max(0)
    }

    fn scaled(&self, i: usize, j: usize, scale: i32) -> i128 {
        i128::from(self.forms[[i, j]]) << (scale - self.shifts[i])
    }

    /// Range of `m_i - exact product` in units of 2^-scale.
    fn error(&self, i: usize, scale: i32) -> (i128, i128) {
        let shift = self.shifts[i];
        // Products are multiples of 2^z; what is cut off then is one of 0, 2^z, …, 2^shift - 2^z.
        let z = self.forms.row(i).iter().map(|c| c.trailing_zeros() as i32).min().unwrap_or(64);
        if z >= shift {
            return (0, 0);
        }
        let half = i128::from(half(shift));
        let unit = |v: i128| v << (scale - shift);
        (unit((1 << z) - half), unit(half))
    }
}

/// Ranges of a valid model's sums stay far below 2^63.
fn interval(lo: i128, hi: i128) -> Interval {
    let narrow = |v: i128| i64::try_from(v).expect("a valid model's values fit 64 bits");
    Interval::new(narrow(lo), narrow(hi))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn config() -> ProptestConfig {
        ProptestConfig { cases: 512, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() }
    }

    fn intervals(n: usize) -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec(
            (-4i64..=4, 0i64..=2).prop_map(|(lo, n)| Interval::new(lo, lo + n)),
            n,
        )
    }

    /// Two sums over `n` leaves, the second one of the first one too.
    fn sums(n: usize) -> impl Strategy<Value = Vec<Sum>> {
        let sum = move |entries| prop::collection::vec((0..entries, -3i64..=3), 1..4);
        (sum(n), sum(n + 1)).prop_map(|(a, b)| vec![a, b])
    }

    /// All points of the box.
    fn points(x: &[Interval]) -> Vec<Vec<i64>> {
        x.iter().fold(vec![vec![]], |points, x| {
            let with = |point: &Vec<i64>, v: i64| point.iter().copied().chain([v]).collect();
            points.iter().flat_map(|point| (x.lo..=x.hi).map(move |v| with(point, v))).collect()
        })
    }

    /// The values of the leaves and the sums.
    fn values(leaves: &[i64], sums: &[Sum]) -> Vec<i64> {
        let mut values = leaves.to_vec();
        for sum in sums {
            values.push(sum.iter().map(|&(i, c)| c * values[i]).sum());
        }
        values
    }

    /// The least and the greatest of each entry.
    fn ends(all: &[Vec<i64>]) -> Vec<Interval> {
        let end = |i: usize| {
            let of = || all.iter().map(|values| values[i]);
            Interval::new(of().min().unwrap(), of().max().unwrap())
        };
        (0..all[0].len()).map(end).collect()
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn sums_of_independent_values_are_exact(
            (x, sums) in (1usize..5).prop_flat_map(|n| (intervals(n), sums(n))),
        ) {
            let all: Vec<_> = points(&x).iter().map(|x| values(x, &sums)).collect();
            prop_assert_eq!(of_sums(&x, &sums), ends(&all));
        }

        #[test]
        fn sums_of_products_are_exact_up_to_their_rounding(
            (x, forms, shifts, sums) in (1usize..4, 1usize..5).prop_flat_map(|(n, r)| (
                intervals(n),
                prop::collection::vec(-9i64..=9, n * r),
                prop::collection::vec(-2i32..=4, r),
                sums(r),
            )),
        ) {
            let r = shifts.len();
            let forms = Array2::from_shape_vec((r, x.len()), forms).unwrap();
            let products = Products { x, forms, shifts, alone: None };
            let m = |x: &[i64]| -> Vec<i64> {
                let rows = products.forms.outer_iter();
                let u = rows.map(|row| row.iter().zip(x).map(|(c, x)| c * x).sum());
                u.zip(&products.shifts).map(|(u, &shift)| round_shift(u, shift)).collect()
            };
            let all: Vec<_> = points(&products.x).iter().map(|x| values(&m(x), &sums)).collect();
            let declared = products.ranges(&sums);
            for (i, (declared, actual)) in declared.iter().zip(ends(&all)).enumerate() {
                prop_assert!(declared.includes(actual), "{declared} is not all of {actual}");
                if i < r || products.shifts.iter().all(|shift| *shift <= 0) {
                    prop_assert_eq!(*declared, actual);
                }
            }
            // The vectors that drive the first sum reach its ends up to half a unit for each of its
            // products.
            let [low, high] = products.drive(&sums[0]).map(|x| values(&m(&x), &sums[..1])[r]);
            let slack: i64 = sums[0].iter().map(|(_, c)| c.abs()).sum();
            prop_assert!(low - declared[r].lo <= slack && declared[r].hi - high <= slack);
        }
    }
}
