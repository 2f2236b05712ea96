//! The linear layer of phases 1 and 2, over vectors or images.

use self::affine::Map;
use super::norm::{Moments, Norm, wide};
use super::patches::direct::{Direct, Room};
use super::patches::{Patches, Windows, in_pieces, stack, view, view_mut};
use crate::network::Quantiser;
use crate::network::plan::{Linear, Step};
use crate::train::lanes::MOST_LANES;
use crate::train::matmul::{Into, Real, product, product_into, vectorised};
use crate::train::optimiser::Parameter;
use crate::train::ternary::{Matrix, Side, Ternariser};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rand::{Rng, RngExt};
use rayon::prelude::*;
use std::ops::Range;

mod affine;
mod backward;
mod collapse;

/// An SPN layer: `y = W_c[a ⊙ norm(W_b x)]`, then `γ ⊙ norm(y) + b`, or `y + b` in the last layer,
/// and `max(0, ·)` where a relu follows, and the largest of windows where a pooling follows. An
/// ordinary layer, of a full-precision network, is `y = W_b x` and then the same. Rows of its
/// matrix products are the samples of a dense layer, the output patches of a convolution.
///
/// A batch is cut into [pieces](Piece) of samples, and a piece into tiles of rows, whose windows
/// stay in the cache from where they are gathered to where they are multiplied. Where it is cut
/// depends on shapes alone, so that any number of threads computes the same bits.
pub struct Spn<T> {
    /// `[r, K_h · K_w · c_in / groups]`, columns in the order row, column, channel; of an ordinary
    /// layer `[c_out, …]`, or `[p_h · p_w · c_out, …]` where it is a transposed convolution.
    pub w_b: Matrix<T>,
    /// 0 where an entry of W_b is always 0, else 1: of an ordinary transposed convolution, each
    /// pixel of a patch has its own part of the kernel.
    mask: Option<Array2<T>>,
    /// What stands between W_b and W_c; none in an ordinary layer.
    pub products: Option<Products<T>>,
    /// `[p_h · p_w · c_out, r]`, or r / groups columns in a depthwise layer; none where it is the
    /// identity.
    pub w_c: Option<Matrix<T>>,
    /// `[1, c_out]`: the offset of the output norm, or the bias of the last layer.
    pub bias: Parameter<T>,
    /// The norm after W_c and its scale γ, `[1, c_out]`; none in the last layer.
    pub output: Option<(Parameter<T>, Norm<T>)>,
    relu: bool,
    /// The pooling behind it.
    pool: Option<Windows>,
    patches: Patches,
    /// How W_b reads windows where that takes no copies of them.
    direct: Option<Direct>,
    groups: usize,
    /// Groups of W_c.
    output_groups: usize,
    /// `[n · patches, r]`: W_b x of the last forward pass.
    u: Vec<T>,
    /// `[n · pixels, c_out]`: y of the last forward pass; u where that is the same.
    y: Vec<T>,
    /// dL/dz before the pooling.
    unpooled: Vec<T>,
    pieces: Vec<Piece<T>>,
    /// Whether it goes that way, which has neither u nor y; and the last forward pass.
    collapses: bool,
    collapsed: Option<collapse::Collapsed>,
    /// Whether it goes that way, which has no y; and the last forward pass.
    is_affine: bool,
    affine: Option<affine::Affine>,
}

/// The r multiplications: `a ⊙ norm(u)`.
pub struct Products<T> {
    /// `[1, r]`: ã.
    pub a: Parameter<T>,
    /// The norm between W_b and ã.
    pub norm: Norm<T>,
}

