//! What a checkpoint of a network over samples holds: the float network, and from phase 3 on the
//! frozen one.

use super::float::{Blank, Float, Layer};
use super::frozen::{Fixed, Frozen, FrozenLayer, LoadableLayer};
use crate::Shape;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::network::Network;
use crate::network::plan::Op;
use crate::train::checkpoint::{self, Checkpoint, Numbers, Tensor, push, push_parameter};
use crate::train::optimiser::{Parameter, Rule};
use crate::train::quantise::requantiser;
use crate::train::schedule::Phase;
use ndarray::{Array1, Array2, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::iter;

/// The network in training.
pub struct Weights {
    /// The inputs that are not constant over the train split; the float network takes only them.
    pub live: Vec<usize>,
    pub float: Float<f32>,
    /// Present from phase 3 on.
    pub frozen: Option<Frozen>,
}

/// What of the weights is no tensor.
#[derive(Serialize, Deserialize)]
pub struct Document {
    live: Vec<usize>,
    frozen: Option<Vec<FrozenDocument>>,
    /// The formats of the joined branches in the frozen network, in order.
    sums: Vec<Format>,
    /// Those of the c of its recurrent layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<Format>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrozenDocument {
    input_frac: i32,
    product_frac: i32,
    format: Option<Format>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loadable: Option<LoadableLayer>,
}

impl checkpoint::Weights for Weights {
    const KIND: &'static str = "checkpoint";
    const VERSION: u32 = 4;
    type Document = Document;

    fn document(&self) -> Document {
        let layer = |l: &FrozenLayer| FrozenDocument {
            input_frac: l.fixed.input_frac,
            product_frac: l.fixed.product_frac,
            format: l.fixed.format,
            loadable: l.fixed.loadable.clone(),
        };
        Document {
            live: self.live.clone(),
            frozen: self.frozen.as_ref().map(|frozen| frozen.layers().map(layer).collect()),
            sums: self.frozen.iter().flat_map(Frozen::joins).collect(),
            states: self.frozen.iter().flat_map(Frozen::states).collect(),
        }
    }

    fn skeleton(
        document: Document,
        network: &Network,
        phase: Phase,
        size: usize,
    ) -> Result<Self, String> {
        let Document { live, frozen, sums, states } = document;
        let ordered = live.windows(2).all(|w| w[0] < w[1]);
        if live.is_empty() || !ordered || live.last() >= Some(&network.elements()) {
            return Err("its list of live inputs is damaged".into());
        }
        if !network.is_of_vectors() && live.len() != network.elements() {
            return Err("its list of live inputs leaves out pixels of an image".into());
        }
        let layers = network.trained().len();
        let full_precision = network.train.full_precision;
        let is_frozen = phase >= Phase::Frozen && !full_precision;
        if frozen.is_some() != is_frozen || frozen.as_ref().is_some_and(|f| f.len() != layers) {
            return Err("its place in the training is damaged".into());
        }
        let fracs = frozen.iter().flatten().flat_map(|l| [l.input_frac, l.product_frac]);
        let mut formats = frozen
            .iter()
            .flatten()
            .filter_map(|l| l.format)
            .chain(sums.iter().chain(&states).copied());
        if !fracs.into_iter().all(|frac| (-64..=64).contains(&frac))
            || !formats.all(Format::is_valid)
        {
            return Err("its formats are out of range".into());
        }
        let mut entries = 0u64;
        for (i, mut step) in network.trained().into_iter().enumerate() {
            if i == 0 && network.is_of_vectors() {
                step.input = Shape::vector(live.len());
            }
            if let Op::Linear(linear) = &mut step.op
                && full_precision
            {
                *linear = linear.ordinary(step.input, step.output);
            }
            entries = entries.saturating_add(match &step.op {
                Op::Recurrent(..) if full_precision => step.ordinary_entries(),
                _ => step.weights(),
            });
        }
        if entries.saturating_mul(3 * size_of::<f32>() as u64) > size as u64 {
            return Err("tensors are missing".into());
        }
        let float = Float::new(network, live.len(), &mut ChaCha8Rng::seed_from_u64(0));
        for (document, layer) in frozen.iter().flatten().zip(float.trained()) {
            let Some(loadable) = &document.loadable else { continue };
            let fits = layer.spn().is_some_and(|spn| {
                let r = spn.w_b.weights.value.nrows();
                let outputs = spn.w_c.as_ref().map_or(r, |w_c| w_c.weights.value.nrows());
                loadable.is_of(r, outputs)
            });
            if !fits {
                return Err("what can be loaded of it is damaged".into());
            }
        }
        let frozen = frozen.map(|documents| {
            let layer = |(document, layer): (FrozenDocument, &Layer<f32>)| {
                let Blank { patches, groups, w_b: (r, columns), w_c, outputs: n_out } =
                    layer.blank()?;
                let fixed = Fixed {
                    patches,
                    groups,
                    w_b: Array2::zeros((r, columns)),
                    w_c: Array2::zeros(w_c),
                    units: Array1::zeros(r),
                    means: Array1::zeros(r),
                    exponents: Array1::zeros(n_out),
                    input_frac: document.input_frac,
                    product_frac: document.product_frac,
                    coefficient_bits: network.bits.coefficients,
                    coefficient_terms: network.bits.coefficient_terms,
                    format: document.format,
                    loadable: document.loadable,
                };
                let has_scales = layer.spn().is_some() && fixed.format.is_some();
                let learns = network.train.learn_scales && has_scales;
                let [a, bias] = [r, n_out].map(|n| Parameter::vector(n, 0.0));
                Some(FrozenLayer::new(fixed, a, bias.clone(), learns.then_some(bias)))
            };
            let layers: Option<_> = documents.into_iter().zip(float.trained()).map(layer).collect();
            Frozen::of(network, layers?, sums, states)
        });
        if matches!(frozen, Some(None)) {
            return Err("its formats of sums or states are damaged".into());
        }
        Ok(Weights { live, float, frozen: frozen.flatten() })
    }

    fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut all = Vec::new();
        for (i, layer) in self.float.trained_mut().enumerate() {
            let (parameters, norms) = layer.parts();
            for (name, parameter, _) in parameters {
                push_parameter(&mut all, &format!("float.{i}.{name}"), parameter, Numbers::F32);
            }
            for (name, norm) in norms {
                push(&mut all, format!("float.{i}.{name}.mean"), &mut norm.mean, Numbers::F32);
                push(
                    &mut all,
                    format!("float.{i}.{name}.variance"),
                    &mut norm.variance,
                    Numbers::F32,
                );
            }
        }
        let frozen = self.frozen.iter_mut().flat_map(Frozen::layers_mut);
        for (i, FrozenLayer { a, bias, log_scales, fixed, .. }) in frozen.enumerate() {
            push_parameter(&mut all, &format!("frozen.{i}.a"), a, Numbers::F64);
            push_parameter(&mut all, &format!("frozen.{i}.bias"), bias, Numbers::F64);
            if let Some(log_scales) = log_scales {
                push_parameter(
                    &mut all,
                    &format!("frozen.{i}.log_scales"),
                    log_scales,
                    Numbers::F64,
                );
            }
            push(&mut all, format!("frozen.{i}.w_b"), &mut fixed.w_b, Numbers::Ternary);
            push(&mut all, format!("frozen.{i}.w_c"), &mut fixed.w_c, Numbers::Ternary);
            push(&mut all, format!("frozen.{i}.units"), &mut fixed.units, Numbers::F64);
            push(&mut all, format!("frozen.{i}.means"), &mut fixed.means, Numbers::F64);
            push(&mut all, format!("frozen.{i}.exponents"), &mut fixed.exponents, Numbers::I32);
        }
        all
    }

    fn restore(&mut self, network: &Network, phase: Phase) {
        if phase > Phase::Full && !network.train.full_precision {
            self.float.make_ternary(network);
        }
        self.frozen.iter_mut().flat_map(Frozen::layers_mut).for_each(FrozenLayer::rebuild);
    }

    /// The numbers of the integer network, if there is one; else of the float network, running
    /// statistics included.
    fn numbers(&mut self) -> Vec<Numbers<'_>> {
        let mut all = vec![];
        if let Some(frozen) = &mut self.frozen {
            for FrozenLayer { a, bias, log_scales, .. } in frozen.layers_mut() {
                let parameters = [a, bias].into_iter().chain(log_scales);
                all.extend(parameters.filter_map(|p| p.value.as_slice_mut()).map(Numbers::F64));
            }
            return all;
        }
        for layer in self.float.trained_mut() {
            let (parameters, norms) = layer.parts();
            all.extend(
                parameters
                    .into_iter()
                    .filter_map(|(_, p, _)| p.value.as_slice_mut())
                    .map(Numbers::F32),
            );
            let statistics =
                norms.into_iter().flat_map(|(_, norm)| [&mut norm.mean, &mut norm.variance]);
            all.extend(statistics.filter_map(|v| v.as_slice_mut()).map(Numbers::F32));
        }
        all
    }

    fn renew(&mut self) {
        match &mut self.frozen {
            Some(frozen) => frozen.layers_mut().for_each(FrozenLayer::renew),
            None => self.float.renew(),
        }
    }

    fn update(&mut self, rule: Rule) {
        match &mut self.frozen {
            Some(frozen) => frozen.update(rule),
            None => self.float.update(rule),
        }
    }

    fn density(&self) -> f64 {
        self.float.density()
    }

    fn is_whole(&self, network: &Network) -> bool {
        self.live.len() == network.elements()
    }
}

