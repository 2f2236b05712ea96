//! Texts as sequences of symbols: of characters, or of words that are spelled.

use super::spec;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::model::{Model, Provenance};
use ndarray::Array2;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// What [`load`] understands, for `--help`.
pub const GRAMMAR: &str = "\
austen               six novels by Jane Austen, of which the last one is tested on;
                     where installed: strassenc doctor --install austen
text:FILE            any text in UTF-8: 90 % to train on, then 5 % to validate, 5 % to test
text:FOLDER          train.txt, valid.txt and test.txt, as of the Penn Treebank
                     `\\,` in a path is a comma, as `,` itself
                     a network of words takes what blanks part, and <eos> for the end of a line";

/// The files of a text in parts.
pub const PARTS: [&str; 3] = ["train.txt", "valid.txt", "test.txt"];

/// The texts that are known by name.
pub const KNOWN: [&str; 1] = ["austen"];

/// Largest number of different characters.
const MOST_CHARACTERS: usize = 1 << 16;

/// The index of the first character of the alphabet where words are spelled; those below are what
/// follows a word, its start, its end.
pub const FIRST_CHARACTER: u32 = 3;
/// What stands at the start and at the end of a spelled word.
const MARKS: [u32; 2] = [1, 2];

/// The word at the end of every line.
pub const END_OF_LINE: &str = "<eos>";
/// The word in the place of every word that is not among those a network knows.
pub const UNKNOWN: &str = "<unk>";

/// What a text is a sequence of.
#[derive(Clone, Debug, PartialEq)]
pub struct Symbols {
    /// Characters in the order of their code points: the symbols, or what words are spelled with.
    pub alphabet: Vec<char>,
    /// The words, where the symbols are words; the most frequent one first.
    pub words: Option<Vec<String>>,
}

/// A text in three parts, as indices of its symbols.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// A short name, e.g. `austen`.
    pub name: String,
    /// What it is a sequence of; characters where it has just been [loaded](load).
    pub symbols: Symbols,
    /// The symbols that training sees.
    pub train: Vec<u32>,
    /// What decides on learning rates.
    pub valid: Vec<u32>,
    /// The symbols that are measured.
    pub test: Vec<u32>,
}

/// Whether a text that [`load`](super::load) takes names a text, and not samples.
pub fn is_text(spec: &str) -> bool {
    spec.starts_with("text:") || KNOWN.contains(&spec)
}

/// The folder that holds the known text `name`: `home/data/<name>`.
pub fn installed(name: &str, home: &Path) -> Option<PathBuf> {
    let folder = home.join("data").join(name);
    (KNOWN.contains(&name) && PARTS.iter().all(|part| folder.join(part).is_file()))
        .then_some(folder)
}

