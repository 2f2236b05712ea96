//! What works element by element or unit by unit: sums, tables, recurrent and highway cells.

use super::{Around, Count, Ends, Part, Pipe, Rom, Size, State, Table, counter, product, users};
use crate::emit::address_bits;
use crate::emit::signature::Frames;
use crate::figures::{Cells, Memory, MemoryKind};
use crate::ir::gated::{self, Blend, Curve};
use crate::stream::Stream;
use strassenc_runtime::error::count;
use strassenc_runtime::{self as runtime, Format};

/// The sum of two streams; see [`Kind::Add`](crate::ir::Kind::Add).
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    /// The left shifts of the two.
    pub shifts: [u32; 2],
    /// The right shift of the sum.
    pub shift: i32,
}

/// See [`Kind::Concat`](crate::ir::Kind::Concat).
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// Whether a word is a whole pixel of both sides, which are taken together.
    pub together: bool,
    /// Words of a pixel, of each side; 1 where they are taken together.
    pub words: [usize; 2],
    /// Left shifts.
    pub shifts: [u32; 2],
    /// Right shift.
    pub shift: i32,
}

/// The row of an embedding, word by word.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Words of a row.
    pub words: usize,
    /// Rows of the table.
    pub rows: usize,
}

/// min(x, max) of each element x, or where it is negative round(x · 2^-shift), half up.
#[derive(Clone, Debug, PartialEq)]
pub struct Rectify {
    /// From 0 to the largest integer of the format, where nothing is clipped.
    pub max: i64,
    /// 0 where negative elements stay.
    pub shift: u32,
}

/// σ or tanh of each element, from a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// σ, else tanh.
    pub sigmoid: bool,
    /// Fractional bits of the table.
    pub frac: u32,
}

/// The words of x, then those of the h of the step before.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// Words of x and of h.
    pub words: [usize; 2],
    /// Steps of a frame, each of which starts a sequence; none where a frame is one step, and the
    /// user bit says that it starts one.
    pub steps: Option<usize>,
}

/// A recurrent layer from the gates of a unit to its h, a unit a word; it keeps c.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What it makes of them.
    pub kind: runtime::Cell,
    /// Units, which are the words of a step.
    pub units: usize,
    /// Steps of a frame, as those of a [`Recall`].
    pub steps: Option<usize>,
    /// Fractional bits of σ and of tanh.
    pub frac: [u32; 2],
    /// Bits of c and of h.
    pub bits: [u32; 2],
    /// The shifts that bring binary points together.
    pub shifts: gated::Shifts,
}

/// A highway layer from the gates of a unit and its x to what it yields, a unit a word.
#[derive(Clone, Debug, PartialEq)]
pub struct Highway {
    /// Fractional bits of σ.
    pub frac: u32,
    /// The format of x.
    pub format: Format,
}

/// The last pixel of an image of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// Pixels of the image.
    pub pixels: usize,
    /// Words of a pixel.
    pub words: usize,
}

impl Cell {
    /// Clocks from a unit's gates to its h.
    fn stages(&self) -> u32 {
        match self.kind {
            runtime::Cell::Lstm => 14,
            runtime::Cell::Gru => 15,
        }
    }

    /// That of a layer with so many units and steps.
    pub fn of(cell: &gated::Cell, units: usize, steps: Option<usize>) -> Self {
        Cell {
            kind: cell.kind,
            units,
            steps,
            frac: [cell.sigmoid.frac, cell.tanh.frac],
            bits: [cell.state.bits, cell.hidden.bits],
            shifts: cell.shifts(),
        }
    }
}

impl From<&Curve> for Curves {
    fn from(curve: &Curve) -> Self {
        Curves { sigmoid: curve.sigmoid, frac: curve.frac }
    }
}

impl From<&Blend> for Highway {
    fn from(blend: &Blend) -> Self {
        Highway { frac: blend.sigmoid.frac, format: blend.format }
    }
}

