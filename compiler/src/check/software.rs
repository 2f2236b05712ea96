//! The rungs between golden and the scheduled pipelines.

use super::{Stop, Vectors, same};
use crate::compile::Compiled;
use crate::report::thousands;
use crate::{adder_graph, circuit, ir, lower, schedule};
use ndarray::Array2;
use rayon::prelude::*;
use strassenc_runtime::{Error, Model, train};

type Counts = std::result::Result<String, Stop>;

/// The network in f64 on real values against golden, integer for integer.
pub fn fake_quantised(model: &Model, vectors: &Vectors) -> Counts {
    let n = model.input.elements();
    let scale = f64::powi(2.0, -model.input.format.frac);
    let x = Array2::from_shape_fn((vectors.inputs.len(), n), |(i, j)| vectors.inputs[i][j] as f64 * scale);
    let y = train::fake_quantised(model, x.view())?;
    let unit = f64::powi(2.0, model.output_frac());
    for (i, (y, golden)) in y.outer_iter().zip(vectors.outputs()).enumerate() {
        for (c, (y, &golden)) in y.iter().zip(golden).enumerate() {
            if y * unit != golden as f64 {
                let cause = format!("output {c} is {}, golden says {golden}", y * unit);
                return Err(Error::mismatch(format_args!("vector {i}"), cause).into());
            }
        }
    }
    Ok(vectors.counts())
}

/// Every adder graph against its matrix, and every circuit against its layer, through exact coefficients.
pub fn proofs(compiled: &Compiled) -> Counts {
    let mut adders = 0;
    for (layer, lowered) in compiled.layers.iter().zip(&compiled.dataflow.layers) {
        for shared in [&layer.wb, &layer.wc] {
            adder_graph::prove(&shared.solution.graph, &shared.matrix).map_err(|e| e.within(&layer.name))?;
            adders += shared.solution.graph.adders();
        }
        circuit::verify(&layer.circuit)?;
        circuit::prove(&layer.circuit, lowered).map_err(|e| e.within(&layer.name))?;
        schedule::verify(&layer.circuit, &layer.pipeline, &compiled.schedule).map_err(|e| e.within(&layer.name))?;
    }
    Ok(format!("{} graphs, {} adders proved", 2 * compiled.layers.len(), thousands(adders)))
}

/// Golden, the dataflow IR and the circuits on every vector, at every edge between layers.
pub fn levels(compiled: &Compiled, vectors: &Vectors) -> Counts {
    let compare = |(number, input): (usize, &Vec<i64>)| -> Result<(), Error> {
        let edges = &vectors.traces[number];
        let values = ir::interpret(&compiled.dataflow, input)?;
        same(number, "the dataflow IR's outputs", values.last(), edges.last())?;
        let mut x = kept(&edges[0], compiled.dataflow.layer_input(0));
        for (i, layer) in compiled.layers.iter().enumerate() {
            let values = circuit::evaluate(&layer.circuit, &x)?;
            x = layer.circuit.outputs.iter().map(|id| values[id.index()]).collect();
            let golden = kept(&edges[i + 1], compiled.dataflow.layers[i].result());
            same(number, &format!("the circuit of layer `{}`", layer.name), Some(&x), Some(&golden))?;
        }
        Ok(())
    };
    vectors.inputs.par_iter().enumerate().map(compare).collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?;
    Ok(vectors.counts())
}

/// The vectors streamed through the scheduled pipelines at an interval of one clock, at their declared widths.
pub fn pipelines(compiled: &Compiled, vectors: &Vectors) -> Counts {
    compiled
        .layers
        .par_iter()
        .enumerate()
        .map(|(i, layer)| -> Result<(), Error> {
            let (from, to) = (compiled.dataflow.layer_input(i), compiled.dataflow.layers[i].result());
            let stream: Vec<_> = vectors.traces.iter().map(|edges| kept(&edges[i], from)).collect();
            let results = schedule::simulate(&layer.circuit, &layer.pipeline, &stream);
            if results.len() != stream.len() {
                let cause = format!("{} results for {} vectors", results.len(), stream.len());
                return Err(Error::mismatch(format_args!("the pipeline of layer `{}`", layer.name), cause));
            }
            for (number, (result, edges)) in results.iter().zip(&vectors.traces).enumerate() {
                let golden = kept(&edges[i + 1], to);
                same(number, &format!("the pipeline of layer `{}`", layer.name), Some(result), Some(&golden))?;
            }
            Ok(())
        })
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Result<(), _>>()?;
    let clocks: u32 = compiled.layers.iter().map(|l| l.pipeline.stages).sum();
    Ok(format!("{}, {clocks} stages", vectors.counts()))
}

/// Every row of every W_c driven to both ends of its interval by what may enter the layer, IR = circuit = pipeline.
pub fn row_ends(compiled: &Compiled) -> Counts {
    let mut rows = 0;
    for (i, layer) in compiled.layers.iter().enumerate() {
        let stream: Vec<Vec<i64>> = lower::corners(&compiled.dataflow, i)?.into_iter().flatten().collect();
        rows += stream.len() / 2;
        let results = schedule::simulate(&layer.circuit, &layer.pipeline, &stream);
        for (number, x) in stream.iter().enumerate() {
            let values = ir::interpret_layer(&compiled.dataflow.layers[i], x);
            let circuit = circuit::evaluate(&layer.circuit, x)?;
            let circuit: Vec<i64> = layer.circuit.outputs.iter().map(|id| circuit[id.index()]).collect();
            let place = format!("layer `{}` at an end of row {}", layer.name, number / 2);
            same(number, &format!("{place}, the circuit"), Some(&circuit), values.last())?;
            same(number, &format!("{place}, the pipeline"), results.get(number), values.last())?;
        }
    }
    Ok(format!("{rows} rows, {} vectors", 2 * rows))
}

/// The elements of an edge that the compiler kept.
fn kept(edge: &[i64], value: &ir::Value) -> Vec<i64> {
    value.indices.iter().map(|&i| edge[i]).collect()
}
