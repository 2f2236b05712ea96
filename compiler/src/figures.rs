//! What a compiled network costs: the figures of the report, of `build.json` and of `--json`.

mod core;

pub use core::{EngineFigures, FifoFigures, StreamFigures};

use crate::adder_graph::{self, Matrix, Node, Operands, naive_adders};
use crate::circuit::{self, Circuit, NodeId, Op, Term};
use crate::compile::{SharedMatrix, Unrolled};
use crate::device::Family;
use crate::schedule;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use strassenc_runtime::model::Bilinear;

/// The figures of a whole network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// The layers in order.
    pub layers: Vec<LayerFigures>,
    /// Sums over all layers.
    pub total: Totals,
    /// What stands around the layers.
    pub streams: StreamFigures,
}

/// The figures of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerFigures {
    /// The layer's name.
    pub name: String,
    /// Inputs of the model's layer, dead ones included.
    pub inputs: usize,
    /// Outputs of the model's layer, dead ones included.
    pub outputs: usize,
    /// r as it was asked for.
    pub budget: usize,
    /// Multiplications of one window: the live rows, and the products of gated units.
    pub per_window: usize,
    /// Windows of an inference; 1 of a vector.
    #[serde(default = "one")]
    pub windows: u64,
    /// Multiplications of the dense layer of the same shape, `inputs · outputs`; of a two-operand
    /// layer, those of the schoolbook method.
    pub dense_multiplications: u64,
    /// The schoolbook core, of a two-operand layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schoolbook: Option<Schoolbook>,
    /// Multiplications of a window that are built from shifts and additions.
    #[serde(default)]
    pub shift_add: usize,
    /// Additions of these multiplications, those of a folded layer shared among its
    /// rows; the roundings come on top.
    #[serde(default)]
    pub shift_add_adders: usize,
    /// Operand widths of the hardware multipliers, widest first.
    pub products: Vec<Products>,
    /// W_b; W_a and W_b, block-diagonal, of a two-operand layer.
    pub wb: MatrixFigures,
    /// Figures of W_c.
    pub wc: MatrixFigures,
    /// Additions of constants: biases and the roundings of outputs. Roundings of products belong to
    /// the multipliers.
    pub constant_additions: usize,
    /// Saturating outputs.
    pub clamps: usize,
    /// Additions, clamps and multipliers on the longest path.
    pub depth: u32,
    /// Clocks from input to output of the layer's pipeline.
    pub latency: u32,
    /// Bits of the pipeline's delay lines. Registers within multipliers are not counted.
    pub register_bits: u64,
    /// Estimated LUTs, as Yosys counts them for xc7: one per bit which two operands of an addition
    /// reach; for a clamp one per result bit and the comparisons. Additions of constants
    /// are carry chains alone.
    pub luts: u64,
    /// Estimated LUTs of 4 inputs, where each bit of a carry chain takes one: for an addition one
    /// per bit from the lowest that two operands reach up, and two more from the lowest that three
    /// reach; for the addition of a constant from
    /// its lowest digit up; for a clamp as above.
    #[serde(default)]
    pub luts4: u64,
    /// Bits of the operands that are subtracted, each counted once: where carry chains cannot
    /// invert, each is a LUT more.
    #[serde(default)]
    pub subtracted_bits: u64,
    /// The engine of the layer.
    pub engine: EngineFigures,
}

fn one() -> u64 {
    1
}

/// What computes the same outputs term by term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schoolbook {
    /// Products of two inputs.
    pub multipliers: u64,
    /// Two-operand additions.
    pub adders: u64,
    /// Bits of both operands of each product, as signed numbers.
    pub operand_bits: u32,
}

/// Multipliers of equal operand widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Products {
    /// Bits of the data operand as a signed number: an unsigned one counts one more than its width.
    /// Of two, the wider one's.
    pub operand_bits: u32,
    /// Bits of the coefficient, sign included; of the narrower operand, where both are data.
    pub coefficient_bits: u32,
    /// How many there are.
    pub count: usize,
}

/// The figures of one matrix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixFigures {
    /// Rows, dead ones excluded.
    pub rows: usize,
    /// Columns, dead ones excluded.
    pub columns: usize,
    /// Entries other than 0.
    pub nonzeros: usize,
    /// Nonzeros over entries, 0..=1.
    pub density: f64,
    /// Additions without sharing, of as many terms.
    pub naive_adders: usize,
    /// Additions, each of two terms or three.
    pub adders: usize,
    /// Additions on the longest path.
    pub depth: u32,
    /// The method that found the graph.
    pub method: String,
}

