//! Tables: one sample a line, numbers and a label; or sequences of lines.

use super::labels;
use super::values::Column;
use super::{DataSet, MAX_ELEMENTS, Values, gzip};
use crate::error::{Error, Result};
use crate::files;
use crate::network::Loss;
use csv::{ReaderBuilder, Trim};
use ndarray::{Array2, s};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A table as read: labels are still words.
pub struct Table {
    pub place: String,
    pub features: usize,
    pub values: Values,
    /// What stands in the columns of the labels, sample by sample.
    pub labels: Vec<String>,
    /// Whether the first feature is one more in each line.
    pub counts: bool,
    /// The sequence of each line, where a column names it.
    pub sequences: Vec<String>,
    /// Steps of a sample that is a sequence of them.
    pub steps: Option<usize>,
}

/// What the columns of a table are.
pub struct Columns<'a> {
    /// The column of each label, by its name or counted from 1; by default the last.
    pub label: &'a [String],
    /// The column that names the sequence of each line, where samples are sequences of lines.
    pub sequence: Option<&'a str>,
    /// A number v is v · 2^-frac.
    pub frac: i32,
}

/// The set in one or two files, see [`read`] and [`set`]. Samples that are sequences have `steps`
/// of them, where none is longer.
pub fn load(
    loss: Loss,
    name: &str,
    files: &[PathBuf],
    columns: &Columns,
    steps: Option<usize>,
) -> Result<DataSet> {
    let mut tables: Vec<Table> =
        files.iter().map(|file| read(file, columns)).collect::<Result<_>>()?;
    if columns.sequence.is_none() {
        return set(loss, name, tables);
    }
    let lines: Vec<Vec<Vec<usize>>> = tables.iter().map(Table::lines).collect();
    let lengths = || lines.iter().flatten().map(Vec::len);
    let (shortest, longest) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let steps = steps.unwrap_or(0).max(longest);
    for (table, lines) in tables.iter_mut().zip(&lines) {
        table.put_together(lines, steps)?;
    }
    let mut data = set(loss, name, tables)?;
    if shortest < steps {
        data.notes.push(format!(
            "{} sequences have {shortest} to {longest} lines; shorter ones than {steps} begin with \
             zeros",
            lengths().count()
        ));
    }
    Ok(data)
}

/// The set in one or two tables, with what a loss is of.
///
/// Labels that are whole numbers, 0 among them, are classes as they stand; others are classes in
/// their order.
///
/// # Errors
/// Where the tables do not fit each other, or the labels are no classes, or no numbers where those
/// are due.
pub fn set(loss: Loss, name: &str, tables: Vec<Table>) -> Result<DataSet> {
    if let Some(other) = tables.iter().find(|t| t.features != tables[0].features) {
        return Err(Error::input(
            &other.place,
            format_args!(
                "has {} features, {} has {}",
                other.features, tables[0].place, tables[0].features
            ),
        ));
    }
    let counted = tables.iter().filter(|table| table.counts).map(|table| {
        format!(
            "{}: the first column counts the lines; `cut` leaves it out, if it says nothing else",
            table.place
        )
    });
    let counted = counted.collect::<Vec<_>>();
    let shape = tables[0].steps.into_iter().chain([tables[0].features]).collect();
    let place = tables[0].place.clone();
    if loss != Loss::CrossEntropy {
        let targets = tables.iter().map(Table::targets).collect::<Result<_>>()?;
        let values = tables.into_iter().map(|table| table.values).collect();
        let data = DataSet::of_targets(name, &place, shape, targets, values)?;
        return Ok(DataSet { notes: counted, ..data });
    }
    if let Some(table) = tables.iter().find(|t| t.labels.len() != t.values.dim().0) {
        return Err(Error::input(&table.place, "is given several labels, and a class is one")
            .help(labels::SEVERAL));
    }
    let words = [0, 1].map(|i| tables.get(i).map_or(&[][..], |table| &table.labels));
    let places = [0, 1].map(|i| tables.get(i).map_or("", |table| &table.place));
    let mut classes = labels::of_words(words, places)?;
    classes.notes.extend(counted);
    let values = tables.into_iter().map(|table| table.values).collect();
    DataSet::of_parts(name, &place, shape, classes, values)
}

