//! Networks over images as a user meets them: a random model, engines for a target, Verilog,
//! simulation, report, check; FIFOs that are too short; and one clear message for whatever is
//! wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use strassenc::build::Build;
use strassenc::engine::{Choice, Engines};
use strassenc::tools::Tools;
use strassenc_runtime::{golden, model_file, network, random};

/// One of everything: patches, a residual, groups, both pools, activations, a concatenation, a
/// dense layer.
const NET: &str = r#"
name = "little"
input = { shape = [9, 9, 2], bits = 6, frac = 6 }
layers = [
    { conv2d = { channels = 4, kernel = 3, pad = 1, r = 8, p = 2 } },
    "relu",
    { residual = { body = [
        { conv2d = { channels = 4, kernel = 3, pad = 1 } },
        { leaky_relu = 3 },
        { conv2d = { channels = 4, kernel = 3, pad = 1, groups = 2 } },
    ] } },
    "relu6",
    { max_pool = { size = 2 } },
    { conv2d = { channels = 8, kernel = 3, pad = 1, stride = 2 } },
    "relu",
    { concat = { body = [{ conv2d = { channels = 4, kernel = 3, pad = 1 } }, "sigmoid"] } },
    { average_pool = { size = 2 } },
    { dense = { units = 3 } },
]
"#;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(folder, arguments);
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert_eq!(error.lines().filter(|line| line.starts_with("error")).count(), 1, "{error}");
    error
}

/// A folder with `net.toml` and the run `run` of a random model.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.toml"), NET).unwrap();
    done(folder.path(), &["random", "net.toml", "-o", "run"]);
    folder
}

fn install_verilator() {
    let home =
        std::env::var_os("STRASSENC_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".strassenc")
    });
    Tools::new(home).verilator_or_install().unwrap();
}

#[test]
fn from_a_description_to_a_simulated_core() {
    install_verilator();
    let folder = folder();
    let path = folder.path();
    let text = done(path, &["verilog", "run", "-o", "quick"]);
    assert!(
        text.contains(" inferences a second at 200 MHz") && text.contains("Slowest layer: "),
        "{text}"
    );
    // A tenth of the rate takes fewer gates, and says so.
    done(path, &["verilog", "run", "-o", "slow", "--target-fps", "50000", "--clock", "100"]);
    let text = done(
        path,
        &["verilog", "run", "-o", "soft", "--engine", "folded", "--multipliers", "shift-add"],
    );
    // Sentences are broken where the terminal ends.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("0 hardware multipliers: 0 DSP blocks (DSP48E1)")
            && text.contains("additions of shifted"),
        "{text}"
    );
    let [quick, slow] = ["quick", "slow"].map(|name| Build::open(&path.join(name)).unwrap());
    assert!(slow.signature.ii <= 2000 && quick.signature.ii < slow.signature.ii);
    assert!(slow.record.figures.total.luts < quick.record.figures.total.luts);
    for name in ["quick", "slow", "soft"] {
        for pauses in [vec![], vec!["--gaps", "--backpressure"]] {
            let text =
                done(path, &[&["simulate", name, "--random", "8"], pauses.as_slice()].concat());
            assert!(text.contains("every output is golden's"), "{text}");
        }
        let text = done(path, &["check", name, "--random", "4"]);
        assert!(
            text.contains("0 do not") && text.contains("pass  dataflow IR, engines = golden"),
            "{text}"
        );
    }
    let text =
        done(path, &["simulate", "quick", "--random", "4", "--layers", "conv_0,pool_0,conv_3"]);
    assert_eq!(text.matches("every output is golden's").count(), 3, "{text}");
    // What was chosen can be given back, and gives the same core.
    done(
        path,
        &["verilog", "run", "-o", "again", "--engines", "slow/engines.toml", "--clock", "100"],
    );
    let again = Build::open(&path.join("again")).unwrap();
    assert_eq!(again.signature.layers, slow.signature.layers);
    assert_eq!(again.signature.ii, slow.signature.ii);
    let html = done(path, &["report", "slow", "--html", "report.html", "--json"]);
    assert!(html.contains("\"inferences_per_second\"") && path.join("report.html").exists());
}

