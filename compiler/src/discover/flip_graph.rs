//! Random walks in the flip graph of a matrix product, over the integers.
//!
//! M. Kauers, J. Moosbauer, "Flip graphs for matrix multiplication" (2022): two products that share a factor,
//! `a⊗b⊗c + a⊗b'⊗c'`, equal `a⊗(b + b')⊗c + a⊗b'⊗(c' - c)`: a *flip*. Where a vector becomes 0, or two products come to share
//! two factors, the rank falls: a *reduction*. Y. Arai, Y. Ichikawa, K. Hukushima, "Adaptive flip graph algorithm for matrix
//! multiplication" (2024): where a walk goes on too long without one, a *plus* transition splits two products into three.
//! All vectors stay within {-1, 0, 1}, so every scheme on the way is right over the integers (A. Perminov, "Fast matrix
//! multiplication via ternary meta flip graphs", 2025): no lifting.

use super::scheme::{Scheme, Shape};
use super::ternary::Ternary;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strassenc_runtime::{Error, Result};

/// When a walk leaves its plateau.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Flips without a reduction before a plus transition.
    pub plus: u64,
    /// Flips without a new least rank before the walk begins again.
    pub restart: u64,
    /// How far plus transitions may lead above the least rank so far.
    pub margin: usize,
}

impl Patience {
    /// What has proved good for a shape: larger graphs take longer to leave by themselves.
    pub fn of(_shape: Shape) -> Self {
        Patience { plus: 50_000, restart: 100_000_000, margin: 2 }
    }
}

/// Which two products share which factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    factor: u8,
    i: u8,
    j: u8,
}

/// A walk: a scheme and where it may go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Walk {
    start: Scheme,
    best: Scheme,
    /// As in [`Scheme`], every vector led by 1.
    factors: [Vec<Ternary>; 3],
    /// The sign of each product.
    negative: Vec<bool>,
    pairs: Vec<Pair>,
    #[serde(serialize_with = "write_rng", deserialize_with = "read_rng")]
    rng: ChaCha8Rng,
    patience: Patience,
    /// The least rank since the walk last began.
    least: usize,
    /// Flips since the last reduction or plus transition.
    still: u64,
    /// Flips since the least rank last fell.
    idle: u64,
    /// Flips in all.
    pub flips: u64,
    /// How often the walk began again.
    pub restarts: u64,
}

impl Walk {
    /// Walk number `stream` of `seed`, from `start`, which it comes back to when it begins again.
    pub fn new(start: &Scheme, patience: Patience, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let mut walk = Walk {
            start: start.clone(),
            best: start.clone(),
            factors: [vec![], vec![], vec![]],
            negative: vec![],
            pairs: vec![],
            rng,
            patience,
            least: start.rank(),
            still: 0,
            idle: 0,
            flips: 0,
            restarts: 0,
        };
        walk.begin();
        walk
    }

    /// Puts the walk at its start.
    fn begin(&mut self) {
        self.factors = self.start.factors.clone();
        self.negative = vec![false; self.rank()];
        for i in 0..self.rank() {
            for f in 0..3 {
                self.lead(f, i);
            }
        }
        self.pair_up();
        (self.least, self.still, self.idle) = (self.rank(), 0, 0);
    }

    /// Number of multiplications.
    pub fn rank(&self) -> usize {
        self.factors[0].len()
    }

    /// The scheme at hand.
    pub fn scheme(&self) -> Scheme {
        let mut factors = self.factors.clone();
        for (c, &negative) in factors[2].iter_mut().zip(&self.negative) {
            *c = c.signed(negative);
        }
        Scheme { shape: self.start.shape, factors }
    }

    /// The first scheme of the least rank that the walk has seen.
    pub fn best(&self) -> &Scheme {
        &self.best
    }

    /// Its rank.
    pub fn best_rank(&self) -> usize {
        self.best.rank()
    }

