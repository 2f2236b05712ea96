//! Trained tensors, and the rule that moves them.

use super::matmul::Real;
use crate::network::{Optimiser, Phase, Recipe, Schedule, Step};
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

/// A trained tensor with its gradient and the optimiser's moments, all of one shape; vectors are `[1, n]`.
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

/// One step of AdamW (Loshchilov & Hutter 2019; β = 0.9, 0.999, ε = 1e-8) or of SGD with momentum.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    optimiser: Optimiser,
    learning_rate: f64,
    weight_decay: f64,
    momentum: f64,
    /// 1 for the first step since the moments were 0.
    step: usize,
}

/// Entries updated by one task; the cut does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

impl Rule {
    /// The rule of one step of a phase: `step` counts from 0, `steps` are those of one epoch.
    pub fn new(recipe: &Recipe, phase: &Phase, step: usize, steps: usize) -> Self {
        Rule {
            optimiser: recipe.optimiser,
            learning_rate: learning_rate(phase, step, steps),
            weight_decay: recipe.weight_decay,
            momentum: recipe.momentum,
            step: step + 1,
        }
    }

    /// Moves the parameter against its gradient; only weights decay.
    pub fn apply<T: Real>(&self, p: &mut Parameter<T>, decays: bool) {
        let decay = if decays { self.weight_decay } else { 0.0 };
        let Parameter { value, gradient, first, second } = p;
        // Parameters are made in standard layout and never permuted.
        let slices = (value.as_slice_mut(), gradient.as_slice(), first.as_slice_mut(), second.as_slice_mut());
        let (Some(value), Some(gradient), Some(first), Some(second)) = slices else { unreachable!() };
        let chunks = (value.par_chunks_mut(CHUNK), gradient.par_chunks(CHUNK))
            .into_par_iter()
            .zip((first.par_chunks_mut(CHUNK), second.par_chunks_mut(CHUNK)));
        match self.optimiser {
            Optimiser::Adamw => chunks.for_each(|((w, g), (m, v))| self.adamw(decay, w, g, m, v)),
            Optimiser::Sgd => chunks.for_each(|((w, g), (m, _))| self.sgd(decay, w, g, m)),
        }
    }

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

    fn sgd<T: Real>(&self, decay: f64, w: &mut [T], g: &[T], m: &mut [T]) {
        let (rate, momentum, decay) = (T::real(self.learning_rate), T::real(self.momentum), T::real(decay));
        for ((w, &g), m) in w.iter_mut().zip(g).zip(m) {
            *m = momentum * *m + g + decay * *w;
            *w -= rate * *m;
        }
    }
}

/// The step size at step `step` of a phase, counted from 0, with `steps` in an epoch.
pub fn learning_rate(phase: &Phase, step: usize, steps: usize) -> f64 {
    let factor = match phase.schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => {
            let part = step as f64 / (phase.epochs * steps).max(1) as f64;
            0.5 + 0.5 * (std::f64::consts::PI * part).cos()
        }
        Schedule::Step(Step { every, factor }) => factor.powi((step / steps.max(1) / every) as i32),
    };
    phase.learning_rate * factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_first_steps_are_those_of_the_definition() {
        let recipe = Recipe { weight_decay: 0.1, ..Recipe::default() };
        let phase = Phase { epochs: 1, learning_rate: 0.01, schedule: Schedule::Constant };
        let mut p = Parameter::new(array![[1.0, -2.0]]);
        for (step, gradient) in [array![[0.5, -3.0]], array![[-1.0, 4.0]]].into_iter().enumerate() {
            p.gradient = gradient;
            Rule::new(&recipe, &phase, step, 10).apply(&mut p, true);
        }
        // Loshchilov & Hutter, algorithm 2, by hand.
        let by_hand = |w: f64, g: [f64; 2]| {
            let w = w * (1.0 - 0.001) - 0.01 * g[0] / (g[0].abs() + 1e-8);
            let m = (0.9 * 0.1 * g[0] + 0.1 * g[1]) / (1.0 - 0.81);
            let v: f64 = (0.999 * 0.001 * g[0] * g[0] + 0.001 * g[1] * g[1]) / (1.0 - 0.999 * 0.999);
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
    }

    #[test]
    fn schedules() {
        let phase = |schedule| Phase { epochs: 4, learning_rate: 2.0, schedule };
        let at = |schedule, step| learning_rate(&phase(schedule), step, 10);
        assert_eq!(at(Schedule::Constant, 39), 2.0);
        assert_eq!(at(Schedule::Cosine, 0), 2.0);
        assert!((at(Schedule::Cosine, 20) - 1.0).abs() < 1e-12 && at(Schedule::Cosine, 39) < 0.01);
        let step = Schedule::Step(Step { every: 2, factor: 0.5 });
        assert_eq!([at(step, 19), at(step, 20), at(step, 39)], [2.0, 1.0, 1.0]);
    }
}
