//! `strassenc verilog` as a user meets it: a folder that holds what it promises, and one clear
//! message for whatever is wrong.

use clap::ValueEnum;
use ndarray::array;
use std::path::Path;
use std::process::{Command, Output};
use strassenc::adder_graph;
use strassenc::build::{self, Build};
use strassenc::compile::{Level, Levels, Options, Pass, Problem, compile_until, plan};
use strassenc::emit::signature::Frames;
use strassenc::ir::Dataflow;
use strassenc_runtime::model::{Dense, Edge, Layer, Output as LayerOutput, Provenance};
use strassenc_runtime::{Format, Model, model_file};

fn model() -> Model {
    Model {
        name: "sums".into(),
        input: Edge { shape: vec![3], format: Format { signed: true, bits: 4, frac: 0 } },
        layers: vec![Layer::Dense(Dense {
            name: "dense_0".into(),
            budget: 2,
            w_b: array![[1, 0, 1], [0, 1, -1]],
            coefficients: array![3, 5],
            coefficient_bits: 4,
            coefficient_shifts: array![0, 1],
            product_frac: 0,
            w_c: array![[1, 0], [1, 1]],
            bias: array![0, 7],
            output: LayerOutput::Raw,
        })],
        provenance: Provenance::default(),
    }
}

/// A folder with `model.safetensors`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model_file::save(&model(), &folder.path().join("model.safetensors")).unwrap();
    folder
}