#[test]
fn fifos_run_at_the_least_depth_and_one_word_less_is_a_deadlock_with_a_name() {
    install_verilator();
    let folder = folder();
    let path = folder.path();
    done(path, &["verilog", "run", "-o", "core", "--engine", "folded"]);
    let build = Build::open(&path.join("core")).unwrap();
    let fifo = &build.record.figures.streams.fifos[0];
    assert_eq!(fifo.name, "fifo_add_0_shortcut");
    assert!(fifo.live > 1 && fifo.live < fifo.rate && fifo.depth == fifo.rate, "{fifo:?}");
    let text = std::fs::read_to_string(path.join("core/engines.toml")).unwrap();
    let engines = Engines::parse(&text, "engines.toml").unwrap();
    for (depth, runs) in [(fifo.live, true), (fifo.live - 1, false)] {
        let with = Engines { fifos: [(fifo.name.clone(), depth)].into(), ..engines.clone() };
        std::fs::write(path.join("engines.toml"), with.to_toml(&build.record.figures)).unwrap();
        // The text states the depths of the figures; what is set here is set.
        let text = std::fs::read_to_string(path.join("engines.toml")).unwrap();
        let text = text.replace(
            &format!("{} = {}", fifo.name, fifo.depth),
            &format!("{} = {depth}", fifo.name),
        );
        std::fs::write(path.join("engines.toml"), text).unwrap();
        let arguments = ["verilog", "run", "-o", "short", "--engines", "engines.toml"];
        if runs {
            // More slowly than with the depth of full rate, at the clocks that its own signature
            // promises.
            done(path, &arguments);
            done(path, &["simulate", "short", "--random", "6"]);
            assert!(Build::open(&path.join("short")).unwrap().signature.ii > build.signature.ii);
        } else {
            std::fs::remove_dir_all(path.join("short")).unwrap();
            let error = refused(path, 2, &arguments);
            let told = format!(
                "FIFO `{}`: {depth} words are too few: with fewer than {}",
                fifo.name, fifo.live
            );
            assert!(error.contains(&told), "{error}");
            assert!(!path.join("short").exists());
        }
    }
}

/// A little U-Net of two outputs: what is smaller for a while stands beside what was before it,
/// twice; what is smallest says what the image is, what is as large as before what each pixel is.
/// The name of a head may be that of a signal.
const U_NET: &str = r#"
name = "u_net"
input = { shape = [8, 8], bits = 6, frac = 6 }
layers = [
    { conv2d = { channels = 3, kernel = 3, pad = 1 } },
    "relu",
    { concat = { body = [
        { max_pool = { size = 2 } },
        { conv2d = { channels = 4, kernel = 3, dilation = [1, 2], pad = [1, 2] } },
        "relu",
        { concat = { body = [
            { max_pool = { size = 2 } },
            { conv2d = { channels = 4, kernel = 3, pad = 1 } },
            "relu",
            { head = { name = "tdata", layers = [
                "global_average_pool",
                { dense = { units = 3 } },
            ] } },
            { upsample = 2 },
        ] } },
        { conv2d = { channels = 4, kernel = 3, pad = 1 } },
        "relu",
        { upsample = 2 },
    ] } },
    { conv2d = { channels = 2, kernel = 3, pad = 1 } },
]
"#;

/// At full rate and under back pressure.
#[test]
fn the_skips_of_a_u_net_are_fifos_of_full_rate_or_of_the_least_depth() {
    install_verilator();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), U_NET).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    done(path, &["verilog", "run", "-o", "full"]);
    let full = Build::open(&path.join("full")).unwrap();
    let fifos = &full.record.figures.streams.fifos;
    assert_eq!(fifos.len(), 2);
    assert!(fifos.iter().all(|f| f.live > 1 && f.live < f.rate && f.depth == f.rate), "{fifos:?}");
    let text = std::fs::read_to_string(path.join("full/engines.toml")).unwrap();
    let mut engines = Engines::parse(&text, "engines.toml").unwrap();
    engines.fifos = fifos.iter().map(|fifo| (fifo.name.clone(), fifo.live)).collect();
    std::fs::write(path.join("engines.toml"), engines.to_string()).unwrap();
    done(path, &["verilog", "run", "-o", "least", "--engines", "engines.toml"]);
    let least = Build::open(&path.join("least")).unwrap();
    assert!(least.record.figures.streams.fifos.iter().all(|fifo| fifo.depth == fifo.live));
    assert!(least.signature.ii > full.signature.ii);
    let [head] = &*full.signature.heads else { panic!("{:?}", full.signature.heads) };
    assert_eq!((head.name.as_str(), head.stream.elements), ("tdata", 3));
    let told = done(path, &["report", "full"]);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("of its head tdata"), "{told}");
    for name in ["full", "least"] {
        for pauses in [vec![], vec!["--gaps", "--backpressure"]] {
            let arguments = [&["simulate", name, "--random", "6"], pauses.as_slice()].concat();
            let text = done(path, &arguments);
            assert!(text.contains("every output is golden's"), "{text}");
        }
    }
}

