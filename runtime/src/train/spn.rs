//! The linear layer of phases 1 and 2, over vectors or images.

use super::matmul::{Real, product};
use super::norm::Norm;
use super::optimiser::Parameter;
use super::patches::Patches;
use super::ternary::Matrix;
use crate::network::plan::{Linear, Step};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip, s};
use rand::{Rng, RngExt};

/// An SPN layer: `y = W_c[a ⊙ norm(W_b x)]`, then `γ ⊙ norm(y) + b`, or `y + b` in the last layer, and `max(0, ·)` where a relu
/// follows. Rows of its matrix products are the samples of a dense layer, the output patches of a convolution.
pub struct Spn<T> {
    /// `[r, K · K · c_in / groups]`, columns in the order row, column, channel.
    pub w_b: Matrix<T>,
    /// `[1, r]`: ã.
    pub a: Parameter<T>,
    /// `[p · p · c_out, r]`, or r / groups columns in a depthwise layer; none where it is the identity.
    pub w_c: Option<Matrix<T>>,
    /// `[1, c_out]`: the offset of the output norm, or the bias of the last layer.
    pub bias: Parameter<T>,
    /// The norm between W_b and ã.
    pub hidden: Norm<T>,
    /// The norm after W_c and its scale γ, `[1, c_out]`; none in the last layer.
    pub output: Option<(Parameter<T>, Norm<T>)>,
    relu: bool,
    patches: Patches,
    groups: usize,
    /// Groups of W_c.
    output_groups: usize,
    columns: Array2<T>,
    u: Array2<T>,
    v: Array2<T>,
    y: Array2<T>,
    cropped: Array2<T>,
    dy: Array2<T>,
    dv: Array2<T>,
    d_columns: Array2<T>,
}

