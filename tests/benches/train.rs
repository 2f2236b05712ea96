//! How fast training goes, and what its matrix products alone would take: `cargo bench -p strassenc-tests --bench train`.

use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use rand::{RngExt, SeedableRng};
use std::time::Instant;
use strassenc_runtime::data::{DataSet, Split};
use strassenc_runtime::train::{Phase, Trainer};
use strassenc_runtime::{Network, network};

const BATCH: usize = 64;
const STEPS: usize = 300;

fn split(samples: usize) -> Split {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let x = Array2::from_shape_simple_fn((samples, 784), || f32::from(rng.random::<u8>()) / 256.0);
    Split { x, labels: (0..samples as u32).map(|i| i % 10).collect() }
}

/// Seconds of one step's matrix products, on one thread.
fn products(network: &Network) -> f64 {
    let mut shapes = Vec::new();
    let mut inputs = network.input.elements();
    for step in network.linear() {
        let (r, units) = (step.linear().map_or(0, |l| l.r), step.output.channels);
        let first = shapes.is_empty();
        shapes.extend([(BATCH, inputs, r), (BATCH, r, units), (units, BATCH, r), (BATCH, units, r)]);
        shapes.push((r, BATCH, inputs));
        if !first {
            shapes.push((BATCH, r, inputs));
        }
        inputs = units;
    }
    let matrix = |m, n| Array2::<f32>::from_elem((m, n), 0.5);
    let mut operands: Vec<_> = shapes.into_iter().map(|(m, k, n)| (matrix(m, k), matrix(k, n), matrix(m, n))).collect();
    let start = Instant::now();
    for _ in 0..STEPS {
        for (a, b, c) in &mut operands {
            general_mat_mul(1.0, a, b, 0.0, c);
        }
    }
    start.elapsed().as_secs_f64() / STEPS as f64
}

fn main() {
    let mut network: Network = network::find("mnist").unwrap();
    network.train.batch = BATCH;
    network.train.validation = 0.0;
    (network.train.full.epochs, network.train.ternary.epochs, network.train.frozen.epochs) = (1, 1, 1);
    let data =
        DataSet { name: "noise".into(), shape: vec![28, 28], classes: 10, train: split(STEPS * BATCH), test: split(1) };
    let products = products(&network);
    for threads in [1, std::thread::available_parallelism().map_or(1, usize::from)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(&network, &data).unwrap();
            for phase in [Phase::Full, Phase::Ternary, Phase::Frozen] {
                let start = Instant::now();
                for _ in 1..STEPS {
                    assert_eq!(trainer.step().unwrap().0.phase, phase);
                }
                let step = start.elapsed().as_secs_f64() / (STEPS - 1) as f64;
                // The last step of a phase also leads over to the next one.
                trainer.step().unwrap();
                println!(
                    "784-64-64-10, {threads} threads, {phase:<7}  {:>8.0} samples/s, {:.2} times its f32 products alone",
                    BATCH as f64 / step,
                    step / products
                );
            }
        });
    }
}
