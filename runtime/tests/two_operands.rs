//! Layers whose operands are both data: their file, what makes them valid, golden's and f64's
//! integers.

use ndarray::{Array2, array};
use strassenc_runtime::model::{Bilinear, Dense, Edge, Layer, Model, Output, Provenance};
use strassenc_runtime::{Format, golden, model_file, train};

/// (a_0 - a_1)·(b_0 + b_1) and a_1·b_0, their sum and their difference, then a dense layer on what
/// is left of them.
fn model() -> Model {
    let format = Format { signed: true, bits: 5, frac: 1 };
    Model {
        name: "small".into(),
        input: Edge { shape: vec![4], format },
        layers: vec![
            Layer::Bilinear(Bilinear {
                name: "product".into(),
                w_a: array![[1, -1], [0, 1]],
                w_b: array![[1, 1], [1, 0]],
                w_c: array![[1, 1], [1, -1]],
                output: Output::Requantised {
                    shifts: array![2, -1],
                    format: Format { bits: 8, ..format },
                },
            }),
            Layer::Dense(Dense {
                name: "last".into(),
                budget: 1,
                w_b: array![[1, -1]],
                coefficients: array![3],
                coefficient_bits: 5,
                coefficient_shifts: array![1],
                product_frac: 4,
                w_c: array![[1]],
                bias: array![9],
                output: Output::Raw,
            }),
        ],
        provenance: Provenance::default(),
    }
}

fn bilinear(model: &mut Model) -> &mut Bilinear {
    let Layer::Bilinear(layer) = &mut model.layers[0] else { unreachable!() };
    layer
}

#[test]
fn the_integers_are_those_of_the_specification() {
    let trace = golden::trace(&model(), &[3, -2, 4, 5]).unwrap();
    // m = [5·9, -2·4]; y = [37, 53]; z = [shift(37, 2), saturate(106)].
    assert_eq!(trace[1..], [vec![9, 106], vec![(3 * (9 - 106) + 1) / 2 + 9]]);
    let trace = golden::trace(&model(), &[-16, 15, -16, -16]).unwrap();
    assert_eq!(trace[1], [127, 127]);
}

#[test]
fn f64_computes_the_same() {
    let model = model();
    let inputs: Vec<[i64; 4]> = (0..200i64)
        .map(|i| [i % 32 - 16, i * 7 % 32 - 16, i * 13 % 32 - 16, i * 5 % 31 - 15])
        .collect();
    let x = Array2::from_shape_fn((200, 4), |(i, j)| inputs[i][j] as f64 / 2.0);
    let y = train::fake_quantised(&model, x.view()).unwrap();
    for (x, y) in inputs.iter().zip(y.outer_iter()) {
        assert_eq!(golden::infer(&model, x).unwrap(), [(y[0] * 16.0) as i64]);
    }
    assert_eq!(model.output_frac(), 4);
}

#[test]
fn a_file_round_trips() {
    let model = model();
    let bytes = model_file::to_bytes(&model).unwrap();
    assert_eq!(model_file::from_bytes(&bytes).unwrap(), model);
    assert_eq!(model_file::to_bytes(&model).unwrap(), bytes);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(r#"{\"kind\":\"bilinear\",\"name\":\"product\",\"output\":"#), "{text}");
    assert!(text.contains("product.w_a") && !text.contains("product.bias"), "{text}");
}

#[test]
fn what_is_not_a_layer_is_refused() {
    let refused = |change: &dyn Fn(&mut Model), needle: &str| {
        let mut model = model();
        change(&mut model);
        let error = model.validate().unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
        assert!(model_file::to_bytes(&model).is_err());
    };
    refused(
        &|m| bilinear(m).w_a[[0, 1]] = 2,
        "layer `product`, w_a: the value 2 at [0, 1] is not ternary",
    );
    refused(&|m| bilinear(m).w_b = array![[1, 1]], "w_b: has 1 rows for 2 columns of w_c");
    refused(&|m| m.input.shape = vec![5], "take 2 and 2 inputs, but 5 arrive");
    refused(&|m| bilinear(m).w_a = Array2::zeros((2, 0)), "w_a: takes no inputs");
    refused(&|m| bilinear(m).w_c = Array2::zeros((0, 2)), "w_c: has no outputs");
    refused(
        &|m| bilinear(m).output = Output::Raw,
        "is raw, which only the last layer of the network or of a head may be",
    );
    refused(&|m| m.input.format.frac = 33, "has frac 33, a product would have twice that");
    refused(&|m| m.input.format.bits = 27, "beyond 2^53: a width overflow");
    refused(
        &|m| {
            let mut first = m.layers[0].clone();
            let Layer::Bilinear(layer) = &mut first else { unreachable!() };
            (layer.name, layer.w_a, layer.w_b) =
                ("second".into(), array![[1], [1]], array![[1], [1]]);
            m.layers.insert(1, first);
        },
        "layer `second`, kind: is bilinear, which only the first layer may be",
    );
}
