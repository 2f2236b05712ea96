//! Turns the float network into integers: norms are folded away, formats chosen, dead rows removed.

#[cfg(test)]
mod tests;

use super::activation::Elementwise;
use super::concat::Concat;
use super::exact::{Kind, Node, Trace, by_input};
use super::float::{Float, Layer};
use super::frozen::{Fixed, Frozen, FrozenLayer};
use super::norm::{EPSILON, Moments};
use super::patches::{Patches, Windows, in_pieces, stack};
use super::spn::{Spn, by_groups, outputs_of};
use super::steps::{Passed, Steps};
use crate::format::Format;
use crate::model::{self, Edge, Model, Output, Provenance};
use crate::network::plan::{self, Activation, Linear, Op, Step};
use crate::network::{self, Bits, Network};
use crate::recurrent::Cell;
use crate::shape::Join;
use crate::train::cells::Units;
use crate::train::optimiser::Parameter;
use crate::train::quantise::{best_frac, format_of, power, requantiser};
use crate::train::recurrent::{Recurrent, order, readers};
use crate::train::ternary::signs;
use ndarray::{Array1, Array2, Array3, Array4, ArrayView2, Axis, CowArray, Zip, s};

/// Folds a ternary float network into an integer one, layer by layer, on samples `[n, n_in]` of
/// real values in the input format. Each norm takes its statistics from the integers that really
/// arrive, so that what earlier layers lost by quantisation is made up for where a mean and a scale
/// can.
pub fn fold(float: &Float<f32>, network: &Network, samples: ArrayView2<f32>) -> Frozen {
    let mut layers = float.trained();
    let mut layer = |step: &Step, frac: i32, x: ArrayView2<f64>| match layers.next() {
        Some(Layer::Spn(spn)) => fold_layer(spn, network, frac, x, step),
        Some(Layer::Recurrent(rows)) => fold_gates(&rows.layer, &network.bits, frac),
        _ => unreachable!("a layer for each step that trains"),
    };
    fold_with(network, samples.mapv(f64::from), &mut layer, None)
}

