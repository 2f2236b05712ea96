//! `strassenc train` as a user meets it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command
        .current_dir(folder)
        .env("STRASSENC_HOME", folder.join("home"))
        .arg("train")
        .args(arguments);
    command
}

fn train(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Standard output of a run that must succeed.
fn trained(folder: &Path, arguments: &[&str]) -> String {
    let output = train(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must end with `status`.
fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = train(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(output.stdout.is_empty());
    assert_eq!(error.matches("error[").count(), 1, "{error}");
    error
}

#[test]
fn a_ready_description_trains_on_its_own_data() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["digits", "--epochs", "4,4,1", "--threads", "1", "--json"];
    let json: serde_json::Value =
        serde_json::from_str(&trained(folder.path(), &arguments)).unwrap();
    assert_eq!(json["run"], "runs/digits");
    assert_eq!(json["data"], "digits");
    assert!(json["test_accuracy_integer"].as_f64().unwrap() > 0.85, "{json}");
    assert_eq!(json["layers"].as_array().unwrap().len(), 2);
    let metrics = std::fs::read_to_string(folder.path().join("runs/digits/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 1 + 9);
    assert!(metrics.starts_with(
        "phase,epoch,learning_rate,train_loss,train_accuracy,validation_accuracy,density\nfull,1,"
    ));

    let text = trained(folder.path(), &["digits", "--epochs", "1,1,1", "--overwrite"]);
    assert!(
        text.contains("multiplications ") && text.contains("test accuracy (355 samples): float "),
        "{text}"
    );
    let again = refused(folder.path(), 2, &["digits", "--epochs", "1,1,1"]);
    assert!(
        again.contains("runs/digits: holds a training run already") && again.contains("--resume"),
        "{again}"
    );
}

#[test]
fn a_table_of_numbers_trains() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = String::from("height,weight,class\n");
    for i in 0..400 {
        let (x, y) = ((i * 37 % 101) as f64 / 50.0 - 1.0, (i * 53 % 97) as f64 / 50.0 - 1.0);
        csv += &format!("{x},{y},{}\n", u8::from(x + y > 0.0));
    }
    std::fs::write(folder.path().join("people.csv"), csv).unwrap();
    let network = "name = \"people\"\ninput = { shape = [2], bits = 8, frac = 6, signed = true }\n\
        layers = [{ dense = { units = 4, r = 6 } }, \"relu\", { dense = { units = 2, r = 4 } }]\n\
        [train]\nbatch = 16\nfull.learning_rate = 1e-2\nternary.learning_rate = 1e-2\n";
    std::fs::write(folder.path().join("people.toml"), network).unwrap();
    let arguments = ["people.toml", "--data", "csv:people.csv", "-o", "run", "--json"];
    let json: serde_json::Value =
        serde_json::from_str(&trained(folder.path(), &arguments)).unwrap();
    assert!(json["test_accuracy_integer"].as_f64().unwrap() > 0.9, "{json}");
}

#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |status, arguments: &[&str]| refused(folder.path(), status, arguments);
    assert_eq!(
        told(2, &["digit"]),
        "error[input]: digit: is neither a file nor a ready network description\n  help: did you \
         mean `digits`?\n"
    );
    assert!(told(3, &["no.toml"]).starts_with(
        "error[io]: no.toml: there is no such network description\n  help: name a .toml file that \
         is there, or a ready one: digits, mnist, "
    ));
    assert!(told(2, &["digits", "--epochs", "3"]).contains("1 number is given, three are needed"));
    assert!(
        told(2, &["digits", "--epochs", "3,4"]).contains("2 numbers are given, three are needed")
    );
    assert!(
        told(2, &["digits", "--epochs", "3,4,9999999"])
            .contains("epochs = 9999999 is out of range")
    );
    assert!(
        told(2, &["digits", "--resume"]).contains("runs/digits: holds no training run to resume")
    );
    std::fs::write(folder.path().join("file"), "mine").unwrap();
    assert!(told(3, &["digits", "-o", "file"]).contains("file: is a file, so it is left alone"));
    assert!(told(3, &["digits", "-o", "file/run"]).contains("cannot be written"));
    std::fs::write(folder.path().join("net.toml"), "name = \"x\"\nlayers = []\n").unwrap();
    let missing = "error[input]: net.toml:1: the key `input` is missing\n  help: add it\n";
    assert_eq!(told(2, &["net.toml"]), missing);
    let network = "name = \"x\"\ninput = { shape = [3], bits = 8, frac = 8 }\nlayers = [{ dense = \
        { units = 2, r = 2 } }]";
    std::fs::write(folder.path().join("net.toml"), network).unwrap();
    assert!(told(2, &["net.toml"]).contains("--data: is needed"));
    assert!(told(2, &["net.toml", "--data", "digits"]).contains("set `shape = [8, 8]`"));
    assert!(
        told(2, &["net.toml", "--data", "csv:a,b,c"])
            .contains("csv takes one or two files, 3 are given")
    );
    assert!(!folder.path().join("runs").exists(), "nothing is left behind");
}

/// The data stand in the run: no later command needs `--data`, wherever it is given, until they
/// have gone.
#[test]
fn a_run_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let strassenc = |place: &Path, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
        command
            .current_dir(place)
            .env("STRASSENC_HOME", folder.path().join("home"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let data = folder.path().join("a,b=c");
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let table: String = (0..100).map(|i| format!("{} {} {}\n", i % 5, i % 7, 1 + i % 2)).collect();
    std::fs::write(data.join("t.csv"), table).unwrap();
    let network = "name = \"t\"\ninput = { shape = [2], bits = 4, frac = 0 }\n\
        layers = [{ dense = { units = 2, r = 2 } }]\n[train]\ndata = \"digits\"\n";
    std::fs::write(folder.path().join("t.toml"), network).unwrap();
    let short = ["t.toml", "--epochs", "1,1,0", "-o", "run"];
    let output = strassenc(
        folder.path(),
        &[&["train"], &short[..], &["--data", r"csv:a\,b\=c/t.csv"]].concat(),
    );
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{notes}");
    assert!(
        notes.contains("note: labels begin at 1, not at 0: 1, 2 are classes 0 to 1"),
        "{notes}"
    );
    trained(folder.path(), &[&short[..], &["--resume"]].concat());
    let elsewhere = folder.path().join("elsewhere");
    for arguments in [&["eval", "../run", "--json"][..], &["verilog", "../run", "-o", "core"]] {
        let output = strassenc(&elsewhere, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let evaluated = strassenc(&elsewhere, &["eval", "core", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&evaluated.stdout).unwrap();
    assert_eq!((&json["data"], &json["samples"]), (&"t".into(), &20.into()));
    std::fs::rename(&data, folder.path().join("gone")).unwrap();
    let output = strassenc(&elsewhere, &["eval", "core"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains(r"a\,b\=c/t.csv") && error.contains("--data SPEC"), "{error}");
    let output = strassenc(&elsewhere, &["eval", "core", "--data", "csv:../gone/t.csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_run_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["digits", "--epochs", "250,1,1", "-o", "run"];
    let child = command(folder.path(), &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let checkpoint = folder.path().join("run/checkpoint.safetensors");
    for _ in 0..3000 {
        if checkpoint.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(
        error.contains(
            "error[interrupted]: run/checkpoint.safetensors: training stopped in phase full"
        ),
        "{error}"
    );
    assert!(error.contains("--resume"), "{error}");
    trained(folder.path(), &[&arguments[..], &["--resume"]].concat());
    let resumed = std::fs::read(folder.path().join("run/model.safetensors")).unwrap();
    trained(folder.path(), &[&arguments[..], &["--overwrite"]].concat());
    assert!(resumed == std::fs::read(folder.path().join("run/model.safetensors")).unwrap());
}

/// The ordinary network first, then the one under a budget, and both in one picture.
#[test]
fn a_full_precision_network_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let strassenc = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
        command
            .current_dir(folder.path())
            .env("STRASSENC_HOME", folder.path().join("home"))
            .args(arguments);
        command.output().unwrap()
    };
    let text = trained(folder.path(), &["digits", "--full-precision", "--epochs", "4"]);
    assert!(
        text.contains("full precision, ") && text.contains("test accuracy (355 samples): "),
        "{text}"
    );
    // It has no model, which who asks for one is told; its accuracy is that of the training.
    let run = "runs/digits-full-precision";
    let output = strassenc(&["verilog", run]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("without an integer model") && error.contains("--from"), "{error}");
    let output = strassenc(&["eval", run]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let evaluated = String::from_utf8(output.stdout).unwrap();
    let percent = text.split("(355 samples): ").nth(1).unwrap().trim_end().lines().next().unwrap();
    assert!(evaluated.contains(percent), "{evaluated}: {percent}");
    assert!(
        evaluated.contains("none  a run in full precision has no integer model"),
        "{evaluated}"
    );
    trained(
        folder.path(),
        &["digits", "--from", run, "--teacher", run, "--epochs", "1,3,1", "-o", "budget"],
    );
    assert!(folder.path().join("budget/teacher.safetensors").is_file());
    let output = strassenc(&["curves", run, "budget", "-o", "both.svg"]);
    assert_eq!(output.status.code(), Some(0));
    let svg = std::fs::read_to_string(folder.path().join("both.svg")).unwrap();
    assert!(svg.contains("digits-full-precision") && svg.contains("budget"), "{svg}");
    let output = strassenc(&["curves", "budget", "nowhere"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere/metrics.json"));
    assert!(
        refused(folder.path(), 2, &["digits", "--full-precision", "--epochs", "1,1,1", "-o", "x"])
            .contains("one is needed")
    );
}

/// What a core can load is trained from its build alone, and its table lies beside the model.
#[test]
fn a_build_is_trained_on_within_what_its_core_can_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let strassenc = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
        command.current_dir(path).env("STRASSENC_HOME", path.join("home")).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/models/digits.safetensors");
    for (build, more) in [("core", "--reloadable"), ("plain", "--control")] {
        strassenc(&["verilog", digits, "-o", build, "--effort", "0", more]);
    }
    let read = |name: &str| std::fs::read(path.join(name)).unwrap();
    let words = |bytes: Vec<u8>| -> String {
        let words = bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
        words.map(|word| format!("{word:08x}\n")).collect()
    };

    let same = ["--frozen-from", "core", "--epochs", "0", "--json"];
    let json: serde_json::Value = serde_json::from_str(&trained(path, &same)).unwrap();
    assert_eq!(json["run"], "runs/digits-reload");
    assert_eq!(json["table"]["table"], "runs/digits-reload/table.bin");
    assert_eq!(
        words(read("runs/digits-reload/table.bin")).as_bytes(),
        read("core/digits_table.mem")
    );

    let tune = ["--frozen-from", "core", "--epochs", "1", "--seed", "5", "-o", "tuned"];
    let told = trained(path, &tune);
    assert!(told.contains("table tuned/table.bin: "), "{told}");
    strassenc(&["reload", "core", "tuned", "-o", "again.bin"]);
    assert!(read("again.bin") == read("tuned/table.bin"));
    assert!(read("again.bin") != read("runs/digits-reload/table.bin"));
    std::fs::remove_file(path.join("tuned/table.bin")).unwrap();
    trained(path, &[&tune[..], &["--resume"]].concat());
    assert!(read("again.bin") == read("tuned/table.bin"));

    let wrong = |arguments: &[&str], cause: &str| {
        let told = refused(path, 2, &[&["--frozen-from", "core", "-o", "x"], arguments].concat());
        assert!(told.contains(cause), "{told}");
    };
    let inside = refused(path, 2, &["--frozen-from", "core", "-o", "core/tuned"]);
    assert!(inside.contains("core/tuned: lies within the build"), "{inside}");
    wrong(&["mnist", "--data", "digits"], "name data of the shape [28, 28] and 10 classes");
    let net = "name = \"digits\"\ninput = { shape = [8, 8], bits = 5, frac = 4 }\nlayers = [\
        { dense = { units = 10, r = 10 } }]\n";
    std::fs::write(path.join("net.toml"), net).unwrap();
    wrong(&["net.toml", "--data", "digits"], "other layers than the model of the build");
    let rows: String = (0..40).map(|i| format!("{i},{},{}\n", i % 7, i % 2)).collect();
    std::fs::write(path.join("t.csv"), rows).unwrap();
    wrong(&["--data", "csv:t.csv"], "name data of the shape [8, 8] and 10 classes");
    wrong(&["--epochs", "1,1,1"], "3 numbers are given, one is needed");
    for other in [&["--from", "tuned"][..], &["--full-precision"], &["--ratio", "1"]] {
        let output = train(path, &[&["--frozen-from", "core"], other].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && told.contains("cannot be used with"), "{told}");
    }
    let plain = refused(path, 2, &["--frozen-from", "plain"]);
    assert!(plain.contains("plain: has parameters that are not loaded"), "{plain}");
    let none = refused(path, 2, &["digits", "--epochs", "0,0,1", "-o", "tuned", "--resume"]);
    assert!(none.contains("--frozen-from BUILD --resume"), "{none}");
    assert!(refused(path, 3, &["--frozen-from", "nowhere"]).contains("nowhere: "));
}
