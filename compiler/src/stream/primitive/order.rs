//! What stores a frame, or part of it, and reads it in another order.

use super::{Around, Ends, Part, Size, State, counter, product, register};
use crate::emit::signature::Frames;
use crate::figures::{Memory, MemoryKind};
use crate::folded::{FilterStep, Positions};
use strassenc_runtime::error::count;
use strassenc_runtime::{Extent, Shape};

/// Patches to a raster image.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    /// Pixels of a patch.
    pub patch: Extent,
    /// Patches down and across.
    pub grid: (usize, usize),
    /// The image, cropped; its channels are the elements of a pixel.
    pub image: Shape,
}

/// The pixels of an image of one row in the opposite order.
#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    /// Pixels of the image.
    pub pixels: usize,
    /// Words of a pixel.
    pub words: usize,
}

impl Part for Patches {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_patches"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        let (rows, columns) = self.grid;
        vec![
            [
                product([x.words, x.lanes]),
                product([rows, columns, self.patch.area(), self.image.channels]),
            ],
            [product([z.words, z.lanes]), self.image.elements()],
            [x.lanes, z.lanes],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("Patches of {}x{} pixels to rows", self.patch.h, self.patch.w)
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Patches { patch, grid, image } = self;
        format!(
            ".BITS({}), .P_H({}), .P_W({}), .ROWS({}), .COLUMNS({}), .HEIGHT({}), .WIDTH({}), \
             .WORDS({})",
            ends.x().bits(),
            patch.h,
            patch.w,
            grid.0,
            grid.1,
            image.height,
            image.width,
            image.channels / ends.x().lanes
        )
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Stripes {
            patch: self.patch,
            grid: self.grid,
            image: (self.image.height, self.image.width),
            words: ends.z().words / self.image.pixels(),
            stripes: 0,
            patches: 0,
            written: 0,
            at: [0; 4],
            shown: false,
        })
    }

    fn size(&self, ends: &Ends) -> Size {
        let Patches { patch, grid, image } = self;
        let (bits, words) = (ends.x().bits(), image.channels / ends.x().lanes);
        let depth = 2 * patch.h * image.width * words;
        let place = [patch.h, patch.w, words, grid.1].map(counter).iter().sum::<usize>();
        let control = 2 * place + counter(grid.0) + 4 * counter(depth);
        Size::new(9, control, 0).with(Memory::new(bits, depth, MemoryKind::Registered))
    }
}

struct Stripes {
    patch: Extent,
    grid: (usize, usize),
    image: (usize, usize),
    /// Words of a pixel.
    words: usize,
    stripes: usize,
    /// Whole patches of the stripe that is being written.
    patches: usize,
    /// Words of its next patch.
    written: usize,
    /// The next word to read: row of patches, row within, column, word.
    at: [usize; 4],
    shown: bool,
}

impl State for Stripes {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.shown, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.stripes < 2, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        let mut changed = accept;
        let mut released = false;
        if around.advance() {
            changed |= self.shown;
            let [stripe, row, column, word] = self.at;
            self.shown = self.stripes > 0 || column / self.patch.w < self.patches;
            if self.shown {
                changed = true;
                let rows = (self.image.0 - stripe * self.patch.h).min(self.patch.h);
                self.at =
                    match (word + 1 == self.words, column + 1 == self.image.1, row + 1 == rows) {
                        (false, ..) => [stripe, row, column, word + 1],
                        (_, false, _) => [stripe, row, column + 1, 0],
                        (.., false) => [stripe, row + 1, 0, 0],
                        _ => {
                            released = true;
                            [(stripe + 1) % self.grid.0, 0, 0, 0]
                        }
                    };
            }
        }
        let mut complete = false;
        if accept {
            self.written += 1;
            if self.written == self.patch.area() * self.words {
                (self.written, self.patches) = (0, self.patches + 1);
                complete = self.patches == self.grid.1;
                self.patches %= self.grid.1;
            }
        }
        self.stripes = self.stripes + usize::from(complete) - usize::from(released);
        changed
    }
}

impl Reverse {
    /// Words of a frame.
    fn frame(&self) -> usize {
        product([self.pixels, self.words])
    }

    /// Words of the memory: a pixel more than a frame has.
    fn depth(&self) -> usize {
        product([self.pixels.saturating_add(1), self.words])
    }
}

