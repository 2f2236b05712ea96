//! Random models of a described network, for looking at hardware before any training.
//!
//! W_b, W_c and the coefficients are drawn; shifts, biases and formats are then chosen layer by
//! layer, on the integers that really arrive over some images, so that every layer uses its format:
//! see [`Figures`] for what is aimed at.

mod calibrate;
mod images;
mod recurrent;
mod sequences;
mod sums;

use crate::error::{Error, Kind, Result};
use crate::format::Format;
use crate::model::{self, Edge, Model, Provenance};
use crate::network::plan::{Op, Step};
use crate::network::{Layer, Network};
use crate::shape::Shape;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

pub use images::images;
pub use sequences::random_sequence;

/// The choices of what is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The share of nonzeros in W_b and W_c, above 0, at most 1. No row and no column of products
    /// is left without one.
    pub density: f64,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// What the images come from, for the model's provenance, if they are real.
    pub data: Option<String>,
}

/// A random model, and how it does on the images it was calibrated on.
#[derive(Clone, Debug, PartialEq)]
pub struct Random {
    /// The model, valid.
    pub model: Model,
    /// The figures of its linear layers and joined branches, in the order of the description.
    pub layers: Vec<Figures>,
    /// The network's outputs for each image, those of the heads behind the last layer's: golden's.
    pub outputs: Vec<Vec<i64>>,
}

/// One layer over all images.
///
/// Aimed at: [`DISTINCT`] different values or more, at most a share of [`SATURATED`] saturated, and
/// after a ReLU about half of them above 0. Formats of fewer than 5 bits, or layers of very few
/// values, may miss it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The layer's name.
    pub name: String,
    /// The shape of what leaves.
    pub output: Vec<usize>,
    /// Multiplications per output patch; none for a sum.
    pub r: Option<usize>,
    /// The share of nonzeros in W_b; none for a sum.
    pub density_b: Option<f64>,
    /// The share of nonzeros in W_c; none for a sum, and where it is the identity.
    pub density_c: Option<f64>,
    /// How many different integers leave.
    pub distinct: usize,
    /// The share of integers at an end of the format; 0 is no end of a ReLU's. None for the
    /// network's outputs.
    pub saturated: Option<f64>,
    /// The share of integers above 0.
    pub positive: f64,
    /// The format of what leaves; none for the network's outputs.
    pub format: Option<Format>,
}

/// Different integers that every layer shows, at least.
pub const DISTINCT: usize = 16;
/// The share of saturated integers of every layer, at most.
pub const SATURATED: f64 = 0.2;
/// Samples to calibrate on.
pub const SAMPLES: RangeInclusive<usize> = 1..=1024;

impl Figures {
    /// Whether the layer shows what is aimed at.
    pub fn is_lively(&self) -> bool {
        self.distinct >= DISTINCT && self.saturated.is_none_or(|share| share <= SATURATED)
    }
}

/// Asked now and then whether the work shall end.
#[derive(Clone, Copy)]
pub struct Stop<'a>(pub &'a (dyn Fn() -> bool + Sync));

impl Stop<'_> {
    fn check(self) -> Result<()> {
        if (self.0)() {
            return Err(Error::new(Kind::Interrupted, "random", "interrupted by the user"));
        }
        Ok(())
    }
}

/// Images that calibrate `network` well in seconds: 16, fewer where it is large; of a network over
/// sequences 512 symbols, at least 16.
pub fn samples(network: &Network) -> usize {
    const MOST: u64 = 2_000_000_000;
    let work: u64 = network.plan().unwrap_or_default().iter().map(work).sum();
    let (least, most) = if network.is_of_sequences() { (16, 512) } else { (1, 16) };
    (MOST / work.max(1)).clamp(least, most) as usize
}

/// Additions of a layer's matrices over one image, if they had no zeros.
fn work(step: &Step) -> u64 {
    let patches = step.linear().map(|linear| linear.patches(step.output));
    let patches = patches.map_or(step.times(), |(down, across)| down * across);
    let (w_b, w_c) = step.entries();
    (w_b + w_c) * patches as u64
}

