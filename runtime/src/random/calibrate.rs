//! Shifts, biases and formats from the integers that arrive.

use super::recurrent::{gates, recurrent};
use super::sums::{Rows, Sums, Windows, rounded};
use super::{DISTINCT, Figures, Made, Options, SATURATED, Stop, axes, work};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::golden;
use crate::model::{self, Edge, Output};
use crate::network::plan::{self, Activation, Linear, Op, Pool, Step};
use crate::network::{Bits, Network};
use crate::shape::{Extent, Join, Shape};
use ndarray::{Array, Array1, Array3, Array4, Dimension};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::HashSet;

/// Values that a statistic of its own needs; where there are fewer, it is shared.
const FEW: usize = 16;
/// The share of values that formats saturate, about.
const CLIPPED: f64 = 0.02;
/// log2 of what a product spreads over while scales are measured.
const MEASURED: i32 = 10;
/// Channels differ in scale by at most 2^±SCALES.
const SCALES: i32 = 3;

pub struct Calibrated {
    /// The layer of each step.
    pub layers: Vec<Made>,
    pub figures: Vec<Figures>,
    /// The network's outputs, image by image.
    pub outputs: Vec<Vec<i64>>,
}

/// The integers of one edge for all images, one image after the other.
struct Value {
    shape: Shape,
    format: Format,
    data: Vec<i64>,
}

impl Value {
    fn unit(&self) -> f64 {
        f64::powi(2.0, -self.format.frac)
    }
}

pub fn calibrate(
    network: &Network,
    steps: &[Step],
    images: &[Vec<i64>],
    options: &Options,
    progress: &dyn Fn(&str, f64),
    stop: Stop,
) -> Result<Calibrated> {
    let mut inputs = inputs(network, images).into_iter();
    let mut values: Vec<Option<Value>> = (0..=steps.len()).map(|_| None).collect();
    values[0] = inputs.next();
    // They stand in this order, which is not that of the calibration.
    for (k, _) in steps.iter().enumerate().filter(|(_, step)| matches!(step.op, Op::Input(_))) {
        values[k + 1] = inputs.next();
    }
    let mut made: Vec<_> = steps.iter().map(|_| None).collect();
    let order = order(steps);
    let (mut done, total) = (0, steps.iter().map(work).sum::<u64>().max(1));
    for (i, &k) in order.iter().enumerate() {
        let step = &steps[k];
        progress(&step.name, done as f64 / total as f64);
        stop.check()?;
        done += work(step);
        let at = |value: usize| {
            values[value]
                .as_ref()
                .ok_or_else(|| Error::internal(&step.name, "reads what was not computed"))
        };
        if matches!(step.op, Op::Input(_)) {
            made[k] = Some((Made::Pool, None));
            continue;
        }
        let x = at(step.from[0])?;
        let (layer, value) = match &step.op {
            Op::Linear(linear) => {
                // What the layer's outputs are added to.
                let sum = steps.iter().find(|step| is_sum(step) && step.from[0] == k + 1);
                let calibration = Calibration {
                    step,
                    linear,
                    network,
                    samples: images.len(),
                    last: is_output(steps, k),
                    added: sum.map(|sum| at(sum.from[1])).transpose()?,
                    stop,
                };
                let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
                rng.set_stream(k as u64);
                let (layer, value) = calibration.run(x, options.density, &mut rng)?;
                (Made::Linear(Box::new(layer)), value)
            }
            Op::MaxPool(pool) => (Made::Pool, pooled(model::PoolKind::Max, step, pool, x)?),
            Op::AveragePool(pool) => (Made::Pool, pooled(model::PoolKind::Sum, step, pool, x)?),
            Op::Upsample(size) => (Made::Pool, upsampled(*size, step, x)),
            Op::Activation(activation) => {
                let function = model::Function::of(*activation, x.format, &network.bits)
                    .ok_or_else(|| Error::internal(&step.name, "reads a format of another kind"))?;
                let (name, format) = (step.name.clone(), function.yields(x.format));
                let layer = model::Layer::Activation(model::Activation {
                    name,
                    function: function.clone(),
                });
                let data = golden::of_layer(&layer, &x.data, (x.shape, x.format))?;
                (Made::Activation(function), Value { shape: step.output, format, data })
            }
            Op::Join(join) => {
                let sides = [x, at(step.from[1])?];
                let value = joined(*join, sides, step, &network.bits);
                (Made::Join(value.format), value)
            }
            Op::Last => (Made::Pool, last_pixels(step, x)),
            Op::Reverse => (Made::Pool, reversed(x)),
            Op::Recurrent(cell, _, gates) => {
                let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
                rng.set_stream(k as u64);
                let squares = x.data.iter().map(|v| (*v as f64 * x.unit()).powi(2)).sum::<f64>();
                let deviation = (squares / x.data.len() as f64).sqrt().max(x.unit());
                let of = (step, *cell, gates);
                let from = (x.format, deviation);
                let layer = recurrent(of, &network.bits, from, options.density, &mut rng);
                let (layer, format) = (model::Layer::Recurrent(layer.clone()), layer.hidden);
                let data = golden::of_layer(&layer, &x.data, (x.shape, x.format))?;
                (Made::Linear(Box::new(layer)), Value { shape: step.output, format, data })
            }
            Op::Input(_) | Op::Embedding { .. } | Op::CharCnn(_) | Op::Highway(_) => {
                return Err(Error::internal(&step.name, "is for sequences, and no images"));
            }
        };
        let figures = figures(step, &layer, &value, is_output(steps, k));
        values[k + 1] = Some(value);
        made[k] = Some((layer, figures));
        // What nobody reads any more.
        for read in &step.from {
            if !order[i + 1..].iter().any(|later| steps[*later].from.contains(read)) {
                values[*read] = None;
            }
        }
    }
    progress("", 1.0);
    let mut outputs = vec![vec![]; images.len()];
    for k in plan::outputs(steps) {
        let Some(z) = &values[k + 1] else { continue };
        let of_each = z.data.chunks(z.shape.elements());
        outputs.iter_mut().zip(of_each).for_each(|(all, z)| all.extend_from_slice(z));
    }
    let (layers, figures): (Vec<_>, Vec<_>) = made.into_iter().flatten().unzip();
    Ok(Calibrated { layers, figures: figures.into_iter().flatten().collect(), outputs })
}

