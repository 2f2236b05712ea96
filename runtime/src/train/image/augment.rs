//! Random changes to images that change nothing about what they show.

use crate::network::Recipe;
use crate::shape::Shape;
use ndarray::ArrayView1;
use rand::{Rng, RngExt};

/// Changes images by chance: shifted over a border of zeros, then mirrored, then with a square cut
/// out of them.
pub struct Augment {
    shape: Shape,
    shift: usize,
    flip: bool,
    cutout: usize,
    /// The inputs that are kept, where some are dropped since they never change, and an image with
    /// the values of the others.
    dropped: Option<(Vec<usize>, Vec<f32>)>,
}

/// What chance does to one image.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    /// Pixels that the image moves.
    down: isize,
    right: isize,
    mirrored: bool,
    /// Row and column of the middle of the square that is cut out.
    cut: Option<(usize, usize)>,
}

impl Augment {
    /// The changes for images of `shape`, `[height, width]` or `[height, width, channels]`, of
    /// which only the `live` inputs are kept; `sample` is any one, whole. None where the recipe
    /// leaves images as they are.
    pub fn new(
        recipe: &Recipe,
        shape: &[usize],
        live: &[usize],
        sample: ArrayView1<f32>,
    ) -> Option<Self> {
        let &Recipe { shift, flip, cutout, .. } = recipe;
        let dropped = (live.len() < sample.len()).then(|| (live.to_vec(), sample.to_vec()));
        (shift > 0 || flip || cutout > 0).then(|| Augment {
            shape: Shape::of(shape),
            shift,
            flip,
            cutout,
            dropped,
        })
    }

    /// The live inputs of a sample, changed by chance, to `to`.
    pub fn apply(&self, sample: &[f32], rng: &mut impl Rng, to: &mut [f32]) {
        let change = self.draw(rng);
        let Some((live, whole)) = &self.dropped else { return self.change(&change, sample, to) };
        let mut image = whole.clone();
        live.iter().zip(sample).for_each(|(&j, &v)| image[j] = v);
        let mut changed = vec![0.0; image.len()];
        self.change(&change, &image, &mut changed);
        live.iter().zip(to).for_each(|(&j, to)| *to = changed[j]);
    }

    /// Draws a change, part by part in this order; what the recipe does without takes nothing from
    /// the generator.
    fn draw(&self, rng: &mut impl Rng) -> Change {
        let Shape { height, width, .. } = self.shape;
        let (shifts, reach) = (2 * self.shift + 1, self.shift as isize);
        let shift =
            if self.shift > 0 { rng.random_range(0..shifts * shifts) } else { shifts * shifts / 2 };
        let mirrored = self.flip && rng.random();
        let cut = (self.cutout > 0).then(|| rng.random_range(0..height * width));
        Change {
            down: (shift / shifts) as isize - reach,
            right: (shift % shifts) as isize - reach,
            mirrored,
            cut: cut.map(|pixel| (pixel / width, pixel % width)),
        }
    }

