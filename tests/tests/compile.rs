//! The passes as a whole: dead code, thread counts, interruption, figures.

use ndarray::{Array1, Array2, arr1, arr2};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use strassenc::adder_graph::{self, Operands};
use strassenc::compile::{
    Compiled, Options, Pass, Problem, Progress, compile, compile_until, compile_with,
};
use strassenc::engine::{Allowed, Engines, Target};
use strassenc::figures::Figures;
use strassenc::lower::{lower, prune};
use strassenc::{ir, schedule};
use strassenc_runtime::model::{Dense, Edge, Layer, Output, Provenance};
use strassenc_runtime::{Format, Kind, Model, golden, model_file};
use strassenc_tests::{
    Recipe, chains, described, image_model, models, pipelines, random_engines, random_model,
    recipes,
};

const U4: Format = Format { signed: false, bits: 4, frac: 0 };

fn dense(name: &str, w_b: Array2<i8>, w_c: Array2<i8>) -> Dense {
    let (r, n_out) = (w_b.nrows(), w_c.nrows());
    Dense {
        name: name.into(),
        budget: r,
        w_b,
        coefficients: Array1::from_elem(r, 3),
        coefficient_bits: 4,
        coefficient_shifts: Array1::zeros(r),
        product_frac: 0,
        w_c,
        bias: Array1::zeros(n_out),
        output: Output::Raw,
    }
}

fn requantised(layer: Dense) -> Dense {
    let shifts = Array1::from_elem(layer.outputs(), 2);
    Dense { output: Output::Requantised { shifts, format: U4 }, ..layer }
}

fn model(layers: Vec<Dense>) -> Model {
    let model = Model {
        name: "m".into(),
        input: Edge { shape: vec![layers[0].inputs()], format: U4 },
        layers: layers.into_iter().map(Layer::Dense).collect(),
        provenance: Provenance::default(),
    };
    model.validate().unwrap();
    model
}

/// Rows of W_b, and outputs, that are left of each layer.
fn left(model: &Model) -> Vec<(Vec<usize>, Vec<usize>)> {
    let dataflow = pruned(model);
    ir::verify(&dataflow).unwrap();
    let parts =
        |chain: &&ir::Chain| (chain.ops[0].result.indices.clone(), chain.result().indices.clone());
    chains(&dataflow).iter().map(parts).collect()
}

fn pruned(model: &Model) -> ir::Dataflow {
    let mut dataflow = lower(model).unwrap();
    prune(&mut dataflow, &|_| true);
    dataflow
}

#[test]
fn products_that_do_not_vary_or_that_nobody_reads_are_dead() {
    let w_b = arr2(&[[1, 0], [0, 0], [0, 1], [1, 1], [1, -1]]);
    let w_c = arr2(&[[1, 1, 1, 0, 1], [0, 0, 1, 0, -1]]);
    let mut layer = dense("a", w_b, w_c);
    layer.coefficients[2] = 0;
    layer.coefficient_shifts[4] = 8;
    // Row 0 is alive; 1 is a zero row of W_b, 2 has a zero coefficient, nobody reads 3, 4 always
    // rounds to 0.
    assert_eq!(left(&model(vec![layer])), [(vec![0], vec![0, 1])]);
}

#[test]
fn a_product_that_always_rounds_to_one_goes_into_the_bias() {
    // The hidden value is 12..=15, and 3 · 12 / 32 rounds to 1 as 3 · 15 / 32 does.
    let mut first = dense("first", arr2(&[[1]]), arr2(&[[1]]));
    first.bias[0] = 48;
    let mut second = dense("second", arr2(&[[1]]), arr2(&[[-1]]));
    second.coefficient_shifts[0] = 5;
    let model = model(vec![requantised(first), second]);
    assert_eq!(left(&model)[1], (vec![], vec![0]));
    for x in 0..16 {
        assert_eq!(golden::infer(&model, &[x]).unwrap(), [-1]);
        assert_eq!(ir::interpret(&pruned(&model), &[x]).unwrap().last(), Some(&vec![-1]));
    }
}

#[test]
fn death_spreads_through_layers_both_ways() {
    // Of the first layer's outputs, 0 is read by a row that is read; 1 by a row that nobody reads;
    // 2 by nobody; 3 is always saturated, and read: its part of the second layer's first product is
    // a constant.
    let mut first = dense("first", Array2::eye(4), Array2::eye(4));
    first.bias = arr1(&[0, 0, 0, 1000]);
    let mut second = dense(
        "second",
        arr2(&[[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]]),
        arr2(&[[1, 0, 1], [0, 0, 0]]),
    );
    second.bias = arr1(&[0, 7]);
    let model = model(vec![requantised(first), second]);
    assert_eq!(left(&model), [(vec![0], vec![0]), (vec![0], vec![0, 1])]);
    let dataflow = pruned(&model);
    let last = &chains(&dataflow)[1].ops[1].kind;
    assert!(matches!(last, ir::OpKind::Offset { constants } if constants == &[15]));
    for x in [[0, 0, 0, 0], [15, 15, 15, 15], [9, 1, 2, 3]] {
        assert_eq!(
            ir::interpret(&dataflow, &x).unwrap().last(),
            Some(&golden::infer(&model, &x).unwrap())
        );
    }
}

