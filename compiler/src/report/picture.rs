//! Boxes and the arrows between them as a picture: what a network and a core look like.
//!
//! What is drawn is a chain whose branches part and meet again: ranks go from top to bottom, each
//! branch has a lane of its own, and nothing crosses a box. The same lanes are the rails beside the
//! table of layers.

use super::document::{Piece, Text};
use askama::Template;
use std::collections::BTreeMap;
use strassenc_runtime::{Error, Result};

/// Boxes, each behind those that lead to it, and arrows between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// What it shows, in words, for who cannot see it.
    pub title: String,
    /// The boxes.
    pub boxes: Vec<Frame>,
    /// The arrows; of those that leave one box for the next, the first goes straight on.
    pub arrows: Vec<Arrow>,
}

/// A box.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What stands in it; the first line is its name.
    pub lines: Vec<Text>,
    /// What it looks like.
    pub look: Look,
    /// The share of a bar's full length, 0..=1, where a bar is to be drawn.
    pub bar: Option<f64>,
}

/// What a box looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What computes.
    Layer,
    /// The layer that the eye is to find first.
    Marked,
    /// What stores.
    Store,
    /// What leads out of the picture.
    Port,
}

/// An arrow.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    /// The box that it leaves.
    pub from: usize,
    /// The box that it enters, a later one.
    pub to: usize,
    /// What stands beside it.
    pub label: Vec<Text>,
}

/// The lanes, side by side, in which boxes stand and arrows run.
#[derive(Clone, Debug, PartialEq)]
pub struct Lanes {
    /// That of each box.
    pub boxes: Vec<usize>,
    /// That of each arrow.
    pub arrows: Vec<usize>,
    /// How many there are.
    pub count: usize,
}

impl Lanes {
    /// Lanes for boxes of these ranks; an arrow leads to a later box, of a higher rank.
    pub fn new(ranks: &[usize], arrows: &[(usize, usize)]) -> Self {
        // Who has a lane at a rank: the box that stands there or will, or none but an arrow.
        let mut taken: BTreeMap<(usize, usize), Option<usize>> = BTreeMap::new();
        let mut lanes = Lanes { boxes: vec![], arrows: vec![0; arrows.len()], count: 0 };
        for (number, &rank) in ranks.iter().enumerate() {
            let entering = (0..arrows.len()).filter(|&i| arrows[i].1 == number);
            let lane = entering.map(|i| lanes.arrows[i]).min();
            let free = |lane: &usize| !taken.contains_key(&(*lane, rank));
            let lane = lane.or_else(|| (0..).find(free)).unwrap_or(0);
            lanes.boxes.push(lane);
            taken.insert((lane, rank), Some(number));
            let mut leaving: Vec<_> =
                (0..arrows.len()).filter(|&i| arrows[i].0 == number).collect();
            leaving.sort_by_key(|&i| ranks[arrows[i].1]);
            for (order, i) in leaving.into_iter().enumerate() {
                let (to, until) = (arrows[i].1, ranks[arrows[i].1]);
                let free = |lane: &usize| {
                    (rank + 1..until).all(|rank| !taken.contains_key(&(*lane, rank)))
                        && taken.get(&(*lane, until)).is_none_or(|owner| *owner == Some(to))
                };
                let own = Some(lane).filter(|_| order == 0).filter(free);
                let lane = own.or_else(|| (0..).find(free)).unwrap_or(lane);
                lanes.arrows[i] = lane;
                taken.extend((rank + 1..until).map(|rank| ((lane, rank), None)));
                taken.insert((lane, until), Some(to));
            }
        }
        lanes.count = 1 + lanes.boxes.iter().chain(&lanes.arrows).max().unwrap_or(&0);
        lanes
    }
}

/// Lines beside the rows of a table, from each row to those that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rails {
    /// The part of each row.
    pub rows: Vec<Rail>,
}

