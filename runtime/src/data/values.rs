//! The real values of samples, as exact as the files that they come from.

use crate::error::{Error, Result};
use crate::format::Columns;
use ndarray::{Array2, Axis, CowArray, Ix2, Zip, concatenate, s};

/// Finite real values, `[samples, elements]`, all within the range of f32: kept in f32 where each
/// of them is exact in it, as the pixels of images are, else in f64.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// The values, where all are exact in f32.
    Single(Array2<f32>),
    /// The values, where one at least is not.
    Double(Array2<f64>),
}

impl Values {
    /// Numbers of samples and of elements of each.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Values::Single(x) => x.dim(),
            Values::Double(x) => x.dim(),
        }
    }

    /// The values in f32, rounded where they are not exact in it: what a network in training
    /// computes with.
    pub fn singles(&self) -> CowArray<'_, f32, Ix2> {
        match self {
            Values::Single(x) => x.view().into(),
            Values::Double(x) => x.mapv(|v| v as f32).into(),
        }
    }

    /// The values as they are.
    pub fn doubles(&self) -> CowArray<'_, f64, Ix2> {
        match self {
            Values::Single(x) => x.mapv(f64::from).into(),
            Values::Double(x) => x.view().into(),
        }
    }

    /// Some samples, in the order given; each index is below their number.
    pub fn select(&self, samples: &[usize]) -> Values {
        match self {
            Values::Single(x) => Values::Single(x.select(Axis(0), samples)),
            Values::Double(x) => Values::Double(x.select(Axis(0), samples)),
        }
    }

    /// The first `n` samples; `n` is at most their number.
    pub(super) fn take(&self, n: usize) -> Values {
        match self {
            Values::Single(x) => Values::Single(x.slice(s![..n, ..]).to_owned()),
            Values::Double(x) => Values::Double(x.slice(s![..n, ..]).to_owned()),
        }
    }

    /// These values, then others of as many samples, sample by sample.
    pub(super) fn beside(self, others: Values) -> Values {
        let all = [self, others];
        match &all {
            [Values::Single(x), Values::Single(y)] => Values::Single(concatenate![Axis(1), *x, *y]),
            [x, y] => Values::Double(concatenate![Axis(1), x.doubles(), y.doubles()]),
        }
    }

    /// The integers of the values in the formats of their columns, of the same shape: round(v ·
    /// 2^frac), half up, saturated.
    ///
    /// # Errors
    /// Where a value is NaN or infinite, with its sample and element, and where there are not as
    /// many columns.
    pub fn integers(&self, columns: &Columns) -> Result<Array2<i64>> {
        match self {
            Values::Single(x) => integers(x, f64::from, columns),
            Values::Double(x) => integers(x, |v| v, columns),
        }
    }

    /// The real values that the [integers](Self::integers) stand for.
    ///
    /// # Errors
    /// As there.
    pub fn reals(&self, columns: &Columns) -> Result<Array2<f64>> {
        let mut x = self.integers(columns)?.mapv(|v| v as f64);
        let mut at = 0;
        for (n, format) in columns {
            x.slice_mut(s![.., at..at + n]).mapv_inplace(|v| v * f64::powi(2.0, -format.frac));
            at += n;
        }
        Ok(x)
    }

    /// The share of the values of each format that lie beyond it by half a step or more, so that
    /// they saturate; columns in turn.
    pub fn saturated(&self, columns: &Columns) -> Vec<f64> {
        let (samples, elements) = self.dim();
        let mut at = 0;
        let of_columns = columns.iter().map(|(n, format)| {
            let scale = f64::powi(2.0, format.frac);
            let (low, high) = (format.min() as f64 - 0.5, format.max() as f64 + 0.5);
            let outside = |v: f64| !(low..high).contains(&(v * scale));
            let own = s![.., at.min(elements)..(at + n).min(elements)];
            at += n;
            let count = match self {
                Values::Single(x) => {
                    x.slice(own).iter().filter(|v| outside(f64::from(**v))).count()
                }
                Values::Double(x) => x.slice(own).iter().filter(|v| outside(**v)).count(),
            };
            count as f64 / (samples * n).max(1) as f64
        });
        of_columns.collect()
    }
}

