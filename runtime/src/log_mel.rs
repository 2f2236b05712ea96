//! The log-mel front end: what enters a network of sounds, from the samples of a recording, all in
//! integers. `docs/log-mel.md` is the specification.

use crate::network::Input;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How a recording is cut into frames; [`Input::shape`] says how many, and how many mel bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMel {
    /// Samples a second, 1000..=192000.
    pub rate: u32,
    /// Samples of a frame, a power of two, 32..=1024.
    pub window: usize,
    /// Samples from one frame to the next, at most `window`.
    pub step: usize,
}

/// Fractional bits of the table of cosines.
const COSINE_BITS: u32 = 15;
/// Right shift of a windowed sample, which leaves 3 fractional bits.
const WINDOW_SHIFT: u32 = 13;
/// Fractional bits of the edge of a filter, in bins.
const EDGE_BITS: u32 = 6;
/// The weight at the peak of a filter.
const PEAK: u64 = 256;
/// Bits behind the leading one of an energy that its logarithm goes by.
const MANTISSA_BITS: u32 = 6;

/// A front end, ready to compute.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontEnd {
    /// How recordings are cut.
    pub cut: LogMel,
    /// Frames of what it yields.
    pub frames: usize,
    /// The largest integer that it yields.
    pub most: u32,
    /// Fractional bits of the logarithms.
    pub frac: u32,
    /// Entry k is 2^15 · cos(2πk / window).
    pub cosines: Vec<i32>,
    /// One for each mel band.
    pub filters: Vec<Filter>,
    /// Entry i is 2^frac · log2(1 + i / 64).
    pub logarithms: Vec<u32>,
}

/// The weights of a mel band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The bin of the first weight.
    pub first: usize,
    /// Weights of this bin and those that follow, at most 256; all are below `window` / 2.
    pub weights: Vec<u64>,
}

/// The nearest integer.
fn nearest(v: f64) -> i64 {
    (v + 0.5).floor() as i64
}

impl FrontEnd {
    /// The front end of an input, where it has one: of a valid description.
    pub fn of(input: &Input) -> Option<FrontEnd> {
        let cut = input.log_mel?;
        let &[frames, mels] = &input.shape[..] else { return None };
        let (window, frac) = (cut.window, u32::try_from(input.frac).ok()?);
        let angle = |k: usize| TAU * k as f64 / window as f64;
        let up = f64::from(1 << COSINE_BITS);
        let logarithm =
            |i: u32| f64::from(1 << frac) * f64::from(64 + i).log2() - f64::from(6 << frac);
        Some(FrontEnd {
            cut,
            frames,
            most: (1 << input.bits) - 1,
            frac,
            cosines: (0..window).map(|k| nearest(up * angle(k).cos()) as i32).collect(),
            filters: filters(cut, mels),
            logarithms: (0..1 << MANTISSA_BITS).map(|i| nearest(logarithm(i)) as u32).collect(),
        })
    }

    /// The samples that it looks at.
    pub fn samples(&self) -> usize {
        (self.frames - 1) * self.cut.step + self.cut.window
    }

    /// What enters the network, `[frames, mels]`, of a recording, which ends in silence where it is
    /// shorter than [`samples`](Self::samples).
    pub fn features(&self, recording: &[i16]) -> Vec<u32> {
        let levels: Vec<u32> = (0..self.frames)
            .flat_map(|frame| self.levels(recording.get(frame * self.cut.step..).unwrap_or(&[])))
            .collect();
        let peak = levels.iter().copied().max().unwrap_or(0).max(self.most);
        levels.into_iter().map(|level| (level + self.most).saturating_sub(peak)).collect()
    }

    /// The level of each mel band in a frame.
    fn levels(&self, samples: &[i16]) -> Vec<u32> {
        let (re, im) = self.transform(samples);
        let square = |v: i32| i64::from(v).pow(2) as u64;
        let power = |bin: usize| square(re[bin]) + square(im[bin]);
        let energy = |filter: &Filter| -> u64 {
            filter.weights.iter().enumerate().map(|(i, w)| w * power(filter.first + i)).sum()
        };
        self.filters.iter().map(|filter| self.logarithm(energy(filter))).collect()
    }

    /// 2^frac · log2(energy), and 0 for 0.
    fn logarithm(&self, energy: u64) -> u32 {
        let energy = energy.max(1);
        let zeros = energy.leading_zeros();
        let mantissa = energy << zeros << 1 >> (64 - MANTISSA_BITS);
        ((63 - zeros) << self.frac) + self.logarithms[mantissa as usize]
    }

