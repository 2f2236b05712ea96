//! A core as its streams and pipelines: what goes where, how wide, how often.

use super::document::{Source, Text};
use super::picture::{Arrow, Frame, Look, Picture, Rails};
use super::{Head, Input, Report};
use crate::emit::signature;
use crate::figures::{Figures, PipelineFigures, PrimitiveFigures, StreamFigures};
use serde::Serialize;
use std::collections::BTreeMap;
use strassenc_runtime::Result;

/// A stream, with the share of clocks in which it moves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stream {
    /// What it leaves: a primitive behind its layer, or a port, such as `s_axis`.
    pub from: String,
    /// What it enters.
    pub to: String,
    /// The primitive that it leaves, counted from 0.
    pub from_primitive: Option<usize>,
    /// The primitive that it enters.
    pub to_primitive: Option<usize>,
    /// Elements of a word.
    pub lanes: usize,
    /// Bits of an element.
    pub bits: u32,
    /// Words of an inference.
    pub words: usize,
    /// Words a clock at full rate, 0..=1.
    pub busy: f64,
    /// Megabits a second at full rate.
    pub mbit_per_second: f64,
}

/// A pipeline, with what its stages leave of the clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pipeline {
    /// Its layers.
    pub name: String,
    /// The first of them, counted from 0.
    pub first: usize,
    /// The last of them.
    pub last: usize,
    /// Its stages.
    pub stages: usize,
    /// What times are counted in: `ns`, or `additions` where no clock was asked for.
    pub unit: &'static str,
    /// The device by whose delays it is scheduled.
    pub device: Option<String>,
    /// The most that a path between two registers may take.
    pub limit: f64,
    /// What the longest of them takes.
    pub longest: f64,
    /// What the longest path of each stage takes.
    pub takes: Vec<f64>,
    /// `limit - longest`.
    pub slack: f64,
}

/// What the name of a further input's register begins with.
const REGISTER: &str = "s_register_";

impl Stream {
    pub(super) fn all(figures: &Figures, clock_mhz: f64, ii: u32) -> Vec<Self> {
        let primitives = &figures.streams.primitives;
        let name = |number: Option<usize>, port: &str| match number.map(|n| &primitives[n]) {
            Some(PrimitiveFigures { name, layer: Some(layer), .. }) => {
                let layer = &figures.layers[*layer].name;
                // A pipeline between layers has the name of the last of its own.
                if *name == format!("layer_{layer}") {
                    layer.clone()
                } else {
                    format!("{layer}.{name}")
                }
            }
            Some(PrimitiveFigures { name, .. }) => name.clone(),
            None => port.into(),
        };
        // An input has a register of its name where there are several.
        let port = |to: Option<usize>| {
            let own = to.map(|n| &primitives[n]).filter(|primitive| primitive.layer.is_none());
            let further = own.and_then(|primitive| primitive.name.strip_prefix(REGISTER));
            further.map_or(signature::INPUT.into(), signature::input)
        };
        let stream = |stream: &StreamFigures| {
            let busy = (stream.words as f64 / f64::from(ii)).min(1.0);
            let word = stream.lanes as f64 * f64::from(stream.bits);
            Stream {
                from: name(stream.from, &port(stream.to)),
                to: name(stream.to, "m_axis"),
                from_primitive: stream.from,
                to_primitive: stream.to,
                lanes: stream.lanes,
                bits: stream.bits,
                words: stream.words,
                busy,
                mbit_per_second: busy * word * clock_mhz,
            }
        };
        figures.streams.streams.iter().map(stream).collect()
    }
}

impl Pipeline {
    pub(super) fn all(figures: &Figures) -> Vec<Self> {
        let pipeline = |pipeline: &PipelineFigures| {
            let of = |number: usize| &figures.layers[number].name;
            let name = if pipeline.first == pipeline.last {
                of(pipeline.first).clone()
            } else {
                format!("{} to {}", of(pipeline.first), of(pipeline.last))
            };
            let unit = if pipeline.device.is_some() { "ns" } else { "additions" };
            let scale = if pipeline.device.is_some() { 1000.0 } else { 1.0 };
            let takes: Vec<f64> = pipeline.stages.iter().map(|t| f64::from(*t) / scale).collect();
            let (limit, longest) =
                (f64::from(pipeline.limit) / scale, takes.iter().copied().fold(0.0, f64::max));
            let (device, stages) = (pipeline.device.clone(), takes.len());
            let (first, last, slack) = (pipeline.first, pipeline.last, limit - longest);
            Pipeline { name, first, last, stages, unit, device, limit, longest, takes, slack }
        };
        figures.streams.pipelines.iter().map(pipeline).collect()
    }
}

/// What stands between layers and only passes words on: in the picture of a core a part of the
/// arrow.
const PASSING: [&str; 3] = ["strassenc_stream_register", "strassenc_fork", "strassenc_repack"];

