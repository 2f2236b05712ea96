//! Random walks in the flip graph: flips, reductions as they come, and plus transitions where a
//! walk goes on too long without one (Arai, Ichikawa, Hukushima 2024).

use super::flip_graph::Vertex;
use super::scheme::{Scheme, Shape};
use rand::SeedableRng;
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

impl Default for Patience {
    /// What has proved good from 2x2x2 to 3x3x4.
    fn default() -> Self {
        Patience { plus: 50_000, restart: 100_000_000, margin: 2 }
    }
}

/// A walk: where it is, and when it leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Walk {
    start: Scheme,
    best: Scheme,
    at: Vertex,
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
        Walk {
            start: start.clone(),
            best: start.clone(),
            at: Vertex::new(start),
            rng,
            patience,
            least: start.rank(),
            still: 0,
            idle: 0,
            flips: 0,
            restarts: 0,
        }
    }

    /// Number of multiplications of the scheme at hand.
    pub fn rank(&self) -> usize {
        self.at.rank()
    }

    /// The scheme at hand.
    pub fn scheme(&self) -> Scheme {
        self.at.scheme()
    }

    /// The first scheme of the least rank that the walk has seen.
    pub fn best(&self) -> &Scheme {
        &self.best
    }

    /// Checks a walk that was read from a file.
    ///
    /// # Errors
    /// Where one of its schemes is not one of `shape`, or it cannot go on from where it is.
    pub fn validate(&self, shape: Shape) -> Result<()> {
        for scheme in [&self.start, &self.best] {
            if scheme.shape != shape {
                return Err(Error::input("walk", "is one of another shape"));
            }
            scheme.verify()?;
        }
        self.at.validate(shape)
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

    /// One flip, with what follows from it; or a plus transition, or a fresh start, when it is
    /// time.
    pub fn step(&mut self) {
        self.flips += 1;
        self.idle += 1;
        self.still += 1;
        if self.idle > self.patience.restart {
            self.restarts += 1;
            self.at = Vertex::new(&self.start);
            (self.least, self.still, self.idle) = (self.rank(), 0, 0);
        }
        if self.at.is_isolated() || self.still > self.patience.plus {
            self.still = 0;
            if self.rank() < self.least + self.patience.margin {
                self.at.plus(&mut self.rng);
            }
        }
        let before = self.rank();
        self.at.flip(&mut self.rng);
        if self.rank() < before {
            self.still = 0;
        }
        if self.rank() < self.least {
            (self.least, self.idle) = (self.rank(), 0);
            if self.rank() < self.best.rank() {
                self.best = self.scheme();
            }
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
    let state = RngState {
        seed: rng.get_seed(),
        stream: rng.get_stream(),
        word: rng.get_word_pos().to_string(),
    };
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

    proptest! {
        #![proptest_config(crate::discover::property(48))]

        #[test]
        fn every_step_keeps_the_brent_equations(
            sizes in (1usize..4, 1usize..4, 1usize..4),
            seed: u64,
            plus in 1u64..20,
        ) {
            let shape = Shape { n: sizes.0, m: sizes.1, p: sizes.2 };
            let patience = Patience { plus, restart: 150, margin: 3 };
            let mut walk = Walk::new(&Scheme::schoolbook(shape), patience, seed, 0);
            for _ in 0..200 {
                walk.step();
                prop_assert!(walk.scheme().verify().is_ok());
                prop_assert!(walk.validate(shape).is_ok());
            }
            prop_assert!(walk.best().rank() <= shape.schoolbook());
        }

        #[test]
        fn a_walk_that_was_written_down_goes_on_as_if_it_had_not(seed: u64, before in 0u64..3000) {
            let start = Scheme::schoolbook("2x2x3".parse().unwrap());
            let patience = Patience { plus: 100, restart: 2000, margin: 2 };
            let mut walk = Walk::new(&start, patience, seed, 3);
            walk.run(before, 0);
            let text = serde_json::to_string(&walk).unwrap();
            let mut copy: Walk = serde_json::from_str(&text).unwrap();
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
        assert_eq!((walk.rank(), walk.best().rank()), (7, 7));
        walk.best().verify().unwrap();
    }
}
