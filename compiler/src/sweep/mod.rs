//! A sweep: one network trained under many budgets, and what each of them costs and reaches.

mod plot;

use crate::count::Counts;
use crate::report::{table, thousands};
use comfy_table::Table;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use strassenc_runtime::error::number;
use strassenc_runtime::train::HeadSummary;
use strassenc_runtime::{Error, Network, Result};

/// What a sweep varies. Points are named, sorted and drawn in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Multiplications of an inference, which are shared out among the layers once the data are
    /// there.
    Budget,
    /// r over the outputs, of every linear layer: [`Network::set_ratio`].
    Ratio,
    /// Output patches of convolutions: [`Network::set_p`].
    P,
    /// The ternary threshold factor: [`Network::set_threshold`].
    Threshold,
    /// The recipe's `adder_penalty`.
    #[serde(rename = "adder-penalty")]
    AdderPenalty,
}

impl Axis {
    /// All axes, in order.
    pub const ALL: [Axis; 5] =
        [Axis::Budget, Axis::Ratio, Axis::P, Axis::Threshold, Axis::AdderPenalty];

    /// The name that it has in folders, columns and options.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Budget => "budget",
            Axis::Ratio => "ratio",
            Axis::P => "p",
            Axis::Threshold => "threshold",
            Axis::AdderPenalty => "adder-penalty",
        }
    }

    /// The name above a narrow column.
    fn heading(self) -> &'static str {
        match self {
            Axis::Threshold => "thres-\nhold",
            Axis::AdderPenalty => "adder-\npenalty",
            _ => self.name(),
        }
    }

    /// Changes a network.
    fn set(self, network: &mut Network, value: f64) {
        match self {
            Axis::Budget => {}
            Axis::Ratio => network.set_ratio(value),
            // A number that is too large to be a usize saturates, and is refused as any that is out
            // of range.
            Axis::P => network.set_p(value as usize),
            Axis::Threshold => network.set_threshold(value),
            Axis::AdderPenalty => network.train.adder_penalty = value,
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one point has instead of the description's: a value for each axis that the sweep varies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices(pub BTreeMap<Axis, f64>);

impl Choices {
    /// Every combination of the values.
    ///
    /// # Errors
    /// Where there is nothing to vary, or a list has a value twice.
    pub fn all(lists: &BTreeMap<Axis, Vec<f64>>) -> Result<Vec<Choices>> {
        if lists.is_empty() {
            let names: Vec<String> = Axis::ALL.iter().map(|axis| format!("--{axis}")).collect();
            return Err(Error::input("sweep", "there is nothing to vary").help(format!(
                "give at least one list: {}; e.g. --ratio 1/2,1,2",
                names.join(", ")
            )));
        }
        let mut all = vec![Choices::default()];
        for (&axis, values) in lists {
            if let Some((i, value)) =
                values.iter().enumerate().find(|(i, value)| values[..*i].contains(value))
            {
                return Err(Error::input(
                    format!("--{axis}"),
                    format!("value {} is {} again", i + 1, number(value)),
                )
                .help("give each value once"));
            }
            let with = |choices: &Choices, value: f64| {
                let mut choices = choices.clone();
                choices.0.insert(axis, value);
                choices
            };
            all = all
                .iter()
                .flat_map(|choices| values.iter().map(move |&value| with(choices, value)))
                .collect();
        }
        all.sort_by(Choices::order);
        Ok(all)
    }

    /// The network with these choices, without any budget's shares.
    ///
    /// # Errors
    /// Where there is no such network; the place names the point.
    pub fn apply(&self, network: &Network) -> Result<Network> {
        let mut network = network.clone();
        for (axis, &value) in &self.0 {
            axis.set(&mut network, value);
        }
        network.validate().map_err(|e| e.within(format_args!("point {}", self.name())))?;
        Ok(network)
    }

    /// The name of the run folder, e.g. `ratio-0.25_p-1`.
    pub fn name(&self) -> String {
        self.0
            .iter()
            .map(|(axis, value)| format!("{axis}-{}", number(value)))
            .collect::<Vec<_>>()
            .join("_")
    }

    /// Axis by axis; what is as described comes first.
    fn order(&self, other: &Choices) -> Ordering {
        let value =
            |choices: &Choices, axis| choices.0.get(&axis).copied().unwrap_or(f64::NEG_INFINITY);
        let by = |axis| value(self, axis).total_cmp(&value(other, axis));
        Axis::ALL.into_iter().map(by).fold(Ordering::Equal, Ordering::then)
    }
}

/// `sweep.json`: what was asked for, and the points that are done. It has no times, so that equal
/// sweeps are equal files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Name of the network.
    pub name: String,
    /// The network's description in TOML, with epochs and seed of the sweep, before any point's
    /// choices.
    pub network: String,
    /// Name of the data set.
    pub data: String,
    /// How hard adder graphs are searched for.
    pub effort: u8,
    /// SHA-256 of the checkpoint that all points begin from.
    pub from: Option<String>,
    /// SHA-256 of the teacher's checkpoint.
    pub teacher: Option<String>,
    /// Test accuracy of the teacher, else of the network that points begin from, in 0..=1, where it
    /// is in full precision.
    #[serde(rename = "test_accuracy_full_precision")]
    pub full_precision_accuracy: Option<f64>,
    /// Multiplications of one inference of an ordinary network of the same shape.
    pub dense_multiplications: u64,
    /// The points that are done, sorted by their choices.
    pub points: Vec<Point>,
}

/// A trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The point's run folder, within that of the sweep.
    pub run: String,
    /// What it has instead of the description's.
    pub choices: Choices,
    /// SHA-256 of its model.
    pub model_sha256: String,
    /// What the network costs.
    #[serde(flatten)]
    pub counts: Counts,
    /// 1 - multiplications / dense multiplications.
    pub reduction: f64,
    /// Nonzeros over entries of all W_b and W_c, 0..=1, dead rows left out.
    pub density: f64,
    /// Test accuracy of the ternary network with float activations, in 0..=1.
    #[serde(rename = "test_accuracy_float")]
    pub float_accuracy: f64,
    /// Test accuracy of the integer network, in 0..=1.
    #[serde(rename = "test_accuracy_integer")]
    pub integer_accuracy: f64,
    /// The same of each head, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadSummary>,
}

