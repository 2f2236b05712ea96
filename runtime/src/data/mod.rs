//! Data sets: real samples with labels, split into train and test.
//!
//! [`load`] reads what a short text names ([`GRAMMAR`]); [`Values::integers`] turns real values
//! into a format's integers, the same way for training, golden and simulation.

mod arrays;
mod cifar;
mod csv;
mod digits;
mod find;
mod folders;
mod gzip;
mod idx;
mod images;
mod labels;
pub mod ngram;
pub mod npy;
mod npz;
mod parquet;
mod spec;
pub mod text;
mod values;
mod wav;

use crate::error::{Error, Result, significant};
use crate::format::Columns;
use crate::model::{Edge, Model};
use crate::network::{Input, Loss, Network};
use labels::Classes;
use ndarray::{Array2, ArrayView1, Axis, s};
use std::borrow::Borrow;
use std::path::Path;

pub use find::{installed, spec_of};
pub use spec::{GRAMMAR, absolute, grammar, trained_on};
pub use text::{FIRST_CHARACTER, Symbols, Text};
pub use values::Values;

/// The most elements that one split may hold: 2^30 (4 GiB of f32).
pub const MAX_ELEMENTS: usize = 1 << 30;

/// The most classes of a data set; labels are below it.
pub const MAX_CLASSES: usize = 1 << 16;

/// Labelled samples of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// A short name, e.g. `digits`.
    pub name: String,
    /// Sizes of a sample's axes in row-major order, e.g. `[28, 28]`; of a network with further
    /// inputs those of what enters its first layer.
    pub shape: Vec<usize>,
    /// The name and the sizes of the axes of each further input.
    pub further: Vec<(String, Vec<usize>)>,
    /// Number of classes; every label is below it.
    pub classes: usize,
    /// What the file calls each class, where that is not its number: then the classes are those
    /// that stand in it, in order.
    pub class_names: Option<Vec<String>>,
    /// What the user should know of how the files were read.
    pub notes: Vec<String>,
    /// The samples that training sees.
    pub train: Split,
    /// What accuracy is measured on.
    pub test: Split,
}

/// Samples, and what is due of them. Of a network with heads that is due of its last layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// `[samples, elements]`: a pixel v of 8 bits is v · 2^-8, one of the digits v · 2^-4. A sample
    /// has the elements of each input in turn.
    pub x: Values,
    /// `[samples]`: the class of each sample; none where numbers are due.
    pub labels: Vec<u32>,
    /// `[samples, outputs]`: the numbers that are due, of a regression; of samples with several
    /// labels 1 for each that holds, else 0.
    pub targets: Option<Array2<f64>>,
    /// What is due of each head of the network that the data were loaded for, in order.
    pub heads: Vec<Due>,
}

/// What is due of a head.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// `[samples]`: the class of each.
    Classes(Vec<u32>),
    /// `[samples, outputs]`: as [`Split::targets`].
    Values(Array2<f64>),
}

/// Loads the data set that `spec` names, samples of one class each: see [`load_for`].
///
/// # Errors
/// As there.
pub fn load(spec: &str, home: &Path) -> Result<DataSet> {
    load_for(Loss::CrossEntropy, spec, home)
}

/// What a network asks of data: samples that can enter it, with what its loss is of.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What it is trained to.
    pub loss: Loss,
    /// What enters it, where that is known; sounds become numbers by it.
    pub input: Option<&'a Input>,
    /// The heads: their names, and what each is trained to.
    pub heads: Vec<(String, Loss)>,
    /// The names of the further inputs.
    pub further: Vec<String>,
}

impl<'a> From<&'a Network> for Wanted<'a> {
    fn from(network: &'a Network) -> Self {
        let heads = network.heads().into_iter().map(|(name, _)| {
            let loss = network.train.task(Some(&name)).loss;
            (name, loss)
        });
        Wanted {
            loss: network.train.loss,
            input: Some(&network.input),
            heads: heads.collect(),
            further: network.further_inputs().into_iter().map(|i| i.name.clone()).collect(),
        }
    }
}

impl From<Loss> for Wanted<'_> {
    fn from(loss: Loss) -> Self {
        Wanted { loss, input: None, heads: vec![], further: vec![] }
    }
}

