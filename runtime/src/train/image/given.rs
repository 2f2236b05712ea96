//! A network whose ternary layers were trained elsewhere: integers without any training.

use super::frozen::{Fixed, FrozenLayer};
use super::patches::{Patches, in_pieces, stack};
use super::quantise::{fold_with, sums_of, to_model};
use super::spn::outputs_of;
use crate::data::Values;
use crate::error::{Error, Result};
use crate::model::{Model, Provenance};
use crate::network::Network;
use crate::network::plan::{Linear, Step};
use crate::train::optimiser::Parameter;
use crate::train::quantise::format_of;
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// A linear layer `y = W_c[a ⊙ (W_b x)] + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// `[r, K_h · K_w · c_in / groups]`, entries -1, 0, 1; columns in the order row, column,
    /// channel.
    pub w_b: Array2<f64>,
    /// `[r]`: a.
    pub a: Array1<f64>,
    /// `[p_h · p_w · c_out, r]`, entries -1, 0, 1; r / groups columns in a depthwise layer.
    pub w_c: Array2<f64>,
    /// `[c_out]`: b.
    pub bias: Array1<f64>,
}

/// The integer network of a description with these linear layers, in order. Samples, `[n,
/// elements]` of real values, say which formats suit the values within.
///
/// # Errors
/// Where a layer is missing, has other shapes, or an entry that is not ternary; where the network
/// is for sequences, or a sample is not a number.
pub fn given(network: &Network, layers: &[Given], samples: &Values) -> Result<Model> {
    let place = || format!("network `{}`", network.name);
    let linear = network.linear();
    if network.is_of_sequences() {
        return Err(Error::input(place(), "is for sequences: its layers are not made of arrays"));
    }
    if network.has_memory() {
        return Err(Error::input(place(), "has recurrent layers, which are not made of arrays"));
    }
    if linear.len() != layers.len() {
        let cause = format_args!("has {} linear layers, {} are given", linear.len(), layers.len())
            .to_string();
        return Err(Error::input(place(), cause));
    }
    if samples.dim().0 == 0 || samples.dim().1 != network.elements() {
        let (n, elements) = samples.dim();
        let cause = format_args!("takes samples of {} elements", network.elements());
        let help = format_args!("there are {n} of {elements} elements");
        return Err(Error::input(place(), cause).help(help));
    }
    linear.iter().zip(layers).try_for_each(|(step, given)| check(step, given))?;
    let x = samples.reals(&network.columns())?;
    let (mut next, last) = (layers.iter(), linear.len());
    let mut done = 0;
    let mut layer = |step: &Step, frac: i32, x: ArrayView2<f64>| {
        let (Some(given), Some(linear)) = (next.next(), step.linear()) else {
            unreachable!("a layer for each linear step")
        };
        done += 1;
        let leaves = done == last || step.head.is_some();
        frozen(given, (step, linear), leaves, network, frac, x)
    };
    let frozen = fold_with(network, x, &mut layer, None);
    let provenance = Provenance {
        tool: format!("strassenc {}", env!("CARGO_PKG_VERSION")),
        network: Some(network.to_toml()),
        ..Provenance::default()
    };
    let live: Vec<usize> = (0..network.elements()).collect();
    let model = to_model(network, &live, &frozen, provenance);
    model.validate()?;
    Ok(model)
}

/// Groups of W_b and of W_c.
fn groups(step: &Step, linear: &Linear) -> (usize, usize) {
    (linear.groups, if linear.depthwise(step.input) { linear.groups } else { 1 })
}

fn check(step: &Step, given: &Given) -> Result<()> {
    let Some(linear) = step.linear() else { return Ok(()) };
    let Given { w_b, a, w_c, bias } = given;
    let (r, c_out) = (linear.r, step.output.channels);
    let columns = linear.taps().area() * step.input.channels / linear.groups;
    let rows = linear.patch.area() * c_out;
    let reads = r / groups(step, linear).1;
    let due = [vec![r, columns], vec![r], vec![rows, reads], vec![c_out]];
    let has = [w_b.shape(), a.shape(), w_c.shape(), bias.shape()];
    for ((name, due), has) in ["W_b", "a", "W_c", "b"].into_iter().zip(&due).zip(has) {
        if has != due {
            let cause = format_args!("{name} has the shape {has:?}, not {due:?}").to_string();
            return Err(Error::input(format_args!("layer `{}`", step.name), cause));
        }
    }
    if let Some(w) = w_b.iter().chain(w_c).find(|w| **w != 0.0 && w.abs() != 1.0) {
        let cause = format_args!("has an entry {w}: only -1, 0 and 1 are ternary").to_string();
        return Err(Error::input(format_args!("layer `{}`", step.name), cause));
    }
    if let Some(v) = a.iter().chain(bias).find(|v| !v.is_finite()) {
        let cause = format_args!("has a scale or a bias of {v}").to_string();
        return Err(Error::input(format_args!("layer `{}`", step.name), cause));
    }
    Ok(())
}

/// The layer in integers, where x, `[n, elements]`, enters.
fn frozen(
    given: &Given,
    (step, linear): (&Step, &Linear),
    leaves: bool,
    network: &Network,
    input_frac: i32,
    x: ArrayView2<f64>,
) -> FrozenLayer {
    let Given { w_b, a, w_c, bias } = given;
    let patches = Patches::new(linear, step.input, step.output);
    let (groups, c_out, bits) = (groups(step, linear), step.output.channels, &network.bits);
    let columns = patches.per_sample() * patches.columns();
    // Of pixels, [n · pixels, c_out].
    let mut y = stack(in_pieces(x, columns, |x| {
        let mut u = sums_of(x, &patches, w_b.view(), groups.0);
        u *= a;
        let mut y = Array2::zeros((u.nrows(), w_c.nrows()));
        outputs_of(u.view(), w_c.view(), (groups.1, c_out), y.view_mut());
        patches.crop(y.view(), &mut Array2::zeros((0, 0))).to_owned()
    }));
    y += bias;
    let format = format_of(&y, leaves || !step.relu, step, bits);
    let fixed = Fixed {
        patches,
        groups,
        w_b: w_b.clone(),
        w_c: w_c.clone(),
        units: Array1::ones(a.len()),
        means: Array1::zeros(a.len()),
        exponents: Array1::zeros(c_out),
        input_frac,
        product_frac: format.frac + bits.guard as i32,
        coefficient_bits: bits.coefficients,
        coefficient_terms: bits.coefficient_terms,
        format: (!leaves).then_some(format),
        loadable: None,
    };
    let parameter = |v: &Array1<f64>| Parameter::new(v.clone().insert_axis(Axis(0)));
    FrozenLayer::new(fixed, parameter(a), parameter(bias), None)
}
