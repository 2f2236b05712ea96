//! A circuit or pipeline that was made wrong is refused, or still computes what golden does.

use ndarray::{Array1, Array2};
use proptest::prelude::*;
use proptest::sample::Index;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc::circuit::{self, Circuit, NodeId, Op, Term, Terms};
use strassenc::compile::{Compiled, Options, compile};
use strassenc::interval::Interval;
use strassenc::multipliers::Multipliers;
use strassenc::schedule::{self, Pipeline, Stage};
use strassenc_runtime::model::{Dense, Edge, Layer, Output, Provenance};
use strassenc_runtime::{Format, Model, golden};
use strassenc_tests::{any_search, chains, inputs, models, pipelines, random_model, recipes};

/// What a broken pass might do to a circuit.
#[derive(Clone, Debug)]
enum Fault {
    /// Subtracts instead of adding, or the reverse.
    Sign,
    /// Another coefficient or constant.
    Constant(i64),
    /// Another shift.
    Shift(i32),
    /// Another operand.
    Rewire(Index),
    /// A signal that is one bit too narrow.
    Width,
    /// A declared interval that is too small.
    Interval,
    /// Two outputs exchanged.
    Outputs(Index),
    /// A clamp left out.
    Clamp,
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Sign),
        prop_oneof![-3i64..0, 1i64..=3].prop_map(Fault::Constant),
        prop_oneof![Just(-1), Just(1)].prop_map(Fault::Shift),
        any::<Index>().prop_map(Fault::Rewire),
        Just(Fault::Width),
        Just(Fault::Interval),
        any::<Index>().prop_map(Fault::Outputs),
        Just(Fault::Clamp),
    ]
}

/// Puts the fault at the first node from `place` on that it fits; whether there is one.
fn inject(circuit: &mut Circuit, fault: &Fault, place: Index) -> bool {
    let start = place.index(circuit.nodes.len());
    let readers = circuit.readers();
    for i in (start..circuit.nodes.len()).chain(0..start) {
        let is_output = circuit.outputs.contains(&NodeId(i as u32));
        if readers[i].is_empty() && !is_output {
            continue;
        }
        let node = &mut circuit.nodes[i];
        let done = match (fault, &mut node.op) {
            (
                Fault::Sign,
                Op::Add(Terms::Two([.., t]) | Terms::Three([.., t]))
                | Op::Offset { x: t, .. }
                | Op::Scale { x: t, .. },
            ) => {
                t.negate = !t.negate;
                true
            }
            (
                Fault::Constant(by),
                Op::Multiply { coefficient: v, .. }
                | Op::Offset { constant: v, .. }
                | Op::Constant(v),
            ) => {
                *v += by;
                true
            }
            (
                Fault::Shift(by),
                Op::Multiply { shift, .. } | Op::Scale { shift, .. } | Op::Offset { shift, .. },
            ) => {
                *shift += by;
                true
            }
            (
                Fault::Rewire(to),
                Op::Add(
                    Terms::Two([Term { node: x, .. }, ..])
                    | Terms::Three([.., Term { node: x, .. }, _]),
                )
                | Op::Multiply { x, .. }
                | Op::Product { x, .. }
                | Op::Scale { x: Term { node: x, .. }, .. }
                | Op::Offset { x: Term { node: x, .. }, .. },
            ) => {
                let other = NodeId(to.index(i) as u32);
                let differs = *x != other;
                *x = other;
                differs
            }
            (Fault::Width, _) => {
                node.width -= 1;
                true
            }
            (Fault::Interval, op)
                if !matches!(op, Op::Input(_)) && node.interval.value().is_none() =>
            {
                node.interval = Interval::new(node.interval.lo, node.interval.hi - 1);
                node.width = node.width.min(node.interval.bits());
                node.signed = node.interval.signed();
                true
            }
            (Fault::Outputs(with), _) if is_output && circuit.outputs.len() > 1 => {
                let at = circuit.outputs.iter().position(|output| output.index() == i).unwrap();
                let with = with.index(circuit.outputs.len());
                circuit.outputs.swap(at, with);
                circuit.outputs[at] != circuit.outputs[with]
            }
            (Fault::Clamp, &mut Op::Clamp { x, .. }) => {
                let before = circuit.node(x).clone();
                let name = std::mem::take(&mut circuit.nodes[i].name);
                circuit.nodes[i] = before;
                circuit.nodes[i].name = name;
                true
            }
            _ => false,
        };
        if done {
            return true;
        }
    }
    false
}

