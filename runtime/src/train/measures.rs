//! How well outputs do over a whole split, in the units of its data.

use super::loss::{Score, argmax, score_values};
use crate::network::{Scaling, Task};
use ndarray::{Array2, ArrayView2, Zip};
use serde::Serialize;

/// How well outputs do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Measures {
    /// Of one class a sample: that of the largest output, the first of equal ones.
    Classes {
        /// Samples whose class is right.
        correct: usize,
        /// The share of those, 0..=1.
        accuracy: f64,
    },
    /// Of numbers.
    Numbers {
        /// [`Measure::R2`](crate::network::Measure::R2).
        r2: f64,
        /// The root of the mean squared error, in units of the data.
        rmse: f64,
        /// The mean absolute error, in units of the data.
        mae: f64,
    },
    /// Of several labels a sample, each of which is said to hold where its output is positive.
    Labels {
        /// Samples all of whose labels are right.
        correct: usize,
        /// The share of those, 0..=1.
        accuracy: f64,
        /// The mean over the labels of F1, the harmonic mean of precision and recall; 0 of a label
        /// that neither holds nor is said to.
        f1: f64,
    },
}

impl Measures {
    /// How well the outputs `[samples, outputs]` of a task do; `real` is what one stands for, and
    /// classes or numbers are due of them, [as of a split](crate::data::Split::due).
    pub fn of<T: Copy + PartialOrd>(
        task: &Task,
        outputs: ArrayView2<T>,
        real: impl Fn(T) -> f64,
        (labels, targets): (&[u32], Option<&Array2<f64>>),
    ) -> Measures {
        let share = |count: usize| count as f64 / outputs.nrows().max(1) as f64;
        let Some(targets) = targets else {
            let rows = outputs.outer_iter().zip(labels);
            let correct = rows.filter(|(row, label)| argmax(row.view()) == **label as usize);
            let correct = correct.count();
            return Measures::Classes { correct, accuracy: share(correct) };
        };
        let reals = outputs.mapv(real);
        if !task.loss.is_regression() {
            let hold = |v: f64| v > 0.0;
            let wrong = Zip::from(&reals).and(targets).map_collect(|z, t| hold(*z) != hold(*t));
            let correct = wrong.rows().into_iter().filter(|row| !row.iter().any(|w| *w)).count();
            let count = |of: &dyn Fn(f64, f64) -> bool, k: usize| {
                let rows = reals.column(k).into_iter().zip(targets.column(k));
                rows.filter(|(z, t)| of(**z, **t)).count() as f64
            };
            let of_label = |k| {
                let both = 2.0 * count(&|z, t| hold(z) && hold(t), k);
                let one = count(&|z, t| hold(z) != hold(t), k);
                if both + one > 0.0 { both / (both + one) } else { 0.0 }
            };
            let labels = targets.ncols();
            let f1 = (0..labels).map(of_label).sum::<f64>() / labels.max(1) as f64;
            return Measures::Labels { correct, accuracy: share(correct), f1 };
        }
        let score: Score = score_values(task.loss, reals.view(), scaled(task, targets).view());
        let errors = in_units(task, reals) - targets;
        let mean = |of: fn(f64) -> f64| errors.mapv(of).mean().unwrap_or(0.0);
        let (rmse, mae) = (mean(|e| e * e).sqrt(), mean(f64::abs));
        Measures::Numbers { r2: score.accuracy(), rmse, mae }
    }

    /// The one of them that a network is judged by, at most 1.
    pub fn judged(self) -> f64 {
        match self {
            Measures::Classes { accuracy, .. } | Measures::Labels { accuracy, .. } => accuracy,
            Measures::Numbers { r2, .. } => r2,
        }
    }
}

/// Numbers or labels as training sees them.
pub(super) fn scaled(task: &Task, targets: &Array2<f64>) -> Array2<f32> {
    let mut scaled = targets.clone();
    if let Some(Scaling { offset, scale }) = &task.targets {
        let columns = scaled.columns_mut().into_iter().zip(offset.iter().zip(scale));
        columns.for_each(|(mut v, (offset, scale))| v.mapv_inplace(|v| (v - offset) / scale));
    }
    scaled.mapv(|v| v as f32)
}

/// Outputs in units of the data.
fn in_units(task: &Task, mut outputs: Array2<f64>) -> Array2<f64> {
    if let Some(Scaling { offset, scale }) = &task.targets {
        let columns = outputs.columns_mut().into_iter().zip(offset.iter().zip(scale));
        columns.for_each(|(mut v, (offset, scale))| v.mapv_inplace(|v| offset + scale * v));
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Loss;
    use ndarray::{Array2, array};

    #[test]
    fn classes_are_those_of_the_first_largest_output() {
        let outputs = array![[2i64, 2, 1], [0, 3, 3], [1, 0, 0]];
        let measures =
            Measures::of(&Task::default(), outputs.view(), |v| v as f64, (&[0, 1, 1], None));
        assert_eq!(measures, Measures::Classes { correct: 2, accuracy: 2.0 / 3.0 });
    }

    #[test]
    fn numbers_are_measured_in_their_own_units() {
        let targets = Some(Scaling { offset: vec![10.0], scale: vec![4.0] });
        let task = Task { loss: Loss::Squared, targets, ..Task::default() };
        // Of 8 a unit: 10, 14, 12 for 8, 14, 14, whose mean is 12.
        let of = |outputs: Array2<i64>| {
            let due = array![[8.0], [14.0], [14.0]];
            Measures::of(&task, outputs.view(), |v| v as f64 / 8.0, (&[], Some(&due)))
        };
        let Measures::Numbers { r2, rmse, mae } = of(array![[0], [8], [4]]) else { panic!() };
        assert!((r2 - (1.0 - 8.0 / 24.0)).abs() < 1e-12, "{r2}");
        assert!((rmse - (8.0f64 / 3.0).sqrt()).abs() < 1e-12, "{rmse}");
        assert!((mae - 4.0 / 3.0).abs() < 1e-12, "{mae}");
        assert_eq!(of(array![[4], [4], [4]]).judged(), 0.0, "the mean explains nothing");
    }

    #[test]
    fn labels_hold_where_outputs_are_positive() {
        let task = Task { loss: Loss::BinaryCrossEntropy, ..Task::default() };
        let due = array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]];
        let outputs = array![[0.5, -1.0, -1.0], [2.0, 0.0, -0.1], [-1.0, 0.1, -3.0]];
        let measures = Measures::of(&task, outputs.view(), |v| v, (&[], Some(&due)));
        // F1 of the labels: 1, 2·1 / (2·1 + 1), and 0 of one that never holds.
        let f1 = (1.0 + 2.0 / 3.0) / 3.0;
        assert_eq!(measures, Measures::Labels { correct: 2, accuracy: 2.0 / 3.0, f1 });
    }
}