/// σ or tanh of so many bits.
fn curve(table: Table, bits: u32, frac: u32, lookups: Vec<String>) -> Rom {
    let (address, data) = (bits as usize - 1, frac as usize + 1);
    Rom { table, words: 1 << address, address, data, in_turn: false, lookups }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// σ or tanh of so many bits: a magnitude, its table's row, a value and its sign.
fn curve_size(bits: u32, frac: u32) -> Size {
    let (bits, value) = (bits as usize, frac as usize + 2);
    Size::new(bits - 1 + 2 + value, 0, bits + value)
}

/// The size of what aligns two streams and requantises what becomes of them.
fn aligned_size(ends: &Ends, shifts: [u32; 2], shift: i32) -> Size {
    let wide = |(s, shift): (&&Stream, u32)| s.format.bits + shift + u32::from(!s.format.signed);
    let bits = ends.inputs.iter().zip(shifts).map(wide).max().unwrap_or(0);
    let sum = bits as usize + 1 + usize::from(shift > 0);
    let z = ends.z();
    let computed = z.lanes * (sum + z.format.bits as usize);
    Size::new(computed + 4, 0, computed)
}

impl Part for Add {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_add"]
    }

    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["a", "b"], &["m"]]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (a, b, z) = (ends.x(), ends.inputs[1], ends.z());
        vec![[a.words, z.words], [b.words, z.words], [b.lanes, z.lanes]]
    }

    fn banner(&self, _: &Ends) -> String {
        "Sum, aligned, shifted, saturated".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".LANES({}), {}", ends.x().lanes, aligned(ends, self.shifts, self.shift))
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(2, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        aligned_size(ends, self.shifts, self.shift)
    }
}

/// The parameters of what aligns two streams and requantises what becomes of them.
fn aligned(ends: &Ends, [a_shift, b_shift]: [u32; 2], shift: i32) -> String {
    let [a, b, z] = [ends.x(), ends.inputs[1], ends.z()].map(|s| s.format);
    let [a_signed, b_signed, z_signed] = [a, b, z].map(|format| u8::from(format.signed));
    let [a_bits, b_bits, z_bits] = [a, b, z].map(|format| format.bits);
    format!(
        ".A_BITS({a_bits}), .A_SIGNED({a_signed}), .B_BITS({b_bits}), .B_SIGNED({b_signed}),\n\
         \x20       .A_SHIFT({a_shift}), .B_SHIFT({b_shift}), .SHIFT({shift}), .Z_BITS({z_bits}), \
         .Z_SIGNED({z_signed})"
    )
}

impl Part for Concat {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_concat"]
    }

    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["a", "b"], &["m"]]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (a, b, z) = (ends.x(), ends.inputs[1], ends.z());
        let pixels = a.words.checked_div(self.words[0]).unwrap_or(0);
        let [of_a, of_b] = self.words;
        let mut all = vec![[a.words, pixels * of_a], [b.words, pixels * of_b]];
        if self.together {
            all.extend([[of_a, 1], [of_b, 1], [pixels, z.words], [a.lanes + b.lanes, z.lanes]]);
        } else {
            all.extend([[a.words + b.words, z.words], [a.lanes, z.lanes], [b.lanes, z.lanes]]);
        }
        all
    }

    fn banner(&self, _: &Ends) -> String {
        "Side by side, aligned, shifted, saturated".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (a, b, [of_a, of_b]) = (ends.x().lanes, ends.inputs[1].lanes, self.words);
        let together = u8::from(self.together);
        format!(
            ".TOGETHER({together}), .A_LANES({a}), .B_LANES({b}), .A_WORDS({of_a}), \
             .B_WORDS({of_b}),\n        {}",
            aligned(ends, self.shifts, self.shift)
        )
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        if self.together {
            return Box::new(Pipe::new(2, ends));
        }
        let [a, b] = self.words;
        Box::new(InTurn { at: 0, a, words: a + b, bits: 0 })
    }

    fn size(&self, ends: &Ends) -> Size {
        let [of_a, of_b] = self.words;
        let mut size = aligned_size(ends, self.shifts, self.shift);
        size.control += counter(of_a + of_b);
        size
    }
}

/// Two stages; `at` is the next word of a pixel, of which the first `a` come from the first stream.
struct InTurn {
    at: usize,
    a: usize,
    words: usize,
    bits: u8,
}

impl InTurn {
    /// The stream whose turn it is.
    fn turn(&self) -> usize {
        usize::from(self.at >= self.a)
    }
}

