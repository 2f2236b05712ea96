//! The network description: a TOML file with the input, the layers, the bits and the training recipe.
//!
//! ```toml
//! name = "mnist"
//! input = { shape = [28, 28], bits = 8, frac = 8 }
//! layers = [
//!     { dense = { units = 64, r = 128 } },
//!     "relu",
//!     { dense = { units = 10, r = 64 } },
//! ]
//! bits = { activations = 8, coefficients = 8, guard = 2 }
//!
//! [train]
//! data = "mnist"
//! full = { epochs = 12, learning_rate = 1e-3 }
//! ```
//! Everything under `bits` and `train` has a default. Unknown keys and impossible shapes are errors that name the line.

mod describe;
mod ready;

pub use ready::{find, ready};

use crate::error::Result;
use crate::format::Format;
use describe::{Place, Violation};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A dense network under a multiplication budget, and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A name for people and for Verilog modules: `[a-z][a-z0-9_]*`, at most 64 characters.
    pub name: String,
    /// What enters the first layer.
    pub input: Input,
    /// The layers in the order data flows; a `dense` first and last, a `relu` only right after a `dense`.
    pub layers: Vec<Layer>,
    /// Widths of the integer network.
    #[serde(default)]
    pub bits: Bits,
    /// How it is trained.
    #[serde(default)]
    pub train: Recipe,
}

/// Shape and number format of the input: real value = integer · 2^-frac.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Sizes of the axes, row-major.
    pub shape: Vec<usize>,
    /// Width in bits, 1..=16.
    pub bits: u32,
    /// Fractional bits, -32..=32.
    pub frac: i32,
    /// Whether the values are two's complement.
    #[serde(default)]
    pub signed: bool,
}

/// One layer of a [`Network`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A dense sum-product network, with batch norms that fold away (the last layer has a bias instead).
    Dense(Dense),
    /// max(0, x); free, since it is the lower end of the saturation.
    Relu,
}

/// A dense SPN layer, `y = W_c[a ⊙ (W_b x)]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Number of outputs, 1..=65536.
    pub units: usize,
    /// The multiplication budget, 1..=65536: rows of W_b, entries of a.
    pub r: usize,
    /// Ternary threshold factor of this layer, instead of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// Widths of the integer network, in bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bits {
    /// Of every activation between layers, 1..=16.
    pub activations: u32,
    /// Of every coefficient a_i, sign included, 2..=25.
    pub coefficients: u32,
    /// Fractional bits that products keep below the least bit of the layer's output, 0..=16; fewer are fewer gates.
    pub guard: u32,
}

impl Default for Bits {
    fn default() -> Self {
        Bits { activations: 8, coefficients: 8, guard: 2 }
    }
}

/// How a network is trained: three phases over one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The data set used when none is named: a name or a path as `--data` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Decides initial weights, the order of samples and the validation slice.
    pub seed: u64,
    /// Samples per step, 2..=65536.
    pub batch: usize,
    /// The share of the training split held out for validation, 0..=0.5.
    pub validation: f64,
    /// Random shifts of each training sample by up to so many elements along the last two axes; 0 for none.
    pub shift: usize,
    /// The optimiser of all phases.
    pub optimiser: Optimiser,
    /// Decoupled (AdamW) or plain (SGD) weight decay of W_b and W_c in the first two phases, ≥ 0.
    pub weight_decay: f64,
    /// Momentum of SGD, 0..1.
    pub momentum: f64,
    /// Ternary threshold Δ = threshold · mean|w|, per row, 0..=5; higher is sparser. Li & Liu (TWN) use 0.7.
    pub threshold: f64,
    /// Phase 1, full-precision W_b and W_c.
    pub full: Phase,
    /// Phase 2, ternary W_b and W_c with straight-through gradients.
    pub ternary: Phase,
    /// Phase 3, W_b and W_c frozen, integer activations: coefficients and biases train.
    pub frozen: Phase,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            data: None,
            seed: 1,
            batch: 64,
            validation: 0.0,
            shift: 0,
            optimiser: Optimiser::Adamw,
            weight_decay: 0.0,
            momentum: 0.9,
            threshold: 0.7,
            full: Phase { epochs: 12, ..Phase::default() },
            ternary: Phase { epochs: 12, ..Phase::default() },
            frozen: Phase { epochs: 2, ..Phase::default() },
        }
    }
}

/// One phase of a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phase {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Step size at the start, > 0.
    pub learning_rate: f64,
    /// How the step size falls over the phase.
    pub schedule: Schedule,
}

impl Default for Phase {
    fn default() -> Self {
        Phase { epochs: 10, learning_rate: 1e-3, schedule: Schedule::Cosine }
    }
}

/// The optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019), β = 0.9, 0.999.
    Adamw,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// How the learning rate falls within a phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Half a cosine, step by step, down to 0.
    Cosine,
    /// Times `factor` every `every` epochs.
    Step(Step),
}

