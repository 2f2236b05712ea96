//! The adder graphs of a network as text: below the name of its layer and the matrix it is of, each
//! graph as the text form of adder graphs has it.

use crate::adder_graph::AdderGraph;
use crate::ir::Role;
use crate::text::{Lines, Text};
use std::fmt;
use std::iter;

/// The adder graph of a matrix of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerGraph {
    /// The layer's name.
    pub layer: String,
    /// The place of the matrix in its layer.
    pub role: Role,
    /// The adder graph of the matrix.
    pub graph: AdderGraph,
}

impl fmt::Display for LayerGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LayerGraph { layer, role, graph } = self;
        write!(f, "matrix {}: {layer}\n{graph}", role.word())
    }
}

impl Text for LayerGraph {
    const WHAT: &'static str = "adder graphs";

    fn read(lines: &mut Lines) -> Option<Self> {
        let (role, layer) = lines.after("matrix")?.split_once(": ")?;
        let (role, layer) = (Role::of_word(role)?, layer.into());
        let graph = AdderGraph::read(&mut iter::from_fn(|| lines.next()))?;
        Some(LayerGraph { layer, role, graph })
    }
}
