//! The report: what a network costs. [`Report`] holds every figure and is the JSON; [`Document`]
//! arranges them, and a terminal and a page show it. Nothing is counted here but DSP blocks and
//! LUTs, which depend on the device, and sums over the layers.

mod arrange;
mod charts;
mod core;
mod document;
mod evidence;
mod html;
mod picture;
mod terminal;

pub use self::core::{Pipeline, Stream};
pub(crate) use self::core::{Shaped, network, rails};
pub use document::{Cell, Document, Drawing, Piece, Section, Source, Table, Text, reduced};
pub use evidence::{Checked, Measure, Proved, Simulated, epochs};
pub use picture::Picture;
pub use terminal::WIDTH;

use crate::build::Record;
use crate::device::{Device, Family, Part};
use crate::emit::Signature;
use crate::emit::signature::Stream as Axi;
use crate::figures::{FifoFigures, Figures, LayerFigures, MatrixFigures, PrimitiveFigures};
use crate::kernel;
use crate::synth::{Placement, Synthesis};
use comfy_table::{CellAlignment, presets};
use serde::Serialize;
use strassenc_runtime::model::Provenance;
use strassenc_runtime::network::Measure as Judged;
use strassenc_runtime::train::Epoch;

/// Everything the report says about one build.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `strassenc` and its version.
    pub tool: String,
    /// The model's name.
    pub model: String,
    /// What the network is.
    pub network: Shape,
    /// SHA-256 of the model.
    pub model_sha256: String,
    /// What was asked for, as on the command line of `strassenc verilog`.
    pub options: String,
    /// What DSP blocks and LUTs are counted for.
    pub device: Counted,
    /// What the core takes of the device, where that is a part.
    pub part: Option<Vec<Share>>,
    /// The clock in MHz that seconds are counted by.
    pub clock_mhz: f64,
    /// Clocks between inferences at full rate.
    pub ii: u32,
    /// Inferences a second at full rate; of a network over sequences, steps.
    pub inferences_per_second: f64,
    /// Clocks from the last input beat of an inference, of all inputs, to its first output beat.
    pub latency: i64,
    /// The latency in microseconds.
    pub latency_us: f64,
    /// What enters.
    pub input: Beats,
    /// What enters beside it; none of most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// What leaves.
    pub output: Beats,
    /// The network's outputs beside it; none of most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
    /// The layer that takes the most clocks.
    pub bottleneck: Bottleneck,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// Sums over all layers.
    pub total: Total,
    /// What sharing saves, where any layer is unrolled.
    pub sharing: Option<Sharing>,
    /// The FIFOs where branches meet again.
    pub fifos: Vec<Fifo>,
    /// The primitives, with what is estimated of each.
    pub primitives: Vec<Primitive>,
    /// The streams between them, from the core's input to its output.
    pub streams: Vec<Stream>,
    /// The pipelines of the unrolled layers.
    pub pipelines: Vec<Pipeline>,
    /// What was proved as the build was compiled.
    pub proved: Proved,
    /// What the network is judged by.
    pub measure: Judged,
    /// How well the network does, from its training on.
    pub accuracy: Vec<Measure>,
    /// The epochs of its training, where its run was given.
    pub training: Vec<Epoch>,
    /// What a simulation of the build found, where that was given.
    pub simulated: Option<Simulated>,
    /// What a check of the build found, where that was given.
    pub checked: Option<Checked>,
    /// The files of the build.
    pub files: Vec<File>,
    /// What Yosys made of the core, where it was asked.
    pub synthesis: Option<Synthesis>,
    /// What nextpnr made of it, where it was asked.
    pub placement: Option<Placement>,
}

/// A further input of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// The name of the network's input.
    pub name: String,
    /// How many elements enter.
    pub elements: usize,
    /// The format of what enters.
    pub format: String,
    /// The beats of its stream.
    #[serde(flatten)]
    pub beats: Beats,
}