/// What enters, input by input.
fn inputs(network: &Network, images: &[Vec<i64>]) -> Vec<Value> {
    let mut at = 0;
    let value = |(_, edge): (_, Edge)| {
        let own = at..at + edge.elements();
        at = own.end;
        let (shape, format) = edge.image();
        let data = images.iter().flat_map(|image| &image[own.clone()]).copied().collect();
        Value { shape, format, data }
    };
    network.inputs().into_iter().map(value).collect()
}

/// Steps in an order in which the last layer of a residual's body comes after the shortcut, whose
/// values it must suit.
fn order(steps: &[Step]) -> Vec<usize> {
    let ends: HashSet<usize> =
        steps.iter().filter(|step| is_sum(step)).map(|add| add.from[0] - 1).collect();
    let mut order = vec![];
    for (k, step) in steps.iter().enumerate() {
        if is_sum(step) {
            order.push(step.from[0] - 1);
        }
        if !ends.contains(&k) {
            order.push(k);
        }
    }
    order
}

/// Whether what a step yields leaves the network.
fn is_output(steps: &[Step], k: usize) -> bool {
    plan::outputs(steps).any(|output| output == k)
}

fn is_sum(step: &Step) -> bool {
    matches!(step.op, Op::Join(Join::Add))
}

fn figures(step: &Step, made: &Made, value: &Value, last: bool) -> Option<Figures> {
    let share = |nonzeros: usize, entries: usize| nonzeros as f64 / entries.max(1) as f64;
    let linear = step.linear();
    let (r, density_b, density_c) = match made {
        Made::Pool | Made::Activation(_) => return None,
        Made::Linear(layer) => {
            let nonzeros = |w: &mut dyn Iterator<Item = &i8>| w.filter(|w| **w != 0).count();
            let (r, b, c) = match layer.as_ref() {
                model::Layer::Recurrent(model::Recurrent { gates: d, .. })
                | model::Layer::Dense(d) => {
                    (d.rows(), nonzeros(&mut d.w_b.iter()), nonzeros(&mut d.w_c.iter()))
                }
                model::Layer::Conv2d(c) => {
                    (c.rows(), nonzeros(&mut c.w_b.iter()), nonzeros(&mut c.w_c.iter()))
                }
                _ => (0, 0, 0),
            };
            let dilation = linear.map_or(Extent::ONE, |linear| linear.dilation);
            let [of_b, of_c] = layer.entries(dilation);
            let plain = linear.is_some_and(|linear| linear.plain);
            (Some(r), Some(share(b, of_b)), (!plain).then(|| share(c, of_c)))
        }
        Made::Join(_) => (None, None, None),
    };
    let z = &value.data;
    let Format { signed, bits, .. } = value.format;
    let distinct = if bits <= 16 {
        let mut seen = vec![false; 1 << bits];
        z.iter().for_each(|v| seen[(v - value.format.min()) as usize] = true);
        seen.iter().filter(|seen| **seen).count()
    } else {
        z.iter().collect::<HashSet<_>>().len()
    };
    let ends = |v: &&i64| **v == value.format.max() || signed && **v == value.format.min();
    Some(Figures {
        name: step.name.clone(),
        output: axes(step.output),
        r,
        density_b,
        density_c,
        distinct,
        saturated: (!last).then(|| share(z.iter().filter(ends).count(), z.len())),
        positive: share(z.iter().filter(|v| **v > 0).count(), z.len()),
        format: (!last).then_some(value.format),
    })
}

