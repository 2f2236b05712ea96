use super::path::{Path, Paths};
use super::{Options, Pipeline, Source};
use crate::circuit::{Circuit, NodeId, Op};
use strassenc_runtime::{Error, Result};

/// Where a value passes from a layer to the next: the stage, and the ways that lead to the value
/// from the registers at the beginning of the stage.
type Arrival = (u32, Vec<Path>);

/// Checks the invariants that the [module](super) states for a layer that is a segment of its own,
/// with inputs from registers.
/// Shares nothing with the scheduler: it follows the ways through each stage from register to
/// register.
///
/// # Errors
/// The first violation, with its layer and node: a bug of the scheduler.
pub fn verify(circuit: &Circuit, pipeline: &Pipeline, options: &Options) -> Result<()> {
    verify_segment(&[(circuit, pipeline)], Source::Registers, options).map(drop)
}

/// Checks the invariants for all layers of a segment, in order. Yields what the longest path of
/// each stage takes, in the unit of the limit.
///
/// # Errors
/// As [`verify`].
pub fn verify_segment(
    layers: &[(&Circuit, &Pipeline)],
    source: Source,
    options: &Options,
) -> Result<Vec<u32>> {
    let (Some((first, _)), Some((last, end))) = (layers.first(), layers.last()) else {
        return Ok(vec![]);
    };
    let mut longest = vec![0; end.stages() as usize];
    let ways = match source {
        Source::Registers => vec![],
        Source::Memory => vec![Paths::new(first, Source::Registers, false, options)?.memory()],
    };
    let mut arrive = vec![(0, ways); first.inputs.len()];
    for (number, &(circuit, pipeline)) in layers.iter().enumerate() {
        let is_last = number + 1 == layers.len();
        arrive = layer(circuit, pipeline, is_last, options, &arrive, &mut longest)?;
    }
    // An invariant of the loop: these are the outputs of the last layer.
    if arrive.windows(2).any(|pair| pair[0].0 != pair[1].0) {
        let place = format_args!("pipeline of layer `{}`", last.name).to_string();
        return Err(Error::internal(place, "its outputs do not leave in one stage"));
    }
    Ok(longest)
}

/// Notes that a path of this stage takes so long. A stage behind the last one is refused elsewhere.
fn lengthen(longest: &mut [u32], stage: u32, takes: u32) {
    if let Some(longest) = longest.get_mut(stage as usize) {
        *longest = takes.max(*longest);
    }
}

/// Checks one layer, perhaps the last of its segment, whose inputs arrive so; how its outputs
/// leave. What its paths take goes to the stages of `longest`.
fn layer(
    circuit: &Circuit,
    pipeline: &Pipeline,
    is_last: bool,
    options: &Options,
    arrive: &[Arrival],
    longest: &mut [u32],
) -> Result<Vec<Arrival>> {
    let place = format!("pipeline of layer `{}`", circuit.name);
    let whole = |cause: String| Err(Error::internal(&place, cause));
    let Pipeline { available, leaves, multiplier_latency } = pipeline;
    if available.len() != circuit.nodes.len() {
        return whole(format!("schedules {} nodes of {}", available.len(), circuit.nodes.len()));
    }
    if leaves.len() != circuit.outputs.len() || arrive.len() != circuit.inputs.len() {
        return whole(format!("{} inputs arrive, {} outputs leave", arrive.len(), leaves.len()));
    }
    if *multiplier_latency != options.multiplier_latency {
        return whole(format!("multiplier latency {multiplier_latency}"));
    }
    let paths = Paths::new(circuit, Source::Registers, false, options)?;
    // What lies between the registers at the start of the stage in which a node is available, and
    // its value.
    let mut behind: Vec<Vec<Path>> = Vec::with_capacity(circuit.nodes.len());
    for (id, node) in circuit.iter() {
        let stage = pipeline.available(id);
        let fail = |cause: String| {
            Err(Error::internal(format_args!("{place}, node `{}`", node.name), cause))
        };
        let is_constant = |x: NodeId| matches!(circuit.node(x).op, Op::Constant(_));
        let waits = match node.op {
            Op::Multiply { .. } | Op::Product { .. } => *multiplier_latency,
            _ => 0,
        };
        for x in node.op.operands().filter(|x| !is_constant(*x)) {
            if stage < pipeline.available(x) + waits {
                let cause = format!(
                    "is available in stage {stage}, too early for `{}`",
                    circuit.node(x).name
                );
                return fail(cause);
            }
        }
        let here = node.op.operands().filter(|x| pipeline.available(*x) + waits == stage);
        let mut ways: Vec<Path> = here.flat_map(|x| behind[x.index()].iter().copied()).collect();
        match node.op {
            Op::Constant(_) if stage > 0 => return fail(format!("comes in stage {stage}, not 0")),
            Op::Input(i) => {
                let (due, arriving) = &arrive[i as usize];
                if stage != *due {
                    return fail(format!("comes in stage {stage}, not {due}"));
                }
                ways.clone_from(arriving);
            }
            _ => {}
        }
        ways.push(Path::default());
        let own = paths.nodes[id.index()].then(paths.operands[id.index()]);
        ways.iter_mut().for_each(|way| *way = way.then(own));
        if let Some(long) = ways.iter().find(|way| !paths.fits(**way)) {
            return fail(format!("ends {} in stage {}", paths.told(*long), stage - waits));
        }
        for way in &ways {
            lengthen(longest, stage - waits, paths.takes(*way));
        }
        for within in stage - waits + 1..stage {
            lengthen(longest, within, paths.takes(paths.within[id.index()]));
        }
        Path::keep_longest(&mut ways, |way| ((), *way));
        behind.push(if waits > 0 { vec![] } else { ways });
    }
    let stored = |ways: &[Path]| {
        ways.iter().map(|way| way.then(paths.memory())).filter(|_| is_last).collect::<Vec<_>>()
    };
    (circuit.outputs.iter().zip(leaves))
        .map(|(&output, leaves)| match leaves.0.checked_sub(pipeline.available(output)) {
            Some(0) => {
                for way in stored(&behind[output.index()]) {
                    if !paths.fits(way) {
                        let cause = format!("ends {} in the memory behind", paths.told(way));
                        return Err(Error::internal(&place, cause));
                    }
                    lengthen(longest, leaves.0, paths.takes(way));
                }
                Ok((leaves.0, behind[output.index()].clone()))
            }
            Some(_) => {
                if is_last {
                    lengthen(longest, leaves.0, paths.takes(paths.memory()));
                }
                Ok((leaves.0, vec![]))
            }
            None => {
                let node = &circuit.node(output).name;
                let cause = format!("output `{node}` leaves before it is available");
                Err(Error::internal(&place, cause))
            }
        })
        .collect()
}
