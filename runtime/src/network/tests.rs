use super::*;

const GOOD: &str = r#"name = "tiny"
input = { shape = [4, 2], bits = 8, frac = 8 }
layers = [
    { dense = { units = 3, r = 5 } },
    "relu",
    { dense = { units = 2, r = 4, threshold = 1.5 } },
]
bits = { activations = 6 }

[train]
shift = 1
frozen = { optimiser = "adamw", warmup = 0.5, weight_decay = 0, schedule = { one_cycle = {} } }
full = { epochs = 3, schedule = { step = { every = 2, factor = 0.1 } } }
"#;

#[test]
fn ready_descriptions_are_valid_and_round_trip() {
    for (name, _) in ready() {
        let network = find(name).unwrap();
        assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
    }
    for good in [GOOD, CONCAT, HEADS, SOUNDS, SEQUENCES, SIGNALS, SEPARABLE, GROWING] {
        let network = Network::parse("good", good).unwrap();
        assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
    }
}

const IMAGES: &str = r#"name = "images"
input = { shape = [9, 9, 4], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 8, kernel = 3, pad = 1, r = 6, p = 2 } },
    "relu",
    { max_pool = { size = 2 } },
    { residual = { body = [
        { conv2d = { channels = 12, kernel = 3, pad = 1, stride = 2 } },
        "relu",
        { conv2d = { channels = 12, kernel = 3, pad = 1, groups = 3 } },
    ], shortcut = [
        { conv2d = { channels = 12, kernel = 1, stride = 2 } },
    ] } },
    "relu",
    { conv2d = { channels = 12, kernel = 3, groups = 12, pad = 1, plain = true } },
    { conv2d = { channels = 10, kernel = 1 } },
    "relu",
    { average_pool = { size = 2 } },
    "flatten",
    { dense = { units = 3, plain = true } },
]
spn = { ratio = 0.5 }
"#;

const CONCAT: &str = r#"name = "concat"
input = { shape = [8, 8, 4], bits = 8, frac = 8 }
layers = [
    { concat = { body = [{ conv2d = { channels = 6, kernel = 3, pad = 1 } }, "relu"] } },
    { concat = {
        body = [{ max_pool = { size = 2 } }],
        shortcut = [{ conv2d = { channels = 2, kernel = 2, stride = 2 } }],
    } },
    { concat = { body = [{ conv2d = { channels = 3, kernel = 1 } }] } },
    "relu",
    { dense = { units = 3 } },
]
"#;

const HEADS: &str = r#"name = "heads"
input = { shape = [4, 4], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 3, kernel = 1 } },
    "relu",
    { head = { name = "mask", layers = [{ conv2d = { channels = 1, kernel = 1 } }] } },
    { residual = { body = [
        { head = { name = "class", layers = ["global_average_pool", { dense = { units = 2 } }] } },
        { conv2d = { channels = 3, kernel = 1 } },
    ] } },
    { dense = { units = 5 } },
]
"#;

const INPUTS: &str = r#"name = "inputs"
input = { shape = [4, 4], bits = 8, frac = 8 }
layers = [
    { concat = { body = [
        { conv2d = { channels = 3, kernel = 1 } },
    ], shortcut = [
        { input = { name = "depth", shape = [4, 4], bits = 6, frac = 3, signed = true } },
    ] } },
    { residual = { body = [{ dense = { units = 3 } }], shortcut = [
        { input = { name = "age", shape = [1], bits = 7, frac = 0 } },
        { dense = { units = 3 } },
    ] } },
    "relu",
    { dense = { units = 5 } },
]
"#;

const SOUNDS: &str = r#"name = "sounds"
input = { shape = [64, 16], bits = 8, frac = 4, log_mel = { rate = 8000, window = 256, step = 128 } }
layers = [{ dense = { units = 3 } }]
"#;

const ROW: &str = r#"name = "row"
input = { shape = [1, 64, 2], bits = 8, frac = 7, signed = true }
layers = [
    { conv2d = { channels = 4, kernel = [1, 5], pad = [0, 2] } },
    "relu",
    { max_pool = { size = [1, 2] } },
    { conv1d = { channels = 4, kernel = 5 } },
    "relu",
    { dense = { units = 3 } },
]
"#;

/// Every layer with its shapes, as a person would write them down.
#[test]
fn plan() {
    let network = Network::parse("images", IMAGES).unwrap();
    assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
    let told: Vec<String> = (network.plan().unwrap().iter())
        .map(|s| {
            let budget = s.linear().map_or(String::new(), |l| format!(" r {}", l.r));
            let relu = if s.relu { " relu" } else { "" };
            format!("{} {:?}: {} -> {}{budget}{relu}", s.name, s.from, s.input, s.output)
        })
        .collect();
    let expected = [
        "conv_0 [0]: 9×9×4 -> 9×9×8 r 6 relu",
        "pool_0 [1]: 9×9×8 -> 4×4×8",
        "conv_1 [2]: 4×4×8 -> 2×2×12 r 6 relu",
        "conv_2 [3]: 2×2×12 -> 2×2×12 r 6",
        "conv_3 [2]: 4×4×8 -> 2×2×12 r 6",
        "add_0 [4, 5]: 2×2×12 -> 2×2×12 relu",
        "conv_4 [6]: 2×2×12 -> 2×2×12 r 12",
        "conv_5 [7]: 2×2×12 -> 2×2×10 r 5 relu",
        "pool_1 [8]: 2×2×10 -> 10",
        "dense_0 [9]: 10 -> 3 r 3",
    ];
    assert_eq!(told, expected);
    // Patches of 2×2 cover 9×9 in 5×5; a depthwise layer is compared with a depthwise one.
    let steps = network.plan().unwrap();
    assert_eq!(
        (steps[0].multiplications(), steps[0].dense_multiplications()),
        (6 * 25, 81 * 8 * 4 * 9)
    );
    assert_eq!(
        (steps[6].multiplications(), steps[6].dense_multiplications()),
        (12 * 4, 4 * 12 * 9)
    );
}