impl Report {
    /// The network as a picture; none of a build of a version that recorded no shapes.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn picture(&self) -> Result<Option<Picture>> {
        let figures = || self.layers.iter().map(|layer| &layer.figures);
        if figures().any(|layer| layer.reads.is_empty()) {
            return Ok(None);
        }
        let shaped = Shaped {
            name: &self.model,
            input: "{network.input}",
            inputs: (0..self.inputs.len())
                .map(|i| [format!("{{inputs.{i}.name}}"), format!("{{inputs.{i}.elements}}")])
                .collect(),
            output: "{.output_shape}",
            reads: figures().map(|layer| layer.reads.clone()).collect(),
            multiplies: figures().map(|layer| layer.dense_multiplications > 0).collect(),
        };
        network(&shaped, &Source::new(self)?).map(Some)
    }

    /// The core as a picture: its layers with their engines, what stores between them, and the
    /// streams with their widths and rates. None of a build of a version that recorded no streams.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn core(&self) -> Result<Option<Picture>> {
        if self.streams.is_empty() {
            return Ok(None);
        }
        let source = Source::new(self)?;
        let title = format!("The core of {}: its layers, FIFOs and streams", self.model);
        let mut picture = Picture { title, boxes: vec![], arrows: vec![] };
        let port = |name: &str, side: &str, bytes: usize| -> Result<Frame> {
            let unit = if bytes == 1 { "byte" } else { "bytes" };
            let beats = format!("{{{side}.beats}} × {{{side}.bytes}} {unit}");
            let lines = vec![source.text(name)?, source.text(&beats)?];
            Ok(Frame { lines, look: Look::Port, bar: None })
        };
        picture.boxes.push(port(signature::INPUT, "input", self.input.bytes)?);
        for (i, input) in self.inputs.iter().enumerate() {
            let (name, side) = (signature::input(&input.name), format!("inputs.{i}"));
            picture.boxes.push(port(&name, &side, input.beats.bytes)?);
        }
        // Of each primitive its box; all of a layer are one, and so are layers of one pipeline.
        let mut boxes: BTreeMap<usize, usize> = BTreeMap::new();
        let mut of_layers: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, primitive) in self.primitives.iter().enumerate() {
            let next = picture.boxes.len();
            let place = match primitive.figures.layer {
                Some(layer) => *of_layers.entry(layer).or_insert(next),
                None if PASSING.contains(&primitive.figures.module.as_str()) => continue,
                None => next,
            };
            if place == next {
                picture.boxes.push(match primitive.figures.layer {
                    Some(layer) => self.layer_box(layer, &source)?,
                    None => self.store_box(number, &source)?,
                });
            }
            boxes.insert(number, place);
        }
        let output = picture.boxes.len();
        picture.boxes.push(port("m_axis", "output", self.output.bytes)?);
        for (i, head) in self.heads.iter().enumerate() {
            let side = format!("heads.{i}");
            picture.boxes.push(port(&signature::head(&head.name), &side, head.beats.bytes)?);
        }
        // The port of a stream that leaves the core: a head's comes out of the head's own register.
        let port_of = |number: usize| {
            let from = self.streams[number].from_primitive.map(|from| &self.primitives[from]);
            let is = |head: &Head| {
                let register = format!("m_register_{}", head.name);
                from.is_some_and(|from| {
                    from.figures.layer.is_none() && from.figures.name == register
                })
            };
            self.heads.iter().position(is).map_or(output, |head| output + 1 + head)
        };
        // That of one that enters: it goes to the input's register.
        let port_before = |number: usize| {
            let to = self.streams[number].to_primitive.map(|to| &self.primitives[to].figures);
            let is = |input: &Input| {
                to.is_some_and(|to| {
                    to.layer.is_none() && to.name == format!("{REGISTER}{}", input.name)
                })
            };
            self.inputs.iter().position(is).map_or(0, |input| input + 1)
        };
        let leaving = |primitive: usize| {
            let streams = self.streams.iter().enumerate().rev();
            streams.filter(move |(_, stream)| stream.from_primitive == Some(primitive))
        };
        // Each stream that leaves a box, with that box; what passes it on leads to others.
        let mut todo: Vec<(usize, usize)> = vec![];
        for (number, stream) in self.streams.iter().enumerate().rev() {
            match stream.from_primitive.map(|from| boxes.get(&from)) {
                None => todo.push((port_before(number), number)),
                Some(Some(from)) => todo.push((*from, number)),
                Some(None) => {}
            }
        }
        while let Some((from, number)) = todo.pop() {
            let to = match self.streams[number].to_primitive.map(|to| (to, boxes.get(&to))) {
                None => port_of(number),
                Some((_, Some(to))) => *to,
                Some((to, None)) => {
                    todo.extend(leaving(to).map(|(next, _)| (from, next)));
                    continue;
                }
            };
            // Within a layer streams are its own.
            if to != from {
                let base = format!("streams.{number}");
                let words = if self.streams[number].words == 1 { "word" } else { "words" };
                let words = format!("{{.words}} {words}, {{.busy:%0}} of clocks");
                let label = ["{.lanes} × {.bits} bit", words.as_str()];
                let label: Result<_> = label.iter().map(|l| source.text_at(&base, l)).collect();
                picture.arrows.push(Arrow { from, to, label: label? });
            }
        }
        // What stores does not go straight on where a layer does.
        picture.arrows.sort_by_key(|a| (a.from, picture.boxes[a.to].look == Look::Store, a.to));
        Ok(Some(picture))
    }

    /// The box of a layer, or of the pipeline that ends with it.
    fn layer_box(&self, layer: usize, source: &Source) -> Result<Frame> {
        let base = format!("layers.{layer}");
        let pipeline = self.pipelines.iter().position(|pipeline| pipeline.last == layer);
        let name = match pipeline {
            Some(number) => source.text(&format!("{{pipelines.{number}.name}}"))?,
            None => source.text_at(&base, "{.name}")?,
        };
        let mut lines = vec![name, source.text_at(&base, "{.engine_name}")?];
        if let Some(number) = pipeline {
            lines.push(source.text(&format!("{{pipelines.{number}.stages}} stages"))?);
        }
        let clocks = self.layers[layer].figures.engine.clocks;
        if clocks > 1 {
            lines.push(source.text_at(&base, "{.engine.clocks} clocks, {.busy:%0} busy")?);
        }
        let slowest =
            self.bottleneck.clocks > 1 && self.bottleneck.layer == self.layers[layer].figures.name;
        let look = if slowest { Look::Marked } else { Look::Layer };
        let bar = (clocks > 1).then_some(self.layers[layer].busy);
        Ok(Frame { lines, look, bar })
    }

    /// The box of what stores between layers.
    fn store_box(&self, primitive: usize, source: &Source) -> Result<Frame> {
        let name = &self.primitives[primitive].figures.name;
        let fifo = self.fifos.iter().position(|fifo| fifo.figures.name == *name);
        let mut lines = vec![source.text(&format!("{{primitives.{primitive}.name}}"))?];
        if let Some(fifo) = fifo {
            let base = format!("fifos.{fifo}");
            lines.push(source.text_at(&base, "{.depth} words of {.bits} bit")?);
        }
        Ok(Frame { lines, look: Look::Store, bar: None })
    }
}

