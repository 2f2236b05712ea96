//! Fake-quantised evaluation in f64 equals golden integer for integer.

use ndarray::{Array1, Array2, Array3, Array4};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc_runtime::model::{
    Branches, Conv2d, Dense, Edge, Last, Layer, Model, Output, Provenance, Recurrent, Reverse,
    Table,
};
use strassenc_runtime::{Along, Cell, Extent, Format, Join, golden, train};

fn format() -> impl Strategy<Value = Format> {
    (any::<bool>(), 1..=12u32, -4..=12i32).prop_map(|(signed, bits, frac)| Format {
        signed,
        bits,
        frac,
    })
}

fn ternary(rows: usize, columns: usize) -> impl Strategy<Value = Array2<i8>> {
    prop::collection::vec(-1..=1i8, rows * columns)
        .prop_map(move |v| Array2::from_shape_vec((rows, columns), v).unwrap())
}

fn array<T: std::fmt::Debug + Clone>(
    n: usize,
    entry: impl Strategy<Value = T>,
) -> impl Strategy<Value = Array1<T>> {
    prop::collection::vec(entry, n).prop_map(Array1::from)
}

/// A layer whose shifts reach to both ends of what a valid model may hold.
fn dense(index: usize, n_in: usize, n_out: usize, last: bool) -> impl Strategy<Value = Layer> {
    (0..6usize, 2..=25u32).prop_flat_map(move |(r, bits)| {
        let limit = (1 << (bits - 1)) - 1;
        let shift = || prop_oneof![8 => -2..=20i32, 1 => -31..=62];
        let output = (array(n_out, shift()), format()).prop_map(move |(shifts, format)| {
            if last { Output::Raw } else { Output::Requantised { shifts, format } }
        });
        (
            (ternary(r, n_in), ternary(n_out, r), array(r, -limit..=limit), array(r, shift())),
            (
                -8..=16i32,
                array(n_out, prop_oneof![-1000..=1000i64, -(1 << 45)..=1i64 << 45]),
                output,
            ),
        )
            .prop_map(
                move |(
                    (w_b, w_c, coefficients, coefficient_shifts),
                    (product_frac, bias, output),
                )| {
                    Layer::Dense(Dense {
                        name: format!("dense_{index}"),
                        budget: r,
                        w_b,
                        coefficients,
                        coefficient_bits: bits,
                        coefficient_shifts,
                        product_frac,
                        w_c,
                        bias,
                        output,
                    })
                },
            )
    })
}

