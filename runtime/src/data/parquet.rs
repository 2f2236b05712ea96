//! Parquet tables: a sample a row, numbers and a label.
//!
//! Our own reader of what pandas writes by default (parquet.apache.org/docs/file-format): flat
//! columns, pages of either version, plain or with a dictionary, packed with Snappy, gzip or not at
//! all. The published one panics on damaged files.

mod thrift;

use super::csv::{self, Table, label_columns};
use super::values::Column;
use super::{DataSet, MAX_ELEMENTS};
use crate::error::{Error, Result};
use crate::files;
use crate::network::Loss;
use std::io::Read;
use std::path::{Path, PathBuf};
use thrift::{Value, varint};

/// Words are names of classes: a dictionary of longer ones could fill the memory.
const MOST_LETTERS: usize = 256;

/// What pandas calls columns that name its rows.
const ROW_NAMES: &str = "__index_level_";

/// A value, or what is wrong.
type Told<T> = std::result::Result<T, String>;

/// The set in one or two files. `label` names the column of each label or counts it from 1; by
/// default it is the last. A number v is v · 2^-frac. The names of a pandas table's rows are left
/// out.
///
/// # Errors
/// Where a file is missing, damaged or not of plain columns, or lacks a value, with the column.
pub fn load(
    loss: Loss,
    name: &str,
    files: &[PathBuf],
    label: &[String],
    frac: i32,
) -> Result<DataSet> {
    csv::set(loss, name, files.iter().map(|file| read(file, label, frac)).collect::<Result<_>>()?)
}

fn read(path: &Path, label: &[String], frac: i32) -> Result<Table> {
    let begins = |bytes: &[u8]| match bytes.starts_with(b"PAR1") {
        true => Ok(()),
        false => Err("is not a Parquet file: it does not begin with PAR1".to_owned()),
    };
    let place = path.display().to_string();
    let bytes = files::read_if(path, begins)?;
    table(place.clone(), &bytes, label, frac).map_err(|cause| {
        Error::input(place, cause).help(
            "read are plain columns of numbers, none of them missing, and labels, as pandas writes \
             them: table.to_parquet(FILE)",
        )
    })
}

fn table(place: String, bytes: &[u8], label: &[String], frac: i32) -> Told<Table> {
    let columns = columns(bytes)?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let (label, _) = label_columns(&names, label)?;
    let (mut features, mut all_labels) = (vec![], vec![]);
    for (column, Field { name, values }) in columns.into_iter().enumerate() {
        if label.contains(&column) {
            all_labels.push(match values {
                Entries::Numbers(all) => all.iter().map(ToString::to_string).collect(),
                Entries::Words(all) => all,
            });
            continue;
        }
        match values {
            Entries::Numbers(values) => features.push((name, values)),
            Entries::Words(_) => {
                return Err(format!("column `{name}` holds words, and is not the label"));
            }
        }
    }
    // Every column has as many rows as the description says.
    let samples = all_labels.first().map_or(0, Vec::len);
    if samples == 0 {
        return Err("holds no samples".into());
    }
    let labels =
        (0..samples).flat_map(|row| all_labels.iter().map(move |l| l[row].clone())).collect();
    let scale = f64::powi(2.0, -frac);
    let mut values = Column::with_capacity(samples * features.len());
    for row in 0..samples {
        for (name, column) in &features {
            let v = column[row];
            if !values.push(v * scale) {
                return Err(format!("column `{name}` has {v} in row {row}, no finite number"));
            }
        }
    }
    let shape = (samples, features.len());
    let values = values.into_values(shape).ok_or("is ragged")?;
    let (features, sequences) = (features.len(), vec![]);
    Ok(Table { place, features, values, labels, counts: false, sequences, steps: None })
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
enum Entries {
    Numbers(Vec<f64>),
    Words(Vec<String>),
}

/// A column of a table.
pub struct Field {
    name: String,
    values: Entries,
}

/// How the values of a column are written.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Words,
}

