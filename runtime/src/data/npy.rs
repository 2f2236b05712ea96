//! NumPy's `.npy` arrays, read with care and written.
//!
//! Our own reader, since the published one allocates whatever a header promises and its literal
//! parser takes exponential time on nested brackets. Format: `numpy.lib.format`, versions 1 to 3.

use super::values::Column;
use super::{MAX_ELEMENTS, Values};
use crate::error::{Error, Result};
use crate::files;
use ndarray::{Array2, ArrayD, ArrayRef, Dimension, IxDyn, ShapeBuilder, ShapeError};
use std::path::Path;

/// An array file: any of the plain number types, in C or Fortran order.
#[derive(Debug)]
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
        let begins = |bytes: &[u8]| match bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())])
        {
            true => Ok(()),
            false => Err(NO_MAGIC.to_owned()),
        };
        let bytes = files::read_if(path, begins)?;
        Npy::of_bytes(path.display().to_string(), &bytes)
    }

    /// Reads what a file holds; `place` names it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_bytes(place: String, bytes: &[u8]) -> Result<Npy> {
        parse(place.clone(), bytes).map_err(|cause| Error::input(place, cause))
    }

    /// The file that it was read from.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The elements as integers, `[shape]`. Floats are accepted where they are whole.
    ///
    /// # Errors
    /// Where an element is not a whole number or does not fit an i64, with its index.
    pub fn integers(&self) -> Result<ArrayD<i64>> {
        let mut integers = Vec::with_capacity(self.data.len() / self.element.size());
        self.each(|number| {
            integers.push(match number {
                Number::Integer(v) => {
                    i64::try_from(v).map_err(|_| format!("{v} does not fit 64 bits"))?
                }
                Number::Float(v) if v.fract() == 0.0 && v.abs() <= (1u64 << 53) as f64 => v as i64,
                Number::Float(v) => return Err(format!("{v} is not a whole number below 2^53")),
            });
            Ok(())
        })?;
        let shape = IxDyn(&self.shape).set_f(self.fortran);
        ArrayD::from_shape_vec(shape, integers).map_err(|e| Error::input(&self.place, e))
    }

    /// The elements times 2^-frac, `[samples, elements]`, the samples on the first axis; a 64-bit
    /// integer beyond 2^53 is rounded to f64.
    ///
    /// # Errors
    /// Where there are no axes, or an element is NaN, infinite or beyond f32, with its index.
    pub fn values(&self, frac: i32) -> Result<Values> {
        let scale = f64::powi(2.0, -frac);
        let mut column = Column::with_capacity(self.data.len() / self.element.size());
        self.each(|number| {
            let v = match number {
                Number::Integer(v) => v as f64,
                Number::Float(v) => v,
            };
            if column.push(v * scale) {
                Ok(())
            } else {
                Err(format!("{v} is not a finite number within f32"))
            }
        })?;
        let values = match column {
            Column::Single(all) => self.rows(all).map(Values::Single),
            Column::Double(all) => self.rows(all).map(Values::Double),
        };
        values.map_err(|e| Error::input(&self.place, e))
    }

    /// The elements, in the order of the file, sample by sample.
    fn rows<T: Clone>(&self, all: Vec<T>) -> std::result::Result<Array2<T>, ShapeError> {
        let array = ArrayD::from_shape_vec(IxDyn(&self.shape).set_f(self.fortran), all)?;
        let samples = self.shape.first().copied().unwrap_or(1);
        let rows = (samples, array.len() / samples.max(1));
        // In standard layout nothing moves.
        if array.is_standard_layout() {
            return array.into_shape_with_order(rows);
        }
        array.to_shape(rows).map(|rows| rows.to_owned())
    }

    /// Whether the elements are unsigned bytes.
    pub fn is_u8(&self) -> bool {
        self.element == Element::U8
    }

    /// Hands each element to `take`, in the order of the file.
    fn each(&self, mut take: impl FnMut(Number) -> std::result::Result<(), String>) -> Result<()> {
        let size = self.element.size();
        for (position, bytes) in self.data.chunks_exact(size).enumerate() {
            let mut little = [0; 8];
            little[..size].copy_from_slice(bytes);
            if self.big_endian {
                little[..size].reverse();
            }
            take(self.element.number(little)).map_err(|cause| {
                let index = index(position, &self.shape, self.fortran);
                Error::input(
                    &self.place,
                    format_args!("the element {index:?} is not usable: {cause}"),
                )
            })?;
        }
        Ok(())
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
            Element::Bool | Element::U8 | Element::U16 | Element::U32 | Element::U64 => {
                i128::from(bits)
            }
        })
    }
}

