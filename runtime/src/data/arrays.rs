//! Data sets as four arrays of NumPy: samples on the first axis of x, one class for each in y.

use super::npy::Npy;
use super::npz::Npz;
use super::{DataSet, Due, Values, Wanted, labels};
use crate::error::{Error, Result};
use crate::network::Loss;
use ndarray::Array2;
use std::path::{Path, PathBuf};

/// The four arrays, by the names that they have here and in Keras, and by those of MedMNIST.
const NAMES: [[&str; 2]; 4] = [
    ["x_train", "train_images"],
    ["y_train", "train_labels"],
    ["x_test", "test_images"],
    ["y_test", "test_labels"],
];

/// The names of all arrays: the four, then what is due of each head in train and test, then what
/// enters each further input there.
fn names(wanted: &Wanted) -> Vec<Vec<String>> {
    let heads = wanted.heads.iter().flat_map(|(head, _)| {
        ["train", "test"].map(|part| written([format!("y_{part}_{head}")]).collect())
    });
    let further = wanted.further.iter().flat_map(|name| {
        ["train", "test"].map(|part| written([format!("x_{part}_{name}")]).collect())
    });
    let four = NAMES.map(|names| written(names.map(str::to_owned)).collect());
    four.into_iter().chain(heads).chain(further).collect()
}

/// The data set in four `.npy` files, or in a folder of them; a number v is v · 2^-frac, by default
/// frac = 8 for bytes, else 0.
pub fn load(wanted: &Wanted, name: &str, files: &[PathBuf], frac: Option<i32>) -> Result<DataSet> {
    let files: Vec<PathBuf> = match files {
        [folder] => {
            if !folder.is_dir() {
                return Err(Error::io(folder, "is not a folder").help(
                    "name a folder with x_train.npy, y_train.npy, x_test.npy and y_test.npy, or \
                     the four files",
                ));
            }
            let file = |name: &String| folder.join(format!("{name}.npy"));
            let found = |names: Vec<String>| {
                let there = names.iter().map(file).find(|path| path.is_file());
                there.unwrap_or(file(&names[0]))
            };
            names(wanted).into_iter().map(found).collect()
        }
        [_, _, _, _] => files.to_vec(),
        _ => return Err(Error::internal("arrays", "wrong number of files")),
    };
    of_arrays(wanted, name, frac, |i| Npy::read(&files[i]))
}

/// The data set in an `.npz` file, likewise.
pub fn load_archive(
    wanted: &Wanted,
    name: &str,
    file: &Path,
    frac: Option<i32>,
) -> Result<DataSet> {
    let archive = Npz::read(file)?;
    let mut found = vec![];
    let all = names(wanted);
    for names in &all {
        let array = names.iter().find(|name| archive.names().any(|there| there == *name));
        found.push(array.ok_or_else(|| {
            let there = archive.names().take(12).collect::<Vec<_>>().join(", ");
            let cause = format!("has no array `{}` among {there}", names[0]);
            let names = all.iter().map(|names| names[0].as_str()).collect::<Vec<_>>().join(", ");
            Error::input(file.display(), cause).help(format_args!("name its arrays {names}"))
        })?);
    }
    of_arrays(wanted, name, frac, |i| archive.array(found[i]))
}

/// `x_train`, or as some write it `X_train` or `X_TRAIN`, and so on.
fn written(names: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    names.into_iter().flat_map(|name| {
        let capital = name.replacen(['x', 'y'], &name[..1].to_uppercase(), 1);
        let upper = name.to_uppercase();
        [name, capital, upper]
    })
}

