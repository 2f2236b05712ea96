//! Turns a kernel into the words of its ROMs.

use super::{Array, Bank, Digits, FilterStep, Folded, Folding, Positions, Readers, Requantiser};
use crate::interval::{Interval, half};
use crate::ir::words::Words;
use crate::ir::{Kernel, Layer, Loaded, Op, OpKind, loadable};
use std::ops::RangeInclusive;
use strassenc_runtime::{Error, Result};

/// Cuts a layer that has a kernel.
///
/// # Errors
/// Where the folding does not fit the layer, with what would; where the layer has no live product.
pub fn build(layer: &Layer, folding: Folding) -> Result<Folded> {
    cut(layer, folding, true)
}

/// Cuts a layer as [`build`] does, but with weights that are all 0: what an estimate takes.
pub fn blank(layer: &Layer, folding: Folding) -> Result<Folded> {
    cut(layer, folding, false)
}

fn cut(layer: &Layer, folding: Folding, filled: bool) -> Result<Folded> {
    let Folding { pe, simd, multipliers, wc_pe, wc_simd } = folding;
    let name = layer.name.as_str();
    let Some(kernel) = layer.kernel() else {
        return Err(Error::internal(format_args!("folded layer `{name}`"), "has no kernel"));
    };
    let (input, channels) = (kernel.input, kernel.output.channels);
    let mut output_groups = kernel.output_groups();
    let parts = Parts::of(name, kernel)?;
    let fail = |field: &str, cause: String| {
        Err(Error::input(format_args!("layer `{name}`, {field}"), cause))
    };
    let per_group = input.channels / kernel.groups;
    for (field, value) in [
        ("pe", pe),
        ("simd", simd),
        ("multipliers", multipliers),
        ("wc_pe", wc_pe),
        ("wc_simd", wc_simd),
    ] {
        if value == 0 {
            return fail(field, "is 0".into());
        }
    }
    let divides = |field: &str, value: usize, whole: usize, of: &str| {
        if whole.is_multiple_of(value) {
            return Ok(());
        }
        let fits: Vec<String> =
            (1..=whole).filter(|d| whole.is_multiple_of(*d)).map(|d| d.to_string()).collect();
        Err(Error::input(
            format_args!("layer `{name}`, {field}"),
            format_args!("{value} does not divide {of}, {whole}"),
        )
        .help(format!("take one of {}", fits.join(", "))))
    };
    let words = layer.words();
    match &words {
        Some(words) => {
            divides("simd", simd, words.elements, "the elements of a character")?;
            divides("pe", pe, words.common(), "what the filters of all widths have in common")?;
        }
        None => divides("simd", simd, per_group, "the channels of a group")?,
    }
    divides("multipliers", multipliers, pe, "pe")?;

    let mut rows = match &words {
        Some(_) => parts.filters(),
        None => padded(kernel, parts.indices, pe),
    };
    if words.is_some() {
        for (field, value) in [("wc_pe", wc_pe), ("wc_simd", wc_simd)] {
            if value != 1 {
                return fail(field, format!("is {value}, but filters have no W_c: it is 1"));
            }
        }
    } else {
        if rows.iter().all(Option::is_none) {
            return fail("engine", "has no live product, so there is nothing to fold".into());
        }
        let of_a_group = if output_groups > 1 { " of a group" } else { "" };
        let outputs = format!("the output channels{of_a_group}");
        divides("wc_pe", wc_pe, channels / output_groups, &outputs)?;
        let products = format!("the rows of W_b{of_a_group}, made up to whole words");
        divides("wc_simd", wc_simd, rows.len() / output_groups, &products)?;
        if output_groups == 1 {
            let readers = Readers::of(kernel);
            output_groups = readers.groups(rows.len(), folding);
            if output_groups > 1 {
                rows = readers.rows(output_groups, rows.len() / output_groups);
            }
        }
    }

    parts.within_reach(name)?;

    let positions = words.as_ref().map(|words| positions(words, pe, simd));
    // Pixels or characters that each block of rows reads.
    let blocks = rows.len() / pe;
    let taps: Vec<usize> = match &positions {
        Some(positions) => positions.step_of_each().map(|step| step.taps).collect(),
        None => vec![kernel.windows.size.area(); blocks],
    };
    // Elements of a pixel or of a character, and those of them that are read.
    let (pixel, read) = match &words {
        Some(words) => (words.elements, words.elements),
        None => (input.channels, per_group),
    };
    let mut wb = vec![0; taps.iter().sum::<usize>() * read * pe];
    let mut weights = wb.iter_mut();
    for ((block, rows), taps) in rows.chunks(pe).enumerate().zip(&taps).filter(|_| filled) {
        let group = block / (blocks / kernel.groups);
        for tap in 0..*taps {
            for word in 0..read / simd {
                for row in rows {
                    for (lane, weight) in (0..simd).zip(&mut weights) {
                        let element = tap * pixel + group * per_group + word * simd + lane;
                        *weight = row.map_or(0, |i| parts.w_b[[i, element]] as i8);
                    }
                }
            }
        }
    }
    let bits =
        |intervals: &[Interval]| intervals.iter().map(|v| signed_bits(*v)).max().unwrap_or(1);
    // Words of a result, or of a character.
    let sums = read / simd * if words.is_some() { 1 } else { taps[0] };
    let wc = words.is_none().then(|| {
        let read = rows.len() / output_groups;
        let weights = match filled {
            true => parts.wc(kernel, &rows, output_groups, (wc_pe, wc_simd)),
            false => vec![0; parts.w_c.nrows() * read],
        };
        Array { rows: wc_pe, lanes: wc_simd, sums: read / wc_simd, bits: bits(parts.y), weights }
    });
    Ok(Folded {
        name: name.into(),
        folding,
        input: kernel.chain.input,
        output: kernel.chain.output,
        groups: kernel.groups,
        wb: Array { rows: pe, lanes: simd, sums, bits: bits(parts.u), weights: wb },
        bank: parts.bank(&rows, multipliers, bits(parts.m)),
        requantiser: parts.requantiser(if wc.is_some() { wc_pe } else { multipliers }),
        wc,
        positions,
        rows,
    })
}

