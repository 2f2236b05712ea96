//! Random models that work on images, the same for the same seed.

use ndarray::{Array, Array1, Dimension, ShapeBuilder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc_runtime::model::{
    Conv2d, Dense, Edge, Layer, Output, Pool, PoolKind, Provenance, Residual,
};
use strassenc_runtime::{Extent, Format, Model, Shape};

/// A network of convolutions, pooling, residuals and at times a dense layer over a small image, at
/// times of one row, one column or one pixel; kernels, strides, pads, patches and pools are square
/// or not.
pub fn image_model(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let format = any_format(&mut rng);
    let mut shape: Vec<usize> =
        (0..rng.random_range(2..=3)).map(|_| rng.random_range(1..=9)).collect();
    if let Some(channels) = shape.get_mut(2) {
        *channels = rng.random_range(1..=4);
    }
    if rng.random_ratio(1, 4) {
        shape[rng.random_range(0..2)] = 1;
    }
    let mut builder = Builder { rng, layers: 0 };
    let mut edge = (Shape::of(&shape), format);
    let mut layers = vec![];
    for _ in 0..builder.rng.random_range(0..=3) {
        let layer = match builder.rng.random_range(0..4) {
            0 => builder.pool(edge),
            1 => builder.residual(edge),
            _ => builder.conv2d(edge, None, false),
        };
        edge = layer.yields(edge).unwrap();
        layers.push(layer);
    }
    layers.push(if builder.rng.random_bool(0.5) {
        builder.dense(edge)
    } else {
        builder.conv2d(edge, None, true)
    });
    let model = Model {
        name: "images".into(),
        input: Edge { shape, format },
        layers,
        provenance: Provenance::default(),
    };
    model.validate().expect("a random model is valid");
    model
}

struct Builder {
    rng: ChaCha8Rng,
    layers: usize,
}

fn any_format(rng: &mut ChaCha8Rng) -> Format {
    Format { signed: rng.random(), bits: rng.random_range(1..=8), frac: rng.random_range(-2..=6) }
}

impl Builder {
    fn name(&mut self, kind: &str) -> String {
        self.layers += 1;
        format!("{kind}_{}", self.layers)
    }

    fn ternary<D: Dimension, S: ShapeBuilder<Dim = D>>(&mut self, shape: S) -> Array<i8, D> {
        Array::from_shape_simple_fn(shape, || self.rng.random_range(-1..=1))
    }

    fn coefficients(&mut self, r: usize) -> (Array1<i32>, Array1<i32>) {
        let coefficients = Array1::from_shape_simple_fn(r, || self.rng.random_range(-31..=31));
        (coefficients, Array1::from_shape_simple_fn(r, || self.rng.random_range(-1..=8)))
    }

    fn output(&mut self, channels: usize, raw: bool) -> Output {
        if raw {
            return Output::Raw;
        }
        let shifts = Array1::from_shape_simple_fn(channels, || self.rng.random_range(-1..=6));
        Output::Requantised { shifts, format: any_format(&mut self.rng) }
    }

    fn dense(&mut self, (shape, _): (Shape, Format)) -> Layer {
        let (r, n_out) = (self.rng.random_range(1..=6), self.rng.random_range(1..=4));
        let (coefficients, coefficient_shifts) = self.coefficients(r);
        Layer::Dense(Dense {
            name: self.name("dense"),
            budget: r,
            w_b: self.ternary((r, shape.elements())),
            coefficients,
            coefficient_bits: 6,
            coefficient_shifts,
            product_frac: 3,
            w_c: self.ternary((n_out, r)),
            bias: Array1::from_shape_simple_fn(n_out, || self.rng.random_range(-40..=40)),
            output: Output::Raw,
        })
    }

    /// A size that is the same for rows and columns half the time.
    fn extent(&mut self, mut draw: impl FnMut(&mut ChaCha8Rng) -> usize) -> Extent {
        let square = self.rng.random();
        let h = draw(&mut self.rng);
        Extent { h, w: if square { h } else { draw(&mut self.rng) } }
    }

    /// Pads with which such windows fit.
    fn pad(&mut self, shape: Shape, size: Extent) -> Extent {
        let mut along = |size: usize, n: usize| {
            let least = size.saturating_sub(n).div_ceil(2);
            self.rng.random_range(least..=(size - 1).max(least))
        };
        Extent { h: along(size.h, shape.height), w: along(size.w, shape.width) }
    }

    /// `yields`: the channels and stride-1 shape of the input are kept, for the body of a residual.
    fn conv2d(&mut self, (shape, _): (Shape, Format), yields: Option<usize>, raw: bool) -> Layer {
        let patch = self.extent(|rng| rng.random_range(1..=3));
        let mut groups = vec![1, shape.channels, 2];
        groups.retain(|g| shape.channels.is_multiple_of(*g));
        let groups = groups[self.rng.random_range(0..groups.len())];
        let depthwise = groups > 1 && groups == shape.channels;
        let per_group = self.rng.random_range(1..=3);
        let r = per_group * groups;
        let channels = yields
            .unwrap_or_else(|| self.rng.random_range(1..=2) * if depthwise { groups } else { 1 });
        let (kernel, stride, pad) = if yields.is_some() {
            let half = self.extent(|rng| rng.random_range(0..=3));
            (half.zip(half, |a, b| a + b + 1), Extent::ONE, half)
        } else {
            let kernel = self.extent(|rng| rng.random_range(1..=7));
            (kernel, self.extent(|rng| rng.random_range(1..=3)), self.pad(shape, kernel))
        };
        let window =
            patch.zip(stride, |p, stride| (p - 1) * stride).zip(kernel, |span, k| span + k);
        let (coefficients, coefficient_shifts) = self.coefficients(r);
        Layer::Conv2d(Conv2d {
            name: self.name("conv"),
            budget: r,
            w_b: self.ternary((r, shape.channels / groups, window.h, window.w)),
            coefficients,
            coefficient_bits: 6,
            coefficient_shifts,
            product_frac: 3,
            w_c: self.ternary((channels, if depthwise { per_group } else { r }, patch.h, patch.w)),
            bias: Array::from_shape_simple_fn((channels, patch.h, patch.w), || {
                self.rng.random_range(-40..=40)
            }),
            stride,
            pad,
            groups,
            output: self.output(channels, raw),
        })
    }

    fn pool(&mut self, (shape, _): (Shape, Format)) -> Layer {
        let size = self.extent(|rng| rng.random_range(1..=3));
        let kind = if self.rng.random() { PoolKind::Max } else { PoolKind::Sum };
        let (pad, stride) = (self.pad(shape, size), self.extent(|rng| rng.random_range(1..=3)));
        Layer::Pool(Pool { name: self.name("pool"), kind, size, stride, pad })
    }

    fn residual(&mut self, edge: (Shape, Format)) -> Layer {
        let channels =
            if self.rng.random() { edge.0.channels } else { self.rng.random_range(1..=4) };
        // Depthwise layers may not change the number of channels at will.
        let plain = |layer: Layer| match layer {
            Layer::Conv2d(ref conv)
                if !conv.depthwise() || conv.channels().is_multiple_of(conv.groups) =>
            {
                Some(layer)
            }
            _ => None,
        };
        let branch = |builder: &mut Builder| loop {
            if let Some(layer) = plain(builder.conv2d(edge, Some(channels), false)) {
                return vec![layer];
            }
        };
        let body = branch(self);
        let shortcut =
            if channels == edge.0.channels && self.rng.random() { vec![] } else { branch(self) };
        Layer::Residual(Residual {
            name: self.name("add"),
            body,
            shortcut,
            format: any_format(&mut self.rng),
        })
    }
}
