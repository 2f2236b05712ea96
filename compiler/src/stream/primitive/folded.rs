//! The parts of a folded layer, and what sums up or compares words.

use super::{Around, Count, Ends, Part, Pipe, Rom, Size, State, Table, counter, product, users};
use crate::emit::address_bits;
use crate::emit::signature::Frames;
use crate::figures::Cells;
use crate::folded;
use strassenc_runtime::error::count;

/// W_b of a folded layer, or its W_c.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The matrix, as the table that its ROM holds.
    pub table: Table,
    /// Words of a result, but where `ends` are told.
    pub sums: usize,
    /// Results in a row of the same weights.
    pub repeats: usize,
    /// Words of its ROM.
    pub depth: usize,
    /// Results in a row of so many words each, one row after the other, where the words tell the
    /// last one of each.
    pub ends: Vec<(usize, usize)>,
}

/// The multipliers of a folded layer, 3 clocks whatever they are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Bank {
    /// Right shift of the products.
    pub shift: u32,
    /// Bits of a coefficient.
    pub coefficient_bits: u32,
    /// Digits of a coefficient and bits of a shift, where shifts and additions multiply.
    pub digits: Option<(usize, u32)>,
    /// Bits of a row in ROM.
    pub entry_bits: u32,
    /// Words of its ROM.
    pub depth: usize,
}

/// The outputs of a folded layer; see [`folded::Requantiser`].
#[derive(Clone, Debug, PartialEq)]
pub struct Requantise {
    /// The left shift of y.
    pub left: u32,
    /// The least right shift.
    pub base: u32,
    /// Bits of what the right shift has beyond that.
    pub amount_bits: u32,
    /// Bits of a constant.
    pub constant_bits: u32,
    /// Bits of the sum.
    pub sum_bits: u32,
    /// Words of its ROM.
    pub depth: usize,
}

/// The largest element or the sum of `count` words.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulate {
    /// Whether it yields the largest element, and not the sum.
    pub maximum: bool,
    /// Words that make one result.
    pub count: usize,
    /// Whether they are words of windows, which may lie outside of an image.
    pub of_windows: bool,
}

impl Array {
    /// That of W_b, or of W_c.
    pub fn new(table: Table, array: &folded::Array) -> Self {
        Array { table, sums: array.sums, repeats: 1, depth: array.depth(), ends: vec![] }
    }

    /// That of W_b in a char-CNN.
    pub fn of_filters(array: &folded::Array, positions: &folded::Positions) -> Self {
        let (repeats, ends) = (positions.count, positions.ends());
        Array { repeats, ends, ..Array::new(Table::Wb, array) }
    }
}

impl From<&folded::Bank> for Bank {
    fn from(bank: &folded::Bank) -> Self {
        Bank {
            shift: bank.shift,
            coefficient_bits: bank.coefficient_bits,
            digits: bank.digits.as_ref().map(|digits| (digits.terms, digits.amount_bits)),
            entry_bits: bank.entry_bits(),
            depth: bank.coefficients.len() / bank.lanes,
        }
    }
}

impl From<&folded::Requantiser> for Requantise {
    fn from(requantiser: &folded::Requantiser) -> Self {
        let folded::Requantiser {
            lanes,
            left,
            base,
            amount_bits,
            constant_bits,
            sum_bits,
            ref entries,
        } = *requantiser;
        Requantise {
            left,
            base,
            amount_bits,
            constant_bits,
            sum_bits,
            depth: entries.len() / lanes,
        }
    }
}

fn rom(table: Table, words: usize, data: usize, in_turn: bool) -> Vec<Rom> {
    vec![Rom { table, words, address: address_bits(words), data, in_turn, lookups: vec![] }]
}