#[test]
fn what_is_for_networks_of_one_output_says_so_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), U_NET).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    for (arguments, told) in [
        (
            vec!["train", "net.toml", "--data", "digits", "-o", "x"],
            "says nothing that is due of head `tdata`",
        ),
        (vec!["eval", "run", "--data", "digits"], "says nothing that is due of head `tdata`"),
        (vec!["verilog", "run", "-o", "x", "--project", "c"], "is for cores with one output"),
    ] {
        let error = refused(path, 2, &arguments);
        assert!(error.contains(told), "{error}");
        assert!(!path.join("x").exists(), "{arguments:?}");
    }
}

#[test]
fn impossible_targets_and_wrong_engines_are_one_clear_error() {
    let folder = folder();
    let path = folder.path();
    let wrong = |arguments: &[&str], told: &str| {
        let error = refused(path, 2, &[&["verilog", "run", "-o", "core"], arguments].concat());
        assert!(error.contains(told), "{told}: {error}");
        assert!(!path.join("core").exists());
    };
    wrong(&["--target-fps", "1e7"], "a frame has 81 pixels, and the target allows 20 clocks");
    // Patches leave pixel by pixel: 25 of 4.
    wrong(
        &["--target-fps", "2.2e6"],
        "takes 100 clocks for a frame at least, and the target allows 90",
    );
    wrong(&["--target-fps", "1e9"], "81 pixels, and the target allows 0 clocks");
    // What is told is possible: 2e8 / 81, and 81 clocks at 5e6 frames.
    wrong(&["--target-fps", "1e9"], "ask for at most 2469135.802 frames a second\n");
    wrong(
        &["--target-fps", "5e6"],
        "ask for at most 2469135.802 frames a second, or for a clock of 405 MHz",
    );
    wrong(&["--clock", "1e305"], "--clock: 1e305 is not within 0.001 to 10000\n");
    wrong(&["--target-fps", "0"], "--target-fps: 0 is not within 0.001 to 1000000000");
    wrong(&["--target-fps", "10", "--lut-budget", "10"], "stands beside a budget");
    wrong(&["--lut-budget", "10"], "the core of the cheapest engines needs");
    wrong(&["--reloadable", "--device", "hx8k"], "for each coefficient, and hx8k has none");
    let engines = |text: &str, told: &str| {
        std::fs::write(path.join("engines.toml"), text).unwrap();
        wrong(&["--engines", "engines.toml"], told);
    };
    engines("[layers", "engines.toml:1: unclosed table, expected `]`");
    engines(
        "[layers.conv_9]\nengine = \"unrolled\"\n",
        "engines, layer `conv_9`: is not in the network",
    );
    engines("[layers.conv_0]\nengine = \"magic\"\n", "engines.toml:2: unknown value `magic`");
    engines(
        "[layers.conv_0]\nengine = \"unrolled\"\ninterval = 8\n",
        "engines.toml:1: the engine `unrolled` has no key `interval`: it has none of its own\n  \
         help: leave it out",
    );
    engines(
        "# serial\n\n[layers.conv_0]\nengine = \"serial\"\n",
        "engines.toml:3: the engine `serial` lacks its key `interval`",
    );
    engines(
        "[layers.conv_0]\nengine = \"serial\"\ninterval = \"8\"\n",
        "engines.toml:3: a whole number ≥ 0 is expected, not \"8\"",
    );
    engines(
        "[layers.conv_0]\nengine = \"serial\"\nintervall = 8\n",
        "engines.toml:3: unknown key `intervall`",
    );
    engines(
        "[layers.conv_0]\nengine = \"serial\"\ninterval = 65\n",
        "layer `conv_0`, interval: 65 is not within 2 to 64",
    );
    engines(
        "[layers.conv_0]\nengine = \"elementwise\"\nlanes = 1\n",
        "is linear: `unrolled`, `serial` or `folded`",
    );
    engines("[layers.pool_0]\nengine = \"unrolled\"\n", "has no weights: `elementwise`");
    engines(
        "[layers.pool_0]\nengine = \"elementwise\"\nlanes = 3\n",
        "layer `pool_0`, lanes: are 3, but can be 1, 2, 4",
    );
    let folded = |simd: usize, wc_pe: usize| {
        format!(
            "[layers.conv_0]\nengine = \"folded\"\npe = 4\nsimd = {simd}\nmultipliers = 2\nwc_pe = \
             {wc_pe}\nwc_simd = 2\n"
        )
    };
    engines(&folded(3, 1), "layer `conv_0`, simd: 3 does not divide the channels of a group, 2");
    engines(&folded(0, 1), "layer `conv_0`, simd: is 0");
    engines(&folded(1, 3), "layer `conv_0`, wc_pe: 3 does not divide the output channels, 4");
    engines("[layers]\n[fifos]\nfifo_x = 4\n", "engines, FIFO `fifo_x`: is not in this core");
    engines(
        "[layers.concat_0]\nengine = \"elementwise\"\nlanes = 6\n",
        "layer `concat_0`, lanes: are 6, but can be 1, 2, 4, 12",
    );
    engines("[layers]\n[fifos]\nfifo_add_0_shortcut = 0\n", "0 words are too few: with fewer than");
    let error = refused(path, 3, &["verilog", "run", "-o", "core", "--engines", "none.toml"]);
    assert!(error.contains("none.toml"), "{error}");
    let error = refused(path, 2, &["random", "net.toml", "--density", "0", "-o", "other"]);
    assert!(
        error.contains("--density <D>': it must be a number from 0.000001 to 1")
            && !path.join("other").exists(),
        "{error}"
    );
}

