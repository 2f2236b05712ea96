//! Which numbers options take, so that no slip of a finger fills the memory, panics, or runs for
//! years.

use clap::builder::TypedValueParser;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use strassenc::build::{MOST_DEPTH, MOST_EFFORT};
use strassenc_runtime::{Error, Result};

/// Seconds of thirty years.
const MOST_SECONDS: f64 = 1e9;
/// Numbers in the vectors that one command makes: they take a gigabyte.
const MOST_NUMBERS: usize = 1 << 27;

/// Threads: no machine has more cores, and each takes memory.
pub fn threads() -> impl TypedValueParser<Value = usize> {
    count(1..=1024)
}

/// How many of something, within a range.
pub fn count(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = usize> {
    within(range).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

/// A whole number within a range.
pub fn whole(range: RangeInclusive<u32>) -> impl TypedValueParser<Value = u32> {
    within(range)
}

fn within<T>(range: RangeInclusive<T>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let (least, most) = (range.start(), range.end());
        match text.parse::<T>() {
            Ok(n) if range.contains(&n) => Ok(n),
            Ok(n) => Err(format!("{n} is not in {least}..={most}")),
            Err(_) => Err(format!("it must be a whole number from {least} to {most}")),
        }
    }
}

/// A depth of additions.
pub fn depth() -> impl TypedValueParser<Value = u32> {
    whole(0..=MOST_DEPTH)
}

/// The most operands of an adder.
pub fn operands() -> impl TypedValueParser<Value = u8> {
    within(2..=3)
}

/// How hard to search for common sums.
pub fn effort() -> impl TypedValueParser<Value = u8> {
    within(0..=MOST_EFFORT)
}

/// A limit in seconds, more than none.
pub fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= MOST_SECONDS => Ok(seconds),
        _ => Err(format!("it must be a positive number of seconds, at most {MOST_SECONDS:e}")),
    }
}

/// A real number within a range.
pub fn real(text: &str, range: RangeInclusive<f64>) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(format!("it must be a number from {} to {}", range.start(), range.end())),
    }
}

/// A number, or one over another: `1/4`.
pub fn fraction(text: &str) -> std::result::Result<f64, String> {
    let number =
        |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{text}` is no number"));
    let value = match text.split_once('/') {
        Some((over, under)) => number(over)? / number(under)?,
        None => number(text)?,
    };
    if value.is_finite() { Ok(value) } else { Err("is not finite".into()) }
}

/// Whether so many vectors of so many elements can be made.
///
/// # Errors
/// Where they would take more than the memory that is meant for them.
pub fn check_vectors(option: &str, vectors: usize, elements: usize) -> Result<()> {
    let most = MOST_NUMBERS / elements.max(1);
    if vectors <= most {
        return Ok(());
    }
    Err(Error::input(
        option,
        format_args!("{vectors} vectors of {elements} elements are more than memory is meant for"),
    )
    .help(format_args!("give at most {most}")))
}
