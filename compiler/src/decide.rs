//! Decisions: what a core tells in the place of an output's scores. The model, and golden with it,
//! has the scores; a build decides on them.

use crate::ir::{Dataflow, EdgeId, Kind};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use strassenc_runtime::Format;

/// What is told of the scores of each pixel; those of a vector are one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Rule {
    /// The index of the largest score, of equal ones the first.
    Argmax,
    /// The indices of the largest scores, the largest first, of equal ones the first.
    Top {
        /// How many of them, at least 1.
        k: usize,
    },
    /// Of each score whether it is greater than this: 1 or 0.
    Threshold {
        /// A real number, in units of the scores.
        threshold: f64,
    },
}

/// The largest magnitude of a threshold; beyond it no scores are, whose integers are within 2^53.
const MOST: f64 = 1e30;
/// The least one but 0: every product with a score's unit is exact in 64 bits.
const LEAST: f64 = 1e-30;

/// What the rules are, for messages.
const RULES: &str = "argmax, top=K, threshold or threshold=T";

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Argmax => write!(f, "argmax"),
            Rule::Top { k } => write!(f, "top={k}"),
            Rule::Threshold { threshold: 0.0 } => write!(f, "threshold"),
            Rule::Threshold { threshold } => write!(f, "threshold={threshold}"),
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    /// Reads `argmax`, `top=K`, `threshold` or `threshold=T`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "argmax" => Ok(Rule::Argmax),
            None if text == "threshold" => Ok(Rule::Threshold { threshold: 0.0 }),
            Some(("top", k)) => match k.parse() {
                Ok(k) if k > 0 => Ok(Rule::Top { k }),
                _ => Err(format!("`{k}` is no number of classes: give 1 or more")),
            },
            Some(("threshold", number)) => match number.parse::<f64>() {
                Ok(0.0) => Ok(Rule::Threshold { threshold: 0.0 }),
                Ok(threshold) if (LEAST..=MOST).contains(&threshold.abs()) => {
                    Ok(Rule::Threshold { threshold })
                }
                _ => Err(format!(
                    "`{number}` is no threshold: give 0, or a number of {LEAST:e} to {MOST:e}"
                )),
            },
            _ => Err(format!("`{text}` is none of {RULES}")),
        }
    }
}

/// A rule and the output that it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Asked {
    /// The head; none for the outputs of the last layer.
    pub head: Option<String>,
    /// What is told of them.
    pub rule: Rule,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { head, rule } = self;
        match head {
            Some(head) => write!(f, "{head}={rule}"),
            None => write!(f, "{rule}"),
        }
    }
}

impl FromStr for Asked {
    type Err = String;

    /// Reads `RULE`, or `HEAD=RULE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let of_head = text.split_once('=').filter(|(head, rest)| {
            // A head may have the name of a rule.
            !["top", "threshold"].contains(head) || rest.parse::<Rule>().is_ok()
        });
        match of_head {
            Some((head, rule)) => Ok(Asked { head: Some(head.into()), rule: rule.parse()? }),
            None => Ok(Asked { head: None, rule: text.parse()? }),
        }
    }
}

impl TryFrom<String> for Asked {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Asked> for String {
    fn from(asked: Asked) -> String {
        asked.to_string()
    }
}

/// What an output of a core tells, as its signature says it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What is told of each pixel.
    #[serde(flatten)]
    pub rule: Rule,
    /// The scores of a pixel.
    pub classes: usize,
    /// The format of a score, as golden has it.
    pub score: Format,
}

impl fmt::Display for Decision {
    /// What of a pixel's scores is told, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.classes;
        match self.rule {
            Rule::Argmax => write!(f, "the index of the largest of {classes} scores"),
            Rule::Top { k } => {
                write!(f, "the indices of the {k} largest of {classes} scores, the largest first")
            }
            Rule::Threshold { threshold } => {
                write!(f, "of each of {classes} scores whether it is greater than {threshold}")
            }
        }
    }
}

impl Decision {
    /// Elements that tell of one pixel.
    pub fn told(&self) -> usize {
        match self.rule {
            Rule::Argmax => 1,
            Rule::Top { k } => k,
            Rule::Threshold { .. } => self.classes,
        }
    }

    /// What is due, where these are golden's scores, pixel by pixel.
    pub fn of(&self, scores: &[i64]) -> Vec<i64> {
        let unit = f64::powi(2.0, -self.score.frac);
        let pixels = scores.chunks_exact(self.classes);
        pixels
            .flat_map(|pixel| match self.rule {
                Rule::Argmax => first_largest(pixel, 1),
                Rule::Top { k } => first_largest(pixel, k),
                // A score has at most 53 bits, so its real value is exact.
                Rule::Threshold { threshold } => {
                    pixel.iter().map(|z| i64::from(*z as f64 * unit > threshold)).collect()
                }
            })
            .collect()
    }

