//! Which engine each layer of a network gets: from a throughput, or from a budget of resources.
//!
//! Estimates decide here, not promises: the timing of what was chosen comes from
//! [`stream::timing`](crate::stream::timing), its figures from the emitted core.

mod written;

use crate::adder_graph::{Matrix, Operands, each_digit, naive_adders};
use crate::figures::{self, Figures};
use crate::folded::{self, Digits, Folding, Readers, padded_rows};
use crate::interval::Interval;
use crate::ir::words::Words;
use crate::ir::{Dataflow, Kernel, Kind, Layer, Linear, OpKind, Windows};
use crate::multipliers::Multipliers;
use crate::schedule;
use crate::serial::INTERVAL;
use crate::stream::{Engine, Lines};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use strassenc_runtime::error::{count, number};
use strassenc_runtime::{Cell, Error, Kind as ErrorKind, Result, Shape, files, wording};

/// What a core is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Frames a second at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Clock in MHz, which turns clocks into seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<f64>,
    /// Most LUTs, estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lut: Option<u64>,
    /// Most block RAMs of 36 Kbit, estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bram: Option<u64>,
    /// Most multipliers; `--dsp-budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsp: Option<u64>,
    /// The engines that linear layers may have.
    #[serde(default)]
    pub engine: Allowed,
    /// Clocks for each pixel of the input, which for a vector are those from one to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ii: Option<u32>,
}

/// The clock in MHz where none is given.
pub const CLOCK: f64 = 200.0;

/// The clocks in MHz that a core can be asked for.
const CLOCKS: RangeInclusive<f64> = 0.001..=10_000.0;

/// The frames a second that a core can be asked for.
const FPS: RangeInclusive<f64> = 0.001..=1e9;

/// The engines that linear layers may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// The cheaper one at the target.
    #[default]
    Auto,
    /// Weights are wiring; those of a char-CNN, whose filters stand at many positions of a word,
    /// lie in ROM all the same.
    Unrolled,
    /// Weights are wiring, and sums pass digit by digit wherever a layer has the clocks for it.
    Serial,
    /// Weights lie in ROM.
    Folded,
}

/// The engine of one layer, as a user can write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "kebab-case", try_from = "written::Choice")]
pub enum Choice {
    /// A pipeline; weights are wiring.
    Unrolled,
    /// The same wiring, in which words pass digit by digit.
    Serial {
        /// The least clocks from one word to the next; one of [`INTERVAL`].
        interval: u32,
    },
    /// ROMs and shared adders.
    Folded(Folding),
    /// The engine of a pooling, a sum, a concatenation or an embedding.
    Elementwise {
        /// Elements at a time; one of [`Dataflow::lanes`].
        lanes: usize,
    },
}

impl Choice {
    /// Whether the weights are wiring.
    pub fn is_wired(self) -> bool {
        matches!(self, Choice::Unrolled | Choice::Serial { .. })
    }

    /// The choice in words, for a layer that has a W_c or has none: `unrolled`; `folded` with the
    /// rows and elements that W_b, and then W_c, sum up at a time; or the lanes of what has no
    /// weights.
    pub fn told(self, has_wc: bool) -> String {
        match self {
            Choice::Unrolled => "unrolled".into(),
            Choice::Serial { interval } => format!("serial, {interval} clocks"),
            Choice::Folded(f) if !has_wc => format!("folded {}×{}", f.pe, f.simd),
            Choice::Folded(f) => format!("folded {}×{}, {}×{}", f.pe, f.simd, f.wc_pe, f.wc_simd),
            Choice::Elementwise { lanes: 1 } => "1 lane".into(),
            Choice::Elementwise { lanes } => format!("{lanes} lanes"),
        }
    }
}

/// The engine of every layer by name, and the depths of FIFOs that a user sets: `engines.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    /// The engine of every layer, by its name.
    #[serde(default)]
    pub layers: BTreeMap<String, Choice>,
    /// Words, by the FIFO's name; those that are not named are as deep as full rate needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fifos: BTreeMap<String, usize>,
}

/// Estimated cost of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Clocks of a frame.
    pub clocks: u64,
    /// 6-input LUTs.
    pub luts: u64,
    /// Block RAMs of 36 Kbit, in halves.
    pub half_brams: u64,
    /// Hardware multipliers.
    pub multipliers: u64,
}

impl Target {
    /// Clocks between frames that the target allows.
    pub fn interval(&self) -> Option<u64> {
        self.fps.map(|fps| (self.clock() * 1e6 / fps).floor() as u64)
    }

    /// Clocks between frames of this shape that are asked for.
    pub fn asked(&self, frame: Shape) -> Option<u64> {
        let by_pixels = self.ii.map(|ii| frame.pixels() as u64 * u64::from(ii));
        by_pixels.or(self.interval())
    }

    /// The clock in MHz.
    pub fn clock(&self) -> f64 {
        self.clock.unwrap_or(CLOCK)
    }