    /// Checks a walk that was read from a file.
    ///
    /// # Errors
    /// Where one of its schemes is not one of `shape`, or it cannot go on from where it is.
    pub fn validate(&self, shape: Shape) -> Result<()> {
        let fail = |cause: &str| Err(Error::input("walk", cause));
        let lengths = [self.factors[1].len(), self.factors[2].len(), self.negative.len()];
        if lengths != [self.rank(); 3] {
            return fail("has vectors of products that are not there");
        }
        for scheme in [&self.start, &self.best, &self.scheme()] {
            if scheme.shape != shape {
                return fail("is one of another shape");
            }
            scheme.verify()?;
        }
        let mut whole = self.clone();
        whole.pair_up();
        let sorted = |pairs: &[Pair]| {
            let mut pairs: Vec<Pair> = pairs.iter().map(|p| Pair { i: p.i.max(p.j), j: p.i.min(p.j), ..*p }).collect();
            pairs.sort_unstable();
            pairs
        };
        if sorted(&whole.pairs) != sorted(&self.pairs) || self.factors.iter().flatten().any(|v| v.leads_negative()) {
            return fail("does not know where it may go");
        }
        Ok(())
    }

    /// Goes on for `flips` steps, or until the rank is at most `target`; whether it is.
    pub fn run(&mut self, flips: u64, target: usize) -> bool {
        for _ in 0..flips {
            if self.rank() <= target {
                return true;
            }
            self.step();
        }
        self.rank() <= target
    }

    /// One flip, with what follows from it; or a plus transition, or a fresh start, when it is time.
    pub fn step(&mut self) {
        self.flips += 1;
        self.idle += 1;
        self.still += 1;
        if self.idle > self.patience.restart {
            self.restarts += 1;
            self.begin();
        }
        if self.pairs.is_empty() || self.still > self.patience.plus {
            self.still = 0;
            if self.rank() < self.least + self.patience.margin {
                self.plus();
            }
        }
        self.flip();
        if self.rank() < self.least {
            (self.least, self.idle) = (self.rank(), 0);
            if self.rank() < self.best.rank() {
                self.best = self.scheme();
            }
        }
    }

