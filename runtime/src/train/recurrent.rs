//! Recurrent layers in floats: LSTM and GRU over the steps of many sequences side by side, and the
//! way back through all of them (Werbos 1990).

#[cfg(test)]
mod tests;

use super::kernels::AffineMap;
use super::linear::{Budget, Kept, Linear};
use super::matmul::{Into, Real, vectorised};
use super::optimiser::Parameter;
use super::ternary::Matrix;
use crate::recurrent::Cell;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rand::Rng;
use std::ops::Range;

/// Sequences that one task works on.
pub const PIECE: usize = 32;

/// A recurrent layer of n units.
pub struct Recurrent<T> {
    cell: Cell,
    /// SPNs over x, one for each gate that reads it.
    pub x: Linear<T>,
    /// SPNs over h, one for each gate that reads it.
    pub h: Linear<T>,
    /// `[1, 4n]`: of the gates in the [order](order) that they have here.
    pub bias: Parameter<T>,
}

/// What a layer keeps of so many rows for the way back, and works in: row t · sequences + s is step
/// t of sequence s.
pub struct Memory<T> {
    /// What the linear layers keep, that of x and that of h.
    pub kept: [Kept<T>; 2],
    /// `[rows, 4n]`: gates after σ and tanh; n_h as it is.
    pub gates: Array2<T>,
    /// dL/d(gates before that).
    pub dgates: Array2<T>,
    /// The c of an LSTM, and h: `[rows + sequences, n]`, those at the start first.
    pub state: [Array2<T>; 2],
    /// The tanh(c) of an LSTM.
    pub squashed: Array2<T>,
}

/// The place in a model of each gate that training has: n_x of a GRU comes first, so that the gates
/// that read x are side by side, and those that read h as well.
pub fn order(cell: Cell) -> [usize; 4] {
    match cell {
        Cell::Lstm => [0, 1, 2, 3],
        Cell::Gru => [2, 0, 1, 3],
    }
}

/// The gates that read x, and those that read h.
pub fn readers(cell: Cell) -> [Range<usize>; 2] {
    match cell {
        Cell::Lstm => [0..4, 0..4],
        Cell::Gru => [0..3, 1..4],
    }
}

#[inline(always)]
pub fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exponential())
}

#[inline(always)]
pub fn tanh<T: Real>(x: T) -> T {
    let two = T::one() + T::one();
    two * sigmoid(two * x) - T::one()
}

/// Sums over the rows, in `[1, n]`.
pub fn column_sums<T: Real>(rows: &Array2<T>, sums: &mut Array2<T>) {
    sums.fill(T::zero());
    let mut sums = sums.row_mut(0);
    rows.rows().into_iter().for_each(|row| sums += &row);
}

impl<T: Real> Memory<T> {
    /// Room for so many rows of so many sequences.
    pub fn new(rows: usize, sequences: usize, layer: &Recurrent<T>) -> Self {
        let zeros = |rows: usize, columns: usize| Array2::zeros((rows, columns));
        let n = layer.units();
        let cells = layer.cells();
        Memory {
            kept: [&layer.x, &layer.h].map(|linear| Kept::new(rows, Some(linear))),
            gates: zeros(rows, Cell::GATES * n),
            dgates: zeros(rows, Cell::GATES * n),
            state: [zeros(rows + sequences, cells), zeros(rows + sequences, n)],
            squashed: zeros(rows, cells),
        }
    }
}

impl<T: Real> Recurrent<T> {
    /// Random weights; there is no budget in full precision.
    pub fn new(
        cell: Cell,
        (n_in, n): (usize, usize),
        budget: Option<Budget>,
        rng: &mut impl Rng,
    ) -> Self {
        let groups = cell.spns() / 2;
        let x = Linear::new((n_in, n), groups, budget, 1.0 / 3.0, rng);
        let h = Linear::new((n, n), groups, budget, 1.0 / 3.0, rng);
        let mut bias = Parameter::vector(Cell::GATES * n, 0.0);
        // What is there is kept at first (Jozefowicz et al. 2015): f of an LSTM, z of a GRU.
        let keeps = match cell {
            Cell::Lstm => 1,
            Cell::Gru => 2,
        };
        bias.value.slice_mut(s![.., keeps * n..(keeps + 1) * n]).fill(T::one());
        Recurrent { cell, x, h, bias }
    }

    /// Which cell it has.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Units n.
    pub fn units(&self) -> usize {
        self.bias.value.ncols() / Cell::GATES
    }

