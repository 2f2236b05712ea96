use super::*;
use crate::data::Values;
use crate::golden;
use crate::network::Quantiser;
use crate::train::image::float::tests::{activated, growing, headed, oblong, several, signals};
use ndarray::array;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NETWORK: &str = "name = \"t\"\ninput = { shape = [9], bits = 8, frac = 8 }\nlayers = [\
    { dense = { units = 8, r = 12 } }, \"relu\", { dense = { units = 7, r = 9 } }, \"relu\", \
    { dense = { units = 3, r = 8 } }]\nbits = { activations = 16, coefficients = 20, guard = 8 }";

/// Every kind of layer.
const IMAGES: &str = r#"name = "t"
input = { shape = [7, 6, 2], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 4, kernel = 3, pad = 1, r = 9, p = 2 } },
    "relu",
    { max_pool = { size = 3, stride = 2, pad = 1 } },
    { residual = { body = [
        { conv2d = { channels = 4, kernel = 3, pad = 1, groups = 4, r = 8, p = 2 } },
        "relu",
        { conv2d = { channels = 4, kernel = 1, plain = true } },
    ] } },
    "relu",
    { residual = { body = [
        { conv2d = { channels = 3, kernel = 3, stride = 2, pad = 1, groups = 2, r = 8, p = 2 } },
    ], shortcut = [
        { average_pool = { size = 2, stride = 1 } },
        { conv2d = { channels = 3, kernel = 2, stride = 2, pad = 1 } },
    ] } },
    { upsample = 2 },
    { average_pool = { size = 3, pad = 1, stride = 1 } },
    { dense = { units = 3, r = 5 } },
]
"#;

/// A ternary network with statistics of random samples, and the samples.
fn ternary(rng: &mut ChaCha8Rng, network: &Network, live: usize) -> (Float<f32>, Array2<f32>) {
    let mut float = Float::new(network, live, rng);
    float.begin_ternary(network);
    for layer in float.trained_mut() {
        for (name, p, _) in layer.parts().0 {
            if !name.contains("w_") {
                p.value.mapv_inplace(|v| v + rng.random::<f32>() - 0.7);
            }
        }
    }
    let x = Array2::from_shape_simple_fn((300, live), || f32::from(rng.random::<u8>()) / 256.0);
    float.calibrate(x.view());
    (float, x)
}

/// Both compute the same of these samples, within a hundredth of the largest output.
fn assert_same(
    frozen: &Frozen,
    float: &Float<f32>,
    network: &Network,
    x: ArrayView2<f32>,
    place: &str,
) {
    let (exact, float) = (frozen.evaluate(&network.columns(), x), float.evaluate(x));
    let worst =
        Zip::from(&exact).and(&float).fold(0.0f64, |w, &e, &f| w.max((e - f64::from(f)).abs()));
    let spread = float.fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(worst < 1e-2 * f64::from(spread), "{place}: {worst} of {spread}");
}

/// With many bits, folding changes nothing but the powers of two, which the last layer's norm makes
/// up for where there is one channel only.
#[test]
fn folding_keeps_the_function_where_bits_are_plenty() {
    let text = NETWORK.replace("units = 8", "units = 1").replace("units = 7", "units = 1");
    let network = Network::parse("t", &text).unwrap();
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (float, x) = ternary(&mut rng, &network, 9);
        let frozen = fold(&float, &network, x.view());
        assert_same(&frozen, &float, &network, x.view(), &format!("seed {seed}"));
    }
}

/// Along rows h is that of the float network, but for what the steps of the tables are.
#[test]
fn gates_keep_the_function_of_their_layer() {
    let mut network = signals();
    let bits = &mut network.bits;
    (bits.activations, bits.coefficients, bits.guard, bits.gates, bits.cell) = (16, 20, 8, 14, 24);
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (float, _) = ternary(&mut rng, &network, network.elements());
        for (step, layer) in network.trained().iter().zip(float.trained()) {
            let Layer::Recurrent(rows) = layer else { continue };
            let elements = step.input.elements();
            let x = Array2::from_shape_simple_fn((20, elements), || {
                f32::from(rng.random::<i8>()) / 64.0
            });
            let gates = fold_gates(&rows.layer, &network.bits, 6);
            let state = Units::state_of(rows.layer.cell(), &network.bits, 8.0);
            let steps = Steps::of(Units::new(rows.layer.cell(), &network.bits, state), gates, step);
            let mut h = Array2::zeros((20, step.output.elements()));
            steps.forward(x.mapv(f64::from).view(), &mut Passed::default(), &mut h);
            let due = rows.evaluate(x.view());
            let worst =
                Zip::from(&h).and(&due).fold(0.0f64, |w, h, d| w.max((h - f64::from(*d)).abs()));
            assert!(worst < 5e-3, "seed {seed}, {}: {worst}", step.name);
        }
    }
}

