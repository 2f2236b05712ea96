//! `adder_graphs.json`: the adder graphs of a build, so that opening it needs no search.

use crate::adder_graph::{AdderGraph, Node, NodeId, Solution, Term, Terms};
use crate::compile::{Compiled, Problem, SharedMatrix};
use crate::ir::Role;
use serde::{Deserialize, Serialize};
use strassenc_runtime::wording::of_json;
use strassenc_runtime::{Error, Result};

/// The schema of the file.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    layers: Vec<Layer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    name: String,
    wb: Graph,
    wc: Graph,
}

/// Nodes are numbered: the inputs first, then the additions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Graph {
    inputs: u32,
    /// Two terms each, or three.
    additions: Vec<Vec<Part>>,
    outputs: Vec<Option<Part>>,
}

/// `±node · 2^shift`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    node: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    shift: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    negate: bool,
}

fn is_zero(v: &u32) -> bool {
    *v == 0
}

fn is_false(v: &bool) -> bool {
    !v
}

/// The text of the file.
pub(super) fn to_json(compiled: &Compiled) -> String {
    let of = |name: &str, [wb, wc]: [&SharedMatrix; 2]| Layer {
        name: name.into(),
        wb: Graph::from(&wb.solution.graph),
        wc: Graph::from(&wc.solution.graph),
    };
    let none = || Graph { inputs: 0, additions: vec![], outputs: vec![] };
    let layers = (compiled.layers.iter().zip(&compiled.dataflow.layers))
        .map(|(layer, ir)| match layer.matrices() {
            Some(matrices) => of(&ir.name, matrices),
            None => Layer { name: ir.name.clone(), wb: none(), wc: none() },
        })
        .collect();
    let file = File { schema: SCHEMA, layers };
    // Plain data with string keys always serialises.
    serde_json::to_string(&file).expect("graphs are plain data") + "\n"
}

/// The graphs of a build.
pub(super) struct Graphs(Vec<Layer>);

impl Graphs {
    /// Reads the file; what the graphs compute is for the proof to check.
    ///
    /// # Errors
    /// Where the text is not such a file.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let file: File =
            serde_json::from_slice(text).map_err(|e| Error::input("adder graphs", of_json(&e)))?;
        if file.schema != SCHEMA {
            let cause = format_args!("schema {}; this version reads schema {SCHEMA}", file.schema);
            return Err(Error::input("adder graphs", cause));
        }
        Ok(Graphs(file.layers))
    }

    /// The graph of a matrix; one without inputs, which the proof refuses, where there is none that
    /// could be it.
    pub fn get(&self, problem: Problem) -> Solution {
        let graph = self.0.get(problem.layer).map(|layer| match problem.role {
            Role::Wb | Role::Wab | Role::W => &layer.wb,
            Role::Wc => &layer.wc,
        });
        let graph = match graph.filter(|graph| graph.inputs as usize == problem.matrix.ncols()) {
            Some(graph) => AdderGraph::from(graph),
            None => AdderGraph { nodes: vec![], inputs: usize::MAX, outputs: vec![] },
        };
        Solution { graph, method: "as recorded" }
    }
}

impl From<&AdderGraph> for Graph {
    fn from(graph: &AdderGraph) -> Self {
        let part = |t: &Term| Part { node: t.node.0, shift: t.shift, negate: t.negate };
        let addition = |node: &Node| node.terms().iter().map(part).collect();
        Graph {
            inputs: graph.inputs as u32,
            additions: graph.nodes.iter().skip(graph.inputs).map(addition).collect(),
            outputs: graph.outputs.iter().map(|t| t.as_ref().map(part)).collect(),
        }
    }
}

impl From<&Graph> for AdderGraph {
    fn from(graph: &Graph) -> Self {
        let term = |p: Part| Term { node: NodeId(p.node), shift: p.shift, negate: p.negate };
        let additions = graph.additions.iter().map(|parts| {
            let terms = Terms::new(&parts.iter().copied().map(term).collect::<Vec<_>>());
            // An input out of its place, which the proof refuses.
            terms.map_or(Node::Input(u32::MAX), Node::Add)
        });
        AdderGraph {
            nodes: (0..graph.inputs).map(Node::Input).chain(additions).collect(),
            inputs: graph.inputs as usize,
            outputs: graph.outputs.iter().map(|p| p.map(term)).collect(),
        }
    }
}
