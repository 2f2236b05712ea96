use super::primitive::Fifo;
use super::{Graph, Node, Primitive, Stream};
use strassenc_runtime::{Error, Result};

/// Checks the invariants that the [module](super) states.
///
/// # Errors
/// The first violation, with its node: a bug of ours.
pub fn verify(graph: &Graph) -> Result<()> {
    let fail = |node: &str, cause: String| {
        Err(Error::internal(format_args!("stream graph, `{node}`"), cause))
    };
    let n = graph.streams.len();
    let ends = graph.nodes.iter().flat_map(|node| {
        node.inputs.iter().chain(&node.outputs).map(|id| (node.name.as_str(), id.index()))
    });
    let enter: Vec<usize> = graph.inputs().map(|(id, ..)| id.index()).collect();
    let leave: Vec<usize> = graph.outputs().map(|(id, ..)| id.index()).collect();
    let ports = enter.iter().chain(&leave).map(|stream| ("ports", *stream));
    if let Some((place, stream)) = ports.chain(ends).find(|(_, stream)| *stream >= n) {
        return fail(place, format!("stream {stream} is not there"));
    }
    let (mut given, mut taken) = (vec![false; n], vec![false; n]);
    for stream in enter {
        if std::mem::replace(&mut given[stream], true) {
            return fail("ports", format!("stream {stream} enters twice"));
        }
    }
    for stream in leave {
        if std::mem::replace(&mut taken[stream], true) {
            return fail("ports", format!("stream {stream} leaves twice"));
        }
    }
    for node in &graph.nodes {
        let closes_a_loop = matches!(node.primitive, Primitive::Fifo(Fifo { hidden: true, .. }));
        for id in &node.inputs {
            if !(given[id.index()] || closes_a_loop)
                || std::mem::replace(&mut taken[id.index()], true)
            {
                return fail(
                    &node.name,
                    format!("stream {} comes from no earlier node, or is read twice", id.0),
                );
            }
        }
        for id in &node.outputs {
            if std::mem::replace(&mut given[id.index()], true) {
                return fail(&node.name, format!("stream {} leaves two nodes", id.0));
            }
        }
        if let Err(cause) = fits(graph, node) {
            return fail(&node.name, cause);
        }
    }
    for (id, beats, _) in graph.inputs().chain(graph.outputs()) {
        let Stream { lanes, format, words } = &graph.streams[id.index()];
        if (*lanes, *format, *words) != (beats.beat_elements, beats.format, beats.beats) {
            return fail(
                "ports",
                format!("{words} words of {lanes} elements of {format} are not {beats:?}"),
            );
        }
    }
    match (0..n).find(|&i| !given[i] || !taken[i]) {
        Some(i) => fail("streams", format!("stream {i} has an open end")),
        None => Ok(()),
    }
}

/// Whether what enters and what leaves agree with what the node is.
fn fits(graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    let (part, ends) = (node.primitive.part(), graph.ends(node));
    if part.sides().map(<[_]>::len) != [ends.inputs.len(), ends.outputs.len()] {
        return Err(format!("has {} streams in and {} out", ends.inputs.len(), ends.outputs.len()));
    }
    if let Some(lines) = part.lines().filter(|lines| !lines.lie_on_the_image()) {
        return Err(format!("has {} on an image of {}", lines.windows, lines.image));
    }
    // What is counted ends there.
    match part.fits(&ends).into_iter().find(|[a, b]| a != b || *a == usize::MAX) {
        Some([a, b]) => {
            Err(format!("makes {:?} of {:?}: {a} is not {b}", ends.outputs, ends.inputs))
        }
        None => Ok(()),
    }
}