impl Sweep {
    /// Puts a point in its place, instead of an earlier one of the same choices.
    pub fn insert(&mut self, point: Point) {
        self.points.retain(|old| old.choices != point.choices);
        self.points.push(point);
        self.points.sort_by(|a, b| a.choices.order(&b.choices));
    }

    /// The heads of the network.
    fn heads(&self) -> &[HeadSummary] {
        self.points.first().map_or(&[], |point| &point.heads)
    }

    /// The axes that any point chooses on.
    fn axes(&self) -> BTreeSet<Axis> {
        self.points.iter().flat_map(|point| point.choices.0.keys().copied()).collect()
    }

    /// `sweep.csv`: a line per point; reduction, density and accuracies in 0..=1, as exact as
    /// `sweep.json` has them.
    pub fn csv(&self) -> String {
        let axes = self.axes();
        let mut text: String = axes.iter().map(|axis| format!("{axis},")).collect();
        text += "\
            multiplications,reduction,naive_adders,adders,naive_additions,additions,density,\
            test_accuracy_float,test_accuracy_integer,";
        for HeadSummary { name, measure, .. } in self.heads() {
            let key = measure.key();
            text += &format!("test_{key}_float_{name},test_{key}_integer_{name},");
        }
        text += "run\n";
        for point in &self.points {
            for axis in &axes {
                text += &point.choices.0.get(axis).map(ToString::to_string).unwrap_or_default();
                text += ",";
            }
            let Counts { multiplications, naive_adders, adders, naive_additions, additions } =
                point.counts;
            let Point { run, reduction, density, float_accuracy, integer_accuracy, .. } = point;
            text += &format!(
                "{multiplications},{reduction},{naive_adders},{adders},{naive_additions},\
                 {additions},{density},{float_accuracy},{integer_accuracy},"
            );
            for HeadSummary { float_accuracy, integer_accuracy, .. } in &point.heads {
                let integer = integer_accuracy.map(|v| v.to_string()).unwrap_or_default();
                text += &format!("{float_accuracy},{integer},");
            }
            text += &format!("{run}\n");
        }
        text
    }

    /// The points as a table for a terminal, of 80 columns at most.
    pub fn text(&self) -> String {
        let axes = self.axes();
        let mut header: Vec<&str> = axes.iter().map(|axis| axis.heading()).collect();
        header.extend(["multi-\nplications", "adders\nshared", "additions\nshared"]);
        header.extend(["test, %\nfloat", "\ninteger"]);
        let mut table = table(&header);
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        for point in &self.points {
            let choice =
                |axis| point.choices.0.get(axis).map(ToString::to_string).unwrap_or_default();
            let Counts { multiplications, adders, additions, .. } = point.counts;
            let mut row: Vec<String> = axes.iter().map(choice).collect();
            row.extend([multiplications, adders, additions].map(|n| n.to_string()));
            row.extend(
                [point.float_accuracy, point.integer_accuracy].map(|a| format!("{:.2}", 100.0 * a)),
            );
            table.add_row(row);
        }
        let mut text = format!(
            "{table}\n\nmultiplications and additions of one inference;\n\
             a dense network takes {} multiplications;\n\
             adders: each matrix once; before sharing: sweep.csv",
            thousands(self.dense_multiplications)
        );
        if let Some(accuracy) = self.full_precision_accuracy {
            text += &format!("\nfull precision: test accuracy {}", percent(accuracy));
        }
        if !self.heads().is_empty() {
            let heads = self.heads_table();
            text +=
                &format!("\n\nabove are figures of the last layer; those of the heads:\n\n{heads}");
        }
        text
    }

