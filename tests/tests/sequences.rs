//! Networks with a state, level by level: golden = image IR = engines = Verilog, with sequences
//! that start at random, and rows whose pixels are one.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use strassenc::build::{self, Build};
use strassenc::check::{self, Vectors};
use strassenc::compile::{Compiled, Options, compile};
use strassenc::device::DEVICES;
use strassenc::emit::signature::Beat;
use strassenc::emit::{self, emit};
use strassenc::engine::{self, Allowed, Choice, Target};
use strassenc::folded::{self, Folding};
use strassenc::interval::Interval;
use strassenc::ir::OpKind;
use strassenc::ir::{self, Kind, State};
use strassenc::lower;
use strassenc::report::{Report, WIDTH};
use strassenc::schedule;
use strassenc::simulate::{self, Simulator, Sources};
use strassenc::stream::timing::{self, Ending};
use strassenc_runtime::model::Layer;
use strassenc_runtime::{Cell, Model, golden};
use strassenc_tests::sequences::language_model;
use strassenc_tests::{
    any_streams, image_model, random_engines, recurrent_model, row_model, sequence_answers,
    sequence_model, signal_model, simulate_testbench, tools,
};

fn compiled(model: &Model, seed: u64, [input, output]: [Beat; 2]) -> Compiled {
    let lowered = lower::lower(model).unwrap();
    let options =
        Options { engines: random_engines(&lowered, seed), input, output, ..Options::default() };
    compile(model, &options, &|_| {}, &|| false).unwrap()
}

/// Random inputs, every third one at the ends of the format, and whether a sequence starts with
/// each.
fn sequence(model: &Model, count: usize, seed: u64) -> (Vec<Vec<i64>>, Vec<bool>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (n, lo, hi) = (model.input.elements(), model.input.format.min(), model.input.format.max());
    let input = |rng: &mut ChaCha8Rng, i: usize| -> Vec<i64> {
        let element = |_| match (i % 3, rng.random_bool(0.5)) {
            (0, true) => lo,
            (0, false) => hi,
            _ => rng.random_range(lo..=hi),
        };
        (0..n).map(element).collect()
    };
    let inputs = (0..count).map(|i| input(&mut rng, i)).collect();
    (inputs, (0..count).map(|i| i == 0 || rng.random_bool(0.15)).collect())
}

#[test]
fn the_image_ir_and_every_engine_compute_what_golden_does() {
    let mut seen = 0;
    for seed in 0..300 {
        let model = recurrent_model(seed);
        let lowered = lower::lower(&model).unwrap();
        ir::verify(&lowered).unwrap();
        assert_eq!(lowered.is_recurrent(), model.is_recurrent());
        assert_eq!(model.is_recurrent(), seed % 3 < 2);
        let is_chain = model.layers.len() == lowered.layers.len() && !model.has_heads();
        // Adder graphs take their time.
        let compiled = (seed < 60).then(|| compiled(&model, seed, [Beat::Any; 2]));
        let (mut state, mut own, mut engines) =
            (golden::State::start(), State::default(), State::default());
        let (inputs, starts) = sequence(&model, 25, seed);
        for (x, start) in inputs.iter().zip(starts) {
            if start {
                (state, own, engines) =
                    (golden::State::start(), State::default(), State::default());
            }
            let trace = golden::step(&model, &mut state, x).unwrap();
            let edges = ir::step(&lowered, &mut own, x).unwrap();
            if is_chain {
                // One IR layer for each of the model's: every hidden state is compared.
                assert_eq!(edges, trace, "seed {seed}");
            }
            assert_eq!(lowered.outputs_of(&edges), trace[trace.len() - 1], "seed {seed}");
            for (edge, values) in lowered.edges.iter().zip(&edges) {
                for (i, v) in values.iter().enumerate() {
                    assert!(edge.intervals[i % edge.shape.channels].contains(*v), "seed {seed}");
                }
            }
            if let Some(compiled) = &compiled {
                assert_eq!(compiled.step(&mut engines, x).unwrap(), edges, "seed {seed}");
            }
            seen += usize::from(is_chain);
        }
    }
    assert!(seen > 200 * 25, "{seen}");
}

