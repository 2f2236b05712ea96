//! The Verilog of small cores of every kind, so that a change of what is emitted shows in review;
//! `STRASSENC_BLESS=1` accepts it. Whether it is right is for other tests to say.

use ndarray::{Array1, Array2, Array3, Array4};
use std::path::Path;
use strassenc::build::{self, Options};
use strassenc::engine::{Allowed, Target};
use strassenc_runtime::model::{
    Conv2d, Dense, Edge, Last, Layer, Output, Provenance, Recurrent, Table,
};
use strassenc_runtime::{Along, Cell, Extent, Format, Model};

const SIGNED: Format = Format { signed: true, bits: 4, frac: 3 };

/// A dense layer of one product for each output: the difference of two inputs that lie side by
/// side, times 3.
fn dense(name: &str, [inputs, outputs]: [usize; 2], output: Output) -> Dense {
    Dense {
        name: name.into(),
        budget: outputs,
        w_b: Array2::from_shape_fn((outputs, inputs), |(i, j)| {
            i8::from(j == i % inputs) - i8::from(inputs > 1 && j == (i + 1) % inputs)
        }),
        coefficients: Array1::from_elem(outputs, 3),
        coefficient_bits: 3,
        coefficient_shifts: Array1::from_elem(outputs, 1),
        product_frac: 3,
        w_c: Array2::eye(outputs),
        bias: Array1::from_iter(0..outputs as i64),
        output,
    }
}

fn model(name: &str, shape: &[usize], layers: Vec<Layer>) -> Model {
    let input = Edge { shape: shape.into(), format: SIGNED };
    Model { name: name.into(), input, layers, provenance: Provenance::default() }
}

/// Compares the modules of a core, without primitives and testbench, with their snapshots.
fn compare(model: &Model, options: &Options) {
    let compiled = build::compile(model, options, &|_| {}, &|| false, &|| 0.0).unwrap();
    let (_, contents) = build::contents(&compiled, options).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(&model.name);
    let bless = std::env::var_os("STRASSENC_BLESS").is_some();
    if bless {
        std::fs::create_dir_all(&folder).unwrap();
    }
    for (name, bytes) in &contents {
        let own = name.ends_with(".v") && !name.starts_with("strassenc_");
        if !own || name.ends_with("_tb.v") {
            continue;
        }
        if bless {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let expected = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(
            String::from_utf8_lossy(bytes),
            expected,
            "{name}: STRASSENC_BLESS=1 accepts new texts"
        );
    }
}

#[test]
fn an_image_core_is_what_its_snapshot_shows() {
    let conv = Conv2d {
        name: "conv".into(),
        budget: 1,
        w_b: Array4::from_shape_fn((1, 1, 2, 2), |(_, _, y, x)| if y == x { 1 } else { -1 }),
        coefficients: Array1::from_elem(1, 5),
        coefficient_bits: 4,
        coefficient_shifts: Array1::from_elem(1, 2),
        product_frac: 3,
        w_c: Array4::ones((1, 1, 1, 1)),
        bias: Array3::ones((1, 1, 1)),
        stride: Extent::ONE,
        pad: Extent::ONE,
        transposed: None,
        groups: 1,
        output: Output::Raw,
    };
    compare(&model("image", &[2, 2], vec![Layer::Conv2d(conv)]), &Options::default());
}

#[test]
fn a_folded_layer_is_what_its_snapshot_shows() {
    let target = Target { engine: Allowed::Folded, ..Target::default() };
    let layers = vec![Layer::Dense(dense("scores", [2, 2], Output::Raw))];
    compare(&model("folded", &[2], layers), &Options { target, ..Options::default() });
}

/// A recurrent layer of one unit.
fn recurrent(kind: Cell, along: Along) -> Layer {
    let gate = Format { signed: true, bits: 3, frac: 1 };
    let output = Output::Requantised { shifts: Array1::from_elem(4, 1), format: gate };
    let mut gates = dense(&kind.kind().to_lowercase(), [2, 4], output);
    // A row reads x or h.
    gates.w_b = Array2::from_shape_fn((4, 2), |(i, j)| i8::from(i % 2 == j));
    let table = |values: [i32; 4]| Table { values: Array1::from_vec(values.to_vec()), frac: 3 };
    Layer::Recurrent(Recurrent {
        kind,
        along,
        gates,
        sigmoid: table([4, 5, 6, 7]),
        tanh: table([0, 4, 6, 7]),
        cell: Format { signed: true, bits: 6, frac: 3 },
        hidden: SIGNED,
    })
}

#[test]
fn an_lstm_is_what_its_snapshot_shows() {
    let scores = Layer::Dense(dense("scores", [1, 1], Output::Raw));
    let layers = vec![recurrent(Cell::Lstm, Along::Inputs), scores];
    compare(&model("recurrent", &[1], layers), &Options::default());
}

#[test]
fn a_gru_along_pixels_is_what_its_snapshot_shows() {
    let scores = Layer::Dense(dense("scores", [1, 1], Output::Raw));
    let last = Layer::Last(Last { name: "last".into() });
    let layers = vec![recurrent(Cell::Gru, Along::Pixels), last, scores];
    compare(&model("along_pixels", &[1, 3, 1], layers), &Options::default());
}
