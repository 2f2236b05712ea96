//! The points of a sweep as a picture.

use super::{Point, Sweep};
use crate::count::Counts;
use plotters::prelude::*;
use strassenc_runtime::plot::{self, Area, Axis, Drawn, GRAY, LIGHT, MARGIN, X_LABELS, Y_LABELS};
use strassenc_runtime::{Error, Result};

/// The size of one panel, in pixels.
const SIZE: (u32, u32) = (480, 420);

type Cost = fn(&Counts) -> u64;

pub(super) fn svg(sweep: &Sweep) -> Result<String> {
    let mut text = String::new();
    draw(sweep, &mut text).map_err(|e| Error::internal("sweep.svg", e))?;
    Ok(text)
}

fn draw(sweep: &Sweep, text: &mut String) -> Drawn {
    let mut panels: Vec<(&str, Cost)> = vec![
        ("multiplications of an inference", |c| c.multiplications),
        ("additions of an inference, shared", |c| c.additions),
    ];
    // Where every layer is evaluated once, these are the same.
    if sweep.points.iter().any(|point| point.counts.adders != point.counts.additions) {
        panels.push(("adders, shared, each matrix once", |c| c.adders));
    }
    let root =
        SVGBackend::with_string(text, (SIZE.0 * panels.len() as u32, SIZE.1)).into_drawing_area();
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

fn panel(area: &Area, sweep: &Sweep, label: &str, cost: Cost) -> Drawn {
    let series = series(sweep);
    let colour = |i: usize| {
        let (red, green, blue) = Palette99::pick(i).rgb();
        RGBColor(red, green, blue)
    };
    let full_precision = sweep.full_precision_accuracy.map(|_| ("full precision", GRAY));
    let named = series.iter().enumerate().filter(|(_, (name, _))| !name.is_empty());
    let names: Vec<_> = full_precision
        .into_iter()
        .chain(named.map(|(i, (name, _))| (name.as_str(), colour(i))))
        .collect();
    let area = plot::legend(area, &names)?;

    // 0 has no place on a logarithmic axis.
    let at = |point: &Point| (cost(&point.counts).max(1) as f64, point.integer_accuracy);
    let all: Vec<(f64, f64)> = sweep.points.iter().map(at).collect();
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (left, right) = bounds(&mut all.iter().map(|p| p.0));
    let (bottom, top) = bounds(&mut all.iter().map(|p| p.1).chain(sweep.full_precision_accuracy));
    let room = (0.08 * (top - bottom)).max(0.002);
    let (left, right, bottom, top) = (0.8 * left, 1.25 * right, bottom - room, top + room);
    let (ticks, digits) = plot::linear(100.0 * bottom, 100.0 * top);
    let mut chart = ChartBuilder::on(&area)
        .margin(MARGIN)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(
            (left..right).log_scale().with_key_points(plot::logarithmic(left, right)),
            Axis { range: 100.0 * bottom..100.0 * top, ticks },
        )?;
    chart
        .configure_mesh()
        .x_desc(label)
        .y_desc(match sweep.heads().is_empty() {
            true => "test accuracy of the integers, %",
            false => "test accuracy of the last layer's integers, %",
        })
        .x_label_formatter(&|x| plot::short(*x))
        .y_label_formatter(&|y| format!("{y:.digits$}"))
        .max_light_lines(1)
        .light_line_style(LIGHT)
        .draw()?;
    if let Some(accuracy) = sweep.full_precision_accuracy {
        let line = vec![(left, 100.0 * accuracy), (right, 100.0 * accuracy)];
        chart.draw_series([PathElement::new(line, GRAY.stroke_width(2))])?;
    }
    for (i, (_, points)) in series.iter().enumerate() {
        let points = || points.iter().map(|point| at(point)).map(|(x, y)| (x, 100.0 * y));
        chart.draw_series(LineSeries::new(points(), colour(i).stroke_width(2)))?;
        chart.draw_series(points().map(|p| Circle::new(p, 4, colour(i).filled())))?;
    }
    Ok(())
}
