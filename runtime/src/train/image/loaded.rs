//! The network of phase 3 that a core computes already: its integers as they are, in the form in
//! which they can be trained.

use super::exact::{self, Exact, Kind};
use super::float::Float;
use super::frozen::{Fixed, Frozen, FrozenLayer, LoadableLayer};
use super::norm::{EPSILON, Moments};
use super::quantise::{fold_with, sums_of};
use super::spn::Spn;
use crate::error::{Error, Result};
use crate::model::{self, Edge, Function};
use crate::network::plan::{Op, Step};
use crate::network::{Bits, Network};
use crate::train::loadable::{Loadable, Ranges};
use crate::train::optimiser::Parameter;
use crate::train::quantise::power;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use std::collections::BTreeMap;

/// What of a layer's model no array of [`Exact`] has.
struct Given<'a> {
    name: &'a str,
    coefficient_bits: u32,
    ranges: &'a Ranges,
}

/// The integer network of a core's model, and in `float`, which is fresh, the same with float
/// activations. Samples, `[n, elements]` of real values in the input format, give the scales that
/// steps are taken in; they change no integer.
///
/// # Errors
/// Where the description is not that of the model.
pub fn loaded(
    network: &Network,
    loadable: &Loadable,
    float: &mut Float<f32>,
    samples: ArrayView2<f32>,
) -> Result<Frozen> {
    let Loadable { model, layers, .. } = loadable;
    let place = || format!("network `{}`", network.name);
    let differs = |cause: &str| {
        Error::input(place(), cause)
            .help("name the description that the model of the build was trained from, or none")
    };
    // An invariant: descriptions are validated when they are read.
    let steps = network.plan().expect("the network is valid");
    let nodes = exact::nodes(model)?;
    let given = linear(&model.layers, layers)?;
    let enters = |name: Option<&str>, edge: &Edge| (name.map(str::to_owned), edge.clone());
    let inputs = model.inputs().into_iter().map(|(name, edge)| enters(name, edge));
    let same = inputs.eq(network.inputs().iter().map(|(name, edge)| enters(*name, edge)))
        && !network.has_memory()
        && steps.len() == nodes.len()
        && steps.iter().zip(&nodes).all(|(step, node)| step.from == node.from)
        && steps.iter().zip(&nodes).all(|(step, node)| applies(step, &node.kind, &network.bits))
        && steps.iter().filter(|step| step.linear().is_some()).count() == given.len();
    if !same {
        return Err(differs("has other layers than the model of the build"));
    }
    let mut exacts = vec![];
    let linear = steps.iter().zip(&nodes).filter(|(step, _)| step.linear().is_some());
    for (((step, node), spn), given) in linear.zip(float.spns()).zip(&given) {
        let Kind::Linear(exact) = &node.kind else {
            return Err(differs("has other layers than the model of the build"));
        };
        let fits = given.name == step.name
            && given.coefficient_bits == network.bits.coefficients
            && exact.groups == spn.groups()
            && fits(exact, spn, network.is_of_vectors());
        if !fits {
            let cause = format!("has another layer `{}` than the model of the build", step.name);
            return Err(differs(&cause));
        }
        exacts.push((exact, given));
    }
    let joins: Vec<_> = nodes.iter().filter_map(|node| node.kind.joined()).collect();
    let frozen = {
        let mut next = exacts.into_iter().zip(float.spns_mut());
        let mut layer = |step: &Step, frac: i32, x: ArrayView2<f64>| {
            let Some(((exact, given), spn)) = next.next() else {
                unreachable!("a layer for each linear step")
            };
            let layer = frozen(exact, given, spn, network, frac, x);
            let read = step.from[0].checked_sub(1).map(|node| &nodes[node].kind);
            let means = if let Some(Kind::SumPool(windows)) = read { windows.means() } else { 1.0 };
            as_float(&layer, spn, means);
            layer
        };
        fold_with(network, samples.mapv(f64::from), &mut layer, Some(&joins))
    };
    float.make_ternary(network);
    let probe = samples.slice(s![..samples.nrows().min(PROBES), ..]);
    let due = exact::outputs(model, probe.mapv(f64::from).view())?;
    if frozen.evaluate(&network.columns(), probe) != due {
        return Err(differs("computes something else than the model of the build"));
    }
    Ok(frozen)
}

