//! What Yosys says of emitted text: equal to the layer's definition for every input, and one DSP
//! block per multiplier, or none.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use strassenc::adder_graph::CostModel;
use strassenc::build::{self, Build};
use strassenc::compile::{self, Compiled, compile};
use strassenc::device::{DEVICES, Device};
use strassenc::engine::{self, Allowed};
use strassenc::figures::{Figures, LayerFigures, Products};
use strassenc::ir;
use strassenc::multipliers::Multipliers;
use strassenc::report::Report;
use strassenc::synth::{Cells, Equivalence, equivalence, place, synthesise};
use strassenc::tools::{Component, Tools};
use strassenc_runtime::{Format, Model};
use strassenc_tests::models::{LayerRecipe, Recipe};
use strassenc_tests::{chains, image_model, random_model};

fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("yosys").unwrap()).unwrap();
    tools
}

fn device(name: &str) -> Device {
    *DEVICES.iter().find(|device| device.name == name).unwrap()
}

/// A core of two small layers without dead elements, its products wide enough for Yosys to give
/// them a DSP block (it builds those of fewer than 9 bits from LUTs).
fn built(folder: &Path) -> Build {
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
    let recipe = |seed| Recipe {
        seed,
        inputs: 3,
        two_operands: false,
        format,
        layers: vec![layer.clone(), layer.clone()],
        dead: 0.0,
    };
    let compile =
        |model: Model| compile(&model, &compile::Options::default(), &|_| {}, &|| false).unwrap();
    let whole = |compiled: &Compiled| {
        let fits = |l: &LayerFigures| {
            l.wc.rows == 3 && l.wb.columns == 3 && l.products.iter().all(|p| p.operand_bits >= 5)
        };
        Figures::new(compiled, 200.0).unwrap().layers.iter().all(fits)
    };
    let compiled = (0..).map(|seed| compile(random_model(&recipe(seed)))).find(whole).unwrap();
    build::write(folder, &compiled, &build::Options::default()).unwrap();
    Build::open(folder).unwrap()
}

fn of_first_layer(build: &Build, compiled: &Compiled, tools: &Tools) -> Equivalence {
    let module = build.signature.layers[0].kernel.as_ref().unwrap();
    let chain = chains(&compiled.dataflow)[0];
    equivalence(&build.folder, &build.signature, module, chain, tools).unwrap()
}

#[test]
fn a_layer_is_proved_and_a_wrong_sign_in_its_text_is_refuted() {
    let tools = tools();
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    let compiled = build.compiled().unwrap();
    let answer = || of_first_layer(&build, &compiled, &tools);
    assert_eq!(answer(), Equivalence::Proved);
    let module = &build.signature.layers[0].module;
    let file = build.folder.join(format!("{module}.v"));
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.contains("wb_add") && line.contains(" - ")).unwrap();
    std::fs::write(&file, text.replacen(line, &line.replacen(" - ", " + ", 1), 1)).unwrap();
    assert!(matches!(answer(), Equivalence::Refuted(_)));
}

/// A convolution's pipeline, and one whose layer has lost dead channels.
#[test]
fn kernels_of_images_and_of_pruned_layers_are_proved_too() {
    let tools = tools();
    let folder = tempfile::tempdir().unwrap();
    let options = build::Options {
        target: engine::Target { engine: Allowed::Unrolled, ..Default::default() },
        cost: CostModel::Adders,
        ..build::Options::default()
    };
    let (mut convolutions, mut pruned) = (0, 0);
    for seed in 0.. {
        let model = if seed % 2 == 0 { image_model(seed) } else { random_model(&sparse(seed)) };
        let compiled = build::compile(&model, &options, &|_| {}, &|| false, &|| 0.0).unwrap();
        let small = |(_, layer): &(usize, &ir::Layer)| {
            let kernel = layer.kernel()?;
            let bits = kernel.chain.x.len() as u32 * kernel.chain.input.bits;
            (bits <= 20 && kernel.chain.multiplications() > 1).then_some(())
        };
        let mut layers = compiled.dataflow.layers.iter().enumerate();
        let Some((number, layer)) = layers.find(|layer| small(layer).is_some()) else { continue };
        let (from, to) = (compiled.dataflow.reads(number), compiled.dataflow.yields(number));
        let is_pruned = [from, to].iter().any(|edge| edge.channels.len() < edge.whole);
        let counted = if seed % 2 == 0 { &mut convolutions } else { &mut pruned };
        if *counted >= 2 || (seed % 2 == 1 && !is_pruned) {
            continue;
        }
        let path = folder.path().join(seed.to_string());
        build::write(&path, &compiled, &options).unwrap();
        let build = Build::open(&path).unwrap();
        let module = build.signature.layers[number].kernel.as_ref().unwrap();
        let chain = &layer.kernel().unwrap().chain;
        let answer = equivalence(&build.folder, &build.signature, module, chain, &tools).unwrap();
        assert_eq!(answer, Equivalence::Proved, "seed {seed}, layer `{}`", layer.name);
        *counted += 1;
        if convolutions >= 2 && pruned >= 2 {
            break;
        }
    }
}