/// How the words are read that meet W_b.
pub(super) fn positions(words: &Words, pe: usize, simd: usize) -> Positions {
    let step = |(width, n): (usize, usize)| FilterStep {
        blocks: n / pe,
        taps: width,
        last: words.positions(width) - 1,
    };
    Positions {
        characters: words.characters,
        words: words.elements / simd,
        count: words.most_positions(),
        steps: words.by_width().map(step).collect(),
    }
}

/// Bits that hold every value in two's complement.
fn signed_bits(interval: Interval) -> u32 {
    Interval::new(interval.lo.min(-1), interval.hi).bits()
}

/// The rows of W_b in the order of the array, in each group made up to a multiple of `pe`.
fn padded(kernel: &Kernel, indices: &[usize], pe: usize) -> Vec<Option<usize>> {
    let most = most_of_a_group(kernel, indices).div_ceil(pe) * pe;
    let mut rows = vec![];
    for group in 0..kernel.groups {
        let live =
            indices.iter().enumerate().filter(|(_, index)| group_of(kernel, **index) == group);
        rows.extend(live.map(|(i, _)| Some(i)));
        rows.resize((group + 1) * most, None);
    }
    rows
}

/// The group of a row of the model.
fn group_of(kernel: &Kernel, row: usize) -> usize {
    row / (kernel.rows / kernel.groups)
}

fn most_of_a_group(kernel: &Kernel, indices: &[usize]) -> usize {
    let count = |group| indices.iter().filter(|index| group_of(kernel, **index) == group).count();
    (0..kernel.groups).map(count).max().unwrap_or(0)
}

/// Rows of the array of W_b for this many rows at a time: live rows, in each group made up to whole
/// words.
pub fn padded_rows(kernel: &Kernel, pe: usize) -> usize {
    let indices = kernel.chain.ops.first().map_or(&[][..], |op| op.result.indices.as_slice());
    most_of_a_group(kernel, indices).div_ceil(pe) * pe * kernel.groups
}

