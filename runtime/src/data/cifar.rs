//! CIFAR-10 (Krizhevsky 2009) in its binary version: 60,000 images of 32×32×3 in ten classes.
//!
//! Six files of 10,000 records each; a record is one byte for the class, then 1,024 bytes of red,
//! of green and of blue, row by row. The copy that circulates as JPEG files has the same layout
//! once it is unpacked, but other pixels and another order.

use super::{DataSet, Split};
use crate::error::{Error, Result};
use crate::files;
use ndarray::Array2;
use std::path::{Path, PathBuf};

/// The name of the set in its JPEG copy, which is slightly lossy.
pub const COPY: &str = "CIFAR-10 (JPEG copy)";

/// Files of the training split, then the one of the test split.
const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
/// The folder that the archive unpacks to.
const FOLDER: &str = "cifar-10-batches-bin";
/// Records of each file.
const RECORDS: usize = 10_000;
const PIXELS: usize = 32 * 32;
const RECORD: usize = 1 + 3 * PIXELS;
const CLASSES: u8 = 10;
/// The classes with which the official first batch and test batch begin; the copy is in another
/// order.
const OFFICIAL: [[u32; 10]; 2] = [[6, 9, 9, 4, 1, 1, 2, 7, 8, 3], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]];

/// The six files in `folder` or in the folder that the archive makes in it, or the first that is
/// missing.
pub fn files(folder: &Path) -> std::result::Result<[PathBuf; 6], &'static str> {
    let inner = folder.join(FOLDER);
    let folder = if inner.is_dir() { &inner } else { folder };
    let paths = FILES.map(|name| folder.join(name));
    match paths.iter().zip(FILES).find(|(path, _)| !path.is_file()) {
        Some((_, name)) => Err(name),
        None => Ok(paths),
    }
}

/// The set in `folder`, called `name` or, where it is in another order, [`COPY`]. A pixel v is v ·
/// 2^-8.
///
/// # Errors
/// Where a file is missing, is not as long as it must be, or holds a class that there is not.
pub fn load(name: &str, folder: &Path) -> Result<DataSet> {
    load_records(name, folder, RECORDS)
}

/// The set in files of so many records.
fn load_records(name: &str, folder: &Path, records: usize) -> Result<DataSet> {
    let paths = files(folder).map_err(|missing| {
        Error::io(folder, format_args!("has no file {missing}")).help(format_args!(
            "CIFAR-10's binary version is data_batch_1.bin to data_batch_5.bin and test_batch.bin, \
             there or in {FOLDER}"
        ))
    })?;
    let [train @ .., test] = &paths;
    let (train, test) = (split(train, records)?, split(std::slice::from_ref(test), records)?);
    let official =
        [&train, &test].iter().zip(OFFICIAL).all(|(split, first)| split.labels.starts_with(&first));
    let name = if official { name } else { COPY };
    let (name, shape, classes) = (name.into(), vec![32, 32, 3], CLASSES.into());
    let (class_names, further, notes) = (None, vec![], vec![]);
    Ok(DataSet { name, shape, further, classes, class_names, notes, train, test })
}

fn split(paths: &[PathBuf], records: usize) -> Result<Split> {
    let samples = paths.len() * records;
    let (mut x, mut labels) =
        (Vec::with_capacity(samples * (RECORD - 1)), Vec::with_capacity(samples));
    for path in paths {
        batch(path, records, &mut x, &mut labels)?;
    }
    let x = Array2::from_shape_vec((samples, RECORD - 1), x)
        .map_err(|e| Error::internal("cifar10", e))?;
    Ok(Split::of_classes(x.into(), labels))
}

