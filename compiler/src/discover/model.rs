//! A scheme as a network of one two-operand layer: a model file like any other.

use super::scheme::Scheme;
use crate::emit::TOOL;
use std::collections::BTreeMap;
use strassenc_runtime::model::{Bilinear, Edge, Layer, Model, Output, Provenance};
use strassenc_runtime::{Format, Result};

/// The network that multiplies an `n × m` by an `m × p` matrix of signed integers of `bits` bits:
/// A's entries enter row by row, then B's; C's leave row by row.
///
/// # Errors
/// Where the scheme is not right, or the outputs could exceed 53 bits.
pub fn model(scheme: &Scheme, bits: u32, seed: Option<u64>) -> Result<Model> {
    scheme.verify()?;
    let shape = scheme.shape;
    let [a, b, _] = shape.entries();
    let model = Model {
        name: format!("matmul_{shape}"),
        input: Edge { shape: vec![a + b], format: Format { signed: true, bits, frac: 0 } },
        layers: vec![Layer::Bilinear(Bilinear {
            name: "product".into(),
            w_a: scheme.factor(0),
            w_b: scheme.factor(1),
            w_c: scheme.factor(2).reversed_axes(),
            output: Output::Raw,
        })],
        provenance: Provenance {
            tool: TOOL.into(),
            network: None,
            data: None,
            seed,
            metrics: BTreeMap::new(),
            alphabet: None,
            words: None,
        },
    };
    model.validate()?;
    Ok(model)
}
