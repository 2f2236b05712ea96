//! The log-mel front end: Rust = C = NumPy, bit for bit, on recordings of every kind.
#![expect(clippy::print_stdout, reason = "it says what it leaves out")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::front_end::c_source;
use strassenc::tools::Component;
use strassenc_runtime::Network;
use strassenc_runtime::log_mel::FrontEnd;
use strassenc_tests::{root, tools};

/// Frames, mel bands, bits, frac, rate, window and step.
const FRONTS: [[usize; 7]; 4] = [
    [64, 16, 8, 4, 8000, 256, 128],
    [5, 1, 5, 0, 1000, 32, 32],
    [7, 40, 9, 6, 16000, 512, 160],
    [3, 24, 16, 5, 44100, 1024, 441],
];

/// The input of a network of sounds, and its front end.
fn front(&[frames, mels, bits, frac, rate, window, step]: &[usize; 7]) -> FrontEnd {
    let text = format!(
        "name = \"sounds\"\nlayers = [{{ dense = {{ units = 2 }} }}]\n\
        [input]\nshape = [{frames}, {mels}]\nbits = {bits}\nfrac = {frac}\n\
         log_mel = {{ rate = {rate}, window = {window}, step = {step} }}\n"
    );
    FrontEnd::of(&Network::parse("sounds.toml", &text).unwrap().input).unwrap()
}

/// Recordings of every length and height, among them the loudest that there are.
fn recordings(front: &FrontEnd) -> Vec<Vec<i16>> {
    let mut rng = ChaCha8Rng::seed_from_u64(24);
    let all = front.samples();
    let square = |half: usize| {
        (0..all).map(|n| if (n / half).is_multiple_of(2) { i16::MIN } else { i16::MAX }).collect()
    };
    let mut recordings = vec![
        vec![],
        vec![0; all],
        vec![1],
        vec![i16::MIN; all],
        square(1),
        square(front.cut.window / 4),
        (0..all).map(|n| (10_000.0 * (0.3 * n as f64).sin()) as i16).collect(),
    ];
    for height in [1, 3, 100, 10_000, i16::MAX] {
        let length = rng.random_range(1..all * 3 / 2);
        recordings.push((0..length).map(|_| rng.random_range(-height..=height)).collect());
    }
    recordings
}

/// Some recordings of digits, where they are installed.
fn spoken(home: &Path) -> Vec<Vec<i16>> {
    let folder = home.join("data/fsdd/recordings");
    let Ok(files) = folder.read_dir() else {
        println!("no real recordings are compared: {} is missing", folder.display());
        return vec![];
    };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let samples = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        bytes[44..].as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
    };
    files.iter().step_by(100).map(samples).collect()
}

/// What a program makes of recordings: of each its features.
fn yields(command: &mut Command, recordings: &[Vec<i16>], folder: &Path) -> Vec<u32> {
    let bytes: Vec<u8> = recordings
        .iter()
        .flat_map(|recording| {
            let count = (recording.len() as u32).to_le_bytes().into_iter();
            count.chain(recording.iter().flat_map(|sample| sample.to_le_bytes()))
        })
        .collect();
    fs::write(folder.join("in"), bytes).unwrap();
    command.stdin(File::open(folder.join("in")).unwrap());
    command.stdout(File::create(folder.join("out")).unwrap());
    assert!(command.status().unwrap().success(), "{command:?}");
    let words = fs::read(folder.join("out")).unwrap();
    words.as_chunks().0.iter().map(|word| u16::from_le_bytes(*word).into()).collect()
}

#[test]
fn rust_c_and_numpy_agree() {
    let tools = tools();
    tools.install(Component::named("onnxruntime").unwrap()).unwrap();
    let python = tools.numpy().unwrap();
    let folder = root().join("tests/log_mel").canonicalize().unwrap();
    let work = tempfile::tempdir().unwrap();
    for cut in &FRONTS {
        let front = front(cut);
        let mut recordings = recordings(&front);
        if front.cut.rate == 8000 {
            recordings.extend(spoken(tools.home()));
        }
        let rust: Vec<u32> = recordings.iter().flat_map(|r| front.features(r)).collect();
        assert!(rust.iter().any(|v| *v > 0) && rust.contains(&0), "{cut:?}");

        fs::write(work.path().join("front.c"), c_source("sounds", &front).unwrap()).unwrap();
        let program = work.path().join("program");
        let word = if front.most < 256 { "uint8_t" } else { "uint16_t" };
        let mut compile = Command::new("cc");
        compile.args(["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-O1"]);
        compile.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        compile.arg(format!("-DWORD={word}")).arg(format!("-DNUMBERS={}", cut[0] * cut[1]));
        compile.arg(folder.join("main.c")).arg(work.path().join("front.c"));
        tools.run_ok(compile.arg("-o").arg(&program)).unwrap();
        assert_eq!(yields(&mut Command::new(program), &recordings, work.path()), rust, "{cut:?}");

        let mut numpy = Command::new(&python.program);
        if let Some(site) = &python.site {
            numpy.env("PYTHONPATH", site);
        }
        numpy.arg(folder.join("log_mel.py")).args(cut.map(|v| v.to_string()));
        assert_eq!(yields(&mut numpy, &recordings, work.path()), rust, "{cut:?}");
    }
}