fn compiled(recipe: &strassenc_tests::Recipe) -> Compiled {
    let multipliers = if recipe.seed & 512 == 0 { Multipliers::Dsp } else { Multipliers::ShiftAdd };
    let share = any_search(recipe.seed >> 8);
    let options = Options { share, multipliers, ..Options::default() };
    compile(&random_model(recipe), &options, &|_| {}, &|| false).unwrap()
}

/// The pipeline streams golden's outputs of the first layer.
fn agrees(compiled: &Compiled, circuit: &Circuit, pipeline: &Pipeline, seed: u64) -> bool {
    let model = &compiled.model;
    let vectors = inputs(model, 16, seed);
    let result = chains(&compiled.dataflow)[0].result();
    let golden = |x: &Vec<i64>| {
        let edge = &golden::trace(model, x).unwrap()[1];
        result.indices.iter().map(|&i| edge[i]).collect::<Vec<_>>()
    };
    schedule::simulate(circuit, pipeline, &vectors)
        == vectors.iter().map(golden).collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(strassenc_tests::property(2000, 6))]

    #[test]
    fn a_broken_circuit_is_refused(recipe in recipes(), fault in faults(), place: Index) {
        let compiled = compiled(&recipe);
        let mut circuit = pipelines(&compiled)[0].circuit.clone();
        prop_assume!(inject(&mut circuit, &fault, place));
        let accepted = circuit::verify(&circuit).is_ok()
            && circuit::prove(&circuit, chains(&compiled.dataflow)[0]).is_ok();
        if accepted {
            // Equal outputs may change places and, where they have no biases, be read for one
            // another; nothing else goes unseen.
            let pipeline = schedule::schedule(&circuit, &compiled.schedule).unwrap();
            prop_assert!(agrees(&compiled, &circuit, &pipeline, recipe.seed));
            let harmless = match fault {
                Fault::Outputs(_) => true,
                Fault::Rewire(_) => recipe.two_operands,
                _ => false,
            };
            prop_assert!(harmless, "{fault:?} is accepted");
        }
    }

    #[test]
    fn the_text_form_round_trips(recipe in recipes()) {
        for layer in pipelines(&compiled(&recipe)) {
            prop_assert_eq!(&layer.circuit.to_string().parse::<Circuit>().unwrap(), &layer.circuit);
        }
    }

    #[test]
    fn a_damaged_text_is_refused_or_another_circuit(
        recipe in recipes(),
        place: Index,
        byte in 9u8..127,
    ) {
        let mut text = pipelines(&compiled(&recipe))[0].circuit.to_string().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        // Not a panic; what is read can be verified without one.
        if let Ok(circuit) = String::from_utf8(text).unwrap().parse::<Circuit>() {
            let _ = circuit::verify(&circuit);
        }
    }

    #[test]
    fn a_broken_pipeline_is_refused(recipe in recipes(), later: bool, place: Index) {
        let compiled = compiled(&recipe);
        let layer = pipelines(&compiled)[0];
        let best = schedule::schedule(&layer.circuit, &compiled.schedule).unwrap();
        let mut pipeline = best.clone();
        let Stage(stage) = &mut pipeline.available[place.index(layer.circuit.nodes.len())];
        prop_assume!(later || *stage > 0);
        *stage = if later { *stage + 1 } else { *stage - 1 };
        if schedule::verify(&layer.circuit, &pipeline, &compiled.schedule).is_ok() {
            prop_assert!(agrees(&compiled, &layer.circuit, &pipeline, recipe.seed));
            let bits = |pipeline: &Pipeline| pipeline.register_bits(&layer.circuit);
            prop_assert!(bits(&pipeline) >= bits(&best));
        }
    }
}

