use super::*;
use crate::Kind;
use ndarray::array;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The example of docs/model-format.md.
fn small() -> Model {
    Model {
        name: "small".into(),
        input: Edge { shape: vec![3], format: Format { signed: true, bits: 4, frac: 3 } },
        layers: vec![
            Layer::Dense(Dense {
                name: "hidden".into(),
                budget: 3,
                w_b: array![[1, 0, -1], [0, 1, 1]],
                coefficients: array![5, -7],
                coefficient_bits: 5,
                coefficient_shifts: array![2, -1],
                product_frac: 4,
                w_c: array![[1, 0], [-1, 1]],
                bias: array![13, 1 << 33],
                output: Output::Requantised {
                    shifts: array![1, 30],
                    format: Format { signed: false, bits: 4, frac: 2 },
                },
            }),
            Layer::Dense(Dense {
                name: "last".into(),
                budget: 1,
                w_b: array![[1, -1]],
                coefficients: array![3],
                coefficient_bits: 5,
                coefficient_shifts: array![0],
                product_frac: 4,
                w_c: array![[1], [0]],
                bias: array![0, 9],
                output: Output::Raw,
            }),
        ],
        provenance: Provenance {
            alphabet: None,
            words: None,
            tool: "0.1.0".into(),
            network: None,
            data: Some("digits".into()),
            seed: Some(1),
            metrics: BTreeMap::from([("test_accuracy_float".into(), 0.97)]),
        },
    }
}

fn dense(model: &mut Model, layer: usize) -> &mut Dense {
    let Layer::Dense(dense) = &mut model.layers[layer] else { unreachable!() };
    dense
}

/// A file of the given header and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The parts of a file: its header as JSON text, and its data.
fn parts(bytes: &[u8]) -> (String, Vec<u8>) {
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (String::from_utf8(bytes[8..8 + n].to_vec()).unwrap(), bytes[8 + n..].to_vec())
}

fn refused(bytes: &[u8]) -> String {
    let e = from_bytes(bytes).unwrap_err();
    assert_eq!(e.kind(), Kind::Input, "{e}");
    e.to_string()
}

/// The small model's file with `from` replaced in its header; the header keeps its own hash.
fn header_edited(from: &str, to: &str) -> Vec<u8> {
    let (header, data) = parts(&to_bytes(&small()).unwrap());
    assert!(header.contains(from), "{from} is not in {header}");
    file(&header.replacen(from, to, 1), &data)
}

/// The small model's file with `from` replaced in its document and the hash made to fit again.
fn document_edited(from: &str, to: &str) -> Vec<u8> {
    let bytes = to_bytes(&small()).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = header.metadata().as_ref().unwrap()[KEY].clone();
    assert!(text.contains(from), "{from} is not in {text}");
    let text = text.replacen(from, to, 1);
    let old = sha256(&small()).unwrap();
    let text = text.replace(&old, &hash(&tensors(&small().layers), &text.replace(&old, NO_HASH)));
    let (raw, data) = parts(&bytes);
    let mut raw: serde_json::Value = serde_json::from_str(&raw).unwrap();
    raw["__metadata__"][KEY] = text.into();
    file(&raw.to_string(), &data)
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&small(), &path).unwrap();
    assert_eq!(load(&path).unwrap(), small());
    assert_eq!(std::fs::read(&path).unwrap(), to_bytes(&small()).unwrap());
}

/// The format is a promise to other programs: this hash changes only with `VERSION`.
#[test]
fn the_format_has_not_changed() {
    let bytes = to_bytes(&small()).unwrap();
    let whole: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(whole, "9cd0585772b606d52f57d0157fd40ee16892997c5841d4dc2aeb2f5be7b2b069");
}

/// The example of the specification is this model, word for word and number for number.
#[test]
fn the_specification_is_true() {
    let page = include_str!("../../../docs/model-format.md");
    let json = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (document, hash) = hashed_document(&small(), &tensors(&small().layers)).unwrap();
    let shown: Document = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&shown).unwrap(), document);
    assert!(page.contains(&hash));
    for (input, output) in [([-8, 7, 3], [-24, 9]), ([7, 0, -8], [21, 9]), ([0, 0, 0], [-3, 9])] {
        assert_eq!(crate::golden::infer(&small(), &input).unwrap(), output);
        assert!(page.contains(&format!("x = {input:?}")) && page.contains(&format!("{output:?}")));
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = to_bytes(&small()).unwrap();
    for length in 0..bytes.len() {
        refused(&bytes[..length]);
    }
    refused(&[&bytes[..], &[0]].concat());
}

