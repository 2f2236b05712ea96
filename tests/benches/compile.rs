//! How long the passes and the emission take, and what the schedule saves against the earliest one:
//! `cargo bench -p strassenc-tests`.
#![expect(clippy::print_stdout, reason = "its figures are for people")]

use std::time::Instant;
use strassenc::compile::{Options, compile};
use strassenc::figures::Figures;
use strassenc::schedule;
use strassenc_runtime::Format;
use strassenc_tests::models::LayerRecipe;
use strassenc_tests::{Recipe, chains, pipelines, random_model};

fn recipe(density: f64, inputs: usize, layers: &[(usize, usize)]) -> Recipe {
    let format = |bits| Format { signed: false, bits, frac: bits as i32 };
    let layer = |&(rows, outputs): &(usize, usize)| LayerRecipe {
        rows,
        outputs,
        density,
        coefficient_bits: 10,
        product_bits: 14,
        format: format(8),
        excess: 1,
    };
    Recipe {
        seed: 1,
        inputs,
        two_operands: false,
        format: format(8),
        layers: layers.iter().map(layer).collect(),
        dead: 0.0,
    }
}

fn main() {
    for (name, recipe) in [
        ("digits 64-32-10, r = 32, 16", recipe(0.5, 64, &[(32, 32), (16, 10)])),
        (
            "mnist 784-64-64-10, r = 128, 128, 64",
            recipe(0.4, 784, &[(128, 64), (128, 64), (64, 10)]),
        ),
        ("large 784-512-10, r = 512, 64", recipe(0.4, 784, &[(512, 512), (64, 10)])),
    ] {
        let model = random_model(&recipe);
        println!("{name}");
        for adders_per_stage in [1, 2, 4] {
            let schedule = schedule::Options {
                limit: schedule::Limit::Adders(adders_per_stage),
                ..Default::default()
            };
            let start = Instant::now();
            let compiled =
                compile(&model, &Options { schedule, ..Default::default() }, &|_| {}, &|| false)
                    .unwrap();
            let total = start.elapsed();
            let start = Instant::now();
            for layer in pipelines(&compiled) {
                schedule::schedule(&layer.circuit, &schedule).unwrap();
            }
            let scheduling = start.elapsed();
            let start = Instant::now();
            for (layer, chain) in pipelines(&compiled).into_iter().zip(chains(&compiled.dataflow)) {
                strassenc::circuit::verify(&layer.circuit).unwrap();
                strassenc::circuit::prove(&layer.circuit, chain).unwrap();
            }
            let checks = start.elapsed();
            let start = Instant::now();
            let emitted = strassenc::emit::emit(&compiled, &Default::default()).unwrap();
            let (emission, bytes) =
                (start.elapsed(), emitted.files.iter().map(|f| f.text.len()).sum::<usize>());
            let nodes: usize = pipelines(&compiled).iter().map(|l| l.circuit.nodes.len()).sum();
            let earliest: u64 = pipelines(&compiled)
                .iter()
                .map(|l| {
                    schedule::earliest(&l.circuit, &schedule).unwrap().register_bits(&l.circuit)
                })
                .sum();
            let figures = Figures::new(&compiled, 200.0).unwrap().total;
            println!(
                "  {adders_per_stage} adders per stage: {nodes} nodes, {} adders of {}, compiled \
                 in {:.2} s (scheduling {:.2} s, checks {:.2} s), emitted {:.1} MB in {:.2} s, \
                 latency {}, register bits {} ({:.3} of the earliest schedule's)",
                figures.adders,
                figures.naive_adders,
                total.as_secs_f64(),
                scheduling.as_secs_f64(),
                checks.as_secs_f64(),
                bytes as f64 / 1e6,
                emission.as_secs_f64(),
                figures.latency,
                figures.register_bits,
                figures.register_bits as f64 / earliest as f64,
            );
        }
    }
}