#[test]
fn a_network_without_any_live_product_still_compiles() {
    let first = dense("first", Array2::zeros((2, 3)), Array2::zeros((2, 2)));
    let second = dense("second", Array2::eye(2), Array2::eye(2));
    let compiled =
        compile(&model(vec![requantised(first), second]), &Options::default(), &|_| {}, &|| false)
            .unwrap();
    let streamed = |layer: usize, x: &[i64]| {
        let layer = pipelines(&compiled)[layer];
        schedule::simulate(&layer.circuit, &layer.pipeline, &[x.to_vec()])
    };
    assert_eq!(streamed(0, &[1, 2, 3]), [[0]]);
    assert_eq!(streamed(1, &[0]), [[0, 0]]);
    assert_eq!(Figures::new(&compiled, 200.0).unwrap().total.multiplications, 0);
}

#[test]
fn a_width_overflow_names_layer_and_row() {
    let mut layer = dense("wide", arr2(&[[0], [1]]), arr2(&[[1, 1]]));
    layer.coefficient_shifts[1] = -31;
    let mut model = model(vec![layer]);
    model.input.format.bits = 30;
    let text = lower(&model).unwrap_err().to_string();
    assert!(text.starts_with("error[input]: layer `wide`, product: row 1 can reach"), "{text}");
}

#[test]
fn options_out_of_range_are_refused() {
    for schedule in [
        schedule::Options { limit: schedule::Limit::Adders(0), multiplier_latency: 3 },
        schedule::Options { limit: schedule::Limit::Adders(1), multiplier_latency: 0 },
        schedule::Options { limit: schedule::Limit::Adders(1), multiplier_latency: 5 },
    ] {
        let options = Options { schedule, ..Options::default() };
        let error =
            compile(&random_model(&models::small()), &options, &|_| {}, &|| false).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
    }
}

#[test]
fn progress_counts_every_step_and_an_interruption_ends_it() {
    let model = random_model(&models::small());
    let seen = Mutex::new(vec![]);
    compile(
        &model,
        &Options::default(),
        &|p| seen.lock().unwrap().push((p.done, p.total)),
        &|| false,
    )
    .unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=9).map(|done| (done, 9)).collect::<Vec<_>>());

    let steps = AtomicUsize::new(0);
    let count = |_: strassenc::compile::Progress| {
        steps.fetch_add(1, Ordering::Relaxed);
    };
    let stop = || steps.load(Ordering::Relaxed) >= 2;
    assert_eq!(
        compile(&model, &Options::default(), &count, &stop).unwrap_err().kind(),
        Kind::Interrupted
    );
}

#[test]
fn no_pass_behind_the_last_one_runs_and_every_level_is_there_from_its_first_pass_on() {
    for seed in 0..30 {
        let model = image_model(seed);
        let engines = match seed % 3 {
            0 => Engines::default(),
            _ => random_engines(&lower(&model).unwrap(), seed),
        };
        let options = Options { engines, ..Options::default() };
        let share = |problem: Problem| adder_graph::share(problem.matrix, &options.share);
        let seen = Mutex::new(BTreeSet::new());
        let run = |last: Pass| {
            seen.lock().unwrap().clear();
            let told = |p: Progress| {
                seen.lock().unwrap().insert(p.pass);
            };
            compile_until(last, &model, &options, &share, &told, &|| false).unwrap()
        };
        let whole = run(Pass::Time);
        for last in Pass::all() {
            let levels = run(last);
            assert_eq!(levels.after, last);
            assert!(seen.lock().unwrap().iter().all(|pass| *pass <= last), "{last}: {seen:?}");
            for level in Pass::all().map(Pass::level) {
                let passes: Vec<Pass> = level.passes().collect();
                let text = levels.text(level);
                assert_eq!(text.is_some(), last >= passes[0], "{level} after {last}");
                if last >= passes[passes.len() - 1] {
                    assert_eq!(text, whole.text(level), "seed {seed}, {level} after {last}");
                }
            }
        }
    }
}

#[test]
fn a_refused_result_names_its_pass() {
    let model = random_model(&models::small());
    let wrong = |problem: Problem| {
        let mut solution = adder_graph::share(problem.matrix, &adder_graph::Options::default());
        solution.graph.outputs.clear();
        solution
    };
    let options = Options::default();
    let error = compile_with(&model, &options, &wrong, &|_| {}, &|| false).unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with("error[mismatch]: after share: layer `dense_0`, W_"), "{told}");
}

