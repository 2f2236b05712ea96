//! The build folder: written atomically, read back distrustfully, compiled again to the same bytes.

use std::path::{Path, PathBuf};
use strassenc::adder_graph::Effort;
use strassenc::build::{self, Build, Options};
use strassenc::emit::signature::Frames;
use strassenc::multipliers::Multipliers;
use strassenc_runtime::{Format, Kind, Model};
use strassenc_tests::models::LayerRecipe;
use strassenc_tests::{Recipe, random_model};

fn model(seed: u64) -> Model {
    let format = Format { signed: false, bits: 6, frac: 4 };
    let layer = |rows, outputs| LayerRecipe {
        rows,
        outputs,
        density: 0.6,
        coefficient_bits: 8,
        product_bits: 10,
        format,
        excess: 1,
    };
    random_model(&Recipe {
        seed,
        inputs: 10,
        two_operands: false,
        format,
        layers: vec![layer(9, 8), layer(5, 4)],
        dead: 0.1,
    })
}

fn written(parent: &Path, options: &Options) -> PathBuf {
    let folder = parent.join("build");
    let compiled = build::compile(&model(1), options, &|_| {}, &|| false, &|| false).unwrap();
    build::write(&folder, &compiled, options).unwrap();
    folder
}

#[test]
fn a_build_compiles_again_to_the_same_bytes() {
    let options = Options {
        effort: 2,
        adders_per_stage: 2,
        beat_elements: Some(4),
        output_bits: Some(128),
        frames: Frames::Count,
        seed: 5,
        multipliers: Multipliers::ShiftAdd,
        ..Options::default()
    };
    let parent = tempfile::tempdir().unwrap();
    let build = Build::open(&written(parent.path(), &options)).unwrap();
    assert_eq!(build.model, model(1));
    assert_eq!(build.record.options, options);
    let (mut record, contents) = build::contents(&build.compiled().unwrap(), &options).unwrap();
    // How a recorded graph was found is not recorded with it.
    for (layer, recorded) in record.figures.layers.iter_mut().zip(&build.record.figures.layers) {
        layer.wb.method.clone_from(&recorded.wb.method);
        layer.wc.method.clone_from(&recorded.wc.method);
    }
    assert_eq!(record, build.record);
    for (name, bytes) in &contents {
        if name != build::RECORD {
            assert!(std::fs::read(build.folder.join(name)).unwrap() == *bytes, "{name} differs");
        }
    }
    assert_eq!(options.share().effort, Effort(2));
}

