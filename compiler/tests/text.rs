//! Language models as a user meets them: training on a text, bits per character, text from golden
//! and from the hardware.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use strassenc::tools::Tools;
use strassenc_runtime::data::npy::Npy;
use strassenc_runtime::{golden, model_file};

const NET: &str = r#"
name = "words"
input = { shape = [1], bits = 5, frac = 0 }
layers = [
    { embedding = { rows = 9, units = 4 } },
    { lstm = { units = 8, r = 8 } },
    { dense = { units = 9, r = 9 } },
]
[train]
batch = 8
window = 16
full = { epochs = 6, learning_rate = 3e-2 }
ternary = { epochs = 4, learning_rate = 2e-2 }
"#;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strassenc"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(folder, arguments);
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert_eq!(error.matches("error[").count(), 1, "{error}");
    error
}

fn install_verilator() {
    let home =
        std::env::var_os("STRASSENC_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".strassenc")
    });
    Tools::new(home).verilator_or_install().unwrap();
}

#[test]
fn from_a_text_to_text_from_the_hardware() {
    install_verilator();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), NET).unwrap();
    let words = ["the cat sat. ", "the hat is a cat. ", "a cat sits. "];
    let text: String = (0..600usize).map(|i| words[(i * i + i / 7) % 3]).collect();
    std::fs::write(path.join("a.txt"), &text).unwrap();
    let told = done(path, &["train", "net.toml", "--data", "text:a.txt", "-o", "lm"]);
    assert!(
        told.contains("), per character:") && told.contains(" multiplications a character, "),
        "{told}"
    );

    let report: serde_json::Value =
        serde_json::from_str(&done(path, &["eval", "lm", "--json"])).unwrap();
    assert_eq!(report["golden"]["differing"], 0);
    let bits = |name: &str| report[name].as_f64().unwrap();
    // Nine characters: 3.2 bits for who knows nothing.
    assert!(
        bits("integer_bits") < 1.5 && (bits("integer_bits") - bits("float_bits")).abs() < 0.2,
        "{report}"
    );
    assert!(bits("five_gram_bits") > 0.0 && report["drift"].as_array().unwrap().len() == 3);
    // Sequences side by side are of one length: what is left over is not counted.
    let symbols = report["symbols"].as_u64().unwrap();
    let test = text.len() as u64 - text.len() as u64 / 20 * 19;
    assert_eq!(symbols, (test - 1) / (test / 64) * (test / 64), "{test}");

    // What is asked for is read, whatever it is divided by.
    let some: serde_json::Value =
        serde_json::from_str(&done(path, &["eval", "lm", "--json", "--samples", "137"])).unwrap();
    assert_eq!((&some["symbols"], &some["golden"]["symbols"]), (&137.into(), &137.into()));
    assert!(
        some["integer_bits"].as_f64().unwrap() > 0.0 && some["float_bits"].as_f64().unwrap() > 0.0
    );

    done(path, &["eval", "lm", "--vectors", "vectors"]);
    let read =
        |name: &str| Npy::read(&path.join("vectors").join(name)).unwrap().integers().unwrap();
    let (inputs, outputs, labels) = (read("inputs.npy"), read("outputs.npy"), read("labels.npy"));
    let model = model_file::load(&path.join("lm/model.safetensors")).unwrap();
    assert_eq!(
        (inputs.shape(), outputs.shape()),
        (&[symbols as usize, 1][..], &[symbols as usize, 9][..])
    );
    let mut state = golden::State::start();
    for (x, y) in inputs.outer_iter().zip(outputs.outer_iter()) {
        let edges =
            golden::step(&model, &mut state, &x.iter().copied().collect::<Vec<_>>()).unwrap();
        assert_eq!(y.iter().copied().collect::<Vec<_>>(), edges[edges.len() - 1]);
    }
    // Each symbol is the label of the one before it.
    assert!(inputs.iter().skip(1).eq(labels.iter().take(symbols as usize - 1)));

    done(path, &["verilog", "lm", "-o", "core", "--engine", "folded"]);
    let text = done(path, &["simulate", "core", "--samples", "100"]);
    assert!(text.contains("every output is golden's"), "{text}");
    let text = done(
        path,
        &["simulate", "core", "--data", "text:a.txt", "--samples", "40", "--layers", "lstm_0"],
    );
    assert!(text.contains("every output is golden's"), "{text}");

    let generate = |what: &str, more: &[&str]| {
        done(path, &[&["generate", what, "--prompt", "the c", "--characters", "60"], more].concat())
    };
    let golden = generate("lm", &["--seed", "5"]);
    assert!(
        golden.starts_with("the c") && golden.trim_end_matches('\n').chars().count() == 65,
        "{golden:?}"
    );
    assert_eq!(generate("core", &["--hardware", "--seed", "5"]), golden);
    assert_ne!(generate("lm", &["--seed", "6"]), golden);
    let json: serde_json::Value =
        serde_json::from_str(&generate("lm", &["--json", "--seed", "5"])).unwrap();
    assert_eq!(json["text"], golden.strip_suffix('\n').unwrap());

    let told = refused(path, 2, &["generate", "lm", "--prompt", "the dog"]);
    assert!(told.contains("--prompt: character 5") && told.contains("'d'"), "{told}");
    done(
        path,
        &[
            "train",
            "net.toml",
            "--data",
            "text:a.txt",
            "--full-precision",
            "--epochs",
            "1",
            "-o",
            "full",
        ],
    );
    let told = done(path, &["eval", "full"]);
    assert!(
        told.contains("float") && told.contains("integer: none, a run in full precision"),
        "{told}"
    );
    std::fs::rename(path.join("a.txt"), path.join("b.txt")).unwrap();
    let told = refused(path, 3, &["eval", "lm"]);
    assert!(told.contains("a.txt") && told.contains("--data SPEC"), "{told}");
    std::fs::rename(path.join("b.txt"), path.join("a.txt")).unwrap();
    let told = refused(path, 2, &["train", "digits", "--data", "text:a.txt", "-o", "x"]);
    assert!(told.contains("is a text, and samples with labels are needed"), "{told}");
    std::fs::create_dir(path.join("empty")).unwrap();
    let told = refused(path, 3, &["eval", "lm", "--data", "text:empty"]);
    assert!(
        told.contains("empty: holds no train.txt") && told.contains("valid.txt, test.txt"),
        "{told}"
    );
    let told = refused(path, 3, &["eval", "lm", "--data", "text:nowhere"]);
    assert!(
        told.contains("nowhere: does not exist") && told.contains("train.txt, valid.txt, test.txt"),
        "{told}"
    );
}