/// A further output of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Head {
    /// The name of the network's head.
    pub name: String,
    /// How many elements leave.
    pub elements: usize,
    /// The format of what leaves.
    pub format: String,
    /// Clocks from the last input beat of an inference to the first beat of this output.
    pub latency: i64,
    /// The beats of its stream.
    #[serde(flatten)]
    pub beats: Beats,
}

/// What a network is, seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shape {
    /// How many layers it has.
    pub layers: usize,
    /// The shape of what enters.
    pub input: String,
    /// The format of what enters.
    pub input_format: String,
    /// The shape of what leaves.
    pub output: String,
    /// The format of what leaves.
    pub output_format: String,
    /// The data that it was trained on.
    pub data: Option<String>,
    /// The seed of its training.
    pub seed: Option<u64>,
}

/// A file of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// Everything the report says about a kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelReport {
    /// What was written with it.
    #[serde(flatten)]
    pub record: kernel::Record,
    /// What Yosys made of it, where it was asked.
    pub synthesis: Option<Synthesis>,
    /// What nextpnr made of it, where it was asked.
    pub placement: Option<Placement>,
}

/// The blocks that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The device.
    pub name: Device,
    /// The device family.
    pub family: Family,
    /// The multiplier block of the family.
    pub dsp_block: &'static str,
    /// Kbit of the block RAMs that are estimated.
    pub bram_kbit: u32,
}

/// What the core takes of one kind of a part's cells: as Yosys has mapped it to the part, else as
/// estimated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// What kind of cells.
    pub resource: String,
    /// How many the core takes.
    pub taken: f64,
    /// How many the part has.
    pub available: u64,
    /// `taken / available`; none of a kind that the part lacks.
    pub share: Option<f64>,
    /// Whether the part has as many.
    pub fits: Fits,
}

/// Whether something fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fits {
    /// It fits.
    Yes,
    /// It does not.
    No,
}

/// One side of the core, an inference at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Beats {
    /// Beats of an inference.
    pub beats: usize,
    /// Bytes of a beat.
    pub bytes: usize,
}

/// The slowest layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bottleneck {
    /// The layer's name.
    pub layer: String,
    /// Clocks that its own nodes need for an inference at least.
    pub clocks: u64,
}

/// A layer: its figures, and what follows from them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// What the compiler counted.
    #[serde(flatten)]
    pub figures: LayerFigures,
    /// Multiplications of an inference.
    pub multiplications: u64,
    /// Hardware multipliers; those of a folded layer are shared among its rows.
    pub multipliers: usize,
    /// DSP blocks of these, by the family's port widths.
    pub dsp_blocks: usize,
    /// The operands of its widest hardware multiplier in bits: `17×8`.
    pub widest_product: Option<String>,
    /// DSP blocks of the schoolbook core, of a two-operand layer.
    pub schoolbook_dsp_blocks: Option<u64>,
    /// The layer's engine in words.
    pub engine_name: String,
    /// Adders: of an unrolled layer those after sharing, of a folded one those of its
    /// arrays.
    pub adders: usize,
    /// Estimated block RAMs.
    pub brams: f64,
    /// The share of clocks in which it works at full rate, 0..=1.
    pub busy: f64,
}

/// Sums over all layers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Total {
    /// r as it was asked for.
    pub budget: usize,
    /// Multiplications of one window of each layer.
    pub per_window: usize,
    /// Multiplications of an inference.
    pub multiplications: u64,
    /// Multiplications of an inference of the dense network of the same shape.
    pub dense_multiplications: u64,
    /// `1 - multiplications / dense_multiplications`.
    pub reduction: f64,
    /// Hardware multipliers.
    pub multipliers: usize,
    /// DSP blocks of these.
    pub dsp_blocks: usize,
    /// Multiplications of one window of each layer that are built from shifts and additions.
    pub shift_add: usize,
    /// Additions of these multiplications.
    pub shift_add_adders: usize,
    /// Adders of all layers, shared and folded.
    pub adders: usize,
    /// Additions of constants.
    pub constant_additions: usize,
    /// Saturating outputs.
    pub clamps: usize,
    /// Bits of all delay lines.
    pub register_bits: u64,
    /// Estimated LUTs.
    pub luts: u64,
    /// Estimated flip-flops; those that lie in DSP blocks are none.
    pub flip_flops: u64,
    /// Bits of ROM.
    pub rom_bits: u64,
    /// Estimated block RAMs.
    pub brams: f64,
    /// Bits that all FIFOs hold.
    pub fifo_bits: usize,
}

