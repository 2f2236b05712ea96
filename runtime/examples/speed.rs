//! scratch
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use std::time::Instant;
use strassenc_runtime::Network;
use strassenc_runtime::data::{DataSet, Split};
use strassenc_runtime::train::Trainer;
fn main() {
    let which = std::env::args().nth(1).unwrap();
    let threads: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let phase = std::env::args().nth(3).unwrap();
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let mut network = match which.as_str() {
        "cnn" => Network::parse("t", r#"name = "t"
input = { shape = [28, 28], bits = 8, frac = 8 }
layers = [ { conv2d = { channels = 32, kernel = 3, pad = 1 } }, "relu", { max_pool = { size = 2 } },
 { conv2d = { channels = 64, kernel = 3, pad = 1 } }, "relu", { max_pool = { size = 2 } }, { dense = { units = 128 } }, "relu", { dense = { units = 10 } }]"#).unwrap(),
        other => strassenc_runtime::network::find(other).unwrap(),
    };
    let batch = 64;
    network.train.batch = batch;
    network.train.validation = 0.0;
    let e = |p: &str| if p == phase { 1000 } else { 0 };
    network.train.full.epochs = e("full");
    network.train.ternary.epochs = e("ternary");
    network.train.frozen.epochs = e("frozen");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let n = 640;
    let x = Array2::from_shape_simple_fn((n, network.input.elements()), || f32::from(rng.random::<u8>()) / 256.0);
    let s = Split { x, labels: (0..n as u32).map(|i| i % 10).collect() };
    let t = Split { x: s.x.clone(), labels: s.labels.clone() };
    let data = DataSet { name: "noise".into(), shape: network.input.shape.clone(), classes: 10, train: s, test: t };
    let mut trainer = Trainer::new(&network, &data).unwrap();
    for _ in 0..3 {
        trainer.step().unwrap();
    }
    let start = Instant::now();
    let mut steps = 0;
    while start.elapsed().as_secs_f64() < 4.0 {
        trainer.step().unwrap();
        steps += 1;
    }
    println!("{which} {threads} {phase}: {:.0} samples/s", (steps * batch) as f64 / start.elapsed().as_secs_f64());
}