#[test]
fn a_fault_is_named_with_its_pass_layer_and_node() {
    let recipe = models::small();
    let compiled = compiled(&recipe);
    let layer = pipelines(&compiled)[0];
    let broken = |change: &dyn Fn(&mut Circuit)| {
        let mut circuit = layer.circuit.clone();
        change(&mut circuit);
        circuit::verify(&circuit)
            .and_then(|()| circuit::prove(&circuit, chains(&compiled.dataflow)[0]))
            .unwrap_err()
            .to_string()
    };
    let multiplier = layer.circuit.nodes.iter().position(|node| node.name == "m_1").unwrap();
    let text = broken(&|circuit| circuit.nodes[multiplier].width -= 1);
    assert_eq!(
        text,
        "error[internal]: circuit of layer `dense_0`, node `m_1`: is 6 bits wide, which `wc_add_0` \
         needs more of\n  help: this is a bug in strassenc: please report it"
    );
    let text = broken(&|circuit| {
        let Op::Multiply { coefficient, .. } = &mut circuit.nodes[multiplier].op else {
            panic!("m_1 multiplies")
        };
        *coefficient = -*coefficient;
        circuit.nodes[multiplier].interval = Interval::new(-99, 99);
    });
    assert_eq!(
        text,
        "error[mismatch]: circuit of layer `dense_0`: the product of row 1 has another coefficient \
         of x_0"
    );
}

#[test]
fn the_text_form_is_as_people_have_read_it() {
    let compiled = compiled(&models::small());
    let told: String =
        pipelines(&compiled).iter().map(|layer| format!("{}\n", layer.circuit)).collect();
    strassenc_tests::snapshot("small.circuit", &told);
}

/// A layer that is a ternary matrix: products by 1, or -1, no biases.
fn matrix(seed: u64, n: usize) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let layer = Dense {
        name: "matrix".into(),
        budget: n,
        w_b: Array2::from_shape_fn((n, n), |_| rng.random_range(-1..=1)),
        coefficients: Array1::from_shape_fn(n, |i| if i % 3 == 0 { -1 } else { 1 }),
        coefficient_bits: 2,
        coefficient_shifts: Array1::zeros(n),
        product_frac: 0,
        w_c: Array2::eye(n),
        bias: Array1::zeros(n),
        output: Output::Raw,
    };
    let format = Format { signed: true, bits: 8, frac: 0 };
    let input = Edge { shape: vec![n], format };
    let layers = vec![Layer::Dense(layer)];
    Model { name: "matrix".into(), input, layers, provenance: Provenance::default() }
}

proptest! {
    #![proptest_config(strassenc_tests::property(60, 6))]

    #[test]
    fn next_to_no_sum_of_a_matrix_without_biases_is_negated(seed: u64, n in 10usize..20) {
        let model = matrix(seed, n);
        let share = any_search(seed);
        let multipliers = Multipliers::ShiftAdd;
        let options = Options { share, multipliers, ..Options::default() };
        let compiled = compile(&model, &options, &|_| {}, &|| false).unwrap();
        let layer = pipelines(&compiled)[0];
        prop_assert!(agrees(&compiled, &layer.circuit, &layer.pipeline, seed));
        let negated = |op: &Op| matches!(op, Op::Offset { x, .. } if x.negate);
        // An input alone may be, and an output from which another one is made.
        let of_sum = |op: &Op| op.operands().all(|x| is_sum(&layer.circuit, x));
        prop_assert!(layer.circuit.count(|op| negated(op) && of_sum(op)) <= 2);
    }
}

/// Whether a node is a sum, or the shift of one.
fn is_sum(circuit: &Circuit, id: NodeId) -> bool {
    match circuit.node(id).op {
        Op::Add(_) => true,
        Op::Scale { x, .. } => is_sum(circuit, x.node),
        _ => false,
    }
}
