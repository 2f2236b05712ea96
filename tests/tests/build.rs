//! The build folder: written atomically, read back distrustfully, compiled again to the same bytes.

use rayon::ThreadPoolBuilder;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use strassenc::adder_graph::{CostModel, Effort, Operands, minimum_depth};
use strassenc::build::{self, Build, Edits, Options};
use strassenc::compile::{Compiled, SharedMatrix};
use strassenc::emit::signature::Frames;
use strassenc::multipliers::Multipliers;
use strassenc_runtime::{Format, Kind, Model};
use strassenc_tests::models::LayerRecipe;
use strassenc_tests::{Recipe, pipelines, random_model};

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
    let compiled = build::compile(&model(1), options, &|_| {}, &|| false, &|| 0.0).unwrap();
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
    record.sha256.clone_from(&build.record.sha256);
    assert_eq!(record, build.record);
    for (name, bytes) in &contents {
        if name != build::RECORD {
            assert!(std::fs::read(build.folder.join(name)).unwrap() == *bytes, "{name} differs");
        }
    }
    assert_eq!(options.compile().share.effort, Effort(2));
}

/// Two layers of 24 products, each of about 16 terms.
fn wide() -> Model {
    let format = Format { signed: true, bits: 4, frac: 0 };
    let layer = LayerRecipe {
        rows: 24,
        outputs: 24,
        density: 0.67,
        coefficient_bits: 4,
        product_bits: 6,
        format,
        excess: 0,
    };
    let layers = vec![layer.clone(), layer];
    random_model(&Recipe { seed: 1, inputs: 24, two_operands: false, format, layers, dead: 0.0 })
}

fn matrices(compiled: &Compiled) -> impl Iterator<Item = &SharedMatrix> {
    pipelines(compiled).into_iter().flat_map(|layer| [&layer.wb, &layer.wc])
}

