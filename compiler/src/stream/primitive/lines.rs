//! Rows of an image in storage, and the windows that are read from them.

use super::{Around, Ends, Part, Size, State, counter, product, register};
use crate::emit::signature::Frames;
use crate::figures::{Memory, MemoryKind};
use crate::ir::Windows;
use strassenc_runtime::{Extent, Shape};

/// Whole windows, one a clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Window(pub Lines);

/// Windows, word by word.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    /// Storage and windows.
    pub lines: Lines,
    /// Parts in which the words of a pixel are read.
    pub groups: usize,
    /// How often each part of a window is read.
    pub repeats: usize,
    /// How often all of that is.
    pub rounds: usize,
}

/// Each pixel of an image as often as `size` says, down and across: a reader that reads rows of
/// windows of one pixel again.
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample {
    /// The image that enters.
    pub image: Shape,
    /// Words of a pixel.
    pub words: usize,
    /// How often each pixel leaves.
    pub size: Extent,
}

/// Rows of an image in storage, and the windows that are read from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The image.
    pub image: Shape,
    /// Words of a pixel.
    pub words: usize,
    /// The windows that are read.
    pub windows: Windows,
    /// What a pad holds, as bits of an element.
    pub fill: i64,
}

impl Lines {
    /// Whether there are windows, and each of them holds a pixel of the image.
    pub(crate) fn lie_on_the_image(&self) -> bool {
        let Windows { size, stride, pad, rows, columns } = self.windows;
        let on = |[size, stride, pad]: [usize; 3], count: usize, n: usize| {
            let begins = count.checked_sub(1).map(|last| product([last, stride]));
            stride > 0 && pad < size && begins.is_some_and(|begins| begins < n.saturating_add(pad))
        };
        on([size.h, stride.h, pad.h], rows, self.image.height)
            && on([size.w, stride.w, pad.w], columns, self.image.width)
    }

    /// Rows in storage: those of a window, and those that arrive while it is read.
    pub fn slots(&self) -> usize {
        self.windows.size.h + self.windows.stride.h
    }

    /// Pixel columns, counted on beyond the row, at which each window of a row is complete.
    pub(crate) fn completes(&self) -> impl Iterator<Item = usize> {
        let Windows { size, stride, pad, columns, .. } = self.windows;
        (0..columns).map(move |x| x * stride.w + size.w - 1 - pad.w)
    }

    /// Columns of a row that the windows read.
    pub(crate) fn columns_read(&self) -> usize {
        self.image.width.min(self.completes().last().unwrap_or(0) + 1)
    }

    /// Steps in which the window primitive goes through a row.
    pub fn steps(&self) -> usize {
        let Windows { stride, columns, .. } = self.windows;
        let last = self.completes().last().unwrap_or(0);
        self.columns_read().max((columns - 1) * stride.w + 1).max((last + 1).div_ceil(2))
    }

    /// The first row that windows of row `y` read.
    pub(crate) fn base(&self, y: usize) -> usize {
        (y * self.windows.stride.h).saturating_sub(self.windows.pad.h)
    }

    /// The last row that windows of row `y` read, counted from their base.
    pub(crate) fn reach(&self, y: usize) -> usize {
        let end = y * self.windows.stride.h + self.windows.size.h - 1 - self.windows.pad.h;
        end.min(self.image.height - 1) - self.base(y)
    }

    /// Rows that are free once the windows of row `y` are read.
    pub(crate) fn released(&self, y: usize) -> usize {
        let next = if y + 1 < self.windows.rows { self.base(y + 1) } else { self.image.height };
        next - self.base(y)
    }

    /// Bits of what keeps account of the rows in storage: of two of its rows the low bits never
    /// change.
    fn rows(&self) -> usize {
        let Windows { size, stride, .. } = self.windows;
        let (image, slots) = (self.image, self.slots());
        let row = counter(image.height + slots + stride.h + size.h) + 1;
        let rows = 7 * row - 2 * stride.h.trailing_zeros() as usize;
        register(image.width) + counter(self.words) + 2 * register(slots) + rows
    }

