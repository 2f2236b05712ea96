//! A report as text for a terminal: no line is wider than the terminal, and no figure is parted.

use super::document::{Document, Piece, Table};
use anstyle::Style;
use textwrap::{Options, WordSplitter};

/// Width in characters where the output is not a terminal.
pub const WIDTH: usize = 80;

/// Stands for the space within a figure until the lines are cut.
const JOINT: &str = "\u{a0}";

/// Spaces between two columns.
const GAP: usize = 2;

/// Spaces before the further lines of a row.
const INDENT: usize = 4;

/// Columns that sentences want at least, so as not to be of single words.
const SENTENCES: usize = 24;

impl Document {
    /// The report as text whose lines have at most `width` characters: the tables, then what
    /// matters most.
    pub fn text(&self, width: usize) -> String {
        self.lines(width).into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    }

    /// The same text with escapes of colours.
    pub fn painted(&self, width: usize) -> String {
        let painted = |(style, line)| format!("{style}{line}{style:#}");
        self.lines(width).into_iter().map(painted).collect::<Vec<_>>().join("\n")
    }

    /// Each line, and how it is shown.
    fn lines(&self, width: usize) -> Vec<(Style, String)> {
        let (plain, title, names) = (Style::new(), Style::new().bold(), Style::new().dimmed());
        let mut lines = vec![];
        let mut add = |style, all: Vec<String>| {
            lines.extend(all.into_iter().map(|line| (style, line.replace(JOINT, " "))));
        };
        add(title, wrapped(&read(&self.title.pieces), "", width));
        if !self.lead.is_empty() {
            add(plain, wrapped(&read(&self.lead.pieces), "", width));
        }
        for line in &self.provenance {
            add(names, wrapped(&read(&line.pieces), "", width));
        }
        for section in self.sections.iter().filter(|section| !section.of_page) {
            add(plain, vec![String::new()]);
            add(title, vec![section.title.into()]);
            for (i, row) in section.table.rows(width).into_iter().enumerate() {
                add(if i == 0 { names } else { plain }, row);
            }
            for note in &section.notes {
                add(plain, wrapped(&read(&note.pieces), "", width));
            }
        }
        add(plain, vec![String::new()]);
        let leads: Vec<String> =
            self.headlines.iter().map(|headline| read(headline.lead())).collect();
        let margin = leads.iter().map(|lead| lead.chars().count()).max().unwrap_or(0) + 1;
        for (headline, lead) in self.headlines.iter().zip(&leads) {
            let lead = format!("{lead:>margin$} ");
            add(plain, wrapped(read(headline.rest()).trim_start(), &lead, width));
        }
        for warning in &self.warnings {
            let lead = format!("{:>margin$} ", "!");
            add(title, wrapped(&read(&warning.pieces), &lead, width));
        }
        lines
    }
}

impl Table {
    /// The lines of each row, the titles first, of at most `width` characters each.
    fn rows(&self, width: usize) -> Vec<Vec<String>> {
        let fit = |line: &String| wrapped(line, "", width);
        self.laid_out(width).iter().map(|row| row.iter().flat_map(fit).collect()).collect()
    }

    /// The table with as many columns side by side as fit, the others on further lines of the same
    /// row. Words in the last column go on below themselves. Only a line of one cell can be wider
    /// than `width`.
    fn laid_out(&self, width: usize) -> Vec<Vec<String>> {
        let header = self.columns.iter().map(|title| title.to_string()).collect();
        let rows =
            self.rows.iter().map(|row| row.iter().map(|cell| read(&cell.text.pieces)).collect());
        let rows: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
        let last = self.columns.len().saturating_sub(1);
        let is_prose = |i: usize| i == last && self.is_of_words(&i);
        let widths = (0..self.columns.len())
            .map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
        // Of each column its width with the space before it, and whether it begins a line.
        let mut used = 0;
        let columns: Vec<(usize, bool)> = widths
            .enumerate()
            .map(|(i, wide)| {
                let least = if is_prose(i) { wide.min(SENTENCES) } else { wide };
                let begins = i > 0 && used + GAP + least > width;
                let wide = wide
                    + if i == 0 {
                        0
                    } else if begins {
                        INDENT
                    } else {
                        GAP
                    };
                used = if begins { wide } else { used + wide };
                (wide, begins)
            })
            .collect();
        let laid_out = |row: &Vec<String>| {
            let mut lines = vec![];
            let mut line = String::new();
            for (i, (cell, &(wide, begins))) in row.iter().zip(&columns).enumerate() {
                if begins {
                    lines.push(std::mem::take(&mut line).trim_end().to_string());
                }
                if is_prose(i) {
                    line += &" ".repeat(if begins { INDENT } else { GAP });
                    lines.extend(wrapped(cell, &line, width));
                    line.clear();
                    continue;
                }
                line += &if i == 0 { format!("{cell:<wide$}") } else { format!("{cell:>wide$}") };
            }
            if !line.is_empty() || lines.is_empty() {
                lines.push(line.trim_end().to_string());
            }
            lines
        };
        rows.iter().map(laid_out).collect()
    }
}

