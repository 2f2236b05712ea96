//! `signature.json`: the promises of an emitted core, for harnesses, integrators and tests.

use super::control::Control;
use crate::decide::{self, Decision};
use serde::{Deserialize, Serialize};
use std::fmt;
use strassenc_runtime::network::Scaling;
use strassenc_runtime::{Error, Format, Result, wording};

/// The schema that this version writes and reads.
pub const SCHEMA: u32 = 1;

/// Name of the file in the build folder.
pub const FILE: &str = "signature.json";

/// What a user of the core must know: ports, streams, timing, files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The version of the signature's form: [`SCHEMA`].
    pub schema: u32,
    /// `strassenc` and its version.
    pub tool: String,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model file, 64 lower-case hexadecimal digits.
    pub model_sha256: String,
    /// The top module: the model's name, unless that is a word reserved by a tool.
    pub top: String,
    /// Every port of the top module, in order: `aclk`, `aresetn` (synchronous, active low, control
    /// only), `aclken` if asked for, and the streams, `s_axis_tready` and `m_axis_tvalid` low
    /// from the first clock of a reset to its last. Where [`frames`](Self::frames) end by
    /// `s_axis_tlast`, also `frame_error_clear` and `frame_error`, which is high from the clock
    /// after a wrong `s_axis_tlast` until reset, or until the clock after one with
    /// `frame_error_clear`; an error in the very clock of a clear is not lost. `frame_error_clear`
    /// may be tied low. The ports of [`control`](Self::control) come last.
    pub ports: Vec<Port>,
    /// What ends an input frame.
    #[serde(default)]
    pub frames: Frames,
    /// `s_axis_*`: what enters the network's first layer.
    pub input: Stream,
    /// The network's further inputs, each a stream of its own, with a frame for each frame of
    /// `s_axis_*`. A stream whose `tready` is low may wait for words of another: all have to be
    /// offered, and no `tvalid` may wait for what another stream does. Each has `tlast` and `tuser`
    /// as `s_axis_*` has them, and `frame_error` tells of any wrong `tlast`. The `tuser` of an
    /// input comes out with what is made of it; where branches meet, that of the body goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// `m_axis_*`: the outputs of the network's last layer, or what is decided on them.
    pub output: Stream,
    /// What the elements of `m_axis_*` tell of the last layer's outputs, where they are not those
    /// themselves: of each pixel an index of `argmax`, `k` indices of `top`, or a bit for each
    /// score of a `threshold`, 1 where it is greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The outputs of the network's heads, each a stream of its own, with a frame for each frame
    /// that enters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
    /// Clocks from input to output in an empty core with every `tready` of its outputs high: where
    /// the last beat of a frame is accepted at rising edge t (`tvalid` and `tready` both high
    /// there), `m_axis_tvalid` is high for its first output beat at rising edge t + latency, and
    /// not before. Negative where the first output beat of a frame comes before its last input
    /// beat.
    pub latency: i64,
    /// Clocks between frames at full rate: the most of them once the core is full.
    pub ii: u32,
    /// The frame, counted from 0, from which on frames come out at intervals of `ii` at full rate;
    /// those before come as the core fills.
    #[serde(default)]
    pub warm_up: u32,
    /// What becomes of a frame with a wrong tlast: false: it is dropped; true: one that is too
    /// short is completed with zeros, one that is too long is cut, and its result comes out.
    #[serde(default)]
    pub whole_frames: bool,
    /// Whether it works on sequences: what comes out depends on the inputs since the last one with
    /// tuser, or since reset.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recurrent: bool,
    /// The numbers that the outputs of a regression stand for: an output y for
    /// offset + scale · y · 2^-frac, in units of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Scaling>,
    /// The AXI4-Lite slave, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// The testbench module; it is in a file of its name with `.v`, reads two `.mem` files beside
    /// it, and the script of its name, `.sh`, compiles and runs it.
    pub testbench: String,
    /// Verilog files of the core in the order tools want them, the testbench excluded; as in
    /// `files.f`.
    pub files: Vec<String>,
    /// Contents of ROMs, which the Verilog reads with `$readmemh` by these names, from the folder
    /// where a tool runs or the one that the macro `STRASSENC_FOLDER` names, a string; as in
    /// `memories.f`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memories: Vec<String>,
}