/// The windows of each layer as a description has them: size, stride and pad, and the patch of a
/// convolution.
fn windows(shape: &str, layers: &str) -> Vec<String> {
    let text = format!(
        "name = \"row\"\ninput = {{ shape = {shape}, bits = 8, frac = 7 }}\nlayers = [{layers}, {{ \
         dense = {{ units = 3 }} }}]"
    );
    let network = Network::parse("row", &text).unwrap_or_else(|e| panic!("{layers}: {e}"));
    assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
    let steps = network.plan().unwrap();
    let told = steps.iter().filter_map(|step| match &step.op {
        plan::Op::Linear(l) if l.dense => None,
        plan::Op::Linear(l) => {
            Some(format!("{} {} {} p {}: {}", l.kernel, l.stride, l.pad, l.patch, step.output))
        }
        plan::Op::Upsample(size) => Some(format!("{size}: {}", step.output)),
        plan::Op::MaxPool(p) | plan::Op::AveragePool(p) => {
            Some(format!("{} {} {}: {}", p.size, p.stride, p.pad, step.output))
        }
        _ => None,
    });
    told.collect()
}

/// A number is as many rows as columns, but along an image of one row; two numbers are what they
/// say.
#[test]
fn sizes_of_windows() {
    let conv2d = |sizes: &str| format!("{{ conv2d = {{ channels = 4, {sizes} }} }}, \"relu\"");
    let row = "[1, 64, 2]";
    assert_eq!(
        windows(row, &conv2d("kernel = [1, 5], pad = [0, 2]")),
        ["1×5 1×1 0×2 p 1×1: 1×64×4"]
    );
    assert_eq!(windows(row, &conv2d("kernel = 5, pad = 2, p = 3")), ["5×5 1×1 2×2 p 1×3: 1×64×4"]);
    assert_eq!(
        windows("[6, 5]", &conv2d("kernel = [3, 2], stride = [1, 3], p = [2, 1]")),
        ["3×2 1×3 0×0 p 2×1: 4×2×4"]
    );
    assert_eq!(
        windows("[6, 5]", &conv2d("kernel = 3, pad = [2, 0], p = 2")),
        ["3×3 1×1 2×0 p 2×2: 8×3×4"]
    );
    let pool = |sizes: &str| format!("{{ max_pool = {{ {sizes} }} }}");
    assert_eq!(windows(row, &pool("size = 4")), ["1×4 1×4 0×0: 1×16×2"]);
    assert_eq!(windows(row, &pool("size = 3, stride = 2, pad = 1")), ["1×3 1×2 0×1: 1×32×2"]);
    assert_eq!(windows(row, &pool("size = [1, 2]")), ["1×2 1×2 0×0: 1×32×2"]);
    assert_eq!(windows("[6, 5]", &pool("size = [3, 1], stride = [1, 2]")), ["3×1 1×2 0×0: 4×3×1"]);
    assert_eq!(windows("[6, 5]", &pool("size = 2")), ["2×2 2×2 0×0: 3×2×1"]);
    assert_eq!(windows("[6, 5, 2]", "\"global_average_pool\""), ["6×5 6×5 0×0: 2"]);
    assert_eq!(windows("[6, 5, 2]", "{ upsample = 2 }"), ["2×2: 12×10×2"]);
    assert_eq!(windows("[6, 5]", "{ upsample = [1, 3] }"), ["1×3: 6×15×1"]);
    assert_eq!(windows(row, "{ upsample = 3 }"), ["1×3: 1×192×2"]);
}

/// An activation is a step of its own, but for what a saturation does, and says so to the step
/// before.
#[test]
fn activations() {
    let text = ROW
        .replacen("\"relu\"", "{ clipped_relu = 4 }", 1)
        .replacen("\"relu\"", "\"sigmoid\"", 1)
        .replacen("{ dense", "{ dense = { units = 5 } }, { leaky_relu = 3 }, { dense", 1);
    let network = Network::parse("row", &text).unwrap();
    assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
    let steps = network.plan().unwrap();
    let told = |s: &plan::Step| format!("{} {:?} {} {}", s.name, s.from, s.kind(), s.output);
    let expected = [
        "conv_0 [0] conv 1×5 1×64×4",
        "act_0 [1] clip 1×64×4",
        "pool_0 [2] max pool 1×2 1×32×4",
        "conv_1 [3] conv 1×5 1×28×4",
        "act_1 [4] sigmoid 1×28×4",
        "dense_0 [5] dense 5",
        "act_2 [6] leaky ReLU 2^-3 5",
        "dense_1 [7] dense 3",
    ];
    assert_eq!(steps.iter().map(told).collect::<Vec<_>>(), expected);
    let before: Vec<_> = steps.iter().map(|step| (step.relu, step.activation)).collect();
    let (none, clip) = ((false, None), plan::Activation::Clip(4.0));
    let [sigmoid, leaky] = [plan::Activation::Sigmoid, plan::Activation::Leaky(3)];
    let (sigmoid, leaky) = ((false, Some(sigmoid)), (false, Some(leaky)));
    assert_eq!(before, [(true, Some(clip)), none, none, sigmoid, none, leaky, none, none]);
    let signs = plan::signs(&steps, true);
    assert_eq!(signs, [true, false, false, false, true, false, true, true, true]);
}

