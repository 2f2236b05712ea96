//! Tables: one sample a line, numbers and a label.

use super::{DataSet, MAX_CLASSES, MAX_ELEMENTS, Split, classes, gzip, split_by_class};
use crate::error::{Error, Result};
use crate::files;
use ndarray::Array2;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A table as read: labels are still words.
struct Table {
    place: String,
    features: usize,
    values: Vec<f32>,
    labels: Vec<String>,
}

/// The set in one or two files. `label` names the label's column or counts it from 1; by default it is the last. A
/// number v is v · 2^-frac.
///
/// Labels that are all whole numbers from 0 are classes as they stand; words are classes in their sorted order.
///
/// # Errors
/// Where a file is missing, ragged or holds what is not a number, with the line and the column.
pub fn load(name: &str, files: &[PathBuf], label: Option<&str>, frac: i32) -> Result<DataSet> {
    let tables = files.iter().map(|file| read(file, label, frac)).collect::<Result<Vec<_>>>()?;
    if let Some(other) = tables.iter().find(|t| t.features != tables[0].features) {
        return Err(Error::input(
            &other.place,
            format_args!("has {} features, {} has {}", other.features, tables[0].place, tables[0].features),
        ));
    }
    let labels = label_classes(&tables)?;
    let shape = vec![tables[0].features];
    let mut splits = Vec::with_capacity(2);
    for (table, labels) in tables.into_iter().zip(labels) {
        let x = Array2::from_shape_vec((labels.len(), table.features), table.values)
            .map_err(|e| Error::internal(&table.place, e))?;
        splits.push(Split { x, labels });
    }
    let (train, test) = match <[Split; 2]>::try_from(splits) {
        Ok([train, test]) => (train, test),
        Err(one) => {
            let Some(Split { x, labels }) = one.first() else {
                return Err(Error::internal("data csv", "no file was given"));
            };
            let (train, test) = split_by_class(labels);
            if test.is_empty() {
                return Err(Error::input(files[0].display(), "has no class with five samples, so none can be tested")
                    .help("give a second file with the test samples"));
            }
            (Split::select(x, labels, &train), Split::select(x, labels, &test))
        }
    };
    let classes = classes([&train.labels, &test.labels]);
    Ok(DataSet { name: name.into(), shape, classes, train, test })
}

fn read(path: &Path, label: Option<&str>, frac: i32) -> Result<Table> {
    let place = path.display().to_string();
    let text = gzip::read(&place, files::read(path)?, MAX_ELEMENTS)?;
    parse(place, &text, label, frac)
}

fn parse(place: String, text: &[u8], label: Option<&str>, frac: i32) -> Result<Table> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let first_line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| first_line.iter().filter(|b| **b == delimiter).count();
    let delimiter = [b';', b'\t', b','].into_iter().max_by_key(|d| count(*d)).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).trim(csv::Trim::All).from_reader(text);
    let scale = f32::powi(2.0, -frac);
    let mut table = Table { place, features: 0, values: Vec::new(), labels: Vec::new() };
    // Set by the first line, header or not.
    let mut label_column = None;
    for record in reader.records() {
        let record = record.map_err(|e| Error::input(&table.place, format_args!("is not a proper CSV file: {e}")))?;
        let at = |column: usize| {
            let line = record.position().map_or(0, csv::Position::line);
            format!("{}:{line}, column {}", table.place, column + 1)
        };
        let label_column = match label_column {
            Some(column) => column,
            None => {
                let (column, header) =
                    first_line_of(&record, label).map_err(|cause| Error::input(&table.place, cause))?;
                table.features = record.len() - 1;
                label_column = Some(column);
                if header {
                    continue;
                }
                column
            }
        };
        for (column, field) in record.iter().enumerate() {
            if column == label_column {
                table.labels.push(field.to_owned());
                if field.is_empty() {
                    return Err(Error::input(at(column), "the label is missing"));
                }
                continue;
            }
            match field.parse::<f32>() {
                Ok(v) if (v * scale).is_finite() => table.values.push(v * scale),
                _ => {
                    return Err(Error::input(at(column), format_args!("`{field}` is not a finite number"))
                        .help("every feature must be a number; remove or replace the sample"));
                }
            }
        }
    }
    if table.labels.is_empty() {
        return Err(Error::input(table.place, "holds no samples"));
    }
    Ok(table)
}

/// The label's column, and whether the first line is a header: whether the label's name or no number stands in it.
fn first_line_of(record: &csv::StringRecord, label: Option<&str>) -> std::result::Result<(usize, bool), String> {
    let columns = record.len();
    if columns < 2 {
        return Err("has a single column: features and a label are needed".into());
    }
    let (column, named) = match label {
        None => (columns - 1, false),
        Some(label) => match label.parse::<usize>() {
            Ok(n) if (1..=columns).contains(&n) => (n - 1, false),
            Ok(n) => return Err(format!("has {columns} columns, so column {n} cannot be the label")),
            Err(_) => match record.iter().position(|field| field == label) {
                Some(column) => (column, true),
                None => return Err(format!("has no column called `{label}` in its first line")),
            },
        },
    };
    // One number is enough to make it a sample, so that a sample with a hole is not taken for a header.
    let number = record.iter().enumerate().any(|(i, field)| i != column && field.parse::<f32>().is_ok());
    Ok((column, named || !number))
}