/// What one piece of a batch is worked on with, and what it adds to gradients.
struct Piece<T> {
    moments: Moments,
    /// Sums over rows of two kinds of gradients, column by column.
    sums: [Vec<f64>; 2],
    d_w_b: Array2<T>,
    d_w_c: Array2<T>,
    /// A tile's windows.
    columns: Vec<T>,
    /// What a sample is worked on with that goes the direct way.
    room: Room<T>,
    /// A tile's products, or dL/du.
    v: Vec<T>,
    /// A tile's outputs, patch by patch, or dL/dy; or a sample's before the pooling.
    patch: Vec<T>,
    /// The pixels of their windows that the pooling took.
    which: Vec<u32>,
    /// A sum over windows or rows, where the layer [collapses](collapse) or is [affine](affine).
    exact: Array2<f64>,
}

/// Most pieces of a batch.
const MOST_PIECES: usize = 16;
/// Multiply-adds of a piece, at least.
const PIECE: usize = 1 << 19;
/// Elements of a tile's windows, about: 192 KiB in f32.
const TILE: usize = 3 << 14;

/// What depends on shapes alone.
#[derive(Clone, Copy)]
struct Cut {
    /// Samples of a piece.
    samples: usize,
    /// Rows of a tile.
    tile: usize,
}

impl Cut {
    /// The tiles of so many rows.
    fn tiles(self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        (0..rows).step_by(self.tile).map(move |first| first..(first + self.tile).min(rows))
    }
}

/// `v = (u - centre) · scale`, column by column; both [wide].
fn scale_rows<T: Real>(u: &[T], (centre, scale): (&[T], &[T]), v: &mut [T]) {
    vectorised!(|| {
        for (v, u) in v.chunks_mut(centre.len()).zip(u.chunks(centre.len())) {
            for (((v, &u), &m), &s) in v.iter_mut().zip(u).zip(centre).zip(scale) {
                *v = (u - m) * s;
            }
        }
    });
}

impl<T: Real> Spn<T> {
    /// Fresh weights; of an ordinary layer where `ordinary`.
    pub fn new(
        step: &Step,
        linear: &Linear,
        last: bool,
        ordinary: bool,
        rng: &mut impl Rng,
    ) -> Self {
        let mut uniform = |rows: usize, columns: usize, side| {
            let bound = 1.0 / (columns.max(1) as f64).sqrt();
            let entry = || T::real((rng.random::<f64>() * 2.0 - 1.0) * bound);
            Matrix::new(Array2::from_shape_simple_fn((rows, columns), entry), side)
        };
        // Groups that W_b of an ordinary transposed convolution has as zeros.
        let apart = if linear.depthwise(step.input) { linear.groups } else { 1 };
        let linear = if ordinary { &linear.ordinary(step.input, step.output) } else { linear };
        let patches = Patches::new(linear, step.input, step.output);
        let (r, groups, c_out) = (linear.r, linear.groups, step.output.channels);
        let output_groups = if linear.depthwise(step.input) { groups } else { 1 };
        let outputs = linear.patch.area() * c_out;
        let after = Side::Columns { channels: c_out, groups: output_groups };
        let mut w_b = uniform(r, patches.columns() / groups, Side::Rows);
        let mask =
            (ordinary && linear.transposed).then(|| mask(linear, apart, w_b.weights.value.dim()));
        if let Some(mask) = &mask {
            w_b.weights.value *= mask;
        }
        let mut spn = Spn {
            w_b,
            mask,
            products: (!ordinary)
                .then(|| Products { a: Parameter::vector(r, 1.0), norm: Norm::new(r) }),
            w_c: (!linear.plain).then(|| uniform(outputs, r / output_groups, after)),
            bias: Parameter::vector(c_out, 0.0),
            output: (!last).then(|| (Parameter::vector(c_out, 1.0), Norm::new(c_out))),
            relu: step.relu,
            pool: None,
            groups,
            output_groups,
            u: vec![],
            y: vec![],
            unpooled: vec![],
            pieces: vec![],
            collapses: false,
            collapsed: None,
            is_affine: false,
            affine: None,
            direct: Direct::new(&patches, r),
            patches,
        };
        spn.collapses = step.from == [0] && spn.may_collapse();
        spn.is_affine = !spn.collapses && spn.may_be_affine();
        spn
    }

