//! What a compiled network costs: the figures of the report, of `build.json` and of `--json`.

mod cells;
mod core;
mod memory;
mod serial;

pub use cells::Cells;
pub(crate) use core::of_layer;
pub use core::{
    CoreFigures, EngineFigures, FifoFigures, PipelineFigures, PrimitiveFigures, StreamFigures,
};
pub use memory::{Memory, MemoryKind, Taken};

use crate::adder_graph::{self, Matrix, Node, Operands, naive_adders};
use crate::circuit::{Circuit, NodeId, Op};
use crate::compile::{LayerEngine, SharedMatrix};
use crate::device::Family;
use crate::kernel::{Kernel, Style};
use crate::schedule;
use crate::stream::Stream;
use crate::stream::primitive::Ends;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    pub streams: CoreFigures,
}

/// The figures of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerFigures {
    /// The layer's name.
    pub name: String,
    /// What it is, in a few words.
    #[serde(default)]
    pub kind: String,
    /// What it reads: 0 is the network's input, then come its further inputs, then what each layer
    /// yields.
    #[serde(default)]
    pub reads: Vec<usize>,
    /// The shape of what enters, as the layer sees it.
    #[serde(default)]
    pub input_shape: String,
    /// The shape of what leaves.
    #[serde(default)]
    pub output_shape: String,
    /// The format of what leaves.
    #[serde(default)]
    pub output_format: String,
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
    /// Estimated LUTs; in a record those of xc7.
    pub luts: u64,
    /// Estimated flip-flops; in a record those of xc7.
    #[serde(default)]
    pub flip_flops: u64,
    /// Estimated block RAMs, likewise; AMD's of 18 Kbit.
    #[serde(default)]
    pub block_rams: u64,
    /// What the estimates follow from.
    #[serde(default)]
    pub cells: Cells,
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
    /// Estimated LUTs, those of what stands between the layers included.
    pub luts: u64,
    /// Estimated flip-flops, likewise.
    #[serde(default)]
    pub flip_flops: u64,
    /// Estimated block RAMs, likewise; AMD's of 18 Kbit.
    #[serde(default)]
    pub block_rams: u64,
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
            flip_flops: bits(|l| l.flip_flops),
            block_rams: bits(|l| l.block_rams),
        }
    }
}

/// Everything that follows from the pipeline alone.
fn circuit_figures(figures: &mut LayerFigures, engine: &LayerEngine) {
    let (Some(circuit), Some([wb, wc])) = (engine.circuit(), engine.matrices()) else { return };
    let count = |f: fn(&Op) -> bool| circuit.count(f);
    figures.per_window = count(|op| op.row().is_some());
    figures.shift_add = count(Op::is_shift_add);
    figures.shift_add_adders = circuit.nodes.iter().filter(|n| n.adds_to_product()).count();
    figures.products = match engine {
        LayerEngine::Serial(layer) => counted(
            (layer.serial.multipliers(circuit).iter())
                .map(|m| (m.operand.0 + u32::from(!m.operand.1), m.coefficient_bits)),
        ),
        _ => products(circuit),
    };
    (figures.wb, figures.wc) = (wb.into(), wc.into());
    figures.constant_additions = (circuit.nodes.iter())
        .filter(|node| circuit.adds_constant(&node.op) && !node.adds_to_product())
        .count();
    figures.clamps = count(|op| matches!(op, Op::Clamp { .. }));
    figures.depth = depth(circuit);
    (figures.latency, figures.register_bits) = match engine {
        LayerEngine::Unrolled(layer) => {
            (layer.pipeline.latency(circuit), layer.pipeline.register_bits(circuit))
        }
        LayerEngine::Serial(layer) => (layer.serial.latency, layer.serial.register_bits(circuit)),
        LayerEngine::Folded(_) | LayerEngine::Elementwise { .. } => (0, 0),
    };
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

fn products(circuit: &Circuit) -> Vec<Products> {
    let bits = |x: NodeId| circuit.node(x).width + u32::from(!circuit.node(x).signed);
    counted(circuit.nodes.iter().filter_map(|node| match node.op {
        Op::Multiply { x, coefficient_bits, .. } => Some((bits(x), coefficient_bits)),
        Op::Product { x, y, .. } => Some((bits(x).max(bits(y)), bits(x).min(bits(y)))),
        _ => None,
    }))
}

/// How many multipliers there are of each width, the widest first.
fn counted(widths: impl Iterator<Item = (u32, u32)>) -> Vec<Products> {
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for width in widths {
        *counts.entry(width).or_default() += 1;
    }
    let of = |((operand_bits, coefficient_bits), count)| Products {
        operand_bits,
        coefficient_bits,
        count,
    };
    counts.into_iter().rev().map(of).collect()
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

/// What a kernel takes of this family, with what stands around it.
pub(crate) fn of_kernel(kernel: &Kernel, family: Family) -> Taken {
    let Kernel { circuit, pipeline, .. } = kernel;
    let cells = cells::logic(circuit, pipeline) + cells::registers(circuit, pipeline, &|_| false);
    let (luts, flip_flops) = (family.luts(&cells), family.flip_flops(&cells));
    let own = Taken { luts, flip_flops, blocks: 0 };
    if !matches!(kernel.style, Style::Stream(_)) {
        return own;
    }
    let stream = |lanes, format| Stream { lanes, format, words: 1 };
    let x = stream(circuit.inputs.len(), circuit.input_format);
    let z = stream(circuit.outputs.len(), circuit.output_format);
    let ends = Ends { name: "segment", inputs: vec![&x], outputs: vec![&z] };
    own + PrimitiveFigures::new("segment", None, &kernel.segment(), &ends).of(family)
}
