//! What a network costs by its description alone, before any training: multiplications, additions,
//! parameters, bits.
//!
//! Two ways of counting. *Ours*: every multiplication the hardware performs; zero entries of the
//! ternary matrices count as additions, since nothing is trained yet. *The paper's* (StrassenNets,
//! section 4): patches at the edge in part, a multiplication and an addition per activation for the
//! output norm, full-precision numbers of 32 bits, and a last layer in full precision unless its
//! budget is below twice its outputs.

use crate::report::{Document, Drawing, Picture, Section, Shaped, Source, Table, network, rails};
use serde::Serialize;
use strassenc_runtime::network::plan::{HIGHWAY_PRODUCTS, Linear, Op, Step};
use strassenc_runtime::{Cell, Extent, Join, Network, Result};

/// The rules that multiplications and additions are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Rules {
    /// What the hardware does.
    #[default]
    Ours,
    /// The rules of StrassenNets, section 4.
    Paper,
}

/// The cost of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accounting {
    /// The network's name.
    pub network: String,
    /// The rules that the costs follow.
    pub rules: Rules,
    /// The cost of each layer.
    pub layers: Vec<LayerCost>,
    /// The cost of all layers together.
    pub total: Cost,
    /// `1 - multiplications / dense_multiplications`.
    pub reduction: f64,
}

/// The cost of one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerCost {
    /// The layer's name.
    pub name: String,
    /// What it is, in a few words.
    pub kind: String,
    /// What it reads: 0 is the network's input, i + 1 what layer i yields.
    pub reads: Vec<usize>,
    /// What enters, e.g. `28×28×1`.
    pub input: String,
    /// The shape of what leaves.
    pub output: String,
    /// Multiplications per output patch; none where it is not linear.
    pub r: Option<usize>,
    /// The output patch.
    pub p: Option<Extent>,
    /// Groups of W_b.
    pub groups: Option<usize>,
    /// The layer's cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// What is counted, over one inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Multiplications.
    pub multiplications: u64,
    /// Multiplications of an ordinary layer in its place.
    pub dense_multiplications: u64,
    /// Additions, zero entries of the ternary matrices included.
    pub additions: u64,
    /// Ternary weights.
    pub ternary_weights: u64,
    /// Other numbers: coefficients and biases; for the paper's rules those of the output norm, and
    /// full-precision weights.
    pub numbers: u64,
    /// Bits of them all, 2 for a ternary weight.
    pub bits: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.multiplications += other.multiplications;
        self.dense_multiplications += other.dense_multiplications;
        self.additions += other.additions;
        self.ternary_weights += other.ternary_weights;
        self.numbers += other.numbers;
        self.bits += other.bits;
    }
}

/// Bits of a bias, and of a full-precision number.
const NUMBER_BITS: u64 = 32;

/// What the network costs.
///
/// # Errors
/// Where a shape does not fit.
pub fn accounting(network: &Network, rules: Rules) -> Result<Accounting> {
    let steps = network.plan()?;
    let layers: Vec<LayerCost> = (steps.iter().enumerate())
        .map(|(i, step)| {
            let cost = match (rules, &step.op) {
                (Rules::Ours, Op::Linear(linear)) => {
                    ours(step, linear, network.bits.coefficients.into())
                }
                (Rules::Paper, Op::Linear(linear)) => {
                    let last = i + 1 == steps.len();
                    paper(step, linear, last, last && !network.is_of_sequences())
                }
                (Rules::Ours, Op::CharCnn(_) | Op::Highway(_) | Op::Recurrent(..)) => {
                    gated(step, network.bits.coefficients.into())
                }
                (Rules::Paper, Op::CharCnn(_) | Op::Highway(_) | Op::Recurrent(..)) => {
                    paper_gated(step)
                }
                (Rules::Ours, op) => {
                    Cost { additions: other_additions(step, op), ..Cost::default() }
                }
                (Rules::Paper, _) => Cost::default(),
            };
            let linear = step.linear();
            LayerCost {
                name: step.name.clone(),
                kind: step.kind(),
                reads: step.from.clone(),
                input: step.input.to_string(),
                output: step.output.to_string(),
                r: linear.map(|l| l.r),
                p: linear.map(|l| l.patch),
                groups: linear.map(|l| l.groups),
                cost,
            }
        })
        .collect();
    let mut total = Cost::default();
    for layer in &layers {
        total += layer.cost;
    }
    let reduction = 1.0 - total.multiplications as f64 / total.dense_multiplications.max(1) as f64;
    Ok(Accounting { network: network.name.clone(), rules, layers, total, reduction })
}

