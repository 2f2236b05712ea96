//! Folders of files that are a sample each, one folder for each class.

use super::labels::{self, Classes};
use crate::error::{Error, Result};
use crate::files;
use std::path::{Path, PathBuf};

/// What the folder of test samples is called that stands beside `train`.
const TEST: [&str; 4] = ["test", "val", "valid", "validation"];

/// A sample's file and the name of its class.
pub type Named = (PathBuf, String);

/// Files of one kind.
pub struct Files {
    /// What one of them is called.
    pub one: &'static str,
    /// How their names end, in small letters.
    pub extensions: &'static [&'static str],
    /// How they lie, for messages.
    pub layout: &'static str,
}

/// The folder of train samples and that of test samples, where there is one.
pub fn parts(folders: &[PathBuf]) -> Vec<PathBuf> {
    if let [folder] = folders {
        let train = folder.join("train");
        let test = TEST.iter().map(|name| folder.join(name)).find(|test| test.is_dir());
        if let Some(test) = test.filter(|_| train.is_dir()) {
            return vec![train, test];
        }
    }
    folders.to_vec()
}

/// The classes of the samples of one part or two, which lie in these folders.
///
/// # Errors
/// As those of [`labels::of_words`].
pub fn classes(lists: &[Vec<Named>], folders: &[PathBuf]) -> Result<Classes> {
    let classes = |i: usize| -> Vec<String> {
        lists.get(i).map_or(vec![], |list| list.iter().map(|(_, class)| class.clone()).collect())
    };
    let words = [classes(0), classes(1)];
    let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let place = |i: usize| places.get(i).map_or("", String::as_str);
    labels::of_words(words.each_ref().map(Vec::as_slice), [place(0), place(1)])
}

impl Files {
    /// The files in the folders of a folder, by class and name; files of other kinds are noted.
    ///
    /// # Errors
    /// Where a folder is missing, or has none.
    pub fn list(&self, folder: &Path, notes: &mut Vec<String>) -> Result<Vec<Named>> {
        let (mut files, mut others) = (vec![], vec![]);
        for class in self.entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let name = class.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let before = files.len();
            for path in self.entries(&class)? {
                match self.is_one(&path) {
                    true => files.push((path, name.clone())),
                    false => others.push(path),
                }
            }
            if files.len() == before {
                return Err(self.none(&class, ""));
            }
        }
        if files.is_empty() {
            return Err(self.none(folder, "folder of "));
        }
        if let [first, ..] = &others[..] {
            let named: Vec<String> = self.extensions.iter().map(|e| format!(".{e}")).collect();
            let named = match &named[..] {
                [one] => format!("not named {one}"),
                [some @ .., last] => format!("named neither {} nor {last}", some.join(", ")),
                [] => String::new(),
            };
            notes.push(format!(
                "{} files that are {named} are left out: {}{}",
                others.len(),
                first.display(),
                if others.len() > 1 { ", …" } else { "" }
            ));
        }
        Ok(files)
    }

    /// The files that lie in a folder itself; their class is what their names begin with, up to the
    /// first `_`.
    ///
    /// # Errors
    /// Where the folder is missing, or a name has no `_`.
    pub fn list_by_name(&self, folder: &Path) -> Result<Vec<Named>> {
        let named = |path: PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((class, _)) = name.split_once('_') else {
                let cause = "lies in no folder of a class, and has no `_` in its name, which would \
                             end that of its class";
                return Err(Error::input(path.display(), cause).help(self.layout));
            };
            Ok((path, class.to_owned()))
        };
        let files = self.entries(folder)?.into_iter();
        files.filter(|path| path.is_file() && self.is_one(path)).map(named).collect()
    }

    fn is_one(&self, path: &Path) -> bool {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| self.extensions.contains(&&*extension))
    }

    fn none(&self, folder: &Path, of: &str) -> Error {
        let several = if of.is_empty() { "" } else { "s" };
        let cause = format!("holds no {of}{}{several}", self.one);
        Error::input(folder.display(), cause).help(self.layout)
    }

    /// What a folder holds, in order, but for hidden files.
    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let fail = |e: std::io::Error| files::unreadable(folder, &e).help(self.layout);
        let mut paths = vec![];
        for entry in folder.read_dir().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    }
}