#[test]
fn every_flipped_byte_is_refused_or_means_nothing() {
    let bytes = to_bytes(&small()).unwrap();
    let mut unnoticed = 0;
    for i in 0..bytes.len() {
        for flip in [0x01, 0x02, 0x10, 0x20, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[i] ^= flip;
            match from_bytes(&flipped) {
                Ok(model) => {
                    assert_eq!(model, small(), "byte {i} flipped with {flip:#x}");
                    unnoticed += 1;
                }
                Err(e) => assert_eq!(e.kind(), Kind::Input, "byte {i} flipped with {flip:#x}: {e}"),
            }
        }
    }
    // Whitespace after the header's JSON may become other whitespace; nothing else goes unnoticed.
    assert!(unnoticed <= 7, "{unnoticed} flips went unnoticed");
}

#[test]
fn containers_that_lie_are_refused() {
    let (header, data) = parts(&to_bytes(&small()).unwrap());
    let huge = [&u64::MAX.to_le_bytes()[..], header.as_bytes(), &data].concat();
    assert!(refused(&huge).contains("header too large"));
    assert!(refused(&file(&header, &data[1..])).contains("damaged"));
    assert!(refused(&file("{}", b"")).contains("this is not a strassenc model"));
    assert!(
        refused(&file(r#"{"__metadata__":{"format":"pt"}}"#, b""))
            .contains("this is not a strassenc model")
    );
    assert!(refused(&file(&"[".repeat(100_000), b"")).contains("damaged"));
    let two = header.replacen("{\"__metadata__\":{", "{\"__metadata__\":{\"other\":\"1\",", 1);
    assert!(refused(&file(&two, &data)).contains("keys beside `strassenc`"));
    let twice =
        header.replacen("{\"__metadata__\":{", "{\"__metadata__\":{\"strassenc\":\"{}\",", 1);
    assert!(refused(&file(&twice, &data)).contains("the key `strassenc` is given twice"));
    let twice = header.replacen(
        "\"last.w_b\"",
        "\"last.w_b\":{\"dtype\":\"I8\",\"shape\":[9],\"data_offsets\":[0,9]},\"last.w_b\"",
        1,
    );
    assert!(refused(&file(&twice, &data)).contains("the key `last.w_b` is given twice"));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    for (from, to, message) in [
        ("last.w_b", "last.w_d", "tensor `last.w_b`: is missing"),
        (
            "\"I8\",\"shape\":[1,2]",
            "\"U8\",\"shape\":[1,2]",
            "tensor `last.w_b`: has dtype U8, it must be I8",
        ),
        (
            "\"I8\",\"shape\":[1,2]",
            "\"I8\",\"shape\":[2]",
            "tensor `last.w_b`: has shape [2], it must have 2 axes",
        ),
        ("[1,2]", "[1152921504606846976,16]", "damaged"),
        ("[1,2]", "[1152921504606846976,0]", "damaged"),
        ("[1,2]", "[-1,2]", "damaged"),
        ("[1,2]", "[2,1]", "the contents hash to"),
    ] {
        let e = refused(&header_edited(from, to));
        assert!(e.contains(message), "{to}: {e}");
    }
    let (header, data) = parts(&to_bytes(&small()).unwrap());
    let n = data.len();
    let extra = header.trim_end().strip_suffix('}').unwrap().to_owned()
        + &format!(
            ",\"stray\":{{\"dtype\":\"I8\",\"shape\":[1152921504606846976,0],\
             \"data_offsets\":[{n},{n}]}}}}"
        );
    assert!(refused(&file(&extra, &data)).contains("tensor `stray`: belongs to no layer"));
}

#[test]
fn documents_that_do_not_fit_are_named() {
    for (from, to, message) in [
        (
            "\"version\":1",
            "\"version\":2,\"new\":{}",
            "has format version 2, this strassenc reads version 1",
        ),
        ("\"version\":1,", "", "the key `version` is missing"),
        ("\"version\":1", "\"version\":-1", "is expected, not `-1`"),
        ("\"budget\":3", "\"budget\":3,\"bugdet\":3", "unknown key `bugdet`"),
        ("\"budget\":3", "\"budget\":3,\"budget\":3", "`budget` is given twice"),
        ("\"budget\":3,", "", "the key `budget` is missing"),
        ("\"budget\":3", "\"budget\":1", "has 2 rows, more than the budget of 1"),
        ("{\"kind\":\"raw\"}", "{\"kind\":\"raw\",\"format\":1}", "unknown key `format`"),
        ("\"kind\":\"dense\"", "\"kind\":\"convolution\"", "unknown value `convolution`"),
        ("{\"test_accuracy_float\":0.97", "{\"loss\":1,\"loss\":1", "`loss` is given twice"),
        ("0.97", "null", "a number is expected, not null"),
        ("\"shape\":[3]", "\"shape\":[]", "has no elements"),
        (
            "\"shape\":[3]",
            "\"shape\":[4294967296,4294967296,4294967296]",
            "more than 2^24 elements",
        ),
        ("\"bits\":4", "\"bits\":33", "outside 1..=32 bits"),
        ("\"name\":\"last\"", "\"name\":\"hidden\"", "belongs to no layer"),
        ("\"name\":\"small\"", "\"name\":\"Small\"", "the name \"Small\" is not usable"),
        ("\"seed\":1", "\"seed\":18446744073709551616", "is expected, not `1.8"),
    ] {
        let e = refused(&document_edited(from, to));
        assert!(e.contains(message), "{to}: {e}");
    }
    let deep = format!("\"network\":{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    refused(&document_edited("\"network\":null", &deep));
}

#[test]
fn a_changed_document_fails_the_hash() {
    for (from, to) in
        [("small", "smell"), ("\\\"bits\\\":4", "\\\"bits\\\":5"), ("digits", "digest")]
    {
        assert!(refused(&header_edited(from, to)).contains("the contents hash to"));
    }
    let hash = sha256(&small()).unwrap();
    assert!(refused(&header_edited(&hash, &hash[1..])).contains("not 64 hexadecimal digits"));
    assert!(refused(&header_edited("0.1.0", &hash)).contains("stand once"));
}

#[test]
fn a_two_among_ternary_values_is_named() {
    let mut model = small();
    dense(&mut model, 1).w_b[[0, 1]] = 2;
    assert!(
        to_bytes(&model).unwrap_err().to_string().contains("the value 2 at [0, 1] is not ternary")
    );
    // A file that somebody else made, hash and all.
    let tensors = tensors(&model.layers);
    let (document, _) = hashed_document(&model, &tensors).unwrap();
    let views = tensors
        .iter()
        .map(|(n, t)| (n, TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap()));
    let bytes =
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), document)]))).unwrap();
    assert!(refused(&bytes).contains("layer `last`, w_b: the value 2 at [0, 1] is not ternary"));
}

