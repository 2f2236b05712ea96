//! Whatever a network and its layers are called, every tool takes the Verilog: no module has a name
//! that anything else has.

use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use strassenc::build::{self, Options};
use strassenc::compile::Compiled;
use strassenc::emit::{self, Emitted};
use strassenc::tools::Tools;
use strassenc_runtime::Model;
use strassenc_runtime::model::Layer;
use strassenc_tests::{image_model, models, random_model, sequence_model, tools, verilators};

/// Ports, signals, instances, blocks, tasks and modules of ours; words that a language or a tool
/// reserves.
const NAMES: &[&str] = &[
    "aclk",
    "aresetn",
    "aclken",
    "frame_error",
    "s_axis_tdata",
    "s_axis_tvalid",
    "s_axis_tready",
    "s_axis_tlast",
    "s_axis_tuser",
    "m_axis_tdata",
    "m_axis_tvalid",
    "m_axis_tready",
    "m_axis_tlast",
    "m_axis_tuser",
    "rst",
    "clk",
    "clken",
    "s",
    "m",
    "a",
    "b",
    "i",
    "u_framer",
    "layer_dense_0",
    "s_register",
    "collector",
    "dut",
    "given",
    "expected",
    "send",
    "reset",
    "drain",
    "fail",
    "clock",
    "failures",
    "strassenc",
    "strassenc_framer",
    "strassenc_fifo",
    "strassenc_multiplier",
    "reg",
    "wire",
    "logic",
    "always_ff",
    "table",
    "config",
    "checker",
    "entity",
    "signal",
    "architecture",
    "process",
    "class",
    "namespace",
    "main",
    "std",
    "int",
    "top",
    "vl",
    "tb",
    "x_tb",
    "work",
    "none",
    "default_nettype",
    "begin",
    "define",
    "keep",
    "ram_style",
];

/// The options of all cores here: they have a clock enable.
fn options() -> Options {
    Options { aclken: true, ..Options::default() }
}

fn compiled(model: &Model) -> Compiled {
    build::compile(model, &options(), &|_| {}, &|| false, &|| 0.0).unwrap()
}

/// A core over vectors, one over images, one over sequences, of a network of this name.
fn cores(name: &str) -> Vec<Emitted> {
    static CORES: LazyLock<[Compiled; 3]> = LazyLock::new(|| {
        [random_model(&models::small()), image_model(8), sequence_model(3)].map(|m| compiled(&m))
    });
    CORES.iter().map(|core| emitted(core, name)).collect()
}

fn emitted(core: &Compiled, name: &str) -> Emitted {
    let mut compiled = core.clone();
    compiled.model.name = name.into();
    compiled.dataflow.name = name.into();
    emit::emit(&compiled, &options().emit()).unwrap()
}

/// Whether it stands between words. `1'b0` and `$clog2` are words, of which no part is a name.
fn is_between(c: char) -> bool {
    !c.is_ascii_alphanumeric() && !"_'$".contains(c)
}

/// Every word of the Verilog.
fn words(emitted: &Emitted) -> BTreeSet<String> {
    let verilog = emitted.files.iter().filter(|file| file.path.ends_with(".v"));
    let words = verilog.flat_map(|file| file.text.split(is_between));
    // The names that networks can have.
    let is_name = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.contains(['\'', '$'])
    };
    words.filter(is_name).map(|w| w.to_lowercase()).collect()
}

/// What a tool has to say about a name, where one has.
fn objection(emitted: &Emitted, name: &str, verilators: &[Tools]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    for file in &emitted.files {
        std::fs::write(folder.path().join(&file.path), &file.text).unwrap();
    }
    let signature = &emitted.signature;
    let testbench = format!("{}.v", signature.testbench);
    let files: Vec<&String> = signature.files.iter().chain([&testbench]).collect();
    for tools in verilators {
        let mut lint = tools.verilator().unwrap().command();
        lint.current_dir(folder.path()).args([
            "--lint-only",
            "--timing",
            "-Wall",
            "-Wno-fatal",
            "--top-module",
        ]);
        let told = tools.run(lint.arg(&signature.testbench).args(&files)).unwrap().stderr;
        let objection = told.lines().find(|line| {
            ["%Error", "VARHIDDEN", "SYMRSVDWORD", "DECLFILENAME", "MODDUP"]
                .iter()
                .any(|word| line.contains(word))
        });
        if let Some(objection) = objection {
            return Some(format!(
                "a network called `{name}`, top `{}`: {objection}",
                signature.top
            ));
        }
    }
    // Where it is not installed, the Verilators alone are asked.
    let icarus = tools().icarus().ok()?;
    let mut compile = icarus.compile();
    compile
        .current_dir(folder.path())
        .args(["-g2012", "-o", "core.vvp", "-s", &signature.testbench])
        .args(&files);
    let compiled = tools().run(&mut compile).unwrap();
    (!compiled.status.success()).then(|| format!("a network called `{name}`: {}", compiled.stderr))
}

