//! The AXI4-Stream core around the layers.

use super::provenance::{Provenance, ascii};
use super::signature::{Signature, Stream, Vector};
use askama::Template;
use strassenc_runtime::{Error, Result};

/// The text of the top module.
///
/// # Errors
/// Where the template fails: a bug of ours.
pub(super) fn emit(signature: &Signature, clken: bool, provenance: &Provenance) -> Result<String> {
    let core = Core {
        header: provenance.header(&signature.top, "the AXI4-Stream core"),
        s: signature,
        clken,
        enable: if clken { "aclken" } else { "1'b1" },
        input: Side::new(&signature.input),
        output: Side::new(&signature.output),
        last: signature.layers.len() - 1,
    };
    core.render().map(|text| text + "\n").map_err(|e| Error::internal("template of the core", e))
}

#[derive(Template)]
#[template(path = "core.v")]
struct Core<'a> {
    header: String,
    s: &'a Signature,
    clken: bool,
    enable: &'static str,
    input: Side,
    output: Side,
    last: usize,
}

/// Widths of one side of the core in bits.
struct Side {
    description: String,
    signed: bool,
    /// Of an element.
    bits: usize,
    /// Of an element on the bus.
    lane: usize,
    /// Of a beat without its padding.
    beat_bits: usize,
    beats: usize,
    /// Of a vector.
    vector_bits: usize,
}

impl Side {
    fn new(stream: &Stream) -> Self {
        let bits = stream.format.bits as usize;
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let mut description = format!(
            "{} element{} of {} in {} byte{}",
            stream.beat_elements,
            plural(stream.beat_elements),
            ascii(&stream.format.to_string()),
            stream.element_bytes,
            plural(stream.element_bytes)
        );
        if stream.beats > 1 {
            description += &format!(", {} beats for {}", stream.beats, stream.elements);
        }
        Side {
            description,
            signed: stream.format.signed,
            bits,
            lane: 8 * stream.element_bytes,
            beat_bits: bits * stream.beat_elements,
            beats: stream.beats,
            vector_bits: bits * stream.elements,
        }
    }

    /// Bits of all beats of a vector.
    fn frame_bits(&self) -> usize {
        self.beat_bits * self.beats
    }

    /// Bits of the lanes that the last beat does not use.
    fn padding(&self) -> usize {
        self.frame_bits() - self.vector_bits
    }

    /// What stands above an element `m` in its lane.
    fn extension(&self) -> String {
        let more = self.lane - self.bits;
        if self.signed {
            format!("{{{more}{{m_word[{0}*m+{1}]}}}}", self.bits, self.bits - 1)
        } else {
            format!("{more}'d0")
        }
    }
}

impl Vector {
    /// Width of the stream between layers in bits.
    pub fn bits(&self) -> usize {
        self.elements * self.format.bits as usize
    }
}
