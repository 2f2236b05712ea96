//! Reads the ROMs back: what they make a layer compute is what its operations say, for every input.
//!
//! It shares with the builder only how a kernel's operations are told apart ([`Parts`]), which
//! copies nothing and computes nothing.

use super::build::Parts;
use super::{Array, FilterStep, Folded, Folding, Positions, Requantiser};
use crate::adder_graph::Matrix;
use crate::interval::Interval;
use crate::ir::Layer;
use crate::ir::words::Words;
use strassenc_runtime::{Error, Result};

/// Checks the invariants that the [module](super) states.
///
/// # Errors
/// [`Kind::Mismatch`](strassenc_runtime::Kind::Mismatch) with the first word that is wrong: a bug
/// of ours.
pub fn prove(folded: &Folded, layer: &Layer) -> Result<()> {
    let wrong = |part: &str, cause: String| {
        Err(Error::mismatch(format_args!("folded layer `{}`, {part}", folded.name), cause))
    };
    let Some(kernel) = layer.kernel() else { return wrong("kernel", "there is none".into()) };
    let input = kernel.input;
    let parts = Parts::of(&folded.name, kernel)?;

    let (wb, wc, bank) = (&folded.wb, folded.wc.as_ref(), &folded.bank);
    let cut = Folding {
        pe: wb.rows,
        simd: wb.lanes,
        multipliers: bank.lanes,
        wc_pe: wc.map_or(1, |wc| wc.rows),
        wc_simd: wc.map_or(1, |wc| wc.lanes),
    };
    let lanes = wc.map_or(bank.lanes, |wc| wc.rows);
    if cut != folded.folding || wb.rows % bank.lanes != 0 || folded.requantiser.lanes != lanes {
        return wrong("cut", format!("is {:?}, and the parts have other lanes", folded.folding));
    }
    if [folded.input, folded.output] != [kernel.chain.input, kernel.chain.output] {
        return wrong("formats", format!("from {} to {}", folded.input, folded.output));
    }
    if folded.groups != kernel.groups {
        return wrong("groups", format!("{}, and {} in the layer", folded.groups, kernel.groups));
    }
    let widths = [
        wb.bits,
        wc.map_or(bank.product_bits, |wc| wc.bits),
        bank.coefficient_bits,
        bank.product_bits,
        folded.requantiser.constant_bits,
        folded.requantiser.sum_bits,
    ];
    if folded.name != layer.name || widths.iter().any(|bits| !(1..=64).contains(bits)) {
        return wrong("name and widths", format!("are not those of `{}`: {widths:?}", layer.name));
    }
    let padded = folded.rows.len();
    let results = folded.positions.as_ref().map_or(wb.results(), Positions::blocks);
    if results.saturating_mul(wb.rows) != padded
        || !results.is_multiple_of(folded.groups)
        || padded == 0
    {
        return wrong("ROM of W_b", format!("{results} results for {padded} rows"));
    }

    let mut seen = vec![false; parts.indices.len()];
    for row in folded.rows.iter().flatten() {
        match seen.get_mut(*row) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return wrong(
                    "rows",
                    format!("row {row} is there twice, or is none of the layer's"),
                );
            }
        }
    }
    if seen.contains(&false) {
        return wrong("rows", "a live row is missing".into());
    }

    // Column of W_b that each element of each word of a result is, by block of rows.
    let (groups, per_group) = (folded.groups, input.channels / folded.groups);
    let filters = layer.words();
    // Elements of a pixel or of a character, and those of them that a row reads.
    let (pixel, read) = filters
        .as_ref()
        .map_or((input.channels, per_group), |words| (words.elements, words.elements));
    let taps: Vec<usize> = match &folded.positions {
        Some(positions) => positions.step_of_each().map(|step| step.taps).collect(),
        None => vec![kernel.windows.size.area(); results],
    };
    let blocks = results / groups;
    let columns = |block: usize| {
        let group = block / blocks;
        (0..taps[block])
            .flat_map(move |tap| (0..read).map(move |c| tap * pixel + group * per_group + c))
    };
    let words = |block: usize| match &folded.positions {
        Some(_) => taps[block].saturating_mul(wb.sums),
        None => wb.sums,
    };
    if let Some(taps) = taps.iter().find(|taps| taps.saturating_mul(pixel) > parts.w_b.ncols()) {
        return wrong("ROM of W_b", format!("a window has no {taps} characters"));
    }
    let row_of = |padded: usize| folded.rows[padded];
    if let Some(cause) = differs(wb, parts.w_b, results, words, columns, row_of) {
        return wrong("ROM of W_b", cause);
    }
    // What the array does not read of a row's columns must be zeros.
    for (i, row) in parts.w_b.outer_iter().enumerate() {
        let group = parts.indices[i] / (kernel.rows / kernel.groups);
        let own = |column: usize| column % input.channels / per_group == group;
        if row.iter().enumerate().any(|(column, w)| *w != 0 && !own(column)) {
            return wrong("ROM of W_b", format!("row {i} reads beyond its group"));
        }
    }
    match (wc, &folded.positions, filters) {
        (Some(wc), None, None) => {
            if wc.results() * wc.rows != parts.w_c.nrows() {
                return wrong("ROM of W_c", format!("{} results", wc.results()));
            }
            // A result reads the products of its group, and no other one may count.
            let (read, outputs) = (wc.sums * wc.lanes, kernel.output.channels);
            let groups = padded / read.max(1);
            if groups * read != padded || outputs % (wc.rows * groups) != 0 {
                return wrong("ROM of W_c", format!("adds up {read} of {padded} products"));
            }
            let group_of = |c: usize| c % outputs / (outputs / groups);
            for (i, row) in folded.rows.iter().enumerate() {
                let other = |c: &usize| group_of(*c) != i / read;
                let counts = |i: usize| {
                    (0..parts.w_c.nrows()).filter(other).find(|c| parts.w_c[[*c, i]] != 0)
                };
                if let Some(c) = row.and_then(counts) {
                    return wrong("ROM of W_c", format!("output {c} reads beyond its group"));
                }
            }
            let products = |block: usize| {
                let first = group_of(block * wc.rows) * read;
                first..first + read
            };
            let w_c = Matrix::from_shape_fn((parts.w_c.nrows(), folded.rows.len()), |(c, i)| {
                folded.rows[i].map_or(0, |i| parts.w_c[[c, i]])
            });
            if let Some(cause) = differs(wc, &w_c, wc.results(), |_| wc.sums, products, Some) {
                return wrong("ROM of W_c", cause);
            }
        }
        (None, Some(positions), Some(words)) => {
            if let Some(cause) = filters_differ(folded, &parts, positions, &words) {
                return wrong("filters", cause);
            }
        }
        _ => return wrong("W_c", "a layer has one, or reads words".into()),
    }

    let shifted = |v: i64, by: i32| {
        let v = i128::from(v);
        Some(v << by).filter(|shifted| shifted >> by == v)
    };
    for (coefficient, row) in bank.coefficients.iter().zip(&folded.rows) {
        let exact = |a: i64, t: i32| {
            let due = shifted(a, bank.shift as i32 - t.min(0));
            due.is_some() && shifted(*coefficient, t.max(0)) == due
        };
        let right =
            row.map_or(*coefficient == 0, |i| exact(parts.coefficients[i], parts.shifts[i]));
        if !right || !fits(*coefficient, bank.coefficient_bits) {
            return wrong(
                "ROM of the coefficients",
                format!("{coefficient} · 2^-{} is not row {row:?}", bank.shift),
            );
        }
    }
    if bank.coefficients.len() != folded.rows.len() {
        return wrong("ROM of the coefficients", format!("{} words", bank.coefficients.len()));
    }

    if let Some(digits) = &bank.digits {
        if digits.terms == 0 || digits.entries.len() != digits.terms * folded.rows.len() {
            return wrong("ROM of the digits", format!("{} digits", digits.entries.len()));
        }
        let narrow = |(weight, amount): &(i8, u32)| {
            weight.abs() > 1 || *amount >= 63 || amount >> digits.amount_bits != 0
        };
        if let Some((weight, amount)) = digits.entries.iter().find(|digit| narrow(digit)) {
            return wrong(
                "ROM of the digits",
                format!("{weight} · 2^{amount} does not fit its bits"),
            );
        }
        for (value, coefficient) in digits.values().zip(&bank.coefficients) {
            if value != i128::from(*coefficient) {
                return wrong(
                    "ROM of the digits",
                    format!("{value} is not the coefficient {coefficient}"),
                );
            }
        }
    }

    let requantiser = &folded.requantiser;
    if requantiser.entries.len() != parts.constants.len() {
        return wrong("ROM of the outputs", format!("{} words", requantiser.entries.len()));
    }
    for (c, (amount, constant)) in requantiser.entries.iter().enumerate() {
        let s = parts.output_shifts.map_or(0, |shifts| shifts[c]);
        let total = (requantiser.base + amount) as i32 - requantiser.left as i32;
        let left = |v: i128| v << requantiser.left;
        // What rounding half up adds.
        let half = if s > 0 { 1i128 << (s - 1) } else { 0 };
        let due = left(i128::from(parts.constants[c]) + half);
        let sum = |y: i64| left(y.into()) + i128::from(*constant);
        let narrow = !fits(*constant, requantiser.constant_bits)
            || !fits(sum(parts.y[c].lo), requantiser.sum_bits)
            || !fits(sum(parts.y[c].hi), requantiser.sum_bits)
            || 32 - amount.leading_zeros() > requantiser.amount_bits;
        if (total, i128::from(*constant)) != (s, due) || narrow {
            return wrong(
                "ROM of the outputs",
                format!("output {c} is shifted by {total} after adding {constant}"),
            );
        }
    }

    if let Some(loaded) = kernel.chain.loaded {
        // What was proved of the parameters at hand holds for any others: each has bits of its own,
        // in which every other one fits, and a sum has room for whatever they hold.
        if bank.digits.is_some()
            || bank.coefficient_bits != parts.coefficient_bits
            || parts.shifts.iter().any(|t| i64::from(*t) != i64::from(bank.shift))
        {
            return wrong("memory of the coefficients", "has no room for all of them".into());
        }
        let Requantiser { left, base, amount_bits, constant_bits, sum_bits, .. } = *requantiser;
        let most = (1i128 << (constant_bits - 1)) - 1;
        for (c, y) in parts.y.iter().enumerate() {
            let s = parts.output_shifts.map(|shifts| i64::from(shifts[c]));
            let (below, bits) = s.map_or((0, 0), |_| {
                (i64::from(loaded.shifts), 64 - (2 * u64::from(loaded.shifts)).leading_zeros())
            });
            let first = s.unwrap_or(0) - below - (i64::from(base) - i64::from(left));
            let amounts = first >= 0 && first + (1 << bits) <= 1 << amount_bits;
            let sums = [y.lo, y.hi].map(|y| i128::from(y) << left);
            let room = fits(sums[0] - most, sum_bits) && fits(sums[1] + most, sum_bits);
            if !amounts || !room || constant_bits < loaded.bias_bits + left {
                return wrong("memory of the outputs", format!("has no room for output {c}"));
            }
        }
    }

    for (part, intervals, bits) in [
        ("u", parts.u, folded.wb.bits),
        ("m", parts.m, bank.product_bits),
        ("y", parts.y, folded.output_bits()),
    ] {
        let narrow = |v: &&Interval| !fits(v.lo, bits) || !fits(v.hi, bits);
        if let Some(v) = intervals.iter().find(narrow) {
            return wrong(part, format!("{v} does not fit {bits} bits"));
        }
    }
    Ok(())
}

