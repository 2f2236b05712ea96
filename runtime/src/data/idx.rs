//! IDX files, as MNIST and its kin come in: a magic number, big-endian sizes, then bytes. Plain or
//! gzip.

use super::{DataSet, MAX_ELEMENTS, Values, gzip, labels};
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
        let mut candidates =
            names.iter().flat_map(|n| [n.clone(), format!("{n}.gz")]).map(|n| folder.join(n));
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
        Error::io(folder, format_args!("has no file `{stem}-*-ubyte`, plain or .gz")).help(
            format_args!(
                "an IDX folder holds {}",
                STEMS.map(|s| format!("{s}-*-ubyte")).join(", ")
            ),
        )
    })?;
    let (shape, train, train_classes) = split(&train_images, &train_labels, frac)?;
    let (test_shape, test, test_classes) = split(&test_images, &test_labels, frac)?;
    if shape != test_shape {
        return Err(Error::input(
            test_images.display(),
            format_args!("has samples of shape {test_shape:?}, the train images have {shape:?}"),
        ));
    }
    let places = [train_labels, test_labels].map(|path| path.display().to_string());
    let classes =
        labels::of_numbers([&train_classes, &test_classes], places.each_ref().map(String::as_str))?;
    Ok(DataSet::new(name, shape, classes, [train, test]))
}

/// The shape of an image, the pixels and the labels.
fn split(images: &Path, labels: &Path, frac: i32) -> Result<(Vec<usize>, Values, Vec<i64>)> {
    let (image_file, label_file) = (read(images)?, read(labels)?);
    let (image_shape, pixels) =
        parse(&image_file).map_err(|cause| Error::input(images.display(), cause))?;
    let (label_shape, classes) =
        parse(&label_file).map_err(|cause| Error::input(labels.display(), cause))?;
    let [samples, shape @ ..] = &image_shape[..] else {
        return Err(Error::internal(images.display(), "an IDX file without axes was not refused"));
    };
    if shape.is_empty() {
        return Err(Error::input(images.display(), "holds labels, where images are expected"));
    }
    if label_shape.len() != 1 {
        return Err(Error::input(
            labels.display(),
            format_args!("has shape {label_shape:?}: labels have one axis"),
        ));
    }
    if label_shape[0] != *samples {
        return Err(Error::input(
            labels.display(),
            format_args!(
                "has {} labels for the {samples} images of {}",
                label_shape[0],
                images.display()
            ),
        ));
    }
    let scale = f32::powi(2.0, -frac);
    let pixels = pixels.iter().map(|v| f32::from(*v) * scale).collect();
    let x: Array2<f32> = Array2::from_shape_vec((*samples, shape.iter().product()), pixels)
        .map_err(|e| Error::input(images.display(), e))?;
    Ok((shape.to_vec(), x.into(), classes.iter().map(|l| i64::from(*l)).collect()))
}