    /// Checks the ranges of the fields.
    ///
    /// # Errors
    /// Where one is out of range, or both a rate and a budget are given.
    pub fn validate(&self) -> Result<()> {
        for (name, value, range) in
            [("--target-fps", self.fps, FPS), ("--clock", self.clock, CLOCKS)]
        {
            // No range contains what is not a number.
            if let Some(value) = value.filter(|value| !range.contains(value)) {
                let (least, most) = (range.start(), range.end());
                return Err(Error::input(
                    name,
                    format_args!("{} is not within {least} to {most}", number(value)),
                )
                .help("give a number in that range"));
            }
        }
        if let Some(ii) = self.ii.filter(|ii| !INTERVAL.contains(ii)) {
            let (least, most) = (INTERVAL.start(), INTERVAL.end());
            let cause = format_args!("{ii} is not within {least} to {most}");
            return Err(Error::input("--ii", cause).help("give a number in that range"));
        }
        if self.ii.is_some() && self.engine == Allowed::Folded {
            let cause =
                "stands beside --engine folded, whose layers take a clock a word of their ROMs";
            return Err(Error::input("--ii", cause).help("leave out one of them"));
        }
        // Beside a rate, a budget of multipliers is met by what they are made of.
        let only_dsp = self.dsp.is_some() && self.lut.is_none() && self.bram.is_none();
        let auto = "add --multipliers auto, which makes the others of shifts and additions";
        if self.ii.is_some() && (self.fps.is_some() || self.budgeted()) {
            let cause = "stands beside a rate or a budget";
            let help = "give either the clocks from word to word, or what the core is to reach";
            let help = if only_dsp && self.fps.is_none() { auto } else { help };
            return Err(Error::input("--ii", cause).help(help));
        }
        if self.fps.is_some() && self.budgeted() {
            let help = "give either a rate or the LUTs, block RAMs and multipliers that are there";
            let help = if only_dsp { auto } else { help };
            return Err(Error::input("--target-fps", "stands beside a budget").help(help));
        }
        Ok(())
    }

    /// Whether it says what a core may take.
    pub fn budgeted(&self) -> bool {
        self.lut.is_some() || self.bram.is_some() || self.dsp.is_some()
    }

    /// What is asked of the core after one that takes `cost` and was priced at `price`: of that
    /// which exceeds `budget`, less than its price by the same part, and by one of 32 more where so
    /// little less chose the same engines `again`.
    pub fn tightened(self, cost: Cost, price: Cost, budget: &Target, again: bool) -> Target {
        let less = |asked: Option<u64>, price: u64, takes: u64, has: Option<u64>| {
            let (asked, has) = (asked?, has?);
            if takes <= has {
                return Some(asked);
            }
            let from = if again { asked } else { asked.min(price) };
            let part = (u128::from(from) * u128::from(has) / u128::from(takes)) as u64;
            Some(if again { part - part.div_ceil(32) } else { part })
        };
        let blocks = |cost: Cost| cost.half_brams.div_ceil(2);
        Target {
            lut: less(self.lut, price.luts, cost.luts, budget.lut),
            bram: less(self.bram, blocks(price), blocks(cost), budget.bram),
            ..self
        }
    }

    /// The target of so many clocks between frames, and of no budget.
    pub fn at_rate(self, interval: u64) -> Target {
        let fps = self.clock() * 1e6 / interval as f64;
        Target { fps: Some(fps), lut: None, bram: None, dsp: None, ..self }
    }

    /// What is asked halfway between this target and another one.
    pub fn halfway(self, other: Target) -> Target {
        let between = |a: Option<u64>, b: Option<u64>| {
            let (a, b) = (a?, b?);
            Some(a.min(b) + a.abs_diff(b) / 2)
        };
        Target { lut: between(self.lut, other.lut), bram: between(self.bram, other.bram), ..self }
    }

    /// The target of the smallest core.
    pub fn exhausted(self) -> Target {
        Target { lut: self.lut.map(|_| 0), bram: self.bram.map(|_| 0), ..self }
    }

    /// The budget that does not suffice, as an option, and by how much.
    pub fn over(&self, cost: Cost) -> Option<(&'static str, String)> {
        let parts = [
            ("--lut-budget", "LUT", cost.luts, self.lut),
            ("--bram-budget", "block RAM", cost.half_brams.div_ceil(2), self.bram),
            ("--dsp-budget", "multiplier", cost.multipliers, self.dsp),
        ];
        let over = |(option, name, needs, has): (_, &str, u64, Option<u64>)| {
            has.filter(|has| needs > *has).map(|has| {
                let (more, needs) = (needs - has, count(needs, name));
                (option, format!("{needs}, {more} more than the {has} there are"))
            })
        };
        parts.into_iter().find_map(over)
    }
}

impl Cost {
    /// All side by side.
    pub fn sum(all: &[Cost]) -> Cost {
        all.iter().fold(Cost::default(), |a, b| a + *b)
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;

    /// Side by side: the slower one decides the clocks.
    fn add(self, other: Cost) -> Cost {
        Cost {
            clocks: self.clocks.max(other.clocks),
            luts: self.luts + other.luts,
            half_brams: self.half_brams + other.half_brams,
            multipliers: self.multipliers + other.multipliers,
        }
    }
}

/// The layers of a network with what their costs depend on.
struct Estimator<'a> {
    dataflow: &'a Dataflow,
    /// The widths of every linear layer; none for the others.
    kernels: Vec<Option<KernelBits>>,
    /// The engines that the user gives.
    given: &'a Engines,
    /// What a path between two registers may be; none where engines are only priced.
    schedule: Option<&'a schedule::Options>,
}

/// No engines.
static NONE: Engines = Engines { layers: BTreeMap::new(), fifos: BTreeMap::new() };

impl<'a> Estimator<'a> {
    /// `made_of` says what the multipliers of each layer are made of.
    fn new(dataflow: &'a Dataflow, made_of: &(dyn Fn(usize) -> Multipliers + Sync)) -> Self {
        let bits = |(number, layer): (usize, &Layer)| {
            layer.kernel().map(|k| kernel_bits(k, made_of(number)))
        };
        let kernels = dataflow.layers.par_iter().enumerate().map(bits).collect();
        Estimator { dataflow, kernels, given: &NONE, schedule: None }
    }
}

