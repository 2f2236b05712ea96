//! The rungs between golden and the engines.

use super::{Stop, Vectors, same};
use crate::compile::{Compiled, LayerEngine};
use crate::ir::{self, State};
use crate::report::thousands;
use crate::{adder_graph, circuit, decide, folded, lower, schedule, serial, stream};
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::BTreeMap;
use strassenc_runtime::{Error, Model, train};

type Counts = std::result::Result<String, Stop>;

/// The network in f64 on real values against golden, integer for integer.
pub fn fake_quantised(model: &Model, vectors: &Vectors) -> Counts {
    if !train::is_fake_quantised(model) {
        let cause = "a model of one step of a signal: that of whole signals has such a network";
        return Err(Stop::Skip(cause.into()));
    }
    let scales: Vec<f64> = (model.columns().into_iter())
        .flat_map(|(n, format)| std::iter::repeat_n(f64::powi(2.0, -format.frac), n))
        .collect();
    let x = Array2::from_shape_fn((vectors.inputs.len(), scales.len()), |(i, j)| {
        vectors.inputs[i][j] as f64 * scales[j]
    });
    let y = train::fake_quantised(model, x.view())?;
    let units: Vec<f64> =
        model.output_fracs().into_iter().map(|frac| f64::powi(2.0, frac)).collect();
    for (i, (y, golden)) in y.outer_iter().zip(vectors.outputs()).enumerate() {
        for (c, ((y, &golden), unit)) in y.iter().zip(golden).zip(&units).enumerate() {
            if y * unit != golden as f64 {
                let cause = format!("output {c} is {}, golden says {golden}", y * unit);
                return Err(Error::mismatch(format_args!("vector {i}"), cause).into());
            }
        }
    }
    Ok(vectors.counts())
}

/// Every adder graph against its matrix, every circuit against its kernel, every ROM read back.
pub fn proofs(compiled: &Compiled) -> Counts {
    let (mut adders, mut bits) = (0, 0);
    ir::verify(&compiled.dataflow)?;
    stream::verify(&compiled.graph)?;
    let engines: Vec<_> = compiled.layers.iter().map(LayerEngine::engine).collect();
    stream::prove(&compiled.graph, &compiled.dataflow, &engines)?;
    for (layer, ir) in compiled.layers.iter().zip(&compiled.dataflow.layers) {
        let Some(kernel) = ir.kernel() else { continue };
        if let (Some(circuit), Some(shared)) = (layer.circuit(), layer.matrices()) {
            // With the constants that an output's sum takes in.
            let matrices = kernel.chain.linear().map(|linear| linear.with_constants().0);
            for (shared, matrix) in shared.into_iter().zip(matrices) {
                adder_graph::prove(&shared.solution.graph, &matrix)
                    .map_err(|e| e.within(&ir.name))?;
                adders += shared.solution.graph.adders();
            }
            circuit::verify(circuit)?;
            circuit::prove(circuit, &kernel.chain).map_err(|e| e.within(&ir.name))?;
        }
        if let Some(layer) = layer.serial() {
            serial::verify(&layer.circuit, &layer.serial)?;
        }
        if let Some(folded) = layer.folded() {
            folded::prove(folded, ir)?;
            bits += folded.rom_bits();
        }
    }
    let of_graph = compiled.graph.segments();
    for ((_, node), segment) in of_graph.zip(compiled.segments()) {
        let source = stream::source(&compiled.dataflow, *node.layers.start());
        let layers: Vec<_> =
            segment.iter().map(|layer| (&layer.circuit, &layer.pipeline)).collect();
        schedule::verify_segment(&layers, source, &compiled.schedule)?;
    }
    Ok(format!("{} adders, {} bits of ROM proved", thousands(adders), thousands(bits)))
}

/// Golden, the dataflow IR and every engine, on every vector; where the network has neither
/// branches nor heads, at every edge between layers.
pub fn levels(compiled: &Compiled, vectors: &Vectors) -> Counts {
    let dataflow = &compiled.dataflow;
    each(compiled, vectors, |[state, engines], number, input| {
        let edges = ir::step(dataflow, state, input)?;
        let golden = &vectors.traces[number];
        let outputs = dataflow.outputs_of(&edges);
        same(number, "the dataflow IR's outputs", Some(&outputs), vectors.due.get(number))?;
        // What decides on the last edge's scores is behind all that golden has.
        let decides = usize::from(decide::decisions(dataflow)[0].is_some());
        if golden.len() + decides == edges.len() && dataflow.heads.is_empty() {
            for (i, (edge, whole)) in dataflow.edges.iter().zip(golden).enumerate().skip(1) {
                let layer = &dataflow.layers[i - 1].name;
                let due = edge.of(whole);
                same(
                    number,
                    &format!("the dataflow IR of layer `{layer}`"),
                    edges.get(i),
                    Some(&due),
                )?;
            }
        }
        let own = compiled.step(engines, input)?;
        for (i, layer) in dataflow.layers.iter().enumerate() {
            let edge = dataflow.edge_of(i).index();
            let place = format!("the engine of layer `{}`", layer.name);
            same(number, &place, own.get(edge), edges.get(edge))?;
        }
        Ok(())
    })
}