/// `conv1d` makes an image of one row of one axis or two; without it, two axes are rows and
/// columns.
#[test]
fn signals() {
    let conv = "{ conv1d = { channels = 4, kernel = 5, pad = 2, stride = 2, p = 4 } }, \"relu\"";
    let pooled = format!("{conv}, {{ average_pool = {{ size = 8 }} }}");
    for (shape, enters) in
        [("[64, 2]", [1, 64, 2]), ("[64]", [1, 64, 1]), ("[1, 64, 2]", [1, 64, 2])]
    {
        assert_eq!(windows(shape, &pooled), ["1×5 1×2 0×2 p 1×4: 1×32×4", "1×8 1×8 0×0: 1×4×4"]);
        let text = format!(
            "name = \"row\"\ninput = {{ shape = {shape}, bits = 8, frac = 7 }}\n\
             layers = [{{ residual = {{ body = [{conv}, {{ dense = {{ units = 3 }} }}], \
             shortcut = [{{ dense = {{ units = 3 }} }}] }} }}, {{ dense = {{ units = 3 }} }}]"
        );
        assert_eq!(Network::parse("row", &text).unwrap().axes(), enters);
    }
    assert_eq!(windows("[64, 2]", "{ max_pool = { size = 2 } }"), ["2×2 2×2 0×0: 32×1×1"]);
    // A pool before the `conv1d` goes along the row, too.
    let pooled = "{ max_pool = { size = 2 } }, { conv1d = { channels = 4, kernel = 3 } }, \"relu\"";
    assert_eq!(windows("[64, 2]", pooled), ["1×2 1×2 0×0: 1×32×2", "1×3 1×1 0×0 p 1×1: 1×30×4"]);
}

const SIGNALS: &str = r#"name = "signals"
input = { shape = [32, 3], bits = 8, frac = 7, signed = true }
layers = [
    { conv1d = { channels = 8, kernel = 4, stride = 4 } },
    "relu",
    { lstm = { units = 6, r = 5 } },
    { gru = { units = 5, threshold = 1 } },
    "last",
    { dense = { units = 2 } },
]
"#;

const GROWING: &str = r#"name = "growing"
input = { shape = [3, 4, 2], bits = 8, frac = 8 }
layers = [
    { conv_transpose2d = { channels = 6, kernel = 4, stride = 2, pad = 1, r = 9 } },
    "relu",
    { conv_transpose2d = { channels = 3, kernel = [3, 2], stride = [1, 2], pad = [1, 0] } },
    "relu",
    { max_pool = { size = [6, 1] } },
    { conv_transpose1d = { channels = 5, kernel = 3, stride = 2, pad = 1, output_pad = 1,
        r = 2 } },
]
"#;

/// Images become larger by the stride; r products for each pixel that enters. Windows have all that
/// a patch depends on: of a kernel of 4 and a pad of 1 a pixel before and one behind, of a kernel
/// of 3 one behind.
#[test]
fn transposed_convolutions() {
    let network = Network::parse("growing", GROWING).unwrap();
    let steps = network.plan().unwrap();
    let told = steps.iter().filter_map(|step| {
        let linear = step.linear()?;
        let (kind, input, output) = (step.kind(), step.input, step.output);
        let (taps, lead, step) = (linear.taps(), linear.lead(), linear.step());
        Some(format!("{kind}: {input} -> {output} by {taps} {lead} {step} r {}", linear.r))
    });
    let expected = [
        "transposed conv 4×4 / 2: 3×4×2 -> 6×8×6 by 3×3 1×1 1×1 r 9",
        "transposed conv 3×2 / 1×2: 6×8×6 -> 6×16×3 by 3×1 1×0 1×1 r 3",
        "transposed conv 1×3 / 1×2: 1×16×3 -> 1×32×5 by 1×2 0×0 1×1 r 2",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(
        (steps[0].multiplications(), steps[0].dense_multiplications()),
        (12 * 9, 12 * 16 * 2 * 6)
    );
    assert_eq!(steps[0].entries(), (9 * 9 * 2, 9 * 4 * 6));

    let depthwise = GROWING.replacen("r = 9", "r = 10, groups = 2", 1);
    let steps = Network::parse("growing", &depthwise).unwrap().plan().unwrap();
    assert_eq!(steps[0].entries(), (10 * 9, 5 * 4 * 6));
    assert_eq!(steps[0].dense_multiplications(), 12 * 16 * 6);
}

const SEPARABLE: &str = r#"name = "separable"
input = { shape = [9, 8, 3], bits = 8, frac = 8 }
layers = [
    { separable_conv2d = { channels = 5, kernel = 3, stride = 2, pad = 1, r = 7, p = 2 } },
    "relu",
    { residual = { body = [
        { separable_conv2d = { channels = 5, kernel = [2, 3], dilation = 2, pad = [1, 2],
            depthwise_r = 2, relu = false, threshold = 1.5 } },
    ] } },
    { max_pool = { size = [5, 1] } },
    { separable_conv1d = { channels = 2, kernel = 3, dilation = 2, pad = 2, p = 3 } },
]
spn = { ratio = 2, groups = 1, plain = false }
"#;

const WRITTEN_OUT: &str = r#"name = "separable"
input = { shape = [9, 8, 3], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 3, kernel = 3, stride = 2, pad = 1, groups = 3, plain = true } },
    "relu",
    { conv2d = { channels = 5, kernel = 1, r = 7, p = 2 } },
    "relu",
    { residual = { body = [
        { conv2d = { channels = 5, kernel = [2, 3], dilation = 2, pad = [1, 2], groups = 5,
            r = 10, threshold = 1.5 } },
        { conv2d = { channels = 5, kernel = 1, threshold = 1.5 } },
    ] } },
    { max_pool = { size = [5, 1] } },
    { conv1d = { channels = 5, kernel = 3, dilation = 2, pad = 2, groups = 5, plain = true } },
    "relu",
    { conv1d = { channels = 2, kernel = 1, p = 3 } },
]
spn = { ratio = 2, groups = 1, plain = false }
"#;

