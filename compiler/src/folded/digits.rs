//! Coefficients as canonical signed digits: what a lane without a multiplier adds up.

use crate::adder_graph::each_digit;

/// A ROM of digits, for lanes that add shifted copies of their operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits {
    /// Digits of every coefficient: the most that one has, at least 1.
    pub terms: usize,
    /// Bits of a shift, at least 0.
    pub amount_bits: u32,
    /// `[rows, terms]`: a weight in {-1, 0, 1} and how far it is shifted to the left.
    pub entries: Vec<(i8, u32)>,
}

impl Digits {
    /// The digits of these coefficients, each with the fewest there are.
    pub fn of(coefficients: &[i64]) -> Self {
        let digits = |a: &i64| {
            let mut digits = vec![];
            each_digit(*a, |amount, negative| digits.push((if negative { -1 } else { 1 }, amount)));
            digits
        };
        let mut rows: Vec<Vec<(i8, u32)>> = coefficients.iter().map(digits).collect();
        let terms = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        rows.iter_mut().for_each(|row| row.resize(terms, (0, 0)));
        let entries = rows.concat();
        let most = entries.iter().map(|(_, amount)| *amount).max().unwrap_or(0);
        Digits { terms, amount_bits: 32 - most.leading_zeros(), entries }
    }

    /// What the digits of each row add up to.
    pub fn values(&self) -> impl Iterator<Item = i128> {
        self.entries
            .chunks(self.terms)
            .map(|row| row.iter().map(|(weight, amount)| i128::from(*weight) << amount).sum())
    }

    /// Bits of a row in ROM, two for each weight.
    pub fn entry_bits(&self) -> u32 {
        self.terms as u32 * (2 + self.amount_bits)
    }

    /// Estimated LUTs of a lane, as Yosys maps it to xc7, for an operand and a sum of so many bits:
    /// the negative of the operand; for each digit a shifter, half a LUT for each bit of the
    /// amount; for each but the first an addition, a row of carry-save adders and a share of the
    /// carry chain.
    pub fn lane_luts(&self, operand_bits: u64, sum_bits: u64) -> u64 {
        let terms = self.terms as u64;
        operand_bits
            + sum_bits * terms * u64::from(self.amount_bits) / 2
            + 3 * sum_bits * (terms - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_add_up_to_their_coefficients() {
        let coefficients: Vec<i64> = (-300..=300).chain([i64::MAX >> 2, -(1 << 61)]).collect();
        let digits = Digits::of(&coefficients);
        assert!(digits.values().eq(coefficients.iter().map(|a| i128::from(*a))));
        assert!(digits.entries.iter().all(|(_, amount)| amount >> digits.amount_bits == 0));
    }

    #[test]
    fn no_more_digits_than_the_richest_coefficient_has() {
        let shape = |coefficients: &[i64]| {
            let digits = Digits::of(coefficients);
            (digits.terms, digits.amount_bits)
        };
        assert_eq!(shape(&[0]), (1, 0));
        assert_eq!(shape(&[1, -1, 0]), (1, 0));
        assert_eq!(shape(&[-2, 8]), (1, 2));
        // 7 = 8 - 1, 85 = 64 + 16 + 4 + 1.
        assert_eq!(shape(&[7, 96]), (2, 3));
        assert_eq!(shape(&[85]), (4, 3));
    }
}