/// Nor where every channel has its products to itself: with the identity as W_c, and depthwise.
#[test]
fn folding_keeps_the_function_of_channels_that_share_no_product() {
    let bits = "bits = { activations = 16, coefficients = 20, guard = 8 }";
    let plain = NETWORK.replace(", r = 12", "").replace(", r = 9", "").replace(", r = 8", "")
        + "\n[spn]\nplain = true\n";
    let depthwise = "name = \"t\"\ninput = { shape = [5, 4, 3], bits = 8, frac = 8 }\nlayers = [
        { conv2d = { channels = 3, kernel = 3, pad = 1, groups = 3, r = 9, p = 2 } },
        \"relu\",
        { conv2d = { channels = 4, kernel = 2, plain = true } },
        \"relu\",
        { dense = { units = 3, r = 8 } }]\n";
    for (text, seed) in [(plain, 0), (depthwise.to_string() + bits, 1)]
        .iter()
        .flat_map(|t| [(&t.0, t.1), (&t.0, 2)])
    {
        let network = Network::parse("t", text).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (float, x) = ternary(&mut rng, &network, network.elements());
        let frozen = fold(&float, &network, x.view());
        assert!(
            frozen.layers().any(|layer| layer.exponents().iter().any(|e| *e != 0)),
            "scales of many sizes"
        );
        assert_same(&frozen, &float, &network, x.view(), &format!("{text}, seed {seed}"));
    }
}

/// A product that two channels read belongs to none, nor do the others that those read.
#[test]
fn channels_alone() {
    let w_c =
        array![[1.0, 0.0, 0.0, 0.0, -1.0], [0.0, 1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]];
    assert_eq!(only_readers(&w_c, (1, 3)), [Some(0), None, None, None, Some(0)]);
    // Two pixels of three channels share what reads only the same channel; of a depthwise layer
    // each has products of its own.
    let pixels = array![[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, -1.0]];
    assert_eq!(only_readers(&pixels, (1, 3)), [Some(0), Some(2)]);
    assert_eq!(only_readers(&pixels, (3, 3)), [Some(0), None, None, None, None, Some(2)]);
}

/// Where the output norms' scales are powers of two, folding changes nothing at all: of every
/// quantiser, over vectors and over images, with patches, groups, depthwise layers and both signs
/// of scales.
#[test]
fn folding_keeps_the_function_of_every_quantiser() {
    let bits = "bits = { activations = 16, coefficients = 20, guard = 8 }";
    let images = format!("{IMAGES}{bits}");
    for quantiser in [Quantiser::Twn, Quantiser::Fixed, Quantiser::Row] {
        for (text, seed) in [(NETWORK, 0), (NETWORK, 1), (&images, 2), (&images, 3)] {
            let mut network = Network::parse("t", text).unwrap();
            network.train.quantiser = quantiser;
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut float, x) = ternary(&mut rng, &network, network.elements());
            float.each_layer(x.view(), |spn, x| {
                spn.calibrate(x);
                let Some((scale, norm)) = &mut spn.output else { return };
                for (c, (scale, variance)) in scale.value.iter_mut().zip(&norm.variance).enumerate()
                {
                    let power = [0.5, -1.0, 1.0, 2.0][c % 4];
                    *scale = power * (variance + EPSILON as f32).sqrt();
                }
            });
            let frozen = fold(&float, &network, x.view());
            assert_same(
                &frozen,
                &float,
                &network,
                x.view(),
                &format!("{quantiser:?}, seed {seed}"),
            );
        }
    }
}

