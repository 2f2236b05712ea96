//! A text form of the dataflow IR, for tests as files and for reading: edges and layers in order,
//! one element a line, `index in the model: interval = parameters`.
//!
//! ```text
//! dataflow tiny
//! edge 0: 1x1x2 s4 0 of 2
//!   0: -8..=7
//!   1: -8..=7
//! layer spn reads 0 as 1x1x2: dense_0
//!   kernel 1x1x2 -> 1x1x1 rows 1 groups 1 patch 1x1
//!   windows 1x1 stride 1x1 pad 0x0 count 1x1
//!   chain s4 0 -> s7 0 budget 1: dense_0
//!     x
//!       0: -8..=7
//!       1: -8..=7
//!     W_b 1x2
//!       0: -15..=15 = +-
//!     multiply bits 3
//!       0: -22..=23 = * 3 >> 1
//!     W_c 1x1
//!       0: -22..=23 = +
//!     offset
//!       0: -21..=24 = + 1
//! edge 1: 1x1x1 s7 0 of 1
//!   0: -21..=24
//! ```
//!
//! A further input is a line before its edge, `input age`. A head is a line behind all layers, its
//! edge and its name: `head 3: mask`.
//!
//! Where one of an element's parts is missing, which only a broken pass does, it is `_`. A row of a
//! matrix is signs, or integers where there are others than 1, 0 and -1.

use super::gated::{Blend, Cell, Curve, Function};
use super::{
    Chain, Dataflow, Edge, EdgeId, Head, Kernel, Kind, Layer, Loaded, Op, OpKind, Role, Value,
    Windows,
};
use crate::adder_graph::Matrix;
use crate::interval::Interval;
use crate::text::{
    Lines, extent, format, numbers, parse_extent, parse_format, parse_interval, parse_numbers,
    parse_shape, shape, size,
};
use std::fmt;
use std::str::FromStr;
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{self as runtime, Along, Error, Extent, Format, Result};

impl fmt::Display for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dataflow {}", self.name)?;
        for i in 0..self.edges.len().max(self.edge_of(self.layers.len()).index()) {
            if let Some(name) = i.checked_sub(1).and_then(|i| self.inputs.get(i)) {
                writeln!(f, "input {name}")?;
            }
            let number = self.layer_of(EdgeId(i as u32));
            if let Some(layer) = number.and_then(|number| self.layers.get(number)) {
                write!(f, "{layer}")?;
            }
            if let Some(edge) = self.edges.get(i) {
                write!(f, "edge {i}: {edge}")?;
            }
        }
        let mut heads = self.heads.iter();
        heads.try_for_each(|head| writeln!(f, "head {}: {}", head.edge.0, head.name))
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} of {}", shape(self.shape), format(self.format), self.whole)?;
        elements(f, "  ", (&self.channels, &self.intervals), &[])
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reads: Vec<u32> = self.reads.iter().map(|id| id.0).collect();
        let kind = match self.kind {
            Kind::Spn(_) => "spn",
            Kind::Pool { .. } => "pool",
            Kind::Upsample { .. } => "upsample",
            Kind::Activation { .. } => "activation",
            Kind::Add { .. } => "add",
            Kind::Concat { .. } => "concat",
            Kind::Embedding { .. } => "embedding",
            Kind::CharCnn { .. } => "char_cnn",
            Kind::Highway { .. } => "highway",
            Kind::Recurrent { ref cell, .. } => cell_word(cell.kind),
            Kind::Last => "last",
            Kind::Best { .. } => "best",
            Kind::Threshold { .. } => "threshold",
            Kind::Reverse => "reverse",
        };
        writeln!(
            f,
            "layer {kind} reads {} as {}: {}",
            numbers(&reads),
            shape(self.input),
            self.name
        )?;
        match &self.kind {
            Kind::Spn(kernel) => write!(f, "{kernel}"),
            Kind::Pool { kind, windows } => {
                let kind = if *kind == PoolKind::Max { "max" } else { "sum" };
                writeln!(f, "  {kind}\n  {windows}")
            }
            Kind::Upsample { size } => writeln!(f, "  size {}", extent(*size)),
            Kind::Activation { function } => match function {
                Function::Clip { max } => writeln!(f, "  clip {max}"),
                Function::Leaky { shift } => writeln!(f, "  leaky {shift}"),
                Function::Curve(curve) => writeln!(f, "  {curve}"),
            },
            Kind::Add { shifts, shift } | Kind::Concat { shifts, shift } => {
                writeln!(f, "  shifts {} {shift}", numbers(shifts))
            }
            Kind::Embedding { rows } => {
                rows.iter().try_for_each(|row| writeln!(f, "  row {}", numbers(row)))
            }
            Kind::CharCnn { filters, widths, tanh } => {
                write!(f, "  widths {}\n  {tanh}\n{filters}", numbers(widths))
            }
            Kind::Highway { gates, blend: Blend { sigmoid, format: own } } => {
                write!(f, "  blend {}\n  {sigmoid}\n{gates}", format(*own))
            }
            Kind::Recurrent { along, gates, cell } => {
                let Cell { sigmoid, tanh, gate, state, hidden, .. } = cell;
                let [gate, state, hidden] = [gate, state, hidden].map(|v| format(*v));
                let along = along_word(*along);
                write!(f, "  along {along}\n  cell {gate}, {state}, {hidden}\n")?;
                write!(f, "  {sigmoid}\n  {tanh}\n{gates}")
            }
            Kind::Last | Kind::Reverse => Ok(()),
            Kind::Best { count } => writeln!(f, "  count {count}"),
            Kind::Threshold { above } => writeln!(f, "  above {above}"),
        }
    }
}

