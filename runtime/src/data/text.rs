//! Texts as sequences of characters.

use crate::error::{Error, Kind, Result};
use crate::files;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// What [`load`] understands, for `--help`.
pub const GRAMMAR: &str = "\
austen               six novels by Jane Austen, of which the last one is tested on;
                     where installed: strassenc doctor --install austen
text:FILE            any text in UTF-8: 90 % to train on, then 5 % to validate, 5 % to test
text:FOLDER          train.txt, valid.txt and test.txt, as of the Penn Treebank";

/// The files of a text in parts.
pub const PARTS: [&str; 3] = ["train.txt", "valid.txt", "test.txt"];

/// The texts that are known by name.
pub const KNOWN: [&str; 1] = ["austen"];

/// Largest number of different characters.
const MOST_CHARACTERS: usize = 1 << 16;

/// A text in three parts, as indices into its alphabet.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// A short name, e.g. `austen`.
    pub name: String,
    /// Its characters in the order of their code points.
    pub alphabet: Vec<char>,
    /// What training sees.
    pub train: Vec<u32>,
    /// What decides on learning rates.
    pub valid: Vec<u32>,
    /// What is measured.
    pub test: Vec<u32>,
}

/// Whether a text that [`load`](super::load) takes names a text, and not samples.
pub fn is_text(spec: &str) -> bool {
    spec.starts_with("text:") || KNOWN.contains(&spec)
}

/// The folder that holds the known text `name`: `home/data/<name>`.
pub fn installed(name: &str, home: &Path) -> Option<PathBuf> {
    let folder = home.join("data").join(name);
    (KNOWN.contains(&name) && PARTS.iter().all(|part| folder.join(part).is_file())).then_some(folder)
}

/// Loads the text that `spec` names: see [`GRAMMAR`]. `home` is the folder that installed texts lie under (`$STRASSENC_HOME`).
///
/// # Errors
/// Where the text is not in the grammar, is not installed (the help says how to get it), cannot be read, is not UTF-8 or too short.
pub fn load(spec: &str, home: &Path) -> Result<Text> {
    let path = match spec.strip_prefix("text:") {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        None if KNOWN.contains(&spec) => installed(spec, home).ok_or_else(|| {
            Error::new(
                Kind::Io,
                home.join("data").join(spec).display(),
                format_args!("the text `{spec}` is not installed"),
            )
            .help(format_args!("strassenc doctor --install {spec}"))
        })?,
        _ => return Err(Error::input(format_args!("data `{spec}`"), "is no text").help(GRAMMAR)),
    };
    let name = path.file_stem().map_or_else(|| "text".into(), |stem| stem.to_string_lossy().into_owned());
    if path.is_dir() {
        let [train, valid, test] = PARTS.map(|part| files::read_text(&path.join(part)));
        Text::new(name, [&train?, &valid?, &test?])
    } else {
        let text = files::read_text(&path)?;
        let ends = [18, 19].map(|share| {
            let at = text.len() / 20 * share;
            (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
        });
        Text::new(name, [&text[..ends[0]], &text[ends[0]..ends[1]], &text[ends[1]..]])
    }
}

impl Text {
    /// From the text of its parts.
    ///
    /// # Errors
    /// Where a part has fewer than two characters, or there are too many different ones.
    pub fn new(name: String, parts: [&str; 3]) -> Result<Text> {
        let place = format!("text `{name}`");
        let alphabet: Vec<char> =
            parts.iter().flat_map(|part| part.chars()).collect::<BTreeSet<_>>().into_iter().collect();
        if let Some(part) = parts.iter().position(|part| part.chars().nth(1).is_none()) {
            let which = ["train on", "validate on", "test on"][part];
            return Err(Error::input(place, format_args!("has fewer than two characters to {which}")));
        }
        if alphabet.len() > MOST_CHARACTERS {
            let cause = format!("has {} different characters, at most {MOST_CHARACTERS} are admitted", alphabet.len());
            return Err(Error::input(place, cause));
        }
        let index: HashMap<char, u32> = alphabet.iter().zip(0..).map(|(c, i)| (*c, i)).collect();
        let [train, valid, test] = parts.map(|part| part.chars().map(|c| index[&c]).collect());
        Ok(Text { name, alphabet, train, valid, test })
    }
}

/// The indices of the characters of `text`.
///
/// # Errors
/// The first character that the alphabet lacks.
pub fn encode(text: &str, alphabet: &[char]) -> Result<Vec<u32>> {
    let index = |(i, c): (usize, char)| match alphabet.binary_search(&c) {
        Ok(index) => Ok(index as u32),
        Err(_) => Err(Error::input(
            format_args!("character {}", i + 1),
            format_args!("is {c:?}, which the model's alphabet of {} characters lacks", alphabet.len()),
        )),
    };
    text.chars().enumerate().map(index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_and_a_folder_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        let text: String = "äb c\n".chars().cycle().take(100).collect();
        std::fs::write(&file, &text).unwrap();
        let load_spec = |path: &Path| load(&format!("text:{}", path.display()), Path::new("/nowhere"));
        let cut = load_spec(&file).unwrap();
        assert_eq!((cut.name.as_str(), cut.alphabet.as_slice()), ("a", ['\n', ' ', 'b', 'c', 'ä'].as_slice()));
        let all = [cut.train.clone(), cut.valid.clone(), cut.test.clone()].concat();
        assert_eq!(all.iter().map(|&i| cut.alphabet[i as usize]).collect::<String>(), text);
        assert_eq!((cut.valid.len(), cut.test.len()), (5, 5));
        for (part, text) in PARTS.iter().zip(["abc", "ca", "bd"]) {
            std::fs::write(folder.path().join(part), text).unwrap();
        }
        let parts = load_spec(folder.path()).unwrap();
        assert_eq!((parts.train, parts.valid, parts.test), (vec![0, 1, 2], vec![2, 0], vec![1, 3]));
        assert_eq!(encode("dab", &parts.alphabet).unwrap(), [3, 0, 1]);
        let told = encode("dax", &parts.alphabet).unwrap_err().to_string();
        assert!(told.contains("character 3") && told.contains("'x'"), "{told}");
    }

    #[test]
    fn what_is_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        for (content, due) in
            [(&b"\xff\xfe"[..], "UTF-8"), (b"", "fewer than two characters"), (b"abc", "fewer than two")]
        {
            std::fs::write(&file, content).unwrap();
            let told = load(&format!("text:{}", file.display()), folder.path()).unwrap_err().to_string();
            assert!(told.contains(due), "{told}");
        }
        for (spec, due) in [
            ("text:", "is no text"),
            ("austen", "doctor --install austen"),
            ("text:/nowhere/at/all", "/nowhere/at/all"),
        ] {
            let told = load(spec, folder.path()).unwrap_err().to_string();
            assert!(told.contains(due), "{told}");
        }
    }
}
