//! A network whose ordinary layers were trained elsewhere: the run in full precision that teaches,
//! and one that begins at factors of it.

use super::float::Float;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::onnx;
use crate::train::checkpoint::Checkpoint;
use crate::train::schedule::Phase;
use crate::train::streams::{Stream, generator};

/// The run in full precision of a description with these weights, which is done.
///
/// # Errors
/// Where the weights are not those of its layers.
pub fn ordinary(network: &Network, weights: &[onnx::Weights]) -> Result<Checkpoint<Weights>> {
    let mut network = network.clone();
    network.train.full_precision = true;
    let mut run = fresh(network);
    let layers = run.weights.float.spns().count();
    if layers != weights.len() {
        let cause = format!("has {layers} linear layers, {} are given", weights.len());
        return Err(Error::input(format_args!("network `{}`", run.network.name), cause));
    }
    for (step, (spn, given)) in
        run.network.linear().iter().zip(run.weights.float.spns_mut().zip(weights))
    {
        let (w, bias) = (&mut spn.w_b.weights.value, &mut spn.bias.value);
        if w.dim() != given.matrix.dim() || bias.len() != given.bias.len() {
            let cause = format!("has weights {:?}, not {:?}", given.matrix.dim(), w.dim());
            return Err(Error::internal(format_args!("layer {}", step.name), cause));
        }
        w.assign(&given.matrix);
        bias.row_mut(0).iter_mut().zip(&given.bias).for_each(|(to, from)| *to = *from);
        spn.norms_mut().for_each(|norm| norm.pass());
    }
    run.enter(Phase::Done);
    Ok(run)
}

/// A run that begins at factors of the weights of one in full precision, before it has met any
/// data; `done` is told how many layers have theirs, and may end the work.
///
/// # Errors
/// That of `done`.
pub fn factors(
    network: &Network,
    ordinary: &Checkpoint<Weights>,
    done: impl FnMut(usize) -> Result<()>,
) -> Result<Checkpoint<Weights>> {
    let mut run = fresh(network.clone());
    let linear: Vec<_> =
        run.network.linear().iter().filter_map(|step| step.linear().copied()).collect();
    let mut rng = generator(network.train.seed, Stream::Factors);
    run.weights.float.factorise(&ordinary.weights.float, &linear, &mut rng, done)?;
    run.enter(Phase::Full);
    Ok(run)
}

fn fresh(network: Network) -> Checkpoint<Weights> {
    let live: Vec<usize> = (0..network.input.elements()).collect();
    let rng = &mut generator(network.train.seed, Stream::Weights);
    let float = Float::new(&network, live.len(), rng);
    Checkpoint::start(network, Default::default(), Weights { live, float, frozen: None })
}
