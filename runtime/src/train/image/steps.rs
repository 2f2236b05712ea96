//! Recurrent layers along the pixels of images of one row, in integers: each sample begins with
//! zeros.

use super::exact::{Exact, Trace};
use super::frozen::{FrozenLayer, Gradients, Work};
use super::patches::fit;
use crate::network::plan;
use crate::train::cells::Units;
use crate::train::matmul::Into;
use crate::train::quantise::power;
use ndarray::{Array2, ArrayView2, s};

/// A recurrent layer along so many pixels, whose gates are L: a linear layer that reads a pixel,
/// then h, whose integers stand there with the frac of the pixel's.
pub struct Steps<L> {
    /// What becomes of the gates.
    pub units: Units,
    /// The gates, in the order of a model.
    pub gates: L,
    /// Pixels of a row.
    pub pixels: usize,
    /// Fractional bits of a pixel.
    pub frac: i32,
}

/// What [`Steps`] leave for the way back.
#[derive(Default)]
pub struct Passed {
    /// What the gates leave at each pixel.
    gates: Vec<Trace>,
    /// `[n, units]`: the integers of c before each pixel, and after the last.
    cells: Vec<Array2<f64>>,
}

impl<L: AsRef<Exact>> Steps<L> {
    /// Elements of a pixel, and units.
    fn sizes(&self) -> (usize, usize) {
        let exact = self.gates.as_ref();
        let units = exact.w_c.nrows() / 4;
        (exact.w_b.ncols() - units, units)
    }

    /// Elements of the largest value of one sample.
    pub fn columns(&self) -> usize {
        let (rows, columns) = self.gates.as_ref().w_b.dim();
        self.pixels * rows.max(columns)
    }

    /// `[n, elements]` real values of the input format to those of h, `z`.
    pub fn forward(&self, x: ArrayView2<f64>, passed: &mut Passed, z: &mut Array2<f64>) {
        let ((n_in, units), n) = (self.sizes(), x.nrows());
        passed.gates.resize_with(self.pixels, Trace::default);
        passed.cells.resize_with(self.pixels + 1, || Array2::zeros((0, 0)));
        let mut input = Array2::<f64>::zeros((n, n_in + units));
        let mut c = Array2::<f64>::zeros((n, units));
        let gate_unit = power(self.units.gate.frac);
        let (of_h, as_x) = (power(-self.units.hidden.frac), power(-self.frac));
        for t in 0..=self.pixels {
            fit(&mut passed.cells[t], c.dim());
            passed.cells[t].assign(&c);
            let Some(trace) = passed.gates.get_mut(t) else { break };
            input.slice_mut(s![.., ..n_in]).assign(&x.slice(s![.., t * n_in..(t + 1) * n_in]));
            self.gates.as_ref().forward(input.view(), trace);
            for sample in 0..n {
                for j in 0..units {
                    let gates =
                        [0, 1, 2, 3].map(|k| (trace.z[[sample, k * units + j]] * gate_unit) as i64);
                    let (next, h) = self.units.step(gates, c[[sample, j]] as i64);
                    c[[sample, j]] = next as f64;
                    input[[sample, n_in + j]] = h as f64 * as_x;
                    z[[sample, t * units + j]] = h as f64 * of_h;
                }
            }
        }
    }
}

impl Passed {
    /// The largest magnitude of the integers of c.
    pub fn largest(&self) -> f64 {
        self.cells.iter().flatten().fold(0.0f64, |most, c| most.max(c.abs()))
    }
}

impl Steps<FrozenLayer> {
    /// Those of a step of a plan.
    pub fn of(units: Units, gates: FrozenLayer, step: &plan::Step) -> Self {
        let (pixels, frac) = (step.input.pixels(), gates.fixed.input_frac);
        Steps { units, gates, pixels, frac }
    }

    /// Leads dL/dz, `[n, elements]`, back to the gradients of the gates and, where asked for, to
    /// dL/dx, added to what is there or in its place.
    pub fn backward(
        &self,
        dz: ArrayView2<f64>,
        passed: &mut Passed,
        work: &mut Work,
        gradients: &mut Gradients,
        mut dx: Option<(&mut Array2<f64>, Into)>,
    ) {
        let ((n_in, units), n) = (self.sizes(), dz.nrows());
        let zeros = |columns: usize| Array2::<f64>::zeros((n, columns));
        let (mut dc, mut dh, mut d_gates) = (zeros(units), zeros(units), zeros(4 * units));
        let mut d_input = zeros(n_in + units);
        let gate_unit = power(self.units.gate.frac);
        let of_h = power(self.units.hidden.frac - self.frac);
        let mut part = self.gates.no_gradients();
        gradients.iter_mut().for_each(|sum| sum.fill(0.0));
        for t in (0..self.pixels).rev() {
            let (trace, before) = (&mut passed.gates[t], &passed.cells[t]);
            dh += &dz.slice(s![.., t * units..(t + 1) * units]);
            for sample in 0..n {
                for j in 0..units {
                    let place = [sample, j];
                    let gates =
                        [0, 1, 2, 3].map(|k| (trace.z[[sample, k * units + j]] * gate_unit) as i64);
                    let (of_gates, d) =
                        self.units.back(gates, before[place] as i64, [dc[place], dh[place]]);
                    dc[place] = d;
                    for (k, d) in of_gates.into_iter().enumerate() {
                        d_gates[[sample, k * units + j]] = d;
                    }
                }
            }
            let to = Some((&mut d_input, Into::Place));
            self.gates.backward(d_gates.view(), trace, work, &mut part, to);
            gradients.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
            dh.assign(&d_input.slice(s![.., n_in..]));
            dh *= of_h;
            if let Some((dx, into)) = &mut dx {
                let from = d_input.slice(s![.., ..n_in]);
                let mut to = dx.slice_mut(s![.., t * n_in..(t + 1) * n_in]);
                match into {
                    Into::Place => to.assign(&from),
                    Into::Sum => to += &from,
                }
            }
        }
    }
}
