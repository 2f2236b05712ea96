//! The way back through a linear layer: the pooling and the relu, W_c, W_b.

use super::{Cut, Piece, Products, Spn, outer, scale_rows};
use super::{columns_of, products_of};
use crate::train::image::norm::{Norm, narrow, wide};
use crate::train::image::patches::{Windows, view, view_mut};
use crate::train::kernels::AffineMap;
use crate::train::matmul::{Into, Real, is_positive, product_into, vectorised};
use crate::train::optimiser::Parameter;
use crate::train::ternary::Matrix;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;

impl<T: Real> Spn<T> {
    /// Leads dL/dz, which it consumes, back to all gradients and, where asked for, to dL/dx, added
    /// to what is there or in its place. Straight through the quantiser: the gradient of the
    /// ternary matrix is taken for that of the weights behind it. x and z are those of the last
    /// forward pass, unchanged: where z is 0 the relu let nothing through; `dv` is room to work in.
    pub fn backward(
        &mut self,
        x: ArrayView2<T>,
        z: &Array2<T>,
        dz: &mut Array2<T>,
        dx: Option<(&mut Array2<T>, Into)>,
        dv: &mut Vec<T>,
    ) {
        let cut = self.cut(x.nrows());
        let (Some(x), Some(z), Some(dz)) = (x.to_slice(), z.as_slice(), dz.as_slice_mut()) else {
            unreachable!()
        };
        if self.collapses {
            return self.collapsed_backward(x, z, dz, cut.samples);
        }
        let mut unpooled = std::mem::take(&mut self.unpooled);
        let dz = match &self.pool {
            None => dz,
            Some(pool) => {
                let outputs = self.patches.elements().1;
                unpooled.resize(z.len() / pool.outputs() * outputs, T::zero());
                through_pooling(
                    pool,
                    self.relu,
                    &self.pieces,
                    cut,
                    z,
                    dz,
                    (&mut unpooled, outputs),
                );
                &mut unpooled[..]
            }
        };
        let has_y = self.has_y();
        if has_y {
            dv.resize(self.u.len().max(dv.len()), T::zero());
        }
        let dv = &mut dv[..if has_y { self.u.len() } else { 0 }];
        // What is left to do to get to dL/du, and to what: where there is no y, u stands for it.
        let (through, d) = if self.is_affine {
            (self.affine_backward(cut, z, dz), dz)
        } else {
            let through_output = self.output_backward(cut, dz);
            if self.products.is_some() {
                (self.products_backward(cut, through_output, dz, dv), dv)
            } else if has_y {
                let rows = dv.len() / self.w_b.weights.value.nrows();
                self.patches.uncrop_rows(dz, 0..rows, dv);
                (through_output, dv)
            } else {
                (through_output, dz)
            }
        };
        self.sums_backward(cut, x, through, d, dx);
        self.unpooled = unpooled;
    }

    /// Takes dL/dz through the relu, and sums up what the gradients of offset and scale are and
    /// what the norm needs.
    fn output_backward(&mut self, cut: Cut, dz: &mut [T]) -> Through<T> {
        let Spn { products, bias, output, relu, pool, patches, u, y, pieces, .. } = self;
        let c_out = bias.value.ncols();
        let size = cut.samples * patches.elements().1;
        let pre = if products.is_some() || !patches.aligned() { &*y } else { &*u };
        let [centre, slope, offset] = outer(output, bias);
        let work = (pieces.par_iter_mut(), dz.par_chunks_mut(size), pre.par_chunks(size));
        work.into_par_iter().for_each(|(piece, dz, y)| {
            if *relu && pool.is_none() {
                vectorised!(|| {
                    for (d, y) in dz.chunks_mut(centre.len()).zip(y.chunks(centre.len())) {
                        for ((((d, &y), &c), &s), &b) in
                            d.iter_mut().zip(y).zip(&centre).zip(&slope).zip(&offset)
                        {
                            *d *= is_positive((y - c) * s + b);
                        }
                    }
                });
            }
            piece.sums = [vec![0.0; c_out], vec![0.0; c_out]];
            sum_rows(dz, y, &centre, &mut piece.sums);
        });
        let sums = joined(pieces, output.as_ref().map(|(_, norm)| norm));
        to_gradient(&sums[0], &mut bias.gradient);
        let Some((scale, norm)) = output else { return Through::Nothing };
        to_gradient(&sums[1], &mut scale.gradient);
        Through::Norm(NormGradient::new(norm, scale, &sums, pre.len() / c_out))
    }