impl State for InTurn {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.bits & 2 != 0, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [0, 1].map(|side| around.advance() && side == self.turn())
    }

    fn step(&mut self, around: &Around) -> bool {
        if !around.advance() {
            return false;
        }
        let before = self.bits;
        let enters = around.s[self.turn()].pass();
        self.bits = (self.bits << 1 | u8::from(enters)) & 3;
        if enters {
            self.at = (self.at + 1) % self.words;
        }
        before != self.bits || enters
    }
}

impl Part for Lookup {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_lookup"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[product([ends.x().words, self.words]), ends.z().words], [ends.x().lanes, 1]]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("A row of the table: {}", count(self.words, "word"))
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Lookup { words, rows } = self;
        let (index, bits) = (ends.x().format.bits, ends.z().bits());
        format!(".INDEX_BITS({index}), .ROWS({rows}), .WORDS({words}), .BITS({bits})")
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        let words = self.rows * self.words.next_power_of_two();
        let (address, data) = (address_bits(words), ends.z().bits());
        vec![Rom { table: Table::Rows, words, address, data, in_turn: false, lookups: vec![] }]
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Row { count: Count::of(self.words), shown: false })
    }

    fn size(&self, _: &Ends) -> Size {
        Size::new(2, counter(self.words), 0)
    }
}

struct Row {
    count: Count,
    shown: bool,
}

impl State for Row {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.shown, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.advance() && self.count.at_last(), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        if !around.advance() {
            return false;
        }
        let changed = around.s[0].valid || self.shown;
        self.shown = around.s[0].valid;
        if self.shown {
            self.count.next();
        }
        changed
    }
}

impl Part for Rectify {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_rectify"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        ends.same()
    }

    fn banner(&self, _: &Ends) -> String {
        match self.shift {
            0 => format!("No more than {}", self.max),
            shift => format!("What is negative by 2^{shift}, rounded"),
        }
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Stream { lanes, format, .. } = ends.x();
        let (bits, signed) = (format.bits, u8::from(format.signed));
        format!(
            ".LANES({lanes}), .BITS({bits}), .SIGNED({signed}), .MAX({bits}'d{}), .SHIFT({})",
            self.max, self.shift
        )
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(1, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let bits = ends.z().bits();
        Size::new(bits + 2, 0, bits)
    }
}

impl Part for Curves {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_curves", "strassenc_curve"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        let bits = self.frac as usize + if self.sigmoid { 1 } else { 2 };
        vec![[x.words, z.words], [x.lanes, z.lanes], [z.format.bits as usize, bits]]
    }

    fn banner(&self, ends: &Ends) -> String {
        let curve = if self.sigmoid { "The logistic function" } else { "tanh" };
        format!("{curve}, {} a word", count(ends.z().lanes, "element"))
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (Stream { lanes, format, .. }, sigmoid) = (ends.x(), u8::from(self.sigmoid));
        let (bits, frac) = (format.bits, self.frac);
        format!(".LANES({lanes}), .V_BITS({bits}), .FRAC({frac}), .SIGMOID({sigmoid})")
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        let Stream { lanes, format, .. } = ends.x();
        let lookups = (0..*lanes).map(|lane| lane.to_string()).collect();
        vec![curve(Table::Curve, format.bits, self.frac, lookups)]
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(3, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let (Stream { lanes, format, .. }, mut size) = (ends.x(), Size::new(3, 0, 0));
        for _ in 0..*lanes {
            let one = curve_size(format.bits, self.frac);
            size = size.and(one.cells);
            size.work += one.work;
        }
        size.and(users(3))
    }
}

impl Part for Recall {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_recall", "strassenc_starts"]
    }

    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["s", "h"], &["m"]]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, h, z) = (ends.x(), ends.inputs[1], ends.z());
        let ([of_x, of_h], steps) = (self.words, self.steps.unwrap_or(1));
        vec![
            [x.words, product([of_x, steps])],
            [h.words, product([of_h, steps])],
            [z.words, product([of_x.saturating_add(of_h), steps])],
            [x.lanes, z.lanes],
            [h.lanes, z.lanes],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        let [x, h] = self.words.map(|words| count(words, "word"));
        format!("x of this step, {x}, then h of the step before, {h}")
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let [x, h, z] = [ends.x(), ends.inputs[1], ends.z()].map(|s| s.format);
        format!(
            ".LANES({}), .X_BITS({}), .X_SIGNED({}), .H_BITS({}), .Z_BITS({}),\n        \
             .X_WORDS({}), .H_WORDS({}), .STEPS({})",
            ends.x().lanes,
            x.bits,
            u8::from(x.signed),
            h.bits,
            z.bits,
            self.words[0],
            self.words[1],
            self.steps.unwrap_or(0)
        )
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        let [x, h] = self.words;
        Box::new(Joined { at: 0, x, words: x + h, first: true })
    }

    fn size(&self, ends: &Ends) -> Size {
        let steps = self.steps.unwrap_or(1);
        Size::new(2, counter(ends.z().words / steps) + counter(steps), ends.z().bits())
    }
}

