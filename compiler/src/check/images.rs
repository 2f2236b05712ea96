//! The rungs between golden and the engines of a core over images.

use super::{Stop, Vectors, same};
use crate::compile::images::{CompiledImages, LayerEngine};
use crate::ir::images::{self, State};
use crate::report::thousands;
use crate::{adder_graph, circuit, folded, ir, schedule, stream};
use rayon::prelude::*;
use std::collections::BTreeMap;
use strassenc_runtime::Error;

type Counts = std::result::Result<String, Stop>;

/// Every adder graph against its matrix, every circuit against its kernel, every ROM read back.
pub fn proofs(compiled: &CompiledImages) -> Counts {
    let (mut adders, mut bits) = (0, 0);
    ir::images::verify(&compiled.images)?;
    stream::verify(&compiled.graph)?;
    for (layer, ir) in compiled.layers.iter().zip(&compiled.images.layers) {
        let Some(kernel) = ir.kernel() else { continue };
        match layer {
            LayerEngine::Unrolled(layer) => {
                for shared in [&layer.wb, &layer.wc] {
                    adder_graph::prove(&shared.solution.graph, &shared.matrix).map_err(|e| e.within(&ir.name))?;
                    adders += shared.solution.graph.adders();
                }
                circuit::verify(&layer.circuit)?;
                circuit::prove(&layer.circuit, &kernel.dataflow.layers[0]).map_err(|e| e.within(&ir.name))?;
                schedule::verify(&layer.circuit, &layer.pipeline, &compiled.schedule)
                    .map_err(|e| e.within(&ir.name))?;
            }
            LayerEngine::Folded(folded) => {
                folded::prove(folded, ir)?;
                bits += folded.rom_bits();
            }
            LayerEngine::Elementwise { .. } => {}
        }
    }
    Ok(format!("{} adders, {} bits of ROM proved", thousands(adders), thousands(bits)))
}

/// Golden, the image IR and every engine, on every vector.
pub fn levels(compiled: &CompiledImages, vectors: &Vectors) -> Counts {
    each(compiled, vectors, |[state, engines], number, input| {
        let edges = images::step(&compiled.images, state, input)?;
        same(number, "the image IR's outputs", edges.last(), vectors.traces[number].last())?;
        for (i, edge) in compiled.step(engines, input)?.iter().enumerate().skip(1) {
            let layer = &compiled.images.layers[i - 1].name;
            same(number, &format!("the engine of layer `{layer}`"), Some(edge), edges.get(i))?;
        }
        Ok(())
    })
}

/// The windows of every vector streamed through the scheduled pipelines of the unrolled layers, at their declared widths.
pub fn pipelines(compiled: &CompiledImages, vectors: &Vectors) -> Counts {
    if compiled.layers.iter().all(|layer| layer.unrolled().is_none()) {
        return Err(Stop::Skip("no layer is unrolled".into()));
    }
    each(compiled, vectors, |[state, _], number, input| {
        let mut windows: BTreeMap<usize, Vec<Vec<i64>>> = BTreeMap::new();
        images::step_with(&compiled.images, state, input, |layer, _, x| {
            windows.entry(layer).or_default().push(x.to_vec());
            Ok(compiled.images.layers[layer].compute(x))
        })?;
        for (i, stream) in windows {
            let (layer, ir) = (&compiled.layers[i], &compiled.images.layers[i]);
            let (Some(layer), Some(kernel)) = (layer.unrolled(), ir.kernel()) else { continue };
            let got = schedule::simulate(&layer.circuit, &layer.pipeline, &stream).concat();
            let due = stream.iter().map(|window| kernel.apply(window)).collect::<Vec<_>>().concat();
            same(number, &format!("the pipeline of layer `{}`", ir.name), Some(&got), Some(&due))?;
        }
        Ok(())
    })
}

/// Compares every vector; those of a recurrent network one after the other, as one sequence with two states.
fn each(
    compiled: &CompiledImages,
    vectors: &Vectors,
    compare: impl Fn(&mut [State; 2], usize, &[i64]) -> Result<(), Error> + Sync,
) -> Counts {
    let inputs: Vec<(usize, &Vec<i64>)> = vectors.inputs.iter().enumerate().collect();
    let length = if compiled.images.is_recurrent() { inputs.len().max(1) } else { 1 };
    let sequence = |inputs: &[(usize, &Vec<i64>)]| {
        let mut states = [State::default(), State::default()];
        inputs.iter().try_for_each(|(number, input)| compare(&mut states, *number, input))
    };
    let all = inputs.par_chunks(length).map(sequence);
    all.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?;
    Ok(vectors.counts())
}