    /// Takes dL/dz through the output's norm and W_c, to the gradient behind the norm between, in
    /// `dv`.
    fn products_backward(
        &mut self,
        cut: Cut,
        through_output: Through<T>,
        dz: &mut [T],
        dv: &mut [T],
    ) -> Through<T> {
        let Spn { w_b, products, w_c, bias, patches, output_groups, u, y, pieces, .. } = self;
        let Some(Products { a, norm }) = products else { return Through::Nothing };
        let (r, c_out) = (w_b.weights.value.nrows(), bias.value.ncols());
        let (size, per_piece) =
            (cut.samples * patches.elements().1, cut.samples * patches.per_sample() * r);
        let centre = wide(&norm.centre.to_vec());
        let scale = wide(&norm.slope(a));
        let w_c_now = w_c.as_ref().map(Matrix::effective);
        let outputs = dz.par_chunks_mut(size).zip(y.par_chunks(size));
        let work =
            (pieces.par_iter_mut(), outputs, u.par_chunks(per_piece), dv.par_chunks_mut(per_piece));
        work.into_par_iter().for_each(|(piece, (dz, y), u, dv)| {
            piece.sums = [vec![0.0; r], vec![0.0; r]];
            if let Through::Norm(gradient) = &through_output
                && !patches.aligned()
            {
                gradient.apply(dz, y);
            }
            for (i, rows) in cut.tiles(u.len() / r).enumerate() {
                let of_tile = rows.start * r..rows.end * r;
                let (u, dv) = (&u[of_tile.clone()], &mut dv[of_tile.clone()]);
                // dL/dy of the tile: pixels are finished while they are in the cache, where patches
                // are pixels.
                let outputs = w_c_now.map_or(r, |w_c| w_c.nrows());
                let dy = &mut piece.patch[..rows.len() * outputs];
                if patches.aligned() {
                    let pixels = rows.start * c_out..rows.end * c_out;
                    dy.copy_from_slice(&dz[pixels.clone()]);
                    if let Through::Norm(gradient) = &through_output {
                        gradient.apply(dy, &y[pixels]);
                    }
                } else {
                    patches.uncrop_rows(dz, rows.clone(), dy);
                }
                if let Some(w_c) = w_c_now {
                    let v = &mut piece.v[..u.len()];
                    scale_rows(u, (&centre, &scale), v);
                    let shape = (rows.len(), outputs);
                    let (dy, v, groups) =
                        (view(dy, shape), view(v, (rows.len(), r)), (*output_groups, c_out));
                    let into = if i == 0 { Into::Place } else { Into::Sum };
                    output_weights_of(dy, v, groups, piece.d_w_c.view_mut(), into);
                    products_of(dy, w_c, groups, view_mut(dv, (rows.len(), r)));
                } else {
                    dv.copy_from_slice(dy);
                }
                sum_rows(dv, u, &centre, &mut piece.sums);
            }
        });
        if let Some(w_c) = w_c {
            collect(pieces, |piece| &mut piece.d_w_c, &mut w_c.weights.gradient);
        }
        let sums = joined(pieces, Some(norm));
        to_gradient(&sums[1], &mut a.gradient);
        Through::Norm(NormGradient::new(norm, a, &sums, u.len() / r))
    }