/// Chooses the engine of every layer but those that are `given`, which fit their layers. Without a
/// target, a core keeps up with one pixel a clock, or comes as near to it as its layers can; with a
/// budget, it is the quickest one that fits by its prices, or else the smallest one. `multipliers`
/// says what those of all engines will be made of, no budget considered.
///
/// # Errors
/// Where a rate cannot be met: the layer that fails it, and by how much.
pub fn choose(
    dataflow: &Dataflow,
    target: &Target,
    multipliers: Multipliers,
    schedule: &schedule::Options,
    given: &Engines,
) -> Result<Engines> {
    target.validate()?;
    let of_data = |layer: &&Layer| layer.kernel().is_some_and(|k| k.chain.multiplies_data());
    if let Some(layer) = dataflow.layers.iter().find(of_data)
        && target.ii.is_some_and(|ii| ii > 1)
    {
        let name = &layer.name;
        let cause = format_args!("layer `{name}` multiplies data by data, a word every clock");
        let help = "leave it out: this core takes a word every clock, and is no smaller for fewer";
        return Err(Error::input("--ii", cause).help(help));
    }
    let estimator = &Estimator {
        given,
        schedule: Some(schedule),
        ..Estimator::new(dataflow, &|_| multipliers)
    };
    if let Some(interval) = target.interval() {
        return at(estimator, interval, target, Weights::of_rate());
    }
    let quickest = quickest(estimator, target.engine)?;
    if !target.budgeted() {
        let interval = pixels_in(dataflow) * u64::from(target.ii.unwrap_or(1));
        return at(estimator, quickest.max(interval), target, Weights::of_rate());
    }
    if let Some(engines) = least(estimator, quickest, target, Weights::default())? {
        return Ok(engines);
    }
    // Where engines are cheap all in all, they may still take too much of what is scarce.
    let scarce = Weights::of_scarce(target);
    match least(estimator, quickest, target, scarce)? {
        Some(engines) => Ok(engines),
        None => at(estimator, UNHURRIED, target, scarce),
    }
}

/// What to do where a core whose parameters are loaded does not fit a budget.
pub const LOADED: &str = "raise the budget, fold layers, or leave out --reloadable: in an unrolled \
    layer, a coefficient that is loaded takes a hardware multiplier of its own";

/// More clocks than any engine takes for a frame.
const UNHURRIED: u64 = 1 << 48;

/// The engines of the least interval whose cost is within the target's budget; none where not even
/// the smallest core's is.
fn least(
    estimator: &Estimator,
    quickest: u64,
    target: &Target,
    weights: Weights,
) -> Result<Option<Engines>> {
    let total = |engines: &Engines| -> Result<Cost> { Ok(Cost::sum(&estimator.costs(engines)?)) };
    let at = |interval: u64| at(estimator, interval, target, weights);
    // Estimates fall with the interval, in steps.
    let fits = |interval: u64| Ok::<_, Error>(target.over(total(&at(interval)?)?).is_none());
    // Without any haste the cheapest engines are chosen: where those do not fit, none do.
    if !fits(UNHURRIED)? {
        return Ok(None);
    }
    let (mut low, mut high) = (quickest, quickest);
    while high < UNHURRIED && !fits(high)? {
        (low, high) = (high, high * 2);
    }
    while high - low > (low / 64).max(1) {
        let middle = low + (high - low) / 2;
        if fits(middle)? { high = middle } else { low = middle }
    }
    at(high).map(Some)
}

/// What each resource counts where engines are compared.
#[derive(Clone, Copy, Debug)]
struct Weights {
    lut: u64,
    half_bram: u64,
    multiplier: u64,
}

impl Default for Weights {
    /// The price of each resource in LUTs, about, by their numbers on devices.
    fn default() -> Self {
        Weights { lut: 1, half_bram: 150, multiplier: 100 }
    }
}

impl Weights {
    /// Where there is no budget: multipliers that a part has are there anyway.
    fn of_rate() -> Self {
        Weights { multiplier: 50, ..Weights::default() }
    }

    /// The weights under which nothing outweighs what the target has a budget of.
    fn of_scarce(target: &Target) -> Self {
        let Weights { lut, half_bram, multiplier } = Weights::default();
        let scarce = |weight: u64, budget: Option<u64>| {
            if budget.is_some() { 10_000 * weight } else { weight }
        };
        Weights {
            lut: scarce(lut, target.lut),
            half_bram: scarce(half_bram, target.bram),
            multiplier: scarce(multiplier, target.dsp),
        }
    }

    fn of(self, cost: &Cost) -> u64 {
        self.lut * cost.luts + self.half_bram * cost.half_brams + self.multiplier * cost.multipliers
    }
}

/// The cost of each layer, whose multipliers are made of what `made_of` says, in order; of hardware
/// where it says nothing.
///
/// # Errors
/// Internally where an engine is not one for its layer.
pub fn costs(dataflow: &Dataflow, engines: &Engines, made_of: &[Multipliers]) -> Result<Vec<Cost>> {
    Estimator::new(dataflow, &|number| made_of.get(number).copied().unwrap_or_default())
        .costs(engines)
}

/// The most pixels of an input: each takes a clock.
pub(crate) fn pixels_in(dataflow: &Dataflow) -> u64 {
    let inputs = &dataflow.edges[..=dataflow.inputs.len()];
    inputs.iter().map(|edge| edge.shape.pixels() as u64).max().unwrap_or(1)
}

/// Clocks between frames of the quickest core, not less than its inputs' pixels.
fn quickest(estimator: &Estimator, allowed: Allowed) -> Result<u64> {
    let dataflow = estimator.dataflow;
    let mut slowest = pixels_in(dataflow);
    for (number, layer) in dataflow.layers.iter().enumerate() {
        if estimator.given.layers.contains_key(&layer.name) {
            continue;
        }
        let candidates = estimator.candidates(number, 1, allowed)?.into_iter();
        let clocks = candidates
            .map(|choice| Ok(estimator.cost(number, choice)?.clocks))
            .collect::<Result<Vec<u64>>>()?;
        slowest = slowest.max(clocks.into_iter().min().unwrap_or(0));
    }
    Ok(slowest)
}

