//! `signature.json`: the promises of an emitted core, for harnesses, integrators and tests.

use serde::{Deserialize, Serialize};
use strassenc_runtime::{Error, Format, Result};

/// The schema that this version writes and reads.
pub const SCHEMA: u32 = 1;

/// Name of the file in the build folder.
pub const FILE: &str = "signature.json";

/// What a user of the core must know: ports, streams, timing, files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `strassenc` and its version.
    pub tool: String,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model file, 64 lower-case hexadecimal digits.
    pub model_sha256: String,
    /// The top module: the model's name, unless that is a word reserved by a tool.
    pub top: String,
    /// Every port of the top module, in order. `aclk`, `aresetn` (synchronous, active low, control only), `aclken` if asked
    /// for, the two streams, and `frame_error`: high from the clock after a wrong `s_axis_tlast` until reset.
    pub ports: Vec<Port>,
    /// `s_axis_*`: the network's inputs.
    pub input: Stream,
    /// `m_axis_*`: the network's outputs.
    pub output: Stream,
    /// Clocks from input to output in an empty core with `m_axis_tready` high: where the last beat of a frame is accepted at
    /// rising edge t (`tvalid` and `tready` both high there), `m_axis_tvalid` is high for its first output beat at rising edge
    /// t + latency, and not before. Negative where the first output beat of a frame comes before its last input beat.
    pub latency: i64,
    /// Clocks between frames at full rate; of a core over images the most of them once it is full.
    pub ii: u32,
    /// From this frame on, counted from 0, frames come out at intervals of `ii` at full rate; those before come as the core
    /// fills.
    #[serde(default)]
    pub warm_up: u32,
    /// What becomes of a frame with a wrong tlast: false: it is dropped; true: one that is too short is completed with zeros, one
    /// that is too long is cut, and its result comes out.
    #[serde(default)]
    pub whole_frames: bool,
    /// Whether it works on sequences: what comes out depends on the inputs since the last one with tuser, or since reset.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recurrent: bool,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// The testbench module; it is in a file of its name with `.v`, and reads two `.hex` files beside it.
    pub testbench: String,
    /// Verilog files of the core in the order tools want them, the testbench excluded; as in `files.f`.
    pub files: Vec<String>,
    /// Contents of ROMs, which the Verilog reads with `$readmemh` by these names, from the folder where a tool runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memories: Vec<String>,
}

/// A port of the top module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its direction, seen from the core.
    pub direction: Direction,
    /// Its width in bits.
    pub bits: u32,
}

/// Direction of a [`Port`], seen from the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Driven from outside.
    Input,
    /// Driven by the core.
    Output,
}

/// How vectors travel on an AXI4-Stream: element 0 of the vector in the low bits of the first beat.
///
/// Element i is in beat `i / beat_elements`, in bits `8 · element_bytes · (i % beat_elements)` and up, in two's complement,
/// sign-extended (zero-extended for an unsigned format) to `element_bytes`. Where `beats · beat_elements > elements`, the
/// surplus lanes of the last beat are ignored on input and zero on output. `tlast` marks the last beat of a vector. `tuser`,
/// one bit, is read on a vector's first beat and comes out on the first beat of its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Elements of one vector.
    pub elements: usize,
    /// Format of every element; the raw outputs of a network may have up to 54 bits. The upper bits of an input element
    /// beyond `format.bits` are ignored.
    pub format: Format,
    /// Bytes of one element on `tdata`.
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
    /// Its module.
    pub module: String,
    /// Multipliers of its array.
    pub multipliers: usize,
    /// Clocks from an accepted vector to its result, in an empty pipeline; of the pipeline of one window in a core over images, 0
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

/// A beat that is not narrowed by an option holds at most this many bytes: the limit of the vendors' stream blocks.
pub const BEAT_BYTES: usize = 512;

impl Stream {
    /// The beats of `vector`: `beat_elements` of them where given (at most the whole vector), else the whole vector if it has at
    /// most [`BEAT_BYTES`], else the smallest number of equal beats of at most [`BEAT_BYTES`].
    pub fn new(vector: Vector, beat_elements: Option<usize>) -> Self {
        let Vector { elements, format } = vector;
        let element_bytes = format.bits.div_ceil(8) as usize;
        let beat_elements = match beat_elements {
            Some(n) => n.clamp(1, elements),
            None => elements.div_ceil(elements.div_ceil(BEAT_BYTES / element_bytes)),
        };
        Stream { elements, format, element_bytes, beat_elements, beats: elements.div_ceil(beat_elements) }
    }

    /// Width of `tdata` in bits.
    pub fn data_bits(&self) -> usize {
        8 * self.element_bytes * self.beat_elements
    }
}

impl Signature {
    /// Reads `signature.json`.
    ///
    /// # Errors
    /// Where the text is not JSON, not a signature, or of another schema; `place` names the file.
    pub fn parse(text: &[u8], place: impl std::fmt::Display) -> Result<Self> {
        let fail = |cause: String| {
            Error::input(&place, cause).help("write the build folder anew with `strassenc verilog MODEL -o BUILD`")
        };
        #[derive(Deserialize)]
        struct Versioned {
            schema: u32,
        }
        let Versioned { schema } =
            serde_json::from_slice(text).map_err(|e| fail(format!("is not a signature: {e}")))?;
        if schema != SCHEMA {
            return Err(fail(format!("has schema {schema}; this version reads schema {SCHEMA}")));
        }
        serde_json::from_slice(text).map_err(|e| fail(format!("is not a signature: {e}")))
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

    fn beats(elements: usize, bits: u32, beat_elements: Option<usize>) -> (usize, usize, usize) {
        let format = Format { signed: true, bits, frac: 0 };
        let s = Stream::new(Vector { elements, format }, beat_elements);
        (s.element_bytes, s.beat_elements, s.beats)
    }

    #[test]
    fn beats_are_whole_vectors_up_to_512_bytes_then_as_few_equal_ones_as_fit() {
        assert_eq!(beats(64, 8, None), (1, 64, 1));
        assert_eq!(beats(512, 8, None), (1, 512, 1));
        assert_eq!(beats(513, 8, None), (1, 257, 2));
        assert_eq!(beats(784, 8, None), (1, 392, 2));
        assert_eq!(beats(784, 9, None), (2, 196, 4));
        assert_eq!(beats(10, 20, None), (3, 10, 1));
        assert_eq!(beats(784, 8, Some(1)), (1, 1, 784));
        assert_eq!(beats(10, 8, Some(100)), (1, 10, 1));
    }
}