fn pooled(kind: model::PoolKind, step: &Step, windows: &Pool, x: &Value) -> Result<Value> {
    let &Pool { size, stride, pad } = windows;
    let layer =
        model::Layer::Pool(model::Pool { name: step.name.clone(), kind, size, stride, pad });
    let (shape, format) = layer.yields((x.shape, x.format))?;
    let mut data = Vec::with_capacity(x.data.len() / x.shape.elements() * shape.elements());
    for image in x.data.chunks(x.shape.elements()) {
        for (down, across) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x)))
        {
            let inside = |at: usize, [size, stride, pad]: [usize; 3], most: usize| {
                (at * stride).max(pad) - pad..(at * stride + size - pad).min(most)
            };
            let first = data.len();
            data.resize(
                first + shape.channels,
                if kind == model::PoolKind::Max { x.format.min() } else { 0 },
            );
            for y in inside(down, [size.h, stride.h, pad.h], x.shape.height) {
                for across in inside(across, [size.w, stride.w, pad.w], x.shape.width) {
                    let from = (y * x.shape.width + across) * shape.channels;
                    for (z, v) in data[first..].iter_mut().zip(&image[from..from + shape.channels])
                    {
                        *z = if kind == model::PoolKind::Max { *v.max(z) } else { *z + v };
                    }
                }
            }
        }
    }
    // A vector is what follows a pool of the whole image.
    Ok(Value { shape, format, data })
}

fn upsampled(size: Extent, step: &Step, x: &Value) -> Value {
    let (shape, channels) = (step.output, x.shape.channels);
    let images = x.data.chunks(x.shape.elements()).flat_map(|image| {
        (0..shape.height).flat_map(move |y| {
            let row = &image[y / size.h * x.shape.width * channels..][..x.shape.width * channels];
            row.chunks(channels).flat_map(move |pixel| std::iter::repeat_n(pixel, size.w)).flatten()
        })
    });
    Value { shape, format: x.format, data: images.copied().collect() }
}

fn last_pixels(step: &Step, x: &Value) -> Value {
    let images = x.data.chunks(x.shape.elements());
    let data = images.flat_map(|image| &image[image.len() - x.shape.channels..]).copied().collect();
    Value { shape: step.output, format: x.format, data }
}

fn reversed(x: &Value) -> Value {
    let images = x.data.chunks(x.shape.elements());
    let data = images.flat_map(|image| image.chunks(x.shape.channels).rev().flatten());
    Value { data: data.copied().collect(), ..*x }
}