/// The columns in a file, but for the names of rows.
fn columns(bytes: &[u8]) -> Told<Vec<Field>> {
    let damaged = || "is damaged: its description cannot be read".to_owned();
    let end = bytes.strip_prefix(b"PAR1").and_then(|rest| rest.strip_suffix(b"PAR1"));
    let end = end.ok_or("is not a whole Parquet file: PAR1 stands not at both its ends")?;
    let (rest, length) = end.split_last_chunk().ok_or_else(damaged)?;
    let length = u32::from_le_bytes(*length) as usize;
    let from = rest.len().checked_sub(length).ok_or_else(damaged)?;
    let (description, _) = Value::read(&rest[from..]).ok_or_else(damaged)?;
    let rows = description.size(3).ok_or_else(damaged)?;
    let (root, schema) = description.list(2).and_then(<[_]>::split_first).ok_or_else(damaged)?;
    let groups = description.list(4).ok_or_else(damaged)?;
    if rows.checked_mul(schema.len()).is_none_or(|elements| elements > MAX_ELEMENTS) {
        return Err(format!("declares {rows} rows of {} columns, too many", schema.len()));
    }
    if root.size(5) != Some(schema.len()) {
        return Err("has nested columns, which are not read".into());
    }
    let mut columns = vec![];
    for (i, element) in schema.iter().enumerate() {
        let name = element.text(4).ok_or_else(damaged)?;
        if name.starts_with(ROW_NAMES) {
            continue;
        }
        let within = |cause: String| format!("column `{name}` {cause}");
        let kind = kind(element).map_err(within)?;
        let mut values = match kind {
            Kind::Words => Entries::Words(vec![]),
            _ => Entries::Numbers(vec![]),
        };
        for group in groups {
            let chunk = group.list(1).and_then(|chunks| chunks.get(i)?.field(3));
            let optional = element.number(3) == Some(1);
            let chunk = chunk.ok_or_else(damaged)?;
            read_chunk(bytes, chunk, kind, optional, rows, &mut values).map_err(within)?;
        }
        if values.len() != rows {
            return Err(within(format!("holds {} values for {rows} rows", values.len())));
        }
        columns.push(Field { name: name.to_owned(), values });
    }
    Ok(columns)
}

impl Entries {
    fn len(&self) -> usize {
        match self {
            Entries::Numbers(all) => all.len(),
            Entries::Words(all) => all.len(),
        }
    }
}

/// What a column's element of the schema says.
fn kind(element: &Value) -> Told<Kind> {
    if !matches!(element.number(3), Some(0 | 1)) {
        return Err("is a list, which is not read".into());
    }
    let logical = match element.field(10) {
        Some(Value::Struct(fields)) => fields.first().map(|(number, value)| (*number, value)),
        _ => None,
    };
    let is_unsigned = match (element.number(6), logical) {
        (Some(11..=14), _) => true,
        (_, Some((10, integer))) => integer.number(2) == Some(0),
        _ => false,
    };
    let is_plain = matches!(element.number(6), None | Some(11..=18))
        && matches!(logical, None | Some((10, _)));
    let is_text = element.number(6) == Some(0) || matches!(logical, Some((1, _)));
    Ok(match (element.number(1), is_plain, is_unsigned) {
        (Some(0), true, _) => Kind::Bool,
        (Some(1), true, false) => Kind::I32,
        (Some(1), true, true) => Kind::U32,
        (Some(2), true, false) => Kind::I64,
        (Some(2), true, true) => Kind::U64,
        (Some(4), true, _) => Kind::F32,
        (Some(5), true, _) => Kind::F64,
        (Some(6), ..) if is_text => Kind::Words,
        _ => return Err("is neither of plain numbers nor of words".into()),
    })
}