/// `at` is the next word of a step, of which the first `x` come from x; in the first step nothing
/// comes back.
struct Joined {
    at: usize,
    x: usize,
    words: usize,
    first: bool,
}

impl State for Joined {
    fn valid(&self, around: &Around) -> [bool; 2] {
        let [x, h] = around.s;
        [if self.at < self.x { x.valid } else { self.first || h.valid }, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        let (m, of_x) = (around.m[0].ready, self.at < self.x);
        [m && of_x, m && !of_x && !self.first]
    }

    fn step(&mut self, around: &Around) -> bool {
        let leave = around.leave();
        if leave {
            self.at = (self.at + 1) % self.words;
            self.first &= self.at > 0;
        }
        leave
    }
}

impl Part for Cell {
    fn modules(&self) -> &'static [&'static str] {
        match self.kind {
            runtime::Cell::Lstm => {
                &["strassenc_lstm_cell", "strassenc_starts", "strassenc_curve", "strassenc_round"]
            }
            runtime::Cell::Gru => {
                &["strassenc_gru_cell", "strassenc_starts", "strassenc_curve", "strassenc_round"]
            }
        }
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        let words = product([self.units, self.steps.unwrap_or(1)]);
        vec![[x.words, words], [z.words, words], [x.lanes, 4], [z.lanes, 1]]
    }

