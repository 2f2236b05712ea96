//! The flip graph of a matrix product: schemes, and the moves between them, over the integers.
//!
//! M. Kauers, J. Moosbauer, "Flip graphs for matrix multiplication" (2022): two products that share
//! a factor, `a⊗b⊗c + a⊗b'⊗c'`, equal `a⊗(b + b')⊗c + a⊗b'⊗(c' - c)`: a *flip*. Where a vector
//! becomes 0, or two products come to share two factors, the rank falls: a *reduction*. Y. Arai, Y.
//! Ichikawa, K. Hukushima, "Adaptive flip graph algorithm for matrix multiplication" (2024): a
//! *plus* transition splits two products into three. All vectors stay within {-1, 0, 1}, so every
//! scheme on the way is right over the integers (A. Perminov, "Fast matrix multiplication via
//! ternary meta flip graphs", 2025): no lifting.

use super::scheme::{Scheme, Shape};
use super::ternary::Ternary;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use strassenc_runtime::{Error, Result};

/// Two products that share a factor, and which factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    factor: u8,
    i: u16,
    j: u16,
}

/// A scheme and where it may go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vertex {
    shape: Shape,
    /// The factors as in [`Scheme`], with every vector led by 1.
    factors: [Vec<Ternary>; 3],
    /// The sign of each product.
    negative: Vec<bool>,
    pairs: Vec<Pair>,
}

impl Vertex {
    /// The vertex of a scheme.
    pub fn new(scheme: &Scheme) -> Self {
        let negative = vec![false; scheme.rank()];
        let mut vertex = Vertex {
            shape: scheme.shape,
            factors: scheme.factors.clone(),
            negative,
            pairs: vec![],
        };
        for i in 0..vertex.rank() {
            for f in 0..3 {
                vertex.lead(f, i);
            }
        }
        vertex.pair_up();
        vertex
    }

    /// The matrix product.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of multiplications.
    pub fn rank(&self) -> usize {
        self.factors[0].len()
    }

    /// Rows of W_a, rows of W_b, columns of W_c, each up to its sign.
    pub fn factors(&self) -> &[Vec<Ternary>; 3] {
        &self.factors
    }

