//! Models that work on images: golden against dense layers, the model file, and what is refused.

use ndarray::{Array1, Array2, arr1};
use strassenc_runtime::model::{
    Activation, Branches, Conv2d, Dense, Edge, Function, Layer, Model, Output, Pool, PoolKind,
    Table, Upsample,
};
use strassenc_runtime::train::fake_quantised;
use strassenc_runtime::{Extent, Format, Join, Shape, golden, model_file};
use strassenc_tests::{headed_model, image_model, inputs, several_model};

/// The convolution as one dense layer over all pixels: a row for every patch and row of W_b, whose
/// pads are not read.
fn flattened(conv: &Conv2d, input: Shape, output: Shape) -> Dense {
    let (r, per_group, ..) = conv.w_b.dim();
    let (c_out, reads, p_h, p_w) = conv.w_c.dim();
    let across = output.width.div_ceil(p_w);
    let patches = output.height.div_ceil(p_h) * across;
    let (step, lead) = (conv.step(), conv.lead());
    let mut w_b = Array2::zeros((patches * r, input.elements()));
    for (((i, c, ky, kx), w), patch) in
        conv.w_b.indexed_iter().flat_map(|entry| (0..patches).map(move |p| (entry, p)))
    {
        let inside = |at: usize, pad: usize, n: usize| at.checked_sub(pad).filter(|i| *i < n);
        let row = inside(patch / across * step.h + ky, lead.h, input.height);
        let column = inside(patch % across * step.w + kx, lead.w, input.width);
        if let Some((y, x)) = row.zip(column) {
            let channel = i / (r / conv.groups) * per_group + c;
            w_b[[patch * r + i, (y * input.width + x) * input.channels + channel]] = *w;
        }
    }
    let mut w_c = Array2::zeros((output.elements(), patches * r));
    let mut bias = Array1::zeros(output.elements());
    for (pixel, c) in (0..output.pixels()).flat_map(|pixel| (0..c_out).map(move |c| (pixel, c))) {
        let (y, x) = (pixel / output.width, pixel % output.width);
        let patch = y / p_h * across + x / p_w;
        let first = if reads < r { c / (c_out / conv.groups) * reads } else { 0 };
        for i in 0..reads {
            w_c[[pixel * c_out + c, patch * r + first + i]] = conv.w_c[[c, i, y % p_h, x % p_w]];
        }
        bias[pixel * c_out + c] = conv.bias[[c, y % p_h, x % p_w]];
    }
    let tiled = |row: &Array1<i32>| (0..patches).flat_map(|_| row.to_vec()).collect();
    let everywhere = |row: &Array1<i32>| (0..output.pixels()).flat_map(|_| row.to_vec()).collect();
    Dense {
        name: conv.name.clone(),
        budget: patches * r,
        w_b,
        coefficients: tiled(&conv.coefficients),
        coefficient_bits: conv.coefficient_bits,
        coefficient_shifts: tiled(&conv.coefficient_shifts),
        product_frac: conv.product_frac,
        w_c,
        bias,
        output: match &conv.output {
            Output::Raw => Output::Raw,
            Output::Requantised { shifts, format } => {
                Output::Requantised { shifts: everywhere(shifts), format: *format }
            }
        },
    }
}

#[test]
fn a_convolution_is_the_dense_layer_with_its_zeros_and_repetitions() {
    let mut seen = [0; 7];
    for seed in 0..600 {
        let model = image_model(seed);
        let Layer::Conv2d(conv) = &model.layers[0] else { continue };
        let (output, format) = model.layers[0].yields(model.input()).unwrap();
        let dense = Model {
            layers: vec![Layer::Dense(flattened(conv, model.input().0, output))],
            input: Edge { shape: vec![model.input.elements()], format: model.input.format },
            ..model.clone()
        };
        assert!(matches!(conv.output, Output::Raw) || format.bits <= 8);
        seen[0] += usize::from(conv.patch() != Extent::ONE);
        seen[1] += usize::from(conv.depthwise());
        seen[2] += usize::from(conv.groups > 1 && !conv.depthwise());
        seen[3] += usize::from(conv.stride.w > 1 && conv.pad.w > 0);
        seen[4] += usize::from(conv.kernel().is_some_and(|k| k.h != k.w));
        seen[5] += usize::from(conv.patch().h != conv.patch().w && conv.stride.h != conv.stride.w);
        seen[6] += usize::from(conv.transposed.is_some());
        for x in inputs(&model, 4, seed) {
            assert_eq!(
                golden::trace(&model, &x).unwrap()[1],
                golden::trace(&dense, &x).unwrap()[1],
                "seed {seed}"
            );
        }
    }
    assert!(seen.iter().all(|n| *n >= 10), "{seen:?}");
}