    fn banner(&self) -> String {
        let Windows { size, stride, pad, rows, columns } = self.windows;
        let across = |extent: Extent| format!("{}x{}", extent.h, extent.w);
        // The number where both sizes are equal.
        let sizes = |extent: Extent| {
            if extent.h == extent.w { extent.h.to_string() } else { across(extent) }
        };
        format!(
            "Windows of {} pixels, {} apart, pad {}: {rows}x{columns} on {}x{} pixels",
            across(size),
            sizes(stride),
            sizes(pad),
            self.image.height,
            self.image.width
        )
    }

    /// The parameters that tell what a pad holds.
    fn fill(&self, ends: &Ends) -> String {
        let bits = ends.x().format.bits;
        format!(
            ".ELEMENT_BITS({bits}), .FILL({bits}'d{})",
            self.fill as u64 & u64::MAX >> (64 - bits)
        )
    }

    /// The parameters that tell what is stored and read.
    fn parameters(&self) -> String {
        let Windows { size, stride, pad, rows, columns } = self.windows;
        let both = |name: &str, extent: Extent| {
            format!(".{name}_H({}), .{name}_W({})", extent.h, extent.w)
        };
        let windows = [both("K", size), both("STRIDE", stride), both("PAD", pad)].join(", ");
        format!(
            ".HEIGHT({}), .WIDTH({}), {windows}, .ROWS({rows}), .COLUMNS({columns}), .SLOTS({})",
            self.image.height,
            self.image.width,
            self.slots()
        )
    }
}

impl Part for Window {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_window", "strassenc_rows"]
    }

    fn lines(&self) -> Option<&Lines> {
        Some(&self.0)
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (Window(Lines { image, windows, .. }), x, z) = (self, ends.x(), ends.z());
        vec![
            [product([x.words, x.lanes]), image.elements()],
            [x.lanes, image.channels],
            [product([windows.size.area(), image.channels]), z.lanes],
            [product([windows.rows, windows.columns]), z.words],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        self.0.banner()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (fill, lines) = (self.0.fill(ends), self.0.parameters());
        format!("{fill}, .ELEMENTS({}),\n        {lines}", ends.x().lanes)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Columns::new(self.0))
    }

    fn clocks(&self) -> usize {
        self.0.windows.rows * self.0.steps()
    }

    fn size(&self, ends: &Ends) -> Size {
        let (Window(lines), pixel) = (self, ends.x().bits());
        let Windows { size, pad, .. } = lines.windows;
        let (slots, rows) = (lines.slots(), lines.rows());
        // Of each row of a window the slot, and where there are pads, what lies outside.
        let work = size.h * pixel * (slots - 1)
            + if pad.h + pad.w == 0 { 0 } else { (size.h + size.area()) * pixel };
        let flags = 2 * size.w + 2 * size.h + slots + 6;
        let push = counter(2 * lines.image.width + size.w);
        // Where windows of a row are complete only beyond its steps, that is counted, too.
        let beyond = lines.completes().last().is_some_and(|last| last >= lines.steps());
        let ahead = (1 + usize::from(beyond)) * (push + 1);
        let control = rows + 3 * push + ahead + counter(slots);
        let bank = Memory::new(pixel, lines.image.width, MemoryKind::Registered);
        let size = Size::new(ends.z().bits() + flags, control, work);
        (0..slots).fold(size, |size, _| size.with(bank))
    }
}

