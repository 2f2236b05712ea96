//! A report as one self-contained HTML page, without scripts or outside resources.

use super::document::{Document, Piece};
use super::picture::Rail;
use askama::Template;
use strassenc_runtime::{Error, Result};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Document,
    generator: &'a str,
}

impl Document {
    /// The report as a page. Every figure is an element with the attribute `data-figure`: its path
    /// in the JSON.
    ///
    /// # Errors
    /// Only by a bug of ours in the template.
    pub fn html(&self) -> Result<String> {
        let page = Page { report: self, generator: crate::emit::TOOL };
        page.render().map_err(|e| Error::internal("report.html", e))
    }
}
