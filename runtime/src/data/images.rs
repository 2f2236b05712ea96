//! Folders of PNG and JPEG images, a folder for each class.

use super::folders::{self, Files, Named};
use super::{DataSet, MAX_ELEMENTS, Values};
use crate::error::{Error, Result};
use crate::files;
use ndarray::Array2;
use rayon::prelude::*;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The most elements of an image: as many as a network takes.
const MOST_ELEMENTS: usize = 1 << 24;

/// How images lie.
const IMAGES: Files = Files {
    one: "image",
    extensions: &["png", "jpg", "jpeg"],
    layout: "images lie in FOLDER/CLASS/*.png, .jpg or .jpeg; or in FOLDER/train/CLASS/ and \
             FOLDER/test/CLASS/",
};

/// A decoded image.
#[derive(Debug, PartialEq)]
struct Image {
    height: usize,
    width: usize,
    /// 1, grey, or 3.
    channels: usize,
    samples: Samples,
}

/// The samples of an image, row by row, pixel by pixel.
#[derive(Debug, PartialEq)]
enum Samples {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

/// The set in a folder, of which every fifth image of a class is a test sample where it has no
/// `train` and `test`, or in a folder for either part. Images are `[height, width]` where all are
/// grey, else `[height, width, 3]`; a sample v is v · 2^-8, of 16 bits v · 2^-16.
///
/// # Errors
/// Where a folder is missing or has no image, or an image is damaged, transparent, or not as large
/// as the others.
pub fn load(name: &str, folders: &[PathBuf]) -> Result<DataSet> {
    let folders = folders::parts(folders);
    let mut notes = vec![];
    let lists: Vec<Vec<Named>> =
        folders.iter().map(|folder| IMAGES.list(folder, &mut notes)).collect::<Result<_>>()?;
    let (first, _) = &lists[0][0];
    let Image { height, width, channels, .. } = read(first)?;
    let count: usize = lists.iter().map(Vec::len).sum();
    let shape = |channels: usize| match channels {
        1 => vec![height, width],
        _ => vec![height, width, channels],
    };
    let fits = |channels: usize| -> Result<Vec<usize>> {
        let shape = shape(channels);
        if shape.iter().product::<usize>() * count <= MAX_ELEMENTS {
            return Ok(shape);
        }
        let cause =
            format!("and the others, {count} of {shape:?}, are more than {MAX_ELEMENTS} elements");
        Err(Error::input(first.display(), cause).help("give fewer, or smaller ones"))
    };
    // Before all of them are read.
    fits(channels)?;
    let images: Vec<Vec<Image>> =
        lists.iter().map(|list| read_all(list, (height, width), first)).collect::<Result<_>>()?;
    let channels = images.iter().flatten().map(|image| image.channels).max().unwrap_or(1);
    let shape = fits(channels)?;
    let grey = images.iter().flatten().filter(|image| image.channels < channels).count();
    if grey > 0 {
        notes.push(format!("{grey} grey images among coloured ones: their colours are all equal"));
    }
    let mut classes = folders::classes(&lists, &folders)?;
    classes.notes.append(&mut notes);
    let values = images.into_iter().map(|images| values(images, &shape));
    let values = values.collect::<Result<Vec<_>>>()?;
    let place = folders[0].display().to_string();
    DataSet::of_parts(name, &place, shape, classes, values)
}

fn read(path: &Path) -> Result<Image> {
    decode(&files::read(path)?).map_err(|cause| {
        Error::input(path.display(), cause).help("mend it, or take it out of the folder")
    })
}

/// All images, each as large as the first of the set, or the error of the first that has one.
fn read_all(list: &[Named], (height, width): (usize, usize), first: &Path) -> Result<Vec<Image>> {
    let read = |(path, _): &Named| {
        let image = read(path)?;
        if (image.height, image.width) == (height, width) {
            return Ok(image);
        }
        let (h, w) = (image.height, image.width);
        let cause = format!("is {h}×{w} pixels, {} is {height}×{width}", first.display());
        Err(Error::input(path.display(), cause).help(format_args!(
            "bring all images to one size before, as ImageMagick does:\n\
             mogrify -resize '{width}x{height}!' FOLDER/*/*.*"
        )))
    };
    list.par_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

/// The real values of images of one shape.
fn values(images: Vec<Image>, shape: &[usize]) -> Result<Values> {
    let elements: usize = shape.iter().product();
    let dim = (images.len(), elements);
    let mut all: Vec<f32> = Vec::with_capacity(images.len() * elements);
    for image in images {
        // A grey image among coloured ones has each sample as often as there are colours.
        let times = elements / (image.height * image.width * image.channels);
        match image.samples {
            Samples::Bytes(samples) => {
                let values = samples.into_iter().map(|v| f32::from(v) / 256.0);
                all.extend(values.flat_map(|v| std::iter::repeat_n(v, times)));
            }
            Samples::Words(samples) => {
                let values = samples.into_iter().map(|v| f32::from(v) / 65536.0);
                all.extend(values.flat_map(|v| std::iter::repeat_n(v, times)));
            }
        }
    }
    Ok(Array2::from_shape_vec(dim, all).map_err(|e| Error::internal("images", e))?.into())
}

/// The image in a PNG or JPEG file, or what is wrong.
fn decode(bytes: &[u8]) -> std::result::Result<Image, String> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => png(bytes).map_err(|cause| format!("as PNG, {cause}")),
        [0xff, 0xd8, ..] => jpeg(bytes).map_err(|cause| format!("as JPEG, {cause}")),
        _ => Err("is neither a PNG nor a JPEG file, whatever its name says".into()),
    }
}