/// Loads the text that `spec` names: see [`GRAMMAR`]. `home` is the folder that installed texts lie
/// under (`$STRASSENC_HOME`).
///
/// # Errors
/// Where the text is not in the grammar, is not installed (the help says how to get it), cannot be
/// read, is not UTF-8 or too short.
pub fn load(spec: &str, home: &Path) -> Result<Text> {
    let path = match spec.strip_prefix("text:") {
        Some(path) if !path.is_empty() => PathBuf::from(spec::unescape(path)),
        None if KNOWN.contains(&spec) => installed(spec, home).ok_or_else(|| {
            Error::new(
                Kind::Io,
                home.join("data").join(spec).display(),
                format_args!("the text `{spec}` is not installed"),
            )
            .help(format_args!("strassenc doctor --install {spec}"))
        })?,
        _ => {
            let cause = "is no text, which a network of sequences needs";
            return Err(Error::input(format_args!("data `{spec}`"), cause).help(GRAMMAR));
        }
    };
    let name = spec::name_of(&path);
    if !path.exists() {
        let help = format!("give a text file, or a folder that holds {}", PARTS.join(", "));
        return Err(Error::io(&path, "does not exist").help(help));
    }
    if path.is_dir() {
        if let Some(missing) = PARTS.iter().find(|part| !path.join(part).is_file()) {
            let help = format!("a folder of a text holds {}; or name one file", PARTS.join(", "));
            return Err(Error::io(&path, format_args!("holds no {missing}")).help(help));
        }
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
    /// Makes a text of its three parts.
    ///
    /// # Errors
    /// Where a part has fewer than two characters, or there are too many different ones.
    pub fn new(name: String, parts: [&str; 3]) -> Result<Text> {
        let place = format!("text `{name}`");
        let alphabet: Vec<char> = parts
            .iter()
            .flat_map(|part| part.chars())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if let Some(part) = parts.iter().position(|part| part.chars().nth(1).is_none()) {
            let which = ["train on", "validate on", "test on"][part];
            return Err(Error::input(
                place,
                format_args!("has fewer than two characters to {which}"),
            ));
        }
        if alphabet.len() > MOST_CHARACTERS {
            let cause = format!(
                "has {} different characters, at most {MOST_CHARACTERS} are admitted",
                alphabet.len()
            );
            return Err(Error::input(place, cause));
        }
        let index: HashMap<char, u32> = alphabet.iter().zip(0..).map(|(c, i)| (*c, i)).collect();
        let [train, valid, test] = parts.map(|part| part.chars().map(|c| index[&c]).collect());
        Ok(Text { name, symbols: Symbols { alphabet, words: None }, train, valid, test })
    }

    /// The same text of characters as one of words, of which the `most` most frequent in what is
    /// trained on are known; if those are not all, `<unk>`, which is one of them, stands for the
    /// rest.
    ///
    /// # Errors
    /// Where `most` is less than 2, or a part has fewer than two words.
    pub fn of_words(&self, most: usize) -> Result<Text> {
        let place = format!("text `{}`", self.name);
        if most < 2 {
            return Err(Error::input(place, format_args!("cannot be one of {most} words")));
        }
        let parts = [&self.train, &self.valid, &self.test].map(|part| self.symbols.decode(part));
        let parts = parts.each_ref().map(|part| words_of(part));
        if let Some(part) = parts.iter().position(|part| part.len() < 2) {
            let which = ["train on", "validate on", "test on"][part];
            return Err(Error::input(place, format_args!("has fewer than two words to {which}")));
        }
        let mut counts = BTreeMap::<&str, u64>::new();
        for word in &parts[0] {
            *counts.entry(word).or_default() += 1;
        }
        let foreign = parts[1..].iter().flatten().any(|word| !counts.contains_key(word));
        let mut list: Vec<(&str, u64)> = counts.into_iter().collect();
        // Of equally frequent ones the first in the order of their characters.
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if !list.iter().any(|(word, _)| *word == UNKNOWN) && (foreign || list.len() > most) {
            list.truncate(most - 1);
            list.push((UNKNOWN, 0));
        } else if list.len() > most {
            let unknown = list.iter().position(|(word, _)| *word == UNKNOWN).unwrap_or(0);
            if unknown >= most {
                list.swap(unknown, most - 1);
            }
            list.truncate(most);
        }
        let words: Vec<String> = list.into_iter().map(|(word, _)| word.to_owned()).collect();
        let alphabet = words
            .iter()
            .flat_map(|word| word.chars())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let index: HashMap<&str, u32> =
            words.iter().zip(0..).map(|(word, i)| (word.as_str(), i)).collect();
        // Where all words are known there is none.
        let unknown = index.get(UNKNOWN).copied().unwrap_or(0);
        let [train, valid, test] = parts.map(|part| {
            part.iter().map(|word| index.get(word).copied().unwrap_or(unknown)).collect()
        });
        Ok(Text {
            name: self.name.clone(),
            symbols: Symbols { alphabet, words: Some(words) },
            train,
            valid,
            test,
        })
    }
}

/// The words of a text: what blanks part, and one for the end of each line.
fn words_of(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split_whitespace().chain([END_OF_LINE])).collect()
}

impl Symbols {
    /// The symbols of a language model; none of a model that is none, or does not say what it
    /// knows.
    pub fn of_model(model: &Model) -> Option<Symbols> {
        let Provenance { alphabet, words, .. } = &model.provenance;
        let symbols =
            Symbols { alphabet: alphabet.as_ref()?.chars().collect(), words: words.clone() };
        let fits = model.outputs() == symbols.count()
            && (model.input.elements() == 1 || symbols.words.is_some());
        fits.then_some(symbols)
    }

