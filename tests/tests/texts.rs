//! The text forms of the levels are whole: what is printed is read back as it was.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use strassenc::adder_graph;
use strassenc::circuit::{self, Circuit};
use strassenc::compile::{Compiled, LayerGraph, Options, SharedMatrix, Unrolled, compile};
use strassenc::engine::Engines;
use strassenc::folded::{self, Folded};
use strassenc::ir::Dataflow;
use strassenc::lower::{lower, prune};
use strassenc::multipliers::Multipliers;
use strassenc::schedule::{self, Pipeline};
use strassenc::stream::{self, Graph};
use strassenc::text::all;
use strassenc_runtime::{Error, Model};
use strassenc_tests::{
    any_decisions, any_search, any_streams, headed_model, image_model, lowered, random_engines,
    random_model, recipes, row_model, sequence_model, several_model,
};

fn models() -> impl Strategy<Value = Model> {
    prop_oneof![
        2 => recipes().prop_map(|recipe| random_model(&recipe)),
        1 => any::<u64>().prop_map(image_model),
        1 => any::<u64>().prop_map(headed_model),
        1 => any::<u64>().prop_map(several_model),
        1 => any::<u64>().prop_map(sequence_model),
        1 => any::<u64>().prop_map(row_model),
    ]
}

/// Cores of every kind of network, with any engines and beats.
fn cores() -> impl Strategy<Value = Compiled> {
    (models(), any::<u64>()).prop_map(|(model, seed)| {
        let decide = any_decisions(&model, seed);
        let engines = match seed % 3 {
            0 => Engines::default(),
            _ => random_engines(&lowered(&model, &decide), seed),
        };
        let multipliers = if seed % 2 == 0 { Multipliers::Dsp } else { Multipliers::ShiftAdd };
        let ([input, output], _) = any_streams(seed);
        let share = any_search(seed / 2);
        let options =
            Options { share, engines, multipliers, input, output, decide, ..Options::default() };
        compile(&model, &options, &|_| {}, &|| false)
            .or_else(|_| compile(&model, &Options::default(), &|_| {}, &|| false))
            .unwrap()
    })
}

fn circuits(core: &Compiled) -> Vec<Circuit> {
    core.layers.iter().filter_map(|layer| Some(layer.unrolled()?.circuit.clone())).collect()
}

fn graphs(core: &Compiled) -> Vec<LayerGraph> {
    let of = |layer: &Unrolled| {
        [&layer.wb, &layer.wc].map(|SharedMatrix { role, solution, .. }| LayerGraph {
            layer: layer.name.clone(),
            role: *role,
            graph: solution.graph.clone(),
        })
    };
    core.layers.iter().filter_map(|layer| layer.unrolled()).flat_map(of).collect()
}

fn folded(core: &Compiled) -> Vec<Folded> {
    core.layers.iter().filter_map(|layer| layer.folded().cloned()).collect()
}

/// The texts of all, one after the other.
fn texts<T: ToString>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect()
}

/// A text with another byte at this place.
fn damaged(text: String, place: &Index, byte: u8) -> String {
    let mut bytes = text.into_bytes();
    if !bytes.is_empty() {
        let place = place.index(bytes.len());
        bytes[place] = byte;
    }
    String::from_utf8(bytes).unwrap()
}

/// Whether an error of reading this level names its line, or says that there is none.
fn has_place(level: &str, error: &Error) -> bool {
    let told = error.to_string();
    told.starts_with(&format!("error[input]: {level}, line ")) || told.ends_with("ends too early")
}

proptest! {
    #![proptest_config(strassenc_tests::property(800, 41))]

    #[test]
    fn a_dataflow_round_trips_before_and_after_pruning(model in models()) {
        let mut dataflow = lowered(&model, &any_decisions(&model, model.layers.len() as u64));
        for _ in 0..2 {
            prop_assert_eq!(&dataflow.to_string().parse::<Dataflow>().unwrap(), &dataflow);
            prune(&mut dataflow, &|_| true);
        }
    }

    #[test]
    fn a_damaged_dataflow_is_refused_with_its_line_or_another_one(
        model in models(),
        place: Index,
        byte in 9u8..127,
    ) {
        let whole = lower(&model).unwrap();
        match damaged(whole.to_string(), &place, byte).parse::<Dataflow>() {
            // What is read has a text of its own.
            Ok(other) => prop_assert_eq!(&other.to_string().parse::<Dataflow>().unwrap(), &other),
            Err(error) => prop_assert!(has_place("dataflow", &error), "{}", error),
        }
    }

    #[test]
    fn a_dataflow_that_lacks_a_line_is_refused_or_another_one(model in models(), place: Index) {
        let whole = lower(&model).unwrap().to_string();
        let mut lines: Vec<&str> = whole.lines().collect();
        lines.remove(place.index(lines.len()));
        let read = lines.join("\n").parse::<Dataflow>();
        prop_assert!(read.is_err() || read.unwrap().to_string() != whole);
    }
}

