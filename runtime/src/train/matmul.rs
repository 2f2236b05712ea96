//! Matrix products on `gemm`, the same bits on any number of threads.

use crate::train::lanes::{Double, OnLanes, Single};
use gemm::Parallelism;
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, NdFloat};

/// The numbers training computes with: f32, and f64 where integers must stay exact.
pub trait Real: NdFloat {
    /// The nearest number to `v`.
    fn real(v: f64) -> Self;
    /// e^self; of f32 by a polynomial, of which a loop can take many at once, to about 2 units in
    /// the last place (Cephes).
    fn exponential(self) -> Self;
    /// Does work on the widest registers that the processor has.
    fn on_lanes(work: impl OnLanes<Self>);
}

impl Real for f32 {
    fn real(v: f64) -> Self {
        v as f32
    }

    #[inline(always)]
    fn exponential(self) -> f32 {
        // 2^n e^r with n whole and |r| ≤ ln 2 / 2; ln 2 in two parts, of which the first has few
        // bits.
        let x = self.clamp(-87.0, 88.0);
        // Rounded by the addition of a number whose units are whole; a call of `round` would end
        // the loop's many at once.
        const WHOLE: f32 = 12_582_912.0;
        let shifted = x * std::f32::consts::LOG2_E + WHOLE;
        let n = shifted - WHOLE;
        let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
        let p = 1.987_569_1e-4;
        let p = p * r + 1.398_2e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_5e-1;
        let p = p * r + 0.5;
        // The last bits of `shifted` count those units: a conversion would take one at a time.
        let power = shifted.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127) << 23;
        let power = f32::from_bits(power);
        (p * r * r + r + 1.0) * power
    }

    #[inline(always)]
    fn on_lanes(work: impl OnLanes<f32>) {
        pulp::Arch::new().dispatch(Single(work));
    }
}

impl Real for f64 {
    fn real(v: f64) -> Self {
        v
    }

    fn exponential(self) -> f64 {
        self.exp()
    }

    #[inline(always)]
    fn on_lanes(work: impl OnLanes<f64>) {
        pulp::Arch::new().dispatch(Double(work));
    }
}

/// Runs a closure `|| …` compiled for the widest vectors that the processor has. No operation is
/// fused with another, so the bits are those of plain code. What it calls must be inlined, as it
/// is itself: what is left as a function of its own is compiled for any processor.
macro_rules! vectorised {
    (|| $body:expr) => {{
        let once = $crate::train::matmul::Once;
        ::pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                once.spend();
                $body
            },
        )
    }};
}
pub(crate) use vectorised;

/// What a closure gives away, so that it can be called but once: one that could be called again
/// would be called through a function that is not inlined.
pub struct Once;

impl Once {
    /// Gives it away.
    #[inline(always)]
    pub fn spend(self) {}
}

/// 1 where v is positive, else 0. A factor, and no choice between a value and 0 in its place: that
/// would be compiled to masked stores, which take some processors ten times as long.
#[inline(always)]
pub fn is_positive<T: Real>(v: T) -> T {
    if v > T::zero() { T::one() } else { T::zero() }
}

/// Multiply-adds that one piece of a product is worth; smaller pieces cost more in hand-over than
/// they gain.
const PIECE: usize = 1 << 20;
/// No product is cut into more pieces.
const MOST_PIECES: usize = 16;

/// What a product does with the matrix it is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// `c = a · b`.
    Place,
    /// `c += a · b`.
    Sum,
}

/// `c = a · b` for `[m, k]`, `[k, n]`, `[m, n]`, of any strides.
pub fn product<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, c: ArrayViewMut2<T>) {
    product_into(a, b, c, Into::Place);
}

