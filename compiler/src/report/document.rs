//! What a report says, whoever shows it: sentences and tables whose every figure is looked up in
//! the report's JSON, so that a terminal, a page and `--json` cannot differ.

use super::thousands;
use serde::Serialize;
use serde_json::Value;
use strassenc_runtime::{Error, Result};

/// A report, arranged.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is about.
    pub title: Text,
    /// Who made it from what, a line each.
    pub provenance: Vec<Text>,
    /// What matters most, each a sentence that begins with its figure.
    pub headlines: Vec<Text>,
    /// The sections in order.
    pub sections: Vec<Section>,
}

/// A table under a title.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The title, which has no figures.
    pub title: &'static str,
    /// The figures under the title.
    pub table: Table,
    /// What is to be said about them.
    pub notes: Vec<Text>,
}

/// Rows of figures. The first column names the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Titles of the columns; those in which nothing stands are left out.
    pub columns: Vec<&'static str>,
    /// The rows, each with as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the last row is a total.
    pub has_total: bool,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What stands in it.
    pub text: Text,
    /// The share of a bar's full length, 0..=1, where a bar is to be drawn.
    pub bar: Option<f64>,
}

/// Words with figures among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The words and figures in order.
    pub pieces: Vec<Piece>,
}

/// A part of a [`Text`].
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Words without figures.
    Words(String),
    /// A figure or a name of the report's JSON.
    Figure {
        /// The path of the figure in the JSON: names and indices with dots between them.
        path: String,
        /// The figure as people read it: a number rounded, broken every three digits, as a
        /// percentage.
        shown: String,
    },
}

impl Text {
    /// The figure in front.
    pub fn lead(&self) -> &[Piece] {
        &self.pieces[..self.pieces.len().min(1)]
    }

    /// What stands behind it.
    pub fn rest(&self) -> &[Piece] {
        &self.pieces[self.lead().len()..]
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

impl Piece {
    /// The text as it is read.
    pub fn shown(&self) -> &str {
        match self {
            Piece::Words(shown) | Piece::Figure { shown, .. } => shown,
        }
    }
}

impl Table {
    /// A table of these columns, the empty ones left out.
    pub fn new(columns: &[&'static str], mut rows: Vec<Vec<Cell>>, has_total: bool) -> Self {
        let filled: Vec<bool> =
            (0..columns.len()).map(|i| rows.iter().any(|row| !row[i].text.is_empty())).collect();
        for row in &mut rows {
            let mut filled = filled.iter();
            row.retain(|_| *filled.next().unwrap_or(&false));
        }
        let columns = columns
            .iter()
            .zip(&filled)
            .filter(|(_, filled)| **filled)
            .map(|(title, _)| *title)
            .collect();
        Table { columns, rows, has_total }
    }
}

/// The JSON that figures are looked up in.
pub struct Source {
    json: Value,
}

impl Source {
    /// The JSON of `report`.
    ///
    /// # Errors
    /// Only by a bug of ours.
    pub fn new(report: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_value(report).map_err(|e| Error::internal("report", e))?;
        Ok(Source { json })
    }

    /// The words of `template`, with `{path}` replaced by the figure at that path. `{path:.2}` is
    /// rounded to two decimals, `{path:%2}` is a percentage of two decimals. Of null nothing is
    /// shown.
    ///
    /// # Errors
    /// Only by a bug of ours: where there is nothing at a path.
    pub fn text(&self, template: &str) -> Result<Text> {
        self.text_at("", template)
    }

    /// Does as [`text`](Self::text), where a path that begins with a dot goes on from `base`.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn text_at(&self, base: &str, template: &str) -> Result<Text> {
        let mut pieces = vec![];
        let mut rest = template;
        while !rest.is_empty() {
            let (words, behind) = rest.split_once('{').unwrap_or((rest, ""));
            if !words.is_empty() {
                pieces.push(Piece::Words(words.into()));
            }
            let (place, behind) = behind.split_once('}').unwrap_or(("", ""));
            if !place.is_empty() {
                let (path, format) = place.split_once(':').unwrap_or((place, ""));
                let path =
                    if path.starts_with('.') { format!("{base}{path}") } else { path.into() };
                pieces.extend(
                    shown(self.get(&path)?, format).map(|shown| Piece::Figure { path, shown }),
                );
            }
            rest = behind;
        }
        Ok(Text { pieces })
    }

    /// Rows of cells: a row for each of `bases`, with a cell for each template of `cells`.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn row(&self, base: &str, templates: &[&str]) -> Result<Vec<Cell>> {
        templates.iter().map(|t| Ok(Cell { text: self.text_at(base, t)?, bar: None })).collect()
    }

    fn get(&self, path: &str) -> Result<&Value> {
        self.json
            .pointer(&format!("/{}", path.replace('.', "/")))
            .ok_or_else(|| Error::internal("report", format_args!("has no figure {path}")))
    }
}

/// A value as people read it.
fn shown(value: &Value, format: &str) -> Option<String> {
    let number = match value {
        Value::Null => return None,
        Value::String(text) => return Some(text.clone()),
        Value::Number(number) => number,
        other => return Some(other.to_string()),
    };
    let x = number.as_f64().unwrap_or(f64::NAN);
    let decimals = |digits: &str| digits.parse::<usize>().unwrap_or(0);
    Some(if let Some(digits) = format.strip_prefix('%') {
        format!("{:.*} %", decimals(digits), 100.0 * x)
    } else if let Some(digits) = format.strip_prefix('.') {
        format!("{x:.*}", decimals(digits))
    } else if !number.is_f64() {
        thousands(number)
    } else if x.fract() == 0.0 || x.abs() >= 100.0 {
        thousands(format_args!("{x:.0}"))
    } else {
        format!("{:.*}", if x.abs() < 1.0 { 4 } else { 1 }, x)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source() -> Source {
        let json = json!({
            "name": "x_1", "none": null, "share": 0.97297, "rate": 255_102.04, "slow": 0.0321,
            "layers": [{ "r": 4_241_152u64, "latency": -123, "half": 2.5 }],
        });
        Source { json }
    }

    fn read(template: &str) -> String {
        let text = source().text_at("layers.0", template).unwrap();
        text.pieces.iter().map(Piece::shown).collect()
    }

    #[test]
    fn figures_are_looked_up_and_rounded_for_people() {
        assert_eq!(
            read("{name}: {layers.0.r} or {.r}, {none}{share:%2} fewer."),
            "x_1: 4 241 152 or 4 241 152, 97.30 % fewer."
        );
        assert_eq!(
            read("{.latency} {rate} {slow} {.half} {share:.3}"),
            "-123 255 102 0.0321 2.5 0.973"
        );
    }

    #[test]
    fn a_figure_that_is_not_in_the_json_is_a_bug_of_ours() {
        assert!(source().text("{layers.1.r}").is_err());
        assert!(source().text_at("layers.0", "{.q}").is_err());
    }

    #[test]
    fn a_column_without_figures_is_left_out() {
        let row = source().row("layers.0", &["{name}", "{none}", "{.r}"]).unwrap();
        let table = Table::new(&["layer", "nothing", "r"], vec![row], false);
        assert_eq!(table.columns, ["layer", "r"]);
        assert_eq!(table.rows[0].len(), 2);
    }
}
