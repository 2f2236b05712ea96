//! Cores whose parameters are loaded at run time, in Verilator: each output is golden's of the
//! model that was loaded, before, across and after the switch, whatever the traffic; and what
//! cannot be loaded is refused.

use ndarray::{ArrayViewD, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::path::Path;
use strassenc::build::{self, Build, Options};
use strassenc::emit::control::{Control, PORT};
use strassenc::emit::signature::{Frames, Stream};
use strassenc::engine::{Allowed, Choice, Target};
use strassenc::reload;
use strassenc::simulate;
use strassenc_runtime::model::{Dense, Layer, Output};
use strassenc_runtime::train::{self, Epoch, ImageLearner, Observer, Progress, Sources, Start};
use strassenc_runtime::{Model, Network, data, golden, model_file};
use strassenc_tests::{headed_model, image_model, inputs, random_model, root, tools};
use strassenc_verilator::{Alone, Design, Model as Verilated, Simulator, Toolchain};

/// The same matrices and formats, other coefficients, biases and shifts of outputs: any that a
/// margin of one power of two allows, zeros and both ends among them.
fn another(model: &Model, seed: u64) -> Model {
    fn change(layers: &mut [Layer], rng: &mut ChaCha8Rng) {
        for layer in layers {
            // A row that reads nothing, or that nothing reads, is in no core.
            let lives = |w_b: ArrayViewD<i8>, w_c: ArrayViewD<i8>, i: usize| {
                let column = i % w_c.len_of(Axis(1));
                [w_b.index_axis(Axis(0), i), w_c.index_axis(Axis(1), column)]
                    .iter()
                    .all(|entries| entries.iter().any(|entry| *entry != 0))
            };
            let live: Vec<usize> = match &*layer {
                Layer::Dense(d) => (0..d.rows())
                    .filter(|i| lives(d.w_b.view().into_dyn(), d.w_c.view().into_dyn(), *i))
                    .collect(),
                Layer::Conv2d(c) => (0..c.coefficients.len())
                    .filter(|i| lives(c.w_b.view().into_dyn(), c.w_c.view().into_dyn(), *i))
                    .collect(),
                _ => vec![],
            };
            let (coefficients, bits, shifts, biases, output) = match layer {
                Layer::Dense(d) => (
                    &mut d.coefficients,
                    d.coefficient_bits,
                    &mut d.coefficient_shifts,
                    d.bias.as_slice_mut().unwrap(),
                    &mut d.output,
                ),
                Layer::Conv2d(c) => (
                    &mut c.coefficients,
                    c.coefficient_bits,
                    &mut c.coefficient_shifts,
                    c.bias.as_slice_mut().unwrap(),
                    &mut c.output,
                ),
                Layer::Branches(branches) => {
                    change(&mut branches.body, rng);
                    change(&mut branches.shortcut, rng);
                    continue;
                }
                Layer::Head(head) => {
                    change(&mut head.layers, rng);
                    continue;
                }
                _ => continue,
            };
            let live: Vec<usize> = live.into_iter().filter(|i| coefficients[*i] != 0).collect();
            let (least, most) = live.iter().fold((i32::MAX, i32::MIN), |(least, most), i| {
                (least.min(shifts[*i]), most.max(shifts[*i]))
            });
            let end = (1 << (bits - 1)) - 1;
            for i in live {
                coefficients[i] = match rng.random_range(0..8) {
                    0 => 0,
                    1 => end,
                    2 => -end,
                    _ => rng.random_range(-end..=end),
                };
                shifts[i] = rng.random_range(least - 1..=most + 1).clamp(-31, 62);
            }
            let largest = biases.iter().map(|b| b.abs()).max().unwrap_or(0);
            for b in biases {
                *b = rng.random_range(-largest..=largest);
            }
            if let Output::Requantised { shifts, .. } = output {
                shifts.mapv_inplace(|s| (s + rng.random_range(-1..=1)).clamp(-31, 62));
            }
        }
    }
    let mut other = model.clone();
    change(&mut other.layers, &mut ChaCha8Rng::seed_from_u64(seed));
    other.validate().unwrap();
    other
}

/// A core under traffic: beats enter and leave at random, registers are read and written beside.
struct Core {
    model: Verilated,
    simulator: Simulator,
    rng: ChaCha8Rng,
    /// Beats to give, each with its tlast, and whether the first is on offer.
    beats: VecDeque<(Vec<u8>, bool)>,
    offered: bool,
    entered: usize,
    left: Vec<Vec<u8>>,
    word: Vec<u8>,
    /// The streams of heads, what has left each, and what of the frame at hand.
    heads: Vec<(String, Vec<Vec<u8>>, Vec<u8>)>,
    last: bool,
    enable: bool,
}

impl Core {
    fn set(&mut self, name: &str, value: u64) {
        let port = self.simulator.input(name).unwrap();
        self.model.set(port, value);
    }

    fn get(&self, name: &str) -> u64 {
        self.model.get(self.simulator.output(name).unwrap())
    }

    fn axi(&mut self, name: &str, value: u64) {
        self.set(&format!("{PORT}_{name}"), value);
    }

    fn hear(&self, name: &str) -> u64 {
        self.get(&format!("{PORT}_{name}"))
    }

    /// A clock; true where it counts, since `aclken` is high.
    fn clock(&mut self, heard: &mut dyn FnMut(&Self)) -> bool {
        if !self.offered {
            self.offered = !self.beats.is_empty() && self.rng.random_bool(0.7);
        }
        if let Some((data, last)) = self.beats.front().cloned() {
            let port = self.simulator.input("s_axis_tdata").unwrap();
            self.model.set_bytes(port, &data);
            if self.last {
                self.set("s_axis_tlast", last.into());
            }
        }
        let takes = self.rng.random_bool(0.7);
        let counts = !self.enable || self.rng.random_bool(0.8);
        self.set("s_axis_tvalid", self.offered.into());
        self.set("m_axis_tready", takes.into());
        let heads: Vec<bool> = self.heads.iter().map(|_| self.rng.random_bool(0.6)).collect();
        for (i, ready) in heads.iter().enumerate() {
            self.set(&format!("{}_tready", self.heads[i].0), (*ready).into());
        }
        if self.enable {
            self.set("aclken", counts.into());
        }
        self.model.eval().unwrap();
        if counts && self.offered && self.get("s_axis_tready") == 1 {
            let (_, last) = self.beats.pop_front().unwrap();
            self.entered += usize::from(last);
            self.offered = false;
        }
        if counts && takes && self.get("m_axis_tvalid") == 1 {
            let port = self.simulator.output("m_axis_tdata").unwrap();
            self.word.extend(self.model.get_bytes(port));
            if self.get("m_axis_tlast") == 1 {
                self.left.push(std::mem::take(&mut self.word));
            }
        }
        for (i, ready) in heads.into_iter().enumerate() {
            let high = |end: &str| self.get(&format!("{}_{end}", self.heads[i].0)) == 1;
            if !(counts && ready && high("tvalid")) {
                continue;
            }
            let last = high("tlast");
            let port = self.simulator.output(&format!("{}_tdata", self.heads[i].0)).unwrap();
            let beat = self.model.get_bytes(port);
            let (_, left, word) = &mut self.heads[i];
            word.extend(beat);
            if last {
                left.push(std::mem::take(word));
            }
        }
        if counts {
            heard(self);
        }
        let clk = self.simulator.input("aclk").unwrap();
        self.model.tick(clk).unwrap();
        counts
    }

    fn reset(&mut self) {
        self.set("aresetn", 0);
        (self.beats, self.offered) = (VecDeque::new(), false);
        for _ in 0..8 {
            self.clock(&mut |_| {});
        }
        // What was on its way, or stood there at power-on, is no frame.
        (self.entered, self.left, self.word) = (0, vec![], vec![]);
        self.heads.iter_mut().for_each(|head| (head.1, head.2) = (vec![], vec![]));
        self.set("aresetn", 1);
    }

    /// Writes a word; whether it was taken.
    fn write(&mut self, address: u32, data: u32) -> bool {
        self.axi("awaddr", address.into());
        self.axi("wdata", data.into());
        self.axi("wstrb", 15);
        let [mut waits, mut answer] = [true, false];
        while waits || !answer {
            self.axi("awvalid", waits.into());
            self.axi("wvalid", waits.into());
            let ready = self.rng.random_bool(0.5);
            self.axi("bready", ready.into());
            let (mut taken, mut answered) = (false, false);
            self.clock(&mut |core| {
                taken = core.hear("awready") == 1;
                answered = ready && core.hear("bvalid") == 1;
            });
            waits &= !taken;
            answer |= answered;
        }
        self.axi("bready", 0);
        self.hear("bresp") == 0
    }

    fn read(&mut self, address: u32) -> u32 {
        self.axi("araddr", address.into());
        let mut waits = true;
        loop {
            self.axi("arvalid", waits.into());
            self.axi("rready", 1);
            let (mut taken, mut word) = (false, None);
            self.clock(&mut |core| {
                taken = core.hear("arready") == 1;
                word = (core.hear("rvalid") == 1).then(|| core.hear("rdata") as u32);
            });
            waits &= !taken;
            if let Some(word) = word {
                self.axi("rready", 0);
                return word;
            }
        }
    }

    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut clocks = 0;
        while !done(self) {
            self.clock(&mut |_| {});
            clocks += 1;
            assert!(clocks < 200_000, "stuck: {} in, {} out", self.entered, self.left.len());
        }
    }
}