/// The data set in arrays that are named as [`names`] has them, each read in its turn.
fn of_arrays(
    wanted: &Wanted,
    name: &str,
    frac: Option<i32>,
    read: impl Fn(usize) -> Result<Npy>,
) -> Result<DataSet> {
    let [(shape, train, y_train), (test_shape, test, y_test)] =
        [split(read(0)?, read(1)?, frac)?, split(read(2)?, read(3)?, frac)?];
    if shape != test_shape {
        let cause =
            format!("has test samples of shape {test_shape:?}, its train samples have {shape:?}");
        return Err(Error::input(format_args!("data set `{name}`"), cause));
    }
    let samples = [train.dim().0, test.dim().0];
    let mut data = if wanted.loss != Loss::CrossEntropy {
        let targets = vec![targets(&y_train)?, targets(&y_test)?];
        DataSet::of_targets(name, y_train.place(), shape, targets, vec![train, test])?
    } else {
        let classes = classes_of([&y_train, &y_test], samples)?;
        DataSet::new(name, shape, classes, [train, test])
    };
    for (k, (head, loss)) in wanted.heads.iter().enumerate() {
        let y = [read(4 + 2 * k)?, read(5 + 2 * k)?];
        let due = if *loss != Loss::CrossEntropy {
            [Due::Values(targets(&y[0])?), Due::Values(targets(&y[1])?)]
        } else {
            let classes = classes_of([&y[0], &y[1]], samples).map_err(|e| {
                e.help(format_args!(
                    "a head is trained to classes where nothing else is said: for numbers set \
                     `heads = {{ {head} = {{ loss = \"squared\" }} }}` under `train`, for labels \
                     `\"binary_cross_entropy\"`"
                ))
            })?;
            data.notes.extend(classes.notes);
            classes.labels.map(Due::Classes)
        };
        for (split, due) in [&mut data.train, &mut data.test].into_iter().zip(due) {
            split.heads.push(due);
        }
    }
    for (k, name) in wanted.further.iter().enumerate() {
        let first = 4 + 2 * (wanted.heads.len() + k);
        let [(shape, train), (test_shape, test)] =
            [values(read(first)?, frac)?, values(read(first + 1)?, frac)?];
        let place = || format!("data set `{}`, input `{name}`", data.name);
        if shape != test_shape {
            let cause = format!(
                "has test samples of shape {test_shape:?}, its train samples have {shape:?}"
            );
            return Err(Error::input(place(), cause));
        }
        for (has, due) in [train.dim().0, test.dim().0].into_iter().zip(samples) {
            if has != due {
                let cause = format!("has {has} samples, where {due} enter the first layer");
                return Err(Error::input(place(), cause));
            }
        }
        for (split, own) in [&mut data.train, &mut data.test].into_iter().zip([train, test]) {
            let x = std::mem::replace(&mut split.x, Array2::<f32>::zeros((0, 0)).into());
            split.x = x.beside(own);
        }
        data.further.push((name.clone(), shape));
    }
    Ok(data)
}

/// The classes of train and test samples, of which there are so many.
fn classes_of(y: [&Npy; 2], samples: [usize; 2]) -> Result<labels::Classes> {
    let all = [classes(y[0], samples[0])?, classes(y[1], samples[1])?];
    labels::of_numbers([&all[0], &all[1]], [y[0].place(), y[1].place()])
}

/// One class for each of so many samples.
fn classes(y: &Npy, samples: usize) -> Result<Vec<i64>> {
    if !matches!(y.shape[..], [n] | [n, 1] if n == samples) {
        let several = matches!(y.shape[..], [n, _] if n == samples);
        let error = Error::input(
            y.place(),
            format_args!("has shape {:?}, it must be [{samples}]: one class per sample", y.shape),
        );
        return Err(if several { error.help(labels::SEVERAL) } else { error });
    }
    Ok(y.integers()?.into_iter().collect())
}

/// The numbers that are due, a row a sample.
fn targets(y: &Npy) -> Result<Array2<f64>> {
    let (samples, outputs) = match y.shape[..] {
        [n] => (n, 1),
        [n, outputs] => (n, outputs),
        _ => {
            let cause = format!("has shape {:?}: a row of numbers a sample is due", y.shape);
            return Err(Error::input(y.place(), cause));
        }
    };
    y.values(0)?
        .doubles()
        .into_owned()
        .into_shape_with_order((samples, outputs))
        .map_err(|e| Error::internal(y.place(), e))
}

