//! The two-operand layer: what its products and sums can be.

use crate::adder_graph::Matrix;
use crate::interval::Interval;
use crate::ranges::Products;
use ndarray::{Array2, ArrayView1, Axis, s};
use strassenc_runtime::model::Bilinear;

/// W_a and W_b of these rows, block-diagonal: `[2k, n_a + n_b]`.
pub(super) fn block_diagonal(layer: &Bilinear, rows: &[usize]) -> Matrix {
    let (k, n_a) = (rows.len(), layer.inputs_a());
    let mut matrix = Matrix::zeros((2 * k, n_a + layer.inputs_b()));
    matrix.slice_mut(s![..k, ..n_a]).assign(&layer.w_a.select(Axis(0), rows).mapv(i32::from));
    matrix.slice_mut(s![k.., n_a..]).assign(&layer.w_b.select(Axis(0), rows).mapv(i32::from));
    matrix
}

/// The columns that each operand of a block-diagonal matrix reads.
fn operands(w_ab: &Matrix) -> [Vec<usize>; 2] {
    let (a, b) = w_ab.view().split_at(Axis(0), w_ab.nrows() / 2);
    [a, b]
        .map(|rows| (0..w_ab.ncols()).filter(|&j| rows.column(j).iter().any(|&w| w != 0)).collect())
}

/// The products of a two-operand layer as sums of monomials `a_k · b_l`.
///
/// The range of a sum of products is exact where it holds each element in one monomial at most, as
/// the outputs of a matrix product do.
pub(super) fn products(w_ab: &Matrix, x: &[Interval]) -> Products {
    let r = w_ab.nrows() / 2;
    let [a, b] = operands(w_ab);
    let monomials: Vec<(usize, usize)> =
        a.iter().flat_map(|&k| b.iter().map(move |&l| (k, l))).collect();
    let forms = Array2::from_shape_fn((r, monomials.len()), |(i, j)| {
        let (k, l) = monomials[j];
        i64::from(w_ab[[i, k]]) * i64::from(w_ab[[i + r, l]])
    });
    let operand = |i: usize| super::chain::sum(w_ab.row(i), x);
    Products {
        x: monomials.iter().map(|&(k, l)| x[k].times(x[l])).collect(),
        forms,
        shifts: vec![0; r],
        alone: Some((0..r).map(|i| operand(i).times(operand(i + r))).collect()),
    }
}

/// A vector that drives row `w_c` of W_c towards its greatest value, or its least one: the best end
/// that coordinate ascent over the two operands reaches from a few corners.
pub(super) fn drive(w_ab: &Matrix, w_c: ArrayView1<i32>, x: &[Interval], up: bool) -> Vec<i64> {
    let r = w_ab.nrows() / 2;
    let [a, b] = operands(w_ab);
    // How often a_k · b_l is in the sum.
    let form = Array2::from_shape_fn((x.len(), x.len()), |(k, l)| -> i64 {
        (0..r).map(|i| i64::from(w_c[i] * w_ab[[i, k]] * w_ab[[i + r, l]])).sum()
    });
    let value =
        |v: &[i64]| -> i64 { form.indexed_iter().map(|((k, l), &c)| c * v[k] * v[l]).sum() };
    let starts = [
        |_, x: &Interval| x.lo,
        |_, x: &Interval| x.hi,
        |i: usize, x: &Interval| [x.lo, x.hi][i % 2],
    ];
    let climb = |start: &fn(usize, &Interval) -> i64| {
        let mut v: Vec<i64> = x.iter().enumerate().map(|(i, x)| start(i, x)).collect();
        let mut reached = None;
        while reached != Some(value(&v)) {
            reached = Some(value(&v));
            for (own, other, of_a) in [(&a, &b, true), (&b, &a, false)] {
                for &k in own {
                    let coefficient =
                        |&l: &usize| v[l] * if of_a { form[[k, l]] } else { form[[l, k]] };
                    let slope: i64 = other.iter().map(coefficient).sum();
                    if slope != 0 {
                        v[k] = if (slope > 0) == up { x[k].hi } else { x[k].lo };
                    }
                }
            }
        }
        v
    };
    let key = |v: &Vec<i64>| if up { value(v) } else { -value(v) };
    starts.iter().map(climb).max_by_key(key).unwrap_or_default()
}
