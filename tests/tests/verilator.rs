//! Golden = the emitted Verilog in Verilator, bit for bit, on random models with random gaps, back pressure and pauses.

use proptest::prop_oneof;
use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::{RngSeed, TestRunner};
use rayon::prelude::*;
use strassenc::circuit::Op;
use strassenc::compile::{self, compile};
use strassenc::emit::{self, Emitted, emit};
use strassenc::multipliers::{self, Multipliers};
use strassenc::schedule;
use strassenc::simulate::{Options, Simulator, Sources};
use strassenc_runtime::{Model, golden};
use strassenc_tests::{any_streams, inputs, random_model, recipes, tools};

/// Models that are built and simulated; each costs some seconds of the C++ compiler, the first time.
const MODELS: usize = 50;

fn emitted(
    model: &Model,
    schedule: schedule::Options,
    options: &emit::Options,
    (multipliers, half): (Multipliers, bool),
) -> Emitted {
    let options_of_compile = compile::Options { schedule, ..Default::default() };
    let mut compiled = compile(model, &options_of_compile, &|_| {}, &|| false).unwrap();
    let ops = compiled.layers.iter().flat_map(|layer| &layer.circuit.nodes).map(|node| node.op);
    let (hard, soft): (Vec<Op>, Vec<Op>) = ops
        .filter(Op::is_multiplier)
        .partition(|op| matches!(op, Op::Product { .. } | Op::Multiply { coefficient: 0, .. }));
    let budget = half.then_some(hard.len() + soft.len() / 2);
    multipliers::choose(&mut compiled, multipliers, budget).unwrap();
    emit(&compiled, options).unwrap()
}

/// All hardware, all shifts and additions, or half of each where products of two operands allow it.
fn arrays() -> impl Strategy<Value = (Multipliers, bool)> {
    prop_oneof![Just((Multipliers::Dsp, false)), Just((Multipliers::ShiftAdd, false)), Just((Multipliers::Auto, true))]
}

#[test]
fn random_networks_compute_in_verilator_what_golden_does() {
    let mut runner =
        TestRunner::new(proptest::test_runner::Config { rng_seed: RngSeed::Fixed(50), ..Default::default() });
    let any = (recipes(), 1u32..=4, 1u32..=4, 0u64..1000, proptest::bool::ANY, arrays());
    let cases: Vec<_> = (0..MODELS).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let vectors: usize = cases
        .par_iter()
        .map(|(recipe, adders_per_stage, multiplier_latency, streams, clock_enable, array)| {
            let (adders_per_stage, multiplier_latency) = (*adders_per_stage, *multiplier_latency);
            let model = random_model(recipe);
            let ([input, output], frames) = any_streams(*streams);
            let options = emit::Options { input, output, frames, clock_enable: *clock_enable, command: String::new() };
            let schedule = schedule::Options { adders_per_stage, multiplier_latency };
            let emitted = emitted(&model, schedule, &options, *array);
            let simulator = Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &tools).unwrap();
            let vectors = inputs(&model, 60, recipe.seed);
            let expected: Vec<_> = vectors.iter().map(|v| golden::infer(&model, v).unwrap()).collect();
            for (gaps, backpressure, pauses) in
                [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
            {
                let options =
                    Options { seed: recipe.seed, gaps, backpressure, pauses: pauses && *clock_enable, threads: 1 };
                let run = simulator.run(&vectors, &options).unwrap_or_else(|e| panic!("{e}\n{recipe:?} {options:?}"));
                assert_eq!(run.outputs, expected, "{recipe:?} {options:?}");
                run.check_promises(&emitted.signature).unwrap();
                assert_eq!(run.ii.is_some(), options.full_rate());
            }
            4 * vectors.len()
        })
        .sum();
    println!("{MODELS} networks, {vectors} vectors");
}
