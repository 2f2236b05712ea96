//! What comes next: an index drawn from a network's outputs.

use rand::{Rng, RngExt};

/// An index drawn from the softmax of outputs · 2^-frac / temperature; the largest output, the first of equals, where the temperature is 0.
///
/// The same outputs and the same generator give the same index. Floats decide only here, after all integers.
pub fn sample(outputs: &[i64], frac: i32, temperature: f64, rng: &mut impl Rng) -> usize {
    let largest = outputs.iter().copied().max().unwrap_or(0);
    if temperature <= 0.0 {
        return outputs.iter().position(|y| *y == largest).unwrap_or(0);
    }
    let scale = 2f64.powi(-frac) / temperature;
    let weights: Vec<f64> = outputs.iter().map(|y| ((y - largest) as f64 * scale).exp()).collect();
    let mut rest = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (i, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return i;
        }
        rest -= weight;
    }
    // What rounding leaves.
    weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn draws_are_as_frequent_as_the_softmax_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let outputs = [0, 3, -2, 6];
        let mut counts = [0; 4];
        (0..40_000).for_each(|_| counts[sample(&outputs, 1, 2.0, &mut rng)] += 1);
        let weights = outputs.map(|y| (f64::from(y as i32) / 4.0).exp());
        let sum: f64 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) / 40_000.0 - weight / sum).abs() < 0.01, "{counts:?}");
        }
        assert_eq!([sample(&outputs, 1, 0.0, &mut rng), sample(&[4, 4], 0, 0.0, &mut rng)], [3, 0]);
        // Far apart: no overflow.
        assert_eq!(sample(&[1 << 50, 0], 0, 1e-3, &mut rng), 0);
    }
}