/// `c = a · b` or `c += a · b` for `[m, k]`, `[k, n]`, `[m, n]`, of any strides.
///
/// The product is cut into pieces along the longer side of c; where they are cut depends on the
/// shapes alone, and no sum is split, so the number of threads does not change a bit.
pub fn product_into<T: Real>(
    a: ArrayView2<T>,
    b: ArrayView2<T>,
    mut c: ArrayViewMut2<T>,
    into: Into,
) {
    let (m, k) = a.dim();
    let n = b.ncols();
    let pieces = (m * n * k / PIECE).clamp(1, MOST_PIECES);
    if pieces == 1 {
        return serial(a, b, c, into);
    }
    if m > n {
        let rows = m.div_ceil(pieces).next_multiple_of(8);
        (c.axis_chunks_iter_mut(Axis(0), rows).into_par_iter())
            .zip(a.axis_chunks_iter(Axis(0), rows))
            .for_each(|(c, a)| serial(a, b, c, into));
    } else {
        let columns = n.div_ceil(pieces).next_multiple_of(16);
        (c.axis_chunks_iter_mut(Axis(1), columns).into_par_iter())
            .zip(b.axis_chunks_iter(Axis(1), columns))
            .for_each(|(c, b)| serial(a, b, c, into));
    }
}

#[allow(unsafe_code)]
fn serial<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, mut c: ArrayViewMut2<T>, into: Into) {
    let ((m, k), n) = (a.dim(), b.ncols());
    assert!(
        b.nrows() == k && c.dim() == (m, n),
        "shapes {:?} · {:?} = {:?}",
        a.dim(),
        b.dim(),
        c.dim()
    );
    let add = into == Into::Sum;
    if k == 0 {
        if !add {
            c.fill(T::zero());
        }
        return;
    }
    let (c_strides, a_strides, b_strides) = (c.strides().to_owned(), a.strides(), b.strides());
    // SAFETY: pointers, sizes and strides come from views that live through the call, the sizes
    // agree (asserted), and c is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_strides[1],
            c_strides[0],
            add,
            a.as_ptr(),
            a_strides[1],
            a_strides[0],
            b.as_ptr(),
            b_strides[1],
            b_strides[0],
            T::one(),
            T::one(),
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn matrix(m: usize, n: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((m, n), |(i, j)| ((i * 31 + j * 17 + seed * 7) % 23) as f64 - 11.0)
    }

    #[test]
    fn equals_the_definition_for_all_strides() {
        for (m, k, n) in [(1, 1, 1), (3, 0, 4), (5, 7, 3), (64, 50, 130), (200, 90, 70)] {
            let (a, b) = (matrix(m, k, 1), matrix(k, n, 2));
            let mut expected = Array2::zeros((m, n));
            for ((i, j), e) in expected.indexed_iter_mut() {
                *e = (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum::<f64>();
            }
            let (at, bt) =
                (a.t().as_standard_layout().into_owned(), b.t().as_standard_layout().into_owned());
            for (a, b) in
                [(a.view(), b.view()), (at.t(), b.view()), (a.view(), bt.t()), (at.t(), bt.t())]
            {
                let mut c = Array2::from_elem((m, n), f64::NAN);
                product(a, b, c.view_mut());
                assert_eq!(c, expected);
                let mut c = Array2::from_elem((n, m), f64::NAN);
                product(a, b, c.view_mut().reversed_axes());
                assert_eq!(c.t(), expected);
                product_into(a, b, c.view_mut().reversed_axes(), Into::Sum);
                assert_eq!(c.t(), &expected * 2.0);
            }
        }
    }

    #[test]
    fn exponentials_are_near() {
        for i in -8_700..8_800 {
            let x = i as f32 * 0.01;
            let due = f64::from(x).exp();
            let got = f64::from(x.exponential());
            assert!((got / due - 1.0).abs() < 3e-7, "e^{x}: {got}, {due}");
        }
        assert_eq!(
            [0.0f32.exponential(), f32::MIN.exponential() * 1e30],
            [1.0, (-87.0f32).exponential() * 1e30]
        );
        assert!(f32::MAX.exponential().is_finite() && 1f64.exponential() == 1f64.exp());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let a = matrix(150, 700, 3).mapv(|v| v as f32 * 0.37);
        let b = matrix(700, 128, 4).mapv(|v| v as f32 * 0.11);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut c = Array2::zeros((150, 128));
            pool.install(|| product(a.view(), b.view(), c.view_mut()));
            c
        };
        assert_eq!(run(1), run(3));
    }
}