/// The cheapest engines of at most `interval` clocks between frames.
fn at(estimator: &Estimator, interval: u64, target: &Target, weights: Weights) -> Result<Engines> {
    let dataflow = estimator.dataflow;
    let pixels = pixels_in(dataflow);
    if pixels > interval {
        let cause = format_args!(
            "a frame has {}, and the target allows {} for it",
            count(pixels, "pixel"),
            count(interval, "clock")
        );
        return Err(Error::input("the input", cause).help(slower(pixels, target)));
    }
    let mut engines = estimator.given.clone();
    for (number, layer) in dataflow.layers.iter().enumerate() {
        if engines.layers.contains_key(&layer.name) {
            continue;
        }
        let priced = |choice: Choice| Ok((estimator.cost(number, choice)?, choice));
        let candidates = estimator.candidates(number, interval, target.engine)?;
        let all = candidates.into_iter().map(priced).collect::<Result<Vec<(Cost, Choice)>>>()?;
        let best = all
            .iter()
            .filter(|(cost, _)| cost.clocks <= interval)
            .min_by_key(|(cost, _)| weights.of(cost));
        let Some((_, choice)) = best else {
            let least = all.iter().map(|(cost, _)| cost.clocks).min().unwrap_or(u64::MAX);
            let cause = format_args!(
                "takes {} for a frame at least, and the target allows {interval}",
                count(least, "clock")
            );
            return Err(Error::input(format_args!("layer `{}`", layer.name), cause)
                .help(slower(least, target)));
        };
        engines.layers.insert(layer.name.clone(), *choice);
    }
    Ok(engines)
}

/// The fastest clock, in MHz, that is anybody's way out; no FPGA's fabric runs as fast.
const FASTEST: f64 = 1000.0;

/// What to ask for where a frame needs so many clocks.
fn slower(needs: u64, target: &Target) -> String {
    let most = target.clock() * 1e6 / needs as f64;
    // Rounded to the safe side.
    let slower = format!("ask for at most {} frames a second", (1e3 * most).floor() / 1e3);
    let clock = target.fps.map(|fps| (1e3 * (fps * needs as f64 / 1e6)).ceil() / 1e3);
    match clock.filter(|clock| *clock <= FASTEST) {
        Some(clock) => format!("{slower}, or for a clock of {clock} MHz"),
        None => slower,
    }
}