#[test]
fn the_search_is_the_one_that_is_asked_for() {
    let base = Options { effort: 0, ..Options::default() };
    let found =
        |options: &Options| build::compile(&wide(), options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let adders = |compiled: &Compiled| {
        matrices(compiled).map(|shared| shared.solution.graph.adders()).sum::<usize>()
    };
    for cost in [CostModel::Adders, CostModel::LutBits] {
        let [two, three] =
            [2, 3].map(|adder_operands| found(&Options { adder_operands, cost, ..base.clone() }));
        assert!(matrices(&two).all(|m| m.solution.graph.operands() == Operands::Two));
        assert!(4 * adders(&three) < 3 * adders(&two));
        for extra in 0..2 {
            let shallow = found(&Options { extra_depth: Some(extra), cost, ..base.clone() });
            for SharedMatrix { matrix, solution, .. } in matrices(&shallow) {
                let least = minimum_depth(matrix, Operands::Three);
                assert!(solution.graph.depth() <= least + extra);
            }
        }
    }
    let asked =
        Options { adder_operands: 2, extra_depth: Some(1), cost: CostModel::Adders, ..base };
    assert!(asked.to_string().contains("--adder-operands 2 --cost adders --effort 0"));
    assert!(asked.to_string().contains("--extra-depth 1"));
    assert!(Options { adder_operands: 4, ..asked.clone() }.validate().is_err());
    assert!(Options { extra_depth: Some(99), ..asked }.validate().is_err());
}

/// The time that is left when the last matrix begins is enough for it, and each search cools.
#[test]
fn a_time_limit_is_shared_among_the_matrices() {
    let looks = AtomicU32::new(0);
    let spent = || f64::from(looks.fetch_add(1, Ordering::Relaxed)) / 5000.0;
    let adders = |effort, time_limit, spent: &(dyn Fn() -> f64 + Sync)| {
        let cost = CostModel::Adders;
        let options = Options { effort, time_limit, cost, ..Options::default() };
        let compile = || build::compile(&wide(), &options, &|_| {}, &|| false, spent).unwrap();
        // Of two threads, a busy machine might let one alone look at the time.
        let found = ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(compile);
        matrices(&found).map(|m| m.solution.graph.adders()).collect::<Vec<_>>()
    };
    let long = adders(3, Some(1.0), &spent);
    let short = adders(1, None, &|| 0.0);
    assert!(long.iter().zip(&short).all(|(long, short)| long <= short), "{long:?} {short:?}");
    assert!(long.iter().sum::<usize>() < short.iter().sum(), "{long:?} {short:?}");
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

    let compiled = build::compile(&model(2), &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let refused = |what: &str| {
        let error = build::write(&folder, &compiled, &options).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(
            error.to_string().contains(what) && error.to_string().contains("left alone"),
            "{error}"
        );
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

/// The paths and bytes of all files under `folder`, links by where they lead.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = vec![];
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match std::fs::read_link(&path) {
            Ok(target) => all.push((path, target.into_os_string().into_encoded_bytes())),
            Err(_) if path.is_dir() => all.extend(everything(&path)),
            Err(_) => all.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

/// Whatever a user changes in a build, or puts into it, the next build leaves alone and names.
#[test]
fn nothing_that_a_user_has_in_a_build_is_lost() {
    let options = Options::default();
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &options);
    let compiled = build::compile(&model(2), &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let left_alone = |edits: Edits, told: &[&str]| {
        let before = everything(parent.path());
        let error = build::replace(&folder, &compiled, &options, edits).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        for told in told.iter().chain(&["left alone"]) {
            assert!(error.to_string().contains(told), "{told}: {error}");
        }
        assert!(everything(parent.path()) == before, "{told:?}");
    };
    for edits in [Edits::Keep, Edits::Overwrite] {
        // A folder and a link that are called like files of the build.
        std::fs::rename(folder.join("files.f"), parent.path().join("aside")).unwrap();
        std::fs::create_dir(folder.join("files.f")).unwrap();
        std::fs::write(folder.join("files.f/thesis.txt"), "mine").unwrap();
        left_alone(edits, &["holds files.f, which strassenc did not write"]);
        std::fs::remove_dir_all(folder.join("files.f")).unwrap();
        std::os::unix::fs::symlink("../aside", folder.join("files.f")).unwrap();
        left_alone(edits, &["holds files.f, which strassenc did not write"]);
        std::fs::remove_file(folder.join("files.f")).unwrap();
        std::fs::rename(parent.path().join("aside"), folder.join("files.f")).unwrap();
        // Files of other names, all of them named.
        std::fs::create_dir_all(folder.join("sim/logs")).unwrap();
        std::fs::write(folder.join("notes"), "mine").unwrap();
        left_alone(edits, &["holds notes, sim, which"]);
        std::fs::remove_dir_all(folder.join("sim")).unwrap();
        std::fs::remove_file(folder.join("notes")).unwrap();
    }
    // Any file that was changed, the record too; with --overwrite it goes.
    let names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in &names {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), [&bytes[..], b"\n"].concat()).unwrap();
        left_alone(
            Edits::Keep,
            &[&format!("{name} changed since strassenc wrote it"), "--overwrite"],
        );
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::fs::write(folder.join("random.v"), "// mine").unwrap();
    std::fs::write(folder.join("signature.json"), "{}").unwrap();
    left_alone(Edits::Keep, &["random.v, signature.json changed since"]);
    build::replace(&folder, &compiled, &options, Edits::Overwrite).unwrap();
    assert_eq!(Build::open(&folder).unwrap().model, model(2));
    // What was moved away is no obstacle.
    std::fs::rename(folder.join("random.v"), parent.path().join("mine.v")).unwrap();
    written(parent.path(), &options);
    assert_eq!(Build::open(&folder).unwrap().model, model(1));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 2);
}

#[test]
fn a_link_to_a_build_stays_and_the_build_behind_it_is_replaced() {
    let options = Options::default();
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &options);
    let compiled = build::compile(&model(2), &options, &|_| {}, &|| false, &|| 0.0).unwrap();
    std::fs::create_dir(parent.path().join("elsewhere")).unwrap();
    let link = parent.path().join("elsewhere/link");
    std::os::unix::fs::symlink("../build", &link).unwrap();
    build::write(&link, &compiled, &options).unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("../build"));
    assert_eq!(Build::open(&folder).unwrap().model, model(2));
    assert_eq!(std::fs::read_dir(parent.path().join("elsewhere")).unwrap().count(), 1);
}

/// A number that JSON cannot hold would leave a record that nobody reads.
#[test]
fn a_build_that_cannot_be_read_back_replaces_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &Options::default());
    let before = everything(parent.path());
    let odd = Options { time_limit: Some(f64::INFINITY), ..Options::default() };
    let compiled =
        build::compile(&model(2), &Options::default(), &|_| {}, &|| false, &|| 0.0).unwrap();
    for adders_per_stage in [1, 0] {
        let odd = Options { adders_per_stage, ..odd.clone() };
        let error = build::write(&folder, &compiled, &odd).unwrap_err();
        assert!(error.to_string().contains("cannot be read back"), "{error}");
        assert!(everything(parent.path()) == before);
    }
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
            assert!(
                error.to_string().contains(&format!("{name}: is not as it was written")),
                "{error}"
            );
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