fn sparse(seed: u64) -> Recipe {
    let format = Format { signed: false, bits: 3, frac: 0 };
    let layer = LayerRecipe {
        rows: 4,
        outputs: 5,
        density: 0.3,
        coefficient_bits: 5,
        product_bits: 6,
        format,
        excess: 0,
    };
    Recipe {
        seed,
        inputs: 4,
        two_operands: false,
        format,
        layers: vec![layer.clone(), layer],
        dead: 0.4,
    }
}

#[test]
fn a_proof_that_is_not_answered_in_time_is_neither_proved_nor_refuted() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    // It is deaf to SIGTERM, and so is what it starts.
    let yosys = folder.path().join("yosys");
    let script = r#"#!/bin/sh
[ "$1" = -V ] && echo "Yosys 0.40" && exit
trap "" TERM
sleep 600 &
sleep 600
"#;
    std::fs::write(&yosys, script).unwrap();
    std::fs::set_permissions(&yosys, std::fs::Permissions::from_mode(0o755)).unwrap();
    let limit = Duration::from_secs(2);
    let tools = Tools::new(folder.path()).with_path(vec![folder.path().into()]).with_limit(limit);
    let began = Instant::now();
    let answer = of_first_layer(&build, &build.compiled().unwrap(), &tools);
    assert_eq!(answer, Equivalence::NotAnswered(limit));
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// What a family's cells can do decides: the carry chains of xc7 pass bits on without a LUT, those
/// of ecp5 do not, and the LUTs of ice40 are no memory.
#[test]
fn luts_are_those_of_the_family() {
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    let figures = &build.record.figures;
    let luts = |name| Report::new(&build.record, &build.signature, device(name)).total.luts;
    assert_eq!(luts("xc7"), figures.total.luts);
    assert!(luts("ecp5") > luts("xc7"));
    let brams = |name| Report::new(&build.record, &build.signature, device(name)).total.brams;
    assert!(brams("ecp5") == 0.0 && brams("ice40") > 0.0);
}

/// The table of what primitives take is what the fit makes of its data.
#[test]
fn the_fitted_table_is_that_of_its_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.rs");
    let fit = std::process::Command::new("python3")
        .arg(root.join("benches/estimates.py"))
        .args(["--fit", "--from-csv", "--table"])
        .arg(&table)
        .output()
        .unwrap();
    assert!(fit.status.success(), "{}", String::from_utf8_lossy(&fit.stderr));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&table), read(&root.join("compiler/src/device/table.rs")));
}

/// Where there is no block that multiplies, `auto` takes none, and is the default.
#[test]
fn a_part_without_blocks_multiplies_by_shifts_and_additions() {
    let of = |words: &[&str]| {
        let (options, _) = strassenc::cli::options(words.iter().map(Into::into)).unwrap();
        options.compile().multipliers
    };
    assert_eq!(of(&["--device", "hx8k"]), Multipliers::ShiftAdd);
    assert_eq!(of(&["--device", "hx8k", "--dsp-budget", "9"]), Multipliers::ShiftAdd);
    assert_eq!(of(&["--device", "up5k"]), Multipliers::Dsp);
}