impl Estimator<'_> {
    /// The cost of each layer.
    fn costs(&self, engines: &Engines) -> Result<Vec<Cost>> {
        let choice = |layer: &Layer| engines.layers.get(&layer.name);
        let cost = |(number, layer)| {
            choice(layer).map_or(Ok(Cost::default()), |choice| self.cost(number, *choice))
        };
        self.dataflow.layers.iter().enumerate().map(cost).collect()
    }

    /// Engines of layer `number`, the best of each kind for `interval`.
    fn candidates(&self, number: usize, interval: u64, allowed: Allowed) -> Result<Vec<Choice>> {
        let layer = &self.dataflow.layers[number];
        match layer.kernel() {
            Some(kernel) => {
                let mut all = vec![];
                if let Some(words) = layer.words() {
                    // Unrolled, each filter would have adders and a multiplier of its own, which a
                    // word needs in one clock of hundreds.
                    return Ok(vec![Choice::Folded(self.filters(number, &words, interval)?)]);
                }
                let of_data = kernel.chain.multiplies_data();
                let wired = allowed != Allowed::Folded || of_data || padded_rows(kernel, 1) == 0;
                let may = matches!(allowed, Allowed::Auto | Allowed::Serial);
                // What is loaded cannot be serial, which is refused where it is asked for.
                let must = allowed == Allowed::Serial;
                let serial = if may && !of_data && (must || kernel.chain.loaded.is_none()) {
                    self.serial(number, kernel, interval, must)?
                } else {
                    None
                };
                let serial = match serial {
                    // Where it is asked for, the error says which path is too long.
                    Some(interval) if must || !self.is_too_slow(number, interval)? => {
                        Some(Choice::Serial { interval })
                    }
                    _ => None,
                };
                if wired && (serial.is_none() || allowed != Allowed::Serial) {
                    all.push(Choice::Unrolled);
                }
                all.extend(serial);
                if matches!(allowed, Allowed::Auto | Allowed::Folded) && !of_data {
                    match self.folding(number, kernel, interval) {
                        // What cannot be folded has another engine.
                        Err(e) if !all.is_empty() && e.kind() == ErrorKind::Input => {}
                        folding => all.extend(folding?.map(Choice::Folded)),
                    }
                }
                Ok(all)
            }
            None => Ok(vec![Choice::Elementwise { lanes: self.lanes(number, interval)? }]),
        }
    }

    /// The fewest lanes of a layer without a kernel that are quick enough, else all of them. They
    /// are a multiple or a part of those of each such layer that it reads: between words of 2 and
    /// of 3 elements, one element passes at a time.
    fn lanes(&self, number: usize, interval: u64) -> Result<usize> {
        let before = self.dataflow.layers[number].reads.iter().filter_map(|edge| {
            let layer = self.dataflow.layer_of(*edge)?;
            self.dataflow.layers[layer].kernel().is_none().then_some(layer)
        });
        let before: Vec<usize> =
            before.map(|layer| self.lanes(layer, interval)).collect::<Result<_>>()?;
        let whole = self.dataflow.yields(number).shape.channels;
        let mut chosen = 1;
        for lanes in self.dataflow.lanes(number) {
            // A whole pixel is made of any parts of it, also where it has two sides.
            let fits = |of: &usize| {
                lanes == whole || lanes.is_multiple_of(*of) || of.is_multiple_of(lanes)
            };
            if !before.iter().all(fits) {
                continue;
            }
            chosen = lanes;
            if self.clocks(number, Choice::Elementwise { lanes })? <= interval {
                break;
            }
        }
        Ok(chosen)
    }

    /// The clocks for a window of layer `number` in digits that takes `interval` clocks for a frame
    /// at most: as many as there are. With fewer than [`SLOW`] it takes more in flip-flops than it
    /// saves in LUTs, and is only taken where it `must` be. A loop takes its digits' clocks, too.
    fn serial(
        &self,
        number: usize,
        kernel: &Kernel,
        interval: u64,
        must: bool,
    ) -> Result<Option<u32>> {
        let most = u64::from(*INTERVAL.end());
        let every = (interval / (kernel.windows.count() as u64).max(1)).min(most);
        let least = if must { 2 } else { SLOW };
        let loops = matches!(self.dataflow.layers[number].kind, Kind::Recurrent { .. });
        for every in (least..=every).rev() {
            let every = every as u32;
            let choice = Choice::Serial { interval: every };
            if !loops || self.clocks(number, choice)? <= interval {
                return Ok(Some(every));
            }
        }
        Ok(None)
    }

    /// Whether layer `number` cannot reach the clock with a word every `interval` clocks.
    fn is_too_slow(&self, number: usize, interval: u32) -> Result<bool> {
        let (bits, Some(options)) = (self.bits(number)?, self.schedule) else { return Ok(false) };
        let digit = bits.u.max(bits.y).div_ceil(interval.into()) as u32;
        let output = self.dataflow.yields(number).format.bits;
        let widths = (bits.m as u32, output);
        Ok(schedule::are_digits_too_slow((digit, interval), widths, options))
    }

    /// The cheapest folding of at most `interval` clocks a frame; the quickest one where none is;
    /// none where nothing is live.
    fn folding(&self, number: usize, kernel: &Kernel, interval: u64) -> Result<Option<Folding>> {
        let channels = kernel.output.channels;
        let per_group = kernel.input.channels / kernel.groups;
        let taps = kernel.windows.size.area();
        let live = padded_rows(kernel, 1) / kernel.groups;
        if live == 0 {
            return Ok(None);
        }
        let clocks = (self.phase(number, interval) / kernel.windows.count() as u64).max(1) as usize;
        let outputs = kernel.patch.area() * channels;
        // Of a depthwise layer those of a group.
        let of_a_group = channels / kernel.output_groups();
        let read = |rows: usize| rows / kernel.output_groups();
        let readers = &self.bits(number)?.readers;
        let mut best: Option<((bool, u64), Folding)> = None;
        for simd in divisors(per_group) {
            let sums = taps * (per_group / simd);
            let blocks = (clocks / (sums * kernel.groups)).clamp(1, live);
            let pe = live.div_ceil(blocks);
            let rows = padded_rows(kernel, pe);
            // As few multipliers as keep up.
            let multipliers = divisors(pe).find(|m| rows / m <= clocks).unwrap_or(pe);
            let cut = |wc_simd: usize| {
                let quick = |wc_pe: &usize| {
                    let folding = Folding { pe, simd, multipliers, wc_pe: *wc_pe, wc_simd };
                    let words = rows / readers.groups(rows, folding) / wc_simd;
                    outputs / wc_pe * words <= clocks
                };
                divisors(of_a_group).find(quick).map(|wc_pe| (wc_pe, wc_simd))
            };
            let cuts = divisors(read(rows)).filter_map(cut);
            let (wc_pe, wc_simd) =
                cuts.min_by_key(|(pe, simd)| (pe * simd, *pe)).unwrap_or((of_a_group, read(rows)));
            let folding = Folding { pe, simd, multipliers, wc_pe, wc_simd };
            let cost = self.cost(number, Choice::Folded(folding))?;
            let late = cost.clocks > interval;
            let key = (late, if late { cost.clocks } else { cost.luts + 150 * cost.half_brams });
            if best.is_none_or(|(least, _)| key < least) {
                best = Some((key, folding));
            }
        }
        Ok(best.map(|(_, folding)| folding))
    }

    /// The cheapest folding of a char-CNN of at most `interval` clocks a word; the quickest one
    /// where none is.
    fn filters(&self, number: usize, words: &Words, interval: u64) -> Result<Folding> {
        let one = Folding { pe: 1, simd: 1, multipliers: 1, wc_pe: 1, wc_simd: 1 };
        let mut best: Option<((bool, u64), Folding)> = None;
        for (pe, simd) in divisors(words.common())
            .flat_map(|pe| divisors(words.elements).map(move |simd| (pe, simd)))
        {
            // As few multipliers as keep up.
            let quick = |m: &usize| (words.filters() / m) as u64 <= interval;
            let multipliers = divisors(pe).find(quick).unwrap_or(pe);
            let folding = Folding { pe, simd, multipliers, ..one };
            let cost = self.cost(number, Choice::Folded(folding))?;
            let late = cost.clocks > interval;
            let key = (late, if late { cost.clocks } else { cost.luts + 150 * cost.half_brams });
            if best.is_none_or(|(least, _)| key < least) {
                best = Some((key, folding));
            }
        }
        Ok(best.map_or(one, |(_, folding)| folding))
    }

    /// Clocks that each part of a folded kernel may take: all of the interval, since a frame is in
    /// one part while the next frame is in another; in a recurrent layer one step goes through W_b
    /// and W_c before the next may.
    fn phase(&self, number: usize, interval: u64) -> u64 {
        match self.dataflow.layers[number].kind {
            Kind::Recurrent { ref cell, .. } => {
                let steps = self.dataflow.layers[number].steps() as u64;
                let both = (interval / steps).saturating_sub(FOLDED + behind(cell.kind));
                // The second part takes a clock for each unit at least.
                let units = self.dataflow.yields(number).shape.channels as u64;
                steps * (both / 2).min(both.saturating_sub(units)).max(1)
            }
            _ => interval,
        }
    }

    /// The estimated cost of layer `number` on this engine: its primitives are those that it will
    /// be made of, and only sums that are wiring are not known before they are shared.
    fn cost(&self, number: usize, choice: Choice) -> Result<Cost> {
        let layer = &self.dataflow.layers[number];
        let multipliers = layer.products_of_a_unit() as u64;
        let own = Cost { multipliers, clocks: self.clocks(number, choice)?, ..Cost::default() };
        Ok(match (layer.kernel(), choice) {
            (Some(_), Choice::Unrolled) => {
                let bits = self.bits(number)?;
                let engine = Engine::Unrolled { stages: DEPTH, interval: 1 };
                let sums = Cost { luts: bits.unrolled(), ..Cost::default() };
                let multipliers = Cost { multipliers: bits.multipliers, ..Cost::default() };
                own + sums + multipliers + self.parts(number, engine)?
            }
            (Some(kernel), Choice::Serial { interval }) => {
                let bits = self.bits(number)?;
                let stages = 2 * interval + DEPTH;
                let inputs = (kernel.windows.size.area() * kernel.input.channels) as u64;
                let sums = Cost { luts: bits.serial(inputs, interval.into()), ..Cost::default() };
                // Each serves as many rows as a word has clocks.
                let multipliers = bits.multipliers.div_ceil(interval.into());
                let multipliers = Cost { multipliers, ..Cost::default() };
                let parts = self.parts(number, Engine::Unrolled { stages, interval })?;
                own + sums + multipliers + parts
            }
            (Some(_), Choice::Folded(folding)) => {
                let mut folded = folded::blank(layer, folding)?;
                if self.bits(number)?.digits {
                    folded.bank.digits = Some(Digits::of(&folded.bank.coefficients));
                }
                let lanes = if folded.bank.digits.is_some() { 0 } else { folded.bank.lanes };
                let multipliers = Cost { multipliers: lanes as u64, ..Cost::default() };
                own + multipliers + self.parts(number, Engine::Folded(&folded))?
            }
            (None, Choice::Elementwise { lanes }) => {
                own + self.parts(number, Engine::Elementwise { lanes })?
            }
            _ => return Err(self.lost(number)),
        })
    }

    /// What the primitives of a layer take on this engine, as the report counts them.
    fn parts(&self, number: usize, engine: Engine) -> Result<Cost> {
        let taken = figures::of_layer(self.dataflow, number, engine)?;
        Ok(Cost { luts: taken.luts, half_brams: taken.blocks, ..Cost::default() })
    }

    fn bits(&self, number: usize) -> Result<&KernelBits> {
        self.kernels[number].as_ref().ok_or_else(|| self.lost(number))
    }

    /// Clocks that a layer takes for a frame on this engine.
    fn clocks(&self, number: usize, choice: Choice) -> Result<u64> {
        let (dataflow, layer) = (self.dataflow, &self.dataflow.layers[number]);
        let to = dataflow.yields(number);
        let (elements, outputs) = (layer.input.elements() as u64, to.shape.elements() as u64);
        Ok(match (&layer.kind, choice) {
            (Kind::Spn(kernel), choice) => self.kernel_clocks(number, kernel, choice)?.0,
            (Kind::CharCnn { .. }, Choice::Folded(folding)) => {
                let Some(words) = layer.words() else { return Err(self.lost(number)) };
                let Folding { pe, simd, multipliers, .. } = folding;
                let taps: usize = words.by_width().map(|(width, n)| width * (n / pe)).sum();
                let sums = taps * (words.elements / simd) * words.most_positions();
                let of_a_word = words.characters * words.elements / simd;
                let most = sums.max(words.filters() / multipliers).max(of_a_word);
                (most as u64).max(words.filters() as u64)
            }
            (Kind::Highway { gates, .. }, choice) => {
                self.kernel_clocks(number, gates, choice)?.0.max(outputs)
            }
            (Kind::Recurrent { gates, cell, .. }, choice) => {
                // The words of h go in, the units come out one by one.
                let (own, phases) = self.kernel_clocks(number, gates, choice)?;
                let (steps, units) = (layer.steps() as u64, to.shape.channels as u64);
                own.max(steps * (phases[0] + phases[1].max(units) + behind(cell.kind)))
            }
            (Kind::Pool { windows, .. }, Choice::Elementwise { lanes }) => {
                let words = to.shape.pixels() * windows.size.area() * (to.shape.channels / lanes);
                (words as u64).max(elements / lanes as u64)
            }
            (
                Kind::Add { .. }
                | Kind::Activation { .. }
                | Kind::Last
                | Kind::Best { .. }
                | Kind::Threshold { .. }
                | Kind::Reverse,
                Choice::Elementwise { lanes },
            ) => elements / lanes as u64,
            (Kind::Concat { .. } | Kind::Upsample { .. }, Choice::Elementwise { lanes }) => {
                outputs / lanes as u64
            }
            (Kind::Embedding { .. }, Choice::Elementwise { lanes }) => {
                elements * (to.shape.channels / lanes) as u64
            }
            (
                Kind::Pool { .. }
                | Kind::Upsample { .. }
                | Kind::Activation { .. }
                | Kind::Last
                | Kind::Best { .. }
                | Kind::Threshold { .. }
                | Kind::Reverse
                | Kind::Add { .. }
                | Kind::Concat { .. }
                | Kind::Embedding { .. }
                | Kind::CharCnn { .. },
                _,
            ) => return Err(self.lost(number)),
        })
    }

    /// Engines are chosen by the kind of their layer.
    fn lost(&self, number: usize) -> Error {
        let name = &self.dataflow.layers[number].name;
        Error::internal(
            format_args!("layer `{name}`, cost"),
            "has an engine of another kind of layer",
        )
    }

    /// The clocks of a kernel for a frame, and those of a window until its first output leaves, and
    /// from then on.
    fn kernel_clocks(
        &self,
        number: usize,
        kernel: &Kernel,
        choice: Choice,
    ) -> Result<(u64, [u64; 2])> {
        let (input, windows, count) = (kernel.input, kernel.windows, kernel.windows.count() as u64);
        Ok(match choice {
            Choice::Unrolled | Choice::Serial { .. } => {
                let every =
                    if let Choice::Serial { interval } = choice { interval.into() } else { 1 };
                let lines = Lines { image: input, words: 1, windows, fill: 0 };
                let steps = if windows == Windows::WHOLE {
                    1
                } else {
                    (windows.rows * lines.steps()) as u64
                };
                let outgoing = (windows.count() * kernel.patch.area()) as u64;
                let schedule = self.schedule.copied().unwrap_or_default();
                let stages = self.bits(number)?.stages(every, &schedule);
                let clocks = steps.max(outgoing).max(input.pixels() as u64).max(count * every);
                (clocks, [stages, 1])
            }
            Choice::Folded(folding) => {
                let Folding { pe, simd, multipliers, wc_pe, wc_simd } = folding;
                let rows = padded_rows(kernel, pe);
                let words = input.channels / kernel.groups / simd;
                let depth = rows / pe * windows.size.area() * words;
                let outputs = kernel.patch.area() * kernel.output.channels;
                let read = rows / self.bits(number)?.readers.groups(rows, folding);
                let wc_depth = (outputs / wc_pe * (read / wc_simd)) as u64;
                let first = depth.max(rows / multipliers) as u64;
                let entering = (input.elements() / simd) as u64;
                ((count * first.max(wc_depth)).max(entering), [first + FOLDED, wc_depth])
            }
            Choice::Elementwise { .. } => return Err(self.lost(number)),
        })
    }
}

