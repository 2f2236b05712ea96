//! `strassenc sweep` as a user meets it, and its counts against those of builds.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use strassenc::adder_graph::Options;
use strassenc::build::Build;
use strassenc::count::{Counts, count};
use strassenc_runtime::model_file;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).env("STRASSENC_HOME", folder.join("home")).args(arguments);
    command
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(folder, arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(folder, arguments)).unwrap()
}

fn refused(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(output.stdout.is_empty());
    error
}

/// The search whose adders a sweep counts.
const TWO_OPERANDS: [&str; 4] = ["--adder-operands", "2", "--cost", "adders"];

const SWEEP: [&str; 6] = ["sweep", "digits", "--ratio", "1/2,1", "--epochs", "1,1,1"];

/// Two sweeps, `whole` and `parts`, are the same bytes.
fn whole_is_parts(path: &Path) {
    for name in [
        "sweep.csv",
        "sweep.json",
        "sweep.svg",
        "ratio-0.5/model.safetensors",
        "ratio-1/model.safetensors",
    ] {
        let [whole, parts] =
            ["whole", "parts"].map(|sweep| std::fs::read(path.join(sweep).join(name)).unwrap());
        assert!(whole == parts, "{name} differs");
    }
}

#[test]
fn two_budgets_are_trained_counted_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let full = json(
        path,
        &["train", "digits", "--full-precision", "--epochs", "2", "-o", "full", "--json"],
    );
    let arguments = [&SWEEP[..], &["--from", "full", "--teacher", "full", "-o", "sweep"]].concat();
    let sweep = json(path, &[&arguments[..], &["--json"]].concat());
    assert_eq!(sweep["test_accuracy_full_precision"], full["test_accuracy_float"]);
    assert_eq!(sweep["points"].as_array().unwrap().len(), 2);

    for (point, name, r) in [(0, "ratio-0.5", [24, 10]), (1, "ratio-1", [48, 10])] {
        let point = &sweep["points"][point];
        let run = format!("sweep/{name}");
        assert_eq!(point["run"], name);
        done(path, &[&["verilog", &run, "-o", name], &TWO_OPERANDS[..]].concat());
        let figures = Build::open(&path.join(name)).unwrap().record.figures;
        // The description's own r give way; the last layer keeps its outputs.
        assert_eq!(figures.layers.iter().map(|l| l.budget).collect::<Vec<_>>(), r);
        assert_eq!(point["multiplications"], figures.total.multiplications);
        // Against the description, dead hidden elements included: 64 · 48 + 48 · 10.
        assert_eq!(point["reduction"], 1.0 - figures.total.multiplications as f64 / 3552.0);
        for (adders, additions, due) in [
            ("naive_adders", "naive_additions", figures.total.naive_adders),
            ("adders", "additions", figures.total.adders),
        ] {
            assert_eq!(point[adders], due);
            assert_eq!(point[additions], due, "a dense layer is evaluated once");
        }
        let eval = json(path, &["eval", &run, "--json"]);
        assert_eq!(point["test_accuracy_integer"], eval["golden"]["accuracy"]);
        assert_eq!(point["test_accuracy_float"], eval["float"]["accuracy"]);
        assert_eq!(point["model_sha256"], eval["sha256"]);
        assert!((0.0..1.0).contains(&point["density"].as_f64().unwrap()));
    }

    let read = |name: &str| std::fs::read_to_string(path.join("sweep").join(name)).unwrap();
    let csv = read("sweep.csv");
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.starts_with("ratio,multiplications,reduction,naive_adders,adders,"), "{csv}");
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .starts_with(&format!("0.5,{},", sweep["points"][0]["multiplications"]))
    );
    let svg = read("sweep.svg");
    assert!(
        svg.starts_with("<svg")
            && svg.contains("full precision")
            && svg.contains("multiplications"),
        "{svg}"
    );
    let kept: Value = serde_json::from_str(&read("sweep.json")).unwrap();
    assert_eq!(kept["points"], sweep["points"]);

    // Nothing is left to do, so nothing changes; a longer list does more.
    let text = done(path, &[&arguments[..], &["--resume"]].concat());
    assert!(text.contains("ratio") && text.contains("full precision: "), "{text}");
    assert_eq!(read("sweep.csv"), csv);
    let longer: Vec<&str> =
        arguments.iter().map(|a| if *a == "1/2,1" { "1/4,1" } else { a }).collect();
    let longer = json(path, &[&longer[..], &["--resume", "--json"]].concat());
    assert_eq!(longer["points"].as_array().unwrap().len(), 3);
    assert_eq!(longer["points"][1], sweep["points"][0]);
    assert_eq!(longer["points"][0]["run"], "ratio-0.25");
}

