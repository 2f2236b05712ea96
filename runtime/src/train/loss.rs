//! Softmax cross entropy.

use super::matmul::Real;
use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// What a batch gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Sum over samples of -ln p(label).
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
    /// In 0..=1.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
    }

    /// Mean loss per sample.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples.max(1) as f64
    }
}

/// Scores `[n, classes]` logits.
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

/// As [`score`], and replaces the logits by the gradient of the mean loss.
pub fn score_and_gradient<T: Real>(logits: &mut Array2<T>, labels: &[u32]) -> Score {
    let total = score(logits.view(), labels);
    let n = T::real(labels.len() as f64);
    for (mut row, &label) in logits.rows_mut().into_iter().zip(labels) {
        let (largest, sum) = softmax_sum(row.view());
        row.mapv_inplace(|v| (v - largest).exp() / (sum * n));
        row[label as usize] -= n.recip();
    }
    total
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

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let logits = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f64 - 2.5);
        let labels = [0, 2, 1, 1];
        let mut gradient = logits.clone();
        let total = score_and_gradient(&mut gradient, &labels);
        assert_eq!(total, score(logits.view(), &labels));
        for (index, g) in gradient.indexed_iter() {
            let at = |delta: f64| {
                let mut logits = logits.clone();
                logits[index] += delta;
                score(logits.view(), &labels).mean_loss()
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((difference - g).abs() < 1e-9, "{index:?}: {g} against {difference}");
        }
        assert_eq!(score(ndarray::array![[1.0, 3.0, 3.0]].view(), &[1]).correct, 1);
    }
}
