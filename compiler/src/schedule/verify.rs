use super::{Options, Pipeline};
use crate::circuit::{Circuit, NodeId, Op, Term};
use strassenc_runtime::{Error, Result};

/// Where a value passes from a layer to the next: the stage, and how many additions are between the
/// registers at its beginning and the value.
type Arrival = (u32, u32);

/// Checks the invariants that the [module](super) states for a layer that is a segment of its own.
/// Shares nothing with the scheduler: it follows the additions of each stage from register to
/// register.
///
/// # Errors
/// The first violation, with its layer and node: a bug of the scheduler.
pub fn verify(circuit: &Circuit, pipeline: &Pipeline, options: &Options) -> Result<()> {
    verify_segment(&[(circuit, pipeline)], options)
}

/// Checks the invariants for all layers of a segment, in order.
///
/// # Errors
/// As [`verify`].
pub fn verify_segment(layers: &[(&Circuit, &Pipeline)], options: &Options) -> Result<()> {
    let Some((first, _)) = layers.first() else { return Ok(()) };
    let mut arrive = vec![(0, 0); first.inputs.len()];
    for &(circuit, pipeline) in layers {
        arrive = layer(circuit, pipeline, options, &arrive)?;
    }
    // An invariant of the loop: these are the outputs of the last layer.
    if let Some((circuit, _)) = layers.last()
        && arrive.windows(2).any(|pair| pair[0].0 != pair[1].0)
    {
        let place = format_args!("pipeline of layer `{}`", circuit.name).to_string();
        return Err(Error::internal(place, "its outputs do not leave in one stage"));
    }
    Ok(())
}

/// Checks one layer whose inputs arrive so; how its outputs leave.
fn layer(
    circuit: &Circuit,
    pipeline: &Pipeline,
    options: &Options,
    arrive: &[Arrival],
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
    // Additions between the registers at the start of the stage in which a node is available, and
    // its value.
    let mut depths = vec![0u32; circuit.nodes.len()];
    for (id, node) in circuit.iter() {
        let stage = pipeline.available(id);
        let fail = |cause: String| {
            Err(Error::internal(format_args!("{place}, node `{}`", node.name), cause))
        };
        let depth_of =
            |x: NodeId| if pipeline.available(x) == stage { depths[x.index()] } else { 0 };
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
        let depth = match node.op {
            Op::Constant(_) if stage > 0 => return fail(format!("comes in stage {stage}, not 0")),
            Op::Input(i) => {
                let (due, depth) = arrive[i as usize];
                if stage != due {
                    return fail(format!("comes in stage {stage}, not {due}"));
                }
                depth
            }
            Op::Constant(_) | Op::Multiply { .. } | Op::Product { .. } => 0,
            Op::Add(terms) => 1 + terms.iter().map(|t| depth_of(t.node)).max().unwrap_or(0),
            Op::Scale { x, .. } => depth_of(x),
            Op::Clamp { x, .. } => 1 + depth_of(x),
            Op::Offset { x: Term { node: x, negate: false, .. }, constant: 0, .. } => depth_of(x),
            Op::Offset { x, .. } => 1 + depth_of(x.node),
        };
        if depth > options.adders_per_stage {
            return fail(format!("ends {depth} additions in stage {stage}"));
        }
        depths[id.index()] = depth;
    }
    (circuit.outputs.iter().zip(leaves))
        .map(|(&output, leaves)| match leaves.0.checked_sub(pipeline.available(output)) {
            Some(0) => Ok((leaves.0, depths[output.index()])),
            Some(_) => Ok((leaves.0, 0)),
            None => {
                let node = &circuit.node(output).name;
                let cause = format!("output `{node}` leaves before it is available");
                Err(Error::internal(&place, cause))
            }
        })
        .collect()
}