/// A depthwise-separable layer is the two that it is made of.
#[test]
fn separable_layers_are_a_depthwise_and_a_pointwise_one() {
    let [one, two] =
        [SEPARABLE, WRITTEN_OUT].map(|text| Network::parse("separable", text).unwrap());
    assert_eq!(one.plan().unwrap(), two.plan().unwrap());
}

/// So it is where models are put together.
#[cfg(feature = "train")]
#[test]
fn models_of_separable_layers_are_those_of_both() {
    use crate::random;
    let [one, two] = [SEPARABLE, WRITTEN_OUT].map(|text| {
        let network = Network::parse("separable", text).unwrap();
        let options = random::Options { density: 0.5, seed: 3, data: None };
        let images = vec![(0..216).map(|i| i * 7 % 256).collect(); 2];
        let stop = random::Stop(&|| false);
        random::random(&network, &images, &options, &|_, _| {}, stop).unwrap().model.layers
    });
    assert_eq!(one, two);
}

/// Recurrent layers go along the pixels of a row, with or without a `conv1d`; along the inputs of a
/// text.
#[test]
fn recurrent_layers_along_time() {
    let told = |shape: &str| {
        let network = Network::parse("net", &SIGNALS.replace("[32, 3]", shape)).unwrap();
        assert!(!network.is_of_sequences());
        let steps = network.plan().unwrap();
        let line = |s: &plan::Step| format!("{} {} {} -> {}", s.name, s.kind(), s.input, s.output);
        (steps.iter().map(line).collect::<Vec<_>>(), steps)
    };
    let (lines, steps) = told("[32, 3]");
    let expected = [
        "conv_0 conv 1×4 / 1×4 1×32×3 -> 1×8×8",
        "lstm_0 LSTM 1×8×8 -> 1×8×6",
        "gru_0 GRU 1×8×6 -> 1×8×5",
        "last_0 last 1×8×5 -> 5",
        "dense_0 dense 5 -> 2",
    ];
    assert_eq!(lines, expected);
    assert_eq!(told("[1, 32, 3]").0, expected);
    // Eight pixels: eight SPNs of 5 and three products a unit; six SPNs of 5 and two products.
    assert_eq!(steps[1].multiplications(), 8 * (8 * 5 + 3 * 6));
    assert_eq!(steps[2].multiplications(), 8 * (6 * 5 + 2 * 5));
    assert_eq!(steps[1].dense_multiplications(), 8 * (4 * 6 * (8 + 6) + 3 * 6));
    assert_eq!(steps[2].dense_multiplications(), 8 * (3 * 5 * (6 + 5) + 2 * 5));
    assert_eq!(steps[2].entries(), (3 * 5 * (6 + 5), 6 * 5 * 5));
    for layers in ["{ lstm = { units = 6 } }", "{ gru = { units = 6 } }", "\"last\"", "\"reverse\""]
    {
        let text = format!(
            "name = \"net\"\ninput = {{ shape = [32, 3], bits = 8, frac = 7 }}\nlayers = \
             [{layers}, {{ dense = {{ units = 2 }} }}]"
        );
        let network = Network::parse("net", &text).unwrap();
        assert_eq!((network.axes(), network.is_of_sequences()), (vec![1, 32, 3], false));
    }
    let text = Network::parse("text", SEQUENCES).unwrap();
    assert_eq!((text.axes(), text.along()), (vec![1], crate::Along::Inputs));
}

/// A text is read with a validation part, so that `patience` and `keep_best` need no `validation`.
const SEQUENCES: &str = r#"name = "sequences"
input = { shape = [1], bits = 5, frac = 0 }
layers = [
    { embedding = { rows = 9, units = 8 } },
    { highway = {} },
    { lstm = { units = 6 } },
    { dense = { units = 9 } },
]
[train]
ema = 0.9
patience = 2
keep_best = true
"#;

