//! Nothing that carries meaning can be changed unseen: each mutation of a right dataflow is refused
//! by its verifier or by the proof that it is its model, for every kind of layer, each one of a
//! folded layer by the proof that reads its ROMs back, and each one of a stream graph by its
//! verifier or by the proof that it is its dataflow, for every primitive.
//!
//! A mutation that is sound is none: the interval of correlated sums may be wider than it need be,
//! and what leads to an output that is always the same may be anything.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use strassenc::adder_graph::{self, Effort};
use strassenc::compile::{LayerEngine, Made, Options, Pass, Problem, compile_until};
use strassenc::decide::Asked;
use strassenc::engine::Choice;
use strassenc::folded::{self, Digits, Folded};
use strassenc::interval::Interval;
use strassenc::ir::gated::{Cell, Curve, Function};
use strassenc::ir::{self, Dataflow, EdgeId, Kernel, Kind, OpKind, Role, Windows};
use strassenc::lower::lower;
use strassenc::multipliers::Multipliers;
use strassenc::stream::primitive::{Collector, Register, Table};
use strassenc::stream::{self, Engine, Graph, Lines, Primitive, StreamId};
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{self as runtime, Along, Format, Model};
use strassenc_tests::{
    any_decisions, any_streams, headed_model, image_model, lowered, property, random_engines,
    random_model, recipes, recurrent_model, row_model, sequence_model, several_model,
};

/// Changes what it is named after, in layer `number`; whether the layer has it.
type Mutate = fn(&mut Dataflow, number: usize) -> bool;

fn models() -> Vec<Model> {
    let mut runner = TestRunner::new(property(1, 51));
    let vectors =
        (0..12).map(|_| random_model(&recipes().new_tree(&mut runner).unwrap().current()));
    let images = (0..24).map(image_model);
    let sequences = (0..16).map(sequence_model).chain((0..12).map(row_model));
    vectors.chain(images).chain(sequences).collect()
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
        Kind::Upsample { .. } => "upsampling",
        Kind::Activation { function: Function::Clip { .. } } => "clip",
        Kind::Activation { function: Function::Leaky { .. } } => "leaky ReLU",
        Kind::Activation { function: Function::Curve(_) } => "curve",
        Kind::Add { .. } => "sum",
        Kind::Concat { .. } => "concatenation",
        Kind::Embedding { .. } => "embedding",
        Kind::CharCnn { .. } => "char-CNN",
        Kind::Highway { .. } => "highway",
        Kind::Recurrent { cell, .. } => cell.kind.kind(),
        Kind::Last => "last pixel",
        Kind::Best { .. } => "largest scores",
        Kind::Threshold { .. } => "scores above a bound",
        Kind::Reverse => "reverse",
    }
}

const LINEAR: [&str; 9] = [
    "product of data",
    "depthwise convolution",
    "grouped convolution",
    "convolution",
    "dense",
    "char-CNN",
    "highway",
    "LSTM",
    "GRU",
];

/// The last one is always the first layer, as a product of data is.
const OTHERS: [&str; 12] = [
    "largest scores",
    "scores above a bound",
    "last pixel",
    "largest of a window",
    "sum of a window",
    "upsampling",
    "clip",
    "leaky ReLU",
    "curve",
    "sum",
    "concatenation",
    "embedding",
];