/// Does as [`fold`] with layers that `layer` makes: of a linear or a recurrent step, whose gates
/// they are, given the frac of what enters and its values; and with these formats of joined
/// branches, where they are given.
pub fn fold_with(
    network: &Network,
    samples: Array2<f64>,
    layer: &mut dyn FnMut(&Step, i32, ArrayView2<f64>) -> FrozenLayer,
    given: Option<&[Format]>,
) -> Frozen {
    // An invariant: descriptions are validated when they are read.
    let steps = network.plan().expect("the network is valid");
    let bits = &network.bits;
    let (mut layers, mut joins, mut states) = (vec![], vec![], vec![]);
    let further = network.inputs().into_iter().skip(1).map(|(_, edge)| edge.elements());
    let mut inputs = by_input(samples.view(), further).into_iter().map(CowArray::into_owned);
    let mut values: Vec<_> =
        inputs.next().map(|x| (x, network.input.format().frac)).into_iter().collect();
    let signs = plan::signs(&steps, network.input.signed);
    for (i, step) in steps.iter().enumerate() {
        if let Op::Input(edge) = &step.op {
            let Some(x) = inputs.next() else { unreachable!("samples have all inputs") };
            values.push((x, edge.format.frac));
            continue;
        }
        let (x, frac) = &values[step.from[0]];
        let empty = || Array2::zeros((x.nrows(), step.output.elements()));
        let value = match &step.op {
            Op::Linear(_) => {
                let layer = layer(step, *frac, x.view());
                let patches = &layer.fixed.patches;
                let columns = patches.per_sample() * patches.columns();
                let z = stack(in_pieces(x.view(), columns, |x| {
                    let mut trace = Trace::default();
                    layer.forward(x, &mut trace);
                    trace.z
                }));
                let frac = layer.fixed.format.map_or(*frac, |f| f.frac);
                layers.push(layer);
                (z, frac)
            }
            Op::MaxPool(pool) => {
                let mut z = empty();
                let mut which = Array2::zeros(z.dim());
                Windows::new(pool, step.input, step.output).largest(x.view(), &mut z, &mut which);
                (z, *frac)
            }
            Op::AveragePool(pool) => {
                let mut z = empty();
                let windows = Windows::new(pool, step.input, step.output);
                windows.share(x.view(), &mut z);
                (z, frac + windows.more_frac())
            }
            Op::Upsample(size) => {
                let mut z = empty();
                Windows::nearest(*size, step.input, step.output).share(x.view(), &mut z);
                (z, *frac)
            }
            Op::Join(join) => {
                let (other, other_frac) = &values[step.from[1]];
                let mut y = empty();
                match join {
                    Join::Add => y.assign(&(x + other)),
                    Join::Concat => Concat::new(step.input, step.output).forward(
                        [x.view(), other.view()],
                        &mut y,
                        |v| v,
                    ),
                }
                let mut format = format_of(&y, signs[i + 1], step, bits);
                let is_looked_up = step.activation.is_some_and(Activation::is_table);
                if *join == Join::Concat && !is_looked_up {
                    // Finer than what arrives would say nothing more.
                    format.frac = format.frac.min(*frac.max(other_frac));
                }
                if let Some(formats) = given {
                    format = formats[joins.len()];
                }
                y.mapv_inplace(requantiser(format));
                joins.push(format);
                (y, format.frac)
            }
            Op::Activation(activation) => {
                // It is right behind what it reads, whose format suits it.
                let format = match steps[i - 1].op {
                    Op::Join(_) => joins.last().copied(),
                    _ => layers.last().and_then(|layer: &FrozenLayer| layer.fixed.format),
                };
                let function = Elementwise::of(*activation, format, bits)
                    .expect("the format of what an activation reads suits it");
                let mut z = empty();
                function.forward(x.view(), &mut z);
                (z, function.yields().frac)
            }
            Op::Recurrent(cell, ..) => {
                let gates = layer(step, *frac, x.view());
                // As wide as c can be, to see how wide it is.
                let wide = Format { signed: true, bits: 32, frac: bits.cell as i32 - 1 };
                let mut steps = Steps::of(Units::new(*cell, bits, wide), gates, step);
                let run = |steps: &Steps<FrozenLayer>| {
                    let pieces = in_pieces(x.view(), steps.columns(), |x| {
                        let (mut passed, columns) = (Passed::default(), step.output.elements());
                        let mut z = Array2::zeros((x.nrows(), columns));
                        steps.forward(x, &mut passed, &mut z);
                        (z, passed.largest())
                    });
                    let largest = pieces.iter().fold(0.0f64, |most, (_, c)| most.max(*c));
                    (stack(pieces.into_iter().map(|(z, _)| z).collect()), largest)
                };
                let largest = run(&steps).1 * power(-wide.frac);
                steps.units.state = Units::state_of(*cell, bits, largest);
                states.push(steps.units.state);
                let z = run(&steps).0;
                layers.push(steps.gates);
                (z, steps.units.hidden.frac)
            }
            Op::Last | Op::Reverse => {
                let mut z = empty();
                let windows = match &step.op {
                    Op::Last => Windows::last(step.input),
                    _ => Windows::reversed(step.input),
                };
                windows.share(x.view(), &mut z);
                (z, *frac)
            }
            Op::Input(_) | Op::Embedding { .. } | Op::CharCnn(_) | Op::Highway(_) => {
                unreachable!("networks of sequences have a trainer of their own")
            }
        };
        values.push(value);
        // Many samples of images are large: what nobody reads any more goes.
        for &v in
            step.from.iter().filter(|v| !steps[i + 1..].iter().any(|step| step.from.contains(v)))
        {
            values[v].0 = Array2::zeros((0, 0));
        }
    }
    Frozen::of(network, layers, joins, states)
        .expect("a layer for each step that trains, a format for each join and state")
}

