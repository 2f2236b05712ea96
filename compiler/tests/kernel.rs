//! `strassenc matrix W.npy -o KERNEL`: what it writes, what it leaves alone, what it refuses.

use ndarray::{Array2, array};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use strassenc_runtime::data::npy;
use strassenc_runtime::files::sha256;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, matrix: &Array2<i64>| {
        fs::write(folder.path().join(name), npy::to_bytes(matrix)).unwrap()
    };
    save("W.npy", &array![[1, -1, 0, 0], [1, 1, 0, 5], [0, 1, 0, -3]]);
    save("large.npy", &Array2::from_elem((3, 3), i64::from(i32::MAX)));
    save("none.npy", &Array2::zeros((0, 3)));
    save("2-way wire.npy", &array![[1, 1]]);
    save("module.npy", &array![[1, 1]]);
    // The same bytes as numbers of 64 bits with a fraction.
    let text = npy::to_bytes(&array![[0.5f64.to_bits() as i64]]);
    let kind = text.windows(3).position(|bytes| bytes == b"<i8").unwrap();
    fs::write(
        folder.path().join("halves.npy"),
        [&text[..kind], b"<f8", &text[kind + 3..]].concat(),
    )
    .unwrap();
    folder
}

fn matrix(folder: &Path, args: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strassenc"))
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .arg("matrix")
        .args(args.split_whitespace())
        .args(more)
        .output()
        .unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Names and bytes of all files.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn the_folder_holds_what_its_report_says_and_equal_commands_write_equal_bytes() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let told = done(&matrix(folder.path(), "W.npy -o k --input-bits 5 --unsigned --clken", &[]));
    assert!(told.contains("3 unsigned inputs of 5 bits, 4 signed outputs of 1 to 9"), "{told}");
    assert!(told.contains("sh k/W_tb.sh icarus"), "{told}");
    let report: Value = serde_json::from_slice(&fs::read(at("k/report.json")).unwrap()).unwrap();
    assert_eq!(report["matrix_sha256"], sha256(&fs::read(at("W.npy")).unwrap()));
    assert_eq!(report["output_bits"], serde_json::json!([6, 7, 1, 9]));
    assert_eq!(report["latency"], report["depth"]);
    let names: Vec<&str> =
        report["ports"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["clk", "clken", "s_data", "m_data"]);
    for (name, bytes) in contents(&at("k")) {
        let hash = &report["files"][&name];
        assert!(name == "report.json" || *hash == sha256(&bytes), "{name}");
    }
    let json = "W.npy -o again --input-bits 5 --unsigned --clken --json --threads 1";
    let printed: Value = serde_json::from_str(&done(&matrix(folder.path(), json, &[]))).unwrap();
    assert_eq!(printed["kernel"], report);
    assert_eq!(contents(&at("k")), contents(&at("again")));
    // Without a folder nothing is written.
    let printed = done(&matrix(folder.path(), "W.npy --json", &[]));
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["kernel"], Value::Null);
}

#[test]
fn a_kernel_is_replaced_and_nothing_else_is() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    done(&matrix(folder.path(), "W.npy -o k", &[]));
    done(&matrix(folder.path(), "W.npy -o k --stream", &[]));
    assert!(at("k/strassenc_segment.v").exists());
    done(&matrix(folder.path(), "W.npy -o k --combinational", &[]));
    assert!(!at("k/strassenc_segment.v").exists());

    let left_alone = |target: &str, told: &str| {
        let before = at(target).is_dir().then(|| contents(&at(target)));
        let output = matrix(folder.path(), "W.npy -o", &[target]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(3) && error.contains(told), "{target}: {error}");
        assert_eq!(at(target).is_dir().then(|| contents(&at(target))), before);
    };
    fs::create_dir(at("mine")).unwrap();
    fs::write(at("mine/notes"), "").unwrap();
    left_alone("mine", "was not made by strassenc");
    for (folder, file, told) in [
        ("run", "model.safetensors", "is a run folder, so it is left alone"),
        ("core", "build.json", "is a build folder"),
        ("sweep", "sweep.json", "is the folder of a sweep"),
        ("found", "search.json", "is a folder of `strassenc discover`"),
        ("cut", "report.json", "holds a report.json that cannot be read"),
    ] {
        fs::create_dir(at(folder)).unwrap();
        fs::write(at(folder).join(file), "").unwrap();
        left_alone(folder, told);
    }
    left_alone("W.npy", "is a file");
    fs::write(at("k/notes"), "").unwrap();
    left_alone("k", "holds notes, which strassenc did not write");
    fs::remove_file(at("k/notes")).unwrap();
    fs::write(at("k/W.v"), "// mine").unwrap();
    left_alone("k", "W.v changed since strassenc wrote it");
    done(&matrix(folder.path(), "W.npy -o k --overwrite", &[]));
    assert!(fs::read_to_string(at("k/W.v")).unwrap().contains("module W"));
}

#[test]
fn report_takes_a_kernel_as_it_was_written() {
    let folder = folder();
    let report = |args: &str| {
        Command::new(env!("CARGO_BIN_EXE_strassenc"))
            .current_dir(folder.path())
            .env("STRASSENC_HOME", folder.path().join("home"))
            .arg("report")
            .args(args.split_whitespace())
            .output()
            .unwrap()
    };
    done(&matrix(folder.path(), "W.npy -o k", &[]));
    let told = done(&report("k"));
    assert!(told.contains("inputs of 8 bits") && told.contains("clocks of latency"), "{told}");
    let json: Value = serde_json::from_str(&done(&report("k --json"))).unwrap();
    assert_eq!((&json["top"], &json["synthesis"]), (&"W".into(), &Value::Null));
    let refused = |args: &str, told: &str| {
        let output = report(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(told), "{args}: {error}");
    };
    refused("k --device xcup", "is about builds, and k is a kernel");
    fs::write(folder.path().join("k/W.v"), "// mine").unwrap();
    refused("k", "W.v: is not as it was written");
}

#[test]
fn what_cannot_be_made_is_refused_and_nothing_is_written() {
    let folder = folder();
    for (args, told) in [
        ("halves.npy -o k", "0.5 is not a whole number"),
        ("none.npy -o k", "matrix `none`: has 0 inputs and 3 outputs"),
        ("large.npy -o k --input-bits 32", "a sum takes up to 65 bits, and 63 are the most"),
        ("W.npy -o k --device hx8k --clock 2000", "2000.0 MHz cannot be reached"),
        ("W.npy -o k --clock 100", "--device"),
        ("W.npy -o k --clock nan --device hx8k", "--clock"),
        ("W.npy -o k --combinational --stream", "--stream"),
        ("W.npy -o k --clock 100 --device hx8k --adders-per-stage 2", "--adders-per-stage"),
        ("W.npy --stream", "--output"),
    ] {
        let output = matrix(folder.path(), args, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(told), "{args}: {error}");
        assert!(!folder.path().join("k").exists(), "{args}");
    }
}

#[test]
fn a_module_has_a_name_whatever_the_file_is_called() {
    let folder = folder();
    for (file, module) in [("2-way wire.npy", "w_2_way_wire"), ("module.npy", "module_kernel")] {
        let printed = done(&matrix(folder.path(), "-o k --overwrite --json", &[file]));
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed["kernel"]["top"], module);
    }
}
