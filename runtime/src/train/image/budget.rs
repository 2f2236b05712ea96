//! A multiplication budget that is shared out among the layers: r of each is chosen so that
//! together they lose least of what a full-precision network computes.

use super::float::{Float, ternarisers};
use super::learner::ImageLearner;
use super::spn::Spn;
use super::weights::Weights;
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::network::plan::{self, Linear, Op, Step};
use crate::shape::Shape;
use crate::train::checkpoint::Checkpoint;
use crate::train::schedule::Learner;
use crate::train::streams::{Stream, generator};
use crate::train::ternary::Matrix;
use ndarray::{ArrayView2, Axis};
use serde::Serialize;
use std::path::Path;

/// What one layer gets of a budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The layer's name.
    pub name: String,
    /// Its r.
    pub r: usize,
    /// Its multiplications of one inference.
    pub multiplications: u64,
    /// The share of its outputs' variance that ternary factors of this r lose before any training,
    /// 0..=1.
    pub loss: f64,
}

/// Samples that layers are measured on.
const SAMPLES: usize = 256;
/// The largest loss that is told apart from a larger one.
const LOST: f64 = 0.999;
/// r over the outputs of a layer, in eighths, that are tried.
const EIGHTHS: [usize; 13] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32];

/// The network with an r for each linear layer such that an inference takes `total` multiplications
/// at most, and what each layer gets; `from` is a run of the same network in full precision. Plain
/// and recurrent layers keep theirs. `next` is told how many layers are measured, of how many, and
/// may end the work.
///
/// A layer is measured by itself, on samples that reach it in the full-precision network: factors
/// of its matrix are made ternary, and what no scale and offset of a channel makes up for is its
/// loss. What is left behind one layer is what the next one can lose of, so it is the product of
/// what is left that is made largest, exactly.
///
/// # Errors
/// Where the run does not fit, or the budget is less than the layers need at least; what `next`
/// says.
pub fn share(
    network: &Network,
    data: &DataSet,
    from: &Path,
    total: u64,
    next: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<(Network, Vec<Share>)> {
    let place = from.display().to_string();
    let mut other = Checkpoint::<Weights>::load(from)?;
    if !other.network.train.full_precision {
        return Err(Error::input(place, "is a network of sums of products already")
            .help("name a run in full precision: strassenc train NET --full-precision"));
    }
    let whole = other.weights.live.len() == network.elements();
    let (mut learner, own) = ImageLearner::begin(network, data, whole)?;
    let run = Checkpoint::start(network.clone(), ImageLearner::identity(data), own);
    ImageLearner::check_layers(&run, &other, &place)?;
    let samples = learner.calibration(&network.train, SAMPLES);
    let mut steps = network.plan()?;
    if let (true, Some(first)) = (network.is_of_vectors(), steps.first_mut()) {
        // Inputs that never change are left out.
        first.input = Shape::vector(other.weights.live.len());
    }
    let measured = measure(network, &steps, &mut other.weights.float, samples.view(), next)?;
    // Layers whose r is not free take what they take.
    let is_free = |step: &&Step| measured.iter().any(|shares| shares[0].name == step.name);
    let fixed: u64 = steps.iter().filter(|step| !is_free(step)).map(Step::multiplications).sum();
    let Some(shares) = total.checked_sub(fixed).and_then(|left| least(&measured, left)) else {
        let needs = fixed + measured.iter().map(|all| all[0].multiplications).sum::<u64>();
        let cause = format!("{total} multiplications are fewer than the {needs} of the least r");
        return Err(Error::input("--budget", cause)
            .help("give that many, or larger output patches, --p 2, which divide them by four"));
    };
    let mut network = network.clone();
    network.set_budgets(|name| Some(shares.iter().find(|share| share.name == *name)?.r))?;
    Ok((network, shares))
}

/// What each layer whose r is free loses with each r, from the least r on, in the order of the
/// layers.
fn measure(
    network: &Network,
    steps: &[Step],
    ordinary: &mut Float<f32>,
    x: ArrayView2<f32>,
    next: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Vec<Share>>> {
    let trained: Vec<&Step> = steps.iter().filter(|step| step.trains()).collect();
    let ternarisers = trained.iter().zip(ternarisers(network));
    let linear: Vec<_> =
        ternarisers.filter_map(|(step, t)| Some((*step, step.linear()?, t))).collect();
    let count = linear.len();
    let mut layers = linear.into_iter().enumerate();
    let (mut measured, mut told) = (vec![], Ok(()));
    let outputs: Vec<&str> = plan::outputs(steps).map(|i| steps[i].name.as_str()).collect();
    ordinary.each_layer(x, |spn, x| {
        let Some((i, (step, linear, ternariser))) = layers.next() else { return };
        if told.is_err() {
            return;
        }
        told = next(i, count);
        if linear.plain {
            return;
        }
        let last = outputs.contains(&step.name.as_str());
        // What the next layer reads is told apart by scales and offsets, not by signs.
        let bare = Step { relu: false, ..step.clone() };
        let rng = || generator(network.train.seed, Stream::Factors);
        let mut due = Spn::new(&bare, linear, last, true, &mut rng());
        due.take_over(spn);
        let y = due.evaluate(x);
        let mut best = 1.0f64;
        let shares = candidates(step, linear, last).map(|r| {
            let linear = Linear { r, ..*linear };
            let candidate = Step { op: Op::Linear(linear), ..bare.clone() };
            let mut own = Spn::new(&candidate, &linear, last, false, &mut rng());
            if own.factorise(&due, &linear, &mut rng()) {
                own.begin_ternary(ternariser);
                own.matrices_mut().for_each(Matrix::renew);
                own.calibrate(x);
                // More products lose no more, if training is told how to use them.
                best = best.min(lost(y.view(), own.evaluate(x).view(), step.output.channels));
            }
            let multiplications = candidate.multiplications();
            Share { name: step.name.clone(), r, multiplications, loss: best }
        });
        measured.push(shares.collect());
    });
    told.map(|()| measured)
}

/// The numbers of products that are tried for a layer, ascending.
fn candidates(step: &Step, linear: &Linear, last: bool) -> impl Iterator<Item = usize> + use<> {
    let (outputs, groups) = (step.output.channels, linear.groups);
    // What leaves the network could not vary independently with fewer.
    let least = if last { outputs } else { 1 };
    let mut all: Vec<usize> = EIGHTHS
        .iter()
        .map(|eighths| (eighths * outputs).div_ceil(8).max(least).next_multiple_of(groups))
        .filter(|r| *r <= crate::network::MAX_SIZE)
        .collect();
    all.dedup();
    all.into_iter()
}

/// The share of the variance of y, `[n, pixels · channels]`, that z does not explain, channel by
/// channel: 1 - ρ², on average over the channels that vary.
fn lost(y: ArrayView2<f32>, z: ArrayView2<f32>, channels: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for c in 0..channels {
        let own = |v: ArrayView2<f32>| -> Vec<f64> {
            v.axis_iter(Axis(1))
                .skip(c)
                .step_by(channels)
                .flatten()
                .map(|v| f64::from(*v))
                .collect()
        };
        let (y, z) = (own(y), own(z));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (of_y, of_z) = (mean(&y), mean(&z));
        let (mut yy, mut zz, mut yz) = (0.0, 0.0, 0.0);
        for (y, z) in y.iter().zip(&z) {
            let (y, z) = (y - of_y, z - of_z);
            (yy, zz, yz) = (yy + y * y, zz + z * z, yz + y * z);
        }
        if yy > 0.0 {
            sum += if zz > 0.0 { (1.0 - yz * yz / (yy * zz)).clamp(0.0, 1.0) } else { 1.0 };
            count += 1;
        }
    }
    sum / f64::from(count.max(1))
}

impl Share {
    /// -ln of what is left: that of all layers together is the sum.
    fn damage(&self) -> f64 {
        // A layer that is lost wholly is no end: training may find what factors do not have.
        -(1.0 - self.loss.min(LOST)).ln()
    }
}

/// One share of each layer with the least sum of damages, and `total` multiplications at most; none
/// where there is none. Of several, the one of the fewest multiplications.
fn least(layers: &[Vec<Share>], total: u64) -> Option<Vec<Share>> {
    // Choices for the layers so far of which none costs less and does less damage than another, the
    // cheapest first: multiplications, damage, and the choice of each layer.
    let mut front: Vec<(u64, f64, Vec<usize>)> = vec![(0, 0.0, vec![])];
    // What the layers behind need at least.
    let mut needed: u64 = layers.iter().filter_map(|all| Some(all.first()?.multiplications)).sum();
    for shares in layers {
        needed -= shares.first()?.multiplications;
        let mut all: Vec<_> = front
            .iter()
            .flat_map(|(cost, damage, choice)| {
                shares.iter().enumerate().map(move |(k, share)| {
                    (cost + share.multiplications, damage + share.damage(), (choice, k))
                })
            })
            .filter(|(cost, ..)| cost.saturating_add(needed) <= total)
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut best = f64::INFINITY;
        all.retain(|(_, damage, _)| {
            let better = *damage < best;
            best = best.min(*damage);
            better
        });
        let kept = all.into_iter().map(|(cost, loss, (choice, k))| {
            (cost, loss, choice.iter().copied().chain([k]).collect())
        });
        front = kept.collect();
    }
    let (_, _, choice) = front.pop()?;
    Some(layers.iter().zip(choice).map(|(shares, k)| shares[k].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn shares(name: usize, of: &[(u64, u32)]) -> Vec<Share> {
        let mut all: Vec<_> = of
            .iter()
            .map(|(cost, loss)| Share {
                name: name.to_string(),
                r: 1,
                multiplications: *cost,
                loss: f64::from(*loss) / 32.0,
            })
            .collect();
        all.sort_by_key(|share| share.multiplications);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(1), cases: 200, ..ProptestConfig::default()
        })]

        /// Every choice is tried.
        #[test]
        fn no_choice_within_the_budget_loses_less(
            layers in prop::collection::vec(
                prop::collection::vec((1u64..20, 0u32..30), 1..5), 1..5),
            total in 0u64..80,
        ) {
            let layers: Vec<_> =
                layers.iter().enumerate().map(|(i, of)| shares(i, of)).collect();
            let mut all = vec![(0, 0.0)];
            for layer in &layers {
                let with = |(cost, loss): (u64, f64)| {
                    layer.iter().map(move |s| (cost + s.multiplications, loss + s.damage()))
                };
                all = all.into_iter().flat_map(with).collect();
            }
            let due = all.iter().filter(|(cost, _)| *cost <= total).map(|(_, loss)| *loss);
            let found = least(&layers, total);
            prop_assert_eq!(found.is_some(), due.clone().next().is_some());
            let Some(found) = found else { return Ok(()) };
            prop_assert!(found.iter().map(|s| s.multiplications).sum::<u64>() <= total);
            let damage: f64 = found.iter().map(Share::damage).sum();
            prop_assert!((damage - due.fold(f64::INFINITY, f64::min)).abs() < 1e-9);
        }
    }

    /// A scale and an offset lose nothing, independent noise its share.
    #[test]
    fn what_no_scale_and_offset_makes_up_for_is_lost() {
        let y = Array2::from_shape_fn((50, 4), |(i, j)| ((i * 7 + j * 3) % 11) as f32);
        let scaled = Array2::from_shape_fn((50, 4), |(i, j)| {
            if j % 2 == 0 { -2.0 * y[[i, j]] + 5.0 } else { 0.5 * y[[i, j]] }
        });
        assert!(lost(y.view(), scaled.view(), 2) < 1e-9);
        assert_eq!(lost(y.view(), Array2::zeros((50, 4)).view(), 2), 1.0);
        // Two channels, of which one is right.
        let half =
            Array2::from_shape_fn((50, 4), |(i, j)| if j % 2 == 0 { y[[i, j]] } else { 0.0 });
        assert!((lost(y.view(), half.view(), 2) - 0.5).abs() < 1e-9);
    }
}