/// Two branches as one, in a format that suits it.
fn joined(join: Join, [a, b]: [&Value; 2], step: &Step, bits: &Bits) -> Value {
    let frac = a.format.frac.max(b.format.frac);
    let (up_a, up_b) = (frac - a.format.frac, frac - b.format.frac);
    let mut data: Vec<i64> = match join {
        Join::Add => a.data.iter().zip(&b.data).map(|(a, b)| (a << up_a) + (b << up_b)).collect(),
        Join::Concat => {
            let pixels = a.data.chunks(a.shape.channels).zip(b.data.chunks(b.shape.channels));
            let pixel = |(a, b): (&[i64], &[i64])| {
                let a = a.iter().map(|v| v << up_a);
                a.chain(b.iter().map(|v| v << up_b)).collect::<Vec<_>>()
            };
            pixels.flat_map(pixel).collect()
        }
    };
    let reals: Vec<f64> = data.iter().map(|v| *v as f64 * f64::powi(2.0, -frac)).collect();
    let either = a.format.signed || b.format.signed || step.activation.is_some();
    let mut format = suitable_format(&reals, !step.relu && either, step, bits);
    if !step.activation.is_some_and(Activation::is_table) {
        // Finer than what arrives would say nothing more.
        format.frac = format.frac.min(frac);
    }
    data.iter_mut().for_each(|v| *v = format.saturate(rounded(*v, frac - format.frac)));
    Value { shape: step.output, format, data }
}

/// The format for what a step yields, of which these are samples before they are rounded.
fn suitable_format(reals: &[f64], signed: bool, step: &Step, bits: &Bits) -> Format {
    let format = |reals: &[f64]| {
        let format = Format { signed, bits: bits.activations, frac: 0 };
        Format { frac: suitable(reals, format), ..format }
    };
    match step.activation {
        Some(activation) if activation.is_table() => gates(bits),
        Some(Activation::Clip(most)) => {
            format(&reals.iter().map(|v| v.min(most)).collect::<Vec<_>>())
        }
        _ => format(reals),
    }
}

/// The frac of a format of this sign and width at which about a share of [`CLIPPED`] of the values
/// saturates; finer where there would be too few different ones.
fn suitable(reals: &[f64], format: Format) -> i32 {
    let mut sizes: Vec<f64> =
        reals.iter().map(|v| if format.signed { v.abs() } else { v.max(0.0) }).collect();
    let within = ((1.0 - CLIPPED) * sizes.len() as f64) as usize;
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let (_, q, _) = sizes.select_nth_unstable_by(within.min(reals.len() - 1), f64::total_cmp);
    let size = if *q > 0.0 { *q } else { largest };
    if size == 0.0 {
        return format.bits as i32 - 2;
    }
    let mut frac = ((format.max() as f64 + 0.5) / size).log2().floor() as i32;
    let ends = |frac: i32| {
        let up = f64::powi(2.0, frac);
        let z = |v: &f64| ((v * up + 0.5).floor() as i64).clamp(format.min(), format.max());
        let mut distinct = HashSet::new();
        for z in reals.iter().map(z) {
            distinct.insert(z);
            if distinct.len() >= DISTINCT {
                break;
            }
        }
        let ends = reals
            .iter()
            .map(z)
            .filter(|z| *z == format.max() || format.signed && *z == format.min())
            .count();
        (distinct.len(), ends as f64 / reals.len() as f64)
    };
    while ends(frac).0 < DISTINCT && ends(frac + 1).1 <= 0.75 * SATURATED && frac < 48 {
        frac += 1;
    }
    frac.clamp(-48, 48)
}

/// A linear layer that is made to suit what arrives.
struct Calibration<'a> {
    step: &'a Step,
    linear: &'a Linear,
    network: &'a Network,
    samples: usize,
    /// Whether its outputs are the network's.
    last: bool,
    /// What its outputs are added to, if anything.
    added: Option<&'a Value>,
    stop: Stop<'a>,
}

/// What one statistic is taken over.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    /// A channel at one place of the patches.
    Place,
    Channel,
    Layer,
}

/// What is drawn of a layer.
struct Drawn {
    /// `[r, c_in / groups, K, K]`.
    w_b: Array4<i8>,
    /// `[c_out, r, p, p]`, or `[c_out, r / groups, p, p]`.
    w_c: Array4<i8>,
    coefficients: Array1<i32>,
}

/// What is chosen for a layer.
struct Chosen {
    shifts: Array1<i32>,
    product_frac: i32,
    /// `[c_out, p, p]`.
    bias: Array3<i64>,
    output: Output,
}