/// Appends the values of one group of rows, so many in all at most.
fn read_chunk(
    bytes: &[u8],
    chunk: &Value,
    kind: Kind,
    optional: bool,
    rows: usize,
    values: &mut Entries,
) -> Told<()> {
    let damaged = || "is damaged".to_owned();
    let count = chunk.size(5).ok_or_else(damaged)?;
    let from = chunk.size(9).ok_or_else(damaged)?;
    let from = chunk.size(11).filter(|at| *at > 0).map_or(from, |at| at.min(from));
    let mut rest = bytes.get(from..).ok_or_else(damaged)?;
    let end = values.len().checked_add(count).filter(|end| *end <= rows).ok_or_else(damaged)?;
    let mut dictionary = None;
    while values.len() < end {
        let (header, body) = Value::read(rest).ok_or_else(damaged)?;
        let [unpacked, packed] = [header.size(2), header.size(3)].map(|size| size.unwrap_or(0));
        let page = body.get(..packed).ok_or_else(damaged)?;
        rest = &body[packed..];
        match header.number(1) {
            Some(2) => {
                let page = unpack(page, unpacked, chunk.number(4))?;
                let count = header.field(7).and_then(|h| h.size(1)).ok_or_else(damaged)?;
                let values = plain(kind, &page, count).ok_or_else(|| unreadable(kind))?;
                dictionary = Some(values);
            }
            Some(0) => {
                let header = header.field(5).ok_or_else(damaged)?;
                let page = unpack(page, unpacked, chunk.number(4))?;
                let mut data = &page[..];
                let count = header.size(1).ok_or_else(damaged)?;
                let levels = if optional { prefixed(&mut data).ok_or_else(damaged)? } else { &[] };
                let part = Part { count, levels, data, encoding: header.number(2) };
                part.append(kind, optional, dictionary.as_ref(), end, values)?;
            }
            Some(3) => {
                let header = header.field(8).ok_or_else(damaged)?;
                let [levels, before] = [header.size(5), header.size(6)].map(|n| n.unwrap_or(0));
                let (levels, data) = page
                    .get(before..)
                    .and_then(|page| page.split_at_checked(levels))
                    .ok_or_else(damaged)?;
                let codec = if header.number(7) == Some(0) { Some(0) } else { chunk.number(4) };
                let size = unpacked.saturating_sub(before + levels.len());
                let data = unpack(data, size, codec)?;
                let count = header.size(1).ok_or_else(damaged)?;
                let part = Part { count, levels, data: &data, encoding: header.number(4) };
                part.append(kind, optional, dictionary.as_ref(), end, values)?;
            }
            // An index.
            Some(1) => {}
            _ => return Err(damaged()),
        }
    }
    Ok(())
}

/// The values of a page.
struct Part<'a> {
    count: usize,
    /// Of each value whether it is there, where it need not be.
    levels: &'a [u8],
    data: &'a [u8],
    encoding: Option<i64>,
}

impl Part<'_> {
    /// Appends them to others, of which there are `end` at most.
    fn append(
        &self,
        kind: Kind,
        optional: bool,
        dictionary: Option<&Entries>,
        end: usize,
        values: &mut Entries,
    ) -> Told<()> {
        let damaged = || "is damaged".to_owned();
        let first = values.len();
        if self.count == 0 || self.count > end - first {
            return Err(damaged());
        }
        if optional {
            let levels = hybrid(self.levels, 1, self.count).ok_or_else(damaged)?;
            if let Some(row) = levels.iter().position(|level| *level == 0) {
                return Err(format!("has no value in row {}", first + row));
            }
        }
        let data = match (self.encoding, dictionary) {
            (Some(0), _) => plain(kind, self.data, self.count),
            (Some(2 | 8), Some(dictionary)) => indexed(self.data, self.count, dictionary),
            (Some(2 | 8), None) => None,
            (Some(3), _) if matches!(kind, Kind::Bool) => {
                let bits = prefixed(&mut &*self.data).and_then(|data| hybrid(data, 1, self.count));
                bits.map(|bits| Entries::Numbers(bits.into_iter().map(f64::from).collect()))
            }
            _ => return Err("is written in an encoding that is not read".into()),
        };
        match (values, data.ok_or_else(|| unreadable(kind))?) {
            (Entries::Numbers(all), Entries::Numbers(some)) => all.extend(some),
            (Entries::Words(all), Entries::Words(some)) => all.extend(some),
            _ => return Err(damaged()),
        }
        Ok(())
    }
}

/// Why values cannot be read.
fn unreadable(kind: Kind) -> String {
    match kind {
        Kind::Words => format!("is damaged, or has words of more than {MOST_LETTERS} bytes"),
        _ => "is damaged".into(),
    }
}