    /// Has a pooling follow.
    pub fn pool(&mut self, windows: Windows) {
        self.pool = Some(windows);
    }

    /// How its images become rows.
    pub fn patches(&self) -> &Patches {
        &self.patches
    }

    /// Groups of W_b and of W_c.
    pub fn groups(&self) -> (usize, usize) {
        (self.groups, self.output_groups)
    }

    /// Elements of all rows of one sample.
    pub fn columns(&self) -> usize {
        self.patches.per_sample() * self.patches.columns()
    }

    /// The matrices that there are.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix<T>> {
        [&self.w_b].into_iter().chain(&self.w_c)
    }

    /// The matrices that there are.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix<T>> {
        [&mut self.w_b].into_iter().chain(&mut self.w_c)
    }

    /// Begins phase 2: from here on W_b and W_c are ternary.
    pub fn begin_ternary(&mut self, ternariser: Ternariser) {
        if ternariser.quantiser == Quantiser::Fixed {
            self.w_b.scale_to_fixed(ternariser.factor);
            let alpha = self.w_c.as_mut().map(|w_c| w_c.scale_to_fixed(ternariser.factor));
            if let (Some(alpha), Some(products), None) = (alpha, &mut self.products, &self.output) {
                products.a.value.mapv_inplace(|a| a * alpha);
            }
        }
        self.matrices_mut().for_each(|matrix| matrix.make_ternary(ternariser));
    }

    /// The norms that there are.
    pub fn norms_mut(&mut self) -> impl Iterator<Item = &mut Norm<T>> {
        self.parts().1.into_iter().map(|(_, norm)| norm)
    }

    /// Whether y is another matrix than u.
    fn has_y(&self) -> bool {
        !self.is_affine && (self.products.is_some() || !self.patches.aligned())
    }

    /// Cuts a batch of n samples, and makes room for it.
    fn cut(&mut self, n: usize) -> Cut {
        let (r, c_out) = (self.w_b.weights.value.nrows(), self.bias.value.ncols());
        let rows = self.patches.per_sample();
        let work = n * self.columns() * r / self.groups;
        // The rows of a dense layer are few: its products are cut by themselves.
        let pieces = if rows == 1 { 1 } else { (work / PIECE).clamp(1, MOST_PIECES.min(n)) };
        let samples = n.div_ceil(pieces).max(1);
        let tile = if rows == 1 {
            samples
        } else {
            (TILE / self.patches.columns()).next_multiple_of(16).max(16)
        };
        let outputs = self.w_c.as_ref().map_or(r, |w_c| w_c.weights.value.nrows());
        // The direct way sums up W_b's gradient in its room; W_c's follows from the affine map's.
        let w_b = if self.direct.is_some() { (0, 0) } else { self.w_b.weights.value.dim() };
        let w_c = self.w_c.as_ref().filter(|_| !self.is_affine);
        let w_c = w_c.map_or((0, 0), |w_c| w_c.weights.value.dim());
        self.pieces.resize_with(n.div_ceil(samples), || Piece {
            moments: Moments::default(),
            sums: [vec![], vec![]],
            d_w_b: Array2::zeros(w_b),
            d_w_c: Array2::zeros(w_c),
            columns: vec![],
            room: Room::default(),
            v: vec![],
            patch: vec![],
            which: vec![],
            exact: Array2::zeros((0, 0)),
        });
        let whole = if self.pool.is_some() { self.patches.elements().1 } else { 0 };
        let width = r.next_multiple_of(MOST_LANES);
        let sums = if self.is_affine { r.max(c_out) * width } else { 0 };
        let pooled = self.pool.as_ref().map_or(0, |pool| samples * pool.outputs());
        for piece in &mut self.pieces {
            piece.v.resize(tile * width, T::zero());
            piece.patch.resize(whole.max(tile * outputs).max(sums), T::zero());
            piece.which.resize(pooled, 0);
        }
        if self.collapses {
            return Cut { samples, tile };
        }
        self.u.resize(n * rows * r, T::zero());
        if self.has_y() {
            self.y.resize(n * self.patches.elements().1 / c_out * c_out, T::zero());
        }
        Cut { samples, tile }
    }

    /// `[n, elements]` to `z`, `[n, elements]`, with batch statistics.
    pub fn forward(&mut self, x: ArrayView2<T>, z: &mut Array2<T>) {
        let cut = self.cut(x.nrows());
        self.matrices_mut().for_each(Matrix::renew);
        // Batches and results are in standard layout.
        let (Some(x), Some(z)) = (x.to_slice(), z.as_slice_mut()) else { unreachable!() };
        if self.collapses {
            return self.collapsed_forward(x, z, cut.samples);
        }
        self.forward_sums(cut, x);
        let map = if self.is_affine { self.begin_affine() } else { self.forward_outputs(cut) };
        let has_y = self.has_y();
        let Spn { relu, pool, patches, u, y, pieces, .. } = self;
        let (y, outputs) = (if has_y { y } else { u }, patches.elements().1);
        let low = if *relu { T::zero() } else { T::neg_infinity() };
        let of_sample = y.len() / (x.len() / patches.elements().0).max(1);
        let pool = pool.as_ref();
        let results = pool.map_or(outputs, Windows::outputs);
        let work = (
            pieces.par_iter_mut(),
            z.par_chunks_mut(cut.samples * results),
            y.par_chunks(cut.samples * of_sample),
        );
        work.into_par_iter().for_each(|(piece, z, y)| {
            let Some(pool) = pool else { return map.apply(y, z, low) };
            let results = z.chunks_mut(results).zip(piece.which.chunks_mut(results));
            for ((z, which), y) in results.zip(y.chunks(of_sample)) {
                map.apply(y, &mut piece.patch[..outputs], low);
                pool.largest_of(&piece.patch, z, which);
            }
        });
    }

    /// W_b x, and its moments.
    fn forward_sums(&mut self, cut: Cut, x: &[T]) {
        let Spn { w_b, products, w_c, bias, patches, direct, groups, is_affine, u, pieces, .. } =
            self;
        let (r, w_b) = (w_b.weights.value.nrows(), w_b.effective());
        let (inputs, per_piece) = (patches.elements().0, cut.samples * patches.per_sample() * r);
        // What the first norm there is goes by: of an ordinary layer, its outputs.
        let normed = if products.is_some() { r } else { bias.value.ncols() };
        let mixes = *is_affine && w_c.is_some();
        let work = (
            pieces.par_iter_mut(),
            u.par_chunks_mut(per_piece),
            x.par_chunks(cut.samples * inputs),
        );
        let direct = direct.as_ref().map(|direct| (direct, direct.pack(w_b)));
        work.into_par_iter().for_each(|(piece, u, x)| {
            piece.moments.clear(normed);
            if let Some((direct, w_b)) = &direct {
                let samples = u.chunks_mut(patches.per_sample() * r).zip(x.chunks(inputs));
                for (u, x) in samples {
                    direct.sums(x, w_b, &mut piece.room, u);
                    if !mixes {
                        piece.moments.add(u);
                    }
                }
                if mixes {
                    piece.measure(cut, u, r);
                }
                return;
            }
            for rows in cut.tiles(u.len() / r) {
                let columns = patches.gather_rows(x, rows.clone(), &mut piece.columns);
                let u = &mut u[rows.start * r..rows.end * r];
                by_groups(columns, w_b, *groups, view_mut(u, (rows.len(), r)));
                piece.moments.add(u);
            }
        });
    }

    /// From u to y, where that is another matrix, and how it goes on from there.
    fn forward_outputs(&mut self, cut: Cut) -> Map<T> {
        let Spn { w_b, products, w_c, bias, output, patches, output_groups, u, y, pieces, .. } =
            self;
        let (r, c_out) = (w_b.weights.value.nrows(), bias.value.ncols());
        let w_c = w_c.as_ref().map(Matrix::effective);
        let per_piece = cut.samples * patches.per_sample() * r;
        let outputs = patches.elements().1;
        if let Some(Products { a, norm }) = products {
            norm.take(&Moments::of_all(pieces.iter().map(|piece| &piece.moments)));
            let centre = wide(&norm.centre.to_vec());
            let scale = wide(&norm.slope(a));
            let work = (
                pieces.par_iter_mut(),
                u.par_chunks(per_piece),
                y.par_chunks_mut(cut.samples * outputs),
            );
            work.into_par_iter().for_each(|(piece, u, y)| {
                for rows in cut.tiles(u.len() / r) {
                    let u = &u[rows.start * r..rows.end * r];
                    let Some(w_c) = w_c else {
                        // Its patches are pixels.
                        scale_rows(u, (&centre, &scale), &mut y[rows.start * r..rows.end * r]);
                        continue;
                    };
                    let v = &mut piece.v[..rows.len() * r];
                    scale_rows(u, (&centre, &scale), v);
                    let v = view(v, (rows.len(), r));
                    if patches.aligned() {
                        let y = &mut y[rows.start * c_out..rows.end * c_out];
                        outputs_of(
                            v,
                            w_c,
                            (*output_groups, c_out),
                            view_mut(y, (rows.len(), c_out)),
                        );
                    } else {
                        let shape = (rows.len(), w_c.nrows());
                        let patch = &mut piece.patch[..shape.0 * shape.1];
                        outputs_of(v, w_c, (*output_groups, c_out), view_mut(patch, shape));
                        patches.crop_rows(patch, rows, y);
                    }
                }
                piece.moments.clear(c_out);
                piece.moments.add(y);
            });
        } else if !patches.aligned() {
            let work = u.par_chunks(per_piece).zip(y.par_chunks_mut(cut.samples * outputs));
            work.for_each(|(u, y)| patches.crop_rows(u, 0..u.len() / r, y));
        }
        if let Some((_, norm)) = output {
            norm.take(&Moments::of_all(pieces.iter().map(|piece| &piece.moments)));
        }
        Map::Diagonal(outer(output, bias))
    }

    /// `[n, elements]` to W_b's sums, `[n · patches, r]`.
    fn sums(&self, x: ArrayView2<T>) -> Array2<T> {
        let (rows, r) = (self.patches.per_sample(), self.w_b.weights.value.nrows());
        let mut u = Array2::zeros((x.nrows() * rows, r));
        if let Some(direct) = &self.direct {
            let (w_b, mut room) = (direct.pack(self.w_b.effective()), Room::default());
            let (Some(of), Some(x)) = (u.as_slice_mut(), x.to_slice()) else { unreachable!() };
            for (u, x) in of.chunks_mut(rows * r).zip(x.chunks(self.patches.elements().0)) {
                direct.sums(x, &w_b, &mut room, u);
            }
            return u;
        }
        let mut columns = Array2::zeros((0, 0));
        by_groups(
            self.patches.gather(x, &mut columns),
            self.w_b.effective(),
            self.groups,
            u.view_mut(),
        );
        u
    }

    /// Leads W_b's sums, normalised, to the pixels before the output norm, `[n · pixels, c_out]`.
    fn pixels(&self, mut u: Array2<T>) -> Array2<T> {
        if let Some(Products { a, .. }) = &self.products {
            u *= &a.row();
        }
        let y = match &self.w_c {
            None => u,
            Some(w_c) => {
                let mut y = Array2::zeros((u.nrows(), w_c.effective().nrows()));
                let groups = (self.output_groups, self.bias.value.ncols());
                outputs_of(u.view(), w_c.effective(), groups, y.view_mut());
                y
            }
        };
        let mut cropped = Array2::zeros((0, 0));
        self.patches.crop(y.view(), &mut cropped).to_owned()
    }

    /// Leads samples `[n, elements]` to the pixels before the output norm, `[n · pixels, c_out]`,
    /// with the running statistics.
    fn pixels_of(&self, x: ArrayView2<T>) -> Array2<T> {
        let mut u = self.sums(x);
        if let Some(Products { norm, .. }) = &self.products {
            norm.evaluate(&mut u);
        }
        self.pixels(u)
    }

    /// `[n, elements]` to `[n, elements]`, n ≥ 1, with the running statistics.
    pub fn evaluate(&self, x: ArrayView2<T>) -> Array2<T> {
        stack(in_pieces(x, self.columns(), |x| self.evaluate_piece(x)))
    }

    fn evaluate_piece(&self, x: ArrayView2<T>) -> Array2<T> {
        let mut y = self.pixels_of(x);
        if let Some((scale, norm)) = &self.output {
            norm.evaluate(&mut y);
            y *= &scale.row();
        }
        y += &self.bias.row();
        if self.relu {
            y.mapv_inplace(|z| z.max(T::zero()));
        }
        let outputs = y.len() / x.nrows().max(1);
        let Ok(z) = y.into_shape_with_order((x.nrows(), outputs)) else { unreachable!() };
        let Some(pool) = &self.pool else { return z };
        let mut pooled = Array2::zeros((x.nrows(), pool.outputs()));
        pool.largest(z.view(), &mut pooled, &mut Array2::zeros((x.nrows(), pool.outputs())));
        pooled
    }

    /// Gives both norms the statistics of samples, `[n, elements]`, n ≥ 1.
    pub fn calibrate(&mut self, x: ArrayView2<T>) {
        self.calibrate_products(x);
        self.calibrate_output(x);
    }

    /// Gives the norm between W_b and ã the statistics of samples.
    pub fn calibrate_products(&mut self, x: ArrayView2<T>) {
        if self.products.is_some() {
            let moments = Moments::of_samples(x, self.columns(), |x| self.sums(x));
            self.products.iter_mut().for_each(|products| products.norm.calibrate(&moments));
        }
    }

    /// Gives the norm after W_c the statistics of samples.
    pub fn calibrate_output(&mut self, x: ArrayView2<T>) {
        if self.output.is_some() {
            let moments = Moments::of_samples(x, self.columns(), |x| self.pixels_of(x));
            self.output.iter_mut().for_each(|(_, norm)| norm.calibrate(&moments));
        }
    }

    /// Each parameter with its name and whether it decays.
    pub fn parameters(&mut self) -> impl Iterator<Item = (&'static str, &mut Parameter<T>, bool)> {
        self.parts().0.into_iter()
    }

    /// The parameters as [`parameters`](Self::parameters) yields them, and the norms with their
    /// names.
    pub fn parts(&mut self) -> Parts<'_, T> {
        let (mut parameters, mut norms) = (vec![("w_b", &mut self.w_b.weights, true)], vec![]);
        if let Some(Products { a, norm }) = &mut self.products {
            parameters.push(("a", a, false));
            norms.push(("hidden", norm));
        }
        parameters.extend(self.w_c.as_mut().map(|w_c| ("w_c", &mut w_c.weights, true)));
        parameters.push(("bias", &mut self.bias, false));
        if let Some((scale, norm)) = &mut self.output {
            parameters.push(("scale", scale, false));
            norms.push(("output", norm));
        }
        (parameters, norms)
    }
}