/// What is read, with numbers that no line break parts.
fn read(pieces: &[Piece]) -> String {
    let shown = |piece: &Piece| match piece {
        Piece::Figure { shown, .. } if !shown.contains(char::is_alphabetic) => {
            shown.replace(' ', JOINT)
        }
        piece => piece.shown().into(),
    };
    pieces.iter().map(shown).collect()
}

/// Lines of at most `width` characters, the first one after `lead`, the others after as many
/// spaces.
fn wrapped(text: &str, lead: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(lead.chars().count());
    let options = Options::new(width).initial_indent(lead).subsequent_indent(&indent);
    let options = options.word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::super::document::{Cell, Text};
    use super::*;

    fn table(name: &str) -> Table {
        let figure = |shown: &str| Cell {
            text: Text { pieces: vec![Piece::Figure { path: String::new(), shown: shown.into() }] },
            bar: None,
            rail: None,
        };
        let row = |name: &str, r: &str| [name, r, "1 234 567", "99.5 %"].map(figure).to_vec();
        let columns = vec!["layer", "r", "multiplications", "reduction"];
        Table { columns, rows: vec![row(name, "64"), row("b", "1 024")], has_total: false }
    }

    #[test]
    fn columns_that_do_not_fit_stand_on_a_further_line_of_their_row() {
        let text = |width| table("dense_0").rows(width).concat().join("\n").replace(JOINT, " ");
        let whole = "layer        r  multiplications  reduction\n\
                     dense_0     64        1 234 567     99.5 %\n\
                     b        1 024        1 234 567     99.5 %";
        assert_eq!([text(80), text(42)], [whole, whole]);
        assert_eq!(
            text(41),
            "layer        r  multiplications\n    reduction\n\
             dense_0     64        1 234 567\n       99.5 %\n\
             b        1 024        1 234 567\n       99.5 %"
        );
    }

    #[test]
    fn words_in_the_last_column_go_on_below_themselves() {
        let cell = |words: &str| {
            let pieces = vec![Piece::Words(words.into())];
            Cell { text: Text { pieces }, bar: None, rail: None }
        };
        let row = |words: [&str; 3]| words.map(cell).to_vec();
        let long = "163 corner + 256 random + 355 data vectors";
        let rows = vec![row(["lint", "passed", "12 files"]), row(["ONNX", "passed", long])];
        let columns = vec!["what holds", "", "of what"];
        let table = Table { columns, rows, has_total: false };
        let text = |width| table.rows(width).concat().join("\n");
        assert_eq!(
            text(50),
            "what holds          of what\n\
             lint        passed  12 files\n\
             ONNX        passed  163 corner + 256 random + 355\n                    data vectors"
        );
        assert_eq!(
            text(40),
            "what holds\n    of what\n\
             lint        passed\n    12 files\n\
             ONNX        passed\n    163 corner + 256 random + 355 data\n    vectors"
        );
    }

    /// What is too wide would be wrapped in the end, and so be hidden.
    #[test]
    fn columns_fit_before_any_line_is_wrapped() {
        for length in [1, 30, 79, 80, 81, 500] {
            for width in 20..=133 {
                let lines = table(&"q".repeat(length)).laid_out(width).concat();
                let fits =
                    |line: &String| line.chars().count() <= width || *line == "q".repeat(length);
                assert!(lines.iter().all(fits), "{width}: {lines:#?}");
            }
        }
    }

    #[test]
    fn no_line_is_wider_than_it_may_be_whatever_a_layer_is_called() {
        for length in [1, 30, 79, 80, 81, 500] {
            for width in [20, 40, 80, 133] {
                let lines = table(&"q".repeat(length)).rows(width).concat();
                assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:#?}");
                assert_eq!(lines.concat().matches('q').count(), length);
            }
        }
    }
}