/// The expected values are worked out as a person would: pads below every value, sums with more
/// bits, branches of different frac.
#[test]
fn pooling_and_branches_by_hand() {
    let format = Format { signed: true, bits: 4, frac: 1 };
    let mut model = image_model(0);
    model.input = Edge { shape: vec![3, 2], format };
    let pool = |kind| {
        Layer::Pool(Pool {
            name: "pool".into(),
            kind,
            size: Extent::square(2),
            stride: Extent::square(2),
            pad: Extent::ONE,
        })
    };
    let x = [-8, -2, -3, -4, -5, -6];
    let edge = model.input();
    for (kind, expected, bits, frac) in
        [(PoolKind::Max, [-8, -2, -3, -4], 4, 1), (PoolKind::Sum, [-8, -2, -8, -10], 6, 3)]
    {
        let layer = pool(kind);
        let yields = layer.yields(edge).unwrap();
        assert_eq!(
            yields,
            (Shape { height: 2, width: 2, channels: 1 }, Format { signed: true, bits, frac })
        );
        model.layers = vec![layer];
        assert_eq!(golden::infer(&model, &x).unwrap(), expected);
    }

    // The body doubles at frac 3, the shortcut is x at frac 1: z = round((2x + 4x) / 4), saturated
    // to 4 bits.
    let conv = Conv2d {
        name: "double".into(),
        budget: 1,
        w_b: ndarray::Array4::ones((1, 1, 1, 1)),
        coefficients: arr1(&[2]),
        coefficient_bits: 3,
        coefficient_shifts: arr1(&[0]),
        product_frac: 3,
        w_c: ndarray::Array4::ones((1, 1, 1, 1)),
        bias: ndarray::Array3::zeros((1, 1, 1)),
        stride: Extent::ONE,
        pad: Extent::square(0),
        transposed: None,
        groups: 1,
        output: Output::Requantised {
            shifts: arr1(&[0]),
            format: Format { signed: true, bits: 8, frac: 3 },
        },
    };
    let joined = |join| {
        let (body, shortcut) = (vec![Layer::Conv2d(conv.clone())], vec![]);
        vec![Layer::Branches(Branches { name: "joined".into(), body, shortcut, join, format })]
    };
    let x = [1, 3, -1, 5, -8, 7];
    model.layers = joined(Join::Add);
    assert_eq!(golden::infer(&model, &x).unwrap(), [2, 5, -1, 7, -8, 7]);
    // Pixel by pixel round(2x / 4), then x itself.
    model.layers = joined(Join::Concat);
    let side_by_side = [1, 1, 2, 3, 0, -1, 3, 5, -4, -8, 4, 7];
    assert_eq!(golden::infer(&model, &x).unwrap(), side_by_side);
    let yields = model.layers[0].yields(edge).unwrap();
    assert_eq!(yields, (Shape { height: 3, width: 2, channels: 2 }, format));
}

/// Each pixel twice down, and three times across; channels stay together.
#[test]
fn upsampling_by_hand() {
    let format = Format { signed: true, bits: 4, frac: 1 };
    let mut model = image_model(0);
    model.input = Edge { shape: vec![2, 1, 2], format };
    let size = Extent { h: 2, w: 3 };
    model.layers = vec![Layer::Upsample(Upsample { name: "upsample".into(), size })];
    let yields = model.layers[0].yields(model.input()).unwrap();
    assert_eq!(yields, (Shape { height: 4, width: 3, channels: 2 }, format));
    let (a, b) = ([1, 2, 1, 2, 1, 2], [-3, 4, -3, 4, -3, 4]);
    assert_eq!(golden::infer(&model, &[1, 2, -3, 4]).unwrap(), [a, a, b, b].concat());
}

