//! Two at once in one folder: the second is refused at once, and who only reads is not.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .args(arguments.split(' '));
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Starts what takes long, and waits until `file` says that it is at work.
fn start(folder: &Path, arguments: &str, file: &str) -> Child {
    let child =
        command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !folder.join(file).exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "{arguments} writes no {file}");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn refused(folder: &Path, arguments: &str, name: &str) {
    let output = run(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{arguments}: {error}");
    assert!(
        error.contains(&format!("{name}: another strassenc is at work in this folder")),
        "{error}"
    );
}

#[test]
fn one_training_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = start(
        path,
        "train digits --epochs 90000,1,1 --checkpoint-every 0 -o run",
        "run/curves.svg",
    );
    for second in ["--seed 7 --overwrite", "--resume"] {
        refused(path, &format!("train digits --epochs 90000,1,1 {second} -o run"), "run");
    }
    refused(path, "random digits -o run", "run");
    refused(path, "discover 2x2x2 --overwrite -o run", "run");
    let reading = run(path, "curves run -o curves.svg");
    assert!(reading.status.success(), "{}", String::from_utf8_lossy(&reading.stderr));
    // The lock dies with its process, in whatever way.
    end(first);
    let again = run(path, "train digits --epochs 1,1,1 --overwrite -o run");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    // A model of chance takes no trained one's place.
    let over = run(path, "random digits -o run");
    let error = String::from_utf8(over.stderr).unwrap();
    assert!(
        over.status.code() == Some(3) && error.contains("holds checkpoint.safetensors and more"),
        "{error}"
    );
}

#[test]
fn one_sweep_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first =
        start(path, "sweep digits --ratio 1 --epochs 90000,1,1 -o sweep", "sweep/sweep.json");
    refused(path, "sweep digits --ratio 1 --epochs 90000,1,1 --resume -o sweep", "sweep");
    end(first);
}