/// Whether a node is the activation that a step is, and no activation where that is none.
fn applies(step: &Step, kind: &Kind<Exact>, bits: &Bits) -> bool {
    match (&step.op, kind) {
        (Op::Activation(activation), Kind::Activation(function)) => {
            Function::of(*activation, function.format, bits).as_ref() == Some(&function.function)
        }
        (Op::Activation(_), _) | (_, Kind::Activation(_)) => false,
        _ => true,
    }
}

/// Samples that the network is compared with the model on.
const PROBES: usize = 64;

/// The linear layers of a model, in order.
fn linear<'a>(
    layers: &'a [model::Layer],
    ranges: &'a BTreeMap<String, Ranges>,
) -> Result<Vec<Given<'a>>> {
    let mut all = vec![];
    for layer in layers {
        let coefficient_bits = match layer {
            model::Layer::Dense(dense) => dense.coefficient_bits,
            model::Layer::Conv2d(conv) => conv.coefficient_bits,
            model::Layer::Branches(branches) => {
                all.extend(linear(&branches.body, ranges)?);
                all.extend(linear(&branches.shortcut, ranges)?);
                continue;
            }
            model::Layer::Head(head) => {
                all.extend(linear(&head.layers, ranges)?);
                continue;
            }
            _ => continue,
        };
        let name = layer.name();
        let ranges = (ranges.get(name))
            .ok_or_else(|| Error::internal(format_args!("layer `{name}`"), "has no ranges"))?;
        all.push(Given { name, coefficient_bits, ranges });
    }
    Ok(all)
}

/// Whether the matrices of a model's layer, from which rows and, in a network of vectors, outputs
/// were removed, are within those of a description's.
fn fits(exact: &Exact, spn: &Spn<f32>, of_vectors: bool) -> bool {
    let r = spn.w_b.weights.value.nrows();
    let full = (spn.w_b.weights.value.dim(), w_c_of(spn));
    let (w_b, w_c) = (exact.w_b.dim(), exact.w_c.dim());
    let within = w_b.0 <= r && w_c.1 <= full.1.1 && exact.w_a.is_none();
    if of_vectors {
        return within && w_b.1 <= full.0.1 && w_c.0 <= full.1.0;
    }
    within && w_b.1 == full.0.1 && w_c.0 == full.1.0 && exact.patches == *spn.patches()
}

/// The shape of W_c.
fn w_c_of(spn: &Spn<f32>) -> (usize, usize) {
    let r = spn.w_b.weights.value.nrows();
    spn.w_c.as_ref().map_or((r, r / spn.groups().1), |w_c| w_c.weights.value.dim())
}

/// A matrix with zeros below and to the right of it.
fn grown(m: &Array2<f64>, shape: (usize, usize)) -> Array2<f64> {
    let mut all = Array2::zeros(shape);
    all.slice_mut(s![..m.nrows(), ..m.ncols()]).assign(m);
    all
}

