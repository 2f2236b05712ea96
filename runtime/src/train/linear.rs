//! Linear layers without norms: SPNs side by side, of networks over sequences and of gates.

use super::factors::factors;
use super::matmul::{Into, Real, product_into};
use super::optimiser::Parameter;
use super::ternary::{Matrix, Side, signs};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};
use rand::{Rng, RngExt};

/// The values u, a ⊙ u and their gradients in one linear layer, `[steps · sequences, groups · r]`
/// each.
pub struct Kept<T> {
    pub u: Array2<T>,
    pub m: Array2<T>,
    pub du: Array2<T>,
    pub dm: Array2<T>,
}

/// `y_g = W_c,g [a_g ⊙ (W_b,g x)]` for each of `groups` SPNs over the same x (StrassenNets, eq. 1),
/// or `y = W x` in full precision, and in a plain layer, where W is a [sum of digits] in phase 2.
///
/// Sizes: n_in inputs, r products and n_out outputs of each group.
///
/// [sum of digits]: super::ternary::Matrix::of_digits
pub struct Linear<T> {
    groups: usize,
    /// `[groups · r, n_in]`; in full precision and in a plain layer `[groups · n_out, n_in]`.
    pub w_b: Matrix<T>,
    /// The products; none in full precision and in a plain layer.
    pub products: Option<Products<T>>,
}

/// What an SPN has besides W_b.
pub struct Products<T> {
    /// `[1, groups · r]`.
    pub a: Parameter<T>,
    /// `[groups · n_out, r]`.
    pub w_c: Matrix<T>,
}

/// The products of an SPN.
#[derive(Clone, Copy)]
pub struct Budget {
    /// How many; of a plain layer a multiple of n_out.
    pub r: usize,
    /// Whether each output is a sum of r / n_out products of its own.
    pub plain: bool,
}

impl<T: Real> Kept<T> {
    /// Room for so many rows; none for a linear layer that is not there.
    pub fn new(rows: usize, linear: Option<&Linear<T>>) -> Self {
        let all = || Array2::zeros((rows, linear.map_or(0, Linear::kept)));
        Kept { u: all(), m: all(), du: all(), dm: all() }
    }
}

impl<T: Real> Linear<T> {
    /// Random weights; there is no budget in full precision. The outputs of inputs of variance 1
    /// have about `variance`.
    pub fn new(
        (n_in, n_out): (usize, usize),
        groups: usize,
        budget: Option<Budget>,
        variance: f64,
        rng: &mut impl Rng,
    ) -> Linear<T> {
        let mut uniform = |rows: usize, columns: usize, variance: f64| {
            let limit = (3.0 * variance / columns.max(1) as f64).sqrt();
            Array2::from_shape_simple_fn((rows, columns), || {
                T::real(limit * (2.0 * rng.random::<f64>() - 1.0))
            })
        };
        let Some(Budget { r, plain }) = budget else {
            let w_b = Matrix::new(uniform(groups * n_out, n_in, variance), Side::Rows);
            return Linear { groups, w_b, products: None };
        };
        if plain {
            let w = uniform(groups * n_out, n_in, variance);
            let w_b = Matrix::of_digits(w, r / n_out.max(1));
            return Linear { groups, w_b, products: None };
        }
        let w_b = Matrix::new(uniform(groups * r, n_in, 1.0), Side::Rows);
        // A group of W_c reads its own products, so that the sides of its entries are those of its
        // columns.
        let side = Side::Columns { channels: groups * n_out, groups: 1 };
        let w_c = Matrix::new(uniform(groups * n_out, r, variance), side);
        Linear {
            groups,
            w_b,
            products: Some(Products { a: Parameter::vector(groups * r, 1.0), w_c }),
        }
    }

    /// Columns of what [`forward`](Self::forward) keeps.
    pub fn kept(&self) -> usize {
        if self.products.is_some() { self.w_b.weights.value.nrows() } else { 0 }
    }