impl Part for Reader {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_reader", "strassenc_rows"]
    }

    fn lines(&self) -> Option<&Lines> {
        Some(&self.lines)
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (Reader { lines, groups, repeats, rounds }, x, z) = (self, ends.x(), ends.z());
        let Windows { size, rows, columns, .. } = lines.windows;
        // The products of a window are an image of their own.
        let image = product([lines.image.pixels(), lines.words]);
        let images = x.words.checked_div(image).unwrap_or(0);
        vec![
            [images * image, x.words],
            [x.lanes, z.lanes],
            [lines.words.checked_rem(*groups).unwrap_or(1), 0],
            [
                product([images, rows, columns, *rounds, size.area(), lines.words, *repeats]),
                z.words,
            ],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        self.lines.banner()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Reader { lines, groups, repeats, rounds } = self;
        let rounds = if *rounds > 1 { format!(", .ROUNDS({rounds})") } else { String::new() };
        format!(
            "{}, .LANES({}), .WORDS({}), .GROUPS({groups}), .REPEATS({repeats}){rounds},\n        \
             {}",
            lines.fill(ends),
            ends.x().lanes,
            lines.words,
            lines.parameters()
        )
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Words::new(self, 1))
    }

    fn size(&self, ends: &Ends) -> Size {
        let Reader { lines, groups, repeats, rounds } = self;
        let Windows { size, stride, columns, .. } = lines.windows;
        let (bits, depth) = (ends.x().bits(), lines.slots() * lines.image.width * lines.words);
        let x = counter(columns * stride.w + lines.image.width + size.w) + 1;
        let loops: usize = [size.w, size.h, *repeats, *groups].map(register).iter().sum();
        let loops = loops + counter(*rounds);
        let word = counter(lines.words / groups);
        let control = lines.rows() + loops + word + 2 * x + 2 * register(depth);
        let flags = size.h + lines.slots() + 4;
        // What lies outside is reset in the register behind.
        Size::new(flags, control, 0).with(Memory::new(bits, depth, MemoryKind::Registered))
    }
}

impl Upsample {
    /// What reads each row, once.
    fn reader(&self) -> Reader {
        let Upsample { image, words, size } = *self;
        let lines = Lines { image, words, windows: Windows::pixels(image), fill: 0 };
        Reader { lines, groups: 1, repeats: size.w, rounds: 1 }
    }
}

impl Part for Upsample {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_reader", "strassenc_rows"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (Upsample { image, words, size }, x, z) = (self, ends.x(), ends.z());
        vec![
            [product([x.lanes, *words]), image.channels],
            [product([image.height, image.width, *words]), x.words],
            [x.lanes, z.lanes],
            [product([image.height, image.width, size.h, size.w, *words]), z.words],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        let Upsample { image, size, .. } = self;
        format!(
            "Each of {}x{} pixels, {} times down and {} across",
            image.height, image.width, size.h, size.w
        )
    }

    fn parameters(&self, ends: &Ends, frames: Frames) -> String {
        format!("{}, .ROW_REPEATS({})", self.reader().parameters(ends, frames), self.size.h)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Words::new(&self.reader(), self.size.h))
    }

    fn size(&self, ends: &Ends) -> Size {
        let mut size = self.reader().size(ends);
        size.control += counter(self.size.h);
        size
    }
}

/// Rows of an image in storage: what both readers share.
struct Rows {
    lines: Lines,
    /// Rows completely written, less those that are no longer needed.
    occupied: i64,
    /// Pixels of the row that is being written.
    column: usize,
    /// Words of its next pixel.
    word: usize,
}

impl Rows {
    fn new(lines: Lines) -> Self {
        Rows { lines, occupied: 0, column: 0, word: 0 }
    }

    fn ready(&self) -> bool {
        self.occupied < self.lines.slots() as i64
    }

    fn accept(&mut self) {
        self.word += 1;
        if self.word == self.lines.words {
            (self.word, self.column) = (0, self.column + 1);
        }
        if self.column == self.lines.image.width {
            (self.column, self.occupied) = (0, self.occupied + 1);
        }
    }

    fn available(&self, y: usize, column: usize) -> bool {
        let reach = self.lines.reach(y) as i64;
        self.occupied > reach || (self.occupied == reach && self.column > column)
    }