/// The digits of the live rows' coefficients, however the layer is cut; none where it cannot be
/// folded.
pub fn digits(kernel: &Kernel) -> Option<Digits> {
    let parts = Parts::of("", kernel).ok()?;
    parts.within_reach("").ok()?;
    let rows: Vec<Option<usize>> = (0..parts.indices.len()).map(Some).collect();
    let bank = parts.bank(&rows, 1, 1);
    Some(Digits::of(&bank.coefficients))
}

/// The operations of a kernel, taken apart.
pub(super) struct Parts<'a> {
    /// The rows of the model that are live.
    pub indices: &'a [usize],
    pub w_b: &'a crate::adder_graph::Matrix,
    pub u: &'a [Interval],
    pub coefficients: &'a [i64],
    pub shifts: &'a [i32],
    pub m: &'a [Interval],
    pub w_c: &'a crate::adder_graph::Matrix,
    pub y: &'a [Interval],
    /// Constants that are added to y.
    pub constants: &'a [i64],
    /// Right shifts of y; none where y itself leaves.
    pub output_shifts: Option<&'a [i32]>,
    /// Bits of a coefficient of the layer.
    pub coefficient_bits: u32,
    /// What can be loaded, where that is so.
    pub loaded: Option<Loaded>,
}

impl<'a> Parts<'a> {
    pub fn of(name: &str, kernel: &'a Kernel) -> Result<Self> {
        let lost = || {
            Error::internal(
                format_args!("folded layer `{name}`"),
                "is not W_b, products, W_c, output",
            )
        };
        let ops: &[Op] = &kernel.chain.ops;
        let [b, m, c, end] = ops else { return Err(lost()) };
        let (OpKind::Linear { matrix: w_b, .. }, OpKind::Linear { matrix: w_c, .. }) =
            (&b.kind, &c.kind)
        else {
            return Err(lost());
        };
        let OpKind::Multiply { coefficients, coefficient_bits, shifts } = &m.kind else {
            return Err(lost());
        };
        let (constants, output_shifts) = match &end.kind {
            OpKind::Offset { constants } => (constants, None),
            OpKind::Requantise { constants, shifts, .. } => (constants, Some(shifts.as_slice())),
            _ => return Err(lost()),
        };
        Ok(Parts {
            indices: &b.result.indices,
            w_b,
            u: &b.result.intervals,
            coefficients,
            shifts,
            m: &m.result.intervals,
            w_c,
            y: &c.result.intervals,
            constants,
            output_shifts,
            coefficient_bits: *coefficient_bits,
            loaded: kernel.chain.loaded,
        })
    }

    /// The live row of each filter: the only one that its output reads.
    fn filters(&self) -> Vec<Option<usize>> {
        self.w_c.outer_iter().map(|output| output.iter().position(|w| *w != 0)).collect()
    }

    /// W_c in the order of its ROM, over the rows of W_b of the output's group, in their order.
    fn wc(
        &self,
        kernel: &Kernel,
        rows: &[Option<usize>],
        groups: usize,
        (wc_pe, wc_simd): (usize, usize),
    ) -> Vec<i8> {
        let outputs = self.w_c.nrows();
        let (channels, read) = (kernel.output.channels, rows.len() / groups);
        let mut wc = Vec::with_capacity(outputs * read);
        for first in (0..outputs).step_by(wc_pe) {
            let group = first % channels / (channels / groups);
            for word in rows[group * read..][..read].chunks(wc_simd) {
                for c in first..first + wc_pe {
                    wc.extend(word.iter().map(|row| row.map_or(0, |i| self.w_c[[c, i]] as i8)));
                }
            }
        }
        wc
    }

