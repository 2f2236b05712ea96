//! NumPy's `.npy` arrays, read with care and written.
//!
//! Our own reader, since the published one allocates whatever a header promises and its literal parser takes exponential
//! time on nested brackets. Format: `numpy.lib.format`, versions 1 to 3.

use super::{DataSet, MAX_CLASSES, MAX_ELEMENTS, Split, classes};
use crate::error::{Error, Result};
use crate::files;
use ndarray::{ArrayD, ArrayRef, Dimension, IxDyn, ShapeBuilder};
use std::path::{Path, PathBuf};

/// An array file: any of the plain number types, in C or Fortran order.
pub struct Npy {
    place: String,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    element: Element,
    big_endian: bool,
    fortran: bool,
    data: Vec<u8>,
}

/// An element's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

/// One element, exact.
#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Npy {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Where it cannot be read, is no `.npy` file, is truncated or too long, or holds another type.
    pub fn read(path: &Path) -> Result<Npy> {
        let bytes = files::read(path)?;
        let place = path.display().to_string();
        parse(place.clone(), &bytes).map_err(|cause| Error::input(place, cause))
    }

    /// The elements as integers, `[shape]`. Floats are accepted where they are whole.
    ///
    /// # Errors
    /// Where an element is not a whole number or does not fit an i64, with its index.
    pub fn integers(&self) -> Result<ArrayD<i64>> {
        self.array(|number| match number {
            Number::Integer(v) => i64::try_from(v).map_err(|_| format!("{v} does not fit 64 bits")),
            Number::Float(v) if v.fract() == 0.0 && v.abs() <= (1u64 << 53) as f64 => Ok(v as i64),
            Number::Float(v) => Err(format!("{v} is not a whole number below 2^53")),
        })
    }

    /// The elements as real values, `[shape]`: rounded to f32 where they are not exact in it.
    ///
    /// # Errors
    /// Where an element is NaN, infinite or beyond f32, with its index.
    pub fn reals(&self) -> Result<ArrayD<f32>> {
        self.array(|number| {
            let v = match number {
                Number::Integer(v) => v as f32,
                Number::Float(v) => v as f32,
            };
            if v.is_finite() { Ok(v) } else { Err(format!("{v} is not a finite number")) }
        })
    }

    /// Whether the elements are unsigned bytes.
    pub fn is_u8(&self) -> bool {
        self.element == Element::U8
    }

    fn array<T>(&self, convert: impl Fn(Number) -> std::result::Result<T, String>) -> Result<ArrayD<T>> {
        let size = self.element.size();
        let mut values = Vec::with_capacity(self.data.len() / size);
        for bytes in self.data.chunks_exact(size) {
            let mut little = [0; 8];
            little[..size].copy_from_slice(bytes);
            if self.big_endian {
                little[..size].reverse();
            }
            values.push(convert(self.element.number(little)).map_err(|cause| {
                let index = index(values.len(), &self.shape, self.fortran);
                Error::input(&self.place, format_args!("the element {index:?} is not usable: {cause}"))
            })?);
        }
        let shape = IxDyn(&self.shape).set_f(self.fortran);
        ArrayD::from_shape_vec(shape, values).map_err(|e| Error::input(&self.place, e))
    }
}

/// The index along each axis of the element at `position` in the file.
fn index(mut position: usize, shape: &[usize], fortran: bool) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    let mut step = |axis: usize| {
        index[axis] = position % shape[axis];
        position /= shape[axis];
    };
    if fortran {
        (0..shape.len()).for_each(&mut step);
    } else {
        (0..shape.len()).rev().for_each(&mut step);
    }
    index
}

impl Element {
    fn from_descr(descr: &str) -> Option<(Element, bool)> {
        let (order, kind) = descr.split_at_checked(1)?;
        let element = match kind {
            "b1" => Element::Bool,
            "i1" => Element::I8,
            "i2" => Element::I16,
            "i4" => Element::I32,
            "i8" => Element::I64,
            "u1" => Element::U8,
            "u2" => Element::U16,
            "u4" => Element::U32,
            "u8" => Element::U64,
            "f4" => Element::F32,
            "f8" => Element::F64,
            _ => return None,
        };
        match order {
            "<" | "|" => Some((element, false)),
            ">" => Some((element, true)),
            _ => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Element::Bool | Element::I8 | Element::U8 => 1,
            Element::I16 | Element::U16 => 2,
            Element::I32 | Element::U32 | Element::F32 => 4,
            Element::I64 | Element::U64 | Element::F64 => 8,
        }
    }

