//! Data sets as four `.npy` arrays: samples on the first axis of x, one class for each in y.

use super::npy::Npy;
use super::{DataSet, Values, labels};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The data set in four files, or in a folder of them; a number v is v · 2^-frac, by default frac =
/// 8 for bytes, else 0.
pub fn load(name: &str, files: &[PathBuf], frac: Option<i32>) -> Result<DataSet> {
    let files = match files {
        [folder] => {
            if !folder.is_dir() {
                return Err(Error::io(folder, "is not a folder").help(
                    "name a folder with x_train.npy, y_train.npy, x_test.npy and y_test.npy, or \
                     the four files",
                ));
            }
            ["x_train", "y_train", "x_test", "y_test"].map(|stem| in_folder(folder, stem))
        }
        [a, b, c, d] => [a, b, c, d].map(Clone::clone),
        _ => return Err(Error::internal("arrays", "wrong number of files")),
    };
    let [x_train, y_train, x_test, y_test] = &files;
    let (shape, train, train_labels) = split(x_train, y_train, frac)?;
    let (test_shape, test, test_labels) = split(x_test, y_test, frac)?;
    if shape != test_shape {
        return Err(Error::input(
            x_test.display(),
            format_args!(
                "has samples of shape {test_shape:?}, {} has {shape:?}",
                x_train.display()
            ),
        ));
    }
    let places = [y_train, y_test].map(|path| path.display().to_string());
    let classes =
        labels::of_numbers([&train_labels, &test_labels], places.each_ref().map(String::as_str))?;
    Ok(DataSet::new(name, shape, classes, [train, test]))
}

/// `x_train.npy`, or as some write it `X_train.npy` or `X_TRAIN.npy`.
fn in_folder(folder: &Path, stem: &str) -> PathBuf {
    let capital = stem.replacen(['x', 'y'], &stem[..1].to_uppercase(), 1);
    let names =
        [stem.to_owned(), capital, stem.to_uppercase()].map(|stem| folder.join(stem + ".npy"));
    names.iter().find(|path| path.is_file()).unwrap_or(&names[0]).clone()
}

/// The shape of a sample, the values and the labels.
fn split(x: &Path, y: &Path, frac: Option<i32>) -> Result<(Vec<usize>, Values, Vec<i64>)> {
    let (x_file, y_file) = (Npy::read(x)?, Npy::read(y)?);
    let Some((samples, shape)) = x_file.shape.split_first() else {
        return Err(Error::input(
            x.display(),
            "is a single number: the first axis must be the samples",
        ));
    };
    if x_file.shape.contains(&0) {
        return Err(Error::input(
            x.display(),
            format_args!("has shape {:?}: it is empty", x_file.shape),
        ));
    }
    let shape = if shape.is_empty() { vec![1] } else { shape.to_vec() };
    let frac = frac.unwrap_or(if x_file.is_u8() { 8 } else { 0 });
    let x_values = x_file.values(frac)?;
    if !matches!(y_file.shape[..], [n] | [n, 1] if n == *samples) {
        return Err(Error::input(
            y.display(),
            format_args!(
                "has shape {:?}, it must be [{samples}]: one class per sample",
                y_file.shape
            ),
        ));
    }
    Ok((shape, x_values, y_file.integers()?.into_iter().collect()))
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
            ([x(), y(), array![[1], [2]].into_dyn(), y()], "samples of shape [1]"),
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