impl Part for Array {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_array", "strassenc_gated_add"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x().words, ends.z().words);
        if self.ends.is_empty() {
            return vec![[x, product([z, self.sums])]];
        }
        let all = |of: &dyn Fn(usize, usize) -> usize| {
            let each = self.ends.iter().map(|(results, words)| of(*results, *words));
            each.fold(0, usize::saturating_add)
        };
        vec![[x, all(&usize::saturating_mul)], [z, all(&|results, _| results)]]
    }

    fn banner(&self, _: &Ends) -> String {
        let matrix = if self.table == Table::Wb { "W_b" } else { "W_c" };
        match self.ends.iter().map(|(_, words)| *words).max() {
            None => format!("{matrix}: {} to a sum", count(self.sums, "word")),
            Some(most) => format!("{matrix}: at most {} to a sum", count(most, "word")),
        }
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (x, z) = (ends.x(), ends.z());
        let repeats =
            if self.repeats > 1 { format!(", .REPEATS({})", self.repeats) } else { String::new() };
        format!(
            ".LANES({}), .X_BITS({}), .X_SIGNED({}), .ROWS({}), .SUMS({}), .DEPTH({}), \
             .U_BITS({}){repeats}",
            x.lanes,
            x.format.bits,
            u8::from(x.format.signed),
            z.lanes,
            if self.ends.is_empty() { self.sums } else { 0 },
            self.depth,
            z.format.bits
        )
    }

    fn ports(&self, s: &str, _: &str, _: Frames) -> Option<(String, Option<String>)> {
        let last = if self.ends.is_empty() { "1'b0".into() } else { format!("{s}_last") };
        Some((format!(".s_last({last})"), None))
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        let data = 2 * ends.z().lanes * ends.x().lanes;
        rom(self.table, self.depth, data, self.repeats == 1)
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        let levels = ends.x().lanes.next_power_of_two().trailing_zeros().max(1);
        let all = if self.ends.is_empty() { vec![(1, self.sums)] } else { self.ends.clone() };
        Box::new(Sums { stages: 1 + levels, bits: 0, count: Results::of(all), shown: false })
    }

    fn size(&self, ends: &Ends) -> Size {
        // x, the tree of adders with a sign at each node, the sum. What gates the operands of the
        // first adders and of the last one needs LUTs of its own where these have four inputs.
        let (x, z) = (ends.x(), ends.z());
        let operand = x.format.bits + u32::from(!x.format.signed);
        let levels = x.lanes.next_power_of_two().trailing_zeros().max(1);
        let width = |l: u32| (operand + l).min(z.format.bits) as usize;
        let nodes = |l: u32| x.lanes.div_ceil(1 << l);
        let tree = (1..=levels).map(|l| nodes(l) * (width(l) + 1)).sum::<usize>();
        let sums = (1..=levels).map(|l| (x.lanes.div_ceil(1 << (l - 1)) / 2) * width(l));
        let first = nodes(1) * width(1);
        let work = z.lanes * (sums.sum::<usize>() + z.format.bits as usize);
        let gates = (z.lanes * (first + z.format.bits as usize)) as u64;
        let gates = Cells { luts4: gates, ..Cells::default() };
        // Words are counted, or the last ones go along; what comes again begins there.
        let (count, told) = match self.ends.is_empty() {
            true => (counter(self.sums), 0),
            false => (0, levels as usize + 2),
        };
        let from = if told > 0 { counter(self.depth) } else { count };
        let again = if self.repeats > 1 { counter(self.repeats) + from } else { 0 };
        let control = counter(self.depth) + count + again;
        let held = x.bits() + z.lanes * tree + z.bits() + levels as usize + 3 + told;
        Size::new(held, control, work).and(users(levels as usize + 1)).and(gates)
    }
}

/// Stages with one enable, and behind them a sum over several words; a sum alone where there is no
/// stage.
pub(super) struct Sums {
    stages: u32,
    bits: u64,
    count: Results,
    shown: bool,
}

impl Sums {
    /// That over so many words each.
    pub(super) fn of(stages: u32, words: usize) -> Self {
        Sums { stages, bits: 0, count: Results::of(vec![(1, words)]), shown: false }
    }
}

/// Words that are counted; the last ones of results show. So many results in a row have so many
/// words each, then as many as come next, and again from the beginning.
struct Results {
    all: Vec<(usize, usize)>,
    /// What is counted in, and how many results of it have been.
    at: (usize, usize),
    count: Count,
}

impl Results {
    fn of(all: Vec<(usize, usize)>) -> Self {
        let count = Count::of(all[0].1);
        Results { all, at: (0, 0), count }
    }

    /// Counts on; whether that was the last word of a result.
    fn next(&mut self) -> bool {
        let last = self.count.next();
        if last {
            self.at.1 += 1;
            if self.at.1 == self.all[self.at.0].0 {
                self.at = ((self.at.0 + 1) % self.all.len(), 0);
                self.count = Count::of(self.all[self.at.0].1);
            }
        }
        last
    }
}

impl State for Sums {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.shown, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.advance(), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        if !around.advance() {
            return false;
        }
        let accept = around.accept();
        let changed = accept || self.bits != 0 || self.shown;
        // What comes out of the last stage is added up.
        let all = self.bits << 1 | u64::from(accept);
        self.shown = all >> self.stages & 1 == 1 && self.count.next();
        self.bits = all & ((1 << self.stages) - 1);
        changed
    }
}