/// Vectors whose windows go through a pipeline as one stream.
const STREAMED: usize = 64;

/// The windows of all vectors streamed through the scheduled pipelines of the unrolled and serial
/// layers, as quickly as they take them, at their declared widths.
pub fn pipelines(compiled: &Compiled, vectors: &Vectors) -> Counts {
    let stages: u32 = compiled.graph.segments().map(|(_, segment)| segment.stages).sum();
    if compiled.layers.iter().all(|layer| layer.circuit().is_none()) {
        return Err(Stop::Skip("no layer is unrolled".into()));
    }
    let dataflow = &compiled.dataflow;
    let length = if dataflow.is_recurrent() { vectors.inputs.len().max(1) } else { STREAMED };
    let stream = |inputs: &[Vec<i64>]| -> Result<(), Error> {
        let mut windows: BTreeMap<usize, Vec<Vec<i64>>> = BTreeMap::new();
        let mut state = State::default();
        for input in inputs {
            let state = if dataflow.is_recurrent() { &mut state } else { &mut State::default() };
            ir::step_with(dataflow, state, input, |layer, _, x| {
                windows.entry(layer).or_default().push(x.to_vec());
                Ok(dataflow.layers[layer].compute(x))
            })?;
        }
        for (i, stream) in windows {
            let (layer, ir) = (&compiled.layers[i], &dataflow.layers[i]);
            let (Some(got), Some(kernel)) = (layer.stream(&stream), ir.kernel()) else { continue };
            let place = format!("the pipeline of layer `{}`", ir.name);
            if got.len() != stream.len() {
                let cause = format!("{} results for {} windows", got.len(), stream.len());
                return Err(Error::mismatch(place, cause));
            }
            for (number, (got, window)) in got.iter().zip(&stream).enumerate() {
                same(number, &place, Some(got), Some(&kernel.apply(window)))?;
            }
        }
        Ok(())
    };
    let all = vectors.inputs.par_chunks(length).map(stream);
    all.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?;
    Ok(format!("{}, {stages} stages", vectors.counts()))
}

/// Every row of every W_c driven to both ends of its interval by what may enter its window, IR =
/// engine, and = pipeline where there is one.
pub fn row_ends(compiled: &Compiled) -> Counts {
    let one = |(i, ir): (usize, &ir::Layer)| -> Result<usize, Error> {
        // The filters of a char-CNN have no W_c: their rows are outputs.
        let Some(kernel) = ir.kernel().filter(|_| ir.words().is_none()) else { return Ok(0) };
        let stream: Vec<Vec<i64>> = lower::corners(&kernel.chain)?.into_iter().flatten().collect();
        let piped = compiled.layers[i].stream(&stream);
        for (number, x) in stream.iter().enumerate() {
            let due = kernel.apply(x);
            let place = format!("layer `{}` at an end of row {}", ir.name, number / 2);
            same(
                number,
                &format!("{place}, the engine"),
                Some(&compiled.compute(i, x)?),
                Some(&due),
            )?;
            if let Some(piped) = &piped {
                same(number, &format!("{place}, the pipeline"), piped.get(number), Some(&due))?;
            }
        }
        Ok(stream.len() / 2)
    };
    let rows = compiled.dataflow.layers.par_iter().enumerate().map(one).collect::<Vec<_>>();
    let rows: usize = rows.into_iter().sum::<Result<usize, _>>()?;
    Ok(format!("{rows} rows, {} vectors", 2 * rows))
}

/// Compares every vector; those of a recurrent network one after the other, as one sequence with
/// two states.
fn each(
    compiled: &Compiled,
    vectors: &Vectors,
    compare: impl Fn(&mut [State; 2], usize, &[i64]) -> Result<(), Error> + Sync,
) -> Counts {
    let inputs: Vec<(usize, &Vec<i64>)> = vectors.inputs.iter().enumerate().collect();
    let length = if compiled.dataflow.is_recurrent() { inputs.len().max(1) } else { 1 };
    let sequence = |inputs: &[(usize, &Vec<i64>)]| {
        let mut states = [State::default(), State::default()];
        inputs.iter().try_for_each(|(number, input)| compare(&mut states, *number, input))
    };
    let all = inputs.par_chunks(length).map(sequence);
    all.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?;
    Ok(vectors.counts())
}
