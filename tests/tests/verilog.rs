//! The emitted text: what a person reads, what tools accept, and that nothing but the inputs
//! decides it.

use ndarray::{arr1, arr2};
use proptest::prelude::*;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use strassenc::build::{self, Options};
use strassenc::compile::{self, compile};
use strassenc::device::DEVICES;
use strassenc::emit::signature::Frames;
use strassenc::emit::{self, Emitted, emit};
use strassenc::engine::{self, Allowed};
use strassenc::multipliers::Multipliers;
use strassenc::schedule::{self, Limit};
use strassenc::simulate::{self, Simulator, Sources};
use strassenc::tools::{Component, Tools};
use strassenc_runtime::model::{Dense, Edge, Layer, Output, Provenance};
use strassenc_runtime::{Format, Model, golden};
use strassenc_tests::{
    any_search, any_streams, image_model, inputs, property, random_model, recipes, recurrent_model,
    simulate_testbench, tools, verilators,
};

/// Two layers that have one of everything: shared sums, a ReLU, dropped bits, a constant output,
/// two beats.
fn tiny() -> Model {
    let format = |signed, bits, frac| Format { signed, bits, frac };
    Model {
        name: "tiny".into(),
        input: Edge { shape: vec![3], format: format(true, 4, 2) },
        layers: vec![
            Layer::Dense(Dense {
                name: "hidden".into(),
                budget: 3,
                w_b: arr2(&[[1, 1, 0], [1, 1, -1], [0, -1, 1]]),
                coefficients: arr1(&[5, -4, 7]),
                coefficient_bits: 4,
                coefficient_shifts: arr1(&[1, 0, 2]),
                product_frac: 3,
                w_c: arr2(&[[1, 0, -1], [0, 1, 1], [1, -1, 0]]),
                bias: arr1(&[3, -2, 0]),
                output: Output::Requantised {
                    shifts: arr1(&[2, 1, 0]),
                    format: format(false, 4, 2),
                },
            }),
            Layer::Dense(Dense {
                name: "scores".into(),
                budget: 2,
                w_b: arr2(&[[1, 0, -1], [1, 1, 0]]),
                coefficients: arr1(&[3, 2]),
                coefficient_bits: 3,
                coefficient_shifts: arr1(&[0, -1]),
                product_frac: 3,
                w_c: arr2(&[[1, 1], [-1, 1], [0, 0]]),
                bias: arr1(&[1, 0, -6]),
                output: Output::Raw,
            }),
        ],
        provenance: Provenance::default(),
    }
}

fn quiet(model: &Model, options: &Options) -> compile::Compiled {
    build::compile(model, options, &|_| {}, &|| false, &|| 0.0).unwrap()
}

#[test]
fn a_tiny_build_is_what_its_snapshot_shows_and_computes_what_golden_does() {
    let model = tiny();
    let options = Options { beat_elements: Some(2), ..Options::default() };
    let compiled = quiet(&model, &options);
    let (_, contents) = build::contents(&compiled, &options).unwrap();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/tiny");
    let bless = std::env::var_os("STRASSENC_BLESS").is_some();
    if bless {
        std::fs::create_dir_all(&snapshots).unwrap();
    }
    for (name, bytes) in &contents {
        // The primitives stand in hw/, the model is no text, and the record has hashes of both.
        if name.starts_with("strassenc_") || [build::MODEL, build::RECORD].contains(&name.as_str())
        {
            continue;
        }
        let snapshot = snapshots.join(name);
        if bless {
            std::fs::write(&snapshot, bytes).unwrap();
        }
        let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(bytes),
            expected,
            "{name}: STRASSENC_BLESS=1 accepts new texts"
        );
    }

    let emitted = emit(&compiled, &options.emit()).unwrap();
    let tools = tools();
    tools.verilator_or_install().unwrap();
    simulate::lint(&Sources::from(&emitted), &tools).unwrap();
    let simulator =
        Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &tools).unwrap();
    let vectors = inputs(&model, 100, 1);
    let expected: Vec<_> = vectors.iter().map(|v| golden::infer(&model, v).unwrap()).collect();
    assert_eq!(simulator.run(&vectors, &simulate::Options::default()).unwrap().outputs, expected);
}