/// Fails where an image is empty or larger than a network takes.
fn check_size(height: usize, width: usize) -> std::result::Result<(), String> {
    let elements = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(3));
    match elements {
        Some(1..=MOST_ELEMENTS) => Ok(()),
        _ => Err(format!("is {height}×{width} pixels: 1 to {} are read", MOST_ELEMENTS / 3)),
    }
}

fn png(bytes: &[u8]) -> std::result::Result<Image, String> {
    let damaged = |e: png::DecodingError| format!("is damaged: {e}");
    let limits = png::Limits { bytes: 8 * MOST_ELEMENTS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    check_size(height, width)?;
    let size = reader.output_buffer_size().ok_or("is too large")?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(damaged)?;
    bytes.truncate(frame.buffer_size());
    let (channels, alpha) = match frame.color_type {
        png::ColorType::Grayscale => (1, false),
        png::ColorType::GrayscaleAlpha => (1, true),
        png::ColorType::Rgb => (3, false),
        png::ColorType::Rgba => (3, true),
        png::ColorType::Indexed => return Err("is damaged: its palette is missing".into()),
    };
    let samples = match frame.bit_depth {
        png::BitDepth::Sixteen => {
            let words = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b)).collect();
            Samples::Words(if alpha { opaque(words, channels, u16::MAX)? } else { words })
        }
        _ => Samples::Bytes(if alpha { opaque(bytes, channels, u8::MAX)? } else { bytes }),
    };
    Ok(Image { height, width, channels, samples })
}

/// Pixels without their alpha, which has to be full.
fn opaque<T: Copy + PartialEq>(
    samples: Vec<T>,
    channels: usize,
    full: T,
) -> std::result::Result<Vec<T>, String> {
    let pixels = || samples.chunks_exact(channels + 1);
    if pixels().any(|pixel| pixel[channels] != full) {
        return Err("has transparent pixels, whose colour is open: give it a background".into());
    }
    Ok(pixels().flat_map(|pixel| &pixel[..channels]).copied().collect())
}