/// Bytes behind their number.
fn prefixed<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = data.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *data = rest;
    Some(bytes)
}

/// So many plain values.
fn plain(kind: Kind, data: &[u8], count: usize) -> Option<Entries> {
    fn each<const N: usize>(
        data: &[u8],
        count: usize,
        value: impl Fn([u8; N]) -> f64,
    ) -> Option<Entries> {
        let chunks = data.as_chunks::<N>().0.get(..count)?;
        Some(Entries::Numbers(chunks.iter().map(|bytes| value(*bytes)).collect()))
    }
    match kind {
        Kind::Bool => {
            let bits = (0..count).map(|i| Some(f64::from(data.get(i / 8)? >> (i % 8) & 1)));
            bits.collect::<Option<_>>().map(Entries::Numbers)
        }
        Kind::I32 => each(data, count, |b| f64::from(i32::from_le_bytes(b))),
        Kind::U32 => each(data, count, |b| f64::from(u32::from_le_bytes(b))),
        Kind::I64 => each(data, count, |b| i64::from_le_bytes(b) as f64),
        Kind::U64 => each(data, count, |b| u64::from_le_bytes(b) as f64),
        Kind::F32 => each(data, count, |b| f64::from(f32::from_le_bytes(b))),
        Kind::F64 => each(data, count, f64::from_le_bytes),
        Kind::Words => {
            let (mut rest, mut words) = (data, vec![]);
            for _ in 0..count {
                let word = prefixed(&mut rest).filter(|word| word.len() <= MOST_LETTERS)?;
                words.push(std::str::from_utf8(word).ok()?.to_owned());
            }
            Some(Entries::Words(words))
        }
    }
}

/// So many values of a dictionary.
fn indexed(data: &[u8], count: usize, dictionary: &Entries) -> Option<Entries> {
    let (width, data) = data.split_first()?;
    let indices = hybrid(data, u32::from(*width), count)?;
    let mut indices = indices.into_iter().map(|i| i as usize);
    Some(match dictionary {
        Entries::Numbers(all) => {
            Entries::Numbers(indices.map(|i| all.get(i).copied()).collect::<Option<_>>()?)
        }
        Entries::Words(all) => Entries::Words(indices.try_fold(vec![], |mut words, i| {
            words.push(all.get(i)?.clone());
            Some(words)
        })?),
    })
}

/// So many numbers of `width` bits, in runs of one of them or packed by eights.
fn hybrid(mut data: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
    if width > 32 {
        return None;
    }
    let mut all = vec![];
    while all.len() < count {
        let left = count - all.len();
        let head = usize::try_from(varint(&mut data)?).ok()?;
        if head & 1 == 0 {
            let bytes = data.split_off(..width.div_ceil(8) as usize)?;
            let value = bytes.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b));
            if head == 0 {
                return None;
            }
            all.extend(std::iter::repeat_n(value, left.min(head >> 1)));
        } else {
            let bytes = data.split_off(..(head >> 1).checked_mul(width as usize)?)?;
            let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
            let width = width as usize;
            for i in 0..left.min((head >> 1).checked_mul(8)?) {
                all.push((0..width).fold(0, |v, k| v | bit(i * width + k) << k));
            }
            if head == 1 {
                return None;
            }
        }
    }
    Some(all)
}

/// A page of `size` bytes, unpacked.
fn unpack(page: &[u8], size: usize, codec: Option<i64>) -> Told<Vec<u8>> {
    let unpacked = match codec {
        Some(0) => Some(page.to_vec()),
        Some(1) => snappy(page, size),
        Some(2) => {
            let mut unpacked = vec![];
            // One byte more than due is enough to see that there are more.
            let mut decoder = flate2::read::MultiGzDecoder::new(page).take(size as u64 + 1);
            decoder.read_to_end(&mut unpacked).ok().map(|_| unpacked)
        }
        _ => return Err("is packed neither with Snappy nor with gzip".into()),
    };
    unpacked.filter(|bytes| bytes.len() == size).ok_or_else(|| "is damaged".into())
}