fn ours(step: &Step, linear: &Linear, coefficient_bits: u64) -> Cost {
    let (w_b, w_c) = step.entries();
    let (down, across) = linear.patches(step.output);
    let patches = (down * across) as u64;
    let (r, outputs) = (linear.r as u64, step.output.elements() as u64);
    let biases = (step.output.channels * linear.patch.area()) as u64;
    Cost {
        multiplications: step.multiplications(),
        dense_multiplications: step.dense_multiplications(),
        // Each bias is an addition per output; surplus outputs of an edge patch are computed and
        // cropped.
        additions: (w_b + w_c) * patches + outputs,
        ternary_weights: w_b + w_c,
        numbers: r + biases,
        bits: 2 * (w_b + w_c) + coefficient_bits * r + NUMBER_BITS * biases,
    }
}

/// `classifier` is a last layer that is not the decoder of a language model, which is an SPN
/// whatever its budget.
fn paper(step: &Step, linear: &Linear, last: bool, classifier: bool) -> Cost {
    let dense_multiplications = step.dense_multiplications();
    let (outputs, channels) = (step.output.elements() as u64, step.output.channels as u64);
    if classifier && linear.r >= 2 * step.output.channels {
        let numbers = dense_multiplications;
        return Cost {
            multiplications: dense_multiplications,
            dense_multiplications,
            additions: dense_multiplications,
            ternary_weights: 0,
            numbers,
            bits: NUMBER_BITS * numbers,
        };
    }
    // The paper keeps a classifier's budget at its number of outputs.
    let r = if classifier { linear.r.max(step.output.channels) } else { linear.r };
    let (w_b, w_c) = Step { op: Op::Linear(Linear { r, ..*linear }), ..step.clone() }.entries();
    let pixels = step.output.pixels() as u64;
    let area = linear.patch.area() as u64;
    let r = r as u64;
    let norm = if last { 0 } else { outputs };
    // ã, and scale and offset of the output norm; the last layer's bias is not counted.
    let numbers = r + if last { 0 } else { 2 * channels };
    Cost {
        multiplications: r * pixels / area + norm,
        dense_multiplications,
        additions: w_b * pixels / area + w_c * pixels / area + norm,
        ternary_weights: w_b + w_c,
        numbers,
        bits: 2 * (w_b + w_c) + NUMBER_BITS * numbers,
    }
}

/// The gates of an LSTM or a highway layer, and what they do with each unit; or the filters of a
/// char-CNN at all their positions.
fn gated(step: &Step, coefficient_bits: u64) -> Cost {
    let (w_b, w_c) = step.entries();
    let times = step.times() as u64;
    let units = step.output.elements() as u64 / times;
    // The coefficients; the biases; additions of entries, biases and of what follows: t (h - x) + x
    // of a highway layer, what the cell adds of a recurrent one.
    let (r, biases, additions) = match &step.op {
        Op::CharCnn(_) => (units, units, filter_additions(step)),
        Op::Highway(gates) => (2 * gates.r as u64, 2 * units, w_b + w_c + 4 * units),
        Op::Recurrent(cell, _, gates) => {
            let biases = Cell::GATES as u64 * units;
            let additions = w_b + w_c + biases + cell.additions() as u64 * units;
            ((cell.spns() * gates.r) as u64, biases, times * additions)
        }
        _ => (0, 0, 0),
    };
    Cost {
        multiplications: step.multiplications(),
        dense_multiplications: step.dense_multiplications(),
        additions,
        ternary_weights: w_b + w_c,
        numbers: r + biases,
        bits: 2 * (w_b + w_c) + coefficient_bits * r + NUMBER_BITS * biases,
    }
}