impl Table {
    /// The lines of each sequence, in the order in which they first come.
    fn lines(&self) -> Vec<Vec<usize>> {
        let mut places = BTreeMap::new();
        let mut all: Vec<Vec<usize>> = vec![];
        for (line, name) in self.sequences.iter().enumerate() {
            let place = *places.entry(name).or_insert(all.len());
            if place == all.len() {
                all.push(vec![]);
            }
            all[place].push(line);
        }
        all
    }

    /// Makes one sample of so many steps of the lines of each sequence; zeros stand before those of
    /// a shorter one.
    ///
    /// # Errors
    /// Where a sequence has several labels, or there are too many steps.
    fn put_together(&mut self, sequences: &[Vec<usize>], steps: usize) -> Result<()> {
        let several = self.labels.len() / self.sequences.len().max(1);
        let all = steps.saturating_mul(self.features).saturating_mul(sequences.len());
        if all > MAX_ELEMENTS {
            let cause = format!("has {} sequences of up to {steps} lines", sequences.len());
            return Err(Error::input(&self.place, format!("{cause}: more than can be held"))
                .help("is the column the right one? cut long sequences"));
        }
        let labels_of = |line: usize| &self.labels[line * several..(line + 1) * several];
        let mut labels = vec![];
        for lines in sequences {
            let first = labels_of(lines[0]);
            if let Some(other) = lines.iter().map(|line| labels_of(*line)).find(|own| *own != first)
            {
                let cause = format!(
                    "sequence `{}` has the label `{}` in one line, `{}` in another",
                    self.sequences[lines[0]],
                    first.join(", "),
                    other.join(", ")
                );
                return Err(Error::input(&self.place, cause)
                    .help("give all lines of a sequence the label of the whole"));
            }
            labels.extend_from_slice(first);
        }
        self.values = match &self.values {
            Values::Single(x) => Values::Single(put_together(x, sequences, steps)),
            Values::Double(x) => Values::Double(put_together(x, sequences, steps)),
        };
        (self.labels, self.counts, self.steps) = (labels, false, Some(steps));
        Ok(())
    }

    /// The labels as numbers, `[samples, labels]`.
    fn targets(&self) -> Result<Array2<f64>> {
        let samples = self.values.dim().0;
        let several = self.labels.len() / samples.max(1);
        let number = |(i, word): (usize, &String)| {
            number(word).filter(|v| v.is_finite()).ok_or_else(|| {
                let cause = format!("sample {} has `{word}`, no number", i / several.max(1));
                Error::input(&self.place, cause).help(labels::NUMBERS)
            })
        };
        let numbers = self.labels.iter().enumerate().map(number).collect::<Result<_>>()?;
        Array2::from_shape_vec((samples, several), numbers)
            .map_err(|e| Error::internal(&self.place, e))
    }
}