/// Loads the data set that `spec` names for a network: see [`GRAMMAR`]. `home` is the folder that
/// installed sets lie under (`$STRASSENC_HOME`).
///
/// # Errors
/// Where the text is not in the grammar, the set is not installed (the help says how to get it), or
/// a file is missing, damaged or inconsistent, or has classes and numbers are due; with the file
/// and the sample.
pub fn load_for<'a>(wanted: impl Into<Wanted<'a>>, spec: &str, home: &Path) -> Result<DataSet> {
    let wanted = wanted.into();
    let loss = wanted.loss;
    let mut data = spec::parse(spec)?.load(wanted, home)?;
    data.notes.extend(data.told(loss));
    data.validate()?;
    Ok(data)
}

impl DataSet {
    /// Number of elements of a sample.
    pub fn elements(&self) -> usize {
        let further = self.further.iter().map(|(_, shape)| shape);
        std::iter::once(&self.shape).chain(further).map(|shape| elements(shape)).sum()
    }

    /// Checks that the samples can enter a network that `takes` inputs of this shape, and these
    /// further ones: each of the same axes, those of one element aside, or of any that have as many
    /// elements, where a sample is a plain row of numbers.
    ///
    /// # Errors
    /// Where they cannot, even if they have as many elements: axes in another order are another
    /// image. The help says how to order them, if that is all, or else `otherwise`. Square images
    /// with their channels first are refused even where the network takes that shape.
    pub fn check_shape<E: Borrow<Edge>>(
        &self,
        takes: &[usize],
        further: &[(Option<&str>, E)],
        otherwise: &str,
    ) -> Result<()> {
        self.check_further(further)?;
        if let [channels @ (1 | 3 | 4), height, width] = self.shape[..]
            && (self.shape == takes && height == width && height > 4)
        {
            let place = format!("data set `{}`", self.name);
            let cause = format!(
                "has samples of shape {takes:?}, and so the network takes them: {channels} rows of \
                 {height} pixels of {width} channels; they seem to be images, channels first"
            );
            return Err(Error::input(place, cause).help(format_args!(
                "set `shape = [{height}, {width}, {channels}]` and move the channels last: \
                 x = np.moveaxis(x, 1, -1)\n\
                 or, if {channels} rows are meant, give rows of numbers: x.reshape(len(x), -1)"
            )));
        }
        if fits(&self.shape, takes) {
            return Ok(());
        }
        let place = format!("data set `{}`", self.name);
        let cause = format!("has samples of shape {:?}, the network takes {takes:?}", self.shape);
        Err(Error::input(place, cause).help(match reorder(&self.shape, takes) {
            Some(line) => format!("{line}\nfor each array x of samples, before it is saved"),
            None => otherwise.to_owned(),
        }))
    }

    fn check_further<E: Borrow<Edge>>(&self, takes: &[(Option<&str>, E)]) -> Result<()> {
        let names = || self.further.iter().map(|(name, _)| Some(name.as_str()));
        if !names().eq(takes.iter().map(|(name, _)| *name)) {
            let all = |names: Vec<&str>| match &names[..] {
                [] => "none".to_owned(),
                names => names.join(", "),
            };
            let has = all(names().flatten().collect());
            let due = all(takes.iter().filter_map(|(name, _)| *name).collect());
            let cause = format!("has the further inputs {has}, the network takes {due}");
            return Err(Error::input(format_args!("data set `{}`", self.name), cause)
                .help("give arrays x_train_NAME and x_test_NAME for each further input NAME"));
        }
        for ((name, has), (_, edge)) in self.further.iter().zip(takes) {
            let due = &edge.borrow().shape;
            if !fits(has, due) {
                let place = format!("data set `{}`, input `{name}`", self.name);
                let cause = format!("has samples of shape {has:?}, the network takes {due:?}");
                return Err(Error::input(place, cause).help(match reorder(has, due) {
                    Some(line) => format!("{line}\nfor both arrays x of `{name}`"),
                    None => format!("set `shape = {has:?}` in the description of `{name}`"),
                }));
            }
        }
        Ok(())
    }