    /// Takes d, once it has gone through to dL/du, through W_b to dL/dx.
    fn sums_backward(
        &mut self,
        cut: Cut,
        x: &[T],
        through: Through<T>,
        d: &[T],
        dx: Option<(&mut Array2<T>, Into)>,
    ) {
        let Spn { w_b, mask, patches, direct, groups, u, pieces, .. } = self;
        let r = w_b.weights.value.nrows();
        let (inputs, per_piece) = (patches.elements().0, cut.samples * patches.per_sample() * r);
        let w_b_now = w_b.effective();
        // Numbers of d for each row of u.
        let channels = d.len() / (u.len() / r);
        let (dx, into_dx) = dx.map_or((None, Into::Place), |(dx, into)| (dx.as_slice_mut(), into));
        let mut dx: Vec<Option<&mut [T]>> = match dx {
            Some(dx) => dx.chunks_mut(cut.samples * inputs).map(Some).collect(),
            None => pieces.iter().map(|_| None).collect(),
        };
        let work = (
            pieces.par_iter_mut(),
            d.par_chunks(per_piece / r * channels),
            u.par_chunks(per_piece),
            x.par_chunks(cut.samples * inputs),
            dx.par_iter_mut(),
        );
        let direct = direct.as_ref().map(|direct| (direct, direct.pack_back(w_b_now)));
        work.into_par_iter().for_each(|(piece, d, u, x, dx)| {
            if let Some((direct, w_b)) = &direct {
                direct.clear(&mut piece.room);
                let mut dx = dx.as_deref_mut().map(|dx| dx.chunks_mut(inputs));
                let rows = patches.per_sample();
                let samples = d.chunks(rows * channels).zip(u.chunks(rows * r));
                for ((d, u), x) in samples.zip(x.chunks(inputs)) {
                    let du = |du: &mut [T], first: usize| {
                        let (row, n) = (first / r, du.len() / r);
                        let d = &d[row * channels..(row + n) * channels];
                        through.finish(d, &u[first..first + n * r], du);
                    };
                    let dx = dx.as_mut().and_then(|dx| Some((dx.next()?, w_b, into_dx)));
                    direct.back(x, du, &mut piece.room, dx);
                }
                return;
            }
            if let Some(dx) = dx
                && into_dx == Into::Place
                && !patches.whole()
            {
                dx.fill(T::zero());
            }
            for (i, rows) in cut.tiles(u.len() / r).enumerate() {
                let of_tile = rows.start * r..rows.end * r;
                let mut du = &d[of_tile.clone()];
                if !matches!(through, Through::Nothing) {
                    let finished = &mut piece.v[..du.len()];
                    through.finish(du, &u[of_tile], finished);
                    du = finished;
                }
                let du = view(du, (rows.len(), r));
                let into = if i == 0 { Into::Place } else { Into::Sum };
                let columns = patches.gather_rows(x, rows.clone(), &mut piece.columns);
                weights_of(du, columns, *groups, piece.d_w_b.view_mut(), into);
                let Some(dx) = dx else { continue };
                let shape = (rows.len(), patches.columns());
                if patches.whole() {
                    columns_of(du, w_b_now, *groups, view_mut(dx, shape), into_dx);
                    continue;
                }
                let columns = &mut piece.columns[..shape.0 * shape.1];
                columns_of(du, w_b_now, *groups, view_mut(columns, shape), Into::Place);
                patches.scatter_rows(columns, rows, dx);
            }
        });
        match direct {
            Some((direct, _)) => {
                let rooms = pieces.iter().map(|piece| &piece.room);
                direct.weights(rooms, &mut w_b.weights.gradient);
            }
            None => collect(pieces, |piece| &mut piece.d_w_b, &mut w_b.weights.gradient),
        }
        if let Some(mask) = mask {
            w_b.weights.gradient *= &*mask;
        }
    }
}

/// Takes dL/dz through a pooling and, since that is less work, through the relu before it.
fn through_pooling<T: Real>(
    pool: &Windows,
    relu: bool,
    pieces: &[Piece<T>],
    cut: Cut,
    z: &[T],
    dz: &mut [T],
    (unpooled, outputs): (&mut [T], usize),
) {
    let size = cut.samples * pool.outputs();
    let work = (pieces.par_iter(), z.par_chunks(size), dz.par_chunks_mut(size));
    let work = work.into_par_iter().zip(unpooled.par_chunks_mut(cut.samples * outputs));
    work.for_each(|((piece, z, dz), unpooled)| {
        if relu {
            vectorised!(|| dz.iter_mut().zip(z).for_each(|(d, z)| *d *= is_positive(*z)));
        }
        let pooled = dz.chunks(pool.outputs()).zip(piece.which.chunks(pool.outputs()));
        for ((dz, which), unpooled) in pooled.zip(unpooled.chunks_mut(outputs)) {
            pool.to_largest_of(dz, which, unpooled, Into::Place);
        }
    });
}