/// Whether so many bits of two's complement, 1 to 64, hold a number.
fn fits(v: impl Into<i128>, bits: u32) -> bool {
    let (v, least) = (v.into(), -1i128 << (bits - 1));
    (least..-least).contains(&v)
}

/// What is wrong of a layer without W_c: output c must be the product of row c alone, a block read
/// all positions of its width and no others, and a product rise with its sum.
fn filters_differ(
    folded: &Folded,
    parts: &Parts,
    positions: &Positions,
    words: &Words,
) -> Option<String> {
    let Positions { characters, words: of_a_character, count, .. } = *positions;
    let Words { elements, .. } = *words;
    let (n, pe) = (parts.w_c.nrows(), folded.wb.rows);
    if (folded.rows.len(), folded.requantiser.lanes) != (n, folded.bank.lanes) {
        return Some(format!("{} rows for {n} outputs", folded.rows.len()));
    }
    for ((c, i), w) in parts.w_c.indexed_iter() {
        if *w != i32::from(folded.rows[c] == Some(i)) {
            return Some(format!(
                "output {c} has {w} of row {i}, and is given {:?}",
                folded.rows[c]
            ));
        }
    }
    if (characters, of_a_character.saturating_mul(folded.wb.lanes)) != (words.characters, elements)
        || of_a_character != folded.wb.sums
    {
        return Some(format!("reads {positions:?}"));
    }
    // There is a block for each result, and as many rows as outputs.
    let steps = positions.step_of_each().flat_map(|step| std::iter::repeat_n(step, pe));
    for (c, (width, FilterStep { taps, last, .. })) in words.width_of_each().zip(steps).enumerate()
    {
        if taps != width || last + width != characters || last >= count {
            return Some(format!(
                "filter {c} of width {width} is read as one of {taps} up to position {last}"
            ));
        }
        let Some(row) = folded.rows[c] else { continue };
        if parts.w_b.row(row).iter().skip(width * elements).any(|w| *w != 0) {
            return Some(format!("filter {c} reads beyond its width, {width}"));
        }
    }
    folded
        .bank
        .coefficients
        .iter()
        .find(|a| **a < 0)
        .map(|a| format!("multiplies a largest sum by {a}"))
}