impl Calibration<'_> {
    fn run(&self, x: &Value, density: f64, rng: &mut ChaCha8Rng) -> Result<(model::Layer, Value)> {
        let Calibration { step, linear, .. } = *self;
        let reach = x.format.max().max(-x.format.min());
        let drawn = self.draw(density, reach, rng);
        let (rows_b, rows_c) = self.rows(&drawn);
        let count = linear.patches(step.output);
        let windows = Windows {
            input: step.input,
            samples: self.samples,
            count,
            size: linear.window(),
            stride: linear.step(),
            pad: linear.lead(),
        };
        let u = windows.sums(&rows_b, &x.data, reach, self.stop)?;
        let a = drawn.coefficients.to_vec();
        let measured = self.measuring_shifts(&u, windows.len());
        let y = self.pixels(&u.products(&a, &measured).times(&rows_c, self.stop)?, count);
        let (mut frac, exponents, offsets) = self.scales(&y);
        // Real values of y are integers · 2^-measured_frac.
        let measured_frac = frac.measured;
        let edge = (x.shape, x.format);
        // Where a worst case would leave 2^53, products get fewer bits.
        let (layer, chosen) = loop {
            let chosen = self.choose(&frac, &exponents, &offsets, &measured);
            let layer = self.layer(&drawn, &chosen);
            match layer.check(edge) {
                Ok(()) => break (layer, chosen),
                Err(e) if measured_frac - frac.product > 64 => return Err(e),
                Err(_) => frac.product -= 1,
            }
        };
        let m = u.products(&a, &chosen.shifts.to_vec());
        let mut y = self.pixels(&m.times(&rows_c, self.stop)?, count);
        self.each_place(&mut y, |(c, py, px), y| {
            *y += chosen.bias[[c, py, px]];
            if let Output::Requantised { shifts, format } = &chosen.output {
                *y = format.saturate(rounded(*y, shifts[c]));
            }
        });
        let (shape, format) = layer.yields(edge)?;
        Ok((layer, Value { shape, format, data: y }))
    }

    fn depthwise(&self) -> bool {
        self.linear.depthwise(self.step.input)
    }

    fn draw(&self, density: f64, reach: i64, rng: &mut ChaCha8Rng) -> Drawn {
        let Calibration { step, linear, .. } = *self;
        let (r, p, c_out) = (linear.r, linear.patch, step.output.channels);
        let (taps, k, dilation) = (linear.taps(), linear.window(), linear.dilation);
        let per_group = step.input.channels / linear.groups;
        let mut w_b = ternary((r, per_group, taps.h, taps.w), density, rng);
        for mut row in w_b.outer_iter_mut() {
            let entry = rng.random_range(0..row.len());
            enliven(row.iter_mut(), entry, rng);
        }
        let mut spread = Array4::zeros((r, per_group, k.h, k.w));
        let reads = ndarray::s![.., .., ..;dilation.h, ..;dilation.w];
        spread.slice_mut(reads).assign(&w_b);
        let w_b = spread;
        let reads = if self.depthwise() { r / linear.groups } else { r };
        let w_c = if linear.plain {
            Array4::from_shape_fn((c_out, reads, 1, 1), |(c, i, ..)| i8::from(c % reads == i))
        } else {
            let mut w_c = ternary((c_out, reads, p.h, p.w), density, rng);
            for c in 0..c_out {
                for (py, px) in (0..p.h).flat_map(|y| (0..p.w).map(move |x| (y, x))) {
                    let entry = rng.random_range(0..reads);
                    enliven(w_c.slice_mut(ndarray::s![c, .., py, px]).iter_mut(), entry, rng);
                }
            }
            // Output channels that read a row: all, or those of its group.
            let readers = if self.depthwise() { c_out / linear.groups } else { c_out };
            for first in (0..c_out).step_by(readers.max(1)) {
                for i in 0..reads {
                    let entry = rng.random_range(0..readers * p.area());
                    enliven(
                        w_c.slice_mut(ndarray::s![first..first + readers, i, .., ..]).iter_mut(),
                        entry,
                        rng,
                    );
                }
            }
            w_c
        };
        let most = (1i64 << (self.network.bits.coefficients - 1)) - 1;
        let coefficients = w_b.outer_iter().map(|row| {
            let nonzeros = row.iter().filter(|w| **w != 0).count() as i64;
            // No product may leave 2^53, with its half.
            let most = most.min((1 << 52) / (nonzeros * reach).max(1)).max(1);
            let a = rng.random_range(most / 2 + 1..=most) as i32;
            if rng.random() { a } else { -a }
        });
        let coefficients = coefficients.collect();
        Drawn { w_b, w_c, coefficients }
    }

    /// W_b and W_c as lists: columns of W_b are numbered as pixels lie, rows of W_c are places of
    /// the patch, then channels.
    fn rows(&self, drawn: &Drawn) -> (Rows, Rows) {
        let (r, per_group, _, k) = drawn.w_b.dim();
        let (c_out, reads, p_h, p_w) = drawn.w_c.dim();
        let (groups, channels) = (self.linear.groups, self.step.input.channels);
        let b = drawn.w_b.outer_iter().enumerate().map(|(i, row)| {
            let first = i / (r / groups) * per_group;
            let entry = move |((c, y, x), w): ((usize, usize, usize), &i8)| {
                ((y * k + x) * channels + first + c, *w)
            };
            row.indexed_iter().map(entry).collect::<Vec<_>>()
        });
        let places = (0..p_h).flat_map(|y| (0..p_w).map(move |x| (y, x)));
        let c = places.flat_map(|(y, x)| (0..c_out).map(move |c| (y, x, c))).map(|(y, x, c)| {
            let first = if self.depthwise() { c / (c_out / groups) * reads } else { 0 };
            (0..reads).map(|i| (first + i, drawn.w_c[[c, i, y, x]])).collect::<Vec<_>>()
        });
        (Rows::new(b), Rows::new(c))
    }

    /// Shifts with which all products spread over about 2^[`MEASURED`], times what their
    /// coefficients differ by.
    fn measuring_shifts(&self, u: &Sums, windows: usize) -> Vec<i32> {
        let rows: Vec<_> = (0..self.linear.r)
            .into_par_iter()
            .map(|i| spread(u.row(i).map(|u| u as f64)))
            .collect();
        let spreads = if windows >= FEW {
            rows.iter().map(|(_, spread)| *spread).collect::<Vec<_>>()
        } else {
            let all = rows.iter().map(|(mean, spread)| mean * mean + spread * spread).sum::<f64>()
                / rows.len() as f64;
            vec![all.sqrt(); rows.len()]
        };
        let moving = spreads.iter().filter(|s| **s > 0.0);
        let usual = moving.clone().sum::<f64>() / moving.count().max(1) as f64;
        let usual = if usual > 0.0 { usual } else { 1.0 };
        let bits = self.network.bits.coefficients as i32 - 1;
        // A row that did not move over the images may do so over others.
        let shift =
            |s: &f64| (if *s > 0.0 { *s } else { usual }).log2().round() as i32 + bits - MEASURED;
        spreads.iter().map(|s| shift(s).clamp(-31, 52)).collect()
    }

    /// y by pixels, `[n, height, width, c_out]`, without what is cropped.
    fn pixels(&self, y: &Sums, (down, across): (usize, usize)) -> Vec<i64> {
        let (Shape { height, width, channels }, p) = (self.step.output, self.linear.patch);
        let mut pixels = vec![0; self.samples * self.step.output.elements()];
        pixels.par_chunks_mut(channels).enumerate().for_each(|(at, pixel)| {
            let (sample, y_at, x_at) = (at / (height * width), at / width % height, at % width);
            let window = (sample * down + y_at / p.h) * across + x_at / p.w;
            let first = (y_at % p.h * p.w + x_at % p.w) * channels;
            for (c, v) in pixel.iter_mut().enumerate() {
                *v = y.at(first + c, window);
            }
        });
        pixels
    }

    /// Changes each of the pixels' values, of which the channel and the place in the patch are
    /// told.
    fn each_place(
        &self,
        pixels: &mut [i64],
        change: impl Fn((usize, usize, usize), &mut i64) + Sync,
    ) {
        let (Shape { height, width, channels }, p) = (self.step.output, self.linear.patch);
        pixels.par_chunks_mut(channels).enumerate().for_each(|(at, pixel)| {
            let (y, x) = (at / width % height, at % width);
            pixel.iter_mut().enumerate().for_each(|(c, v)| change((c, y % p.h, x % p.w), v));
        });
    }

    /// Values of channel c at one place of the patches, or at all of them.
    fn population<'b>(
        &self,
        values: &'b [f64],
        c: usize,
        place: Option<(usize, usize)>,
    ) -> impl Iterator<Item = f64> + Clone + use<'b> {
        let (Shape { height, width, channels }, p) = (self.step.output, self.linear.patch);
        let ((py, px), step) = place.map_or(((0, 0), Extent::ONE), |place| (place, p));
        (0..self.samples).flat_map(move |sample| {
            (py..height).step_by(step.h).flat_map(move |y| {
                (px..width)
                    .step_by(step.w)
                    .map(move |x| values[((sample * height + y) * width + x) * channels + c])
            })
        })
    }

    /// The scales that y as it was measured asks for: fracs, the exponents of the channels' scales,
    /// and what the bias shall be in real values after the scale, `[c_out, p, p]`.
    fn scales(&self, y: &[i64]) -> (Fracs, Array1<i32>, Array3<f64>) {
        let (output, p) = (self.step.output, self.linear.patch);
        let per_place = self.samples * (output.height / p.h) * (output.width / p.w);
        let over = match (per_place >= FEW, self.samples * output.pixels() >= FEW) {
            (true, _) => Over::Place,
            (_, true) => Over::Channel,
            _ => Over::Layer,
        };
        let mut values: Vec<f64> = y.iter().map(|v| *v as f64).collect();
        let places = || (0..p.h).flat_map(|y| (0..p.w).map(move |x| (y, x)));

        // Scales.
        let channel = |c: usize| {
            let squares = |place| {
                let (population, n) = (
                    self.population(&values, c, place),
                    self.population(&values, c, place).count(),
                );
                spread(population).1.powi(2) * n as f64
            };
            let squares: f64 = if over == Over::Place {
                places().map(|at| squares(Some(at))).sum()
            } else {
                squares(None)
            };
            (squares / (self.samples * output.pixels()) as f64).sqrt()
        };
        let channels: Vec<f64> = match over {
            Over::Layer => vec![spread(values.iter().copied()).1; output.channels],
            _ => (0..output.channels).into_par_iter().map(channel).collect(),
        };
        let whole = (channels.iter().map(|s| s * s).sum::<f64>() / channels.len() as f64).sqrt();
        let whole = if whole > 0.0 { whole } else { 1.0 };
        let exponents = channels.iter().map(|&s| match s > 0.0 && !self.last {
            true => ((whole / s).log2().round() as i32).clamp(-SCALES, SCALES),
            false => 0,
        });
        let exponents: Array1<i32> = exponents.collect();
        let wanted =
            self.added.map_or(1.0, |added| match spread(added.data.iter().map(|v| *v as f64)).1 {
                s if s > 0.0 => s * added.unit(),
                _ => 1.0,
            });
        let measured = (whole / wanted).log2().round() as i32;
        let powers = exponents.mapv(|e| f64::powi(2.0, e - measured));
        values.par_chunks_mut(output.channels).for_each(|pixel| {
            pixel.iter_mut().zip(&powers).for_each(|(v, power)| *v *= power);
        });

        // Offsets: half of the values, or of the sums that they enter, are to be above 0.
        let mut sums = values.clone();
        if let Some(added) = self.added {
            sums.iter_mut().zip(&added.data).for_each(|(v, add)| *v += *add as f64 * added.unit());
        }
        let whole = if over == Over::Layer { median(sums.clone()) } else { 0.0 };
        let centres: Vec<Vec<f64>> = (0..output.channels)
            .into_par_iter()
            .map(|c| match over {
                Over::Layer => vec![whole; p.area()],
                Over::Channel => vec![median(self.population(&sums, c, None).collect()); p.area()],
                Over::Place => places()
                    .map(|at| median(self.population(&sums, c, Some(at)).collect()))
                    .collect(),
            })
            .collect();
        let offsets = Array3::from_shape_fn((output.channels, p.h, p.w), |(c, y, x)| {
            -centres[c][y * p.w + x]
        });
        for (at, pixel) in values.chunks_mut(output.channels).enumerate() {
            let (y, x) = (at / output.width % output.height % p.h, at % output.width % p.w);
            pixel.iter_mut().enumerate().for_each(|(c, v)| *v += offsets[[c, y, x]]);
        }
        let bits = &self.network.bits;
        let output = suitable_format(&values, !self.step.relu, self.step, bits);
        let most = exponents.iter().copied().max().unwrap_or(0);
        let product = output.frac + bits.guard as i32 + most;
        (Fracs { measured, output, product }, exponents, offsets)
    }

    fn choose(
        &self,
        frac: &Fracs,
        exponents: &Array1<i32>,
        offsets: &Array3<f64>,
        measured: &[i32],
    ) -> Chosen {
        let shifts = measured.iter().map(|t| t + frac.measured - frac.product).collect();
        let bias = Array3::from_shape_fn(offsets.dim(), |(c, y, x)| {
            (offsets[[c, y, x]] * f64::powi(2.0, frac.product - exponents[c])).round() as i64
        });
        let output = if self.last {
            Output::Raw
        } else {
            Output::Requantised {
                shifts: exponents.mapv(|e| frac.product - frac.output.frac - e),
                format: frac.output,
            }
        };
        Chosen { shifts, product_frac: frac.product, bias, output }
    }

    fn layer(&self, drawn: &Drawn, chosen: &Chosen) -> model::Layer {
        let Calibration { step, linear, network, .. } = *self;
        let (name, budget, coefficients) =
            (step.name.clone(), linear.r, drawn.coefficients.clone());
        let (coefficient_bits, coefficient_shifts) =
            (network.bits.coefficients, chosen.shifts.clone());
        let (product_frac, output) = (chosen.product_frac, chosen.output.clone());
        if linear.dense {
            return model::Layer::Dense(model::Dense {
                name,
                budget,
                w_b: drawn
                    .w_b
                    .index_axis(ndarray::Axis(3), 0)
                    .index_axis(ndarray::Axis(2), 0)
                    .to_owned(),
                coefficients,
                coefficient_bits,
                coefficient_shifts,
                product_frac,
                w_c: drawn
                    .w_c
                    .index_axis(ndarray::Axis(3), 0)
                    .index_axis(ndarray::Axis(2), 0)
                    .to_owned(),
                bias: chosen.bias.iter().copied().collect(),
                output,
            });
        }
        model::Layer::Conv2d(model::Conv2d {
            name,
            budget,
            w_b: drawn.w_b.clone(),
            coefficients,
            coefficient_bits,
            coefficient_shifts,
            product_frac,
            w_c: drawn.w_c.clone(),
            bias: chosen.bias.clone(),
            stride: linear.stride,
            pad: linear.pad,
            transposed: linear.transposed.then_some(linear.kernel),
            groups: linear.groups,
            output,
        })
    }
}