/// `[lines, features]` to `[sequences, steps · features]`.
fn put_together<T: Clone + Default>(
    x: &Array2<T>,
    sequences: &[Vec<usize>],
    steps: usize,
) -> Array2<T> {
    let features = x.ncols();
    let mut all = Array2::default((sequences.len(), steps * features));
    for (lines, mut to) in sequences.iter().zip(all.rows_mut()) {
        for (step, line) in (steps - lines.len()..).zip(lines) {
            to.slice_mut(s![step * features..(step + 1) * features]).assign(&x.row(*line));
        }
    }
    all
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The table in a file, line by line.
///
/// # Errors
/// Where the file is missing, ragged or holds what is not a number, with the line and the column.
pub fn read(path: &Path, columns: &Columns) -> Result<Table> {
    let place = path.display().to_string();
    let bytes = gzip::read(&place, files::read_if(path, begins)?, MAX_ELEMENTS)?;
    let text = decode(&bytes)
        .map_err(|(line, cause)| Error::input(format_args!("{place}:{line}"), cause))?;
    parse(place, &text, columns)
}

/// Whether a file may be a table: packed, in UTF-16, or a text without NUL.
fn begins(bytes: &[u8]) -> std::result::Result<(), String> {
    match bytes {
        [0x1f, 0x8b, ..] | [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Ok(()),
        [b'P', b'A', b'R', b'1', ..] => Err("is a Parquet file, not CSV: name parquet:FILE".into()),
        _ => files::begins_text(bytes),
    }
}

/// The text of a file in UTF-8, or in UTF-16 where it begins with its mark; or the line that is
/// neither, and what is wrong.
fn decode(bytes: &[u8]) -> std::result::Result<Cow<'_, str>, (usize, &'static str)> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            let text = std::str::from_utf8(bytes);
            let text =
                text.map_err(|e| (1 + lines(&bytes[..e.valid_up_to()]), "is not UTF-8 text"))?;
            return match text.find('\0') {
                Some(at) => Err((
                    1 + lines(&bytes[..at]),
                    "holds a NUL character, so it is no text in UTF-8",
                )),
                None => Ok(text.into()),
            };
        }
    };
    let (units, odd) = bytes[2..].as_chunks::<2>();
    let text = char::decode_utf16(units.iter().map(|u| unit(*u)))
        .collect::<std::result::Result<String, _>>();
    match text {
        Ok(text) if odd.is_empty() => Ok(text.into()),
        _ => Err((1, "begins as text in UTF-16, and is none")),
    }
}

/// Ends of lines in a text: line feeds, carriage returns, or one with the other.
fn lines(text: &[u8]) -> usize {
    let is_end =
        |(i, b): (usize, &u8)| *b == b'\n' || *b == b'\r' && text.get(i + 1) != Some(&b'\n');
    text.iter().enumerate().filter(|byte| is_end(*byte)).count()
}

/// The place where the first line begins that is neither blank nor a comment.
fn beginning(text: &str) -> usize {
    let mut start = text.len() - text.trim_start().len();
    while text[start..].starts_with('#') {
        let end = text[start..].find(['\n', '\r']).map_or(text.len(), |n| start + n);
        start = text.len() - text[end..].trim_start().len();
    }
    start
}

/// What parts the fields of a table, by its first line: the commonest of `;`, tab and `,` outside
/// quotes, or else blanks.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0)];
    for b in text.bytes() {
        quoted ^= b == b'"';
        if !quoted && matches!(b, b'\n' | b'\r') {
            break;
        }
        counts.iter_mut().filter(|(d, _)| !quoted && *d == b).for_each(|(_, n)| *n += 1);
    }
    // Of equally frequent ones the last: a decimal comma may be as frequent as what parts two
    // numbers.
    counts
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .filter(|(_, n)| *n > 0)
        .map_or(b' ', |(byte, _)| byte)
}

