//! Nothing that carries meaning can be changed unseen: each mutation of a right dataflow is refused
//! by its verifier or by the proof that it is its model, for every kind of layer, and each one of a
//! folded layer by the proof that reads its ROMs back.
//!
//! A mutation that is sound is none: the interval of correlated sums may be wider than it need be,
//! and what leads to an output that is always the same may be anything.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use strassenc::engine::Choice;
use strassenc::folded::{self, Digits, Folded};
use strassenc::interval::Interval;
use strassenc::ir::gated::Curve;
use strassenc::ir::{self, Dataflow, EdgeId, Kernel, Kind, OpKind, Role, Windows};
use strassenc::lower::lower;
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{Format, Model};
use strassenc_tests::{
    image_model, property, random_engines, random_model, recipes, sequence_model,
};

/// Changes what it is named after, in layer `number`; whether the layer has it.
type Mutate = fn(&mut Dataflow, number: usize) -> bool;

fn models() -> Vec<Model> {
    let mut runner = TestRunner::new(property(1, 51));
    let vectors =
        (0..12).map(|_| random_model(&recipes().new_tree(&mut runner).unwrap().current()));
    let images = (0..24).map(image_model);
    vectors.chain(images).chain((0..16).map(sequence_model)).collect()
}

/// What a layer is, as finely as mutations should meet it.
fn kind(dataflow: &Dataflow, number: usize) -> &'static str {
    match &dataflow.layers[number].kind {
        Kind::Spn(kernel) if kernel.chain.multiplies_data() => "product of data",
        Kind::Spn(kernel) if kernel.groups > 1 && kernel.groups == kernel.input.channels => {
            "depthwise convolution"
        }
        Kind::Spn(kernel) if kernel.groups > 1 => "grouped convolution",
        Kind::Spn(kernel) if kernel.windows != Windows::WHOLE => "convolution",
        Kind::Spn(_) => "dense",
        Kind::Pool { kind: PoolKind::Max, .. } => "largest of a window",
        Kind::Pool { kind: PoolKind::Sum, .. } => "sum of a window",
        Kind::Add { .. } => "sum",
        Kind::Concat { .. } => "concatenation",
        Kind::Embedding { .. } => "embedding",
        Kind::CharCnn { .. } => "char-CNN",
        Kind::Highway { .. } => "highway",
        Kind::Lstm { .. } => "LSTM",
    }
}

const LINEAR: [&str; 8] = [
    "product of data",
    "depthwise convolution",
    "grouped convolution",
    "convolution",
    "dense",
    "char-CNN",
    "highway",
    "LSTM",
];

/// The last one is always the first layer, as a product of data is.
const OTHERS: [&str; 5] =
    ["largest of a window", "sum of a window", "sum", "concatenation", "embedding"];

fn kernel(dataflow: &mut Dataflow, number: usize) -> Option<&mut Kernel> {
    match &mut dataflow.layers[number].kind {
        Kind::Spn(kernel)
        | Kind::CharCnn { filters: kernel, .. }
        | Kind::Highway { gates: kernel, .. }
        | Kind::Lstm { gates: kernel, .. } => Some(kernel),
        Kind::Pool { .. } | Kind::Add { .. } | Kind::Concat { .. } | Kind::Embedding { .. } => None,
    }
}

/// Changes a kernel, where the layer has one.
fn in_kernel(dataflow: &mut Dataflow, number: usize, change: impl Fn(&mut Kernel)) -> bool {
    kernel(dataflow, number).map(change).is_some()
}

/// Changes the first operation to which that does something.
fn in_op(dataflow: &mut Dataflow, number: usize, change: impl Fn(&mut ir::Op) -> bool) -> bool {
    kernel(dataflow, number).is_some_and(|kernel| kernel.chain.ops.iter_mut().any(change))
}

/// The first output of a chain that is not always the same.
fn varying(op: &ir::Op) -> Option<usize> {
    op.result.intervals.iter().position(|v| v.value().is_none())
}