/// Step by step the model of one step yields what the whole yields at that pixel, or, behind a last
/// pixel, of the steps until then.
#[test]
fn a_model_of_one_step_yields_at_each_what_the_whole_does() {
    let (mut at_each, mut behind_the_last) = (0, 0);
    for seed in 0..300 {
        let whole = signal_model(seed);
        let steps = whole.steps().unwrap();
        let [count, channels] = [whole.input.shape[1], whole.input.shape[2]];
        assert_eq!(steps.input.shape, [channels], "seed {seed}");
        let (inputs, _) = sequence(&steps, count, seed);
        let answers = sequence_answers(&steps, &inputs);
        let streams = whole.streams();
        for until in 1..=count {
            let mut so_far = whole.clone();
            so_far.input.shape[1] = until;
            let due = golden::infer(&so_far, &inputs[..until].concat()).unwrap();
            let (mut due, mut answer) = (due.as_slice(), answers[until - 1].as_slice());
            for (_, shape, _) in &streams {
                let pixels = if shape.width == 1 { 1 } else { until };
                let (own, others) = due.split_at(pixels * shape.channels);
                let (at_step, of_others) = answer.split_at(shape.channels);
                assert_eq!(own[(pixels - 1) * shape.channels..], *at_step, "seed {seed}");
                (due, answer) = (others, of_others);
                *(if shape.width == 1 { &mut behind_the_last } else { &mut at_each }) += 1;
            }
            assert!(due.is_empty() && answer.is_empty(), "seed {seed}");
        }
    }
    assert!(at_each > 500 && behind_the_last > 500, "{at_each} {behind_the_last}");
}