/// Fractional bits of a layer.
struct Fracs {
    /// Fractional bits of y while scales were measured.
    measured: i32,
    /// The format of what leaves.
    output: Format,
    /// Fractional bits of the products.
    product: i32,
}

fn ternary<D: Dimension, S: ndarray::ShapeBuilder<Dim = D>>(
    shape: S,
    density: f64,
    rng: &mut ChaCha8Rng,
) -> Array<i8, D> {
    // Of 2^31 parts; the least bit is the sign.
    let below = (density * f64::from(1u32 << 31)) as u32;
    Array::from_shape_simple_fn(shape, || {
        let v: u32 = rng.random();
        if v >> 1 < below { (v & 1) as i8 * 2 - 1 } else { 0 }
    })
}

/// Makes one entry nonzero where none is.
fn enliven<'a>(mut row: impl Iterator<Item = &'a mut i8>, entry: usize, rng: &mut ChaCha8Rng) {
    let mut chosen = None;
    for (i, w) in row.by_ref().enumerate() {
        if *w != 0 {
            return;
        }
        if i == entry {
            chosen = Some(w);
        }
    }
    if let Some(w) = chosen {
        *w = if rng.random() { 1 } else { -1 };
    }
}

/// Mean and standard deviation.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (n, sum) = values.clone().fold((0usize, 0.0), |(n, sum), v| (n + 1, sum + v));
    let n = n.max(1) as f64;
    let mean = sum / n;
    let squares: f64 = values.map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / n).sqrt())
}

/// The value that half of the values are above, as far as may be; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