    /// The number in the first bytes of `b`, little-endian; the others are 0.
    fn number(self, b: [u8; 8]) -> Number {
        let bits = u64::from_le_bytes(b);
        Number::Integer(match self {
            Element::F32 => return Number::Float(f64::from(f32::from_bits(bits as u32))),
            Element::F64 => return Number::Float(f64::from_bits(bits)),
            Element::I8 => i128::from(bits as i8),
            Element::I16 => i128::from(bits as i16),
            Element::I32 => i128::from(bits as i32),
            Element::I64 => i128::from(bits as i64),
            Element::Bool | Element::U8 | Element::U16 | Element::U32 | Element::U64 => i128::from(bits),
        })
    }
}

fn parse(place: String, bytes: &[u8]) -> std::result::Result<Npy, String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("is not a .npy file: its magic number is missing")?;
    let (length, rest) = match rest {
        [1, 0, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, 0, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [1..=3, 0, ..] => return Err("is truncated in its header".into()),
        [major, minor, ..] => return Err(format!("has the unknown .npy version {major}.{minor}")),
        _ => return Err("is truncated in its header".into()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or("is truncated in its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "has a header that is not text")?;
    let Header { descr, fortran, shape } = Header::parse(header)?;
    let (element, big_endian) = Element::from_descr(&descr).ok_or_else(|| {
        format!("holds elements of type `{descr}`: read are bool, integers of 8 to 64 bits, float32 and float64")
    })?;
    let elements = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|n| *n <= MAX_ELEMENTS);
    let elements =
        elements.ok_or_else(|| format!("declares the shape {shape:?}: more than {MAX_ELEMENTS} elements"))?;
    if data.len() != elements * element.size() {
        return Err(format!(
            "declares the shape {shape:?} of type `{descr}`, {} bytes, but holds {}",
            elements * element.size(),
            data.len()
        ));
    }
    Ok(Npy { place, shape, element, big_endian, fortran, data: data.to_vec() })
}

/// The dictionary that heads a file.
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order of the keys.
    fn parse(text: &str) -> std::result::Result<Header, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = Cursor(text);
        rest.expect("{")?;
        while !rest.skip("}") {
            let key = rest.string()?;
            rest.expect(":")?;
            let repeated = match key {
                "descr" => descr.replace(rest.string()?.to_owned()).is_some(),
                "fortran_order" => fortran.replace(rest.boolean()?).is_some(),
                "shape" => shape.replace(rest.tuple()?).is_some(),
                _ => return Err(format!("has the unknown key `{key}` in its header")),
            };
            if repeated {
                return Err(format!("gives `{key}` twice in its header"));
            }
            if !rest.skip(",") {
                rest.expect("}")?;
                break;
            }
        }
        if !rest.0.trim().is_empty() {
            return Err(rest.unreadable());
        }
        let missing = |key| format!("lacks `{key}` in its header");
        Ok(Header {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// What is left of a header.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn unreadable(&self) -> String {
        format!("has a header that cannot be read at `{}`", self.0.chars().take(20).collect::<String>())
    }

    fn skip(&mut self, token: &str) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> std::result::Result<(), String> {
        if self.skip(token) { Ok(()) } else { Err(self.unreadable()) }
    }

    fn string(&mut self) -> std::result::Result<&'a str, String> {
        let quote = if self.skip("'") { '\'' } else { self.expect("\"").map(|()| '"')? };
        let (string, rest) = self.0.split_once(quote).ok_or_else(|| self.unreadable())?;
        self.0 = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> std::result::Result<bool, String> {
        if self.skip("True") { Ok(true) } else { self.expect("False").map(|()| false) }
    }

    fn tuple(&mut self) -> std::result::Result<Vec<usize>, String> {
        self.expect("(")?;
        let mut sizes = Vec::new();
        while !self.skip(")") {
            self.0 = self.0.trim_start();
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            sizes.push(self.0[..digits].parse().map_err(|_| self.unreadable())?);
            self.0 = &self.0[digits..];
            if !self.skip(",") {
                self.expect(")")?;
                break;
            }
        }
        // ndarray and NumPy both stop well below.
        if sizes.len() > 32 { Err("has more than 32 axes".into()) } else { Ok(sizes) }
    }
}

/// The bytes of a `.npy` file with the elements of `array` as little-endian int64 in C order.
pub fn to_bytes<D: Dimension>(array: &ArrayRef<i64, D>) -> Vec<u8> {
    let shape: String = array.shape().iter().map(|s| format!("{s}, ")).collect();
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    // The header ends in a newline and is padded so that the data is aligned to 64 bytes; it fits a version 1 file, as
    // an array has few axes.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<0$}\n", length - 1).bytes());
    bytes.extend(array.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// The data set in four files, or in a folder of them; a number v is v · 2^-frac, by default frac = 8 for bytes, else 0.
pub(super) fn load(name: &str, files: &[PathBuf], frac: Option<i32>) -> Result<DataSet> {
    let files = match files {
        [folder] => {
            if !folder.is_dir() {
                return Err(Error::io(folder, "is not a folder").help(
                    "name a folder with x_train.npy, y_train.npy, x_test.npy and y_test.npy, or the four files",
                ));
            }
            ["x_train", "y_train", "x_test", "y_test"].map(|stem| in_folder(folder, stem))
        }
        [a, b, c, d] => [a, b, c, d].map(Clone::clone),
        _ => return Err(Error::internal("data npy", "wrong number of files")),
    };
    let [x_train, y_train, x_test, y_test] = &files;
    let (shape, train) = split(x_train, y_train, frac)?;
    let (test_shape, test) = split(x_test, y_test, frac)?;
    if shape != test_shape {
        return Err(Error::input(
            x_test.display(),
            format_args!("has samples of shape {test_shape:?}, {} has {shape:?}", x_train.display()),
        ));
    }
    let classes = classes([&train.labels, &test.labels]);
    Ok(DataSet { name: name.into(), shape, classes, train, test })
}

/// `x_train.npy`, or as some write it `X_train.npy` or `X_TRAIN.npy`.
fn in_folder(folder: &Path, stem: &str) -> PathBuf {
    let capital = stem.replacen(['x', 'y'], &stem[..1].to_uppercase(), 1);
    let names = [stem.to_owned(), capital, stem.to_uppercase()].map(|stem| folder.join(stem + ".npy"));
    names.iter().find(|path| path.is_file()).unwrap_or(&names[0]).clone()
}

fn split(x: &Path, y: &Path, frac: Option<i32>) -> Result<(Vec<usize>, Split)> {
    let (x_file, y_file) = (Npy::read(x)?, Npy::read(y)?);
    let Some((samples, shape)) = x_file.shape.split_first() else {
        return Err(Error::input(x.display(), "is a single number: the first axis must be the samples"));
    };
    if x_file.shape.contains(&0) {
        return Err(Error::input(x.display(), format_args!("has shape {:?}: it is empty", x_file.shape)));
    }
    let shape = if shape.is_empty() { vec![1] } else { shape.to_vec() };
    let frac = frac.unwrap_or(if x_file.is_u8() { 8 } else { 0 });
    let scale = f32::powi(2.0, -frac);
    let reals = x_file.reals()?.mapv_into(|v| v * scale);
    let reals =
        reals.to_shape((*samples, shape.iter().product::<usize>())).map_err(|e| Error::input(x.display(), e))?;
    if !matches!(y_file.shape[..], [n] | [n, 1] if n == *samples) {
        return Err(Error::input(
            y.display(),
            format_args!("has shape {:?}, it must be [{samples}]: one class per sample", y_file.shape),
        ));
    }
    let mut labels = Vec::with_capacity(*samples);
    for (i, label) in y_file.integers()?.into_iter().enumerate() {
        if !(0..MAX_CLASSES as i64).contains(&label) {
            return Err(Error::input(
                y.display(),
                format_args!("sample {i} has label {label}, outside 0..{MAX_CLASSES}"),
            ));
        }
        labels.push(label as u32);
    }
    Ok((shape, Split { x: reals.to_owned(), labels }))
}