    /// Whether one shift can serve all rows, and one left shift all outputs, within 62 bits.
    fn within_reach(&self, name: &str) -> Result<()> {
        let fail =
            |what: &str| {
                Err(Error::input(
                format_args!("layer `{name}`, engine"),
                format_args!("has {what} too far apart to be folded"),
            )
            .help("give the layer `engine = \"unrolled\"` in a file for --engines, or use --engine \
                unrolled"))
            };
        let wide = |v: i128| v.abs() >= 1 << 62;
        let shift = self.shift();
        let scaled = |(a, t): (&i64, &i32)| i128::from(*a) << (shift - t).clamp(0, 100);
        if self.coefficients.iter().zip(self.shifts).any(|row| wide(scaled(row))) {
            return fail("the shifts of its products");
        }
        let left = self.shifts().map(|s| -s.start()).max().unwrap_or(0).max(0);
        let ends = |c: usize| {
            let constant = self.constant(c);
            [constant.lo, constant.hi]
                .into_iter()
                .flat_map(move |k| [self.y[c].lo, self.y[c].hi, 0].map(|y| (y, k)))
                .map(|(y, k)| i128::from(y) + i128::from(k))
        };
        if (0..self.constants.len()).any(|c| ends(c).any(|v| wide(v << left))) {
            return fail("the shifts of its outputs");
        }
        Ok(())
    }

    /// What each output can be shifted by.
    fn shifts(&self) -> impl Iterator<Item = RangeInclusive<i32>> {
        let of = |s: i32| self.loaded.map_or(s..=s, |loaded| loaded.shifts_of(s));
        (0..self.constants.len()).map(move |c| self.output_shifts.map_or(0..=0, |all| of(all[c])))
    }

    /// What is added to an output, the half of its rounding in it: all that it can be.
    fn constant(&self, c: usize) -> Interval {
        let half = self.output_shifts.map_or(0, |shifts| half(shifts[c]));
        self.loaded.map_or(Interval::point(self.constants[c] + half), Loaded::bias)
    }

    /// The least shift that keeps all coefficients integers; of those that are loaded, their own.
    fn shift(&self) -> i32 {
        if self.loaded.is_some() {
            return self.shifts.iter().copied().max().unwrap_or(0);
        }
        let least = |(a, t): (&i64, &i32)| t - a.trailing_zeros().min(62) as i32;
        self.coefficients.iter().zip(self.shifts).map(least).max().unwrap_or(0).max(0)
    }

    /// One shift for all rows: `a_i · 2^-t_i = (a_i · 2^(shift - t_i)) · 2^-shift`, with the least
    /// shift that keeps the coefficients integers.
    fn bank(&self, rows: &[Option<usize>], lanes: usize, product_bits: u32) -> Bank {
        let shift = self.shift();
        let scaled = |i: usize| {
            let (a, more) = (self.coefficients[i], shift - self.shifts[i]);
            // A negative difference only drops zeros.
            if more >= 0 { a << more } else { a >> -more }
        };
        let coefficients: Vec<i64> = rows.iter().map(|row| row.map_or(0, scaled)).collect();
        let least = coefficients.iter().map(|a| signed_bits(Interval::point(*a))).max();
        let coefficient_bits =
            if self.loaded.is_some() { self.coefficient_bits } else { least.unwrap_or(1) };
        Bank {
            lanes,
            shift: shift as u32,
            coefficient_bits,
            product_bits,
            coefficients,
            digits: None,
        }
    }

    fn requantiser(&self, lanes: usize) -> Requantiser {
        let shift = |c: usize| self.output_shifts.map_or(0, |shifts| shifts[c]);
        let left = self.shifts().map(|s| -s.start()).max().unwrap_or(0).max(0);
        let base = self.shifts().map(|s| s.start() + left).min().unwrap_or(0);
        let most = self.shifts().map(|s| s.end() + left - base).max().unwrap_or(0);
        let entry = |(c, b): (usize, &i64)| {
            let s = shift(c);
            ((s + left - base) as u32, (b + half(s)) << left)
        };
        let constants =
            || (0..self.constants.len()).map(|c| self.constant(c).scale(false, left as u32));
        let constant_bits = constants().map(signed_bits).max().unwrap_or(1);
        // Of what is loaded, as many bits as there are can be anything.
        let all = |k: Interval| if self.loaded.is_some() { loadable(constant_bits) } else { k };
        let sums =
            constants().zip(self.y).map(|(k, y)| signed_bits(y.scale(false, left as u32) + all(k)));
        Requantiser {
            lanes,
            left: left as u32,
            base: base as u32,
            amount_bits: 32 - most.cast_unsigned().leading_zeros(),
            constant_bits,
            sum_bits: sums.max().unwrap_or(1),
            entries: self.constants.iter().enumerate().map(entry).collect(),
        }
    }
}