/// An input of the network beside that of its first layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The name of the network's input.
    pub name: String,
    /// What its ports begin with: `s_axis_NAME`.
    pub port: String,
    /// Its vectors.
    pub stream: Stream,
}

/// An output of the network beside that of its last layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The name of the network's head.
    pub name: String,
    /// What its ports begin with: `m_axis_NAME`.
    pub port: String,
    /// Its vectors.
    pub stream: Stream,
    /// What its elements tell, as [`Signature::decision`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Its latency, as [`Signature::latency`] is that of `m_axis_*`, with all `tready` high.
    pub latency: i64,
    /// The numbers that its outputs stand for, as [`Signature::numbers`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Scaling>,
}

/// What the ports of the first layer's input begin with.
pub const INPUT: &str = "s_axis";

/// What the ports of a further input begin with.
pub fn input(name: &str) -> String {
    format!("{INPUT}_{name}")
}

/// What the ports of the output begin with.
pub const OUTPUT: &str = "m_axis";

/// What the ports of a head's output begin with.
pub fn head(name: &str) -> String {
    format!("{OUTPUT}_{name}")
}

/// A port of the top module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The port's name.
    pub name: String,
    /// The port's direction, seen from the core.
    pub direction: Direction,
    /// The port's width in bits.
    pub bits: u32,
}

/// Direction of a [`Port`], seen from the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The port is driven from outside.
    Input,
    /// The port is driven by the core.
    Output,
}

/// How vectors travel on an AXI4-Stream: element 0 of the vector in the low bits of the first beat.
///
/// Element i is in beat `i / beat_elements`, in bits `8 · element_bytes · (i % beat_elements)` and
/// up, in two's complement, sign-extended (zero-extended for an unsigned format) to
/// `element_bytes`. Where `beats · beat_elements > elements`, the surplus lanes of the last beat
/// are ignored on input and zero on output, and the stream has `tkeep`, a bit for every byte of
/// `tdata`: on output it is low for the surplus lanes of the last beat and high for all other
/// bytes, on input it is not read. `tlast` marks the last beat of a vector; the input has none
/// where frames are counted.
///
/// `tuser`, one bit, is read on a vector's first beat and comes out on the first beat of its
/// result. In a core on sequences it begins one. In a core without a state that is all that it
/// does: it may mark frames for whoever comes after, or be tied low.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Elements of one vector.
    pub elements: usize,
    /// Format of every element; the raw outputs of a network may have up to 54 bits. The upper bits
    /// of an input element beyond `format.bits` are ignored.
    pub format: Format,
    /// Bytes of one element on `tdata`: as few as hold it, or, where the width of `tdata` was asked
    /// for, 1, 2, 4 or 8.
    pub element_bytes: usize,
    /// Elements of one beat; `tdata` has `8 · element_bytes · beat_elements` bits.
    pub beat_elements: usize,
    /// Beats of one vector.
    pub beats: usize,
}

/// One layer: a pipeline module of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The model layer's name.
    pub name: String,
    /// The name of the layer's module.
    pub module: String,
    /// The module of its pipeline, which takes a window a clock; the layer's own where there is
    /// nothing around it, none where there is no pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Multipliers of its array.
    pub multipliers: usize,
    /// Clocks from an accepted vector to its result, in an empty pipeline: that of one window, 0
    /// where there is none.
    pub latency: u32,
    /// What enters, one element exactly as wide as its format, element 0 in the low bits.
    pub input: Vector,
    /// What leaves, in the same order.
    pub output: Vector,
}

/// The vector on a stream between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Number of elements.
    pub elements: usize,
    /// Format of every element.
    pub format: Format,
}

/// What ends an input frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Frames {
    /// `s_axis_tlast` on its last beat, as AXI4-Stream has it; one that comes early or late raises
    /// `frame_error`.
    #[default]
    Tlast,
    /// The number of its beats, counted from reset, for sources without tlast: nothing tells a lost
    /// beat
    Count,
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Frames::Tlast => "tlast",
            Frames::Count => "count",
        })
    }
}

/// The width that is asked of a stream's beats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beat {
    /// No width is asked for: what suits the core is taken.
    #[default]
    Any,
    /// Elements, each in as few bytes as hold it; the whole vector where that has fewer.
    Elements(usize),
    /// Bits of `tdata`: as many elements as fit, each in 1, 2, 4 or 8 bytes, as a processor has
    /// them in memory.
    Bits(usize),
}