impl From<Array2<f32>> for Values {
    fn from(x: Array2<f32>) -> Values {
        Values::Single(x)
    }
}

fn integers<T: Copy>(
    x: &Array2<T>,
    real: impl Fn(T) -> f64,
    columns: &Columns,
) -> Result<Array2<i64>> {
    if let Some(((i, j), v)) = x.indexed_iter().find(|(_, v)| !real(**v).is_finite()) {
        let cause = format_args!("is {}, not a number", real(*v)).to_string();
        return Err(Error::input(format_args!("sample {i}, element {j}"), cause));
    }
    let due = columns.iter().map(|(n, _)| n).sum::<usize>();
    if x.ncols() != due {
        let cause =
            format_args!("have {} elements, the network takes {due}", x.ncols()).to_string();
        return Err(Error::input("samples", cause));
    }
    // Powers of two leave a value as it is, and so does the difference, where it decides; v + 1/2
    // would be rounded.
    let round = |v: f64| v.floor() + f64::from(u8::from(v - v.floor() >= 0.5));
    let mut z = Array2::zeros(x.dim());
    let mut at = 0;
    for (n, format) in columns {
        let (scale, own) = (f64::powi(2.0, format.frac), s![.., at..at + n]);
        at += n;
        Zip::from(z.slice_mut(own))
            .and(x.slice(own))
            .for_each(|z, v| *z = format.saturate(round(real(*v) * scale) as i64));
    }
    Ok(z)
}

/// The values of a file in its order, as they are read.
#[derive(Debug)]
pub(super) enum Column {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Column {
    pub fn with_capacity(n: usize) -> Column {
        Column::Single(Vec::with_capacity(n))
    }

    /// Appends a value; false, and nothing is done, where it is beyond the range of f32 or no
    /// number.
    #[must_use]
    pub fn push(&mut self, v: f64) -> bool {
        let single = v as f32;
        if !single.is_finite() {
            return false;
        }
        if let Column::Single(all) = self {
            if f64::from(single) == v {
                all.push(single);
                return true;
            }
            *self = Column::Double(all.iter().copied().map(f64::from).collect());
        }
        if let Column::Double(all) = self {
            all.push(v);
        }
        true
    }

    /// Takes the first `n` values out.
    pub fn drop_first(&mut self, n: usize) {
        match self {
            Column::Single(all) => drop(all.drain(..n)),
            Column::Double(all) => drop(all.drain(..n)),
        }
    }

