//! What a simulation must notice: cores that break the rules of their streams or their promises,
//! damaged Verilog, damaged and shared caches; and what a core must stand: resets in mid-frame and
//! wrong frames.

use strassenc::build::{self, Build};
use strassenc::check::traces;
use strassenc::compile::{self, Compiled, compile};
use strassenc::device::DEVICES;
use strassenc::emit::signature::{Beat, Direction, Port, SCHEMA, Stream, Vector};
use strassenc::emit::{self, Emitted, Signature, emit};
use strassenc::engine::{Allowed, Choice, Engines, Target};
use strassenc::folded::Folding;
use strassenc::ir::{Kind, Layer};
use strassenc::lower::lower;
use strassenc::schedule::{self, Limit};
use strassenc::simulate::{
    Bench, Failure, Given, LAST, Options, Place, Progress, Simulator, Sources, Stimulus, locate,
};
use strassenc::tools::Tools;
use strassenc_runtime::{Format, Kind as ErrorKind, Model, golden};
use strassenc_tests::models::{LayerRecipe, Recipe, small};
use strassenc_tests::{image_model, inputs, pipelines, random_model, sequence_model};

fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.verilator_or_install().unwrap();
    tools
}

/// x → x, x + 1 in two beats; some values of x make it misbehave.
const MOODY: &str = "
module moody (
    input wire aclk, input wire aresetn,
    input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    input wire s_axis_tlast, input wire s_axis_tuser, input wire frame_error_clear,
    output wire [7:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready,
    output wire m_axis_tlast, output wire m_axis_tuser, output wire frame_error
);
    reg [7:0] x, more; reg busy, beat, user, hung, open;
    wire leaves = busy & (beat | x == 205) & m_axis_tready;
    assign s_axis_tready = (!busy | leaves) & !hung & open;
    assign m_axis_tdata = x + more + {7'd0, beat};
    assign m_axis_tvalid = busy;
    assign m_axis_tlast = beat & x != 201;
    assign m_axis_tuser = user & !beat & x != 202;
    assign frame_error = busy & x == 203;
    always @(posedge aclk) begin
        if (s_axis_tvalid & s_axis_tready) begin x <= s_axis_tdata; user <= s_axis_tuser; end
        more <= busy & !m_axis_tready & x == 204 ? more + 1 : 0;
        open <= aresetn;
        if (!aresetn) begin busy <= 0; beat <= 0; hung <= 0; end
        else begin
            if (s_axis_tvalid & s_axis_tready) begin
                busy <= 1; beat <= 0; hung <= s_axis_tdata == 206;
            end else if (leaves) busy <= x == 207;
            if (busy & m_axis_tready & !leaves) beat <= 1;
            else if (busy & !m_axis_tready & x == 208) busy <= 0;
        end
    end
endmodule
";

/// The ports that not every core has.
const PORTS: [&str; 2] = ["s_axis_tlast", "frame_error"];

fn moody() -> Signature {
    let format = Format { signed: false, bits: 8, frac: 0 };
    let stream = |elements| Stream::new(Vector { elements, format }, Beat::Elements(1)).unwrap();
    let ports = PORTS.map(|name| Port { name: name.into(), direction: Direction::Input, bits: 1 });
    let text = serde_json::json!({
        "schema": SCHEMA, "tool": "hand", "model": "moody", "model_sha256": "", "top": "moody",
        "ports": ports, "input": stream(1), "output": stream(2), "latency": 1, "ii": 2,
        "layers": [], "files": ["moody.v"], "testbench": "moody_tb",
    });
    Signature::parse(text.to_string().as_bytes(), "moody").unwrap()
}

fn moody_simulator(text: &str, signature: &Signature, tools: &Tools) -> Simulator {
    let files = vec![("moody.v".into(), text.into())];
    let sources = Sources { top: "moody".into(), files, memories: vec![] };
    Simulator::build(&sources, signature, false, tools).unwrap()
}

#[test]
fn broken_rules_of_the_streams_are_told_with_the_sample() {
    let tools = tools();
    let signature = moody();
    let simulator = moody_simulator(MOODY, &signature, &tools);
    let good: Vec<Vec<i64>> = (0..200).map(|x| vec![x]).collect();
    for backpressure in [false, true] {
        let run = simulator.run(&good, &Options { backpressure, ..Options::default() }).unwrap();
        run.check_promises(&signature).unwrap();
        assert!(run.outputs.iter().zip(0..).all(|(y, x)| *y == [x, x + 1]));
    }
    for (mood, said) in [
        (201, "has m_axis_tlast wrong on beat 1"),
        (202, "has m_axis_tuser wrong on beat 0"),
        (203, "raised frame_error at clock"),
        (204, "changed or withdrew an output beat"),
        (205, "has m_axis_tlast wrong on beat 1"),
        (206, "is stuck at clock"),
        (207, "gave more than the 100 beats of m_axis that are due"),
        (208, "changed or withdrew an output beat"),
    ] {
        // Most of the samples, so that a tuser and a pause fall among them.
        let mut samples = vec![vec![1]; 10];
        samples.extend(vec![vec![mood]; if mood == 206 { 1 } else { 30 }]);
        samples.resize(50, vec![2]);
        if mood == 207 {
            samples = [vec![vec![1]; 49], vec![vec![mood]]].concat();
        }
        let options = Options { backpressure: mood != 205, ..Options::default() };
        let Err(Failure::Fault(fault)) = simulator.run(&samples, &options) else {
            panic!("{mood} went unnoticed")
        };
        assert!(fault.cause.contains(said), "{mood}: {fault:?}");
        // The sample after the wrong ones may be the one that shows it.
        let wrong = if mood == 207 { 49..50 } else { 10..41 };
        assert!(wrong.contains(&fault.sample), "{mood}: {fault:?}");
    }
}

/// Neither side may be open while `aresetn` is low, from the edge after which the core can know of
/// it.
#[test]
fn a_core_that_is_open_in_reset_is_told() {
    let tools = tools();
    let signature = moody();
    for (closed, open) in [
        ("& !hung & open;", "& !hung;"),
        ("m_axis_tvalid = busy;", "m_axis_tvalid = busy | !open;"),
    ] {
        let simulator = moody_simulator(&MOODY.replace(closed, open), &signature, &tools);
        let Err(Failure::Fault(fault)) = simulator.run(&[vec![1]], &Options::default()) else {
            panic!("{open}")
        };
        assert!(
            fault.cause.contains("the tready of an input or the tvalid of an output high in reset"),
            "{fault:?}"
        );
    }
}

#[test]
fn a_wrong_tkeep_is_told() {
    let tools = tools();
    let asked = compile::Options { output: Beat::Bits(192), ..Default::default() };
    let model = random_model(&small());
    let compiled = compile(&model, &asked, &|_| {}, &|| false).unwrap();
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    assert!(emitted.signature.output.has_keep());
    let vectors = inputs(&model, 5, 1);
    let top = format!("{}.v", emitted.signature.top);
    for (right, wrong) in [("!m_axis_tlast", "1'b1"), ("!m_axis_tlast", "m_axis_tlast")] {
        let mut sources = Sources::from(&emitted);
        let (_, text) = sources.files.iter_mut().find(|(file, _)| *file == top).unwrap();
        *text = String::from_utf8(text.clone()).unwrap().replace(right, wrong).into_bytes();
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let Err(Failure::Fault(fault)) = simulator.run(&vectors, &Options::default()) else {
            panic!("{wrong}")
        };
        assert!(fault.cause.contains("has m_axis_tkeep wrong"), "{fault:?}");
    }
}

#[test]
fn broken_promises_of_timing_are_told() {
    let tools = tools();
    let simulator = moody_simulator(MOODY, &moody(), &tools);
    let run = simulator.run(&[vec![1], vec![2], vec![3]], &Options::default()).unwrap();
    let late = run.check_promises(&Signature { latency: 2, ..moody() }).unwrap_err();
    assert_eq!(
        late.to_string(),
        "error[mismatch]: core `moody`: the latency is 1 clock, signature.json promises 2"
    );
    let slow = run.check_promises(&Signature { ii: 1, ..moody() }).unwrap_err();
    assert!(
        slow.to_string().contains("the initiation interval is 2 clocks, signature.json promises 1"),
        "{slow}"
    );
    assert_eq!(slow.kind(), ErrorKind::Mismatch);
}

fn compiled(model: &Model, beat_elements: usize) -> Compiled {
    let beats = Beat::Elements(beat_elements);
    let asked = compile::Options { input: beats, output: beats, ..Default::default() };
    compile(model, &asked, &|_| {}, &|| false).unwrap()
}

/// A network with vectors of several beats, its simulator, and vectors with golden's outputs.
fn network(tools: &Tools) -> (Simulator, Vec<Vec<i64>>, Vec<Vec<i64>>) {
    let model = random_model(&small());
    let emitted = emit(&compiled(&model, 1), &emit::Options::default()).unwrap();
    let simulator =
        Simulator::build(&Sources::from(&emitted), &emitted.signature, false, tools).unwrap();
    let vectors = inputs(&model, 20, 1);
    let outputs = vectors.iter().map(|x| golden::infer(&model, x).unwrap()).collect();
    (simulator, vectors, outputs)
}

/// The beats of `vectors`, with as many output beats expected as `expected` vectors have.
fn beats(signature: &Signature, vectors: &[Vec<i64>], expected: usize) -> Stimulus {
    let mut given = Given::default();
    for vector in vectors {
        signature.input.encode(vector, false, &mut given.data, &mut given.flags);
    }
    let (inputs, expected) = (vec![given], vec![expected * signature.output.beats]);
    Stimulus { inputs, expected, linger: 100, patience: 1000, ..Stimulus::default() }
}

fn outputs(core: &mut Bench, signature: &Signature) -> Vec<Vec<i64>> {
    assert_eq!(core.run(100_000).unwrap(), Progress::Done);
    let response = core.finish();
    let bytes = signature.output.beats * signature.output.beat_bytes();
    response.outputs[0].data.chunks(bytes).map(|b| signature.output.decode(b).unwrap()).collect()
}

#[test]
fn a_reset_in_mid_frame_forgets_the_frame_and_nothing_else() {
    let tools = tools();
    let (simulator, vectors, golden) = network(&tools);
    let signature = simulator.signature();
    assert!(signature.input.beats > 2);
    for clocks in [1, 2, 3, 4, 7, 20, 40, 70] {
        for stalls in [false, true] {
            let mut core = simulator.core(clocks, None).unwrap();
            core.reset(2).unwrap();
            core.start(Stimulus {
                stalls,
                seed: clocks,
                ..beats(signature, &vectors, vectors.len())
            })
            .unwrap();
            assert_eq!(core.run(clocks).unwrap(), Progress::Running);
            core.reset(2).unwrap();
            core.start(beats(signature, &vectors, vectors.len())).unwrap();
            assert_eq!(outputs(&mut core, signature), golden, "after {clocks} clocks");
        }
    }
}

/// A clock that leaves no time for a sum behind a block RAM: weights are read a word ahead, from
/// the first one after each reset, be it one clock long.
#[test]
fn weights_that_are_read_ahead_begin_anew_with_each_reset() {
    let tools = tools();
    let format = Format { signed: true, bits: 6, frac: 0 };
    let layer =
        LayerRecipe { rows: 160, outputs: 4, density: 0.5, format, ..small().layers[0].clone() };
    let recipe = Recipe { inputs: 64, format, layers: vec![layer], dead: 0.0, ..small() };
    let model = random_model(&recipe);
    let device = DEVICES.into_iter().find(|device| device.name == "xc7").unwrap();
    let limit = Limit::Clock { device, period_ps: 4_000 };
    let folding = Folding { pe: 4, simd: 8, multipliers: 1, wc_pe: 1, wc_simd: 4 };
    let layers = [(model.layers[0].name().to_string(), Choice::Folded(folding))].into();
    let asked = compile::Options {
        schedule: schedule::Options { limit, ..Default::default() },
        engines: Engines { layers, ..Default::default() },
        ..Default::default()
    };
    let compiled = compile(&model, &asked, &|_| {}, &|| false).unwrap();
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    let ahead = emitted.files.iter().filter(|f| f.text.contains("assign data = held;")).count();
    assert!(ahead > 0, "some ROM is large enough");
    let simulator =
        Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &tools).unwrap();
    let signature = simulator.signature();
    let vectors = inputs(&model, 4, 1);
    let golden: Vec<_> = vectors.iter().map(|x| golden::infer(&model, x).unwrap()).collect();
    for clocks in [1, 2, 3, 10, 50, 130] {
        let mut core = simulator.core(clocks, None).unwrap();
        core.reset(1).unwrap();
        core.start(beats(signature, &vectors, vectors.len())).unwrap();
        assert_eq!(core.run(clocks).unwrap(), Progress::Running);
        core.reset(1).unwrap();
        core.start(beats(signature, &vectors, vectors.len())).unwrap();
        assert_eq!(outputs(&mut core, signature), golden, "after {clocks} clocks");
    }
}

#[test]
fn a_wrong_frame_raises_frame_error_and_the_core_finds_the_next_one() {
    let tools = tools();
    let (simulator, vectors, golden) = network(&tools);
    let signature = simulator.signature();
    let frame = signature.input.beats;
    // tlast one beat early: that frame and the rest of it are dropped; one beat late: both frames
    // are.
    for (early, lost) in [(true, 2), (false, 2)] {
        let mut stimulus = beats(signature, &vectors, vectors.len() - lost);
        let wrong = 4 * frame - 1;
        stimulus.inputs[0].flags[wrong] &= !LAST;
        if early {
            stimulus.inputs[0].flags[wrong - 1] |= LAST;
        }
        let mut core = simulator.core(1, None).unwrap();
        core.reset(2).unwrap();
        core.start(stimulus).unwrap();
        assert_eq!(core.run(100_000).unwrap(), Progress::Done);
        let response = core.finish();
        let raised = response.frame_error.expect("frame_error");
        let noticed = response.inputs[0].clocks[if early { wrong - 1 } else { wrong }];
        assert!((noticed + 1..=noticed + 3).contains(&raised), "{noticed} {raised}");
        let bytes = signature.output.beats * signature.output.beat_bytes();
        let data = response.outputs[0].data.chunks(bytes);
        let got: Vec<_> = data.map(|b| signature.output.decode(b).unwrap()).collect();
        let left: Vec<_> = golden[..3].iter().chain(&golden[3 + lost..]).cloned().collect();
        assert_eq!(got, left, "early: {early}");
        // The error stays, and goes without a reset.
        for (clear, raised) in [(false, true), (true, false), (false, false)] {
            core.start(Stimulus { clear, ..beats(signature, &vectors, vectors.len()) }).unwrap();
            assert_eq!(core.run(100_000).unwrap(), Progress::Done);
            assert_eq!(
                core.finish().frame_error.is_some(),
                raised,
                "early: {early}, clear: {clear}"
            );
        }
    }
}

/// A line of Verilog that computes a node, changed.
fn damaged(
    emitted: &Emitted,
    layer: usize,
    node: &str,
    change: impl Fn(&str) -> String,
) -> Sources {
    let computes = |line: &&str| {
        line.contains(&format!("_{node} <= ")) || line.contains(&format!(" {node} = "))
    };
    edited(emitted, layer, |old| {
        let line = old.lines().find(computes);
        let line = line.unwrap_or_else(|| panic!("no line computes {node}:\n{old}"));
        let changed = change(line);
        assert_ne!(line, changed);
        old.replacen(line, &changed, 1)
    })
}

/// The core with another text of the module of a layer.
fn edited(emitted: &Emitted, layer: usize, edit: impl FnOnce(&str) -> String) -> Sources {
    let mut sources = Sources::from(emitted);
    let name = format!("{}.v", emitted.signature.layers[layer].kernel.as_ref().unwrap());
    let (_, text) = sources.files.iter_mut().find(|(file, _)| *file == name).unwrap();
    *text = edit(std::str::from_utf8(text).unwrap()).into_bytes();
    sources
}

/// A sum made a difference, or the reverse.
fn other_sign(line: &str) -> String {
    if line.contains(" + ") {
        line.replacen(" + ", " - ", 1)
    } else {
        line.replacen(" - ", " + ", 1)
    }
}

#[test]
fn a_damaged_sign_is_found_by_name() {
    let tools = tools();
    let model = random_model(&small());
    let compiled = compiled(&model, 2);
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    let vectors = inputs(&model, 40, 5);
    let golden: Vec<_> = vectors.iter().map(|x| golden::infer(&model, x).unwrap()).collect();
    for (layer, role) in [(0, "wb_add"), (1, "wc_add")] {
        let node = pipelines(&compiled)[layer]
            .circuit
            .nodes
            .iter()
            .find(|n| n.name.starts_with(role))
            .unwrap();
        let sources = damaged(&emitted, layer, &node.name, other_sign);
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let run = simulator.run(&vectors, &Options::default()).unwrap();
        let mismatch =
            run.mismatch(&golden).unwrap_or_else(|| panic!("{} may have any sign", node.name));
        assert_ne!(run.outputs[mismatch.sample], golden[mismatch.sample]);
        assert_eq!(golden[mismatch.sample][mismatch.output], mismatch.expected);
        let (sample, expected) = (mismatch.sample, &golden[mismatch.sample]);
        let place =
            locate(&compiled, &sources, &emitted.signature, &vectors, sample, expected, &tools)
                .unwrap();
        let Place::Signal { layer: found, node: name, origin, expected, got, .. } = &place else {
            panic!("{place}")
        };
        assert_eq!(
            (found, name, origin),
            (&pipelines(&compiled)[layer].name, &node.name, &node.origin),
            "{place}"
        );
        assert_ne!(expected, got);
    }
}

/// In a serial core it is the adder whose carry begins wrong, and the digit that shows it first.
#[test]
fn a_damaged_sign_of_digits_is_found_by_name() {
    let tools = tools();
    let model = random_model(&small());
    let target = Target { ii: Some(8), engine: Allowed::Serial, ..Target::default() };
    let asked = compile::Options { target, ..Default::default() };
    let compiled = compile(&model, &asked, &|_| {}, &|| false).unwrap();
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    let vectors = inputs(&model, 40, 5);
    let golden: Vec<_> = vectors.iter().map(|x| golden::infer(&model, x).unwrap()).collect();
    for layer in [0, 1] {
        let mut adder = String::new();
        let sources = edited(&emitted, layer, |old| {
            let (_, rest) = old.split_once("NEGATE(1)").expect("it subtracts");
            let (_, rest) = rest.split_once("sum_").unwrap();
            adder = rest.split_once(" (").unwrap().0.to_string();
            old.replacen("NEGATE(1)", "NEGATE(0)", 1)
        });
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let run = simulator.run(&vectors, &Options::default()).unwrap();
        let sample = run.mismatch(&golden).expect("the sign matters").sample;
        let due = &golden[sample];
        let place =
            locate(&compiled, &sources, &emitted.signature, &vectors, sample, due, &tools).unwrap();
        let Place::Signal { layer: found, signal, .. } = &place else { panic!("{place}") };
        assert_eq!((found, signal), (&compiled.layers[layer].circuit().unwrap().name, &adder));
    }
}

/// A damaged sign is found in a core over images and in one with a state: the layer, the node, its
/// stage and its row.
#[test]
fn a_damaged_sign_within_windows_and_gates_is_found_by_name() {
    let tools = tools();
    let target = Target { engine: Allowed::Unrolled, ..Target::default() };
    let asked = compile::Options { target, ..Default::default() };
    let is_wanted = |layer: &Layer| match &layer.kind {
        Kind::Spn(kernel) => kernel.windows.count() > 3,
        Kind::Recurrent { .. } => true,
        _ => false,
    };
    for of_images in [true, false] {
        let found = (0..).find_map(|seed| {
            let model = if of_images { image_model(seed) } else { sequence_model(seed) };
            let lowered = lower(&model).unwrap();
            let layer = lowered.layers.iter().position(is_wanted)?;
            let compiled = compile(&model, &asked, &|_| {}, &|| false).unwrap();
            let emitted = emit(&compiled, &emit::Options::default()).unwrap();
            let pipeline = compiled.layers[layer].unrolled().unwrap();
            let vectors = inputs(&model, 12, seed);
            let golden: Vec<_> = traces(&model, &vectors)
                .unwrap()
                .into_iter()
                .map(|mut t| t.pop().unwrap())
                .collect();
            // A sign that matters to some output.
            pipeline
                .circuit
                .nodes
                .iter()
                .filter(|node| node.name.starts_with("wb_add"))
                .take(3)
                .find_map(|node| {
                    let sources = damaged(&emitted, layer, &node.name, other_sign);
                    let simulator =
                        Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
                    let mismatch =
                        simulator.run(&vectors, &Options::default()).unwrap().mismatch(&golden)?;
                    let due = &golden[mismatch.sample];
                    let sample = mismatch.sample;
                    let place = locate(
                        &compiled,
                        &sources,
                        &emitted.signature,
                        &vectors,
                        sample,
                        due,
                        &tools,
                    )
                    .unwrap();
                    Some((place, pipeline.name.clone(), node.clone()))
                })
        });
        let (place, layer, node) = found.unwrap();
        let Place::Signal { layer: told, node: name, origin, .. } = &place else {
            panic!("{place}")
        };
        assert_eq!((told, name, origin), (&layer, &node.name, &node.origin), "{place}");
        assert!(origin.contains("W_b row"), "{place}");
    }
}

#[test]
fn a_segment_that_admits_nothing_is_located() {
    let tools = tools();
    let model = random_model(&small());
    let compiled = compiled(&model, 2);
    let emitted = emit(&compiled, &emit::Options::default()).unwrap();
    let mut sources = Sources::from(&emitted);
    let control = |(file, _): &&mut (String, _)| file == "strassenc_segment.v";
    let (_, text) = sources.files.iter_mut().find(control).unwrap();
    let old = String::from_utf8(text.clone()).unwrap();
    assert_eq!(old.matches("ready <= taken |").count(), 1);
    *text = old.replace("ready <= taken |", "ready <= 1'b0 &").into_bytes();
    let vectors = inputs(&model, 40, 5);
    let expected = golden::infer(&model, &vectors[0]).unwrap();
    let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
    let Err(Failure::Fault(fault)) = simulator.run(&vectors, &Options::default()) else {
        panic!("not stuck")
    };
    assert!(fault.cause.contains("is stuck") && fault.cause.contains("0 of"), "{fault:?}");
    let place =
        locate(&compiled, &sources, &emitted.signature, &vectors, 0, &expected, &tools).unwrap();
    assert_eq!(place, Place::Lost { layer: "dense_0".into() });
}

/// Tools with an empty cache of their own.
fn fresh(tools: &Tools) -> (tempfile::TempDir, Tools) {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(tools.home().join("tools")).unwrap();
    std::os::unix::fs::symlink(tools.home().join("tools"), home.path().join("tools")).unwrap();
    let fresh = Tools::new(home.path());
    (home, fresh)
}

fn libraries(home: &std::path::Path) -> Vec<std::path::PathBuf> {
    let folder = home.join("cache/simulators");
    let paths = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path().join("simulator.so"));
    paths.filter(|p| p.is_file()).collect()
}