fn kernel(dataflow: &mut Dataflow, number: usize) -> Option<&mut Kernel> {
    match &mut dataflow.layers[number].kind {
        Kind::Spn(kernel)
        | Kind::CharCnn { filters: kernel, .. }
        | Kind::Highway { gates: kernel, .. }
        | Kind::Recurrent { gates: kernel, .. } => Some(kernel),
        Kind::Pool { .. }
        | Kind::Upsample { .. }
        | Kind::Activation { .. }
        | Kind::Last
        | Kind::Best { .. }
        | Kind::Threshold { .. }
        | Kind::Reverse
        | Kind::Add { .. }
        | Kind::Concat { .. }
        | Kind::Embedding { .. } => None,
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
        Kind::CharCnn { tanh: curve, .. }
        | Kind::Activation { function: Function::Curve(curve) } => vec![curve],
        Kind::Highway { blend, .. } => vec![&mut blend.sigmoid],
        Kind::Recurrent { cell, .. } => vec![&mut cell.sigmoid, &mut cell.tanh],
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
            Kind::Recurrent { cell, .. } => more(&mut cell.hidden),
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
    ("clip", "where it clips", |d, n| {
        let Kind::Activation { function: Function::Clip { max } } = &mut d.layers[n].kind else {
            return false;
        };
        *max += 1;
        true
    }),
    ("leaky ReLU", "shift", |d, n| {
        let Kind::Activation { function: Function::Leaky { shift } } = &mut d.layers[n].kind else {
            return false;
        };
        *shift += 1;
        true
    }),
    ("leaky ReLU", "function", |d, n| {
        let Kind::Activation { function } = &mut d.layers[n].kind else { return false };
        let is_leaky = matches!(function, Function::Leaky { .. });
        *function = Function::Clip { max: d.edges[n + 1].format.max() };
        is_leaky
    }),
    ("upsampling", "size", |d, n| {
        let Kind::Upsample { size } = &mut d.layers[n].kind else { return false };
        size.w += 1;
        true
    }),
    ("upsampling", "axis", |d, n| {
        let Kind::Upsample { size } = &mut d.layers[n].kind else { return false };
        std::mem::swap(&mut size.h, &mut size.w);
        true
    }),
    ("largest scores", "how many", |d, n| {
        let Kind::Best { count } = &mut d.layers[n].kind else { return false };
        *count += 1;
        true
    }),
    ("largest scores", "what is told", |d, n| {
        let best = matches!(d.layers[n].kind, Kind::Best { .. });
        d.layers[n].kind = Kind::Threshold { above: 0 };
        best
    }),
    ("scores above a bound", "bound", |d, n| {
        let Kind::Threshold { above } = &mut d.layers[n].kind else { return false };
        *above += 1;
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
];

fn cell(dataflow: &mut Dataflow, number: usize) -> Option<(&mut Along, &mut Cell)> {
    match &mut dataflow.layers[number].kind {
        Kind::Recurrent { along, cell, .. } => Some((along, cell)),
        _ => None,
    }
}

/// Those of recurrent layers.
const OF_CELLS: &[(&str, Mutate)] = &[
    ("bits of c", |d, n| cell(d, n).map(|(_, cell)| cell.state.bits += 1).is_some()),
    ("fraction of c", |d, n| cell(d, n).map(|(_, cell)| cell.state.frac += 1).is_some()),
    ("format of h", |d, n| cell(d, n).map(|(_, cell)| cell.hidden.frac += 1).is_some()),
    ("format of the gates", |d, n| cell(d, n).map(|(_, cell)| cell.gate.frac += 1).is_some()),
    ("cell", |d, n| {
        let other = |kind| match kind {
            runtime::Cell::Lstm => runtime::Cell::Gru,
            runtime::Cell::Gru => runtime::Cell::Lstm,
        };
        cell(d, n).map(|(_, cell)| cell.kind = other(cell.kind)).is_some()
    }),
    ("what the state goes along", |d, n| {
        let other = |along| match along {
            Along::Inputs => Along::Pixels,
            Along::Pixels => Along::Inputs,
        };
        cell(d, n).map(|(along, _)| *along = other(*along)).is_some()
    }),
    ("steps", |d, n| {
        let Kind::Recurrent { gates, .. } = &mut d.layers[n].kind else { return false };
        (gates.input.height, gates.output.height) =
            (gates.input.height + 1, gates.output.height + 1);
        gates.windows.rows += 1;
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
        .chain(all(OF_LATER, &[&LINEAR[1..], &OTHERS[..10]].concat()))
        .chain(all(OF_KERNELS, &LINEAR))
        .chain(all(OF_COEFFICIENTS, &LINEAR[1..]))
        .chain(all(OF_REQUANTISED, &["convolution", "dense", "char-CNN", "highway", "LSTM", "GRU"]))
        .chain(all(OF_WINDOWS, &["convolution", "largest of a window", "sum of a window"]))
        .chain(all(OF_TABLES, &["char-CNN", "highway", "LSTM", "GRU", "curve"]))
        .chain(all(OF_CELLS, &["LSTM", "GRU"]))
        .chain(of_one)
        .collect()
}

fn refused(dataflow: &Dataflow, model: &Model) -> bool {
    refused_of(dataflow, model, &[])
}

fn refused_of(dataflow: &Dataflow, model: &Model, asked: &[Asked]) -> bool {
    ir::verify(dataflow).and_then(|()| ir::prove_decided(dataflow, model, asked)).is_err()
}

#[test]
fn every_mutation_of_every_kind_of_layer_is_refused() {
    let mutations = mutations();
    let of_model = |(seed, model): (u64, Model)| {
        let asked = any_decisions(&model, seed);
        let right = lowered(&model, &asked);
        let refused = |dataflow: &Dataflow| refused_of(dataflow, &model, &asked);
        assert!(!refused(&right), "{}: a right dataflow is refused", model.name);
        let (mut met, mut accepted) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..right.layers.len() {
            let kind = kind(&right, number);
            for (name, mutate, _) in &mutations {
                let mut wrong = right.clone();
                if mutate(&mut wrong, number) && wrong != right {
                    met.insert((kind, *name));
                    if !refused(&wrong) {
                        accepted.insert((kind, *name, right.layers[number].name.clone()));
                    }
                }
            }
        }
        (met, accepted)
    };
    let models: Vec<(u64, Model)> = (0..).zip(models()).collect();
    let all: Vec<_> = models.into_par_iter().map(of_model).collect();
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
        (100..400).flat_map(|seed| [vectors(), image_model(seed), recurrent_model(seed)]).collect();
    models.par_iter().for_each(|model| {
        let dataflow = lower(model).unwrap();
        ir::verify(&dataflow).and_then(|()| ir::prove(&dataflow, model)).unwrap();
    });
}

/// The network's own name and input.
#[test]
fn every_mutation_of_the_input_is_refused() {
    type MutateInput = fn(&mut Dataflow);
    let mutations: [(&str, MutateInput); 6] = [
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

/// Which edges leave the network, and the streams of the core that they are.
#[test]
fn every_mutation_of_heads_is_refused() {
    type MutateHeads = fn(&mut Dataflow);
    let of_dataflow: [(&str, MutateHeads); 5] = [
        ("name", |d| d.heads[0].name += "_"),
        ("edge", |d| d.heads[0].edge.0 -= 1),
        ("output", |d| d.heads[0].edge.0 = d.layers.len() as u32),
        ("head less", |d| drop(d.heads.pop())),
        ("head more", |d| d.heads.push(d.heads[0].clone())),
    ];
    type MutateStreams = fn(&mut Graph);
    let of_graph: [(&str, MutateStreams); 6] = [
        ("name", |g| g.heads[0].name += "_"),
        ("stream", |g| g.heads[0].stream = g.output),
        ("beats", |g| g.heads[0].beats.beats += 1),
        ("head less", |g| drop(g.heads.pop())),
        ("head more", |g| g.heads.push(g.heads[0].clone())),
        ("the output's stream", |g| {
            std::mem::swap(&mut g.output, &mut g.heads[0].stream);
            std::mem::swap(&mut g.beats[1], &mut g.heads[0].beats);
        }),
    ];
    for (seed, model) in (0..24).map(|seed| (seed, headed_model(seed))) {
        let right = lower(&model).unwrap();
        ir::verify(&right).and_then(|()| ir::prove(&right, &model)).unwrap();
        for (name, mutate) in &of_dataflow {
            let mut wrong = right.clone();
            mutate(&mut wrong);
            assert!(refused(&wrong, &model), "{name} is accepted");
        }
        let (graph, dataflow, layers) = assembled(&model, seed);
        let engines: Vec<Engine> = layers.iter().map(LayerEngine::engine).collect();
        for (name, mutate) in &of_graph {
            let mut wrong = graph.clone();
            mutate(&mut wrong);
            let proved =
                stream::verify(&wrong).and_then(|()| stream::prove(&wrong, &dataflow, &engines));
            assert!(proved.is_err(), "{name} is accepted");
        }
    }
}

/// Which edges enter the network beside the first layer's input, and the streams of the core that
/// they are.
#[test]
fn every_mutation_of_further_inputs_is_refused() {
    type MutateInputs = fn(&mut Dataflow);
    let of_dataflow: [(&str, MutateInputs); 8] = [
        ("name", |d| d.inputs[0] += "_"),
        ("input less", |d| drop(d.inputs.pop())),
        ("input more", |d| d.inputs.push("another".into())),
        ("edge less", |d| drop(d.edges.remove(1))),
        ("bits", |d| d.edges[1].format.bits += 1),
        ("sign", |d| d.edges[1].format.signed ^= true),
        ("interval", |d| d.edges[1].intervals[0].hi -= 1),
        ("reader", |d| {
            let reads = d.layers.iter_mut().flat_map(|layer| &mut layer.reads);
            reads.filter(|id| id.0 == 1).for_each(|id| id.0 = 0);
        }),
    ];
    type MutateStreams = fn(&mut Graph);
    let of_graph: [(&str, MutateStreams); 7] = [
        ("name", |g| g.inputs[0].name += "_"),
        ("stream", |g| g.inputs[0].stream = StreamId(0)),
        ("beats", |g| g.inputs[0].beats.beats += 1),
        ("input less", |g| drop(g.inputs.pop())),
        ("input more", |g| g.inputs.push(g.inputs[0].clone())),
        ("format", |g| {
            let stream = g.inputs[0].stream.index();
            g.streams[stream].format.frac += 1;
            g.inputs[0].beats.format.frac += 1;
        }),
        ("frames that are dropped", |g| {
            let framer = g.nodes.iter_mut().find(|node| node.name == "framer").unwrap();
            let words = g.streams[framer.inputs[0].index()].words;
            framer.primitive = Collector { beats: words }.into();
        }),
    ];
    for (seed, model) in (0..24).map(|seed| (seed, several_model(seed))) {
        let right = lower(&model).unwrap();
        ir::verify(&right).and_then(|()| ir::prove(&right, &model)).unwrap();
        for (name, mutate) in &of_dataflow {
            let mut wrong = right.clone();
            mutate(&mut wrong);
            assert!(refused(&wrong, &model), "{name} is accepted");
        }
        // Two inputs in each other's place.
        if right.inputs.len() > 1 {
            let mut wrong = right.clone();
            wrong.inputs.swap(0, 1);
            wrong.edges.swap(1, 2);
            assert!(refused(&wrong, &model), "other order is accepted");
        }
        let (graph, dataflow, layers) = assembled(&model, seed);
        let engines: Vec<Engine> = layers.iter().map(LayerEngine::engine).collect();
        for (name, mutate) in &of_graph {
            let mut wrong = graph.clone();
            mutate(&mut wrong);
            let proved =
                stream::verify(&wrong).and_then(|()| stream::prove(&wrong, &dataflow, &engines));
            assert!(proved.is_err(), "{name} is accepted");
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
    ("characters of a window", |f| f.positions.as_mut().map(|p| p.steps[0].taps += 1).is_some()),
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

macro_rules! primitives {
    ($($kind:ident),* $(,)?) => {
        /// All of them: a new one does not build until it is here.
        const PRIMITIVES: &[&str] = &[$(stringify!($kind)),*];

        fn primitive(is: &Primitive) -> &'static str {
            match is {
                $(Primitive::$kind(_) => stringify!($kind),)*
            }
        }
    };
}

primitives! {
    Framer, Collector, FrameEnd, Register, Fifo, Fork, Widen, Repack, Serialiser, Window, Reader,
    Upsample, Segment, Array, Bank, Requantise, Accumulate, Patches, Positions, Rectify, Curves,
    Lookup, Recall, Cell, Highway, Add, Concat, Last, Best, Threshold, Reverse,
}

/// Changes what it is named after, of node `i`; whether the node has it.
type MutateNode = fn(&mut Graph, i: usize) -> bool;

/// Those of every node: what leaves it, which layer's it is, and whether it is there at all.
const OF_NODES: &[(&str, MutateNode)] = &[
    ("elements of a word", |g, i| of_stream(g, i, |stream| stream.lanes += 1)),
    ("words of a frame", |g, i| of_stream(g, i, |stream| stream.words += 1)),
    ("bits", |g, i| of_stream(g, i, |stream| stream.format.bits += 1)),
    ("fraction", |g, i| of_stream(g, i, |stream| stream.format.frac += 1)),
    ("sign", |g, i| of_stream(g, i, |stream| stream.format.signed ^= true)),
    ("layer", |g, i| g.nodes[i].layer.as_mut().map(|number| *number += 1).is_some()),
    ("two streams that enter", |g, i| {
        let mut inputs = g.nodes[i].inputs.clone();
        inputs.reverse();
        // Two copies of one edge are the same.
        let same =
            g.nodes.iter().any(|fork| inputs.iter().all(|x| fork.outputs.contains(&from(g, *x))));
        g.nodes[i].inputs = inputs;
        !same
    }),
    ("node that is missing", |g, i| {
        let node = g.nodes[i].clone();
        let ([x], [z]) = (node.inputs.as_slice(), node.outputs.as_slice()) else { return false };
        // What only holds words changes the timing alone, and patches may be in order already.
        let may_miss = match &node.primitive {
            Primitive::Register(_) | Primitive::Fifo(_) => true,
            Primitive::Patches(p) => {
                (p.patch.w, p.patch.h * p.grid.0) == (p.image.width, p.image.height)
            }
            _ => false,
        };
        if may_miss {
            return false;
        }
        g.nodes.remove(i);
        g.streams.remove(z.index());
        let renamed = |id: StreamId| {
            let id = if id == *z { *x } else { id };
            StreamId(id.0 - u32::from(id > *z))
        };
        let ids = |ids: &mut Vec<StreamId>| ids.iter_mut().for_each(|id| *id = renamed(*id));
        g.output = renamed(g.output);
        g.nodes.iter_mut().for_each(|node| {
            ids(&mut node.inputs);
            ids(&mut node.outputs);
        });
        true
    }),
];

fn of_stream(graph: &mut Graph, node: usize, change: impl Fn(&mut stream::Stream)) -> bool {
    let id = graph.nodes[node].outputs[0];
    change(&mut graph.streams[id.index()]);
    true
}

/// The stream that comes to `id` through what changes no element.
fn from(graph: &Graph, id: StreamId) -> StreamId {
    let node = graph.nodes.iter().find(|node| node.outputs == [id]);
    match node.map(|node| (&node.primitive, node.inputs[0])) {
        Some((
            Primitive::Fifo(_)
            | Primitive::Register(_)
            | Primitive::Widen(_)
            | Primitive::Serialiser(_),
            x,
        )) => from(graph, x),
        _ => id,
    }
}

fn in_lines(is: &mut Primitive, change: impl Fn(&mut Lines)) -> bool {
    let lines = match is {
        Primitive::Window(window) => &mut window.0,
        Primitive::Reader(reader) => &mut reader.lines,
        _ => return false,
    };
    change(lines);
    true
}

type MutatePrimitive = fn(&mut Primitive) -> bool;

/// Those of `Window` and `Reader`.
const OF_LINES: &[(&str, MutatePrimitive)] = &[
    ("height of the image", |p| in_lines(p, |l| l.image.height += 1)),
    ("width of the image", |p| in_lines(p, |l| l.image.width += 1)),
    ("channels of the image", |p| in_lines(p, |l| l.image.channels += 1)),
    ("words of a pixel", |p| in_lines(p, |l| l.words += 1)),
    ("height of windows", |p| in_lines(p, |l| l.windows.size.h += 1)),
    ("width of windows", |p| in_lines(p, |l| l.windows.size.w += 1)),
    ("rows between windows", |p| in_lines(p, |l| l.windows.stride.h += 1)),
    ("columns between windows", |p| in_lines(p, |l| l.windows.stride.w += 1)),
    ("pad above", |p| in_lines(p, |l| l.windows.pad.h += 1)),
    ("pad at the left", |p| in_lines(p, |l| l.windows.pad.w += 1)),
    ("windows down", |p| in_lines(p, |l| l.windows.rows += 1)),
    ("windows across", |p| in_lines(p, |l| l.windows.columns += 1)),
    ("what a pad holds", |p| in_lines(p, |l| l.fill += 1)),
];

/// Changes a primitive of one kind.
macro_rules! of {
    ($kind:ident, $what:literal, |$part:ident| $change:expr) => {
        (stringify!($kind), $what, |is| {
            let Primitive::$kind($part) = is else { return false };
            $change;
            true
        })
    };
}

/// Those of one primitive.
const OF_PRIMITIVES: &[(&str, &str, MutatePrimitive)] = &[
    of!(Collector, "beats", |p| p.beats += 1),
    of!(Register, "place", |p| *p = match p {
        Register::Input => Register::Between,
        Register::Between => Register::Output { entries: 2 },
        Register::Output { .. } => Register::Input,
    }),
    of!(Register, "entries", |p| if let Register::Output { entries } = p {
        *entries ^= 3
    }),
    of!(Fifo, "h of a recurrent layer", |p| p.hidden ^= true),
    of!(Widen, "words", |p| p.words += 1),
    of!(Repack, "elements", |p| p.elements += 1),
    of!(Repack, "elements that are missing", |p| p.elements -= 1),
    of!(Serialiser, "beats", |p| p.beats += 1),
    of!(Reader, "groups", |p| p.groups += 1),
    of!(Reader, "repeats", |p| p.repeats += 1),
    of!(Reader, "rounds", |p| p.rounds += 1),
    of!(Upsample, "height of the image", |p| p.image.height += 1),
    of!(Upsample, "width of the image", |p| p.image.width += 1),
    of!(Upsample, "channels of the image", |p| p.image.channels += 1),
    of!(Upsample, "words of a pixel", |p| p.words += 1),
    of!(Upsample, "how often down", |p| p.size.h += 1),
    of!(Upsample, "how often across", |p| p.size.w += 1),
    of!(Upsample, "down and across", |p| std::mem::swap(&mut p.size.h, &mut p.size.w)),
    of!(Segment, "stages", |p| p.stages += 1),
    of!(Segment, "interval", |p| p.interval += 1),
    of!(Segment, "register in front", |p| p.registered ^= true),
    of!(Segment, "first layer", |p| {
        let Some(before) = p.layers.start().checked_sub(1) else { return false };
        p.layers = before..=*p.layers.end();
    }),
    of!(Segment, "first layer, later", |p| {
        if p.layers.start() == p.layers.end() {
            return false;
        }
        p.layers = p.layers.start() + 1..=*p.layers.end();
    }),
    of!(Segment, "last layer", |p| p.layers = *p.layers.start()..=p.layers.end() + 1),
    of!(Segment, "last layer, earlier", |p| {
        if p.layers.start() == p.layers.end() {
            return false;
        }
        p.layers = *p.layers.start()..=p.layers.end() - 1;
    }),
    of!(Array, "table", |p| { p.table = if p.table == Table::Wb { Table::Wc } else { Table::Wb } }),
    of!(Array, "sums", |p| p.sums += 1),
    of!(Array, "repeats", |p| p.repeats += 1),
    of!(Array, "depth", |p| p.depth += 1),
    of!(Array, "ends of results", |p| {
        let Some((_, words)) = p.ends.first_mut() else { return false };
        *words += 1;
    }),
    of!(Bank, "shift", |p| p.shift += 1),
    of!(Bank, "bits of coefficients", |p| p.coefficient_bits += 1),
    of!(Bank, "digits", |p| {
        let Some((terms, _)) = &mut p.digits else { return false };
        *terms += 1;
    }),
    of!(Bank, "bits of a digit", |p| {
        let Some((_, amount)) = &mut p.digits else { return false };
        *amount += 1;
    }),
    of!(Bank, "what multiplies", |p| {
        p.digits = if p.digits.is_some() { None } else { Some((1, 1)) }
    }),
    of!(Bank, "bits of a row", |p| p.entry_bits += 1),
    of!(Bank, "depth", |p| p.depth += 1),
    of!(Requantise, "left shift", |p| p.left += 1),
    of!(Requantise, "right shift", |p| p.base += 1),
    of!(Requantise, "bits of an amount", |p| p.amount_bits += 1),
    of!(Requantise, "bits of a constant", |p| p.constant_bits += 1),
    of!(Requantise, "bits of the sum", |p| p.sum_bits += 1),
    of!(Requantise, "depth", |p| p.depth += 1),
    of!(Accumulate, "what is taken", |p| p.maximum ^= true),
    of!(Accumulate, "words", |p| p.count += 1),
    of!(Accumulate, "words of windows", |p| p.of_windows ^= true),
    of!(Patches, "height of a patch", |p| p.patch.h += 1),
    of!(Patches, "width of a patch", |p| p.patch.w += 1),
    of!(Patches, "transposed patch", |p| std::mem::swap(&mut p.patch.h, &mut p.patch.w)),
    of!(Patches, "patches down", |p| p.grid.0 += 1),
    of!(Patches, "patches across", |p| p.grid.1 += 1),
    of!(Patches, "transposed image", |p| {
        std::mem::swap(&mut p.image.height, &mut p.image.width)
    }),
    of!(Patches, "channels", |p| p.image.channels += 1),
    of!(Positions, "characters", |p| p.characters += 1),
    of!(Positions, "words of a character", |p| p.words += 1),
    of!(Positions, "characters of a window", |p| p.steps[0].taps += 1),
    of!(Positions, "positions", |p| p.count += 1),
    of!(Positions, "blocks of a width", |p| p.steps[0].blocks += 1),
    of!(Positions, "last position", |p| p.steps[0].last += 1),
    of!(Positions, "order of the widths", |p| p.steps.reverse()),
    of!(Rectify, "where it clips", |p| p.max -= 1),
    of!(Rectify, "shift", |p| p.shift += 1),
    of!(Curves, "curve", |p| p.sigmoid ^= true),
    of!(Curves, "fraction", |p| p.frac += 1),
    of!(Lookup, "words of a row", |p| p.words += 1),
    of!(Lookup, "rows", |p| p.rows += 1),
    of!(Recall, "words of x", |p| p.words[0] += 1),
    of!(Recall, "words of h", |p| p.words[1] += 1),
    of!(Recall, "x and h", |p| p.words.reverse()),
    of!(Recall, "steps", |p| p.steps = Some(p.steps.map_or(1, |steps| steps + 1))),
    of!(Recall, "starts", |p| p.steps = if p.steps.is_none() { Some(1) } else { None }),
    of!(Cell, "cell", |p| p.kind = match p.kind {
        runtime::Cell::Lstm => runtime::Cell::Gru,
        runtime::Cell::Gru => runtime::Cell::Lstm,
    }),
    of!(Cell, "units", |p| p.units += 1),
    of!(Cell, "steps", |p| p.steps = Some(p.steps.map_or(1, |steps| steps + 1))),
    of!(Cell, "starts", |p| p.steps = if p.steps.is_none() { Some(1) } else { None }),
    of!(Cell, "fraction of sigmoid", |p| p.frac[0] += 1),
    of!(Cell, "fraction of tanh", |p| p.frac[1] += 1),
    of!(Cell, "bits of c", |p| p.bits[0] += 1),
    of!(Cell, "bits of h", |p| p.bits[1] += 1),
    of!(Cell, "shift of the c before", |p| p.shifts.kept += 1),
    of!(Cell, "shift of what is new", |p| p.shifts.new += 1),
    of!(Cell, "shift of c", |p| p.shifts.state += 1),
    of!(Cell, "shift of the index", |p| p.shifts.index += 1),
    of!(Cell, "shift of h", |p| p.shifts.hidden += 1),
    of!(Highway, "fraction of sigmoid", |p| p.frac += 1),
    of!(Highway, "bits of x", |p| p.format.bits += 1),
    of!(Highway, "sign of x", |p| p.format.signed ^= true),
    of!(Add, "shift of a", |p| p.shifts[0] += 1),
    of!(Add, "shift of b", |p| p.shifts[1] += 1),
    of!(Add, "shift of the sum", |p| p.shift += 1),
    of!(Concat, "a pixel at a time", |p| p.together ^= true),
    of!(Concat, "words of a", |p| p.words[0] += 1),
    of!(Concat, "words of b", |p| p.words[1] += 1),
    of!(Concat, "words of both", |p| p.words.reverse()),
    of!(Concat, "shift of a", |p| p.shifts[0] += 1),
    of!(Concat, "shift of b", |p| p.shifts[1] += 1),
    of!(Concat, "shift of both", |p| p.shift += 1),
    of!(Last, "pixels", |p| p.pixels += 1),
    of!(Last, "words of a pixel", |p| p.words += 1),
    of!(Best, "words of a pixel", |p| p.words += 1),
    of!(Threshold, "bound", |p| p.above += 1),
    of!(Reverse, "pixels", |p| p.pixels += 1),
    of!(Reverse, "words of a pixel", |p| p.words += 1),
];

/// What each mutation makes of node `i`, where the node has what it changes.
fn mutated(right: &Graph, i: usize) -> Vec<(&'static str, Graph)> {
    let with = |name: &'static str, mutate: &dyn Fn(&mut Graph) -> bool| {
        let mut wrong = right.clone();
        (mutate(&mut wrong) && wrong != *right).then_some((name, wrong))
    };
    let of_nodes = OF_NODES.iter().map(|(name, mutate)| with(name, &|g| mutate(g, i)));
    let primitives = OF_LINES.iter().map(|(name, mutate)| (*name, *mutate));
    let of_primitives = primitives
        .chain(OF_PRIMITIVES.iter().map(|(_, name, mutate)| (*name, *mutate)))
        .map(|(name, mutate)| with(name, &|g| mutate(&mut g.nodes[i].primitive)));
    of_nodes.chain(of_primitives).flatten().collect()
}

/// The stream graph of a model with any engines and beats, and what it was assembled from.
fn assembled(model: &Model, seed: u64) -> (Graph, Dataflow, Vec<LayerEngine>) {
    let decide = any_decisions(model, seed);
    let lowered = lowered(model, &decide);
    let mut engines = random_engines(&lowered, seed);
    for layer in &lowered.layers {
        if layer.kernel().is_some_and(|kernel| kernel.chain.multiplies_data()) {
            engines.layers.insert(layer.name.clone(), Choice::Unrolled);
        }
    }
    let ([input, output], _) = any_streams(seed);
    let multipliers = if seed.is_multiple_of(2) { Multipliers::Dsp } else { Multipliers::ShiftAdd };
    let share = adder_graph::Options { effort: Effort(0), ..Default::default() };
    let options =
        Options { share, engines, input, output, multipliers, decide, ..Options::default() };
    let share = |p: Problem| adder_graph::share(p.matrix, &options.share);
    let levels =
        compile_until(Pass::Assemble, model, &options, &share, &|_| {}, &|| false).unwrap();
    let engine = |made| if let Made::Engine(engine) = made { Some(engine) } else { None };
    let engines = levels.layers.into_iter().filter_map(engine).collect();
    (levels.graph.unwrap(), levels.dataflow, engines)
}

#[test]
fn every_mutation_of_every_primitive_is_refused() {
    let of_model = |(seed, model): (u64, Model)| {
        let (mut met, mut accepted) = (BTreeSet::new(), BTreeSet::new());
        let (right, dataflow, engines) = assembled(&model, seed);
        let engines: Vec<Engine> = engines.iter().map(LayerEngine::engine).collect();
        for (i, node) in right.nodes.iter().enumerate() {
            let kind = primitive(&node.primitive);
            for (name, wrong) in mutated(&right, i) {
                met.insert((kind, name));
                let proved = stream::verify(&wrong)
                    .and_then(|()| stream::prove(&wrong, &dataflow, &engines));
                if proved.is_ok() {
                    accepted.insert((kind, name, seed, node.name.clone()));
                }
            }
        }
        (met, accepted)
    };
    let models: Vec<(u64, Model)> = (0..).zip(models()).collect();
    let all: Vec<_> = models.into_par_iter().map(of_model).collect();
    let accepted: Vec<_> = all.iter().flat_map(|(_, accepted)| accepted).collect();
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
    let met: BTreeSet<_> = all.iter().flat_map(|(met, _)| met).copied().collect();
    let on_lines = ["Window", "Reader"]
        .iter()
        .flat_map(|kind| OF_LINES.iter().map(|(name, _)| (*kind, *name)));
    let missing: Vec<_> = on_lines
        .chain(OF_PRIMITIVES.iter().map(|(kind, name, _)| (*kind, *name)))
        .chain(PRIMITIVES.iter().map(|kind| (*kind, "bits")))
        .filter(|pair| !met.contains(pair))
        .collect();
    assert!(missing.is_empty(), "no graph has: {missing:?}");
}