    /// How many [`parameters`](Self::parameters) there are.
    pub fn tensors(&self) -> usize {
        self.matrices().count() + usize::from(self.products.is_some())
    }

    /// Zeros of the shapes of the [`parameters`](Self::parameters).
    pub fn gradients(&self) -> Vec<Array2<T>> {
        let mut all = vec![Array2::zeros(self.w_b.weights.value.dim())];
        if let Some(Products { a, w_c }) = &self.products {
            all.push(Array2::zeros(a.value.dim()));
            all.push(Array2::zeros(w_c.weights.value.dim()));
        }
        all
    }

    /// Adds y `[m, groups · n_out]` for x `[m, n_in]`, and keeps u = W_b x `[m, groups · r]` in
    /// `u`, and a ⊙ u in `m`.
    pub fn forward(
        &self,
        x: ArrayView2<T>,
        mut u: ArrayViewMut2<T>,
        mut m: ArrayViewMut2<T>,
        y: ArrayViewMut2<T>,
    ) {
        let w_b = self.w_b.effective();
        let Some(Products { a, w_c }) = &self.products else {
            return product_into(x, w_b.t(), y, Into::Sum);
        };
        product_into(x, w_b.t(), u.view_mut(), Into::Place);
        let a = a.row();
        for (mut m, u) in m.rows_mut().into_iter().zip(u.rows()) {
            Zip::from(&mut m).and(&u).and(&a).for_each(|m, &u, &a| *m = a * u);
        }
        self.blocks(m.view(), w_c.effective(), y);
    }

    /// y_g += m_g W_c,gᵀ.
    fn blocks(&self, m: ArrayView2<T>, w_c: ArrayView2<T>, mut y: ArrayViewMut2<T>) {
        let (r, n_out) = (m.ncols() / self.groups, w_c.nrows() / self.groups);
        for g in 0..self.groups {
            let w_c = w_c.slice(s![g * n_out..(g + 1) * n_out, ..]);
            let y = y.slice_mut(s![.., g * n_out..(g + 1) * n_out]);
            product_into(m.slice(s![.., g * r..(g + 1) * r]), w_c.t(), y, Into::Sum);
        }
    }

    /// Leads dL/dy `[m, groups · n_out]` back to dL/du in `du` `[m, groups · r]`, and to dL/dx,
    /// added to `dx` or in its place. `dm`, of the size of `du`, becomes dL/dm.
    pub fn backward(
        &self,
        dy: ArrayView2<T>,
        du: ArrayViewMut2<T>,
        mut dm: ArrayViewMut2<T>,
        dx: Option<(ArrayViewMut2<T>, Into)>,
    ) {
        let w_b = self.w_b.effective();
        let Some(Products { w_c, .. }) = &self.products else {
            if let Some((dx, into)) = dx {
                product_into(dy, w_b, dx, into);
            }
            return;
        };
        let w_c = w_c.effective();
        let (r, n_out) = (w_c.ncols(), w_c.nrows() / self.groups);
        for g in 0..self.groups {
            let dy = dy.slice(s![.., g * n_out..(g + 1) * n_out]);
            let w_c = w_c.slice(s![g * n_out..(g + 1) * n_out, ..]);
            product_into(dy, w_c, dm.slice_mut(s![.., g * r..(g + 1) * r]), Into::Place);
        }
        self.through_sums(du, dm, dx);
    }

    /// Leads dL/dm back to dL/du, and to dL/dx.
    fn through_sums(
        &self,
        mut du: ArrayViewMut2<T>,
        dm: ArrayViewMut2<T>,
        dx: Option<(ArrayViewMut2<T>, Into)>,
    ) {
        let (w_b, Some(Products { a, .. })) = (self.w_b.effective(), &self.products) else {
            return;
        };
        let a = a.row();
        for (mut du, dm) in du.rows_mut().into_iter().zip(dm.rows()) {
            Zip::from(&mut du).and(&dm).and(&a).for_each(|du, &dm, &a| *du = a * dm);
        }
        if let Some((dx, into)) = dx {
            product_into(du.view(), w_b, dx, into);
        }
    }