fn role(op: &ir::Op) -> Option<Role> {
    if let OpKind::Linear { role, .. } = op.kind { Some(role) } else { None }
}

/// The first entry of a matrix, in a row whose sum varies, that is 0 or is not becomes another one.
fn entry(op: &mut ir::Op, zero: bool) -> bool {
    let intervals = &op.result.intervals;
    let OpKind::Linear { matrix, .. } = &mut op.kind else { return false };
    let found = matrix
        .indexed_iter_mut()
        .find(|((row, _), w)| (**w == 0) == zero && intervals[*row].value().is_none());
    found.map(|(_, w)| *w = if zero { 1 } else { -*w }).is_some()
}

fn curves(dataflow: &mut Dataflow, number: usize) -> Vec<&mut Curve> {
    match &mut dataflow.layers[number].kind {
        Kind::CharCnn { tanh, .. } => vec![tanh],
        Kind::Highway { blend, .. } => vec![&mut blend.sigmoid],
        Kind::Lstm { cell, .. } => vec![&mut cell.sigmoid, &mut cell.tanh],
        _ => vec![],
    }
}

fn windows(dataflow: &mut Dataflow, number: usize) -> Option<&mut Windows> {
    match &mut dataflow.layers[number].kind {
        Kind::Pool { windows, .. } => Some(windows),
        Kind::Spn(kernel) => Some(&mut kernel.windows),
        _ => None,
    }
}

fn in_windows(dataflow: &mut Dataflow, number: usize, change: impl Fn(&mut Windows)) -> bool {
    windows(dataflow, number).map(change).is_some()
}

/// Those of every layer.
const OF_ALL: &[(&str, Mutate)] = &[
    ("name", |d, n| {
        d.layers[n].name += "_";
        true
    }),
    ("shape that is read", |d, n| {
        d.layers[n].input.height += 1;
        true
    }),
    ("shape", |d, n| {
        d.edges[n + 1].shape.width += 1;
        true
    }),
    ("bits of the edge", |d, n| {
        d.edges[n + 1].format.bits += 1;
        true
    }),
    ("fraction of the edge", |d, n| {
        d.edges[n + 1].format.frac += 1;
        true
    }),
    ("sign of the edge", |d, n| {
        d.edges[n + 1].format.signed ^= true;
        true
    }),
    ("fraction of all formats that leave", |d, n| {
        let more = |format: &mut Format| format.frac += 1;
        more(&mut d.edges[n + 1].format);
        match &mut d.layers[n].kind {
            Kind::Spn(kernel) => {
                more(&mut kernel.chain.output);
                if let Some(OpKind::Requantise { format, .. }) =
                    kernel.chain.ops.last_mut().map(|op| &mut op.kind)
                {
                    more(format);
                }
            }
            Kind::Highway { blend, .. } => more(&mut blend.format),
            Kind::Lstm { cell, .. } => more(&mut cell.hidden),
            _ => {}
        }
        true
    }),
    ("channels in the model", |d, n| {
        d.edges[n + 1].whole += 1;
        true
    }),
    ("number of a channel", |d, n| {
        let edge = &mut d.edges[n + 1];
        edge.whole += 1;
        *edge.channels.last_mut().unwrap() += 1;
        true
    }),
    ("wider channel", |d, n| {
        let edge = &mut d.edges[n + 1];
        edge.intervals[0].hi += 1;
        true
    }),
    ("narrower channel", |d, n| {
        let varies = |v: &&mut Interval| v.value().is_none();
        d.edges[n + 1].intervals.iter_mut().find(varies).map(|v| v.lo += 1).is_some()
    }),
    ("layer that is missing", |d, n| {
        d.layers.remove(n);
        d.edges.remove(n + 1);
        true
    }),
];

/// Those of layers that need not be the first.
const OF_LATER: &[(&str, Mutate)] = &[("edge that is read", |d, n| {
    let last = d.layers[n].reads.len() - 1;
    let other = EdgeId((d.layers[n].reads[last].0 + 1) % (n as u32 + 1));
    let same = other == d.layers[n].reads[last];
    d.layers[n].reads[last] = other;
    !same
})];