    /// The inputs of a recurrent model that a sample is: where the model takes one step and samples
    /// are signals, `[steps, …]`, their steps, which are a sequence; else 1.
    pub fn steps(&self, model: &Model) -> usize {
        match axes(&self.shape).strip_suffix(axes(&model.input.shape).as_slice()) {
            Some([steps]) if model.is_recurrent() => *steps,
            _ => 1,
        }
    }

    /// The formats of the elements of a sample that is given to `model`, step by step where it
    /// takes one: how many have each.
    pub fn columns(&self, model: &Model) -> Columns {
        let columns = model.columns();
        let steps = self.steps(model);
        columns.iter().copied().cycle().take(columns.len() * steps).collect()
    }

    /// Checks that `model` can be fed with the samples, or with each of their [steps](Self::steps),
    /// and can tell the classes apart.
    ///
    /// # Errors
    /// Where the shapes [differ](Self::check_shape), or there are more classes than outputs, or
    /// fewer and they are numbered in the order of their names.
    pub fn check_fits(&self, model: &Model) -> Result<()> {
        let steps = Some(self.steps(model)).filter(|steps| *steps > 1);
        let takes: Vec<usize> = steps.into_iter().chain(model.input.shape.clone()).collect();
        self.check_shape(
            &takes,
            &model.inputs()[1..],
            &format!("give samples of that shape, or rows of {} numbers", model.input.elements()),
        )?;
        for (k, (name, shape, _)) in model.streams().into_iter().enumerate().skip(1) {
            let outputs = shape.elements();
            let has = match self.test.due(k) {
                (_, Some(values)) if values.ncols() != outputs => {
                    format!("{} numbers a sample", values.ncols())
                }
                (labels, None) if labels.iter().any(|label| *label as usize >= outputs) => {
                    format!("more than {outputs} classes")
                }
                _ => continue,
            };
            let head = name.unwrap_or_default();
            return Err(Error::input(
                format_args!("data set `{}`, head `{head}`", self.name),
                format_args!("has {has}, the head has {outputs} outputs"),
            )
            .help("give data that are labelled as those of the training"));
        }
        let (classes, outputs) = (self.classes, model.output().0.elements());
        if let Some(targets) = &self.train.targets {
            return if targets.ncols() == outputs {
                Ok(())
            } else {
                let cause = format!(
                    "has {} numbers a sample, the network {outputs} outputs",
                    targets.ncols()
                );
                Err(Error::input(format_args!("data set `{}`", self.name), cause).help(
                    "name their columns: label=NAME for each; outputs are in the order of \
                         the table",
                ))
            };
        }
        if classes > outputs || classes < outputs && self.class_names.is_some() {
            return Err(Error::input(
                format!("data set `{}`", self.name),
                format_args!(
                    "has {classes} classes{}, the network {outputs} outputs",
                    self.shown_classes()
                ),
            )
            .help(
                "the classes must be numbered as in training: from 0, or all of them in the file",
            ));
        }
        Ok(())
    }

    /// The names of the classes in parentheses, where they have any, for messages; of many the
    /// first ones.
    pub fn shown_classes(&self) -> String {
        let Some(names) = &self.class_names else { return String::new() };
        let some: Vec<&str> = names.iter().map(String::as_str).take(12).collect();
        let more = if names.len() > some.len() { ", …" } else { "" };
        format!(" ({}{more})", some.join(", "))
    }

    /// Makes a data set of the values of train and test samples, whose labels have become classes.
    fn new(name: &str, shape: Vec<usize>, classes: Classes, [train, test]: [Values; 2]) -> DataSet {
        let Classes { labels: [train_labels, test_labels], count, names, notes } = classes;
        DataSet {
            name: name.into(),
            shape,
            further: vec![],
            classes: count,
            class_names: names,
            notes,
            train: Split::of_classes(train, train_labels),
            test: Split::of_classes(test, test_labels),
        }
    }