/// Adds the sums over rows to `sums`, column by column.
pub(super) fn sum_columns<T: Real>(rows: &[T], c: usize, sums: &mut [f64]) {
    let zeros = wide(&vec![T::zero(); c]);
    let length = zeros.len();
    // Few enough rows for a sum in T.
    for rows in rows.chunks(length << 8) {
        let mut part = zeros.clone();
        vectorised!(|| {
            for rows in rows.chunks(length) {
                part.iter_mut().zip(rows).for_each(|(sum, &v)| *sum += v);
            }
        });
        add_row(&part, c, sums);
    }
}

/// Adds a [wide] row of c columns to `sums`.
fn add_row<T: Real>(row: &[T], c: usize, sums: &mut [f64]) {
    // NumCast of a float to f64 never fails.
    let row = narrow(row, c);
    sums.iter_mut().zip(row).for_each(|(s, v)| *s += v.to_f64().unwrap_or_default());
}

/// Adds to `sums` the sums of d and of `d · (x - centre)` over rows, column by column; `centre` is
/// [wide].
pub(super) fn sum_rows<T: Real>(d: &[T], x: &[T], centre: &[T], sums: &mut [Vec<f64>; 2]) {
    let (length, c) = (centre.len(), sums[0].len());
    // Few enough rows for a sum in T.
    for (d, x) in d.chunks(length << 8).zip(x.chunks(length << 8)) {
        let mut plain = vec![T::zero(); length];
        let mut along = vec![T::zero(); length];
        vectorised!(|| {
            for (d, x) in d.chunks(length).zip(x.chunks(length)) {
                let sums = plain.iter_mut().zip(&mut along);
                for ((((p, a), &d), &x), &m) in sums.zip(d).zip(x).zip(centre) {
                    *p += d;
                    *a += d * (x - m);
                }
            }
        });
        sums.iter_mut().zip([plain, along]).for_each(|(sums, row)| add_row(&row, c, sums));
    }
}

/// What is left to do to get from numbers d to dL/du.
pub(super) enum Through<T> {
    /// That is what they are.
    Nothing,
    /// The gradient of a norm.
    Norm(NormGradient<T>),
    /// The sum of what two maps make of d and of u.
    Map { of_d: AffineMap<T>, of_u: AffineMap<T> },
}

impl<T: Real> Through<T> {
    /// Places dL/du of rows.
    fn finish(&self, d: &[T], u: &[T], du: &mut [T]) {
        match self {
            Through::Nothing => du.copy_from_slice(d),
            Through::Norm(gradient) => {
                du.copy_from_slice(d);
                gradient.apply(du, u);
            }
            Through::Map { of_d, of_u } => {
                of_d.apply(d, du, Into::Place);
                of_u.apply(u, du, Into::Sum);
            }
        }
    }
}

/// The gradient through a norm and the factor behind it: `d ← factor/σ · (d - mean(d) - x̂ · mean(d
/// · x̂))`, where x̂ is `(x - centre)/σ`: `d · scale + (x - centre) · slope + offset`.
pub(super) struct NormGradient<T> {
    centre: Vec<T>,
    scale: Vec<T>,
    slope: Vec<T>,
    offset: Vec<T>,
}

impl<T: Real> NormGradient<T> {
    /// The gradient of a norm from the sums of d and of `d · x̂` over n rows.
    fn new(norm: &Norm<T>, factor: &Parameter<T>, sums: &[Vec<f64>; 2], n: usize) -> Self {
        let mean = |sums: &[f64]| sums.iter().map(|s| T::real(s / n as f64)).collect::<Vec<_>>();
        let scale = norm.slope(factor);
        let times = |mean: Vec<T>| -> Vec<T> {
            mean.into_iter().zip(&scale).map(|(m, s)| -m * *s).collect()
        };
        let along = times(mean(&sums[1]));
        let slope: Vec<T> = along.into_iter().zip(&norm.inverse).map(|(a, i)| a * *i).collect();
        let offset = times(mean(&sums[0]));
        NormGradient::of(norm, [&scale, &slope, &offset])
    }