#[test]
fn a_budget_is_kept_with_the_quickest_core_that_fits() {
    let folder = folder();
    let path = folder.path();
    let built = |arguments: &[&str]| {
        done(path, &[&["verilog", "run", "-o", "core"], arguments].concat());
        let build = Build::open(&path.join("core")).unwrap();
        let estimates = build.record.figures.layers.iter().map(|l| l.engine.estimate);
        let hardware = estimates.map(|e| e.multipliers).sum::<u64>();
        let products =
            build.record.figures.layers.iter().flat_map(|l| &l.products).map(|p| p.count as u64);
        (build.record.figures.total.luts, build.signature.ii, hardware, products.sum::<u64>())
    };
    let (small, slow, ..) = built(&["--lut-budget", "3200"]);
    let (large, quick, hardware, products) = built(&["--lut-budget", "8000"]);
    assert!(
        small <= 3200 && large <= 8000 && small < large && quick < slow,
        "{small} {large} {quick} {slow}"
    );
    assert_eq!(hardware, products);
    // Shifts and additions are LUTs of the budget, and no multipliers.
    let (soft, _, hardware, products) =
        built(&["--lut-budget", "8000", "--multipliers", "shift-add"]);
    assert!(soft <= 8000 && (hardware, products) == (0, 0), "{soft} {hardware} {products}");
    let (.., products) =
        built(&["--engine", "folded", "--multipliers", "auto", "--dsp-budget", "3"]);
    assert!(products > 0 && products <= 3, "{products}");
}