    /// A whole image, row by row; what further inputs have behind it stays as it is.
    fn change(&self, change: &Change, image: &[f32], to: &mut [f32]) {
        let Shape { height, width, channels } = self.shape;
        let (image, further) = image.split_at(self.shape.elements());
        let (to, further_to) = to.split_at_mut(self.shape.elements());
        further_to.copy_from_slice(further);
        let shifted = change.right.unsigned_abs().min(width) * channels;
        for (row, to) in to.chunks_exact_mut(width * channels).enumerate() {
            let Some(from) = row.checked_add_signed(-change.down).filter(|row| *row < height)
            else {
                to.fill(0.0);
                continue;
            };
            let from = &image[from * width * channels..][..width * channels];
            let kept = from.len() - shifted;
            let (at, from) =
                if change.right < 0 { (0, &from[shifted..]) } else { (shifted, &from[..kept]) };
            to[..at].fill(0.0);
            to[at + kept..].fill(0.0);
            to[at..at + kept].copy_from_slice(from);
            if change.mirrored {
                to.reverse();
                to.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
            }
        }
        let Some((row, column)) = change.cut else { return };
        let square = |middle: usize, size: usize| {
            let first = middle as isize - self.cutout as isize / 2;
            let end = (first + self.cutout as isize).min(size as isize);
            first.max(0) as usize..end as usize
        };
        let columns = square(column, width);
        for row in square(row, height) {
            let first = row * width;
            to[(first + columns.start) * channels..(first + columns.end) * channels].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::ArrayView1;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeSet;

    /// Pixel by pixel: where does the value at (row, column) come from?
    fn by_definition(augment: &Augment, change: &Change, image: &[f32]) -> Vec<f32> {
        let Shape { height, width, channels } = augment.shape;
        let (h, w, n) = (height as isize, width as isize, augment.cutout as isize);
        let value = |index: usize| {
            let (row, column, channel) =
                (index / channels / width, index / channels % width, index % channels);
            let (row, column) = (row as isize, column as isize);
            if let Some((middle, centre)) = change.cut {
                let (down, right) =
                    (row - middle as isize + n / 2, column - centre as isize + n / 2);
                if (0..n).contains(&down) && (0..n).contains(&right) {
                    return 0.0;
                }
            }
            let column = if change.mirrored { w - 1 - column } else { column };
            let (row, column) = (row - change.down, column - change.right);
            let inside = (0..h).contains(&row) && (0..w).contains(&column);
            if inside { image[(row * w + column) as usize * channels + channel] } else { 0.0 }
        };
        (0..image.len()).map(value).collect()
    }

    fn augment(shape: [usize; 3], recipe: &Recipe, live: &[usize], whole: &[f32]) -> Augment {
        Augment::new(recipe, &shape, live, ArrayView1::from(whole)).unwrap()
    }

    proptest! {
        #[test]
        fn changes_are_their_definition(
            (height, width, channels) in (1usize..7, 1usize..7, 1usize..4),
            shift in 0usize..4,
            flip: bool,
            cutout in 0usize..9,
            keep: u64,
            seed: u64,
        ) {
            prop_assume!(shift > 0 || flip || cutout > 0);
            let shift = shift.min(height.min(width) / 2);
            let recipe = Recipe { shift, flip, cutout, ..Recipe::default() };
            prop_assume!(recipe.shift > 0 || flip || cutout > 0);
            let shape = [height, width, channels];
            let image: Vec<f32> = (0..height * width * channels).map(|i| i as f32 + 1.0).collect();
            let all: Vec<usize> = (0..image.len()).collect();
            let live: Vec<usize> =
                all.iter().copied().filter(|i| keep >> (i % 64) & 1 == 1).collect();
            for live in [all, live] {
                let augment = augment(shape, &recipe, &live, &image);
                let change = augment.draw(&mut ChaCha8Rng::seed_from_u64(seed));
                let expected = by_definition(&augment, &change, &image);
                let expected: Vec<f32> = live.iter().map(|&j| expected[j]).collect();
                let sample: Vec<f32> = live.iter().map(|&j| image[j]).collect();
                let mut changed = vec![7.0; live.len()];
                augment.apply(&sample, &mut ChaCha8Rng::seed_from_u64(seed), &mut changed);
                prop_assert_eq!(changed, expected, "{:?}", change);
            }
        }
    }

    #[test]
    fn every_change_occurs_and_nothing_else() {
        let recipe = Recipe { shift: 1, flip: true, cutout: 1, ..Recipe::default() };
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let augment = augment([2, 3, 1], &recipe, &[0, 1, 2, 3, 4, 5], &image);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<Change> = (0..10_000).map(|_| augment.draw(&mut rng)).collect();
        let distinct: BTreeSet<String> = drawn.iter().map(|change| format!("{change:?}")).collect();
        assert_eq!(distinct.len(), 9 * 2 * 6);
        assert!(drawn.iter().all(|c| c.down.abs() <= 1 && c.right.abs() <= 1));
        assert!(
            Augment::new(&Recipe::default(), &[2, 3], &[0], ArrayView1::from(&image)).is_none()
        );
    }
}
