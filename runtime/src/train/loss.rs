//! What a batch loses, and the gradient of that: softmax cross entropy, that of several labels, and
//! distances of numbers.

use super::matmul::{Real, vectorised};
use crate::network::Loss;
use ndarray::{Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a batch gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Sum over samples of the loss; of -ln p(label) unless the targets say otherwise.
    pub loss: f64,
    /// Samples whose largest output is the label's; of several labels, those of which every one is
    /// right.
    pub correct: usize,
    /// Samples.
    pub samples: usize,
    /// Sum over samples of the mean of (z - target)², of a regression.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub squares: f64,
    /// Sum over samples of the mean of target², less the target's own mean, which over the training
    /// split is 0; of a regression.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spread: f64,
}

fn is_zero(v: &f64) -> bool {
    *v == 0.0
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
        self.squares += other.squares;
        self.spread += other.spread;
    }
}

impl Score {
    /// Whether a sum over samples can have come to this.
    pub(super) fn is_valid(&self) -> bool {
        let sums = [self.loss, self.squares, self.spread];
        sums.iter().all(|sum| sum.is_finite())
            && self.correct <= self.samples
            && self.samples <= 1 << 48
    }

    /// The share of samples that are right, 0..=1; of a regression the share of the targets' spread
    /// that the outputs explain, at most 1.
    pub fn accuracy(&self) -> f64 {
        if self.spread > 0.0 {
            return 1.0 - self.squares / self.spread;
        }
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
    /// The class of each sample; none where there are values.
    pub labels: &'a [u32],
    /// Numbers or labels instead of classes.
    pub values: Option<(Loss, ArrayView2<'a, f32>)>,
    /// `[classes]`: how much a sample of each class counts; none where all count alike.
    pub weights: &'a [f64],
    /// The share of each target that is spread evenly over all classes (Szegedy et al. 2016), 0..1.
    pub smoothing: f64,
    /// Another network that is to be imitated.
    pub teacher: Option<Teacher<'a>>,
}

/// What all outputs of a batch are trained towards.
pub struct Aims<'a> {
    /// Those of the last layer, by which the network is judged.
    pub main: Targets<'a>,
    /// Those of each head, in order, and what the head's loss counts.
    pub heads: Vec<(Targets<'a>, f64)>,
}

impl<'a> From<Targets<'a>> for Aims<'a> {
    fn from(main: Targets<'a>) -> Self {
        Aims { main, heads: vec![] }
    }
}

impl Aims<'_> {
    /// The aims of some of the samples.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let of_heads = self.heads.iter().map(|(head, weight)| (head.rows(rows.clone()), *weight));
        Aims { main: self.main.rows(rows.clone()), heads: of_heads.collect() }
    }

    /// The score of the batch, the losses of all outputs added up; z of each output, the last
    /// layer's first, becomes the gradient of the mean loss in `dz`.
    pub fn score_and_gradients<'b, T: Real>(
        &self,
        outputs: impl Iterator<Item = (&'b Array2<T>, &'b mut Array2<T>)>,
    ) -> Score {
        let all = std::iter::once((&self.main, 1.0)).chain(self.heads.iter().map(|(t, w)| (t, *w)));
        let mut total: Option<Score> = None;
        for ((z, dz), (targets, weight)) in outputs.zip(all) {
            dz.assign(z);
            let score = score_and_gradient(dz, targets);
            match &mut total {
                None => total = Some(score),
                Some(total) => {
                    *dz *= T::real(weight);
                    total.loss += weight * score.loss;
                }
            }
        }
        total.unwrap_or_default()
    }
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
        Targets { labels, values: None, weights: &[], smoothing: 0.0, teacher: None }
    }

    /// The targets of some of the samples.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let teacher = self.teacher.map(|teacher| Teacher {
            logits: teacher.logits.slice_move(s![rows.clone(), ..]),
            ..teacher
        });
        let values = self.values.map(|(loss, all)| (loss, all.slice_move(s![rows.clone(), ..])));
        let labels = if values.is_some() { &[] } else { &self.labels[rows] };
        Targets { labels, values, teacher, ..*self }
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

