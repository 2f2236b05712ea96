//! A text form of pipelines, for tests as files and for reading: the stage of a node a line,
//! `name: stage`, in the order of the circuit whose names these are. Where outputs do not leave in
//! one stage, a last line `leave in` has the stage of each.

use super::{MULTIPLIER_LATENCY, Pipeline, Stage};
use crate::circuit::Circuit;
use crate::text::{Lines, numbers, parse_numbers};
use std::fmt;
use strassenc_runtime::Result;

/// A pipeline beside its circuit; see [`Pipeline::text`].
struct Named<'a> {
    pipeline: &'a Pipeline,
    circuit: &'a Circuit,
}

impl Pipeline {
    /// The text of the pipeline, with the names of the circuit's nodes.
    pub fn text<'a>(&'a self, circuit: &'a Circuit) -> impl fmt::Display + 'a {
        Named { pipeline: self, circuit }
    }

    /// Reads what [`text`](Self::text) writes, one pipeline of each circuit. Pipelines are not
    /// verified, so that the last nodes of each may be missing.
    ///
    /// # Errors
    /// Where a line is not understood, or is that of another node.
    pub fn read(text: &str, circuits: &[&Circuit]) -> Result<Vec<Self>> {
        let mut lines = Lines::of("pipeline", text);
        let all: Option<_> = circuits.iter().map(|c| pipeline(&mut lines, c)).collect();
        let all = all.filter(|_| lines.next().is_none());
        lines.or_refuse(all)
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named { pipeline, circuit } = self;
        let Pipeline { available, leaves, multiplier_latency } = pipeline;
        let stages = pipeline.stages();
        writeln!(
            f,
            "pipeline {}: {stages} stages, multiplier latency {multiplier_latency}",
            circuit.name
        )?;
        (circuit.nodes.iter().zip(available))
            .try_for_each(|(node, Stage(stage))| writeln!(f, "{}: {stage}", node.name))?;
        if leaves.iter().all(|stage| stage.0 + 1 == stages) {
            return Ok(());
        }
        let leaves: Vec<u32> = leaves.iter().map(|stage| stage.0).collect();
        writeln!(f, "leave in {}", numbers(&leaves))
    }
}

fn pipeline(lines: &mut Lines, circuit: &Circuit) -> Option<Pipeline> {
    let rest = lines.after("pipeline")?.strip_prefix(&circuit.name)?.strip_prefix(": ")?;
    let (stages, multiplier_latency) = rest.split_once(" stages, multiplier latency ")?;
    let (stages, multiplier_latency) = (parse_stage(stages)?, multiplier_latency.parse().ok()?);
    let mut available = vec![];
    let ends = |line: &&str| line.starts_with("pipeline ") || line.starts_with("leave in ");
    for node in &circuit.nodes {
        if lines.peek().filter(|line| !ends(line)).is_none() {
            break;
        }
        let stage = lines.next()?.strip_prefix(&node.name)?.strip_prefix(": ")?;
        available.push(Stage(parse_stage(stage)?));
    }
    let multiplier_latency = Some(multiplier_latency).filter(|l| MULTIPLIER_LATENCY.contains(l))?;
    let leaves: Vec<u32> = match lines.peek().and_then(|line| line.strip_prefix("leave in ")) {
        Some(rest) => {
            let leaves = parse_numbers(rest)?;
            lines.next();
            leaves
        }
        None => vec![stages.checked_sub(1)?; circuit.outputs.len()],
    };
    let leaves: Vec<Stage> = leaves
        .into_iter()
        .map(|stage| (stage <= MOST).then_some(Stage(stage)))
        .collect::<Option<_>>()?;
    let pipeline = Pipeline { available, leaves, multiplier_latency };
    (pipeline.stages() == stages).then_some(pipeline)
}

/// The largest stage that is read: the latency of a multiplier can be added to it.
const MOST: u32 = 1 << 24;

fn parse_stage(text: &str) -> Option<u32> {
    text.parse().ok().filter(|stage| *stage <= MOST)
}