/// Sums over all layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// r as it was asked for.
    pub budget: usize,
    /// Multiplications of an inference.
    #[serde(default)]
    pub multiplications: u64,
    /// Multiplications of the dense network of the same shape.
    pub dense_multiplications: u64,
    /// `1 - multiplications / dense_multiplications`.
    pub reduction: f64,
    /// Additions of all matrices without sharing.
    pub naive_adders: usize,
    /// Additions of all matrices.
    pub adders: usize,
    /// Additions of constants.
    pub constant_additions: usize,
    /// Saturating outputs.
    pub clamps: usize,
    /// Sum of the segments' latencies; what stands between them comes on top.
    pub latency: u32,
    /// Bits of all delay lines.
    pub register_bits: u64,
    /// Estimated LUTs.
    pub luts: u64,
}

impl Totals {
    fn of(layers: &[LayerFigures]) -> Self {
        let count = |f: fn(&LayerFigures) -> usize| layers.iter().map(f).sum::<usize>();
        let bits = |f: fn(&LayerFigures) -> u64| layers.iter().map(f).sum::<u64>();
        let dense = bits(|l| l.dense_multiplications);
        let multiplications = bits(|l| l.per_window as u64 * l.windows);
        Totals {
            budget: count(|l| l.budget),
            multiplications,
            dense_multiplications: dense,
            reduction: 1.0 - multiplications as f64 / dense as f64,
            naive_adders: count(|l| l.wb.naive_adders + l.wc.naive_adders),
            adders: count(|l| l.wb.adders + l.wc.adders),
            constant_additions: count(|l| l.constant_additions),
            clamps: count(|l| l.clamps),
            latency: 0,
            register_bits: bits(|l| l.register_bits),
            luts: bits(|l| l.luts),
        }
    }
}

/// Everything that follows from the pipeline alone.
fn circuit_figures(figures: &mut LayerFigures, layer: &Unrolled) {
    let circuit = &layer.circuit;
    let count = |f: fn(&Op) -> bool| circuit.count(f);
    figures.per_window = count(|op| op.row().is_some());
    figures.shift_add = count(Op::is_shift_add);
    figures.shift_add_adders = circuit.nodes.iter().filter(|n| n.adds_to_product()).count();
    figures.products = products(layer);
    (figures.wb, figures.wc) = ((&layer.wb).into(), (&layer.wc).into());
    figures.constant_additions = (circuit.nodes.iter())
        .filter(|node| circuit.adds_constant(&node.op) && !node.adds_to_product())
        .count();
    figures.clamps = count(|op| matches!(op, Op::Clamp { .. }));
    figures.depth = depth(circuit);
    figures.latency = layer.pipeline.latency(circuit);
    figures.register_bits = layer.pipeline.register_bits(circuit);
    figures.luts = circuit.iter().map(|(id, _)| luts(circuit, id)).sum();
    figures.luts4 = circuit.iter().map(|(id, _)| luts4(circuit, id)).sum();
    figures.subtracted_bits = subtracted_bits(circuit);
}

/// Every product of two inputs that an output holds, once.
fn schoolbook(layer: &Bilinear, operand_bits: u32) -> Schoolbook {
    let forms = layer.forms();
    let held = |k: usize, l: usize| forms.iter().any(|form| form[[k, l]] != 0);
    let (n_a, n_b) = (layer.inputs_a(), layer.inputs_b());
    let multipliers = (0..n_a).map(|k| (0..n_b).filter(|&l| held(k, l)).count() as u64).sum();
    let terms = |form: &ndarray::Array2<i32>| {
        form.iter().filter(|c| **c != 0).count().saturating_sub(1) as u64
    };
    Schoolbook { multipliers, adders: forms.iter().map(terms).sum(), operand_bits }
}

impl From<&SharedMatrix> for MatrixFigures {
    fn from(shared: &SharedMatrix) -> Self {
        let graph = &shared.solution.graph;
        let is_constant =
            |t: &adder_graph::Term| (shared.matrix.ncols()..graph.inputs).contains(&t.node.index());
        let adds_constant =
            |node: &&Node| node.terms().len() == 2 && node.terms().iter().any(is_constant);
        MatrixFigures {
            naive_adders: naive_adders(&shared.matrix, graph.operands()),
            adders: graph.adders() - graph.nodes.iter().filter(adds_constant).count(),
            depth: graph.depth(),
            ..MatrixFigures::of(&shared.matrix, shared.solution.method)
        }
    }
}

impl MatrixFigures {
    /// The figures of the matrix itself, without adders.
    fn of(matrix: &Matrix, method: &str) -> Self {
        let (rows, columns) = matrix.dim();
        let nonzeros = matrix.iter().filter(|v| **v != 0).count();
        MatrixFigures {
            rows,
            columns,
            nonzeros,
            density: nonzeros as f64 / (rows * columns).max(1) as f64,
            naive_adders: naive_adders(matrix, Operands::Two),
            adders: 0,
            depth: 0,
            method: method.into(),
        }
    }
}