/// What is above `max` becomes that; below 0, round(x / 4), half up, or the other half of a table.
#[test]
fn activations_by_hand() {
    let signed = |bits, frac| Format { signed: true, bits, frac };
    let unsigned = Format { signed: false, bits: 4, frac: 3 };
    let x = [-8, -7, -6, -2, -1, 0, 3, 7];
    let table = Table { values: arr1(&[4, 5, 6, 7, 8, 8, 8, 7]), frac: 3 };
    for (function, format, due) in [
        (Function::Clip { max: 2 }, signed(4, 1), [-8, -7, -6, -2, -1, 0, 2, 2]),
        (Function::Leaky { shift: 2 }, signed(4, 1), [-2, -2, -1, 0, 0, 0, 3, 7]),
        (Function::Sigmoid(table.clone()), unsigned, [1, 1, 0, 2, 3, 4, 7, 7]),
        (Function::Tanh(table), signed(5, 3), [-7, -7, -8, -6, -5, 4, 7, 7]),
    ] {
        let mut model = image_model(0);
        model.input = Edge { shape: vec![2, 2, 2], format: signed(4, 1) };
        let name = "activation".into();
        model.layers = vec![Layer::Activation(Activation { name, function })];
        let yields = model.layers[0].yields(model.input()).unwrap();
        assert_eq!(yields, (Shape { height: 2, width: 2, channels: 2 }, format));
        assert_eq!(golden::infer(&model, &x).unwrap(), due);
    }
}

