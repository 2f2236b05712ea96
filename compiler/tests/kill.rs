//! Killed at any moment: a training goes on as if it had not been, and what is written is old or
//! new, never a part.
#![cfg(unix)]

use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A network with all phases, moving averages, the best epoch's state, samples held out and
/// changed.
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
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .arg("train")
        .args(arguments);
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
    // A checkpoint after every step takes most of the time, so that most kills meet one that is
    // being written.
    let whole = began.elapsed();

    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let parts = path.join("parts");
    let resumed =
        || if parts.join("checkpoint.safetensors").exists() { &["--resume"][..] } else { &[] };
    // What it took is what it takes only while as much else runs: where training is done too soon,
    // all begins again, with shorter lives.
    let mut life = whole / 6;
    let mut done;
    loop {
        let mut met = 0;
        done = false;
        for kill in 0..KILLS {
            if kill == KILLS / 2 {
                // What a kill leaves that meets a file being written, in case none has.
                std::fs::write(parts.join(".strassenc-left"), "half").unwrap();
            }
            let most = if kill % 3 == 0 { Duration::from_millis(50) } else { life };
            let mut child = command(path, &[&arguments[..], &["-o", "parts"], resumed()].concat())
                .spawn()
                .unwrap();
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
        if met >= 10 {
            break;
        }
        life /= 2;
        assert!(life > Duration::from_millis(1), "{met} kills met a training");
        std::fs::remove_dir_all(&parts).unwrap();
    }
    if !done {
        trained(path, &[&arguments[..], &["-o", "parts"], resumed()].concat());
    }

    let (whole, parts) = (files(&path.join("whole")), files(&parts));
    let names = |files: &[(String, Vec<u8>)]| {
        files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
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

const SMALL: &str = r#"
name = "small"
input = { shape = [6], bits = 4, frac = 4 }
layers = [{ dense = { units = 4 } }, "relu", { dense = { units = 2 } }]
"#;

fn small(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).env("STRASSENC_HOME", folder.join("home")).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// How a command is ended before its time.
#[derive(Clone, Copy)]
enum End {
    Killed,
    Interrupted,
}

/// Starts `arguments` again and again and ends it after ever other times, up to a little more than
/// it takes; `check` sees the folder after each. Yields how often it met the command at work.
fn ended(
    folder: &Path,
    end: End,
    arguments: &dyn Fn(usize) -> Vec<&'static str>,
    check: &dyn Fn(),
) -> usize {
    const TIMES: usize = 60;
    let began = Instant::now();
    assert!(small(folder, &arguments(0)).status().unwrap().success());
    // What it takes changes with what else runs, so that each turn corrects it.
    let mut whole = began.elapsed();
    let mut met = 0;
    for turn in 1..=TIMES {
        let share = 1.2 * (turn as f64 * 0.618).fract();
        let mut child = small(folder, &arguments(turn)).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < whole.mul_f64(share) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        match child.try_wait().unwrap() {
            Some(_) => whole = whole.min(began.elapsed()),
            None if share > 1.0 => whole = whole.mul_f64(1.2),
            None => {}
        }
        match end {
            End::Killed => child.kill().unwrap(),
            End::Interrupted => {
                let process = child.id().to_string();
                Command::new("kill")
                    .args(["-INT", &process])
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
            }
        }
        let output = child.wait_with_output().unwrap();
        met += usize::from(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() || !error.contains("error[") || error.contains("interrupted"),
            "{error}"
        );
        check();
    }
    met
}

fn names(folder: &Path) -> Vec<String> {
    files_of(folder).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn files_of(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter()
}

/// Two builds that replace each other: whenever it is killed, one of them is there, as a whole.
#[test]
fn a_build_that_is_killed_at_any_moment_is_the_old_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), SMALL).unwrap();
    assert!(small(path, &["random", "net.toml", "-o", "run"]).status().unwrap().success());
    let options =
        |turn: usize| ["verilog", "run", "-o", "build", "--seed", ["1", "2"][turn % 2]].to_vec();
    let seed = || strassenc::build::Build::open(&path.join("build")).unwrap().record.options.seed;
    let met = ended(path, End::Killed, &options, &|| assert!([1, 2].contains(&seed())));
    assert!(met >= 20, "{met} kills met a build");
    // What they left is gone with the next one.
    assert!(small(path, &options(1)).status().unwrap().success());
    assert_eq!((seed(), names(path)), (2, ["build", "net.toml", "run"].map(String::from).to_vec()));
}

/// Every command that writes: after Ctrl-C its files are whole or not there, and nothing else is.
#[test]
fn an_interrupted_command_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), SMALL).unwrap();
    for arguments in [&["random", "net.toml", "-o", "run"][..], &["verilog", "run", "-o", "core"]] {
        assert!(small(path, arguments).status().unwrap().success());
    }
    let files = |name: &str| match path.join(name) {
        path if path.is_dir() => names(&path),
        path if path.exists() => vec!["a file".to_string()],
        _ => vec![],
    };
    type Command<'a> = &'a dyn Fn(usize) -> Vec<&'static str>;
    let commands: [(&str, Command); 4] = [
        ("out", &|turn| ["verilog", "run", "-o", "out", "--seed", ["1", "2"][turn % 2]].to_vec()),
        ("out.html", &|_| ["report", "core", "--html", "out.html", "--overwrite"].to_vec()),
        ("random", &|_| ["random", "net.toml", "-o", "random", "--overwrite"].to_vec()),
        ("found", &|_| ["discover", "2x2x2", "-o", "found", "--overwrite"].to_vec()),
    ];
    let all = |name: &str| {
        let mut all: Vec<_> = ["core", "net.toml", "run", name].map(String::from).to_vec();
        all.sort();
        all
    };
    for (name, command) in commands {
        let whole = std::cell::OnceCell::new();
        ended(path, End::Interrupted, command, &|| {
            let (left, beside) = (files(name), names(path));
            assert_eq!(beside, all(name));
            let mut left: Vec<_> = left.into_iter().filter(|name| name != "search.json").collect();
            left.sort();
            assert_eq!(whole.get_or_init(|| left.clone()), &left, "{name}");
        });
        let path = path.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap()
        } else {
            std::fs::remove_file(path).unwrap()
        }
    }
}
