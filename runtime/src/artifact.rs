//! What a file or a folder is, by its contents, so that who gives the wrong one learns which
//! command takes it.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Something that may be given where something else is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A network description.
    Description,
    /// A model file.
    Model,
    /// A checkpoint of a training run.
    Checkpoint,
    /// A folder with a model.
    Run,
    /// A folder with a checkpoint and no model: a run that is not done, or one in full precision.
    Training,
    /// A folder that `strassenc verilog` wrote.
    Build,
    /// A folder of `strassenc sweep`.
    Sweep,
    /// A folder that `strassenc matrix` wrote.
    Kernel,
    /// A folder of `strassenc discover` with a search that is not done.
    Search,
    /// A safetensors file of another program.
    Safetensors,
    /// A network in ONNX.
    Onnx,
    /// A network of Keras, `.h5` or `.keras`.
    Keras,
    /// A network of PyTorch: a zip archive, or a pickle as older ones are.
    PyTorch,
    /// An array of NumPy.
    Npy,
    /// Several arrays of NumPy.
    Npz,
    /// Verilog text.
    Verilog,
}

/// Bytes that tell what a file is.
const HEAD: u64 = 4096;

impl Artifact {
    /// What `path` is, where that can be told. Only regular files and folders are looked into, and
    /// only at their beginning.
    pub fn of(path: &Path) -> Option<Artifact> {
        if path.is_dir() {
            let has = |name: &str| path.join(name).is_file();
            return match () {
                () if has("build.json") || has("signature.json") => Some(Artifact::Build),
                () if has("sweep.json") => Some(Artifact::Sweep),
                () if has("model.safetensors") => Some(Artifact::Run),
                () if has("checkpoint.safetensors") => Some(Artifact::Training),
                () if has("report.json") => Some(Artifact::Kernel),
                () if has("search.json") => Some(Artifact::Search),
                () => None,
            };
        }
        if !path.is_file() {
            return None;
        }
        let mut head = vec![];
        File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
        let extension =
            path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        Self::of_bytes(&head)
            .or_else(|| Self::of_text(std::str::from_utf8(&head).ok()?, &extension))
    }

    /// The kind of artifact that the first bytes of a binary file tell.
    fn of_bytes(head: &[u8]) -> Option<Artifact> {
        let has = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
        match head {
            [0x89, b'H', b'D', b'F', ..] => Some(Artifact::Keras),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Artifact::Npy),
            [b'P', b'K', 3, 4, ..] if has(b"data.pkl") => Some(Artifact::PyTorch),
            [b'P', b'K', 3, 4, ..] if has(b"metadata.json") || has(b"config.json") => {
                Some(Artifact::Keras)
            }
            [b'P', b'K', 3, 4, ..] if has(b".npy") => Some(Artifact::Npz),
            // A pickle of protocol 2 to 5.
            [0x80, 2..=5, ..] => Some(Artifact::PyTorch),
            // Field 1, the version of the format, then the name or the version of the program that
            // wrote it, or the graph.
            [0x08, 1..=64, 0x12 | 0x1a | 0x22 | 0x3a, ..] => Some(Artifact::Onnx),
            [_, _, _, _, _, 0, 0, 0, b'{', ..] if has(br#""strassenc":"{\""#) => {
                let is_checkpoint = has(br#":"{\"sha256\":"#) || has(br#"\"kind\":\"checkpoint"#);
                Some(if is_checkpoint { Artifact::Checkpoint } else { Artifact::Model })
            }
            [_, _, _, _, _, 0, 0, 0, b'{', ..] => Some(Artifact::Safetensors),
            _ => None,
        }
    }

    /// The kind of artifact that the words of a text tell and the extension confirms.
    fn of_text(text: &str, extension: &str) -> Option<Artifact> {
        let starts = |words: &[&str]| {
            text.lines().any(|line| words.iter().any(|word| line.starts_with(word)))
        };
        match extension {
            "v" | "sv" | "vh" if starts(&["module ", "`timescale", "`default_nettype"]) => {
                Some(Artifact::Verilog)
            }
            "toml" => Some(Artifact::Description),
            _ if starts(&["layers = [", "layers=["]) => Some(Artifact::Description),
            _ => None,
        }
    }