    /// What one symbol is called.
    pub fn unit(&self) -> &'static str {
        if self.words.is_some() { "word" } else { "character" }
    }

    /// Number of symbols.
    pub fn count(&self) -> usize {
        self.words.as_ref().map_or(self.alphabet.len(), Vec::len)
    }

    /// Indices of characters that can enter a network: those below are used.
    pub fn characters(&self) -> usize {
        self.alphabet.len() + if self.words.is_some() { FIRST_CHARACTER as usize } else { 0 }
    }

    /// What enters a network for each symbol, `[symbols, length]`: its index, with length 1, or its
    /// [spelling](Self::spell).
    pub fn inputs(&self, length: usize) -> Array2<u32> {
        match &self.words {
            None => Array2::from_shape_fn((self.count(), length), |(i, _)| i as u32),
            Some(words) => {
                let rows = words
                    .iter()
                    .flat_map(|word| self.spell(word, length).unwrap_or_else(|_| vec![0; length]));
                // An invariant: every spelling is that long.
                Array2::from_shape_vec((words.len(), length), rows.collect())
                    .expect("spellings of one length")
            }
        }
    }

    /// What enters a network for each symbol of a text, as integers of `length` elements.
    pub fn integers(&self, text: &[u32], length: usize) -> Vec<Vec<i64>> {
        let inputs = self.inputs(length);
        text.iter()
            .map(|symbol| inputs.row(*symbol as usize).iter().map(|v| i64::from(*v)).collect())
            .collect()
    }

    /// The characters of a word as they enter a network, between a start and an end, 0 up to
    /// `length`; what is too long is cut.
    ///
    /// # Errors
    /// The first character that the alphabet lacks.
    pub fn spell(&self, word: &str, length: usize) -> Result<Vec<u32>> {
        let mut row = vec![MARKS[0]];
        row.extend(
            word.chars()
                .map(|c| Ok(self.index(c)? + FIRST_CHARACTER))
                .collect::<Result<Vec<u32>>>()?,
        );
        row.truncate(length.saturating_sub(1));
        row.push(MARKS[1]);
        row.resize(length, 0);
        Ok(row)
    }

    /// The index of a character in the alphabet.
    fn index(&self, c: char) -> Result<u32> {
        self.alphabet.binary_search(&c).map(|index| index as u32).map_err(|_| {
            let cause = format!(
                "{c:?} is not in the model's alphabet of {} characters",
                self.alphabet.len()
            );
            Error::input("text", cause)
        })
    }

    /// What enters a network for each symbol of a text, with what is shown of it: words that are
    /// not known are spelled all the same.
    ///
    /// # Errors
    /// The first character that the alphabet lacks.
    pub fn read(&self, text: &str, length: usize) -> Result<Vec<(Vec<u32>, String)>> {
        if self.words.is_none() {
            let one = |(i, c): (usize, char)| {
                let index =
                    self.index(c).map_err(|e| e.within(format_args!("character {}", i + 1)))?;
                Ok((vec![index; length], c.to_string()))
            };
            return text.chars().enumerate().map(one).collect();
        }
        let lines: Vec<&str> = text.split('\n').collect();
        let words = lines.iter().enumerate().flat_map(|(i, line)| {
            line.split_whitespace().chain((i + 1 < lines.len()).then_some(END_OF_LINE))
        });
        let one = |word: &str| Ok((self.spell(word, length)?, shown_word(word)));
        words.map(one).collect()
    }

    /// The text of some symbols: words with blanks between them, `<eos>` as the end of a line.
    pub fn decode(&self, symbols: &[u32]) -> String {
        let mut text = String::new();
        symbols.iter().for_each(|symbol| text += &self.shown(*symbol));
        text
    }

    /// What is shown of a symbol: a character, or a word and what stands behind it.
    pub fn shown(&self, symbol: u32) -> String {
        match &self.words {
            None => self.alphabet.get(symbol as usize).map(char::to_string).unwrap_or_default(),
            Some(words) => {
                words.get(symbol as usize).map(|word| shown_word(word)).unwrap_or_default()
            }
        }
    }
}