proptest! {
    #![proptest_config(strassenc_tests::property(500, 42))]

    #[test]
    fn every_level_of_a_core_round_trips(core in cores()) {
        prop_assert_eq!(&core.dataflow.to_string().parse::<Dataflow>().unwrap(), &core.dataflow);
        let engines = Engines { fifos: [("a_b".into(), 3)].into(), ..core.engines.clone() };
        for engines in [&core.engines, &engines] {
            prop_assert_eq!(&Engines::parse(&engines.to_string(), "text").unwrap(), engines);
        }
        prop_assert_eq!(&core.graph.to_string().parse::<Graph>().unwrap(), &core.graph);
        let mut graph = core.graph.clone();
        let fifos: Vec<usize> = graph.fifos().collect();
        fifos.into_iter().for_each(|fifo| graph.set_depth(fifo, usize::MAX));
        prop_assert_eq!(&graph.to_string().parse::<Graph>().unwrap(), &graph);
        prop_assert_eq!(&all::<Folded>(&texts(&folded(&core))).unwrap(), &folded(&core));
        prop_assert_eq!(&all::<LayerGraph>(&texts(&graphs(&core))).unwrap(), &graphs(&core));
        let circuits = circuits(&core);
        prop_assert_eq!(&all::<Circuit>(&texts(&circuits)).unwrap(), &circuits);
        for circuit in &circuits {
            prop_assert_eq!(&circuit.to_string().parse::<Circuit>().unwrap(), circuit);
        }
        let layers: Vec<_> = core.layers.iter().filter_map(|layer| layer.unrolled()).collect();
        let text: String = layers.iter().map(|l| l.pipeline.text(&l.circuit).to_string()).collect();
        let read = Pipeline::read(&text, &circuits.iter().collect::<Vec<_>>()).unwrap();
        prop_assert!(read.iter().eq(layers.iter().map(|layer| &layer.pipeline)));
    }

    /// Verifiers are given it too, whatever it is now.
    #[test]
    fn a_damaged_level_is_refused_with_its_line_or_another_one(
        core in cores(), place: Index, byte in 9u8..127
    ) {
        match damaged(core.graph.to_string(), &place, byte).parse::<Graph>() {
            Ok(other) => {
                prop_assert_eq!(&other.to_string().parse::<Graph>().unwrap(), &other);
                let _ = stream::verify(&other);
            }
            Err(error) => prop_assert!(has_place("streams", &error), "{}", error),
        }
        match all::<LayerGraph>(&damaged(texts(&graphs(&core)), &place, byte)) {
            Ok(others) => for (other, own) in others.into_iter().zip(graphs(&core)) {
                let text = other.to_string();
                prop_assert_eq!(&all::<LayerGraph>(&text).unwrap(), std::slice::from_ref(&other));
                let layer = core.layers.iter().filter_map(|layer| layer.unrolled());
                let layer = layer.into_iter().find(|layer| layer.name == own.layer).unwrap();
                let matrix = if own.role == layer.wc.role { &layer.wc } else { &layer.wb };
                let _ = adder_graph::prove(&other.graph, &matrix.matrix);
            }
            Err(error) => prop_assert!(has_place("adder graphs", &error), "{}", error),
        }
        for (layer, ir) in core.layers.iter().zip(&core.dataflow.layers) {
            let Some(layer) = layer.folded() else { continue };
            match damaged(layer.to_string(), &place, byte).parse::<Folded>() {
                Ok(other) => {
                    prop_assert_eq!(&other.to_string().parse::<Folded>().unwrap(), &other);
                    let is_proved = folded::prove(&other, ir).is_ok();
                    // The name and what bits there are to spare prove nothing.
                    prop_assert!(!is_proved || other.wb.weights == layer.wb.weights);
                }
                Err(error) => prop_assert!(has_place("folded layer", &error), "{}", error),
            }
        }
        match all::<Circuit>(&damaged(texts(&circuits(&core)), &place, byte)) {
            Ok(others) => for other in others {
                prop_assert_eq!(&other.to_string().parse::<Circuit>().unwrap(), &other);
                let _ = circuit::verify(&other);
            }
            Err(error) => prop_assert!(has_place("circuit", &error), "{}", error),
        }
        for layer in core.layers.iter().filter_map(|layer| layer.unrolled()) {
            let (circuit, pipeline) = (&layer.circuit, &layer.pipeline);
            let text = damaged(pipeline.text(circuit).to_string(), &place, byte);
            match Pipeline::read(&text, &[circuit]) {
                Ok(others) => for other in others {
                    let text = other.text(circuit).to_string();
                    let again = Pipeline::read(&text, &[circuit]).unwrap();
                    prop_assert_eq!(&again, std::slice::from_ref(&other));
                    let _ = schedule::verify(circuit, &other, &core.schedule);
                }
                Err(error) => prop_assert!(has_place("pipeline", &error), "{}", error),
            }
        }
    }
}

#[test]
fn a_damaged_dataflow_names_its_line() {
    let text = "dataflow tiny\nedge 0: 1x1x1 s4 0 of 1\n  0: -8..=seven\n";
    let told = text.parse::<Dataflow>().unwrap_err().to_string();
    assert_eq!(told, "error[input]: dataflow, line 3: `0: -8..=seven` is not understood");
}

#[test]
fn the_cores_that_these_tests_draw_have_every_engine_and_primitive() {
    let mut runner = TestRunner::new(strassenc_tests::property(1, 43));
    let (mut words, mut digits) = (BTreeSet::new(), 0);
    for _ in 0..300 {
        let core = cores().new_tree(&mut runner).unwrap().current();
        digits += folded(&core).iter().filter(|layer| layer.bank.digits.is_some()).count();
        let text = core.graph.to_string();
        let nodes = text.lines().filter(|line| line.starts_with("node "));
        let word = |line: &str| {
            let behind = line.split(" -> ").nth(1)?.split(' ');
            behind.into_iter().find(|word| word.parse::<u32>().is_err()).map(String::from)
        };
        words.extend(nodes.filter_map(word));
    }
    let all = "accumulate add array bank best cell collector concat curves fifo fork frame_end \
        framer highway last lookup patches positions reader recall rectify register repack \
        requantise reverse segment serialiser threshold upsample widen window";
    let missing: Vec<&str> = all.split(' ').filter(|word| !words.contains(*word)).collect();
    assert!(missing.is_empty() && digits > 0, "{missing:?}, {digits}");
}