#[test]
fn a_core_takes_one_block_per_multiplier_and_multiplies_nowhere_else() {
    let tools = tools();
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    let synthesis = synthesise(&build.folder, &build.signature, device("xc7"), &tools).unwrap();
    let multipliers = build.record.figures.total.multiplications;
    assert!(multipliers > 4);
    assert_eq!((synthesis.multiply_cells, synthesis.total.dsp_blocks), (multipliers, multipliers));
}

/// What the layers take, and what stands between them, is what the core takes; a layer has at least
/// the coefficients of its own multipliers.
#[test]
fn every_cell_belongs_to_a_layer_or_stands_between_them() {
    let tools = tools();
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    for name in ["xc7", "ecp5", "hx8k", "gowin"] {
        let synthesis = synthesise(&build.folder, &build.signature, device(name), &tools).unwrap();
        let sum = |f: fn(&Cells) -> u64| synthesis.layers.iter().map(|l| f(&l.cells)).sum::<u64>();
        let Cells { luts, flip_flops, carry_cells, dsp_blocks, .. } = synthesis.total;
        assert_eq!(sum(|c| c.luts), luts, "{name}");
        assert_eq!(sum(|c| c.flip_flops), flip_flops, "{name}");
        assert_eq!(sum(|c| c.carry_cells), carry_cells, "{name}");
        assert_eq!(sum(|c| c.dsp_blocks), dsp_blocks, "{name}");
        if name == "xc7" {
            let estimate = Report::new(&build.record, &build.signature, device(name)).total;
            let error = |found: u64, mapped: u64| (found as f64 / mapped as f64 - 1.0).abs();
            assert!(error(estimate.luts, luts) < 0.2, "{} for {luts} LUTs", estimate.luts);
            let found = estimate.flip_flops;
            assert!(error(found, flip_flops) < 0.1, "{found} for {flip_flops} flip-flops");
        }
        for (layer, figures) in synthesis.layers.iter().zip(&build.record.figures.layers) {
            let of = |p: &Products| p.count as u64 * u64::from(p.coefficient_bits);
            let coefficients: u64 = figures.products.iter().map(of).sum();
            assert!(layer.cells.flip_flops >= coefficients, "{name}, {}", layer.name);
            assert!(layer.cells.luts > 0, "{name}, {}", layer.name);
        }
    }
}