/// What a layer with such a cell is in a text.
pub(crate) fn cell_word(kind: runtime::Cell) -> &'static str {
    match kind {
        runtime::Cell::Lstm => "lstm",
        runtime::Cell::Gru => "gru",
    }
}

/// That of a [`cell_word`].
pub(crate) fn parse_cell(word: &str) -> Option<runtime::Cell> {
    [runtime::Cell::Lstm, runtime::Cell::Gru].into_iter().find(|kind| cell_word(*kind) == word)
}

fn along_word(along: Along) -> &'static str {
    match along {
        Along::Inputs => "inputs",
        Along::Pixels => "pixels",
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.sigmoid { "sigmoid" } else { "tanh" };
        write!(f, "{name} frac {}: {}", self.frac, numbers(&self.values))
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [size, stride, pad] = [self.size, self.stride, self.pad].map(extent);
        write!(f, "windows {size} stride {stride} pad {pad} count {}x{}", self.rows, self.columns)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [input, output] = [self.input, self.output].map(shape);
        let Kernel { windows, rows, groups, chain, .. } = self;
        let patch = extent(self.patch);
        writeln!(f, "  kernel {input} -> {output} rows {rows} groups {groups} patch {patch}")?;
        write!(f, "  {windows}\n{chain}")
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [input, output] = [self.input, self.output].map(format);
        let loaded = self.loaded.map(|of| format!(" loaded {} shifts {}", of.bias_bits, of.shifts));
        let loaded = loaded.unwrap_or_default();
        writeln!(
            f,
            "  chain {input} -> {output} budget {}{loaded}: {}\n    x",
            self.budget, self.name
        )?;
        let deep = "      ";
        elements(f, deep, (&self.x.indices, &self.x.intervals), &[])?;
        for op in &self.ops {
            let columns = match &op.kind {
                OpKind::Linear { role, matrix } => {
                    writeln!(f, "    {} {}x{}", role.word(), matrix.nrows(), matrix.ncols())?;
                    vec![matrix.outer_iter().map(|row| signs(&row.to_vec())).collect()]
                }
                OpKind::Multiply { coefficients, coefficient_bits, shifts } => {
                    writeln!(f, "    multiply bits {coefficient_bits}")?;
                    vec![column("* ", coefficients), column(">> ", shifts)]
                }
                OpKind::Product => {
                    writeln!(f, "    product")?;
                    vec![]
                }
                OpKind::Offset { constants } => {
                    writeln!(f, "    offset")?;
                    vec![column("+ ", constants)]
                }
                OpKind::Requantise { constants, shifts, format: to } => {
                    writeln!(f, "    requantise {}", format(*to))?;
                    vec![column("+ ", constants), column(">> ", shifts)]
                }
            };
            elements(f, deep, (&op.result.indices, &op.result.intervals), &columns)?;
        }
        Ok(())
    }
}

