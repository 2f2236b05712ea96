//! Reading a build folder back, distrustfully.

use super::graphs::Graphs;
use super::{ENGINES, Edits, GRAPHS, MODEL, Options, RECORD, Record, SCHEMA, sha256};
use crate::compile::{Compiled, compile_with};
use crate::emit::{self, Signature, TOOL, signature};
use crate::engine::Engines;
use crate::folder::{self, GivenBack, is_sealed};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strassenc_runtime::artifact::{Artifact, read_as};
use strassenc_runtime::files;
use strassenc_runtime::{Error, Model, Result, model_file, wording};

/// A build folder, every file of it as it was written.
#[derive(Clone, Debug)]
pub struct Build {
    /// The folder itself.
    pub folder: PathBuf,
    /// `build.json`.
    pub record: Record,
    /// The model, so that golden is at hand.
    pub model: Model,
    /// The promises of the core.
    pub signature: Signature,
    /// Verilog files that are not as they were written; only [`Build::open_edited`] admits any.
    pub edited: Vec<String>,
    graphs: Vec<u8>,
}

impl Build {
    /// Opens a build folder.
    ///
    /// # Errors
    /// Where there is none, where a file is missing, damaged or changed, or where the files do not
    /// belong together; the error names the file.
    pub fn open(folder: &Path) -> Result<Self> {
        let build = Self::open_edited(folder)?;
        match build.edited.first() {
            Some(name) => Err(changed(&folder.join(name))),
            None => Ok(build),
        }
    }

    /// Opens a build folder whose Verilog may have been changed since, as a simulation is to show.
    ///
    /// # Errors
    /// As [`open`](Self::open) but for changed Verilog.
    pub fn open_edited(folder: &Path) -> Result<Self> {
        read_as(Artifact::Build, folder, Self::read)
    }

    fn read(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            files::tidy_beside(folder);
        }
        if !folder.is_dir() {
            let cause =
                if folder.exists() { "is a file, not a build folder" } else { "does not exist" };
            return Err(
                Error::io(folder, cause).help("write one with `strassenc verilog MODEL -o BUILD`")
            );
        }
        let path = folder.join(RECORD);
        if !path.exists() {
            let cause = format_args!("holds no {RECORD}: it is not a build folder");
            return Err(Error::input(folder.display(), cause)
                .help("write one with `strassenc verilog MODEL -o BUILD`"));
        }
        let record = parse(&path, files::read_text(&path)?.as_bytes())?;
        let mut contents = BTreeMap::new();
        let mut edited = Vec::new();
        for (name, hash) in &record.files {
            let path = folder.join(name);
            if !path.exists() {
                return Err(again(Error::input(path.display(), "is missing")));
            }
            let bytes = files::read(&path)?;
            if sha256(&bytes) != *hash {
                if !name.ends_with(".v") {
                    return Err(changed(&path));
                }
                edited.push(name.clone());
            }
            contents.insert(name.as_str(), bytes);
        }
        let mut take = |name: &str| {
            let missing = || again(Error::input(path.display(), format_args!("lists no {name}")));
            contents.remove(name).ok_or_else(missing)
        };
        let model = model_file::from_bytes(&take(MODEL)?)
            .map_err(|e| e.within(folder.join(MODEL).display()))?;
        let place = folder.join(signature::FILE);
        let signature = Signature::parse(&take(signature::FILE)?, place.display())?;
        let graphs = take(GRAPHS)?;
        let hash = model_file::sha256(&model)?;
        for (name, recorded) in
            [(RECORD, &record.model_sha256), (signature::FILE, &signature.model_sha256)]
        {
            if *recorded != hash {
                let cause = format_args!("is of the model {recorded}, but {MODEL} is {hash}");
                return Err(again(Error::input(folder.join(name).display(), cause)));
            }
        }
        if let Some(name) = signature
            .files
            .iter()
            .chain(&signature.memories)
            .find(|name| !record.files.contains_key(*name))
        {
            return Err(again(Error::input(path.display(), format_args!("lists no {name}"))));
        }
        Ok(Build { folder: folder.into(), record, model, signature, edited, graphs })
    }

    /// The Verilog files in the order tools want them, the testbench excluded.
    pub fn verilog(&self) -> Vec<PathBuf> {
        self.signature.files.iter().map(|name| self.folder.join(name)).collect()
    }

    /// What the Verilog was written from: compiled again from the recorded engines and adder
    /// graphs, with every check.
    ///
    /// # Errors
    /// Where another version wrote the folder, or the graphs are not those of the model.
    pub fn compiled(&self) -> Result<Compiled> {
        let (graphs, place) = (self.graphs()?, self.folder.join(GRAPHS));
        let share = |problem: crate::compile::Problem| graphs.get(problem);
        let mut options = self.record.options.compile();
        let layers = self.record.figures.layers.iter();
        options.engines.layers = layers.map(|l| (l.name.clone(), l.engine.choice)).collect();
        let compiled = compile_with(&self.model, &options, &share, &|_| {}, &|| false)
            .map_err(|e| e.within(place.display()))?;
        self.check_same(&compiled)?;
        Ok(compiled)
    }

    /// Fails where another version wrote the folder and this one makes other Verilog of it.
    fn check_same(&self, compiled: &Compiled) -> Result<()> {
        let tool = &self.record.tool;
        if tool == TOOL {
            return Ok(());
        }
        let emitted = emit::emit(compiled, &self.record.options.emit())?;
        let of_core = |name: &String| {
            emitted.signature.files.contains(name) || emitted.signature.memories.contains(name)
        };
        for file in emitted.files.iter().filter(|file| of_core(&file.path)) {
            // Their headers name the version.
            let text = file.text.replace(TOOL, tool);
            if self.record.files.get(&file.path) != Some(&sha256(text.as_bytes())) {
                let cause = format_args!(
                    "was written by {tool}; this is {TOOL}, whose {} is another one",
                    file.path
                );
                return Err(again(Error::input(self.folder.display(), cause)));
            }
        }
        Ok(())
    }

    fn graphs(&self) -> Result<Graphs> {
        Graphs::parse(&self.graphs).map_err(|e| again(e.within(self.folder.join(GRAPHS).display())))
    }
}