/// Snappy's raw format (google/snappy, format_description.txt), of so many bytes at most.
fn snappy(mut data: &[u8], most: usize) -> Option<Vec<u8>> {
    let length = varint(&mut data)?;
    let mut out: Vec<u8> = vec![];
    let number = |data: &mut &[u8], bytes: usize| -> Option<usize> {
        let bytes = data.split_off(..bytes)?;
        Some(bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))
    };
    while let Some(tag) = data.split_off_first() {
        let high = usize::from(tag >> 2);
        let (length, offset) = match tag & 3 {
            0 => {
                let length = if high < 60 { high } else { number(&mut data, high - 59)? };
                out.extend(data.split_off(..length + 1)?);
                (0, 0)
            }
            1 => ((high & 7) + 4, (high >> 3) << 8 | number(&mut data, 1)?),
            2 => (high + 1, number(&mut data, 2)?),
            _ => (high + 1, number(&mut data, 4)?),
        };
        if length > 0 {
            // What is copied may overlap what it becomes.
            let from = out.len().checked_sub(offset).filter(|_| offset > 0)?;
            (from..from + length).for_each(|at| out.push(out[at]));
        }
        if out.len() > most {
            return None;
        }
    }
    (out.len() as u64 == length).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::{columns, table};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::path::Path;

    /// Twenty rows that pandas wrote, of x = row / 8, n = row - 3 in 16 bits, u = 2^32 - 1 - row,
    /// b, whether row is odd, and kind: ant, bee and cat in turn. One with Snappy and dictionaries,
    /// one with gzip, pages of version 2 and groups of seven rows.
    const FILES: [&[u8]; 2] =
        [include_bytes!("parquet/snappy.parquet"), include_bytes!("parquet/gzip.parquet")];

    fn load_bytes(bytes: &[u8], options: &str) -> Result<crate::DataSet, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        std::fs::write(&path, bytes).unwrap();
        load(&format!("parquet:{}{options}", path.display()), Path::new("/nowhere"))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn what_pandas_writes_is_read() {
        for file in FILES {
            let set = load_bytes(file, "").unwrap();
            assert_eq!((set.name.as_str(), &set.shape[..], set.classes), ("table", &[4][..], 3));
            assert_eq!(set.class_names.as_deref().unwrap(), ["ant", "bee", "cat"]);
            let all = table("table".into(), file, &["kind".to_owned()], 1).unwrap();
            for (row, x) in all.values.doubles().outer_iter().enumerate() {
                let due = [row as f64 / 8.0, row as f64 - 3.0, 4294967295.0 - row as f64];
                assert_eq!(
                    x.to_vec(),
                    [&due[..], &[(row % 2) as f64]]
                        .concat()
                        .iter()
                        .map(|v| v / 2.0)
                        .collect::<Vec<_>>()
                );
                assert_eq!(all.labels[row], ["ant", "bee", "cat"][row % 3]);
            }
        }
        let e = load_bytes(FILES[0], ",label=b").unwrap_err();
        assert!(e.contains("column `kind` holds words"), "{e}");
        let e = load_bytes(FILES[0], ",label=sort").unwrap_err();
        assert!(e.contains("no column called `sort`"), "{e}");
        let e = load_bytes(b"x,y\n1,2\n", "").unwrap_err();
        assert!(e.contains("is not a Parquet file"), "{e}");
    }

    #[test]
    fn every_truncation_is_refused() {
        for file in FILES {
            for length in 0..file.len() {
                assert!(columns(&file[..length]).is_err());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4000,
            rng_seed: RngSeed::Fixed(2),
            ..Default::default()
        })]

        #[test]
        fn noise_never_panics(
            file in 0usize..2,
            at in any::<prop::sample::Index>(),
            put in prop::collection::vec(any::<u8>(), 1..5),
        ) {
            let mut bytes = FILES[file].to_vec();
            let at = at.index(bytes.len());
            let end = (at + put.len()).min(bytes.len());
            bytes.splice(at..end, put);
            let _ = table("noise".into(), &bytes, &[], 0);
        }
    }
}
