//! Circuits of layers whose matrices hold any small integers, through adder graphs of any form.

use ndarray::Array2;
use proptest::prelude::*;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc::adder_graph::{self, AdderGraph, Cost, Matrix, Node, NodeId, Term, Terms};
use strassenc::interval::{Interval, round_shift};
use strassenc::ir::{Chain, Op, OpKind, Role, Value};
use strassenc::{circuit, schedule};
use strassenc_runtime::Format;
use strassenc_tests::any_search;

/// A graph without sharing: each row's digits are added up in random order, with signs and shifts
/// moved about at random.
fn any_graph(matrix: &Matrix, rng: &mut ChaCha8Rng) -> AdderGraph {
    let inputs = matrix.ncols();
    let mut nodes: Vec<Node> = (0..inputs as u32).map(Node::Input).collect();
    let outputs = matrix.outer_iter().map(|row| {
        let mut terms: Vec<Term> = vec![];
        for (j, &v) in row.iter().enumerate() {
            let digits = (0..31).filter(|bit| v.unsigned_abs() >> bit & 1 == 1);
            terms.extend(digits.map(|shift| Term { node: NodeId(j as u32), shift, negate: v < 0 }));
        }
        terms.shuffle(rng);
        while terms.len() > 1 {
            let taken = rng.random_range(2..=terms.len().min(3));
            let mut sum = Terms::new(&terms.split_off(terms.len() - taken)).unwrap();
            let negate = rng.random_bool(0.5);
            let least = sum.iter().map(|t| t.shift).min().unwrap();
            let shift = rng.random_range(0..=least);
            for term in &mut *sum {
                term.negate ^= negate;
                term.shift -= shift;
            }
            nodes.push(Node::Add(sum));
            terms.insert(0, Term { node: NodeId(nodes.len() as u32 - 1), shift, negate });
        }
        terms.pop()
    });
    let outputs = outputs.collect();
    AdderGraph { nodes, inputs, outputs }
}

/// A layer with random matrices, its intervals as plain interval arithmetic finds them.
fn layer(
    rng: &mut ChaCha8Rng,
    (n_in, r, n_out): (usize, usize, usize),
    largest: i32,
    requantised: bool,
) -> Chain {
    let mut matrix = |rows, columns| -> Matrix {
        Array2::from_shape_simple_fn((rows, columns), || {
            if rng.random_bool(0.6) { rng.random_range(-largest..=largest) } else { 0 }
        })
    };
    let (mut w_b, mut w_c) = (matrix(r, n_in), matrix(n_out, r));
    // Nothing is dead.
    for i in 0..r {
        if w_b.row(i).iter().all(|w| *w == 0) {
            w_b[[i, i % n_in]] = largest;
        }
        if w_c.column(i).iter().all(|w| *w == 0) {
            w_c[[i % n_out, i]] = -largest;
        }
    }
    let linear = |matrix: &Matrix, x: &[Interval]| -> Vec<Interval> {
        let terms = |row: ndarray::ArrayView1<i32>| {
            let ends = row.iter().zip(x).map(|(&w, x)| {
                let (a, b) = (i64::from(w) * x.lo, i64::from(w) * x.hi);
                Interval::new(a.min(b), a.max(b))
            });
            ends.fold(Interval::point(0), |sum, term| sum + term)
        };
        matrix.outer_iter().map(terms).collect()
    };
    let x: Vec<Interval> =
        (0..n_in).map(|_| rng.random_range(-9..=0)).map(|lo| Interval::new(lo, lo + 6)).collect();
    let u = linear(&w_b, &x);
    let offsets: Vec<i64> = (0..r).map(|_| rng.random_range(-5..=5)).collect();
    let v: Vec<Interval> = u.iter().zip(&offsets).map(|(u, k)| u.map(|u| u + k)).collect();
    let coefficients: Vec<i64> = (0..r)
        .map(|_| rng.random_range(1..=31) * if rng.random_bool(0.5) { 1 } else { -1 })
        .collect();
    let shifts: Vec<i32> = (0..r).map(|_| rng.random_range(-2..=6)).collect();
    let m: Vec<Interval> = (0..r)
        .map(|i| {
            let [a, b] = [v[i].lo, v[i].hi].map(|v| round_shift(coefficients[i] * v, shifts[i]));
            Interval::new(a.min(b), a.max(b))
        })
        .collect();
    let y = linear(&w_c, &m);
    let constants: Vec<i64> = (0..n_out).map(|_| rng.random_range(-50..=50)).collect();
    let format = Format { signed: true, bits: 6, frac: 0 };
    let shifts_c: Vec<i32> = (0..n_out).map(|_| rng.random_range(-2..=8)).collect();
    let (last, z, output) = if requantised {
        let z = (0..n_out)
            .map(|c| y[c].map(|y| format.saturate(round_shift(y + constants[c], shifts_c[c]))))
            .collect();
        (OpKind::Requantise { constants, shifts: shifts_c, format }, z, format)
    } else {
        let z = y.iter().zip(&constants).map(|(y, b)| y.map(|y| y + b)).collect();
        (OpKind::Offset { constants }, z, Format { signed: true, bits: 40, frac: 0 })
    };
    let value =
        |intervals: Vec<Interval>| Value { indices: (0..intervals.len()).collect(), intervals };
    let kinds = [
        (OpKind::Linear { role: Role::Wb, matrix: w_b }, u),
        (OpKind::Offset { constants: offsets }, v),
        (OpKind::Multiply { coefficients, coefficient_bits: 6, shifts }, m),
        (OpKind::Linear { role: Role::Wc, matrix: w_c }, y),
        (last, z),
    ];
    let ops = kinds.into_iter().map(|(kind, z)| Op { kind, result: value(z) }).collect();
    let input = Format { signed: true, bits: 6, frac: 0 };
    Chain { name: "dense".into(), budget: r, input, output, loaded: None, x: value(x), ops }
}