/// A random model of `network`, calibrated on `images`, which are integers of the input format. The
/// same arguments give the same model on any number of threads. `progress` is told the layer that
/// begins, and the share of the work that is done.
///
/// # Errors
/// Where the description or an option is wrong, an image does not fit, or `stop` says so.
pub fn random(
    network: &Network,
    images: &[Vec<i64>],
    options: &Options,
    progress: &dyn Fn(&str, f64),
    stop: Stop,
) -> Result<Random> {
    network.validate()?;
    check_density(options.density)?;
    let columns = network.columns();
    if !SAMPLES.contains(&images.len()) {
        let (least, most) = (SAMPLES.start(), SAMPLES.end());
        return Err(Error::input(
            "images",
            format_args!("are {}, not {least} to {most}", images.len()),
        ));
    }
    for (i, image) in images.iter().enumerate() {
        if image.len() != network.elements() {
            let (has, takes) = (image.len(), network.elements());
            return Err(Error::input(
                format_args!("image {i}"),
                format_args!("has {has} elements, the network takes {takes}"),
            ));
        }
        let formats = columns.iter().flat_map(|(n, format)| std::iter::repeat_n(format, *n));
        let outside = |(v, format): &(&i64, &Format)| **v < format.min() || **v > format.max();
        if let Some((v, format)) = image.iter().zip(formats).find(outside) {
            return Err(Error::input(
                format_args!("image {i}"),
                format_args!("holds {v}, outside {format}"),
            ));
        }
    }
    let steps = network.plan()?;
    let calibrated = calibrate::calibrate(network, &steps, images, options, progress, stop)?;
    let provenance = provenance(network, options);
    let input = Edge { shape: network.axes(), format: network.input.format() };
    let mut made = steps.iter().zip(calibrated.layers);
    let layers = assemble(&network.layers, &mut made);
    let model = Model { name: network.name.clone(), input, layers, provenance };
    model.validate()?;
    Ok(Random { model, layers: calibrated.figures, outputs: calibrated.outputs })
}

fn check_density(density: f64) -> Result<()> {
    if density > 0.0 && density <= 1.0 {
        return Ok(());
    }
    Err(Error::input("density", format_args!("{density} is not above 0 and at most 1")))
}

fn provenance(network: &Network, options: &Options) -> Provenance {
    Provenance {
        alphabet: None,
        words: None,
        tool: format!("strassenc {}", env!("CARGO_PKG_VERSION")),
        network: Some(network.to_toml()),
        data: options.data.clone(),
        seed: Some(options.seed),
        metrics: BTreeMap::new(),
    }
}

/// What calibration makes of a step.
enum Made {
    Linear(Box<model::Layer>),
    Join(Format),
    Activation(model::Function),
    Pool,
}

/// The layers of a description, from what its steps became.
fn assemble<'a>(
    layers: &[Layer],
    made: &mut impl Iterator<Item = (&'a Step, Made)>,
) -> Vec<model::Layer> {
    let mut assembled = vec![];
    for layer in Layer::of_steps(layers) {
        let branches = layer.branches().map(|(branches, join)| {
            let [body, shortcut] =
                [&branches.body, &branches.shortcut].map(|layers| assemble(layers, made));
            (body, shortcut, join)
        });
        if let Layer::Head(head) = layer {
            let (name, layers) = (head.name.clone(), assemble(&head.layers, made));
            assembled.push(model::Layer::Head(model::Head { name, layers }));
            continue;
        }
        let Some((step, made)) = made.next() else { unreachable!("a step for each layer") };
        let name = step.name.clone();
        let pool = |kind, pool: &crate::network::plan::Pool| {
            let (size, stride, pad) = (pool.size, pool.stride, pool.pad);
            model::Layer::Pool(model::Pool { name: step.name.clone(), kind, size, stride, pad })
        };
        assembled.push(match (made, &step.op, branches) {
            (Made::Linear(layer), ..) => *layer,
            (Made::Join(format), _, Some((body, shortcut, join))) => {
                model::Layer::Branches(model::Branches { name, body, shortcut, join, format })
            }
            (Made::Activation(function), ..) => {
                model::Layer::Activation(model::Activation { name, function })
            }
            (_, Op::MaxPool(windows), _) => pool(model::PoolKind::Max, windows),
            (_, Op::AveragePool(windows), _) => pool(model::PoolKind::Sum, windows),
            (_, Op::Input(edge), _) => {
                let edge = edge.clone();
                model::Layer::Input(model::Input { name, edge })
            }
            (_, Op::Last, _) => model::Layer::Last(model::Last { name }),
            (_, Op::Reverse, _) => model::Layer::Reverse(model::Reverse { name }),
            (_, Op::Upsample(size), _) => {
                model::Layer::Upsample(model::Upsample { name, size: *size })
            }
            _ => unreachable!("steps are those of the description"),
        });
    }
    assembled
}

/// The axes of a shape.
fn axes(shape: Shape) -> Vec<usize> {
    match shape {
        Shape { height: 1, width: 1, channels } => vec![channels],
        Shape { height, width, channels } => vec![height, width, channels],
    }
}