/// What sharing saves: of unrolled layers alone, since no adder of a folded one is shared by sums.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sharing {
    /// The figures of each matrix.
    pub matrices: Vec<SharedMatrix>,
    /// Adders without sharing.
    pub before: usize,
    /// Adders after sharing.
    pub after: usize,
    /// `1 - after / before`.
    pub reduction: f64,
}

/// A matrix that is wiring and shared adders.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedMatrix {
    /// The layer's name.
    pub layer: String,
    /// The name of the matrix within the layer.
    pub matrix: &'static str,
    /// The figures of the matrix.
    #[serde(flatten)]
    pub figures: MatrixFigures,
    /// `1 - adders / naive_adders`.
    pub reduction: f64,
}

/// A FIFO with its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fifo {
    /// The figures of the FIFO, in words.
    #[serde(flatten)]
    pub figures: FifoFigures,
    /// Bits that it holds.
    pub total_bits: usize,
}

/// A primitive, and what is estimated of it beside its ROMs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Primitive {
    /// Its name, module and layer, and what it is made of.
    #[serde(flatten)]
    pub figures: PrimitiveFigures,
    /// LUTs that are fitted.
    pub fitted_luts: u64,
    /// LUTs that are counted.
    pub counted_luts: u64,
    /// Flip-flops.
    pub flip_flops: u64,
}

impl Primitive {
    fn new(figures: &PrimitiveFigures, family: Family) -> Self {
        let counted = figures.counted(family);
        Primitive {
            figures: figures.clone(),
            fitted_luts: figures.fitted_luts(family),
            counted_luts: counted.luts,
            flip_flops: counted.flip_flops,
        }
    }
}

impl Report {
    /// The report of a build with this record and this signature, DSP blocks and LUTs counted for
    /// `device`.
    pub fn new(record: &Record, signature: &Signature, device: Device) -> Self {
        let family = device.family;
        let figures = record.figures.clone().of(family);
        let Figures { layers, total, streams } = &figures;
        let ii = signature.ii;
        let layers: Vec<Layer> =
            layers.iter().map(|figures| Layer::new(figures, family, ii)).collect();
        let sum = |f: fn(&Layer) -> usize| layers.iter().map(f).sum::<usize>();
        let fifos: Vec<Fifo> = (streams.fifos.iter())
            .map(|fifo| Fifo { total_bits: fifo.depth * fifo.bits, figures: fifo.clone() })
            .collect();
        let clock_mhz = record.options.target.clock();
        let total = Total {
            budget: total.budget,
            per_window: sum(|layer| layer.figures.per_window),
            multiplications: total.multiplications,
            dense_multiplications: total.dense_multiplications,
            reduction: total.reduction,
            multipliers: sum(|layer| layer.multipliers),
            dsp_blocks: sum(|layer| layer.dsp_blocks),
            shift_add: sum(|layer| layer.figures.shift_add),
            shift_add_adders: sum(|layer| layer.figures.shift_add_adders),
            adders: total.adders,
            constant_additions: total.constant_additions,
            clamps: total.clamps,
            register_bits: total.register_bits,
            luts: total.luts,
            flip_flops: total.flip_flops,
            rom_bits: layers.iter().map(|layer| layer.figures.engine.rom_bits).sum(),
            brams: brams(total.block_rams, family),
            fifo_bits: fifos.iter().map(|fifo| fifo.total_bits).sum(),
        };
        let slowest = layers.iter().find(|layer| layer.figures.name == streams.bottleneck);
        let bottleneck = Bottleneck {
            layer: streams.bottleneck.clone(),
            clocks: slowest.map_or(0, |layer| layer.figures.engine.clocks),
        };
        let beats = |stream: &Axi| Beats { beats: stream.beats, bytes: stream.data_bits() / 8 };
        Report {
            tool: signature.tool.clone(),
            model: signature.model.clone(),
            network: Shape::new(&layers, signature),
            model_sha256: signature.model_sha256.clone(),
            options: record.options.to_string(),
            device: Counted {
                name: device,
                family,
                dsp_block: family.block().0,
                bram_kbit: family.memory_kbit(),
            },
            part: device.part.map(|part| shares(part, family, &total)),
            clock_mhz,
            ii: signature.ii,
            inferences_per_second: clock_mhz * 1e6 / f64::from(signature.ii),
            latency: signature.latency,
            latency_us: signature.latency as f64 / clock_mhz,
            input: beats(&signature.input),
            inputs: (signature.inputs.iter())
                .map(|input| Input {
                    name: input.name.clone(),
                    elements: input.stream.elements,
                    format: input.stream.format.to_string(),
                    beats: beats(&input.stream),
                })
                .collect(),
            output: beats(&signature.output),
            heads: (signature.heads.iter())
                .map(|head| Head {
                    name: head.name.clone(),
                    elements: head.stream.elements,
                    format: head.stream.format.to_string(),
                    latency: head.latency,
                    beats: beats(&head.stream),
                })
                .collect(),
            bottleneck,
            sharing: Sharing::of(&layers),
            layers,
            total,
            fifos,
            primitives: streams.primitives.iter().map(|p| Primitive::new(p, family)).collect(),
            streams: Stream::all(&figures, clock_mhz, signature.ii),
            pipelines: Pipeline::all(&figures),
            proved: Proved::new(&figures),
            measure: Judged::Accuracy,
            accuracy: vec![],
            training: vec![],
            simulated: None,
            checked: None,
            files: record.files.iter().map(File::new).collect(),
            synthesis: None,
            placement: None,
        }
    }