/// Every pixel that enters adds its kernel to the output, `stride` pixels from one to the next, and
/// `pad` are cut away: golden, the dataflow and this, by the definition.
#[test]
fn transposed_convolutions_scatter() {
    let format = Format { signed: true, bits: 6, frac: 0 };
    let (c_in, c_out) = (2, 3);
    for (k, s, pad, image) in [
        (Extent::square(2), Extent::square(2), Extent::square(0), (2, 3)),
        (Extent::square(3), Extent::square(2), Extent::ONE, (3, 2)),
        (Extent::square(4), Extent::square(2), Extent::ONE, (1, 3)),
        (Extent { h: 5, w: 8 }, Extent { h: 3, w: 4 }, Extent { h: 1, w: 2 }, (2, 2)),
        (Extent { h: 1, w: 3 }, Extent { h: 1, w: 3 }, Extent { h: 0, w: 0 }, (1, 4)),
    ] {
        // A product for each element of a window, so that W_c is the kernel.
        let before = |k: usize, s: usize, pad: usize| (k - 1 - pad) / s;
        let (before_y, before_x) = (before(k.h, s.h, pad.h), before(k.w, s.w, pad.w));
        let window =
            Extent { h: before_y + 1 + pad.h.div_ceil(s.h), w: before_x + 1 + pad.w.div_ceil(s.w) };
        let entry =
            |c: usize, o: usize, y: usize, x: usize| ((c + 2 * o + y * 5 + x) % 3) as i8 - 1;
        let r = c_in * window.area();
        let tap = |i: usize| (i / window.area(), i / window.w % window.h, i % window.w);
        let conv = Conv2d {
            name: "transposed".into(),
            budget: r,
            w_b: ndarray::Array4::from_shape_fn((r, c_in, window.h, window.w), |(i, c, y, x)| {
                i8::from(tap(i) == (c, y, x))
            }),
            coefficients: ndarray::Array1::ones(r),
            coefficient_bits: 2,
            coefficient_shifts: ndarray::Array1::zeros(r),
            product_frac: 0,
            w_c: ndarray::Array4::from_shape_fn((c_out, r, s.h, s.w), |(o, i, y, x)| {
                let (c, down, across) = tap(i);
                let of = |at: usize, s: usize, pad: usize, before: usize, tap: usize| {
                    (at + pad + before * s).checked_sub(tap * s)
                };
                let ky = of(y, s.h, pad.h, before_y, down).filter(|ky| *ky < k.h);
                let kx = of(x, s.w, pad.w, before_x, across).filter(|kx| *kx < k.w);
                ky.zip(kx).map_or(0, |(ky, kx)| entry(c, o, ky, kx))
            }),
            bias: ndarray::Array3::zeros((c_out, s.h, s.w)),
            stride: s,
            pad,
            transposed: Some(k),
            groups: 1,
            output: Output::Raw,
        };
        let (height, width) = image;
        let input = Edge { shape: vec![height, width, c_in], format };
        let layers = vec![Layer::Conv2d(conv)];
        let model = Model { name: "grows".into(), input, layers, provenance: Default::default() };
        model.validate().unwrap();
        let images = strassenc::lower::lower(&model).unwrap();
        let (out_h, out_w) = (height * s.h, width * s.w);
        for input in inputs(&model, 5, 3) {
            let mut due = vec![0; out_h * out_w * c_out];
            for (i, v) in input.iter().enumerate() {
                let (y, x, c) = (i / c_in / width, i / c_in % width, i % c_in);
                for (ky, kx, o) in (0..k.h).flat_map(|ky| {
                    (0..k.w).flat_map(move |kx| (0..c_out).map(move |o| (ky, kx, o)))
                }) {
                    let at_y = (y * s.h + ky).checked_sub(pad.h).filter(|y| *y < out_h);
                    let at_x = (x * s.w + kx).checked_sub(pad.w).filter(|x| *x < out_w);
                    if let (Some(y), Some(x)) = (at_y, at_x) {
                        due[(y * out_w + x) * c_out + o] += v * i64::from(entry(c, o, ky, kx));
                    }
                }
            }
            assert_eq!(golden::infer(&model, &input).unwrap(), due, "{k} / {s}");
            assert_eq!(strassenc::ir::interpret(&images, &input).unwrap().pop().unwrap(), due);
        }
    }
}

/// A square kernel over one row: what stands above and below it is multiplied by nothing but zeros.
#[test]
fn taps_that_only_see_padding_take_no_additions() {
    let mut model = image_model(0);
    model.input = Edge { shape: vec![1, 5], format: Format { signed: true, bits: 6, frac: 0 } };
    model.layers = vec![Layer::Conv2d(Conv2d {
        name: "row".into(),
        budget: 1,
        w_b: ndarray::Array4::ones((1, 1, 3, 3)),
        coefficients: arr1(&[3]),
        coefficient_bits: 3,
        coefficient_shifts: arr1(&[0]),
        product_frac: 0,
        w_c: ndarray::Array4::ones((1, 1, 1, 1)),
        bias: ndarray::Array3::zeros((1, 1, 1)),
        stride: Extent::ONE,
        pad: Extent::ONE,
        transposed: None,
        groups: 1,
        output: Output::Raw,
    })];
    let images = strassenc::lower::lower(&model).unwrap();
    let (_, w_b) = images.layers[0].kernel().unwrap().chain.matrices().next().unwrap();
    assert_eq!(w_b.row(0).to_vec(), [0, 0, 0, 1, 1, 1, 0, 0, 0]);
    for x in inputs(&model, 20, 1) {
        let computed = strassenc::ir::interpret(&images, &x).unwrap().pop().unwrap();
        assert_eq!(computed, golden::infer(&model, &x).unwrap());
    }
}

