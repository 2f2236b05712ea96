//! Factors of a matrix, at which an SPN begins.

use super::matmul::product;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use rand::{Rng, RngExt};

/// Rounds of the power method: the subspace need not be exact, it is trained on.
const ROUNDS: usize = 12;
/// Rows that are made orthonormal together.
const BLOCK: usize = 32;

/// `[r, columns]` and `[rows, r]`, whose product is w where r reaches its rank.
pub fn factors(
    w: ArrayView2<f32>,
    r: usize,
    plain: bool,
    rng: &mut impl Rng,
) -> (Array2<f32>, Array2<f32>) {
    let rows = w.nrows();
    if plain {
        return (w.to_owned(), Array2::eye(rows));
    }
    let q = dominant_rows(w, r.min(rows).min(w.ncols()), rng);
    let frame = orthonormal_rows(random(q.nrows(), r, rng));
    let mut w_b = Array2::zeros((r, q.ncols()));
    let (mut wq, mut w_c) = (Array2::zeros((rows, q.nrows())), Array2::zeros((rows, r)));
    product(frame.t(), q.view(), w_b.view_mut());
    product(w, q.t(), wq.view_mut());
    product(wq.view(), frame.view(), w_c.view_mut());
    (w_b, w_c)
}

fn random(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || rng.random::<f32>() - 0.5)
}

/// q orthonormal rows that span what those of w do, or about what its first q right singular
/// vectors do (power method).
fn dominant_rows(w: ArrayView2<f32>, q: usize, rng: &mut impl Rng) -> Array2<f32> {
    if q == w.nrows() {
        return orthonormal_rows(w.to_owned());
    }
    let mut rows = orthonormal_rows(random(q, w.ncols(), rng));
    let mut images = Array2::zeros((q, w.nrows()));
    for _ in 0..ROUNDS {
        product(rows.view(), w.t(), images.view_mut());
        product(images.view(), w, rows.view_mut());
        rows = orthonormal_rows(rows);
    }
    rows
}

/// Gram and Schmidt, twice for each row; what is before a block of rows is taken from all of it at
/// once.
fn orthonormal_rows(mut m: Array2<f32>) -> Array2<f32> {
    let norm = |row: ArrayView1<f32>| row.dot(&row).sqrt();
    let mut first = 0;
    while first < m.nrows() {
        let (before, mut rest) = m.view_mut().split_at(Axis(0), first);
        let count = rest.nrows().min(BLOCK);
        let mut block = rest.slice_mut(s![..count, ..]);
        for mut row in block.rows_mut() {
            let long = norm(row.view()).max(1e-30);
            row /= long;
        }
        let mut along = Array2::zeros((count, first));
        let mut shadow = Array2::zeros(block.dim());
        for _ in 0..if first > 0 { 2 } else { 0 } {
            product(block.view(), before.t(), along.view_mut());
            product(along.view(), before.view(), shadow.view_mut());
            block -= &shadow;
        }
        for i in 0..count {
            let (before, mut rest) = block.view_mut().split_at(Axis(0), i);
            let mut row = rest.row_mut(0);
            for _ in 0..2 {
                let along = before.dot(&row);
                row -= &along.dot(&before);
            }
            // What the rows before span already gets no row of its own.
            let left = norm(row.view());
            row.mapv_inplace(|v| if left > 1e-5 { v / left } else { 0.0 });
        }
        first += count;
    }
    m
}
