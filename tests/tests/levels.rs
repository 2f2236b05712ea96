//! Golden = dataflow IR = circuit = pipeline, on random models and inputs.

use ndarray::Array2;
use proptest::prelude::*;
use strassenc::compile::{Compiled, Options, compile};
use strassenc::{circuit, ir, lower, schedule};
use strassenc_runtime::{Model, golden};
use strassenc_tests::{Recipe, chains, inputs, pipelines, random_model, recipes, wide_recipes};

fn options() -> impl Strategy<Value = schedule::Options> {
    (1u32..=5, 1u32..=4).prop_map(|(adders_per_stage, multiplier_latency)| schedule::Options {
        limit: schedule::Limit::Adders(adders_per_stage),
        multiplier_latency,
    })
}

fn compiled(model: &Model, schedule: schedule::Options) -> Compiled {
    compile(model, &Options { schedule, ..Options::default() }, &|_| {}, &|| false).unwrap()
}

fn all_levels_agree(recipe: &Recipe, schedule: schedule::Options) -> Result<(), TestCaseError> {
    let model = random_model(recipe);
    let compiled = compiled(&model, schedule);
    let vectors = inputs(&model, 8, recipe.seed);
    let mut stream = vectors.clone();
    let traces: Vec<_> = vectors.iter().map(|v| golden::trace(&model, v).unwrap()).collect();
    for (vector, edges) in vectors.iter().zip(&traces) {
        let values = ir::interpret(&compiled.dataflow, vector).unwrap();
        prop_assert_eq!(values.last(), edges.last());
        let mut x = vector.clone();
        for (number, layer) in pipelines(&compiled).into_iter().enumerate() {
            let values = circuit::evaluate(&layer.circuit, &x).unwrap();
            for (node, &value) in layer.circuit.nodes.iter().zip(&values) {
                prop_assert!(
                    node.interval.contains(value),
                    "{} = {value}, declared {}",
                    node.name,
                    node.interval
                );
            }
            x = layer.circuit.outputs.iter().map(|id| values[id.index()]).collect();
            prop_assert_eq!(&x, &compiled.dataflow.yields(number).of(&edges[number + 1]));
        }
    }
    for (number, layer) in pipelines(&compiled).into_iter().enumerate() {
        stream = schedule::simulate(&layer.circuit, &layer.pipeline, &stream);
        let to = compiled.dataflow.yields(number);
        let golden: Vec<_> = traces.iter().map(|edges| to.of(&edges[number + 1])).collect();
        prop_assert_eq!(&stream, &golden);
    }
    Ok(())
}

proptest! {
    #![proptest_config(strassenc_tests::property(1000, 8))]

    #[test]
    fn all_levels_compute_what_golden_does(recipe in recipes(), schedule in options()) {
        all_levels_agree(&recipe, schedule)?;
    }

    #[test]
    fn samples_side_by_side_are_what_each_is_alone(recipe in recipes(), samples in 0usize..40) {
        let model = random_model(&recipe);
        let vectors = inputs(&model, samples, recipe.seed);
        let shape = (vectors.len(), model.input.elements());
        let all = Array2::from_shape_vec(shape, vectors.concat()).unwrap();
        let outputs = golden::outputs(&model, all.view(), &|| Ok(())).unwrap();
        for (z, x) in outputs.outer_iter().zip(&vectors) {
            prop_assert_eq!(z.to_vec(), golden::infer(&model, x).unwrap());
        }
    }

    #[test]
    fn all_levels_compute_what_golden_does_near_the_limit_of_53_bits(
        recipe in wide_recipes(),
        schedule in options(),
    ) {
        all_levels_agree(&recipe, schedule)?;
    }

    #[test]
    fn every_row_of_w_c_is_driven_to_both_ends_of_its_interval(recipe in recipes()) {
        let model = random_model(&recipe);
        let compiled = compiled(&model, schedule::Options::default());
        for (number, layer) in chains(&compiled.dataflow).into_iter().enumerate() {
            let w_c = layer.ops.len() - 2;
            let ir::Op { result: sums, kind, .. } = &layer.ops[w_c];
            let ir::OpKind::Linear { matrix, .. } = kind else {
                panic!("the last operation but one is W_c");
            };
            for (c, [low, high]) in lower::corners(layer).unwrap().iter().enumerate() {
                let [low, high] = [low, high].map(|x| {
                    let circuit = &pipelines(&compiled)[number].circuit;
                    let values = circuit::evaluate(circuit, x).unwrap();
                    let ir = layer.apply(x);
                    let outputs: Vec<_> =
                        circuit.outputs.iter().map(|y| values[y.index()]).collect();
                    assert_eq!(Some(&outputs), ir.last());
                    ir[w_c][c]
                });
                let declared = sums.intervals[c];
                prop_assert!(declared.contains(low) && declared.contains(high));
                if number == 0 && recipe.two_operands {
                    // Its ends are reached where no element is in two terms; see
                    // `matrix_products.rs`.
                    continue;
                }
                // Each product is rounded by at most a half at either end.
                let slack = matrix.row(c).iter().filter(|w| **w != 0).count() as i64;
                prop_assert!(low - declared.lo <= slack, "row {c} of W_c reaches {low}, declared \
                    {declared}");
                prop_assert!(declared.hi - high <= slack, "row {c} of W_c reaches {high}, declared \
                    {declared}");
            }
        }
    }
}
