//! What a command is told to write where something is already: nothing that the user had is lost.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use strassenc::tools::Tools;

const NET: &str = r#"
name = "digits"
input = { shape = [8, 8], bits = 5, frac = 4 }
layers = [{ dense = { units = 6 } }, "relu", { dense = { units = 10 } }]
[train]
data = "digits"
full = { epochs = 1, learning_rate = 1e-3 }
ternary = { epochs = 1, learning_rate = 1e-3 }
frozen = { epochs = 1, learning_rate = 1e-3 }
"#;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strassenc"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn done(folder: &Path, arguments: &[&str]) {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Every path under `folder` with its bytes, of a link where it leads.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = vec![];
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match fs::read_link(&path) {
            Ok(target) => all.push((path, target.into_os_string().into_encoded_bytes())),
            Err(_) if path.is_dir() => all.extend(everything(&path)),
            Err(_) => all.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

/// A folder with a trained run, a build of it, and files and folders of the user's.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("net.toml"), NET).unwrap();
    done(path, &["train", "net.toml", "-o", "run"]);
    done(path, &["verilog", "run", "-o", "core"]);
    fs::write(path.join("notes"), "mine").unwrap();
    fs::create_dir_all(path.join("mine")).unwrap();
    fs::write(path.join("mine/notes"), "mine").unwrap();
    folder
}

#[test]
fn what_is_there_is_left_alone() {
    let home =
        std::env::var_os("STRASSENC_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".strassenc")
    });
    Tools::new(home).verilator_or_install().unwrap();
    let folder = folder();
    let path = folder.path();
    // A file where a folder is to be, a folder with something else, a file where a file is to be.
    for target in ["notes", "mine"] {
        for command in [
            &["verilog", "run", "-o", target][..],
            &["eval", "run", "--vectors", target],
            &["train", "net.toml", "-o", target],
            &["train", "net.toml", "--overwrite", "-o", target],
            &["sweep", "net.toml", "--ratio", "1", "-o", target],
            &["random", "net.toml", "--overwrite", "-o", target],
            &["discover", "2x2x2", "-o", target],
            &["discover", "2x2x2", "--overwrite", "-o", target],
        ] {
            left_alone(path, command);
        }
    }
    for command in [
        &["random", "net.toml", "-o", "notes"][..],
        &["random", "net.toml", "-o", "run"],
        &["random", "net.toml", "--overwrite", "-o", "run"],
        &["train", "net.toml", "-o", "run"],
        &["discover", "2x2x2", "-o", "run"],
        &["discover", "2x2x2", "-o", "notes"],
        &["curves", "run", "-o", "notes"],
        &["curves", "run", "-o", "mine"],
        &["report", "core", "--html", "notes"],
        &["report", "core", "--html", "mine"],
        &["simulate", "core", "--samples", "2", "--wave", "notes"],
        &["simulate", "core", "--samples", "2", "--wave", "mine"],
        &["simulate", "core", "--samples", "2", "--wave", "nowhere/x.vcd"],
        &["demo", "-o", "."],
    ] {
        left_alone(path, command);
    }
}

fn left_alone(path: &Path, command: &[&str]) {
    let before = everything(path);
    let output = run(path, command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!([2, 3].contains(&output.status.code().unwrap()), "{command:?}: {error}");
    assert_eq!(error.matches("error[").count(), 1, "{command:?}: {error}");
    assert!(error.contains("help"), "{command:?}: {error}");
    assert!(everything(path) == before, "{command:?}");
}

#[test]
fn overwrite_replaces_a_file_and_writes_through_a_link() {
    let folder = folder();
    let path = folder.path();
    let is = |name: &str, start: &str| {
        let text = String::from_utf8_lossy(&fs::read(path.join(name)).unwrap()).into_owned();
        assert!(text.starts_with(start), "{name}: {text:.40}");
    };
    symlink("behind", path.join("link")).unwrap();
    fs::write(path.join("behind"), "mine").unwrap();
    for (command, start) in [
        (&["report", "core", "--html", "link"][..], "<!"),
        (&["curves", "run", "-o", "link"], "<svg"),
        (&["simulate", "core", "--samples", "2", "--wave", "link"], "$"),
    ] {
        left_alone(path, command);
        done(path, &[command, &["--overwrite"]].concat());
        is("behind", start);
        assert_eq!(fs::read_link(path.join("link")).unwrap(), Path::new("behind"));
    }
    let vectors = ["eval", "run", "--vectors", "vectors"];
    done(path, &vectors);
    let before = everything(&path.join("vectors"));
    assert_eq!(before.len(), 4);
    left_alone(path, &vectors);
    done(path, &[&vectors[..], &["--samples", "3", "--overwrite"]].concat());
    let after = everything(&path.join("vectors"));
    assert!(after.len() == 4 && after != before);
    done(path, &["random", "net.toml", "-o", "random"]);
    left_alone(path, &["random", "net.toml", "-o", "random"]);
    done(path, &["random", "net.toml", "-o", "random", "--seed", "2", "--overwrite"]);
    assert_eq!(fs::read_dir(path).unwrap().count(), 9);
}