type Core = (Model, compile::Options, emit::Options);

fn any_core() -> impl Strategy<Value = Core> {
    let adders = (1u32..=4).prop_map(Limit::Adders);
    // Slow enough for any node; its carry chains do not invert.
    let device = DEVICES.into_iter().find(|device| device.name == "hx8k").unwrap();
    let limits = prop_oneof![4 => adders, 1 => Just(Limit::Clock { device, period_ps: 50_000 })];
    (recipes(), limits, 1u32..=4, 0u64..1000, any::<bool>(), any::<bool>()).prop_map(
        |(recipe, limit, multiplier_latency, streams, clock_enable, shift_add)| {
            let multipliers = if shift_add { Multipliers::ShiftAdd } else { Multipliers::Dsp };
            let schedule = schedule::Options { limit, multiplier_latency };
            let ([input, output], frames) = any_streams(streams);
            let (share, control) = (any_search(streams), streams % 3 == 0);
            // Products of data have no digits.
            let ii =
                (streams % 4 == 0 && !recipe.two_operands).then_some(2 + (streams % 15) as u32);
            let engine = if ii.is_some() { Allowed::Serial } else { Allowed::Auto };
            let target = engine::Target { ii, engine, ..engine::Target::default() };
            let asked = compile::Options {
                share,
                schedule,
                multipliers,
                target,
                input,
                output,
                ..Default::default()
            };
            let command = "no options".into();
            let options = emit::Options { frames, clock_enable, control, command };
            (random_model(&recipe), asked, options)
        },
    )
}

fn emitted((model, asked, options): &Core) -> Emitted {
    emit(&compile(model, asked, &|_| {}, &|| false).unwrap(), options).unwrap()
}

/// Images, states and ROMs too.
#[test]
fn the_text_of_no_kind_of_network_depends_on_threads() {
    let options = Options::default();
    for model in (0..12).flat_map(|seed| [image_model(seed), recurrent_model(seed)]) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| emit(&quiet(&model, &options), &options.emit()).unwrap().files)
        };
        assert_eq!(on(1), on(4), "{}", model.name);
    }
}

/// The text without comments and attributes.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Names that a module declares: ports, nets, instances.
fn declared(text: &str) -> Vec<String> {
    let text = code(text);
    let mut names = vec![];
    // Ports end with commas, declarations with semicolons.
    for statement in text.split([';', '(']) {
        for part in statement.split('\n').map(str::trim) {
            let mut words = part.split_whitespace().peekable();
            if words.next_if(|w| ["input", "output"].contains(w)).is_none() {
                continue;
            }
            let name = words
                .find(|w| !w.starts_with("wire") && !w.starts_with("reg") && !w.starts_with('['));
            names.push(name.unwrap().trim_end_matches([',', ')']).to_string());
        }
    }
    for statement in text.split(';') {
        let statement = statement.trim();
        let Some(rest) = ["wire ", "reg ", "reg\n"].iter().find_map(|w| statement.strip_prefix(w))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = if rest.starts_with('[') { rest.split_once(']').unwrap().1 } else { rest };
        let list = rest.split('=').next().unwrap();
        names.extend(list.split(',').map(|name| name.trim().to_string()));
    }
    for line in text.lines().map(str::trim) {
        if let Some(instance) = line.strip_prefix(") ").and_then(|l| l.strip_suffix(" (")) {
            names.push(instance.to_string());
        }
    }
    names
}

proptest! {
    #![proptest_config(property(300, 7))]

    #[test]
    fn every_name_is_declared_once_and_plain(core in any_core()) {
        let emitted = emitted(&core);
        prop_assert!(emitted.signature.latency > 0);
        let own = |path: &str| path.ends_with(".v") && !path.starts_with("strassenc_");
        for file in emitted.files.iter().filter(|file| own(&file.path)) {
            prop_assert!(file.text.is_ascii() && file.text.ends_with("`default_nettype wire\n"));
            let trimmed = file.text.lines().all(|line| line.len() == line.trim_end().len());
            prop_assert!(trimmed, "{}: trailing space", file.path);
            if file.path == format!("{}.v", emitted.signature.testbench) {
                continue;
            }
            let names = declared(&file.text);
            prop_assert!(names.len() > 2);
            let mut seen = BTreeSet::new();
            for name in &names {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.bytes().all(plain);
                prop_assert!(is_plain, "{}: {name:?}", file.path);
                prop_assert!(seen.insert(name), "{}: {name} is declared twice", file.path);
            }
        }
    }

    #[test]
    fn the_text_does_not_depend_on_threads(core in any_core()) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| emitted(&core).files)
        };
        prop_assert_eq!(on(1), on(4));
    }
}

