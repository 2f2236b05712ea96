//! Trained tensors, and the rule that moves them.

use super::matmul::{Real, vectorised};
use crate::network::{OneCycle, Optimiser, Phase, Recipe, Schedule, Step};
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

/// A trained tensor with its gradient and the optimiser's moments, all of one shape; vectors are
/// `[1, n]`.
#[derive(Clone)]
pub struct Parameter<T> {
    /// The tensor.
    pub value: Array2<T>,
    /// dL/dvalue of the last step.
    pub gradient: Array2<T>,
    /// Adam's first moment, or SGD's velocity.
    pub first: Array2<T>,
    /// Adam's second moment.
    pub second: Array2<T>,
}

impl<T: Real> Parameter<T> {
    /// Starts at `value`, at rest.
    pub fn new(value: Array2<T>) -> Self {
        let zeros = || Array2::zeros(value.dim());
        Parameter { gradient: zeros(), first: zeros(), second: zeros(), value }
    }

    /// A vector of n entries, all `value`.
    pub fn vector(n: usize, value: f64) -> Self {
        Self::new(Array2::from_elem((1, n), T::real(value)))
    }

    /// The value of a vector.
    pub fn row(&self) -> ArrayView1<'_, T> {
        self.value.row(0)
    }

    /// Forgets the moments.
    pub fn rest(&mut self) {
        self.first.fill(T::zero());
        self.second.fill(T::zero());
    }
}

/// One step of AdamW (Loshchilov & Hutter 2019; β = 0.9, 0.999, ε = 1e-8) or of SGD with momentum
/// (Sutskever et al. 2013, in the form that PyTorch has).
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    optimiser: Optimiser,
    learning_rate: f64,
    weight_decay: f64,
    momentum: f64,
    nesterov: bool,
    adder_penalty: f64,
    /// 1 for the first step since the moments were 0.
    step: usize,
}

/// Entries updated by one task; the cut does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

impl Rule {
    /// The rule of one step of a phase: `step` counts from 0, `steps` are those of one epoch.
    pub fn new(recipe: &Recipe, phase: &Phase, step: usize, steps: usize) -> Self {
        Rule {
            optimiser: phase.optimiser.unwrap_or(recipe.optimiser),
            learning_rate: learning_rate(phase, step, steps),
            weight_decay: phase.weight_decay.unwrap_or(recipe.weight_decay),
            momentum: recipe.momentum,
            nesterov: recipe.nesterov,
            adder_penalty: recipe.adder_penalty,
            step: step + 1,
        }
    }

    /// The share of the mean of a row's magnitudes that each of its ternary weights loses in the
    /// step.
    pub fn shrinkage(&self) -> f64 {
        self.learning_rate * self.adder_penalty
    }

    /// Moves the parameter against its gradient; only weights decay.
    pub fn apply<T: Real>(&self, p: &mut Parameter<T>, decays: bool) {
        let decay = if decays { self.weight_decay } else { 0.0 };
        let Parameter { value, gradient, first, second } = p;
        // Parameters are made in standard layout and never permuted.
        let slices = (
            value.as_slice_mut(),
            gradient.as_slice(),
            first.as_slice_mut(),
            second.as_slice_mut(),
        );
        let (Some(value), Some(gradient), Some(first), Some(second)) = slices else {
            unreachable!()
        };
        let chunks = (value.par_chunks_mut(CHUNK), gradient.par_chunks(CHUNK))
            .into_par_iter()
            .zip((first.par_chunks_mut(CHUNK), second.par_chunks_mut(CHUNK)));
        match self.optimiser {
            Optimiser::Adamw => {
                chunks.for_each(|((w, g), (m, v))| vectorised!(|| self.adamw(decay, w, g, m, v)))
            }
            Optimiser::Sgd => {
                chunks.for_each(|((w, g), (m, _))| vectorised!(|| self.sgd(decay, w, g, m)))
            }
        }
    }

