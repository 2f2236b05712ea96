//! A build's report as people read it: which figures stand where, in which words.

use super::document::{Cell, Document, Drawing, Section, Source, Table};
use super::{
    Beats, Fits, Head, Input, KernelReport, Proved, Report, SharedMatrix, Total, charts, rails,
};
use crate::device::DEVICES;
use crate::synth::Placement;
use strassenc_runtime::{Result, train};

/// What must be there for a column to be shown.
enum Of {
    Any,
    /// Layers of several windows.
    Windows,
    /// Layers of several clocks.
    Clocks,
    /// Pipelines.
    Pipelines,
    /// ROMs or block RAMs.
    Memories,
}

/// A column of a table of layers: a title, a cell in the row of a layer, and one in that of the
/// total.
type Column = (Of, &'static str, &'static str, &'static str);

/// What the layers are, and how they work.
const LAYERS: [Column; 10] = [
    (Of::Any, "layer", "{.name}", "total"),
    (Of::Any, "kind", "{.kind}", ""),
    (Of::Any, "shape", "{.input_shape}→{.output_shape}", ""),
    (Of::Windows, "windows", "{.windows}", ""),
    (Of::Any, "r", "{.budget}", "{.budget}"),
    (Of::Any, "multiplications", "{.multiplications}", "{.multiplications}"),
    (Of::Any, "engine", "{.engine_name}", ""),
    (Of::Clocks, "clocks", "{.engine.clocks}", "{ii}"),
    (Of::Clocks, "busy", "{.busy:%0}", ""),
    (Of::Any, "LUT", "{.luts}", "{.luts}"),
];

/// What they are made of.
const PARTS: [Column; 14] = [
    (Of::Any, "layer", "{.name}", "total"),
    (Of::Any, "multipliers", "{.multipliers}", "{.multipliers}"),
    (Of::Any, "DSP", "{.dsp_blocks}", "{.dsp_blocks}"),
    (Of::Any, "product bits", "{.widest_product}", ""),
    (Of::Any, "adders", "{.adders}", "{.adders}"),
    (Of::Any, "constants", "{.constant_additions}", "{.constant_additions}"),
    (Of::Any, "clamps", "{.clamps}", "{.clamps}"),
    (Of::Pipelines, "depth", "{.depth}", ""),
    (Of::Pipelines, "latency", "{.latency}", "{latency}"),
    (Of::Pipelines, "register bits", "{.register_bits}", "{.register_bits}"),
    (Of::Memories, "ROM bits", "{.engine.rom_bits}", "{.rom_bits}"),
    (Of::Any, "LUT", "{.luts}", "{.luts}"),
    (Of::Any, "flip-flops", "{.flip_flops}", "{.flip_flops}"),
    (Of::Memories, "BRAM", "{.brams:.1}", "{.brams:.1}"),
];

impl Report {
    /// The report, arranged for a terminal and for a page.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn document(&self) -> Result<Document> {
        let source = Source::new(self)?;
        let sections = [
            Some(self.budget(&source)?),
            Some(self.layers(&source)?),
            self.accuracy(&source)?,
            self.part(&source)?,
            Some(self.parts(&source)?),
            self.adders(&source)?,
            self.pipelines(&source)?,
            self.fifos(&source)?,
            self.streams(&source)?,
            self.synthesised(&source)?,
            self.mapped_layers(&source)?,
            placed(&self.placement, true, &source)?,
            critical_path(&self.placement, &source)?,
            self.simulated(&source)?,
            self.checked(&source)?,
            Some(self.proved(&source)?),
            Some(self.files(&source)?),
        ];
        let all = |templates: Vec<String>| {
            templates.iter().map(|template| source.text(template)).collect::<Result<Vec<_>>>()
        };
        Ok(Document {
            title: source.text("{model}")?,
            lead: source.text(&self.lead())?,
            provenance: vec![
                source.text("model {model_sha256}")?,
                source.text("{tool}: verilog {options}")?,
                source.text(
                    "Proved as it was compiled, for every input: circuits and folded layers equal \
                     their matrices.",
                )?,
            ],
            headlines: all(self.headlines())?,
            warnings: all(self.warnings())?,
            sections: sections.into_iter().flatten().collect(),
            folder: None,
        })
    }

    /// What the network is, as a template.
    fn lead(&self) -> String {
        let layers = plural(self.network.layers, "layer", "layers");
        let mut lead = format!(
            "{{network.layers}} {layers} from {{network.input}} ({{network.input_format}})"
        );
        for i in 0..self.inputs.len() {
            lead += &format!(
                " and {{inputs.{i}.elements}} ({{inputs.{i}.format}}) of its input \
                 {{inputs.{i}.name}}"
            );
        }
        lead += " to {network.output} ({network.output_format})";
        for i in 0..self.heads.len() {
            lead += &format!(
                ", and {{heads.{i}.elements}} ({{heads.{i}.format}}) of its head {{heads.{i}.name}}"
            );
        }
        if self.network.data.is_some() {
            lead += ", trained on {network.data}";
            if self.network.seed.is_some() {
                lead += " with seed {network.seed}";
            }
        }
        lead + "."
    }

    /// Templates of what the reader should not miss.
    fn warnings(&self) -> Vec<String> {
        let mut all = vec![];
        for (i, _) in self.part.iter().flatten().enumerate().filter(|(_, s)| s.fits == Fits::No) {
            all.push(format!(
                "The core takes {{part.{i}.taken}} {{part.{i}.resource}}, and {{device.name}} has \
                 {{part.{i}.available}}."
            ));
        }
        if self.placement.as_ref().is_some_and(|p| p.reached_mhz < p.asked_mhz) {
            all.push(
                "Placed and routed the core reaches {placement.reached_mhz:.1} MHz, not the \
                 {placement.asked_mhz:.1} MHz that were asked for."
                    .into(),
            );
        }
        if self.simulated.as_ref().is_some_and(|simulated| simulated.mismatches > 0) {
            all.push(
                "{simulated.mismatches} of {simulated.samples} simulated samples come out wrong."
                    .into(),
            );
        }
        if self.checked.as_ref().is_some_and(|checked| checked.failed > 0) {
            all.push("{checked.failed} rungs of the check do not hold.".into());
        }
        if self.options.contains("--time-limit") {
            all.push(
                "The search for common sums ended by the clock: on another machine it may end in \
                 another core."
                    .into(),
            );
        }
        all
    }

    /// Templates of sentences.
    fn headlines(&self) -> Vec<String> {
        let total = &self.total;
        let is_bilinear = self.layers.iter().any(|layer| layer.figures.schoolbook.is_some());
        let dense = if is_bilinear { "the schoolbook method's" } else { "the dense network's" };
        let mut all = vec![
            format!(
                "{{total.multiplications}} multiplications an inference: {{total.reduction:<2}} \
                 than {dense} {{total.dense_multiplications}}"
            ),
            format!(
                "{{total.multipliers}} hardware {}: {{total.dsp_blocks}} DSP {} \
                 ({{device.dsp_block}})",
                plural(total.multipliers, "multiplier", "multipliers"),
                plural(total.dsp_blocks, "block", "blocks"),
            ),
        ];
        if total.shift_add > 0 {
            let window = if self.has_windows() { " of one window a layer" } else { "" };
            let folded = if self.has_folded() { ", those of folded layers in turn" } else { "" };
            all.push(format!(
                "{{total.shift_add}} of {{total.per_window}} multiplications{window} are made of \
                 {{total.shift_add_adders}} additions of shifted operands{folded}"
            ));
        }
        all.push(format!(
            "{{inferences_per_second}} inferences a second at {{clock_mhz}} MHz, {{ii}} {} apart",
            plural(self.ii as usize, "clock", "clocks")
        ));
        // Of an image that grows, say.
        let early = if self.latency < 0 { ", which leaves before it" } else { "" };
        all.push(format!(
            "{{latency}} {} of latency from the last beat in to the first beat out{early}: \
                 {{latency_us:.2}} µs",
            plural(self.latency.unsigned_abs() as usize, "clock", "clocks")
        ));
        let beats = |side: &str, Beats { beats, bytes }: Beats| {
            let (beats, bytes) = (plural(beats, "beat", "beats"), plural(bytes, "byte", "bytes"));
            format!("{{{side}.beats}} {beats} of {{{side}.bytes}} {bytes}")
        };
        let (into, out) = (beats("input", self.input), beats("output", self.output));
        let head = |(i, head): (usize, &Head)| {
            format!(", and {} of {{heads.{i}.name}}", beats(&format!("heads.{i}"), head.beats))
        };
        let heads: String = self.heads.iter().enumerate().map(head).collect();
        let input = |(i, input): (usize, &Input)| {
            format!(" and {} of {{inputs.{i}.name}}", beats(&format!("inputs.{i}"), input.beats))
        };
        let inputs: String = self.inputs.iter().enumerate().map(input).collect();
        all.push(format!("{into}{inputs} in, {out} out{heads}"));
        if self.sharing.is_some() {
            let which = if self.has_folded() { " in unrolled layers" } else { "" };
            all.push(format!(
                "{{sharing.after}} adders after sharing{which}: {{sharing.reduction:<1}} than \
                 the {{sharing.before}} before"
            ));
        }
        if self.has_folded() {
            all.push("{total.adders} adders in all, those of folded layers used in turn".into());
        }
        all.push("{total.luts} LUTs, estimated".into());
        all.push("{total.flip_flops} flip-flops, estimated".into());
        if self.has_memories() {
            all.push("{total.rom_bits} bits of ROM".into());
            all.push("{total.brams:.1} block RAMs of {device.bram_kbit} Kbit, estimated".into());
        }
        if !self.fifos.is_empty() {
            all.push("{total.fifo_bits} bits in FIFOs".into());
        }
        all
    }

    /// How far below the dense network it stays.
    fn budget(&self, source: &Source) -> Result<Section> {
        let Total { multiplications, dense_multiplications, .. } = self.total;
        let is_bilinear = self.layers.iter().any(|layer| layer.figures.schoolbook.is_some());
        let dense = if is_bilinear { "schoolbook method" } else { "dense network" };
        let rows = [[dense, "{.dense_multiplications}"], ["this network", "{.multiplications}"]];
        let rows = rows.iter().map(|cells| source.row("total", cells)).collect::<Result<_>>()?;
        let most = dense_multiplications.max(multiplications).max(1) as f64;
        let table = Table::new(&["", "multiplications of an inference"], rows, false);
        let shares = [dense_multiplications, multiplications].map(|n| n as f64 / most);
        let notes = [
            "{total.reduction:<2}.",
            "{total.per_window} of the {total.budget} multiplications that the budget r allows a \
             window of each layer are used; rows that nobody needs are left out.",
        ];
        let gated = self.total.per_window > self.total.budget;
        let notes = notes.iter().take(if gated || is_bilinear { 1 } else { 2 });
        Ok(Section {
            title: "Budget",
            table: table.with_bars("multiplications of an inference", shares),
            notes: notes.map(|note| source.text(note)).collect::<Result<_>>()?,
            of_page: true,
            ..Section::default()
        })
    }

    /// A table with one row a layer and one in total.
    fn of_layers(&self, columns: &[Column], source: &Source) -> Result<Table> {
        let is_shown = |of: &Of| match of {
            Of::Any => true,
            Of::Windows => self.has_windows(),
            Of::Clocks => self.layers.iter().any(|layer| layer.figures.engine.clocks > 1),
            Of::Pipelines => self.layers.iter().any(|layer| layer.figures.latency > 0),
            Of::Memories => self.has_memories(),
        };
        let columns: Vec<_> = columns.iter().filter(|(of, ..)| is_shown(of)).collect();
        let titles: Vec<_> = columns.iter().map(|(_, title, ..)| *title).collect();
        let cells: Vec<_> = columns.iter().map(|(_, _, cell, _)| *cell).collect();
        let totals: Vec<_> = columns.iter().map(|(.., total)| *total).collect();
        let rows = (0..self.layers.len()).map(|i| source.row(&format!("layers.{i}"), &cells));
        let mut rows = rows.collect::<Result<Vec<_>>>()?;
        rows.push(source.row("total", &totals)?);
        Ok(Table::new(&titles, rows, true))
    }

    /// The layers as rails, with how busy they are and how large.
    fn layers(&self, source: &Source) -> Result<Section> {
        let mut table = self.of_layers(&LAYERS, source)?;
        let reads: Vec<_> = self.layers.iter().map(|layer| layer.figures.reads.clone()).collect();
        if reads.iter().all(|reads| !reads.is_empty()) {
            table = table.with_rails(rails(&reads, self.inputs.len()));
        }
        let largest = self.layers.iter().map(|layer| layer.figures.luts).max().unwrap_or(0).max(1);
        let luts = self.layers.iter().map(|layer| layer.figures.luts as f64 / largest as f64);
        let table = table.with_bars("LUT", luts);
        let table = table.with_bars("busy", self.layers.iter().map(|layer| layer.busy));
        let mut notes = vec![];
        if self.bottleneck.clocks > 1 {
            notes.push(
                source.text("Slowest layer: {bottleneck.layer}, {bottleneck.clocks} clocks.")?,
            );
        }
        for (i, layer) in
            self.layers.iter().enumerate().filter(|(_, layer)| layer.figures.schoolbook.is_some())
        {
            let blocks =
                plural(layer.schoolbook_dsp_blocks.unwrap_or(0) as usize, "block", "blocks");
            notes.push(source.text_at(
                &format!("layers.{i}"),
                &format!(
                    "Schoolbook core for {{.name}}: {{.schoolbook.multipliers}} multipliers, \
                     {{.schoolbook_dsp_blocks}} DSP {blocks}, {{.schoolbook.adders}} adders."
                ),
            )?);
        }
        Ok(Section { title: "Layers", table, notes, ..Section::default() })
    }

    /// What the layers are made of.
    fn parts(&self, source: &Source) -> Result<Section> {
        let table = self.of_layers(&PARTS, source)?;
        Ok(Section { title: "What the layers are made of", table, ..Section::default() })
    }

    /// How well the network does, step by step.
    fn accuracy(&self, source: &Source) -> Result<Option<Section>> {
        if self.accuracy.is_empty() {
            return Ok(None);
        }
        let cells = ["{.of}", "{.on}", "{.accuracy:%2}", "{.bits:.3}"];
        let rows = (0..self.accuracy.len()).map(|i| source.row(&format!("accuracy.{i}"), &cells));
        let columns = ["", "measured on", self.measure.name(), "bits a symbol"];
        let table = Table::new(&columns, rows.collect::<Result<_>>()?, false);
        let mut drawings = vec![];
        if !self.training.is_empty() {
            let curves = |width| train::curves_of(&self.training, width);
            let (svg, narrow) = (curves(charts::WIDE)?, Some(curves(charts::NARROW)?));
            drawings.push(Drawing { title: "Training, epoch by epoch", svg, narrow, open: true });
        }
        Ok(Some(Section { title: "Accuracy", table, drawings, ..Section::default() }))
    }

    /// What the paths of pipelines leave of the clock.
    fn pipelines(&self, source: &Source) -> Result<Option<Section>> {
        if self.pipelines.is_empty() {
            return Ok(None);
        }
        let timed = self.pipelines.iter().any(|pipeline| pipeline.device.is_some());
        let columns = if timed {
            ["pipeline", "stages", "longest path", "limit", "slack"]
        } else {
            ["pipeline", "stages", "additions on a path", "at most", ""]
        };
        let cells = if timed {
            ["{.name}", "{.stages}", "{.longest:.2} ns", "{.limit:.2} ns", "{.slack:.2} ns"]
        } else {
            ["{.name}", "{.stages}", "{.longest}", "{.limit}", ""]
        };
        let rows = (0..self.pipelines.len()).map(|i| source.row(&format!("pipelines.{i}"), &cells));
        let table = Table::new(&columns, rows.collect::<Result<_>>()?, false);
        let note = if timed {
            "By the delays of {pipelines.0.device}, at {clock_mhz:.1} MHz; routing is estimated."
        } else {
            "No clock was asked for: what lies between two registers is counted in additions, and \
             rates are those of {clock_mhz:.1} MHz. The options --device and --clock ask for one."
        };
        let mut drawings = vec![];
        if timed {
            let stages = |width| charts::stages(&self.pipelines, width);
            let (svg, narrow) = (stages(charts::WIDE)?, Some(stages(charts::NARROW)?));
            let title = "The longest path of every stage";
            drawings.push(Drawing { title, svg, narrow, open: true });
        }
        Ok(Some(Section {
            title: "Pipelines",
            table,
            notes: vec![source.text(note)?],
            drawings,
            of_page: !timed,
            ..Section::default()
        }))
    }

    /// What goes from where to where, how wide and how often.
    fn streams(&self, source: &Source) -> Result<Option<Section>> {
        let Some(core) = self.core()? else { return Ok(None) };
        let columns = ["from", "to", "elements", "bits", "words", "clocks", "Mbit/s"];
        let cells = [
            "{.from}",
            "{.to}",
            "{.lanes}",
            "{.bits}",
            "{.words}",
            "{.busy:%0}",
            "{.mbit_per_second}",
        ];
        let rows = (0..self.streams.len()).map(|i| source.row(&format!("streams.{i}"), &cells));
        let table = Table::new(&columns, rows.collect::<Result<_>>()?, false);
        let table = table.with_bars("clocks", self.streams.iter().map(|stream| stream.busy));
        let open = core.is_small();
        let drawings = vec![Drawing { title: "The core", svg: core.svg()?, narrow: None, open }];
        let notes = vec![source.text("Words of an inference, and the clocks that move one.")?];
        let section = Section { title: "Streams", table, notes, drawings, ..Section::default() };
        Ok(Some(Section { of_page: true, ..section }))
    }

    /// What a simulation found.
    fn simulated(&self, source: &Source) -> Result<Option<Section>> {
        let Some(simulated) = &self.simulated else { return Ok(None) };
        let mut rows = vec![["latency", "{.latency.measured}", "{.latency.promised}"]];
        if simulated.ii.is_some() {
            rows.push(["clocks between inferences", "{.ii.measured}", "{.ii.promised}"]);
        }
        let rows = rows.iter().map(|cells| source.row("simulated", cells));
        let table = Table::new(&["", "measured", "promised"], rows.collect::<Result<_>>()?, false);
        let notes = [
            "{simulated.samples} samples of {simulated.data} in {simulated.clocks} clocks, \
             {simulated.mismatches} of them wrong, bit for bit against the integer reference.",
            "By Verilator {simulated.simulator.verilator}.",
        ];
        let notes = notes.iter().map(|note| source.text(note)).collect::<Result<_>>()?;
        Ok(Some(Section { title: "Simulated", table, notes, ..Section::default() }))
    }

    /// What a check found.
    fn checked(&self, source: &Source) -> Result<Option<Section>> {
        let Some(checked) = &self.checked else { return Ok(None) };
        let cells =
            ["{.name}", "{.outcome.outcome}", "{.outcome.counts}{.outcome.why}{.outcome.error}"];
        let rows = (0..checked.rungs.len())
            .map(|i| source.row(&format!("checked.rungs.{i}"), &cells))
            .collect::<Result<_>>()?;
        let table = Table::new(&["what holds", "", "of what"], rows, false);
        let note = "{checked.passed} hold, {checked.failed} do not, {checked.skipped} could not \
                    be tried.";
        let notes = vec![source.text(note)?];
        Ok(Some(Section { title: "Checked", table, notes, ..Section::default() }))
    }

    /// What was proved as the build was compiled.
    fn proved(&self, source: &Source) -> Result<Section> {
        let Proved { graphs, circuits, folded, pipelines, primitives, .. } = self.proved;
        let rows = [
            (graphs, ["adder graphs equal their matrices", "{.graphs}", "{.adders} adders"]),
            (circuits, ["circuits equal their layers, for every input", "{.circuits}", ""]),
            (
                folded,
                ["folded layers, their ROMs read back, equal their matrices", "{.folded}", ""],
            ),
            (pipelines, ["pipelines, every path followed", "{.pipelines}", "{.stages} stages"]),
            (primitives, ["primitives fit their streams", "{.primitives}", "{.streams} streams"]),
        ];
        let rows = rows.iter().filter(|(count, _)| *count > 0);
        let rows = rows.map(|(_, cells)| source.row("proved", cells)).collect::<Result<_>>()?;
        let table = Table::new(&["", "proved", "with"], rows, false);
        let note = "The command strassenc check compares the core with other witnesses of the same \
                    integers, and strassenc simulate runs it.";
        let notes = if self.checked.is_some() { vec![] } else { vec![source.text(note)?] };
        let section = Section { title: "Proved as it was compiled", table, ..Section::default() };
        Ok(Section { of_page: true, notes, ..section })
    }

    /// The files of the build.
    fn files(&self, source: &Source) -> Result<Section> {
        let file = |i: usize| source.text(&format!("{{files.{i}.name}}"));
        let files = (0..self.files.len()).map(file).collect::<Result<_>>()?;
        Ok(Section { title: "Files", files, of_page: true, ..Section::default() })
    }

    /// Matrix by matrix what sharing saves.
    fn adders(&self, source: &Source) -> Result<Option<Section>> {
        let Some(sharing) = &self.sharing else { return Ok(None) };
        let columns = ["matrix", "size", "density", "before", "adders", "fewer", "depth"];
        let most = sharing.matrices.iter().map(|m| m.figures.naive_adders).max().unwrap_or(0).max(1)
            as f64;
        let row = |(i, shared): (usize, &SharedMatrix)| {
            let cells = [
                "{.layer} {.matrix}",
                "{.rows}×{.columns}",
                "{.density:.2}",
                "{.naive_adders}",
                "{.adders}",
                "{.reduction:%1}",
                "{.depth}",
            ];
            let mut row = source.row(&format!("sharing.matrices.{i}"), &cells)?;
            for (cell, adders) in
                row[3..].iter_mut().zip([shared.figures.naive_adders, shared.figures.adders])
            {
                cell.bar = Some(adders as f64 / most);
            }
            Ok(row)
        };
        let mut rows =
            sharing.matrices.iter().enumerate().map(row).collect::<Result<Vec<Vec<Cell>>>>()?;
        rows.push(
            source.row(
                "sharing",
                &["total", "", "", "{.before}", "{.after}", "{.reduction:%1}", ""],
            )?,
        );
        let table = Table::new(&columns, rows, true);
        let title = "Adders before and after sharing, of unrolled layers";
        Ok(Some(Section { title, table, ..Section::default() }))
    }

    fn fifos(&self, source: &Source) -> Result<Option<Section>> {
        if self.fifos.is_empty() {
            return Ok(None);
        }
        let columns = ["FIFO", "words", "without deadlock", "at full rate", "bits"];
        let cells = ["{.name}", "{.depth}", "{.live}", "{.rate}", "{.total_bits}"];
        let rows = (0..self.fifos.len()).map(|i| source.row(&format!("fifos.{i}"), &cells));
        let mut rows = rows.collect::<Result<Vec<_>>>()?;
        rows.push(source.row("total", &["total", "", "", "", "{.fifo_bits}"])?);
        let table = Table::new(&columns, rows, true);
        Ok(Some(Section { title: "FIFOs", table, ..Section::default() }))
    }

    /// What the core takes of a part.
    fn part(&self, source: &Source) -> Result<Option<Section>> {
        let Some(shares) = &self.part else { return Ok(None) };
        let cells = ["{.resource}", "{.taken}", "{.available}", "{.share:%1}", "{.fits}"];
        let rows = (0..shares.len()).map(|i| source.row(&format!("part.{i}"), &cells));
        let columns = ["", "taken", "available", "share", "fits"];
        let table = Table::new(&columns, rows.collect::<Result<_>>()?, false);
        let table = table.with_bars("share", shares.iter().map(|s| s.share.unwrap_or(0.0)));
        let mapped = self.synthesis.as_ref().is_some_and(|s| s.device == self.device.name.name);
        let how = if mapped { "as Yosys mapped them" } else { "counted or estimated" };
        let notes = vec![source.text(&format!("On {{device.name}}, {how}."))?];
        Ok(Some(Section { title: "The part", table, notes, ..Section::default() }))
    }

    /// What was counted or estimated beside what Yosys made of it.
    fn synthesised(&self, source: &Source) -> Result<Option<Section>> {
        if self.synthesis.is_none() {
            return Ok(None);
        }
        let rows = [
            ["multiplications as read", "{total.multipliers}", "{synthesis.multiply_cells}"],
            ["DSP blocks", "{total.dsp_blocks}", "{.dsp_blocks}"],
            ["LUTs", "{total.luts}", "{.luts}"],
            ["of them memory", "", "{.lut_memories}"],
            ["of them shift registers", "", "{.shift_registers}"],
            ["of them inverters", "", "{.inverters}"],
            ["flip-flops", "{total.flip_flops}", "{.flip_flops}"],
            ["carry cells", "", "{.carry_cells}"],
            ["block RAMs", "{total.brams:.1}", "{.block_memories:.1}"],
        ];
        synthesised(&rows, source).map(Some)
    }

    /// What Yosys made of each layer.
    fn mapped_layers(&self, source: &Source) -> Result<Option<Section>> {
        let Some(synthesis) = &self.synthesis else { return Ok(None) };
        let columns = ["layer", "LUT", "memory", "shift", "FF", "carry", "DSP", "BRAM"];
        let cells = [
            "{.name}",
            "{.luts}",
            "{.lut_memories}",
            "{.shift_registers}",
            "{.flip_flops}",
            "{.carry_cells}",
            "{.dsp_blocks}",
            "{.block_memories:.1}",
        ];
        let layers = 0..synthesis.layers.len();
        let rows = layers.map(|i| source.row(&format!("synthesis.layers.{i}"), &cells));
        let mut rows = rows.collect::<Result<Vec<_>>>()?;
        rows.push(source.row("synthesis.total", &[&["total"], &cells[1..]].concat())?);
        let notes = vec![source.text("A cell belongs to the layer that names it.")?];
        let table = Table::new(&columns, rows, true);
        Ok(Some(Section { title: "Synthesised, by layer", table, notes, ..Section::default() }))
    }

    fn has_windows(&self) -> bool {
        self.layers.iter().any(|layer| layer.figures.windows > 1)
    }

    fn has_memories(&self) -> bool {
        self.total.rom_bits > 0 || self.total.brams > 0.0
    }

    fn has_folded(&self) -> bool {
        self.layers.iter().any(|layer| layer.figures.budget > 0 && !layer.is_unrolled())
    }
}

