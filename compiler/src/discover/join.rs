//! Schemes of a shape from those of its two parts: a start for walks that lies lower than the
//! schoolbook scheme and is not as barren as two optimal halves. As in Arai, Ichikawa and Hukushima
//! (2024), who extend schemes from shape to shape.

use super::scheme::{Scheme, Shape};
use super::search::known_rank;
use super::ternary::Ternary;

/// The size of a product that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Rows of A and C.
    N,
    /// Columns of A, rows of B.
    M,
    /// Columns of B and C.
    P,
}

/// The shape that is smaller by one in one of its sizes, and what is left, of least rank together,
/// where the first part has its least known rank and the second one the schoolbook's; `None` where
/// no smaller shape has a known rank.
pub fn extension(shape: Shape) -> Option<(Side, [Shape; 2])> {
    let Shape { n, m, p } = shape;
    let cuts = [
        (Side::N, [Shape { n: n - 1, ..shape }, Shape { n: 1, ..shape }]),
        (Side::M, [Shape { m: m - 1, ..shape }, Shape { m: 1, ..shape }]),
        (Side::P, [Shape { p: p - 1, ..shape }, Shape { p: 1, ..shape }]),
    ];
    let ranked = cuts.into_iter().filter(|(_, [first, _])| first.schoolbook() > 0).filter_map(
        |(side, parts)| {
            let rank = known_rank(parts[0])? + parts[1].schoolbook();
            Some((rank, (side, parts)))
        },
    );
    ranked.min_by_key(|&(rank, _)| rank).map(|(_, cut)| cut)
}

/// The scheme of a shape that was cut, from schemes of its parts, which agree in the other sizes:
/// it has as many products as both together.
pub fn join(side: Side, parts: [&Scheme; 2]) -> Scheme {
    let [first, second] = parts.map(|part| part.shape);
    let shape = match side {
        Side::N => Shape { n: first.n + second.n, ..first },
        Side::M => Shape { m: first.m + second.m, ..first },
        Side::P => Shape { p: first.p + second.p, ..first },
    };
    // Where the second part's blocks of A, B and C begin.
    let corners = match side {
        Side::N => [(first.n, 0), (0, 0), (first.n, 0)],
        Side::M => [(0, first.m), (first.m, 0), (0, 0)],
        Side::P => [(0, 0), (0, first.p), (0, first.p)],
    };
    let mut factors = [vec![], vec![], vec![]];
    for (f, factor) in factors.iter_mut().enumerate() {
        let columns = shape.matrices()[f].1;
        for (part, corner) in parts.iter().zip([(0, 0), corners[f]]) {
            factor.extend(
                part.factors[f]
                    .iter()
                    .map(|v| placed(*v, part.shape.matrices()[f], corner, columns)),
            );
        }
    }
    Scheme { shape, factors }
}

/// A matrix of `rows × columns` as the block at `(row, column)` of a matrix that is `wide` columns
/// wide.
fn placed(
    v: Ternary,
    (rows, columns): (usize, usize),
    (row, column): (usize, usize),
    wide: usize,
) -> Ternary {
    let mut placed = Ternary::ZERO;
    for i in 0..rows {
        for j in 0..columns {
            let unit = Ternary::unit((row + i) * wide + column + j);
            placed = match v.get(i * columns + j) {
                0 => placed,
                // No entry is set twice.
                entry => placed.checked_add(unit.signed(entry < 0)).unwrap_or(placed),
            };
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::discover::property(64))]

        #[test]
        fn joined_parts_are_right(n in 1usize..5, m in 1usize..5, p in 1usize..5) {
            let shape = Shape { n, m, p };
            if let Some((side, parts)) = extension(shape) {
                let [first, second] = parts.map(Scheme::schoolbook);
                let joined = join(side, [&first, &second]);
                prop_assert_eq!((joined.shape, joined.rank()), (shape, shape.schoolbook()));
                prop_assert!(joined.verify().is_ok());
            }
        }
    }

    #[test]
    fn the_best_extension_is_taken() {
        let shapes = |text: &str| {
            extension(text.parse().unwrap()).map(|(_, parts)| parts.map(|part| part.to_string()))
        };
        assert_eq!(shapes("3x4x4"), Some(["3x3x4".into(), "3x1x4".into()]));
        assert_eq!(shapes("1x1x1"), None);
        assert_eq!(shapes("7x7x7"), None);
    }
}