/// A beat that is not asked for holds at most this many bytes, and none may hold more: the limit of
/// the vendors' stream blocks.
pub const BEAT_BYTES: usize = 512;

impl Stream {
    /// The beats of `vector` as `beat` asks for them; [`Beat::Any`] is the whole vector if it has
    /// at most [`BEAT_BYTES`], else the smallest number of equal beats of at most [`BEAT_BYTES`].
    ///
    /// # Errors
    /// Where a beat would have no elements, so many bits are not whole elements, or more than
    /// [`BEAT_BYTES`].
    pub fn new(vector: Vector, beat: Beat) -> Result<Self> {
        let Vector { elements, format } = vector;
        let least = format.bits.div_ceil(8) as usize;
        let (element_bytes, beat_elements) = match beat {
            Beat::Any => (least, elements.div_ceil(elements.div_ceil(BEAT_BYTES / least))),
            Beat::Elements(0) => {
                return Err(Error::input("tdata", "a beat needs at least one element"));
            }
            Beat::Elements(n) => (least, n.min(elements)),
            Beat::Bits(bits) => {
                let lane = least.next_power_of_two();
                let (unit, most) = (8 * lane, 8 * BEAT_BYTES);
                if !(unit..=most).contains(&bits) || bits % unit != 0 {
                    let cause = format_args!(
                        "{bits} is not a width of whole elements: one of {format} takes {unit} bits"
                    );
                    let help = format_args!("give a multiple of {unit}, at most {most}");
                    return Err(Error::input("tdata", cause).help(help));
                }
                (lane, bits / (8 * lane))
            }
        };
        Ok(Stream {
            elements,
            format,
            element_bytes,
            beat_elements,
            beats: elements.div_ceil(beat_elements),
        })
    }

    /// Width of `tdata` in bits.
    pub fn data_bits(&self) -> usize {
        8 * self.beat_bytes()
    }

    /// Bytes of a beat.
    pub fn beat_bytes(&self) -> usize {
        self.element_bytes * self.beat_elements
    }

    /// Bytes of the last beat that hold elements.
    pub fn last_bytes(&self) -> usize {
        self.element_bytes * (self.elements - (self.beats - 1) * self.beat_elements)
    }

    /// Whether the last beat has surplus lanes, and the stream `tkeep`.
    pub fn has_keep(&self) -> bool {
        self.last_bytes() < self.beat_bytes()
    }
}

impl Port {
    /// What a testbench that lets it alone joins it to.
    pub(super) fn idle(&self) -> String {
        let Port { name, bits, .. } = self;
        if self.enters() { format!("{{{bits}{{1'b0}}}}") } else { format!("{name}_unused") }
    }
}

impl Signature {
    /// Clocks at most from reset until a core with parameters that are loaded takes a frame.
    pub fn loading(&self) -> u64 {
        let table = self.control.as_ref().and_then(|control| control.table.as_ref());
        table.map_or(0, |table| 34 * table.words as u64)
    }