fn verilog(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .arg("verilog")
        .args(arguments)
        .output()
        .unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = verilog(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must end with `status` and leave the folder as it is.
fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let before = names(folder);
    let output = verilog(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(output.stdout.is_empty());
    assert_eq!(names(folder), before);
    error
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn it_prints_the_budget_and_writes_a_build() {
    let folder = folder();
    let told = done(folder.path(), &["."]);
    assert!(told.contains("dense_0") && told.contains("build/sums"), "{told}");
    let build = Build::open(&folder.path().join("build/sums")).unwrap();
    assert_eq!(build.model, model());
    assert_eq!(build.record.figures.total.multiplications, 2);
    assert_eq!(
        names(&build.folder),
        [
            "adder_graphs.json",
            "build.json",
            "engines.toml",
            "files.f",
            "model.safetensors",
            "signature.json",
            "strassenc_add3.v",
            "strassenc_coefficient.v",
            "strassenc_collector.v",
            "strassenc_fifo.v",
            "strassenc_frame_end.v",
            "strassenc_harness.v",
            "strassenc_multiplier.v",
            "strassenc_scaled_product.v",
            "strassenc_segment.v",
            "strassenc_stream_register.v",
            "sums.core",
            "sums.sdc",
            "sums.v",
            "sums.xdc",
            "sums.xml",
            "sums.ys",
            "sums_cocotb.py",
            "sums_cocotb.txt",
            "sums_dense_0.v",
            "sums_driver.c",
            "sums_driver.h",
            "sums_hw.tcl",
            "sums_litex.py",
            "sums_pynq.py",
            "sums_quartus.tcl",
            "sums_tb.sh",
            "sums_tb.v",
            "sums_tb_input.mem",
            "sums_tb_output.mem",
            "sums_verilator.cpp",
            "sums_verilator.sh",
            "sums_vivado.tcl",
            "sums_vivado_ip.tcl",
            "sums_vivado_project.tcl",
            "sums_yosys.sh",
        ]
    );
}

#[test]
fn options_reach_the_core_and_the_same_ones_give_the_same_bytes() {
    let folder = folder();
    let options = [
        "--multiplier-latency",
        "1",
        "--adders-per-stage",
        "4",
        "--beat-elements",
        "2",
        "--output-bits",
        "64",
        "--frames",
        "count",
        "--aclken",
        "--json",
    ];
    let run = |output: &str| {
        let arguments: Vec<&str> =
            ["model.safetensors", "-o", output].into_iter().chain(options).collect();
        let told: serde_json::Value =
            serde_json::from_str(&done(folder.path(), &arguments)).unwrap();
        assert_eq!(told["figures"]["total"]["multiplications"], 2);
        Build::open(&folder.path().join(output)).unwrap()
    };
    let (a, b) = (run("a"), run("b"));
    assert_eq!(a.record, b.record);
    let bytes = |build: &Build| std::fs::read(build.folder.join("build.json")).unwrap();
    assert_eq!(bytes(&a), bytes(&b));
    assert_eq!((a.signature.input.beats, a.signature.input.beat_elements), (2, 2));
    assert_eq!((a.signature.output.data_bits(), a.signature.frames), (64, Frames::Count));
    assert!(
        !a.signature
            .ports
            .iter()
            .any(|port| ["s_axis_tlast", "frame_error"].contains(&port.name.as_str()))
    );
    assert!(a.signature.ports.iter().any(|port| port.name == "aclken"));
    assert_eq!(a.signature.layers[0].latency, 2);
    // Again in the same place.
    assert_eq!(run("a").record, b.record);
    // A search with hardly any time still ends in a core.
    done(folder.path(), &[".", "-o", "c", "--effort", "3", "--time-limit", "1e-9"]);
    Build::open(&folder.path().join("c")).unwrap().compiled().unwrap();
    let told = done(folder.path(), &[".", "-o", "d", "--multipliers", "auto", "--dsp-budget", "1"]);
    assert!(
        told.contains("1 hardware multiplier: 1 DSP block (DSP48E1)")
            && told.contains("1 of 2 multiplications are made of"),
        "{told}"
    );
    Build::open(&folder.path().join("d")).unwrap().compiled().unwrap();
    // Multipliers alone: fewer of them, in turn.
    let told = done(folder.path(), &[".", "-o", "e", "--dsp-budget", "1"]);
    assert!(
        told.contains("1 hardware multiplier: 1 DSP block (DSP48E1)") && told.contains("folded"),
        "{told}"
    );
    assert!(Build::open(&folder.path().join("e")).unwrap().signature.ii > 1);
}

#[test]
fn whatever_is_wrong_gets_one_message() {
    let folder = folder();
    let path = folder.path();
    std::fs::create_dir(path.join("mine")).unwrap();
    std::fs::write(path.join("mine/thesis.tex"), "text").unwrap();
    let cases: [(i32, &[&str], &str); 10] = [
        (2, &[], "required arguments were not provided"),
        (3, &["nowhere.safetensors"], "nowhere.safetensors: cannot be read"),
        (3, &["mine"], "mine/model.safetensors: cannot be read"),
        (2, &["mine/thesis.tex"], "not a safetensors file"),
        (3, &[".", "-o", "mine"], "mine: was not made by strassenc, so it is left alone"),
        (3, &[".", "-o", "mine/thesis.tex/build"], "cannot be written"),
        (2, &[".", "--multiplier-latency", "9"], "9 is not in 1..=4"),
        (2, &[".", "--beat-elements", "0"], "0 is not in 1..="),
        (2, &[".", "--time-limit=-1"], "it must be a positive number of seconds"),
        (
            2,
            &[".", "--dsp-budget", "0"],
            "the core needs 1 hardware multiplier, 1 more than the 0 there are",
        ),
    ];
    for (status, arguments, cause) in cases {
        let error = refused(path, status, arguments);
        assert!(error.contains(cause), "{arguments:?}: {error}");
    }
    let bytes = std::fs::read(path.join("model.safetensors")).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&bytes[..bytes.len() - 1], &flipped] {
        std::fs::write(path.join("model.safetensors"), damaged).unwrap();
        refused(path, 2, &["."]);
    }
}

#[test]
fn an_option_out_of_range_costs_no_build() {
    let folder = folder();
    done(folder.path(), &[".", "-o", "good"]);
    let good = Build::open(&folder.path().join("good")).unwrap().record;
    for option in [
        "--clock=1e305",
        "--clock=1e-305",
        "--clock=nan",
        "--clock=inf",
        "--clock=-100",
        "--clock=0",
        "--time-limit=nan",
        "--time-limit=inf",
        "--adders-per-stage=0",
        "--effort=4",
    ] {
        let error = refused(folder.path(), 2, &[".", "-o", "good", option]);
        assert_eq!(
            error.lines().filter(|line| line.starts_with("error")).count(),
            1,
            "{option}: {error}"
        );
        assert_eq!(Build::open(&folder.path().join("good")).unwrap().record, good, "{option}");
    }
}

/// A slower clock takes fewer clocks and registers, one that no addition can reach is refused with
/// the fastest, and the number of additions by hand stays the other way.
#[test]
fn a_core_is_pipelined_for_the_clock_that_is_asked_for() {
    let folder = folder();
    let built = |clock: &str, more: &[&str]| {
        let first = [".", "-o", "core", "--multipliers", "shift-add", "--device", "ecp5-85k"];
        done(folder.path(), &[&first[..], &["--clock", clock], more].concat());
        let Build { record, signature, .. } = Build::open(&folder.path().join("core")).unwrap();
        (signature.latency, record.figures.total.register_bits, record.options.to_string())
    };
    let [slow, quick] = ["20", "250"].map(|clock| built(clock, &[]));
    assert!(slow.0 < quick.0 && slow.1 < quick.1, "{slow:?} {quick:?}");
    assert!(quick.2.starts_with("--device ecp5-85k "), "{}", quick.2);
    assert!(quick.2.ends_with("--clock 250"), "{}", quick.2);
    let by_hand = built("250", &["--adders-per-stage", "1"]);
    assert!(by_hand.2.starts_with("--adders-per-stage 1 "), "{}", by_hand.2);
    let error =
        refused(folder.path(), 2, &[".", "-o", "core", "--device", "ecp5-85k", "--clock", "9000"]);
    assert!(error.contains("--clock: 9009.0 MHz cannot be reached"), "{error}");
    assert!(error.contains("the fastest clock of this layer is"), "{error}");
}

/// Where one kind of multiplier is too slow for a clock, `auto` takes the other.
#[test]
fn auto_meets_every_clock_that_either_kind_of_multiplier_meets() {
    let folder = folder();
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/models/digits.safetensors");
    let mut seen = [false; 2];
    for (device, clock) in [
        ("xc7a35t", "270"),
        ("xc7a35t", "278"),
        ("xc7a35t", "280"),
        ("xc7a35t", "290"),
        ("ecp5-85k", "100"),
        ("ecp5-85k", "180"),
    ] {
        let met = |multipliers: &str| {
            let asked = [digits, "--device", device, "--clock", clock, "--multipliers"];
            let more = [multipliers, "--stop-after", "schedule"];
            verilog(folder.path(), &[&asked[..], &more].concat()).status.success()
        };
        let (dsp, shift_add) = (met("dsp"), met("shift-add"));
        assert_eq!(met("auto"), dsp || shift_add, "{device}, {clock} MHz");
        seen[0] |= dsp && !shift_add;
        seen[1] |= shift_add && !dsp;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn edited_verilog_is_kept_until_the_user_says_otherwise() {
    let folder = folder();
    let path = folder.path();
    done(path, &[".", "-o", "core"]);
    std::fs::write(path.join("core/sums.v"), "// mine").unwrap();
    let error = refused(path, 3, &[".", "-o", "core"]);
    assert!(
        error.contains("core: sums.v changed since strassenc wrote it")
            && error.contains("--overwrite"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(path.join("core/sums.v")).unwrap(), "// mine");
    done(path, &[".", "-o", "core", "--overwrite"]);
    Build::open(&path.join("core")).unwrap();
}

#[test]
fn help_has_examples() {
    let told = done(folder().path(), &["--help"]);
    assert!(told.contains("Examples:\n  strassenc verilog runs/digits"), "{told}");
}

#[test]
fn help_tells_every_pass_and_level_as_the_list_does() {
    let told = done(folder().path(), &["--help"]);
    let told: Vec<&str> = told.split_whitespace().collect();
    let told = told.join(" ");
    for pass in Pass::all() {
        assert!(told.contains(&format!("- {pass}: {}", pass.description())), "{pass}: {told}");
    }
    for level in Level::value_variants() {
        assert!(told.contains(&format!("- {level}: {}", level.description())), "{level}: {told}");
    }
}

#[test]
fn the_architecture_has_the_list_of_passes() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let rows = Pass::value_variants()
        .iter()
        .map(|pass| format!("| `{pass}` | {} | {} |\n", pass.description(), pass.level()));
    let table =
        format!("| pass | what it does | yields |\n|---|---|---|\n{}\n", rows.collect::<String>());
    assert!(std::fs::read_to_string(page).unwrap().contains(&table), "it lacks\n{table}");
}

/// Every level and what is dumped of it after `last`.
fn levels(last: Pass) -> Levels {
    let options = build::Options::default().compile().share;
    let share = |p: Problem| adder_graph::share(p.matrix, &p.options(&options));
    compile_until(last, &model(), &Options::default(), &share, &|_| {}, &|| false).unwrap()
}

#[test]
fn every_level_is_dumped_as_text_and_nothing_is_written() {
    let folder = folder();
    let before = names(folder.path());
    for level in Level::value_variants() {
        let dump = ["model.safetensors", "--dump", &level.to_string()].map(String::from);
        let dumped = |more: &[String]| {
            let arguments = [&dump[..], more].concat();
            done(folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let mut whole = String::new();
        for last in Pass::all() {
            let after = ["--stop-after".into(), last.to_string()];
            if let Some(text) = levels(last).text(*level) {
                whole = dumped(&after);
                assert_eq!(whole, text);
            } else {
                let arguments = [&dump[..], &after].concat();
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let error = refused(folder.path(), 2, &arguments);
                assert!(error.contains("leave it out, or stop after `"), "{error}");
            }
        }
        assert_eq!(dumped(&[]), whole, "{level} is that of the last pass");
    }
    assert_eq!(names(folder.path()), before);
    let dumped = done(folder.path(), &[".", "--dump", "dataflow"]);
    let (dataflow, _) = plan(&model(), &Options::default()).unwrap();
    assert_eq!(dumped.parse::<Dataflow>().unwrap(), dataflow);
}

#[test]
fn a_pass_to_stop_after_is_the_last_one_and_says_what_it_found() {
    let folder = folder();
    let before = names(folder.path());
    for pass in Pass::all() {
        let arguments = [".", "--stop-after", &pass.to_string()];
        let line = done(folder.path(), &arguments);
        let json = done(folder.path(), &[&arguments[..], &["--json"]].concat());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["pass"], pass.to_string());
        let sizes = levels(pass).sizes();
        let told = sizes.iter().map(|(name, n)| {
            assert_eq!(json["sizes"][name], *n);
            format!("{} {n}", name.replace('_', " "))
        });
        assert_eq!(line, format!("{pass}: {}\n", told.collect::<Vec<_>>().join(", ")));
        assert_eq!(json["sizes"].as_object().unwrap().len(), sizes.len());
    }
    // Of the two matrices [[1, 0, 1], [0, 1, -1]] and [[1, 0], [1, 1]].
    assert_eq!(
        done(folder.path(), &[".", "--stop-after", "share"]),
        "share: matrices 2, adders 3, depth 1\n"
    );
    assert_eq!(names(folder.path()), before);
    for arguments in [
        &[".", "--stop-after", "share", "-o", "core"][..],
        &[".", "--dump", "dataflow", "--json"],
        &[".", "--stop-after", "emit"],
    ] {
        refused(folder.path(), 2, arguments);
    }
    // An option that a later pass alone minds is not minded yet.
    let budget = [".", "--multipliers", "auto", "--dsp-budget", "0"];
    done(folder.path(), &[&budget[..], &["--stop-after", "fold"]].concat());
}