fn jpeg(bytes: &[u8]) -> std::result::Result<Image, String> {
    let damaged = |e: zune_jpeg::errors::DecodeErrors| format!("is damaged: {e:?}");
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or("is damaged: it has no header")?;
    let (height, width) = (usize::from(info.height), usize::from(info.width));
    check_size(height, width)?;
    let (channels, space) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (1, ColorSpace::Luma),
        _ => (3, ColorSpace::RGB),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let samples = decoder.decode().map_err(damaged)?;
    if samples.len() != height * width * channels {
        return Err("is damaged: it has another number of pixels than it says".into());
    }
    Ok(Image { height, width, channels, samples: Samples::Bytes(samples) })
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::{Image, Samples, decode};
    use png::{BitDepth, ColorType};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::fs;
    use std::path::Path;

    /// 6 rows of 8 pixels of (20 x + 10, 30 y + 10, 100).
    const COLOUR: &[u8] = include_bytes!("images/colour.jpg");
    /// As many of 20 x + 10 y, progressive.
    const GREY: &[u8] = include_bytes!("images/grey.jpg");

    fn png(width: u32, colour: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        let row = match depth {
            BitDepth::One => (width as usize).div_ceil(8),
            BitDepth::Sixteen => 2 * width as usize * colour.samples(),
            _ => width as usize * colour.samples(),
        };
        let mut encoder = png::Encoder::new(&mut bytes, width, (data.len() / row) as u32);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette(&[1, 2, 3, 4, 5, 6][..]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    fn grey(pixels: [u8; 4]) -> Vec<u8> {
        png(2, ColorType::Grayscale, BitDepth::Eight, &pixels)
    }

    fn of_bytes(width: usize, channels: usize, samples: &[u8]) -> Image {
        let height = samples.len() / channels / width;
        Image { height, width, channels, samples: Samples::Bytes(samples.into()) }
    }

    #[test]
    fn images_of_every_kind_are_decoded() {
        use BitDepth::{Eight, One, Sixteen};
        use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        for (bytes, due) in [
            (grey([0, 1, 2, 255]), of_bytes(2, 1, &[0, 1, 2, 255])),
            (png(1, Rgb, Eight, &[1, 2, 3, 4, 5, 6]), of_bytes(1, 3, &[1, 2, 3, 4, 5, 6])),
            (png(2, Indexed, Eight, &[1, 0]), of_bytes(2, 3, &[4, 5, 6, 1, 2, 3])),
            (png(3, Grayscale, One, &[0b0100_0000]), of_bytes(3, 1, &[0, 255, 0])),
            (png(2, GrayscaleAlpha, Eight, &[7, 255, 8, 255]), of_bytes(2, 1, &[7, 8])),
            (png(1, Rgba, Eight, &[7, 8, 9, 255]), of_bytes(1, 3, &[7, 8, 9])),
        ] {
            assert_eq!(decode(&bytes).unwrap(), due);
        }
        let deep = decode(&png(1, Grayscale, Sixteen, &[1, 2])).unwrap();
        assert_eq!(deep.samples, Samples::Words(vec![0x102]));
        let e = decode(&png(1, Rgba, Eight, &[7, 8, 9, 254])).unwrap_err();
        assert!(e.contains("transparent"), "{e}");

        let near = |bytes, channels, due: &dyn Fn(usize, usize, usize) -> usize| {
            let image = decode(bytes).unwrap();
            assert_eq!((image.height, image.width, image.channels), (6, 8, channels));
            let Samples::Bytes(samples) = image.samples else { panic!() };
            for (i, v) in samples.iter().enumerate() {
                let (x, y, c) = (i / channels % 8, i / channels / 8, i % channels);
                assert!(usize::from(*v).abs_diff(due(x, y, c)) < 8, "{x} {y} {c}: {v}");
            }
        };
        near(COLOUR, 3, &|x, y, c| [20 * x + 10, 30 * y + 10, 100][c]);
        near(GREY, 1, &|x, y, _| 20 * x + 10 * y);
    }

    /// Writes files of these paths and loads the folder.
    fn load_files(files: &[(&str, Vec<u8>)]) -> Result<crate::DataSet, String> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("set");
        for (path, bytes) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        load(&format!("images:{}", folder.display()), Path::new("/nowhere"))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn folders_are_classes() {
        let names: Vec<String> =
            (0..5).flat_map(|i| [format!("b/{i}.png"), format!("a/{i}.PNG")]).collect();
        let mut files: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), grey([name.as_bytes()[0], name.as_bytes()[2], 0, 1])))
            .collect();
        files.push(("a/notes.txt", vec![]));
        files.push((".hidden/x.png", vec![]));
        let set = load_files(&files).unwrap();
        assert_eq!((&set.shape[..], set.name.as_str(), set.classes), (&[2, 2][..], "set", 2));
        assert_eq!(set.class_names.unwrap(), ["a", "b"]);
        assert_eq!(set.test.labels, [0, 1]);
        assert_eq!(set.train.labels, [0, 0, 0, 0, 1, 1, 1, 1]);
        let test =
            [[b'a', b'4', 0, 1], [b'b', b'4', 0, 1]].map(|row| row.map(|v| f32::from(v) / 256.0));
        assert_eq!(set.test.x, ndarray::arr2(&test).into());
        assert!(set.notes[0].contains("1 files") && set.notes[0].contains("a/notes.txt"));
    }

    #[test]
    fn folders_of_train_and_test_are_parts_and_numbers_are_classes() {
        let colour = png(2, ColorType::Rgb, BitDepth::Eight, &[9; 12]);
        let set = load_files(&[
            ("train/10/x.png", grey([1, 2, 3, 4])),
            ("train/2/x.png", colour.clone()),
            ("train/0/x.png", colour),
            ("val/2/x.png", grey([5; 4])),
        ])
        .unwrap();
        assert_eq!((&set.shape[..], set.classes), (&[2, 2, 3][..], 11));
        assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 10, 2][..], &[2][..]));
        let due = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4].map(|v| v as f32 / 256.0);
        assert_eq!(set.train.x.singles().row(1).to_vec(), due);
        assert!(set.notes[0].contains("2 grey images"), "{:?}", set.notes);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let wide = png(4, ColorType::Grayscale, BitDepth::Eight, &[0; 4]);
        let large = png(3000, ColorType::Grayscale, BitDepth::Eight, &vec![0; 6_000_000]);
        for (files, cause) in [
            (vec![("x.png", grey([0; 4]))], "holds no folder of images"),
            (vec![("a/x.txt", vec![])], "holds no image"),
            (vec![("a/x.png", vec![])], "neither a PNG nor a JPEG"),
            (vec![("a/x.png", grey([0; 4])), ("a/y.png", wide)], "is 1×4 pixels"),
            (vec![("a/x.png", grey([0; 4])[..40].into())], "is damaged"),
            (vec![("a/x.jpg", COLOUR[..COLOUR.len() / 2].into())], "is damaged"),
            (vec![("a/x.png", large)], "is 2000×3000 pixels: 1 to 5592405 are read"),
            (vec![("a/x.png", grey([0; 4]))], "no class with five samples"),
        ] {
            let e = load_files(&files).unwrap_err();
            assert!(e.contains(cause), "{cause}: {e}");
        }
        let e = load("images:/nowhere/at/all", Path::new("/nowhere")).unwrap_err().to_string();
        assert!(e.contains("/nowhere/at/all: cannot be read"), "{e}");
    }

    #[test]
    fn every_truncation_is_refused_or_read() {
        for whole in [grey([1, 2, 3, 4]), COLOUR.into(), GREY.into()] {
            for length in 0..whole.len() {
                let _ = decode(&whole[..length]);
            }
            assert!(decode(&whole[..whole.len() / 2]).is_err());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            rng_seed: RngSeed::Fixed(2),
            ..Default::default()
        })]

        #[test]
        fn noise_never_panics(
            file in 0usize..3,
            at in 0usize..800,
            put in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let mut bytes = [&grey([1, 2, 3, 4])[..], COLOUR, GREY][file].to_vec();
            let at = at % bytes.len();
            let end = (at + put.len()).min(bytes.len());
            bytes.splice(at..end, put);
            let _ = decode(&bytes);
        }
    }
}