/// See [`Schedule::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Epochs between reductions, ≥ 1.
    pub every: usize,
    /// In 0..=1.
    pub factor: f64,
}

impl Input {
    /// The number format.
    pub fn format(&self) -> Format {
        Format { signed: self.signed, bits: self.bits, frac: self.frac }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Network {
    /// Parses and validates a description; `place` (a path) stands in front of the line in errors.
    ///
    /// # Errors
    /// The first thing wrong, as `place:line`, with the way out.
    pub fn parse(place: &str, text: &str) -> Result<Network> {
        let network: Network = toml::from_str(text).map_err(|e| describe::syntax(place, text, &e))?;
        network.check().map_err(|v| v.at(place, text))?;
        Ok(network)
    }

    /// The description as TOML that [`Network::parse`] reads back.
    pub fn to_toml(&self) -> String {
        // Every field is a plain value, which TOML can express.
        toml::to_string(self).expect("a description is TOML")
    }

    /// Checks shapes and ranges of a description made in code.
    ///
    /// # Errors
    /// The first violation.
    pub fn validate(&self) -> Result<()> {
        self.check().map_err(|v| v.in_network(&self.name))
    }

    /// The dense layers, in order.
    pub fn dense(&self) -> impl Iterator<Item = &Dense> {
        self.layers.iter().filter_map(|l| match l {
            Layer::Dense(d) => Some(d),
            Layer::Relu => None,
        })
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.dense().last().map_or(0, |d| d.units)
    }

    /// Multiplications of one inference: the sum of the budgets r.
    pub fn multiplications(&self) -> usize {
        self.dense().map(|d| d.r).sum()
    }

    /// Multiplications of one inference of an ordinary dense network of the same shape.
    pub fn dense_multiplications(&self) -> usize {
        let mut inputs = self.input.elements();
        self.dense().map(|d| std::mem::replace(&mut inputs, d.units) * d.units).sum()
    }

    fn check(&self) -> Result<(), Violation> {
        check_name(&self.name)?;
        self.check_input()?;
        self.check_layers()?;
        let Bits { activations, coefficients, guard } = self.bits;
        let bits = |key| Place::new("bits").key(key);
        within(bits("activations"), activations, 1..=16)?;
        within(bits("coefficients"), coefficients, 2..=25)?;
        within(bits("guard"), guard, 0..=16)?;
        self.train.check(&self.input.shape)
    }

    fn check_input(&self) -> Result<(), Violation> {
        let at = |key| Place::new("input").key(key);
        let Input { shape, bits, frac, .. } = &self.input;
        if shape.is_empty() || shape.contains(&0) {
            return Err(Violation::new(at("shape"), format!("the shape {shape:?} has no elements"))
                .help("give the sizes of the axes, e.g. `shape = [28, 28]`"));
        }
        if shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).is_none_or(|n| n > MAX_SIZE) {
            return Err(Violation::new(at("shape"), format!("the shape {shape:?} has more than {MAX_SIZE} elements")));
        }
        within(at("bits"), *bits, 1..=16)?;
        within(at("frac"), *frac, -32..=32)
    }

    fn check_layers(&self) -> Result<(), Violation> {
        let at = |i: usize| Place::new("layers").index(i);
        if self.layers.is_empty() {
            return Err(Violation::new(Place::new("layers"), "there are no layers")
                .help("give at least one, e.g. `layers = [{ dense = { units = 10, r = 32 } }]`"));
        }
        let mut inputs = self.input.elements();
        for (i, layer) in self.layers.iter().enumerate() {
            let before = i.checked_sub(1).map(|j| &self.layers[j]);
            match layer {
                Layer::Dense(d) => {
                    if matches!(before, Some(Layer::Dense(_))) {
                        return Err(Violation::new(at(i), "two `dense` layers in a row are one linear map")
                            .help("put a \"relu\" between them, or merge them"));
                    }
                    d.check(&at(i).key("dense"), inputs)?;
                    inputs = d.units;
                }
                Layer::Relu => {
                    let cause = match before {
                        None => "a \"relu\" cannot be the first layer",
                        Some(Layer::Relu) => "a second \"relu\" in a row does nothing",
                        Some(Layer::Dense(_)) if i + 1 == self.layers.len() => "a \"relu\" cannot be the last layer",
                        Some(Layer::Dense(_)) => continue,
                    };
                    return Err(Violation::new(at(i), cause)
                        .help("remove it: a network begins and ends with a `dense` layer, one \"relu\" between two"));
                }
            }
        }
        Ok(())
    }
}

/// Largest number of elements of an input, units of a layer, and budget r.
const MAX_SIZE: usize = 1 << 16;
/// Largest number of entries of one ternary matrix.
const MAX_ENTRIES: usize = 1 << 26;

impl Dense {
    fn check(&self, place: &Place, inputs: usize) -> Result<(), Violation> {
        let at = |key| place.clone().key(key);
        within(at("units"), self.units, 1..=MAX_SIZE)?;
        within(at("r"), self.r, 1..=MAX_SIZE)?;
        let entries = self.r * inputs.max(self.units);
        if entries > MAX_ENTRIES {
            let cause = format!("r = {} needs a matrix of {entries} entries, more than {MAX_ENTRIES}", self.r);
            return Err(Violation::new(at("r"), cause).help("choose a smaller r"));
        }
        within(at("threshold"), self.threshold.unwrap_or(0.7), 0.0..=5.0)
    }
}

impl Recipe {
    fn check(&self, shape: &[usize]) -> Result<(), Violation> {
        let at = |key| Place::new("train").key(key);
        if self.shift > 0 && shape.len() < 2 {
            return Err(Violation::new(at("shift"), "inputs of one axis are no images to shift").help("remove `shift`"));
        }
        within(at("shift"), self.shift, 0..=shape.iter().rev().take(2).min().map_or(0, |n| n / 2))?;
        // A batch norm needs two samples.
        within(at("batch"), self.batch, 2..=MAX_SIZE)?;
        within(at("validation"), self.validation, 0.0..=0.5)?;
        within(at("weight_decay"), self.weight_decay, 0.0..=1e3)?;
        within(at("momentum"), self.momentum, 0.0..=0.9999)?;
        within(at("seed"), self.seed, 0..=i64::MAX as u64)?;
        within(at("threshold"), self.threshold, 0.0..=5.0)?;
        for (key, phase) in [("full", &self.full), ("ternary", &self.ternary), ("frozen", &self.frozen)] {
            phase.check(&at(key))?;
        }
        Ok(())
    }
}

impl Phase {
    fn check(&self, place: &Place) -> Result<(), Violation> {
        let at = |key| place.clone().key(key);
        within(at("epochs"), self.epochs, 0..=100_000)?;
        within(at("learning_rate"), self.learning_rate, 1e-9..=1e3)?;
        if let Schedule::Step(Step { every, factor }) = self.schedule {
            let step = at("schedule").key("step");
            within(step.clone().key("every"), every, 1..=100_000)?;
            within(step.key("factor"), factor, 0.0..=1.0)?;
        }
        Ok(())
    }
}

fn within<T: PartialOrd + Display + Copy>(place: Place, value: T, range: RangeInclusive<T>) -> Result<(), Violation> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    let cause = format!("{} = {value} is out of range", place.last_key());
    Err(Violation::new(place, cause).help(format_args!("choose a value from {low} to {high}")))
}

