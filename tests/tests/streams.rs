//! Networks over images, level by level: golden = image IR = folded engines = Verilog, for any
//! shapes and any engines; the timing of the stream graph = the clocks of Verilator.

use std::collections::BTreeMap;
use strassenc::circuit::Op;
use strassenc::compile::{Compiled, LayerEngine, Options, compile};
use strassenc::decide;
use strassenc::emit::signature::Beat;
use strassenc::emit::{self, emit};
use strassenc::engine::{self, Allowed, Choice, Engines, Target};
use strassenc::folded::Folding;
use strassenc::ir::{self, EdgeId, Kind};
use strassenc::multipliers::Multipliers;
use strassenc::simulate::{self, Simulator, Sources};
use strassenc::stream::timing::{self, Ending};
use strassenc::stream::{self, Engine, Primitive};
use strassenc::{folded, lower, schedule};
use strassenc_runtime::model::{Layer, Output};
use strassenc_runtime::{Model, golden};
use strassenc_tests::{
    any_decisions, any_streams, described, headed_model, image_model, inputs, lowered,
    random_engines, several_model, tools,
};

/// A core with random engines; every other one without a hardware multiplier.
fn compiled(model: &Model, seed: u64, [input, output]: [Beat; 2]) -> Compiled {
    let multipliers = if seed % 2 == 1 { Multipliers::ShiftAdd } else { Multipliers::Dsp };
    compiled_with(model, seed, Options { input, output, multipliers, ..Options::default() })
}

/// A core with random engines that decides on some of its outputs.
fn decided(model: &Model, seed: u64, [input, output]: [Beat; 2]) -> Compiled {
    let multipliers = if seed % 2 == 1 { Multipliers::ShiftAdd } else { Multipliers::Dsp };
    let decide = any_decisions(model, seed);
    compiled_with(model, seed, Options { input, output, multipliers, decide, ..Options::default() })
}

fn compiled_with(model: &Model, seed: u64, options: Options) -> Compiled {
    let lowered = lowered(model, &options.decide);
    let options = Options { engines: random_engines(&lowered, seed), ..options };
    compile(model, &options, &|_| {}, &|| false).unwrap()
}

/// One of three kinds: images, with heads at times, and with further inputs at times.
fn any_images(seed: u64) -> Model {
    match seed % 4 {
        1 => several_model(seed),
        3 => headed_model(seed),
        _ => image_model(seed),
    }
}