    #[inline(always)]
    fn adamw<T: Real>(&self, decay: f64, w: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        let (b1, b2) = (0.9f64, 0.999f64);
        let correct = |b: f64| 1.0 - b.powf(self.step as f64);
        let rate = T::real(self.learning_rate / correct(b1));
        let scale = T::real(1.0 / correct(b2));
        let keep = T::real(1.0 - self.learning_rate * decay);
        let (b1, c1, b2, c2) = (T::real(b1), T::real(1.0 - b1), T::real(b2), T::real(1.0 - b2));
        let epsilon = T::real(1e-8);
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            *w = keep * *w - rate * *m / ((*v * scale).sqrt() + epsilon);
        }
    }

    #[inline(always)]
    fn sgd<T: Real>(&self, decay: f64, w: &mut [T], g: &[T], m: &mut [T]) {
        let (rate, momentum, decay) =
            (T::real(self.learning_rate), T::real(self.momentum), T::real(decay));
        // Nesterov: the step as it would be with the gradient entering the velocity once more.
        let (along, ahead) =
            if self.nesterov { (T::one(), momentum) } else { (T::zero(), T::one()) };
        for ((w, &g), m) in w.iter_mut().zip(g).zip(m) {
            let g = g + decay * *w;
            *m = momentum * *m + g;
            *w -= rate * (along * g + ahead * *m);
        }
    }
}

/// A one-cycle schedule starts at this share of the largest step size.
const ONE_CYCLE_START: f64 = 1.0 / 25.0;

/// The step size at step `step` of a phase, counted from 0, with `steps` in an epoch.
pub fn learning_rate(phase: &Phase, step: usize, steps: usize) -> f64 {
    let part = step as f64 / (phase.epochs * steps).max(1) as f64;
    let half_cosine = |part: f64| 0.5 + 0.5 * (std::f64::consts::PI * part).cos();
    let factor = match phase.schedule {
        // A plateau is a matter of the trainer of sequences, which knows the perplexity.
        Schedule::Constant | Schedule::Plateau(_) => 1.0,
        Schedule::Cosine => half_cosine(part),
        Schedule::Step(Step { every, factor }) => factor.powi((step / steps.max(1) / every) as i32),
        Schedule::OneCycle(OneCycle { rise }) if part < rise => {
            ONE_CYCLE_START + (1.0 - ONE_CYCLE_START) * part / rise
        }
        Schedule::OneCycle(OneCycle { rise }) => half_cosine((part - rise) / (1.0 - rise)),
    };
    // The first step is not one of size 0; without a warm-up this is 1.
    let warm = ((step + 1) as f64 / (phase.warmup * steps as f64)).min(1.0);
    phase.learning_rate * factor * warm
}

