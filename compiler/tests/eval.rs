//! `strassenc eval` as a user meets it: figures, files and one clear message for whatever is wrong.

use ndarray::array;
use std::path::Path;
use std::process::{Command, Output};
use strassenc_runtime::data::npy::Npy;
use strassenc_runtime::model::{Dense, Edge, Layer, Output as LayerOutput, Provenance};
use strassenc_runtime::{Format, Model, model_file};

/// Two inputs within -8..=7, two outputs: the inputs themselves.
fn model() -> Model {
    Model {
        name: "identity".into(),
        input: Edge { shape: vec![2], format: Format { signed: true, bits: 4, frac: 0 } },
        layers: vec![Layer::Dense(Dense {
            name: "dense_0".into(),
            budget: 2,
            w_b: array![[1, 0], [0, 1]],
            coefficients: array![1, 1],
            coefficient_bits: 2,
            coefficient_shifts: array![0, 0],
            product_frac: 0,
            w_c: array![[1, 0], [0, 1]],
            bias: array![0, 0],
            output: LayerOutput::Raw,
        })],
        provenance: Provenance {
            metrics: [("test_accuracy_float".to_string(), 0.5)].into(),
            ..Provenance::default()
        },
    }
}

/// Five test samples; the larger element's index is the class but for the last.
const TEST: &str = "x,y,class\n1,0,0\n0,1,1\n-3,7,1\n2,2,0\n5,-8,1\n";

/// A folder with `model.safetensors`, `train.csv` and `test.csv`.
fn folder(test: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model_file::save(&model(), &folder.path().join("model.safetensors")).unwrap();
    std::fs::write(folder.path().join("train.csv"), TEST).unwrap();
    std::fs::write(folder.path().join("test.csv"), test).unwrap();
    folder
}

fn eval(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strassenc"))
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .args(["eval", "."])
        .args(arguments)
        .output()
        .unwrap()
}

/// Standard error of a run that must end with `status` and print nothing else.
fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = eval(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(output.stdout.is_empty());
    assert_eq!(error.matches("error[").count(), 1, "{error}");
    error
}

const DATA: [&str; 2] = ["--data", "csv:train.csv,test.csv"];

#[test]
fn accuracies_stand_side_by_side() {
    let folder = folder(TEST);
    let output = eval(folder.path(), &DATA);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<String> =
        text.lines().skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "network correct accuracy",
            "integer (golden) 4/5 80.00 %",
            "fake-quantised, f64 4/5 80.00 % every output is golden's",
            "float 50.00 % as recorded in training",
        ]
    );
    let json = eval(folder.path(), &[&DATA[..], &["--json", "--samples", "4"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["samples"], &json["golden"]["correct"]), (&4.into(), &4.into()));
    assert_eq!(json["fake_quantised"]["differing"], 0);
    assert_eq!(json["sha256"], model_file::sha256(&model()).unwrap());
    assert_eq!(json["confusion"]["samples"], serde_json::json!([[2, 0], [0, 2]]));
}

#[test]
fn classes_are_told_one_by_one() {
    let folder = folder(TEST);
    let arguments = [&DATA[..], &["--confusion", "--svg", "c.svg"]].concat();
    let text = String::from_utf8(eval(folder.path(), &arguments).stdout).unwrap();
    let lines: Vec<String> =
        text.lines().skip(6).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "class samples recall precision most often taken for",
            "0 2 100.00 % 66.67 %",
            "1 3 66.67 % 100.00 % 0 (1)",
            "c.svg",
        ]
    );
    let drawn = std::fs::read_to_string(folder.path().join("c.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("said to be of class"));
    // What is there is left alone, before anything is computed.
    refused(folder.path(), 3, &arguments);
}

#[test]
fn vectors_are_kept_for_other_programs() {
    let folder = folder(TEST);
    assert!(eval(folder.path(), &[&DATA[..], &["--vectors", "out"]].concat()).status.success());
    let read =
        |name: &str| Npy::read(&folder.path().join("out").join(name)).unwrap().integers().unwrap();
    assert_eq!(read("inputs.npy"), array![[1, 0], [0, 1], [-3, 7], [2, 2], [5, -8]].into_dyn());
    assert_eq!(read("outputs.npy"), read("inputs.npy"));
    assert_eq!(read("labels.npy"), array![0, 1, 1, 0, 1].into_dyn());
    assert!(folder.path().join("out/model.onnx").is_file());
}

#[test]
fn a_model_becomes_an_onnx_file_once() {
    let folder = folder(TEST);
    let export = |options: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_strassenc"))
            .current_dir(folder.path())
            .args(["export", ".", "-o", "m.onnx"])
            .args(options)
            .output()
            .unwrap()
    };
    assert_eq!(export(&[]).stdout, b"m.onnx\n");
    let written = std::fs::read(folder.path().join("m.onnx")).unwrap();
    assert_eq!(written, strassenc_runtime::onnx::to_bytes(&model()).unwrap());
    assert_eq!(export(&[]).status.code(), Some(3));
    assert!(export(&["--overwrite"]).status.success());
}

