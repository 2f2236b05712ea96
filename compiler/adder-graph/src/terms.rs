use super::Term;
use std::ops::{Deref, DerefMut};

/// The terms of an addition: two, or three where the device adds three in one carry chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Terms<T = Term> {
    /// Two of them.
    Two([T; 2]),
    /// Three of them.
    Three([T; 3]),
}

impl<T: Copy> Terms<T> {
    /// These terms; `None` where they are fewer than two or more than three.
    pub fn new(terms: &[T]) -> Option<Self> {
        match *terms {
            [a, b] => Some(Terms::Two([a, b])),
            [a, b, c] => Some(Terms::Three([a, b, c])),
            _ => None,
        }
    }

    /// What `f` makes of each, in order.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Terms<U> {
        match self {
            Terms::Two(terms) => Terms::Two(terms.map(f)),
            Terms::Three(terms) => Terms::Three(terms.map(f)),
        }
    }
}

impl<T> Deref for Terms<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Terms::Two(terms) => terms,
            Terms::Three(terms) => terms,
        }
    }
}

impl<T> DerefMut for Terms<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Terms::Two(terms) => terms,
            Terms::Three(terms) => terms,
        }
    }
}