/// Clocks of a recurrent layer's loop beside those of its kernel and its units: its cell, and what
/// stands between.
fn behind(cell: Cell) -> u64 {
    match cell {
        Cell::Lstm => 14,
        Cell::Gru => 15,
    }
}

/// Clocks of a folded kernel beside those that go with its size, about.
const FOLDED: u64 = 25;

/// Stages of a pipeline whose sums are not shared yet, about.
const DEPTH: u32 = 16;

/// The fewest clocks from word to word for which a layer in digits is chosen.
const SLOW: u64 = 4;

fn divisors(n: usize) -> impl DoubleEndedIterator<Item = usize> {
    (1..=n).filter(move |d| n.is_multiple_of(*d))
}

/// Sizes of what is in a kernel.
struct KernelBits {
    /// All products.
    rows: u64,
    /// Hardware multipliers, unrolled, and LUTs of the rows that have none.
    multipliers: u64,
    shift_add: u64,
    /// Whether a folded layer multiplies by shifts and additions.
    digits: bool,
    /// Additions of W_b and of W_c after sharing, about.
    adders: [f64; 2],
    x: u64,
    u: u64,
    m: u64,
    y: u64,
    /// Bits of all outputs of a window that are saturated.
    saturated: u64,
    /// Sums of three terms one after the other, in W_b and in W_c.
    levels: [u32; 2],
    /// The groups that a folded W_c falls into.
    readers: Readers,
}

