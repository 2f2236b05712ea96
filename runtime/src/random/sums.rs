//! Sums of ternary rows over many windows at once, in integers: what makes calibration quick. It
//! shares no code with golden, which is compared with it.

use super::Stop;
use crate::error::Result;
use crate::shape::{Extent, Shape};
use rayon::prelude::*;

/// Windows that are summed side by side.
const LANES: usize = 32;
type Lanes<T> = [T; LANES];

/// An integer wide enough for the sums at hand.
trait Lane: Copy + Default + Send {
    fn of(v: i64) -> Self;
    fn wide(self) -> i64;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

macro_rules! lane {
    ($($t:ty),*) => { $(impl Lane for $t {
        fn of(v: i64) -> Self { v as Self }
        fn wide(self) -> i64 { self.into() }
        // Nothing overflows; without a check, lanes are added side by side in every profile.
        fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
        fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
    })* };
}
lane!(i32, i64);

/// A ternary matrix as the columns of its nonzeros, row by row: those of the 1s, then those of the
/// -1s.
pub struct Rows {
    columns: Vec<u32>,
    /// The ends of the 1s and of the -1s of each row.
    ends: Vec<[usize; 2]>,
}

impl Rows {
    /// The rows, each its entries with their columns.
    pub fn new<R: IntoIterator<Item = (usize, i8)>>(rows: impl IntoIterator<Item = R>) -> Rows {
        let mut made = Rows { columns: vec![], ends: vec![] };
        let mut minus = vec![];
        for row in rows {
            for (column, w) in row {
                match w {
                    0 => {}
                    1.. => made.columns.push(column as u32),
                    _ => minus.push(column as u32),
                }
            }
            let plus = made.columns.len();
            made.columns.append(&mut minus);
            made.ends.push([plus, made.columns.len()]);
        }
        made
    }

    /// Nonzeros of the row that has the most.
    pub fn longest(&self) -> usize {
        (0..self.ends.len()).map(|i| self.ends[i][1] - self.start(i)).max().unwrap_or(0)
    }

    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.ends[before][1])
    }

    fn sum<T: Lane>(&self, row: usize, columns: &[Lanes<T>]) -> Lanes<T> {
        let [plus, minus] = self.ends[row];
        let mut sum = [T::default(); LANES];
        for &k in &self.columns[self.start(row)..plus] {
            let x = &columns[k as usize];
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum = sum.plus(*x);
            }
        }
        for &k in &self.columns[plus..minus] {
            let x = &columns[k as usize];
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum = sum.minus(*x);
            }
        }
        sum
    }
}

/// Windows of images that lie one behind the other. A vector is an image of one pixel.
pub struct Windows {
    /// The shape of an image.
    pub input: Shape,
    /// The number of images.
    pub samples: usize,
    /// Windows of an image, down and across.
    pub count: (usize, usize),
    /// Height and width.
    pub size: Extent,
    /// Pixels between windows.
    pub stride: Extent,
    /// Zeros above and to the left.
    pub pad: Extent,
}

/// An integer for each row of a matrix and each window.
pub struct Sums {
    rows: usize,
    windows: usize,
    /// The first windows of each row, as many as lanes hold, then the next ones.
    lanes: Vec<Lanes<i64>>,
}

impl Windows {
    /// Windows of all images.
    pub fn len(&self) -> usize {
        self.samples * self.count.0 * self.count.1
    }

    /// The matrix times each window of `x`, whose values are at most `reach` in magnitude. Columns
    /// are numbered as pixels lie: row, column, channel.
    pub fn sums(&self, matrix: &Rows, x: &[i64], reach: i64, stop: Stop) -> Result<Sums> {
        let fits = reach.saturating_mul(matrix.longest() as i64) <= i64::from(i32::MAX);
        if fits {
            self.sums_of::<i32>(matrix, x, stop)
        } else {
            self.sums_of::<i64>(matrix, x, stop)
        }
    }

    fn sums_of<T: Lane>(&self, matrix: &Rows, x: &[i64], stop: Stop) -> Result<Sums> {
        let rows = matrix.ends.len();
        let mut lanes = vec![[0; LANES]; rows * self.len().div_ceil(LANES)];
        let columns = || vec![[T::default(); LANES]; self.size.area() * self.input.channels];
        lanes.par_chunks_mut(rows.max(1)).enumerate().try_for_each_init(
            columns,
            |columns, (tile, sums)| {
                stop.check()?;
                self.gather(x, tile * LANES, columns);
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = matrix.sum(row, columns).map(T::wide);
                }
                Ok(())
            },
        )?;
        Ok(Sums { rows, windows: self.len(), lanes })
    }

    /// A lane for each window from `first` on; 0 for those beyond the last.
    fn gather<T: Lane>(&self, x: &[i64], first: usize, columns: &mut [Lanes<T>]) {
        let Shape { height, width, channels } = self.input;
        let (down, across) = self.count;
        for (at, columns) in columns.chunks_mut(channels).enumerate() {
            let (ky, kx) = (at / self.size.w, at % self.size.w);
            for lane in 0..LANES {
                let window = first + lane;
                let (sample, window) = (window / (down * across), window % (down * across));
                let y = (window / across * self.stride.h + ky)
                    .checked_sub(self.pad.h)
                    .filter(|y| *y < height);
                let pixel = (window % across * self.stride.w + kx)
                    .checked_sub(self.pad.w)
                    .filter(|x| *x < width);
                match y.zip(pixel) {
                    Some((y, pixel)) if sample < self.samples => {
                        let from = ((sample * height + y) * width + pixel) * channels;
                        for (column, v) in columns.iter_mut().zip(&x[from..from + channels]) {
                            column[lane] = T::of(*v);
                        }
                    }
                    _ => columns.iter_mut().for_each(|column| column[lane] = T::default()),
                }
            }
        }
    }
}

impl Sums {
    /// The integers of a row, a window after the other.
    pub fn row(&self, row: usize) -> impl Iterator<Item = i64> + Clone {
        (0..self.windows).map(move |window| self.at(row, window))
    }

    /// The integer of a row in a window.
    pub fn at(&self, row: usize, window: usize) -> i64 {
        self.lanes[window / LANES * self.rows + row][window % LANES]
    }

    /// The products: round(a_i · u · 2^-t_i) for each row i.
    pub fn products(&self, a: &[i32], t: &[i32]) -> Sums {
        let mut lanes = self.lanes.clone();
        lanes.par_chunks_mut(self.rows.max(1)).for_each(|tile| {
            for ((u, a), t) in tile.iter_mut().zip(a).zip(t) {
                *u = u.map(|u| rounded(u * i64::from(*a), *t));
            }
        });
        Sums { lanes, ..*self }
    }

    /// The matrix times these, window by window.
    pub fn times(&self, matrix: &Rows, stop: Stop) -> Result<Sums> {
        let rows = matrix.ends.len();
        let mut lanes = vec![[0; LANES]; rows * self.windows.div_ceil(LANES)];
        let tiles = lanes.par_chunks_mut(rows.max(1)).zip(self.lanes.par_chunks(self.rows.max(1)));
        tiles.try_for_each(|(sums, columns)| {
            stop.check()?;
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum = matrix.sum(row, columns);
            }
            Ok(())
        })?;
        Ok(Sums { rows, windows: self.windows, lanes })
    }
}

/// round(v · 2^-shift), half up; exact for a shift ≤ 0.
pub fn rounded(v: i64, shift: i32) -> i64 {
    match shift {
        1.. => (v + (1 << (shift - 1))) >> shift,
        _ => v << -shift,
    }
}
