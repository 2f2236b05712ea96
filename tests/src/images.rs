//! Random models that work on images, the same for the same seed.

use crate::sequences::{any_cell, recurrent};
use ndarray::{Array, Array1, Dimension, ShapeBuilder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc_runtime::model::{
    Activation, Branches, Conv2d, Dense, Edge, Function, Head, Input, Last, Layer, Output, Pool,
    PoolKind, Provenance, Reverse, Table, Upsample,
};
use strassenc_runtime::{Along, Extent, Format, Join, Model, Shape};

/// A network of convolutions, pooling, upsampling, activations, residuals, concatenations and at
/// times a dense layer over a small image, at times of one row, one column or one pixel; kernels,
/// strides, pads, patches, pools and upsamplings are square or not.
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
    let [mut up, mut grow] = [ChaCha8Rng::seed_from_u64(seed), ChaCha8Rng::seed_from_u64(seed)];
    up.set_stream(3);
    let mut acts = ChaCha8Rng::seed_from_u64(seed);
    acts.set_stream(7);
    grow.set_stream(8);
    let mut builder = Builder { rng, up, acts, grow, layers: 0 };
    let mut edge = (Shape::of(&shape), format);
    let mut layers = vec![];
    for _ in 0..builder.rng.random_range(0..=3) {
        let layer = match builder.rng.random_range(0..5) {
            0 => builder.pool(edge),
            1 => builder.residual(edge),
            2 => builder.concat(edge),
            _ => builder.conv2d(edge, None, false),
        };
        edge = layer.yields(edge).unwrap();
        layers.push(layer);
        if edge.0.pixels() <= 16 && builder.up.random_ratio(1, 4) {
            let layer = builder.upsample();
            edge = layer.yields(edge).unwrap();
            layers.push(layer);
        }
        if builder.acts.random_ratio(1, 3) {
            let layer = builder.activation(edge.1);
            edge = layer.yields(edge).unwrap();
            layers.push(layer);
        }
        if edge.0.pixels() <= 12 && builder.grow.random_ratio(1, 2) {
            let layer = builder.transposed(edge, false);
            edge = layer.yields(edge).unwrap();
            layers.push(layer);
        }
    }
    layers.push(if edge.0.pixels() <= 12 && builder.grow.random_ratio(1, 3) {
        builder.transposed(edge, true)
    } else if builder.rng.random_bool(0.5) {
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

/// An [`image_model`] with heads, at least one, between its layers and in the bodies of its
/// branches.
pub fn headed_model(seed: u64) -> Model {
    let mut model = image_model(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(4);
    let mut builder =
        Builder { up: rng.clone(), acts: rng.clone(), grow: rng.clone(), rng, layers: 100 };
    let (edge, layers) = (model.input(), model.layers.clone());
    while !model.has_heads() {
        model.layers = builder.headed(layers.clone(), edge);
    }
    model.validate().expect("a random model is valid");
    model
}

/// An [`image_model`], or a [`headed_model`], with further inputs, at least one: shortcuts that
/// begin with one, between its layers and in the branches of others.
pub fn several_model(seed: u64) -> Model {
    let mut model = if seed.is_multiple_of(2) { image_model(seed) } else { headed_model(seed) };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(10);
    let mut builder =
        Builder { up: rng.clone(), acts: rng.clone(), grow: rng.clone(), rng, layers: 200 };
    let (edge, layers) = (model.input(), model.layers.clone());
    while model.inputs().len() == 1 {
        model.layers = builder.joined(layers.clone(), edge);
    }
    model.validate().expect("a random model is valid");
    model
}

/// A model over an image of one row with recurrent layers along its pixels, from either end, in
/// branches and heads at times, often with a convolution before them, between them, or a last pixel
/// behind them, and a dense layer.
pub fn row_model(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(6);
    let format = any_format(&mut rng);
    let shape = vec![1, rng.random_range(1..=7), rng.random_range(1..=4)];
    let mut builder =
        Builder { up: rng.clone(), acts: rng.clone(), grow: rng.clone(), rng, layers: 0 };
    let mut edge = (Shape::of(&shape), format);
    let mut layers = vec![];
    for _ in 0..builder.rng.random_range(1..=2) {
        if builder.rng.random_bool(0.6) {
            let layer = builder.conv2d(edge, None, false);
            let yields = layer.yields(edge).unwrap();
            // Pads above and below can make more rows.
            if yields.0.height == 1 {
                edge = yields;
                layers.push(layer);
            }
        }
        for layer in builder.along_pixels(edge) {
            edge = layer.yields(edge).unwrap();
            layers.push(layer);
        }
    }
    if builder.rng.random_bool(0.5) {
        layers.push(Layer::Last(Last { name: builder.name("last") }));
        edge = layers[layers.len() - 1].yields(edge).unwrap();
    }
    layers.push(builder.dense(edge));
    let (input, provenance) = (Edge { shape, format }, Provenance::default());
    let model = Model { name: "rows".into(), input, layers, provenance };
    model.validate().expect("a random model is valid");
    model
}

/// A model over a signal of several steps whose layers read one step each, recurrent ones among
/// them, before a last pixel at times: one that has [`Model::steps`].
pub fn signal_model(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(9);
    let format = any_format(&mut rng);
    let shape = vec![1, rng.random_range(2..=6), rng.random_range(1..=4)];
    let mut builder =
        Builder { up: rng.clone(), acts: rng.clone(), grow: rng.clone(), rng, layers: 0 };
    let mut edge = (Shape::of(&shape), format);
    let mut layers = vec![];
    for i in 0..builder.rng.random_range(1..=3) {
        let mut add = vec![match (i, builder.rng.random_range(0..6)) {
            (0, _) | (_, 0..=1) => builder.recurrent(edge),
            (_, 2..=3) => builder.conv_of_a_step(edge, None, false),
            _ => builder.activation(edge.1),
        }];
        if builder.rng.random_ratio(1, 3) {
            add = builder.beside(edge, add);
        }
        if builder.rng.random_ratio(1, 4) {
            let within = builder.recurrent(edge);
            let mut of_head = vec![within.clone()];
            let mut edge = within.yields(edge).unwrap();
            if builder.rng.random() {
                of_head.push(Layer::Last(Last { name: builder.name("last") }));
                edge = of_head[1].yields(edge).unwrap();
            }
            of_head.push(builder.conv_of_a_step(edge, None, true));
            add.insert(0, Layer::Head(Head { name: builder.name("head"), layers: of_head }));
        }
        edge = add.iter().fold(edge, |edge, layer| layer.yields(edge).unwrap());
        layers.extend(add);
    }
    if builder.rng.random() {
        layers.push(Layer::Last(Last { name: builder.name("last") }));
        edge = layers[layers.len() - 1].yields(edge).unwrap();
        layers.push(builder.dense(edge));
    } else {
        layers.push(builder.conv_of_a_step(edge, None, true));
    }
    let (input, provenance) = (Edge { shape, format }, Provenance::default());
    let model = Model { name: "signals".into(), input, layers, provenance };
    model.validate().expect("a random model is valid");
    model
}

struct Builder {
    rng: ChaCha8Rng,
    /// What there is of upsampling; of its own, so that all else is drawn as it would be without.
    up: ChaCha8Rng,
    /// What there is of activations, likewise.
    acts: ChaCha8Rng,
    /// What there is of transposed convolutions, likewise.
    grow: ChaCha8Rng,
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

    /// `yields`: the shape of the input is kept but for its channels, which are so many, for a
    /// branch.
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
            transposed: None,
            groups,
            output: self.output(channels, raw),
        })
    }

    /// A convolution of one pixel at a time.
    fn conv_of_a_step(
        &mut self,
        (shape, _): (Shape, Format),
        yields: Option<usize>,
        raw: bool,
    ) -> Layer {
        let groups = if self.rng.random() { shape.channels } else { 1 };
        let (groups, channels) = match yields {
            Some(channels) => (1, channels),
            None => (groups, groups * self.rng.random_range(1..=2)),
        };
        let each = self.rng.random_range(1..=3);
        let (r, reads) = (each * groups, if groups > 1 { each } else { each * groups });
        let (coefficients, coefficient_shifts) = self.coefficients(r);
        Layer::Conv2d(Conv2d {
            name: self.name("conv"),
            budget: r,
            w_b: self.ternary((r, shape.channels / groups, 1, 1)),
            coefficients,
            coefficient_bits: 6,
            coefficient_shifts,
            product_frac: 3,
            w_c: self.ternary((channels, reads, 1, 1)),
            bias: Array::from_shape_simple_fn((channels, 1, 1), || self.rng.random_range(-40..=40)),
            stride: Extent::ONE,
            pad: Extent::square(0),
            transposed: None,
            groups,
            output: self.output(channels, raw),
        })
    }

    /// Such layers in a branch, and the same edge or another convolution of it beside them.
    fn beside(&mut self, edge: (Shape, Format), mut body: Vec<Layer>) -> Vec<Layer> {
        let channels = edge.0.channels;
        if self.rng.random() {
            let shortcut = match self.rng.random() {
                true => vec![],
                false => vec![self.conv_of_a_step(edge, None, false)],
            };
            return vec![self.join("concat", Join::Concat, [body, shortcut])];
        }
        let ends = body.iter().fold(edge, |edge, layer| layer.yields(edge).unwrap());
        body.push(self.conv_of_a_step(ends, Some(channels), false));
        vec![self.join("add", Join::Add, [body, vec![]])]
    }

    fn recurrent(&mut self, (shape, format): (Shape, Format)) -> Layer {
        let kind = any_cell(&mut self.rng);
        let name = self.name(&kind.kind().to_lowercase());
        let of = (shape.channels, format);
        Layer::Recurrent(recurrent(&mut self.rng, (kind, Along::Pixels), name, of))
    }

    fn reverse(&mut self) -> Layer {
        Layer::Reverse(Reverse { name: self.name("reverse") })
    }

    /// A recurrent layer, which may have others beside it.
    fn along_pixels(&mut self, edge: (Shape, Format)) -> Vec<Layer> {
        let layer = self.recurrent(edge);
        match self.rng.random_range(0..8) {
            0 => vec![self.reverse(), layer],
            1 => {
                let back = vec![self.reverse(), self.recurrent(edge), self.reverse()];
                vec![self.join("concat", Join::Concat, [vec![layer], back])]
            }
            2 => vec![self.join("concat", Join::Concat, [vec![layer], vec![]])],
            3 => {
                let channels = edge.0.channels;
                let behind = self.branch(layer.yields(edge).unwrap(), channels);
                vec![self.join("add", Join::Add, [vec![layer, behind], vec![]])]
            }
            4 => {
                let beside = self.recurrent(edge);
                let of_head = vec![self.dense(beside.yields(edge).unwrap())];
                let layers = [vec![beside], of_head].concat();
                vec![Layer::Head(Head { name: self.name("head"), layers }), layer]
            }
            _ => vec![layer],
        }
    }

    /// To an image of one to three times as many rows and columns.
    fn transposed(&mut self, (shape, _): (Shape, Format), raw: bool) -> Layer {
        std::mem::swap(&mut self.rng, &mut self.grow);
        let stride = self.extent(|rng| rng.random_range(1..=3));
        let pad = self.extent(|rng| rng.random_range(0..=3));
        // kernel - 2 · pad + output_pad = stride, output_pad < stride.
        let mut along = |stride: usize, pad: usize| 2 * pad + self.rng.random_range(1..=stride);
        let kernel = Extent { h: along(stride.h, pad.h), w: along(stride.w, pad.w) };
        let window = |kernel: usize, stride: usize, pad: usize| {
            // The pixels whose kernels reach into a patch: from the first one to the last one.
            (0..2 * kernel)
                .filter(|tap| {
                    let begins = *tap as isize * stride as isize - (kernel * stride) as isize;
                    let (begins, stride) = (begins - pad as isize, stride as isize);
                    begins < stride && begins + kernel as isize > 0
                })
                .count()
        };
        let window =
            Extent { h: window(kernel.h, stride.h, pad.h), w: window(kernel.w, stride.w, pad.w) };
        let groups = if self.rng.random() { shape.channels } else { 1 };
        let each = self.rng.random_range(1..=2);
        let (r, channels) = (each * groups, self.rng.random_range(1..=2) * groups);
        let reads = if groups > 1 { each } else { r };
        let (coefficients, coefficient_shifts) = self.coefficients(r);
        let layer = Layer::Conv2d(Conv2d {
            name: self.name("transposed"),
            budget: r,
            w_b: self.ternary((r, shape.channels / groups, window.h, window.w)),
            coefficients,
            coefficient_bits: 6,
            coefficient_shifts,
            product_frac: 3,
            w_c: self.ternary((channels, reads, stride.h, stride.w)),
            bias: Array::from_shape_simple_fn((channels, stride.h, stride.w), || {
                self.rng.random_range(-40..=40)
            }),
            stride,
            pad,
            transposed: Some(kernel),
            groups,
            output: self.output(channels, raw),
        });
        std::mem::swap(&mut self.rng, &mut self.grow);
        layer
    }

    fn headed(&mut self, layers: Vec<Layer>, mut edge: (Shape, Format)) -> Vec<Layer> {
        let mut all = vec![];
        for mut layer in layers {
            if self.rng.random_ratio(1, 3) {
                all.push(self.head(edge));
            }
            if let Layer::Branches(branches) = &mut layer
                && self.rng.random()
            {
                branches.body = self.headed(std::mem::take(&mut branches.body), edge);
            }
            edge = layer.yields(edge).unwrap();
            all.push(layer);
        }
        all
    }

    fn head(&mut self, edge: (Shape, Format)) -> Layer {
        let name = self.name("head");
        let mut layers = vec![];
        if self.rng.random_ratio(1, 3) {
            layers.push(self.branch(edge, 2));
        }
        let edge = layers.iter().fold(edge, |edge, layer: &Layer| layer.yields(edge).unwrap());
        layers.push(if self.rng.random() {
            self.dense(edge)
        } else {
            self.conv2d(edge, None, true)
        });
        Layer::Head(Head { name, layers })
    }

    /// The layers with further inputs among them.
    fn joined(&mut self, layers: Vec<Layer>, mut edge: (Shape, Format)) -> Vec<Layer> {
        let mut all = vec![];
        for mut layer in layers {
            if self.rng.random_ratio(1, 3) {
                all.push(self.join_input(edge));
            }
            let yields = layer.yields(edge).unwrap();
            if let Layer::Branches(branches) = &mut layer {
                if self.rng.random() {
                    branches.body = self.joined(std::mem::take(&mut branches.body), edge);
                }
                // What is beside the body may be an input as it is.
                if branches.shortcut.is_empty() && self.rng.random() {
                    let channels = match branches.join {
                        Join::Add => edge.0.channels,
                        Join::Concat => yields.0.channels - self.channels(&branches.body, edge),
                    };
                    let input = self.input(Shape { channels, ..yields.0 });
                    branches.shortcut = vec![input];
                }
            }
            edge = yields;
            all.push(layer);
        }
        all
    }

    fn channels(&self, layers: &[Layer], edge: (Shape, Format)) -> usize {
        layers.iter().fold(edge, |edge, layer| layer.yields(edge).unwrap()).0.channels
    }

    /// An image of that shape, which may be a vector in all but name.
    fn input(&mut self, Shape { height, width, channels }: Shape) -> Layer {
        let shape = match height * width {
            1 if self.rng.random() => vec![channels],
            _ => vec![height, width, channels],
        };
        let edge = Edge { shape, format: any_format(&mut self.rng) };
        Layer::Input(Input { name: self.name("in"), edge })
    }

    /// A sum of a convolution and of what is made of a further input; what leaves is as what
    /// enters.
    fn join_input(&mut self, edge: (Shape, Format)) -> Layer {
        let body = vec![self.branch(edge, edge.0.channels)];
        let mut shortcut = vec![];
        if self.rng.random_ratio(1, 3) {
            shortcut.push(self.input(edge.0));
        } else {
            let channels = self.rng.random_range(1..=4);
            let size = Extent { h: 2 - edge.0.height % 2, w: 2 - edge.0.width % 2 };
            let smaller = size != Extent::ONE && self.rng.random();
            let size = if smaller { size } else { Extent::ONE };
            let (height, width) = (edge.0.height / size.h, edge.0.width / size.w);
            shortcut.push(self.input(Shape { height, width, channels }));
            let of = shortcut[0].yields(edge).unwrap();
            if self.rng.random_ratio(1, 4) {
                shortcut.push(self.head(of));
            }
            shortcut.push(self.branch(of, edge.0.channels));
            if smaller {
                let name = self.name("upsample");
                shortcut.push(Layer::Upsample(Upsample { name, size }));
            }
        }
        let (name, join, format) = (self.name("add"), Join::Add, edge.1);
        Layer::Branches(Branches { name, body, shortcut, join, format })
    }

    fn pool(&mut self, (shape, _): (Shape, Format)) -> Layer {
        let size = self.extent(|rng| rng.random_range(1..=3));
        let kind = if self.rng.random() { PoolKind::Max } else { PoolKind::Sum };
        let (pad, stride) = (self.pad(shape, size), self.extent(|rng| rng.random_range(1..=3)));
        Layer::Pool(Pool { name: self.name("pool"), kind, size, stride, pad })
    }

    fn upsample(&mut self) -> Layer {
        let mut along = || self.up.random_range(1..=3);
        let size = Extent { h: along(), w: along() };
        Layer::Upsample(Upsample { name: self.name("upsample"), size })
    }

    /// A function of what has this format; what is in a table may be anything.
    fn activation(&mut self, format: Format) -> Layer {
        let name = self.name("act");
        let kind = self.acts.random_range(0..6);
        let frac = self.acts.random_range(1..=7);
        let table = |rng: &mut ChaCha8Rng| {
            let values = (0..1 << (format.bits - 1)).map(|_| rng.random_range(0..=1 << frac));
            Table { values: values.collect(), frac }
        };
        let is_looked_up = format.signed && (2..=10).contains(&format.bits);
        let function = match kind {
            0 if is_looked_up => Function::Sigmoid(table(&mut self.acts)),
            1 if is_looked_up => Function::Tanh(table(&mut self.acts)),
            0..=3 if format.signed => Function::Leaky { shift: self.acts.random_range(1..=4) },
            _ => Function::Clip { max: self.acts.random_range(0..=format.max()) },
        };
        Layer::Activation(Activation { name, function })
    }

    /// As in a U-Net, a smaller image, a convolution of it, and an image as large as before; of
    /// sizes that can be halved.
    fn around(&mut self, edge: (Shape, Format)) -> Option<Vec<Layer>> {
        let half = |n: usize| if n.is_multiple_of(2) { 2 } else { 1 };
        let size = Extent { h: half(edge.0.height), w: half(edge.0.width) };
        if size == Extent::ONE || !self.up.random_ratio(1, 2) {
            return None;
        }
        let (name, kind, pad) = (self.name("pool"), PoolKind::Max, Extent::square(0));
        let pool = Layer::Pool(Pool { name, kind, size, stride: size, pad });
        let conv = self.branch(pool.yields(edge).unwrap(), 2);
        Some(vec![pool, conv, Layer::Upsample(Upsample { name: self.name("upsample"), size })])
    }

    fn residual(&mut self, edge: (Shape, Format)) -> Layer {
        let channels =
            if self.rng.random() { edge.0.channels } else { self.rng.random_range(1..=4) };
        let body = vec![self.branch(edge, channels)];
        let shortcut = if channels == edge.0.channels && self.rng.random() {
            vec![]
        } else {
            vec![self.branch(edge, channels)]
        };
        self.join("add", Join::Add, [body, shortcut])
    }

    /// A convolution that keeps height and width.
    fn branch(&mut self, edge: (Shape, Format), channels: usize) -> Layer {
        loop {
            let layer = self.conv2d(edge, Some(channels), false);
            // Depthwise layers may not change the number of channels at will.
            if let Layer::Conv2d(conv) = &layer
                && (!conv.depthwise() || conv.channels().is_multiple_of(conv.groups))
            {
                return layer;
            }
        }
    }

    fn join(&mut self, name: &str, join: Join, [body, shortcut]: [Vec<Layer>; 2]) -> Layer {
        let (name, format) = (self.name(name), any_format(&mut self.rng));
        Layer::Branches(Branches { name, body, shortcut, join, format })
    }

    /// Of what enters, convolutions, poolings and further concatenations; at times both branches
    /// shrink the image.
    fn concat(&mut self, edge: (Shape, Format)) -> Layer {
        let shrinks = self.rng.random_ratio(1, 4);
        let (size, stride) = if shrinks {
            (Extent::ONE, self.extent(|rng| rng.random_range(1..=3)))
        } else {
            let half = self.extent(|rng| rng.random_range(0..=1));
            (half.zip(half, |a, b| a + b + 1), Extent::ONE)
        };
        let pad = size.zip(Extent::ONE, |size, one| (size - one) / 2);
        let branch = |builder: &mut Builder| {
            let kind = if builder.rng.random() { PoolKind::Max } else { PoolKind::Sum };
            let pool = Layer::Pool(Pool { name: builder.name("pool"), kind, size, stride, pad });
            if builder.rng.random_ratio(1, 4) {
                return vec![pool];
            }
            let mut layers = if shrinks { vec![pool] } else { vec![] };
            let edge = layers.iter().fold(edge, |edge, layer| layer.yields(edge).unwrap());
            layers.push(if edge.0.channels <= 4 && builder.rng.random_ratio(1, 6) {
                builder.concat_with_itself(edge)
            } else {
                let channels = builder.rng.random_range(1..=4);
                builder.branch(edge, channels)
            });
            if builder.acts.random_ratio(1, 4)
                && let Some(layer) = layers.last()
            {
                let (_, format) = layer.yields(edge).unwrap();
                layers.push(builder.activation(format));
            }
            layers
        };
        let around = if shrinks { None } else { self.around(edge) };
        let body = around.unwrap_or_else(|| branch(self));
        let shortcut = if !shrinks && self.rng.random() { vec![] } else { branch(self) };
        self.join("concat", Join::Concat, [body, shortcut])
    }

    /// A convolution beside what enters it.
    fn concat_with_itself(&mut self, edge: (Shape, Format)) -> Layer {
        let channels = self.rng.random_range(1..=3);
        let body = vec![self.branch(edge, channels)];
        self.join("concat", Join::Concat, [body, vec![]])
    }
}