    /// Makes a data set of the values of train and test samples, or of one part, of which every
    /// fifth sample is a test sample, and of the numbers that are due of them; `place` names it.
    ///
    /// # Errors
    /// Where one part has fewer than five samples.
    fn of_targets(
        name: &str,
        place: &str,
        shape: Vec<usize>,
        targets: Vec<Array2<f64>>,
        values: Vec<Values>,
    ) -> Result<DataSet> {
        let mut parts: Vec<Split> = values
            .into_iter()
            .zip(targets)
            .map(|(x, targets)| Split::of_targets(x, targets))
            .collect();
        if let [all] = &parts[..] {
            let (train, test): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|i| i % 5 != 4);
            if test.is_empty() {
                return Err(Error::input(place, "has fewer than five samples, so none is tested")
                    .help("name the test samples' place behind it, after a comma"));
            }
            parts = [train, test].map(|samples| all.of(&samples)).into();
        }
        let [train, test] = <[Split; 2]>::try_from(parts)
            .map_err(|_| Error::internal(place, "is not of one or two parts"))?;
        let (name, classes, class_names) = (name.into(), 0, None);
        let (further, notes) = (vec![], vec![]);
        Ok(DataSet { name, shape, further, classes, class_names, notes, train, test })
    }

    /// What the user should know of what is due: how uneven the classes are, or how far the numbers
    /// reach.
    fn told(&self, loss: Loss) -> Option<String> {
        if let Some(targets) = &self.train.targets {
            let told = |column: ArrayView1<f64>| {
                let (low, high) = ends(column);
                let mean = column.mean().unwrap_or(0.0);
                if loss.is_regression() {
                    format!("{} to {}, mean {}", shown(low), shown(high), shown(mean))
                } else {
                    format!("{:.1} %", 100.0 * mean)
                }
            };
            let some: Vec<String> = targets.columns().into_iter().take(8).map(told).collect();
            let more = if targets.ncols() > some.len() { "; …" } else { "" };
            let what = if loss.is_regression() { "targets go from" } else { "labels hold in" };
            return Some(format!("{what} {}{more}", some.join("; ")));
        }
        let mut counts = vec![0usize; self.classes];
        for label in &self.train.labels {
            *counts.get_mut(*label as usize)? += 1;
        }
        let (least, most) = (counts.iter().min()?, counts.iter().max()?);
        (least * 10 < *most).then(|| {
            format!(
                "classes are uneven: of {} training samples the rarest has {least}, the commonest \
                 {most}; `class_weights = \"balanced\"` under `train` counts them alike",
                self.train.len()
            )
        })
    }

    /// Makes a data set of the values of train and test samples, or of one part, of which every
    /// fifth sample of each class is a test sample; `place` names it.
    ///
    /// # Errors
    /// Where no class of one part has five samples.
    fn of_parts(
        name: &str,
        place: &str,
        shape: Vec<usize>,
        classes: Classes,
        values: Vec<Values>,
    ) -> Result<DataSet> {
        match <[Values; 2]>::try_from(values) {
            Ok(two) => Ok(DataSet::new(name, shape, classes, two)),
            Err(one) => {
                let [all, _] = &classes.labels;
                let (train, test) = split_by_class(all);
                if test.is_empty() {
                    let cause = "has no class with five samples, so none can be tested";
                    return Err(Error::input(place, cause)
                        .help("name the test samples' place behind it, after a comma"));
                }
                let labels =
                    [&train, &test].map(|samples| samples.iter().map(|i| all[*i]).collect());
                let values = [&train, &test].map(|samples| one[0].select(samples));
                Ok(DataSet::new(name, shape, Classes { labels, ..classes }, values))
            }
        }
    }

    fn validate(&self) -> Result<()> {
        let place = |split: &str| format!("data set `{}`, {split} split", self.name);
        for (name, split) in [("train", &self.train), ("test", &self.test)] {
            let (samples, elements) = split.x.dim();
            if samples == 0 || elements == 0 {
                return Err(Error::input(place(name), "is empty"));
            }
            if elements != self.elements() {
                return Err(Error::input(
                    place(name),
                    format_args!(
                        "has {elements} elements a sample, the shape {:?} has {}",
                        self.shape,
                        self.elements()
                    ),
                ));
            }
            if let Some(due) = split.heads.iter().find(|due| due.len() != samples) {
                let cause =
                    format!("has {samples} samples, but {} that are due of a head", due.len());
                return Err(Error::input(place(name), cause));
            }
            if let Some(targets) = &split.targets {
                if targets.nrows() != samples {
                    let cause =
                        format!("has {samples} samples, but {} of targets", targets.nrows());
                    return Err(Error::input(place(name), cause));
                }
                continue;
            }
            if samples != split.labels.len() {
                return Err(Error::input(
                    place(name),
                    format_args!("has {samples} samples, but {} labels", split.labels.len()),
                ));
            }
            if let Some((i, label)) =
                split.labels.iter().enumerate().find(|(_, l)| **l as usize >= self.classes)
            {
                return Err(Error::input(
                    place(name),
                    format_args!("sample {i} has label {label}, outside 0..{}", self.classes),
                ));
            }
        }
        Ok(())
    }
}