/// Activations are layers of the model: golden computes what is trained, and what is read of the
/// model is the same.
#[test]
fn activations_are_the_model_s() {
    for (seed, activations) in [(1, 1), (2, 3), (3, 8), (4, 16)] {
        let mut network = activated();
        network.bits.activations = activations;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut float, x) = ternary(&mut rng, &network, 40);
        // So that all that is clipped is positive at times.
        for layer in float.trained_mut() {
            let biases = layer.parts().0.into_iter().filter(|(name, ..)| name == "bias");
            biases.for_each(|(_, p, _)| p.value += 0.7);
        }
        let frozen = fold(&float, &network, x.view());
        let live: Vec<usize> = (0..40).collect();
        let model = to_model(&network, &live, &frozen, Provenance::default());
        model.validate().unwrap();
        let expected = frozen.evaluate(&network.columns(), x.view());
        let read = crate::train::image::exact::outputs(&model, x.mapv(f64::from).view()).unwrap();
        assert_eq!(read, expected);
        let unit = 2f64.powi(model.output_frac());
        for (x, y) in x.rows().into_iter().zip(expected.rows()).take(20) {
            let input: Vec<i64> = x.iter().map(|x| (x * 256.0) as i64).collect();
            let due = golden::infer(&model, &input).unwrap();
            assert_eq!(y.mapv(|y| (y * unit) as i64).to_vec(), due, "{activations} bits");
        }
        if activations < 8 {
            continue;
        }
        // 6 and 0.75 in the formats that their values suit, and tables in that of gates.
        let clips = |layers: &[model::Layer]| {
            let clip = |layer: &model::Layer| match layer {
                model::Layer::Activation(model::Activation {
                    name,
                    function: model::Function::Clip { max },
                }) => Some((name.clone(), *max)),
                _ => None,
            };
            layers.iter().filter_map(clip).collect::<Vec<_>>()
        };
        let format = |node: usize| frozen.nodes[node].kind.requantised().unwrap();
        let [of_sum, of_dense] = [format(5), format(16)];
        let due = |m: f64, f: Format| ((m * 2f64.powi(f.frac)).round() as i64).min(f.max());
        let due = [("act_2", due(0.75, of_sum)), ("act_7", due(6.0, of_dense))];
        assert_eq!(clips(&model.layers), due.map(|(name, max)| (name.to_owned(), max)));
        assert!(!of_sum.signed && !of_dense.signed);
        assert_eq!(format(2), Units::gate_of(&network.bits));
    }
}

/// What is cut off above 0.75 needs no room.
#[test]
fn a_clip_makes_its_format_finer() {
    let network = activated();
    let mut steps = network.plan().unwrap();
    let add = steps.iter_mut().find(|step| step.name == "add_0").unwrap();
    let y = Array2::from_shape_fn((40, 1), |(i, _)| i as f64 * 0.0997 - 1.0);
    let clipped = format_of(&y, false, add, &network.bits);
    add.activation = None;
    let whole = format_of(&y, false, add, &network.bits);
    assert_eq!((clipped.frac, whole.frac), (8, 6));
}

/// Where bits are plenty, they are those of the float network.
#[test]
fn folding_keeps_the_function_of_activations() {
    let text = NETWORK.replace("guard = 8", "guard = 8, gates = 14");
    let text = text.replace("units = 8", "units = 1").replace("units = 7", "units = 1");
    for activation in
        ["\"relu6\"", "{ clipped_relu = 0.5 }", "{ leaky_relu = 2 }", "\"sigmoid\"", "\"tanh\""]
    {
        let network = Network::parse("t", &text.replace("\"relu\"", activation)).unwrap();
        for seed in 0..4 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (float, x) = ternary(&mut rng, &network, 9);
            let frozen = fold(&float, &network, x.view());
            let place = format!("{activation}, seed {seed}");
            assert_same(&frozen, &float, &network, x.view(), &place);
        }
    }
}

