//! Export of a model to ONNX, so that others can run it, and ONNX Runtime, which is nobody's code
//! of ours, witnesses for the integers; and [`import`] of networks that others trained.
//!
//! The graph takes `x`, int64 `[samples, elements]`, integers of the input format in row-major
//! order (rows, columns, channels of an image), of a further input NAME `x_NAME`, and yields `y`,
//! int64 `[samples, n_out]`, golden's outputs; those of a head NAME are `y_NAME`. Between them it
//! computes in doubles, exactly: all values of a valid model are integers below
//! [`MAGNITUDE_LIMIT`](crate::model::MAGNITUDE_LIMIT), and scales are powers of two. All operators
//! are standard ones.
//!
//! A recurrent network's graph is one step of a sequence: of each recurrent layer it takes the
//! state, `NAME_c` and `NAME_h`, int64 `[samples, units]`, and yields the next, `NAME_c_next` and
//! `NAME_h_next`. A sequence starts with zeros; the samples are sequences side by side. A layer
//! that goes along the pixels of a row is a `Scan`, and has no state outside of it.

mod graph;
mod import;
mod layers;
mod messages;
mod read;
mod teacher;

pub use import::{Fate, Imported, Options, Weights, import};
pub use teacher::{Answer, Classifier, Run, Teacher};

use crate::error::Result;
use crate::model::{Edge, Model};
use crate::shape::Shape;
use graph::Graph;
use messages::{
    DOUBLE, GraphProto, INT64, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    ValueInfoProto,
};
use prost::Message;
use std::path::Path;

/// Operator set: the one in which `Clip`, `Pad` and `ReduceSum` took their present form.
const OPSET: i64 = 13;
/// The file format that came with that operator set.
const IR_VERSION: i64 = 7;

/// Writes the ONNX graph of `model` to `path`, atomically.
///
/// # Errors
/// As [`to_bytes`], and where the file cannot be written.
pub fn save(model: &Model, path: &Path) -> Result<()> {
    crate::files::write(path, &to_bytes(model)?)
}

/// The bytes of the ONNX graph of `model`; the same model gives the same bytes.
///
/// # Errors
/// Where the model is not [valid](Model::validate).
pub fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    let hash = crate::model_file::sha256(model)?;
    let mut graph = Graph::default();
    let enters = |(name, edge): (Option<&str>, &Edge)| {
        let name = name.map_or("x".into(), |name| format!("x_{name}"));
        ValueInfoProto::int64(&name, edge.elements())
    };
    let mut input: Vec<_> = model.inputs().into_iter().map(enters).collect();
    let stream = |(head, shape, _): (Option<&str>, Shape, _)| {
        let name = head.map_or("y".into(), |head| format!("y_{head}"));
        ValueInfoProto::int64(&name, shape.elements())
    };
    let mut output: Vec<_> = model.streams().into_iter().map(stream).collect();
    let mut value = graph.cast("x_f64", "x", DOUBLE);
    let mut edge = model.input();
    for recurrent in model.states() {
        for state in ["c", "h"].map(|state| format!("{}_{state}", recurrent.gates.name)) {
            input.push(ValueInfoProto::int64(&state, recurrent.units()));
            output.push(ValueInfoProto::int64(&format!("{state}_next"), recurrent.units()));
        }
    }
    for layer in &model.layers {
        value = graph.layer(layer, &value, edge)?;
        edge = layer.yields(edge)?;
    }
    graph.cast("y", &value, INT64);
    let graph = GraphProto {
        name: model.name.clone(),
        node: graph.nodes,
        initializer: graph.constants,
        input,
        output,
    };
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "strassenc".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![StringStringEntryProto { key: "model_sha256".into(), value: hash }],
    };
    Ok(file.encode_to_vec())
}