/// Where each pixel of a patch reads, `[p_h · p_w · c_out, K_h · K_w · c_in]`, with so many groups.
fn mask<T: Real>(linear: &Linear, groups: usize, (rows, columns): (usize, usize)) -> Array2<T> {
    let (p, window) = (linear.patch, linear.taps());
    let (c_out, c_in) = (rows / p.area(), columns / window.area());
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        let (pixel, tap) = (i / c_out, j / c_in);
        let reads = linear.reads((pixel / p.w, pixel % p.w), (tap / window.w, tap % window.w));
        let within = i % c_out / (c_out / groups) == j % c_in / (c_in / groups);
        if reads && within { T::one() } else { T::zero() }
    })
}

/// What [`Spn::parts`] yields.
type Parts<'a, T> =
    (Vec<(&'static str, &'a mut Parameter<T>, bool)>, Vec<(&'static str, &'a mut Norm<T>)>);

/// What follows W_c, `(y - centre) · slope + offset`, [wide].
fn outer<T: Real>(output: &Option<(Parameter<T>, Norm<T>)>, bias: &Parameter<T>) -> [Vec<T>; 3] {
    let c_out = bias.value.ncols();
    let (centre, slope) = match output {
        Some((scale, norm)) => (norm.centre.to_vec(), norm.slope(scale)),
        None => (vec![T::zero(); c_out], vec![T::one(); c_out]),
    };
    [centre, slope, bias.row().to_vec()].map(|row| wide(&row))
}

