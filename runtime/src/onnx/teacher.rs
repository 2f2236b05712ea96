//! Classifiers that others run: of an ONNX file only what enters and what leaves is understood.

use super::messages::{EXTERNAL, ModelProto, Size, TensorProto, ValueInfoProto};
use super::read::external;
use crate::artifact::Artifact;
use crate::error::{Error, Result, count};
use crate::files;
use crate::shape::Shape;
use ndarray::{Array2, ArrayView2};
use prost::Message;
use std::path::Path;

/// An ONNX file of one input and one output, whatever stands between them.
pub struct Classifier {
    /// The file, with the tensors in it that lay in files beside it.
    pub file: Vec<u8>,
    /// How errors name it.
    pub path: String,
    /// The axes of one sample; none where one has a name instead of a size.
    axes: Vec<Option<usize>>,
    /// Whether it yields probabilities, by a softmax.
    is_softmax: bool,
}

/// Has an ONNX file run: its bytes, the axes of a sample, and how many samples will be asked for at
/// once.
pub type Run = fn(file: &[u8], axes: &[usize], ahead: usize) -> Result<Answer>;

/// The outputs of samples; both row-major.
pub type Answer = Box<dyn FnMut(&[f32]) -> Result<Vec<f32>> + Send>;

/// A classifier that runs.
pub struct Teacher {
    path: String,
    answer: Answer,
    shape: Shape,
    channels_first: bool,
    classes: usize,
    is_softmax: bool,
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;
/// The smallest probability that has a logarithm of its own.
const LEAST: f32 = 1e-30;

impl Classifier {
    /// Whether there is an ONNX file at `path`, by its name or its contents.
    pub fn is_at(path: &Path) -> bool {
        let is_named = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
        path.is_file() && (is_named || Artifact::of(path) == Some(Artifact::Onnx))
    }

    /// Reads a file, and the files beside it that its tensors lie in.
    ///
    /// # Errors
    /// Where it cannot be read or is damaged, or has more inputs or outputs than one, or others
    /// than of `float`.
    pub fn read(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        let refused = |cause: String| Err(Error::input(&place, cause));
        let file = with_tensors(&files::read(path)?, path)?;
        let damaged =
            |cause: String| Error::input(&place, format!("is no usable ONNX file: {cause}"));
        let model = ModelProto::decode(&*file).map_err(|e| damaged(e.to_string()))?;
        let graph = model.graph.ok_or_else(|| damaged("it has no graph".into()))?;
        // Old files list their initializers among the inputs.
        let is_input =
            |input: &&ValueInfoProto| graph.initializer.iter().all(|t| t.name != input.name);
        let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(is_input).collect();
        let ([input], [output]) = (&*inputs, &*graph.output) else {
            let (inputs, outputs) = (inputs.len(), graph.output.len());
            let cause = format!(
                "has {} and {}; a teacher has one of each",
                count(inputs, "input"),
                count(outputs, "output")
            );
            return Err(Error::input(&place, cause)
                .help("take the part between one of each, as onnx.utils.extract_model does"));
        };
        let tensor = |value: &ValueInfoProto| value.r#type.as_ref()?.tensor_type.clone();
        let of_floats = |value: &ValueInfoProto| tensor(value).is_none_or(|t| t.elem_type == FLOAT);
        if let Some(value) = [input, output].into_iter().find(|value| !of_floats(value)) {
            return refused(format!("`{}` is no tensor of float32, as a teacher has", value.name));
        }
        let size = |size: &Option<Size>| match size {
            Some(Size::DimValue(size)) => usize::try_from(*size).ok().filter(|size| *size > 0),
            _ => None,
        };
        let Some(shape) = tensor(input).and_then(|tensor| tensor.shape) else {
            return refused(format!("does not say which shape its input `{}` has", input.name));
        };
        let axes = shape.dim.iter().skip(1).map(|dimension| size(&dimension.value)).collect();
        let last = graph.node.iter().find(|node| node.output.contains(&output.name));
        let is_softmax = last.is_some_and(|node| node.op_type == "Softmax");
        Ok(Classifier { file, path: place, axes, is_softmax })
    }