/// The share of the weights in their moving average at step `step` of a phase, counted from 0. An
/// average that is young keeps less of where the phase began: its decay is `decay`, or (1 + step) /
/// (10 + step) where that is less (as in TensorFlow).
pub fn average_share(decay: f64, step: usize) -> f64 {
    1.0 - decay.min((1.0 + step as f64) / (10.0 + step as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_first_steps_are_those_of_the_definition() {
        let recipe = Recipe { weight_decay: 0.1, ..Recipe::default() };
        let phase = Phase {
            epochs: 1,
            learning_rate: 0.01,
            schedule: Schedule::Constant,
            ..Phase::default()
        };
        let mut p = Parameter::new(array![[1.0, -2.0]]);
        for (step, gradient) in [array![[0.5, -3.0]], array![[-1.0, 4.0]]].into_iter().enumerate() {
            p.gradient = gradient;
            Rule::new(&recipe, &phase, step, 10).apply(&mut p, true);
        }
        // Loshchilov & Hutter, algorithm 2, by hand.
        let by_hand = |w: f64, g: [f64; 2]| {
            let w = w * (1.0 - 0.001) - 0.01 * g[0] / (g[0].abs() + 1e-8);
            let m = (0.9 * 0.1 * g[0] + 0.1 * g[1]) / (1.0 - 0.81);
            let v: f64 =
                (0.999 * 0.001 * g[0] * g[0] + 0.001 * g[1] * g[1]) / (1.0 - 0.999 * 0.999);
            w * (1.0 - 0.001) - 0.01 * m / (v.sqrt() + 1e-8)
        };
        assert!((p.value[[0, 0]] - by_hand(1.0, [0.5, -1.0])).abs() < 1e-12);
        assert!((p.value[[0, 1]] - by_hand(-2.0, [-3.0, 4.0])).abs() < 1e-12);

        let recipe = Recipe { optimiser: Optimiser::Sgd, ..recipe };
        let mut p = Parameter::new(array![[1.0]]);
        p.gradient = array![[2.0]];
        Rule::new(&recipe, &phase, 0, 10).apply(&mut p, true);
        Rule::new(&recipe, &phase, 1, 10).apply(&mut p, true);
        let (v1, w1) = (2.1f64, 1.0 - 0.021);
        assert!((p.value[[0, 0]] - (w1 - 0.01 * (0.9 * v1 + 2.0 + 0.1 * w1))).abs() < 1e-12);

        // torch.optim.SGD(nesterov=True), by hand; the phase's own optimiser and weight decay.
        let recipe = Recipe { optimiser: Optimiser::Adamw, nesterov: true, ..recipe };
        let phase = Phase { optimiser: Some(Optimiser::Sgd), weight_decay: Some(0.5), ..phase };
        let mut p = Parameter::new(array![[1.0]]);
        p.gradient = array![[2.0]];
        Rule::new(&recipe, &phase, 0, 10).apply(&mut p, true);
        Rule::new(&recipe, &phase, 1, 10).apply(&mut p, true);
        let (g1, w1) = (2.5f64, 1.0 - 0.01 * (2.5 + 0.9 * 2.5));
        let g2 = 2.0 + 0.5 * w1;
        assert!((p.value[[0, 0]] - (w1 - 0.01 * (g2 + 0.9 * (0.9 * g1 + g2)))).abs() < 1e-12);
    }

    #[test]
    fn schedules() {
        let phase =
            |schedule| Phase { epochs: 4, learning_rate: 2.0, schedule, ..Phase::default() };
        let at = |schedule, step| learning_rate(&phase(schedule), step, 10);
        assert_eq!(at(Schedule::Constant, 39), 2.0);
        assert_eq!(at(Schedule::Cosine, 0), 2.0);
        assert!((at(Schedule::Cosine, 20) - 1.0).abs() < 1e-12 && at(Schedule::Cosine, 39) < 0.01);
        let step = Schedule::Step(Step { every: 2, factor: 0.5 });
        assert_eq!([at(step, 19), at(step, 20), at(step, 39)], [2.0, 1.0, 1.0]);

        // Up from 2/25 for 10 steps of 40, then down for 30.
        let cycle = Schedule::OneCycle(OneCycle { rise: 0.25 });
        let expected = [(0, 0.08), (5, 1.04), (10, 2.0), (25, 1.0), (40, 0.0)];
        expected
            .iter()
            .for_each(|&(step, rate)| assert!((at(cycle, step) - rate).abs() < 1e-12, "{step}"));
        assert_eq!(at(Schedule::OneCycle(OneCycle { rise: 0.0 }), 0), 2.0);

        // Half an epoch of five steps, and the schedule goes on meanwhile.
        let warm =
            |schedule, step| learning_rate(&Phase { warmup: 0.5, ..phase(schedule) }, step, 10);
        let rates: Vec<f64> = (0..7).map(|step| warm(Schedule::Constant, step)).collect();
        let expected = [0.4, 0.8, 1.2, 1.6, 2.0, 2.0, 2.0];
        assert!(rates.iter().zip(expected).all(|(rate, e)| (rate - e).abs() < 1e-12), "{rates:?}");
        assert_eq!(warm(Schedule::Cosine, 1), at(Schedule::Cosine, 1) * 0.4);
        assert_eq!(warm(Schedule::Cosine, 30), at(Schedule::Cosine, 30));

        assert!((average_share(0.75, 2) - 0.75).abs() < 1e-12 && average_share(0.75, 26) == 0.25);
    }
}