/// A row's part of the rails. Lengths are pixels; a row may be of any height from [`Rail::NODE`]
/// and [`Rail::TURN`] on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rail {
    /// How wide the rails of all rows are.
    pub width: usize,
    /// Where the row's own point is.
    pub node: usize,
    /// Lines through the whole row.
    pub through: Vec<usize>,
    /// Lines from the top of the row to its point.
    pub enter: Vec<usize>,
    /// Lines from its point to the bottom of the row.
    pub leave: Vec<usize>,
}

impl Rail {
    /// The height of the point.
    pub const NODE: usize = 16;
    /// Where a line that has turned away from the point goes straight down.
    pub const TURN: usize = 29;
    const LANE: usize = 14;
}

impl Rails {
    /// Rails between boxes of these ranks, of which each but the first is a row.
    pub fn new(ranks: &[usize], arrows: &[(usize, usize)]) -> Self {
        let lanes = Lanes::new(ranks, arrows);
        let at = |lane: usize| Rail::LANE / 2 + 1 + lane * Rail::LANE;
        let row = |number: usize| {
            let of = |is: &dyn Fn(&(usize, usize)) -> bool| {
                let arrows = arrows.iter().zip(&lanes.arrows);
                arrows.filter(|(arrow, _)| is(arrow)).map(|(_, lane)| at(*lane)).collect()
            };
            Rail {
                width: 2 + lanes.count * Rail::LANE,
                node: at(lanes.boxes[number]),
                through: of(&|&(from, to)| from < number && number < to),
                enter: of(&|&(_, to)| to == number),
                leave: of(&|&(from, _)| from == number),
            }
        };
        Rails { rows: (1..ranks.len()).map(row).collect() }
    }
}

/// Pixels: of a character of a name and of any other, of a line, within a box, between lanes.
const NAME: f64 = 8.0;
const CHARACTER: f64 = 6.6;
const LINE: f64 = 15.0;
const INSIDE: f64 = 10.0;
const BETWEEN: f64 = 26.0;
/// From the left of a lane to its arrows, and between those that leave or enter one box.
const LEAD: f64 = 22.0;
const BESIDE: f64 = 14.0;
/// What an arrow takes to turn, and its point.
const TURN: f64 = 14.0;
const POINT: f64 = 7.0;
const MARGIN: f64 = 8.0;

/// Boxes that a page shows at once.
const MOST_BOXES: usize = 16;

/// A picture with its coordinates.
#[derive(Template)]
#[template(path = "picture.svg")]
struct Drawing<'a> {
    title: &'a str,
    width: f64,
    height: f64,
    frames: Vec<Placed<'a>>,
    paths: Vec<String>,
    labels: Vec<Label<'a>>,
    /// Whether it brings its own colours, as one that stands alone does.
    alone: bool,
}

struct Placed<'a> {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    lines: Vec<Label<'a>>,
    class: &'static str,
    bar: Option<f64>,
}

struct Label<'a> {
    x: f64,
    y: f64,
    text: &'a Text,
}

/// About as wide as a text is, in pixels: an SVG does not know the font that it is shown in.
fn wide(text: &Text, character: f64) -> f64 {
    let count = |piece: &Piece| piece.shown().chars().count();
    text.pieces.iter().map(count).sum::<usize>() as f64 * character
}

impl Frame {
    fn width(&self) -> f64 {
        let lines = self.lines.iter().enumerate();
        let longest = lines.map(|(i, line)| wide(line, if i == 0 { NAME } else { CHARACTER }));
        (2.0 * INSIDE + longest.fold(0.0, f64::max)).max(2.0 * LEAD + BESIDE).ceil()
    }

    fn height(&self) -> f64 {
        self.lines.len() as f64 * LINE + INSIDE + if self.bar.is_some() { 5.0 } else { 0.0 }
    }
}

