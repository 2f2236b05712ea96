//! The text that names a data set on the command line.

use super::{DataSet, arrays, csv, digits, find, idx};
use crate::error::{Error, Result, closest};
use std::path::{Path, PathBuf};

/// What [`load`](super::load) understands, for `--help`.
pub const GRAMMAR: &str = "\
digits               8×8 handwritten digits, built in
mnist                where installed; mnist:FOLDER reads another folder
fashion-mnist        likewise
cifar10              likewise, in its binary version: data_batch_1.bin, …
idx:FOLDER           {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz
npy:FOLDER           x_train.npy, y_train.npy, x_test.npy, y_test.npy: samples on
                     the first axis of x, classes from 0 in y
npy:X,Y,XTEST,YTEST  four files by name
csv:FILE[,TESTFILE]  a sample a line, an optional header; of one file, every fifth
                     sample of each class is a test sample
Options follow after commas:
label=NAME|N         column of the label in a CSV file, by its header or counted
                     from 1; default: the last
frac=N               real value = number · 2^-N; default: 8 for bytes (IDX files,
                     uint8 arrays: pixels), else 0";

/// What a text asks for.
#[derive(Debug)]
pub enum Source {
    Digits,
    Known { name: String, folder: Option<PathBuf> },
    Idx { folder: PathBuf, frac: i32 },
    Npy { files: Vec<PathBuf>, frac: Option<i32> },
    Csv { files: Vec<PathBuf>, label: Option<String>, frac: i32 },
}

/// Takes a text apart; nothing is read yet.
pub fn parse(spec: &str) -> Result<Source> {
    let fail = |cause: String| Err(Error::input(format_args!("data `{spec}`"), cause).help(GRAMMAR));
    let (kind, rest) = match spec.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (spec, None),
    };
    let (mut files, mut label, mut frac) = (Vec::new(), None, None);
    for part in rest.iter().flat_map(|rest| rest.split(',')) {
        match part.split_once('=') {
            Some(("label", name)) if kind == "csv" => label = Some(name.to_owned()),
            Some(("frac", n)) if matches!(kind, "idx" | "npy" | "csv") => match n.parse() {
                Ok(n @ -64..=64) => frac = Some(n),
                _ => return fail(format!("frac must be a whole number within -64..=64, not `{n}`")),
            },
            Some((option @ ("label" | "frac"), _)) => return fail(format!("{kind} has no option `{option}`")),
            _ if part.is_empty() => return fail("has an empty path".into()),
            _ => files.push(PathBuf::from(part)),
        }
    }
    let count = files.len();
    let mut one = || match (files.len(), files.pop()) {
        (1, Some(file)) => Ok(file),
        _ => fail(format!("{kind} takes one folder, {count} are given")).map(|_: Source| PathBuf::new()),
    };
    Ok(match kind {
        "digits" if rest.is_none() => Source::Digits,
        "digits" => return fail("digits is built in and takes no path".into()),
        _ if find::known(kind).is_some() => {
            let folder = if rest.is_some() { Some(one()?) } else { None };
            Source::Known { name: kind.into(), folder }
        }
        "idx" => Source::Idx { folder: one()?, frac: frac.unwrap_or(8) },
        "npy" if matches!(count, 1 | 4) => Source::Npy { files, frac },
        "npy" => return fail(format!("npy takes a folder or four files, {count} are given")),
        "csv" if matches!(count, 1 | 2) => Source::Csv { files, label, frac: frac.unwrap_or(0) },
        "csv" => return fail(format!("csv takes one or two files, {count} are given")),
        _ => {
            let kinds = ["digits", "mnist", "fashion-mnist", "cifar10", "idx", "npy", "csv"];
            let near = closest(kind, kinds).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            return fail(format!("`{kind}` is no data set{near}"));
        }
    })
}

impl Source {
    /// Reads the set.
    pub fn load(self, home: &Path) -> Result<DataSet> {
        match self {
            Source::Digits => digits::load(),
            Source::Known { name, folder } => match find::known(&name) {
                Some(known) => known.load(folder.as_deref(), home),
                None => Err(Error::internal(name, "is not a known data set")),
            },
            Source::Idx { folder, frac } => idx::load(&name_of(&folder), &folder, frac),
            Source::Npy { files, frac } => arrays::load(&name_of(&files[0]), &files, frac),
            Source::Csv { files, label, frac } => csv::load(&name_of(&files[0]), &files, label.as_deref(), frac),
        }
    }
}

/// A set from files is called after the first of them.
fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_grammar_is_refused() {
        for (spec, cause) in [
            ("", "`` is no data set"),
            ("mnst", "`mnst` is no data set: did you mean `mnist`?"),
            ("cifar", "did you mean `cifar10`?"),
            ("digits:here", "takes no path"),
            ("mnist:", "empty path"),
            ("mnist:a,b", "one folder, 2 are given"),
            ("mnist:a,frac=4", "mnist has no option `frac`"),
            ("idx", "one folder, 0 are given"),
            ("npy:a,b,c", "four files, 3 are given"),
            ("csv:a,b,c", "two files, 3 are given"),
            ("csv:label=x", "two files, 0 are given"),
            ("csv:a,frac=x", "not `x`"),
            ("csv:a,frac=65", "not `65`"),
            ("idx:a,label=3", "idx has no option `label`"),
        ] {
            let e = parse(spec).unwrap_err().to_string();
            assert!(e.contains(cause) && e.contains("csv:FILE"), "{spec}: {e}");
        }
    }

    #[test]
    fn options_stand_anywhere_after_the_colon() {
        let Source::Csv { files, label, frac } = parse("csv:a.csv,label=kind,b=c.csv,frac=-3").unwrap() else {
            panic!()
        };
        assert_eq!((files, label, frac), (vec!["a.csv".into(), "b=c.csv".into()], Some("kind".into()), -3));
        let Source::Known { name, folder } = parse("fashion-mnist:there").unwrap() else { panic!() };
        assert_eq!((name.as_str(), folder), ("fashion-mnist", Some("there".into())));
    }

    #[test]
    fn a_missing_set_says_how_to_get_it() {
        let e = super::super::load("mnist", Path::new("/nowhere")).unwrap_err().to_string();
        assert!(e.contains("/nowhere/data/mnist") && e.contains("strassenc doctor --install mnist"), "{e}");
        assert!(e.contains("--data mnist:package/data"), "{e}");
    }
}