/// Whatever becomes of learned scales, the model is valid, golden computes what is trained, and no
/// ReLU opens elsewhere.
#[test]
fn learned_scales_are_the_model_s() {
    for terms in [0, 1, 3] {
        let mut network = Network::parse("t", IMAGES).unwrap();
        (network.train.learn_scales, network.train.quantiser) = (true, Quantiser::Row);
        network.bits.coefficient_terms = terms;
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (float, x) = ternary(&mut rng, &network, 84);
        let mut frozen = fold(&float, &network, x.view());
        let biases = |frozen: &Frozen| {
            frozen.layers().map(|layer| layer.integers().bias).collect::<Vec<_>>()
        };
        let folded = biases(&frozen);
        let mut exponents = vec![];
        for layer in frozen.layers_mut() {
            // They begin where the norm's scale was.
            assert_eq!(layer.exponents(), layer.fixed.exponents);
            let Some(log_scales) = &mut layer.log_scales else { continue };
            for (c, l) in log_scales.value.iter_mut().enumerate() {
                *l += [-1.3, 1e9, -1e9, 0.7][c % 4];
            }
            layer.renew();
            assert_ne!(layer.exponents(), layer.fixed.exponents);
            exponents.extend(layer.exponents());
        }
        assert!(exponents.len() > 10 && biases(&frozen) == folded);
        let model =
            to_model(&network, &(0..84).collect::<Vec<_>>(), &frozen, Provenance::default());
        model.validate().unwrap();
        let model::Layer::Conv2d(first) = &model.layers[0] else { unreachable!() };
        let Output::Requantised { shifts, .. } = &first.output else { unreachable!() };
        assert!(
            shifts.iter().all(|s| (0..=40).contains(s)) && shifts[1] == 0 && shifts[2] == 40,
            "{shifts:?}"
        );
        let digits = |a: i32| (a.abs() ^ (3 * a.abs())).count_ones();
        assert!(terms == 0 || first.coefficients.iter().all(|&a| digits(a) <= terms));
        let expected = frozen.evaluate(&network.columns(), x.view());
        let unit = 2f64.powi(model.output_frac());
        for (x, y) in x.rows().into_iter().zip(expected.rows()).take(20) {
            let input: Vec<i64> = x.iter().map(|x| (x * 256.0) as i64).collect();
            assert_eq!(
                y.mapv(|y| (y * unit) as i64).to_vec(),
                golden::infer(&model, &input).unwrap(),
                "{terms} terms"
            );
        }
    }
}

#[test]
fn removing_what_is_dead_changes_no_output() {
    let network = Network::parse("t", NETWORK).unwrap();
    let live = [0, 2, 3, 4, 6, 7];
    let mut removed = 0;
    for seed in 0..50 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (float, x) = ternary(&mut rng, &network, live.len());
        let mut frozen = fold(&float, &network, x.view());
        // All sorts of dead: a = 0, nobody reads the row, the row reads nothing, nobody reads the
        // unit.
        for (i, layer) in frozen.layers_mut().enumerate() {
            layer.a.value[[0, 1]] = 0.0;
            layer.fixed.w_c.column_mut(2).fill(0.0);
            layer.fixed.w_b.row_mut(3).fill(0.0);
            if i > 0 {
                layer.fixed.w_b.column_mut(5).fill(0.0);
            }
        }
        frozen.layers_mut().for_each(FrozenLayer::rebuild);
        let model = to_model(&network, &live, &frozen, Provenance::default());
        model.validate().unwrap();
        let model::Layer::Dense(first) = &model.layers[0] else { unreachable!() };
        assert!(first.rows() <= 9 && first.outputs() <= 7 && first.budget == 12);
        removed += 8 - first.outputs();
        let expected = frozen.evaluate(&network.columns(), x.view());
        let unit = 2f64.powi(frozen.layers().nth(2).unwrap().fixed.product_frac);
        for (x, y) in x.rows().into_iter().zip(expected.rows()) {
            let mut input = vec![77; 9];
            for (&j, x) in live.iter().zip(x) {
                input[j] = (x * 256.0) as i64;
            }
            let integers = golden::infer(&model, &input).unwrap();
            assert_eq!(y.mapv(|y| (y * unit) as i64).to_vec(), integers);
        }
    }
    assert!(removed >= 50);
}

