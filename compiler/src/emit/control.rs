//! The AXI4-Lite slave of a core: its registers, and where people and C programs read of them.

use super::provenance::Provenance;
use super::signature::{Direction, Frames, Port, Signature};
use super::{File, TOOL};
use crate::circuit::{Circuit, NodeId, Op};
use crate::compile::{Compiled, LayerEngine, Unrolled};
use crate::folded::{Folded, Requantiser};
use crate::ir::{Chain, OpKind, loadable};
use askama::Template;
use serde::{Deserialize, Serialize};
use strassenc_runtime::{Error, Result};

/// What the ports of the slave begin with.
pub const PORT: &str = "s_axi_control";

/// The slave as a signature has it: `s_axi_control_*`, 32 bits of data, clocked by `aclk` and reset
/// by `aresetn`. It answers accesses of less than 32 bits, of an address without a register, and
/// those that a register does not allow with SLVERR, and they change nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// What its ports begin with: [`PORT`].
    pub port: String,
    /// Bits of an address, which counts bytes.
    pub address_bits: u32,
    /// The registers, by ascending offset.
    pub registers: Vec<Register>,
    /// The parameters of the network, where they are loaded at run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
}

/// The table that the parameters are loaded from: after reset, and by the bit LOAD of COMMAND.
///
/// Its words are one large number, the first word lowest, of which each parameter has some bits, in
/// two's complement. What is written to it is kept until it is loaded; while STATUS has LOADING, it
/// is neither read nor written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The address of its first word.
    pub offset: u32,
    /// Words of 32 bits.
    pub words: usize,
    /// Bits of all parameters.
    pub bits: usize,
    /// What it holds at first, as the Verilog reads it.
    pub memory: String,
    /// The parameters, by ascending bit.
    pub parameters: Vec<Parameter>,
}

/// A parameter that is loaded: `(-1)^negate` times an integer of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The layer's name.
    pub layer: String,
    /// What of the layer it is.
    pub kind: ParameterKind,
    /// The row of W_b of a coefficient; the output of a bias or a shift, of a patch in the order of
    /// (row, column, channel).
    pub index: usize,
    /// The number of its lowest bit in the table.
    pub bit: usize,
    /// How many bits it has.
    pub bits: u32,
    /// The largest magnitude of the integer that it stands for; of one that has fewer bits, those
    /// above decide nothing.
    pub most: i64,
    /// Whether it is the opposite of what the model has.
    pub negate: bool,
    /// Of a coefficient `a · 2^-t`: it is in units of 2^-shift. Of a bias: the shift of the output
    /// at first. To a bias half a unit of its output is added, by the shift that is loaded with it,
    /// as is what products that never vary amount to. Of a shift: the least one, which is loaded as
    /// 0; others are loaded as what they are beyond it.
    pub shift: i32,
}

/// What a [`Parameter`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// What a row is multiplied by.
    Coefficient,
    /// What an output adds.
    Bias,
    /// What an output is shifted by.
    Shift,
}

/// A register of 32 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The name, in capital letters.
    pub name: String,
    /// The address of its lowest byte.
    pub offset: u32,
    /// What may be done to it.
    pub access: Access,
    /// What it always holds, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
    /// What it is, in a sentence.
    pub description: String,
    /// Its parts, where it has more than one or one that is not the whole; other bits read as 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// A part of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The name, in capital letters.
    pub name: String,
    /// The number of its lowest bit.
    pub bit: u32,
    /// How many bits it has.
    pub bits: u32,
    /// What it is, in a sentence.
    pub description: String,
}

/// What may be done to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It is only read.
    ReadOnly,
    /// It is written to give commands, and reads as 0.
    WriteOnly,
}

/// Bits of an address of the registers alone.
const ADDRESS_BITS: u32 = 7;