    /// The Fourier transform of a frame under its window: the real and the imaginary parts.
    fn transform(&self, samples: &[i16]) -> (Vec<i32>, Vec<i32>) {
        let size = self.cut.window;
        let (mut re, mut im) = (vec![0; size], vec![0; size]);
        let reversal = usize::BITS - size.trailing_zeros();
        for (n, (&sample, &cosine)) in samples.iter().zip(&self.cosines).enumerate() {
            let windowed = i64::from(sample) * i64::from((1 << COSINE_BITS) - cosine);
            re[n.reverse_bits() >> reversal] = round(windowed, WINDOW_SHIFT);
        }
        let mut half = 1;
        while half < size {
            for k in 0..half {
                let angle = k * (size / 2 / half);
                let cos = i64::from(self.cosines[angle]);
                let sin = i64::from(self.cosines[(angle + size / 4 * 3) % size]);
                for even in (k..size).step_by(2 * half) {
                    let odd = even + half;
                    let (r, i) = (i64::from(re[odd]), i64::from(im[odd]));
                    let turned = round(cos * r + sin * i, COSINE_BITS);
                    (re[even], re[odd]) = (re[even] + turned, re[even] - turned);
                    let turned = round(cos * i - sin * r, COSINE_BITS);
                    (im[even], im[odd]) = (im[even] + turned, im[even] - turned);
                }
            }
            half *= 2;
        }
        (re, im)
    }
}

/// v · 2^-k, halves up.
fn round(v: i64, k: u32) -> i32 {
    ((v + (1 << (k - 1))) >> k) as i32
}

/// Triangles whose edges are as far from one another in mel, from 0 to half of the rate.
pub fn filters(cut: LogMel, mels: usize) -> Vec<Filter> {
    let rate = f64::from(cut.rate);
    let bins = f64::from(1 << EDGE_BITS) * cut.window as f64 / rate;
    let edge = |i: usize| {
        let of_all = i as f64 / (mels + 1) as f64;
        nearest(bins * 700.0 * ((1.0 + rate / 1400.0).powf(of_all) - 1.0)) as u64
    };
    let filter = |band: usize| {
        let [low, middle, high] = [0, 1, 2].map(|i| edge(band + i));
        let first = (low >> EDGE_BITS) + 1;
        let weight = |bin: u64| {
            let at = bin << EDGE_BITS;
            match at <= middle {
                true => PEAK * (at - low) / (middle - low),
                false => PEAK * (high - at) / (high - middle),
            }
        };
        let bins = first..high.div_ceil(1 << EDGE_BITS);
        Filter { first: first as usize, weights: bins.map(weight).collect() }
    };
    (0..mels).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(shape: [usize; 2], frac: i32, cut: LogMel) -> FrontEnd {
        let log_mel = Some(cut);
        let input = Input { shape: shape.into(), bits: 8, frac, signed: false, log_mel };
        FrontEnd::of(&input).unwrap()
    }

    const CUT: LogMel = LogMel { rate: 8000, window: 256, step: 128 };

    /// No entry is so near a half that platforms could differ in it.
    #[test]
    fn tables_are_the_same_on_every_platform() {
        let certain = |v: f64| assert!((v - v.floor() - 0.5).abs() > 1e-5, "{v}");
        (0..1024).for_each(|k| certain(32768.0 * (TAU * f64::from(k) / 1024.0).cos()));
        for frac in 0..=6 {
            (64..128).for_each(|i| certain(2f64.powi(frac) * (f64::from(i) / 64.0).log2()));
        }
        let FrontEnd { cosines, logarithms, .. } = front([4, 16], 4, CUT);
        assert_eq!((cosines[0], cosines[64], cosines[128]), (32768, 0, -32768));
        assert_eq!((logarithms[0], logarithms[32], logarithms[63]), (0, 9, 16));
    }

    #[test]
    fn a_tone_is_in_its_band_and_as_loud_in_any_recording() {
        let front = front([4, 16], 4, CUT);
        // Bands are 120 Hz wide at first, and 1000 Hz lies between the edges of the seventh.
        let tone = |height: f64, hertz: f64| -> Vec<i16> {
            let angle = TAU * hertz / 8000.0;
            (0..front.samples()).map(|n| (height * (angle * n as f64).sin()) as i16).collect()
        };
        let loud = front.features(&tone(20_000.0, 1000.0));
        for frame in loud.chunks(16) {
            let most = frame.iter().max().unwrap();
            assert_eq!(frame.iter().position(|v| v == most), Some(7), "{frame:?}");
        }
        assert_eq!(loud.iter().max(), Some(&255));
        // A tenth of the height is 6.6 powers of two less energy, relative to a louder frame.
        let mut both = tone(20_000.0, 1000.0);
        both[384..].copy_from_slice(&tone(2_000.0, 1000.0)[384..]);
        let both = front.features(&both);
        assert!(both[3 * 16 + 7].abs_diff(255 - 106) <= 2, "{both:?}");
        assert!(front.features(&tone(2_000.0, 1000.0))[7].abs_diff(255) <= 1);
    }

    #[test]
    fn silence_and_what_is_missing_are_zero() {
        let front = front([4, 16], 4, CUT);
        assert_eq!(front.features(&[]), [0; 64]);
        assert_eq!(front.features(&[0; 9999]), [0; 64]);
        let noise: Vec<i16> = (0..200).map(|n| (n * n % 701) as i16).collect();
        let features = front.features(&noise);
        assert!(features[..16].iter().all(|v| *v > 0) && features[32..].iter().all(|v| *v == 0));
    }
}