/// Some random cores, the same each time.
fn some_cores(n: usize) -> Vec<Emitted> {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::new(property(1, 11));
    let strategy = any_core();
    (0..n).map(|_| emitted(&strategy.new_tree(&mut runner).unwrap().current())).collect()
}

#[test]
fn random_cores_are_lint_clean() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    for emitted in some_cores(20) {
        simulate::lint(&Sources::from(&emitted), &tools).unwrap();
    }
}

/// Folded, every multiplication in shifts and additions: of images, signals, residual sums.
#[test]
fn folded_cores_of_shifts_and_additions_are_lint_clean() {
    let target = engine::Target { engine: Allowed::Folded, ..Default::default() };
    let options = Options { multipliers: Multipliers::ShiftAdd, target, ..Default::default() };
    let verilators = verilators();
    let mut folded = 0;
    for seed in 0..6 {
        let compiled =
            build::compile(&image_model(seed), &options, &|_| {}, &|| false, &|| 0.0).unwrap();
        let emitted = emit::emit(&compiled, &options.emit()).unwrap();
        folded +=
            usize::from(emitted.files.iter().any(|file| file.path == "strassenc_shift_add_bank.v"));
        for tools in &verilators {
            let version = tools.verilator().unwrap().version;
            simulate::lint(&Sources::from(&emitted), tools)
                .unwrap_or_else(|e| panic!("model {seed}, {version}: {e}"));
        }
    }
    assert!(folded >= 3, "{folded} cores have a bank");
}

/// Names that clash with keywords of Verilog and C++, with primitives, with the testbench and with
/// each other.
#[test]
fn unlucky_names_make_cores_all_the_same() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    for (model, layers) in [
        ("table", ["core", "tb"]),
        ("module", ["s_register", "collector"]),
        ("namespace", ["rst", "aclk"]),
        ("strassenc", ["stream_register", "multiplier"]),
        ("std", ["wire", "clk"]),
    ] {
        let mut unlucky = tiny();
        unlucky.name = model.into();
        for (layer, name) in unlucky.layers.iter_mut().zip(layers) {
            match layer {
                Layer::Dense(dense) => dense.name = name.into(),
                Layer::Bilinear(bilinear) => bilinear.name = name.into(),
                _ => unreachable!("a network of vectors"),
            }
        }
        let options = Options::default();
        let emitted = emit(&quiet(&unlucky, &options), &options.emit()).unwrap();
        let paths: BTreeSet<_> = emitted.files.iter().map(|f| f.path.to_lowercase()).collect();
        assert_eq!(paths.len(), emitted.files.len(), "{model}: files of equal names");
        simulate::lint(&Sources::from(&emitted), &tools).unwrap_or_else(|e| panic!("{model}: {e}"));
    }
}

fn hw() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw")
}

/// Simulates testbench `top` of these files in `folder`, in Icarus where it is there, else in
/// Verilator; what it prints.
fn simulated(top: &str, files: &[PathBuf], folder: &Path, tools: &Tools) -> String {
    match tools.icarus() {
        Ok(icarus) => {
            let program = folder.join(format!("{top}.vvp"));
            let mut compile = icarus.compile();
            compile.args(["-g2005", "-Wall", "-s", top, "-o"]).arg(&program).args(files);
            tools.run_ok(&mut compile).unwrap();
            let mut simulate = icarus.simulate();
            simulate.arg("-N").arg(&program).current_dir(folder);
            tools.run(&mut simulate).unwrap().stdout
        }
        Err(_) => simulate_testbench(top, files, folder, tools),
    }
}

