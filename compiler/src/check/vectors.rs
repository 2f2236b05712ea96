//! The vectors that a check drives: corners, random ones and real data.

use crate::compile::Compiled;
use crate::decide;
use crate::ir::{EdgeId, Kind};
use crate::lower;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::iter;
use strassenc_runtime::{Format, Model, Result, golden, random};

/// Input vectors of the whole network with golden's trace of each.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// Corners first, then random ones, then data.
    pub inputs: Vec<Vec<i64>>,
    /// Golden's integers on every edge, per input.
    pub traces: Vec<golden::Trace>,
    /// What is due at the core's outputs, per input: golden's, or what is decided on them.
    pub due: Vec<Vec<i64>>,
    /// How many of them are corners.
    pub corners: usize,
    /// How many of them are random.
    pub random: usize,
    /// How many of them are real data.
    pub data: usize,
}

impl Vectors {
    /// Corners (all least, all greatest, zero; of vectors also one-hot at both ends and both ends
    /// of every row of the first layer's W_c), `random` vectors (every other one at the ends of the
    /// format in each element), and `data`.
    ///
    /// # Errors
    /// Where `data` does not fit the model.
    pub fn new(compiled: &Compiled, random: usize, seed: u64, data: Vec<Vec<i64>>) -> Result<Self> {
        let (model, mut inputs) = (&compiled.model, corners(compiled)?);
        let corners = inputs.len();
        inputs.extend(random_vectors(model, random, seed));
        let data_count = data.len();
        inputs.extend(data);
        let traces = traces(model, &inputs)?;
        let (edges, decisions) =
            (compiled.dataflow.outputs(), decide::decisions(&compiled.dataflow));
        let elements = |edge: EdgeId| compiled.dataflow.edges[edge.index()].shape.elements();
        let outputs: Vec<_> = edges.map(elements).zip(decisions).collect();
        // A trace has the input's edge at least.
        let golden = |trace: &golden::Trace| trace.last().cloned().unwrap_or_default();
        let due = traces.iter().map(|trace| decide::due(&golden(trace), outputs.clone())).collect();
        Ok(Vectors { inputs, traces, due, corners, random, data: data_count })
    }

    /// Golden's outputs, per input.
    pub fn outputs(&self) -> Vec<&[i64]> {
        // A trace has the input's edge at least.
        self.traces.iter().map(|t| t.last().map_or(&[][..], Vec::as_slice)).collect()
    }

    /// What the vectors are, for the counts of a rung.
    pub fn counts(&self) -> String {
        let parts = [(self.corners, "corner"), (self.random, "random"), (self.data, "data")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
        format!("{} vectors", parts.join(" + "))
    }
}

/// Golden's integers on every edge, per input; the inputs of a recurrent network are one sequence.
///
/// # Errors
/// Where an input does not fit the model.
pub fn traces(model: &Model, inputs: &[Vec<i64>]) -> Result<Vec<golden::Trace>> {
    if model.is_recurrent() {
        let mut state = golden::State::start();
        return inputs.iter().map(|x| golden::step(model, &mut state, x)).collect();
    }
    inputs.par_iter().map(|x| golden::trace(model, x)).collect::<Vec<_>>().into_iter().collect()
}

/// Random vectors of the formats of the model's inputs; in every other one each element is at one
/// of its ends. Where they are images of several pixels, the others are [images](random::images),
/// those that `strassenc random` calibrates on where the seed is the same.
pub fn random_vectors(model: &Model, count: usize, seed: u64) -> Vec<Vec<i64>> {
    if model.inputs().iter().any(|(_, edge)| edge.image().0.pixels() > 1) {
        let images = random::images(&model.inputs(), count.div_ceil(2), seed);
        let mut ends = noise(model, count, seed).into_iter().step_by(2);
        // As many of the one as of the other.
        return images
            .into_iter()
            .flat_map(|image| [Some(image), ends.next()])
            .flatten()
            .take(count)
            .collect();
    }
    noise(model, count, seed)
}

fn noise(model: &Model, count: usize, seed: u64) -> Vec<Vec<i64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let limits = limits(model);
    let mut vector = |ends: bool| -> Vec<i64> {
        let element = |&(lo, hi): &(i64, i64)| match (ends, rng.random_bool(0.5)) {
            (true, true) => lo,
            (true, false) => hi,
            (false, _) => rng.random_range(lo..=hi),
        };
        limits.iter().map(element).collect()
    };
    (0..count).map(|k| vector(k % 2 == 0)).collect()
}

/// The least and the greatest value of each element of an input vector.
fn limits(model: &Model) -> Vec<(i64, i64)> {
    let of = |(n, format): (usize, Format)| iter::repeat_n((format.min(), format.max()), n);
    model.columns().into_iter().flat_map(of).collect()
}

/// Vectors of the least elements, of the greatest, of zeros, and of both ends in turn.
fn ends(model: &Model) -> Vec<Vec<i64>> {
    let limits = limits(model);
    let of = |end: fn(usize, (i64, i64)) -> i64| {
        limits.iter().enumerate().map(|(i, both)| end(i, *both)).collect()
    };
    let turns = |i: usize, (lo, hi)| if i.is_multiple_of(2) { lo } else { hi };
    vec![of(|_, (lo, _)| lo), of(|_, (_, hi)| hi), vec![0; limits.len()], of(turns)]
}

fn corners(compiled: &Compiled) -> Result<Vec<Vec<i64>>> {
    let first = &compiled.dataflow.layers[0];
    let Kind::Spn(kernel) = &first.kind else { return Ok(ends(&compiled.model)) };
    // The chain is over a window, which may reach beyond the one pixel that there is.
    let is_vector = first.input.pixels() == 1 && kernel.windows.size.area() == 1;
    let is_alone = compiled.dataflow.inputs.is_empty();
    if !is_vector || !is_alone || compiled.dataflow.is_recurrent() {
        return Ok(ends(&compiled.model));
    }
    let edge = &compiled.model.input;
    let (n, lo, hi) = (edge.elements(), edge.format.min(), edge.format.max());
    let mut corners = vec![vec![lo; n], vec![hi; n], vec![0; n]];
    for i in 0..n {
        for end in [lo, hi].into_iter().filter(|end| *end != 0) {
            let mut v = vec![0; n];
            v[i] = end;
            corners.push(v);
        }
    }
    corners.extend(lower::corners(&kernel.chain)?.into_iter().flatten());
    Ok(corners)
}