/// The cost of a gated step by the paper's count, recomputed from its seven budgets on Penn
/// Treebank: entries alone are additions, and a unit of a highway layer takes three
/// multiplications, as one of an LSTM does. A filter is multiplied at each of its positions, before
/// the largest is taken.
fn paper_gated(step: &Step) -> Cost {
    let (w_b, w_c) = step.entries();
    let units = step.output.elements() as u64;
    let (r, more) = match &step.op {
        Op::CharCnn(_) => (units, 0),
        Op::Highway(gates) => (2 * gates.r as u64, (3 - HIGHWAY_PRODUCTS) as u64 * units),
        Op::Recurrent(cell, _, gates) => ((cell.spns() * gates.r) as u64, 0),
        _ => (0, 0),
    };
    let (multiplications, additions) = match step.op {
        Op::CharCnn(_) => (
            step.positions().map(|(filters, _, positions)| filters * positions).sum::<usize>()
                as u64,
            filter_additions(step),
        ),
        _ => (step.multiplications() + more, step.times() as u64 * (w_b + w_c)),
    };
    Cost {
        multiplications,
        dense_multiplications: step.dense_multiplications() + more,
        additions,
        ternary_weights: w_b + w_c,
        numbers: r,
        bits: 2 * (w_b + w_c) + NUMBER_BITS * r,
    }
}

/// Entries of all filters of a char-CNN at all positions.
fn filter_additions(step: &Step) -> u64 {
    step.positions()
        .map(|(filters, width, positions)| {
            (filters * width * step.input.channels * positions) as u64
        })
        .sum()
}

/// Additions of what is not linear; comparisons are none.
fn other_additions(step: &Step, op: &Op) -> u64 {
    match op {
        Op::Join(Join::Add) => step.output.elements() as u64,
        Op::AveragePool(pool) => (step.output.elements() * (pool.size.area() - 1)) as u64,
        _ => 0,
    }
}

impl Accounting {
    /// The cost, arranged for a terminal and for a page.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn document(&self) -> Result<Document> {
        let source = Source::new(self)?;
        let columns = [
            "layer",
            "kind",
            "input",
            "output",
            "r",
            "p",
            "groups",
            "multiplications",
            "dense",
            "additions",
            "ternary weights",
            "numbers",
            "bits",
        ];
        let figures = [
            "{.multiplications}",
            "{.dense_multiplications}",
            "{.additions}",
            "{.ternary_weights}",
            "{.numbers}",
            "{.bits}",
        ];
        let layer = ["{.name}", "{.kind}", "{.input}", "{.output}", "{.r}", "{.p}", "{.groups}"];
        let cells = [&layer[..], &figures].concat();
        let rows = (0..self.layers.len()).map(|i| source.row(&format!("layers.{i}"), &cells));
        let mut rows = rows.collect::<Result<Vec<_>>>()?;
        rows.push(
            source.row("total", &[&["total", "", "", "", "", "", ""][..], &figures].concat())?,
        );
        let most = self.layers.iter().map(|layer| layer.cost.multiplications).max();
        let most = most.unwrap_or(0).max(1) as f64;
        let shares = self.layers.iter().map(|layer| layer.cost.multiplications as f64 / most);
        let reads: Vec<_> = self.layers.iter().map(|layer| layer.reads.clone()).collect();
        let table = Table::new(&columns, rows, true)
            .with_bars("multiplications", shares)
            .with_rails(rails(&reads, 0));
        let picture = self.picture()?;
        let (svg, open) = (picture.svg()?, picture.is_small());
        let drawings = vec![Drawing { title: "The network", svg, narrow: None, open }];
        let rules = match self.rules {
            Rules::Ours => {
                "Counted before any training: every entry of a ternary matrix is an addition, a \
                 zero too."
            }
            Rules::Paper => {
                "Counted by the rules of StrassenNets: the output norms multiply, and a wide last \
                 layer is in full precision."
            }
        };
        let headlines = [
            "{total.multiplications} multiplications an inference: {reduction:<2} than the \
             dense network's {total.dense_multiplications}",
            "{total.additions} additions",
            "{total.bits} bits of weights and other numbers",
        ];
        Ok(Document {
            title: source.text("{network}")?,
            provenance: vec![source.text(rules)?],
            headlines: headlines
                .iter()
                .map(|sentence| source.text(sentence))
                .collect::<Result<_>>()?,
            sections: vec![
                Section { title: "Layers", table, ..Section::default() },
                Section { title: "The network", drawings, of_page: true, ..Section::default() },
            ],
            ..Document::default()
        })
    }

    /// The network as a picture.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn picture(&self) -> Result<Picture> {
        let shaped = Shaped {
            name: &self.network,
            input: "{layers.0.input}",
            inputs: vec![],
            output: "{.output}",
            reads: self.layers.iter().map(|layer| layer.reads.clone()).collect(),
            multiplies: self.layers.iter().map(|l| l.cost.dense_multiplications > 0).collect(),
        };
        network(&shaped, &Source::new(self)?)
    }
}