/// Whether an array's ROM is not `matrix`, whose row each padded row is, and whose columns come in
/// the order of `columns`, those of a result in so many `words`.
fn differs<C: Iterator<Item = usize>>(
    array: &Array,
    matrix: &Matrix,
    results: usize,
    words: impl Fn(usize) -> usize,
    columns: impl Fn(usize) -> C,
    row_of: impl Fn(usize) -> Option<usize>,
) -> Option<String> {
    let word = array.rows * array.lanes;
    let mut weights = array.weights.as_slice();
    let mut before = 0;
    for block in 0..results {
        let (words, columns): (usize, Vec<usize>) = (words(block), columns(block).collect());
        if columns.len() != words.saturating_mul(array.lanes) {
            return Some(format!("reads {} columns in {words} words", columns.len()));
        }
        let Some(result) = weights.split_off(..words * word) else {
            return Some(format!("holds {} weights", array.weights.len()));
        };
        for (i, weights) in result.chunks(array.lanes).enumerate() {
            let (sum, row) = (i / array.rows, block * array.rows + i % array.rows);
            let row = row_of(row);
            for (lane, w) in weights.iter().enumerate() {
                let due = row.map_or(0, |row| matrix[[row, columns[sum * array.lanes + lane]]]);
                if i32::from(*w) != due {
                    return Some(format!(
                        "word {} has {w} in lane {lane}, not {due}",
                        before + sum
                    ));
                }
            }
        }
        before += words;
    }
    (!weights.is_empty()).then(|| format!("holds {} weights", array.weights.len()))
}