/// The address of a register.
fn register(control: &Control, name: &str) -> u32 {
    control.registers.iter().find(|register| register.name == name).unwrap().offset
}

/// A second phase 3 over the ternary matrices of a build of digits, of few epochs at a rate that
/// moves every coefficient, and shifts of outputs where they can be loaded.
fn trained(build: &Build) -> Model {
    struct Silent;
    impl Observer for Silent {
        fn step(&mut self, _: &Progress, _: usize, _: usize) -> bool {
            true
        }
        fn epoch(&mut self, _: &Epoch, _: bool) {}
        fn warn(&mut self, _: &str) {}
    }
    let description = build.model.provenance.network.as_deref().unwrap();
    let mut network = Network::parse("digits", description).unwrap();
    let recipe = &mut network.train;
    (recipe.seed, recipe.full.epochs, recipe.ternary.epochs) = (7, 0, 0);
    (recipe.frozen.epochs, recipe.frozen.learning_rate) = (3, 4e-2);
    recipe.learn_scales = true;
    let data = data::load("digits", Path::new("/nowhere")).unwrap();
    let run = tempfile::tempdir().unwrap();
    let core = reload::loadable(build).unwrap();
    let sources = Sources { core: Some(&core), ..Sources::default() };
    let run = run.path();
    let (summary, model) =
        train::run::<ImageLearner>(&network, &data, run, Start::New, sources, &mut Silent).unwrap();
    assert!(summary.integer_accuracy.unwrap() > 0.9, "{summary:?}");
    let (model, changed) = (model.unwrap(), |old: &Layer, new: &Layer| match (old, new) {
        (Layer::Dense(old), Layer::Dense(new)) => {
            let rows =
                old.coefficients.iter().zip(&new.coefficients).filter(|(old, new)| old != new);
            rows.count() * 2 > old.coefficients.len()
        }
        _ => false,
    });
    let mut layers = build.model.layers.iter().zip(&model.layers);
    assert!(layers.all(|(old, new)| changed(old, new)), "training moves most coefficients");
    let shifts = |model: &Model| match &model.layers[0] {
        Layer::Dense(Dense { output: Output::Requantised { shifts, .. }, .. }) => shifts.clone(),
        _ => unreachable!(),
    };
    let moved = shifts(&model) != shifts(&build.model);
    assert_eq!(moved, build.record.options.reloadable != Some(0), "shifts that can be loaded move");
    model
}

