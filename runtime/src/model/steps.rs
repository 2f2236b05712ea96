//! The model of one step of a signal.

use super::{Branches, Head, Layer, Model, Recurrent};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::recurrent::Along;
use crate::shape::{Extent, Shape};

impl Model {
    /// The model of one step, of a model of whole signals: images of one row, `[1, steps,
    /// channels]`, enter this one, and `[channels]`, a pixel of theirs, the one that it yields.
    ///
    /// Its recurrent layers keep their state from one input to the next. What the whole yields at a
    /// pixel, it yields at that step; and where the whole goes on with the last pixel alone, it
    /// yields at every step what the whole yields of the steps until then.
    ///
    /// # Errors
    /// Where no signal enters or nothing keeps a state; the first layer that needs more than one
    /// step at a time.
    pub fn steps(&self) -> Result<Model> {
        let (shape, format) = self.input();
        if self.is_recurrent() {
            let cause = "keeps its state from one input to the next already";
            return Err(
                Error::input(format_args!("model `{}`", self.name), cause).help("take it as it is")
            );
        }
        if shape.height > 1 || shape.width == 1 {
            let cause = format_args!("{shape} is no signal of several steps").to_string();
            return Err(Error::input("model input", cause)
                .help("a network of signals takes `shape = [time, channels]`"));
        }
        if self.inputs().len() > 1 {
            let cause = "has several inputs, and a model of one step has one";
            return Err(Error::input(format_args!("model `{}`", self.name), cause)
                .help("take it as it is: a core of whole signals"));
        }
        let mut steps = self.clone();
        steps.input.shape = vec![shape.channels];
        (steps.layers, _) = steps_of(&self.layers, (shape, format), true)?;
        if !steps.is_recurrent() {
            let cause =
                "has no `lstm` or `gru` that goes along a signal, whose state it could keep";
            return Err(Error::input(format_args!("model `{}`", self.name), cause)
                .help("take it as it is: a core of whole signals"));
        }
        steps.validate()?;
        Ok(steps)
    }
}

/// The layers of one step. `along` says whether all steps enter them, or what is left of them is
/// one pixel; so does what is yielded of what leaves.
fn steps_of(
    layers: &[Layer],
    mut edge: (Shape, Format),
    mut along: bool,
) -> Result<(Vec<Layer>, bool)> {
    let mut steps = vec![];
    for layer in layers {
        match layer {
            // What reads one pixel stays as it is.
            layer if !along => steps.push(layer.clone()),
            Layer::Last(_) => along = false,
            Layer::Recurrent(recurrent) => {
                let along = Along::Inputs;
                steps.push(Layer::Recurrent(Recurrent { along, ..recurrent.clone() }));
            }
            Layer::Branches(branches) => {
                let (mut body, still) = steps_of(&branches.body, edge, true)?;
                let (shortcut, _) = steps_of(&branches.shortcut, edge, true)?;
                if body.is_empty() {
                    // The body of a concat has a layer: the last pixel of one is that pixel.
                    body.extend(branches.body.first().cloned());
                }
                along = still;
                steps.push(Layer::Branches(Branches { body, shortcut, ..branches.clone() }));
            }
            Layer::Head(head) => {
                let (layers, _) = steps_of(&head.layers, edge, true)?;
                steps.push(Layer::Head(Head { layers, ..head.clone() }));
            }
            layer if reads_one_step(layer) => steps.push(layer.clone()),
            layer => return Err(refused(layer)),
        }
        edge = layer.yields(edge)?;
    }
    Ok((steps, along))
}

/// Whether a layer yields a pixel of each, and reads no other for it.
fn reads_one_step(layer: &Layer) -> bool {
    match layer {
        Layer::Conv2d(conv) => {
            conv.kernel() == Some(Extent::ONE)
                && conv.window() == Extent::ONE
                && conv.stride == Extent::ONE
        }
        Layer::Pool(pool) => pool.size == Extent::ONE && pool.stride == Extent::ONE,
        Layer::Upsample(upsample) => upsample.size == Extent::ONE,
        Layer::Activation(_) => true,
        _ => false,
    }
}

fn refused(layer: &Layer) -> Error {
    let cause = match layer {
        Layer::Reverse(_) => "goes from the end of a signal, which no step before it knows".into(),
        _ => format!("`{}` needs more than one step of a signal at a time", layer.kind()),
    };
    let place = format_args!("layer `{}`", layer.name()).to_string();
    Error::input(place, cause).help(
        "one step is enough for an `lstm` or a `gru` that is not `bidirectional`, a `conv1d` with \
         `kernel = 1`, activations, branches and heads of those, and whatever stands behind \
         \"last\"\n\
         or take the model as it is: a core of whole signals",
    )
}