/// Fails where there are objections: told here, since what another thread prints when it fails is
/// lost.
fn assert_none(objections: impl ParallelIterator<Item = String>) {
    let objections: Vec<String> = objections.collect();
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn names_that_are_taken_or_reserved_trouble_no_tool() {
    let verilators = verilators();
    // Each with one of the cores, some with all of them.
    let pairs = NAMES.iter().enumerate().flat_map(|(i, name)| {
        let kinds = (0..3).filter(move |kind| i % 3 == *kind || name.ends_with("axis_tdata"));
        kinds.map(move |kind| (name, kind))
    });
    let pairs: Vec<_> = pairs.collect();
    assert_none(
        pairs
            .par_iter()
            .filter_map(|(name, kind)| objection(&cores(name)[*kind], name, &verilators)),
    );
}

/// Every word of every emitted file as the name of its network. A tool sees each; that no two stand
/// for other things, some.
#[test]
fn no_word_of_the_text_is_the_name_of_a_module_as_well() {
    let all: BTreeSet<String> = cores("some_name").iter().flat_map(words).collect();
    assert!(all.len() > 200, "{}", all.len());
    let verilators = verilators();
    let all: Vec<String> = all.into_iter().collect();
    assert_none(all.par_iter().enumerate().filter_map(|(i, name)| {
        let cores = cores(name);
        if cores.iter().any(|emitted| *name == emitted.signature.top && is_declared(emitted, name))
        {
            return Some(format!("{name} is a module, and declared as well"));
        }
        if i % 60 == 0 { objection(&cores[i / 60 % 3], name, &verilators) } else { None }
    }));
}

/// Whether a line declares `name` as a port, a signal, a block, an instance or a task.
fn is_declared(emitted: &Emitted, name: &str) -> bool {
    let verilog = emitted.files.iter().filter(|file| file.path.ends_with(".v"));
    let mut lines =
        verilog.flat_map(|file| file.text.lines()).map(|line| line.split("//").next().unwrap());
    lines.any(|line| {
        let words: Vec<&str> = line.split(is_between).filter(|word| !word.is_empty()).collect();
        let kinds = [
            "input",
            "output",
            "wire",
            "reg",
            "integer",
            "genvar",
            "task",
            "function",
            "localparam",
            "parameter",
        ];
        words.len() > 1
            && words[1..].contains(&name)
            && (kinds.contains(&words[0]) || line.contains("begin :"))
            || words.len() == 1 && words[0] == name && line.trim_start().starts_with(')')
    })
}

/// Layers are named by whoever writes the model file.
#[test]
fn layers_can_be_called_like_anything_too() {
    let verilators = verilators();
    for (model, layer) in [
        ("s", "axis_tdata"),
        ("m", "axis_tready"),
        ("strassenc", "fifo"),
        ("a", "reg"),
        ("u", "framer"),
    ] {
        for mut named in [random_model(&models::small()), image_model(8)] {
            rename(named.layers.last_mut().unwrap(), layer);
            named.validate().unwrap();
            let emitted = emitted(&compiled(&named), model);
            assert_eq!(objection(&emitted, &format!("{model}, layer {layer}"), &verilators), None);
        }
    }
}

fn rename(layer: &mut Layer, name: &str) {
    match layer {
        Layer::Dense(layer) => layer.name = name.into(),
        Layer::Conv2d(layer) => layer.name = name.into(),
        other => panic!("{other:?} is not to be renamed"),
    }
}

#[test]
fn a_layer_can_be_called_like_a_wire_of_another_one() {
    let two = |model: &Model| model.layers.len() > 1 && matches!(model.layers[0], Layer::Conv2d(_));
    let mut model = (0..).map(image_model).find(two).unwrap();
    rename(&mut model.layers[0], "a");
    for wire in ["a_valid", "a_data", "a_user"] {
        rename(model.layers.last_mut().unwrap(), wire);
        model.validate().unwrap();
        assert_eq!(objection(&emitted(&compiled(&model), "images"), wire, &verilators()), None);
    }
}

#[test]
fn a_name_that_nothing_has_stays_as_it_is() {
    for emitted in cores("digits") {
        assert_eq!(
            (emitted.signature.top.as_str(), emitted.signature.testbench.as_str()),
            ("digits", "digits_tb")
        );
    }
    for emitted in cores("rst") {
        assert_eq!(emitted.signature.top, "rst_core");
        assert_eq!(emitted.signature.model, "rst");
        let folder = Path::new(&emitted.signature.files.last().unwrap()).to_owned();
        assert_eq!(folder, Path::new("rst_core.v"));
    }
}
