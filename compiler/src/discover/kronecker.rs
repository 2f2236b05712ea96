//! Schemes of large shapes from those of small ones: V. Strassen, "Gaussian elimination is not
//! optimal" (1969), where a scheme multiplies matrices of blocks, and another one the blocks.

use super::scheme::{Scheme, Shape};
use super::ternary::Ternary;
use strassenc_runtime::{Error, Result};

/// The shape of a product of matrices of blocks.
pub fn shape(outer: Shape, inner: Shape) -> Shape {
    Shape { n: outer.n * inner.n, m: outer.m * inner.m, p: outer.p * inner.p }
}

/// `outer` on blocks that `inner` multiplies: each factor is a Kronecker product, the rank the
/// product of the ranks.
///
/// # Errors
/// Where a matrix has more entries than a [`Ternary`] holds.
pub fn compose(outer: &Scheme, inner: &Scheme) -> Result<Scheme> {
    let shape = shape(outer.shape, inner.shape);
    let (of_outer, of_inner) = (outer.shape.matrices(), inner.shape.matrices());
    let mut factors = [vec![], vec![], vec![]];
    for (f, factor) in factors.iter_mut().enumerate() {
        for &x in &outer.factors[f] {
            for &y in &inner.factors[f] {
                let product = x.kronecker(of_outer[f], y, of_inner[f]).ok_or_else(|| {
                    let cause = format!("has a matrix of more than {} entries", Ternary::MOST);
                    Error::input(format_args!("shape `{shape}`"), cause)
                })?;
                factor.push(product);
            }
        }
    }
    Ok(Scheme { shape, factors })
}

/// The ways to write a shape as a shape of blocks of a shape, neither of which is 1x1x1.
pub fn splits(shape: Shape) -> Vec<(Shape, Shape)> {
    let divisors = |n: usize| (1..=n).filter(move |d| n.is_multiple_of(*d));
    let mut splits = vec![];
    for n in divisors(shape.n) {
        for m in divisors(shape.m) {
            for p in divisors(shape.p) {
                let inner = Shape { n: shape.n / n, m: shape.m / m, p: shape.p / p };
                if n * m * p > 1 && inner.schoolbook() > 1 {
                    splits.push((Shape { n, m, p }, inner));
                }
            }
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_schoolbook_are_right_in_every_split() {
        for shape in ["4x4x4", "2x6x3", "6x1x4"] {
            let shape: Shape = shape.parse().unwrap();
            for (outer, inner) in splits(shape) {
                let scheme =
                    compose(&Scheme::schoolbook(outer), &Scheme::schoolbook(inner)).unwrap();
                assert_eq!((scheme.shape, scheme.rank()), (shape, shape.schoolbook()));
                scheme.verify().unwrap();
            }
        }
        assert!(
            splits("3x5x7".parse().unwrap())
                .iter()
                .all(|(outer, inner)| outer.schoolbook() > 1 && inner.schoolbook() > 1)
        );
    }
}