/// Damage that the hashes do not show, since whoever made it wrote them anew, or since it is in the
/// record itself.
#[test]
fn a_record_that_lies_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &Options::default());
    let record = folder.join(build::RECORD);
    let good = std::fs::read_to_string(&record).unwrap();
    for (from, to, told) in [
        ("\"schema\": 4,", "\"schema\": 1,", "has schema 1; this version reads schema 4"),
        ("\"schema\": 4,", "\"schema\": 5,", "has schema 5; this version reads schema 4"),
        ("\"schema\": 4,", "", "the key `schema` is missing"),
        ("\"schema\": 4,", "\"schema\": 4, \"more\": 1,", "unknown key `more`"),
        ("\"effort\": 1", "\"effort\": 9", "9 is not within 0..=3"),
        ("\"adders_per_stage\": 1", "\"adders_per_stage\": 0", "0 is not within 1..=1024"),
        ("\"multiplier_latency\": 3", "\"multiplier_latency\": 5", "5 is not within 1..=4"),
        ("\"random.v\"", "\"../random.v\"", "lists the file \"../random.v\""),
        ("\"files.f\"", "\"/etc/passwd\"", "lists the file \"/etc/passwd\""),
        ("\"model.safetensors\"", "\"files.g\"", "files.g: is missing"),
        ("{", "[", "is not the record of a build"),
    ] {
        assert!(good.contains(from), "{from}");
        let lie = good.replacen(from, to, 1);
        std::fs::write(&record, sealed(&lie)).unwrap();
        let error = Build::open(&folder).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains(told), "{to:?}: {error}");
        // Who does not know of the seal does not get that far.
        std::fs::write(&record, lie).unwrap();
        assert_eq!(Build::open(&folder).unwrap_err().kind(), Kind::Input);
    }
    for (figure, other) in
        [("\"luts\": ", "\"luts\": 1"), ("\"clamps\": ", "\"clamps\": 1"), ("\n", "\n\n")]
    {
        std::fs::write(&record, good.replacen(figure, other, 1)).unwrap();
        let error = Build::open(&folder).unwrap_err();
        assert!(
            error.to_string().contains("build.json: is not as it was written"),
            "{other}: {error}"
        );
    }
    for cut in [0, 1, good.len() / 2] {
        std::fs::write(&record, &good[..cut]).unwrap();
        assert_eq!(Build::open(&folder).unwrap_err().kind(), Kind::Input);
    }

    std::fs::remove_file(&record).unwrap();
    let error = Build::open(&folder).unwrap_err();
    assert!(error.to_string().contains("holds no build.json"), "{error}");
    let error = Build::open(&parent.path().join("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere: does not exist"), "{error}");
}

/// The record with the hash of what it says now.
fn sealed(text: &str) -> String {
    let hash = |text: &str| strassenc::build::sha256(text.as_bytes());
    let (before, rest) = text.rsplit_once("\"sha256\": \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let with = |digits: &str| format!("{before}\"sha256\": \"{digits}\"{after}");
    with(&hash(&with("")))
}

/// The build of another version with the same schema is as good as ours where we would write the
/// same Verilog.
#[test]
fn a_build_of_another_version_compiles_again_where_its_verilog_is_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let folder = written(parent.path(), &Options::default());
    let (tool, other) = (strassenc::emit::TOOL, "strassenc 0.0.1");
    let record = folder.join(build::RECORD);
    let mut text = std::fs::read_to_string(&record).unwrap().replace(tool, other);
    let rewrite = |text: &mut String, name: &str, change: &dyn Fn(String) -> String| {
        let path = folder.join(name);
        let old = std::fs::read_to_string(&path).unwrap();
        let new = change(old.clone());
        *text = text.replace(&build::sha256(old.as_bytes()), &build::sha256(new.as_bytes()));
        std::fs::write(path, new).unwrap();
        std::fs::write(&record, sealed(text)).unwrap();
    };
    let names: Vec<String> = Build::open(&folder).unwrap().record.files.into_keys().collect();
    for name in names.iter().filter(|name| name.ends_with(".v") || *name == "signature.json") {
        rewrite(&mut text, name, &|old| old.replace(tool, other));
    }
    assert_eq!(Build::open(&folder).unwrap().compiled().unwrap().model, model(1));
    rewrite(&mut text, "random.v", &|old| old + "// one line more\n");
    let error = Build::open(&folder).unwrap().compiled().unwrap_err();
    assert!(
        error.to_string().contains("was written by strassenc 0.0.1")
            && error.to_string().contains("random.v"),
        "{error}"
    );
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
        (good.replacen("\"inputs\":", "\"inputs\":4000000000,\"x\":", 1), "unknown key `x`"),
        (good.replacen("\"inputs\":10", "\"inputs\":4000000000", 1), "inputs"),
        (good.replacen("\"node\":0", "\"node\":4294967295", 1), "node"),
        (good.replacen("\"schema\":1", "\"schema\":7", 1), "schema 7"),
        ("[]".into(), "a table is expected, not a list"),
        (good.replacen("\"layers\":[", "\"layers\":[],\"other\":[", 1), "unknown key `other`"),
        ("{\"schema\":1,\"layers\":[]}".into(), "inputs"),
    ];
    for (text, cause) in edits {
        assert_ne!(text, good);
        let (old, new) = hash(&text);
        std::fs::write(&path, &text).unwrap();
        std::fs::write(&record, sealed(&told.replacen(&old, &new, 1))).unwrap();
        let error = Build::open(&folder).unwrap().compiled().unwrap_err();
        assert!(
            error.to_string().contains(cause) && error.to_string().contains(build::GRAPHS),
            "{cause}: {error}"
        );
        std::fs::write(&path, &good).unwrap();
        std::fs::write(&record, &told).unwrap();
    }
}