/// Whether a file may be a packed one, or an IDX file.
fn begins(bytes: &[u8]) -> std::result::Result<(), String> {
    match bytes {
        [0x1f, 0x8b, ..] | [0, 0, 1..=255, ..] => Ok(()),
        [a, b, c, d, ..] => {
            Err(format!("is not an IDX file: it starts with {:02x?}", [a, b, c, d]))
        }
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    gzip::read(path.display(), files::read_if(path, begins)?, MAX_ELEMENTS)
}

/// Shape and bytes of an IDX file of unsigned bytes.
fn parse(content: &[u8]) -> std::result::Result<(Vec<usize>, &[u8]), String> {
    let Some((magic, rest)) = content.split_first_chunk::<4>() else {
        return Err(format!("is {} bytes long: too short for an IDX file", content.len()));
    };
    let axes = match magic {
        [0, 0, 8, axes] if *axes > 0 => usize::from(*axes),
        [0, 0, kind, axes] => {
            return Err(format!(
                "is an IDX file of type {kind:#04x} with {axes} axes: only unsigned bytes (0x08) \
                 on 1 to 255 axes are read"
            ));
        }
        _ => return Err(format!("is not an IDX file: it starts with {magic:02x?}")),
    };
    if rest.len() < 4 * axes {
        return Err(format!("is truncated: the sizes of its {axes} axes are missing"));
    }
    let (sizes, data) = rest.split_at(4 * axes);
    let shape: Vec<usize> =
        sizes.as_chunks::<4>().0.iter().map(|b| u32::from_be_bytes(*b) as usize).collect();
    let elements = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
    if elements != Some(data.len()) {
        return Err(format!(
            "declares the shape {shape:?}, but holds {} bytes of data",
            data.len()
        ));
    }
    if data.len() > MAX_ELEMENTS {
        return Err(format!("declares the shape {shape:?}: more than {MAX_ELEMENTS} elements"));
    }
    if data.is_empty() {
        return Err(format!("declares the shape {shape:?}: it is empty"));
    }
    Ok((shape, data))
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::io::Write;
    use std::path::Path;

    fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|s| s.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn good() -> [Vec<u8>; 4] {
        let images = idx(&[2, 2, 2], &[0, 1, 2, 3, 128, 255, 6, 7]);
        [images.clone(), idx(&[2], &[0, 4]), images, idx(&[2], &[1, 1])]
    }

    fn load_files(names: [&str; 4], files: [Vec<u8>; 4]) -> crate::Result<crate::DataSet> {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in names.iter().zip(files) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        load(&format!("idx:{}", folder.path().display()), Path::new("/nowhere"))
    }

    const NAMES: [&str; 4] = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ];

    /// What is said when the train images are `images`.
    fn refused(images: Vec<u8>) -> String {
        let [_, b, c, d] = good();
        let e = load_files(NAMES, [images, b, c, d]).unwrap_err();
        assert_eq!(e.kind(), crate::Kind::Input);
        assert!(e.to_string().contains("train-images-idx3-ubyte"), "{e}");
        e.to_string()
    }

    #[test]
    fn plain_and_compressed_files_are_read() {
        let plain = load_files(NAMES, good()).unwrap();
        assert_eq!((&plain.shape[..], plain.classes, plain.train.len()), (&[2, 2][..], 5, 2));
        assert_eq!(
            plain.train.x.singles().row(1).to_vec(),
            [0.5, 255.0 / 256.0, 6.0 / 256.0, 7.0 / 256.0]
        );
        assert_eq!((&plain.train.labels[..], &plain.test.labels[..]), (&[0, 4][..], &[1, 1][..]));
        let [a, b, c, d] = good();
        let names = [
            "train-images.idx3-ubyte.gz",
            NAMES[1],
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels.idx1-ubyte",
        ];
        let mixed = load_files(names, [gz(&a), b, gz(&c), d]).unwrap();
        assert_eq!((mixed.train, mixed.test), (plain.train, plain.test));
    }

    #[test]
    fn every_truncation_is_refused() {
        for whole in [good()[0].clone(), gz(&good()[0])] {
            for length in 0..whole.len() {
                refused(whole[..length].to_vec());
            }
        }
    }

    #[test]
    fn files_that_lie_are_refused() {
        for (images, cause) in [
            (b"PNG...".to_vec(), "is not an IDX file"),
            (vec![0, 0, 0x0d, 1, 0, 0, 0, 0], "type 0x0d"),
            (vec![0, 0, 8, 0], "is an IDX file of type 0x08 with 0 axes"),
            (vec![0, 0, 8, 255, 0], "the sizes of its 255 axes are missing"),
            (idx(&[2, 2, 3], &[0; 8]), "declares the shape [2, 2, 3], but holds 8 bytes"),
            (idx(&[u32::MAX; 3], &[0; 8]), "holds 8 bytes"),
            (idx(&[0, u32::MAX, u32::MAX, u32::MAX], &[]), "it is empty"),
            (idx(&[8], &[0; 8]), "holds labels, where images are expected"),
            (idx(&[2, 4, 1], &[0; 8]), ""),
            (gz(&idx(&[1 << 31], &[0; 8])), "declares the shape [2147483648]"),
        ] {
            if cause.is_empty() {
                let [_, b, c, d] = good();
                let e = load_files(NAMES, [images, b, c, d]).unwrap_err().to_string();
                assert!(
                    e.contains("has samples of shape [2, 2], the train images have [4, 1]"),
                    "{e}"
                );
            } else {
                assert!(refused(images).contains(cause), "{cause}");
            }
        }
        let [a, _, c, d] = good();
        let e = load_files(NAMES, [a, idx(&[3], &[0; 3]), c, d]).unwrap_err().to_string();
        assert!(e.contains("has 3 labels for the 2 images"), "{e}");
        let [a, b, c, _] = good();
        let e = load_files(["train-images-idx3-ubyte", NAMES[1], NAMES[2], "x"], [a, b, c, vec![]])
            .unwrap_err()
            .to_string();
        assert!(e.contains("has no file `t10k-labels-*-ubyte`"), "{e}");
    }

    #[test]
    fn another_set_is_not_taken_for_mnist() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in NAMES.iter().zip(good()) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let e = load(&format!("mnist:{}", folder.path().display()), Path::new("/nowhere"))
            .unwrap_err()
            .to_string();
        assert!(e.contains("this is not mnist"), "{e}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..Default::default() })]

        #[test]
        fn noise_never_panics(
            axes in 0u8..9,
            noise in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..60),
        ) {
            let _ = super::parse(&[&[0, 0, 8, axes], &noise[..]].concat());
        }
    }
}