    /// Elements of c: n, or none.
    fn cells(&self) -> usize {
        match self.cell {
            Cell::Lstm => self.units(),
            Cell::Gru => 0,
        }
    }

    /// The c and h of so many sequences at their start.
    pub fn start(&self, sequences: usize) -> [Array2<T>; 2] {
        [self.cells(), self.units()].map(|n| Array2::zeros((sequences, n)))
    }

    /// Columns of the gates that read x, and of those that read h.
    fn columns(&self) -> [Range<usize>; 2] {
        let n = self.units();
        readers(self.cell).map(|gates| gates.start * n..gates.end * n)
    }

    /// The h of every step, `[steps · b, n]`, in `z` for x `[steps · b, n_in]` of b sequences; the
    /// state goes on.
    pub fn forward(
        &self,
        x: ArrayView2<T>,
        b: usize,
        [cell, hidden]: &mut [Array2<T>; 2],
        memory: &mut Memory<T>,
        z: &mut Array2<T>,
    ) {
        let steps = x.nrows() / b;
        let [from_x, from_h] = self.columns();
        memory.gates.assign(&self.bias.row());
        let [Kept { u, m, .. }, of_h] = &mut memory.kept;
        let gates = memory.gates.slice_mut(s![.., from_x]);
        self.x.forward(x, u.view_mut(), m.view_mut(), gates);
        let [cells, hiddens] = &mut memory.state;
        cells.slice_mut(s![..b, ..]).assign(cell);
        hiddens.slice_mut(s![..b, ..]).assign(hidden);
        let map = self.w_of_h().map(AffineMap::linear);
        for t in 0..steps {
            let (now, next) = (t * b..(t + 1) * b, (t + 1) * b..(t + 2) * b);
            let mut gates = memory.gates.slice_mut(s![now.clone(), ..]);
            let (before, mut after) = hiddens.view_mut().split_at(Axis(0), next.start);
            let h = before.slice(s![now.clone(), ..]);
            let Kept { u, m, .. } = of_h;
            let (u, m) = (u.slice_mut(s![now.clone(), ..]), m.slice_mut(s![now.clone(), ..]));
            let mut to = gates.slice_mut(s![.., from_h.clone()]);
            match (&map, h.to_slice(), to.as_slice_mut()) {
                (Some(map), Some(h), Some(to)) => map.apply(h, to, Into::Sum),
                _ => self.h.forward(h.view(), u, m, to),
            }
            let (c_before, mut c_after) = cells.view_mut().split_at(Axis(0), next.start);
            for s in 0..b {
                let row = now.start + s;
                // All are rows in standard layout.
                let (Some(gates), Some(before), Some(h_after)) = (
                    gates.row_mut(s).into_slice(),
                    h.row(s).to_slice(),
                    after.row_mut(s).into_slice(),
                ) else {
                    unreachable!()
                };
                match self.cell {
                    Cell::Lstm => {
                        let (Some(before), Some(after), Some(squashed)) = (
                            c_before.row(row).to_slice(),
                            c_after.row_mut(s).into_slice(),
                            memory.squashed.row_mut(row).into_slice(),
                        ) else {
                            unreachable!()
                        };
                        lstm(gates, before, after, squashed, h_after);
                    }
                    Cell::Gru => gru(gates, before, h_after),
                }
            }
            z.slice_mut(s![now, ..]).assign(&after.slice(s![..b, ..]));
        }
        cell.assign(&cells.slice(s![steps * b.., ..]));
        hidden.assign(&hiddens.slice(s![steps * b.., ..]));
    }

