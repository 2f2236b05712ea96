//! What works element by element or unit by unit: sums, tables, recurrent and highway cells.

use super::{Around, Count, Ends, Part, Pipe, Rom, Size, State, Table, counter, product, users};
use crate::emit::address_bits;
use crate::emit::signature::Frames;
use crate::figures::{Cells, Memory, MemoryKind};
use crate::ir::gated::{self, Blend};
use crate::stream::Stream;
use strassenc_runtime::Format;
use strassenc_runtime::error::count;

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

/// tanh of a filter's output, one a word.
#[derive(Clone, Debug, PartialEq)]
pub struct Tanh {
    /// Fractional bits of the table.
    pub frac: u32,
}

/// The words of x, then those of the h of the frame before.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// Words of x and of h.
    pub words: [usize; 2],
}

/// An LSTM from the gates of a unit to its h, a unit a word; it keeps c.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmCell {
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

impl From<&gated::Cell> for LstmCell {
    fn from(cell: &gated::Cell) -> Self {
        LstmCell {
            frac: [cell.sigmoid.frac, cell.tanh.frac],
            bits: [cell.state.bits, cell.hidden.bits],
            shifts: cell.shifts(),
        }
    }
}

impl From<&Blend> for Highway {
    fn from(blend: &Blend) -> Self {
        Highway { frac: blend.sigmoid.frac, format: blend.format }
    }
}

/// σ or tanh of so many bits.
fn curve(table: Table, bits: u32, frac: u32, lookups: &'static [&'static str]) -> Rom {
    let (address, data) = (bits as usize - 1, frac as usize + 1);
    Rom { table, words: 1 << address, address, data, in_turn: false, lookups }
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
        vec![Rom { table: Table::Rows, words, address, data, in_turn: false, lookups: &[] }]
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

impl Part for Tanh {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_tanh", "strassenc_curve"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, ends.z().words], [ends.x().lanes, 1], [ends.z().lanes, 1]]
    }

    fn banner(&self, _: &Ends) -> String {
        "tanh, filter by filter".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".V_BITS({}), .FRAC({})", ends.x().format.bits, self.frac)
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        vec![curve(Table::Tanh, ends.x().format.bits, self.frac, &["z"])]
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(3, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let mut size = curve_size(ends.x().format.bits, self.frac);
        size.cells.registers += 3;
        size.and(users(3))
    }
}

impl Part for Recall {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_recall"]
    }

    fn sides(&self) -> [&'static [&'static str]; 2] {
        [&["s", "h"], &["m"]]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, h, z) = (ends.x(), ends.inputs[1], ends.z());
        let [of_x, of_h] = self.words;
        vec![
            [x.words, of_x],
            [h.words, of_h],
            [of_x + of_h, z.words],
            [x.lanes, z.lanes],
            [h.lanes, z.lanes],
        ]
    }

    fn banner(&self, _: &Ends) -> String {
        let [x, h] = self.words.map(|words| count(words, "word"));
        format!("x of this frame, {x}, then h of the frame before, {h}")
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let [x, h, z] = [ends.x(), ends.inputs[1], ends.z()].map(|s| s.format);
        format!(
            ".LANES({}), .X_BITS({}), .X_SIGNED({}), .H_BITS({}), .Z_BITS({}),\n        \
             .X_WORDS({}), .H_WORDS({})",
            ends.x().lanes,
            x.bits,
            u8::from(x.signed),
            h.bits,
            z.bits,
            self.words[0],
            self.words[1]
        )
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        let [x, h] = self.words;
        Box::new(Joined { at: 0, x, words: x + h, first: true })
    }

    fn size(&self, ends: &Ends) -> Size {
        Size::new(2, counter(ends.z().words), ends.z().bits())
    }
}

/// `at` is the next word of a frame, of which the first `x` come from x; in the first frame nothing
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

impl Part for LstmCell {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_lstm_cell", "strassenc_curve", "strassenc_round"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, ends.z().words], [ends.x().lanes, 4], [ends.z().lanes, 1]]
    }

    fn banner(&self, _: &Ends) -> String {
        "Cell: c = f c + i g, h = o tanh(c), unit by unit".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let LstmCell { frac: [sigmoid, tanh], bits: [c, h], shifts } = self;
        format!(
            ".UNITS({}), .GATE_BITS({}), .SIGMOID_FRAC({sigmoid}), .TANH_FRAC({tanh}), \
             .C_BITS({c}), .H_BITS({h}),\n        .KEPT_SHIFT({}), .NEW_SHIFT({}), .C_SHIFT({}), \
             .INDEX_SHIFT({}), .H_SHIFT({})",
            ends.x().words,
            ends.x().format.bits,
            shifts.kept,
            shifts.new,
            shifts.state,
            shifts.index,
            shifts.hidden
        )
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        let (bits, [sigmoid, tanh]) = (ends.x().format.bits, self.frac);
        vec![
            curve(Table::Sigmoid, bits, sigmoid, &["i", "f", "o"]),
            curve(Table::Tanh, bits, tanh, &["g", "c"]),
        ]
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(14, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let LstmCell { frac: [sigmoid, tanh], bits: [c, h], shifts } = *self;
        let (units, gate) = (ends.x().words, ends.x().format.bits);
        let curves = [sigmoid, sigmoid, sigmoid, tanh, tanh].map(|frac| curve_size(gate, frac));
        let (s, t) = (sigmoid + 2, tanh + 2);
        let [kept, new] = [s + c + shifts.kept, s + t + shifts.new].map(|bits| bits as usize);
        // c', the index of its tanh, and h, each sum without what is cut off.
        let cut = [shifts.state, shifts.index, shifts.hidden].map(|shift| shift.max(0) as usize);
        let sums = [kept.max(new) + 2, c as usize + 1, (s + t) as usize + 1];
        let sums = [0, 1, 2].map(|i| sums[i].saturating_sub(cut[i]));
        let rounded = sums.iter().sum::<usize>() + (c + gate + h) as usize;
        // c and the products lie in DSP blocks.
        let packed = u64::from(c + s + c + 2 * (s + t));
        let held = Cells { registers: packed, packed, ..Cells::default() };
        let waits = Cells::delay(gate.into(), 8, 0) + users(14);
        let mut size = Size::new(rounded + 18, 3 * counter(units), rounded + kept.max(new));
        for curve in curves {
            size.cells = size.cells + curve.cells;
            size.work += curve.work;
        }
        size.and(held).and(waits).with(Memory::new(c as usize, units, MemoryKind::Registered))
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
        vec![curve(Table::Sigmoid, ends.x().format.bits, self.frac, &["t"])]
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