    /// Row by row; none where the values are not as many.
    pub fn into_values(self, shape: (usize, usize)) -> Option<Values> {
        Some(match self {
            Column::Single(all) => Values::Single(Array2::from_shape_vec(shape, all).ok()?),
            Column::Double(all) => Values::Double(Array2::from_shape_vec(shape, all).ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use ndarray::array;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const U8: Format = Format { signed: false, bits: 8, frac: 8 };
    const S4: Format = Format { signed: true, bits: 4, frac: -1 };

    fn of(format: Format, n: usize) -> Columns {
        vec![(n, format)]
    }

    /// Each column has the format of its input, and what is beside others keeps its digits.
    #[test]
    fn inputs_beside_one_another_have_formats_of_their_own() {
        let bytes = Values::from(array![[0.5, 2.0], [0.25, 0.0]]);
        let Values::Single(_) = bytes else { panic!() };
        let others = Values::Double(array![[-3.0], [1.0 + f64::powi(2.0, -40)]]);
        let both = bytes.clone().beside(others);
        let columns = vec![(2, U8), (1, S4)];
        assert_eq!(both.integers(&columns).unwrap(), array![[128, 255, -1], [64, 0, 1]]);
        assert_eq!(
            both.reals(&columns).unwrap(),
            array![[0.5, 255.0 / 256.0, -2.0], [0.25, 0.0, 2.0]]
        );
        assert_eq!(both.saturated(&columns), [0.25, 0.0]);
        assert_eq!(both.doubles()[[1, 2]], 1.0 + f64::powi(2.0, -40));
        let told = both.integers(&vec![(2, U8)]).unwrap_err().to_string();
        assert!(told.contains("have 3 elements, the network takes 2"), "{told}");
        assert!(matches!(bytes.clone().beside(bytes), Values::Single(_)));
    }

    #[test]
    fn integers_round_half_up_and_saturate() {
        let x: Values =
            array![[0.0, 0.5, 255.0 / 256.0, 1.0, -1.0, 0.49 / 256.0, 0.5 / 256.0, 1.5 / 256.0]]
                .into();
        assert_eq!(x.integers(&of(U8, x.dim().1)).unwrap(), array![[0, 128, 255, 255, 0, 0, 1, 2]]);
        let x: Values =
            array![[-1.0, 1.0, 3.0, -3.0, -5.0, 13.9, 1e30, -1e30, f32::MAX, f32::MIN_POSITIVE]]
                .into();
        assert_eq!(
            x.integers(&of(S4, x.dim().1)).unwrap(),
            array![[0, 1, 2, -1, -2, 7, 7, -8, 7, 0]]
        );
        assert_eq!(x.saturated(&of(S4, x.dim().1)), [0.3]);
    }

    #[test]
    fn integers_name_what_is_not_a_number() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let e = Values::from(array![[0.0, 0.0], [0.0, bad]]).integers(&of(U8, 2)).unwrap_err();
            assert!(e.to_string().contains("sample 1, element 1"), "{e}");
        }
    }

    #[test]
    fn values_are_kept_as_they_are_in_as_little_as_holds_them() {
        let mut column = Column::with_capacity(0);
        assert!([0.5, -3.0].into_iter().all(|v| column.push(v)));
        assert!(matches!(column, Column::Single(_)));
        assert!(column.push(0.1) && !column.push(f64::NAN) && !column.push(1e39));
        assert!(column.into_values((1, 3)).unwrap() == Values::Double(array![[0.5, -3.0, 0.1]]));
    }

    /// The greatest f64 below a half, and numbers so large that v + 1/2 is not an f64.
    #[test]
    fn what_lies_just_below_a_half_is_not_rounded_up() {
        let format = Format { signed: true, bits: 32, frac: 0 };
        let below = ((1i64 << 53) - 1) as f64 * 2f64.powi(-54);
        for (v, due) in [(below, 0), (-below, 0), (0.5, 1), (-0.5, 0), (1.5, 2)] {
            let mut column = Column::with_capacity(1);
            assert!(column.push(v));
            let integers =
                column.into_values((1, 1)).unwrap().integers(&vec![(1, format)]).unwrap();
            assert_eq!(integers[[0, 0]], due, "{v:e}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..Default::default() })]

        /// The check is against integers: v = n · 2^-e is an integer of 128 bits, shifted.
        #[test]
        fn rounding_is_exact(
            n in -(1i64 << 53)..1 << 53,
            e in 0u32..64,
            frac in -32i32..32,
            bits in 1u32..33,
        ) {
            let mut column = Column::with_capacity(1);
            prop_assert!(column.push(n as f64 * 2f64.powi(-(e as i32))));
            let format = Format { signed: true, bits, frac };
            let up = i128::from(n) << (frac + 32);
            let (down, half) = (e + 32, 1i128 << (e + 31));
            let due = ((up + half) >> down).clamp(format.min().into(), format.max().into());
            let integers = column.into_values((1, 1)).unwrap().integers(&vec![(1, format)]).unwrap();
            prop_assert_eq!(i128::from(integers[[0, 0]]), due);
        }
    }
}