/// A line for each element, as long as any part of it is there.
fn elements(
    f: &mut fmt::Formatter<'_>,
    indent: &str,
    (indices, intervals): (&[usize], &[Interval]),
    columns: &[Vec<String>],
) -> fmt::Result {
    fn part<T: ToString>(of: &[T], i: usize) -> String {
        of.get(i).map_or("_".into(), T::to_string)
    }
    let n = columns.iter().map(Vec::len).chain([indices.len(), intervals.len()]).max().unwrap_or(0);
    for i in 0..n {
        write!(f, "{indent}{}: {}", part(indices, i), part(intervals, i))?;
        if !columns.is_empty() {
            let parts: Vec<String> = columns.iter().map(|column| part(column, i)).collect();
            write!(f, "{}", format!(" = {}", parts.join(" ")).trim_end())?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn column<T: fmt::Display>(sign: &str, values: &[T]) -> Vec<String> {
    values.iter().map(|v| format!("{sign}{v}")).collect()
}

fn signs(row: &[i32]) -> String {
    if row.iter().any(|w| w.unsigned_abs() > 1) {
        return numbers(row);
    }
    row.iter().map(|w| ['-', '0', '+'][(w + 1) as usize]).collect()
}

impl Role {
    /// What it is in a text.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Wb => "W_b",
            Role::Wab => "W_ab",
            Role::Wc => "W_c",
            Role::W => "W",
        }
    }

    /// That of a [`word`](Self::word).
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Role::Wb, Role::Wab, Role::Wc, Role::W].into_iter().find(|role| role.word() == word)
    }
}

impl FromStr for Dataflow {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes. The dataflow is not verified.
    fn from_str(text: &str) -> Result<Self> {
        let mut lines = Lines::of("dataflow", text);
        let dataflow = dataflow(&mut lines);
        lines.or_refuse(dataflow)
    }
}

fn dataflow(lines: &mut Lines) -> Option<Dataflow> {
    let name = lines.after("dataflow")?.into();
    let mut dataflow =
        Dataflow { name, edges: vec![], inputs: vec![], layers: vec![], heads: vec![] };
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("edge ") {
            let (_, rest) =
                rest.split_once(": ").filter(|(n, _)| n.parse() == Ok(dataflow.edges.len()))?;
            dataflow.edges.push(edge(lines, rest)?);
        } else if let Some(rest) = line.strip_prefix("head ") {
            let (edge, name) = rest.split_once(": ")?;
            let edge = EdgeId(edge.parse().ok()?);
            dataflow.heads.push(Head { name: name.into(), edge });
        } else if let Some(name) = line.strip_prefix("input ") {
            dataflow.layers.is_empty().then(|| dataflow.inputs.push(name.into()))?;
        } else {
            dataflow.layers.push(layer(lines, line.strip_prefix("layer ")?)?);
        }
    }
    Some(dataflow)
}

fn edge(lines: &mut Lines, line: &str) -> Option<Edge> {
    let (shape, rest) = line.split_once(' ')?;
    let (format, whole) = rest.split_once(" of ")?;
    let (shape, format, whole) = (parse_shape(shape)?, parse_format(format)?, size(whole)?);
    let Value { indices: channels, intervals } = parse_elements(lines, nothing)?;
    Some(Edge { shape, format, whole, channels, intervals })
}

fn layer(lines: &mut Lines, line: &str) -> Option<Layer> {
    let (line, name) = line.split_once(": ")?;
    let (kind, rest) = line.split_once(" reads ")?;
    let (reads, input) = rest.split_once("as ")?;
    let (reads, input) =
        (parse_numbers(reads)?.into_iter().map(EdgeId).collect(), parse_shape(input)?);
    let kind = match kind {
        "spn" => Kind::Spn(kernel(lines)?),
        "pool" => {
            let kind = match lines.next()? {
                "max" => PoolKind::Max,
                "sum" => PoolKind::Sum,
                _ => return None,
            };
            Kind::Pool { kind, windows: windows(lines)? }
        }
        "upsample" => Kind::Upsample { size: parse_extent(lines.after("size")?)? },
        "activation" => Kind::Activation { function: function(lines)? },
        "add" => {
            let (shifts, shift) = parse_shifts(lines)?;
            Kind::Add { shifts, shift }
        }
        "concat" => {
            let (shifts, shift) = parse_shifts(lines)?;
            Kind::Concat { shifts, shift }
        }
        "embedding" => {
            let mut rows = vec![];
            while lines.peek().is_some_and(|line| line.starts_with("row")) {
                rows.push(parse_numbers(lines.after("row")?)?);
            }
            Kind::Embedding { rows }
        }
        "char_cnn" => {
            let widths =
                lines.after("widths")?.split_whitespace().map(size).collect::<Option<_>>()?;
            let tanh = curve(lines)?;
            Kind::CharCnn { filters: kernel(lines)?, widths, tanh }
        }
        "highway" => {
            let format = parse_format(lines.after("blend")?)?;
            let blend = Blend { sigmoid: curve(lines)?, format };
            Kind::Highway { gates: kernel(lines)?, blend }
        }
        "lstm" | "gru" => {
            let along = lines.after("along")?;
            let along =
                [Along::Inputs, Along::Pixels].into_iter().find(|a| along_word(*a) == along)?;
            let formats = lines.after("cell")?.split(", ").map(parse_format);
            let [gate, state, hidden]: [Format; 3] =
                formats.collect::<Option<Vec<_>>>()?.try_into().ok()?;
            let (kind, sigmoid, tanh) = (parse_cell(kind)?, curve(lines)?, curve(lines)?);
            let cell = Cell { kind, sigmoid, tanh, gate, state, hidden };
            Kind::Recurrent { along, gates: kernel(lines)?, cell }
        }
        "last" => Kind::Last,
        "best" => Kind::Best { count: size(lines.after("count")?)? },
        "threshold" => Kind::Threshold { above: lines.after("above")?.parse().ok()? },
        "reverse" => Kind::Reverse,
        _ => return None,
    };
    Some(Layer { name: name.into(), reads, input, kind })
}

