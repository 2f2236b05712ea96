//! From the model to the dataflow IR: what never matters goes, what is left gets its exact interval.
//!
//! Dead are products that take a single value (a zero row of W_b, a coefficient of 0, a shift that rounds everything away):
//! it goes into the bias; hidden elements that take a single value: it goes into the sums that read it; and products and
//! hidden elements that nobody reads. Each may make others dead. The network's own inputs and outputs stay as they are.

use crate::adder_graph::Matrix;
use crate::interval::{Interval, round_shift};
use crate::ir::{Dataflow, Layer, Op, OpKind, Role, Value, ValueId};
use crate::ranges::{Products, Sum};
use ndarray::Array2;
use strassenc_runtime::model::{self, Dense, Output};
use strassenc_runtime::{Error, Format, Model, Result};

/// Lowers a model.
///
/// # Errors
/// Where the model is not [valid](Model::validate): a width overflow among others, naming layer and row.
pub fn lower(model: &Model) -> Result<Dataflow> {
    model.validate()?;
    let format = model.input.format;
    let input = vec![Interval::new(format.min(), format.max()); model.input.elements()];

    let mut layers: Vec<Analysis> = vec![];
    for model::Layer::Dense(dense) in &model.layers {
        let analysis = Analysis::new(dense, layers.last().map_or(&input, |before| &before.z));
        layers.push(analysis);
    }

    // What the last layer yields is needed, and so what that is made of.
    let mut outputs: Vec<usize> = (0..model.outputs()).collect();
    let mut kept: Vec<Kept> = vec![];
    for analysis in layers.iter().rev() {
        let mut layer = analysis.kept(outputs);
        if kept.len() + 1 == layers.len() {
            layer.inputs = (0..input.len()).collect();
        }
        outputs = layer.inputs.clone();
        kept.push(layer);
    }

    let mut next = ValueId(0);
    let mut format = format;
    let mut opened = vec![];
    for (analysis, kept) in layers.iter().zip(kept.iter().rev()) {
        let layer = analysis.open(kept, format, &mut next)?;
        format = layer.output;
        opened.push(layer);
    }
    let input = Value { indices: (0..input.len()).collect(), intervals: input };
    Ok(Dataflow { name: model.name.clone(), input, layers: opened })
}

/// A layer of the model with the interval of everything in it.
struct Analysis<'a> {
    dense: &'a Dense,
    /// What enters.
    x: Vec<Interval>,
    /// Rows whose product varies, in order.
    rows: Vec<usize>,
    /// The bias, with the products that do not vary.
    bias: Vec<i64>,
    /// W_c · m over `rows`.
    sums: Vec<Interval>,
    /// What leaves.
    z: Vec<Interval>,
}

/// Which of a layer's parts are needed, in order.
struct Kept {
    inputs: Vec<usize>,
    rows: Vec<usize>,
    outputs: Vec<usize>,
}

impl<'a> Analysis<'a> {
    fn new(dense: &'a Dense, x: &[Interval]) -> Self {
        let all = Products {
            x: x.to_vec(),
            forms: Array2::from_shape_fn(dense.w_b.dim(), |(i, j)| {
                i64::from(dense.coefficients[i]) * i64::from(dense.w_b[[i, j]])
            }),
            shifts: dense.coefficient_shifts.to_vec(),
        };
        let m: Vec<Interval> = all.ranges(&[]);
        let rows: Vec<usize> = (0..dense.rows()).filter(|&i| m[i].value().is_none()).collect();
        let products = Products {
            forms: all.forms.select(ndarray::Axis(0), &rows),
            shifts: rows.iter().map(|&i| all.shifts[i]).collect(),
            x: all.x,
        };
        let bias: Vec<i64> = (0..dense.outputs())
            .map(|c| {
                let constant = |i: usize| i64::from(dense.w_c[[c, i]]) * m[i].value().unwrap_or(0);
                dense.bias[c] + (0..dense.rows()).map(constant).sum::<i64>()
            })
            .collect();
        let terms = |c: usize| -> Sum {
            let coefficients = rows.iter().map(|&i| i64::from(dense.w_c[[c, i]]));
            coefficients.enumerate().filter(|&(_, k)| k != 0).collect()
        };
        let sums = products.ranges(&(0..dense.outputs()).map(terms).collect::<Vec<_>>()).split_off(rows.len());
        let z = sums
            .iter()
            .enumerate()
            .map(|(c, sum)| match &dense.output {
                Output::Raw => sum.map(|y| y + bias[c]),
                Output::Requantised { shifts, format } => {
                    sum.map(|y| format.saturate(round_shift(y + bias[c], shifts[c])))
                }
            })
            .collect();
        Analysis { dense, x: products.x, rows, bias, sums, z }
    }

    /// What these outputs are made of.
    fn kept(&self, outputs: Vec<usize>) -> Kept {
        let (w_b, w_c) = (&self.dense.w_b, &self.dense.w_c);
        let varies = |c: usize| self.z[c].value().is_none();
        let rows: Vec<usize> =
            self.rows.iter().copied().filter(|&i| outputs.iter().any(|&c| varies(c) && w_c[[c, i]] != 0)).collect();
        let read = |j: usize| self.x[j].value().is_none() && rows.iter().any(|&i| w_b[[i, j]] != 0);
        let mut inputs: Vec<usize> = (0..self.dense.inputs()).filter(|&j| read(j)).collect();
        if inputs.is_empty() {
            // Nothing is read, but a stream carries at least one element.
            inputs.push(0);
        }
        Kept { inputs, rows, outputs }
    }

