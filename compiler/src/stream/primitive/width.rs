//! The primitives that change the width of a stream.

use super::{Around, Count, Ends, Part, Size, State, counter, product};
use crate::emit::signature::Frames;
use crate::ir::words::gcd;

/// `words` words to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Widen {
    /// Words that become one.
    pub words: usize,
}

/// One word to `beats`.
#[derive(Clone, Debug, PartialEq)]
pub struct Serialiser {
    /// Beats that one word becomes.
    pub beats: usize,
}

/// The elements of a frame in words of another width.
#[derive(Clone, Debug, PartialEq)]
pub struct Repack {
    /// Elements of a frame; the last word of either side may hold fewer than the others.
    pub elements: usize,
}

impl Part for Widen {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_widen"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        vec![[x.words, product([z.words, self.words])], [product([x.lanes, self.words]), z.lanes]]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("{} words to one", self.words)
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".BITS({}), .WORDS({})", ends.x().bits(), self.words)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Gather::new(self.words))
    }

    fn size(&self, ends: &Ends) -> Size {
        Size::new((self.words - 1) * ends.x().bits() + 1, counter(self.words), 0)
    }
}

/// Words that become one as the last of them is there.
pub(super) struct Gather(Count);

impl Gather {
    pub fn new(words: usize) -> Self {
        Gather(Count::of(words))
    }
}

impl State for Gather {
    fn valid(&self, around: &Around) -> [bool; 2] {
        [around.s[0].valid && self.0.at_last(), false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.m[0].ready || !self.0.at_last(), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        if around.accept() {
            self.0.next();
        }
        around.accept()
    }
}

impl Part for Serialiser {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_serialiser"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        vec![[product([x.words, self.beats]), z.words], [x.lanes.div_ceil(z.lanes), self.beats]]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("One word to {}", self.beats)
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(
            ".BEAT_BITS({}), .BEATS({}), .BITS({})",
            ends.z().bits(),
            self.beats,
            ends.x().bits()
        )
    }

    fn ports(&self, _: &str, m: &str, _: Frames) -> Option<(String, Option<String>)> {
        Some((format!(".m_last({m}_last_unused)"), Some(format!("{m}_last_unused"))))
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Spread(Count::of(self.beats)))
    }

    fn size(&self, ends: &Ends) -> Size {
        // A LUT of 6 inputs chooses one of four.
        let chosen = if self.beats <= 4 { 2 } else { self.beats };
        Size::new(0, counter(self.beats), ends.z().bits() * chosen / 2)
    }
}

/// A word that is taken with the last of its parts.
struct Spread(Count);

impl State for Spread {
    fn valid(&self, around: &Around) -> [bool; 2] {
        [around.s[0].valid, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.m[0].ready && self.0.at_last(), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        if around.leave() {
            self.0.next();
        }
        around.leave()
    }
}

impl Part for Repack {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_repack"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        [ends.x(), ends.z()].map(|side| [side.words, self.elements.div_ceil(side.lanes)]).into()
    }

    fn banner(&self, ends: &Ends) -> String {
        let (from, to) = (ends.x().lanes, ends.z().lanes);
        format!("{} elements of a frame, {from} a word, packed to {to} a word", self.elements)
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (from, to, elements) = (ends.x().lanes, ends.z().lanes, self.elements);
        let unit = gcd(gcd(from, to), elements);
        let bits = ends.x().format.bits;
        format!(".BITS({bits}), .FROM({from}), .TO({to}), .ELEMENTS({elements}), .UNIT({unit})")
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        let (from, to) = (ends.x().lanes, ends.z().lanes);
        Box::new(Packed { from, to, elements: self.elements, entered: 0, left: 0 })
    }

    fn size(&self, ends: &Ends) -> Size {
        let held = ends.x().bits() + ends.z().bits();
        Size::new(held, 2 * counter(self.elements), held)
    }
}

/// A frame in words of another width.
struct Packed {
    from: usize,
    to: usize,
    elements: usize,
    /// Elements of the frame that have entered, and those that have left.
    entered: usize,
    left: usize,
}

impl Packed {
    /// Whether the word that leaves next is the last one of the frame, and there.
    fn finishing(&self) -> bool {
        self.entered == self.elements && self.left + self.to >= self.elements
    }
}

impl State for Packed {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.entered - self.left >= self.to || self.finishing(), false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        let (waiting, m) = (self.entered - self.left, around.m[0].ready);
        let ready = if self.entered == self.elements {
            self.finishing() && m
        } else {
            waiting < self.to || (m && waiting < 2 * self.to)
        };
        [ready, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let (accept, leave) = (around.accept(), around.leave());
        if leave && self.finishing() {
            (self.entered, self.left) = (0, 0);
        } else if leave {
            self.left += self.to;
        }
        if accept {
            self.entered = (self.entered + self.from).min(self.elements);
        }
        accept || leave
    }
}