#[test]
fn what_json_cannot_say_is_not_written() {
    let mut model = small();
    model.provenance.metrics.insert("loss".into(), f64::NAN);
    assert!(to_bytes(&model).unwrap_err().to_string().contains("the metric `loss` is NaN"));
}

#[test]
fn the_path_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    assert_eq!(load(&path).unwrap_err().kind(), Kind::Io);
    std::fs::write(&path, b"short").unwrap();
    assert!(
        load(&path).unwrap_err().to_string().contains("model.safetensors: model file: is damaged")
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(2),
        ..Default::default()
    })]

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(from_bytes(&noise).is_err());
    }

    #[test]
    fn spliced_files_are_refused_or_the_same(
        at in 0usize..4000,
        cut in 0usize..40,
        put in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = to_bytes(&small()).unwrap();
        let at = at.min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        if let Ok(model) = from_bytes(&bytes) {
            prop_assert_eq!(model, small());
        }
    }

    #[test]
    fn any_provenance_survives(
        metric in any::<f64>(),
        text in any::<String>(),
        seed in any::<Option<u64>>(),
    ) {
        let mut model = small();
        model.provenance.metrics.insert(text.clone(), metric);
        model.provenance.network = Some(text);
        model.provenance.seed = seed;
        prop_assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
    }
}

/// A model with every kind of layer for sequences.
fn sequences() -> Model {
    let mut model = small();
    let Layer::Dense(gates) = model.layers[0].clone() else { unreachable!() };
    let format = Format { signed: true, bits: 4, frac: 3 };
    let gates = |name: &str, inputs: usize, outputs: usize| Dense {
        name: name.into(),
        w_b: Array::from_shape_fn((2, inputs), |(i, j)| i8::from(i == j % 2)),
        w_c: Array::from_shape_fn((outputs, 2), |(c, i)| i as i8 - (c % 2) as i8),
        bias: Array::zeros(outputs),
        output: Output::Requantised { shifts: Array::zeros(outputs), format },
        ..gates.clone()
    };
    let table = || Table { values: array![0, 1, 2, 3, 4, 5, 6, 8], frac: 3 };
    let mut lstm = gates("lstm_0", 4, 8);
    lstm.w_b = array![[1, 1, 0, 0], [0, 0, 1, -1]];
    let mut last = dense(&mut model, 1).clone();
    last.w_b = array![[1, -1]];
    model.input = Edge { shape: vec![1], format: Format { signed: false, bits: 2, frac: 0 } };
    model.layers = vec![
        Layer::Embedding(Embedding {
            name: "embedding_0".into(),
            table: array![[1, -8], [7, 0], [0, 2]],
            format,
        }),
        Layer::Highway(Highway { gates: gates("highway_0", 2, 4), gate_frac: 2, sigmoid: table() }),
        Layer::Recurrent(Recurrent {
            kind: Cell::Lstm,
            along: Along::Inputs,
            gates: lstm,
            sigmoid: table(),
            tanh: table(),
            cell: format,
            hidden: format,
        }),
        Layer::Dense(last),
    ];
    model
}