    /// Starts it for samples of this shape and so many classes.
    ///
    /// # Errors
    /// Where it takes other samples, or cannot be run.
    pub fn start(&self, run: Run, shape: Shape, classes: usize, ahead: usize) -> Result<Teacher> {
        let Shape { height: h, width: w, channels: c } = shape;
        let fits = |(_, axes): &(bool, Vec<usize>)| {
            axes.len() == self.axes.len()
                && axes
                    .iter()
                    .zip(&self.axes)
                    .all(|(ours, theirs)| theirs.is_none_or(|n| n == *ours))
        };
        let mut ways = vec![(true, vec![c, h, w]), (false, vec![h, w, c])];
        if h == 1 {
            ways.extend([(true, vec![c, w]), (false, vec![w, c])]);
        }
        if c == 1 {
            ways.push((false, vec![h, w]));
        }
        if c == 1 || h * w == 1 {
            ways.push((false, vec![h * w * c]));
        }
        let taken: Vec<String> = ways.iter().map(|(_, axes)| told(axes.iter().map(Some))).collect();
        let Some((channels_first, axes)) = ways.into_iter().find(fits) else {
            let cause = format!("takes {}", told(self.axes.iter().map(Option::as_ref)));
            return Err(Error::input(&self.path, cause)
                .help(format!("a teacher of these samples takes {}", taken.join(" or "))));
        };
        let answer = run(&self.file, &axes, ahead).map_err(|e| e.within(&self.path))?;
        let (path, is_softmax) = (self.path.clone(), self.is_softmax);
        Ok(Teacher { path, answer, shape, channels_first, classes, is_softmax })
    }
}

/// The axes of a batch.
fn told<'a>(axes: impl Iterator<Item = Option<&'a usize>>) -> String {
    let axes = axes.map(|axis| axis.map_or("?".into(), usize::to_string));
    format!("[batch, {}]", axes.collect::<Vec<_>>().join(", "))
}

impl Teacher {
    /// `[n, classes]`, up to a constant in each row, of samples `[n, elements]`, rows, columns and
    /// channels in this order.
    ///
    /// # Errors
    /// Where it yields other classes, or what are no numbers, or fails.
    pub fn logits(&mut self, x: ArrayView2<f32>) -> Result<Array2<f32>> {
        let (n, pixels, c) = (x.nrows(), self.shape.pixels(), self.shape.channels);
        let samples: Vec<f32> = if self.channels_first && pixels > 1 {
            let row = |row: ArrayView2<f32>| row.t().iter().copied().collect::<Vec<_>>();
            let images = x.to_shape((n, pixels, c)).map_err(|e| Error::internal(&self.path, e))?;
            images.outer_iter().flat_map(row).collect()
        } else {
            x.iter().copied().collect()
        };
        let outputs = (self.answer)(&samples).map_err(|e| e.within(&self.path))?;
        if outputs.len() != n * self.classes {
            let cause = format!(
                "yields {} outputs a sample, the data have {} classes",
                outputs.len() / n.max(1),
                self.classes
            );
            return Err(Error::input(&self.path, cause));
        }
        if let Some(v) = outputs.iter().find(|v| !v.is_finite()) {
            return Err(Error::input(&self.path, format!("yields {v}")));
        }
        let mut outputs = Array2::from_shape_vec((n, self.classes), outputs)
            .map_err(|e| Error::internal(&self.path, e))?;
        if self.is_softmax {
            outputs.mapv_inplace(|p| p.max(LEAST).ln());
        }
        Ok(outputs)
    }
}

/// The bytes of an ONNX file with the graph's initializers in it that lie in files beside it; all
/// else stays as it is, known to us or not.
fn with_tensors(file: &[u8], path: &Path) -> Result<Vec<u8>> {
    let place = path.display();
    let damaged = || Error::input(&place, "is no usable ONNX file: it is damaged");
    let tensor = |bytes: &[u8]| {
        let tensor = TensorProto::decode(bytes).map_err(|_| damaged())?;
        if tensor.data_location != EXTERNAL {
            return Ok(bytes.to_vec());
        }
        let raw_data = external(&tensor, &format!("{place}: tensor `{}`", tensor.name), path)?;
        let inside = TensorProto { raw_data, external_data: vec![], data_location: 0, ..tensor };
        Ok(inside.encode_to_vec())
    };
    // ModelProto.graph, GraphProto.initializer.
    rewritten(file, &[7, 5], &tensor).and_then(|bytes| bytes.ok_or_else(damaged))
}

/// A message with the messages rewritten that this path of fields leads to; none where it is none.
fn rewritten(
    message: &[u8],
    path: &[usize],
    rewrite: &impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<Option<Vec<u8>>> {
    let Some((field, path)) = path.split_first() else { return rewrite(message).map(Some) };
    // A key is a varint, as a length is.
    let varint = |bytes: &mut &[u8]| prost::decode_length_delimiter(bytes).ok();
    let (mut rest, mut all) = (message, Vec::with_capacity(message.len()));
    while !rest.is_empty() {
        let from = rest;
        let Some(key) = varint(&mut rest) else { return Ok(None) };
        let key_bytes = &from[..from.len() - rest.len()];
        let length = match key & 7 {
            0 => varint(&mut rest).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut rest),
            5 => Some(4),
            _ => None,
        };
        let value = length.and_then(|length| rest.split_at_checked(length));
        let Some((value, behind)) = value else { return Ok(None) };
        rest = behind;
        if key != field << 3 | 2 {
            all.extend(&from[..from.len() - rest.len()]);
            continue;
        }
        let Some(value) = rewritten(value, path, rewrite)? else { return Ok(None) };
        all.extend(key_bytes);
        prost::encode_length_delimiter(value.len(), &mut all)
            .map_err(|e| Error::internal("ONNX", e))?;
        all.extend(value);
    }
    Ok(Some(all))
}