    /// Adds where the network comes from, and what is known of how well it does.
    pub fn with_provenance(mut self, provenance: &Provenance, training: Vec<Epoch>) -> Self {
        self.network.data.clone_from(&provenance.data);
        self.network.seed = provenance.seed;
        self.measure = provenance.recipe().loss.measure();
        self.accuracy = evidence::ladder(provenance, &training);
        self.training = training;
        self
    }

    /// Adds what a simulation found.
    pub fn with_simulation(mut self, simulated: Simulated) -> Self {
        self.accuracy.extend(simulated.measure());
        self.simulated = Some(simulated);
        self
    }

    /// Adds what Yosys found. What it mapped to the very part counts there in place of estimates.
    pub fn with_synthesis(mut self, synthesis: Synthesis) -> Self {
        if let Some(shares) =
            self.part.as_mut().filter(|_| synthesis.device == self.device.name.name)
        {
            let cells = &synthesis.total;
            let taken = [cells.luts, cells.flip_flops, cells.dsp_blocks].map(|n| n as f64);
            let taken = taken.into_iter().chain([cells.block_memories]);
            shares.iter_mut().zip(taken).for_each(|(share, taken)| share.take(taken));
        }
        self.synthesis = Some(synthesis);
        self
    }
}

impl Shape {
    fn new(layers: &[Layer], signature: &Signature) -> Self {
        let shape = |layer: Option<&Layer>, of: fn(&LayerFigures) -> &String, elements: usize| {
            let told = layer.map(|layer| of(&layer.figures).clone()).unwrap_or_default();
            if told.is_empty() { elements.to_string() } else { told }
        };
        let Signature { input, output, .. } = signature;
        Shape {
            layers: layers.len(),
            input: shape(layers.first(), |layer| &layer.input_shape, input.elements),
            input_format: input.format.to_string(),
            output: shape(layers.last(), |layer| &layer.output_shape, output.elements),
            output_format: output.format.to_string(),
            data: None,
            seed: None,
        }
    }
}

impl File {
    fn new((name, sha256): (&String, &String)) -> Self {
        File { name: name.clone(), sha256: sha256.clone() }
    }
}

impl Share {
    fn take(&mut self, taken: f64) {
        let available = self.available as f64;
        self.taken = taken;
        self.share = (available > 0.0).then(|| taken / available);
        self.fits = if taken <= available { Fits::Yes } else { Fits::No };
    }
}