#[test]
fn the_cache_is_keyed_on_content_shared_and_heals() {
    let (home, tools) = fresh(&tools());
    let sources = |text: &str| Sources {
        top: "moody".into(),
        files: vec![("moody.v".into(), text.as_bytes().to_vec())],
        memories: vec![],
    };
    let build = |text: &str| Simulator::build(&sources(text), &moody(), false, &tools).unwrap();
    // Two at once: one builds, the other waits for it.
    let cached: Vec<bool> = std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| build(MOODY).cached));
        both.map(|b| b.join().unwrap()).to_vec()
    });
    assert_eq!(cached.iter().filter(|c| **c).count(), 1);
    let first = libraries(home.path());
    assert_eq!(first.len(), 1);

    // A damaged library is made anew: one that is none, one that loads and has no pages behind its
    // middle, one of which a bit is another; and nothing of a build that was killed stays.
    let whole = std::fs::read(&first[0]).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let dead = home.path().join("cache/simulators/dead/work");
    for damaged in [b"not a library", &whole[..whole.len() / 2], &flipped] {
        // Another file of that name: the old one may still be mapped by this very process.
        std::fs::remove_file(&first[0]).unwrap();
        std::fs::write(&first[0], damaged).unwrap();
        std::fs::create_dir_all(&dead).unwrap();
        std::fs::write(dead.with_file_name("lock"), "").unwrap();
        let healed = build(MOODY);
        assert!(!healed.cached && !dead.exists());
        assert_eq!(healed.run(&[vec![7]], &Options::default()).unwrap().outputs, [[7, 8]]);
        assert!(build(MOODY).cached);
    }
    // So is Verilator's own part, with which every library is linked.
    for runtime in std::fs::read_dir(home.path().join("cache/runtime")).unwrap() {
        std::fs::write(runtime.unwrap().path().join("verilated.o"), b"no object").unwrap();
    }

    // Other content, another library; nothing but libraries and locks stays behind.
    assert!(!build(&MOODY.replace("x + more", "more + x")).cached);
    assert_eq!(libraries(home.path()).len(), 2);
    for library in libraries(home.path()) {
        let mut names: Vec<_> = std::fs::read_dir(library.parent().unwrap())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["lock", "seal.json", "simulator.so"]);
    }
}

