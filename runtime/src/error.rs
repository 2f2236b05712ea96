//! One error type for the whole project: what is wrong, where, why, and the way out.

use std::fmt;

/// Shorthand for results of this project.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is; decides the exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user's input is wrong: a file, an option, a description. Exit status 2.
    Input,
    /// A file could not be read or written. Exit status 3.
    Io,
    /// An external program is missing or failed. Exit status 4.
    Tool,
    /// Two things that must be equal differ: a mismatch, a refused proof. Exit status 1.
    Mismatch,
    /// The user interrupted; what was done so far is kept. Exit status 130.
    Interrupted,
    /// Who reads standard output has gone. Exit status 141, which a shell gives `cat` then; nothing
    /// is said.
    Closed,
    /// A bug of strassenc itself. Exit status 70.
    Internal,
}

impl Kind {
    /// The exit status of a program that ends with this kind of error.
    pub fn exit_status(self) -> u8 {
        match self {
            Kind::Mismatch => 1,
            Kind::Input => 2,
            Kind::Io => 3,
            Kind::Tool => 4,
            Kind::Internal => 70,
            Kind::Interrupted => 130,
            Kind::Closed => 141,
        }
    }

    /// The kind in a word, as errors begin with it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::Io => "io",
            Kind::Tool => "tool",
            Kind::Mismatch => "mismatch",
            Kind::Interrupted => "interrupted",
            Kind::Closed => "closed",
            Kind::Internal => "internal",
        }
    }
}

/// A diagnostic: the place, the cause and the way out.
///
/// Rendered as
/// ```text
/// error[input]: digits.toml:7: unknown key `unitz`
///   help: did you mean `units`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Diagnostic>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Diagnostic {
    kind: Kind,
    place: String,
    cause: String,
    help: Option<String>,
}

impl Error {
    /// An error of `kind` at `place` (a path, `path:line`, a layer or an option) with its cause.
    pub fn new(kind: Kind, place: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Error(Box::new(Diagnostic {
            kind,
            place: place.to_string(),
            cause: cause.to_string(),
            help: None,
        }))
    }

    /// Bad input at `place`.
    pub fn input(place: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Input, place, cause)
    }

    /// A file that could not be read or written.
    pub fn io(path: impl AsRef<std::path::Path>, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Io, path.as_ref().display(), cause)
    }

    /// An external program that is missing or failed.
    pub fn tool(tool: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Tool, tool, cause)
    }

    /// Two things that must be equal differ.
    pub fn mismatch(place: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Mismatch, place, cause)
    }

    /// A broken invariant of strassenc itself.
    pub fn internal(place: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, place, cause).help("this is a bug in strassenc: please report it")
    }

    /// Adds the way out.
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.0.help = Some(help.to_string());
        self
    }

    /// Adds the way out where none is given yet.
    pub fn or_help(self, help: impl fmt::Display) -> Self {
        if self.0.help.is_some() { self } else { self.help(help) }
    }

    /// Puts `outer` before the place: a file before the layer it holds.
    pub fn within(mut self, outer: impl fmt::Display) -> Self {
        self.0.place = format!("{outer}: {}", self.0.place);
        self
    }

    /// Where it is wrong: a path, a layer or an option.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// The way out, where there is one.
    pub fn way_out(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// What is wrong, without the place and the way out.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &self.0;
        write!(f, "error[{}]: {}: {}", d.kind.word(), d.place, d.cause)?;
        if let Some(help) = &d.help {
            write!(f, "\n  help: {}", help.replace('\n', "\n        "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A number as people read it: one of very many digits with an exponent.
pub fn number(value: impl fmt::Display) -> String {
    let text = value.to_string();
    match text.parse::<f64>() {
        Ok(value) if text.len() > 20 => format!("{value:e}"),
        _ => text,
    }
}

/// A number of about four significant digits, for people.
pub fn significant(v: f64) -> String {
    let digits = (3.0 - v.abs().max(1e-9).log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{v:.digits$}")
}

/// How many of what there are: `1 clock`, `2 clocks`.
pub fn count<T: Copy + fmt::Display + PartialEq + From<u8>>(n: T, what: &str) -> String {
    format!("{n} {what}{}", if n == T::from(1) { "" } else { "s" })
}

/// The help for a word that is none of `known`: what was probably meant, else all that there are.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The word of `known` that `word` is probably a slip of, for "did you mean".
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |k: &str| strsim::damerau_levenshtein(&word, &k.to_lowercase());
    let best = known.into_iter().min_by_key(|k| distance(k))?;
    (distance(best) <= 1 + word.len() / 4).then_some(best)
}