#[test]
fn what_needs_more_than_one_step_has_no_model_of_one() {
    let refusal = |model: &Model| model.steps().err().map(|e| e.to_string());
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let model = row_model(seed);
        let Some(told) = refusal(&model).filter(|_| model.input.shape[1] > 1) else { continue };
        assert!(told.contains("take the model as it is"), "{told}");
        for cause in ["from the end of a signal", "`conv ", "`dense`"] {
            seen.extend(told.contains(cause).then_some(cause));
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    let step = signal_model(1).steps().unwrap();
    assert!(refusal(&step).unwrap().contains("from one input to the next already"));
    let mut stateless = signal_model(1);
    stateless.layers.clear();
    assert!(refusal(&stateless).unwrap().contains("has no `lstm` or `gru`"));
    assert!(refusal(&image_model(1)).unwrap().contains("is no signal of several steps"));
}

#[test]
fn gated_layers_that_were_made_wrong_are_refused() {
    let mut refused = [0; 11];
    for seed in 0..400 {
        let lowered = lower::lower(&recurrent_model(seed)).unwrap();
        for (number, fault) in
            (0..lowered.layers.len()).flat_map(|number| (0..11).map(move |fault| (number, fault)))
        {
            let mut wrong = lowered.clone();
            let yields = &mut wrong.edges[number + 1];
            let layer = &mut wrong.layers[number];
            match (&mut layer.kind, fault) {
                (Kind::Recurrent { cell, .. }, 0) => drop(cell.tanh.values.pop()),
                (Kind::Recurrent { gates, .. }, 1) => {
                    let Some(h) =
                        gates.chain.x.intervals.last_mut().filter(|h| h.value().is_none())
                    else {
                        continue;
                    };
                    *h = Interval::point(h.hi);
                }
                (Kind::Recurrent { .. }, 2) => yields.intervals[0] = Interval::point(0),
                (Kind::Highway { blend, .. }, 3) => blend.sigmoid.values[0] = -1,
                (Kind::Highway { .. }, 4) => drop(layer.reads.pop()),
                (Kind::Highway { .. }, 5) => yields.intervals[0].hi += 1,
                (Kind::Embedding { rows }, 6) => rows[0].push(0),
                (Kind::CharCnn { tanh, .. }, 7) => drop(tanh.values.pop()),
                (Kind::CharCnn { .. }, 8) => yields.intervals[0].lo -= 1,
                // The same products of the negative sums: right for each window, and wrong for the
                // largest one.
                (Kind::CharCnn { filters, .. }, 9) => {
                    let ops = &mut filters.chain.ops;
                    let [b, m, ..] = ops.as_mut_slice() else { unreachable!() };
                    let OpKind::Linear { matrix, .. } = &mut b.kind else { unreachable!() };
                    let OpKind::Multiply { coefficients, .. } = &mut m.kind else { unreachable!() };
                    let Some(a) = coefficients.first_mut() else { continue };
                    *a = -*a;
                    matrix.row_mut(0).mapv_inplace(|w| -w);
                    b.result.intervals[0] = b.result.intervals[0].scale(true, 0);
                }
                // A filter that has become narrower than what it reads.
                (Kind::CharCnn { widths, filters, .. }, 10) => {
                    let [b, ..] = filters.chain.ops.as_slice() else { unreachable!() };
                    let OpKind::Linear { matrix, .. } = &b.kind else { unreachable!() };
                    let (last, e) = (widths.len() - 1, filters.input.channels / widths.len());
                    let first = widths[..last].iter().sum::<usize>();
                    let Some(row) = b.result.indices.iter().position(|i| *i == first) else {
                        continue;
                    };
                    if last == 0
                        || widths[last] == 0
                        || matrix.row(row).iter().skip(last * e).all(|w| *w == 0)
                    {
                        continue;
                    }
                    (widths[last - 1], widths[last]) = (widths[last - 1] + 1, widths[last] - 1);
                }
                _ => continue,
            }
            let same = wrong == lowered;
            let refusal = ir::verify(&wrong).err().map(|e| e.to_string());
            assert!(same || refusal.is_some(), "seed {seed}, layer {number}, fault {fault}");
            match fault {
                9 => assert!(
                    refusal.is_some_and(|e| e.contains("multiplies the largest sum")),
                    "seed {seed}"
                ),
                10 => assert!(
                    refusal.is_some_and(|e| e.contains("reads beyond its width")),
                    "seed {seed}"
                ),
                _ => {}
            }
            refused[fault] += usize::from(!same);
        }
    }
    assert!(refused.iter().all(|n| *n > 5), "{refused:?}");
}

#[test]
fn filters_that_were_folded_wrong_are_refused() {
    let mut refused = [0; 7];
    for seed in 0..200 {
        let lowered = lower::lower(&sequence_model(seed)).unwrap();
        let engines = random_engines(&lowered, seed);
        let Some(layer) = lowered.layers.iter().find(|layer| layer.words().is_some()) else {
            continue;
        };
        let Choice::Folded(folding) = engines.layers[&layer.name] else {
            panic!("filters are folded")
        };
        let folded = folded::build(layer, folding).unwrap();
        folded::prove(&folded, layer).unwrap();
        for (fault, count) in refused.iter_mut().enumerate() {
            let mut wrong = folded.clone();
            let positions = wrong.positions.as_mut().unwrap();
            let at = seed as usize % wrong.rows.len();
            match fault {
                0 => wrong.rows[at] = None,
                1 => wrong.rows.swap(0, at),
                2 => positions.steps[0].last ^= 1,
                3 => positions.count -= 1,
                4 => positions.steps.reverse(),
                5 => wrong.wb.weights[0] += if wrong.wb.weights[0] < 1 { 1 } else { -1 },
                _ => wrong.wc = Some(wrong.wb.clone()),
            }
            assert!(
                wrong == folded || folded::prove(&wrong, layer).is_err(),
                "seed {seed}, fault {fault}"
            );
            *count += usize::from(wrong != folded);
        }
    }
    assert!(refused.iter().all(|n| *n > 5), "{refused:?}");
}

/// What a user may ask for, and what it says where that is not to be had.
#[test]
fn filters_are_folded_whatever_is_asked_for() {
    let wide = |layer: &Layer| matches!(layer, Layer::CharCnn(cnn) if cnn.filters.outputs() > 2);
    // What has no product that matters is not folded.
    let lives =
        |layer: &ir::Layer| layer.kernel().is_none_or(|kernel| kernel.chain.multiplications() > 0);
    let words = |model: &Model| {
        model.layers.get(1).is_some_and(wide)
            && lower::lower(model).unwrap().layers.iter().all(lives)
    };
    let model = (0..).map(sequence_model).find(words).unwrap();
    let lowered = lower::lower(&model).unwrap();
    let schedule = schedule::Options::default();
    for (fps, engine) in
        [(None, Allowed::Unrolled), (Some(100.0), Allowed::Auto), (None, Allowed::Folded)]
    {
        let target = Target { fps, engine, ..Target::default() };
        let engines =
            engine::choose(&lowered, &target, Default::default(), &schedule, &Default::default())
                .unwrap();
        for (name, choice) in &engines.layers {
            match choice {
                Choice::Unrolled => assert!(name != "char_cnn_0" && engine != Allowed::Folded),
                Choice::Folded(_) => assert!(name == "char_cnn_0" || engine != Allowed::Unrolled),
                Choice::Elementwise { .. } => assert_eq!(name, "embedding_0"),
                Choice::Serial { .. } => assert_eq!(engine, Allowed::Auto, "{name}"),
            }
        }
    }
    let with = |choice: Choice| {
        let mut engines = random_engines(&lowered, 1);
        engines.layers.insert("char_cnn_0".into(), choice);
        compile(&model, &Options { engines, ..Options::default() }, &|_| {}, &|| false)
    };
    let one = Folding { pe: 1, simd: 1, multipliers: 1, wc_pe: 1, wc_simd: 1 };
    with(Choice::Folded(one)).unwrap();
    for (choice, cause) in [
        (Choice::Unrolled, "are never unrolled: `folded`"),
        (
            Choice::Folded(Folding { pe: 4, ..one }),
            "4 does not divide what the filters of all widths have in common",
        ),
        (
            Choice::Folded(Folding { simd: 7, ..one }),
            "7 does not divide the elements of a character",
        ),
        (Choice::Folded(Folding { wc_simd: 2, ..one }), "is 2, but filters have no W_c"),
        (Choice::Elementwise { lanes: 1 }, "is linear"),
    ] {
        let error = with(choice).unwrap_err().to_string();
        assert!(error.contains("char_cnn_0") && error.contains(cause), "{error}");
    }
}

#[test]
fn any_engines_in_verilator_compute_what_golden_does_at_the_clocks_of_the_timing() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    for seed in 0..16 {
        let model = recurrent_model(seed);
        let (beats, frames) = any_streams(seed);
        let compiled = compiled(&model, seed, beats);
        let options = emit::Options { frames, clock_enable: seed % 4 == 1, ..Default::default() };
        let emitted = emit(&compiled, &options).unwrap();
        let sources = Sources::from(&emitted);
        simulate::lint(&sources, &tools).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let (inputs, starts) = sequence(&model, 60, seed);
        let mut state = golden::State::start();
        let mut expected = vec![];
        for (x, start) in inputs.iter().zip(&starts) {
            if *start {
                state = golden::State::start();
            }
            expected.push(golden::step(&model, &mut state, x).unwrap().pop().unwrap());
        }
        for pauses in [false, true] {
            let options = simulate::Options {
                gaps: pauses,
                backpressure: pauses,
                pauses,
                ..Default::default()
            };
            let run = simulator
                .run_sequences(&inputs, &starts, &options)
                .unwrap_or_else(|e| panic!("seed {seed}, {options:?}: {e}"));
            assert_eq!(run.outputs, expected, "seed {seed}");
            run.check_promises(&emitted.signature).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let (Some(ii), first) = (run.ii, emitted.signature.warm_up as usize) else { continue };
            let Ending::Done(timing) =
                timing::simulate(&compiled.graph, inputs.len(), &|| false).unwrap()
            else {
                panic!("seed {seed}: stuck")
            };
            let (n, shown) = (inputs.len() - 1, &timing.shown);
            assert_eq!(ii, (shown[n] - shown[first]) as f64 / (n - first) as f64, "seed {seed}");
        }
        // One input at a time, with a rest between any two.
        let mut stepper = simulator.stepper().unwrap();
        assert!(stepper.step(&[], true).is_err());
        for ((x, start), due) in inputs.iter().zip(&starts).zip(&expected) {
            assert_eq!(stepper.step(x, *start).unwrap(), *due, "seed {seed}");
        }
    }
}