/// Those of layers with a kernel.
const OF_KERNELS: &[(&str, Mutate)] = &[
    ("budget", |d, n| in_kernel(d, n, |k| k.chain.budget += 1)),
    ("rows", |d, n| in_kernel(d, n, |k| k.rows += k.groups)),
    ("groups", |d, n| in_kernel(d, n, |k| k.groups += 1)),
    ("patch", |d, n| in_kernel(d, n, |k| k.patch.w += 1)),
    ("shape of the kernel's input", |d, n| in_kernel(d, n, |k| k.input.channels += 1)),
    ("shape of the kernel's output", |d, n| in_kernel(d, n, |k| k.output.channels += 1)),
    ("chain's name", |d, n| in_kernel(d, n, |k| k.chain.name += "_")),
    ("format that enters", |d, n| in_kernel(d, n, |k| k.chain.input.bits += 1)),
    ("format that leaves", |d, n| in_kernel(d, n, |k| k.chain.output.bits += 1)),
    ("element that is wider", |d, n| in_kernel(d, n, |k| k.chain.x.intervals[0].lo -= 1)),
    ("number of an element", |d, n| {
        in_kernel(d, n, |k| *k.chain.x.indices.last_mut().unwrap() += 1)
    }),
    ("entry of W_b that is 0", |d, n| {
        in_op(d, n, |op| role(op) != Some(Role::Wc) && entry(op, true))
    }),
    ("sign in W_b", |d, n| in_op(d, n, |op| role(op) != Some(Role::Wc) && entry(op, false))),
    ("entry of W_c that is 0", |d, n| {
        in_op(d, n, |op| role(op) == Some(Role::Wc) && entry(op, true))
    }),
    ("sign in W_c", |d, n| in_op(d, n, |op| role(op) == Some(Role::Wc) && entry(op, false))),
    ("narrower sum of W_b", |d, n| {
        in_op(d, n, |op| {
            let found = varying(op).filter(|_| !matches!(role(op), None | Some(Role::Wc)));
            found.map(|i| op.result.intervals[i].hi -= 1).is_some()
        })
    }),
    ("narrower sum of W_c", |d, n| {
        in_op(d, n, |op| {
            let found = varying(op).filter(|_| role(op) == Some(Role::Wc));
            found.map(|i| op.result.intervals[i].hi -= 1).is_some()
        })
    }),
    ("wider product", |d, n| {
        in_op(d, n, |op| {
            let product = matches!(op.kind, OpKind::Multiply { .. } | OpKind::Product);
            let found = varying(op).filter(|_| product);
            found.map(|i| op.result.intervals[i].hi += 1).is_some()
        })
    }),
    ("narrower output", |d, n| {
        kernel(d, n).is_some_and(|k| {
            let op = k.chain.ops.last_mut().unwrap();
            varying(op).map(|i| op.result.intervals[i].lo += 1).is_some()
        })
    }),
    ("number of a row", |d, n| {
        in_op(d, n, |op| op.result.indices.last_mut().map(|i| *i += 1).is_some())
    }),
    ("product that is missing", |d, n| {
        in_op(d, n, |op| {
            let product = matches!(op.kind, OpKind::Multiply { .. } | OpKind::Product);
            product && op.result.intervals.pop().and(op.result.indices.pop()).is_some()
        })
    }),
    ("bias", |d, n| {
        in_op(d, n, |op| {
            let found = varying(op);
            let (OpKind::Offset { constants } | OpKind::Requantise { constants, .. }) =
                &mut op.kind
            else {
                return false;
            };
            found.map(|i| constants[i] += 1).is_some()
        })
    }),
    ("operation that is missing", |d, n| {
        in_kernel(d, n, |k| {
            k.chain.ops.remove(1);
        })
    }),
];

