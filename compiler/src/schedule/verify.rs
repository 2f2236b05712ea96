use super::{Options, Pipeline};
use crate::circuit::{Circuit, Op, Term};
use strassenc_runtime::{Error, Result};

/// Checks the invariants that the [module](super) states. Shares nothing with the scheduler: it
/// follows the additions of each stage from register to register.
///
/// # Errors
/// The first violation, with its layer and node: a bug of the scheduler.
pub fn verify(circuit: &Circuit, pipeline: &Pipeline, options: &Options) -> Result<()> {
    let place = format!("pipeline of layer `{}`", circuit.name);
    let whole = |cause: String| Err(Error::internal(&place, cause));
    if pipeline.available.len() != circuit.nodes.len() {
        return whole(format!(
            "schedules {} nodes of {}",
            pipeline.available.len(),
            circuit.nodes.len()
        ));
    }
    if pipeline.stages == 0 || pipeline.multiplier_latency != options.multiplier_latency {
        return whole(format!(
            "{} stages, multiplier latency {}",
            pipeline.stages, pipeline.multiplier_latency
        ));
    }
    // Additions between the registers at the start of the stage in which a node is available, and
    // its value.
    let mut depths = vec![0u32; circuit.nodes.len()];
    for (id, node) in circuit.iter() {
        let stage = pipeline.available(id);
        let fail = |cause: String| {
            Err(Error::internal(format_args!("{place}, node `{}`", node.name), cause))
        };
        let depth_of = |x: crate::circuit::NodeId| {
            if pipeline.available(x) == stage { depths[x.index()] } else { 0 }
        };
        let is_constant = |x: crate::circuit::NodeId| matches!(circuit.node(x).op, Op::Constant(_));
        let waits = match node.op {
            Op::Multiply { .. } | Op::Product { .. } => pipeline.multiplier_latency,
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
            Op::Input(_) | Op::Constant(_) if stage > 0 => {
                return fail(format!("comes in stage {stage}, not 0"));
            }
            Op::Input(_) | Op::Constant(_) | Op::Multiply { .. } | Op::Product { .. } => 0,
            Op::Add(terms) => 1 + terms.iter().map(|t| depth_of(t.node)).max().unwrap_or(0),
            Op::Clamp { x, .. } => 1 + depth_of(x),
            Op::Offset { x: Term { node: x, negate: false, .. }, constant: 0, .. } => depth_of(x),
            Op::Offset { x, .. } => 1 + depth_of(x.node),
        };
        if depth > options.adders_per_stage {
            return fail(format!("ends {depth} additions in stage {stage}"));
        }
        depths[id.index()] = depth;
    }
    for &output in &circuit.outputs {
        if pipeline.available(output) >= pipeline.stages {
            let node = &circuit.node(output).name;
            return whole(format!(
                "output `{node}` is available after the last of {} stages",
                pipeline.stages
            ));
        }
    }
    Ok(())
}