/// The class of each sample of each table.
fn label_classes(tables: &[Table]) -> Result<Vec<Vec<u32>>> {
    let numbers = |table: &Table| table.labels.iter().map(|l| l.parse::<f64>().ok()).collect::<Option<Vec<_>>>();
    if let Some(numbers) = tables.iter().map(numbers).collect::<Option<Vec<_>>>() {
        let class = |table: &Table, (i, v): (usize, &f64)| {
            if v.fract() == 0.0 && (0.0..MAX_CLASSES as f64).contains(v) {
                Ok(*v as u32)
            } else {
                Err(Error::input(
                    &table.place,
                    format_args!(
                        "sample {i} has label {v}: a class is a whole number from 0 below {MAX_CLASSES}, or a word"
                    ),
                )
                .help("name the label's column with label=NAME or label=N"))
            }
        };
        let tables = tables.iter().zip(&numbers);
        return tables.map(|(table, n)| n.iter().enumerate().map(|v| class(table, v)).collect()).collect();
    }
    let words: BTreeSet<&String> = tables.iter().flat_map(|t| &t.labels).collect();
    if words.len() > MAX_CLASSES {
        return Err(Error::input(&tables[0].place, format_args!("has {} different labels", words.len()))
            .help("name the label's column with label=NAME or label=N"));
    }
    let words: Vec<&String> = words.into_iter().collect();
    // Every label is among the words.
    let class = |label: &String| words.binary_search(&label).unwrap_or_default() as u32;
    Ok(tables.iter().map(|t| t.labels.iter().map(class).collect()).collect())
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
            (format!("\u{feff}kind;x;y\r\n{}", "a; 1 ;2\r\nb;3e0;4.0\r\n".repeat(5)), ",label=kind"),
            ("a\t1\t2\nb\t3\t4\n".repeat(5), ",label=1"),
            ("\"1\",2,a\n\n3,4,b\n".repeat(5), ",label=3"),
            ("2,4,a\n6,8,b\n".repeat(5), ",frac=1"),
        ] {
            assert_eq!(load_text(text.as_bytes(), options).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_classes_and_words_are_sorted() {
        let labels = |text: &str| load_text(text.as_bytes(), "").map(|d| (d.train.labels, d.classes));
        assert_eq!(labels(&"1,7\n2,3.0\n".repeat(5)).unwrap(), ([7, 3].repeat(4), 8));
        assert_eq!(labels(&"1,7\n2,b\n".repeat(5)).unwrap(), ([0, 1].repeat(4), 2));
        for bad in ["-1", "0.5", "65536", "nan", "inf"] {
            assert!(refused(&format!("1,{bad}\n"), "").contains("sample 0 has label"), "{bad}");
        }
    }

    #[test]
    fn two_files_share_their_classes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        std::fs::write(path("train.csv"), "x,kind\n1,c\n2,a\n").unwrap();
        std::fs::write(path("test.csv"), "3,b\n").unwrap();
        std::fs::write(path("wide.csv"), "3,4,b\n").unwrap();
        let load =
            |test| load(&format!("csv:{},{}", path("train.csv").display(), path(test).display()), Path::new("/"));
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
            ("1,2,a\n1,a\n", "", "found record with 2 fields"),
            ("1,2,a\n1,,a\n", "", "table.csv:2, column 2: `` is not a finite number"),
            ("1,2,a\n1,NaN,a\n", "", "table.csv:2, column 2: `NaN` is not a finite number"),
            ("1,inf,a\n", "", "table.csv:1, column 2: `inf`"),
            ("1,?,a\n", "", "table.csv:1, column 2: `?`"),
            ("1,1e39,a\n", "", "`1e39` is not a finite number"),
            ("1,1e38,a\n", ",frac=-64", "`1e38` is not a finite number"),
            ("1,2,\n", "", "table.csv:1, column 3: the label is missing"),
            ("1,2,a\n", "", "no class with five samples"),
            ("1,2,a\n", ",label=4", "column 4 cannot be the label"),
            ("1,2,a\n", ",label=0", "column 0 cannot be the label"),
            ("x,y,kind\n1,2,a\n", ",label=sort", "no column called `sort`"),
        ] {
            let e = refused(text, options);
            assert!(e.contains(cause), "{text}: {e}");
        }
        assert!(load_text(b"1,2,\xff\n", "").unwrap_err().to_string().contains("UTF-8"));
        assert!(load_text(b"\x1f\x8b\x08\x00", "").unwrap_err().to_string().contains("damaged gzip"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..Default::default() })]

        #[test]
        fn noise_never_panics(noise in "[0-9a-z,;\"\n\r\t. \\-é]{0,60}", label in prop::option::of("[a-c0-3]{0,2}")) {
            let _ = super::parse("noise".into(), noise.as_bytes(), label.as_deref(), 0);
        }
    }
}