    /// The gradients of all weights in `gradients`, in the order of
    /// [`parameters`](Self::parameters), from all rows of the window: x, what
    /// [`forward`](Self::forward) and [`backward`](Self::backward) kept, and dL/dy.
    pub fn weight_gradients(
        &self,
        x: ArrayView2<T>,
        Kept { u, m, du, dm }: &Kept<T>,
        dy: ArrayView2<T>,
        gradients: &mut [Array2<T>],
    ) {
        let Some(Products { w_c, .. }) = &self.products else {
            return product_into(dy.t(), x, gradients[0].view_mut(), Into::Place);
        };
        product_into(du.t(), x, gradients[0].view_mut(), Into::Place);
        gradients[1].fill(T::zero());
        let mut sums = gradients[1].row_mut(0);
        for (dm, u) in dm.rows().into_iter().zip(u.rows()) {
            Zip::from(&mut sums).and(&dm).and(&u).for_each(|sum, &dm, &u| *sum += dm * u);
        }
        let (r, n_out) = (w_c.weights.value.ncols(), w_c.weights.value.nrows() / self.groups);
        for g in 0..self.groups {
            let dy = dy.slice(s![.., g * n_out..(g + 1) * n_out]);
            let m = m.slice(s![.., g * r..(g + 1) * r]);
            let gradient = gradients[2].slice_mut(s![g * n_out..(g + 1) * n_out, ..]);
            product_into(dy.t(), m, gradient, Into::Place);
        }
    }

    /// Scales the matrices of SPNs as [`Matrix::scale_to_fixed`] does; a makes up for it.
    pub fn scale_to_fixed(&mut self, factor: f64) {
        let Some(Products { a, w_c }) = &mut self.products else { return };
        let scale = self.w_b.scale_to_fixed(factor) * w_c.scale_to_fixed(factor);
        a.value.mapv_inplace(|a| a * scale);
    }

    /// The matrices: W_b and, of an SPN, W_c.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix<T>> {
        std::iter::once(&self.w_b).chain(self.products.as_ref().map(|p| &p.w_c))
    }

    /// The matrices: W_b and, of an SPN, W_c.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix<T>> {
        std::iter::once(&mut self.w_b).chain(self.products.as_mut().map(|p| &mut p.w_c))
    }

    /// Names, parameters, and whether they decay: W_b, a, W_c.
    pub fn parameters(&mut self) -> impl Iterator<Item = (&'static str, &mut Parameter<T>, bool)> {
        let mut all = vec![("w_b", &mut self.w_b.weights, true)];
        if let Some(Products { a, w_c }) = &mut self.products {
            all.push(("a", a, false));
            all.push(("w_c", &mut w_c.weights, true));
        }
        all.into_iter()
    }

    /// Inputs, and products of all groups; in full precision its outputs.
    pub fn sizes(&self) -> (usize, usize) {
        (self.w_b.weights.value.ncols(), self.w_b.products())
    }

    /// SPNs side by side.
    pub fn groups(&self) -> usize {
        self.groups
    }
}

/// An SPN of whole numbers: `y_g = W_c,g [(a ⊙ scales)_g ⊙ (W_b,g x)]`.
pub struct Ternary {
    /// `[groups · r, n_in]`.
    pub w_b: Array2<i8>,
    /// `[groups · n_out, r]`.
    pub w_c: Array2<i8>,
    /// `[groups · r]`: ã.
    pub a: Array1<f64>,
    /// `[groups · r]`: those of the entries of W_b times those of W_c.
    pub scales: Array1<f64>,
}

