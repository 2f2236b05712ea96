//! From the model to the dataflow IR: what never matters goes, what is left gets its exact interval.
//!
//! Dead are products that take a single value (a zero row of W_b, a coefficient of 0, a shift that rounds everything away):
//! it goes into the bias; hidden elements that take a single value: it goes into the sums that read it; and products and
//! hidden elements that nobody reads. Each may make others dead. The network's own inputs and outputs stay as they are.

mod bilinear;
pub mod images;

use crate::adder_graph::Matrix;
use crate::interval::{Interval, round_shift};
use crate::ir::{Dataflow, Layer, Op, OpKind, Role, Value, ValueId};
use crate::ranges::{Products, Sum};
use bilinear::{block_diagonal, products as bilinear_products};
use ndarray::{Array2, ArrayView1};
use strassenc_runtime::model::{Dense, Output, Spn};
use strassenc_runtime::{Error, Format, Model, Result};

/// Lowers a model.
///
/// # Errors
/// Where the model works on images, or is not [valid](Model::validate): a width overflow among others, naming layer and row.
pub fn lower(model: &Model) -> Result<Dataflow> {
    model.validate()?;
    let format = model.input.format;
    let input = vec![Interval::new(format.min(), format.max()); model.input.elements()];

    let mut layers: Vec<Analysis> = vec![];
    for layer in model.spns()? {
        let analysis = Analysis::new(layer, layers.last().map_or(&input, |before| &before.z));
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
    layer: Spn<'a>,
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

/// Adds an operation with the indices and intervals of its result.
type Push<'a> = &'a mut dyn FnMut(OpKind, &[usize], Vec<Interval>);

/// Which of a layer's parts are needed, in order.
struct Kept {
    inputs: Vec<usize>,
    rows: Vec<usize>,
    outputs: Vec<usize>,
}

impl<'a> Analysis<'a> {
    fn new(layer: Spn<'a>, x: &[Interval]) -> Self {
        let all = match layer {
            Spn::Dense(dense) => Products {
                x: x.to_vec(),
                forms: Array2::from_shape_fn(dense.w_b.dim(), |(i, j)| {
                    i64::from(dense.coefficients[i]) * i64::from(dense.w_b[[i, j]])
                }),
                shifts: dense.coefficient_shifts.to_vec(),
                alone: None,
            },
            Spn::Bilinear(bilinear) => {
                let rows: Vec<usize> = (0..bilinear.w_c.ncols()).collect();
                bilinear_products(&block_diagonal(bilinear, &rows), x)
            }
        };
        let m: Vec<Interval> = all.ranges(&[]);
        let rows: Vec<usize> = (0..layer.rows()).filter(|&i| m[i].value().is_none()).collect();
        let products = Products {
            forms: all.forms.select(ndarray::Axis(0), &rows),
            shifts: rows.iter().map(|&i| all.shifts[i]).collect(),
            x: all.x,
            alone: all.alone.map(|alone| rows.iter().map(|&i| alone[i]).collect()),
        };
        let w_c = layer.w_c();
        let bias: Vec<i64> = (0..layer.outputs())
            .map(|c| {
                let constant = |i: usize| i64::from(w_c[[c, i]]) * m[i].value().unwrap_or(0);
                layer.bias(c) + (0..layer.rows()).map(constant).sum::<i64>()
            })
            .collect();
        let terms = |c: usize| -> Sum {
            let coefficients = rows.iter().map(|&i| i64::from(w_c[[c, i]]));
            coefficients.enumerate().filter(|&(_, k)| k != 0).collect()
        };
        let sums = products.ranges(&(0..layer.outputs()).map(terms).collect::<Vec<_>>()).split_off(rows.len());
        let z = sums
            .iter()
            .enumerate()
            .map(|(c, sum)| match layer.output() {
                Output::Raw => sum.map(|y| y + bias[c]),
                Output::Requantised { shifts, format } => {
                    sum.map(|y| format.saturate(round_shift(y + bias[c], shifts[c])))
                }
            })
            .collect();
        Analysis { layer, x: x.to_vec(), rows, bias, sums, z }
    }

    /// What these outputs are made of.
    fn kept(&self, outputs: Vec<usize>) -> Kept {
        let w_c = self.layer.w_c();
        let varies = |c: usize| self.z[c].value().is_none();
        let rows: Vec<usize> =
            self.rows.iter().copied().filter(|&i| outputs.iter().any(|&c| varies(c) && w_c[[c, i]] != 0)).collect();
        let mut inputs: Vec<usize> = match self.layer {
            Spn::Dense(dense) => {
                let read = |j: usize| self.x[j].value().is_none() && rows.iter().any(|&i| dense.w_b[[i, j]] != 0);
                (0..dense.inputs()).filter(|&j| read(j)).collect()
            }
            // Always the first layer: the network's inputs stay.
            Spn::Bilinear(_) => (0..self.layer.inputs()).collect(),
        };
        if inputs.is_empty() {
            // Nothing is read, but a stream carries at least one element.
            inputs.push(0);
        }
        Kept { inputs, rows, outputs }
    }

    fn open(&self, kept: &Kept, input: Format, next: &mut ValueId) -> Result<Layer> {
        let Kept { rows, outputs, .. } = kept;
        let mut layer =
            Layer { name: self.layer.name().into(), budget: self.layer.budget(), input, output: input, ops: vec![] };
        let mut push = |kind, indices: &[usize], intervals| {
            let result = Value { indices: indices.to_vec(), intervals };
            layer.ops.push(Op { x: *next, kind, result });
            next.0 += 1;
        };
        match self.layer {
            Spn::Dense(dense) => self.open_products(dense, kept, &mut push),
            Spn::Bilinear(bilinear) => {
                let matrix = block_diagonal(bilinear, rows);
                let u: Vec<Interval> = matrix.outer_iter().map(|row| sum(row, &self.x)).collect();
                let (a, b) = u.split_at(rows.len());
                let m = a.iter().zip(b).map(|(a, b)| a.times(*b)).collect();
                let r = bilinear.w_c.ncols();
                let indices: Vec<usize> = rows.iter().copied().chain(rows.iter().map(|i| i + r)).collect();
                push(OpKind::Linear { role: Role::Wab, matrix }, &indices, u);
                push(OpKind::Product, rows, m);
            }
        }

        // An output that takes a single value is a zero row, its value the bias.
        let varies = |c: usize| self.z[c].value().is_none();
        let w_c = Matrix::from_shape_fn((outputs.len(), rows.len()), |(c, i)| {
            if varies(outputs[c]) { self.layer.w_c()[[outputs[c], rows[i]]].into() } else { 0 }
        });
        let sums = outputs.iter().map(|&c| if varies(c) { self.sums[c] } else { Interval::point(0) }).collect();
        push(OpKind::Linear { role: Role::Wc, matrix: w_c }, outputs, sums);

        let constants = outputs.iter().map(|&c| self.z[c].value().unwrap_or(self.bias[c])).collect();
        let z: Vec<Interval> = outputs.iter().map(|&c| self.z[c]).collect();
        let (kind, output) = match self.layer.output() {
            Output::Raw => {
                let bits = z.iter().map(|z| Interval::new(z.lo.min(-1), z.hi.max(0)).bits()).max().unwrap_or(1);
                let frac = self.layer.product_frac(input.frac);
                (OpKind::Offset { constants }, Format { signed: true, bits, frac })
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

    /// From what enters a dense layer to its products.
    fn open_products(&self, dense: &Dense, kept: &Kept, push: Push) {
        let Kept { inputs, rows, .. } = kept;
        let w_b = Matrix::from_shape_fn((rows.len(), inputs.len()), |(i, j)| dense.w_b[[rows[i], inputs[j]]].into());
        let x: Vec<Interval> = inputs.iter().map(|&j| self.x[j]).collect();
        let u: Vec<Interval> = w_b.outer_iter().map(|row| sum(row, &x)).collect();
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
    }
}

/// A ternary row over independent x.
fn sum(row: ArrayView1<i32>, x: &[Interval]) -> Interval {
    let terms = row.iter().zip(x).filter(|(w, _)| **w != 0);
    terms.fold(Interval::point(0), |sum, (w, x)| sum + x.scale(*w < 0, 0))
}

/// The products of a layer that enters with `x`, as its operations state them; `None` where it has no such form.
pub fn products(layer: &Layer, x: &Value) -> Option<Products> {
    let mut ops = layer.ops.iter();
    let OpKind::Linear { matrix, .. } = &ops.next()?.kind else { return None };
    let mut op = ops.next()?;
    if let OpKind::Product = op.kind {
        return Some(bilinear_products(matrix, &x.intervals));
    }
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
    Some(Products { x, forms, shifts: shifts.clone(), alone: None })
}

/// For each row of a layer's W_c the two vectors, within the intervals of what enters the layer, that drive its exact sum
/// to the least and to the greatest value: the ends of its interval up to rounding. In a two-operand layer they are reached
/// where the row holds each element once, as in a matrix product; elsewhere they are the ends that a local search reaches.
pub fn corners(dataflow: &Dataflow, layer: usize) -> Result<Vec<[Vec<i64>; 2]>> {
    let lost = || Error::internal("corners", format_args!("layer {layer} is not an SPN layer"));
    let x = dataflow.layer_input(layer);
    let layer = &dataflow.layers[layer];
    let products = products(layer, x).ok_or_else(lost)?;
    let (_, w_c) = layer.matrices().find(|(role, _)| *role == Role::Wc).ok_or_else(lost)?;
    if let Some((Role::Wab, w_ab)) = layer.matrices().next() {
        let ends = |row: ArrayView1<i32>| [false, true].map(|up| bilinear::drive(w_ab, row, &x.intervals, up));
        return Ok(w_c.outer_iter().map(ends).collect());
    }
    let drive = |row: ArrayView1<i32>| {
        let sum: Sum = row.iter().map(|&k| i64::from(k)).enumerate().filter(|&(_, k)| k != 0).collect();
        products.drive(&sum).map(|mut v| {
            v.truncate(x.len());
            v
        })
    };
    Ok(w_c.outer_iter().map(drive).collect())
}
