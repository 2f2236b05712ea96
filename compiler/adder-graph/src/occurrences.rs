//! The occurrences of a signal in the sums of a greedy pass.
//!
//! A position is `row · stride + shift`; the stride is so large that no shift leads from one row
//! into another.

use super::sums::Summand;

/// The positions of one signal, with signs. Signals that occur often are bit sets, the others
/// sorted lists.
#[derive(Clone, Debug)]
pub enum Occurrences {
    /// The positions that are added, then those that are subtracted, a bit each.
    Dense(Box<[u64]>),
    /// `position · 2 + sign`, sorted.
    Sparse(Vec<u32>),
}

/// How positions are counted.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    stride: u32,
    words: usize,
}

impl Layout {
    /// The layout for `rows` sums with shifts up to `shift`.
    pub fn new(rows: usize, shift: u32) -> Self {
        let stride = 2 * shift + 1;
        let positions = rows * stride as usize;
        assert!(positions < 1 << 31, "positions fit 31 bits");
        Layout { stride, words: positions.div_ceil(64) }
    }

    /// Largest shift and distance.
    pub fn span(self) -> u32 {
        (self.stride - 1) / 2
    }

    /// The position of a term in a row, with its sign.
    pub fn place(self, row: usize, term: Summand) -> u32 {
        (row as u32 * self.stride + term.shift()) << 1 | u32::from(term.negate())
    }

    /// The row of a place.
    #[inline]
    pub fn row(self, place: u32) -> usize {
        // Ternary matrices have no shifts, and divisions are slow.
        if self.stride == 1 { (place >> 1) as usize } else { ((place >> 1) / self.stride) as usize }
    }

    /// The shift of a place.
    #[inline]
    pub fn shift(self, place: u32) -> u32 {
        if self.stride == 1 { 0 } else { (place >> 1) % self.stride }
    }

    /// The occurrences at `places`, which are sorted.
    pub fn collect(self, places: Vec<u32>) -> Occurrences {
        if places.len() < 2 * self.words {
            return Occurrences::Sparse(places);
        }
        let mut bits = vec![0u64; 2 * self.words];
        for place in places {
            bits[self.word(place)] |= bit(place);
        }
        Occurrences::Dense(bits.into())
    }

    #[inline]
    fn word(self, place: u32) -> usize {
        (place >> 7) as usize + if place & 1 == 1 { self.words } else { 0 }
    }

    /// Whether the signal occurs there.
    #[inline]
    fn contains(self, occurrences: &Occurrences, place: u32) -> bool {
        match occurrences {
            Occurrences::Dense(bits) => bits[self.word(place)] & bit(place) != 0,
            Occurrences::Sparse(places) => places.binary_search(&place).is_ok(),
        }
    }

    /// Takes a place away.
    pub fn remove(self, occurrences: &mut Occurrences, place: u32) {
        match occurrences {
            Occurrences::Dense(bits) => bits[self.word(place)] &= !bit(place),
            Occurrences::Sparse(places) => {
                if let Ok(at) = places.binary_search(&place) {
                    places.remove(at);
                }
            }
        }
    }

    /// Calls `visit` with the places of `a`, in order for each sign, at which `b` stands `distance`
    /// further on with the same sign, or with the other one if `negate`.
    #[inline]
    pub fn for_each_pair(
        self,
        a: &Occurrences,
        b: &Occurrences,
        distance: i32,
        negate: bool,
        mut visit: impl FnMut(u32),
    ) {
        let step = 2 * distance;
        let partner = |place: u32| place.wrapping_add_signed(step) ^ u32::from(negate);
        match (a, b) {
            (Occurrences::Sparse(a), b) => {
                // A place before the first wraps round to one after the last.
                let inside = |place: u32| (place >> 7) < self.words as u32;
                a.iter()
                    .filter(|&&p| inside(partner(p)) && self.contains(b, partner(p)))
                    .for_each(|&p| visit(p));
            }
            (a, Occurrences::Sparse(b)) => {
                let back = |place: u32| place.wrapping_add_signed(-step) ^ u32::from(negate);
                let inside = |place: u32| (place >> 7) < self.words as u32;
                b.iter()
                    .map(|&p| back(p))
                    .filter(|&p| inside(p) && self.contains(a, p))
                    .for_each(visit);
            }
            (Occurrences::Dense(a), Occurrences::Dense(b)) => {
                for (sign, i, both) in self.both(a, b, distance, negate) {
                    let mut both = both;
                    while both != 0 {
                        visit(((i as u32) << 6 | both.trailing_zeros()) << 1 | sign);
                        both &= both - 1;
                    }
                }
            }
        }
    }

    /// The number of places that [`for_each_pair`](Self::for_each_pair) visits.
    #[inline]
    pub fn count_pairs(
        self,
        a: &Occurrences,
        b: &Occurrences,
        distance: i32,
        negate: bool,
    ) -> usize {
        if let (Occurrences::Dense(a), Occurrences::Dense(b)) = (a, b) {
            return self
                .both(a, b, distance, negate)
                .map(|(.., both)| both.count_ones() as usize)
                .sum();
        }
        let mut count = 0;
        self.for_each_pair(a, b, distance, negate, |_| count += 1);
        count
    }

    /// Words of the intersection: for each sign of `a`, the word's index and its bits.
    #[inline]
    fn both<'a>(
        self,
        a: &'a [u64],
        b: &'a [u64],
        distance: i32,
        negate: bool,
    ) -> impl Iterator<Item = (u32, usize, u64)> + 'a {
        let n = self.words;
        let halves = [
            (0, &a[..n], if negate { &b[n..] } else { &b[..n] }),
            (1, &a[n..], if negate { &b[..n] } else { &b[n..] }),
        ];
        halves.into_iter().flat_map(move |(sign, a, b)| {
            a.iter().enumerate().map(move |(i, &word)| {
                let other = if distance == 0 {
                    b[i]
                } else {
                    window(b, i as i64 * 64 + i64::from(distance))
                };
                (sign, i, word & other)
            })
        })
    }
}

#[inline]
fn bit(place: u32) -> u64 {
    1 << (place >> 1 & 63)
}

/// 64 bits from bit `from` on; bits outside are 0.
#[inline]
fn window(bits: &[u64], from: i64) -> u64 {
    let (word, offset) = (from.div_euclid(64), from.rem_euclid(64) as u32);
    let get = |i: i64| usize::try_from(i).ok().and_then(|i| bits.get(i)).copied().unwrap_or(0);
    if offset == 0 { get(word) } else { get(word) >> offset | get(word + 1) << (64 - offset) }
}