impl Checkpoint<Weights> {
    /// The outputs of the float network (ternary W_b and W_c once there are any, float activations)
    /// for inputs of real values, both `[samples, elements]`.
    ///
    /// # Errors
    /// Where the number of columns is not that of the network's inputs, or a value is not a number.
    pub fn float_outputs(&self, x: ArrayView2<f32>) -> Result<Array2<f32>> {
        let inputs = self.network.elements();
        if x.ncols() != inputs {
            return Err(Error::input(
                "inputs",
                format_args!("have {} elements, the network takes {inputs}", x.ncols()),
            ));
        }
        if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::input("inputs", format_args!("element {j} of sample {i} is {v}")));
        }
        let columns = self.network.columns().into_iter();
        let formats: Vec<_> = columns.flat_map(|(n, format)| iter::repeat_n(format, n)).collect();
        let mut x = select_columns(x, &self.weights.live);
        for (mut column, &j) in x.columns_mut().into_iter().zip(&self.weights.live) {
            let requantise = requantiser(formats[j]);
            column.mapv_inplace(|v| requantise(v.into()) as f32);
        }
        Ok(self.weights.float.evaluate(x.view()))
    }
}

/// Some columns, in standard layout, so that samples stay contiguous.
pub fn select_columns(x: ArrayView2<f32>, columns: &[usize]) -> Array2<f32> {
    let mut selected = Array2::zeros((x.nrows(), columns.len()));
    for (mut to, from) in selected.rows_mut().into_iter().zip(x.rows()) {
        for (to, &j) in to.iter_mut().zip(columns) {
            *to = from[j];
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_moves_is_a_number() {
        let text = "name = \"t\"\ninput = { shape = [5], bits = 8, frac = 8 }\nlayers = [\
            { dense = { units = 4, r = 6 } }, \"relu\", { dense = { units = 3, r = 4 } }]";
        let network = Network::parse("t", text).unwrap();
        let float = Float::new(&network, 5, &mut ChaCha8Rng::seed_from_u64(1));
        let mut weights = Weights { live: (0..5).collect(), float, frozen: None };
        let count = |numbers: Numbers| if let Numbers::F32(v) = numbers { v.len() } else { 0 };
        // W_b, W_c, a, bias, scale, and two statistics of each norm.
        let due = (6 * 5 + 4 * 6 + 6 + 4 + 4 + 2 * 6 + 2 * 4) + (4 * 4 + 3 * 4 + 4 + 3 + 2 * 4);
        assert_eq!(
            checkpoint::Weights::numbers(&mut weights).into_iter().map(count).sum::<usize>(),
            due
        );
    }
}
