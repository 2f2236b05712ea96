//! The AXI4-Stream core around the layers.

use super::axi;
use super::provenance::Provenance;
use super::signature::{Frames, Signature, Stream, Vector};
use askama::Template;
use strassenc_runtime::{Error, Result};

/// The text of the top module.
///
/// # Errors
/// Where the template fails: a bug of ours.
pub(super) fn emit(signature: &Signature, clken: bool, provenance: &Provenance) -> Result<String> {
    let by_count = signature.frames == Frames::Count;
    let input = Side::new(&signature.input);
    let core = Core {
        header: provenance.header(&signature.top, "the AXI4-Stream core"),
        s: signature,
        clken,
        enable: if clken { "aclken" } else { "1'b1" },
        by_count,
        word_bits: input.beat_bits + if by_count { 1 } else { 2 },
        ports: axi::declarations(signature),
        lanes_in: axi::lanes_in(&signature.input, "s_beat"),
        lanes_out: axi::lanes_out(&signature.output, "m_beat_out"),
        input,
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
    by_count: bool,
    /// Bits of an input beat with its user bit, and with its tlast if that is read.
    word_bits: usize,
    ports: Vec<(String, String)>,
    lanes_in: Vec<String>,
    lanes_out: Vec<String>,
    input: Side,
    output: Side,
    last: usize,
}

/// Widths of one side of the core in bits.
struct Side {
    /// Of a beat without its padding.
    beat_bits: usize,
    beats: usize,
    /// Of a vector.
    vector_bits: usize,
}

impl Side {
    fn new(stream: &Stream) -> Self {
        let bits = stream.format.bits as usize;
        Side { beat_bits: bits * stream.beat_elements, beats: stream.beats, vector_bits: bits * stream.elements }
    }

    /// Bits of all beats of a vector.
    fn frame_bits(&self) -> usize {
        self.beat_bits * self.beats
    }

    /// Bits of the lanes that the last beat does not use.
    fn padding(&self) -> usize {
        self.frame_bits() - self.vector_bits
    }
}

impl Vector {
    /// Width of the stream between layers in bits.
    pub fn bits(&self) -> usize {
        self.elements * self.format.bits as usize
    }
}