/// The left shifts of two edges, and the right shift of what they become.
fn parse_shifts(lines: &mut Lines) -> Option<([u32; 2], i32)> {
    match lines.after("shifts")?.split(' ').collect::<Vec<_>>()[..] {
        [a, b, shift] => {
            let left = |text: &str| text.parse().ok().filter(|shift| *shift <= 63);
            let shift = shift.parse().ok().filter(|shift| (-63..=63).contains(shift))?;
            Some(([left(a)?, left(b)?], shift))
        }
        _ => None,
    }
}

fn function(lines: &mut Lines) -> Option<Function> {
    match lines.peek()?.split_once(' ')? {
        ("clip", _) => Some(Function::Clip { max: lines.after("clip")?.parse().ok()? }),
        ("leaky", _) => {
            let shift = lines.after("leaky")?.parse().ok().filter(|shift| *shift <= 63)?;
            Some(Function::Leaky { shift })
        }
        _ => curve(lines).map(Function::Curve),
    }
}

fn curve(lines: &mut Lines) -> Option<Curve> {
    let (name, values) = lines.next()?.split_once(": ")?;
    let (name, frac) = name.split_once(" frac ")?;
    let sigmoid = match name {
        "sigmoid" => true,
        "tanh" => false,
        _ => return None,
    };
    Some(Curve {
        sigmoid,
        values: parse_numbers(values)?,
        frac: frac.parse().ok().filter(|frac| *frac < 32)?,
    })
}

fn windows(lines: &mut Lines) -> Option<Windows> {
    match lines.after("windows")?.split(' ').collect::<Vec<_>>()[..] {
        [size, "stride", stride, "pad", pad, "count", count] => {
            let Extent { h: rows, w: columns } = parse_extent(count)?;
            Some(Windows {
                size: parse_extent(size)?,
                stride: parse_extent(stride)?,
                pad: parse_extent(pad)?,
                rows,
                columns,
            })
        }
        _ => None,
    }
}

fn kernel(lines: &mut Lines) -> Option<Box<Kernel>> {
    match lines.after("kernel")?.split(' ').collect::<Vec<_>>()[..] {
        [input, "->", output, "rows", rows, "groups", groups, "patch", patch] => {
            let (input, output, patch) =
                (parse_shape(input)?, parse_shape(output)?, parse_extent(patch)?);
            let (rows, groups) = (size(rows)?, size(groups)?);
            let windows = windows(lines)?;
            Some(Box::new(Kernel {
                input,
                output,
                windows,
                patch,
                groups,
                rows,
                chain: chain(lines)?,
            }))
        }
        _ => None,
    }
}