/// The gates of a recurrent layer as one linear layer over a pixel and then h, in the order of a
/// model.
fn fold_gates(layer: &Recurrent<f32>, bits: &Bits, input_frac: i32) -> FrozenLayer {
    let (cell, n) = (layer.cell(), layer.units());
    let (format, hidden) = (Units::gate_of(bits), Units::hidden_of(bits));
    let order = order(cell);
    let linears = [&layer.x, &layer.h];
    let [(n_in, of_x), (_, of_h)] = linears.map(|linear| linear.sizes());
    let rows = of_x + of_h;
    let mut w_b = Array2::zeros((rows, n_in + n));
    let mut w_c = Array2::zeros((Cell::GATES * n, rows));
    let (mut a, mut units) = (Array2::zeros((1, rows)), Array1::zeros(rows));
    let mut row = 0;
    // The integers of h stand there with the frac of the pixel's.
    let first = [(0, 1.0), (n_in, power(input_frac - hidden.frac))];
    for ((linear, (first, unit)), gates) in linears.into_iter().zip(first).zip(readers(cell)) {
        // An invariant: full-precision networks have no integers.
        let Some(spn) = linear.ternary() else { unreachable!("an SPN has products") };
        let r = spn.w_c.ncols();
        for (group, gate) in gates.enumerate() {
            for j in 0..r {
                let i = group * r + j;
                let columns = first..first + spn.w_b.ncols();
                w_b.slice_mut(s![row, columns]).assign(&spn.w_b.row(i).mapv(f64::from));
                let to = order[gate] * n..(order[gate] + 1) * n;
                let from = spn.w_c.slice(s![group * n..(group + 1) * n, j]);
                w_c.slice_mut(s![to, row]).assign(&from.mapv(f64::from));
                a[[0, row]] = spn.a[i];
                units[row] = spn.scales[i] * unit;
                row += 1;
            }
        }
    }
    let mut bias = Array2::zeros((1, Cell::GATES * n));
    for (gate, place) in order.into_iter().enumerate() {
        let from = layer.bias.value.slice(s![.., gate * n..(gate + 1) * n]);
        bias.slice_mut(s![.., place * n..(place + 1) * n]).assign(&from.mapv(f64::from));
    }
    let fixed = Fixed {
        patches: Patches::whole_samples(n_in + n, Cell::GATES * n),
        groups: (1, 1),
        w_b,
        w_c,
        units,
        means: Array1::zeros(rows),
        exponents: Array1::zeros(Cell::GATES * n),
        input_frac,
        product_frac: format.frac + bits.guard as i32,
        coefficient_bits: bits.coefficients,
        coefficient_terms: bits.coefficient_terms,
        format: Some(format),
        loadable: None,
    };
    FrozenLayer::new(fixed, Parameter::new(a), Parameter::new(bias), None)
}