#[test]
fn the_image_ir_computes_what_golden_does() {
    for seed in 0..400 {
        let model = any_images(seed);
        let asked = any_decisions(&model, seed);
        let lowered = lowered(&model, &asked);
        ir::verify(&lowered).unwrap();
        ir::prove_decided(&lowered, &model, &asked).unwrap();
        let of = |edge: EdgeId| lowered.edges[edge.index()].shape.elements();
        let outputs: Vec<_> = lowered.outputs().map(of).zip(decide::decisions(&lowered)).collect();
        for x in inputs(&model, 6, seed).into_iter().take(30) {
            let edges = ir::interpret(&lowered, &x).unwrap();
            let due = decide::due(&golden::infer(&model, &x).unwrap(), outputs.clone());
            assert_eq!(lowered.outputs_of(&edges), due, "seed {seed}");
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
        let model = any_images(seed);
        let compiled = compiled(&model, seed, [Beat::Any; 2]);
        for x in inputs(&model, 2, seed).into_iter().rev().take(4) {
            let edges = ir::interpret(&compiled.dataflow, &x).unwrap();
            assert_eq!(compiled.evaluate(&x).unwrap(), edges, "seed {seed}");
            for (number, layer) in compiled.layers.iter().enumerate() {
                let ir = &compiled.dataflow.layers[number];
                let (Kind::Spn(kernel), LayerEngine::Unrolled(layer)) = (&ir.kind, layer) else {
                    continue;
                };
                let from = &edges[ir.reads[0].index()];
                let windows: Vec<_> = kernel
                    .windows
                    .iter()
                    .map(|(y, x)| kernel.windows.read(from, ir.input, y, x, 0))
                    .collect();
                let patches = schedule::simulate(&layer.circuit, &layer.pipeline, &windows);
                let z = kernel.place(&patches);
                let own = &edges[compiled.dataflow.edge_of(number).index()];
                assert_eq!(z, *own, "seed {seed}, layer {}", ir.name);
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
    let (mut repacked, mut kept, mut joined, mut enlarged, mut told) = (0, 0, [0; 2], 0, [0; 2]);
    let mut activations = [0; 2];
    for seed in 0..40 {
        let model = any_images(seed);
        let (beats, frames) = any_streams(seed);
        let compiled = decided(&model, seed, beats);
        let options = emit::Options { frames, clock_enable: seed % 4 == 1, ..Default::default() };
        let emitted = emit(&compiled, &options).unwrap();
        repacked += compiled
            .graph
            .nodes
            .iter()
            .filter(|n| matches!(n.primitive, Primitive::Repack { .. }))
            .count();
        for node in &compiled.graph.nodes {
            match &node.primitive {
                Primitive::Concat(concat) => joined[usize::from(concat.together)] += 1,
                Primitive::Upsample(_) => enlarged += 1,
                Primitive::Best(_) => told[0] += 1,
                Primitive::Threshold(_) => told[1] += 1,
                Primitive::Rectify(_) => activations[0] += 1,
                Primitive::Curves(_) => activations[1] += 1,
                _ => {}
            }
        }
        let streams = emitted.signature.inputs().chain(emitted.signature.outputs());
        kept += streams.filter(|(_, stream)| stream.has_keep()).count();
        let sources = Sources::from(&emitted);
        simulate::lint(&sources, &tools).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let vectors: Vec<Vec<i64>> = inputs(&model, 6, seed).into_iter().rev().take(8).collect();
        let due = |v: &Vec<i64>| emitted.signature.due(&golden::infer(&model, v).unwrap());
        let expected: Vec<_> = vectors.iter().map(due).collect();
        for pauses in [false, true] {
            let options = simulate::Options {
                gaps: pauses,
                backpressure: pauses,
                pauses,
                ..Default::default()
            };
            let run =
                simulator.run(&vectors, &options).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            assert_eq!(run.outputs, expected, "seed {seed}");
            run.check_promises(&emitted.signature).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let (Some(ii), first) = (run.ii, emitted.signature.warm_up as usize) else { continue };
            let Ending::Done(timing) =
                timing::simulate(&compiled.graph, vectors.len(), &|| false).unwrap()
            else {
                panic!("seed {seed}: stuck")
            };
            let (n, shown) = (vectors.len() - 1, &timing.shown);
            assert_eq!(ii, (shown[n] - shown[first]) as f64 / (n - first) as f64, "seed {seed}");
        }
    }
    assert!(repacked > 15 && kept > 15, "{repacked} {kept}");
    assert!(joined.iter().all(|n| *n > 3) && enlarged > 8, "{joined:?} {enlarged}");
    assert!(told[0] > 10 && told[1] > 3, "{told:?}");
    assert!(activations[0] > 10 && activations[1] > 2, "{activations:?}");
}

/// Layers whose outputs read products of their own, among them sums of digits, read these in
/// groups, in as many clocks as there are products: at any cut, and in Verilator.
#[test]
fn products_that_one_output_reads_are_read_in_groups() {
    let model = described(
        r#"name = "plain"
input = { shape = [6, 3], bits = 6, frac = 5 }
layers = [
    { conv1d = { channels = 12, kernel = 3, plain = true } },
    "relu",
    { lstm = { units = 6, plain = true, r = 18 } },
    "last",
    { dense = { units = 9, plain = true } },
]
"#,
    );
    let lowered = lower::lower(&model).unwrap();
    let one = Folding { pe: 1, simd: 1, multipliers: 1, wc_pe: 1, wc_simd: 1 };
    for layer in &lowered.layers {
        let Some(kernel) = layer.kernel() else { continue };
        let whole = folded::build(layer, one).unwrap();
        let live = folded::padded_rows(kernel, 1);
        let depth = whole.wc.as_ref().unwrap().depth();
        // A dead row leaves some output fewer products than others have.
        let most = if live == kernel.rows { live } else { 2 * kernel.output.channels * live / 3 };
        assert!(depth <= most, "{}: {depth} for {live} of {} rows", layer.name, kernel.rows);
    }
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let mut groups = vec![];
    for seed in 0..40 {
        let mut engines = random_engines(&lowered, seed);
        if seed % 2 == 0 {
            let folding = Folding { pe: 1 + seed as usize / 2 % 3, ..one };
            let layers = lowered.layers.iter().filter(|layer| layer.kernel().is_some());
            let folded = layers.map(|layer| (layer.name.clone(), Choice::Folded(folding)));
            engines.layers.extend(folded);
        }
        let options = Options { engines, ..Options::default() };
        let compiled = compile(&model, &options, &|_| {}, &|| false).unwrap();
        for layer in &compiled.layers {
            if let LayerEngine::Folded(folded) = layer {
                groups.push(folded.output_groups());
            }
        }
        let vectors = inputs(&model, 4, seed);
        for x in &vectors {
            let edges = ir::interpret(&compiled.dataflow, x).unwrap();
            assert_eq!(compiled.evaluate(x).unwrap(), edges, "seed {seed}");
        }
        if seed >= 3 {
            continue;
        }
        let emitted = emit(&compiled, &emit::Options::default()).unwrap();
        let sources = Sources::from(&emitted);
        simulate::lint(&sources, &tools).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let due = |v: &Vec<i64>| emitted.signature.due(&golden::infer(&model, v).unwrap());
        let expected: Vec<_> = vectors.iter().map(due).collect();
        let run = simulator.run(&vectors, &simulate::Options::default()).unwrap();
        assert_eq!(run.outputs, expected, "seed {seed}");
        run.check_promises(&emitted.signature).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
    assert!(groups.iter().filter(|n| **n > 2).count() > 20, "{groups:?}");
}

#[test]
fn roms_that_were_made_wrong_are_refused() {
    let mut refused = [0; 6];
    for seed in 0..60 {
        let compiled = compiled(&image_model(seed), seed, [Beat::Any; 2]);
        for (layer, ir) in compiled.layers.iter().zip(&compiled.dataflow.layers) {
            let LayerEngine::Folded(folded) = layer else { continue };
            let prove = |f: &folded::Folded| folded::prove(f, ir);
            prove(folded).unwrap();
            let at = |n: usize| seed as usize * 7919 % n.max(1);
            for (kind, count) in refused.iter_mut().enumerate() {
                let mut wrong = folded.as_ref().clone();
                match kind {
                    0 => {
                        let i = at(wrong.wb.weights.len());
                        wrong.wb.weights[i] =
                            if wrong.wb.weights[i] == 1 { 0 } else { wrong.wb.weights[i] + 1 };
                    }
                    1 => {
                        let Some(wc) = &mut wrong.wc else { continue };
                        let i = at(wc.weights.len());
                        wc.weights[i] = if wc.weights[i] == 1 { -1 } else { wc.weights[i] + 1 };
                    }
                    2 => {
                        let i = at(wrong.bank.coefficients.len());
                        wrong.bank.coefficients[i] += 1;
                    }
                    3 => {
                        let i = at(wrong.requantiser.entries.len());
                        wrong.requantiser.entries[i].1 -= 1;
                    }
                    _ => {
                        let Some(digits) = &mut wrong.bank.digits else { continue };
                        let i = at(digits.entries.len());
                        match (kind, &mut digits.entries[i]) {
                            (4, (weight, _)) => {
                                *weight = if *weight == 1 { 0 } else { *weight + 1 }
                            }
                            // A digit that is there, one place off.
                            (_, (0, _)) => continue,
                            (_, (_, amount)) => *amount ^= 1,
                        }
                    }
                }
                assert!(prove(&wrong).is_err(), "seed {seed}, layer {}, fault {kind}", ir.name);
                *count += 1;
            }
        }
    }
    assert!(
        refused[..4].iter().all(|n| *n > 40) && refused[4..].iter().all(|n| *n > 15),
        "{refused:?}"
    );
}

/// What multiplies does not change results nor the rate, and a budget is kept by the fewest that it
/// takes.
#[test]
fn a_core_computes_the_same_whatever_its_multipliers_are_made_of() {
    let hardware = |compiled: &Compiled| -> usize {
        let count = |layer: &LayerEngine| match layer {
            LayerEngine::Unrolled(layer) => layer.circuit.count(Op::is_multiplier),
            LayerEngine::Serial(layer) => layer.circuit.count(Op::is_multiplier),
            LayerEngine::Folded(folded) => {
                if folded.bank.digits.is_none() {
                    folded.bank.lanes
                } else {
                    0
                }
            }
            LayerEngine::Elementwise { .. } => 0,
        };
        compiled.layers.iter().map(count).sum()
    };
    let mut seen = [0; 2];
    for seed in 0..60 {
        let model = image_model(seed);
        let with = |multipliers, dsp_budget| {
            compiled_with(&model, seed, Options { multipliers, dsp_budget, ..Options::default() })
        };
        let dsp = with(Multipliers::Dsp, None);
        let all = hardware(&dsp);
        let [soft, half] =
            [with(Multipliers::ShiftAdd, None), with(Multipliers::Auto, Some(all / 2))];
        assert_eq!(hardware(&soft), 0, "seed {seed}");
        assert!(hardware(&half) <= all / 2, "seed {seed}");
        for x in inputs(&model, 2, seed).into_iter().rev().take(3) {
            let edges = ir::interpret(&dsp.dataflow, &x).unwrap();
            for compiled in [&soft, &half] {
                assert_eq!(compiled.evaluate(&x).unwrap(), edges, "seed {seed}");
                assert!(compiled.timing.interval() <= dsp.timing.interval(), "seed {seed}");
            }
        }
        seen[0] +=
            usize::from(soft.layers.iter().any(|l| l.multipliers() == Multipliers::ShiftAdd));
        seen[1] += usize::from((1..all).contains(&hardware(&half)));
    }
    assert!(seen.iter().all(|n| *n > 20), "{seen:?}");
}

/// Timing by itself: with every FIFO at its least depth a core runs, and with one word less in one
/// of them nothing ever comes out. That one is named, or one that it leads to, where a word more
/// would do as well.
#[test]
fn least_depths_are_least() {
    let (mut seen, mut others) = (0, 0);
    for seed in (0..200).chain([257]) {
        let compiled = compiled(&image_model(seed), seed, [Beat::Any; 2]);
        for depth in &compiled.depths {
            let with = |words| {
                let mut graph = compiled.graph.clone();
                for other in &compiled.depths {
                    graph.set_depth(other.node, other.live);
                }
                graph.set_depth(depth.node, words);
                let frames = compiled.timing.shown.len();
                timing::simulate(&graph, frames, &|| false).unwrap()
            };
            assert!(matches!(with(depth.live), Ending::Done(_)), "seed {seed}");
            if depth.live > 1 {
                let Ending::Deadlock(deadlock) = with(depth.live - 1) else {
                    panic!("seed {seed}: {depth:?}")
                };
                let [named] = deadlock.full[..] else { panic!("seed {seed}: {deadlock:?}") };
                assert!(named >= depth.node, "seed {seed}: {named} for {depth:?}");
                others += usize::from(named != depth.node);
                seen += 1;
            }
        }
    }
    assert!(seen > 20 && others < 3, "{seen}, {others}");
}

/// A residual of one frame a clock holds more frames than a few dozen in its body: what the timing
/// promises is what a core does that is full.
#[test]
fn intervals_are_those_of_a_full_core() {
    let text = "name = \"t\"\ninput = { shape = [4], bits = 8, frac = 7, signed = true }\n\
        layers = [{ dense = { units = 10 } }, \"relu\", { residual = { body = [{ dense = { units = \
        10 } }] } }, \"relu\", { dense = { units = 2 } }]\n";
    for engine in [Allowed::Folded, Allowed::Unrolled] {
        let target = Target { engine, ..Target::default() };
        let options = Options { target, ..Options::default() };
        let compiled = compile(&described(text), &options, &|_| {}, &|| false).unwrap();
        assert_eq!(compiled.timing.interval(), 1);
        let Ending::Done(long) = timing::simulate(&compiled.graph, 300, &|| false).unwrap() else {
            panic!("stuck")
        };
        let late =
            long.shown.iter().enumerate().filter(|(i, at)| **at != long.shown[0] + *i as u64);
        assert_eq!(late.count(), 0, "{engine:?}");
    }
}

/// One shift serves all rows of a folded layer: where they are too far apart for 62 bits, that is
/// an error and nothing wraps.
#[test]
fn shifts_too_far_apart_are_not_folded() {
    let mut refused = [0; 2];
    for seed in 0..300 {
        for (kind, count) in refused.iter_mut().enumerate() {
            let mut model = image_model(seed);
            let Some(Layer::Conv2d(conv)) = model.layers.first_mut() else { continue };
            match (&mut conv.output, kind) {
                (_, 0) if conv.w_b.dim().0 > 1 => {
                    // Two rows of one element each, one product far up, the other far down.
                    conv.coefficient_bits = 25;
                    for (row, shift) in [(0, -31), (1, 20)] {
                        conv.w_b.index_axis_mut(ndarray::Axis(0), row).fill(0);
                        conv.w_b[[row, 0, 0, 0]] = 1;
                        (conv.coefficients[row], conv.coefficient_shifts[row]) = (8191, shift);
                    }
                }
                (Output::Requantised { shifts, .. }, 1) if shifts.len() > 1 => {
                    // An output that rounds to 0 or to 1 about its bias.
                    (shifts[0], shifts[1]) = (-31, 40);
                    conv.bias.index_axis_mut(ndarray::Axis(0), 1).fill(1 << 39);
                }
                _ => continue,
            }
            if model.validate().is_err() {
                continue;
            }
            let lowered = lower::lower(&model).unwrap();
            let layer = &lowered.layers[0];
            let one = Folding { pe: 1, simd: 1, multipliers: 1, wc_pe: 1, wc_simd: 1 };
            match folded::build(layer, one) {
                // A row may be dead, or an output constant.
                Ok(folded) => folded::prove(&folded, layer).unwrap(),
                Err(error) => {
                    *count += usize::from(error.to_string().contains("too far apart to be folded"))
                }
            }
        }
    }
    assert!(refused.iter().all(|n| *n > 5), "{refused:?}");
}

#[test]
fn a_wrong_word_of_a_rom_is_located_in_its_layer() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let folds = |c: &Compiled| c.layers.iter().position(|l| matches!(l, LayerEngine::Folded(_)));
    let mut located = 0;
    for seed in 0..20 {
        let model = image_model(seed);
        let compiled = compiled(&model, seed, [Beat::Any; 2]);
        let Some(number) = folds(&compiled) else { continue };
        let name = &compiled.dataflow.layers[number].name;
        let emitted = emit(&compiled, &emit::Options::default()).unwrap();
        let mut sources = Sources::from(&emitted);
        let file = format!("{}_output_rom.v", emitted.signature.layers[number].module);
        let (_, text) = sources.files.iter_mut().find(|(path, _)| *path == file).unwrap();
        // A bias becomes another one.
        let old = String::from_utf8(text.clone()).unwrap();
        let word = old.lines().find(|line| line.contains("memory[0] = ")).unwrap();
        let inverted = word.replace(" = ", " = ~");
        *text = old.replace(word, &inverted).into_bytes();
        let vectors: Vec<Vec<i64>> = inputs(&model, 4, seed).into_iter().rev().take(4).collect();
        let expected: Vec<_> = vectors.iter().map(|v| golden::infer(&model, v).unwrap()).collect();
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let run = simulator.run(&vectors, &simulate::Options::default()).unwrap();
        let Some(mismatch) = run.mismatch(&expected) else { continue };
        let simulate::Mismatch { sample, .. } = mismatch;
        let due = &expected[sample];
        let place = simulate::locate(
            &compiled,
            &sources,
            &emitted.signature,
            &vectors,
            sample,
            due,
            &tools,
        )
        .unwrap();
        let simulate::Place::Word { layer, .. } = &place else { panic!("seed {seed}: {place}") };
        assert_eq!(layer, name, "seed {seed}: {place}");
        located += 1;
        if located == 3 {
            return;
        }
    }
    panic!("only {located} were located");
}

#[test]
fn a_graph_whose_words_or_streams_do_not_fit_is_refused_with_its_node() {
    for seed in 0..20 {
        let graph = compiled(&image_model(seed), seed, [Beat::Any; 2]).graph;
        stream::verify(&graph).unwrap();
        for i in 0..graph.streams.len() {
            let mut other = graph.clone();
            other.streams[i].words += 1;
            assert!(stream::verify(&other).is_err(), "seed {seed}, stream {i}");
        }
        for (i, node) in graph.nodes.iter().enumerate() {
            let mut other = graph.clone();
            other.nodes[i].inputs.pop();
            let error = stream::verify(&other).unwrap_err().to_string();
            assert!(
                error.contains(&node.name) && error.contains("streams in"),
                "seed {seed}: {error}"
            );
        }
    }
}

#[test]
fn an_engine_of_another_kind_is_an_error_that_names_its_layer() {
    let lowered = lower::lower(&image_model(0)).unwrap();
    let engines = vec![Engine::Elementwise { lanes: 1 }; lowered.layers.len()];
    let error = stream::assemble(&lowered, &engines, [Beat::Any; 2]).unwrap_err().to_string();
    let first = lowered.layers.iter().find(|layer| layer.kernel().is_some()).unwrap();
    assert!(error.contains(&first.name) && error.contains("another kind"), "{error}");
    // What does not exist has no cost either.
    for layer in &lowered.layers {
        let choice = match layer.kernel() {
            Some(_) => Choice::Elementwise { lanes: 1 },
            None => Choice::Unrolled,
        };
        let layers = BTreeMap::from([(layer.name.clone(), choice)]);
        let engines = Engines { layers, ..Engines::default() };
        let error = engine::costs(&lowered, &engines, &[]).unwrap_err().to_string();
        assert!(error.contains(&layer.name) && error.contains("another kind"), "{error}");
    }
}