/// Writes a build, and changes its core to another model and back in Verilator.
fn switches(model: &Model, options: &Options, seed: u64, other: &dyn Fn(&Build) -> Model) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("build");
    let compiled = build::compile(model, options, &|_| {}, &|| false, &|| 0.0).unwrap();
    build::write(&folder, &compiled, options).unwrap();
    let build = Build::open(&folder).unwrap();
    let signature = &build.signature;
    let control = signature.control.as_ref().unwrap();
    let table = control.table.as_ref().unwrap();
    let first = std::fs::read_to_string(folder.join(&table.memory)).unwrap();
    let own = reload::words(&build, model).unwrap();
    assert_eq!(strassenc::emit::control::memory(&own), first, "{}", model.name);

    let sources = simulate::Sources::read(&folder, signature).unwrap();
    let tools = tools();
    tools.verilator_or_install().unwrap();
    strassenc::simulate::lint(&sources, &tools).unwrap();
    let design = Design {
        top: sources.top.clone(),
        files: sources.files.clone(),
        memories: sources.memories.clone(),
        memory_macro: Some("STRASSENC_FOLDER".into()),
    };
    let toolchain = Toolchain { verilator: tools.verilator().unwrap(), cxx: tools.cxx().unwrap() };
    let simulator =
        Simulator::build(&design, false, &toolchain, tools.home().join("cache"), &Alone).unwrap();
    let mut core = Core {
        model: simulator.model(seed, None).unwrap(),
        simulator,
        rng: ChaCha8Rng::seed_from_u64(seed),
        beats: VecDeque::new(),
        offered: false,
        entered: 0,
        left: vec![],
        word: vec![],
        heads: signature.heads.iter().map(|h| (h.port.clone(), vec![], vec![])).collect(),
        last: signature.frames == Frames::Tlast,
        enable: options.aclken,
    };
    for port in signature.control_ports().filter(|port| port.enters()) {
        core.set(&port.name, 0);
    }
    core.reset();

    // With the bench of every core, too, resets among what it does.
    let bench = strassenc::simulate::Simulator::build(&sources, signature, false, &tools).unwrap();
    let given = inputs(model, 40, seed);
    let asked = simulate::Options { gaps: true, resets: true, ..simulate::Options::default() };
    let due: Vec<_> = given.iter().map(|v| golden::infer(model, v).unwrap()).collect();
    assert_eq!(bench.run(&given, &asked).unwrap().outputs, due, "{}", model.name);

    let other = other(&build);
    let words = reload::words(&build, &other).unwrap();
    let vectors = inputs(model, 240, seed);
    let give = |core: &mut Core, vectors: &[Vec<i64>]| {
        for vector in vectors {
            let (mut data, mut flags) = (vec![], vec![]);
            signature.input.encode(vector, false, &mut data, &mut flags);
            let beats = data.chunks(signature.input.beat_bytes()).zip(&flags);
            let count = flags.len();
            core.beats
                .extend(beats.enumerate().map(|(i, (beat, _))| (beat.to_vec(), i + 1 == count)));
        }
    };
    let expected = |model: &Model, vector: &Vec<i64>| golden::infer(model, vector).unwrap();
    let left = |core: &Core| {
        let of_heads = core.heads.iter().map(|(_, left, _)| left.len());
        of_heads.fold(core.left.len(), usize::min)
    };
    let outputs = |core: &Core| -> Vec<Vec<i64>> {
        let decoded = |stream: &Stream, bytes: &Vec<u8>| {
            let beat = stream.beat_bytes();
            // A port is as wide as what Verilator holds it in.
            let held = bytes.len() / stream.beats;
            let beats = bytes.chunks(held).flat_map(|b| b[..beat].to_vec()).collect::<Vec<_>>();
            stream.decode(&beats).unwrap()
        };
        let of_heads = core.heads.iter().map(|(_, left, _)| left);
        let all: Vec<_> = [&core.left].into_iter().chain(of_heads).collect();
        let streams: Vec<_> = signature.outputs().map(|(_, stream)| stream).collect();
        let frame = |i: usize| {
            streams.iter().zip(&all).flat_map(|(stream, left)| decoded(stream, &left[i])).collect()
        };
        (0..left(core)).map(frame).collect()
    };

    // Before: the model of the build. Then words are written, and loaded, under traffic.
    give(&mut core, &vectors[..200]);
    core.run_until(|core| core.left.len() > 10);
    for (word, offset) in words.iter().zip((table.offset..).step_by(4)) {
        assert!(core.write(offset, *word));
    }
    assert_eq!(core.read(table.offset), words[0]);
    give(&mut core, &vectors[200..]);
    let before = core.entered;
    let (command, status) = (register(control, "COMMAND"), register(control, "STATUS"));
    assert!(core.write(command, 2));
    assert!(core.entered < vectors.len(), "{}: no traffic is left", model.name);
    while core.read(status) & 4 != 0 {}
    let after = core.entered;
    assert_eq!(core.read(register(control, "LOADS")), 2);
    core.run_until(|core| left(core) == vectors.len());
    let found = outputs(&core);
    let is = |model: &Model, i: usize| found[i] == expected(model, &vectors[i]);
    let switch = (0..vectors.len()).find(|i| !is(model, *i)).unwrap();
    for i in 0..vectors.len() {
        let due = if i < switch { model } else { &other };
        assert!(is(due, i), "{}: frame {i}, the switch is at {switch}", model.name);
    }
    // Frames that are alike by chance move what is found, not the switch.
    assert!(switch >= before && switch <= after, "{before}, {switch}, {after}");
    assert_eq!(core.read(register(control, "FRAMES_IN")), vectors.len() as u32);
    assert_eq!(core.read(register(control, "FRAMES_OUT")), vectors.len() as u32);

    // A reset loads what the table holds, also one that comes in the middle of a load.
    core.write(command, 2);
    for _ in 0..20 {
        core.clock(&mut |_| {});
    }
    core.reset();
    give(&mut core, &vectors);
    core.run_until(|core| left(core) == vectors.len());
    for (found, vector) in outputs(&core).iter().zip(&vectors) {
        assert_eq!(*found, expected(&other, vector), "{}: after reset", model.name);
    }
}