impl Split {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.x.dim().0
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples of one class each.
    pub fn of_classes(x: Values, labels: Vec<u32>) -> Split {
        Split { x, labels, targets: None, heads: vec![] }
    }

    /// Samples of which numbers or several labels are due, `[samples, outputs]`.
    pub fn of_targets(x: Values, targets: Array2<f64>) -> Split {
        Split { x, labels: vec![], targets: Some(targets), heads: vec![] }
    }

    /// What is due of an output of the network: 0 is the last layer, k + 1 head k. Where numbers or
    /// labels are due, there are no classes.
    pub fn due(&self, output: usize) -> (&[u32], Option<&Array2<f64>>) {
        match output.checked_sub(1).map(|head| self.heads.get(head)) {
            None => (&self.labels, self.targets.as_ref()),
            Some(Some(Due::Classes(labels))) => (labels, None),
            Some(Some(Due::Values(values))) => (&[], Some(values)),
            Some(None) => (&[], None),
        }
    }

    /// The first `n` samples, or all where there are fewer.
    pub fn take(&self, n: usize) -> Split {
        let n = n.min(self.len());
        Split {
            x: self.x.take(n),
            labels: self.labels[..n.min(self.labels.len())].to_vec(),
            targets: self.targets.as_ref().map(|targets| targets.slice(s![..n, ..]).to_owned()),
            heads: self.heads.iter().map(|due| due.of(&(0..n).collect::<Vec<_>>())).collect(),
        }
    }

    /// Some of the samples, in the order given.
    fn of(&self, samples: &[usize]) -> Split {
        Split {
            x: self.x.select(samples),
            labels: samples.iter().filter_map(|&i| self.labels.get(i)).copied().collect(),
            targets: self.targets.as_ref().map(|targets| targets.select(Axis(0), samples)),
            heads: self.heads.iter().map(|due| due.of(samples)).collect(),
        }
    }

    fn select(x: &Values, labels: &[u32], samples: &[usize]) -> Split {
        let labels = samples.iter().map(|&i| labels[i]).collect();
        Split::of_classes(x.select(samples), labels)
    }
}

impl Due {
    /// What is due of some of the samples, in the order given.
    fn of(&self, samples: &[usize]) -> Due {
        match self {
            Due::Classes(labels) => Due::Classes(samples.iter().map(|i| labels[*i]).collect()),
            Due::Values(values) => Due::Values(values.select(Axis(0), samples)),
        }
    }

    /// Number of samples.
    fn len(&self) -> usize {
        match self {
            Due::Classes(labels) => labels.len(),
            Due::Values(values) => values.nrows(),
        }
    }
}

fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether samples of one shape can enter where another is due.
fn fits(has: &[usize], due: &[usize]) -> bool {
    let (of_has, of_due) = (axes(has), axes(due));
    of_has == of_due || of_has.len() <= 1 && elements(has) == elements(due)
}

/// The axes of more than one element.
fn axes(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|size| *size != 1).collect()
}

