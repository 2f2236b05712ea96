//! Schedules are the best there are, of segments too, and pipelines run freely.

use proptest::prelude::*;
use std::collections::VecDeque;
use strassenc::circuit::{Circuit, Node, NodeId, Op, Term, Terms};
use strassenc::compile::{Options, compile};
use strassenc::device::DEVICES;
use strassenc::interval::Interval;
use strassenc::schedule::{self, Limit, Pipeline, Simulator, Source, Stage};
use strassenc_runtime::Format;
use strassenc_tests::{any_search, inputs, pipelines, random_model, recipes};

/// A random graph of operations; only its structure and its widths matter.
fn circuits() -> impl Strategy<Value = Circuit> {
    let node = (0u32..6, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1u32..=9);
    (1usize..=3, prop::collection::vec(node, 1..=6)).prop_map(|(inputs, nodes)| {
        let mut circuit = Circuit {
            name: "random".into(),
            input_format: Format { signed: false, bits: 1, frac: 0 },
            output_format: Format { signed: true, bits: 32, frac: 0 },
            loaded: false,
            nodes: vec![],
            inputs: (0..inputs as u32).map(NodeId).collect(),
            outputs: vec![],
        };
        let push = |circuit: &mut Circuit, op, width| {
            let name = format!("n_{}", circuit.nodes.len());
            let interval = Interval::new(0, (1i64 << width) - 1);
            circuit.nodes.push(Node {
                name,
                op,
                interval,
                width,
                signed: false,
                inverted: false,
                origin: String::new(),
            });
        };
        for i in 0..inputs as u32 {
            push(&mut circuit, Op::Input(i), 4);
        }
        for (kind, a, b, width) in nodes {
            let n = circuit.nodes.len();
            let [a, b] = [a, b].map(|index| NodeId(index.index(n) as u32));
            let op = match kind {
                0 => Op::Multiply { x: a, coefficient: 3, coefficient_bits: 4, shift: 0, row: 0 },
                1 => Op::Offset { x: Term::plain(a), constant: 0, shift: 1 },
                2 => Op::Offset { x: Term::plain(a), constant: 1, shift: 0 },
                3 => Op::Clamp { x: a, lo: 0, hi: 1 },
                4 => Op::Add(Terms::Two([Term::plain(a), Term::plain(b)])),
                _ => Op::Add(Terms::Three([a, b, NodeId(0)].map(Term::plain))),
            };
            push(&mut circuit, op, width);
        }
        let readers = circuit.readers();
        let unread =
            |i: &usize| readers[*i].is_empty() && !matches!(circuit.nodes[*i].op, Op::Input(_));
        circuit.outputs =
            (0..circuit.nodes.len()).filter(unread).map(|i| NodeId(i as u32)).collect();
        circuit
    })
}

/// So many additions, or a clock of a period from `least` picoseconds on, in which any node fits, to
/// twice that.
fn options(least: u32) -> impl Strategy<Value = schedule::Options> {
    let adders = (1u32..=3).prop_map(Limit::Adders);
    let clock = (least..=2 * least).prop_map(|period_ps| Limit::Clock {
        device: *DEVICES.iter().find(|device| device.name == "up5k").unwrap(),
        period_ps,
    });
    (prop_oneof![adders, clock], 1u32..=3)
        .prop_map(|(limit, multiplier_latency)| schedule::Options { limit, multiplier_latency })
}

/// The least register bits of all schedules of this latency, by trying them all.
fn least(
    circuit: &Circuit,
    options: &schedule::Options,
    pipeline: &mut Pipeline,
    from: usize,
) -> Option<u64> {
    if from == circuit.nodes.len() {
        return schedule::verify(circuit, pipeline, options)
            .is_ok()
            .then(|| pipeline.register_bits(circuit));
    }
    let op = &circuit.nodes[from].op;
    let first = op.operands().map(|x| pipeline.available[x.index()].0).max().unwrap_or(0);
    let last = if matches!(op, Op::Input(_)) { 0 } else { pipeline.stages() - 1 };
    let try_stage = |stage| {
        let mut pipeline = pipeline.clone();
        pipeline.available[from] = Stage(stage);
        least(circuit, options, &mut pipeline, from + 1)
    };
    (first..=last).filter_map(try_stage).min()
}

