//! Golden = the emitted Verilog in Verilator, bit for bit, on random models with random gaps, back
//! pressure and pauses.

use proptest::prop_oneof;
use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::{RngSeed, TestRunner};
use rayon::prelude::*;
use strassenc::circuit::Op;
use strassenc::compile::{self, compile};
use strassenc::emit::{self, Emitted, emit};
use strassenc::engine::{Allowed, Choice, Target};
use strassenc::figures::Figures;
use strassenc::multipliers::Multipliers;
use strassenc::schedule;
use strassenc::simulate::{Options, Simulator, Sources};
use strassenc_runtime::{Model, golden, model_file};
use strassenc_tests::{any_streams, inputs, pipelines, random_model, recipes, tools};

/// Models that are built and simulated; each costs some seconds of the C++ compiler, the first
/// time.
const MODELS: usize = 50;

fn emitted(
    model: &Model,
    asked: compile::Options,
    options: &emit::Options,
    (multipliers, half): (Multipliers, bool),
) -> Emitted {
    let compiled = compile(model, &asked, &|_| {}, &|| false).unwrap();
    let layers = pipelines(&compiled);
    let ops = layers.iter().flat_map(|layer| &layer.circuit.nodes).map(|node| node.op);
    let (hard, soft): (Vec<Op>, Vec<Op>) = ops
        .filter(Op::is_multiplier)
        .partition(|op| matches!(op, Op::Product { .. } | Op::Multiply { coefficient: 0, .. }));
    let dsp_budget = half.then_some(hard.len() + soft.len() / 2);
    let asked = compile::Options { multipliers, dsp_budget, ..asked };
    emit(&compile(model, &asked, &|_| {}, &|| false).unwrap(), options).unwrap()
}

/// A dense network at a tenth of its clock: fewer multipliers, used in turn, and golden's outputs.
#[test]
fn digits_are_folded_where_few_frames_are_asked_for() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../runtime/models/digits.safetensors");
    let model = model_file::load(&file).unwrap();
    let vectors = inputs(&model, 30, 1);
    let expected: Vec<_> = vectors.iter().map(|v| golden::infer(&model, v).unwrap()).collect();
    let of = |fps: Option<f64>, engine| {
        let target = Target { fps, engine, ..Target::default() };
        let asked = compile::Options { target, ..Default::default() };
        let compiled = compile(&model, &asked, &|_| {}, &|| false).unwrap();
        let emitted = emit(&compiled, &emit::Options::default()).unwrap();
        let simulator =
            Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &tools).unwrap();
        for backpressure in [false, true] {
            let options = Options { gaps: backpressure, backpressure, ..Options::default() };
            let run = simulator.run(&vectors, &options).unwrap();
            assert_eq!(run.outputs, expected);
            run.check_promises(&emitted.signature).unwrap();
        }
        (emitted.signature.ii, Figures::new(&compiled, target.clock()).unwrap().layers)
    };
    let (ii, layers) = of(Some(1e6), Allowed::Auto);
    assert!((20..=200).contains(&ii), "{ii}");
    let multipliers: usize = layers.iter().flat_map(|layer| &layer.products).map(|p| p.count).sum();
    assert!(multipliers < 10, "{multipliers}");
    let (_, layers) = of(None, Allowed::Folded);
    assert!(layers.iter().all(|layer| matches!(layer.engine.choice, Choice::Folded(_))));
}

/// All hardware, all shifts and additions, or half of each where products of two operands allow it.
fn arrays() -> impl Strategy<Value = (Multipliers, bool)> {
    prop_oneof![
        Just((Multipliers::Dsp, false)),
        Just((Multipliers::ShiftAdd, false)),
        Just((Multipliers::Auto, true))
    ]
}

#[test]
fn random_networks_compute_in_verilator_what_golden_does() {
    let mut runner = TestRunner::new(proptest::test_runner::Config {
        rng_seed: RngSeed::Fixed(50),
        ..Default::default()
    });
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
            let options =
                emit::Options { frames, clock_enable: *clock_enable, ..Default::default() };
            let schedule = schedule::Options {
                limit: schedule::Limit::Adders(adders_per_stage),
                multiplier_latency,
            };
            let asked = compile::Options { schedule, input, output, ..Default::default() };
            let emitted = emitted(&model, asked, &options, *array);
            let simulator =
                Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &tools)
                    .unwrap();
            let vectors = inputs(&model, 60, recipe.seed);
            let expected: Vec<_> =
                vectors.iter().map(|v| golden::infer(&model, v).unwrap()).collect();
            for (gaps, backpressure, pauses, resets) in [
                (false, false, false, false),
                (true, false, false, false),
                (false, true, false, true),
                (true, true, true, true),
            ] {
                let options = Options {
                    seed: recipe.seed,
                    gaps,
                    backpressure,
                    pauses: pauses && *clock_enable,
                    resets,
                    ..Options::default()
                };
                let run = simulator
                    .run(&vectors, &options)
                    .unwrap_or_else(|e| panic!("{e}\n{recipe:?} {options:?}"));
                assert_eq!(run.outputs, expected, "{recipe:?} {options:?}");
                run.check_promises(&emitted.signature).unwrap();
                assert_eq!(run.ii.is_some(), options.full_rate());
            }
            4 * vectors.len()
        })
        .sum();
    println!("{MODELS} networks, {vectors} vectors");
}