    /// What h is multiplied with, to be packed once for all steps: where that is one matrix, and
    /// all gates are its outputs.
    fn w_of_h(&self) -> Option<ArrayView2<'_, T>> {
        let one = self.h.products.is_none() && self.cell == Cell::Lstm;
        one.then(|| self.h.w_b.effective())
    }

    /// The gradients of all parameters, in the order of [`parameters`](Self::parameters), and
    /// dL/dx, from dL/dz and what [`forward`](Self::forward) kept.
    pub fn backward(
        &self,
        x: ArrayView2<T>,
        b: usize,
        dz: &Array2<T>,
        memory: &mut Memory<T>,
        gradients: &mut [Array2<T>],
        dx: Option<ArrayViewMut2<T>>,
    ) {
        let rows = x.nrows();
        let [from_x, from_h] = self.columns();
        let Memory { kept: [of_x, of_h], gates, dgates, state, squashed } = memory;
        let [mut dc, mut dh] = self.start(b);
        // What of dL/dh goes past the gates of a GRU is there already.
        let into = match self.cell {
            Cell::Lstm => Into::Place,
            Cell::Gru => Into::Sum,
        };
        let map = self.w_of_h().map(|w| AffineMap::linear(w.reversed_axes()));
        for t in (0..rows / b).rev() {
            let now = t * b..(t + 1) * b;
            dh += &dz.slice(s![now.clone(), ..]);
            for s in 0..b {
                let row = t * b + s;
                // All are rows in standard layout.
                let (Some(gates), Some(h), Some(dh), Some(dgates)) = (
                    gates.row(row).to_slice(),
                    state[1].row(row).to_slice(),
                    dh.row_mut(s).into_slice(),
                    dgates.row_mut(row).into_slice(),
                ) else {
                    unreachable!()
                };
                match self.cell {
                    Cell::Lstm => {
                        let (Some(c), Some(tanh), Some(dc)) = (
                            state[0].row(row).to_slice(),
                            squashed.row(row).to_slice(),
                            dc.row_mut(s).into_slice(),
                        ) else {
                            unreachable!()
                        };
                        lstm_back(gates, c, tanh, dh, dc, dgates);
                    }
                    Cell::Gru => gru_back(gates, h, dh, dgates),
                }
            }
            let (du, dm) = if self.h.kept() > 0 {
                (of_h.du.slice_mut(s![now.clone(), ..]), of_h.dm.slice_mut(s![now.clone(), ..]))
            } else {
                (of_h.du.view_mut(), of_h.dm.view_mut())
            };
            let dgates = dgates.slice(s![now, from_h.clone()]);
            match (&map, dgates.to_slice(), dh.as_slice_mut()) {
                (Some(map), Some(dgates), Some(dh)) => map.apply(dgates, dh, into),
                _ => self.h.backward(dgates, du, dm, Some((dh.view_mut(), into))),
            }
        }
        let (to_x, rest) = gradients.split_at_mut(self.x.tensors());
        let (to_h, bias) = rest.split_at_mut(self.h.tensors());
        column_sums(dgates, &mut bias[0]);
        let (of_gates_x, of_gates_h) = (dgates.slice(s![.., from_x]), dgates.slice(s![.., from_h]));
        self.h.weight_gradients(state[1].slice(s![..rows, ..]), of_h, of_gates_h, to_h);
        let (du, dm) = (of_x.du.view_mut(), of_x.dm.view_mut());
        self.x.backward(of_gates_x, du, dm, dx.map(|dx| (dx, Into::Place)));
        self.x.weight_gradients(x, of_x, of_gates_x, to_x);
    }

    /// Names, parameters, and whether they decay.
    pub fn parameters(&mut self) -> Vec<(String, &mut Parameter<T>, bool)> {
        let mut all = vec![];
        for (part, linear) in [("x", &mut self.x), ("h", &mut self.h)] {
            let named = linear.parameters();
            all.extend(named.map(|(name, p, decays)| (format!("{part}.{name}"), p, decays)));
        }
        all.push(("bias".into(), &mut self.bias, false));
        all
    }

    /// Takes over all numbers of a layer of the same shapes; false where the shapes differ.
    pub fn take_over(&mut self, other: &mut Recurrent<T>) -> bool {
        let shapes = |layer: &mut Recurrent<T>| -> Vec<_> {
            layer.parameters().into_iter().map(|(_, p, _)| p.value.dim()).collect()
        };
        if shapes(self) != shapes(other) {
            return false;
        }
        for ((_, to, _), (_, from, _)) in self.parameters().into_iter().zip(other.parameters()) {
            to.value.assign(&from.value);
        }
        true
    }

    /// Zeros of the shapes of the parameters, in order.
    pub fn gradients(&self) -> Vec<Array2<T>> {
        let linears = [&self.x, &self.h].into_iter().flat_map(Linear::gradients);
        linears.chain([Array2::zeros(self.bias.value.dim())]).collect()
    }

    /// The matrices.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix<T>> {
        self.x.matrices().chain(self.h.matrices())
    }

    /// The matrices.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix<T>> {
        self.x.matrices_mut().chain(self.h.matrices_mut())
    }
}

