//! How many additions a matrix takes, about: quick enough to ask for every scheme on a walk.

use super::ternary::Ternary;

/// Most columns of the table of pairs: the entries of a matrix and the sums that are shared.
const COLUMNS: usize = 96;

/// Additions of `rows` over `entries` inputs by greedy sharing of pairs: the quick estimate that
/// the search goes by.
///
/// The sharing is that of the adder graphs' own greedy start: the pair of terms that most rows have
/// becomes a term of its own.
pub fn estimate(rows: &[Ternary], entries: usize) -> u32 {
    let mut distinct: Vec<Ternary> =
        rows.iter().filter(|v| v.nonzeros() > 1).map(|v| v.signed(v.leads_negative())).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let mut sums: Vec<(u128, u128)> =
        distinct.iter().map(|v| (u128::from(v.support()), u128::from(v.negatives()))).collect();
    // How many rows hold both columns: with equal signs, with opposite ones.
    let mut counts = [[[0u16; 2]; COLUMNS]; COLUMNS];
    for sum in &sums {
        count(&mut counts, *sum, 1);
    }
    let mut columns = entries;
    let mut adders = 0;
    loop {
        let mut best = (1, 0, 0, 0);
        for (i, row) in counts[..columns].iter().enumerate() {
            for (j, pair) in row[..i].iter().enumerate() {
                for (opposite, &n) in pair.iter().enumerate() {
                    if n > best.0 {
                        best = (n, i, j, opposite);
                    }
                }
            }
        }
        let (n, i, j, opposite) = best;
        if n < 2 || columns == COLUMNS {
            break;
        }
        for sum in &mut sums {
            let (support, negative) = *sum;
            let (in_i, in_j) = (support >> i & 1, support >> j & 1);
            if in_i & in_j == 0 || (negative >> i ^ negative >> j) & 1 != opposite as u128 {
                continue;
            }
            count(&mut counts, *sum, u16::MAX);
            let both = 1 << i | 1 << j;
            // The new column has the sign of column i.
            let sign = negative >> i & 1;
            *sum = (support & !both | 1 << columns, negative & !both | sign << columns);
            count(&mut counts, *sum, 1);
        }
        columns += 1;
        adders += 1;
    }
    adders + sums.iter().map(|(support, _)| support.count_ones() - 1).sum::<u32>()
}

/// Adds `by`, modulo 2^16, to the count of each pair of a sum.
#[inline]
fn count(counts: &mut [[[u16; 2]; COLUMNS]; COLUMNS], (support, negative): (u128, u128), by: u16) {
    let mut rest = support;
    while rest != 0 {
        let i = 127 - rest.leading_zeros() as usize;
        rest &= !(1 << i);
        let mut below = rest;
        while below != 0 {
            let j = 127 - below.leading_zeros() as usize;
            below &= !(1 << j);
            let opposite = (negative >> i ^ negative >> j) & 1;
            let cell = &mut counts[i][j][opposite as usize];
            *cell = cell.wrapping_add(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adder_graph::{Effort, Matrix, Operands, Options, naive_adders, share};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::discover::property(40))]

        #[test]
        fn it_is_between_what_sharing_finds_and_no_sharing(
            rows in prop::collection::vec(prop::collection::vec(-1i8..=1, 9), 1..24),
        ) {
            let vector = |row: &Vec<i8>| Ternary::from_entries(row.iter().copied()).unwrap();
            let vectors: Vec<Ternary> = rows.iter().map(vector).collect();
            let matrix = Matrix::from_shape_fn((rows.len(), 9), |(i, j)| rows[i][j].into());
            let options = Options { effort: Effort(2), ..Options::default() };
            let searched = share(&matrix, &options).graph.adders();
            let estimated = estimate(&vectors, 9) as usize;
            // It is an upper bound of the least number, which the search comes close to.
            prop_assert!(searched <= estimated + 1);
            prop_assert!(estimated <= naive_adders(&matrix, Operands::Two));
        }
    }
}
