//! Drivers of a core behind an AXI DMA: in C for any platform, in Python for PYNQ.

use super::{Core, file};
use crate::decide::Decision;
use crate::emit::File;
use crate::emit::control::Control;
use crate::emit::signature::{Head, Input, Stream};
use askama::Template;
use strassenc_runtime::Result;
use strassenc_runtime::network::Scaling;

/// How a processor has the vectors of a stream.
struct Array {
    elements: usize,
    format: String,
    frac: i32,
    signed: bool,
    /// The least and the largest element.
    least: i64,
    most: i64,
    /// An element of 1 is so much, and a real 1 is so many: powers of two, as C has them.
    step: String,
    scale: String,
    /// Bytes of an element in memory, and of them all.
    element_bytes: usize,
    bytes: usize,
    /// The type of an element in C.
    c: String,
    /// Whether an array of that type, its low bytes first, is a vector as it is in memory.
    is_array: bool,
}

impl Array {
    fn new(stream: &Stream) -> Self {
        let &Stream { elements, format, element_bytes, .. } = stream;
        let bytes = element_bytes.next_power_of_two();
        let power = |exponent: i32| format!("{:?}", f64::powi(2.0, exponent));
        Array {
            elements,
            format: format.to_string().replace('·', "*"),
            frac: format.frac,
            signed: format.signed,
            least: format.min(),
            most: format.max(),
            step: power(-format.frac),
            scale: power(format.frac),
            element_bytes,
            bytes: element_bytes * elements,
            c: format!("{}int{}_t", if format.signed { "" } else { "u" }, 8 * bytes),
            is_array: bytes == element_bytes,
        }
    }
}

/// What all drivers know of a core.
struct Driver<'a> {
    name: &'a str,
    input: Array,
    output: Array,
    /// Bits of a DMA engine's length register, which has 8 at least.
    length_bits: u32,
    recurrent: bool,
    /// What outputs tell, where they are not scores.
    told: Option<String>,
    /// Offset and scale of each output of a regression, as C and Python have them.
    numbers: Option<[String; 2]>,
    inputs: Vec<OfInput<'a>>,
    heads: Vec<OfHead<'a>>,
    control: Option<&'a Control>,
}

/// A further input, whose frames come from an engine of its own.
struct OfInput<'a> {
    name: &'a str,
    port: &'a str,
    input: Array,
}

/// A head, whose results come from an engine of its own.
struct OfHead<'a> {
    name: &'a str,
    port: &'a str,
    output: Array,
    /// As that of the core.
    told: Option<String>,
    numbers: Option<[String; 2]>,
}

/// What an output tells, in words, where it is no scores.
fn told(output: &Stream, decision: Option<Decision>) -> Option<String> {
    let decision = decision?;
    let every = if output.elements > decision.told() { ", pixel by pixel" } else { "" };
    Some(format!("{decision}{every}"))
}

impl<'a> Driver<'a> {
    fn new(c: &'a Core) -> Self {
        let s = c.signature;
        let (input, output) = (Array::new(&s.input), Array::new(&s.output));
        let listed = |all: &[f64]| {
            let all: Vec<String> = all.iter().map(|v| format!("{v:?}")).collect();
            all.join(", ")
        };
        let listed = |n: &Scaling| [listed(&n.offset), listed(&n.scale)];
        let of_head = |head: &'a Head| {
            let Head { name, port, stream, decision, numbers, .. } = head;
            let (output, numbers) = (Array::new(stream), numbers.as_ref().map(listed));
            OfHead { name, port, output, told: told(stream, *decision), numbers }
        };
        let heads: Vec<OfHead> = s.heads.iter().map(of_head).collect();
        let of_input = |Input { name, port, stream }: &'a Input| {
            let input = Array::new(stream);
            OfInput { name, port, input }
        };
        let inputs: Vec<OfInput> = s.inputs.iter().map(of_input).collect();
        let further = inputs.iter().map(|input| input.input.bytes);
        let longest = further.chain(heads.iter().map(|head| head.output.bytes));
        let longest = longest.fold(input.bytes.max(output.bytes), usize::max);
        let length_bits = (usize::BITS - longest.leading_zeros()).max(8);
        let (recurrent, control) = (s.recurrent, s.control.as_ref());
        let numbers = s.numbers.as_ref().map(listed);
        let (name, told) = (&s.top, told(&s.output, s.decision));
        Driver {
            name,
            input,
            output,
            length_bits,
            recurrent,
            told,
            numbers,
            inputs,
            heads,
            control,
        }
    }
}

impl Driver<'_> {
    /// Whether the core loads a table.
    fn loads(&self) -> bool {
        self.control.is_some_and(|control| control.table.is_some())
    }
}

#[derive(Template)]
#[template(path = "project/driver.h")]
struct Header<'a> {
    header: String,
    upper: &'a str,
    d: &'a Driver<'a>,
}

#[derive(Template)]
#[template(path = "project/driver.c")]
struct Source<'a> {
    header: String,
    upper: &'a str,
    d: &'a Driver<'a>,
}

/// The driver in C.
pub(super) fn c(c: &Core) -> Result<Vec<File>> {
    let d = &Driver::new(c);
    let upper = &d.name.to_uppercase();
    let paths = ["h", "c"].map(|suffix| format!("{}_driver.{suffix}", d.name));
    let [header, source] = &paths;
    let of = |path, what| c.header("// ", path, what);
    let files = [
        file(header.clone(), &Header { header: of(header, "a driver in C"), upper, d })?,
        file(source.clone(), &Source { header: of(source, "the driver in C"), upper, d })?,
    ];
    Ok(files.into())
}

#[derive(Template)]
#[template(path = "project/pynq.py")]
struct Pynq<'a> {
    header: String,
    module: &'a str,
    model: &'a str,
    d: &'a Driver<'a>,
}

/// The driver in Python for PYNQ.
pub(super) fn pynq(c: &Core) -> Result<Vec<File>> {
    let d = &Driver::new(c);
    let module = &format!("{}_pynq", d.name);
    let path = format!("{module}.py");
    let header = c.header("", &path, "a driver for PYNQ");
    Ok(vec![file(path, &Pynq { header, module, model: &c.signature.model, d })?])
}
