//! Bilinear schemes of matrix products, and the proof that one is right: the Brent equations.

use super::ternary::Ternary;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use strassenc_runtime::{Error, Result};

/// The shape of a matrix product: A is `n × m`, B is `m × p`, C = A·B is `n × p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shape {
    /// Rows of A and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub m: usize,
    /// Columns of B and C.
    pub p: usize,
}

impl Shape {
    /// Rows and columns of A, B and C.
    pub fn matrices(self) -> [(usize, usize); 3] {
        [(self.n, self.m), (self.m, self.p), (self.n, self.p)]
    }

    /// Entries of A, B and C.
    pub fn entries(self) -> [usize; 3] {
        self.matrices().map(|(rows, columns)| rows * columns)
    }

    /// Multiplications of the schoolbook scheme.
    pub fn schoolbook(self) -> usize {
        self.n * self.m * self.p
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.n, self.m, self.p)
    }
}

impl From<Shape> for String {
    fn from(shape: Shape) -> Self {
        shape.to_string()
    }
}

impl TryFrom<String> for Shape {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for Shape {
    type Err = Error;

    /// Reads `NxMxP`, each at least 1, no matrix with more than [`Ternary::MOST`] entries.
    fn from_str(text: &str) -> Result<Self> {
        let fail = |cause: &str| {
            Error::input(format_args!("shape `{text}`"), cause)
                .help("NxMxP: A is N×M, B is M×P, each at most 64 entries, e.g. 2x2x2 or 3x3x4")
        };
        let sizes: Option<Vec<usize>> =
            text.split('x').map(|s| s.parse().ok().filter(|n| *n > 0)).collect();
        let Some([n, m, p]) = sizes.as_deref() else { return Err(fail("is not three sizes")) };
        let within = |a: usize, b: usize| a.checked_mul(b).is_some_and(|n| n <= Ternary::MOST);
        if !(within(*n, *m) && within(*m, *p) && within(*n, *p)) {
            return Err(fail("has a matrix of more than 64 entries"));
        }
        Ok(Shape { n: *n, m: *m, p: *p })
    }
}

/// A bilinear scheme: `vec(C) = W_c [(W_b vec(B)) ⊙ (W_a vec(A))]` with row-major vec, all entries
/// in {-1, 0, 1} (StrassenNets, eq. 1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// The matrix product that it computes.
    pub shape: Shape,
    /// Rows of W_a, rows of W_b, columns of W_c: one of each per multiplication.
    pub factors: [Vec<Ternary>; 3],
}

impl Scheme {
    /// The schoolbook scheme, `c_ik = Σ_j a_ij · b_jk`: the only one that the program knows.
    pub fn schoolbook(shape: Shape) -> Self {
        let mut factors = [vec![], vec![], vec![]];
        for i in 0..shape.n {
            for j in 0..shape.m {
                for k in 0..shape.p {
                    factors[0].push(Ternary::unit(i * shape.m + j));
                    factors[1].push(Ternary::unit(j * shape.p + k));
                    factors[2].push(Ternary::unit(i * shape.p + k));
                }
            }
        }
        Scheme { shape, factors }
    }

    /// Number of multiplications, r.
    pub fn rank(&self) -> usize {
        self.factors[0].len()
    }

    /// Nonzeros of W_a, W_b and W_c.
    pub fn nonzeros(&self) -> u32 {
        self.factors.iter().flatten().map(|f| f.nonzeros()).sum()
    }

    /// W_a `[r, n·m]`, W_b `[r, m·p]` or, for factor 2, W_c transposed, `[r, n·p]`.
    pub fn factor(&self, factor: usize) -> Array2<i8> {
        let rows = &self.factors[factor];
        Array2::from_shape_fn((rows.len(), self.shape.entries()[factor]), |(i, j)| rows[i].get(j))
    }