fn model() -> impl Strategy<Value = Model> {
    (prop::collection::vec(1..6usize, 2..5), format()).prop_flat_map(|(sizes, format)| {
        let layers: Vec<_> = (1..sizes.len())
            .map(|i| dense(i, sizes[i - 1], sizes[i], i + 1 == sizes.len()))
            .collect();
        layers.prop_map(move |layers| Model {
            name: "random".into(),
            input: Edge { shape: vec![sizes[0]], format },
            layers,
            provenance: Provenance::default(),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        max_global_rejects: 20000,
        rng_seed: RngSeed::Fixed(3),
        ..ProptestConfig::default()
    })]

    #[test]
    fn equals_golden(model in model(), seeds in prop::collection::vec(any::<u64>(), 40)) {
        prop_assume!(model.validate().is_ok());
        let f = model.input.format;
        let n = model.input.elements();
        // Both ends of the input's range, and anything between.
        let value = |s: u64| match s % 4 {
            0 => f.min(),
            1 => f.max(),
            _ => f.min() + ((s >> 2) % (f.max() - f.min() + 1) as u64) as i64,
        };
        let sample = |seeds: &[u64]| -> Vec<i64> { seeds.iter().map(|&s| value(s)).collect() };
        let samples: Vec<Vec<i64>> = seeds.chunks_exact(n).map(sample).collect();
        let x = Array2::from_shape_fn((samples.len(), n), |(i, j)| {
            samples[i][j] as f64 * 2f64.powi(-f.frac)
        });
        let y = train::fake_quantised(&model, x.view()).unwrap();
        let Some(Layer::Dense(last)) = model.layers.last() else { unreachable!() };
        for (sample, y) in samples.iter().zip(y.rows()) {
            let integers = golden::infer(&model, sample).unwrap();
            let integers: Vec<f64> = integers.iter().map(|&v| v as f64).collect();
            prop_assert_eq!(y.mapv(|v| v * 2f64.powi(last.product_frac)).to_vec(), integers);
        }
    }
}

/// All rows of a layer may be dead, and then none is left.
#[test]
fn a_convolution_without_rows_yields_its_bias() {
    let conv = Conv2d {
        name: "conv_0".into(),
        budget: 2,
        w_b: Array4::zeros((0, 1, 1, 2)),
        coefficients: Array1::default(0),
        coefficient_bits: 8,
        coefficient_shifts: Array1::default(0),
        product_frac: 3,
        w_c: Array4::zeros((2, 0, 1, 1)),
        bias: Array3::from_shape_vec((2, 1, 1), vec![5, -7]).unwrap(),
        output: Output::Raw,
        stride: Extent::ONE,
        pad: Extent::square(0),
        transposed: None,
        groups: 1,
    };
    let format = Format { signed: false, bits: 4, frac: 0 };
    let model = Model {
        name: "dead".into(),
        input: Edge { shape: vec![1, 4, 1], format },
        layers: vec![Layer::Conv2d(conv)],
        provenance: Provenance::default(),
    };
    let due = [5, -7].repeat(3);
    assert_eq!(golden::infer(&model, &[1, 2, 3, 4]).unwrap(), due);
    let y = train::fake_quantised(&model, Array2::ones((2, 4)).view()).unwrap();
    for row in y.rows() {
        assert_eq!(row.mapv(|v| (v * 8.0) as i64).to_vec(), due);
    }
}

fn drawn(rng: &mut ChaCha8Rng, bits: std::ops::RangeInclusive<u32>) -> Format {
    Format { signed: true, bits: rng.random_range(bits), frac: rng.random_range(-2..=10) }
}

fn linear(rng: &mut ChaCha8Rng, name: String, [w_b, w_c]: [Array2<i8>; 2], raw: bool) -> Dense {
    let (r, n) = (w_b.nrows(), w_c.nrows());
    let mut all = |n: usize, low: i32, high: i32| -> Array1<i32> {
        (0..n).map(|_| rng.random_range(low..=high)).collect()
    };
    let coefficients = all(r, -127, 127);
    let (coefficient_shifts, shifts) = (all(r, -1, 9), all(n, -1, 6));
    let bias = all(n, -300, 300).mapv(i64::from);
    let format = drawn(rng, 4..=9);
    Dense {
        name,
        budget: r,
        w_b,
        coefficients,
        coefficient_bits: 8,
        coefficient_shifts,
        product_frac: rng.random_range(-2..=12),
        w_c,
        bias,
        output: if raw { Output::Raw } else { Output::Requantised { shifts, format } },
    }
}

/// A recurrent layer or two along a row, at times beside what they read, reversed, often their last
/// pixel, and a dense layer.
fn along_a_row(rng: &mut ChaCha8Rng) -> Model {
    let ternary = |rng: &mut ChaCha8Rng, rows: usize, columns: usize| {
        Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1..=1i8))
    };
    let (pixels, channels) = (rng.random_range(2..=6), rng.random_range(1..=3));
    let (mut n_in, mut layers) = (channels, vec![]);
    for i in 0..rng.random_range(1..=2) {
        let (n, r) = (rng.random_range(1..=3), rng.random_range(1..=8));
        let kind = [Cell::Lstm, Cell::Gru][rng.random_range(0..2usize)];
        let mut w_b = ternary(rng, r, n_in + n);
        let mut w_c = ternary(rng, 4 * n, r);
        for row in 0..r {
            // It reads x or h, and is in n_x or in n_h.
            let of_x = rng.random::<bool>();
            let (others, gate) = if of_x { (n_in..n_in + n, 3) } else { (0..n_in, 2) };
            others.for_each(|j| w_b[[row, j]] = 0);
            if kind == Cell::Gru {
                (gate * n..(gate + 1) * n).for_each(|c| w_c[[c, row]] = 0);
            }
        }
        let gates = linear(rng, format!("recurrent_{i}"), [w_b, w_c], false);
        let Output::Requantised { format: gate, .. } = gates.output else { unreachable!() };
        let recurrent = Layer::Recurrent(Recurrent {
            kind,
            along: Along::Pixels,
            gates,
            sigmoid: Table::of_sigmoid(gate, rng.random_range(1..=10)),
            tanh: Table::of_tanh(gate, rng.random_range(1..=10)),
            cell: drawn(rng, 4..=14),
            hidden: drawn(rng, 2..=9),
        });
        if rng.random_ratio(1, 4) {
            let reverse = Layer::Reverse(Reverse { name: format!("reverse_{i}") });
            layers.push(Layer::Branches(Branches {
                name: format!("concat_{i}"),
                body: vec![recurrent],
                shortcut: vec![reverse],
                join: Join::Concat,
                format: drawn(rng, 2..=9),
            }));
            n_in += n;
        } else {
            layers.push(recurrent);
            n_in = n;
        }
    }
    let mut elements = pixels * n_in;
    if rng.random() {
        layers.push(Layer::Last(Last { name: "last_0".into() }));
        elements = n_in;
    }
    let matrices = [ternary(rng, 5, elements), ternary(rng, 3, 5)];
    layers.push(Layer::Dense(linear(rng, "dense_0".into(), matrices, true)));
    let format = Format { signed: rng.random(), ..drawn(rng, 1..=8) };
    Model {
        name: "row".into(),
        input: Edge { shape: vec![1, pixels, channels], format },
        layers,
        provenance: Provenance::default(),
    }
}

/// Whatever the formats of gates, states and tables are, as far as they can be aligned.
#[test]
fn recurrent_layers_along_a_row_equal_golden() {
    let mut moved = 0;
    let models = (0..6000).map(|seed| along_a_row(&mut ChaCha8Rng::seed_from_u64(seed)));
    for (seed, model) in models.enumerate().filter(|(_, model)| model.validate().is_ok()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let f = model.input.format;
        let samples = Array2::from_shape_simple_fn((4, model.input.elements()), || {
            let ends = [f.min(), f.max(), rng.random_range(f.min()..=f.max())];
            ends[rng.random_range(0..3usize)]
        });
        let x = samples.mapv(|v| v as f64 * 2f64.powi(-f.frac));
        let y = train::fake_quantised(&model, x.view()).unwrap();
        let unit = 2f64.powi(model.output_frac());
        for (sample, y) in samples.rows().into_iter().zip(y.rows()) {
            let due = golden::infer(&model, &sample.to_vec()).unwrap();
            assert_eq!(y.mapv(|y| (y * unit) as i64).to_vec(), due, "seed {seed}");
        }
        moved += usize::from((0..4).any(|i| y.row(i) != y.row(0)));
    }
    assert!(moved > 500, "{moved} models yield more than one thing");
}
