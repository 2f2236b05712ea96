//! Charts of a report.

use super::Pipeline;
use plotters::prelude::*;
use strassenc_runtime::plot::{self, Axis, Drawn, GRAY, LIGHT, MARGIN, X_LABELS, Y_LABELS};
use strassenc_runtime::{Error, Result};

const BLUE: RGBColor = RGBColor(31, 119, 180);
const HEIGHT: u32 = 260;

/// How wide charts are, in pixels: on a page, and on a narrow one.
pub(super) const WIDE: u32 = 760;
pub(super) const NARROW: u32 = 320;

/// What the longest path of every stage takes, pipeline after pipeline, below the clock's period.
///
/// # Errors
/// A bug, if the chart cannot be drawn.
pub(super) fn stages(pipelines: &[Pipeline], width: u32) -> Result<String> {
    let mut text = String::new();
    draw(pipelines, width, &mut text).map_err(|e| Error::internal("the stages' chart", e))?;
    Ok(text)
}

fn draw(pipelines: &[Pipeline], width: u32, text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let takes: Vec<f64> = pipelines.iter().flat_map(|pipeline| &pipeline.takes).copied().collect();
    let limit = pipelines.iter().map(|pipeline| pipeline.limit).fold(0.0, f64::max);
    let area = plot::legend(&root, &[("clock period", GRAY), ("longest path", BLUE)])?;
    let mut starts = vec![0];
    starts.extend(pipelines.iter().scan(0, |end, pipeline| {
        *end += pipeline.stages;
        Some(*end)
    }));
    let name = |(pipeline, start): (&Pipeline, &usize)| {
        (*start as f64 / takes.len() as f64, pipeline.name.clone())
    };
    let names: Vec<_> = pipelines.iter().zip(&starts).map(name).collect();
    let area = plot::labels(&area, &names)?;
    let top = 1.1 * limit;
    let (ticks, digits) = plot::linear(0.0, top);
    let mut chart = ChartBuilder::on(&area)
        .margin(MARGIN)
        .margin_top(0)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(
            Axis { range: 0.5..takes.len() as f64 + 0.5, ticks: plot::counted(takes.len()) },
            Axis { range: 0.0..top, ticks },
        )?;
    chart
        .configure_mesh()
        .x_desc("stage")
        .y_desc("ns")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.digits$}"))
        .max_light_lines(1)
        .light_line_style(LIGHT)
        .draw()?;
    let bar = |(i, ns): (usize, &f64)| {
        let x = i as f64 + 1.0;
        Rectangle::new([(x - 0.4, 0.0), (x + 0.4, *ns)], BLUE.filled())
    };
    chart.draw_series(takes.iter().enumerate().map(bar))?;
    let right = takes.len() as f64 + 0.5;
    chart.draw_series([PathElement::new(
        vec![(0.5, limit), (right, limit)],
        GRAY.stroke_width(2),
    )])?;
    for x in starts.iter().skip(1).map(|start| *start as f64 + 0.5) {
        chart.draw_series([PathElement::new(vec![(x, 0.0), (x, top)], GRAY)])?;
    }
    Ok(())
}