    /// A flip of a random pair, where the vectors stay ternary.
    fn flip(&mut self) {
        if self.pairs.is_empty() {
            return;
        }
        let draw = self.rng.random::<u64>();
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
        // With a the shared factor: s a⊗b⊗c + t a⊗b'⊗c' = s a⊗(b + e b')⊗c + t a⊗b'⊗(c' - e s t c), for either sign e.
        let opposite = self.negative[i] ^ self.negative[j];
        let e = draw & 4 != 0;
        for e in [e, !e] {
            let sum = self.factors[g][i].checked_add(self.factors[g][j].signed(e));
            let difference = self.factors[h][j].checked_add(self.factors[h][i].signed(!(e ^ opposite)));
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

    /// Brings the pairs up to date after vectors `g` of product `i` and `h` of product `j` have changed; reduces where it can.
    fn settle(&mut self, g: usize, i: usize, h: usize, j: usize) {
        if self.factors[g][i].is_zero() || self.factors[h][j].is_zero() {
            return self.reduce();
        }
        let stale = |p: &Pair| {
            let of =
                |f: usize, x: usize| usize::from(p.factor) == f && (usize::from(p.i) == x || usize::from(p.j) == x);
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
                    self.pairs.push(Pair { factor: f as u8, i: x as u8, j: y as u8 });
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
        let before = self.rank();
        'again: loop {
            for i in 0..self.rank() {
                if (0..3).any(|f| self.factors[f][i].is_zero()) {
                    self.remove(i);
                    continue 'again;
                }
                for j in 0..i {
                    let equal = [0, 1, 2].map(|f| self.factors[f][i] == self.factors[f][j]);
                    let Some(f) = (0..3).find(|&f| equal[(f + 1) % 3] && equal[(f + 2) % 3]) else { continue };
                    let opposite = self.negative[i] ^ self.negative[j];
                    if let Some(sum) = self.factors[f][j].checked_add(self.factors[f][i].signed(opposite)) {
                        self.put(f, j, sum);
                        self.remove(i);
                        continue 'again;
                    }
                }
            }
            break;
        }
        self.pair_up();
        if self.rank() < before {
            self.still = 0;
        }
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
                        self.pairs.push(Pair { factor: f as u8, i: i as u8, j: j as u8 });
                    }
                }
            }
        }
    }

    /// `a⊗b⊗c + a'⊗b'⊗c' = a⊗(b + b')⊗c + a⊗b'⊗(c' - c) + (a' - a)⊗b'⊗c'`, for random products and roles of the factors.
    fn plus(&mut self) {
        const TRIES: usize = 100;
        let r = self.rank();
        if r < 2 || r >= usize::from(u8::MAX) {
            return;
        }
        for _ in 0..TRIES {
            let (i, j) = (self.rng.random_range(0..r), self.rng.random_range(0..r));
            if i == j {
                continue;
            }
            let f = self.rng.random_range(0..3);
            let (g, h) = if self.rng.random() { ((f + 1) % 3, (f + 2) % 3) } else { ((f + 2) % 3, (f + 1) % 3) };
            if (0..3).any(|f| self.factors[f][i] == self.factors[f][j]) {
                continue;
            }
            // The sign of each product goes to its factor h.
            let [a, b, c] = [self.factors[f][i], self.factors[g][i], self.factors[h][i].signed(self.negative[i])];
            let [a2, b2, c2] = [self.factors[f][j], self.factors[g][j], self.factors[h][j].signed(self.negative[j])];
            let (Some(sum), Some(c3), Some(a3)) = (b.checked_add(b2), c2.checked_add(-c), a2.checked_add(-a)) else {
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
}

/// A generator's seed, stream and place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RngState {
    seed: [u8; 32],
    stream: u64,
    /// Decimal: JSON numbers are not that wide.
    word: String,
}

fn write_rng<S: Serializer>(rng: &ChaCha8Rng, serializer: S) -> Result<S::Ok, S::Error> {
    let state = RngState { seed: rng.get_seed(), stream: rng.get_stream(), word: rng.get_word_pos().to_string() };
    state.serialize(serializer)
}

fn read_rng<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChaCha8Rng, D::Error> {
    let state = RngState::deserialize(deserializer)?;
    let mut rng = ChaCha8Rng::from_seed(state.seed);
    rng.set_stream(state.stream);
    rng.set_word_pos(state.word.parse().map_err(serde::de::Error::custom)?);
    Ok(rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_step_keeps_the_brent_equations(sizes in (1usize..4, 1usize..4, 1usize..4), seed: u64, plus in 1u64..20) {
            let shape = Shape { n: sizes.0, m: sizes.1, p: sizes.2 };
            let patience = Patience { plus, restart: 150, margin: 3 };
            let mut walk = Walk::new(&Scheme::schoolbook(shape), patience, seed, 0);
            for _ in 0..200 {
                walk.step();
                prop_assert!(walk.scheme().verify().is_ok());
                prop_assert!(walk.validate(shape).is_ok());
            }
            prop_assert!(walk.best_rank() <= shape.schoolbook());
        }

        #[test]
        fn a_walk_that_was_written_down_goes_on_as_if_it_had_not(seed: u64, before in 0u64..3000) {
            let mut walk = Walk::new(&Scheme::schoolbook("2x2x3".parse().unwrap()), Patience { plus: 100, restart: 2000, margin: 2 }, seed, 3);
            walk.run(before, 0);
            let mut copy: Walk = serde_json::from_str(&serde_json::to_string(&walk).unwrap()).unwrap();
            walk.run(2000, 0);
            copy.run(2000, 0);
            prop_assert_eq!(walk.scheme(), copy.scheme());
            prop_assert_eq!(walk.flips, copy.flips);
        }
    }

    #[test]
    fn a_walk_finds_strassens_rank() {
        let mut walk = Walk::new(
            &Scheme::schoolbook("2x2x2".parse().unwrap()),
            Patience { plus: 50_000, restart: 10_000_000, margin: 2 },
            1,
            0,
        );
        assert!(walk.run(10_000_000, 7));
        assert_eq!((walk.rank(), walk.best_rank()), (7, 7));
        walk.best().verify().unwrap();
    }
}