/// One step of the units of one sequence in an LSTM: gates i, f, g, o become what they let through,
/// and the state goes on.
fn lstm<T: Real>(gates: &mut [T], before: &[T], after: &mut [T], squashed: &mut [T], h: &mut [T]) {
    let n = before.len();
    let (i, rest) = gates.split_at_mut(n);
    let (f, rest) = rest.split_at_mut(n);
    let (g, o) = rest.split_at_mut(n);
    // The lengths agree, and are seen to.
    let (o, after, squashed, h) = (&mut o[..n], &mut after[..n], &mut squashed[..n], &mut h[..n]);
    vectorised!(|| {
        each(i, sigmoid);
        each(f, sigmoid);
        each(g, tanh);
        each(o, sigmoid);
        for j in 0..n {
            after[j] = f[j] * before[j] + i[j] * g[j];
        }
        squashed.copy_from_slice(after);
        each(squashed, tanh);
        for j in 0..n {
            h[j] = o[j] * squashed[j];
        }
    });
}

#[inline(always)]
fn each<T: Real>(values: &mut [T], f: impl Fn(T) -> T) {
    values.iter_mut().for_each(|v| *v = f(*v));
}

/// The way back through [`lstm`]: dL/dgates, before σ and tanh, in `dy`; dL/dc of the step
/// after becomes that of the step before.
fn lstm_back<T: Real>(
    gates: &[T],
    before: &[T],
    squashed: &[T],
    dh: &[T],
    dc: &mut [T],
    dy: &mut [T],
) {
    let (n, one) = (before.len(), T::one());
    let (i, rest) = gates.split_at(n);
    let (f, rest) = rest.split_at(n);
    let (g, o) = rest.split_at(n);
    let (di, rest) = dy.split_at_mut(n);
    let (df, rest) = rest.split_at_mut(n);
    let (dg, d_o) = rest.split_at_mut(n);
    let (o, squashed, dh, dc, d_o) =
        (&o[..n], &squashed[..n], &dh[..n], &mut dc[..n], &mut d_o[..n]);
    vectorised!(|| {
        for j in 0..n {
            let d = dc[j] + dh[j] * o[j] * (one - squashed[j] * squashed[j]);
            di[j] = d * g[j] * i[j] * (one - i[j]);
            df[j] = d * before[j] * f[j] * (one - f[j]);
            dg[j] = d * i[j] * (one - g[j] * g[j]);
            d_o[j] = dh[j] * squashed[j] * o[j] * (one - o[j]);
            dc[j] = d * f[j];
        }
    });
}

/// One step of the units of one sequence in a GRU: gates n_x, r, z, n_h become n, σ(r), σ(z), n_h.
fn gru<T: Real>(gates: &mut [T], before: &[T], after: &mut [T]) {
    let n = before.len();
    let (new, rest) = gates.split_at_mut(n);
    let (r, rest) = rest.split_at_mut(n);
    let (z, n_h) = rest.split_at_mut(n);
    // The lengths agree, and are seen to.
    let (n_h, after) = (&n_h[..n], &mut after[..n]);
    vectorised!(|| {
        each(r, sigmoid);
        each(z, sigmoid);
        for j in 0..n {
            new[j] += r[j] * n_h[j];
        }
        each(new, tanh);
        for j in 0..n {
            after[j] = new[j] + z[j] * (before[j] - new[j]);
        }
    });
}

/// The way back through [`gru`]: dL/dgates, before σ and tanh, in `dy`; dL/dh of the step becomes
/// what goes past the gates to the step before.
fn gru_back<T: Real>(gates: &[T], before: &[T], dh: &mut [T], dy: &mut [T]) {
    let (n, one) = (before.len(), T::one());
    let (new, rest) = gates.split_at(n);
    let (r, rest) = rest.split_at(n);
    let (z, n_h) = rest.split_at(n);
    let (d_new, rest) = dy.split_at_mut(n);
    let (dr, rest) = rest.split_at_mut(n);
    let (dz, dn_h) = rest.split_at_mut(n);
    let (n_h, dh, dn_h) = (&n_h[..n], &mut dh[..n], &mut dn_h[..n]);
    vectorised!(|| {
        for j in 0..n {
            let d = dh[j] * (one - z[j]) * (one - new[j] * new[j]);
            d_new[j] = d;
            dr[j] = d * n_h[j] * r[j] * (one - r[j]);
            dz[j] = dh[j] * (before[j] - new[j]) * z[j] * (one - z[j]);
            dn_h[j] = d * r[j];
            dh[j] *= z[j];
        }
    });
}