fn fold_layer(
    spn: &Spn<f32>,
    network: &Network,
    input_frac: i32,
    x: ArrayView2<f64>,
    step: &Step,
) -> FrozenLayer {
    let bits = &network.bits;
    let (patches, groups) = (spn.patches(), spn.groups());
    let c_out = patches.channels();
    let w_b = signs(spn.w_b.effective()).mapv(f64::from);
    let w_c = spn.w_c.as_ref().map(|w_c| (signs(w_c.effective()).mapv(f64::from), w_c.scales()));
    let (mut w_c, alphas_c) =
        w_c.unwrap_or_else(|| (identity(w_b.nrows(), groups.1), Array1::ones(w_b.nrows())));
    // One scale of W_c stands for all, the products take what theirs are of it.
    let alpha_c = alphas_c.fold(0.0f64, |a, b| a.max(*b));
    let alphas_b = spn.w_b.scales();

    // The hidden norm: A_i (u_i - mean_i).
    let sums = |x: ArrayView2<f64>| sums_of(x, patches, w_b.view(), groups.0);
    let moments = Moments::of_samples(x, spn.columns(), sums);
    let (means, variances) = (moments.means(), moments.variances());
    // An invariant: full-precision networks are not folded.
    let products = spn.products.as_ref().expect("an SPN layer has products");
    let mut a = products.a.value.mapv(f64::from);
    let mut units =
        Zip::from(&variances).and(&alphas_b).map_collect(|s, a| a / (a * a * s + EPSILON).sqrt());
    units *= &(&alphas_c / alpha_c);
    // A row that never moves says nothing, and its norm would only amplify what is not there.
    Zip::from(a.row_mut(0)).and(&variances).for_each(|a, &s| *a = if s > 0.0 { *a } else { 0.0 });
    let factors = &a.row(0) * &units;
    // Of pixels, [n · pixels, c_out].
    let mut y = stack(in_pieces(x, spn.columns(), |x| {
        let v = (sums(x) - &means) * &factors;
        let mut y = Array2::zeros((v.nrows(), w_c.nrows()));
        outputs_of(v.view(), w_c.view(), (groups.1, c_out), y.view_mut());
        patches.crop(y.view(), &mut Array2::zeros((0, 0))).to_owned()
    }));

    let mut bias = spn.bias.value.mapv(f64::from);
    let mut exponents = Array1::zeros(c_out);
    let mut log_scales = None;
    let format = if let Some((gamma, _)) = &spn.output {
        // The output norm: g_c y_c + bias_c, with g_c > 0.
        let moments = Moments::of(&y);
        let (y_means, y_variances) = (moments.means(), moments.variances());
        let gamma = gamma.value.row(0).mapv(f64::from);
        let mut scales = Zip::from(&gamma)
            .and(&y_variances)
            .map_collect(|g, s| g * alpha_c / (alpha_c * alpha_c * s + EPSILON).sqrt());
        Zip::from(bias.row_mut(0)).and(&scales).and(&y_means).for_each(|b, s, m| *b -= s * m);
        // A channel that the norm all but switches off has no power of two to speak of.
        let least = 1e-6 * scales.fold(0.0f64, |a, g| a.max(g.abs()));
        for (c, g) in scales.iter_mut().enumerate() {
            let sign = if g.abs() <= least { 0.0 } else { g.signum() };
            (c..w_c.nrows()).step_by(c_out).for_each(|k| w_c.row_mut(k).mapv_inplace(|w| w * sign));
            y.column_mut(c).mapv_inplace(|y| y * sign);
            *g = if sign == 0.0 { 1.0 } else { g.abs() };
        }
        // Only powers of two are free. What else a channel is scaled by goes into the coefficients:
        // all of it where no other channel reads its products, and of the others what is common to
        // them.
        let alone = only_readers(&w_c, (groups.1, c_out));
        let is_alone: Vec<bool> = (0..c_out).map(|c| alone.contains(&Some(c))).collect();
        let common =
            common_scale(&(0..c_out).filter(|&c| !is_alone[c]).map(|c| scales[c]).collect());
        units *= common;
        y *= common;
        scales /= common;
        exponents = scales.mapv(|g| g.log2().round() as i32);
        let powers = exponents.mapv(|e| 2f64.powi(e));
        let rests =
            Array1::from_shape_fn(c_out, |c| if is_alone[c] { scales[c] / powers[c] } else { 1.0 });
        units.iter_mut().zip(&alone).for_each(|(unit, c)| *unit *= c.map_or(1.0, |c| rests[c]));
        y *= &rests;
        scales /= &rests;
        log_scales = network
            .train
            .learn_scales
            .then(|| Parameter::new(scales.mapv(f64::log2).insert_axis(Axis(0))));
        // Where the scale changes, the offset changes with it, so that each ReLU opens where it
        // did.
        Zip::from(bias.row_mut(0)).and(&powers).and(&scales).for_each(|b, p, g| *b *= p / g);
        y *= &powers;
        y += &bias.row(0);
        Some(format_of(&y, !step.relu, step, bits))
    } else {
        units *= alpha_c;
        y *= alpha_c;
        y += &bias.row(0);
        None
    };
    let output_frac = format.map_or_else(|| best_frac(&y, true, bits.activations), |f| f.frac);
    let product_frac =
        output_frac + bits.guard as i32 + exponents.iter().copied().max().unwrap_or(0);
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
        coefficient_bits: bits.coefficients,
        coefficient_terms: bits.coefficient_terms,
        format,
        loadable: None,
    };
    FrozenLayer::new(fixed, Parameter::new(a), Parameter::new(bias), log_scales)
}

/// W_b x of samples, `[n, elements]`, a row an output patch.
pub fn sums_of(
    x: ArrayView2<f64>,
    patches: &Patches,
    w_b: ArrayView2<f64>,
    groups: usize,
) -> Array2<f64> {
    let mut columns = Array2::zeros((0, 0));
    let columns = patches.gather(x, &mut columns);
    let mut u = Array2::zeros((columns.nrows(), w_b.nrows()));
    by_groups(columns, w_b, groups, u.view_mut());
    u
}

