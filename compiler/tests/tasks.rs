//! Networks that are trained to numbers, as a user meets them.

use ndarray::{Array1, Array2};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use strassenc_runtime::data::npy;

fn strassenc(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).args(args).output().unwrap()
}

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = strassenc(folder, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_regression_goes_from_a_table_to_a_core() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // What 1000 samples of three features sum up to, around 100.
    let value = |i: usize, j: usize| (i * (7 + 5 * j) % 61) as f64 / 16.0 - 1.9;
    let line = |i: usize| {
        let [a, b, c] = [0, 1, 2].map(|j| value(i, j));
        format!("{a},{b},{c},{}\n", 100.0 + 8.0 * a - 4.0 * b + 2.0 * c * c)
    };
    let table = "a,b,c,y\n".to_owned() + &(0..1000).map(line).collect::<String>();
    std::fs::write(folder.join("table.csv"), table).unwrap();
    let network = r#"name = "sums"
input = { shape = [3], bits = 8, frac = 5, signed = true }
layers = [{ dense = { units = 12 } }, "relu", { dense = { units = 1 } }]
[train]
data = "csv:table.csv"
loss = "squared"
batch = 32
full = { epochs = 8, learning_rate = 0.02 }
ternary = { epochs = 8, learning_rate = 0.02 }
frozen = { epochs = 2 }
"#;
    std::fs::write(folder.join("sums.toml"), network).unwrap();
    let run = json(folder, &["train", "sums.toml", "-o", "run", "--json"]);
    assert_eq!(run["measure"], "r2");
    let r2 = run["test_accuracy_integer"].as_f64().unwrap();
    assert!(r2 > 0.9, "{run}");
    let eval = json(folder, &["eval", "run", "--json", "--vectors", "vectors"]);
    assert_eq!(eval["golden"]["r2"].as_f64(), Some(r2));
    assert_eq!(eval["fake_quantised"]["differing"], 0);
    assert!(eval["golden"]["rmse"].as_f64().unwrap() < 4.0, "{eval}");
    assert!(folder.join("vectors/targets.npy").is_file());
    let told = strassenc(folder, &["eval", "run"]).stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("R²") && told.contains("RMSE, MAE"), "{told}");
    let refused = strassenc(folder, &["eval", "run", "--confusion"]);
    assert!(refused.status.code() == Some(2) && refused.stdout.is_empty());

    json(folder, &["verilog", "run", "-o", "core", "--json"]);
    let signature = std::fs::read(folder.join("core/signature.json")).unwrap();
    let signature: Value = serde_json::from_slice(&signature).unwrap();
    let number = |key: &str| signature["numbers"][key][0].as_f64().unwrap();
    assert!((number("offset") - 100.0).abs() < 10.0 && number("scale") > 1.0, "{signature}");
    let driver = std::fs::read_to_string(folder.join("core/sums_driver.c")).unwrap();
    assert!(driver.contains(&format!("offset[SUMS_OUTPUTS] = {{ {:?} }}", number("offset"))));
    let simulated = json(folder, &["simulate", "core", "--json"]);
    assert_eq!(simulated["mismatches"], 0);
    assert_eq!(
        (&simulated["measure"], simulated["accuracy"].as_f64()),
        (&run["measure"], Some(r2))
    );
}

/// A regression whose head tells a class: every tool has the figures of both.
#[test]
fn heads_have_their_figures_in_every_tool() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (part, count) in [("train", 300), ("test", 60)] {
        let value = |(i, j): (usize, usize)| (i * (7 + 5 * j) % 61) as f64 / 16.0 - 1.9;
        let x = Array2::from_shape_fn((count, 3), value);
        let kinds: Array1<i64> = x.outer_iter().map(|x| i64::from(x[0] > 0.0)).collect();
        let sums = Array2::from_shape_fn((count, 1), |(i, _)| 8.0 * x[[i, 0]] - 4.0 * x[[i, 1]]);
        let write = |name: &str, bytes: Vec<u8>| {
            std::fs::write(folder.join(format!("{name}.npy")), bytes).unwrap();
        };
        write(&format!("x_{part}"), npy::to_bytes_of_reals(&x));
        write(&format!("y_{part}"), npy::to_bytes_of_reals(&sums));
        write(&format!("y_{part}_kind"), npy::to_bytes(&kinds));
    }
    let network = r#"name = "both"
input = { shape = [3], bits = 8, frac = 5, signed = true }
layers = [
    { dense = { units = 12 } },
    "relu",
    { head = { name = "kind", layers = [{ dense = { units = 2 } }] } },
    { dense = { units = 1 } },
]
[train]
data = "npy:."
loss = "squared"
batch = 32
validation = 0.1
full = { epochs = 6, learning_rate = 0.02 }
ternary = { epochs = 6, learning_rate = 0.02 }
frozen = { epochs = 1 }
"#;
    std::fs::write(folder.join("both.toml"), network).unwrap();
    let run = json(folder, &["train", "both.toml", "-o", "run", "--json"]);
    let of_kind = run["heads"][0]["test_accuracy_integer"].as_f64().unwrap();
    assert!(of_kind > 0.8, "{run}");
    let metrics = std::fs::read_to_string(folder.join("run/metrics.csv")).unwrap();
    let lines: Vec<&str> = metrics.lines().collect();
    assert!(lines[0].ends_with(",density,validation_accuracy_kind"), "{metrics}");
    let last = lines.last().unwrap().rsplit(',').next().unwrap().parse::<f64>().unwrap();
    assert!((last - of_kind).abs() < 0.2 && lines.len() == 14, "{metrics}");

    let eval = json(folder, &["eval", "run", "--json"]);
    let matrix = &eval["heads"][0]["confusion"]["samples"];
    let right = matrix[0][0].as_u64().unwrap() + matrix[1][1].as_u64().unwrap();
    assert!((right as f64 / 60.0 - of_kind).abs() < 1e-9, "{eval}");
    assert!(eval["confusion"].is_null(), "{eval}");
    let told = strassenc(folder, &["eval", "run", "--confusion", "--svg", "kind.svg"]).stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("\nhead kind\n\n class ") && folder.join("kind.svg").is_file(), "{told}");

    let sweep = ["sweep", "both.toml", "--ratio", "1", "--epochs", "1,1,1", "-o", "sweep"];
    let told = String::from_utf8(strassenc(folder, &sweep).stdout).unwrap();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("those of the heads:") && told.contains("1 kind accuracy "), "{told}");
    let csv = std::fs::read_to_string(folder.join("sweep/sweep.csv")).unwrap();
    assert!(csv.contains(",test_accuracy_float_kind,test_accuracy_integer_kind,run\n"), "{csv}");
}