/// Of this version, a byte each: major, minor, patch.
fn version() -> u32 {
    let numbers = TOOL.rsplit(' ').next().unwrap_or_default().split('.');
    numbers.fold(0, |all, n| all << 8 | n.parse::<u32>().unwrap_or_default())
}

/// What a core with these frames and this model has, which has several inputs or several outputs.
pub(super) fn control(
    frames: Frames,
    [inputs, heads]: [bool; 2],
    model_sha256: &str,
    table: Option<Table>,
) -> Control {
    let register = |name: &str, offset, value, description: &str| Register {
        name: name.into(),
        offset,
        access: Access::ReadOnly,
        value,
        description: description.into(),
        fields: vec![],
    };
    let bit = |name: &str, bit, description: &str| Field {
        name: name.into(),
        bit,
        bits: 1,
        description: description.into(),
    };
    let tells = frames == Frames::Tlast;
    let left = if heads {
        "Frames that have left all outputs since reset, modulo 2^32."
    } else {
        "Frames that have left since reset, modulo 2^32."
    };
    let [empty, entered] = if inputs {
        [
            "As many frames have left as entered s_axis; of other inputs there may be more within.",
            "Frames that have entered s_axis since reset, modulo 2^32.",
        ]
    } else {
        [
            "As many frames have left as entered.",
            "Frames that have entered since reset, modulo 2^32, but for those that are dropped.",
        ]
    };
    let mut status = vec![];
    let mut commands = vec![];
    if tells {
        status.push(bit(
            "ERROR",
            0,
            "frame_error: a tlast was early or late since the last clear.",
        ));
        commands.push(bit("CLEAR_ERROR", 0, "Write 1 to clear ERROR."));
    }
    status.push(bit("EMPTY", 1, empty));
    if table.is_some() {
        commands.push(bit("LOAD", 1, "Write 1 to load the table between two frames."));
        status.push(bit("LOADING", 2, "The table is being loaded, or is about to be."));
    }
    let mut registers = vec![
        register("IDENTITY", 0x00, Some(0x5354_5243), "\"STRC\": a core of strassenc."),
        register("MAP", 0x04, Some(1), "The version of this map."),
        register(
            "VERSION",
            0x08,
            Some(version()),
            "The version of strassenc that wrote the core: major, minor and patch, a byte each.",
        ),
        Register {
            access: Access::WriteOnly,
            fields: commands,
            ..register("COMMAND", 0x0c, None, "Commands, each a bit.")
        },
        Register { fields: status, ..register("STATUS", 0x10, None, "What the core does.") },
        register("FRAMES_IN", 0x14, None, entered),
        register("FRAMES_OUT", 0x18, None, left),
    ];
    if let Some(table) = &table {
        let told = "How often the table was loaded since reset, the first time by itself.";
        registers.push(register("LOADS", 0x1c, None, told));
        let words = Some(table.words as u32);
        registers.push(register("TABLE_WORDS", 0x20, words, "Words of the table."));
    }
    for (i, offset) in (0x40..0x60).step_by(4).enumerate() {
        let digits = model_sha256.get(8 * i..8 * i + 8).unwrap_or_default();
        let value = u32::from_str_radix(digits, 16).unwrap_or_default();
        let description = format!(
            "Hexadecimal digits {} to {} of the SHA-256 of the model, the first ones on top.",
            8 * i,
            8 * i + 7
        );
        registers.push(register(&format!("MODEL_{i}"), offset, Some(value), &description));
    }
    let address_bits = table.as_ref().map_or(ADDRESS_BITS, |table| table.offset.ilog2() + 1);
    Control { port: PORT.into(), address_bits, registers, table }
}