fn chain(lines: &mut Lines) -> Option<Chain> {
    let (line, name) = lines.after("chain")?.split_once(": ")?;
    let (formats, budget) = line.split_once(" budget ")?;
    let (input, output) = formats.split_once(" -> ")?;
    let (budget, loaded) = match budget.split_once(" loaded ") {
        Some((budget, loaded)) => {
            let (bits, shifts) = loaded.split_once(" shifts ")?;
            let bias_bits = bits.parse().ok().filter(|bits| (1..=62).contains(bits))?;
            let shifts = shifts.parse().ok().filter(|shifts| *shifts <= 15)?;
            (budget, Some(Loaded { bias_bits, shifts }))
        }
        None => (budget, None),
    };
    let (input, output, budget) = (parse_format(input)?, parse_format(output)?, size(budget)?);
    let x = lines
        .after("x")
        .filter(|rest| rest.is_empty())
        .and_then(|_| parse_elements(lines, nothing))?;
    let mut ops = vec![];
    while lines.peek().is_some_and(|line| !line.starts_with("edge ") && !line.starts_with("layer "))
    {
        ops.push(op(lines)?);
    }
    Some(Chain { name: name.into(), budget, input, output, loaded, x, ops })
}

fn op(lines: &mut Lines) -> Option<Op> {
    let line = lines.next()?;
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (mut entries, mut values, mut shifts) = (vec![], vec![], vec![]);
    let (kind, result) = if let Some(role) = Role::of_word(word) {
        let Extent { h, w } = parse_extent(rest)?;
        let result = parse_elements(lines, |row| {
            if row != "_" {
                entries.extend(parse_row(row).filter(|row| row.len() == w)?);
            }
            Some(())
        })?;
        (OpKind::Linear { role, matrix: Matrix::from_shape_vec((h, w), entries).ok()? }, result)
    } else {
        let signs: &[&str] = match word {
            "multiply" => &["*", ">>"],
            "requantise" => &["+", ">>"],
            "offset" => &["+"],
            "product" => &[],
            _ => return None,
        };
        let format = if word == "requantise" { Some(parse_format(rest)?) } else { None };
        let bits = if word == "multiply" { Some(parse_bits(rest)?) } else { None };
        let result =
            parse_elements(lines, |line| parameters(line, signs, &mut values, &mut shifts))?;
        let kind = match (format, bits) {
            (Some(format), _) => OpKind::Requantise { constants: values, shifts, format },
            (None, Some(coefficient_bits)) => {
                OpKind::Multiply { coefficients: values, coefficient_bits, shifts }
            }
            (None, None) if !rest.is_empty() => return None,
            (None, None) if word == "product" => OpKind::Product,
            (None, None) => OpKind::Offset { constants: values },
        };
        (kind, result)
    };
    Some(Op { kind, result })
}

/// Elements of a value that no operation yields have no parameters.
fn nothing(parameters: &str) -> Option<()> {
    parameters.is_empty().then_some(())
}

/// `bits 6`.
fn parse_bits(text: &str) -> Option<u32> {
    text.strip_prefix("bits ")?.parse().ok().filter(|bits| (1..=63).contains(bits))
}

/// `+ 5 >> 3` of an element: what has these signs, the second of which is that of a shift.
fn parameters(
    line: &str,
    signs: &[&str],
    values: &mut Vec<i64>,
    shifts: &mut Vec<i32>,
) -> Option<()> {
    let mut words = line.split_whitespace();
    for sign in signs {
        match words.next()? {
            "_" => {}
            word if word != *sign => return None,
            ">>" => {
                shifts.push(words.next()?.parse().ok().filter(|shift| (-63..=63).contains(shift))?)
            }
            _ => values.push(words.next()?.parse().ok()?),
        }
    }
    words.next().is_none().then_some(())
}

/// The elements on the lines that come next; `parameters` reads what comes after `=`.
fn parse_elements(
    lines: &mut Lines,
    mut parameters: impl FnMut(&str) -> Option<()>,
) -> Option<Value> {
    let mut value = Value { indices: vec![], intervals: vec![] };
    let is_element = |line: &str| line.starts_with(|c: char| c.is_ascii_digit() || c == '_');
    while lines.peek().is_some_and(is_element) {
        let line = lines.next()?;
        let (line, rest) = line.split_once(" =").unwrap_or((line, ""));
        let (index, interval) = line.split_once(": ")?;
        if index != "_" {
            value.indices.push(index.parse().ok()?);
        }
        if interval != "_" {
            value.intervals.push(parse_interval(interval)?);
        }
        parameters(rest.trim_start())?;
    }
    Some(value)
}

/// Reads what [`signs`] writes.
fn parse_row(text: &str) -> Option<Vec<i32>> {
    let sign = |c| Some(['-', '0', '+'].iter().position(|sign| *sign == c)? as i32 - 1);
    text.chars().map(sign).collect::<Option<_>>().or_else(|| parse_numbers(text))
}