/// A layer of a model, where x, `[n, elements]`, enters.
fn frozen(
    exact: &Exact,
    given: &Given,
    spn: &Spn<f32>,
    network: &Network,
    input_frac: i32,
    x: ArrayView2<f64>,
) -> FrozenLayer {
    let (groups, patches, product_frac) = (spn.groups(), spn.patches(), exact.product_frac);
    let w_b = grown(&exact.w_b, spn.w_b.weights.value.dim());
    let w_c = grown(&exact.w_c, w_c_of(spn));
    let (r, c_out) = (w_b.nrows(), patches.channels());
    // What a row does, in units of what it sums: as after a hidden norm, so that steps of ã are
    // parts of what the row gives. On average ã begins at 1.
    let sums = |x: ArrayView2<f64>| sums_of(x, patches, w_b.view(), groups.0);
    let moments = Moments::of_samples(x, spn.columns(), sums);
    let means = moments.means();
    let mut a = Array1::zeros(r);
    a.slice_mut(s![..exact.a.len()]).assign(&exact.a);
    let mut units = moments.variances().mapv(|v| if v > 0.0 { v.sqrt().recip() } else { 1.0 });
    a /= &units;
    let square = a.iter().map(|a| a * a).sum::<f64>() / exact.a.len().max(1) as f64;
    if square > 0.0 {
        a /= square.sqrt();
        units *= square.sqrt();
    }
    let format = exact.output.as_ref().map(|output| output.format);
    let exponents = match &exact.output {
        // Powers of two, the same for each pixel of a patch.
        Some(output) => {
            let of = |c: usize| output.scales.get(c).map_or(0, |scale| scale.log2().round() as i32);
            (0..c_out).map(of).collect()
        }
        None => Array1::zeros(c_out),
    };
    let fixed = Fixed {
        patches: patches.clone(),
        groups,
        w_b,
        w_c,
        units,
        means,
        exponents,
        input_frac,
        product_frac,
        coefficient_bits: network.bits.coefficients,
        coefficient_terms: network.bits.coefficient_terms,
        format,
        loadable: None,
    };
    let row = |v: Array1<f64>| Parameter::new(v.insert_axis(Axis(0)));
    let learns = network.train.learn_scales && fixed.format.is_some();
    let log_scales = learns.then(|| row(fixed.exponents.mapv(f64::from)));
    let mut layer = FrozenLayer::new(fixed, row(a), Parameter::vector(c_out, 0.0), log_scales);
    // Without a bias, what the norm takes away alone is left.
    let taken = layer.integers().bias;
    let up = power(product_frac);
    let biases: Vec<i64> = exact.bias.iter().map(|b| (b * up) as i64).collect();
    let pixels = (biases.len() / c_out).max(1);
    for (k, (bias, taken)) in biases.iter().zip(&taken).enumerate() {
        let c = k % c_out;
        layer.bias.value[[0, c]] +=
            (bias - taken) as f64 * power(layer.fixed.exponents[c] - product_frac) / pixels as f64;
    }
    let rest = layer.integers().bias;
    layer.fixed.loadable = Some(LoadableLayer {
        ranges: given.ranges.clone(),
        rests: biases.iter().zip(&rest).map(|(due, has)| due - has).collect(),
    });
    layer.rebuild();
    layer
}

/// Gives a layer with float activations the numbers of one with integers, which reads so many times
/// what the former does.
fn as_float(layer: &FrozenLayer, spn: &mut Spn<f32>, means: f64) {
    let FrozenLayer { a, bias, fixed, .. } = layer;
    let single = |v: &f64| *v as f32;
    spn.w_b.weights.value.assign(&fixed.w_b.map(single));
    let mut signs = Array1::ones(a.value.ncols());
    match &mut spn.w_c {
        Some(w_c) => w_c.weights.value.assign(&fixed.w_c.map(single)),
        // The identity, but for signs.
        None => signs = fixed.w_c.rows().into_iter().map(|row| row.sum()).collect(),
    }
    if let Some(products) = &mut spn.products {
        products.a.value.row_mut(0).assign(&(&a.row() * &signs).map(single));
        products.norm.mean.assign(&fixed.means.map(|m| (m / means) as f32));
        let variance = |u: &f64| ((u * means).powi(-2) - EPSILON) as f32;
        products.norm.variance.assign(&fixed.units.map(variance));
    }
    if let Some((gamma, norm)) = &mut spn.output {
        norm.pass();
        gamma.value.row_mut(0).assign(&fixed.exponents.map(|e| power(*e) as f32));
    }
    spn.bias.value.assign(&bias.value.map(single));
}