/// W_c of a plain layer: of a depthwise one, the identity of each group.
fn identity(r: usize, groups: usize) -> Array2<f64> {
    let own = r / groups;
    Array2::from_shape_fn((r, own), |(i, j)| f64::from(i % own == j))
}

/// The only channel that reads each product, if that reads none which others read.
fn only_readers(w_c: &Array2<f64>, (groups, c_out): (usize, usize)) -> Vec<Option<usize>> {
    let channels = if groups == 1 { w_c.nrows() } else { c_out / groups };
    let entries = || {
        let nonzeros = w_c.indexed_iter().filter(|(_, w)| **w != 0.0);
        nonzeros.map(|((k, i), _)| (k % c_out, k / channels % groups * w_c.ncols() + i))
    };
    let mut readers = vec![None; groups * w_c.ncols()];
    let (mut is_shared, mut shares) = (vec![false; readers.len()], vec![false; c_out]);
    entries().for_each(|(c, i)| is_shared[i] |= *readers[i].get_or_insert(c) != c);
    entries().for_each(|(c, i)| shares[c] |= is_shared[i]);
    readers.into_iter().map(|reader| reader.filter(|&c| !shares[c])).collect()
}

/// The factor s in 1..2 for which all g/s are nearest to powers of two, in the least squares of
/// logarithms.
fn common_scale(scales: &Array1<f64>) -> f64 {
    let error = |s: f64| -> f64 {
        let distance = |g: &f64| {
            let log = g.log2() - s;
            log - log.round()
        };
        scales.iter().map(|g| distance(g).powi(2)).sum()
    };
    let steps = (0..64).map(|i| f64::from(i) / 64.0);
    // f64::total_cmp orders the sums; there are 64 of them.
    let best = steps.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(0.0);
    best.exp2()
}

/// The integer network as a model: `live` are the inputs that a first layer of vectors takes, the
/// others have no weights.
///
/// Rows that cannot matter are removed (W_b row or W_c column empty, or a = 0), except in grouped
/// layers, and then, in a network of vectors, the units that nobody reads; the integers on all
/// edges that remain are unchanged. A network that is trained for a core keeps what that has.
pub fn to_model(
    network: &Network,
    live: &[usize],
    frozen: &Frozen,
    provenance: Provenance,
) -> Model {
    let layers = if network.is_of_vectors() {
        vector_layers(network, live, frozen)
    } else {
        // An invariant: descriptions are validated when they are read.
        let steps = network.plan().expect("the network is valid");
        image_layers(&network.layers, &mut steps.iter().zip(&frozen.nodes))
    };
    let input = Edge { shape: network.axes(), format: network.input.format() };
    Model { name: network.name.clone(), input, layers, provenance }
}

/// The rows of W_b that can matter, or that a core has.
fn live_rows(fixed: &Fixed, coefficients: &Array1<i32>, w_c: &Array2<f64>) -> Vec<usize> {
    if let Some(loadable) = &fixed.loadable {
        return (0..loadable.rows()).collect();
    }
    let matters = |&i: &usize| {
        coefficients[i] != 0
            && fixed.w_b.row(i).iter().any(|&w| w != 0.0)
            && w_c.column(i).iter().any(|&w| w != 0.0)
    };
    (0..fixed.w_b.nrows()).filter(matters).collect()
}

fn output(layer: &FrozenLayer, channels: &[usize]) -> Output {
    match layer.fixed.format {
        None => Output::Raw,
        Some(format) => {
            let exponents = layer.exponents();
            let shift = |&c: &usize| layer.fixed.product_frac - format.frac - exponents[c];
            Output::Requantised { shifts: channels.iter().map(shift).collect(), format }
        }
    }
}