#[test]
fn sequences_round_trip_and_are_checked() {
    let model = sequences();
    assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
    let refused = |edit: &dyn Fn(&mut Model), due: &str| {
        let mut model = sequences();
        edit(&mut model);
        let told = to_bytes(&model).unwrap_err().to_string();
        assert!(told.contains(due), "{told}");
    };
    macro_rules! of {
        ($kind:ident, $model:ident, $i:literal) => {{
            let Layer::$kind(layer) = &mut $model.layers[$i] else { unreachable!() };
            layer
        }};
    }
    refused(&|m| of!(Embedding, m, 0).table[[0, 0]] = 8, "the value 8 at (0, 0) is outside");
    refused(&|m| of!(Embedding, m, 0).table = Array::zeros((5, 2)), "it has 1 to 4 rows");
    refused(&|m| m.input.format.signed = true, "takes indices");
    refused(&|m| of!(Highway, m, 1).sigmoid.values[3] = 9, "the value 9 at [3] is not within");
    refused(&|m| of!(Highway, m, 1).gates.output = Output::Raw, "gates are requantised");
    refused(
        &|m| of!(Recurrent, m, 2).tanh.values = Array::zeros(7),
        "has 7 values for a format of 4 bits",
    );
    refused(&|m| of!(Recurrent, m, 2).tanh.frac = 16, "frac 16");
    refused(&|m| of!(Recurrent, m, 2).cell.signed = false, "must be signed");
    refused(&|m| of!(Recurrent, m, 2).cell.frac = 60, "cannot be aligned");
    refused(&|m| of!(Recurrent, m, 2).gates.w_b[[0, 3]] = 1, "row 0 reads both x and h");
    refused(&|m| m.layers.swap(0, 1), "has 4 outputs for 1 units");
}

/// A row of three pixels of one channel, an activation, and a dense layer.
fn activated(function: Function) -> Model {
    let mut model = small();
    model.input = Edge { shape: vec![1, 3], format: Format { signed: true, bits: 4, frac: 3 } };
    model.layers.insert(0, Layer::Activation(Activation { name: "act_0".into(), function }));
    model
}

#[test]
fn activations_round_trip_and_are_checked() {
    let table = |values: &[i32], frac| Table { values: values.to_vec().into(), frac };
    let values = [0, 1, 2, 3, 4, 4, 4, 4];
    for (function, document) in [
        (Function::Clip { max: 5 }, "{\"kind\":\"clip\",\"max\":5}"),
        (Function::Leaky { shift: 3 }, "{\"kind\":\"leaky\",\"shift\":3}"),
        (Function::Sigmoid(table(&values, 2)), "{\"kind\":\"sigmoid\",\"sigmoid_frac\":2}"),
        (Function::Tanh(table(&values, 2)), "{\"kind\":\"tanh\",\"tanh_frac\":2}"),
    ] {
        let model = activated(function);
        assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
        let (text, _) = hashed_document(&model, &tensors(&model.layers)).unwrap();
        let due = format!("{{\"kind\":\"activation\",\"name\":\"act_0\",\"function\":{document}}}");
        assert!(text.contains(&due), "{text}");
    }
    let refused = |function: Function, format: Option<Format>, due: &str| {
        let mut model = activated(function);
        model.input.format = format.unwrap_or(model.input.format);
        let told = to_bytes(&model).unwrap_err().to_string();
        assert!(told.contains(due), "{told}");
    };
    refused(Function::Clip { max: 8 }, None, "layer `act_0`, max: 8 is not within 0..=7");
    refused(Function::Clip { max: -1 }, None, "-1 is not within 0..=7");
    for shift in [0, 16] {
        refused(Function::Leaky { shift }, None, "is not within 1..=15");
    }
    let unsigned = Some(Format { signed: false, bits: 4, frac: 3 });
    refused(Function::Leaky { shift: 1 }, unsigned, "which has nothing below 0");
    refused(Function::Tanh(table(&values, 2)), unsigned, "tables take signed formats");
    let wide = Some(Format { signed: true, bits: 17, frac: 3 });
    refused(Function::Sigmoid(table(&values, 2)), wide, "tables take signed formats");
    refused(Function::Tanh(table(&values[1..], 2)), None, "tanh: has 7 values for a format of 4");
    refused(Function::Sigmoid(table(&values, 1)), None, "the value 3 at [3] is not within 0..=2^1");
    refused(Function::Sigmoid(table(&values, -1)), None, "has frac -1");
    let mut last = activated(Function::Clip { max: 5 });
    last.layers.truncate(1);
    assert!(to_bytes(&last).unwrap_err().to_string().contains("is the last, but not linear"));
}

