//! What an image learner is taught by: the logits of another network.

use super::float::Float;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::onnx::{self, Classifier};
use crate::shape::Shape;
use crate::train::loss::{Score, score};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

/// A network that teaches, and its logits.
pub struct Teaching {
    teacher: Teacher,
    /// `[samples, classes]`: for each training sample as it is; none where samples are augmented,
    /// since a teacher should see what its student sees (Beyer et al. 2022).
    cached: Option<Array2<f32>>,
}

enum Teacher {
    Float(Float<f32>),
    Onnx {
        teacher: onnx::Teacher,
        /// Of its inputs those that the student has.
        live: Vec<usize>,
        /// `[inputs]`: what the others are.
        still: Array1<f32>,
    },
}

/// Samples that a teacher in ONNX has to know something of.
const ASKED: usize = 256;
/// Samples that it is asked about at a time.
const BLOCK: usize = 1024;

/// The training samples of a student.
pub struct Samples<'a> {
    /// `[samples, live inputs]`.
    pub x: ArrayView2<'a, f32>,
    pub labels: &'a [u32],
    /// Which of the inputs these are.
    pub live: &'a [usize],
    /// `[inputs]`: a sample with the others, which never vary.
    pub still: &'a Array1<f32>,
    pub are_augmented: bool,
}

impl Teaching {
    /// By a network of ours; where it is cached, of these samples.
    pub fn of(float: Float<f32>, cached: Option<ArrayView2<f32>>) -> Self {
        Teaching { cached: cached.map(|x| float.evaluate(x)), teacher: Teacher::Float(float) }
    }

    /// By a network in ONNX, and a warning where it knows little of the samples.
    ///
    /// # Errors
    /// Where it takes other samples or yields other classes, cannot be run, or knows nothing of
    /// them.
    pub fn by_onnx(
        classifier: &Classifier,
        start: onnx::Run,
        network: &Network,
        samples: &Samples,
    ) -> Result<(Self, Option<String>)> {
        let (x, all) = (samples.x, samples.x.nrows());
        let asked: Vec<usize> = (0..all.min(ASKED)).map(|i| i * all / all.min(ASKED)).collect();
        let ahead = if samples.are_augmented { asked.len() } else { all };
        let shape = Shape::of(&network.axes());
        let teacher = classifier.start(start, shape, network.outputs(), ahead)?;
        let (live, still) = (samples.live.to_vec(), samples.still.clone());
        let mut teacher = Teacher::Onnx { teacher, live, still };
        let (cached, known) = if samples.are_augmented {
            (None, teacher.logits(x.select(Axis(0), &asked).view())?)
        } else {
            let blocks = x.axis_chunks_iter(Axis(0), BLOCK).map(|block| teacher.logits(block));
            let blocks: Vec<Array2<f32>> = blocks.collect::<Result<_>>()?;
            let views: Vec<ArrayView2<f32>> = blocks.iter().map(|block| block.view()).collect();
            let logits =
                concatenate(Axis(0), &views).map_err(|e| Error::internal(&classifier.path, e))?;
            let known = logits.select(Axis(0), &asked);
            (Some(logits), known)
        };
        let labels: Vec<u32> = asked.iter().map(|&i| samples.labels[i]).collect();
        let warning = knowledge(classifier, network, score(known.view(), &labels), &labels)?;
        Ok((Teaching { teacher, cached }, warning))
    }

    /// `[n, classes]` for a batch `[n, live inputs]` of these training samples.
    ///
    /// # Errors
    /// Where they cannot be computed.
    pub fn logits(&mut self, batch: ArrayView2<f32>, samples: &[usize]) -> Result<Array2<f32>> {
        match &self.cached {
            Some(logits) => Ok(logits.select(Axis(0), samples)),
            None => self.teacher.logits(batch),
        }
    }
}

impl Teacher {
    fn logits(&mut self, x: ArrayView2<f32>) -> Result<Array2<f32>> {
        match self {
            Teacher::Float(float) => Ok(float.evaluate(x)),
            Teacher::Onnx { teacher, live, still } => {
                let mut whole = Array2::from_shape_fn((x.nrows(), still.len()), |(_, j)| still[j]);
                for (from, &to) in x.columns().into_iter().zip(live.iter()) {
                    whole.column_mut(to).assign(&from);
                }
                teacher.logits(whole.view())
            }
        }
    }
}

/// A teacher that knows nothing of the samples takes other values, or has other classes: that is
/// an error, and where it knows little a warning.
fn knowledge(
    teacher: &Classifier,
    network: &Network,
    score: Score,
    labels: &[u32],
) -> Result<Option<String>> {
    let mut counts = vec![0; network.outputs()];
    labels.iter().for_each(|label| counts[*label as usize] += 1);
    let most = counts.iter().max().copied().unwrap_or(0);
    let input = &network.input;
    let format = input.format();
    let unit = 2f64.powi(-format.frac);
    let (low, high) = (format.min() as f64 * unit, format.max() as f64 * unit);
    let cause = format!(
        "is right on {} of {} training samples, whose values go from {low} to {high} by the \
         `input` of the description (bits = {}, frac = {})",
        score.correct, score.samples, input.bits, input.frac
    );
    let help = "a teacher takes these values, images with their first row at the top, and yields \
                the classes in the order of the labels: put what it scales or shifts samples by \
                into the network before you export it, or give `input` the format that it knows";
    if score.correct <= most {
        return Err(Error::input(&teacher.path, format!("as a teacher, {cause}")).help(help));
    }
    let little = score.correct * 2 < score.samples;
    Ok(little.then(|| format!("teacher {} {cause}: {help}", teacher.path)))
}