fn check_name(name: &str) -> Result<(), Violation> {
    let mut bytes = name.bytes();
    let ok = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 64;
    if ok {
        return Ok(());
    }
    Err(Violation::new(Place::new("name"), format!("the name {name:?} is not usable"))
        .help("use at most 64 lower-case letters, digits and underscores, a letter first"))
}

#[cfg(test)]
mod tests {
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
full = { epochs = 3, schedule = { step = { every = 2, factor = 0.1 } } }
"#;

    #[test]
    fn ready_descriptions_are_valid_and_round_trip() {
        for (name, _) in ready() {
            let network = find(name).unwrap();
            assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
        }
        let network = Network::parse("good", GOOD).unwrap();
        assert_eq!(Network::parse("again", &network.to_toml()).unwrap(), network);
        assert_eq!((network.multiplications(), network.dense_multiplications()), (9, 8 * 3 + 3 * 2));
    }

    /// Every edit of a good description that people may make, and what they are told.
    #[test]
    fn errors() {
        let edits = [
            ("units = 3", "unitz = 3"),
            ("r = 5", "r = 0"),
            ("r = 5", "r = -5"),
            ("r = 5", "r = 5.5"),
            (", r = 5", ""),
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
            ("1.5", "nan"),
            ("[train]", "[trian]"),
            ("[train]", "[train]\noptimiser = \"adam\""),
            ("[train]", "[train]\nbatch = 1"),
            ("shift = 1", "shift = 3"),
            ("[4, 2]", "[8]"),
            ("epochs = 3", "epochs = \"three\""),
            ("every = 2", "every = 0"),
            ("[train]", "[train"),
        ];
        let mut told = String::new();
        for (from, to) in edits {
            assert!(GOOD.contains(from), "{from}");
            let error = Network::parse("net.toml", &GOOD.replacen(from, to, 1)).expect_err(to);
            told += &format!("{from:?} -> {to:?}\n{error}\n\n");
        }
        let snapshot = concat!(env!("CARGO_MANIFEST_DIR"), "/src/network/errors.snapshot");
        if std::env::var_os("STRASSENC_BLESS").is_some() {
            std::fs::write(snapshot, &told).unwrap();
        }
        assert_eq!(told, std::fs::read_to_string(snapshot).unwrap(), "STRASSENC_BLESS=1 accepts new texts");
    }
}