fn reloadable(options: Options) -> Options {
    let target = Target { engine: Allowed::Unrolled, ..Target::default() };
    Options { reloadable: Some(1), target, effort: 0, ..options }
}

fn digits() -> Model {
    model_file::load(&root().join("runtime/models/digits.safetensors")).unwrap()
}

#[test]
fn digits_become_another_model_under_traffic() {
    // Without a power to spare, so that training meets the ends of what can be loaded.
    let tight = Options { reloadable: Some(0), ..reloadable(Options::default()) };
    switches(&digits(), &tight, 1, &trained);
    let of = reloadable(Options { beat_elements: Some(16), ..Options::default() });
    switches(&digits(), &of, 3, &trained);
    let options = Options {
        beat_elements: Some(16),
        aclken: true,
        adder_operands: 3,
        frames: Frames::Count,
        ..Options::default()
    };
    switches(&digits(), &reloadable(options), 2, &|build| another(&build.model, 2));
}

#[test]
fn random_networks_become_other_models_under_traffic() {
    let mut tried = 0;
    for seed in 0..40 {
        let options = reloadable(Options { aclken: seed % 3 == 0, ..Options::default() });
        let model = image_model(seed);
        match build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0) {
            Ok(_) if tried < 3 => {
                switches(&model, &options, seed, &|build| another(&build.model, seed));
                tried += 1;
            }
            Ok(_) => break,
            Err(e) => assert_eq!(e.kind(), strassenc_runtime::Kind::Input, "{seed}: {e}"),
        }
    }
    assert_eq!(tried, 3);
}

