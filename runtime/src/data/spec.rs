//! The text that names a data set on the command line.

use super::{DataSet, Wanted, arrays, csv, digits, find, idx, images, parquet, text, wav};
use crate::error::{Error, Result, closest};
use crate::network::Loss;
use std::path::{Path, PathBuf};

/// What [`load`](super::load) understands, for `--help`.
pub const GRAMMAR: &str = "\
digits               8×8 handwritten digits, built in
mnist                where installed; mnist:FOLDER reads another folder
fashion-mnist        likewise
cifar10              likewise, in its binary version: data_batch_1.bin, …
fsdd                 likewise, the Free Spoken Digit Dataset: recordings/*.wav
letter, satellite    likewise, as UCI has them: letter-recognition.data; sat.trn, sat.tst
idx:FOLDER           {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz
npy:FOLDER           x_train.npy, y_train.npy, x_test.npy, y_test.npy: samples on
                     the first axis of x, classes from 0 in y
npy:X,Y,XTEST,YTEST  four files by name
npz:FILE             an archive of those four, also of train_images, train_labels, …
images:FOLDER        PNG and JPEG images of one size in a folder for each class, below
                     train and test, where FOLDER has those; else every fifth image of
                     each class is a test sample
images:TRAIN,TEST    two such folders by name
wav:FOLDER           recordings, in one channel of 8 or 16 bits, in a folder for each class, or
                     called CLASS_*.wav; train and test as with images, or test=PATTERN;
                     `log_mel` of the description's `input` makes numbers of them
wav:TRAIN,TEST       two such folders by name
csv:FILE[,TESTFILE]  a sample a line, an optional header; `,`, `;`, tabs or blanks between
                     numbers; of one file, every fifth sample of each class is a test sample
parquet:FILE[,TESTFILE]  a sample a row, likewise
Options follow after commas:
label=NAME|N         column of the label in a table, by its header or counted
                     from 1; default: the last. Given once for each of several
                     labels or numbers, where the loss of the network is of those
sequence=NAME|N      column of a table whose lines of one name are one sample, a
                     sequence of steps in their order: [steps, numbers]; those with
                     fewer lines than the longest begin with zeros
frac=N               real value = number · 2^-N; default: 8 for bytes (IDX files,
                     uint8 arrays: pixels), else 0
test=PATTERN         recordings with such names are test samples, `*` is any characters:
                     test=*_theo_* holds a speaker out
An image is [height, width] or [height, width, channels], channels last: arrays of
images are [N, height, width, channels], or [N, numbers] in that order.
In a path and in a name, `\\,` is a comma, `\\=` an equals sign and `\\\\` a backslash.
Labels are numbers from 0 or, where 0 is not among them, any numbers or words: then the
classes are those that occur, in their order.";

/// Everything that names data, samples and texts, for `--help`.
pub fn grammar() -> String {
    format!("{GRAMMAR}\nNetworks of sequences take texts instead:\n{}", text::GRAMMAR)
}

/// What a text asks for.
#[derive(Debug)]
pub enum Source {
    Digits,
    Known { name: String, folder: Option<PathBuf> },
    Idx { folder: PathBuf, frac: i32 },
    Npy { files: Vec<PathBuf>, frac: Option<i32> },
    Npz { file: PathBuf, frac: Option<i32> },
    Images { folders: Vec<PathBuf> },
    Wav { folders: Vec<PathBuf>, test: Option<String> },
    Csv { files: Vec<PathBuf>, label: Vec<String>, sequence: Option<String>, frac: i32 },
    Parquet { files: Vec<PathBuf>, label: Vec<String>, frac: i32 },
}

/// Takes a text apart; nothing is read yet.
pub fn parse(spec: &str) -> Result<Source> {
    let fail =
        |cause: String| Err(Error::input(format_args!("data `{spec}`"), cause).help(grammar()));
    if text::is_text(spec) {
        let cause =
            "is a text, and samples with labels are needed: this is no network of sequences";
        return Err(Error::input(format_args!("data `{spec}`"), cause).help(GRAMMAR));
    }
    let (kind, rest) = match spec.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (spec, None),
    };
    let (mut files, mut label, mut frac, mut test) = (Vec::new(), vec![], None, None);
    let mut sequence = None;
    for part in rest.map(split).unwrap_or_default() {
        if let Some(pattern) = part.strip_prefix("test=") {
            if kind != "wav" {
                return fail(format!("{kind} has no option `test`"));
            }
            test = Some(unescape(pattern));
            continue;
        }
        if let Some(name) = part.strip_prefix("sequence=") {
            if kind != "csv" {
                return fail(format!("{kind} has no option `sequence`"));
            }
            if sequence.replace(unescape(name)).is_some() {
                return fail("names the sequence twice".into());
            }
            continue;
        }
        match (part.strip_prefix("label="), part.strip_prefix("frac=")) {
            (Some(name), _) if matches!(kind, "csv" | "parquet") => label.push(unescape(name)),
            (_, Some(n)) if matches!(kind, "idx" | "npy" | "npz" | "csv" | "parquet") => match n
                .parse()
            {
                Ok(n @ -64..=64) => frac = Some(n),
                _ => {
                    return fail(format!("frac must be a whole number within -64..=64, not `{n}`"));
                }
            },
            (Some(_), _) => return fail(format!("{kind} has no option `label`")),
            (_, Some(_)) => return fail(format!("{kind} has no option `frac`")),
            _ if part.is_empty() => return fail("has an empty path".into()),
            _ => files.push(PathBuf::from(unescape(part))),
        }
    }
    let count = files.len();
    let mut one = || match (files.len(), files.pop()) {
        (1, Some(file)) => Ok(file),
        _ => {
            let what = if kind == "npz" { "file" } else { "folder" };
            fail(format!("{kind} takes one {what}, {count} are given"))
                .map(|_: Source| PathBuf::new())
        }
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
        "npz" => Source::Npz { file: one()?, frac },
        "images" if matches!(count, 1 | 2) => Source::Images { folders: files },
        "images" => return fail(format!("images takes one or two folders, {count} are given")),
        "wav" if matches!(count, 1 | 2) => Source::Wav { folders: files, test },
        "wav" => return fail(format!("wav takes one or two folders, {count} are given")),
        "csv" if matches!(count, 1 | 2) => {
            Source::Csv { files, label, sequence, frac: frac.unwrap_or(0) }
        }
        "parquet" if matches!(count, 1 | 2) => {
            Source::Parquet { files, label, frac: frac.unwrap_or(0) }
        }
        "csv" | "parquet" => {
            return fail(format!("{kind} takes one or two files, {count} are given"));
        }
        _ => {
            let sets = [
                "digits",
                "mnist",
                "fashion-mnist",
                "cifar10",
                "fsdd",
                "letter",
                "satellite",
                "idx",
                "npy",
                "npz",
                "images",
                "wav",
                "csv",
                "parquet",
            ];
            // A file whose name says what it is lacks but the word.
            let ending = Path::new(spec).extension().and_then(|ending| ending.to_str());
            let of_file = ending.filter(|ending| matches!(*ending, "npz" | "csv" | "parquet"));
            let near = match of_file {
                Some(word) => Some(format!("{word}:{spec}")),
                None => closest(kind, sets.into_iter().chain(text::KNOWN)).map(str::to_owned),
            };
            let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            return fail(format!("`{kind}` is no data set{near}"));
        }
    })
}

/// The parts of a text between the commas that no backslash stands before.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from) = (vec![], 0);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, b)) = bytes.next() {
        match b {
            b'\\' => drop(bytes.next()),
            b',' => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The characters that a backslash stands before where they mean themselves.
const ESCAPED: [char; 3] = [',', '=', '\\'];

/// A path or a name as it is meant; any other backslash is one.
pub fn unescape(text: &str) -> String {
    let (mut meant, mut rest) = (String::new(), text.chars().peekable());
    while let Some(c) = rest.next() {
        let escaped = rest.next_if(|next| c == '\\' && ESCAPED.contains(next));
        meant.push(escaped.unwrap_or(c));
    }
    meant
}

/// A path or a name as it is written, see [`unescape`].
fn escape(meant: &str) -> String {
    meant
        .chars()
        .flat_map(|c| ESCAPED.contains(&c).then_some('\\').into_iter().chain([c]))
        .collect()
}

/// The same text with absolute paths, so that it means the same in every folder.
///
/// # Errors
/// Where the text is not in the grammar.
pub fn absolute(spec: &str) -> Result<String> {
    let path = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        escape(&path.to_string_lossy())
    };
    if let Some(text) = spec.strip_prefix("text:") {
        return Ok(format!("text:{}", path(Path::new(&unescape(text)))));
    }
    if text::is_text(spec) {
        return Ok(spec.into());
    }
    let paths = |files: &[PathBuf]| files.iter().map(|file| path(file)).collect::<Vec<_>>();
    let shown = |frac: i32| Some(frac).filter(|frac| *frac != 0);
    let (kind, mut parts, label, frac) = match parse(spec)? {
        Source::Digits => ("digits".into(), vec![], vec![], None),
        Source::Known { name, folder } => (name, paths(folder.as_slice()), vec![], None),
        Source::Idx { folder, frac } => {
            ("idx".into(), paths(&[folder]), vec![], Some(frac).filter(|frac| *frac != 8))
        }
        Source::Npy { files, frac } => ("npy".into(), paths(&files), vec![], frac),
        Source::Npz { file, frac } => ("npz".into(), paths(&[file]), vec![], frac),
        Source::Images { folders } => ("images".into(), paths(&folders), vec![], None),
        Source::Wav { folders, test } => {
            let mut parts = paths(&folders);
            parts.extend(test.map(|pattern| format!("test={}", escape(&pattern))));
            ("wav".into(), parts, vec![], None)
        }
        Source::Csv { files, label, sequence, frac } => {
            let mut parts = paths(&files);
            parts.extend(sequence.map(|name| format!("sequence={}", escape(&name))));
            ("csv".into(), parts, label, shown(frac))
        }
        Source::Parquet { files, label, frac } => {
            ("parquet".into(), paths(&files), label, shown(frac))
        }
    };
    parts.extend(label.iter().map(|name| format!("label={}", escape(name))));
    parts.extend(frac.map(|n| format!("frac={n}")));
    Ok(if parts.is_empty() { kind } else { format!("{kind}:{}", parts.join(",")) })
}

/// What a set calls itself that this text names.
fn name_in(spec: &str) -> Option<String> {
    if text::is_text(spec) {
        return Some(
            spec.strip_prefix("text:")
                .map_or_else(|| spec.into(), |path| name_of(Path::new(&unescape(path)))),
        );
    }
    Some(match parse(spec).ok()? {
        Source::Digits => "digits".into(),
        Source::Known { name, .. } => name,
        Source::Idx { folder, .. } => name_of(&folder),
        Source::Npz { file, .. } => name_of(&file),
        Source::Npy { files, .. }
        | Source::Csv { files, .. }
        | Source::Parquet { files, .. }
        | Source::Images { folders: files }
        | Source::Wav { folders: files, .. } => name_of(&files[0]),
    })
}

/// The text that names the data of this name, with which a run was made: the one in its
/// description, where that calls them so, else the known set or text of that name. None where they
/// lie nobody knows where.
pub fn trained_on(name: &str, described: Option<&str>) -> Option<String> {
    let known =
        find::spec_of(name).or_else(|| text::KNOWN.into_iter().find(|known| *known == name));
    // A description of older runs may name other data than those that were given instead.
    let described =
        described.filter(|spec| name_in(spec).as_deref() == Some(known.unwrap_or(name)));
    described.or(known).map(str::to_owned)
}

impl Source {
    /// Reads the set.
    pub fn load(self, wanted: Wanted, home: &Path) -> Result<DataSet> {
        let Wanted { loss, input, heads, further } = &wanted;
        let (loss, input) = (*loss, *input);
        let of_classes = match &self {
            Source::Digits => Some("digits"),
            Source::Known { name, .. } => Some(name.as_str()),
            Source::Idx { .. } => Some("idx"),
            Source::Images { .. } => Some("images"),
            Source::Wav { .. } => Some("wav"),
            _ => None,
        };
        if let Some(name) = of_classes.filter(|_| loss != Loss::CrossEntropy) {
            let cause =
                format!("has one class a sample, which the loss `{}` is not of", loss.key());
            return Err(Error::input(format_args!("data `{name}`"), cause)
                .help("name a table or arrays, or remove `loss` under `train`"));
        }
        let has_names = match &self {
            Source::Npy { files, .. } => files.len() == 1,
            source => matches!(source, Source::Npz { .. }),
        };
        if let Some((head, _)) = heads.first().filter(|_| !has_names) {
            let cause = format!("says nothing that is due of head `{head}`");
            let help = format!(
                "a network with heads is trained on arrays that have names: an .npz file, or a \
                 folder of .npy files, with y_train_{head} and y_test_{head}"
            );
            return Err(Error::input("data", cause).help(help));
        }
        if let Some(name) = further.first().filter(|_| !has_names) {
            let cause = format!("says nothing of the further input `{name}`");
            let help = format!(
                "a network with several inputs is trained on arrays that have names: an .npz file, \
                 or a folder of .npy files, with x_train_{name} and x_test_{name}"
            );
            return Err(Error::input("data", cause).help(help));
        }
        match self {
            Source::Digits => digits::load(),
            Source::Known { name, folder } => match find::known(&name) {
                Some(known) => known.load(folder.as_deref(), input, home),
                None => Err(Error::internal(name, "is not a known data set")),
            },
            Source::Idx { folder, frac } => idx::load(&name_of(&folder), &folder, frac),
            Source::Npy { files, frac } => arrays::load(&wanted, &name_of(&files[0]), &files, frac),
            Source::Npz { file, frac } => {
                arrays::load_archive(&wanted, &name_of(&file), &file, frac)
            }
            Source::Images { folders } => images::load(&name_of(&folders[0]), &folders),
            Source::Wav { folders, test } => {
                wav::load(&name_of(&folders[0]), &folders, test.as_deref(), input)
            }
            Source::Csv { files, label, sequence, frac } => {
                let columns = csv::Columns { label: &label, sequence: sequence.as_deref(), frac };
                let steps = input.and_then(|input| match *input.shape {
                    [steps, _] => Some(steps),
                    _ => None,
                });
                csv::load(loss, &name_of(&files[0]), &files, &columns, steps)
            }
            Source::Parquet { files, label, frac } => {
                parquet::load(loss, &name_of(&files[0]), &files, &label, frac)
            }
        }
    }
}

/// A set from files is called after the first of them.
pub fn name_of(path: &Path) -> String {
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
            ("austin", "did you mean `austen`?"),
            ("a/b.npz", "`a/b.npz` is no data set: did you mean `npz:a/b.npz`?"),
            ("train.csv,test.csv", "did you mean `csv:train.csv,test.csv`?"),
            ("austen", "is a text, and samples with labels are needed"),
            ("text:novel.txt", "is a text, and samples with labels are needed"),
            ("digits:here", "takes no path"),
            ("mnist:", "empty path"),
            ("mnist:a,b", "one folder, 2 are given"),
            ("mnist:a,frac=4", "mnist has no option `frac`"),
            ("idx", "one folder, 0 are given"),
            ("npy:a,b,c", "four files, 3 are given"),
            ("npz:a,b", "one file, 2 are given"),
            ("parquet:a,b,c", "parquet takes one or two files, 3 are given"),
            ("images:a,b,c", "two folders, 3 are given"),
            ("images:a,frac=3", "images has no option `frac`"),
            ("images:a,test=b", "images has no option `test`"),
            ("wav:test=b", "two folders, 0 are given"),
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
        let Source::Csv { files, label, frac, .. } =
            parse("csv:a.csv,label=kind,b=c.csv,frac=-3").unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (files, label, frac),
            (vec!["a.csv".into(), "b=c.csv".into()], vec!["kind".into()], -3)
        );
        let Source::Known { name, folder } = parse("fashion-mnist:there").unwrap() else {
            panic!()
        };
        assert_eq!((name.as_str(), folder), ("fashion-mnist", Some("there".into())));
    }

    #[test]
    fn commas_are_written_in_paths_and_names() {
        let Source::Csv { files, label, .. } =
            parse(r"csv:a\,b\\.csv,label=x\, in mm,label\=c.csv").unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (files, label),
            (vec![r"a,b\.csv".into(), "label=c.csv".into()], vec!["x, in mm".to_owned()])
        );
        let Source::Npy { files, .. } = parse(r"npy:C:\data").unwrap() else { panic!() };
        assert_eq!(files, [PathBuf::from(r"C:\data")]);
    }

    #[test]
    fn absolute_texts_mean_the_same() {
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        for (spec, due) in [
            ("digits".to_owned(), "digits".to_owned()),
            ("mnist".into(), "mnist".into()),
            ("austen".into(), "austen".into()),
            ("mnist:there".into(), format!("mnist:{here}/there")),
            ("idx:./a,frac=8".into(), format!("idx:{here}/a")),
            (
                "npy:a,b,c,d,frac=0".into(),
                format!("npy:{here}/a,{here}/b,{here}/c,{here}/d,frac=0"),
            ),
            (r"csv:a\,b,label=x\,y,frac=-3".into(), format!(r"csv:{here}/a\,b,label=x\,y,frac=-3")),
            ("csv:a,sequence=1".into(), format!("csv:{here}/a,sequence=1")),
            ("npz:a.npz,frac=3".into(), format!("npz:{here}/a.npz,frac=3")),
            ("parquet:a,label=x".into(), format!("parquet:{here}/a,label=x")),
            ("images:a,b".into(), format!("images:{here}/a,{here}/b")),
            (r"text:/a,b".into(), r"text:/a\,b".into()),
            (r"text:a\,b".into(), format!(r"text:{here}/a\,b")),
        ] {
            let written = absolute(&spec).unwrap();
            assert_eq!(written, due);
            assert_eq!(absolute(&written).unwrap(), due);
        }
        assert!(absolute("mnst").is_err());
    }

    #[test]
    fn a_run_knows_its_data() {
        for (name, described, due) in [
            ("digits", Some("digits"), Some("digits")),
            ("mnist", Some("mnist:/a"), Some("mnist:/a")),
            ("CIFAR-10 (JPEG copy)", Some("cifar10:/a"), Some("cifar10:/a")),
            ("a", Some("npy:/x/a,frac=3"), Some("npy:/x/a,frac=3")),
            ("a", Some("images:/x/a"), Some("images:/x/a")),
            ("a", Some("npz:/x/a.npz"), Some("npz:/x/a.npz")),
            (r"a,b", Some(r"csv:/x/a\,b.csv"), Some(r"csv:/x/a\,b.csv")),
            ("novel", Some("text:/novel.txt"), Some("text:/novel.txt")),
            // What was given instead is not what the description says.
            ("mine", Some("mnist"), None),
            ("mnist", Some("csv:/x/a.csv"), Some("mnist")),
            ("austen", None, Some("austen")),
            ("mine", None, None),
        ] {
            assert_eq!(trained_on(name, described).as_deref(), due, "{name}");
        }
    }

    #[test]
    fn a_missing_set_says_how_to_get_it() {
        let e = super::super::load("mnist", Path::new("/nowhere")).unwrap_err().to_string();
        assert!(
            e.contains("/nowhere/data/mnist") && e.contains("strassenc doctor --install mnist"),
            "{e}"
        );
        assert!(e.contains("--data mnist:package/data"), "{e}");
    }
}