    /// The figures of the heads, a row for each head of each point.
    fn heads_table(&self) -> Table {
        let axes = self.axes();
        let mut header: Vec<&str> = axes.iter().map(|axis| axis.heading()).collect();
        header.extend(["head", "test", "\nfloat", "\ninteger"]);
        let mut table = table(&header);
        let all = self.points.iter().flat_map(|p| p.heads.iter().map(move |head| (p, head)));
        for (point, HeadSummary { name, measure, float_accuracy, integer_accuracy }) in all {
            let choice =
                |axis| point.choices.0.get(axis).map(ToString::to_string).unwrap_or_default();
            let mut row: Vec<String> = axes.iter().map(choice).collect();
            row.extend([name.clone(), measure.name().into(), measure.told(*float_accuracy)]);
            row.push(integer_accuracy.map(|v| measure.told(v)).unwrap_or_default());
            table.add_row(row);
        }
        table
    }

    /// `sweep.svg`: accuracy of the integer network against multiplications, and against additions
    /// after sharing.
    ///
    /// # Errors
    /// A bug, if the picture cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        plot::svg(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strassenc_runtime::network::Measure;

    #[test]
    fn its_table_fits_80_columns() {
        let counts = Counts {
            multiplications: 1_814_073_344,
            naive_adders: 123_456_789,
            adders: 12_345_678,
            naive_additions: 1_814_073_344,
            additions: 181_407_334,
        };
        let value = |axis| match axis {
            Axis::P => 2.0,
            Axis::Budget => 9_999_999.0,
            _ => 0.25,
        };
        // A budget stands in the place of a ratio.
        let axes = Axis::ALL.into_iter().filter(|axis| *axis != Axis::Ratio);
        let choices = Choices(axes.map(|axis| (axis, value(axis))).collect());
        let point = Point {
            run: choices.name(),
            choices,
            model_sha256: String::new(),
            counts,
            reduction: 0.5,
            density: 0.5,
            float_accuracy: 1.0,
            integer_accuracy: 0.98765,
            heads: vec![HeadSummary {
                name: "mask".into(),
                measure: Measure::Accuracy,
                float_accuracy: 0.9,
                integer_accuracy: Some(0.875),
            }],
        };
        let sweep = Sweep {
            name: "net".into(),
            network: String::new(),
            data: "digits".into(),
            effort: 1,
            from: None,
            teacher: None,
            full_precision_accuracy: Some(0.99),
            dense_multiplications: 1_814_073_344,
            points: vec![point],
        };
        let text = sweep.text();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("test accuracy 99.00 %"), "{text}");
        assert!(text.contains("mask") && text.contains("87.50 %"), "{text}");
        let csv = sweep.csv();
        assert!(
            csv.contains(",test_accuracy_float_mask,test_accuracy_integer_mask,run\n"),
            "{csv}"
        );
        assert!(csv.lines().nth(1).unwrap().contains(",1,0.98765,0.9,0.875,"), "{csv}");
    }

    #[test]
    fn every_combination_once_and_in_order() {
        let lists = BTreeMap::from([(Axis::P, vec![2.0, 1.0]), (Axis::Ratio, vec![1.0, 0.25])]);
        let names: Vec<String> = Choices::all(&lists).unwrap().iter().map(Choices::name).collect();
        assert_eq!(names, ["ratio-0.25_p-1", "ratio-0.25_p-2", "ratio-1_p-1", "ratio-1_p-2"]);
        let twice =
            Choices::all(&BTreeMap::from([(Axis::Ratio, vec![0.5, 1.0, 0.5])])).unwrap_err();
        assert!(
            twice.to_string().starts_with("error[input]: --ratio: value 3 is 0.5 again"),
            "{twice}"
        );
        assert!(
            Choices::all(&BTreeMap::new()).unwrap_err().to_string().contains("nothing to vary")
        );
    }
}