/// Those of layers whose products have coefficients.
const OF_COEFFICIENTS: &[(&str, Mutate)] = &[
    ("coefficient", |d, n| {
        in_op(d, n, |op| match &mut op.kind {
            OpKind::Multiply { coefficients, .. } if !coefficients.is_empty() => {
                coefficients[0] = -coefficients[0];
                true
            }
            _ => false,
        })
    }),
    ("width of coefficients", |d, n| {
        in_op(d, n, |op| match &mut op.kind {
            OpKind::Multiply { coefficient_bits, .. } => {
                *coefficient_bits += 1;
                true
            }
            _ => false,
        })
    }),
    ("shift of a product", |d, n| {
        in_op(d, n, |op| match &mut op.kind {
            OpKind::Multiply { shifts, .. } if !shifts.is_empty() => {
                shifts[0] += 1;
                true
            }
            _ => false,
        })
    }),
];

const OF_REQUANTISED: &[(&str, Mutate)] = &[
    ("shift of an output", |d, n| {
        in_op(d, n, |op| {
            let found = varying(op);
            let OpKind::Requantise { shifts, .. } = &mut op.kind else { return false };
            found.map(|i| shifts[i] += 1).is_some()
        })
    }),
    ("format that an output is cut to", |d, n| {
        in_op(d, n, |op| match &mut op.kind {
            OpKind::Requantise { format, .. } => {
                format.bits += 1;
                true
            }
            _ => false,
        })
    }),
];

const OF_WINDOWS: &[(&str, Mutate)] = &[
    ("size of windows", |d, n| in_windows(d, n, |w| w.size.w += 1)),
    ("stride", |d, n| in_windows(d, n, |w| w.stride.h += 1)),
    ("pad", |d, n| in_windows(d, n, |w| w.pad.w += 1)),
    ("windows down", |d, n| in_windows(d, n, |w| w.rows += 1)),
    ("windows across", |d, n| in_windows(d, n, |w| w.columns += 1)),
];

const OF_TABLES: &[(&str, Mutate)] = &[
    ("value of a table", |d, n| {
        let mut curves = curves(d, n);
        let Some(curve) = curves.last_mut() else { return false };
        let value = &mut curve.values[0];
        *value = if *value == 0 { 1 } else { *value - 1 };
        true
    }),
    ("length of a table", |d, n| {
        curves(d, n).pop().is_some_and(|curve| curve.values.pop().is_some())
    }),
    ("fraction of a table", |d, n| curves(d, n).pop().map(|curve| curve.frac += 1).is_some()),
    ("curve", |d, n| curves(d, n).pop().map(|curve| curve.sigmoid ^= true).is_some()),
];