/// The line of NumPy that makes arrays of samples of shape `has` into ones of shape `takes` by the
/// order of their axes alone, with a word before it; none where that cannot be.
fn reorder(has: &[usize], takes: &[usize]) -> Option<String> {
    if has.len() != takes.len() {
        return None;
    }
    if let [channels, height, width] = has
        && takes == [*height, *width, *channels]
    {
        return Some("move the channels last: x = np.moveaxis(x, 1, -1)".into());
    }
    // Of equal sizes the first one that is left.
    let mut left: Vec<usize> = (0..has.len()).collect();
    let mut order = vec![];
    for size in takes {
        let at = left.iter().position(|axis| has[*axis] == *size)?;
        order.push((1 + left.remove(at)).to_string());
    }
    Some(format!("bring the axes into order: x = np.transpose(x, (0, {}))", order.join(", ")))
}

/// The least and the largest of some numbers.
fn ends(of: ArrayView1<f64>) -> (f64, f64) {
    of.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)))
}

/// A number for people, of about four digits.
fn shown(v: f64) -> String {
    let text = significant(v);
    let rest = text.trim_end_matches('0').trim_end_matches('.');
    if text.contains('.') { rest.to_owned() } else { text }
}

/// A fixed, class-balanced split: in order of appearance, every fifth sample of each class is a
/// test sample. Returns the train and the test samples' indices, ascending.
fn split_by_class(labels: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = std::collections::BTreeMap::new();
    (0..labels.len()).partition(|&i| {
        let count = seen.entry(labels[i]).or_insert(0u32);
        *count += 1;
        *count % 5 != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn of_shape(shape: &[usize]) -> DataSet {
        let x = Array2::zeros((1, shape.iter().product()));
        let split = Split::of_classes(x.into(), vec![0]);
        DataSet {
            name: "d".into(),
            shape: shape.to_vec(),
            further: vec![],
            classes: 1,
            class_names: None,
            notes: vec![],
            train: split.clone(),
            test: split,
        }
    }

    #[test]
    fn samples_fit_by_shape_and_not_by_number() {
        for (has, takes) in [
            (&[8, 8, 3][..], &[8, 8, 3][..]),
            (&[8, 8], &[8, 8, 1]),
            (&[8, 8, 1], &[8, 8]),
            (&[1, 8, 8], &[8, 8]),
            (&[64], &[8, 8]),
            (&[1, 192], &[8, 8, 3]),
            (&[1], &[1, 1, 1]),
            (&[192], &[3, 8, 8]),
            (&[3, 8, 9], &[3, 8, 9]),
        ] {
            of_shape(has).check_shape::<Edge>(takes, &[], "").unwrap();
        }
        for (has, takes, help) in [
            (&[3, 8, 8][..], &[3, 8, 8][..], "set `shape = [8, 8, 3]` and move the channels last"),
            (&[1, 8, 8], &[1, 8, 8], "rows of numbers: x.reshape(len(x), -1)"),
            (&[3, 8, 8], &[8, 8, 3], "move the channels last: x = np.moveaxis(x, 1, -1)"),
            (&[3, 4, 8], &[4, 8, 3], "move the channels last: x = np.moveaxis(x, 1, -1)"),
            (&[8, 3, 4], &[4, 8, 3], "x = np.transpose(x, (0, 3, 1, 2))"),
            (&[8, 16], &[16, 8], "x = np.transpose(x, (0, 2, 1))"),
            (&[4, 16, 3], &[8, 8, 3], "another"),
            (&[8, 8], &[64], "another"),
            (&[63], &[8, 8], "another"),
        ] {
            let e =
                of_shape(has).check_shape::<Edge>(takes, &[], "another").unwrap_err().to_string();
            let told = if has == takes {
                format!("samples of shape {has:?}, and so the network takes them")
            } else {
                format!("samples of shape {has:?}, the network takes {takes:?}")
            };
            assert!(e.contains(&told) && e.contains(help), "{e}");
        }
    }

    #[test]
    fn a_fifth_of_each_class_is_tested() {
        let labels = [0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 2];
        let (train, test) = split_by_class(&labels);
        assert_eq!(test, [4, 10]);
        assert_eq!(train, [0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 12]);
    }

    #[test]
    fn take_is_bounded() {
        let split = Split::of_classes(array![[1.0], [2.0]].into(), vec![0, 1]);
        assert_eq!(split.take(1), Split::of_classes(array![[1.0]].into(), vec![0]));
        assert_eq!(split.take(9), split);
    }
}