impl KernelReport {
    /// The report, arranged for a terminal and for a page.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn document(&self) -> Result<Document> {
        let source = Source::new(self)?;
        let rows = [
            ["LUTs", "{luts}", "{.luts}"],
            ["of them memory", "", "{.lut_memories}"],
            ["of them shift registers", "", "{.shift_registers}"],
            ["of them inverters", "", "{.inverters}"],
            ["flip-flops", "{flip_flops}", "{.flip_flops}"],
            ["carry cells", "", "{.carry_cells}"],
        ];
        // What is estimated of one family is nothing beside what is mapped to another.
        let family = |name: &str| DEVICES.iter().find(|d| d.name == name).map(|d| d.family);
        let of_another = self
            .synthesis
            .as_ref()
            .is_some_and(|s| family(&s.device) != Some(self.record.device.family));
        let rows = rows.map(|[what, estimated, mapped]| {
            [what, if of_another { "" } else { estimated }, mapped]
        });
        let asked = self.record.clock_mhz.is_some();
        let sections = [
            self.synthesis.as_ref().map(|_| synthesised(&rows, &source)).transpose()?,
            placed(&self.placement, asked, &source)?,
            critical_path(&self.placement, &source)?,
        ];
        let all =
            |lines: &[&str]| lines.iter().map(|line| source.text(line)).collect::<Result<Vec<_>>>();
        Ok(Document {
            title: source.text("{top}")?,
            provenance: all(&["matrix {matrix_sha256}", "{tool}: matrix {options}"])?,
            headlines: all(&[
                "{input.elements} inputs of {input.format.bits} bits",
                "{output.elements} outputs of {output.format.bits} bits at most",
                "{latency} clocks of latency",
                "{adders} adders, {depth} of them on the longest path",
                "{luts} LUTs, estimated for {device}",
                "{flip_flops} flip-flops, estimated",
            ])?,
            sections: sections.into_iter().flatten().collect(),
            ..Document::default()
        })
    }
}

