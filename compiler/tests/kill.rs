//! A training that is killed at any moment, and goes on as if it had not been.
#![cfg(unix)]

use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All phases, moving averages, the best epoch's state, samples held out and changed.
const NET: &str = r#"
name = "little"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [
    { conv2d = { channels = 4, kernel = 3, stride = 2, pad = 1, r = 6, p = 2 } },
    "relu",
    { dense = { units = 10, r = 16 } },
]

[train]
data = "digits"
batch = 128
validation = 0.1
shift = 1
ema = 0.9
keep_best = true
full = { epochs = 2, learning_rate = 3e-3 }
ternary = { epochs = 3, learning_rate = 3e-3 }
frozen = { epochs = 2, learning_rate = 1e-3 }
"#;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).env("STRASSENC_HOME", folder.join("home")).arg("train").args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn trained(folder: &Path, arguments: &[&str]) {
    let output = command(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Name and bytes of every file, hidden ones included.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (name(&path), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn killed_at_any_moment_is_uninterrupted() {
    const KILLS: usize = 24;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), NET).unwrap();
    trained(path, &["net.toml", "--full-precision", "--epochs", "1", "-o", "teacher"]);

    let arguments = ["net.toml", "--teacher", "teacher", "--checkpoint-every", "0"];
    let began = Instant::now();
    trained(path, &[&arguments[..], &["-o", "whole"]].concat());
    // A checkpoint after every step takes most of the time, so that most kills meet one that is being written.
    let whole = began.elapsed();

    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let parts = path.join("parts");
    let resumed = || if parts.join("checkpoint.safetensors").exists() { &["--resume"][..] } else { &[] };
    let (mut met, mut done) = (0, false);
    for kill in 0..KILLS {
        if kill == KILLS / 2 {
            // What a kill leaves that meets a file being written, in case none has.
            std::fs::write(parts.join(".strassenc-left"), "half").unwrap();
        }
        let most = if kill % 3 == 0 { Duration::from_millis(50) } else { whole / 6 };
        let mut child = command(path, &[&arguments[..], &["-o", "parts"], resumed()].concat()).spawn().unwrap();
        std::thread::sleep(most.mul_f64(rng.random_range(0.0..1.0)));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!error.contains("error["), "kill {kill}: {error}");
        done = output.status.success();
        if done {
            break;
        }
        met += 1;
    }
    assert!(met >= 10, "{met} kills met a training");
    if !done {
        trained(path, &[&arguments[..], &["-o", "parts"], resumed()].concat());
    }

    let (whole, parts) = (files(&path.join("whole")), files(&parts));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let expected = [
        "checkpoint.safetensors",
        "curves.svg",
        "metrics.csv",
        "metrics.json",
        "model.safetensors",
        "network.toml",
        "teacher.safetensors",
    ];
    assert_eq!(names(&whole), expected);
    assert_eq!(names(&parts), expected, "nothing is left behind");
    for ((name, whole), (_, parts)) in whole.iter().zip(&parts) {
        assert!(whole == parts, "{name} differs");
    }
}
