//! What all pictures share: names stand beside the drawing, never in it, and every tick has a label
//! of its own.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::ops::Range;

/// The colour of secondary lines.
pub const GRAY: RGBColor = RGBColor(150, 150, 150);
/// The colour of the grid.
pub const LIGHT: RGBColor = RGBColor(235, 235, 235);
/// Pixels around a chart.
pub const MARGIN: u32 = 12;
/// Pixels for the labels of the x axis.
pub const X_LABELS: u32 = 34;
/// Pixels for the labels of the y axis.
pub const Y_LABELS: u32 = 64;

/// Height of letters, and of a row of them, in pixels.
const FONT: u32 = 13;
pub(crate) const ROW: u32 = 20;
/// Length of the line before a name of a legend, and of the space around it.
const LINE: i32 = 18;
const GAP: i32 = 8;

/// A part of a picture.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The result of drawing.
pub type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A linear axis with these ticks.
#[derive(Clone)]
pub struct Axis {
    /// The range from the axis's left or lower end to the other.
    pub range: Range<f64>,
    /// The ticks, all within the range.
    pub ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// About as wide as a text is, in pixels: an SVG does not know the font that it is shown in.
pub(crate) fn width(text: &str) -> i32 {
    (text.chars().count() as f64 * 0.62 * f64::from(FONT)).ceil() as i32
}

pub(crate) fn font<'a>() -> TextStyle<'a> {
    ("sans-serif", FONT as i32).into()
}

/// Writes the names of lines above a chart, in as many rows as they need; yields what is left of
/// the area.
///
/// # Errors
/// Where the backend fails.
pub fn legend<'a>(area: &Area<'a>, names: &[(&str, RGBColor)]) -> Drawn<Area<'a>> {
    if names.is_empty() {
        return Ok(area.clone());
    }
    let right = area.dim_in_pixel().0 as i32 - MARGIN as i32;
    let left = Y_LABELS as i32 + MARGIN as i32;
    let (mut x, mut y) = (left, MARGIN as i32);
    let mut places = vec![];
    for (name, color) in names {
        let wide = LINE + 2 * GAP + width(name);
        if x > left && x + wide > right {
            (x, y) = (left, y + ROW as i32);
        }
        places.push((x, y, *name, *color));
        x += wide;
    }
    let (head, rest) = area.split_vertically(y as u32 + ROW - MARGIN / 2);
    for (x, y, name, color) in places {
        let middle = y + FONT as i32 / 2;
        head.draw(&PathElement::new(vec![(x, middle), (x + LINE, middle)], color.stroke_width(2)))?;
        head.draw(&Text::new(name.to_owned(), (x + LINE + GAP / 2, y), font()))?;
    }
    Ok(rest)
}

/// Writes labels above a chart, each at its share 0..=1 of the chart's width, one below the other
/// where they would overlap; yields what is left of the area.
///
/// # Errors
/// Where the backend fails.
pub fn labels<'a>(area: &Area<'a>, labels: &[(f64, String)]) -> Drawn<Area<'a>> {
    let (left, right) =
        (Y_LABELS as i32 + MARGIN as i32, area.dim_in_pixel().0 as i32 - MARGIN as i32);
    // Where the last label of each row ends.
    let mut rows: Vec<i32> = vec![];
    let mut places = vec![];
    for (share, text) in labels {
        let x = left + (share * f64::from(right - left)) as i32;
        let x = x.min(right - width(text)).max(left);
        let row = rows.iter().position(|end| *end + GAP <= x).unwrap_or(rows.len());
        rows.resize(rows.len().max(row + 1), 0);
        rows[row] = x + width(text);
        places.push((x, row, text));
    }
    let (head, rest) = area.split_vertically(rows.len() as u32 * ROW);
    for (x, row, text) in places {
        head.draw(&Text::new(text.clone(), (x, row as i32 * ROW as i32 + GAP / 2), font()))?;
    }
    Ok(rest)
}

/// Whole numbers from 1 to `last`, at most a dozen of them, at equal distances.
pub fn counted(last: usize) -> Vec<f64> {
    let step =
        steps().map(|step| step.max(1.0) as usize).find(|step| last / step <= 12).unwrap_or(1);
    let all = (step..=last).step_by(step);
    // The first is a place where something is, which 0 is not.
    std::iter::once(1).filter(|_| step > 1).chain(all).map(|n| n as f64).collect()
}

/// 1, 2 and 5 times powers of ten, from 10^-9 on.
fn steps() -> impl Iterator<Item = f64> {
    (-9..12).flat_map(|e| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(e)))
}

/// Round numbers within a range, and the digits behind the point that tell them apart.
pub fn linear(low: f64, high: f64) -> (Vec<f64>, usize) {
    let step = steps().find(|step| (high - low) / step <= 8.0).unwrap_or(1.0);
    let ticks = ((low / step).ceil() as i64..=(high / step).floor() as i64)
        .map(|n| n as f64 * step)
        .collect();
    (ticks, (-step.log10().floor()).max(0.0) as usize)
}

/// 1, 2 and 5 times powers of ten within a range of a logarithmic axis; powers of ten alone where
/// there are many of them, and round numbers of equal distances where there are hardly any.
pub fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let is_wide = high >= 300.0 * low;
    let all = steps()
        .enumerate()
        .filter(|(i, step)| (low..=high).contains(step) && (!is_wide || i % 3 == 0));
    let ticks: Vec<f64> = all.map(|(_, step)| step).collect();
    if ticks.len() < 3 { linear(low, high).0 } else { ticks }
}

/// A number with three significant digits, `20k` for 20 000.
pub fn short(x: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (unit, suffix) = units.into_iter().find(|(unit, _)| x >= *unit).unwrap_or((1.0, ""));
    let value = x / unit;
    let digits = if value > 0.0 { (2 - value.log10().floor() as i32).max(0) as usize } else { 0 };
    let text = format!("{value:.digits$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn epochs_are_whole_and_never_told_twice() {
        assert_eq!(counted(1), [1.0]);
        assert_eq!(counted(2), [1.0, 2.0]);
        assert_eq!(counted(3), [1.0, 2.0, 3.0]);
        assert_eq!(counted(30), [1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        for last in 1..3000 {
            let ticks = counted(last);
            let texts: BTreeSet<String> = ticks.iter().map(|x| format!("{x:.0}")).collect();
            assert!(
                texts.len() == ticks.len() && (1..=13).contains(&ticks.len()),
                "{last}: {ticks:?}"
            );
            assert!(
                ticks.iter().all(|x| x.fract() == 0.0 && (1.0..=last as f64).contains(x)),
                "{last}: {ticks:?}"
            );
        }
    }

    #[test]
    fn every_tick_has_a_label_of_its_own() {
        for (low, high) in [
            (0.970, 0.972),
            (0.1, 0.9),
            (0.99871, 0.99874),
            (0.0, 1.0),
            (1e-5, 2e-5),
            (3.0, 4000.0),
        ] {
            let (ticks, digits) = linear(low, high);
            let texts: BTreeSet<String> = ticks.iter().map(|y| format!("{y:.digits$}")).collect();
            assert!(texts.len() == ticks.len() && ticks.len() >= 3, "{low} to {high}: {texts:?}");
            let ticks = logarithmic(low.max(1e-6), high);
            assert!(ticks.len() >= 3 && ticks.len() < 16, "{low} to {high}: {ticks:?}");
        }
        for (x, text) in
            [(20_000.0, "20k"), (1e-5, "0.00001"), (0.05, "0.05"), (1.5e6, "1.5M"), (200.0, "200")]
        {
            assert_eq!(short(x), text);
        }
    }
}
