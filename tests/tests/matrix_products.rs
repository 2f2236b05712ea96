//! Discovered matrix products, from the scheme to the gates.

use proptest::prelude::*;
use strassenc::check::random_vectors;
use strassenc::circuit::{self, Op};
use strassenc::compile::{Compiled, Options, compile};
use strassenc::discover::{Scheme, Search, Shape, kronecker, model};
use strassenc::emit::{self, emit};
use strassenc::figures::Figures;
use strassenc::simulate::{self, Simulator, Sources};
use strassenc::{lower, schedule};
use strassenc_runtime::{Model, golden};
use strassenc_tests::{chains, pipelines, property, tools};

fn found(shape: &str, rank: usize, seed: u64) -> Scheme {
    let mut search = Search::new(shape.parse().unwrap(), rank, seed);
    while !search.round() {}
    search.best().clone()
}

fn compiled(model: &Model) -> Compiled {
    compile(model, &Options::default(), &|_| {}, &|| false).unwrap()
}

/// C = A·B by its definition, for a vector of A's entries and then B's.
fn product(shape: Shape, x: &[i64]) -> Vec<i64> {
    let Shape { n, m, p } = shape;
    let (a, b) = x.split_at(n * m);
    let entry = |i: usize, k: usize| (0..m).map(|j| a[i * m + j] * b[j * p + k]).sum();
    (0..n).flat_map(|i| (0..p).map(move |k| (i, k))).map(|(i, k)| entry(i, k)).collect()
}

/// The scheme's model computes the product at every level down to the pipeline; each output is as
/// wide as it must be.
fn holds(scheme: &Scheme, bits: u32, vectors: usize, seed: u64) {
    let model = model::model(scheme, bits, None).unwrap();
    let compiled = compiled(&model);
    let layer = pipelines(&compiled)[0];
    let mut inputs = random_vectors(&model, vectors, seed);
    let ends = lower::corners(chains(&compiled.dataflow)[0]).unwrap();
    inputs.extend(ends.iter().flatten().cloned());
    let expected: Vec<_> = inputs.iter().map(|x| product(scheme.shape, x)).collect();
    for (x, expected) in inputs.iter().zip(&expected) {
        assert_eq!(&golden::infer(&model, x).unwrap(), expected);
        let values = circuit::evaluate(&layer.circuit, x).unwrap();
        for (node, &value) in layer.circuit.nodes.iter().zip(&values) {
            assert!(
                node.interval.contains(value),
                "{} = {value}, declared {}",
                node.name,
                node.interval
            );
        }
    }
    assert_eq!(schedule::simulate(&layer.circuit, &layer.pipeline, &inputs), expected);
    for (c, [low, high]) in ends.iter().enumerate() {
        let declared = layer.circuit.node(layer.circuit.outputs[c]).interval;
        let [low, high] = [low, high].map(|x| product(scheme.shape, x)[c]);
        assert_eq!((declared.lo, declared.hi), (low, high), "output {c}");
    }
    let figures = Figures::new(&compiled, 200.0).unwrap();
    assert_eq!(figures.total.multiplications, scheme.rank() as u64);
    assert_eq!(figures.total.dense_multiplications, scheme.shape.schoolbook() as u64);
}

proptest! {
    #![proptest_config(property(24, 12))]

    #[test]
    fn schemes_compute_the_product_at_every_level(seed: u64, bits in 1u32..=16, case in 0usize..4) {
        let (shape, rank) = [("2x2x2", 7), ("2x2x3", 11), ("1x3x2", 6), ("2x3x2", 11)][case];
        holds(&found(shape, rank, seed), bits, 40, seed);
    }

    #[test]
    fn outputs_need_no_negation(seed: u64) {
        let compiled = compiled(&model::model(&found("2x2x2", 7, seed), 8, None).unwrap());
        let negated = |op: &Op| matches!(op, Op::Offset { .. }) && !op.is_wires();
        prop_assert!(!pipelines(&compiled)[0].circuit.nodes.iter().any(|node| negated(&node.op)));
    }
}

#[test]
fn schoolbook_and_blocks_of_blocks_hold_too() {
    holds(&Scheme::schoolbook("3x2x4".parse().unwrap()), 8, 40, 1);
    let strassen = found("2x2x2", 7, 2);
    let nested = kronecker::compose(&strassen, &strassen).unwrap();
    assert_eq!((nested.shape, nested.rank()), ("4x4x4".parse().unwrap(), 49));
    holds(&nested, 8, 40, 2);
}

#[test]
fn a_core_multiplies_in_verilator_bit_for_bit() {
    let scheme = found("2x2x2", 7, 1);
    let model = model::model(&scheme, 8, None).unwrap();
    let emitted = emit(&compiled(&model), &emit::Options::default()).unwrap();
    let tools = tools();
    tools.verilator_or_install().unwrap();
    simulate::lint(&Sources::from(&emitted), &tools).unwrap();
    let simulator =
        Simulator::build(&Sources::from(&emitted), &emitted.signature, false, &tools).unwrap();
    let inputs = random_vectors(&model, 2000, 1);
    let expected: Vec<_> = inputs.iter().map(|x| product(scheme.shape, x)).collect();
    for backpressure in [false, true] {
        let options = simulate::Options { gaps: backpressure, backpressure, ..Default::default() };
        assert_eq!(simulator.run(&inputs, &options).unwrap().outputs, expected);
    }
}