    /// Whether there is no flip from here.
    pub fn is_isolated(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The scheme itself.
    pub fn scheme(&self) -> Scheme {
        let mut factors = self.factors.clone();
        for (c, &negative) in factors[2].iter_mut().zip(&self.negative) {
            *c = c.signed(negative);
        }
        Scheme { shape: self.shape, factors }
    }

    /// Checks a vertex that was read from a file.
    ///
    /// # Errors
    /// Where its scheme is not right or not one of `shape`, or it does not know where it may go.
    pub fn validate(&self, shape: Shape) -> Result<()> {
        let fail = |cause: &str| Err(Error::input("walk", cause));
        let lengths = [self.factors[1].len(), self.factors[2].len(), self.negative.len()];
        if lengths != [self.rank(); 3] {
            return fail("has vectors of products that are not there");
        }
        if self.shape != shape {
            return fail("is one of another shape");
        }
        self.scheme().verify()?;
        let mut whole = self.clone();
        whole.pair_up();
        let sorted = |pairs: &[Pair]| {
            let mut pairs: Vec<Pair> =
                pairs.iter().map(|p| Pair { i: p.i.max(p.j), j: p.i.min(p.j), ..*p }).collect();
            pairs.sort_unstable();
            pairs
        };
        if sorted(&whole.pairs) != sorted(&self.pairs)
            || self.factors.iter().flatten().any(|v| v.leads_negative())
        {
            return fail("does not know where it may go");
        }
        Ok(())
    }

    /// A flip of a random pair, where the vectors stay ternary.
    pub fn flip(&mut self, rng: &mut ChaCha8Rng) {
        if self.pairs.is_empty() {
            return;
        }
        let draw = rng.random::<u64>();
        let pair = self.pairs[(((draw >> 32) * self.pairs.len() as u64) >> 32) as usize];
        let f = usize::from(pair.factor);
        let (mut i, mut j) = (usize::from(pair.i), usize::from(pair.j));
        let (mut g, mut h) = ((f + 1) % 3, (f + 2) % 3);
        if draw & 1 != 0 {
            (i, j) = (j, i);
        }
        if draw & 2 != 0 {
            (g, h) = (h, g);
        }
        // With a the shared factor: s a⊗b⊗c + t a⊗b'⊗c' = s a⊗(b + e b')⊗c + t a⊗b'⊗(c' - e s t c),
        // for either sign e.
        let opposite = self.negative[i] ^ self.negative[j];
        let e = draw & 4 != 0;
        for e in [e, !e] {
            let sum = self.factors[g][i].checked_add(self.factors[g][j].signed(e));
            let difference =
                self.factors[h][j].checked_add(self.factors[h][i].signed(!(e ^ opposite)));
            if let (Some(sum), Some(difference)) = (sum, difference) {
                self.put(g, i, sum);
                self.put(h, j, difference);
                self.settle(g, i, h, j);
                return;
            }
        }
    }

    /// Sets a vector, led by 1.
    #[inline]
    fn put(&mut self, f: usize, i: usize, v: Ternary) {
        self.factors[f][i] = v;
        self.lead(f, i);
    }

    #[inline]
    fn lead(&mut self, f: usize, i: usize) {
        let v = self.factors[f][i];
        let negative = v.leads_negative();
        self.factors[f][i] = v.signed(negative);
        self.negative[i] ^= negative;
    }

    /// Brings the pairs up to date after vectors `g` of product `i` and `h` of product `j` have
    /// changed; reduces where it can.
    fn settle(&mut self, g: usize, i: usize, h: usize, j: usize) {
        if self.factors[g][i].is_zero() || self.factors[h][j].is_zero() {
            return self.reduce();
        }
        let stale = |p: &Pair| {
            let of = |f: usize, x: usize| {
                usize::from(p.factor) == f && (usize::from(p.i) == x || usize::from(p.j) == x)
            };
            of(g, i) || of(h, j)
        };
        let mut k = 0;
        while k < self.pairs.len() {
            if stale(&self.pairs[k]) {
                self.pairs.swap_remove(k);
            } else {
                k += 1;
            }
        }
        let mut reducible = false;
        for (f, x) in [(g, i), (h, j)] {
            let v = self.factors[f][x];
            for y in 0..self.rank() {
                if self.factors[f][y] == v && y != x {
                    self.pairs.push(Pair { factor: f as u8, i: x as u16, j: y as u16 });
                    let others = [(f + 1) % 3, (f + 2) % 3];
                    reducible |= others.iter().any(|&o| self.factors[o][x] == self.factors[o][y]);
                }
            }
        }
        if reducible {
            self.reduce();
        }
    }

    /// Drops products that are 0 and joins those that share two factors, as long as there are any.
    fn reduce(&mut self) {
        'again: loop {
            for i in 0..self.rank() {
                if (0..3).any(|f| self.factors[f][i].is_zero()) {
                    self.remove(i);
                    continue 'again;
                }
                for j in 0..i {
                    let equal = [0, 1, 2].map(|f| self.factors[f][i] == self.factors[f][j]);
                    let Some(f) = (0..3).find(|&f| equal[(f + 1) % 3] && equal[(f + 2) % 3]) else {
                        continue;
                    };
                    let opposite = self.negative[i] ^ self.negative[j];
                    if let Some(sum) =
                        self.factors[f][j].checked_add(self.factors[f][i].signed(opposite))
                    {
                        self.put(f, j, sum);
                        self.remove(i);
                        continue 'again;
                    }
                }
            }
            break;
        }
        self.pair_up();
    }