/// On each family a clock is reached, and the slowest path is as long as that clock says and lies
/// within the core.
#[test]
fn a_core_is_placed_and_its_slowest_path_named() {
    let tools = tools();
    tools.install(Component::named("nextpnr").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    for name in ["up5k", "ecp5-85k", "gw2a-18"] {
        let placement =
            place(&build.folder, &build.signature, device(name), 100.0, &tools).unwrap();
        let ns: f64 = placement.path.iter().map(|step| step.ns).sum();
        assert!((1000.0 / ns / placement.reached_mhz - 1.0).abs() < 0.01, "{placement:#?}");
        assert!(placement.routing_ns > 0.0 && placement.routing_ns < ns);
        assert!(placement.utilisation.iter().any(|cells| cells.used > 50));
        let ends = [placement.path.first(), placement.path.last()].map(Option::unwrap);
        for signal in ends.map(|step| step.name.rsplit('.').next().unwrap()) {
            let is_known = build.signature.files.iter().any(|file| {
                std::fs::read_to_string(build.folder.join(file)).unwrap().contains(signal)
            });
            assert!(is_known, "{signal}");
        }
    }
    let unknown = place(&build.folder, &build.signature, device("xc7"), 100.0, &tools);
    assert!(unknown.unwrap_err().to_string().contains("up5k"));
}

#[test]
fn a_folded_core_of_shifts_and_additions_takes_no_block() {
    let tools = tools();
    let options = |multipliers| {
        let target = engine::Target { engine: Allowed::Folded, ..Default::default() };
        build::Options { multipliers, target, ..Default::default() }
    };
    let compile = |model: &Model, multipliers| {
        build::compile(model, &options(multipliers), &|_| {}, &|| false, &|| 0.0).unwrap()
    };
    // One layer with products wide enough for a DSP block.
    let wide = |model: &Model| {
        let figures = Figures::new(&compile(model, Multipliers::Dsp), 200.0).unwrap();
        let [layer] = &figures.layers[..] else { return false };
        layer.products.iter().any(|p| p.operand_bits >= 10 && p.coefficient_bits >= 10)
    };
    let model = (0..).map(image_model).find(wide).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [soft, hard] = [Multipliers::ShiftAdd, Multipliers::Dsp].map(|multipliers| {
        let folder = folder.path().join(multipliers.to_string());
        build::write(&folder, &compile(&model, multipliers), &options(multipliers)).unwrap();
        let build = Build::open(&folder).unwrap();
        let synthesis = synthesise(&folder, &build.signature, device("xc7"), &tools).unwrap();
        let shared: usize = build.record.figures.layers[0].products.iter().map(|p| p.count).sum();
        assert_eq!(
            (synthesis.multiply_cells, synthesis.total.dsp_blocks),
            (shared as u64, shared as u64)
        );
        build.record.figures
    });
    assert!(soft.layers[0].products.is_empty() && !hard.layers[0].products.is_empty());
    // They count as multiplications all the same.
    assert_eq!(soft.total.multiplications, hard.total.multiplications);
    assert_eq!(soft.layers[0].shift_add, soft.layers[0].per_window);
}

/// The cells of `top` in these texts on xc7, by type, and how many registers each DSP block has in
/// front of A and B and behind its multiplier and its adder.
fn on_xc7(text: &str, tools: &Tools) -> (BTreeMap<String, usize>, Vec<[u64; 4]>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.v"), text).unwrap();
    let script = "read_verilog all.v; synth_xilinx -family xc7 -top top -flatten -noiopad \
                  -noclkbuf; write_json netlist.json";
    let mut yosys = tools.yosys().unwrap().command();
    tools.run_ok(yosys.current_dir(folder.path()).args(["-q", "-p", script])).unwrap();
    let netlist = std::fs::read(folder.path().join("netlist.json")).unwrap();
    let netlist: serde_json::Value = serde_json::from_slice(&netlist).unwrap();
    let modules = netlist["modules"].as_object().unwrap().values();
    let (mut cells, mut blocks) = (BTreeMap::new(), vec![]);
    for cell in modules.flat_map(|module| module["cells"].as_object().unwrap().values()) {
        let kind = cell["type"].as_str().unwrap();
        *cells.entry(kind.to_string()).or_default() += 1;
        if kind == "DSP48E1" {
            blocks.push(["AREG", "BREG", "MREG", "PREG"].map(|name| {
                u64::from_str_radix(cell["parameters"][name].as_str().unwrap(), 2).unwrap()
            }));
        }
    }
    (cells, blocks)
}

#[test]
fn every_register_of_a_multiplier_is_in_its_dsp_block() {
    let tools = tools();
    let hw = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../hw/strassenc_{name}.v"));
        std::fs::read_to_string(path).unwrap()
    };
    let flip_flops = |cells: &BTreeMap<String, usize>| {
        cells.iter().filter(|(kind, _)| kind.starts_with("FD")).map(|(_, n)| n).sum::<usize>()
    };
    for latency in 1..=4u64 {
        let behind = latency.min(2);
        let front = latency - behind;
        for shift in [5, 0] {
            let top = format!(
                "module top(input clk, clken, input [11:0] x, output [{}:0] product);\n\
                 strassenc_multiplier #(.OPERAND_BITS(12), .COEFFICIENT_BITS(10), \
                 .COEFFICIENT(77), .SHIFT({shift}), .PRODUCT_BITS({}), .LATENCY({latency})) m \
                 (.clk(clk), .clken(clken), .x(x), .product(product));\n\
                 endmodule\n",
                21 - shift,
                22 - shift
            );
            let files = ["coefficient", "scaled_product", "multiplier"];
            let text = files.map(hw).concat() + &top;
            let (cells, blocks) = on_xc7(&text, &tools);
            let [[a, b, m, p]] = blocks[..] else { panic!("{blocks:?}") };
            assert_eq!((a, b, m + p), (front, 0, behind), "latency {latency}, shift {shift}");
            // The coefficient's, which no tool may see through.
            assert_eq!(flip_flops(&cells), 10, "latency {latency}, shift {shift}: {cells:?}");
            assert!(!cells.keys().any(|kind| kind.starts_with("LUT")), "{cells:?}");
        }
        let top = format!(
            "module top(input clk, clken, input [11:0] a, input [9:0] b, output [19:0] product);\n\
             strassenc_product #(.A_BITS(12), .B_BITS(10), .PRODUCT_BITS(20), \
             .LATENCY({latency})) p (.clk(clk), .clken(clken), .a(a), .b(b), \
             .product(product));\nendmodule\n"
        );
        let (cells, blocks) = on_xc7(&(hw("product") + &top), &tools);
        let [[a, b, m, p]] = blocks[..] else { panic!("{blocks:?}") };
        assert_eq!((a, b, m + p), (front, front, behind), "latency {latency}");
        assert_eq!(flip_flops(&cells), 0, "latency {latency}: {cells:?}");
    }
    // The lanes of a bank bring no flip-flop, whatever its control has.
    let bank = |lanes: usize| {
        let top = format!(
            "module top(input clk, clken, rst, s_valid, s_user, m_ready, input [{}:0] s_data, \
             input [{}:0] rom_data, output s_ready, m_valid, m_user, rom_enable, rom_address, \
             output [{}:0] m_data);\n\
             strassenc_multiplier_bank #(.LANES({lanes}), .U_BITS(12), .COEFFICIENT_BITS(10), \
             .SHIFT(5), .M_BITS(17)) bank (.clk(clk), .clken(clken), .rst(rst), \
             .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user), \
             .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user), \
             .rom_enable(rom_enable), .rom_address(rom_address), .rom_data(rom_data));\n\
             endmodule\n",
            12 * lanes - 1,
            10 * lanes - 1,
            17 * lanes - 1
        );
        let (cells, blocks) =
            on_xc7(&(hw("scaled_product") + &hw("multiplier_bank") + &top), &tools);
        assert_eq!(blocks, vec![[1, 0, 1, 1]; lanes]);
        flip_flops(&cells)
    };
    assert_eq!(bank(1), bank(3));
}

