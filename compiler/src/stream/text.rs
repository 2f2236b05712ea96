//! A text form of stream graphs, for tests as files and for reading: the beats at the ports, then a
//! stream or a node a line.
//!
//! ```text
//! streams
//! input 3 of s4 0 in 1 bytes, 1 beats of 3
//! output 2 of s9 0 in 2 bytes, 1 beats of 2
//! stream 0: 1 words of 3 s4 0
//! stream 1: 1 words of 3 s4 0
//! node s_register: 0 -> 1 register input
//! node layer_fc: 2 -> 3 segment layers 0..0 registered no stages 7 depth 8 interval 1
//! leaves 9
//! ```
//!
//! A node has the streams that enter and leave it, what it is, and its parameters by name. Behind
//! the output is a line for each further input and for each head, such as `head mask: 2 of s9 0 in
//! 2 bytes, 1 beats of 2`. The streams of inputs beside stream 0 are in a line of their own,
//! `enters 4`; that of a head leaves behind the output's: `leaves 9 12`.

use super::primitive::{
    Accumulate, Add, Array, Bank, Best, Cell, Collector, Concat, Curves, Fifo, Fork, FrameEnd,
    Framer, Highway, Last, Lines, Lookup, Patches, Primitive, Reader, Recall, Rectify, Register,
    Repack, Requantise, Reverse, Segment, Serialiser, Table, Threshold, Upsample, Widen, Window,
};
use super::{Graph, Head, Input, Node, Stream, StreamId};
use crate::emit::signature::Stream as Beats;
use crate::folded::{FilterStep, Positions};
use crate::ir::Windows;
use crate::ir::gated::Shifts;
use crate::ir::{cell_word, parse_cell};
use crate::text::{
    self, Text, extent, format, numbers, parse_extent, parse_format, parse_numbers, parse_shape,
    parse_width, shape, size, width,
};
use std::fmt;
use std::iter::{self, Peekable};
use std::ops::RangeInclusive;
use std::str::{FromStr, SplitWhitespace};
use strassenc_runtime::{self as runtime, Error, Extent, Format, Result, Shape};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Graph { nodes, streams, output, beats: [s, m], inputs: further, heads } = self;
        writeln!(f, "streams\ninput {}\noutput {}", beats(s), beats(m))?;
        for Input { name, beats: of, .. } in further {
            writeln!(f, "input {name}: {}", beats(of))?;
        }
        for Head { name, beats: of, .. } in heads {
            writeln!(f, "head {name}: {}", beats(of))?;
        }
        for (i, Stream { lanes, format: of, words }) in streams.iter().enumerate() {
            writeln!(f, "stream {i}: {words} words of {lanes} {}", format(*of))?;
        }
        let ids = |ids: &[StreamId]| numbers(&ids.iter().map(|id| id.0).collect::<Vec<_>>());
        for Node { name, layer, primitive, inputs, outputs } in nodes {
            let layer = layer.map(|layer| format!(" of layer {layer}")).unwrap_or_default();
            let (inputs, outputs) = (ids(inputs), ids(outputs));
            writeln!(
                f,
                "node {name}{layer}: {inputs} -> {outputs} {}",
                primitive.told().join(" ")
            )?;
        }
        if !further.is_empty() {
            let enter: Vec<StreamId> = further.iter().map(|input| input.stream).collect();
            writeln!(f, "enters {}", ids(&enter))?;
        }
        let leave: Vec<StreamId> =
            iter::once(*output).chain(heads.iter().map(|head| head.stream)).collect();
        writeln!(f, "leaves {}", ids(&leave))
    }
}

fn beats(beats: &Beats) -> String {
    let Beats { elements, format: of, element_bytes, beat_elements, beats } = beats;
    let of = format(*of);
    format!("{elements} of {of} in {element_bytes} bytes, {beats} beats of {beat_elements}")
}

impl FromStr for Graph {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes. The graph is not verified.
    fn from_str(text: &str) -> Result<Self> {
        text::one(text)
    }
}

impl Text for Graph {
    const WHAT: &'static str = "streams";

