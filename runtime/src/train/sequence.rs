//! Training over sequences, such as the characters of a text.

pub(crate) mod linear;
pub(crate) mod network;
