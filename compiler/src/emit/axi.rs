//! The AXI4-Stream ports of a core, as its signature has them, and the lanes of their beats.

use super::layer::count;
use super::provenance::ascii;
use super::signature::{Direction, Frames, INPUT, OUTPUT, Port, Signature, Stream};

/// The ports of a core, whose inputs and outputs are told by what their ports begin with.
pub(super) fn ports(
    inputs: &[(&str, &Stream)],
    outputs: &[(&str, &Stream)],
    frames: Frames,
    clock_enable: bool,
) -> Vec<Port> {
    use Direction::{Input, Output};
    let port = |name: &str, direction, bits: usize| Port {
        name: name.into(),
        direction,
        bits: bits as u32,
    };
    let mut ports = vec![port("aclk", Input, 1), port("aresetn", Input, 1)];
    if clock_enable {
        ports.push(port("aclken", Input, 1));
    }
    let outputs = outputs.iter().map(|(side, stream)| (*side, *stream, Output, Input));
    let inputs = inputs.iter().map(|(side, stream)| (*side, *stream, Input, Output));
    for (side, stream, forward, backward) in inputs.chain(outputs) {
        let mut signal = |name: &str, direction, bits| {
            ports.push(port(&format!("{side}_{name}"), direction, bits))
        };
        signal("tdata", forward, stream.data_bits());
        if stream.has_keep() {
            signal("tkeep", forward, stream.beat_bytes());
        }
        signal("tvalid", forward, 1);
        signal("tready", backward, 1);
        if forward == Output || frames == Frames::Tlast {
            signal("tlast", forward, 1);
        }
        signal("tuser", forward, 1);
    }
    if frames == Frames::Tlast {
        ports.extend([port("frame_error_clear", Input, 1), port("frame_error", Output, 1)]);
    }
    ports
}

/// The declarations of the ports of the top module, each with a comment, which may be empty.
pub(super) fn declarations(signature: &Signature) -> Vec<(String, String)> {
    let told = |port: &Port| {
        let direction = match port.direction {
            Direction::Input => "input  wire",
            Direction::Output => "output wire",
        };
        let range = if port.bits > 1 { format!("[{}:0] ", port.bits - 1) } else { String::new() };
        let comment = match port.name.as_str() {
            "aresetn" => "synchronous, clears control only".into(),
            "s_axis_tuser" if signature.recurrent => "on the first beat: a sequence starts".into(),
            "frame_error" if !signature.inputs.is_empty() => {
                "high after a wrong tlast of any input, until cleared or reset".into()
            }
            "frame_error" => "high after a wrong s_axis_tlast, until cleared or reset".into(),
            "frame_error_clear" => "may be tied low".into(),
            "s_axi_control_awaddr" => "AXI4-Lite: the registers, see signature.json".into(),
            name => {
                let (mut inputs, mut outputs) = (signature.inputs(), signature.outputs());
                let enters = inputs.find_map(|(port, stream)| match name.strip_prefix(port)? {
                    "_tdata" => Some(beats(stream)),
                    "_tkeep" => Some("not read".into()),
                    "_tlast" => Some("on the last beat of a frame".into()),
                    "_tuser" => {
                        Some("on the first beat: goes with the frame; may be tied low".into())
                    }
                    _ => None,
                });
                let leaves = outputs.find_map(|(port, stream)| match name.strip_prefix(port)? {
                    "_tdata" => Some(beats(stream)),
                    "_tkeep" => Some("low for the surplus bytes of the last beat".into()),
                    _ => None,
                });
                enters.or(leaves).unwrap_or_default()
            }
        };
        (format!("{direction} {range}{}", port.name), comment)
    };
    signature.ports.iter().map(told).collect()
}

/// The beats of a stream in words.
fn beats(stream: &Stream) -> String {
    let mut text = format!(
        "{} of {} in {}",
        count(stream.beat_elements, "element"),
        ascii(&stream.format.to_string()),
        count(stream.element_bytes, "byte")
    );
    if stream.beats > 1 {
        text += &format!(", {} beats for {}", stream.beats, stream.elements);
    }
    text
}

/// `target`, the bits of each lane of `tdata` of an input that carry information.
pub(super) fn lanes_in(port: &str, stream: &Stream, target: &str) -> Vec<String> {
    // Names of its own, since all inputs are in one module, and none that a port may have.
    let own = format!("of_{port}");
    let (s, keep) = match port == INPUT {
        true => ("s", "keep_unused".to_string()),
        false => (own.as_str(), format!("{own}_keep_unused")),
    };
    let (lanes, bits, lane) =
        (stream.beat_elements, stream.format.bits as usize, 8 * stream.element_bytes);
    let mut lines = vec![];
    if bits == lane {
        lines.push(format!("assign {target} = {port}_tdata;"));
    } else {
        lines.extend([
            format!("genvar {s};"),
            "generate".into(),
            format!("    for ({s} = 0; {s} < {lanes}; {s} = {s} + 1) begin : {s}_lane"),
            format!(
                "        assign {target}[{bits}*{s} +: {bits}] = {port}_tdata[{lane}*{s} +: {bits}];"
            ),
            format!(
                "        wire unused = &{{1'b0, {port}_tdata[{lane}*{s}+{bits} +: {}]}};",
                lane - bits
            ),
            "    end".into(),
            "endgenerate".into(),
        ]);
    }
    if stream.has_keep() {
        lines.push(format!("wire {keep} = &{{1'b0, {port}_tkeep}};"));
    }
    lines
}

/// What goes with the data of the input's stream, as signals of `name`.
pub(super) fn words_in(frames: Frames, port: &str, name: &str) -> Vec<String> {
    let wire = |signal: &str| format!("wire {name}_{signal} = {port}{signal};");
    let mut lines = vec![wire("valid"), wire("user")];
    if frames == Frames::Tlast {
        lines.push(wire("last"));
    }
    lines.extend([format!("wire {name}_ready;"), format!("assign {port}ready = {name}_ready;")]);
    lines
}

/// `tdata` of an output, each element of `source` extended to its lane, and `tkeep` where there is
/// one.
pub(super) fn lanes_out(port: &str, stream: &Stream, source: &str) -> Vec<String> {
    // A name of its own, since all outputs are in one module, and none that a port may have.
    let of_head = format!("of_{port}");
    let m = if port == OUTPUT { "m" } else { &of_head };
    let (lanes, bits, lane) =
        (stream.beat_elements, stream.format.bits as usize, 8 * stream.element_bytes);
    let mut lines = vec![];
    if bits == lane {
        lines.push(format!("assign {port}_tdata = {source};"));
    } else {
        let more = lane - bits;
        let above = if stream.format.signed {
            format!("{{{more}{{{source}[{bits}*{m}+{}]}}}}", bits - 1)
        } else {
            format!("{more}'d0")
        };
        lines.extend([
            format!("genvar {m};"),
            "generate".into(),
            format!("    for ({m} = 0; {m} < {lanes}; {m} = {m} + 1) begin : {m}_lane"),
            format!(
                "        assign {port}_tdata[{lane}*{m} +: {lane}] = {{{above}, \
                {source}[{bits}*{m} +: {bits}]}};"
            ),
            "    end".into(),
            "endgenerate".into(),
        ]);
    }
    if stream.has_keep() {
        let kept = stream.last_bytes();
        let surplus = stream.beat_bytes() - kept;
        lines.push(format!(
            "assign {port}_tkeep = {{{{{surplus}{{!{port}_tlast}}}}, {{{kept}{{1'b1}}}}}};"
        ));
    }
    lines
}