impl Picture {
    /// The ranks of the boxes: each is below all that lead to it.
    fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.boxes.len()];
        for number in 0..self.boxes.len() {
            let entering = self.arrows.iter().filter(|arrow| arrow.to == number);
            ranks[number] = entering.map(|arrow| ranks[arrow.from] + 1).max().unwrap_or(0);
        }
        ranks
    }

    /// Whether a page has room for it without being asked.
    pub fn is_small(&self) -> bool {
        self.boxes.len() <= MOST_BOXES
    }

    /// The picture as SVG, in the colours of the page that it is part of.
    ///
    /// # Errors
    /// Only by a bug of ours in the template.
    pub fn svg(&self) -> Result<String> {
        self.draw(false)
    }

    /// The picture as a file of its own.
    ///
    /// # Errors
    /// As [`svg`](Self::svg).
    pub fn file(&self) -> Result<String> {
        self.draw(true)
    }

    fn draw(&self, alone: bool) -> Result<String> {
        let drawing = self.place(alone);
        drawing.render().map_err(|e| Error::internal("picture.svg", e))
    }

    fn place(&self, alone: bool) -> Drawing<'_> {
        let ranks = self.ranks();
        let ends: Vec<_> = self.arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect();
        let lanes = Lanes::new(&ranks, &ends);
        // Lanes from left to right: as wide as their boxes, and as the labels of their arrows.
        let mut widths = vec![2.0 * LEAD; lanes.count];
        for (frame, &lane) in self.boxes.iter().zip(&lanes.boxes) {
            widths[lane] = frame.width().max(widths[lane]);
        }
        for (arrow, &lane) in self.arrows.iter().zip(&lanes.arrows) {
            let label = arrow.label.iter().map(|line| wide(line, CHARACTER)).fold(0.0, f64::max);
            widths[lane] = (LEAD + INSIDE + label).ceil().max(widths[lane]);
        }
        let mut right = MARGIN;
        let left: Vec<f64> = (widths.iter())
            .map(|width| {
                let left = right;
                right += width + BETWEEN;
                left
            })
            .collect();
        let turns = |arrow: usize| {
            let (from, to) = ends[arrow];
            let lane = lanes.arrows[arrow];
            [lane != lanes.boxes[from], lane != lanes.boxes[to]]
        };
        // Of each rank the top of its boxes, and how much lies below them up to the next rank: room
        // for arrows that part, for labels, and for arrows that meet.
        let last = ranks.iter().max().copied().unwrap_or(0);
        let mut tall = vec![0.0; last + 1];
        for (frame, &rank) in self.boxes.iter().zip(&ranks) {
            tall[rank] = frame.height().max(tall[rank]);
        }
        let mut rooms = vec![[0.0, 0.0, 0.0]; last + 1];
        for (i, arrow) in self.arrows.iter().enumerate() {
            let [parts, meets] = turns(i);
            let below = &mut rooms[ranks[arrow.from]];
            below[0] = if parts { TURN } else { below[0] };
            below[1] = (arrow.label.len() as f64 * LINE).max(below[1]);
            let above = &mut rooms[ranks[arrow.to].saturating_sub(1)];
            above[2] = if meets { TURN } else { above[2] };
        }
        let mut y = MARGIN;
        let tops: Vec<f64> = (0..=last)
            .map(|rank| {
                let top = y;
                y += tall[rank] + rooms[rank].iter().sum::<f64>() + TURN;
                top
            })
            .collect();
        let frames = self.boxes.iter().enumerate().map(|(i, frame)| {
            let (x, y) = (left[lanes.boxes[i]], tops[ranks[i]]);
            let line = |(n, text)| Label { x: x + INSIDE, y: y + (n as f64 + 1.0) * LINE, text };
            Placed {
                x,
                y,
                width: frame.width(),
                height: frame.height(),
                lines: frame.lines.iter().enumerate().map(line).collect(),
                class: frame.look.class(),
                bar: frame.bar.map(|share| share.clamp(0.0, 1.0) * (frame.width() - 2.0 * INSIDE)),
            }
        });
        let (mut left_from, mut come_to) = (vec![0; self.boxes.len()], vec![0; self.boxes.len()]);
        let (mut paths, mut labels) = (vec![], vec![]);
        for (i, arrow) in self.arrows.iter().enumerate() {
            let [parts, meets] = turns(i);
            let x = left[lanes.arrows[i]] + LEAD;
            let at = |counts: &mut Vec<usize>, number: usize, turns: bool| {
                counts[number] += usize::from(turns);
                let beside = if turns { counts[number] as f64 * BESIDE } else { 0.0 };
                left[lanes.boxes[number]] + LEAD + beside
            };
            let start = at(&mut left_from, arrow.from, parts);
            let end = at(&mut come_to, arrow.to, meets);
            let (rank, to) = (ranks[arrow.from], ranks[arrow.to]);
            let bottom = tops[rank] + self.boxes[arrow.from].height();
            let base = tops[rank] + tall[rank];
            let mut path = format!("M{start} {bottom}");
            if parts {
                path += &turned(start, base + TURN - 4.0, x);
            }
            if meets {
                path += &turned(x, tops[to] - TURN - 4.0, end);
            }
            let top = tops[to];
            path += &format!(
                "V{top}M{} {}L{end} {top}L{} {}",
                end - POINT / 2.0,
                top - POINT,
                end + POINT / 2.0,
                top - POINT
            );
            paths.push(path);
            let first = base + rooms[rank][0] + LINE;
            labels.extend(arrow.label.iter().enumerate().map(|(n, text)| Label {
                x: x + INSIDE,
                y: first + n as f64 * LINE - 2.0,
                text,
            }));
        }
        Drawing {
            title: &self.title,
            width: right - BETWEEN + MARGIN,
            height: tops[last] + tall[last] + MARGIN,
            frames: frames.collect(),
            paths,
            labels,
            alone,
        }
    }
}

