//! The 8×8 handwritten digits that ship with the project: `runtime/data/digits.csv.gz`, its licence
//! beside it.

use super::{DataSet, Split, gzip, split_by_class};
use crate::error::{Error, Result};
use ndarray::Array2;

const FILE: &[u8] = include_bytes!("../../data/digits.csv.gz");
const SAMPLES: usize = 1797;
const PIXELS: usize = 64;

/// 1,442 train and 355 test samples of shape `[8, 8]`; a pixel 0..=16 is v · 2^-4. The file comes
/// in one piece: every fifth sample of each class is a test sample.
pub fn load() -> Result<DataSet> {
    let damaged = || Error::internal("data set `digits`", "the embedded file is damaged");
    let text = gzip::read("the embedded digits", FILE.to_vec(), 1 << 20)?;
    let text = std::str::from_utf8(&text).map_err(|_| damaged())?;
    let mut pixels = Vec::with_capacity(SAMPLES * PIXELS);
    let mut labels = Vec::with_capacity(SAMPLES);
    for line in text.lines() {
        let mut fields = line.split(',');
        for field in fields.by_ref().take(PIXELS) {
            let v: u8 = field.parse().map_err(|_| damaged())?;
            pixels.push(f32::from(v) / 16.0);
        }
        labels.push(fields.next().and_then(|f| f.parse().ok()).ok_or_else(damaged)?);
    }
    let x = Array2::from_shape_vec((SAMPLES, PIXELS), pixels).map_err(|_| damaged())?;
    let x = x.into();
    let (train, test) = split_by_class(&labels);
    Ok(DataSet {
        name: "digits".into(),
        shape: vec![8, 8],
        further: vec![],
        classes: 10,
        class_names: None,
        notes: vec![],
        train: Split::select(&x, &labels, &train),
        test: Split::select(&x, &labels, &test),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_fixed_and_balanced() {
        let data = load().unwrap();
        assert_eq!((data.train.len(), data.test.len()), (1442, 355));
        let mut counts = [0; 10];
        data.test.labels.iter().for_each(|l| counts[*l as usize] += 1);
        assert_eq!(counts, [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]);
        // The file's first sample is a 0, its fortieth or so the first test sample.
        assert_eq!(data.train.labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(
            data.train.x.singles().row(0).as_slice().unwrap()[..8],
            [0., 0., 5., 13., 9., 1., 0., 0.].map(|v| v / 16.0)
        );
    }

    #[test]
    fn pixels_are_sixteenths_within_zero_and_one() {
        let data = load().unwrap();
        let [train, test] = [data.train.x.singles(), data.test.x.singles()];
        let mut pixels = train.iter().chain(&test);
        assert!(pixels.all(|v| (0.0..=1.0).contains(v) && (v * 16.0).fract() == 0.0));
        assert!(data.train.x.singles().iter().any(|v| *v == 1.0));
    }
}
