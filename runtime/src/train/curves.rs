//! The curves of a run as a picture.

use super::schedule::{Epoch, Phase};
use crate::error::{Error, Result};
use crate::plot::{self, Area, Axis, Drawn, GRAY, LIGHT, MARGIN, X_LABELS, Y_LABELS};
use plotters::prelude::*;

const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(255, 127, 14);
/// Epochs of which each is a point to be seen.
const FEW: usize = 30;

/// How wide the picture of a run is, in pixels.
pub const WIDTH: u32 = 900;

/// Loss, shares of errors and density over the epochs, phases side by side, as SVG of this width.
///
/// # Errors
/// A bug, if the picture cannot be drawn.
pub fn svg(history: &[Epoch], width: u32) -> Result<String> {
    let mut text = String::new();
    draw(history, width, &mut text).map_err(|e| Error::internal("curves.svg", e))?;
    Ok(text)
}

/// The share of errors over the epochs of several named runs, as SVG: on the slice held out, or on
/// the training samples where a run holds none out; the picture says which.
///
/// # Errors
/// A bug, if the picture cannot be drawn.
pub fn compare(runs: &[(String, Vec<Epoch>)]) -> Result<String> {
    let mut text = String::new();
    draw_all(runs, &mut text).map_err(|e| Error::internal("curves.svg", e))?;
    Ok(text)
}

/// The samples that a run's errors are of, in words.
fn samples(history: &[Epoch]) -> &'static str {
    if history.iter().any(|e| e.validation_accuracy.is_some()) { "held out" } else { "training" }
}

fn draw_all(runs: &[(String, Vec<Epoch>)], text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, (900, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let longest =
        runs.iter().map(|run| &run.1[..]).max_by_key(|history| history.len()).unwrap_or_default();
    let first = samples(longest);
    let are_alike = runs.iter().all(|(_, history)| samples(history) == first);
    let series = runs.iter().enumerate().map(|(i, (name, history))| {
        let of = samples(history);
        let errors = |e: &Epoch| {
            Some(1.0 - if of == "held out" { e.validation_accuracy? } else { e.train_accuracy })
        };
        let name = if are_alike { name.clone() } else { format!("{name} ({of})") };
        let color = Palette99::pick(i).to_rgba();
        Series { name, color: RGBColor(color.0, color.1, color.2), points: values(history, errors) }
    });
    let label =
        if are_alike { format!("share of errors, {first}") } else { "share of errors".into() };
    panel(&root, longest, &label, &series.collect::<Vec<_>>())?;
    root.present()?;
    Ok(())
}

fn draw(history: &[Epoch], width: u32, text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, (width, 620)).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(300);
    let series = |name: &str, color, of: &dyn Fn(&Epoch) -> Option<f64>| Series {
        name: name.into(),
        color,
        points: values(history, of),
    };
    let bits = |e: &Epoch| e.validation_loss;
    let losses = [series("training", BLUE, &|e| Some(e.loss)), series("held out", ORANGE, &bits)];
    let shares = [
        series("errors, training", BLUE, &|e| Some(1.0 - e.train_accuracy)),
        series("errors, held out", ORANGE, &|e| e.validation_accuracy.map(|v| 1.0 - v)),
        series("density", GRAY, &|e| (e.phase != Phase::Full).then_some(e.density)),
    ];
    panel(&upper, history, "loss", &losses)?;
    panel(&lower, history, "share", &shares)?;
    root.present()?;
    Ok(())
}

