//! Softmax cross entropy.

use super::matmul::{Real, vectorised};
use ndarray::{Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a batch gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Sum over samples of the loss; of -ln p(label) unless the targets say otherwise.
    pub loss: f64,
    /// Samples whose largest output is the label's.
    pub correct: usize,
    /// Samples.
    pub samples: usize,
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
    }
}

impl Score {
    /// Whether a sum over samples can have come to this.
    pub(super) fn is_valid(&self) -> bool {
        self.loss.is_finite() && self.correct <= self.samples && self.samples <= 1 << 48
    }

    /// The accuracy, 0..=1.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
    }

    /// Mean loss per sample.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples.max(1) as f64
    }

    /// The mean loss in bits, of a text's characters or words.
    pub fn bits(&self) -> f64 {
        self.mean_loss() / std::f64::consts::LN_2
    }
}

/// What a batch is trained towards.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// The class of each sample.
    pub labels: &'a [u32],
    /// The share of each target that is spread evenly over all classes (Szegedy et al. 2016), 0..1.
    pub smoothing: f64,
    /// Another network that is to be imitated.
    pub teacher: Option<Teacher<'a>>,
}

/// Knowledge distillation (Hinton, Vinyals & Dean 2015): the loss is
/// (1-λ)·CE(z, target) + λ·T²·CE(z/T, softmax(z_teacher/T)).
#[derive(Clone, Copy, Debug)]
pub struct Teacher<'a> {
    /// `[n, classes]`: z_teacher.
    pub logits: ArrayView2<'a, f32>,
    /// λ, in 0..=1.
    pub lambda: f64,
    /// T, > 0.
    pub temperature: f64,
}

impl<'a> Targets<'a> {
    /// Labels that are sure, and no teacher.
    #[cfg(test)]
    pub fn of(labels: &'a [u32]) -> Self {
        Targets { labels, smoothing: 0.0, teacher: None }
    }

    /// The targets of some of the samples.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let teacher = self.teacher.map(|teacher| Teacher {
            logits: teacher.logits.slice_move(s![rows.clone(), ..]),
            ..teacher
        });
        Targets { labels: &self.labels[rows], teacher, ..*self }
    }
}

/// Scores `[n, classes]` logits by the labels alone.
pub fn score<T: Real>(logits: ArrayView2<T>, labels: &[u32]) -> Score {
    let mut total = Score { samples: labels.len(), ..Score::default() };
    for (row, &label) in logits.rows().into_iter().zip(labels) {
        let (largest, sum) = softmax_sum(row);
        // NumCast of a float to f64 never fails.
        total.loss += (sum.ln() + largest - row[label as usize]).to_f64().unwrap_or(f64::NAN);
        total.correct += usize::from(argmax(row) == label as usize);
    }
    total
}

/// Scores `[n, classes]` logits, and replaces them by the gradient of the mean loss.
pub fn score_and_gradient<T: Real>(logits: &mut Array2<T>, targets: &Targets) -> Score {
    let &Targets { labels, smoothing, teacher } = targets;
    let mut total = Score { samples: labels.len(), ..Score::default() };
    let share = (labels.len() as f64).recip();
    let even = T::real(smoothing / logits.ncols().max(1) as f64);
    let (mut target, mut z) = (vec![T::zero(); logits.ncols()], vec![T::zero(); logits.ncols()]);
    for (i, (mut row, &label)) in logits.rows_mut().into_iter().zip(labels).enumerate() {
        total.correct += usize::from(argmax(row.view()) == label as usize);
        // Logits are in standard layout.
        let Some(gradient) = row.as_slice_mut() else { unreachable!() };
        z.copy_from_slice(gradient);
        target.fill(even);
        target[label as usize] += T::real(1.0 - smoothing);
        let sure = teacher.map_or(1.0, |t| 1.0 - t.lambda);
        gradient.fill(T::zero());
        let mut loss = sure * cross_entropy(&z, &target, sure * share, gradient);
        if let Some(Teacher { logits, lambda, temperature }) = teacher {
            let cool = |z: T| z / T::real(temperature);
            for (taught, z) in target.iter_mut().zip(logits.row(i)) {
                *taught = cool(T::real((*z).into()));
            }
            let sum = softmax(&mut target).1;
            target.iter_mut().for_each(|p| *p /= sum);
            // d(z/T)/dz takes one T of T² away.
            z.iter_mut().for_each(|z| *z = cool(*z));
            let scale = lambda * temperature * share;
            loss += lambda * temperature.powi(2) * cross_entropy(&z, &target, scale, gradient);
        }
        total.loss += loss;
    }
    total
}

