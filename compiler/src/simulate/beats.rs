//! Vectors of integers as beats of an AXI4-Stream, and back: see [`Stream`].

use super::{LAST, USER};
use crate::emit::signature::Stream;

impl Stream {
    /// Appends the beats of `vector` to `data` and `flags`; `user` goes with the first one, and
    /// rubbish fills surplus lanes.
    pub fn encode(&self, vector: &[i64], user: bool, data: &mut Vec<u8>, flags: &mut Vec<u8>) {
        let end = data.len() + self.beats * self.beat_bytes();
        for value in vector {
            data.extend_from_slice(&value.to_le_bytes()[..self.element_bytes]);
        }
        // Anything: surplus lanes are not read.
        data.resize(end, 0xa5);
        for beat in 0..self.beats {
            let last = if beat + 1 == self.beats { LAST } else { 0 };
            let user = if beat == 0 && user { USER } else { 0 };
            flags.push(last | user);
        }
    }

    /// The vector of `beats` beats' bytes, or what is wrong with them: an element that is not
    /// extended to its bytes as the format says, or a surplus lane that is not zero.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<i64>, String> {
        let mut vector = Vec::with_capacity(self.elements);
        for (i, element) in bytes.chunks(self.element_bytes).enumerate() {
            let mut word = [0u8; 8];
            word[..self.element_bytes].copy_from_slice(element);
            let unused = 64 - 8 * self.element_bytes as u32;
            let raw = i64::from_le_bytes(word);
            let value = if self.format.signed { raw << unused >> unused } else { raw };
            if i >= self.elements {
                if raw != 0 {
                    return Err(format!("surplus lane {i} is not zero"));
                }
            } else if !(self.format.min()..=self.format.max()).contains(&value) {
                return Err(format!("element {i} is not extended as {} asks", self.format));
            } else {
                vector.push(value);
            }
        }
        Ok(vector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::signature::{Beat, Vector};
    use proptest::prelude::*;
    use strassenc_runtime::Format;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn decode_undoes_encode(
            signed: bool,
            bits in 1u32..=54,
            lanes in 1usize..=9,
            wide: bool,
            seeds in prop::collection::vec(any::<i64>(), 1..30),
            user: bool,
        ) {
            let format = Format { signed, bits, frac: 0 };
            let least = format.bits.div_ceil(8) as usize;
            let beat = if wide {
                Beat::Bits(8 * lanes * least.next_power_of_two())
            } else {
                Beat::Elements(lanes)
            };
            let stream = Stream::new(Vector { elements: seeds.len(), format }, beat).unwrap();
            let values = format.max() - format.min() + 1;
            let vector: Vec<i64> =
                seeds.iter().map(|v| v.rem_euclid(values) + format.min()).collect();
            let (mut data, mut flags) = (vec![], vec![]);
            stream.encode(&vector, user, &mut data, &mut flags);
            prop_assert_eq!(data.len(), stream.beats * stream.beat_bytes());
            prop_assert_eq!(flags.iter().filter(|f| *f & LAST != 0).count(), 1);
            prop_assert_eq!(flags[stream.beats - 1] & LAST, LAST);
            prop_assert_eq!(flags[0] & USER != 0, user);
            // What a core gives has zeros there.
            let surplus = stream.beat_bytes() - stream.last_bytes();
            let used = data.len() - surplus;
            data[used..].fill(0);
            prop_assert_eq!(stream.decode(&data).unwrap(), vector);
        }
    }

    #[test]
    fn wrong_extension_and_surplus_lanes_are_told() {
        let format = Format { signed: true, bits: 5, frac: 0 };
        let stream = Stream::new(Vector { elements: 3, format }, Beat::Elements(2)).unwrap();
        assert_eq!(stream.decode(&[0xf0, 15, 1, 0]), Ok(vec![-16, 15, 1]));
        assert_eq!(
            stream.decode(&[0x10, 0, 0, 0]),
            Err("element 0 is not extended as s5 · 2^0 asks".into())
        );
        assert_eq!(stream.decode(&[0, 0, 0, 1]), Err("surplus lane 3 is not zero".into()));
    }
}