    fn banner(&self, _: &Ends) -> String {
        match self.kind {
            runtime::Cell::Lstm => "Cell: c = f c + i g, h = o tanh(c), unit by unit".into(),
            runtime::Cell::Gru => "Cell: c = n + z (c - n), h = c, unit by unit".into(),
        }
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let Cell { kind, units, steps, frac: [sigmoid, tanh], bits: [c, h], shifts } = self;
        let (steps, gate) = (steps.unwrap_or(0), ends.x().format.bits);
        // The index of a GRU's tanh has as many bits cut off as sigma has.
        let index = match kind {
            runtime::Cell::Lstm => format!(".INDEX_SHIFT({}), ", shifts.index),
            runtime::Cell::Gru => String::new(),
        };
        format!(
            ".UNITS({units}), .STEPS({steps}), .GATE_BITS({gate}), .SIGMOID_FRAC({sigmoid}), \
             .TANH_FRAC({tanh}), .C_BITS({c}),\n        .H_BITS({h}), .KEPT_SHIFT({}), \
             .NEW_SHIFT({}), .C_SHIFT({}), {index}.H_SHIFT({})",
            shifts.kept, shifts.new, shifts.state, shifts.hidden
        )
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        let (bits, [sigmoid, tanh]) = (ends.x().format.bits, self.frac);
        let lookups: [&[&str]; 2] = match self.kind {
            runtime::Cell::Lstm => [&["i", "f", "o"], &["g", "c"]],
            runtime::Cell::Gru => [&["r", "z"], &["v"]],
        };
        let [of_sigmoid, of_tanh] = lookups.map(names);
        vec![
            curve(Table::Sigmoid, bits, sigmoid, of_sigmoid),
            curve(Table::Tanh, bits, tanh, of_tanh),
        ]
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(self.stages(), ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let Cell { kind, units, steps, frac: [sigmoid, tanh], bits: [c, h], shifts } = *self;
        let gate = ends.x().format.bits;
        let (s, t) = (sigmoid + 2, tanh + 2);
        // Sums that are rounded, what they are rounded to, their shifts; the bits of other sums, of
        // what lies in DSP blocks beside c, and of what waits so many clocks.
        let (curves, rounded, sums, products, waits) = match kind {
            // c', the index of its tanh, and h.
            runtime::Cell::Lstm => {
                let sum = (s + c + shifts.kept).max(s + t + shifts.new);
                let rounded = vec![
                    (sum + 2, c, shifts.state),
                    (c + 1, gate, shifts.index),
                    (s + t + 1, h, shifts.hidden),
                ];
                let products = 2 * (s + t) + s + c;
                let curves = vec![sigmoid, sigmoid, sigmoid, tanh, tanh];
                (curves, rounded, sum, products, vec![(gate, 8)])
            }
            // v, c', and h.
            runtime::Cell::Gru => {
                let difference = (c + shifts.kept).max(t + shifts.new) + 1;
                let share = s + difference;
                let rounded = vec![
                    (s + gate + 2, gate, shifts.index),
                    (share + 1, c, shifts.state),
                    (c + 1, h, shifts.hidden),
                ];
                let (sums, products) = (s + gate + difference + share, s + gate + share);
                let waits = vec![(gate, 3), (gate, 4), (gate, 6), (difference, 3), (s, 1)];
                (vec![sigmoid, sigmoid, tanh], rounded, sums, products, waits)
            }
        };
        let kept = |(sum, to, shift): (u32, u32, i32)| {
            (sum as usize).saturating_sub(shift.max(0) as usize) + to as usize
        };
        let rounded: usize = rounded.into_iter().map(kept).sum();
        let packed = u64::from(c + products);
        let held = Cells { registers: packed, packed, ..Cells::default() };
        let waits = waits.into_iter().map(|(bits, clocks)| Cells::delay(bits.into(), clocks, 0));
        let control = 3 * counter(units) + counter(steps.unwrap_or(1));
        let mut size =
            Size::new(rounded + 4 + self.stages() as usize, control, rounded + sums as usize);
        for curve in curves.iter().map(|frac| curve_size(gate, *frac)) {
            size.cells = size.cells + curve.cells;
            size.work += curve.work;
        }
        let size = waits.fold(size, Size::and).and(held).and(users(self.stages() as usize));
        size.with(Memory::new(c as usize, units, MemoryKind::Registered))
    }
}

impl Part for Last {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_last"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        vec![
            [x.words, product([self.pixels, self.words])],
            [z.words, self.words],
            [x.lanes, z.lanes],
            [x.format.bits as usize, z.format.bits as usize],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("The last of {}", count(self.pixels, "pixel"))
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".BITS({}), .PIXELS({}), .WORDS({})", ends.x().bits(), self.pixels, self.words)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Shown {
            at: 0,
            first: (self.pixels - 1) * self.words,
            all: self.pixels * self.words,
        })
    }

    fn size(&self, _: &Ends) -> Size {
        Size::new(1, counter(product([self.pixels, self.words])), 0)
    }
}

/// `at` is the next word of a frame; those from `first` on are shown.
struct Shown {
    at: usize,
    first: usize,
    all: usize,
}

impl State for Shown {
    fn valid(&self, around: &Around) -> [bool; 2] {
        [around.s[0].valid && self.at >= self.first, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.m[0].ready || self.at < self.first, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let accept = around.accept();
        if accept {
            self.at = (self.at + 1) % self.all;
        }
        accept
    }
}

impl Part for Highway {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_highway", "strassenc_curve", "strassenc_round"]
    }

    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["a", "b"], &["m"]]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, b, z) = (ends.x(), ends.inputs[1], ends.z());
        vec![[x.words, z.words], [b.words, z.words], [x.lanes, 2], [b.lanes, 1], [z.lanes, 1]]
    }

    fn banner(&self, _: &Ends) -> String {
        "Highway: t (h - x) + x, unit by unit".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(
            ".GATE_BITS({}), .SIGMOID_FRAC({}), .X_BITS({}), .X_SIGNED({})",
            ends.x().format.bits,
            self.frac,
            self.format.bits,
            u8::from(self.format.signed)
        )
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        vec![curve(Table::Sigmoid, ends.x().format.bits, self.frac, names(&["t"]))]
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(6, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let (gate, x) = (ends.x().format.bits, self.format.bits);
        // h beside x, their difference, what the gate leaves of it, and the sum.
        let curve = curve_size(gate, self.frac);
        let mut size = Size::new(6 * x as usize + 8, 0, 4 * x as usize + curve.work);
        size.cells = size.cells + curve.cells;
        size.and(users(6)).and(Cells::delay(u64::from(gate + x), 4, 0))
    }
}