impl Part for Bank {
    fn modules(&self) -> &'static [&'static str] {
        if self.digits.is_some() {
            &["strassenc_shift_add_bank"]
        } else {
            &["strassenc_multiplier_bank", "strassenc_scaled_product"]
        }
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, ends.z().words]]
    }

    fn banner(&self, ends: &Ends) -> String {
        let made_of =
            if self.digits.is_some() { "lanes of shifts and additions" } else { "multipliers" };
        format!("Products: {} {made_of}", ends.x().lanes)
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (x, z) = (ends.x(), ends.z());
        let factor = match self.digits {
            Some((terms, amount_bits)) => format!(".TERMS({terms}), .AMOUNT_BITS({amount_bits})"),
            None => format!(".COEFFICIENT_BITS({})", self.coefficient_bits),
        };
        format!(
            ".LANES({}), .U_BITS({}), {factor}, .SHIFT({}), .M_BITS({}), .DEPTH({})",
            x.lanes, x.format.bits, self.shift, z.format.bits, self.depth
        )
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        rom(Table::Coefficients, self.depth, ends.x().lanes * self.entry_bits as usize, true)
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(3, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let ([u, m], lanes) =
            ([ends.x(), ends.z()].map(|s| s.format.bits as usize), ends.x().lanes);
        let control = counter(self.depth);
        let sum = m + self.shift as usize;
        let size = match self.digits {
            None => {
                // Of the product as many bits as its rounding reads.
                let packed = lanes * (u + m + usize::from(self.shift > 0) + m);
                let cells = Cells { packed: packed as u64, ..Cells::default() };
                Size::new(packed + 3, control, lanes * m).and(cells)
            }
            // u and its negative; of each digit a copy, chosen, shifted and added.
            Some((terms, amount)) => {
                let held = lanes * (2 * u + 1 + terms * sum + m);
                let shifted = terms * (u + sum * amount as usize);
                Size::new(held + 3, control, lanes * (u + shifted + terms * sum))
            }
        };
        size.and(users(3))
    }
}

impl Part for Requantise {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_requantise"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, ends.z().words]]
    }

    fn banner(&self, _: &Ends) -> String {
        "Bias, shift, saturation".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (x, z) = (ends.x(), ends.z());
        let Requantise { left, base, amount_bits, constant_bits, sum_bits, depth } = self;
        format!(
            ".LANES({}), .Y_BITS({}), .CONSTANT_BITS({constant_bits}), \
             .AMOUNT_BITS({amount_bits}), .LEFT({left}), .BASE({base}), \
             .SUM_BITS({sum_bits}),\n        .Z_BITS({}), .Z_SIGNED({}), .DEPTH({depth})",
            x.lanes,
            x.format.bits,
            z.format.bits,
            u8::from(z.format.signed)
        )
    }

    fn roms(&self, ends: &Ends) -> Vec<Rom> {
        let bits = ends.x().lanes * (self.amount_bits + self.constant_bits) as usize;
        rom(Table::Outputs, self.depth, bits, true)
    }

    fn state(&self, ends: &Ends) -> Box<dyn State> {
        Box::new(Pipe::new(4, ends))
    }

    fn size(&self, ends: &Ends) -> Size {
        let (z, lanes) = (ends.z().format.bits as usize, ends.x().lanes);
        let [sum, amount] = [self.sum_bits, self.amount_bits].map(|bits| bits as usize);
        let kept = sum - (self.base as usize).min(sum - 1);
        let (held, control) = (ends.x().bits() + 4, counter(self.depth));
        if amount == 0 && kept <= z && ends.z().format.signed {
            // Behind the sum nothing is left to be done.
            let waits = Cells::delay((lanes * z) as u64, 3, 0);
            return Size::new(held, control, lanes * sum).and(waits).and(users(4));
        }
        let held = held + lanes * (2 * kept + amount + z);
        Size::new(held, control, lanes * (sum + kept * amount + z)).and(users(4))
    }
}

impl Part for Accumulate {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_accumulate"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, product([ends.z().words, self.count])]]
    }

    fn banner(&self, _: &Ends) -> String {
        format!(
            "The {} of {}",
            if self.maximum { "largest elements" } else { "sum" },
            count(self.count, "word")
        )
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        let (x, z) = (ends.x(), ends.z());
        format!(
            ".LANES({}), .X_BITS({}), .X_SIGNED({}), .MAXIMUM({}), .COUNT({}), .Z_BITS({})",
            x.lanes,
            x.format.bits,
            u8::from(x.format.signed),
            u8::from(self.maximum),
            self.count,
            z.format.bits
        )
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Sums::of(0, self.count))
    }

    fn size(&self, ends: &Ends) -> Size {
        let [x, z] = [ends.x().bits(), ends.z().bits()];
        // What lies outside of an image is masked, which no register in front of it does.
        let mask = Cells { luts6: if self.of_windows { x as u64 } else { 0 }, ..Cells::default() };
        let work = if self.maximum { x + z } else { 2 * z };
        Size::new(z + 2, counter(self.count), work).and(mask)
    }
}
