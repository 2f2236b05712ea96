//! `strassenc discover` as a user meets it: a model like any other, the same on any number of
//! threads, a search that can be cut short, and one clear message for whatever is wrong.

use std::path::Path;
use std::process::{Command, Output};
use strassenc_runtime::model_file;

fn strassenc(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .args(arguments)
        .output()
        .unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = strassenc(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must end with `status`.
fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = strassenc(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    error
}

#[test]
fn what_it_finds_is_a_model_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let told = done(folder.path(), &["discover", "2x2x2"]);
    assert!(told.contains("7 multiplications instead of 8") && told.contains("W_c = ["), "{told}");
    let model =
        model_file::load(&folder.path().join("runs/matmul_2x2x2/model.safetensors")).unwrap();
    assert_eq!(
        (model.input.elements(), model.outputs(), model.layers[0].spn().unwrap().rows()),
        (8, 4, 7)
    );
    let told = done(folder.path(), &["verilog", "runs/matmul_2x2x2"]);
    assert!(
        told.contains("Schoolbook core for product: 8 multipliers, 8 DSP blocks, 4 adders."),
        "{told}"
    );
    let text = done(folder.path(), &["report", "build/matmul_2x2x2", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["total"]["dsp_blocks"], 7);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for method in ["flip-graph", "gradient", "kronecker"] {
        let shape = if method == "kronecker" { "4x4x2" } else { "2x2x2" };
        let bytes = |threads: &str| {
            let out = format!("{method}{threads}");
            let arguments = [
                "discover",
                shape,
                "--method",
                method,
                "--seed",
                "5",
                "--threads",
                threads,
                "-o",
                &out,
            ];
            done(folder.path(), &arguments);
            ["model.safetensors", "scheme.txt"]
                .map(|name| std::fs::read(folder.path().join(&out).join(name)).unwrap())
        };
        assert!(bytes("1") == bytes("3"), "{method}");
    }
}

#[test]
fn nested_schemes_and_element_widths_are_options() {
    let folder = tempfile::tempdir().unwrap();
    let told =
        done(folder.path(), &["discover", "2x2x2", "--recursive", "--bits", "5", "-o", "nested"]);
    assert!(told.contains("4x4x4: 49 multiplications instead of 64"), "{told}");
    let model = model_file::load(&folder.path().join("nested/model.safetensors")).unwrap();
    assert_eq!((model.input.format.bits, model.layers[0].spn().unwrap().rows()), (5, 49));
}

#[test]
fn the_schoolbook_scheme_is_there_to_compare_with() {
    let folder = tempfile::tempdir().unwrap();
    let told = done(folder.path(), &["discover", "3x3x3", "--method", "schoolbook"]);
    assert!(
        told.contains("27 multiplications instead of 27")
            && told.contains("18 additions (0 + 0 + 18"),
        "{told}"
    );
    let error =
        refused(folder.path(), 1, &["discover", "2x2x2", "--method", "schoolbook", "--rank", "7"]);
    assert!(error.contains("rank 8 was reached, not 7") && !error.contains("--resume"), "{error}");
}

#[test]
fn a_search_that_was_cut_short_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody knows a scheme of rank 6: there is none.
    let search = ["discover", "2x2x2", "--rank", "6", "--time-limit", "0.2", "-o", "run"];
    let error = refused(folder.path(), 1, &search);
    assert!(error.contains("rank 7 was reached, not 6") && error.contains("--resume"), "{error}");
    let state = folder.path().join("run/search.json");
    let before = std::fs::read(&state).unwrap();
    assert_eq!(
        model_file::load(&folder.path().join("run/model.safetensors")).unwrap().layers[0]
            .spn()
            .unwrap()
            .rows(),
        7
    );

    let error = refused(folder.path(), 3, &search);
    assert!(error.contains("--resume goes on, --overwrite begins again"), "{error}");
    let with = |more: &[&'static str]| [&search[..], more].concat();
    refused(folder.path(), 1, &with(&["--resume"]));
    assert_ne!(before, std::fs::read(&state).unwrap());
    let error = refused(folder.path(), 2, &with(&["--resume", "--seed", "9"]));
    assert!(error.contains("give the options that the search began with"), "{error}");

    let text = String::from_utf8(before).unwrap();
    for (from, to) in [
        ("\"negative\":[", "\"negative\":[true,"),
        ("\"rounds\"", "\"rounds_\""),
        ("[1,0]", "[1,1]"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&state, text.replacen(from, to, 1)).unwrap();
        let error = refused(folder.path(), 2, &with(&["--resume"]));
        assert!(
            error.contains("search.json") && error.contains("--overwrite begins again"),
            "{error}"
        );
    }
    refused(folder.path(), 1, &with(&["--overwrite"]));
}

#[test]
fn rates_over_seeds_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = done(folder.path(), &["discover", "2x2x2", "--seeds", "20", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["successes"].as_u64(), told["least_rank"].as_u64()), (Some(20), Some(7)));
    let told = done(folder.path(), &["discover", "2x2x2", "--method", "gradient", "--seeds", "20"]);
    assert!(told.contains("W_a = [") && told.contains("/20 seeds"), "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn whatever_is_wrong_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, needle) in [
        (&["2x2"][..], "is not three sizes"),
        (&["9x9x9"], "more than 64 entries"),
        (&["2x2x2", "--bits", "33"], "33 is not in 1..=32"),
        (&["2x2x2", "--rank", "0"], "0 is not in 1..=4096"),
        (&["2x2x2", "--threads", "0"], "0 is not in 1..=1024"),
        (&["2x2x2", "--time-limit=-1"], "positive number of seconds"),
        (&["2x2x2", "--seeds", "0"], "0 is not in 1.."),
        (&["5x5x5"], "--time-limit is needed"),
        (&["1x1x3", "--method", "kronecker"], "product of smaller shapes"),
    ] {
        let arguments: Vec<&str> = ["discover"].iter().chain(arguments).copied().collect();
        let error = refused(folder.path(), 2, &arguments);
        assert!(error.contains(needle), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
