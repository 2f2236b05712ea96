//! Fake-quantised evaluation in f64 equals golden integer for integer.

use ndarray::{Array1, Array2, Array3, Array4};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use strassenc_runtime::model::{Conv2d, Dense, Edge, Layer, Model, Output, Provenance};
use strassenc_runtime::{Extent, Format, golden, train};

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