/// Additions of two terms or three that are left after sharing, within a sixth: the more terms
/// there are, and the denser they lie, the more of them meet more than once.
fn shared(matrix: &Matrix) -> f64 {
    let terms = matrix.iter().filter(|v| **v != 0).count() as f64;
    if terms == 0.0 {
        return 0.0;
    }
    let met = terms.log2() / 5.0 + 2.8 * terms / matrix.len() as f64;
    (terms / met).min(naive_adders(matrix, Operands::Three) as f64)
}

/// Sums of three terms that the longest row takes one after the other, its constant included.
fn levels(linear: &Linear) -> u32 {
    let rows = linear.matrix.rows().into_iter();
    let mut terms: Vec<usize> = rows.map(|row| row.iter().filter(|v| **v != 0).count()).collect();
    linear.constants.iter().for_each(|(row, _)| terms[*row] += 1);
    let most = terms.into_iter().max().unwrap_or(0);
    (0..).find(|levels| 3usize.saturating_pow(*levels) >= most).unwrap_or(0)
}

impl KernelBits {
    /// Stages of a layer that takes a word every so many clocks, or a few less, since what sums
    /// have in common makes them longer.
    fn stages(&self, every: u64, options: &schedule::Options) -> u64 {
        let [b, c] = self.levels;
        if every > 1 {
            // Digits go through W_b, then rows through the multiplier that they share, and then
            // digits through W_c.
            let turns = |n: u64| n.div_ceil(n.div_ceil(every).max(1));
            return turns(self.u) + turns(self.multipliers) + turns(self.y) + u64::from(b + c + 3);
        }
        let stages = |levels: u32, bits: u64| schedule::stages(levels, bits as u32, options);
        // A clamp is one more sum.
        let sums = stages(b, self.u) + stages(c + 1, self.y);
        u64::from(sums + options.multiplier_latency + 1)
    }

    /// LUTs of the sums of an unrolled layer: as wide as what they add up and their results are on
    /// average, and one for each bit that is bounded.
    fn unrolled(&self) -> u64 {
        let [b, c] = self.adders;
        let sums = b * (self.x + self.u) as f64 / 2.0 + c * (self.m + self.y) as f64 / 2.0;
        sums as u64 + self.shift_add + self.saturated
    }