    /// Scores that lead to these decisions: of indices the sooner the larger, of a threshold's bits
    /// both sides of 0.
    pub fn stand_ins(&self, decided: &[i64]) -> Vec<i64> {
        let pixel = |told: &[i64]| -> Vec<i64> {
            if let Rule::Threshold { .. } = self.rule {
                return told.iter().map(|bit| 2 * bit - 1).collect();
            }
            let mut scores = vec![0; self.classes];
            for (place, index) in told.iter().enumerate() {
                // A core that is wrong may tell of a class that is not there.
                if let Some(score) = usize::try_from(*index).ok().and_then(|i| scores.get_mut(i)) {
                    *score = (told.len() - place) as i64;
                }
            }
            scores
        };
        decided.chunks_exact(self.told()).flat_map(pixel).collect()
    }
}

/// What each output of a core tells of its scores, where its edge holds none.
pub fn decisions(dataflow: &Dataflow) -> Vec<Option<Decision>> {
    let of = |output: EdgeId| {
        let number = dataflow.layer_of(output)?;
        let scores = dataflow.reads(number);
        let (classes, score) = (scores.shape.channels, scores.format);
        let rule = match dataflow.layers[number].kind {
            Kind::Best { count: 1 } => Rule::Argmax,
            Kind::Best { count } => Rule::Top { k: count },
            // Greater than the integer is greater than all that lies between it and the next one.
            Kind::Threshold { above } => {
                Rule::Threshold { threshold: above as f64 * f64::powi(2.0, -score.frac) }
            }
            _ => return None,
        };
        Some(Decision { rule, classes, score })
    };
    dataflow.outputs().map(of).collect()
}

/// What is due at outputs of so many elements, where golden's are these, one after the other.
pub fn due(
    mut golden: &[i64],
    outputs: impl IntoIterator<Item = (usize, Option<Decision>)>,
) -> Vec<i64> {
    let mut all = vec![];
    for (elements, decision) in outputs {
        let Some(decision) = decision else {
            let (own, rest) = golden.split_at(elements.min(golden.len()));
            all.extend(own);
            golden = rest;
            continue;
        };
        let scores = elements / decision.told() * decision.classes;
        let (own, rest) = golden.split_at(scores.min(golden.len()));
        all.extend(decision.of(own));
        golden = rest;
    }
    all
}

/// The indices of the k largest, each time the first of those that are left.
fn first_largest(scores: &[i64], k: usize) -> Vec<i64> {
    let mut left: Vec<usize> = (0..scores.len()).collect();
    let mut told = vec![];
    for _ in 0..k {
        let most = left.iter().map(|i| scores[*i]).max();
        let Some(at) = left.iter().position(|i| Some(scores[*i]) == most) else { break };
        told.push(left.remove(at) as i64);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(rule: &str, classes: usize, frac: i32, scores: &[i64]) -> Vec<i64> {
        let score = Format { signed: true, bits: 8, frac };
        Decision { rule: rule.parse().unwrap(), classes, score }.of(scores)
    }

    #[test]
    fn of_equal_scores_the_first_is_told_first() {
        assert_eq!(decided("argmax", 4, 0, &[-3, 5, 5, 1]), [1]);
        assert_eq!(decided("argmax", 2, 0, &[-3, -5, 1, 1, 0, 7]), [0, 0, 1]);
        assert_eq!(decided("top=3", 4, 0, &[5, -9, 5, 5]), [0, 2, 3]);
        assert_eq!(decided("top=2", 2, 0, &[1, 2, 2, 1]), [1, 0, 0, 1]);
    }

    #[test]
    fn a_threshold_is_in_units_of_the_scores() {
        assert_eq!(decided("threshold", 3, 4, &[-1, 0, 1]), [0, 0, 1]);
        assert_eq!(decided("threshold=1.5", 3, 1, &[2, 3, 4]), [0, 0, 1]);
        // 1.3 is between 20 and 21 sixteenths, -1.3 between -21 and -20.
        assert_eq!(decided("threshold=1.3", 2, 4, &[20, 21]), [0, 1]);
        assert_eq!(decided("threshold=-1.3", 2, 4, &[-21, -20]), [0, 1]);
    }

    #[test]
    fn what_is_asked_is_read_as_it_is_written() {
        for text in [
            "argmax",
            "top=3",
            "threshold",
            "threshold=1.5",
            "mask=threshold=-0.1",
            "mask=argmax",
            "top=argmax",
            "threshold=top=2",
            "top=threshold=2",
        ] {
            assert_eq!(text.parse::<Asked>().unwrap().to_string(), text);
        }
        let refused = [
            ("top=0", "`0` is no number of classes: give 1 or more"),
            ("mask=top=x", "`x` is no number of classes: give 1 or more"),
            ("threshold=nan", "`nan` is no threshold: give 0, or a number of 1e-30 to 1e30"),
            ("largest", "`largest` is none of argmax, top=K, threshold or threshold=T"),
            ("mask=largest", "`largest` is none of argmax, top=K, threshold or threshold=T"),
        ];
        for (text, told) in refused {
            assert_eq!(text.parse::<Asked>().unwrap_err(), told);
        }
    }
}