/// The ports of the slave, but for its clock and reset.
pub(super) fn ports(control: &Control) -> impl Iterator<Item = Port> {
    use Direction::{Input, Output};
    let address = control.address_bits;
    let channels = [
        ("awaddr", Input, address),
        ("awvalid", Input, 1),
        ("awready", Output, 1),
        ("wdata", Input, 32),
        ("wstrb", Input, 4),
        ("wvalid", Input, 1),
        ("wready", Output, 1),
        ("bresp", Output, 2),
        ("bvalid", Output, 1),
        ("bready", Input, 1),
        ("araddr", Input, address),
        ("arvalid", Input, 1),
        ("arready", Output, 1),
        ("rdata", Output, 32),
        ("rresp", Output, 2),
        ("rvalid", Output, 1),
        ("rready", Input, 1),
    ];
    channels.into_iter().map(|(name, direction, bits)| Port {
        name: format!("{PORT}_{name}"),
        direction,
        bits,
    })
}

/// The parameters of the primitive in a core.
pub(super) fn parameters(signature: &Signature, control: &Control) -> Vec<String> {
    let mut parameters = vec![
        format!(".ADDRESS_BITS({})", control.address_bits),
        format!(".FRAME_WORDS({})", signature.input.beats),
    ];
    if !signature.heads.is_empty() {
        parameters.push(format!(".OUTPUTS({})", signature.outputs().count()));
    }
    if signature.frames == Frames::Count {
        parameters.push(".BY_COUNT(1)".into());
    }
    if signature.whole_frames {
        parameters.push(".WHOLE_FRAMES(1)".into());
    }
    parameters.push(format!(".VERSION(32'h{:08x})", version()));
    parameters.push(format!(".MODEL(256'h{})", signature.model_sha256));
    if let Some(table) = &control.table {
        parameters.push(format!(".TABLE_WORDS({})", table.words));
    }
    parameters
}

#[derive(Template)]
#[template(path = "control.md")]
struct Page<'a> {
    top: &'a str,
    tool: &'a str,
    control: &'a Control,
}

#[derive(Template)]
#[template(path = "control.h")]
struct Header<'a> {
    header: String,
    /// What the names begin with.
    prefix: String,
    control: &'a Control,
}

/// The page and the header of a core that has a slave.
///
/// # Errors
/// Where a template fails: a bug of ours.
pub(super) fn files(signature: &Signature, provenance: &Provenance) -> Result<Vec<File>> {
    let Some(control) = &signature.control else { return Ok(vec![]) };
    let name = format!("{}_control", signature.top);
    let fail = |e| Error::internal("template of the registers", e);
    let page = Page { top: &signature.top, tool: &signature.tool, control };
    let prefix: String = (signature.top.chars())
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    let header = provenance.header(&format!("{name}.h"), "the registers");
    let header = Header { header, prefix, control };
    Ok(vec![
        File { path: format!("{name}.md"), text: page.render().map_err(fail)? + "\n" },
        File { path: format!("{name}.h"), text: header.render().map_err(fail)? + "\n" },
    ])
}

impl Control {
    /// Bytes of the addresses that are registers'; the table lies above them.
    pub fn register_bytes(&self) -> u32 {
        1 << ADDRESS_BITS
    }

    /// Whether a register has such a field.
    pub fn has(&self, register: &str, field: &str) -> bool {
        let mut own = self.registers.iter().filter(|r| r.name == register);
        own.any(|r| r.fields.iter().any(|f| f.name == field))
    }
}

impl Register {
    /// Whether it may hold something else than what was read last.
    pub fn is_volatile(&self) -> bool {
        self.access == Access::ReadOnly && self.value.is_none()
    }
}

impl Access {
    /// The word of IP-XACT.
    pub fn word(self) -> &'static str {
        match self {
            Access::ReadOnly => "read-only",
            Access::WriteOnly => "write-only",
        }
    }

    /// The word for people.
    pub fn told(self) -> &'static str {
        match self {
            Access::ReadOnly => "read",
            Access::WriteOnly => "write",
        }
    }
}

impl Field {
    /// Its bits in the register.
    pub fn mask(&self) -> u32 {
        (((1u64 << self.bits) - 1) << self.bit) as u32
    }
}