/// A frame is in the core until it has left it on every output.
#[test]
fn a_network_with_heads_becomes_another_model_under_traffic() {
    let options = reloadable(Options::default());
    let fits = |seed: &u64| {
        build::compile(&headed_model(*seed), &options, &|_| {}, &|| false, &|| 0.0).is_ok()
    };
    let seed = (0..40).find(fits).unwrap();
    let other = |build: &Build| another(&build.model, seed);
    switches(&headed_model(seed), &options, seed, &other);
}

/// Coefficients, biases and shifts of folded layers lie in memories, of others in registers: alone,
/// and beside one another.
#[test]
fn folded_networks_become_other_models_under_traffic() {
    let folded = Target { engine: Allowed::Folded, ..Target::default() };
    let options = reloadable(Options { aclken: true, ..Options::default() });
    let options = Options { target: folded, ..options };
    let mut tried = 0;
    for seed in 0..40 {
        let model = image_model(seed);
        let mut options = options.clone();
        let Ok(whole) = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0) else {
            continue;
        };
        if tried == 1 {
            // Every other layer is unrolled.
            let names = whole.engines.layers.keys().step_by(2);
            let unrolled = names.map(|name| (name.clone(), Choice::Unrolled));
            options.engines.layers =
                whole.engines.layers.clone().into_iter().chain(unrolled).collect();
        }
        switches(&model, &options, seed, &|build| another(&build.model, seed));
        tried += 1;
        if tried == 2 {
            return;
        }
    }
    panic!("{tried} networks can be folded");
}

