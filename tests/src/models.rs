//! Random models and inputs, the same for the same recipe.

use ndarray::{Array1, Array2};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::iter;
use strassenc_runtime::model::{Bilinear, Dense, Edge, Layer, Output, Provenance};
use strassenc_runtime::{Format, Model, Network, random};

/// What a random model looks like.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Seed of everything that the other fields leave open.
    pub seed: u64,
    /// Number of inputs, at least 1.
    pub inputs: usize,
    /// Whether the first layer multiplies data by data: the first half of the inputs, rounded up,
    /// by the others, of which there must be one.
    pub two_operands: bool,
    /// Format of the inputs.
    pub format: Format,
    /// The layers, at least one.
    pub layers: Vec<LayerRecipe>,
    /// Share of rows, columns, coefficients and outputs that are made dead on purpose, 0..=1.
    pub dead: f64,
}

/// What a layer of a random model looks like.
#[derive(Clone, Debug)]
pub struct LayerRecipe {
    /// Multiplications, 0 or more.
    pub rows: usize,
    /// Number of outputs, at least 1.
    pub outputs: usize,
    /// Share of entries other than 0, 0..=1.
    pub density: f64,
    /// Width of the coefficients, 2..=25.
    pub coefficient_bits: u32,
    /// About how many bits the products have after rounding; few of them make all-zero products,
    /// many of them left shifts.
    pub product_bits: u32,
    /// What leaves, unless it is the last layer.
    pub format: Format,
    /// The number of bits, about, by which the outputs exceed the format: positive saturates,
    /// negative never does.
    pub excess: i32,
}

/// A layer of four dense rows and two outputs of four bits, and a last one, for examples.
pub fn small() -> Recipe {
    let format = Format { signed: false, bits: 4, frac: 0 };
    let layer = LayerRecipe {
        rows: 4,
        outputs: 2,
        density: 1.0,
        coefficient_bits: 6,
        product_bits: 6,
        format,
        excess: 0,
    };
    Recipe {
        seed: 3,
        inputs: 3,
        two_operands: false,
        format,
        layers: vec![layer.clone(), layer],
        dead: 0.0,
    }
}

/// Recipes of all sorts, small enough to run thousands of them.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    of_widths(12, 12, 20)
}

/// Recipes whose values come close to the limit of 53 bits.
pub fn wide_recipes() -> impl Strategy<Value = Recipe> {
    of_widths(32, 25, 45)
        .prop_filter("values beyond 53 bits", |recipe| build(recipe).validate().is_ok())
}

fn of_widths(bits: u32, coefficient_bits: u32, product_bits: u32) -> impl Strategy<Value = Recipe> {
    let format = (any::<bool>(), 1..=bits, -4i32..=12).prop_map(|(signed, bits, frac)| Format {
        signed,
        bits,
        frac,
    });
    let sizes = (0usize..=14, 1usize..=9, 0.0f64..=1.0);
    let layer = (sizes, 2..=coefficient_bits, 1..=product_bits, format.clone(), -3i32..=4)
        .prop_map(|((rows, outputs, density), coefficient_bits, product_bits, format, excess)| {
            LayerRecipe { rows, outputs, density, coefficient_bits, product_bits, format, excess }
        });
    let dead = prop_oneof![Just(0.0), 0.0f64..=0.5];
    (
        any::<u64>(),
        1usize..=14,
        prop::bool::weighted(0.3),
        format,
        prop::collection::vec(layer, 1..=3),
        dead,
    )
        .prop_map(|(seed, inputs, two_operands, format, layers, dead)| {
            let two_operands = two_operands && inputs > 1;
            Recipe { seed, inputs, two_operands, format, layers, dead }
        })
}

/// The model of a recipe.
pub fn random_model(recipe: &Recipe) -> Model {
    let model = build(recipe);
    model.validate().expect("a recipe's model is valid");
    model
}

fn build(recipe: &Recipe) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let mut layers: Vec<Layer> = vec![];
    let (mut n_in, mut x) = (recipe.inputs, recipe.format);
    for (i, layer) in recipe.layers.iter().enumerate() {
        let last = i + 1 == recipe.layers.len();
        layers.push(if i == 0 && recipe.two_operands {
            Layer::Bilinear(bilinear(&mut rng, layer, (n_in, x), recipe.dead, last))
        } else {
            Layer::Dense(dense(&mut rng, format!("dense_{i}"), layer, (n_in, x), recipe.dead, last))
        });
        (n_in, x) = (layer.outputs, layer.format);
    }
    Model {
        name: "random".into(),
        input: Edge { shape: vec![recipe.inputs], format: recipe.format },
        layers,
        provenance: Provenance::default(),
    }
}

pub(crate) fn ternary(rng: &mut impl Rng, shape: (usize, usize), density: f64) -> Array2<i8> {
    Array2::from_shape_simple_fn(shape, || match (rng.random_bool(density), rng.random_bool(0.5)) {
        (false, _) => 0,
        (true, negative) => 1 - 2 * i8::from(negative),
    })
}