/// The network that trains, in doubles of real values, is the one of golden's integers.
#[test]
fn fake_quantised_images_are_golden_s() {
    for seed in 0..300 {
        let model = match seed % 4 {
            1 => several_model(seed),
            3 => headed_model(seed),
            _ => image_model(seed),
        };
        let vectors = inputs(&model, 6, seed);
        let units: Vec<f64> = (model.columns().into_iter())
            .flat_map(|(n, format)| std::iter::repeat_n(2f64.powi(-format.frac), n))
            .collect();
        let x = Array2::from_shape_fn((vectors.len(), units.len()), |(i, j)| {
            vectors[i][j] as f64 * units[j]
        });
        let y = fake_quantised(&model, x.view()).unwrap();
        let up: Array1<f64> =
            model.output_fracs().into_iter().map(|frac| 2f64.powi(frac)).collect();
        for (vector, y) in vectors.iter().zip(y.rows()) {
            let integers: Vec<f64> =
                golden::infer(&model, vector).unwrap().iter().map(|v| *v as f64).collect();
            assert_eq!((&y * &up).to_vec(), integers, "seed {seed}");
        }
    }
}

#[test]
fn files_hold_images_and_what_is_wrong_is_named() {
    for seed in 0..100 {
        let model = match seed % 4 {
            1 => several_model(seed),
            3 => headed_model(seed),
            _ => image_model(seed),
        };
        assert_eq!(model_file::from_bytes(&model_file::to_bytes(&model).unwrap()).unwrap(), model);
    }
    let model = (0..)
        .map(image_model)
        .find(|m| matches!(&m.layers[0], Layer::Conv2d(c) if c.patch().w > 1))
        .unwrap();
    type Edit = fn(&mut Conv2d);
    let edits: [(Edit, &str); 9] = [
        (|c| c.w_b[[0, 0, 0, 0]] = 2, "w_b: the value 2 at [0, 0, 0, 0] is not ternary"),
        (|c| c.w_c[[0, 0, 0, 1]] = -3, "w_c: the value -3 at [0, 0, 0, 1] is not ternary"),
        (|c| c.groups = 9, "w_b: takes 9 groups"),
        (|c| c.groups = 0, "w_b: takes 0 groups"),
        (|c| c.pad = Extent::square(40), "is not less than the window's size"),
        (|c| c.stride = Extent { h: 1, w: 0 }, "stride: 0 is not within"),
        (|c| c.budget = 0, "more than the budget of 0"),
        (|c| c.bias = ndarray::Array3::zeros((1, 1, 1)), "bias: has shape [1, 1, 1]"),
        (|c| c.coefficients = arr1(&[]), "coefficients: has 0 entries"),
    ];
    for (edit, told) in edits {
        let mut model = model.clone();
        let Layer::Conv2d(conv) = &mut model.layers[0] else { unreachable!() };
        edit(conv);
        let error = model_file::to_bytes(&model).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn what_is_wrong_with_branches_is_named() {
    let concats = |model: &Model| {
        let is_concat = |layer: &Layer| match layer {
            Layer::Branches(b) => {
                b.join == Join::Concat && matches!(b.body[..], [Layer::Conv2d(_)])
            }
            _ => false,
        };
        is_concat(&model.layers[0]) && model.input().0.height > 1
    };
    let model = (0..).map(image_model).find(concats).unwrap();
    type Edit = fn(&mut Branches);
    let edits: [(Edit, &str); 5] = [
        (|b| b.body.clear(), "body: has no layers"),
        (|b| (b.join, b.body) = (Join::Add, vec![]), "body: does not end with a linear layer"),
        (
            |b| {
                let size = Extent { h: 2, w: 1 };
                let (name, kind, pad) = ("half".into(), PoolKind::Max, Extent::square(0));
                b.shortcut = vec![Layer::Pool(Pool { name, kind, size, stride: size, pad })];
            },
            "shortcut: yields",
        ),
        (|b| b.format.bits = 33, "format"),
        (|b| b.format.frac = 64, "within 2^53"),
    ];
    for (edit, told) in edits {
        let mut model = model.clone();
        let Layer::Branches(branches) = &mut model.layers[0] else { unreachable!() };
        edit(branches);
        let error = model_file::to_bytes(&model).unwrap_err().to_string();
        assert!(error.contains(&format!("layer `{}`", model.layers[0].name())), "{error}");
        assert!(error.contains(told), "{told}: {error}");
    }
}
