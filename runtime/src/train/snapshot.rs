//! Copies of a network's numbers: their moving average, and the best epoch's.

use super::float::Float;
use super::frozen::{Frozen, FrozenLayer};
use super::matmul::Real;

/// A copy of all numbers that training moves and evaluation reads, of the network in training: one after the other, in one
/// order. Moments are not in it, since each phase starts at rest.
pub struct Snapshot {
    /// Of the float network, in phases 1 and 2; else empty.
    pub float: Vec<f32>,
    /// Of the integer network, in phase 3; else empty.
    pub frozen: Vec<f64>,
}

impl Snapshot {
    /// Of the integer network, if there is one; else of the float network.
    pub fn of(float: &mut Float<f32>, frozen: Option<&mut Frozen>) -> Self {
        let (mut of_float, mut of_frozen) = (Vec::new(), Vec::new());
        match frozen {
            None => each_of_float(float, |numbers| of_float.extend_from_slice(numbers)),
            Some(frozen) => each_of_frozen(frozen, |numbers| of_frozen.extend_from_slice(numbers)),
        }
        Snapshot { float: of_float, frozen: of_frozen }
    }

    /// Moves by `share` of the way to the network: one step of an exponential moving average.
    pub fn approach(&mut self, float: &mut Float<f32>, frozen: Option<&mut Frozen>, share: f64) {
        match frozen {
            None => each_of_float(float, along(&mut self.float, |copies, numbers| approach(copies, numbers, share))),
            Some(frozen) => {
                each_of_frozen(frozen, along(&mut self.frozen, |copies, numbers| approach(copies, numbers, share)))
            }
        }
    }

    /// Exchanges its numbers for those of the network, which is ready for evaluation then.
    pub fn exchange(&mut self, float: &mut Float<f32>, frozen: Option<&mut Frozen>) {
        match frozen {
            None => {
                each_of_float(float, along(&mut self.float, |copies, numbers| copies.swap_with_slice(numbers)));
                float.renew();
            }
            Some(frozen) => {
                each_of_frozen(frozen, along(&mut self.frozen, |copies, numbers| copies.swap_with_slice(numbers)));
                frozen.layers_mut().for_each(FrozenLayer::renew);
            }
        }
    }
}

fn approach<T: Real>(copies: &mut [T], numbers: &[T], share: f64) {
    let share = T::real(share);
    copies.iter_mut().zip(numbers).for_each(|(copy, &v)| *copy += share * (v - *copy));
}

/// What is done to a tensor's numbers, given their copies.
fn along<'a, T>(mut copies: &'a mut [T], mut act: impl FnMut(&mut [T], &mut [T]) + 'a) -> impl FnMut(&mut [T]) + 'a {
    move |numbers| {
        // As many as there are numbers, since networks keep their shapes.
        let (these, rest) = std::mem::take(&mut copies).split_at_mut(numbers.len());
        act(these, numbers);
        copies = rest;
    }
}

/// Parameters and running statistics; all are in standard layout.
fn each_of_float(float: &mut Float<f32>, mut act: impl FnMut(&mut [f32])) {
    for spn in float.spns_mut() {
        spn.parameters().filter_map(|(_, parameter, _)| parameter.value.as_slice_mut()).for_each(&mut act);
        for norm in spn.norms_mut() {
            [&mut norm.mean, &mut norm.variance].into_iter().filter_map(|v| v.as_slice_mut()).for_each(&mut act);
        }
    }
}

fn each_of_frozen(frozen: &mut Frozen, mut act: impl FnMut(&mut [f64])) {
    for FrozenLayer { a, bias, log_scales, .. } in frozen.layers_mut() {
        [a, bias]
            .into_iter()
            .chain(log_scales)
            .filter_map(|parameter| parameter.value.as_slice_mut())
            .for_each(&mut act);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// A step of an average over every number of a float network, by the definition; then there and back.
    #[test]
    fn averages_and_exchanges() {
        let text = "name = \"t\"\ninput = { shape = [5], bits = 8, frac = 8 }\nlayers = [\
            { dense = { units = 4, r = 6 } }, \"relu\", { dense = { units = 3, r = 4 } }]";
        let network = Network::parse("t", text).unwrap();
        let mut float = Float::new(&network, 5, &mut ChaCha8Rng::seed_from_u64(1));
        let before = Snapshot::of(&mut float, None).float;
        // W_b, W_c, a, bias, scale, and two statistics of each norm.
        assert_eq!(before.len(), (6 * 5 + 4 * 6 + 6 + 4 + 4 + 2 * 6 + 2 * 4) + (4 * 4 + 3 * 4 + 4 + 3 + 2 * 4));
        let mut average = Snapshot { float: before.iter().map(|v| v + 1.0).collect(), frozen: vec![] };
        average.approach(&mut float, None, 0.25);
        assert!(average.float.iter().zip(&before).all(|(a, v)| (a - v - 0.75).abs() < 1e-6));
        let averaged = average.float.clone();
        average.exchange(&mut float, None);
        assert_eq!((average.float.clone(), Snapshot::of(&mut float, None).float), (before.clone(), averaged));
        average.exchange(&mut float, None);
        assert_eq!(Snapshot::of(&mut float, None).float, before);
    }
}
