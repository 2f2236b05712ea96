//! Functions of each element: of real numbers, and of the integers of a model.

use crate::format::Format;
use crate::model::{self, Function};
use crate::network::Bits;
use crate::network::plan::Activation;
use crate::train::matmul::{Into, Real, vectorised};
use crate::train::quantise::power;
use crate::train::recurrent::{sigmoid, tanh};
use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;

/// Elements that one task works on.
const ELEMENTS: usize = 1 << 14;

impl Activation {
    /// The function of each element of x, both `[n, elements]`.
    pub fn forward<T: Real>(self, x: ArrayView2<T>, z: &mut Array2<T>) {
        // Values are in standard layout.
        let (Some(x), Some(z)) = (x.to_slice(), z.as_slice_mut()) else { unreachable!() };
        let work = (z.par_chunks_mut(ELEMENTS), x.par_chunks(ELEMENTS));
        work.into_par_iter().for_each(|(z, x)| {
            let each = z.iter_mut().zip(x);
            vectorised!(|| match self {
                Activation::Clip(most) => {
                    let most = T::real(most);
                    each.for_each(|(z, &x)| *z = if x < most { x } else { most });
                }
                Activation::Leaky(shift) => {
                    let slope: T = slope(shift);
                    each.for_each(|(z, &x)| *z = if x > T::zero() { x } else { slope * x });
                }
                Activation::Sigmoid => each.for_each(|(z, &x)| *z = sigmoid(x)),
                Activation::Tanh => each.for_each(|(z, &x)| *z = tanh(x)),
            });
        });
    }

    /// Leads dL/dz back to dL/dx, added to what is there or in its place; x is what entered, z what
    /// left.
    pub fn backward<T: Real>(
        self,
        dz: ArrayView2<T>,
        [x, z]: [ArrayView2<T>; 2],
        dx: &mut Array2<T>,
        into: Into,
    ) {
        let [Some(dz), Some(x), Some(z)] = [dz, x, z].map(|values| values.to_slice()) else {
            unreachable!()
        };
        let Some(dx) = dx.as_slice_mut() else { unreachable!() };
        let work = (dx.par_chunks_mut(ELEMENTS), dz.par_chunks(ELEMENTS));
        let values = (x.par_chunks(ELEMENTS), z.par_chunks(ELEMENTS));
        let work = work.into_par_iter().zip(values.into_par_iter());
        work.for_each(|((dx, dz), (x, z))| {
            if into == Into::Place {
                dx.fill(T::zero());
            }
            let one = T::one();
            let each = dx.iter_mut().zip(dz).zip(x.iter().zip(z));
            vectorised!(|| match self {
                Activation::Clip(most) => {
                    let most = T::real(most);
                    let pass = |x| if x < most { one } else { T::zero() };
                    each.for_each(|((dx, &dz), (&x, _))| *dx += dz * pass(x));
                }
                Activation::Leaky(shift) => {
                    let slope: T = slope(shift);
                    let pass = |x| if x > T::zero() { one } else { slope };
                    each.for_each(|((dx, &dz), (&x, _))| *dx += dz * pass(x));
                }
                Activation::Sigmoid => {
                    each.for_each(|((dx, &dz), (_, &z))| *dx += dz * z * (one - z));
                }
                Activation::Tanh => {
                    each.for_each(|((dx, &dz), (_, &z))| *dx += dz * (one - z * z));
                }
            });
        });
    }
}

/// 2^-shift.
fn slope<T: Real>(shift: u32) -> T {
    T::real(power(-(shift as i32)))
}

/// A function of the integers of a format in real values.
pub struct Elementwise {
    /// The function of the integers.
    pub function: Function,
    /// What enters.
    pub format: Format,
    /// The function of real numbers that it is but for roundings.
    smooth: Activation,
}

impl Elementwise {
    /// The function of integers of this format.
    pub fn new(function: Function, format: Format) -> Self {
        let smooth = match &function {
            Function::Clip { max } => Activation::Clip(*max as f64 * power(-format.frac)),
            Function::Leaky { shift } => Activation::Leaky(*shift),
            Function::Sigmoid(_) => Activation::Sigmoid,
            Function::Tanh(_) => Activation::Tanh,
        };
        Elementwise { function, format, smooth }
    }

    /// An activation of integers of this format in a network with these bits; none where it does
    /// not take them.
    pub fn of(activation: Activation, format: Option<Format>, bits: &Bits) -> Option<Self> {
        let format = format?;
        Some(Elementwise::new(Function::of(activation, format, bits)?, format))
    }

    /// The format of what leaves.
    pub fn yields(&self) -> Format {
        self.function.yields(self.format)
    }

    /// The function of each element of x, both `[n, elements]`, multiples of what their formats'
    /// integers stand for.
    pub fn forward(&self, x: ArrayView2<f64>, z: &mut Array2<f64>) {
        let (up, down) = (power(self.format.frac), power(-self.yields().frac));
        Zip::from(z).and(&x).for_each(|z, x| *z = self.at((x * up) as i64) as f64 * down);
    }

    fn at(&self, v: i64) -> i64 {
        match &self.function {
            Function::Clip { max } => v.min(*max),
            Function::Leaky { shift } if v < 0 => (v + (1 << (shift - 1))) >> shift,
            Function::Leaky { .. } => v,
            Function::Sigmoid(table) => table.sigmoid(v),
            Function::Tanh(table) => table.tanh(v),
        }
    }

    /// As [`Activation::backward`]: roundings pass the gradient through.
    pub fn backward(
        &self,
        dz: ArrayView2<f64>,
        values: [ArrayView2<f64>; 2],
        dx: &mut Array2<f64>,
        into: Into,
    ) {
        self.smooth.backward(dz, values, dx, into);
    }

    /// The layer of a model.
    pub fn layer(&self, name: String) -> model::Layer {
        model::Layer::Activation(model::Activation { name, function: self.function.clone() })
    }
}