/// A row of three pixels, a GRU along them, the last one.
fn row() -> Model {
    let mut model = sequences();
    model.input = Edge { shape: vec![1, 3, 2], format: Format { signed: true, bits: 3, frac: 2 } };
    model.layers[0] = Layer::Last(Last { name: "last_0".into() });
    model.layers.remove(1);
    model.layers.swap(0, 1);
    let Layer::Recurrent(gru) = &mut model.layers[0] else { unreachable!() };
    (gru.kind, gru.along) = (Cell::Gru, Along::Pixels);
    gru.gates.w_c.slice_mut(ndarray::s![4..6, 1]).fill(0);
    gru.gates.w_c.slice_mut(ndarray::s![6.., 0]).fill(0);
    model
}

#[test]
fn recurrent_layers_along_pixels_round_trip_and_are_checked() {
    let model = row();
    assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
    // Files without the key are those of before.
    let document = |model: &Model| hashed_document(model, &tensors(&model.layers)).unwrap().0;
    assert!(document(&model).contains("\"along\":\"pixels\""));
    assert!(!document(&sequences()).contains("along"));
    let refused = |edit: &dyn Fn(&mut Model, &mut Recurrent), due: &str| {
        let mut model = row();
        let Layer::Recurrent(mut gru) = model.layers[0].clone() else { unreachable!() };
        edit(&mut model, &mut gru);
        model.layers[0] = Layer::Recurrent(gru);
        let told = to_bytes(&model).unwrap_err().to_string();
        assert!(told.contains(due), "{told}");
    };
    refused(&|m, _| m.input.shape = vec![3, 1, 2], "goes along an image of one row, but 3×1×2");
    refused(&|_, gru| gru.gates.w_c[[4, 1]] = 1, "output 4 is of n_x, but has product 1, of h");
    refused(&|_, gru| gru.gates.w_c[[7, 0]] = -1, "output 7 is of n_h, but has product 0, of x");
    refused(&|_, gru| gru.cell = Format { signed: true, bits: 32, frac: -20 }, "cannot be aligned");
    refused(&|_, gru| gru.hidden.frac = 63, "cannot be aligned");
    // Along pixels it may be in both, and come from the end.
    let mut model = row();
    let (gru, dense) = (model.layers.remove(0), model.layers.pop().unwrap());
    let named = |i: usize| {
        let Layer::Recurrent(mut gru) = gru.clone() else { unreachable!() };
        gru.gates.name = format!("gru_{i}");
        Layer::Recurrent(gru)
    };
    let reading = |name: &str, elements: usize| {
        let Layer::Dense(dense) = dense.clone() else { unreachable!() };
        let w_b = Array::ones((dense.rows(), elements));
        Layer::Dense(Dense { name: name.into(), w_b, ..dense })
    };
    let reverse = |i: usize| Layer::Reverse(Reverse { name: format!("reverse_{i}") });
    let branches = Branches {
        name: "concat_0".into(),
        body: vec![named(0)],
        shortcut: vec![reverse(0), named(1), reverse(1)],
        join: Join::Concat,
        format: Format { signed: true, bits: 3, frac: 1 },
    };
    let head = Head { name: "head".into(), layers: vec![named(2), reading("of_head", 6)] };
    let before = [Layer::Head(head), Layer::Branches(branches)];
    model.layers.splice(..0, before);
    model.layers.push(reading("dense", 4));
    assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
}

/// A model of words of three characters with two filters of width 1 and one of width 2.
fn words() -> Model {
    let mut model = sequences();
    let Layer::Highway(Highway { gates, sigmoid: tanh, .. }) = model.layers[1].clone() else {
        unreachable!()
    };
    let Layer::Dense(last) = &mut model.layers[3] else { unreachable!() };
    last.w_b = array![[1, -1, 1]];
    let last = last.clone();
    let filters = Dense {
        name: "char_cnn_0".into(),
        budget: 3,
        w_b: array![[1, 0, 0, 0], [0, -1, 0, 0], [1, 0, -1, 1]],
        coefficients: array![1, 0, 3],
        coefficient_shifts: array![0, 0, 1],
        w_c: Array::eye(3),
        bias: Array::zeros(3),
        output: Output::Requantised {
            shifts: Array::zeros(3),
            format: Format { signed: true, bits: 4, frac: 3 },
        },
        ..gates
    };
    model.input.shape = vec![3];
    model.layers.truncate(1);
    model.layers.push(Layer::CharCnn(CharCnn { filters, widths: vec![2, 1], tanh }));
    model.layers.push(Layer::Dense(last));
    model.provenance.alphabet = Some("ab".into());
    model.provenance.words = Some(vec!["a".into(), "ab".into(), "<unk>".into()]);
    model
}