/// Those of one kind of layer.
const OF_ONE: &[(&str, &str, Mutate)] = &[
    ("sum", "shift of a side", |d, n| {
        let Kind::Add { shifts, .. } = &mut d.layers[n].kind else { return false };
        shifts[1] += 1;
        true
    }),
    ("concatenation", "shift of a side", |d, n| {
        let Kind::Concat { shifts, .. } = &mut d.layers[n].kind else { return false };
        shifts[1] += 1;
        true
    }),
    ("concatenation", "shift of both sides", |d, n| {
        let Kind::Concat { shift, .. } = &mut d.layers[n].kind else { return false };
        *shift += 1;
        true
    }),
    ("concatenation", "join", |d, n| {
        let Kind::Concat { shifts, shift } = d.layers[n].kind else { return false };
        d.layers[n].kind = Kind::Add { shifts, shift };
        true
    }),
    ("concatenation", "order", |d, n| {
        if !matches!(d.layers[n].kind, Kind::Concat { .. }) {
            return false;
        }
        let reads = &mut d.layers[n].reads;
        reads.swap(0, 1);
        reads[0] != reads[1]
    }),
    ("sum", "shift of the sum", |d, n| {
        let Kind::Add { shift, .. } = &mut d.layers[n].kind else { return false };
        *shift += 1;
        true
    }),
    ("largest of a window", "what is taken", |d, n| {
        let Kind::Pool { kind, .. } = &mut d.layers[n].kind else { return false };
        *kind = PoolKind::Sum;
        true
    }),
    ("sum of a window", "what is taken", |d, n| {
        let Kind::Pool { kind, .. } = &mut d.layers[n].kind else { return false };
        *kind = PoolKind::Max;
        true
    }),
    ("embedding", "entry of the table", |d, n| {
        let Kind::Embedding { rows } = &mut d.layers[n].kind else { return false };
        rows[0][0] += 1;
        true
    }),
    ("embedding", "row of the table", |d, n| {
        let Kind::Embedding { rows } = &mut d.layers[n].kind else { return false };
        rows.push(rows[0].clone());
        true
    }),
    ("char-CNN", "widths", |d, n| {
        let Kind::CharCnn { widths, .. } = &mut d.layers[n].kind else { return false };
        widths.push(0);
        true
    }),
    ("highway", "format of the blend", |d, n| {
        let Kind::Highway { blend, .. } = &mut d.layers[n].kind else { return false };
        blend.format.bits += 1;
        true
    }),
    ("LSTM", "bits of c", |d, n| {
        let Kind::Lstm { cell, .. } = &mut d.layers[n].kind else { return false };
        cell.state.bits += 1;
        true
    }),
    ("LSTM", "fraction of c", |d, n| {
        let Kind::Lstm { cell, .. } = &mut d.layers[n].kind else { return false };
        cell.state.frac += 1;
        true
    }),
    ("LSTM", "format of h", |d, n| {
        let Kind::Lstm { cell, .. } = &mut d.layers[n].kind else { return false };
        cell.hidden.frac += 1;
        true
    }),
    ("LSTM", "format of the gates", |d, n| {
        let Kind::Lstm { cell, .. } = &mut d.layers[n].kind else { return false };
        cell.gate.frac += 1;
        true
    }),
];

/// Each mutation, with the kinds of layers that must meet it.
fn mutations() -> Vec<(&'static str, Mutate, Vec<&'static str>)> {
    let all = |list: &'static [(&str, Mutate)], kinds: &[&'static str]| {
        let kinds = kinds.to_vec();
        list.iter().map(move |(name, mutate)| (*name, *mutate, kinds.clone()))
    };
    let of_one = OF_ONE.iter().map(|(kind, name, mutate)| (*name, *mutate, vec![*kind]));
    all(OF_ALL, &[&LINEAR[..], &OTHERS].concat())
        .chain(all(OF_LATER, &[&LINEAR[1..], &OTHERS[..4]].concat()))
        .chain(all(OF_KERNELS, &LINEAR))
        .chain(all(OF_COEFFICIENTS, &LINEAR[1..]))
        .chain(all(OF_REQUANTISED, &["convolution", "dense", "char-CNN", "highway", "LSTM"]))
        .chain(all(OF_WINDOWS, &["convolution", "largest of a window", "sum of a window"]))
        .chain(all(OF_TABLES, &["char-CNN", "highway", "LSTM"]))
        .chain(of_one)
        .collect()
}

fn refused(dataflow: &Dataflow, model: &Model) -> bool {
    ir::verify(dataflow).and_then(|()| ir::prove(dataflow, model)).is_err()
}

#[test]
fn every_mutation_of_every_kind_of_layer_is_refused() {
    let mutations = mutations();
    let of_model = |model: Model| {
        let right = lower(&model).unwrap();
        assert!(!refused(&right, &model), "{}: a right dataflow is refused", model.name);
        let (mut met, mut accepted) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..right.layers.len() {
            let kind = kind(&right, number);
            for (name, mutate, _) in &mutations {
                let mut wrong = right.clone();
                if mutate(&mut wrong, number) && wrong != right {
                    met.insert((kind, *name));
                    if !refused(&wrong, &model) {
                        accepted.insert((kind, *name, right.layers[number].name.clone()));
                    }
                }
            }
        }
        (met, accepted)
    };
    let all: Vec<_> = models().into_par_iter().map(of_model).collect();
    let accepted: Vec<_> = all.iter().flat_map(|(_, accepted)| accepted).collect();
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
    let met: BTreeSet<_> = all.iter().flat_map(|(met, _)| met).collect();
    let missing: Vec<_> = mutations
        .iter()
        .flat_map(|(name, _, kinds)| kinds.iter().map(move |kind| (*kind, *name)))
        .filter(|pair| !met.contains(pair))
        .collect();
    assert!(missing.is_empty(), "no model has: {missing:?}");
}

