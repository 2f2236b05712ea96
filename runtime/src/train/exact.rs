//! The integer network of either kind in f64, on real values.

use super::quantise::requantiser;
use super::{image, sequence};
use crate::error::{Error, Result};
use crate::model::Model;
use ndarray::{Array2, ArrayView2};

/// Whether there are [`fake_quantised`] outputs of a model: not of every step of a signal, whose
/// layers are those of sequences of inputs and those of images.
pub fn is_fake_quantised(model: &Model) -> bool {
    model.domain() != "sequences" || sequence::Exact::new(model).is_ok()
}

/// The outputs of a model for inputs of real values, both `[samples, elements]`, where real value =
/// integer · 2^-frac.
///
/// Inputs are rounded (half up) and saturated to the input format first. The outputs times
/// 2^product_frac of the last layer are golden's integers, exactly. Of a network for sequences all
/// samples are one.
///
/// # Errors
/// Where the model is not valid, the number of columns is not that of its inputs, or a value is not
/// a number.
pub fn fake_quantised(model: &Model, x: ArrayView2<f64>) -> Result<Array2<f64>> {
    model.validate()?;
    let inputs = model.elements();
    if x.ncols() != inputs {
        return Err(Error::input(
            "inputs",
            format_args!("have {} elements, the network takes {inputs}", x.ncols()),
        ));
    }
    if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| v.is_nan()) {
        return Err(Error::input("inputs", format_args!("element {j} of sample {i} is {v}")));
    }
    if model.domain() == "sequences" {
        let (requantise, unit) =
            (requantiser(model.input.format), 2f64.powi(model.input.format.frac));
        let integers = x.mapv(|v| requantise(v) * unit);
        return Ok(sequence::Exact::new(model)?.outputs(integers.view()));
    }
    image::outputs(model, x)
}
