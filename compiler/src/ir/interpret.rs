//! The meaning of the dataflow IR.

use super::{Dataflow, Edge, Kernel, Kind, Layer};
use crate::interval::round_shift;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use strassenc_runtime::model::PoolKind;
use strassenc_runtime::{Along, Error, Result};

/// What the recurrent layers of a network keep from one input of a sequence to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The c and h of each layer; all 0 for one that is not there yet.
    cells: BTreeMap<usize, [Vec<i64>; 2]>,
}

/// The integers on every edge for one input, which has the elements of all the network's inputs in
/// turn; the last edge is the network's output. In a recurrent network it begins a sequence.
///
/// # Errors
/// Where the input has the wrong length or an element outside its format.
pub fn interpret(dataflow: &Dataflow, input: &[i64]) -> Result<Vec<Vec<i64>>> {
    step(dataflow, &mut State::default(), input)
}

/// Interprets as [`interpret`] does, for the next input of a sequence, and moves the state on.
///
/// # Errors
/// As [`interpret`].
pub fn step(dataflow: &Dataflow, state: &mut State, input: &[i64]) -> Result<Vec<Vec<i64>>> {
    step_with(dataflow, state, input, |number, _, x| Ok(dataflow.layers[number].compute(x)))
}

/// Does as [`step`]; `compute` yields what the kernel of a layer, by number,
/// [makes](Layer::compute) of a window or a word.
///
/// # Errors
/// As [`interpret`], and the first one of `compute`.
pub fn step_with(
    dataflow: &Dataflow,
    state: &mut State,
    input: &[i64],
    mut compute: impl FnMut(usize, &Kernel, &[i64]) -> Result<Vec<i64>>,
) -> Result<Vec<Vec<i64>>> {
    if input.len() != dataflow.elements() {
        let cause =
            format!("has {} elements, the network takes {}", input.len(), dataflow.elements());
        return Err(Error::input("input image", cause));
    }
    let mut edges: Vec<Vec<i64>> = vec![];
    let mut rest = input;
    for edge in &dataflow.edges[..=dataflow.inputs.len()] {
        let (own, behind) = rest.split_at(edge.shape.elements());
        if let Some((i, v)) = own.iter().enumerate().find(|(_, v)| !edge.interval().contains(**v)) {
            let i = input.len() - rest.len() + i;
            return Err(Error::input(
                "input image",
                format_args!("element {i} is {v}, outside {}", edge.interval()),
            ));
        }
        edges.push(own.to_vec());
        rest = behind;
    }
    for (number, layer) in dataflow.layers.iter().enumerate() {
        let x = edges[layer.reads[0].index()].as_slice();
        let mut kernel =
            |kernel: &Kernel, x: &[i64]| kernel.map(x, |window| compute(number, kernel, window));
        let z = match &layer.kind {
            Kind::Spn(spn) => kernel(spn, x)?,
            Kind::CharCnn { filters, tanh, .. } => {
                compute(number, filters, x)?.into_iter().map(|v| tanh.at(v)).collect()
            }
            Kind::Highway { gates, blend } => {
                let gates = kernel(gates, x)?;
                gates
                    .chunks(2)
                    .zip(x)
                    .map(|(gates, x)| blend.apply(gates[0], gates[1], *x))
                    .collect()
            }
            Kind::Recurrent { along, gates, cell } => {
                let n = dataflow.yields(number).shape.channels;
                let zeros = || [vec![0; n], vec![0; n]];
                let mut within = zeros();
                let [c, h] = match along {
                    Along::Inputs => state.cells.entry(number).or_insert_with(zeros),
                    Along::Pixels => &mut within,
                };
                let mut all = vec![];
                for x in x.chunks(layer.input.channels) {
                    let four = compute(number, gates, &[x, h].concat())?;
                    for (j, gates) in four.chunks(4).enumerate() {
                        (c[j], h[j]) = cell.step([gates[0], gates[1], gates[2], gates[3]], c[j]);
                    }
                    all.extend_from_slice(h);
                }
                all
            }
            Kind::Pool { .. }
            | Kind::Upsample { .. }
            | Kind::Activation { .. }
            | Kind::Last
            | Kind::Best { .. }
            | Kind::Threshold { .. }
            | Kind::Reverse
            | Kind::Add { .. }
            | Kind::Concat { .. }
            | Kind::Embedding { .. } => {
                let reads: Vec<&[i64]> =
                    layer.reads.iter().map(|id| edges[id.index()].as_slice()).collect();
                without_kernel(layer, dataflow.yields(number), &reads)?
            }
        };
        edges.push(z);
    }
    Ok(edges)
}

