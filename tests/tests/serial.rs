//! Layers in digits: they compute what golden does, whatever the interval and however words come,
//! and nothing of one can be changed unseen.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use strassenc::adder_graph::{self, Operands, Terms};
use strassenc::circuit;
use strassenc::compile::{Compiled, Options, SerialLayer, compile, plan};
use strassenc::device::DEVICES;
use strassenc::emit::{self, emit};
use strassenc::engine::{Allowed, Choice, Target};
use strassenc::multipliers::Multipliers;
use strassenc::schedule::{self, Limit};
use strassenc::serial::{self, Form, Node, NodeId, Op, Serial, Simulator};
use strassenc::simulate::{self, Sources};
use strassenc_runtime::{Model, Network, golden, model_file, random};
use strassenc_tests::models::{LayerRecipe, small};
use strassenc_tests::{
    Recipe, any_streams, image_model, inputs, property, random_model, recipes, tools,
};

/// Digits wherever there may be any.
fn every(ii: u32) -> Target {
    Target { ii: Some(ii), engine: Allowed::Serial, ..Target::default() }
}

/// Sums of three terms for every other interval.
fn share(ii: u32) -> adder_graph::Options {
    let operands = if ii.is_multiple_of(2) { Operands::Three } else { Operands::Two };
    adder_graph::Options { operands, ..adder_graph::Options::default() }
}

fn compiled(model: &Model, ii: u32, multipliers: Multipliers) -> Compiled {
    let share = share(ii);
    let options = Options { target: every(ii), multipliers, share, ..Options::default() };
    compile(model, &options, &|_| {}, &|| false).unwrap()
}

/// The layers of a network that are in digits.
fn layers(compiled: &Compiled) -> impl Iterator<Item = (usize, &SerialLayer)> {
    let all = compiled.layers.iter().enumerate();
    all.filter_map(|(i, layer)| layer.serial().map(|serial| (i, serial)))
}

/// Products of data have no digits.
fn linear() -> impl Strategy<Value = Recipe> {
    recipes().prop_filter("multiplies data", |recipe| !recipe.two_operands)
}

fn arrays() -> impl Strategy<Value = Multipliers> {
    prop_oneof![Just(Multipliers::Dsp), Just(Multipliers::ShiftAdd)]
}

proptest! {
    #![proptest_config(property(48, 23))]

    /// Words one right behind the other, then with gaps of any length.
    #[test]
    fn digits_are_the_layer(recipe in linear(), ii in 2u32..=20, array in arrays()) {
        let model = random_model(&recipe);
        let compiled = compiled(&model, ii, array);
        let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
        let vectors = inputs(&model, 12, recipe.seed);
        let mut windows: Vec<Vec<Vec<i64>>> = vec![vec![]; compiled.layers.len()];
        for vector in &vectors {
            let edges = compiled.evaluate(vector).unwrap();
            prop_assert_eq!(edges.last().unwrap(), &golden::infer(&model, vector).unwrap());
            for (windows, x) in windows.iter_mut().zip(edges) {
                windows.push(x);
            }
        }
        for (i, layer) in layers(&compiled) {
            let due: Vec<_> =
                windows[i].iter().map(|x| compiled.compute(i, x).unwrap()).collect();
            let SerialLayer { circuit, serial, .. } = layer;
            prop_assert_eq!(serial::simulate(circuit, serial, &windows[i]), due.clone());
            let (mut simulator, mut got) = (Simulator::new(circuit, serial), vec![]);
            for x in &windows[i] {
                for clock in 0..ii + rng.random_range(0..6) {
                    got.extend(simulator.clock(Some(x.as_slice()).filter(|_| clock == 0)));
                }
            }
            got.extend((0..serial.latency).filter_map(|_| simulator.clock(None)));
            prop_assert_eq!(got, due);
        }
    }
}

/// Products take turns in as few multipliers as an interval leaves room for.
#[test]
fn products_share_multipliers() {
    let layer = LayerRecipe { rows: 20, ..small().layers[0].clone() };
    let model = random_model(&Recipe { inputs: 6, layers: vec![layer], ..small() });
    for ii in [2, 3, 8, 20, 40] {
        let compiled = compiled(&model, ii, Multipliers::Dsp);
        let (_, SerialLayer { circuit, serial, .. }) = layers(&compiled).next().unwrap();
        let rows = circuit.count(|op| op.is_multiplier());
        let made = serial.multipliers(circuit);
        assert!(rows > 10);
        assert_eq!(made.iter().map(|m| m.rows.len()).sum::<usize>(), rows);
        assert_eq!(made.len(), rows.div_ceil(ii as usize), "{ii}");
    }
}

