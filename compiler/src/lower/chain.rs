//! Turns a sum-product network into its chain: what never matters goes, what is left gets its exact
//! interval.
//!
//! Dead are products that take a single value (a zero row of W_b, a coefficient of 0, a shift that
//! rounds everything away): it goes into the bias; and products that nobody reads. Inputs and
//! outputs stay as they are, even dead ones; [`prune`](super::prune) removes those that it may.

use super::bilinear::{self, block_diagonal};
use crate::adder_graph::Matrix;
use crate::interval::{Interval, round_shift};
use crate::ir::{Chain, Op, OpKind, Role, Value};
use crate::ranges::{Products, Sum};
use ndarray::{Array2, ArrayView1};
use strassenc_runtime::model::{Dense, Output, Spn};
use strassenc_runtime::{Error, Format, Result};

/// Opens a sum-product network whose inputs can be `x` and have this format.
pub(super) fn open(spn: Spn, x: Vec<Interval>, input: Format) -> Chain {
    let analysis = Analysis::new(spn, x);
    let rows = analysis.read();
    analysis.open(&rows, input)
}

/// A sum-product network of the model with the interval of everything in it.
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

impl<'a> Analysis<'a> {
    fn new(layer: Spn<'a>, x: Vec<Interval>) -> Self {
        let all = match layer {
            Spn::Dense(dense) => Products {
                x: x.clone(),
                forms: Array2::from_shape_fn(dense.w_b.dim(), |(i, j)| {
                    i64::from(dense.coefficients[i]) * i64::from(dense.w_b[[i, j]])
                }),
                shifts: dense.coefficient_shifts.to_vec(),
                alone: None,
            },
            Spn::Bilinear(bilinear) => {
                let rows: Vec<usize> = (0..bilinear.w_c.ncols()).collect();
                bilinear::products(&block_diagonal(bilinear, &rows), &x)
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
        let sums = products
            .ranges(&(0..layer.outputs()).map(terms).collect::<Vec<_>>())
            .split_off(rows.len());
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
        Analysis { layer, x, rows, bias, sums, z }
    }

    /// The rows whose products an output reads that is not constant.
    fn read(&self) -> Vec<usize> {
        let w_c = self.layer.w_c();
        let varies = |c: usize| self.z[c].value().is_none();
        let read = |i: &usize| (0..self.layer.outputs()).any(|c| varies(c) && w_c[[c, *i]] != 0);
        self.rows.iter().copied().filter(read).collect()
    }

    fn open(&self, rows: &[usize], input: Format) -> Chain {
        let x = Value { indices: (0..self.x.len()).collect(), intervals: self.x.clone() };
        let mut ops = vec![];
        let mut push = |kind, indices: &[usize], intervals| {
            ops.push(Op { kind, result: Value { indices: indices.to_vec(), intervals } });
        };
        match self.layer {
            Spn::Dense(dense) => self.open_products(dense, rows, &mut push),
            Spn::Bilinear(bilinear) => {
                let matrix = block_diagonal(bilinear, rows);
                let u: Vec<Interval> = matrix.outer_iter().map(|row| sum(row, &self.x)).collect();
                let (a, b) = u.split_at(rows.len());
                let m = a.iter().zip(b).map(|(a, b)| a.times(*b)).collect();
                let r = bilinear.w_c.ncols();
                let indices: Vec<usize> =
                    rows.iter().copied().chain(rows.iter().map(|i| i + r)).collect();
                push(OpKind::Linear { role: Role::Wab, matrix }, &indices, u);
                push(OpKind::Product, rows, m);
            }
        }

        // An output that takes a single value is a zero row, its value the bias.
        let outputs: Vec<usize> = (0..self.layer.outputs()).collect();
        let varies = |c: usize| self.z[c].value().is_none();
        let w_c = Matrix::from_shape_fn((outputs.len(), rows.len()), |(c, i)| {
            if varies(c) { self.layer.w_c()[[c, rows[i]]].into() } else { 0 }
        });
        let sums = outputs
            .iter()
            .map(|&c| if varies(c) { self.sums[c] } else { Interval::point(0) })
            .collect();
        push(OpKind::Linear { role: Role::Wc, matrix: w_c }, &outputs, sums);

        let constants =
            outputs.iter().map(|&c| self.z[c].value().unwrap_or(self.bias[c])).collect();
        let z = self.z.clone();
        let (kind, output) = match self.layer.output() {
            Output::Raw => {
                let bits = z
                    .iter()
                    .map(|z| Interval::new(z.lo.min(-1), z.hi.max(0)).bits())
                    .max()
                    .unwrap_or(1);
                let frac = self.layer.product_frac(input.frac);
                (OpKind::Offset { constants }, Format { signed: true, bits, frac })
            }
            Output::Requantised { shifts, format } => {
                let shifts =
                    outputs.iter().map(|&c| if varies(c) { shifts[c] } else { 0 }).collect();
                (OpKind::Requantise { constants, shifts, format: *format }, *format)
            }
        };
        push(kind, &outputs, z);
        Chain {
            name: self.layer.name().into(),
            budget: self.layer.budget(),
            input,
            output,
            loaded: None,
            x,
            ops,
        }
    }

    /// Opens a dense layer from what enters it to its products.
    fn open_products(&self, dense: &Dense, rows: &[usize], push: Push) {
        let w_b = Matrix::from_shape_fn((rows.len(), dense.inputs()), |(i, j)| {
            dense.w_b[[rows[i], j]].into()
        });
        let u: Vec<Interval> = w_b.outer_iter().map(|row| sum(row, &self.x)).collect();
        let coefficients: Vec<i64> = rows.iter().map(|&i| dense.coefficients[i].into()).collect();
        let shifts: Vec<i32> = rows.iter().map(|&i| dense.coefficient_shifts[i]).collect();
        let m = (0..rows.len())
            .map(|i| {
                let product = |u: i64| round_shift(coefficients[i] * u, shifts[i]);
                let (a, b) = (product(u[i].lo), product(u[i].hi));
                Interval::new(a.min(b), a.max(b))
            })
            .collect();
        push(OpKind::Linear { role: Role::Wb, matrix: w_b }, rows, u);
        push(
            OpKind::Multiply { coefficients, coefficient_bits: dense.coefficient_bits, shifts },
            rows,
            m,
        );
    }
}

/// A ternary row over independent x.
pub(super) fn sum(row: ArrayView1<i32>, x: &[Interval]) -> Interval {
    let terms = row.iter().zip(x).filter(|(w, _)| **w != 0);
    terms.fold(Interval::point(0), |sum, (w, x)| sum + x.scale(*w < 0, 0))
}

/// The products of a chain, as its operations state them; `None` where it has no such form.
pub fn products(chain: &Chain) -> Option<Products> {
    let (mut ops, x) = (chain.ops.iter(), &chain.x);
    let OpKind::Linear { matrix, .. } = &ops.next()?.kind else { return None };
    let mut op = ops.next()?;
    if let OpKind::Product = op.kind {
        return Some(bilinear::products(matrix, &x.intervals));
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

/// Two vectors for each row of W_c, within the intervals of what enters, that drive its exact sum
/// to the least and to the greatest value: the ends of its interval up to rounding. Of two operands
/// they are reached where the row holds each element once, as in a matrix product; elsewhere they
/// are the ends that a local search reaches.
///
/// # Errors
/// Where the chain is not that of a sum-product network: a bug of ours.
pub fn corners(chain: &Chain) -> Result<Vec<[Vec<i64>; 2]>> {
    let lost =
        || Error::internal("corners", format_args!("layer `{}` is not an SPN layer", chain.name));
    let x = &chain.x;
    let products = products(chain).ok_or_else(lost)?;
    let (_, w_c) = chain.matrices().find(|(role, _)| *role == Role::Wc).ok_or_else(lost)?;
    if let Some((Role::Wab, w_ab)) = chain.matrices().next() {
        let ends = |row: ArrayView1<i32>| {
            [false, true].map(|up| bilinear::drive(w_ab, row, &x.intervals, up))
        };
        return Ok(w_c.outer_iter().map(ends).collect());
    }
    let drive = |row: ArrayView1<i32>| {
        let sum: Sum =
            row.iter().map(|&k| i64::from(k)).enumerate().filter(|&(_, k)| k != 0).collect();
        products.drive(&sum).map(|mut v| {
            v.truncate(x.len());
            v
        })
    };
    Ok(w_c.outer_iter().map(drive).collect())
}