#[cfg(unix)]
#[test]
fn interrupted_and_killed_is_uninterrupted() {
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let began = Instant::now();
    done(path, &[&SWEEP[..], &["-o", "whole"]].concat());
    let whole = began.elapsed();
    let parts = path.join("parts");
    let part = || {
        let resume: &[&str] = if parts.join("sweep.json").exists() { &["--resume"] } else { &[] };
        let mut command = command(path, &[&SWEEP[..], &["-o", "parts"], resume].concat());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for (eighths, signal) in [(1, "-KILL"), (2, "-INT"), (3, "-KILL"), (2, "-INT"), (4, "-KILL")] {
        let child = part();
        std::thread::sleep(Duration::min(whole * eighths / 8, Duration::from_secs(10)));
        // Fails where the sweep is done already, which is as well.
        let _ = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 130) | None), "{error}");
    }
    let last = part().wait_with_output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    whole_is_parts(path);
    assert_eq!(parts.read_dir().unwrap().count(), 5, "nothing is left behind");
}

/// As an array job of a cluster does: a process a point, side by side, one of them twice.
#[test]
fn points_of_their_own_are_one_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    done(path, &[&SWEEP[..], &["-o", "whole"]].concat());
    let list = done(path, &[&SWEEP[..], &["--list"]].concat());
    assert_eq!(
        list.lines().collect::<Vec<_>>(),
        [
            r#"{"point":0,"run":"ratio-0.5","choices":{"ratio":0.5}}"#,
            r#"{"point":1,"run":"ratio-1","choices":{"ratio":1.0}}"#,
        ]
    );
    let point = |k| command(path, &[&SWEEP[..], &["-o", "parts", "--point", k]].concat());
    let quiet = |k| point(k).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for mut child in ["0", "1"].map(quiet) {
        assert!(child.wait().unwrap().success());
    }
    let refused = |arguments: &[&str]| refused(path, 2, &[&SWEEP[..], arguments].concat());
    assert!(refused(&["-o", "parts"]).contains("parts: holds a sweep already"));
    let other = refused(&["-o", "parts", "--point", "0", "--seed", "5"]);
    assert!(other.contains("another network description or other options"), "{other}");
    assert!(refused(&["--point", "2"]).contains("--point: 2 is not within 0..=1"));
    // What is done is not done again.
    let began = std::fs::metadata(path.join("parts/ratio-1/model.safetensors")).unwrap().modified();
    assert!(quiet("1").wait().unwrap().success());
    let still = std::fs::metadata(path.join("parts/ratio-1/model.safetensors")).unwrap().modified();
    assert_eq!(began.unwrap(), still.unwrap());

    done(path, &[&SWEEP[..], &["-o", "parts", "--resume"]].concat());
    whole_is_parts(path);
    std::fs::create_dir_all(path.join("mine/photos")).unwrap();
    assert!(refused(&["-o", "mine", "--point", "0"]).contains("exists and is not a sweep"));
}

