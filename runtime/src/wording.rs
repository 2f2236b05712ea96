//! What the parsers of TOML and JSON, serde and the system say is wrong, in plain words: the one
//! way that their texts come to a user.

use crate::error::{Error, suggest};
use serde_json::error::Category;
use std::fmt::Display;
use std::io;

/// The line of a place in the text, counted from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&b| b == b'\n').count() + 1
}

/// What is wrong with a text in TOML, on which line, and what was probably meant.
pub fn of_toml(file: impl Display, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let (cause, help) = worded(&error.message().replace('\n', ", "));
    let help = help.unwrap_or_else(|| "https://toml.io says how the line is to be written".into());
    Error::input(format_args!("{file}:{line}"), cause).help(help)
}

/// What is wrong with a text in JSON, and where, as a part of a sentence.
pub fn of_json(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => "it ends in the midst of its JSON".into(),
        Category::Syntax => format!("it is no JSON from line {line}, column {column} on"),
        Category::Data | Category::Io => {
            let told = error.to_string();
            let at = format!(" at line {line} column {column}");
            match told.strip_suffix(&at) {
                Some(message) => {
                    format!("{} (line {line}, column {column})", worded(message).0)
                }
                None => worded(&told).0,
            }
        }
    }
}

/// What the system says, without its number of the error and without what we call temporary.
pub fn of_system(error: &io::Error) -> String {
    // What could not be made under a temporary name says so around the cause.
    let told = match error.get_ref().and_then(|around| around.source()) {
        Some(within) => within.to_string(),
        None => error.to_string(),
    };
    told.split(" (os error ").next().unwrap_or_default().to_string()
}

/// The cause in a message of serde or of a parser, and the way out where one is known.
fn worded(message: &str) -> (String, Option<String>) {
    // serde puts the word at fault first and the known ones after it, each in backticks.
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let is = |sort: &str| message.starts_with(sort);
    let told = match words.split_first() {
        Some((key, _)) if is("missing field") => {
            (format!("the key `{key}` is missing"), "add it".into())
        }
        Some((key, _)) if is("duplicate field") => {
            (format!("the key `{key}` is given twice"), "leave one of them out".into())
        }
        Some((key, [])) if is("unknown field") => {
            (format!("unknown key `{key}`"), "leave it out".into())
        }
        Some((key, known)) if is("unknown field") => {
            (format!("unknown key `{key}`"), suggest(key, known.iter().copied()))
        }
        Some((value, known)) if is("unknown variant") => {
            (format!("unknown value `{value}`"), suggest(value, known.iter().copied()))
        }
        // Words of our own, of keys that not every table of a kind has.
        _ if message.contains(" has no key `") => (message.into(), "leave it out".into()),
        _ if message.contains(" lacks its key `") => (message.into(), "add it".into()),
        _ => {
            if let Some(wanted) = message.strip_prefix("wanted ") {
                return (format!("{} is expected", asked(wanted).0), None);
            }
            // What the parser says of a word that has a value and takes none.
            if message.starts_with("expected table, found ") {
                let cause = "a name alone is expected, not a name with a value";
                return (cause.into(), Some("write the name alone, in quotes".into()));
            }
            let Some((found, (wanted, example))) = of_another_type(message) else {
                return (message.into(), None);
            };
            let comma = if wanted.contains(',') { "," } else { "" };
            let cause = format!("{wanted}{comma} is expected, not {found}");
            let help = match example {
                Some(example) => format!("write e.g. `{example}`"),
                None => "write that in its place".into(),
            };
            return (cause, Some(help));
        }
    };
    (told.0, Some(told.1))
}