/// A word and what stands behind it.
fn shown_word(word: &str) -> String {
    if word == END_OF_LINE { "\n".into() } else { format!("{word} ") }
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
        let load_spec =
            |path: &Path| load(&format!("text:{}", path.display()), Path::new("/nowhere"));
        let cut = load_spec(&file).unwrap();
        assert_eq!(
            (cut.name.as_str(), cut.symbols.alphabet.as_slice()),
            ("a", ['\n', ' ', 'b', 'c', 'ä'].as_slice())
        );
        let all = [cut.train.clone(), cut.valid.clone(), cut.test.clone()].concat();
        assert_eq!(all.iter().map(|&i| cut.symbols.alphabet[i as usize]).collect::<String>(), text);
        assert_eq!((cut.valid.len(), cut.test.len()), (5, 5));
        for (part, text) in PARTS.iter().zip(["abc", "ca", "bd"]) {
            std::fs::write(folder.path().join(part), text).unwrap();
        }
        let parts = load_spec(folder.path()).unwrap();
        assert_eq!((parts.train, parts.valid, parts.test), (vec![0, 1, 2], vec![2, 0], vec![1, 3]));
        let read = parts.symbols.read("dab", 1).unwrap();
        assert_eq!(read.iter().map(|(input, _)| input[0]).collect::<Vec<_>>(), [3, 0, 1]);
        let told = parts.symbols.read("dax", 1).unwrap_err().to_string();
        assert!(told.contains("character 3") && told.contains("'x'"), "{told}");
    }

    /// The words by hand: <eos> twice, "b" twice, "aa" and "c" once, of which the second in the
    /// order of characters is not known.
    #[test]
    fn words_are_the_most_frequent_ones_and_are_spelled() {
        let text = Text::new("t".into(), ["b aa\nc b\n", "b new\n", "aa  c"]).unwrap();
        let words = text.of_words(4).unwrap();
        assert_eq!(words.symbols.words.as_ref().unwrap(), &["<eos>", "b", "aa", "<unk>"]);
        assert_eq!(words.symbols.alphabet.iter().collect::<String>(), "<>abeknosu");
        assert_eq!((words.train, words.valid), (vec![1, 2, 0, 3, 1, 0], vec![1, 3, 0]));
        assert_eq!(words.test, [2, 3, 0]);
        let symbols = &words.symbols;
        assert_eq!((symbols.count(), symbols.characters(), symbols.unit()), (4, 13, "word"));
        // a is character 2 of the alphabet, b character 3.
        assert_eq!(symbols.spell("ab", 5).unwrap(), [1, 5, 6, 2, 0]);
        assert_eq!(symbols.spell("abba", 4).unwrap(), [1, 5, 6, 2]);
        assert_eq!(symbols.inputs(4).row(2).to_vec(), [1, 5, 5, 2]);
        assert_eq!(symbols.decode(&[1, 2, 0, 3]), "b aa \n<unk> ");
        let read = symbols.read("ab b\n", 4).unwrap();
        assert_eq!(read.iter().map(|(_, shown)| shown.as_str()).collect::<String>(), "ab b \n");
        assert_eq!(read[0].0, [1, 5, 6, 2]);
        assert!(symbols.read("z", 4).unwrap_err().to_string().contains("'z'"));
        // A text that has <unk> keeps it, however rare; where all words are known there is none.
        let text = Text::new("t".into(), ["a a b b <unk>", "a b", "b a"]).unwrap();
        assert_eq!(text.of_words(3).unwrap().symbols.words.unwrap(), ["a", "b", "<unk>"]);
        assert_eq!(text.of_words(9).unwrap().symbols.words.unwrap(), ["a", "b", "<eos>", "<unk>"]);
        let told = text.of_words(1).unwrap_err().to_string();
        assert!(told.contains("cannot be one of 1 words"), "{told}");
    }

    #[test]
    fn what_is_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        for (content, due) in [
            (&b"\xff\xfe"[..], "UTF-8"),
            (b"", "fewer than two characters"),
            (b"abc", "fewer than two"),
        ] {
            std::fs::write(&file, content).unwrap();
            let told =
                load(&format!("text:{}", file.display()), folder.path()).unwrap_err().to_string();
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