    fn read(lines: &mut text::Lines) -> Option<Self> {
        lines.after("streams").filter(|rest| rest.is_empty())?;
        let beats = [parse_beats(lines.after("input")?)?, parse_beats(lines.after("output")?)?];
        let (mut nodes, mut streams) = (vec![], vec![]);
        let (mut further, mut heads): (Vec<(String, Beats)>, Vec<_>) = (vec![], vec![]);
        let mut enter: Vec<u32> = vec![];
        loop {
            let line = lines.next()?;
            if let Some(rest) = line.strip_prefix("leaves ") {
                let leave: Vec<u32> = parse_numbers(rest)?;
                let (&output, others) = leave.split_first()?;
                if others.len() != heads.len() || enter.len() != further.len() {
                    return None;
                }
                let input =
                    |((name, beats), stream)| Input { name, stream: StreamId(stream), beats };
                let inputs = further.into_iter().zip(enter).map(input).collect();
                let head = |((name, beats), stream): ((String, Beats), &u32)| Head {
                    name,
                    stream: StreamId(*stream),
                    beats,
                };
                let heads = heads.into_iter().zip(others).map(head).collect();
                let output = StreamId(output);
                return Some(Graph { nodes, streams, output, beats, inputs, heads });
            } else if let Some(rest) = line.strip_prefix("enters ") {
                enter = parse_numbers(rest)?;
            } else if let Some(rest) = line.strip_prefix("input ") {
                let (name, beats) = rest.split_once(": ")?;
                further.push((name.to_string(), parse_beats(beats)?));
            } else if let Some(rest) = line.strip_prefix("head ") {
                let (name, beats) = rest.split_once(": ")?;
                heads.push((name.to_string(), parse_beats(beats)?));
            } else if let Some(rest) = line.strip_prefix("stream ") {
                let (_, rest) =
                    rest.split_once(": ").filter(|(i, _)| i.parse() == Ok(streams.len()))?;
                streams.push(stream(rest)?);
            } else {
                nodes.push(node(line.strip_prefix("node ")?)?);
            }
        }
    }
}

fn parse_beats(line: &str) -> Option<Beats> {
    let (elements, rest) = line.split_once(" of ")?;
    let (of, rest) = rest.split_once(" in ")?;
    let (element_bytes, rest) = rest.split_once(" bytes, ")?;
    let (beats, beat_elements) = rest.split_once(" beats of ")?;
    Some(Beats {
        elements: size(elements)?,
        format: parse_format(of)?,
        element_bytes: size(element_bytes)?,
        beat_elements: size(beat_elements)?,
        beats: size(beats)?,
    })
}

fn stream(line: &str) -> Option<Stream> {
    let (words, rest) = line.split_once(" words of ")?;
    let (lanes, format) = rest.split_once(' ')?;
    Some(Stream { lanes: positive(lanes)?, format: parse_format(format)?, words: positive(words)? })
}

fn node(line: &str) -> Option<Node> {
    let (name, rest) = line.split_once(": ")?;
    let (name, layer) = match name.split_once(" of layer ") {
        Some((name, layer)) => (name, Some(size(layer)?)),
        None => (name, None),
    };
    let (inputs, rest) = rest.split_once("->")?;
    let mut words = rest.split_whitespace().peekable();
    let (inputs, mut outputs) = (parse_numbers(inputs)?, vec![]);
    while let Some(id) = words.peek().and_then(|word| word.parse().ok()) {
        outputs.push(StreamId(id));
        words.next();
    }
    let inputs = inputs.into_iter().map(StreamId).collect();
    let primitive = Primitive::read(&mut words)?;
    words.next().is_none().then(|| Node { name: name.into(), layer, primitive, inputs, outputs })
}

/// Reads a number by which others are divided, which is not 0.
fn positive(text: &str) -> Option<usize> {
    size(text).filter(|n| *n > 0)
}

/// The words of a line that are still to be read.
type Words<'a> = Peekable<SplitWhitespace<'a>>;

/// A type whose values are told by words with blanks between them.
trait Told: Sized {
    fn told(&self) -> Vec<String>;

    fn read(words: &mut Words) -> Option<Self>;
}

/// Types that are told by one word: how it is written, and how it is read.
macro_rules! words {
    ($($type:ty: $write:expr, $read:expr;)*) => {
        $(impl Told for $type {
            fn told(&self) -> Vec<String> {
                let write: fn(&$type) -> String = $write;
                vec![write(self)]
            }

            fn read(words: &mut Words) -> Option<Self> {
                let read: fn(&str) -> Option<$type> = $read;
                read(words.next()?)
            }
        })*
    };
}