/// Char-CNNs of several widths, blocks and positions alone, so that nothing behind them hides what
/// they yield.
#[test]
fn filters_in_verilator_yield_what_golden_does() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let layer = "char_cnn_0";
    let mut seen = 0;
    for seed in 0.. {
        let model = sequence_model(seed);
        let lowered = lower::lower(&model).unwrap();
        let Some(number) = lowered.layers.iter().position(|l| l.name == layer) else { continue };
        let engines = random_engines(&lowered, seed);
        let Choice::Folded(folding) = engines.layers[layer] else { panic!("filters are folded") };
        let words = lowered.layers[number].words().unwrap();
        let ends: Vec<(usize, usize)> =
            words.by_width().map(|(w, n)| (n / folding.pe, words.positions(w))).collect();
        let varies =
            lowered.yields(number).intervals.iter().filter(|v| v.value().is_none()).count();
        if ends.len() < 2 || varies < 4 || ends[0] == ends[1] || words.most_positions() < 3 {
            continue;
        }
        let (at, core) = compiled(&model, seed, [Beat::Any; 2]).alone(layer, &|| false).unwrap();
        assert_eq!(at, number);
        let emitted = emit::emit_core(&core, &emit::Options::default()).unwrap();
        let sources = Sources::from(&emitted);
        simulate::lint(&sources, &tools).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let (inputs, _) = sequence(&model, 40, seed);
        let mut state = golden::State::start();
        let traces: Vec<_> =
            inputs.iter().map(|x| golden::step(&model, &mut state, x).unwrap()).collect();
        let edge = |edge: usize| traces.iter().map(|trace| trace[edge].clone()).collect::<Vec<_>>();
        for pauses in [false, true] {
            let options = simulate::Options {
                gaps: pauses,
                backpressure: pauses,
                pauses,
                ..Default::default()
            };
            let run = simulator
                .run(&edge(number), &options)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            assert_eq!(run.outputs, edge(number + 1), "seed {seed}");
            run.check_promises(&emitted.signature).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
        seen += 1;
        if seen == 8 {
            break;
        }
    }
}

