//! Networks over images, level by level: golden = image IR = folded engines = Verilog, for any shapes and any engines; the
//! timing of the stream graph = the clocks of Verilator.

use strassenc::compile::images::{CompiledImages, LayerEngine, Options, compile};
use strassenc::emit::{self, images::emit};
use strassenc::ir::images::{self, Kind};
use strassenc::simulate::{self, Simulator, Sources};
use strassenc::{adder_graph, lower, schedule};
use strassenc_runtime::{Model, golden};
use strassenc_tests::{image_model, inputs, random_engines, tools};

fn compiled(model: &Model, seed: u64, beat_elements: Option<usize>) -> CompiledImages {
    let images = lower::images::lower(model).unwrap();
    let options = Options { engines: random_engines(&images, seed), beat_elements, ..Options::default() };
    let share = |problem: strassenc::compile::Problem| adder_graph::share(problem.matrix, &Default::default());
    compile(model, &options, &share, &|_| {}, &|| false).unwrap()
}

#[test]
fn the_image_ir_computes_what_golden_does() {
    for seed in 0..400 {
        let model = image_model(seed);
        let lowered = lower::images::lower(&model).unwrap();
        images::verify(&lowered).unwrap();
        for x in inputs(&model, 6, seed).into_iter().take(30) {
            let edges = images::interpret(&lowered, &x).unwrap();
            assert_eq!(edges.last(), Some(&golden::infer(&model, &x).unwrap()), "seed {seed}");
            for (edge, values) in lowered.edges.iter().zip(&edges) {
                for (i, v) in values.iter().enumerate() {
                    assert!(edge.intervals[i % edge.shape.channels].contains(*v), "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn every_engine_computes_what_its_layer_does() {
    let mut folded = 0;
    for seed in 0..150 {
        let model = image_model(seed);
        let compiled = compiled(&model, seed, None);
        for x in inputs(&model, 2, seed).into_iter().rev().take(4) {
            let edges = images::interpret(&compiled.images, &x).unwrap();
            assert_eq!(compiled.evaluate(&x).unwrap(), edges, "seed {seed}");
            for (number, layer) in compiled.layers.iter().enumerate() {
                let ir = &compiled.images.layers[number];
                let (Kind::Spn(kernel), LayerEngine::Unrolled(layer)) = (&ir.kind, layer) else { continue };
                let from = &edges[ir.reads[0].index()];
                let windows: Vec<_> =
                    kernel.windows.iter().map(|(y, x)| kernel.windows.read(from, ir.input, y, x, 0)).collect();
                let patches = schedule::simulate(&layer.circuit, &layer.pipeline, &windows);
                let z = kernel.place(compiled.images.yields(number).shape, &patches);
                assert_eq!(z, edges[number + 1], "seed {seed}, layer {}", ir.name);
            }
        }
        folded += compiled.layers.iter().filter(|l| matches!(l, LayerEngine::Folded(_))).count();
    }
    assert!(folded > 100, "{folded}");
}

#[test]
fn any_engines_in_verilator_compute_what_golden_does_at_the_clocks_of_the_timing() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    for seed in 0..std::env::var("N").map_or(40, |n| n.parse().unwrap()) {
        let model = image_model(seed);
        let compiled = compiled(&model, seed, (seed % 3 == 0).then_some(1));
        let emitted = emit(&compiled, &emit::Options { clock_enable: seed % 4 == 1, ..Default::default() }).unwrap();
        let sources = Sources::from(&emitted);
        simulate::lint(&sources, &tools).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let vectors: Vec<Vec<i64>> = inputs(&model, 6, seed).into_iter().rev().take(8).collect();
        let expected: Vec<_> = vectors.iter().map(|v| golden::infer(&model, v).unwrap()).collect();
        for pauses in [false, true] {
            let options = simulate::Options { gaps: pauses, backpressure: pauses, pauses, ..Default::default() };
            let run = simulator.run(&vectors, &options).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            assert_eq!(run.outputs, expected, "seed {seed}");
            run.check_promises(&emitted.signature).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
    }
}