/// 12 bits and two more for the sum: one LUT for each of 14 bits.
#[test]
fn a_sum_of_three_terms_is_one_lut_a_bit_on_xc7() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw/strassenc_add3.v");
    let add3 = std::fs::read_to_string(path).unwrap();
    for (negate_b, negate_c) in [(0, 0), (0, 1), (1, 1)] {
        let top = format!(
            "module top(input [11:0] a, b, c, output [13:0] y);\n\
             strassenc_add3 #(.BITS(14), .A_BITS(12), .B_BITS(12), .C_BITS(12), \
             .NEGATE_B({negate_b}), .NEGATE_C({negate_c})) sum (.a(a), .b(b), .c(c), .y(y));\n\
             endmodule\n"
        );
        let text = format!("`define STRASSENC_XC7\n{add3}{top}");
        let (cells, _) = on_xc7(&text, &tools());
        let luts = cells.iter().filter(|(kind, _)| kind.starts_with("LUT")).map(|(_, n)| n);
        assert_eq!((luts.sum::<usize>(), cells["CARRY4"]), (14, 4), "{cells:?}");
    }
}

/// One LUT for each bit of a digit, of which there are up to four, and one more register than bits.
#[test]
fn a_sum_of_digits_is_one_lut_a_bit_on_xc7() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw/strassenc_serial_add.v");
    let add = std::fs::read_to_string(path).unwrap();
    let of = |digit: usize| {
        format!(
            "strassenc_serial_add #(.DIGIT({digit}), .NEGATE({})) add_{digit} (.clk(clk), \
             .clken(1'b1), .restart(restart), .a(a[{digit}+:{digit}]), .b(b[{digit}+:{digit}]), \
             .sum(sum[{digit}+:{digit}]));\n",
            digit % 2
        )
    };
    let sums: String = [1, 2, 4].map(of).concat();
    let top = format!(
        "module top(input clk, restart, input [7:1] a, b, output [7:1] sum);\n{sums}endmodule\n"
    );
    let (cells, _) = on_xc7(&format!("`define STRASSENC_XC7\n{add}{top}"), &tools());
    let count = |kinds: &str| -> usize {
        cells.iter().filter(|(kind, _)| kind.starts_with(kinds)).map(|(_, n)| n).sum()
    };
    assert_eq!((count("LUT"), count("FD")), (1 + 2 + 4, 2 + 3 + 5), "{cells:?}");
}