#[test]
fn words_round_trip_and_are_checked() {
    let model = words();
    assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
    let refused = |edit: &dyn Fn(&mut CharCnn), due: &str| {
        let mut model = words();
        let Layer::CharCnn(cnn) = &mut model.layers[1] else { unreachable!() };
        edit(cnn);
        let told = to_bytes(&model).unwrap_err().to_string();
        assert!(told.contains(due), "{told}");
    };
    refused(&|c| c.widths = vec![], "filters of 0 widths");
    refused(&|c| c.widths = vec![1, 1, 0, 1], "filters of 4 widths");
    refused(&|c| c.widths = vec![usize::MAX, 3], "do not add up");
    refused(&|c| c.widths = vec![1, 1], "do not add up");
    refused(&|c| c.widths = vec![3, 0], "row 2 reads beyond its width of 1");
    refused(&|c| c.filters.w_c[[0, 1]] = 1, "has 1 at [0, 1], which is not the identity");
    refused(&|c| c.filters.coefficients[2] = -1, "the value -1 at [2] is negative");
    refused(&|c| c.filters.output = Output::Raw, "gates are requantised");
    refused(&|c| c.tanh.values = Array::zeros(7), "has 7 values for a format of 4 bits");
}

/// A model with layers of images.
#[cfg(feature = "train")]
fn images() -> Model {
    described(
        "name = \"little\"\ninput = { shape = [6, 6, 2], bits = 4, frac = 3 }\nlayers = [{ \
        conv2d = { channels = 3, kernel = 3, pad = 1, r = 4, p = 2 } }, \"relu\", { average_pool = \
        { size = 2 } },{ residual = { body = [{ conv2d = { channels = 3, kernel = 1, r = 3 } }], \
        shortcut = [] } }, \"relu\",{ dense = { units = 2, r = 3 } }]",
    )
}

/// A random model of this description.
#[cfg(feature = "train")]
fn described(text: &str) -> Model {
    let network = crate::Network::parse("net.toml", text).unwrap();
    let images = crate::random::images(&network.inputs(), 4, 1);
    let options = crate::random::Options { density: 0.6, seed: 1, data: None };
    let stop = || false;
    crate::random::random(&network, &images, &options, &|_, _| (), crate::random::Stop(&stop))
        .unwrap()
        .model
}

/// Further inputs round trip, stand at the beginning of shortcuts alone, and have values, names and
/// sizes as the first one has.
#[cfg(feature = "train")]
#[test]
fn further_inputs_round_trip_and_are_checked() {
    let model = described(
        r#"name = "two"
input = { shape = [2, 3], bits = 4, frac = 3 }
layers = [
    { concat = { body = [{ conv2d = { channels = 2, kernel = 1 } }], shortcut = [
        { input = { name = "depth", shape = [2, 3], bits = 5, frac = 1, signed = true } },
    ] } },
    { residual = { body = [{ dense = { units = 2 } }], shortcut = [
        { input = { name = "age", shape = [2], bits = 3, frac = 0 } },
    ] } },
    "relu",
    { dense = { units = 2 } },
]
"#,
    );
    assert_eq!(from_bytes(&to_bytes(&model).unwrap()).unwrap(), model);
    let names: Vec<_> = model.inputs().into_iter().map(|(name, _)| name).collect();
    assert_eq!((names, model.elements()), (vec![None, Some("depth"), Some("age")], 14));
    // The elements of each in turn, in its own format.
    let whole: Vec<i64> = [vec![15; 6], vec![-16; 6], vec![7; 2]].concat();
    crate::golden::infer(&model, &whole).unwrap();
    for (at, v, due) in [(5, -1, "element 5 is -1"), (6, 16, "6 is 16"), (12, 8, "12 is 8")] {
        let mut other = whole.clone();
        other[at] = v;
        let told = crate::golden::infer(&model, &other).unwrap_err().to_string();
        assert!(told.contains(due), "{told}");
    }
    let told = crate::golden::infer(&model, &whole[1..]).unwrap_err().to_string();
    assert!(told.contains("has 13 elements, the network takes 14"), "{told}");
    let refused = |edit: &dyn Fn(&mut Model), due: &str| {
        let mut model = model.clone();
        edit(&mut model);
        let told = to_bytes(&model).unwrap_err().to_string();
        assert!(told.contains(due), "{told}");
    };
    fn branches(model: &mut Model) -> &mut Branches {
        let Layer::Branches(branches) = &mut model.layers[0] else { unreachable!() };
        branches
    }
    fn depth(model: &mut Model) -> &mut Input {
        let Layer::Input(input) = &mut branches(model).shortcut[0] else { unreachable!() };
        input
    }
    let alone = "is an input, which the first layer of a shortcut alone may be";
    refused(
        &|m| {
            let input = branches(m).shortcut[0].clone();
            m.layers.insert(0, input);
        },
        alone,
    );
    refused(&|m| branches(m).body = branches(m).shortcut.clone(), alone);
    refused(
        &|m| {
            let input = Layer::Input(Input { name: "x".into(), ..depth(m).clone() });
            branches(m).shortcut.push(input);
        },
        alone,
    );
    refused(&|m| depth(m).name = "age".into(), "the name `age` is used twice");
    refused(&|m| depth(m).name = "of_".into(), "has an underscore at its end, or two in a row");
    refused(&|m| depth(m).edge.shape = vec![], "input `depth`: shape [] has no elements");
    refused(&|m| depth(m).edge.shape = vec![1 << 12, 1 << 13], "has more than 2^24 elements");
    refused(&|m| depth(m).edge.shape = vec![3, 2], "yields 3×2×1, the body 2×3×2");
    refused(&|m| depth(m).edge.format.bits = 33, "input `depth`");
    refused(
        &|m| {
            depth(m).edge.shape = vec![1 << 12, 1 << 12];
            m.input.shape = vec![1 << 12, 1 << 12];
            m.layers.truncate(1);
            branches(m).join = Join::Add;
        },
        "more than 2^24 elements",
    );
    let embedding = |m: &mut Model| {
        let format = Format { signed: false, bits: 4, frac: 0 };
        m.input = Edge { shape: vec![6], format };
        let table = array![[1, 0], [2, 3]];
        m.layers.insert(0, Layer::Embedding(Embedding { name: "e".into(), table, format }));
        branches_of_a_row(m);
    };
    fn branches_of_a_row(m: &mut Model) {
        let Layer::Branches(branches) = &mut m.layers[1] else { unreachable!() };
        let Layer::Input(input) = &mut branches.shortcut[0] else { unreachable!() };
        input.edge.shape = vec![1, 6, 1];
        let Layer::Conv2d(conv) = &mut branches.body[0] else { unreachable!() };
        conv.w_b = Array::ones((conv.w_b.dim().0, 2, 1, 1));
    }
    refused(&embedding, "is for a network of one input, and this one has several");
}

