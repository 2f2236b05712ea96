//! The rungs between golden and the engines of a core over images.

use super::{Stop, Vectors, same};
use crate::compile::images::{CompiledImages, LayerEngine};
use crate::ir::images::{self, Kind};
use crate::report::thousands;
use crate::{adder_graph, circuit, folded, ir, schedule, stream};
use rayon::prelude::*;
use strassenc_runtime::Error;

type Counts = std::result::Result<String, Stop>;

/// Every adder graph against its matrix, every circuit against its kernel, every ROM read back.
pub fn proofs(compiled: &CompiledImages) -> Counts {
    let (mut adders, mut bits) = (0, 0);
    ir::images::verify(&compiled.images)?;
    stream::verify(&compiled.graph)?;
    for (layer, ir) in compiled.layers.iter().zip(&compiled.images.layers) {
        let Kind::Spn(kernel) = &ir.kind else { continue };
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
                folded::prove(folded, kernel, ir.input)?;
                bits += folded.rom_bits();
            }
            LayerEngine::Elementwise { .. } => {}
        }
    }
    Ok(format!("{} adders, {} bits of ROM proved", thousands(adders), thousands(bits)))
}

/// Golden, the image IR and every engine, on every vector.
pub fn levels(compiled: &CompiledImages, vectors: &Vectors) -> Counts {
    each(vectors, |number, input| {
        let edges = images::interpret(&compiled.images, input)?;
        same(number, "the image IR's outputs", edges.last(), vectors.traces[number].last())?;
        for (i, edge) in compiled.evaluate(input)?.iter().enumerate().skip(1) {
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
    each(vectors, |number, input| {
        let edges = images::interpret(&compiled.images, input)?;
        for (i, layer) in compiled.layers.iter().enumerate() {
            let ir = &compiled.images.layers[i];
            let (Kind::Spn(kernel), Some(layer)) = (&ir.kind, layer.unrolled()) else { continue };
            let from = &edges[ir.reads[0].index()];
            let windows = kernel.windows;
            let stream: Vec<_> = windows.iter().map(|(y, x)| windows.read(from, ir.input, y, x, 0)).collect();
            let patches = schedule::simulate(&layer.circuit, &layer.pipeline, &stream);
            let z = kernel.place(compiled.images.yields(i).shape, &patches);
            same(number, &format!("the pipeline of layer `{}`", ir.name), Some(&z), Some(&edges[i + 1]))?;
        }
        Ok(())
    })
}

fn each(vectors: &Vectors, compare: impl Fn(usize, &Vec<i64>) -> Result<(), Error> + Sync) -> Counts {
    let all = vectors.inputs.par_iter().enumerate().map(|(number, input)| compare(number, input));
    all.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()?;
    Ok(vectors.counts())
}