/// What a text holds in the place of something else, and that with an example.
fn of_another_type(message: &str) -> Option<(String, (String, Option<&'static str>))> {
    let (found, wanted) = message.rsplit_once(", expected ")?;
    let found = if let Some(length) = found.strip_prefix("invalid length ") {
        format!("a list of {length}")
    } else {
        let sorts = ["invalid type: ", "invalid value: "];
        held(sorts.iter().find_map(|sort| found.strip_prefix(sort))?)
    };
    Some((found, asked(wanted)))
}

/// serde's name of what is there.
fn held(found: &str) -> String {
    let told = match found {
        "sequence" => "a list",
        "map" => "a table",
        "unit variant" => "a name alone",
        "newtype variant" | "struct variant" | "tuple variant" => "a name with values",
        "unit value" => "null",
        _ => ["integer ", "floating point ", "boolean ", "character ", "string "]
            .iter()
            .find_map(|sort| found.strip_prefix(sort))
            .unwrap_or(found),
    };
    told.to_string()
}

/// serde's and Rust's name of what should be there, and an example of it.
fn asked(wanted: &str) -> (String, Option<&'static str>) {
    let (told, example) = match wanted {
        "usize" | "u8" | "u16" | "u32" | "u64" => ("a whole number ≥ 0", "8"),
        "i8" | "i16" | "i32" | "i64" | "isize" => ("a whole number", "8"),
        "f32" | "f64" => ("a number", "0.5"),
        "string" | "a string" => ("text in quotes", "\"text\""),
        "path string" => ("a path in quotes", "\"/usr/bin/yosys\""),
        "a boolean" => ("true or false", "true"),
        "a sequence" => ("a list", "[1, 2]"),
        "newtype variant" => ("a name with its values", "{ name = … }"),
        "unit variant" => return ("a name alone".into(), None),
        "string or map" | "string or table" => return ("a name, or a table".into(), None),
        "a map" => return ("a table".into(), None),
        _ => {
            let Some(name) = wanted.strip_prefix("struct ") else {
                // Words of our own, such as those of a size in two directions.
                let is_number = wanted.starts_with("a whole number");
                return (wanted.into(), is_number.then_some("8"));
            };
            let example = match name.split(' ').next().unwrap_or_default() {
                "Dense" => Some("{ units = 64, r = 128 }"),
                "Input" => Some("{ shape = [28, 28], bits = 8, frac = 8 }"),
                "Bits" => Some("{ activations = 8, coefficients = 8 }"),
                "Phase" => Some("{ epochs = 10, learning_rate = 1e-3 }"),
                "Step" => Some("{ every = 10, factor = 0.1 }"),
                "OneCycle" => Some("{ rise = 0.3 }"),
                _ => None,
            };
            return ("a table".into(), example);
        }
    };
    (told.into(), Some(example))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read")]
    struct Sample {
        count: u32,
        rate: Option<f64>,
        path: Option<std::path::PathBuf>,
        inner: Option<Box<Sample>>,
    }

    #[test]
    fn json_that_does_not_fit_is_told_in_plain_words() {
        let told = |text| of_json(&serde_json::from_str::<Sample>(text).unwrap_err());
        assert_eq!(
            [
                "{\"count\": \"a, expected b\"}",
                "{\"count\": -1}",
                "{\"count\": 1, \"rate\": [1]}",
                "{\"count\": 1, \"path\": 7}",
                "{\"count\": 1, \"inner\": 7}",
                "{\"count\": 1, \"cuont\": 7}",
                "{\"rate\": 1}",
                "7",
                "{\"count\": 1, \"count\": 1}",
                "{\"count\": 1",
                "",
                "{\"count\" 1}",
            ]
            .map(told),
            [
                "a whole number ≥ 0 is expected, not \"a, expected b\" (line 1, column 25)",
                "a whole number ≥ 0 is expected, not `-1` (line 1, column 12)",
                "a number is expected, not a list (line 1, column 21)",
                "a path in quotes is expected, not `7` (line 1, column 22)",
                "a table is expected, not `7` (line 1, column 23)",
                "unknown key `cuont` (line 1, column 20)",
                "the key `count` is missing (line 1, column 11)",
                "a table is expected, not `7` (line 1, column 1)",
                "the key `count` is given twice (line 1, column 20)",
                "it ends in the midst of its JSON",
                "it ends in the midst of its JSON",
                "it is no JSON from line 1, column 10 on",
            ]
        );
    }
}