/// Appends the images of a file.
fn batch(path: &Path, records: usize, x: &mut Vec<f32>, labels: &mut Vec<u32>) -> Result<()> {
    let bytes = files::read(path)?;
    let refuse = |cause: std::fmt::Arguments| {
        Error::input(path.display(), cause).help("fetch and unpack CIFAR-10's binary version again")
    };
    if bytes.len() != records * RECORD {
        return Err(refuse(format_args!(
            "is {} bytes long; a batch of CIFAR-10 has {records} images of {RECORD} bytes, {}",
            bytes.len(),
            records * RECORD
        )));
    }
    for (i, record) in bytes.chunks(RECORD).enumerate() {
        if record[0] >= CLASSES {
            return Err(refuse(format_args!(
                "image {i} has class {}, there are {CLASSES}",
                record[0]
            )));
        }
        labels.push(record[0].into());
        let planes = &record[1..];
        x.extend((0..3 * PIXELS).map(|k| f32::from(planes[k % 3 * PIXELS + k / 3]) / 256.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;

    /// A file of `records` images, whose pixels are numbers of plane, row and column.
    fn file(labels: &[u8]) -> Vec<u8> {
        let pixels = |image: usize| {
            (0..3 * PIXELS).map(move |k| (k / PIXELS * 80 + k / 32 % 32 + k % 32 + image) as u8)
        };
        labels
            .iter()
            .enumerate()
            .flat_map(|(image, label)| [*label].into_iter().chain(pixels(image)))
            .collect()
    }

    fn write(folder: &Path, labels: [&[u8]; 6]) {
        std::fs::create_dir_all(folder).unwrap();
        for (name, labels) in FILES.iter().zip(labels) {
            std::fs::write(folder.join(name), file(labels)).unwrap();
        }
    }

    #[test]
    fn planes_become_pixels() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), [&[1, 2], &[3, 4], &[5, 6], &[7, 8], &[9, 0], &[2, 3]]);
        let data = load_records("cifar10", folder.path(), 2).unwrap();
        assert_eq!((&data.name[..], &data.shape[..], data.classes), (COPY, &[32, 32, 3][..], 10));
        assert_eq!(data.train.labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
        assert_eq!(data.test.labels, [2, 3]);
        for (image, x) in data.train.x.singles().outer_iter().enumerate() {
            for (row, column, plane) in [(0, 0, 0), (0, 0, 1), (0, 31, 2), (31, 0, 0), (17, 5, 2)] {
                let byte = plane * 80 + row + column + image % 2;
                assert_eq!(x[(row * 32 + column) * 3 + plane], byte as f32 / 256.0);
            }
        }
        // As the archive unpacks, and in the official order.
        let outer = tempfile::tempdir().unwrap();
        let [train, test] = OFFICIAL.map(|labels| labels.map(|l| l as u8));
        write(&outer.path().join(FOLDER), [&train, &test, &test, &test, &test, &test]);
        assert_eq!(load_records("cifar10", outer.path(), 10).unwrap().name, "cifar10");
    }

    #[test]
    fn damaged_files_get_one_message() {
        let folder = tempfile::tempdir().unwrap();
        let good: [&[u8]; 6] = [&[1, 2]; 6];
        let whole = file(&[1, 2]);
        let longer = [&whole[..], &[0]].concat();
        let class = file(&[1, 10]);
        let lengths = [0, 1, RECORD - 1, RECORD, RECORD + 1, whole.len() - 1];
        let truncated =
            lengths.map(|n| (whole[..n].to_vec(), "bytes long; a batch of CIFAR-10 has 2 images"));
        let others =
            [(longer, "is 6147 bytes long"), (class, "image 1 has class 10, there are 10")];
        for (bytes, cause) in truncated.into_iter().chain(others) {
            write(folder.path(), good);
            std::fs::write(folder.path().join(FILES[3]), bytes).unwrap();
            let e = load_records("cifar10", folder.path(), 2).unwrap_err();
            assert_eq!(e.kind(), crate::Kind::Input);
            assert!(
                e.to_string().contains("data_batch_4.bin: ") && e.to_string().contains(cause),
                "{e}"
            );
        }
        std::fs::remove_file(folder.path().join(FILES[5])).unwrap();
        let e = data::load(&format!("cifar10:{}", folder.path().display()), Path::new("/nowhere"))
            .unwrap_err();
        assert!(e.to_string().contains("has no file test_batch.bin"), "{e}");
        // A part of the set is not the set.
        write(folder.path(), good);
        let e = data::load(&format!("cifar10:{}", folder.path().display()), Path::new("/nowhere"))
            .unwrap_err();
        assert!(
            e.to_string().contains("is 6146 bytes long; a batch of CIFAR-10 has 10000 images"),
            "{e}"
        );
        let e = data::load("cifar10", folder.path()).unwrap_err().to_string();
        assert!(e.contains("data/cifar10") && e.contains("cifar-10-binary.tar.gz"), "{e}");
    }

    /// The copy or the official set, where it is installed.
    #[test]
    fn the_real_set_is_read() {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = variable("STRASSENC_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".strassenc")));
        let home = home.unwrap_or_default();
        if data::installed("cifar10", &home).is_none() {
            eprintln!("skipped: CIFAR-10 is not in {}", home.join("data/cifar10").display());
            return;
        }
        let data = data::load("cifar10", &home).unwrap();
        assert_eq!((data.train.len(), data.test.len(), data.elements()), (50_000, 10_000, 3072));
        assert!(["cifar10", COPY].contains(&&data.name[..]));
        for (split, each) in [(&data.train, 5_000), (&data.test, 1_000)] {
            for class in 0..10 {
                assert_eq!(split.labels.iter().filter(|l| **l == class).count(), each);
            }
            // Channel means of the set, in 1/256: 125, 122, 113.
            for (c, mean) in [0.49, 0.48, 0.44].into_iter().enumerate() {
                let sum: f64 =
                    split.x.singles().iter().skip(c).step_by(3).map(|v| f64::from(*v)).sum();
                assert!((sum / (split.len() * PIXELS) as f64 - mean).abs() < 0.01);
            }
        }
    }
}