    /// That of these factors, column by column.
    pub fn of(norm: &Norm<T>, [scale, slope, offset]: [&[T]; 3]) -> Self {
        let centre = wide(&norm.centre.to_vec());
        NormGradient { centre, scale: wide(scale), slope: wide(slope), offset: wide(offset) }
    }

    fn apply(&self, d: &mut [T], x: &[T]) {
        let NormGradient { centre, scale, slope, offset } = self;
        vectorised!(|| {
            for (d, x) in d.chunks_mut(centre.len()).zip(x.chunks(centre.len())) {
                for (((((d, &x), &c), &scale), &slope), &offset) in
                    d.iter_mut().zip(x).zip(centre).zip(scale).zip(slope).zip(offset)
                {
                    *d = *d * scale + ((x - c) * slope + offset);
                }
            }
        });
    }
}

/// The sums of all pieces; the second ones in units of the norm's σ, where there is a norm.
pub(super) fn joined<T: Real>(pieces: &[Piece<T>], norm: Option<&Norm<T>>) -> [Vec<f64>; 2] {
    let mut total = pieces[0].sums.clone();
    for piece in &pieces[1..] {
        for (total, sums) in total.iter_mut().zip(&piece.sums) {
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
        }
    }
    if let Some(norm) = norm {
        // NumCast of a float to f64 never fails.
        total[1]
            .iter_mut()
            .zip(&norm.inverse)
            .for_each(|(t, i)| *t *= i.to_f64().unwrap_or_default());
    }
    total
}

/// Moves the sum of a matrix of all pieces to `gradient`.
fn collect<T: Real>(
    pieces: &mut [Piece<T>],
    matrix: fn(&mut Piece<T>) -> &mut Array2<T>,
    gradient: &mut Array2<T>,
) {
    let Some((first, rest)) = pieces.split_first_mut() else { return };
    for piece in rest {
        *matrix(first) += &*matrix(piece);
    }
    std::mem::swap(matrix(first), gradient);
}

pub(super) fn to_gradient<'a, T: Real>(
    from: impl IntoIterator<Item = &'a f64>,
    gradient: &mut Array2<T>,
) {
    gradient.iter_mut().zip(from).for_each(|(g, v)| *g = T::real(*v));
}

/// The gradient of W_b from that of u = columns · W_bᵀ, group by group.
fn weights_of<T: Real>(
    du: ArrayView2<T>,
    columns: ArrayView2<T>,
    groups: usize,
    mut gradient: ArrayViewMut2<T>,
    into: Into,
) {
    let (width, rows) = (columns.ncols() / groups, du.ncols() / groups);
    for g in 0..groups {
        let of_group = g * rows..(g + 1) * rows;
        product_into(
            du.slice(s![.., of_group.clone()]).t(),
            columns.slice(s![.., g * width..(g + 1) * width]),
            gradient.slice_mut(s![of_group, ..]),
            into,
        );
    }
}

/// The gradient of W_c from that of y, see [`outputs_of`].
fn output_weights_of<T: Real>(
    dy: ArrayView2<T>,
    v: ArrayView2<T>,
    (groups, c_out): (usize, usize),
    mut gradient: ArrayViewMut2<T>,
    into: Into,
) {
    let (reads, channels) =
        (v.ncols() / groups, if groups == 1 { dy.ncols() } else { c_out / groups });
    for (i, first) in (0..dy.ncols()).step_by(channels).enumerate() {
        let (g, of_group) = (i % groups, first..first + channels);
        product_into(
            dy.slice(s![.., of_group.clone()]).t(),
            v.slice(s![.., g * reads..(g + 1) * reads]),
            gradient.slice_mut(s![of_group, ..]),
            into,
        );
    }
}