#[test]
fn a_build_replaces_a_build_and_nothing_else() {
    let options = Options::default();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("build");
    // An empty folder is no loss.
    std::fs::create_dir(&folder).unwrap();
    written(parent.path(), &options);
    written(parent.path(), &options);
    assert!(build::is_build(&folder));

    let compiled = build::compile(&model(2), &options, &|_| {}, &|| false, &|| false).unwrap();
    let refused = |what: &str| {
        let error = build::write(&folder, &compiled, &options).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains(what) && error.to_string().contains("left alone"), "{error}");
    };
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    refused("holds notes.txt, which strassenc did not write");
    assert_eq!(Build::open(&folder).unwrap().model, model(1));
    std::fs::remove_file(folder.join("notes.txt")).unwrap();
    build::write(&folder, &compiled, &options).unwrap();
    assert_eq!(Build::open(&folder).unwrap().model, model(2));

    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("thesis.tex"), "mine").unwrap();
    refused("was not made by strassenc");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "mine").unwrap();
    refused("is a file");
    assert_eq!(std::fs::read_to_string(&folder).unwrap(), "mine");
    // Nothing temporary is left.
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn every_damaged_file_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &Options::default());
    let names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != build::RECORD)
        .collect();
    assert!(names.len() > 12);
    for name in names {
        let path = folder.join(&name);
        let bytes = std::fs::read(&path).unwrap();
        for damaged in [bytes[..bytes.len() / 2].to_vec(), flipped(&bytes)] {
            std::fs::write(&path, damaged).unwrap();
            let error = Build::open(&folder).unwrap_err();
            assert!(error.to_string().contains(&format!("{name}: is not as it was written")), "{error}");
            assert!(error.to_string().contains("strassenc verilog"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = Build::open(&folder).unwrap_err();
        assert!(error.to_string().contains(&format!("{name}: is missing")), "{error}");
        std::fs::write(&path, bytes).unwrap();
    }
    Build::open(&folder).unwrap();
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

/// Damage that the hashes do not show, since whoever made it wrote them anew, or since it is in the record itself.
#[test]
fn a_record_that_lies_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &Options::default());
    let record = folder.join(build::RECORD);
    let good = std::fs::read_to_string(&record).unwrap();
    let tool = strassenc::emit::TOOL;
    for (from, to, told) in [
        ("\"schema\": 2,", "\"schema\": 1,", "has schema 1; this version reads schema 2"),
        ("\"schema\": 2,", "", "missing field `schema`"),
        ("\"schema\": 2,", "\"schema\": 2, \"more\": 1,", "unknown field `more`"),
        ("\"effort\": 1", "\"effort\": 9", "9 is not within 0..=3"),
        ("\"adders_per_stage\": 1", "\"adders_per_stage\": 0", "0 is not within 1..=1024"),
        ("\"multiplier_latency\": 3", "\"multiplier_latency\": 5", "5 is not within 1..=4"),
        ("\"random.v\"", "\"../random.v\"", "lists the file \"../random.v\""),
        ("\"files.f\"", "\"/etc/passwd\"", "lists the file \"/etc/passwd\""),
        ("\"model.safetensors\"", "\"files.g\"", "files.g: is missing"),
        ("{", "[", "is not the record of a build"),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&record, good.replacen(from, to, 1)).unwrap();
        let error = Build::open(&folder).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains(told), "{to:?}: {error}");
    }
    for cut in [0, 1, good.len() / 2] {
        std::fs::write(&record, &good[..cut]).unwrap();
        assert_eq!(Build::open(&folder).unwrap_err().kind(), Kind::Input);
    }

    // Another version's record opens, but compiles again only with that version.
    std::fs::write(&record, good.replacen(tool, "strassenc 0.0.1", 1)).unwrap();
    let error = Build::open(&folder).unwrap().compiled().unwrap_err();
    assert!(error.to_string().contains("was written by strassenc 0.0.1"), "{error}");

    std::fs::remove_file(&record).unwrap();
    let error = Build::open(&folder).unwrap_err();
    assert!(error.to_string().contains("holds no build.json"), "{error}");
    let error = Build::open(&parent.path().join("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere: does not exist"), "{error}");
}

#[test]
fn adder_graphs_that_lie_are_refused_by_the_proof() {
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &Options::default());
    let (path, record) = (folder.join(build::GRAPHS), folder.join(build::RECORD));
    let good = std::fs::read_to_string(&path).unwrap();
    let told = std::fs::read_to_string(&record).unwrap();
    let hash = |text: &str| {
        let build = Build::open(&folder).unwrap();
        (build.record.files[build::GRAPHS].clone(), strassenc::build::sha256(text.as_bytes()))
    };
    let edits: Vec<(String, &str)> = vec![
        (good.replacen("\"negate\":true", "\"negate\":false", 1), "adder graph"),
        (good.replacen("\"inputs\":", "\"inputs\":4000000000,\"x\":", 1), "unknown field `x`"),
        (good.replacen("\"inputs\":10", "\"inputs\":4000000000", 1), "inputs"),
        (good.replacen("\"node\":0", "\"node\":4294967295", 1), "node"),
        (good.replacen("\"schema\":1", "\"schema\":7", 1), "schema 7"),
        ("[]".into(), "invalid"),
        (good.replacen("\"layers\":[", "\"layers\":[],\"other\":[", 1), "unknown field `other`"),
        ("{\"schema\":1,\"layers\":[]}".into(), "inputs"),
    ];
    for (text, cause) in edits {
        assert_ne!(text, good);
        let (old, new) = hash(&text);
        std::fs::write(&path, &text).unwrap();
        std::fs::write(&record, told.replacen(&old, &new, 1)).unwrap();
        let error = Build::open(&folder).unwrap().compiled().unwrap_err();
        assert!(error.to_string().contains(cause) && error.to_string().contains(build::GRAPHS), "{cause}: {error}");
        std::fs::write(&path, &good).unwrap();
        std::fs::write(&record, &told).unwrap();
    }
}