/// The pointers of all numbers in a document.
#[cfg(feature = "train")]
fn numbers(value: &serde_json::Value, pointer: String, all: &mut Vec<String>) {
    match value {
        serde_json::Value::Number(_) => all.push(pointer),
        serde_json::Value::Array(values) => {
            values.iter().enumerate().for_each(|(i, v)| numbers(v, format!("{pointer}/{i}"), all));
        }
        serde_json::Value::Object(values) => {
            values.iter().for_each(|(key, v)| numbers(v, format!("{pointer}/{key}"), all));
        }
        _ => {}
    }
}

/// The model's file with an edited document or edited tensors, and a hash that fits.
fn resealed(
    model: &Model,
    edit: impl FnOnce(&mut serde_json::Value, &mut BTreeMap<String, Tensor>),
) -> Vec<u8> {
    let mut tensors = tensors(&model.layers);
    let mut document = serde_json::from_str(&hashed_document(model, &tensors).unwrap().0).unwrap();
    edit(&mut document, &mut tensors);
    document["sha256"] = NO_HASH.into();
    document["sha256"] = hash(&tensors, &document.to_string()).into();
    let views = tensors
        .iter()
        .map(|(name, t)| (name, TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap()));
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), document.to_string())])))
        .unwrap()
}

/// Any number of a file may be the most extreme of its kind: it is refused, or it is a model that
/// golden computes. Nothing wraps on the way, which the checks of a test build would tell.
#[test]
#[cfg(feature = "train")]
fn extreme_numbers_are_refused_or_computed() {
    let extremes: Vec<serde_json::Value> =
        [0, -1, 1, 31, 32, 64, -64, 65, i32::MIN.into(), i32::MAX.into(), i64::MIN, i64::MAX]
            .into_iter()
            .map(Into::into)
            .chain([
                u64::MAX.into(),
                (u64::MAX / 2 + 2).into(),
                (1u64 << 32).into(),
                ((1u64 << 32) + 1).into(),
            ])
            .collect();
    let compute = |bytes: &[u8]| match from_bytes(bytes) {
        Ok(model) => {
            let zeros = vec![0; model.input.elements()];
            let mut state = crate::golden::State::start();
            crate::golden::step(&model, &mut state, &zeros).unwrap();
            model.layers.iter().try_fold(model.input(), |edge, layer| layer.yields(edge)).unwrap();
            model_sums(&model);
        }
        Err(error) => assert_eq!(error.kind(), Kind::Input, "{error}"),
    };
    for model in [small(), sequences(), words(), images()] {
        let mut pointers = vec![];
        let document = hashed_document(&model, &tensors(&model.layers)).unwrap().0;
        numbers(&serde_json::from_str(&document).unwrap(), String::new(), &mut pointers);
        for pointer in pointers {
            for extreme in &extremes {
                compute(&resealed(&model, |document, _| {
                    *document.pointer_mut(&pointer).unwrap() = extreme.clone()
                }));
            }
        }
        for (name, tensor) in tensors(&model.layers) {
            let size = tensor.dtype.bitsize() / 8;
            for at in (0..tensor.data.len()).step_by(size) {
                for pattern in [[0x00, 0x80], [0xff, 0x7f], [0xff, 0xff]] {
                    compute(&resealed(&model, |_, tensors| {
                        let number = &mut tensors.get_mut(&name).unwrap().data[at..at + size];
                        number.fill(pattern[0]);
                        *number.last_mut().unwrap() = pattern[1];
                    }));
                }
            }
        }
    }
}