impl<T: Real> Spn<T> {
    /// Fresh weights.
    pub fn new(step: &Step, linear: &Linear, last: bool, rng: &mut impl Rng) -> Self {
        let mut uniform = |rows: usize, columns: usize| {
            let bound = 1.0 / (columns.max(1) as f64).sqrt();
            Matrix::new(Array2::from_shape_simple_fn((rows, columns), || {
                T::real((rng.random::<f64>() * 2.0 - 1.0) * bound)
            }))
        };
        let patches = Patches::new(linear, step.input, step.output);
        let (r, groups, c_out) = (linear.r, linear.groups, step.output.channels);
        let output_groups = if linear.depthwise(step.input) { groups } else { 1 };
        let outputs = linear.patch * linear.patch * c_out;
        let empty = |columns: usize| Array2::zeros((0, columns));
        Spn {
            w_b: uniform(r, patches.columns() / groups),
            a: Parameter::vector(r, 1.0),
            w_c: (!linear.plain).then(|| uniform(outputs, r / output_groups)),
            bias: Parameter::vector(c_out, 0.0),
            hidden: Norm::new(r),
            output: (!last).then(|| (Parameter::vector(c_out, 1.0), Norm::new(c_out))),
            relu: step.relu,
            groups,
            output_groups,
            columns: empty(0),
            u: empty(r),
            v: empty(r),
            y: empty(outputs),
            cropped: empty(c_out),
            dy: empty(outputs),
            dv: empty(r),
            d_columns: empty(patches.columns()),
            patches,
        }
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

    /// `[n, elements]` to `z`, `[n, elements]`, with batch statistics.
    pub fn forward(&mut self, x: ArrayView2<T>, z: &mut Array2<T>) {
        let rows = x.nrows() * self.patches.per_sample();
        for buffer in [&mut self.u, &mut self.v, &mut self.y, &mut self.dv] {
            if buffer.nrows() != rows {
                *buffer = Array2::zeros((rows, buffer.ncols()));
            }
        }
        self.matrices_mut().for_each(Matrix::renew);
        let columns = self.patches.gather(x, &mut self.columns);
        by_groups(columns, self.w_b.effective(), self.groups, self.u.view_mut());
        self.hidden.forward(self.u.view());
        for (mut v, x) in self.v.rows_mut().into_iter().zip(self.hidden.normalised.rows()) {
            Zip::from(&mut v).and(&x).and(&self.a.row()).for_each(|v, &x, &a| *v = x * a);
        }
        let y = match &self.w_c {
            None => self.v.view(),
            Some(w_c) => {
                outputs_of(
                    self.v.view(),
                    w_c.effective(),
                    (self.output_groups, self.bias.value.ncols()),
                    self.y.view_mut(),
                );
                self.y.view()
            }
        };
        let y = self.patches.crop(y, &mut self.cropped);
        let (bias, low) = (self.bias.row(), if self.relu { T::zero() } else { T::neg_infinity() });
        // Each pixel is a row.
        let pixels = y.nrows();
        let c_out = bias.len();
        let Ok(mut z) = z.view_mut().into_shape_with_order((pixels, c_out)) else { unreachable!() };
        if let Some((scale, norm)) = &mut self.output {
            norm.forward(y);
            for (mut z, y) in z.rows_mut().into_iter().zip(norm.normalised.rows()) {
                Zip::from(&mut z)
                    .and(&y)
                    .and(&scale.row())
                    .and(&bias)
                    .for_each(|z, &y, &s, &b| *z = (s * y + b).max(low));
            }
        } else {
            for (mut z, y) in z.rows_mut().into_iter().zip(y.rows()) {
                Zip::from(&mut z).and(&y).and(&bias).for_each(|z, &y, &b| *z = y + b);
            }
        }
    }

    /// From dL/dz, which it consumes, to all gradients and, where asked for, to dL/dx, added to what is there or in its place.
    /// Straight through the quantiser: the gradient of the ternary matrix is taken for that of the weights behind it. x and z
    /// are those of the last forward pass.
    pub fn backward(
        &mut self,
        x: ArrayView2<T>,
        z: ArrayView2<T>,
        dz: &mut Array2<T>,
        dx: Option<(&mut Array2<T>, bool)>,
    ) {
        let c_out = self.bias.value.ncols();
        let pixels = dz.len() / c_out;
        self.bias.gradient.fill(T::zero());
        let (relu, n) = (self.relu, x.nrows());
        let Ok(z) = z.into_shape_with_order((pixels, c_out)) else { unreachable!() };
        let shaped = std::mem::replace(dz, Array2::zeros((0, 0)));
        let outputs = shaped.ncols();
        let Ok(mut shaped) = shaped.into_shape_with_order((pixels, c_out)) else { unreachable!() };
        if let Some((scale, norm)) = &mut self.output {
            scale.gradient.fill(T::zero());
            for ((mut dz, z), y) in shaped.rows_mut().into_iter().zip(z.rows()).zip(norm.normalised.rows()) {
                if relu {
                    Zip::from(&mut dz).and(&z).for_each(|d, &z| *d = if z > T::zero() { *d } else { T::zero() });
                }
                let mut gradient = scale.gradient.row_mut(0);
                Zip::from(&mut gradient).and(&dz).and(&y).for_each(|g, &d, &y| *g += d * y);
                self.bias.gradient += &dz;
                dz *= &scale.row();
            }
            norm.backward(&mut shaped);
        } else {
            for dz in shaped.rows() {
                self.bias.gradient += &dz;
            }
        }
        let dy = self.patches.uncrop(shaped.view(), &mut self.dy);
        match &mut self.w_c {
            None => self.dv.assign(&dy),
            Some(w_c) => {
                let groups = (self.output_groups, c_out);
                output_weights_of(dy, self.v.view(), groups, w_c.weights.gradient.view_mut());
                products_of(dy, w_c.effective(), groups, self.dv.view_mut());
            }
        }
        let Ok(shaped) = shaped.into_shape_with_order((n, outputs)) else { unreachable!() };
        *dz = shaped;
        self.a.gradient.fill(T::zero());
        for (mut dv, x) in self.dv.rows_mut().into_iter().zip(self.hidden.normalised.rows()) {
            let mut gradient = self.a.gradient.row_mut(0);
            Zip::from(&mut gradient).and(&dv).and(&x).for_each(|g, &d, &x| *g += d * x);
            dv *= &self.a.row();
        }
        self.hidden.backward(&mut self.dv);
        // Gathered in the forward pass, or x itself.
        let columns = if self.columns.is_empty() { x } else { self.columns.view() };
        weights_of(self.dv.view(), columns, self.groups, self.w_b.weights.gradient.view_mut());
        let Some((dx, add)) = dx else { return };
        if self.columns.is_empty() && !add {
            product(self.dv.view(), self.w_b.effective(), dx.view_mut());
            return;
        }
        if self.d_columns.dim() != columns.dim() {
            self.d_columns = Array2::zeros(columns.dim());
        }
        columns_of(self.dv.view(), self.w_b.effective(), self.groups, self.d_columns.view_mut());
        self.patches.scatter(self.d_columns.view(), dx, add);
    }

    /// `[n, elements]` to W_b's sums, `[n · patches, r]`.
    fn sums(&self, x: ArrayView2<T>) -> Array2<T> {
        let mut u = Array2::zeros((x.nrows() * self.patches.per_sample(), self.a.value.ncols()));
        let mut columns = Array2::zeros((0, 0));
        by_groups(self.patches.gather(x, &mut columns), self.w_b.effective(), self.groups, u.view_mut());
        u
    }

    /// From W_b's sums, normalised, to the pixels before the output norm, `[n · pixels, c_out]`.
    fn pixels(&self, mut u: Array2<T>) -> Array2<T> {
        u *= &self.a.row();
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

    /// `[n, elements]` to `[n, elements]`, with the running statistics.
    pub fn evaluate(&self, x: ArrayView2<T>) -> Array2<T> {
        let mut u = self.sums(x);
        self.hidden.evaluate(&mut u);
        let mut y = self.pixels(u);
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
        z
    }

    /// Gives both norms the statistics of a batch.
    pub fn calibrate(&mut self, x: ArrayView2<T>) {
        let mut u = self.sums(x);
        self.hidden.calibrate(u.view());
        if self.output.is_some() {
            self.hidden.evaluate(&mut u);
            let y = self.pixels(u);
            if let Some((_, norm)) = &mut self.output {
                norm.calibrate(y.view());
            }
        }
    }

    /// Each parameter with its name and whether it decays.
    pub fn parameters(&mut self) -> impl Iterator<Item = (&'static str, &mut Parameter<T>, bool)> {
        [("w_b", &mut self.w_b.weights, true), ("a", &mut self.a, false)]
            .into_iter()
            .chain(self.w_c.as_mut().map(|w_c| ("w_c", &mut w_c.weights, true)))
            .chain([("bias", &mut self.bias, false)])
            .chain(self.output.as_mut().map(|(scale, _)| ("scale", scale, false)))
    }
}

/// `u = columns · W_bᵀ`, group by group.
pub fn by_groups<T: Real>(columns: ArrayView2<T>, w_b: ArrayView2<T>, groups: usize, mut u: ArrayViewMut2<T>) {
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

/// The gradient of W_b from that of u = columns · W_bᵀ, group by group.
fn weights_of<T: Real>(du: ArrayView2<T>, columns: ArrayView2<T>, groups: usize, mut gradient: ArrayViewMut2<T>) {
    let (width, rows) = (columns.ncols() / groups, du.ncols() / groups);
    for g in 0..groups {
        let of_group = g * rows..(g + 1) * rows;
        product(
            du.slice(s![.., of_group.clone()]).t(),
            columns.slice(s![.., g * width..(g + 1) * width]),
            gradient.slice_mut(s![of_group, ..]),
        );
    }
}

/// The gradient of the columns from that of u = columns · W_bᵀ, group by group.
pub fn columns_of<T: Real>(du: ArrayView2<T>, w_b: ArrayView2<T>, groups: usize, mut columns: ArrayViewMut2<T>) {
    let (width, rows) = (columns.ncols() / groups, du.ncols() / groups);
    for g in 0..groups {
        let of_group = g * rows..(g + 1) * rows;
        product(
            du.slice(s![.., of_group.clone()]),
            w_b.slice(s![of_group, ..]),
            columns.slice_mut(s![.., g * width..(g + 1) * width]),
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
    let (reads, channels) = (v.ncols() / groups, if groups == 1 { w_c.nrows() } else { c_out / groups });
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
        dv.slice_mut(s![.., g * reads..(g + 1) * reads]).zip_mut_with(&part, |dv, &part| *dv += part);
    }
}

/// The gradient of W_c from that of y, see [`outputs_of`].
fn output_weights_of<T: Real>(
    dy: ArrayView2<T>,
    v: ArrayView2<T>,
    (groups, c_out): (usize, usize),
    mut gradient: ArrayViewMut2<T>,
) {
    let (reads, channels) = (v.ncols() / groups, if groups == 1 { dy.ncols() } else { c_out / groups });
    for (i, first) in (0..dy.ncols()).step_by(channels).enumerate() {
        let (g, of_group) = (i % groups, first..first + channels);
        product(
            dy.slice(s![.., of_group.clone()]).t(),
            v.slice(s![.., g * reads..(g + 1) * reads]),
            gradient.slice_mut(s![of_group, ..]),
        );
    }
}