/// What is loaded into the parameters of a core, and where; nothing where it has none.
pub(super) fn table(compiled: &Compiled, memory: String) -> Option<(Table, Vec<i64>)> {
    let (mut parameters, mut values, mut bit) = (vec![], vec![], 0);
    for (layer, engine) in compiled.dataflow.layers.iter().zip(&compiled.layers) {
        let Some(Unrolled { circuit, .. }) = engine.unrolled().filter(|own| own.circuit.loaded)
        else {
            continue;
        };
        let Some(chain) = layer.kernel().map(|kernel| &kernel.chain) else { continue };
        for (id, node) in circuit.iter().filter(|(_, node)| circuit.is_loaded(&node.op)) {
            let own = match node.op {
                Op::Multiply { row, coefficient, coefficient_bits, .. } => {
                    coefficient_of(chain, row as usize).map(|(a, shift)| {
                        let kind = ParameterKind::Coefficient;
                        (kind, row as usize, coefficient_bits, a != coefficient, shift, coefficient)
                    })
                }
                Op::Constant(v) => output_of(circuit, id).map(|(output, negate)| {
                    let index = chain.result().indices[output];
                    let shift = match chain.ops.last().map(|op| &op.kind) {
                        Some(OpKind::Requantise { shifts, .. }) => shifts[output],
                        _ => 0,
                    };
                    (ParameterKind::Bias, index, node.width, negate, shift, v)
                }),
                Op::Shift { by, bits, .. } => output_of(circuit, id).and_then(|(output, _)| {
                    let (least, index) =
                        (least_shift(chain, output)?, chain.result().indices[output]);
                    Some((ParameterKind::Shift, index, bits, false, least, by.into()))
                }),
                _ => None,
            };
            // An invariant, which `circuit::prove` holds: each serves a row or an output.
            let (kind, index, bits, negate, shift, value) = own?;
            let most = match kind {
                ParameterKind::Coefficient => loadable(bits).hi,
                ParameterKind::Bias => node.interval.hi,
                ParameterKind::Shift => (1 << bits) - 1,
            };
            let layer = layer.name.clone();
            parameters.push(Parameter { layer, kind, index, bit, bits, most, negate, shift });
            values.push(value);
            bit += bits as usize;
        }
    }
    // Above the chain of registers lie memories, the first one highest, since it is loaded first.
    for (layer, engine) in compiled.dataflow.layers.iter().zip(&compiled.layers).rev() {
        let LayerEngine::Folded(folded) = engine else { continue };
        let Some(chain) = layer.kernel().map(|kernel| &kernel.chain) else { continue };
        if chain.loaded.is_none() {
            continue;
        }
        for (parameter, value) in outputs(folded, chain).chain(coefficients(folded, chain)) {
            parameters.push(Parameter { bit: bit + parameter.bit, ..parameter });
            values.push(value);
        }
        bit += memory_bits(folded);
    }
    if parameters.is_empty() {
        return None;
    }
    let words = bit.div_ceil(32);
    let offset = (4 * words).next_power_of_two().max(1 << ADDRESS_BITS) as u32;
    Some((Table { offset, words, bits: bit, memory, parameters }, values))
}

/// Bits of the memories of a folded layer: its outputs, and above them its coefficients.
fn memory_bits(folded: &Folded) -> usize {
    let Folded { bank, requantiser, .. } = folded;
    outputs_bits(requantiser) + bank.coefficients.len() * bank.coefficient_bits as usize
}

fn outputs_bits(requantiser: &Requantiser) -> usize {
    let Requantiser { amount_bits, constant_bits, entries, .. } = requantiser;
    entries.len() * (amount_bits + constant_bits) as usize
}