/// A FIFO beside the gates of a highway layer runs at its least depth, and with one word less
/// nothing ever comes out; the loop of a recurrent layer is none of them, and nothing waits for the
/// next input.
#[test]
fn least_depths_are_least_around_loops() {
    let mut seen = 0;
    for seed in 0..100 {
        let compiled = compiled(&recurrent_model(seed), seed, [Beat::Any; 2]);
        let single = timing::simulate(&compiled.graph, 1, &|| false).unwrap();
        assert!(matches!(single, Ending::Done(_)), "seed {seed}");
        for depth in &compiled.depths {
            let name = &compiled.graph.nodes[depth.node].name;
            let kinds = ["highway", "concat", "add"].map(|kind| format!("fifo_{kind}_"));
            assert!(kinds.iter().any(|kind| name.starts_with(kind)), "{name}");
            let with = |words| {
                let mut graph = compiled.graph.clone();
                graph.set_depth(depth.node, words);
                timing::simulate(&graph, 3, &|| false).unwrap()
            };
            assert!(matches!(with(depth.live), Ending::Done(_)), "seed {seed}");
            if depth.live > 1 {
                let Ending::Deadlock(deadlock) = with(depth.live - 1) else {
                    panic!("seed {seed}: {depth:?}")
                };
                assert_eq!(deadlock.full, [depth.node], "seed {seed}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

/// Every word of every layer's stream, hidden states among them.
#[test]
fn every_hidden_state_in_verilator_is_that_of_its_engine() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let gru = |layer: &Layer| matches!(layer, Layer::Recurrent(r) if r.kind == Cell::Gru);
    // Of many hidden states, so that a wrong one among them shows.
    let varies = |seed: &u64| {
        let model = row_model(*seed);
        let Some(layer) = model.layers.iter().position(gru) else { return false };
        let (inputs, _) = sequence(&model, 20, *seed);
        let states = inputs.iter().map(|x| golden::trace(&model, x).unwrap().remove(layer + 1));
        states.flatten().collect::<BTreeSet<_>>().len() > 20
    };
    let seed = (0..).find(varies).unwrap();
    let model = row_model(seed);
    let compiled = compiled(&model, seed, [Beat::Any; 2]);
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    let mut sources = Sources::from(&emitted);
    let (inputs, starts) = sequence(&model, 20, seed);
    let compare = |sources: &Sources| {
        simulate::compare_words(&compiled, sources, &emitted.signature, &inputs, &starts, &tools)
            .unwrap()
    };
    assert_eq!(compare(&sources), None, "seed {seed}");
    // A cell that adds what it has to take away: the layer that it is in is named.
    let (_, text) =
        sources.files.iter_mut().find(|(name, _)| name == "strassenc_gru_cell.v").unwrap();
    let wrong =
        String::from_utf8(text.clone()).unwrap().replace("c_wide - n_wide", "c_wide + n_wide");
    assert_ne!(wrong.as_bytes(), text.as_slice());
    *text = wrong.into_bytes();
    let place = compare(&sources);
    let Some(simulate::Place::Word { layer, .. }) = &place else {
        panic!("seed {seed}: {place:?}")
    };
    assert!(layer.starts_with("gru_"), "seed {seed}: {place:?}");
}

/// A build of all four kinds of layers, down every rung that can run here, and its own testbench.
#[test]
fn a_build_is_checked_as_a_sequence() {
    let tools = tools();
    let has = |model: &Model, kind: fn(&Layer) -> bool| model.layers.iter().any(kind);
    let all = |seed: &u64| {
        let model = sequence_model(*seed);
        has(&model, |l| matches!(l, Layer::Embedding(_)))
            && has(&model, |l| matches!(l, Layer::CharCnn(_)))
            && has(&model, |l| matches!(l, Layer::Highway(_)))
    };
    let seed = (100..).find(all).unwrap();
    let (model, options) =
        (sequence_model(seed), build::Options { effort: 0, ..Default::default() });
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("build");
    let compiled = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    build::write(&folder, &compiled, &options).unwrap();
    let build = Build::open(&folder).unwrap();
    let core = build.compiled().unwrap();
    let vectors = Vectors::new(&core, 60, 1, vec![]).unwrap();
    let rungs = check::climb(&build, &core, &vectors, 1, &tools, &mut |_| Ok(())).unwrap();
    for rung in &rungs {
        assert!(!rung.failed(), "seed {seed}: {rung:?}");
    }
    let passed = |name: &str| {
        rungs
            .iter()
            .any(|rung| rung.name == name && matches!(rung.outcome, check::Outcome::Passed { .. }))
    };
    assert!(
        passed("dataflow IR, engines = golden") && passed("Verilator, gaps, back pressure"),
        "{rungs:?}"
    );

    let top = &build.signature.testbench;
    let files: Vec<_> =
        std::iter::once(folder.join(format!("{top}.v"))).chain(build.verilog()).collect();
    let told = simulate_testbench(top, &files, &folder, &tools);
    assert!(told.starts_with("PASS random: 34 vectors"), "seed {seed}: {told}");
}

/// A character model of 128 units, too large to be simulated at every run of the tests: prints what
/// it costs and how fast it is. `STRASSENC_MODEL=FILE` writes the model down.
#[test]
#[ignore = "takes minutes"]
fn a_language_model_of_128_units_folded() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let model = language_model(1, [81, 32, 128, 128]);
    if let Some(file) = std::env::var_os("STRASSENC_MODEL") {
        strassenc_runtime::model_file::save(&model, std::path::Path::new(&file)).unwrap();
    }
    let began = std::time::Instant::now();
    let target = Target { fps: Some(100_000.0), engine: Allowed::Folded, ..Target::default() };
    let options = Options { target, ..Options::default() };
    let compiled = compile(&model, &options, &|_| {}, &|| false).unwrap();
    let compile_time = began.elapsed();
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    let sources = Sources::from(&emitted);
    simulate::lint(&sources, &tools).unwrap();
    let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
    let (inputs, _) = sequence(&model, 200, 1);
    let mut state = golden::State::start();
    let expected: Vec<_> = inputs
        .iter()
        .map(|x| golden::step(&model, &mut state, x).unwrap().pop().unwrap())
        .collect();
    let run = simulator.run(&inputs, &simulate::Options::default()).unwrap();
    assert_eq!(run.outputs, expected);
    run.check_promises(&emitted.signature).unwrap();
    println!(
        "compiled in {compile_time:?}, simulator in {:?}, 200 inputs in {:.2} s",
        simulator.build_time, run.seconds
    );
    let (record, _) =
        build::contents(&compiled, &build::Options { target, ..Default::default() }).unwrap();
    let report = Report::new(&record, &emitted.signature, DEVICES[0]);
    println!("{}", report.document().unwrap().text(WIDTH));
}