/// The layers of a description, from their steps and nodes in order.
fn image_layers<'a>(
    layers: &[network::Layer],
    nodes: &mut impl Iterator<Item = (&'a Step, &'a Node<FrozenLayer>)>,
) -> Vec<model::Layer> {
    let mut made = vec![];
    for layer in network::Layer::of_steps(layers) {
        if let network::Layer::Head(head) = layer {
            let (name, layers) = (head.name.clone(), image_layers(&head.layers, nodes));
            made.push(model::Layer::Head(model::Head { name, layers }));
            continue;
        }
        let branches = layer.branches().map(|(branches, join)| {
            let sides = [&branches.body, &branches.shortcut];
            (sides.map(|layers| image_layers(layers, nodes)), join)
        });
        let Some((step, node)) = nodes.next() else { unreachable!("a node for each step") };
        let name = step.name.clone();
        let pool = |kind, pool: &plan::Pool| {
            model::Layer::Pool(model::Pool {
                name: step.name.clone(),
                kind,
                size: pool.size,
                stride: pool.stride,
                pad: pool.pad,
            })
        };
        made.push(match (&step.op, &node.kind, branches) {
            (Op::Linear(linear), Kind::Linear(layer), _) => linear_layer(step, linear, layer),
            (Op::MaxPool(windows), _, _) => pool(model::PoolKind::Max, windows),
            (Op::AveragePool(windows), _, _) => pool(model::PoolKind::Sum, windows),
            (Op::Recurrent(cell, along, gates), Kind::Recurrent(steps), _) => {
                let gates = dense_layer(name, cell.spns() * gates.r, &steps.gates);
                model::Layer::Recurrent(steps.units.layer(gates, *along))
            }
            (_, Kind::Activation(function), _) => function.layer(name),
            (Op::Input(edge), _, _) => {
                let edge = edge.clone();
                model::Layer::Input(model::Input { name, edge })
            }
            (Op::Last, _, _) => model::Layer::Last(model::Last { name }),
            (Op::Reverse, _, _) => model::Layer::Reverse(model::Reverse { name }),
            (Op::Upsample(size), _, _) => {
                model::Layer::Upsample(model::Upsample { name, size: *size })
            }
            (_, Kind::Add(format) | Kind::Concat(_, format), Some(([body, shortcut], join))) => {
                let format = *format;
                model::Layer::Branches(model::Branches { name, body, shortcut, join, format })
            }
            _ => unreachable!("nodes are those of the plan"),
        });
    }
    made
}

/// A dense layer with the rows that matter.
fn dense_layer(name: String, budget: usize, layer: &FrozenLayer) -> model::Dense {
    let fixed = &layer.fixed;
    let integers = layer.integers();
    let rows = live_rows(fixed, &integers.coefficients, &fixed.w_c);
    let channels: Vec<usize> = (0..fixed.w_c.nrows()).collect();
    let part = |matrix: &Array2<f64>, axis: usize| {
        let part = matrix.select(Axis(axis), &rows).mapv(|w| w as i8);
        part.as_standard_layout().into_owned()
    };
    model::Dense {
        name,
        budget,
        w_b: part(&fixed.w_b, 0),
        coefficients: integers.coefficients.select(Axis(0), &rows),
        coefficient_bits: fixed.coefficient_bits,
        coefficient_shifts: integers.shifts.select(Axis(0), &rows),
        product_frac: fixed.product_frac,
        w_c: part(&fixed.w_c, 1),
        bias: integers.bias,
        output: output(layer, &channels),
    }
}