proptest! {
    #![proptest_config(strassenc_tests::property(1000, 11))]

    #[test]
    fn any_integers_through_any_graph_compute_what_the_layer_does(
        seed: u64,
        shape in (1usize..=6, 1usize..=6, 1usize..=4),
        largest in prop::sample::select(vec![1, 2, 8, 60]),
        requantised: bool,
        shared: bool,
    ) {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let chain = layer(rng, shape, largest, requantised);
        let graphs: Vec<AdderGraph> = chain
            .linear()
            .map(|linear| {
                let (matrix, _) = linear.with_constants();
                let graph = if shared {
                    adder_graph::share(&matrix, &adder_graph::Options { cost: Cost::Adders, ..any_search(seed) }).graph
                } else {
                    any_graph(&matrix, rng)
                };
                adder_graph::prove(&graph, &matrix).unwrap();
                graph
            })
            .collect();
        // Some products, or all of them, are made of shifts and additions.
        let soft = rng.random_range(0..=2);
        let shift_add = (0..64).filter(|_| rng.random_range(0..2) < soft).collect();
        let built = circuit::build(&chain, &graphs.iter().collect::<Vec<_>>(), &shift_add).unwrap();
        circuit::verify(&built).unwrap();
        circuit::prove(&built, &chain).unwrap();
        let options = schedule::Options {
            limit: schedule::Limit::Adders(rng.random_range(1..=3)),
            multiplier_latency: rng.random_range(1..=4),
        };
        let pipeline = schedule::schedule(&built, &options).unwrap();
        schedule::verify(&built, &pipeline, &options).unwrap();

        let mut vectors: Vec<Vec<i64>> = vec![];
        for k in 0..20 {
            let pick = |x: &Interval| match k {
                0 => x.lo,
                1 => x.hi,
                _ => rng.random_range(x.lo..=x.hi),
            };
            vectors.push(chain.x.intervals.iter().map(pick).collect());
        }
        let wanted: Vec<_> = vectors.iter().map(|x| chain.apply(x).pop().unwrap()).collect();
        prop_assert_eq!(schedule::simulate(&built, &pipeline, &vectors), wanted.clone());
        for (x, wanted) in vectors.iter().zip(wanted) {
            let values = circuit::evaluate(&built, x).unwrap();
            let outputs: Vec<_> = built.outputs.iter().map(|id| values[id.index()]).collect();
            prop_assert_eq!(outputs, wanted);
        }
    }
}
