//! Random shifts of images, so that a network learns that a little to the left is still the same.

use crate::shape::Shape;
use ndarray::ArrayView1;
use rand::{Rng, RngExt};

/// Where an input of a shifted sample comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The n-th live input.
    Live(usize),
    /// An input that is the same in all samples, or the 0 beyond the edge.
    Constant(f32),
}

/// All shifts by up to `reach` pixels down and across.
pub struct Shifts {
    /// For each shift, the source of each live input.
    maps: Vec<Vec<Source>>,
}

impl Shifts {
    /// For images of `shape`, `[height, width]` or `[height, width, channels]`, of which only the `live` inputs are kept; `sample` is any one, whole.
    pub fn new(reach: usize, shape: &[usize], live: &[usize], sample: ArrayView1<f32>) -> Self {
        let Shape { height, width, channels } = Shape::of(shape);
        let mut place = vec![None; sample.len()];
        for (n, &j) in live.iter().enumerate() {
            place[j] = Some(n);
        }
        let reach = reach as isize;
        let shifts = (-reach..=reach).flat_map(|down| (-reach..=reach).map(move |right| (down, right)));
        let source = |j: usize, down: isize, right: isize| {
            let (row, column, channel) = (j / channels / width, j / channels % width, j % channels);
            let from = (row.checked_add_signed(-down), column.checked_add_signed(-right));
            let (Some(row), Some(column)) = from else { return Source::Constant(0.0) };
            if row >= height || column >= width {
                return Source::Constant(0.0);
            }
            let from = (row * width + column) * channels + channel;
            place[from].map_or(Source::Constant(sample[from]), Source::Live)
        };
        Shifts { maps: shifts.map(|(down, right)| live.iter().map(|&j| source(j, down, right)).collect()).collect() }
    }

    /// The live inputs of a sample, shifted by chance.
    pub fn draw(&self, sample: ArrayView1<f32>, rng: &mut impl Rng) -> impl Iterator<Item = f32> {
        let map = &self.maps[rng.random_range(0..self.maps.len())];
        map.iter().map(move |source| match *source {
            Source::Live(n) => sample[n],
            Source::Constant(v) => v,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn every_shift_occurs_and_nothing_else() {
        // 2×3 pixels of two channels; input 8 is always 7.
        let whole = array![1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0, 7.0, 50.0, 6.0, 60.0];
        let live = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11];
        let shifts = Shifts::new(1, &[2, 3, 2], &live, whole.view());
        let sample = whole.select(ndarray::Axis(0), &live);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen: Vec<Vec<f32>> = (0..1000).map(|_| shifts.draw(sample.view(), &mut rng).collect()).collect();
        seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
        seen.dedup();
        assert_eq!(seen.len(), 9);
        assert!(seen.contains(&sample.to_vec()));
        let down = vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 10.0, 20.0, 3.0, 30.0];
        let left_up = vec![7.0, 50.0, 6.0, 60.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(seen.contains(&down) && seen.contains(&left_up), "{seen:?}");
    }
}