/// What a mutation changes, as people read it, and the layers that come of it.
fn mutations(of: &Serial) -> Vec<(String, Serial)> {
    let mut all = vec![];
    let mut add = |what: String, change: &dyn Fn(&mut Serial)| {
        let mut other = of.clone();
        change(&mut other);
        if other != *of {
            all.push((what, other));
        }
    };
    add("latency".into(), &|s| s.latency += 1);
    add("multiplier latency".into(), &|s| s.multiplier_latency += 1);
    add("an output".into(), &|s| s.outputs.rotate_left(1));
    let digits = |node: &Node| if let Op::Gather { digits, .. } = node.op { digits } else { 0 };
    let most = of.nodes.iter().map(digits).max().unwrap_or(0);
    if most > 0 {
        add("interval".into(), &|s| s.interval = most - 1);
    }
    for (id, node) in of.iter() {
        let i = id.index();
        let kind = format!("{:?}", node.op);
        let kind = kind.split([' ', '(']).next().unwrap_or_default().to_string();
        let mut of_node = |what: &str, change: &dyn Fn(&mut Node)| {
            add(format!("{kind}, {what}"), &|s| change(&mut s.nodes[i]));
        };
        of_node("what it stands for", &|n| n.of = circuit::NodeId(n.of.0 ^ 1));
        of_node("clock", &|n| n.begins += 1);
        of_node("clock, earlier", &|n| n.begins = n.begins.wrapping_sub(1));
        of_node("bits", &|n| match &mut n.form {
            Form::Parallel(bits) | Form::Serial(bits) => *bits -= 1,
        });
        of_node("form", &|n| match n.form {
            Form::Parallel(bits) => n.form = Form::Serial(bits),
            Form::Serial(bits) => n.form = Form::Parallel(bits),
        });
        of_node("shift", &|n| n.shift += 1);
        of_node("what it reads", &|n| match &mut n.op {
            Op::Add { terms, .. } => terms[0] = NodeId(terms[0].0 ^ 1),
            Op::Parallel(Some(x))
            | Op::Digits { x, .. }
            | Op::Shift { x, .. }
            | Op::Delay(x)
            | Op::Gather { x, .. }
            | Op::Multiply { x, .. } => *x = NodeId(x.0 ^ 1),
            Op::Constant | Op::Parallel(None) => {}
        });
        of_node("sign", &|n| {
            if let Op::Add { negates, .. } = &mut n.op {
                let last = negates.len() - 1;
                negates[last] = !negates[last];
            }
        });
        of_node("terms", &|n| {
            if let Op::Add { terms, .. } = &mut n.op {
                *terms = Terms::Two([terms[0], terms[1]]);
            }
        });
        of_node("strobe", &|n| match &mut n.op {
            Op::Add { restarts: clock, .. }
            | Op::Digits { holds: clock, .. }
            | Op::Shift { clears: clock, .. } => *clock += 1,
            _ => {}
        });
        of_node("digits", &|n| {
            if let Op::Gather { digits, .. } | Op::Multiply { digits, .. } = &mut n.op {
                *digits -= 1;
            }
        });
        of_node("multiplier", &|n| {
            if let Op::Multiply { multiplier, .. } = &mut n.op {
                *multiplier ^= 1;
            }
        });
    }
    all
}

/// A constant may come in any clock, and leaves in all; what it is made by may stand elsewhere.
#[test]
fn every_mutation_is_refused() {
    let mut runner = TestRunner::new(property(1, 24));
    let any = (linear(), 2u32..=12, arrays());
    let cases: Vec<_> = (0..24).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    let met: BTreeSet<String> = cases
        .par_iter()
        .flat_map_iter(|(recipe, ii, array)| {
            let compiled = compiled(&random_model(recipe), *ii, *array);
            let mut met = vec![];
            for (_, SerialLayer { circuit, serial, .. }) in layers(&compiled) {
                serial::verify(circuit, serial).unwrap();
                for (what, other) in mutations(serial) {
                    let constants = circuit
                        .outputs
                        .iter()
                        .all(|id| matches!(circuit.node(*id).op, circuit::Op::Constant(_)));
                    let same = circuit.outputs.windows(2).all(|pair| pair[0] == pair[1]);
                    if (constants && what == "latency") || (same && what == "an output") {
                        continue;
                    }
                    match serial::verify(circuit, &other) {
                        Err(_) => met.push(what),
                        // What is left is still what golden computes.
                        Ok(()) => assert!(is_sound(circuit, &other), "{what}: {recipe:?}, {ii}"),
                    }
                }
            }
            met
        })
        .collect();
    for what in [
        "latency",
        "multiplier latency",
        "an output",
        "interval",
        "Parallel, bits",
        "Digits, strobe",
        "Digits, clock",
        "Add, sign",
        "Add, strobe",
        "Add, clock",
        "Add, clock, earlier",
        "Add, what it reads",
        "Add, terms",
        "Shift, strobe",
        "Shift, shift",
        "Constant, what it stands for",
        "Delay, clock",
        "Gather, digits",
        "Gather, bits",
        "Gather, clock",
        "Multiply, what it reads",
        "Multiply, digits",
        "Multiply, clock",
        "Multiply, multiplier",
    ] {
        assert!(met.contains(what), "{what} is not among {met:?}");
    }
}