/// Down to `y`, and there over to `to`, with round corners.
fn turned(from: f64, y: f64, to: f64) -> String {
    let round = if to > from { 4.0 } else { -4.0 };
    format!("V{}Q{from} {y} {} {y}H{}Q{to} {y} {to} {}", y - 4.0, from + round, to - round, y + 4.0)
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Look::Layer => "layer",
            Look::Marked => "layer marked",
            Look::Store => "store",
            Look::Port => "port",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every place of a lane at a rank is a box's, or an arrow's that passes, or free; and what
    /// leads to one box comes together there alone.
    #[test]
    fn arrows_pass_boxes_and_one_another() {
        let chain: &[(usize, usize)] = &[(0, 1), (1, 2), (2, 3)];
        let skip = &[(0, 1), (1, 2), (2, 3), (1, 3)];
        let nested = &[(0, 1), (1, 2), (2, 3), (3, 4), (1, 4), (4, 5), (0, 5), (5, 6)];
        let wide = &[(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (2, 5), (3, 5), (4, 5), (0, 5)];
        for arrows in [chain, skip, nested, wide] {
            let count = 1 + arrows.iter().map(|arrow| arrow.1).max().unwrap();
            let ranks: Vec<usize> = (0..count).collect();
            let lanes = Lanes::new(&ranks, arrows);
            let boxes = lanes.boxes.iter().copied().zip(ranks);
            let passing = arrows
                .iter()
                .zip(&lanes.arrows)
                .flat_map(|(&(from, to), &lane)| (from + 1..to).map(move |rank| (lane, rank)));
            let places: Vec<_> = boxes.chain(passing).collect();
            let different: BTreeSet<_> = places.iter().collect();
            assert_eq!(different.len(), places.len(), "{arrows:?}: {lanes:?}");
            assert!(lanes.boxes.iter().chain(&lanes.arrows).all(|lane| *lane < lanes.count));
        }
        // What goes straight on has the lane of what it leaves.
        assert_eq!(Lanes::new(&[0, 1, 2, 3], skip).arrows, [0, 0, 0, 1]);
    }
}