impl Part for Reverse {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_reverse"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let mut fits = ends.same();
        fits.push([ends.x().words, self.frame()]);
        fits
    }

    fn banner(&self, _: &Ends) -> String {
        format!("{} in the opposite order", count(self.pixels, "pixel"))
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".BITS({}), .PIXELS({}), .WORDS({})", ends.x().bits(), self.pixels, self.words)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        let (frame, depth) = (self.frame(), self.depth());
        Box::new(Backwards { frame, depth, held: 0, frames: 0, written: 0, read: 0, shown: false })
    }

    fn size(&self, ends: &Ends) -> Size {
        let depth = self.depth();
        let control = counter(depth + 1) + 2 * (register(depth) + counter(self.words));
        let memory = Memory::new(ends.x().bits(), depth, MemoryKind::Registered);
        Size::new(10, control, 0).with(memory)
    }
}

struct Backwards {
    /// Words of a frame, and of the memory.
    frame: usize,
    depth: usize,
    /// Words in the memory.
    held: usize,
    /// Whole frames that are not read yet.
    frames: usize,
    /// Words of the frame that is being written, and of the one that is being read.
    written: usize,
    read: usize,
    shown: bool,
}

impl State for Backwards {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.shown, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.held < self.depth, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        let mut changed = accept;
        if around.advance() {
            changed |= self.shown;
            self.shown = self.frames > 0;
            if self.shown {
                changed = true;
                self.held -= 1;
                self.read = (self.read + 1) % self.frame;
                self.frames -= usize::from(self.read == 0);
            }
        }
        if accept {
            self.held += 1;
            self.written = (self.written + 1) % self.frame;
            self.frames += usize::from(self.written == 0);
        }
        changed
    }
}

impl Part for Positions {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_positions"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        vec![
            [x.words, product([self.characters, self.words])],
            [self.reads(), z.words],
            [x.lanes, z.lanes],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        let Positions { characters, count, steps, .. } = self;
        let widths: Vec<String> = steps.iter().map(|step| step.taps.to_string()).collect();
        format!(
            "Windows of {} of {characters} characters at {count} positions, block by block of \
             filters",
            widths.join(", ")
        )
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Positions { characters, words, count, steps } = self;
        // Step 0 in the low bits.
        let all = |of: fn(&FilterStep) -> usize| {
            let each: Vec<String> =
                steps.iter().rev().map(|step| format!("32'd{}", of(step))).collect();
            format!("{{{}}}", each.join(", "))
        };
        format!(
            ".BITS({}), .CHARACTERS({characters}), .WORDS({words}), .POSITIONS({count}), \
             .STEPS({}),\n        .BLOCKS({}),\n        .TAPS({}),\n        .LAST({})",
            ends.x().bits(),
            steps.len(),
            all(|step| step.blocks),
            all(|step| step.taps),
            all(|step| step.last)
        )
    }

    fn ports(&self, _: &str, m: &str, _: Frames) -> Option<(String, Option<String>)> {
        Some((format!(".m_last({m}_last)"), Some(format!("{m}_last"))))
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        let frame = self.characters * self.words;
        Box::new(Frame { frames: 0, written: 0, frame, at: 0, reads: self.reads(), shown: false })
    }

    fn size(&self, ends: &Ends) -> Size {
        let (bits, depth) = (ends.x().bits(), 2 * self.characters * self.words);
        let loops = [self.words, self.count, self.steps.len()].map(counter);
        let of_steps = |of: fn(&FilterStep) -> usize| {
            self.steps.iter().map(|step| register(of(step))).max().unwrap_or(0)
        };
        let loops = loops.iter().sum::<usize>() + of_steps(|s| s.blocks) + of_steps(|s| s.taps);
        let control = loops + counter(self.characters) + 3 * counter(depth);
        Size::new(9, control, 0).with(Memory::new(bits, depth, MemoryKind::Registered))
    }
}

/// Whole frames in storage, and words of the next one; the next word to read of `reads`.
struct Frame {
    frames: usize,
    written: usize,
    frame: usize,
    at: usize,
    reads: usize,
    shown: bool,
}

impl State for Frame {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.shown, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.frames < 2, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        let mut changed = accept;
        if around.advance() {
            changed |= self.shown || self.frames > 0;
            self.shown = self.frames > 0;
            if self.shown {
                self.at = (self.at + 1) % self.reads;
                self.frames -= usize::from(self.at == 0);
            }
        }
        if accept {
            self.written = (self.written + 1) % self.frame;
            self.frames += usize::from(self.written == 0);
        }
        changed
    }
}