/// What `strassenc random` promises of its models, and that golden computes what calibration saw.
#[test]
fn random_models_are_lively_and_the_same_for_a_seed() {
    let options = |seed| random::Options { density: 0.6, seed, data: None };
    let never = || false;
    let mut network = network::find("resnet20").unwrap();
    let images = |network: &network::Network| random::images(&network.inputs(), 2, 1);
    let make = |network: &network::Network, seed| {
        let (images, options) = (images(network), options(seed));
        random::random(network, &images, &options, &|_, _| (), random::Stop(&never)).unwrap()
    };
    // A depthwise layer whose W_c is the identity, of several outputs a group, and one with groups.
    let plain = "name = \"plain\"\ninput = { shape = [8, 8, 4], bits = 8, frac = 8 }\nlayers = [{ \
        conv2d = { channels = 8, kernel = 3, groups = 4 } }, \"relu\", { conv2d = { channels = 6, \
        kernel = 1, groups = 2 } }, \"flatten\", { dense = { units = 5 } }]\n\
        spn = { plain = true }\n";
    // Recurrent layers along a signal.
    let signal = "name = \"signal\"\ninput = { shape = [12, 2], bits = 8, frac = 7 }\nlayers = [{ \
        conv1d = { channels = 4, kernel = 3 } }, \"relu\", { lstm = { units = 8 } }, { gru = { \
        units = 6 } }, \"last\", { dense = { units = 3 } }]\n";
    for text in [plain, signal] {
        let network = network::Network::parse("drawn", text).unwrap();
        let made = make(&network, 1);
        let (_, hidden) = made.layers.split_last().unwrap();
        assert!(hidden.iter().all(|layer| layer.is_lively()), "{:?}", made.layers);
        for (image, outputs) in images(&network).iter().zip(&made.outputs) {
            assert_eq!(golden::infer(&made.model, image).unwrap(), *outputs);
        }
    }
    let images = images(&network);
    let made = make(&network, 1);
    assert!(made.layers.iter().all(|layer| layer.is_lively()), "{:?}", made.layers);
    for (image, outputs) in images.iter().zip(&made.outputs) {
        assert_eq!(golden::infer(&made.model, image).unwrap(), *outputs);
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| make(&network, 1)), made);
    assert_ne!(make(&network, 2).model, made.model);
    network.spn.p = 2;
    let patches = make(&network, 1);
    assert_eq!(golden::infer(&patches.model, &images[0]).unwrap(), patches.outputs[0]);
    assert_eq!(
        model_file::from_bytes(&model_file::to_bytes(&patches.model).unwrap()).unwrap(),
        patches.model
    );
}

#[test]
fn engines_are_a_file_that_people_edit() {
    let folder = folder();
    let path = folder.path();
    done(path, &["verilog", "run", "-o", "core", "--engine", "unrolled"]);
    let text = std::fs::read_to_string(path.join("core/engines.toml")).unwrap();
    let engines = Engines::parse(&text, "engines.toml").unwrap();
    assert_eq!(engines.layers["conv_0"], Choice::Unrolled);
    assert_eq!(engines.layers.len(), 13);
    assert!(
        text.contains("# fifo_add_0_shortcut = ") && text.contains(" clocks a frame, about "),
        "{text}"
    );

    // Edited where it is: nobody overwrites it, but who gives it back loses nothing.
    let edited = text.replace("# fifo_add_0_shortcut = ", "fifo_add_0_shortcut = 1");
    std::fs::write(path.join("core/engines.toml"), &edited).unwrap();
    let again = ["verilog", "run", "-o", "core", "--engine", "unrolled"];
    let error = refused(path, 3, &again);
    assert!(
        error.contains("engines.toml changed since")
            && error.contains("--engines takes the engines up"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(path.join("core/engines.toml")).unwrap(), edited);
    done(path, &[&again[..], &["--engines", "core/engines.toml"]].concat());
    let written = std::fs::read_to_string(path.join("core/engines.toml")).unwrap();
    assert_eq!(Engines::parse(&written, "").unwrap(), Engines::parse(&edited, "").unwrap());
}

/// Eleven channels go through a stream of three sums one at a time, which no estimate sees.
const AWKWARD: &str = r#"
name = "awkward"
input = { shape = [8, 8, 2], bits = 8, frac = 8 }
layers = [{ conv2d = { channels = 11, kernel = 3, pad = 1 } }, "relu", { dense = { units = 3 } }]
"#;

/// A window may reach beyond the one pixel that there is: vectors are of the pixel.
#[test]
fn an_image_of_one_pixel_is_checked() {
    install_verilator();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let text = "name = \"one\"\ninput = { shape = [1, 1, 3], bits = 4, frac = 4 }\nlayers = [\
                { conv2d = { channels = 2, kernel = 3, pad = 1 } }]\n";
    std::fs::write(path.join("net.toml"), text).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    done(path, &["check", "run", "--random", "3"]);
}

/// Words of 2 and of 3 elements would meet one element at a time, a clock each.
#[test]
fn words_of_neighbours_without_products_fit_each_other() {
    let text = "name = \"lanes\"\ninput = { shape = [4, 4], bits = 8, frac = 8 }\nlayers = [\
                { concat = { body = [{ conv2d = { channels = 3, kernel = 1 } }], \
                shortcut = [{ conv2d = { channels = 3, kernel = 1 } }] } }, \"sigmoid\", \
                { conv2d = { channels = 1, kernel = 1 } }]\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), text).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    done(path, &["verilog", "run", "-o", "core", "--ii", "4"]);
    assert!(Build::open(&path.join("core")).unwrap().signature.ii <= 64);
}

#[test]
fn a_target_is_met_or_refused_and_never_missed_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), AWKWARD).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    for rate in [100_000u32, 300_000, 1_000_000, 2_000_000] {
        let rate_told = rate.to_string();
        let output =
            run(path, &["verilog", "run", "-o", "core", "--target-fps", &rate_told, "--overwrite"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            let build = Build::open(&path.join("core")).unwrap();
            assert!(u64::from(build.signature.ii) * u64::from(rate) <= 200_000_000, "{rate}");
        } else {
            assert!(told.contains("keeps up") && told.contains("ask for --target-fps"), "{told}");
        }
    }
}