#[test]
fn what_cannot_be_loaded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (model, options) = (digits(), reloadable(Options::default()));
    let compiled = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let path = folder.path().join("build");
    build::write(&path, &compiled, &options).unwrap();
    let build = Build::open(&path).unwrap();
    let told = |change: &dyn Fn(&mut Dense)| {
        let mut other = model.clone();
        let Layer::Dense(dense) = &mut other.layers[0] else { unreachable!() };
        change(dense);
        reload::words(&build, &other).unwrap_err().to_string()
    };
    let matrix = told(&|dense| {
        let w = dense.w_b.iter_mut().find(|w| **w != 0).unwrap();
        *w = -*w;
    });
    assert!(matrix.contains("layer `dense_0`: differs from that of the build"), "{matrix}");
    let shifted = |dense: &mut Dense, by: i32| {
        let Output::Requantised { shifts, .. } = &mut dense.output else { unreachable!() };
        shifts[4] += by;
        shifts[4]
    };
    for (by, powers) in [(-2, "--reloadable=2"), (-4, "--reloadable=4"), (4, "--reloadable=3")] {
        let told = told(&|dense| _ = shifted(dense, by));
        assert!(told.contains("layer `dense_0`, output 4: is shifted by"), "{told}");
        assert!(told.contains(powers), "{told}");
    }
    let fine = told(&|dense| dense.coefficient_shifts[3] = 60);
    assert!(fine.contains("coefficient 3: is") && fine.contains("finer than"), "{fine}");
    let large = told(&|dense| dense.coefficient_shifts[3] = -20);
    assert!(large.contains("larger than what its register holds"), "{large}");
    // What training may choose from is what fits, and no more.
    let ranges = reload::loadable(&build).unwrap().layers.remove("dense_0").unwrap();
    let fits = |change: &dyn Fn(&mut Dense)| {
        let mut other = model.clone();
        let Layer::Dense(dense) = &mut other.layers[0] else { unreachable!() };
        change(dense);
        reload::words(&build, &other).is_ok()
    };
    let (least, most) = ranges.biases[2];
    for (bias, holds) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
        assert_eq!(fits(&|dense| dense.bias[2] = bias), holds, "{bias}");
    }
    let (least, most) = ranges.shifts[4];
    for (shift, holds) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
        let change = |dense: &mut Dense| {
            let by = shift - shifted(dense, 0);
            shifted(dense, by);
        };
        assert_eq!(fits(&change), holds, "{shift}");
    }
    let range = ranges.coefficients[3];
    let powers = (range.most + 1).ilog2() as i32;
    for (a, t) in [(1, range.finest), (-1, range.finest - powers + 1)] {
        for (beyond, holds) in [(0, true), (a, false)] {
            let change = |dense: &mut Dense| {
                (dense.coefficients[3], dense.coefficient_shifts[3]) = (a, t + beyond);
            };
            assert_eq!(fits(&change), holds, "{a} * 2^-{t}, {beyond}");
        }
    }
    // Powers that are enough are named, and they are: those of a build of one power more.
    let twice = |dense: &mut Dense| {
        let largest = dense.coefficient_shifts.iter().min().copied().unwrap();
        dense.coefficient_shifts[3] = largest - 3;
    };
    let powers = told(&twice);
    assert!(powers.contains("--reloadable=3"), "{powers}");
    for (powers, fits) in [(2, false), (3, true)] {
        let options = Options { reloadable: Some(powers), ..options.clone() };
        let compiled = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
        let path = folder.path().join(format!("powers {powers}"));
        build::write(&path, &compiled, &options).unwrap();
        let mut other = model.clone();
        let Layer::Dense(dense) = &mut other.layers[0] else { unreachable!() };
        twice(dense);
        let words = reload::words(&Build::open(&path).unwrap(), &other);
        assert_eq!(words.is_ok(), fits, "{powers}: {:?}", words.err());
    }
    let bias = told(&|dense| dense.bias[2] = 1 << 40);
    assert!(bias.contains("layer `dense_0`, bias 2: is 1099511627776, larger"), "{bias}");

    let plain = Options { reloadable: None, ..options.clone() };
    let compiled = build::compile(&model, &plain, &|_| {}, &|| false, &|| 0.0).unwrap();
    let path = folder.path().join("plain");
    build::write(&path, &compiled, &plain).unwrap();
    let told = reload::words(&Build::open(&path).unwrap(), &model).unwrap_err().to_string();
    assert!(told.contains("not loaded at run time") && told.contains("--reloadable"), "{told}");

    // A rate alone is kept without serial layers.
    let of = |engine| {
        let target = Target { ii: Some(4), engine, ..Target::default() };
        let options = Options { target, ..options.clone() };
        build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0)
    };
    let kept = of(Allowed::Auto).unwrap();
    assert!(kept.timing.interval() <= 4 && kept.layers.iter().all(|l| l.serial().is_none()));
    let told = of(Allowed::Serial).unwrap_err();
    assert!(told.to_string().contains("leave out --engine serial"), "{told}");
}

