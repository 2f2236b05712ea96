//! Data sets: real samples with labels, split into train and test.
//!
//! [`load`] reads what a short text names ([`GRAMMAR`]); [`integers`] turns real values into a format's integers, the
//! same way for training, golden and simulation.

mod arrays;
mod cifar;
mod csv;
mod digits;
mod find;
mod gzip;
mod idx;
pub mod ngram;
pub mod npy;
mod spec;
pub mod text;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::Model;
use ndarray::{Array2, Axis, s};
use std::path::Path;

pub use find::{installed, spec_of};
pub use spec::GRAMMAR;
pub use text::{FIRST_CHARACTER, Symbols, Text};

/// The most elements that one split may hold: 2^30 (4 GiB of f32).
pub const MAX_ELEMENTS: usize = 1 << 30;

/// The most classes of a data set; labels are below it.
pub const MAX_CLASSES: usize = 1 << 16;

/// Labelled samples of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// A short name, e.g. `digits`.
    pub name: String,
    /// Sizes of a sample's axes in row-major order, e.g. `[28, 28]`.
    pub shape: Vec<usize>,
    /// Number of classes; every label is below it.
    pub classes: usize,
    /// What training sees.
    pub train: Split,
    /// What accuracy is measured on.
    pub test: Split,
}

/// Samples and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// `[samples, elements]`: finite real values. A pixel v of 8 bits is v · 2^-8, one of the digits v · 2^-4, both exact.
    pub x: Array2<f32>,
    /// `[samples]`: the class of each sample.
    pub labels: Vec<u32>,
}

/// Loads the data set that `spec` names: see [`GRAMMAR`]. `home` is the folder that installed sets lie under
/// (`$STRASSENC_HOME`).
///
/// # Errors
/// Where the text is not in the grammar, the set is not installed (the help says how to get it), or a file is missing,
/// damaged or inconsistent; with the file and the sample.
pub fn load(spec: &str, home: &Path) -> Result<DataSet> {
    let data = spec::parse(spec)?.load(home)?;
    data.validate()?;
    Ok(data)
}

impl DataSet {
    /// Number of elements of a sample.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Checks that `model` can be fed with the samples and can tell the classes apart.
    ///
    /// # Errors
    /// Where the number of elements differs, or there are more classes than outputs.
    pub fn check_fits(&self, model: &Model) -> Result<()> {
        let place = format!("data set `{}`", self.name);
        if self.elements() != model.input.elements() {
            return Err(Error::input(
                place,
                format_args!("has samples of shape {:?}, the network takes {:?}", self.shape, model.input.shape),
            ));
        }
        if self.classes > model.outputs() {
            return Err(Error::input(
                place,
                format_args!("has {} classes, the network {} outputs", self.classes, model.outputs()),
            ));
        }
        Ok(())
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
            if samples != split.labels.len() {
                return Err(Error::input(
                    place(name),
                    format_args!("has {samples} samples, but {} labels", split.labels.len()),
                ));
            }
            if let Some((i, label)) = split.labels.iter().enumerate().find(|(_, l)| **l as usize >= self.classes) {
                return Err(Error::input(
                    place(name),
                    format_args!("sample {i} has label {label}, outside 0..{}", self.classes),
                ));
            }
            if let Some(((i, j), v)) = split.x.indexed_iter().find(|(_, v)| !v.is_finite()) {
                return Err(Error::input(place(name), format_args!("sample {i}, element {j} is {v}"))
                    .help("remove or replace the samples that hold it"));
            }
        }
        Ok(())
    }
}

impl Split {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The first `n` samples, or all where there are fewer.
    pub fn take(&self, n: usize) -> Split {
        let n = n.min(self.len());
        Split { x: self.x.slice(s![..n, ..]).to_owned(), labels: self.labels[..n].to_vec() }
    }

    fn select(x: &Array2<f32>, labels: &[u32], samples: &[usize]) -> Split {
        Split { x: x.select(Axis(0), samples), labels: samples.iter().map(|&i| labels[i]).collect() }
    }
}

/// The integers of `x` in `format`: round(x · 2^frac), half up, saturated. Same shape as `x`.
///
/// # Errors
/// Where a value is NaN or infinite, with its sample and element.
pub fn integers(x: &Array2<f32>, format: Format) -> Result<Array2<i64>> {
    if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::input(format_args!("sample {i}, element {j}"), format_args!("is {v}, not a number")));
    }
    let scale = f64::powi(2.0, format.frac);
    // Exact but for the rounding: f64 holds an f32 times a power of two, and from 2^52 on, where the half would be
    // rounded, every format saturates.
    Ok(x.mapv(|v| format.saturate((f64::from(v) * scale + 0.5).floor() as i64)))
}

/// A fixed, class-balanced split: in order of appearance, every fifth sample of each class is a test sample.
/// Returns the train and the test samples' indices, ascending.
fn split_by_class(labels: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = std::collections::BTreeMap::new();
    (0..labels.len()).partition(|&i| {
        let count = seen.entry(labels[i]).or_insert(0u32);
        *count += 1;
        *count % 5 != 0
    })
}

/// One more than the largest label.
fn classes(splits: [&[u32]; 2]) -> usize {
    splits.into_iter().flatten().max().map_or(0, |&l| l as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const U8: Format = Format { signed: false, bits: 8, frac: 8 };
    const S4: Format = Format { signed: true, bits: 4, frac: -1 };

    #[test]
    fn integers_round_half_up_and_saturate() {
        let x = array![[0.0, 0.5, 255.0 / 256.0, 1.0, -1.0, 0.49 / 256.0, 0.5 / 256.0, 1.5 / 256.0]];
        assert_eq!(integers(&x, U8).unwrap(), array![[0, 128, 255, 255, 0, 0, 1, 2]]);
        let x = array![[-1.0, 1.0, 3.0, -3.0, -5.0, 13.9, 1e30, -1e30, f32::MAX, f32::MIN_POSITIVE]];
        assert_eq!(integers(&x, S4).unwrap(), array![[0, 1, 2, -1, -2, 7, 7, -8, 7, 0]]);
    }

    #[test]
    fn integers_name_what_is_not_a_number() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let e = integers(&array![[0.0, 0.0], [0.0, bad]], U8).unwrap_err();
            assert!(e.to_string().contains("sample 1, element 1"), "{e}");
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
        let split = Split { x: array![[1.0], [2.0]], labels: vec![0, 1] };
        assert_eq!(split.take(1), Split { x: array![[1.0]], labels: vec![0] });
        assert_eq!(split.take(9), split);
    }
}
