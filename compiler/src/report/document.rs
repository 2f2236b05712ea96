//! What a report says, whoever shows it: sentences and tables whose every figure is looked up in
//! the report's JSON, so that a terminal, a page and `--json` cannot differ.

use super::picture::{Rail, Rails};
use super::thousands;
use serde::Serialize;
use serde_json::Value;
use strassenc_runtime::{Error, Result};

/// A report, arranged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What it is about.
    pub title: Text,
    /// Who made it from what, a line each.
    pub provenance: Vec<Text>,
    /// What it is, in a sentence.
    pub lead: Text,
    /// What matters most, each a sentence that begins with its figure.
    pub headlines: Vec<Text>,
    /// What the reader should not miss.
    pub warnings: Vec<Text>,
    /// The sections in order.
    pub sections: Vec<Section>,
    /// Where the files of the build are, seen from the page; without it they are no links.
    pub folder: Option<String>,
}

/// A table under a title.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The title, which has no figures.
    pub title: &'static str,
    /// The figures under the title.
    pub table: Table,
    /// What is to be said about them.
    pub notes: Vec<Text>,
    /// Pictures, on a page.
    pub drawings: Vec<Drawing>,
    /// Names of files, on a page.
    pub files: Vec<Text>,
    /// Whether a page has room for the section, and a terminal has none.
    pub of_page: bool,
}

/// A picture of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// What it is.
    pub title: &'static str,
    /// The picture, as SVG.
    pub svg: String,
    /// The same for where there is little room, of a chart, which cannot be made smaller.
    pub narrow: Option<String>,
    /// Whether it is to be seen at once.
    pub open: bool,
}

/// Rows of figures. The first column names the row.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// The row's part of the rails, where it has one.
    pub rail: Option<Rail>,
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

impl From<Text> for Cell {
    fn from(text: Text) -> Self {
        Cell { text, bar: None, rail: None }
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

impl Section {
    /// Whether it takes no more than half of a wide page.
    pub fn is_half(&self) -> bool {
        let columns = self.table.columns.len();
        let is_small = (1..=5).contains(&columns) && self.drawings.is_empty();
        is_small || self.is_long()
    }

    /// Whether its rows are so many that a page shows them only when asked.
    pub fn is_long(&self) -> bool {
        self.of_page && self.table.rows.len() > MOST_ROWS
    }

    /// The pictures that are to be seen at once, or the others.
    pub fn drawn(&self, open: bool) -> impl Iterator<Item = &Drawing> {
        self.drawings.iter().filter(move |drawing| drawing.open == open)
    }
}

impl Drawing {
    /// What the style sheet calls it.
    pub fn class(&self) -> &'static str {
        if self.narrow.is_some() { "chart" } else { "drawing" }
    }
}

impl Table {
    /// What the style sheet calls it, by the room that its columns take.
    pub fn class(&self) -> &'static str {
        match self.columns.len() {
            0..=5 => "few",
            6..=8 => "some",
            _ => "many",
        }
    }

    /// How wide its rails are, in pixels.
    pub fn rail_width(&self) -> Option<usize> {
        let mut rails = self.rows.iter().filter_map(|row| row.first()?.rail.as_ref());
        rails.next().map(|rail| rail.width)
    }

    /// Whether the column tells what once was.
    pub fn is_before(&self, column: &usize) -> bool {
        self.columns[*column] == BEFORE
    }

    /// Whether words stand in this column, not figures.
    pub fn is_of_words(&self, column: &usize) -> bool {
        OF_WORDS.contains(&self.columns[*column])
    }

    /// The table with rails beside its rows; a total has none.
    pub fn with_rails(mut self, rails: Rails) -> Self {
        for (row, rail) in self.rows.iter_mut().zip(rails.rows) {
            if let Some(first) = row.first_mut() {
                first.rail = Some(rail);
            }
        }
        self
    }

    /// Draws bars in a column, if it is there: of each row so long a share.
    pub fn with_bars(mut self, column: &str, shares: impl IntoIterator<Item = f64>) -> Self {
        if let Some(column) = self.columns.iter().position(|title| *title == column) {
            for (row, share) in self.rows.iter_mut().zip(shares) {
                row[column].bar = Some(share.clamp(0.0, 1.0));
            }
        }
        self
    }

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

/// The column whose bars are those of what once was.
const BEFORE: &str = "before";

/// Rows that a page shows at once, of what is not told in a terminal.
const MOST_ROWS: usize = 16;

/// Columns of words, behind the first.
const OF_WORDS: [&str; 6] = ["kind", "shape", "engine", "measured on", "of what", "to"];

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
    /// rounded to two decimals, `{path:%2}` is a percentage of two decimals, `{path:<2}` tells so
    /// how many fewer or more there are. Of null nothing is shown.
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
                let value = self.get(&path)?;
                let reduction = format.strip_prefix('<').zip(value.as_f64());
                if let Some((digits, reduction)) = reduction {
                    let (shown, which) = less(reduction, decimals(digits));
                    pieces.push(Piece::Figure { path, shown });
                    pieces.push(Piece::Words(format!(" {which}")));
                } else {
                    pieces.extend(shown(value, format).map(|shown| Piece::Figure { path, shown }));
                }
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
        templates.iter().map(|t| Ok(Cell::from(self.text_at(base, t)?))).collect()
    }

    fn get(&self, path: &str) -> Result<&Value> {
        self.json
            .pointer(&format!("/{}", path.replace('.', "/")))
            .ok_or_else(|| Error::internal("report", format_args!("has no figure {path}")))
    }
}

fn decimals(digits: &str) -> usize {
    digits.parse().unwrap_or(0)
}

/// How many fewer, or more.
fn less(reduction: f64, decimals: usize) -> (String, &'static str) {
    let which = if reduction < 0.0 { "more" } else { "fewer" };
    (format!("{:.decimals$} %", 100.0 * reduction.abs()), which)
}

/// What a reduction comes to, with two decimals: `97.30 % fewer`, or more.
pub fn reduced(reduction: f64) -> String {
    let (share, which) = less(reduction, 2);
    format!("{share} {which}")
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
            "name": "x_1", "none": null, "share": 0.97297, "growth": -0.25,
            "rate": 255_102.04, "slow": 0.0321, "layers": [{ "r": 4_241_152u64, "latency": -123, "half": 2.5 }],
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
            read("{name}: {layers.0.r} or {.r}, {none}{share:<2}, {growth:<1}."),
            "x_1: 4 241 152 or 4 241 152, 97.30 % fewer, 25.0 % more."
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