    /// Checks every Brent equation (R. P. Brent, "Algorithms for matrix multiplication", 1970) in
    /// integers: `Σ_i W_a[i, (j,k)] · W_b[i, (l,q)] · W_c[(s,t), i]` is 1 where j = s, k = l and q
    /// = t, and 0 elsewhere.
    ///
    /// # Errors
    /// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) with the first equation that does not
    /// hold.
    pub fn verify(&self) -> Result<()> {
        let place = || format!("scheme of {}", self.shape);
        let [a, b, c] = &self.factors;
        if b.len() != a.len() || c.len() != a.len() {
            let cause = format!(
                "{}, {} and {} vectors for one multiplication each",
                a.len(),
                b.len(),
                c.len()
            );
            return Err(Error::mismatch(place(), cause));
        }
        let [entries_a, entries_b, entries_c] = self.shape.entries();
        for (factor, entries) in self.factors.iter().zip([entries_a, entries_b, entries_c]) {
            if entries < 64 && factor.iter().any(|f| f.support() >> entries != 0) {
                return Err(Error::mismatch(place(), "a vector has more entries than its matrix"));
            }
        }
        let Shape { m, p, .. } = self.shape;
        let mut sums = vec![0i32; entries_c];
        for x in 0..entries_a {
            for y in 0..entries_b {
                sums.fill(0);
                for ((a, b), c) in a.iter().zip(b).zip(c) {
                    let product = i32::from(a.get(x) * b.get(y));
                    if product != 0 {
                        sums.iter_mut()
                            .enumerate()
                            .for_each(|(z, sum)| *sum += product * i32::from(c.get(z)));
                    }
                }
                let ((j, k), (l, q)) = ((x / m, x % m), (y / p, y % p));
                for (z, &sum) in sums.iter().enumerate() {
                    let due = i32::from(k == l && z == j * p + q);
                    if sum != due {
                        let cause = format!(
                            "C[{}, {}] holds A[{j}, {k}]·B[{l}, {q}] {sum} times, not {due}",
                            z / p,
                            z % p
                        );
                        return Err(Error::mismatch(place(), cause));
                    }
                }
            }
        }
        Ok(())
    }

    /// The scheme in one order and with one choice of signs: W_a and W_b lead with 1 in every row,
    /// rows ascend. Equal schemes become equal values.
    pub fn canonical(mut self) -> Self {
        let mut products: Vec<[Ternary; 3]> = (0..self.rank())
            .map(|i| {
                let [a, b, c] = [0, 1, 2].map(|f| self.factors[f][i]);
                let (s, t) = (a.leads_negative(), b.leads_negative());
                [a.signed(s), b.signed(t), c.signed(s ^ t)]
            })
            .collect();
        products.sort_unstable();
        for f in 0..3 {
            self.factors[f] = products.iter().map(|p| p[f]).collect();
        }
        self
    }
}

impl fmt::Display for Scheme {
    /// The matrices as the StrassenNets paper prints them: `W_a = [1 0 0 1; 0 1 0 -1; …]`, W_c as
    /// `[n·p, r]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let print = |f: &mut fmt::Formatter<'_>,
                     name: &str,
                     rows: usize,
                     columns: usize,
                     get: &dyn Fn(usize, usize) -> i8| {
            let row = |i: usize| {
                (0..columns).map(|j| get(i, j).to_string()).collect::<Vec<_>>().join(" ")
            };
            writeln!(f, "{name} = [{}]", (0..rows).map(row).collect::<Vec<_>>().join("; "))
        };
        let (entries, r) = (self.shape.entries(), self.rank());
        print(f, "W_a", r, entries[0], &|i, j| self.factors[0][i].get(j))?;
        print(f, "W_b", r, entries[1], &|i, j| self.factors[1][i].get(j))?;
        print(f, "W_c", entries[2], r, &|i, j| self.factors[2][j].get(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::discover::property(128))]

        #[test]
        fn schoolbook_is_right_and_a_damaged_scheme_is_refused(
            sizes in (1usize..5, 1usize..5, 1usize..5),
            factor in 0usize..3,
            place: prop::sample::Index,
            entry: prop::sample::Index,
        ) {
            let shape = Shape { n: sizes.0, m: sizes.1, p: sizes.2 };
            let scheme = Scheme::schoolbook(shape);
            prop_assert!(scheme.verify().is_ok());
            let mut damaged = scheme.clone();
            let rows = &mut damaged.factors[factor];
            let (i, j) = (place.index(rows.len()), entry.index(shape.entries()[factor]));
            let unit = Ternary::unit(j);
            rows[i] = rows[i]
                .checked_add(unit)
                .unwrap_or(rows[i].checked_add(-unit).unwrap_or(Ternary::ZERO));
            prop_assert!(damaged.verify().is_err());
            let mut shorter = scheme.clone();
            shorter.factors[factor].pop();
            prop_assert!(shorter.verify().is_err());
        }
    }

    #[test]
    fn shapes_are_read_and_refused() {
        assert_eq!("2x3x4".parse::<Shape>().unwrap(), Shape { n: 2, m: 3, p: 4 });
        for text in
            ["", "2x2", "2x2x2x2", "0x1x1", "2x-1x2", "9x8x1", "x", "18446744073709551615x2x2"]
        {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scheme_is_printed_as_in_the_paper() {
        let shape = Shape { n: 1, m: 2, p: 1 };
        assert_eq!(
            Scheme::schoolbook(shape).to_string(),
            "W_a = [1 0; 0 1]\nW_b = [1 0; 0 1]\nW_c = [1 1]\n"
        );
    }
}