pub(crate) fn dense(
    rng: &mut impl Rng,
    name: String,
    recipe: &LayerRecipe,
    (n_in, x): (usize, Format),
    dead: f64,
    last: bool,
) -> Dense {
    let &LayerRecipe { rows, outputs, density, coefficient_bits, .. } = recipe;
    let mut w_b = ternary(rng, (rows, n_in), density);
    let mut w_c = ternary(rng, (outputs, rows), density);
    let limit = (1 << (coefficient_bits - 1)) - 1;
    let mut coefficients: Array1<i32> =
        Array1::from_shape_simple_fn(rows, || rng.random_range(-limit..=limit));
    for i in 0..rows {
        match rng.random_bool(dead).then(|| rng.random_range(0..3)) {
            Some(0) => w_b.row_mut(i).fill(0),
            Some(1) => w_c.column_mut(i).fill(0),
            Some(_) => coefficients[i] = 0,
            None => {}
        }
    }
    for c in 0..outputs {
        if rng.random_bool(dead / 2.0) {
            w_c.row_mut(c).fill(0);
        }
    }
    let bits = |v: i64| 64 - v.unsigned_abs().leading_zeros() as i32;
    let x_bits = bits(x.max().max(-x.min()));
    let coefficient_shifts = Array1::from_shape_fn(rows, |i| {
        let terms = w_b.row(i).iter().filter(|v| **v != 0).count() as i64;
        let product = bits(terms) + x_bits + bits(coefficients[i].into());
        (product - recipe.product_bits as i32 + rng.random_range(-2..=2)).clamp(-6, 54)
    });
    let y_bits = recipe.product_bits as i32 + 2 + bits(rows as i64);
    let bias = Array1::from_shape_fn(outputs, |_| {
        let limit = 1i64 << rng.random_range(0..=y_bits);
        rng.random_range(-limit..=limit)
    });
    let output = if last {
        Output::Raw
    } else {
        let shift = y_bits - recipe.format.bits as i32 - recipe.excess;
        let shifts =
            Array1::from_shape_fn(outputs, |_| (shift + rng.random_range(-2..=2)).clamp(-6, 54));
        Output::Requantised { shifts, format: recipe.format }
    };
    Dense {
        name,
        budget: rows,
        w_b,
        coefficients,
        coefficient_bits,
        coefficient_shifts,
        product_frac: 0,
        w_c,
        bias,
        output,
    }
}

fn bilinear(
    rng: &mut impl Rng,
    recipe: &LayerRecipe,
    (n_in, x): (usize, Format),
    dead: f64,
    last: bool,
) -> Bilinear {
    let &LayerRecipe { rows, outputs, density, .. } = recipe;
    let n_a = n_in.div_ceil(2);
    let mut w_a = ternary(rng, (rows, n_a), density);
    let w_b = ternary(rng, (rows, n_in - n_a), density);
    let mut w_c = ternary(rng, (outputs, rows), density);
    for i in 0..rows {
        match rng.random_bool(dead).then(|| rng.random_range(0..2)) {
            Some(0) => w_a.row_mut(i).fill(0),
            Some(_) => w_c.column_mut(i).fill(0),
            None => {}
        }
    }
    let output = if last {
        Output::Raw
    } else {
        let shift = 2 * x.bits as i32 + 2 - recipe.format.bits as i32 - recipe.excess;
        let shifts =
            Array1::from_shape_fn(outputs, |_| (shift + rng.random_range(-2..=2)).clamp(-6, 54));
        Output::Requantised { shifts, format: recipe.format }
    };
    Bilinear { name: "product".into(), w_a, w_b, w_c, output }
}

/// Inputs for a model: all least, all greatest, each element alone at an end, then `random`
/// vectors, of which every other one has each element at one of its ends.
pub fn inputs(model: &Model, random: usize, seed: u64) -> Vec<Vec<i64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ends = |(n, format): (usize, Format)| iter::repeat_n([format.min(), format.max()], n);
    let ends: Vec<[i64; 2]> = model.columns().into_iter().flat_map(ends).collect();
    let all = |end: usize| ends.iter().map(|both| both[end]).collect();
    let mut vectors = vec![all(0), all(1), vec![0; ends.len()]];
    for (i, both) in ends.iter().enumerate() {
        for end in both {
            let mut v = vec![0; ends.len()];
            v[i] = *end;
            vectors.push(v);
        }
    }
    for k in 0..random {
        let mut pick = |[lo, hi]: &[i64; 2]| match (k % 2, rng.random_bool(0.5)) {
            (0, true) => *lo,
            (0, false) => *hi,
            _ => rng.random_range(*lo..=*hi),
        };
        vectors.push(ends.iter().map(&mut pick).collect());
    }
    vectors
}

/// A random model of the network that this text describes, over images or signals.
pub fn described(text: &str) -> Model {
    let network = Network::parse("net.toml", text).unwrap();
    let images = random::images(&network.inputs(), 16, 1);
    let drawn = random::Options { density: 0.5, seed: 1, data: None };
    let never = || false;
    let made = random::random(&network, &images, &drawn, &|_, _| (), random::Stop(&never));
    made.unwrap().model
}