    /// The command that takes it.
    pub fn taken_by(self) -> &'static str {
        match self {
            Artifact::Description => {
                "`strassenc train` makes a run with a model of it, `strassenc report` counts its \
                 cost"
            }
            Artifact::Model | Artifact::Run => {
                "`strassenc eval`, `generate`, `verilog` and `check` take it"
            }
            Artifact::Checkpoint => {
                "`strassenc train` takes it with --from and --teacher; the model of a run that is \
                 done is model.safetensors beside it"
            }
            Artifact::Training => {
                "finish it with `strassenc train NET --resume`; one in full precision never has a \
                 model: `strassenc eval` takes it as it is, and `strassenc train NET --from RUN` \
                 makes a run with a model of it"
            }
            Artifact::Build => "`strassenc simulate`, `report` and `check` take it",
            Artifact::Sweep => "each folder in it that has a model is a run: give one of them",
            Artifact::Kernel => {
                "`strassenc report` takes it; the script `*_tb.sh` in it runs its testbench"
            }
            Artifact::Search => "`strassenc discover` goes on with it: --resume -o FOLDER",
            Artifact::Onnx => {
                "`strassenc import` makes a run of it, and `strassenc train` learns from it with \
                 --teacher"
            }
            Artifact::Safetensors | Artifact::Keras | Artifact::PyTorch => {
                "weights of other programs are not read: describe the network in a .toml file \
                 (`strassenc train --help`), and train it"
            }
            Artifact::Npy => "`strassenc matrix` takes one of two axes; as data: --data npy:FOLDER",
            Artifact::Npz => {
                "unpack it: `strassenc matrix` and --data npy:FOLDER take the .npy files in it"
            }
            Artifact::Verilog => {
                "`strassenc simulate` takes the folder that `strassenc verilog` wrote it into"
            }
        }
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Artifact::Description => "a network description",
            Artifact::Model => "a model file",
            Artifact::Checkpoint => "a checkpoint of a training run",
            Artifact::Run => "a run folder",
            Artifact::Training => "a training run without an integer model",
            Artifact::Build => "a build folder",
            Artifact::Sweep => "the folder of a sweep",
            Artifact::Kernel => "a folder of `strassenc matrix`",
            Artifact::Search => "a folder of `strassenc discover`",
            Artifact::Safetensors => "a safetensors file of another program",
            Artifact::Onnx => "an ONNX file",
            Artifact::Keras => "a Keras file",
            Artifact::PyTorch => "a PyTorch file",
            Artifact::Npy => "a NumPy array",
            Artifact::Npz => "an archive of NumPy arrays",
            Artifact::Verilog => "a Verilog file",
        })
    }
}

/// Reads `path` as what is wanted; where that fails and it is something else, the error says what,
/// and which command takes it.
///
/// # Errors
/// As `read`.
pub fn read_as<T>(
    wanted: Artifact,
    path: &Path,
    read: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    // What reads a run folder may read one without a model, and knows better what is wrong with it.
    let fits =
        |found: Artifact| found == wanted || (found, wanted) == (Artifact::Training, Artifact::Run);
    read(path).map_err(|error| match Artifact::of(path) {
        Some(found) if !fits(found) && error.kind() != Kind::Interrupted => {
            Error::input(path.display(), format_args!("is {found}, not {wanted}"))
                .help(found.taken_by())
        }
        None if error.kind() == Kind::Input && wanted == Artifact::Model => {
            error.or_help("give a run folder of `strassenc train`, or the model.safetensors in it")
        }
        None if error.kind() == Kind::Input && wanted == Artifact::Checkpoint => error
            .or_help("give a run folder of `strassenc train`, or the checkpoint.safetensors in it"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_are_known_by_their_contents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("given");
        let of = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Artifact::of(&path)
        };
        let zip = |name: &[u8]| [b"PK\x03\x04", &[0; 26][..], name].concat();
        let tensors =
            |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        for (bytes, artifact) in [
            (b"\x89HDF\r\n\x1a\n".to_vec(), Artifact::Keras),
            (zip(b"metadata.json"), Artifact::Keras),
            (zip(b"archive/data.pkl"), Artifact::PyTorch),
            (zip(b"arr_0.npy"), Artifact::Npz),
            (b"\x80\x02}q\x00".to_vec(), Artifact::PyTorch),
            (b"\x93NUMPY\x01\x00".to_vec(), Artifact::Npy),
            (b"\x08\x07\x12\x07pytorch".to_vec(), Artifact::Onnx),
            (tensors(r#"{"__metadata__":{"strassenc":"{\"version\":1"#), Artifact::Model),
            (
                tensors(
                    r#"{"__metadata__":{"strassenc":"{\"sha256\":\"0\",\"kind\":\"checkpoint\""#,
                ),
                Artifact::Checkpoint,
            ),
            (tensors(r#"{"weight":{"dtype":"F32""#), Artifact::Safetensors),
            (b"name = \"x\"\nlayers = [\"relu\"]\n".to_vec(), Artifact::Description),
        ] {
            assert_eq!(of(&bytes), Some(artifact));
        }
        for nothing in [&b""[..], b"x,y,label\n1,2,0\n", b"PK\x03\x04", &[0; 100]] {
            assert_eq!(of(nothing), None);
        }
        assert_eq!(Artifact::of(&folder.path().join("missing")), None);
        assert_eq!(Artifact::of(folder.path()), None);
        for (file, artifact) in [
            ("checkpoint.safetensors", Artifact::Training),
            ("model.safetensors", Artifact::Run),
            ("sweep.json", Artifact::Sweep),
            ("build.json", Artifact::Build),
        ] {
            fs::write(folder.path().join(file), "").unwrap();
            assert_eq!(Artifact::of(folder.path()), Some(artifact));
        }
    }
}
