//! Schemes learned by gradient descent: the way of the StrassenNets paper, whose network
//! rediscovers Strassen's algorithm from random matrix pairs.
//!
//! For matrices of independent entries with variance 1 the expected squared error of a scheme is
//! the squared residual of the Brent equations, `Σ (Σ_i W_a[i,x]·W_b[i,y]·W_c[z,i] - T[x,y,z])²`:
//! the loss of infinitely many pairs, without their noise. Adam (Kingma and Ba, 2015) descends on
//! it; a penalty `λ·w²(1 - w²)²`, ramped up while it does, draws every weight to -1, 0 or 1; what
//! it ends in is rounded, and a scheme if all equations hold in integers.

use super::scheme::{Scheme, Shape};
use super::ternary::Ternary;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How an attempt goes; as found good for 2x2x2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Steps of Adam.
    pub steps: usize,
    /// The learning rate of Adam; the last tenth of the steps falls to a tenth of it.
    pub rate: f64,
    /// Largest magnitude of an initial weight; they are uniform.
    pub spread: f64,
    /// λ at the end.
    pub penalty: f64,
    /// Share of the steps after which λ starts to rise.
    pub free: f64,
    /// Pulls weights to 0 while λ is 0: solutions with large weights lie at no end of the ramp.
    pub decay: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe { steps: 2500, rate: 0.03, spread: 1.0, penalty: 0.2, free: 0.6, decay: 0.005 }
    }
}

/// Weights, gradients or moments of the three matrices, one row per product each.
type Weights = [Vec<f64>; 3];

/// One attempt from random weights: the scheme of rank `rank` that it ends in, if that is one.
pub fn attempt(
    shape: Shape,
    rank: usize,
    recipe: &Recipe,
    seed: u64,
    stream: u64,
) -> Option<Scheme> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((3 << 32) + stream);
    let entries = shape.entries();
    let mut w: Weights = entries.map(|n| {
        (0..rank * n).map(|_| recipe.spread * (2.0 * rng.random::<f64>() - 1.0)).collect()
    });
    let (mut m, mut v) = (w.clone(), w.clone());
    m.iter_mut().chain(&mut v).for_each(|x| x.fill(0.0));
    let target = target(shape);
    let mut residual = vec![0.0; target.len()];
    let mut gradient = w.clone();
    for step in 0..recipe.steps {
        let progress = step as f64 / recipe.steps as f64;
        let ramp = ((progress - recipe.free) / (1.0 - recipe.free)).max(0.0);
        let (penalty, decay) = (recipe.penalty * ramp, if ramp > 0.0 { 0.0 } else { recipe.decay });
        let rate = recipe.rate * if progress > 0.9 { 1.0 - 9.0 * (progress - 0.9) } else { 1.0 };
        slope(&w, entries, rank, &target, &mut residual, &mut gradient);
        let unbias = |beta: f64| 1.0 - beta.powi(step as i32 + 1);
        for f in 0..3 {
            for (((w, g), m), v) in w[f].iter_mut().zip(&gradient[f]).zip(&mut m[f]).zip(&mut v[f])
            {
                let s = *w * *w;
                // d/dw of w²(1 - w²)²
                let g = g + penalty * 2.0 * *w * (1.0 - s) * (1.0 - 3.0 * s) + decay * *w;
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.99 * *v + 0.01 * g * g;
                *w -= rate * (*m / unbias(0.9)) / ((*v / unbias(0.99)).sqrt() + 1e-8);
            }
        }
    }
    let rounded = |f: usize| -> Option<Vec<Ternary>> {
        let round = |w: &f64| w.round().clamp(-2.0, 2.0) as i8;
        w[f].chunks(entries[f]).map(|row| Ternary::from_entries(row.iter().map(round))).collect()
    };
    let scheme = Scheme { shape, factors: [rounded(0)?, rounded(1)?, rounded(2)?] };
    scheme.verify().ok().map(|()| scheme)
}

/// Attempts that are made side by side.
const BATCH: u64 = 16;

