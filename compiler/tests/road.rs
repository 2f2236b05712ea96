//! The whole way as a user walks it: train, verilog, simulate, report, check; and one clear message
//! where it breaks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use strassenc::tools::Tools;

fn strassenc(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).args(arguments);
    command
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = strassenc(folder, arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Standard error of a command that must end with `status` and leave `absent` absent.
fn refused(mut command: Command, status: i32, absent: &Path) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert_eq!(error.matches("error[").count(), 1, "{error}");
    assert!(!absent.exists(), "{} was left behind", absent.display());
    error
}

/// A folder with a run: digits, trained for a moment.
fn run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "digits", "--epochs", "2,2,1", "-o", "run"]);
    folder
}

/// What `doctor --install verilator` of this user gives, so that the test needs nothing that is not
/// ours.
fn install_verilator() {
    let home =
        std::env::var_os("STRASSENC_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".strassenc")
    });
    Tools::new(home).verilator_or_install().unwrap();
}

#[test]
fn from_digits_to_a_checked_core() {
    install_verilator();
    let folder = run();
    let folder = folder.path();
    done(folder, &["verilog", "run", "-o", "build"]);
    let simulated: serde_json::Value =
        serde_json::from_str(&done(folder, &["simulate", "build", "--json"])).unwrap();
    assert_eq!(simulated["samples"], 355);
    assert_eq!(simulated["mismatches"], 0);
    assert_eq!(simulated["latency"]["measured"], simulated["latency"]["promised"]);
    let report: serde_json::Value = serde_json::from_str(&done(
        folder,
        &["report", "build", "--html", "report.html", "--json"],
    ))
    .unwrap();
    assert_eq!(report["total"]["dense_multiplications"], 64 * 48 + 48 * 10);
    assert!(std::fs::read_to_string(folder.join("report.html")).unwrap().contains("</html>"));
    let check: serde_json::Value =
        serde_json::from_str(&done(folder, &["check", "build", "--random", "64", "--json"]))
            .unwrap();
    assert_eq!(check["failed"], 0);
    let rung = |name: &str| {
        let rungs = check["rungs"].as_array().unwrap();
        let found = rungs.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("{name}"));
        found["outcome"]["outcome"].clone()
    };
    // What needs no tool but Verilator must have been climbed, not skipped.
    for name in [
        "fake-quantised f64 = golden",
        "adder graphs, ROMs = matrices",
        "lint",
        "Verilator at full rate = golden",
    ] {
        assert_eq!(rung(name), "passed", "{name}");
    }
    // The report takes what the others found, and how the network was trained.
    std::fs::write(folder.join("simulated.json"), simulated.to_string()).unwrap();
    std::fs::write(folder.join("checked.json"), check.to_string()).unwrap();
    let evidence = ["--run", "run", "--simulated", "simulated.json", "--checked", "checked.json"];
    let arguments = [&["report", "build", "--html", "whole.html", "--json"][..], &evidence];
    let report: serde_json::Value =
        serde_json::from_str(&done(folder, &arguments.concat())).unwrap();
    assert_eq!(report["training"].as_array().unwrap().len(), 5);
    let steps: Vec<_> = report["accuracy"].as_array().unwrap().iter().map(|m| &m["of"]).collect();
    assert_eq!(steps.len(), 6, "{steps:?}");
    assert_eq!(report["accuracy"][5]["accuracy"], simulated["accuracy"]);
    assert_eq!(report["accuracy"][5]["accuracy"], report["accuracy"][4]["accuracy"]);
    assert_eq!(report["checked"]["passed"], check["passed"]);
    let page = std::fs::read_to_string(folder.join("whole.html")).unwrap();
    assert!(page.contains("Training, epoch by epoch") && page.contains("build/signature.json"));
}

#[test]
fn a_wrong_sign_in_the_verilog_is_found_and_named() {
    install_verilator();
    let folder = run();
    let folder = folder.path();
    done(folder, &["verilog", "run", "-o", "build"]);
    let layer = folder.join("build/digits_dense_1.v");
    let text = std::fs::read_to_string(&layer).unwrap();
    let sum = text
        .lines()
        .find(|l| l.contains("wb_add") && l.contains("<=") && l.contains(" + "))
        .unwrap();
    std::fs::write(&layer, text.replacen(sum, &sum.replacen(" + ", " - ", 1), 1)).unwrap();
    let error = refused(strassenc(folder, &["simulate", "build"]), 1, &folder.join("none"));
    assert!(error.contains("dense_1") && error.contains("wb_add"), "{error}");
}

#[test]
fn damaged_models_leave_nothing_behind() {
    let folder = run();
    let folder = folder.path();
    let good = std::fs::read(folder.join("run/model.safetensors")).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let version = String::from_utf8_lossy(&good[..2000]).find("version").unwrap();
    let mut other_version = good.clone();
    let digit = version + other_version[version..].iter().position(u8::is_ascii_digit).unwrap();
    other_version[digit] = b'9';
    for (bytes, told) in
        [(&good[..good.len() - 7], ""), (&flipped, "sha256"), (&other_version, "version")]
    {
        std::fs::write(folder.join("bad.safetensors"), bytes).unwrap();
        let error = refused(
            strassenc(folder, &["verilog", "bad.safetensors", "-o", "build"]),
            2,
            &folder.join("build"),
        );
        assert!(error.contains("bad.safetensors") && error.contains(told), "{error}");
    }
}

#[test]
fn a_missing_tool_is_named_with_the_way_to_get_it() {
    let folder = run();
    let folder = folder.path();
    done(folder, &["verilog", "run", "-o", "build"]);
    let bare = |arguments: &[&str]| {
        let mut command = strassenc(folder, arguments);
        command.env("PATH", folder).env("STRASSENC_HOME", folder.join("home"));
        command
    };
    for (arguments, tool) in [
        (&["simulate", "build"][..], "verilator"),
        (&["report", "build", "--synth", "xc7"], "yosys"),
    ] {
        let error = refused(bare(arguments), 4, &folder.join("none"));
        assert!(error.contains(&format!("doctor --install {tool}")), "{error}");
    }
}

#[test]
fn what_cannot_be_written_is_named_and_what_was_there_stays() {
    let folder = run();
    let folder = folder.path();
    // Not even root can make a folder there.
    let error = refused(
        strassenc(folder, &["verilog", "run", "-o", "/proc/build"]),
        3,
        Path::new("/proc/build"),
    );
    assert!(error.contains("/proc/build"), "{error}");
    std::fs::create_dir(folder.join("mine")).unwrap();
    std::fs::write(folder.join("mine/precious"), "mine").unwrap();
    refused(
        strassenc(folder, &["verilog", "run", "-o", "mine"]),
        3,
        &folder.join("mine/build.json"),
    );
    assert_eq!(std::fs::read_to_string(folder.join("mine/precious")).unwrap(), "mine");
}