fn linear_layer(step: &Step, linear: &Linear, layer: &FrozenLayer) -> model::Layer {
    if linear.dense {
        return model::Layer::Dense(dense_layer(step.name.clone(), linear.r, layer));
    }
    let fixed = &layer.fixed;
    let integers = layer.integers();
    let rows = if linear.groups == 1 {
        live_rows(fixed, &integers.coefficients, &fixed.w_c)
    } else {
        (0..fixed.w_b.nrows()).collect()
    };
    let channels: Vec<usize> = (0..step.output.channels).collect();
    let w_b = fixed.w_b.select(Axis(0), &rows).mapv(|w| w as i8);
    let w_c = if linear.depthwise(step.input) {
        fixed.w_c.clone()
    } else {
        fixed.w_c.select(Axis(1), &rows)
    };
    let w_c = w_c.mapv(|w| w as i8);
    let (coefficients, coefficient_shifts) =
        (integers.coefficients.select(Axis(0), &rows), integers.shifts.select(Axis(0), &rows));
    let (name, budget, coefficient_bits, product_frac) =
        (step.name.clone(), linear.r, fixed.coefficient_bits, fixed.product_frac);
    let output = output(layer, &channels);
    let (taps, k, p) = (linear.taps(), linear.window(), linear.patch);
    let (dilation, c_out) = (linear.dilation, step.output.channels);
    let group = step.input.channels / linear.groups;
    let (r, reads) = (rows.len(), w_c.ncols());
    // Columns of W_b come as row, column, channel; rows of W_c and the bias as row, column, channel
    // of the patch.
    let w_b = Array4::from_shape_fn((r, group, k.h, k.w), |(i, c, y, x)| {
        // Between the pixels that it reads there are zeros.
        if !y.is_multiple_of(dilation.h) || !x.is_multiple_of(dilation.w) {
            return 0;
        }
        w_b[[i, (y / dilation.h * taps.w + x / dilation.w) * group + c]]
    });
    let w_c = Array4::from_shape_fn((c_out, reads, p.h, p.w), |(c, i, y, x)| {
        w_c[[(y * p.w + x) * c_out + c, i]]
    });
    let bias = Array3::from_shape_fn((c_out, p.h, p.w), |(c, y, x)| {
        integers.bias[(y * p.w + x) * c_out + c]
    });
    let (stride, pad, groups) = (linear.stride, linear.pad, linear.groups);
    let transposed = linear.transposed.then_some(linear.kernel);
    model::Layer::Conv2d(model::Conv2d {
        name,
        budget,
        w_b,
        coefficients,
        coefficient_bits,
        coefficient_shifts,
        product_frac,
        w_c,
        bias,
        stride,
        pad,
        transposed,
        groups,
        output,
    })
}

fn vector_layers(network: &Network, live: &[usize], frozen: &Frozen) -> Vec<model::Layer> {
    let mut layers = Vec::new();
    // Outputs of the layer at hand that the next one reads; from the last layer to the first.
    let mut read: Vec<usize> = (0..network.outputs()).collect();
    let frozen: Vec<&FrozenLayer> = frozen.layers().collect();
    for ((i, layer), linear) in frozen.iter().enumerate().zip(network.linear()).rev() {
        let fixed = &layer.fixed;
        let integers = layer.integers();
        let w_c = fixed.w_c.select(Axis(0), &read);
        let rows = live_rows(fixed, &integers.coefficients, &w_c);
        let mut w_b = fixed.w_b.select(Axis(0), &rows).mapv(|w| w as i8);
        let outputs = std::mem::take(&mut read);
        if i == 0 {
            let mut all = Array2::zeros((rows.len(), network.input.elements()));
            for (j, &input) in live.iter().enumerate() {
                all.column_mut(input).assign(&w_b.column(j));
            }
            w_b = all;
        } else {
            read = match &frozen[i - 1].fixed.loadable {
                Some(loadable) => (0..loadable.outputs()).collect(),
                None => {
                    let reads = |&j: &usize| w_b.column(j).iter().any(|&w| w != 0);
                    (0..w_b.ncols()).filter(reads).collect()
                }
            };
            if read.is_empty() {
                // A layer has at least one output, even if training collapsed.
                read.push(0);
            }
            w_b = w_b.select(Axis(1), &read).as_standard_layout().into_owned();
        }
        layers.push(model::Layer::Dense(model::Dense {
            name: format!("dense_{i}"),
            budget: linear.linear().map_or(0, |l| l.r),
            w_b,
            coefficients: integers.coefficients.select(Axis(0), &rows),
            coefficient_bits: fixed.coefficient_bits,
            coefficient_shifts: integers.shifts.select(Axis(0), &rows),
            product_frac: fixed.product_frac,
            w_c: w_c.select(Axis(1), &rows).mapv(|w| w as i8).as_standard_layout().into_owned(),
            bias: integers.bias.select(Axis(0), &outputs),
            output: output(layer, &outputs),
        }));
    }
    layers.reverse();
    layers
}
