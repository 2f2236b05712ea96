//! The report: what a network costs, as text, JSON and HTML. It only arranges [`Figures`]; it counts nothing itself but
//! DSP blocks, which depend on the device, and the core's flip-flops, which depend on its streams.

mod device;
mod html;
mod images;

pub use device::Family;
pub use images::told as engine;

use crate::emit::Signature;
use crate::emit::signature::Stream;
use crate::figures::{Figures, LayerFigures, Schoolbook};
use crate::synth::Synthesis;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write;
use strassenc_runtime::Format;

/// Everything the report says about one build.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `strassenc` and its version.
    pub tool: String,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model.
    pub model_sha256: String,
    /// The device family that DSP blocks and LUTs are counted for.
    pub family: Family,
    /// DSP blocks per layer of `figures`, by the family's port widths.
    pub dsp_blocks: Vec<usize>,
    /// DSP blocks in total.
    pub dsp_blocks_total: usize,
    /// Estimated flip-flops of the core: the pipelines' registers, the coefficients, and the registers on and between the
    /// streams. Those of the multipliers count as part of their DSP blocks. Not estimated for a core over images.
    pub flip_flops: Option<u64>,
    /// Clocks from a frame's last input beat to its first output beat.
    pub latency: i64,
    /// Clocks between frames.
    pub ii: u32,
    /// Bytes of one input beat.
    pub input_beat_bytes: usize,
    /// Input beats of one frame.
    pub input_beats: usize,
    /// The figures.
    pub figures: Figures,
    /// What Yosys made of the core, where it was asked.
    pub synthesis: Option<Synthesis>,
}

impl Report {
    /// The report of a build with these figures and this signature, DSP blocks and LUTs counted for `family`.
    pub fn new(figures: Figures, signature: &Signature, family: Family) -> Self {
        let figures = of_family(figures, signature, family);
        let dsp_blocks: Vec<usize> = figures.layers.iter().map(|layer| dsp_blocks(layer, family)).collect();
        Report {
            tool: signature.tool.clone(),
            model: signature.model.clone(),
            model_sha256: signature.model_sha256.clone(),
            family,
            dsp_blocks_total: dsp_blocks.iter().sum(),
            dsp_blocks,
            flip_flops: figures.streams.is_none().then(|| flip_flops(&figures, signature)),
            latency: signature.latency,
            ii: signature.ii,
            input_beat_bytes: signature.input.data_bits() / 8,
            input_beats: signature.input.beats,
            figures,
            synthesis: None,
        }
    }

    /// The report as tables for a terminal.
    pub fn text(&self) -> String {
        let mut text = match &self.figures.streams {
            Some(streams) => images::text(self, streams),
            None => self.vectors(),
        };
        if let Some(synthesis) = &self.synthesis {
            let _ = write!(text, "\n\n{}", self.synthesis_table(synthesis));
        }
        text
    }

    /// Of a core over vectors.
    fn vectors(&self) -> String {
        let total = &self.figures.total;
        let mut text = self.budget_table().to_string();
        let _ = write!(
            text,
            "\n\n{} multiplications an inference instead of {} ({:.2} % fewer), {} of a budget of {}.\n\
             {} {} blocks for {} multipliers. {} adders after sharing, {} before ({:.1} % fewer).\n\
             Latency {} clocks, one inference every {} {} ({} {} of {} bytes).",
            total.multipliers,
            thousands(total.dense_multiplications),
            100.0 * total.reduction,
            total.multipliers,
            total.budget,
            self.dsp_blocks_total,
            self.family.block().0,
            self.hardware_multipliers(),
            thousands(total.adders),
            thousands(total.naive_adders),
            percent_fewer(total.adders, total.naive_adders),
            self.latency,
            self.ii,
            plural(self.ii as usize, "clock", "clocks"),
            self.input_beats,
            plural(self.input_beats, "beat", "beats"),
            self.input_beat_bytes,
        );
        for line in self.schoolbook() {
            let _ = write!(text, "\n{line}");
        }
        let (rows, adders) = (total.multipliers - self.hardware_multipliers(), self.shift_add_adders());
        if rows > 0 {
            let _ = write!(text, "\n{rows} multiplications are built from {adders} additions of shifted operands.");
        }
        text
    }

    /// What a core that multiplies term by term would take instead of each two-operand layer.
    pub fn schoolbook(&self) -> Vec<String> {
        let line = |layer: &LayerFigures| {
            let Schoolbook { multipliers, adders, operand_bits } = layer.schoolbook?;
            let dsp = multipliers * self.family.blocks(operand_bits, operand_bits) as u64;
            let block = self.family.block().0;
            Some(format!(
                "Schoolbook for `{}`: {multipliers} multipliers, {dsp} {block} blocks, {adders} adders.",
                layer.name
            ))
        };
        self.figures.layers.iter().filter_map(line).collect()
    }

    /// Multiplications that are not built from shifts and additions.
    fn hardware_multipliers(&self) -> usize {
        // Those of a folded layer are shared among its rows.
        self.figures.layers.iter().flat_map(|layer| &layer.products).map(|products| products.count).sum()
    }

    fn shift_add_adders(&self) -> usize {
        self.figures.layers.iter().map(|layer| layer.shift_add_adders).sum()
    }