fn parse(place: String, text: &str, of: &Columns) -> Result<Table> {
    let start = beginning(text);
    let body = &text[start..];
    let first_line = body.split(['\n', '\r']).next().unwrap_or_default();
    if first_line.starts_with('%') || first_line.to_ascii_lowercase().starts_with("@relation") {
        return Err(Error::input(place, "is an ARFF file, which is not read").help(
            "keep the lines below @data: sed '1,/^ *@[Dd][Aa][Tt][Aa]/d' FILE > TABLE, and \
                read csv:TABLE",
        ));
    }
    let delimiter = delimiter(body);
    let mut builder = ReaderBuilder::new();
    let reader = builder
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter)
        .from_reader(body.as_bytes());
    let scale = f64::powi(2.0, -of.frac);
    let (mut first, mut trailing) = (None::<(Vec<usize>, usize, usize)>, None);
    let (mut sequence, mut sequences) = (None, Vec::<String>::new());
    let mut samples = 0;
    let (mut values, mut labels) = (Column::with_capacity(0), Vec::<String>::new());
    let mut ids: Option<(f64, bool)> = None;
    // The line of a byte of the body at which a sample begins.
    let (mut byte, mut line) = (0, 1 + lines(&text.as_bytes()[..start]));
    for record in reader.into_records() {
        let record = record
            .map_err(|e| Error::input(&place, format_args!("is not a proper CSV file: {e}")))?;
        // A record's position is where the one before it ended, blank lines included.
        let from = record.position().map_or(0, |p| p.byte() as usize);
        let from = from + body[from..].bytes().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        line += lines(&body.as_bytes()[byte..from]);
        byte = from;
        let mut fields: Vec<&str> = record.iter().collect();
        if delimiter == b' ' {
            fields.retain(|field| !field.is_empty());
        }
        if fields.iter().all(|field| field.is_empty()) && fields.len() <= 1 {
            continue;
        }
        let at = |column: usize| format!("{place}:{line}, column {}", column + 1);
        // A delimiter at the end of every line ends the last field, as a line feed does.
        let ends = fields.last().is_some_and(|field| field.is_empty());
        match trailing {
            None => trailing = Some((line, ends && fields.len() > 2)),
            Some((first, true)) if !ends => {
                let column = format!("{place}:{first}, column {}", fields.len());
                return Err(Error::input(
                    column,
                    format_args!("is empty, and line {line} has `{}`", fields[fields.len() - 1]),
                ));
            }
            _ => {}
        }
        if let Some((_, true)) = trailing {
            fields.pop();
        }
        if first.is_none() {
            let (columns, named, header) =
                first_line_of(&fields, of).map_err(|cause| Error::input(&place, cause))?;
            first = Some((columns, fields.len(), line));
            sequence = named;
            if header {
                continue;
            }
        }
        let Some((label_columns, columns, above)) = &first else { continue };
        if fields.len() != *columns {
            let cause = format!("has {} columns, line {above} has {columns}", fields.len());
            return Err(Error::input(format_args!("{place}:{line}"), cause));
        }
        let is_value =
            |column: &usize| !label_columns.contains(column) && sequence != Some(*column);
        let feature = (0..*columns).find(is_value);
        for (column, field) in fields.iter().enumerate() {
            if sequence == Some(column) {
                sequences.push((*field).to_owned());
                continue;
            }
            if label_columns.contains(&column) {
                if field.is_empty() {
                    return Err(Error::input(at(column), "the label is missing"));
                }
                labels.push((*field).to_owned());
                continue;
            }
            let value = number(field).filter(|v| values.push(v * scale));
            let Some(value) = value else {
                let help = match number(&field.replacen(',', ".", 1)) {
                    Some(_) if delimiter != b',' => {
                        "numbers have a decimal point: sed 's/,/./g' FILE > TABLE replaces the \
                         commas"
                    }
                    _ => "every feature must be a number; remove or replace the sample",
                };
                return Err(Error::input(
                    at(column),
                    format_args!("`{field}` is not a finite number"),
                )
                .help(help));
            };
            if Some(column) == feature {
                let (least, counts) = ids.unwrap_or((value, true));
                ids = Some((least, counts && value == least + samples as f64));
            }
        }
        samples += 1;
    }
    let (several, columns) = first.map_or((1, 1), |(labels, columns, _)| (labels.len(), columns));
    let features = columns - several - usize::from(sequence.is_some());
    // Numbers above labels of another kind are a header that counts its columns.
    if let Some((words, others)) = labels.split_at_checked(several)
        && !others.is_empty()
        && words.iter().all(|word| number(word).is_none())
        && others.iter().all(|label| number(label).is_some())
    {
        values.drop_first(features);
        labels.drain(..several);
        sequences.drain(..sequences.len().min(1));
        samples -= 1;
    }
    if labels.is_empty() {
        return Err(Error::input(place, "holds no samples"));
    }
    let counts = samples >= 10 && ids.is_some_and(|(_, counts)| counts);
    let values = values
        .into_values((samples, features))
        .ok_or_else(|| Error::internal(&place, "is ragged"))?;
    Ok(Table { place, features, values, labels, counts, sequences, steps: None })
}