    fn open(&self, kept: &Kept, input: Format, next: &mut ValueId) -> Result<Layer> {
        let dense = self.dense;
        let Kept { inputs, rows, outputs } = kept;
        let mut layer = Layer { name: dense.name.clone(), budget: dense.budget, input, output: input, ops: vec![] };
        let mut push = |kind, indices: &[usize], intervals| {
            let result = Value { indices: indices.to_vec(), intervals };
            layer.ops.push(Op { x: *next, kind, result });
            next.0 += 1;
        };

        let w_b = Matrix::from_shape_fn((rows.len(), inputs.len()), |(i, j)| dense.w_b[[rows[i], inputs[j]]].into());
        let u: Vec<Interval> = (w_b.outer_iter())
            .map(|row| {
                let terms = row.iter().zip(inputs).filter(|(w, _)| **w != 0);
                terms.fold(Interval::point(0), |sum, (w, &j)| sum + self.x[j].scale(*w < 0, 0))
            })
            .collect();
        push(OpKind::Linear { role: Role::Wb, matrix: w_b }, rows, u.clone());

        // Elements that take a single value do not enter: their part of each sum is a constant.
        let constants: Vec<i64> = (rows.iter())
            .map(|&i| {
                let constant = |j: usize| i64::from(dense.w_b[[i, j]]) * self.x[j].value().unwrap_or(0);
                (0..dense.inputs()).filter(|j| inputs.binary_search(j).is_err()).map(constant).sum()
            })
            .collect();
        let mut whole = u;
        if constants.iter().any(|&k| k != 0) {
            whole = whole.iter().zip(&constants).map(|(u, k)| u.map(|u| u + k)).collect();
            push(OpKind::Offset { constants }, rows, whole.clone());
        }

        let coefficients: Vec<i64> = rows.iter().map(|&i| dense.coefficients[i].into()).collect();
        let shifts: Vec<i32> = rows.iter().map(|&i| dense.coefficient_shifts[i]).collect();
        let m = (0..rows.len())
            .map(|i| {
                let product = |u: i64| round_shift(coefficients[i] * u, shifts[i]);
                let (a, b) = (product(whole[i].lo), product(whole[i].hi));
                Interval::new(a.min(b), a.max(b))
            })
            .collect();
        let coefficient_bits = dense.coefficient_bits;
        push(OpKind::Multiply { coefficients, coefficient_bits, shifts }, rows, m);

        // An output that takes a single value is a zero row, its value the bias.
        let varies = |c: usize| self.z[c].value().is_none();
        let w_c = Matrix::from_shape_fn((outputs.len(), rows.len()), |(c, i)| {
            if varies(outputs[c]) { dense.w_c[[outputs[c], rows[i]]].into() } else { 0 }
        });
        let sums = outputs.iter().map(|&c| if varies(c) { self.sums[c] } else { Interval::point(0) }).collect();
        push(OpKind::Linear { role: Role::Wc, matrix: w_c }, outputs, sums);

        let constants = outputs.iter().map(|&c| self.z[c].value().unwrap_or(self.bias[c])).collect();
        let z: Vec<Interval> = outputs.iter().map(|&c| self.z[c]).collect();
        let (kind, output) = match &dense.output {
            Output::Raw => {
                let bits = z.iter().map(|z| Interval::new(z.lo.min(-1), z.hi.max(0)).bits()).max().unwrap_or(1);
                (OpKind::Offset { constants }, Format { signed: true, bits, frac: dense.product_frac })
            }
            Output::Requantised { shifts, format } => {
                let shifts = outputs.iter().map(|&c| if varies(c) { shifts[c] } else { 0 }).collect();
                (OpKind::Requantise { constants, shifts, format: *format }, *format)
            }
        };
        push(kind, outputs, z);
        layer.output = output;
        Ok(layer)
    }
}

/// The products of a layer that enters with `x`, as its operations state them; `None` where it has no such form.
pub fn products(layer: &Layer, x: &Value) -> Option<Products> {
    let mut ops = layer.ops.iter();
    let OpKind::Linear { matrix, .. } = &ops.next()?.kind else { return None };
    let mut op = ops.next()?;
    let mut offsets = vec![0; matrix.nrows()];
    if let OpKind::Offset { constants } = &op.kind {
        offsets.clone_from(constants);
        op = ops.next()?;
    }
    let OpKind::Multiply { coefficients, shifts, .. } = &op.kind else { return None };
    // A constant is the coefficient of one more element, which is always 1.
    let n = matrix.ncols();
    let forms = Array2::from_shape_fn((matrix.nrows(), n + 1), |(i, j)| {
        coefficients[i] * if j == n { offsets[i] } else { matrix[[i, j]].into() }
    });
    let mut x = x.intervals.clone();
    x.push(Interval::point(1));
    Some(Products { x, forms, shifts: shifts.clone() })
}

/// For each row of a layer's W_c the two vectors, within the intervals of what enters the layer, that drive its exact sum
/// to the least and to the greatest value: the ends of its interval up to rounding.
pub fn corners(dataflow: &Dataflow, layer: usize) -> Result<Vec<[Vec<i64>; 2]>> {
    let lost = || Error::internal("corners", format_args!("layer {layer} is not an SPN layer"));
    let x = dataflow.layer_input(layer);
    let layer = &dataflow.layers[layer];
    let products = products(layer, x).ok_or_else(lost)?;
    let (_, w_c) = layer.matrices().find(|(role, _)| *role == Role::Wc).ok_or_else(lost)?;
    let drive = |row: ndarray::ArrayView1<i32>| {
        let sum: Sum = row.iter().map(|&k| i64::from(k)).enumerate().filter(|&(_, k)| k != 0).collect();
        products.drive(&sum).map(|mut v| {
            v.truncate(x.len());
            v
        })
    };
    Ok(w_c.outer_iter().map(drive).collect())
}