fn products(layer: &Unrolled) -> Vec<Products> {
    let circuit = &layer.circuit;
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for node in &circuit.nodes {
        let bits = |x: NodeId| circuit.node(x).width + u32::from(!circuit.node(x).signed);
        let widths = match node.op {
            Op::Multiply { x, coefficient_bits, .. } => (bits(x), coefficient_bits),
            Op::Product { x, y, .. } => (bits(x).max(bits(y)), bits(x).min(bits(y))),
            _ => continue,
        };
        *counts.entry(widths).or_default() += 1;
    }
    let widths = counts.into_iter().rev();
    widths
        .map(|((operand_bits, coefficient_bits), count)| Products {
            operand_bits,
            coefficient_bits,
            count,
        })
        .collect()
}

/// Additions, clamps and multipliers on the longest path.
pub(crate) fn depth(circuit: &Circuit) -> u32 {
    let mut depths: Vec<u32> = vec![];
    for node in &circuit.nodes {
        let own = if node.op.is_multiplier() { 1 } else { schedule::additions(&node.op) };
        depths.push(own + node.op.operands().map(|x| depths[x.index()]).max().unwrap_or(0));
    }
    circuit.outputs.iter().map(|output| depths[output.index()]).max().unwrap_or(0)
}

/// From the lowest bit of a sum that `operands` of its terms reach to behind the highest: a term
/// that is extended by its sign reaches the top.
fn reach(circuit: &Circuit, sum: &circuit::Node, terms: &[Term], operands: usize) -> [u32; 2] {
    let Some(nth) = operands.checked_sub(1).filter(|nth| *nth < terms.len()) else { return [0; 2] };
    let low = |t: &Term| match circuit.node(t.node).op {
        Op::Constant(v) => sum.width.min(t.shift + v.trailing_zeros()),
        _ => sum.width.min(t.shift),
    };
    let mut lows: Vec<u32> = terms.iter().map(low).collect();
    let high = |t: &Term| match circuit.node(t.node) {
        circuit::Node { op: Op::Constant(_), .. } | circuit::Node { signed: true, .. } => sum.width,
        x => sum.width.min(x.width + t.shift),
    };
    let mut highs: Vec<u32> = terms.iter().map(high).collect();
    lows.sort_unstable();
    highs.sort_unstable_by(|a, b| b.cmp(a));
    [lows[nth], highs[nth]]
}

/// The comparisons of a clamp, in LUTs of so many inputs: one of them passes on what was found.
fn clamp_luts(circuit: &Circuit, node: &circuit::Node, x: NodeId, inputs: u32) -> u64 {
    let cut = circuit.node(x).width.saturating_sub(node.width);
    u64::from(node.width) + 2 * u64::from(cut.div_ceil(inputs - 1))
}

/// Estimated LUTs of a circuit without multipliers.
pub(crate) fn luts_of(circuit: &Circuit, family: Family) -> u64 {
    let sum = |of: fn(&Circuit, NodeId) -> u64| circuit.iter().map(|(id, _)| of(circuit, id)).sum();
    family.luts_of(sum(luts), sum(luts4), subtracted_bits(circuit))
}

/// A carry chain needs a LUT where two operands have a bit, and no more where three have one; a bit
/// of one operand alone is only carried on.
fn luts(circuit: &Circuit, id: NodeId) -> u64 {
    let node = circuit.node(id);
    match node.op {
        Op::Add(terms) => {
            let varies = |t: &&Term| !matches!(circuit.node(t.node).op, Op::Constant(_));
            let terms: Vec<Term> = terms.iter().filter(varies).copied().collect();
            let [low, high] = reach(circuit, node, &terms, 2);
            high.saturating_sub(low).into()
        }
        Op::Clamp { x, .. } => clamp_luts(circuit, node, x, 6),
        Op::Offset { .. }
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Product { .. } => 0,
    }
}

/// Bits of the subtracted operands of additions, each operand once.
fn subtracted_bits(circuit: &Circuit) -> u64 {
    let subtracted = circuit.nodes.iter().flat_map(|node| match node.op {
        Op::Add(terms) => terms.iter().filter(|t| t.negate).map(|t| t.node).collect(),
        Op::Offset { x, .. } if x.negate => vec![x.node],
        _ => vec![],
    });
    subtracted
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|id| u64::from(circuit.node(id).width))
        .sum()
}

/// Each bit of a carry chain is a LUT. Three operands become two by two LUTs a bit.
fn luts4(circuit: &Circuit, id: NodeId) -> u64 {
    let node = circuit.node(id);
    match node.op {
        Op::Add(terms) => {
            let above = |operands| {
                let [low, high] = reach(circuit, node, &terms, operands);
                if high > 0 { u64::from(node.width.saturating_sub(low)) } else { 0 }
            };
            above(2) + 2 * above(3)
        }
        Op::Offset { constant, shift, .. } if !node.op.is_wires() => (node.width
            + shift.max(0).cast_unsigned())
        .saturating_sub(constant.trailing_zeros() % 64)
        .into(),
        Op::Clamp { x, .. } => clamp_luts(circuit, node, x, 4),
        // The rounding stands behind the block that multiplies.
        Op::Multiply { shift: 1.., .. } => (node.width + 1).into(),
        Op::Offset { .. }
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Product { .. } => 0,
    }
}