/// The labels' columns, that of the sequence, and whether the first line is a header: whether a
/// name of one of these or no number stands in it.
fn first_line_of(
    fields: &[&str],
    of: &Columns,
) -> std::result::Result<(Vec<usize>, Option<usize>, bool), String> {
    let (columns, mut named) = label_columns(fields, of.label)?;
    let mut sequence = None;
    if let Some(name) = of.sequence {
        let (column, is_named) = label_columns(fields, &[name.to_owned()])?;
        if columns.contains(&column[0]) {
            let column = column[0] + 1;
            return Err(format!("has its column {column} as a label and as the sequence"));
        }
        if fields.len() == columns.len() + 1 {
            return Err("has no column but the label and the sequence: features are needed".into());
        }
        named |= is_named;
        sequence = Some(column[0]);
    }
    // One number is enough to make it a sample, so that a sample with a hole is not taken for a
    // header.
    let has_number = fields
        .iter()
        .enumerate()
        .any(|(i, field)| !columns.contains(&i) && sequence != Some(i) && number(field).is_some());
    Ok((columns, sequence, named || !has_number))
}

/// The labels' columns among columns of these names, in order of the columns, and whether one is
/// named.
pub fn label_columns(
    names: &[&str],
    label: &[String],
) -> std::result::Result<(Vec<usize>, bool), String> {
    let columns = names.len();
    if columns <= label.len().max(1) {
        return Err("has a single column: features and a label are needed".into());
    }
    if label.is_empty() {
        return Ok((vec![columns - 1], false));
    }
    let (mut found, mut named) = (vec![], false);
    for label in label {
        let column = match label.parse::<usize>() {
            Ok(n) if (1..=columns).contains(&n) => n - 1,
            Ok(n) => {
                return Err(format!("has {columns} columns, so column {n} cannot be the label"));
            }
            Err(_) => {
                named = true;
                names
                    .iter()
                    .position(|name| name == label)
                    .ok_or_else(|| format!("has no column called `{label}` in its first line"))?
            }
        };
        if found.contains(&column) {
            return Err(format!("has its column {} named as a label twice", column + 1));
        }
        found.push(column);
    }
    found.sort_unstable();
    Ok((found, named))
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use crate::{DataSet, Result};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::path::Path;

    fn load_text(text: &[u8], options: &str) -> Result<DataSet> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        load(&format!("csv:{}{options}", path.display()), Path::new("/nowhere"))
    }

    fn refused(text: &str, options: &str) -> String {
        let e = load_text(text.as_bytes(), options).unwrap_err();
        assert_eq!(e.kind(), crate::Kind::Input);
        e.to_string()
    }

    #[test]
    fn header_delimiter_and_label_are_found() {
        let expected = load_text("1,2,a\n3,4,b\n".repeat(5).as_bytes(), "").unwrap();
        assert_eq!((expected.train.len(), expected.test.len(), expected.classes), (8, 2, 2));
        assert_eq!((&expected.name[..], &expected.shape[..]), ("table", &[2][..]));
        assert_eq!(expected.test.labels, [0, 1]);
        for (text, options) in [
            (format!("x,y,kind\n{}", "1,2,a\n3,4,b\n".repeat(5)), ""),
            (
                format!("\u{feff}kind;x;y\r\n{}", "a; 1 ;2\r\nb;3e0;4.0\r\n".repeat(5)),
                ",label=kind",
            ),
            ("a\t1\t2\nb\t3\t4\n".repeat(5), ",label=1"),
            ("\"1\",2,a\n\n3,4,b\n".repeat(5), ",label=3"),
            ("2,4,a\n6,8,b\n".repeat(5), ",frac=1"),
        ] {
            assert_eq!(load_text(text.as_bytes(), options).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_classes_and_words_are_sorted() {
        let labels =
            |text: &str| load_text(text.as_bytes(), "").map(|d| (d.train.labels, d.classes));
        assert_eq!(labels(&"1,7\n2,0.0\n".repeat(5)).unwrap(), ([7, 0].repeat(4), 8));
        assert_eq!(labels(&"1,7\n2,3.0\n".repeat(5)).unwrap(), ([1, 0].repeat(4), 2));
        assert_eq!(labels(&"1,7\n2,b\n".repeat(5)).unwrap(), ([0, 1].repeat(4), 2));
        for bad in ["0.5", "1e300", "nan", "inf"] {
            assert!(refused(&format!("1,{bad}\n"), "").contains("sample 0 has label"), "{bad}");
        }
    }

    #[test]
    fn lines_of_one_sequence_are_one_sample() {
        // Lines of two sequences may lie among each other; names are numbers or words.
        let of =
            |a: &str, b: &str| format!("1,2,{a},x\n5,6,{b},y\n3,4,{a},x\n7,8,{b},y\n9,0,{b},y\n");
        let text = (0..5).map(|i| of(&format!("a{i}"), &i.to_string())).collect::<String>();
        let data = load_text(text.as_bytes(), ",sequence=3").unwrap();
        assert_eq!((&data.shape[..], data.train.len(), data.test.len()), (&[3, 2][..], 8, 2));
        let x = data.test.x.singles();
        let rows = x.rows().into_iter().map(|row| row.to_vec());
        let due = [[0.0, 0.0, 1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0, 9.0, 0.0]];
        assert_eq!(rows.collect::<Vec<_>>(), due);
        assert_eq!(data.test.labels, [0, 1]);
        assert!(data.notes[0].starts_with("10 sequences have 2 to 3 lines"), "{:?}", data.notes);
        let named = format!("u,v,series,kind\n{text}");
        assert_eq!(load_text(named.as_bytes(), ",sequence=series").unwrap(), data);
        let first = text.lines().map(|line| {
            let [u, v, series, kind] = *line.split(',').collect::<Vec<_>>() else { panic!() };
            format!("{kind},{series},{u},{v}\n")
        });
        let first = first.collect::<String>();
        assert_eq!(load_text(first.as_bytes(), ",label=1,sequence=2").unwrap(), data);
        for (text, options, cause) in [
            ("1,a,x\n2,a,y\n", ",sequence=2", "sequence `a` has the label `x` in one line, `y`"),
            ("1,a,x\n", ",sequence=3", "has its column 3 as a label and as the sequence"),
            ("a,x\n", ",sequence=1", "has no column but the label and the sequence"),
            ("1,a,x\n", ",sequence=b", "has no column called `b` in its first line"),
            ("1,a,x\n", ",sequence=1,sequence=2", "names the sequence twice"),
        ] {
            let e = refused(text, options);
            assert!(e.contains(cause), "{text}: {e}");
        }
        // A network says how many steps enter, where no sequence is longer.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, &text).unwrap();
        let spec = format!("csv:{},sequence=3", path.display());
        for (steps, due) in [(2, 3), (5, 5)] {
            let network = format!(
                "name = \"t\"\ninput = {{ shape = [{steps}, 2], bits = 8, frac = 0 }}\nlayers = \
                 [\"last\", {{ dense = {{ units = 2 }} }}]"
            );
            let network = crate::Network::parse("t", &network).unwrap();
            let data = crate::data::load_for(&network, &spec, Path::new("/nowhere")).unwrap();
            assert_eq!(data.shape, [due, 2]);
            assert_eq!(data.test.x.singles()[[1, 2 * due - 2]], 9.0);
        }
    }

    #[test]
    fn two_files_share_their_classes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        std::fs::write(path("train.csv"), "x,kind\n1,c\n2,a\n").unwrap();
        std::fs::write(path("test.csv"), "3,b\n").unwrap();
        std::fs::write(path("wide.csv"), "3,4,b\n").unwrap();
        let load = |test| {
            load(
                &format!("csv:{},{}", path("train.csv").display(), path(test).display()),
                Path::new("/"),
            )
        };
        let data = load("test.csv").unwrap();
        assert_eq!((data.train.labels, data.test.labels, data.classes), (vec![2, 0], vec![1], 3));
        assert!(load("wide.csv").unwrap_err().to_string().contains("has 2 features"));
    }

    #[test]
    fn tables_that_cannot_be_read_are_refused() {
        for (text, options, cause) in [
            ("", "", "holds no samples"),
            ("x,kind\n", "", "holds no samples"),
            ("1\n2\n", "", "single column"),
            ("1,5;a\n1,5;a\n", "", "table.csv:2, column 1: `1,5` is not a finite number"),
            ("1,2,a\n1,a\n", "", "table.csv:2: has 2 columns, line 1 has 3"),
            ("1,2,a\n1,,a\n", "", "table.csv:2, column 2: `` is not a finite number"),
            ("1,2,a\n1,NaN,a\n", "", "table.csv:2, column 2: `NaN` is not a finite number"),
            ("1,inf,a\n", "", "table.csv:1, column 2: `inf`"),
            ("1,?,a\n", "", "table.csv:1, column 2: `?`"),
            ("1,1e39,a\n", "", "`1e39` is not a finite number"),
            ("1,1e38,a\n", ",frac=-64", "`1e38` is not a finite number"),
            ("1,2,a\n1,2,\n", "", "table.csv:2, column 3: the label is missing"),
            ("1,2,\n1,2,a\n", "", "table.csv:1, column 3: is empty, and line 2 has `a`"),
            (
                "1,5;2;a\n",
                "",
                "table.csv:1, column 1: `1,5` is not a finite number\n  help: numbers have a \
                 decimal point",
            ),
            ("@RELATION x\n@data\n1,2,a\n", "", "is an ARFF file, which is not read"),
            ("% x\n@relation x\n", "", "is an ARFF file"),
            ("1,2,a\n1,\0,a\n", "", "table.csv: is no text: it holds NUL"),
            ("1,2,a\n", "", "no class with five samples"),
            ("1,2,a\n", ",label=4", "column 4 cannot be the label"),
            ("1,2,a\n", ",label=0", "column 0 cannot be the label"),
            ("x,y,kind\n1,2,a\n", ",label=sort", "no column called `sort`"),
        ] {
            let e = refused(text, options);
            assert!(e.contains(cause), "{text}: {e}");
        }
        assert!(load_text(b"1,2,\xff\n", "").unwrap_err().to_string().contains("UTF-8"));
        assert!(
            load_text(b"\x1f\x8b\x08\x00", "").unwrap_err().to_string().contains("damaged gzip")
        );
    }

    #[test]
    fn tables_of_many_makes_are_read() {
        let expected = load_text("1,2.5,a\n3,4,b\n".repeat(5).as_bytes(), "").unwrap();
        for text in [
            "\"a, in mm, outer\";\"b, in mm\";kind\n".to_owned() + &"1;2.5;a\n3;4;b\n".repeat(5),
            "  1   2.5 a \n 3 4 b\n".repeat(5) + "\n  \n\n",
            "1,2.5,a,\n3,4,b,\n".repeat(5),
            "1,2.5,a\r3,4,b\r".repeat(5),
            "\n# made by hand\n\n# 3,4\n".to_owned() + &"1,2.5,a\n3,4,b\n".repeat(5),
        ] {
            assert_eq!(load_text(text.as_bytes(), "").unwrap(), expected, "{text}");
        }
        let text = "1,2.5,a\n3,4,b\n".repeat(5);
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            ["\u{feff}", &text].concat().encode_utf16().flat_map(bytes).collect::<Vec<_>>()
        };
        assert_eq!(load_text(&utf16(u16::to_le_bytes), "").unwrap(), expected);
        assert_eq!(load_text(&utf16(u16::to_be_bytes), "").unwrap(), expected);
        assert!(load_text(&utf16(u16::to_be_bytes)[..21], "").is_err());
    }

    #[test]
    fn a_header_of_numbers_stands_above_labels_of_another_kind() {
        let expected = load_text("5,6,0\n7,8,1\n".repeat(5).as_bytes(), "").unwrap();
        let headed = "1,2,class\n".to_owned() + &"5,6,0\n7,8,1\n".repeat(5);
        assert_eq!(load_text(headed.as_bytes(), "").unwrap(), expected);
        // Of words, the first one is a label like the others.
        let words =
            load_text(("1,2,c\n".to_owned() + &"5,6,a\n7,8,b\n".repeat(5)).as_bytes(), "").unwrap();
        assert_eq!((words.classes, words.train.labels[0]), (3, 2));
    }

    #[test]
    fn numbers_of_a_table_are_exact() {
        let format = crate::Format { signed: true, bits: 30, frac: 0 };
        let data = load_text("126865471,0\n35.499999999,1\n".repeat(5).as_bytes(), "").unwrap();
        let integers = data.train.x.integers(&vec![(data.elements(), format)]).unwrap();
        assert_eq!((integers[[0, 0]], integers[[1, 0]]), (126_865_471, 35));
    }

    #[test]
    fn the_line_is_the_line_in_the_file() {
        for (text, place) in [
            ("1,2,0\n\n\n\n1,oops,0\n", ":5, column 2: `oops`"),
            ("1,2,0\r\n\r\n1,oops,0\r\n", ":3, column 2: `oops`"),
            ("1,2,0\r\r1,oops,0\r", ":3, column 2: `oops`"),
            ("\n\n# one\n\n\"x\n\ny\",b,kind\n\n1,2,0\n1,oops,0", ":10, column 2: `oops`"),
            ("1,2,0\n\n1,\"oops\n\",0\n", ":3, column 2: `oops`"),
            ("1,2,0\n\n\n1,2\n", ":4: has 2 columns, line 1 has 3"),
            ("\n1,2,0\n\n\n1,2\n", ":5: has 2 columns, line 2 has 3"),
            ("1 2 0\n\n  \n 1 2\n", ":4: has 2 columns, line 1 has 3"),
            ("1,2,0\n\n\n1,2,\n", ":4, column 3: the label is missing"),
        ] {
            let e = refused(text, "");
            assert!(e.contains(&format!("table.csv{place}")), "{text:?}: {e}");
        }
        assert!(
            load_text(b"1,2,0\n\n1,2,\xff\n", "")
                .unwrap_err()
                .to_string()
                .contains("table.csv:3: is not UTF-8")
        );
    }

    #[test]
    fn what_a_file_calls_its_classes_is_told() {
        let notes = |text: &str| load_text(text.repeat(10).as_bytes(), "").unwrap().notes;
        assert_eq!(notes("1,0\n2,1\n"), [""; 0]);
        assert_eq!(notes("1,1\n2,3\n"), ["labels begin at 1, not at 0: 1, 3 are classes 0 to 1"]);
        let ids: String = (5..25).map(|i| format!("{i},{},{}\n", i * i % 7, i % 2)).collect();
        let notes = load_text(ids.as_bytes(), "").unwrap().notes;
        assert!(notes[0].contains("table.csv: the first column counts the lines"), "{notes:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..Default::default() })]

        #[test]
        fn noise_never_panics(
            noise in "[0-9a-z,;\"\n\r\t. \\-é]{0,60}",
            label in prop::option::of("[a-c0-3]{0,2}"),
            sequence in any::<bool>(),
        ) {
            let sequence = sequence.then_some("1");
            let columns = super::Columns { label: label.as_slice(), sequence, frac: 0 };
            if let Ok(mut table) = super::parse("noise".into(), &noise, &columns) {
                let lines = table.lines();
                let _ = table.put_together(&lines, 60);
            }
        }
    }
}
