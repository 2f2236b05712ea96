//! What generated text says about where it comes from.

use std::borrow::Cow;
use textwrap::{WordSeparator, WordSplitter};

/// The first lines of generated text, which say where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Provenance {
    /// `strassenc` and its version.
    pub tool: String,
    /// What the text is for, and what was read of it: `network`, `model`.
    pub of: [&'static str; 2],
    /// The name of the network.
    pub model: String,
    /// SHA-256 of the file that was read.
    pub model_sha256: String,
    /// The options that decide the text, as on a command line.
    pub options: String,
}

impl Provenance {
    /// Comment lines for a file that holds `what`; no date, so that equal inputs give equal bytes.
    pub fn header(&self, module: &str, what: &str) -> String {
        let Provenance { tool, of: [of, read], model, model_sha256, options } = self;
        // A comment that begins with Verilator's name is an order to it.
        let lead = if module.starts_with("verilator") { "Module " } else { "" };
        // No word is broken, so that a command can be copied from it.
        let lines = textwrap::Options::new(100)
            .subsequent_indent("// ")
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        let filled = |text: String| textwrap::fill(&text, &lines);
        format!(
            "{}\n// Written by {tool} from the {read} with SHA-256\n// {model_sha256}\n{}",
            filled(format!("// {lead}{module}: {what} of the {of} {model}.")),
            filled(format!("// with {options}"))
        )
    }
}

/// Comments in generated files are ASCII, since not every tool reads more.
pub(super) fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains(['\n', '\r']) {
        return text.into();
    }
    let replaced = |c: char| match c {
        '·' => '*',
        '\n' | '\r' => ' ',
        c if c.is_ascii() => c,
        _ => '?',
    };
    text.chars().map(replaced).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_ascii_and_stay_on_their_line() {
        assert_eq!(ascii("u8 · 2^-4"), "u8 * 2^-4");
        assert_eq!(ascii("a\nb ã"), "a b ?");
    }
}
