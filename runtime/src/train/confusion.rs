//! Which class a network takes the samples of each class for.

use super::loss::argmax;
use crate::plot::{self, Drawn};
use crate::{Error, Result};
use ndarray::{ArrayView2, Axis};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Serialize;

/// The samples of each class by the class that a network says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The classes: their names, or numbers from 0.
    pub classes: Vec<String>,
    /// `[due][said]`: samples of class `due` whose largest output is that of class `said`, the
    /// first of equal ones.
    pub samples: Vec<Vec<usize>>,
}

/// How well one class is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// Samples of the class.
    pub samples: usize,
    /// The share of those that are said to be of it; none where there are no samples.
    pub recall: Option<f64>,
    /// The share of what is said to be of it that is; none where nothing is said to be.
    pub precision: Option<f64>,
    /// The other class that its samples are most often taken for, and how many of them.
    pub taken_for: Option<(usize, usize)>,
}

/// The side of a cell, and the space around the drawing, in pixels.
const CELL: i32 = 40;
const GAP: i32 = 12;
/// Above so many classes a cell is too small for its number.
const WRITTEN: usize = 40;
/// The side of a cell without a number.
const SMALL: i32 = 14;

impl Confusion {
    /// Of outputs `[samples, classes]`, and the label of each sample, below their number.
    pub fn of<T: Copy + PartialOrd>(
        outputs: ArrayView2<T>,
        labels: &[u32],
        names: Option<&[String]>,
    ) -> Self {
        let count = outputs.ncols();
        let name = |i: usize| names.and_then(|names| names.get(i).cloned());
        let classes = (0..count).map(|i| name(i).unwrap_or_else(|| i.to_string())).collect();
        let mut samples = vec![vec![0; count]; count];
        for (row, label) in outputs.axis_iter(Axis(0)).zip(labels) {
            samples[*label as usize][argmax(row)] += 1;
        }
        Confusion { classes, samples }
    }

    /// How well each class is told, in order.
    pub fn told(&self) -> Vec<Told> {
        let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
        let of_class = |(class, row): (usize, &Vec<usize>)| {
            let samples = row.iter().sum();
            let said = self.samples.iter().map(|row| row[class]).sum();
            // The first of those that are equally many.
            let others = row.iter().enumerate().filter(|(i, n)| *i != class && **n > 0);
            let most = others.rev().max_by_key(|(_, n)| **n);
            Told {
                samples,
                recall: share(row[class], samples),
                precision: share(row[class], said),
                taken_for: most.map(|(other, n)| (other, *n)),
            }
        };
        self.samples.iter().enumerate().map(of_class).collect()
    }

    /// A picture: a row for each class, a column for each that is said, darker by the share of the
    /// row.
    ///
    /// # Errors
    /// A bug, if it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let mut text = String::new();
        self.draw(&mut text).map_err(|e| Error::internal("the confusion matrix", e))?;
        Ok(text)
    }

    fn draw(&self, text: &mut String) -> Drawn {
        let count = self.classes.len() as i32;
        let written = self.classes.len() <= WRITTEN;
        let cell = if written { CELL } else { SMALL };
        let names = self.classes.iter().map(|name| plot::width(name)).max().unwrap_or(0);
        let title = plot::width("of class") + GAP;
        let (left, top) = (GAP + title + names + GAP, GAP + plot::ROW as i32 + names + GAP);
        let size = (left + count * cell + GAP, top + count * cell + GAP);
        let root =
            SVGBackend::with_string(text, (size.0 as u32, size.1 as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let at = |horizontal, vertical| plot::font().pos(Pos::new(horizontal, vertical));
        let middle = count * cell / 2;
        let said = at(HPos::Center, VPos::Top);
        root.draw(&Text::new("said to be of class", (left + middle, GAP), said))?;
        let due = at(HPos::Left, VPos::Center);
        root.draw(&Text::new("of class", (GAP, top + middle), due))?;
        for (i, name) in self.classes.iter().enumerate() {
            let along = i as i32 * cell + cell / 2;
            let own = at(HPos::Right, VPos::Center);
            root.draw(&Text::new(name.as_str(), (left - GAP, top + along), own))?;
            let upright = at(HPos::Left, VPos::Center).transform(FontTransform::Rotate270);
            root.draw(&Text::new(name.as_str(), (left + along, top - GAP / 2), upright))?;
        }
        for (i, row) in self.samples.iter().enumerate() {
            let all = row.iter().sum::<usize>().max(1);
            for (j, &n) in row.iter().enumerate() {
                let (x, y) = (left + j as i32 * cell, top + i as i32 * cell);
                let share = n as f64 / all as f64;
                // What is right in blue, what is wrong in red, visible from one sample on.
                let depth = if n == 0 { 0.0 } else { 0.12 + 0.88 * share };
                let full = if i == j { RGBColor(31, 119, 180) } else { RGBColor(214, 39, 40) };
                let mix = |full: u8| (255.0 - depth * (255.0 - f64::from(full))).round() as u8;
                let fill = RGBColor(mix(full.0), mix(full.1), mix(full.2));
                let corners = [(x, y), (x + cell, y + cell)];
                root.draw(&Rectangle::new(corners, fill.filled()))?;
                root.draw(&Rectangle::new(corners, plot::LIGHT))?;
                if written && n > 0 {
                    let colour = if depth > 0.6 { WHITE } else { BLACK };
                    let style = at(HPos::Center, VPos::Center).color(&colour);
                    let place = (x + cell / 2, y + cell / 2);
                    root.draw(&Text::new(plot::short(n as f64), place, style))?;
                }
            }
        }
        root.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn samples_are_counted_by_what_they_are_and_what_is_said() {
        let outputs = array![[3, 1, 0], [0, 2, 2], [5, 1, 0], [0, 1, 9], [4, 4, 4]];
        let names = ["cat", "dog", "eel"].map(String::from);
        let confusion = Confusion::of(outputs.view(), &[0, 1, 1, 1, 1], Some(&names));
        assert_eq!(confusion.samples, [[1, 0, 0], [2, 1, 1], [0, 0, 0]]);
        let told = confusion.told();
        let dog =
            Told { samples: 4, recall: Some(0.25), precision: Some(1.0), taken_for: Some((0, 2)) };
        assert_eq!(told[1], dog);
        assert_eq!((told[0].precision, told[0].taken_for), (Some(1.0 / 3.0), None));
        assert_eq!((told[2].recall, told[2].precision), (None, Some(0.0)));
        let svg = confusion.svg().unwrap();
        for text in ["cat", "dog", "eel", "said to be of class"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn many_classes_are_drawn_without_numbers() {
        let outputs = ndarray::Array2::<i64>::eye(100);
        let labels: Vec<u32> = (0..100).collect();
        let confusion = Confusion::of(outputs.view(), &labels, None);
        assert!(confusion.told().iter().all(|told| told.recall == Some(1.0)));
        assert_eq!(confusion.svg().unwrap().matches("<text").count(), 2 * 100 + 2);
    }
}
