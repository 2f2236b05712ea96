//! What is given where something else is wanted is told by its name, with the command that takes
//! it.

use std::fs;
use std::path::Path;
use std::process::Command;

fn strassenc(folder: &Path, arguments: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .args(arguments.split(' '));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_command_knows_what_belongs_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for command in [
        "train digits --epochs 1,1,1 -o run",
        "verilog run -o core",
        "train digits --full-precision --epochs 1 -o full",
    ] {
        let (status, error) = strassenc(path, command);
        assert_eq!(status, Some(0), "{error}");
    }
    fs::copy(path.join("run/network.toml"), path.join("net.toml")).unwrap();
    fs::copy(path.join("run/model.safetensors"), path.join("model")).unwrap();
    fs::copy(path.join("run/checkpoint.safetensors"), path.join("checkpoint")).unwrap();
    fs::write(path.join("net.onnx"), b"\x08\x08\x12\x07pytorch\x1a\x012").unwrap();
    fs::write(path.join("net.h5"), b"\x89HDF\r\n\x1a\n\0\0\0\0").unwrap();
    fs::write(path.join("net.pt"), b"PK\x03\x04\0\0\0\0archive/data.pkl").unwrap();
    fs::write(path.join("old.pth"), b"\x80\x02\x8a\nl\xfc").unwrap();
    fs::write(path.join("w.npy"), b"\x93NUMPY\x01\0").unwrap();
    let verilog = fs::read_dir(path.join("core")).unwrap().map(|f| f.unwrap().path());
    let verilog = verilog.into_iter().find(|f| f.extension().is_some_and(|e| e == "v")).unwrap();
    fs::copy(verilog, path.join("core.v")).unwrap();

    let others = [
        ("net.toml", "a network description", "strassenc train"),
        ("run", "a run folder", "`strassenc eval`"),
        ("full", "a training run without an integer model", "`strassenc train NET --from RUN`"),
        ("core", "a build folder", "`strassenc simulate`"),
        ("model", "a model file", "`strassenc eval`"),
        ("checkpoint", "a checkpoint of a training run", "--from and --teacher"),
        ("net.onnx", "an ONNX file", "`strassenc import` makes a run of it"),
        ("net.h5", "a Keras file", "weights of other programs are not read"),
        ("net.pt", "a PyTorch file", "weights of other programs are not read"),
        ("old.pth", "a PyTorch file", "weights of other programs are not read"),
        ("w.npy", "a NumPy array", "`strassenc matrix`"),
        ("core.v", "a Verilog file", "`strassenc verilog` wrote it"),
    ];
    // What wants one of these, and what else it takes.
    for (command, wanted, takes) in [
        ("eval @", "a model file", &["run", "core", "model", "full"][..]),
        ("verilog @ -o other", "a model file", &["run", "core", "model"]),
        ("export @ -o other", "a model file", &["run", "core", "model"]),
        ("generate @", "a model file", &["run", "core", "model"]),
        ("check @", "a model file", &["run", "core", "model"]),
        ("train @ -o other", "a network description", &["net.toml"]),
        ("random @ -o other", "a network description", &["net.toml"]),
        ("sweep @ --ratio 1 -o other", "a network description", &["net.toml"]),
        ("simulate @", "a build folder", &["core"]),
        ("curves @ -o other.svg", "a run folder", &["run", "full"]),
        ("matrix @", "a NumPy array", &["w.npy"]),
        (
            "train digits --from @ -o other",
            "a checkpoint of a training run",
            &["run", "core", "checkpoint", "full"],
        ),
        (
            "train digits --teacher @ -o other",
            "a checkpoint of a training run",
            &["run", "core", "checkpoint", "full", "net.onnx"],
        ),
    ] {
        for (given, name, help) in others.iter().filter(|(given, ..)| !takes.contains(given)) {
            let (status, error) = strassenc(path, &command.replace('@', given));
            let expected = format!("error[input]: {given}: is {name}, not {wanted}");
            assert!(
                error.starts_with(&expected) && error.contains(help),
                "{command} {given}: {error}"
            );
            assert_eq!(status, Some(2), "{command} {given}");
            assert!(!path.join("other").exists(), "{command} {given} leaves a folder");
        }
    }
}

#[test]
fn what_is_nothing_of_ours_is_told_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("x.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
    for (command, cause, help) in [
        (
            "eval x.svg",
            "x.svg: is not a safetensors file",
            "give a run folder of `strassenc train`",
        ),
        (
            "train digits --from x.svg -o other",
            "x.svg: is not a safetensors file",
            "give a run folder of",
        ),
        (
            "verilog digits",
            "digits: is a network description that ships with",
            "strassenc train digits\n",
        ),
        (
            "eval austen",
            "austen: is a network description that ships with",
            "in runs/austen: give that folder",
        ),
    ] {
        let (status, error) = strassenc(path, command);
        assert!(
            status == Some(2) && error.contains(cause) && error.contains(help),
            "{command}: {error}"
        );
    }
}

#[test]
fn names_that_are_almost_right_are_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let net = "name = \"x\"\ninput = { shape = [8, 8], bits = 8, frac = 8 }\nlayers = [{ dense = { \
        units = 10 } }]\n";
    fs::write(path.join("optimiser.toml"), format!("{net}[train]\noptimiser = \"adam\"\n"))
        .unwrap();
    fs::write(path.join("key.toml"), format!("{net}[train]\nbatchh = 3\n")).unwrap();
    let conv = net.replace(
        "dense = { units = 10 } }",
        "conv2d = { channels = 2, kernel = 3 } }, \"relu\", { dense = { units = 10 } }",
    );
    fs::write(path.join("conv.toml"), conv).unwrap();
    for command in ["random conv.toml -o run", "verilog run -o core"] {
        let (status, error) = strassenc(path, command);
        assert_eq!(status, Some(0), "{error}");
    }
    for (command, meant) in [
        ("train resnet02", "resnet20"),
        ("report fashion_cnn.", "fashion-cnn"),
        ("train digits --data fashion-mnits", "fashion-mnist"),
        ("doctor --install verlator", "verilator"),
        ("train optimiser.toml --data digits", "adamw"),
        ("train key.toml --data digits", "batch"),
        ("report core --device xc6", "xc7"),
        ("simulate core --random 1 --layers con_0", "conv_0"),
        ("trian digits", "train"),
    ] {
        let (status, error) = strassenc(path, command);
        assert!(status == Some(2) && error.contains(meant), "{command}: {error}");
    }
}