const NET_OF_WORDS: &str = r#"
name = "spelled"
input = { shape = [7], bits = 5, frac = 0 }
layers = [
    { embedding = { rows = 24, units = 4 } },
    { char_cnn = { filters = [4, 6, 4] } },
    { highway = {} },
    { lstm = { units = 8, plain = true } },
    { dense = { units = 7, plain = true } },
]
[train]
batch = 8
window = 8
full = { epochs = 8, learning_rate = 3e-2 }
ternary = { epochs = 5, learning_rate = 2e-2 }
"#;

#[test]
fn from_words_in_a_folder_to_words_from_the_hardware() {
    install_verilator();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), NET_OF_WORDS).unwrap();
    // Eight words with the end of a line, of which `sits` is the rarest, and so not among the seven
    // that are known.
    let lines = [" the cat sat \n", " the hat is a cat \n", " a cat sits \n"];
    let text = |n: usize| -> String { (0..n).map(|i| lines[(i * i + i / 7) % 3]).collect() };
    let split = path.join("split");
    std::fs::create_dir(&split).unwrap();
    for (name, n) in [("train.txt", 500), ("valid.txt", 60), ("test.txt", 80)] {
        std::fs::write(split.join(name), text(n)).unwrap();
    }
    let told = done(path, &["train", "net.toml", "--data", "text:split", "-o", "lm"]);
    assert!(
        told.contains("), per word:")
            && told.contains(" bits (perplexity ")
            && told.contains(" multiplications a word, "),
        "{told}"
    );

    let eval = ["eval", "lm"];
    let told = done(path, &eval);
    assert!(told.contains("perplexity") && told.contains("every state and output"), "{told}");
    let report: serde_json::Value =
        serde_json::from_str(&done(path, &[&eval[..], &["--json"]].concat())).unwrap();
    assert_eq!((&report["golden"]["differing"], &report["unit"]), (&0.into(), &"word".into()));
    // Seven words: 2.8 bits for who knows nothing.
    assert!(report["integer_bits"].as_f64().unwrap() < 1.4, "{report}");

    done(path, &["verilog", "lm", "-o", "core", "--engine", "folded"]);
    let simulate = ["simulate", "core", "--data", "text:split", "--samples", "60"];
    for more in [&[][..], &["--layers", "char_cnn_0,highway_0,lstm_0"]] {
        let told = done(path, &[&simulate[..], more].concat());
        assert!(told.contains("every output is golden's"), "{told}");
    }
    // `hats` is a word that the network has never seen.
    let generate = |what: &str, more: &[&str]| {
        done(path, &[&["generate", what, "--prompt", "the hats", "--words", "40"], more].concat())
    };
    let golden = generate("lm", &["--seed", "5"]);
    assert!(golden.starts_with("the hats ") && golden.contains("cat"), "{golden:?}");
    // A blank or the end of a line behind each word, and the end of what is printed.
    assert_eq!(golden.matches(['\n', ' ']).count(), 2 + 40 + 1, "{golden:?}");
    assert_eq!(generate("core", &["--hardware", "--seed", "5"]), golden);

    let told = refused(path, 2, &["generate", "lm", "--prompt", "the dog"]);
    assert!(told.contains("--prompt") && told.contains("'d'"), "{told}");
    let told = refused(path, 2, &["train", "ptb", "--data", "text:split", "-o", "x"]);
    assert!(told.contains("set `rows = ") && told.contains("`units = 8`"), "{told}");
}