#[test]
fn mistakes_are_told_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let told = |status, arguments: &[&str]| {
        let error = refused(path, status, &[&["sweep", "digits"], arguments].concat());
        assert_eq!(error.matches("error[").count(), 1, "{error}");
        error
    };
    assert!(told(2, &[]).contains("nothing to vary"));
    assert!(told(2, &["--ratio", "1/2,1,0.5"]).contains("--ratio: value 3 is 0.5 again"));
    assert!(told(2, &["--ratio", "1,0"]).contains("point ratio-0: "));
    assert!(told(2, &["--p", "9"]).contains("p = 9 is out of range"));
    assert!(
        told(2, &["--ratio", "1", "--threshold", "0.7,6"]).contains("point ratio-1_threshold-6: ")
    );
    assert!(
        told(2, &["--ratio", "1", "--resume"]).contains("sweeps/digits: holds no sweep to resume")
    );
    assert!(told(3, &["--ratio", "1", "--teacher", "nobody"]).contains("nobody"));
    assert!(
        told(2, &["--ratio", "1", "--epochs", "3"]).contains("1 number is given, three are needed")
    );
    std::fs::create_dir_all(path.join("mine/photos")).unwrap();
    assert!(told(2, &["--ratio", "1", "-o", "mine"]).contains("exists and is not a sweep"));
    for list in ["x", "1/0", "", "1/2/3"] {
        assert!(refused(path, 2, &["sweep", "digits", "--ratio", list]).contains("--ratio"));
    }
    assert!(!path.join("sweeps").exists(), "nothing is left behind");

    let one = ["sweep", "digits", "--ratio", "1", "--epochs", "1,1,1", "-o", "sweep"];
    done(path, &one);
    assert!(refused(path, 2, &one).contains("sweep: holds a sweep already"));
    let other = refused(path, 2, &[&one[..], &["--resume", "--seed", "5"]].concat());
    assert!(other.contains("another network description or other options"), "{other}");
}

/// Patches, a residual, groups, pools.
const NET: &str = r#"
name = "little"
input = { shape = [9, 9, 2], bits = 6, frac = 6 }
layers = [
    { conv2d = { channels = 4, kernel = 3, pad = 1, r = 8, p = 2 } },
    "relu",
    { residual = { body = [{ conv2d = { channels = 4, kernel = 3, pad = 1, groups = 2 } }] } },
    { max_pool = { size = 2 } },
    { conv2d = { channels = 8, kernel = 3, pad = 1, stride = 2 } },
    "relu",
    { average_pool = { size = 2 } },
    { dense = { units = 3 } },
]
"#;

#[test]
fn images_are_counted_as_an_unrolled_core_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), NET).unwrap();
    done(path, &["random", "net.toml", "-o", "run"]);
    let core = ["verilog", "run", "-o", "core", "--engine", "unrolled"];
    done(path, &[&core, &TWO_OPERANDS[..]].concat());
    let figures = Build::open(&path.join("core")).unwrap().record.figures;
    let model = model_file::load(&path.join("run/model.safetensors")).unwrap();
    let layers = count(&model, &Options::default(), &|| false).unwrap();
    let linear: Vec<_> = figures.layers.iter().filter(|l| l.per_window > 0).collect();
    assert_eq!(layers.len(), linear.len());
    for (layer, due) in layers.iter().zip(linear) {
        assert_eq!(
            (&layer.name, layer.windows, layer.per_window),
            (&due.name, due.windows, due.per_window)
        );
        assert_eq!((&layer.wb, &layer.wc), (&due.wb, &due.wc), "{}", layer.name);
    }
    let counts: Counts = layers.iter().sum();
    assert_eq!(counts.multiplications, figures.total.multiplications);
    assert_eq!(counts.adders, figures.total.adders as u64);
    assert_eq!(counts.naive_adders, figures.total.naive_adders as u64);
    let additions =
        layers.iter().map(|l| (l.wb.adders + l.wc.adders) as u64 * l.windows).sum::<u64>();
    assert_eq!(counts.additions, additions);
    assert!(additions > counts.adders);
    assert!(count(&model, &Options::default(), &|| true).is_err(), "stopped");
}

/// Convolutions that are dilated have no output patches, and a dense layer has none either: what
/// would train one network twice is told at once.
#[test]
fn values_that_change_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let dilated = "name = \"t\"\ninput = { shape = [16, 1], bits = 8, frac = 8 }\nlayers = [\
                   { conv1d = { channels = 2, kernel = 3, dilation = 2 } }, \"relu\", \
                   { dense = { units = 2 } }]\n";
    std::fs::write(path.join("dilated.toml"), dilated).unwrap();
    std::fs::write(path.join("not.toml"), dilated.replace(", dilation = 2", "")).unwrap();
    for network in ["dilated.toml", "digits"] {
        let error = refused(path, 2, &["sweep", network, "--ratio", "1", "--p", "1,2", "--list"]);
        let told = "--p: no layer of this network is another one with 2 than with 1";
        assert!(error.contains(told), "{error}");
    }
    let listed = done(path, &["sweep", "not.toml", "--ratio", "1", "--p", "1,2", "--list"]);
    assert_eq!(listed.lines().count(), 2);
}