/// What is known of a network's shape, for its picture and for the rails beside its layers.
pub(crate) struct Shaped<'a> {
    /// The network's name.
    pub name: &'a str,
    /// The path of the network's input shape.
    pub input: &'a str,
    /// The path of the shape that a layer yields, from the layer on.
    pub output: &'a str,
    /// The paths of the names and shapes of the further inputs.
    pub inputs: Vec<[String; 2]>,
    /// What each layer reads: 0 is the input, then come the further ones, then what each layer
    /// yields.
    pub reads: Vec<Vec<usize>>,
    /// Whether each layer multiplies.
    pub multiplies: Vec<bool>,
}

/// Rails that lead from layer to layer beside a table with a row for each: what the network is, in
/// little room. Of so many further inputs all come from above, as the first one does.
pub(crate) fn rails(reads: &[Vec<usize>], further: usize) -> Rails {
    let ends = reads.iter().enumerate().flat_map(|(number, reads)| {
        let mut reads = reads.clone();
        reads.dedup();
        reads.into_iter().map(move |from| (from.saturating_sub(further), number + 1))
    });
    let mut ends: Vec<_> = ends.collect();
    ends.sort_unstable();
    ends.dedup();
    let ranks: Vec<_> = (0..=reads.len()).collect();
    Rails::new(&ranks, &ends)
}

/// A network as a picture: layers, shapes, multiplications.
///
/// # Errors
/// Only by a bug of ours.
pub(crate) fn network(shaped: &Shaped, source: &Source) -> Result<Picture> {
    let text = |template: &str| source.text(template);
    let port = |lines: Vec<Text>| Frame { lines, look: Look::Port, bar: None };
    let mut boxes = vec![port(vec![text("input")?, text(shaped.input)?])];
    for [name, shape] in &shaped.inputs {
        boxes.push(port(vec![text(name)?, text(shape)?]));
    }
    let mut arrows = vec![];
    for (number, reads) in shaped.reads.iter().enumerate() {
        let base = format!("layers.{number}");
        let mut lines = vec![
            source.text_at(&base, "{.name}")?,
            source.text_at(&base, &format!("{{.kind}}, {}", shaped.output))?,
        ];
        if shaped.multiplies[number] {
            lines.push(source.text_at(&base, "{.multiplications} multiplications")?);
        }
        let look = if shaped.multiplies[number] { Look::Layer } else { Look::Store };
        let to = boxes.len();
        boxes.push(Frame { lines, look, bar: None });
        let mut reads = reads.clone();
        reads.dedup();
        arrows.extend(reads.iter().map(|&from| Arrow { from, to, label: vec![] }));
    }
    arrows.sort_by_key(|arrow| arrow.from);
    Ok(Picture { title: format!("The network {}: its layers", shaped.name), boxes, arrows })
}