/// Types that are told by their parts, each behind its name.
macro_rules! parts {
    ($($type:ident { $($part:ident),* })*) => {
        $(impl Told for $type {
            fn told(&self) -> Vec<String> {
                let parts: [(&str, Vec<String>); _] =
                    [$((stringify!($part), self.$part.told())),*];
                let words =
                    |(name, told): (&str, Vec<String>)| iter::once(name.into()).chain(told);
                parts.into_iter().flat_map(words).collect()
            }

            fn read(words: &mut Words) -> Option<Self> {
                Some($type { $($part: {
                    words.next().filter(|word| *word == stringify!($part))?;
                    Told::read(words)?
                }),* })
            }
        })*
    };
}

/// Types without parts.
macro_rules! plain {
    ($($type:ident)*) => {
        $(impl Told for $type {
            fn told(&self) -> Vec<String> {
                vec![]
            }

            fn read(_: &mut Words) -> Option<Self> {
                Some($type)
            }
        })*
    };
}

/// Every primitive with the word that says what it is.
macro_rules! primitives {
    ($($word:literal: $name:ident,)*) => {
        impl Told for Primitive {
            fn told(&self) -> Vec<String> {
                let (word, told) = match self {
                    $(Primitive::$name(part) => ($word, part.told()),)*
                };
                iter::once(word.into()).chain(told).collect()
            }

            fn read(words: &mut Words) -> Option<Self> {
                match words.next()? {
                    $($word => Some(Primitive::$name(Told::read(words)?)),)*
                    _ => None,
                }
            }
        }
    };
}

primitives! {
    "framer": Framer,
    "collector": Collector,
    "frame_end": FrameEnd,
    "register": Register,
    "fifo": Fifo,
    "fork": Fork,
    "widen": Widen,
    "repack": Repack,
    "serialiser": Serialiser,
    "window": Window,
    "reader": Reader,
    "upsample": Upsample,
    "segment": Segment,
    "array": Array,
    "bank": Bank,
    "requantise": Requantise,
    "accumulate": Accumulate,
    "patches": Patches,
    "positions": Positions,
    "rectify": Rectify,
    "curves": Curves,
    "lookup": Lookup,
    "recall": Recall,
    "cell": Cell,
    "highway": Highway,
    "add": Add,
    "concat": Concat,
    "last": Last,
    "best": Best,
    "threshold": Threshold,
    "reverse": Reverse,
}

plain! { Framer FrameEnd Fork }

parts! {
    Collector { beats }
    Widen { words }
    Repack { elements }
    Serialiser { beats }
    Reader { lines, groups, repeats, rounds }
    Upsample { image, words, size }
    Lines { image, words, windows, fill }
    Windows { size, stride, pad, rows, columns }
    Segment { layers, registered, stages, depth, interval }
    Array { table, sums, repeats, depth, ends }
    Bank { shift, coefficient_bits, digits, entry_bits, depth }
    Requantise { left, base, amount_bits, constant_bits, sum_bits, depth }
    Accumulate { maximum, count, of_windows }
    Patches { patch, grid, image }
    Positions { characters, words, count, steps }
    Rectify { max, shift }
    Curves { sigmoid, frac }
    Lookup { words, rows }
    Recall { words, steps }
    Cell { kind, units, steps, frac, bits, shifts }
    Shifts { kept, new, state, index, hidden }
    Highway { frac, format }
    Add { shifts, shift }
    Concat { together, words, shifts, shift }
    Last { pixels, words }
    Best { words }
    Threshold { above }
    Reverse { pixels, words }
}

/// The largest width, shift or number of stages that is read.
const MOST: u32 = 1 << 24;

/// All tables that a ROM may hold.
const TABLES: [Table; 8] = [
    Table::Wb,
    Table::Coefficients,
    Table::Wc,
    Table::Outputs,
    Table::Rows,
    Table::Sigmoid,
    Table::Tanh,
    Table::Curve,
];