#[test]
fn what_lowering_makes_of_any_model_is_proved() {
    let mut runner = TestRunner::new(property(1, 52));
    let mut vectors = || random_model(&recipes().new_tree(&mut runner).unwrap().current());
    let models: Vec<Model> =
        (100..400).flat_map(|seed| [vectors(), image_model(seed), sequence_model(seed)]).collect();
    models.par_iter().for_each(|model| {
        let dataflow = lower(model).unwrap();
        ir::verify(&dataflow).and_then(|()| ir::prove(&dataflow, model)).unwrap();
    });
}

/// The network's own name and input.
#[test]
fn every_mutation_of_the_input_is_refused() {
    let mutations: [(&str, fn(&mut Dataflow)); 6] = [
        ("name", |d| d.name += "_"),
        ("bits", |d| d.edges[0].format.bits += 1),
        ("fraction", |d| d.edges[0].format.frac += 1),
        ("sign", |d| d.edges[0].format.signed ^= true),
        ("shape", |d| d.edges[0].shape.height += 1),
        ("layer more", |d| {
            let (layer, edge) = (d.layers.last().unwrap(), d.edges.last().unwrap());
            let mut layer = layer.clone();
            layer.name += "_";
            let edge = edge.clone();
            d.layers.push(layer);
            d.edges.push(edge);
        }),
    ];
    for model in models() {
        let right = lower(&model).unwrap();
        for (name, mutate) in &mutations {
            let mut wrong = right.clone();
            mutate(&mut wrong);
            assert!(refused(&wrong, &model), "{}: {name} is accepted", model.name);
        }
    }
}

type MutateFolded = fn(&mut Folded) -> bool;