/// All that can be loaded is within the widths: at every end of each, alone and together.
#[test]
fn a_circuit_holds_what_any_table_makes_of_it() {
    for seed in 0..12 {
        let model = random_model(&strassenc_tests::models::small());
        let options = reloadable(Options::default());
        let Ok(compiled) = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0) else {
            continue;
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for layer in compiled.layers.iter().filter_map(|layer| layer.unrolled()) {
            let mut circuit = layer.circuit.clone();
            for node in &mut circuit.nodes {
                use strassenc::circuit::Op;
                match &mut node.op {
                    Op::Constant(v) => {
                        *v = if rng.random() { node.interval.lo } else { node.interval.hi };
                    }
                    Op::Multiply { coefficient, coefficient_bits, .. } => {
                        let end = (1 << (*coefficient_bits - 1)) - 1;
                        *coefficient = if rng.random() { end } else { -end };
                    }
                    Op::Shift { by, bits, .. } => *by = rng.random_range(0..1 << *bits),
                    _ => {}
                }
            }
            for _ in 0..20 {
                let ends = |id: &strassenc::circuit::NodeId| circuit.node(*id).interval;
                let x: Vec<i64> = (circuit.inputs.iter().map(ends))
                    .map(|x| if rng.random() { x.lo } else { x.hi })
                    .collect();
                let values = strassenc::circuit::evaluate(&circuit, &x).unwrap();
                for (node, value) in circuit.nodes.iter().zip(values) {
                    assert!(node.interval.contains(value), "{}: {value}", node.name);
                }
            }
        }
    }
}