words! {
    usize: usize::to_string, positive;
    u32: u32::to_string, |word| word.parse().ok().filter(|n| *n <= MOST);
    i32: i32::to_string, |word| word.parse().ok().filter(|n: &i32| n.unsigned_abs() <= MOST);
    i64: i64::to_string, |word| word.parse().ok();
    bool: |is| if *is { "yes" } else { "no" }.into(),
        |word| match word { "yes" => Some(true), "no" => Some(false), _ => None };
    RangeInclusive<usize>: |all| format!("{}..{}", all.start(), all.end()),
        |word| {
            let (first, last) = word.split_once("..")?;
            Some(size(first)?..=size(last)?).filter(|all| !all.is_empty())
        };
    Extent: |of| extent(*of), parse_extent;
    Shape: |of| shape(*of), |word| parse_shape(word).filter(|shape| shape.elements() > 0);
    Table: |table| table.rom().into(),
        |word| TABLES.into_iter().find(|table| table.rom() == word);
    runtime::Cell: |kind| cell_word(*kind).into(), parse_cell;
    Register: |register| match register {
            Register::Input => "input",
            Register::Between => "between",
            Register::Output { entries: 1 } => "output-of-one",
            Register::Output { .. } => "output",
        }.into(),
        |word| match word {
            "input" => Some(Register::Input),
            "between" => Some(Register::Between),
            "output" => Some(Register::Output { entries: 2 }),
            "output-of-one" => Some(Register::Output { entries: 1 }),
            _ => None,
        };
}

/// A FIFO's depth is `any` before it is known.
impl Told for Fifo {
    fn told(&self) -> Vec<String> {
        let depth = Some(self.depth).filter(|depth| *depth < usize::MAX);
        let depth = depth.map_or("any".into(), |depth| depth.to_string());
        [vec!["depth".into(), depth, "hidden".into()], self.hidden.told()].concat()
    }

    fn read(words: &mut Words) -> Option<Self> {
        words.next_if_eq(&"depth")?;
        let depth =
            if words.next_if_eq(&"any").is_some() { usize::MAX } else { Told::read(words)? };
        words.next_if_eq(&"hidden")?;
        Some(Fifo { depth, hidden: Told::read(words)? })
    }
}

impl Told for Window {
    fn told(&self) -> Vec<String> {
        self.0.told()
    }

    fn read(words: &mut Words) -> Option<Self> {
        Told::read(words).map(Window)
    }
}

impl Told for Format {
    fn told(&self) -> Vec<String> {
        vec![width(self.signed, self.bits), self.frac.to_string()]
    }

    fn read(words: &mut Words) -> Option<Self> {
        let (signed, bits) = parse_width(words.next()?)?;
        Some(Format { signed, bits, frac: words.next()?.parse().ok()? })
    }
}

impl Told for FilterStep {
    fn told(&self) -> Vec<String> {
        [self.blocks, self.taps, self.last].map(|n| n.to_string()).to_vec()
    }

    fn read(words: &mut Words) -> Option<Self> {
        let (blocks, taps) = (positive(words.next()?)?, positive(words.next()?)?);
        Some(FilterStep { blocks, taps, last: size(words.next()?)? })
    }
}

impl<T: Told> Told for [T; 2] {
    fn told(&self) -> Vec<String> {
        self.iter().flat_map(Told::told).collect()
    }

    fn read(words: &mut Words) -> Option<Self> {
        Some([T::read(words)?, T::read(words)?])
    }
}

impl<A: Told, B: Told> Told for (A, B) {
    fn told(&self) -> Vec<String> {
        [self.0.told(), self.1.told()].concat()
    }

    fn read(words: &mut Words) -> Option<Self> {
        Some((A::read(words)?, B::read(words)?))
    }
}

impl<T: Told> Told for Option<T> {
    fn told(&self) -> Vec<String> {
        self.as_ref().map_or_else(|| vec!["none".into()], Told::told)
    }

    fn read(words: &mut Words) -> Option<Self> {
        match words.next_if_eq(&"none") {
            Some(_) => Some(None),
            None => T::read(words).map(Some),
        }
    }
}

impl<T: Told> Told for Vec<T> {
    fn told(&self) -> Vec<String> {
        iter::once(self.len().to_string()).chain(self.iter().flat_map(Told::told)).collect()
    }

    fn read(words: &mut Words) -> Option<Self> {
        let n = size(words.next()?)?;
        (0..n).map(|_| T::read(words)).collect()
    }
}