proptest! {
    #![proptest_config(strassenc_tests::property(300, 7))]

    #[test]
    fn no_schedule_of_any_latency_up_to_ours_is_better(
        circuit in circuits(),
        options in options(30_000),
    ) {
        let pipeline = schedule::schedule(&circuit, &options).unwrap();
        schedule::verify(&circuit, &pipeline, &options).unwrap();
        let all = |stages| {
            let leaves = vec![Stage(stages - 1); circuit.outputs.len()];
            let mut all = Pipeline { leaves, ..pipeline.clone() };
            least(&circuit, &options, &mut all, 0)
        };
        prop_assert_eq!(all(pipeline.stages()), Some(pipeline.register_bits(&circuit)));
        if pipeline.stages() > 1 {
            prop_assert_eq!(all(pipeline.stages() - 1), None);
        }
    }

    #[test]
    fn bubbles_change_nothing(
        recipe in recipes(),
        schedule in options(60_000),
        pattern in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let model = random_model(&recipe);
        let share = any_search(recipe.seed);
        let options = Options { schedule, share, ..Options::default() };
        let compiled = compile(&model, &options, &|_| {}, &|| false).unwrap();
        let layer = pipelines(&compiled)[0];
        let vectors = inputs(&model, 4, recipe.seed);
        let mut wanted = schedule::simulate(&layer.circuit, &layer.pipeline, &vectors).into_iter();
        let mut simulator = Simulator::new(&layer.circuit, &layer.pipeline);
        let mut offered = vectors.iter();
        // What was offered comes out as many clocks later as there are stages.
        let mut under_way = VecDeque::from(vec![false; layer.pipeline.stages() as usize]);
        for offer in pattern.into_iter().chain(vec![false; under_way.len()]) {
            let input = if offer { offered.next() } else { None };
            under_way.push_back(input.is_some());
            let due = if under_way.pop_front() == Some(true) { wanted.next() } else { None };
            prop_assert_eq!(simulator.clock(input.map(Vec::as_slice)), due);
        }
    }

    #[test]
    fn a_segment_is_one_pipeline(recipe in recipes(), options in options(60_000)) {
        let model = random_model(&recipe);
        let all = Options { schedule: options, ..Options::default() };
        let compiled = compile(&model, &all, &|_| {}, &|| false).unwrap();
        let layers: Vec<_> = pipelines(&compiled).iter().map(|l| (&l.circuit, &l.pipeline)).collect();
        schedule::verify_segment(&layers, Source::Registers, &options).unwrap();
        let alone = |(circuit, _): &(&Circuit, _)| {
            schedule::schedule(circuit, &options).unwrap().stages()
        };
        let latency = layers.last().unwrap().1.stages();
        prop_assert!(latency <= layers.iter().map(alone).sum());
        // One stage less between two layers is seen.
        for (i, (circuit, pipeline)) in layers.iter().enumerate().skip(1) {
            let mut early = (*pipeline).clone();
            let at = circuit.inputs[0].index();
            let Some(before) = early.available[at].0.checked_sub(1) else { continue };
            early.available[at] = Stage(before);
            let mut changed = layers.clone();
            changed[i].1 = &early;
            prop_assert!(schedule::verify_segment(&changed, Source::Registers, &options).is_err());
        }
    }
}

#[test]
fn the_first_result_comes_after_the_latency_and_then_one_each_clock() {
    let recipe = strassenc_tests::Recipe { seed: 1, ..strassenc_tests::models::small() };
    let model = random_model(&recipe);
    let compiled = compile(&model, &Options::default(), &|_| {}, &|| false).unwrap();
    let layer = pipelines(&compiled)[0];
    let mut simulator = Simulator::new(&layer.circuit, &layer.pipeline);
    let x = vec![0; model.input.elements()];
    let outputs: Vec<bool> =
        (0..layer.pipeline.stages() + 5).map(|_| simulator.clock(Some(&x)).is_some()).collect();
    assert_eq!(outputs.iter().position(|output| *output), Some(layer.pipeline.stages() as usize));
    assert!(outputs[layer.pipeline.stages() as usize..].iter().all(|output| *output));
}