/// Every kind of layer, with dead rows of W_b, W_c and ã.
#[test]
fn a_model_of_images_computes_what_was_trained() {
    let networks = [Network::parse("t", IMAGES).unwrap(), oblong(), signals(), headed(), growing()];
    for (seed, network) in (0..35).map(|seed| (seed, &networks[seed as usize % 5])) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let elements = network.elements();
        let (float, x) = ternary(&mut rng, network, elements);
        let mut frozen = fold(&float, network, x.view());
        for layer in frozen.layers_mut() {
            layer.a.value[[0, 1]] = 0.0;
            layer.fixed.w_c.column_mut(0).fill(0.0);
            layer.fixed.w_b.row_mut(2).fill(0.0);
            layer.rebuild();
        }
        let model =
            to_model(network, &(0..elements).collect::<Vec<_>>(), &frozen, Provenance::default());
        model.validate().unwrap();
        let (rows, budget) = match &model.layers[0] {
            model::Layer::Conv2d(first) => (first.rows(), first.budget),
            model::Layer::Recurrent(first) => (first.gates.rows(), first.gates.budget),
            _ => unreachable!(),
        };
        assert!(rows + 3 <= budget);
        let expected = frozen.evaluate(&network.columns(), x.view());
        let of_model = crate::train::image::exact::outputs(&model, x.mapv(f64::from).view());
        assert_eq!(of_model.unwrap(), expected, "seed {seed}");
        let units: Array1<f64> =
            model.output_fracs().into_iter().map(|frac| 2f64.powi(frac)).collect();
        for (x, y) in x.rows().into_iter().zip(expected.rows()).take(40) {
            let input: Vec<i64> = x.iter().map(|x| (x * 256.0) as i64).collect();
            let integers = golden::infer(&model, &input).unwrap();
            assert_eq!((&y * &units).mapv(|y| y as i64).to_vec(), integers, "seed {seed}");
        }
    }
}

/// Further inputs are those of the model, each in its own format and order.
#[test]
fn a_model_of_several_inputs_computes_what_was_trained() {
    let network = several();
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (float, x) = ternary(&mut rng, &network, network.elements());
        // Both signs, and beyond what the narrow ones hold.
        let x = Values::from(x.mapv(|v| 6.0 * v - 2.0));
        let reals = x.reals(&network.columns()).unwrap();
        let frozen = fold(&float, &network, reals.mapv(|v| v as f32).view());
        let live: Vec<usize> = (0..network.elements()).collect();
        let model = to_model(&network, &live, &frozen, Provenance::default());
        model.validate().unwrap();
        let inputs = network.inputs();
        assert!(model.inputs().into_iter().eq(inputs.iter().map(|(name, edge)| (*name, edge))));
        let expected = frozen.evaluate(&network.columns(), x.singles().view());
        let of_model = crate::train::image::exact::outputs(&model, x.doubles().view());
        assert_eq!(of_model.unwrap(), expected, "seed {seed}");
        let units: Array1<f64> =
            model.output_fracs().into_iter().map(|frac| 2f64.powi(frac)).collect();
        let integers = x.integers(&model.columns()).unwrap();
        let due = golden::outputs(&model, integers.view(), &|| Ok(())).unwrap();
        assert_eq!((&expected * &units).mapv(|y| y as i64), due, "seed {seed}");
        // Each input says something.
        let mut at = 0;
        for (elements, _) in model.columns() {
            let mut other = integers.clone();
            other.slice_mut(s![.., at..at + elements]).fill(0);
            at += elements;
            assert_ne!(golden::outputs(&model, other.view(), &|| Ok(())).unwrap(), due);
        }
    }
}

#[test]
fn scales_and_fracs_are_the_best_ones() {
    let common = common_scale(&array![3.0, 6.0, 0.75]);
    assert!((common.log2() - 1.5f64.log2()).abs() < 1.0 / 64.0, "{common}");
    let y = Array2::from_shape_fn((100, 1), |(i, _)| i as f64 / 100.0 * 3.9);
    assert_eq!(best_frac(&y, false, 8), 6);
    assert_eq!(best_frac(&y, true, 8), 5);
    // Two of a thousand saturate: finer steps for the others win.
    let mut y = Array2::from_shape_fn((1000, 1), |(i, _)| i as f64 / 1000.0);
    y[[0, 0]] = 1.05;
    assert_eq!(best_frac(&y, false, 4), 4);
    assert_eq!(
        best_frac(&Array2::zeros((3, 1)), false, 8).clamp(-32, 48),
        best_frac(&Array2::zeros((3, 1)), false, 8)
    );
}