/// Of a folded layer: what lies in its ROMs, what its parts are told, and every width that is not
/// wider than it need be.
const OF_FOLDED: &[(&str, MutateFolded)] = &[
    ("name", |f| {
        f.name += "_";
        true
    }),
    ("pe", |f| {
        f.folding.pe += 1;
        true
    }),
    ("simd", |f| {
        f.folding.simd += 1;
        true
    }),
    ("multipliers", |f| {
        f.folding.multipliers += 1;
        true
    }),
    ("format that enters", |f| {
        f.input.bits += 1;
        true
    }),
    ("format that leaves", |f| {
        f.output.signed ^= true;
        true
    }),
    ("groups", |f| {
        f.groups += 1;
        true
    }),
    ("weight of W_b", |f| {
        f.wb.weights[0] = if f.wb.weights[0] == 0 { 1 } else { -f.wb.weights[0] };
        true
    }),
    ("words of a sum", |f| {
        f.wb.sums += 1;
        true
    }),
    ("lanes of W_b", |f| {
        f.wb.lanes += 1;
        true
    }),
    ("bits of no sum of W_b", |f| {
        f.wb.bits = 0;
        true
    }),
    ("shift of the products", |f| {
        f.bank.shift += 1;
        f.bank.coefficients.iter().any(|a| *a != 0)
    }),
    ("coefficient", |f| {
        f.bank.coefficients[0] += 1;
        true
    }),
    ("bits of coefficients", |f| {
        f.bank.coefficient_bits -= 1;
        f.bank.digits.is_none()
    }),
    ("lanes of the bank", |f| {
        f.bank.lanes += 1;
        true
    }),
    ("digit", |f| {
        let Some(digits) = &mut f.bank.digits else { return false };
        let (weight, _) = &mut digits.entries[0];
        *weight = if *weight == 0 { 1 } else { -*weight };
        true
    }),
    ("digits of a coefficient", |f| {
        let Some(digits) = &mut f.bank.digits else { return false };
        digits.terms += 1;
        true
    }),
    ("bits of no shift of digits", |f| {
        let Some(digits) = &mut f.bank.digits else { return false };
        let least = digits.amount_bits;
        digits.amount_bits = 0;
        least > 0
    }),
    ("weight of W_c", |f| {
        let Some(wc) = &mut f.wc else { return false };
        wc.weights[0] = if wc.weights[0] == 0 { 1 } else { -wc.weights[0] };
        true
    }),
    ("words of a sum of W_c", |f| {
        let Some(wc) = &mut f.wc else { return false };
        wc.sums += 1;
        true
    }),
    ("left shift of the outputs", |f| {
        f.requantiser.left += 1;
        true
    }),
    ("right shift of the outputs", |f| {
        f.requantiser.base += 1;
        true
    }),
    ("amount of an output", |f| {
        f.requantiser.entries[0].0 += 1;
        true
    }),
    ("constant of an output", |f| {
        f.requantiser.entries[0].1 += 1;
        true
    }),
    ("bits of constants", |f| {
        f.requantiser.constant_bits -= 1;
        true
    }),
    ("bits of amounts", |f| {
        let least = f.requantiser.amount_bits;
        f.requantiser.amount_bits = 0;
        least > 0
    }),
    ("bits of the rounded sums", |f| {
        f.requantiser.sum_bits -= 1;
        true
    }),
    ("lanes of the outputs", |f| {
        f.requantiser.lanes += 1;
        true
    }),
    ("row that is another's", |f| {
        let all = f.rows.iter().flatten().count();
        f.rows.iter_mut().flatten().next().map(|row| *row = (*row + 1) % all.max(2)).is_some()
    }),
    ("row that is missing", |f| {
        f.rows.iter_mut().find(|row| row.is_some()).map(|row| *row = None).is_some()
    }),
    ("characters of a word", |f| f.positions.as_mut().map(|p| p.characters += 1).is_some()),
    ("words of a character", |f| f.positions.as_mut().map(|p| p.words += 1).is_some()),
    ("characters of a window", |f| f.positions.as_mut().map(|p| p.taps += 1).is_some()),
    ("blocks of a width", |f| f.positions.as_mut().map(|p| p.steps[0].blocks += 1).is_some()),
    ("last position", |f| f.positions.as_mut().map(|p| p.steps[0].last += 1).is_some()),
    ("positions", |f| f.positions.as_mut().map(|p| p.count = p.steps[0].last).is_some()),
    ("W_c of filters", |f| f.positions.is_some() && f.positions.take().is_some()),
];

#[test]
fn every_mutation_of_a_folded_layer_is_refused() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let mut accepted = vec![];
    for (seed, model) in (0..).zip(models()) {
        let dataflow = lower(&model).unwrap();
        let engines = random_engines(&dataflow, seed);
        for layer in &dataflow.layers {
            let Choice::Folded(folding) = engines.layers[&layer.name] else { continue };
            let Ok(hard) = folded::build(layer, folding) else { continue };
            let mut soft = hard.clone();
            soft.bank.digits = Some(Digits::of(&soft.bank.coefficients));
            for right in [hard, soft] {
                folded::prove(&right, layer).unwrap();
                for (name, mutate) in OF_FOLDED {
                    let mut wrong = right.clone();
                    if mutate(&mut wrong) && wrong != right {
                        *met.entry(name).or_default() += 1;
                        if folded::prove(&wrong, layer).is_ok() {
                            accepted.push((*name, model.name.clone(), layer.name.clone()));
                        }
                    }
                }
            }
        }
    }
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
    let missing: Vec<_> =
        OF_FOLDED.iter().map(|(name, _)| name).filter(|name| !met.contains_key(*name)).collect();
    assert!(missing.is_empty(), "no layer has: {missing:?}");
}