/// A window of 100 × 100 on an image of a few pixels would read padding for minutes.
#[test]
#[cfg(feature = "train")]
fn windows_that_see_little_but_padding_are_refused() {
    let model = images();
    let pool = model.layers.iter().position(|layer| matches!(layer, Layer::Pool(_))).unwrap();
    let padded = |size: usize, pad: usize| {
        from_bytes(&resealed(&model, |document, _| {
            let layer = &mut document["layers"][pool];
            (layer["size"], layer["stride"], layer["pad"]) = (size.into(), size.into(), pad.into());
        }))
    };
    for (size, pad) in [(33, 1), (33, 32), (100, 99), (4096, 4095)] {
        let told = padded(size, pad).unwrap_err().to_string();
        assert!(
            told.contains("has more than 1024 pixels, so it takes no pad"),
            "{size}, {pad}: {told}"
        );
    }
    let told = padded(32, 31).map(drop).map_err(|e| e.to_string());
    assert!(!told.is_err_and(|told| told.contains("takes no pad")));
}

/// Nothing is computed from sizes that no image has.
#[test]
#[cfg(feature = "train")]
fn upsampling_beyond_the_largest_image_is_refused() {
    let model = images();
    let pool = model.layers.iter().position(|layer| matches!(layer, Layer::Pool(_))).unwrap();
    for (size, due) in [(4096, "makes more than 2^24 elements"), (4097, "4097 is not within 1..=")]
    {
        let name = model.layers[pool].name();
        let told = from_bytes(&resealed(&model, |document, _| {
            let upsample = serde_json::json!({ "kind": "upsample", "name": name, "size": size });
            document["layers"][pool] = upsample;
        }));
        let told = told.unwrap_err().to_string();
        assert!(told.contains(&format!("`{name}`, size: {due}")), "{size}: {told}");
    }
}

/// What reports add up over the layers of a model.
#[cfg(feature = "train")]
fn model_sums(model: &Model) -> usize {
    let budget = |layer: &Layer| match layer {
        Layer::Dense(dense)
        | Layer::CharCnn(CharCnn { filters: dense, .. })
        | Layer::Highway(Highway { gates: dense, .. })
        | Layer::Recurrent(Recurrent { gates: dense, .. }) => dense.budget,
        Layer::Conv2d(conv) => conv.budget,
        _ => 0,
    };
    model.layers.iter().map(budget).sum()
}

#[test]
fn budgets_that_cannot_be_are_refused() {
    let budget = |budget: u64| {
        from_bytes(&resealed(&small(), |document, _| {
            document["layers"][0]["budget"] = budget.into()
        }))
    };
    assert_eq!(dense(&mut budget(1 << 32).unwrap(), 0).budget, 1 << 32);
    for most in [(1 << 32) + 1, u64::MAX] {
        let told = budget(most).unwrap_err().to_string();
        assert!(
            told.contains(&format!("layer `hidden`, budget: {most} is more than 2^32")),
            "{told}"
        );
    }
}

#[test]
fn the_least_frac_is_told_as_it_is() {
    let told = from_bytes(&resealed(&small(), |document, _| {
        document["input"]["format"]["frac"] = i32::MIN.into()
    }));
    let told = told.unwrap_err().to_string();
    assert!(told.contains("s4 · 2^2147483648 is outside"), "{told}");
}

/// What the specification calls required is, and what it lets be null may be.
#[test]
fn every_key_is_required() {
    let document: serde_json::Value =
        serde_json::from_str(&hashed_document(&small(), &tensors(&small().layers)).unwrap().0)
            .unwrap();
    for place in ["", "/input", "/input/format", "/layers/0", "/layers/0/output", "/provenance"] {
        for key in document
            .pointer(place)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "sha256")
        {
            let without = resealed(&small(), |document, _| {
                document.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(key);
            });
            let told = refused(&without);
            assert!(told.contains(&format!("the key `{key}` is missing")), "{place}/{key}: {told}");
        }
    }
    for key in ["network", "data", "seed"] {
        let null =
            resealed(&small(), |document, _| document["provenance"][key] = serde_json::Value::Null);
        from_bytes(&null).unwrap();
    }
}
