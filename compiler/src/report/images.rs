//! The report of a core over images: engines, clocks, FIFOs.

use super::{Report, percent_fewer, plural, table, thousands};
use crate::engine::Choice;
use crate::figures::{LayerFigures, MatrixFigures, StreamFigures};
use comfy_table::Table;

/// The report as tables for a terminal.
pub(super) fn text(report: &Report, streams: &StreamFigures) -> String {
    let total = &report.figures.total;
    let mut text = layers(report, streams).to_string();
    text += &format!(
        "\n\n{} multiplications an inference instead of {} ({:.2} % fewer). {} {} blocks for {} multipliers.\n\
         A frame every {} clocks: {} frames a second at {} MHz. Latency {} clocks from the last beat in to the first beat out.\n\
         Slowest layer: `{}`. Input {} {} of {} bytes.",
        thousands(total.multiplications),
        thousands(total.dense_multiplications),
        100.0 * total.reduction,
        report.dsp_blocks_total,
        report.family.block().0,
        report.figures.layers.iter().map(hardware).sum::<usize>(),
        thousands(streams.interval),
        rate(streams.frames_per_second),
        streams.clock_mhz,
        report.latency,
        streams.bottleneck,
        thousands(report.input_beats),
        plural(report.input_beats, "beat", "beats"),
        report.input_beat_bytes,
    );
    let is_unrolled =
        |layer: &&LayerFigures| layer.engine.as_ref().is_some_and(|engine| engine.choice == Choice::Unrolled);
    let unrolled = || report.figures.layers.iter().filter(is_unrolled);
    let before: usize = unrolled().map(|l| l.wb.naive_adders + l.wc.naive_adders).sum();
    if before > 0 {
        let after = unrolled().map(|l| l.wb.adders + l.wc.adders).sum();
        text += &format!(
            "\nUnrolled layers: {} adders after sharing, {} before ({:.1} % fewer).",
            thousands(after),
            thousands(before),
            percent_fewer(after, before)
        );
    }
    let count = |f: fn(&LayerFigures) -> usize| report.figures.layers.iter().map(f).sum::<usize>();
    let rows = count(|layer| layer.shift_add);
    if rows > 0 {
        let all = count(|layer| layer.multipliers);
        let adders = count(|layer| layer.shift_add_adders);
        text += &format!(
            "\n{} of {} rows are multiplied by {} additions of shifted operands, those of folded layers in turn.",
            thousands(rows),
            thousands(all),
            thousands(adders)
        );
    }
    if !streams.fifos.is_empty() {
        let mut table = table(&["FIFO", "words", "without deadlock", "at full rate", "bits"]);
        for fifo in &streams.fifos {
            table.add_row([
                fifo.name.clone(),
                thousands(fifo.depth),
                thousands(fifo.live),
                thousands(fifo.rate),
                thousands(fifo.depth * fifo.bits),
            ]);
        }
        text += &format!("\n\n{table}");
    }
    text
}

/// `28.4`, `1 020`.
fn rate(fps: f64) -> String {
    if fps < 100.0 { format!("{fps:.1}") } else { thousands(fps.round() as u64) }
}

/// Hardware multipliers of a layer.
fn hardware(layer: &LayerFigures) -> usize {
    layer.products.iter().map(|p| p.count).sum()
}

fn layers(report: &Report, streams: &StreamFigures) -> Table {
    let mut table = table(&[
        "layer",
        "shape",
        "windows",
        "r",
        "multiplications",
        "engine",
        "clocks",
        "DSP",
        "adders before",
        "adders",
        "ROM bits",
        "~LUT",
        "~BRAM",
    ]);
    for (layer, dsp) in report.figures.layers.iter().zip(&report.dsp_blocks) {
        let Some(engine) = &layer.engine else { continue };
        let slowest = if layer.name == streams.bottleneck { " *" } else { "" };
        table.add_row([
            layer.name.clone(),
            format!("{}→{}", thousands(layer.inputs), thousands(layer.outputs)),
            thousands(layer.windows),
            layer.budget.to_string(),
            thousands(layer.multipliers as u64 * layer.windows),
            told(engine.choice, layer.wc != MatrixFigures::default()),
            format!("{}{slowest}", thousands(engine.clocks)),
            dsp.to_string(),
            if engine.choice == Choice::Unrolled {
                thousands(layer.wb.naive_adders + layer.wc.naive_adders)
            } else {
                String::new()
            },
            thousands(layer.wb.adders + layer.wc.adders),
            thousands(engine.rom_bits),
            thousands(layer.luts),
            format!("{:.1}", engine.estimate.half_brams as f64 / 2.0),
        ]);
    }
    let total = &report.figures.total;
    let estimates = || report.figures.layers.iter().filter_map(|layer| layer.engine.as_ref());
    table.add_row([
        "total".into(),
        String::new(),
        String::new(),
        total.budget.to_string(),
        thousands(total.multiplications),
        String::new(),
        thousands(streams.interval),
        report.dsp_blocks_total.to_string(),
        String::new(),
        thousands(total.adders),
        thousands(estimates().map(|e| e.rom_bits).sum::<u64>()),
        thousands(total.luts),
        format!("{:.1}", estimates().map(|e| e.estimate.half_brams).sum::<u64>() as f64 / 2.0),
    ]);
    table
}

/// An engine as a table shows it, of a layer that has a W_c or has none.
pub fn told(choice: Choice, has_wc: bool) -> String {
    match choice {
        Choice::Unrolled => "unrolled".into(),
        Choice::Folded(f) if !has_wc => format!("folded {}×{}, {} mult", f.pe, f.simd, f.multipliers),
        Choice::Folded(f) => {
            format!("folded {}×{}, {} mult, {}×{}", f.pe, f.simd, f.multipliers, f.wc_pe, f.wc_simd)
        }
        Choice::Elementwise { lanes } => format!("{lanes} {}", plural(lanes, "lane", "lanes")),
    }
}
