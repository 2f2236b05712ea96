//! Signals of one row and images whose windows are not square, from a description to a simulated
//! core.

use ndarray::{Array2, ArrayD};
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::build::Build;
use strassenc::tools::Tools;
use strassenc_runtime::data::npy;

/// Descriptions of the same signals, two channels of 64 samples each: how many axes a sample has,
/// the layers before the last one, and multiplications of an inference with r = channels.
const SIGNALS: [(&[usize], &str, u64); 6] = [
    (
        &[1, 64, 2],
        r#"{ conv2d = { channels = 4, kernel = [1, 5], pad = [0, 2] } }, "relu",
           { max_pool = { size = [1, 2] } }"#,
        4 * 64 + 3,
    ),
    (&[64, 2], r#"{ conv1d = { channels = 4, kernel = 5, pad = 2 } }, "relu""#, 4 * 64 + 3),
    (
        &[1, 64, 2],
        r#"{ conv2d = { channels = 4, kernel = 5, pad = 2 } }, "relu", "global_average_pool""#,
        4 * 64 + 3,
    ),
    (
        &[1, 64, 2],
        r#"{ conv2d = { channels = 4, kernel = 5, pad = 2 } }, "relu",
           { average_pool = { size = 4, stride = 4 } }"#,
        4 * 64 + 3,
    ),
    // Patches of 1 × 4, of which the second layer's last one is cropped; means of seven pixels.
    (
        &[128],
        r#"{ conv1d = { channels = 4, kernel = 8, stride = 4, pad = 3, p = 4 } }, "relu",
           { conv1d = { channels = 4, kernel = 3, stride = 1, p = 4 } }, "relu",
           { average_pool = { size = 7 } }"#,
        4 * 8 + 4 * 8 + 3,
    ),
    // A mean of 6 × 5 pixels, which is no power of two.
    (
        &[16, 8],
        r#"{ conv2d = { channels = 4, kernel = [2, 4], stride = [3, 1], pad = [1, 0], p = [2, 1] }},
           "relu", "global_average_pool""#,
        4 * 3 * 5 + 3,
    ),
];

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_strassenc"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waves of three frequencies as samples of these axes, in a folder `data`.
fn write_waves(folder: &Path, axes: &[usize]) {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    for (split, samples) in [("train", 120), ("test", 12)] {
        let wave = |(sample, i): (usize, usize)| {
            let frequency = [0.05, 0.11, 0.23][sample % 3];
            (120.0 * f64::sin(frequency * (i + 7 * sample) as f64)) as i64
        };
        let x = Array2::from_shape_fn((samples, 128), wave);
        let shape: Vec<usize> = [samples].into_iter().chain(axes.iter().copied()).collect();
        let x: ArrayD<i64> = x.into_shape_with_order(shape).unwrap();
        let y = ArrayD::from_shape_fn(vec![samples], |at| (at[0] % 3) as i64);
        for (name, array) in [("x", x), ("y", y)] {
            std::fs::write(folder.join(format!("data/{name}_{split}.npy")), npy::to_bytes(&array))
                .unwrap();
        }
    }
}

/// A core of one step is given the steps of every sample, with a start at the first; how well it
/// does at the end of each is how well the network of whole signals does.
#[test]
fn a_core_of_steps_answers_every_step_of_each_sample() {
    verilator();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_waves(path, &[64, 2]);
    let text = r#"name = "steps"
input = { shape = [64, 2], bits = 8, frac = 7, signed = true }
layers = [{ conv1d = { channels = 3, kernel = 1 } }, "relu", { gru = { units = 3 } }, "last",
    { dense = { units = 3 } }]"#;
    std::fs::write(path.join("net.toml"), text).unwrap();
    done(path, &["random", "net.toml", "-o", "whole"]);
    done(path, &["verilog", "whole", "--steps", "-o", "core"]);
    let data = ["--data", "npy:data,frac=7", "--json"];
    let json = |command: &[&str]| -> serde_json::Value {
        serde_json::from_str(&done(path, &[command, &data].concat())).unwrap()
    };
    let of_whole = json(&["eval", "whole"]);
    assert_eq!(json(&["eval", "core"])["golden"], of_whole["golden"]);
    let run = json(&["simulate", "core", "--gaps", "--backpressure"]);
    assert_eq!(run["accuracy"], of_whole["golden"]["accuracy"]);
    let told = ["samples", "steps", "mismatches"].map(|key| run[key].as_u64());
    assert_eq!(told, [Some(12 * 64), Some(64), Some(0)]);
    let layer = json(&["simulate", "core", "--layers", "gru_0", "--samples", "3"]);
    assert_eq!(layer[0]["samples"], 3 * 64);
}

fn verilator() {
    let home =
        std::env::var_os("STRASSENC_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".strassenc")
    });
    Tools::new(home).verilator_or_install().unwrap();
}

#[test]
fn every_description_trains_and_its_core_computes_what_golden_does() {
    verilator();
    for (i, (axes, layers, multiplications)) in SIGNALS.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write_waves(path, axes);
        let text = format!(
            "name = \"ecg\"\ninput = {{ shape = {axes:?}, bits = 8, frac = 7, signed = true }}\n\
             layers = [{layers}, {{ dense = {{ units = 3 }} }}]\n"
        );
        std::fs::write(path.join("net.toml"), text).unwrap();
        let counted: serde_json::Value =
            serde_json::from_str(&done(path, &["report", "net.toml", "--json"])).unwrap();
        assert_eq!(counted["total"]["multiplications"], multiplications, "{layers}");
        let data = "npy:data,frac=7";
        done(path, &["train", "net.toml", "--data", data, "--epochs", "2,2,1", "-o", "run"]);
        // It fails where the network that was trained and golden differ in an integer.
        done(path, &["eval", "run", "--data", data]);
        let engine = ["auto", "unrolled", "folded"][i % 3];
        done(path, &["verilog", "run", "-o", "core", "--engine", engine]);
        let text = done(path, &["simulate", "core", "--data", data]);
        assert!(text.contains("every output is golden's"), "{layers}: {text}");
        let build = Build::open(&path.join("core")).unwrap();
        assert!(build.record.figures.total.multiplications <= multiplications, "{layers}");
    }
}
