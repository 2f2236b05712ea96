//! The report as one self-contained HTML page.

use super::{Report, percent_fewer, widest_product};
use askama::Template;
use strassenc_runtime::{Error, Result};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    rows: Vec<Row<'a>>,
    chart: Chart,
}

/// A layer as the page shows it.
struct Row<'a> {
    layer: &'a crate::figures::LayerFigures,
    dsp_blocks: usize,
    product: String,
    adders_before: usize,
    adders: usize,
}

/// Adders before and after sharing, a pair of bars a matrix.
struct Chart {
    bars: Vec<Bar>,
    height: usize,
}

struct Bar {
    label: String,
    y: usize,
    before: usize,
    before_width: f64,
    after: usize,
    after_width: f64,
    saved: f64,
}

const BAR_PITCH: usize = 44;
const BAR_WIDTH: f64 = 520.0;

impl Report {
    /// The report as one HTML page without scripts or outside resources.
    ///
    /// # Errors
    /// Only by a bug of ours in the template.
    pub fn html(&self) -> Result<String> {
        let rows = self
            .figures
            .layers
            .iter()
            .zip(&self.dsp_blocks)
            .map(|(layer, &dsp_blocks)| Row {
                layer,
                dsp_blocks,
                product: widest_product(layer),
                adders_before: layer.wb.naive_adders + layer.wc.naive_adders,
                adders: layer.wb.adders + layer.wc.adders,
            })
            .collect();
        let page = Page { report: self, rows, chart: self.chart() };
        page.render().map_err(|e| Error::internal("report.html", e))
    }

    fn chart(&self) -> Chart {
        let matrices: Vec<_> = self
            .figures
            .layers
            .iter()
            .flat_map(|l| [(format!("{} W_b", l.name), &l.wb), (format!("{} W_c", l.name), &l.wc)])
            .collect();
        let most = matrices.iter().map(|(_, m)| m.naive_adders).max().unwrap_or(0).max(1) as f64;
        let bars: Vec<Bar> = matrices
            .into_iter()
            .enumerate()
            .map(|(i, (label, m))| Bar {
                label,
                y: i * BAR_PITCH,
                before: m.naive_adders,
                before_width: BAR_WIDTH * m.naive_adders as f64 / most,
                after: m.adders,
                after_width: BAR_WIDTH * m.adders as f64 / most,
                saved: percent_fewer(m.adders, m.naive_adders),
            })
            .collect();
        Chart { height: bars.len() * BAR_PITCH, bars }
    }
}