/// What was counted or estimated beside what Yosys made of it.
fn synthesised(rows: &[[&str; 3]], source: &Source) -> Result<Section> {
    let rows = rows.iter().map(|cells| source.row("synthesis.total", cells));
    let columns = ["", "counted or estimated", "synthesised"];
    let table = Table::new(&columns, rows.collect::<Result<_>>()?, false);
    let note = "By Yosys {synthesis.yosys} for {synthesis.device}, out of context, in \
                {synthesis.seconds:.0} s.";
    let notes = vec![source.text(note)?];
    Ok(Section { title: "Synthesised", table, notes, ..Section::default() })
}

/// A cell of Gowin's, of which nextpnr knows no setup time.
const UNTIMED: &str = "RAM16SDP4";

/// What nextpnr made of the core, and whether it was asked for a clock.
fn placed(placement: &Option<Placement>, asked: bool, source: &Source) -> Result<Option<Section>> {
    let Some(placement) = placement else { return Ok(None) };
    let cells = ["{.cell}", "{.used}", "{.available}"];
    let cells_used = 0..placement.utilisation.len();
    let rows = cells_used.map(|i| source.row(&format!("placement.utilisation.{i}"), &cells));
    let table = Table::new(&["cells", "used", "available"], rows.collect::<Result<_>>()?, false);
    let untimed = placement.utilisation.iter().any(|used| used.cell == UNTIMED);
    let mut notes = vec![
        if asked {
            "{placement.reached_mhz:.1} MHz of {placement.asked_mhz:.1} asked for."
        } else {
            "{placement.reached_mhz:.1} MHz; placed for {placement.asked_mhz:.1}, since no clock \
             was asked for."
        },
        "{placement.harness_flip_flops} flip-flops around the core included, which join its \
         ports to three pins.",
        "By nextpnr {placement.nextpnr} for {placement.device}, from the netlist of Yosys \
         {placement.yosys}, in {placement.seconds:.0} s.",
    ];
    if untimed {
        notes.insert(
            1,
            "nextpnr does not time the ways to memories of LUTs (RAM16SDP4): the clock holds for \
             all others.",
        );
    }
    let notes = notes.iter().map(|note| source.text(note)).collect::<Result<_>>()?;
    Ok(Some(Section { title: "Placed and routed", table, notes, ..Section::default() }))
}

/// The path that bounds the clock.
fn critical_path(placement: &Option<Placement>, source: &Source) -> Result<Option<Section>> {
    let Some(placement) = placement else { return Ok(None) };
    let cells = ["{.name}", "{.ns:.2}"];
    let steps = 0..placement.path.len();
    let rows = steps.map(|i| source.row(&format!("placement.path.{i}"), &cells));
    let table = Table::new(&["signal", "ns"], rows.collect::<Result<_>>()?, false);
    let mut notes = vec![source.text("{placement.routing_ns:.2} ns of it are routing.")?];
    if placement.stage.is_some() {
        notes.push(source.text("It ends in stage {placement.stage}, the slowest.")?);
    }
    Ok(Some(Section { title: "The slowest path", table, notes, ..Section::default() }))
}

fn plural<'a>(n: usize, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}