#[test]
fn a_damaged_build_is_not_checked_as_if_it_were_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), AWKWARD).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    done(path, &["verilog", "run", "-o", "core"]);
    for damage in [Some("garbage"), None] {
        match damage {
            Some(text) => std::fs::write(path.join("core/build.json"), text).unwrap(),
            None => std::fs::remove_file(path.join("core/build.json")).unwrap(),
        }
        let output = run(path, &["check", "core", "--random", "4"]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
}

/// Prices are off by some per cent, and what they are wrong by is sought again.
#[test]
fn a_larger_budget_gives_no_slower_core() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/models/digits.safetensors");
    let mut before = u32::MAX;
    for budget in [2600, 2850, 2890, 2900, 2950, 4400, 4460, 4600] {
        let most = budget.to_string();
        let build = ["verilog", model.to_str().unwrap(), "-o", "core", "--overwrite"];
        done(path, &[&build[..], &["--effort", "0", "--lut-budget", &most]].concat());
        let build = Build::open(&path.join("core")).unwrap();
        assert!(build.record.figures.total.luts <= budget, "{budget}");
        let ii = build.signature.ii;
        assert!(ii <= before, "{budget}: {ii} clocks where less takes {before}");
        before = ii;
    }
    assert!(before < 8, "{before}");
}

#[test]
fn the_least_budget_that_an_error_names_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let net = r#"
name = "dense"
input = { shape = [22], bits = 8, frac = 8 }
layers = [{ dense = { units = 30 } }, "relu", { dense = { units = 3 } }]
"#;
    std::fs::write(path.join("net.toml"), net).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    let build = |budget: &str| run(path, &["verilog", "run", "-o", "core", "--lut-budget", budget]);
    let luts = || Build::open(&path.join("core")).unwrap().record.figures.total.luts;
    let told = String::from_utf8(build("1").stderr).unwrap();
    let least = told.split("needs ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let least: u64 = least.parse().unwrap();
    assert!(build(&least.to_string()).status.success() && luts() <= least, "{told}");
    // Prices are no figures: another choice may take a little less.
    assert!(!build(&(least * 7 / 8).to_string()).status.success(), "{told}");

    // The report counts what stands between the layers, too, and layers whose engine is given.
    done(path, &["verilog", "run", "-o", "core", "--overwrite"]);
    let most = luts();
    std::fs::write(path.join("one.toml"), "[layers.dense_1]\nengine = \"unrolled\"\n").unwrap();
    for budget in [most, most - 1, (most + least) / 2] {
        for more in [&[][..], &["--engines", "one.toml"]] {
            let budget = budget.to_string();
            let build = ["verilog", "run", "-o", "core", "--overwrite", "--lut-budget", &budget];
            done(path, &[&build, more].concat());
            assert!(luts() <= budget.parse().unwrap(), "{more:?}: {} of {budget}", luts());
            Build::open(&path.join("core")).unwrap().compiled().unwrap();
        }
    }
    // dense_1 alone takes 3 multipliers or more, which leave a few for dense_0.
    let given = ["verilog", "run", "-o", "core", "--overwrite", "--engines", "one.toml"];
    done(path, &[&given[..], &["--dsp-budget", "8"]].concat());
    let products = |name: &str| {
        let build = Build::open(&path.join("core")).unwrap();
        let layer = build.record.figures.layers.into_iter().find(|l| l.name == name).unwrap();
        layer.engine.estimate.multipliers
    };
    assert!(products("dense_0") >= 1 && products("dense_0") + products("dense_1") <= 8);
}