/// What a file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";
const NO_MAGIC: &str = "is not a .npy file: its magic number is missing";

fn parse(place: String, bytes: &[u8]) -> std::result::Result<Npy, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NO_MAGIC)?;
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
        format!(
            "holds elements of type `{descr}`: read are bool, integers of 8 to 64 bits, \
            float32 and float64"
        )
    })?;
    let elements =
        shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|n| *n <= MAX_ELEMENTS);
    let elements = elements.ok_or_else(|| {
        format!("declares the shape {shape:?}: more than {MAX_ELEMENTS} elements")
    })?;
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
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order of the
    /// keys.
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
        format!(
            "has a header that cannot be read at `{}`",
            self.0.chars().take(20).collect::<String>()
        )
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
    pack("<i8", array.shape(), array.iter().flat_map(|v| v.to_le_bytes()))
}

/// The bytes of a `.npy` file with the elements of `array` as little-endian float64 in C order.
pub fn to_bytes_of_reals<D: Dimension>(array: &ArrayRef<f64, D>) -> Vec<u8> {
    pack("<f8", array.shape(), array.iter().flat_map(|v| v.to_le_bytes()))
}

fn pack(descr: &str, shape: &[usize], elements: impl Iterator<Item = u8>) -> Vec<u8> {
    let shape: String = shape.iter().map(|s| format!("{s}, ")).collect();
    let header = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
        shape.trim_end()
    );
    // The header ends in a newline and is padded so that the data is aligned to 64 bytes; it fits a
    // version 1 file, as an array has few axes.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<0$}\n", length - 1).bytes());
    bytes.extend(elements);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    /// A version 1 file of the given header and data.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    fn header(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
    }

    fn read(bytes: &[u8]) -> std::result::Result<Npy, String> {
        parse("file".into(), bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        let matrix = array![[1, -2, i64::MAX], [i64::MIN, 5, 6]];
        let bytes = to_bytes(&matrix);
        assert_eq!(read(&bytes).unwrap().integers().unwrap(), matrix.clone().into_dyn());
        assert_eq!((bytes.len() - 48) % 64, 0);
        assert_eq!(
            read(&to_bytes(&matrix.t())).unwrap().integers().unwrap(),
            matrix.t().into_dyn()
        );
        for array in
            [array![7].into_dyn(), ndarray::arr0(7).into_dyn(), Array2::zeros((0, 3)).into_dyn()]
        {
            assert_eq!(read(&to_bytes(&array)).unwrap().integers().unwrap(), array);
        }
    }

    #[test]
    fn every_type_and_order_is_read() {
        let le = |descr, data: &[u8]| read(&file(&header(descr, "False", "(2,)"), data)).unwrap();
        for (descr, data) in [
            ("|i1", &[1, 0xfe][..]),
            ("<i2", &[1, 0, 0xfe, 0xff]),
            (">i2", &[0, 1, 0xff, 0xfe]),
            ("<i4", &[1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]),
            (">i8", &[0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 254]),
            ("<f4", &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]),
            (">f8", &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(le(descr, data).integers().unwrap(), array![1, -2].into_dyn(), "{descr}");
            assert_eq!(le(descr, data).values(1).unwrap(), array![[0.5], [-1.0]].into(), "{descr}");
        }
        assert_eq!(le("|b1", &[0, 1]).integers().unwrap(), array![0, 1].into_dyn());
        assert_eq!(le("|u1", &[0, 255]).values(0).unwrap(), array![[0.0], [255.0]].into());
        assert_eq!(le("<u2", &[0, 0, 0, 255]).integers().unwrap(), array![0, 0xff00].into_dyn());
        let matrix =
            |order| read(&file(&header("|u1", order, "(2, 3)"), &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(matrix("False").integers().unwrap(), array![[1, 2, 3], [4, 5, 6]].into_dyn());
        assert_eq!(matrix("True").integers().unwrap(), array![[1, 3, 5], [2, 4, 6]].into_dyn());
        assert_eq!(
            matrix("True").values(0).unwrap(),
            array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]].into()
        );
    }

    #[test]
    fn unusable_elements_are_named() {
        let floats =
            [1.0, 2.0, 3.0, f64::NAN, 0.5, f64::INFINITY].iter().flat_map(|v| v.to_le_bytes());
        let floats: Vec<u8> = floats.collect();
        for (order, shape, index) in
            [("False", "(2, 3)", "[1, 0]"), ("True", "(2, 3)", "[1, 1]"), ("True", "(6,)", "[3]")]
        {
            let file = read(&file(&header("<f8", order, shape), &floats)).unwrap();
            let e = file.values(0).unwrap_err().to_string();
            assert!(
                e.contains(&format!(
                    "the element {index} is not usable: NaN is not a finite number"
                )),
                "{e}"
            );
            assert!(file.integers().unwrap_err().to_string().contains(index));
        }
        let big = read(&file(&header("<u8", "False", "(1,)"), &[255; 8])).unwrap();
        assert!(
            big.integers()
                .unwrap_err()
                .to_string()
                .contains("18446744073709551615 does not fit 64 bits")
        );
        let half = read(&file(&header("<f4", "False", "()"), &0.5f32.to_le_bytes())).unwrap();
        assert!(half.integers().unwrap_err().to_string().contains("0.5 is not a whole number"));
        let huge = read(&file(&header("<f8", "False", "(1,)"), &1e300f64.to_le_bytes())).unwrap();
        assert!(huge.values(0).is_err() && huge.integers().is_err());
    }

    #[test]
    fn headers_that_lie_are_refused() {
        for (header, cause) in [
            (header("<f4", "False", "(3,)"), "12 bytes, but holds 8"),
            (header("<f4", "False", "(1,)"), "4 bytes, but holds 8"),
            (header("<f4", "False", "(1152921504606846976, 16)"), "more than 1073741824 elements"),
            (header("<f4", "False", "(99999999999999999999,)"), "cannot be read"),
            (header("<f4", "False", "(-1,)"), "cannot be read"),
            (header("<f4", "False", "(2"), "cannot be read"),
            (header("<f4", "False", &format!("({})", "1,".repeat(33))), "more than 32 axes"),
            (header("<f4", "Maybe", "(2,)"), "cannot be read at `Maybe"),
            (header("<f2", "False", "(4,)"), "elements of type `<f2`"),
            (header("|O", "False", "(1,)"), "elements of type `|O`"),
            (header("é", "False", "(1,)"), "elements of type `é`"),
            (header("", "False", "(1,)"), "elements of type ``"),
            (
                "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}".into(),
                "cannot be read at `[(",
            ),
            ("{'descr': '<f4', 'descr': '<f4'}".into(), "gives `descr` twice"),
            ("{'descr': '<f4', 'fortran_order': False}".into(), "lacks `shape`"),
            ("{'descr': '<f4', 'size': 3}".into(), "unknown key `size`"),
            ("{'descr': '<f4".into(), "cannot be read at `<f4`"),
            ("{} {}".into(), "cannot be read at ` {}`"),
            ("".into(), "cannot be read"),
            ("(".repeat(60_000), "cannot be read"),
        ] {
            let e = read(&file(&header, &[0; 8])).unwrap_err();
            assert!(e.contains(cause), "{header}: {e}");
        }
        for (bytes, cause) in [
            (&b""[..], "magic number"),
            (b"\x93NUMPZ\x01\x00\x00\x00", "magic number"),
            (b"\x93NUMPY", "truncated"),
            (b"\x93NUMPY\x01\x00\xff", "truncated"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", "truncated"),
            (b"\x93NUMPY\x09\x00\x00\x00\x00\x00", "version 9.0"),
            (b"\x93NUMPY\x01\x00\x02\x00\xff\xff", "not text"),
        ] {
            let e = read(bytes).unwrap_err();
            assert!(e.contains(cause), "{bytes:?}: {e}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = to_bytes(&array![[1, 2], [3, 4]]);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..Default::default() })]

        #[test]
        fn noise_never_panics(at in 0usize..120, put in prop::collection::vec(any::<u8>(), 1..9)) {
            let mut bytes = to_bytes(&array![[1, 2], [3, 4]]);
            let end = (at + put.len()).min(bytes.len());
            bytes.splice(at..end, put);
            if let Ok(file) = read(&bytes) {
                let _ = (file.integers(), file.values(0));
            }
        }
    }
}