/// Attempts number `first` and the next ones of a batch; the first that succeeds, and how many
/// there were up to it.
pub fn attempts(
    shape: Shape,
    rank: usize,
    recipe: &Recipe,
    seed: u64,
    first: u64,
) -> (Option<Scheme>, u64) {
    let found = (first..first + BATCH)
        .into_par_iter()
        .map(|stream| (attempt(shape, rank, recipe, seed, stream), stream - first + 1))
        .find_first(|(scheme, _)| scheme.is_some());
    found.unwrap_or((None, BATCH))
}

/// T, `[n·m, m·p, n·p]`: 1 where `A[j,k]·B[k,q]` is a term of `C[j,q]`.
fn target(shape: Shape) -> Vec<f64> {
    let [_, b, c] = shape.entries();
    let Shape { n, m, p } = shape;
    let mut target = vec![0.0; n * m * b * c];
    for j in 0..n {
        for k in 0..m {
            for q in 0..p {
                target[((j * m + k) * b + k * p + q) * c + j * p + q] = 1.0;
            }
        }
    }
    target
}

/// The gradient of half the squared residual.
fn slope(
    w: &Weights,
    entries: [usize; 3],
    rank: usize,
    target: &[f64],
    residual: &mut [f64],
    gradient: &mut Weights,
) {
    let [na, nb, nc] = entries;
    for (r, t) in residual.iter_mut().zip(target) {
        *r = -t;
    }
    for i in 0..rank {
        let [a, b, c] = [&w[0][i * na..][..na], &w[1][i * nb..][..nb], &w[2][i * nc..][..nc]];
        for (x, a) in a.iter().enumerate() {
            for (y, b) in b.iter().enumerate() {
                let ab = a * b;
                let row = &mut residual[(x * nb + y) * nc..][..nc];
                row.iter_mut().zip(c).for_each(|(r, c)| *r += ab * c);
            }
        }
    }
    gradient.iter_mut().for_each(|g| g.fill(0.0));
    let [ga, gb, gc] = gradient;
    for i in 0..rank {
        let [a, b, c] = [&w[0][i * na..][..na], &w[1][i * nb..][..nb], &w[2][i * nc..][..nc]];
        let gc = &mut gc[i * nc..][..nc];
        for (x, a) in a.iter().enumerate() {
            for (y, b) in b.iter().enumerate() {
                let row = &residual[(x * nb + y) * nc..][..nc];
                let rc: f64 = row.iter().zip(c).map(|(r, c)| r * c).sum();
                ga[i * na + x] += rc * b;
                gb[i * nb + y] += rc * a;
                let ab = a * b;
                gc.iter_mut().zip(row).for_each(|(g, r)| *g += ab * r);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_loss() {
        let shape: Shape = "2x1x2".parse().unwrap();
        let (entries, rank, target) = (shape.entries(), 3, target(shape));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut w: Weights =
            entries.map(|n| (0..rank * n).map(|_| rng.random::<f64>() - 0.5).collect());
        let mut residual = vec![0.0; target.len()];
        let mut gradient = w.clone();
        let mut loss = |w: &Weights| {
            slope(w, entries, rank, &target, &mut residual, &mut gradient);
            (residual.iter().map(|r| r * r / 2.0).sum::<f64>(), gradient.clone())
        };
        let (_, gradient) = loss(&w);
        for f in 0..3 {
            for i in 0..w[f].len() {
                let mut at = |by: f64| {
                    w[f][i] += by;
                    let loss = loss(&w).0;
                    w[f][i] -= by;
                    loss
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((difference - gradient[f][i]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn some_attempts_find_strassens_rank() {
        let shape = "2x2x2".parse().unwrap();
        let found = (0..12)
            .filter_map(|seed| attempt(shape, 7, &Recipe::default(), seed, 0))
            .collect::<Vec<_>>();
        assert!(found.len() >= 2);
        assert!(found.iter().all(|scheme| scheme.rank() == 7 && scheme.verify().is_ok()));
    }
}