/// The shape of a sample, the values, and what is due.
fn split(x: Npy, y: Npy, frac: Option<i32>) -> Result<(Vec<usize>, Values, Npy)> {
    let (shape, values) = values(x, frac)?;
    Ok((shape, values, y))
}

/// The shape of a sample, and the values.
fn values(x: Npy, frac: Option<i32>) -> Result<(Vec<usize>, Values)> {
    let Some((_, shape)) = x.shape.split_first() else {
        let cause = "is a single number: the first axis must be the samples";
        return Err(Error::input(x.place(), cause));
    };
    if x.shape.contains(&0) {
        return Err(Error::input(x.place(), format_args!("has shape {:?}: it is empty", x.shape)));
    }
    let shape = if shape.is_empty() { vec![1] } else { shape.to_vec() };
    let values = x.values(frac.unwrap_or(if x.is_u8() { 8 } else { 0 }))?;
    Ok((shape, values))
}

#[cfg(test)]
mod tests {
    use super::super::{load, npy};
    use ndarray::{ArrayD, array};
    use std::path::Path;

    fn load_arrays(arrays: [ArrayD<i64>; 4]) -> crate::Result<crate::DataSet> {
        let folder = tempfile::tempdir().unwrap();
        for (name, array) in ["x_train", "Y_TRAIN", "X_test", "y_test"].iter().zip(arrays) {
            std::fs::write(folder.path().join(format!("{name}.npy")), npy::to_bytes(&array))
                .unwrap();
        }
        load(&format!("npy:{},frac=1", folder.path().display()), Path::new("/nowhere"))
    }

    #[test]
    fn four_arrays_are_a_set() {
        let x = array![[[1, 2], [3, 4]], [[5, 6], [7, -8]]].into_dyn();
        let data =
            load_arrays([x.clone(), array![0, 2].into_dyn(), x, array![[1], [0]].into_dyn()])
                .unwrap();
        assert_eq!((&data.shape[..], data.classes), (&[2, 2][..], 3));
        assert_eq!(data.train.x, array![[0.5, 1.0, 1.5, 2.0], [2.5, 3.0, 3.5, -4.0]].into());
        assert_eq!((data.train.labels, data.test.labels), (vec![0, 2], vec![1, 0]));
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let x = || array![[1, 2], [3, 4]].into_dyn();
        let y = || array![0, 1].into_dyn();
        let empty = || ArrayD::from_shape_vec(vec![0, 1 << 40], vec![]).unwrap();
        for (arrays, cause) in [
            ([x(), y(), array![[1], [2]].into_dyn(), y()], "test samples of shape [1]"),
            ([x(), y(), x(), array![0].into_dyn()], "has shape [1], it must be [2]"),
            (
                [x(), array![[0, 1], [1, 0]].into_dyn(), x(), y()],
                "has shape [2, 2], it must be [2]",
            ),
            ([x(), array![0, 1 << 40].into_dyn(), x(), y()], "sample 1 has label 1099511627776"),
            ([ndarray::arr0(1).into_dyn(), y(), x(), y()], "is a single number"),
            ([empty(), y(), x(), y()], "has shape [0, 1099511627776]: it is empty"),
        ] {
            let e = load_arrays(arrays).unwrap_err().to_string();
            assert!(e.contains(cause), "{e}");
        }
    }

    #[test]
    fn a_missing_array_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let e = load(&format!("npy:{}", folder.path().display()), Path::new("/nowhere"))
            .unwrap_err()
            .to_string();
        assert!(e.contains("x_train.npy: cannot be read"), "{e}");
        let e = load("npy:/nowhere/at/all", Path::new("/nowhere")).unwrap_err().to_string();
        assert!(e.contains("is not a folder"), "{e}");
    }
}