/// What a layer that has no kernel makes of what it reads.
fn without_kernel(layer: &Layer, output: &Edge, reads: &[&[i64]]) -> Result<Vec<i64>> {
    let x = reads[0];
    Ok(match &layer.kind {
        Kind::Pool { kind, windows } => {
            let pad = if *kind == PoolKind::Max { output.format.min() } else { 0 };
            let channels = layer.input.channels;
            let one = |(y, across)| {
                let window = windows.read(x, layer.input, y, across, pad);
                let channel = move |c| {
                    let taps = window.iter().skip(c).step_by(channels);
                    if *kind == PoolKind::Max {
                        taps.copied().max().unwrap_or(pad)
                    } else {
                        taps.sum()
                    }
                };
                (0..channels).map(channel)
            };
            windows.iter().flat_map(one).collect()
        }
        Kind::Upsample { size } => {
            let pixels = x.chunks_exact(layer.input.channels);
            let across: Vec<i64> = pixels.flat_map(|pixel| pixel.repeat(size.w)).collect();
            let row = output.shape.width * output.shape.channels;
            across.chunks_exact(row).flat_map(|row| row.repeat(size.h)).collect()
        }
        Kind::Activation { function } => x.iter().map(|v| function.at(*v)).collect(),
        Kind::Last => x[x.len() - layer.input.channels..].to_vec(),
        Kind::Best { count } => {
            let best = |pixel: &[i64]| {
                let mut all: Vec<usize> = (0..pixel.len()).collect();
                // Equal ones stay in their order.
                all.sort_by_key(|i| Reverse(pixel[*i]));
                all.into_iter().take(*count).map(|i| i as i64).collect::<Vec<_>>()
            };
            x.chunks_exact(layer.input.channels).flat_map(best).collect()
        }
        Kind::Threshold { above } => x.iter().map(|v| (v > above).into()).collect(),
        Kind::Reverse => x.rchunks_exact(layer.input.channels).flatten().copied().collect(),
        Kind::Add { shifts, shift } => (x.iter().zip(reads[1]))
            .map(|(a, b)| {
                output.format.saturate(round_shift((a << shifts[0]) + (b << shifts[1]), *shift))
            })
            .collect(),
        Kind::Concat { shifts, shift } => {
            let first = layer.input.channels;
            let second = output.shape.channels - first;
            let requantised = |x: &[i64], up: u32| -> Vec<i64> {
                x.iter().map(|v| output.format.saturate(round_shift(v << up, *shift))).collect()
            };
            let pixels = x.chunks_exact(first).zip(reads[1].chunks_exact(second));
            pixels
                .flat_map(|(a, b)| [requantised(a, shifts[0]), requantised(b, shifts[1])])
                .flatten()
                .collect()
        }
        // Indices are within an unsigned format.
        Kind::Embedding { rows } => {
            x.iter().flat_map(|x| &rows[(*x as usize).min(rows.len() - 1)]).copied().collect()
        }
        Kind::Spn(_) | Kind::CharCnn { .. } | Kind::Highway { .. } | Kind::Recurrent { .. } => {
            return Err(Error::internal(
                format_args!("layer `{}`", layer.name),
                "has a kernel that was not computed",
            ));
        }
    })
}