    /// What was counted or estimated beside what Yosys made of it: a name, the estimate, the synthesised figure.
    fn comparison(&self, synthesis: &Synthesis) -> [(&'static str, String, u64); 6] {
        let total = &self.figures.total;
        let engines = self.figures.layers.iter().filter_map(|layer| layer.engine.as_ref());
        let halves: u64 = engines.map(|engine| engine.estimate.half_brams).sum();
        let memories = if halves > 0 { format!("~{}", halves.div_ceil(2)) } else { "0".into() };
        [
            ("multiplications read", self.hardware_multipliers().to_string(), synthesis.multiply_cells),
            ("DSP blocks", self.dsp_blocks_total.to_string(), synthesis.dsp_blocks),
            ("LUT", format!("~{}", thousands(total.luts)), synthesis.luts),
            (
                "flip-flops",
                self.flip_flops.map_or_else(String::new, |n| format!("~{}", thousands(n))),
                synthesis.flip_flops,
            ),
            ("carry cells", String::new(), synthesis.carry_cells),
            ("block memories", memories, synthesis.block_memories),
        ]
    }

    fn synthesis_table(&self, synthesis: &Synthesis) -> Table {
        let yosys = format!("Yosys {}, {:?}", synthesis.yosys, synthesis.target).to_lowercase();
        let mut table = table(&["", "strassenc", &yosys]);
        for (name, ours, theirs) in self.comparison(synthesis) {
            table.add_row([name.into(), ours, thousands(theirs)]);
        }
        table
    }

    /// One row a layer and one in total.
    fn budget_table(&self) -> Table {
        let mut table = table(&[
            "layer",
            "shape",
            "r",
            "multipliers",
            "DSP",
            "product bits",
            "density b/c",
            "adders before",
            "adders",
            "constants",
            "clamps",
            "depth",
            "latency",
            "register bits",
            "~LUT",
        ]);
        for (layer, dsp) in self.figures.layers.iter().zip(&self.dsp_blocks) {
            table.add_row([
                layer.name.clone(),
                format!("{}→{}", layer.inputs, layer.outputs),
                layer.budget.to_string(),
                layer.multipliers.to_string(),
                dsp.to_string(),
                widest_product(layer),
                format!("{:.2} {:.2}", layer.wb.density, layer.wc.density),
                thousands(layer.wb.naive_adders + layer.wc.naive_adders),
                thousands(layer.wb.adders + layer.wc.adders),
                layer.constant_additions.to_string(),
                layer.clamps.to_string(),
                layer.depth.to_string(),
                layer.latency.to_string(),
                thousands(layer.register_bits),
                thousands(layer.luts),
            ]);
        }
        let total = &self.figures.total;
        table.add_row([
            "total".into(),
            String::new(),
            total.budget.to_string(),
            total.multipliers.to_string(),
            self.dsp_blocks_total.to_string(),
            String::new(),
            String::new(),
            thousands(total.naive_adders),
            thousands(total.adders),
            total.constant_additions.to_string(),
            total.clamps.to_string(),
            String::new(),
            self.latency.to_string(),
            thousands(total.register_bits),
            thousands(total.luts),
        ]);
        table
    }
}

/// DSP blocks of a layer's multipliers.
fn dsp_blocks(layer: &LayerFigures, family: Family) -> usize {
    layer.products.iter().map(|p| p.count * family.blocks(p.operand_bits, p.coefficient_bits)).sum()
}

/// The figures with the LUTs that this family takes. Those of engines over images are estimates of xc7's.
fn of_family(mut figures: Figures, signature: &Signature, family: Family) -> Figures {
    for layer in &mut figures.layers {
        layer.luts = family.luts(layer);
    }
    let streams = if figures.streams.is_none() { family.stream_luts(stream_bits(signature)) } else { 0 };
    figures.total.luts = figures.layers.iter().map(|layer| layer.luts).sum::<u64>() + streams;
    figures
}

/// Bits of the words that stream registers hold: the beats of both streams, and the vectors between layers.
fn stream_bits(signature: &Signature) -> u64 {
    let bits = |elements: usize, format: Format| elements as u64 * u64::from(format.bits);
    let beat = |stream: &Stream| bits(stream.beat_elements, stream.format);
    let between = signature.layers.iter().skip(1).map(|l| bits(l.input.elements, l.input.format));
    beat(&signature.input) + between.sum::<u64>() + beat(&signature.output)
}

fn flip_flops(figures: &Figures, signature: &Signature) -> u64 {
    let bits = |elements: usize, format: Format| elements as u64 * u64::from(format.bits);
    // The second operand of a two-operand layer is data, not a coefficient in a register.
    let products = figures.layers.iter().filter(|layer| layer.schoolbook.is_none()).flat_map(|layer| &layer.products);
    let coefficients: u64 = products.map(|p| p.count as u64 * u64::from(p.coefficient_bits)).sum();
    let input = &signature.input;
    // A stream register holds two words; the collector all beats but the last.
    let streams = 2 * stream_bits(signature) + (input.beats as u64 - 1) * bits(input.beat_elements, input.format);
    figures.total.register_bits + coefficients + streams
}

/// The operands of a layer's widest product, e.g. `17×8`.
fn widest_product(layer: &LayerFigures) -> String {
    layer.products.first().map_or_else(String::new, |p| format!("{}×{}", p.operand_bits, p.coefficient_bits))
}

/// An empty table in the project's one style: the first column to the left, figures to the right.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `n` with a thin break every three digits: `12 345`.
pub fn thousands(n: impl ToString) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn percent_fewer(after: usize, before: usize) -> f64 {
    if before == 0 { 0.0 } else { 100.0 * (1.0 - after as f64 / before as f64) }
}

fn plural<'a>(n: usize, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_breaks_every_three_digits() {
        assert_eq!([0, 999, 1000, 1234567].map(|n: u64| thousands(n)), ["0", "999", "1 000", "1 234 567"]);
    }
}