fn changed(path: &Path) -> Error {
    again(Error::input(path.display(), "is not as it was written: damaged or changed"))
}

fn again(error: Error) -> Error {
    error.help("write the build folder anew with `strassenc verilog MODEL -o BUILD`")
}

fn parse(path: &Path, text: &[u8]) -> Result<Record> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    let fail = |cause: String| again(Error::input(path.display(), cause));
    let unreadable = |e| fail(format!("is not the record of a build: {}", wording::of_json(&e)));
    let Versioned { schema } = serde_json::from_slice(text).map_err(unreadable)?;
    if schema != SCHEMA {
        return Err(fail(format!("has schema {schema}; this version reads schema {SCHEMA}")));
    }
    let record: Record = serde_json::from_slice(text).map_err(unreadable)?;
    // It is JSON, and so UTF-8.
    if !std::str::from_utf8(text).is_ok_and(|text| is_sealed(text, &record.sha256)) {
        return Err(changed(path));
    }
    if let Some(name) = record.files.keys().find(|name| !is_plain(name)) {
        return Err(fail(format!(
            "lists the file {name:?}, which cannot be part of a build folder"
        )));
    }
    record.options.validate().map_err(|e| again(e.within(path.display())))?;
    Ok(record)
}

/// Whether a name stays within the folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// Whether `folder` is meant to be a build: it holds a record or a signature, sound or not.
pub fn is_build(folder: &Path) -> bool {
    [RECORD, signature::FILE].iter().any(|name| folder.join(name).exists())
}

/// Does as [`super::check_replaceable`], which calls it.
pub(super) fn check_replaceable(folder: &Path, options: &Options, edits: Edits) -> Result<()> {
    let is_given = |engines: Engines| engines == options.engines;
    let engines = GivenBack {
        name: ENGINES,
        is_kept: Engines::load(&folder.join(ENGINES)).is_ok_and(is_given),
        help: "--engines takes the engines up; ",
    };
    folder::check_replaceable(folder, RECORD, edits, &[engines])
}
