//! Standard output and standard error that are closed, or full.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::pipe;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A few steps of every phase.
const NET: &str = r#"
name = "little"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [{ dense = { units = 10, r = 16 } }]

[train]
data = "digits"
batch = 256
full = { epochs = 2, learning_rate = 3e-3 }
ternary = { epochs = 2, learning_rate = 3e-3 }
frozen = { epochs = 1, learning_rate = 1e-3 }
"#;

/// What prints, of a folder that [`folder`] made.
const PRINTING: [&str; 16] = [
    "--help",
    "--version",
    "train --help",
    "report net.toml",
    "report net.toml --json",
    "eval run",
    "random net.toml -o random",
    "verilog run -o core",
    "curves run -o curves.svg",
    "matrix w.npy",
    "discover 2x2x2 -o strassen",
    "discover 2x2x2 --seeds 2",
    "sweep net.toml --ratio 1 --epochs 1,1,1 -o sweep",
    "doctor",
    "completions bash",
    "man",
];

/// A folder with a description, a run and a matrix.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("net.toml"), NET).unwrap();
    let matrix = ndarray::array![[1, -1, 0], [1, 1, 1], [0, 1, 1]];
    fs::write(folder.path().join("w.npy"), strassenc_runtime::data::npy::to_bytes(&matrix))
        .unwrap();
    let done = command(folder.path(), "train net.toml -o run").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .args(arguments.split(' '));
    command
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Exit status and standard error where standard output is `stdout`.
fn told(folder: &Path, arguments: &str, stdout: Stdio) -> (ExitStatus, String) {
    let output = command(folder, arguments).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let folder = folder();
    for arguments in PRINTING {
        let (status, error) = told(folder.path(), arguments, closed());
        assert_eq!(status.code(), Some(141), "{arguments}: {error}");
        assert!(!error.contains("error") && !error.contains("panic"), "{arguments}: {error}");
    }
    for written in [
        "random/model.safetensors",
        "core/build.json",
        "strassen/model.safetensors",
        "sweep/sweep.json",
    ] {
        assert!(folder.path().join(written).is_file(), "{written}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let folder = folder();
    for arguments in PRINTING {
        let (status, error) = told(folder.path(), arguments, full());
        assert_eq!(status.code(), Some(3), "{arguments}: {error}");
        let expected = "error[io]: standard output: cannot be written: No space left on device";
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[test]
fn no_work_ends_for_want_of_a_reader() {
    let folder = folder();
    let whole = fs::read(folder.path().join("run/model.safetensors")).unwrap();
    for (i, (stdout, stderr)) in
        [(closed(), closed()), (full(), full()), (Stdio::null(), closed())].into_iter().enumerate()
    {
        let status = command(folder.path(), &format!("train net.toml -o unread{i}"))
            .stdout(stdout)
            .stderr(stderr)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some([141, 3, 0][i]));
        assert_eq!(
            fs::read(folder.path().join(format!("unread{i}/model.safetensors"))).unwrap(),
            whole
        );
    }
    // Wrong arguments have their own status, read or not.
    let status = command(folder.path(), "train --nonsense").stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let status = command(folder.path(), "train missing.toml").stderr(full()).status().unwrap();
    assert_ne!(status.code(), Some(101));
}