/// Scores `[n, outputs]` outputs by the numbers or labels that are due, of the same shape.
pub fn score_values<T: Real>(loss: Loss, outputs: ArrayView2<T>, due: ArrayView2<f32>) -> Score {
    let mut total = Score { samples: due.nrows(), ..Score::default() };
    for (row, due) in outputs.rows().into_iter().zip(due.rows()) {
        add_values(loss, row, due, &mut total, |_, _| {});
    }
    if loss.is_regression() {
        // About the mean of these very samples.
        let spread = |v: ArrayView1<f32>| {
            let mean = v.mapv(f64::from).mean().unwrap_or(0.0);
            v.fold(0.0, |sum, v| sum + (f64::from(*v) - mean).powi(2))
        };
        let columns = due.ncols().max(1) as f64;
        total.spread = due.columns().into_iter().map(spread).sum::<f64>() / columns;
    }
    total
}

/// Adds the score of one sample but for the count; tells `gradient` that of each output.
fn add_values<T: Real>(
    loss: Loss,
    row: ArrayView1<T>,
    due: ArrayView1<f32>,
    total: &mut Score,
    mut gradient: impl FnMut(usize, f64),
) {
    let share = (row.len().max(1) as f64).recip();
    let mut right = true;
    for (k, (z, due)) in row.iter().zip(due).enumerate() {
        // NumCast of a float to f64 never fails.
        let (z, due) = (z.to_f64().unwrap_or(f64::NAN), f64::from(*due));
        let (one, slope) = distance(loss, z, due);
        total.loss += share * one;
        if loss == Loss::BinaryCrossEntropy {
            right &= (z > 0.0) == (due > 0.5);
        } else {
            total.squares += share * (z - due).powi(2);
            total.spread += share * due.powi(2);
        }
        gradient(k, share * slope);
    }
    total.correct += usize::from(right && loss == Loss::BinaryCrossEntropy);
}

/// The loss of one output, and its derivative by that.
fn distance(loss: Loss, z: f64, due: f64) -> (f64, f64) {
    match loss {
        Loss::Absolute => ((z - due).abs(), if z == due { 0.0 } else { (z - due).signum() }),
        // ln(1 + e^z) - due · z, such that no exponential overflows.
        Loss::BinaryCrossEntropy => {
            let small = (-z.abs()).exp();
            let p = if z > 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
            (z.max(0.0) - due * z + small.ln_1p(), p - due)
        }
        Loss::Squared | Loss::CrossEntropy => ((z - due).powi(2), 2.0 * (z - due)),
    }
}

/// As [`score_and_gradient`], where numbers or labels are due; a teacher's outputs are due beside
/// them, those for labels as the probabilities that they stand for.
fn values_and_gradient<T: Real>(
    loss: Loss,
    outputs: &mut Array2<T>,
    due: ArrayView2<f32>,
    teacher: Option<Teacher>,
) -> Score {
    let mut total = Score { samples: due.nrows(), ..Score::default() };
    let share = (due.nrows() as f64).recip();
    let mut slopes = vec![0.0; outputs.ncols()];
    for (i, mut row) in outputs.rows_mut().into_iter().enumerate() {
        let sure = teacher.map_or(1.0, |t| 1.0 - t.lambda);
        let mut of_due = Score::default();
        add_values(loss, row.view(), due.row(i), &mut of_due, |k, g| slopes[k] = sure * g);
        of_due.loss *= sure;
        if let Some(Teacher { logits, lambda, .. }) = teacher {
            let taught = logits.row(i).mapv(|z| match loss {
                Loss::BinaryCrossEntropy => 1.0 / (1.0 + (-z).exp()),
                _ => z,
            });
            let mut of_taught = Score::default();
            let add = |k: usize, g: f64| slopes[k] += lambda * g;
            add_values(loss, row.view(), taught.view(), &mut of_taught, add);
            of_due.loss += lambda * of_taught.loss;
        }
        total += of_due;
        row.iter_mut().zip(&slopes).for_each(|(z, g)| *z = T::real(share * g));
    }
    total
}

/// Scores `[n, classes]` logits, and replaces them by the gradient of the mean loss.
pub fn score_and_gradient<T: Real>(logits: &mut Array2<T>, targets: &Targets) -> Score {
    let &Targets { labels, values, weights, smoothing, teacher } = targets;
    if let Some((loss, due)) = values {
        return values_and_gradient(loss, logits, due, teacher);
    }
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
        let weight = weights.get(label as usize).copied().unwrap_or(1.0);
        let sure = weight * teacher.map_or(1.0, |t| 1.0 - t.lambda);
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
    vectorised!(|| z.iter_mut().for_each(|z| *z = (*z - largest).exponential()));
    (largest, z.iter().fold(T::zero(), |sum, &e| sum + e))
}