    fn remove(&mut self, i: usize) {
        self.factors.iter_mut().for_each(|factor| {
            factor.swap_remove(i);
        });
        self.negative.swap_remove(i);
    }

    fn pair_up(&mut self) {
        self.pairs.clear();
        for (f, factor) in self.factors.iter().enumerate() {
            for i in 0..factor.len() {
                for j in 0..i {
                    if factor[i] == factor[j] {
                        self.pairs.push(Pair { factor: f as u8, i: i as u16, j: j as u16 });
                    }
                }
            }
        }
    }

    /// `a⊗b⊗c + a'⊗b'⊗c' = a⊗(b + b')⊗c + a⊗b'⊗(c' - c) + (a' - a)⊗b'⊗c'`, for random products and
    /// roles of the factors.
    pub fn plus(&mut self, rng: &mut ChaCha8Rng) {
        const TRIES: usize = 100;
        let r = self.rank();
        if r < 2 || r >= usize::from(u16::MAX) {
            return;
        }
        for _ in 0..TRIES {
            let (i, j) = (rng.random_range(0..r), rng.random_range(0..r));
            if i == j {
                continue;
            }
            let f = rng.random_range(0..3);
            let (g, h) =
                if rng.random() { ((f + 1) % 3, (f + 2) % 3) } else { ((f + 2) % 3, (f + 1) % 3) };
            if (0..3).any(|f| self.factors[f][i] == self.factors[f][j]) {
                continue;
            }
            // The sign of each product goes to its factor h.
            let [a, b, c] = [
                self.factors[f][i],
                self.factors[g][i],
                self.factors[h][i].signed(self.negative[i]),
            ];
            let [a2, b2, c2] = [
                self.factors[f][j],
                self.factors[g][j],
                self.factors[h][j].signed(self.negative[j]),
            ];
            let (Some(sum), Some(c3), Some(a3)) =
                (b.checked_add(b2), c2.checked_add(-c), a2.checked_add(-a))
            else {
                continue;
            };
            self.set(i, [(f, a), (g, sum), (h, c)]);
            self.set(j, [(f, a), (g, b2), (h, c3)]);
            self.factors.iter_mut().for_each(|factor| factor.push(Ternary::ZERO));
            self.negative.push(false);
            self.set(r, [(f, a3), (g, b2), (h, c2)]);
            self.reduce();
            return;
        }
    }

    fn set(&mut self, i: usize, vectors: [(usize, Ternary); 3]) {
        self.negative[i] = false;
        for (f, v) in vectors {
            self.put(f, i, v);
        }
    }

    /// A random elementary change of basis, `A → A·E, B → E⁻¹·B` or one on either side of C, where
    /// all vectors stay ternary: `None` where they do not. (H. F. de Groote, "On varieties of
    /// optimal algorithms", 1978: with permutations and signs, which change no cost, these make up
    /// the symmetries of a matrix product, but for its cyclic ones.)
    pub fn change_basis(&self, rng: &mut ChaCha8Rng) -> Option<Vertex> {
        let Shape { n, m, p } = self.shape;
        // The side between two matrices, and for each of them whether it is their rows that it
        // numbers.
        let sides = [
            (m, [(0, false), (1, true)]),
            (n, [(0, true), (2, true)]),
            (p, [(1, false), (2, false)]),
        ];
        let (size, [first, second]) = sides[rng.random_range(0..3)];
        if size < 2 {
            return None;
        }
        let k = rng.random_range(0..size);
        let l = (k + rng.random_range(1..size)) % size;
        let negate = rng.random::<bool>();
        let mut factors = self.scheme().factors;
        for ((f, of_rows), (from, to, negate)) in
            [(first, (l, k, negate)), (second, (k, l, !negate))]
        {
            for v in &mut factors[f] {
                *v = v.add_line(self.shape.matrices()[f], of_rows, from, to, negate)?;
            }
        }
        Some(Vertex::new(&Scheme { shape: self.shape, factors }))
    }
}
