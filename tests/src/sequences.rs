//! Models over sequences with random weights, the same for the same seed.

use crate::images::{row_model, signal_model};
use crate::models::{LayerRecipe, dense, inputs, ternary};
use ndarray::{Array1, Array2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use strassenc_runtime::model::{
    CharCnn, Dense, Edge, Embedding, Highway, Layer, Output, Provenance, Recurrent, Table,
};
use strassenc_runtime::{Along, Cell, Format, Model, golden};

/// A [`sequence_model`], and of six one time a step of a [`signal_model`], and two times a
/// [`row_model`].
pub fn recurrent_model(seed: u64) -> Model {
    match seed % 6 {
        2 | 5 => row_model(seed),
        4 => signal_model(seed).steps().expect("its layers read one step each"),
        _ => sequence_model(seed),
    }
}

/// A model of LSTMs whose table is too large for the text of its ROM, which is in a file of its
/// own.
pub fn large_table_model() -> Model {
    let large = |mut model: Model| {
        let Layer::Embedding(embedding) = model.layers.first_mut()? else { return None };
        let (bits, rows, n) = (embedding.format.bits as usize, 4096, embedding.table.ncols());
        let element = |(i, j): (usize, usize)| {
            let (lo, hi) = (embedding.format.min(), embedding.format.max());
            (lo + (i * 37 + j * 11) as i64 % (hi - lo + 1)) as i32
        };
        embedding.table = Array2::from_shape_fn((rows, n), element);
        model.input.format.bits = 12;
        let is_gru = |layer: &Layer| matches!(layer, Layer::Recurrent(r) if r.kind == Cell::Gru);
        let large = rows * n * bits > 64 << 10 && model.input.elements() == 1;
        (large && !model.layers.iter().any(is_gru)).then_some(model)
    };
    // Outputs of many values, so that a wrong one among them shows.
    let varied = |model: &Model| {
        let inputs = inputs(model, 20, 1);
        sequence_answers(model, &inputs).iter().collect::<BTreeSet<_>>().len() > 10
    };
    (0..).filter_map(|seed| large(sequence_model(seed))).find(varied).unwrap()
}

/// Golden's outputs for inputs that are one sequence.
pub fn sequence_answers(model: &Model, inputs: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut state = golden::State::start();
    let step = |v: &Vec<i64>| golden::step(model, &mut state, v).unwrap().pop().unwrap();
    inputs.iter().map(step).collect()
}

/// A model of one or two recurrent layers of odd sizes, often with an embedding or vectors before
/// them, or filters over words, highway layers among them, and a dense layer at the end. Tables are
/// arbitrary, formats of any fit.
pub fn sequence_model(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut layers = vec![];
    let (input, mut n, mut x);
    let characters = if rng.random_bool(0.4) { rng.random_range(2..=6) } else { 1 };
    if characters > 1 && rng.random_bool(0.2) {
        // Characters without a table.
        (n, x) = (rng.random_range(1..=6), any_format(&mut rng, 8));
        input = Edge { shape: vec![1, characters, n], format: x };
    } else if characters > 1 || rng.random_bool(0.6) {
        let bits = rng.random_range(1..=5);
        input = Edge { shape: vec![characters], format: Format { signed: false, bits, frac: 0 } };
        let rows = rng.random_range(1..=1usize << bits);
        (n, x) = (rng.random_range(1..=6), any_format(&mut rng, 8));
        let table =
            Array2::from_shape_simple_fn((rows, n), || rng.random_range(x.min()..=x.max()) as i32);
        layers.push(Layer::Embedding(Embedding { name: "embedding_0".into(), table, format: x }));
    } else {
        (n, x) = (rng.random_range(1..=6), any_format(&mut rng, 8));
        input = Edge { shape: vec![n], format: x };
    }
    if characters > 1 && rng.random_bool(0.85) {
        let layer = char_cnn(&mut rng, "char_cnn_0".into(), (characters, n), x);
        (n, x) = (layer.filters.outputs(), layer.tanh.tanh_format());
        layers.push(Layer::CharCnn(layer));
    } else {
        n *= characters;
    }
    // Of its own, so that all else is drawn as it would be without.
    let mut cells = ChaCha8Rng::seed_from_u64(seed);
    cells.set_stream(5);
    for i in 0..rng.random_range(1..=2) {
        if rng.random_bool(0.4) {
            layers.push(Layer::Highway(highway(&mut rng, format!("highway_{i}"), n, x)));
        }
        let kind = any_cell(&mut cells);
        let name = format!("{}_{i}", kind.kind().to_lowercase());
        let layer = recurrent(&mut rng, (kind, Along::Inputs), name, (n, x));
        (n, x) = (layer.units(), layer.hidden);
        layers.push(Layer::Recurrent(layer));
    }
    let outputs = rng.random_range(1..=7);
    let rows = rng.random_range(0..=6);
    layers.push(Layer::Dense(gates(&mut rng, "dense_0".into(), rows, outputs, (n, x), None)));
    let model = Model { name: "random".into(), input, layers, provenance: Provenance::default() };
    model.validate().expect("a seed's model is valid");
    model
}

fn any_format(rng: &mut ChaCha8Rng, bits: u32) -> Format {
    Format {
        signed: rng.random_bool(0.6),
        bits: rng.random_range(2..=bits),
        frac: rng.random_range(0..=8),
    }
}

/// A dense layer whose outputs have this format, or are raw.
fn gates(
    rng: &mut ChaCha8Rng,
    name: String,
    rows: usize,
    outputs: usize,
    edge: (usize, Format),
    format: Option<Format>,
) -> Dense {
    let recipe = LayerRecipe {
        rows,
        outputs,
        density: rng.random_range(0.3..=1.0),
        coefficient_bits: rng.random_range(2..=9),
        product_bits: rng.random_range(3..=12),
        format: format.unwrap_or(edge.1),
        excess: rng.random_range(-2..=2),
    };
    dense(rng, name, &recipe, edge, 0.2, format.is_none())
}

fn table(rng: &mut ChaCha8Rng, bits: u32) -> Table {
    let frac = rng.random_range(1..=9);
    Table {
        values: Array1::from_shape_simple_fn(1 << (bits - 1), || rng.random_range(0..=1 << frac)),
        frac,
    }
}

/// Filters of any widths over words of so many characters and elements; some are dead, or have
/// weights of 0 alone.
fn char_cnn(
    rng: &mut ChaCha8Rng,
    name: String,
    (characters, e): (usize, usize),
    x: Format,
) -> CharCnn {
    let common = rng.random_range(1..=2);
    let mut widths: Vec<usize> =
        (0..rng.random_range(1..=characters)).map(|_| common * rng.random_range(0..=3)).collect();
    if widths.iter().all(|n| *n == 0) {
        widths[0] = common;
    }
    let n = widths.iter().sum();
    let gate =
        Format { signed: true, bits: rng.random_range(2..=9), frac: rng.random_range(0..=6) };
    let mut cnn = CharCnn {
        filters: gates(rng, name, n, n, (widths.len() * e, x), Some(gate)),
        widths,
        tanh: table(rng, gate.bits),
    };
    cnn.filters.w_c = Array2::eye(n);
    cnn.filters.coefficients.mapv_inplace(i32::abs);
    let width_of_each: Vec<usize> = cnn.width_of_each().collect();
    for (mut row, width) in cnn.filters.w_b.rows_mut().into_iter().zip(width_of_each) {
        row.iter_mut().skip(width * e).for_each(|w| *w = 0);
    }
    cnn
}

fn highway(rng: &mut ChaCha8Rng, name: String, n: usize, x: Format) -> Highway {
    let bits = x.bits + u32::from(!x.signed) + rng.random_range(0..=2);
    let format = Format { signed: true, bits, frac: x.frac };
    let rows = rng.random_range(1..=9);
    Highway {
        gates: gates(rng, name, rows, 2 * n, (n, x), Some(format)),
        gate_frac: rng.random_range(0..=6),
        sigmoid: table(rng, bits),
    }
}

/// Either cell, an LSTM more often.
pub(crate) fn any_cell(rng: &mut ChaCha8Rng) -> Cell {
    if rng.random_bool(0.4) { Cell::Gru } else { Cell::Lstm }
}

/// A recurrent layer over n_in elements of this format.
pub(crate) fn recurrent(
    rng: &mut ChaCha8Rng,
    (kind, along): (Cell, Along),
    name: String,
    (n_in, x): (usize, Format),
) -> Recurrent {
    let units = rng.random_range(1..=6);
    let gate =
        Format { signed: true, bits: rng.random_range(2..=9), frac: rng.random_range(0..=6) };
    let signed =
        |rng: &mut ChaCha8Rng, bits| Format { signed: true, bits, frac: rng.random_range(0..=9) };
    let (cell_bits, hidden_bits) = (rng.random_range(2..=16), rng.random_range(2..=9));
    let (cell, hidden) = (signed(rng, cell_bits), signed(rng, hidden_bits));
    let mut layer = Recurrent {
        kind,
        along,
        gates: Dense {
            name: name.clone(),
            budget: 0,
            w_b: ternary(rng, (0, n_in + units), 0.0),
            coefficients: Array1::zeros(0),
            coefficient_bits: 2,
            coefficient_shifts: Array1::zeros(0),
            product_frac: 0,
            w_c: ternary(rng, (4 * units, 0), 0.0),
            bias: Array1::zeros(4 * units),
            output: Output::Raw,
        },
        sigmoid: table(rng, gate.bits),
        tanh: table(rng, gate.bits),
        cell,
        hidden,
    };
    let rows = rng.random_range(1..=20);
    layer.gates = gates(rng, name, rows, 4 * units, (n_in + units, layer.joined(x)), Some(gate));
    for mut row in layer.gates.w_b.rows_mut() {
        let of_x = rng.random_bool(0.5);
        for (j, w) in row.iter_mut().enumerate() {
            if (j < n_in) != of_x {
                *w = 0;
            }
        }
    }
    if kind == Cell::Gru {
        let Dense { w_b, w_c, .. } = &mut layer.gates;
        for ((c, i), w) in w_c.indexed_iter_mut() {
            // n_x is of x alone, n_h of h alone.
            let other = match c / units {
                2 => n_in..n_in + units,
                3 => 0..n_in,
                _ => continue,
            };
            if other.into_iter().any(|j| w_b[[i, j]] != 0) {
                *w = 0;
            }
        }
    }
    layer
}

/// An embedding, an LSTM and a dense layer over characters: `[symbols, elements of the embedding,
/// units, r of each SPN]`. Each gate has an SPN over x and one over h. Weights are random; tables
/// and formats are those of a network that was trained.
pub fn language_model(seed: u64, [symbols, n_in, units, r]: [usize; 4]) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let signed = |bits, frac| Format { signed: true, bits, frac };
    let (x, gate, hidden) = (signed(8, 7), signed(10, 6), signed(8, 7));
    let bits = symbols.next_power_of_two().trailing_zeros().max(1);
    let table = Array2::from_shape_simple_fn((symbols, n_in), || rng.random_range(-128..=127));
    let mut w_b = ternary(&mut rng, (8 * r, n_in + units), 0.5);
    let mut w_c = ternary(&mut rng, (4 * units, 8 * r), 0.5);
    // Row i is of gate i / 2r, and of x in the first half of those, else of h.
    for ((i, j), w) in w_b.indexed_iter_mut() {
        *w *= i8::from((i / r % 2 == 0) == (j < n_in));
    }
    for ((c, i), w) in w_c.indexed_iter_mut() {
        *w *= i8::from(c / units == i / (2 * r));
    }
    let spn =
        |rng: &mut ChaCha8Rng, name: &str, budget, w_b: Array2<i8>, w_c: Array2<i8>, output| {
            let (rows, outputs) = (w_b.nrows(), w_c.nrows());
            Dense {
                name: name.into(),
                budget,
                w_b,
                coefficients: Array1::from_shape_simple_fn(rows, || rng.random_range(-127..=127)),
                coefficient_bits: 8,
                coefficient_shifts: Array1::from_elem(rows, 8),
                product_frac: 10,
                w_c,
                bias: Array1::from_shape_simple_fn(outputs, || rng.random_range(-1000..=1000)),
                output,
            }
        };
    let requantised = Output::Requantised { shifts: Array1::from_elem(4 * units, 4), format: gate };
    let lstm = Recurrent {
        kind: Cell::Lstm,
        along: Along::Inputs,
        gates: spn(&mut rng, "lstm_0", 8 * r, w_b, w_c, requantised),
        sigmoid: Table::of_sigmoid(gate, 8),
        tanh: Table::of_tanh(gate, 8),
        cell: signed(16, 11),
        hidden,
    };
    let (w_b, w_c) = (ternary(&mut rng, (r, units), 0.5), ternary(&mut rng, (symbols, r), 0.5));
    let dense = spn(&mut rng, "dense_0", r, w_b, w_c, Output::Raw);
    let model = Model {
        name: "characters".into(),
        input: Edge { shape: vec![1], format: Format { signed: false, bits, frac: 0 } },
        layers: vec![
            Layer::Embedding(Embedding { name: "embedding_0".into(), table, format: x }),
            Layer::Recurrent(lstm),
            Layer::Dense(dense),
        ],
        provenance: Provenance::default(),
    };
    model.validate().expect("it is valid for any sizes");
    model
}
