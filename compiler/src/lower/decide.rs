//! Decides on scores: a layer behind the raw sums of an output, whose edge then is the output.

use super::intervals::{best, greater};
use crate::decide::{Asked, Rule};
use crate::ir::{Dataflow, Edge, EdgeId, Head, Kind, Layer};
use std::collections::BTreeSet;
use strassenc_runtime::{Error, Format, Result, Shape};

/// The most that a score is compared with: all are within 2^53.
const FARTHEST: f64 = (1i64 << 54) as f64;

/// Appends what is asked for to a lowered network.
///
/// # Errors
/// Where an output is none of the network's, or is asked for twice, or has fewer scores than are to
/// be told.
pub fn decide(dataflow: &mut Dataflow, asked: &[Asked]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for one in asked {
        let fail = |cause: String, help: String| {
            Err(Error::input(format_args!("--decide {one}"), cause).help(help))
        };
        if !seen.insert(&one.head) {
            return fail("is for an output that has a decision".into(), "give one of them".into());
        }
        let head = dataflow.heads.iter().position(|head| Some(&head.name) == one.head.as_ref());
        let edge = match (&one.head, head) {
            (None, _) => EdgeId(dataflow.edges.len() as u32 - 1),
            (Some(_), Some(head)) => dataflow.heads[head].edge,
            (Some(name), None) => {
                let names: Vec<&str> = dataflow.heads.iter().map(|head| &*head.name).collect();
                let help = match names.is_empty() {
                    true => format!("it has none: give --decide {} for its output", one.rule),
                    false => format!("it has {}", names.join(", ")),
                };
                return fail(format!("the network has no head `{name}`"), help);
            }
        };
        let scores = &dataflow.edges[edge.index()];
        let classes = scores.shape.channels;
        if let Rule::Top { k } = one.rule
            && k > classes
        {
            let cause = format!("the output has {classes} scores a pixel");
            return fail(cause, format!("give top={classes} at most"));
        }
        let (kind, yields) = layer(scores, one.rule);
        let name = free(dataflow, one.head.as_deref());
        insert(
            dataflow,
            edge,
            Layer { name, reads: vec![edge], input: scores.shape, kind },
            yields,
        );
    }
    Ok(())
}

/// What decides on these scores, and the edge that it yields.
fn layer(scores: &Edge, rule: Rule) -> (Kind, Edge) {
    let classes = scores.shape.channels;
    let count = match rule {
        Rule::Argmax => 1,
        Rule::Top { k } => k,
        Rule::Threshold { threshold } => {
            let bound = (threshold * f64::powi(2.0, scores.format.frac)).floor();
            // Within 2^54 every such number is a whole one.
            let above = bound.clamp(-FARTHEST, FARTHEST) as i64;
            let format = Format { signed: false, bits: 1, frac: 0 };
            let yields = Edge::whole(scores.shape, format, greater(scores, above));
            return (Kind::Threshold { above }, yields);
        }
    };
    let bits = usize::BITS - (classes - 1).leading_zeros();
    let format = Format { signed: false, bits: bits.max(1), frac: 0 };
    let shape = Shape { channels: count, ..scores.shape };
    (Kind::Best { count }, Edge::whole(shape, format, best(scores, count)))
}

/// A name that no other layer, head or input has.
fn free(dataflow: &Dataflow, head: Option<&str>) -> String {
    let mut name = head.map_or("decide".into(), |head| format!("decide_{head}"));
    let taken = |name: &String| {
        dataflow.layers.iter().any(|layer| layer.name == *name)
            || dataflow.heads.iter().any(|head| head.name == *name)
            || dataflow.inputs.contains(name)
    };
    while taken(&name) {
        name += "_2";
    }
    name
}

/// Puts a layer right behind the one whose edge it reads: no longer that is an output, but its own.
fn insert(dataflow: &mut Dataflow, edge: EdgeId, layer: Layer, yields: Edge) {
    let moved = |id: &mut EdgeId| id.0 += u32::from(*id > edge);
    for layer in &mut dataflow.layers {
        layer.reads.iter_mut().for_each(moved);
    }
    for Head { edge: own, .. } in &mut dataflow.heads {
        own.0 += u32::from(*own >= edge);
    }
    // Behind the layer that yields the edge.
    let place = dataflow.layer_of(edge).map_or(0, |before| before + 1);
    dataflow.layers.insert(place, layer);
    dataflow.edges.insert(edge.index() + 1, yields);
}
