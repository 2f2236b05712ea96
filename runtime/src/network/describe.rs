//! Places in the TOML text of networks, and the rules that are broken there.

use crate::error::Error;
use crate::wording::line_of;
use std::borrow::Cow;
use std::fmt::Display;
use toml::de::{DeTable, DeValue};

/// One step from a value of a document to a value inside it.
#[derive(Clone, Debug)]
enum Step {
    Key(Cow<'static, str>),
    Index(usize),
}

/// The place of something in a description, e.g. `layers[2].dense.r`.
#[derive(Clone, Debug)]
pub(super) struct Place(Vec<Step>);

impl Place {
    pub(super) fn new(key: &'static str) -> Self {
        Place(vec![Step::Key(key.into())])
    }

    pub(super) fn key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    pub(super) fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    pub(super) fn last_key(&self) -> &str {
        self.0
            .iter()
            .rev()
            .find_map(|s| if let Step::Key(k) = s { Some(k.as_ref()) } else { None })
            .unwrap_or_default()
    }

    /// Byte offset of the value in `text`, or of the innermost one around it that is written there.
    fn offset(&self, text: &str) -> Option<usize> {
        let document = DeTable::parse(text).ok()?;
        let mut offset = 0;
        let mut value: Option<&DeValue> = None;
        for step in &self.0 {
            let next = match (step, value) {
                (Step::Key(key), None) => document.get_ref().get(key.as_ref()),
                (Step::Key(key), Some(v)) => v.get(key.as_ref()),
                (Step::Index(i), Some(v)) => v.get(*i),
                (Step::Index(_), None) => None,
            };
            let Some(next) = next else { break };
            offset = next.span().start;
            value = Some(next.get_ref());
        }
        Some(offset)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A rule of descriptions that is broken.
#[derive(Debug)]
pub(super) struct Violation {
    place: Place,
    cause: String,
    help: Option<String>,
}

impl Violation {
    pub(super) fn new(place: Place, cause: impl Display) -> Self {
        Violation { place, cause: cause.to_string(), help: None }
    }

    pub(super) fn help(mut self, help: impl Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// Turns the violation into an error at `file:line`.
    pub(super) fn at(self, file: &str, text: &str) -> Error {
        let line = self.place.offset(text).map_or(1, |offset| line_of(text, offset));
        self.error(format!("{file}:{line}"))
    }

    /// Turns the violation into an error of a description made in code.
    pub(super) fn in_network(self, name: &str) -> Error {
        let place = format!("network `{name}`, {}", self.place);
        self.error(place)
    }

    fn error(self, place: String) -> Error {
        let error = Error::input(place, self.cause);
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}