/// The biases of a folded layer, each with its shift above it.
fn outputs(folded: &Folded, chain: &Chain) -> impl Iterator<Item = (Parameter, i64)> {
    let Requantiser { left, base, amount_bits, constant_bits, ref entries, .. } =
        folded.requantiser;
    let least = base as i32 - left as i32;
    let bits = constant_bits - left;
    entries.iter().enumerate().flat_map(move |(c, &(amount, constant))| {
        let of = |kind, bit: u32, bits, most, shift| Parameter {
            layer: folded.name.clone(),
            kind,
            index: chain.result().indices[c],
            bit: c * (amount_bits + constant_bits) as usize + bit as usize,
            bits,
            most,
            negate: false,
            shift,
        };
        let shift = least + amount as i32;
        let bias = of(ParameterKind::Bias, left, bits, loadable(bits).hi, shift);
        let shift = (amount_bits > 0).then(|| {
            let most = (1 << amount_bits) - 1;
            of(ParameterKind::Shift, constant_bits, amount_bits, most, least)
        });
        let shift = shift.map(|shift| (shift, amount.into()));
        [(bias, constant >> left)].into_iter().chain(shift)
    })
}

/// The coefficients of a folded layer, above its outputs.
fn coefficients(folded: &Folded, chain: &Chain) -> impl Iterator<Item = (Parameter, i64)> {
    let (bank, first) = (&folded.bank, outputs_bits(&folded.requantiser));
    let live = chain.ops.first().map_or(&[][..], |op| &op.result.indices);
    let rows = folded.rows.iter().zip(&bank.coefficients).enumerate();
    rows.filter_map(move |(i, (row, value))| {
        let bits = bank.coefficient_bits;
        let parameter = Parameter {
            layer: folded.name.clone(),
            kind: ParameterKind::Coefficient,
            index: live[(*row)?],
            bit: first + i * bits as usize,
            bits,
            most: loadable(bits).hi,
            negate: false,
            shift: bank.shift as i32,
        };
        Some((parameter, *value))
    })
}

/// The coefficient of a row of the model as the chain has it, and its shift.
fn coefficient_of(chain: &Chain, row: usize) -> Option<(i64, i32)> {
    chain.ops.iter().find_map(|op| match &op.kind {
        OpKind::Multiply { coefficients, shifts, .. } => {
            let i = op.result.indices.binary_search(&row).ok()?;
            Some((coefficients[i], shifts[i]))
        }
        _ => None,
    })
}

/// The least shift of an output that can be loaded.
fn least_shift(chain: &Chain, output: usize) -> Option<i32> {
    match &chain.ops.last()?.kind {
        OpKind::Requantise { shifts, .. } => Some(*chain.loaded?.shifts_of(shifts[output]).start()),
        _ => None,
    }
}

/// The output that a constant or a shift is part of, and whether it is subtracted on the way.
fn output_of(circuit: &Circuit, node: NodeId) -> Option<(usize, bool)> {
    let (mut at, mut negate) = (node, false);
    for (id, node) in circuit.iter() {
        match &node.op {
            Op::Add(terms) => {
                if let Some(term) = terms.iter().find(|t| t.node == at) {
                    (at, negate) = (id, negate ^ term.negate);
                }
            }
            Op::Offset { x, .. } if x.node == at => (at, negate) = (id, negate ^ x.negate),
            Op::Shift { x, .. } | Op::Clamp { x, .. } if *x == at => at = id,
            _ => {}
        }
    }
    Some((circuit.outputs.iter().position(|output| *output == at)?, negate))
}

impl Table {
    /// The words that hold these values, one a parameter.
    pub fn packed(&self, values: &[i64]) -> Vec<u32> {
        let mut words = vec![0u32; self.words];
        for (parameter, value) in self.parameters.iter().zip(values) {
            for i in 0..parameter.bits as usize {
                let at = parameter.bit + i;
                words[at / 32] |= ((value >> i & 1) as u32) << (at % 32);
            }
        }
        words
    }
}

/// The words of a table as Verilog reads them.
pub fn memory(words: &[u32]) -> String {
    words.iter().map(|word| format!("{word:08x}\n")).collect()
}