    /// LUTs of a layer whose words pass in so many clocks: a LUT for each bit of a digit of a sum,
    /// one for four places among which a digit is chosen, or rows among which a multiplier's
    /// operand is, and one for two bits that are bounded.
    fn serial(&self, inputs: u64, interval: u64) -> u64 {
        let digit = |bits: u64| bits.div_ceil(interval);
        let chosen = |bits: u64, digit: u64| match bits.div_ceil(digit).min(interval) {
            1 => 0,
            places => digit * places.div_ceil(4),
        };
        let [b, c] = self.adders;
        let (of_u, of_y) = (digit(self.u), digit(self.y));
        (b * of_u as f64 + c * of_y as f64) as u64
            + inputs * chosen(self.x, of_u)
            + self.rows * chosen(self.m, of_y)
            + self.multipliers * self.u.div_ceil(4)
            + self.saturated.div_ceil(2)
            + self.shift_add.div_ceil(interval)
    }
}

fn kernel_bits(kernel: &Kernel, made_of: Multipliers) -> KernelBits {
    let outputs = (kernel.patch.area() * kernel.output.channels) as u64;
    let mut all = KernelBits {
        readers: Readers::of(kernel),
        rows: 0,
        multipliers: 0,
        shift_add: 0,
        digits: folded::digits(kernel).is_some_and(|digits| made_of.builds(digits.terms)),
        adders: [0.0; 2],
        x: kernel.chain.input.bits.into(),
        u: 1,
        m: 1,
        y: 1,
        saturated: 0,
        levels: [0; 2],
    };
    for (i, linear) in kernel.chain.linear().enumerate() {
        all.levels[i.min(1)] = levels(&linear);
    }
    let widest = |v: &[Interval]| v.iter().map(|v| u64::from(v.bits())).max().unwrap_or(1);
    let mut u: &[Interval] = &[];
    for (i, op) in kernel.chain.ops.iter().enumerate() {
        let bits = widest(&op.result.intervals);
        match &op.kind {
            OpKind::Linear { matrix, .. } => {
                if i == 0 {
                    (all.u, u) = (bits, &op.result.intervals)
                } else {
                    all.y = bits
                }
                all.adders[usize::from(i > 0)] = shared(matrix);
            }
            OpKind::Multiply { coefficients, .. } => {
                all.m = bits;
                all.rows = coefficients.len() as u64;
                for (a, u) in coefficients.iter().zip(u) {
                    let mut digits = 0;
                    each_digit(*a, |_, _| digits += 1);
                    if made_of.builds(digits) {
                        // An addition for every digit but the first, each about as wide as the
                        // product.
                        let width = u64::from(u.times(Interval::point(*a)).bits());
                        all.shift_add += digits.saturating_sub(1) as u64 * width;
                    } else {
                        all.multipliers += 1;
                    }
                }
            }
            OpKind::Requantise { .. } => {
                all.saturated = outputs * u64::from(kernel.chain.output.bits)
            }
            _ => {}
        }
    }
    all
}

impl fmt::Display for Target {
    /// Writes the target as it stands on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in [("--target-fps", self.fps), ("--clock", self.clock)] {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        if let Some(ii) = self.ii {
            write!(f, " --ii {ii}")?;
        }
        // The budget of multipliers is an option of all cores.
        for (name, value) in [("--lut-budget", self.lut), ("--bram-budget", self.bram)] {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        match self.engine {
            Allowed::Auto => Ok(()),
            Allowed::Unrolled => write!(f, " --engine unrolled"),
            Allowed::Serial => write!(f, " --engine serial"),
            Allowed::Folded => write!(f, " --engine folded"),
        }
    }
}

impl fmt::Display for Engines {
    /// Writes a plain `engines.toml`, without what the layers cost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Engines {
    /// Reads an `engines.toml`.
    ///
    /// # Errors
    /// Where it cannot be read, or is not such a file.
    pub fn load(path: &Path) -> Result<Self> {
        Self::parse(&files::read_text(path)?, path.display())
    }

    /// Reads the text of an `engines.toml`.
    ///
    /// # Errors
    /// Where the text is not such a file; `place` names it.
    pub fn parse(text: &str, place: impl fmt::Display) -> Result<Self> {
        toml::from_str(text).map_err(|e| wording::of_toml(place, text, &e))
    }

    /// The text of `engines.toml`, with what each layer costs beside it.
    pub fn to_toml(&self, figures: &Figures) -> String {
        let mut text = String::from(
            "# The engine of every layer. Edit it and give it back: strassenc verilog MODEL \
             --engines engines.toml\n\
             # Layers and FIFOs that are left out are chosen anew.\n",
        );
        for layer in &figures.layers {
            let Some(choice) = self.layers.get(&layer.name) else { continue };
            let Cost { luts, half_brams, multipliers, .. } = layer.engine.estimate;
            text += &format!(
                "\n# {} a frame, about {}, {:.1} block RAMs, {}\n[layers.{}]\n",
                count(layer.engine.clocks, "clock"),
                count(luts, "LUT"),
                half_brams as f64 / 2.0,
                count(multipliers, "hardware multiplier"),
                layer.name
            );
            // Plain data of names and numbers always serialises.
            text += &toml::to_string(choice).expect("a choice is plain data");
        }
        let fifos = figures.streams.fifos.iter();
        for (i, fifo) in fifos.enumerate() {
            if i == 0 {
                text += "\n# Words; with fewer than `live` the core deadlocks, with `rate` no word \
                    is ever late.\n[fifos]\n";
            }
            let set = if self.fifos.contains_key(&fifo.name) { "" } else { "# " };
            text += &format!(
                "{set}{} = {}  # live {}, rate {}\n",
                fifo.name, fifo.depth, fifo.live, fifo.rate
            );
        }
        text
    }
}