#[test]
fn verilog_that_verilator_refuses_is_one_clear_error() {
    let tools = tools();
    let sources = Sources {
        top: "moody".into(),
        files: vec![("moody.v".into(), MOODY.replace("endmodule", "endmodul").into_bytes())],
        memories: vec![],
    };
    let error = Simulator::build(&sources, &moody(), false, &tools).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tool);
    assert!(
        error.to_string().starts_with("error[tool]: verilator: refused the Verilog of `moody`: "),
        "{error}"
    );
    assert!(error.to_string().contains("moody.v:"), "{error}");
}

#[test]
fn an_edited_build_opens_for_simulation_only() {
    let model = random_model(&small());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("build");
    build::write(
        &path,
        &compile(&model, &compile::Options::default(), &|_| {}, &|| false).unwrap(),
        &build::Options::default(),
    )
    .unwrap();
    let file = path.join("random_dense_0.v");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen(" + ", " - ", 1)).unwrap();
    assert_eq!(Build::open_edited(&path).unwrap().edited, ["random_dense_0.v"]);
    let error = Build::open(&path).unwrap_err();
    assert!(error.to_string().contains("random_dense_0.v: is not as it was written"), "{error}");
    std::fs::write(path.join("signature.json"), "{}").unwrap();
    assert!(Build::open_edited(&path).is_err());
}