fn softmax_sum<T: Real>(row: ArrayView1<T>) -> (T, T) {
    let largest = row.fold(T::neg_infinity(), |a, &b| a.max(b));
    (largest, row.fold(T::zero(), |s, &v| s + (v - largest).exp()))
}

/// Index of the largest entry, the first one where several are equal.
pub(super) fn argmax<T: PartialOrd>(row: ArrayView1<T>) -> usize {
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

    #[test]
    fn losses_of_numbers_and_labels_are_their_definitions_and_gradients_finite_differences() {
        let outputs = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f64 - 2.5);
        let due = Array2::from_shape_fn((4, 3), |(i, j)| ((i + 2 * j) % 3 / 2) as f32);
        let taught = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 3 + j) % 5) as f32 * 0.4 - 0.7);
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        let one = |loss: Loss, z: f64, t: f64| match loss {
            Loss::Squared => (z - t).powi(2),
            Loss::Absolute => (z - t).abs(),
            _ => -(t * sigmoid(z).ln() + (1.0 - t) * (1.0 - sigmoid(z)).ln()),
        };
        for loss in [Loss::Squared, Loss::Absolute, Loss::BinaryCrossEntropy] {
            for lambda in [0.0, 0.3] {
                let mean = |outputs: &Array2<f64>| {
                    let terms = outputs.indexed_iter().map(|(at, z)| {
                        let soft = f64::from(taught[at]);
                        let soft =
                            if loss == Loss::BinaryCrossEntropy { sigmoid(soft) } else { soft };
                        let plain = one(loss, *z, f64::from(due[at]));
                        (1.0 - lambda) * plain + lambda * one(loss, *z, soft)
                    });
                    terms.sum::<f64>() / 12.0
                };
                let logits = taught.view();
                let teacher =
                    (lambda > 0.0).then_some(Teacher { logits, lambda, temperature: 1.0 });
                let targets =
                    Targets { values: Some((loss, due.view())), teacher, ..Targets::of(&[]) };
                let mut gradient = outputs.clone();
                let total = score_and_gradient(&mut gradient, &targets);
                assert!((total.mean_loss() - mean(&outputs)).abs() < 1e-6, "{loss:?}");
                for (index, g) in gradient.indexed_iter() {
                    let at = |delta: f64| {
                        let mut outputs = outputs.clone();
                        outputs[index] += delta;
                        mean(&outputs)
                    };
                    let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!((difference - g).abs() < 1e-6, "{loss:?} {index:?}: {g}, {difference}");
                }
            }
        }
        // Far out, where an exponential would overflow.
        let far = ndarray::array![[800.0, -800.0]];
        let score =
            score_values(Loss::BinaryCrossEntropy, far.view(), ndarray::array![[0.0, 0.0]].view());
        assert_eq!((score.loss, score.correct), (400.0, 0));
        let mean = ndarray::array![[2.0], [2.0]];
        let due = ndarray::array![[1.0f32], [3.0]];
        assert_eq!(score_values(Loss::Squared, mean.view(), due.view()).accuracy(), 0.0);
    }

    #[test]
    fn weights_of_classes_weigh_samples() {
        let logits = Array2::from_shape_fn((3, 2), |(i, j)| (i + 2 * j) as f64 - 1.0);
        let of = |labels: &[u32], weights: &[f64]| {
            let mut gradient = logits.clone();
            let score =
                score_and_gradient(&mut gradient, &Targets { weights, ..Targets::of(labels) });
            (score, gradient)
        };
        let (plain, all) = of(&[0, 1, 1], &[]);
        let (weighted, doubled) = of(&[0, 1, 1], &[1.0, 2.0]);
        let first = of(&[0, 1, 1], &[1.0, 0.0]).0;
        assert!((weighted.loss - (2.0 * plain.loss - first.loss)).abs() < 1e-12);
        assert_eq!((doubled.row(0), doubled.row(1)), (all.row(0), (2.0 * &all.row(1)).view()));
    }
}