/// Every edit of a good description that people may make, and what they are told.
#[test]
fn errors() {
    let edits = [
        ("units = 3", "unitz = 3"),
        ("r = 5", "r = 0"),
        ("r = 5", "r = -5"),
        ("r = 5", "r = 5.5"),
        ("r = 5", "r = 99999999"),
        ("units = 3", "units = 0"),
        ("units = 3, r = 5", "units = 60000, r = 60000"),
        ("\"relu\",", "\"rellu\","),
        ("\"relu\",", ""),
        ("\"relu\",", "\"relu\", \"relu\","),
        ("    { dense = { units = 3, r = 5 } },\n", ""),
        ("    { dense = { units = 2, r = 4, threshold = 1.5 } },\n", ""),
        ("dense", "conv"),
        ("dense = {", "dense = 3 #"),
        ("[4, 2]", "[4, 0]"),
        ("[4, 2]", "[]"),
        ("[4, 2]", "[4000000000, 4000000000, 4000000000]"),
        ("bits = 8", "bits = 0"),
        ("frac = 8", "frac = 80"),
        ("\"tiny\"", "\"Tiny net\""),
        ("activations", "activation"),
        ("activations = 6", "guard = 90"),
        ("activations = 6", "coefficient_terms = 9"),
        ("activations = 6", "coefficient_terms = -1"),
        ("1.5", "nan"),
        ("[train]", "[trian]"),
        ("[train]", "[train]\noptimiser = \"adam\""),
        ("[train]", "[train]\nquantiser = \"rows\""),
        ("[train]", "[train]\nlearn_scales = 1"),
        ("[train]", "[train]\nbatch = 1"),
        ("shift = 1", "shift = 3"),
        ("[4, 2]", "[8]"),
        ("shift = 1", "cutout = 3"),
        ("shift = 1", "flip = 1"),
        ("epochs = 3", "epochs = \"three\""),
        ("every = 2", "every = 0"),
        ("{ step = { every = 2, factor = 0.1 } }", "{ one_cycle = { rise = 1 } }"),
        ("{ step = { every = 2, factor = 0.1 } }", "\"one_cycle\""),
        ("epochs = 3", "epochs = 3, warmup = -0.5"),
        ("epochs = 3", "epochs = 3, weight_decay = -1"),
        ("epochs = 3", "epochs = 3, optimiser = \"adam\""),
        ("[train]", "[train]\nnesterov = true"),
        ("[train]", "[train]\nlabel_smoothing = 1"),
        ("[train]", "[train]\nema = 1"),
        ("[train]", "[train]\npatience = 3"),
        ("[train]", "[train]\nkeep_best = true"),
        ("[train]", "[train]\ndropout = 0.5"),
        ("[train]", "[train]\nwindow = 8"),
        ("[train]", "[train"),
    ];
    let of_images = [
        ("kernel = 3", "kernel = 12"),
        ("kernel = 3", "kernel = 0"),
        ("channels = 8, kernel", "channels = 8, padding = 1, kernel"),
        ("pad = 1", "pad = 3"),
        ("p = 2", "p = 9"),
        ("groups = 3", "groups = 5"),
        ("groups = 12", "groups = 12, r = 13"),
        ("channels = 12, kernel = 3, groups = 12", "channels = 10, kernel = 3, groups = 12"),
        ("plain = true }", "plain = true, p = 2 }"),
        ("units = 3, plain = true", "units = 3, plain = true, r = 4"),
        ("kernel = 1, stride = 2", "kernel = 1"),
        (
            ", shortcut = [\n        { conv2d = { channels = 12, kernel = 1, stride = 2 } },\n    \
             ]",
            "",
        ),
        ("groups = 3 } },", "groups = 3 } }, \"relu\","),
        ("\"flatten\",", "\"relu\","),
        ("\"flatten\"", "\"flaten\""),
        ("average_pool = { size = 2 }", "average_pool = { size = 7 }"),
        ("{ max_pool = { size = 2 } }", "{ average_pool = { size = 3 } }"),
        ("[9, 9, 4]", "[324]"),
        (
            "    { conv2d = { channels = 10, kernel = 1 } },\n    \"relu\"",
            "    \"global_average_pool\"",
        ),
        ("    { dense = { units = 3, plain = true } },\n", ""),
        ("ratio = 0.5", "ratio = 0"),
        ("ratio = 0.5", "p = 0"),
    ];
    let of_rows = [
        ("kernel = [1, 5], pad = [0, 2]", "kernel = 5"),
        ("pad = [0, 2]", "pad = 2"),
        ("pad = [0, 2]", "pad = [0, 5]"),
        ("kernel = [1, 5]", "kernel = [5]"),
        ("kernel = [1, 5]", "kernel = [1, 5, 2]"),
        ("kernel = [1, 5]", "kernel = \"5\""),
        ("kernel = [1, 5]", "kernel = [1, -5]"),
        ("kernel = [1, 5]", "kernel = [0, 5]"),
        ("kernel = [1, 5]", "kernel = [1, 1025]"),
        ("kernel = [1, 5]", "kernel = [32, 33]"),
        ("kernel = [1, 5]", "kernel = [1, 5], dilation = 0"),
        ("kernel = [1, 5]", "kernel = [1, 5], dilation = [1, 17]"),
        ("kernel = [1, 5]", "kernel = [1, 5], dilation = 2, p = 2"),
        ("kernel = [1, 5]", "kernel = [9, 9], dilation = 4"),
        ("kernel = [1, 5]", "kernel = 4000000000000000000, dilation = 1000"),
        ("pad = [0, 2]", "pad = 9223372036854775807, dilation = 2"),
        ("size = [1, 2]", "size = [2, 2]"),
        ("size = [1, 2]", "size = 100"),
        (
            "conv2d = { channels = 4, kernel = [1, 5], pad = [0, 2]",
            "conv1d = { channels = 4, kernel = [1, 5]",
        ),
        ("[1, 64, 2]", "[2, 64, 2]"),
        (
            "{ max_pool = { size = [1, 2] } }",
            "{ average_pool = { size = 3 } }, { max_pool = { size = 2 } }",
        ),
        ("[1, 64, 2]", "[8, 8, 2]"),
        ("max_pool = { size = [1, 2] }", "upsample = [0, 2]"),
        ("max_pool = { size = [1, 2] }", "upsample = 33"),
        ("max_pool = { size = [1, 2] }", "upsample = 1"),
        ("max_pool = { size = [1, 2] }", "upsample = { size = 2 }"),
    ];
    let of_activations = [
        ("\"relu\"", "{ clipped_relu = 0 }"),
        ("\"relu\"", "{ clipped_relu = \"6\" }"),
        ("\"relu\"", "{ leaky_relu = 16 }"),
        ("\"relu\"", "{ leaky_relu = 0.01 }"),
        ("\"relu\"", "\"relu\", \"relu6\""),
        ("\"relu\"", "\"leaky_relu\""),
        ("\"relu\"", "{ relu6 = 6 }"),
        ("{ max_pool = { size = [1, 2] } }", "\"tanh\""),
        (
            "    { conv2d = { channels = 4, kernel = [1, 5]",
            "    \"sigmoid\",\n    { conv2d = { channels = 4, kernel = [1, 5]",
        ),
        ("{ dense = { units = 3 } }", "{ dense = { units = 3 } }, \"sigmoid\""),
        ("\"relu\",\n    { max_pool", "\"sigmoid\", \"sigmoid\",\n    { max_pool"),
    ];
    let of_heads = [
        ("\"mask\"", "\"class\""),
        ("\"mask\"", "\"conv_0\""),
        ("\"mask\"", "\"Mask\""),
        ("\"mask\"", "\"mask_\""),
        ("name = \"mask\", ", ""),
        ("[{ conv2d = { channels = 1, kernel = 1 } }]", "[]"),
        ("{ conv2d = { channels = 1, kernel = 1 } }]", "{ max_pool = { size = 2 } }]"),
        ("channels = 1, kernel = 1 } }]", "channels = 1, kernel = 1 } }, \"relu\"]"),
        (
            "\"global_average_pool\"",
            "{ head = { name = \"inner\", layers = [{ dense = { units = 2 } }] } }",
        ),
        (
            "{ conv2d = { channels = 3, kernel = 1 } },\n    ] } },",
            "{ conv2d = { channels = 3, kernel = 1 } }, { head = { name = \"end\", layers = [{ \
             dense = { units = 2 } }] } },\n    ] } },",
        ),
        (
            "    \"relu\",\n    { head = { name = \"mask\", layers = [{ conv2d = { channels = 1, \
             kernel = 1 } }] } },\n",
            "    { head = { name = \"mask\", layers = [{ conv2d = { channels = 1, kernel = 1 } }] \
             } },\n    \"relu\",\n",
        ),
        (
            "    { dense = { units = 5 } },\n",
            "    { dense = { units = 5 } },\n    { head = { name = \"end\", layers = [{ dense = { \
             units = 2 } }] } },\n",
        ),
    ];
    let of_inputs = [
        ("\"depth\"", "\"age\""),
        ("\"depth\"", "\"conv_0\""),
        ("\"depth\"", "\"Depth\""),
        ("\"depth\"", "\"to__depth\""),
        ("name = \"depth\", ", ""),
        ("shape = [4, 4], bits = 6", "shape = [5, 4], bits = 6"),
        ("shape = [4, 4], bits = 6", "shape = [], bits = 6"),
        ("shape = [4, 4], bits = 6", "shape = [4096, 4096], bits = 6"),
        ("bits = 6", "bits = 17"),
        ("frac = 3", "frac = 33"),
        ("frac = 3", "log_mel = 3"),
        (
            "{ conv2d = { channels = 3, kernel = 1 } },\n    ], ",
            "{ input = { name = \"x\", shape = [4, 4], bits = 6, frac = 3 } },\n    ], ",
        ),
        (
            "        { dense = { units = 3 } },\n    ] } },\n    \"relu\"",
            "        { dense = { units = 3 } }, { input = { name = \"x\", shape = [3], bits = 6, \
             frac = 3 } },\n    ] } },\n    \"relu\"",
        ),
        (
            "    \"relu\",\n",
            "    { input = { name = \"x\", shape = [3], bits = 6, frac = 3 } },\n    \"relu\",\n",
        ),
        ("        { dense = { units = 3 } },\n    ] } },\n", "        \"relu\",\n    ] } },\n"),
        ("        { dense = { units = 3 } },\n    ] } },\n", "    ] } },\n"),
        (
            "        { conv2d = { channels = 3, kernel = 1 } },\n    ], ",
            "        \"flatten\",\n    ], ",
        ),
    ];
    let of_concats = [
        ("size = 2", "size = 4"),
        ("{ conv2d = { channels = 6, kernel = 3, pad = 1 } }, \"relu\"", "\"flatten\""),
        ("{ max_pool = { size = 2 } }", ""),
        ("body = [{ max", "bodies = [{ max"),
        ("concat = { body", "concatenate = { body"),
        ("    { dense = { units = 3 } },\n", ""),
        ("    \"relu\",\n    { dense = { units = 3 } },\n", ""),
    ];
    let of_sounds = [
        ("[64, 16]", "[64, 16, 1]"),
        ("[64, 16]", "[64, 100]"),
        ("bits = 8", "bits = 8, signed = true"),
        ("frac = 4", "frac = 8"),
        ("rate = 8000", "rate = 0"),
        ("window = 256", "window = 200"),
        ("window = 256", "window = 2048"),
        ("step = 128", "step = 257"),
        (", step = 128", ""),
    ];
    let of_sequences = [
        ("{ highway = {} }", "{ conv2d = { channels = 4, kernel = 1 } }"),
        ("{ highway = {} }", "{ residual = { body = [{ dense = { units = 8 } }] } }"),
        ("lstm = { ", "lstm = { plain = true, r = 5, "),
        ("    { embedding = { rows = 9, units = 8 } },\n", ""),
        ("[1]", "[5]"),
        ("    { highway = {} },\n", "    { char_cnn = { filters = [4] } },\n"),
        ("lstm = { ", "lstm = { bidirectional = true, "),
        ("{ highway = {} }", "\"last\""),
        (
            "{ dense = { units = 9 } }",
            "{ dense = { units = 9 } },\n    \"tanh\", { dense = { units = 9 } }",
        ),
        ("ema = 0.9", "validation = 0.1"),
        ("ema = 0.9", "learn_scales = true"),
    ];
    let of_signals = [
        ("[32, 3]", "[2, 32, 3]"),
        ("[32, 3]", "[4, 3]"),
        (
            "[32, 3], bits = 8, frac = 7, signed = true }\nlayers = [\n    { conv1d = { channels \
             = 8, kernel = 4, stride = 4 } },\n    \"relu\",",
            "[1, 3], bits = 8, frac = 7, signed = true }\nlayers = [",
        ),
        (
            "    { conv1d = { channels = 8, kernel = 4, stride = 4 } },\n    \"relu\",\n",
            "\"last\",",
        ),
        ("kernel = 4, stride = 4", "kernel = 32"),
        ("units = 6", "units = 0"),
        ("threshold = 1", "layers = 2"),
        ("threshold = 1", "threshold = 9"),
        ("\"last\"", "\"relu\""),
        ("\"last\"", "\"last\", \"last\""),
        ("\"last\"", "\"last\", \"reverse\""),
        ("threshold = 1", "bidirectional = 2"),
        ("    { dense = { units = 2 } },\n", ""),
        (
            "{ gru = { units = 5, threshold = 1 } }",
            "{ residual = { body = [{ gru = { units = 5 } }] } }",
        ),
    ];
    let of_separable = [
        ("kernel = 3, stride = 2", "kernel = 30, stride = 2"),
        ("channels = 5, kernel = 3", "channels = 0, kernel = 3"),
        ("r = 7", "r = 0"),
        ("depthwise_r = 2", "depthwise_r = 0"),
        ("depthwise_r = 2", "depthwise_r = 20000"),
        ("depthwise_r = 2", "groups = 2"),
        ("[5, 1]", "[2, 1]"),
        ("    \"relu\",\n", "    { conv2d = { channels = 4, kernel = 1 } },\n"),
    ];
    let of_growing = [
        ("kernel = 4, stride = 2, pad = 1", "kernel = 4, stride = 2"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 3, stride = 2"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 4, stride = 1"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 2, stride = 3"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 4, stride = 2, pad = 3, output_pad = 4"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 4"),
        ("kernel = 4, stride = 2", "kernel = 4, stride = 9"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 33, stride = 1, pad = 16"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = [64, 32], stride = 2, pad = [31, 15]"),
        ("kernel = 4, stride = 2, pad = 1", "kernel = 4, stride = 2, pad = 9223372036854775807"),
        ("r = 9", "r = 0"),
        ("r = 9", "p = 2"),
        ("r = 9", "groups = 3"),
        ("r = 9", "r = 9, groups = 2"),
        ("channels = 6, kernel = 4", "groups = 2, channels = 7, kernel = 4"),
        ("[3, 4, 2]", "[2000, 2000, 1]"),
        ("[6, 1]", "[3, 1]"),
        ("    \"relu\",\n", ""),
    ];
    let mut told = String::new();
    let edits = (edits.map(|edit| (GOOD, edit)).into_iter())
        .chain(of_images.map(|edit| (IMAGES, edit)))
        .chain(of_rows.map(|edit| (ROW, edit)))
        .chain(of_activations.map(|edit| (ROW, edit)))
        .chain(of_concats.map(|edit| (CONCAT, edit)))
        .chain(of_heads.map(|edit| (HEADS, edit)))
        .chain(of_inputs.map(|edit| (INPUTS, edit)))
        .chain(of_sounds.map(|edit| (SOUNDS, edit)))
        .chain(of_sequences.map(|edit| (SEQUENCES, edit)))
        .chain(of_signals.map(|edit| (SIGNALS, edit)))
        .chain(of_separable.map(|edit| (SEPARABLE, edit)))
        .chain(of_growing.map(|edit| (GROWING, edit)));
    for (good, (from, to)) in edits {
        assert!(good.contains(from), "{from}");
        let edited = good.replacen(from, to, 1);
        let error = Network::parse("net.toml", &edited).expect_err(to);
        told += &format!("{from:?} -> {to:?}\n{error}\n\n");
    }
    let snapshot = concat!(env!("CARGO_MANIFEST_DIR"), "/src/network/errors.snapshot");
    if std::env::var_os("STRASSENC_BLESS").is_some() {
        std::fs::write(snapshot, &told).unwrap();
    }
    assert_eq!(
        told,
        std::fs::read_to_string(snapshot).unwrap(),
        "STRASSENC_BLESS=1 accepts new texts"
    );
}

/// The largest sizes that are allowed one by one, together: refused, and nothing overflows on the
/// way.
#[test]
fn values_have_at_most_2_24_elements() {
    let conv =
        "{ conv2d = { channels = 65536, kernel = 32, pad = 31, r = 1 } }, \"relu\", ".repeat(40);
    for layers in [
        format!("{conv}{{ dense = {{ units = 65536, r = 65536 }} }}"),
        format!("{conv}{{ conv2d = {{ channels = 65536, kernel = 1, r = 1 }} }}"),
    ] {
        let text = format!(
            "name = \"x\"\ninput = {{ shape = [1, 4194304], bits = 8, frac = 0 }}\nlayers = \
             [{layers}]\n"
        );
        let told = Network::parse("net.toml", &text).unwrap_err().to_string();
        assert!(told.contains("entries") || told.contains("elements"), "{told}");
    }
    let text = "name = \"x\"\ninput = { shape = [2048, 2048], bits = 8, frac = 0 }\n\
        layers = [{ conv2d = { channels = 5, kernel = 1, r = 1 } }]\n";
    let told = Network::parse("net.toml", text).unwrap_err().to_string();
    assert!(told.contains("`conv_0` yields 2048×2048×5, more than 16777216 elements"), "{told}");
}

/// A head reads what the next layer reads; its last layer says which output it is.
#[test]
fn heads_are_beside_what_goes_on() {
    let network = Network::parse("heads", HEADS).unwrap();
    let steps = network.plan().unwrap();
    let told: Vec<_> = steps.iter().map(|s| (&*s.name, &*s.from, s.head.as_deref())).collect();
    let expected: [(&str, &[usize], Option<&str>); 7] = [
        ("conv_0", &[0], None),
        ("conv_1", &[1], Some("mask")),
        ("pool_0", &[1], None),
        ("dense_0", &[3], Some("class")),
        ("conv_2", &[1], None),
        ("add_0", &[5, 1], None),
        ("dense_1", &[6], None),
    ];
    assert_eq!(told, expected);
    assert_eq!((network.has_heads(), network.outputs()), (true, 5));
}

/// An input reads nothing, and has the name that it was given.
#[test]
fn further_inputs_begin_shortcuts() {
    let network = Network::parse("inputs", INPUTS).unwrap();
    assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
    let steps = network.plan().unwrap();
    let signs = plan::signs(&steps, network.input.signed);
    let told: Vec<_> =
        steps.iter().zip(&signs[1..]).map(|(s, signed)| (&*s.name, &*s.from, *signed)).collect();
    let expected: [(&str, &[usize], bool); 8] = [
        ("conv_0", &[0], true),
        ("depth", &[], true),
        ("concat_0", &[1, 2], true),
        ("dense_0", &[3], true),
        ("age", &[], false),
        ("dense_1", &[5], true),
        ("add_0", &[4, 6], false),
        ("dense_2", &[7], true),
    ];
    assert_eq!(told, expected);
    let names: Vec<_> = network.inputs().into_iter().map(|(name, _)| name).collect();
    assert_eq!((names, network.elements()), (vec![None, Some("depth"), Some("age")], 33));
    assert_eq!(network.columns()[1], (16, Format { signed: true, bits: 6, frac: 3 }));
}

/// What enters may be joined to an input as it is, and to nothing else.
#[test]
fn a_concat_of_inputs_alone_needs_no_layer() {
    let text = INPUTS.replace("        { conv2d = { channels = 3, kernel = 1 } },\n    ], ", "], ");
    assert_ne!(text, INPUTS);
    let network = Network::parse("inputs", &text).unwrap();
    let steps = network.plan().unwrap();
    assert_eq!((&*steps[1].name, &*steps[1].from), ("concat_0", &[0, 1][..]));
    assert_eq!(steps[1].output.channels, 2);
}

/// Channels add up; what cannot be negative needs no sign.
#[test]
fn branches_side_by_side_have_the_channels_of_both() {
    let network = Network::parse("concat", CONCAT).unwrap();
    let steps = network.plan().unwrap();
    let told: Vec<String> = (steps.iter().zip(&plan::signs(&steps, network.input.signed)[1..]))
        .map(|(step, signed)| {
            format!(
                "{} {:?} {} {}",
                step.name,
                step.from,
                step.output,
                ["u", "s"][usize::from(*signed)]
            )
        })
        .collect();
    let expected = [
        "conv_0 [0] 8×8×6 u",
        "concat_0 [1, 0] 8×8×10 u",
        "pool_0 [2] 4×4×10 u",
        "conv_1 [2] 4×4×2 s",
        "concat_1 [3, 4] 4×4×12 s",
        "conv_2 [5] 4×4×3 s",
        "concat_2 [6, 5] 4×4×15 u",
        "dense_0 [7] 3 s",
    ];
    assert_eq!(told, expected);
}

/// Doubled so often that no integer would count them.
#[test]
fn pixels_that_multiply_are_refused_before_they_overflow() {
    let text = format!(
        "name = \"t\"\ninput = {{ shape = [2, 2, 3], bits = 8, frac = 8 }}\nlayers = \
         [{}{{ dense = {{ units = 3 }} }}]",
        "{ upsample = 32 },\n".repeat(40)
    );
    let error = Network::parse("t", &text).unwrap_err().to_string();
    assert!(error.contains("`upsample` yields 65536×65536×3, more than"), "{error}");
}

/// Doubled so often that no integer would count them.
#[test]
fn channels_that_add_up_are_refused_before_they_overflow() {
    let twice = "{ concat = { body = [{ max_pool = { size = 1 } }] } },\n".repeat(80);
    let text = format!(
        "name = \"t\"\ninput = {{ shape = [2, 2, 3], bits = 8, frac = 8 }}\nlayers = \
         [{twice}{{ dense = {{ units = 3 }} }}]"
    );
    let error = Network::parse("t", &text).unwrap_err().to_string();
    assert!(error.contains("`concat` yields 2×2×6291456, more than"), "{error}");
}