    /// All inputs, that of the first layer first: what their ports begin with, and their vectors.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Stream)> {
        let further = self.inputs.iter().map(|input| (input.port.as_str(), &input.stream));
        std::iter::once((INPUT, &self.input)).chain(further)
    }

    /// Elements of an input vector: those of each input in turn.
    pub fn elements(&self) -> usize {
        self.inputs().map(|(_, stream)| stream.elements).sum()
    }

    /// What of an input vector each input gets.
    pub fn split<'a>(&'a self, vector: &'a [i64]) -> impl Iterator<Item = (&'a Stream, &'a [i64])> {
        let mut rest = vector;
        self.inputs().map(move |(_, stream)| {
            let (own, behind) = rest.split_at(stream.elements.min(rest.len()));
            rest = behind;
            (stream, own)
        })
    }

    /// All outputs, that of the last layer first: what their ports begin with, and their vectors.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Stream)> {
        let heads = self.heads.iter().map(|head| (head.port.as_str(), &head.stream));
        std::iter::once((OUTPUT, &self.output)).chain(heads)
    }

    /// The decision of each output, where it has one.
    pub fn decisions(&self) -> impl Iterator<Item = Option<Decision>> {
        std::iter::once(self.decision).chain(self.heads.iter().map(|head| head.decision))
    }

    /// Whether any output tells decisions.
    pub fn decides(&self) -> bool {
        self.decisions().any(|decision| decision.is_some())
    }

    /// What is due at all outputs, where golden's are these.
    pub fn due(&self, golden: &[i64]) -> Vec<i64> {
        let elements = self.outputs().map(|(_, stream)| stream.elements);
        decide::due(golden, elements.zip(self.decisions()))
    }

    /// An element of all outputs, one after the other, in words: `3`, or `3 of mask`.
    pub fn named(&self, element: usize) -> String {
        let mut first = self.output.elements;
        if element < first {
            return element.to_string();
        }
        for head in &self.heads {
            if element < first + head.stream.elements {
                return format!("{} of {}", element - first, head.name);
            }
            first += head.stream.elements;
        }
        element.to_string()
    }

    /// The latency of each output.
    pub fn latencies(&self) -> impl Iterator<Item = i64> {
        std::iter::once(self.latency).chain(self.heads.iter().map(|head| head.latency))
    }

    /// The ports of its slave.
    pub fn control_ports(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().filter(|port| port.name.starts_with(super::control::PORT))
    }

    /// Reads `signature.json`.
    ///
    /// # Errors
    /// Where the text is not JSON, not a signature, or of another schema; `place` names the file.
    pub fn parse(text: &[u8], place: impl std::fmt::Display) -> Result<Self> {
        let fail = |cause: String| {
            Error::input(&place, cause)
                .help("write the build folder anew with `strassenc verilog MODEL -o BUILD`")
        };
        #[derive(Deserialize)]
        struct Versioned {
            schema: u32,
        }
        let other = |e| fail(format!("is not a signature: {}", wording::of_json(&e)));
        let Versioned { schema } = serde_json::from_slice(text).map_err(other)?;
        if schema != SCHEMA {
            return Err(fail(format!("has schema {schema}; this version reads schema {SCHEMA}")));
        }
        let signature: Signature = serde_json::from_slice(text).map_err(other)?;
        match signature.out_of_range() {
            Some((what, value)) => Err(fail(format!("its {what} is {value}, which no core has"))),
            None => Ok(signature),
        }
    }

    /// A figure that no core can have; without any, nothing that is computed of them wraps.
    fn out_of_range(&self) -> Option<(&'static str, i64)> {
        const MOST: i64 = 1 << 40;
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let streams = self.inputs().chain(self.outputs()).map(|(_, stream)| stream);
        let scores = self.decisions().flatten().flat_map(|decision| {
            [
                ("number of classes", size(decision.classes), 1, 1 << 24),
                ("number of classes told", size(decision.told()), 1, 1 << 24),
                ("frac of a score", decision.score.frac.into(), -128, 128),
            ]
        });
        let streams = streams.flat_map(|s| {
            [
                ("elements of a vector", size(s.elements), 1, 1 << 24),
                ("bits of an element", s.format.bits.into(), 1, 64),
                ("frac of an element", s.format.frac.into(), -128, 128),
                ("bytes of an element", size(s.element_bytes), 1, 8),
                ("elements of a beat", size(s.beat_elements), 1, 1 << 24),
                ("beats of a vector", size(s.beats), 1, 1 << 24),
            ]
        });
        let latencies = self.latencies().map(|latency| ("latency", latency, -MOST, MOST));
        let timing = [
            ("initiation interval", self.ii.into(), 1, MOST),
            ("number of frames that fill it", self.warm_up.into(), 0, MOST),
        ];
        let wrong = |(_, value, least, most): &(_, i64, i64, i64)| !(least..=most).contains(&value);
        streams
            .chain(scores)
            .chain(latencies)
            .chain(timing)
            .find(wrong)
            .map(|(what, value, ..)| (what, value))
    }

    /// The text of `signature.json`.
    pub fn to_json(&self) -> String {
        // A tree of plain structs with string keys always serialises.
        serde_json::to_string_pretty(self).expect("a signature is plain data") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(elements: usize, bits: u32, beat: Beat) -> Result<Stream> {
        Stream::new(Vector { elements, format: Format { signed: true, bits, frac: 0 } }, beat)
    }

    fn beats(elements: usize, bits: u32, beat: Beat) -> (usize, usize, usize) {
        let s = stream(elements, bits, beat).unwrap();
        (s.element_bytes, s.beat_elements, s.beats)
    }

    #[test]
    fn figures_that_no_core_has_are_refused() {
        let stream = stream(4, 8, Beat::Any).unwrap();
        let good = Signature {
            schema: SCHEMA,
            tool: String::new(),
            model: "m".into(),
            model_sha256: String::new(),
            top: "m".into(),
            frames: Frames::default(),
            ports: vec![],
            input: stream.clone(),
            inputs: vec![],
            output: stream,
            decision: None,
            heads: vec![],
            latency: 7,
            ii: 1,
            warm_up: 0,
            whole_frames: false,
            recurrent: false,
            numbers: None,
            control: None,
            layers: vec![],
            testbench: "m_tb".into(),
            files: vec![],
            memories: vec![],
        };
        let parse = |edit: &dyn Fn(&mut Signature)| {
            let mut signature = good.clone();
            edit(&mut signature);
            Signature::parse(signature.to_json().as_bytes(), "signature.json")
                .map_err(|e| e.to_string())
        };
        assert_eq!(parse(&|_| ()).unwrap(), good);
        for (edit, told) in [
            (
                &(|s: &mut Signature| s.ii = 0) as &dyn Fn(&mut Signature),
                "initiation interval is 0",
            ),
            (&|s| s.latency = i64::MIN, "latency is -9223372036854775808"),
            (&|s| s.input.elements = usize::MAX, "elements of a vector is 9223372036854775807"),
            (
                &|s| {
                    let (name, port) = ("x".to_string(), "s_axis_x".to_string());
                    let stream = Stream { elements: 0, ..s.input.clone() };
                    s.inputs.push(Input { name, port, stream });
                },
                "elements of a vector is 0",
            ),
            (&|s| s.output.element_bytes = 0, "bytes of an element is 0"),
            (&|s| s.output.beats = 0, "beats of a vector is 0"),
            (&|s| s.input.format.bits = u32::MAX, "bits of an element is 4294967295"),
            (&|s| s.input.format.frac = i32::MIN, "frac of an element is -2147483648"),
        ] {
            let error = parse(edit).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn beats_are_whole_vectors_up_to_512_bytes_then_as_few_equal_ones_as_fit() {
        assert_eq!(beats(64, 8, Beat::Any), (1, 64, 1));
        assert_eq!(beats(512, 8, Beat::Any), (1, 512, 1));
        assert_eq!(beats(513, 8, Beat::Any), (1, 257, 2));
        assert_eq!(beats(784, 8, Beat::Any), (1, 392, 2));
        assert_eq!(beats(784, 9, Beat::Any), (2, 196, 4));
        assert_eq!(beats(10, 20, Beat::Any), (3, 10, 1));
        assert_eq!(beats(784, 8, Beat::Elements(1)), (1, 1, 784));
        assert_eq!(beats(10, 8, Beat::Elements(100)), (1, 10, 1));
    }

    #[test]
    fn bits_hold_as_many_elements_as_fit_and_tkeep_marks_the_last_ones() {
        assert_eq!(beats(64, 5, Beat::Bits(64)), (1, 8, 8));
        assert_eq!(beats(10, 14, Beat::Bits(32)), (2, 2, 5));
        assert_eq!(beats(10, 20, Beat::Bits(32)), (4, 1, 10));
        assert_eq!(beats(10, 20, Beat::Bits(128)), (4, 4, 3));
        assert_eq!(beats(10, 33, Beat::Bits(64)), (8, 1, 10));
        assert_eq!(beats(3, 8, Beat::Bits(128)), (1, 16, 1));
        for bits in [0, 8, 24, 48, 8192] {
            let error = stream(10, 20, Beat::Bits(bits)).unwrap_err();
            assert!(error.to_string().contains("give a multiple of 32, at most 4096"), "{error}");
        }
        assert!(stream(10, 20, Beat::Elements(0)).is_err());
        let keep = |s: Stream| (s.last_bytes(), s.has_keep());
        assert_eq!(keep(stream(10, 20, Beat::Bits(128)).unwrap()), (8, true));
        assert_eq!(keep(stream(10, 14, Beat::Bits(32)).unwrap()), (4, false));
        assert_eq!(keep(stream(3, 8, Beat::Bits(128)).unwrap()), (3, true));
        assert_eq!(keep(stream(3, 8, Beat::Any).unwrap()), (3, false));
    }
}
