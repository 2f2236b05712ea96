//! The curves of a run as a picture.

use super::trainer::{Epoch, Phase};
use crate::error::{Error, Result};
use plotters::prelude::*;

const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(255, 127, 14);
const GRAY: RGBColor = RGBColor(150, 150, 150);

/// Loss, accuracies and density over the epochs, phases side by side, as SVG.
///
/// # Errors
/// A bug, if the picture cannot be drawn.
pub fn svg(history: &[Epoch]) -> Result<String> {
    let mut text = String::new();
    draw(history, &mut text).map_err(|e| Error::internal("curves.svg", e))?;
    Ok(text)
}

/// The share of errors on the held-out slice, or on the training samples where a run holds none out, over the epochs of several
/// named runs, as SVG.
///
/// # Errors
/// A bug, if the picture cannot be drawn.
pub fn compare(runs: &[(String, Vec<Epoch>)]) -> Result<String> {
    let mut text = String::new();
    draw_all(runs, &mut text).map_err(|e| Error::internal("curves.svg", e))?;
    Ok(text)
}

fn draw_all(runs: &[(String, Vec<Epoch>)], text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, (900, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let longest = runs.iter().map(|run| &run.1[..]).max_by_key(|history| history.len()).unwrap_or_default();
    let errors = |e: &Epoch| Some(1.0 - e.validation_accuracy.unwrap_or(e.train_accuracy));
    let series = runs.iter().enumerate().map(|(i, (name, history))| {
        let color = Palette99::pick(i).to_rgba();
        (name.as_str(), RGBColor(color.0, color.1, color.2), values(history, errors))
    });
    panel(&root, longest, "share of errors, held out", &series.collect::<Vec<_>>())?;
    root.present()?;
    Ok(())
}

fn draw(history: &[Epoch], text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, (900, 620)).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(300);
    let error: Series = ("1 - accuracy, training", BLUE, values(history, |e| Some(1.0 - e.train_accuracy)));
    let held_out = ("1 - accuracy, held out", ORANGE, values(history, |e| e.validation_accuracy.map(|v| 1.0 - v)));
    let density = ("density", GRAY, values(history, |e| (e.phase != Phase::Full).then_some(e.density)));
    panel(&upper, history, "loss", &[("cross entropy", BLUE, values(history, |e| Some(e.loss)))])?;
    panel(&lower, history, "share", &[error, held_out, density])?;
    root.present()?;
    Ok(())
}

type Series<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// One point an epoch, 1-based; 0 has no place on a logarithmic axis.
fn values(history: &[Epoch], of: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = history.iter().enumerate();
    points.filter_map(|(i, e)| Some((i as f64 + 1.0, of(e)?.max(1e-5)))).collect()
}

fn panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, plotters::coord::Shift>,
    history: &[Epoch],
    label: &str,
    series: &[Series],
) -> Result<(), Box<dyn std::error::Error>>
where
    DB::ErrorType: 'static,
{
    let all = || series.iter().flat_map(|s| &s.2).map(|p| p.1);
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
    let (low, high) = (low * 0.8, (high * 1.25).max(low * 1.6));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d(0.5..history.len() as f64 + 0.5, (low..high).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(label)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.4}").trim_end_matches('0').to_owned())
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    for (i, e) in history.iter().enumerate() {
        if i == 0 || e.phase != history[i - 1].phase {
            let x = i as f64 + 0.5;
            chart.draw_series([PathElement::new(vec![(x, low), (x, high)], GRAY)])?;
            chart.draw_series([Text::new(
                format!("{}", e.phase),
                (x + 0.1, high * 0.95),
                ("sans-serif", 14).into_font(),
            )])?;
        }
    }
    for (name, color, points) in series.iter().filter(|s| !s.2.is_empty()) {
        let color = *color;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(GRAY).draw()?;
    Ok(())
}