/// `u = columns · W_bᵀ`, group by group.
pub fn by_groups<T: Real>(
    columns: ArrayView2<T>,
    w_b: ArrayView2<T>,
    groups: usize,
    mut u: ArrayViewMut2<T>,
) {
    let (width, rows) = (columns.ncols() / groups, w_b.nrows() / groups);
    for g in 0..groups {
        let of_group = g * rows..(g + 1) * rows;
        product(
            columns.slice(s![.., g * width..(g + 1) * width]),
            w_b.slice(s![of_group.clone(), ..]).t(),
            u.slice_mut(s![.., of_group]),
        );
    }
}

/// The gradient of the columns from that of u = columns · W_bᵀ, group by group.
pub fn columns_of<T: Real>(
    du: ArrayView2<T>,
    w_b: ArrayView2<T>,
    groups: usize,
    mut columns: ArrayViewMut2<T>,
    into: Into,
) {
    let (width, rows) = (columns.ncols() / groups, du.ncols() / groups);
    for g in 0..groups {
        let of_group = g * rows..(g + 1) * rows;
        product_into(
            du.slice(s![.., of_group.clone()]),
            w_b.slice(s![of_group, ..]),
            columns.slice_mut(s![.., g * width..(g + 1) * width]),
            into,
        );
    }
}