/// Whether the layer computes its circuit for random words.
fn is_sound(circuit: &circuit::Circuit, serial: &Serial) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let words: Vec<Vec<i64>> = (0..8)
        .map(|_| {
            let of = |id: &circuit::NodeId| {
                let within = circuit.node(*id).interval;
                rng.random_range(within.lo..=within.hi)
            };
            circuit.inputs.iter().map(of).collect()
        })
        .collect();
    let due: Vec<Vec<i64>> = words
        .iter()
        .map(|x| {
            let values = circuit::evaluate(circuit, x).unwrap();
            circuit.outputs.iter().map(|id| values[id.index()]).collect()
        })
        .collect();
    serial::simulate(circuit, serial, &words) == due
}

/// Networks that are built and simulated.
const MODELS: usize = 5;
const IMAGES: u64 = 2;

#[test]
fn digits_compute_in_verilator_what_golden_does() {
    let mut runner = TestRunner::new(property(1, 25));
    let any = (linear(), 2u32..=18, 0u64..1000, any::<bool>(), arrays());
    let cases: Vec<_> = (0..MODELS).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let vectors = cases.into_iter().map(|(recipe, ii, streams, clken, array)| {
        (random_model(&recipe), recipe.seed, ii, streams, clken, array)
    });
    let images = (0..IMAGES).map(|i| (image_model(i), i, 2 + i as u32, i, false, Multipliers::Dsp));
    let cases: Vec<_> = vectors.chain(images).collect();
    cases.par_iter().for_each(|(model, seed, ii, streams, clock_enable, array)| {
        let seed = *seed;
        let ([input, output], frames) = any_streams(*streams);
        let target = every(*ii);
        let (multipliers, share) = (*array, share(*ii));
        let options = Options { target, multipliers, share, input, output, ..Options::default() };
        let compiled = compile(model, &options, &|_| {}, &|| false).unwrap();
        let options = emit::Options { frames, clock_enable: *clock_enable, ..Default::default() };
        let emitted = emit(&compiled, &options).unwrap();
        let sources = Sources::from(&emitted);
        simulate::lint(&sources, &tools).unwrap();
        let simulator =
            simulate::Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let vectors = inputs(model, 30, seed);
        let due: Vec<_> = vectors.iter().map(|v| golden::infer(model, v).unwrap()).collect();
        for (gaps, backpressure, pauses, resets) in
            [(false, false, false, false), (true, true, *clock_enable, true)]
        {
            let plain = simulate::Options::default();
            let options = simulate::Options { seed, gaps, backpressure, pauses, resets, ..plain };
            let run = simulator.run(&vectors, &options).unwrap();
            assert_eq!(run.outputs, due, "{}, {ii}, {options:?}", model.name);
            run.check_promises(&emitted.signature).unwrap();
        }
        if layers(&compiled).next().is_some() {
            assert!(emitted.signature.ii >= *ii, "{} for {ii}", emitted.signature.ii);
        }
    });
}

/// Sums may wrap, and then read no more of a word than they keep.
#[test]
fn words_that_are_read_in_part_are_clean_verilog() {
    let text = r#"
name = "wraps"
input = { shape = [4], bits = 8, frac = 0 }
layers = [{ dense = { units = 3, r = 6 } }, "relu", { dense = { units = 3, r = 7 } }]
bits = { activations = 8, coefficients = 8, guard = 0, coefficient_terms = 0 }
"#;
    let network = Network::parse("wraps.toml", text).unwrap();
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let images = random::images(&network.inputs(), 64, 1);
    (1..=8).into_par_iter().for_each(|seed| {
        let drawn = random::Options { density: 0.3, seed, data: None };
        let never = || false;
        let made = random::random(&network, &images, &drawn, &|_, _| (), random::Stop(&never));
        let model = made.unwrap().model;
        for (ii, multipliers) in [(4, Multipliers::ShiftAdd), (8, Multipliers::Dsp)] {
            let emitted = emit(&compiled(&model, ii, multipliers), &emit::Options::default());
            simulate::lint(&Sources::from(&emitted.unwrap()), &tools).unwrap();
        }
    });
}

/// Between two registers there is an addition of a digit, which no device has in half a nanosecond.
#[test]
fn digits_are_chosen_where_they_reach_the_clock() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/models/fashion-cnn.safetensors");
    let model = model_file::load(Path::new(path)).unwrap();
    for device in DEVICES {
        for (period_ps, due) in [(50_000, true), (500, false)] {
            let limit = Limit::Clock { device, period_ps };
            let schedule = schedule::Options { limit, ..schedule::Options::default() };
            let options = Options { schedule, ..Options::default() };
            let (_, engines) = plan(&model, &options).unwrap();
            let serial = engines.layers.values().any(|c| matches!(c, Choice::Serial { .. }));
            assert_eq!(serial, due, "{} with {period_ps} ps", device.name);
        }
    }
}
