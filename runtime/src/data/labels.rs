//! Classes from the labels in files.

use super::MAX_CLASSES;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::fmt::Display;

/// What may be wrong where labels make no sense.
pub const HELP: &str =
    "are these the labels? name the column of a table's with label=NAME or label=N";

/// What to do about several labels where one class is due.
pub const SEVERAL: &str = "name one column, or train to several labels or numbers: set \
    `loss = \"binary_cross_entropy\"` or `loss = \"squared\"` under `train`";

/// What to do about targets that are no numbers.
pub const NUMBERS: &str = "the loss of this network is of numbers: name their columns with \
    label=NAME or label=N, or leave `loss` away where they are classes";

/// The classes of a set: of its train split, and of its test split.
#[derive(Debug, PartialEq)]
pub struct Classes {
    /// The class of each sample.
    pub labels: [Vec<u32>; 2],
    /// How many classes there are.
    pub count: usize,
    /// The names of the classes, where the labels are no numbers from 0.
    pub names: Option<Vec<String>>,
    /// What the user should know of them.
    pub notes: Vec<String>,
}

/// The classes that numbers name. Where 0 is among them they are the classes, as they stand;
/// otherwise the classes are the numbers that occur, in their order. `places` name the files.
///
/// # Errors
/// Where there are too many classes.
pub fn of_numbers(labels: [&[i64]; 2], places: [&str; 2]) -> Result<Classes> {
    let (least, most) = labels
        .iter()
        .copied()
        .flatten()
        .fold((0, 0), |(low, high), v| (*v.min(&low), *v.max(&high)));
    let zero = labels.iter().any(|labels| labels.contains(&0));
    if !zero || least < 0 {
        let mut classes = in_order(labels, places)?;
        let names = classes.names.as_deref().unwrap_or_default();
        let shown: Vec<&str> = names.iter().map(String::as_str).take(12).collect();
        let more = if names.len() > shown.len() { ", …" } else { "" };
        let how = if least >= 0 && names[0] == "1" {
            "labels begin at 1, not at 0"
        } else {
            "labels are no numbers from 0"
        };
        classes.notes.push(format!(
            "{how}: {}{more} are classes 0 to {}",
            shown.join(", "),
            names.len() - 1
        ));
        return Ok(classes);
    }
    for (labels, place) in labels.iter().zip(places) {
        if let Some(sample) = labels.iter().position(|label| *label >= MAX_CLASSES as i64) {
            let cause = format!(
                "sample {sample} has label {}: a class is a number from 0 below {MAX_CLASSES}",
                labels[sample]
            );
            return Err(Error::input(place, cause).help(HELP));
        }
    }
    let labels = labels.map(|labels| labels.iter().map(|label| *label as u32).collect());
    Ok(Classes { labels, count: most as usize + 1, names: None, notes: vec![] })
}

/// The classes that words name: numbers where all of them are numbers, else words.
///
/// # Errors
/// Where a number is not whole, or as [`of_numbers`] or [`in_order`].
pub fn of_words(words: [&[String]; 2], places: [&str; 2]) -> Result<Classes> {
    let mut numbers = [vec![], vec![]];
    for ((some, numbers), place) in words.iter().zip(&mut numbers).zip(places) {
        for (sample, word) in some.iter().enumerate() {
            let Ok(v) = word.parse::<f64>() else { return in_order(words, places) };
            if v.fract() != 0.0 || v.abs() > (1u64 << 53) as f64 {
                let cause = format!(
                    "sample {sample} has label {word}: a class is a whole number or a word"
                );
                return Err(Error::input(place, cause).help(HELP));
            }
            numbers.push(v as i64);
        }
    }
    of_numbers([&numbers[0], &numbers[1]], places)
}

/// The classes that labels of any kind name: those that occur, in their order.
///
/// # Errors
/// Where there are too many, or nearly as many as samples.
pub fn in_order<T: Ord + Display>(labels: [&[T]; 2], places: [&str; 2]) -> Result<Classes> {
    let all: BTreeSet<&T> = labels.into_iter().flatten().collect();
    let samples = labels[0].len() + labels[1].len();
    let like_values = all.len() > 20 && all.len() > samples / 10 * 9;
    if all.len() > MAX_CLASSES || like_values {
        let cause = format!(
            "has {} different labels in {samples} samples, too many to be classes",
            all.len()
        );
        return Err(Error::input(places[0], cause).help(HELP));
    }
    let all: Vec<&T> = all.into_iter().collect();
    // Every label is among them.
    let class = |label: &T| all.binary_search(&label).unwrap_or_default() as u32;
    let labels = labels.map(|labels| labels.iter().map(class).collect());
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let alike = names.windows(2).find(|pair| pair[0].to_lowercase() == pair[1].to_lowercase());
    let notes = alike.map(|pair| {
        format!("labels `{}` and `{}` differ in case alone, and are two classes", pair[0], pair[1])
    });
    Ok(Classes {
        labels,
        count: names.len(),
        names: Some(names),
        notes: notes.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(train: &[i64], test: &[i64]) -> Result<Classes> {
        of_numbers([train, test], ["a", "b"])
    }

    #[test]
    fn numbers_from_zero_are_classes_and_others_are_in_order() {
        let plain = numbers(&[3, 0], &[1]).unwrap();
        assert_eq!((plain.labels, plain.count, plain.names), ([vec![3, 0], vec![1]], 4, None));
        assert_eq!(plain.notes, [""; 0]);
        for (train, test, labels, note) in [
            (
                &[2, 1, 3][..],
                &[1][..],
                [vec![1, 0, 2], vec![0]],
                "labels begin at 1, not at 0: 1, 2, 3 are classes 0 to 2",
            ),
            (
                &[1, 7],
                &[2],
                [vec![0, 2], vec![1]],
                "labels begin at 1, not at 0: 1, 2, 7 are classes 0 to 2",
            ),
            (
                &[-1, 1],
                &[1],
                [vec![0, 1], vec![1]],
                "labels are no numbers from 0: -1, 1 are classes 0 to 1",
            ),
            (
                &[-1, 1],
                &[0],
                [vec![0, 2], vec![1]],
                "labels are no numbers from 0: -1, 0, 1 are classes 0 to 2",
            ),
            (
                &[1 << 40],
                &[],
                [vec![0], vec![]],
                "labels are no numbers from 0: 1099511627776 are classes 0 to 0",
            ),
        ] {
            let classes = numbers(train, test).unwrap();
            assert_eq!((&classes.labels, &classes.notes[..]), (&labels, &[note.to_owned()][..]));
            assert_eq!(classes.count, classes.names.unwrap().len());
        }
        let e = numbers(&[0, 1], &[0, 65536]).unwrap_err().to_string();
        assert!(e.contains("b: sample 1 has label 65536"), "{e}");
    }

    #[test]
    fn labels_that_hardly_repeat_are_no_classes() {
        let values: Vec<i64> = (100..200).collect();
        let e = numbers(&values, &[100]).unwrap_err().to_string();
        assert!(e.contains("100 different labels in 101 samples"), "{e}");
        numbers(&values, &values).unwrap();
    }

    #[test]
    fn words_are_sorted() {
        let classes = in_order([&["dog", "cat"][..], &["Cat"]], ["a", "b"]).unwrap();
        assert_eq!((classes.labels, classes.count), ([vec![2, 1], vec![0]], 3));
        assert_eq!(classes.names.unwrap(), ["Cat", "cat", "dog"]);
        assert_eq!(
            classes.notes,
            ["labels `Cat` and `cat` differ in case alone, and are two classes"]
        );
    }
}
