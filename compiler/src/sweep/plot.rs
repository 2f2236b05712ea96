//! The points of a sweep as a picture.

use super::{Point, Sweep};
use crate::count::Counts;
use plotters::coord::Shift;
use plotters::prelude::*;
use strassenc_runtime::{Error, Result};

const GRAY: RGBColor = RGBColor(150, 150, 150);
/// Of one panel, in pixels.
const SIZE: (u32, u32) = (480, 420);

type Cost = fn(&Counts) -> u64;

pub(super) fn svg(sweep: &Sweep) -> Result<String> {
    let mut text = String::new();
    draw(sweep, &mut text).map_err(|e| Error::internal("sweep.svg", e))?;
    Ok(text)
}

fn draw(sweep: &Sweep, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let mut panels: Vec<(&str, Cost)> = vec![
        ("multiplications of an inference", |c| c.multiplications),
        ("additions of an inference, shared", |c| c.additions),
    ];
    // Where every layer is evaluated once, these are the same.
    if sweep.points.iter().any(|point| point.counts.adders != point.counts.additions) {
        panels.push(("adders, shared, each matrix once", |c| c.adders));
    }
    let root = SVGBackend::with_string(text, (SIZE.0 * panels.len() as u32, SIZE.1)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, (label, cost)) in root.split_evenly((1, panels.len())).iter().zip(panels) {
        panel(area, sweep, label, cost)?;
    }
    root.present()?;
    Ok(())
}

/// Points that agree in all but the first axis, with what they agree in.
fn series(sweep: &Sweep) -> Vec<(String, Vec<&Point>)> {
    let mut series: Vec<(String, Vec<&Point>)> = vec![];
    for point in &sweep.points {
        let others = point.choices.0.iter().skip(1).map(|(axis, value)| format!("{axis} {value}"));
        let name = others.collect::<Vec<_>>().join(", ");
        match series.iter_mut().find(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => series.push((name, vec![point])),
        }
    }
    series
}

fn panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    sweep: &Sweep,
    label: &str,
    cost: Cost,
) -> Result<(), Box<dyn std::error::Error>>
where
    DB::ErrorType: 'static,
{
    // 0 has no place on a logarithmic axis.
    let at = |point: &Point| (cost(&point.counts).max(1) as f64, point.integer_accuracy);
    let all: Vec<(f64, f64)> = sweep.points.iter().map(at).collect();
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (left, right) = bounds(&mut all.iter().map(|p| p.0));
    let (bottom, top) = bounds(&mut all.iter().map(|p| p.1).chain(sweep.full_precision_accuracy));
    let room = (0.08 * (top - bottom)).max(0.002);
    let (left, right) = (0.8 * left, 1.25 * right);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right).log_scale().with_key_points(ticks(left, right)), bottom - room..top + room)?;
    chart
        .configure_mesh()
        .x_desc(label)
        .y_desc("test accuracy of the integers, %")
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| format!("{:.1}", 100.0 * y))
        .max_light_lines(1)
        .light_line_style(RGBColor(235, 235, 235))
        .draw()?;
    if let Some(accuracy) = sweep.full_precision_accuracy {
        let line = PathElement::new(vec![(left, accuracy), (right, accuracy)], GRAY.stroke_width(2));
        let legend = |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], GRAY.stroke_width(2));
        chart.draw_series([line])?.label("full precision").legend(legend);
    }
    let series = series(sweep);
    for (i, (name, points)) in series.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let points = || points.iter().map(|point| at(point));
        let line = chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        if !name.is_empty() {
            let legend = move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
            line.label(name.clone()).legend(legend);
        }
        chart.draw_series(points().map(|p| Circle::new(p, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(GRAY)
        .draw()?;
    Ok(())
}

/// 1, 2 and 5 times powers of ten; powers of ten alone where there are many of them.
fn ticks(left: f64, right: f64) -> Vec<f64> {
    let steps: &[f64] = if right < 300.0 * left { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let decades = left.log10().floor() as i32..=right.log10().ceil() as i32;
    let all = decades.flat_map(|e| steps.iter().map(move |step| step * 10f64.powi(e)));
    all.filter(|x| (left..=right).contains(x)).collect()
}

/// `20k` for 20 000.
fn short(x: f64) -> String {
    let (unit, suffix) =
        [(1e9, "G"), (1e6, "M"), (1e3, "k")].into_iter().find(|(unit, _)| x >= *unit).unwrap_or((1.0, ""));
    let digits = format!("{:.1}", x / unit);
    format!("{}{suffix}", digits.trim_end_matches(".0"))
}