/// The Verilog files of a folder.
fn verilog(folder: PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "v"));
    paths.sort();
    paths
}

fn module(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// The name and files of each primitive: the testbench, the primitive, and what that instantiates.
fn primitives() -> Vec<(String, Vec<PathBuf>)> {
    let primitives = verilog(hw());
    let files = |path: &PathBuf| {
        let name = module(path);
        let text = std::fs::read_to_string(path).unwrap();
        let used =
            |other: &&PathBuf| *other != path && text.contains(&format!("{} ", module(other)));
        let parts = primitives.iter().filter(used);
        let bench = hw().join("tb").join(format!("{name}_tb.v"));
        (name.to_string(), [&bench, path].into_iter().chain(parts).cloned().collect())
    };
    primitives.iter().map(files).collect()
}

#[test]
fn every_primitive_has_a_testbench() {
    let of = |paths: Vec<PathBuf>| {
        paths.iter().map(|path| module(path).to_string()).collect::<BTreeSet<_>>()
    };
    let expected = of(verilog(hw())).iter().map(|name| format!("{name}_tb")).collect();
    assert_eq!(of(verilog(hw().join("tb"))), expected);
}

#[test]
fn the_primitives_pass_their_testbenches() {
    let (tools, folder) = (tools(), tempfile::tempdir().unwrap());
    // Debian's Verilator misses changes of signals in these testbenches. Icarus Verilog does not.
    if tools.verilator_or_install().unwrap().version.starts_with("5.006") {
        tools.install(Component::named("icarus").unwrap()).unwrap();
    }
    let wrong = |(name, files): &(String, Vec<PathBuf>)| {
        let told = simulated(&format!("{name}_tb"), files, folder.path(), &tools);
        (!told.starts_with(&format!("PASS {name}\n"))).then(|| format!("{name}: {told}"))
    };
    // Told here, since what another thread prints when it fails is lost.
    let wrong: Vec<String> = primitives().par_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn testbenches_are_lint_clean_with_their_primitives() {
    let objections = |tools: &Tools| {
        let told = primitives().into_iter().flat_map(|(name, files)| {
            let mut lint = tools.verilator().unwrap().command();
            lint.args(["--lint-only", "-Wall", "--timing", "--top-module", &format!("{name}_tb")])
                .args(&files);
            let told = tools.run(&mut lint).unwrap();
            let warnings =
                told.stderr.lines().filter(|line| line.starts_with('%')).map(String::from);
            warnings
                .chain((!told.status.success()).then(|| format!("{name}: {}", told.status)))
                .collect::<Vec<_>>()
        });
        told.collect::<Vec<String>>()
    };
    for tools in verilators() {
        let told = objections(&tools);
        assert!(told.is_empty(), "{}: {}", tools.verilator().unwrap().version, told.join("\n"));
    }
}

#[test]
fn the_testbench_of_a_build_passes_and_sees_a_wrong_answer() {
    let tools = tools();
    for options in [
        Options::default(),
        Options { beat_elements: Some(2), aclken: true, adders_per_stage: 2, ..Options::default() },
        Options { input_bits: Some(16), output_bits: Some(64), ..Options::default() },
        Options { beat_elements: Some(1), frames: Frames::Count, ..Options::default() },
    ] {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("build");
        build::write(&folder, &quiet(&tiny(), &options), &options).unwrap();
        let build = build::Build::open(&folder).unwrap();
        let top = &build.signature.testbench;
        let mut files = vec![folder.join(format!("{top}.v"))];
        files.extend(build.verilog());
        let told = simulated(top, &files, &folder, &tools);
        assert!(told.starts_with("PASS tiny: 34 vectors"), "{told}");

        let answers = folder.join(format!("{top}_output.mem"));
        let text = std::fs::read_to_string(&answers).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let changed = if first.ends_with('0') { '1' } else { '0' };
        std::fs::write(&answers, format!("{}{changed}\n{rest}", &first[..first.len() - 1]))
            .unwrap();
        let told = simulated(top, &files, &folder, &tools);
        assert!(told.starts_with("vector 0, beat 0: got") && told.contains("FAIL tiny"), "{told}");
    }
}
