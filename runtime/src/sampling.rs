//! What comes next: an index drawn from a network's outputs.

/// An index by the softmax of outputs · 2^-frac / temperature, where `draw` is uniform in 0..1; the
/// largest output, the first of equals, where the temperature is 0.
///
/// The same outputs and the same draw give the same index. Floats decide only here, after all
/// integers.
pub fn sample(outputs: &[i64], frac: i32, temperature: f64, draw: f64) -> usize {
    let largest = outputs.iter().copied().max().unwrap_or(0);
    if temperature <= 0.0 {
        return outputs.iter().position(|y| *y == largest).unwrap_or(0);
    }
    let scale = 2f64.powi(-frac) / temperature;
    let weights: Vec<f64> = outputs.iter().map(|y| ((y - largest) as f64 * scale).exp()).collect();
    let mut rest = draw * weights.iter().sum::<f64>();
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

    #[test]
    fn draws_are_as_frequent_as_the_softmax_says() {
        let outputs = [0, 3, -2, 6];
        let mut counts = [0; 4];
        (0..40_000).for_each(|i| counts[sample(&outputs, 1, 2.0, f64::from(i) / 40_000.0)] += 1);
        let weights = outputs.map(|y| (f64::from(y as i32) / 4.0).exp());
        let sum: f64 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) / 40_000.0 - weight / sum).abs() < 1e-4, "{counts:?}");
        }
        assert_eq!([sample(&outputs, 1, 0.0, 0.5), sample(&[4, 4], 0, 0.0, 0.5)], [3, 0]);
        // Far apart: no overflow.
        assert_eq!(sample(&[1 << 50, 0], 0, 1e-3, 0.5), 0);
    }
}
