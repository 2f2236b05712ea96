//! IDX files, as MNIST and its kin come in: a magic number, big-endian sizes, then bytes. Plain or gzip.

use super::{DataSet, MAX_ELEMENTS, Split, classes, gzip};
use crate::error::{Error, Result};
use crate::files;
use ndarray::Array2;
use std::path::{Path, PathBuf};

/// The four files of a set, by the stem that MNIST gave them.
const STEMS: [&str; 4] = ["train-images", "train-labels", "t10k-images", "t10k-labels"];

/// The four files in `folder`, or the first stem that is missing.
pub fn files(folder: &Path) -> std::result::Result<[PathBuf; 4], &'static str> {
    let mut found: [PathBuf; 4] = Default::default();
    for (stem, found) in STEMS.iter().zip(&mut found) {
        let rank = if stem.ends_with("images") { "idx3" } else { "idx1" };
        let names = ["-", "."].map(|dot| format!("{stem}{dot}{rank}-ubyte"));
        let mut candidates = names.iter().flat_map(|n| [n.clone(), format!("{n}.gz")]).map(|n| folder.join(n));
        *found = candidates.find(|path| path.is_file()).ok_or(*stem)?;
    }
    Ok(found)
}

/// The set in `folder`; a pixel v is v · 2^-frac.
///
/// # Errors
/// Where a file is missing or damaged, or the files do not fit each other.
pub fn load(name: &str, folder: &Path, frac: i32) -> Result<DataSet> {
    let [train_images, train_labels, test_images, test_labels] = files(folder).map_err(|stem| {
        Error::io(folder, format_args!("has no file `{stem}-*-ubyte`, plain or .gz"))
            .help(format_args!("an IDX folder holds {}", STEMS.map(|s| format!("{s}-*-ubyte")).join(", ")))
    })?;
    let (shape, train) = split(&train_images, &train_labels, frac)?;
    let (test_shape, test) = split(&test_images, &test_labels, frac)?;
    if shape != test_shape {
        return Err(Error::input(
            test_images.display(),
            format_args!("has samples of shape {test_shape:?}, the train images have {shape:?}"),
        ));
    }
    let classes = classes([&train.labels, &test.labels]);
    Ok(DataSet { name: name.into(), shape, classes, train, test })
}

fn split(images: &Path, labels: &Path, frac: i32) -> Result<(Vec<usize>, Split)> {
    let (image_file, label_file) = (read(images)?, read(labels)?);
    let (image_shape, pixels) = parse(&image_file).map_err(|cause| Error::input(images.display(), cause))?;
    let (label_shape, classes) = parse(&label_file).map_err(|cause| Error::input(labels.display(), cause))?;
    let [samples, shape @ ..] = &image_shape[..] else {
        return Err(Error::internal(images.display(), "an IDX file without axes was not refused"));
    };
    if shape.is_empty() {
        return Err(Error::input(images.display(), "holds labels, where images are expected"));
    }
    if label_shape.len() != 1 {
        return Err(Error::input(labels.display(), format_args!("has shape {label_shape:?}: labels have one axis")));
    }
    if label_shape[0] != *samples {
        return Err(Error::input(
            labels.display(),
            format_args!("has {} labels for the {samples} images of {}", label_shape[0], images.display()),
        ));
    }
    let scale = f32::powi(2.0, -frac);
    let pixels = pixels.iter().map(|v| f32::from(*v) * scale).collect();
    let x = Array2::from_shape_vec((*samples, shape.iter().product()), pixels)
        .map_err(|e| Error::input(images.display(), e))?;
    Ok((shape.to_vec(), Split { x, labels: classes.iter().map(|l| u32::from(*l)).collect() }))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    gzip::read(path.display(), files::read(path)?, MAX_ELEMENTS)
}

/// Shape and bytes of an IDX file of unsigned bytes.
fn parse(content: &[u8]) -> std::result::Result<(Vec<usize>, &[u8]), String> {
    let Some((magic, rest)) = content.split_first_chunk::<4>() else {
        return Err(format!("is {} bytes long: too short for an IDX file", content.len()));
    };
    let axes = match magic {
        [0, 0, 8, axes] if *axes > 0 => usize::from(*axes),
        [0, 0, kind, _] => {
            return Err(format!("is an IDX file of type {kind:#04x}: only unsigned bytes (0x08) are read"));
        }
        _ => return Err(format!("is not an IDX file: it starts with {magic:02x?}")),
    };
    if rest.len() < 4 * axes {
        return Err(format!("is truncated: the sizes of its {axes} axes are missing"));
    }
    let (sizes, data) = rest.split_at(4 * axes);
    let shape: Vec<usize> = sizes.as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b) as usize).collect();
    let elements = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
    if elements != Some(data.len()) {
        return Err(format!("declares the shape {shape:?}, but holds {} bytes of data", data.len()));
    }
    if data.len() > MAX_ELEMENTS {
        return Err(format!("declares the shape {shape:?}: more than {MAX_ELEMENTS} elements"));
    }
    if data.is_empty() {
        return Err(format!("declares the shape {shape:?}: it is empty"));
    }
    Ok((shape, data))
}