/// `y = v · W_cᵀ`; of a depthwise layer, group by group for each pixel of the patch.
pub fn outputs_of<T: Real>(
    v: ArrayView2<T>,
    w_c: ArrayView2<T>,
    (groups, c_out): (usize, usize),
    mut y: ArrayViewMut2<T>,
) {
    let (reads, channels) =
        (v.ncols() / groups, if groups == 1 { w_c.nrows() } else { c_out / groups });
    for (i, first) in (0..w_c.nrows()).step_by(channels).enumerate() {
        let (g, of_group) = (i % groups, first..first + channels);
        product(
            v.slice(s![.., g * reads..(g + 1) * reads]),
            w_c.slice(s![of_group.clone(), ..]).t(),
            y.slice_mut(s![.., of_group]),
        );
    }
}

/// The gradient of v from that of y, see [`outputs_of`].
pub fn products_of<T: Real>(
    dy: ArrayView2<T>,
    w_c: ArrayView2<T>,
    (groups, c_out): (usize, usize),
    mut dv: ArrayViewMut2<T>,
) {
    if groups == 1 {
        product(dy, w_c, dv);
        return;
    }
    let (reads, channels) = (w_c.ncols(), c_out / groups);
    dv.fill(T::zero());
    let mut part = Array2::zeros((dy.nrows(), reads));
    for (i, first) in (0..dy.ncols()).step_by(channels).enumerate() {
        let (g, of_group) = (i % groups, first..first + channels);
        product(dy.slice(s![.., of_group.clone()]), w_c.slice(s![of_group, ..]), part.view_mut());
        dv.slice_mut(s![.., g * reads..(g + 1) * reads])
            .zip_mut_with(&part, |dv, &part| *dv += part);
    }
}