/// What a core of these totals takes of a part.
fn shares(part: Part, family: Family, total: &Total) -> Vec<Share> {
    let (block, kbit) = (family.block().0, family.memory_kbit());
    let rows = [
        ("LUTs".into(), total.luts as f64, part.luts),
        ("flip-flops".into(), total.flip_flops as f64, part.flip_flops),
        (format!("DSP blocks ({block})"), total.dsp_blocks as f64, part.dsp_blocks),
        (format!("block RAMs of {kbit} Kbit"), total.brams, part.memories),
    ];
    let share = |(resource, taken, available)| {
        let mut share = Share { resource, taken: 0.0, available, share: None, fits: Fits::Yes };
        share.take(taken);
        share
    };
    rows.into_iter().map(share).collect()
}

impl Layer {
    fn new(figures: &LayerFigures, family: Family, ii: u32) -> Self {
        let blocks = |a, b| family.blocks(a, b);
        let has_wc = figures.wc != MatrixFigures::default();
        Layer {
            multiplications: figures.per_window as u64 * figures.windows,
            multipliers: figures.products.iter().map(|p| p.count).sum(),
            dsp_blocks: figures
                .products
                .iter()
                .map(|p| p.count * blocks(p.operand_bits, p.coefficient_bits))
                .sum(),
            widest_product: figures
                .products
                .first()
                .map(|p| format!("{}×{}", p.operand_bits, p.coefficient_bits)),
            schoolbook_dsp_blocks: figures
                .schoolbook
                .map(|s| s.multipliers * blocks(s.operand_bits, s.operand_bits) as u64),
            engine_name: figures.engine.choice.told(has_wc),
            adders: figures.wb.adders + figures.wc.adders,
            brams: brams(figures.block_rams, family),
            busy: (figures.engine.clocks as f64 / f64::from(ii)).min(1.0),
            figures: figures.clone(),
        }
    }

    /// Whether its weights are wiring.
    fn is_unrolled(&self) -> bool {
        self.figures.engine.choice.is_wired()
    }
}

impl Sharing {
    fn of(layers: &[Layer]) -> Option<Self> {
        let matrices: Vec<SharedMatrix> = layers
            .iter()
            .filter(|layer| layer.is_unrolled())
            .flat_map(|Layer { figures, .. }| {
                let wb = if figures.schoolbook.is_some() { "W_a, W_b" } else { "W_b" };
                [(figures, wb, &figures.wb), (figures, "W_c", &figures.wc)]
            })
            .map(|(layer, matrix, figures)| SharedMatrix {
                layer: layer.name.clone(),
                matrix,
                reduction: reduction(figures.adders, figures.naive_adders),
                figures: figures.clone(),
            })
            .collect();
        let count = |f: fn(&MatrixFigures) -> usize| matrices.iter().map(|m| f(&m.figures)).sum();
        let (before, after) = (count(|m| m.naive_adders), count(|m| m.adders));
        (before > 0).then(|| Sharing {
            reduction: reduction(after, before),
            matrices,
            before,
            after,
        })
    }
}

/// Block RAMs of the family; AMD's are counted by their halves.
fn brams(blocks: u64, family: Family) -> f64 {
    blocks as f64 * f64::from(family.counted_kbit()) / f64::from(family.memory_kbit())
}

fn reduction(after: usize, before: usize) -> f64 {
    if before == 0 { 0.0 } else { 1.0 - after as f64 / before as f64 }
}

/// An empty table in the project's one style: the first column to the left, figures to the right.
pub fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `n` with a break every three digits: `12 345`.
pub fn thousands(n: impl ToString) -> String {
    let number = n.to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let mut text = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_breaks_every_three_digits() {
        assert_eq!(
            [0, 999, 1000, 1234567].map(|n: u64| thousands(n)),
            ["0", "999", "1 000", "1 234 567"]
        );
        assert_eq!([-999, -1000].map(|n: i64| thousands(n)), ["-999", "-1 000"]);
    }
}