impl Linear<f32> {
    /// The SPN in phase 2; none in full precision.
    pub fn ternary(&self) -> Option<Ternary> {
        if let Some((w_b, scales)) = self.w_b.digits() {
            // Digit by digit; here group by group.
            let outputs = self.w_b.weights.value.nrows();
            let (n, r) = (outputs / self.groups, w_b.nrows() / self.groups);
            let order: Vec<usize> =
                (0..w_b.nrows()).map(|i| i % r / n * outputs + i / r * n + i % n).collect();
            return Some(Ternary {
                w_b: w_b.select(Axis(0), &order),
                w_c: Array2::from_shape_fn((outputs, r), |(k, j)| i8::from(k % n == j % n)),
                a: Array1::ones(order.len()),
                scales: scales.select(Axis(0), &order),
            });
        }
        let Products { a, w_c } = self.products.as_ref()?;
        let (rows, groups) = (a.value.len(), self.groups);
        let r = rows / groups;
        let (of_w_b, of_w_c) = (self.w_b.scales(), w_c.scales());
        Some(Ternary {
            w_b: signs(self.w_b.effective()),
            w_c: signs(w_c.effective()),
            a: a.row().mapv(f64::from),
            scales: Array1::from_shape_fn(rows, |i| of_w_b[i] * of_w_c[i % r]),
        })
    }

    /// Begins with the matrices of a layer in full precision where this one is plain, else with
    /// factors of them, which are exact where r reaches their rank; false where `from` is none.
    pub fn factorise(&mut self, from: &Linear<f32>, rng: &mut impl Rng) -> bool {
        let (groups, w) = (self.groups, &from.w_b.weights.value);
        let to = &mut self.w_b.weights.value;
        let outputs = self.products.as_ref().map_or(to.nrows(), |p| p.w_c.weights.value.nrows());
        if from.products.is_some() || w.dim() != (outputs, to.ncols()) {
            return false;
        }
        let Some(Products { a, w_c }) = &mut self.products else {
            to.assign(w);
            return true;
        };
        let (r, n) = (a.value.len() / groups, outputs / groups);
        for g in 0..groups {
            let (b, c) = factors(w.slice(s![g * n..(g + 1) * n, ..]), r, false, rng);
            to.slice_mut(s![g * r..(g + 1) * r, ..]).assign(&b);
            w_c.weights.value.slice_mut(s![g * n..(g + 1) * n, ..]).assign(&c);
        }
        a.value.fill(1.0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Quantiser;
    use crate::train::ternary::Ternariser;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// In phase 2 a layer computes what its SPN of whole numbers says, group by group.
    #[test]
    fn a_layer_is_its_ternary_spn() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for (groups, r, plain) in [(1, 4, false), (3, 7, false), (1, 4, true), (3, 12, true)] {
            let mut linear =
                Linear::<f32>::new((9, 4), groups, Some(Budget { r, plain }), 1.0, &mut rng);
            if let Some(products) = &mut linear.products {
                products.a.value.mapv_inplace(|a| a + rng.random::<f32>());
            }
            let ternariser = Ternariser { quantiser: Quantiser::Twn, factor: 0.7 };
            linear.matrices_mut().for_each(|matrix| matrix.make_ternary(ternariser));
            assert_eq!(linear.sizes(), (9, groups * r));
            let x = Array2::from_shape_simple_fn((5, 9), || rng.random::<f32>() - 0.5);
            let mut kept = Kept::new(5, Some(&linear));
            let mut y = Array2::zeros((5, groups * 4));
            linear.forward(x.view(), kept.u.view_mut(), kept.m.view_mut(), y.view_mut());
            let Ternary { w_b, w_c, a, scales } = linear.ternary().unwrap();
            let products = x.mapv(f64::from).dot(&w_b.mapv(f64::from).t()) * &a * &scales;
            for g in 0..groups {
                let due = products
                    .slice(s![.., g * r..(g + 1) * r])
                    .dot(&w_c.slice(s![g * 4..(g + 1) * 4, ..]).mapv(f64::from).t());
                let is = y.slice(s![.., g * 4..(g + 1) * 4]).mapv(f64::from);
                assert!((due - is).iter().all(|d| d.abs() < 1e-5), "{groups} {r} {plain}");
            }
        }
    }
}
