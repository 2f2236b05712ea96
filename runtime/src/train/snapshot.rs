//! Copies of a network's numbers: their moving average, and the best epoch's.

use super::checkpoint::Numbers;
use super::matmul::Real;

/// A copy of all numbers that training moves and evaluation reads, of the network in training: one
/// after the other, in one order. Moments are not in it, since each phase starts at rest.
pub struct Snapshot {
    /// The numbers in f32: of a float network.
    pub float: Vec<f32>,
    /// The numbers in f64: of an integer network in phase 3.
    pub frozen: Vec<f64>,
}

impl Snapshot {
    /// A copy of these numbers, as they are.
    pub fn of(numbers: Vec<Numbers>) -> Self {
        let mut copy = Snapshot { float: vec![], frozen: vec![] };
        for numbers in numbers {
            match numbers {
                Numbers::F32(v) => copy.float.extend_from_slice(v),
                Numbers::F64(v) => copy.frozen.extend_from_slice(v),
                Numbers::Ternary(_) | Numbers::I32(_) => {}
            }
        }
        copy
    }

    /// Moves by `share` of the way to the network: one step of an exponential moving average.
    pub fn approach(&mut self, numbers: Vec<Numbers>, share: f64) {
        self.along(
            numbers,
            |copies, v| approach(copies, v, share),
            |copies, v| approach(copies, v, share),
        );
    }

    /// Exchanges its numbers for those of the network.
    pub fn exchange(&mut self, numbers: Vec<Numbers>) {
        self.along(
            numbers,
            |copies, v| copies.swap_with_slice(v),
            |copies, v| copies.swap_with_slice(v),
        );
    }

    /// Calls one of the two for each tensor, with its copies and its numbers.
    fn along(
        &mut self,
        numbers: Vec<Numbers>,
        float: impl Fn(&mut [f32], &mut [f32]),
        frozen: impl Fn(&mut [f64], &mut [f64]),
    ) {
        let (mut floats, mut frozens) = (&mut self.float[..], &mut self.frozen[..]);
        for numbers in numbers {
            match numbers {
                Numbers::F32(v) => float(next(&mut floats, v.len()), v),
                Numbers::F64(v) => frozen(next(&mut frozens, v.len()), v),
                Numbers::Ternary(_) | Numbers::I32(_) => {}
            }
        }
    }
}

/// The next copies; there are as many as numbers, since networks keep their shapes.
fn next<'a, T>(copies: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    copies.split_off_mut(..n).unwrap_or_default()
}

fn approach<T: Real>(copies: &mut [T], numbers: &[T], share: f64) {
    let share = T::real(share);
    copies.iter_mut().zip(numbers).for_each(|(copy, &v)| *copy += share * (v - *copy));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_and_exchanges() {
        let (mut a, mut b, mut c) = ([1.0f32, 2.0], [3.0f64], [4.0f32]);
        let copies = |v: &Snapshot| (v.float.clone(), v.frozen.clone());
        let mut average = Snapshot { float: vec![2.0, 3.0, 5.0], frozen: vec![4.0] };
        average
            .approach(vec![Numbers::F32(&mut a), Numbers::F64(&mut b), Numbers::F32(&mut c)], 0.25);
        assert_eq!(copies(&average), (vec![1.75, 2.75, 4.75], vec![3.75]));
        average.exchange(vec![Numbers::F32(&mut a), Numbers::F64(&mut b), Numbers::F32(&mut c)]);
        assert_eq!((a, b, c), ([1.75, 2.75], [3.75], [4.75]));
        assert_eq!(copies(&average), (vec![1.0, 2.0, 4.0], vec![3.0]));
        let copy =
            Snapshot::of(vec![Numbers::F32(&mut a), Numbers::F64(&mut b), Numbers::F32(&mut c)]);
        assert_eq!(copies(&copy), (vec![1.75, 2.75, 4.75], vec![3.75]));
    }
}
