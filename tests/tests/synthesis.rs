//! What Yosys says of emitted text: equal to the layer's definition for every input, and one DSP block per multiplier, or none.

use std::path::Path;
use std::time::{Duration, Instant};
use strassenc::build::{self, Build};
use strassenc::compile::{self, Compiled, compile};
use strassenc::engine::{self, Allowed};
use strassenc::figures::{Figures, LayerFigures};
use strassenc::multipliers::Multipliers;
use strassenc::report::{Family, Report};
use strassenc::synth::{Equivalence, Target, equivalence, synthesise};
use strassenc::tools::{Component, Tools};
use strassenc_runtime::{Format, Model};
use strassenc_tests::models::{LayerRecipe, Recipe};
use strassenc_tests::{image_model, random_model};

fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("yosys").unwrap()).unwrap();
    tools
}

/// A core of two small layers without dead elements, its products wide enough for Yosys to give them a DSP block (it builds
/// those of fewer than 9 bits from LUTs).
fn built(folder: &Path) -> Build {
    let format = Format { signed: false, bits: 5, frac: 0 };
    let layer =
        LayerRecipe { rows: 4, outputs: 3, density: 0.7, coefficient_bits: 8, product_bits: 8, format, excess: 0 };
    let recipe = |seed| Recipe {
        seed,
        inputs: 3,
        two_operands: false,
        format,
        layers: vec![layer.clone(), layer.clone()],
        dead: 0.0,
    };
    let compile = |model: Model| compile(&model, &compile::Options::default(), &|_| {}, &|| false).unwrap();
    let whole = |compiled: &Compiled| {
        let fits =
            |l: &LayerFigures| l.wc.rows == 3 && l.wb.columns == 3 && l.products.iter().all(|p| p.operand_bits >= 5);
        Figures::new(compiled).layers.iter().all(fits)
    };
    let compiled = (0..).map(|seed| compile(random_model(&recipe(seed)))).find(whole).unwrap();
    build::write(folder, &compiled, &build::Options::default()).unwrap();
    Build::open(folder).unwrap()
}

#[test]
fn a_layer_is_proved_and_a_wrong_sign_in_its_text_is_refuted() {
    let tools = tools();
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    let answer = || equivalence(&build.folder, &build.signature, &build.model, 0, &tools).unwrap();
    assert_eq!(answer(), Equivalence::Proved);
    let file = build.folder.join(format!("{}.v", build.signature.layers[0].module));
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.contains("wb_add") && line.contains(" - ")).unwrap();
    std::fs::write(&file, text.replacen(line, &line.replacen(" - ", " + ", 1), 1)).unwrap();
    assert!(matches!(answer(), Equivalence::Refuted(_)));
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
    let answer = equivalence(&build.folder, &build.signature, &build.model, 0, &tools).unwrap();
    assert_eq!(answer, Equivalence::NotAnswered(limit));
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// What a family's carry chains can do decides: xc7 passes bits on without a LUT, ecp5 does not, ice40 cannot invert.
#[test]
fn luts_are_those_of_the_family() {
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    let figures = &build.record.figures;
    let luts = |family| Report::new(&build.record, &build.signature, family).total.luts;
    assert_eq!(luts(Family::Xc7), figures.total.luts);
    assert!(luts(Family::Ecp5) > luts(Family::Xc7));
    let subtracted: u64 = figures.layers.iter().map(|layer| layer.subtracted_bits).sum();
    assert!(subtracted > 0);
    assert_eq!(luts(Family::Ice40), luts(Family::Ecp5) + subtracted);
}

#[test]
fn a_core_takes_one_block_per_multiplier_and_multiplies_nowhere_else() {
    let tools = tools();
    let folder = tempfile::tempdir().unwrap();
    let build = built(&folder.path().join("build"));
    let synthesis = synthesise(&build.folder, &build.signature, Target::Xc7, &tools).unwrap();
    let multipliers = build.record.figures.total.multiplications;
    assert!(multipliers > 4);
    assert_eq!((synthesis.multiply_cells, synthesis.dsp_blocks), (multipliers, multipliers));
}

#[test]
fn a_folded_core_of_shifts_and_additions_takes_no_block() {
    let tools = tools();
    let options = |multipliers| {
        let target = engine::Target { engine: Allowed::Folded, ..Default::default() };
        build::Options { multipliers, target, ..Default::default() }
    };
    let compile = |model: &Model, multipliers| {
        build::compile_images(model, &options(multipliers), &|_| {}, &|| false, &|| false).unwrap()
    };
    // One layer with products wide enough for a DSP block.
    let wide = |model: &Model| {
        let figures = Figures::of_images(&compile(model, Multipliers::Dsp), 200.0);
        matches!(&figures.layers[..], [layer] if layer.products.iter().any(|p| p.operand_bits >= 10 && p.coefficient_bits >= 10))
    };
    let model = (0..).map(image_model).find(wide).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [soft, hard] = [Multipliers::ShiftAdd, Multipliers::Dsp].map(|multipliers| {
        let folder = folder.path().join(multipliers.to_string());
        build::write(&folder, &compile(&model, multipliers), &options(multipliers)).unwrap();
        let build = Build::open(&folder).unwrap();
        let synthesis = synthesise(&folder, &build.signature, Target::Xc7, &tools).unwrap();
        let shared: usize = build.record.figures.layers[0].products.iter().map(|p| p.count).sum();
        assert_eq!((synthesis.multiply_cells, synthesis.dsp_blocks), (shared as u64, shared as u64));
        build.record.figures
    });
    assert!(soft.layers[0].products.is_empty() && !hard.layers[0].products.is_empty());
    // They count as multiplications all the same.
    assert_eq!(soft.total.multiplications, hard.total.multiplications);
    assert_eq!(soft.layers[0].shift_add, soft.layers[0].per_window);
}
