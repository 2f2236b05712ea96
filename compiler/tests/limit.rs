//! A tool that does not end: the wall clock ends it, with all that it started.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const NET: &str = r#"
name = "small"
input = { shape = [4], bits = 4, frac = 4 }
layers = [{ dense = { units = 3, r = 3 } }]
"#;

/// A Yosys that does not listen to SIGTERM, nor does what it starts; both write their numbers down.
const YOSYS: &str = r#"#!/bin/sh
[ "$1" = -V ] && echo "Yosys 0.40" && exit
trap "" TERM
sleep 600 &
echo $$ $! > "$STARTED"
sleep 600
"#;

/// Runs a command with that Yosys alone, which may take two seconds.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let path =
        std::env::join_paths([folder.join("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).env("STRASSENC_HOME", folder.join("home")).env("PATH", path);
    command.env("STRASSENC_TOOL_LIMIT", "2").env("STARTED", folder.join("started"));
    command.args(arguments).output().unwrap()
}

/// Whether a process of this number is there, and not only to be reaped.
fn lives(number: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|s| !s.is_empty() && !s.starts_with(" Z"))
}

/// Fails unless Yosys was started, and is gone with all that it started.
fn assert_gone(folder: &Path) {
    let started = folder.join("started");
    let numbers = std::fs::read_to_string(&started).expect("it was started");
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    assert_eq!(numbers.len(), 2);
    let deadline = Instant::now() + Duration::from_secs(5);
    while numbers.iter().any(|number| lives(number)) {
        assert!(Instant::now() < deadline, "{numbers:?} live on");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_file(started).unwrap();
}

#[test]
fn a_yosys_that_does_not_end_is_ended_by_the_wall_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), NET).unwrap();
    std::fs::create_dir(path.join("bin")).unwrap();
    let yosys = path.join("bin/yosys");
    std::fs::write(&yosys, YOSYS).unwrap();
    std::fs::set_permissions(&yosys, std::fs::Permissions::from_mode(0o755)).unwrap();
    for arguments in [&["random", "net.toml", "-o", "run"][..], &["verilog", "run", "-o", "core"]] {
        assert!(run(path, arguments).status.success(), "{arguments:?}");
    }

    let began = Instant::now();
    let output = run(path, &["report", "core", "--synth", "xc7"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("yosys: was ended: not done within 2 s"), "{error}");
    assert!(error.contains("help: give it more time: set STRASSENC_TOOL_LIMIT"), "{error}");
    assert_gone(path);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