/// A line over the epochs.
struct Series {
    name: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// One point an epoch, 1-based; 0 has no place on a logarithmic axis.
fn values(history: &[Epoch], of: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = history.iter().enumerate();
    points.filter_map(|(i, e)| Some((i as f64 + 1.0, of(e)?.max(1e-5)))).collect()
}

fn panel(area: &Area, history: &[Epoch], label: &str, series: &[Series]) -> Drawn {
    let series = || series.iter().filter(|s| !s.points.is_empty());
    let names: Vec<_> = series().map(|s| (s.name.as_str(), s.color)).collect();
    let area = plot::legend(area, &names)?;
    let epochs = history.len();
    let starts: Vec<usize> =
        (0..epochs).filter(|&i| i == 0 || history[i].phase != history[i - 1].phase).collect();
    let phase = |&i: &usize| (i as f64 / epochs as f64, history[i].phase.to_string());
    let area = plot::labels(&area, &starts.iter().map(phase).collect::<Vec<_>>())?;

    let all = || series().flat_map(|s| &s.points).map(|p| p.1);
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
    let (low, high) = (low * 0.8, (high * 1.25).max(low * 1.6));
    let mut chart = ChartBuilder::on(&area)
        .margin(MARGIN)
        .margin_top(0)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(
            Axis { range: 0.5..epochs as f64 + 0.5, ticks: plot::counted(epochs) },
            (low..high).log_scale().with_key_points(plot::logarithmic(low, high)),
        )?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(label)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| plot::short(*y))
        .max_light_lines(1)
        .light_line_style(LIGHT)
        .draw()?;
    for x in starts.iter().map(|&i| i as f64 + 0.5) {
        chart.draw_series([PathElement::new(vec![(x, low), (x, high)], GRAY)])?;
    }
    for Series { color, points, .. } in series() {
        chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
        if epochs <= FEW {
            chart.draw_series(points.iter().map(|p| Circle::new(*p, 3, color.filled())))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(phases: [usize; 3], held_out: bool) -> Vec<Epoch> {
        let of = [Phase::Full, Phase::Ternary, Phase::Frozen].into_iter().zip(phases);
        let all = of.flat_map(|(phase, epochs)| (1..=epochs).map(move |epoch| (phase, epoch)));
        let record = |(i, (phase, epoch)): (usize, (Phase, usize))| Epoch {
            phase,
            epoch,
            learning_rate: 1e-3,
            loss: 2.0 / (i + 1) as f64,
            train_accuracy: 1.0 - 0.5 / (i + 1) as f64,
            validation_accuracy: held_out.then_some(1.0 - 0.6 / (i + 1) as f64),
            validation_loss: None,
            validation_heads: Default::default(),
            density: 0.6,
        };
        all.enumerate().map(record).collect()
    }

    /// The texts of a picture.
    fn texts(svg: &str) -> Vec<&str> {
        svg.split("</text>")
            .filter_map(|part| part.rsplit('>').next())
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .collect()
    }

    #[test]
    fn errors_are_named_after_their_samples() {
        let run = |name: &str, held_out| (name.to_owned(), history([2, 2, 1], held_out));
        let [held_out, training, mixed] =
            [vec![run("a", true)], vec![run("a", false)], vec![run("a", true), run("b", false)]]
                .map(|runs| compare(&runs).unwrap());
        assert!(texts(&held_out).contains(&"share of errors, held out"), "{held_out}");
        assert!(texts(&training).contains(&"share of errors, training"), "{training}");
        assert!(!training.contains("held out"));
        for name in ["share of errors", "a (held out)", "b (training)"] {
            assert!(texts(&mixed).contains(&name), "{name}: {mixed}");
        }
        let alone = svg(&history([2, 2, 1], false), WIDTH).unwrap();
        assert!(
            texts(&alone).contains(&"errors, training") && !alone.contains("held out"),
            "{alone}"
        );
    }

    #[test]
    fn short_axes_have_whole_ticks_once() {
        for phases in [[1, 0, 0], [1, 1, 0], [1, 1, 1]] {
            let epochs: usize = phases.iter().sum();
            let picture = compare(&[("a".into(), history(phases, true))]).unwrap();
            let ticks: Vec<String> = (1..=epochs).map(|n| n.to_string()).collect();
            let shown: Vec<&str> =
                texts(&picture).into_iter().filter(|t| t.parse::<usize>().is_ok()).collect();
            assert_eq!(shown, ticks, "{picture}");
        }
    }
}