/// -Σ target · ln softmax(z) for a target that sums to 1; adds `scale` times the gradient by z.
fn cross_entropy<T: Real>(z: &[T], target: &[T], scale: f64, gradient: &mut [T]) -> f64 {
    let along = z.iter().zip(target).fold(T::zero(), |sum, (&z, &target)| sum + target * z);
    let mut p = [T::zero(); CLASSES];
    let mut more;
    let p = if z.len() <= CLASSES {
        &mut p[..z.len()]
    } else {
        more = vec![T::zero(); z.len()];
        &mut more[..]
    };
    p.copy_from_slice(z);
    let (largest, sum) = softmax(p);
    let (scale, share) = (T::real(scale), T::one() / sum);
    for ((g, &p), &target) in gradient.iter_mut().zip(&*p).zip(target) {
        *g += scale * (p * share - target);
    }
    // NumCast of a float to f64 never fails.
    (sum.ln() + largest - along).to_f64().unwrap_or(f64::NAN)
}

/// Classes for which no memory is fetched.
const CLASSES: usize = 256;

/// Replaces z by e^(z - largest); yields the largest and the sum.
fn softmax<T: Real>(z: &mut [T]) -> (T, T) {
    let largest = z.iter().fold(T::neg_infinity(), |a, &b| a.max(b));
    vectorised(|| z.iter_mut().for_each(|z| *z = (*z - largest).exponential()));
    (largest, z.iter().fold(T::zero(), |sum, &e| sum + e))
}

fn softmax_sum<T: Real>(row: ArrayView1<T>) -> (T, T) {
    let largest = row.fold(T::neg_infinity(), |a, &b| a.max(b));
    (largest, row.fold(T::zero(), |s, &v| s + (v - largest).exp()))
}

/// Index of the largest entry, the first one where several are equal.
fn argmax<T: Real>(row: ArrayView1<T>) -> usize {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Axis;

    /// The loss by the definition of the module's formulas, in the most direct way.
    fn by_definition(logits: &Array2<f64>, targets: &Targets) -> f64 {
        let softmax = |z: Vec<f64>| {
            let sum: f64 = z.iter().map(|z| z.exp()).sum();
            z.iter().map(|z| z.exp() / sum).collect::<Vec<_>>()
        };
        let entropy = |p: &[f64], q: &[f64]| -p.iter().zip(q).map(|(p, q)| p * q.ln()).sum::<f64>();
        let classes = logits.ncols();
        let mut sum = 0.0;
        for (i, (z, &label)) in logits.axis_iter(Axis(0)).zip(targets.labels).enumerate() {
            let one = |k: usize| f64::from(u8::from(k == label as usize));
            let hard: Vec<f64> = (0..classes)
                .map(|k| targets.smoothing / classes as f64 + (1.0 - targets.smoothing) * one(k))
                .collect();
            let plain = entropy(&hard, &softmax(z.to_vec()));
            sum += match targets.teacher {
                None => plain,
                Some(Teacher { logits, lambda, temperature: t }) => {
                    let taught = softmax(logits.row(i).iter().map(|&z| f64::from(z) / t).collect());
                    let soft = entropy(&taught, &softmax(z.iter().map(|z| z / t).collect()));
                    (1.0 - lambda) * plain + lambda * t * t * soft
                }
            };
        }
        sum / targets.labels.len() as f64
    }

    #[test]
    fn losses_are_their_definitions_and_gradients_finite_differences() {
        let logits = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f64 - 2.5);
        let taught =
            Array2::from_shape_fn((4, 3), |(i, j)| ((i * 3 + j * 4) % 5) as f32 * 0.5 - 1.0);
        let sure = Targets::of(&[0, 2, 1, 1]);
        let teacher =
            |lambda, temperature| Some(Teacher { logits: taught.view(), lambda, temperature });
        let all = [
            sure,
            Targets { smoothing: 0.1, ..sure },
            Targets { teacher: teacher(0.5, 1.0), ..sure },
            Targets { smoothing: 0.2, teacher: teacher(0.3, 4.0), ..sure },
            Targets { teacher: teacher(1.0, 2.0), ..sure },
        ];
        for targets in all {
            let mut gradient = logits.clone();
            let total = score_and_gradient(&mut gradient, &targets);
            assert!(
                (total.mean_loss() - by_definition(&logits, &targets)).abs() < 1e-12,
                "{targets:?}"
            );
            assert_eq!(total.correct, score(logits.view(), targets.labels).correct);
            for (index, g) in gradient.indexed_iter() {
                let at = |delta: f64| {
                    let mut logits = logits.clone();
                    logits[index] += delta;
                    by_definition(&logits, &targets)
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!(
                    (difference - g).abs() < 1e-9,
                    "{targets:?} {index:?}: {g} against {difference}"
                );
            }
        }
        assert_eq!(
            score_and_gradient(&mut logits.clone(), &sure),
            score(logits.view(), sure.labels)
        );
        assert_eq!(score(ndarray::array![[1.0, 3.0, 3.0]].view(), &[1]).correct, 1);
    }
}