    /// Goes on to the next row of windows.
    fn release(&mut self, y: &mut usize) {
        self.occupied -= self.lines.released(*y) as i64;
        *y = (*y + 1) % self.lines.windows.rows;
    }
}

struct Columns {
    rows: Rows,
    y: usize,
    /// The next column of this row of windows.
    step: usize,
    /// The next column of the row before, counted on; beyond the last window where none of it is
    /// due.
    tail: usize,
    /// Whether a window is complete in each column, counted on.
    completes: Vec<bool>,
    steps: usize,
    read: usize,
    pipe: [bool; 2],
}

impl Columns {
    fn new(lines: Lines) -> Self {
        let steps = lines.steps();
        let mut completes = vec![false; lines.completes().last().unwrap_or(0) + 1];
        lines.completes().for_each(|q| completes[q] = true);
        Columns {
            rows: Rows::new(lines),
            y: 0,
            step: 0,
            tail: completes.len(),
            completes,
            steps,
            read: lines.columns_read(),
            pipe: [false; 2],
        }
    }
}

impl State for Columns {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.pipe[1], false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.rows.ready(), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        let mut changed = accept;
        if around.advance() {
            // A row of windows begins once nothing can part its columns: what the row before still
            // wants comes between them.
            let wanted = self.completes.len().saturating_sub(self.tail);
            let due = wanted > 0;
            let column = (self.step + wanted.max(1) - 1).min(self.read - 1);
            let complete = |column: usize| self.completes.get(column).copied().unwrap_or(false);
            let mut completes = false;
            let mut ends = false;
            if self.step >= self.read || self.rows.available(self.y, column) {
                completes = complete(self.step) || complete(self.tail);
                self.tail += usize::from(due);
                self.step += 1;
                ends = self.step == self.steps;
                changed = true;
            } else if due {
                completes = complete(self.tail);
                self.tail += 1;
                changed = true;
            }
            changed |= self.pipe != [false; 2];
            self.pipe = [completes, self.pipe[0]];
            if ends {
                self.step = 0;
                self.tail = self.steps;
                self.rows.release(&mut self.y);
            }
        }
        if accept {
            self.rows.accept();
        }
        changed
    }
}

struct Words {
    rows: Rows,
    y: usize,
    /// How often this row of windows has left, of so many times.
    pass: usize,
    passes: usize,
    x: usize,
    /// The next word of the window.
    word: usize,
    /// Words of a window, with all repetitions.
    words: usize,
    shown: bool,
}

impl Words {
    fn new(reader: &Reader, passes: usize) -> Self {
        let Reader { lines, repeats, rounds, .. } = *reader;
        let words = rounds * repeats * lines.windows.size.area() * lines.words;
        Words { rows: Rows::new(lines), y: 0, pass: 0, passes, x: 0, word: 0, words, shown: false }
    }
}

impl State for Words {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.shown, false]
    }

    fn ready(&self, _: &Around) -> [bool; 2] {
        [self.rows.ready(), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        let mut changed = accept;
        if around.advance() {
            let lines = self.rows.lines;
            let Windows { size, stride, pad, .. } = lines.windows;
            let last = (self.x * stride.w + size.w - 1 - pad.w).min(lines.image.width - 1);
            changed |= self.shown;
            self.shown = self.word > 0 || self.rows.available(self.y, last);
            if self.shown {
                changed = true;
                self.word += 1;
                if self.word == self.words {
                    (self.word, self.x) = (0, self.x + 1);
                    if self.x == lines.windows.columns {
                        (self.x, self.pass) = (0, self.pass + 1);
                    }
                    if self.pass == self.passes {
                        self.pass = 0;
                        self.rows.release(&mut self.y);
                    }
                }
            }
        }
        if accept {
            self.rows.accept();
        }
        changed
    }
}