fn compiled_with_threads(recipe: &Recipe, threads: usize) -> Compiled {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| compile(&random_model(recipe), &Options::default(), &|_| {}, &|| false))
        .unwrap()
}

proptest! {
    #![proptest_config(strassenc_tests::property(32, 9))]

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads(recipe in recipes()) {
        let (a, b) = (compiled_with_threads(&recipe, 1), compiled_with_threads(&recipe, 4));
        prop_assert_eq!(&a.dataflow, &b.dataflow);
        for (a, b) in pipelines(&a).iter().zip(pipelines(&b)) {
            prop_assert_eq!((&a.circuit, &a.pipeline), (&b.circuit, &b.pipeline));
        }
        prop_assert_eq!(Figures::new(&a, 200.0).unwrap(), Figures::new(&b, 200.0).unwrap());
    }

    #[test]
    fn figures_add_up(recipe in recipes()) {
        let model = random_model(&recipe);
        let compiled = compile(&model, &Options::default(), &|_| {}, &|| false).unwrap();
        let figures = Figures::new(&compiled, 200.0).unwrap();
        for (layer, ir) in figures.layers.iter().zip(chains(&compiled.dataflow)) {
            prop_assert_eq!(layer.per_window, ir.multiplications());
            let products: usize = layer.products.iter().map(|p| p.count).sum();
            prop_assert_eq!(layer.per_window, products);
            prop_assert!(layer.per_window <= layer.budget);
            prop_assert!([&layer.wb, &layer.wc].iter().all(|w| w.adders <= w.naive_adders));
        }
        let text = serde_json::to_string(&figures).unwrap();
        let back: Figures = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, figures);
    }
}

/// Engines are chosen by estimates, which must not be far from the report's figures: the primitives
/// are the same, and what sharing leaves of wired sums is foreseen.
#[test]
fn an_engine_is_priced_at_what_it_takes_and_none_alone_is_cheaper_than_the_choice() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/models/digits.safetensors");
    let model = model_file::load(&file).unwrap();
    for clocks in [32, 128] {
        let price = |engine| {
            let fps = Some(2e8 / f64::from(clocks));
            let target = Target { fps, engine, ..Target::default() };
            let share = adder_graph::Options { operands: Operands::Three, ..Default::default() };
            let options = Options { target, share, ..Options::default() };
            let compiled = compile(&model, &options, &|_| {}, &|| false).unwrap();
            let layers = Figures::new(&compiled, 200.0).unwrap().layers;
            for layer in &layers {
                let (priced, takes) = (layer.engine.estimate.luts, layer.luts);
                let share = if layer.engine.choice.is_wired() { 5 } else { 10 };
                assert!(priced.abs_diff(takes) <= takes / share, "{priced} for {takes}: {layer:?}");
            }
            let multipliers = layers.iter().map(|layer| layer.engine.estimate.multipliers);
            let luts = layers.iter().map(|layer| layer.luts + 150 * layer.block_rams);
            luts.sum::<u64>() + 50 * multipliers.sum::<u64>()
        };
        let alone = [Allowed::Unrolled, Allowed::Serial, Allowed::Folded].map(price);
        let chosen = price(Allowed::Auto);
        assert!(alone.iter().all(|price| chosen <= *price), "{clocks}: {chosen}, {alone:?}");
    }
}

/// What a step of a recurrent layer takes along pixels is foreseen on every engine, so that no rate
/// is refused that a core would reach, and what stands beside it is no quicker than it has to be.
#[test]
fn the_clocks_of_a_recurrent_layer_are_those_of_its_core() {
    for (cell, units, channels) in [("gru", 3, 2), ("gru", 12, 6), ("lstm", 8, 2), ("lstm", 24, 3)]
    {
        let text = format!(
            "name = \"t\"\ninput = {{ shape = [8, {channels}], bits = 8, frac = 7, signed = true \
             }}\nlayers = [{{ {cell} = {{ units = {units} }} }}, \"last\", {{ dense = {{ units = 2 \
             }} }}]\n"
        );
        let model = described(&text);
        for (engine, clocks) in [
            (Allowed::Unrolled, 1),
            (Allowed::Serial, 480),
            (Allowed::Serial, 1200),
            (Allowed::Folded, 1),
        ] {
            let fps = (clocks > 1).then(|| 2e8 / f64::from(clocks));
            let options = Options {
                target: Target { fps, engine, ..Target::default() },
                ..Options::default()
            };
            let compiled = compile(&model, &options, &|_| {}, &|| false).unwrap();
            let layer = &Figures::new(&compiled, 200.0).unwrap().layers[0];
            let (foreseen, takes) = (layer.engine.estimate.clocks, compiled.timing.interval());
            assert!(
                foreseen.abs_diff(takes) * 8 <= takes,
                "{foreseen} for {takes}: {text}{engine:?}"
            );
        }
    }
}
