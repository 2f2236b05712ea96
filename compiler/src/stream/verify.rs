use super::{Graph, Node, Primitive, Stream};
use strassenc_runtime::{Error, Result};

/// Checks the invariants that the [module](super) states.
///
/// # Errors
/// The first violation, with its node: a bug of ours.
pub fn verify(graph: &Graph) -> Result<()> {
    let fail = |node: &str, cause: String| Err(Error::internal(format_args!("stream graph, `{node}`"), cause));
    let n = graph.streams.len();
    let (mut given, mut taken) = (vec![false; n], vec![false; n]);
    given[0] = true;
    taken[graph.output.index()] = true;
    for node in &graph.nodes {
        let closes_a_loop = matches!(node.primitive, Primitive::Fifo { .. }) && node.layer.is_some();
        for id in &node.inputs {
            if !(given[id.index()] || closes_a_loop) || std::mem::replace(&mut taken[id.index()], true) {
                return fail(&node.name, format!("stream {} comes from no earlier node, or is read twice", id.0));
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
    for (beats, id) in graph.beats.iter().zip([super::StreamId(0), graph.output]) {
        let Stream { lanes, format, words } = &graph.streams[id.index()];
        if (*lanes, *format, *words) != (beats.beat_elements, beats.format, beats.beats) {
            return fail("ports", format!("{words} words of {lanes} elements of {format} are not {beats:?}"));
        }
    }
    match (0..n).find(|&i| !given[i] || !taken[i]) {
        Some(i) => fail("streams", format!("stream {i} has an open end")),
        None => Ok(()),
    }
}

/// Whether what enters and what leaves agree with what the node is.
fn fits(graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    let stream = |id: &super::StreamId| &graph.streams[id.index()];
    let (x, z) = (stream(&node.inputs[0]), stream(&node.outputs[0]));
    let words = |from: usize, to: usize| {
        if from == to {
            Ok(())
        } else {
            Err(format!("makes {} words of a frame of {}: {from} is not {to}", z.words, x.words))
        }
    };
    let same = || if x == z { Ok(()) } else { Err(format!("makes {z:?} of {x:?}")) };
    match &node.primitive {
        Primitive::Framer | Primitive::FrameEnd | Primitive::Register | Primitive::Fifo { .. } => same(),
        Primitive::Fork => {
            same().and_then(|()| if stream(&node.outputs[1]) == x { Ok(()) } else { Err("forks".into()) })
        }
        Primitive::Widen { words: n } => words(x.words, z.words * n).and_then(|()| words(x.lanes * n, z.lanes)),
        Primitive::Repack { elements } => {
            words(x.words, elements.div_ceil(x.lanes)).and_then(|()| words(elements.div_ceil(z.lanes), z.words))
        }
        Primitive::Collector { beats } => words(x.words, *beats)
            .and_then(|()| words(z.words, 1))
            .and_then(|()| words(z.lanes.div_ceil(x.lanes), *beats)),
        Primitive::Serialiser { beats } => {
            words(x.words * beats, z.words).and_then(|()| words(x.lanes.div_ceil(z.lanes), *beats))
        }
        Primitive::Window(lines) => {
            let elements = lines.windows.size.area() * lines.image.channels;
            words(x.words * x.lanes, lines.image.elements())
                .and_then(|()| words(x.lanes, lines.image.channels))
                .and_then(|()| words(elements, z.lanes))
                .and_then(|()| words(lines.windows.count(), z.words))
        }
        Primitive::Reader { lines, groups, repeats } => {
            let one = lines.windows.size.area() * lines.words * repeats;
            // The products of a window are an image of their own.
            let image = lines.image.pixels() * lines.words;
            words(x.words % image, 0)
                .and_then(|()| words(x.lanes, z.lanes))
                .and_then(|()| words(lines.words % groups, 0))
                .and_then(|()| words(x.words / image * lines.windows.count() * one, z.words))
        }
        Primitive::Kernel { .. } | Primitive::MultiplierBank { .. } | Primitive::Requantise => words(x.words, z.words),
        Primitive::Array(array) => words(x.words, z.words * array.sums()),
        Primitive::Accumulate { count, .. } => words(x.words, z.words * count),
        Primitive::Patches { patch, grid, image } => {
            words(x.words * x.lanes, grid.0 * grid.1 * patch.area() * image.channels)
                .and_then(|()| words(z.words * z.lanes, image.elements()))
                .and_then(|()| words(x.lanes, z.lanes))
        }
        Primitive::Positions(positions) => words(x.words, positions.characters * positions.words)
            .and_then(|()| words(positions.reads(), z.words))
            .and_then(|()| words(x.lanes, z.lanes)),
        Primitive::Tanh => words(x.words, z.words).and_then(|()| words(x.lanes, 1)).and_then(|()| words(z.lanes, 1)),
        Primitive::Lookup { words: n } => words(x.words * n, z.words).and_then(|()| words(x.lanes, 1)),
        Primitive::Recall { words: [of_x, of_h] } => {
            let h = stream(&node.inputs[1]);
            words(x.words, *of_x)
                .and_then(|()| words(h.words, *of_h))
                .and_then(|()| words(of_x + of_h, z.words))
                .and_then(|()| words(x.lanes, z.lanes))
                .and_then(|()| words(h.lanes, z.lanes))
        }
        Primitive::LstmCell => {
            words(x.words, z.words).and_then(|()| words(x.lanes, 4)).and_then(|()| words(z.lanes, 1))
        }
        Primitive::Highway => {
            let b = stream(&node.inputs[1]);
            words(x.words, z.words)
                .and_then(|()| words(b.words, z.words))
                .and_then(|()| words(x.lanes, 2))
                .and_then(|()| words(b.lanes, 1))
                .and_then(|()| words(z.lanes, 1))
        }
        Primitive::Add { .. } => {
            let b = stream(&node.inputs[1]);
            words(x.words, z.words).and_then(|()| words(b.words, z.words)).and_then(|()| words(b.lanes, z.lanes))
        }
    }
}