#[test]
fn integers_of_wide_formats_are_those_of_the_file() {
    let folder = folder(TEST);
    let mut wide = model();
    wide.input.format = Format { signed: true, bits: 29, frac: 6 };
    model_file::save(&wide, &folder.path().join("model.safetensors")).unwrap();
    let array = |name: &str, array: ndarray::ArrayD<i64>| {
        std::fs::write(
            folder.path().join(format!("{name}.npy")),
            strassenc_runtime::data::npy::to_bytes(&array),
        )
        .unwrap();
    };
    for part in ["train", "test"] {
        array(&format!("x_{part}"), array![[126_865_471, -126_865_471], [1, 0]].into_dyn());
        array(&format!("y_{part}"), array![0, 1].into_dyn());
    }
    std::fs::write(folder.path().join("t.csv"), "35.499999999,126865471.4999,0\n".repeat(5))
        .unwrap();
    let inputs = |spec: &str| {
        assert!(
            eval(folder.path(), &["--data", spec, "--vectors", "out", "--overwrite"])
                .status
                .success()
        );
        Npy::read(&folder.path().join("out/inputs.npy")).unwrap().integers().unwrap()
    };
    assert_eq!(inputs("npy:.,frac=6"), array![[126_865_471, -126_865_471], [1, 0]].into_dyn());
    assert_eq!(inputs("csv:t.csv,frac=6"), array![[35, 126_865_471]].into_dyn());
}

#[test]
fn values_beyond_the_input_format_are_told() {
    let folder = folder("9,0,0\n0,7.4,1\n");
    let output = eval(folder.path(), &DATA);
    assert!(output.status.success());
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(
        warning.contains("25.0 % of the input values lie outside the input format s4"),
        "{warning}"
    );
}

#[test]
fn damaged_models_are_refused() {
    let folder = folder(TEST);
    let path = folder.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let damage = |change: &dyn Fn(&mut Vec<u8>), cause: &str| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(folder.path(), 2, &DATA);
        assert!(error.contains("model.safetensors") && error.contains(cause), "{error}");
    };
    damage(&|b| b.truncate(b.len() / 2), "is damaged");
    damage(&|b| *b.last_mut().unwrap() ^= 1, "the file was changed or damaged");
    let at = whole.windows(12).position(|w| w == br#"\"version\":"#.as_slice()).unwrap() + 12;
    damage(&|b| b[at] = b'7', "has format version 7, this strassenc reads version 1");
    std::fs::remove_file(&path).unwrap();
    assert!(refused(folder.path(), 3, &DATA).contains("model.safetensors: cannot be read"));
}

#[test]
fn data_that_do_not_fit_are_refused() {
    for (test, cause) in [
        ("1,NaN,0\n", "test.csv:1, column 2: `NaN` is not a finite number"),
        ("1,0,2\n", "has 3 classes, the network 2 outputs"),
        ("1,0,0\n1,0,-1\n", "has 3 classes (-1, 0, 1), the network 2 outputs"),
        ("1,0,0,0\n", "has 3 features"),
    ] {
        let error = refused(folder(test).path(), 2, &DATA);
        assert!(error.contains(cause), "{error}");
    }
    let folder = folder(TEST);
    assert!(
        refused(folder.path(), 2, &["--data", "digits"])
            .contains("samples of shape [8, 8], the network takes [2]")
    );
    assert!(
        refused(folder.path(), 3, &["--data", "mnist"])
            .contains("strassenc doctor --install mnist")
    );
    assert!(
        refused(folder.path(), 2, &[]).contains("the model does not say what it was trained on")
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = folder(TEST);
    // Not even root can write below a file.
    let error = refused(folder.path(), 3, &[&DATA[..], &["--vectors", "test.csv/out"]].concat());
    assert!(error.contains("test.csv/out: cannot be written"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.path().join("test.csv")).unwrap(), TEST);
}
